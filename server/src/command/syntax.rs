//! The notation of arguments in the command table, and the tree that COMMAND DOCS makes of it.
//!
//! `key value [NX|XX] [EX seconds|PX milliseconds] [field value ...]`: words in capitals stand for themselves, others
//! for values; brackets hold what may be left out, bars separate what excludes each other (as far as the next bracket or
//! parenthesis), `...` repeats what stands before it in its brackets. `name:type` gives a value's type where its name does not.

/// An argument of a command, in the terms of COMMAND DOCS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// `key`, `string`, `integer`, `double`, `pattern`, `unix-time`, `pure-token`, `oneof` or `block`.
    pub kind: &'static str,
    /// The word that announces it.
    pub token: Option<&'static str>,
    /// It may be left out.
    pub optional: bool,
    /// It may be repeated.
    pub multiple: bool,
    /// Each time with its token.
    pub multiple_token: bool,
    /// The version that brought it, if not the command's.
    pub since: Option<&'static str>,
    /// The version from which on it is not to be used.
    pub deprecated_since: Option<&'static str>,
    /// Which specification of keys finds it.
    pub key_spec: usize,
    /// What a `oneof` or a `block` consists of.
    pub arguments: Vec<Argument>,
}

/// Reads the notation.
pub fn parse(syntax: &'static str) -> Vec<Argument> {
    let mut rest = syntax;
    sequence(&mut rest, false).0
}

/// Arguments up to the end or, in brackets, up to a bar or the closing one; and whether `...` came last.
fn sequence(rest: &mut &'static str, in_brackets: bool) -> (Vec<Argument>, bool) {
    let ends: &[char] = match in_brackets {
        true => &[' ', '|', ']', ')'],
        false => &[' '],
    };
    let (mut arguments, mut repeated) = (Vec::new(), false);
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("...") {
            (*rest, repeated) = (after, true);
        } else if let Some(after) = rest.strip_prefix('[') {
            *rest = after;
            let (group, again) = group(rest);
            add_optional(&mut arguments, group, again);
        } else if let Some(after) = rest.strip_prefix('(') {
            *rest = after;
            arguments.push(group(rest).0);
        } else if rest.is_empty() || in_brackets && rest.starts_with(['|', ']', ')']) {
            return (arguments, repeated);
        } else {
            let (first, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
            *rest = after;
            // `LEFT|RIGHT` outside of brackets: a choice that must be made.
            arguments.push(choice(first.split('|').map(word).collect()));
        }
    }
}

/// What is between brackets or parentheses, up to and with the closing one, and whether it may be repeated.
fn group(rest: &mut &'static str) -> (Argument, bool) {
    let (mut choices, mut repeated) = (Vec::new(), false);
    loop {
        let (arguments, again) = sequence(rest, true);
        repeated |= again;
        choices.push(block(arguments));
        match rest.strip_prefix('|') {
            Some(after) => *rest = after,
            None => break,
        }
    }
    *rest = rest.strip_prefix([']', ')']).unwrap_or(rest);
    (choice(choices), repeated)
}

/// One argument out of several.
fn choice(mut choices: Vec<Argument>) -> Argument {
    if choices.len() == 1 {
        return choices.remove(0);
    }
    let names: Vec<&str> = choices.iter().map(|c| &*c.name).collect();
    Argument {
        name: names.join("_"),
        kind: "oneof",
        arguments: choices,
        ..Argument::default()
    }
}

/// One argument for a sequence of them; a word in front of values announces them.
fn block(mut arguments: Vec<Argument>) -> Argument {
    if arguments.len() == 1 {
        return arguments.remove(0);
    }
    if arguments
        .first()
        .is_some_and(|a| a.kind == "pure-token" && !a.optional)
    {
        let token = arguments.remove(0).token;
        return Argument {
            token,
            ..block(arguments)
        };
    }
    let names: Vec<&str> = arguments.iter().map(|a| &*a.name).collect();
    Argument {
        name: names.join("_"),
        kind: "block",
        arguments,
        ..Argument::default()
    }
}

