//! What an I/O thread does outside its runtime, since it may take long: there another thread can take over its connections
//! in the middle of it (ADR 0009).

use super::runtime;
use super::server::Server;
use tokio::sync::mpsc::UnboundedSender;

/// Something to be done outside the runtime.
pub type Errand = Box<dyn FnOnce() + Send>;

/// How the I/O threads are asked, one for each of them.
pub struct Errands(Vec<UnboundedSender<Errand>>);

impl Errands {
    /// `all`: by the number of the thread.
    pub fn new(all: Vec<UnboundedSender<Errand>>) -> Errands {
        Errands(all)
    }
}

impl Server {
    /// True when the calling I/O thread has to leave its runtime before it does what may take long. In a simulated
    /// world, and in tests without sockets, there is nothing to leave.
    pub(super) fn is_bound(&self, slot: usize) -> bool {
        !runtime::on_errand() && self.errands().is_some_and(|all| all.0.len() > slot)
    }

    /// Has I/O thread `slot` do `errand` when it has left its runtime; never, if the server ends before.
    pub(super) fn ask(&self, slot: usize, errand: Errand) {
        if let Some(ask) = self.errands().and_then(|all| all.0.get(slot)) {
            let _ = ask.send(errand);
        }
    }
}
