//! What happens when it happens: inputs to the node, its deeds in the world, and the truth they are
//! held against.

use damselfly_core::history::{Backlog, may_continue};
use damselfly_core::properties::{Broken, Property};
use damselfly_core::rename::Rename;
use damselfly_core::{Answer, Input, Output, Outputs, Position, Refusal, Reply, Resume, Second};

use crate::action::{Action, Event, Failure, Named, Peer, Refused};
use crate::algorithm::Algorithm;
use crate::tiny::{ME, OTHER, Same, Tiny};
use crate::world::{Client, Mark, Phase, Setting, Stage, Wire, World};

/// Watches what passes between the world and the node, for stories.
pub trait Witness {
    /// The node is told `input`.
    fn input(&mut self, input: &Input<Tiny>);
    /// The attempt with this ticket ended in an error.
    fn failed(&mut self, ticket: u8);
    /// The node did this, and that much of it the account alone says is wrong.
    fn outputs(&mut self, outputs: &Outputs<Tiny>, broken: Broken);
}

impl Witness for () {
    fn input(&mut self, _: &Input<Tiny>) {}
    fn failed(&mut self, _: u8) {}
    fn outputs(&mut self, _: &Outputs<Tiny>, _: Broken) {}
}

impl<A: Algorithm> World<A> {
    /// Lets `action` happen, one of [`World::actions`].
    pub fn act(&mut self, setting: &Setting, action: Action, witness: &mut impl Witness) {
        self.broken = Broken::default();
        match action {
            Action::Restore { known } => {
                let fresh = self.data.at.replid;
                if known {
                    self.data.at.replid = self.fresh();
                }
                let position = known.then_some(self.data.at);
                self.data.held = true;
                if known && self.ghost.register().is_none() {
                    self.data.fork(fresh);
                }
                self.tell(Input::Restored { position }, None, witness);
            }
            Action::Request { client, host } => {
                self.tell(Input::Requested { target: host }, Some(client), witness);
            }
            Action::NoOne { client, force } => self.no_one(client, force, witness),
            Action::Sample { client } => {
                let master = self.node.status().master.map(|(host, _)| host);
                self.clients[usize::from(client)] = Client::Sampled(master);
            }
            Action::Answer { client } => self.clients[usize::from(client)] = Client::Idle,
            Action::Connected { client } => self.set_phase(client, Phase::Greeting),
            Action::FallsMute { client } => {
                self.set_phase(client, Phase::Mute);
                // Nothing that is sure to happen will ever end this.
                self.breaks(Property::EveryCommandAnswered);
            }
            Action::Greets { client } => self.greets(client, witness),
            Action::Fails { client, why } => self.fails(client, why, witness),
            Action::Link { generation, event } => self.link(generation, event, witness),
            Action::Write => self.data.at.offset += 1,
            Action::Configure { flush } => self.tell(Input::Configure { flush }, None, witness),
            // Whoever of ours stays (DEBUG CHANGE-REPL-ID sends nobody away) goes on under a name that nobody else writes
            // under any more, and resumes from us never again: no replica of ours, as far as names go.
            Action::NewHistory => {
                let fresh = self.fresh();
                let at = self.data.at.offset;
                self.data.at.replid = fresh;
                self.data.shared = None;
                self.sub = None;
                self.tell(Input::HistoryBegan { fresh, at }, None, witness);
            }
            Action::FailOver { .. }
            | Action::Abort { .. }
            | Action::CaughtUp { .. }
            | Action::Expired
            | Action::TakeOver(_) => self.hands_over(action, witness),
            Action::Attach => self.sub = Some(self.data.at.replid),
            Action::Detach => self.sub = None,
        }
        self.look();
        if setting.marks {
            self.remember(action);
        } else {
            for client in &mut self.clients {
                if let Client::Waiting { overtaken, .. } = client {
                    *overtaken = false;
                }
            }
        }
    }

