//! WAIT: how many replicas have what this client wrote. Each test asks a stock master the same.

use crate::common::wait::check;
use crate::common::*;

const BOTH: [Kind; 2] = [Kind::Redis, Kind::Damselfly];

/// A master of this kind, and a replica of each kind.
fn set(master: Kind) -> (Server, [Server; 2]) {
    let master = Server::start(master, &[]);
    let replicas = BOTH.map(|kind| {
        let replica = Server::start(kind, &[]);
        replica.follow(master.port);
        replica
    });
    await_replicas(&master, 2);
    (master, replicas)
}

/// A client of `master` that waits for two replicas without a limit, one of which is frozen; and its number.
fn waiting(master: &Server) -> (Client, i64) {
    let mut client = master.client();
    let id = client.run("CLIENT ID").int();
    client.run("SET k v").ok();
    // So that what it is told of the one that is awake does not hang on when it is asked.
    assert_eq!(client.run("WAIT 1 0"), Value::Int(1));
    client.send_line("WAIT 2 0").expect("send");
    eventually("it waits", || {
        let blocked = master.info("clients").num("blocked_clients");
        check(blocked == 1, || format!("{blocked} wait"))
    });
    (client, id)
}

#[test]
fn both_kinds_of_replica_confirm() {
    for kind in BOTH {
        let (master, replicas) = set(kind);
        let mut client = master.client();
        for i in 0..20 {
            client.run(&format!("SET k {i}")).ok();
            assert_eq!(client.run("WAIT 2 0"), Value::Int(2));
            for replica in &replicas {
                assert_eq!(replica.run("GET k").text(), i.to_string());
            }
        }
        // As many as there are, and no more.
        assert_eq!(client.run("WAIT 3 1"), Value::Int(2));
        assert_eq!(client.run("WAIT 0 0"), Value::Int(2));
    }
}

#[test]
fn each_client_waits_for_its_own_writes() {
    for kind in BOTH {
        let (master, replicas) = set(kind);
        let (mut first, mut second) = (master.client(), master.client());
        first.run("SET first 1").ok();
        assert_eq!(first.run("WAIT 2 0"), Value::Int(2));
        replicas[1].freeze(true);
        // Behind the first client's back, so to speak.
        second.run("SET second 1").ok();
        assert_eq!(second.run("WAIT 1 0"), Value::Int(1));
        assert_eq!(second.run("WAIT 2 50"), Value::Int(1));
        assert_eq!(first.run("WAIT 2 0"), Value::Int(2));
        // A transaction's writes are its own, too; inside of one nobody waits.
        first.run("MULTI").ok();
        first.run("SET first 2");
        first.run("WAIT 2 0");
        assert!(first.run("EXEC").list()[1].int() < 2);
        assert_eq!(first.run("WAIT 2 50"), Value::Int(1));
        replicas[1].freeze(false);
        assert_eq!(second.run("WAIT 2 0"), Value::Int(2));
        assert_eq!(first.run("WAIT 2 0"), Value::Int(2));
    }
}

/// The stock server forgets them: its WAIT looks only at what was written while the client's own command ran.
#[test]
fn a_write_made_on_behalf_of_one_who_waited_is_its_own() {
    let (master, replicas) = set(Kind::Damselfly);
    let mut popper = master.client();
    popper.send_line("BLPOP list 0").expect("send");
    eventually("it waits", || {
        let blocked = master.info("clients").num("blocked_clients");
        check(blocked == 1, || format!("{blocked} wait"))
    });
    replicas[0].freeze(true);
    master.run("RPUSH list a");
    assert_eq!(popper.read().expect("a pop").list().len(), 2);
    assert_eq!(popper.run("WAIT 2 50"), Value::Int(1));
    replicas[0].freeze(false);
    assert_eq!(popper.run("WAIT 2 0"), Value::Int(2));
}

