//! Streams: their entries in the table, and what their handlers share. The handlers are in the modules below: adding and
//! removing entries, reading them, groups of consumers, what these have not confirmed, and looking inside.

mod add;
mod claim;
mod group;
mod info;
mod pending;
mod range;
mod read;
mod refs;
#[cfg(test)]
mod tests;

use super::CmdError;
use super::args::is;
use super::table::{Command, KeySpec, Positions, acl, flag::*};
use crate::command::uses::{CUT, INSERT, LOOK, SEE, UPDATE, both};
use crate::resp::Reply;
use crate::store::stream::{Id, Record};

const GROUP: &str = "stream";
const KEY: KeySpec = KeySpec::FIRST;
const SECOND: KeySpec = KeySpec::Range {
    first: 2,
    last: 2,
    step: 1,
};
const STREAMS: KeySpec = KeySpec::Found(read_keys);
const READ: u32 = READONLY | FAST;
const EDIT: u32 = WRITE | FAST;
const HELP: u32 = LOADING | STALE;

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::keyed("xadd", -5, EDIT | DENYOOM, KEY, add::xadd).uses(both(UPDATE, UPDATE)).acl(acl::STREAM).doc(
        GROUP,
        "5.0.0",
        "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
        "key [NOMKSTREAM] [(MAXLEN|MINID) [=|~] threshold [LIMIT count]] *|id field value [field value ...]",
        "Adds an entry to a stream, and trims it.",
    ),
    Command::keyed("xlen", 2, READ, KEY, range::xlen).uses(both(LOOK, LOOK))
        .acl(acl::STREAM)
        .doc(GROUP, "5.0.0", "O(1)", "key", "Returns the number of entries."),
    Command::keyed("xrange", -4, READONLY, KEY, range::xrange).acl(acl::STREAM).doc(
        GROUP,
        "5.0.0",
        RANGE_COST,
        "key start:string end:string [COUNT count]",
        "Returns the entries between two IDs.",
    ),
    Command::keyed("xrevrange", -4, READONLY, KEY, range::xrevrange).acl(acl::STREAM).doc(
        GROUP,
        "5.0.0",
        RANGE_COST,
        "key end:string start:string [COUNT count]",
        "Returns the entries between two IDs, the last one first.",
    ),
    Command::keyed("xdel", -3, EDIT, KEY, add::xdel).uses(both(CUT, CUT)).acl(acl::STREAM).doc(
        GROUP,
        "5.0.0",
        "O(1) for each single item to delete in the stream, regardless of the stream size.",
        "key id [id ...]",
        "Removes entries.",
    ),
    Command::keyed("xdelex", -5, EDIT, KEY, refs::xdelex).uses(both(CUT, CUT)).acl(acl::STREAM).doc(
        GROUP,
        "8.2.0",
        "O(1) for each single item to delete in the stream, regardless of the stream size.",
        "key [KEEPREF|DELREF|ACKED] (IDS numids:integer id [id ...])",
        "Removes entries, and heeds the groups that wait for them.",
    ),
    Command::keyed("xtrim", -4, WRITE, KEY, add::xtrim).uses(both(CUT, CUT)).acl(acl::STREAM).doc(
        GROUP,
        "5.0.0",
        "O(N), with N being the number of evicted entries. Constant times are very small however, since entries are organized in macro nodes containing multiple entries that can be released with a single deallocation.",
        "key (MAXLEN|MINID) [=|~] threshold [LIMIT count]",
        "Removes a stream's oldest entries.",
    ),
    Command::keyed("xsetid", -3, EDIT | DENYOOM, KEY, add::xsetid).uses(both(UPDATE, UPDATE)).acl(acl::STREAM).doc(
        GROUP,
        "5.0.0",
        "O(1)",
        "key last-id [ENTRIESADDED entries_added:integer] [MAXDELETEDID max-deleted-id]",
        "Sets the last ID of a stream, as replication needs it.",
    ),
    Command::keyed("xread", -4, READONLY | BLOCKING, STREAMS, read::xread).acl(acl::STREAM).doc(
        GROUP,
        "5.0.0",
        "For each stream mentioned: O(N) with N being the number of elements being returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time in order to serve the M clients blocked on the stream getting new data.",
        "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
        "Returns entries after given IDs, or waits for some.",
    ),
    Command::keyed("xreadgroup", -7, WRITE | BLOCKING | READS, STREAMS, read::xreadgroup).uses(both(SEE, SEE))
        .acl(acl::STREAM)
        .doc(
            GROUP,
            "5.0.0",
            "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data.",
            "GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]",
            "Delivers new entries to a consumer of a group, or returns what it has not confirmed.",
        ),
    Command::keyed("xack", -4, EDIT | READS, KEY, group::xack).uses(both(UPDATE, UPDATE)).acl(acl::STREAM).doc(
        GROUP,
        "5.0.0",
        "O(1) for each message ID processed.",
        "key group id [id ...]",
        "Confirms entries on behalf of a group.",
    ),
    Command::keyed("xackdel", -6, EDIT, KEY, refs::xackdel).uses(both(CUT, CUT)).acl(acl::STREAM).doc(
        GROUP,
        "8.2.0",
        "O(1) for each ID specified in the command.",
        "key group [KEEPREF|DELREF|ACKED] (IDS numids:integer id [id ...])",
        "Confirms entries on behalf of a group and removes them.",
    ),
    Command::keyed("xclaim", -6, EDIT | READS, KEY, claim::xclaim).uses(both(UPDATE, UPDATE)).acl(acl::STREAM).doc(
        GROUP,
        "5.0.0",
        "O(log N) with N being the number of messages in the PEL of the consumer group.",
        "key group consumer min-idle-time:integer id [id ...] [IDLE ms:integer] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID last-id]",
        "Hands entries that are not confirmed to another consumer.",
    ),
    Command::keyed("xautoclaim", -6, EDIT | READS, KEY, claim::xautoclaim).uses(both(CUT, CUT)).acl(acl::STREAM).doc(
        GROUP,
        "6.2.0",
        "O(1) if COUNT is small.",
        "key group consumer min-idle-time:integer start:string [COUNT count] [JUSTID]",
        "Hands the next entries that were not confirmed for long to a consumer.",
    ),
    Command::keyed("xpending", -3, READONLY, KEY, pending::xpending).acl(acl::STREAM).doc(
        GROUP,
        "5.0.0",
        "O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time for iterating every consumer.",
        "key group [[IDLE min-idle-time:integer] start:string end:string count [consumer]]",
        "Returns what a group has not confirmed.",
    ),
    Command::container("xgroup", OF_XGROUP).doc(
        GROUP,
        "5.0.0",
        "Depends on subcommand.",
        "",
        "Makes, changes and removes groups of consumers.",
    ),
    Command::container("xinfo", OF_XINFO).doc(
        GROUP,
        "5.0.0",
        "Depends on subcommand.",
        "",
        "Looks inside streams.",
    ),
];

