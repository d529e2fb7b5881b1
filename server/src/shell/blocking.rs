//! Clients that wait: for keys (BLPOP and its kin) here, for replicas in [`super::waits`].
//!
//! Whoever changes a key that somebody waits for runs the waiting commands itself, right after its own one and
//! in the order they came, as Redis does. So the first to wait is the first to be served, and nothing comes between a
//! push and the pop that waited for it.

use super::audience::Telling;
use super::call::{count, expiry};
use super::client::{Client, trait_of};
use super::server::{Server, now_ms};
use super::waits::Waits;
use crate::command::{self, Attempt, Audience, Command, Effects, Env, Origin, Outcome};
use crate::gate::View;
use crate::resp::Reply;
use crate::resp::reply::Proto;
use crate::store::{Change, KeyListener};
use crate::sys::time::Instant;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// A blocking command of one client, waiting for one of its keys.
pub struct Waiter {
    client: Arc<Client>,
    proto: Proto,
    db: u32,
    command: &'static Command,
    args: Vec<Box<[u8]>>,
    /// What it is run with again instead.
    rephrased: OnceLock<Vec<Box<[u8]>>>,
    /// Locked by whoever tries to end the wait; true once somebody did.
    ended: Mutex<bool>,
    done: AtomicBool,
    me: Weak<Waiter>,
}

/// A waiter, and a key of its that changed.
type Ready = (Arc<Waiter>, Box<[u8]>);

thread_local! {
    /// Waiters whose keys were changed by this thread, in the order they are to be served.
    static READY: RefCell<Vec<Ready>> = const { RefCell::new(Vec::new()) };
    static ANY_READY: Cell<bool> = const { Cell::new(false) };
}

impl KeyListener for Waiter {
    fn key_changed(&self, key: &[u8], _: Change) {
        if let Some(me) = self.me.upgrade() {
            READY.with_borrow_mut(|ready| ready.push((me, key.into())));
            ANY_READY.set(true);
        }
    }

    fn rephrase(&self, args: Vec<Box<[u8]>>) {
        // A command begins to wait once.
        let _ = self.rephrased.set(args);
    }
}

/// True when this thread changed keys that somebody waits for.
#[inline]
pub fn any_ready() -> bool {
    ANY_READY.get()
}

/// Serves those who wait for what this thread changed. The caller holds a gate whose view is `view`, and no shard. `slot`
/// is the thread's own.
#[cold]
pub fn serve_ready(server: &Arc<Server>, view: &View, slot: usize) {
    while ANY_READY.replace(false) {
        for (waiter, key) in READY.take() {
            server.blocking.serve(server, view, &waiter, &key, slot);
        }
    }
}

impl Waiter {
    pub(super) fn new(
        client: &Arc<Client>,
        proto: Proto,
        db: u32,
        command: &'static Command,
        args: &[&[u8]],
    ) -> Arc<Waiter> {
        Arc::new_cyclic(|me| Waiter {
            client: Arc::clone(client),
            proto,
            db,
            command,
            args: args.iter().map(|arg| (*arg).into()).collect(),
            rephrased: OnceLock::new(),
            ended: Mutex::new(false),
            done: AtomicBool::new(false),
            me: me.clone(),
        })
    }

    /// True once the wait is over; the reply is then in the client's mailbox.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Acquire)
    }

    fn args(&self) -> SmallVec<[&[u8]; 8]> {
        let args = self.rephrased.get().unwrap_or(&self.args);
        args.iter().map(|arg| &**arg).collect()
    }

    /// Runs the command again; false if it still has to wait.
    fn run(
        &self,
        server: &Server,
        view: &View,
        attempt: Attempt<'_>,
        slot: usize,
        out: &mut Reply,
    ) -> bool {
        let args = self.args();
        let me = self.me.upgrade();
        let wait = me.map(|me| move || Arc::clone(&me) as Arc<dyn KeyListener>);
        let telling = Telling::of(server, Some(&self.client), None);
        let env = Env {
            dataset: &view.dataset,
            db: self.db as usize,
            now_ms: now_ms(),
            origin: Origin::Client,
            expiry: expiry(server, view),
            limits: &server.config.settings().limits(),
            journal: match view.fence.replica {
                true => None,
                false => Some(&*server.log),
            },
            in_transaction: false,
            in_script: false,
            no_touch: self.client.is(trait_of::NO_TOUCH),
            waiter: wait
                .as_ref()
                .filter(|_| attempt != Attempt::Last)
                .map(|wait| wait as _),
            audience: telling.as_ref().map(|telling| telling as &dyn Audience),
            hash: None,
        };
        let mut effects = Effects::default();
        let outcome = command::attempt(self.command, &args, &env, attempt, &mut effects, out);
        count(&server.stats[slot], &effects);
        !matches!(outcome, Outcome::Blocked { .. })
    }

    /// The wait is over with the reply `out`, which took so long to make: for the figures.
    fn note(&self, server: &Server, out: &mut Reply, took: Duration) {
        let (slot, settings) = (server.aside(), server.config.settings());
        let tracks = settings.latency_tracking;
        server.latency.waited(slot, self.command, took, tracks);
        let (slow, micros) = (settings.slowlog_slower_than, took.as_micros() as u64);
        if slow >= 0 && micros >= slow as u64 {
            let (addr, name) = (self.client.addr.to_string(), self.client.names().name);
            let args: Vec<&[u8]> = self.args.iter().map(|arg| &**arg).collect();
            let most = settings.slowlog_max_len;
            server.slowlog.add(&args, micros, addr, name, most);
        }
        if out.has_errors() {
            server.latency.failed(slot, self.command);
            server.note_errors(slot, out.take_errors());
        }
    }

    /// Nobody tells the waiter of its keys any more.
    fn deaf(&self, view: &View) {
        let args = self.args();
        let (Some(me), Some(db)) = (self.me.upgrade(), view.dataset.db(self.db as usize)) else {
            return;
        };
        let me: Arc<dyn KeyListener> = me;
        for i in self.command.keys.positions(&args) {
            db.unlisten(args[i], &me);
        }
    }
}

