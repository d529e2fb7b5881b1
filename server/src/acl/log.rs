//! `ACL LOG`: what was refused lately.

use super::Denied;
use crate::command::Command;
use std::collections::VecDeque;

/// Milliseconds within which the same refusal counts again instead of having an entry of its own.
const TOGETHER_MS: i64 = 60_000;
/// How many of the latest entries are looked through for the same one.
const LOOKED_AT: usize = 10;

/// Where a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// By itself.
    Toplevel,
    /// In a transaction.
    Multi,
    /// In a script.
    Lua,
}

impl Place {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Place::Toplevel => "toplevel",
            Place::Multi => "multi",
            Place::Lua => "lua",
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How often it came.
    pub count: u64,
    /// What kind of thing was refused: `command`, `key`, `channel`, `auth`.
    pub reason: &'static str,
    /// Where.
    pub place: Place,
    /// What was refused: the name of a command, a key, a channel.
    pub object: Vec<u8>,
    /// The user, or the one that somebody wanted to be.
    pub user: Vec<u8>,
    /// When it came last, in Unix milliseconds.
    pub at_ms: i64,
    /// The line of `CLIENT LIST` about who was refused last.
    pub client: Vec<u8>,
}

impl Entry {
    /// That `user` was refused `command` with `args`.
    pub fn denied(
        denied: Denied,
        place: Place,
        (command, args): (&Command, &[&[u8]]),
        user: &[u8],
    ) -> Entry {
        let arg = |at: usize| args.get(at).copied().unwrap_or_default();
        let (reason, object) = match denied {
            Denied::Command => ("command", command.name.as_bytes()),
            Denied::Key(at) => ("key", arg(at)),
            Denied::Channel(at) => ("channel", arg(at)),
        };
        Entry::new(reason, place, object, user)
    }

    /// That nobody was let in as `user`; `asked` is the name of the command that asked for it, as it was sent.
    pub fn not_let_in(place: Place, asked: &[u8], user: &[u8]) -> Entry {
        Entry::new("auth", place, asked, user)
    }

    fn new(reason: &'static str, place: Place, object: &[u8], user: &[u8]) -> Entry {
        Entry {
            count: 1,
            reason,
            place,
            object: object.to_vec(),
            user: user.to_vec(),
            at_ms: 0,
            client: Vec::new(),
        }
    }

    fn is_like(&self, other: &Entry) -> bool {
        self.reason == other.reason
            && self.place == other.place
            && (self.at_ms - other.at_ms).abs() <= TOGETHER_MS
            && self.object == other.object
            && self.user == other.user
    }
}

/// The latest refusals, the last one first.
#[derive(Debug, Default)]
pub struct AccessLog(VecDeque<Entry>);

impl AccessLog {
    /// Remembers one, and at most `max` in all.
    pub fn add(&mut self, mut entry: Entry, max: usize) {
        let known = self.0.iter().take(LOOKED_AT);
        if let Some(at) = known.clone().position(|known| known.is_like(&entry))
            && let Some(known) = self.0.remove(at)
        {
            entry.count += known.count;
        }
        self.0.push_front(entry);
        self.0.truncate(max);
    }

    /// The latest `count`.
    pub fn latest(&self, count: usize) -> Vec<Entry> {
        self.0.iter().take(count).cloned().collect()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
