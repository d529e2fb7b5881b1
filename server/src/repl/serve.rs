//! The master's side: replicas that ask us for the stream.
//!
//! A connection that sends PSYNC or SYNC is asked [`Master::admit`] under its gate, so that the decision and
//! the dataset go together, and then lives on as [`Admission::run`] in the task it had: waiting for a snapshot,
//! receiving it, streaming. Nobody waits for a replica: its task reads the shared log at its own pace, and the
//! log lets go of it when it falls too far behind.

mod config;
mod feed;
mod hello;
mod listen;
mod replica;

pub use config::MasterConfig;
pub use hello::{Answer, Hello};
pub use replica::{ReplicaInfo, State};

use super::domain::{History, Id, Wire};
use super::peer::shown;
use super::snapshot::Snapshots;
use crate::gate::{AllGates, Gates, View};
use crate::log::{Cursor, ReplLog};
use crate::sys::time::Instant;
use arc_swap::ArcSwap;
use damselfly_core::history::{Backlog, may_continue};
use damselfly_core::{Reply, Resume};
use parking_lot::Mutex;
use replica::{End, Replica};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

/// What the core has to do with the master's side.
pub trait MasterHooks: Send + Sync {
    /// Writes go or went uncounted: the history needs a new name, to be in the view of every gate when this
    /// returns (`Input::HistoryBegan`). Called on a master only.
    ///
    /// # Errors
    /// There is no new name to be had; the old one stays.
    fn begin_history(&self, all: &mut AllGates<'_, View>) -> Result<(), String>;
    /// Whether the dataset has diverged from its history: no snapshot of it is one of that. Called with all gates held.
    fn diverged(&self) -> bool;
}

/// What INFO counts of synchronizations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncStats {
    /// `sync_full`.
    pub full: u64,
    /// `sync_partial_ok`.
    pub partial_ok: u64,
    /// `sync_partial_err`.
    pub partial_err: u64,
}

/// The replicas of this server.
pub struct Master {
    gates: Arc<Gates<View>>,
    log: Arc<ReplLog>,
    snapshots: Arc<Snapshots>,
    hooks: Arc<dyn MasterHooks>,
    config: Arc<ArcSwap<MasterConfig>>,
    replicas: Mutex<BTreeMap<u64, Arc<Replica>>>,
    next: AtomicU64,
    started: Instant,
    full: AtomicU64,
    partial_ok: AtomicU64,
    partial_err: AtomicU64,
    /// Bytes of snapshots and streams that went to replicas.
    sent: AtomicU64,
    acked: Notify,
    /// The offset after the last GETACK.
    asked: AtomicU64,
}

/// A replica that was let in; [`Admission::run`] serves it. Dropping it shows it out.
pub struct Admission {
    master: Arc<Master>,
    replica: Arc<Replica>,
    plan: Plan,
}

enum Plan {
    /// `+CONTINUE` from the cursor on; the replid is told to those who understand.
    Continue(Cursor, Option<Id>),
    Full,
}

impl Master {
    /// Nobody follows yet.
    pub fn new(
        gates: Arc<Gates<View>>,
        log: Arc<ReplLog>,
        hooks: Arc<dyn MasterHooks>,
        config: MasterConfig,
    ) -> Arc<Self> {
        log.set_limits(config.limits);
        let config = Arc::new(ArcSwap::from_pointee(config));
        let snapshots = Arc::new(Snapshots::new(
            Arc::clone(&gates),
            Arc::clone(&log),
            Arc::clone(&hooks),
            Arc::clone(&config),
        ));
        Arc::new(Master {
            gates,
            log,
            snapshots,
            hooks,
            config,
            replicas: Mutex::default(),
            next: AtomicU64::new(0),
            started: Instant::now(),
            full: AtomicU64::new(0),
            partial_ok: AtomicU64::new(0),
            partial_err: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            acked: Notify::new(),
            asked: AtomicU64::new(0),
        })
    }

    /// The snapshots that are made of the dataset: BGSAVE asks there too.
    pub fn snapshots(&self) -> &Arc<Snapshots> {
        &self.snapshots
    }

    /// The parameters in force.
    pub fn config(&self) -> Arc<MasterConfig> {
        self.config.load_full()
    }

    /// Takes other parameters: `CONFIG SET`.
    pub fn configure(&self, config: MasterConfig) {
        self.log.set_limits(config.limits);
        self.config.store(Arc::new(config));
        self.snapshots.poke();
    }

