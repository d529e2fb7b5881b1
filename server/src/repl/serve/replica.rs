//! One replica, as everybody else sees it.

use super::{Hello, Master};
use crate::rdb::format::Dialect;
use crate::sys::time::Instant;
use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Notify;

/// How far a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Waits for a snapshot.
    WaitBgsave = 0,
    /// Receives it.
    SendBulk = 1,
    /// Receives it while it is being made.
    SendPieces = 2,
    /// Streams.
    Online = 3,
}

impl State {
    /// The state as INFO names it.
    pub fn name(self) -> &'static str {
        match self {
            // In Redis the snapshot is not there before all of it was sent.
            State::WaitBgsave | State::SendPieces => "wait_bgsave",
            State::SendBulk => "send_bulk",
            State::Online => "online",
        }
    }
}

/// What INFO and ROLE say of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// Its address, as announced or as seen.
    pub ip: String,
    /// The port it listens at; 0 if it did not say.
    pub port: u16,
    /// How far it is.
    pub state: State,
    /// It wanted a part of the data, or no stream: whatever it confirms, it does not hold what we do.
    pub is_partial: bool,
    /// The last offset it confirmed; none before the first time.
    pub offset: Option<u64>,
    /// Seconds since it was last heard of; 0 while it is not online.
    pub lag: u64,
}

impl ReplicaInfo {
    /// Whether it streams onto all of the data.
    pub fn is_copy(&self) -> bool {
        self.state == State::Online && !self.is_partial
    }
}

/// Why a replica is served no longer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum End {
    #[error("connection closed")]
    Closed,
    #[error("connection lost ({0:?})")]
    Lost(std::io::ErrorKind),
    #[error("dropped, it sent something that is no command")]
    Nonsense,
    #[error("dropped, it sent what only clients send")]
    Asked,
    #[error(
        "dropped for overcoming of output buffer limits (client-output-buffer-limit), or since its history ended"
    )]
    LetGo,
    #[error(
        "dropped for overcoming of output buffer limits (the soft client-output-buffer-limit, for too long)"
    )]
    SoftLimit,
    #[error(
        "Disconnecting timedout replica (streaming sync): nothing was heard of it for repl-timeout"
    )]
    Silent,
    #[error("Disconnecting timedout replica (full sync): it took nothing for repl-timeout")]
    Stuck,
    #[error("dropped, the snapshot for it failed")]
    SnapshotFailed,
    #[error("dropped, our own history changed: it is to ask again")]
    HistoryChanged,
    #[error("has the snapshot it asked for")]
    SnapshotOnly,
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        End::Lost(error.kind())
    }
}

/// A replica's place in the register.
pub(super) struct Replica {
    ip: String,
    port: u16,
    pub eof: bool,
    pub snapshot_only: bool,
    /// `rdb-filter-only`.
    pub filter: Option<bool>,
    /// Whose snapshots it reads.
    pub dialect: Dialect,
    /// It said SYNC: it will not confirm anything.
    pub pre_psync: bool,
    started: Instant,
    state: AtomicU8,
    /// The offset it confirmed last, plus one: 0 before the first time.
    acked: AtomicU64,
    /// When it was last heard of, and when it last took bytes: milliseconds since `started`.
    heard_at: AtomicU64,
    took_at: AtomicU64,
    /// Offset up to which the log was sent to it; `u64::MAX` while it has no cursor.
    sent: AtomicU64,
    /// It confirmed an offset for the first time.
    pub confirmed: Notify,
    told: Mutex<Option<End>>,
    telling: Notify,
}

