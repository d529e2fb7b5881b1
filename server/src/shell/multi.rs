//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use super::admit;
use super::call::Call;
use super::client::{memory::Held, trait_of};
use super::execute::{Flow, Outside};
use super::replication::Answer;
use super::server::{Server, now_ms};
use crate::acl::{Denied, Place};
use crate::command::{Command, Journal};
use crate::log::ReplLog;
use crate::resp::Reply;
use crate::store::{Change, Dataset, KeyListener};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// Commands queued between MULTI and EXEC.
pub(super) struct Queue {
    commands: Vec<(&'static Command, Vec<Box<[u8]>>)>,
    /// Bytes of their words.
    bytes: usize,
    /// A command was refused: EXEC will fail.
    pub aborted: bool,
    /// The flags any of the commands has.
    pub any: u32,
    /// The flags all of the commands have.
    pub all: u32,
    /// There are scripts among them.
    scripts: bool,
}

impl Queue {
    fn new() -> Queue {
        Queue {
            commands: Vec::new(),
            bytes: 0,
            aborted: false,
            any: 0,
            all: u32::MAX,
            scripts: false,
        }
    }

    /// Adds a command, with the flags that it has with these arguments.
    pub fn push(&mut self, command: &'static Command, args: &[&[u8]], flags: u32) {
        self.any |= flags;
        self.scripts |= admit::runs_script(command);
        self.all &= flags;
        // One that will not run need not be kept.
        if !self.aborted {
            let word = size_of::<Box<[u8]>>();
            self.bytes += args.iter().map(|arg| arg.len() + word).sum::<usize>();
            let args = args.iter().map(|arg| (*arg).into()).collect();
            self.commands.push((command, args));
        }
    }

    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Bytes of their words.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Where the writes of a transaction, or of a script, go: to the log, between a MULTI and an EXEC that are there only if
/// anything is written. All gates are held for as long as it lives, so nothing comes in between.
pub(super) struct Transaction {
    log: Arc<ReplLog>,
    open: Cell<bool>,
    db: Cell<usize>,
    /// It is a script's.
    script: bool,
    /// The only command so far: what is one in all goes without MULTI and EXEC, as in Redis.
    first: RefCell<Option<(usize, Vec<Vec<u8>>)>>,
    /// Nobody is to be told of what comes (`redis.set_repl`).
    muted: Cell<bool>,
}

impl Transaction {
    fn new(log: &Arc<ReplLog>) -> Transaction {
        Transaction {
            log: Arc::clone(log),
            open: Cell::new(false),
            db: Cell::new(0),
            script: false,
            first: RefCell::new(None),
            muted: Cell::new(false),
        }
    }

    /// For a script that is no part of a transaction.
    pub fn of_script(log: &Arc<ReplLog>) -> Transaction {
        Transaction {
            script: true,
            ..Transaction::new(log)
        }
    }

    /// Whether nobody is told of what comes.
    pub fn mute(&self, muted: bool) {
        self.muted.set(muted);
    }

    /// The script is over: the transaction that it was a part of, if there is one.
    pub fn after_script(self) -> Option<Transaction> {
        self.mute(false);
        match self.script {
            true => {
                self.close();
                None
            }
            false => Some(self),
        }
    }

    fn close(&self) {
        if self.open.replace(false) {
            self.log.append(self.db.get() as u32, &[b"EXEC"]);
        }
        if let Some((db, args)) = self.first.take() {
            let args: SmallVec<[&[u8]; 8]> = args.iter().map(|arg| &**arg).collect();
            self.log.append(db as u32, &args);
        }
    }
}

impl Journal for Transaction {
    fn active(&self) -> bool {
        self.log.active() && !self.muted.get()
    }

