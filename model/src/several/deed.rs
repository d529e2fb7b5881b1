//! What a node is told to do, done in the world; and what of a node the world asks.

use damselfly_core::history::{Backlog, may_continue};
use damselfly_core::properties::{Broken, Property};
use damselfly_core::{Heir, Input, Node, Output, Position, Resume, Role};

use super::{Fault, File, Member, Nodes, Stage, Wire, Writes};
use crate::tiny::Tiny;

impl Nodes {
    pub(super) fn deed(&mut self, at: u8, deed: Output<Tiny>, broken: &mut Broken) {
        let source = (self.member(at).wire.as_ref()).map(|wire| self.source(wire));
        let member = self.member_mut(at);
        let dial = |to| Wire {
            to,
            closed: None,
            stage: Stage::Dialing,
        };
        match deed {
            Output::Stop(_) => member.wire = None,
            Output::Adopt(_) => {
                if let Role::Replica { target, .. } = member.node.role() {
                    member.wire = Some(dial(target));
                }
            }
            Output::Dial { target, .. } => member.wire = Some(dial(target)),
            Output::Psync {
                resume, failover, ..
            } => {
                if let Some(wire) = &mut member.wire {
                    wire.stage = Stage::Asked(resume, failover);
                }
            }
            Output::Arm(generation) => {
                member.wire = None;
                self.tell(at, Input::Timer { generation }, broken);
            }
            Output::DropAndLoad(_) => member.torn = true,
            Output::Swap(_, position) => {
                let loading = match &mut member.wire {
                    Some(wire) => match wire.stage {
                        Stage::Loading(snapshot) => {
                            wire.stage = Stage::Streaming(snapshot.data.len());
                            Some(snapshot)
                        }
                        _ => None,
                    },
                    None => None,
                };
                self.close(at);
                match loading {
                    Some(snapshot) => {
                        let member = self.member_mut(at);
                        (member.data, member.torn) = (snapshot.data, snapshot.torn);
                        member.offset = position.offset;
                    }
                    None => broken.add(Property::AtomicSwap),
                }
            }
            Output::Apply { to, .. } => match (&mut member.wire, source) {
                (
                    Some(Wire {
                        stage: Stage::Streaming(come),
                        ..
                    }),
                    Some(source),
                ) => {
                    if let Some(id) = source.get(*come) {
                        member.data.push(id);
                        *come += 1;
                    }
                    member.offset = to;
                }
                // Of a stream that was told to stop.
                _ => broken.add(Property::NoSplitWrite),
            },
            Output::DropReplicas => self.close(at),
            Output::Empty(position) => {
                self.close(at);
                let member = self.member_mut(at);
                (member.data, member.torn) = (Writes::default(), false);
                member.offset = position.offset;
            }
            Output::Discard(_)
            | Output::Stage(_)
            | Output::Reply(_)
            | Output::Connect(_)
            | Output::CancelBefore(_)
            | Output::Watch { .. } => {}
        }
    }
}

impl Member {
    /// Whether it says `CONTINUE` to `resume`, with all of its log at hand.
    pub(super) fn says_continue(&self, resume: Resume<Tiny>, fault: Option<Fault>) -> bool {
        let mut history = self.node.history();
        if fault == Some(Fault::AnyHistory) {
            history.at.replid = resume.replid;
        }
        let next = self.offset + 1;
        let backlog = self.active.then_some(Backlog { first: 0, next });
        may_continue(&history, backlog, resume)
    }

    /// The snapshot file that it would write now; `claims` if it names the place that the data have diverged from.
    pub(super) fn saved(&self, claims: bool) -> Option<File> {
        let stands = self.active && (claims || !self.status().diverged);
        let position = stands.then(|| Position {
            replid: self.node.history().at.replid,
            offset: self.offset,
        });
        // What is in a file without one is compared with nothing.
        let data = position.map_or(Writes::default(), |_| self.data);
        Some(File { position, data })
    }

    /// What it knows of its heir, if it waits for one to take over.
    pub(super) fn heir(&self) -> Option<Heir> {
        match self.node.role() {
            Role::Replica { ceding, .. } => ceding.map(|ceding| ceding.heir),
            Role::Master { .. } => None,
        }
    }

    /// A node that takes whoever says that it is a master for its heir.
    pub(super) fn trusts(&mut self) {
        let mut parts = self.node.parts();
        if let Role::Replica { ceding, .. } = &mut parts.role {
            *ceding = ceding.filter(|ceding| ceding.heir != Heir::Unproved);
        }
        self.node = Node::from_parts(parts);
    }

    /// A node that is wrong about what its heir was asked.
    pub(super) fn believes(&mut self, wrong: Heir) {
        let mut parts = self.node.parts();
        if let Role::Replica {
            ceding: Some(ceding),
            ..
        } = &mut parts.role
        {
            ceding.heir = wrong;
        }
        self.node = Node::from_parts(parts);
    }
}