    fn breaks(&mut self, property: Property) {
        self.broken.add(property);
    }

    pub(crate) fn unless(&mut self, holds: bool, property: Property) {
        if !holds {
            self.breaks(property);
        }
    }

    fn set_phase(&mut self, client: u8, to: Phase) {
        if let Client::Waiting { phase, .. } = &mut self.clients[usize::from(client)] {
            *phase = to;
        }
    }

    /// Steps the node and lets its deeds be done. A reply among them goes to `client`.
    pub(crate) fn tell(
        &mut self,
        input: Input<Tiny>,
        client: Option<u8>,
        witness: &mut impl Witness,
    ) {
        witness.input(&input);
        let mut out = Outputs::new();
        let broken = self.ghost.step(&mut self.node, input, &mut out);
        witness.outputs(&out, broken);
        self.broken = self.broken.and(broken);
        self.perform(&mut out, client);
    }

    fn perform(&mut self, out: &mut Outputs<Tiny>, client: Option<u8>) {
        for deed in out.drain() {
            match deed {
                Output::Reply(_) => {
                    if let Some(client) = client {
                        self.clients[usize::from(client)] = Client::Idle;
                    }
                }
                Output::Connect(attempt) => {
                    if let Some(client) = client {
                        self.clients[usize::from(client)] = Client::Waiting {
                            attempt,
                            phase: Phase::Connecting,
                            overtaken: false,
                        };
                    }
                }
                deed => self.deed(deed),
            }
        }
    }

    fn no_one(&mut self, client: u8, force: bool, witness: &mut impl Witness) {
        let input = Input::NoOne {
            force,
            fresh: self.fresh(),
            at: self.data.at.offset,
        };
        self.promotes(input, self.fresh(), Some(client), witness);
    }

    /// Tells the node `input`, which may make it master under the replid `fresh`.
    pub(crate) fn promotes(
        &mut self,
        input: Input<Tiny>,
        fresh: u8,
        client: Option<u8>,
        witness: &mut impl Witness,
    ) {
        let was_replica = self.ghost.register().is_some();
        witness.input(&input);
        let mut out = Outputs::new();
        let broken = self.ghost.step(&mut self.node, input, &mut out);
        witness.outputs(&out, broken);
        self.broken = self.broken.and(broken);
        if out.reply() == Some(Reply::Ok) {
            if was_replica {
                // From here on clients write: other entries than the old master's.
                self.data.fork(fresh);
            }
            let told = out
                .as_slice()
                .contains(&Output::CancelBefore(self.ghost.cancelled()));
            self.unless(told || !A::CANCELS, Property::EveryCommandAnswered);
        }
        self.perform(&mut out, client);
    }

    fn greets(&mut self, client: u8, witness: &mut impl Witness) {
        let slot = &mut self.clients[usize::from(client)];
        let Client::Waiting { attempt, .. } = std::mem::replace(slot, Client::Idle) else {
            return;
        };
        let (ticket, target) = (attempt.ticket(), attempt.target());
        // Whether the peer says who it is makes no difference.
        let nameless = attempt.rename(&Same).greeted(None).is_ok();
        self.unless(nameless, Property::NoSpuriousRefusal);
        let Ok(greeted) = attempt.greeted(Some(OTHER)) else {
            return self.breaks(Property::NoSpuriousRefusal);
        };
        // Whom the committed connection goes to, should it be taken over.
        self.wires.push(Wire {
            generation: u8::MAX,
            host: target,
            stage: Stage::Greeted,
        });
        let at = self.data.at.offset;
        let before = self.ghost.committed();
        self.tell(Input::Commit { greeted, at }, Some(client), witness);
        self.wires.retain(|w| w.generation != u8::MAX);
        if self.ghost.committed() == ticket && before != ticket {
            for client in &mut self.clients {
                if let Client::Waiting { overtaken, .. } = client {
                    *overtaken = true;
                }
            }
        }
    }

