//! XDELEX and XACKDEL, of Redis 8.2: entries go, and what groups wait for is heeded.
//!
//! Replicas are told effects that servers of older versions know, too: XACK and XDEL.

use super::strict_ids;
use crate::command::args::{integer, is};
use crate::command::{CmdError, Cx, events};
use crate::store::stream::{Id, Refs, Stream};
use std::collections::BTreeMap;

type Done = Result<(), CmdError>;

/// What a word says of groups that wait for an entry which is to go, if it does.
pub(super) fn said(word: &[u8]) -> Option<Refs> {
    match word {
        _ if is(word, "keepref") => Some(Refs::Keep),
        _ if is(word, "delref") => Some(Refs::Drop),
        _ if is(word, "acked") => Some(Refs::Heed),
        _ => None,
    }
}

/// What became of an entry, as replies tell it.
const NO_ENTRY: i64 = -1;
const GONE: i64 = 1;
const REFERENCED: i64 = 2;

/// `[KEEPREF|DELREF|ACKED] IDS numids id [id ...]`, in any order.
fn parse<'a>(mut args: &'a [&'a [u8]]) -> Result<(Refs, &'a [&'a [u8]]), CmdError> {
    let (mut refs, mut ids) = (None, None);
    while let Some((word, rest)) = args.split_first() {
        args = rest;
        match (said(word), rest) {
            (Some(said), _) if refs.is_none() => refs = Some(said),
            (None, [count, rest @ ..]) if is(word, "ids") => {
                let count = integer(count).ok().filter(|count| *count > 0);
                let count = count.ok_or(CmdError::text(
                    "ERR Number of IDs must be a positive integer",
                ))?;
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                let (named, rest) = rest.split_at_checked(count).ok_or(CmdError::text(
                    "ERR The `numids` parameter must match the number of arguments",
                ))?;
                ids = Some(named);
                args = rest;
            }
            _ => return Err(CmdError::Syntax),
        }
    }
    let ids = ids.ok_or(CmdError::text("ERR IDS option is required"))?;
    Ok((refs.unwrap_or_default(), ids))
}

/// What a command has done to a stream.
#[derive(Default)]
struct Effects {
    /// The entries that it removed.
    gone: Vec<Id>,
    /// What groups do not wait for any more.
    confirmed: BTreeMap<Box<[u8]>, Vec<Id>>,
}

impl Effects {
    fn confirm(&mut self, group: Box<[u8]>, id: Id) {
        self.confirmed.entry(group).or_default().push(id);
    }

    /// Removes an entry, unless a group that waits for it is heeded; what became of it.
    fn remove(&mut self, stream: &mut Stream, id: Id, refs: Refs) -> i64 {
        match refs {
            Refs::Heed if stream.is_referenced(id) => return REFERENCED,
            Refs::Drop => {
                for group in stream.drop_references(id) {
                    self.confirm(group, id);
                }
            }
            Refs::Heed | Refs::Keep => {}
        }
        match stream.delete(id) {
            true => {
                self.gone.push(id);
                GONE
            }
            false => NO_ENTRY,
        }
    }

    /// Tells replicas and whoever watches the key.
    fn tell(self, cx: &mut Cx<'_>, key: &[u8]) {
        for (group, ids) in &self.confirmed {
            tell(cx, &[b"XACK", key, group], ids);
        }
        if self.gone.is_empty() {
            if !self.confirmed.is_empty() {
                cx.db.hush();
            }
            return;
        }
        tell(cx, &[b"XDEL", key], &self.gone);
        cx.notify(events::STREAM, "xdel", key);
    }
}

/// Tells replicas a command that begins with `words` and ends with `ids`.
fn tell(cx: &mut Cx<'_>, words: &[&[u8]], ids: &[Id]) {
    let ids: Vec<_> = ids.iter().map(|id| id.text()).collect();
    let ids = ids.iter().map(|id| &id[..]);
    let command: Vec<&[u8]> = words.iter().copied().chain(ids).collect();
    cx.rewrite(&command);
}

/// Replies to each of `ids` what `act` makes of it in the stream at `key`, if that is there and `concerned` by one of
/// them.
fn each(
    cx: &mut Cx<'_>,
    key: &[u8],
    ids: &[&[u8]],
    concerned: impl Fn(&Stream, Id) -> bool,
    act: impl Fn(&mut Effects, &mut Stream, Id) -> i64,
) -> Done {
    let Some(stream) = cx.db.stream(key)? else {
        cx.out.array(ids.len());
        ids.iter().for_each(|_| cx.out.int(NO_ENTRY));
        return Ok(());
    };
    let ids = strict_ids(ids)?;
    cx.out.array(ids.len());
    let mut effects = Effects::default();
    // Nothing is touched unless there may be something to change.
    if ids.iter().any(|id| concerned(stream, *id))
        && let Some(stream) = cx.db.stream_mut(key)?
    {
        let outcomes = ids.iter().map(|id| act(&mut effects, stream, *id));
        outcomes.for_each(|outcome| cx.out.int(outcome));
    } else {
        ids.iter().for_each(|_| cx.out.int(NO_ENTRY));
    }
    effects.tell(cx, key);
    Ok(())
}

pub(super) fn xdelex(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let key = args[1];
    cx.db.stream(key)?;
    let (refs, ids) = parse(&args[2..])?;
    each(
        cx,
        key,
        ids,
        |stream, id| stream.get(id).is_some() || stream.is_referenced(id),
        |effects, stream, id| effects.remove(stream, id, refs),
    )
}

pub(super) fn xackdel(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (key, name) = (args[1], args[2]);
    cx.db.stream(key)?;
    let (refs, ids) = parse(&args[3..])?;
    each(
        cx,
        key,
        ids,
        |stream, id| {
            let group = stream.group(name);
            group.is_some_and(|group| group.pending(id).is_some())
        },
        |effects, stream, id| {
            let group = stream.group_mut(name);
            if !group.is_some_and(|group| group.acknowledge(id)) {
                return NO_ENTRY;
            }
            effects.confirm(name.into(), id);
            match effects.remove(stream, id, refs) {
                REFERENCED => REFERENCED,
                // One that had gone before is gone.
                _ => GONE,
            }
        },
    )
}
