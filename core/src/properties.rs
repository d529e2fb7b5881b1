//! The named properties of REPLICAOF.md, once, as executable text.
//!
//! A [`Ghost`] watches an algorithm from outside: it is fed the inputs, the outputs and the published
//! status, keeps its own account of what has happened (the register, the live connection, the history
//! of the dataset), and says which properties a step broke. It never looks into the algorithm's
//! state, so ours and those it is compared with are judged by the same words. Model, replay and the
//! debug build of the server all run this text.
//!
//! Properties that speak of several steps of the world around a node (`every_command_answered`
//! beyond one step, `link_converges`) or of several nodes (`prefix` beyond that a link which is said to be up
//! streams, and of `takeover_keeps_writes` that the heir has what was confirmed) are completed by the model,
//! which owns that world.

mod about;
mod dataset;
mod handover;
mod names;
mod rename;
mod replicas;

pub use self::names::{Broken, Property};

use self::replicas::told;

use crate::{
    Aim, Ceding, Domain, History, Input, Output, Outputs, Position, Protocol, Reply, Status,
};

/// How far the live connection is, by the master's own words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Wire<D: Domain> {
    /// Not greeted, or nothing asked.
    Quiet,
    /// `PSYNC` asked for; whether with something to resume from.
    Asked { resumes: bool },
    /// It answered CONTINUE to one who had nothing to continue from, or it is this very process.
    Nonsense,
    /// It was to take over, and answered with a full sync, which may lack what is here.
    Unproved,
    /// A snapshot at this position is to come.
    Promised(Position<D>),
    /// Its first byte has come. `may_drop`: flush mode, or there was nothing to serve.
    Began { at: Position<D>, may_drop: bool },
    /// Its last byte has come, verified.
    Complete(Position<D>),
    /// The stream.
    Stream,
}

/// The account that the properties keep of one node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ghost<D: Domain> {
    /// The run id of the process, to know itself by.
    me: D::RunId,
    /// The register of the sequential specification.
    register: Option<D::Host>,
    /// The last attempt whose mere arrival changed something. Ours never has one.
    ahead: Option<D::Ticket>,
    issued: D::Ticket,
    committed: D::Ticket,
    cancelled: D::Ticket,
    last: D::Generation,
    live: Option<D::Generation>,
    wire: Wire<D>,
    /// The link whose snapshot made the node LOADING.
    loader: Option<D::Generation>,
    restoring: bool,
    /// There is a whole dataset.
    whole: bool,
    /// It is at no point of the history any more.
    diverged: bool,
    /// The history of that dataset.
    history: History<D>,
    flush: bool,
    /// How far a hand-over is.
    passing: Passing<D>,
}

/// How far a hand-over is, by what the node was told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Passing<D: Domain> {
    /// None is under way.
    No,
    /// A master waits for its heir.
    Waiting(Aim<D>),
    /// It is its heir's replica.
    Ceding(Ceding),
}

/// What a command, a batch or a hand-over asks for, kept while the step runs.
#[derive(Clone, Copy)]
enum Asked<D: Domain> {
    Nothing,
    Batch {
        to: D::Offset,
    },
    /// To become the replica of an heir.
    Heir,
    Attempt {
        target: D::Host,
    },
    Commit {
        ticket: D::Ticket,
        target: D::Host,
        at: D::Offset,
    },
    NoOne {
        force: bool,
        fresh: D::ReplId,
        at: D::Offset,
    },
    FailOver {
        aim: Aim<D>,
    },
    Abort,
    TakeOver {
        replid: D::ReplId,
        from: Option<D::Offset>,
        fresh: D::ReplId,
        at: D::Offset,
    },
}

impl<D: Domain> Ghost<D> {
    /// The account of a node that is about to take [`Input::Restored`].
    pub fn new(boot: &crate::Boot<D>) -> Self {
        Self {
            me: boot.me,
            register: boot.follow,
            ahead: None,
            issued: boot.ticket,
            committed: boot.ticket,
            cancelled: boot.ticket,
            last: boot.generation,
            live: None,
            wire: Wire::Quiet,
            loader: None,
            restoring: true,
            whole: false,
            diverged: false,
            history: History::new(Position {
                replid: boot.fresh,
                offset: boot.offset,
            }),
            flush: boot.flush,
            passing: Passing::No,
        }
    }

