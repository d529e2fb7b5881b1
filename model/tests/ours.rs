//! Ours in every world of a size, to completion. The counts are exact: a change of them is a change of
//! the protocol or of the world, and is to be looked at.

use std::collections::HashSet;
use std::time::Duration;

use damselfly_core::Node;
use damselfly_core::properties::Property;
use damselfly_model::model::{CHECKED, InWorld};
use damselfly_model::search::{Limits, search};
use damselfly_model::tiny::Tiny;
use damselfly_model::world::{Setting, Stage, Start, World};
use damselfly_model::{linear, live};
use stateright::Model;

type Ours = InWorld<Node<Tiny>>;

const SETTING: Setting = Setting {
    clients: 3,
    masters: 2,
    start: Start::Cold,
    reads: true,
    toggles: true,
    marks: false,
    canonical: true,
    links: true,
    hand_over: false,
};

/// The verdicts, a line each.
fn hold(properties: &[Property], setting: &Setting, states: usize) {
    let (clients, masters) = (setting.clients, setting.masters);
    for property in properties {
        println!("{property} holds ({clients} clients x {masters} masters: {states} states)");
    }
}

#[test]
fn every_state_of_three_clients_and_two_masters() {
    let limits = Limits {
        time: Some(Duration::from_secs(600)),
        ..Limits::default()
    };
    let outcome = search(Ours::new(SETTING), limits);
    let broken: Vec<_> = outcome.violations.iter().map(|(name, _)| *name).collect();
    assert!(broken.is_empty(), "{broken:?}");
    assert!(outcome.complete, "timed out");
    assert_eq!(
        (outcome.unique, outcome.transitions, outcome.depth),
        (491_612, 10_568_384, 22)
    );
    hold(&CHECKED, &SETTING, outcome.unique);
}

/// The graph that liveness is decided on is made by another search, and has the same states.
#[test]
fn the_link_converges() {
    let time = Some(Duration::from_secs(600));
    let found = live::converges(&Ours::new(SETTING), time).expect("timed out");
    assert!(found.stuck.is_none(), "{:?}", found.stuck.map(|s| s.0));
    assert_eq!((found.states, found.calm), (491_612, 476_456));
    hold(&[Property::LinkConverges], &SETTING, found.states);
}

#[test]
fn histories_of_three_clients_are_linearizable() {
    let (verdict, setting) = linear::check::<Node<Tiny>>(3);
    assert!(verdict.complete && !verdict.broken);
    assert_eq!(verdict.unique, 2_402_177);
    hold(&[Property::LinearizableRole], &setting, verdict.unique);
}

/// A representative can do all that what it represents can, and gets to the same representatives; at
/// most it still has a connection that was told to stop, and so can do more. Without such connections
/// it can do no more, either. Looked at on worlds that were never renamed.
#[test]
fn representatives_have_the_same_future() {
    let setting = Setting {
        clients: 2,
        toggles: false,
        ..SETTING
    };
    let real = Setting {
        canonical: false,
        ..setting
    };
    let future = |world: &World<Node<Tiny>>| -> HashSet<World<Node<Tiny>>> {
        let next = Ours::new(real).next_states(world).into_iter();
        next.map(|w| w.canonical(&setting)).collect()
    };
    let at_rest = |world: &World<Node<Tiny>>| {
        let mut world = world.clone();
        world.wires.retain(|w| w.stage != Stage::Stopped);
        world
    };
    let mut seen = HashSet::new();
    let mut frontier = Ours::new(real).init_states();
    for _ in 0..6 {
        for world in std::mem::take(&mut frontier) {
            let representative = world.clone().canonical(&setting);
            assert_eq!(representative, representative.clone().canonical(&setting));
            let (may, stands_for) = (future(&world), future(&representative));
            let rested: HashSet<_> = stands_for.iter().map(at_rest).collect();
            for next in &may {
                assert!(
                    stands_for.contains(next) || rested.contains(next),
                    "{representative}\nis to stand for\n{world}\nbut cannot do this:\n{next}"
                );
            }
            if representative
                .wires
                .iter()
                .all(|w| w.stage != Stage::Stopped)
            {
                assert_eq!(may.len(), stands_for.len(), "{world}\n{representative}");
            }
            for next in Ours::new(real).next_states(&world) {
                if seen.insert(next.clone()) {
                    frontier.push(next);
                }
            }
        }
    }
    assert!(seen.len() > 10_000, "{}", seen.len());
}

const HAND_OVER: Setting = Setting {
    clients: 2,
    toggles: false,
    hand_over: true,
    ..SETTING
};

/// `FAILOVER` to anybody or to one, with and without `FORCE`, `ABORT`, time-outs, lost answers, and requests to take
/// over, with `REPLICAOF` and every fault of the network in between.
#[test]
fn every_state_of_a_hand_over() {
    let setting = HAND_OVER;
    let limits = Limits {
        time: Some(Duration::from_secs(600)),
        ..Limits::default()
    };
    let outcome = search(Ours::new(setting), limits);
    let broken: Vec<_> = outcome.violations.iter().map(|(name, _)| *name).collect();
    assert!(broken.is_empty(), "{broken:?}");
    assert!(outcome.complete, "timed out");
    assert_eq!(
        (outcome.unique, outcome.transitions, outcome.depth),
        (73_224, 1_675_414, 22)
    );
    hold(&CHECKED, &setting, outcome.unique);
}

/// A hand-over that is accepted ends in a stream, too.
#[test]
fn the_link_converges_after_a_hand_over() {
    let time = Some(Duration::from_secs(600));
    let found = live::converges(&Ours::new(HAND_OVER), time).expect("timed out");
    assert!(found.stuck.is_none(), "{:?}", found.stuck.map(|s| s.0));
    assert_eq!(found.states, 73_224);
}
