//! Damselfly follows a stock redis-server.

use crate::common::data::{Rng, churn, seed};
use crate::common::readers::{Writer, stamp};
use crate::common::wait::check;
use crate::common::*;
use std::time::Duration;

/// A stock master with data of every type, and a Damselfly that follows it.
fn pair(master: &[&str], replica: &[&str]) -> (Server, Server) {
    let master = Server::redis(master);
    seed(&mut master.client());
    let replica = Server::damselfly(replica);
    replica.follow(master.port);
    (master, replica)
}

#[test]
fn full_sync_and_live_stream() {
    let (master, replica) = pair(&[], &[]);
    let first = assert_same_data(&master, &replica);
    for kind in ["string", "list", "hash", "set", "zset", "stream"] {
        assert!(first.count(kind) > 6, "{} of {kind}", first.count(kind));
    }
    let mut rng = Rng::new(11);
    let mut client = master.client();
    for _ in 0..5 {
        churn(&mut client, &mut rng, 2000);
        await_caught_up(&master, &replica);
        assert_same_data(&master, &replica);
    }
    client.run("SWAPDB 0 1").ok();
    client.run("SELECT 3").ok();
    client.run("MOVE str:raw 5");
    client.run("SELECT 15").ok();
    client.run("FLUSHDB").ok();
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
    assert_eq!(granted(&master).full, 1);
    client.run("FLUSHALL").ok();
    await_caught_up(&master, &replica);
    assert_eq!(assert_same_data(&master, &replica).len(), 0);
}

#[test]
fn a_pause_of_clients_holds_the_stream_up() {
    let (master, replica) = pair(&[], &[]);
    let mut client = replica.client();
    for pause in ["CLIENT PAUSE 100000 WRITE", "CLIENT PAUSE 1000"] {
        await_caught_up(&master, &replica);
        master.run("SET k before").ok();
        await_caught_up(&master, &replica);
        client.run(pause).ok();
        let at = replica.info("replication").num("slave_repl_offset");
        master.run("SET k after").ok();
        if pause.ends_with("WRITE") {
            eventually("it is read", || {
                let (held, sent) = (replica.info("replication"), master.info("replication"));
                let read = held.num("slave_read_repl_offset");
                check(read == sent.num("master_repl_offset"), || held.short())
            });
            let held = replica.info("replication").num("slave_repl_offset");
            assert_eq!(held, at, "and not applied");
            assert_eq!(client.run("GET k").text(), "before");
            client.run("CLIENT UNPAUSE").ok();
        }
        eventually("it is applied", || {
            let value = client.run("GET k");
            check(value.text() == "after", || format!("{value:?}"))
        });
    }
    assert_eq!(granted(&master).full, 1);
}

#[test]
fn full_sync_of_a_sized_payload() {
    let (master, replica) = pair(&["--repl-diskless-sync", "no"], &[]);
    churn(&mut master.client(), &mut Rng::new(12), 500);
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
}

#[test]
fn full_sync_while_the_master_is_written_to() {
    // The snapshot takes a while, so that writes land before, within and behind it.
    let master = Server::redis(&["--rdb-key-save-delay", "300"]);
    seed(&mut master.client());
    let replica = Server::damselfly(&[]);
    replica
        .run(&format!("REPLICAOF 127.0.0.1 {}", master.port))
        .ok();
    let (mut rng, mut client) = (Rng::new(13), master.client());
    for _ in 0..20 {
        churn(&mut client, &mut rng, 200);
        std::thread::sleep(Duration::from_millis(10));
    }
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
}

#[test]
fn partial_resync_after_a_cut_link() {
    let master = Server::redis(&[]);
    seed(&mut master.client());
    cut_and_resume(&master, &Server::damselfly(&[]), 14);
}

#[test]
fn a_link_cut_inside_a_transaction_resumes_before_it() {
    let master = Server::redis(&[]);
    let mut client = master.client();
    client.run("SET n 0").ok();
    let proxy = Proxy::to(master.port);
    let replica = Server::damselfly(&[]);
    replica.follow(proxy.port);
    await_caught_up(&master, &replica);
    let before = granted(&master);
    // Some hundred bytes of a long transaction come through, then the connection ends.
    for (round, bytes) in [200, 333, 860].into_iter().enumerate() {
        proxy.cut();
        eventually("the link is back", || {
            let info = replica.info("replication");
            check(info.get("master_link_status") == "up", || info.short())
        });
        await_caught_up(&master, &replica);
        let held = replica.run("GET n").text();
        proxy.set(Fault::TruncateAfter(proxy.bytes_down_of_newest() + bytes));
        client.run("MULTI").ok();
        for _ in 0..40 {
            client.run("INCR n");
        }
        client.run("EXEC");
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(
            replica.run("GET n").text(),
            held,
            "half a transaction was applied"
        );
        proxy.set(Fault::None);
        await_caught_up(&master, &replica);
        assert_eq!(replica.run("GET n").text(), (40 * (round + 1)).to_string());
    }
    assert_eq!(granted(&master).full, before.full);
}

