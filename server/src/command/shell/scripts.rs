//! Commands about scripts.

use super::ShellCommand as S;
use crate::command::table::{Command, KeySpec, acl, flag::*};

const GROUP: &str = "scripting";
const RUNS: u32 = NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS;
const KEYS: KeySpec = KeySpec::Counted { at: 2, also: 0 };
const COST: &str = "Depends on the script that is executed.";

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    eval("eval", false, false).doc(
        GROUP,
        "2.6.0",
        COST,
        "script numkeys:integer [key ...] [arg ...]",
        "Runs a script in Lua.",
    ),
    eval("evalsha", true, false).doc(
        GROUP,
        "2.6.0",
        COST,
        "sha1 numkeys:integer [key ...] [arg ...]",
        "Runs a script that is known, by its digest.",
    ),
    eval("eval_ro", false, true).doc(
        GROUP,
        "7.0.0",
        COST,
        "script numkeys:integer [key ...] [arg ...]",
        "Runs a script in Lua that only reads.",
    ),
    eval("evalsha_ro", true, true).doc(
        GROUP,
        "7.0.0",
        COST,
        "sha1 numkeys:integer [key ...] [arg ...]",
        "Runs a script that is known and only reads, by its digest.",
    ),
    fcall("fcall", false).doc(
        GROUP,
        "7.0.0",
        "Depends on the function that is executed.",
        "function numkeys:integer [key ...] [arg ...]",
        "Calls a function of a library.",
    ),
    fcall("fcall_ro", true).doc(
        GROUP,
        "7.0.0",
        "Depends on the function that is executed.",
        "function numkeys:integer [key ...] [arg ...]",
        "Calls a function of a library that only reads.",
    ),
    Command::container("script", OF_SCRIPT).doc(
        GROUP,
        "2.6.0",
        "Depends on subcommand.",
        "",
        "Manages the scripts that are known.",
    ),
];

const fn eval(name: &'static str, by_sha: bool, read_only: bool) -> Command {
    let flags = if read_only { READONLY } else { SCRIPT };
    Command::shell(name, -3, RUNS | flags, S::Eval { by_sha, read_only })
        .keys(KEYS)
        .acl(acl::SCRIPTING)
}

const fn fcall(name: &'static str, read_only: bool) -> Command {
    let flags = if read_only { READONLY } else { SCRIPT };
    Command::shell(name, -3, RUNS | flags, S::FCall { read_only })
        .keys(KEYS)
        .acl(acl::SCRIPTING)
}

const OF_SCRIPT: &[Command] = &[
    Command::shell("script|debug", 3, NOSCRIPT, S::Script)
        .acl(acl::SCRIPTING)
        .doc(GROUP, "3.2.0", "O(1)", "YES|SYNC|NO", "Sets the mode of the debugger."),
    Command::shell("script|exists", -3, NOSCRIPT, S::Script)
        .acl(acl::SCRIPTING)
        .doc(GROUP, "2.6.0", "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).", "sha1 [sha1 ...]", "Tells which scripts are known."),
    Command::shell("script|flush", -2, NOSCRIPT, S::Script)
        .acl(acl::SCRIPTING)
        .doc(GROUP, "2.6.0", "O(N) with N being the number of scripts in cache", "[ASYNC|SYNC]", "Forgets all scripts."),
    Command::shell("script|help", 2, LOADING | STALE, S::Script)
        .acl(acl::SCRIPTING)
        .doc(GROUP, "5.0.0", "O(1)", "", "Explains the subcommands."),
    Command::shell("script|kill", 2, NOSCRIPT | ALLOW_BUSY, S::Script)
        .acl(acl::SCRIPTING)
        .doc(GROUP, "2.6.0", "O(1)", "", "Ends the script that runs, if it has written nothing."),
    Command::shell("script|load", 3, NOSCRIPT | STALE, S::Script)
        .acl(acl::SCRIPTING)
        .doc(GROUP, "2.6.0", "O(N) with N being the length in bytes of the script body.", "script", "Makes a script known."),
];
