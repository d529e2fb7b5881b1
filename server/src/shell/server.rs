//! The server: what all threads share.

use super::accounts::Accounts;
use super::address::Address;
use super::attacks::Attacks;
use super::audience::Asked;
use super::blocking::Blocking;
use super::client::Clients;
use super::errands::Errands;
use super::evict::Eviction;
use super::expire::LocalTimes;
use super::latency::Latency;
use super::listeners::Listeners;
use super::logging;
use super::master::Bystanders;
use super::migrations::Migrations;
use super::monitor::Monitors;
use super::oom::OomScore;
use super::pause::Pause;
use super::pubsub::PubSub;
use super::replication::{Replication, Snapshots};
use super::scripts::Scripts;
use super::shutdown::Shutdown;
use super::slowlog::SlowLog;
use super::stats::{Errors, Stats, Totals};
use super::tracking::Tracking;
use crate::config::{Allowed, Config, Settings};
use crate::gate::{Gates, View};
use crate::log::ReplLog;
use crate::persist::{NotSaved, Saves};
use crate::repl::domain::Id;
use crate::repl::driver::Witness;
use crate::sys::time::{Instant, since_epoch};
use parking_lot::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;

/// Everything the threads of a server share.
pub struct Server {
    /// The parameters.
    pub config: Arc<Config>,
    /// The gates, and in them the dataset and the status.
    pub gates: Arc<Gates<View>>,
    /// The replication log.
    pub log: Arc<ReplLog>,
    /// Memory beside `maxmemory`.
    pub(super) eviction: Eviction,
    /// The users.
    pub accounts: Accounts,
    /// All connections.
    pub clients: Clients,
    /// Who listens to which channel.
    pub pubsub: PubSub,
    /// What anybody asks of commands and keys.
    pub(super) asked: Asked,
    /// Clients that cache.
    pub tracking: Tracking,
    /// Clients that see all commands.
    pub monitors: Monitors,
    /// Clients that wait for keys.
    pub blocking: Blocking,
    /// CLIENT PAUSE.
    pub pause: Pause,
    /// LATENCY.
    pub latency: Latency,
    /// SLOWLOG.
    pub slowlog: SlowLog,
    /// Scripts.
    pub scripts: Scripts,
    /// Counters, one set per thread.
    pub stats: Box<[Stats]>,
    /// Errors that clients were told.
    pub errors: Errors,
    /// How the server ends.
    pub shutdown: Shutdown,
    /// What is different in every run.
    pub identity: Identity,
    /// Saving to the snapshot file.
    pub saves: Saves,
    /// Connections to servers that keys were moved to.
    pub(super) migrations: Migrations,
    /// Keys expire by themselves (DEBUG SET-ACTIVE-EXPIRE).
    pub active_expire: AtomicBool,
    /// Nothing is done by itself (DEBUG PAUSE-CRON).
    pub cron_paused: AtomicBool,
    /// Keys to which clients of a writable replica gave a time.
    pub(super) local_times: LocalTimes,
    /// Commands per second and the like, as the cron measured them last.
    pub rates: Rates,
    /// Requests that browsers were made to send.
    pub(super) attacks: Attacks,
    /// How often the configuration file was to be written.
    pub rewrites: AtomicU64,
    errands: OnceLock<Errands>,
    listeners: OnceLock<Listeners>,
    /// What the system thinks of us when memory is short.
    pub(super) oom: OomScore,
    replication: OnceLock<Arc<dyn Replication>>,
    snapshots: OnceLock<Arc<dyn Snapshots>>,
}

/// What is different in every run.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Forty hexadecimal digits.
    pub run_id: Id,
    /// When the server started.
    pub started: Instant,
}

/// Rates over the last seconds, by the cron.
#[derive(Debug, Default)]
pub struct Rates {
    /// Commands per second.
    pub commands: AtomicU64,
    /// Bytes read per second.
    pub bytes_in: AtomicU64,
    /// Bytes sent per second.
    pub bytes_out: AtomicU64,
    /// Bytes of snapshots and streams per second: from masters, to replicas.
    pub replication: [AtomicU64; 2],
    /// Most bytes of memory ever in use.
    pub peak_memory: AtomicU64,
    /// Bytes of memory in use when the server was made.
    pub startup_memory: AtomicU64,
    /// The largest input and output that a client had waiting in each of the last seconds.
    pub largest_buffers: Mutex<[[usize; 2]; 8]>,
    /// Keys that were found expired, in ten-thousandths of those with a time, as a moving average over rounds.
    pub stale: AtomicU64,
}

