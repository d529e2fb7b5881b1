//! Hand-over without loss: FAILOVER and REPLTAKEOVER, between Damselfly and the stock server both ways.

use crate::common::counters::Writers;
use crate::common::server::free_port;
use crate::common::wait::check;
use crate::common::*;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// A master and its replica, the replica's link up.
pub fn pair(master: Kind, replica: Kind) -> (Server, Server) {
    let (master, replica) = (Server::start(master, &[]), Server::start(replica, &[]));
    master.run("SET before 1").ok();
    replica.follow(master.port);
    await_replicas(&master, 1);
    (master, replica)
}

fn state(server: &Server) -> String {
    server.info("replication").get("master_failover_state")
}

pub fn await_state(server: &Server, wanted: &str) {
    eventually("the hand-over goes on", || {
        let state = state(server);
        check(state == wanted, || state.clone())
    });
}

pub fn await_promotion(server: &Server) {
    eventually("it takes over", || {
        let role = server.info("replication").get("role");
        check(role == "master", || role)
    });
}

/// The roles have changed, the old master has resumed without a full sync, and both hold the same.
pub fn assert_handed_over(old: &Server, new: &Server) {
    old.await_link(new.port);
    assert_eq!(new.info("replication").get("role"), "master");
    await_state(old, "no-failover");
    assert_eq!(granted(new).full, 0, "the old master did not resume");
    new.run("SET after 1").ok();
    await_caught_up(new, old);
    assert_same_data(new, old);
}

