//! The compact form of a sorted set: member, score, member, score... in order.

use super::order;
use crate::store::pack::{Pack, Pos};

/// The bytes of a score.
const WIDTH: usize = 8;

/// A score as it stands in a pack, and how many of the bytes are needed: the upper ones come first, since of a small whole
/// number the lower ones are zero. -0 becomes 0, as in Redis's compact form.
pub(super) struct ScoreBytes([u8; WIDTH], usize);

impl std::ops::Deref for ScoreBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

pub(super) fn score_bytes(score: f64) -> ScoreBytes {
    let bytes = (score + 0.0).to_be_bytes();
    let needed = bytes.iter().rposition(|byte| *byte != 0);
    ScoreBytes(bytes, needed.map_or(0, |last| last + 1))
}

pub(super) fn read_score(bytes: &[u8]) -> f64 {
    let mut all = [0; WIDTH];
    let len = bytes.len().min(WIDTH); // never more
    all[..len].copy_from_slice(&bytes[..len]);
    f64::from_be_bytes(all)
}

/// A member's place, rank and score.
pub(super) fn find(pack: &Pack, member: &[u8]) -> Option<(Pos, usize, f64)> {
    let mut at = pack.first();
    let mut rank = 0;
    while let Some(pos) = at {
        let score = pack.next(pos)?;
        if pack.get(pos) == member {
            return Some((pos, rank, read_score(pack.get(score))));
        }
        rank += 1;
        at = pack.next(score);
    }
    None
}

/// Puts a member that is not there where it belongs.
pub(super) fn insert_in_order(pack: &mut Pack, member: &[u8], score: f64) {
    let bytes = score_bytes(score);
    let mut at = pack.first();
    while let Some(pos) = at {
        let Some(next) = pack.next(pos) else {
            break;
        };
        let this = (read_score(pack.get(next)), pack.get(pos));
        if order(this, (score, member)).is_gt() {
            let pos = pack.insert_before(pos, member);
            pack.insert_after(pos, &bytes);
            return;
        }
        at = pack.next(next);
    }
    pack.push_back(member);
    pack.push_back(&bytes);
}
