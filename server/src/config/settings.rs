//! The parameters that are served, as the types the rest of the server reads.

use super::find;
use super::value::read_buffer_limits;
use crate::command::events;
use crate::rdb::dump::UNCHECKED;
use crate::rdb::format::Dialect;
use crate::rdb::read::Options;
use crate::store::Limits;
use crate::store::clock::Accesses;
use crate::store::evict::{Order, Policy};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Who may use what `enable-debug-command` and the like guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Nobody.
    No,
    /// Everybody.
    Yes,
    /// Connections from this machine.
    Local,
}

/// When a client that reads too slowly is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferLimit {
    /// Bytes waiting to be sent at which it is closed at once; 0: no limit.
    pub hard: u64,
    /// Bytes at which it is closed after `soft_for`; 0: no limit.
    pub soft: u64,
    /// How long it may stay over `soft`.
    pub soft_for: Duration,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty = $read:ident($name:literal),)+) => {
        /// What the parameters that are served are set to; one immutable copy per change.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Settings {
            /// From the values of all parameters, in the order of the table.
            pub(super) fn new(values: &[Vec<u8>]) -> Settings {
                let values = Values(values);
                Settings { $($field: values.$read($name),)+ }
            }
        }

        /// The parameters that have a setting.
        #[cfg(test)]
        pub(super) const READ: &[&str] = &[$($name),+];
    };
}

impl Settings {
    /// When collections leave their compact forms.
    pub fn limits(&self) -> Limits {
        Limits {
            hash_max_listpack_entries: self.hash_max_entries,
            hash_max_listpack_value: self.hash_max_value,
            set_max_intset_entries: self.set_max_intset,
            zset_max_listpack_entries: self.zset_max_entries,
            zset_max_listpack_value: self.zset_max_value,
            list_max_listpack_size: self.list_max_size,
            stream_node_max_bytes: self.stream_node_bytes,
            stream_node_max_entries: self.stream_node_entries,
            hll_sparse_max_bytes: self.hll_sparse_max,
            string_max: self.max_bulk,
            valkey_dumps: self.rdb_field_times == Dialect::Valkey,
            accesses: self.accesses(),
            shares_integers: self.maxmemory == 0
                || !self.maxmemory_policy.is_some_and(|policy| {
                    matches!(policy.order, Order::Recency | Order::Frequency)
                }),
        }
    }

    fn accesses(&self) -> Accesses {
        match self.maxmemory_policy {
            Some(policy) if policy.order == Order::Frequency => Accesses::Frequency {
                log_factor: self.lfu_log_factor,
                decay_minutes: self.lfu_decay_time,
            },
            _ => Accesses::Recency,
        }
    }

    /// How snapshots are read, from a file or from a master.
    pub fn reading(&self) -> Options {
        Options {
            limits: self.limits(),
            checksum: self.rdb_checksum && !UNCHECKED.load(Relaxed),
            key_delay: self.key_load_delay,
            ..Options::default()
        }
    }
}

