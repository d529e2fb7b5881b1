//! A REPLICAOF that cannot succeed is an error within its time-out, and nothing else.

use crate::common::data::seed;
use crate::common::following::{Following, MOVING};
use crate::common::readers::stamp;
use crate::common::wait::check;
use crate::common::*;
use std::time::Duration;

#[test]
fn to_a_closed_port() {
    let it = Following::new();
    let error = it.refuses(server::free_port());
    assert!(
        error.starts_with("ERR ") && error.contains("connect"),
        "{error}"
    );
    let told = it.ours.info("replication").get("replicaof_last_error");
    assert!(told.contains("connect"), "{told}");
    it.finish();
}

#[test]
fn to_a_name_that_nobody_knows() {
    let it = Following::new();
    let error = it.refuses_at("no.such.host.invalid", 6379);
    assert!(
        error.starts_with("ERR ") && error.contains("no.such.host.invalid"),
        "{error}"
    );
    let told = it.ours.info("replication").get("replicaof_last_error");
    assert!(told.contains("no.such.host.invalid"), "{told}");
    it.finish();
}

#[test]
fn to_an_ipv6_address() {
    let it = Following::new();
    let error = it.refuses_at("::1", server::free_port());
    assert!(error.starts_with("ERR "), "{error}");
    let master = Server::redis(&["--bind", "127.0.0.1", "::1"]);
    stamp(&mut master.client(), "old", u64::MAX / 2);
    it.ours.run(&format!("REPLICAOF ::1 {}", master.port)).ok();
    eventually("it follows the master at ::1", || {
        let info = it.ours.info("replication");
        assert_eq!(info.get("master_host"), "::1");
        check(info.get("master_link_status") == "up", || info.short())
    });
    await_caught_up(&master, &it.ours);
    assert_same_data(&master, &it.ours);
    // It answers at its own as well, and is known to its master by it.
    let ours = Server::damselfly(&["--bind", "127.0.0.1", "::1"]);
    let reply = it.ours.run(&format!("REPLICAOF ::1 {}", ours.port));
    assert!(reply.text().starts_with("OK"), "{reply:?}");
    eventually("the master lists it", || {
        let info = ours.info("replication");
        let slave = info.get("slave0");
        let line = format!("ip=::1,port={},state=online", it.ours.port);
        check(slave.starts_with(&line), || slave)
    });
}

#[test]
fn to_a_peer_that_stays_mute() {
    let it = Following::new();
    let peer = Peer::mute();
    let error = it.refuses(peer.port);
    assert!(error.starts_with("ERR "), "{error}");
    assert!(!peer.received().is_empty(), "it was not greeted");
    it.finish();
}

#[test]
fn to_a_peer_that_goes_mute_at_any_step() {
    let it = Following::new();
    for said in 1..=3 {
        let peer = Peer::new(move |conn| {
            for _ in 0..said {
                let Some(command) = conn.next() else { return };
                match command[0].eq_ignore_ascii_case(b"PING") {
                    true => conn.send(b"+PONG\r\n"),
                    false => conn.send(b"+OK\r\n"),
                }
            }
            conn.drain();
        });
        it.refuses(peer.port);
    }
    it.finish();
}

#[test]
fn to_a_peer_that_closes() {
    let it = Following::new();
    it.refuses(Peer::closing().port);
    it.refuses(
        Peer::new(|conn| {
            conn.next();
        })
        .port,
    );
    it.finish();
}

#[test]
fn to_a_peer_that_sends_garbage() {
    let it = Following::new();
    let error = it.refuses(Peer::garbage().port);
    assert!(error.starts_with("ERR "), "{error}");
    // And one that never ends its line.
    let endless = Peer::new(|conn| {
        while conn.next().is_some() {
            for _ in 0..2000 {
                conn.send(&[b'a'; 8192]);
            }
        }
    });
    it.refuses(endless.port);
    it.finish();
}

#[test]
fn to_a_peer_that_refuses_us() {
    let it = Following::new();
    for line in [
        "-NOAUTH Authentication required.",
        "-LOADING Redis is loading the dataset in memory",
        "-BUSY Redis is busy running a script.",
    ] {
        let error = it.refuses(Peer::answering(line).port);
        let word = line[1..].split(' ').next().unwrap_or_default();
        assert!(error.contains(word), "{error} does not say {word}");
    }
    it.finish();
}