/// All clients that wait for keys, or for replicas.
#[derive(Default)]
pub struct Blocking {
    /// By the client's number.
    waiting: Mutex<BTreeMap<u64, Arc<Waiter>>>,
    pub(super) for_replicas: Waits,
}

/// What a client that waits is told when it waits at a replica from here on.
const DEMOTED: &str =
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
/// What it is told on CLIENT UNBLOCK ERROR.
pub(super) const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";

impl Blocking {
    pub(super) fn add(&self, waiter: &Arc<Waiter>) {
        // Another thread may have served it already.
        let ended = waiter.ended.lock();
        if !*ended {
            let mut waiting = self.waiting.lock();
            waiting.insert(waiter.client.id, Arc::clone(waiter));
        }
    }

    /// Ends the wait with what `answer` writes; nothing happens if it has ended already, or if `answer` says false.
    fn end(
        &self,
        server: &Server,
        view: &View,
        waiter: &Waiter,
        answer: impl FnOnce(&mut Reply) -> bool,
    ) -> bool {
        let mut ended = waiter.ended.lock();
        if *ended {
            return false;
        }
        let limit = server.config.settings().buffer_limits[0];
        // What is served may change keys that the client caches: it hears of that behind the reply, as in Redis.
        waiter.client.answer(&limit, || {
            let began = Instant::now();
            let mut out = Reply::new(waiter.proto);
            if !answer(&mut out) {
                return None;
            }
            *ended = true;
            self.waiting.lock().remove(&waiter.client.id);
            waiter.deaf(view);
            waiter.note(server, &mut out, began.elapsed());
            waiter.done.store(true, Release);
            Some(out.take())
        });
        *ended
    }

    fn serve(&self, server: &Server, view: &View, waiter: &Waiter, key: &[u8], slot: usize) {
        self.end(server, view, waiter, |out| {
            waiter.run(server, view, Attempt::Changed(key), slot, out)
        });
    }

    /// The wait ends without what it was for.
    pub(super) fn time_out(&self, server: &Server, view: &View, waiter: &Waiter) {
        let slot = server.aside();
        self.end(server, view, waiter, |out| {
            waiter.run(server, view, Attempt::Last, slot, out)
        });
    }

    /// CLIENT UNBLOCK; false if that client does not wait.
    pub(super) fn unblock(&self, server: &Server, view: &View, id: u64, with_error: bool) -> bool {
        if self.for_replicas.unblock(id, with_error) {
            return true;
        }
        let waiter = self.waiting.lock().get(&id).cloned();
        waiter.is_some_and(|waiter| {
            self.end(server, view, &waiter, |out| {
                if with_error {
                    out.error(UNBLOCKED);
                    return true;
                }
                waiter.run(server, view, Attempt::Last, server.aside(), out)
            })
        })
    }

    /// We became a replica: nothing that would write may wait on. To be called with all gates held, whose view
    /// is `view`.
    pub fn demoted(&self, server: &Server, view: &View) {
        let mut reply = Reply::default();
        reply.error(DEMOTED);
        let limit = server.config.settings().buffer_limits[0];
        self.for_replicas.demoted(reply.as_bytes(), &limit);
        let all: Vec<_> = self.waiting.lock().values().cloned().collect();
        for waiter in all {
            let ended = self.end(server, view, &waiter, |out| {
                out.error(DEMOTED);
                true
            });
            if ended {
                waiter.client.close();
            }
        }
    }

    /// The client has gone. To be called in a gate, whose view is `view`.
    pub(super) fn cancel(&self, view: &View, waiter: &Waiter) {
        let mut ended = waiter.ended.lock();
        if !*ended {
            *ended = true;
            self.waiting.lock().remove(&waiter.client.id);
            waiter.deaf(view);
        }
    }
}