fn hands_over(master: Kind, replica: Kind) -> (Server, Server) {
    let (old, new) = pair(master, replica);
    let writers = Writers::at(&old);
    writers.go_on();
    old.run(&format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 20000", new.port))
        .ok();
    // Only reads the whole way.
    assert_eq!(old.run("GET before").text(), "1");
    assert_handed_over(&old, &new);
    writers.assert_kept(&new);
    (old, new)
}

#[test]
fn damselfly_to_damselfly_and_back() {
    let (old, new) = hands_over(Kind::Damselfly, Kind::Damselfly);
    let pause = old.info("replication").num("master_failover_last_pause_ms");
    assert!((0..20_000).contains(&pause), "{pause}");
    // And back, to whichever replica there is.
    await_replicas(&new, 1);
    new.run("FAILOVER").ok();
    new.await_link(old.port);
    old.run("SET again 1").ok();
    await_caught_up(&old, &new);
    assert_same_data(&old, &new);
}

#[test]
fn damselfly_to_a_stock_replica() {
    hands_over(Kind::Damselfly, Kind::Redis);
}

#[test]
fn a_stock_master_to_damselfly() {
    hands_over(Kind::Redis, Kind::Damselfly);
}

#[test]
fn siblings_follow_the_new_master_without_a_full_sync() {
    let (old, new) = pair(Kind::Damselfly, Kind::Damselfly);
    let sibling = Server::redis(&[]);
    sibling.follow(old.port);
    await_replicas(&old, 2);
    old.run(&format!("FAILOVER TO 127.0.0.1 {}", new.port)).ok();
    assert_handed_over(&old, &new);
    sibling.await_link(old.port);
    sibling.follow(new.port);
    await_caught_up(&new, &sibling);
    assert_same_data(&new, &sibling);
    assert_eq!(granted(&new).full, 0);
}

#[test]
fn a_frozen_replica_and_a_time_out_put_everything_back() {
    let (master, replica) = pair(Kind::Damselfly, Kind::Redis);
    let before = master.info("replication");
    let writers = Writers::at(&master);
    writers.go_on();
    replica.freeze(true);
    // It has not confirmed what is written from here on.
    writers.go_on();
    // Time enough for all that is asked meanwhile.
    let line = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 3000", replica.port);
    master.run(&line).ok();
    assert_eq!(state(&master), "waiting-for-sync");
    let refused = |line: &str| master.run(line).error().to_owned();
    let meanwhile = "ERR REPLICAOF not allowed while failing over.";
    assert_eq!(
        refused(&format!("REPLICAOF 127.0.0.1 {}", replica.port)),
        meanwhile
    );
    assert_eq!(refused("REPLICAOF NO ONE"), meanwhile);
    assert_eq!(refused("FAILOVER"), "ERR FAILOVER already in progress.");
    await_state(&master, "no-failover");
    writers.go_on();
    replica.freeze(false);
    let longest = writers.assert_unhurt(&master);
    assert!(longest >= Duration::from_millis(300), "{longest:?}");
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
    let after = master.info("replication");
    assert_eq!(after.get("role"), "master");
    for field in ["master_replid", "master_replid2"] {
        assert_eq!(after.get(field), before.get(field));
    }
    assert_eq!(granted(&master).full, 1, "the replica had to come anew");
}

/// Nothing else would end the wait, since there is no time-out. A stock master sends the replica away, and waits for ever.
fn the_replica_comes_back(kind: Kind, restarted: bool) {
    let (master, mut replica) = pair(Kind::Damselfly, kind);
    let writers = Writers::at(&master);
    writers.go_on();
    replica.freeze(true);
    writers.go_on();
    master.run("FAILOVER").ok();
    assert_eq!(state(&master), "waiting-for-sync");
    if restarted {
        // With nothing of what it had.
        replica.kill();
        replica.restart_with(&["--replicaof", &format!("127.0.0.1 {}", master.port)]);
    } else {
        assert_eq!(master.run("CLIENT KILL TYPE replica").int(), 1);
        replica.freeze(false);
    }
    assert_handed_over(&master, &replica);
    writers.assert_kept(&replica);
    assert_eq!(granted(&master).full, 1 + i64::from(restarted));
}

#[test]
fn a_replica_whose_link_is_cut_meanwhile_resumes_and_takes_over() {
    the_replica_comes_back(Kind::Damselfly, false);
}

#[test]
fn a_stock_replica_whose_link_is_cut_meanwhile_resumes_and_takes_over() {
    the_replica_comes_back(Kind::Redis, false);
}

#[test]
fn a_replica_that_comes_back_empty_meanwhile_gets_all_and_takes_over() {
    the_replica_comes_back(Kind::Damselfly, true);
}

#[test]
fn abort_puts_everything_back() {
    let (master, replica) = pair(Kind::Damselfly, Kind::Redis);
    assert_eq!(
        master.run("FAILOVER ABORT").error(),
        "ERR No failover in progress."
    );
    replica.freeze(true);
    master.run("SET k v").ok();
    master.run("FAILOVER").ok();
    // A write that waits, and commands behind it on the same connection.
    let mut client = master.client();
    client.send_line("SET waits 1").unwrap();
    client.send_line("PING").unwrap();
    // So do a transaction that writes, and a message, which goes to replicas too; one that only reads does not.
    let mut transaction = master.client();
    for line in ["MULTI", "INCR count", "GET k"] {
        transaction.run(line);
    }
    transaction.send_line("EXEC").unwrap();
    let mut publisher = master.client();
    publisher.send_line("PUBLISH news now").unwrap();
    let mut reader = master.client();
    for line in ["MULTI", "GET k"] {
        reader.run(line);
    }
    assert_eq!(reader.run("EXEC").list()[0].text(), "v");
    assert_eq!(state(&master), "waiting-for-sync");
    thread::sleep(Duration::from_millis(100));
    for key in ["waits", "count"] {
        assert_eq!(master.run(&format!("GET {key}")), Value::Nil);
    }
    master.run("FAILOVER ABORT").ok();
    client.read().unwrap().ok();
    assert_eq!(client.read().unwrap().text(), "PONG");
    assert_eq!(transaction.read().unwrap().list()[0], Value::Int(1));
    assert_eq!(publisher.read().unwrap(), Value::Int(0));
    assert_eq!(state(&master), "no-failover");
    replica.freeze(false);
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
}

#[test]
fn a_key_does_not_expire_into_the_log_meanwhile() {
    let (master, replica) = pair(Kind::Damselfly, Kind::Redis);
    replica.freeze(true);
    master.run("SET short 1 PX 50").ok();
    master.run("FAILOVER TIMEOUT 5000").ok();
    let offset = || master.info("replication").num("master_repl_offset");
    let before = offset();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(master.run("GET short"), Value::Nil);
    assert_eq!(offset(), before);
    replica.freeze(false);
    master.await_link(replica.port);
    assert_eq!(granted(&replica).full, 0);
    assert_same_data(&replica, &master);
}

#[test]
fn force_takes_a_replica_that_is_late() {
    let (master, replica) = pair(Kind::Damselfly, Kind::Redis);
    replica.freeze(true);
    master.run("SET last 1").ok();
    let line = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 200 FORCE", replica.port);
    master.run(&line).ok();
    await_state(&master, "failover-in-progress");
    assert_eq!(
        master.run("SET k v").error(),
        "READONLY You can't write against a read only replica."
    );
    replica.freeze(false);
    master.await_link(replica.port);
    assert_eq!(replica.info("replication").get("role"), "master");
    await_caught_up(&replica, &master);
    assert_same_data(&replica, &master);
}

/// It may have come back from an older file since it confirmed the last write.
#[test]
fn who_lacks_writes_does_not_take_over_unless_forced() {
    let (master, replica) = pair(Kind::Damselfly, Kind::Damselfly);
    await_caught_up(&master, &replica);
    let info = replica.info("replication");
    let more = info.num("master_repl_offset") + 1000;
    let line = format!("PSYNC {} {more} FAILOVER", info.get("master_replid"));
    assert_eq!(
        replica.run(&line).error(),
        "ERR PSYNC FAILOVER offset is beyond mine: writes would be lost."
    );
    assert_eq!(replica.info("replication").get("role"), "slave");
    let mut stream = TcpStream::connect(("127.0.0.1", replica.port)).unwrap();
    stream
        .write_all(format!("{line} FORCE\r\n").as_bytes())
        .unwrap();
    await_promotion(&replica);
}

/// A stock master does not say that it gives the promise up, so to Damselfly it has not: its hand-over fails, and the
/// write that the heir lacks is still there.
#[test]
fn the_force_of_a_stock_master_loses_no_write() {
    let master = Server::redis(&[]);
    let replica = Server::damselfly(&[]);
    let proxy = Proxy::to(master.port);
    replica.follow(proxy.port);
    replica.await_link(proxy.port);
    await_replicas(&master, 1);
    await_caught_up(&master, &replica);
    proxy.set(Fault::Mute);
    master.run("SET last 1").ok();
    let line = format!("FAILOVER TO 127.0.0.1 {} FORCE TIMEOUT 200", replica.port);
    master.run(&line).ok();
    eventually("the heir is asked, and refuses", || {
        let log = master.log();
        check(log.contains("offset is beyond mine"), || log.clone())
    });
    await_state(&master, "no-failover");
    assert_eq!(master.info("replication").get("role"), "master");
    assert_eq!(master.run("GET last").text(), "1");
    assert_eq!(replica.info("replication").get("role"), "slave");
    proxy.set(Fault::None);
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
}

#[test]
fn what_is_refused_is_refused_in_rediss_words() {
    let servers = [Server::redis(&[]), Server::damselfly(&[])];
    let stranger = free_port();
    let both = |line: &str| {
        let said: BTreeSet<String> = servers.iter().map(|s| said(s, line)).collect();
        assert_eq!(said.len(), 1, "{line}: {said:?}");
    };
    for line in [
        "FAILOVER",
        "FAILOVER ABORT",
        "FAILOVER ABORT TIMEOUT 1",
        "FAILOVER TIMEOUT 0",
        "FAILOVER TIMEOUT x",
        "FAILOVER TO 127.0.0.1",
        "FAILOVER TO 127.0.0.1 x",
        "FAILOVER FORCE",
        "FAILOVER tea",
        "PSYNC 0123 1 FAILOVER",
    ] {
        both(line);
    }
    let replicas = [Server::redis(&[]), Server::redis(&[])];
    for (server, replica) in servers.iter().zip(&replicas) {
        replica.follow(server.port);
        await_replicas(server, 1);
    }
    both(&format!("FAILOVER TO 127.0.0.1 {stranger}"));
    both("FAILOVER FORCE");
    both("FAILOVER FORCE TIMEOUT 10");
    // As replicas.
    let above = Server::redis(&[]);
    for server in &servers {
        server.follow(above.port);
    }
    both("FAILOVER");
    both("FAILOVER ABORT");
    both("PSYNC 0123456789012345678901234567890123456789 1 FAILOVER");
}

pub fn said(server: &Server, line: &str) -> String {
    server.run(line).error().to_owned()
}

/// A Damselfly and its replica; what the master says to it as its heir goes through the proxy.
pub fn reached_by_proxy(replica: Kind) -> (Server, Server, Proxy) {
    let (master, replica) = (Server::damselfly(&[]), Server::start(replica, &[]));
    master.run("SET before 1").ok();
    let proxy = Proxy::to(replica.port);
    let line = format!("CONFIG SET replica-announce-port {}", proxy.port);
    replica.run(&line).ok();
    replica.run("CONFIG SET replica-announce-ip 127.0.0.1").ok();
    replica.follow(master.port);
    await_replicas(&master, 1);
    (master, replica, proxy)
}

/// Two generals: the answer to the request is lost, and nobody may become master twice. (A stock master does.)
fn loses_the_answer_of(new: Kind) {
    let (old, new, proxy) = reached_by_proxy(new);
    let writers = Writers::at(&old);
    writers.go_on();
    proxy.set(Fault::LoseAnswersTo("FAILOVER"));
    old.run(&format!(
        "FAILOVER TO 127.0.0.1 {} TIMEOUT 20000",
        proxy.port
    ))
    .ok();
    await_promotion(&new);
    assert_eq!(state(&old), "failover-in-progress");
    assert!(
        said(&old, "FAILOVER ABORT").starts_with("ERR the target was asked"),
        "an ABORT may make two masters"
    );
    assert!(old.run("SET k v").is_error());
    proxy.cut();
    proxy.set(Fault::None);
    old.await_link(proxy.port);
    await_caught_up(&new, &old);
    assert_same_data(&new, &old);
    writers.assert_kept(&new);
}

#[test]
fn the_answer_of_a_stock_heir_is_lost() {
    loses_the_answer_of(Kind::Redis);
}

#[test]
fn the_answer_of_a_damselfly_is_lost() {
    loses_the_answer_of(Kind::Damselfly);
}

/// A stock replica of a Damselfly, which says that it listens at `port`.
fn announced_at(port: u16) -> (Server, Server) {
    let (master, replica) = (Server::damselfly(&[]), Server::redis(&[]));
    replica
        .run(&format!("CONFIG SET replica-announce-port {port}"))
        .ok();
    replica.follow(master.port);
    await_replicas(&master, 1);
    (master, replica)
}

#[test]
fn a_target_that_cannot_be_reached_costs_the_time_given() {
    let (master, replica) = announced_at(free_port());
    let before = master.info("replication");
    let writers = Writers::at(&master);
    writers.go_on();
    master.run("FAILOVER TIMEOUT 3000").ok();
    await_state(&master, "failover-in-progress");
    await_state(&master, "no-failover");
    writers.go_on();
    // And what an operator ends by hand, if no time was given.
    master.run("FAILOVER").ok();
    await_state(&master, "failover-in-progress");
    master.run("FAILOVER ABORT").ok();
    writers.go_on();
    for ended in writers.join_all() {
        // A write that comes while the target is being dialled meets a replica.
        let refusal = ended.refusal.as_deref().unwrap_or("READONLY");
        assert!(refusal.starts_with("READONLY"), "{refusal}");
    }
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
    let after = master.info("replication");
    assert_eq!(after.get("master_replid"), before.get("master_replid"));
    assert_eq!(granted(&master).full, 1, "the replica had to come anew");
}

#[test]
fn a_target_that_refuses_leaves_everything_as_it_was() {
    let stranger = Server::redis(&[]);
    let (master, replica) = announced_at(stranger.port);
    let writers = Writers::at(&master);
    writers.go_on();
    master.run("FAILOVER").ok();
    eventually("it is refused", || {
        let log = master.log();
        check(log.contains("can't be sent to a master"), || log)
    });
    await_state(&master, "no-failover");
    assert_eq!(master.info("replication").get("role"), "master");
    writers.go_on();
    drop(writers.join_all());
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
    assert_eq!(stranger.run("DBSIZE").int(), 0);
}

#[test]
fn who_waits_for_replicas_is_sent_away_when_the_role_goes() {
    let (master, replica) = pair(Kind::Damselfly, Kind::Damselfly);
    let mut client = master.client();
    // For more replicas than there are, for ever.
    client.send_line("WAIT 5 0").unwrap();
    eventually("it waits", || {
        let list = master.run("CLIENT LIST").text();
        check(list.contains("cmd=wait"), || list.clone())
    });
    master.run("FAILOVER TIMEOUT 20000").ok();
    let said = client.read().unwrap();
    assert!(said.error().starts_with("UNBLOCKED"), "{said:?}");
    assert_eq!(client.read_to_end().unwrap(), b"");
    master.await_link(replica.port);
}
