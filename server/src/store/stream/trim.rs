//! Trimming a stream from its old end, and the shape of Redis's index of nodes.

use super::{Id, Log};
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
}

impl Log {
    /// Trims the stream, node by node as Redis does; returns how many entries went.
    pub fn trim(&mut self, trim: &Trim) -> u64 {
        let mut gone = 0;
        while let Some((&first, node)) = self.nodes.iter_mut().next() {
            if matches!(trim.to, TrimTo::Len(len) if self.len <= len) {
                break;
            }
            let live = node.counts().0;
            if trim.limit > 0 && gone + live > trim.limit {
                break;
            }
            let whole = match trim.to {
                TrimTo::Len(len) => self.len.saturating_sub(live as u64) >= len,
                TrimTo::From(id) => node.entries(first).next_back().is_none_or(|r| r.id < id),
            };
            if whole {
                self.nodes.remove(&first);
                self.len -= live as u64;
                gone += live;
                continue;
            }
            if !trim.roughly {
                let mut left = self.len;
                gone += Arc::make_mut(node).delete_first(first, |record| {
                    let goes = match trim.to {
                        TrimTo::Len(len) => left > len,
                        TrimTo::From(id) => record.id < id,
                    };
                    left -= u64::from(goes && !record.deleted);
                    goes
                });
                self.len = left;
            }
            break;
        }
        if self.len == 0 || gone > 0 {
            self.find_first();
        }
        gone as u64
    }

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
