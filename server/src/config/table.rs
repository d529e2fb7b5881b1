//! The table of parameters: every configuration name of Redis 7.0, and our own.

use super::value::Kind::{self, *};

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// The older name it has in Redis, if it has one.
    pub alias: Option<&'static str>,
    /// What it may be set to.
    pub kind: Kind,
    /// What it is when nobody sets it, as CONFIG GET shows it.
    pub default: &'static str,
    /// When it may be set.
    pub change: Change,
    /// Whether it does what it does in Redis. One that does not is accepted with a warning.
    pub served: bool,
    /// One line for `--help`; empty for a parameter that is not served.
    pub help: &'static str,
    /// It is for tests of servers: CONFIG GET shows it only to who asks for it by its whole name.
    pub hidden: bool,
}

/// When a parameter may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// At any time.
    Live,
    /// At start-up only.
    Startup,
    /// At start-up; later only if `enable-protected-configs` allows it.
    Protected,
}

const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;
const ANY: u64 = i64::MAX as u64;

const fn live(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Param {
    Param {
        name,
        alias: None,
        kind,
        default,
        change: Change::Live,
        served: true,
        help,
        hidden: false,
    }
}

/// A name of Redis that has no effect here.
const fn ignored(name: &'static str, kind: Kind, default: &'static str) -> Param {
    Param {
        served: false,
        ..live(name, kind, default, "")
    }
}

impl Param {
    const fn startup(mut self) -> Param {
        self.change = Change::Startup;
        self
    }

    const fn protected(mut self) -> Param {
        self.change = Change::Protected;
        self
    }

    const fn hidden(mut self) -> Param {
        self.hidden = true;
        self
    }

    const fn or(mut self, alias: &'static str) -> Param {
        self.alias = Some(alias);
        self
    }

    /// True when `name`, in any case, is the name of this parameter or its older one.
    pub fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
            || self.alias.is_some_and(|a| a.eq_ignore_ascii_case(name))
    }
}

const NO_DEFRAGMENTATION: &str = "Active defragmentation cannot be enabled: it requires a Redis server compiled with a \
                                  modified Jemalloc like the one shipped by default with the Redis source distribution";
const LOCAL: Kind = Enum(&["no", "yes", "local"]);
const SHUTDOWN: Kind = Flags(&["default", "save", "nosave", "now", "force"]);

