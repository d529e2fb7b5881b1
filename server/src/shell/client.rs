//! What other threads may know of a connection, and how they reach it.

mod line;
pub(super) mod memory;

use super::accounts::Account;
use super::address::Address;
use crate::command::Command;
use crate::config::BufferLimit;
use crate::resp::reply::Proto;
use crate::sys::time::Instant;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Duration;

/// What happened to a client that its own task has to see to.
pub(super) mod event {
    /// Bytes to send lie in its mailbox.
    pub const MAIL: u32 = 1 << 0;
    /// It is to be closed at once.
    pub const KILL: u32 = 1 << 1;
    /// It is to be closed when what it is owed has been sent.
    pub const CLOSE: u32 = 1 << 2;
}

/// What CLIENT LIST shows as flags, and what decides which limits apply.
pub mod trait_of {
    /// In MULTI.
    pub const MULTI: u32 = 1 << 0;
    /// A transaction of its will fail at EXEC: a watched key changed.
    pub const DIRTY: u32 = 1 << 1;
    /// Blocked.
    pub const BLOCKED: u32 = 1 << 2;
    /// Listens to messages.
    pub const PUBSUB: u32 = 1 << 3;
    /// Spared when clients are evicted for memory.
    pub const NO_EVICT: u32 = 1 << 4;
    /// Its commands do not count as accesses.
    pub const NO_TOUCH: u32 = 1 << 5;
    /// To be closed once its replies are sent.
    pub const CLOSING: u32 = 1 << 6;
    /// Speaks RESP3.
    pub const RESP3: u32 = 1 << 7;
    /// Caches keys.
    pub const TRACKING: u32 = 1 << 8;
    /// The client that hears for it what to forget has gone.
    pub const BROKEN_REDIRECT: u32 = 1 << 9;
    /// Caches keys by their prefixes.
    pub const BROADCAST: u32 = 1 << 10;
    /// Sees all commands.
    pub const MONITOR: u32 = 1 << 11;
    /// A replica of ours.
    pub const REPLICA: u32 = 1 << 12;
    /// The link to our master.
    pub const MASTER: u32 = 1 << 13;
    /// Killed: its connection is about to be closed.
    pub const KILLED: u32 = 1 << 14;
    /// It came over a Unix socket.
    pub const UNIX: u32 = 1 << 15;
}

/// One connection, as all threads see it.
pub struct Client {
    /// Its number; never used twice.
    pub id: u64,
    /// The peer's address.
    pub addr: Address,
    /// Our own address on this connection.
    pub laddr: Address,
    /// Its file descriptor, for CLIENT LIST.
    pub fd: i32,
    /// When it connected.
    pub since: Instant,
    /// Milliseconds after `since` when it last sent something.
    last: AtomicU64,
    /// Its last command.
    command: AtomicPtr<Command>,
    /// The user it is.
    user: Mutex<Arc<Account>>,
    db: AtomicU32,
    traits: AtomicU32,
    /// Channels, patterns, shard channels listened to.
    pub subscriptions: [AtomicU32; 3],
    /// The client that hears for it what to forget; 0: itself. Of clients that cache only.
    pub redirect: AtomicU64,
    /// Commands queued in MULTI, plus one; 0 outside.
    pub queued: AtomicU32,
    /// Bytes of requests waiting in its buffer.
    pub input: AtomicUsize,
    /// Bytes of replies waiting to be sent, the mailbox not counted.
    pub output: AtomicUsize,
    /// Bytes that their buffer takes beside them.
    pub spare: AtomicUsize,
    /// Bytes of what it holds besides.
    held: memory::AllHeld,
    /// Bytes it took when it was weighed last.
    weighed: AtomicUsize,
    /// Tells what of the log a replica of ours has not been sent.
    owed: OnceLock<Box<dyn Fn() -> u64 + Send + Sync>>,
    events: AtomicU32,
    waker: Mutex<Option<Waker>>,
    mail: Mutex<Mail>,
    names: Mutex<Option<Box<Names>>>,
}

/// What a client calls itself.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub library: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub version: Vec<u8>,
}

/// Bytes that other threads have for a client.
#[derive(Default)]
struct Mail {
    bytes: Vec<u8>,
    /// What is to come behind the reply that is being made.
    behind: Option<Vec<u8>>,
    closed: bool,
    /// Since when its output is over the soft limit.
    over_soft: Option<Instant>,
}

impl Client {
    pub(super) fn new(
        id: u64,
        (addr, laddr): (Address, Address),
        fd: i32,
        user: &Arc<Account>,
    ) -> Client {
        let traits = match addr.is_unix() {
            true => trait_of::UNIX,
            false => 0,
        };
        Client {
            id,
            addr,
            laddr,
            fd,
            since: Instant::now(),
            last: AtomicU64::new(0),
            command: AtomicPtr::default(),
            user: Mutex::new(Arc::clone(user)),
            db: AtomicU32::new(0),
            traits: AtomicU32::new(traits),
            subscriptions: Default::default(),
            redirect: AtomicU64::new(0),
            queued: AtomicU32::new(0),
            input: AtomicUsize::new(0),
            output: AtomicUsize::new(0),
            spare: AtomicUsize::new(0),
            held: Default::default(),
            weighed: AtomicUsize::new(0),
            owed: OnceLock::new(),
            events: AtomicU32::new(0),
            waker: Mutex::new(None),
            mail: Mutex::default(),
            names: Mutex::new(None),
        }
    }