#[test]
fn a_wait_can_be_cut_short() {
    for kind in BOTH {
        let (master, replicas) = set(kind);
        replicas[0].freeze(true);
        let (mut client, id) = waiting(&master);
        assert!(
            master
                .run(&format!("CLIENT LIST ID {id}"))
                .text()
                .contains("flags=b")
        );
        assert_eq!(master.run(&format!("CLIENT UNBLOCK {id}")), Value::Int(1));
        assert_eq!(client.read().expect("a count"), Value::Int(1));
        let (mut client, id) = waiting(&master);
        assert_eq!(
            master.run(&format!("CLIENT UNBLOCK {id} ERROR")),
            Value::Int(1)
        );
        assert_eq!(
            client.read().expect("an error").error(),
            "UNBLOCKED client unblocked via CLIENT UNBLOCK"
        );
        assert_eq!(master.run(&format!("CLIENT UNBLOCK {id}")), Value::Int(0));
        // The connection is as good as before.
        client.run("SET k w").ok();
        drop(client);
        let (client, _) = waiting(&master);
        drop(client);
        eventually("nobody waits", || {
            let blocked = master.info("clients").num("blocked_clients");
            check(blocked == 0, || format!("{blocked} wait"))
        });
        replicas[0].freeze(false);
    }
}

#[test]
fn a_replica_has_nothing_to_wait_for() {
    for kind in BOTH {
        let (master, replicas) = set(kind);
        let other = Server::redis(&[]);
        replicas[0].freeze(true);
        let (mut client, _) = waiting(&master);
        master
            .run(&format!("REPLICAOF 127.0.0.1 {}", other.port))
            .ok();
        assert_eq!(
            client.read().expect("an error").error(),
            "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
        );
        assert!(client.read().is_err(), "the connection is closed");
        assert!(
            master
                .run("WAIT 0 0")
                .error()
                .starts_with("ERR WAIT cannot be used with replica instances.")
        );
        replicas[0].freeze(false);
    }
    for line in ["WAIT x 0", "WAIT 1 x", "WAIT 1 -1", "WAIT 1"] {
        let replies = BOTH.map(|kind| Server::start(kind, &[]).run(line));
        assert_eq!(replies[0], replies[1], "{line}");
    }
}

/// What redis-server 8.0.2 answers without an append-only file.
#[test]
fn append_only_files_are_waited_for_in_vain() {
    let master = Server::damselfly(&[]);
    for (line, answer) in [
        (
            "WAITAOF 2 0 0",
            "value is out of range, value must between 0 and 1",
        ),
        ("WAITAOF x 0 0", "value is not an integer or out of range"),
        ("WAITAOF 0 -1 0", "value is out of range, must be positive"),
        ("WAITAOF 0 0 x", "timeout is not an integer or out of range"),
        ("WAITAOF 0 0 -1", "timeout is negative"),
        (
            "WAITAOF 1 0 0",
            "WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ),
    ] {
        assert_eq!(master.run(line).error(), format!("ERR {answer}"), "{line}");
    }
    let none = Value::Array(vec![Value::Int(0), Value::Int(0)]);
    assert_eq!(master.run("WAITAOF 0 0 0"), none);
    assert_eq!(master.run("WAITAOF 0 1 10"), none);
}

#[test]
fn who_is_killed_by_age_is_old_enough_and_not_listed_any_more() {
    let server = Server::damselfly(&[]);
    let (mut client, mut other) = (server.client(), server.client());
    other.run("PING");
    for (age, error) in [
        ("0", "maxage should be greater than 0"),
        ("x", "maxage is not an integer or out of range"),
    ] {
        let line = format!("CLIENT KILL MAXAGE {age}");
        assert_eq!(client.run(&line).error(), format!("ERR {error}"));
    }
    assert_eq!(client.run("CLIENT KILL MAXAGE 100000"), Value::Int(0));
    let id = other.run("CLIENT ID").int();
    eventually("it is old enough", || {
        let killed = client.run(&format!("CLIENT KILL MAXAGE 1 ID {id}"));
        check(killed == Value::Int(1), || format!("{killed:?}"))
    });
    let listed = client.run(&format!("CLIENT LIST ID {id}")).text();
    assert_eq!(listed, "", "it is gone once that is answered");
}
