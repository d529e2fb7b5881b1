//! Commands that move elements between lists, take them from the first of several, or wait for some.
//!
//! A command that waits tries first; when there is nothing it asks to be run again, so that serving a
//! waiting client is the same code. What it did is told to replicas in words that do not wait.

use super::edit::{popped, pushed, take};
use super::end;
use crate::command::collections::{counted, deadline, pop_count};
use crate::command::{Attempt, CmdError, Cx, events};
use crate::store::list::End;
use smallvec::SmallVec;

type Done = Result<(), CmdError>;

/// Waits, or answers what says that there was nothing.
fn block_or(cx: &mut Cx<'_>, deadline: Option<i64>, nothing: fn(&mut Cx<'_>)) {
    if !cx.block(deadline) {
        nothing(cx);
    }
}

/// Moves an element if there is one, and replies with it; false if there is none.
fn shift(cx: &mut Cx<'_>, args: &[&[u8]], from: End, to: End) -> Result<bool, CmdError> {
    let (source, destination) = (args[1], args[2]);
    let Some(list) = cx.db.list(source)? else {
        return Ok(false);
    };
    let Some(elem) = list.peek(from) else {
        return Ok(false);
    };
    let elem = SmallVec::<[u8; 64]>::from_slice(&elem);
    cx.db.list(destination)?;
    if let Some(list) = cx.db.list_mut(source)? {
        list.drop_end(from);
    }
    // Source and destination may be one list: it is not gone before the element is back.
    let list = cx.db.list_or_new(destination)?;
    list.push(to, &elem, cx.env.limits);
    cx.notify(events::LIST, pushed(to), destination);
    cx.notify(events::LIST, popped(from), source);
    cx.db.remove_if_empty(source);
    cx.out.bulk(&elem);
    Ok(true)
}

pub(super) fn rpoplpush(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    match shift(cx, args, End::Right, End::Left)? {
        true => cx.dirty(),
        false => cx.out.null(),
    }
    Ok(())
}

pub(super) fn lmove(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (from, to) = ends(args)?;
    match shift(cx, args, from, to)? {
        true => cx.dirty(),
        false => cx.out.null(),
    }
    Ok(())
}

/// The two ends that LMOVE and BLMOVE name.
fn ends(args: &[&[u8]]) -> Result<(End, End), CmdError> {
    end(args[3]).zip(end(args[4])).ok_or(CmdError::Syntax)
}

/// [`shift`] for one that may wait for its source.
fn shift_or_wait(cx: &mut Cx<'_>, args: &[&[u8]], from: End, to: End) -> Result<bool, CmdError> {
    match cx.attempt() {
        // Others are before it in the queue of its source, even if the destination changed first.
        Attempt::Changed(key) if key != args[1] => Ok(false),
        // What is no list any more may become one again.
        Attempt::Changed(_) if cx.db.list(args[1]).is_err() => Ok(false),
        Attempt::Last => Ok(false),
        _ => shift(cx, args, from, to),
    }
}

/// Nothing was moved: it waits, or says that it did in vain, which is another nothing than that of one that cannot wait.
fn wait_for_source(cx: &mut Cx<'_>, until: Option<i64>) {
    match cx.attempt() {
        Attempt::Last => cx.out.null_array(),
        _ => block_or(cx, until, |cx| cx.out.null()),
    }
}

pub(super) fn brpoplpush(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let until = deadline(args[3], cx.env.now_ms)?;
    match shift_or_wait(cx, args, End::Right, End::Left)? {
        true => cx.rewrite(&[b"RPOPLPUSH", args[1], args[2]]),
        false => wait_for_source(cx, until),
    }
    Ok(())
}

pub(super) fn blmove(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (from, to) = ends(args)?;
    let until = deadline(args[5], cx.env.now_ms)?;
    match shift_or_wait(cx, args, from, to)? {
        true => cx.rewrite(&[b"LMOVE", args[1], args[2], args[3], args[4]]),
        false => wait_for_source(cx, until),
    }
    Ok(())
}

/// The first of `keys` whose list has elements, with their number.
fn first_with_some<'a>(
    cx: &Cx<'_>,
    keys: &[&'a [u8]],
) -> Result<Option<(&'a [u8], usize)>, CmdError> {
    for key in keys.iter().filter(|key| cx.looks_at(key)) {
        match cx.db.list(key) {
            Ok(Some(list)) if !list.is_empty() => return Ok(Some((key, list.len()))),
            Err(wrong) if cx.attempt() == Attempt::First => return Err(wrong),
            _ => {}
        }
    }
    Ok(None)
}

fn pop_word(end: End) -> &'static [u8] {
    match end {
        End::Left => b"LPOP",
        End::Right => b"RPOP",
    }
}

fn pop_or_wait(cx: &mut Cx<'_>, args: &[&[u8]], end: End) -> Done {
    let (keys, timeout) = (&args[1..args.len() - 1], args[args.len() - 1]);
    let until = deadline(timeout, cx.env.now_ms)?;
    match first_with_some(cx, keys)? {
        Some((key, _)) => {
            cx.out.array(2);
            cx.out.bulk(key);
            take(cx, key, end, 1)?;
            cx.rewrite(&[pop_word(end), key]);
        }
        None => block_or(cx, until, |cx| cx.out.null_array()),
    }
    Ok(())
}

pub(super) fn blpop(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    pop_or_wait(cx, args, End::Left)
}

pub(super) fn brpop(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    pop_or_wait(cx, args, End::Right)
}

/// What LMPOP asks for, and BLMPOP from its second argument on.
struct Several<'a> {
    keys: &'a [&'a [u8]],
    end: End,
    count: usize,
}

impl<'a> Several<'a> {
    fn parse(args: &'a [&'a [u8]], at: usize) -> Result<Several<'a>, CmdError> {
        let (keys, rest) = counted(args, at)?;
        let [word, options @ ..] = rest else {
            return Err(CmdError::Syntax);
        };
        let end = end(word).ok_or(CmdError::Syntax)?;
        let count = pop_count(options)?;
        Ok(Several { keys, end, count })
    }

    /// False if there is nothing to take.
    fn take(&self, cx: &mut Cx<'_>) -> Result<bool, CmdError> {
        let Some((key, len)) = first_with_some(cx, self.keys)? else {
            return Ok(false);
        };
        let number = self.count.min(len);
        cx.out.array(2);
        cx.out.bulk(key);
        cx.out.array(number);
        take(cx, key, self.end, number)?;
        let mut digits = itoa::Buffer::new();
        let count = digits.format(number).as_bytes();
        cx.rewrite(&[pop_word(self.end), key, count]);
        Ok(true)
    }
}

pub(super) fn lmpop(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    if !Several::parse(args, 1)?.take(cx)? {
        cx.out.null_array();
    }
    Ok(())
}

pub(super) fn blmpop(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let several = Several::parse(args, 2)?;
    let until = deadline(args[1], cx.env.now_ms)?;
    if !several.take(cx)? {
        block_or(cx, until, |cx| cx.out.null_array());
    }
    Ok(())
}
