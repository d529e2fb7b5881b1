//! The commands that scripts call by their names.

use super::{Context, split};
use crate::command::{self, Command};
use crate::shell::tracking::Cached;

/// A client that caches, and the keys it named.
pub(super) type Caches = (Box<Cached>, Vec<Box<[u8]>>);

impl Context {
    /// Counts that `command` was refused with `text`, which it returns.
    #[cold]
    pub(super) fn refused(&mut self, command: Option<&'static Command>, text: &str) -> String {
        let coded = text.strip_prefix('-').unwrap_or("ERR");
        let code: Box<[u8]> = coded.split(' ').next().unwrap_or(coded).as_bytes().into();
        self.told = Some(code.clone());
        self.server.note_errors(self.slot, vec![code]);
        if let Some(command) = command {
            self.server.latency.rejected(self.slot, command);
        }
        text.to_owned()
    }
}

/// The command that `args` call; an error in Redis's words.
pub(super) fn find(args: &[&[u8]]) -> Result<&'static Command, &'static str> {
    let command = named(args).ok_or("Unknown Redis command called from script")?;
    match command.takes(args.len()) {
        true => Ok(command),
        false => Err("Wrong number of args calling Redis command from script"),
    }
}

/// The command, or subcommand, whose name `args` begin with.
pub(super) fn named(args: &[&[u8]]) -> Option<&'static Command> {
    let command = command::find(args[0])?;
    match args.get(1) {
        Some(name) if !command.subcommands.is_empty() => command.subcommand(name),
        _ => Some(command),
    }
}

/// The keys that a call of a script names.
pub(super) fn declared(args: &[&[u8]]) -> Vec<Box<[u8]>> {
    let keys = split(args).map(|(keys, _)| keys).unwrap_or_default();
    keys.iter().map(|key| (*key).into()).collect()
}
