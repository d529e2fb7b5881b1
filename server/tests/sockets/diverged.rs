//! A command of the master's stream fails at its replica: what the replica has is nowhere in its master's history any
//! more, and nobody resumes from it.

use crate::common::repl::Granted;
use crate::common::wait::check;
use crate::common::*;

/// A Damselfly and its replica, which has another `l` than the stream takes it for. The full sync that mends that is
/// asked for, and its snapshot does not begin.
fn diverged() -> (Server, Server) {
    let master = Server::damselfly(&["--repl-diskless-sync-delay", "0"]);
    let replica = Server::damselfly(&[]);
    replica.follow(master.port);
    replica.await_link(master.port);
    master.run("SET k v").ok();
    await_caught_up(&master, &replica);
    replica.run("CONFIG SET replica-read-only no").ok();
    replica.run("SET l own").ok();
    replica.run("CONFIG SET replica-read-only yes").ok();
    master.run("CONFIG SET repl-diskless-sync-delay 3600").ok();
    assert_eq!(master.run("RPUSH l a").int(), 1);
    eventually("the link breaks, and everything is asked for", || {
        let (info, stats) = (replica.info("replication"), master.info("stats"));
        let why = info.get("master_link_last_error");
        let broken = info.get("master_link_status") == "down" && why.contains("WRONGTYPE");
        check(broken && stats.num("sync_full") == 2, || {
            format!("{} {why} {}", info.short(), stats.short())
        })
    });
    assert_eq!(replica.run("GET l").text(), "own", "it is not served");
    (master, replica)
}

/// Where clients may write, the data differ from the master's anyway, so a command that fails is no reason to fetch them
/// anew. One that cannot be run here at all is: who resumed would come to it again and again.
#[test]
fn a_writable_replica_bears_what_fails_and_not_what_it_cannot_run() {
    let master = Server::damselfly(&[]);
    let replica = Server::damselfly(&["--replica-read-only", "no"]);
    replica.follow(master.port);
    replica.await_link(master.port);
    let before = granted(&master);
    replica.run("SET l own").ok();
    assert_eq!(master.run("RPUSH l a").int(), 1);
    await_caught_up(&master, &replica);
    assert_eq!(replica.run("GET l").text(), "own");
    assert_eq!(granted(&master), before);
    master.run("DEBUG REPLICATE nosuch command").ok();
    eventually("it has the master's data", || {
        let now = granted(&master);
        check(now.full == before.full + 1, || format!("{now:?}"))
    });
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
    let log = replica.log();
    assert!(log.contains("a command that is not served: nosuch"));
}

const NOBODY: &str = "0000000000000000000000000000000000000000";

#[test]
fn a_full_sync_mends_it() {
    let (master, replica) = diverged();
    // Who waits for a snapshot already waits on.
    master.run("CONFIG SET repl-diskless-sync-delay 0").ok();
    assert_eq!(master.run("CLIENT KILL TYPE replica").int(), 1);
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
    // From here on it resumes again.
    assert_eq!(replica.run("CLIENT KILL TYPE master").int(), 1);
    eventually("it resumes", || {
        let granted = granted(&master);
        check(granted.partial == 1, || format!("{granted:?}"))
    });
    assert_eq!(granted(&master).full, 3);
}

/// Nothing of the stream is lost, and nobody is asked for the same bytes again and again.
#[test]
fn what_is_not_served_here_comes_with_a_full_sync() {
    for master in [Server::damselfly(&[]), Server::redis(&[])] {
        let replica = Server::damselfly(&[]);
        replica.follow(master.port);
        replica.await_link(master.port);
        let full = granted(&master).full;
        master.run("DEBUG REPLICATE nosuch command").ok();
        master.run("SET k v").ok();
        await_caught_up(&master, &replica);
        assert_same_data(&master, &replica);
        assert_eq!(granted(&master).full, full + 1);
        assert!(
            replica
                .log()
                .contains("a command that is not served: nosuch")
        );
    }
}

