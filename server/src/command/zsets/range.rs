//! Ranges of sorted sets: by rank, by score, by the members' bytes. Each becomes two ranks.

use std::ops::Range;

use super::members::Scored;
use crate::command::args::{integer, is};
use crate::command::collections::span;
use crate::command::{CmdError, Cx, events};
use crate::store::Object;
use crate::store::num::parse_f64;
use crate::store::zset::Zset;

type Done = Result<(), CmdError>;

/// One end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ScoreBound {
    score: f64,
    excluded: bool,
}

impl ScoreBound {
    fn parse(arg: &[u8]) -> Result<ScoreBound, CmdError> {
        let (text, excluded) = match arg {
            [b'(', text @ ..] => (text, true),
            text => (text, false),
        };
        let score = bound(text).ok_or(CmdError::text("ERR min or max is not a float"))?;
        Ok(ScoreBound { score, excluded })
    }
}

/// A bound's number. Redis is less strict with it than with scores: spaces may stand before it, it may be
/// out of range, and the empty text is 0.
fn bound(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let is_space = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|b| !is_space(b))?;
    let text = &text[start..];
    parse_f64(text).or_else(|| {
        let numeric = |b: &u8| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let text = text.iter().all(numeric).then_some(text)?;
        std::str::from_utf8(text).ok()?.parse().ok()
    })
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq)]
enum LexBound<'a> {
    /// `-`: before all.
    First,
    /// `+`: after all.
    Last,
    /// `[`: this one included.
    Included(&'a [u8]),
    /// `(`: this one excluded.
    Excluded(&'a [u8]),
}

impl<'a> LexBound<'a> {
    fn parse(arg: &'a [u8]) -> Result<LexBound<'a>, CmdError> {
        match arg {
            b"-" => Ok(LexBound::First),
            b"+" => Ok(LexBound::Last),
            [b'[', member @ ..] => Ok(LexBound::Included(member)),
            [b'(', member @ ..] => Ok(LexBound::Excluded(member)),
            _ => Err(CmdError::text("ERR min or max not valid string range item")),
        }
    }
}

/// A range as arguments give it, lower end first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bounds<'a> {
    /// Indices, from either end.
    Rank(i64, i64),
    /// Scores.
    Score(f64, bool, f64, bool),
    /// Members.
    Lex(Lex<'a>),
}

/// A range of members.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lex<'a>(LexBound<'a>, LexBound<'a>);

/// What a range is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

impl<'a> Bounds<'a> {
    pub fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Bounds<'a>, CmdError> {
        Ok(match by {
            By::Rank => Bounds::Rank(integer(min)?, integer(max)?),
            By::Score => {
                let (min, max) = (ScoreBound::parse(min)?, ScoreBound::parse(max)?);
                Bounds::Score(min.score, min.excluded, max.score, max.excluded)
            }
            By::Lex => Bounds::Lex(Lex(LexBound::parse(min)?, LexBound::parse(max)?)),
        })
    }

    /// The ranks of the range in `zset`; `reverse`: indices count from the highest score.
    pub fn ranks(&self, zset: &Zset, reverse: bool) -> Range<usize> {
        let len = zset.len();
        match *self {
            Bounds::Rank(start, stop) => {
                let range = span(start, stop, len);
                match reverse {
                    true => len - range.end..len - range.start,
                    false => range,
                }
            }
            Bounds::Score(min, min_excluded, max, max_excluded) => {
                let from = zset.partition_scores(|s| s < min || (min_excluded && s == min));
                let to = zset.partition_scores(|s| s < max || (!max_excluded && s == max));
                from..to.max(from)
            }
            Bounds::Lex(Lex(min, max)) => {
                let from = match min {
                    LexBound::First => 0,
                    LexBound::Last => len,
                    LexBound::Included(min) => zset.partition_members(|m| m < min),
                    LexBound::Excluded(min) => zset.partition_members(|m| m <= min),
                };
                let to = match max {
                    LexBound::First => 0,
                    LexBound::Last => len,
                    LexBound::Included(max) => zset.partition_members(|m| m <= max),
                    LexBound::Excluded(max) => zset.partition_members(|m| m < max),
                };
                from..to.max(from)
            }
        }
    }
}

/// What one of the many range commands asks for.
struct Query<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    with_scores: bool,
    offset: i64,
    limit: i64,
}

