//! Commands: the table that names them, and how one is run.
//!
//! A handler is a plain function over the keys its command names. The dispatcher, [`run`], locks the shards
//! of those keys before it calls the handler, and hands what the handler did to the [`Journal`] before it
//! unlocks them: so the journal's order agrees with the order of changes, key by key.

pub mod access;
pub mod args;
mod collections;
#[cfg(test)]
mod differential;
pub mod differs;
pub mod effects;
pub mod error;
pub mod events;
mod fields;
pub mod inspect;
pub mod introspect;
mod left;
mod locked;
mod partial_sort;
mod seldom;
pub mod shell;
#[cfg(test)]
mod storm;
pub mod syntax;
pub mod table;
#[cfg(test)]
pub(crate) mod testing;
pub mod uses;

pub mod docs;
pub mod dump;
pub mod functions;
pub mod geo;
pub mod hashes;
pub mod hyperloglog;
pub mod keys;
pub mod lists;
pub mod scan;
pub mod sets;
pub mod sort;
pub mod streams;
pub mod strings;
pub mod zsets;

pub use access::{Expiry, Keys};
pub use effects::Effects;
pub use error::CmdError;
pub use events::Audience;
pub use table::{Command, Run, find, resolve};

use crate::log::ReplLog;
use crate::resp::Reply;
use crate::store::clock::Clock;
use crate::store::shard::Shard;
use crate::store::{Dataset, Db, KeyListener, Limits};
use locked::Locked;
use seldom::Seldom;
use smallvec::SmallVec;
use std::sync::Arc;
use table::KeySpec;

/// Runs one command. `args[0]` is the command's name as the client typed it; the number of arguments fits the
/// command's arity. A handler that returns an error has changed nothing.
pub type Handler = fn(&mut Cx<'_>, &[&[u8]]) -> Result<(), CmdError>;

/// Who a command comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client.
    Client,
    /// The stream of our master, or a log that is being replayed: to be done exactly as it says.
    Master,
}

/// Where writes are told to replicas.
pub trait Journal {
    /// False while nobody needs to be told anything, so that nobody makes up what to tell.
    fn active(&self) -> bool;

    /// Appends commands that ran in database `db`, in this order and with nothing between them.
    fn append(&self, db: usize, commands: &[&[&[u8]]]);
}

impl Journal for ReplLog {
    fn active(&self) -> bool {
        ReplLog::active(self)
    }

    fn append(&self, db: usize, commands: &[&[&[u8]]]) {
        let mut writer = self.writer();
        for command in commands {
            writer.command(db as u32, command);
        }
    }
}

/// What a caller knows when it runs a command.
pub struct Env<'a> {
    /// The dataset, as the caller's gate has it.
    pub dataset: &'a Dataset,
    /// The number of the database the client selected.
    pub db: usize,
    /// Unix time in milliseconds; one value for all of a transaction.
    pub now_ms: i64,
    /// Who asks.
    pub origin: Origin,
    /// What becomes of expired keys.
    pub expiry: Expiry,
    /// When collections leave their compact forms.
    pub limits: &'a Limits,
    /// Where writes go. `None`: nowhere, as on a replica, whose master's bytes are passed on as they are.
    pub journal: Option<&'a dyn Journal>,
    /// True inside a MULTI that the journal has been told of: what the command does is not wrapped again.
    pub in_transaction: bool,
    /// A script calls the command.
    pub in_script: bool,
    /// What the command looks at counts as no access, by the client's wish.
    pub no_touch: bool,
    /// Makes who is told when a key changes that a command waits for, which few have to. `None`: blocking is not
    /// possible, and a command that would block answers at once.
    pub waiter: Option<&'a dyn Fn() -> Arc<dyn KeyListener>>,
    /// Who hears of keyspace events and of what caches should forget. `None`: nobody.
    pub audience: Option<&'a dyn Audience>,
    /// The hash of the command's one key, if it is known already.
    pub hash: Option<u64>,
}

