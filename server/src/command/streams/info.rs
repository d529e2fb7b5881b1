//! XINFO: what is inside a stream.

use super::group::no_such_group;
use super::{put_help, put_id, put_record, put_records};
use crate::command::args::{integer, is};
use crate::command::{CmdError, Cx};
use crate::resp::Reply;
use crate::store::stream::{Consumer, Group, Id, Stream};

type Done = Result<(), CmdError>;

/// Entries that FULL shows of each list unless a number is given.
const SHOWN: usize = 10;

pub(super) fn stream(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let stream = cx.db.stream(args[2])?.ok_or(CmdError::NoSuchKey)?;
    let full = match &args[3..] {
        [] => None,
        [full] if is(full, "full") => Some(SHOWN),
        [full, word, count] if is(full, "full") && is(word, "count") => {
            Some(match integer(count)? {
                ..0 => SHOWN,
                0 => usize::MAX,
                count => count as usize,
            })
        }
        _ => return Err(CmdError::bad_subcommand(args)),
    };
    let out = &mut *cx.out;
    out.map(if full.is_some() { 9 } else { 10 });
    let marks = stream.marks();
    put_int(out, "length", stream.len() as i64);
    put_int(out, "radix-tree-keys", stream.node_count() as i64);
    put_int(out, "radix-tree-nodes", stream.radix_nodes() as i64);
    for (name, id) in [
        ("last-generated-id", marks.last),
        ("max-deleted-entry-id", marks.max_deleted),
    ] {
        out.bulk(name.as_bytes());
        put_id(out, id);
    }
    put_int(out, "entries-added", marks.added as i64);
    out.bulk(b"recorded-first-entry-id");
    put_id(out, marks.first);
    match full {
        None => ends(stream, out),
        Some(count) => whole(stream, count, out),
    }
    Ok(())
}

fn put_int(out: &mut Reply, name: &str, value: i64) {
    out.bulk(name.as_bytes());
    out.int(value);
}

fn ends(stream: &Stream, out: &mut Reply) {
    put_int(out, "groups", stream.groups().len() as i64);
    for (name, record) in [
        ("first-entry", stream.range(Id::MIN, Id::MAX).next()),
        ("last-entry", stream.range_back(Id::MIN, Id::MAX).next()),
    ] {
        out.bulk(name.as_bytes());
        match record {
            Some(record) => put_record(out, &record),
            None => out.null(),
        }
    }
}

fn whole(stream: &Stream, count: usize, out: &mut Reply) {
    out.bulk(b"entries");
    put_records(out, stream.range(Id::MIN, Id::MAX).take(count));
    out.bulk(b"groups");
    out.array(stream.groups().len());
    for (name, group) in stream.groups() {
        out.map(7);
        out.bulk(b"name");
        out.bulk(name);
        progress(stream, group, out);
        put_int(out, "pel-count", group.pending_len() as i64);
        out.bulk(b"pending");
        out.array(group.pending_len().min(count));
        for (id, pending) in group.pending_from(Id::MIN).take(count) {
            out.array(4);
            put_id(out, id);
            out.bulk(group.name_of(pending.owner));
            out.int(pending.time);
            out.int(pending.count as i64);
        }
        out.bulk(b"consumers");
        out.array(group.consumers().len());
        for consumer in all_consumers(group) {
            whole_consumer(group, consumer, count, out);
        }
    }
}

/// How far a group has read.
fn progress(stream: &Stream, group: &Group, out: &mut Reply) {
    let int_or_null = |out: &mut Reply, name: &str, value: Option<i64>| {
        out.bulk(name.as_bytes());
        match value {
            Some(value) => out.int(value),
            None => out.null(),
        }
    };
    out.bulk(b"last-delivered-id");
    put_id(out, group.last);
    let read = (group.read != Group::UNKNOWN).then_some(group.read);
    int_or_null(out, "entries-read", read);
    int_or_null(out, "lag", stream.lag(group));
}

fn all_consumers(group: &Group) -> impl Iterator<Item = &Consumer> {
    group
        .consumers()
        .filter_map(|(_, number)| group.consumer(number))
}

fn whole_consumer(group: &Group, consumer: &Consumer, count: usize, out: &mut Reply) {
    out.map(4);
    out.bulk(b"name");
    out.bulk(&consumer.name);
    put_int(out, "seen-time", consumer.seen);
    put_int(out, "pel-count", consumer.pending_len() as i64);
    out.bulk(b"pending");
    out.array(consumer.pending_len().min(count));
    for id in consumer.pending_from(Id::MIN).take(count) {
        let (time, times) = group.pending(id).map_or((0, 0), |p| (p.time, p.count));
        out.array(3);
        put_id(out, id);
        out.int(time);
        out.int(times as i64);
    }
}

pub(super) fn groups(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let stream = cx.db.stream(args[2])?.ok_or(CmdError::NoSuchKey)?;
    cx.out.array(stream.groups().len());
    for (name, group) in stream.groups() {
        cx.out.map(6);
        cx.out.bulk(b"name");
        cx.out.bulk(name);
        put_int(cx.out, "consumers", group.consumers().len() as i64);
        put_int(cx.out, "pending", group.pending_len() as i64);
        progress(stream, group, cx.out);
    }
    Ok(())
}

pub(super) fn consumers(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let stream = cx.db.stream(args[2])?.ok_or(CmdError::NoSuchKey)?;
    let group = stream
        .group(args[3])
        .ok_or_else(|| no_such_group(args[2], args[3]))?;
    cx.out.array(group.consumers().len());
    for consumer in all_consumers(group) {
        cx.out.map(3);
        cx.out.bulk(b"name");
        cx.out.bulk(&consumer.name);
        put_int(cx.out, "pending", consumer.pending_len() as i64);
        put_int(
            cx.out,
            "idle",
            cx.env.now_ms.saturating_sub(consumer.seen).max(0),
        );
    }
    Ok(())
}

pub(super) fn help(cx: &mut Cx<'_>, _: &[&[u8]]) -> Done {
    put_help(
        cx.out,
        &[
            "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "CONSUMERS <key> <groupname>",
            "    Show consumers of <groupname>.",
            "GROUPS <key>",
            "    Show the stream consumer groups.",
            "STREAM <key> [FULL [COUNT <count>]",
            "    Show information about the stream.",
            "HELP",
            "    Prints this help.",
        ],
    );
    Ok(())
}
