//! The snapshot file: between the two servers, while writes go on, over restarts, and damaged.

use crate::common::data::with_module;
use crate::common::server::free_port;
use crate::common::wait::check;
use crate::common::{
    Dump, Kind, Server, Value, assert_same_data, await_caught_up, await_replicas, data, eventually,
};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends `server`, gives it the snapshot file of `other`, and starts it again.
fn restart_with_file_of(server: &mut Server, other: &Server) {
    server.kill();
    let file = |server: &Server| server.dir().join("dump.rdb");
    fs::copy(file(other), file(server)).expect("there is a snapshot file");
    server.restart();
}

#[test]
fn files_go_both_ways() {
    let mut redis = Server::redis(&[]);
    let mut damselfly = Server::damselfly(&[]);
    data::seed(&mut redis.client());
    redis.run("SAVE").ok();
    restart_with_file_of(&mut damselfly, &redis);
    let held = assert_same_data(&redis, &damselfly);
    assert!(held.len() > 20);

    damselfly.run("SET from damselfly").ok();
    damselfly.run("SAVE").ok();
    restart_with_file_of(&mut redis, &damselfly);
    assert_eq!(assert_same_data(&redis, &damselfly).len(), held.len() + 1);
    assert_eq!(redis.run("GET from").text(), "damselfly");
}

