//! Access control lists: who may run which commands, on which keys and channels.
//!
//! Pure rules. A [`User`] is what the words of `ACL SETUSER` make of it; [`User::check`] says whether it may run a
//! command, [`User::describe`] gives words that make it again. [`mod@file`] reads and writes many of them, [`AccessLog`]
//! remembers what was refused. Who is which user is the shell's business.

pub mod check;
pub mod commands;
mod describe;
pub mod file;
mod log;
mod selector;
#[cfg(test)]
mod tests;
mod user;

pub use check::Denied;
pub use log::{AccessLog, Entry, Place};
pub use selector::Selector;
pub use user::{Password, RulesError, User, merge};

use thiserror::Error;

/// The user that every connection begins as, and that nobody can delete.
pub const DEFAULT: &[u8] = b"default";

/// What is wrong with a word of `ACL SETUSER`, as Redis puts it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RuleError {
    /// It names what is not there.
    #[error("Unknown command or category name in ACL")]
    Unknown,
    /// It is no rule.
    #[error("Syntax error")]
    Syntax,
    /// A key pattern behind one that matches everything.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
         'resetkeys' to start with an empty list of patterns"
    )]
    KeyAfterAll,
    /// A channel pattern behind one that matches everything.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. \
         Try 'resetchannels' to start with an empty list of channels"
    )]
    ChannelAfterAll,
    /// No SHA-256 in lower-case hexadecimal digits.
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    BadHash,
    /// The password to be removed is none of the user's.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// `+container|subcommand|argument`.
    #[error("Allowing first-arg of a subcommand is not supported")]
    ArgumentOfSubcommand,
    /// A user is defined twice in a configuration file.
    #[error("Duplicate user found. A user can only be defined once in config files")]
    Duplicate,
}

/// True when `name` cannot be a user's, nor a pattern: it would end a word of a file.
pub fn has_spaces(name: &[u8]) -> bool {
    // What C's isspace() counts as space, and the end of a string.
    name.iter()
        .any(|b| matches!(b, b' ' | b'\t'..=b'\r' | b'\0'))
}
