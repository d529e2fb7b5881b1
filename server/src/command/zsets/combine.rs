//! Unions, intersections and differences of sorted sets, and of sets, whose members count with a score of 1.

use super::members::{Scored, float};
use super::range::store;
use crate::command::args::{integer, is};
use crate::command::collections::at_least;
use crate::command::{CmdError, Cx, Keys};
use crate::store::set::Set;
use crate::store::zset::Zset;
use crate::store::{Entry, Limits, ValueRef};

type Done = Result<(), CmdError>;

/// Which combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Union,
    Inter,
    Diff,
}

/// How the scores of one member become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn parse(arg: &[u8]) -> Option<Aggregate> {
        Some(match arg {
            a if is(a, "sum") => Aggregate::Sum,
            a if is(a, "min") => Aggregate::Min,
            a if is(a, "max") => Aggregate::Max,
            _ => return None,
        })
    }

    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // Opposite infinities are nothing in sum.
            Aggregate::Sum => not_nan(a + b),
            Aggregate::Min => a.min(b),
            Aggregate::Max => a.max(b),
        }
    }
}

fn not_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// One of the collections that are combined.
#[derive(Clone, Copy)]
enum Source<'a> {
    Missing,
    Set(&'a Set),
    Zset(&'a Zset),
}

impl<'a> Source<'a> {
    fn of(value: Option<ValueRef<'a>>) -> Result<Source<'a>, CmdError> {
        match value {
            None => Ok(Source::Missing),
            Some(ValueRef::Set(set)) => Ok(Source::Set(set)),
            Some(ValueRef::Zset(zset)) => Ok(Source::Zset(zset)),
            Some(_) => Err(CmdError::WrongType),
        }
    }

    fn len(self) -> usize {
        match self {
            Source::Missing => 0,
            Source::Set(set) => set.len(),
            Source::Zset(zset) => zset.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Missing => None,
            Source::Set(set) => set.contains(member).then_some(1.0),
            Source::Zset(zset) => zset.score(member),
        }
    }

    /// Hands every member and its score to `each`, until that says no.
    fn all(self, mut each: impl FnMut(&[u8], f64) -> bool) {
        match self {
            Source::Missing => {}
            Source::Set(set) => {
                let _ = set.iter().all(|member| each(&member, 1.0));
            }
            Source::Zset(zset) => {
                let _ = zset.iter().all(|(member, score)| each(&member, score));
            }
        }
    }
}

/// What a command asks for.
struct Query<'a> {
    op: Op,
    keys: &'a [&'a [u8]],
    weights: Option<Vec<f64>>,
    aggregate: Aggregate,
    with_scores: bool,
    limit: usize,
}

/// Which options a command takes besides WEIGHTS and AGGREGATE, which ZDIFF alone does not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Reply,
    Store,
    Count,
}

impl<'a> Query<'a> {
    /// Reads the number of keys at `args[at]` and all that follows. A key of a wrong type is found before a wrong
    /// option, as in Redis.
    fn parse(
        db: &Keys<'_>,
        args: &'a [&'a [u8]],
        at: usize,
        op: Op,
        form: Form,
    ) -> Result<Query<'a>, CmdError> {
        let Ok(count @ 1..) = usize::try_from(integer(args[at])?) else {
            let name = String::from_utf8_lossy(args[0]).to_ascii_lowercase();
            return Err(CmdError::formatted(format!(
                "ERR at least 1 input key is needed for '{name}' command"
            )));
        };
        let (keys, mut rest) = args[at + 1..]
            .split_at_checked(count)
            .ok_or(CmdError::Syntax)?;
        for key in keys {
            Source::of(db.lookup(key))?;
        }
        let mut query = Query {
            op,
            keys,
            weights: None,
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
        };
        let combines = op != Op::Diff && form != Form::Count;
        while let [word, tail @ ..] = rest {
            rest = if combines && is(word, "weights") && tail.len() >= count {
                let (weights, tail) = tail.split_at(count);
                let not_float = |_| CmdError::text("ERR weight value is not a float");
                let weights = weights.iter().map(|w| float(w).map_err(not_float));
                query.weights = Some(weights.collect::<Result<_, _>>()?);
                tail
            } else if let (true, [how, tail @ ..]) = (combines && is(word, "aggregate"), tail) {
                query.aggregate = Aggregate::parse(how).ok_or(CmdError::Syntax)?;
                tail
            } else if form == Form::Reply && is(word, "withscores") {
                query.with_scores = true;
                tail
            } else if let (true, [limit, tail @ ..]) =
                (form == Form::Count && is(word, "limit"), tail)
            {
                query.limit = at_least(limit, 0, "ERR LIMIT can't be negative")?;
                tail
            } else {
                return Err(CmdError::Syntax);
            };
        }
        Ok(query)
    }

    /// The sources with their weights: for anything but a difference in the order of their sizes, which is the
    /// order in which scores are added, and sums of floats depend on it.
    fn sources<'d>(&self, db: &'d Keys<'_>) -> Result<Vec<(Source<'d>, f64)>, CmdError> {
        let mut sources = Vec::with_capacity(self.keys.len());
        for (i, key) in self.keys.iter().enumerate() {
            let weight = self.weights.as_ref().map_or(1.0, |w| w[i]);
            let value = db.peek(key).map(Entry::value);
            sources.push((Source::of(value)?, weight));
        }
        if self.op != Op::Diff {
            sources.sort_by_key(|(source, _)| source.len());
        }
        Ok(sources)
    }
}

