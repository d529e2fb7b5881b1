//! The harness itself, tried on stock servers alone: tools that cannot fail prove nothing.

use crate::common::readers::{Writer, stamp};
use crate::common::*;
use std::time::Duration;

#[test]
fn dumps_tell_servers_apart() {
    let (a, b) = (Server::redis(&[]), Server::redis(&[]));
    let mut ca = a.client();
    ca.run("SET s 1").ok();
    ca.run("SELECT 3").ok();
    ca.run("ZADD z 1.5 x 2 y");
    ca.run("HSET h f v g w");
    ca.run("EXPIRE h 1000");
    ca.run("SADD set b a c");
    b.follow(a.port);
    let same = assert_same_data(&a, &b);
    assert_eq!(same.len(), 4);
    assert_eq!(same.count("zset"), 1);

    b.run("REPLICAOF NO ONE").ok();
    let mut cb = b.client();
    cb.run("SELECT 3").ok();
    cb.run("PERSIST h");
    cb.run("ZADD z 1.6 x");
    cb.run("DEL set");
    cb.run("SET more 1").ok();
    let differences = Dump::of(&a).differences(&Dump::of(&b));
    assert_eq!(differences.len(), 4, "{differences:#?}");
}

#[test]
fn the_proxy_does_what_networks_do() {
    let server = Server::redis(&[]);
    let proxy = Proxy::to(server.port);
    let mut client = Client::connect(proxy.port).unwrap();
    client.run("SET k v").ok();

    proxy.set(Fault::Mute);
    client.set_timeout(Duration::from_millis(100));
    assert!(client.try_cmd(&["GET", "k"]).is_err());
    proxy.set(Fault::None);
    client.set_timeout(Duration::from_secs(5));
    assert_eq!(client.read().unwrap().text(), "v");

    proxy.set(Fault::Delay(Duration::from_millis(80)));
    let began = std::time::Instant::now();
    client.run("PING");
    assert!(began.elapsed() > Duration::from_millis(150), "both ways");

    proxy.set(Fault::None);
    proxy.cut();
    assert!(client.try_cmd(&["PING"]).is_err());

    proxy.set(Fault::TruncateAfter(5));
    let mut client = Client::connect(proxy.port).unwrap();
    client.send_line("PING").unwrap();
    assert_eq!(client.read_to_end().unwrap(), b"+PONG");

    proxy.set(Fault::GarbageAfter(5));
    let mut client = Client::connect(proxy.port).unwrap();
    client.set_timeout(Duration::from_millis(200));
    assert!(client.try_cmd(&["PING"]).is_err());

    proxy.set(Fault::Refuse);
    let mut client = Client::connect(proxy.port).unwrap();
    assert!(client.try_cmd(&["PING"]).is_err());
}

#[test]
fn readers_see_what_a_stock_server_refuses_in_a_switch() {
    let (a, b, c) = (
        Server::redis(&[]),
        Server::redis(&[
            "--key-load-delay",
            "2000",
            "--loading-process-events-interval-bytes",
            "1024",
        ]),
        Server::redis(&[]),
    );
    for (master, name) in [(&a, "a"), (&c, "c")] {
        let mut client = master.client();
        stamp(&mut client, name, 1);
        client.run("DEBUG POPULATE 300 more 10").ok();
    }
    b.follow(a.port);
    let _writer = Writer::start(a.port, "a");
    let readers = Readers::start(b.port, 2, &["a", "c"]);
    readers.await_stamp("a", 20);
    readers.so_far().assert_clean(Duration::from_secs(5));

    b.follow(c.port);
    readers.await_stamp("c", 0);
    let report = readers.stop();
    assert!(report.refused > 0, "{report:?}");
    assert!(report.refused_for > Duration::from_millis(100));
    assert!(report.seen["a"] > 20 && report.seen["c"] > 0);
}

#[test]
fn readers_notice_torn_and_old_values() {
    let server = Server::redis(&[]);
    let mut client = server.client();
    stamp(&mut client, "a", 7);
    let readers = Readers::start(server.port, 1, &["a"]);
    eventually("a good read", || {
        wait::check(readers.so_far().reads > 0, || "none".into())
    });
    stamp(&mut client, "a", 6);
    eventually("a step back is noticed", || {
        wait::check(readers.so_far().wrong > 0, || "not yet".into())
    });
    stamp(&mut client, "a", 8);
    client.run("SET g:3 a:9").ok();
    eventually("a torn read is noticed", || {
        let torn = readers
            .so_far()
            .complaints
            .iter()
            .any(|c| c.starts_with("torn"));
        wait::check(torn, || "not yet".into())
    });
}

#[test]
fn seed_and_churn_write_every_type() {
    let (a, b) = (Server::redis(&[]), Server::redis(&[]));
    let mut client = a.client();
    data::seed(&mut client);
    b.follow(a.port);
    data::churn(&mut client, &mut data::Rng::new(1), 5000);
    let same = assert_same_data(&a, &b);
    for kind in ["string", "list", "hash", "set", "zset", "stream"] {
        assert!(same.count(kind) > 20, "{} of {kind}", same.count(kind));
    }
}
