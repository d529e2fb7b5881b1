//! XREAD and XREADGROUP: entries that are new to somebody, or the wait for some.

use super::claim::{Told, tell_claim, tell_last};
use super::{no_group, put_id, put_record, put_records, strict_id};
use crate::command::args::{integer, is};
use crate::command::{Attempt, CmdError, Cx, collections, events, tell};
use crate::resp::Reply;
use crate::store::num;
use crate::store::stream::{Group, Id, Log, Number, Pending};

type Done = Result<(), CmdError>;

/// Entries that a client is served at most when it has waited and set no limit.
const AFTER_A_WAIT: usize = 1000;

/// What the two commands ask for.
struct Request<'a> {
    /// Waits, until this moment if that is given (Unix milliseconds).
    block: Option<Option<i64>>,
    count: Option<usize>,
    /// A group and its consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
    keys: &'a [&'a [u8]],
    ids: &'a [&'a [u8]],
}

impl<'a> Request<'a> {
    fn parse(args: &'a [&'a [u8]], grouped: bool, cx: &Cx<'_>) -> Result<Request<'a>, CmdError> {
        let only_grouped = |option: &str| match grouped {
            true => Ok(()),
            false => Err(CmdError::formatted(format!(
                "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
            ))),
        };
        let mut request = Request {
            block: None,
            count: None,
            group: None,
            no_ack: false,
            keys: &[],
            ids: &[],
        };
        let mut rest = &args[1..];
        loop {
            match rest {
                [word, value, more @ ..] if is(word, "block") => {
                    if cx.env.in_script {
                        let text = "ERR {} command is not allowed with BLOCK option from scripts";
                        return Err(CmdError::repeating(text, &[args[0]]));
                    }
                    request.block = Some(until(value, cx.env.now_ms)?);
                    rest = more;
                }
                [word, value, more @ ..] if is(word, "count") => {
                    let count = usize::try_from(integer(value)?).unwrap_or(0);
                    request.count = (count > 0).then_some(count);
                    rest = more;
                }
                [word, streams @ ..] if is(word, "streams") && !streams.is_empty() => {
                    let (keys, ids) = streams.split_at(streams.len() / 2);
                    if keys.len() != ids.len() {
                        return Err(UNBALANCED);
                    }
                    (request.keys, request.ids) = (keys, ids);
                    break;
                }
                [word, group, consumer, more @ ..] if is(word, "group") => {
                    only_grouped("GROUP")?;
                    request.group = Some((group, consumer));
                    rest = more;
                }
                [word, more @ ..] if is(word, "noack") => {
                    only_grouped("NOACK")?;
                    request.no_ack = true;
                    rest = more;
                }
                _ => return Err(CmdError::Syntax),
            }
        }
        match grouped && request.group.is_none() {
            true => Err(CmdError::text("ERR Missing GROUP option for XREADGROUP")),
            false => Ok(request),
        }
    }
}

const UNBALANCED: CmdError = CmdError::text(
    "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
);

/// The moment a timeout in milliseconds is up; `None`: never.
fn until(arg: &[u8], now_ms: i64) -> Result<Option<i64>, CmdError> {
    let millis = num::parse_i64(arg).ok_or(CmdError::text(
        "ERR timeout is not an integer or out of range",
    ))?;
    match millis {
        ..0 => Err(CmdError::text("ERR timeout is negative")),
        _ => Ok(collections::until(millis, now_ms)),
    }
}

pub(super) fn xread(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    read(cx, args, false)
}

pub(super) fn xreadgroup(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    read(cx, args, true)
}

fn read(cx: &mut Cx<'_>, args: &[&[u8]], grouped: bool) -> Done {
    let request = Request::parse(args, grouped, cx)?;
    let done = match cx.attempt() {
        Attempt::First => first(cx, &request, args),
        Attempt::Changed(key) => again(cx, &request, key),
        Attempt::Last => {
            cx.out.null_array();
            Ok(())
        }
    };
    // Nothing that a watcher of these keys would see has changed.
    cx.db.hush();
    done
}

/// After which ID a client wants entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// This one.
    Id(Id),
    /// The last one that its group was given.
    Group,
}

