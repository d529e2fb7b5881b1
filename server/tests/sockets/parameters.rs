//! Parameters of replication: each is seen to do what it is for, whichever way it was set.

use crate::common::wait::check;
use crate::common::*;
use std::time::Duration;

/// Parameters, a value other than the default, and what CONFIG GET says then.
const VALUES: &[(&str, &str, &str)] = &[
    ("repl-backlog-size", "2mb", "2097152"),
    ("repl-backlog-ttl", "7200", "7200"),
    ("repl-timeout", "30", "30"),
    ("repl-ping-replica-period", "3", "3"),
    ("repl-diskless-sync", "no", "no"),
    ("repl-diskless-sync-delay", "1", "1"),
    ("repl-diskless-sync-max-replicas", "2", "2"),
    ("repl-disable-tcp-nodelay", "yes", "yes"),
    ("replica-announce-ip", "10.1.2.3", "10.1.2.3"),
    ("replica-announce-port", "7001", "7001"),
    ("replica-announced", "no", "no"),
    ("replica-priority", "7", "7"),
    ("replica-read-only", "no", "no"),
    ("replica-serve-stale-data", "no", "no"),
    ("min-replicas-to-write", "2", "2"),
    ("min-replicas-max-lag", "5", "5"),
    ("bind-source-addr", "127.0.0.3", "127.0.0.3"),
    ("masterauth", "sesame", "sesame"),
    ("masteruser", "ali", "ali"),
];

/// A value that is two words in one.
const LIMITS: (&str, &str) = ("client-output-buffer-limit", "replica 1048576 524288 5");

fn get(server: &Server, name: &str) -> String {
    server.run(&format!("CONFIG GET {name}")).list()[1].text()
}

/// All of [`VALUES`] are in force.
fn assert_in_force(server: &Server) {
    for (name, _, shown) in VALUES {
        assert_eq!(get(server, name), *shown, "{name}");
    }
    assert!(get(server, LIMITS.0).contains("slave 1048576 524288 5"));
    assert_eq!(server.info("replication").num("repl_backlog_size"), 2 << 20);
}

