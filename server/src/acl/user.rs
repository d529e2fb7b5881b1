//! One user, and the words that change it.

use super::check::Denied;
use super::selector::Selector;
use super::{DEFAULT, RuleError};
use crate::command::Command;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The SHA-256 of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Password([u8; 32]);

impl Password {
    /// Of the password in clear.
    pub fn of(clear: &[u8]) -> Password {
        Password(Sha256::digest(clear).into())
    }

    /// From 64 hexadecimal digits in lower case.
    fn parse(hex: &[u8]) -> Result<Password, RuleError> {
        let digit = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(RuleError::BadHash),
        };
        let mut hash = [0; 32];
        if hex.len() != 2 * hash.len() {
            return Err(RuleError::BadHash);
        }
        for (byte, pair) in hash.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Password(hash))
    }

    /// As 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in self.0 {
            // Writing to a string does not fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    /// Compares without telling by its time where the first difference is.
    fn is(&self, other: &Password) -> bool {
        let differs = self.0.iter().zip(&other.0);
        let differs = differs.fold(0, |differs, (a, b)| differs | (a ^ b));
        std::hint::black_box(differs) == 0
    }
}

/// What one user may do, and how it shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub(super) on: bool,
    pub(super) nopass: bool,
    /// `sanitize-payload` or `skip-sanitize-payload`, if either was said.
    pub(super) sanitize: Option<bool>,
    pub(super) passwords: Vec<Password>,
    /// What may be done: what one of them allows. The first is that of the rules outside parentheses.
    pub(super) root: Selector,
    pub(super) others: Vec<Selector>,
}

impl User {
    /// A new user: off, without a password, and without permissions but for all channels if `channels` says so.
    pub fn new(channels: bool) -> User {
        User {
            on: false,
            nopass: false,
            sanitize: None,
            passwords: Vec::new(),
            root: Selector::new(channels),
            others: Vec::new(),
        }
    }

    /// The default user as it is when nobody changed it: it may do everything.
    pub fn free() -> User {
        let mut user = User::new(true);
        (user.on, user.nopass, user.root.all_keys) = (true, true, true);
        user.root.set_all_commands(true);
        user
    }

    /// A user as `name` is before its first rule.
    pub fn fresh(name: &[u8], channels: bool) -> User {
        match name == DEFAULT {
            true => User::free(),
            false => User::new(channels),
        }
    }

    /// True when it may be logged in as.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// True when any password will do.
    pub fn needs_no_password(&self) -> bool {
        self.nopass
    }

    /// True when it may run every command on every key and channel.
    pub fn is_free(&self) -> bool {
        self.selectors().any(Selector::is_free)
    }

    /// True when this password lets one in.
    pub fn lets_in(&self, password: &[u8]) -> bool {
        let given = Password::of(password);
        // All are compared, so that the time does not tell which one it was.
        let known = self
            .passwords
            .iter()
            .fold(false, |known, password| known | password.is(&given));
        self.on && (self.nopass || known)
    }

    pub(super) fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    /// Whether it may run `command` with `args`, the name among them. They fit its arity.
    ///
    /// # Errors
    /// What it may not do.
    pub fn check(&self, command: &Command, args: &[&[u8]]) -> Result<(), Denied> {
        super::check::check(self.selectors(), command, args)
    }

