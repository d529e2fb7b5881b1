//! The world around a node: clients, masters, connections, and the data itself.
//!
//! Masters have no state here. Whatever a master may truthfully say to a node it says at some point,
//! whatever happened to it before: it was down, mute, restarted, promoted, made a replica of another.
//! That is more than any set of modelled masters could do. It cannot lie about a history (that it
//! holds what it continues), but it may speak nonsense.

use damselfly_core::properties::{Broken, Ghost};
use damselfly_core::rename::Rename;
use damselfly_core::{Attempt, Boot, History, Position, Resume};

use crate::algorithm::Algorithm;
use crate::tiny::{FIRST_OFFSET, FIRST_REPLID, ME, Same, Tiny};

/// What is explored: how large the world is, and what may happen in it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Clients that issue commands, without limit.
    pub clients: u8,
    /// Masters they name.
    pub masters: u8,
    /// Where the search begins.
    pub start: Start,
    /// Clients read the role (`ROLE`, `INFO`), in two steps.
    pub reads: bool,
    /// `replica-full-sync` may be changed at any time.
    pub toggles: bool,
    /// Note what the stories of known faults need ([`Mark`]); larger states.
    pub marks: bool,
    /// Rename every state to its representative.
    pub canonical: bool,
    /// What happens on links; without it only commands do.
    pub links: bool,
    /// Hand-overs happen: `FAILOVER` by clients, and requests to take over.
    pub hand_over: bool,
}

/// Where a search begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// The process has just started: as a master or with `--replicaof`.
    Cold,
    /// A healthy replica that streams from A.
    Streaming,
}

/// A node in its world.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct World<A> {
    /// The algorithm.
    pub node: A,
    /// The properties' account of it.
    pub ghost: Ghost<Tiny>,
    /// Who issues commands.
    pub clients: Vec<Client>,
    /// The connections there are, and the timers of those there were.
    pub wires: Vec<Wire>,
    /// The data held, as it really is.
    pub data: Truth,
    /// The connection whose snapshot is kept beside the data.
    pub staging: Option<u8>,
    /// A replica of ours: the replid under which it counts what we send.
    pub sub: Option<u8>,
    /// What the last step broke.
    pub broken: Broken,
    /// What stories of known faults need to know of the past.
    pub marks: u8,
}

/// A client of the node.
#[derive(PartialEq, Eq, Hash, Debug)]
pub enum Client {
    /// May issue a command.
    Idle,
    /// Its `REPLICAOF` is connecting and greeting.
    Waiting {
        /// The attempt.
        attempt: Attempt<Tiny>,
        /// How far it is. Stays `Connecting` where one deadline covers all of it.
        phase: Phase,
        /// Another attempt has committed meanwhile ([`Setting::marks`]).
        overtaken: bool,
    },
    /// Has sampled the role and will answer with it.
    Sampled(Option<u8>),
}

impl Clone for Client {
    fn clone(&self) -> Self {
        match self {
            Self::Idle => Self::Idle,
            Self::Waiting {
                attempt,
                phase,
                overtaken,
            } => Self::Waiting {
                attempt: attempt.rename(&Same),
                phase: *phase,
                overtaken: *overtaken,
            },
            Self::Sampled(master) => Self::Sampled(*master),
        }
    }
}

/// How far an attempt is, where that makes a difference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Connecting, under a deadline.
    Connecting,
    /// Connected; the greeting has no deadline.
    Greeting,
    /// And the peer will never say anything.
    Mute,
}

/// A connection to a master, or what is left of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wire {
    /// Its name.
    pub generation: u8,
    /// Whom it goes to.
    pub host: u8,
    /// How far it is.
    pub stage: Stage,
}

/// How far a connection is, as its two ends know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    /// Lost; the timer to dial again runs.
    Timer,
    /// Connecting and greeting.
    Dialing,
    /// Greeted by an attempt and taken over.
    Greeted,
    /// `PSYNC` was sent.
    Asked(Option<Resume<Tiny>>),
    /// `+FULLRESYNC`.
    Promised(Position<Tiny>),
    /// The snapshot is on the way.
    Loading(Position<Tiny>),
    /// The stream: the last entry sent.
    Streaming(Position<Tiny>),
    /// Told to stop, or forgotten: not at rest, and still trying whatever it can.
    Stopped,
}

/// The data held.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Truth {
    /// There is data (none of it is data too). Not so before the file is in, nor once it was
    /// dropped for a snapshot.
    pub held: bool,
    /// The history whose entries are in it, and how many of them.
    pub at: Position<Tiny>,
    /// The history before, and how many of its entries are in it.
    pub shared: Option<Position<Tiny>>,
}

impl Truth {
    /// Whether the data begins with the first `position.offset` entries of that history.
    pub fn contains(&self, position: Position<Tiny>) -> bool {
        let within =
            |of: Position<Tiny>| of.replid == position.replid && position.offset <= of.offset;
        within(self.at) || self.shared.is_some_and(within)
    }

    /// The entries from now on belong to another history.
    pub fn fork(&mut self, replid: u8) {
        self.shared = Some(self.at);
        self.at.replid = replid;
    }
}

/// Something of the past that the story of a known fault is about.
#[derive(Clone, Copy, Debug)]
pub enum Mark {
    /// An attempt failed, and another one, to another master, had committed while it connected.
    Interleaved = 1,
    /// Reads were refused while there was a whole dataset.
    Refused = 2,
    /// And then the master answered CONTINUE.
    Needless = 4,
    /// A full sync died while its snapshot was loading.
    SyncDied = 8,
}

impl<A: Algorithm> World<A> {
    /// A process that has just started; with `follow`, as a replica of A.
    pub fn boot(setting: &Setting, follow: bool, flush: bool) -> Self {
        let boot = Boot {
            me: ME,
            fresh: FIRST_REPLID,
            offset: FIRST_OFFSET,
            ticket: 0,
            generation: 0,
            follow: follow.then_some(0),
            flush,
        };
        Self {
            node: A::boot(boot),
            ghost: Ghost::new(&boot),
            clients: (0..setting.clients).map(|_| Client::Idle).collect(),
            wires: Vec::new(),
            data: Truth {
                held: false,
                at: History::<Tiny>::new(Position {
                    replid: FIRST_REPLID,
                    offset: FIRST_OFFSET,
                })
                .at,
                shared: None,
            },
            staging: None,
            sub: None,
            broken: Broken::default(),
            marks: 0,
        }
    }

    /// Whether `mark` is set.
    pub fn marked(&self, mark: Mark) -> bool {
        self.marks & mark as u8 != 0
    }

    /// Notes `mark`.
    pub fn mark(&mut self, mark: Mark) {
        self.marks |= mark as u8;
    }

    /// The connection `generation`, unless it is gone.
    pub fn wire(&mut self, generation: u8) -> Option<&mut Wire> {
        self.wires.iter_mut().find(|w| w.generation == generation)
    }
}
