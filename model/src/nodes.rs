//! Two and three full nodes that hand over to each other: master, replicas, and the wires between them
//! all real, every one of them the shipped `Node`.
//!
//! Clients write to whoever takes writes, and each write is acknowledged at once. Every connection may
//! be cut at any moment, before and after what was sent on it has arrived; every hand-over may be
//! aborted, run out of time, or be forced. What a peer answers to `PSYNC` is what its own node says, as
//! the server's own side does it. There are two things to be seen that one node cannot show: that no two
//! nodes take writes (`no_split_write`), and that who takes writes has all that were acknowledged
//! (`takeover_keeps_writes`), unless somebody gave that up by `FORCE`.

mod action;
mod explore;
mod rename;

pub use action::Action;
pub use explore::{Explored, Found, explore};

use damselfly_core::history::{Backlog, may_continue};
use damselfly_core::properties::{Broken, Ghost, Property};
use damselfly_core::{
    Aim, Answer, Boot, Ceding, Failover, Input, Node, Output, Outputs, Position, Reply, Resume,
    Role,
};

use crate::tiny::{FIRST_OFFSET, Tiny};
use action::What;

/// What is explored.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Nodes. The first one is master in the beginning, the others stream from it.
    pub nodes: u8,
    /// Writes by clients.
    pub writes: u8,
    /// `FORCE` may be given, which gives the promise up; else it never is.
    pub force: bool,
    /// A fault to be found.
    pub fault: Option<Fault>,
}

/// Ways to do it wrong, each of which the search has to find.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Fault {
    /// A connection that is lost after the heir was asked is taken for its refusal. So does Redis.
    LossIsRefusal,
    /// Any refusal makes the old master a master again, also when an earlier answer was lost.
    AnyRefusal,
    /// `FAILOVER ABORT` makes it a master again whatever the heir was asked. So does Redis.
    AbortAlways,
    /// Writes are executed until the heir has answered.
    WritesGoOn,
    /// A replica is taken for one that has everything, whatever it confirmed.
    NobodyAsks,
}

/// All nodes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nodes {
    pub(crate) all: Vec<Member>,
    /// Writes that were acknowledged: 1 up to this.
    acked: u8,
    /// Somebody gave up the promise.
    forced: bool,
}

/// A node, what it holds, and its connection to its master.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    pub node: Node<Tiny>,
    pub ghost: Ghost<Tiny>,
    /// The writes in its dataset, in their order.
    pub data: Vec<u8>,
    pub wire: Option<Wire>,
}

/// A connection, from the side that made it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Wire {
    pub generation: u8,
    pub to: u8,
    /// The other side has closed it: what it said before still arrives, and nothing else.
    pub closed: bool,
    pub stage: Stage,
}

/// How far it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// None is there any more; the timer to make another runs.
    Timer,
    Dialing,
    /// `PSYNC` is on its way there.
    Asked(Resume<Tiny>, bool),
    /// What was said to it is on its way here.
    Answered(Said, bool),
    Promised(Vec<u8>),
    Loading(Vec<u8>),
    /// The stream; what was confirmed there.
    Streaming(u8),
}

/// An answer to `PSYNC`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Said {
    Continue(u8),
    Full(Position<Tiny>, Vec<u8>),
    Refused { master: bool },
}

impl Member {
    fn offset(&self) -> u8 {
        FIRST_OFFSET + self.data.len() as u8
    }
}

impl Nodes {
    /// The first node is master, and all others stream from it.
    pub fn new(size: &Size) -> Self {
        let member = |me: u8| {
            let boot = Boot {
                me,
                fresh: me,
                offset: FIRST_OFFSET,
                ticket: 0,
                generation: 0,
                follow: (me > 0).then_some(0),
                flush: false,
            };
            Member {
                node: Node::new(boot),
                ghost: Ghost::new(&boot),
                data: Vec::new(),
                wire: None,
            }
        };
        let mut nodes = Self {
            all: (0..size.nodes).map(member).collect(),
            acked: 0,
            forced: false,
        };
        let mut broken = Broken::default();
        for at in 0..size.nodes {
            nodes.tell(at, Input::Restored { position: None }, &mut broken);
        }
        let heard = What::Heard { whole: true };
        for at in 1..size.nodes {
            for what in [
                What::Dialed,
                heard,
                What::Hears,
                What::Began,
                What::Loaded,
                What::Confirms,
            ] {
                broken = broken.and(nodes.act(size, Action { at, what }));
            }
        }
        debug_assert!(broken.is_empty());
        nodes
    }

