//! XPENDING: what a group was given and has not confirmed.

use super::{end_id, no_group, put_id, start_id};
use crate::command::args::{integer, is};
use crate::command::{CmdError, Cx};
use crate::resp::Reply;
use crate::store::stream::{Group, Id};

/// Which entries are to be listed.
struct Which<'a> {
    min_idle: i64,
    start: Id,
    end: Id,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Which<'a> {
    fn parse(args: &[&'a [u8]]) -> Result<Which<'a>, CmdError> {
        let mut rest = &args[3..];
        let mut min_idle = 0;
        if is(rest[0], "idle") {
            min_idle = integer(rest[1])?;
            rest = &rest[2..];
        }
        let [start, end, count, consumer @ ..] = rest else {
            return Err(CmdError::Syntax);
        };
        let count = usize::try_from(integer(count)?).unwrap_or(0);
        Ok(Which {
            min_idle,
            start: start_id(start)?,
            end: end_id(end)?,
            count,
            consumer: consumer.first().copied(),
        })
    }
}

pub(super) fn xpending(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let which = match args.len() {
        3 => None,
        6..=9 => Some(Which::parse(args)?),
        _ => return Err(CmdError::Syntax),
    };
    let group = cx.db.stream(args[1])?.and_then(|s| s.group(args[2]));
    let group = group.ok_or_else(|| no_group(args[1], args[2], ""))?;
    match which {
        None => summary(group, cx.out),
        Some(which) => list(group, &which, cx.env.now_ms, cx.out),
    }
    Ok(())
}

fn summary(group: &Group, out: &mut Reply) {
    out.array(4);
    out.int(group.pending_len() as i64);
    let Some((first, last)) = group.pending_ends() else {
        out.null();
        out.null();
        out.null_array();
        return;
    };
    put_id(out, first);
    put_id(out, last);
    let (mark, mut count) = (out.defer(), 0);
    for (name, number) in group.consumers() {
        let pending = group.consumer(number).map_or(0, |c| c.pending_len());
        if pending > 0 {
            out.array(2);
            out.bulk(name);
            out.bulk_int(pending as i64);
            count += 1;
        }
    }
    out.close_array(mark, count);
}

fn list(group: &Group, which: &Which<'_>, now_ms: i64, out: &mut Reply) {
    let consumer = which.consumer.map(|name| group.find(name));
    let ids: Box<dyn Iterator<Item = Id>> = match consumer {
        Some(number) => {
            let consumer = number.and_then(|number| group.consumer(number));
            Box::new(
                consumer
                    .into_iter()
                    .flat_map(|c| c.pending_from(which.start)),
            )
        }
        None => Box::new(group.pending_from(which.start).map(|(id, _)| id)),
    };
    let (mark, mut count) = (out.defer(), 0);
    for id in ids.take_while(|id| *id <= which.end) {
        if count == which.count {
            break;
        }
        let Some(pending) = group.pending(id) else {
            continue;
        };
        let idle = pending.idle(now_ms);
        if which.min_idle != 0 && idle < which.min_idle {
            continue;
        }
        out.array(4);
        put_id(out, id);
        out.bulk(group.name_of(pending.owner));
        out.int(idle.max(0));
        out.int(pending.count as i64);
        count += 1;
    }
    out.close_array(mark, count);
}
