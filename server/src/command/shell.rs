//! The commands that the connection layer runs: about connections, transactions, messages, the server itself.
//!
//! Only their entries in the table are here; the shell has the handlers.

pub mod absent;
pub mod containers;
mod figures;
pub mod scripts;
mod users;

use super::table::{Command, KeySpec, Positions, acl, flag::*};
use crate::command::uses::{LOOK, TAKE, Uses, both};

/// Which handler of the connection layer runs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the commands say it all")]
pub enum ShellCommand {
    Acl,
    Auth,
    Client,
    Cluster,
    Config,
    Debug,
    Discard,
    Echo,
    Eval { by_sha: bool, read_only: bool },
    Exec,
    FCall { read_only: bool },
    Failover,
    Function,
    Hello,
    Info,
    LastSave,
    Latency,
    Lolwut,
    Memory,
    Migrate,
    Module,
    Monitor,
    Multi,
    Ping,
    PSubscribe,
    PSync,
    PubSub,
    Publish,
    PUnsubscribe,
    Quit,
    ReplConf,
    ReplicaOf,
    ReplTakeover,
    Reset,
    Role,
    Save,
    BgRewriteAof,
    BgSave,
    Script,
    Select,
    Shutdown,
    Slowlog,
    SPublish,
    SSubscribe,
    Subscribe,
    SUnsubscribe,
    Sync,
    Time,
    Unsubscribe,
    Unwatch,
    Wait,
    WaitAof,
    Watch,
}

use ShellCommand as S;

