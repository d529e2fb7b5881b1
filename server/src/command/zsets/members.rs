//! Commands of members and their scores.

use crate::command::args::is;
use crate::command::collections::{Picks, scan};
use crate::command::scan::Scanned;
use crate::command::{CmdError, Cx, events};
use crate::resp::Reply;
use crate::resp::decimal::double_text;
use crate::store::num::parse_f64;
use crate::store::random::{distinct, random};
use crate::store::zset::Zset;
use smallvec::SmallVec;

type Done = Result<(), CmdError>;

/// A score or an increment: any number.
pub(in crate::command) fn float(arg: &[u8]) -> Result<f64, CmdError> {
    parse_f64(arg).ok_or(CmdError::NotFloat)
}

pub(super) fn double_or_null(out: &mut Reply, score: Option<f64>) {
    match score {
        Some(score) => out.double(score),
        None => out.null(),
    }
}

/// What ZADD's options ask for.
#[derive(Clone, Copy, Default)]
struct Conditions {
    /// Only new members.
    nx: bool,
    /// Only members that are there.
    xx: bool,
    /// Members that are there only to higher scores.
    gt: bool,
    /// Members that are there only to lower scores.
    lt: bool,
}

impl Conditions {
    /// The score to set, if any, for a member whose score was `old`.
    fn admit(self, old: Option<f64>, new: f64) -> Option<f64> {
        let admitted = match old {
            None => !self.xx,
            Some(_) if self.nx => false,
            Some(old) if self.gt => new > old,
            Some(old) if self.lt => new < old,
            Some(_) => true,
        };
        admitted.then_some(new)
    }
}

pub(in crate::command) fn zadd(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let mut when = Conditions::default();
    let (mut changed_too, mut increment) = (false, false);
    let mut at = 2;
    while let Some(word) = args.get(at) {
        match *word {
            w if is(w, "nx") => when.nx = true,
            w if is(w, "xx") => when.xx = true,
            w if is(w, "gt") => when.gt = true,
            w if is(w, "lt") => when.lt = true,
            w if is(w, "ch") => changed_too = true,
            w if is(w, "incr") => increment = true,
            _ => break,
        }
        at += 1;
    }
    let (pairs, rest) = args[at..].as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return Err(CmdError::Syntax);
    }
    if when.nx && when.xx {
        return Err(CmdError::text(
            "ERR XX and NX options at the same time are not compatible",
        ));
    }
    if [when.gt, when.lt, when.nx].iter().filter(|&&on| on).count() > 1 {
        return Err(CmdError::text(
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ));
    }
    if increment && pairs.len() > 1 {
        return Err(CmdError::text(
            "ERR INCR option supports a single increment-element pair",
        ));
    }
    if let ([[by, member]], true) = (pairs, increment) {
        return add_to_score(cx, args[1], member, float(by)?, when);
    }
    let scores = pairs.iter().map(|[s, _]| float(s));
    let scores: SmallVec<[f64; 4]> = scores.collect::<Result<_, _>>()?;
    if when.xx && cx.db.zset(args[1])?.is_none() {
        cx.out.int(0);
        return Ok(());
    }
    let zset = cx.db.zset_or_new(args[1])?;
    let (mut new, mut changed) = (0, 0);
    for (&[_, member], score) in pairs.iter().zip(scores) {
        let old = zset.score(member);
        if let Some(score) = when.admit(old, score)
            && old != Some(score)
        {
            zset.insert(member, score, cx.env.limits);
            new += i64::from(old.is_none());
            changed += 1;
        }
    }
    if changed > 0 {
        cx.dirty();
        cx.notify(events::ZSET, "zadd", args[1]);
    }
    cx.out.int(if changed_too { changed } else { new });
    Ok(())
}

/// ZINCRBY, and ZADD with INCR.
fn add_to_score(cx: &mut Cx<'_>, key: &[u8], member: &[u8], by: f64, when: Conditions) -> Done {
    let old = cx.db.zset(key)?.and_then(|z| z.score(member));
    let sum = old.map_or(by, |old| old + by);
    // A member that may not be changed cannot come to a sum that is no number.
    if when.nx && old.is_some() {
        cx.out.null();
        return Ok(());
    }
    if sum.is_nan() {
        return Err(CmdError::text("ERR resulting score is not a number (NaN)"));
    }
    let score = when.admit(old, sum);
    if let Some(score) = score
        && old != Some(score)
    {
        cx.db.zset_or_new(key)?.insert(member, score, cx.env.limits);
        cx.dirty();
        cx.notify(events::ZSET, "zincr", key);
    }
    double_or_null(cx.out, score);
    Ok(())
}

pub(super) fn zincrby(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    // Redis looks for the options of ZADD first, which leave too little behind them.
    let options = ["nx", "xx", "gt", "lt", "ch", "incr"];
    if options.iter().any(|option| is(args[2], option)) {
        return Err(CmdError::Syntax);
    }
    add_to_score(cx, args[1], args[3], float(args[2])?, Conditions::default())
}

