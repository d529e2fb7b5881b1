//! INFO: facts and figures, by section, under Redis's names.

pub mod memory;
mod replication;

use super::client::trait_of;
use super::latency::Figures;
use super::pubsub::Kind;
use super::server::{Server, now_ms};
use crate::gate::View;
use crate::persist::Load;
use crate::store::dataset::Db;
use crate::store::table::SHARDS;
use crate::sys::process;
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

/// The sections, in the order they are shown; those shown without being asked for by name.
const DEFAULT: &[&str] = &[
    "server",
    "clients",
    "memory",
    "persistence",
    "stats",
    "replication",
    "cpu",
    "modules",
    "commandstats",
    "errorstats",
    "latencystats",
    "cluster",
    "keyspace",
];

/// Those that have to be asked for.
const UNUSUAL: &[&str] = &["commandstats", "latencystats"];

/// Memory, as the allocator counts it; bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Allocated by the program.
    pub used: u64,
    /// In pages that hold anything allocated.
    pub active: u64,
    /// Mapped and resident.
    pub resident: u64,
}

impl Memory {
    /// The figures of this moment; zeros if the allocator does not tell.
    pub fn now() -> Memory {
        use tikv_jemalloc_ctl::{epoch, stats};
        let _ = epoch::advance();
        let count = |n: tikv_jemalloc_ctl::Result<usize>| n.unwrap_or(0) as u64;
        Memory {
            used: count(stats::allocated::read()),
            active: count(stats::active::read()),
            resident: count(stats::resident::read()),
        }
    }
}

/// The text of INFO for the sections asked for; the usual ones if none is.
pub fn text(server: &Server, view: &View, asked: &[&[u8]]) -> String {
    let asked: Vec<String> = asked
        .iter()
        .map(|s| String::from_utf8_lossy(s).to_ascii_lowercase())
        .collect();
    let all = asked.iter().any(|s| s == "all" || s == "everything");
    let usual = asked.is_empty() || asked.iter().any(|s| s == "default");
    let wants = |name: &&&str| {
        let usual = usual && !UNUSUAL.contains(name);
        all || usual || asked.iter().any(|s| s == **name)
    };
    let mut out = String::new();
    for section in DEFAULT.iter().filter(wants) {
        if !out.is_empty() {
            out.push_str("\r\n");
        }
        self::section(section, server, view, &mut Lines(&mut out));
    }
    out
}

fn section(name: &str, server: &Server, view: &View, lines: &mut Lines<'_>) {
    match name {
        "server" => about_server(server, lines),
        "clients" => clients(server, lines),
        "memory" => memory::Overview::of(server, view).section(server, view, lines),
        "persistence" => persistence(server, view, lines),
        "stats" => stats(server, lines),
        "replication" => replication::section(server, view, lines),
        "cpu" => cpu(lines),
        "cluster" => {
            lines.title("Cluster");
            lines.add("cluster_enabled", 0);
        }
        "keyspace" => keyspace(view, lines),
        "latencystats" => latency(server, lines),
        "commandstats" => commands(server, lines),
        "errorstats" => {
            lines.title("Errorstats");
            for (code, count) in server.errors.counts() {
                lines.add(&format!("errorstat_{code}"), format!("count={count}"));
            }
        }
        _ => lines.title("Modules"),
    }
}

/// Lines of `name:value`.
struct Lines<'a>(&'a mut String);

impl Lines<'_> {
    fn title(&mut self, name: &str) {
        let _ = write!(self.0, "# {name}\r\n");
    }

    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = write!(self.0, "{name}:{value}\r\n");
    }
}

