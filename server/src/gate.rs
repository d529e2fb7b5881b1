//! Gates: how the world is made to stand still for some microseconds.
//!
//! Every thread that executes commands owns one gate, a mutex on a cache line of its own, and holds it
//! while it executes a batch: uncontended, and so as good as free. Whoever must see the world between two
//! commands (a role flip, a dataset swap, the start of a snapshot, EXEC, FLUSHALL) takes every gate.
//!
//! The [`View`] lies *inside* each gate: nobody can execute a command without holding the dataset and the
//! fence that go together, and replacing it in every gate is atomic to every command by construction.
//!
//! Rules: nobody holds a gate while it waits for another gate, for I/O, or for [`Gates::all`]; locks inside
//! a gate (shards, log) come after it.

mod gates;
mod published;

pub use gates::{AllGates, Entered, Gates};
pub use published::Published;

use crate::repl::domain::Status;
use crate::store::dataset::Dataset;
use damselfly_core::Failover;
use std::sync::Arc;

/// What the role of the server allows at this moment; read by the dispatcher before every command. It is the
/// published status in short, and made of nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// We follow a master: client writes are refused if replicas are read-only.
    pub replica: bool,
    /// The link to the master streams (true on a master): what `replica-serve-stale-data no` asks about.
    pub link_up: bool,
    /// A snapshot is being loaded over the served dataset: data commands answer `-LOADING`.
    pub loading: bool,
    /// The dataset is whole. When it is not, data commands answer `-MASTERDOWN`, never an empty truth.
    pub whole: bool,
    /// A hand-over waits for its heir: nothing may be written, not even that a key has expired.
    pub handing: bool,
}

impl From<&Status> for Fence {
    fn from(status: &Status) -> Self {
        Fence {
            replica: status.master.is_some(),
            link_up: status.master.is_none() || status.link_up(),
            loading: status.loading,
            whole: status.whole,
            handing: status.failover == Failover::WaitingForSync,
        }
    }
}

impl Fence {
    /// The fence of a stand-alone master.
    pub const MASTER: Fence = Fence {
        replica: false,
        link_up: true,
        loading: false,
        whole: true,
        handing: false,
    };
}

/// What lies in every gate: the dataset, and the status that goes with it.
#[derive(Clone)]
pub struct View {
    /// What is served.
    pub dataset: Arc<Dataset>,
    /// What INFO and ROLE say.
    pub status: Arc<Status>,
    /// The status in short.
    pub fence: Fence,
}

impl View {
    /// The view of `dataset` under `status`.
    pub fn new(dataset: Arc<Dataset>, status: Arc<Status>) -> Self {
        View {
            fence: Fence::from(&*status),
            dataset,
            status,
        }
    }

    /// Publishes another status of the same dataset.
    pub fn set_status(&mut self, status: Arc<Status>) {
        self.fence = Fence::from(&*status);
        self.status = status;
    }
}
