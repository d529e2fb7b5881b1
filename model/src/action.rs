//! What may happen next.

use std::fmt;

use damselfly_core::{Aim, Position};

use crate::algorithm::Algorithm;
use crate::tiny::{Tiny, host_name};
use crate::world::{Client, Phase, Setting, Stage, World};

/// Something that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The snapshot file at start-up is in; or there was none.
    Restore {
        /// The file says of which history it was taken.
        known: bool,
    },
    /// `REPLICAOF host`.
    Request {
        /// Who.
        client: u8,
        /// Which master.
        host: u8,
    },
    /// `REPLICAOF NO ONE`.
    NoOne {
        /// Who.
        client: u8,
        /// `FORCE`.
        force: bool,
    },
    /// `ROLE` or `INFO` looks at what is published.
    Sample {
        /// Who.
        client: u8,
    },
    /// And answers with it.
    Answer {
        /// Who.
        client: u8,
    },
    /// The peer accepts the connection, and the greeting begins (where that is a phase).
    Connected {
        /// Whose attempt.
        client: u8,
    },
    /// The peer will never answer the greeting (where that is a phase).
    FallsMute {
        /// Whose attempt.
        client: u8,
    },
    /// The peer answers the greeting, and the attempt asks to commit.
    Greets {
        /// Whose attempt.
        client: u8,
    },
    /// The attempt ends in an error.
    Fails {
        /// Whose attempt.
        client: u8,
        /// Why.
        why: Failure,
    },
    /// Something happens on a connection.
    Link {
        /// Which.
        generation: u8,
        /// What.
        event: Event,
    },
    /// A client writes; only a master takes that.
    Write,
    /// `CONFIG SET replica-full-sync`.
    Configure {
        /// `flush` rather than `staging`.
        flush: bool,
    },
    /// The history of this master gets a new name, since not all of it was counted.
    NewHistory,
    /// A replica of ours has synced and follows us.
    Attach,
    /// It is gone.
    Detach,
    /// `FAILOVER`.
    FailOver {
        /// Who.
        client: u8,
        /// To whom.
        aim: Aim<Tiny>,
    },
    /// `FAILOVER ABORT`.
    Abort {
        /// Who.
        client: u8,
    },
    /// A replica has confirmed all that was written.
    CaughtUp {
        /// Which.
        host: u8,
    },
    /// The time of the hand-over is over.
    Expired,
    /// A peer asks us to take over.
    TakeOver(Asking),
}

/// What a peer that asks us to take over says it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asking {
    /// What we have.
    Same,
    /// More of the history we hold.
    More,
    /// It does not matter: `FORCE`.
    Forced,
    /// Another history.
    Other,
}

impl Asking {
    pub(crate) const ALL: [Self; 4] = [Self::Same, Self::More, Self::Forced, Self::Other];
}

/// Why an attempt fails before it is greeted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Nobody there, or the name does not resolve.
    Unreachable,
    /// The deadline passed: the peer is mute, or slow. Always possible.
    Deadline,
    /// It spoke, but not the protocol; or it refused.
    Garbage,
    /// It is this very process.
    Myself,
    /// A later `NO ONE` cancelled it.
    Cancelled,
}

/// What happens on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Connected and greeted.
    Dialed(Peer),
    /// `+CONTINUE`.
    Continue(Named),
    /// `+FULLRESYNC`: of another history, or of the one we hold.
    Full {
        /// Another history.
        other: bool,
        /// The offset, seen from what we hold.
        at: i8,
    },
    /// The first byte of the snapshot.
    Began {
        /// Nothing would be lost with the data held.
        empty: bool,
    },
    /// The last one.
    Loaded,
    /// Some entries of the stream.
    Batch(u8),
    /// One of those that were applied last did something else than on the master.
    Diverged,
    /// An error, to the request to take over.
    Rejected(Refused),
    /// Closed, timed out, refused, or nonsense.
    Lost,
    /// The timer to dial again.
    Timer,
}

/// How a request to take over is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// By a master that went on from what we hold: it took over.
    Heir,
    /// By one that went on from a place before that, as it does that came back from an older file.
    Older,
    /// By one of some other history.
    Master,
    /// For another reason.
    Other,
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Heir, Self::Older, Self::Master, Self::Other];
}

/// Who was greeted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// Some other process.
    Other,
    /// It does not say.
    Unknown,
    /// We ourselves.
    Myself,
}

/// Which id `+CONTINUE` names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    /// None.
    Nothing,
    /// The one that was asked for.
    Same,
    /// A new one: the master was promoted.
    Another,
}

/// Snapshots that `+FULLRESYNC` may promise.
const SNAPSHOTS: [Event; 5] = [
    Event::Full { other: true, at: 0 },
    Event::Full { other: true, at: 3 },
    Event::Full {
        other: false,
        at: -1,
    },
    Event::Full {
        other: false,
        at: 0,
    },
    Event::Full {
        other: false,
        at: 3,
    },
];

