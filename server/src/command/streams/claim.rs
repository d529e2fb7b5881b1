//! XCLAIM and XAUTOCLAIM: entries that were not confirmed go to another consumer.
//!
//! What was done is told to replicas as XCLAIMs that do the same whatever is there: with the time and the count, FORCE,
//! and the group's last ID.

use super::{no_group, put_id, put_record, start_id, strict_id};
use crate::command::args::is;
use crate::command::{CmdError, Cx, Effects, events, tell};
use crate::resp::Reply;
use crate::store::num;
use crate::store::stream::{Group, Id, Log, Number, Pending};

type Done = Result<(), CmdError>;

/// What all commands told to replicas have in common.
pub(super) struct Told<'a> {
    pub key: &'a [u8],
    pub group: &'a [u8],
    pub journals: bool,
}

impl<'a> Told<'a> {
    pub(super) fn of(cx: &Cx<'_>, key: &'a [u8], group: &'a [u8]) -> Told<'a> {
        Told {
            key,
            group,
            journals: cx.journals,
        }
    }
}

/// Tells replicas that an entry is pending, or that it would be if it were still there.
pub(super) fn tell_claim(
    effects: &mut Effects,
    told: &Told<'_>,
    group: &Group,
    id: &[u8],
    pending: &Pending,
) {
    if !told.journals {
        return effects.dirty_unpropagated();
    }
    let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let last = group.last.to_string();
    let command: [&[u8]; 14] = [
        b"XCLAIM",
        told.key,
        told.group,
        group.name_of(pending.owner),
        b"0",
        id,
        b"TIME",
        time.format(pending.time).as_bytes(),
        b"RETRYCOUNT",
        count.format(pending.count).as_bytes(),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        last.as_bytes(),
    ];
    effects.rewrite(&command);
}

/// Tells replicas how far a group has read.
pub(super) fn tell_last(effects: &mut Effects, told: &Told<'_>, group: &Group) {
    let (last, read) = (group.last.to_string(), group.read.to_string());
    let command: [&[u8]; 7] = [
        b"XGROUP",
        b"SETID",
        told.key,
        told.group,
        last.as_bytes(),
        b"ENTRIESREAD",
        read.as_bytes(),
    ];
    tell(effects, told.journals, &command);
}

/// An integer, or `error`.
fn number(arg: &[u8], error: &'static str) -> Result<i64, CmdError> {
    num::parse_i64(arg).ok_or(CmdError::text(error))
}

/// The options of XCLAIM.
struct Options {
    min_idle: i64,
    /// When the entries are taken to have been delivered, Unix milliseconds.
    time: i64,
    count: Option<u64>,
    force: bool,
    just_id: bool,
    last: Id,
}

impl Options {
    fn parse(min_idle: i64, options: &[&[u8]], now_ms: i64) -> Result<Options, CmdError> {
        let mut parsed = Options {
            min_idle,
            time: now_ms,
            count: None,
            force: false,
            just_id: false,
            last: Id::MIN,
        };
        let mut time = None;
        let mut rest = options;
        while let [word, more @ ..] = rest {
            rest = more;
            if is(word, "force") {
                parsed.force = true;
                continue;
            }
            if is(word, "justid") {
                parsed.just_id = true;
                continue;
            }
            let [value, more @ ..] = more else {
                return Err(unrecognized(word));
            };
            rest = more;
            if is(word, "idle") {
                let idle = number(value, "ERR Invalid IDLE option argument for XCLAIM")?;
                time = Some(now_ms.wrapping_sub(idle));
            } else if is(word, "time") {
                time = Some(number(
                    value,
                    "ERR Invalid TIME option argument for XCLAIM",
                )?);
            } else if is(word, "retrycount") {
                let count = number(value, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                parsed.count = u64::try_from(count).ok();
            } else if is(word, "lastid") {
                parsed.last = strict_id(value)?;
            } else {
                return Err(unrecognized(word));
            }
        }
        // A clock that disagrees is no error.
        parsed.time = time
            .filter(|time| (0..=now_ms).contains(time))
            .unwrap_or(now_ms);
        Ok(parsed)
    }
}

fn unrecognized(word: &[u8]) -> CmdError {
    CmdError::repeating("ERR Unrecognized XCLAIM option '{}'", &[word])
}

/// The consumer of this name, who is heard of; made if need be, which is only once it gets something.
fn claimer(group: &mut Group, name: &[u8], now_ms: i64) -> Number {
    match group.find(name) {
        Some(number) => {
            group.see(number, now_ms);
            number
        }
        None => group.add_consumer(name, now_ms),
    }
}

fn put_claimed(out: &mut Reply, log: &Log, id: Id, just_id: bool) {
    match log.get(id) {
        Some(record) if !just_id => put_record(out, &record),
        _ => put_id(out, id),
    }
}

pub(super) fn xclaim(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (key, name) = (args[1], args[2]);
    let group = cx.db.stream(key)?.and_then(|s| s.group(name));
    group.ok_or_else(|| no_group(key, name, ""))?;
    let min_idle = number(args[4], "ERR Invalid min-idle-time argument for XCLAIM")?;
    let ids = args[5..].iter().map_while(|arg| Id::parse_strict(arg, 0));
    let ids: Vec<Id> = ids.collect();
    let now_ms = cx.env.now_ms;
    let options = Options::parse(min_idle, &args[5 + ids.len()..], now_ms)?;
    let told = Told::of(cx, key, name);
    let stream = cx.db.stream_mut(key)?;
    let Some((log, group)) = stream.and_then(|s| s.with_group(name)) else {
        return Ok(());
    };
    let was_there = group.find(args[3]).is_some();
    let mut tells_last = options.last > group.last;
    if tells_last {
        group.last = options.last;
    }
    let (mark, mut claimed) = (cx.out.defer(), 0);
    for (id, text) in ids.iter().zip(&args[5..]) {
        let known = group.pending(*id).copied();
        if log.get(*id).is_none() {
            if let Some(pending) = known {
                tell_claim(cx.effects, &told, group, text, &pending);
                tells_last = false;
                group.acknowledge(*id);
            }
            continue;
        }
        let mut pending = match known {
            Some(pending) if options.min_idle > 0 && pending.idle(now_ms) < options.min_idle => {
                continue;
            }
            Some(pending) => pending,
            None if options.force => Pending {
                owner: 0,
                time: now_ms,
                count: 1,
            },
            None => continue,
        };
        pending.owner = claimer(group, args[3], now_ms);
        pending.time = options.time;
        pending.count = match options.count {
            Some(count) => count,
            None => pending.count.wrapping_add(u64::from(!options.just_id)),
        };
        group.set_pending(*id, pending);
        put_claimed(cx.out, log, *id, options.just_id);
        claimed += 1;
        tell_claim(cx.effects, &told, group, text, &pending);
        tells_last = false;
    }
    if tells_last {
        tell_last(cx.effects, &told, group);
    }
    if !was_there && group.find(args[3]).is_some() {
        cx.notify(events::STREAM, "xgroup-createconsumer", key);
    }
    cx.out.close_array(mark, claimed);
    cx.db.hush();
    Ok(())
}

/// Entries that XAUTOCLAIM looks at for each that it may claim.
const ATTEMPTS: i64 = 10;

pub(super) fn xautoclaim(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (key, name) = (args[1], args[2]);
    let min_idle = number(args[4], "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let mut next = Some(start_id(args[5])?);
    let (mut count, mut just_id) = (100, false);
    let mut rest = &args[6..];
    while let [word, more @ ..] = rest {
        rest = more;
        match more {
            [value, more @ ..] if is(word, "count") => {
                const MOST: i64 = i64::MAX / size_of::<Id>() as i64;
                count = number(value, "ERR COUNT must be > 0")?;
                if !(1..=MOST).contains(&count) {
                    return Err(CmdError::text("ERR COUNT must be > 0"));
                }
                rest = more;
            }
            _ if is(word, "justid") => just_id = true,
            _ => return Err(CmdError::Syntax),
        }
    }
    let group = cx.db.stream(key)?.and_then(|s| s.group(name));
    group.ok_or_else(|| no_group(key, name, ""))?;
    let now_ms = cx.env.now_ms;
    let told = Told::of(cx, key, name);
    let stream = cx.db.stream_mut(key)?;
    let Some((log, group)) = stream.and_then(|s| s.with_group(name)) else {
        return Ok(());
    };
    let was_there = group.find(args[3]).is_some();
    let (mut entries, mut claimed) = (Reply::new(cx.out.proto()), 0);
    let mut gone: Vec<Id> = Vec::new();
    let upcoming = |group: &Group, next: Option<Id>| {
        let (id, pending) = group.pending_from(next?).next()?;
        Some((id, *pending))
    };
    let mut attempts = count * ATTEMPTS.min(i64::MAX / count);
    while attempts > 0 && count > 0 {
        attempts -= 1;
        let Some((id, mut pending)) = upcoming(group, next) else {
            break;
        };
        next = id.next();
        if log.get(id).is_none() {
            tell_claim(
                cx.effects,
                &told,
                group,
                id.to_string().as_bytes(),
                &pending,
            );
            group.acknowledge(id);
            gone.push(id);
            count -= 1;
            continue;
        }
        if min_idle > 0 && pending.idle(now_ms) < min_idle {
            continue;
        }
        pending.owner = claimer(group, args[3], now_ms);
        pending.time = now_ms;
        pending.count = pending.count.wrapping_add(u64::from(!just_id));
        group.set_pending(id, pending);
        put_claimed(&mut entries, log, id, just_id);
        claimed += 1;
        count -= 1;
        tell_claim(
            cx.effects,
            &told,
            group,
            id.to_string().as_bytes(),
            &pending,
        );
    }
    cx.out.array(3);
    put_id(cx.out, upcoming(group, next).map_or(Id::MIN, |(id, _)| id));
    cx.out.array(claimed);
    cx.out.raw(entries.as_bytes());
    cx.out.array(gone.len());
    gone.iter().for_each(|id| put_id(cx.out, *id));
    if !was_there && group.find(args[3]).is_some() {
        cx.notify(events::STREAM, "xgroup-createconsumer", key);
    }
    cx.db.hush();
    Ok(())
}
