//! Stock Sentinels look after sets of Damselfly, and of Damselfly and stock servers mixed.
//!
//! Each test has a set and three Sentinels of its own. The Sentinels look more often than by default, so that a
//! failover takes seconds.

use crate::common::data::seed;
use crate::common::server::free_port;
use crate::common::wait::check;
use crate::common::*;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a failover may take: the Sentinels may have to vote more than once.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name of the set.
pub const SET: &str = "flies";

/// Three Sentinels that watch one set; ended with their owner.
pub struct Sentinels(Vec<Sentinel>);

struct Sentinel {
    port: u16,
    dir: PathBuf,
    child: Child,
}

impl Sentinels {
    /// Of the set whose master is at `port`, which has `replicas` replicas and wants `password`.
    pub fn of(port: u16, replicas: i64, password: Option<&str>) -> Sentinels {
        let all = (0..3).map(|_| Sentinel::new(port, password)).collect();
        let sentinels = Sentinels(all);
        for one in &sentinels.0 {
            // Milliseconds. Once the master is down INFO is asked for every second, whatever is set here, and a replica
            // whose INFO is older than five pings is not chosen: so a ping must be longer than 200. A Sentinel that has heard
            // of no failover for four times what is between two messages makes a promoted replica one again: so that must be
            // longer than the one that leads may lie still on a busy machine.
            let often =
                "SENTINEL DEBUG info-period 300 ping-period 300 ask-period 100 publish-period 1000";
            one.client().run(often).ok();
            eventually_within(PATIENCE, "the Sentinels know the set", || {
                let seen = one.master();
                let num = |field: &str| seen.get(field).and_then(|n| n.parse::<i64>().ok());
                let whole =
                    num("num-slaves") == Some(replicas) && num("num-other-sentinels") == Some(2);
                check(whole, || format!("{seen:?}"))
            });
        }
        sentinels
    }

    /// Waits until all of them see a master with `replicas` replicas whose links are up, and no failover going on.
    pub fn await_settled(&self, replicas: usize) {
        for one in &self.0 {
            eventually_within(PATIENCE, "the Sentinels see a whole set", || {
                let reply = one.client().run(&format!("SENTINEL REPLICAS {SET}"));
                let seen: Vec<_> = reply.list().iter().map(fields).collect();
                let up = |r: &&HashMap<String, String>| {
                    r["flags"] == "slave"
                        && r["role-reported"] == "slave"
                        && r["master-link-status"] == "ok"
                };
                let master = one.master();
                let settled = master["flags"] == "master"
                    && master["role-reported"] == "master"
                    && seen.iter().filter(up).count() == replicas;
                check(settled, || format!("{master:?} {seen:?}"))
            });
        }
    }

    /// The port of the first.
    pub fn port(&self) -> u16 {
        self.0[0].port
    }

    /// Asks one of them, by number, to make a replica the master.
    pub fn fail_over(&self, by: usize) {
        let ask = format!("SENTINEL FAILOVER {SET}");
        self.0[by].client().run(&ask).ok();
    }

    /// Waits until all of them name one of `ports` as the master; which.
    pub fn await_master(&self, ports: &[u16]) -> u16 {
        let mut first = &self.0[..];
        let mut agreed = None;
        eventually_within(PATIENCE, "the Sentinels agree on a master", || {
            while let [one, rest @ ..] = first {
                let port = one.master_port();
                let fits = ports.contains(&port) && agreed.is_none_or(|p| p == port);
                check(fits, || format!("{port}, not one of {ports:?}"))?;
                (agreed, first) = (Some(port), rest);
            }
            Ok(agreed)
        })
        .expect("there are Sentinels")
    }
}