settings! {
    /// TCP port; 0 for none.
    port: u16 = number("port"),
    /// Addresses to listen on, as `bind` has them.
    bind: Vec<String> = words("bind"),
    /// Where a Unix socket listens; empty for none.
    unixsocket: PathBuf = path("unixsocket"),
    /// Who may connect to it; 0 for whom the umask lets.
    unixsocketperm: u32 = octal("unixsocketperm"),
    /// Clients from other machines are refused while there is no password.
    protected_mode: bool = flag("protected-mode"),
    /// Length of the system's queue of new connections.
    tcp_backlog: i32 = number("tcp-backlog"),
    /// Time between keep-alive probes; zero for none.
    tcp_keepalive: Duration = seconds("tcp-keepalive"),
    /// Idle time after which a client is closed; zero for never.
    timeout: Duration = seconds("timeout"),
    /// Clients connected at once.
    maxclients: usize = number("maxclients"),
    /// Number of I/O threads asked for; 0: one for each core.
    threads: usize = number("threads"),
    /// Bytes of requests that may wait in a client's buffer.
    query_buffer_limit: usize = number("client-query-buffer-limit"),
    /// Bytes that all clients may take together, or a percentage of `maxmemory`; 0: no limit.
    maxmemory_clients: String = text("maxmemory-clients"),
    /// Output limits of the classes normal, replica, pubsub.
    buffer_limits: [BufferLimit; 3] = buffer_limits("client-output-buffer-limit"),
    /// Longest argument of a request, and longest string that grows, bytes.
    max_bulk: u64 = number("proto-max-bulk-len"),
    /// Password of the default user as it was set here; empty for none.
    requirepass: Vec<u8> = bytes("requirepass"),
    /// File of the users; empty for none.
    aclfile: PathBuf = path("aclfile"),
    /// Refusals remembered.
    acllog_max_len: usize = number("acllog-max-len"),
    /// New users may use all channels.
    acl_pubsub_default: bool = is_all_channels("acl-pubsub-default"),
    /// Number of databases.
    databases: usize = number("databases"),
    /// Save points: seconds since the last save, and changes since then.
    save: Vec<(u64, u64)> = save_points("save"),
    /// Directory of the snapshot file.
    dir: PathBuf = path("dir"),
    /// Name of the snapshot file.
    dbfilename: String = text("dbfilename"),
    /// Lowest level that is logged.
    loglevel: String = text("loglevel"),
    /// File to log to; empty for the standard output.
    logfile: PathBuf = path("logfile"),
    /// File that holds the process id; empty for none.
    pidfile: PathBuf = path("pidfile"),
    /// Writes are refused after a save that failed.
    stop_writes: bool = flag("stop-writes-on-bgsave-error"),
    /// The process runs in the background.
    daemonize: bool = flag("daemonize"),
    /// Who is told that the server is ready: `no`, `auto`, `systemd`, `upstart`.
    supervised: String = text("supervised"),
    /// Log lines also go to the system's log.
    syslog: bool = flag("syslog-enabled"),
    /// What they are marked with there.
    syslog_ident: String = text("syslog-ident"),
    /// The facility they are of there.
    syslog_facility: String = text("syslog-facility"),
    /// Who may use DEBUG.
    debug_command: Allowed = allowed("enable-debug-command"),
    /// Who may use MODULE.
    module_command: Allowed = allowed("enable-module-command"),
    /// Who may set protected parameters.
    protected_configs: Allowed = allowed("enable-protected-configs"),
    /// What the system is told of us when memory is short: `no`, `yes`, `relative`, `absolute`.
    oom_score_adj: String = text("oom-score-adj"),
    /// The numbers that it is told: of a master, of a replica, of a child.
    oom_score_adj_values: String = text("oom-score-adj-values"),
    /// How SIGINT ends the server, in words of SHUTDOWN.
    shutdown_on_sigint: String = text("shutdown-on-sigint"),
    /// How SIGTERM does.
    shutdown_on_sigterm: String = text("shutdown-on-sigterm"),
    /// Rounds of background work per second.
    hz: u64 = number("hz"),
    /// Whether memory stays in small pages.
    disable_thp: bool = flag("disable-thp"),
    /// How hard to look for expired keys, 1 to 10.
    active_expire_effort: u32 = number("active-expire-effort"),
    /// Microseconds from which a command is slow; negative for never.
    slowlog_slower_than: i64 = number("slowlog-log-slower-than"),
    /// Slow commands remembered.
    slowlog_max_len: usize = number("slowlog-max-len"),
    /// After how long a script may be ended, and others are told BUSY; zero: never.
    busy_reply_threshold: Duration = millis("busy-reply-threshold"),
    /// File that records inputs and outputs of the replication protocol; empty for none.
    trace: PathBuf = path("trace"),
    /// Host and port of the master to follow from the start.
    replicaof: Option<(String, u16)> = host_port("replicaof"),
    /// Our address or name on connections to masters; empty for what the system gives.
    bind_source: String = text("bind-source-addr"),
    /// The log begins with a picture.
    logo: bool = flag("always-show-logo"),
    /// Password to give to the master; empty for none.
    masterauth: Vec<u8> = bytes("masterauth"),
    /// User to be at the master; empty for the default one.
    masteruser: Vec<u8> = bytes("masteruser"),
    /// Deadline of the first phase of a REPLICAOF.
    replicaof_timeout: Duration = seconds("replicaof-timeout"),
    /// A full sync loads beside the served dataset rather than in its place.
    full_sync_staging: bool = is_staging("replica-full-sync"),
    /// Bytes a staging dataset may take; 0: what the machine has.
    staging_maxmemory: u64 = number("replica-staging-maxmemory"),
    /// A full sync from an empty master is refused while there is data.
    refuse_empty_master: bool = flag("replica-refuse-empty-master"),
    /// The new REPLICAOF algorithm, not the old one.
    replicaof_v2: bool = flag("experimental-replicaof-v2"),
    /// Commands are answered while the link to the master is down.
    serve_stale_data: bool = flag("replica-serve-stale-data"),
    /// Writes of clients are refused on a replica.
    replica_read_only: bool = flag("replica-read-only"),
    /// Rank for Sentinel; 0 for never.
    replica_priority: u32 = number("replica-priority"),
    /// Sentinel is told of this replica.
    replica_announced: bool = flag("replica-announced"),
    /// Address to tell the master; empty for the one it sees.
    announce_ip: String = text("replica-announce-ip"),
    /// Port to tell the master; 0 for the one we listen on.
    announce_port: u16 = number("replica-announce-port"),
    /// Bytes of the replication stream kept for replicas that are away.
    backlog_size: u64 = number("repl-backlog-size"),
    /// How long the backlog outlives the last replica; zero for ever.
    backlog_ttl: Duration = seconds("repl-backlog-ttl"),
    /// Silence after which a replication link is broken.
    repl_timeout: Duration = seconds("repl-timeout"),
    /// Time between pings to replicas.
    repl_ping_period: Duration = seconds("repl-ping-replica-period"),
    /// Snapshots go to replicas as they are made, not by way of a file.
    diskless_sync: bool = flag("repl-diskless-sync"),
    /// How many waiting replicas begin a full sync at once; 0 for no number.
    diskless_sync_max_replicas: usize = number("repl-diskless-sync-max-replicas"),
    /// How long a full sync waits for more replicas.
    diskless_sync_delay: Duration = seconds("repl-diskless-sync-delay"),
    /// Microseconds that a snapshot rests for each key; if negative, keys for each microsecond.
    key_save_delay: i32 = number("rdb-key-save-delay"),
    /// The same, of a load.
    key_load_delay: i32 = number("key-load-delay"),
    /// The system may gather small packets to replicas.
    disable_nodelay: bool = flag("repl-disable-tcp-nodelay"),
    /// Replicas that must be there for a write.
    min_replicas_to_write: usize = number("min-replicas-to-write"),
    /// How much a replica that counts may lag.
    min_replicas_max_lag: Duration = seconds("min-replicas-max-lag"),
    /// Strings in snapshots are compressed.
    rdb_compression: bool = flag("rdbcompression"),
    /// Who reads snapshot files and dumps in which fields of hashes have times.
    rdb_field_times: Dialect = dialect("rdb-field-times"),
    /// Snapshots end with a checksum.
    rdb_checksum: bool = flag("rdbchecksum"),
    /// Bytes of memory above which keys go or writes are refused; 0: no limit.
    maxmemory: u64 = number("maxmemory"),
    /// Which keys go then; `None`: none.
    maxmemory_policy: Option<Policy> = policy("maxmemory-policy"),
    /// The same by its name.
    maxmemory_policy_name: String = text("maxmemory-policy"),
    /// Keys looked at for each that goes.
    maxmemory_samples: usize = number("maxmemory-samples"),
    /// How long a command may spend on removing others' keys, 0 to 100.
    eviction_tenacity: u32 = number("maxmemory-eviction-tenacity"),
    /// A replica leaves it to its master which keys go.
    replica_ignore_maxmemory: bool = flag("replica-ignore-maxmemory"),
    /// How long the end waits for replicas that lag.
    shutdown_timeout: Duration = seconds("shutdown-timeout"),
    /// The classes of keyspace events that are told; see [`events`].
    keyspace_events: u32 = keyspace_events("notify-keyspace-events"),
    /// Milliseconds from which the latency monitor notes what takes long; 0: it notes nothing.
    latency_threshold: u64 = number("latency-monitor-threshold"),
    /// How long each command takes is counted.
    latency_tracking: bool = flag("latency-tracking"),
    /// Which percentiles of that INFO shows.
    latency_percentiles: Vec<f64> = numbers("latency-tracking-info-percentiles"),
    /// Keys remembered for clients that cache; 0: no limit.
    tracking_max_keys: usize = number("tracking-table-max-keys"),
    /// How many accesses a count of LFU stands for.
    lfu_log_factor: u32 = number("lfu-log-factor"),
    /// Minutes in which a count of LFU falls by one.
    lfu_decay_time: u32 = number("lfu-decay-time"),
    /// Fields of a compact hash.
    hash_max_entries: usize = number("hash-max-listpack-entries"),
    /// Bytes of a field or value of a compact hash.
    hash_max_value: usize = number("hash-max-listpack-value"),
    /// Elements of a list node, or (negative) its size class.
    list_max_size: i32 = number("list-max-listpack-size"),
    /// Members of a compact set of integers.
    set_max_intset: usize = number("set-max-intset-entries"),
    /// Members of a compact sorted set.
    zset_max_entries: usize = number("zset-max-listpack-entries"),
    /// Bytes of a member of a compact sorted set.
    zset_max_value: usize = number("zset-max-listpack-value"),
    /// Bytes of a stream's node.
    stream_node_bytes: usize = number("stream-node-max-bytes"),
    /// Entries of a stream's node.
    stream_node_entries: i64 = number("stream-node-max-entries"),
    /// Bytes of a sparse HyperLogLog.
    hll_sparse_max: usize = number("hll-sparse-max-bytes"),
}