    /// Why `command`, which it may run, does not run for it after all: SORT with patterns.
    pub fn refuse_at_work(&self, command: &Command, args: &[&[u8]]) -> Option<&'static str> {
        match command.name {
            "sort" | "sort_ro" => super::check::refuse_sort(self.selectors(), command, args),
            _ => None,
        }
    }

    /// Makes `password` the only one, or lets everybody in if it is empty: `requirepass`.
    pub fn set_only_password(&mut self, password: &[u8]) {
        self.nopass = password.is_empty();
        self.passwords.clear();
        if !password.is_empty() {
            self.passwords.push(Password::of(password));
        }
    }

    /// Changes it by `rules`, all of them or none. `channels`: see [`User::new`].
    ///
    /// # Errors
    /// The first rule that is wrong, and how; or the word that opens a parenthesis which nothing closes.
    pub fn apply_all(&mut self, words: &[&[u8]], channels: bool) -> Result<(), RulesError> {
        let rules = merge(words).map_err(|at| RulesError::Unmatched(words[at].to_vec()))?;
        let mut changed = self.clone();
        for rule in rules {
            if let Err(why) = changed.apply(&rule, channels) {
                return Err(RulesError::Rule(rule, why));
            }
        }
        *self = changed;
        Ok(())
    }

    /// Changes it by one rule.
    ///
    /// # Errors
    /// What is wrong with it; nothing has changed then.
    pub fn apply(&mut self, rule: &[u8], channels: bool) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"on" => self.on = true,
            b"off" => self.on = false,
            b"nopass" => {
                self.nopass = true;
                self.passwords.clear();
            }
            b"resetpass" => {
                self.nopass = false;
                self.passwords.clear();
            }
            b"sanitize-payload" => self.sanitize = Some(true),
            b"skip-sanitize-payload" => self.sanitize = Some(false),
            b"clearselectors" => self.others.clear(),
            b"reset" => {
                *self = User::new(channels);
                self.sanitize = Some(true);
            }
            _ => return self.apply_named(rule, channels),
        }
        Ok(())
    }

    fn apply_named(&mut self, rule: &[u8], channels: bool) -> Result<(), RuleError> {
        match rule {
            [b'>', clear @ ..] => self.add_password(Password::of(clear)),
            [b'#', hex @ ..] => self.add_password(Password::parse(hex)?),
            [b'<', clear @ ..] => return self.remove_password(Password::of(clear)),
            [b'!', hex @ ..] => return self.remove_password(Password::parse(hex)?),
            [b'(', .., b')'] => self.others.push(Selector::parse(rule, channels)?),
            _ => return self.root.apply(rule),
        }
        Ok(())
    }

    fn add_password(&mut self, password: Password) {
        self.nopass = false;
        if !self.passwords.contains(&password) {
            self.passwords.push(password);
        }
    }

    fn remove_password(&mut self, password: Password) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == password);
        self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }
}

/// Why rules were not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesError {
    /// The word that opens a parenthesis which nothing closes.
    Unmatched(Vec<u8>),
    /// The rule that is wrong, and how.
    Rule(Vec<u8>, RuleError),
}

impl RulesError {
    /// The error of `ACL SETUSER`, without its code.
    pub fn of_setuser(&self) -> Vec<u8> {
        match self {
            RulesError::Unmatched(word) => [
                b"Unmatched parenthesis in acl selector starting at '",
                &word[..],
                b"'.",
            ]
            .concat(),
            RulesError::Rule(rule, why) => {
                let why = why.to_string();
                let parts = [b"Error in ACL SETUSER modifier '", &rule[..], b"': "];
                [&parts.concat(), why.as_bytes()].concat()
            }
        }
    }
}

/// The rules that `words` are: those from a `(` to a `)` are one. A `(` before the last one was closed begins anew, as in
/// Redis.
///
/// # Errors
/// The index of the word whose parenthesis nothing closes.
pub fn merge(words: &[impl AsRef<[u8]>]) -> Result<Vec<Vec<u8>>, usize> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut open = None;
    for (i, word) in words.iter().enumerate() {
        let word = word.as_ref();
        match (open, rules.last_mut()) {
            (Some(_), Some(rule)) if word.starts_with(b"(") && !word.ends_with(b")") => {
                *rule = word.to_vec();
                open = Some(i);
            }
            (Some(_), Some(rule)) => {
                rule.push(b' ');
                rule.extend_from_slice(word);
            }
            _ => {
                rules.push(word.to_vec());
                open = word.starts_with(b"(").then_some(i);
            }
        }
        if word.ends_with(b")") {
            open = None;
        }
    }
    match open {
        Some(at) => Err(at),
        None => Ok(rules),
    }
}
