//! Values and times of fields in one command, as of Redis 8.0: HSETEX, HGETEX, HGETDEL.
//!
//! Replicas are told effects that servers of older versions know, too: HSET, HPEXPIREAT, HPERSIST, HDEL.

use super::Done;
use super::times::{self, TOO_FEW, fields};
use crate::command::args::{Unit, integer, invalid_expire, is};
use crate::command::{CmdError, Cx, events};
use crate::store::hash::FIELD_TIME_MAX;

/// What happens to the times of fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    /// They go (of a writer), or stay (of a reader).
    Usual,
    /// They stay, or go.
    Unusual,
    /// All are to be this one, Unix milliseconds.
    At(i64),
}

/// The moment that `arg` of an option means.
fn moment(arg: &[u8], unit: Unit, now: i64, command: &'static str) -> Result<i64, CmdError> {
    let time = integer(arg)?;
    if time < 0 {
        return Err(CmdError::text("ERR invalid expire time, must be >= 0"));
    }
    unit.moment(time, now)
        .filter(|at| *at <= FIELD_TIME_MAX)
        .ok_or_else(|| invalid_expire(command))
}

/// What HSETEX is told beside the key.
struct Setting<'a> {
    times: Times,
    /// `FNX` is `Some(false)`: all fields have to be missing; `FXX` is `Some(true)`: all have to be there.
    all_there: Option<bool>,
    pairs: &'a [[&'a [u8]; 2]],
}