impl<'a> Query<'a> {
    /// Reads minimum, maximum and options from `args[at]` on. `by` and `reverse` are what the command's name
    /// says; `None` leaves it to options. `store`: scores are not to be replied.
    fn parse(
        args: &[&'a [u8]],
        at: usize,
        mut by: Option<By>,
        mut reverse: Option<bool>,
        store: bool,
    ) -> Result<Query<'a>, CmdError> {
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut rest = args[at + 2..].iter();
        while let Some(word) = rest.next() {
            match *word {
                w if !store && is(w, "withscores") => with_scores = true,
                w if is(w, "limit") && rest.len() >= 2 => {
                    let mut next = || integer(rest.next().copied().unwrap_or_default());
                    (offset, limit) = (next()?, next()?);
                }
                w if reverse.is_none() && is(w, "rev") => reverse = Some(true),
                w if by.is_none() && is(w, "bylex") => by = Some(By::Lex),
                w if by.is_none() && is(w, "byscore") => by = Some(By::Score),
                _ => return Err(CmdError::Syntax),
            }
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(CmdError::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(CmdError::text(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (min, max) = match reverse && by != By::Rank {
            true => (args[at + 1], args[at]),
            false => (args[at], args[at + 1]),
        };
        Ok(Query {
            bounds: Bounds::parse(by, min, max)?,
            reverse,
            with_scores,
            offset,
            limit,
        })
    }

    /// The ranks that are asked for, in ascending order.
    fn ranks(&self, zset: &Zset) -> Range<usize> {
        let all = self.bounds.ranks(zset, self.reverse);
        if let Bounds::Rank(..) = self.bounds {
            return all;
        }
        // A negative offset is beyond the end, a negative limit is none.
        let offset = usize::try_from(self.offset).map_or(all.len(), |n| n.min(all.len()));
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let number = limit.min(all.len() - offset);
        match self.reverse {
            true => all.end - offset - number..all.end - offset,
            false => all.start + offset..all.start + offset + number,
        }
    }
}

/// Replies with the range that `args[2..]` describe of the sorted set `args[1]`.
fn reply(cx: &mut Cx<'_>, args: &[&[u8]], by: Option<By>, reverse: Option<bool>) -> Done {
    let query = Query::parse(args, 2, by, reverse, false)?;
    let Some(zset) = cx.db.zset(args[1])? else {
        cx.out.array(0);
        return Ok(());
    };
    let ranks = query.ranks(zset);
    let members = zset.range(ranks.start, ranks.end);
    let mut list = Scored::begin(cx.out, ranks.len(), query.with_scores);
    match query.reverse {
        true => members.rev().for_each(|(m, s)| list.add(&m, s)),
        false => members.for_each(|(m, s)| list.add(&m, s)),
    }
    Ok(())
}

pub(super) fn zrange(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply(cx, args, None, None)
}

pub(super) fn zrevrange(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply(cx, args, Some(By::Rank), Some(true))
}

pub(super) fn zrangebyscore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply(cx, args, Some(By::Score), Some(false))
}

pub(super) fn zrevrangebyscore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply(cx, args, Some(By::Score), Some(true))
}

pub(super) fn zrangebylex(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply(cx, args, Some(By::Lex), Some(false))
}

pub(super) fn zrevrangebylex(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply(cx, args, Some(By::Lex), Some(true))
}

pub(super) fn zrangestore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let query = Query::parse(args, 3, None, None, true)?;
    let mut result = Zset::new();
    if let Some(zset) = cx.db.zset(args[2])? {
        let ranks = query.ranks(zset);
        // Only with ranks does Redis know before how many there are; it shows in the sign of zeros.
        if matches!(query.bounds, Bounds::Rank(..))
            && ranks.len() > cx.env.limits.zset_max_listpack_entries
        {
            result = Zset::new_big();
        }
        for (member, score) in zset.range(ranks.start, ranks.end) {
            result.insert(&member, score, cx.env.limits);
        }
    }
    store(cx, args[1], result, "zrangestore");
    Ok(())
}

/// Puts `zset` at `key` in place of whatever was there, which is event `name`, or removes that if the set is empty;
/// replies with the number of members.
pub(in crate::command) fn store(cx: &mut Cx<'_>, key: &[u8], zset: Zset, name: &'static str) {
    let len = zset.len();
    if len > 0 {
        cx.db.put(key, Object::Zset(zset), None);
        cx.dirty();
        cx.notify(events::ZSET, name, key);
    } else if cx.db.remove(key) {
        cx.dirty();
        cx.notify(events::GENERIC, "del", key);
    }
    cx.out.int(len as i64);
}

fn count(cx: &mut Cx<'_>, args: &[&[u8]], by: By) -> Done {
    let bounds = Bounds::parse(by, args[2], args[3])?;
    let number = cx
        .db
        .zset(args[1])?
        .map_or(0, |z| bounds.ranks(z, false).len());
    cx.out.int(number as i64);
    Ok(())
}

pub(super) fn zcount(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    count(cx, args, By::Score)
}

pub(super) fn zlexcount(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    count(cx, args, By::Lex)
}

fn remove(cx: &mut Cx<'_>, args: &[&[u8]], by: By) -> Done {
    let bounds = Bounds::parse(by, args[2], args[3])?;
    let ranks = cx
        .db
        .zset(args[1])?
        .map_or(0..0, |z| bounds.ranks(z, false));
    if !ranks.is_empty()
        && let Some(zset) = cx.db.zset_mut(args[1])?
    {
        zset.remove_range(ranks.start, ranks.end);
        let name = match by {
            By::Rank => "zremrangebyrank",
            By::Score => "zremrangebyscore",
            By::Lex => "zremrangebylex",
        };
        cx.notify(events::ZSET, name, args[1]);
        cx.db.remove_if_empty(args[1]);
        cx.dirty();
    }
    cx.out.int(ranks.len() as i64);
    Ok(())
}

pub(super) fn zremrangebyrank(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    remove(cx, args, By::Rank)
}

pub(super) fn zremrangebyscore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    remove(cx, args, By::Score)
}

pub(super) fn zremrangebylex(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    remove(cx, args, By::Lex)
}
