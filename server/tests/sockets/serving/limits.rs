//! Replicas that are slow, stuck, silent or gone, and what is freed when.

use super::bed::{self, Bed, eager, raw, read_line, wait};
use damselfly_core::LinkStatus;
use damselfly_server::log::Limits;
use damselfly_server::repl::domain::Host;
use damselfly_server::repl::serve::MasterConfig;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_frozen_replica_is_let_go_and_nobody_waits_for_it() {
    let bed = Bed::new(MasterConfig {
        limits: Limits {
            backlog: 64 << 10,
            hard: 1 << 20,
        },
        ..eager()
    });
    let stock = bed::stock(&bed);
    bed.wait_online(1);
    let mut frozen = raw(&bed, "REPLCONF capa eof\r\nPSYNC ? -1\r\n");
    wait("its snapshot", || bed.master.replicas().len() == 2);
    frozen.write_all(b"REPLCONF ACK 0\r\n").unwrap();
    bed.wait_online(2);
    let value = "x".repeat(10_000);
    let mut slowest = Duration::ZERO;
    let mut written = 0;
    while bed.master.replicas().len() == 2 {
        let started = Instant::now();
        bed.set(0, 0, "key", &value);
        slowest = slowest.max(started.elapsed());
        written += value.len();
        assert!(written < 200 << 20, "it is never let go");
        // The stock replica keeps up.
        if written.is_multiple_of(50 * value.len()) {
            let offset = bed.log.offset();
            bed.ask_for_acks();
            bed.log.kick();
            wait("the other replica", || bed.master.acked_by(offset) == 1);
        }
    }
    assert!(
        slowest < Duration::from_secs(10),
        "a write took {slowest:?}"
    );
    assert_eq!(bed.master.replicas()[0].port, stock.port);
    bed.settle();
    bed.assert_equal(&stock);
    assert!(
        bed.log.backlog().histlen < 1 << 20,
        "its bytes were not freed"
    );
}

#[test]
fn one_that_takes_no_snapshot_is_dropped_and_the_other_gets_it() {
    let bed = Bed::new(MasterConfig {
        diskless_sync_delay: Duration::from_secs(60),
        diskless_sync_max_replicas: 2,
        timeout: Duration::from_secs(2),
        rdb_compression: false,
        ..MasterConfig::default()
    });
    let value = "x".repeat(100_000);
    for i in 0..500 {
        bed.set(0, 0, &format!("key:{i}"), &value);
    }
    let _stuck = raw(&bed, "REPLCONF capa eof\r\nPSYNC ? -1\r\n");
    let stock = bed::stock(&bed);
    bed.wait_online(1);
    assert_eq!(bed.master.replicas().len(), 1);
    bed.settle();
    bed.assert_equal(&stock);
    wait("the end of the snapshot", || {
        !bed.master.snapshots().running()
    });
}

#[test]
fn a_snapshot_nobody_wants_any_more_ends() {
    let bed = Bed::new(MasterConfig {
        rdb_compression: false,
        ..eager()
    });
    let value = "x".repeat(100_000);
    for i in 0..500 {
        bed.set(0, 0, &format!("key:{i}"), &value);
    }
    let mut quitter = raw(&bed, "REPLCONF capa eof\r\nPSYNC ? -1\r\n");
    assert_eq!(read_line(&mut quitter), "+OK");
    assert!(read_line(&mut quitter).starts_with("+FULLRESYNC "));
    assert!(bed.master.snapshots().running());
    drop(quitter);
    wait("the end of the snapshot", || {
        !bed.master.snapshots().running()
    });
    wait("the end of the replica", || {
        bed.master.replicas().is_empty()
    });
}

#[test]
fn silence_is_the_end_of_a_stream() {
    let bed = Bed::new(MasterConfig {
        timeout: Duration::from_secs(1),
        ping_period: Duration::from_secs(1),
        ..eager()
    });
    let mut silent = raw(&bed, "REPLCONF capa eof\r\nPSYNC ? -1\r\n");
    let mut all = Vec::new();
    // It reads, but never says a word.
    silent.read_to_end(&mut all).unwrap();
    assert!(all.starts_with(b"+OK\r\n+FULLRESYNC "));
    wait("the end of the replica", || {
        bed.master.replicas().is_empty()
    });
}

#[test]
fn who_waits_for_a_snapshot_is_kept_company() {
    let bed = Bed::new(MasterConfig {
        diskless_sync_delay: Duration::from_secs(3),
        ..MasterConfig::default()
    });
    let asked = Instant::now();
    let mut patient = raw(&bed, "REPLCONF capa eof\r\nPSYNC ? -1\r\n");
    let mut answer = [0; 5 + 2];
    patient.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n\n\n", "no newline came while it waited");
    assert!(read_line(&mut patient).starts_with("+FULLRESYNC "));
    assert!(
        asked.elapsed() >= Duration::from_secs(3),
        "the delay was not honoured"
    );
}

#[test]
fn the_soft_limit_lets_go_after_a_while() {
    let bed = Bed::new(MasterConfig {
        limits: Limits {
            backlog: 64 << 10,
            hard: 0,
        },
        soft_limit: (1 << 20, Duration::from_secs(1)),
        ..eager()
    });
    let mut slow = raw(&bed, "REPLCONF capa eof\r\nPSYNC ? -1\r\n");
    wait("its snapshot", || bed.master.replicas().len() == 1);
    slow.write_all(b"REPLCONF ACK 0\r\n").unwrap();
    bed.wait_online(1);
    // More than the sockets take, by more than the limit.
    let value = "x".repeat(100_000);
    for _ in 0..400 {
        bed.set(0, 0, "key", &value);
    }
    assert_eq!(bed.master.replicas().len(), 1, "it is let go at once");
    wait("its end", || bed.master.replicas().is_empty());
    assert!(bed.log.active());
}

#[test]
fn a_backlog_nobody_uses_is_freed_and_the_history_renamed() {
    let bed = Bed::new(MasterConfig {
        backlog_ttl: Duration::from_secs(1),
        ..eager()
    });
    let replid = || bed.gates.enter(0).status.history.at.replid;
    let unborn = replid();
    let mut stock = bed::stock(&bed);
    bed.wait_online(1);
    let named = replid();
    assert_ne!(
        named, unborn,
        "writes before the first replica were not counted"
    );
    bed.set(0, 0, "key", "value");
    bed.settle();
    stock.kill();
    wait("the end of the backlog", || !bed.log.active());
    assert_ne!(replid(), named, "writes from here on are not counted");
    bed.set(0, 0, "key", "uncounted");
    stock.restart();
    bed.wait_online(1);
    bed.settle();
    bed.assert_equal(&stock);
}

/// What a replica has in its log is its master's stream, byte for byte.
#[test]
fn a_replica_asks_its_own_replicas_for_nothing() {
    let bed = Bed::new(eager());
    let _follower = bed::stock(&bed);
    bed.wait_online(1);
    bed.set(0, 0, "key", "value");
    let offset = bed.log.offset();
    let mut all = bed.gates.all();
    let master = all.view().clone();
    let mut status = *master.status;
    let host = Host::new("10.0.0.9", 6379).expect("a host");
    status.master = Some((host, LinkStatus::Streaming));
    all.update(|view| view.set_status(Arc::new(status)));
    bed.master.ask_for_acks(all.view());
    assert_eq!(bed.log.offset(), offset);
    all.replace(master);
    bed.master.ask_for_acks(all.view());
    assert!(bed.log.offset() > offset);
}
