//! Commands of replication: what to follow, who follows, and who we are.

use super::{error, integer};
use crate::repl::serve;
use crate::resp::Reply;
use crate::shell::blocking::UNBLOCKED;
use crate::shell::call::{Call, World};
use crate::shell::conn::Parked;
use crate::shell::execute::Flow;
use crate::shell::waits::{Ended, Waits};
use damselfly_core::LinkStatus;
use std::sync::Arc;
use std::time::Duration;

const ALONE: &str = "ERR replication is not available";
const ENDING: &str = "ERR the server is shutting down";

pub(super) fn replicaof(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let Some(replication) = call.server.replication() else {
        return error(call, ALONE);
    };
    if call.server.pause.is_ending() {
        return error(call, ENDING);
    }
    if let World::All(still, view) = &mut call.world {
        *view = still.replicaof(&**replication, args, call.out);
        return Flow::Next;
    }
    let (replication, args) = (Arc::clone(replication), owned(args));
    Flow::Outside(Box::new(move |_| replication.replicaof(&borrowed(&args))))
}

pub(super) fn hand_over(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let Some(replication) = call.server.replication() else {
        return error(call, ALONE);
    };
    if call.server.pause.is_ending() {
        return error(call, ENDING);
    }
    let (replication, args) = (Arc::clone(replication), owned(args));
    Flow::Outside(Box::new(move |_| replication.hand_over(&borrowed(&args))))
}

fn owned(args: &[&[u8]]) -> Vec<Vec<u8>> {
    args.iter().map(|arg| arg.to_vec()).collect()
}

fn borrowed(args: &[Vec<u8>]) -> Vec<&[u8]> {
    args.iter().map(Vec::as_slice).collect()
}

pub(super) fn replconf(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    match call.session.hello.get_or_insert_default().replconf(args) {
        Ok(serve::Answer::Ok) => call.out.ok(),
        Ok(serve::Answer::Silence) => {}
        Err(text) => call.out.error(&text),
    }
    Flow::Next
}

pub(super) fn psync(call: &mut Call<'_>, all: &[&[u8]]) -> Flow {
    let Some(replication) = call.server.replication() else {
        return error(call, ALONE);
    };
    let hello = call.session.hello.as_deref().cloned().unwrap_or_default();
    let ip = call.client.addr.host();
    let plain;
    let mut args = all;
    if let [name, replid, offset, failover, force @ ..] = args
        && failover.eq_ignore_ascii_case(b"failover")
    {
        let from = match integer(offset) {
            // Before the first byte there is nothing to miss.
            Ok(from) => u64::try_from(from).unwrap_or(0),
            Err(text) => return error(call, text),
        };
        let forced = matches!(force, [word] if word.eq_ignore_ascii_case(b"force"));
        let World::All(still, view) = &mut call.world else {
            return Flow::NeedAll;
        };
        let (now, taken) = still.take_over(&**replication, replid, (!forced).then_some(from));
        *view = now;
        if let Err(text) = taken {
            return error(call, &text);
        }
        // And then it is a replica of ours like any other.
        plain = [*name, *replid, *offset];
        args = &plain;
    }
    match replication.psync(call.world.view(), &hello, &ip, args) {
        Ok(serve) => Flow::Park(Parked::Serve(serve)),
        Err(text) => error(call, &text),
    }
}

fn receives_snapshot(call: &Call<'_>) -> bool {
    let link = call.server.replication().and_then(|r| r.info().link);
    link.is_some_and(|link| link.sync_in_progress)
}

pub(super) fn role(call: &mut Call<'_>) -> Flow {
    let view = call.world.view();
    if let Some((host, link)) = view.status.master {
        let state = match link {
            LinkStatus::Waiting => "connect",
            LinkStatus::Connecting => "connecting",
            // Until the master says that a snapshot is to come.
            LinkStatus::Syncing if !receives_snapshot(call) => "handshake",
            LinkStatus::Syncing => "sync",
            LinkStatus::Streaming => "connected",
        };
        let offset = match link {
            LinkStatus::Streaming => call.server.log.offset() as i64,
            _ => -1,
        };
        call.out.array(5);
        call.out.bulk(b"slave");
        call.out.bulk(host.name().as_bytes());
        call.out.int(i64::from(host.port()));
        call.out.bulk(state.as_bytes());
        call.out.int(offset);
        return Flow::Next;
    }
    let info = call
        .server
        .replication()
        .map(|r| r.info())
        .unwrap_or_default();
    let online: Vec<_> = info
        .replicas
        .iter()
        .filter(|r| r.state == "online")
        .collect();
    call.out.array(3);
    call.out.bulk(b"master");
    call.out.int(call.server.log.offset() as i64);
    call.out.array(online.len());
    for replica in online {
        call.out.array(3);
        call.out.bulk(replica.ip.as_bytes());
        call.out.bulk_int(i64::from(replica.port));
        call.out.bulk_int(replica.offset.unwrap_or(0) as i64);
    }
    Flow::Next
}