    /// Lets `action` happen; what that broke.
    pub fn act(&mut self, size: &Size, action: Action) -> Broken {
        let Action { at, what } = action;
        let mut broken = Broken::default();
        let member = &mut self.all[usize::from(at)];
        let generation = member.wire.as_ref().map_or(0, |w| w.generation);
        let (ticket, offset) = (member.node.issued(), member.offset());
        match what {
            What::Write => {
                self.acked += 1;
                member.data.push(self.acked);
            }
            What::FailOver(aim) => self.tell(at, Input::FailOver { aim }, &mut broken),
            What::CaughtUp(target) => {
                let at_offset = offset;
                let input = Input::CaughtUp {
                    ticket,
                    target,
                    at: at_offset,
                };
                self.tell(at, input, &mut broken);
            }
            What::Expired => {
                let forced = matches!(
                    member.node.role(),
                    Role::Master {
                        handing: Some(Aim::Force(_))
                    }
                );
                self.forced |= forced;
                let input = Input::Expired { ticket, at: offset };
                self.tell(at, input, &mut broken);
            }
            What::Abort => {
                if size.fault == Some(Fault::AbortAlways) {
                    member.knows(Ceding::Unasked);
                }
                self.tell(at, Input::Abort, &mut broken);
            }
            What::GiveUp => {
                self.forced = true;
                let fresh = self.fresh();
                let input = Input::NoOne {
                    force: true,
                    fresh,
                    at: offset,
                };
                self.tell(at, input, &mut broken);
            }
            What::Timer => self.tell(at, Input::Timer { generation }, &mut broken),
            What::Dialed => {
                let peer = member.wire.as_ref().map(|w| w.to);
                self.tell(at, Input::Dialed { generation, peer }, &mut broken);
            }
            What::Heard { whole } => self.hears(at, whole, &mut broken),
            What::Hears => self.answered(size, at, &mut broken),
            What::Began => {
                let empty = member.data.is_empty();
                if let Some(wire) = &mut member.wire
                    && let Stage::Promised(snapshot) = &mut wire.stage
                {
                    wire.stage = Stage::Loading(std::mem::take(snapshot));
                }
                self.tell(at, Input::Began { generation, empty }, &mut broken);
            }
            What::Loaded => self.tell(at, Input::Loaded { generation }, &mut broken),
            What::Batch => {
                let to = offset + 1;
                self.tell(at, Input::Batch { generation, to }, &mut broken);
                self.applied(at, to, &mut broken);
            }
            What::Confirms => {
                if let Some(wire) = &mut member.wire {
                    wire.stage = Stage::Streaming(offset);
                }
            }
            What::Cut => {
                let asked = matches!(
                    member.node.role(),
                    Role::Replica {
                        ceding: Some(Ceding::Asked),
                        ..
                    }
                );
                let input = match asked && size.fault == Some(Fault::LossIsRefusal) {
                    true => Input::Rejected {
                        generation,
                        master: false,
                    },
                    false => Input::Lost { generation },
                };
                self.tell(at, input, &mut broken);
            }
        }
        self.look(&mut broken);
        broken
    }

    /// The peer of `at` hears its PSYNC, and answers.
    fn hears(&mut self, at: u8, whole: bool, broken: &mut Broken) {
        let Some(Wire {
            to,
            stage: Stage::Asked(resume, failover),
            ..
        }) = self.all[usize::from(at)].wire
        else {
            return;
        };
        let mut refusal = None;
        if failover {
            let input = Input::TakeOver {
                replid: resume.replid,
                from: None,
                fresh: self.fresh(),
                at: self.all[usize::from(to)].offset(),
            };
            let reply = self.ask(to, input, broken);
            refusal = (reply != Some(Reply::Ok)).then_some(reply == Some(Reply::NotReplica));
        }
        let peer = &self.all[usize::from(to)];
        let status = peer.node.status();
        let syncs = status.failover == Failover::No
            && (status.master.is_none() || status.link_up())
            && !status.refuses_reads();
        let history = status.history;
        let next = peer.offset() + 1;
        let backlog = whole.then_some(Backlog { first: 0, next });
        let said = match refusal {
            Some(master) => Said::Refused { master },
            None if !syncs => Said::Refused { master: false },
            None if may_continue(&history, backlog, resume) => Said::Continue(history.at.replid),
            None => {
                let position = Position {
                    replid: history.at.replid,
                    offset: peer.offset(),
                };
                Said::Full(position, peer.data.clone())
            }
        };
        if let Some(wire) = &mut self.all[usize::from(at)].wire {
            wire.stage = Stage::Answered(said, failover);
        }
    }

    /// The answer to its PSYNC arrives at `at`.
    fn answered(&mut self, size: &Size, at: u8, broken: &mut Broken) {
        let member = &mut self.all[usize::from(at)];
        let Some(wire) = &mut member.wire else { return };
        let generation = wire.generation;
        let Stage::Answered(said, failover) = std::mem::replace(&mut wire.stage, Stage::Dialing)
        else {
            return;
        };
        let input = match said {
            Said::Continue(replid) => {
                wire.stage = Stage::Streaming(0);
                let replid = Some(replid);
                let answer = Answer::Continue { replid };
                Input::Answered { generation, answer }
            }
            Said::Full(position, snapshot) => {
                wire.stage = Stage::Promised(snapshot);
                let answer = Answer::FullResync(position);
                Input::Answered { generation, answer }
            }
            Said::Refused { master } if failover => {
                if size.fault == Some(Fault::AnyRefusal) {
                    member.knows(Ceding::Asked);
                }
                Input::Rejected { generation, master }
            }
            Said::Refused { .. } => Input::Lost { generation },
        };
        self.tell(at, input, broken);
    }

