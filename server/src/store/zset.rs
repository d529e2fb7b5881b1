//! Sorted sets: members ordered by score, then by their bytes.

mod packed;
mod ranked;

use std::cmp::Ordering;
use std::fmt;

use super::dense::{Dense, Keyed};
use super::elem::Elem;
use super::limits::Limits;
use super::pack;
use super::small::SmallBytes;
use packed::{Members, find, insert_in_order, push_back, read, read_score};
use ranked::{Item, Ranked};

/// A sorted set: a [`Pack`](pack::Pack) of members with scores, in order, while small; after, a table
/// of members beside a tree of ranks.
///
/// Scores are never NaN: callers refuse it before.
#[derive(Clone)]
pub struct Zset(Repr);

#[derive(Clone)]
enum Repr {
    Pack(Members),
    Big(Box<Big>),
}

#[derive(Clone)]
struct Big {
    table: Dense<Scored>,
    order: Ranked,
}

#[derive(Clone)]
struct Scored {
    member: SmallBytes,
    score: f64,
}

impl Keyed for Scored {
    fn key(&self) -> &[u8] {
        self.member.as_slice()
    }

    fn heap_bytes(&self) -> usize {
        self.member.heap_bytes()
    }
}

/// The order of a sorted set. 0 and -0 are equal.
fn order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    let scores = a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal);
    scores.then_with(|| a.1.cmp(b.1))
}

impl fmt::Debug for Zset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Default for Zset {
    fn default() -> Self {
        Self::new()
    }
}

impl Zset {
    /// An empty sorted set.
    pub const fn new() -> Self {
        Zset(Repr::Pack(Members::new()))
    }

    /// An empty sorted set that will be large, or that must keep apart 0 and -0, which the compact form does not.
    pub fn new_big() -> Self {
        Zset(Repr::Big(Box::new(Big::new())))
    }

