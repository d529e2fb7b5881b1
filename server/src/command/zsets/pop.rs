//! Commands that take members from an end of a sorted set, or wait for some.
//!
//! As with lists, a command that waits tries first and otherwise asks to be run again; replicas are told
//! in words that do not wait.

use super::members::Scored;
use crate::command::args::is;
use crate::command::collections::{counted, deadline, pop_count, positive};
use crate::command::{Attempt, CmdError, Cx, events};
use crate::resp::Reply;

type Done = Result<(), CmdError>;

/// Which end members are taken from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The lowest scores.
    Min,
    /// The highest scores.
    Max,
}

impl Side {
    fn parse(arg: &[u8]) -> Option<Side> {
        if is(arg, "min") {
            Some(Side::Min)
        } else if is(arg, "max") {
            Some(Side::Max)
        } else {
            None
        }
    }

    fn event(self) -> &'static str {
        match self {
            Side::Min => "zpopmin",
            Side::Max => "zpopmax",
        }
    }

    fn pop_word(self) -> &'static [u8] {
        match self {
            Side::Min => b"ZPOPMIN",
            Side::Max => b"ZPOPMAX",
        }
    }
}

/// Takes so many members, at most those there are, and hands each to `each` with its score.
fn take(
    cx: &mut Cx<'_>,
    key: &[u8],
    side: Side,
    number: usize,
    mut each: impl FnMut(&mut Reply, &[u8], f64),
) -> Done {
    if number == 0 {
        return Ok(());
    }
    let Some(zset) = cx.db.zset_mut(key)? else {
        return Ok(());
    };
    let len = zset.len();
    let ranks = match side {
        Side::Min => 0..number,
        Side::Max => len - number..len,
    };
    let taken = zset.range(ranks.start, ranks.end);
    match side {
        Side::Min => taken.for_each(|(member, score)| each(cx.out, &member, score)),
        Side::Max => taken
            .rev()
            .for_each(|(member, score)| each(cx.out, &member, score)),
    }
    zset.remove_range(ranks.start, ranks.end);
    cx.notify(events::ZSET, side.event(), key);
    cx.db.remove_if_empty(key);
    Ok(())
}

fn pop(cx: &mut Cx<'_>, args: &[&[u8]], side: Side) -> Done {
    let count = match args[2..] {
        [] => None,
        [count] => Some(positive(count)?),
        _ => return Err(CmdError::Syntax),
    };
    let len = cx.db.zset(args[1])?.map_or(0, |z| z.len());
    let number = count.unwrap_or(1).min(len);
    // Only RESP3 with a count has pairs; without one the reply is a pair, or nothing.
    if count.is_some() {
        Scored::begin(cx.out, number, true);
        let nested = cx.out.is_resp3();
        take(cx, args[1], side, number, |out, member, score| {
            if nested {
                out.array(2);
            }
            out.bulk(member);
            out.double(score);
        })?;
    } else {
        cx.out.array(2 * number);
        take(cx, args[1], side, number, |out, member, score| {
            out.bulk(member);
            out.double(score);
        })?;
    }
    if number > 0 {
        cx.dirty();
    }
    Ok(())
}

pub(super) fn zpopmin(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    pop(cx, args, Side::Min)
}

pub(super) fn zpopmax(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    pop(cx, args, Side::Max)
}

/// The first of `keys` whose sorted set has members, with their number.
fn first_with_some<'a>(
    cx: &Cx<'_>,
    keys: &[&'a [u8]],
) -> Result<Option<(&'a [u8], usize)>, CmdError> {
    for key in keys.iter().filter(|key| cx.looks_at(key)) {
        match cx.db.zset(key) {
            Ok(Some(zset)) if !zset.is_empty() => return Ok(Some((key, zset.len()))),
            Err(wrong) if cx.attempt() == Attempt::First => return Err(wrong),
            _ => {}
        }
    }
    Ok(None)
}

fn pop_or_wait(cx: &mut Cx<'_>, args: &[&[u8]], side: Side) -> Done {
    let (keys, timeout) = (&args[1..args.len() - 1], args[args.len() - 1]);
    let until = deadline(timeout, cx.env.now_ms)?;
    match first_with_some(cx, keys)? {
        Some((key, _)) => {
            cx.out.array(3);
            cx.out.bulk(key);
            take(cx, key, side, 1, |out, member, score| {
                out.bulk(member);
                out.double(score);
            })?;
            cx.rewrite(&[side.pop_word(), key]);
        }
        None if cx.block(until) => {}
        None => cx.out.null_array(),
    }
    Ok(())
}

pub(super) fn bzpopmin(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    pop_or_wait(cx, args, Side::Min)
}

pub(super) fn bzpopmax(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    pop_or_wait(cx, args, Side::Max)
}

/// What ZMPOP asks for, and BZMPOP from its second argument on.
struct Several<'a> {
    keys: &'a [&'a [u8]],
    side: Side,
    count: usize,
}

impl<'a> Several<'a> {
    fn parse(args: &'a [&'a [u8]], at: usize) -> Result<Several<'a>, CmdError> {
        let (keys, rest) = counted(args, at)?;
        let [word, options @ ..] = rest else {
            return Err(CmdError::Syntax);
        };
        let side = Side::parse(word).ok_or(CmdError::Syntax)?;
        let count = pop_count(options)?;
        Ok(Several { keys, side, count })
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
        take(cx, key, self.side, number, |out, member, score| {
            out.array(2);
            out.bulk(member);
            out.double(score);
        })?;
        let mut digits = itoa::Buffer::new();
        let count = digits.format(number).as_bytes();
        cx.rewrite(&[self.side.pop_word(), key, count]);
        Ok(true)
    }
}

pub(super) fn zmpop(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    if !Several::parse(args, 1)?.take(cx)? {
        cx.out.null_array();
    }
    Ok(())
}

pub(super) fn bzmpop(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let several = Several::parse(args, 2)?;
    let until = deadline(args[1], cx.env.now_ms)?;
    if !several.take(cx)? && !cx.block(until) {
        cx.out.null_array();
    }
    Ok(())
}
