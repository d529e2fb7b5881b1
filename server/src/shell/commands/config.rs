//! CONFIG: parameters at run time.

use super::{error, help, is, ok, refuse, subcommand, text, unknown_subcommand};
use crate::command::CmdError;
use crate::config::SetError;
use crate::resp::Reply;
use crate::shell::admit::LOADING;
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::shell::replication::Answer;
use crate::store::{glob, lazyfree};
use std::sync::atomic::Ordering::Relaxed;

pub(super) fn run(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    match (subcommand(args).as_str(), &args[2..]) {
        ("get", patterns @ [_, ..]) => get(call, patterns),
        ("set", pairs @ [_, _, ..]) => set(call, pairs),
        ("resetstat", []) => {
            call.server.stats.iter().for_each(|stats| stats.reset());
            call.server.latency.reset_commands();
            call.server.errors.reset();
            call.server.clients.together.evicted.store(0, Relaxed);
            call.server.eviction.reset();
            call.server.rates.stale.store(0, Relaxed);
            lazyfree::reset();
            if let Some(replication) = call.server.replication() {
                replication.reset_counts();
            }
            ok(call)
        }
        ("rewrite", []) => Flow::Outside(Box::new(|server| {
            let mut reply = Reply::default();
            match server.rewrite_config(false) {
                Ok(()) => reply.ok(),
                Err(why) => reply.error(&format!("ERR {why}")),
            }
            Answer::Now(reply.take())
        })),
        ("help", []) => help(call, "CONFIG", text::CONFIG_HELP),
        _ => unknown_subcommand(call, args),
    }
}

fn get(call: &mut Call<'_>, patterns: &[&[u8]]) -> Flow {
    let lower: Vec<_> = patterns.iter().map(|p| p.to_ascii_lowercase()).collect();
    let matches = |name: &str, hidden: bool| {
        let mut patterns = lower.iter();
        patterns.any(|p| match hidden {
            true => p == name.as_bytes(),
            false => glob::matches(p, name.as_bytes()),
        })
    };
    let found = call.server.config.get(matches);
    call.out.map(found.len());
    for (name, value) in found {
        // One asked for by its very name is called as it was asked for.
        let asked = patterns
            .iter()
            .find(|p| p.eq_ignore_ascii_case(name.as_bytes()));
        call.out.bulk(asked.copied().unwrap_or(name.as_bytes()));
        // The master followed now, not the one named at the start.
        match name {
            "replicaof" | "slaveof" => {
                let master = call.world.view().status.master;
                let master = master.map(|(host, _)| format!("{} {}", host.name(), host.port()));
                call.out.bulk(master.unwrap_or_default().as_bytes());
            }
            _ => call.out.bulk(&value),
        }
    }
    Flow::Next
}

fn set(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let pairs: Vec<_> = args
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect();
    if !args.len().is_multiple_of(2) {
        return error(call, "ERR syntax error");
    }
    // Users change while no command runs.
    let is_password = |(name, _): &(&[u8], &[u8])| is(name, "requirepass");
    if pairs.iter().any(is_password) && !call.world.is_still() {
        return Flow::NeedAll;
    }
    // What is being loaded is not to come from two places.
    let is_place = |(name, _): &(&[u8], &[u8])| is(name, "dir") || is(name, "repl-diskless-load");
    if call.world.view().fence.loading && pairs.iter().any(is_place) {
        return error(call, LOADING);
    }
    let local = call.client.addr.is_local();
    match call.server.configure(&pairs, local) {
        Ok(()) => ok(call),
        Err(SetError::Unknown(name)) => {
            let text = "ERR Unknown option or number of arguments for CONFIG SET - '{}'";
            refuse(call, &CmdError::repeating(text, &[&name]))
        }
        Err(SetError::Refused(name, why)) => {
            let text =
                format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}");
            error(call, &text)
        }
    }
}
