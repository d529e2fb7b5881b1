//! Several REPLICAOF at once, and those inside EXEC: who wins, and what the others are told.

use crate::common::data::seed;
use crate::common::following::Following;
use crate::common::readers::stamp;
use crate::common::wait::check;
use crate::common::*;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn inside_exec_it_is_answered_at_once_and_hinders_nobody() {
    let it = Following::new();
    // Nothing of this test waits so long.
    it.ours.run("CONFIG SET replicaof-timeout 60").ok();
    let dead = Peer::mute();
    let mut other = it.ours.client();
    let mut client = it.ours.client();
    client.run("MULTI").ok();
    client.run(&format!("REPLICAOF 127.0.0.1 {}", dead.port));
    client.run("GET g:0");
    let replies = client.run("EXEC");
    replies.list()[0].ok();
    assert!(replies.list()[1].text().starts_with("old:"));
    // While the attempt runs: others, and the same client, are served.
    for _ in 0..50 {
        assert_eq!(other.run("PING").text(), "PONG");
        assert_eq!(client.run("PING").text(), "PONG");
        thread::sleep(Duration::from_millis(5));
    }
    let told = || it.ours.info("replication").get("replicaof_last_error");
    assert_eq!(told(), "", "the attempt is over");
    let port = dead.port.to_string();
    drop(dead);
    eventually("its outcome is shown", || {
        check(told().contains(&port), told)
    });
    let info = it.ours.info("replication");
    assert_eq!(info.get("master_port"), it.old.port.to_string());
    assert_eq!(info.get("master_link_status"), "up");
    it.finish();
}

#[test]
fn inside_exec_it_commits_when_it_gets_through() {
    let it = Following::new();
    let new = Server::redis(&[]);
    stamp(&mut new.client(), "old", u64::MAX / 2);
    let mut client = it.ours.client();
    client.run("MULTI").ok();
    client.run(&format!("SLAVEOF 127.0.0.1 {}", new.port));
    client.run("EXEC").list()[0].ok();
    it.ours.await_link(new.port);
    if let Some(readers) = it.readers {
        readers.stop().assert_clean(Duration::from_secs(5));
    }
}

#[test]
fn the_client_that_asked_may_leave() {
    let it = Following::new();
    let new = Server::redis(&[]);
    seed(&mut new.client());
    let slow = Proxy::to(new.port);
    slow.set(Fault::Delay(Duration::from_millis(50)));
    let mut client = it.ours.client();
    client
        .send_line(&format!("REPLICAOF 127.0.0.1 {}", slow.port))
        .unwrap();
    thread::sleep(Duration::from_millis(30));
    drop(client);
    drop(it.readers);
    it.ours.await_link(slow.port);
    assert_same_data(&new, &it.ours);
}

#[test]
fn no_one_cancels_what_is_under_way() {
    let it = Following::new();
    // Longer than a client of the tests waits for a reply.
    it.ours.run("CONFIG SET replicaof-timeout 60").ok();
    let mute = Peer::mute();
    let mut client = it.ours.client();
    client
        .send_line(&format!("REPLICAOF 127.0.0.1 {}", mute.port))
        .unwrap();
    eventually("it greets", || {
        check(!mute.received().is_empty(), || "not yet".into())
    });
    it.ours.run("REPLICAOF NO ONE").ok();
    assert_eq!(
        client.read().unwrap(),
        Value::Error("ERR replication cancelled".into())
    );
    assert_eq!(it.ours.info("replication").get("role"), "master");
    it.ours.run("SET writable 1").ok();
}

/// A name that is looked up takes a thread, which the system gives back when it likes.
#[test]
fn names_that_nobody_waits_for_any_more_hold_nothing_up() {
    let mut ours = Server::damselfly(&[]);
    let mut client = ours.client();
    let mut most = 0;
    for round in 0..40 {
        let names: String = (0..60)
            .map(|n| format!("REPLICAOF n{round}x{n}.invalid 1\r\n"))
            .collect();
        let lines = format!("MULTI\r\n{names}EXEC\r\nREPLICAOF NO ONE\r\n");
        client.send_raw(lines.as_bytes()).unwrap();
        for _ in 0..63 {
            assert!(!client.read().unwrap().is_error());
        }
        let threads = std::fs::read_dir(format!("/proc/{}/task", ours.pid())).unwrap();
        most = most.max(threads.count());
    }
    // 64 lookups, and what the server has of its own.
    assert!(most < 100, "{most} threads");
    let master = Server::redis(&[]);
    let reply = ours.run(&format!("REPLICAOF localhost {}", master.port));
    assert_eq!(reply.text(), "OK");
    let begun = Instant::now();
    ours.signal();
    assert!(ours.await_exit().success());
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_later_one_supersedes() {
    let it = Following::new();
    let (slow_master, quick) = (Server::redis(&[]), Server::redis(&[]));
    seed(&mut quick.client());
    let slow = Proxy::to(slow_master.port);
    slow.set(Fault::Mute);
    let mut client = it.ours.client();
    client
        .send_line(&format!("REPLICAOF 127.0.0.1 {}", slow.port))
        .unwrap();
    eventually("it connects", || {
        check(slow.accepted() > 0, || "not yet".into())
    });
    it.ours
        .run(&format!("REPLICAOF 127.0.0.1 {}", quick.port))
        .ok();
    // Now the earlier one gets through: too late.
    slow.set(Fault::None);
    let reply = client.read().unwrap();
    assert_eq!(
        reply,
        Value::Error("ERR superseded by a later REPLICAOF".into())
    );
    drop(it.readers);
    it.ours.await_link(quick.port);
    assert_same_data(&quick, &it.ours);
}

#[test]
fn an_earlier_one_to_the_committed_target_is_ok() {
    let it = Following::new();
    let new = Server::redis(&[]);
    seed(&mut new.client());
    let proxy = Proxy::to(new.port);
    proxy.set(Fault::Mute);
    let mut early = it.ours.client();
    early
        .send_line(&format!("REPLICAOF 127.0.0.1 {}", proxy.port))
        .unwrap();
    eventually("it connects", || {
        check(proxy.accepted() > 0, || "not yet".into())
    });
    let mut late = it.ours.client();
    late.send_line(&format!("REPLICAOF 127.0.0.1 {}", proxy.port))
        .unwrap();
    eventually("both connect", || {
        check(proxy.accepted() > 1, || "not yet".into())
    });
    proxy.set(Fault::None);
    for client in [&mut early, &mut late] {
        let reply = client.read().unwrap();
        assert!(reply.text().starts_with("OK"), "{reply:?}");
    }
    drop(it.readers);
    it.ours.await_link(proxy.port);
    assert_same_data(&new, &it.ours);
}

#[test]
fn at_most_64_attempts_are_under_way() {
    // Longer than a client of the tests waits for a reply.
    let ours = Server::damselfly(&["--replicaof-timeout", "60"]);
    let mute = Peer::mute();
    let mut clients: Vec<Client> = (0..64).map(|_| ours.client()).collect();
    for client in &mut clients {
        client
            .send_line(&format!("REPLICAOF 127.0.0.1 {}", mute.port))
            .unwrap();
    }
    eventually("all of them greet", || {
        let n = mute.received().len();
        check(n >= 64, || n.to_string())
    });
    let refused = ours.run(&format!("REPLICAOF 127.0.0.1 {}", mute.port));
    assert!(refused.is_error(), "{refused:?}");
    ours.run("REPLICAOF NO ONE").ok();
    for client in &mut clients {
        assert_eq!(
            client.read().unwrap(),
            Value::Error("ERR replication cancelled".into())
        );
    }
}
