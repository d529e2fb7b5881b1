//! Under the feature `mutants`: copies of the sources with the faults of `mutants/*.txt` in them, each dormant
//! until it is switched on. Without the feature it does nothing.
//!
//! ```text
//! NAME breaks PROPERTY          the property that is to notice it, as REPLICAOF.md calls it
//! What is wrong, in a sentence.
//! in FUNCTION
//! - OLD                         stands exactly once in the function, whatever the white space
//! + NEW
//! ```
//!
//! OLD becomes `if on(N) { NEW } else { OLD }`: a statement if it ends like one, else an expression. Where neither will
//! do, NEW says `mutated()` itself, and stands in OLD's place. A fault whose OLD is not found is an error of the
//! build, so the catalogue cannot fall behind the code.

use std::fmt::Write;
use std::ops::Range;
use std::path::Path;
use std::{env, fs};

/// The modules that have faults: `src/X.rs` and `mutants/X.txt`.
const MODULES: [&str; 6] = ["attempt", "handover", "history", "node", "status", "step"];

struct Mutant<'a> {
    number: usize,
    name: &'a str,
    breaks: &'a str,
    meaning: &'a str,
    within: &'a str,
    old: String,
    new: String,
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_MUTANTS").is_none() {
        return;
    }
    let from = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the sources are");
    let to = env::var("OUT_DIR").expect("cargo says where to put what is made");
    let (from, to) = (Path::new(&from), Path::new(&to));
    let mut modules = String::new();
    let mut all = String::new();
    let mut count = 0;
    for module in MODULES {
        let source = from.join("src").join(module).with_extension("rs");
        let faults = from.join("mutants").join(module).with_extension("txt");
        for file in [&source, &faults] {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        let read = |file: &Path| {
            fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
        };
        let (source, faults) = (read(&source), read(&faults));
        let mutants = parse(&faults, &mut count);
        for m in &mutants {
            let Mutant {
                name,
                breaks,
                meaning,
                ..
            } = m;
            writeln!(
                all,
                "Mutant {{ name: {name:?}, module: {module:?}, meaning: {meaning:?}, breaks: {breaks:?} }},"
            )
            .expect("a string");
        }
        let copy = to.join(module).with_extension("rs");
        fs::write(&copy, put_in(&source, mutants)).expect("write a copy");
        writeln!(
            modules,
            "#[allow(warnings, clippy::all)] #[path = {:?}] pub mod {module};",
            copy.display().to_string()
        )
        .expect("a string");
    }
    fs::write(to.join("modules.rs"), modules).expect("write the modules");
    fs::write(to.join("all.rs"), format!("&[{all}]")).expect("write the catalogue");
}

/// The faults of one file. `count` is how many there were before.
fn parse<'a>(faults: &'a str, count: &mut usize) -> Vec<Mutant<'a>> {
    let blocks = faults.split("\n\n").map(str::trim);
    let blocks = blocks.filter(|b| !b.is_empty() && !b.starts_with('#'));
    let parsed = blocks.map(|block| {
        let mut lines = block.lines();
        let mut next = || {
            lines
                .next()
                .unwrap_or_else(|| panic!("not whole:\n{block}"))
        };
        let (name, breaks) = next()
            .split_once(" breaks ")
            .unwrap_or_else(|| panic!("NAME breaks PROPERTY:\n{block}"));
        let meaning = next();
        let within = next()
            .strip_prefix("in ")
            .unwrap_or_else(|| panic!("in FUNCTION:\n{block}"));
        let code = |sign: char| {
            let marked = block.lines().skip(3).filter_map(|l| l.strip_prefix(sign));
            marked.map(str::trim).collect::<Vec<_>>().join("\n")
        };
        *count += 1;
        let (old, new) = (code('-'), code('+'));
        assert!(
            !old.is_empty() && old != new,
            "a fault changes something:\n{block}"
        );
        Mutant {
            number: *count,
            name,
            breaks,
            meaning,
            within,
            old,
            new,
        }
    });
    parsed.collect()
}

