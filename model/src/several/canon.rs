//! One representative of all states of several nodes that no future tells apart; see the module above.

use std::cell::Cell;
use std::hash::{BuildHasher, Hash};

use damselfly_core::rename::{Names, Rename};
use damselfly_core::{Node, Role};
use foldhash::quality::FixedState;

use super::act::LIVE;
use super::{File, Member, NODES_MAX, Nodes, Said, Snapshot, Stage, Wire, Writes};
use crate::tiny::{FIRST_OFFSET, Tiny};

/// Names that are given in the order in which they are asked for.
struct Given {
    /// The new name of each old one.
    names: [Cell<u8>; IDS],
    next: Cell<u8>,
}

/// A state that was renamed one step ago mentions fewer ids.
const IDS: usize = 64;
const UNNAMED: u8 = u8::MAX;

impl Given {
    fn new() -> Self {
        Self {
            names: std::array::from_fn(|_| Cell::new(UNNAMED)),
            next: Cell::new(0),
        }
    }

    fn name(&self, old: u8) -> u8 {
        let name = &self.names[usize::from(old) % IDS];
        if name.get() == UNNAMED {
            name.set(self.next.get());
            self.next.set(self.next.get() + 1);
        }
        name.get()
    }
}

/// Where each node goes, and the new names.
struct Renamed {
    to: [u8; NODES_MAX],
    replids: Given,
    writes: Given,
}

impl Names<Tiny> for Renamed {
    fn host(&self, host: u8) -> u8 {
        self.to[usize::from(host)]
    }

    fn replid(&self, replid: u8) -> u8 {
        self.replids.name(replid)
    }

    fn offset(&self, offset: u8) -> u8 {
        offset
    }

    // No attempt is under way: all tickets are past.
    fn ticket(&self, _: u8) -> u8 {
        1
    }

    // What is compared with a generation is of the one connection there is.
    fn generation(&self, _: u8) -> u8 {
        LIVE
    }
}

/// The orders that nodes may be put into.
const ORDERS: [[u8; NODES_MAX]; 6] = [
    [0, 1, 2],
    [1, 0, 2],
    [0, 2, 1],
    [2, 1, 0],
    [1, 2, 0],
    [2, 0, 1],
];

impl Nodes {
    /// A replid that nobody knows.
    pub(super) fn fresh_replid(&self) -> u8 {
        let known = self.all.iter().flat_map(Member::replids).max();
        known.map_or(0, |replid| replid + 1)
    }

    /// A write that was never made.
    pub(super) fn fresh_write(&self) -> u8 {
        let held = self.all.iter().flat_map(Member::datasets);
        let last = held.flat_map(|writes| writes.as_slice().iter().copied().max());
        last.max().map_or(0, |id| id + 1)
    }

    /// What is settled is forgotten; nodes stay where they are.
    #[must_use]
    pub(super) fn settled(mut self) -> Self {
        self.forget_names();
        self.forget_what_all_have();
        self.rename(ORDERS[0])
    }

    /// The representative of this state, and 64 bits of it.
    #[must_use]
    pub fn canonical(mut self) -> (Self, u64) {
        self.forget_names();
        self.forget_what_all_have();
        let hasher = FixedState::with_seed(0);
        let keys: Vec<u64> = (self.all.iter())
            .map(|member| hasher.hash_one(member.nameless()))
            .collect();
        let count = self.all.len();
        let sorted = |to: &&[u8; NODES_MAX]| {
            // Nodes beyond the last stay where they are, and keys do not fall.
            let key = |place: usize| to.iter().position(|t| usize::from(*t) == place);
            let key = |place| key(place).and_then(|from| keys.get(from));
            (count..NODES_MAX).all(|at| usize::from(to[at]) == at)
                && (1..count).all(|place| key(place - 1) <= key(place))
        };
        let candidates = ORDERS.iter().filter(sorted).map(|to| {
            let renamed = self.rename(*to);
            let print = hasher.hash_one(&renamed);
            (renamed, print)
        });
        candidates
            .min_by_key(|(_, print)| *print)
            .unwrap_or((self.clone(), 0))
    }

    /// Whether anybody but `at` may ask for that history.
    fn is_known(&self, at: u8, replid: u8) -> bool {
        let mut all = (0..).zip(&self.all);
        all.any(|(other, member)| other != at && member.asks_for(replid))
    }

    /// What `at` did not count is compared with nothing, since nobody knows its history: as good as if it had counted.
    pub(super) fn recount(&mut self, at: u8) {
        let member = self.member(at);
        let mut parts = member.node.parts();
        if member.active || self.is_known(at, parts.history.at.replid) {
            return;
        }
        let offset = FIRST_OFFSET + member.data.len();
        parts.history.at.offset = offset;
        let member = self.member_mut(at);
        (member.offset, member.node) = (offset, Node::from_parts(parts));
    }