impl Server {
    /// A server that serves `view` on `threads` threads.
    pub fn new(
        config: Arc<Config>,
        view: View,
        log: Arc<ReplLog>,
        run_id: Id,
        threads: usize,
    ) -> Server {
        let settings = config.settings();
        let pubsub = PubSub::new(&settings);
        let asked = Asked::default();
        asked.set_events(settings.keyspace_events);
        let accounts = Accounts::new(&settings, config.users());
        let clients = Clients::default();
        clients.limit(&settings);
        drop(settings);
        Server {
            eviction: Eviction::default(),
            config,
            // One gate for each I/O thread, one for whoever works beside them, and the last for the master's stream.
            gates: Arc::new(Gates::new(threads + 2, view)),
            log,
            accounts,
            clients,
            pubsub,
            asked,
            tracking: Tracking::default(),
            monitors: Monitors::default(),
            blocking: Blocking::default(),
            pause: Pause::default(),
            latency: Latency::new(threads + 1),
            slowlog: SlowLog::default(),
            scripts: Scripts::default(),
            stats: (0..=threads).map(|_| Stats::default()).collect(),
            errors: Errors::default(),
            shutdown: Shutdown::default(),
            identity: Identity {
                run_id,
                started: Instant::now(),
            },
            saves: Saves::new(now_ms() / 1000),
            migrations: Migrations::default(),
            active_expire: AtomicBool::new(true),
            cron_paused: AtomicBool::new(false),
            local_times: LocalTimes::default(),
            rates: Rates {
                startup_memory: AtomicU64::new(crate::memory::used()),
                ..Rates::default()
            },
            attacks: Attacks::new(),
            rewrites: AtomicU64::new(0),
            errands: OnceLock::new(),
            listeners: OnceLock::new(),
            oom: OomScore::default(),
            replication: OnceLock::new(),
            snapshots: OnceLock::new(),
        }
    }

    /// From here on what listens can be changed.
    pub(super) fn set_listeners(&self, listeners: Listeners) {
        let _ = self.listeners.set(listeners);
    }

    /// From here on the I/O threads do what they are asked through `errands`.
    pub fn take_errands(&self, errands: Errands) {
        let _ = self.errands.set(errands);
    }

    /// How the I/O threads are asked to do something outside their runtimes; `None`: they have none of ours.
    pub(super) fn errands(&self) -> Option<&Errands> {
        self.errands.get()
    }

    /// The gate, and the counters, of work that belongs to no connection.
    pub fn aside(&self) -> usize {
        self.threads()
    }

    /// The number of I/O threads.
    pub fn threads(&self) -> usize {
        self.stats.len() - 1
    }

    /// Connects replication; once, before the first connection.
    pub fn set_replication(&self, replication: Arc<dyn Replication>) {
        replication.configure(&self.config.settings());
        let _ = self.replication.set(replication);
    }

    /// Replication, once it is connected.
    pub fn replication(&self) -> Option<&Arc<dyn Replication>> {
        self.replication.get()
    }

    /// Connects the writer of snapshot files; once, before the first connection.
    pub fn set_snapshots(&self, snapshots: Arc<dyn Snapshots>) {
        let _ = self.snapshots.set(snapshots);
    }

    /// The writer of snapshot files, once it is connected.
    pub fn snapshots(&self) -> Option<&Arc<dyn Snapshots>> {
        self.snapshots.get()
    }

    /// Lets nobody in any more: the process is about to end.
    pub(super) fn stop_listening(&self) {
        if let Some(listeners) = self.listeners.get() {
            listeners.close();
        }
    }

    /// Sets parameters, and lets everybody know who has to.
    ///
    /// # Errors
    /// What is wrong with them; then nothing was set.
    pub fn configure(
        &self,
        pairs: &[(&[u8], &[u8])],
        local: bool,
    ) -> Result<(), crate::config::SetError> {
        let prepare = |old: &Settings, new: &Settings| {
            self.oom.apply(new)?;
            let changed = self.listeners.get().map(|all| all.change(old, new));
            changed.unwrap_or(Ok(())).inspect_err(|_| {
                let _ = self.oom.apply(old);
            })
        };
        for name in self.config.set(pairs, local, prepare)? {
            tracing::warn!("{name} is not served yet: it has no effect");
        }
        let settings = self.config.settings();
        self.pubsub.configure(&settings);
        self.clients.limit(&settings);
        self.asked.set_events(settings.keyspace_events);
        let sets = |param: &str| {
            let mut names = pairs.iter().map(|(name, _)| name);
            names.any(|name| name.eq_ignore_ascii_case(param.as_bytes()))
        };
        if sets("loglevel") {
            logging::set_level(&settings.loglevel);
        }
        if sets("requirepass") {
            self.accounts.set_default_password(&settings.requirepass);
        }
        if let Some(replication) = self.replication() {
            replication.configure(&settings);
        }
        Ok(())
    }

    /// Writes the snapshot file, and remembers how that went; in the `background`, that it failed, too.
    ///
    /// # Errors
    /// Why it could not be written.
    pub async fn save(self: &Arc<Self>, background: bool) -> Result<(), String> {
        self.save_telling(background, oneshot::channel().0).await
    }

