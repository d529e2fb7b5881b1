//! DEBUG: what tests need, and whoever looks inside.

mod inspect;
mod process;
mod reload;
mod text;

use super::{error, help, integer, ok, subcommand, unknown_subcommand};
use crate::command::Journal;
use crate::config::value::memory;
use crate::rdb::dump::UNCHECKED;
use crate::resp::Reply;
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::shell::replication::Answer;
use crate::store::Object;
use crate::store::clock::Clock;
use crate::store::digest::Digest;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The longest DEBUG SLEEP, in seconds.
const LONGEST_SLEEP: f64 = 3600.0;
/// The longest value DEBUG POPULATE makes, bytes.
const LONGEST_VALUE: u64 = 512 << 20;
/// More keys than DEBUG POPULATE could find room for.
const TOO_MANY_KEYS: u64 = 1 << 32;
/// The largest `QUICKLIST-PACKED-THRESHOLD`, bytes.
const LARGEST_PACKED: u64 = 4 << 30;

pub(super) fn run(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    if !call
        .server
        .allows(call.settings.debug_command, &call.client.addr)
    {
        return error(
            call,
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from \
             a local connection, otherwise you need to set this option in the configuration file, and then restart \
             the server.",
        );
    }
    let server = call.server;
    match (subcommand(args).as_str(), &args[2..]) {
        ("sleep", [seconds]) => sleep(call, seconds),
        ("set-active-expire", [on]) => {
            server.active_expire.store(is_set(on), Relaxed);
            ok(call)
        }
        ("pause-cron", [on]) => {
            server.cron_paused.store(is_set(on), Relaxed);
            ok(call)
        }
        ("set-disable-deny-scripts", [on]) => {
            server.scripts.unguarded.store(is_set(on), Relaxed);
            ok(call)
        }
        ("set-skip-checksum-validation", [on]) => {
            UNCHECKED.store(is_set(on), Relaxed);
            ok(call)
        }
        ("populate", [count, more @ ..]) if more.len() <= 2 => populate(call, count, more),
        ("replicate", [_, ..]) => {
            replicate(call, &args[2..]);
            ok(call)
        }
        ("change-repl-id", []) => Flow::Outside(Box::new(|server| {
            if let Some(replication) = server.replication() {
                replication.change_repl_id();
            }
            let mut reply = Reply::default();
            reply.ok();
            Answer::Now(reply.take())
        })),
        ("error", [message]) => {
            call.out.error_bytes(message);
            Flow::Next
        }
        ("log", [message]) => {
            let message = String::from_utf8_lossy(message);
            tracing::warn!("DEBUG LOG: {message}");
            ok(call)
        }
        ("leak", [text]) => {
            std::mem::forget(text.to_vec());
            ok(call)
        }
        ("protocol", [kind]) => protocol(call, kind),

        ("digest", []) => match call.world.is_still() {
            true => {
                let digest = Digest::of_dataset(&call.world.view().dataset);
                call.out.simple(&digest.to_string());
                Flow::Next
            }
            false => Flow::NeedAll,
        },
        ("digest-value", keys) => inspect::digests(call, keys),
        ("object", [key]) => inspect::object(call, key),
        ("sdslen", [key]) => inspect::string(call, key),
        ("listpack", [key]) => inspect::print(call, key, "listpack"),
        ("quicklist", [key] | [key, _]) => inspect::print(call, key, "quicklist"),
        ("htstats", [db]) => inspect::tables(call, db),
        ("htstats-key", [key]) => inspect::table(call, key),
        ("structsize", []) => inspect::sizes(call),
        ("client-eviction", []) => error(call, "ERR maxmemory-clients is disabled."),

        ("reload", options) => reload::run(call, options),
        ("loadaof", []) => error(
            call,
            "ERR This server writes no append only file that could be loaded",
        ),
        ("config-rewrite-force-all", []) => Flow::Outside(Box::new(|server| {
            let mut reply = Reply::default();
            // As in Redis, which looks for a file without a name.
            let nameless = || Err("Bad address".to_owned());
            let written = server.config.file().map(|_| server.rewrite_config(true));
            match written.unwrap_or_else(nameless) {
                Ok(()) => reply.ok(),
                Err(why) => reply.error(&format!("ERR CONFIG-REWRITE-FORCE-ALL failed: {why}")),
            }
            Answer::Now(reply.take())
        })),
        ("restart", delay @ ([] | [_, ..])) => process::restart(call, delay.first(), true),
        ("crash-and-recover", delay @ ([] | [_, ..])) => {
            process::restart(call, delay.first(), false)
        }
        ("panic", _) => process::crash("called by the Debug command"),
        ("segfault", _) => process::crash("DEBUG SEGFAULT"),
        ("assert", _) => process::crash("DEBUG ASSERT: 1 == 2 is not true"),
        ("oom", _) => process::crash("DEBUG OOM: out of memory"),

        // Of what is not here, or kept otherwise: there is nothing to be switched but the arguments are looked at.
        ("quicklist-packed-threshold", [size]) => packed_threshold(call, size),
        ("replybuffer", [what, value]) => reply_buffer(call, what, value),
        ("aof-flush-sleep", [micros]) => number_and_ok(call, micros),
        ("drop-cluster-packet-filter", [kind]) => number_and_ok(call, kind),
        ("clusterlink", [kill, _, _]) if kill.eq_ignore_ascii_case(b"kill") => error(
            call,
            "ERR Debug option only available for cluster mode enabled setup!",
        ),
        ("help", []) => help(call, "DEBUG", text::HELP),
        _ => unknown_subcommand(call, args),
    }
}

