//! What LATENCY DOCTOR says: the stock server's words, as far as its events exist here.

use super::Series;
use crate::config::Settings;
use std::collections::BTreeMap;
use std::fmt::Write;

const DISABLED: &str = "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may use \
     \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it. If we weren't in a deep space mission \
     I'd suggest to take a look at https://redis.io/topics/latency-monitor.\n";
const NOTHING: &str = "Dave, no latency spike was observed during the lifetime of this Redis instance, not in the slightest \
     bit. I honestly think you ought to sit down calmly, take a stress pill, and think things over.\n";
const INSPECT: &str = "- Check your Slow Log to understand what are the commands you are running which are too slow to \
     execute. Please check https://redis.io/commands/slowlog for more information.\n";
const SCHEDULER: &str = "- The system is slow to execute Redis code paths not containing system calls. This usually means the \
     system does not provide Redis CPU time to run for long periods. You should try to:\n  \
     1) Lower the system load.\n  \
     2) Use a computer / VM just for Redis if you are running other software in the same system.\n  \
     3) Check if you have a \"noisy neighbour\" problem.\n  \
     4) Check with 'redis-cli --intrinsic-latency 100' what is the intrinsic latency in your system.\n  \
     5) Check if the problem is allocator-related by recompiling Redis with MALLOC=libc, if you are using Jemalloc. However \
     this may create fragmentation problems.\n";
const HZ: &str = "- In order to make the Redis keys expiring process more incremental, try to set the 'hz' configuration \
     parameter to 100 using 'CONFIG SET hz 100'.\n";
const LARGE: &str = "- Deleting, expiring or evicting (because of maxmemory policy) large objects is a blocking operation. If \
     you have very large objects that are often deleted, expired, or evicted, try to fragment those objects into multiple \
     smaller objects.\n";
const EVICTION: &str = "- Sudden changes to the 'maxmemory' setting via 'CONFIG SET', or allocation of large objects via sets \
     or sorted sets intersections, STORE option of SORT, Redis Cluster large keys migrations (RESTORE command), may create \
     sudden memory pressure forcing the server to block trying to evict keys. \n";

/// One line of the report: the events of a kind in figures. `now` in Unix seconds.
fn describe(number: usize, event: &str, series: &Series, now: i64) -> String {
    let count = series.samples.len().max(1) as u64;
    let millis = || series.samples.iter().map(|s| s.millis);
    let mean = millis().sum::<u64>() / count;
    let deviation = millis().map(|m| m.abs_diff(mean)).sum::<u64>() / count;
    let oldest = series.samples.front().map_or(now, |s| s.at);
    let period = (now - oldest).max(1) as f64 / count as f64;
    let worst = series.worst;
    format!(
        "{number}. {event}: {count} latency spikes (average {mean}ms, mean deviation {deviation}ms, period {period:.2} sec). \
         Worst all time event {worst}ms.\n"
    )
}

/// The report of `events`.
pub(super) fn of(events: &BTreeMap<&'static str, Series>, settings: &Settings, now: i64) -> String {
    if events.is_empty() {
        let disabled = settings.latency_threshold == 0;
        return if disabled { DISABLED } else { NOTHING }.to_owned();
    }
    let mut text = "Dave, I have observed latency spikes in this Redis instance. You don't mind talking about it, do you \
         Dave?\n\n"
        .to_owned();
    for (i, (event, series)) in events.iter().enumerate() {
        text.push_str(&describe(i + 1, event, series, now));
    }
    let has = |event| events.contains_key(event);
    let threshold = settings.latency_threshold;
    text.push_str("\nI have a few advices for you:\n\n");
    if has("command") {
        if settings.slowlog_slower_than < 0 || settings.slowlog_max_len == 0 {
            let _ = writeln!(
                text,
                "- There are latency issues with potentially slow commands you are using. Try to enable the Slow Log Redis \
                 feature using the command 'CONFIG SET slowlog-log-slower-than {}'. If the Slow log is disabled Redis is \
                 not able to log slow commands execution for you.",
                threshold * 1000
            );
        } else if settings.slowlog_slower_than as u64 / 1000 > threshold {
            let _ = writeln!(
                text,
                "- Your current Slow Log configuration only logs events that are slower than your configured latency \
                 monitor threshold. Please use 'CONFIG SET slowlog-log-slower-than {}'.",
                threshold * 1000
            );
        }
        text.push_str(INSPECT);
    }
    for (holds, advice) in [
        (has("fast-command"), SCHEDULER),
        (has("expire-cycle"), HZ),
        (has("command") || has("expire-cycle"), LARGE),
        (has("eviction-cycle"), EVICTION),
    ] {
        if holds {
            text.push_str(advice);
        }
    }
    text
}
