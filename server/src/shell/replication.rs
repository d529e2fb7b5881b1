//! What the shell asks of replication: a narrow door, so that neither knows the other's insides.

use super::client::Client;
use super::server::Server;
use crate::config::Settings;
use crate::gate::{AllGates, View};
use crate::persist::NotSaved;
use crate::repl::serve::Hello;
use crate::resp::Reply;
use crate::sys::net::TcpStream;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A reply that is not there yet, as the bytes to send (RESP2, which RESP3 clients understand).
pub type Later = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// Serves the replica at the other end of a connection: given its socket, what was read of it beyond the
/// PSYNC, and what CLIENT LIST shows of it; done when the replica is gone.
pub type Serve = Box<
    dyn FnOnce(TcpStream, Vec<u8>, Arc<Client>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send,
>;

/// A reply now, or one to wait for.
pub enum Answer {
    /// The reply's bytes.
    Now(Vec<u8>),
    /// The connection waits; other connections go on.
    Later(Later),
}

/// One replica of ours, as INFO and ROLE show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaLine {
    /// Its address.
    pub ip: String,
    /// The port it listens on.
    pub port: u16,
    /// `wait_bgsave`, `send_bulk` or `online`.
    pub state: &'static str,
    /// The offset it confirmed; none before the first time.
    pub offset: Option<u64>,
    /// Seconds since it last confirmed one.
    pub lag: u64,
}

/// How the link to the master is, beyond the published status; all figures as INFO shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkInfo {
    /// `master_last_io_seconds_ago`; -1 while there is no link.
    pub last_io_seconds: i64,
    /// `master_sync_in_progress`.
    pub sync_in_progress: bool,
    /// `master_sync_total_bytes`; 0 when the master did not say.
    pub sync_total_bytes: u64,
    /// `master_sync_read_bytes`.
    pub sync_read_bytes: u64,
    /// `master_link_down_since_seconds`; -1 if it was never up.
    pub down_since_seconds: i64,
    /// Bytes a staging dataset takes; 0 without one.
    pub staging_bytes: u64,
    /// Bytes of the stream that were read and wait for the end of a pause.
    pub waiting_bytes: u64,
    /// `master_link_last_error`: why the link was lost, while it is down; empty if it was not.
    pub last_error: String,
}

/// What replication knows that INFO shows, but for the status in the view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicationInfo {
    /// The link to the master, on a replica.
    pub link: Option<LinkInfo>,
    /// Our own replicas.
    pub replicas: Vec<ReplicaLine>,
    /// `master_failover_state`.
    pub failover_state: &'static str,
    /// `master_failover_last_pause_ms`: how long the last hand-over made writes wait.
    pub last_pause: Option<std::time::Duration>,
    /// `replicaof_last_error`: why the last REPLICAOF that failed did; empty if none did.
    pub last_error: String,
    /// `sync_dropped_datasets`, `sync_dropped_keys`: of other histories, replaced by full syncs.
    pub dropped: [u64; 2],
    /// Bytes of snapshots and streams: from masters, to replicas.
    pub traffic: [u64; 2],
    /// `sync_full`, `sync_partial_ok`, `sync_partial_err`.
    pub syncs: [u64; 3],
}

/// Replication, as the shell sees it. No method waits for a link, a lookup, or a lock held for long.
pub trait Replication: Send + Sync {
    /// `REPLICAOF host port` or `REPLICAOF NO ONE [FORCE]`, as `args`, from a client that waits for the answer. Called
    /// without a gate.
    fn replicaof(&self, args: &[&[u8]]) -> Answer;

    /// The same inside EXEC, which holds all gates: `host port` is accepted at once, and connects while the
    /// transaction goes on; `NO ONE` takes effect before the next command.
    fn replicaof_in_exec(&self, all: &mut AllGates<'_, View>, args: &[&[u8]], out: &mut Reply);

    /// Bytes that a snapshot being loaded takes; 0 without one.
    fn staging_bytes(&self) -> u64;

    /// FAILOVER and REPLTAKEOVER, as `args`. Called without a gate.
    fn hand_over(&self, args: &[&[u8]]) -> Answer;

    /// `PSYNC` or `SYNC`, as `args`, from a client at `ip` that said `hello`. Called with the gate held whose
    /// view is `view`.
    ///
    /// # Errors
    /// The error reply, without its `-`.
    fn psync(&self, view: &View, hello: &Hello, ip: &str, args: &[&[u8]]) -> Result<Serve, String>;

    /// `PSYNC replid from FAILOVER`: our master asks us to take over; `from` is none if it is to be even without the
    /// last writes. We have when this returns well.
    ///
    /// # Errors
    /// The error reply, without its `-`.
    fn take_over(
        &self,
        all: &mut AllGates<'_, View>,
        replid: &[u8],
        from: Option<u64>,
    ) -> Result<(), String>;

    /// What INFO shows.
    fn info(&self) -> ReplicationInfo;

    /// Counts syncs, and bytes, from nothing again (CONFIG RESETSTAT).
    fn reset_counts(&self);

    /// How many replicas are good enough for `min-replicas-to-write`.
    fn good_replicas(&self) -> usize;

    /// How many replicas have confirmed `offset` (WAIT).
    fn acked_by(&self, offset: u64) -> usize;

    /// Asks replicas to confirm, and ends when `count` of them have confirmed `offset`; how many did. Called with a
    /// gate held, whose view is `view`; what is returned is polled without.
    fn wait_for_acks(
        &self,
        view: &View,
        count: usize,
        offset: u64,
    ) -> Pin<Box<dyn Future<Output = usize> + Send>>;

    /// Settings changed. May be called with a gate held, and so takes none.
    fn configure(&self, settings: &Settings);

    /// `DEBUG CHANGE-REPL-ID`: gives our history another name, so that nobody can resume. Called without a gate.
    fn change_repl_id(&self);

    /// The server ends: attempts are cancelled, links closed.
    fn shut_down(&self);
}

/// Snapshot files, as the shell sees them.
pub trait Snapshots: Send + Sync {
    /// Writes the dataset to the snapshot file; done when it is in place. `begun` is told when the moment has come that the
    /// file is of.
    fn save(
        &self,
        server: &std::sync::Arc<Server>,
        begun: oneshot::Sender<()>,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotSaved>> + Send>>;

    /// The same before it returns. The caller holds all gates, and `view` is what is in them.
    ///
    /// # Errors
    /// Why it could not be written.
    fn save_now(&self, server: &std::sync::Arc<Server>, view: &View) -> Result<(), NotSaved>;

    /// All keys were removed: saves that are under way end.
    fn end_saves(&self);

    /// True while a snapshot file is being written.
    fn saving(&self) -> bool;

    /// True while a snapshot is being made, for a file or for replicas.
    fn making(&self) -> bool;
}