    /// The value of the role register: what a read of the role must say.
    pub fn register(&self) -> Option<D::Host> {
        self.register
    }

    /// Whether the snapshot file at start-up is in.
    pub fn started(&self) -> bool {
        !self.restoring
    }

    /// Whether the next full sync drops the old data first.
    pub fn flush(&self) -> bool {
        self.flush
    }

    /// The ticket of the last `NO ONE`: attempts before it were told to end.
    pub fn cancelled(&self) -> D::Ticket {
        self.cancelled
    }

    /// The last ticket that committed.
    pub fn committed(&self) -> D::Ticket {
        self.committed
    }

    /// The last ticket given.
    pub fn issued(&self) -> D::Ticket {
        self.issued
    }

    /// The last generation given.
    pub fn last_generation(&self) -> D::Generation {
        self.last
    }

    /// The live connection.
    pub fn live(&self) -> Option<D::Generation> {
        self.live
    }

    /// Steps `node` and says what the step broke. `out` must be empty.
    pub fn step<P: Protocol<D>>(
        &mut self,
        node: &mut P,
        input: Input<D>,
        out: &mut Outputs<D>,
    ) -> Broken {
        let before = node.status();
        let asked = self.hear(&input);
        node.step(input, out);
        self.judge(asked, before, out.as_slice(), node.status())
    }

    /// Tells `node` that an attempt failed before it was greeted, and says what that broke.
    pub fn attempt_failed<P: Protocol<D>>(
        &mut self,
        node: &mut P,
        ticket: D::Ticket,
        out: &mut Outputs<D>,
    ) -> Broken {
        let before = node.status();
        node.attempt_failed(ticket, out);
        let mut broken = self.judge(Asked::Nothing, before, out.as_slice(), node.status());
        broken.unless(
            before == node.status() && out.as_slice().is_empty() && self.ahead != Some(ticket),
            Property::FailedAttemptIsNoop,
        );
        if self.ahead == Some(ticket) {
            self.ahead = None;
        }
        broken.unless(
            self.ahead.is_some() || self.names(node.status()),
            Property::LinearizableRole,
        );
        broken
    }

