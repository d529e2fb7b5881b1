//! Strings: their entries in the table. The handlers are in the modules below, by what they do.

mod bitfield;
mod bits;
mod edit;
mod get_set;
mod lcs;
#[cfg(test)]
mod tests;

use super::table::{Command, KeySpec, acl, flag::*};
use crate::command::uses::{CREATE, INSERT, LOOK, OVERWRITE, SEE, TAKE, UPDATE, both};
use crate::command::{CmdError, Cx, Origin};
use crate::resp::parse::REQUEST_MAX;

const GROUP: &str = "string";
const KEY: KeySpec = KeySpec::FIRST;
const PAIRS: KeySpec = KeySpec::Range {
    first: 1,
    last: -1,
    step: 2,
};
const READ: u32 = READONLY | FAST;
const EDIT: u32 = WRITE | DENYOOM;

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::keyed("get", 2, READ, KEY, get_set::get)
        .acl(acl::STRING)
        .doc(GROUP, "1.0.0", "O(1)", "key", "Returns the string at a key."),
    Command::keyed("set", -3, EDIT | READS, KEY, get_set::set)
        .acl(acl::STRING)
        .doc(
            GROUP,
            "1.0.0",
            "O(1)",
            "key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]",
            "Makes a value the string at a key, whatever was there.",
        ),
    Command::keyed("setnx", 3, EDIT | FAST, KEY, get_set::setnx).uses(both(CREATE, CREATE))
        .acl(acl::STRING)
        .doc(
            GROUP,
            "1.0.0",
            "O(1)",
            "key value",
            "Sets a string only if the key is not there.",
        ),
    Command::keyed("setex", 4, EDIT, KEY, get_set::setex).uses(both(OVERWRITE, OVERWRITE))
        .acl(acl::STRING)
        .doc(
            GROUP,
            "2.0.0",
            "O(1)",
            "key seconds value",
            "Sets a string and the seconds it has to live.",
        ),
    Command::keyed("psetex", 4, EDIT, KEY, get_set::psetex).uses(both(OVERWRITE, OVERWRITE))
        .acl(acl::STRING)
        .doc(
            GROUP,
            "2.6.0",
            "O(1)",
            "key milliseconds value",
            "Sets a string and the milliseconds it has to live.",
        ),
    Command::keyed("getset", 3, EDIT | FAST | READS, KEY, get_set::getset)
        .acl(acl::STRING)
        .doc(
            GROUP,
            "1.0.0",
            "O(1)",
            "key value",
            "Sets a string and returns the one that was there.",
        ),
    Command::keyed("getdel", 2, WRITE | FAST | READS, KEY, get_set::getdel).uses(both(TAKE, TAKE))
        .acl(acl::STRING)
        .doc(
            GROUP,
            "6.2.0",
            "O(1)",
            "key",
            "Returns the string at a key and removes it.",
        ),
    Command::keyed("getex", -2, WRITE | FAST | READS, KEY, get_set::getex)
        .acl(acl::STRING)
        .doc(
            GROUP,
            "6.2.0",
            "O(1)",
            "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST]",
            "Returns the string at a key and changes its expiry.",
        ),
    Command::keyed("mget", -2, READ, KeySpec::ALL, get_set::mget)
        .acl(acl::STRING)
        .doc(
            GROUP,
            "1.0.0",
            "O(N) where N is the number of keys to retrieve.",
            "key [key ...]",
            "Returns the strings at several keys.",
        ),
    Command::keyed("mset", -3, EDIT, PAIRS, get_set::mset).uses(both(OVERWRITE, OVERWRITE))
        .acl(acl::STRING)
        .doc(
            GROUP,
            "1.0.1",
            "O(N) where N is the number of keys to set.",
            "key value [key value ...]",
            "Sets several strings in one step.",
        ),
    Command::keyed("msetnx", -3, EDIT, PAIRS, get_set::msetnx).uses(both(CREATE, CREATE))
        .acl(acl::STRING)
        .doc(
            GROUP,
            "1.0.1",
            "O(N) where N is the number of keys to set.",
            "key value [key value ...]",
            "Sets several strings in one step if none of the keys is there.",
        ),
    Command::keyed("msetex", -4, EDIT | MOVABLEKEYS, KeySpec::Found(get_set::msetex_keys), get_set::msetex)
        .uses(both(OVERWRITE, OVERWRITE))
        .acl(acl::STRING)
        .doc(
            GROUP,
            "8.4.0",
            "O(N) where N is the number of keys to set.",
            "numkeys:integer key value [key value ...] [NX|XX] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]",
            "Sets several strings in one step, and when they expire.",
        ),
    Command::keyed("strlen", 2, READ, KEY, edit::strlen).uses(both(LOOK, LOOK))
        .acl(acl::STRING)
        .doc(GROUP, "2.2.0", "O(1)", "key", "Returns the length of a string."),
    Command::keyed("append", 3, EDIT | FAST, KEY, edit::append).uses(both(INSERT, INSERT))
        .acl(acl::STRING)
        .doc(
            GROUP,
            "2.0.0",
            "O(1)",
            "key value",
            "Adds to the end of a string.",
        ),
    Command::keyed("getrange", 4, READONLY, KEY, edit::getrange)
        .acl(acl::STRING)
        .doc(
            GROUP,
            "2.4.0",
            "O(N) where N is the length of the returned string.",
            "key start end",
            "Returns part of a string.",
        ),
    Command::keyed("substr", 4, READONLY, KEY, edit::getrange)
        .acl(acl::STRING)
        .doc(
            GROUP,
            "1.0.0",
            "O(N) where N is the length of the returned string.",
            "key start end",
            "Returns part of a string.",
        ),
    Command::keyed("setrange", 4, EDIT, KEY, edit::setrange).uses(both(UPDATE, UPDATE))
        .acl(acl::STRING)
        .doc(
            GROUP,
            "2.2.0",
            "O(1), not counting the time taken to copy the new string in place.",
            "key offset value",
            "Overwrites part of a string.",
        ),
    Command::keyed("incr", 2, EDIT | FAST, KEY, edit::incr)
        .acl(acl::STRING)
        .doc(GROUP, "1.0.0", "O(1)", "key", "Adds one to an integer."),
    Command::keyed("decr", 2, EDIT | FAST, KEY, edit::decr)
        .acl(acl::STRING)
        .doc(GROUP, "1.0.0", "O(1)", "key", "Takes one from an integer."),
    Command::keyed("incrby", 3, EDIT | FAST, KEY, edit::incrby)
        .acl(acl::STRING)
        .doc(GROUP, "1.0.0", "O(1)", "key increment", "Adds to an integer."),
    Command::keyed("decrby", 3, EDIT | FAST, KEY, edit::decrby)
        .acl(acl::STRING)
        .doc(GROUP, "1.0.0", "O(1)", "key decrement", "Takes from an integer."),
    Command::keyed("incrbyfloat", 3, EDIT | FAST, KEY, edit::incrbyfloat)
        .acl(acl::STRING)
        .doc(
            GROUP,
            "2.6.0",
            "O(1)",
            "key increment:double",
            "Adds to a floating-point number.",
        ),
    Command::keyed("setbit", 4, EDIT, KEY, bits::setbit)
        .acl(acl::BITMAP)
        .doc(
            "bitmap",
            "2.2.0",
            "O(1)",
            "key offset value:integer",
            "Sets or clears a bit of a string.",
        ),
    Command::keyed("getbit", 3, READ, KEY, bits::getbit)
        .acl(acl::BITMAP)
        .doc(
            "bitmap",
            "2.2.0",
            "O(1)",
            "key offset",
            "Returns a bit of a string.",
        ),
    Command::keyed("bitcount", -2, READONLY, KEY, bits::bitcount)
        .acl(acl::BITMAP)
        .doc(
            "bitmap",
            "2.6.0",
            "O(N)",
            "key [start end [BYTE|BIT]]",
            "Counts the bits of a string that are set.",
        ),
    Command::keyed("bitpos", -3, READONLY, KEY, bits::bitpos)
        .acl(acl::BITMAP)
        .doc(
            "bitmap",
            "2.8.7",
            "O(N)",
            "key bit:integer [start [end [BYTE|BIT]]]",
            "Finds the first bit of a string that is set, or clear.",
        ),
    Command::keyed("bitop", -4, EDIT | READS, BITOP_KEYS, bits::bitop).uses(both(OVERWRITE, SEE))
        .acl(acl::BITMAP)
        .doc(
            "bitmap",
            "2.6.0",
            "O(N)",
            "operation destkey:key key [key ...]",
            "Combines strings bit by bit.",
        ),
    Command::keyed("bitfield", -2, EDIT, KEY, bitfield::bitfield)
        .acl(acl::BITMAP)
        .doc(
            "bitmap",
            "3.2.0",
            "O(1) for each subcommand specified",
            "key [(GET encoding offset|[OVERFLOW (WRAP|SAT|FAIL)] (SET encoding offset value:integer|INCRBY encoding offset increment:integer)) ...]",
            "Reads and changes integers of any width in a string.",
        ),
    Command::keyed("bitfield_ro", -2, READ, KEY, bitfield::bitfield_ro)
        .acl(acl::BITMAP)
        .doc(
            "bitmap",
            "6.0.0",
            "O(1) for each subcommand specified",
            "key [GET encoding offset [GET encoding offset ...]]",
            "Reads integers of any width in a string.",
        ),
    Command::keyed("lcs", -3, READONLY, KeySpec::TWO, lcs::lcs)
        .acl(acl::STRING)
        .doc(
            GROUP,
            "7.0.0",
            "O(N*M) where N and M are the lengths of s1 and s2, respectively",
            "key1:key key2:key [LEN] [IDX] [MINMATCHLEN len:integer] [WITHMATCHLEN]",
            "Finds the longest common subsequence of two strings.",
        ),
];