    /// The client's task is the one of `waker`.
    pub(super) fn register(&self, waker: &Waker) {
        let mut own = self.waker.lock();
        if !own.as_ref().is_some_and(|own| own.will_wake(waker)) {
            *own = Some(waker.clone());
        }
    }

    /// What happened since the last call.
    pub(super) fn take_events(&self) -> u32 {
        match self.events.load(Relaxed) {
            0 => 0,
            _ => self.events.swap(0, Acquire),
        }
    }

    /// True when its task is to close the connection, and has not seen to it yet.
    pub(super) fn is_killed(&self) -> bool {
        self.events.load(Acquire) & event::KILL != 0
    }

    /// Tells the client's task that `event` happened.
    pub(super) fn signal(&self, event: u32) {
        if self.events.fetch_or(event, AcqRel) & event == 0 {
            let waker = self.waker.lock().clone();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Closes the connection, whatever it is doing.
    pub fn kill(&self) {
        self.set(trait_of::KILLED, true);
        self.signal(event::KILL);
    }

    /// Closes the connection once what it is owed has been sent.
    pub fn close(&self) {
        self.signal(event::CLOSE);
    }

    /// Ready when somebody wants the connection closed, for who has taken it over from its task.
    pub(super) async fn killed(&self) {
        std::future::poll_fn(|cx| {
            self.register(cx.waker());
            match self.take_events() & (event::KILL | event::CLOSE) {
                0 => Poll::Pending,
                _ => Poll::Ready(()),
            }
        })
        .await;
    }

    /// Sends `bytes`, whole replies or messages, behind what was sent before. A client that does not
    /// take them is closed at its limit.
    pub fn send(&self, bytes: &[u8], limit: &BufferLimit) {
        self.post(self.mail.lock(), bytes, limit);
    }

    /// The same, behind the reply if the client is about to be given one by [`Client::answer`].
    pub(super) fn send_behind(&self, bytes: &[u8], limit: &BufferLimit) {
        let mut mail = self.mail.lock();
        match &mut mail.behind {
            Some(behind) => behind.extend_from_slice(bytes),
            None => self.post(mail, bytes, limit),
        }
    }

    /// Sends the reply that `make` makes, none if it makes none, and then what came by [`Client::send_behind`] meanwhile.
    pub(super) fn answer(&self, limit: &BufferLimit, make: impl FnOnce() -> Option<Vec<u8>>) {
        self.mail.lock().behind = Some(Vec::new());
        let mut reply = make().unwrap_or_default();
        let mut mail = self.mail.lock();
        reply.append(&mut mail.behind.take().unwrap_or_default());
        if !reply.is_empty() {
            self.post(mail, &reply, limit);
        }
    }

    fn post(&self, mut mail: MutexGuard<'_, Mail>, bytes: &[u8], limit: &BufferLimit) {
        if mail.closed {
            return;
        }
        mail.bytes.extend_from_slice(bytes);
        let waiting = mail.bytes.len() + self.output.load(Relaxed);
        let over = mail.is_over(waiting, limit);
        if over {
            mail.closed = true;
            mail.bytes = Vec::new();
        }
        drop(mail);
        match over {
            true => self.close_over(waiting),
            false => self.signal(event::MAIL),
        }
    }

    /// True when what waits for the client is over its limit, and it has to go.
    pub(super) fn over_limit(&self, limit: &BufferLimit) -> bool {
        let mut mail = self.mail.lock();
        let waiting = mail.bytes.len() + self.output.load(Relaxed);
        mail.is_over(waiting, limit)
    }

    /// Moves the mail to the end of `out`.
    pub(super) fn take_mail(&self, out: &mut Vec<u8>) {
        let mut mail = self.mail.lock();
        if out.is_empty() {
            std::mem::swap(out, &mut mail.bytes);
        } else {
            out.append(&mut mail.bytes);
        }
        mail.bytes = Vec::new();
    }

    /// Bytes in the mailbox.
    pub fn mail_len(&self) -> usize {
        self.mail.lock().bytes.len()
    }

    /// The client sent something just now, its last command being `command`.
    pub fn active(&self, now: Instant, command: Option<&'static Command>) {
        let since = now.saturating_duration_since(self.since);
        self.last.store(since.as_millis() as u64, Relaxed);
        if let Some(command) = command {
            let command: *const Command = command;
            self.command.store(command.cast_mut(), Relaxed);
        }
    }

    /// For how long nothing has come from the client.
    pub fn idle(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Relaxed));
        self.since.elapsed().saturating_sub(last)
    }

