//! Two and three full nodes: masters, replicas, and the wires between them all real, every one of them the
//! shipped `Node`, and what a master answers to `PSYNC` decided by the shipped `may_continue`.
//!
//! Operators say `REPLICAOF` and `FAILOVER` to any node at any time, clients write to whoever takes writes (each write
//! is acknowledged at once) and read wherever reads are not refused. Connections are cut at any moment, processes die
//! and come back, with the snapshot file they have or without one, as masters or as replicas of anybody. All of that
//! without limit, and to completion.
//!
//! # What a node holds
//! [`Writes`]: which writes, in which order. Every write is another one, so two datasets that differ differ here, and
//! a history that was continued by two masters is two sequences, and what has diverged from one is another. A dataset of which only a part is there is *torn*;
//! that is what a read must never see.
//!
//! # Why it ends
//! Writes and commands are unlimited and the states are not, since a state is renamed to a representative
//! (`canon`), which takes from it what no future can depend on:
//! - *Families.* Datasets whose positions name the same history, or one that another goes back to, are of one family.
//!   Across families nothing is ever compared (a `CONTINUE` needs a common name; a full sync moves a node to the
//!   family of its master), so each is renamed alone.
//! - *What all of a family have* is forgotten: the writes that every dataset, snapshot, file and stream of the
//!   family begins with are dropped, and every offset with them. The protocol compares offsets and counts them up by
//!   what is applied, so states that differ by such a beginning do the same for ever.
//! - *Names* of histories, writes and nodes are given in the order in which the state mentions them; nodes are
//!   interchangeable. A second id that nobody can ask for any more is forgotten, and so is a master's offset at its last
//!   change of role, but for whether anything was written since.
//!
//! That this takes nothing from the future is looked at by `tests.rs`, and argued for in `model/RESULTS.md`.
//!
//! What bounds the space is [`Size::writes`]: how many writes a dataset may be ahead of what all of its family have.
//! A master that is so far ahead takes no more until others have caught up, are of another history, or have begun anew.
//!
//! # What is one step
//! Steps that nobody else can tell apart are one: an attempt that is greeted commits (what attempts do to each other
//! is the other model's), a timer fires at once, a `PSYNC` is heard as soon as it is sent or never, an answer
//! arrives as soon as it is given unless it says who is master, a process that died has come back. A connection that
//! the master closed still brings what was sent before. Each such step commutes with all that may come between its
//! parts; what the parts do at one node is in the model of one node. Whoever is gone is no follower any more, and what it
//! confirmed counts no more: a hand-over asks anew.

mod act;
mod action;
mod canon;
mod deed;
mod explore;
mod fault;
mod look;
#[cfg(test)]
mod tests;
mod wire;
mod writes;

pub use action::Action;
pub use explore::{Explored, Found, Until, explore};
pub use fault::Fault;
pub(crate) use wire::{Said, Snapshot, Stage, Wire};
pub(crate) use writes::Writes;

use damselfly_core::properties::{Broken, Ghost, Property};
use damselfly_core::{Boot, Failover, Input, Node, Outputs, Position, Reply, Status};

use crate::model::CHECKED;
use crate::tiny::{FIRST_OFFSET, ME, Tiny};

/// The most nodes there can be.
pub const NODES_MAX: usize = 3;

/// What is explored.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Nodes. In the beginning one is a master and the others are to be its replicas.
    pub nodes: u8,
    /// So many writes may be where not all have them.
    pub writes: u8,
    /// What may happen, beside writes, streams and losses.
    pub may: May,
    /// So many commands, crashes, saves and divergences, and no more. None: without limit.
    pub commands: Option<u8>,
    /// A fault to be found.
    pub fault: Option<Fault>,
}

/// What may happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct May {
    /// `REPLICAOF` to any node, `NO ONE`, and backlogs that are given up.
    pub replicaof: bool,
    /// `FAILOVER`.
    pub failover: bool,
    /// The time of a hand-over is over, and `FAILOVER ABORT`. Without them it has to come to its end by itself.
    pub abort: bool,
    /// `FORCE`, which gives the promise of a hand-over up.
    pub force: bool,
    /// Processes die and come back.
    pub crash: bool,
    /// Snapshot files are written, and are there when a process comes back.
    pub save: bool,
    /// A write of the stream has another effect on a replica than on its master, which the replica notices.
    pub diverge: bool,
}

