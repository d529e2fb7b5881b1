//! The vocabulary: facts in, deeds out.

use alloc::vec::Vec;

use crate::{Aim, Attempt, Domain, Greeted, Position, Promise, Resume, Second};

/// A fact that the shell tells the node.
///
/// The shell steps every input that changes the role, the dataset or the right to write with all
/// gates held (see `docs/ARCHITECTURE.md`), so that no command and no applier is half way.
#[derive(PartialEq, Eq, Hash, Debug)]
pub enum Input<D: Domain> {
    /// The load of the snapshot file at start-up ended well, or there was no file. The first input
    /// of every node; `position` is what the file says of the history it was taken from.
    Restored {
        /// Replid and offset in the file, when it has them and they may be trusted.
        position: Option<Position<D>>,
    },
    /// `REPLICAOF host port` arrived.
    Requested {
        /// The master asked for.
        target: D::Host,
    },
    /// A greeted attempt asks to commit.
    Commit {
        /// The attempt.
        greeted: Greeted<D>,
        /// The offset of the dataset held, read with every gate held.
        at: D::Offset,
    },
    /// `REPLICAOF NO ONE [FORCE]` arrived.
    NoOne {
        /// Start from an empty dataset if there is no whole one.
        force: bool,
        /// A new replication id, should it be needed.
        fresh: D::ReplId,
        /// The offset of the dataset held, read with every gate held.
        at: D::Offset,
    },
    /// A redial reached the master and greeted it.
    Dialed {
        /// The connection.
        generation: D::Generation,
        /// The peer's run id where it could be learned.
        peer: Option<D::RunId>,
    },
    /// The master answered `PSYNC`.
    Answered {
        /// The connection.
        generation: D::Generation,
        /// What it said. A refusal or nonsense is [`Input::Lost`].
        answer: Answer<D>,
    },
    /// The first byte of the snapshot came.
    Began {
        /// The connection.
        generation: D::Generation,
        /// Nothing would be lost by dropping what is held: it has neither keys nor functions, and it is at no place of
        /// a history from which anybody could resume.
        empty: bool,
    },
    /// The last byte of the snapshot came and its checksum is right.
    Loaded {
        /// The connection.
        generation: D::Generation,
    },
    /// A batch of the stream, whole commands and transactions, waits at the gate.
    Batch {
        /// The connection.
        generation: D::Generation,
        /// The offset after the batch.
        to: D::Offset,
    },
    /// A command of the stream failed here, which had succeeded on the master: the data are at no point of its history
    /// any more. Nothing was applied since that batch.
    Diverged {
        /// The connection.
        generation: D::Generation,
    },
    /// The connection is at its end: closed, timed out, refused, or it said what it must not.
    Lost {
        /// The connection.
        generation: D::Generation,
    },
    /// The timer armed by [`Output::Arm`] ran out.
    Timer {
        /// The connection whose loss armed it.
        generation: D::Generation,
    },
    /// `CONFIG SET replica-full-sync`: whether the next full sync drops the old data first.
    Configure {
        /// `flush` rather than `staging`.
        flush: bool,
    },
    /// The log of a master begins to keep its writes (its first replica came, or an operator asked
    /// for a new id): earlier writes were not counted, so the history needs a new name.
    HistoryBegan {
        /// The new replication id.
        fresh: D::ReplId,
        /// The offset of the log.
        at: D::Offset,
    },
    /// `FAILOVER` arrived, and there are replicas it can mean.
    FailOver {
        /// Whom to hand over to.
        aim: Aim<D>,
    },
    /// With every gate held, this replica has confirmed every byte of our log.
    CaughtUp {
        /// The hand-over that watches for it.
        ticket: D::Ticket,
        /// The replica.
        target: D::Host,
        /// The offset of the log, and so of the replica.
        at: D::Offset,
    },
    /// The time given to a hand-over is over.
    Expired {
        /// The hand-over.
        ticket: D::Ticket,
        /// The offset of the dataset held, read with every gate held.
        at: D::Offset,
    },
    /// `FAILOVER ABORT` arrived.
    Abort,
    /// The peer answered the request to take over with an error.
    Rejected {
        /// The connection.
        generation: D::Generation,
        /// What it said.
        said: Refusal<D>,
    },
    /// `PSYNC replid offset FAILOVER` arrived: a request to take over.
    TakeOver {
        /// The history it is about.
        replid: D::ReplId,
        /// The next byte of whoever asks: every byte before it was acknowledged. None where that promise is given
        /// up (`FORCE`).
        from: Option<D::Offset>,
        /// A new replication id, should it be needed.
        fresh: D::ReplId,
        /// The offset of the dataset held, read with every gate held.
        at: D::Offset,
    },
}

