//! What a step of the core costs: the shell takes one for every batch of a replication stream.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use damselfly_core::{Answer, Boot, Domain, Input, Node, Output, Outputs};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Ids;

impl Domain for Ids {
    type Host = u64;
    type RunId = [u8; 40];
    type ReplId = [u8; 40];
    type Offset = u64;
    type Ticket = u64;
    type Generation = u64;

    fn next_ticket(ticket: u64) -> u64 {
        ticket + 1
    }

    fn next_generation(generation: u64) -> u64 {
        generation + 1
    }

    fn next_offset(offset: u64) -> u64 {
        offset + 1
    }
}

/// A node that streams from host 7, and the generation of its link.
fn streaming() -> (Node<Ids>, u64) {
    let mut node = Node::new(Boot {
        me: [b'm'; 40],
        fresh: [b'f'; 40],
        offset: 0,
        ticket: 0,
        generation: 0,
        follow: Some(7),
        flush: false,
    });
    let mut out = Outputs::new();
    node.step(Input::Restored { position: None }, &mut out);
    let generation = node.last_generation();
    let peer = Some([b'p'; 40]);
    node.step(Input::Dialed { generation, peer }, &mut out);
    let answer = Answer::Continue { replid: None };
    node.step(Input::Answered { generation, answer }, &mut out);
    assert!(node.status().link_up());
    (node, generation)
}

fn steps(c: &mut Criterion) {
    let (mut node, generation) = streaming();
    let mut out = Outputs::new();
    let mut to = 0;
    c.bench_function("core/batch", |b| {
        b.iter(|| {
            to += 1;
            node.step(black_box(Input::Batch { generation, to }), &mut out);
            assert!(out.drain().next().is_some());
        });
    });
    c.bench_function("core/stale batch", |b| {
        b.iter(|| {
            to += 1;
            let generation = generation - 1;
            node.step(black_box(Input::Batch { generation, to }), &mut out);
            assert!(out.drain().next().is_none());
        });
    });
    let mut target = 7;
    c.bench_function("core/replicaof, request to commit", |b| {
        b.iter(|| {
            target += 1;
            node.step(black_box(Input::Requested { target }), &mut out);
            let attempt = out.drain().find_map(|o| match o {
                Output::Connect(attempt) => Some(attempt),
                _ => None,
            });
            let greeted = attempt.and_then(|a| a.greeted(None).ok());
            let greeted = greeted.expect("a new target is connected to");
            node.step(Input::Commit { greeted, at: to }, &mut out);
            assert!(out.reply().is_some());
            out.drain().for_each(drop);
        });
    });
    c.bench_function("core/status", |b| b.iter(|| black_box(&node).status()));
}

criterion_group!(benches, steps);
criterion_main!(benches);
