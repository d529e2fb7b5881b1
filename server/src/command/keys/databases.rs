//! Whole databases.

use crate::command::args::{integer, is};
use crate::command::scan::remove_if_stale;
use crate::command::{CmdError, Cx, Expiry};
use crate::store::glob;
use crate::store::random::{below, random};
use std::collections::BTreeSet;

pub(super) fn keys(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (db, mut count, mark) = (cx.selected(), 0, cx.out.defer());
    // A pattern without wildcards is matched byte by byte; `*`, which matches all, needs no matching.
    let all = args[1] == b"*";
    db.for_each(|entry| {
        let hidden = cx.env.expiry != Expiry::Ignore && entry.is_expired(cx.env.now_ms);
        if !hidden && (all || glob::matches(args[1], entry.key())) {
            cx.out.bulk(entry.key());
            count += 1;
        }
    });
    cx.out.close_array(mark, count);
    Ok(())
}

pub(super) fn randomkey(cx: &mut Cx<'_>, _: &[&[u8]]) -> Result<(), CmdError> {
    /// After so many expired keys we no longer hope to hit upon one that is not.
    const TRIES: usize = 100;
    let mut stale = BTreeSet::new();
    let mut found = None;
    for _ in 0..TRIES {
        let Some(key) = cx.selected().random_key(random()) else {
            break;
        };
        let expired =
            cx.env.expiry != Expiry::Ignore && cx.selected().is_expired(&key, cx.env.now_ms);
        if !expired {
            found = Some(key);
            break;
        }
        stale.insert(key);
    }
    if found.is_none() && !stale.is_empty() {
        // Each of those that are there with the same chance.
        let mut there = 0;
        cx.selected().for_each(|entry| {
            if entry.is_expired(cx.env.now_ms) {
                stale.insert(entry.key().into());
            } else {
                there += 1;
                if below(there) == 0 {
                    found = Some(entry.key().into());
                }
            }
        });
    }
    let stale: Vec<_> = stale.into_iter().collect();
    remove_if_stale(cx, &stale)?;
    cx.out.bulk_or_null(found.as_deref());
    Ok(())
}

pub(super) fn dbsize(cx: &mut Cx<'_>, _: &[&[u8]]) -> Result<(), CmdError> {
    let len = cx.selected().len();
    cx.out.int(len as i64);
    Ok(())
}

/// What was there is always freed in the background, whatever the client asks for.
fn check_mode(args: &[&[u8]]) -> Result<(), CmdError> {
    match args {
        [_] => Ok(()),
        [_, mode] if is(mode, "async") || is(mode, "sync") => Ok(()),
        _ => Err(CmdError::Syntax),
    }
}

pub(super) fn flushdb(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    check_mode(args)?;
    cx.replace(cx.env.dataset.emptied(Some(cx.db.number())));
    cx.flushed();
    cx.dirty();
    cx.out.ok();
    Ok(())
}

pub(super) fn flushall(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    check_mode(args)?;
    cx.replace(cx.env.dataset.emptied(None));
    cx.flushed();
    cx.effects.emptied = true;
    cx.dirty();
    cx.out.ok();
    Ok(())
}

pub(super) fn swapdb(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let number = |arg, error: &'static str| {
        let number = integer(arg).ok().and_then(|n| i32::try_from(n).ok());
        number.ok_or(CmdError::text(error))
    };
    let a = number(args[1], "ERR invalid first DB index")?;
    let b = number(args[2], "ERR invalid second DB index")?;
    let existing = |n: i32| {
        usize::try_from(n)
            .ok()
            .filter(|&n| cx.env.dataset.db(n).is_some())
    };
    let (Some(a), Some(b)) = (existing(a), existing(b)) else {
        return Err(CmdError::text("ERR DB index is out of range"));
    };
    cx.replace(cx.env.dataset.swapped(a, b));
    cx.dirty();
    cx.out.ok();
    Ok(())
}