    /// `PSYNC replid offset` or `SYNC`, as `args`, from a client at address `ip` that said `hello`. Called with
    /// the caller's gate held, whose view is `view`; the caller sends what it owes the client, leaves the gate,
    /// and hands its socket to [`Admission::run`].
    ///
    /// # Errors
    /// The error reply; the connection goes on as it was.
    pub fn admit(
        self: &Arc<Self>,
        view: &View,
        hello: &Hello,
        ip: &str,
        args: &[&[u8]],
    ) -> Result<Admission, String> {
        let wanted = match args {
            [_, replid, offset] => {
                let offset = parse_offset(offset).inspect_err(|_| {
                    tracing::warn!("Replica {ip} asks for synchronization but with a wrong offset");
                })?;
                Some((*replid, offset))
            }
            [_] => None,
            _ => return Err("ERR syntax error".into()),
        };
        view.status.lets_in().map_err(Reply::text)?;
        if hello.filter.is_some() && !hello.eof {
            return Err("ERR Filtered replica requires EOF capability".into());
        }
        let ip = hello.ip.as_deref().unwrap_or(ip);
        let replica = Arc::new(Replica::new(hello, ip, wanted.is_none(), self.started));
        tracing::info!("Replica {replica} asks for synchronization");
        let plan =
            wanted.and_then(|wanted| self.resume(&view.status.history, hello, &replica, wanted));
        let plan = plan.unwrap_or_else(|| {
            self.full.fetch_add(1, Relaxed);
            Plan::Full
        });
        self.replicas
            .lock()
            .insert(self.next.fetch_add(1, Relaxed), Arc::clone(&replica));
        Ok(Admission {
            master: Arc::clone(self),
            replica,
            plan,
        })
    }

    /// Decides whether the replica may go on with the stream where it left it.
    fn resume(
        &self,
        history: &History,
        hello: &Hello,
        replica: &Replica,
        (replid, from): (&[u8], i64),
    ) -> Option<Plan> {
        let cursor = Id::parse(replid)
            .zip(u64::try_from(from).ok())
            .and_then(|(replid, from)| {
                // The end of the log moves on meanwhile, but never back while we hold a gate.
                let backlog = self.log.resumable().map(|(first, last)| Backlog::<Wire> {
                    first: first + 1,
                    next: last + 1,
                });
                if !may_continue(history, backlog, Resume { replid, from }) {
                    return None;
                }
                self.log.cursor_at(from - 1)
            });
        match cursor {
            Some(cursor) => {
                self.partial_ok.fetch_add(1, Relaxed);
                tracing::info!(
                    "Partial resynchronization request from {replica} accepted. Sending {} bytes of backlog starting from offset {from}.",
                    cursor.lag()
                );
                Some(Plan::Continue(
                    cursor,
                    hello.psync2.then_some(history.at.replid),
                ))
            }
            None if replid == b"?" => {
                tracing::info!("Full resync requested by replica {replica}");
                None
            }
            None => {
                self.partial_err.fetch_add(1, Relaxed);
                let asked = shown(replid);
                let second = history.second.map(|second| second.replid.to_string());
                let second = second.unwrap_or_else(|| "0".repeat(40));
                let first = history.at.replid.to_string();
                match asked == first || asked == second {
                    false => tracing::info!(
                        "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{asked}', my replication IDs are '{first}' and '{second}')"
                    ),
                    true => tracing::info!(
                        "Unable to partial resync with replica {replica} for lack of backlog (Replica request was: {from}); we have {:?} of '{first}'",
                        self.log.resumable()
                    ),
                }
                None
            }
        }
    }

    /// The replicas, in the order they came.
    pub fn replicas(&self) -> Vec<ReplicaInfo> {
        self.replicas
            .lock()
            .values()
            .map(|replica| replica.info())
            .collect()
    }

    /// How many replicas have confirmed the stream up to `offset`: what WAIT counts.
    pub fn acked_by(&self, offset: u64) -> usize {
        let replicas = self.replicas.lock();
        replicas
            .values()
            .filter(|replica| replica.has_acked(offset))
            .count()
    }

    /// How many replicas stream and were heard of within `max_lag`: what `min-replicas-to-write` counts.
    pub fn good_replicas(&self, max_lag: Duration) -> usize {
        let good = |replica: &&Arc<Replica>| replica.is_good(max_lag);
        self.replicas.lock().values().filter(good).count()
    }

    /// Ends when `count` replicas have confirmed the stream up to `offset`; how many did. Ask them first.
    pub async fn wait_for_acks(&self, count: usize, offset: u64) -> usize {
        loop {
            // Enlisted before the count is taken, so that no confirmation falls between.
            let mut confirmed = std::pin::pin!(self.acked.notified());
            confirmed.as_mut().enable();
            let acked = self.acked_by(offset);
            if acked >= count {
                return acked;
            }
            confirmed.await;
        }
    }

    /// Ready when a replica confirms something.
    pub async fn acked(&self) {
        self.acked.notified().await;
    }