impl Env<'_> {
    /// The time, and what is noted of accesses.
    #[inline]
    fn clock(&self) -> Clock {
        Clock {
            accesses: self.limits.accesses,
            now_ms: self.now_ms,
            quiet: self.no_touch,
        }
    }
}

/// What a handler works with.
pub struct Cx<'a> {
    /// The keys that the command names, locked.
    pub db: Keys<'a>,
    /// Where the reply goes.
    pub out: &'a mut Reply,
    /// What the command did.
    pub effects: &'a mut Effects,
    /// What its caller knows.
    pub env: &'a Env<'a>,
    /// Somebody reads what [`Cx::rewrite`] says.
    journals: bool,
    /// Whether the command has waited already.
    attempt: Attempt<'a>,
    /// What is asked about its keys; see [`events`].
    asks: u32,
    flushes: bool,
    signals: bool,
    rest: Seldom<Rest<'a>>,
}

/// What few commands leave.
#[derive(Default)]
struct Rest<'a> {
    /// What the command is from now on, while it waits.
    rephrased: Option<Vec<Box<[u8]>>>,
    /// Keys of other databases that the command locked.
    others: Vec<Keys<'a>>,
    outcome: Outcome,
}

/// How often a command that may wait has been run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt<'a> {
    /// Never: it comes from its client.
    First,
    /// It waits, and this key changed.
    Changed(&'a [u8]),
    /// It waited in vain.
    Last,
}

/// What the caller of [`run`] has to do afterwards.
#[derive(Default)]
pub enum Outcome {
    /// Nothing.
    #[default]
    Done,
    /// Nothing was replied. The command waits for one of its keys, on which the waiter now listens: run it
    /// again when one changes, and end it at the deadline.
    Blocked {
        /// Unix milliseconds; `None`: no deadline.
        deadline: Option<i64>,
    },
    /// A command of [`table::Lock::Exclusive`] made another dataset: put it into every gate, and hand the old one to
    /// [`crate::store::lazyfree::free`].
    Replaced(Dataset),
}

impl<'a> Cx<'a> {
    /// The command changed the dataset, and replicas are told to do the same.
    #[inline]
    pub fn dirty(&mut self) {
        self.effects.dirty();
    }

    /// The command changed the dataset, and replicas are told `command` instead of it; several calls add up.
    /// Needed whenever repeating the command elsewhere or later might do something else.
    pub fn rewrite(&mut self, command: &[&[u8]]) {
        tell(self.effects, self.journals, command);
    }

    /// Waits for the command's keys until `deadline` (Unix milliseconds, `None`: for ever). False if that is
    /// not possible here, and the handler should answer as if the time were up.
    #[must_use]
    pub fn block(&mut self, deadline: Option<i64>) -> bool {
        let can_block = self.env.waiter.is_some();
        if can_block {
            self.rest.make().outcome = Outcome::Blocked { deadline };
        }
        can_block
    }

    /// [`Cx::block`], to be run again with `args` instead of its own.
    #[must_use]
    pub fn block_as(&mut self, deadline: Option<i64>, args: Vec<Box<[u8]>>) -> bool {
        self.rest.make().rephrased = Some(args);
        self.block(deadline)
    }

