//! The compact form of a sorted set: records of member and score, in order.

use super::order;
use crate::store::elem::Elem;
use crate::store::encoded::Encoded;
use crate::store::item::Item;
use crate::store::pack::{Pack, Pos, Record};

/// Members with their scores.
pub(super) type Members = Pack<2>;

/// The bytes of a score.
const WIDTH: usize = 8;

/// A score as it stands in a pack: an integer if it is a small one, or the upper bytes, as many as are not zero.
/// -0 becomes 0, as in Redis's compact form.
pub(super) struct Score([u8; WIDTH], usize, Option<i64>);

impl Score {
    pub fn of(score: f64) -> Self {
        let int = score as i32;
        if f64::from(int) == score {
            return Score([0; WIDTH], 0, Some(int.into()));
        }
        let bytes = score.to_be_bytes();
        let needed = bytes.iter().rposition(|byte| *byte != 0);
        Score(bytes, needed.map_or(0, |last| last + 1), None)
    }

    fn encoded(&self) -> Encoded<'_> {
        match self.2 {
            Some(int) => Encoded::int(int),
            None => Encoded::bytes(&self.0[..self.1]),
        }
    }
}

/// The score of a record.
pub(super) fn read_score(score: Item<'_>) -> f64 {
    match score {
        Item::Int(int) => int as f64,
        Item::Bytes(bytes) => {
            let mut all = [0; WIDTH];
            let len = bytes.len().min(WIDTH); // never more
            all[..len].copy_from_slice(&bytes[..len]);
            f64::from_be_bytes(all)
        }
    }
}

/// A record as it is handed out.
pub(super) fn read([member, score]: [Item<'_>; 2]) -> (Elem<'_>, f64) {
    (member.into(), read_score(score))
}

/// Runs `f` with the record of a member.
fn with_record<T>(member: &[u8], score: f64, f: impl FnOnce(&Record<'_, 2>) -> T) -> T {
    f(&[Encoded::of(member), Score::of(score).encoded()])
}

/// Puts a member that is not there where it belongs.
pub(super) fn insert_in_order(pack: &mut Members, member: &[u8], score: f64) {
    let mut at = pack.first();
    while let Some(pos) = at {
        let [this, its] = pack.get(pos);
        let its = read_score(its);
        // Digits are written out only for members of one score.
        if its > score || (its == score && order((its, &Elem::from(this)), (score, member)).is_gt())
        {
            return with_record(member, score, |record| pack.insert_before(pos, record));
        }
        at = pack.next(pos);
    }
    push_back(pack, member, score);
}

/// Appends a member.
pub(super) fn push_back(pack: &mut Members, member: &[u8], score: f64) {
    with_record(member, score, |record| pack.push_back(record));
}

/// A member's place, rank and score.
pub(super) fn find(pack: &Members, member: &[u8]) -> Option<(Pos, usize, f64)> {
    let (pos, rank) = pack.find(&Encoded::of(member))?;
    let [_, score] = pack.get(pos);
    Some((pos, rank, read_score(score)))
}
