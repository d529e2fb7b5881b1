//! OBJECT: how a value is kept.

use crate::command::{CmdError, Cx};
use crate::store::clock::Accesses;
use crate::store::{Entry, ValueRef, num};

/// The entry whose key is the third argument, and nothing but a null reply if there is none.
fn entry<'c>(
    cx: &'c mut Cx<'_>,
    args: &[&[u8]],
) -> Option<(&'c Entry, &'c mut crate::resp::Reply)> {
    match cx.db.glance(args[2]) {
        Some(entry) => Some((entry, cx.out)),
        None => {
            cx.out.null();
            None
        }
    }
}

pub(super) fn encoding(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    if let Some((entry, out)) = entry(cx, args) {
        out.bulk(entry.encoding().as_bytes());
    }
    Ok(())
}

pub(super) fn refcount(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    /// Integers below this are shared, by so many as Redis says of what is never freed.
    const SHARED: i64 = 10_000;
    const MANY: i64 = i32::MAX as i64;
    let shares = cx.env.limits.shares_integers;
    if let Some((entry, out)) = entry(cx, args) {
        let number = match entry.value() {
            ValueRef::Str(text) if shares && entry.encoding() == "int" => num::parse_i64(text),
            _ => None,
        };
        let shared = number.is_some_and(|n| (0..SHARED).contains(&n));
        out.int(if shared { MANY } else { 1 });
    }
    Ok(())
}

pub(super) fn idletime(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let clock = cx.clock();
    match (entry(cx, args), clock.accesses) {
        (None, _) => Ok(()),
        (Some((entry, out)), Accesses::Recency) => {
            out.int(i64::from(clock.idle_seconds(entry)));
            Ok(())
        }
        (Some(_), Accesses::Frequency { .. }) => Err(CmdError::text(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        )),
    }
}

pub(super) fn freq(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let clock = cx.clock();
    match (entry(cx, args), clock.accesses) {
        (None, _) => Ok(()),
        (Some((entry, out)), Accesses::Frequency { .. }) => {
            out.int(i64::from(clock.frequency(entry)));
            Ok(())
        }
        (Some(_), Accesses::Recency) => Err(CmdError::text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        )),
    }
}

pub(super) fn help(cx: &mut Cx<'_>, _: &[&[u8]]) -> Result<(), CmdError> {
    const LINES: &[&str] = &[
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Prints this help.",
    ];
    cx.out.array(LINES.len());
    LINES.iter().for_each(|line| cx.out.simple(line));
    Ok(())
}
