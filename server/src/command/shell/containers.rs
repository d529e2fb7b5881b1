//! Commands of the connection layer that are the sum of their subcommands.

use super::ShellCommand as S;
use super::figures::{OF_LATENCY, OF_MEMORY, OF_SLOWLOG};
use crate::command::table::{Command, acl, flag::*};

const SESSION: u32 = NOSCRIPT | LOADING | STALE;
pub(super) const OPERATOR: u32 = ADMIN | NOSCRIPT | LOADING | STALE;
const MESSAGING: u32 = PUBSUB | LOADING | STALE;
pub(super) const HELP: u32 = LOADING | STALE;

/// The containers' entries.
pub const COMMANDS: &[Command] = &[
    container(
        "acl",
        super::users::SUBCOMMANDS,
        0,
        "server",
        "6.0.0",
        "Looks at users and what they may do.",
    ),
    container(
        "client",
        OF_CLIENT,
        0,
        "connection",
        "2.4.0",
        "Names, lists, kills and tunes client connections.",
    ),
    container(
        "config",
        OF_CONFIG,
        0,
        "server",
        "2.0.0",
        "Reads and changes configuration parameters.",
    ),
    container(
        "latency",
        OF_LATENCY,
        0,
        "server",
        "2.8.13",
        "Reports latency events.",
    ),
    container(
        "memory",
        OF_MEMORY,
        0,
        "server",
        "4.0.0",
        "Reports on memory.",
    ),
    container(
        "pubsub",
        OF_PUBSUB,
        0,
        "pubsub",
        "2.8.0",
        "Looks at the state of messaging.",
    ),
    container(
        "slowlog",
        OF_SLOWLOG,
        0,
        "server",
        "2.2.12",
        "Reports commands that took long.",
    ),
];

/// A container of the group `group`.
const fn container(
    name: &'static str,
    subcommands: &'static [Command],
    categories: u32,
    group: &'static str,
    since: &'static str,
    summary: &'static str,
) -> Command {
    Command::container(name, subcommands).acl(categories).doc(
        group,
        since,
        "Depends on subcommand.",
        "",
        summary,
    )
}

const OF_CLIENT: &[Command] = &[
    Command::shell("client|caching", 3, SESSION, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "6.0.0",
            "O(1)",
            "YES|NO",
            "Tells whether the keys of the next command are cached.",
        ),
    Command::shell("client|getname", 2, SESSION, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "2.6.9",
            "O(1)",
            "",
            "Returns the name of the connection.",
        ),
    Command::shell("client|getredir", 2, SESSION, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "6.0.0",
            "O(1)",
            "",
            "Returns the client that invalidations go to.",
        ),
    Command::shell("client|help", 2, HELP, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "5.0.0",
            "O(1)",
            "",
            "Explains the subcommands.",
        ),
    Command::shell("client|id", 2, SESSION, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "5.0.0",
            "O(1)",
            "",
            "Returns the number of the connection.",
        ),
    Command::shell("client|info", 2, SESSION, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "6.2.0",
            "O(1)",
            "",
            "Returns facts about the connection.",
        ),
    Command::shell("client|kill", -3, OPERATOR, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "2.4.0",
            "O(1)",
            "address|option value ...",
            "Closes connections.",
        ),
    Command::shell("client|list", -2, OPERATOR, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "2.4.0",
            "O(1)",
            "[TYPE class] [ID client-id ...]",
            "Lists connections.",
        ),
    Command::shell("client|no-evict", 3, OPERATOR, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "7.0.0",
            "O(1)",
            "ON|OFF",
            "Spares the connection when clients are evicted.",
        ),
    Command::shell("client|no-touch", 3, SESSION, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "7.2.0",
            "O(1)",
            "ON|OFF",
            "Makes commands of the connection no accesses.",
        ),
    Command::shell("client|pause", -3, OPERATOR, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "2.9.50",
            "O(1)",
            "timeout [WRITE|ALL]",
            "Makes commands of clients wait.",
        ),
    Command::shell("client|reply", 3, SESSION, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "3.2.0",
            "O(1)",
            "ON|OFF|SKIP",
            "Tells which replies the connection wants.",
        ),
    Command::shell("client|setinfo", 4, SESSION, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "7.2.0",
            "O(1)",
            "LIB-NAME|LIB-VER value",
            "Says what library the client uses.",
        ),
    Command::shell("client|setname", 3, SESSION, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "2.6.9",
            "O(1)",
            "connection-name",
            "Names the connection.",
        ),
    Command::shell("client|tracking", -3, SESSION, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "6.0.0",
            "O(1)",
            "ON|OFF [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
            "Asks for invalidations of cached keys.",
        ),
    Command::shell("client|trackinginfo", 2, SESSION, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "6.2.0",
            "O(1)",
            "",
            "Returns what the connection tracks.",
        ),
    Command::shell("client|unblock", -3, OPERATOR, S::Client)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "5.0.0",
            "O(1)",
            "client-id [TIMEOUT|ERROR]",
            "Ends the wait of a blocked client.",
        ),
    Command::shell("client|unpause", 2, OPERATOR, S::Client)
        .acl(acl::CONNECTION)
        .doc("connection", "6.2.0", "O(1)", "", "Ends a pause."),
];