    fn fails(&mut self, client: u8, why: Failure, witness: &mut impl Witness) {
        let slot = &mut self.clients[usize::from(client)];
        let Client::Waiting {
            attempt, overtaken, ..
        } = std::mem::replace(slot, Client::Idle)
        else {
            return;
        };
        let (ticket, target) = (attempt.ticket(), attempt.target());
        let against = self.ghost.register().is_some_and(|held| held != target);
        if why == Failure::Myself {
            let refused = attempt.greeted(Some(ME)).is_err();
            self.unless(refused, Property::FailedAttemptIsNoop);
        } else {
            attempt.failed();
        }
        witness.failed(ticket);
        let mut out = Outputs::new();
        let broken = self.ghost.attempt_failed(&mut self.node, ticket, &mut out);
        witness.outputs(&out, broken);
        self.broken = self.broken.and(broken);
        self.perform(&mut out, None);
        if overtaken && against && self.broken.has(Property::LinearizableRole) {
            self.mark(Mark::Interleaved);
        }
    }

    fn link(&mut self, generation: u8, event: Event, witness: &mut impl Witness) {
        let Some(wire) = self.wire(generation).copied() else {
            return;
        };
        let stopped = wire.stage == Stage::Stopped;
        let mut stage = wire.stage;
        let input = match event {
            Event::Dialed(peer) => Input::Dialed {
                generation,
                peer: match peer {
                    Peer::Other => Some(OTHER),
                    Peer::Unknown => None,
                    Peer::Myself => Some(ME),
                },
            },
            Event::Continue(named) => {
                return self.continues(wire, named, witness);
            }
            Event::Full { other, at } => {
                let snapshot = self.promised(other, at);
                stage = Stage::Promised(snapshot);
                Input::Answered {
                    generation,
                    answer: Answer::FullResync(snapshot),
                }
            }
            Event::Began { empty } => {
                if let Stage::Promised(at) = stage {
                    stage = Stage::Loading(at);
                }
                Input::Began { generation, empty }
            }
            Event::Loaded => {
                if let Stage::Loading(at) = stage {
                    stage = Stage::Streaming(at);
                }
                Input::Loaded { generation }
            }
            Event::Batch(entries) => {
                let from = match stage {
                    Stage::Streaming(at) => at,
                    _ => self.data.at,
                };
                let to = Position {
                    offset: from.offset + entries,
                    ..from
                };
                if !stopped {
                    stage = Stage::Streaming(to);
                    // Where this stream is must be where the data is.
                    let fits = self.data.held && self.data.at == from;
                    self.unless(fits, Property::NoDoubleApply);
                }
                Input::Batch {
                    generation,
                    to: to.offset,
                }
            }
            Event::Rejected(refused) => {
                stage = Stage::Greeted;
                let Position { replid, offset } = self.data.at;
                let second = |until| Refusal::Master {
                    second: Some(Second { replid, until }),
                };
                let said = match refused {
                    Refused::Heir => second(offset + 1),
                    Refused::Older => second(offset),
                    Refused::Master => Refusal::Master { second: None },
                    Refused::Other => Refusal::Other,
                };
                Input::Rejected { generation, said }
            }
            Event::Diverged => {
                if !stopped {
                    // There is no other dataset like it.
                    self.data.at.replid = self.fresh();
                    self.data.shared = None;
                }
                Input::Diverged { generation }
            }
            Event::Lost => Input::Lost { generation },
            Event::Timer => Input::Timer { generation },
        };
        let gone = matches!(event, Event::Lost | Event::Timer) && !stopped;
        if gone {
            self.wires.retain(|w| w.generation != generation);
        } else if let Some(wire) = self.wire(generation) {
            wire.stage = if stopped { Stage::Stopped } else { stage };
        }
        self.tell(input, None, witness);
        if let (Event::Batch(_), Stage::Streaming(to)) = (event, stage)
            && !stopped
        {
            // It was at the gate, and nothing had stopped it: skipped is lost.
            self.unless(self.data.at == to, Property::NoDoubleApply);
        }
        if matches!(event, Event::Lost) && matches!(stage, Stage::Loading(_)) {
            self.mark(Mark::SyncDied);
        }
    }

