//! The end of a server that is asked to end: nothing acknowledged is lost, and it does not wait for ever.

use crate::common::wait::check;
use crate::common::*;
use std::thread;
use std::time::{Duration, Instant};

/// A Damselfly with a stock replica that is stopped, and lags.
fn with_a_frozen_replica(args: &[&str]) -> (Server, Server) {
    let master = Server::damselfly(args);
    let replica = Server::redis(&[]);
    replica.follow(master.port);
    await_replicas(&master, 1);
    replica.freeze(true);
    let mut client = master.client();
    for i in 0..500 {
        client.run(&format!("SET k:{i} {i}")).ok();
    }
    (master, replica)
}

fn await_log(server: &Server, said: &str) {
    eventually(said, || {
        let log = server.log();
        check(log.contains(said), || log)
    });
}

#[test]
fn it_waits_for_replicas_that_lag_and_takes_no_writes_meanwhile() {
    let (mut master, replica) = with_a_frozen_replica(&[]);
    let (mut writer, mut other) = (master.client(), master.client());
    master.signal();
    await_log(&master, "Waiting for replicas before shutting down");
    writer.send_line("SET late 1").expect("send");
    assert_eq!(other.run("GET k:499").text(), "499", "reads go on");
    for line in [
        "REPLICAOF 127.0.0.1 1",
        "REPLICAOF NO ONE",
        "FAILOVER",
        "REPLTAKEOVER 1",
    ] {
        let said = other.run(line);
        assert_eq!(
            said.error(),
            "ERR the server is shutting down",
            "{line}: {said:?}"
        );
    }
    replica.freeze(false);
    assert!(master.await_exit().success());
    assert!(writer.read().is_err(), "the write was not acknowledged");
    assert_eq!(replica.run("DBSIZE").int(), 500);
    assert_eq!(replica.run("GET k:499").text(), "499");
    assert!(!master.log().contains("Lagging replica"));
}

#[test]
fn it_can_be_called_off() {
    let (master, replica) = with_a_frozen_replica(&[]);
    let (mut asker, mut writer, mut other) = (master.client(), master.client(), master.client());
    assert_eq!(
        other.run("SHUTDOWN ABORT").error(),
        "ERR No shutdown in progress."
    );
    let mut second = master.client();
    asker.send_line("SHUTDOWN").expect("send");
    await_log(&master, "Waiting for replicas before shutting down");
    second.send_line("SHUTDOWN").expect("send");
    writer.send_line("SET late 1").expect("send");
    eventually("they wait", || {
        let waiting = master.info("clients").num("blocked_clients");
        check(waiting == 3, || format!("{waiting} do"))
    });
    other.run("SHUTDOWN ABORT").ok();
    for asker in [&mut asker, &mut second] {
        let said = asker.read().expect("an answer");
        assert_eq!(said.error(), "ERR Errors trying to SHUTDOWN. Check logs.");
    }
    writer.read().expect("an answer").ok();
    replica.freeze(false);
    await_caught_up(&master, &replica);
    assert_eq!(replica.run("GET late").text(), "1");
    master.run("REPLICAOF NO ONE").ok();
}

#[test]
fn it_does_not_wait_longer_than_told() {
    for how in ["timeout", "now", "twice", "none"] {
        let args: &[&str] = match how {
            "timeout" => &["--shutdown-timeout", "1"],
            "none" => &["--shutdown-timeout", "0"],
            _ => &["--shutdown-timeout", "3600"],
        };
        let (mut master, replica) = with_a_frozen_replica(args);
        let began = Instant::now();
        match how {
            "now" => {
                let _ = master.client().send_line("SHUTDOWN NOW");
            }
            _ => master.signal(),
        }
        if how == "twice" {
            await_log(&master, "Waiting for replicas before shutting down");
            master.signal();
        }
        assert!(master.await_exit().success(), "{how}");
        if how == "timeout" {
            assert!(began.elapsed() >= Duration::from_secs(1));
            assert!(master.log().contains("Lagging replica"));
        }
        replica.freeze(false);
    }
}

