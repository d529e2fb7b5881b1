//! Histories that outlive their master: chains, promotions, siblings.

use crate::common::data::{Rng, churn, seed};
use crate::common::readers::{Writer, stamp};
use crate::common::wait::check;
use crate::common::*;
use std::time::Duration;

/// Redis -> Damselfly -> Redis.
fn chain() -> (Server, Server, Server) {
    let top = Server::redis(&[]);
    seed(&mut top.client());
    let (middle, bottom) = (Server::damselfly(&[]), Server::redis(&[]));
    middle.follow(top.port);
    bottom.follow(middle.port);
    (top, middle, bottom)
}

#[test]
fn offsets_agree_down_a_chain() {
    let (top, middle, bottom) = chain();
    churn(&mut top.client(), &mut Rng::new(31), 3000);
    await_caught_up(&top, &middle);
    await_caught_up(&middle, &bottom);
    assert_same_data(&top, &bottom);
    assert_same_data(&middle, &bottom);
    let infos = [&top, &middle, &bottom].map(|s| s.info("replication"));
    assert_eq!(infos[0].get("master_replid"), infos[2].get("master_replid"));
    // The pings of the top go down the chain and nobody adds any, so the offsets are the same bytes.
    eventually("the offsets agree", || {
        let at = [&top, &middle, &bottom].map(|s| s.info("replication").get("master_repl_offset"));
        check(at[0] == at[1] && at[1] == at[2], || format!("{at:?}"))
    });
}

#[test]
fn the_end_of_a_chain_can_move_up_by_a_partial_resync() {
    let (top, middle, bottom) = chain();
    churn(&mut top.client(), &mut Rng::new(32), 500);
    await_caught_up(&top, &middle);
    await_caught_up(&middle, &bottom);
    let before = granted(&top);
    bottom.follow(top.port);
    await_caught_up(&top, &bottom);
    let now = granted(&top);
    assert_eq!((now.full, now.partial), (before.full, before.partial + 1));
    // And back down, on the ground that Damselfly has the same bytes.
    let before = granted(&middle);
    bottom.follow(middle.port);
    let now = granted(&middle);
    assert_eq!((now.full, now.partial), (before.full, before.partial + 1));
    assert_same_data(&top, &bottom);
}

#[test]
fn a_promoted_damselfly_lets_siblings_resume() {
    let top = Server::redis(&[]);
    seed(&mut top.client());
    let ours = Server::damselfly(&[]);
    let siblings = [Server::redis(&[]), Server::damselfly(&[])];
    ours.follow(top.port);
    for sibling in &siblings {
        sibling.follow(top.port);
    }
    churn(&mut top.client(), &mut Rng::new(33), 1000);
    for replica in siblings.iter().chain([&ours]) {
        await_caught_up(&top, replica);
    }
    let old = top.info("replication").get("master_replid");
    drop(top);
    ours.run("REPLICAOF NO ONE").ok();
    let info = ours.info("replication");
    assert_eq!(info.get("role"), "master");
    assert_eq!(info.get("master_replid2"), old);
    assert_ne!(info.get("master_replid"), old);
    ours.run("SET first-own-write 1").ok();
    let before = granted(&ours);
    for sibling in &siblings {
        sibling.follow(ours.port);
        await_caught_up(&ours, sibling);
        assert_same_data(&ours, sibling);
        assert_eq!(sibling.run("GET first-own-write").text(), "1");
    }
    let now = granted(&ours);
    assert_eq!((now.full, now.partial), (before.full, before.partial + 2));
}

#[test]
fn a_promoted_redis_lets_damselfly_resume_without_a_refused_read() {
    let top = Server::redis(&[]);
    stamp(&mut top.client(), "m", 0);
    seed(&mut top.client());
    let (ours, heir) = (Server::damselfly(&[]), Server::redis(&[]));
    ours.follow(top.port);
    heir.follow(top.port);
    let readers = Readers::start(ours.port, 4, &["m"]);
    let writer = Writer::start(top.port, "m");
    std::thread::sleep(Duration::from_millis(100));
    drop(writer);
    await_caught_up(&top, &heir);
    await_caught_up(&top, &ours);
    drop(top);
    heir.run("REPLICAOF NO ONE").ok();
    let before = granted(&heir);
    ours.follow(heir.port);
    heir.run("SET heir 1").ok();
    await_caught_up(&heir, &ours);
    assert_eq!(ours.run("GET heir").text(), "1");
    let now = granted(&heir);
    assert_eq!((now.full, now.partial), (before.full, before.partial + 1));
    readers.stop().assert_clean(Duration::from_secs(5));
    assert_same_data(&heir, &ours);
}

#[test]
fn siblings_are_switched_between_without_loading() {
    let top = Server::redis(&[]);
    stamp(&mut top.client(), "m", 0);
    seed(&mut top.client());
    let siblings = [Server::redis(&[]), Server::redis(&[])];
    for sibling in &siblings {
        sibling.follow(top.port);
    }
    // A stock master sends the stream only when the replica has confirmed its snapshot, which takes up to a second.
    top.run("SET streams 1").ok();
    for sibling in &siblings {
        await_caught_up(&top, sibling);
    }
    let ours = Server::damselfly(&[]);
    ours.follow(siblings[0].port);
    let readers = Readers::start(ours.port, 4, &["m"]);
    let writer = Writer::start(top.port, "m");
    let before = siblings.each_ref().map(granted);
    for i in 0..10 {
        ours.follow(siblings[(i + 1) % 2].port);
        std::thread::sleep(Duration::from_millis(30));
    }
    drop(writer);
    readers.stop().assert_clean(Duration::from_secs(5));
    let now = siblings.each_ref().map(granted);
    assert_eq!(
        now.map(|g| g.full),
        before.map(|g| g.full),
        "a full sync was needed"
    );
    assert_eq!(
        now[0].partial + now[1].partial,
        before[0].partial + before[1].partial + 10
    );
    await_caught_up(&siblings[0], &ours);
    assert_same_data(&top, &ours);
}

#[test]
fn a_diverged_node_is_never_continued() {
    let top = Server::redis(&[]);
    seed(&mut top.client());
    let ours = Server::damselfly(&[]);
    ours.follow(top.port);
    await_caught_up(&top, &ours);
    ours.run("REPLICAOF NO ONE").ok();
    // Both go on, each by itself.
    ours.run("SET mine 1").ok();
    top.run("SET theirs 1").ok();
    let before = granted(&top);
    ours.follow(top.port);
    await_caught_up(&top, &ours);
    assert_eq!(granted(&top).full, before.full + 1);
    assert_same_data(&top, &ours);
    assert_eq!(ours.run("GET mine"), Value::Nil);
}

#[test]
fn a_chain_below_a_full_sync_follows_it() {
    // The middle moves to another history: what hangs under it must not keep the old one.
    let (top, middle, bottom) = chain();
    churn(&mut top.client(), &mut Rng::new(34), 500);
    await_caught_up(&middle, &bottom);
    let other = Server::redis(&[]);
    churn(&mut other.client(), &mut Rng::new(35), 2000);
    middle.follow(other.port);
    await_caught_up(&other, &middle);
    await_caught_up(&middle, &bottom);
    assert_same_data(&other, &middle);
    assert_same_data(&other, &bottom);
}
