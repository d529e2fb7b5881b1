//! Intersections, unions and differences of sets.

use crate::command::args::is;
use crate::command::collections::at_least;
use crate::command::{CmdError, Cx, Keys, events};
use crate::resp::Reply;
use crate::store::elem::Elem;
use crate::store::set::Set;
use crate::store::{Limits, Object};

type Done = Result<(), CmdError>;

/// The sets at `keys`; `None` for those that are not there.
fn sets<'a>(db: &'a Keys<'_>, keys: &[&[u8]]) -> Result<Vec<Option<&'a Set>>, CmdError> {
    keys.iter().map(|key| db.set(key)).collect()
}

/// The members that all sets have, of the smallest one's order.
fn intersection<'a>(sets: Vec<Option<&'a Set>>) -> impl Iterator<Item = Elem<'a>> {
    // One that is not there leaves nothing.
    let mut sets: Vec<&Set> = sets.into_iter().collect::<Option<_>>().unwrap_or_default();
    sets.sort_by_key(|s| s.len());
    let mut sets = sets.into_iter();
    let smallest = sets.next();
    let others: Vec<&Set> = sets.collect();
    let members = smallest.into_iter().flat_map(Set::iter);
    members.filter(move |m| others.iter().all(|s| s.contains(m)))
}

fn union(sets: Vec<Option<&Set>>, limits: &Limits) -> Set {
    let mut all = Set::new();
    for member in sets.into_iter().flatten().flat_map(Set::iter) {
        all.insert(&member, limits);
    }
    all
}

/// The members of the first set that no other one has.
fn difference<'a>(sets: Vec<Option<&'a Set>>) -> impl Iterator<Item = Elem<'a>> {
    let mut sets = sets.into_iter();
    let first = sets.next().flatten();
    let mut others: Vec<&Set> = sets.flatten().collect();
    // A large one is the likeliest to have a member.
    others.sort_by_key(|s| std::cmp::Reverse(s.len()));
    let members = first.into_iter().flat_map(Set::iter);
    members.filter(move |m| !others.iter().any(|s| s.contains(m)))
}

/// Replies with members whose number shows only at the end.
fn reply<'a>(out: &mut Reply, members: impl Iterator<Item = Elem<'a>>) {
    let mark = out.defer();
    let mut number = 0;
    for member in members {
        out.bulk(&member);
        number += 1;
    }
    out.close_set(mark, number);
}

fn collect<'a>(members: impl Iterator<Item = Elem<'a>>, limits: &Limits) -> Set {
    let mut set = Set::new();
    for member in members {
        set.insert(&member, limits);
    }
    set
}

/// Puts `set` at `key` in place of whatever was there, which is event `name`, or removes that if the set is empty.
fn store(cx: &mut Cx<'_>, key: &[u8], set: Set, name: &'static str) {
    let len = set.len();
    if len > 0 {
        cx.db.put(key, Object::Set(set), None);
        cx.dirty();
        cx.notify(events::SET, name, key);
    } else if cx.db.remove(key) {
        cx.dirty();
        cx.notify(events::GENERIC, "del", key);
    }
    cx.out.int(len as i64);
}

pub(super) fn sinter(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply(cx.out, intersection(sets(&cx.db, &args[1..])?));
    Ok(())
}

pub(super) fn sintercard(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let count = at_least(args[1], 1, "ERR numkeys should be greater than 0")?;
    let (keys, rest) = args[2..].split_at_checked(count).ok_or(CmdError::text(
        "ERR Number of keys can't be greater than number of args",
    ))?;
    let mut limit = 0;
    let (options, rest) = rest.as_chunks::<2>();
    for &[name, value] in options {
        if !is(name, "limit") {
            return Err(CmdError::Syntax);
        }
        limit = at_least(value, 0, "ERR LIMIT can't be negative")?;
    }
    if !rest.is_empty() {
        return Err(CmdError::Syntax);
    }
    let limit = if limit == 0 { usize::MAX } else { limit };
    let number = intersection(sets(&cx.db, keys)?).take(limit).count();
    cx.out.int(number as i64);
    Ok(())
}

pub(super) fn sinterstore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let result = collect(intersection(sets(&cx.db, &args[2..])?), cx.env.limits);
    store(cx, args[1], result, "sinterstore");
    Ok(())
}

pub(super) fn sunion(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let result = union(sets(&cx.db, &args[1..])?, cx.env.limits);
    reply(cx.out, result.iter());
    Ok(())
}

pub(super) fn sunionstore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let result = union(sets(&cx.db, &args[2..])?, cx.env.limits);
    store(cx, args[1], result, "sunionstore");
    Ok(())
}

pub(super) fn sdiff(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply(cx.out, difference(sets(&cx.db, &args[1..])?));
    Ok(())
}

pub(super) fn sdiffstore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let result = collect(difference(sets(&cx.db, &args[2..])?), cx.env.limits);
    store(cx, args[1], result, "sdiffstore");
    Ok(())
}