const BITOP_KEYS: KeySpec = KeySpec::Range {
    first: 2,
    last: -1,
    step: 1,
};

/// The longest string that the command may make, in bytes. A master has asked its own limit.
fn max_len(cx: &Cx<'_>) -> usize {
    match cx.env.origin {
        Origin::Client => (cx.env.limits.string_max as usize).min(REQUEST_MAX),
        Origin::Master => REQUEST_MAX,
    }
}

/// An error if a string of `len` bytes would be too long.
fn check_len(cx: &Cx<'_>, len: Option<usize>) -> Result<usize, CmdError> {
    len.filter(|&len| len <= max_len(cx)).ok_or(CmdError::text(
        "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
    ))
}

/// The bytes of a string of `len` bytes that Redis's indices `start` and `end` (both included, negative ones
/// counted from the end) mean; `None` if there are none.
fn range(start: i64, end: i64, len: usize) -> Option<std::ops::Range<usize>> {
    if start < 0 && end < 0 && start > end {
        return None;
    }
    clamped(start, end, len)
}

/// [`range`] for BITPOS, which does not look whether negative ones are in order: both may be the first byte.
fn clamped(start: i64, end: i64, len: usize) -> Option<std::ops::Range<usize>> {
    let len = len as i64;
    let from_end = |i: i64| {
        if i < 0 {
            i.saturating_add(len).max(0)
        } else {
            i
        }
    };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    (start <= end && len > 0).then(|| start as usize..end as usize + 1)
}
