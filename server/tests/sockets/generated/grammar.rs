//! What commands a family has, as a text: what random programs of it are made of.
//!
//! A line is one of
//! - `# ...`: a comment;
//! - `!name value`: a setting of the family: how many `connections` a program has, of which `proto` if not of both, and
//!   in how many of a hundred commands something is `changed`; further `args` of the servers; words that both sides go
//!   `without`; whether commands may `block`, connections `listen`, in `anyorder`; whether there are `replicas`; and
//!   whether the `nodata` in the end, or their `noencoding`, are compared;
//! - `setup WORD ...`: a command that nobody compares, run before each program;
//! - `begin @C WORD ...`: the first command of every program, of connection C;
//! - `name = WORD ...`: words, each of which may stand for `$name`;
//! - `name : WORD ...`: one alternative of several words for `$name`;
//! - `[N x ][@C ]WORD ...`: a command, N times as likely as others, of connection C only;
//! - `include name`: the lines of another text.
//!
//! In a word `$name` (or `${name}`) is what stands for it, `$rN` a number below N, `$step` how far the program is and
//! `$byte` any byte; `\xNN` is a byte, `\s` a space, `\n` and `\r` ends of lines, `\d` a dollar, and `""` nothing at all. A word
//! `?WORD` is there or not, `*$name` up to three times, `+$name` one to four times.

use crate::commands::programs::Rng;
use std::collections::HashMap;

/// A command of a program, and the connection that sends it.
pub type Step = (usize, Vec<Vec<u8>>);

/// Values at the edge of something, put in where nobody expects them.
const EDGES: &str = r#"edge = "" 0 -1 1 9223372036854775807 -9223372036854775808 9223372036854775808 18446744073709551615 nan inf -inf 1e308 -0 0x10 1e400 a * $ \x00\xff \s1 1\s +1 01 1.5 4294967296 2147483648 -2147483649 WITHSCORES (1 [a - + >"#;

/// One of a hundred commands is changed so often.
const CHANGED: usize = 6;

