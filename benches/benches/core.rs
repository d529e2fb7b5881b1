//! What a step of the core costs: the shell takes one for every batch of a replication stream.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use damselfly_core::trace::Recorder;
use damselfly_core::{Answer, Boot, Input, Node, Output, Outputs};
use damselfly_server::repl::domain::{Host, Id, Wire};

fn id(digit: u8) -> Id {
    Id::parse(&[digit; 40]).expect("40 digits")
}

fn host(port: u16) -> Host {
    Host::new("replica.example", port).expect("a name")
}

fn boot() -> Boot<Wire> {
    Boot {
        me: id(b'1'),
        fresh: id(b'2'),
        offset: 0,
        ticket: 0,
        generation: 0,
        follow: Some(host(7)),
        flush: false,
    }
}

/// A node that streams from host 7, and the generation of its link.
fn streaming() -> (Node<Wire>, u64) {
    let mut node = Node::new(boot());
    let mut out = Outputs::new();
    node.step(Input::Restored { position: None }, &mut out);
    let generation = node.last_generation();
    let peer = Some(id(b'3'));
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
    let mut recorder = Recorder::begin("v2", &boot(), &mut String::new());
    let mut text = String::with_capacity(64 << 10);
    c.bench_function("core/batch, recorded", |b| {
        b.iter(|| {
            to += 1;
            let batch = black_box(Input::Batch { generation, to });
            recorder.fact(&batch, &mut text);
            node.step(batch, &mut out);
            recorder.deeds(&out, &mut text);
            assert!(out.drain().next().is_some());
            if text.len() > 60 << 10 {
                black_box(&text);
                text.clear();
            }
        });
    });
    let mut port = 7;
    c.bench_function("core/replicaof, request to commit", |b| {
        b.iter(|| {
            port = port % 60_000 + 1;
            let target = host(port);
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