    /// Second ids that nobody can ask for, and where a master's own writes began.
    fn forget_names(&mut self) {
        for at in (0..).take(self.all.len()) {
            self.recount(at);
            let member = self.member(at);
            let mut parts = member.node.parts();
            let second = parts.history.second;
            parts.history.second = second.filter(|second| self.is_known(at, second.replid));
            let own = &mut parts.history.at.offset;
            if matches!(parts.role, Role::Master { .. }) && *own < member.offset {
                *own = FIRST_OFFSET - 1;
            }
            self.member_mut(at).node = Node::from_parts(parts);
        }
    }

    /// The beginning of every family, and with it every offset.
    fn forget_what_all_have(&mut self) {
        // Families as sets of replids; a replid is less than 64 in a state that was renamed one step ago.
        let mut families: Vec<(u64, Writes, u8)> = Vec::new();
        let mut add = |names: u64, writes: Writes| {
            let mut new = (names, writes, writes.len());
            families.retain(|old| {
                let related = old.0 & new.0 != 0;
                if related {
                    new.0 |= old.0;
                    new.2 = new.2.min(old.2).min(new.1.common(&old.1));
                }
                !related
            });
            families.push(new);
        };
        for member in &self.all {
            let mut names = member.names();
            let (mut streamed, mut loaded) = (None, None);
            if let Some((Stage::Answered(Said::Continue(replid, _)), ..)) = self.stage_of(member) {
                // What it is to go on under, whatever has become of whoever said so.
                names |= 1 << replid;
            }
            match self.stage_of(member) {
                Some((Stage::Streaming(_) | Stage::Answered(Said::Continue(..)), peer, None)) => {
                    names |= peer.names();
                }
                Some((Stage::Streaming(_) | Stage::Answered(Said::Continue(..)), _, log)) => {
                    streamed = log;
                }
                Some((Stage::Loading(snapshot), _, log)) => loaded = Some((snapshot, log)),
                _ => {}
            }
            add(names, member.data);
            if let Some(log) = streamed {
                add(names, log);
            }
            if let Some((snapshot, log)) = loaded {
                add(1 << snapshot.at.replid, snapshot.data);
                add(1 << snapshot.at.replid, log.unwrap_or(snapshot.data));
            }
            if let Some(File {
                position: Some(position),
                data,
            }) = &member.file
            {
                add(1 << position.replid, *data);
            }
        }
        let shared = |replid: u8| {
            let of = families.iter().find(|family| family.0 >> replid & 1 == 1);
            of.map_or(0, |family| family.2)
        };
        for member in &mut self.all {
            member.forget(&shared);
        }
    }

    /// How far the connection of `member` is, whose it is, and what was its log if it closed it.
    fn stage_of(&self, member: &Member) -> Option<(Stage, &Member, Option<Writes>)> {
        let wire = member.wire.as_ref()?;
        Some((wire.stage, self.member(wire.to), wire.closed))
    }

    /// The same with the nodes at other places, and all names given anew.
    fn rename(&self, to: [u8; NODES_MAX]) -> Self {
        let names = Renamed {
            to,
            replids: Given::new(),
            writes: Given::new(),
        };
        let place = |place: usize| to.iter().position(|t| usize::from(*t) == place);
        let members = (0..self.all.len()).filter_map(|at| self.all.get(place(at)?));
        Self {
            all: members.map(|member| member.rename(&names)).collect(),
            spent: self.spent,
        }
    }
}

impl Member {
    /// The history it is on, and the one before.
    fn names(&self) -> u64 {
        let history = self.node.history();
        1 << history.at.replid | history.second.map_or(0, |second| 1 << second.replid)
    }

    /// Histories that it may ask somebody for: its own, that which is on its way, and that of its file.
    fn asks(&self) -> [Option<u8>; 3] {
        let coming = match self.wire.as_ref().map(|wire| wire.stage) {
            Some(Stage::Loading(snapshot)) => Some(snapshot.at.replid),
            Some(Stage::Answered(Said::Continue(replid, _))) => Some(replid),
            _ => None,
        };
        let file = (self.file.as_ref()).and_then(|f| Some(f.position?.replid));
        [Some(self.node.history().at.replid), coming, file]
    }

    fn asks_for(&self, replid: u8) -> bool {
        self.asks().contains(&Some(replid))
    }

    fn replids(&self) -> impl Iterator<Item = u8> {
        let second = self.node.history().second;
        let second = second.map(|second| second.replid);
        self.asks().into_iter().chain([second]).flatten()
    }

