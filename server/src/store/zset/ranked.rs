//! The order of a big sorted set: a B+ tree that counts.
//!
//! To this tree the order is given from outside: items are put in and taken out by rank, and a rank
//! is found by a question that is true of the first items and false of the rest. So it knows
//! nothing of members, and every range of a sorted set is two ranks.
//!
//! Nodes are shared with the copies that snapshots take: a change copies the nodes on its way.

use std::sync::Arc;

/// Items of a leaf, at most.
const LEAF: usize = 64;

/// Children of an inner node, at most.
const FANOUT: usize = 32;

/// A score and the number of the element that has it: 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Item {
    // In halves, for their alignment.
    high: u32,
    low: u32,
    id: u32,
}

impl Item {
    pub fn new(score: f64, id: usize) -> Self {
        let bits = score.to_bits();
        Item {
            high: (bits >> 32) as u32,
            low: bits as u32, // the lower half
            id: id as u32,    // dense numbers are below 2^32
        }
    }

    pub fn score(self) -> f64 {
        f64::from_bits(u64::from(self.high) << 32 | u64::from(self.low))
    }

    pub fn id(self) -> usize {
        self.id as usize
    }
}

/// A sequence of items with ranks.
#[derive(Clone)]
pub(super) struct Ranked {
    root: Node,
    len: usize,
}

#[derive(Clone)]
enum Node {
    Leaf(Vec<Item>),
    Inner(Vec<Child>),
}

#[derive(Clone)]
struct Child {
    /// The first item below, to search by without going down.
    first: Item,
    /// How many items are below.
    count: u32,
    node: Arc<Node>,
}

impl Child {
    /// Wraps a node that is not empty.
    fn of(node: Node) -> Option<Child> {
        let (first, count) = match &node {
            Node::Leaf(items) => (*items.first()?, items.len() as u32),
            Node::Inner(children) => (
                children.first()?.first,
                children.iter().map(|c| c.count).sum(),
            ),
        };
        let node = Arc::new(node);
        Some(Child { first, count, node })
    }
}

impl Ranked {
    pub const fn new() -> Self {
        Ranked {
            root: Node::Leaf(Vec::new()),
            len: 0,
        }
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    /// How many items `below` is true of; it must be true of a prefix and false of the rest.
    pub fn partition(&self, below: impl Fn(Item) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(items) => return rank + items.partition_point(|&item| below(item)),
                Node::Inner(children) => {
                    // The boundary is in the last child that begins below it.
                    let at = children
                        .partition_point(|c| below(c.first))
                        .saturating_sub(1);
                    rank += children[..at]
                        .iter()
                        .map(|c| c.count as usize)
                        .sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }

    /// The leaf of a rank, and the place in it; past the end, an empty slice.
    fn leaf(&self, mut rank: usize) -> (&[Item], usize) {
        if rank >= self.len {
            return (&[], 0);
        }
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(items) => return (items, rank),
                Node::Inner(children) => {
                    let at = child_of(children, &mut rank);
                    node = &children[at].node;
                }
            }
        }
    }

    /// The item of a rank.
    pub fn get(&self, rank: usize) -> Option<Item> {
        let (items, at) = self.leaf(rank);
        items.get(at).copied()
    }

    /// Puts an item before the one of `rank`, or at the end.
    pub fn insert(&mut self, rank: usize, item: Item) {
        let last = rank >= self.len;
        if let Some(right) = insert(&mut self.root, rank.min(self.len), item, last) {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
            let children = [Child::of(left), Some(right)];
            let mut both = Vec::with_capacity(FANOUT);
            both.extend(children.into_iter().flatten());
            self.root = Node::Inner(both);
        }
        self.len += 1;
    }

    /// Takes out the item of `rank`, if there is one.
    pub fn remove(&mut self, rank: usize) {
        if rank >= self.len {
            return;
        }
        remove(&mut self.root, rank);
        self.len -= 1;
        while let Node::Inner(children) = &mut self.root
            && children.len() == 1
            && let Some(only) = children.pop()
        {
            self.root = Arc::unwrap_or_clone(only.node);
        }
    }

    /// Replaces the item of `rank`, if there is one.
    pub fn set(&mut self, mut rank: usize, item: Item) {
        if rank >= self.len {
            return;
        }
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Leaf(items) => {
                    items[rank] = item;
                    return;
                }
                Node::Inner(children) => {
                    let at = child_of(children, &mut rank);
                    let child = &mut children[at];
                    if rank == 0 {
                        child.first = item;
                    }
                    node = Arc::make_mut(&mut child.node);
                }
            }
        }
    }

    /// The items of ranks `from..to`, from either end.
    pub fn range(&self, from: usize, to: usize) -> Range<'_> {
        let to = to.min(self.len);
        Range {
            tree: self,
            from: from.min(to),
            to,
            front: (&[], 0),
            back: (&[], 0),
        }
    }

    /// Bytes allocated, by estimate.
    pub fn memory_usage(&self) -> usize {
        // Leaves are two thirds full on average, and inner nodes a fraction of them.
        self.len * size_of::<Item>() * 3 / 2
            + self.len / LEAF * (size_of::<Child>() + size_of::<Node>() + 16) * 2
    }
}