#[test]
fn a_backlog_that_is_too_short_means_a_full_sync_that_nobody_notices() {
    let master = Server::redis(&["--repl-backlog-size", "16kb"]);
    stamp(&mut master.client(), "m", 0);
    seed(&mut master.client());
    let proxy = Proxy::to(master.port);
    let replica = Server::damselfly(&[]);
    replica.follow(proxy.port);
    let readers = Readers::start(replica.port, 3, &["m"]);
    let writer = Writer::start(master.port, "m");
    proxy.set(Fault::Refuse);
    proxy.cut();
    churn(&mut master.client(), &mut Rng::new(15), 3000);
    proxy.set(Fault::None);
    eventually("a second full sync", || {
        check(granted(&master).full == 2, || {
            format!("{:?}", granted(&master))
        })
    });
    replica.await_link(proxy.port);
    drop(writer);
    await_caught_up(&master, &replica);
    readers.stop().assert_clean(Duration::from_secs(5));
    assert_same_data(&master, &replica);
}

#[test]
fn expired_keys_are_hidden_and_only_the_master_removes_them() {
    let (master, replica) = pair(&[], &[]);
    let mut client = master.client();
    client.run("SET short v").ok();
    client.run("SET long v PX 100000").ok();
    await_caught_up(&master, &replica);
    assert_eq!(replica.run("GET short").text(), "v");
    client.run("PEXPIRE short 300");
    eventually("the key is hidden", || {
        check(replica.run("GET short") == Value::Nil, || "there".into())
    });
    let left = replica.run("PTTL long").int();
    assert!((90_000..=100_000).contains(&left), "{left}");
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
}

#[test]
fn what_is_configured_holds_for_a_stream_that_runs_already() {
    let master = Server::redis(&[]);
    for replica in [Server::redis(&[]), Server::damselfly(&[])] {
        replica.follow(master.port);
        replica.await_link(master.port);
        replica.run("CONFIG SET set-max-intset-entries 2").ok();
        replica.run("CONFIG SET maxmemory-policy allkeys-lfu").ok();
        master.run("DEL s k");
        master.run("SADD s 1 2 3");
        master.run("SET k v").ok();
        await_caught_up(&master, &replica);
        assert_eq!(replica.run("OBJECT ENCODING s").text(), "hashtable");
        // One less when a minute is over.
        assert!(replica.run("OBJECT FREQ k").int() >= 4);
    }
}

#[test]
fn a_replica_refuses_writes_of_clients() {
    let (master, replica) = pair(&[], &[]);
    let mut client = replica.client();
    assert!(client.run("SET a b").error().starts_with("READONLY"));
    client.run("MULTI").ok();
    client.run("SET a b");
    assert!(client.run("EXEC").error().starts_with("EXECABORT"));
    assert_eq!(client.run("GET str:embstr").text(), "short");
    assert_same_data(&master, &replica);
}

/// What INFO counts of the commands `names`.
fn calls(server: &Server, names: &[&str]) -> Vec<String> {
    let text = server.run("INFO commandstats").text();
    let counts = text.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(':')?;
        let calls = rest.split(',').next()?;
        names.contains(&name).then(|| format!("{name} {calls}"))
    });
    let mut counts: Vec<_> = counts.collect();
    counts.sort();
    counts
}

#[test]
fn a_replica_counts_and_shows_what_comes_by_the_stream() {
    let master = Server::redis(&[]);
    let seen = [Server::redis(&[]), Server::damselfly(&[])].map(|replica| {
        replica.follow(master.port);
        replica.await_link(master.port);
        let mut monitor = replica.client();
        replica.run("CONFIG SET slowlog-log-slower-than 0").ok();
        replica.run("CONFIG RESETSTAT").ok();
        monitor.run("MONITOR").ok();
        (replica, monitor)
    });
    let mut client = master.client();
    for line in [
        "SET k v",
        "GETSET k w",
        "INCR n",
        "PUBLISH c m",
        "MULTI",
        "DEL n",
        "EXEC",
    ] {
        client.run(line);
    }
    let names = ["set", "getset", "incr", "publish", "multi", "del", "exec"];
    let [stock, ours] = seen.map(|(replica, mut monitor)| {
        await_caught_up(&master, &replica);
        let shown = loop {
            let line = monitor.read().expect("a line").text();
            if line.contains("\"del\"") || line.contains("\"DEL\"") {
                break line.split_once(' ').expect("a time").1.to_owned();
            }
        };
        let slow = replica.run("SLOWLOG GET 100");
        let incr = slow
            .list()
            .iter()
            .find(|e| e.list()[3].list()[0].text().eq_ignore_ascii_case("incr"));
        let from = incr.expect("it was slow enough").list()[4].text();
        (calls(&replica, &names), shown, from)
    });
    assert_eq!(ours, stock);
}

