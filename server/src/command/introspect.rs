//! COMMAND: what the table says.

use super::args::is;
use super::docs::{self, Begin, Doc, Find, Spec};
use super::syntax::{self, Argument};
use super::table::{self, Command, KeySpec, acl, all, find, flag, flag::*};
use super::uses::Uses;
use super::{CmdError, Cx, uses};
use crate::resp::Reply;
use crate::store::glob;

const GROUP: &str = "server";
const META: u32 = LOADING | STALE;

/// The commands' entries.
pub const COMMANDS: &[Command] = &[Command {
    subcommands: SUBCOMMANDS,
    ..Command::free("command", -1, META, command)
        .acl(acl::CONNECTION)
        .doc(
            GROUP,
            "2.8.13",
            "O(N) where N is the total number of commands",
            "",
            "Describes all commands.",
        )
}];

const SUBCOMMANDS: &[Command] = &[
    Command::free("command|count", 2, META, count)
        .acl(acl::CONNECTION)
        .doc(
            GROUP,
            "2.8.13",
            "O(1)",
            "",
            "Returns the number of commands.",
        ),
    Command::free("command|docs", -2, META, documentation)
        .acl(acl::CONNECTION)
        .doc(
            GROUP,
            "7.0.0",
            "O(N) where N is the number of commands to look up",
            "[command-name ...]",
            "Returns the documentation of commands.",
        ),
    Command::free("command|getkeys", -4, META, getkeys)
        .acl(acl::CONNECTION)
        .doc(
            GROUP,
            "2.8.13",
            "O(N) where N is the number of arguments to the command",
            "command [arg ...]",
            "Returns the keys among a command's arguments.",
        ),
    Command::free("command|getkeysandflags", -4, META, getkeysandflags)
        .acl(acl::CONNECTION)
        .doc(
            GROUP,
            "7.0.0",
            "O(N) where N is the number of arguments to the command",
            "command [arg ...]",
            "Returns the keys among a command's arguments, and what becomes of them.",
        ),
    Command::free("command|help", 2, META, help)
        .acl(acl::CONNECTION)
        .doc(GROUP, "5.0.0", "O(1)", "", "Explains the subcommands."),
    Command::free("command|info", -2, META, info)
        .acl(acl::CONNECTION)
        .doc(
            GROUP,
            "2.8.13",
            "O(N) where N is the number of commands to look up",
            "[command-name ...]",
            "Describes commands.",
        ),
    Command::free("command|list", -2, META, list)
        .acl(acl::CONNECTION)
        .doc(
            GROUP,
            "7.0.0",
            "O(N) where N is the total number of commands",
            "[FILTERBY (MODULE module-name|ACLCAT category|PATTERN pattern)]",
            "Returns the names of commands.",
        ),
];

/// A command by its name, or a subcommand by `container|name`.
fn named(name: &[u8]) -> Option<&'static Command> {
    match name.iter().position(|&b| b == b'|') {
        Some(at) => find(&name[..at])?.subcommand(&name[at + 1..]),
        None => find(name),
    }
}

fn command(cx: &mut Cx<'_>, _: &[&[u8]]) -> Result<(), CmdError> {
    cx.out.array(all().count());
    all().for_each(|command| describe(command, cx.out));
    Ok(())
}

fn count(cx: &mut Cx<'_>, _: &[&[u8]]) -> Result<(), CmdError> {
    cx.out.int(all().count() as i64);
    Ok(())
}

fn info(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    if args.len() == 2 {
        return command(cx, args);
    }
    cx.out.array(args.len() - 2);
    for name in &args[2..] {
        match named(name) {
            Some(command) => describe(command, cx.out),
            None => cx.out.null(),
        }
    }
    Ok(())
}