    fn hear(&mut self, input: &Input<D>) -> Asked<D> {
        match *input {
            Input::Restored { position } => {
                self.restoring = false;
                self.whole = true;
                if let Some(position) = position {
                    let fresh = self.history.at.replid;
                    self.history = History::new(position);
                    if self.register.is_none() {
                        self.history.shift(fresh);
                    }
                }
            }
            Input::Requested { target } => return Asked::Attempt { target },
            Input::Commit { ref greeted, at } => {
                return Asked::Commit {
                    ticket: greeted.ticket(),
                    target: greeted.target(),
                    at,
                };
            }
            Input::NoOne { force, fresh, at } => return Asked::NoOne { force, fresh, at },
            Input::Configure { flush } => self.flush = flush,
            Input::HistoryBegan { fresh, at } => {
                if self.register.is_none() && self.whole {
                    self.history = History::new(Position {
                        replid: fresh,
                        offset: at,
                    });
                }
            }
            Input::Batch { generation, to } if self.live == Some(generation) => {
                if self.wire == Wire::Stream {
                    return Asked::Batch { to };
                }
            }
            Input::Dialed { generation, peer } if self.live == Some(generation) => {
                if self.wire == Wire::Quiet && peer == Some(self.me) {
                    self.wire = Wire::Nonsense;
                }
            }
            Input::Timer { .. } => {}
            Input::FailOver { aim } => return Asked::FailOver { aim },
            Input::Abort => return Asked::Abort,
            Input::TakeOver {
                replid,
                from,
                fresh,
                at,
            } => {
                return Asked::TakeOver {
                    replid,
                    from,
                    fresh,
                    at,
                };
            }
            Input::CaughtUp { ticket, target, at } => {
                if self.caught_up(ticket, target, at) {
                    return Asked::Heir;
                }
            }
            Input::Expired { ticket, at } => {
                if self.expired(ticket, at) {
                    return Asked::Heir;
                }
            }
            Input::Rejected { generation, said } if self.live == Some(generation) => {
                self.rejected(said);
            }
            Input::Answered { generation, answer } if self.live == Some(generation) => {
                self.hears(answer);
            }
            Input::Began { generation, empty } if self.live == Some(generation) => {
                if let Wire::Promised(at) = self.wire {
                    let may_drop = self.flush || empty || !self.whole;
                    self.wire = Wire::Began { at, may_drop };
                    self.loader = may_drop.then_some(generation);
                }
            }
            Input::Loaded { generation } if self.live == Some(generation) => {
                if let Wire::Began { at, .. } = self.wire {
                    self.wire = Wire::Complete(at);
                }
            }
            Input::Diverged { generation } if self.live == Some(generation) => {
                self.diverged |= self.wire == Wire::Stream;
            }
            Input::Lost { generation } if self.live == Some(generation) => self.lost(),
            Input::Dialed { .. }
            | Input::Batch { .. }
            | Input::Rejected { .. }
            | Input::Answered { .. }
            | Input::Began { .. }
            | Input::Loaded { .. }
            | Input::Diverged { .. }
            | Input::Lost { .. } => {}
        }
        Asked::Nothing
    }

    fn unlink(&mut self) {
        self.live = None;
        self.wire = Wire::Quiet;
    }

    fn judge(
        &mut self,
        asked: Asked<D>,
        before: Status<D>,
        deeds: &[Output<D>],
        after: Status<D>,
    ) -> Broken {
        let mut broken = Broken::default();
        let (mut replies, mut connects) = (0, 0);
        if let Asked::Commit { at, .. } = asked
            && self.register.is_none()
            && deeds.contains(&Output::Reply(Reply::Ok))
        {
            // A master becomes a replica: what it wrote until now counts.
            self.history.at.offset = at;
        }
        if matches!(asked, Asked::FailOver { .. }) && deeds.contains(&Output::Reply(Reply::Ok)) {
            // What is to end it hears of it.
            let watched = |d: &Output<D>| matches!(d, Output::Watch { .. });
            broken.unless(deeds.iter().any(watched), Property::EveryCommandAnswered);
        }
        for deed in deeds {
            match deed {
                Output::Reply(reply) => {
                    replies += 1;
                    self.answered(asked, *reply, &mut broken);
                    broken.unless(
                        reply.is_ok() || (before == after && deeds.len() == 1),
                        Property::FailedAttemptIsNoop,
                    );
                }
                Output::Connect(attempt) => {
                    connects += 1;
                    broken.unless(
                        attempt.ticket() > self.issued && !self.fails_over(),
                        Property::TicketOrder,
                    );
                    self.issued = attempt.ticket();
                    if before != after || deeds.len() > 1 {
                        self.ahead = Some(attempt.ticket());
                    }
                }
                other => self.deed(asked, other, &mut broken),
            }
        }
        let one = match asked {
            Asked::Nothing => 0,
            Asked::Batch { to } => {
                // What nothing has stopped is applied: skipped is lost.
                broken.unless(self.history.at.offset == to, Property::NoDoubleApply);
                0
            }
            Asked::Heir => {
                let told = deeds.contains(&Output::CancelBefore(self.cancelled));
                broken.unless(told, Property::EveryCommandAnswered);
                0
            }
            _ => 1,
        };
        broken.unless(replies + connects == one, Property::EveryCommandAnswered);
        broken.unless(told(before, deeds, after), Property::OffsetDescribesDataset);
        self.look(after, &mut broken);
        broken
    }

