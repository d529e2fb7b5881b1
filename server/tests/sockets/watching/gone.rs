//! Keyspace events that no client's command causes: keys that expire or are evicted, and what a master's stream does.

use super::*;
use std::time::Duration;

/// A client that hears of all events.
fn listener(server: &Server) -> Client {
    let mut client = server.client();
    client.set_timeout(Duration::from_secs(20));
    client.run("CONFIG SET notify-keyspace-events KEAmn").ok();
    client.run("PSUBSCRIBE __key*");
    client
}

/// The next message's channel and content.
fn next(client: &mut Client) -> [String; 2] {
    let message = client.read().expect("a message");
    let parts = message.list();
    [parts[2].text(), parts[3].text()]
}

#[test]
fn keys_that_expire_and_keys_that_are_evicted() {
    for server in pair(&[]) {
        let (mut hears, mut runs) = (listener(&server), server.client());
        runs.run("SELECT 3").ok();
        runs.run("PSETEX k 20 v").ok();
        let mut expect = |channel: &str, content: &str| {
            assert_eq!(next(&mut hears), [channel, content], "{:?}", server.kind);
        };
        for event in ["new", "set", "expire", "expired"] {
            expect("__keyspace@3__:k", event);
            expect(&format!("__keyevent@3__:{event}"), "k");
        }
        runs.run("SET full v").ok();
        runs.run("CONFIG SET maxmemory-policy allkeys-lru").ok();
        runs.run("CONFIG SET maxmemory 1").ok();
        runs.run("PING");
        for event in ["new", "set", "evicted"] {
            expect("__keyspace@3__:full", event);
            expect(&format!("__keyevent@3__:{event}"), "full");
        }
    }
}

#[test]
fn nothing_goes_while_clients_are_paused() {
    for server in pair(&[]) {
        let mut runs = server.client();
        let gone =
            || server.info("stats").num("expired_keys") + server.info("stats").num("evicted_keys");
        runs.run("SET full v").ok();
        for line in [
            "MULTI",
            "SET a 1 PX 10",
            "SET b 1 PX 10",
            "CLIENT PAUSE 100000 WRITE",
        ] {
            runs.run(line);
        }
        assert!(!runs.run("EXEC").is_error());
        runs.run("CONFIG SET maxmemory-policy allkeys-lru").ok();
        runs.run("CONFIG SET maxmemory 1").ok();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(runs.run("GET a"), Value::Nil);
        assert_eq!(runs.run("GET full").text(), "v");
        assert_eq!(
            (runs.run("DBSIZE").int(), gone()),
            (3, 0),
            "{:?}",
            server.kind
        );
        runs.run("CLIENT UNPAUSE").ok();
        eventually("all go", || {
            let left = runs.run("DBSIZE").int();
            wait::check(left == 0 && gone() == 3, || format!("{left} are left"))
        });
    }
}

/// The same stream makes the same events on replicas of both kinds.
#[test]
fn what_a_master_changes() {
    let master = Server::redis(&[]);
    let replicas = pair(&[]);
    let port = master.port;
    for replica in &replicas {
        replica.client().run(&format!("REPLICAOF 127.0.0.1 {port}"));
        eventually("the replica follows", || {
            let info = replica.client().run("INFO replication").text();
            wait::check(info.contains("master_link_status:up"), || info)
        });
    }
    let mut hear = replicas.each_ref().map(listener);
    let mut runs = master.client();
    for line in [
        "SET a 1",
        "SET a 1 EX 100",
        "SADD s a b c",
        "SPOP s 2",
        "HSET h f 1",
        "HINCRBYFLOAT h f 1",
        "RPUSH l a",
        "BLPOP l 1",
        "MULTI",
        "SET b 1",
        "XADD x 1-1 f v",
        "EXEC",
        "PSETEX gone 30 v",
        "GETEX a EX 10",
        "GETDEL a",
        "RENAME b c",
        "COPY c d",
        "MOVE d 1",
        "SELECT 1",
        "LPUSH last x",
    ] {
        assert!(!runs.run(line).is_error(), "{line}");
    }
    eventually("the key expires", || {
        runs.run("SELECT 0").ok();
        let there = runs.run("EXISTS gone").int();
        wait::check(there == 0, || "it is there".into())
    });
    runs.run("SELECT 1").ok();
    runs.run("SET end x").ok();
    let said = hear.each_mut().map(|client| {
        let mut all = Vec::new();
        while all.last() != Some(&["__keyevent@1__:set".to_owned(), "end".to_owned()]) {
            all.push(next(client));
        }
        all
    });
    assert_eq!(said[0], said[1]);
    let del = ["__keyevent@0__:del".to_owned(), "gone".to_owned()];
    assert!(said[0].contains(&del), "{:?}", said[0]);
}

#[test]
fn nothing_is_told_that_nobody_asked_for() {
    let [ours, theirs] = pair(&[]);
    for classes in ["", "A", "K", "E", "Kg", "E$", "KEx", "Kn", "Em", "Klshzt"] {
        let said = [&ours, &theirs].map(|server| {
            let mut hears = listener(server);
            let mut runs = server.client();
            runs.run("FLUSHALL").ok();
            runs.cmd(&["CONFIG", "SET", "notify-keyspace-events", classes])
                .ok();
            for line in [
                "SET a 1",
                "GET b",
                "DEL a",
                "LPUSH l 1",
                "XADD x 1-1 a b",
                "PSETEX a 1 1",
            ] {
                assert!(!runs.run(line).is_error(), "{line}");
            }
            std::thread::sleep(Duration::from_millis(5));
            runs.run("GET a");
            heard(&mut hears)
        });
        assert_eq!(said[0], said[1], "{classes}");
    }
}