const RANGE_COST: &str = "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).";

const OF_XGROUP: &[Command] = &[
    Command::keyed("xgroup|create", -5, WRITE | DENYOOM, SECOND, group::create)
        .uses(both(INSERT, INSERT))
        .acl(acl::STREAM)
        .doc(
            GROUP,
            "5.0.0",
            "O(1)",
            "key group id [MKSTREAM] [ENTRIESREAD entries_read:integer]",
            "Makes a group.",
        ),
    Command::keyed(
        "xgroup|createconsumer",
        5,
        WRITE | DENYOOM,
        SECOND,
        group::create_consumer,
    )
    .uses(both(INSERT, INSERT))
    .acl(acl::STREAM)
    .doc(
        GROUP,
        "6.2.0",
        "O(1)",
        "key group consumer",
        "Makes a consumer of a group.",
    ),
    Command::keyed(
        "xgroup|delconsumer",
        5,
        WRITE,
        SECOND,
        group::delete_consumer,
    )
    .uses(both(CUT, CUT))
    .acl(acl::STREAM)
    .doc(
        GROUP,
        "5.0.0",
        "O(1)",
        "key group consumer",
        "Removes a consumer from its group, with what it has not confirmed.",
    ),
    Command::keyed("xgroup|destroy", 4, WRITE, SECOND, group::destroy)
        .uses(both(CUT, CUT))
        .acl(acl::STREAM)
        .doc(
            GROUP,
            "5.0.0",
            "O(N) where N is the number of entries in the group's pending entries list (PEL).",
            "key group",
            "Removes a group.",
        ),
    Command::free("xgroup|help", 2, HELP, group::help)
        .acl(acl::STREAM)
        .doc(GROUP, "5.0.0", "O(1)", "", "Explains the subcommands."),
    Command::keyed("xgroup|setid", -5, WRITE, SECOND, group::set_id)
        .uses(both(UPDATE, UPDATE))
        .acl(acl::STREAM)
        .doc(
            GROUP,
            "5.0.0",
            "O(1)",
            "key group id [ENTRIESREAD entries_read:integer]",
            "Sets what a group has read last.",
        ),
];

