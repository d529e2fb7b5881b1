//! The old algorithm, kept to be compared: change the state first, connect afterwards.
//!
//! What Dragonfly did before its pull request 5774, in the three phases of REPLICAOF.md ("The
//! problem"): under a lock, stop the old replication, set LOADING, make the new replica object and
//! flip the role; without the lock, connect and greet; under the lock again, on failure drop to a
//! stand-alone master, on success start replicating. Two commands interleave between the phases, and
//! nobody checks on the third whether the replica object is still the one of the first.
//!
//! It speaks the vocabulary of [`crate::io`], so the shell and the model can drive it in place of
//! [`crate::Node`], and shares no transition with it.

use alloc::vec::Vec;

use crate::{
    Answer, Attempt, Boot, Domain, Failover, Greeted, History, Input, LinkStatus, Output, Outputs,
    Position, Protocol, Reply, Resume, Status,
    rename::{Names, Rename},
};

/// The old algorithm of one node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node<D: Domain> {
    me: D::RunId,
    restoring: bool,
    /// The global LOADING state: a flag, set and cleared in different phases.
    loading: bool,
    whole: bool,
    issued: D::Ticket,
    last: D::Generation,
    /// The replica object that the server points at. `None`: master.
    current: Option<Replica<D>>,
    /// Links of replica objects that the server no longer points at and that nobody stopped.
    strays: Vec<(D::Generation, Phase<D>)>,
    history: History<D>,
}

