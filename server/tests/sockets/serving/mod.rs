//! The master's side over real sockets, with the stock redis-server as the replica.

mod bed;
mod limits;

use bed::{Bed, eager, raw, read_line, wait};
use damselfly_core::LinkStatus;
use damselfly_server::log::Limits;
use damselfly_server::repl::domain::{Host, Status};
use damselfly_server::repl::serve::{Hello, MasterConfig, SyncStats};
use damselfly_server::repl::snapshot::SaveError;
use std::io::Read;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

#[test]
fn full_sync_while_writes_go_on() {
    for diskless in [true, false] {
        let bed = Bed::new(MasterConfig {
            diskless_sync: diskless,
            ..eager()
        });
        bed.fill(30_000);
        let enough = AtomicBool::new(false);
        let stock = thread::scope(|s| {
            for slot in 0..2 {
                let (bed, enough) = (&bed, &enough);
                s.spawn(move || {
                    let mut i = 0u64;
                    while !enough.load(Relaxed) {
                        i += 1;
                        let key = (i * 7919 + slot as u64) % 40_000;
                        bed.set(
                            slot,
                            (key % 3) as usize,
                            &format!("key:{key}"),
                            &format!("new:{slot}:{i}"),
                        );
                        if i.is_multiple_of(64) {
                            thread::sleep(Duration::from_millis(1));
                        }
                    }
                });
            }
            let stock = bed::stock(&bed);
            bed.wait_online(1);
            thread::sleep(Duration::from_millis(300));
            enough.store(true, Relaxed);
            stock
        });
        bed.settle();
        bed.assert_equal(&stock);
        assert_eq!(stock.info("replication").get("master_link_status"), "up");
        wait("equal offsets", || {
            stock.info("replication").get("slave_repl_offset") == bed.log.offset().to_string()
        });
        let replid = bed.gates.enter(0).status.history.at.replid;
        assert_eq!(
            stock.info("replication").get("master_replid"),
            replid.as_str()
        );
        assert_eq!(bed.master.replicas()[0].port, stock.port);
        let full = SyncStats {
            full: 1,
            ..SyncStats::default()
        };
        assert_eq!(bed.master.stats(), full);
    }
}

#[test]
fn a_cut_link_resumes_where_it_was() {
    let bed = Bed::new(eager());
    bed.fill(1000);
    let stock = bed::stock(&bed);
    bed.wait_online(1);
    for round in 1..=3 {
        bed.set(0, 5, "before", &round.to_string());
        bed.settle();
        bed.cut();
        bed.set(0, 5, "meanwhile", &round.to_string());
        wait("the replica's return", || {
            bed.master.stats().partial_ok == round
        });
        bed.wait_online(1);
        bed.settle();
        bed.assert_equal(&stock);
    }
    assert_eq!(bed.master.stats().full, 1);

    // What it missed is more than the backlog holds.
    bed.master.configure(MasterConfig {
        limits: Limits {
            backlog: 16 << 10,
            hard: 0,
        },
        ..(*bed.master.config()).clone()
    });
    stock.freeze(true);
    bed.cut();
    bed.fill(20_000);
    stock.freeze(false);
    wait("a full sync", || bed.master.stats().full == 2);
    bed.wait_online(1);
    bed.settle();
    bed.assert_equal(&stock);
    assert_eq!(bed.master.stats().partial_err, 1);
}

#[test]
fn replicas_that_come_together_share_a_snapshot() {
    let bed = Bed::new(MasterConfig {
        diskless_sync_delay: Duration::from_secs(60),
        diskless_sync_max_replicas: 3,
        ..MasterConfig::default()
    });
    bed.fill(5000);
    let stocks: Vec<_> = (0..3).map(|_| bed::stock(&bed)).collect();
    bed.wait_online(3);
    bed.set(0, 0, "key", "after");
    bed.settle();
    for stock in &stocks {
        bed.assert_equal(stock);
    }
    let ports: Vec<_> = bed.master.replicas().iter().map(|info| info.port).collect();
    assert!(stocks.iter().all(|stock| ports.contains(&stock.port)));
    assert_eq!(bed.master.stats().full, 3);
}