/// Why a peer does not take over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal<D: Domain> {
    /// Whatever else it says.
    Other,
    /// It is a master.
    Master {
        /// The history that it says it went on from, if any.
        second: Option<Second<D>>,
    },
}

/// What a master says to `PSYNC`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Answer<D: Domain> {
    /// `+CONTINUE [replid]`.
    Continue {
        /// The id the master goes on under, when it names one.
        replid: Option<D::ReplId>,
    },
    /// `+FULLRESYNC replid offset`: a snapshot at that position will come.
    FullResync(Position<D>),
}

/// A deed that the shell is to do, in the order given.
#[derive(PartialEq, Eq, Hash, Debug)]
pub enum Output<D: Domain> {
    /// The one reply to the command that the input was.
    Reply(Reply),
    /// Phase one: connect to the attempt's target and greet it, under the deadline.
    Connect(Attempt<D>),
    /// Answer `-ERR replication cancelled` to every attempt with an earlier ticket, and end it.
    CancelBefore(D::Ticket),
    /// Close the connection of this generation. Its applier may not have noticed yet: what it still
    /// wants to apply meets [`Input::Batch`].
    Stop(D::Generation),
    /// The connection that the committing attempt greeted is the link, under this generation.
    Adopt(D::Generation),
    /// Connect to the master and greet it; resolve its name anew.
    Dial {
        /// The new connection.
        generation: D::Generation,
        /// The committed target.
        target: D::Host,
    },
    /// Ask for the stream: `PSYNC replid from`, or `PSYNC ? -1`.
    Psync {
        /// The connection.
        generation: D::Generation,
        /// What the dataset held resumes from; `None` when it is not whole, or has diverged.
        resume: Option<Resume<D>>,
        /// Ask the peer to take over first: `PSYNC replid from FAILOVER [FORCE]`.
        failover: Option<Promise>,
    },
    /// Fire [`Input::Timer`] after a back-off that the shell chooses.
    Arm(D::Generation),
    /// Read the snapshot into a dataset beside the one that is served.
    Stage(D::Generation),
    /// Drop the data held, then read the snapshot; nothing is served meanwhile.
    DropAndLoad(D::Generation),
    /// The snapshot of this generation becomes the dataset, at this position: one step with the
    /// gates held. Second id, backlog and our own replicas belong to the old one and go.
    Swap(D::Generation, Position<D>),
    /// Throw away what was read of this generation's snapshot.
    Discard(D::Generation),
    /// Apply the batch that asked, and count the offset to `to`.
    Apply {
        /// The connection.
        generation: D::Generation,
        /// The offset after the batch.
        to: D::Offset,
    },
    /// Our history goes on under another id: our own replicas must reconnect to learn it (they
    /// resume).
    DropReplicas,
    /// Begin with an empty dataset, whose history begins here (`REPLICAOF NO ONE FORCE` with no
    /// whole one). As with a swap, backlog and replicas belong to the old one and go.
    Empty(Position<D>),
    /// Tell [`Input::CaughtUp`] when a replica that `aim` admits has everything, and
    /// [`Input::Expired`] when the time given is over.
    Watch {
        /// The hand-over.
        ticket: D::Ticket,
        /// Whom it is to.
        aim: Aim<D>,
    },
}