    /// [`Server::save`] that tells `begun` when the moment has come that the file is of.
    ///
    /// # Errors
    /// Why it could not be written.
    pub async fn save_telling(
        self: &Arc<Self>,
        background: bool,
        begun: oneshot::Sender<()>,
    ) -> Result<(), String> {
        let Some(snapshots) = self.snapshots() else {
            return Err("snapshot files are not available".to_owned());
        };
        // One after another: SHUTDOWN may come while a save goes on, and wants one of its own.
        let _turn = self.saves.turn.lock().await;
        let changes = self.totals().changes;
        let end = self.saves.begin(changes, now_ms() / 1000, background);
        let saved = snapshots.save(self, begun).await;
        end(&saved, now_ms() / 1000);
        told(saved)
    }

    /// [`Server::save`] by this thread, which holds all gates with `view` in them.
    ///
    /// # Errors
    /// Why it could not be written.
    pub fn save_now(self: &Arc<Self>, view: &View) -> Result<(), String> {
        let Some(snapshots) = self.snapshots() else {
            return Err("snapshot files are not available".to_owned());
        };
        let changes = self.totals().changes;
        let end = self.saves.begin(changes, now_ms() / 1000, false);
        let saved = snapshots.save_now(self, view);
        end(&saved, now_ms() / 1000);
        told(saved)
    }

    /// All keys were removed at once: no save that is under way brings them back, and one that is to come goes without
    /// them.
    pub fn emptied(&self) {
        self.saves.emptied.store(true, Relaxed);
        if let Some(snapshots) = self.snapshots() {
            snapshots.end_saves();
        }
    }

    /// Writes the parameters to the configuration file, `replicaof` as the role is now; `all` of them, or those that are
    /// not as they are without it.
    ///
    /// # Errors
    /// Why that is not possible, for people.
    pub fn rewrite_config(&self, all: bool) -> Result<(), String> {
        self.rewrites.fetch_add(1, Relaxed);
        // Those of a file of their own stay there.
        let users = || match self.has_user_file() {
            true => Vec::new(),
            false => self.accounts.lines(),
        };
        self.config.rewrite(all, users, || {
            let status = Arc::clone(&self.gates.enter(self.aside()).status);
            let master = status.master.as_ref();
            master.map(|(host, _)| (host.name().to_owned(), host.port()))
        })
    }

    /// Whether a client at `addr` may use what `allowed` guards.
    pub fn allows(&self, allowed: Allowed, addr: &Address) -> bool {
        match allowed {
            Allowed::Yes => true,
            Allowed::No => false,
            Allowed::Local => addr.is_local(),
        }
    }

    /// Counts errors of these codes, which clients of the thread `slot` were told.
    #[cold]
    pub(super) fn note_errors(&self, slot: usize, codes: Vec<Box<[u8]>>) {
        self.stats[slot].errors.add(codes.len() as u64);
        self.errors.note(codes);
    }

    /// Counters summed over all threads.
    pub fn totals(&self) -> Totals {
        Totals::of(&self.stats)
    }

    /// Reads from sockets and writes to them by I/O threads but the first.
    pub fn beside_the_first(&self) -> [u64; 2] {
        let others = Totals::of(&self.stats[1..self.threads()]);
        [others.reads, others.writes]
    }

    /// Changes since the last save.
    pub fn unsaved_changes(&self) -> u64 {
        let changes = self.totals().changes;
        changes.saturating_sub(self.saves.changes.load(Relaxed))
    }

    /// Gives whoever hears of what the master's stream does to `run`.
    pub fn hear(&self, run: &mut dyn FnMut(&mut dyn Witness)) {
        Bystanders::with(self, run);
        self.tracking.broadcast(self);
    }

    /// Delivers a message to those who listen to `channel` here; how many they are. For the stream of our master, which
    /// brings what was published there.
    pub fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        self.pubsub
            .publish(&self.clients, pubsub_kind(false), channel, message, || {})
    }

    /// [`Server::publish`] to a shard channel.
    pub fn publish_sharded(&self, channel: &[u8], message: &[u8]) -> usize {
        self.pubsub
            .publish(&self.clients, pubsub_kind(true), channel, message, || {})
    }
}

fn pubsub_kind(sharded: bool) -> super::pubsub::Kind {
    match sharded {
        true => super::pubsub::Kind::Shard,
        false => super::pubsub::Kind::Channel,
    }
}

/// How a save went, after the log has been told.
fn told(saved: Result<(), NotSaved>) -> Result<(), String> {
    saved.map_err(|why| {
        tracing::warn!("snapshot not saved: {why}");
        why.to_string()
    })
}

/// Unix time in milliseconds.
pub fn now_ms() -> i64 {
    since_epoch().as_millis() as i64
}
