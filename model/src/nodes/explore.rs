//! Every state of several nodes, breadth first.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use damselfly_core::properties::{Broken, Property};
use foldhash::quality::FixedState;

use super::{Action, Nodes, Size};
use crate::search::Progress;

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
    /// The properties broken anywhere.
    pub broken: Broken,
    /// The shortest way to the first of them.
    pub found: Option<Found>,
    /// From this many states nobody can take writes any more, whatever happens.
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
        writeln!(f, "      breaks {}", self.property)
    }
}

/// A state that was seen: 64 bits of it, and how it was come to.
struct Seen {
    from: u32,
    by: Option<Action>,
}

/// Explores all of it, or until the first broken property, or until `time` is over.
pub fn explore(size: &Size, first: bool, time: Option<Duration>) -> Explored {
    let began = Instant::now();
    let hasher = FixedState::with_seed(0);
    let print = |nodes: &Nodes| hasher.hash_one(nodes);
    let mut progress = Progress::new();
    let mut found = Explored {
        complete: true,
        unique: 0,
        transitions: 0,
        depth: 0,
        took: Duration::ZERO,
        broken: Broken::default(),
        found: None,
        stuck: 0,
    };
    let start = Nodes::new(size).canonical();
    let mut numbers = HashMap::new();
    numbers.insert(print(&start), 0u32);
    let mut seen = vec![Seen { from: 0, by: None }];
    let mut back: Vec<(u32, u32)> = Vec::new();
    let mut served = vec![start.takes_writes()];
    let mut frontier = vec![(0u32, start)];
    'search: while !frontier.is_empty() {
        for (from, nodes) in std::mem::take(&mut frontier) {
            for action in nodes.actions(size) {
                found.transitions += 1;
                let mut next = nodes.clone();
                let broken = next.act(size, action);
                if let Some(property) = broken.iter().next()
                    && found.found.is_none()
                {
                    let mut steps = way(&seen, from);
                    steps.push(action);
                    found.found = Some(Found { property, steps });
                }
                found.broken = found.broken.and(broken);
                if first && found.found.is_some() {
                    found.complete = false;
                    break 'search;
                }
                // What follows from a broken property is not looked at.
                if !broken.is_empty() {
                    continue;
                }
                let next = next.canonical();
                let number = seen.len() as u32;
                let known = *numbers.entry(print(&next)).or_insert(number);
                if known == number {
                    seen.push(Seen {
                        from,
                        by: Some(action),
                    });
                    served.push(next.takes_writes());
                    frontier.push((number, next));
                }
                back.push((known, from));
            }
            if time.is_some_and(|time| began.elapsed() > time) {
                found.complete = false;
                break 'search;
            }
            progress.show(seen.len(), found.transitions, found.depth);
        }
        found.depth += usize::from(!frontier.is_empty());
    }
    progress.clear();
    if found.complete {
        found.stuck = stuck(served, back);
    }
    found.unique = seen.len();
    found.took = began.elapsed();
    found
}

fn way(seen: &[Seen], mut at: u32) -> Vec<Action> {
    let mut steps = Vec::new();
    while let Seen { from, by: Some(by) } = &seen[at as usize] {
        steps.push(*by);
        at = *from;
    }
    steps.reverse();
    steps
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
