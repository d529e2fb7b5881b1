//! A connection to a master, from the side that made it.

use damselfly_core::{Position, Promise, Resume};

use super::{Nodes, Writes};
use crate::tiny::Tiny;

/// A connection to a master, or the wish for one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Wire {
    pub to: u8,
    /// The other side has closed it, when its log was this: what it said before still arrives, and nothing else.
    pub closed: Option<Writes>,
    pub stage: Stage,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// There is none, and one is to be made.
    Dialing,
    /// `PSYNC` was sent. No state is left like this: it is heard in the same step, or never.
    Asked(Option<Resume<Tiny>>, Option<Promise>),
    /// It was let in, and waits for a snapshot to begin.
    Queued,
    /// What was said to a request to take over is on its way here.
    Answered(Said),
    /// The snapshot is on its way.
    Loading(Snapshot),
    /// The stream; how much of the master's log has come.
    Streaming(u8),
}

/// An answer to a request to take over.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Said {
    /// It is done; go on under this name, from there.
    Continue(u8, u8),
    Refused {
        master: bool,
    },
}

/// A snapshot on its way.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Snapshot {
    pub at: Position<Tiny>,
    pub data: Writes,
    pub torn: bool,
}

impl Wire {
    /// Whether the other side is still there, and knows of it.
    pub fn open(&self) -> bool {
        self.closed.is_none() && self.stage != Stage::Dialing
    }
}

impl Nodes {
    /// Every connection to `at` is closed by `at`.
    pub(super) fn close(&mut self, at: u8) {
        let log = self.member(at).data;
        for member in &mut self.all {
            if let Some(wire) = &mut member.wire
                && wire.to == at
                && wire.open()
            {
                wire.closed = Some(log);
            }
        }
    }

    /// Who streams from `at`.
    pub(super) fn followers(&self, at: u8) -> impl Iterator<Item = u8> {
        let streams = move |wire: &Wire| {
            wire.to == at && wire.open() && matches!(wire.stage, Stage::Streaming(_))
        };
        let all = (0..).zip(&self.all);
        all.filter(move |(_, m)| m.wire.as_ref().is_some_and(streams))
            .map(|(i, _)| i)
    }

    /// Whether anybody has a connection to `at`.
    pub(super) fn is_followed(&self, at: u8) -> bool {
        let follows = |wire: &Wire| wire.to == at && wire.open();
        (self.all.iter()).any(|m| m.wire.as_ref().is_some_and(follows))
    }

    /// What the other end of the stream `wire` has sent, or is to send.
    pub(super) fn source(&self, wire: &Wire) -> Writes {
        wire.closed.unwrap_or(self.member(wire.to).data)
    }
}
