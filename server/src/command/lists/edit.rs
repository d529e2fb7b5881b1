//! Commands of one list.

use crate::command::args::{integer, is};
use crate::command::collections::{at_least, place, positive, span};
use crate::command::{CmdError, Cx, events};
use crate::store::item::Item;
use crate::store::list::End;

type Done = Result<(), CmdError>;

fn push(cx: &mut Cx<'_>, args: &[&[u8]], end: End) -> Done {
    let list = cx.db.list_or_new(args[1])?;
    for elem in &args[2..] {
        list.push(end, elem, cx.env.limits);
    }
    cx.out.int(list.len() as i64);
    cx.dirty();
    cx.notify(events::LIST, pushed(end), args[1]);
    Ok(())
}

/// The event of a push to this end.
pub(super) fn pushed(end: End) -> &'static str {
    match end {
        End::Left => "lpush",
        End::Right => "rpush",
    }
}

/// The event of a pop from this end.
pub(super) fn popped(end: End) -> &'static str {
    match end {
        End::Left => "lpop",
        End::Right => "rpop",
    }
}

pub(super) fn lpush(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    push(cx, args, End::Left)
}

pub(super) fn rpush(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    push(cx, args, End::Right)
}

fn push_if_there(cx: &mut Cx<'_>, args: &[&[u8]], end: End) -> Done {
    if cx.db.list(args[1])?.is_none() {
        cx.out.int(0);
        return Ok(());
    }
    push(cx, args, end)
}

pub(super) fn lpushx(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    push_if_there(cx, args, End::Left)
}

pub(super) fn rpushx(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    push_if_there(cx, args, End::Right)
}

fn pop(cx: &mut Cx<'_>, args: &[&[u8]], end: End, name: &'static str) -> Done {
    let count = match args[2..] {
        [] => None,
        [count] => Some(positive(count)?),
        _ => return Err(CmdError::Arity(name)),
    };
    let Some(list) = cx.db.list(args[1])? else {
        match count {
            None => cx.out.null(),
            Some(_) => cx.out.null_array(),
        }
        return Ok(());
    };
    // Removing nothing from a list is not a change.
    let number = count.unwrap_or(1).min(list.len());
    if count.is_some() {
        cx.out.array(number);
    }
    if number > 0 {
        take(cx, args[1], end, number)?;
        cx.dirty();
    }
    Ok(())
}

/// Takes so many elements, at most those there are, and replies with each.
pub(super) fn take(cx: &mut Cx<'_>, key: &[u8], end: End, number: usize) -> Done {
    if let Some(list) = cx.db.list_mut(key)? {
        for _ in 0..number {
            cx.out.bulk_or_null(list.peek(end).as_deref());
            list.drop_end(end);
        }
        let empty = list.is_empty();
        cx.notify(events::LIST, popped(end), key);
        if empty {
            cx.db.remove_if_empty(key);
        }
    }
    Ok(())
}

pub(super) fn lpop(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    pop(cx, args, End::Left, "lpop")
}

pub(super) fn rpop(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    pop(cx, args, End::Right, "rpop")
}

pub(super) fn llen(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let len = cx.db.list(args[1])?.map_or(0, |l| l.len());
    cx.out.int(len as i64);
    Ok(())
}

pub(super) fn lrange(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (start, stop) = (integer(args[2])?, integer(args[3])?);
    let Some(list) = cx.db.list(args[1])? else {
        cx.out.array(0);
        return Ok(());
    };
    let range = span(start, stop, list.len());
    cx.out.array(range.len());
    let mut digits = itoa::Buffer::new();
    for elem in list.iter_from(range.start).take(range.len()) {
        cx.out.bulk(elem.bytes(&mut digits));
    }
    Ok(())
}

pub(super) fn lindex(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let Some(list) = cx.db.list(args[1])? else {
        cx.out.null();
        return Ok(());
    };
    let at = place(integer(args[2])?, list.len());
    cx.out
        .bulk_or_null(at.and_then(|at| list.get(at)).as_deref());
    Ok(())
}

pub(super) fn lset(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let list = cx.db.list(args[1])?.ok_or(CmdError::NoSuchKey)?;
    let at = place(integer(args[2])?, list.len()).ok_or(CmdError::IndexOutOfRange)?;
    if let Some(list) = cx.db.list_mut(args[1])? {
        list.set(at, args[3], cx.env.limits);
    }
    cx.dirty();
    cx.notify(events::LIST, "lset", args[1]);
    cx.out.ok();
    Ok(())
}