impl<'a> Setting<'a> {
    fn parse(args: &'a [&'a [u8]], now: i64) -> Result<Setting<'a>, CmdError> {
        let (mut times, mut all_there) = (Times::Usual, None);
        let mut rest = args;
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            let unit = Unit::of_option(word);
            if is(word, "fields") {
                let pairs = pairs(rest)?;
                return Ok(Setting {
                    times,
                    all_there,
                    pairs,
                });
            } else if is(word, "keepttl") || unit.is_some() {
                if times != Times::Usual {
                    return Err(CmdError::text(
                        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                    ));
                }
                times = match (unit, rest.split_first()) {
                    (None, _) => Times::Unusual,
                    (Some(unit), Some((time, after))) => {
                        rest = after;
                        Times::At(moment(time, unit, now, "hsetex")?)
                    }
                    (Some(_), None) => return Err(CmdError::text("ERR missing expire time")),
                };
            } else if is(word, "fxx") || is(word, "fnx") {
                if all_there.is_some() {
                    return Err(CmdError::text(
                        "ERR Only one of FXX or FNX arguments can be specified",
                    ));
                }
                all_there = Some(is(word, "fxx"));
            } else {
                let word = String::from_utf8_lossy(word);
                return Err(CmdError::formatted(format!("ERR unknown argument: {word}")));
            }
        }
        Err(times::NO_FIELDS)
    }

    /// Whether the fields of the hash at `key` are there, or missing, as the setting demands.
    fn may_be_done(&self, cx: &Cx<'_>, key: &[u8]) -> Result<bool, CmdError> {
        if let Some(wanted) = self.all_there {
            for [field, _] in self.pairs {
                if cx.db.field(key, field)?.is_some() != wanted {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The pairs behind `FIELDS`.
fn pairs<'a>(args: &'a [&'a [u8]]) -> Result<&'a [[&'a [u8]; 2]], CmdError> {
    const ARITY: CmdError = CmdError::Arity("hsetex");
    let [count, rest @ ..] = args else {
        return Err(ARITY);
    };
    if rest.len() < 2 {
        return Err(ARITY);
    }
    const INVALID: CmdError = CmdError::text("ERR invalid number of fields");
    let count = integer(count).map_err(|_| INVALID)?;
    let count = i32::try_from(count).ok().filter(|count| *count > 0);
    let count = count.ok_or(INVALID)? as usize;
    let (pairs, odd) = rest.as_chunks::<2>();
    match odd.is_empty() && pairs.len() == count {
        true => Ok(pairs),
        false => Err(ARITY),
    }
}

pub(super) fn hsetex(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let key = args[1];
    let setting = Setting::parse(&args[2..], cx.env.now_ms)?;
    let Setting { times, pairs, .. } = setting;
    cx.db.hash(key)?;
    if !setting.may_be_done(cx, key)? {
        cx.out.int(0);
        return Ok(());
    }
    // What has expired has no time that could stay, and counted as missing.
    if times == Times::Unusual || setting.all_there.is_some() {
        let named = pairs.iter().map(|[field, _]| *field);
        cx.db.renew_fields(key, named);
    }
    let past = matches!(times, Times::At(at) if cx.is_past(at));
    let hash = cx.db.hash_or_new(key)?;
    let mut kept: Vec<(i64, &[u8])> = Vec::new();
    for [field, value] in pairs {
        match times {
            Times::Unusual => {
                hash.update(field, value, cx.env.limits);
                kept.extend(hash.time_of(field).map(|at| (at, *field)));
            }
            Times::Usual => drop(hash.insert(field, value, cx.env.limits)),
            Times::At(at) => {
                hash.insert(field, value, cx.env.limits);
                match past {
                    true => drop(hash.remove(field)),
                    false => drop(hash.set_time(field, Some(at))),
                }
            }
        }
    }
    cx.db.field_times_changed(key);
    cx.notify(events::HASH, "hset", key);
    let named: Vec<&[u8]> = pairs.iter().map(|[field, _]| *field).collect();
    if past {
        removed(cx, key, &named);
    } else {
        let words = pairs.iter().flatten().copied();
        let command: Vec<&[u8]> = [b"HSET", key].into_iter().chain(words).collect();
        cx.rewrite(&command);
        for (at, field) in kept {
            times::tell(cx, key, at, &[field]);
        }
        if let Times::At(at) = times {
            times::tell(cx, key, at, &named);
            cx.notify(events::HASH, "hexpire", key);
        }
    }
    cx.out.int(1);
    Ok(())
}

/// After `fields` of the hash at `key` were removed.
fn removed(cx: &mut Cx<'_>, key: &[u8], fields: &[&[u8]]) {
    let command: Vec<&[u8]> = [b"HDEL", key]
        .into_iter()
        .chain(fields.iter().copied())
        .collect();
    cx.rewrite(&command);
    cx.notify(events::HASH, "hdel", key);
    cx.db.remove_if_empty(key);
}

/// Replies the values of `fields`; those that are there.
fn answer<'a>(cx: &mut Cx<'_>, key: &[u8], fields: &[&'a [u8]]) -> Result<Vec<&'a [u8]>, CmdError> {
    let view = cx.db.fields(key)?;
    cx.out.array(fields.len());
    let mut there = Vec::new();
    for field in fields {
        let value = view.and_then(|view| cx.db.read_field(key, view, field));
        cx.out.bulk_or_null(value.as_deref());
        there.extend(value.map(|_| *field));
    }
    Ok(there)
}

pub(super) fn hgetex(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let key = args[1];
    cx.db.hash(key)?;
    let (times, rest) = match (Unit::of_option(args[2]), &args[3..]) {
        (Some(unit), [time, rest @ ..]) => (
            Times::At(moment(time, unit, cx.env.now_ms, "hgetex")?),
            rest,
        ),
        (None, rest) if is(args[2], "persist") => (Times::Unusual, rest),
        _ => (Times::Usual, &args[2..]),
    };
    if rest.len() < 2 {
        return Err(CmdError::Arity("hgetex"));
    }
    let there = answer(cx, key, fields(rest, TOO_FEW)?)?;
    let has_time = |cx: &Cx<'_>, field: &[u8]| {
        let hash = cx.db.hash(key).ok().flatten();
        hash.is_some_and(|hash| hash.time_of(field).is_some())
    };
    let (at, concerned): (_, Vec<&[u8]>) = match times {
        Times::Usual => return Ok(()),
        Times::At(at) => (Some(at), there),
        Times::Unusual => {
            let timed = there.into_iter().filter(|field| has_time(cx, field));
            (None, timed.collect())
        }
    };
    if concerned.is_empty() {
        return Ok(());
    }
    // What went by itself is heard of before what the command did.
    cx.db.remove_stale();
    let past = at.is_some_and(|at| cx.is_past(at));
    if let Some(hash) = cx.db.hash_mut(key)? {
        for field in &concerned {
            match past {
                true => hash.remove(field),
                false => hash.set_time(field, at),
            };
        }
    }
    cx.db.field_times_changed(key);
    match at {
        Some(_) if past => removed(cx, key, &concerned),
        Some(at) => {
            times::tell(cx, key, at, &concerned);
            cx.notify(events::HASH, "hexpire", key);
        }
        None => {
            times::tell_none(cx, key, &concerned);
            cx.notify(events::HASH, "hpersist", key);
        }
    }
    Ok(())
}

pub(super) fn hgetdel(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let key = args[1];
    cx.db.hash(key)?;
    let mut gone = answer(cx, key, fields(&args[2..], TOO_FEW)?)?;
    if gone.is_empty() {
        return Ok(());
    }
    cx.db.remove_stale();
    if let Some(hash) = cx.db.hash_mut(key)? {
        gone.retain(|field| hash.remove(field));
    }
    cx.db.field_times_changed(key);
    removed(cx, key, &gone);
    Ok(())
}