impl Sentinel {
    fn new(master: u16, password: Option<&str>) -> Sentinel {
        let port = free_port();
        let dir =
            std::env::temp_dir().join(format!("damselfly-sentinel-{}-{port}", std::process::id()));
        fs::create_dir_all(&dir).expect("make a directory");
        let mut text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor {SET} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {SET} 800\n\
             sentinel failover-timeout {SET} 4000\n",
            dir.display()
        );
        if let Some(password) = password {
            text += &format!("sentinel auth-pass {SET} {password}\n");
        }
        let file = dir.join("sentinel.conf");
        fs::write(&file, text).expect("write the configuration");
        let log = fs::File::create(dir.join("log")).expect("make the log");
        let child = Command::new("redis-sentinel")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("share the log"))
            .stderr(log)
            .spawn()
            .expect("run redis-sentinel");
        let sentinel = Sentinel { port, dir, child };
        eventually("the Sentinel answers", || {
            Client::connect(port).map_err(|e| e.to_string())
        });
        sentinel
    }

    fn client(&self) -> Client {
        Client::connect(self.port).expect("connect to the Sentinel")
    }

    /// What it knows of the master.
    fn master(&self) -> HashMap<String, String> {
        fields(&self.client().run(&format!("SENTINEL MASTER {SET}")))
    }

    /// The port of the master it tells clients of.
    fn master_port(&self) -> u16 {
        let ask = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {SET}");
        let port = self.client().run(&ask).list()[1].text();
        port.parse().expect("a port")
    }
}

