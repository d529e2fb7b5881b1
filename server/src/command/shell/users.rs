//! The subcommands of ACL.

use super::ShellCommand as S;
use crate::command::table::{Command, flag::*};

const SESSION: u32 = NOSCRIPT | LOADING | STALE;
const OPERATOR: u32 = ADMIN | NOSCRIPT | LOADING | STALE;

/// Their entries.
pub const SUBCOMMANDS: &[Command] = &[
    Command::shell("acl|cat", -2, SESSION, S::Acl).doc(
        "server",
        "6.0.0",
        "O(1) since the categories and commands are a fixed set.",
        "[category]",
        "Lists categories, or the commands of one.",
    ),
    Command::shell("acl|deluser", -3, OPERATOR, S::Acl).doc(
        "server",
        "6.0.0",
        "O(1) amortized time considering the typical user.",
        "username [username ...]",
        "Deletes users and closes their connections.",
    ),
    Command::shell("acl|dryrun", -4, OPERATOR, S::Acl).doc(
        "server",
        "7.0.0",
        "O(1).",
        "username command [arg ...]",
        "Tells whether a user may run a command, without running it.",
    ),
    Command::shell("acl|genpass", -2, SESSION, S::Acl).doc(
        "server",
        "6.0.0",
        "O(1)",
        "[bits]",
        "Makes up a password.",
    ),
    Command::shell("acl|getuser", 3, OPERATOR, S::Acl).doc(
        "server",
        "6.0.0",
        "O(N). Where N is the number of password, command and pattern rules that the user has.",
        "username",
        "Returns what a user may do.",
    ),
    Command::shell("acl|help", 2, LOADING | STALE, S::Acl).doc(
        "server",
        "6.0.0",
        "O(1)",
        "",
        "Explains the subcommands.",
    ),
    Command::shell("acl|list", 2, OPERATOR, S::Acl).doc(
        "server",
        "6.0.0",
        "O(N). Where N is the number of configured users.",
        "",
        "Lists users and what they may do.",
    ),
    Command::shell("acl|load", 2, OPERATOR, S::Acl).doc(
        "server",
        "6.0.0",
        "O(N). Where N is the number of configured users.",
        "",
        "Reads the users from their file.",
    ),
    Command::shell("acl|log", -2, OPERATOR, S::Acl).doc(
        "server",
        "6.0.0",
        "O(N) with N being the number of entries shown.",
        "[count|RESET]",
        "Lists what was refused lately, or forgets it.",
    ),
    Command::shell("acl|save", 2, OPERATOR, S::Acl).doc(
        "server",
        "6.0.0",
        "O(N). Where N is the number of configured users.",
        "",
        "Writes the users to their file.",
    ),
    Command::shell("acl|setuser", -3, OPERATOR, S::Acl).doc(
        "server",
        "6.0.0",
        "O(N). Where N is the number of rules provided.",
        "username [rule [rule ...]]",
        "Makes or changes a user.",
    ),
    Command::shell("acl|users", 2, OPERATOR, S::Acl).doc(
        "server",
        "6.0.0",
        "O(N). Where N is the number of configured users.",
        "",
        "Lists users.",
    ),
    Command::shell("acl|whoami", 2, SESSION, S::Acl).doc(
        "server",
        "6.0.0",
        "O(1)",
        "",
        "Returns the user of the connection.",
    ),
];