fn put_in(source: &str, mutants: Vec<Mutant>) -> String {
    let place = |m: Mutant| {
        let places: Vec<Range<usize>> = functions(source, m.within)
            .flat_map(|f| occurrences(source, f, &m.old))
            .collect();
        let [place] = &places[..] else {
            panic!(
                "{}: stands {} times in {}, not once: {}",
                m.name,
                places.len(),
                m.within,
                m.old
            );
        };
        (place.clone(), m.number, m.new)
    };
    let mut placed: Vec<_> = mutants.into_iter().map(place).collect();
    // The outer ones first, and of those at one place the ones that are a choice.
    placed.sort_by_key(|(place, _, new)| {
        let end = std::cmp::Reverse(place.end);
        (place.start, end, new.contains("mutated()"))
    });
    render(source, 0..source.len(), &placed)
}

/// The functions of this name, from `fn` to the brace that closes them.
fn functions<'a>(source: &'a str, name: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let heads = source.match_indices("fn ").filter(move |(at, _)| {
        let rest = source[at + 3..].strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['(', '<']))
    });
    heads.map(|(at, _)| {
        let line = source[..at].rfind('\n').map_or(0, |end| end + 1);
        let indent = source[line..].chars().take_while(|c| *c == ' ').count();
        let close = format!("\n{}}}\n", " ".repeat(indent));
        let length = source[at..].find(&close).expect("a function ends");
        at..at + length
    })
}

/// Where `old` stands in a part of `source`, with any white space where it has some.
fn occurrences(source: &str, part: Range<usize>, old: &str) -> Vec<Range<usize>> {
    let ident = |c: char| c.is_alphanumeric() || c == '_';
    let words: Vec<&str> = old.split_whitespace().collect();
    let matches = |start: usize| {
        let mut at = start;
        for (i, word) in words.iter().enumerate() {
            let rest = &source[at..part.end];
            let trimmed = rest.trim_start();
            if i > 0 && trimmed.len() == rest.len() {
                return None;
            }
            at = part.end - trimmed.strip_prefix(word)?.len();
        }
        let before = source[..start].chars().next_back();
        let after = source[at..].chars().next();
        let cut = old.starts_with(ident) && before.is_some_and(ident)
            || old.ends_with(ident) && after.is_some_and(ident);
        (!cut).then_some(start..at)
    };
    let starts = source[part.clone()].match_indices(words[0]);
    let starts: Vec<usize> = starts.map(|(at, _)| part.start + at).collect();
    starts.into_iter().filter_map(matches).collect()
}

/// A part of the source with the faults in it; those within another's place come after it.
fn render(source: &str, part: Range<usize>, placed: &[(Range<usize>, usize, String)]) -> String {
    let mut text = String::new();
    let mut at = part.start;
    let mut rest = placed;
    while let Some(((place, number, new), others)) = rest.split_first() {
        let within = others
            .iter()
            .take_while(|(p, ..)| p.start < place.end)
            .count();
        let (inner, after) = others.split_at(within);
        assert!(
            inner.iter().all(|(p, ..)| p.end <= place.end),
            "faults overlap: {new}"
        );
        let old = render(source, place.clone(), inner);
        let on = format!("crate::mutant::on({number})");
        text += &source[at..place.start];
        text += &if new.contains("mutated()") {
            assert!(
                inner.is_empty(),
                "a fault within one that is no choice: {new}"
            );
            new.replace("mutated()", &on)
        } else if old.trim_end().ends_with([';', '}']) {
            format!("if {on} {{ {new} }} else {{ {old} }}")
        } else {
            format!("(if {on} {{ {new} }} else {{ {old} }})")
        };
        at = place.end;
        rest = after;
    }
    text + &source[at..part.end]
}