pub(super) fn zrem(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let mut gone = 0;
    let zset = cx.db.zset(args[1])?;
    if zset.is_some_and(|z| args[2..].iter().any(|m| z.score(m).is_some()))
        && let Some(zset) = cx.db.zset_mut(args[1])?
    {
        for member in &args[2..] {
            gone += i64::from(zset.remove(member).is_some());
        }
        cx.notify(events::ZSET, "zrem", args[1]);
        cx.db.remove_if_empty(args[1]);
        cx.dirty();
    }
    cx.out.int(gone);
    Ok(())
}

pub(super) fn zscore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let score = cx.db.zset(args[1])?.and_then(|z| z.score(args[2]));
    double_or_null(cx.out, score);
    Ok(())
}

pub(super) fn zmscore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let zset = cx.db.zset(args[1])?;
    cx.out.array(args.len() - 2);
    for member in &args[2..] {
        double_or_null(cx.out, zset.and_then(|z| z.score(member)));
    }
    Ok(())
}

pub(super) fn zcard(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let len = cx.db.zset(args[1])?.map_or(0, Zset::len);
    cx.out.int(len as i64);
    Ok(())
}

fn reply_rank(cx: &mut Cx<'_>, args: &[&[u8]], from_end: bool, name: &'static str) -> Done {
    let with_score = match args[3..] {
        [] => false,
        [word] if is(word, "withscore") => true,
        // As in Redis 7.0, where nothing may follow; 7.2 calls it a syntax error.
        _ => return Err(CmdError::Arity(name)),
    };
    let found = cx.db.zset(args[1])?.and_then(|z| {
        let (rank, score) = (z.rank(args[2])?, z.score(args[2])?);
        Some((if from_end { z.len() - 1 - rank } else { rank }, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            cx.out.array(2);
            cx.out.int(rank as i64);
            cx.out.double(score);
        }
        Some((rank, _)) => cx.out.int(rank as i64),
        None if with_score => cx.out.null_array(),
        None => cx.out.null(),
    }
    Ok(())
}

pub(super) fn zrank(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply_rank(cx, args, false, "zrank")
}

pub(super) fn zrevrank(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply_rank(cx, args, true, "zrevrank")
}

/// A score as an integer, if it is one of at most half the range.
fn whole(score: f64) -> Option<i64> {
    const MOST: f64 = (i64::MAX / 2) as f64;
    (score.abs() <= MOST && score.fract() == 0.0).then_some(score as i64)
}

pub(super) fn zscan(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    scan(
        cx,
        args,
        Scanned::Members,
        |db, key| db.zset(key),
        |zset, cursor, found| {
            let count = found.count();
            let is_compact = zset.encoding() == "listpack";
            zset.scan(cursor, count, |member, score| {
                let text = match whole(score) {
                    // Redis's compact form keeps whole numbers as integers, and here it shows.
                    Some(whole) if is_compact => whole.to_string(),
                    _ => double_text(score),
                };
                found.add(member, Some(text.as_bytes()));
            })
        },
    )
}

pub(super) fn zrandmember(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let Some(count) = args.get(2) else {
        let member = cx.db.zset(args[1])?.and_then(|z| z.random(random()));
        cx.out
            .bulk_or_null(member.map(|(member, _)| member).as_deref());
        return Ok(());
    };
    let picks = Picks::parse(count, false)?;
    let with_scores = match args[3..] {
        [] => false,
        [word] if is(word, "withscores") => {
            Picks::parse(count, true)?;
            true
        }
        _ => return Err(CmdError::Syntax),
    };
    let Some(zset) = cx.db.zset(args[1])? else {
        cx.out.array(0);
        return Ok(());
    };
    match picks {
        Picks::Distinct(count) => {
            let places = distinct(count, zset.len());
            let mut list = Scored::begin(cx.out, places.len(), with_scores);
            zset.pick(&places, |member, score| list.add(member, score));
        }
        Picks::Repeated(count) => {
            let mut list = Scored::begin(cx.out, count, with_scores);
            zset.random_many(count, random, |member, score| list.add(member, score));
        }
    }
    Ok(())
}

/// Replies with members and, if wanted, their scores: beside them in RESP2, each in a pair of its own in RESP3.
pub(super) struct Scored<'a> {
    out: &'a mut Reply,
    with_scores: bool,
}

impl<'a> Scored<'a> {
    /// Begins the reply of so many members.
    pub fn begin(out: &'a mut Reply, members: usize, with_scores: bool) -> Self {
        let flat = with_scores && !out.is_resp3();
        out.array(if flat { members * 2 } else { members });
        Scored { out, with_scores }
    }

    /// Adds a member.
    pub fn add(&mut self, member: &[u8], score: f64) {
        if self.with_scores && self.out.is_resp3() {
            self.out.array(2);
        }
        self.out.bulk(member);
        if self.with_scores {
            self.out.double(score);
        }
    }
}
