//! Damselfly is followed: by stock servers, by its own kind, by several at once.

use crate::common::data::{Rng, churn, populate, seed};
use crate::common::wait::check;
use crate::common::*;
use std::time::{Duration, Instant};

const BOTH: [Kind; 2] = [Kind::Redis, Kind::Damselfly];

/// A Damselfly with data of every type.
fn master(args: &[&str]) -> Server {
    let master = Server::damselfly(args);
    seed(&mut master.client());
    master
}

#[test]
fn full_sync_and_live_stream() {
    for kind in BOTH {
        let master = master(&[]);
        let replica = Server::start(kind, &[]);
        replica.follow(master.port);
        let first = assert_same_data(&master, &replica);
        for kind in ["string", "list", "hash", "set", "zset", "stream"] {
            assert!(first.count(kind) > 6, "{} of {kind}", first.count(kind));
        }
        let (mut rng, mut client) = (Rng::new(21), master.client());
        for _ in 0..5 {
            churn(&mut client, &mut rng, 2000);
            await_caught_up(&master, &replica);
            assert_same_data(&master, &replica);
        }
        client.run("SWAPDB 0 1").ok();
        client.run("SELECT 3").ok();
        client.run("MOVE str:raw 5");
        client.run("SELECT 15").ok();
        client.run("FLUSHDB").ok();
        await_caught_up(&master, &replica);
        assert_same_data(&master, &replica);
        client.run("FLUSHALL").ok();
        await_caught_up(&master, &replica);
        assert_eq!(assert_same_data(&master, &replica).len(), 0);
    }
}

