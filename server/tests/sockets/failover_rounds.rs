//! The role goes round among Damselfly and stock nodes while clients write: not one acknowledged write is lost.

use crate::common::data::Rng;
use crate::common::wait::check;
use crate::common::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

/// A client that counts up a key of its own at whoever is master.
struct Counter {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    key: String,
}

impl Counter {
    fn start(number: usize, ports: Vec<u16>) -> Counter {
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let key = format!("count:{number}");
        let line = format!("INCR {key}");
        let (ended, counted) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = thread::spawn(move || {
            let mut clients: Vec<Client> = ports
                .iter()
                .map(|port| Client::connect(*port).expect("connect"))
                .collect();
            let mut at = number % clients.len();
            while !ended.load(SeqCst) {
                match clients[at].run(&line) {
                    Value::Int(n) => {
                        let before = counted.swap(n as u64, SeqCst);
                        assert_eq!(n as u64, before + 1, "a write is missing, or there twice");
                    }
                    refused => {
                        let text = refused.error();
                        assert!(text.starts_with("READONLY"), "{text}");
                        at = (at + 1) % clients.len();
                    }
                }
            }
        });
        Counter {
            stop,
            count,
            thread: Some(thread),
            key,
        }
    }

    fn stop(&mut self) -> u64 {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a counter");
        }
        self.count.load(SeqCst)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
    }
}

#[test]
fn the_role_goes_round_and_no_write_is_lost() {
    let seed = 77;
    let mut rng = Rng::new(seed);
    let nodes = [
        Server::damselfly(&[]),
        Server::damselfly(&[]),
        Server::redis(&[]),
    ];
    for replica in &nodes[1..] {
        replica.follow(nodes[0].port);
    }
    let ports: Vec<u16> = nodes.iter().map(|n| n.port).collect();
    let mut counters: Vec<Counter> = (0..4).map(|i| Counter::start(i, ports.clone())).collect();
    let mut master = 0;
    let mut said = Vec::new();
    for round in 0..6 {
        await_replicas(&nodes[master], 2);
        let heir = (master + 1 + rng.below(2) as usize) % 3;
        let other = 3 - master - heir;
        let (old, new) = (&nodes[master], &nodes[heir]);
        said.push(format!("{:?} to {:?}", old.kind, new.kind));
        match (round % 3, new.kind) {
            (0, Kind::Damselfly) => new.run("REPLTAKEOVER 20").ok(),
            _ => old
                .run(&format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 20000", new.port))
                .ok(),
        }
        old.await_link(new.port);
        nodes[other].follow(new.port);
        master = heir;
        let before = counters[0].count.load(SeqCst);
        eventually("clients write to the new master", || {
            let now = counters[0].count.load(SeqCst);
            check(now > before + 20, || format!("{before} -> {now}"))
        });
    }
    println!("seed {seed}: {}", said.join(", "));
    let counts: Vec<u64> = counters.iter_mut().map(Counter::stop).collect();
    for (counter, count) in counters.iter().zip(&counts) {
        let held = nodes[master].run(&format!("GET {}", counter.key)).text();
        assert_eq!(held, count.to_string(), "{}", counter.key);
    }
    for (i, node) in nodes.iter().enumerate() {
        if i != master {
            await_caught_up(&nodes[master], node);
            assert_same_data(&nodes[master], node);
        }
    }
}

#[test]
fn a_storm_of_replicaof_changes_nothing_while_a_hand_over_waits() {
    let master = Server::damselfly(&[]);
    let replica = Server::redis(&[]);
    let others = [Server::redis(&[]), Server::redis(&[])];
    replica.follow(master.port);
    await_replicas(&master, 1);
    replica.freeze(true);
    master.run("SET k v").ok();
    // Some are connecting already when it begins.
    let mut early = master.client();
    early
        .send_line(&format!("REPLICAOF 127.0.0.1 {}", replica.port))
        .unwrap();
    eventually("it is on its way", || {
        let log = master.log();
        check(log.contains("Connecting to MASTER"), || log)
    });
    master
        .run(&format!(
            "FAILOVER TO 127.0.0.1 {} TIMEOUT 20000",
            replica.port
        ))
        .ok();
    let storm: Vec<_> = (0..8)
        .map(|i| {
            let (mut client, port) = (master.client(), others[i % 2].port);
            thread::spawn(move || {
                for round in 0..50 {
                    let line = match round % 5 {
                        4 => "REPLICAOF NO ONE".to_owned(),
                        3 => "FAILOVER".to_owned(),
                        _ => format!("REPLICAOF 127.0.0.1 {port}"),
                    };
                    let said = client.run(&line);
                    assert!(
                        said.error().ends_with("while failing over.")
                            || said.error().ends_with("already in progress."),
                        "{line}: {said:?}"
                    );
                }
            })
        })
        .collect();
    for client in storm {
        client.join().expect("a client");
    }
    let info = master.info("replication");
    assert_eq!(info.get("role"), "master");
    assert_eq!(info.get("master_failover_state"), "waiting-for-sync");
    replica.freeze(false);
    master.await_link(replica.port);
    // It greeted too late, and was told so or cancelled.
    assert!(early.read().unwrap().is_error());
    assert_eq!(replica.run("GET k").text(), "v");
    assert_same_data(&replica, &master);
}
