//! What a node says of itself.

use crate::{Domain, Failover, History, Reply};

/// The state of the link as `INFO` and `ROLE` name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LinkStatus {
    /// No connection; the redial timer runs (`connect`).
    Waiting,
    /// Connecting and greeting (`connecting`).
    Connecting,
    /// `PSYNC` is asked, or its full sync is on the way (`sync`).
    Syncing,
    /// Streaming (`connected`; `master_link_status:up`).
    Streaming,
}

/// What is published to every command. Made by one function from the state, never kept beside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Status<D: Domain> {
    /// The committed master, and how the link to it is. `None`: this node is a master.
    pub master: Option<(D::Host, LinkStatus)>,
    /// Answer `-LOADING` to data commands.
    pub loading: bool,
    /// There is a whole dataset. Without one, and not loading, data commands answer `-MASTERDOWN`.
    pub whole: bool,
    /// The dataset is at no point of that history: neither a replica nor a file may have it as one that is.
    pub diverged: bool,
    /// The history of the dataset.
    pub history: History<D>,
    /// The generation of the live connection to the master.
    pub live: Option<D::Generation>,
    /// How far a hand-over is. While a master waits for its heir, client writes wait too.
    pub failover: Failover,
    /// The committed master was to take over, and has not shown that it has every write that was acknowledged here: a full
    /// sync of it is not taken, until an operator says whom to follow.
    pub unproved: bool,
}

impl<D: Domain> Status<D> {
    /// Whether reads are refused, whatever `replica-serve-stale-data` says.
    pub fn refuses_reads(&self) -> bool {
        self.loading || !self.whole
    }

    /// Whether clients' writes are executed: on a master that is not handing over.
    pub fn takes_writes(&self) -> bool {
        self.master.is_none() && self.failover == Failover::No
    }

    /// Whether a replica that asks for a sync is let in: not while what is held may be replaced at any moment. While a
    /// hand-over waits it is: the one waited for may have lost its link, and nothing else would end the wait.
    ///
    /// # Errors
    /// What it is answered.
    pub fn lets_in(&self) -> Result<(), Reply> {
        if self.loading {
            return Err(Reply::Loading);
        }
        if self.failover == Failover::InProgress {
            return Err(Reply::CannotSync);
        }
        if self.master.is_some() && !self.link_up() {
            return Err(Reply::NoMasterLink);
        }
        Ok(())
    }

    /// Whether the link streams.
    pub fn link_up(&self) -> bool {
        matches!(self.master, Some((_, LinkStatus::Streaming)))
    }
}