#[test]
fn flags_set_them() {
    let mut args: Vec<String> = Vec::new();
    for (name, value, _) in VALUES {
        args.extend([format!("--{name}"), (*value).to_owned()]);
    }
    args.extend([format!("--{}", LIMITS.0), LIMITS.1.to_owned()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    assert_in_force(&Server::damselfly(&args));
}

#[test]
fn config_set_sets_them_and_the_file_keeps_them() {
    let mut server = Server::with_file(Kind::Damselfly, &[]);
    let mut client = server.client();
    for (name, value, _) in VALUES {
        client.cmd(&["CONFIG", "SET", name, value]).ok();
    }
    client.cmd(&["CONFIG", "SET", LIMITS.0, LIMITS.1]).ok();
    assert_in_force(&server);
    client.run("CONFIG REWRITE").ok();
    server.restart();
    // The harness starts servers with a delay of its own, and flags override files.
    server.run("CONFIG SET repl-diskless-sync-delay 1").ok();
    assert_in_force(&server);
}

/// A pair that streams; all it does is set while it does.
fn pair() -> (Server, Server) {
    let (master, replica) = (Server::damselfly(&[]), Server::damselfly(&[]));
    replica.follow(master.port);
    await_replicas(&master, 1);
    (master, replica)
}

#[test]
fn a_master_pings_as_often_as_it_is_told() {
    let (master, replica) = pair();
    let at = master.info("replication").num("master_repl_offset");
    master.run("CONFIG SET repl-ping-replica-period 1").ok();
    eventually("pings move the offset", || {
        let now = replica.info("replication").num("slave_repl_offset");
        check(now >= at + 2 * 14, || format!("{at} -> {now}"))
    });
}

#[test]
fn a_backlog_has_the_size_it_is_given_and_goes_when_its_time_is_over() {
    let (master, mut replica) = pair();
    let info = || master.info("replication");
    master.run("CONFIG SET repl-backlog-size 32kb").ok();
    let value = "x".repeat(1000);
    let mut client = master.client();
    for _ in 0..400 {
        client.cmd(&["SET", "k", &value]).ok();
    }
    eventually("the backlog shrinks", || {
        let held = info().num("repl_backlog_histlen");
        check(held < 200_000, || format!("{held} bytes"))
    });
    assert_eq!(info().num("repl_backlog_size"), 32 << 10);
    replica.kill();
    master.run("CONFIG SET repl-backlog-ttl 1").ok();
    eventually("the backlog goes", || {
        check(info().num("repl_backlog_active") == 0, || {
            "it is there".into()
        })
    });
}

#[test]
fn silence_is_borne_for_as_long_as_told_on_both_sides() {
    let (master, replica) = pair();
    // Far from the default: a link that is up hears of it.
    for server in [&master, &replica] {
        server.run("CONFIG SET repl-timeout 2").ok();
    }
    replica.freeze(true);
    eventually("the master drops it", || {
        let left = master.info("replication").num("connected_slaves");
        check(left == 0, || format!("{left} replicas"))
    });
    replica.freeze(false);
    replica.await_link(master.port);
    master.freeze(true);
    eventually("the replica gives the link up", || {
        let status = replica.info("replication").get("master_link_status");
        check(status == "down", || status.clone())
    });
    master.freeze(false);
    replica.await_link(master.port);
}

#[test]
fn replicas_that_ask_within_the_delay_share_a_snapshot() {
    let master = Server::damselfly(&[]);
    master.run("SET k v").ok();
    master
        .run("CONFIG SET repl-diskless-sync-delay 60 repl-diskless-sync-max-replicas 3")
        .ok();
    let replicas = [
        Server::damselfly(&[]),
        Server::redis(&[]),
        Server::damselfly(&[]),
    ];
    for replica in &replicas {
        replica
            .run(&format!("REPLICAOF 127.0.0.1 {}", master.port))
            .ok();
    }
    for replica in &replicas {
        replica.await_link(master.port);
        assert_eq!(replica.run("GET k").text(), "v");
    }
    // Said before the mark at the snapshot's end is sent; that a replica is online is said only after its link is up.
    let snapshots = master.log().matches(" bytes in ").count();
    assert_eq!(snapshots, 1, "{}", master.log());
    assert_eq!(master.info("stats").num("sync_full"), 3);
}

#[test]
fn a_frozen_replica_is_let_go_at_the_limit_and_no_write_waits() {
    let (master, replica) = pair();
    master.run("CONFIG SET repl-backlog-size 64kb").ok();
    let limits = ["CONFIG", "SET", LIMITS.0, "replica 1mb 0 0"];
    master.client().cmd(&limits).ok();
    replica.freeze(true);
    let value = "x".repeat(100_000);
    let mut client = master.client();
    // More than sockets hold; the client's own patience is the limit of a write.
    for _ in 0..400 {
        client.cmd(&["SET", "k", &value]).ok();
    }
    eventually("it is let go", || {
        let left = master.info("replication").num("connected_slaves");
        check(left == 0, || format!("{left} replicas"))
    });
    replica.freeze(false);
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
}

#[test]
fn a_replica_is_known_by_what_it_announces() {
    let master = Server::damselfly(&[]);
    let replica = Server::damselfly(&[]);
    let set = "CONFIG SET replica-announce-ip 10.1.2.3 replica-announce-port 7001 replica-priority 7 replica-announced no";
    replica.run(set).ok();
    replica.follow(master.port);
    let line = master.info("replication").get("slave0");
    assert!(line.starts_with("ip=10.1.2.3,port=7001,"), "{line}");
    let info = replica.info("replication");
    assert_eq!(info.get("slave_priority"), "7");
    assert_eq!(info.get("replica_announced"), "0");
}

#[test]
fn a_replica_takes_writes_only_if_told_to() {
    let (master, replica) = pair();
    assert!(replica.run("SET k v").error().starts_with("READONLY "));
    replica.run("CONFIG SET replica-read-only no").ok();
    replica.run("SET local v").ok();
    assert_eq!(replica.info("replication").get("slave_read_only"), "0");
    // Its own affair: nobody else is told.
    assert_eq!(master.run("EXISTS local"), Value::Int(0));
    replica.run("CONFIG SET replica-read-only yes").ok();
    assert!(replica.run("SET k v").error().starts_with("READONLY "));
}

#[test]
fn what_a_writable_replica_made_expire_goes_there_by_itself() {
    for kind in [Kind::Redis, Kind::Damselfly] {
        let master = Server::redis(&[]);
        master.run("DEBUG SET-ACTIVE-EXPIRE 0").ok();
        for key in ["a", "b", "c"] {
            master.run(&format!("SET {key} 1 PX 1")).ok();
        }
        master.run("MSET d 1 e 1 f 1").ok();
        let replica = Server::start(kind, &["--replica-read-only", "no"]);
        replica.follow(master.port);
        replica.run("SET own 1 PX 1").ok();
        replica.run("SETEX a 1000 own").ok();
        replica.run("PEXPIRE d 1");
        replica.run("PEXPIRE e 1000000");
        replica.run("PERSIST e");
        replica.run("PEXPIRE f 200");
        // The master's word comes later, and counts more.
        master.run("SET f 2").ok();
        await_caught_up(&master, &replica);
        let held = || replica.run("DBSIZE").int();
        eventually("its own keys go, and no others", || {
            check(held() == 5, || format!("{} keys", held()))
        });
        for key in ["own", "d", "b"] {
            assert_eq!(replica.run(&format!("GET {key}")), Value::Nil);
        }
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(held(), 5, "{kind:?}");
        assert_eq!(replica.run("GET f").text(), "2");
    }
}

#[test]
fn stale_data_are_served_only_if_told_to() {
    let (mut master, replica) = pair();
    master.run("SET k v").ok();
    await_caught_up(&master, &replica);
    master.kill();
    eventually("the link is down", || {
        let status = replica.info("replication").get("master_link_status");
        check(status == "down", || status.clone())
    });
    assert_eq!(replica.run("GET k").text(), "v");
    replica.run("CONFIG SET replica-serve-stale-data no").ok();
    assert_eq!(
        replica.run("GET k").error(),
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
    );
    assert_eq!(
        replica.run("PING").error().split(' ').next(),
        Some("MASTERDOWN")
    );
    // What is of the connection alone.
    assert_eq!(replica.run("ECHO here").text(), "here");
    assert_eq!(replica.info("replication").get("role"), "slave");
    master.restart();
    replica.await_link(master.port);
    assert!(!replica.run("GET k").is_error());
}

#[test]
fn a_write_needs_so_many_good_replicas_when_it_executes() {
    let (master, replica) = pair();
    const REFUSED: &str = "NOREPLICAS Not enough good replicas to write.";
    let mut client = master.client();
    client.run("MULTI").ok();
    client.run("SET k 1");
    master.run("CONFIG SET min-replicas-to-write 2").ok();
    // Queued when it would have been allowed, and still not executed.
    assert_eq!(
        client.run("EXEC").error(),
        format!("EXECABORT Transaction discarded because of: {REFUSED}")
    );
    assert_eq!(master.run("SET k 2").error(), REFUSED);
    assert_eq!(master.run("GET k"), Value::Nil);
    master.run("CONFIG SET min-replicas-to-write 1").ok();
    master.run("SET k 3").ok();
    assert_eq!(master.info("replication").num("min_slaves_good_slaves"), 1);
    // One that is silent is good for as long as it may lag.
    master.run("CONFIG SET min-replicas-max-lag 1").ok();
    replica.freeze(true);
    eventually("it lags", || {
        let reply = master.run("SET k 4");
        check(reply == Value::Error(REFUSED.into()), || {
            format!("{reply:?}")
        })
    });
    master.run("CONFIG SET min-replicas-max-lag 0").ok();
    master.run("SET k 5").ok();
    replica.freeze(false);
}

#[test]
fn a_replica_says_who_it_is() {
    for kind in [Kind::Damselfly, Kind::Redis] {
        let master = Server::start(kind, &[]);
        let replica = Server::damselfly(&[]);
        master.run("CONFIG SET requirepass sesame").ok();
        let follow = format!("REPLICAOF 127.0.0.1 {}", master.port);
        assert!(replica.run(&follow).error().contains("NOAUTH"));
        replica.run("CONFIG SET masterauth wrong").ok();
        assert!(replica.run(&follow).error().contains("WRONGPASS"));
        replica.run("CONFIG SET masterauth sesame").ok();
        replica.follow(master.port);
    }
    // A user of its own, with no more rights than a replica needs.
    let master = Server::redis(&[]);
    master
        .run("ACL SETUSER ali on >open +psync +replconf +ping")
        .ok();
    master.run("CONFIG SET requirepass sesame").ok();
    let replica = Server::damselfly(&["--masteruser", "ali", "--masterauth", "open"]);
    replica.follow(master.port);
}

#[test]
fn snapshots_and_loads_take_as_long_as_tests_want_and_end_when_nobody_waits() {
    let (master, replica) = (Server::damselfly(&[]), Server::damselfly(&[]));
    master.run("MSET a 1 b 2 c 3").ok();
    for server in [&master, &Server::redis(&[])] {
        let seen = |pattern: &str| server.run(&format!("CONFIG GET {pattern}")).list().len();
        assert_eq!(seen("*-delay"), 2, "only repl-diskless-sync-delay");
        assert_eq!(seen("rdb-key-save-delay"), 2);
        assert_eq!(seen("key-load-delay") + seen("use-exit-on-panic"), 4);
    }
    let set = "CONFIG SET repl-diskless-sync-delay 0 rdb-key-save-delay 100000000";
    master.run(set).ok();
    let making = || master.info("persistence").num("rdb_bgsave_in_progress");
    replica
        .run(&format!("REPLICAOF 127.0.0.1 {}", master.port))
        .ok();
    eventually("the snapshot is under way", || {
        let state = master.info("replication").get("slave0");
        check(state.contains("wait_bgsave"), || state.clone())
    });
    assert_eq!(making(), 1);
    // A replica that falls too far behind meanwhile need not wait for the next piece to be let go.
    let mut client = master.client();
    let limit = "replica 100kb 0 0";
    client.run("CONFIG SET repl-backlog-size 16384").ok();
    client
        .cmd(&["CONFIG", "SET", "client-output-buffer-limit", limit])
        .ok();
    eventually("it is let go", || {
        // What is written before the snapshot begins is a part of it, and nothing that the replica lags behind.
        client.cmd(&["SET", "a", &"x".repeat(1 << 20)]).ok();
        let log = master.log();
        check(log.contains("dropped for overcoming"), || log.clone())
    });
    replica.run("REPLICAOF NO ONE").ok();
    eventually("it is given up", || {
        check(making() == 0, || "it goes on".into())
    });
    master.run("CONFIG SET rdb-key-save-delay 0").ok();
    replica.run("CONFIG SET key-load-delay 1000").ok();
    replica.follow(master.port);
    assert_eq!(replica.run("DBSIZE").int(), 3);
}

#[test]
fn links_come_from_the_address_that_they_are_told() {
    // For the stock server only one address of the loopback interface is of this machine.
    let master = Server::redis(&["--protected-mode", "no"]);
    let from = || {
        let list = master.run("CLIENT LIST TYPE replica").text();
        let at = list.find(" addr=").map_or(0, |at| at + " addr=".len());
        list[at..].split(':').next().unwrap_or_default().to_owned()
    };
    for kind in [Kind::Redis, Kind::Damselfly] {
        let replica = Server::start(kind, &["--bind-source-addr", "127.0.0.3"]);
        replica.follow(master.port);
        assert_eq!(from(), "127.0.0.3", "{kind:?}");
        replica.run("REPLICAOF NO ONE").ok();
        // One that is not ours is none: from the range for documentation.
        for (address, seen) in [("127.0.0.4", "127.0.0.4"), ("192.0.2.1", "127.0.0.1")] {
            replica
                .run(&format!("CONFIG SET bind-source-addr {address}"))
                .ok();
            replica.follow(master.port);
            assert_eq!(from(), seen, "{kind:?}");
            replica.run("REPLICAOF NO ONE").ok();
        }
    }
}

#[test]
fn the_system_is_told_how_readily_to_end_the_server() {
    let master = Server::redis(&[]);
    let mut said = Vec::new();
    for kind in [Kind::Redis, Kind::Damselfly] {
        let server = Server::start(kind, &[]);
        let score = || {
            let file = format!("/proc/{}/oom_score_adj", server.pid());
            let text = std::fs::read_to_string(file).expect("a score");
            text.trim().parse::<i32>().expect("a number")
        };
        let (base, mut client) = (score(), server.client());
        let mut set = |values: &str, mode: &str| {
            let names = ["oom-score-adj-values", "oom-score-adj"];
            let reply = client.cmd(&["CONFIG", "SET", names[0], values, names[1], mode]);
            said.push((values.to_owned(), format!("{reply:?}")));
            score() - base
        };
        assert_eq!(set("10 20 30", "yes"), 10);
        assert_eq!(set("15 25 30", "relative"), 15);
        server.follow(master.port);
        eventually("a replica has its own", || {
            check(score() == base + 25, || score().to_string())
        });
        assert_eq!(set("15 40 30", "absolute"), 40 - base);
        for wrong in ["-2001 0 0", "0 2001 0", "1 2", "a b c"] {
            assert_eq!(set(wrong, "no"), 40 - base, "{wrong}");
        }
        assert_eq!(set("15 40 30", "no"), 0);
    }
    let (stock, ours) = said.split_at(said.len() / 2);
    assert_eq!(stock, ours);
}
