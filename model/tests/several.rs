//! Several full nodes: what one node cannot show holds, in every state of them all, and what would break it is found.
//! The counts are exact: a change of them is a change of the protocol or of the world, and is to be looked at.

use std::time::Duration;

use damselfly_core::properties::Property;
use damselfly_model::several::{Explored, Fault, May, Size, Until, checked, explore};

const TWO: Size = Size {
    nodes: 2,
    writes: 1,
    may: May::ALL,
    commands: None,
    fault: None,
};

fn all(size: &Size) -> Explored {
    let explored = explore(size, Until::All, Some(Duration::from_secs(600)));
    for found in &explored.found {
        println!("{found}");
    }
    assert!(explored.found.is_empty());
    assert!(explored.complete, "timed out");
    assert_eq!(explored.stuck, 0, "states with no way to a master");
    for property in checked() {
        println!("{property} holds ({size:?}: {} states)", explored.unique);
    }
    explored
}

fn sizes(seen: &Explored) -> (usize, usize, usize) {
    (seen.unique, seen.transitions, seen.depth)
}

#[test]
fn two_nodes_that_hand_over() {
    for (writes, counts) in [(1, (113, 387, 13)), (2, (157, 542, 14))] {
        let may = May::HAND_OVER;
        assert_eq!(sizes(&all(&Size { writes, may, ..TWO })), counts);
    }
}

#[test]
fn three_nodes_that_hand_over() {
    let (nodes, may) = (3, May::HAND_OVER);
    let seen = all(&Size { nodes, may, ..TWO });
    assert_eq!(sizes(&seen), (29_385, 164_396, 61));
}

/// Nobody ends it and it has no time: as long as connections are cut only now and then, it gets to its end.
#[test]
fn a_hand_over_comes_to_its_end_by_itself() {
    let may = May {
        abort: false,
        ..May::HAND_OVER
    };
    for (nodes, counts) in [(2, (113, 271, 13)), (3, (26_325, 106_015, 61))] {
        let size = Size { nodes, may, ..TWO };
        assert_eq!(sizes(&all(&size)), counts);
        let fault = Some(Fault::SendsAway);
        let sent_away = explore(&Size { fault, ..size }, Until::All, None);
        assert!(sent_away.complete && sent_away.stuck > 0, "{sent_away:?}");
    }
}

/// Three nodes with their operator, crashes and files, one of which may happen.
#[test]
fn anything_that_may_happen_once_to_three_nodes() {
    let (nodes, commands) = (3, Some(1));
    let seen = all(&Size {
        nodes,
        commands,
        ..TWO
    });
    assert_eq!(sizes(&seen), (19_651, 94_426, 35));
}

#[test]
fn two_nodes_and_their_operator() {
    let may = May {
        replicaof: true,
        ..May::default()
    };
    assert_eq!(sizes(&all(&Size { may, ..TWO })), (584, 2_745, 14));
}

#[test]
fn two_nodes_that_die_and_have_files() {
    let may = May {
        crash: true,
        save: true,
        ..May::default()
    };
    assert_eq!(sizes(&all(&Size { may, ..TWO })), (12_656, 140_607, 30));
}

#[test]
fn two_nodes_of_which_one_diverges() {
    for (more, counts) in [(false, (42, 108, 10)), (true, (727, 3_377, 14))] {
        let may = May {
            diverge: true,
            replicaof: more,
            ..May::default()
        };
        assert_eq!(sizes(&all(&Size { may, ..TWO })), counts);
    }
}

#[test]
fn everything_that_may_happen_to_two_nodes() {
    assert_eq!(sizes(&all(&TWO)), (133_931, 1_978_546, 29));
}

/// What would go wrong is found, by the shortest way.
#[test]
fn every_fault_is_found() {
    use Fault::*;
    use Property::*;
    let crash = May {
        failover: false,
        abort: false,
        force: false,
        replicaof: false,
        diverge: false,
        ..May::ALL
    };
    let failover = May::HAND_OVER;
    let replicaof = May {
        replicaof: true,
        ..May::default()
    };
    let (both, saves) = (
        May {
            failover: true,
            abort: true,
            ..crash
        },
        May {
            crash: false,
            ..crash
        },
    );
    let diverge = May {
        diverge: true,
        save: true,
        ..May::default()
    };
    let (two, three) = (TWO, Size { nodes: 3, ..TWO });
    for (size, may, fault, property, steps) in [
        (two, failover, LossIsRefusal, NoSplitWrite, 7),
        (two, failover, AnyRefusal, NoSplitWrite, 9),
        (two, failover, AbortAlways, NoSplitWrite, 7),
        (two, failover, WritesGoOn, TakeoverKeepsWrites, 7),
        (two, failover, NobodyAsks, TakeoverKeepsWrites, 7),
        (two, both, TakesBlindly, TakeoverKeepsWrites, 10),
        (two, both, AnyMaster, TakeoverKeepsWrites, 12),
        (two, replicaof, SecondTooFar, NoFalseContinue, 7),
        (two, replicaof, AnyHistory, NoFalseContinue, 7),
        (three, replicaof, NobodyDropped, NoFalseContinue, 11),
        (two, replicaof, NotAtRest, NoSplitWrite, 5),
        (two, saves, AppliedTwice, NoDoubleApply, 9),
        (two, saves, AppliedTwice, Prefix, 9),
        (two, replicaof, SwapEarly, AtomicSwap, 3),
        (two, replicaof, HalfATransaction, AtomicSwap, 5),
        (three, replicaof, SnapshotOfNothing, AtomicSwap, 6),
        (two, crash, StaleIsCurrent, NoFalseContinue, 8),
        (two, crash, KeepsName, NoFalseContinue, 9),
        (two, crash, FileIsHistory, NoFalseContinue, 10),
        (two, replicaof, Uncounted, Prefix, 10),
        (two, diverge, PassedOver, Prefix, 5),
        (two, diverge, PassedOver, OffsetDescribesDataset, 5),
        (two, diverge, FileClaims, OffsetDescribesDataset, 6),
    ] {
        let size = Size {
            may,
            fault: Some(fault),
            writes: if fault == AppliedTwice { 2 } else { 1 },
            ..size
        };
        let until = Until::Broken(property);
        let explored = explore(&size, until, Some(Duration::from_secs(600)));
        let [found] = &explored.found[..] else {
            panic!("{fault:?} does not break {property}, or its story is lost");
        };
        println!("{fault:?}:\n{found}");
        assert_eq!(found.steps.len(), steps, "{fault:?}");
    }
}
