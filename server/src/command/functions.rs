//! Libraries of functions: FUNCTION and its subcommands that are about data.

use super::args::is;
use super::error::shown;
use super::table::{Command, acl, flag::*};
use super::{CmdError, Cx};
use crate::command::shell::ShellCommand as S;
use crate::rdb::functions as payload;
use crate::script::library;
use crate::store::glob;
use crate::store::libraries::{Libraries, Library};
use std::sync::Arc;

const GROUP: &str = "scripting";
const CHANGES: u32 = WRITE | NOSCRIPT;

/// The commands' entries.
pub const COMMANDS: &[Command] = &[Command::container("function", SUBCOMMANDS).doc(
    GROUP,
    "7.0.0",
    "Depends on subcommand.",
    "",
    "Manages libraries of functions.",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::exclusive(
        "function|delete",
        3,
        CHANGES,
        super::table::KeySpec::None,
        delete,
    )
    .acl(acl::SCRIPTING)
    .doc(GROUP, "7.0.0", "O(1)", "library-name", "Deletes a library."),
    Command::free("function|dump", 2, NOSCRIPT, dump)
        .acl(acl::SCRIPTING)
        .doc(
            GROUP,
            "7.0.0",
            "O(N) where N is the number of functions",
            "",
            "Returns all libraries in a form that can be restored.",
        ),
    Command::exclusive(
        "function|flush",
        -2,
        CHANGES,
        super::table::KeySpec::None,
        flush,
    )
    .acl(acl::SCRIPTING)
    .doc(
        GROUP,
        "7.0.0",
        "O(N) where N is the number of functions deleted",
        "[ASYNC|SYNC]",
        "Deletes all libraries.",
    ),
    Command::shell("function|help", 2, LOADING | STALE, S::Function)
        .acl(acl::SCRIPTING)
        .doc(GROUP, "7.0.0", "O(1)", "", "Explains the subcommands."),
    Command::shell("function|kill", 2, NOSCRIPT | ALLOW_BUSY, S::Function)
        .acl(acl::SCRIPTING)
        .doc(
            GROUP,
            "7.0.0",
            "O(1)",
            "",
            "Ends the function that runs, if it has written nothing.",
        ),
    Command::free("function|list", -2, NOSCRIPT, list)
        .acl(acl::SCRIPTING)
        .doc(
            GROUP,
            "7.0.0",
            "O(N) where N is the number of functions",
            "[LIBRARYNAME library-name-pattern:string] [WITHCODE]",
            "Lists the libraries.",
        ),
    Command::exclusive(
        "function|load",
        -3,
        CHANGES | DENYOOM,
        super::table::KeySpec::None,
        load,
    )
    .acl(acl::SCRIPTING)
    .doc(
        GROUP,
        "7.0.0",
        "O(1) (considering compilation time is redundant)",
        "[REPLACE] function-code",
        "Makes a library.",
    ),
    Command::exclusive(
        "function|restore",
        -3,
        CHANGES | DENYOOM,
        super::table::KeySpec::None,
        restore,
    )
    .acl(acl::SCRIPTING)
    .doc(
        GROUP,
        "7.0.0",
        "O(N) where N is the number of functions on the payload",
        "serialized-value [FLUSH|APPEND|REPLACE]",
        "Restores libraries.",
    ),
    Command::shell("function|stats", 2, NOSCRIPT | ALLOW_BUSY, S::Function)
        .acl(acl::SCRIPTING)
        .doc(
            GROUP,
            "7.0.0",
            "O(1)",
            "",
            "Returns the function that runs, and what there is of libraries.",
        ),
];

fn refused(text: impl std::fmt::Display) -> CmdError {
    CmdError::formatted(format!("ERR {text}"))
}

/// Puts other libraries in place. All gates are held.
fn put(cx: &mut Cx<'_>, libraries: Libraries) {
    cx.env.dataset.set_libraries(libraries);
    cx.dirty();
}

fn load(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (options, code) = args[2..].split_at(args.len() - 3);
    let mut replace = false;
    for option in options {
        if !is(option, "replace") {
            let text = "ERR Unknown option given: {}";
            return Err(CmdError::repeating(text, &[option]));
        }
        replace = true;
    }
    let mut libraries = Libraries::clone(&cx.env.dataset.libraries());
    let name = library::name(code[0]).map_err(refused)?;
    libraries.may_add(&name, replace).map_err(refused)?;
    let library = library::load(code[0]).map_err(refused)?;
    libraries.add(Arc::new(library), replace).map_err(refused)?;
    put(cx, libraries);
    cx.out.bulk(name.as_bytes());
    Ok(())
}

fn delete(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let mut libraries = Libraries::clone(&cx.env.dataset.libraries());
    if !libraries.remove(&String::from_utf8_lossy(args[2])) {
        return Err(CmdError::text("ERR Library not found"));
    }
    put(cx, libraries);
    cx.out.ok();
    Ok(())
}

fn flush(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let known = |mode: &[u8]| is(mode, "sync") || is(mode, "async");
    if args.len() > 3 {
        return Err(CmdError::bad_subcommand(args));
    }
    if !args[2..].iter().all(|mode| known(mode)) {
        return Err(CmdError::text(
            "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
        ));
    }
    put(cx, Libraries::default());
    cx.out.ok();
    Ok(())
}

fn list(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (mut pattern, mut with_code) = (None, false);
    let mut words = args[2..].iter();
    while let Some(word) = words.next() {
        if !with_code && is(word, "withcode") {
            with_code = true;
        } else if pattern.is_none() && is(word, "libraryname") {
            let text = "ERR library name argument was not given";
            pattern = Some(
                words
                    .next()
                    .ok_or(CmdError::text(text))?
                    .to_ascii_lowercase(),
            );
        } else {
            let text = [b"ERR Unknown argument ", shown(word)].concat();
            return Err(CmdError::Text(text.into()));
        }
    }
    let libraries = cx.env.dataset.libraries();
    let wanted = |library: &&Arc<Library>| {
        let name = library.name.to_ascii_lowercase();
        let matches = |p: &Vec<u8>| glob::matches(p, name.as_bytes());
        pattern.as_ref().is_none_or(matches)
    };
    let all: Vec<_> = libraries.iter().filter(wanted).collect();
    cx.out.array(all.len());
    for library in all {
        cx.out.map(3 + usize::from(with_code));
        cx.out.bulk(b"library_name");
        cx.out.bulk(library.name.as_bytes());
        cx.out.bulk(b"engine");
        cx.out.bulk(b"LUA");
        cx.out.bulk(b"functions");
        cx.out.array(library.functions.len());
        for function in &library.functions {
            cx.out.map(3);
            cx.out.bulk(b"name");
            cx.out.bulk(function.name.as_bytes());
            cx.out.bulk(b"description");
            cx.out.bulk_or_null(function.description.as_deref());
            cx.out.bulk(b"flags");
            cx.out.set(function.flags.len());
            function.flags.iter().for_each(|flag| cx.out.simple(flag));
        }
        if with_code {
            cx.out.bulk(b"library_code");
            cx.out.bulk(&library.code);
        }
    }
    Ok(())
}

fn dump(cx: &mut Cx<'_>, _: &[&[u8]]) -> Result<(), CmdError> {
    cx.out.bulk(&payload::dump(&cx.env.dataset.libraries()));
    Ok(())
}

fn restore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    const POLICY: &str =
        "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
    let (flushes, replaces) = match &args[3..] {
        [] => (false, false),
        [word] if is(word, "append") => (false, false),
        [word] if is(word, "flush") => (true, false),
        [word] if is(word, "replace") => (false, true),
        [_] => return Err(CmdError::text(POLICY)),
        _ => return Err(CmdError::bad_subcommand(args)),
    };
    let codes = payload::restore(args[2]).map_err(CmdError::text)?;
    // Their own names must not collide either, whatever the policy.
    let mut fresh = Libraries::default();
    for code in codes {
        let library = library::load(&code).map_err(refused)?;
        fresh.add(Arc::new(library), false).map_err(refused)?;
    }
    let mut libraries = match flushes {
        true => Libraries::default(),
        false => Libraries::clone(&cx.env.dataset.libraries()),
    };
    // Those to be replaced go first: their functions are in nobody's way.
    for library in fresh.iter().filter(|_| replaces) {
        libraries.remove(&library.name);
    }
    for library in fresh.iter() {
        // Redis quotes the name only in FUNCTION LOAD.
        let unquoted = |text: String| refused(text.replace('\'', ""));
        let added = libraries.add(Arc::clone(library), false);
        added.map_err(unquoted)?;
    }
    put(cx, libraries);
    cx.out.ok();
    Ok(())
}