/// The child that holds `rank`, which becomes the rank in that child. The last one takes what is past the end.
fn child_of(children: &[Child], rank: &mut usize) -> usize {
    let last = children.len() - 1;
    for (at, child) in children[..last].iter().enumerate() {
        let count = child.count as usize;
        if *rank < count {
            return at;
        }
        *rank -= count;
    }
    last
}

/// Inserts below `node`; a node that overflowed hands back its right half. `last`: at the very end of the tree.
fn insert(node: &mut Node, mut rank: usize, item: Item, last: bool) -> Option<Child> {
    match node {
        Node::Leaf(items) => {
            if items.len() < LEAF {
                items.insert(rank, item);
                return None;
            }
            // Growing at the end leaves full nodes behind: scores often only grow.
            let cut = if last { LEAF } else { LEAF / 2 };
            let mut right = Vec::with_capacity(LEAF);
            right.extend(items.drain(cut..));
            if rank <= cut && !last {
                items.insert(rank, item);
            } else {
                right.insert(rank - cut, item);
            }
            Child::of(Node::Leaf(right))
        }
        Node::Inner(children) => {
            let at = child_of(children, &mut rank);
            let child = &mut children[at];
            let split = insert(Arc::make_mut(&mut child.node), rank, item, last);
            child.count += 1;
            if rank == 0 {
                child.first = item;
            }
            let new = split?;
            child.count -= new.count;
            if children.len() < FANOUT {
                children.insert(at + 1, new);
                return None;
            }
            let cut = if last { FANOUT } else { FANOUT / 2 };
            let mut right = Vec::with_capacity(FANOUT);
            right.extend(children.drain(cut..));
            if at < cut && !last {
                children.insert(at + 1, new);
            } else {
                right.insert(at + 1 - cut, new);
            }
            Child::of(Node::Inner(right))
        }
    }
}

/// Removes below `node`.
fn remove(node: &mut Node, mut rank: usize) {
    match node {
        Node::Leaf(items) => {
            items.remove(rank);
        }
        Node::Inner(children) => {
            let at = child_of(children, &mut rank);
            let child = &mut children[at];
            remove(Arc::make_mut(&mut child.node), rank);
            child.count -= 1;
            if child.count == 0 {
                children.remove(at);
                return;
            }
            let (len, most) = match &*child.node {
                Node::Leaf(items) => (items.len(), LEAF),
                Node::Inner(below) => (below.len(), FANOUT),
            };
            if rank == 0 {
                child.first = match &*child.node {
                    Node::Leaf(items) => items[0],
                    Node::Inner(below) => below[0].first,
                };
            }
            if len < most / 4 {
                // Beside full neighbours it stays as it is.
                let joined = join(children, at);
                if !joined && at > 0 {
                    join(children, at - 1);
                }
            }
        }
    }
}

/// Moves all of child `left + 1` into child `left`, if there is one and it fits.
fn join(children: &mut Vec<Child>, left: usize) -> bool {
    let (head, tail) = children.split_at_mut(left + 1);
    let (Some(into), Some(from)) = (head.last_mut(), tail.first()) else {
        return false;
    };
    let fit = match (&*into.node, &*from.node) {
        (Node::Leaf(a), Node::Leaf(b)) => a.len() + b.len() <= LEAF,
        (Node::Inner(a), Node::Inner(b)) => a.len() + b.len() <= FANOUT,
        _ => false,
    };
    if !fit {
        return false;
    }
    match (Arc::make_mut(&mut into.node), &*from.node) {
        (Node::Leaf(a), Node::Leaf(b)) => a.extend_from_slice(b),
        (Node::Inner(a), Node::Inner(b)) => a.extend_from_slice(b),
        _ => return false,
    }
    into.count += from.count;
    children.remove(left + 1);
    true
}

/// Walks ranks of a [`Ranked`] from either end.
#[derive(Clone)]
pub(super) struct Range<'a> {
    tree: &'a Ranked,
    from: usize,
    to: usize,
    /// The leaf of `from` and the place in it.
    front: (&'a [Item], usize),
    /// The leaf of `to - 1` and the place behind that.
    back: (&'a [Item], usize),
}

impl Iterator for Range<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if self.from >= self.to {
            return None;
        }
        if self.front.1 >= self.front.0.len() {
            self.front = self.tree.leaf(self.from);
        }
        let item = self.front.0.get(self.front.1).copied();
        self.from += 1;
        self.front.1 += 1;
        item
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.to - self.from;
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Item> {
        if self.from >= self.to {
            return None;
        }
        if self.back.1 == 0 {
            let (items, at) = self.tree.leaf(self.to - 1);
            self.back = (items, at + 1);
        }
        self.to -= 1;
        self.back.1 -= 1;
        self.back.0.get(self.back.1).copied()
    }
}

impl ExactSizeIterator for Range<'_> {}

#[cfg(test)]
mod tests;
