//! What INFO and CLIENT LIST say of the links of replication, and what can be asked of them, beside the stock server.

use crate::common::server::free_port;
use crate::common::wait::check;
use crate::common::*;
use std::process::Command;

const BOTH: [Kind; 2] = [Kind::Redis, Kind::Damselfly];

/// A master and its replica, both of one kind.
fn pair(kind: Kind) -> (Server, Server) {
    let args = ["--repl-diskless-sync-delay", "0"];
    let (master, replica) = (Server::start(kind, &args), Server::start(kind, &args));
    master.run("SET k v").ok();
    replica.follow(master.port);
    await_replicas(&master, 1);
    await_caught_up(&master, &replica);
    (master, replica)
}

fn field(line: &str, name: &str) -> String {
    let found = line.split(' ').find_map(|field| field.strip_prefix(name));
    found.unwrap_or_default().to_owned()
}

/// What CLIENT LIST says of the clients of this class.
fn listed(server: &Server, class: &str) -> Vec<String> {
    let list = server.run(&format!("CLIENT LIST TYPE {class}")).text();
    list.lines().map(str::to_owned).collect()
}

/// The one client of this class.
fn only(server: &Server, class: &str) -> Result<String, String> {
    match &listed(server, class)[..] {
        [line] => Ok(line.clone()),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn links_are_listed_among_the_clients() {
    const KEPT: [&str; 9] = [
        "flags=", "db=", "sub=", "psub=", "ssub=", "multi=", "user=", "redir=", "resp=",
    ];
    let seen = BOTH.map(|kind| {
        let (master, replica) = pair(kind);
        let down = eventually("it confirms what it has", || {
            let line = only(&master, "replica")?;
            check(field(&line, "cmd=") == "replconf", || line.clone())?;
            Ok(line)
        });
        let up = eventually("the link is up", || only(&replica, "master"));
        assert_eq!(field(&up, "addr="), format!("127.0.0.1:{}", master.port));
        assert_eq!(field(&down, "addr="), field(&up, "laddr="));
        for (server, class) in [(&master, "master"), (&replica, "replica")] {
            assert!(listed(server, class).is_empty());
        }
        for (server, clients) in [(&master, 1), (&replica, 2)] {
            eventually("those who ask have gone", || {
                let seen = server.info("clients").num("connected_clients");
                check(seen == clients, || seen.to_string())
            });
        }
        [down, up].map(|line| KEPT.map(|name| field(&line, name)))
    });
    assert_eq!(seen[0], seen[1]);
}

/// Where the link is connected from, when both sides say the same.
fn connected(master: &Server, replica: &Server) -> Result<String, String> {
    let (down, up) = (only(master, "replica")?, only(replica, "master")?);
    let (addr, laddr) = (field(&down, "addr="), field(&up, "laddr="));
    check(addr == laddr, || format!("{down}; {up}"))?;
    Ok(addr)
}

#[test]
fn links_are_killed_by_their_class() {
    for kind in BOTH {
        let (master, replica) = pair(kind);
        for (server, class, other) in [
            (&master, "replica", "master"),
            (&replica, "master", "replica"),
        ] {
            let before = eventually("they are connected", || connected(&master, &replica));
            server.run("CLIENT KILL TYPE normal");
            server.run("CLIENT KILL TYPE pubsub");
            assert_eq!(server.run(&format!("CLIENT KILL TYPE {other}")).int(), 0);
            assert_eq!(connected(&master, &replica), Ok(before.clone()));
            assert_eq!(server.run(&format!("CLIENT KILL TYPE {class}")).int(), 1);
            eventually("they connect anew", || {
                let now = connected(&master, &replica)?;
                check(now != before, || now)
            });
        }
        replica.await_link(master.port);
        master.run("SET k w").ok();
        await_caught_up(&master, &replica);
        assert_same_data(&master, &replica);
    }
}

#[test]
fn a_link_that_was_never_up_is_down_since_never() {
    const DOWN: &str = "master_link_down_since_seconds";
    for kind in BOTH {
        let nobody = format!("127.0.0.1 {}", free_port());
        let replica = Server::start(kind, &["--replicaof", &nobody]);
        assert_eq!(replica.info("replication").num(DOWN), -1);
        let mut master = Server::redis(&["--repl-diskless-sync-delay", "0"]);
        replica.follow(master.port);
        replica.await_link(master.port);
        master.kill();
        eventually("the link is down", || {
            let info = replica.info("replication");
            check(info.get("master_link_status") == "down", || info.short())?;
            check((0..60).contains(&info.num(DOWN)), || info.short())
        });
    }
}

#[test]
fn a_shutdown_that_waits_says_how_long() {
    const FIELD: &str = "shutdown_in_milliseconds";
    for kind in BOTH {
        let master = Server::start(kind, &["--shutdown-timeout", "60"]);
        let replica = Server::redis(&[]);
        replica.follow(master.port);
        await_replicas(&master, 1);
        replica.freeze(true);
        master.run("SET k v").ok();
        let said = || master.run("INFO server").text();
        assert!(!said().contains(FIELD));
        let mut asker = master.client();
        asker.send_line("SHUTDOWN NOSAVE").expect("send");
        eventually("it waits", || {
            let text = said();
            let rest = text.lines().find_map(|line| line.strip_prefix(FIELD));
            let rest = rest.and_then(|rest| rest.strip_prefix(':')?.parse::<u64>().ok());
            check(rest.is_some_and(|ms| (1..=60_000).contains(&ms)), || {
                text.clone()
            })
        });
        master.run("SHUTDOWN ABORT").ok();
        eventually("it waits no more", || check(!said().contains(FIELD), said));
        replica.freeze(false);
    }
}

#[test]
fn a_snapshot_is_had_without_keys() {
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    let has = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|w| w == word.as_bytes());
    let said = BOTH.map(|kind| {
        let server = Server::start(kind, &["--repl-diskless-sync-delay", "0"]);
        let mut client = server.client();
        client.run("SET the-key 1").ok();
        client.cmd(&["FUNCTION", "LOAD", library]);
        let file = server.dir().join("functions.rdb");
        let asked = Command::new("redis-cli")
            .args(["-p", &server.port.to_string(), "--functions-rdb"])
            .arg(&file)
            .output()
            .expect("run redis-cli");
        assert!(asked.status.success(), "{asked:?}");
        let bytes = std::fs::read(&file).expect("what it was sent");
        assert!(bytes.starts_with(b"REDIS") && has(&bytes, "register_function"));
        assert!(!has(&bytes, "the-key"), "{kind:?} sent keys");
        let checked = Command::new("redis-check-rdb").arg(&file).output();
        let checked = checked.expect("run redis-check-rdb");
        assert!(checked.status.success(), "{checked:?}");
        let mut said = Vec::new();
        for value in [
            "functions",
            "FUNCTIONS functions",
            "",
            "keys",
            "functions tea",
            "\"open",
        ] {
            said.push(format!(
                "{:?}",
                client.cmd(&["REPLCONF", "rdb-filter-only", value])
            ));
        }
        // It did not say that it knows where such a snapshot ends.
        said.push(format!("{:?}", client.cmd(&["PSYNC", "?", "-1"])));
        said
    });
    assert_eq!(said[0], said[1]);
}

#[test]
fn the_case_of_a_replid_is_no_matter() {
    for kind in BOTH {
        let (master, _replica) = pair(kind);
        let info = master.info("replication");
        let replid = info.get("master_replid").to_uppercase();
        let next = info.num("master_repl_offset") + 1;
        let mut client = master.client();
        client
            .send_line(&format!("PSYNC {replid} {next}"))
            .expect("send");
        let answer = client.read().expect("an answer").text();
        assert!(answer.starts_with("CONTINUE"), "{kind:?}: {answer}");
    }
}

#[test]
fn what_a_replica_was_not_sent_is_its_output() {
    for kind in BOTH {
        let (master, replica) = pair(kind);
        replica.freeze(true);
        let value = "x".repeat(1 << 20);
        let mut client = master.client();
        eventually("the system takes no more for it", || {
            client.cmd(&["SET", "k", &value]).ok();
            let line = only(&master, "replica")?;
            let waits = field(&line, "omem=").parse::<u64>().unwrap_or(0);
            check(waits > 1 << 20, || line.clone())
        });
        let held = master.info("memory").num("mem_total_replication_buffers");
        assert!(held > 1 << 20, "{held}");
        replica.freeze(false);
        await_caught_up(&master, &replica);
        eventually("nothing waits any more", || {
            let line = only(&master, "replica")?;
            // The stock server counts the block that it goes on with.
            let waits = field(&line, "omem=").parse::<u64>().unwrap_or(u64::MAX);
            check(waits < 100_000, || line.clone())
        });
    }
}

/// Programs and people look for these lines.
#[test]
fn logs_say_what_the_stock_server_says() {
    for kind in BOTH {
        let (master, replica) = pair(kind);
        replica.run("CLIENT KILL TYPE master").int();
        // The link that was there is not taken for the one that comes.
        eventually("it resumes", || {
            let resumed = master.info("stats").num("sync_partial_ok");
            check(resumed == 1, || resumed.to_string())
        });
        await_replicas(&master, 1);
        replica.await_link(master.port);
        master
            .run(&format!("FAILOVER TO 127.0.0.1 {}", replica.port))
            .ok();
        eventually("they change places", || {
            let role = replica.info("replication").get("role");
            check(role == "master", || role.clone())
        });
        master.await_link(replica.port);
        master.run("REPLICAOF NO ONE").ok();
        let once: [(&Server, &[&str]); 2] = [
            (
                &master,
                &[
                    ":M ",
                    ":S ",
                    "asks for synchronization",
                    "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '",
                    "Starting BGSAVE for SYNC with target: replicas sockets",
                    "Waiting for REPLCONF ACK from slave to enable streaming",
                    " succeeded",
                    "Background RDB transfer terminated with success",
                    "Connection with replica",
                    "Partial resynchronization request from 127.0.0.1:",
                    "FAILOVER requested to 127.0.0.1:",
                    "is synced, failing over.",
                    "Successful partial resynchronization with master.",
                    "Master replication ID changed to ",
                    "Setting secondary replication ID to ",
                    "MASTER MODE enabled",
                ],
            ),
            (
                &replica,
                &[
                    ":M ",
                    ":S ",
                    "Connecting to MASTER 127.0.0.1:",
                    "MASTER <-> REPLICA sync started",
                    "Trying a partial resynchronization (request ",
                    "Full resync from master: ",
                    "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to ",
                    "MASTER <-> REPLICA sync: Loading DB in memory",
                    "MASTER <-> REPLICA sync: Finished with success",
                    "Connection with master lost.",
                    "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.",
                    "Failover request received",
                ],
            ),
        ];
        for (server, lines) in once {
            let log = server.log();
            for line in lines {
                assert!(log.contains(line), "{kind:?} does not say {line:?}:\n{log}");
            }
        }
    }
}

#[test]
fn bytes_of_replication_are_counted_apart() {
    for kind in [Kind::Redis, Kind::Damselfly] {
        let (master, replica) = pair(kind);
        let counted = |server: &Server, way: &str| {
            let stats = server.info("stats");
            let [all, own] =
                ["", "_repl"].map(|of| stats.num(&format!("total_net{of}_{way}_bytes")));
            assert!(all >= own, "{all} in all, {own} of replication");
            own
        };
        let before = [counted(&master, "output"), counted(&replica, "input")];
        // The snapshot.
        assert!(before.iter().all(|bytes| *bytes > 100), "{before:?}");
        master.run(&format!("SET k {}", "x".repeat(100_000))).ok();
        await_caught_up(&master, &replica);
        eventually("it is counted", || {
            let after = [counted(&master, "output"), counted(&replica, "input")];
            let moved = [after[0] - before[0], after[1] - before[1]];
            let near = moved.iter().all(|bytes| (100_000..101_000).contains(bytes));
            check(near, || format!("{moved:?}"))
        });
        assert_eq!(counted(&master, "input"), 0);
        assert_eq!(counted(&replica, "output"), 0);
        assert_eq!(master.info("stats").num("sync_full"), 1);
        for (server, way) in [(&master, "output"), (&replica, "input")] {
            server.run("CONFIG RESETSTAT").ok();
            assert_eq!(server.info("stats").num("sync_full"), 0);
            assert!(counted(server, way) < 1000);
        }
    }
}
