//! What may happen next, to which node.

use std::fmt;

use damselfly_core::{Aim, Data, Failover, Heir, Role};

use super::{Fault, Member, Nodes, Said, Size, Stage, Wire};
use crate::tiny::{Tiny, host_name};

/// Something that happens at node `at`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Action {
    pub(super) at: u8,
    pub(super) what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    Write,
    /// `REPLICAOF`, greeted.
    Follow(u8, Ask),
    NoOne,
    /// `REPLICAOF NO ONE FORCE`.
    GiveUp,
    FailOver(Aim<Tiny>),
    CaughtUp(u8),
    Expired,
    Abort,
    Dials(Ask),
    /// What was said to its request to take over; if it asks again, how that goes.
    Hears(Ask),
    /// The master begins the snapshot it waits for, and it has the first byte of it.
    Begins {
        flush: bool,
    },
    Loaded,
    Batch,
    /// The same, and it had another effect here than on the master.
    Diverges,
    /// Half of a transaction ([`Fault::HalfATransaction`]).
    Half,
    Cut,
    Dies {
        follow: Option<u8>,
        file: bool,
    },
    Saves,
    /// The backlog of a master without replicas is given up.
    Forgets,
}

/// How a `PSYNC` goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ask {
    /// It is heard, and the backlog goes back far enough.
    Heard,
    /// It is heard, and the backlog is too short.
    Short,
    /// It is refused, or never heard.
    Lost,
}

impl Ask {
    const ALL: [Self; 3] = [Self::Heard, Self::Short, Self::Lost];
}

impl Nodes {
    /// Everything that may happen next.
    pub fn actions(&self, size: &Size) -> Vec<Action> {
        let mut all = Vec::new();
        let commands = size.commands.is_none_or(|most| self.spent < most);
        for (at, member) in (0..).zip(&self.all) {
            let mut may = |what| all.push(Action { at, what });
            let status = member.status();
            let late = size.fault == Some(Fault::WritesGoOn) && status.failover != Failover::No;
            if (status.takes_writes() || late) && member.data.len() < size.writes {
                may(What::Write);
            }
            self.hand_over(size, at, &mut may);
            if commands {
                self.commands(size, at, &mut may);
            }
            if let Some(wire) = &member.wire {
                self.on_wire(size, member, wire, &mut may);
            }
        }
        all
    }

    /// What an operator may say to `at`, and what may become of its process.
    fn commands(&self, size: &Size, at: u8, may: &mut impl FnMut(What)) {
        let member = self.member(at);
        let status = member.status();
        let others = || (0..size.nodes).filter(move |other| *other != at);
        let held = status.master.map(|(target, _)| target);
        if size.may.replicaof && status.failover == Failover::No {
            for to in others().filter(|to| Some(*to) != held) {
                self.asks(size, member, to, false)
                    .for_each(|ask| may(What::Follow(to, ask)));
            }
            if held.is_some() {
                may(match member.node.data() {
                    Data::Missing => What::GiveUp,
                    Data::Whole | Data::Diverged | Data::Restoring => What::NoOne,
                });
            }
        }
        if size.may.replicaof && held.is_none() && member.active && !self.is_followed(at) {
            may(What::Forgets);
        }
        if size.may.failover && status.takes_writes() && self.followers(at).next().is_some() {
            may(What::FailOver(Aim::Any));
            for host in self.followers(at) {
                may(What::FailOver(Aim::One(host)));
                if size.may.force {
                    may(What::FailOver(Aim::Force(host)));
                }
            }
        }
        if size.may.force && status.failover != Failover::No {
            may(What::GiveUp);
        }
        if size.may.crash {
            for follow in others().map(Some).chain([None]) {
                may(What::Dies {
                    follow,
                    file: false,
                });
                if member.file.is_some() {
                    may(What::Dies { follow, file: true });
                }
            }
        }
        if size.may.save && status.whole && member.saved(false) != member.file {
            may(What::Saves);
        }
    }

    /// What may become of a hand-over of `at`.
    fn hand_over(&self, size: &Size, at: u8, may: &mut impl FnMut(What)) {
        let member = self.member(at);
        let failover = member.status().failover;
        if failover == Failover::WaitingForSync {
            for host in self.followers(at) {
                let heir = match member.node.role() {
                    Role::Master { handing: Some(aim) } => aim.admits(host),
                    _ => false,
                };
                let asks = size.fault != Some(Fault::NobodyAsks);
                if heir && (self.member(host).offset == member.offset || !asks) {
                    may(What::CaughtUp(host));
                }
            }
        }
        if size.may.abort && failover != Failover::No {
            may(What::Expired);
            may(What::Abort);
        }
    }