const OF_XINFO: &[Command] = &[
    Command::keyed("xinfo|consumers", 4, READONLY, SECOND, info::consumers)
        .acl(acl::STREAM)
        .doc(
            GROUP,
            "5.0.0",
            "O(1)",
            "key group",
            "Lists the consumers of a group.",
        ),
    Command::keyed("xinfo|groups", 3, READONLY, SECOND, info::groups)
        .acl(acl::STREAM)
        .doc(
            GROUP,
            "5.0.0",
            "O(1)",
            "key",
            "Lists the groups of a stream.",
        ),
    Command::free("xinfo|help", 2, HELP, info::help)
        .acl(acl::STREAM)
        .doc(GROUP, "5.0.0", "O(1)", "", "Explains the subcommands."),
    Command::keyed("xinfo|stream", -3, READONLY, SECOND, info::stream)
        .acl(acl::STREAM)
        .doc(
            GROUP,
            "5.0.0",
            "O(1)",
            "key [FULL [COUNT count]]",
            "Describes a stream, with its entries and groups if FULL.",
        ),
];

/// The keys of XREAD and XREADGROUP: the first half of what follows STREAMS.
fn read_keys(args: &[&[u8]]) -> Positions {
    let mut at = 1;
    while let Some(arg) = args.get(at) {
        at += match arg {
            word if is(word, "streams") => break,
            word if is(word, "block") || is(word, "count") => 2,
            word if is(word, "group") => 3,
            word if is(word, "noack") => 1,
            _ => return Positions::new(),
        };
    }
    let rest = args.len().saturating_sub(at + 1);
    match rest % 2 {
        0 => (at + 1..at + 1 + rest / 2).collect(),
        _ => Positions::new(),
    }
}

const INVALID_ID: CmdError =
    CmdError::text("ERR Invalid stream ID specified as stream command argument");
const INVALID_START: CmdError = CmdError::text("ERR invalid start ID for the interval");
const INVALID_END: CmdError = CmdError::text("ERR invalid end ID for the interval");

/// An ID whose number, if it is missing, is 0.
fn strict_id(arg: &[u8]) -> Result<Id, CmdError> {
    Id::parse_strict(arg, 0).ok_or(INVALID_ID)
}

/// IDs, or nothing if one of them is none.
fn strict_ids(args: &[&[u8]]) -> Result<Vec<Id>, CmdError> {
    args.iter().map(|arg| strict_id(arg)).collect()
}

/// The ID at an end of an interval, and whether that itself is excluded.
fn bound(arg: &[u8], missing: u64) -> Result<(Id, bool), CmdError> {
    let (id, excluded) = match arg {
        [b'(', rest @ ..] if !rest.is_empty() => (Id::parse_strict(rest, missing), true),
        _ => (Id::parse(arg, missing), false),
    };
    Ok((id.ok_or(INVALID_ID)?, excluded))
}

/// The first ID of an interval.
fn start_id(arg: &[u8]) -> Result<Id, CmdError> {
    match bound(arg, 0)? {
        (id, false) => Ok(id),
        (id, true) => id.next().ok_or(INVALID_START),
    }
}

/// The last ID of an interval.
fn end_id(arg: &[u8]) -> Result<Id, CmdError> {
    match bound(arg, u64::MAX)? {
        (id, false) => Ok(id),
        (id, true) => id.previous().ok_or(INVALID_END),
    }
}

fn put_id(out: &mut Reply, id: Id) {
    out.bulk(&id.text());
}

/// An entry: its ID, then fields and values in turn.
fn put_record(out: &mut Reply, record: &Record<'_>) {
    let mut digits = itoa::Buffer::new();
    out.array(2);
    put_id(out, record.id);
    out.array(2 * record.len);
    for (field, value) in record.fields() {
        out.bulk(field.bytes(&mut digits));
        out.bulk(value.bytes(&mut digits));
    }
}

/// An array of entries.
fn put_records<'a>(out: &mut Reply, records: impl Iterator<Item = Record<'a>>) {
    let mark = out.defer();
    let mut count = 0;
    for record in records {
        put_record(out, &record);
        count += 1;
    }
    out.close_array(mark, count);
}

fn no_group(key: &[u8], group: &[u8], where_: &str) -> CmdError {
    let text = format!("NOGROUP No such key '{{}}' or consumer group '{{}}'{where_}");
    CmdError::repeating(&text, &[key, group])
}

fn put_help(out: &mut Reply, lines: &[&str]) {
    out.array(lines.len());
    lines.iter().for_each(|line| out.simple(line));
}