    /// The name of its last command, subcommand included.
    pub fn last_command(&self) -> &'static str {
        let last: *const Command = self.command.load(Relaxed);
        let mut all =
            crate::command::table::all().flat_map(|c| std::iter::once(c).chain(c.subcommands));
        all.find(|c| std::ptr::eq(*c, last))
            .map_or("NULL", |c| c.name)
    }

    /// The database it has selected.
    pub fn db(&self) -> u32 {
        self.db.load(Relaxed)
    }

    pub(super) fn set_db(&self, db: usize) {
        self.db.store(db as u32, Relaxed);
    }

    /// True when all of `traits` (see [`trait_of`]) hold.
    pub fn is(&self, traits: u32) -> bool {
        self.traits.load(Relaxed) & traits == traits
    }

    pub(super) fn set(&self, traits: u32, on: bool) {
        match on {
            true => self.traits.fetch_or(traits, Relaxed),
            false => self.traits.fetch_and(!traits, Relaxed),
        };
    }

    /// The protocol it speaks.
    pub fn proto(&self) -> Proto {
        match self.is(trait_of::RESP3) {
            true => Proto::Resp3,
            false => Proto::Resp2,
        }
    }

    /// Clients that wait, or listen, may be silent for as long as they like.
    pub(super) fn may_time_out(&self) -> bool {
        let waits = trait_of::BLOCKED | trait_of::PUBSUB | trait_of::MONITOR;
        let links = trait_of::REPLICA | trait_of::MASTER;
        self.traits.load(Relaxed) & (waits | links) == 0
    }

    /// True when this is the user it is.
    pub fn is_user(&self, account: &Arc<Account>) -> bool {
        // The link to the master is nobody's.
        !self.is(trait_of::MASTER) && Arc::ptr_eq(&self.user.lock(), account)
    }

    pub(super) fn set_user(&self, account: &Arc<Account>) {
        *self.user.lock() = Arc::clone(account);
    }

    /// What it calls itself.
    pub fn names(&self) -> Names {
        self.names.lock().as_deref().cloned().unwrap_or_default()
    }

    pub(super) fn rename(&self, change: impl FnOnce(&mut Names)) {
        change(self.names.lock().get_or_insert_default());
    }

    /// The client that hears for it what to forget; 0: itself, -1: it does not cache.
    fn redirection(&self) -> i64 {
        match self.is(trait_of::TRACKING) {
            true => self.redirect.load(Relaxed) as i64,
            false => -1,
        }
    }

    /// Which row of `client-output-buffer-limit` applies.
    pub fn class(&self) -> usize {
        match () {
            () if self.is(trait_of::REPLICA) => 1,
            () if self.is(trait_of::PUBSUB) => 2,
            () => 0,
        }
    }

    /// It is a replica, and `owed` tells what of the log it has not been sent, in bytes.
    pub fn owes(&self, owed: Box<dyn Fn() -> u64 + Send + Sync>) {
        // It becomes one once.
        let _ = self.owed.set(owed);
    }
}

impl Mail {
    fn is_over(&mut self, waiting: usize, limit: &BufferLimit) -> bool {
        let waiting = waiting as u64;
        if limit.hard > 0 && waiting > limit.hard {
            return true;
        }
        if limit.soft == 0 || waiting <= limit.soft {
            self.over_soft = None;
            return false;
        }
        self.over_soft.get_or_insert_with(Instant::now).elapsed() > limit.soft_for
    }
}

/// All connections, by number.
#[derive(Default)]
pub struct Clients {
    all: Mutex<BTreeMap<u64, Arc<Client>>>,
    last: AtomicU64,
    count: AtomicUsize,
    /// What they take.
    pub(super) together: memory::Together,
}

impl Clients {
    /// A number for a new connection.
    pub(super) fn next_id(&self) -> u64 {
        self.last.fetch_add(1, Relaxed) + 1
    }

    /// Admits `client`, unless there are `max` already.
    pub(super) fn add(&self, client: &Arc<Client>, max: usize) -> bool {
        let mut all = self.all.lock();
        if all.len() >= max {
            return false;
        }
        all.insert(client.id, Arc::clone(client));
        self.count.store(all.len(), Relaxed);
        true
    }

    /// Forgets the client of this number.
    pub(super) fn remove(&self, id: u64) {
        let mut all = self.all.lock();
        if let Some(gone) = all.remove(&id) {
            self.together.forget(&gone);
        }
        self.count.store(all.len(), Relaxed);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// How many of them have `trait_of` something, or have it not.
    pub fn count(&self, something: u32, has: bool) -> usize {
        let all = self.all.lock();
        all.values().filter(|c| c.is(something) == has).count()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The client of this number.
    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.all.lock().get(&id).cloned()
    }

    /// All of them, in the order they came, but for those that were killed and have not left yet.
    pub fn all(&self) -> Vec<Arc<Client>> {
        let all = self.all.lock();
        all.values().filter(|c| !c.is_killed()).cloned().collect()
    }
}