#[test]
fn sync_gets_a_sized_snapshot_without_an_answer_before_it() {
    let bed = Bed::new(eager());
    bed.fill(100);
    let mut old = raw(&bed, "SYNC\r\n");
    let line = read_line(&mut old);
    let len: usize = line.strip_prefix('$').unwrap().parse().unwrap();
    let mut payload = vec![0; len];
    old.read_exact(&mut payload).unwrap();
    assert!(payload.starts_with(b"REDIS0010"));
    bed.set(0, 4, "key", "value");
    let stream = [
        "*2", "$6", "SELECT", "$1", "4", "*3", "$3", "SET", "$3", "key", "$5", "value",
    ];
    for expected in stream {
        assert_eq!(read_line(&mut old), expected);
    }
}

#[test]
fn redis_cli_takes_a_snapshot_that_redis_check_rdb_accepts() {
    let bed = Bed::new(eager());
    bed.fill(1000);
    let file = bed.dir.join("taken.rdb");
    let taken = Command::new("redis-cli")
        .args(["-p", &bed.port.to_string(), "--rdb"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(taken.status.success(), "{taken:?}");
    let checked = Command::new("redis-check-rdb").arg(&file).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    wait("the end of the replica", || {
        bed.master.replicas().is_empty()
    });
}

#[test]
fn a_save_is_whole_or_absent() {
    let bed = Bed::new(eager());
    bed.fill(1000);
    let file = bed.dir.join("dump.rdb");
    let saved = bed
        .master
        .snapshots()
        .save(file.clone(), oneshot::channel().0)
        .unwrap()
        .blocking_recv()
        .unwrap();
    assert_eq!(saved.unwrap(), std::fs::metadata(&file).unwrap().len());
    let checked = Command::new("redis-check-rdb").arg(&file).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    assert!(!bed.log.active(), "a save needs no log");
    wait("the end of the save", || !bed.master.snapshots().saving());
    let nowhere = bed.dir.join("no such directory").join("dump.rdb");
    let failed = bed
        .master
        .snapshots()
        .save(nowhere, oneshot::channel().0)
        .unwrap()
        .blocking_recv()
        .unwrap();
    assert!(matches!(failed, Err(SaveError::Io(_))));
}

#[test]
fn a_replica_whose_own_link_is_down_refuses() {
    let bed = Bed::new(eager());
    let ask = |args: &[&[u8]]| {
        let gate = bed.gates.enter(0);
        bed.master
            .admit(&gate, &Hello::default(), "10.0.0.1", args)
            .map(drop)
    };
    assert_eq!(ask(&[b"PSYNC", b"?", b"-1"]), Ok(()));
    assert_eq!(
        ask(&[b"PSYNC", b"?", b"x"]),
        Err("ERR value is not an integer or out of range".into())
    );
    let follow = |link| {
        let master = Host::new("m", 1).map(|host| (host, link));
        bed.gates.all().update(|view| {
            view.set_status(Arc::new(Status {
                master,
                ..*view.status
            }));
        });
    };
    follow(LinkStatus::Syncing);
    let refused = Err("NOMASTERLINK Can't SYNC while not connected with my master".into());
    assert_eq!(ask(&[b"PSYNC", b"?", b"-1"]), refused);
    follow(LinkStatus::Streaming);
    assert_eq!(ask(&[b"PSYNC", b"?", b"-1"]), Ok(()));
    assert!(
        bed.master.replicas().is_empty(),
        "who was not served is still registered"
    );
}

#[test]
fn waiting_for_acks_ends_when_the_replica_has_what_was_written() {
    let bed = Bed::new(eager());
    let stock = bed::stock(&bed);
    bed.wait_online(1);
    assert_eq!(bed.master.good_replicas(Duration::from_secs(10)), 1);
    bed.set(0, 0, "key", "value");
    let offset = bed.log.offset();
    stock.freeze(true);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    bed.ask_for_acks();
    bed.log.kick();
    let mut wait_is_over = Box::pin(bed.master.wait_for_acks(1, offset));
    let too_short = Duration::from_millis(200);
    let waited =
        runtime.block_on(async { tokio::time::timeout(too_short, &mut wait_is_over).await });
    assert!(waited.is_err(), "a frozen replica confirmed");
    stock.freeze(false);
    let patience = Duration::from_secs(20);
    let waited = runtime.block_on(async { tokio::time::timeout(patience, wait_is_over).await });
    assert_eq!(waited, Ok(1));
}