    fn append(&self, db: usize, commands: &[&[&[u8]]]) {
        let mut first = self.first.borrow_mut();
        if let (false, None, [only]) = (self.open.get(), &*first, commands) {
            *first = Some((db, only.iter().map(|arg| arg.to_vec()).collect()));
            return;
        }
        let mut writer = self.log.writer();
        if !self.open.replace(true) {
            let begins = first.as_ref().map_or(db, |(db, _)| *db);
            writer.command(begins as u32, &[b"MULTI"]);
        }
        if let Some((db, args)) = first.take() {
            let args: SmallVec<[&[u8]; 8]> = args.iter().map(|arg| &**arg).collect();
            writer.command(db as u32, &args);
        }
        self.db.set(db);
        for command in commands {
            writer.command(db as u32, command);
        }
    }
}

/// Hears of changes to a watched key.
#[derive(Default)]
pub(super) struct Alarm {
    /// The key has changed: what its client queues will not run.
    rung: AtomicBool,
    /// The key is there, but its time had come when it was looked at: it is nothing, and may go.
    stale: AtomicBool,
}

impl Alarm {
    /// True when the key has changed.
    pub fn rang(&self) -> bool {
        self.rung.load(Relaxed)
    }
}

impl KeyListener for Alarm {
    fn key_changed(&self, _: &[u8], change: Change) {
        // Redis's rules: a stale key that goes, or is replaced by another stale one, has not changed; nor has one that
        // was not there and comes stale, with the keys of another database.
        let was_stale = self.stale.load(Relaxed);
        let stays = match change {
            Change::Made => None,
            Change::Gone => was_stale.then_some(false),
            Change::Replaced {
                was_there,
                is_there,
            } => match is_there {
                None => was_stale.then_some(false),
                Some(at) if at.is_some_and(|at| at <= now_ms()) => {
                    (was_stale || !was_there).then_some(true)
                }
                Some(_) => None,
            },
        };
        match stays {
            Some(stale) => self.stale.store(stale, Relaxed),
            None => self.rung.store(true, Relaxed),
        }
    }
}

/// The keys a client watches.
#[derive(Default)]
pub(super) struct Watching {
    keys: Vec<Watched>,
    /// Bytes of the keys.
    bytes: usize,
}

struct Watched {
    db: u32,
    key: Box<[u8]>,
    alarm: Arc<Alarm>,
}

impl Watching {
    fn is_dirty(&self, dataset: &Dataset, now_ms: i64) -> bool {
        self.keys.iter().any(|Watched { db, key, alarm }| {
            let expired = || {
                let db = dataset.db(*db as usize);
                !alarm.stale.load(Relaxed) && db.is_some_and(|db| db.is_expired(key, now_ms))
            };
            alarm.rang() || expired()
        })
    }

