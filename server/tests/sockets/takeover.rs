//! REPLTAKEOVER: a replica asks for the role, of Damselfly and of the stock server.

use crate::common::counters::Writers;
use crate::common::*;
use crate::failover::{assert_handed_over, pair, said};

fn takes_over(master: Kind) {
    let (old, new) = pair(master, Kind::Damselfly);
    let writers = Writers::at(&old);
    writers.go_on();
    new.run("REPLTAKEOVER 15").ok();
    assert_eq!(new.info("replication").get("role"), "master");
    assert_handed_over(&old, &new);
    writers.assert_kept(&new);
    // Who is master has what it asked for.
    new.run("REPLTAKEOVER 1").ok();
}

#[test]
fn a_replica_takes_over_from_damselfly() {
    takes_over(Kind::Damselfly);
}

#[test]
fn a_replica_takes_over_from_a_stock_master() {
    takes_over(Kind::Redis);
}

#[test]
fn a_takeover_that_fails_says_why() {
    let mut master = Server::redis(&[]);
    let replica = Server::damselfly(&["--replicaof-timeout", "1"]);
    replica.follow(master.port);
    await_replicas(&master, 1);
    for line in ["REPLTAKEOVER 0", "REPLTAKEOVER x", "REPLTAKEOVER 1 SAVE"] {
        assert!(replica.run(line).is_error(), "{line}");
    }
    // A sibling's hand-over is under way.
    let sibling = Server::redis(&[]);
    sibling.follow(master.port);
    await_replicas(&master, 2);
    sibling.freeze(true);
    master.run("SET k v").ok();
    let line = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 60000", sibling.port);
    master.run(&line).ok();
    let error = said(&replica, "REPLTAKEOVER 5");
    assert!(error.contains("FAILOVER already in progress"), "{error}");
    master.kill();
    let error = said(&replica, "REPLTAKEOVER 2");
    assert!(error.contains("could not connect"), "{error}");
    assert_eq!(replica.info("replication").get("role"), "slave");
    sibling.freeze(false);
}
