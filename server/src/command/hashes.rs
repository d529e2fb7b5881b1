//! Hashes.

use super::args::{integer, is};
use super::collections::{Picks, scan};
use super::scan::Scanned;
use super::table::{Command, KeySpec, acl, flag::*};
use super::{CmdError, Cx, events};
use crate::command::uses::{CUT, INSERT, LOOK, TAKE, UPDATE, both};
use crate::store::longdouble::LongDouble;
use crate::store::num::parse_i64;

mod both;
#[cfg(test)]
mod tests;
pub(super) mod times;

const GROUP: &str = "hash";
const KEY: KeySpec = KeySpec::FIRST;
const READ: u32 = READONLY | FAST;
const EDIT: u32 = WRITE | DENYOOM | FAST;

type Done = Result<(), CmdError>;

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::keyed("hset", -4, EDIT, KEY, hset).uses(both(UPDATE, UPDATE)).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with multiple field/value pairs.",
        "key field value [field value ...]",
        "Sets fields of a hash.",
    ),
    Command::keyed("hmset", -4, EDIT, KEY, hmset).uses(both(UPDATE, UPDATE)).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the number of fields being set.",
        "key field value [field value ...]",
        "Sets fields of a hash and answers OK.",
    ),
    Command::keyed("hsetnx", 4, EDIT, KEY, hsetnx).uses(both(INSERT, INSERT)).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(1)",
        "key field value",
        "Sets a field of a hash only if it is not there.",
    ),
    Command::keyed("hget", 3, READ, KEY, hget).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(1)",
        "key field",
        "Returns the value of a field.",
    ),
    Command::keyed("hmget", -3, READ, KEY, hmget).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the number of fields being requested.",
        "key field [field ...]",
        "Returns the values of several fields.",
    ),
    Command::keyed("hgetall", 2, READONLY, KEY, hgetall).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the size of the hash.",
        "key",
        "Returns all fields with their values.",
    ),
    Command::keyed("hdel", -3, WRITE | FAST, KEY, hdel).uses(both(CUT, CUT)).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the number of fields to be removed.",
        "key field [field ...]",
        "Removes fields, and the hash when none is left.",
    ),
    Command::keyed("hexists", 3, READ, KEY, hexists).uses(both(LOOK, LOOK)).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(1)",
        "key field",
        "Tells whether a hash has a field.",
    ),
    Command::keyed("hlen", 2, READ, KEY, hlen).uses(both(LOOK, LOOK)).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(1)",
        "key",
        "Returns the number of fields.",
    ),
    Command::keyed("hkeys", 2, READONLY, KEY, hkeys).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the size of the hash.",
        "key",
        "Returns all fields.",
    ),
    Command::keyed("hvals", 2, READONLY, KEY, hvals).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the size of the hash.",
        "key",
        "Returns all values.",
    ),
    Command::keyed("hincrby", 4, EDIT, KEY, hincrby).acl(acl::HASH).doc(
        GROUP,
        "2.0.0",
        "O(1)",
        "key field increment:integer",
        "Adds to an integer in a field.",
    ),
    Command::keyed("hincrbyfloat", 4, EDIT, KEY, hincrbyfloat).acl(acl::HASH).doc(
        GROUP,
        "2.6.0",
        "O(1)",
        "key field increment:double",
        "Adds to a floating-point number in a field.",
    ),
    Command::keyed("hstrlen", 3, READ, KEY, hstrlen).uses(both(LOOK, LOOK)).acl(acl::HASH).doc(
        GROUP,
        "3.2.0",
        "O(1)",
        "key field",
        "Returns the length of a field's value.",
    ),
    Command::keyed("hscan", -3, READONLY, KEY, hscan).acl(acl::HASH).doc(
        GROUP,
        "2.8.0",
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
        "key cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [NOVALUES]",
        "Walks through fields and values step by step.",
    ),
    Command::keyed("hrandfield", -2, READONLY, KEY, hrandfield).acl(acl::HASH).doc(
        GROUP,
        "6.2.0",
        "O(N) where N is the number of fields returned",
        "key [count:integer [WITHVALUES]]",
        "Returns fields picked at random.",
    ),
    Command::keyed("hexpire", -6, WRITE | FAST, KEY, times::hexpire).uses(both(UPDATE, UPDATE)).acl(acl::HASH).doc(
        GROUP,
        "7.4.0",
        "O(N) where N is the number of fields that are named.",
        "key seconds [NX|XX|GT|LT] (FIELDS numfields field [field ...])",
        "Gives fields a time to live in seconds.",
    ),
    Command::keyed("hpexpire", -6, WRITE | FAST, KEY, times::hpexpire).uses(both(UPDATE, UPDATE)).acl(acl::HASH).doc(
        GROUP,
        "7.4.0",
        "O(N) where N is the number of fields that are named.",
        "key milliseconds [NX|XX|GT|LT] (FIELDS numfields field [field ...])",
        "Gives fields a time to live in milliseconds.",
    ),
    Command::keyed("hexpireat", -6, WRITE | FAST, KEY, times::hexpireat).uses(both(UPDATE, UPDATE)).acl(acl::HASH).doc(
        GROUP,
        "7.4.0",
        "O(N) where N is the number of fields that are named.",
        "key unix-time-seconds [NX|XX|GT|LT] (FIELDS numfields field [field ...])",
        "Has fields expire at a time in seconds since 1970.",
    ),
    Command::keyed("hpexpireat", -6, WRITE | FAST, KEY, times::hpexpireat).uses(both(UPDATE, UPDATE)).acl(acl::HASH).doc(
        GROUP,
        "7.4.0",
        "O(N) where N is the number of fields that are named.",
        "key unix-time-milliseconds [NX|XX|GT|LT] (FIELDS numfields field [field ...])",
        "Has fields expire at a time in milliseconds since 1970.",
    ),
    Command::keyed("httl", -5, READ, KEY, times::httl).acl(acl::HASH).doc(
        GROUP,
        "7.4.0",
        "O(N) where N is the number of fields that are named.",
        "key (FIELDS numfields field [field ...])",
        "Returns the time to live of fields in seconds.",
    ),
    Command::keyed("hpttl", -5, READ, KEY, times::hpttl).acl(acl::HASH).doc(
        GROUP,
        "7.4.0",
        "O(N) where N is the number of fields that are named.",
        "key (FIELDS numfields field [field ...])",
        "Returns the time to live of fields in milliseconds.",
    ),
    Command::keyed("hexpiretime", -5, READ, KEY, times::hexpiretime).acl(acl::HASH).doc(
        GROUP,
        "7.4.0",
        "O(N) where N is the number of fields that are named.",
        "key (FIELDS numfields field [field ...])",
        "Returns when fields expire, in seconds since 1970.",
    ),
    Command::keyed("hpexpiretime", -5, READ, KEY, times::hpexpiretime).acl(acl::HASH).doc(
        GROUP,
        "7.4.0",
        "O(N) where N is the number of fields that are named.",
        "key (FIELDS numfields field [field ...])",
        "Returns when fields expire, in milliseconds since 1970.",
    ),
    Command::keyed("hpersist", -5, WRITE | FAST, KEY, times::hpersist).uses(both(UPDATE, UPDATE)).acl(acl::HASH).doc(
        GROUP,
        "7.4.0",
        "O(N) where N is the number of fields that are named.",
        "key (FIELDS numfields field [field ...])",
        "Takes the times of fields away.",
    ),
    Command::keyed("hsetex", -6, EDIT, KEY, both::hsetex).uses(both(UPDATE, UPDATE)).acl(acl::HASH).doc(
        GROUP,
        "8.0.0",
        "O(N) where N is the number of fields being set.",
        "key [FNX|FXX] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL] (FIELDS numfields field value [field value ...])",
        "Sets fields, and when they expire.",
    ),
    Command::keyed("hgetex", -5, WRITE | FAST, KEY, both::hgetex).acl(acl::HASH).doc(
        GROUP,
        "8.0.0",
        "O(N) where N is the number of fields that are named.",
        "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST] (FIELDS numfields field [field ...])",
        "Returns the values of fields and changes when they expire.",
    ),
    Command::keyed("hgetdel", -5, WRITE | FAST, KEY, both::hgetdel).uses(both(TAKE, TAKE)).acl(acl::HASH).doc(
        GROUP,
        "8.0.0",
        "O(N) where N is the number of fields that are named.",
        "key (FIELDS numfields field [field ...])",
        "Returns the values of fields and removes them.",
    ),
];

