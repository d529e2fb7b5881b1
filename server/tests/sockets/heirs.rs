//! What a hand-over does not take for an heir, and what may come between it and its heir.

use crate::common::data::populate;
use crate::common::wait::check;
use crate::common::*;
use crate::failover::{assert_handed_over, await_promotion, await_state, pair, reached_by_proxy};
use std::thread;
use std::time::Duration;

/// A connection to `master` that says `hello`, asks for everything, and is sent it.
fn pretends(master: &Server, hello: &[&str]) -> Client {
    let mut replica = master.client();
    for line in hello {
        replica.run(line).ok();
    }
    replica.send_line("PSYNC ? -1").unwrap();
    eventually("it waits for the end of the snapshot, or streams", || {
        let log = master.log();
        check(log.contains("RDB transfer"), || log)
    });
    replica
}

fn confirms_all(master: &Server, replica: &mut Client) {
    let offset = master.info("replication").num("master_repl_offset");
    replica
        .send_line(&format!("REPLCONF ACK {offset}"))
        .unwrap();
}

/// For so long nobody is handed over to, and then all is as it was.
fn assert_nobody_is_the_heir(master: &Server, time: Duration) {
    let line = format!("FAILOVER TIMEOUT {}", time.as_millis());
    master.run(&line).ok();
    await_state(master, "no-failover");
    let log = master.log();
    assert!(!log.contains("is synced, failing over"), "{log}");
    master.run("SET after 1").ok();
}

/// Its connection may be all that is left of it, and it may come back with less.
#[test]
fn who_confirmed_everything_once_is_asked_again() {
    let master = Server::damselfly(&["--repl-diskless-sync-delay", "0"]);
    let mut replica = pretends(&master, &["REPLCONF listening-port 1", "REPLCONF capa eof"]);
    confirms_all(&master, &mut replica);
    await_replicas(&master, 1);
    // The question that WAIT asks is the last that is in the log, and is answered.
    let mut client = master.client();
    client.run("SET k v").ok();
    client.send_line("WAIT 1 0").unwrap();
    eventually("it is confirmed", || {
        confirms_all(&master, &mut replica);
        let acked = master.run("WAIT 1 1").int();
        check(acked == 1, || acked.to_string())
    });
    assert_eq!(client.read().unwrap().int(), 1);
    assert_nobody_is_the_heir(&master, Duration::from_millis(500));
}

/// It has everything that it was sent, and not what there is.
#[test]
fn who_wanted_a_part_of_the_data_is_no_heir() {
    let master = Server::damselfly(&["--repl-diskless-sync-delay", "0"]);
    master.run("SET k v").ok();
    let mut replica = pretends(
        &master,
        &[
            "REPLCONF listening-port 1",
            "REPLCONF capa eof",
            "REPLCONF rdb-filter-only functions",
        ],
    );
    confirms_all(&master, &mut replica);
    await_replicas(&master, 1);
    let master = &master;
    thread::scope(|all| {
        let handing = all.spawn(|| assert_nobody_is_the_heir(master, Duration::from_millis(500)));
        while !handing.is_finished() {
            confirms_all(master, &mut replica);
            thread::sleep(Duration::from_millis(20));
        }
    });
}

/// Master and heir lose each other in both directions before the heir was asked. It refuses what is asked of a replica
/// without a link, and its master lets nobody in.
fn heir_without_a_link(kind: Kind) -> (Server, Server, [Proxy; 2]) {
    let master = Server::damselfly(&[]);
    let replica = Server::start(kind, &[]);
    let (up, down) = (Proxy::to(master.port), Proxy::to(replica.port));
    replica.run("CONFIG SET replica-serve-stale-data no").ok();
    let line = format!("CONFIG SET replica-announce-port {}", down.port);
    replica.run(&line).ok();
    replica.follow(up.port);
    await_replicas(&master, 1);
    await_caught_up(&master, &replica);
    down.set(Fault::Refuse);
    master.run("FAILOVER").ok();
    await_state(&master, "failover-in-progress");
    up.cut();
    eventually("its link is down", || {
        let said = replica.run("PING");
        check(said.is_error(), || format!("{said:?}"))
    });
    down.set(Fault::None);
    (master, replica, [up, down])
}

#[test]
fn an_heir_without_a_link_takes_over() {
    let (master, replica, [_up, down]) = heir_without_a_link(Kind::Damselfly);
    master.await_link(down.port);
    assert_eq!(replica.info("replication").get("role"), "master");
    await_state(&master, "no-failover");
    replica.run("SET after 1").ok();
    await_caught_up(&replica, &master);
    assert_same_data(&replica, &master);
}

/// A stock one refuses, and then writes need not wait for it.
#[test]
fn a_stock_heir_without_a_link_refuses_and_is_let_in() {
    let (master, replica, [up, _down]) = heir_without_a_link(Kind::Redis);
    await_state(&master, "no-failover");
    master.run("SET after 1").ok();
    replica.await_link(up.port);
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
}

/// What a process has when it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Back {
    Empty,
    /// A file that was written before the last write, which it had confirmed.
    Older,
}

