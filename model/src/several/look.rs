//! All nodes together, against the truth.

use damselfly_core::properties::{Broken, Property};
use damselfly_core::{Failover, Position, Role};

use super::{Member, NODES_MAX, Nodes, Size, Stage, Writes};
use crate::tiny::{FIRST_OFFSET, Tiny};

/// Somebody says that this is what the history of that name holds up to there.
type Claim = (Position<Tiny>, Writes);

impl Nodes {
    pub(super) fn look(&mut self, size: &Size, broken: &mut Broken) {
        for at in 0..self.all.len() {
            let member = &mut self.all[at];
            if member.status().failover == Failover::No {
                member.forced = false;
                if matches!(member.node.role(), Role::Replica { .. }) {
                    member.passed = false;
                }
            }
            member.look(broken);
            self.look_at_stream(&self.all[at], broken);
        }
        self.look_at_names(broken);
        if !(size.may.replicaof || size.may.force || size.may.crash) {
            self.look_at_masters(broken);
        }
    }

    /// What streams holds a beginning of what its master has sent.
    fn look_at_stream(&self, member: &Member, broken: &mut Broken) {
        if let Some(wire) = &member.wire
            && matches!(wire.stage, Stage::Streaming(_))
            && !self.source(wire).begins_with(&member.data)
        {
            broken.add(Property::Prefix);
        }
    }

    /// One name, one history: whatever is said of it by anybody is said of the same writes.
    fn look_at_names(&self, broken: &mut Broken) {
        let mut claims = [None; 4 * NODES_MAX];
        for (place, claim) in (claims.iter_mut()).zip(self.all.iter().flat_map(Member::claims)) {
            *place = Some(claim);
        }
        for (number, (one, writes)) in claims.iter().flatten().enumerate() {
            for (other, theirs) in claims[..number].iter().flatten() {
                let same = one.replid == other.replid;
                if same && !writes.begins_with(theirs) && !theirs.begins_with(writes) {
                    broken.add(Property::OffsetDescribesDataset);
                }
            }
        }
    }

    /// Nobody but a hand-over makes a master: there is one at most.
    fn look_at_masters(&self, broken: &mut Broken) {
        let masters = self.all.iter().filter(|m| m.status().takes_writes());
        if masters.count() > 1 {
            broken.add(Property::NoSplitWrite);
        }
    }
}

impl Member {
    fn look(&self, broken: &mut Broken) {
        let status = self.status();
        if self.torn && !status.refuses_reads() {
            broken.add(Property::AtomicSwap);
        }
        if self.torn && status.takes_writes() {
            broken.add(Property::NoPartialPromotion);
        }
        // Who was asked to take over has, and nobody has made this one a master since.
        if self.passed && status.takes_writes() {
            broken.add(Property::NoSplitWrite);
        }
        let held = FIRST_OFFSET + self.data.len();
        let right = match status.master {
            Some(_) => status.history.at.offset == self.offset,
            // A master's own log counts on from there.
            None => status.history.at.offset <= self.offset,
        };
        if self.active && !self.torn && (self.offset != held || !right) {
            broken.add(Property::OffsetDescribesDataset);
        }
    }

    /// What it, its file and what is on its way to it say of histories.
    fn claims(&self) -> impl Iterator<Item = Claim> {
        let history = self.node.history();
        let counted = self.active && !self.torn && !self.status().diverged;
        let position = |offset| Position {
            replid: history.at.replid,
            offset,
        };
        let own = counted.then(|| (position(self.offset), self.data));
        let second = history.second.filter(|_| counted).map(|second| {
            let offset = second.until - 1;
            let replid = second.replid;
            let writes = self.data.first(offset.saturating_sub(FIRST_OFFSET));
            (Position { replid, offset }, writes)
        });
        let file = (self.file.as_ref()).and_then(|f| Some((f.position?, f.data)));
        let coming = match self.wire.as_ref().map(|wire| wire.stage) {
            Some(Stage::Loading(snapshot)) => Some((snapshot.at, snapshot.data)),
            _ => None,
        };
        [own, second, file, coming].into_iter().flatten()
    }
}