fn about_server(server: &Server, lines: &mut Lines<'_>) {
    let settings = server.config.settings();
    let uptime = server.identity.started.elapsed().as_secs();
    let executable = process::executable().unwrap_or_default();
    let file = server.config.file();
    lines.title("Server");
    lines.add("redis_version", crate::REDIS_VERSION);
    lines.add("redis_git_sha1", "00000000");
    lines.add("redis_git_dirty", 0);
    lines.add("redis_build_id", "0");
    lines.add("redis_mode", "standalone");
    lines.add("damselfly_version", env!("CARGO_PKG_VERSION"));
    lines.add(
        "os",
        format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    );
    lines.add("arch_bits", usize::BITS);
    lines.add("monotonic_clock", "POSIX clock_gettime");
    lines.add("multiplexing_api", "epoll");
    lines.add("atomicvar_api", "c11-builtin");
    // What Redis says that another compiler made.
    lines.add("gcc_version", "0.0.0");
    lines.add("process_id", process::id());
    lines.add("process_supervised", "no");
    lines.add("run_id", server.identity.run_id);
    lines.add("tcp_port", settings.port);
    lines.add("server_time_usec", now_ms() * 1000);
    lines.add("uptime_in_seconds", uptime);
    lines.add("uptime_in_days", uptime / 86400);
    lines.add("hz", settings.hz);
    lines.add("configured_hz", settings.hz);
    lines.add("lru_clock", (now_ms() / 1000) & 0xff_ffff);
    lines.add("executable", executable.display());
    lines.add(
        "config_file",
        file.map(|f| f.display().to_string()).unwrap_or_default(),
    );
    lines.add("io_threads_active", u8::from(server.threads() > 1));
    lines.add("io_threads", server.threads());
    if let Some(rest) = server.shutdown.ends_in() {
        lines.add("shutdown_in_milliseconds", rest.as_millis());
    }
}

fn clients(server: &Server, lines: &mut Lines<'_>) {
    lines.title("Clients");
    lines.add(
        "connected_clients",
        server.clients.count(trait_of::REPLICA, false),
    );
    lines.add("cluster_connections", 0);
    lines.add("maxclients", server.config.settings().maxclients);
    let seconds = *server.rates.largest_buffers.lock();
    let largest = |which: usize| seconds.iter().map(|second| second[which]).max();
    for (which, name) in ["input", "output"].iter().enumerate() {
        let name = format!("client_recent_max_{name}_buffer");
        lines.add(&name, largest(which).unwrap_or(0));
    }
    lines.add(
        "blocked_clients",
        server.clients.count(trait_of::BLOCKED, true),
    );
    lines.add("tracking_clients", server.tracking.clients());
    lines.add("clients_in_timeout_table", 0);
}

/// Bytes as people read them.
fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "K", "M", "G", "T"] {
        if value < 1024.0 {
            return match unit {
                "B" => format!("{bytes}B"),
                _ => format!("{value:.2}{unit}"),
            };
        }
        value /= 1024.0;
    }
    format!("{value:.2}P")
}

/// What the machine has, in bytes; 0 if it does not tell.
fn system_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|t| t.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Whether a master's snapshot comes in beside what is served.
fn stages(server: &Server, view: &View) -> bool {
    let link = server.replication().and_then(|r| r.info().link);
    !view.fence.loading
        && link.is_some_and(|link| link.sync_in_progress && link.sync_read_bytes > 0)
}

fn persistence(server: &Server, view: &View, lines: &mut Lines<'_>) {
    let saves = &server.saves;
    let saving = server.snapshots().is_some_and(|s| s.making());
    let current = match saves.began.load(Relaxed) {
        -1 => -1,
        began => (now_ms() / 1000 - began).max(0),
    };
    let ok = if saves.ok.load(Relaxed) { "ok" } else { "err" };
    lines.title("Persistence");
    lines.add("loading", u8::from(view.fence.loading));
    lines.add("async_loading", u8::from(stages(server, view)));
    lines.add("current_cow_peak", 0);
    lines.add("current_cow_size", 0);
    lines.add("current_cow_size_age", 0);
    lines.add("current_fork_perc", "0.00");
    lines.add("current_save_keys_processed", 0);
    lines.add("current_save_keys_total", 0);
    lines.add("rdb_changes_since_last_save", server.unsaved_changes());
    lines.add("rdb_bgsave_in_progress", u8::from(saving));
    lines.add("rdb_last_save_time", saves.last.load(Relaxed));
    lines.add("rdb_last_bgsave_status", ok);
    lines.add("rdb_last_bgsave_time_sec", saves.took.load(Relaxed));
    lines.add("rdb_current_bgsave_time_sec", current);
    lines.add("rdb_saves", saves.count.load(Relaxed));
    lines.add("rdb_last_cow_size", 0);
    lines.add(
        "rdb_last_load_keys_expired",
        saves.load.expired.load(Relaxed),
    );
    lines.add("rdb_last_load_keys_loaded", saves.load.keys.load(Relaxed));
    lines.add("aof_enabled", 0);
    lines.add("aof_rewrite_in_progress", 0);
    lines.add("aof_rewrite_scheduled", 0);
    lines.add("aof_last_rewrite_time_sec", -1);
    lines.add("aof_current_rewrite_time_sec", -1);
    lines.add("aof_last_bgrewrite_status", "ok");
    lines.add("aof_last_write_status", "ok");
    lines.add("aof_rewrites", 0);
    lines.add("aof_rewrites_consecutive_failures", 0);
    lines.add("aof_last_cow_size", 0);
    lines.add("module_fork_in_progress", 0);
    lines.add("module_fork_last_cow_size", 0);
    if view.fence.loading && !view.fence.whole {
        loading(&saves.load, lines);
    }
}

