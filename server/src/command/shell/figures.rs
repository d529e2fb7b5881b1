//! The subcommands that tell how the server does: LATENCY, MEMORY, SLOWLOG.

use super::ShellCommand as S;
use super::containers::{HELP, OPERATOR};
use crate::command::inspect;
use crate::command::table::{Command, KeySpec, flag::*};
use crate::command::uses::{LOOK, both};

const USAGE_KEY: KeySpec = KeySpec::Range {
    first: 2,
    last: 2,
    step: 1,
};

pub(super) const OF_LATENCY: &[Command] = &[
    Command::shell("latency|doctor", 2, OPERATOR, S::Latency).doc(
        "server",
        "2.8.13",
        "O(1)",
        "",
        "Explains latency in words.",
    ),
    Command::shell("latency|graph", 3, OPERATOR, S::Latency).doc(
        "server",
        "2.8.13",
        "O(1)",
        "event",
        "Draws an event over time.",
    ),
    Command::shell("latency|histogram", -2, OPERATOR, S::Latency).doc(
        "server",
        "7.0.0",
        "O(N) where N is the number of commands with latency information being retrieved.",
        "[command [command ...]]",
        "Returns how long commands take.",
    ),
    Command::shell("latency|help", 2, HELP, S::Latency).doc(
        "server",
        "2.8.13",
        "O(1)",
        "",
        "Explains the subcommands.",
    ),
    Command::shell("latency|history", 3, OPERATOR, S::Latency).doc(
        "server",
        "2.8.13",
        "O(1)",
        "event",
        "Returns an event over time.",
    ),
    Command::shell("latency|latest", 2, OPERATOR, S::Latency).doc(
        "server",
        "2.8.13",
        "O(1)",
        "",
        "Returns the latest events.",
    ),
    Command::shell("latency|reset", -2, OPERATOR, S::Latency).doc(
        "server",
        "2.8.13",
        "O(1)",
        "[event [event ...]]",
        "Forgets events.",
    ),
];

pub(super) const OF_MEMORY: &[Command] = &[
    Command::shell("memory|doctor", 2, 0, S::Memory).doc(
        "server",
        "4.0.0",
        "O(1)",
        "",
        "Explains memory in words.",
    ),
    Command::shell("memory|help", 2, HELP, S::Memory).doc(
        "server",
        "4.0.0",
        "O(1)",
        "",
        "Explains the subcommands.",
    ),
    Command::shell("memory|malloc-stats", 2, 0, S::Memory).doc(
        "server",
        "4.0.0",
        "O(1)",
        "",
        "Returns figures of the allocator.",
    ),
    Command::shell("memory|purge", 2, 0, S::Memory).doc(
        "server",
        "4.0.0",
        "O(1)",
        "",
        "Asks the allocator to give memory back.",
    ),
    Command::shell("memory|stats", 2, 0, S::Memory).doc(
        "server",
        "4.0.0",
        "O(1)",
        "",
        "Returns figures of memory.",
    ),
    Command::keyed(
        "memory|usage",
        -3,
        READONLY,
        USAGE_KEY,
        inspect::memory_usage,
    )
    .uses(both(LOOK, LOOK))
    .doc(
        "server",
        "4.0.0",
        "O(N) where N is the number of samples.",
        "key [SAMPLES count]",
        "Estimates the memory a key takes.",
    ),
];

pub(super) const OF_SLOWLOG: &[Command] = &[
    Command::shell("slowlog|get", -2, ADMIN | LOADING | STALE, S::Slowlog).doc(
        "server",
        "2.2.12",
        "O(1)",
        "[count]",
        "Returns slow commands.",
    ),
    Command::shell("slowlog|help", 2, HELP, S::Slowlog).doc(
        "server",
        "6.2.0",
        "O(1)",
        "",
        "Explains the subcommands.",
    ),
    Command::shell("slowlog|len", 2, ADMIN | LOADING | STALE, S::Slowlog).doc(
        "server",
        "2.2.12",
        "O(1)",
        "",
        "Counts slow commands.",
    ),
    Command::shell("slowlog|reset", 2, ADMIN | LOADING | STALE, S::Slowlog).doc(
        "server",
        "2.2.12",
        "O(1)",
        "",
        "Forgets slow commands.",
    ),
];