    /// The sorted set in its compact form, if it fits in.
    pub fn compact(self, limits: &Limits) -> Self {
        let is_short =
            |(member, _): (Elem<'_>, f64)| member.len() <= limits.zset_max_listpack_value;
        if self.len() > limits.zset_max_listpack_entries || !self.iter().all(is_short) {
            return self;
        }
        let mut pack = Members::new();
        for (member, score) in self.iter() {
            push_back(&mut pack, &member, score);
        }
        Zset(Repr::Pack(pack))
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Pack(pack) => pack.len(),
            Repr::Big(big) => big.order.len(),
        }
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding's name, as `OBJECT ENCODING` tells it.
    pub const fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Pack(_) => "listpack",
            Repr::Big(_) => "skiplist",
        }
    }

    /// Places for elements in its hash table; `None` if it has none.
    pub fn slots(&self) -> Option<usize> {
        match &self.0 {
            Repr::Big(big) => Some(big.table.slots()),
            Repr::Pack(_) => None,
        }
    }

    /// A member's score.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Repr::Pack(pack) => find(pack, member).map(|(_, _, score)| score),
            Repr::Big(big) => {
                let at = big.table.find(member).ok()?;
                Some(big.table.get(at).score)
            }
        }
    }

    /// A member's place in the order, from 0.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        match &self.0 {
            Repr::Pack(pack) => find(pack, member).map(|(_, rank, _)| rank),
            Repr::Big(big) => {
                let at = big.table.find(member).ok()?;
                Some(big.rank_of(big.table.get(at).score, member))
            }
        }
    }

    /// Sets a member's score; returns the one it had.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &Limits) -> Option<f64> {
        if let Repr::Pack(pack) = &mut self.0 {
            if let Some((pos, _, old)) = find(pack, member) {
                if old != score {
                    pack.remove(pos, 1);
                    insert_in_order(pack, member, score);
                }
                return Some(old);
            }
            if pack.len() < limits.zset_max_listpack_entries
                && member.len() <= limits.zset_max_listpack_value
            {
                insert_in_order(pack, member, score);
                return None;
            }
        }
        self.big().insert(member, score)
    }

    /// Removes a member; returns the score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Repr::Pack(pack) => {
                let (pos, _, score) = find(pack, member)?;
                pack.remove(pos, 1);
                Some(score)
            }
            Repr::Big(big) => big.remove(member),
        }
    }

    /// Removes the members of ranks `from..to`; returns how many there were.
    pub fn remove_range(&mut self, from: usize, to: usize) -> usize {
        let to = to.min(self.len());
        let gone = to.saturating_sub(from);
        match &mut self.0 {
            Repr::Pack(pack) => {
                if let Some(pos) = pack.nth(from) {
                    pack.remove(pos, gone);
                }
            }
            Repr::Big(big) => {
                for _ in 0..gone {
                    big.remove_rank(from);
                }
            }
        }
        gone
    }

    /// How many members come before the first one whose score `below` is false of; it must be true of a prefix of the
    /// order. This is how a bound becomes a rank.
    pub fn partition_scores(&self, below: impl Fn(f64) -> bool) -> usize {
        match &self.0 {
            Repr::Pack(pack) => {
                let scores = pack.iter().map(|[_, score]| read_score(score));
                scores.take_while(|score| below(*score)).count()
            }
            Repr::Big(big) => big.order.partition(|item| below(item.score())),
        }
    }

    /// The same by members.
    pub fn partition_members(&self, below: impl Fn(&[u8]) -> bool) -> usize {
        match &self.0 {
            Repr::Pack(_) => self.iter().take_while(|(m, _)| below(m)).count(),
            Repr::Big(big) => big.order.partition(|item| below(big.member(item))),
        }
    }

    /// The members as they are, for walking them later: nothing is found in it by its name.
    pub(super) fn frozen(&self) -> Zset {
        Zset(match &self.0 {
            Repr::Pack(pack) => Repr::Pack(pack.clone()),
            Repr::Big(big) => Repr::Big(Box::new(Big {
                table: big.table.frozen(),
                order: big.order.clone(),
            })),
        })
    }

    /// All members with their scores in order, from either end.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0, self.len())
    }

    /// The members of ranks `from..to` with their scores, from either end.
    pub fn range(&self, from: usize, to: usize) -> Iter<'_> {
        let to = to.min(self.len());
        let from = from.min(to);
        Iter(match &self.0 {
            Repr::Pack(pack) => Walk::Pack {
                records: pack.range(from, to),
                left: to - from,
            },
            Repr::Big(big) => Walk::Big {
                big,
                items: big.order.range(from, to),
            },
        })
    }

    /// A member picked evenly by the random number `r`, with its score; `None` if the set is empty.
    pub fn random(&self, r: u64) -> Option<(Elem<'_>, f64)> {
        let at = r.checked_rem(self.len() as u64)? as usize;
        match &self.0 {
            Repr::Pack(_) => self.range(at, at + 1).next(),
            Repr::Big(big) => {
                let scored = big.table.get(at);
                Some((scored.key().into(), scored.score))
            }
        }
    }

    /// `count` members with their scores, each picked by a number of `random`, so that some may come again; none if the
    /// set is empty.
    pub fn random_many(
        &self,
        count: usize,
        mut random: impl FnMut() -> u64,
        mut each: impl FnMut(&[u8], f64),
    ) {
        // A place in a pack is found by walking there: once for all of them.
        let all: Vec<_> = match &self.0 {
            Repr::Pack(_) => self.iter().collect(),
            Repr::Big(_) => Vec::new(),
        };
        for _ in 0..count {
            let r = random();
            let picked = match (r as usize).checked_rem(all.len()) {
                Some(at) => Some(all[at]),
                None => self.random(r),
            };
            if let Some((member, score)) = picked {
                each(&member, score);
            }
        }
    }

    /// The members at these places, which ascend (ranks, or in a big set numbers of no meaning), with their scores.
    pub fn pick(&self, places: &[usize], mut each: impl FnMut(&[u8], f64)) {
        match &self.0 {
            Repr::Pack(_) => {
                let mut all = self.iter().enumerate();
                for &place in places {
                    if let Some((_, (member, score))) = all.find(|(at, _)| *at == place) {
                        each(&member, score);
                    }
                }
            }
            Repr::Big(big) => {
                for &at in places.iter().filter(|&&at| at < big.table.len()) {
                    let scored = big.table.get(at);
                    each(scored.key(), scored.score);
                }
            }
        }
    }

    /// One step of `ZSCAN`: hands some members to `each` and returns the next cursor, 0 at the end.
    ///
    /// A compact set is handed over whole. What is there during a whole scan is seen at least once.
    pub fn scan(&self, cursor: u64, count: usize, mut each: impl FnMut(&[u8], f64)) -> u64 {
        match &self.0 {
            Repr::Pack(_) => {
                self.iter().for_each(|(member, score)| each(&member, score));
                0
            }
            Repr::Big(big) => big.table.scan(cursor, count, |s| each(s.key(), s.score)),
        }
    }

    /// Bytes allocated, by estimate.
    pub fn memory_usage(&self) -> usize {
        size_of::<Self>()
            + match &self.0 {
                Repr::Pack(pack) => pack.capacity(),
                Repr::Big(big) => {
                    size_of::<Big>() + big.table.memory_usage() + big.order.memory_usage()
                }
            }
    }

    /// The big form, made if need be.
    fn big(&mut self) -> &mut Big {
        if let Repr::Pack(_) = self.0 {
            let mut big = Box::new(Big::new());
            for (member, score) in self.iter() {
                big.insert(&member, score);
            }
            self.0 = Repr::Big(big);
        }
        match &mut self.0 {
            Repr::Big(big) => big,
            Repr::Pack(_) => unreachable!("just converted"),
        }
    }
}

