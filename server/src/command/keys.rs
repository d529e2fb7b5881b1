//! Keys of any type, and whole databases: their entries in the table.

mod databases;
mod expiry;
mod names;
mod object;
#[cfg(test)]
mod tests;

use super::scan;
use super::table::{Command, KeySpec, acl, flag::*};
use crate::command::uses::{CREATE, LOOK, OVERWRITE, REMOVE, SEE, TAKE, UPDATE, both};

const GROUP: &str = "generic";
const KEY: KeySpec = KeySpec::FIRST;
const READ: u32 = READONLY | FAST;
const EDIT: u32 = WRITE | FAST;

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::keyed("del", -2, WRITE, KeySpec::ALL, names::del).uses(both(REMOVE, REMOVE))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "1.0.0",
            "O(N) where N is the number of keys that will be removed.",
            "key [key ...]",
            "Removes keys.",
        ),
    Command::keyed("unlink", -2, EDIT, KeySpec::ALL, names::del).uses(both(REMOVE, REMOVE))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "4.0.0",
            "O(1) for each key removed regardless of its size.",
            "key [key ...]",
            "Removes keys; large values are freed in the background.",
        ),
    Command::keyed("exists", -2, READ, KeySpec::ALL, names::exists).uses(both(LOOK, LOOK))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "1.0.0",
            "O(N) where N is the number of keys to check.",
            "key [key ...]",
            "Counts how many of the keys are there.",
        ),
    Command::keyed("touch", -2, READ, KeySpec::ALL, names::touch).uses(both(LOOK, LOOK))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "3.2.1",
            "O(N) where N is the number of keys that will be touched.",
            "key [key ...]",
            "Counts how many of the keys are there, and marks them as accessed now.",
        ),
    Command::keyed("type", 2, READ, KEY, names::type_of).uses(both(LOOK, LOOK))
        .acl(acl::KEYSPACE)
        .doc(GROUP, "1.0.0", "O(1)", "key", "Returns the type of a value."),
    Command::keyed("rename", 3, WRITE, KeySpec::TWO, names::rename).uses(both(TAKE, OVERWRITE))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "1.0.0",
            "O(1)",
            "key newkey:key",
            "Gives a value another key, whatever was there.",
        ),
    Command::keyed("renamenx", 3, EDIT, KeySpec::TWO, names::renamenx).uses(both(TAKE, CREATE))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "1.0.0",
            "O(1)",
            "key newkey:key",
            "Gives a value another key, if nothing is there.",
        ),
    Command::exclusive("copy", -3, WRITE | DENYOOM | READS, KeySpec::TWO, names::copy).uses(both(SEE, OVERWRITE))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "6.2.0",
            "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
            "source:key destination:key [DB destination-db:integer] [REPLACE]",
            "Copies a value to another key, or database.",
        ),
    Command::exclusive("move", 3, EDIT, KEY, names::move_key)
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "1.0.0",
            "O(1)",
            "key db:integer",
            "Moves a key to another database.",
        ),
    Command::keyed("expire", -3, EDIT, KEY, expiry::expire).uses(both(UPDATE, UPDATE))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "1.0.0",
            "O(1)",
            "key seconds [NX|XX|GT|LT]",
            "Makes a key expire in some seconds.",
        ),
    Command::keyed("pexpire", -3, EDIT, KEY, expiry::pexpire).uses(both(UPDATE, UPDATE))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "2.6.0",
            "O(1)",
            "key milliseconds [NX|XX|GT|LT]",
            "Makes a key expire in some milliseconds.",
        ),
    Command::keyed("expireat", -3, EDIT, KEY, expiry::expireat).uses(both(UPDATE, UPDATE))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "1.2.0",
            "O(1)",
            "key unix-time-seconds [NX|XX|GT|LT]",
            "Makes a key expire at a Unix time.",
        ),
    Command::keyed("pexpireat", -3, EDIT, KEY, expiry::pexpireat).uses(both(UPDATE, UPDATE))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "2.6.0",
            "O(1)",
            "key unix-time-milliseconds [NX|XX|GT|LT]",
            "Makes a key expire at a Unix time in milliseconds.",
        ),
    Command::keyed("persist", 2, EDIT, KEY, expiry::persist).uses(both(UPDATE, UPDATE))
        .acl(acl::KEYSPACE)
        .doc(GROUP, "2.2.0", "O(1)", "key", "Makes a key stay for good."),
    Command::keyed("ttl", 2, READ, KEY, expiry::ttl)
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "1.0.0",
            "O(1)",
            "key",
            "Returns the seconds a key has to live.",
        ),
    Command::keyed("pttl", 2, READ, KEY, expiry::pttl)
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "2.6.0",
            "O(1)",
            "key",
            "Returns the milliseconds a key has to live.",
        ),
    Command::keyed("expiretime", 2, READ, KEY, expiry::expiretime)
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "7.0.0",
            "O(1)",
            "key",
            "Returns the Unix time a key expires at.",
        ),
    Command::keyed("pexpiretime", 2, READ, KEY, expiry::pexpiretime)
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "7.0.0",
            "O(1)",
            "key",
            "Returns the Unix time in milliseconds a key expires at.",
        ),
    Command::free("keys", 2, READONLY, databases::keys)
        .acl(acl::KEYSPACE | acl::DANGEROUS)
        .doc(
            GROUP,
            "1.0.0",
            "O(N) with N being the number of keys in the database.",
            "pattern",
            "Returns all keys that match a pattern.",
        ),
    Command::free("scan", -2, READONLY, scan::scan)
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "2.8.0",
            "O(1) for every call. O(N) for a complete iteration, where N is the number of keys.",
            "cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type]",
            "Goes through the keys of a database step by step.",
        ),
    Command::free("randomkey", 1, READONLY, databases::randomkey)
        .acl(acl::KEYSPACE)
        .doc(GROUP, "1.0.0", "O(1)", "", "Returns some key."),
    Command::free("dbsize", 1, READ, databases::dbsize)
        .acl(acl::KEYSPACE)
        .doc(
            "server",
            "1.0.0",
            "O(1)",
            "",
            "Returns the number of keys in a database.",
        ),
    Command::exclusive("flushdb", -1, WRITE, KeySpec::None, databases::flushdb)
        .acl(acl::KEYSPACE | acl::DANGEROUS)
        .doc(
            "server",
            "1.0.0",
            "O(1): the keys are freed in the background.",
            "[ASYNC|SYNC]",
            "Removes all keys of a database.",
        ),
    Command::exclusive("flushall", -1, WRITE, KeySpec::None, databases::flushall)
        .acl(acl::KEYSPACE | acl::DANGEROUS)
        .doc(
            "server",
            "1.0.0",
            "O(1): the keys are freed in the background.",
            "[ASYNC|SYNC]",
            "Removes all keys of all databases.",
        ),
    Command::exclusive("swapdb", 3, EDIT, KeySpec::None, databases::swapdb)
        .acl(acl::KEYSPACE | acl::DANGEROUS)
        .doc(
            "server",
            "4.0.0",
            "O(1), and O(N) for the N keys that clients watch.",
            "index1:integer index2:integer",
            "Exchanges two databases.",
        ),
    Command::container("object", OBJECT).doc(
        GROUP,
        "2.2.3",
        "Depends on subcommand.",
        "",
        "Looks at how a value is kept.",
    ),
];