#[test]
fn the_snapshot_is_a_point_in_time_though_writes_go_on() {
    for kind in BOTH {
        let master = master(&[]);
        // Enough that the walk takes a while.
        populate(&mut master.client(), 100_000, 50);
        let (stop, port) = (std::sync::atomic::AtomicBool::new(false), master.port);
        std::thread::scope(|s| {
            for i in 0..2 {
                let stop = &stop;
                s.spawn(move || {
                    let mut client = Client::connect(port).expect("connect a writer");
                    let mut rng = Rng::new(22 + i);
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        churn(&mut client, &mut rng, 200);
                        // Deletes and changes what the walk may not have come to yet.
                        for _ in 0..50 {
                            let k = rng.below(100_000);
                            client.run(&format!("DEL filler:{k}"));
                            client.run(&format!("APPEND filler:{} x", (k * 7) % 100_000));
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(100));
            let replicas = [Server::start(kind, &[]), Server::start(kind, &[])];
            for replica in &replicas {
                replica.follow(port);
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            for replica in &replicas {
                await_caught_up(&master, replica);
                assert_same_data(&master, replica);
            }
        });
    }
}

#[test]
fn partial_resync_after_a_cut_link() {
    for kind in BOTH {
        cut_and_resume(&master(&[]), &Server::start(kind, &[]), 23);
    }
}

#[test]
fn a_backlog_that_is_too_short_means_a_full_sync() {
    let master = master(&["--repl-backlog-size", "16kb"]);
    let proxy = Proxy::to(master.port);
    let replica = Server::redis(&[]);
    replica.follow(proxy.port);
    proxy.set(Fault::Refuse);
    proxy.cut();
    churn(&mut master.client(), &mut Rng::new(24), 5000);
    proxy.set(Fault::None);
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
    assert_eq!(granted(&master).full, 2);
}

#[test]
fn several_replicas_at_once() {
    let master = master(&[]);
    let replicas: Vec<Server> = [Kind::Redis, Kind::Damselfly, Kind::Redis, Kind::Damselfly]
        .iter()
        .map(|kind| Server::start(*kind, &[]))
        .collect();
    for replica in &replicas {
        replica.run(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    }
    churn(&mut master.client(), &mut Rng::new(25), 5000);
    await_replicas(&master, 4);
    for replica in &replicas {
        await_caught_up(&master, replica);
        assert_same_data(&master, replica);
    }
    let role = master.run("ROLE");
    assert_eq!(role.list()[0].text(), "master");
    assert_eq!(role.list()[2].list().len(), 4);
    let mut ports: Vec<String> = role.list()[2]
        .list()
        .iter()
        .map(|r| r.list()[1].text())
        .collect();
    ports.sort();
    let mut expected: Vec<String> = replicas.iter().map(|r| r.port.to_string()).collect();
    expected.sort();
    assert_eq!(ports, expected);
    drop(replicas);
    eventually("the replicas are gone", || {
        let info = master.info("replication");
        check(info.num("connected_slaves") == 0, || info.short())
    });
}

#[test]
fn a_slow_replica_is_dropped_at_its_limit_and_never_waited_for() {
    let master = master(&["--client-output-buffer-limit", "replica 2mb 0 0"]);
    let (slow, healthy) = (Server::redis(&[]), Server::damselfly(&[]));
    slow.follow(master.port);
    healthy.follow(master.port);
    await_replicas(&master, 2);
    slow.freeze(true);
    let mut client = master.client();
    let value = vec![b'v'; 64 << 10];
    let (began, mut longest) = (Instant::now(), Duration::ZERO);
    // The socket's own buffers take some megabytes, then the log holds what is owed.
    for i in 0..400 {
        let asked = Instant::now();
        client
            .cmd(&[b"SET", format!("big:{}", i % 50).as_bytes(), &value])
            .ok();
        longest = longest.max(asked.elapsed());
    }
    assert!(
        longest < Duration::from_secs(10),
        "a write waited {longest:?}"
    );
    eventually("the slow one is dropped", || {
        let info = master.info("replication");
        check(info.num("connected_slaves") == 1, || info.short())
    });
    assert!(began.elapsed() < Duration::from_secs(30));
    await_caught_up(&master, &healthy);
    assert_same_data(&master, &healthy);
    slow.freeze(false);
    await_replicas(&master, 2);
    await_caught_up(&master, &slow);
    assert_same_data(&master, &slow);
}

#[test]
fn nothing_is_held_for_a_replica_that_was_killed() {
    let master = master(&["--repl-backlog-size", "16kb"]);
    let replica = Server::redis(&[]);
    replica.follow(master.port);
    await_replicas(&master, 1);
    replica.freeze(true);
    let mut client = master.client();
    let held = || master.info("memory").num("mem_clients_slaves");
    let value = vec![b'v'; 64 << 10];
    eventually("it is owed something", || {
        client.cmd(&[&b"SET"[..], b"k", &value]).ok();
        check(held() > 1 << 20, || held().to_string())
    });
    assert_eq!(master.run("CLIENT KILL TYPE replica").int(), 1);
    assert_eq!(held(), 0);
    replica.freeze(false);
}

#[test]
fn a_frozen_replica_in_its_full_sync_is_given_up() {
    let master = master(&["--repl-timeout", "2"]);
    populate(&mut master.client(), 200_000, 100);
    let proxy = Proxy::to(master.port);
    let replica = Server::redis(&[]);
    proxy.set(Fault::Delay(Duration::from_millis(50)));
    replica
        .run(&format!("REPLICAOF 127.0.0.1 {}", proxy.port))
        .ok();
    eventually("the snapshot is on its way", || {
        check(proxy.bytes_down() > 100_000, || {
            proxy.bytes_down().to_string()
        })
    });
    proxy.set(Fault::Mute);
    // Writes go on meanwhile, at their usual pace.
    let began = Instant::now();
    churn(&mut master.client(), &mut Rng::new(26), 2000);
    assert!(began.elapsed() < Duration::from_secs(30));
    eventually("it is given up", || {
        let info = master.info("replication");
        check(info.num("connected_slaves") == 0, || info.get("slave0"))
    });
    proxy.cut();
    proxy.set(Fault::None);
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
}

#[test]
fn a_master_started_again_is_another_history() {
    let mut master = master(&[]);
    let replica = Server::redis(&[]);
    replica.follow(master.port);
    let old = master.info("replication").get("master_replid");
    master.restart();
    seed(&mut master.client());
    master.run("SET only-now 1").ok();
    await_caught_up(&master, &replica);
    assert_ne!(master.info("replication").get("master_replid"), old);
    assert_same_data(&master, &replica);
    assert_eq!(replica.run("GET only-now").text(), "1");
}

#[test]
fn acknowledged_offsets_are_told() {
    let master = master(&[]);
    let replicas = [Server::redis(&[]), Server::damselfly(&[])];
    for replica in &replicas {
        replica.follow(master.port);
    }
    churn(&mut master.client(), &mut Rng::new(27), 100);
    eventually("both acknowledge the offset", || {
        let info = master.info("replication");
        let at = format!("offset={},", info.get("master_repl_offset"));
        let all = (0..2).all(|i| info.get(&format!("slave{i}")).contains(&at));
        check(all, || format!("{info:?}"))
    });
}

/// Its replies would be taken for the stream.
#[test]
fn a_replica_that_asks_like_a_client_is_dropped() {
    for server in [Server::damselfly(&[]), Server::redis(&[])] {
        for sync in ["SYNC", "PSYNC ? -1"] {
            let mut client = server.client();
            client
                .send_raw(format!("{sync}\r\nPING\r\n").as_bytes())
                .expect("send");
            client.read_to_end().expect("the end of the connection");
        }
        assert!(server.log().contains("generated a reply to command 'ping'"));
        let refused = server.run("PSYNC ? x");
        assert_eq!(
            refused.error(),
            "ERR value is not an integer or out of range"
        );
        assert!(server.log().contains("but with a wrong offset"));
    }
}