const ANY_TIME: u32 = LOADING | STALE;
const SESSION: u32 = NOSCRIPT | LOADING | STALE | FAST;
const SUBSCRIPTION: u32 = PUBSUB | NOSCRIPT | LOADING | STALE;
const OPERATOR: u32 = ADMIN | NOSCRIPT | LOADING | STALE;

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::shell("auth", -2, SESSION | NO_AUTH | ALLOW_BUSY, S::Auth)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "1.0.0",
            "O(N) where N is the number of passwords defined for the user",
            "[username] password",
            "Authenticates the connection.",
        ),
    Command::shell("debug", -2, OPERATOR, S::Debug).doc(
        "server",
        "1.0.0",
        "Depends on subcommand.",
        "subcommand [arg ...]",
        "Helps with testing and looking inside.",
    ),
    Command::shell("discard", 1, SESSION | ALLOW_BUSY, S::Discard)
        .acl(acl::TRANSACTION)
        .doc(
            "transactions",
            "2.0.0",
            "O(N), when N is the number of queued commands",
            "",
            "Forgets a transaction's queued commands.",
        ),
    Command::shell("echo", 2, LOADING | STALE | FAST, S::Echo)
        .acl(acl::CONNECTION)
        .doc("connection", "1.0.0", "O(1)", "message", "Returns the given string."),
    Command::shell("exec", 1, NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG, S::Exec)
        .acl(acl::TRANSACTION)
        .doc(
            "transactions",
            "1.2.0",
            "Depends on commands in the transaction",
            "",
            "Runs a transaction's queued commands.",
        ),
    Command::shell("failover", -1, ADMIN | NOSCRIPT | STALE, S::Failover).doc(
        "server",
        "6.2.0",
        "O(1)",
        "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]",
        "Hands the role of master over to a replica without losing writes.",
    ),
    Command::shell("hello", -1, SESSION | NO_AUTH | ALLOW_BUSY, S::Hello)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "6.0.0",
            "O(1)",
            "[protover [AUTH username password] [SETNAME clientname]]",
            "Chooses the protocol's version and introduces the client.",
        ),
    Command::shell("info", -1, ANY_TIME, S::Info)
        .acl(acl::DANGEROUS)
        .doc(
            "server",
            "1.0.0",
            "O(1)",
            "[section ...]",
            "Returns facts and figures about the server.",
        ),
    Command::shell("lastsave", 1, ANY_TIME | FAST, S::LastSave)
        .acl(acl::ADMIN | acl::DANGEROUS)
        .doc(
            "server",
            "1.0.0",
            "O(1)",
            "",
            "Returns the time of the last successful save to disk.",
        ),
    Command::shell("monitor", 1, OPERATOR, S::Monitor).doc(
        "server",
        "1.0.0",
        "",
        "",
        "Streams every command the server runs.",
    ),
    Command::shell("lolwut", -1, READONLY | FAST, S::Lolwut).doc(
        "server",
        "5.0.0",
        "O(1)",
        "[VERSION version]",
        "Shows computer art of a version, and the version that is running.",
    ),
    Command::shell("multi", 1, SESSION | ALLOW_BUSY, S::Multi)
        .acl(acl::TRANSACTION)
        .doc("transactions", "1.2.0", "O(1)", "", "Begins a transaction."),
    Command::shell("ping", -1, FAST, S::Ping)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "1.0.0",
            "O(1)",
            "[message]",
            "Answers, to show that the connection is alive.",
        ),
    Command::shell("psubscribe", -2, SUBSCRIPTION, S::PSubscribe).doc(
        "pubsub",
        "2.0.0",
        "O(N) where N is the number of patterns to subscribe to.",
        "pattern [pattern ...]",
        "Listens to channels that match patterns.",
    ),
    Command::shell("psync", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, S::PSync).doc(
        "server",
        "2.8.0",
        "",
        "replicationid offset",
        "Begins or resumes replication, as replicas ask for it.",
    ),
    Command::shell("publish", 3, PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE, S::Publish).doc(
        "pubsub",
        "2.0.0",
        "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).",
        "channel message",
        "Sends a message to a channel.",
    ),
    Command::shell("punsubscribe", -1, SUBSCRIPTION, S::PUnsubscribe).doc(
        "pubsub",
        "2.0.0",
        "O(N) where N is the number of patterns to unsubscribe.",
        "[pattern [pattern ...]]",
        "Stops listening to channels that match patterns.",
    ),
    Command::shell("quit", -1, SESSION | NO_AUTH | ALLOW_BUSY, S::Quit)
        .acl(acl::CONNECTION)
        .doc("connection", "1.0.0", "O(1)", "", "Closes the connection."),
    Command::shell("replconf", -1, OPERATOR | ALLOW_BUSY, S::ReplConf).doc(
        "server",
        "3.0.0",
        "O(1)",
        "",
        "Exchanges facts between master and replica.",
    ),
    Command::shell("replicaof", -3, OPERATOR | NO_ASYNC_LOADING, S::ReplicaOf).doc(
        "server",
        "5.0.0",
        "O(1)",
        "host port",
        "Makes the server a replica of another one, or a master.",
    ),
    Command::shell("repltakeover", -2, ADMIN | NOSCRIPT | STALE, S::ReplTakeover).doc(
        "server",
        "0.1.0",
        "O(1)",
        "seconds",
        "Makes a replica take its master's place without losing writes.",
    ),
    Command::shell("reset", 1, SESSION | NO_AUTH | ALLOW_BUSY, S::Reset)
        .acl(acl::CONNECTION)
        .doc(
            "connection",
            "6.2.0",
            "O(1)",
            "",
            "Puts the connection back into its first state.",
        ),
    Command::shell("role", 1, NOSCRIPT | LOADING | STALE | FAST, S::Role)
        .acl(acl::ADMIN | acl::DANGEROUS)
        .doc("server", "2.8.12", "O(1)", "", "Returns the role in replication."),
    Command::shell("save", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, S::Save).doc(
        "server",
        "1.0.0",
        "O(N) where N is the total number of keys in all databases",
        "",
        "Writes the dataset to disk and waits for it.",
    ),
    Command::shell("bgrewriteaof", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING, S::BgRewriteAof).doc(
        "server",
        "1.0.0",
        "O(1)",
        "",
        "Says that there is no append-only file to be rewritten.",
    ),
    Command::shell("migrate", -6, WRITE, S::Migrate).uses(both(TAKE, TAKE))
        .keys(KeySpec::Found(migrated))
        .acl(acl::KEYSPACE | acl::DANGEROUS)
        .doc(
            "generic",
            "2.6.0",
            "This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target instance. See the pages of these commands for time complexity. Also an O(N) data transfer between the two instances is performed.",
            "",
            "Moves keys to another server.",
        ),
    Command::shell("bgsave", -1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING, S::BgSave).doc(
        "server",
        "1.0.0",
        "O(1)",
        "[SCHEDULE]",
        "Writes the dataset to disk in the background.",
    ),
    Command::shell("select", 2, LOADING | STALE | FAST, S::Select)
        .acl(acl::CONNECTION)
        .doc("connection", "1.0.0", "O(1)", "index", "Chooses a database."),
    Command::shell("shutdown", -1, OPERATOR | NO_MULTI | ALLOW_BUSY, S::Shutdown).doc(
        "server",
        "1.0.0",
        "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
        "[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]",
        "Ends the server.",
    ),
    Command::shell("slaveof", -3, OPERATOR | NO_ASYNC_LOADING, S::ReplicaOf).doc(
        "server",
        "1.0.0",
        "O(1)",
        "host port",
        "Makes the server a replica of another one, or a master.",
    ),
    Command::shell("spublish", 3, PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE, S::SPublish).uses(Uses::NOT_KEYS)
        .keys(KeySpec::FIRST)
        .doc(
            "pubsub",
            "7.0.0",
            "O(N) where N is the number of clients subscribed to the receiving shard channel.",
            "shardchannel message",
            "Sends a message to a shard channel.",
        ),
    Command::shell("ssubscribe", -2, SUBSCRIPTION, S::SSubscribe).uses(Uses::NOT_KEYS)
        .keys(KeySpec::ALL)
        .doc(
            "pubsub",
            "7.0.0",
            "O(N) where N is the number of shard channels to subscribe to.",
            "shardchannel [shardchannel ...]",
            "Listens to shard channels.",
        ),
    Command::shell("subscribe", -2, SUBSCRIPTION, S::Subscribe).doc(
        "pubsub",
        "2.0.0",
        "O(N) where N is the number of channels to subscribe to.",
        "channel [channel ...]",
        "Listens to channels.",
    ),
    Command::shell("sunsubscribe", -1, SUBSCRIPTION, S::SUnsubscribe).uses(Uses::NOT_KEYS)
        .keys(KeySpec::ALL)
        .doc(
            "pubsub",
            "7.0.0",
            "O(N) where N is the number of shard channels to unsubscribe.",
            "[shardchannel [shardchannel ...]]",
            "Stops listening to shard channels.",
        ),
    Command::shell("sync", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, S::Sync).doc(
        "server",
        "1.0.0",
        "",
        "",
        "Begins replication, as replicas older than PSYNC ask for it.",
    ),
    Command::shell("time", 1, LOADING | STALE | FAST, S::Time).doc(
        "server",
        "2.6.0",
        "O(1)",
        "",
        "Returns the server's time.",
    ),
    Command::shell("unsubscribe", -1, SUBSCRIPTION, S::Unsubscribe).doc(
        "pubsub",
        "2.0.0",
        "O(N) where N is the number of channels to unsubscribe.",
        "[channel [channel ...]]",
        "Stops listening to channels.",
    ),
    Command::shell("unwatch", 1, SESSION | ALLOW_BUSY, S::Unwatch)
        .acl(acl::TRANSACTION)
        .doc("transactions", "2.2.0", "O(1)", "", "Forgets the watched keys."),
    Command::shell("wait", 3, NOSCRIPT, S::Wait)
        .acl(acl::CONNECTION)
        .doc(
            "generic",
            "3.0.0",
            "O(1)",
            "numreplicas timeout",
            "Waits until so many replicas have what was written.",
        ),
    Command::shell("waitaof", 4, NOSCRIPT, S::WaitAof)
        .acl(acl::CONNECTION)
        .doc(
            "generic",
            "7.2.0",
            "O(1)",
            "numlocal numreplicas timeout",
            "Waits for append-only files, which are not here.",
        ),
    Command::shell("watch", -2, SESSION | ALLOW_BUSY, S::Watch).uses(both(LOOK, LOOK))
        .keys(KeySpec::ALL)
        .acl(acl::TRANSACTION)
        .doc(
            "transactions",
            "2.2.0",
            "O(1) for every key.",
            "key [key ...]",
            "Lets the next transaction run only if the keys stay unchanged.",
        ),
];

/// Where the keys of MIGRATE are: one before the options, or all behind KEYS.
fn migrated(args: &[&[u8]]) -> Positions {
    const FIRST_OPTION: usize = 6;
    if args.get(3).is_some_and(|key| !key.is_empty()) {
        return Positions::from_slice(&[3]);
    }
    let mut at = FIRST_OPTION;
    while let Some(option) = args.get(at) {
        at += match option.to_ascii_lowercase().as_slice() {
            b"keys" => return (at + 1..args.len()).collect(),
            b"auth" => 2,
            b"auth2" => 3,
            _ => 1,
        };
    }
    Positions::new()
}