/// The load at start-up, while it goes on.
fn loading(load: &Load, lines: &mut Lines<'_>) {
    let (total, read) = (load.total.load(Relaxed), load.read.load(Relaxed));
    let elapsed = now_ms() / 1000 - load.began.load(Relaxed);
    let left = total.saturating_sub(read);
    let eta = (elapsed.max(0) as u64)
        .saturating_mul(left)
        .checked_div(read);
    let percent = read as f64 / total.max(1) as f64 * 100.0;
    lines.add("loading_start_time", load.began.load(Relaxed));
    lines.add("loading_total_bytes", total);
    lines.add("loading_rdb_used_mem", 0);
    lines.add("loading_loaded_bytes", read);
    lines.add("loading_loaded_perc", format!("{percent:.2}"));
    lines.add("loading_eta_seconds", eta.unwrap_or(1));
}

fn stats(server: &Server, lines: &mut Lines<'_>) {
    let totals = server.totals();
    let info = server.replication().map(|r| r.info()).unwrap_or_default();
    let [full, partial_ok, partial_err] = info.syncs;
    let [datasets, keys] = info.dropped;
    let [received, sent] = info.traffic;
    let per_second = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    let rates = &server.rates;
    let [receives, sends] = rates.replication.each_ref().map(|rate| rate.load(Relaxed));
    lines.title("Stats");
    lines.add("total_connections_received", totals.connections);
    lines.add("total_commands_processed", totals.commands);
    lines.add("instantaneous_ops_per_sec", rates.commands.load(Relaxed));
    lines.add("total_net_input_bytes", totals.bytes_in + received);
    lines.add("total_net_output_bytes", totals.bytes_out + sent);
    lines.add("total_net_repl_input_bytes", received);
    lines.add("total_net_repl_output_bytes", sent);
    let (came, went) = (rates.bytes_in.load(Relaxed), rates.bytes_out.load(Relaxed));
    lines.add("instantaneous_input_kbps", per_second(came + receives));
    lines.add("instantaneous_output_kbps", per_second(went + sends));
    lines.add("instantaneous_input_repl_kbps", per_second(receives));
    lines.add("instantaneous_output_repl_kbps", per_second(sends));
    lines.add("rejected_connections", totals.rejected);
    lines.add("sync_full", full);
    lines.add("sync_partial_ok", partial_ok);
    lines.add("sync_partial_err", partial_err);
    lines.add("sync_dropped_datasets", datasets);
    lines.add("sync_dropped_keys", keys);
    lines.add("expired_keys", totals.expired);
    lines.add("expired_subkeys", totals.expired_fields);
    let stale = rates.stale.load(Relaxed) as f64 / 100.0;
    lines.add("expired_stale_perc", format!("{stale:.2}"));
    lines.add("expired_time_cap_reached_count", totals.expiry_capped);
    lines.add("expire_cycle_cpu_milliseconds", totals.expiry_micros / 1000);
    lines.add("evicted_keys", totals.evicted);
    let evicted = server.clients.together.evicted.load(Relaxed);
    lines.add("evicted_clients", evicted);
    let [total, current] = server.eviction.exceeded_ms();
    lines.add("total_eviction_exceeded_time", total);
    lines.add("current_eviction_exceeded_time", current);
    lines.add("keyspace_hits", totals.hits);
    lines.add("keyspace_misses", totals.misses);
    lines.add("pubsub_channels", server.pubsub.len(Kind::Channel));
    lines.add("pubsub_patterns", server.pubsub.len(Kind::Pattern));
    lines.add("pubsubshard_channels", server.pubsub.len(Kind::Shard));
    lines.add("latest_fork_usec", 0);
    lines.add("total_forks", 0);
    lines.add("migrate_cached_sockets", server.migrations.len());
    lines.add("slave_expires_tracked_keys", 0);
    let [keys, items, prefixes] = server.tracking.sizes();
    lines.add("tracking_total_keys", keys);
    lines.add("tracking_total_items", items);
    lines.add("tracking_total_prefixes", prefixes);
    for name in [
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
        "unexpected_error_replies",
        // All are read with care, whatever sanitize-dump-payload says.
        "dump_payload_sanitizations",
        // Replies have no buffers of their own.
        "reply_buffer_shrinks",
        "reply_buffer_expands",
    ] {
        lines.add(name, 0);
    }
    lines.add("total_error_replies", totals.errors);
    lines.add("total_reads_processed", totals.reads);
    lines.add("total_writes_processed", totals.writes);
    // By other threads than the first.
    let [reads, writes] = server.beside_the_first();
    lines.add("io_threaded_reads_processed", reads);
    lines.add("io_threaded_writes_processed", writes);
}

