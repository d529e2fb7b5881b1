//! Changing part of a string; numbers in strings.

use super::{check_len, range};
use crate::command::args::integer;
use crate::command::{CmdError, Cx, events};
use crate::store::longdouble::LongDouble;
use crate::store::{Entry, ValueRef, entry, num};

pub(super) fn strlen(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let len = cx.db.string(args[1])?.map_or(0, <[u8]>::len);
    cx.out.int(len as i64);
    Ok(())
}

pub(super) fn append(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (key, tail) = (args[1], args[2]);
    let old = cx.db.string(key)?.map(<[u8]>::len);
    let len = check_len(cx, old.unwrap_or(0).checked_add(tail.len()))?;
    match old {
        None => cx.db.set_string(key, tail, None),
        Some(old) => cx.db.resize_string(key, len)?[old..].copy_from_slice(tail),
    }
    cx.dirty();
    cx.notify(events::STRING, "append", key);
    cx.out.int(len as i64);
    Ok(())
}

pub(super) fn getrange(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (start, end) = (integer(args[2])?, integer(args[3])?);
    let value = cx.db.string(args[1])?.unwrap_or_default();
    let part = range(start, end, value.len()).and_then(|range| value.get(range));
    cx.out.bulk(part.unwrap_or_default());
    Ok(())
}

pub(super) fn setrange(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (key, part) = (args[1], args[3]);
    let offset = usize::try_from(integer(args[2])?)
        .map_err(|_| CmdError::text("ERR offset is out of range"))?;
    let old = cx.db.string(key)?.map_or(0, <[u8]>::len);
    if part.is_empty() {
        cx.out.int(old as i64);
        return Ok(());
    }
    let end = check_len(cx, offset.checked_add(part.len()))?;
    let len = old.max(end);
    cx.db.resize_string(key, len)?[offset..end].copy_from_slice(part);
    cx.dirty();
    cx.notify(events::STRING, "setrange", key);
    cx.out.int(len as i64);
    Ok(())
}

pub(super) fn incr(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    add(cx, args[1], 1)
}

pub(super) fn decr(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    add(cx, args[1], -1)
}

pub(super) fn incrby(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    add(cx, args[1], integer(args[2])?)
}

pub(super) fn decrby(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let by = integer(args[2])?
        .checked_neg()
        .ok_or(CmdError::text("ERR decrement would overflow"))?;
    add(cx, args[1], by)
}

fn add(cx: &mut Cx<'_>, key: &[u8], by: i64) -> Result<(), CmdError> {
    let entry = cx.db.entry(key);
    let value = match entry.map(Entry::value) {
        None => 0,
        Some(ValueRef::Str(text)) => num::parse_i64(text).ok_or(CmdError::NotInteger)?,
        Some(_) => return Err(CmdError::WrongType),
    };
    let sum = value
        .checked_add(by)
        .ok_or(CmdError::text("ERR increment or decrement would overflow"))?;
    let expire = entry.and_then(Entry::expire);
    let mut buffer = itoa::Buffer::new();
    cx.db.set_string(key, buffer.format(sum).as_bytes(), expire);
    cx.dirty();
    cx.notify(events::STRING, "incrby", key);
    cx.out.int(sum);
    Ok(())
}

pub(super) fn incrbyfloat(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let key = args[1];
    let entry = cx.db.entry(key);
    let value = match entry.map(Entry::value) {
        None => LongDouble::ZERO,
        Some(ValueRef::Str(text)) => LongDouble::parse(text).ok_or(CmdError::NotFloat)?,
        Some(_) => return Err(CmdError::WrongType),
    };
    let by = LongDouble::parse(args[2]).ok_or(CmdError::NotFloat)?;
    let sum = (value + by).to_text().ok_or(CmdError::text(
        "ERR increment would produce NaN or Infinity",
    ))?;
    let expire = entry.and_then(Entry::expire);
    cx.db.set_string(key, sum.as_bytes(), expire);
    if let Some(entry) = cx.db.entry_mut(key) {
        entry.mark(entry::TEXT);
    }
    // Replicas need not agree on arithmetic.
    cx.rewrite(&[b"SET", key, sum.as_bytes(), b"KEEPTTL"]);
    cx.notify(events::STRING, "incrbyfloat", key);
    cx.out.bulk(sum.as_bytes());
    Ok(())
}
