//! A master that is started again with the file it saved: its replicas resume.

use crate::common::wait::check;
use crate::common::*;
use std::fs;
use std::time::Duration;

#[test]
fn replicas_resume_after_their_master_was_started_again() {
    let mut master = Server::damselfly(&["--repl-ping-replica-period", "3600"]);
    let stock = Server::redis(&[]);
    let damselfly = Server::damselfly(&[]);
    stock.follow(master.port);
    damselfly.follow(master.port);
    // Nor is there a deletion that the file lacks.
    master.run("DEBUG SET-ACTIVE-EXPIRE 0").ok();
    master.run("SET key before").ok();
    master.run("SET short gone PX 300").ok();
    master.run("SET keeps here PX 1000000").ok();
    let replid = master.info("replication").get("master_replid");
    let offset = master.info("replication").num("master_repl_offset");
    for replica in [&stock, &damselfly] {
        eventually("it has everything", || {
            let at = replica.info("replication").num("slave_repl_offset");
            check(at >= offset, || format!("{at} of {offset}"))
        });
    }
    // Nothing is written between the save and the end: what follows the file nobody could resume from.
    master.run("SAVE").ok();
    master.kill();
    std::thread::sleep(Duration::from_millis(400));
    master.restart();
    master.run("SET key after").ok();
    // Our master must say itself that the key has gone.
    assert_eq!(master.run("GET short"), Value::Nil);
    for replica in [&stock, &damselfly] {
        replica.await_link(master.port);
        assert_same_data(&master, replica);
    }
    let info = master.info("stats");
    assert_eq!(
        (info.num("sync_full"), info.num("sync_partial_ok")),
        (0, 2),
        "{info:?}"
    );
    assert_ne!(master.info("replication").get("master_replid"), replid);
    assert_eq!(master.info("replication").get("master_replid2"), replid);
    assert_eq!(Dump::of(&stock).len(), 2);
    assert_eq!(
        stock.run("DBSIZE").int(),
        2,
        "a key that expired stays at the replica"
    );
}

/// No honest history comes so far, and nothing can be counted from there on.
#[test]
fn a_file_from_beyond_the_end_of_a_history_is_loaded_without_its_place_there() {
    let mut master = Server::damselfly(&[]);
    let mut file = b"REDIS0011\xfa\x07repl-id\x28".to_vec();
    file.extend([b'a'; 40]);
    file.extend(b"\xfa\x0brepl-offset\x1418446744073709551615\xfe\x00\x00\x01k\x01v\xff");
    // Without a checksum.
    file.extend([0; 8]);
    fs::write(master.dir().join("dump.rdb"), file).expect("write the snapshot");
    master.restart();
    assert_eq!(master.run("GET k").text(), "v");
    assert_eq!(master.info("replication").num("master_repl_offset"), 0);
    let replica = Server::redis(&[]);
    replica.follow(master.port);
    master.run("SET k w").ok();
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
}
