//! The gates and the published status: nobody sees half of a change, nobody waits for ever.
//!
//! Each property is also shown to be broken by the mistake that it is there to prevent.

mod common;

use common::every_interleaving;
use damselfly_loom::gate::gates::Gates;
use damselfly_loom::gate::published::Published;
use damselfly_loom::sync::{AtomicBool, AtomicU64};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// What lies in a gate: the number of a dataset, and of the status that goes with it.
type View = (u32, u32);

/// How many commands run, in whichever gate.
type Running = AtomicU64;

/// One batch in gate `slot`: the view is whole, the same all the time, and no older than `seen`. Returns it.
fn batch(gates: &Gates<View>, slot: usize, running: &Running, seen: View) -> View {
    let gate = gates.enter(slot);
    let at_first = *gate;
    assert_eq!(at_first.0, at_first.1, "half a change");
    assert!(at_first >= seen, "a view went back");
    running.fetch_add(1, Relaxed);
    assert_eq!(*gate, at_first, "it changed under a command");
    running.fetch_sub(1, Relaxed);
    Gates::leave(gate);
    at_first
}

/// A swap: while it goes on, nothing else does.
fn swap(gates: &Gates<View>, tries: Option<usize>, running: &Running) {
    let mut all = match tries {
        Some(tries) => gates.all_after(tries),
        None => gates.all(),
    };
    nothing_runs(running);
    all.update(|view| *view = (view.0 + 1, view.1 + 1));
    nothing_runs(running);
}

fn nothing_runs(running: &Running) {
    assert_eq!(running.load(Relaxed), 0, "a command runs meanwhile");
}

fn swap_among_batches(tries: Option<usize>) {
    every_interleaving(3, move || {
        let shared = Arc::new((Gates::new(2, (0, 0)), Running::new(0)));
        let there = Arc::clone(&shared);
        let worker = thread::spawn(move || batch(&there.0, 1, &there.1, (0, 0)));
        let there = Arc::clone(&shared);
        let taker = thread::spawn(move || swap(&there.0, tries, &there.1));
        let seen = batch(&shared.0, 0, &shared.1, (0, 0));
        batch(&shared.0, 1, &shared.1, seen);
        worker.join().unwrap();
        taker.join().unwrap();
        assert_eq!(*shared.0.enter(0), (1, 1));
        assert_eq!(*shared.0.enter(1), (1, 1));
    });
}

#[test]
fn a_command_sees_the_old_or_the_new_and_never_both() {
    swap_among_batches(None);
}

#[test]
fn nor_when_the_gates_are_taken_one_after_the_other() {
    swap_among_batches(Some(0));
}

#[test]
fn two_who_want_all_gates_both_get_them_one_after_the_other() {
    for tries in [None, Some(0)] {
        every_interleaving(2, move || {
            let shared = Arc::new((Gates::new(2, (0, 0)), Running::new(0)));
            let takers: [_; 2] = std::array::from_fn(|_| {
                let there = Arc::clone(&shared);
                thread::spawn(move || swap(&there.0, tries, &there.1))
            });
            batch(&shared.0, 1, &shared.1, (0, 0));
            for taker in takers {
                taker.join().unwrap();
            }
            assert_eq!(*shared.0.all().view(), (2, 2));
        });
    }
}

/// The mistake: a view is replaced gate by gate.
#[test]
#[should_panic(expected = "a view went back")]
fn replacing_a_view_gate_by_gate_is_found() {
    every_interleaving(2, || {
        let shared = Arc::new((Gates::new(2, (0, 0)), Running::new(0)));
        let there = Arc::clone(&shared);
        let taker = thread::spawn(move || {
            for slot in 0..2 {
                *there.0.enter(slot) = (1, 1);
            }
        });
        let seen = batch(&shared.0, 0, &shared.1, (0, 0));
        batch(&shared.0, 1, &shared.1, seen);
        taker.join().unwrap();
    });
}

/// The mistake: what needs all gates is done with one of them.
#[test]
#[should_panic(expected = "a command runs meanwhile")]
fn changing_the_world_under_one_gate_is_found() {
    every_interleaving(2, || {
        let shared = Arc::new((Gates::new(2, (0, 0)), Running::new(0)));
        let there = Arc::clone(&shared);
        let taker = thread::spawn(move || {
            let gate = there.0.enter(1);
            nothing_runs(&there.1);
            Gates::leave(gate);
        });
        batch(&shared.0, 0, &shared.1, (0, 0));
        taker.join().unwrap();
    });
}

/// The mistake: one gate is held while all are waited for.
#[test]
#[should_panic(expected = "deadlock")]
fn wanting_all_gates_while_holding_one_is_found() {
    every_interleaving(1, || {
        let gates = Gates::new(2, (0, 0));
        let held = gates.enter(1);
        drop(gates.all());
        Gates::leave(held);
    });
}

/// A status, in one gate and in the cell, and a reply.
struct Node {
    gates: Gates<Arc<u32>>,
    published: Published<u32>,
    replied: AtomicBool,
}

impl Node {
    fn new() -> Arc<Node> {
        Arc::new(Node {
            gates: Gates::new(1, Arc::new(0)),
            published: Published::new(0),
            replied: AtomicBool::new(false),
        })
    }

    fn commit(&self, status: u32) {
        let mut all = self.gates.all();
        let status = Arc::new(status);
        self.published
            .publish(&mut all, &status, |view, status| *view = status);
    }

    fn in_gate(&self) -> u32 {
        **self.gates.enter(0)
    }

    /// Three who look: what the second look shows is never older than what the first one did.
    fn looks(&self) {
        let replied = self.replied.load(Acquire);
        let published = *self.published.load();
        let in_gate = self.in_gate();
        assert!(
            !replied || published == 1,
            "the reply came before the status"
        );
        assert!(in_gate >= published, "the cell was before the gates");
        assert!(
            *self.published.load() >= in_gate,
            "the gates opened before the cell"
        );
    }
}

fn commits(how: impl Fn(&Node) + Send + Sync + Copy + 'static) {
    every_interleaving(3, move || {
        let node = Node::new();
        let there = Arc::clone(&node);
        let committer = thread::spawn(move || how(&there));
        node.looks();
        committer.join().unwrap();
        node.looks();
    });
}

#[test]
fn the_reply_comes_after_the_status_and_the_status_is_one() {
    commits(|node| {
        node.commit(1);
        node.replied.store(true, Release);
    });
}

/// The mistake: OK before the commit is published.
#[test]
#[should_panic(expected = "the reply came before the status")]
fn a_reply_before_the_status_is_found() {
    commits(|node| {
        node.replied.store(true, Release);
        node.commit(1);
    });
}

/// The mistake: the gates open between their views and the cell.
#[test]
#[should_panic(expected = "the gates opened before the cell")]
fn a_status_published_in_two_steps_is_found() {
    commits(|node| {
        node.gates.all().replace(Arc::new(1));
        node.commit(1);
        node.replied.store(true, Release);
    });
}