    /// The reply against the sequential specification, and the tickets against their order.
    fn answered(&mut self, asked: Asked<D>, reply: Reply, broken: &mut Broken) {
        match (asked, reply) {
            (Asked::Attempt { target }, Reply::AlreadyConnected) => {
                // It commits without a connection: the ticket is the next one.
                self.issued = D::next_ticket(self.issued);
                self.committed = self.issued;
                broken.unless(self.register == Some(target), Property::LinearizableRole);
                broken.unless(!self.fails_over(), Property::TicketOrder);
                // An operator wants it followed, whatever it holds.
                self.passing = Passing::No;
            }
            (Asked::FailOver { aim }, reply) => self.failing_over(aim, reply, broken),
            (Asked::Abort, reply) => self.aborted(reply, broken),
            (
                Asked::TakeOver {
                    replid,
                    from,
                    fresh,
                    at,
                },
                reply,
            ) => self.taking_over(replid, from, fresh, at, reply, broken),
            (Asked::Attempt { .. }, Reply::FailingOver)
            | (Asked::NoOne { force: false, .. }, Reply::FailingOver) => {
                broken.unless(self.fails_over(), Property::NoSpuriousRefusal);
            }
            (Asked::Attempt { .. }, Reply::Loading) | (Asked::NoOne { .. }, Reply::Loading) => {
                broken.unless(self.restoring, Property::NoSpuriousRefusal);
            }
            (Asked::Commit { ticket, target, .. }, reply) => {
                if self.ahead == Some(ticket) {
                    self.ahead = None;
                }
                self.committing(ticket, target, reply, broken);
            }
            (Asked::NoOne { force, fresh, at }, Reply::Ok) => {
                broken.unless(force || !self.fails_over(), Property::TakeoverKeepsWrites);
                self.promoted(fresh, at, broken);
            }
            (Asked::NoOne { .. }, Reply::NoDataset) => {
                broken.unless(!self.whole, Property::NoSpuriousRefusal);
            }
            _ => broken.add(Property::EveryCommandAnswered),
        }
    }

    fn committing(
        &mut self,
        ticket: D::Ticket,
        target: D::Host,
        reply: Reply,
        broken: &mut Broken,
    ) {
        let cancelled = ticket < self.cancelled;
        let fenced = ticket < self.committed;
        match reply {
            Reply::Ok => {
                broken.unless(!cancelled, Property::TicketOrder);
                broken.unless(!self.fails_over(), Property::TakeoverKeepsWrites);
                if fenced {
                    broken.unless(self.register == Some(target), Property::TicketOrder);
                } else {
                    self.passing = Passing::No;
                }
                self.register = Some(target);
                self.committed = self.committed.max(ticket);
            }
            Reply::Superseded => broken.unless(
                fenced && !cancelled && self.register != Some(target),
                Property::NoSpuriousRefusal,
            ),
            Reply::Cancelled => broken.unless(cancelled, Property::NoSpuriousRefusal),
            Reply::FailingOver => {
                broken.unless(self.fails_over(), Property::NoSpuriousRefusal);
            }
            _ => broken.add(Property::NoSpuriousRefusal),
        }
    }