const OF_CONFIG: &[Command] = &[
    Command::shell("config|get", -3, OPERATOR, S::Config).doc(
        "server",
        "2.0.0",
        "O(1)",
        "parameter [parameter ...]",
        "Returns parameters.",
    ),
    Command::shell("config|help", 2, HELP, S::Config).doc(
        "server",
        "5.0.0",
        "O(1)",
        "",
        "Explains the subcommands.",
    ),
    Command::shell("config|resetstat", 2, OPERATOR, S::Config).doc(
        "server",
        "2.0.0",
        "O(1)",
        "",
        "Resets the counters of INFO.",
    ),
    Command::shell("config|rewrite", 2, OPERATOR, S::Config).doc(
        "server",
        "2.8.0",
        "O(1)",
        "",
        "Writes parameters to the configuration file.",
    ),
    Command::shell("config|set", -4, OPERATOR, S::Config).doc(
        "server",
        "2.0.0",
        "O(1)",
        "parameter value [parameter value ...]",
        "Sets parameters.",
    ),
];

const OF_PUBSUB: &[Command] = &[
    Command::shell("pubsub|channels", -2, MESSAGING, S::PubSub).doc(
        "pubsub",
        "2.8.0",
        "O(1)",
        "[pattern]",
        "Lists channels somebody listens to.",
    ),
    Command::shell("pubsub|help", 2, HELP, S::PubSub).doc(
        "pubsub",
        "6.2.0",
        "O(1)",
        "",
        "Explains the subcommands.",
    ),
    Command::shell("pubsub|numpat", 2, MESSAGING, S::PubSub).doc(
        "pubsub",
        "2.8.0",
        "O(1)",
        "",
        "Counts patterns somebody listens to.",
    ),
    Command::shell("pubsub|numsub", -2, MESSAGING, S::PubSub).doc(
        "pubsub",
        "2.8.0",
        "O(1)",
        "[channel [channel ...]]",
        "Counts those who listen to channels.",
    ),
    Command::shell("pubsub|shardchannels", -2, MESSAGING, S::PubSub).doc(
        "pubsub",
        "7.0.0",
        "O(1)",
        "[pattern]",
        "Lists shard channels somebody listens to.",
    ),
    Command::shell("pubsub|shardnumsub", -2, MESSAGING, S::PubSub).doc(
        "pubsub",
        "7.0.0",
        "O(1)",
        "[shardchannel [shardchannel ...]]",
        "Counts those who listen to shard channels.",
    ),
];
