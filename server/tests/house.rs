//! The rules of the house that the compiler does not keep (docs/ARCHITECTURE.md). They read the sources, so
//! they are blunt: what stands in a comment does not count, what stands in a string does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files may have so many lines.
const LINES: usize = 500;

/// Those that may have more, how many, and why.
const LONGER: &[(&str, usize, &str)] = &[
    (
        "core/src/properties.rs",
        630,
        "every property, side by side",
    ),
    (
        "core/src/trace.rs",
        600,
        "one line format, read and written",
    ),
    ("server/src/config/table.rs", 800, "one row for each name"),
    (
        "server/src/store/entry.rs",
        520,
        "one block of memory, and all that is unsafe about it",
    ),
    ("core/tests/scenarios.rs", 600, "one story after the other"),
    (
        "server/src/rdb/tests/by_hand.rs",
        550,
        "one snapshot for each encoding, byte by byte",
    ),
    (
        "server/src/command/table.rs",
        900,
        "one row for each command",
    ),
];

/// The files that may say `unsafe`.
const UNSAFE: &[&str] = &[
    "server/src/main.rs",
    "server/src/store/entry.rs",
    "server/src/script/library.rs",
    "server/src/shell/scripts/cache.rs",
];

/// What each crate may use of the others: model, proofs, server -> core; benches -> core, server; and what tests these
/// from outside.
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("model", &["damselfly-core"]),
    ("proofs", &["damselfly-core"]),
    ("server", &["damselfly-core"]),
    ("benches", &["damselfly-core", "damselfly-server"]),
    (
        "server/fuzz",
        &["damselfly-core", "damselfly-model", "damselfly-server"],
    ),
    ("server/loom", &[]),
    ("server/lua", &[]),
];

/// Modules of the server that know no sockets and no runtime.
const PURE: &[&str] = &[
    "server/src/acl",
    "server/src/resp",
    "server/src/store",
    "server/src/rdb",
    "server/src/command",
    "server/src/script",
    "server/src/log",
    "server/src/config",
    "server/src/gate",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every source file of the workspace by its path from the root, in order.
fn sources() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for (part, _) in ARROWS {
        collect(&root().join(part), part, &mut files);
    }
    assert!(files.len() > 30, "the sources were not found: {files:?}");
    files
}

fn collect(dir: &Path, name: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).expect("read a directory of the workspace") {
        let path = entry.expect("read a directory of the workspace").path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{name}/{file}");
        if path.is_dir() {
            collect(&path, &name, files);
        } else if name.ends_with(".rs") {
            files.insert(name, fs::read_to_string(&path).expect("read a source file"));
        }
    }
}

/// Where the code of a file says one of `words`: `path:line: text`.
fn says(path: &str, text: &str, words: &[&str]) -> Vec<String> {
    code(text)
        .filter(|(_, line)| words.iter().any(|w| has_word(line, w)))
        .map(|(i, line)| format!("{path}:{}: {}", i + 1, line.trim()))
        .collect()
}

/// The lines without their comments. (A `//` within a string ends the line too; nobody minds.)
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i, line.find("//").map_or(line, |at| &line[..at])))
}

/// Whether `word` stands in `line` with no letter, digit or `_` beside an end of it that is one.
fn has_word(line: &str, word: &str) -> bool {
    let ident = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !(word.starts_with(ident) && before.is_some_and(ident)
            || word.ends_with(ident) && after.is_some_and(ident))
    })
}

fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn the_rules_can_be_broken() {
    let text = "use std::net;\n// tokio\nlet tokyo = 1; my_unsafe(); a.stepped(); x.step(1);\n";
    assert_eq!(says("f", text, &["std::net"]), ["f:1: use std::net;"]);
    assert!(says("f", text, &["tokio", "unsafe"]).is_empty());
    assert_eq!(says("f", text, &[".step("]).len(), 1);
    assert_eq!(
        uses("use crate::{a};\nuse core::fmt;\n\tpub use std::fmt;"),
        set(["core", "crate", "std"])
    );
}

