//! The command line and the configuration file.
//!
//! The command line is that of redis-server: a configuration file, if any, `-` for more of it on the standard input,
//! and `--name value...`, which override both. A file has one `name value...` per line, with the quoting rules of
//! inline requests.

use super::table::{DIRECTIVES, PARAMS};
use super::value::Kind;
use super::{Config, defaults, find, needs_tls, read};
use crate::acl::file::Declared;
use crate::command::table;
use crate::resp::parse::{quoted, words};
use std::io::Read;
use std::path::{Path, PathBuf};
use thiserror::Error;

mod include;

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
    #[error("bad option '{line}': {why}")]
    Option {
        /// The name, and its values in quotes.
        line: String,
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
    /// A parameter that means nothing without TLS.
    #[error("Failed to configure TLS: {0} is set, and TLS is not served")]
    Tls(&'static str),
}

/// Understands a command line (without the program's name).
///
/// # Errors
/// The first thing that is wrong with it, or with a file it names.
pub fn invocation(args: &[Vec<u8>]) -> Result<Invocation, StartupError> {
    // Further on they may be the value of an option: a password, say.
    match args.first().map(Vec::as_slice) {
        Some(b"-h") => return Ok(Invocation::Help),
        Some(b"-v") => return Ok(Invocation::Version),
        _ => {}
    }
    let mut draft = Draft {
        values: defaults(),
        warnings: Vec::new(),
        saves: false,
        users: Vec::new(),
        renames: Vec::new(),
    };
    let (mut rest, mut file) = (args, None);
    let is_dash = |arg: Option<&Vec<u8>>| arg.is_some_and(|arg| arg == b"-");
    if let Some((first, others)) = args.split_first()
        && !first.starts_with(b"-")
    {
        let path = PathBuf::from(lossy(first));
        draft.file(&path, 0)?;
        file = Some(std::path::absolute(&path).unwrap_or(path));
        rest = others;
    }
    let dash_first = is_dash(args.first());
    rest = &rest[usize::from(dash_first)..];
    let dash_last = is_dash(rest.last());
    rest = &rest[..rest.len() - usize::from(dash_last)];
    if dash_first || dash_last {
        draft.standard_input()?;
    }
    for option in options(rest)? {
        let (name, values) = match option.split_first() {
            Some((name, values)) => (lossy(name), values),
            None => continue,
        };
        match name.to_ascii_lowercase().as_str() {
            "help" => return Ok(Invocation::Help),
            "version" => return Ok(Invocation::Version),
            _ => draft.option(name, values)?,
        }
    }
    if let Some(index) = (0..PARAMS.len()).find(|index| needs_tls(*index, &draft.values)) {
        return Err(StartupError::Tls(PARAMS[index].name));
    }
    Ok(Invocation::Run(
        Box::new(Config::with(draft.values, file, draft.users, draft.renames)),
        draft.warnings,
    ))
}

/// Understands the text of a configuration file that lies in no file; it includes none.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn from_text(text: &[u8]) -> Result<Config, StartupError> {
    let mut draft = Draft {
        values: defaults(),
        warnings: Vec::new(),
        saves: false,
        users: Vec::new(),
        renames: Vec::new(),
    };
    draft.text("the text", text, INCLUDE_DEPTH)?;
    Ok(Config::with(draft.values, None, draft.users, draft.renames))
}