/// No more of a stream is held than a gibibyte; who resumed before it would come to it again for ever.
#[test]
fn of_a_command_that_is_too_long_the_effect_comes_with_a_full_sync() {
    let source = Server::redis(&[]);
    source.run("SET k v").ok();
    source.run("SAVE").ok();
    let rdb = std::fs::read(source.dir().join("dump.rdb")).expect("read the snapshot");
    let master = Peer::master(move |conn, psync| {
        let id = "ab".repeat(20);
        let head = format!("+FULLRESYNC {id} 7\r\n${}\r\n", rdb.len());
        match &psync[1][..] == id.as_bytes() {
            true => conn.send(b"+CONTINUE\r\n"),
            false => conn.send(&[head.as_bytes(), &rdb].concat()),
        }
        conn.send(b"*3\r\n$3\r\nSET\r\n$1\r\nl\r\n$1100000000\r\n");
        conn.drain();
    });
    let replica = Server::damselfly(&[]);
    // The link is not up for long.
    let asked = format!("REPLICAOF 127.0.0.1 {}", master.port);
    replica.run(&asked).ok();
    eventually("everything is asked for again", || {
        let asked: Vec<_> = master.received();
        let asked = asked.iter().filter(|words| words[0] == b"PSYNC");
        let asked: Vec<_> = asked
            .map(|words| String::from_utf8_lossy(&words[1]).into_owned())
            .collect();
        check(asked.len() > 1 && asked.last().unwrap() == "?", || {
            format!("{asked:?}")
        })
    });
    assert_eq!(replica.run("GET k").text(), "v");
}

#[test]
fn once_promoted_it_has_a_history_of_its_own() {
    let (master, replica) = diverged();
    let sibling = Server::redis(&["--replicaof", &format!("127.0.0.1 {}", replica.port)]);
    let refused = |server: &Server| server.info("replication").get("master_link_status") == "down";
    assert!(refused(&sibling));
    let old = master.info("replication").get("master_replid");
    let info = replica.info("replication");
    let offset = info.num("master_repl_offset");
    // Sentinel is to choose another one.
    assert_eq!((info.num("slave_repl_offset"), offset > 0), (0, true));
    let asked = format!("PSYNC {old} {} FAILOVER", offset + 1);
    assert_eq!(
        replica.run(&asked).error(),
        "ERR PSYNC FAILOVER replid must match my replid."
    );
    replica.run("REPLICAOF NO ONE").ok();
    let info = replica.info("replication");
    assert_eq!(info.get("master_replid2"), NOBODY);
    assert_eq!(info.num("second_repl_offset"), -1);
    assert_ne!(info.get("master_replid"), old);
    // Whoever is at the same place of the old history gets everything.
    master.run("CONFIG SET repl-diskless-sync-delay 0").ok();
    sibling.follow(master.port);
    await_caught_up(&master, &sibling);
    // It may have asked once more before it was told to follow the master.
    let before = granted(&replica);
    replica.run("CONFIG SET repl-diskless-sync-delay 0").ok();
    sibling.follow(replica.port);
    sibling.await_link(replica.port);
    replica.run("SET k w").ok();
    await_caught_up(&replica, &sibling);
    assert_same_data(&replica, &sibling);
    assert_eq!(sibling.run("GET l").text(), "own");
    let everything = Granted {
        full: before.full + 1,
        ..before
    };
    assert_eq!((granted(&replica), before.partial), (everything, 0));
}

#[test]
fn its_snapshot_file_is_at_no_place_of_the_history() {
    for save in ["SAVE", "BGSAVE", "SHUTDOWN SAVE"] {
        let (master, mut replica) = diverged();
        let old = master.info("replication").get("master_replid");
        let _ = replica
            .client()
            .try_cmd(&save.split(' ').collect::<Vec<_>>());
        match save {
            "SHUTDOWN SAVE" => {
                replica.await_exit();
            }
            _ => eventually("it is saved", || {
                let info = replica.info("persistence");
                check(info.num("rdb_bgsave_in_progress") == 0, || info.short())
            }),
        }
        replica.restart();
        assert_eq!(replica.run("GET l").text(), "own", "{save}");
        let info = replica.info("replication");
        assert_eq!(info.get("master_replid2"), NOBODY, "{save}");
        assert_ne!(info.get("master_replid"), old, "{save}");
        master.run("CONFIG SET repl-diskless-sync-delay 0").ok();
        replica.follow(master.port);
        eventually("everything is asked for", || {
            let granted = granted(&master);
            check(granted.full == 3, || format!("{granted:?}"))
        });
    }
}