/// Names and values, which stand in turn.
fn fields(reply: &Value) -> HashMap<String, String> {
    let words: Vec<String> = reply.list().iter().map(Value::text).collect();
    let pairs = words.chunks_exact(2);
    pairs.map(|p| (p[0].clone(), p[1].clone())).collect()
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            eprintln!("-- log of the Sentinel on port {}:\n{log}", self.port);
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A master with data, and replicas of these kinds that follow it; all have configuration files.
fn set(master: Kind, replicas: &[(Kind, &[&str])]) -> (Server, Vec<Server>) {
    let master = Server::with_file(master, &[]);
    seed(&mut master.client());
    let start = |(kind, args): &(Kind, &[&str])| {
        let replica = Server::with_file(*kind, args);
        replica.follow(master.port);
        replica
    };
    let replicas = replicas.iter().map(start).collect();
    (master, replicas)
}

/// Waits until `server` says it is a master.
fn await_promoted(server: &Server) {
    eventually_within(PATIENCE, "it is promoted", || {
        let info = server.info("replication");
        check(info.get("role") == "master", || info.short())
    });
}

/// Waits until `server` follows `port`, led there by the Sentinels.
fn await_led(server: &Server, port: u16) {
    eventually_within(PATIENCE, "it is led to the new master", || {
        let info = server.info("replication");
        let led =
            info.get("master_port") == port.to_string() && info.get("master_link_status") == "up";
        check(led, || info.short())
    });
}

/// A write that both replicas have.
fn write_for_good(master: &Server, key: &str, replicas: i64) {
    let mut client = master.client();
    client.run(&format!("SET {key} kept")).ok();
    assert_eq!(
        client.run(&format!("WAIT {replicas} 20000")),
        Value::Int(replicas)
    );
}

/// The replica at `port`, and the others.
fn chosen(replicas: &[Server], port: u16) -> (&Server, Vec<&Server>) {
    let (new, others): (Vec<_>, Vec<_>) = replicas.iter().partition(|r| r.port == port);
    (new[0], others)
}

const OURS: (Kind, &[&str]) = (Kind::Damselfly, &[]);

#[test]
fn a_killed_master_is_replaced_and_comes_back_as_a_replica() {
    let (mut master, replicas) = set(Kind::Damselfly, &[OURS, OURS]);
    let sentinels = Sentinels::of(master.port, 2, None);
    write_for_good(&master, "before", 2);
    master.kill();
    let ports: Vec<u16> = replicas.iter().map(|r| r.port).collect();
    let (new, others) = chosen(&replicas, sentinels.await_master(&ports));
    await_promoted(new);
    assert_eq!(new.run("GET before").text(), "kept");
    let full = new.info("stats").num("sync_full");
    await_led(others[0], new.port);
    assert_eq!(
        new.info("stats").num("sync_full"),
        full,
        "the sibling resumes"
    );
    new.run("SET after 1").ok();
    await_caught_up(new, others[0]);
    assert_same_data(new, others[0]);

    // It still thinks it is the master, until it is told.
    master.restart();
    await_led(&master, new.port);
    await_caught_up(new, &master);
    assert_same_data(new, &master);
    // It was also told to remember: started again, it follows at once.
    master.restart();
    assert_eq!(
        master.info("replication").get("master_port"),
        new.port.to_string()
    );
}

#[test]
fn a_frozen_master_is_replaced_and_follows_when_it_thaws() {
    let (master, replicas) = set(Kind::Damselfly, &[OURS, OURS]);
    let sentinels = Sentinels::of(master.port, 2, None);
    write_for_good(&master, "before", 2);
    let mut client = master.client();
    client.run("PING");
    master.freeze(true);
    let ports: Vec<u16> = replicas.iter().map(|r| r.port).collect();
    let (new, others) = chosen(&replicas, sentinels.await_master(&ports));
    await_promoted(new);
    await_led(others[0], new.port);
    new.run("SET after 1").ok();
    master.freeze(false);
    await_led(&master, new.port);
    assert!(
        client.try_cmd(&["PING"]).is_err(),
        "old clients are sent to look for the new master"
    );
    for node in [&master, others[0]] {
        await_caught_up(new, node);
        assert_same_data(new, node);
    }
}

#[test]
fn a_failover_on_request_never_picks_priority_0() {
    let never: (Kind, &[&str]) = (Kind::Damselfly, &["--replica-priority", "0"]);
    let (master, replicas) = set(Kind::Damselfly, &[never, OURS]);
    let [never, other] = &replicas[..] else {
        panic!("two replicas");
    };
    let sentinels = Sentinels::of(master.port, 2, None);
    let mut before = (&master, other);
    for round in 0..2 {
        let (old, new) = before;
        sentinels.await_settled(2);
        sentinels.fail_over(round);
        assert_eq!(sentinels.await_master(&[new.port, never.port]), new.port);
        await_promoted(new);
        for node in [old, never] {
            await_led(node, new.port);
            await_caught_up(new, node);
            assert_same_data(new, node);
        }
        before = (new, old);
    }
}

#[test]
fn a_damselfly_takes_over_from_a_stock_master() {
    let ours: (Kind, &[&str]) = (Kind::Damselfly, &["--replica-priority", "10"]);
    let (mut master, replicas) = set(Kind::Redis, &[(Kind::Redis, &[]), ours]);
    let sentinels = Sentinels::of(master.port, 2, None);
    write_for_good(&master, "before", 2);
    master.kill();
    let [stock, ours] = &replicas[..] else {
        panic!("two replicas");
    };
    assert_eq!(sentinels.await_master(&[stock.port, ours.port]), ours.port);
    await_promoted(ours);
    master.restart();
    for node in [stock, &master] {
        await_led(node, ours.port);
        await_caught_up(ours, node);
        assert_same_data(ours, node);
    }
    assert_eq!(ours.run("GET before").text(), "kept");
}

#[test]
fn a_stock_replica_takes_over_from_a_damselfly_with_a_password() {
    let first: (Kind, &[&str]) = (Kind::Redis, &["--replica-priority", "10"]);
    let (mut master, replicas) = set(Kind::Damselfly, &[first, OURS]);
    for node in replicas.iter().chain([&master]) {
        node.run("CONFIG SET masterauth sesame requirepass sesame")
            .ok();
    }
    let sentinels = Sentinels::of(master.port, 2, Some("sesame"));
    master.kill();
    assert_eq!(
        sentinels.await_master(&[replicas[0].port, replicas[1].port]),
        replicas[0].port
    );
    // What the tests ask is asked without a password.
    for node in &replicas {
        let mut client = node.client();
        client.run("AUTH sesame").ok();
        client.cmd(&["CONFIG", "SET", "requirepass", ""]).ok();
    }
    await_promoted(&replicas[0]);
    await_led(&replicas[1], replicas[0].port);
    master.restart();
    await_led(&master, replicas[0].port);
    for node in [&replicas[1], &master] {
        await_caught_up(&replicas[0], node);
        assert_same_data(&replicas[0], node);
    }
}
