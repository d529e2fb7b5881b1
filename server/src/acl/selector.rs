//! One set of permissions: commands, keys, channels. All of it has to hold at once.

use super::commands::{self, MOST, Numbered};
use super::{RuleError, has_spaces};
use std::collections::BTreeMap;

/// Permissions on keys.
pub(super) mod permission {
    pub const READ: u8 = 1;
    pub const WRITE: u8 = 2;
    pub const ALL: u8 = READ | WRITE;
}

/// Numbers of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits([u64; MOST / 64]);

impl Bits {
    fn all(on: bool) -> Bits {
        Bits([if on { u64::MAX } else { 0 }; MOST / 64])
    }

    pub fn has(&self, id: usize) -> bool {
        self.0
            .get(id / 64)
            .is_some_and(|word| word & 1 << (id % 64) != 0)
    }

    fn set(&mut self, id: usize, on: bool) {
        if let Some(word) = self.0.get_mut(id / 64) {
            match on {
                true => *word |= 1 << (id % 64),
                false => *word &= !(1 << (id % 64)),
            }
        }
    }
}

/// Keys that match `pattern`, and what may be done to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyPattern {
    pub pattern: Vec<u8>,
    pub permissions: u8,
}

/// One set of permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub(super) commands: Bits,
    /// All commands, and nothing was taken away since.
    pub(super) all_commands: bool,
    /// First arguments with which a command may run that may not run otherwise.
    pub(super) first_args: BTreeMap<usize, Vec<Vec<u8>>>,
    pub(super) all_keys: bool,
    pub(super) keys: Vec<KeyPattern>,
    pub(super) all_channels: bool,
    pub(super) channels: Vec<Vec<u8>>,
}

impl Selector {
    /// No permissions, but for all channels if `channels` says so (`acl-pubsub-default`).
    pub(super) fn new(channels: bool) -> Selector {
        Selector {
            commands: Bits::all(false),
            all_commands: false,
            first_args: BTreeMap::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels: channels,
            channels: Vec::new(),
        }
    }

    /// From the text of `(rule ...)`.
    pub(super) fn parse(text: &[u8], channels: bool) -> Result<Selector, RuleError> {
        let inner = text.strip_prefix(b"(").and_then(|t| t.strip_suffix(b")"));
        let words = crate::resp::parse::words(inner.ok_or(RuleError::Syntax)?);
        let mut selector = Selector::new(channels);
        for word in words.ok_or(RuleError::Syntax)? {
            selector.apply(&word)?;
        }
        Ok(selector)
    }

    /// True when it allows everything.
    pub(super) fn is_free(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    /// True when commands may run that are not there yet.
    pub(super) fn has_future_commands(&self) -> bool {
        self.commands.has(MOST - 1)
    }

    /// Changes it by one rule.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => self.set_all_keys(true),
            b"resetkeys" => self.set_all_keys(false),
            b"allchannels" | b"&*" => self.set_all_channels(true),
            b"resetchannels" => self.set_all_channels(false),
            b"allcommands" | b"+@all" => self.set_all_commands(true),
            b"nocommands" | b"-@all" => self.set_all_commands(false),
            _ => return self.apply_named(rule),
        }
        Ok(())
    }

    fn apply_named(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        match rule {
            [b'~', pattern @ ..] => self.add_keys(pattern, permission::ALL),
            [b'%', ..] if self.all_keys => Err(RuleError::KeyAfterAll),
            [b'%', rest @ ..] => {
                let (permissions, pattern) = permissions(rest).ok_or(RuleError::Syntax)?;
                self.add_keys(pattern, permissions)
            }
            [b'&', pattern @ ..] => self.add_channels(pattern),
            [sign @ (b'+' | b'-'), b'@', category @ ..] => {
                let mask = commands::category(category).ok_or(RuleError::Unknown)?;
                self.set_category(mask, *sign == b'+');
                Ok(())
            }
            [b'+', name @ ..] => self.allow(name),
            [b'-', name @ ..] => {
                let numbered = commands::named(name).ok_or(RuleError::Unknown)?;
                self.set(numbered, false);
                Ok(())
            }
            _ => Err(RuleError::Syntax),
        }
    }

    fn set_all_keys(&mut self, on: bool) {
        self.all_keys = on;
        self.keys.clear();
    }

    pub(super) fn set_all_channels(&mut self, on: bool) {
        self.all_channels = on;
        self.channels.clear();
    }

    pub(super) fn set_all_commands(&mut self, on: bool) {
        self.commands = Bits::all(on);
        self.all_commands = on;
        self.first_args.clear();
    }

    /// Allows or forbids a command, with its subcommands.
    pub(super) fn set(&mut self, numbered: &Numbered, on: bool) {
        self.first_args.remove(&numbered.id);
        self.all_commands &= on;
        self.commands.set(numbered.id, on);
        for id in &numbered.subcommands {
            self.commands.set(*id, on);
        }
    }

    /// Allows or forbids the commands of a category.
    pub(super) fn set_category(&mut self, mask: u32, on: bool) {
        for numbered in commands::all().iter().filter(|n| n.is_in(mask)) {
            self.set(numbered, on);
        }
    }

    /// `command`, `container|subcommand`, or `command|first-argument`.
    fn allow(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let Some(at) = name.iter().rposition(|&b| b == b'|') else {
            let numbered = commands::named(name).ok_or(RuleError::Unknown)?;
            self.set(numbered, true);
            return Ok(());
        };
        let (outer, argument) = (&name[..at], &name[at + 1..]);
        let outer_command = commands::named(outer).ok_or(RuleError::Unknown)?;
        if outer.contains(&b'|') {
            return Err(RuleError::ArgumentOfSubcommand);
        }
        if argument.is_empty() {
            return Err(RuleError::Syntax);
        }
        if !outer_command.subcommands.is_empty() {
            let numbered = commands::named(name).ok_or(RuleError::Unknown)?;
            self.set(numbered, true);
            return Ok(());
        }
        let known = self.first_args.entry(outer_command.id).or_default();
        if !known.iter().any(|arg| arg.eq_ignore_ascii_case(argument)) {
            known.push(argument.to_vec());
        }
        Ok(())
    }

    fn add_keys(&mut self, pattern: &[u8], permissions: u8) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeyAfterAll);
        }
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| known.pattern == pattern) {
            Some(known) => known.permissions |= permissions,
            None => self.keys.push(KeyPattern {
                pattern: pattern.to_vec(),
                permissions,
            }),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelAfterAll);
        }
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| known == pattern) {
            self.channels.push(pattern.to_vec());
        }
        Ok(())
    }
}

/// The permissions and the pattern of `%RW~pattern`, the `%` taken off. Nobody needs to give a pattern: then it is
/// empty, as in Redis.
fn permissions(rest: &[u8]) -> Option<(u8, &[u8])> {
    let mut permissions = 0;
    for (i, letter) in rest.iter().enumerate() {
        let one = match letter.to_ascii_uppercase() {
            b'R' => permission::READ,
            b'W' => permission::WRITE,
            b'~' if permissions != 0 => return Some((permissions, &rest[i + 1..])),
            _ => return None,
        };
        if permissions & one != 0 {
            return None;
        }
        permissions |= one;
    }
    (permissions != 0).then_some((permissions, &[]))
}
