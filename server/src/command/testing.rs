//! A server of one thread for testing commands: text in, text out, and what replicas would be told.

use super::{Effects, Env, Expiry, Journal, Origin, Outcome, resolve, run};
use crate::resp::Reply;
use crate::store::hash::Hash;
use crate::store::{Dataset, KeyListener, Limits, Object};
use std::cell::RefCell;
use std::sync::Arc;

/// A command told to replicas: database, arguments.
pub(crate) type ToldCommand = (usize, Vec<Vec<u8>>);

/// Commands told to replicas.
#[derive(Default)]
pub(crate) struct Told(RefCell<Vec<ToldCommand>>);

impl Journal for Told {
    fn active(&self) -> bool {
        true
    }

    fn append(&self, db: usize, commands: &[&[&[u8]]]) {
        for command in commands {
            let args = command.iter().map(|arg| arg.to_vec()).collect();
            self.0.borrow_mut().push((db, args));
        }
    }
}

pub(crate) struct Bench {
    pub(crate) dataset: Dataset,
    pub(crate) db: usize,
    pub(crate) now_ms: i64,
    pub(crate) origin: Origin,
    pub(crate) expiry: Expiry,
    pub(crate) limits: Limits,
    pub(crate) told: Told,
    pub(crate) waiter: Option<Arc<dyn KeyListener>>,
    pub(crate) effects: Effects,
    /// Whether the last command blocked.
    pub(crate) blocked: Option<Option<i64>>,
}

impl Bench {
    /// An empty master at time 1,000,000 ms.
    pub(crate) fn new() -> Bench {
        Bench {
            dataset: Dataset::new(16),
            db: 0,
            now_ms: 1_000_000,
            origin: Origin::Client,
            expiry: Expiry::Remove,
            limits: Limits::default(),
            told: Told::default(),
            waiter: None,
            effects: Effects::default(),
            blocked: None,
        }
    }

    /// Runs a command of words between spaces and returns the reply, `\r\n` written as a space.
    pub(crate) fn run(&mut self, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let reply = self.run_args(&words);
        String::from_utf8_lossy(&reply)
            .trim_end()
            .replace("\r\n", " ")
    }

    /// Runs a command and returns the reply.
    pub(crate) fn run_args(&mut self, args: &[&[u8]]) -> Vec<u8> {
        let mut out = Reply::default();
        let command = match resolve(args) {
            Ok(command) => command,
            Err(error) => {
                out.error_bytes(&error.message());
                return out.take();
            }
        };
        let wait = self.waiter.clone().map(|w| move || Arc::clone(&w));
        let env = Env {
            dataset: &self.dataset,
            db: self.db,
            now_ms: self.now_ms,
            origin: self.origin,
            expiry: self.expiry,
            limits: &self.limits,
            journal: Some(&self.told),
            in_transaction: false,
            in_script: false,
            no_touch: false,
            waiter: wait.as_ref().map(|wait| wait as _),
            audience: None,
            hash: None,
        };
        self.blocked = None;
        match run(command, args, &env, &mut self.effects, &mut out) {
            Outcome::Done => {}
            Outcome::Blocked { deadline } => self.blocked = Some(deadline),
            Outcome::Replaced(dataset) => self.dataset = dataset,
        }
        out.take()
    }

    /// Puts a hash of one field at `key`.
    pub(crate) fn hash(&mut self, key: &str) {
        let mut hash = Hash::new();
        hash.insert(b"f", b"v", &self.limits);
        self.dataset.dbs()[self.db].insert_loaded(key.as_bytes(), Object::Hash(hash), None);
    }

    /// What replicas were told since the last call.
    pub(crate) fn told_commands(&self) -> Vec<ToldCommand> {
        self.told.0.take()
    }

    /// The same as `db: words`.
    pub(crate) fn told(&self) -> Vec<String> {
        let show = |(db, args): ToldCommand| {
            let words: Vec<_> = args.iter().map(|w| String::from_utf8_lossy(w)).collect();
            format!("{db}: {}", words.join(" "))
        };
        self.told_commands().into_iter().map(show).collect()
    }

    /// Runs each command and compares its reply.
    #[track_caller]
    pub(crate) fn check(&mut self, cases: &[(&str, &str)]) {
        for (line, expected) in cases {
            assert_eq!(self.run(line), *expected, "{line}");
        }
    }
}