/// What a command is answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reply {
    /// `+OK`.
    Ok,
    /// `+OK Already connected to specified master`.
    AlreadyConnected,
    /// `-ERR superseded by a later REPLICAOF`.
    Superseded,
    /// `-ERR replication cancelled`.
    Cancelled,
    /// `-LOADING`: the snapshot file is being read at start-up.
    Loading,
    /// There is no whole dataset to promote; `REPLICAOF NO ONE FORCE` begins with an empty one.
    NoDataset,
    /// `REPLICAOF` during a hand-over.
    FailingOver,
    /// `FAILOVER` during a hand-over.
    AlreadyFailingOver,
    /// `FAILOVER` on a replica.
    NotMaster,
    /// `FAILOVER ABORT` with no hand-over.
    NoFailover,
    /// `FAILOVER ABORT` when the target may be master already.
    PromotionAsked,
    /// A request to take over during a hand-over of our own, or to sync when the heir is known.
    CannotSync,
    /// A request to sync, while the link to our own master is down.
    NoMasterLink,
    /// A request to take over, to a master.
    NotReplica,
    /// A request to take over a history that is not the one held, or that the data have diverged from.
    OtherHistory,
    /// A request to take over, from one who has more of the history held: writes would be lost.
    Behind,
    /// The old algorithm ([`crate::v1`]) hands nothing over.
    NoHandOver,
}

impl Reply {
    /// Whether the command took effect.
    pub fn is_ok(self) -> bool {
        matches!(self, Self::Ok | Self::AlreadyConnected)
    }

    /// The reply without its type byte and line end, in Redis's words where it has them.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::AlreadyConnected => "OK Already connected to specified master",
            Self::Superseded => "ERR superseded by a later REPLICAOF",
            Self::Cancelled => "ERR replication cancelled",
            Self::Loading => "LOADING Redis is loading the dataset in memory",
            Self::NoDataset => {
                "ERR no whole dataset to promote; REPLICAOF NO ONE FORCE starts from an empty one"
            }
            Self::FailingOver => "ERR REPLICAOF not allowed while failing over.",
            Self::AlreadyFailingOver => "ERR FAILOVER already in progress.",
            Self::NotMaster => "ERR FAILOVER is not valid when server is a replica.",
            Self::NoFailover => "ERR No failover in progress.",
            Self::PromotionAsked => {
                "ERR the target was asked to take over and only its answer ends the failover; \
                 REPLICAOF NO ONE FORCE gives it up, even if the target is master already"
            }
            Self::CannotSync => "NOMASTERLINK Can't SYNC while failing over",
            Self::NoMasterLink => "NOMASTERLINK Can't SYNC while not connected with my master",
            Self::NotReplica => "ERR PSYNC FAILOVER can't be sent to a master.",
            Self::NoHandOver => "ERR FAILOVER is not supported by experimental-replicaof-v2 no",
            Self::OtherHistory => "ERR PSYNC FAILOVER replid must match my replid.",
            // Redis does not look.
            Self::Behind => "ERR PSYNC FAILOVER offset is beyond mine: writes would be lost.",
        }
    }
}

/// The deeds of one step, in order.
#[derive(PartialEq, Eq, Hash, Debug)]
pub struct Outputs<D: Domain>(Vec<Output<D>>);

impl<D: Domain> Outputs<D> {
    /// None yet.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a deed.
    pub fn push(&mut self, output: Output<D>) {
        self.0.push(output);
    }

    /// The deeds, leaving none.
    pub fn drain(&mut self) -> impl Iterator<Item = Output<D>> + '_ {
        self.0.drain(..)
    }

    /// The deeds.
    pub fn as_slice(&self) -> &[Output<D>] {
        &self.0
    }

    /// The reply among them, if the input was a command that is answered at once.
    pub fn reply(&self) -> Option<Reply> {
        self.0.iter().find_map(|o| match o {
            Output::Reply(reply) => Some(*reply),
            _ => None,
        })
    }
}

impl<D: Domain> Default for Outputs<D> {
    fn default() -> Self {
        Self::new()
    }
}