/// Sets all pairs behind the key and returns how many fields are new.
fn set_pairs(cx: &mut Cx<'_>, args: &[&[u8]], name: &'static str) -> Result<i64, CmdError> {
    let (pairs, rest) = args[2..].as_chunks::<2>();
    if !rest.is_empty() {
        return Err(CmdError::Arity(name));
    }
    let hash = cx.db.hash_or_new(args[1])?;
    let timed = hash.first_time().is_some();
    let mut new = 0;
    for &[field, value] in pairs {
        new += i64::from(hash.insert(field, value, cx.env.limits));
    }
    if timed {
        cx.db.field_times_changed(args[1]);
    }
    cx.dirty();
    cx.notify(events::HASH, "hset", args[1]);
    Ok(new)
}

fn hset(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let new = set_pairs(cx, args, "hset")?;
    cx.out.int(new);
    Ok(())
}

fn hmset(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    set_pairs(cx, args, "hmset")?;
    cx.out.ok();
    Ok(())
}

fn hsetnx(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    cx.db.renew_field(args[1], args[2]);
    let there = cx.db.hash(args[1])?.is_some_and(|h| h.contains(args[2]));
    if !there {
        cx.db
            .hash_or_new(args[1])?
            .insert(args[2], args[3], cx.env.limits);
        cx.dirty();
        cx.notify(events::HASH, "hset", args[1]);
    }
    cx.out.int((!there).into());
    Ok(())
}

