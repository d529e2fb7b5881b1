//! Publish and subscribe.

use super::{error, help, subcommand, text, unknown_subcommand};
use crate::command::Journal;
use crate::command::shell::ShellCommand as S;
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::shell::pubsub::Kind;

fn kind(which: S) -> Kind {
    match which {
        S::PSubscribe | S::PUnsubscribe => Kind::Pattern,
        S::SSubscribe | S::SUnsubscribe | S::SPublish => Kind::Shard,
        _ => Kind::Channel,
    }
}

pub(super) fn subscribe(call: &mut Call<'_>, which: S, names: &[&[u8]]) -> Flow {
    if which == S::SSubscribe && call.transaction.is_some() {
        let text = "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client";
        return error(call, text);
    }
    let start = call.out.len();
    let own = &mut call.session.subscriptions;
    let pubsub = &call.server.pubsub;
    pubsub.subscribe(kind(which), call.client, own, names, call.out);
    call.session.push(call.out, start);
    Flow::Next
}

pub(super) fn unsubscribe(call: &mut Call<'_>, which: S, names: &[&[u8]]) -> Flow {
    let start = call.out.len();
    let own = &mut call.session.subscriptions;
    let pubsub = &call.server.pubsub;
    pubsub.unsubscribe(kind(which), call.client, own, names, call.out);
    call.session.push(call.out, start);
    Flow::Next
}

pub(super) fn publish(call: &mut Call<'_>, which: S, args: &[&[u8]]) -> Flow {
    let replica = call.world.view().fence.replica;
    let (db, log) = (call.session.db as usize, &*call.server.log);
    let transaction = call.transaction.as_ref();
    // On a replica the message stays here: its own replicas get the master's stream and nothing else.
    let tell_replicas = || {
        let journal = transaction.map_or(log as &dyn Journal, |t| t);
        if !replica && journal.active() {
            journal.append(db, &[args]);
        }
    };
    let (pubsub, clients) = (&call.server.pubsub, &call.server.clients);
    let receivers = pubsub.publish(clients, kind(which), args[1], args[2], tell_replicas);
    // A message to oneself comes before the reply, but not inside that of EXEC.
    if call.session.is_subscribed() && call.transaction.is_none() {
        let start = call.out.len();
        call.client.take_mail(call.out.buffer_mut());
        call.session.push(call.out, start);
    }
    call.out.int(receivers as i64);
    Flow::Next
}

pub(super) fn pubsub(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let pubsub = &call.server.pubsub;
    match (subcommand(args).as_str(), &args[2..]) {
        (sub @ ("channels" | "shardchannels"), pattern @ ([] | [_])) => {
            let kind = if sub == "channels" {
                Kind::Channel
            } else {
                Kind::Shard
            };
            let names = pubsub.channels(kind, pattern.first().copied());
            call.out.array(names.len());
            names.iter().for_each(|name| call.out.bulk(name));
        }
        (sub @ ("numsub" | "shardnumsub"), names) => {
            let kind = if sub == "numsub" {
                Kind::Channel
            } else {
                Kind::Shard
            };
            call.out.array(2 * names.len());
            for name in names {
                call.out.bulk(name);
                call.out.int(pubsub.listeners(kind, name) as i64);
            }
        }
        ("numpat", []) => call.out.int(pubsub.len(Kind::Pattern) as i64),
        ("help", []) => return help(call, "PUBSUB", text::PUBSUB_HELP),
        _ => return unknown_subcommand(call, args),
    }
    Flow::Next
}