impl Replica {
    pub fn new(hello: &Hello, ip: &str, pre_psync: bool, started: Instant) -> Self {
        let now = started.elapsed().as_millis() as u64;
        Replica {
            ip: ip.into(),
            port: hello.port,
            eof: hello.eof,
            snapshot_only: hello.rdb_only,
            filter: hello.filter,
            dialect: hello.dialect,
            pre_psync,
            started,
            state: AtomicU8::new(State::WaitBgsave as u8),
            acked: AtomicU64::new(0),
            heard_at: AtomicU64::new(now),
            took_at: AtomicU64::new(now),
            sent: AtomicU64::new(u64::MAX),
            confirmed: Notify::new(),
            told: Mutex::new(None),
            telling: Notify::new(),
        }
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn state(&self) -> State {
        match self.state.load(Relaxed) {
            0 => State::WaitBgsave,
            1 => State::SendBulk,
            2 => State::SendPieces,
            _ => State::Online,
        }
    }

    pub fn enter(&self, state: State) {
        // The clocks of a state begin with it.
        self.heard();
        self.took();
        self.state.store(state as u8, Relaxed);
    }

    pub fn heard(&self) {
        self.heard_at.store(self.now_ms(), Relaxed);
    }

    pub fn took(&self) {
        self.took_at.store(self.now_ms(), Relaxed);
    }

    pub fn sent_to(&self, offset: u64) {
        self.sent.store(offset, Relaxed);
    }

    /// Bytes of a log that ends at `end` which it has not been sent.
    pub fn owed(&self, end: u64) -> u64 {
        end.saturating_sub(self.sent.load(Relaxed))
    }

    /// It says that it has the stream up to `offset`.
    pub fn acks(&self, offset: u64) {
        self.acked.fetch_max(offset.saturating_add(1), Relaxed);
        self.heard();
        self.confirmed.notify_one();
    }

    /// One that has said nothing yet may still be reading its snapshot: it has not even confirmed offset 0.
    pub fn has_acked(&self, offset: u64) -> bool {
        self.state() == State::Online && self.acked.load(Relaxed) > offset
    }

    pub fn is_good(&self, max_lag: Duration) -> bool {
        let silent = self.now_ms().saturating_sub(self.heard_at.load(Relaxed));
        // Lag is counted in whole seconds.
        self.state() == State::Online && silent / 1000 <= max_lag.as_secs()
    }

    pub fn info(&self) -> ReplicaInfo {
        let state = self.state();
        let silent = self.now_ms().saturating_sub(self.heard_at.load(Relaxed));
        ReplicaInfo {
            ip: self.ip.clone(),
            port: self.port,
            state,
            is_partial: self.snapshot_only || self.filter.is_some(),
            offset: self.acked.load(Relaxed).checked_sub(1),
            lag: if state == State::Online {
                silent / 1000
            } else {
                0
            },
        }
    }

    /// Has its connection closed.
    pub fn end(&self, why: End) {
        self.told.lock().get_or_insert(why);
        self.telling.notify_one();
    }

    /// Ready when [`Replica::end`] was called.
    pub async fn ended(&self) -> End {
        loop {
            if let Some(why) = *self.told.lock() {
                return why;
            }
            self.telling.notified().await;
        }
    }

    /// Ready when the replica was silent, stuck or slow for too long.
    pub async fn watch(&self, master: &Master) -> End {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut slow_since = None;
        loop {
            tick.tick().await;
            let config = master.config();
            let timed_out = |at: &AtomicU64| {
                let silent = self.now_ms().saturating_sub(at.load(Relaxed));
                silent > config.timeout.as_millis() as u64
            };
            match self.state() {
                State::Online if !self.pre_psync && timed_out(&self.heard_at) => {
                    return End::Silent;
                }
                State::SendBulk | State::SendPieces if timed_out(&self.took_at) => {
                    return End::Stuck;
                }
                _ => {}
            }
            let (soft, patience) = config.soft_limit;
            // As the hard limit, it is no smaller than the backlog.
            let soft_limit = soft.max(config.limits.backlog);
            let lag = self.owed(master.log.offset());
            if soft == 0 || lag <= soft_limit {
                slow_since = None;
            } else if slow_since.get_or_insert_with(Instant::now).elapsed() > patience {
                return End::SoftLimit;
            }
        }
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ip, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_not_confirmed() {
        let replica = Replica::new(&Hello::default(), "10.0.0.1", false, Instant::now());
        replica.enter(State::Online);
        assert!(!replica.has_acked(0), "its snapshot may be under way");
        assert_eq!(replica.info().offset, None);
        replica.acks(0);
        assert!(replica.has_acked(0) && !replica.has_acked(1));
        assert_eq!(replica.info().offset, Some(0));
        replica.acks(u64::MAX);
        assert!(replica.has_acked(1 << 40));
    }
}
