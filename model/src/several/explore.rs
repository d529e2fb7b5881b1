//! Every state of several nodes, breadth first.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use damselfly_core::properties::{Broken, Property};

use super::{Action, Nodes, Size};
use crate::search::Progress;

/// When to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// When all was seen. What follows from a broken property is not looked at.
    All,
    /// When anything is broken.
    Any,
    /// When this is broken, whatever else is.
    Broken(Property),
}

/// What was found.
#[derive(Debug)]
pub struct Explored {
    /// Every state there is was seen.
    pub complete: bool,
    /// States seen.
    pub unique: usize,
    /// Transitions made.
    pub transitions: usize,
    /// The steps to the farthest state.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// The properties that are broken.
    pub broken: Broken,
    /// The shortest way to each of them.
    pub found: Vec<Found>,
    /// From this many states nobody can take writes any more, whatever happens. Counted where a hand-over is all
    /// that makes a master.
    pub stuck: usize,
}

/// A way to a broken property.
#[derive(Debug)]
pub struct Found {
    /// What is broken.
    pub property: Property,
    /// What happened, from the first state on.
    pub steps: Vec<Action>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:>4}. {step}")?;
        }
        write!(f, "      breaks {}", self.property)
    }
}

/// A broken property: the state before, by its number, and which of its actions did it.
type Hit = (Property, u32, usize);

/// Explores until it is to end, or until `time` is over.
pub fn explore(size: &Size, until: Until, time: Option<Duration>) -> Explored {
    let began = Instant::now();
    let mut progress = Progress::new();
    let (start, print) = Nodes::new(size).canonical();
    let judge_masters = !(size.may.replicaof || size.may.force || size.may.crash);
    let mut numbers = HashMap::<u64, u32, foldhash::fast::FixedState>::default();
    numbers.insert(print, 0);
    let mut from = vec![0u32];
    let (mut back, mut served) = (Vec::new(), vec![start.takes_writes()]);
    let (mut complete, mut transitions, mut depth) = (true, 0, 0);
    let mut broken = Broken::default();
    let mut hits: Vec<Hit> = Vec::new();
    let mut frontier = vec![(0u32, start)];
    'search: while !frontier.is_empty() {
        for (number, nodes) in std::mem::take(&mut frontier) {
            for (at, action) in nodes.actions(size).into_iter().enumerate() {
                transitions += 1;
                let mut next = nodes.clone();
                let wrong = next.act(size, action);
                for property in wrong.iter().filter(|p| !broken.has(*p)) {
                    hits.push((property, number, at));
                }
                broken = broken.and(wrong);
                let end = match until {
                    Until::All => false,
                    Until::Any => !wrong.is_empty(),
                    Until::Broken(property) => wrong.has(property),
                };
                if end {
                    complete = false;
                    break 'search;
                }
                if until == Until::All && !wrong.is_empty() {
                    continue;
                }
                let (next, print) = next.canonical();
                let new = from.len() as u32;
                let known = *numbers.entry(print).or_insert(new);
                if known == new {
                    from.push(number);
                    if judge_masters {
                        served.push(next.takes_writes());
                    }
                    frontier.push((new, next));
                }
                if judge_masters {
                    back.push((known, number));
                }
            }
            if time.is_some_and(|time| began.elapsed() > time) {
                complete = false;
                break 'search;
            }
            progress.show(from.len(), transitions, depth);
        }
        depth += usize::from(!frontier.is_empty());
    }
    progress.clear();
    let took = began.elapsed();
    if let Until::Broken(property) = until {
        hits.retain(|hit| hit.0 == property);
    }
    Explored {
        complete,
        unique: from.len(),
        transitions,
        depth,
        took,
        broken,
        found: (hits.iter())
            .filter_map(|hit| tell(size, hit, &numbers, &from))
            .collect(),
        stuck: match complete && judge_masters {
            true => stuck(served, back),
            false => 0,
        },
    }
}

/// What happened, by names that stay: every step is one that leads to the same representative.
fn tell<S>(size: &Size, hit: &Hit, numbers: &HashMap<u64, u32, S>, from: &[u32]) -> Option<Found> {
    let &(property, mut number, _) = hit;
    let mut path = vec![number];
    while number != 0 {
        number = from[number as usize];
        path.push(number);
    }
    let prints: HashMap<u32, u64> = (numbers.iter())
        .filter(|(_, number)| path.contains(number))
        .map(|(print, number)| (*number, *print))
        .collect();
    let mut nodes = Nodes::new(size);
    let mut steps = Vec::new();
    for number in path.iter().rev().skip(1) {
        let print = prints.get(number)?;
        let mut ways = nodes.actions(size).into_iter().filter_map(|action| {
            let mut next = nodes.clone();
            next.act(size, action);
            // Names are given anew by a state before it is gone on from; here nodes alone keep theirs.
            let (_, found) = next.clone().canonical();
            (found == *print).then_some((action, next.settled()))
        });
        let (action, next) = ways.next()?;
        drop(ways);
        steps.push(action);
        nodes = next;
    }
    let last = nodes.actions(size).into_iter().find(|action| {
        let mut next = nodes.clone();
        next.act(size, *action).has(property)
    })?;
    steps.push(last);
    Some(Found { property, steps })
}

/// How many states have no way to one that is `good`; `back` has each transition's end before its beginning.
fn stuck(mut good: Vec<bool>, mut back: Vec<(u32, u32)>) -> usize {
    back.sort_unstable();
    let first: Vec<usize> = (0..=good.len())
        .map(|at| back.partition_point(|(to, _)| (*to as usize) < at))
        .collect();
    let mut todo: Vec<usize> = (0..good.len()).filter(|at| good[*at]).collect();
    while let Some(at) = todo.pop() {
        for (_, from) in &back[first[at]..first[at + 1]] {
            let from = *from as usize;
            if !std::mem::replace(&mut good[from], true) {
                todo.push(from);
            }
        }
    }
    good.iter().filter(|good| !**good).count()
}