/// Values that were checked when they were set: what does not parse here counts as zero or empty.
struct Values<'a>(&'a [Vec<u8>]);

impl Values<'_> {
    fn bytes(&self, name: &str) -> Vec<u8> {
        let index = find(name);
        debug_assert!(index.is_some(), "{name} is in the table");
        let value = index.and_then(|i| self.0.get(i));
        value.cloned().unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.bytes(name)).into_owned()
    }

    fn number<T: std::str::FromStr + Default>(&self, name: &str) -> T {
        self.text(name).parse().unwrap_or_default()
    }

    fn octal(&self, name: &str) -> u32 {
        u32::from_str_radix(&self.text(name), 8).unwrap_or_default()
    }

    fn flag(&self, name: &str) -> bool {
        self.bytes(name) == b"yes"
    }

    fn is_all_channels(&self, name: &str) -> bool {
        self.bytes(name) == b"allchannels"
    }

    fn dialect(&self, name: &str) -> Dialect {
        match self.bytes(name) == b"valkey" {
            true => Dialect::Valkey,
            false => Dialect::Redis,
        }
    }

    fn is_staging(&self, name: &str) -> bool {
        self.bytes(name) == b"staging"
    }

    fn policy(&self, name: &str) -> Option<Policy> {
        let name = self.text(name);
        let (keys, order) = name.split_once('-')?;
        let order = match order {
            "lru" => Order::Recency,
            "lfu" => Order::Frequency,
            "ttl" => Order::Ttl,
            "random" => Order::Random,
            _ => return None,
        };
        let volatile = keys == "volatile";
        Some(Policy { volatile, order })
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        let text = self.text(name);
        text.split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect()
    }

    fn keyspace_events(&self, name: &str) -> u32 {
        events::parse(&self.text(name)).unwrap_or_default()
    }

    fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    fn millis(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    fn words(&self, name: &str) -> Vec<String> {
        self.text(name)
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        use std::os::unix::ffi::OsStringExt;
        std::ffi::OsString::from_vec(self.bytes(name)).into()
    }

    fn allowed(&self, name: &str) -> Allowed {
        match self.bytes(name).as_slice() {
            b"yes" => Allowed::Yes,
            b"local" => Allowed::Local,
            _ => Allowed::No,
        }
    }

    fn save_points(&self, name: &str) -> Vec<(u64, u64)> {
        let text = self.text(name);
        let numbers: Vec<u64> = text
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect();
        numbers
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect()
    }

    fn host_port(&self, name: &str) -> Option<(String, u16)> {
        let text = self.text(name);
        let (host, port) = text.split_once(' ')?;
        Some((host.to_owned(), port.parse().ok()?))
    }

    fn buffer_limits(&self, name: &str) -> [BufferLimit; 3] {
        read_buffer_limits(&self.bytes(name)).map(|[hard, soft, seconds]| BufferLimit {
            hard,
            soft,
            soft_for: Duration::from_secs(seconds),
        })
    }
}
