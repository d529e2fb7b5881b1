//! SCAN and its kin: walking through what changes meanwhile.

use super::args::{integer, is};
use super::error::shown;
use super::{CmdError, Cx, Expiry};
use crate::store::glob;
use crate::store::table::{PLACE_MASK, Place, SCAN_STEP, SHARDS, shard_of};

/// What is walked through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scanned {
    /// The keys of a database.
    Keys,
    /// A hash.
    Hash,
    /// A set or a sorted set.
    Members,
}

/// The options of SCAN, HSCAN, SSCAN and ZSCAN.
pub struct ScanOptions<'a> {
    /// `MATCH`; `None` if everything matches.
    pub pattern: Option<&'a [u8]>,
    /// `COUNT`: how much to look at.
    pub count: usize,
    /// `TYPE`: of SCAN only.
    pub kind: Option<&'a [u8]>,
    /// `NOVALUES`, of HSCAN only, is absent.
    pub values: bool,
}

impl<'a> ScanOptions<'a> {
    /// Reads the options behind the cursor.
    pub fn parse(args: &[&'a [u8]], of: Scanned) -> Result<ScanOptions<'a>, CmdError> {
        let mut options = ScanOptions {
            pattern: None,
            count: 10,
            kind: None,
            values: true,
        };
        let mut rest = args.iter();
        while let Some(name) = rest.next() {
            if of == Scanned::Hash && is(name, "novalues") {
                options.values = false;
                continue;
            }
            let value = *rest.next().ok_or(CmdError::Syntax)?;
            if is(name, "count") {
                let count = integer(value)?;
                if count < 1 {
                    return Err(CmdError::Syntax);
                }
                options.count = count as usize;
            } else if is(name, "match") {
                options.pattern = (value != b"*").then_some(value);
            } else if of == Scanned::Keys && is(name, "type") {
                options.kind = Some(value);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }

    /// True when the pattern, if any, matches `name`.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| glob::matches(pattern, name))
    }
}

/// A cursor as the client sent it, read as `strtoul` reads it: up to a zero byte; nothing is 0, a negative number wraps round.
pub fn cursor(arg: &[u8]) -> Result<u64, CmdError> {
    let (negative, digits) = match shown(arg) {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        [] => return Ok(0),
        digits => (false, digits),
    };
    let text = std::str::from_utf8(digits).ok();
    let number = text
        .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|t| t.parse::<u64>().ok())
        .ok_or(CmdError::text("ERR invalid cursor"))?;
    Ok(if negative {
        number.wrapping_neg()
    } else {
        number
    })
}

/// Segments that one call goes through at most, so that it ends when there is little in them: as many for each
/// key that was asked for, and the shards of a database, so that one call is enough for a small one.
const SEGMENTS_PER_KEY: usize = 10;

/// Keys that were found without a lock go if they have expired and this is a master. For commands that have locked no key.
pub(super) fn remove_if_stale(cx: &mut Cx<'_>, keys: &[Box<[u8]>]) -> Result<(), CmdError> {
    if cx.env.expiry != Expiry::Remove || keys.is_empty() {
        return Ok(());
    }
    cx.db.lock(keys.iter().map(|key| &**key))?;
    for key in keys {
        // It notes what has expired.
        cx.db.peek(key);
    }
    Ok(())
}

/// SCAN's cursor is a [`Place`], in units of [`SCAN_STEP`]: the keys before it have been returned. A key's place never
/// changes, and places are visited in ascending order, so a key that is there from the first call to the last is returned however
/// shards split meanwhile, and once only. 0 means both the beginning and the end, which no other cursor can:
/// what follows a key's place is not 0.
pub(super) fn scan(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let mut from: Place = cursor(args[1])?.saturating_mul(SCAN_STEP);
    let options = ScanOptions::parse(&args[2..], Scanned::Keys)?;
    let db = cx.selected();
    let (mut keys, mut stale) = (Vec::<Box<[u8]>>::new(), Vec::new());
    let mut left = options.count;
    let mut segments = options
        .count
        .saturating_mul(SEGMENTS_PER_KEY)
        .saturating_add(SHARDS);
    if db.shards().is_empty() {
        from = PLACE_MASK + 1;
    }
    while from <= PLACE_MASK && left > 0 && segments > 0 {
        let shard = db.lock(shard_of(from));
        let (seen, next) = shard.scan(from, left, &mut |entry| {
            if !options.matches(entry.key()) {
                return;
            }
            let kind = entry.value().type_name();
            if cx.env.expiry != Expiry::Ignore && entry.is_expired(cx.env.now_ms) {
                stale.push(entry.key().into());
            } else if options.kind.is_none_or(|wanted| is(wanted, kind)) {
                keys.push(entry.key().into());
            }
        });
        left = left.saturating_sub(seen);
        segments -= 1;
        from = next;
    }
    remove_if_stale(cx, &stale)?;
    let next = if from <= PLACE_MASK {
        from / SCAN_STEP
    } else {
        0
    };
    cx.out.array(2);
    cx.out.bulk(itoa::Buffer::new().format(next).as_bytes());
    cx.out.array(keys.len());
    for key in &keys {
        cx.out.bulk(key);
    }
    Ok(())
}
