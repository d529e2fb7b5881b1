//! Lists: a queue of packs, which are shared with the copies that snapshots take: a change copies the pack it touches.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::elem::Elem;
use super::limits::Limits;
use super::pack::Pack;

/// A list, kept as a queue of bounded [`Pack`]s: both ends in constant time, an index by the packs'
/// lengths from the nearer end.
#[derive(Clone, Default)]
pub struct List {
    /// None of them empty.
    nodes: VecDeque<Arc<Pack>>,
    len: usize,
}

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
fn fits(pack: &Pack, elems: usize, bytes: usize, limits: &Limits) -> bool {
    let bytes = pack.byte_len() + bytes;
    match limits.list_max_listpack_size {
        n @ 1.. => pack.len() + elems <= n as usize && bytes <= NODE_BYTES,
        n => bytes <= 4096 << (-1 - n.clamp(-5, -1)),
    }
}

fn fits_elem(pack: &Pack, elem: &[u8], limits: &Limits) -> bool {
    fits(pack, 1, Pack::encoded_len(elem.len()), limits)
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Elem::from)).finish()
    }
}

impl List {
    /// An empty list.
    pub const fn new() -> Self {
        List {
            nodes: VecDeque::new(),
            len: 0,
        }
    }

    /// The number of elements.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The encoding's name, as `OBJECT ENCODING` tells it.
    pub const fn encoding(&self) -> &'static str {
        "quicklist"
    }

    /// How many nodes it has, and the bytes of the elements in them.
    pub fn shape(&self) -> (usize, usize) {
        let bytes = self.nodes.iter().map(|node| node.byte_len()).sum();
        (self.nodes.len(), bytes)
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, elem: &[u8], limits: &Limits) {
        let node = match end {
            End::Left => self.nodes.front_mut(),
            End::Right => self.nodes.back_mut(),
        };
        match node {
            Some(node) if fits_elem(node, elem, limits) => match end {
                End::Left => Arc::make_mut(node).push_front(elem),
                End::Right => Arc::make_mut(node).push_back(elem),
            },
            _ => {
                let node = single(elem);
                match end {
                    End::Left => self.nodes.push_front(node),
                    End::Right => self.nodes.push_back(node),
                }
            }
        }
        self.len += 1;
    }

    /// The element at an end.
    pub fn peek(&self, end: End) -> Option<&[u8]> {
        match end {
            End::Left => self.nodes.front().and_then(|n| n.first().map(|p| n.get(p))),
            End::Right => self.nodes.back().and_then(|n| n.last().map(|p| n.get(p))),
        }
    }

    /// Takes the element at an end; `None` if the list is empty.
    pub fn pop(&mut self, end: End) -> Option<Vec<u8>> {
        let elem = self.peek(end)?.to_vec();
        self.drop_end(end);
        Some(elem)
    }

    /// Removes the element at an end, if there is one.
    pub fn drop_end(&mut self, end: End) {
        let node = match end {
            End::Left => self.nodes.front_mut(),
            End::Right => self.nodes.back_mut(),
        };
        let Some(node) = node else {
            return;
        };
        let pos = match end {
            End::Left => node.first(),
            End::Right => node.last(),
        };
        if let Some(pos) = pos {
            Arc::make_mut(node).remove(pos, 1);
            self.len -= 1;
        }
        if node.is_empty() {
            match end {
                End::Left => self.nodes.pop_front(),
                End::Right => self.nodes.pop_back(),
            };
        }
    }

    /// The element at an index.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let (node, at) = self.locate(index)?;
        let node = &self.nodes[node];
        node.nth(at).map(|pos| node.get(pos))
    }

    /// Replaces the element at an index; false if there is none.
    pub fn set(&mut self, index: usize, elem: &[u8], limits: &Limits) -> bool {
        let Some((k, at)) = self.locate(index) else {
            return false;
        };
        let node = &mut self.nodes[k];
        let Some(pos) = node.nth(at) else {
            return false;
        };
        let old = Pack::encoded_len(node.get(pos).len());
        let new = Pack::encoded_len(elem.len());
        if new <= old || node.len() == 1 || fits(node, 0, new - old, limits) {
            Arc::make_mut(node).replace(pos, elem);
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
        self.len += 1;
        let node = &mut self.nodes[k];
        if fits_elem(node, elem, limits) {
            if let Some(pos) = node.nth(at) {
                Arc::make_mut(node).insert_before(pos, elem);
            }
        } else if at == 0 && k > 0 && fits_elem(&self.nodes[k - 1], elem, limits) {
            Arc::make_mut(&mut self.nodes[k - 1]).push_back(elem);
        } else if at == 0 {
            self.nodes.insert(k, single(elem));
        } else {
            let node = Arc::make_mut(&mut self.nodes[k]);
            let mut tail = node.split_off(at);
            if fits_elem(node, elem, limits) {
                node.push_back(elem);
            } else if fits_elem(&tail, elem, limits) {
                tail.push_front(elem);
            } else {
                self.nodes.insert(k + 1, single(elem));
                self.nodes.insert(k + 2, Arc::new(tail));
                return;
            }
            self.nodes.insert(k + 1, Arc::new(tail));
        }
    }

    /// Removes `count` elements from `index` on (fewer if the list ends before); returns how many.
    pub fn remove_range(&mut self, index: usize, count: usize, limits: &Limits) -> usize {
        let Some((first, at)) = self.locate(index) else {
            return 0;
        };
        let gone = count.min(self.len - index);
        let mut left = gone;
        let mut k = first;
        if at > 0 {
            let node = &mut self.nodes[k];
            let n = left.min(node.len() - at);
            if let Some(pos) = node.nth(at) {
                Arc::make_mut(node).remove(pos, n);
            }
            left -= n;
            k += 1;
        }
        let whole = k;
        while left > 0 && self.nodes[k].len() <= left {
            left -= self.nodes[k].len();
            k += 1;
        }
        if left > 0
            && let Some(pos) = self.nodes[k].first()
        {
            Arc::make_mut(&mut self.nodes[k]).remove(pos, left);
        }
        self.nodes.drain(whole..k);
        self.len -= gone;
        self.merge_around(first, limits);
        gone
    }

    /// Removes up to `limit` elements equal to `elem`, sought from an end; returns how many.
    pub fn remove_equal(&mut self, from: End, elem: &[u8], limit: usize, limits: &Limits) -> usize {
        let mut gone = 0;
        let mut drop_in = |node: &mut Arc<Pack>| {
            if gone < limit {
                gone += remove_equal_in(node, from, elem, limit - gone);
            }
        };
        match from {
            End::Left => self.nodes.iter_mut().for_each(&mut drop_in),
            End::Right => self.nodes.iter_mut().rev().for_each(&mut drop_in),
        }
        if gone > 0 {
            self.len -= gone;
            self.compact(limits);
        }
        gone
    }

    /// The elements in order, from either end.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.nodes.iter().flat_map(|node| node.iter())
    }

    /// The elements from `index` on.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = &[u8]> {
        let start = self.locate(index).and_then(|(k, at)| {
            let pos = self.nodes[k].nth(at)?;
            Some((k, self.nodes[k].iter_from(pos)))
        });
        let rest = start.as_ref().map_or(self.nodes.len(), |(k, _)| k + 1);
        let first = start.into_iter().flat_map(|(_, elems)| elems);
        first.chain(self.nodes.range(rest..).flat_map(|node| node.iter()))
    }

    /// Bytes allocated, by estimate.
    pub fn memory_usage(&self) -> usize {
        /// A pack, and two counts before it.
        const OF_NODE: usize = size_of::<Pack>() + 2 * size_of::<usize>();
        let packs = self.nodes.iter().map(|node| OF_NODE + node.capacity());
        size_of::<Self>() + self.nodes.capacity() * size_of::<usize>() + packs.sum::<usize>()
    }

    /// The node of an index and the place in it.
    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index < self.len / 2 {
            let mut before = 0;
            for (k, node) in self.nodes.iter().enumerate() {
                if index < before + node.len() {
                    return Some((k, index - before));
                }
                before += node.len();
            }
        } else {
            let mut end = self.len;
            for (k, node) in self.nodes.iter().enumerate().rev() {
                end -= node.len();
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
            if right < self.nodes.len()
                && joinable(&self.nodes[left], &self.nodes[right], limits)
                && let Some(gone) = self.nodes.remove(right)
            {
                Arc::make_mut(&mut self.nodes[left]).append(&gone);
            }
        }
    }

    /// Drops empty nodes and joins small neighbours, everywhere.
    fn compact(&mut self, limits: &Limits) {
        for node in std::mem::take(&mut self.nodes) {
            match self.nodes.back_mut() {
                _ if node.is_empty() => {}
                Some(last) if joinable(last, &node, limits) => Arc::make_mut(last).append(&node),
                _ => self.nodes.push_back(node),
            }
        }
    }
}