#[derive(Default)]
pub struct Grammar {
    pools: HashMap<&'static str, Vec<Vec<&'static str>>>,
    commands: Vec<(Option<usize>, Vec<&'static str>)>,
    settings: HashMap<&'static str, &'static str>,
    /// Commands that are run before each program.
    pub setup: Vec<Vec<Vec<u8>>>,
    /// How each program begins.
    pub begin: Vec<Step>,
}

impl Grammar {
    /// Reads a text; `texts` are those it may include.
    ///
    /// # Panics
    /// If it names what is not there.
    pub fn new(text: &'static str, texts: &[(&str, &'static str)]) -> Grammar {
        let mut grammar = Grammar::default();
        grammar.load(EDGES, texts);
        grammar.load(text, texts);
        grammar
    }

    fn load(&mut self, text: &'static str, texts: &[(&str, &'static str)]) {
        let lines = text
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'));
        for line in lines {
            let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
            let mut words = rest.split(' ');
            match first {
                "include" => {
                    let found = texts.iter().find(|(name, _)| *name == rest);
                    let (_, text) = found.unwrap_or_else(|| panic!("there is no {rest}"));
                    self.load(text, texts);
                }
                "setup" => self.setup.push(words.map(plain).collect()),
                "begin" => {
                    let connection = words.next().and_then(|word| word[1..].parse().ok());
                    let step = (connection.expect("@C"), words.map(plain).collect());
                    self.begin.push(step);
                }
                name if name.starts_with('!') => drop(self.settings.insert(&name[1..], rest)),
                name if rest.starts_with("= ") => {
                    let each = words.skip(1).map(|word| vec![word]);
                    self.pools.entry(name).or_default().extend(each);
                }
                name if rest.starts_with(": ") || rest == ":" => {
                    words.next();
                    self.pools.entry(name).or_default().push(words.collect());
                }
                _ => self.command_line(line),
            }
        }
    }

    fn command_line(&mut self, line: &'static str) {
        let mut words: Vec<&str> = line.split(' ').collect();
        let mut number = |mark: &dyn Fn(&str) -> Option<&str>| {
            let number = mark(words[0]).and_then(|n| n.parse::<usize>().ok())?;
            words.remove(0);
            Some(number)
        };
        let times = number(&|word| word.strip_suffix('x')).unwrap_or(1);
        let connection = number(&|word| word.strip_prefix('@'));
        let command = (connection, words);
        self.commands.extend(std::iter::repeat_n(command, times));
    }

    /// Whether the family has a setting.
    pub fn is(&self, name: &str) -> bool {
        self.settings.contains_key(name)
    }

    /// A setting that is a number.
    pub fn number(&self, name: &str, default: usize) -> usize {
        let value = self.settings.get(name);
        value.map_or(default, |value| value.parse().expect("a number"))
    }

    /// A setting of several words.
    pub fn words(&self, name: &str) -> Vec<&'static str> {
        let value = self.settings.get(name).copied().unwrap_or_default();
        value.split_whitespace().collect()
    }

    /// The command at `step` of a program.
    pub fn step(&self, rng: &mut Rng, step: usize) -> Step {
        let (connection, words) = rng.pick(&self.commands);
        let mut args = Vec::new();
        self.expand(rng, step, words, &mut args);
        if rng.below(100) < self.number("changed", CHANGED) && args.len() > 1 {
            self.change(rng, &mut args);
        }
        let at = rng.below(args.len());
        let is_word = at == 0 || args[at].iter().all(u8::is_ascii_uppercase);
        if rng.below(10) == 0 && is_word {
            for byte in args[at].iter_mut().filter(|b| b.is_ascii_alphabetic()) {
                *byte ^= 32 * (rng.below(2) as u8);
            }
        }
        let connections = self.number("connections", 1);
        let connection = connection.unwrap_or_else(|| rng.below(connections));
        let without = self.words("without");
        match args
            .iter()
            .any(|arg| without.iter().any(|word| plain(word) == *arg))
        {
            true => self.step(rng, step),
            false => (connection, args),
        }
    }

    /// An argument too many or too few, an odd one, two exchanged, one twice.
    fn change(&self, rng: &mut Rng, args: &mut Vec<Vec<u8>>) {
        let (at, other) = (1 + rng.below(args.len() - 1), 1 + rng.below(args.len() - 1));
        let edge = plain(rng.pick(&self.pools["edge"])[0]);
        match rng.below(6) {
            0 => drop(args.pop()),
            1 => args.insert(at, edge),
            2 => args[at] = edge,
            3 => args.swap(at, other),
            4 => args.insert(at, args[other].clone()),
            _ => args.push(edge),
        }
    }

    fn expand(&self, rng: &mut Rng, step: usize, words: &[&'static str], out: &mut Vec<Vec<u8>>) {
        for word in words {
            let (mut word, mut times) = (*word, 1);
            if let Some(rest) = word.strip_prefix('?').filter(|rest| !rest.is_empty()) {
                if rng.below(2) == 0 {
                    continue;
                }
                word = rest;
            } else if word.starts_with("*$") {
                (word, times) = (&word[1..], rng.below(4));
            } else if word.starts_with("+$") {
                (word, times) = (&word[1..], 1 + rng.below(4));
            }
            for _ in 0..times {
                match word.strip_prefix('$').and_then(|name| self.pools.get(name)) {
                    Some(pool) => {
                        let words: &Vec<&str> = rng.pick(pool);
                        self.expand(rng, step, words, out);
                    }
                    None => out.push(self.word(rng, step, word)),
                }
            }
        }
    }

    /// A word in which something may stand for something else.
    fn word(&self, rng: &mut Rng, step: usize, word: &'static str) -> Vec<u8> {
        let mut parts = word.split('$');
        let mut out = plain(parts.next().unwrap_or_default());
        for part in parts {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, rest) = match part.strip_prefix('{').and_then(|p| p.split_once('}')) {
                Some(split) => split,
                None => part.split_at(part.find(|c| !is_name(c)).unwrap_or(part.len())),
            };
            let below = name.strip_prefix('r').and_then(|n| n.parse().ok());
            match self.pools.get(name) {
                Some(pool) => {
                    let mut args = Vec::new();
                    let words: &Vec<&str> = rng.pick(pool);
                    self.expand(rng, step, words, &mut args);
                    out.extend(args.join(&b' '));
                }
                None if name == "step" => out.extend(step.to_string().bytes()),
                None if name == "byte" => out.push(rng.below(256) as u8),
                None if below.is_some() => {
                    out.extend(rng.below(below.unwrap_or(1)).to_string().bytes());
                }
                None => out.extend(format!("${}", &part[..part.len() - rest.len()]).bytes()),
            }
            out.extend(plain(rest));
        }
        out
    }
}

/// The bytes that a word without a `$name` is.
fn plain(word: &str) -> Vec<u8> {
    if word == "\"\"" {
        return Vec::new();
    }
    let (mut out, mut bytes) = (Vec::new(), word.bytes());
    while let Some(byte) = bytes.next() {
        let hex = |b: Option<u8>| b.and_then(|b| (b as char).to_digit(16)).expect("a digit");
        out.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            _ => match bytes.next() {
                Some(b'x') => (16 * hex(bytes.next()) + hex(bytes.next())) as u8,
                Some(b's') => b' ',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b'd') => b'$',
                other => panic!("\\{other:?} in {word}"),
            },
        });
    }
    out
}
