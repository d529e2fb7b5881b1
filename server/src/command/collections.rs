//! What the commands of hashes, lists, sets and sorted sets share.

use std::ops::Range;

use super::args::{integer, is};
use super::scan::{ScanOptions, Scanned, cursor};
use super::{CmdError, Cx, Keys};
use crate::store::longdouble::LongDouble;
use crate::store::num;

/// Elements a command may be asked to pick with repetition. Redis has no such limit, and one request
/// can have it write replies until its memory is full.
const MAX_PICKS: u64 = 1 << 24;

/// A count that is not negative.
pub(super) fn positive(arg: &[u8]) -> Result<usize, CmdError> {
    at_least(arg, 0, "ERR value is out of range, must be positive")
}

/// An integer of `least` or more; anything else, `error`.
pub(super) fn at_least(arg: &[u8], least: i64, error: &'static str) -> Result<usize, CmdError> {
    num::parse_i64(arg)
        .filter(|&n| n >= least)
        .and_then(|n| usize::try_from(n).ok())
        .ok_or(CmdError::text(error))
}

/// Some of a command's arguments.
type Args<'a> = &'a [&'a [u8]];

/// The keys of a command that says at `at` how many they are, and the arguments behind them.
pub(super) fn counted<'a>(args: Args<'a>, at: usize) -> Result<(Args<'a>, Args<'a>), CmdError> {
    let count = at_least(args[at], 1, "ERR numkeys should be greater than 0")?;
    args[at + 1..]
        .split_at_checked(count)
        .ok_or(CmdError::Syntax)
}

/// How many elements LMPOP, ZMPOP and their kin may take, from their options.
pub(super) fn pop_count(options: Args<'_>) -> Result<usize, CmdError> {
    match options {
        [] => Ok(1),
        [option, count, rest @ ..] if is(option, "count") => {
            let count = at_least(count, 1, "ERR count should be greater than 0")?;
            if rest.is_empty() {
                Ok(count)
            } else {
                Err(CmdError::Syntax)
            }
        }
        _ => Err(CmdError::Syntax),
    }
}

/// The elements that `start` and `stop` of a range command mean, both included and counted from the
/// end if negative, in a collection of `len` elements.
pub(super) fn span(start: i64, stop: i64, len: usize) -> Range<usize> {
    let from_end = |index: i64| match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => len.checked_sub(index.unsigned_abs() as usize),
    };
    let start = from_end(start).unwrap_or(0);
    let end = from_end(stop).map_or(0, |stop| stop.saturating_add(1).min(len));
    start.min(end)..end
}

/// The element that an index of either sign means.
pub(super) fn place(index: i64, len: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => (index < len).then_some(index),
        Err(_) => len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// How many elements to pick at random.
pub(super) enum Picks {
    /// So many different ones.
    Distinct(usize),
    /// So many, each picked anew.
    Repeated(usize),
}

impl Picks {
    /// Reads the count: negative ones allow repetition. `pairs`: each pick is of two elements.
    pub fn parse(arg: &[u8], pairs: bool) -> Result<Picks, CmdError> {
        let count = integer(arg)?;
        if count == i64::MIN {
            return Err(CmdError::text(
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ));
        }
        let out_of_range = CmdError::text("ERR value is out of range");
        if pairs && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(out_of_range);
        }
        match usize::try_from(count) {
            Ok(count) => Ok(Picks::Distinct(count)),
            Err(_) if count.unsigned_abs() > MAX_PICKS => Err(out_of_range),
            Err(_) => Ok(Picks::Repeated(count.unsigned_abs() as usize)),
        }
    }
}

/// The moment a blocking command's timeout in seconds is up; `None`: never.
pub(super) fn deadline(arg: &[u8], now_ms: i64) -> Result<Option<i64>, CmdError> {
    // What C's `long double` holds, and no double, is too far away.
    let seconds = num::parse_f64(arg)
        .or_else(|| LongDouble::parse(arg).map(|_| f64::INFINITY))
        .ok_or(CmdError::text("ERR timeout is not a float or out of range"))?;
    let millis = match num::parse_i64(arg) {
        // Redis reads more digits than a double has.
        Some(whole) => whole.checked_mul(1000),
        None => Some((seconds * 1000.0).ceil())
            .filter(|millis| (0.0..i64::MAX as f64).contains(millis))
            .map(|millis| millis as i64),
    };
    // A time too far away counts as a negative one, as in Redis.
    match millis.filter(|millis| *millis >= 0) {
        None => Err(CmdError::text("ERR timeout is negative")),
        Some(millis) => Ok(until(millis, now_ms)),
    }
}