fn list(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let wanted: Box<dyn Fn(&Command) -> bool> = match args[2..] {
        [] => Box::new(|_| true),
        [by, what, _] if is(by, "filterby") && is(what, "module") => Box::new(|_| false),
        [by, what, category] if is(by, "filterby") && is(what, "aclcat") => {
            let bit = acl::NAMES.iter().position(|name| is(category, name));
            let mask = bit.map_or(0, |bit| 1 << bit);
            Box::new(move |c| c.all_categories() & mask != 0)
        }
        [by, what, pattern] if is(by, "filterby") && is(what, "pattern") => {
            let pattern = pattern.to_ascii_lowercase();
            Box::new(move |c| glob::matches(&pattern, c.name.as_bytes()))
        }
        _ => return Err(CmdError::Syntax),
    };
    let with_subcommands = |c: &'static Command| std::iter::once(c).chain(c.subcommands);
    let commands: Vec<&Command> = all()
        .flat_map(with_subcommands)
        .filter(|c| wanted(c))
        .collect();
    cx.out.array(commands.len());
    for command in commands {
        cx.out.bulk(command.name.as_bytes());
    }
    Ok(())
}

fn getkeys(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (_, keys) = keys_of(&args[2..])?;
    cx.out.array(keys.len());
    keys.iter().for_each(|key| cx.out.bulk(key));
    Ok(())
}

fn getkeysandflags(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (command, keys) = keys_of(&args[2..])?;
    let uses = uses::of(command, command.uses, &args[2..]);
    cx.out.array(keys.len());
    for (nth, key) in keys.into_iter().enumerate() {
        cx.out.array(2);
        cx.out.bulk(key);
        flag_names(uses.flags(nth), cx.out);
    }
    Ok(())
}