/// A replica object: made before its master is known to exist.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Replica<D: Domain> {
    ticket: Option<D::Ticket>,
    target: D::Host,
    /// What the replica object before it had when it was stopped; one sync attempt spends it.
    resume: Option<Resume<D>>,
    link: Option<(D::Generation, Phase<D>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase<D: Domain> {
    Waiting,
    Dialing,
    Asked,
    Promised(Position<D>),
    Loading(Position<D>),
    Streaming,
}

impl<D: Domain> Node<D> {
    /// A node that reads its snapshot file. Its first input is [`Input::Restored`].
    pub fn new(boot: Boot<D>) -> Self {
        Self {
            me: boot.me,
            restoring: true,
            loading: false,
            whole: false,
            issued: boot.ticket,
            last: boot.generation,
            current: boot.follow.map(|target| Replica {
                ticket: None,
                target,
                resume: None,
                link: None,
            }),
            strays: Vec::new(),
            history: History::new(Position {
                replid: boot.fresh,
                offset: boot.offset,
            }),
        }
    }

    fn restored(&mut self, position: Option<Position<D>>, out: &mut Outputs<D>) {
        self.restoring = false;
        self.whole = true;
        if let Some(position) = position {
            let fresh = self.history.at.replid;
            self.history = History::new(position);
            if self.current.is_none() {
                self.history.shift(fresh);
            }
        }
        if let Some(target) = self.current.map(|r| r.target) {
            self.dial(target, out);
        }
    }

    /// Phase 1, under the lock.
    fn requested(&mut self, target: D::Host, out: &mut Outputs<D>) {
        if self.restoring {
            return out.push(Output::Reply(Reply::Loading));
        }
        self.issued = D::next_ticket(self.issued);
        let resume = self.stop_current(out);
        self.loading = true;
        self.current = Some(Replica {
            ticket: Some(self.issued),
            target,
            resume,
            link: None,
        });
        out.push(Output::Connect(Attempt::new(self.issued, target, self.me)));
    }

    /// Phase 3 after a success: start replicating, whoever is current by now.
    fn connected(&mut self, greeted: Greeted<D>, out: &mut Outputs<D>) {
        let generation = self.next_generation();
        out.push(Output::Adopt(generation));
        match &mut self.current {
            Some(replica) if replica.ticket == Some(greeted.ticket) => {
                replica.link = Some((generation, Phase::Asked));
                let resume = replica.resume.take();
                out.push(Output::Psync {
                    generation,
                    resume,
                    failover: None,
                });
            }
            _ => {
                self.strays.push((generation, Phase::Asked));
                out.push(Output::Psync {
                    generation,
                    resume: None,
                    failover: None,
                });
            }
        }
        out.push(Output::Reply(Reply::Ok));
    }

    fn no_one(&mut self, fresh: D::ReplId, out: &mut Outputs<D>) {
        if self.restoring {
            return out.push(Output::Reply(Reply::Loading));
        }
        // Commands are numbered as they arrive; nothing is made of it.
        self.issued = D::next_ticket(self.issued);
        if self.stop_current(out).is_some() || self.current.is_some() {
            self.current = None;
            self.loading = false;
            self.whole = true;
            self.history.shift(fresh);
            out.push(Output::DropReplicas);
        }
        out.push(Output::Reply(Reply::Ok));
    }

    fn stop_current(&mut self, out: &mut Outputs<D>) -> Option<Resume<D>> {
        let replica = self.current?;
        match replica.link {
            // A link that never streamed has nothing to resume from.
            Some((generation, phase)) => {
                out.push(Output::Stop(generation));
                matches!(phase, Phase::Streaming).then(|| self.history.resume())
            }
            None => None,
        }
    }

    fn next_generation(&mut self) -> D::Generation {
        self.last = D::next_generation(self.last);
        self.last
    }

    fn dial(&mut self, target: D::Host, out: &mut Outputs<D>) {
        let generation = self.next_generation();
        out.push(Output::Dial { generation, target });
        if let Some(replica) = &mut self.current {
            replica.link = Some((generation, Phase::Dialing));
        }
    }

    /// The phase of any link still running, current or not: there is no fence.
    fn phase(&mut self, generation: D::Generation) -> Option<&mut Phase<D>> {
        let current = self.current.as_mut().and_then(|r| r.link.as_mut());
        current
            .into_iter()
            .chain(self.strays.iter_mut())
            .find(|(g, _)| *g == generation)
            .map(|(_, phase)| phase)
    }

    fn link_event(&mut self, input: Input<D>, out: &mut Outputs<D>) -> Option<()> {
        match input {
            Input::Dialed { generation, .. } => {
                let phase = self.phase(generation)?;
                if *phase == Phase::Dialing {
                    *phase = Phase::Asked;
                    let resume = self.current.as_mut().and_then(|r| r.resume.take());
                    out.push(Output::Psync {
                        generation,
                        resume,
                        failover: None,
                    });
                }
            }
            Input::Answered { generation, answer } => {
                let phase = self.phase(generation)?;
                if *phase == Phase::Asked {
                    match answer {
                        Answer::Continue { replid } => {
                            *phase = Phase::Streaming;
                            self.loading = false;
                            if let Some(id) = replid.filter(|id| *id != self.history.at.replid) {
                                self.history.shift(id);
                                out.push(Output::DropReplicas);
                            }
                        }
                        Answer::FullResync(at) => *phase = Phase::Promised(at),
                    }
                }
            }
            Input::Began { generation, .. } => {
                let phase = self.phase(generation)?;
                if let Phase::Promised(at) = *phase {
                    *phase = Phase::Loading(at);
                    self.loading = true;
                    self.whole = false;
                    out.push(Output::DropAndLoad(generation));
                }
            }
            Input::Loaded { generation } => {
                let phase = self.phase(generation)?;
                if let Phase::Loading(at) = *phase {
                    *phase = Phase::Streaming;
                    self.loading = false;
                    self.whole = true;
                    self.history = History::new(at);
                    out.push(Output::Swap(generation, at));
                }
            }
            Input::Batch { generation, to } => {
                if *self.phase(generation)? != Phase::Streaming {
                    return None;
                }
                self.history.at.offset = to;
                out.push(Output::Apply { generation, to });
            }
            Input::Lost { generation } | Input::Diverged { generation } => {
                let phase = *self.phase(generation)?;
                if let Phase::Loading(_) = phase {
                    out.push(Output::Discard(generation));
                }
                self.strays.retain(|(g, _)| *g != generation);
                if let Some(replica) = &mut self.current
                    && let Some((g, current)) = &mut replica.link
                    && *g == generation
                {
                    // Only a stream leaves something to resume from.
                    let diverged = matches!(input, Input::Diverged { .. });
                    replica.resume = (matches!(phase, Phase::Streaming) && !diverged)
                        .then(|| self.history.resume());
                    *current = Phase::Waiting;
                    out.push(Output::Arm(generation));
                }
            }
            Input::Timer { generation } => {
                let target = self.current?.target;
                if *self.phase(generation)? == Phase::Waiting {
                    self.dial(target, out);
                }
            }
            _ => {}
        }
        Some(())
    }
}

impl<D: Domain> Protocol<D> for Node<D> {
    fn step(&mut self, input: Input<D>, out: &mut Outputs<D>) {
        match input {
            Input::Restored { position } => self.restored(position, out),
            Input::Requested { target } => self.requested(target, out),
            Input::Commit { greeted, at } => {
                if self.current.is_none() {
                    self.history.at.offset = at;
                }
                self.connected(greeted, out);
            }
            Input::NoOne { fresh, at, .. } => {
                self.history.at.offset = at;
                self.no_one(fresh, out);
            }
            Input::HistoryBegan { fresh, at } => {
                if self.current.is_none() {
                    self.history = History::new(Position {
                        replid: fresh,
                        offset: at,
                    });
                }
            }
            // It knows one way to sync fully: drop, then load.
            Input::Configure { .. } => {}
            // It knows no hand-over.
            Input::FailOver { .. } => out.push(Output::Reply(Reply::NoHandOver)),
            Input::Abort => out.push(Output::Reply(Reply::NoFailover)),
            Input::TakeOver { .. } => out.push(Output::Reply(Reply::NoHandOver)),
            other => {
                self.link_event(other, out);
            }
        }
    }

    /// Phase 3 after a failure: drop to a stand-alone master, whatever there was before.
    fn attempt_failed(&mut self, _: D::Ticket, out: &mut Outputs<D>) {
        self.stop_current(out);
        self.current = None;
        self.loading = false;
    }

    fn status(&self) -> Status<D> {
        let link = self.current.and_then(|r| r.link);
        Status {
            master: self.current.map(|replica| {
                let status = match replica.link.map(|(_, phase)| phase) {
                    None | Some(Phase::Dialing) => LinkStatus::Connecting,
                    Some(Phase::Waiting) => LinkStatus::Waiting,
                    Some(Phase::Asked | Phase::Promised(_) | Phase::Loading(_)) => {
                        LinkStatus::Syncing
                    }
                    Some(Phase::Streaming) => LinkStatus::Streaming,
                };
                (replica.target, status)
            }),
            loading: self.restoring || self.loading,
            whole: self.whole,
            // It forgets what to resume from, and knows no more of it.
            diverged: false,
            history: self.history,
            live: link.and_then(|(g, phase)| (phase != Phase::Waiting).then_some(g)),
            failover: Failover::No,
            unproved: false,
        }
    }
}

impl<D: Domain> Rename<D> for Node<D> {
    fn rename(&self, names: &impl Names<D>) -> Self {
        let link = |(generation, phase)| {
            let phase = match phase {
                Phase::Promised(at) => Phase::Promised(at.rename(names)),
                Phase::Loading(at) => Phase::Loading(at.rename(names)),
                phase @ (Phase::Waiting | Phase::Dialing | Phase::Asked | Phase::Streaming) => {
                    phase
                }
            };
            (names.generation(generation), phase)
        };
        Self {
            issued: names.issued(self.issued),
            last: names.last(self.last),
            current: self.current.map(|replica| Replica {
                ticket: replica.ticket.map(|ticket| names.ticket(ticket)),
                target: names.host(replica.target),
                resume: replica.resume.map(|resume| resume.rename(names)),
                link: replica.link.map(link),
            }),
            strays: self.strays.iter().copied().map(link).collect(),
            history: self.history.rename(names),
            ..*self
        }
    }
}
