//! Removing, renaming, copying and moving keys.

use crate::command::args::{db_number, is};
use crate::command::{CmdError, Cx, Keys, events};
use crate::store::Entry;

const SAME: CmdError = CmdError::text("ERR source and destination objects are the same");

pub(super) fn del(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let mut removed = 0;
    for key in &args[1..] {
        if cx.db.remove(key) {
            removed += 1;
            cx.notify(events::GENERIC, "del", key);
        }
    }
    if removed > 0 {
        cx.dirty();
    }
    cx.out.int(removed);
    Ok(())
}

pub(super) fn exists(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let there = args[1..].iter();
    let there = there.filter(|key| cx.db.look(key).is_some()).count();
    cx.out.int(there as i64);
    Ok(())
}

pub(super) fn touch(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    // What it is for, whatever CLIENT NO-TOUCH says.
    cx.db.clock.quiet = false;
    let there = args[1..].iter().filter(|key| cx.db.exists(key)).count();
    cx.out.int(there as i64);
    Ok(())
}

pub(super) fn type_of(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let entry = cx.db.look(args[1]);
    cx.out
        .simple(entry.map_or("none", |e| e.value().type_name()));
    Ok(())
}

pub(super) fn rename(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (from, to) = (args[1], args[2]);
    if !cx.db.exists(from) {
        return Err(CmdError::NoSuchKey);
    }
    if from != to {
        take_over(cx, from, to);
    }
    cx.out.ok();
    Ok(())
}

pub(super) fn renamenx(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (from, to) = (args[1], args[2]);
    if !cx.db.exists(from) {
        return Err(CmdError::NoSuchKey);
    }
    let free = from != to && !cx.db.exists(to);
    if free {
        take_over(cx, from, to);
    }
    cx.out.int(i64::from(free));
    Ok(())
}

/// Puts `entry` at `key`, which counts as a new key whatever was there.
fn put_new(keys: &mut Keys<'_>, entry: Entry, key: &[u8]) {
    if !keys.put_entry(entry) {
        keys.notify(events::NEW, "new", key);
    }
}

/// The value and expiry of `from` go to `to`.
fn take_over(cx: &mut Cx<'_>, from: &[u8], to: &[u8]) {
    if let Some(entry) = cx.db.take(from) {
        put_new(&mut cx.db, entry.rekeyed(to), to);
        cx.dirty();
        cx.notify(events::GENERIC, "rename_from", from);
        cx.notify(events::GENERIC, "rename_to", to);
    }
}

pub(super) fn copy(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (from, to) = (args[1], args[2]);
    let (mut db, mut replace) = (cx.db.number(), false);
    let mut rest = args[3..].iter();
    while let Some(arg) = rest.next() {
        if is(arg, "replace") {
            replace = true;
        } else if is(arg, "db") {
            let number = rest.next().ok_or(CmdError::Syntax)?;
            db = db_number(number, cx.env.dataset.dbs().len())?;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    let here = db == cx.db.number();
    if here && from == to {
        return Err(SAME);
    }
    let Some(copy) = cx.db.entry(from).map(|entry| entry.copied_to(to)) else {
        cx.out.int(0);
        return Ok(());
    };
    let destination = if here {
        &mut cx.db
    } else {
        cx.open(db, &[to])?
    };
    let done = replace || destination.make_room(to);
    if done {
        put_new(destination, copy, to);
        destination.notify(events::GENERIC, "copy_to", to);
        cx.dirty();
    }
    cx.out.int(i64::from(done));
    Ok(())
}

pub(super) fn move_key(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let key = args[1];
    let db = db_number(args[2], cx.env.dataset.dbs().len())?;
    if db == cx.db.number() {
        return Err(SAME);
    }
    let movable = cx.db.exists(key) && cx.open(db, &[key])?.make_room(key);
    let moved: Option<Entry> = if movable { cx.db.take(key) } else { None };
    let (done, from) = (moved.is_some(), cx.db.number());
    if let (Some(entry), Some(destination)) = (moved, cx.opened()) {
        destination.put_entry(entry);
        destination.notify_of(from, events::GENERIC, "move_from", key);
        destination.notify(events::GENERIC, "move_to", key);
        cx.dirty();
    }
    cx.out.int(i64::from(done));
    Ok(())
}
