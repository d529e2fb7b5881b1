//! What is done with a command of the stream.

use super::super::peer::shown;
use crate::command::shell::ShellCommand;
use crate::command::table::Lock;
use crate::command::{self, Command, Run};

/// What is done with a command of the stream.
#[derive(Clone, Copy)]
pub(super) enum What {
    Run(&'static Command),
    Select(usize),
    Publish { sharded: bool },
    Ack,
    Nothing,
    Multi,
    Exec,
}

/// Why a stream is not followed any further. Nothing was applied of the command, or transaction, that it is about.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    /// It makes no sense. What was damaged on its way comes whole when it is asked for again.
    #[error("{0}")]
    Broken(String),
    /// It has a command that nobody could run here: asked for again, it would be here again.
    #[error("{0}")]
    Unserved(String),
}

impl<S: Into<String>> From<S> for Unfit {
    fn from(why: S) -> Unfit {
        Unfit::Broken(why.into())
    }
}

/// Whether a request is one that a master sends: an array, whose arguments are followed by CR LF, or an empty line.
/// From clients the parser takes inline requests and any two bytes behind an argument, as Redis does; in a stream
/// they mean that bytes are missing.
pub(super) fn is_sound(args: &[&[u8]], request: &[u8]) -> bool {
    let within = |arg: &&[u8]| {
        let end = (arg.as_ptr() as usize).checked_sub(request.as_ptr() as usize)? + arg.len();
        request.get(end..end + 2)
    };
    match request.first() {
        Some(b'*') => args.iter().all(|arg| within(arg) == Some(b"\r\n")),
        _ => args.is_empty(),
    }
}

/// What is to be done with a command; an error if it is not to be followed.
pub(super) fn classify(args: &[&[u8]], databases: usize) -> Result<What, String> {
    let Some(name) = args.first() else {
        return Ok(What::Nothing);
    };
    // What a command was renamed to, or the name that effects are told by.
    let command = command::find(name).or_else(|| command::table::original(name));
    let Some(command) = command else {
        return Err(format!(
            "it sent a command that is not served: {}",
            shown(name)
        ));
    };
    let command = match (command.run, args.get(1)) {
        (Run::Container, Some(name)) => command.subcommand(name).unwrap_or(command),
        _ => command,
    };
    if !command.takes(args.len()) {
        return Err(format!(
            "it sent {} with {} arguments",
            command.name,
            args.len() - 1
        ));
    }
    match command.run {
        Run::Data { .. } => Ok(What::Run(command)),
        Run::Shell(ShellCommand::Ping) => Ok(What::Nothing),
        Run::Shell(ShellCommand::Select) => {
            let db = std::str::from_utf8(args[1])
                .ok()
                .and_then(|n| n.parse().ok());
            match db {
                Some(db) if db < databases => Ok(What::Select(db)),
                _ => Err(format!(
                    "it selected database {}, we have {databases}",
                    shown(args[1])
                )),
            }
        }
        Run::Shell(ShellCommand::ReplConf) => match args.get(1) {
            Some(word) if word.eq_ignore_ascii_case(b"getack") => Ok(What::Ack),
            _ => Ok(What::Nothing),
        },
        Run::Shell(ShellCommand::Multi) => Ok(What::Multi),
        Run::Shell(ShellCommand::Exec) => Ok(What::Exec),
        Run::Shell(ShellCommand::Publish) => Ok(What::Publish { sharded: false }),
        Run::Shell(ShellCommand::SPublish) => Ok(What::Publish { sharded: true }),
        Run::Shell(_) | Run::Container => Err(format!(
            "it sent a command that has no place in a stream: {}",
            command.name
        )),
    }
}

/// Whether it runs under all gates, as it may have to.
pub(super) fn is_exclusive(command: &Command) -> bool {
    matches!(
        command.run,
        Run::Data {
            lock: Lock::Exclusive | Lock::ExclusiveIf(_),
            ..
        }
    )
}