#[test]
fn a_replica_tells_where_its_sync_is() {
    let master = Server::damselfly(&["--repl-diskless-sync-delay", "3600"]);
    let replicas = [Server::redis(&[]), Server::damselfly(&[])];
    for replica in &replicas {
        replica.run("SET own v").ok();
        let follow = format!("REPLICAOF 127.0.0.1 {}", master.port);
        replica.run(&follow).ok();
        eventually("it has asked for a snapshot", || {
            let state = replica.run("ROLE").list()[3].text();
            check(state == "handshake", || state)
        });
    }
    let ours = &replicas[1];
    let staged = || ours.info("persistence").get("async_loading");
    assert_eq!(staged(), "0");
    master.run("DEBUG POPULATE 20 key 200000").ok();
    master
        .run("CONFIG SET rdbcompression no rdb-key-save-delay 1000000 repl-diskless-sync-delay 0")
        .ok();
    master.run("CLIENT KILL TYPE replica").int();
    eventually("a snapshot comes beside what is served", || {
        check(staged() == "1", staged)
    });
    assert_eq!(ours.run("ROLE").list()[3].text(), "sync");
    assert_eq!(ours.run("GET own").text(), "v");
}

#[test]
fn started_as_a_replica_it_waits_for_its_master() {
    let port = server::free_port();
    let replica = Server::damselfly(&["--replicaof", &format!("127.0.0.1 {port}")]);
    let info = replica.info("replication");
    assert_eq!(
        (info.get("role"), info.get("master_link_status")),
        ("slave".into(), "down".into())
    );
    assert_eq!(replica.run("ROLE").list()[0].text(), "slave");
    let master = Server::redis(&[]);
    seed(&mut master.client());
    // The master appears, behind a proxy that has the port that was asked for.
    let proxy = Proxy::on(port, master.port);
    replica.await_link(port);
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
    drop(proxy);
}

#[test]
fn started_as_a_replica_of_itself_it_says_so() {
    let mut ours = Server::damselfly(&[]);
    let itself = format!("127.0.0.1 {}", ours.port);
    ours.restart_with(&["--replicaof", &itself]);
    eventually("it says why its link is down", || {
        let told = ours.info("replication").get("master_link_last_error");
        check(told == "can't replicate from myself", || told)
    });
    assert!(ours.log().contains("can't replicate from myself"));
}

#[test]
fn a_reader_that_waits_at_the_replica_is_served() {
    let (master, replica) = pair(&[], &[]);
    await_caught_up(&master, &replica);
    let mut readers: Vec<Client> = Vec::new();
    for ids in ["$ $", "0 0"] {
        let mut reader = replica.client();
        let line = format!("XREAD BLOCK 0 STREAMS waited stream:empty {ids}");
        reader.send_line(&line).expect("send");
        readers.push(reader);
    }
    eventually("they wait", || {
        let blocked = replica.info("clients").num("blocked_clients");
        check(blocked == 2, || format!("{blocked} wait"))
    });
    let mut client = master.client();
    client.run("SET other 1").ok();
    client.run("XADD waited 7-7 f v");
    for mut reader in readers {
        let reply = reader.read().expect("it is served");
        let entry = &reply.list()[0].list()[1].list()[0];
        assert_eq!(entry.list()[0].text(), "7-7");
    }
}

#[test]
fn a_frozen_master_is_noticed_and_resumed() {
    let (master, replica) = pair(&[], &["--repl-timeout", "1"]);
    await_caught_up(&master, &replica);
    let before = granted(&master);
    master.freeze(true);
    eventually("the silence is noticed", || {
        let info = replica.info("replication");
        check(info.get("master_link_status") == "down", || info.short())
    });
    assert_eq!(replica.run("GET str:embstr").text(), "short");
    master.freeze(false);
    master.run("SET after 1").ok();
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
    assert_eq!(granted(&master).full, before.full);
}

/// Keys whose time has come are hidden by who comes across them; their master says when they go.
#[test]
fn a_replica_removes_no_key_that_a_scan_comes_across() {
    let master = Server::redis(&[]);
    master.run("DEBUG SET-ACTIVE-EXPIRE 0").ok();
    for kind in [Kind::Redis, Kind::Damselfly] {
        let replica = Server::start(kind, &[]);
        replica.follow(master.port);
        master.run("SET a 1 PX 1").ok();
        await_caught_up(&master, &replica);
        std::thread::sleep(Duration::from_millis(10));
        assert!(replica.run("SCAN 0").list()[1].list().is_empty());
        assert!(replica.run("KEYS *").list().is_empty());
        let _ = replica.run("RANDOMKEY");
        assert_eq!(replica.run("DBSIZE").int(), 1, "{kind:?}");
        // The master does, and says so.
        assert!(master.run("SCAN 0").list()[1].list().is_empty());
        eventually("it is told", || {
            let keys = replica.run("DBSIZE").int();
            check(keys == 0, || format!("{kind:?}: {keys} keys"))
        });
    }
}