#[test]
fn arrows_point_one_way() {
    for (part, allowed) in ARROWS {
        let manifest =
            fs::read_to_string(root().join(part).join("Cargo.toml")).expect("a manifest");
        let used: BTreeSet<&str> = dependencies(&manifest)
            .filter(|d| d.starts_with("damselfly-"))
            .collect();
        let extra: Vec<_> = used.iter().filter(|d| !allowed.contains(d)).collect();
        assert!(extra.is_empty(), "{part} uses {extra:?}");
        if matches!(*part, "core" | "model" | "proofs") {
            assert!(
                !dependencies(&manifest).any(|d| d.starts_with("tokio")),
                "{part} knows tokio"
            );
        }
        if *part == "core" {
            assert_eq!(
                dependencies(&manifest).count(),
                0,
                "core depends on nothing"
            );
        }
    }
}

/// The names under every `[..dependencies]` of a manifest.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let mut within = false;
    manifest.lines().filter_map(move |line| {
        if line.starts_with('[') {
            within = line.contains("dependencies]");
            return None;
        }
        let name = line.split(['.', ' ', '=']).next()?;
        (within && !name.is_empty() && !name.starts_with('#')).then_some(name)
    })
}

/// The faults of core are for model and proofs alone, and only when somebody asks for them.
#[test]
fn no_build_for_use_has_mutants() {
    for part in [".", "server", "benches"] {
        let file = root().join(part).join("Cargo.toml");
        let manifest = fs::read_to_string(file).expect("a manifest");
        assert!(!manifest.contains("mutants"), "{part} knows the faults");
    }
    for (part, feature) in [
        ("core", "mutants = []"),
        ("model", "mutants = [\"damselfly-core/mutants\"]"),
        ("proofs", "mutants = [\"damselfly-core/mutants\"]"),
    ] {
        let file = root().join(part).join("Cargo.toml");
        let manifest = fs::read_to_string(file).expect("a manifest");
        let lines = manifest.lines().filter(|l| l.contains("mutants"));
        assert_eq!(lines.collect::<Vec<_>>(), [feature], "{part}");
        assert!(
            !manifest.contains("default ="),
            "{part} has default features"
        );
    }
    let lib = &sources()["core/src/lib.rs"];
    let barred = "#[cfg(all(feature = \"mutants\", not(debug_assertions)))]\ncompile_error!";
    assert!(lib.contains(barred), "an optimised build may have faults");
    for (path, text) in sources() {
        if path.starts_with("server/src/") || path.starts_with("benches/") {
            none("faults", says(&path, &text, &["mutant", "mutants"]));
        }
    }
}

#[test]
fn core_uses_core_and_alloc_alone() {
    let files = sources();
    let lib = &files["core/src/lib.rs"];
    for rule in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        assert!(lib.contains(rule), "core has lost its {rule}");
    }
    let allowed = set(["alloc", "core", "crate", "self", "super"]);
    let modules: BTreeSet<String> = code(lib)
        .filter_map(|(_, line)| {
            line.trim_start_matches("pub ")
                .strip_prefix("mod ")?
                .strip_suffix(';')
        })
        .map(str::to_owned)
        .collect();
    for (path, text) in &files {
        if path.starts_with("core/src/") && !path.ends_with("tests.rs") {
            let foreign: Vec<String> = uses(text)
                .into_iter()
                .filter(|root| !allowed.contains(root) && !modules.contains(root))
                .collect();
            assert!(foreign.is_empty(), "{path} uses {foreign:?}");
            none("core knows no std", says(path, text, &["std"]));
        }
    }
}