/// Seconds that a process or thread has run for as a user and in the kernel, by its file in /proc.
fn seconds_of(file: &str) -> [f64; 2] {
    // Fields 14 and 15, in ticks; the name before them may hold anything but `)`.
    let stat = std::fs::read_to_string(file).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let mut ticks = fields
        .split_whitespace()
        .skip(11)
        .filter_map(|f| f.parse::<u64>().ok());
    /// Linux tells user space of a hundredth of a second, whatever the kernel's own clock does.
    const TICKS_PER_SECOND: f64 = 100.0;
    let mut seconds = || ticks.next().unwrap_or(0) as f64 / TICKS_PER_SECOND;
    [seconds(), seconds()]
}

fn cpu(lines: &mut Lines<'_>) {
    let [user, system] = seconds_of("/proc/self/stat");
    let [main_user, main_system] = seconds_of(&format!("/proc/self/task/{}/stat", process::id()));
    lines.title("CPU");
    lines.add("used_cpu_sys", format!("{system:.6}"));
    lines.add("used_cpu_user", format!("{user:.6}"));
    lines.add("used_cpu_sys_children", "0.000000");
    lines.add("used_cpu_user_children", "0.000000");
    lines.add("used_cpu_sys_main_thread", format!("{main_system:.6}"));
    lines.add("used_cpu_user_main_thread", format!("{main_user:.6}"));
}

fn commands(server: &Server, lines: &mut Lines<'_>) {
    lines.title("Commandstats");
    for (command, figures) in server.latency.commands() {
        let micros = figures.nanos / 1000;
        let each = micros as f64 / figures.calls.max(1) as f64;
        let value = format!(
            "calls={},usec={micros},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
            figures.calls, figures.rejected, figures.failed
        );
        lines.add(&format!("cmdstat_{command}"), value);
    }
}

fn latency(server: &Server, lines: &mut Lines<'_>) {
    let settings = server.config.settings();
    lines.title("Latencystats");
    if !settings.latency_tracking {
        return;
    }
    for (command, Figures { histogram, .. }) in server.latency.commands() {
        if histogram.total() == 0 {
            continue;
        }
        let shown = settings.latency_percentiles.iter().map(|percent| {
            let micros = histogram.percentile(*percent) as f64 / 1000.0;
            format!("p{percent}={micros:.3}")
        });
        let shown: Vec<_> = shown.collect();
        let name = format!("latency_percentiles_usec_{command}");
        lines.add(&name, shown.join(","));
    }
}

/// Milliseconds that keys with a time have left, by a sample of them.
fn average_ttl(db: &Db) -> i64 {
    /// As many as tell the magnitude.
    const SAMPLES: usize = 16;
    let (mut sum, mut count) = (0, 0);
    db.sample(SAMPLES, SHARDS, true, |entry| {
        let left = entry.expire().map_or(0, |at| at.saturating_sub(now_ms()));
        sum += i128::from(left.max(0));
        count += 1;
    });
    i64::try_from(sum / count.max(1)).unwrap_or(i64::MAX)
}

fn keyspace(view: &View, lines: &mut Lines<'_>) {
    lines.title("Keyspace");
    for (number, db) in view.dataset.dbs().iter().enumerate() {
        let keys = db.len();
        if keys > 0 {
            let (expires, ttl) = (db.expires(), average_ttl(db));
            let mut value = format!("keys={keys},expires={expires},avg_ttl={ttl}");
            // Of Redis 7.4: clients of 7.0 see it only if they use what it counts.
            let timed = db.hashes_with_times();
            if timed > 0 {
                value += &format!(",subexpiry={timed}");
            }
            lines.add(&format!("db{number}"), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        assert_eq!(human(0), "0B");
        assert_eq!(human(1023), "1023B");
        assert_eq!(human(1536), "1.50K");
        assert_eq!(human(3 << 30), "3.00G");
    }
}
