//! Hand-over without loss: the master stops its writes, waits until a replica has them all, becomes
//! that replica's replica, and asks it to take the role (`FAILOVER`, `PSYNC ... FAILOVER`).
//!
//! ```text
//!  Master ──FAILOVER──▶ Master, handing ──caught up (or FORCE, late)──▶ Replica, ceding: Unasked
//!    ▲                     │ time-out, ABORT                              │ PSYNC ... FAILOVER
//!    ├─────────────────────┘                                              ▼
//!    ├──── time-out, ABORT while nobody was asked ◀── Unasked           Asked ──lost──▶ Unsure ─┐
//!    │                                                                   │  │              ▲ │  │
//!    └──── refused: the target is not master ◀───────────────────────────┘  │ accepted     └─┘  │ accepted, or
//!                                                                           ▼                   ▼ master already
//!                                          Unproved ◀── full sync ──── Replica ◀── +CONTINUE, or it has all we have
//! ```
//!
//! The heir looks itself whether it has every write, before it takes over; with `FORCE`, and the time over, it is told
//! not to ([`Promise`]).
//!
//! From the moment the target was asked until it answers, this node cannot know who is master: it
//! stays a replica, and takes no writes (REPLICAOF.md, "two generals"). Only `REPLICAOF NO ONE FORCE`,
//! an operator who knows better, ends that.
//!
//! That a peer is master does not say that it took over: it may have come back since, from a file that is older, or with
//! nothing. Who took over has every byte of ours, and proves it by going on with our stream, or by the history that it
//! says it went on from. Until then a full sync of it is not taken, since what was acknowledged may be here alone: the
//! dataset is kept ([`Heir::Unproved`]), and an operator decides, by `REPLICAOF` to it or another one, or `NO ONE`.

use crate::{Data, Domain, Link, Node, Output, Outputs, Refusal, Reply, Role};

/// Whom a master hands over to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Aim<D: Domain> {
    /// Whichever replica has everything first.
    Any,
    /// This one.
    One(D::Host),
    /// This one, and when the time is over even without all writes: the promise is given up.
    Force(D::Host),
}

impl<D: Domain> Aim<D> {
    /// Whether `target` may take over.
    pub fn admits(&self, target: D::Host) -> bool {
        match *self {
            Self::Any => true,
            Self::One(host) | Self::Force(host) => host == target,
        }
    }
}

/// That a hand-over loses no write that was acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Promise {
    /// The heir has confirmed every write, and takes over only if it still has them all.
    Kept,
    /// `FORCE`, and the time was over: the heir takes over whatever it has.
    GivenUp,
}

/// A master that has become the replica of its heir, and waits for it to take over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ceding {
    /// How far the heir was asked.
    pub heir: Heir,
    /// What the heir is asked to take over with.
    pub promise: Promise,
}

/// What a master that has become the replica of its heir knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Heir {
    /// It was not asked to take over yet: it cannot be master through us.
    Unasked,
    /// It was asked on the live connection, for the first time, and will answer there.
    Asked,
    /// It was asked, and the connection was lost before its answer came.
    Unsure,
    /// It is a master, and has not shown that it has every write: the hand-over is over, and a full sync not taken.
    Unproved,
}

/// How far a hand-over is: `master_failover_state`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failover {
    /// None is under way.
    No,
    /// A master that takes no writes until a replica has them all.
    WaitingForSync,
    /// A replica whose target has yet to take over.
    InProgress,
}

impl<D: Domain> Node<D> {
    /// How far a hand-over is.
    pub fn failover(&self) -> Failover {
        match self.role {
            Role::Master { handing: None } => Failover::No,
            Role::Master { handing: Some(_) } => Failover::WaitingForSync,
            Role::Replica { ceding, .. } => match ceding.map(|ceding| ceding.heir) {
                None | Some(Heir::Unproved) => Failover::No,
                Some(Heir::Unasked | Heir::Asked | Heir::Unsure) => Failover::InProgress,
            },
        }
    }