pub(super) fn linsert(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let after = match args[2] {
        word if is(word, "after") => 1,
        word if is(word, "before") => 0,
        _ => return Err(CmdError::Syntax),
    };
    let Some(list) = cx.db.list(args[1])? else {
        cx.out.int(0);
        return Ok(());
    };
    let sought = Item::of(args[3]);
    let Some(pivot) = list.iter().position(|e| e == sought) else {
        cx.out.int(-1);
        return Ok(());
    };
    if let Some(list) = cx.db.list_mut(args[1])? {
        list.insert(pivot + after, args[4], cx.env.limits);
        cx.out.int(list.len() as i64);
    }
    cx.dirty();
    cx.notify(events::LIST, "linsert", args[1]);
    Ok(())
}

pub(super) fn lrem(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let count = integer(args[2])?;
    let (from, limit) = match count {
        0 => (End::Left, usize::MAX),
        1.. => (End::Left, count as usize),
        _ => (End::Right, count.unsigned_abs() as usize),
    };
    let (list, sought) = (cx.db.list(args[1])?, Item::of(args[3]));
    let mut gone = 0;
    if list.is_some_and(|l| l.iter().any(|e| e == sought))
        && let Some(list) = cx.db.list_mut(args[1])?
    {
        gone = list.remove_equal(from, args[3], limit, cx.env.limits);
        cx.notify(events::LIST, "lrem", args[1]);
        cx.db.remove_if_empty(args[1]);
        cx.dirty();
    }
    cx.out.int(gone as i64);
    Ok(())
}

pub(super) fn ltrim(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (start, stop) = (integer(args[2])?, integer(args[3])?);
    if let Some(list) = cx.db.list(args[1])? {
        let (keep, len) = (span(start, stop, list.len()), list.len());
        if keep.len() < len
            && let Some(list) = cx.db.list_mut(args[1])?
        {
            list.remove_range(keep.end, len, cx.env.limits);
            list.remove_range(0, keep.start, cx.env.limits);
            cx.dirty();
        }
        // Even if all of it stays, as in Redis.
        cx.signal(args[1]);
        cx.notify(events::LIST, "ltrim", args[1]);
        cx.db.remove_if_empty(args[1]);
    }
    cx.out.ok();
    Ok(())
}

pub(super) fn lpos(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (mut rank, mut count, mut most) = (1, None, 0);
    let (options, rest) = args[3..].as_chunks::<2>();
    for &[name, value] in options {
        if is(name, "rank") {
            rank = integer(value)?;
            if rank == 0 {
                return Err(CmdError::text(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
                ));
            }
        } else if is(name, "count") {
            count = Some(at_least(value, 0, "ERR COUNT can't be negative")?);
        } else if is(name, "maxlen") {
            most = at_least(value, 0, "ERR MAXLEN can't be negative")?;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    if !rest.is_empty() {
        return Err(CmdError::Syntax);
    }
    let list = cx.db.list(args[1])?;
    let len = list.map_or(0, |l| l.len());
    let most = if most == 0 { len } else { most };
    let skip = rank.unsigned_abs() as usize - 1;
    let wanted = match count {
        None => 1,
        Some(0) => usize::MAX,
        Some(count) => count,
    };
    let mut found: Vec<usize> = Vec::new();
    if let Some(list) = list {
        let sought = Item::of(args[2]);
        let is_match = |(at, elem): (usize, Item<'_>)| (elem == sought).then_some(at);
        if rank > 0 {
            let hits = list.iter().take(most).enumerate().filter_map(is_match);
            found.extend(hits.skip(skip).take(wanted));
        } else {
            let from_end = list.iter().rev().take(most).enumerate();
            let hits = from_end.filter_map(is_match).map(|at| len - 1 - at);
            found.extend(hits.skip(skip).take(wanted));
        }
    }
    match (count, found.first()) {
        (None, None) => cx.out.null(),
        (None, Some(&at)) => cx.out.int(at as i64),
        (Some(_), _) => {
            cx.out.array(found.len());
            for at in found {
                cx.out.int(at as i64);
            }
        }
    }
    Ok(())
}