const OBJECT_KEY: KeySpec = KeySpec::Range {
    first: 2,
    last: 2,
    step: 1,
};

const OBJECT: &[Command] = &[
    Command::keyed("object|encoding", 3, READONLY, OBJECT_KEY, object::encoding)
        .uses(both(LOOK, LOOK))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "2.2.3",
            "O(1)",
            "key",
            "Returns how a value is encoded.",
        ),
    Command::keyed("object|freq", 3, READONLY, OBJECT_KEY, object::freq)
        .uses(both(LOOK, LOOK))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "4.0.0",
            "O(1)",
            "key",
            "Returns how often a value is accessed, on a logarithmic scale.",
        ),
    Command::free("object|help", 2, LOADING | STALE, object::help)
        .acl(acl::KEYSPACE)
        .doc(GROUP, "6.2.0", "O(1)", "", "Explains the subcommands."),
    Command::keyed("object|idletime", 3, READONLY, OBJECT_KEY, object::idletime)
        .uses(both(LOOK, LOOK))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "2.2.3",
            "O(1)",
            "key",
            "Returns the seconds since a value was accessed.",
        ),
    Command::keyed("object|refcount", 3, READONLY, OBJECT_KEY, object::refcount)
        .uses(both(LOOK, LOOK))
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "2.2.3",
            "O(1)",
            "key",
            "Returns the number of references to a value.",
        ),
];
