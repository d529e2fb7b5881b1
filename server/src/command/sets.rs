//! Sets: their entries in the table. The handlers are in the modules below: of members of one set, and of
//! several sets combined.

mod combine;
mod members;
#[cfg(test)]
mod tests;

use super::table::{Command, KeySpec, acl, flag::*};
use crate::command::uses::{CUT, INSERT, LOOK, OVERWRITE, SEE, TAKE, UPDATE, both};

const GROUP: &str = "set";
const KEY: KeySpec = KeySpec::FIRST;
const READ: u32 = READONLY | FAST;
const STORE: u32 = WRITE | DENYOOM;

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::keyed("sadd", -3, WRITE | DENYOOM | FAST, KEY, members::sadd).uses(both(INSERT, INSERT)).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
        "key member [member ...]",
        "Adds members to a set.",
    ),
    Command::keyed("srem", -3, WRITE | FAST, KEY, members::srem).uses(both(CUT, CUT)).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        "O(N) where N is the number of members to be removed.",
        "key member [member ...]",
        "Removes members, and the set when none is left.",
    ),
    Command::keyed("sismember", 3, READ, KEY, members::sismember).uses(both(LOOK, LOOK)).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        "O(1)",
        "key member",
        "Tells whether a set has a member.",
    ),
    Command::keyed("smismember", -3, READ, KEY, members::smismember).acl(acl::SET).doc(
        GROUP,
        "6.2.0",
        "O(N) where N is the number of elements being checked for membership",
        "key member [member ...]",
        "Tells which of several members a set has.",
    ),
    Command::keyed("smembers", 2, READONLY, KEY, members::smembers).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        "O(N) where N is the set cardinality.",
        "key",
        "Returns all members.",
    ),
    Command::keyed("scard", 2, READ, KEY, members::scard).uses(both(LOOK, LOOK)).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        "O(1)",
        "key",
        "Returns the number of members.",
    ),
    Command::keyed("spop", -2, WRITE | FAST, KEY, members::spop).uses(both(TAKE, TAKE)).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
        "key [count:integer]",
        "Takes members picked at random.",
    ),
    Command::keyed("srandmember", -2, READONLY, KEY, members::srandmember).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
        "key [count:integer]",
        "Returns members picked at random.",
    ),
    Command::keyed(
        "smove",
        4,
        WRITE | FAST,
        KeySpec::Range { first: 1, last: 2, step: 1 },
        members::smove,
    ).uses(both(TAKE, INSERT))
    .acl(acl::SET)
    .doc(
        GROUP,
        "1.0.0",
        "O(1)",
        "source:key destination:key member",
        "Moves a member from one set to another.",
    ),
    Command::keyed("sscan", -3, READONLY, KEY, members::sscan).acl(acl::SET).doc(
        GROUP,
        "2.8.0",
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
        "key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
        "Walks through members step by step.",
    ),
    Command::keyed("sinter", -2, READONLY, KeySpec::ALL, combine::sinter).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        INTER_COST,
        "key [key ...]",
        "Returns the members that all sets have.",
    ),
    Command::keyed(
        "sintercard",
        -3,
        READONLY | MOVABLEKEYS,
        KeySpec::Counted { at: 1, also: 0 },
        combine::sintercard,
    )
    .acl(acl::SET)
    .doc(
        GROUP,
        "7.0.0",
        INTER_COST,
        "numkeys:integer key [key ...] [LIMIT limit:integer]",
        "Returns how many members all sets have.",
    ),
    Command::keyed("sinterstore", -3, STORE | READS, KeySpec::ALL, combine::sinterstore).uses(both(UPDATE, SEE)).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        INTER_COST,
        "destination:key key [key ...]",
        "Stores the members that all sets have.",
    ),
    Command::keyed("sunion", -2, READONLY, KeySpec::ALL, combine::sunion).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        TOTAL_COST,
        "key [key ...]",
        "Returns the members that any of the sets has.",
    ),
    Command::keyed("sunionstore", -3, STORE | READS, KeySpec::ALL, combine::sunionstore).uses(both(OVERWRITE, SEE)).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        TOTAL_COST,
        "destination:key key [key ...]",
        "Stores the members that any of the sets has.",
    ),
    Command::keyed("sdiff", -2, READONLY, KeySpec::ALL, combine::sdiff).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        TOTAL_COST,
        "key [key ...]",
        "Returns the members that only the first set has.",
    ),
    Command::keyed("sdiffstore", -3, STORE | READS, KeySpec::ALL, combine::sdiffstore).uses(both(OVERWRITE, SEE)).acl(acl::SET).doc(
        GROUP,
        "1.0.0",
        TOTAL_COST,
        "destination:key key [key ...]",
        "Stores the members that only the first set has.",
    ),
];

const INTER_COST: &str =
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.";
const TOTAL_COST: &str = "O(N) where N is the total number of elements in all given sets.";
