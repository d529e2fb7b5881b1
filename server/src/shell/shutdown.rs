//! How the server ends: writes wait, replicas that lag get what they miss, the snapshot is saved, and then it does.

use super::replication::Replication;
use super::server::Server;
use crate::sys::time::Instant;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio::sync::Notify;

/// Why it does not end after `SHUTDOWN ABORT`, whoever waited.
const CALLED_OFF: &str = "it was called off";

/// How often replicas that lag are asked how far they are.
const TICK: Duration = Duration::from_millis(100);

/// What `SHUTDOWN` asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order {
    /// Save the snapshot, or do not; `None`: if there are save points.
    pub save: Option<bool>,
    /// Do not wait for replicas.
    pub now: bool,
    /// End even if the snapshot cannot be saved.
    pub force: bool,
}

/// Whether the server is to end; one for all threads.
#[derive(Default)]
pub struct Shutdown {
    begun: AtomicBool,
    notify: Notify,
    why: Mutex<String>,
    /// One who ends the server at a time.
    turn: tokio::sync::Mutex<()>,
    /// Until when replicas are being waited for, which may be called off, or cut short.
    waiting: Mutex<Option<Instant>>,
    /// How often it was called off.
    called_off: AtomicU64,
    hurry: AtomicBool,
    look: Notify,
}

impl Shutdown {
    /// Ends the server, for the reason `why`, at once. Only the first call has an effect.
    pub fn begin(&self, why: &str) {
        if !self.begun.swap(true, AcqRel) {
            *self.why.lock() = why.to_owned();
            self.notify.notify_waiters();
        }
    }

    /// True once [`Shutdown::begin`] has been called.
    pub fn begun(&self) -> bool {
        self.begun.load(Acquire)
    }

    /// Why the server ends.
    pub fn why(&self) -> String {
        self.why.lock().clone()
    }

    /// Returns when the server is to end.
    pub async fn wait(&self) {
        let notified = self.notify.notified();
        if !self.begun() {
            notified.await;
        }
    }

    /// For how long it still waits for replicas, if it does: `shutdown_in_milliseconds`.
    pub fn ends_in(&self) -> Option<Duration> {
        let until = *self.waiting.lock();
        until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// `SHUTDOWN ABORT`: false if nothing waits that could be called off.
    pub fn call_off(&self) -> bool {
        let waits = self.waiting.lock().is_some();
        if waits {
            self.called_off.fetch_add(1, SeqCst);
            self.look.notify_waiters();
        }
        waits
    }
}

impl Server {
    /// Ends the server as `order` says. From here on writes wait; they will have been refused by the closed connection
    /// when it ends, and go on if it does not.
    ///
    /// # Errors
    /// Why it does not end.
    pub async fn end(self: &Arc<Self>, order: Order, why: &str) -> Result<(), String> {
        let shutdown = &self.shutdown;
        if order.now {
            // For who waits already; it is forgotten when the wait is over.
            shutdown.hurry.store(true, SeqCst);
            shutdown.look.notify_waiters();
        }
        let called_off = shutdown.called_off.load(SeqCst);
        let _turn = shutdown.turn.lock().await;
        if shutdown.begun() {
            return Ok(());
        }
        if shutdown.called_off.load(SeqCst) != called_off {
            shutdown.hurry.store(false, SeqCst);
            return Err(CALLED_OFF.into());
        }
        self.in_all_gates(|| self.pause.end_server(true)).await;
        let prepared = self.prepare_end(order).await;
        match &prepared {
            Ok(()) => {
                self.stop_listening();
                shutdown.begin(why);
            }
            Err(_) => {
                tracing::warn!(
                    "Errors trying to shut down the server. Check the logs for more information."
                );
                self.in_all_gates(|| self.pause.end_server(false)).await;
                shutdown.hurry.store(false, SeqCst);
            }
        }
        prepared
    }

    async fn prepare_end(self: &Arc<Self>, order: Order) -> Result<(), String> {
        if !order.now {
            self.await_replicas().await?;
        }
        match self.save_at_end(order.save).await {
            Err(why) if !order.force => {
                tracing::warn!("Error trying to save the DB, can't exit.");
                Err(format!("its data cannot be saved: {why}"))
            }
            _ => Ok(()),
        }
    }

    /// Waits until the replicas have everything, for `shutdown-timeout` at most.
    ///
    /// # Errors
    /// It was called off.
    async fn await_replicas(self: &Arc<Self>) -> Result<(), String> {
        let follows = self.in_gate(|view| view.fence.replica).await;
        // What lags behind a replica gets the rest from its master.
        let Some(replication) = self.replication().filter(|_| !follows) else {
            return Ok(());
        };
        let shutdown = &self.shutdown;
        let until = Instant::now() + self.config.settings().shutdown_timeout;
        let offset = self.log.offset();
        let called_off = shutdown.called_off.load(SeqCst);
        *shutdown.waiting.lock() = Some(until);
        let mut said = false;
        let ended = loop {
            let look = shutdown.look.notified();
            let lag = lagging(replication.as_ref(), offset);
            if shutdown.called_off.load(SeqCst) != called_off {
                tracing::warn!("Shutdown manually aborted.");
                break Err(CALLED_OFF.to_owned());
            }
            if lag.is_empty() || shutdown.hurry.load(SeqCst) || Instant::now() >= until {
                for replica in &lag {
                    tracing::warn!("Lagging replica {replica}");
                }
                let online = online(replication.as_ref());
                if online > 0 {
                    tracing::info!(
                        "{} of {online} replicas are in sync when shutting down.",
                        online.saturating_sub(lag.len())
                    );
                }
                break Ok(());
            }
            if !std::mem::replace(&mut said, true) {
                tracing::info!("Waiting for replicas before shutting down.");
            }
            let acked = self
                .in_gate(|view| replication.wait_for_acks(view, usize::MAX, offset))
                .await;
            self.log.kick();
            tokio::select! {
                biased;
                () = look => {}
                _ = tokio::time::timeout(TICK, acked) => {}
            }
        };
        *shutdown.waiting.lock() = None;
        ended
    }

    /// Saves if `asked` says so, or (`None`) if there are save points. A half-loaded dataset is never saved.
    pub(super) async fn save_at_end(self: &Arc<Self>, asked: Option<bool>) -> Result<(), String> {
        let whole = self.in_gate(|view| view.fence.whole).await;
        let wanted = asked.unwrap_or(!self.config.settings().save.is_empty());
        if !wanted || !whole || self.snapshots().is_none() {
            return Ok(());
        }
        tracing::info!("Saving the final RDB snapshot before exiting.");
        self.save(false).await
    }
}

/// How many replicas stream.
fn online(replication: &dyn Replication) -> usize {
    let replicas = replication.info().replicas;
    replicas.iter().filter(|r| r.state == "online").count()
}

/// The replicas that have the stream but not all of it up to `offset`, in Redis's words.
fn lagging(replication: &dyn Replication, offset: u64) -> Vec<String> {
    let replicas = replication.info().replicas;
    let lag = replicas
        .iter()
        .filter(|r| r.state == "online" && r.offset.is_none_or(|at| at < offset));
    lag.map(|r| {
        format!(
            "{}:{} reported offset {} behind master, lag={}, state={}.",
            r.ip,
            r.port,
            offset - r.offset.unwrap_or(0),
            r.lag,
            r.state
        )
    })
    .collect()
}
