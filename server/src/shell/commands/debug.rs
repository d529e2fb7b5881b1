//! DEBUG: what tests need.

use super::{error, help, ok, subcommand, text, unknown_subcommand};
use crate::resp::Reply;
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::shell::replication::Answer;
use crate::store::clock::Clock;
use crate::store::{Object, glob};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The longest DEBUG SLEEP, in seconds.
const LONGEST_SLEEP: f64 = 3600.0;
/// The longest value DEBUG POPULATE makes, bytes.
const LONGEST_VALUE: u64 = 512 << 20;

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
    match (subcommand(args).as_str(), &args[2..]) {
        ("sleep", [seconds]) => sleep(call, seconds),
        ("set-active-expire", [on]) => {
            call.server.active_expire.store(*on != b"0", Relaxed);
            ok(call)
        }
        ("populate", [count, more @ ..]) if more.len() <= 2 => populate(call, count, more),
        ("change-repl-id", []) => Flow::Outside(Box::new(|server| {
            if let Some(replication) = server.replication() {
                replication.change_repl_id();
            }
            let mut reply = Reply::default();
            reply.ok();
            Answer::Now(reply.take())
        })),
        ("stringmatch-len", [len, pattern]) => {
            let len = super::integer(len)
                .ok()
                .and_then(|n| usize::try_from(n).ok());
            // What is asked for is a long text, not a huge one.
            let text = vec![b'a'; len.unwrap_or(0).min(16 << 20)];
            call.out.int(i64::from(glob::matches(pattern, &text)));
            Flow::Next
        }
        ("error", [message]) => {
            call.out.error_bytes(message);
            Flow::Next
        }
        ("log", [message]) => {
            let message = String::from_utf8_lossy(message);
            tracing::info!("DEBUG LOG: {message}");
            ok(call)
        }
        // Switches of encodings and caches that are not here to be switched.
        ("quicklist-packed-threshold" | "replicate", _) => ok(call),
        ("help", []) => help(call, "DEBUG", text::DEBUG_HELP),
        _ => unknown_subcommand(call, args),
    }
}

/// Makes `count` strings that nobody is told of, beside those that are there.
fn populate(call: &mut Call<'_>, count: &[u8], more: &[&[u8]]) -> Flow {
    let number = |text: &[u8]| u64::try_from(super::integer(text).ok()?).ok();
    let size = more.get(1).map_or(Some(0), |size| number(size));
    let (Some(count), Some(size)) = (number(count), size.filter(|n| *n <= LONGEST_VALUE)) else {
        return error(call, "ERR value is out of range, must be positive");
    };
    let prefix = more.first().copied().unwrap_or(b"key");
    let Some(db) = call.world.view().dataset.db(call.session.db as usize) else {
        return error(call, "ERR DB index is out of range");
    };
    let clock = Clock {
        accesses: call.settings.limits().accesses,
        now_ms: call.now_ms,
    };
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
    let seconds = std::str::from_utf8(seconds)
        .ok()
        .and_then(|s| s.parse::<f64>().ok());
    let Some(seconds) = seconds.filter(|s| (0.0..=LONGEST_SLEEP).contains(s)) else {
        return error(call, "ERR value is not a valid float");
    };
    if !call.world.is_still() {
        return Flow::NeedAll;
    }
    std::thread::sleep(Duration::from_secs_f64(seconds));
    ok(call)
}
