//! The first line of a script that says what it needs: `#!lua flags=no-writes,allow-oom`.

use crate::resp::parse::words;
use crate::store::libraries::FunctionInfo;

/// What a script declares of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// It has no such line, and is treated as scripts were before there was one.
    pub compat: bool,
    /// It writes nothing.
    pub no_writes: bool,
    /// It may run when memory is short.
    pub allow_oom: bool,
    /// It may run on a replica with stale data.
    pub allow_stale: bool,
}

/// A flag's name, and what it sets.
type Named = (&'static str, fn(&mut Flags));

/// All flags.
const NAMES: &[Named] = &[
    ("no-writes", |f| f.no_writes = true),
    ("allow-oom", |f| f.allow_oom = true),
    ("allow-stale", |f| f.allow_stale = true),
    ("no-cluster", |_| {}),
    ("allow-cross-slot-keys", |_| {}),
];

/// The names of all flags, in the order in which they are listed.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

impl Flags {
    /// Those of a function.
    pub fn of(function: &FunctionInfo) -> Flags {
        let mut flags = Flags::default();
        for name in &function.flags {
            flags.add(name.as_bytes());
        }
        flags
    }

    /// Adds the flag called `name`; false if there is none.
    pub fn add(&mut self, name: &[u8]) -> bool {
        let found = NAMES.iter().find(|(known, _)| known.as_bytes() == name);
        found.inspect(|(_, set)| set(self)).is_some()
    }
}

/// A script's text, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Shebang<'a> {
    /// What it declares.
    pub flags: Flags,
    /// What is compiled: the text from the end of the first line on, so that lines keep their numbers.
    pub body: &'a [u8],
}

impl<'a> Shebang<'a> {
    /// Takes the text of an EVAL script apart.
    ///
    /// # Errors
    /// The error reply, without its code.
    pub fn of(text: &'a [u8]) -> Result<Shebang<'a>, Vec<u8>> {
        let mut flags = Flags::default();
        if !text.starts_with(b"#!") {
            flags.compat = true;
            return Ok(Shebang { flags, body: text });
        }
        let Some(end) = memchr::memchr(b'\n', text) else {
            return Err(b"Invalid script shebang".to_vec());
        };
        let said = |what: &str, word: &[u8]| [what.as_bytes(), word].concat();
        let words = words(&text[..end]).unwrap_or_default();
        let Some((engine, options)) = words.split_first() else {
            return Err(b"Invalid engine in script shebang".to_vec());
        };
        if engine != b"#!lua" {
            return Err(said("Unexpected engine in script shebang: ", engine));
        }
        for word in options {
            let Some(list) = word.strip_prefix(b"flags=") else {
                return Err(said("Unknown lua shebang option: ", word));
            };
            let names = list.split(|b| *b == b',');
            for name in names.filter(|_| !list.is_empty()) {
                if !flags.add(name) {
                    return Err(said("Unexpected flag in script shebang: ", name));
                }
            }
        }
        Ok(Shebang {
            flags,
            body: &text[end..],
        })
    }
}