    /// Asks all replicas to say now how far they are. Called with a gate held, whose view is `view`; the caller kicks the
    /// log afterwards. A replica asks nobody: its stream is its master's, byte for byte.
    pub fn ask_for_acks(&self, view: &View) {
        if view.status.master.is_some() || !self.log.active() {
            return;
        }
        let mut log = self.log.writer();
        // Many may ask at once; one answer, to the question that stands last in the log, is for all of them.
        if log.offset() != self.asked.load(Relaxed) {
            log.plain(&[b"REPLCONF", b"GETACK", b"*"]);
            self.asked.store(log.offset(), Relaxed);
        }
    }

    /// The same, whatever was asked before: that was confirmed, perhaps, by one who is gone, and whose connection does not
    /// show it yet.
    pub fn ask_anew(&self, view: &View) {
        self.asked.store(u64::MAX, Relaxed);
        self.ask_for_acks(view);
    }

    /// Counts of synchronizations since the start.
    pub fn stats(&self) -> SyncStats {
        SyncStats {
            full: self.full.load(Relaxed),
            partial_ok: self.partial_ok.load(Relaxed),
            partial_err: self.partial_err.load(Relaxed),
        }
    }

    /// Bytes of snapshots and streams that went to replicas.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Counts from nothing again (CONFIG RESETSTAT).
    pub fn reset_counts(&self) {
        let counts = [&self.full, &self.partial_ok, &self.partial_err, &self.sent];
        for count in counts {
            count.store(0, Relaxed);
        }
    }

    /// Closes the connection to every replica: our history changed its name, or is another one. They ask again.
    pub fn drop_all_replicas(&self) {
        // Their connections close some time later; not one byte more may be sent on them.
        self.log.let_all_go();
        for replica in self.replicas.lock().values() {
            replica.end(End::HistoryChanged);
        }
    }

    /// What is done every second, for ever: the log's limits, pings, and the end of a backlog nobody has used for long.
    /// `slot` is the gate of the thread this runs on.
    pub async fn housekeeping(self: Arc<Self>, slot: usize) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut last_ping, mut deserted) = (Instant::now(), None);
        loop {
            tick.tick().await;
            self.log.tidy();
            let config = self.config.load();
            if !self.replicas.lock().is_empty() {
                deserted = None;
                if last_ping.elapsed() >= config.ping_period {
                    last_ping = Instant::now();
                    self.ping(slot);
                }
            } else if self.log.active() && !config.backlog_ttl.is_zero() {
                let since = *deserted.get_or_insert_with(Instant::now);
                if since.elapsed() >= config.backlog_ttl {
                    self.free_backlog();
                    deserted = None;
                }
            }
        }
    }

    fn ping(&self, slot: usize) {
        let gate = self.gates.enter(slot);
        // A replica sends no pings of its own: its stream is its master's, byte for byte. And a master that hands
        // over waits until its log is confirmed to the end.
        if gate.status.takes_writes() && self.log.active() {
            self.log.writer().plain(&[b"PING"]);
        }
        Gates::leave(gate);
        self.log.kick();
    }

    fn free_backlog(&self) {
        let mut all = self.gates.all();
        if !all.view().status.takes_writes() || !self.replicas.lock().is_empty() {
            return;
        }
        // Who knows the history by its name must not think that it ends where we stop counting.
        match self.hooks.begin_history(&mut all) {
            Ok(()) => {
                self.log.deactivate();
                tracing::info!(
                    "Replication backlog freed after {} seconds without connected replicas.",
                    self.config().backlog_ttl.as_secs()
                );
            }
            Err(why) => tracing::warn!("replication backlog not freed: {why}"),
        }
    }
}

impl Admission {
    /// Tells how many bytes of the log the replica has not been sent: what CLIENT LIST shows as its output.
    pub fn owed(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        let (log, replica) = (Arc::clone(&self.master.log), Arc::clone(&self.replica));
        move || replica.owed(log.offset())
    }

    /// Serves the replica until it leaves or is dropped. `unread` is what was read of its connection after the
    /// PSYNC, and `heard` is called whenever it says something. Returns when the connection is to be closed.
    pub async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        stream: S,
        unread: Vec<u8>,
        heard: impl Fn(),
    ) {
        let (reader, writer) = tokio::io::split(stream);
        let (master, replica) = (Arc::clone(&self.master), Arc::clone(&self.replica));
        let plan = std::mem::replace(&mut self.plan, Plan::Full);
        let end = tokio::select! {
            biased;
            end = replica.ended() => end,
            end = listen::listen(&master, &replica, reader, unread, heard) => end,
            end = feed::feed(&master, &replica, writer, plan) => end,
            end = replica.watch(&master) => end,
        };
        match end {
            End::Closed | End::Lost(_) => {
                tracing::info!("Connection with replica {replica} lost. ({end})");
            }
            end => tracing::warn!("replica {replica}: {end}"),
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let this = &self.replica;
        self.master
            .replicas
            .lock()
            .retain(|_, replica| !Arc::ptr_eq(replica, this));
    }
}

fn parse_offset(text: &[u8]) -> Result<i64, String> {
    let parsed = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| "ERR value is not an integer or out of range".into())
}