    fn deed(&mut self, asked: Asked<D>, deed: &Output<D>, broken: &mut Broken) {
        match *deed {
            Output::Stop(generation) => {
                if self.live == Some(generation) {
                    self.unlink();
                }
            }
            Output::Adopt(generation) | Output::Dial { generation, .. } => {
                broken.unless(
                    self.live.is_none() && generation > self.last,
                    Property::SingleLiveLink,
                );
                self.last = generation;
                self.live = Some(generation);
                self.wire = Wire::Quiet;
            }
            Output::Psync {
                generation,
                resume,
                failover,
            } => {
                self.asking(failover, broken);
                broken.unless(self.live == Some(generation), Property::SingleLiveLink);
                // What comes from ourselves we have applied already.
                broken.unless(self.wire != Wire::Nonsense, Property::NoDoubleApply);
                self.resuming(resume, broken);
                self.wire = Wire::Asked {
                    resumes: resume.is_some(),
                };
            }
            Output::Stage(_) | Output::DropAndLoad(_) | Output::Swap(..)
                if self.wire == Wire::Unproved =>
            {
                broken.add(Property::TakeoverKeepsWrites);
            }
            Output::Stage(generation) => {
                // Never two datasets where that was not wanted, or there is nothing to be kept.
                let beside = matches!(
                    self.wire,
                    Wire::Began {
                        may_drop: false,
                        ..
                    }
                );
                broken.unless(
                    self.live == Some(generation) && beside,
                    Property::AtomicSwap,
                );
            }
            Output::DropAndLoad(generation) => {
                let may = matches!(self.wire, Wire::Began { may_drop: true, .. });
                broken.unless(
                    self.live == Some(generation) && may,
                    Property::ReadsStayAvailable,
                );
                self.holds(false);
            }
            Output::Swap(generation, at) => {
                broken.unless(
                    self.live == Some(generation) && self.wire == Wire::Complete(at),
                    Property::AtomicSwap,
                );
                self.history = History::new(at);
                self.holds(true);
                self.wire = Wire::Stream;
            }
            Output::Discard(generation) => broken.unless(
                !(self.live == Some(generation) && self.wire == Wire::Stream),
                Property::AtomicSwap,
            ),
            Output::Apply { generation, to } => {
                broken.unless(self.live == Some(generation), Property::SingleLiveLink);
                broken.unless(
                    self.wire == Wire::Stream && !self.diverged,
                    Property::NoFalseContinue,
                );
                broken.unless(self.register.is_some(), Property::NoSplitWrite);
                broken.unless(to > self.history.at.offset, Property::NoDoubleApply);
                self.history.at.offset = to;
            }
            Output::Empty(at) => {
                let forced = matches!(asked, Asked::NoOne { force: true, .. });
                broken.unless(forced && !self.whole, Property::NoPartialPromotion);
                self.holds(true);
                self.history = History::new(at);
            }
            Output::Watch { ticket, aim } => broken.unless(
                ticket == self.issued && self.passing == Passing::Waiting(aim),
                Property::TakeoverKeepsWrites,
            ),
            Output::Reply(_)
            | Output::Connect(_)
            | Output::CancelBefore(_)
            | Output::Arm(_)
            | Output::DropReplicas => {}
        }
    }

    fn names(&self, status: Status<D>) -> bool {
        status.master.map(|(target, _)| target) == self.register
    }

    /// The published status against the account.
    fn look(&mut self, status: Status<D>, broken: &mut Broken) {
        broken.unless(
            self.ahead.is_some() || self.names(status),
            Property::LinearizableRole,
        );
        broken.unless(status.live == self.live, Property::SingleLiveLink);
        self.look_at_hand_over(status, broken);
        self.look_at_door(status, broken);
        if status.link_up() {
            match self.wire {
                Wire::Stream => broken.unless(!self.diverged, Property::Prefix),
                Wire::Nonsense => broken.add(Property::NoFalseContinue),
                // It says that it follows its master, and holds another history.
                _ => broken.add(Property::Prefix),
            }
        }
        if status.master.is_none() {
            broken.unless(self.live.is_none(), Property::NoSplitWrite);
            broken.unless(self.whole || self.restoring, Property::NoPartialPromotion);
        }
        if status.loading && !self.restoring {
            match self.loader {
                None => broken.add(Property::NoPrematureLoading),
                Some(owner) => broken.unless(self.live == Some(owner), Property::NoLeakedLoading),
            }
        } else if !status.loading {
            self.loader = None;
        }
        if !self.restoring {
            if self.whole {
                broken.unless(!status.refuses_reads(), Property::ReadsStayAvailable);
                broken.unless(
                    status.history == self.history && status.diverged == self.diverged,
                    Property::OffsetDescribesDataset,
                );
            } else {
                // Half a dataset, or an empty one that is not the truth, is never served.
                broken.unless(status.refuses_reads(), Property::AtomicSwap);
            }
        }
    }
}