const FAILURES: [Failure; 4] = [
    Failure::Unreachable,
    Failure::Deadline,
    Failure::Garbage,
    Failure::Myself,
];

impl<A: Algorithm> World<A> {
    /// Everything that may happen next.
    pub fn actions(&self, setting: &Setting, all: &mut Vec<Action>) {
        let status = self.node.status();
        if !self.ghost.started() {
            all.extend([true, false].map(|known| Action::Restore { known }));
        }
        let mut idle = false;
        for (client, state) in (0..).zip(&self.clients) {
            // Idle clients are alike.
            if *state == Client::Idle && setting.canonical && std::mem::replace(&mut idle, true) {
                continue;
            }
            self.client_actions(setting, client, state, all);
        }
        if setting.links {
            for wire in &self.wires {
                let generation = wire.generation;
                events(wire.stage, |event| {
                    if A::NOTICES || event != Event::Diverged {
                        all.push(Action::Link { generation, event });
                    }
                });
            }
            if status.master.is_none() && !status.refuses_reads() {
                if status.takes_writes() {
                    all.push(Action::Write);
                }
                all.push(Action::NewHistory);
            }
            match self.sub {
                None if status.lets_in().is_ok() => all.push(Action::Attach),
                None => {}
                Some(_) => all.push(Action::Detach),
            }
        }
        if setting.hand_over {
            self.hand_over(setting, all);
        }
        if setting.toggles {
            let flush = !self.ghost.flush();
            all.push(Action::Configure { flush });
        }
    }

    fn client_actions(&self, setting: &Setting, client: u8, state: &Client, all: &mut Vec<Action>) {
        match state {
            Client::Idle => {
                // The committed master is the first one: others make the better stories.
                let hosts = (0..setting.masters).rev();
                all.extend(hosts.map(|host| Action::Request { client, host }));
                all.extend([false, true].map(|force| Action::NoOne { client, force }));
                if setting.hand_over {
                    let hosts = || 0..setting.masters;
                    let aims = std::iter::once(Aim::Any)
                        .chain(hosts().map(Aim::One))
                        .chain(hosts().map(Aim::Force));
                    all.extend(aims.map(|aim| Action::FailOver { client, aim }));
                    all.push(Action::Abort { client });
                }
                if setting.reads {
                    all.push(Action::Sample { client });
                }
            }
            Client::Sampled(_) => all.push(Action::Answer { client }),
            Client::Waiting { attempt, phase, .. } => match phase {
                Phase::Connecting => {
                    all.push(match A::DEADLINE {
                        true => Action::Greets { client },
                        false => Action::Connected { client },
                    });
                    all.extend(FAILURES.map(|why| Action::Fails { client, why }));
                    if A::CANCELS && attempt.ticket() < self.ghost.cancelled() {
                        let why = Failure::Cancelled;
                        all.push(Action::Fails { client, why });
                    }
                }
                Phase::Greeting => {
                    all.push(Action::Greets { client });
                    all.push(Action::FallsMute { client });
                    let why = Failure::Garbage;
                    all.push(Action::Fails { client, why });
                }
                Phase::Mute => {}
            },
        }
    }

    /// The position that `event`, a [`Event::Full`], speaks of.
    pub(crate) fn promised(&self, other: bool, at: i8) -> Position<crate::tiny::Tiny> {
        let status = self.node.status();
        Position {
            replid: match other {
                true => self.fresh(),
                // What has diverged is of a history that no master has.
                false if status.diverged => status.history.at.replid,
                false => self.data.at.replid,
            },
            offset: self.data.at.offset.saturating_add_signed(at),
        }
    }
}