/// Checks the key number `i` and reads its ID.
fn after(cx: &Cx<'_>, request: &Request<'_>, i: usize) -> Result<After, CmdError> {
    let (key, id) = (request.keys[i], request.ids[i]);
    let stream = cx.db.stream(key)?;
    if let Some((group, _)) = request.group
        && stream.and_then(|s| s.group(group)).is_none()
    {
        return Err(no_group(key, group, " in XREADGROUP with GROUP option"));
    }
    match id {
        b"$" if request.group.is_some() => Err(CmdError::text(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        )),
        b"$" => Ok(After::Id(stream.map_or(Id::MIN, |s| s.marks().last))),
        b"+" if request.group.is_some() => Err(CmdError::text(
            "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.",
        )),
        // The last entry, or what comes if there is none (7.4).
        b"+" => Ok(After::Id(stream.map_or(Id::MIN, |s| {
            s.last_entry()
                .and_then(Id::previous)
                .unwrap_or(s.marks().last)
        }))),
        b">" if request.group.is_none() => Err(CmdError::text(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        b">" => Ok(After::Group),
        _ => match strict_id(id)? {
            Id::MAX if request.group.is_some() => Ok(After::Group),
            id => Ok(After::Id(id)),
        },
    }
}

fn first(cx: &mut Cx<'_>, request: &Request<'_>, args: &[&[u8]]) -> Done {
    let afters = (0..request.keys.len()).map(|i| after(cx, request, i));
    let afters: Vec<After> = afters.collect::<Result<_, _>>()?;
    let (mark, mut served) = (cx.out.defer(), 0);
    for (key, after) in request.keys.iter().zip(&afters) {
        let Some(stream) = cx.db.stream(key)? else {
            continue;
        };
        let group = request.group.and_then(|(group, _)| stream.group(group));
        let has_more = |than: Id| stream.last_entry().is_some_and(|last| last > than);
        let serves = match (after, group) {
            // What a consumer was given before is there for it, even if it is nothing.
            (After::Id(_), Some(_)) => true,
            (After::Id(id), None) => has_more(*id),
            (After::Group, group) => group.is_some_and(|group| has_more(group.last)),
        };
        if serves {
            served += 1;
            serve(cx, request, key, *after, request.count)?;
        }
    }
    if served > 0 {
        match cx.out.is_resp3() {
            true => cx.out.close_map(mark, served),
            false => cx.out.close_array(mark, served),
        }
        return Ok(());
    }
    let waits = match request.block {
        None => false,
        Some(deadline) => match request.ids.iter().any(|id| [&b"$"[..], b"+"].contains(id)) {
            true => cx.block_as(deadline, rephrased(args, &afters)),
            false => cx.block(deadline),
        },
    };
    if !waits {
        cx.out.null_array();
    }
    Ok(())
}

/// `args` with the IDs that `$` and `+` stand for now.
fn rephrased(args: &[&[u8]], afters: &[After]) -> Vec<Box<[u8]>> {
    let mut args: Vec<Box<[u8]>> = args.iter().map(|arg| (*arg).into()).collect();
    let from = args.len() - afters.len();
    for (arg, after) in args[from..].iter_mut().zip(afters) {
        if let After::Id(id) = after {
            *arg = id.to_string().into_bytes().into();
        }
    }
    args
}

/// A client that waits hears that `key` changed.
fn again(cx: &mut Cx<'_>, request: &Request<'_>, key: &[u8]) -> Done {
    let at = request.keys.iter().position(|k| *k == key);
    let (stream, group) = (cx.db.stream(key), request.group);
    let (after, last) = match (stream, at) {
        (Ok(Some(stream)), Some(at)) => match group {
            None => (strict_id(request.ids[at])?, stream.marks().last),
            Some((group, _)) => match stream.group(group) {
                Some(group) => (group.last, stream.marks().last),
                None => {
                    return Err(CmdError::text(
                        "NOGROUP the consumer group this client was blocked on no longer exists",
                    ));
                }
            },
        },
        (_, Some(_)) if group.is_some() => {
            return Err(CmdError::text("UNBLOCKED the stream key no longer exists"));
        }
        _ => (Id::MAX, Id::MIN),
    };
    if last <= after {
        if !cx.block(None) {
            cx.out.null_array();
        }
        return Ok(());
    }
    match cx.out.is_resp3() {
        true => cx.out.map(1),
        false => cx.out.array(1),
    }
    let after = match group {
        Some(_) => After::Group,
        None => After::Id(after),
    };
    let count = request.count.unwrap_or(AFTER_A_WAIT);
    serve(cx, request, key, after, Some(count))
}

/// Replies a stream's name and entries.
fn serve(
    cx: &mut Cx<'_>,
    request: &Request<'_>,
    key: &[u8],
    after: After,
    count: Option<usize>,
) -> Done {
    if !cx.out.is_resp3() {
        cx.out.array(2);
    }
    cx.out.bulk(key);
    let count = count.unwrap_or(usize::MAX);
    let Some((group, consumer)) = request.group else {
        let (Some(stream), After::Id(id)) = (cx.db.stream(key)?, after) else {
            return Ok(());
        };
        // After the last of all IDs there is nothing.
        let from = id.next().unwrap_or(Id::MAX);
        put_records(cx.out, stream.range(from, Id::MAX).take(count));
        return Ok(());
    };
    let now_ms = cx.env.now_ms;
    let told = Told::of(cx, key, group);
    let stream = cx.db.stream_mut(key)?;
    let Some((log, group)) = stream.and_then(|s| s.with_group(group)) else {
        return Ok(());
    };
    let known = group.find(consumer);
    let owner = match known {
        Some(number) => {
            group.see(number, now_ms);
            number
        }
        None => {
            if request.no_ack {
                let command = [b"XGROUP", &b"CREATECONSUMER"[..], key, told.group, consumer];
                tell(cx.effects, told.journals, &command);
            }
            group.add_consumer(consumer, now_ms)
        }
    };
    cx.effects.dirty_unpropagated();
    let mark = cx.out.defer();
    let mut entries = 0;
    match after {
        After::Id(id) => {
            let from = id.next().unwrap_or(Id::MIN);
            let ids = group
                .consumer(owner)
                .into_iter()
                .flat_map(|c| c.pending_from(from));
            let ids: Vec<Id> = ids.take(count).collect();
            entries = ids.len();
            for id in ids {
                given_before(cx.out, log, group, id, now_ms);
            }
        }
        After::Group => {
            let from = group.last.next().unwrap_or(Id::MAX);
            let mut moved = false;
            for record in log.range(from, Id::MAX).take(count) {
                moved |= move_on(log, group, record.id);
                put_record(cx.out, &record);
                entries += 1;
                if !request.no_ack {
                    let pending = deliver(group, record.id, owner, now_ms);
                    tell_claim(
                        cx.effects,
                        &told,
                        group,
                        &record.id.to_string().into_bytes(),
                        &pending,
                    );
                }
            }
            if moved && request.no_ack {
                tell_last(cx.effects, &told, group);
            }
        }
    }
    cx.out.close_array(mark, entries);
    if known.is_none() {
        cx.notify(events::STREAM, "xgroup-createconsumer", key);
    }
    Ok(())
}

/// The group has read up to `id`; false if it had read further.
fn move_on(log: &Log, group: &mut Group, id: Id) -> bool {
    if id <= group.last {
        return false;
    }
    if group.read != Group::UNKNOWN && !log.has_gaps_after(id) {
        group.read = group.read.wrapping_add(1);
    } else if log.marks().added > 0 {
        group.read = log.distance(id);
    }
    group.last = id;
    true
}

fn deliver(group: &mut Group, id: Id, owner: Number, now_ms: i64) -> Pending {
    let pending = Pending {
        owner,
        time: now_ms,
        count: 1,
    };
    group.set_pending(id, pending);
    pending
}

/// An entry that a consumer has not confirmed: once more, or only its ID if it is gone.
fn given_before(out: &mut Reply, log: &Log, group: &mut Group, id: Id, now_ms: i64) {
    let Some(record) = log.get(id) else {
        out.array(2);
        put_id(out, id);
        out.null_array();
        return;
    };
    put_record(out, &record);
    if let Some(pending) = group.pending(id).copied() {
        let (time, count) = (now_ms, pending.count.wrapping_add(1));
        group.set_pending(
            id,
            Pending {
                time,
                count,
                ..pending
            },
        );
    }
}
