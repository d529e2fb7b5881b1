//! The algorithm of Dragonfly's pull request 5774 as it was proposed, to be compared with.
//!
//! Connect first, and then take effect in one critical section: that much it shares with ours. But
//! the order is that of *connecting*, with no tickets; `NO ONE` flips the role at once, before the
//! stream has stopped, and does not end the attempts that are connecting; the greeting has no
//! time-out; a full sync drops the data first; and what a replica resumes from is spent by one
//! attempt to sync, whatever becomes of it.

use damselfly_core::rename::{Names, Rename};
use damselfly_core::{
    Answer, Boot, Failover, Greeted, History, Input, LinkStatus, Node, Output, Outputs, Position,
    Protocol, Reply, Resume, Status,
};

use crate::algorithm::Algorithm;
use crate::tiny::Tiny;

/// A node of the pull request.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pr5774 {
    /// A node of ours that stays a master and makes the attempts: they are the same ones, only their
    /// order is not asked for.
    attempts: Node<Tiny>,
    restoring: bool,
    last: u8,
    replica: Option<Replica>,
    /// The stream that a NO ONE has told to stop, until it does.
    leaving: Option<u8>,
    history: History<Tiny>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Replica {
    target: u8,
    /// What to resume from, until it is spent.
    resume: Option<Resume<Tiny>>,
    generation: u8,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Waiting,
    Dialing,
    Asked,
    Promised(Position<Tiny>),
    Loading(Position<Tiny>),
    Streaming,
}

impl Pr5774 {
    fn requested(&mut self, target: u8, out: &mut Outputs<Tiny>) {
        if self.restoring {
            return out.push(Output::Reply(Reply::Loading));
        }
        self.attempts.step(Input::Requested { target }, out);
    }

    /// Connected: who comes last, wins.
    fn commit(&mut self, greeted: &Greeted<Tiny>, at: u8, out: &mut Outputs<Tiny>) {
        self.history.at.offset = at;
        let resume = match self.replica {
            Some(_) => self.stop(out),
            None => Some(self.history.resume()),
        };
        self.last += 1;
        out.push(Output::Adopt(self.last));
        self.replica = Some(Replica {
            target: greeted.target(),
            resume,
            generation: self.last,
            phase: Phase::Dialing,
        });
        self.ask(out);
        out.push(Output::Reply(Reply::Ok));
    }

    fn no_one(&mut self, fresh: u8, at: u8, out: &mut Outputs<Tiny>) {
        if self.restoring {
            return out.push(Output::Reply(Reply::Loading));
        }
        // Commands are numbered as they arrive; nothing is made of it.
        let force = false;
        self.attempts
            .step(Input::NoOne { force, fresh, at }, &mut Outputs::new());
        if let Some(replica) = self.replica {
            self.stop(out);
            self.leaving = (replica.phase == Phase::Streaming).then_some(replica.generation);
            self.replica = None;
            self.history.at.offset = at;
            self.history.shift(fresh);
            out.push(Output::DropReplicas);
        }
        out.push(Output::Reply(Reply::Ok));
    }

    /// Tells the link to stop, and takes what it left to resume from.
    fn stop(&mut self, out: &mut Outputs<Tiny>) -> Option<Resume<Tiny>> {
        let replica = self.replica?;
        if replica.phase != Phase::Waiting {
            out.push(Output::Stop(replica.generation));
        }
        match replica.phase {
            Phase::Streaming => Some(self.history.resume()),
            Phase::Loading(_) => {
                out.push(Output::Discard(replica.generation));
                None
            }
            _ => replica.resume,
        }
    }

    fn ask(&mut self, out: &mut Outputs<Tiny>) {
        if let Some(replica) = &mut self.replica {
            replica.phase = Phase::Asked;
            out.push(Output::Psync {
                generation: replica.generation,
                resume: replica.resume.take(),
                failover: None,
            });
        }
    }

    fn dial(&mut self, out: &mut Outputs<Tiny>) {
        if let Some(replica) = &mut self.replica {
            self.last += 1;
            replica.generation = self.last;
            replica.phase = Phase::Dialing;
            out.push(Output::Dial {
                generation: self.last,
                target: replica.target,
            });
        }
    }