/// A switch, read as C's `atoi` does: what is no number is zero.
fn is_set(word: &[u8]) -> bool {
    number_at_start(word) as i64 != 0
}

/// The number that `word` begins with, as C's `strtod` reads it; 0 if there is none.
fn number_at_start(word: &[u8]) -> f64 {
    /// No number of any sense is longer.
    const LONGEST: usize = 64;
    let word = &word[..word.len().min(LONGEST)];
    let prefixes = (1..=word.len()).rev().map(|len| &word[..len]);
    let mut numbers = prefixes.filter_map(|p| std::str::from_utf8(p).ok()?.parse().ok());
    numbers.next().unwrap_or(0.0)
}

fn number_and_ok(call: &mut Call<'_>, word: &[u8]) -> Flow {
    match integer(word) {
        Ok(_) => ok(call),
        Err(text) => error(call, text),
    }
}

fn packed_threshold(call: &mut Call<'_>, size: &[u8]) -> Flow {
    let size = std::str::from_utf8(size).ok().and_then(memory);
    match size.is_some_and(|size| size < LARGEST_PACKED) {
        true => ok(call),
        false => error(
            call,
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        ),
    }
}

fn reply_buffer(call: &mut Call<'_>, what: &[u8], value: &[u8]) -> Flow {
    match what.to_ascii_lowercase().as_slice() {
        b"peak-reset-time" => match value.to_ascii_lowercase().as_slice() {
            b"never" | b"reset" => ok(call),
            _ => number_and_ok(call, value),
        },
        b"resizing" => ok(call),
        _ => unknown_subcommand(call, &[b"DEBUG", b"replybuffer"]),
    }
}

/// Tells replicas `command`, which is not run here.
fn replicate(call: &Call<'_>, command: &[&[u8]]) {
    if call.world.view().fence.replica {
        return;
    }
    let journal: &dyn Journal = match &call.transaction {
        Some(transaction) => transaction,
        None => &*call.server.log,
    };
    if journal.active() {
        journal.append(call.session.db as usize, &[command]);
    }
}

/// A reply of each type.
fn protocol(call: &mut Call<'_>, kind: &[u8]) -> Flow {
    let out = &mut *call.out;
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => out.bulk(b"Hello World"),
        b"integer" => out.int(12345),
        b"double" => out.double_as("3.141"),
        b"null" => out.null(),
        b"bignum" => out.big_number(b"1234567999999999999999999999999999999"),
        b"verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => out.bool(true),
        b"false" => out.bool(false),
        b"array" => {
            out.array(3);
            (0..3).for_each(|i| out.int(i));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|i| out.int(i));
        }
        b"map" => {
            out.map(3);
            for i in 0..3 {
                out.int(i);
                out.bool(i == 1);
            }
        }
        b"attrib" => {
            if out.is_resp3() {
                out.raw(b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n");
            }
            out.bulk(b"Some real reply following the attribute");
        }
        b"push" if out.is_resp3() => {
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.int(42);
            out.bulk(b"Some real reply following the push reply");
        }
        b"push" => return error(call, "ERR RESP2 is not supported by this command"),
        _ => {
            return error(
                call,
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            );
        }
    }
    Flow::Next
}

/// Makes `count` strings that nobody is told of, beside those that are there.
fn populate(call: &mut Call<'_>, count: &[u8], more: &[&[u8]]) -> Flow {
    let number = |text: &[u8]| u64::try_from(integer(text).ok()?).ok();
    let size = more.get(1).map_or(Some(0), |size| number(size));
    let (Some(count), Some(size)) = (number(count), size.filter(|n| *n <= LONGEST_VALUE)) else {
        return error(call, "ERR value is out of range, must be positive");
    };
    if count > TOO_MANY_KEYS {
        return error(call, "ERR OOM in dictTryExpand");
    }
    let prefix = more.first().copied().unwrap_or(b"key");
    let Some(db) = call.world.view().dataset.db(call.session.db as usize) else {
        return error(call, "ERR DB index is out of range");
    };
    let clock = Clock::new(call.settings.limits().accesses, call.now_ms);
    for i in 0..count {
        let key = [prefix, format!(":{i}").as_bytes()].concat();
        if !db.contains(&key) {
            let mut value = format!("value:{i}").into_bytes();
            if size > 0 {
                // As Redis: cut, or filled up with zeros.
                value.resize(size as usize, 0);
            }
            db.insert_loaded(&key, Object::Str(value), None);
            let (shard, hash) = db.lock_key(&key);
            if let Some(entry) = shard.get(hash, &key) {
                clock.start(entry);
            }
        }
    }
    ok(call)
}

/// Everybody waits: all gates are held.
fn sleep(call: &mut Call<'_>, seconds: &[u8]) -> Flow {
    let seconds = number_at_start(seconds).max(0.0);
    if seconds > LONGEST_SLEEP {
        return error(call, "ERR value is out of range");
    }
    if !call.world.is_still() {
        return Flow::NeedAll;
    }
    std::thread::sleep(Duration::from_secs_f64(seconds));
    ok(call)
}
