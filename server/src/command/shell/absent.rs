//! Commands about what is not here, which clients ask for all the same: the cluster bus, and modules. They say so in the
//! words of a stock server without cluster mode and without modules.

use super::ShellCommand as S;
use super::containers::HELP;
use crate::command::table::{Command, acl, flag::*};

const STALE_ONLY: u32 = STALE;
const ADMINS: u32 = ADMIN | STALE;
const LOADS: u32 = ADMIN | NOSCRIPT;
const CHANGES: u32 = ADMINS | NO_ASYNC_LOADING;

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::container("cluster", OF_CLUSTER).doc(
        "cluster",
        "3.0.0",
        "Depends on subcommand.",
        "",
        "Says that there is no cluster.",
    ),
    Command::container("module", OF_MODULE).doc(
        "server",
        "4.0.0",
        "Depends on subcommand.",
        "",
        "Says that there are no modules.",
    ),
    mode("asking", FAST),
    mode("readonly", LOADING | STALE | FAST),
    mode("readwrite", LOADING | STALE | FAST),
];

/// A mode of connections in a cluster.
const fn mode(name: &'static str, flags: u32) -> Command {
    Command::shell(name, 1, flags, S::Cluster)
        .acl(acl::CONNECTION)
        .doc(
            "cluster",
            "3.0.0",
            "O(1)",
            "",
            "Says that there is no cluster.",
        )
}

/// `command`, which a later version brought.
const fn since(version: &'static str, mut command: Command) -> Command {
    command.since = version;
    command
}

const fn cluster(name: &'static str, arity: i32, flags: u32) -> Command {
    Command::shell(name, arity, flags, S::Cluster).doc(
        "cluster",
        "3.0.0",
        "O(1)",
        "",
        "Says that there is no cluster.",
    )
}

const OF_CLUSTER: &[Command] = &[
    cluster("cluster|addslots", -3, CHANGES),
    since("7.0.0", cluster("cluster|addslotsrange", -4, CHANGES)),
    cluster("cluster|bumpepoch", 2, CHANGES),
    cluster("cluster|count-failure-reports", 3, ADMINS),
    cluster("cluster|countkeysinslot", 3, STALE_ONLY),
    cluster("cluster|delslots", -3, CHANGES),
    since("7.0.0", cluster("cluster|delslotsrange", -4, CHANGES)),
    cluster("cluster|failover", -2, CHANGES),
    cluster("cluster|flushslots", 2, CHANGES),
    cluster("cluster|forget", 3, CHANGES),
    cluster("cluster|getkeysinslot", 4, STALE_ONLY),
    since("5.0.0", cluster("cluster|help", 2, HELP)),
    cluster("cluster|info", 2, STALE_ONLY),
    cluster("cluster|keyslot", 3, STALE_ONLY),
    since("7.0.0", cluster("cluster|links", 2, STALE_ONLY)),
    cluster("cluster|meet", -4, CHANGES),
    cluster("cluster|myid", 2, STALE_ONLY),
    cluster("cluster|nodes", 2, STALE_ONLY),
    since("5.0.0", cluster("cluster|replicas", 3, ADMINS)),
    cluster("cluster|replicate", 3, CHANGES),
    cluster("cluster|reset", -2, ADMINS | NOSCRIPT),
    cluster("cluster|saveconfig", 2, CHANGES),
    cluster("cluster|set-config-epoch", 3, CHANGES),
    cluster("cluster|setslot", -4, CHANGES),
    since("7.0.0", cluster("cluster|shards", 2, STALE_ONLY)),
    cluster("cluster|slaves", 3, ADMINS),
    cluster("cluster|slots", 2, STALE_ONLY),
];

const fn module(name: &'static str, arity: i32, flags: u32, syntax: &'static str) -> Command {
    Command::shell(name, arity, flags, S::Module).doc(
        "server",
        "4.0.0",
        "O(1)",
        syntax,
        "Says that there are no modules.",
    )
}

const OF_MODULE: &[Command] = &[
    since("5.0.0", module("module|help", 2, HELP, "")),
    module("module|list", 2, LOADS, ""),
    module(
        "module|load",
        -3,
        LOADS | NO_ASYNC_LOADING,
        "path [arg ...]",
    ),
    since(
        "7.0.0",
        module(
            "module|loadex",
            -3,
            LOADS | NO_ASYNC_LOADING,
            "path [arg ...]",
        ),
    ),
    module("module|unload", 3, LOADS | NO_ASYNC_LOADING, "name"),
];