#[test]
fn what_was_acknowledged_is_in_the_snapshot() {
    let mut master = Server::damselfly(&["--save", "3600 1"]);
    // Large enough that clients write while it is saved.
    master.run("DEBUG POPULATE 200000 filler 100").ok();
    let mut acked = 0;
    for _ in 0..4 {
        let mut client = master.client();
        let counter = thread::spawn(move || {
            let mut last = 0;
            while client.send_line("INCR n").is_ok() {
                match client.read() {
                    Ok(reply) => last = reply.int(),
                    Err(_) => break,
                }
            }
            last
        });
        eventually("it counts", || {
            let held = master.run("GET n");
            // Nothing before the first INCR has come.
            let count = match &held {
                Value::Nil => 0,
                counted => counted.text().parse().expect("a count"),
            };
            check(count > acked + 100, || format!("{held:?}"))
        });
        master.signal();
        assert!(master.await_exit().success());
        acked = counter.join().expect("the counter");
        master.restart();
        assert_eq!(master.run("GET n").text(), acked.to_string());
    }
}

#[test]
fn a_signal_ends_it_as_it_was_told() {
    for (how, saves) in [("nosave", false), ("default", true)] {
        let args = ["--save", "3600 1", "--shutdown-on-sigterm", how];
        let mut ours = Server::damselfly(&args);
        ours.run("SET k v").ok();
        ours.signal();
        assert!(ours.await_exit().success());
        assert_eq!(ours.dir().join("dump.rdb").exists(), saves, "{how}");
    }
    let mut ours = Server::damselfly(&["--save", "3600 1"]);
    let refused = ours
        .client()
        .cmd(&["CONFIG", "SET", "shutdown-on-sigterm", "save nosave"]);
    assert!(refused.error().contains("simultaneously"), "{refused:?}");
    ours.run("SET k v").ok();
    // A directory in the file's place cannot be replaced.
    let file = ours.dir().join("dump.rdb");
    std::fs::create_dir(&file).expect("make a directory");
    ours.signal();
    await_log(&ours, "Error trying to save the DB, can't exit");
    ours.run("CONFIG SET shutdown-on-sigterm force").ok();
    ours.signal();
    assert!(ours.await_exit().success());
}

#[test]
fn where_nothing_can_be_saved_it_is_refused_unless_forced() {
    for start in [Server::redis, Server::damselfly] {
        let mut server = start(&["--enable-protected-configs", "yes"]);
        let dir = server.dir().join("gone");
        std::fs::create_dir(&dir).expect("make a directory");
        let mut client = server.client();
        let there = dir.display().to_string();
        client.cmd(&["CONFIG", "SET", "dir", &there]).ok();
        std::fs::remove_dir(&dir).expect("remove it");
        client.run("SET k v").ok();
        let refused = client.run("SHUTDOWN SAVE");
        assert_eq!(
            refused.error(),
            "ERR Errors trying to SHUTDOWN. Check logs.",
            "{:?}",
            server.kind
        );
        assert_eq!(client.run("GET k").text(), "v");
        client.send_line("SHUTDOWN SAVE FORCE").expect("send");
        assert!(client.read().is_err());
        assert!(server.await_exit().success());
    }
}

#[test]
fn a_replicaof_that_connects_does_not_hold_it_up() {
    let mute = Peer::mute();
    let mut ours = Server::damselfly(&["--replicaof-timeout", "600"]);
    let mut client = ours.client();
    client
        .send_line(&format!("REPLICAOF 127.0.0.1 {}", mute.port))
        .expect("send");
    eventually("it greets", || {
        check(!mute.received().is_empty(), || "nothing came".into())
    });
    ours.signal();
    assert!(ours.await_exit().success());
    // An error or the end of the connection, but not OK.
    assert!(client.read().is_ok_and(|reply| reply.is_error()) || client.read().is_err());
}
