//! Lists: a queue of packs, which are shared with the copies that snapshots take: a change copies the pack it touches.

mod nodes;

use std::fmt;

use super::elem::Elem;
use super::encoded::Encoded;
use super::item::Item;
use super::limits::Limits;
use super::pack::{HEADER, Pos};
use nodes::{Node, Nodes};

/// A list, kept as a queue of bounded packs: both ends in constant time, an index by the packs' lengths from the nearer
/// end.
#[derive(Clone)]
pub struct List(Nodes);

/// Which end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The head: index 0.
    Left,
    /// The tail: index -1.
    Right,
}

/// What a node counted in elements may take in bytes besides.
const NODE_BYTES: usize = 8192;

/// Whether `pack` may take another `elems` elements of `bytes` bytes in all.
fn fits(pack: &Node, elems: usize, bytes: usize, limits: &Limits) -> bool {
    // With the header: a full node is to be of a size that the allocator has.
    let bytes = HEADER + pack.byte_len() + bytes;
    match limits.list_max_listpack_size {
        n @ 1.. => pack.len() + elems <= n as usize && bytes <= NODE_BYTES,
        n => bytes <= 4096 << (-1 - n.clamp(-5, -1)),
    }
}

fn fits_elem(pack: &Node, elem: &[Encoded<'_>; 1], limits: &Limits) -> bool {
    fits(pack, 1, Node::encoded_len(elem), limits)
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Elem::from)).finish()
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// An empty list.
    pub const fn new() -> Self {
        List(Nodes::new())
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.0.elements()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding's name, as `OBJECT ENCODING` tells it.
    pub const fn encoding(&self) -> &'static str {
        "quicklist"
    }

    /// How many nodes it has, and the bytes of the elements in them.
    pub fn shape(&self) -> (usize, usize) {
        let bytes = self.0.iter().map(Node::byte_len).sum();
        (self.0.len(), bytes)
    }

    /// The number of the node at an end, if there is one.
    fn node_at(&self, end: End) -> Option<usize> {
        let last = self.0.len().checked_sub(1)?;
        Some(if end == End::Left { 0 } else { last })
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, elem: &[u8], limits: &Limits) {
        let elem = [Encoded::of(elem)];
        let added = self.node_at(end).and_then(|k| {
            let fits = fits_elem(self.0.get(k)?, &elem, limits);
            fits.then(|| {
                self.0.edit(k, |node| match end {
                    End::Left => node.push_front(&elem),
                    End::Right => node.push_back(&elem),
                })
            })
        });
        if added.is_none() {
            let k = if end == End::Left { 0 } else { self.0.len() };
            self.0.insert(k, single(&elem));
        }
    }

    /// The element at an end.
    pub fn peek(&self, end: End) -> Option<Elem<'_>> {
        let node = self.0.get(self.node_at(end)?)?;
        place_at(node, end).map(|pos| item(node.get(pos)).into())
    }

    /// Takes the element at an end; `None` if the list is empty.
    pub fn pop(&mut self, end: End) -> Option<Vec<u8>> {
        let elem = self.peek(end)?.to_vec();
        self.drop_end(end);
        Some(elem)
    }

    /// Removes the element at an end, if there is one.
    pub fn drop_end(&mut self, end: End) {
        let Some(k) = self.node_at(end) else {
            return;
        };
        self.0.edit(k, |node| {
            if let Some(pos) = place_at(node, end) {
                node.remove(pos, 1);
            }
        });
    }

    /// The element at an index.
    pub fn get(&self, index: usize) -> Option<Elem<'_>> {
        let (k, at) = self.locate(index)?;
        let node = self.0.get(k)?;
        node.nth(at).map(|pos| item(node.get(pos)).into())
    }

    /// Replaces the element at an index; false if there is none.
    pub fn set(&mut self, index: usize, elem: &[u8], limits: &Limits) -> bool {
        let Some((k, at)) = self.locate(index) else {
            return false;
        };
        let new = [Encoded::of(elem)];
        let Some((node, pos)) = self.0.get(k).and_then(|node| Some((node, node.nth(at)?))) else {
            return false;
        };
        let grown = Node::encoded_len(&new).saturating_sub(node.size_of(pos));
        if grown == 0 || node.len() == 1 || fits(node, 0, grown, limits) {
            self.0.edit(k, |node| node.replace(pos, &new));
        } else {
            self.remove_range(index, 1, limits);
            self.insert(index, elem, limits);
        }
        true
    }

    /// Puts an element before the one at `index`, or at the end if there is none.
    pub fn insert(&mut self, index: usize, elem: &[u8], limits: &Limits) {
        let Some((k, at)) = self.locate(index) else {
            return self.push(End::Right, elem, limits);
        };
        if index == 0 {
            return self.push(End::Left, elem, limits);
        }
        let elem = [Encoded::of(elem)];
        let nodes = &mut self.0;
        let fits_in = |node: Option<&Node>| node.is_some_and(|n| fits_elem(n, &elem, limits));
        if fits_in(nodes.get(k)) {
            nodes.edit(k, |node| {
                if let Some(pos) = node.nth(at) {
                    node.insert_before(pos, &elem);
                }
            });
        } else if at == 0 && k > 0 && fits_in(nodes.get(k - 1)) {
            nodes.edit(k - 1, |node| node.push_back(&elem));
        } else if at == 0 {
            nodes.insert(k, single(&elem));
        } else {
            let mut tail = nodes.edit(k, |node| node.split_off(at)).unwrap_or_default();
            if fits_in(nodes.get(k)) {
                nodes.edit(k, |node| node.push_back(&elem));
            } else if fits_in(Some(&tail)) {
                tail.push_front(&elem);
            } else {
                nodes.insert(k + 1, single(&elem));
                return nodes.insert(k + 2, tail);
            }
            nodes.insert(k + 1, tail);
        }
    }

    /// Removes `count` elements from `index` on (fewer if the list ends before); returns how many.
    pub fn remove_range(&mut self, index: usize, count: usize, limits: &Limits) -> usize {
        let Some((first, at)) = self.locate(index) else {
            return 0;
        };
        let gone = count.min(self.len() - index);
        let mut left = gone;
        let mut k = first;
        let nodes = &mut self.0;
        if at > 0 {
            left -= nodes
                .edit(k, |node| cut(node, at, left))
                .unwrap_or_default();
            k += 1;
        }
        let whole = k;
        while let Some(node) = nodes.get(k)
            && left > 0
            && node.len() <= left
        {
            left -= node.len();
            k += 1;
        }
        if left > 0 {
            nodes.edit(k, |node| cut(node, 0, left));
        }
        nodes.remove(whole..k);
        self.merge_around(first, limits);
        gone
    }

    /// Removes up to `limit` elements equal to `elem`, sought from an end; returns how many.
    pub fn remove_equal(&mut self, from: End, elem: &[u8], limit: usize, limits: &Limits) -> usize {
        let (elem, mut gone) = (Item::of(elem), 0);
        let drop_in = |node: &Node| {
            let kept = without(node, from, elem, limit - gone)?;
            gone += node.len() - kept.len();
            Some(kept)
        };
        let joinable = |left: &Node, right: &Node| joinable(left, right, limits);
        self.0.rewrite(from == End::Right, drop_in, joinable);
        gone
    }

    /// The elements in order, from either end.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Item<'_>> {
        self.0.iter().flat_map(|node| node.iter()).map(item)
    }

    /// The elements from `index` on.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = Item<'_>> {
        let (k, at) = self.locate(index).unwrap_or((self.0.len(), 0));
        let mut nodes = self.0.range(k);
        let first = nodes.next().map(|node| node.range(at, node.len()));
        let rest = nodes.flat_map(|node| node.iter());
        first.into_iter().flatten().chain(rest).map(item)
    }

    /// Bytes allocated, by estimate.
    pub fn memory_usage(&self) -> usize {
        size_of::<Self>() + self.0.memory_usage()
    }

    /// The node of an index and the place in it.
    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        let len = self.len();
        if index >= len {
            return None;
        }
        if index < len / 2 {
            let mut before = 0;
            for (k, node) in self.0.iter().enumerate() {
                if index < before + node.len() {
                    return Some((k, index - before));
                }
                before += node.len();
            }
        } else {
            let (mut end, mut k) = (len, self.0.len());
            for node in self.0.iter().rev() {
                end -= node.len();
                k -= 1;
                if index >= end {
                    return Some((k, index - end));
                }
            }
        }
        None
    }

    /// Joins node `k` with its neighbours if they are [`joinable`].
    fn merge_around(&mut self, k: usize, limits: &Limits) {
        for left in [Some(k), k.checked_sub(1)].into_iter().flatten() {
            let right = left + 1;
            if let (Some(into), Some(from)) = (self.0.get(left), self.0.get(right))
                && joinable(into, from, limits)
            {
                self.0.join(left);
            }
        }
    }
}