const NEGATIVE_TIMEOUT: &str = "ERR timeout is negative";

pub(super) fn wait(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    if call.world.view().fence.replica {
        return error(
            call,
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
             configured to be writable (which is not the default) writes to replicas are just local and are not \
             propagated.",
        );
    }
    let (count, millis) = match (integer(args[1]), integer(args[2])) {
        (Ok(count), Ok(millis)) => (count, millis),
        (Err(text), _) => return error(call, text),
        (_, Err(_)) => return error(call, "ERR timeout is not an integer or out of range"),
    };
    let Some(limit) = wait_limit(millis) else {
        return error(call, NEGATIVE_TIMEOUT);
    };
    let wanted = usize::try_from(count).unwrap_or(0);
    wait_for(call, wanted, limit, |reply, acked| reply.int(acked as i64))
}

/// As long as that if it is not 0; `None` if it is negative.
fn wait_limit(millis: i64) -> Option<Option<Duration>> {
    let millis = u64::try_from(millis).ok()?;
    Some((millis > 0).then(|| Duration::from_millis(millis)))
}

/// Waits until `wanted` replicas have confirmed what the client has written, or until the limit, and answers by `show`
/// how many have.
fn wait_for(
    call: &mut Call<'_>,
    wanted: usize,
    limit: Option<Duration>,
    show: impl Fn(&mut Reply, usize) + Send + 'static,
) -> Flow {
    let Some(replication) = call.server.replication() else {
        show(call.out, 0);
        return Flow::Next;
    };
    // A history that was swapped in meanwhile may be a shorter one.
    let offset = call.session.written.min(call.server.log.offset());
    let now = replication.acked_by(offset);
    if now >= wanted || call.transaction.is_some() {
        show(call.out, now);
        return Flow::Next;
    }
    let acks = replication.wait_for_acks(call.world.view(), wanted, offset);
    let waited = Waits::enlist(call.server, call.client).wait(acks, limit);
    let replication = Arc::clone(replication);
    Flow::Park(Parked::Later(Box::pin(async move {
        let mut reply = Reply::default();
        match waited.await {
            Ended::Acked(acked) => show(&mut reply, acked),
            Ended::TimedOut => show(&mut reply, replication.acked_by(offset)),
            Ended::Unblocked => reply.error(UNBLOCKED),
        }
        reply.take()
    })))
}

/// There is no append-only file, and what replicas say of theirs is not counted: nobody who waits for one is told that
/// it has anything.
pub(super) fn wait_aof(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let (local, replicas) = match (integer(args[1]), integer(args[2])) {
        (Err(text), _) => return error(call, text),
        (Ok(local), _) if !(0..=1).contains(&local) => {
            return error(
                call,
                "ERR value is out of range, value must between 0 and 1",
            );
        }
        (Ok(local), Ok(replicas)) if replicas >= 0 => (local, replicas),
        _ => return error(call, "ERR value is out of range, must be positive"),
    };
    let Ok(millis) = integer(args[3]) else {
        return error(call, "ERR timeout is not an integer or out of range");
    };
    let Some(limit) = wait_limit(millis) else {
        return error(call, NEGATIVE_TIMEOUT);
    };
    if call.world.view().fence.replica {
        return error(
            call,
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just \
             local and are not propagated.",
        );
    }
    if local > 0 {
        return error(
            call,
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        );
    }
    let nothing = |reply: &mut Reply, _| {
        reply.array(2);
        reply.int(0);
        reply.int(0);
    };
    let wanted = if replicas > 0 { usize::MAX } else { 0 };
    wait_for(call, wanted, limit, nothing)
}