fn hget(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let value = cx.db.field(args[1], args[2])?;
    cx.out.bulk_or_null(value.as_deref());
    Ok(())
}

fn hmget(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let hash = cx.db.fields(args[1])?;
    cx.out.array(args.len() - 2);
    for field in &args[2..] {
        let value = hash.and_then(|h| cx.db.read_field(args[1], h, field));
        cx.out.bulk_or_null(value.as_deref());
    }
    Ok(())
}

fn hgetall(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let hash = cx.db.fields(args[1])?;
    cx.out.map(hash.map_or(0, |h| h.len()));
    let mut digits = itoa::Buffer::new();
    for [field, value] in hash.into_iter().flat_map(|h| h.iter()) {
        cx.out.bulk(field.bytes(&mut digits));
        cx.out.bulk(value.bytes(&mut digits));
    }
    Ok(())
}

fn hkeys(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let hash = cx.db.fields(args[1])?;
    cx.out.array(hash.map_or(0, |h| h.len()));
    let mut digits = itoa::Buffer::new();
    for [field, _] in hash.into_iter().flat_map(|h| h.iter()) {
        cx.out.bulk(field.bytes(&mut digits));
    }
    Ok(())
}

fn hvals(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let hash = cx.db.fields(args[1])?;
    cx.out.array(hash.map_or(0, |h| h.len()));
    let mut digits = itoa::Buffer::new();
    for [_, value] in hash.into_iter().flat_map(|h| h.iter()) {
        cx.out.bulk(value.bytes(&mut digits));
    }
    Ok(())
}

fn hdel(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let mut gone = 0;
    // Nothing is touched unless there is something to remove.
    let hash = cx.db.hash(args[1])?;
    if hash.is_some_and(|h| args[2..].iter().any(|f| h.contains(f)))
        && let Some(hash) = cx.db.hash_mut(args[1])?
    {
        for field in &args[2..] {
            gone += i64::from(hash.remove(field));
        }
        cx.db.field_times_changed(args[1]);
        cx.notify(events::HASH, "hdel", args[1]);
        cx.db.remove_if_empty(args[1]);
        cx.dirty();
    }
    cx.out.int(gone);
    Ok(())
}

fn hexists(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let there = cx.db.field(args[1], args[2])?.is_some();
    cx.out.int(there.into());
    Ok(())
}

