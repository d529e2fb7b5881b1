//! Several full nodes hand over to each other: nothing acknowledged is lost, and nobody is master beside another.

use std::time::Duration;

use damselfly_core::properties::Property;
use damselfly_model::nodes::{Explored, Fault, Size, explore};

const TWO: Size = Size {
    nodes: 2,
    writes: 2,
    force: false,
    fault: None,
};

fn all(size: &Size) -> Explored {
    let explored = explore(size, false, Some(Duration::from_secs(600)));
    assert!(explored.complete, "timed out");
    if let Some(found) = &explored.found {
        panic!("{found}");
    }
    assert_eq!(explored.stuck, 0, "states with no way to a master");
    explored
}

#[test]
fn two_nodes() {
    let seen = all(&TWO);
    let sizes = (seen.unique, seen.transitions, seen.depth);
    assert_eq!(sizes, (5_438, 22_510, 28));
}

#[test]
fn two_nodes_and_force() {
    let seen = all(&Size { force: true, ..TWO });
    let sizes = (seen.unique, seen.transitions, seen.depth);
    assert_eq!(sizes, (24_194, 117_762, 34));
}

#[test]
fn three_nodes() {
    let seen = all(&Size {
        nodes: 3,
        writes: 1,
        ..TWO
    });
    let sizes = (seen.unique, seen.transitions, seen.depth);
    assert_eq!(sizes, (925_164, 5_851_614, 57));
}

/// What would go wrong is found, by the shortest way.
#[test]
fn every_fault_is_found() {
    use Property::{NoSplitWrite, TakeoverKeepsWrites};
    for (fault, property, steps) in [
        (Fault::LossIsRefusal, NoSplitWrite, 5),
        (Fault::AnyRefusal, NoSplitWrite, 9),
        (Fault::AbortAlways, NoSplitWrite, 5),
        (Fault::WritesGoOn, TakeoverKeepsWrites, 5),
        (Fault::NobodyAsks, TakeoverKeepsWrites, 5),
    ] {
        let size = Size {
            fault: Some(fault),
            ..TWO
        };
        let explored = explore(&size, true, Some(Duration::from_secs(600)));
        let found = explored.found.expect("a fault that is not found");
        println!("{fault:?}:\n{found}");
        assert_eq!((found.property, found.steps.len()), (property, steps));
    }
}
