//! Full syncs that die at a node that holds no key: what it holds beside keys, and its place in a history, stay.

use crate::common::wait::check;
use crate::common::*;

/// A master whose snapshots begin and do not end while it lives.
fn dying() -> Peer {
    Peer::master(|conn, _| {
        let id = "ab".repeat(20);
        conn.send(format!("+FULLRESYNC {id} 10\r\n$100000\r\nREDIS0009").as_bytes());
        conn.drain();
    })
}

/// Has `ours` follow a master of which nothing more is heard when a snapshot has begun; `meanwhile` is what is looked at
/// then, and `loading` whether what is held was dropped for it.
fn sync_that_dies(ours: &Server, loading: bool, meanwhile: impl Fn()) {
    let master = dying();
    let known = ours.log().len();
    let asked = format!("REPLICAOF 127.0.0.1 {}", master.port);
    ours.run(&asked).ok();
    eventually("a snapshot has begun", || {
        let log = ours.log();
        let begun = log[known..].contains("Loading DB in memory");
        check(begun, || log[known..].to_owned())
    });
    let info = ours.info("persistence");
    assert_eq!(info.num("loading"), i64::from(loading));
    meanwhile();
    drop(master);
    eventually("the sync has died", || {
        let info = ours.info("replication");
        let died =
            info.get("master_link_status") == "down" && info.get("master_sync_in_progress") == "0";
        check(died, || info.short())
    });
}

#[test]
fn libraries_of_functions_are_kept() {
    let ours = Server::damselfly(&[]);
    let code = "#!lua name=lib\nredis.register_function{function_name='f', callback=function() return 'x' end, \
         flags={'no-writes'}}";
    let loaded = ours.client().cmd(&["FUNCTION", "LOAD", code]);
    assert_eq!(loaded.text(), "lib");
    let called = || ours.run("FCALL f 0").text();
    sync_that_dies(&ours, false, || assert_eq!(called(), "x"));
    assert_eq!(called(), "x");
    assert_eq!(ours.run("DBSIZE").int(), 0);
    ours.run("REPLICAOF NO ONE").ok();
    assert_eq!(called(), "x");
}

#[test]
fn a_replica_resumes_from_where_it_was() {
    for master in [Server::damselfly(&[]), Server::redis(&[])] {
        let ours = Server::damselfly(&[]);
        ours.follow(master.port);
        ours.await_link(master.port);
        master.run("SET k v").ok();
        assert_eq!(master.run("DEL k").int(), 1);
        await_caught_up(&master, &ours);
        let before = granted(&master);
        let offset = |server: &Server| server.info("replication").num("master_repl_offset");
        let held = offset(&ours);
        assert!(held > 0);
        let none = || assert!(!ours.run("GET k").is_error(), "it is not served");
        sync_that_dies(&ours, false, none);
        none();
        assert_eq!(offset(&ours), held);
        master.run("SET later 1").ok();
        ours.follow(master.port);
        await_caught_up(&master, &ours);
        let now = granted(&master);
        assert_eq!((now.full, now.partial), (before.full, before.partial + 1));
        assert_same_data(&master, &ours);
    }
}

/// Where nobody could resume, and nothing is held, a snapshot needs no room beside the data.
#[test]
fn of_a_node_that_never_held_anything_there_is_nothing_to_keep() {
    let ours = Server::damselfly(&[]);
    let refused = |how: &str| {
        let reply = ours.run("GET k");
        assert!(
            reply.is_error() && reply.error().starts_with(how),
            "{reply:?}"
        );
    };
    sync_that_dies(&ours, true, || refused("LOADING"));
    refused("MASTERDOWN");
    let master = Server::redis(&[]);
    master.run("SET k v").ok();
    ours.follow(master.port);
    await_caught_up(&master, &ours);
    assert_same_data(&master, &ours);
}