/// The words of each option, its name first. What follows a name is its value, whatever it looks like; and both may
/// come as one argument. As in Redis, the first name may do without its dashes.
fn options(args: &[Vec<u8>]) -> Result<Vec<Vec<Vec<u8>>>, StartupError> {
    let mut options: Vec<Vec<Vec<u8>>> = Vec::new();
    for (i, arg) in args.iter().enumerate() {
        let bare = options.last().is_some_and(|words| words.len() == 1);
        match (arg.strip_prefix(b"--"), options.last_mut()) {
            (Some(line), _) if !bare => {
                let mut words = words(line).ok_or_else(|| StartupError::Option {
                    line: lossy(line),
                    why: "unbalanced quotes".to_owned(),
                })?;
                let next = args.get(i + 1);
                // As in Redis, `--save` without a value is `--save ""`.
                if let [name] = &words[..]
                    && name.eq_ignore_ascii_case(b"save")
                    && next.is_none_or(|next| next.starts_with(b"--"))
                {
                    words.push(Vec::new());
                }
                if words.is_empty() {
                    words.push(Vec::new());
                }
                options.push(words);
            }
            (_, Some(words)) => words.push(arg.clone()),
            (_, None) if arg.starts_with(b"-") => return Err(StartupError::Argument(lossy(arg))),
            (_, None) => options.push(vec![arg.clone()]),
        }
    }
    Ok(options)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A configuration being read.
struct Draft {
    values: Vec<Vec<u8>>,
    warnings: Vec<String>,
    /// `save` was given: what is given next adds to it.
    saves: bool,
    users: Vec<Declared>,
    renames: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Draft {
    fn set(&mut self, name: &[u8], values: &[&[u8]]) -> Result<(), String> {
        let name = lossy(name);
        if name.eq_ignore_ascii_case("user") {
            self.users.push(Declared::parse(values, &self.users)?);
            return Ok(());
        }
        if name.eq_ignore_ascii_case("rename-command") {
            let [old, new] = values else {
                return Err("wrong number of arguments".to_owned());
            };
            table::may_rename(&self.renames, old, new)?;
            self.renames.push((old.to_vec(), new.to_vec()));
            return Ok(());
        }
        let Some(index) = find(&name) else {
            if DIRECTIVES.iter().any(|d| d.eq_ignore_ascii_case(&name)) {
                self.warnings
                    .push(format!("{name} is not served: it has no effect"));
                return Ok(());
            }
            return Err("unknown parameter, see --help".to_owned());
        };
        let param = &PARAMS[index];
        // A line of a list may have none.
        if values.is_empty() && !param.kind.is_list() {
            return Err("wrong number of arguments".to_owned());
        }
        // A list may also come as one quoted word: --replicaof "host port".
        let apart = match (param.kind.is_list(), values) {
            (true, [one]) if !one.is_empty() => {
                words(one).ok_or_else(|| "unbalanced quotes".to_owned())?
            }
            _ => values.iter().map(|value| value.to_vec()).collect(),
        };
        let apart: Vec<&[u8]> = apart.iter().map(Vec::as_slice).collect();
        // What comes of the file of a server that can does not keep this one from starting.
        if let (Kind::No(why), [yes]) = (param.kind, &apart[..])
            && yes.eq_ignore_ascii_case(b"yes")
        {
            self.warnings
                .push(format!("{} has no effect: {why}", param.name));
            return Ok(());
        }
        let old = self.values[index].clone();
        let mut value = read(param, &apart, &old)?;
        // Each `save` line adds to those before it, as in Redis; the first one replaces the default.
        if param.kind == Kind::Save {
            if self.saves && !value.is_empty() && !old.is_empty() {
                value = [old, value].join(&b' ');
            }
            self.saves = true;
        }
        let warned = format!("{} is not served yet: it has no effect", param.name);
        let changes = value != param.default.as_bytes();
        if !param.served && changes && !self.warnings.contains(&warned) {
            self.warnings.push(warned);
        }
        self.values[index] = value;
        Ok(())
    }

    /// An option of the command line.
    fn option(&mut self, name: String, values: &[Vec<u8>]) -> Result<(), StartupError> {
        if let ("include", [file]) = (name.to_ascii_lowercase().as_str(), values) {
            return self.include(file, 0);
        }
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let set = self.set(name.as_bytes(), &values);
        set.map_err(|why| {
            let quoted = values.iter().map(|value| lossy(&quoted(value)));
            let line = [name]
                .into_iter()
                .chain(quoted)
                .collect::<Vec<_>>()
                .join(" ");
            StartupError::Option { line, why }
        })
    }

    fn include(&mut self, pattern: &[u8], depth: usize) -> Result<(), StartupError> {
        for file in include::expand(Path::new(&lossy(pattern))) {
            self.file(&file, depth)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, depth: usize) -> Result<(), StartupError> {
        let shown = path.display().to_string();
        if depth > INCLUDE_DEPTH {
            let why = "files include each other too deeply".to_owned();
            return Err(StartupError::File(shown, why));
        }
        match std::fs::read(path) {
            Ok(bytes) => self.text(&shown, &bytes, depth),
            Err(e) => Err(StartupError::File(shown, reason(&e))),
        }
    }

    fn standard_input(&mut self) -> Result<(), StartupError> {
        let (mut bytes, shown) = (Vec::new(), "the standard input");
        match std::io::stdin().read_to_end(&mut bytes) {
            Ok(_) => self.text(shown, &bytes, 0),
            Err(e) => Err(StartupError::File(shown.to_owned(), reason(&e))),
        }
    }

    /// The lines of the file `shown`.
    fn text(&mut self, shown: &str, bytes: &[u8], depth: usize) -> Result<(), StartupError> {
        for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
            let wrong = |why: String| StartupError::Line {
                file: shown.to_owned(),
                line: number + 1,
                why,
            };
            match directive(line) {
                None => return Err(wrong("unbalanced quotes".to_owned())),
                Some(words) => match words.as_slice() {
                    [] => {}
                    [name, other] if name.eq_ignore_ascii_case(b"include") => {
                        self.include(other, depth + 1)?;
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
         Usage: damselfly [FILE] [-] [--name value ...]\n\n\
         FILE is a configuration file as redis-server reads it; `-` reads more of it from the standard input; \
         options\noverride both. Names and values are those of Redis 7.0. A name of Redis that is not listed \
         here is accepted\nand has no effect.\n\n\
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
        Kind::Bool | Kind::No(_) => "yes|no".to_owned(),
        Kind::Int(..) | Kind::Clamped(..) | Kind::Octal => "N".to_owned(),
        Kind::Memory(..) | Kind::MemoryFloor(_) | Kind::MemoryOrPercent => "BYTES".to_owned(),
        Kind::Enum(words) | Kind::Flags(words) => words.join("|"),
        Kind::Text | Kind::Title | Kind::HostName => "TEXT".to_owned(),
        Kind::FileName => "FILE".to_owned(),
        Kind::Dir => "DIR".to_owned(),
        Kind::Words => "WORD...".to_owned(),
        Kind::Scores => "N N N".to_owned(),
        Kind::Save => "SECONDS CHANGES...".to_owned(),
        Kind::BufferLimits => "CLASS HARD SOFT SECONDS...".to_owned(),
        Kind::Percentiles => "NUMBERS".to_owned(),
        Kind::KeyspaceEvents => "CLASSES".to_owned(),
        Kind::HostPort => "HOST PORT".to_owned(),
    }
}

#[cfg(test)]
#[path = "startup_tests.rs"]
mod tests;