    fn link(&mut self, input: &Input<Tiny>, out: &mut Outputs<Tiny>) {
        if let Input::Batch { generation, to } = *input
            && self.leaving == Some(generation)
        {
            self.history.at.offset = to;
            return out.push(Output::Apply { generation, to });
        }
        let Some(replica) = &mut self.replica else {
            return;
        };
        let held = replica.generation;
        match (input, replica.phase) {
            (Input::Timer { generation }, Phase::Waiting) if *generation == held => self.dial(out),
            (Input::Dialed { generation, .. }, Phase::Dialing) if *generation == held => {
                self.ask(out);
            }
            (Input::Answered { generation, answer }, Phase::Asked) if *generation == held => {
                match *answer {
                    Answer::Continue { replid } => {
                        replica.phase = Phase::Streaming;
                        if let Some(id) = replid.filter(|id| *id != self.history.at.replid) {
                            self.history.shift(id);
                            out.push(Output::DropReplicas);
                        }
                    }
                    Answer::FullResync(at) => replica.phase = Phase::Promised(at),
                }
            }
            (Input::Began { generation, .. }, Phase::Promised(at)) if *generation == held => {
                replica.phase = Phase::Loading(at);
                out.push(Output::DropAndLoad(held));
            }
            (Input::Loaded { generation }, Phase::Loading(at)) if *generation == held => {
                replica.phase = Phase::Streaming;
                self.history = History::new(at);
                out.push(Output::Swap(held, at));
            }
            (Input::Batch { generation, to }, Phase::Streaming) if *generation == held => {
                self.history.at.offset = *to;
                out.push(Output::Apply {
                    generation: held,
                    to: *to,
                });
            }
            (Input::Lost { generation }, phase)
                if *generation == held && phase != Phase::Waiting =>
            {
                match phase {
                    Phase::Streaming => replica.resume = Some(self.history.resume()),
                    Phase::Loading(_) => out.push(Output::Discard(held)),
                    _ => {}
                }
                replica.phase = Phase::Waiting;
                out.push(Output::Arm(held));
            }
            _ => {}
        }
    }
}

impl Protocol<Tiny> for Pr5774 {
    fn step(&mut self, input: Input<Tiny>, out: &mut Outputs<Tiny>) {
        match input {
            Input::Restored { position } => {
                self.attempts
                    .step(Input::Restored { position: None }, &mut Outputs::new());
                self.restoring = false;
                let fresh = self.history.at.replid;
                if let Some(position) = position {
                    self.history = History::new(position);
                }
                match &mut self.replica {
                    Some(replica) => {
                        replica.resume = Some(self.history.resume());
                        self.dial(out);
                    }
                    None if position.is_some() => self.history.shift(fresh),
                    None => {}
                }
            }
            Input::Requested { target } => self.requested(target, out),
            Input::Commit { ref greeted, at } => self.commit(greeted, at, out),
            Input::NoOne { fresh, at, .. } => self.no_one(fresh, at, out),
            Input::HistoryBegan { fresh, at } => {
                if self.replica.is_none() {
                    self.history = History::new(Position {
                        replid: fresh,
                        offset: at,
                    });
                }
            }
            Input::Configure { .. } => {}
            link => self.link(&link, out),
        }
    }

    fn attempt_failed(&mut self, _: u8, _: &mut Outputs<Tiny>) {}

    fn status(&self) -> Status<Tiny> {
        let phase = self.replica.map(|r| r.phase);
        Status {
            master: self.replica.map(|r| {
                let link = match r.phase {
                    Phase::Waiting => LinkStatus::Waiting,
                    Phase::Dialing => LinkStatus::Connecting,
                    Phase::Asked | Phase::Promised(_) | Phase::Loading(_) => LinkStatus::Syncing,
                    Phase::Streaming => LinkStatus::Streaming,
                };
                (r.target, link)
            }),
            loading: self.restoring || matches!(phase, Some(Phase::Loading(_))),
            // Whether the data was dropped is not remembered.
            whole: !self.restoring,
            diverged: false,
            history: self.history,
            live: self
                .replica
                .and_then(|r| (r.phase != Phase::Waiting).then_some(r.generation)),
            failover: Failover::No,
            unproved: false,
        }
    }
}

impl Rename<Tiny> for Pr5774 {
    fn rename(&self, names: &impl Names<Tiny>) -> Self {
        let replica = self.replica.map(|r| Replica {
            target: names.host(r.target),
            resume: r.resume.map(|resume| resume.rename(names)),
            generation: names.generation(r.generation),
            phase: match r.phase {
                Phase::Promised(at) => Phase::Promised(at.rename(names)),
                Phase::Loading(at) => Phase::Loading(at.rename(names)),
                phase => phase,
            },
        });
        Self {
            attempts: self.attempts.rename(names),
            restoring: self.restoring,
            last: names.last(self.last),
            replica,
            leaving: self.leaving.map(|g| names.generation(g)),
            history: self.history.rename(names),
        }
    }
}

impl Algorithm for Pr5774 {
    const NAME: &'static str = "pr5774";
    const NEW: &'static str = "Pr5774::boot";
    const DEADLINE: bool = false;
    const CANCELS: bool = false;

    fn boot(boot: Boot<Tiny>) -> Self {
        Self {
            attempts: Node::new(Boot {
                follow: None,
                ..boot
            }),
            restoring: true,
            last: boot.generation,
            replica: boot.follow.map(|target| Replica {
                target,
                resume: None,
                generation: boot.generation,
                phase: Phase::Waiting,
            }),
            leaving: None,
            history: History::new(Position {
                replid: boot.fresh,
                offset: boot.offset,
            }),
        }
    }
}