#[test]
fn to_a_stock_server_with_a_password_we_do_not_have() {
    let it = Following::new();
    let locked = Server::redis(&["--requirepass", "secret"]);
    let error = it.refuses(locked.port);
    assert!(error.contains("NOAUTH"), "{error}");
    // With a wrong password, and with the right one.
    it.ours.run("CONFIG SET masterauth wrong").ok();
    let error = it.refuses(locked.port);
    assert!(error.contains("WRONGPASS"), "{error}");
    let mut client = locked.client();
    client.run("AUTH secret").ok();
    stamp(&mut client, "old", u64::MAX / 2);
    it.ours.run("CONFIG SET masterauth secret").ok();
    it.ours.follow(locked.port);
    if let Some(readers) = it.readers {
        eventually("the new data is read", || {
            let all = it.ours.run("GET g:0").text();
            check(all == format!("old:{}", u64::MAX / 2), || all)
        });
        readers.stop().assert_clean(Duration::from_secs(5));
    }
}

#[test]
fn to_itself() {
    let it = Following::new();
    let error = it.refuses(it.ours.port);
    assert_eq!(error, "ERR can't replicate from myself");
    let around = Proxy::to(it.ours.port);
    assert_eq!(it.refuses(around.port), "ERR can't replicate from myself");
    it.finish();
}

#[test]
fn from_a_master_it_leaves_a_master() {
    let ours = Server::damselfly(&["--replicaof-timeout", "1"]);
    seed(&mut ours.client());
    let held = Dump::of(&ours);
    let before = ours.info("replication");
    for port in [server::free_port(), Peer::mute().port, ours.port] {
        assert!(ours.run(&format!("REPLICAOF 127.0.0.1 {port}")).is_error());
        assert!(
            before
                .differences(&ours.info("replication"), MOVING)
                .is_empty()
        );
    }
    assert_eq!(Dump::of(&ours), held);
    ours.run("SET still-writable 1").ok();
}

#[test]
fn to_the_master_it_has_already() {
    let it = Following::new();
    let before = granted(&it.old);
    let again = it.ours.run(&format!("REPLICAOF 127.0.0.1 {}", it.old.port));
    assert_eq!(
        again,
        Value::Simple("OK Already connected to specified master".into())
    );
    assert_eq!(granted(&it.old), before);
    it.finish();
}

#[test]
fn wrong_arguments() {
    let ours = Server::damselfly(&[]);
    for (line, expected) in [
        (
            "REPLICAOF",
            "ERR wrong number of arguments for 'replicaof' command",
        ),
        (
            "REPLICAOF a",
            "ERR wrong number of arguments for 'replicaof' command",
        ),
        ("REPLICAOF localhost x", "ERR Invalid master port"),
        ("REPLICAOF localhost 65536", "ERR Invalid master port"),
    ] {
        assert_eq!(ours.run(line), Value::Error(expected.into()), "{line}");
    }
    assert!(
        ours.run("REPLICAOF localhost 1 0 100").is_error(),
        "a slot range"
    );
    ours.run("SLAVEOF NO ONE").ok();
    assert_eq!(ours.info("replication").get("role"), "master");
}

#[test]
fn a_master_that_greets_well_and_then_refuses_leaves_the_old_data_served() {
    let it = Following::new();
    let reluctant: [Peer; 4] = [
        Peer::master(|conn, _| {
            conn.send(b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n");
            conn.drain();
        }),
        Peer::master(|conn, _| {
            conn.send(b"-LOADING Redis is loading the dataset in memory\r\n");
            conn.drain();
        }),
        Peer::master(|conn, _| conn.drain()),
        Peer::master(|_, _| {}),
    ];
    for peer in &reluctant {
        it.ours
            .run(&format!("REPLICAOF 127.0.0.1 {}", peer.port))
            .ok();
        let info = it.ours.info("replication");
        assert_eq!(info.get("role"), "slave");
        assert_eq!(info.get("master_port"), peer.port.to_string());
        assert_eq!(info.get("master_link_status"), "down");
        assert_eq!(it.ours.info("persistence").get("loading"), "0");
        assert!(it.ours.run("GET g:0").text().starts_with("old:"));
    }
    // It keeps trying, the last of them; and what it asks for is the history of the data it holds.
    let last = &reluctant[3];
    eventually("it tries again", || {
        let tries: Vec<_> = last
            .received()
            .into_iter()
            .filter(|c| c[0].eq_ignore_ascii_case(b"PSYNC"))
            .collect();
        check(tries.len() >= 2, || tries.len().to_string())?;
        let id = it.old.info("replication").get("master_replid");
        assert!(tries.iter().all(|t| t[1] == id.as_bytes()), "{tries:?}");
        Ok(())
    });
    // Back to the old master: a partial resync, all that happened meanwhile notwithstanding.
    let before = granted(&it.old);
    it.ours.follow(it.old.port);
    assert_eq!(granted(&it.old).full, before.full);
    it.finish();
}