    /// A batch of `at` that nothing had stopped: it holds what its master holds.
    fn applied(&mut self, at: u8, to: u8, broken: &mut Broken) {
        let member = &self.all[usize::from(at)];
        let peer = member.wire.as_ref().map(|w| &self.all[usize::from(w.to)]);
        let prefix = peer.is_some_and(|p| p.data.starts_with(&member.data));
        if !prefix {
            broken.add(Property::Prefix);
        }
        if member.offset() != to {
            broken.add(Property::NoDoubleApply);
        }
    }

    fn tell(&mut self, at: u8, input: Input<Tiny>, broken: &mut Broken) {
        self.ask(at, input, broken);
    }

    /// Steps the node and does its deeds; its reply.
    fn ask(&mut self, at: u8, input: Input<Tiny>, broken: &mut Broken) -> Option<Reply> {
        let member = &mut self.all[usize::from(at)];
        let mut out = Outputs::new();
        let wrong = member.ghost.step(&mut member.node, input, &mut out);
        *broken = broken.and(wrong);
        let reply = out.reply();
        for deed in out.drain() {
            self.deed(at, deed);
        }
        reply
    }

    fn deed(&mut self, at: u8, deed: Output<Tiny>) {
        let next = match &self.all[usize::from(at)].wire {
            Some(wire) => self.all[usize::from(wire.to)].data.clone(),
            None => Vec::new(),
        };
        let member = &mut self.all[usize::from(at)];
        match deed {
            Output::Stop(_) => member.wire = None,
            Output::Dial { generation, target } => {
                member.wire = Some(Wire {
                    generation,
                    to: target,
                    closed: false,
                    stage: Stage::Dialing,
                });
            }
            Output::Psync {
                resume, failover, ..
            } => {
                // Nodes here have a whole dataset whenever they ask but in the beginning, which is none of theirs.
                let nothing = Resume {
                    replid: u8::MAX >> 1,
                    from: 0,
                };
                if let Some(wire) = &mut member.wire {
                    wire.stage = Stage::Asked(resume.unwrap_or(nothing), failover);
                }
            }
            Output::Arm(generation) => {
                if let Some(wire) = &mut member.wire {
                    (wire.stage, wire.generation) = (Stage::Timer, generation);
                }
            }
            Output::DropAndLoad(_) => member.data.clear(),
            Output::Swap(..) => {
                if let Some(wire) = &mut member.wire
                    && let Stage::Loading(snapshot) = &mut wire.stage
                {
                    member.data = std::mem::take(snapshot);
                    wire.stage = Stage::Streaming(0);
                }
                self.drop_replicas(at);
            }
            Output::Apply { .. } => {
                if let Some(entry) = next.get(member.data.len()) {
                    member.data.push(*entry);
                }
            }
            Output::DropReplicas => self.drop_replicas(at),
            Output::Empty(_) => member.data.clear(),
            Output::Adopt(_)
            | Output::Stage(_)
            | Output::Discard(_)
            | Output::Reply(_)
            | Output::Connect(_)
            | Output::CancelBefore(_)
            | Output::Watch { .. } => {}
        }
    }

    /// Those who stream from `at`, or are about to, are sent away.
    fn drop_replicas(&mut self, at: u8) {
        for member in &mut self.all {
            if let Some(wire) = &mut member.wire
                && wire.to == at
                && !matches!(wire.stage, Stage::Timer | Stage::Dialing | Stage::Asked(..))
            {
                wire.closed = true;
            }
        }
    }

    /// All nodes together, against what clients were promised.
    fn look(&self, broken: &mut Broken) {
        for member in &self.all {
            if let Some(wire) = &member.wire
                && !wire.closed
                && member.node.status().link_up()
                && !self.all[usize::from(wire.to)]
                    .data
                    .starts_with(&member.data)
            {
                broken.add(Property::Prefix);
            }
        }
        let writable = |m: &&Member| m.node.status().takes_writes();
        if self.forced {
            return;
        }
        if self.all.iter().filter(writable).count() > 1 {
            broken.add(Property::NoSplitWrite);
        }
        for member in self.all.iter().filter(writable) {
            if !member.data.iter().copied().eq(1..=self.acked) {
                broken.add(Property::TakeoverKeepsWrites);
            }
        }
    }

    /// Whether somebody takes writes.
    pub fn takes_writes(&self) -> bool {
        self.all.iter().any(|m| m.node.status().takes_writes())
    }
}

impl Member {
    /// A node that is wrong about what its heir was asked.
    fn knows(&mut self, wrong: Ceding) {
        let mut parts = self.node.parts();
        if let Role::Replica {
            ceding: Some(ceding),
            ..
        } = &mut parts.role
        {
            *ceding = wrong;
        }
        self.node = Node::from_parts(parts);
        // What is to be found is what it leads to, not that it is so.
        self.ghost = Ghost::about(&self.node);
    }
}
