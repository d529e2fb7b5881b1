//! What becomes of a command's keys: whether they are read, changed, created, removed.

use super::Command;
use super::table::flag;

/// Flags of a key, as `COMMAND GETKEYSANDFLAGS` names them.
type Flags = &'static [&'static str];

const READ: Flags = &["RO", "access"];
const LOOK: Flags = &["RO"];
const FILL: Flags = &["RW", "access"];
const TAKE: Flags = &["RW", "access", "delete"];
const EDIT: Flags = &["RW", "access", "update"];
const ADD: Flags = &["RW", "access", "insert"];
const REMOVE: Flags = &["RM", "delete"];
const CUT: Flags = &["RW", "delete"];
const INSERT: Flags = &["RW", "insert"];
const CREATE: Flags = &["OW", "insert"];
const UPDATE: Flags = &["RW", "update"];
const OVERWRITE: Flags = &["OW", "update"];
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

const fn both(first: Flags, rest: Flags) -> Uses {
    Uses { first, rest }
}

/// Readers that are not among these read their keys; writers read and change them.
const SPECIAL: &[(Uses, &[&str])] = &[
    (
        both(LOOK, LOOK),
        &[
            "exists",
            "hexists",
            "hlen",
            "hstrlen",
            "llen",
            "memory|usage",
            "object|encoding",
            "object|freq",
            "object|idletime",
            "object|refcount",
            "scard",
            "sismember",
            "strlen",
            "touch",
            "type",
            "watch",
            "xlen",
            "zcard",
        ],
    ),
    (Uses::NOT_KEYS, &["spublish", "ssubscribe", "sunsubscribe"]),
    (both(FILL, FILL), &["pfcount", "pfdebug"]),
    (both(READ, READ), &["xreadgroup"]),
    (
        both(READ, OVERWRITE),
        &["copy", "georadius", "georadiusbymember", "sort"],
    ),
    (both(CREATE, CREATE), &["msetnx", "setnx"]),
    (
        both(OVERWRITE, OVERWRITE),
        &["mset", "psetex", "restore", "restore-asking", "setex"],
    ),
    (
        both(OVERWRITE, READ),
        &[
            "bitop",
            "geosearchstore",
            "sdiffstore",
            "sunionstore",
            "zdiffstore",
            "zinterstore",
            "zrangestore",
            "zunionstore",
        ],
    ),
    (both(UPDATE, READ), &["sinterstore"]),
    (both(REMOVE, REMOVE), &["del", "unlink"]),
    (
        both(TAKE, TAKE),
        &[
            "blmpop", "blpop", "brpop", "bzmpop", "bzpopmax", "bzpopmin", "getdel", "lmpop",
            "lpop", "migrate", "rpop", "spop", "zmpop", "zpopmax", "zpopmin",
        ],
    ),
    (both(TAKE, CREATE), &["renamenx"]),
    (both(TAKE, OVERWRITE), &["rename"]),
    (
        both(TAKE, INSERT),
        &["blmove", "brpoplpush", "lmove", "rpoplpush", "smove"],
    ),
    (both(ADD, READ), &["pfmerge"]),
    (
        both(CUT, CUT),
        &[
            "hdel",
            "lrem",
            "ltrim",
            "srem",
            "xautoclaim",
            "xdel",
            "xgroup|delconsumer",
            "xgroup|destroy",
            "xtrim",
            "zrem",
            "zremrangebylex",
            "zremrangebyrank",
            "zremrangebyscore",
        ],
    ),
    (
        both(INSERT, INSERT),
        &[
            "append",
            "hsetnx",
            "linsert",
            "lpush",
            "lpushx",
            "pfadd",
            "rpush",
            "rpushx",
            "sadd",
            "xgroup|create",
            "xgroup|createconsumer",
        ],
    ),
    (
        both(UPDATE, UPDATE),
        &[
            "expire",
            "expireat",
            "geoadd",
            "hexpire",
            "hexpireat",
            "hmset",
            "hpersist",
            "hpexpire",
            "hpexpireat",
            "hset",
            "lset",
            "persist",
            "pexpire",
            "pexpireat",
            "setrange",
            "xack",
            "xadd",
            "xclaim",
            "xgroup|setid",
            "xsetid",
            "zadd",
        ],
    ),
];

/// What becomes of the keys of `command`, as its entry in `COMMAND INFO` has it.
pub fn in_general(command: &Command) -> Uses {
    let special = SPECIAL
        .iter()
        .find(|(_, names)| names.contains(&command.name));
    match special {
        Some((uses, _)) => *uses,
        None if command.is(flag::READONLY) => both(READ, READ),
        None => both(EDIT, EDIT),
    }
}

/// What becomes of the keys of `command` when it is called with `args`; `general` is [`in_general`] of it.
pub fn of(command: &Command, general: Uses, args: &[&[u8]]) -> Uses {
    let is = |arg: &[u8], name: &str| arg.eq_ignore_ascii_case(name.as_bytes());
    match command.name {
        // Without GET nothing is told of the old value.
        "set" if !args.iter().skip(3).any(|arg| is(arg, "get")) => both(OVERWRITE, OVERWRITE),
        "bitfield" if only_reads(args) => both(READ, READ),
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
