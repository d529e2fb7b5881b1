//! The canonical form against the world as it is: what it takes from a state, no future depends on.

use std::collections::HashSet;

use damselfly_core::properties::Broken;

use super::writes::WRITES_MAX;
use super::{Action, Fault, May, Nodes, Size};

const TWO: Size = Size {
    nodes: 2,
    writes: 1,
    may: May::ALL,
    commands: None,
    fault: None,
};

/// What may happen next to `nodes`, which were never renamed.
///
/// How far writes may be ahead is the bound of the search, and looked at in the representative; all else is asked of
/// the nodes as they are, and is to be the same.
fn may(nodes: &Nodes, size: &Size) -> Vec<Action> {
    let settled = nodes.clone().settled();
    let unbounded = Size {
        writes: u8::MAX,
        ..*size
    };
    assert_eq!(nodes.actions(&unbounded), settled.actions(&unbounded));
    settled.actions(size)
}

/// What was seen in so many steps.
#[derive(Default)]
struct Seen {
    /// The representatives, by their hashes.
    prints: HashSet<u64>,
    /// What was broken.
    broken: Broken,
    /// The states that were gone on from.
    states: usize,
}

/// Every state within `depth` steps; gone on from as its representative, or as it is.
fn within(size: &Size, depth: usize, canonical: bool) -> Seen {
    let start = Nodes::new(size);
    let (representative, print) = start.clone().canonical();
    let mut seen = Seen::default();
    seen.prints.insert(print);
    let mut known = HashSet::new();
    let mut frontier = vec![if canonical { representative } else { start }];
    for _ in 0..depth {
        for nodes in std::mem::take(&mut frontier) {
            for action in may(&nodes, size) {
                let mut next = nodes.clone();
                let wrong = next.act(size, action);
                // Nothing is forgotten here, and there is room for so many.
                assert!(
                    next.all
                        .iter()
                        .all(|m| usize::from(m.data.len()) < WRITES_MAX)
                );
                seen.broken = seen.broken.and(wrong);
                if !wrong.is_empty() {
                    continue;
                }
                let (representative, print) = next.clone().canonical();
                seen.prints.insert(print);
                let next = if canonical { representative } else { next };
                if known.insert(next.clone()) {
                    frontier.push(next);
                }
            }
        }
    }
    seen.states = known.len();
    seen
}

/// The same representatives are reached, and the same is broken, whether names and offsets are given anew after each
/// step or never.
#[test]
fn what_is_never_renamed_gets_to_the_same_representatives() {
    let hand_over = May::HAND_OVER;
    let fault = |fault| Size {
        fault: Some(fault),
        ..TWO
    };
    for (size, depth) in [
        (TWO, 6),
        (Size { writes: 2, ..TWO }, 6),
        (
            Size {
                may: hand_over,
                writes: 2,
                ..TWO
            },
            12,
        ),
        (Size { nodes: 3, ..TWO }, 4),
        (
            Size {
                may: hand_over,
                ..fault(Fault::NobodyAsks)
            },
            9,
        ),
        (fault(Fault::SwapEarly), 5),
    ] {
        let (renamed, as_it_is) = (within(&size, depth, true), within(&size, depth, false));
        println!(
            "{size:?}: {} states, {} representatives",
            as_it_is.states,
            renamed.prints.len()
        );
        assert_eq!(renamed.broken, as_it_is.broken, "{size:?}");
        assert_eq!(renamed.broken.is_empty(), size.fault.is_none(), "{size:?}");
        assert!(renamed.prints == as_it_is.prints, "{size:?}");
        assert!(as_it_is.states > renamed.states, "{size:?}");
    }
}

/// A state that no name was taken from, and what it was renamed to, can do the same, break the same by it, and get to
/// the same representative. Looked at after each step of a whole world, so it holds of every run in it.
#[test]
fn every_step_is_the_same_before_and_after_the_renaming() {
    let size = Size {
        writes: 2,
        commands: Some(3),
        ..TWO
    };
    let (start, print) = Nodes::new(&size).canonical();
    let mut known = HashSet::from([print]);
    let mut todo = vec![start];
    let mut compared = 0;
    while let Some(nodes) = todo.pop() {
        for action in nodes.actions(&size) {
            let mut next = nodes.clone();
            next.act(&size, action);
            let settled = next.clone().settled();
            if next != settled {
                for then in may(&next, &size) {
                    let (mut long, mut short) = (next.clone(), settled.clone());
                    let (one, other) = (long.act(&size, then), short.act(&size, then));
                    assert_eq!(one, other, "{action}; then {then}");
                    let same = long.canonical().1 == short.canonical().1;
                    assert!(same, "{action}; then {then}");
                    compared += 1;
                }
            }
            let (next, print) = next.canonical();
            if known.insert(print) {
                todo.push(next);
            }
        }
    }
    println!("{} states, {compared} steps compared", known.len());
    assert!(compared > 10_000);
}