    /// Stops watching.
    pub fn end_in(self, dataset: &Dataset) {
        for watched in self.keys {
            if let Some(db) = dataset.db(watched.db as usize) {
                let listener: Arc<dyn KeyListener> = watched.alarm;
                db.unlisten(&watched.key, &listener);
            }
        }
    }
}

/// MULTI.
pub(super) fn multi(call: &mut Call<'_>) -> Flow {
    if call.session.queue.is_some() {
        call.out.error("ERR MULTI calls can not be nested");
        return Flow::Next;
    }
    call.session.queue = Some(Box::new(Queue::new()));
    call.client.set(trait_of::MULTI, true);
    call.client.queued.store(1, Relaxed);
    call.out.ok();
    Flow::Next
}

/// Forgets the queued commands and the watched keys.
pub(super) fn discard(call: &mut Call<'_>) {
    call.session.queue = None;
    call.client.set(trait_of::MULTI, false);
    call.client.queued.store(0, Relaxed);
    call.client.holds(Held::Queue, 0, 0);
    unwatch(call);
}

/// Forgets the watched keys.
pub(super) fn unwatch(call: &mut Call<'_>) {
    if let Some(watching) = call.session.watching.take() {
        watching.end_in(&call.world.view().dataset);
        call.client.holds(Held::Watched, 0, 0);
    }
}

/// WATCH.
pub(super) fn watch(call: &mut Call<'_>, keys: &[&[u8]]) -> Flow {
    if call.session.queue.is_some() {
        call.out.error("ERR WATCH inside MULTI is not allowed");
        return Flow::Next;
    }
    let db_number = call.session.db;
    let watching = call.session.watching.get_or_insert_default();
    if let Some(db) = call.world.view().dataset.db(db_number as usize) {
        for key in keys {
            let known = |w: &Watched| w.db == db_number && *w.key == **key;
            if watching.keys.iter().any(known) {
                continue;
            }
            let alarm = Arc::new(Alarm {
                rung: AtomicBool::new(false),
                stale: AtomicBool::new(db.is_expired(key, call.now_ms)),
            });
            let listener: Arc<dyn KeyListener> = alarm.clone();
            db.listen(key, &listener);
            watching.bytes += key.len();
            watching.keys.push(Watched {
                db: db_number,
                key: (*key).into(),
                alarm,
            });
        }
    }
    let (count, bytes) = (watching.keys.len(), watching.bytes);
    call.client.holds(Held::Watched, count, bytes);
    call.out.ok();
    Flow::Next
}

/// What a command is told that was queued and may not run now.
const RULES_CHANGED: &str = "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC \
                             call. This command is no longer allowed for the following reason: ";

impl Call<'_> {
    /// Whether the client's user may still run a command that was queued.
    fn recheck(&mut self, command: &Command, args: &[&[u8]]) -> Result<(), Denied> {
        self.look_up_access();
        self.check_rules(command, args, Place::Multi)
    }
}

/// EXEC.
pub(super) fn exec(call: &mut Call<'_>) -> Flow {
    let Some(queue) = &call.session.queue else {
        call.out.error("ERR EXEC without MULTI");
        return Flow::Next;
    };
    if queue.aborted {
        discard(call);
        call.out
            .error("EXECABORT Transaction discarded because of previous errors.");
        return Flow::Next;
    }
    if queue.scripts && call.server.is_bound(call.slot) {
        return Flow::MayTakeLong;
    }
    if !call.world.is_still() {
        return Flow::NeedAll;
    }
    let dataset = &call.world.view().dataset;
    let watching = call.session.watching.as_deref();
    let dirty = watching.is_some_and(|w| w.is_dirty(dataset, call.now_ms));
    let commands = call
        .session
        .queue
        .take()
        .map(|q| q.commands)
        .unwrap_or_default();
    discard(call);
    if dirty {
        call.out.null_array();
        return Flow::Next;
    }
    let start = call.out.len();
    call.out.array(commands.len());
    call.transaction = Some(Transaction::new(&call.server.log));
    let (mut jobs, mut closes) = (Vec::new(), None);
    for (command, args) in &commands {
        let args: SmallVec<[&[u8]; 8]> = args.iter().map(|arg| &**arg).collect();
        if let Err(denied) = call.recheck(command, &args) {
            call.out
                .error(&format!("{RULES_CHANGED}{}", denied.in_exec()));
            call.out.has_failed();
            call.server.latency.rejected(call.slot, command);
            continue;
        }
        match call.time(command, &args) {
            Flow::Next => {}
            // What comes after it still runs, and nobody is told.
            Flow::Close => {
                closes.get_or_insert(call.out.len());
            }
            Flow::Outside(job) => jobs.push((call.out.len() - start, job)),
            Flow::NeedAll | Flow::Park(_) | Flow::Paused | Flow::MayTakeLong => {
                call.out
                    .error("ERR Command not allowed inside a transaction");
            }
        }
    }
    if let Some(transaction) = call.transaction.take() {
        transaction.close();
    }
    if let Some(end) = closes {
        call.out.truncate(end);
        return Flow::Close;
    }
    if jobs.is_empty() {
        return Flow::Next;
    }
    let replies = call.out.as_bytes()[start..].to_vec();
    call.out.truncate(start);
    Flow::Outside(Box::new(move |server| {
        Answer::Now(spliced(server, &replies, jobs))
    }))
}

/// The replies of a transaction, those of `jobs` put where they belong.
fn spliced(server: &Arc<Server>, replies: &[u8], jobs: Vec<(usize, Outside)>) -> Vec<u8> {
    let (mut whole, mut from) = (Reply::default(), 0);
    for (at, job) in jobs {
        whole.raw(&replies[from..at]);
        from = at;
        match job(server) {
            Answer::Now(reply) => whole.made(&reply),
            Answer::Later(_) => whole.error("ERR Command not allowed inside a transaction"),
        }
    }
    whole.raw(&replies[from..]);
    whole.take()
}