    /// `+CONTINUE`: the master goes on with what was asked for. That it was asked for the truth is
    /// the node's part.
    fn continues(&mut self, wire: Wire, named: Named, witness: &mut impl Witness) {
        let generation = wire.generation;
        let asked = match wire.stage {
            Stage::Asked(asked) => asked,
            _ => None,
        };
        let replid = match named {
            Named::Nothing => None,
            Named::Same => asked.map(|r| r.replid),
            Named::Another => Some(self.fresh()),
        };
        let from = asked.map(|Resume { replid, from }| Position {
            replid,
            offset: from - 1,
        });
        if let (Some(w), Some(from)) = (self.wire(generation), from) {
            w.stage = Stage::Streaming(Position {
                replid: replid.unwrap_or(from.replid),
                offset: from.offset,
            });
        }
        let honest = from.is_some_and(|from| self.data.held && self.data.at == from);
        if let (Some(replid), Some(from)) = (replid, from)
            && honest
            && replid != from.replid
        {
            // One dataset, two names: so far both histories are the same.
            self.data.fork(replid);
        }
        let answer = Answer::Continue { replid };
        self.tell(Input::Answered { generation, answer }, None, witness);
        let accepted = wire.stage != Stage::Stopped
            && self.node.status().link_up()
            && self.node.status().live == Some(generation);
        self.unless(honest || !accepted, Property::NoFalseContinue);
        if accepted && self.marked(Mark::Refused) {
            self.mark(Mark::Needless);
        }
    }

    /// What is published, against the truth.
    fn look(&mut self) {
        let status = self.node.status();
        if let Some(generation) = self.staging {
            let loads = self
                .wire(generation)
                .is_some_and(|w| matches!(w.stage, Stage::Loading(_)));
            self.unless(loads, Property::AtomicSwap);
        }
        // A replica of ours counts our stream under the id it was told.
        let known = self.sub.is_none_or(|id| id == status.history.at.replid);
        self.unless(known, Property::OffsetDescribesDataset);
        if !status.whole {
            return;
        }
        if !self.data.held {
            self.breaks(match status.master {
                Some(_) => Property::OffsetDescribesDataset,
                None => Property::NoPartialPromotion,
            });
            return;
        }
        if status.diverged {
            // Nobody is told of it as of a place in a history.
            return self.unless(status.lets_in().is_err(), Property::NoFalseContinue);
        }
        let Position { replid, offset } = status.history.at;
        let right = match status.master {
            Some(_) => offset == self.data.at.offset,
            // A master's own log counts on from there.
            None => offset <= self.data.at.offset,
        };
        self.unless(
            replid == self.data.at.replid && right,
            Property::OffsetDescribesDataset,
        );
        // Whoever we would let continue holds the beginning of what we hold.
        let backlog = Some(Backlog {
            first: 0,
            next: self.data.at.offset + 1,
        });
        let until = status.history.second.map(|s| (s.replid, s.until));
        for replid in [Some(replid), until.map(|u| u.0)].into_iter().flatten() {
            for from in [
                until.map_or(1, |u| u.1),
                offset + 1,
                self.data.at.offset + 1,
            ] {
                for from in [from.max(2) - 1, from.max(1), from + 1] {
                    let wanted = Resume { replid, from };
                    let offset = from - 1;
                    let holds = Position { replid, offset };
                    let given = may_continue(&status.history, backlog, wanted);
                    let right = self.data.contains(holds);
                    self.unless(!given || right, Property::NoFalseContinue);
                }
            }
        }
    }
}