/// It was asked, its answer was lost, and a process that came back with less says that it is a master. So does one that
/// took over, so it is followed; what may be here alone is not given up for it.
fn heir_that_comes_back(kind: Kind, with: Back) {
    let (master, mut heir, proxy) = reached_by_proxy(kind);
    heir.run("SAVE").ok();
    let mut client = master.client();
    client.run("SET acked 1").ok();
    assert_eq!(client.run("WAIT 1 0").int(), 1);
    proxy.set(Fault::LoseAnswersTo("FAILOVER"));
    master.run("FAILOVER").ok();
    await_promotion(&heir);
    heir.kill();
    if with == Back::Empty {
        let _ = std::fs::remove_file(heir.dir().join("dump.rdb"));
    }
    heir.restart_with::<&str>(&[]);
    assert_eq!(heir.run("EXISTS acked").int(), 0);
    let held = heir.run("DBSIZE").int();
    assert_eq!(held > 0, with == Back::Older);
    proxy.cut();
    proxy.set(Fault::None);
    let why = || master.info("replication").get("master_link_last_error");
    eventually("its snapshot is refused", || {
        check(why().starts_with("it was to take over"), why)
    });
    await_state(&master, "no-failover");
    assert_eq!(master.run("GET acked").text(), "1");
    // Who wants it followed says so.
    let said = master.run(&format!("REPLICAOF 127.0.0.1 {}", proxy.port));
    assert!(!said.is_error(), "{said:?}");
    master.await_link(proxy.port);
    assert_eq!(master.run("DBSIZE").int(), held);
}

#[test]
fn an_heir_that_comes_back_empty_costs_no_data() {
    heir_that_comes_back(Kind::Damselfly, Back::Empty);
}

#[test]
fn a_stock_heir_that_comes_back_empty_costs_no_data() {
    heir_that_comes_back(Kind::Redis, Back::Empty);
}

#[test]
fn an_heir_that_comes_back_from_an_older_file_costs_no_data() {
    heir_that_comes_back(Kind::Damselfly, Back::Older);
}

#[test]
fn a_stock_heir_that_comes_back_from_an_older_file_costs_no_data() {
    heir_that_comes_back(Kind::Redis, Back::Older);
}

/// It says which history it went on from, and so a snapshot of it is taken.
fn heir_that_has_written_much(kind: Kind) {
    let (master, heir, proxy) = reached_by_proxy(kind);
    proxy.set(Fault::LoseAnswersTo("FAILOVER"));
    master.run("FAILOVER").ok();
    await_promotion(&heir);
    heir.run("CONFIG SET repl-backlog-size 16384").ok();
    populate(&mut heir.client(), 1000, 100);
    proxy.cut();
    proxy.set(Fault::None);
    master.await_link(proxy.port);
    await_state(&master, "no-failover");
    await_caught_up(&heir, &master);
    assert_same_data(&heir, &master);
    assert_eq!(heir.info("stats").num("sync_full"), 1);
}

#[test]
fn an_heir_that_has_written_more_than_it_keeps_is_followed() {
    heir_that_has_written_much(Kind::Damselfly);
}

#[test]
fn a_stock_heir_that_has_written_more_than_it_keeps_is_followed() {
    heir_that_has_written_much(Kind::Redis);
}

/// Writes `n` keys, and has each snapshot rest for a millisecond at each of them.
fn fill_for_slow_snapshots(master: &Server, n: usize) {
    populate(&mut master.client(), n, 10);
    master.run("CONFIG SET rdb-key-save-delay 1000").ok();
}

#[test]
fn another_replica_that_is_at_its_full_sync_begins_anew_behind_the_heir() {
    let (master, replica) = pair(Kind::Damselfly, Kind::Damselfly);
    master.run("CONFIG SET repl-diskless-sync-delay 0").ok();
    fill_for_slow_snapshots(&master, 2000);
    await_caught_up(&master, &replica);
    replica.freeze(true);
    master.run("SET last 1").ok();
    master.run("FAILOVER").ok();
    let another = Server::damselfly(&[]);
    another.run("SET own 1").ok();
    another
        .run(&format!("REPLICAOF 127.0.0.1 {}", master.port))
        .ok();
    eventually("its snapshot is being made", || {
        let log = another.log();
        check(log.contains("with EOF to parser"), || log)
    });
    await_state(&master, "waiting-for-sync");
    replica.freeze(false);
    assert_handed_over(&master, &replica);
    another.await_link(master.port);
    await_caught_up(&master, &another);
    assert_same_data(&master, &another);
    assert_eq!(another.run("GET last").text(), "1");
}

/// The time is over while the replica reads a snapshot beside what it has, which lacks writes. `FORCE` says that they may be
/// lost; nobody may end with half of anything.
fn forced_at_its_full_sync(kind: Kind) {
    let (master, replica) = pair(Kind::Damselfly, kind);
    master.run("CONFIG SET repl-diskless-sync-delay 0").ok();
    master.run("CONFIG SET repl-backlog-size 16384").ok();
    fill_for_slow_snapshots(&master, 3000);
    await_caught_up(&master, &replica);
    replica.freeze(true);
    // More than the sockets hold, and the backlog.
    let value = "x".repeat(1 << 20);
    for i in 0..20 {
        master
            .client()
            .cmd(&["SET", &format!("large:{i}"), &value])
            .ok();
    }
    let line = format!("FAILOVER TO 127.0.0.1 {} FORCE TIMEOUT 1500", replica.port);
    master.run(&line).ok();
    assert_eq!(master.run("CLIENT KILL TYPE replica").int(), 1);
    replica.freeze(false);
    await_state(&master, "no-failover");
    assert!(master.log().contains("by force, time out exceeded"));
    assert_eq!(granted(&master).full, 2);
    let (new, old) = match replica.info("replication").get("role").as_str() {
        "master" => (&replica, &master),
        _ => (&master, &replica),
    };
    old.await_link(new.port);
    new.run("SET after 1").ok();
    await_caught_up(new, old);
    assert_same_data(new, old);
    assert_eq!(new.run("EXISTS filler:0 filler:2999").int(), 2);
}

#[test]
fn force_when_the_target_is_at_its_full_sync() {
    forced_at_its_full_sync(Kind::Damselfly);
}

#[test]
fn force_when_a_stock_target_is_at_its_full_sync() {
    forced_at_its_full_sync(Kind::Redis);
}
