//! When fields expire.

use super::Done;
use crate::command::args::{Conditions, Unit, integer, invalid_expire, is};
use crate::command::{CmdError, Cx, Origin, events};
use crate::store::hash::FIELD_TIME_MAX;
use crate::store::num::parse_i64;

const NO_FIELD: i64 = -2;
const NO_TIME: i64 = -1;
const UNCHANGED: i64 = 0;
const CHANGED: i64 = 1;
const REMOVED: i64 = 2;

pub(super) fn hexpire(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    set_times(cx, args, Unit::Seconds, "hexpire")
}

pub(super) fn hpexpire(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    set_times(cx, args, Unit::Milliseconds, "hpexpire")
}

pub(super) fn hexpireat(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    set_times(cx, args, Unit::UnixSeconds, "hexpireat")
}

pub(super) fn hpexpireat(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    set_times(cx, args, Unit::UnixMilliseconds, "hpexpireat")
}

/// There is no `FIELDS`.
pub(super) const NO_FIELDS: CmdError =
    CmdError::text("ERR Mandatory argument FIELDS is missing or not at the right position");

/// The fields of `FIELDS numfields field ...`; an error, `too_few` if they should be less than one.
pub(super) fn fields<'a>(
    args: &'a [&'a [u8]],
    too_few: &'static str,
) -> Result<&'a [&'a [u8]], CmdError> {
    let [word, count, fields @ ..] = args else {
        return Err(CmdError::Syntax);
    };
    if !is(word, "fields") {
        return Err(NO_FIELDS);
    }
    let count = parse_i64(count).filter(|count| *count > 0);
    match usize::try_from(count.ok_or(CmdError::text(too_few))?) {
        Ok(count) if count == fields.len() => Ok(fields),
        _ => Err(CmdError::text(
            "ERR The `numfields` parameter must match the number of arguments",
        )),
    }
}

fn set_times(cx: &mut Cx<'_>, args: &[&[u8]], unit: Unit, command: &'static str) -> Done {
    let key = args[1];
    let there = cx.db.hash(key)?.is_some();
    let time = integer(args[2])?;
    if time < 0 {
        return Err(CmdError::text("ERR invalid expire time, must be >= 0"));
    }
    let at = unit
        .moment(time, cx.env.now_ms)
        .filter(|at| *at <= FIELD_TIME_MAX)
        .ok_or_else(|| invalid_expire(command))?;
    let mut conditions = Conditions::default();
    // Other than EXPIRE it takes one of them; a Valkey takes more, and passes them on.
    let most = match cx.env.origin {
        Origin::Master => usize::MAX,
        _ => 1,
    };
    let said = args[3..].iter().take(most);
    let said = said.take_while(|arg| conditions.take(arg)).count();
    let rest = &args[3 + said..];
    let fields = fields(rest, "ERR Parameter `numFields` should be greater than 0")?;
    cx.out.array(fields.len());
    if !there {
        fields.iter().for_each(|_| cx.out.int(NO_FIELD));
        return Ok(());
    }
    let (past, until) = (cx.is_past(at), cx.db.fields_until());
    let mut changed: Vec<&[u8]> = Vec::new();
    if let Some(hash) = cx.db.hash_mut(key)? {
        for &field in fields {
            let outcome = match hash.at(until).contains(field) {
                false => NO_FIELD,
                true if !conditions.hold(hash.time_of(field), at) => UNCHANGED,
                true if past => {
                    hash.remove(field);
                    REMOVED
                }
                true => {
                    hash.set_time(field, Some(at));
                    CHANGED
                }
            };
            if outcome > UNCHANGED {
                changed.push(field);
            }
            cx.out.int(outcome);
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    cx.db.field_times_changed(key);
    if past {
        let command: Vec<&[u8]> = [b"HDEL", key].into_iter().chain(changed).collect();
        cx.rewrite(&command);
        cx.notify(events::HASH, "hdel", key);
        cx.db.remove_if_empty(key);
    } else {
        tell(cx, key, at, &changed);
        cx.notify(events::HASH, "hexpire", key);
    }
    Ok(())
}

/// Tells replicas when `fields` expire. Time goes on while that travels: the moment, not the span.
pub(in crate::command) fn tell(cx: &mut Cx<'_>, key: &[u8], at: i64, fields: &[&[u8]]) {
    let (at, count) = (at.to_string(), fields.len().to_string());
    let mut command = vec![
        b"HPEXPIREAT",
        key,
        at.as_bytes(),
        b"FIELDS",
        count.as_bytes(),
    ];
    command.extend(fields);
    cx.rewrite(&command);
}

/// Tells replicas that `fields` have no time any more.
pub(super) fn tell_none(cx: &mut Cx<'_>, key: &[u8], fields: &[&[u8]]) {
    let count = fields.len().to_string();
    let mut command = vec![b"HPERSIST", key, b"FIELDS", count.as_bytes()];
    command.extend(fields);
    cx.rewrite(&command);
}

/// For [`fields`], where they are read.
pub(super) const TOO_FEW: &str = "ERR Number of fields must be a positive integer";

pub(super) fn hpersist(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let key = args[1];
    let hash = cx.db.fields(key)?;
    let fields = fields(&args[2..], TOO_FEW)?;
    cx.out.array(fields.len());
    // Nothing is touched unless there is something to change.
    if !hash.is_some_and(|h| fields.iter().any(|f| h.time_of(f).is_some())) {
        for field in fields {
            let there = hash.is_some_and(|h| h.contains(field));
            cx.out.int(if there { NO_TIME } else { NO_FIELD });
        }
        return Ok(());
    }
    let until = cx.db.fields_until();
    let mut changed: Vec<&[u8]> = Vec::new();
    if let Some(hash) = cx.db.hash_mut(key)? {
        for &field in fields {
            let outcome = match (hash.at(until).contains(field), hash.time_of(field)) {
                (false, _) => NO_FIELD,
                (true, None) => NO_TIME,
                (true, Some(_)) => {
                    hash.set_time(field, None);
                    changed.push(field);
                    CHANGED
                }
            };
            cx.out.int(outcome);
        }
    }
    if !changed.is_empty() {
        cx.db.field_times_changed(key);
        // Not those that are hidden here: a replica, which hides nothing from its master, would keep them.
        tell_none(cx, key, &changed);
        cx.notify(events::HASH, "hpersist", key);
    }
    Ok(())
}

pub(super) fn httl(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let now = cx.env.now_ms;
    answer(cx, args, |at| seconds_up(at.saturating_sub(now)))
}

pub(super) fn hpttl(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let now = cx.env.now_ms;
    answer(cx, args, |at| at.saturating_sub(now))
}

pub(super) fn hexpiretime(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    answer(cx, args, seconds_up)
}

pub(super) fn hpexpiretime(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    answer(cx, args, |at| at)
}

/// Milliseconds in seconds, rounded up.
fn seconds_up(millis: i64) -> i64 {
    millis.saturating_add(999).div_euclid(1000)
}

/// For each field what `show` makes of the moment it expires at.
fn answer(cx: &mut Cx<'_>, args: &[&[u8]], show: impl Fn(i64) -> i64) -> Done {
    let hash = cx.db.fields(args[1])?;
    let fields = fields(&args[2..], TOO_FEW)?;
    cx.out.array(fields.len());
    for &field in fields {
        cx.out.int(match hash {
            Some(hash) if hash.contains(field) => hash.time_of(field).map_or(NO_TIME, &show),
            _ => NO_FIELD,
        });
    }
    Ok(())
}