impl Query<'_> {
    /// Hands every member of the result and its score to `each`, until that says no. The members of a union come
    /// once for each source that has them, each time with what the scores make up to there.
    fn run(&self, db: &Keys<'_>, mut each: impl FnMut(&[u8], f64, Aggregate) -> bool) -> Done {
        let sources = self.sources(db)?;
        let Some((&(first, weight), others)) = sources.split_first() else {
            return Ok(());
        };
        match self.op {
            Op::Union => {
                for &(source, weight) in &sources {
                    source
                        .all(|member, score| each(member, not_nan(score * weight), self.aggregate));
                }
            }
            Op::Inter => first.all(|member, score| {
                let mut sum = not_nan(score * weight);
                for &(source, weight) in others {
                    let Some(score) = source.score(member) else {
                        return true;
                    };
                    // Unlike in a union, a product that is no number spoils the sum, which is then 0.
                    sum = self.aggregate.of(sum, score * weight);
                }
                each(member, sum, self.aggregate)
            }),
            Op::Diff => first.all(|member, score| {
                let elsewhere = others.iter().any(|(s, _)| s.score(member).is_some());
                elsewhere || each(member, score, self.aggregate)
            }),
        }
        Ok(())
    }

    /// The result as a sorted set in its big form.
    fn collect(&self, db: &Keys<'_>, limits: &Limits) -> Result<Zset, CmdError> {
        let mut result = Zset::new_big();
        self.run(db, |member, score, aggregate| {
            let score = match result.score(member) {
                Some(before) => aggregate.of(before, score),
                None => score,
            };
            result.insert(member, score, limits);
            true
        })?;
        Ok(result)
    }
}

fn reply(cx: &mut Cx<'_>, args: &[&[u8]], op: Op) -> Done {
    let query = Query::parse(&cx.db, args, 1, op, Form::Reply)?;
    let result = query.collect(&cx.db, cx.env.limits)?;
    let mut list = Scored::begin(cx.out, result.len(), query.with_scores);
    result.iter().for_each(|(m, s)| list.add(&m, s));
    Ok(())
}

fn keep(cx: &mut Cx<'_>, args: &[&[u8]], op: Op) -> Done {
    let query = Query::parse(&cx.db, args, 2, op, Form::Store)?;
    let result = query.collect(&cx.db, cx.env.limits)?.compact(cx.env.limits);
    let name = match op {
        Op::Union => "zunionstore",
        Op::Inter => "zinterstore",
        Op::Diff => "zdiffstore",
    };
    store(cx, args[1], result, name);
    Ok(())
}

pub(super) fn zunion(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply(cx, args, Op::Union)
}

pub(super) fn zinter(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply(cx, args, Op::Inter)
}

pub(super) fn zdiff(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    reply(cx, args, Op::Diff)
}

pub(super) fn zunionstore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    keep(cx, args, Op::Union)
}

pub(super) fn zinterstore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    keep(cx, args, Op::Inter)
}

pub(super) fn zdiffstore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    keep(cx, args, Op::Diff)
}

pub(super) fn zintercard(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let query = Query::parse(&cx.db, args, 1, Op::Inter, Form::Count)?;
    let mut number = 0;
    query.run(&cx.db, |_, _, _| {
        number += 1;
        number != query.limit
    })?;
    cx.out.int(number as i64);
    Ok(())
}