/// Every parameter.
pub static PARAMS: &[Param] = &[
    // Network and clients.
    live("port", Int(0, 65535), "6379", "TCP port to listen on"),
    live(
        "bind",
        Words,
        "* -::*",
        "Addresses to listen on; one after `-` may be missing",
    ),
    live("unixsocket", Text, "", "Path of a socket to listen at").startup(),
    live(
        "unixsocketperm",
        Octal,
        "0",
        "Permissions of that socket; 0: as the umask has it",
    )
    .startup(),
    live(
        "protected-mode",
        Bool,
        "yes",
        "Refuse other machines while there is no password",
    ),
    live(
        "tcp-backlog",
        Int(0, INT),
        "511",
        "Connections the system queues for us",
    )
    .startup(),
    live(
        "tcp-keepalive",
        Int(0, INT),
        "300",
        "Seconds between keep-alive probes; 0: none",
    ),
    live(
        "timeout",
        Int(0, INT),
        "0",
        "Seconds after which an idle client is closed; 0: never",
    ),
    live(
        "maxclients",
        Int(1, u32::MAX as i64),
        "10000",
        "Clients connected at once",
    ),
    live(
        "threads",
        Int(0, 1024),
        "0",
        "I/O threads; 0: one for each core",
    )
    .startup(),
    live(
        "client-query-buffer-limit",
        Memory(1 << 20, ANY),
        "1073741824",
        "Bytes of requests a client may have waiting",
    ),
    live(
        "client-output-buffer-limit",
        BufferLimits,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        "Class, hard limit, soft limit, soft seconds: clients that read too slowly are closed",
    ),
    live(
        "proto-max-bulk-len",
        Memory(1 << 20, ANY),
        "536870912",
        "Longest argument of a request, and longest string that grows, bytes",
    ),
    live("requirepass", Text, "", "Password of the default user"),
    // General.
    live("databases", Int(1, INT), "16", "Number of databases").startup(),
    live(
        "save",
        Save,
        "3600 1 300 100 60 10000",
        "Save the snapshot after so many seconds and changes; an empty word for never",
    ),
    live("dir", Dir, "", "Directory of the snapshot file").protected(),
    live(
        "dbfilename",
        FileName,
        "dump.rdb",
        "Name of the snapshot file",
    )
    .protected(),
    live(
        "loglevel",
        Enum(&["debug", "verbose", "notice", "warning"]),
        "notice",
        "How much is logged",
    ),
    live(
        "logfile",
        Text,
        "",
        "File to log to; empty: standard output",
    )
    .startup(),
    live(
        "pidfile",
        Text,
        "",
        "File that holds the process id while the server runs",
    )
    .startup(),
    live("enable-debug-command", LOCAL, "no", "Who may use DEBUG").startup(),
    live(
        "enable-protected-configs",
        LOCAL,
        "no",
        "Who may set protected parameters",
    )
    .startup(),
    live(
        "hz",
        Clamped(1, 500),
        "10",
        "How often per second background work is done",
    ),
    live(
        "active-expire-effort",
        Int(1, 10),
        "1",
        "How hard to look for expired keys",
    ),
    // Memory.
    live(
        "maxmemory",
        Memory(0, u64::MAX),
        "0",
        "Bytes of memory above which keys go or writes are refused; 0: no limit",
    ),
    live(
        "maxmemory-clients",
        MemoryOrPercent,
        "0",
        "Bytes, or a share of `maxmemory`, above which the clients that take most are closed; 0: no limit",
    ),
    live(
        "maxmemory-policy",
        Enum(&[
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ]),
        "noeviction",
        "Which keys go when memory is short: of all or of those that expire, by last or frequent use, chance or expiry",
    ),
    live(
        "maxmemory-samples",
        Int(1, INT),
        "5",
        "Keys looked at for each that goes",
    ),
    live(
        "maxmemory-eviction-tenacity",
        Int(0, 100),
        "10",
        "How long a command may be held up by keys that go; 100: until memory suffices",
    ),
    live(
        "replica-ignore-maxmemory",
        Bool,
        "yes",
        "A replica leaves it to its master which keys go",
    )
    .or("slave-ignore-maxmemory"),
    live(
        "lfu-log-factor",
        Int(0, INT),
        "10",
        "How fast the count of accesses of the LFU policies saturates; 0: fastest",
    ),
    live(
        "lfu-decay-time",
        Int(0, INT),
        "1",
        "Minutes in which that count falls by one; 0: never",
    ),
    live(
        "shutdown-timeout",
        Int(0, INT),
        "10",
        "Seconds the end of the server waits for replicas that lag",
    ),
    live(
        "slowlog-log-slower-than",
        Int(-1, LONG),
        "10000",
        "Microseconds from which a command is slow; -1: none is",
    ),
    live(
        "slowlog-max-len",
        Int(0, LONG),
        "128",
        "Slow commands remembered",
    ),
    live(
        "busy-reply-threshold",
        Int(0, LONG),
        "5000",
        "A script that runs for so many milliseconds may be ended, and others are told BUSY; 0: never",
    )
    .or("lua-time-limit"),
    live(
        "trace",
        Text,
        "",
        "File that records what the replication protocol was told and did",
    )
    .startup(),
    // Replication.
    live(
        "replicaof",
        HostPort,
        "",
        "Master to follow from the start: host port",
    )
    .or("slaveof")
    .startup(),
    live(
        "bind-source-addr",
        Text,
        "",
        "Address that connections to masters come from, where it can be had",
    ),
    live("masterauth", Text, "", "Password to give to the master"),
    live("masteruser", Text, "", "User to be at the master"),
    live(
        "replicaof-timeout",
        Int(1, 3600),
        "10",
        "Seconds a REPLICAOF may take to connect and greet",
    ),
    live(
        "replica-full-sync",
        Enum(&["staging", "flush"]),
        "staging",
        "Load a full sync beside the old data, or in its place",
    ),
    live(
        "replica-staging-maxmemory",
        Memory(0, ANY),
        "0",
        "Bytes a snapshot may take beside the data served; 0: what `maxmemory` leaves, where a replica heeds it, or the machine",
    ),
    live(
        "replica-refuse-empty-master",
        Bool,
        "no",
        "Keep the data when the master has none",
    ),
    live(
        "experimental-replicaof-v2",
        Bool,
        "yes",
        "`no` runs the old REPLICAOF algorithm, for comparison",
    )
    .startup(),
    live(
        "replica-serve-stale-data",
        Bool,
        "yes",
        "Answer while the link to the master is down",
    )
    .or("slave-serve-stale-data"),
    live(
        "replica-read-only",
        Bool,
        "yes",
        "Refuse writes of clients on a replica",
    )
    .or("slave-read-only"),
    live(
        "replica-priority",
        Int(0, INT),
        "100",
        "Rank for Sentinel; 0: never promote",
    )
    .or("slave-priority"),
    live(
        "replica-announced",
        Bool,
        "yes",
        "Tell Sentinel of this replica",
    ),
    live(
        "replica-announce-ip",
        Text,
        "",
        "Address to tell the master",
    )
    .or("slave-announce-ip"),
    live(
        "replica-announce-port",
        Int(0, 65535),
        "0",
        "Port to tell the master",
    )
    .or("slave-announce-port"),
    live(
        "repl-backlog-size",
        MemoryFloor(16 << 10),
        "1048576",
        "Bytes of the stream kept for replicas that were away",
    ),
    live(
        "repl-backlog-ttl",
        Int(0, LONG),
        "3600",
        "Seconds the backlog is kept with no replica; 0: for ever",
    ),
    live(
        "repl-timeout",
        Int(1, INT),
        "60",
        "Seconds of silence after which a link is broken",
    ),
    live(
        "repl-ping-replica-period",
        Int(1, INT),
        "10",
        "Seconds between pings to replicas",
    )
    .or("repl-ping-slave-period"),
    live(
        "repl-diskless-sync",
        Bool,
        "yes",
        "Send snapshots as they are made, to replicas that can take them so, not by way of a file",
    ),
    live(
        "repl-diskless-sync-delay",
        Int(0, INT),
        "5",
        "Seconds to wait for more replicas before a full sync",
    ),
    live(
        "repl-diskless-sync-max-replicas",
        Int(0, INT),
        "0",
        "With so many replicas waiting a full sync begins at once; 0 for no number",
    ),
    live(
        "rdb-key-save-delay",
        Int(-INT - 1, INT),
        "0",
        "Microseconds that a snapshot takes for each key besides; negative: a microsecond for so many keys",
    )
    .hidden(),
    live(
        "key-load-delay",
        Int(-INT - 1, INT),
        "0",
        "Microseconds that loading takes for each key besides; negative: a microsecond for so many keys",
    )
    .hidden(),
    live(
        "repl-disable-tcp-nodelay",
        Bool,
        "no",
        "Let the system gather small packets to replicas",
    ),
    live(
        "min-replicas-to-write",
        Int(0, INT),
        "0",
        "Replicas that must be there for a write",
    )
    .or("min-slaves-to-write"),
    live(
        "min-replicas-max-lag",
        Int(0, INT),
        "10",
        "Seconds a replica that counts may lag",
    )
    .or("min-slaves-max-lag"),
    live(
        "rdbcompression",
        Bool,
        "yes",
        "Compress strings in snapshots",
    ),
    live(
        "rdb-field-times",
        Enum(&["redis", "valkey"]),
        "redis",
        "Who is to read snapshot files and dumps in which fields of hashes have times: Redis from 7.4 on, or Valkey from 9.0 on",
    ),
    live("rdbchecksum", Bool, "yes", "Put a checksum into snapshots").startup(),
    // Encodings.
    live(
        "hash-max-listpack-entries",
        Int(0, LONG),
        "512",
        "Fields of a compact hash",
    )
    .or("hash-max-ziplist-entries"),
    live(
        "hash-max-listpack-value",
        Memory(0, ANY),
        "64",
        "Bytes of a value of a compact hash",
    )
    .or("hash-max-ziplist-value"),
    live(
        "list-max-listpack-size",
        Int(-1 - INT, INT),
        "-2",
        "Elements, or size class, of a list node",
    )
    .or("list-max-ziplist-size"),
    live(
        "set-max-intset-entries",
        Int(0, LONG),
        "512",
        "Members of a compact set of integers",
    ),
    live(
        "zset-max-listpack-entries",
        Int(0, LONG),
        "128",
        "Members of a compact sorted set",
    )
    .or("zset-max-ziplist-entries"),
    live(
        "zset-max-listpack-value",
        Memory(0, ANY),
        "64",
        "Bytes of a member of a compact sorted set",
    )
    .or("zset-max-ziplist-value"),
    live(
        "stream-node-max-bytes",
        Memory(0, ANY),
        "4096",
        "Bytes of a stream's node",
    ),
    live(
        "stream-node-max-entries",
        Int(0, LONG),
        "100",
        "Entries of a stream's node",
    ),
    live(
        "hll-sparse-max-bytes",
        Memory(0, ANY),
        "3000",
        "Bytes of a sparse HyperLogLog, its header counted",
    ),
    // Snapshots at intervals and append-only files.
    live(
        "stop-writes-on-bgsave-error",
        Bool,
        "yes",
        "Refuse writes after a save that failed, while there are save points",
    ),
    ignored("rdb-del-sync-files", Bool, "no"),
    ignored("rdb-save-incremental-fsync", Bool, "yes"),
    ignored(
        "sanitize-dump-payload",
        Enum(&["no", "yes", "clients"]),
        "no",
    ),
    ignored("appendonly", Bool, "no"),
    ignored(
        "appendfsync",
        Enum(&["everysec", "always", "no"]),
        "everysec",
    ),
    ignored("appendfilename", FileName, "appendonly.aof").startup(),
    ignored("appenddirname", FileName, "appendonlydir").startup(),
    ignored("no-appendfsync-on-rewrite", Bool, "no"),
    ignored("auto-aof-rewrite-percentage", Int(0, INT), "100"),
    ignored("auto-aof-rewrite-min-size", Memory(0, ANY), "67108864"),
    ignored("aof-load-truncated", Bool, "yes"),
    ignored("aof-use-rdb-preamble", Bool, "yes"),
    ignored("aof-rewrite-incremental-fsync", Bool, "yes"),
    ignored("aof-timestamp-enabled", Bool, "no"),
    ignored("aof-disable-auto-gc", Bool, "no"),
    // Memory.
    ignored("lazyfree-lazy-eviction", Bool, "no"),
    ignored("lazyfree-lazy-expire", Bool, "no"),
    ignored("lazyfree-lazy-server-del", Bool, "no"),
    ignored("lazyfree-lazy-user-del", Bool, "no"),
    ignored("lazyfree-lazy-user-flush", Bool, "no"),
    ignored("replica-lazy-flush", Bool, "no").or("slave-lazy-flush"),
    ignored("activedefrag", No(NO_DEFRAGMENTATION), "no"),
    ignored("active-defrag-cycle-min", Int(1, 99), "1"),
    ignored("active-defrag-cycle-max", Int(1, 99), "25"),
    ignored("active-defrag-threshold-lower", Int(0, 1000), "10"),
    ignored("active-defrag-threshold-upper", Int(0, 1000), "100"),
    ignored("active-defrag-max-scan-fields", Int(1, LONG), "1000"),
    ignored("active-defrag-ignore-bytes", Memory(1, ANY), "104857600"),
    ignored("jemalloc-bg-thread", Bool, "yes"),
    ignored("activerehashing", Bool, "yes"),
    ignored("list-compress-depth", Int(0, INT), "0"),
    // The files that come with Redis 7.2 and later name these.
    ignored("set-max-listpack-entries", Int(0, LONG), "128"),
    ignored("set-max-listpack-value", Int(0, LONG), "64"),
    ignored("locale-collate", Text, "").startup(),
    // Replication, what is left of it.
    ignored(
        "repl-diskless-load",
        Enum(&["disabled", "on-empty-db", "swapdb"]),
        "disabled",
    ),
    ignored("replica-ignore-disk-write-errors", Bool, "no"),
    ignored(
        "propagation-error-behavior",
        Enum(&["ignore", "panic", "panic-on-replicas"]),
        "ignore",
    ),
    // Process, log, scripts, access.
    live("daemonize", Bool, "no", "Run in the background").startup(),
    live(
        "supervised",
        Enum(&["upstart", "systemd", "auto", "no"]),
        "no",
        "Tell the service manager when the server is ready (not upstart)",
    )
    .startup(),
    ignored("set-proc-title", Bool, "yes").startup(),
    ignored(
        "proc-title-template",
        Title,
        "{title} {listen-addr} {server-mode}",
    ),
    live("always-show-logo", Bool, "no", "Begin the log with a picture").startup(),
    live("syslog-enabled", Bool, "no", "Log to the system's log, too").startup(),
    live("syslog-ident", Text, "redis", "What marks our lines there").startup(),
    live(
        "syslog-facility",
        Enum(&[
            "user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
        ]),
        "local0",
        "The facility they are of there",
    )
    .startup(),
    ignored("crash-log-enabled", Bool, "yes"),
    ignored("crash-memcheck-enabled", Bool, "yes"),
    live(
        "disable-thp",
        Bool,
        "yes",
        "Keep memory in small pages: a huge one is cleared as a whole when it is first touched, which may take milliseconds.",
    )
    .startup(),
    live(
        "oom-score-adj",
        Enum(&["no", "yes", "relative", "absolute"]),
        "no",
        "Tell the system how readily to end this process when memory is short",
    ),
    live(
        "oom-score-adj-values",
        Scores,
        "0 200 800",
        "What to tell it of a master, of a replica and of a child, which there is none of",
    ),
    ignored("io-threads", Int(1, 128), "1").startup(),
    ignored("io-threads-do-reads", Bool, "no").startup(),
    ignored("server_cpulist", Text, "").startup(),
    ignored("bio_cpulist", Text, "").startup(),
    ignored("aof_rewrite_cpulist", Text, "").startup(),
    ignored("bgsave_cpulist", Text, "").startup(),
    ignored("dynamic-hz", Bool, "yes"),
    live(
        "shutdown-on-sigint",
        SHUTDOWN,
        "default",
        "How SIGINT ends the server",
    ),
    live(
        "shutdown-on-sigterm",
        SHUTDOWN,
        "default",
        "How SIGTERM ends the server",
    ),
    live(
        "latency-monitor-threshold",
        Int(0, LONG),
        "0",
        "Milliseconds from which LATENCY notes what takes long; 0: never",
    ),
    live(
        "latency-tracking",
        Bool,
        "yes",
        "Count how long each command takes",
    ),
    live(
        "latency-tracking-info-percentiles",
        Percentiles,
        "50 99 99.9",
        "Percentiles of that in INFO latencystats",
    ),
    live(
        "notify-keyspace-events",
        KeyspaceEvents,
        "",
        "Classes of keyspace events that are published",
    ),
    live(
        "tracking-table-max-keys",
        Int(0, LONG),
        "1000000",
        "Keys remembered for clients that cache; 0: no limit",
    ),
    live(
        "aclfile",
        Text,
        "",
        "File of the users; without one, `user` lines define them",
    )
    .startup(),
    live(
        "acllog-max-len",
        Int(0, LONG),
        "128",
        "Refused commands that ACL LOG remembers",
    ),
    live(
        "acl-pubsub-default",
        Enum(&["allchannels", "resetchannels"]),
        "resetchannels",
        "Channels that a new user may use",
    ),
    ignored("enable-module-command", LOCAL, "no").startup(),
    ignored("ignore-warnings", Text, ""),
    ignored("use-exit-on-panic", Bool, "no").hidden(),
    ignored("lua-enable-deprecated-api", Bool, "no")
        .startup()
        .hidden(),
    ignored("watchdog-period", Int(0, INT), "0").hidden(),
    ignored(
        "loading-process-events-interval-bytes",
        Int(1024, INT),
        "2097152",
    )
    .hidden(),
    ignored("socket-mark-id", Int(0, u32::MAX as i64), "0").startup(),
    // Cluster.
    ignored("cluster-enabled", Bool, "no").startup(),
    ignored("cluster-config-file", Text, "nodes.conf").startup(),
    ignored("cluster-node-timeout", Int(0, LONG), "15000"),
    ignored("cluster-port", Int(0, 65535), "0").startup(),
    ignored("cluster-announce-ip", Text, ""),
    ignored("cluster-announce-hostname", HostName, ""),
    ignored("cluster-announce-port", Int(0, 65535), "0"),
    ignored("cluster-announce-bus-port", Int(0, 65535), "0"),
    ignored("cluster-announce-tls-port", Int(0, 65535), "0"),
    ignored(
        "cluster-preferred-endpoint-type",
        Enum(&["ip", "hostname", "unknown-endpoint"]),
        "ip",
    ),
    ignored("cluster-migration-barrier", Int(0, INT), "1"),
    ignored("cluster-allow-replica-migration", Bool, "yes"),
    ignored("cluster-require-full-coverage", Bool, "yes"),
    ignored("cluster-allow-reads-when-down", Bool, "no"),
    ignored("cluster-allow-pubsubshard-when-down", Bool, "yes"),
    ignored("cluster-replica-no-failover", Bool, "no").or("cluster-slave-no-failover"),
    ignored("cluster-replica-validity-factor", Int(0, INT), "10")
        .or("cluster-slave-validity-factor"),
    ignored("cluster-link-sendbuf-limit", Memory(0, u64::MAX), "0"),
    // TLS.
    ignored("tls-port", Int(0, 65535), "0"),
    ignored("tls-cluster", Bool, "no"),
    ignored("tls-replication", Bool, "no"),
    ignored("tls-auth-clients", Enum(&["no", "yes", "optional"]), "yes"),
    ignored("tls-cert-file", Text, ""),
    ignored("tls-key-file", Text, ""),
    ignored("tls-key-file-pass", Text, ""),
    ignored("tls-client-cert-file", Text, ""),
    ignored("tls-client-key-file", Text, ""),
    ignored("tls-client-key-file-pass", Text, ""),
    ignored("tls-dh-params-file", Text, ""),
    ignored("tls-ca-cert-file", Text, ""),
    ignored("tls-ca-cert-dir", Text, ""),
    ignored("tls-protocols", Text, ""),
    ignored("tls-ciphers", Text, ""),
    ignored("tls-ciphersuites", Text, ""),
    ignored("tls-prefer-server-ciphers", Bool, "no"),
    ignored("tls-session-caching", Bool, "yes"),
    ignored("tls-session-cache-size", Int(0, INT), "20480"),
    ignored("tls-session-cache-timeout", Int(0, INT), "300"),
];

/// What is not to be set without TLS, which there is not: who asks for it must not take the connections for safe.
pub const NEED_TLS: [&str; 3] = ["tls-port", "tls-cluster", "tls-replication"];

/// Directives of a configuration file that are no parameters: accepted there, and have no effect.
pub const DIRECTIVES: &[&str] = &["loadmodule", "rename-command"];