/// What may happen on a connection at `stage`.
fn events(stage: Stage, mut all: impl FnMut(Event)) {
    use Event::*;
    let mut some = |events: &[Event]| events.iter().copied().for_each(&mut all);
    match stage {
        Stage::Timer => some(&[Timer]),
        Stage::Dialing => some(&[
            Dialed(Peer::Other),
            Dialed(Peer::Unknown),
            Dialed(Peer::Myself),
            Lost,
        ]),
        Stage::Greeted => some(&[Lost]),
        Stage::Asked(Some(_)) => {
            some(&[
                Continue(Named::Nothing),
                Continue(Named::Same),
                Continue(Named::Another),
                Lost,
            ]);
            some(&SNAPSHOTS);
        }
        Stage::Asked(None) => {
            // A CONTINUE to one who asked for nothing is nonsense, but it can be said.
            some(&[Continue(Named::Nothing), Continue(Named::Another), Lost]);
            some(&SNAPSHOTS);
        }
        Stage::Promised(_) => some(&[Began { empty: false }, Began { empty: true }, Lost]),
        Stage::Loading(_) => some(&[Loaded, Lost]),
        Stage::Streaming(_) => some(&[Batch(1), Batch(2), Diverged, Lost]),
        Stage::Stopped => some(&[
            Timer,
            Dialed(Peer::Other),
            Continue(Named::Nothing),
            Full { other: true, at: 3 },
            Began { empty: true },
            Loaded,
            Batch(1),
            Diverged,
            Lost,
        ]),
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = |client: u8| format!("c{}", client + 1);
        match *self {
            Action::Restore { known: false } => write!(f, "started without a snapshot file"),
            Action::Restore { known: true } => write!(f, "started from a snapshot file"),
            Action::Request { client, host } => {
                write!(f, "{}: REPLICAOF {}", who(client), host_name(host))
            }
            Action::NoOne { client, force } => write!(
                f,
                "{}: REPLICAOF NO ONE{}",
                who(client),
                if force { " FORCE" } else { "" }
            ),
            Action::Sample { client } => write!(f, "{}: ROLE samples", who(client)),
            Action::Answer { client } => write!(f, "{}: ROLE answers", who(client)),
            Action::Connected { client } => {
                write!(f, "the peer of {} accepts the connection", who(client))
            }
            Action::FallsMute { client } => write!(f, "the peer of {} falls mute", who(client)),
            Action::Greets { client } => write!(f, "the peer of {} greets back", who(client)),
            Action::Fails { client, why } => {
                let who = who(client);
                match why {
                    Failure::Unreachable => write!(f, "the peer of {who} cannot be reached"),
                    Failure::Deadline => write!(f, "the deadline of {who} passes"),
                    Failure::Garbage => write!(f, "the peer of {who} answers garbage"),
                    Failure::Myself => write!(f, "the peer of {who} is this very process"),
                    Failure::Cancelled => write!(f, "the attempt of {who} is told to end"),
                }
            }
            Action::Link { generation, event } => write!(f, "link #{generation}: {event}"),
            Action::Write => write!(f, "a client writes"),
            Action::Configure { flush: true } => write!(f, "CONFIG SET replica-full-sync flush"),
            Action::Configure { flush: false } => {
                write!(f, "CONFIG SET replica-full-sync staging")
            }
            Action::NewHistory => write!(f, "the history gets a new replid"),
            Action::Attach => write!(f, "a replica of ours attaches"),
            Action::Detach => write!(f, "the replica of ours leaves"),
            Action::FailOver { client, aim } => match aim {
                Aim::Any => write!(f, "{}: FAILOVER", who(client)),
                Aim::One(host) => write!(f, "{}: FAILOVER TO {}", who(client), host_name(host)),
                Aim::Force(host) => {
                    write!(f, "{}: FAILOVER TO {} FORCE", who(client), host_name(host))
                }
            },
            Action::Abort { client } => write!(f, "{}: FAILOVER ABORT", who(client)),
            Action::CaughtUp { host } => write!(f, "{} has every write", host_name(host)),
            Action::Expired => write!(f, "the time of the hand-over is over"),
            Action::TakeOver(asking) => {
                let what = match asking {
                    Asking::Same => "",
                    Asking::More => ", from one who has more",
                    Asking::Forced => ", whatever we have",
                    Asking::Other => " another history",
                };
                write!(f, "we are asked to take over{what}")
            }
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Event::Dialed(Peer::Other) => write!(f, "connected and greeted"),
            Event::Dialed(Peer::Unknown) => write!(f, "connected and greeted, run id unknown"),
            Event::Dialed(Peer::Myself) => write!(f, "connected to ourselves"),
            Event::Continue(Named::Nothing) => write!(f, "+CONTINUE"),
            Event::Continue(Named::Same) => write!(f, "+CONTINUE with the same replid"),
            Event::Continue(Named::Another) => write!(f, "+CONTINUE with a new replid"),
            Event::Full { other, at } => write!(
                f,
                "+FULLRESYNC, {} at {at:+}",
                if other {
                    "another history"
                } else {
                    "this history"
                }
            ),
            Event::Began { empty: false } => write!(f, "the snapshot begins"),
            Event::Began { empty: true } => write!(f, "the snapshot begins; nothing is held"),
            Event::Loaded => write!(f, "the snapshot is in"),
            Event::Batch(entries) => write!(f, "{entries} more of the stream"),
            Event::Diverged => write!(f, "what came last had another effect than on the master"),
            Event::Rejected(Refused::Heir) => {
                write!(f, "refused: it is a master, and went on from here")
            }
            Event::Rejected(Refused::Older) => {
                write!(f, "refused: it is a master, and lacks an entry")
            }
            Event::Rejected(Refused::Master) => write!(f, "refused: it is a master"),
            Event::Rejected(Refused::Other) => write!(f, "refused"),
            Event::Lost => write!(f, "lost"),
            Event::Timer => write!(f, "time to dial again"),
        }
    }
}