fn keys_of<'a>(args: &[&'a [u8]]) -> Result<(&'static Command, Vec<&'a [u8]>), CmdError> {
    const NO_KEYS: CmdError = CmdError::text("ERR The command has no key arguments");
    let command = table::called(table::find(args[0]), args)
        .map_err(|_| CmdError::text("ERR Invalid command specified"))?;
    if matches!(command.keys, KeySpec::None) || command.uses == Uses::NOT_KEYS {
        return Err(NO_KEYS);
    }
    if !command.takes(args.len()) {
        return Err(CmdError::text(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    match command.keys.right_positions(args) {
        Some(keys) if !keys.is_empty() || command.is(NO_MANDATORY_KEYS) => {
            Ok((command, keys.iter().map(|&i| args[i]).collect()))
        }
        None if command.is(NO_MANDATORY_KEYS) => Ok((command, Vec::new())),
        _ => Err(CmdError::text(
            "ERR Invalid arguments specified for command",
        )),
    }
}

/// The names of the bits set in `bits`, each with `prefix` in front. What has no name is our own.
fn bit_names(bits: u32, names: &[&str], prefix: &str, out: &mut Reply) {
    let set = |(bit, name): &(usize, &&str)| bits & 1 << bit != 0 && !name.is_empty();
    let shown: Vec<_> = names.iter().enumerate().filter(set).collect();
    out.set(shown.len());
    for (_, name) in shown {
        out.simple(&format!("{prefix}{name}"));
    }
}

/// A command as COMMAND and COMMAND INFO show it.
fn describe(command: &Command, out: &mut Reply) {
    let doc = docs::of(command.name);
    let specs = specs(command, doc);
    let (first, last, step) = match command.keys {
        KeySpec::Range { first, last, step } => (first as i64, i64::from(last), step as i64),
        _ => match specs.first().map(|spec| (spec.begin, spec.find)) {
            Some((Begin::Index(at), Find::Range(last, step, _))) => (at, at + last, step),
            _ => (0, 0, 0),
        },
    };
    let movable = !matches!(command.keys, KeySpec::None | KeySpec::Range { .. });
    out.array(10);
    out.bulk(command.name.as_bytes());
    out.int(i64::from(command.arity));
    let flags = command.flags | if movable { MOVABLEKEYS } else { 0 };
    bit_names(flags, flag::NAMES, "", out);
    out.int(first);
    out.int(last);
    out.int(step);
    bit_names(command.all_categories(), acl::NAMES, "@", out);
    let hints = doc.map_or(&[][..], |doc| &doc.hints);
    out.set(hints.len());
    hints.iter().for_each(|hint| out.bulk(hint.as_bytes()));
    out.set(specs.len());
    specs.iter().for_each(|spec| key_spec(spec, out));
    out.set(command.subcommands.len());
    command.subcommands.iter().for_each(|c| describe(c, out));
}

/// What becomes of keys.
fn flag_names(flags: &[&str], out: &mut Reply) {
    out.set(flags.len());
    flags.iter().for_each(|flag| out.simple(flag));
}

/// Where the keys of a command are: what its documentation says, or else what follows from the table.
fn specs(command: &Command, doc: Option<&Doc>) -> Vec<Spec> {
    if let Some(doc) = doc.filter(|doc| !doc.specs.is_empty()) {
        return doc.specs.clone();
    }
    let uses = command.uses;
    let spec = |nth, begin, find| Spec {
        flags: uses.flags(nth).to_vec(),
        begin,
        find,
        notes: None,
    };
    let one = Find::Range(0, 1, 0);
    match command.keys {
        KeySpec::None => Vec::new(),
        KeySpec::Range { first, last, step } => {
            let last = match last {
                0.. => i64::from(last) - first as i64,
                _ => i64::from(last),
            };
            let find = Find::Range(last, step as i64, 0);
            vec![spec(0, Begin::Index(first as i64), find)]
        }
        KeySpec::FirstAnd(_) | KeySpec::FirstAndSome(_) => vec![
            spec(0, Begin::Index(1), one),
            spec(1, Begin::Unknown, Find::Unknown),
        ],
        KeySpec::Counted { at, also } => {
            let counted = (Begin::Index(at as i64), Find::Count(0, 1, 1));
            match also {
                0 => vec![spec(0, counted.0, counted.1)],
                _ => vec![
                    spec(0, Begin::Index(also as i64), one),
                    spec(1, counted.0, counted.1),
                ],
            }
        }
        KeySpec::Found(_) => vec![spec(0, Begin::Unknown, Find::Unknown)],
    }
}

fn key_spec(spec: &Spec, out: &mut Reply) {
    out.map(3 + usize::from(spec.notes.is_some()));
    if let Some(notes) = spec.notes {
        out.bulk(b"notes");
        out.bulk(notes.as_bytes());
    }
    out.bulk(b"flags");
    flag_names(&spec.flags, out);
    out.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(at) => typed("index", &[("index", at)], out),
        Begin::Keyword(word, from) => {
            typed_head("keyword", 2, out);
            out.bulk(b"keyword");
            out.bulk(word.as_bytes());
            out.bulk(b"startfrom");
            out.int(from);
        }
        Begin::Unknown => typed("unknown", &[], out),
    }
    out.bulk(b"find_keys");
    match spec.find {
        Find::Range(last, step, limit) => {
            let numbers = [("lastkey", last), ("keystep", step), ("limit", limit)];
            typed("range", &numbers, out);
        }
        Find::Count(at, first, step) => {
            let numbers = [("keynumidx", at), ("firstkey", first), ("keystep", step)];
            typed("keynum", &numbers, out);
        }
        Find::Unknown => typed("unknown", &[], out),
    }
}

fn typed_head(kind: &str, fields: usize, out: &mut Reply) {
    out.map(2);
    out.bulk(b"type");
    out.bulk(kind.as_bytes());
    out.bulk(b"spec");
    out.map(fields);
}

fn typed(kind: &str, numbers: &[(&str, i64)], out: &mut Reply) {
    typed_head(kind, numbers.len(), out);
    for (name, number) in numbers {
        out.bulk(name.as_bytes());
        out.int(*number);
    }
}

fn documentation(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let commands: Vec<&Command> = match args.len() {
        2 => all().collect(),
        _ => args[2..].iter().filter_map(|name| named(name)).collect(),
    };
    cx.out.map(commands.len());
    commands.iter().for_each(|c| document(c, cx.out));
    Ok(())
}

/// A command's name and documentation.
fn document(command: &Command, out: &mut Reply) {
    out.bulk(command.name.as_bytes());
    let texts = [
        ("summary", command.summary),
        ("since", command.since),
        ("group", command.group),
        ("complexity", command.complexity),
    ];
    let texts = texts.iter().filter(|(_, text)| !text.is_empty());
    let said = docs::of(command.name);
    let arguments = match said {
        Some(doc) if !doc.arguments.is_empty() => doc.arguments.clone(),
        _ => syntax::parse(command.syntax),
    };
    let doc = said.cloned().unwrap_or_default();
    let deprecated = [doc.deprecated.map(|d| d.0), doc.deprecated.map(|d| d.1)];
    let deprecated = ["deprecated_since", "replaced_by"]
        .into_iter()
        .zip(deprecated)
        .filter_map(|(name, text)| Some((name, text.filter(|text| !text.is_empty())?)));
    let fields = texts.clone().count()
        + deprecated.clone().count()
        + usize::from(!doc.flags.is_empty())
        + usize::from(!doc.history.is_empty())
        + usize::from(!arguments.is_empty())
        + usize::from(!command.subcommands.is_empty());
    out.map(fields);
    for (name, text) in texts {
        out.bulk(name.as_bytes());
        out.bulk(text.as_bytes());
    }
    if !doc.flags.is_empty() {
        out.bulk(b"doc_flags");
        flag_names(&doc.flags, out);
    }
    for (name, text) in deprecated {
        out.bulk(name.as_bytes());
        out.bulk(text.as_bytes());
    }
    if !doc.history.is_empty() {
        out.bulk(b"history");
        out.set(doc.history.len());
        for (version, change) in &doc.history {
            out.array(2);
            out.bulk(version.as_bytes());
            out.bulk(change.as_bytes());
        }
    }
    if !arguments.is_empty() {
        out.bulk(b"arguments");
        document_arguments(&arguments, out);
    }
    if !command.subcommands.is_empty() {
        out.bulk(b"subcommands");
        out.map(command.subcommands.len());
        command.subcommands.iter().for_each(|c| document(c, out));
    }
}

fn document_arguments(arguments: &[Argument], out: &mut Reply) {
    out.array(arguments.len());
    for argument in arguments {
        let flags = [
            (argument.optional, "optional"),
            (argument.multiple, "multiple"),
            (argument.multiple_token, "multiple_token"),
        ];
        let flags: Vec<&str> = flags.iter().filter(|f| f.0).map(|f| f.1).collect();
        let texts = [
            ("token", argument.token),
            ("since", argument.since),
            ("deprecated_since", argument.deprecated_since),
        ];
        let texts = texts
            .iter()
            .filter_map(|(name, text)| Some((name, (*text)?)));
        // Patterns may stand for keys, too.
        let finds_keys = argument.kind == "key" || argument.key_spec > 0;
        let fields = 2
            + usize::from(finds_keys)
            + texts.clone().count()
            + usize::from(!flags.is_empty())
            + usize::from(!argument.arguments.is_empty());
        out.map(fields);
        out.bulk(b"name");
        out.bulk(argument.name.as_bytes());
        out.bulk(b"type");
        out.bulk(argument.kind.as_bytes());
        if finds_keys {
            out.bulk(b"key_spec_index");
            out.int(argument.key_spec as i64);
        }
        for (name, text) in texts {
            out.bulk(name.as_bytes());
            out.bulk(text.as_bytes());
        }
        if !flags.is_empty() {
            out.bulk(b"flags");
            flag_names(&flags, out);
        }
        if !argument.arguments.is_empty() {
            out.bulk(b"arguments");
            document_arguments(&argument.arguments, out);
        }
    }
}

fn help(cx: &mut Cx<'_>, _: &[&[u8]]) -> Result<(), CmdError> {
    const LINES: &[&str] = &[
        "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "(no subcommand)",
        "    Return details about all commands.",
        "COUNT",
        "    Return the number of commands.",
        "DOCS [<command-name> ...]",
        "    Return the documentation of some commands, or of all.",
        "GETKEYS <full-command>",
        "    Return the keys from a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys and the access flags from a full command.",
        "INFO [<command-name> ...]",
        "    Return details about some commands, or about all.",
        "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    Return the names of commands.",
        "HELP",
        "    Prints this help.",
    ];
    cx.out.array(LINES.len());
    LINES.iter().for_each(|line| cx.out.simple(line));
    Ok(())
}

#[cfg(test)]
mod tests;