/// The roots of the paths that a file's `use` and `extern crate` lines name.
fn uses(text: &str) -> BTreeSet<String> {
    code(text)
        .filter_map(|(_, line)| {
            let line = line
                .trim()
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ");
            let path = line
                .strip_prefix("use ")
                .or(line.strip_prefix("extern crate "))?;
            let root = path.split([':', ';', ' ', '{']).next()?;
            Some(root.to_owned())
        })
        .collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn pure_modules_know_no_sockets_and_no_runtime() {
    let forbidden = [
        "tokio",
        "socket2",
        "std::net",
        "crate::shell",
        "crate::repl",
    ];
    for (path, text) in sources() {
        if PURE.iter().any(|module| path.starts_with(module)) {
            let found = says(&path, &text, &forbidden);
            // The names of the protocol (ids, hosts, status) are pure too.
            let found = found
                .into_iter()
                .filter(|line| !line.contains("crate::repl::domain"));
            none("a pure module", found.collect());
        }
    }
}

#[test]
fn one_file_steps_the_core_and_one_builds_runtimes() {
    for (path, text) in sources() {
        if !path.starts_with("server/src/") {
            continue;
        }
        // The driver has a `step` of its own, which is the way to the one file that steps the core.
        let driver = path.starts_with("server/src/repl/driver");
        if path != "server/src/repl/driver/machine.rs" {
            let found = says(&path, &text, &[".step("]);
            let found = found.into_iter().filter(|line| {
                !(driver && (line.contains("self.step(") || line.contains("machine.step(")))
            });
            none(
                "only repl/driver/machine.rs steps the core",
                found.collect(),
            );
        }
        // Unit tests of what waits need a runtime of their own.
        if path != "server/src/shell/runtime.rs" && !path.ends_with("tests.rs") {
            let builders = [
                "runtime::Builder",
                "Runtime::new",
                "tokio::main",
                "new_current_thread",
            ];
            none(
                "only shell/runtime.rs builds runtimes",
                says(&path, &text, &builders),
            );
        }
    }
}

#[test]
fn the_system_is_asked_through_one_module() {
    // What differs from run to run, or waits for a world that is not simulated.
    let forbidden = [
        "SystemTime",
        "std::time::Instant",
        "RandomState",
        "getrandom::fill",
        "tokio::net",
        "tokio::spawn",
        "spawn_blocking",
        "std::thread",
        "TcpListener::bind",
    ];
    // It runs a process, which a simulated world has none of, or stops one (DEBUG SLEEP).
    let real = [
        "server/src/sys/",
        "server/src/shell/run.rs",
        "server/src/shell/runtime.rs",
        "server/src/shell/commands/debug.rs",
        // A module of tests.
        "server/src/command/differential.rs",
    ];
    for (path, text) in sources() {
        let exempt = real.iter().any(|part| path.starts_with(part)) || path.contains("tests");
        if path.starts_with("server/src/") && !exempt {
            // Unit tests stand at the end of a file, and run in the real world.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let found = says(&path, code, &forbidden);
            let found = found
                .into_iter()
                .filter(|line| !line.contains("task::spawn_blocking"));
            none("the system is asked through sys", found.collect());
        }
    }
}

#[test]
fn unsafe_stands_where_it_is_meant_to() {
    for (path, text) in sources() {
        if !UNSAFE.contains(&path.as_str()) && path != "server/tests/house.rs" {
            none("unsafe", says(&path, &text, &["unsafe"]));
        }
    }
}

#[test]
fn files_stay_short() {
    let files = sources();
    for (path, text) in &files {
        let lines = text.lines().count();
        let exception = LONGER.iter().find(|(file, ..)| file == path);
        let limit = exception.map_or(LINES, |(_, limit, _)| *limit);
        assert!(
            lines <= limit,
            "{path} has {lines} lines, more than {limit}: split it by subject"
        );
    }
}

#[test]
fn nothing_is_left_for_later() {
    for (path, text) in sources() {
        if path != "server/tests/house.rs" {
            let found: Vec<String> = text
                .lines()
                .filter(|line| ["TODO", "FIXME", "XXX"].iter().any(|w| has_word(line, w)))
                .map(|line| format!("{path}: {line}"))
                .collect();
            none("left for later", found);
        }
    }
}
