//! XGROUP and XACK: groups, their consumers, and what these confirm.

use super::{INVALID_ID, put_help, strict_id, strict_ids};
use crate::command::args::{integer, is};
use crate::command::{CmdError, Cx, events};
use crate::store::stream::{Group, Id, Stream};

type Done = Result<(), CmdError>;

/// The options of XGROUP CREATE and SETID.
struct Options {
    mkstream: bool,
    read: i64,
}

impl Options {
    fn parse(args: &[&[u8]], creates: bool) -> Result<Options, CmdError> {
        let mut options = Options {
            mkstream: false,
            read: Group::UNKNOWN,
        };
        let mut rest = &args[5..];
        while let [word, more @ ..] = rest {
            match more {
                _ if creates && is(word, "mkstream") => {
                    options.mkstream = true;
                    rest = more;
                }
                [value, more @ ..] if is(word, "entriesread") => {
                    options.read = integer(value)?;
                    if options.read < 0 && options.read != Group::UNKNOWN {
                        return Err(CmdError::text(
                            "ERR value for ENTRIESREAD must be positive or -1",
                        ));
                    }
                    rest = more;
                }
                _ => return Err(CmdError::bad_subcommand(args)),
            }
        }
        Ok(options)
    }
}

const NO_KEY: CmdError = CmdError::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);

pub(super) fn no_such_group(key: &[u8], group: &[u8]) -> CmdError {
    let text = "NOGROUP No such consumer group '{}' for key name '{}'";
    CmdError::repeating(text, &[group, key])
}

/// The stream that a subcommand is about.
fn stream<'c>(cx: &'c Cx<'_>, args: &[&[u8]]) -> Result<&'c Stream, CmdError> {
    cx.db.stream(args[2])?.ok_or(NO_KEY)
}

/// The group that a subcommand is about.
fn group<'c>(cx: &'c Cx<'_>, args: &[&[u8]]) -> Result<&'c Group, CmdError> {
    let group = stream(cx, args)?.group(args[3]);
    group.ok_or_else(|| no_such_group(args[2], args[3]))
}

/// Changes a group that is there. Whoever watches the key hears nothing of it.
fn change<T: Default>(
    cx: &mut Cx<'_>,
    key: &[u8],
    name: &[u8],
    change: impl FnOnce(&mut Group) -> T,
) -> Result<T, CmdError> {
    let group = cx.db.stream_mut(key)?.and_then(|s| s.group_mut(name));
    let changed = group.map(change).unwrap_or_default();
    cx.dirty();
    cx.db.hush();
    Ok(changed)
}

pub(super) fn create(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let options = Options::parse(args, true)?;
    let (key, name) = (args[2], args[3]);
    let stream = cx.db.stream(key)?;
    if stream.is_none() && !options.mkstream {
        return Err(NO_KEY);
    }
    if args.len() > 8 {
        return Err(CmdError::bad_subcommand(args));
    }
    let last = match args[4] {
        b"$" => stream.map_or(Id::MIN, |s| s.marks().last),
        id => strict_id(id)?,
    };
    if stream.is_some_and(|s| s.group(name).is_some()) {
        return Err(CmdError::text(
            "BUSYGROUP Consumer Group name already exists",
        ));
    }
    let is_new = stream.is_none();
    let group = Group::new(last, options.read);
    cx.db.stream_or_new(key)?.add_group(name, group);
    cx.dirty();
    if !is_new {
        cx.db.hush();
    }
    cx.notify(events::STREAM, "xgroup-create", key);
    cx.out.ok();
    Ok(())
}

pub(super) fn set_id(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let options = Options::parse(args, false)?;
    let last = stream(cx, args)?.marks().last;
    group(cx, args)?;
    if args.len() != 5 && args.len() != 7 {
        return Err(CmdError::bad_subcommand(args));
    }
    let last = match args[4] {
        b"$" => last,
        id => Id::parse(id, 0).ok_or(INVALID_ID)?,
    };
    change(cx, args[2], args[3], |group| {
        (group.last, group.read) = (last, options.read);
    })?;
    cx.notify(events::STREAM, "xgroup-setid", args[2]);
    cx.out.ok();
    Ok(())
}

pub(super) fn destroy(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let there = stream(cx, args)?.group(args[3]).is_some();
    if there && let Some(stream) = cx.db.stream_mut(args[2])? {
        stream.remove_group(args[3]);
        // Who waits for the group hears that it is gone, but for caches the key has not changed.
        cx.db.spare_caches();
        cx.dirty();
        cx.notify(events::STREAM, "xgroup-destroy", args[2]);
    }
    cx.out.int(i64::from(there));
    Ok(())
}

pub(super) fn create_consumer(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let is_new = group(cx, args)?.find(args[4]).is_none();
    if is_new {
        let now_ms = cx.env.now_ms;
        change(cx, args[2], args[3], |group| {
            group.add_consumer(args[4], now_ms);
        })?;
        cx.notify(events::STREAM, "xgroup-createconsumer", args[2]);
    }
    cx.out.int(i64::from(is_new));
    Ok(())
}

pub(super) fn delete_consumer(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let mut pending = 0;
    if group(cx, args)?.find(args[4]).is_some() {
        pending = change(cx, args[2], args[3], |group| {
            group.remove_consumer(args[4]).unwrap_or(0)
        })?;
        cx.notify(events::STREAM, "xgroup-delconsumer", args[2]);
    }
    cx.out.int(pending as i64);
    Ok(())
}

pub(super) fn xack(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let Some(group) = cx.db.stream(args[1])?.and_then(|s| s.group(args[2])) else {
        cx.out.int(0);
        return Ok(());
    };
    let ids = strict_ids(&args[3..])?;
    let mut confirmed = 0;
    if ids.iter().any(|id| group.pending(*id).is_some()) {
        confirmed = change(cx, args[1], args[2], |group| {
            ids.iter().filter(|id| group.acknowledge(**id)).count()
        })?;
    }
    cx.out.int(confirmed as i64);
    Ok(())
}

pub(super) fn help(cx: &mut Cx<'_>, _: &[&[u8]]) -> Done {
    put_help(
        cx.out,
        &[
            "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "CREATE <key> <groupname> <id|$> [option]",
            "    Create a new consumer group. Options are:",
            "    * MKSTREAM",
            "      Create the empty stream if it does not exist.",
            "    * ENTRIESREAD entries_read",
            "      Set the group's entries_read counter (internal use).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Create a new consumer in the specified group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove the specified consumer.",
            "DESTROY <key> <groupname>",
            "    Remove the specified group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Set the current group ID and entries_read counter.",
            "HELP",
            "    Prints this help.",
        ],
    );
    Ok(())
}
