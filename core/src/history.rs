//! Replication ids and offsets: which history a dataset is at, and who may resume from it (PSYNC2).

use crate::Domain;

/// A point in a history.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Position<D: Domain> {
    /// The history.
    pub replid: D::ReplId,
    /// Bytes of its stream that the dataset has in it.
    pub offset: D::Offset,
}

/// What a replica asks to resume from: `PSYNC <replid> <from>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Resume<D: Domain> {
    /// The history.
    pub replid: D::ReplId,
    /// The first byte wanted, which is the offset held plus one.
    pub from: D::Offset,
}

/// The history a node was on before it was promoted, or before its master changed its id
/// (`master_replid2`, `second_repl_offset`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Second<D: Domain> {
    /// The former history.
    pub replid: D::ReplId,
    /// The first offset at which the two histories may differ.
    pub until: D::Offset,
}

impl<D: Domain> Second<D> {
    /// Whether everything before `wanted` is part of it.
    pub fn has(&self, wanted: Resume<D>) -> bool {
        self.replid == wanted.replid && wanted.from <= self.until
    }
}

/// The history of the dataset a node holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct History<D: Domain> {
    /// Where the dataset is. On a master the offset is the one at its last change of role or
    /// history: the log of the shell counts the writes since.
    pub at: Position<D>,
    /// The history before, which those who were on it can still resume from.
    pub second: Option<Second<D>>,
}

impl<D: Domain> History<D> {
    /// A history that begins at `at`, with nothing before it.
    pub fn new(at: Position<D>) -> Self {
        Self { at, second: None }
    }

    /// The `PSYNC` arguments with which this dataset resumes.
    pub fn resume(&self) -> Resume<D> {
        Resume {
            replid: self.at.replid,
            from: D::next_offset(self.at.offset),
        }
    }

    /// Goes on under a new id; whoever is on the old one can resume up to here. This is a promotion,
    /// and what `+CONTINUE <replid>` tells a replica whose master was promoted.
    pub fn shift(&mut self, replid: D::ReplId) {
        self.second = Some(Second {
            replid: self.at.replid,
            until: D::next_offset(self.at.offset),
        });
        self.at.replid = replid;
    }
}

/// The bytes of stream that a master can send again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Backlog<D: Domain> {
    /// The first byte kept.
    pub first: D::Offset,
    /// The next byte to be written, one past the last byte kept.
    pub next: D::Offset,
}

/// The master's side of the negotiation: may a replica that asks for `wanted` go on with the stream?
///
/// Yes, when the history it names is ours (or the one before, up to where ours began to differ) and
/// every byte it lacks is still in the backlog. A `No` is a full sync. `no_false_continue`.
pub fn may_continue<D: Domain>(
    history: &History<D>,
    backlog: Option<Backlog<D>>,
    wanted: Resume<D>,
) -> bool {
    let shared = wanted.replid == history.at.replid
        || history.second.is_some_and(|second| second.has(wanted));
    shared && backlog.is_some_and(|b| b.first <= wanted.from && wanted.from <= b.next)
}