/// The moment that so many milliseconds are up; `None`: never. A time too far away is over at once, as in Redis, where it
/// comes out below zero.
pub(super) fn until(millis: i64, now_ms: i64) -> Option<i64> {
    (millis != 0).then(|| now_ms.checked_add(millis).unwrap_or(now_ms))
}

/// How a command gets at the collection of its type.
type Get<T> = for<'d> fn(&'d Keys<'_>, &[u8]) -> Result<Option<&'d T>, CmdError>;

/// Runs one of HSCAN, SSCAN, ZSCAN: `step` hands some elements over with [`Found::add`] and returns the
/// next cursor.
pub(super) fn scan<T>(
    cx: &mut Cx<'_>,
    args: &[&[u8]],
    of: Scanned,
    get: Get<T>,
    step: impl FnOnce(&T, u64, &mut Found<'_>) -> u64,
) -> Result<(), CmdError> {
    let from = cursor(args[2])?;
    let mut elems = Vec::new();
    let (mut next, mut ends) = (0, Vec::new());
    // Redis does not look at the options unless there is something to scan.
    if let Some(collection) = get(&cx.db, args[1])? {
        let mut found = Found {
            options: &ScanOptions::parse(&args[3..], of)?,
            elems,
            ends,
        };
        next = step(collection, from, &mut found);
        (elems, ends) = (found.elems, found.ends);
    }
    cx.out.array(2);
    cx.out.bulk(itoa::Buffer::new().format(next).as_bytes());
    cx.out.array(ends.len());
    let mut start = 0;
    for end in ends {
        cx.out.bulk(&elems[start..end]);
        start = end;
    }
    Ok(())
}

/// What a scan has found.
pub(super) struct Found<'a> {
    options: &'a ScanOptions<'a>,
    elems: Vec<u8>,
    /// Where each element ends in `elems`.
    ends: Vec<usize>,
}

impl Found<'_> {
    /// How much to look at in one step.
    pub fn count(&self) -> usize {
        self.options.count
    }

    /// Whether values are asked for, too.
    pub fn values(&self) -> bool {
        self.options.values
    }

    /// Adds an element, if its name matches, with what belongs to it.
    pub fn add(&mut self, name: &[u8], rest: Option<&[u8]>) {
        if self.options.matches(name) {
            for part in std::iter::once(name).chain(rest) {
                self.elems.extend_from_slice(part);
                self.ends.push(self.elems.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_clipped_to_the_collection() {
        let cases = [
            (0, -1, 5, 0..5),
            (1, 2, 5, 1..3),
            (-2, -1, 5, 3..5),
            (-100, 1, 5, 0..2),
            (3, 100, 5, 3..5),
            (3, 1, 5, 2..2),
            (5, 9, 5, 5..5),
            (0, -6, 5, 0..0),
            (0, -1, 0, 0..0),
            (i64::MIN, i64::MAX, 5, 0..5),
            (i64::MAX, i64::MIN, 5, 0..0),
        ];
        for (start, stop, len, expected) in cases {
            assert_eq!(span(start, stop, len), expected, "{start} {stop} {len}");
        }
    }

    #[test]
    fn places_count_from_both_ends() {
        assert_eq!(place(0, 3), Some(0));
        assert_eq!(place(2, 3), Some(2));
        assert_eq!(place(3, 3), None);
        assert_eq!(place(-1, 3), Some(2));
        assert_eq!(place(-3, 3), Some(0));
        assert_eq!(place(-4, 3), None);
        assert_eq!(place(i64::MIN, 3), None);
    }

    #[test]
    fn timeouts_are_seconds_rounded_up_to_milliseconds() {
        assert_eq!(deadline(b"0", 1000), Ok(None));
        assert_eq!(deadline(b"1.5", 1000), Ok(Some(2500)));
        assert_eq!(deadline(b"0.0001", 1000), Ok(Some(1001)));
        assert_eq!(deadline(b"9223372036854775", 1000), Ok(Some(1000)));
        for bad in ["-1", "inf", "1e300", "-0.1", "9223372036854776"] {
            let error = deadline(bad.as_bytes(), 1000).unwrap_err();
            assert_eq!(error, CmdError::text("ERR timeout is negative"), "{bad}");
        }
        assert!(deadline(b"x", 1000).is_err());
    }
}