    fn datasets(&self) -> impl Iterator<Item = Writes> {
        let wire = self.wire.as_ref();
        let coming = match wire.map(|wire| wire.stage) {
            Some(Stage::Loading(snapshot)) => Some(snapshot.data),
            _ => None,
        };
        let closed = wire.and_then(|wire| wire.closed);
        let file = self.file.as_ref().map(|file| file.data);
        [Some(self.data), closed, coming, file]
            .into_iter()
            .flatten()
    }

    /// Forgets what all of each family have, as many writes as `shared` says of one.
    fn forget(&mut self, shared: &impl Fn(u8) -> u8) {
        // An offset before the common beginning is one before all others, whichever.
        let less = |offset: u8, by: u8| offset.saturating_sub(by).max(FIRST_OFFSET - 1);
        let mut parts = self.node.parts();
        let by = shared(parts.history.at.replid);
        let own = &mut parts.history.at.offset;
        *own = less(*own, by);
        if let Some(second) = &mut parts.history.second {
            // Nobody who is left has less than the common beginning.
            second.until = less(second.until, by).max(FIRST_OFFSET);
        }
        if let Role::Replica { link, .. } = &mut parts.role
            && let damselfly_core::Link::Promised { snapshot, .. }
            | damselfly_core::Link::Loading { snapshot, .. } = link
        {
            snapshot.offset = less(snapshot.offset, shared(snapshot.replid));
        }
        self.node = Node::from_parts(parts);
        self.data = self.data.without(by);
        self.offset = less(self.offset, by);
        if let Some(wire) = &mut self.wire {
            let mut of_log = by;
            match &mut wire.stage {
                Stage::Loading(snapshot) => {
                    of_log = shared(snapshot.at.replid);
                    snapshot.at.offset = less(snapshot.at.offset, of_log);
                    snapshot.data = snapshot.data.without(of_log);
                }
                Stage::Answered(Said::Continue(_, come)) | Stage::Streaming(come) => {
                    *come = come.saturating_sub(by);
                }
                Stage::Queued | Stage::Answered(Said::Refused { .. }) => {
                    // Nothing of the log is to come.
                    wire.closed = wire.closed.map(|_| Writes::default());
                }
                Stage::Dialing | Stage::Asked(..) => {}
            }
            wire.closed = wire.closed.map(|log| log.without(of_log));
        }
        if let Some(file) = &mut self.file
            && let Some(position) = &mut file.position
        {
            let by = shared(position.replid);
            position.offset = less(position.offset, by);
            file.data = file.data.without(by);
        }
    }

    /// What of it has no name in it, to tell most nodes apart by.
    fn nameless(&self) -> impl Hash {
        let parts = self.node.parts();
        let wire = self.wire.as_ref().map(|wire| {
            let stage = match wire.stage {
                Stage::Loading(snapshot) => (5, snapshot.at.offset, snapshot.torn),
                Stage::Streaming(come) => (4, come, false),
                Stage::Answered(Said::Refused { master }) => (3, 0, master),
                Stage::Answered(Said::Continue(_, come)) => (2, come, false),
                Stage::Queued => (1, 0, false),
                Stage::Dialing | Stage::Asked(..) => (0, 0, false),
            };
            (stage, wire.closed.map(|log| log.len()))
        });
        let ceding = match parts.role {
            Role::Replica { ceding, .. } => Some(ceding),
            Role::Master { .. } => None,
        };
        let file = (self.file.as_ref()).map(|f| (f.position.map(|at| at.offset), f.data.len()));
        let flags = (self.torn, self.active, self.passed, self.forced);
        let second = parts.history.second.map(|second| second.until);
        (
            (wire, ceding, file, flags),
            (self.data.len(), self.offset, parts.history.at.offset),
            (second, parts.data),
        )
    }

    fn rename(&self, names: &Renamed) -> Self {
        let writes = |old: Writes| old.rename(|id| names.writes.name(id));
        Self {
            node: self.node.rename(names),
            data: writes(self.data),
            wire: self.wire.map(|wire| Wire {
                to: names.host(wire.to),
                closed: wire.closed.map(writes),
                stage: match wire.stage {
                    Stage::Answered(Said::Continue(replid, come)) => {
                        Stage::Answered(Said::Continue(names.replid(replid), come))
                    }
                    Stage::Loading(snapshot) => Stage::Loading(Snapshot {
                        at: snapshot.at.rename(names),
                        data: writes(snapshot.data),
                        torn: snapshot.torn,
                    }),
                    stage => stage,
                },
            }),
            file: self.file.map(|file| File {
                position: file.position.map(|at| at.rename(names)),
                data: writes(file.data),
            }),
            ..*self
        }
    }
}