/// As in Redis, fields count whose time has come until they are removed.
fn hlen(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let len = cx.db.hash(args[1])?.map_or(0, |h| h.len());
    cx.out.int(len as i64);
    Ok(())
}

fn hstrlen(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let value = cx.db.field(args[1], args[2])?;
    cx.out.int(value.map_or(0, |value| value.len()) as i64);
    Ok(())
}

fn hincrby(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let by = integer(args[3])?;
    cx.db.renew_field(args[1], args[2]);
    let old = match cx.db.hash(args[1])?.and_then(|h| h.get(args[2])) {
        Some(text) => parse_i64(&text).ok_or(CmdError::text("ERR hash value is not an integer"))?,
        None => 0,
    };
    let new = old
        .checked_add(by)
        .ok_or(CmdError::text("ERR increment or decrement would overflow"))?;
    let mut digits = itoa::Buffer::new();
    let hash = cx.db.hash_or_new(args[1])?;
    hash.update(args[2], digits.format(new).as_bytes(), cx.env.limits);
    cx.dirty();
    cx.notify(events::HASH, "hincrby", args[1]);
    cx.out.int(new);
    Ok(())
}

fn hincrbyfloat(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let by = LongDouble::parse(args[3]).ok_or(CmdError::NotFloat)?;
    if by.to_text().is_none() {
        return Err(CmdError::text("ERR value is NaN or Infinity"));
    }
    cx.db.renew_field(args[1], args[2]);
    let old = match cx.db.hash(args[1])?.and_then(|h| h.get(args[2])) {
        Some(text) => {
            LongDouble::parse(&text).ok_or(CmdError::text("ERR hash value is not a float"))?
        }
        None => LongDouble::ZERO,
    };
    let new = (old + by).to_text().ok_or(CmdError::text(
        "ERR increment would produce NaN or Infinity",
    ))?;
    let hash = cx.db.hash_or_new(args[1])?;
    hash.update(args[2], new.as_bytes(), cx.env.limits);
    let time = hash.time_of(args[2]);
    // Replicas need not agree on arithmetic.
    cx.rewrite(&[b"HSET", args[1], args[2], new.as_bytes()]);
    if let Some(at) = time {
        times::tell(cx, args[1], at, &args[2..3]);
    }
    cx.notify(events::HASH, "hincrbyfloat", args[1]);
    cx.out.bulk(new.as_bytes());
    Ok(())
}

fn hscan(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let until = cx.db.fields_until();
    scan(
        cx,
        args,
        Scanned::Hash,
        |db, key| db.hash(key),
        |hash, cursor, found| {
            let (count, values) = (found.count(), found.values());
            hash.at(until).scan(cursor, count, &mut |field, value| {
                found.add(field, values.then_some(value));
            })
        },
    )
}

fn hrandfield(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let Some(count) = args.get(2) else {
        let field = cx.db.fields(args[1])?.and_then(|h| h.random());
        cx.out
            .bulk_or_null(field.map(|(field, _)| field).as_deref());
        return Ok(());
    };
    let picks = Picks::parse(count, false)?;
    let with_values = match args[3..] {
        [] => false,
        [word] if is(word, "withvalues") => {
            Picks::parse(count, true)?;
            true
        }
        _ => return Err(CmdError::Syntax),
    };
    let Some(hash) = cx.db.fields(args[1])?.filter(|h| !h.is_empty()) else {
        cx.out.array(0);
        return Ok(());
    };
    let out = &mut *cx.out;
    let number = match picks {
        Picks::Distinct(count) => count.min(hash.len()),
        Picks::Repeated(count) => count,
    };
    let flat = with_values && !out.is_resp3();
    out.array(if flat { number * 2 } else { number });
    let each = |field: &[u8], value: &[u8]| {
        if with_values && !flat {
            out.array(2);
        }
        out.bulk(field);
        if with_values {
            out.bulk(value);
        }
    };
    match picks {
        Picks::Distinct(_) => hash.random_distinct(number, each),
        Picks::Repeated(_) => hash.random_many(number, each),
    }
    Ok(())
}
