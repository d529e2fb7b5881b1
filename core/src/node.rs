//! The state of a node. Enums that carry their data: what cannot be is not representable.

use crate::{
    Aim, Ceding, Domain, History, LinkStatus, Outputs, Position, Protocol, Status, io::Input,
};

/// The replica protocol of one node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Node<D: Domain> {
    /// Our own run id, to know ourselves by.
    pub(crate) me: D::RunId,
    /// `replica-full-sync flush`: the next full sync drops the old data first.
    pub(crate) flush: bool,
    /// The last ticket given.
    pub(crate) issued: D::Ticket,
    /// The last ticket that committed: the fence.
    pub(crate) committed: D::Ticket,
    /// The ticket of the last `NO ONE`: attempts before it are cancelled. At most `committed`.
    pub(crate) cancelled: D::Ticket,
    /// The last generation given.
    pub(crate) last: D::Generation,
    /// Master, or whose replica.
    pub(crate) role: Role<D>,
    /// Whether there is a whole dataset.
    pub(crate) data: Data,
    /// The history of the dataset.
    pub(crate) history: History<D>,
}

/// Master, or whose replica.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role<D: Domain> {
    /// Takes writes, unless it is handing over.
    Master {
        /// Whom it is handing over to: writes wait, and the rest is as before.
        handing: Option<Aim<D>>,
    },
    /// Follows `target`, the committed one.
    Replica {
        /// The master as typed.
        target: D::Host,
        /// How far the link to it is.
        link: Link<D>,
        /// This was its master until now, and hands over to it: whether it has taken over is open.
        ceding: Option<Ceding>,
    },
}

/// The life of a link: one connection after another, each with a generation of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Link<D: Domain> {
    /// The snapshot file is being read; dialling begins when it is in.
    Held,
    /// No connection. The timer of the lost `generation` will fire.
    Waiting {
        /// The connection that was lost.
        generation: D::Generation,
    },
    /// Connecting and greeting.
    Dialing {
        /// The connection.
        generation: D::Generation,
    },
    /// `PSYNC` is sent.
    Asked {
        /// The connection.
        generation: D::Generation,
        /// It was asked to continue. If not, `+CONTINUE` is a lie.
        resumes: bool,
    },
    /// `+FULLRESYNC` was answered; the master prepares its snapshot. Nothing has changed here.
    Promised {
        /// The connection.
        generation: D::Generation,
        /// The position of the snapshot to come.
        snapshot: Position<D>,
    },
    /// The snapshot is coming.
    Loading {
        /// The connection.
        generation: D::Generation,
        /// The position of the snapshot.
        snapshot: Position<D>,
        /// Beside the old data, or in its place.
        place: Place,
    },
    /// The stream is applied as it comes.
    Streaming {
        /// The connection.
        generation: D::Generation,
    },
}

/// Where a snapshot is read into.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// Into a staging dataset, while the old one is served.
    Staging,
    /// In place of the old one, which was dropped: the node is LOADING.
    Instead,
}

/// Whether there is a dataset to serve.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Data {
    /// The snapshot file is being read at start-up: the node is LOADING.
    Restoring,
    /// A whole dataset (an empty one is whole), which is what the history says.
    Whole,
    /// A whole dataset that is at no point of the history: a command of the master's stream failed here. It is served,
    /// and nothing is resumed from it; a full sync mends that, or a promotion begins a history with it.
    Diverged,
    /// None: it was dropped for a snapshot that is not (yet) in.
    Missing,
}

/// How a node starts.
#[derive(Clone, Copy, Debug)]
pub struct Boot<D: Domain> {
    /// The run id of this process.
    pub me: D::RunId,
    /// A new replication id.
    pub fresh: D::ReplId,
    /// Offset zero.
    pub offset: D::Offset,
    /// A ticket before all tickets.
    pub ticket: D::Ticket,
    /// A generation before all generations.
    pub generation: D::Generation,
    /// `--replicaof`: a replica from the first moment.
    pub follow: Option<D::Host>,
    /// `replica-full-sync flush`.
    pub flush: bool,
}

