//! What `docs.txt` says of commands beside the table: a command's name at the start of a line, and under it, indented by
//! one space,
//!
//! - `hints`: for clients that spread commands over servers;
//! - `spec flags; begin_search; find_keys; notes`: a specification of keys, where they are not those of the table's;
//! - `flag`, `deprecated version replacement`, `history version change`;
//! - `arg name type attributes`: an argument, where the table's notation does not say all of it; two spaces more for what
//!   it consists of.

use super::syntax::Argument;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What is said of one command.
#[derive(Clone, Debug, Default)]
pub struct Doc {
    /// Hints for clients.
    pub hints: Vec<&'static str>,
    /// Its specifications of keys, if the table's are not these.
    pub specs: Vec<Spec>,
    /// Flags of the documentation.
    pub flags: Vec<&'static str>,
    /// Since when it is not to be used, and what is to be used instead.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Versions, and what changed in them.
    pub history: Vec<(&'static str, &'static str)>,
    /// Its arguments, if the table does not say them.
    pub arguments: Vec<Argument>,
}

/// Where some of a command's keys are, in the words of COMMAND INFO.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What becomes of them.
    pub flags: Vec<&'static str>,
    /// How to find where they begin.
    pub begin: Begin,
    /// How to find them from there.
    pub find: Find,
    /// What else there is to say.
    pub notes: Option<&'static str>,
}

/// `begin_search` of COMMAND INFO.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// At an index.
    Index(i64),
    /// Behind a word, looked for from an index on.
    Keyword(&'static str, i64),
    /// Nobody can tell.
    Unknown,
}

/// `find_keys` of COMMAND INFO.
#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// The last one, the distance between two, and the share of the arguments they are.
    Range(i64, i64, i64),
    /// Where their number is, where the first one is, and the distance between two.
    Count(i64, i64, i64),
    /// Nobody can tell.
    Unknown,
}

static DOCS: LazyLock<HashMap<&'static str, Doc>> =
    LazyLock::new(|| read(include_str!("docs.txt")));

/// What is said of the command `name`, in the table's spelling.
pub fn of(name: &str) -> Option<&'static Doc> {
    DOCS.get(name)
}

/// The names that something is said of.
pub fn names() -> impl Iterator<Item = &'static str> {
    DOCS.keys().copied()
}

fn read(text: &'static str) -> HashMap<&'static str, Doc> {
    let (mut docs, mut name) = (HashMap::new(), "");
    for line in text.lines() {
        let words = line.trim_start();
        if words.len() == line.len() {
            name = line;
            continue;
        }
        let doc: &mut Doc = docs.entry(name).or_default();
        let (what, rest) = words.split_once(' ').unwrap_or((words, ""));
        match what {
            "hints" => doc.hints = rest.split(' ').collect(),
            "spec" => doc.specs.push(spec(rest)),
            "flag" => doc.flags.push(rest),
            "deprecated" => doc.deprecated = Some(rest.split_once(' ').unwrap_or((rest, ""))),
            "history" => doc.history.push(rest.split_once(' ').unwrap_or((rest, ""))),
            _ => {
                let depth = (line.len() - words.len()) / 2;
                place(&mut doc.arguments, depth, argument(rest));
            }
        }
    }
    docs
}

/// Puts `argument` so many levels below `arguments`, into the last one of each.
fn place(arguments: &mut Vec<Argument>, depth: usize, argument: Argument) {
    match arguments.last_mut().filter(|_| depth > 0) {
        Some(parent) => place(&mut parent.arguments, depth - 1, argument),
        None => arguments.push(argument),
    }
}

fn spec(text: &'static str) -> Spec {
    let mut parts = text.splitn(4, "; ");
    let mut words = || {
        let part: Vec<&str> = parts.next().unwrap_or_default().split(' ').collect();
        part
    };
    let number = |word: Option<&&str>| word.and_then(|n| n.parse().ok()).unwrap_or(0);
    let flags = words();
    let begin = match &words()[..] {
        ["index", rest @ ..] => Begin::Index(number(rest.first())),
        ["keyword", word, from] => Begin::Keyword(word, number(Some(from))),
        _ => Begin::Unknown,
    };
    let find = match &words()[..] {
        ["range", a, b, c] => Find::Range(number(Some(a)), number(Some(b)), number(Some(c))),
        ["keynum", a, b, c] => Find::Count(number(Some(a)), number(Some(b)), number(Some(c))),
        _ => Find::Unknown,
    };
    Spec {
        flags,
        begin,
        find,
        notes: parts.next(),
    }
}

fn argument(text: &'static str) -> Argument {
    // A token may be of several words, and comes last.
    let (text, token) = match text.split_once(" token=") {
        Some((text, token)) => (text, Some(token)),
        None => (text, None),
    };
    let mut words = text.split(' ');
    let mut argument = Argument {
        name: words.next().unwrap_or_default().to_owned(),
        kind: words.next().unwrap_or_default(),
        token,
        ..Argument::default()
    };
    for word in words {
        match word.split_once('=') {
            Some(("since", version)) => argument.since = Some(version),
            Some(("deprecated_since", version)) => argument.deprecated_since = Some(version),
            Some(("spec", index)) => argument.key_spec = index.parse().unwrap_or(0),
            _ if word == "optional" => argument.optional = true,
            _ if word == "multiple" => argument.multiple = true,
            _ => argument.multiple_token = true,
        }
    }
    argument
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table::{all, original};

    #[test]
    fn it_speaks_of_commands_that_there_are() {
        for name in names() {
            let (container, sub) = name.split_once('|').unwrap_or((name, ""));
            let command = original(container.as_bytes());
            let known = match sub {
                "" => command.is_some(),
                _ => command.is_some_and(|c| c.subcommand(sub.as_bytes()).is_some()),
            };
            assert!(known, "there is no {name}");
        }
        assert!(names().count() * 2 > all().count());
    }

    #[test]
    fn the_notation_means_what_it_says() {
        let docs = read(
            "get\n hints a b\n flag deprecated\n deprecated 1.2.3 other thing\n history 2.0.0 is new\n spec RO x; keyword K -2; \
             range -1 1 2; some notes; and more\n arg a key spec=1 optional token=A B\n arg c block since=7.0.0 multiple\n   \
             arg d oneof\n     arg e string\n   arg f string\n arg g string\n",
        );
        let doc = &docs["get"];
        assert_eq!(doc.hints, ["a", "b"]);
        assert_eq!(doc.deprecated, Some(("1.2.3", "other thing")));
        assert_eq!(doc.history, [("2.0.0", "is new")]);
        assert!(matches!(doc.specs[0].begin, Begin::Keyword("K", -2)));
        assert!(matches!(doc.specs[0].find, Find::Range(-1, 1, 2)));
        assert_eq!(doc.specs[0].notes, Some("some notes; and more"));
        let [a, c, g] = &doc.arguments[..] else {
            panic!("{:?}", doc.arguments);
        };
        assert_eq!((a.token, a.key_spec, a.optional), (Some("A B"), 1, true));
        assert_eq!((c.since, c.multiple), (Some("7.0.0"), true));
        assert_eq!(c.arguments[0].arguments[0].name, "e");
        assert_eq!((&*c.arguments[1].name, &*g.name), ("f", "g"));
    }
}