#[test]
fn a_background_save_is_of_one_moment() {
    let mut damselfly = Server::damselfly(&[]);
    let mut client = damselfly.client();
    let filler: Vec<_> = (0..200_000)
        .map(|n| {
            vec![
                b"SET".to_vec(),
                format!("filler:{n}").into_bytes(),
                vec![b'x'; 50],
            ]
        })
        .collect();
    for some in filler.chunks(10_000) {
        client.pipeline(some);
    }
    // Two keys that a transaction keeps equal, wherever in the walk each of them comes.
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (stop, mut client) = (Arc::clone(&stop), damselfly.client());
        std::thread::spawn(move || {
            let mut n = 0u64;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let set: Vec<String> = (0..50)
                    .flat_map(|key| [format!("pair:{key}"), n.to_string()])
                    .collect();
                let mut command = vec!["MSET".to_owned()];
                command.extend(set);
                client.cmd(&command).ok();
            }
            n
        })
    };
    eventually("the writer writes", || {
        check(damselfly.run("GET pair:0") != Value::Nil, || {
            "nothing yet".into()
        })
    });
    let before = damselfly.run("LASTSAVE").int();
    assert_eq!(damselfly.run("BGSAVE").text(), "Background saving started");
    eventually("the save is done", || {
        let info = damselfly.info("persistence");
        let done = info.get("rdb_bgsave_in_progress") == "0" && info.num("rdb_saves") == 1;
        check(done, || info.short())
    });
    stop.store(true, Ordering::Relaxed);
    let written = writer.join().expect("the writer ends");
    assert!(damselfly.run("LASTSAVE").int() >= before);
    assert_eq!(
        damselfly.info("persistence").get("rdb_last_bgsave_status"),
        "ok"
    );
    assert!(
        damselfly
            .info("persistence")
            .num("rdb_changes_since_last_save")
            > 0
    );

    damselfly.kill();
    damselfly.restart();
    assert_eq!(damselfly.run("DBSIZE").int(), 200_050);
    let saved: Vec<String> = (0..50)
        .map(|key| damselfly.run(&format!("GET pair:{key}")).text())
        .collect();
    assert!(saved.iter().all(|value| *value == saved[0]), "{saved:?}");
    let saved: u64 = saved[0].parse().expect("a number");
    assert!((1..=written).contains(&saved), "{saved} of {written}");
    // No temporary file is left.
    let left: Vec<_> = fs::read_dir(damselfly.dir())
        .expect("the directory is there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains("temp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn save_points_and_shutdown_save() {
    let mut damselfly = Server::damselfly(&["--save", "1 5"]);
    for n in 0..5 {
        damselfly.run(&format!("SET key:{n} value")).ok();
    }
    eventually("the save point is reached", || {
        let info = damselfly.info("persistence");
        check(info.num("rdb_saves") >= 1, || info.short())
    });
    damselfly.kill();
    damselfly.restart();
    assert_eq!(damselfly.run("DBSIZE").int(), 5);

    damselfly.client().cmd(&["CONFIG", "SET", "save", ""]).ok();
    damselfly.run("SET last one").ok();
    let _ = damselfly.client().send_line("SHUTDOWN SAVE");
    assert!(damselfly.await_exit().success());
    damselfly.restart();
    assert_eq!(damselfly.run("GET last").text(), "one");

    // A save of its own after the one that goes on: nothing of what was written meanwhile is lost.
    let filler: Vec<_> = (0..100_000)
        .map(|n| vec!["SET".to_owned(), format!("filler:{n}"), "x".repeat(50)])
        .collect();
    damselfly.client().pipeline(&filler);
    let mut client = damselfly.client();
    client.send_line("BGSAVE").expect("send");
    client.send_line("SET meanwhile one").expect("send");
    client.send_line("SHUTDOWN SAVE").expect("send");
    assert!(damselfly.await_exit().success());
    damselfly.restart();
    assert_eq!(damselfly.run("GET meanwhile").text(), "one");
    let info = damselfly.info("persistence");
    assert_eq!(info.num("rdb_last_load_keys_loaded"), 100_007);
    assert_eq!(info.num("rdb_last_bgsave_time_sec"), -1);

    damselfly.run("SET lost one").ok();
    let _ = damselfly.client().send_line("SHUTDOWN NOSAVE");
    assert!(damselfly.await_exit().success());
    damselfly.restart();
    assert_eq!(damselfly.run("GET lost"), Value::Nil);
}

/// As in Redis: where there are save points, FLUSHALL is one, on a replica, too.
#[test]
fn what_was_flushed_does_not_come_back() {
    let mut master = Server::damselfly(&["--save", "3600 1000000"]);
    let mut replica = Server::damselfly(&["--save", "3600 1000000"]);
    replica.follow(master.port);
    let mut client = master.client();
    client.run("SET k v").ok();
    await_caught_up(&master, &replica);
    for server in [&master, &replica] {
        let info = server.info("persistence");
        assert_eq!(
            info.num("rdb_changes_since_last_save"),
            1,
            "{}",
            info.short()
        );
        server.run("SAVE").ok();
    }
    let saves = |server: &Server| server.info("persistence").num("rdb_saves");
    let before = (saves(&master), saves(&replica));
    client.run("FLUSHALL").ok();
    eventually("both have saved that nothing is left", || {
        let now = (saves(&master), saves(&replica));
        check(now.0 > before.0 && now.1 > before.1, || {
            format!("{before:?} {now:?}")
        })
    });
    replica.run("REPLICAOF NO ONE").ok();
    for server in [&mut master, &mut replica] {
        server.kill();
        server.restart();
        assert_eq!(server.run("DBSIZE").int(), 0);
    }
}

#[test]
fn a_restarted_replica_resumes_from_its_file() {
    let master = Server::redis(&["--repl-backlog-size", "10mb"]);
    data::seed(&mut master.client());
    let following = format!("127.0.0.1 {}", master.port);
    let mut replica = Server::damselfly(&["--replicaof", &following]);
    await_replicas(&master, 1);
    // The stream stays in one database, so that the one who resumes must know which.
    let mut client = master.client();
    client.run("SELECT 3").ok();
    client.run("SET before saved").ok();
    await_caught_up(&master, &replica);
    replica.run("SAVE").ok();
    let full = master.info("stats").num("sync_full");
    replica.kill();
    client.run("SET while away").ok();
    replica.restart();
    await_replicas(&master, 1);
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
    let stats = master.info("stats");
    assert_eq!(
        stats.num("sync_full"),
        full,
        "it resumed: {}",
        stats.short()
    );
    assert!(stats.num("sync_partial_ok") >= 1);
}

#[test]
fn a_bad_file_is_one_clear_line_and_left_alone() {
    let redis = Server::redis(&[]);
    data::seed(&mut redis.client());
    redis.run("SAVE").ok();
    let whole = fs::read(redis.dir().join("dump.rdb")).expect("there is a snapshot file");
    let with_module = with_module(&whole);
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 0x55;
    let place = redis.dir().join("bad");
    fs::create_dir_all(&place).expect("make a directory");
    for (bytes, named) in [
        (&whole[..whole.len() / 2], "at byte"),
        (&changed, ""),
        (&with_module, "data of module"),
        (b"nonsense", "at byte"),
        (b"", "at byte 0"),
    ] {
        let file = place.join("dump.rdb");
        fs::write(&file, bytes).expect("write a file");
        let output = Command::new(env!("CARGO_BIN_EXE_damselfly"))
            .args(["--port", &free_port().to_string(), "--save", "", "--dir"])
            .arg(&place)
            .stdin(Stdio::null())
            .output()
            .expect("run damselfly");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        // In the log, and to whom started it.
        for said in [&output.stdout, &output.stderr] {
            let said = String::from_utf8_lossy(said);
            let mut lines = said.lines().filter(|line| line.contains("dump.rdb"));
            let line = lines.next().unwrap_or_else(|| panic!("{output:?}"));
            assert!(line.contains(named), "{named:?} is not in {line:?}");
            assert_eq!(lines.next(), None);
        }
        assert_eq!(fs::read(&file).expect("it is there"), bytes);
    }
}

#[test]
fn a_save_that_fails_is_told_and_harms_nothing() {
    let damselfly = Server::damselfly(&["--dbfilename", "dump.rdb"]);
    damselfly.run("SET k v").ok();
    // A directory in the file's place cannot be replaced.
    fs::create_dir(damselfly.dir().join("dump.rdb")).expect("make a directory");
    assert!(damselfly.run("SAVE").is_error());
    let status = |server: &Server| server.info("persistence").get("rdb_last_bgsave_status");
    assert_eq!(status(&damselfly), "ok", "as in Redis");
    assert_eq!(damselfly.run("GET k").text(), "v");
    damselfly.run("BGSAVE");
    eventually("the save fails", || {
        check(status(&damselfly) == "err", || "not yet".into())
    });
    fs::remove_dir(damselfly.dir().join("dump.rdb")).expect("remove it");
    damselfly.run("SAVE").ok();
    assert_eq!(status(&damselfly), "ok");
    let held = Dump::of(&damselfly);
    assert_eq!(held.len(), 1);
}

fn saving(server: &Server) -> bool {
    server.info("persistence").num("rdb_bgsave_in_progress") == 1
}

#[test]
fn what_comes_after_a_background_save_is_not_in_its_file() {
    for kind in [Kind::Redis, Kind::Damselfly] {
        let server = Server::start(kind, &[]);
        let mut client = server.client();
        for round in 0..20 {
            let kept = format!("before-{round}");
            client.cmd(&["SET", "key", &kept]).ok();
            // At once, so that the later one comes as early as it can.
            let replies = client.pipeline(&[vec!["BGSAVE"], vec!["SET", "key", "after"]]);
            assert_eq!(replies[0].text(), "Background saving started");
            eventually("the save ends", || {
                check(!saving(&server), || format!("{kind:?} saves"))
            });
            let file = std::fs::read(server.dir().join("dump.rdb")).unwrap();
            let has = |text: &str| memchr::memmem::find(&file, text.as_bytes()).is_some();
            assert_eq!(
                (has(&kept), has("after")),
                (true, false),
                "{kind:?} {round}"
            );
        }
        let scheduled = client.pipeline(&[vec!["MULTI"], vec!["BGSAVE"], vec!["EXEC"]]);
        assert_eq!(scheduled[2].list()[0].text(), "Background saving scheduled");
    }
}

/// A server that takes long to save its three keys, and is at it.
fn busy_saving(kind: Kind) -> Server {
    let server = Server::start(kind, &["--rdb-key-save-delay", "10000000"]);
    server.run("MSET a 1 b 2 c 3").ok();
    assert_eq!(server.run("BGSAVE").text(), "Background saving started");
    assert!(saving(&server));
    server
}

#[test]
fn a_save_ends_when_all_keys_are_removed() {
    for kind in [Kind::Redis, Kind::Damselfly] {
        let server = busy_saving(kind);
        let before = server.info("persistence");
        // It is of one moment, and there are other databases.
        server.run("FLUSHDB").ok();
        assert!(saving(&server));
        server.run("FLUSHALL").ok();
        eventually("the save ends", || {
            check(!saving(&server), || format!("{kind:?} saves"))
        });
        let after = server.info("persistence");
        assert_eq!(after.get("rdb_last_bgsave_status"), "ok");
        assert_eq!(
            after.num("rdb_last_save_time"),
            before.num("rdb_last_save_time")
        );
        assert!(!server.dir().join("dump.rdb").exists());
        let said = "Background saving terminated";
        eventually("the log says so", || {
            check(server.log().contains(said), || server.log())
        });
        // The next one is nobody's business.
        server.run("CONFIG SET rdb-key-save-delay 0").ok();
        server.run("SAVE").ok();
        assert!(server.dir().join("dump.rdb").exists());
    }
}

#[test]
fn a_save_of_a_replica_ends_when_its_master_removes_all_keys() {
    let master = Server::damselfly(&[]);
    let replica = Server::damselfly(&["--rdb-key-save-delay", "10000000"]);
    master.run("MSET a 1 b 2 c 3").ok();
    replica.follow(master.port);
    replica.run("BGSAVE");
    assert!(saving(&replica));
    master.run("FLUSHALL").ok();
    eventually("the save ends", || {
        check(!saving(&replica), || "it goes on".into())
    });
    assert_eq!(
        replica.info("persistence").get("rdb_last_bgsave_status"),
        "ok"
    );
    assert!(!replica.dir().join("dump.rdb").exists());
}

/// What both servers are told while they cannot save.
const CANNOT_SAVE: &[&str] = &[
    "SET k 2",
    "GET k",
    "PING",
    "PUBLISH a b",
    "MULTI",
    "SET k 3",
    "GET k",
    "EXEC",
    "MULTI",
    "GET k",
    "EXEC",
    "DEL nokey",
    "CONFIG SET stop-writes-on-bgsave-error no",
    "SET k 4",
    "PING",
    "CONFIG SET stop-writes-on-bgsave-error yes",
    "SET k 5",
    "CONFIG SET save \"\"",
    "SET k 6",
    "CONFIG SET save 3600\\x201000000",
    "SET k 7",
    "GET k",
];

#[test]
fn who_cannot_save_takes_no_writes() {
    let mut told = Vec::new();
    for kind in [Kind::Redis, Kind::Damselfly] {
        let server = Server::start(kind, &["--save", "3600 1000000"]);
        let mut client = server.client();
        client.run("SET k 1").ok();
        // A directory in the file's place cannot be replaced.
        let file = server.dir().join("dump.rdb");
        fs::create_dir(&file).expect("make a directory");
        client.run("BGSAVE");
        eventually("the save fails", || {
            let status = server.info("persistence").get("rdb_last_bgsave_status");
            check(status == "err", || status.clone())
        });
        let mut said: Vec<String> = Vec::new();
        for line in CANNOT_SAVE {
            client
                .send_raw(format!("{line}\r\n").as_bytes())
                .expect("send");
            said.push(format!("{line}: {:?}", client.read().expect("a reply")));
        }
        let write = "return redis.pcall('SET', 'k', 8)";
        for script in [
            write,
            "return redis.call('SET', 'k', 9)",
            "return redis.call('GET', 'k')",
        ] {
            said.push(format!(
                "{script}: {:?}",
                client.cmd(&["EVAL", script, "1", "k"])
            ));
        }
        fs::remove_dir(&file).expect("remove it");
        client.run("BGSAVE");
        eventually("the save succeeds", || {
            let status = server.info("persistence").get("rdb_last_bgsave_status");
            check(status == "ok", || status.clone())
        });
        client.run("SET k 10").ok();
        told.push(said);
    }
    assert!(
        told[0][0].contains("MISCONF Redis is configured to save"),
        "{:?}",
        told[0]
    );
    assert_eq!(told[0], told[1]);
}
