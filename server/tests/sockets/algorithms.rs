//! The old algorithm beside ours, in the same binary, in the same trouble: what the change is worth.

use crate::common::data::seed;
use crate::common::readers::{Report, Writer, stamp};
use crate::common::*;
use std::time::Duration;

const V1: &[&str] = &[
    "--experimental-replicaof-v2",
    "no",
    "--replicaof-timeout",
    "1",
];
const V2: &[&str] = &[
    "--experimental-replicaof-v2",
    "yes",
    "--replicaof-timeout",
    "1",
];

/// A node that follows a live master, with readers on it, while `trouble` happens.
fn during(args: &[&str], trouble: impl Fn(&Server, &Readers)) -> (Report, Server, Server) {
    let master = Server::redis(&[]);
    stamp(&mut master.client(), "old", 0);
    seed(&mut master.client());
    let ours = Server::damselfly(args);
    ours.follow(master.port);
    let readers = Readers::start(ours.port, 2, &["old", "new"]);
    let writer = Writer::start(master.port, "old");
    readers.await_stamp("old", 0);
    trouble(&ours, &readers);
    let report = readers.stop();
    drop(writer);
    (report, master, ours)
}

#[test]
fn a_replicaof_to_a_mute_host_costs_v1_its_reads_and_its_link() {
    let to_mute = |ours: &Server, _: &Readers| {
        let mute = Peer::mute();
        assert!(
            ours.run(&format!("REPLICAOF 127.0.0.1 {}", mute.port))
                .is_error()
        );
    };
    let (v1, _master, ours) = during(V1, to_mute);
    assert!(
        v1.refused > 0 && v1.refused_for > Duration::from_millis(500),
        "{v1:?}"
    );
    // An EXEC whose commands were queued before is told the same, as what its transaction was discarded for.
    assert!(
        v1.complaints.iter().all(|c| c.contains("LOADING Redis")),
        "{:?}",
        v1.complaints
    );
    assert_eq!(
        ours.info("replication").get("role"),
        "master",
        "the healthy link was kept"
    );

    let (v2, master, ours) = during(V2, to_mute);
    v2.assert_clean(Duration::from_secs(5));
    let info = ours.info("replication");
    assert_eq!(info.get("master_port"), master.port.to_string());
    assert_eq!(info.get("master_link_status"), "up");
    println!(
        "reads refused: v1 for {:?}, v2 for {:?}",
        v1.refused_for, v2.refused_for
    );
}

#[test]
fn a_switch_of_masters_costs_v1_its_reads() {
    let switch = |ours: &Server, readers: &Readers| {
        let new = Server::redis(&["--rdb-key-save-delay", "200"]);
        stamp(&mut new.client(), "new", 0);
        new.run("DEBUG POPULATE 2000 filler 10").ok();
        ours.follow(new.port);
        await_caught_up(&new, ours);
        readers.await_stamp("new", 0);
    };
    let (v1, ..) = during(V1, switch);
    assert!(v1.refused > 0, "{v1:?}");
    let (v2, ..) = during(V2, switch);
    v2.assert_clean(Duration::from_secs(5));
    assert!(v2.seen["old"] > 0 && v2.seen["new"] > 0, "{:?}", v2.seen);
    println!(
        "reads refused: v1 for {:?}, v2 for {:?}",
        v1.refused_for, v2.refused_for
    );
}

#[test]
fn a_partial_resync_costs_v1_its_reads_all_the_same() {
    let top = Server::redis(&[]);
    stamp(&mut top.client(), "old", 0);
    let siblings = [Server::redis(&[]), Server::redis(&[])];
    for sibling in &siblings {
        sibling.follow(top.port);
    }
    for (args, clean) in [(V1, false), (V2, true)] {
        let ours = Server::damselfly(args);
        ours.follow(siblings[0].port);
        let slow = Proxy::to(siblings[1].port);
        slow.set(Fault::Delay(Duration::from_millis(100)));
        let readers = Readers::start(ours.port, 2, &["old"]);
        readers.await_stamp("old", 0);
        let full = granted(&siblings[1]).full;
        ours.follow(slow.port);
        assert_eq!(granted(&siblings[1]).full, full, "it was no partial resync");
        let report = readers.stop();
        assert_eq!(report.refused == 0, clean, "{args:?}: {report:?}");
    }
}