    /// Whether a hand-over is under way: nothing else may change the role until it is over.
    pub(crate) fn fails_over(&self) -> bool {
        self.failover() != Failover::No
    }

    /// `FAILOVER`: from here on clients' writes wait. No other command takes a ticket until it is
    /// over, so its own is the last one issued for as long as it lasts.
    pub(crate) fn fail_over(&mut self, aim: Aim<D>, out: &mut Outputs<D>) {
        if self.data == Data::Restoring {
            return out.push(Output::Reply(Reply::Loading));
        }
        if self.fails_over() {
            return out.push(Output::Reply(Reply::AlreadyFailingOver));
        }
        let Role::Master { handing } = &mut self.role else {
            return out.push(Output::Reply(Reply::NotMaster));
        };
        *handing = Some(aim);
        let ticket = self.take_ticket();
        out.push(Output::Reply(Reply::Ok));
        out.push(Output::Watch { ticket, aim });
    }

    /// `target` has every write.
    pub(crate) fn caught_up(
        &mut self,
        ticket: D::Ticket,
        target: D::Host,
        at: D::Offset,
        out: &mut Outputs<D>,
    ) {
        if let Role::Master { handing: Some(aim) } = self.role
            && ticket == self.issued
            && aim.admits(target)
        {
            self.cede(target, Promise::Kept, at, out);
        }
    }

    /// The time of the hand-over is over.
    pub(crate) fn expired(&mut self, ticket: D::Ticket, at: D::Offset, out: &mut Outputs<D>) {
        if ticket != self.issued {
            return;
        }
        match self.role {
            Role::Master {
                handing: Some(Aim::Force(target)),
            } => self.cede(target, Promise::GivenUp, at, out),
            Role::Master { handing: Some(_) }
            | Role::Replica {
                ceding:
                    Some(Ceding {
                        heir: Heir::Unasked,
                        ..
                    }),
                ..
            } => self.put_back(out),
            Role::Master { handing: None } | Role::Replica { .. } => {}
        }
    }

    /// `FAILOVER ABORT`.
    pub(crate) fn abort(&mut self, out: &mut Outputs<D>) {
        let reply = match self.role {
            Role::Master { handing: None }
            | Role::Replica {
                ceding:
                    None
                    | Some(Ceding {
                        heir: Heir::Unproved,
                        ..
                    }),
                ..
            } => Reply::NoFailover,
            Role::Replica {
                ceding:
                    Some(Ceding {
                        heir: Heir::Asked | Heir::Unsure,
                        ..
                    }),
                ..
            } => Reply::PromotionAsked,
            Role::Master { handing: Some(_) }
            | Role::Replica {
                ceding:
                    Some(Ceding {
                        heir: Heir::Unasked,
                        ..
                    }),
                ..
            } => {
                self.put_back(out);
                Reply::Ok
            }
        };
        out.push(Output::Reply(reply));
    }

    /// The peer answered `PSYNC ... FAILOVER` with an error.
    pub(crate) fn rejected(
        &mut self,
        generation: D::Generation,
        said: Refusal<D>,
        out: &mut Outputs<D>,
    ) {
        let heir = self.ceding().map(|ceding| ceding.heir);
        match (self.live_link(generation), heir, said) {
            // It is what it was before it was asked: so are we.
            (Some(Link::Asked { .. }), Some(Heir::Asked), _) => self.put_back(out),
            // It was asked before, and has taken over, if it was not only started anew: its answer was lost, not the request.
            (Some(Link::Asked { .. }), Some(Heir::Unsure), Refusal::Master { second }) => {
                let wanted = self.history.resume();
                if self.must_prove() && !second.is_some_and(|second| second.has(wanted)) {
                    self.is_unproved();
                } else {
                    self.cede_no_more();
                }
                let link = self.ask(generation, out);
                self.set_link(link);
            }
            _ => self.lost(generation, out),
        }
    }

