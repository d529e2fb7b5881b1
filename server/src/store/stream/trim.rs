//! Trimming a stream from its old end, and the shape of Redis's index of nodes.

use super::{Id, Log, Refs, Stream};
use std::sync::Arc;

/// What a stream is trimmed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrimTo {
    /// So many entries.
    Len(u64),
    /// Entries from this ID on.
    From(Id),
}

/// A request to trim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trim {
    /// What to.
    pub to: TrimTo,
    /// Only whole nodes go.
    pub roughly: bool,
    /// About so many entries go at most; 0: no limit.
    pub limit: i64,
    /// What becomes of those that groups wait for.
    pub refs: Refs,
}

impl Stream {
    /// Trims the stream, node by node as Redis does; returns how many entries went.
    pub fn trim(&mut self, trim: &Trim) -> u64 {
        let (mut gone, mut next) = (0, Some(Id::MIN));
        while let Some(from) = next
            && let Some((&first, node)) = self.log.nodes.range(from..).next()
        {
            if matches!(trim.to, TrimTo::Len(len) if self.log.len <= len) {
                break;
            }
            let live = node.counts().0;
            if trim.limit > 0 && gone + live > trim.limit {
                break;
            }
            let whole = match trim.to {
                TrimTo::Len(len) => self.log.len.saturating_sub(live as u64) >= len,
                TrimTo::From(id) => node.entries(first).next_back().is_none_or(|r| r.id < id),
            };
            if trim.refs == Refs::Keep && whole {
                self.log.nodes.remove(&first);
                self.log.len -= live as u64;
                gone += live;
            } else if trim.refs != Refs::Keep || !trim.roughly {
                gone += self.trim_node(first, whole, trim);
            }
            if !whole {
                break;
            }
            next = first.next();
        }
        if self.log.len == 0 || gone > 0 {
            self.log.find_first();
        }
        gone as u64
    }

    /// Removes entries one by one from the node `first`, and the node if it may go as a `whole` and has none left.
    fn trim_node(&mut self, first: Id, whole: bool, trim: &Trim) -> i64 {
        let Some(mut node) = self.log.nodes.remove(&first) else {
            return 0;
        };
        let mut left = self.log.len;
        let mut going = Vec::new();
        let gone = Arc::make_mut(&mut node).delete_first(first, |record| {
            let stays = match trim.to {
                TrimTo::Len(len) => left <= len,
                TrimTo::From(id) => record.id >= id,
            };
            if stays {
                return None;
            }
            let goes =
                !record.deleted && (trim.refs != Refs::Heed || !self.is_referenced(record.id));
            left -= u64::from(goes);
            if goes && trim.refs == Refs::Drop {
                going.push(record.id);
            }
            Some(goes)
        });
        self.log.len = left;
        if !whole || node.counts().0 > 0 {
            self.log.nodes.insert(first, node);
        }
        for id in going {
            self.drop_references(id);
        }
        gone
    }
}

impl Log {
    /// How many nodes the radix tree has in which Redis finds the nodes by their IDs: what `XINFO STREAM` tells.
    pub fn radix_nodes(&self) -> usize {
        let keys: Vec<[u8; 16]> = self.nodes.keys().map(|id| id.to_bytes()).collect();
        match keys.is_empty() {
            true => 1,
            false => radix_nodes(&keys, 0),
        }
    }
}

/// The nodes below a place where all of `keys`, which are sorted, agree in the first `depth` bytes.
fn radix_nodes(keys: &[[u8; 16]], depth: usize) -> usize {
    let (first, last) = (&keys[0], &keys[keys.len() - 1]);
    let common = (depth..16).take_while(|&i| first[i] == last[i]).count();
    // What all have in common is one node, and so is a leaf, and so is where they part.
    let here = usize::from(common > 0) + 1;
    let apart = depth + common;
    if apart == 16 {
        return here;
    }
    let branches = keys.chunk_by(|a, b| a[apart] == b[apart]);
    here + branches
        .map(|keys| radix_nodes(keys, apart + 1))
        .sum::<usize>()
}
