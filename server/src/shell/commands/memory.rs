//! MEMORY: what memory goes to.

use super::{help, subcommand, text, unknown_subcommand};
use crate::resp::Reply;
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::shell::info::memory::Overview;

pub(super) fn run(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let overview = || Overview::of(call.server, call.world.view());
    match (subcommand(args).as_str(), &args[2..]) {
        ("doctor", []) => {
            let report = doctor(&overview(), call.server.clients.all().len() as u64);
            call.out.verbatim("txt", report.as_bytes());
        }
        ("purge", []) => call.out.ok(),
        ("malloc-stats", []) => {
            let memory = overview().memory;
            let text = format!(
                "allocated: {}\nactive: {}\nresident: {}\n",
                memory.used, memory.active, memory.resident
            );
            call.out.verbatim("txt", text.as_bytes());
        }
        ("stats", []) => stats(&overview(), call.out),
        ("help", []) => return help(call, "MEMORY", text::MEMORY_HELP),
        _ => return unknown_subcommand(call, args),
    }
    Flow::Next
}

/// Below this there is nothing to be said, bytes.
const EMPTY: u64 = 5 << 20;
/// Clients with more than this in their buffers, on average, have too much.
const BIG_CLIENT: u64 = 200 << 10;

/// What Redis would find of what it looks for.
fn doctor(overview: &Overview, clients: u64) -> String {
    let used = overview.memory.used;
    if used < EMPTY {
        return "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these \
             conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam and I will be back to \
             our programming as soon as I finished rebooting.\n"
            .to_owned();
    }
    let [fragmentation, allocator, process, total] = overview.ratios();
    // As in Redis, a few megabytes more than there need be are no issue.
    let is = |(ratio, bytes): (f64, i64), most: f64| ratio > most && bytes > 10 << 20;
    let found = [
        (
            overview.peak as f64 / used as f64 > 1.5,
            "Peak memory: In the past this instance used more than 150% the memory that is currently using. It is harmless: \
             what the allocator keeps is used as soon as there are more data.",
        ),
        (
            is(total, 1.4),
            "High total RSS: This instance has a memory fragmentation and RSS overhead greater than 1.4: the pages of the \
             process are much more than what is allocated in them, after a large peak or by a workload that fragments memory.",
        ),
        (
            is(fragmentation, 1.1),
            "High allocator fragmentation: This instance has an allocator external fragmentation greater than 1.1.",
        ),
        (
            is(allocator, 1.1),
            "High allocator RSS overhead: This instance has an RSS memory overhead greater than 1.1: the allocator holds pages \
             that nothing is in, usually after a large peak.",
        ),
        (
            is(process, 1.1),
            "High process RSS overhead: This instance has non-allocator RSS memory overhead greater than 1.1, which may be due \
             to scripts.",
        ),
        (
            overview.clients / clients.max(1) > BIG_CLIENT,
            "Big client buffers: The clients' buffers in this instance are greater than 200K per client, on average. CLIENT \
             LIST tells whose.",
        ),
    ];
    let mut issues: String = found
        .iter()
        .filter(|(is_so, _)| *is_so)
        .map(|(_, text)| format!(" * {text}\n\n"))
        .collect();
    match issues.is_empty() {
        true => "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n"
            .to_owned(),
        false => {
            issues.insert_str(0, "Sam, I detected a few issues in this Redis instance memory implants:\n\n");
            issues + "I'm here to keep you safe, Sam. I want to help you.\n"
        }
    }
}

fn stats(overview: &Overview, out: &mut Reply) {
    let memory = overview.memory;
    let int = |out: &mut Reply, name: &str, figure: u64| {
        out.bulk(name.as_bytes());
        out.int(figure as i64);
    };
    let first = [
        ("peak.allocated", overview.peak),
        ("total.allocated", memory.used),
        ("startup.allocated", overview.startup),
        ("replication.backlog", overview.backlog),
        ("clients.slaves", overview.replicas),
        ("clients.normal", overview.clients),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", overview.scripts),
        ("functions.caches", overview.functions),
    ];
    let (mark, mut fields) = (out.defer(), first.len() + overview.tables.len());
    for (name, figure) in first {
        int(out, name, figure);
    }
    for (number, bytes) in &overview.tables {
        out.bulk(format!("db.{number}").as_bytes());
        out.map(3);
        int(out, "overhead.hashtable.main", *bytes);
        // An expiry is kept with its key.
        int(out, "overhead.hashtable.expires", 0);
        int(out, "overhead.hashtable.slot-to-keys", 0);
    }
    let net = memory.used - overview.startup;
    let then = [
        ("overhead.total", overview.overhead()),
        ("keys.count", overview.keys),
        (
            "keys.bytes-per-key",
            net.checked_div(overview.keys).unwrap_or(0),
        ),
        ("dataset.bytes", overview.dataset()),
    ];
    for (name, figure) in then {
        int(out, name, figure);
    }
    let peak = 100.0 * memory.used as f64 / overview.peak.max(1) as f64;
    let shares = [
        ("dataset.percentage", overview.dataset_share()),
        ("peak.percentage", peak),
    ];
    for (name, share) in shares {
        out.bulk(name.as_bytes());
        out.double(share);
    }
    let allocator = [
        ("allocator.allocated", memory.used),
        ("allocator.active", memory.active),
        ("allocator.resident", memory.resident),
    ];
    for (name, figure) in allocator {
        int(out, name, figure);
    }
    let names = [
        [
            "allocator-fragmentation.ratio",
            "allocator-fragmentation.bytes",
        ],
        ["allocator-rss.ratio", "allocator-rss.bytes"],
        ["rss-overhead.ratio", "rss-overhead.bytes"],
        ["fragmentation", "fragmentation.bytes"],
    ];
    for ([of_ratio, of_bytes], (ratio, bytes)) in names.into_iter().zip(overview.ratios()) {
        out.bulk(of_ratio.as_bytes());
        out.double(ratio);
        out.bulk(of_bytes.as_bytes());
        out.int(bytes);
    }
    fields += then.len() + shares.len() + allocator.len() + 2 * names.len();
    out.close_map(mark, fields);
}