/// The place of the element at an end of a node.
fn place_at(node: &Node, end: End) -> Option<Pos> {
    match end {
        End::Left => node.first(),
        End::Right => node.last(),
    }
}

/// The one element of a record.
fn item([item]: [Item<'_>; 1]) -> Item<'_> {
    item
}

/// Removes up to `count` elements from place `at` on; returns how many.
fn cut(node: &mut Node, at: usize, count: usize) -> usize {
    let before = node.len();
    if let Some(pos) = node.nth(at) {
        node.remove(pos, count);
    }
    before - node.len()
}

/// Whether two neighbours fit in half a node: joining them leaves no trail of near-empty nodes, and
/// the next insertion does not split them again.
fn joinable(left: &Node, right: &Node, limits: &Limits) -> bool {
    let (elems, bytes) = (left.len() + right.len(), left.byte_len() + right.byte_len());
    fits(left, elems + right.len(), bytes + right.byte_len(), limits)
}

/// A node of one element, whatever its size.
fn single(elem: &[Encoded<'_>; 1]) -> Node {
    let mut node = Node::new();
    node.push_back(elem);
    node
}

/// [`List::remove_equal`] in one node: what is left, in one pass; `None` if that is all of it.
fn without(node: &Node, from: End, elem: Item<'_>, limit: usize) -> Option<Node> {
    if limit == 0 {
        return None;
    }
    let found = node.iter().filter(|[e]| *e == elem).count();
    let gone = found.min(limit);
    if gone == 0 {
        return None;
    }
    let spared = match from {
        End::Left => 0,
        End::Right => found - gone,
    };
    let mut seen = 0;
    let mut kept = Node::new();
    for [e] in node.iter() {
        if e == elem {
            seen += 1;
            if seen > spared && seen <= spared + gone {
                continue;
            }
        }
        kept.push_back(&[e.into()]);
    }
    Some(kept)
}

#[cfg(test)]
mod tests;
