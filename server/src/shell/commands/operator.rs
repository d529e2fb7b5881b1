//! Commands for those who run the server.

use super::{error, help, integer, is, ok, subcommand, text, unknown_subcommand};
use crate::resp::Reply;
use crate::shell::call::Call;
use crate::shell::client::trait_of;
use crate::shell::conn::Parked;
use crate::shell::execute::Flow;
use crate::shell::info;
use crate::shell::shutdown::Order;
use crate::sys::{task, time::since_epoch};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::oneshot;

pub(super) fn info(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let text = info::text(call.server, call.world.view(), &args[1..]);
    call.out.verbatim("txt", text.as_bytes());
    Flow::Next
}

pub(super) fn time(call: &mut Call<'_>) -> Flow {
    let now = since_epoch();
    call.out.array(2);
    call.out.bulk_int(now.as_secs() as i64);
    call.out.bulk_int(i64::from(now.subsec_micros()));
    Flow::Next
}

pub(super) fn last_save(call: &mut Call<'_>) -> Flow {
    call.out.int(call.server.saves.last.load(Relaxed));
    Flow::Next
}

const NO_SNAPSHOTS: &str = "ERR snapshot files are not available";
const SAVING: &str = "ERR Background save already in progress";

pub(super) fn save(call: &mut Call<'_>) -> Flow {
    let Some(snapshots) = call.server.snapshots() else {
        return error(call, NO_SNAPSHOTS);
    };
    if snapshots.saving() {
        return error(call, SAVING);
    }
    let server = Arc::clone(call.server);
    whatever_becomes_of_the_client(async move {
        let mut reply = Reply::default();
        match server.save(false).await {
            Ok(()) => reply.ok(),
            Err(_) => reply.error("ERR"),
        }
        reply.take()
    })
}

/// Has the client wait for what `work` replies; if it leaves, `work` goes on.
fn whatever_becomes_of_the_client(work: impl Future<Output = Vec<u8>> + Send + 'static) -> Flow {
    let work = task::spawn(work);
    Flow::Park(Parked::Later(Box::pin(async move {
        // It is not cancelled, and a panic in it is logged where it happens.
        work.await.unwrap_or_default()
    })))
}

pub(super) fn bgsave(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    match args {
        [_] => {}
        [_, schedule] if is(schedule, "schedule") => {}
        _ => return error(call, "ERR syntax error"),
    }
    let Some(snapshots) = call.server.snapshots() else {
        return error(call, NO_SNAPSHOTS);
    };
    if snapshots.saving() {
        return error(call, SAVING);
    }
    let server = Arc::clone(call.server);
    let (begun, has_begun) = oneshot::channel();
    // How it ends is logged, and shown by INFO.
    task::spawn(async move { server.save_telling(true, begun).await });
    if call.transaction.is_some() || snapshots.making() {
        call.out.simple("Background saving scheduled");
        return Flow::Next;
    }
    // The file is of this moment: nothing that the client does next is in it.
    Flow::Park(Parked::Later(Box::pin(async move {
        // As in Redis, one that cannot even begin is told by the log.
        let _ = has_begun.await;
        let mut reply = Reply::default();
        reply.simple("Background saving started");
        reply.take()
    })))
}

pub(super) fn shutdown(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let (mut save, mut nosave, mut now, mut force, mut abort) = (false, false, false, false, false);
    for word in &args[1..] {
        match word.to_ascii_lowercase().as_slice() {
            b"save" => save = true,
            b"nosave" => nosave = true,
            b"now" => now = true,
            b"force" => force = true,
            b"abort" => abort = true,
            _ => return error(call, "ERR syntax error"),
        }
    }
    if (save && nosave) || (abort && (save || nosave || now || force)) {
        return error(call, "ERR syntax error");
    }
    if abort {
        return match call.server.shutdown.call_off() {
            true => ok(call),
            false => error(call, "ERR No shutdown in progress."),
        };
    }
    if let Some(running) = call.server.scripts.running() {
        if !nosave {
            return error(call, running.refusal());
        }
        end_at_once(call);
    }
    let server = Arc::clone(call.server);
    whatever_becomes_of_the_client(async move {
        let order = Order {
            save: (save || nosave).then_some(save),
            now,
            force,
        };
        if let Err(why) = server.end(order, "a client asked for it").await {
            tracing::warn!("the server does not end: {why}");
            let mut reply = Reply::default();
            reply.error("ERR Errors trying to SHUTDOWN. Check logs.");
            return reply.take();
        }
        // The connection is closed, which is the answer.
        std::future::pending().await
    })
}

/// Ends the process: a script that does not come back holds everything that an orderly end would need.
fn end_at_once(call: &Call<'_>) -> ! {
    tracing::warn!(
        "Damselfly is now ready to exit, bye bye... (a client asked for it while a script was running)"
    );
    let _ = std::fs::remove_file(&call.settings.pidfile);
    call.server.stop_listening();
    std::process::exit(0)
}

pub(super) fn slowlog(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let log = &call.server.slowlog;
    match (subcommand(args).as_str(), &args[2..]) {
        ("get", count @ ([] | [_])) => {
            let count = match count.first().map(|n| integer(n)) {
                None => 10,
                Some(Ok(-1)) => usize::MAX,
                Some(Ok(n)) if n >= 0 => n as usize,
                Some(_) => return error(call, "ERR count should be greater than or equal to -1"),
            };
            let entries = log.latest(count);
            call.out.array(entries.len());
            for entry in entries {
                call.out.array(6);
                call.out.int(entry.id as i64);
                call.out.int(entry.at as i64);
                call.out.int(entry.micros as i64);
                call.out.array(entry.args.len());
                entry.args.iter().for_each(|arg| call.out.bulk(arg));
                call.out.bulk(entry.addr.as_bytes());
                call.out.bulk(&entry.name);
            }
            Flow::Next
        }
        ("len", []) => {
            call.out.int(log.len() as i64);
            Flow::Next
        }
        ("reset", []) => {
            log.reset();
            ok(call)
        }
        ("help", []) => help(call, "SLOWLOG", text::SLOWLOG_HELP),
        _ => unknown_subcommand(call, args),
    }
}

pub(super) fn monitor(call: &mut Call<'_>) -> Flow {
    if call.transaction.is_some() {
        return error(call, "ERR MONITOR isn't allowed for DENY BLOCKING client");
    }
    // Redis does not answer one that is there already.
    if call.client.is(trait_of::MONITOR) {
        return Flow::Next;
    }
    call.server.monitors.add(call.server, call.client);
    ok(call)
}