/// Whether two neighbours fit in half a node: joining them leaves no trail of near-empty nodes, and
/// the next insertion does not split them again.
fn joinable(left: &Pack, right: &Pack, limits: &Limits) -> bool {
    let (elems, bytes) = (left.len() + right.len(), left.byte_len() + right.byte_len());
    fits(left, elems + right.len(), bytes + right.byte_len(), limits)
}

/// A node of one element, whatever its size.
fn single(elem: &[u8]) -> Arc<Pack> {
    let mut node = Pack::new();
    node.push_back(elem);
    Arc::new(node)
}

/// [`List::remove_equal`] in one node: rebuilt in one pass if it has any.
fn remove_equal_in(node: &mut Arc<Pack>, from: End, elem: &[u8], limit: usize) -> usize {
    let found = node.iter().filter(|e| *e == elem).count();
    let gone = found.min(limit);
    if gone == 0 {
        return 0;
    }
    let spared = match from {
        End::Left => 0,
        End::Right => found - gone,
    };
    let mut seen = 0;
    let mut kept = Pack::new();
    for e in node.iter() {
        if e == elem {
            seen += 1;
            if seen > spared && seen <= spared + gone {
                continue;
            }
        }
        kept.push_back(e);
    }
    *node = Arc::new(kept);
    gone
}

#[cfg(test)]
mod tests;
