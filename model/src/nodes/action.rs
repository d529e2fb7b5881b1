//! What may happen next, to which node.

use std::fmt;

use damselfly_core::{Aim, Failover, Role};

use super::{Fault, Member, Nodes, Size, Stage, Wire};
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
    FailOver(Aim<Tiny>),
    CaughtUp(u8),
    Expired,
    Abort,
    GiveUp,
    Timer,
    Dialed,
    /// The peer hears the PSYNC; `whole` if its backlog goes back far enough.
    Heard {
        whole: bool,
    },
    Hears,
    Began,
    Loaded,
    Batch,
    Confirms,
    Cut,
}

impl Nodes {
    /// Everything that may happen next.
    pub fn actions(&self, size: &Size) -> Vec<Action> {
        let mut all = Vec::new();
        for (at, member) in (0..).zip(&self.all) {
            let mut may = |what| all.push(Action { at, what });
            let status = member.node.status();
            let late = size.fault == Some(Fault::WritesGoOn) && status.failover != Failover::No;
            if (status.takes_writes() || late) && self.acked < size.writes {
                may(What::Write);
            }
            if status.takes_writes() && self.followers(at).next().is_some() {
                may(What::FailOver(Aim::Any));
                for (host, _) in self.followers(at) {
                    may(What::FailOver(Aim::One(host)));
                    if size.force {
                        may(What::FailOver(Aim::Force(host)));
                    }
                }
            }
            if status.failover == Failover::WaitingForSync {
                for (host, confirmed) in self.followers(at) {
                    let heir = match member.node.role() {
                        Role::Master { handing: Some(aim) } => aim.admits(host),
                        _ => false,
                    };
                    let asks = size.fault != Some(Fault::NobodyAsks);
                    if heir && (confirmed == member.offset() || !asks) {
                        may(What::CaughtUp(host));
                    }
                }
            }
            if status.failover != Failover::No {
                may(What::Expired);
                may(What::Abort);
                if size.force {
                    may(What::GiveUp);
                }
            }
            if let Some(wire) = &member.wire {
                self.on_wire(member, wire, &mut may);
            }
        }
        all
    }

    /// Who streams from `at`, and what each has confirmed.
    fn followers(&self, at: u8) -> impl Iterator<Item = (u8, u8)> {
        (0..)
            .zip(&self.all)
            .filter_map(move |(i, m)| match &m.wire {
                Some(Wire {
                    to,
                    closed: false,
                    stage: Stage::Streaming(confirmed),
                    ..
                }) if *to == at => Some((i, *confirmed)),
                _ => None,
            })
    }

    fn on_wire(&self, member: &Member, wire: &Wire, may: &mut impl FnMut(What)) {
        let peer = &self.all[usize::from(wire.to)];
        match &wire.stage {
            Stage::Timer => return may(What::Timer),
            Stage::Dialing => may(What::Dialed),
            Stage::Asked(..) if !wire.closed => {
                may(What::Heard { whole: true });
                may(What::Heard { whole: false });
            }
            Stage::Asked(..) => {}
            Stage::Answered(..) => may(What::Hears),
            Stage::Promised(_) => may(What::Began),
            Stage::Loading(_) => may(What::Loaded),
            Stage::Streaming(_) if wire.closed => {}
            Stage::Streaming(confirmed) => {
                if peer.data.len() > member.data.len() {
                    may(What::Batch);
                }
                if *confirmed != member.offset() {
                    may(What::Confirms);
                }
            }
        }
        may(What::Cut);
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", host_name(self.at))?;
        match self.what {
            What::Write => write!(f, "a client writes"),
            What::FailOver(Aim::Any) => write!(f, "FAILOVER"),
            What::FailOver(Aim::One(host)) => write!(f, "FAILOVER TO {}", host_name(host)),
            What::FailOver(Aim::Force(host)) => {
                write!(f, "FAILOVER TO {} FORCE", host_name(host))
            }
            What::CaughtUp(host) => write!(f, "{} has everything", host_name(host)),
            What::Expired => write!(f, "the time of the hand-over is over"),
            What::Abort => write!(f, "FAILOVER ABORT"),
            What::GiveUp => write!(f, "REPLICAOF NO ONE FORCE"),
            What::Timer => write!(f, "time to dial again"),
            What::Dialed => write!(f, "connected and greeted"),
            What::Heard { whole: true } => write!(f, "its PSYNC is heard"),
            What::Heard { whole: false } => write!(f, "its PSYNC is heard; no backlog"),
            What::Hears => write!(f, "hears the answer"),
            What::Began => write!(f, "the snapshot begins"),
            What::Loaded => write!(f, "the snapshot is in"),
            What::Batch => write!(f, "applies a write"),
            What::Confirms => write!(f, "confirms what it has"),
            What::Cut => write!(f, "its connection is lost"),
        }
    }
}