impl Big {
    fn new() -> Self {
        Big {
            table: Dense::new(),
            order: Ranked::new(),
        }
    }

    fn member(&self, item: Item) -> &[u8] {
        self.table.get(item.id()).key()
    }

    /// Where a member of this score stands, or would stand.
    fn rank_of(&self, score: f64, member: &[u8]) -> usize {
        self.order.partition(|item| {
            // Most comparisons are settled by the score, without a look at the member.
            let this = item.score();
            this < score || (this == score && self.member(item) < member)
        })
    }

    fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        match self.table.find(member) {
            Ok(at) => {
                let old = self.table.get(at).score;
                // 0 and -0 are of one rank, but not the same.
                if old.to_bits() != score.to_bits() {
                    self.order.remove(self.rank_of(old, member));
                    let rank = self.rank_of(score, member);
                    self.order.insert(rank, Item::new(score, at));
                    self.table.get_mut(at).score = score;
                }
                Some(old)
            }
            Err(hash) => {
                let rank = self.rank_of(score, member);
                let member = SmallBytes::new(member);
                let at = self.table.insert_new(hash, Scored { member, score });
                self.order.insert(rank, Item::new(score, at));
                None
            }
        }
    }

    fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let at = self.table.find(member).ok()?;
        let score = self.table.get(at).score;
        self.remove_rank(self.rank_of(score, member));
        Some(score)
    }

    fn remove_rank(&mut self, rank: usize) {
        let Some(item) = self.order.get(rank) else {
            return;
        };
        self.order.remove(rank);
        // The table gives the last element this one's number: the tree must know it by that too.
        let last = self.table.len() - 1;
        if item.id() != last {
            let moved = self.table.get(last);
            let rank = self.rank_of(moved.score, moved.key());
            self.order.set(rank, Item::new(moved.score, item.id()));
        }
        self.table.swap_remove(item.id());
    }
}

/// Walks members of a [`Zset`] in order, from either end.
#[derive(Clone)]
pub struct Iter<'a>(Walk<'a>);

#[derive(Clone)]
enum Walk<'a> {
    Pack {
        records: pack::Iter<'a, 2>,
        left: usize,
    },
    Big {
        big: &'a Big,
        items: ranked::Range<'a>,
    },
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Elem<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Pack { records, left } => {
                let record = records.next()?;
                *left -= 1;
                Some(read(record))
            }
            Walk::Big { big, items } => items.next().map(|i| (big.member(i).into(), i.score())),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Walk::Pack { left, .. } => *left,
            Walk::Big { items, .. } => items.len(),
        };
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Pack { records, left } => {
                let record = records.next_back()?;
                *left -= 1;
                Some(read(record))
            }
            Walk::Big { big, items } => {
                items.next_back().map(|i| (big.member(i).into(), i.score()))
            }
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests;