    /// How a `PSYNC` of `member` to `to` may go, where that makes a difference.
    fn asks(
        &self,
        size: &Size,
        member: &Member,
        to: u8,
        failover: bool,
    ) -> impl Iterator<Item = Ask> {
        let heard = failover || self.member(to).serves(size.fault);
        let continues = heard && (failover || self.continues(member, to));
        Ask::ALL.into_iter().filter(move |ask| match ask {
            Ask::Heard => heard,
            Ask::Short => continues,
            Ask::Lost => true,
        })
    }

    fn on_wire(&self, size: &Size, member: &Member, wire: &Wire, may: &mut impl FnMut(What)) {
        match &wire.stage {
            Stage::Dialing => {
                let heir = member.heir();
                let failover = member.status().failover != Failover::No;
                for ask in self.asks(size, member, wire.to, failover) {
                    // Who has nothing to lose loses nothing.
                    if ask != Ask::Lost || heir == Some(Heir::Unasked) {
                        may(What::Dials(ask));
                    }
                }
                return;
            }
            Stage::Asked(..) => {}
            Stage::Queued => {
                let begins = match size.fault {
                    Some(Fault::SnapshotOfNothing) => true,
                    _ => self.member(wire.to).status().whole,
                };
                if wire.closed.is_none() && begins {
                    may(What::Begins { flush: false });
                    if member.node.data() == Data::Whole {
                        may(What::Begins { flush: true });
                    }
                }
            }
            // If it asks again, then on the connection that it has.
            Stage::Answered(Said::Refused { master: true }) if wire.closed.is_none() => {
                Ask::ALL.into_iter().for_each(|ask| may(What::Hears(ask)));
            }
            Stage::Answered(_) => may(What::Hears(Ask::Lost)),
            Stage::Loading(_) => may(What::Loaded),
            Stage::Streaming(come) => {
                if self.source(wire).len() > *come {
                    may(What::Batch);
                    let more = size.commands.is_none_or(|most| self.spent < most);
                    if size.may.diverge && more {
                        may(What::Diverges);
                    }
                    if size.fault == Some(Fault::HalfATransaction) {
                        may(What::Half);
                    }
                }
            }
        }
        may(What::Cut);
    }
}

impl Action {
    /// Whether it is one of those that [`Size::commands`] limits.
    pub(super) fn is_command(&self) -> bool {
        matches!(
            self.what,
            What::Follow(..)
                | What::NoOne
                | What::GiveUp
                | What::FailOver(_)
                | What::Dies { .. }
                | What::Diverges
                | What::Saves
                | What::Forgets
        )
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Heard => "PSYNC is heard",
            Self::Short => "PSYNC is heard, and the backlog is too short",
            Self::Lost => "PSYNC gets no answer",
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", host_name(self.at))?;
        match self.what {
            What::Write => write!(f, "a client writes"),
            What::Follow(to, ask) => write!(f, "REPLICAOF {}; {ask}", host_name(to)),
            What::NoOne => write!(f, "REPLICAOF NO ONE"),
            What::GiveUp => write!(f, "REPLICAOF NO ONE FORCE"),
            What::FailOver(Aim::Any) => write!(f, "FAILOVER"),
            What::FailOver(Aim::One(host)) => write!(f, "FAILOVER TO {}", host_name(host)),
            What::FailOver(Aim::Force(host)) => {
                write!(f, "FAILOVER TO {} FORCE", host_name(host))
            }
            What::CaughtUp(host) => write!(f, "{} has everything", host_name(host)),
            What::Expired => write!(f, "the time of the hand-over is over"),
            What::Abort => write!(f, "FAILOVER ABORT"),
            What::Dials(ask) => write!(f, "dials its master; {ask}"),
            What::Hears(_) => write!(f, "hears what its heir says"),
            What::Begins { flush: false } => write!(f, "the snapshot begins, and is staged"),
            What::Begins { flush: true } => write!(f, "the snapshot begins, in place of the data"),
            What::Loaded => write!(f, "the snapshot is in"),
            What::Batch => write!(f, "applies a write"),
            What::Diverges => write!(f, "applies a write, to another effect than its master"),
            What::Half => write!(f, "applies half of a transaction, and is cut off"),
            What::Cut => write!(f, "its connection is lost"),
            What::Dies { follow, file } => {
                let what = if file { "its file" } else { "nothing" };
                write!(f, "dies, and comes back with {what}, as ")?;
                match follow {
                    Some(host) => write!(f, "a replica of {}", host_name(host)),
                    None => write!(f, "a master"),
                }
            }
            What::Saves => write!(f, "writes its snapshot file"),
            What::Forgets => write!(f, "gives its backlog up, since nobody follows"),
        }
    }
}