/// Adds what stood in brackets. `field value [field value ...]` is one block that may be repeated.
fn add_optional(arguments: &mut Vec<Argument>, mut group: Argument, repeated: bool) {
    let parts = match group.kind {
        "block" => group.arguments.len(),
        _ => 1,
    };
    if repeated && let Some(at) = arguments.len().checked_sub(parts) {
        let same = match group.kind {
            "block" => arguments[at..] == group.arguments,
            _ => arguments[at] == group,
        };
        if same {
            arguments.truncate(at);
            group.multiple = true;
            arguments.push(group);
            return;
        }
    }
    (group.optional, group.multiple) = (true, group.multiple || repeated);
    arguments.push(group);
}

fn word(text: &'static str) -> Argument {
    let (name, kind) = match text.split_once(':') {
        Some((name, kind)) => (name, kind),
        None => (text, kind_of(text)),
    };
    let is_token = kind == "pure-token";
    Argument {
        name: name.to_ascii_lowercase(),
        kind,
        token: is_token.then_some(name),
        ..Argument::default()
    }
}

/// The type that a value's name tells.
fn kind_of(name: &str) -> &'static str {
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        return "pure-token";
    }
    match name {
        "key" | "destination" | "source" | "newkey" | "destkey" => "key",
        "pattern" => "pattern",
        "score" | "min" | "max" | "increment" | "weight" => "double",
        _ if name.starts_with("unix-time") => "unix-time",
        "seconds" | "milliseconds" | "count" | "numkeys" | "numfields" | "index" | "start"
        | "stop" | "end" | "offset" | "port" | "timeout" | "cursor" | "decrement" | "rank"
        | "limit" => "integer",
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in one line: name:kind, `=TOKEN`, `?` optional, `*` multiple.
    fn show(arguments: &[Argument]) -> String {
        let one = |a: &Argument| {
            let token = a.token.map(|t| format!("={t}")).unwrap_or_default();
            let marks = [(a.optional, "?"), (a.multiple, "*")];
            let marks: String = marks.iter().filter(|m| m.0).map(|m| m.1).collect();
            let inner = match a.arguments.is_empty() {
                true => String::new(),
                false => format!("({})", show(&a.arguments)),
            };
            format!("{}:{}{token}{marks}{inner}", a.name, a.kind)
        };
        arguments.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// redis-cli refuses to be helped by types it does not know.
    #[test]
    fn every_argument_of_the_table_has_a_known_type() {
        const TYPES: &[&str] = &[
            "string",
            "integer",
            "double",
            "key",
            "pattern",
            "unix-time",
            "pure-token",
            "oneof",
            "block",
        ];
        fn check(command: &str, arguments: &[Argument]) {
            for argument in arguments {
                assert!(TYPES.contains(&argument.kind), "{command}: {argument:?}");
                check(command, &argument.arguments);
            }
        }
        let commands = crate::command::table::all();
        for command in commands.flat_map(|c| std::iter::once(c).chain(c.subcommands)) {
            check(command.name, &parse(command.syntax));
        }
    }

    #[test]
    fn the_notation_means_what_it_looks_like() {
        for (syntax, tree) in [
            ("", ""),
            ("key value", "key:key value:string"),
            ("key [key ...]", "key:key*"),
            ("[pattern [pattern ...]]", "pattern:pattern?*"),
            ("[section ...]", "section:string?*"),
            (
                "key field value [field value ...]",
                "key:key field_value:block*(field:string value:string)",
            ),
            ("[NX|XX]", "nx_xx:oneof?(nx:pure-token=NX xx:pure-token=XX)"),
            (
                "[EX seconds|KEEPTTL]",
                "seconds_keepttl:oneof?(seconds:integer=EX keepttl:pure-token=KEEPTTL)",
            ),
            (
                "[DB db:integer] [REPLACE]",
                "db:integer=DB? replace:pure-token=REPLACE?",
            ),
            (
                "[AGGREGATE (SUM|MIN)]",
                "sum_min:oneof=AGGREGATE?(sum:pure-token=SUM min:pure-token=MIN)",
            ),
            (
                "[LIMIT offset count]",
                "offset_count:block=LIMIT?(offset:integer count:integer)",
            ),
            (
                "key LEFT|RIGHT [COUNT count]",
                "key:key left_right:oneof(left:pure-token=LEFT right:pure-token=RIGHT) count:integer=COUNT?",
            ),
            (
                "[TO host port [FORCE]]",
                "host_port_force:block=TO?(host:string port:integer force:pure-token=FORCE?)",
            ),
        ] {
            assert_eq!(show(&parse(syntax)), tree, "{syntax}");
        }
    }
}
