//! When keys expire.

use crate::command::args::{Conditions, Unit, integer, invalid_expire};
use crate::command::{CmdError, Cx, events};

pub(super) fn expire(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    set_expiry(cx, args, Unit::Seconds, "expire")
}

pub(super) fn pexpire(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    set_expiry(cx, args, Unit::Milliseconds, "pexpire")
}

pub(super) fn expireat(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    set_expiry(cx, args, Unit::UnixSeconds, "expireat")
}

pub(super) fn pexpireat(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    set_expiry(cx, args, Unit::UnixMilliseconds, "pexpireat")
}

fn conditions(args: &[&[u8]]) -> Result<Conditions, CmdError> {
    let mut conditions = Conditions::default();
    for arg in args {
        if !conditions.take(arg) {
            return Err(CmdError::repeating("ERR Unsupported option {}", &[arg]));
        }
    }
    if conditions.nx && (conditions.xx || conditions.gt || conditions.lt) {
        return Err(CmdError::text(
            "ERR NX and XX, GT or LT options at the same time are not compatible",
        ));
    }
    if conditions.gt && conditions.lt {
        return Err(CmdError::text(
            "ERR GT and LT options at the same time are not compatible",
        ));
    }
    Ok(conditions)
}

fn set_expiry(
    cx: &mut Cx<'_>,
    args: &[&[u8]],
    unit: Unit,
    command: &'static str,
) -> Result<(), CmdError> {
    let key = args[1];
    let conditions = conditions(&args[3..])?;
    let at = unit
        .moment(integer(args[2])?, cx.env.now_ms)
        .ok_or_else(|| invalid_expire(command))?;
    let changes = match cx.db.expire(key) {
        Some(old) => conditions.hold(old, at),
        None => false,
    };
    if !changes {
        cx.out.int(0);
        return Ok(());
    }
    if cx.is_past(at) {
        cx.db.remove(key);
        cx.rewrite(&[b"DEL", key]);
        cx.notify(events::GENERIC, "del", key);
    } else {
        cx.db.expire_at(key, Some(at));
        // Time goes on while a command travels: replicas are told the moment, not the span.
        cx.rewrite(&[b"PEXPIREAT", key, itoa::Buffer::new().format(at).as_bytes()]);
        cx.notify(events::GENERIC, "expire", key);
    }
    cx.out.int(1);
    Ok(())
}

pub(super) fn persist(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let had = matches!(cx.db.expire(args[1]), Some(Some(_)));
    if had {
        cx.db.expire_at(args[1], None);
        cx.dirty();
        cx.notify(events::GENERIC, "persist", args[1]);
    }
    cx.out.int(i64::from(had));
    Ok(())
}

pub(super) fn ttl(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let now = cx.env.now_ms;
    answer(cx, args[1], |at| seconds(at.saturating_sub(now).max(0)))
}

pub(super) fn pttl(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let now = cx.env.now_ms;
    answer(cx, args[1], |at| at.saturating_sub(now).max(0))
}

pub(super) fn expiretime(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    answer(cx, args[1], seconds)
}

pub(super) fn pexpiretime(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    answer(cx, args[1], |at| at)
}

/// Milliseconds in seconds, to the nearest.
fn seconds(millis: i64) -> i64 {
    let part = i64::from(millis % 1000 >= 500);
    millis / 1000 + part
}

/// What `show` makes of the moment `key` expires at; -1 if it never does, -2 if it is not there.
fn answer(cx: &mut Cx<'_>, key: &[u8], show: impl Fn(i64) -> i64) -> Result<(), CmdError> {
    let entry = cx.db.look(key);
    cx.out.int(match entry.map(|e| e.expire()) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => show(at),
    });
    Ok(())
}