impl<D: Domain> Node<D> {
    /// A node that reads its snapshot file. Its first input is [`Input::Restored`].
    pub fn new(boot: Boot<D>) -> Self {
        Self {
            me: boot.me,
            flush: boot.flush,
            issued: boot.ticket,
            committed: boot.ticket,
            cancelled: boot.ticket,
            last: boot.generation,
            role: match boot.follow {
                Some(target) => Role::Replica {
                    target,
                    link: Link::Held,
                    ceding: None,
                },
                None => Role::Master { handing: None },
            },
            data: Data::Restoring,
            history: History::new(Position {
                replid: boot.fresh,
                offset: boot.offset,
            }),
        }
    }

    /// What is published. `LOADING` is derived here and kept nowhere, so it ends with its cause.
    pub fn status(&self) -> Status<D> {
        let (master, live, instead) = match self.role {
            Role::Master { .. } => (None, None, false),
            Role::Replica { target, link, .. } => {
                (Some((target, link.status())), link.live(), link.instead())
            }
        };
        Status {
            master,
            loading: self.data == Data::Restoring || instead,
            whole: matches!(self.data, Data::Whole | Data::Diverged),
            diverged: self.data == Data::Diverged,
            history: self.history,
            live,
            failover: self.failover(),
            unproved: self.is_in_doubt(),
        }
    }

    /// The fence: the last ticket that committed.
    pub fn committed(&self) -> D::Ticket {
        self.committed
    }

    /// The ticket of the last `REPLICAOF NO ONE`.
    pub fn cancelled(&self) -> D::Ticket {
        self.cancelled
    }

    /// The last ticket given.
    pub fn issued(&self) -> D::Ticket {
        self.issued
    }

    /// The last generation given.
    pub fn last_generation(&self) -> D::Generation {
        self.last
    }

    /// Master, or whose replica.
    pub fn role(&self) -> Role<D> {
        self.role
    }

    /// Whether there is a whole dataset.
    pub fn data(&self) -> Data {
        self.data
    }

    /// The history of the dataset.
    pub fn history(&self) -> History<D> {
        self.history
    }

    /// Whether the next full sync drops the old data first.
    pub fn flush(&self) -> bool {
        self.flush
    }

    /// Our own run id.
    pub fn run_id(&self) -> D::RunId {
        self.me
    }
}

impl<D: Domain> Link<D> {
    /// The generation of the connection, or of the one that was lost last.
    pub fn generation(&self) -> Option<D::Generation> {
        match *self {
            Self::Held => None,
            Self::Waiting { generation }
            | Self::Dialing { generation }
            | Self::Asked { generation, .. }
            | Self::Promised { generation, .. }
            | Self::Loading { generation, .. }
            | Self::Streaming { generation } => Some(generation),
        }
    }

    /// The generation of the connection, while there is one.
    pub fn live(&self) -> Option<D::Generation> {
        match self {
            Self::Waiting { .. } => None,
            link => link.generation(),
        }
    }

    fn status(&self) -> LinkStatus {
        match self {
            Self::Held | Self::Waiting { .. } => LinkStatus::Waiting,
            Self::Dialing { .. } => LinkStatus::Connecting,
            Self::Asked { .. } | Self::Promised { .. } | Self::Loading { .. } => {
                LinkStatus::Syncing
            }
            Self::Streaming { .. } => LinkStatus::Streaming,
        }
    }

    fn instead(&self) -> bool {
        matches!(
            self,
            Self::Loading {
                place: Place::Instead,
                ..
            }
        )
    }
}

impl<D: Domain> Protocol<D> for Node<D> {
    fn step(&mut self, input: Input<D>, out: &mut Outputs<D>) {
        self.step(input, out);
    }

    /// Nothing was changed before the greeting, so there is nothing to undo.
    fn attempt_failed(&mut self, _: D::Ticket, _: &mut Outputs<D>) {}

    fn status(&self) -> Status<D> {
        self.status()
    }
}
