//! Clients that wait for replicas: WAIT.

use super::client::Client;
use super::server::Server;
use crate::config::BufferLimit;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// CLIENT UNBLOCK, as the one who waits hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// As if the time were over.
    Timeout,
    /// With an error.
    Error,
}

/// Who waits for replicas, by the client's number.
///
/// Whoever takes a client out of here answers it, and nobody else does.
#[derive(Default)]
pub(super) struct Waits(Mutex<BTreeMap<u64, Waiting>>);

struct Waiting {
    client: Arc<Client>,
    cut: oneshot::Sender<Cut>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// So many replicas had confirmed.
    Acked(usize),
    /// The time was over.
    TimedOut,
    /// CLIENT UNBLOCK ERROR.
    Unblocked,
}

impl Waits {
    /// `client` waits from here on. Called with a gate held, on a master, so that no change of role comes between that
    /// and the reason to wait.
    pub fn enlist(server: &Arc<Server>, client: &Arc<Client>) -> Ticket {
        let (sender, cut) = oneshot::channel();
        let waiting = Waiting {
            client: Arc::clone(client),
            cut: sender,
        };
        let waits = &server.blocking.for_replicas;
        waits.0.lock().insert(client.id, waiting);
        Ticket {
            server: Arc::clone(server),
            id: client.id,
            cut,
        }
    }

    /// CLIENT UNBLOCK; false if that client does not wait.
    pub fn unblock(&self, id: u64, with_error: bool) -> bool {
        let Some(waiting) = self.0.lock().remove(&id) else {
            return false;
        };
        let how = if with_error { Cut::Error } else { Cut::Timeout };
        // One that has just gone needs no answer.
        waiting.cut.send(how).is_ok()
    }

    /// We became a replica: each is told so by `reply`, and closed.
    pub fn demoted(&self, reply: &[u8], limit: &BufferLimit) {
        for waiting in std::mem::take(&mut *self.0.lock()).into_values() {
            waiting.client.send(reply, limit);
            waiting.client.close();
        }
    }
}

/// A place among those who wait, given up when it is dropped.
pub(super) struct Ticket {
    server: Arc<Server>,
    id: u64,
    cut: oneshot::Receiver<Cut>,
}

impl Ticket {
    /// Waits for `acks`, at most for `limit`. Never ends if somebody else answers the client.
    pub async fn wait(
        mut self,
        acks: impl Future<Output = usize>,
        limit: Option<Duration>,
    ) -> Ended {
        let time_out = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            cut = &mut self.cut => return answered(cut).await,
            acked = acks => Ended::Acked(acked),
            () = time_out => Ended::TimedOut,
        };
        if self.give_up() {
            return ended;
        }
        // Somebody was faster.
        answered((&mut self.cut).await).await
    }

    fn give_up(&self) -> bool {
        let waits = &self.server.blocking.for_replicas;
        waits.0.lock().remove(&self.id).is_some()
    }
}

async fn answered(cut: Result<Cut, oneshot::error::RecvError>) -> Ended {
    match cut {
        Ok(Cut::Timeout) => Ended::TimedOut,
        Ok(Cut::Error) => Ended::Unblocked,
        // The client has its answer, and is being closed.
        Err(_) => std::future::pending().await,
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give_up();
    }
}