    /// Whether the command has waited already.
    pub fn attempt(&self) -> Attempt<'a> {
        self.attempt
    }

    /// Whether a command that waits for any of several keys looks at this one: at all of them when it comes from its
    /// client, then at the one that changed, and at none when it has waited in vain.
    pub fn looks_at(&self, key: &[u8]) -> bool {
        match self.attempt {
            Attempt::First => true,
            Attempt::Changed(changed) => changed == key,
            Attempt::Last => false,
        }
    }

    /// Puts `dataset` in place of the present one. Only for commands of [`table::Lock::Exclusive`].
    pub fn replace(&mut self, dataset: Dataset) {
        self.rest.make().outcome = Outcome::Replaced(dataset);
    }

    /// The database the client selected.
    pub fn selected(&self) -> &'a Db {
        self.db.db()
    }

    /// Locks `keys` in database `number`, which exists and is not the selected one. Only for commands of
    /// [`Lock::Exclusive`](table::Lock::Exclusive), which alone may hold shards of two databases.
    pub fn open(&mut self, number: usize, keys: &[&[u8]]) -> Result<&mut Keys<'a>, CmdError> {
        const OUT_OF_RANGE: CmdError = CmdError::text("ERR DB index is out of range");
        let db = self.env.dataset.db(number).ok_or(OUT_OF_RANGE)?;
        let locked = Locked::many(db, keys.iter().copied())?;
        let other = Keys::new((db, number), locked, self.env, self.asks);
        let others = &mut self.rest.make().others;
        others.push(other);
        others.last_mut().ok_or(OUT_OF_RANGE)
    }

    /// The time, and what is noted of accesses.
    pub fn clock(&self) -> Clock {
        self.env.clock()
    }

    /// What [`Cx::open`] locked last.
    pub fn opened(&mut self) -> Option<&mut Keys<'a>> {
        self.rest.get_mut()?.others.last_mut()
    }

    /// True when a key that is to expire `at` (Unix milliseconds) had better be removed at once. Not on a
    /// replica, where only its master removes keys.
    pub fn is_past(&self, at: i64) -> bool {
        at <= self.env.now_ms && self.env.expiry == Expiry::Remove
    }
}

/// [`Cx::rewrite`] while the keys are borrowed.
fn tell(effects: &mut Effects, journals: bool, command: &[&[u8]]) {
    match journals {
        true => effects.rewrite(command),
        false => effects.dirty_unpropagated(),
    }
}

/// Runs `command`, which is one of [`Run::Data`], for a caller that has checked its arity and is in a gate; it
/// holds all gates if the command is of [`table::Lock::Exclusive`]. Errors are replied, too.
pub fn run<'a>(
    command: &Command,
    args: &[&[u8]],
    env: &'a Env<'a>,
    effects: &mut Effects,
    out: &mut Reply,
) -> Outcome {
    attempt(command, args, env, Attempt::First, effects, out)
}

/// [`run`] for a command of one key whose shard the caller holds; [`Env::hash`] is the key's.
pub fn run_held<'a>(
    command: &Command,
    args: &[&[u8]],
    env: &'a Env<'a>,
    shard: &'a mut Shard,
    effects: &mut Effects,
    out: &mut Reply,
) -> Outcome {
    attempt_on(
        command,
        args,
        env,
        Attempt::First,
        Some(shard),
        effects,
        out,
    )
}

/// [`run`] for a command that waits. What it still waits for it goes on listening to.
pub fn attempt<'a>(
    command: &Command,
    args: &[&[u8]],
    env: &'a Env<'a>,
    attempt: Attempt<'a>,
    effects: &mut Effects,
    out: &mut Reply,
) -> Outcome {
    attempt_on(command, args, env, attempt, None, effects, out)
}