impl May {
    /// Everything.
    pub const ALL: Self = Self {
        replicaof: true,
        failover: true,
        abort: true,
        force: true,
        crash: true,
        save: true,
        diverge: true,
    };

    /// Hand-overs, and nothing else that an operator could do.
    pub const HAND_OVER: Self = Self {
        replicaof: false,
        failover: true,
        abort: true,
        force: false,
        crash: false,
        save: false,
        diverge: false,
    };
}

/// The properties that a step of several nodes can break.
pub fn checked() -> impl Iterator<Item = Property> {
    let all = Property::ALL.iter().copied();
    all.filter(|p| *p == Property::Prefix || CHECKED.contains(p))
}

/// All nodes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nodes {
    pub(crate) all: Vec<Member>,
    /// Commands and crashes so far, if they are counted.
    spent: u8,
}

/// A node, what it holds, and its connection to its master.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    pub node: Node<Tiny>,
    /// What its log has counted, in its order: the dataset, unless that is torn.
    pub data: Writes,
    /// The dataset is not what the log says: it was dropped, or only a part of it is there.
    pub torn: bool,
    /// The log is in use: writes are counted.
    pub active: bool,
    /// The end of the log.
    pub offset: u8,
    /// Whoever it asked to take over has done so.
    pub passed: bool,
    /// The hand-over under way has given the promise up.
    pub forced: bool,
    pub wire: Option<Wire>,
    pub file: Option<File>,
}

/// A snapshot file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct File {
    /// What it says of the history it was taken from, if it does.
    pub position: Option<Position<Tiny>>,
    pub data: Writes,
}

impl Member {
    /// A process that starts under the new replid `fresh`, with what `file` holds.
    fn start(follow: Option<u8>, fresh: u8, file: Option<File>) -> Self {
        let boot = Boot {
            me: ME,
            fresh,
            offset: FIRST_OFFSET,
            ticket: 0,
            generation: 0,
            follow,
            flush: false,
        };
        let position = file.and_then(|file| file.position);
        Self {
            node: Node::new(boot),
            data: file.map_or(Writes::default(), |file| file.data),
            torn: false,
            active: position.is_some(),
            offset: position.map_or(FIRST_OFFSET, |at| at.offset),
            passed: false,
            forced: false,
            wire: None,
            file: None,
        }
    }

    fn status(&self) -> Status<Tiny> {
        self.node.status()
    }

    /// Whether it would let a replica sync.
    fn serves(&self, fault: Option<Fault>) -> bool {
        let status = self.status();
        let sent_away = fault == Some(Fault::SendsAway) && status.failover != Failover::No;
        status.lets_in().is_ok() && !sent_away
    }
}

impl Nodes {
    /// The first node is a master, and all others are told at their start to follow it.
    pub fn new(size: &Size) -> Self {
        let mut nodes = Self {
            all: Vec::with_capacity(NODES_MAX),
            spent: 0,
        };
        let mut broken = Broken::default();
        for at in 0..size.nodes {
            let follow = (at > 0).then_some(0);
            nodes.all.push(Member::start(follow, at, None));
            nodes.tell(at, Input::Restored { position: None }, &mut broken);
        }
        debug_assert!(broken.is_empty());
        nodes
    }

    fn member(&self, at: u8) -> &Member {
        &self.all[usize::from(at)]
    }

    fn member_mut(&mut self, at: u8) -> &mut Member {
        &mut self.all[usize::from(at)]
    }

    fn tell(&mut self, at: u8, input: Input<Tiny>, broken: &mut Broken) -> Option<Reply> {
        let member = self.member_mut(at);
        // Its whole past, as far as the properties ask for it, is in the state of the node.
        let mut ghost = Ghost::about(&member.node);
        let mut out = Outputs::new();
        *broken = broken.and(ghost.step(&mut member.node, input, &mut out));
        let reply = out.reply();
        for deed in out.drain() {
            self.deed(at, deed, broken);
        }
        let member = self.member_mut(at);
        // What the master sends is kept, for replicas of ours and for a promotion.
        member.active |= member.status().link_up();
        reply
    }

    /// Whether somebody takes writes.
    pub fn takes_writes(&self) -> bool {
        self.all.iter().any(|m| m.status().takes_writes())
    }
}
