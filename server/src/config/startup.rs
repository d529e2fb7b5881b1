//! The command line and the configuration file.
//!
//! The command line is that of redis-server: a configuration file, if any, and then `--name value...`, which
//! override the file. A file has one `name value...` per line, with the quoting rules of inline requests.

use super::table::{DIRECTIVES, PARAMS};
use super::value::Kind;
use super::{Config, defaults, find, read};
use crate::resp::parse::words;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How deep files may include files.
const INCLUDE_DEPTH: usize = 16;

/// What the command line asks for.
pub enum Invocation {
    /// To run, with these warnings to log.
    Run(Box<Config>, Vec<String>),
    /// To print the help.
    Help,
    /// To print the version.
    Version,
}

/// Why the server cannot start with what it was told; one line.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum StartupError {
    /// A parameter on the command line.
    #[error("bad option --{name}: {why}")]
    Option {
        /// The name given.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A word that belongs to no option.
    #[error("unexpected argument '{0}': expected [FILE] [--name value ...], see --help")]
    Argument(String),
    /// A line of a configuration file.
    #[error("{file}, line {line}: {why}")]
    Line {
        /// The file.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A configuration file that cannot be read.
    #[error("can't open config file '{0}': {1}")]
    File(String, String),
}

/// Understands a command line (without the program's name).
///
/// # Errors
/// The first thing that is wrong with it, or with a file it names.
pub fn invocation(args: &[Vec<u8>]) -> Result<Invocation, StartupError> {
    let is = |names: [&str; 2]| args.iter().any(|a| names.iter().any(|n| n.as_bytes() == a));
    if is(["--help", "-h"]) {
        return Ok(Invocation::Help);
    }
    if is(["--version", "-v"]) {
        return Ok(Invocation::Version);
    }
    let mut draft = Draft {
        values: defaults(),
        warnings: Vec::new(),
    };
    let mut args = args;
    let mut file = None;
    if let Some((first, rest)) = args.split_first()
        && !first.starts_with(b"-")
    {
        let path = PathBuf::from(String::from_utf8_lossy(first).as_ref());
        draft.file(&path, 0)?;
        file = Some(std::path::absolute(&path).unwrap_or(path));
        args = rest;
    }
    while let Some((option, rest)) = args.split_first() {
        let Some(name) = option.strip_prefix(b"--") else {
            return Err(StartupError::Argument(lossy(option)));
        };
        let count = rest.iter().take_while(|a| !a.starts_with(b"--")).count();
        let (values, rest) = rest.split_at(count);
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        draft
            .set(name, &values)
            .map_err(|why| StartupError::Option {
                name: lossy(name),
                why,
            })?;
        args = rest;
    }
    Ok(Invocation::Run(
        Box::new(Config::with(draft.values, file)),
        draft.warnings,
    ))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A configuration being read.
struct Draft {
    values: Vec<Vec<u8>>,
    warnings: Vec<String>,
}

impl Draft {
    fn set(&mut self, name: &[u8], values: &[&[u8]]) -> Result<(), String> {
        let name = lossy(name);
        let Some(index) = find(&name) else {
            if DIRECTIVES.iter().any(|d| d.eq_ignore_ascii_case(&name)) {
                self.warnings
                    .push(format!("{name} is not served: it has no effect"));
                return Ok(());
            }
            return Err("unknown parameter, see --help".to_owned());
        };
        let param = &PARAMS[index];
        if values.is_empty() {
            return Err("a value is missing".to_owned());
        }
        // A list may also come as one quoted word: --replicaof "host port".
        let split: Vec<&[u8]> = match (param.kind.is_list(), values) {
            (true, [one]) if !one.is_empty() => one
                .split(|b| *b == b' ')
                .filter(|w| !w.is_empty())
                .collect(),
            _ => values.to_vec(),
        };
        let old = self.values[index].clone();
        let mut value = read(param, &split, &old)?;
        // Each `save` line adds to those before it, as in Redis; the first one replaces the default.
        if param.kind == Kind::Save
            && !value.is_empty()
            && old != param.default.as_bytes()
            && !old.is_empty()
        {
            value = [old, value].join(&b' ');
        }
        let warned = format!("{} is not served yet: it has no effect", param.name);
        let changes = value != param.default.as_bytes();
        if !param.served && changes && !self.warnings.contains(&warned) {
            self.warnings.push(warned);
        }
        self.values[index] = value;
        Ok(())
    }

    fn file(&mut self, path: &Path, depth: usize) -> Result<(), StartupError> {
        let shown = path.display().to_string();
        if depth > INCLUDE_DEPTH {
            let why = "files include each other too deeply".to_owned();
            return Err(StartupError::File(shown, why));
        }
        let bytes =
            std::fs::read(path).map_err(|e| StartupError::File(shown.clone(), reason(&e)))?;
        for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
            let wrong = |why: String| StartupError::Line {
                file: shown.clone(),
                line: number + 1,
                why,
            };
            match directive(line) {
                None => return Err(wrong("unbalanced quotes".to_owned())),
                Some(words) => match words.as_slice() {
                    [] => {}
                    [name, other] if name.eq_ignore_ascii_case(b"include") => {
                        let other = PathBuf::from(lossy(other));
                        self.file(&other, depth + 1)?;
                    }
                    [name, values @ ..] => {
                        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
                        let set = self.set(name, &values);
                        set.map_err(|why| wrong(format!("{}: {why}", lossy(name))))?;
                    }
                },
            }
        }
        Ok(())
    }
}

/// The words of a line of a configuration file, none for a comment; `None` when its quotes are unbalanced.
pub(super) fn directive(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let line = line.trim_ascii();
    match line.first() {
        None | Some(b'#') => Some(Vec::new()),
        _ => words(line),
    }
}

/// An I/O error as the system calls it, without the number.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_owned()
}

/// What `--help` prints.
pub fn help() -> String {
    let mut text = String::from(
        "A Redis-compatible server whose replication protocol is checked.\n\n\
         Usage: damselfly [FILE] [--name value ...]\n\n\
         FILE is a configuration file as redis-server reads it; options override it. Names and values are \
         those\nof Redis 7.0. A name of Redis that is not listed here is accepted and has no effect.\n\n\
         Options:\n  -h, --help\n        Print this\n  -v, --version\n        Print the version\n",
    );
    for param in PARAMS.iter().filter(|p| p.served) {
        let default = match (param.kind, param.default) {
            (Kind::Dir, _) => "the current one".to_owned(),
            (_, "") => "none".to_owned(),
            (_, default) => default.to_owned(),
        };
        text += &format!("  --{} {}\n", param.name, shape(param.kind));
        text += &format!("        {} [default: {default}]\n", param.help);
    }
    text
}

fn shape(kind: Kind) -> String {
    match kind {
        Kind::Bool => "yes|no".to_owned(),
        Kind::Int(..) | Kind::Octal => "N".to_owned(),
        Kind::Memory(..) | Kind::MemoryOrPercent => "BYTES".to_owned(),
        Kind::Enum(words) | Kind::Flags(words) => words.join("|"),
        Kind::Text => "TEXT".to_owned(),
        Kind::FileName => "FILE".to_owned(),
        Kind::Dir => "DIR".to_owned(),
        Kind::Words => "WORD...".to_owned(),
        Kind::Save => "SECONDS CHANGES...".to_owned(),
        Kind::BufferLimits => "CLASS HARD SOFT SECONDS...".to_owned(),
        Kind::KeyspaceEvents => "CLASSES".to_owned(),
        Kind::HostPort => "HOST PORT".to_owned(),
    }
}

#[cfg(test)]
#[path = "startup_tests.rs"]
mod tests;
