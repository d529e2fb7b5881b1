//! Commands about what is not here, which clients ask for all the same: the cluster bus, and modules. They say so in the
//! words of a stock server without cluster mode and without modules.

use super::ShellCommand as S;
use super::containers::HELP;
use crate::command::table::{Command, acl, flag::*};

const STALE_ONLY: u32 = STALE;
const ADMINS: u32 = ADMIN | STALE;
const LOADS: u32 = ADMIN | NOSCRIPT;

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
    cluster("cluster|addslots", -3, ADMINS),
    cluster("cluster|addslotsrange", -4, ADMINS),
    cluster("cluster|bumpepoch", 2, ADMINS),
    cluster("cluster|count-failure-reports", 3, ADMINS),
    cluster("cluster|countkeysinslot", 3, STALE_ONLY),
    cluster("cluster|delslots", -3, ADMINS),
    cluster("cluster|delslotsrange", -4, ADMINS),
    cluster("cluster|failover", -2, ADMINS),
    cluster("cluster|flushslots", 2, ADMINS),
    cluster("cluster|forget", 3, ADMINS),
    cluster("cluster|getkeysinslot", 4, STALE_ONLY),
    cluster("cluster|help", 2, HELP),
    cluster("cluster|info", 2, STALE_ONLY),
    cluster("cluster|keyslot", 3, STALE_ONLY),
    cluster("cluster|links", 2, STALE_ONLY),
    cluster("cluster|meet", -4, ADMINS),
    cluster("cluster|myid", 2, STALE_ONLY),
    cluster("cluster|nodes", 2, STALE_ONLY),
    cluster("cluster|replicas", 3, ADMINS),
    cluster("cluster|replicate", 3, ADMINS),
    cluster("cluster|reset", -2, ADMINS | NOSCRIPT),
    cluster("cluster|saveconfig", 2, ADMINS),
    cluster("cluster|set-config-epoch", 3, ADMINS),
    cluster("cluster|setslot", -4, ADMINS),
    cluster("cluster|shards", 2, STALE_ONLY),
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
    module("module|help", 2, HELP, ""),
    module("module|list", 2, LOADS, ""),
    module("module|load", -3, LOADS, "path [arg ...]"),
    module("module|loadex", -3, LOADS, "path [arg ...]"),
    module("module|unload", 3, LOADS, "name"),
];
