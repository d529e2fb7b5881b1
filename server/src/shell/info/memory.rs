//! What memory goes to, for INFO and MEMORY.

use super::{Lines, Memory, human, system_memory};
use crate::gate::View;
use crate::shell::client::trait_of;
use crate::shell::server::Server;
use crate::store::lazyfree;
use std::sync::atomic::Ordering::Relaxed;

/// The figures of a moment, in bytes.
pub struct Overview {
    /// As the allocator counts it.
    pub memory: Memory,
    /// Resident pages of the whole process.
    pub resident: u64,
    /// Most that was ever in use.
    pub peak: u64,
    /// What was in use before anything was served.
    pub startup: u64,
    /// The replication backlog, and what is held beyond it for replicas that lag.
    pub log: u64,
    /// The replication backlog.
    pub backlog: u64,
    /// Buffers of replicas.
    pub replicas: u64,
    /// What `maxmemory` does not count.
    pub uncounted: u64,
    /// Clients and their buffers.
    pub clients: u64,
    /// Texts of scripts.
    pub scripts: u64,
    /// Sources of functions.
    pub functions: u64,
    /// Hash tables of the databases that are in use, by number.
    pub tables: Vec<(usize, u64)>,
    /// Keys.
    pub keys: u64,
}

/// Resident pages of this process; `otherwise` if the system does not tell.
fn resident(otherwise: u64) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map_or(otherwise, |kilobytes| kilobytes * 1024)
}

/// `part` of `whole`, which may be nothing.
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Overview {
    /// Of now.
    pub fn of(server: &Server, view: &View) -> Overview {
        let memory = Memory::now();
        let peak = &server.rates.peak_memory;
        let (mut replicas, mut clients) = (None, 0);
        for client in server.clients.all() {
            let of_it = client.memory() as u64;
            match client.is(trait_of::REPLICA) && !client.is(trait_of::KILLED) {
                true => *replicas.get_or_insert(0) += of_it,
                false => clients += of_it,
            }
        }
        let log = server.log.backlog();
        // What is held beyond the backlog's size is held for replicas that lag, if there are any: it is let go in pieces.
        let uncounted = replicas.unwrap_or(0) + log.beyond();
        let most = replicas.map_or(log.histlen, |_| log.size);
        let backlog = log.histlen.min(most);
        let dbs = view.dataset.dbs().iter().enumerate();
        let used = dbs.filter(|(_, db)| !db.is_empty());
        Overview {
            memory,
            resident: resident(memory.resident),
            peak: peak.fetch_max(memory.used, Relaxed).max(memory.used),
            startup: server.rates.startup_memory.load(Relaxed).min(memory.used),
            log: log.histlen,
            backlog,
            replicas: replicas.unwrap_or(0) + log.histlen - backlog,
            uncounted,
            clients,
            scripts: server.scripts.figures.bytes.load(Relaxed),
            functions: view.dataset.libraries().bytes() as u64,
            tables: used.map(|(i, db)| (i, db.table_size() as u64)).collect(),
            keys: view.dataset.len() as u64,
        }
    }

    /// All that is not data.
    pub fn overhead(&self) -> u64 {
        let tables: u64 = self.tables.iter().map(|(_, bytes)| bytes).sum();
        let buffers = self.backlog + self.replicas + self.clients;
        (self.startup + tables + buffers + self.scripts + self.functions).min(self.memory.used)
    }

    /// The data.
    pub fn dataset(&self) -> u64 {
        self.memory.used - self.overhead()
    }

    /// The data's share of what came after the start, in percent.
    pub fn dataset_share(&self) -> f64 {
        100.0 * ratio(self.dataset(), self.memory.used - self.startup)
    }

    /// Ratio and difference of: pages and what is allocated in them, mapped and in pages, the process and mapped, the process
    /// and allocated.
    pub fn ratios(&self) -> [(f64, i64); 4] {
        let memory = &self.memory;
        let of = |more: u64, less: u64| (ratio(more, less), more as i64 - less as i64);
        [
            of(memory.active, memory.used),
            of(memory.resident, memory.active),
            of(self.resident, memory.resident),
            of(self.resident, memory.used),
        ]
    }

    /// The section of INFO.
    pub(super) fn section(&self, server: &Server, view: &View, lines: &mut Lines<'_>) {
        let Overview { memory, peak, .. } = self;
        let system = system_memory();
        let info = server.replication().map(|r| r.info()).unwrap_or_default();
        lines.title("Memory");
        lines.add("used_memory", memory.used);
        lines.add("used_memory_human", human(memory.used));
        lines.add("used_memory_rss", self.resident);
        lines.add("used_memory_rss_human", human(self.resident));
        lines.add("used_memory_peak", peak);
        lines.add("used_memory_peak_human", human(*peak));
        let percent = |share: f64| format!("{share:.2}%");
        let share = percent(100.0 * ratio(memory.used, *peak));
        lines.add("used_memory_peak_perc", share);
        lines.add("used_memory_overhead", self.overhead());
        lines.add("used_memory_startup", self.startup);
        lines.add("used_memory_dataset", self.dataset());
        lines.add("used_memory_dataset_perc", percent(self.dataset_share()));
        lines.add("allocator_allocated", memory.used);
        lines.add("allocator_active", memory.active);
        lines.add("allocator_resident", memory.resident);
        lines.add("total_system_memory", system);
        lines.add("total_system_memory_human", human(system));
        lines.add(
            "used_memory_staging",
            info.link.map_or(0, |link| link.staging_bytes),
        );
        for (name, figure) in server.scripts.figures.lines(view) {
            lines.add(name, figure);
            if [
                "used_memory_lua",
                "used_memory_vm_total",
                "used_memory_scripts",
            ]
            .contains(&name)
            {
                lines.add(&format!("{name}_human"), human(figure));
            }
        }
        let settings = server.config.settings();
        lines.add("maxmemory", settings.maxmemory);
        lines.add("maxmemory_human", human(settings.maxmemory));
        lines.add("maxmemory_policy", &settings.maxmemory_policy_name);
        let names = [
            "allocator_frag",
            "allocator_rss",
            "rss_overhead",
            "mem_fragmentation",
        ];
        for (name, (ratio, bytes)) in names.iter().zip(self.ratios()) {
            lines.add(&format!("{name}_ratio"), format!("{ratio:.2}"));
            lines.add(&format!("{name}_bytes"), bytes);
        }
        lines.add("mem_not_counted_for_evict", self.uncounted);
        lines.add("mem_replication_backlog", self.backlog);
        lines.add("mem_total_replication_buffers", self.log);
        lines.add("mem_clients_slaves", self.replicas);
        lines.add("mem_clients_normal", self.clients);
        lines.add("mem_cluster_links", 0);
        lines.add("mem_aof_buffer", 0);
        lines.add("mem_allocator", "jemalloc");
        lines.add("active_defrag_running", 0);
        lines.add("lazyfree_pending_objects", lazyfree::pending());
        lines.add("lazyfreed_objects", lazyfree::freed());
    }
}
