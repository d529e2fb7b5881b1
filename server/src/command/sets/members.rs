//! Commands of the members of one set, and the move of one to another.

use crate::command::collections::{Picks, positive, scan};
use crate::command::scan::Scanned;
use crate::command::{CmdError, Cx, events};
use crate::store::random::{distinct, random};
use crate::store::set::Set;
use smallvec::SmallVec;

type Done = Result<(), CmdError>;

pub(super) fn sadd(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let set = cx.db.set_or_new(args[1])?;
    let mut new = 0;
    for member in &args[2..] {
        new += i64::from(set.insert(member, cx.env.limits));
    }
    if new > 0 {
        cx.dirty();
        cx.notify(events::SET, "sadd", args[1]);
    }
    cx.out.int(new);
    Ok(())
}

pub(super) fn srem(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let mut gone = 0;
    let set = cx.db.set(args[1])?;
    if set.is_some_and(|s| args[2..].iter().any(|m| s.contains(m)))
        && let Some(set) = cx.db.set_mut(args[1])?
    {
        for member in &args[2..] {
            gone += i64::from(set.remove(member));
        }
        cx.notify(events::SET, "srem", args[1]);
        cx.db.remove_if_empty(args[1]);
        cx.dirty();
    }
    cx.out.int(gone);
    Ok(())
}

pub(super) fn sismember(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let there = cx.db.set(args[1])?.is_some_and(|s| s.contains(args[2]));
    cx.out.int(there.into());
    Ok(())
}

pub(super) fn smismember(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let set = cx.db.set(args[1])?;
    cx.out.array(args.len() - 2);
    for member in &args[2..] {
        let there = set.is_some_and(|s| s.contains(member));
        cx.out.int(there.into());
    }
    Ok(())
}

pub(super) fn smembers(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let set = cx.db.set(args[1])?;
    cx.out.set(set.map_or(0, Set::len));
    for member in set.into_iter().flat_map(Set::iter) {
        cx.out.bulk(&member);
    }
    Ok(())
}

pub(super) fn scard(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let len = cx.db.set(args[1])?.map_or(0, Set::len);
    cx.out.int(len as i64);
    Ok(())
}

pub(super) fn spop(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (key, count) = match args[1..] {
        [key] => (key, None),
        [key, count] => (key, Some(positive(count)?)),
        _ => return Err(CmdError::Syntax),
    };
    let Some(set) = cx.db.set(key)? else {
        match count {
            None => cx.out.null(),
            Some(_) => cx.out.set(0),
        }
        return Ok(());
    };
    let number = count.unwrap_or(1).min(set.len());
    if count.is_some() {
        cx.out.set(number);
    }
    if number == 0 {
        return Ok(());
    }
    // All of them: replicas need not be told which.
    if count.is_some() && number == set.len() {
        for member in set.iter() {
            cx.out.bulk(&member);
        }
        cx.notify(events::SET, "spop", key);
        cx.db.remove(key);
        cx.rewrite(&[b"DEL", key]);
        cx.notify(events::GENERIC, "del", key);
        return Ok(());
    }
    if number == 1
        && let Some(member) = set.random(random())
    {
        let member: SmallVec<[u8; 64]> = SmallVec::from_slice(&member);
        if let Some(set) = cx.db.set_mut(key)? {
            set.remove(&member);
            cx.notify(events::SET, "spop", key);
            cx.db.remove_if_empty(key);
        }
        cx.out.bulk(&member);
        cx.rewrite(&[b"SREM", key, &member]);
        return Ok(());
    }
    let places = distinct(number, set.len());
    let members: Vec<Box<[u8]>> = set.pick(&places).map(|m| Box::from(&*m)).collect();
    if let Some(set) = cx.db.set_mut(key)? {
        for member in &members {
            set.remove(member);
            cx.out.bulk(member);
        }
        cx.notify(events::SET, "spop", key);
        cx.db.remove_if_empty(key);
    }
    let mut told: Vec<&[u8]> = vec![b"SREM", key];
    told.extend(members.iter().map(|m| &**m));
    cx.rewrite(&told);
    Ok(())
}

pub(super) fn srandmember(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let picks = match args[2..] {
        [] => {
            let member = cx.db.set(args[1])?.and_then(|s| s.random(random()));
            cx.out.bulk_or_null(member.as_deref());
            return Ok(());
        }
        [count] => Picks::parse(count, false)?,
        _ => return Err(CmdError::Syntax),
    };
    let Some(set) = cx.db.set(args[1])? else {
        cx.out.array(0);
        return Ok(());
    };
    match picks {
        Picks::Distinct(count) => {
            let places = distinct(count, set.len());
            cx.out.array(places.len());
            for member in set.pick(&places) {
                cx.out.bulk(&member);
            }
        }
        Picks::Repeated(count) => {
            cx.out.array(count);
            for _ in 0..count {
                let member = set.random(random());
                cx.out.bulk_or_null(member.as_deref());
            }
        }
    }
    Ok(())
}

pub(super) fn smove(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (source, destination, member) = (args[1], args[2], args[3]);
    let Some(from) = cx.db.set(source)? else {
        cx.out.int(0);
        return Ok(());
    };
    let there = from.contains(member);
    cx.db.set(destination)?;
    if there && source != destination {
        if let Some(from) = cx.db.set_mut(source)? {
            from.remove(member);
        }
        cx.notify(events::SET, "srem", source);
        cx.db.remove_if_empty(source);
        let known = cx.db.set(destination)?.is_some_and(|s| s.contains(member));
        if !known {
            cx.db.set_or_new(destination)?.insert(member, cx.env.limits);
            cx.notify(events::SET, "sadd", destination);
        }
        cx.dirty();
    }
    cx.out.int(there.into());
    Ok(())
}

pub(super) fn sscan(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    scan(
        cx,
        args,
        Scanned::Members,
        |db, key| db.set(key),
        |set, cursor, found| {
            let count = found.count();
            set.scan(cursor, count, |member| found.add(member, None))
        },
    )
}