/// [`attempt`] on the shard of the command's one key, if the caller holds it.
#[inline(always)]
fn attempt_on<'a>(
    command: &Command,
    args: &[&[u8]],
    env: &'a Env<'a>,
    attempt: Attempt<'a>,
    shard: Option<&'a mut Shard>,
    effects: &mut Effects,
    out: &mut Reply,
) -> Outcome {
    effects.clear();
    let Run::Data { handler, .. } = command.run else {
        out.error("ERR internal error: not a command of the dataset");
        return Outcome::Done;
    };
    let Some(db) = env.dataset.db(env.db) else {
        out.error("ERR DB index is out of range");
        return Outcome::Done;
    };
    let locked = match command.keys {
        KeySpec::None => Ok(Locked::Nothing),
        KeySpec::Range {
            first: 1, last: 1, ..
        } => match (shard, env.hash) {
            (Some(shard), Some(hash)) => Locked::held(db, args[1], hash, shard),
            _ => Locked::one(db, args[1], env.hash),
        },
        spec => Locked::many(db, spec.positions(args).iter().map(|&i| args[i])),
    };
    let locked = match locked {
        Ok(locked) => locked,
        Err(error) => {
            out.error_bytes(&error.message());
            return Outcome::Done;
        }
    };
    let asks = events::asked(command, env, attempt);
    let journal = env.journal.filter(|j| j.active());
    let start = out.len();
    // Made where it stays: it is large.
    let mut cx = Cx {
        db: Keys::new((db, env.db), locked, env, asks),
        out,
        effects,
        env,
        journals: journal.is_some(),
        attempt,
        asks,
        flushes: false,
        signals: false,
        rest: Seldom::none(),
    };
    if let Err(error) = handler(&mut cx, args) {
        cx.out.truncate(start);
        cx.out.error_bytes(&error.message());
    }
    let (keys, effects) = (&mut cx.db, &mut *cx.effects);
    keys.remove_stale();
    if command.reads() {
        effects.hits = keys.hits.get();
        effects.misses = keys.misses.get();
    }
    for gone in keys.expired() {
        match &gone.fields {
            None => effects.expired += 1,
            Some(fields) => effects.expired_fields += fields.len() as u32,
        }
    }
    let changes = effects.is_dirty() || cx.signals;
    let audience = env.audience.filter(|_| asks != 0);
    if let Some(audience) = audience {
        events::tell(audience, keys, changes);
    }
    keys.settle(changes);
    if let Some(rest) = cx.rest.get_mut() {
        for other in &mut rest.others {
            if let Some(audience) = audience {
                events::tell(audience, other, changes);
            }
            other.settle(changes);
            if let Some(journal) = journal {
                journal_deletions(journal, other);
            }
        }
    }
    if let Some(journal) = journal
        && (effects.is_dirty() || !keys.expired().is_empty())
    {
        propagate(journal, command, env, keys, args, effects);
    }
    if let Some(audience) = audience
        && asks & events::CACHES != 0
    {
        if cx.flushes {
            audience.flushed();
        }
        if command.is(table::flag::READONLY) && attempt == Attempt::First {
            let positions = command.keys.positions(args);
            positions.iter().for_each(|&i| audience.read(args[i]));
        }
    }
    let Some(rest) = cx.rest.get_mut() else {
        return Outcome::Done;
    };
    let outcome = std::mem::take(&mut rest.outcome);
    if let (Outcome::Blocked { .. }, Some(waiter), Attempt::First) = (&outcome, env.waiter, attempt)
    {
        let waiter = waiter();
        if let Some(args) = rest.rephrased.take() {
            waiter.rephrase(args);
        }
        for i in command.keys.positions(args) {
            keys.listen(args[i], &waiter);
        }
    }
    outcome
}

/// Tells the journal of keys and fields that were removed since they had expired.
#[cold]
fn journal_deletions(journal: &dyn Journal, keys: &Keys<'_>) {
    for gone in keys.expired() {
        journal.append(keys.number(), &[&gone.deletion()]);
    }
}

/// Tells the journal what the command did, under the locks of its keys.
#[cold]
fn propagate(
    journal: &dyn Journal,
    command: &Command,
    env: &Env<'_>,
    keys: &Keys<'_>,
    args: &[&[u8]],
    effects: &Effects,
) {
    let rewrites = effects.rewrites();
    if keys.expired().is_empty() && rewrites.is_none() {
        return journal.append(env.db, &[args]);
    }
    let deletions: SmallVec<[_; 1]> = keys.expired().iter().map(|gone| gone.deletion()).collect();
    let mut commands: SmallVec<[&[&[u8]]; 4]> = deletions.iter().map(|del| &del[..]).collect();
    if effects.is_dirty() {
        match &rewrites {
            None => commands.push(args),
            Some(rewrites) => commands.extend(rewrites.iter().map(|c| &c[..])),
        }
    }
    // What one command did is seen by replicas at once, too; but not which expired keys it came across by chance.
    let by_chance = matches!(command.name, "scan" | "randomkey");
    if commands.len() > 1 && !env.in_transaction && !by_chance {
        commands.insert(0, &[b"MULTI"]);
        commands.push(&[b"EXEC"]);
    }
    if !commands.is_empty() {
        journal.append(env.db, &commands);
    }
}
