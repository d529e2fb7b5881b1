//! What becomes of a command's keys: whether they are read, changed, created, removed.

use super::Command;
use super::table::flag;

/// Flags of a key, as `COMMAND GETKEYSANDFLAGS` names them.
type Flags = &'static [&'static str];

pub(super) const SEE: Flags = &["RO", "access"];
pub(super) const LOOK: Flags = &["RO"];
pub(super) const FILL: Flags = &["RW", "access"];
pub(super) const TAKE: Flags = &["RW", "access", "delete"];
const EDIT: Flags = &["RW", "access", "update"];
pub(super) const ADD: Flags = &["RW", "access", "insert"];
pub(super) const REMOVE: Flags = &["RM", "delete"];
pub(super) const CUT: Flags = &["RW", "delete"];
pub(super) const INSERT: Flags = &["RW", "insert"];
pub(super) const CREATE: Flags = &["OW", "insert"];
pub(super) const UPDATE: Flags = &["RW", "update"];
pub(super) const OVERWRITE: Flags = &["OW", "update"];
const NO_KEY: Flags = &["not_key"];

/// What becomes of the keys of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uses {
    /// The first of them.
    first: Flags,
    /// All the others.
    rest: Flags,
}

impl Uses {
    /// What is found as keys are, and is none: shard channels.
    pub const NOT_KEYS: Uses = both(NO_KEY, NO_KEY);

    /// The flags of the `nth` key.
    pub fn flags(&self, nth: usize) -> &'static [&'static str] {
        if nth == 0 { self.first } else { self.rest }
    }
}

/// The first key, and all others.
pub(super) const fn both(first: Flags, rest: Flags) -> Uses {
    Uses { first, rest }
}

/// What becomes of the keys of a command with these flags, if its entry does not say: readers read their keys, writers read
/// and change them.
pub(super) const fn by_flags(flags: u32) -> Uses {
    match flags & flag::READONLY {
        0 => both(EDIT, EDIT),
        _ => both(SEE, SEE),
    }
}

/// What becomes of the keys of `command` when it is called with `args`; `general` is what its entry says.
pub fn of(command: &Command, general: Uses, args: &[&[u8]]) -> Uses {
    let is = |arg: &[u8], name: &str| arg.eq_ignore_ascii_case(name.as_bytes());
    match command.name {
        // Without GET nothing is told of the old value.
        "set" if !args.iter().skip(3).any(|arg| is(arg, "get")) => both(OVERWRITE, OVERWRITE),
        "bitfield" if only_reads(args) => both(SEE, SEE),
        _ => general,
    }
}

/// True when BITFIELD does nothing but GET.
fn only_reads(args: &[&[u8]]) -> bool {
    let mut rest = args.get(2..).unwrap_or_default();
    while let [operation, after @ ..] = rest {
        let operands = match operation.to_ascii_lowercase().as_slice() {
            b"get" => 2,
            b"overflow" => 1,
            _ => return false,
        };
        match after.get(operands..) {
            Some(next) => rest = next,
            None => return false,
        }
    }
    true
}