    /// Whether the master that is followed has yet to show that it took over.
    pub(crate) fn is_in_doubt(&self) -> bool {
        let heir = self.ceding().map(|ceding| ceding.heir);
        heir == Some(Heir::Unproved)
    }

    /// Whether a full sync of the peer may lack what was acknowledged here.
    pub(crate) fn must_prove(&self) -> bool {
        self.promised() == Some(Promise::Kept)
    }

    /// The peer is master, and the hand-over over; that it took over is not shown.
    pub(crate) fn is_unproved(&mut self) {
        if let Role::Replica {
            ceding: Some(ceding),
            ..
        } = &mut self.role
        {
            ceding.heir = Heir::Unproved;
        }
    }

    /// `PSYNC replid from FAILOVER`: our master, of whose history we are, asks us to take over. It saw that we had
    /// everything, but we may have come back since, from a file that is older; so we look ourselves.
    pub(crate) fn take_over(
        &mut self,
        replid: D::ReplId,
        from: Option<D::Offset>,
        fresh: D::ReplId,
        at: D::Offset,
        out: &mut Outputs<D>,
    ) {
        let refusal = match (self.data, self.role) {
            (Data::Restoring, _) => Some(Reply::Loading),
            _ if self.fails_over() => Some(Reply::CannotSync),
            (_, Role::Master { .. }) => Some(Reply::NotReplica),
            (Data::Missing, _) => Some(Reply::NoDataset),
            (Data::Diverged, _) => Some(Reply::OtherHistory),
            (Data::Whole, _) if replid != self.history.at.replid => Some(Reply::OtherHistory),
            (Data::Whole, _) if from.is_some_and(|from| from > self.history.resume().from) => {
                Some(Reply::Behind)
            }
            (Data::Whole, _) => None,
        };
        match refusal {
            Some(reply) => out.push(Output::Reply(reply)),
            None => self.no_one(false, fresh, at, out),
        }
    }

    /// The one step in which a hand-over takes effect here: from it on this node is the replica of its
    /// heir, and what was connecting before it is cancelled.
    fn cede(&mut self, target: D::Host, promise: Promise, at: D::Offset, out: &mut Outputs<D>) {
        self.committed = self.issued;
        self.cancelled = self.issued;
        self.history.at.offset = at;
        out.push(Output::CancelBefore(self.issued));
        let generation = self.take_generation();
        out.push(Output::Dial { generation, target });
        self.role = Role::Replica {
            target,
            link: Link::Dialing { generation },
            ceding: Some(Ceding {
                heir: Heir::Unasked,
                promise,
            }),
        };
    }

    /// The hand-over has not happened: master as before, of the same history, since nobody wrote
    /// meanwhile.
    fn put_back(&mut self, out: &mut Outputs<D>) {
        self.stop_link(out);
        self.role = Role::Master { handing: None };
    }

    /// The target is master: from here on this is a replica like any other.
    pub(crate) fn cede_no_more(&mut self) {
        if let Role::Replica { ceding, .. } = &mut self.role {
            *ceding = None;
        }
    }

    /// What is asked on a connection beside the stream: the peer is the heir of a hand-over, and is to take over.
    pub(crate) fn promise(&self) -> Option<Promise> {
        self.promised().filter(|_| self.fails_over())
    }

    /// With what the peer was, or is, to take over.
    fn promised(&self) -> Option<Promise> {
        self.ceding().map(|ceding| ceding.promise)
    }

    /// What a replica knows of the heir that it follows.
    fn ceding(&self) -> Option<Ceding> {
        match self.role {
            Role::Replica { ceding, .. } => ceding,
            Role::Master { .. } => None,
        }
    }

    /// The request to take over is sent on this connection, or its answer was lost with it.
    pub(crate) fn heir_is(&mut self, next: Heir, from: Heir) {
        if let Role::Replica {
            ceding: Some(ceding),
            ..
        } = &mut self.role
            && ceding.heir == from
        {
            ceding.heir = next;
        }
    }
}
