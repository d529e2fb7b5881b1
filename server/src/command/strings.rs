//! Strings.

use super::table::{Command, KeySpec, acl, flag::*};
use super::{CmdError, Cx};

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::keyed("get", 2, READONLY | FAST, KeySpec::FIRST, get)
        .acl(acl::STRING)
        .doc(
            "string",
            "1.0.0",
            "O(1)",
            "key",
            "Returns the string at a key.",
        ),
    Command::keyed("set", -3, WRITE | DENYOOM, KeySpec::FIRST, set)
        .acl(acl::STRING)
        .doc(
            "string",
            "1.0.0",
            "O(1)",
            "key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]",
            "Makes a value the string at a key, whatever was there.",
        ),
];

fn get(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let value = cx.db.string(args[1])?;
    cx.out.bulk_or_null(value);
    Ok(())
}

fn set(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    cx.db.set_string(args[1], args[2], None);
    cx.dirty();
    cx.out.ok();
    Ok(())
}
