//! Full syncs that do not end well: the old data is served throughout, and the next one may.

use crate::common::data::{Rng, churn, seed, with_module};
use crate::common::readers::{Writer, stamp};
use crate::common::wait::check;
use crate::common::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The stamp of the data that our node holds before the sync.
const OLD: &str = "old:1";

/// A Damselfly that holds stamped data, as a master; and what it holds.
fn holding(args: &[&str]) -> (Server, Dump) {
    let ours = Server::damselfly(args);
    let mut client = ours.client();
    seed(&mut client);
    stamp(&mut client, "old", 1);
    let held = Dump::of(&ours);
    (ours, held)
}

/// A stock master with other data, stamped as well.
fn stocked(args: &[&str]) -> Server {
    let master = Server::redis(args);
    let mut client = master.client();
    seed(&mut client);
    churn(&mut client, &mut Rng::new(51), 2000);
    stamp(&mut client, "new", 1);
    master
}

/// A snapshot as the stock server writes it.
fn snapshot(master: &Server) -> Vec<u8> {
    master.run("SAVE").ok();
    std::fs::read(master.dir().join("dump.rdb")).expect("read the snapshot")
}

const REPLID: &str = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";

/// A greeted master that answers each PSYNC with `FULLRESYNC` and what `payload` makes of the number of the
/// try.
fn sending(payload: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static) -> (Peer, Arc<AtomicUsize>) {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let peer = Peer::master(move |conn, _| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        conn.send(format!("+FULLRESYNC {REPLID} 1000\r\n").as_bytes());
        conn.send(&payload(n));
        conn.drain();
    });
    (peer, tries)
}

/// The payload with its length before it.
fn sized(rdb: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", rdb.len()).as_bytes(), rdb].concat()
}

fn follow(ours: &Server, port: u16) {
    let reply = ours.run(&format!("REPLICAOF 127.0.0.1 {port}"));
    assert!(reply.text().starts_with("OK"), "{reply:?}");
}

fn await_down(ours: &Server) {
    eventually("the link is down again", || {
        let info = ours.info("replication");
        let down =
            info.get("master_link_status") == "down" && info.get("master_sync_in_progress") == "0";
        check(down, || info.short())
    });
}

#[test]
fn cut_in_the_middle_it_keeps_the_old_data_then_syncs_again() {
    let master = stocked(&[]);
    let (ours, held) = holding(&[]);
    let readers = Readers::start(ours.port, 4, &["old", "new"]);
    let proxy = Proxy::to(master.port);
    for bytes in [700, 20_000, 150_000] {
        proxy.set(Fault::TruncateAfter(bytes));
        let before = granted(&master);
        follow(&ours, proxy.port);
        eventually("a sync begins and is cut", || {
            let now = granted(&master);
            let info = ours.info("replication");
            let cut = now.full > before.full && info.get("master_link_status") == "down";
            check(cut, || format!("{now:?} {}", info.short()))
        });
        assert_eq!(ours.run("GET g:0").text(), OLD);
        assert_eq!(ours.info("persistence").get("loading"), "0");
    }
    assert!(
        !readers.so_far().seen.contains_key("new"),
        "half a snapshot was served"
    );
    proxy.set(Fault::Refuse);
    proxy.cut();
    await_down(&ours);
    assert_eq!(Dump::of(&ours), held);
    let writer = Writer::start(master.port, "new");
    proxy.set(Fault::None);
    ours.await_link(proxy.port);
    eventually("the new data is read", || {
        let seen = readers.so_far().seen;
        check(seen.contains_key("new"), || format!("{seen:?}"))
    });
    drop(writer);
    await_caught_up(&master, &ours);
    assert_same_data(&master, &ours);
    readers.stop().assert_clean(Duration::from_secs(5));
}

#[test]
fn resume_credentials_survive_a_failed_full_sync() {
    let master = stocked(&[]);
    let ours = Server::damselfly(&[]);
    ours.follow(master.port);
    await_caught_up(&master, &ours);
    let before = granted(&master);
    let (liar, tries) = sending(|_| b"$100000\r\nREDIS0011".to_vec());
    follow(&ours, liar.port);
    eventually("the other snapshot begins", || {
        check(tries.load(Ordering::SeqCst) > 0, || "not yet".into())
    });
    drop(liar);
    await_down(&ours);
    churn(&mut master.client(), &mut Rng::new(52), 100);
    ours.follow(master.port);
    await_caught_up(&master, &ours);
    let now = granted(&master);
    assert_eq!((now.full, now.partial), (before.full, before.partial + 1));
    assert_same_data(&master, &ours);
}

#[test]
fn a_damaged_snapshot_changes_nothing() {
    let master = stocked(&[]);
    let good = snapshot(&master);
    let len = good.len();
    let (ours, held) = holding(&[]);
    let readers = Readers::start(ours.port, 2, &["old"]);
    // One byte turned over, somewhere: near the head, in the middle of things, in the checksum.
    let mut rng = Rng::new(53);
    let mut spots: Vec<usize> = (0..12).map(|_| rng.below(len as u64) as usize).collect();
    spots.extend([0, 5, 9, 30, len - 9, len - 1]);
    let n = spots.len();
    let damaged = good.clone();
    let (peer, tries) = sending(move |n| {
        let mut rdb = damaged.clone();
        rdb[spots[n % spots.len()]] ^= 0x41;
        sized(&rdb)
    });
    for i in 1..=n {
        // The same target again: a link that is down redials at once.
        follow(&ours, peer.port);
        eventually("the next damaged one is tried", || {
            let now = tries.load(Ordering::SeqCst);
            check(now >= i, || now.to_string())
        });
    }
    await_down(&ours);
    assert_eq!(Dump::of(&ours), held);
    readers.stop().assert_clean(Duration::from_secs(5));
}

#[test]
fn a_snapshot_that_is_none_changes_nothing() {
    let (ours, held) = holding(&[]);
    let payloads: Vec<Vec<u8>> = vec![
        sized(b""),
        sized(b"REDIS0011"),
        sized(b"REDIS9999\xff00000000"),
        sized(&[0xff; 4096]),
        b"$-5\r\n".to_vec(),
        b"$99999999999999999999\r\n".to_vec(),
        b"$9223372036854775807\r\nREDIS0011\xfa".to_vec(),
        b"$EOF:short\r\nREDIS0011".to_vec(),
        [
            b"$EOF:".as_slice(),
            &[b'm'; 40],
            b"\r\nREDIS0011\xff",
            &[0; 8],
            &[b'n'; 40],
        ]
        .concat(),
        b"+OK\r\n".to_vec(),
        b"-ERR no snapshot today\r\n".to_vec(),
        vec![b'$'; 100_000],
        // Lengths that promise what does not come: a key of 4 GB, a list of 2^62 items.
        sized(b"REDIS0011\xfe\x00\x00\x80\xff\xff\xff\xffkey"),
        sized(b"REDIS0011\xfe\x00\x01\x01k\x81\x40\x00\x00\x00\x00\x00\x00\x00v"),
        sized(b"REDIS0011\xfe\x00\xfb\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x00"),
        // Compressed bytes that swell to 4 GB by their own account.
        sized(b"REDIS0011\xfe\x00\x00\x01k\xc3\x05\x80\xff\xff\xff\xff\x01aaaa"),
    ];
    let n = payloads.len();
    let (peer, tries) = sending(move |i| payloads[i % payloads.len()].clone());
    for i in 1..=n {
        follow(&ours, peer.port);
        eventually("the next one is tried", || {
            let now = tries.load(Ordering::SeqCst);
            // Some of them wait for more: that is ended by a new attempt elsewhere.
            check(now >= i, || now.to_string())
        });
        std::thread::sleep(Duration::from_millis(30));
        ours.run("REPLICAOF NO ONE").ok();
        assert_eq!(ours.run("GET g:0").text(), OLD);
    }
    assert_eq!(Dump::of(&ours), held);
}

#[test]
fn a_damaged_stream_breaks_the_link_and_the_data_stays() {
    let master = stocked(&[]);
    let rdb = snapshot(&master);
    let held = Dump::of(&master);
    let ours = Server::damselfly(&[]);
    let streams: Vec<&[u8]> = vec![
        b"*3\r\n$3\r\nSET\r\n$99999999999\r\nx",
        b"*3\r\n$3\r\nSET\r\n$-7\r\n",
        b"*2147483648\r\n",
        b"*-3\r\n*x\r\n",
        b"*1\r\nSET\r\n",
        b"\x00\xff\xfe\xfd\r\n",
        &[b'q'; 200_000],
    ];
    for stream in streams {
        let (rdb, stream) = (rdb.clone(), stream.to_vec());
        let (peer, _) = sending(move |_| [sized(&rdb), stream.clone()].concat());
        let known = ours.log().len();
        follow(&ours, peer.port);
        eventually("the stream is found to be damaged", || {
            let log = ours.log();
            let told = log[known..].to_lowercase();
            let info = ours.info("replication");
            let down = info.get("master_link_status") == "down"
                && told.contains("master <-> replica link is down");
            check(down, || format!("{}\n{told}", info.short()))
        });
        let now = Dump::of(&ours);
        assert_eq!(held.differences(&now), Vec::<String>::new());
        ours.run("REPLICAOF NO ONE").ok();
    }
}

#[test]
fn noise_at_any_point_is_never_served() {
    let master = stocked(&[]);
    let (ours, _) = holding(&[]);
    let readers = Readers::start(ours.port, 2, &["old", "new"]);
    let proxy = Proxy::to(master.port);
    let mut rng = Rng::new(54);
    for _ in 0..12 {
        proxy.set(Fault::GarbageAfter(rng.below(300_000)));
        follow_or_not(&ours, proxy.port);
        std::thread::sleep(Duration::from_millis(60));
        proxy.cut();
        ours.run("REPLICAOF NO ONE").ok();
    }
    proxy.set(Fault::None);
    ours.follow(proxy.port);
    await_caught_up(&master, &ours);
    assert_same_data(&master, &ours);
    readers.stop().assert_clean(Duration::from_secs(5));
}

/// The noise may come as early as the greeting.
fn follow_or_not(ours: &Server, port: u16) {
    ours.run(&format!("REPLICAOF 127.0.0.1 {port}"));
}

#[test]
fn what_is_not_served_fails_the_sync_and_costs_nothing() {
    let old = stocked(&[]);
    let replica = Server::damselfly(&[]);
    replica.follow(old.port);
    await_caught_up(&old, &replica);
    let held = assert_same_data(&old, &replica);
    let foreign = with_module(&snapshot(&stocked(&[])));
    let (peer, _) = sending(move |_| sized(&foreign));
    follow(&replica, peer.port);
    eventually("the failure is told", || {
        let log = replica.log();
        let told = log.lines().any(|l| l.contains("data of module"));
        check(told, || "nothing in the log".into())
    });
    assert_eq!(
        replica.info("replication").get("master_link_status"),
        "down"
    );
    assert_eq!(Dump::of(&replica), held);
    follow(&replica, old.port);
    await_caught_up(&old, &replica);
    assert_same_data(&old, &replica);
}

#[test]
fn flush_mode_is_loading_until_the_snapshot_is_in() {
    let master = Server::redis(&["--rdb-key-save-delay", "400"]);
    seed(&mut master.client());
    stamp(&mut master.client(), "new", 1);
    master.run("DEBUG POPULATE 3000 filler 10").ok();
    let (ours, _) = holding(&["--replica-full-sync", "flush"]);
    follow(&ours, master.port);
    // Not before the snapshot begins; then every read is refused, and none answered with nothing.
    let mut client = ours.client();
    let (mut refused, mut before, mut after) = (0, 0, 0);
    eventually("the new data is there", || {
        match client.run("GET g:0") {
            Value::Error(e) if e.starts_with("LOADING") => refused += 1,
            Value::Bulk(b) if b == OLD.as_bytes() => before += 1,
            Value::Bulk(b) if b == b"new:1" => after += 1,
            other => panic!("a load was answered {other:?}"),
        }
        check(after > 0, || format!("{before} old, {refused} refused"))
    });
    assert!(refused > 0, "{before} old, {after} new");
    await_caught_up(&master, &ours);
    assert_same_data(&master, &ours);
}

#[test]
fn a_load_that_fails_in_flush_mode_leaves_no_half_truth() {
    let (ours, _) = holding(&["--replica-full-sync", "flush"]);
    let (peer, _) = sending(|_| b"$100000\r\nREDIS0011\xfe\x00\x00\x01k\x01v".to_vec());
    follow(&ours, peer.port);
    eventually("it is loading", || {
        let loading = ours.info("persistence").get("loading");
        check(loading == "1", || loading)
    });
    assert!(ours.run("GET g:0").error().starts_with("LOADING"));
    drop(peer);
    eventually("the load has failed", || {
        let reply = ours.run("GET g:0");
        check(
            reply.is_error() && reply.error().starts_with("MASTERDOWN"),
            || format!("{reply:?}"),
        )
    });
    assert_eq!(ours.info("persistence").get("loading"), "0");
    // An empty file would be taken for the data that the offset speaks of.
    let mut client = ours.client();
    client.cmd(&["CONFIG", "SET", "save", "1 1"]).ok();
    std::thread::sleep(Duration::from_secs(3));
    assert!(ours.run("BGSAVE").is_error() && ours.run("SAVE").is_error());
    assert!(!ours.dir().join("dump.rdb").exists());
    assert!(
        ours.run("REPLICAOF NO ONE").is_error(),
        "nothing whole was promoted"
    );
    assert_eq!(ours.info("replication").get("role"), "slave");
    ours.run("REPLICAOF NO ONE FORCE").ok();
    assert_eq!(ours.info("replication").get("role"), "master");
    assert_eq!(ours.run("DBSIZE").int(), 0);
    // That nothing was saved was no failure, after which no write would be taken.
    let info = ours.info("persistence");
    assert_eq!(info.get("rdb_last_bgsave_status"), "ok");
    ours.run("SET a b").ok();
}

#[test]
fn promoted_in_the_middle_of_a_sync_it_keeps_the_old_data() {
    let master = Server::redis(&["--rdb-key-save-delay", "400"]);
    stamp(&mut master.client(), "new", 1);
    master.run("DEBUG POPULATE 5000 filler 100").ok();
    let (ours, held) = holding(&[]);
    follow(&ours, master.port);
    eventually("the sync is on", || {
        let info = ours.info("replication");
        check(info.get("master_sync_in_progress") == "1", || info.short())
    });
    ours.run("REPLICAOF NO ONE").ok();
    assert_eq!(ours.info("replication").get("role"), "master");
    assert_eq!(Dump::of(&ours), held);
    std::thread::sleep(Duration::from_millis(200));
    ours.run("SET mine 1").ok();
    assert_eq!(ours.run("GET g:0").text(), OLD);
}

/// Waits until INFO tells `reason` of the link that is down, and checks that `held` is still served.
fn refused_for(ours: &Server, reason: &str, held: &Dump) {
    eventually("the sync is refused", || {
        let info = ours.info("replication");
        let told = info.get("master_link_last_error");
        check(told.contains(reason), || format!("{told} {}", info.short()))
    });
    assert_eq!(ours.info("replication").get("master_link_status"), "down");
    assert_eq!(ours.info("persistence").get("loading"), "0");
    assert_eq!(&Dump::of(ours), held);
}

#[test]
fn a_dataset_larger_than_its_room_is_not_staged() {
    let master = stocked(&[]);
    master.run("DEBUG POPULATE 20000 filler 1000").ok();
    let (ours, held) = holding(&["--replica-staging-maxmemory", "4mb"]);
    follow(&ours, master.port);
    refused_for(&ours, "replica-staging-maxmemory", &held);
    // With room for it, it comes.
    ours.run("CONFIG SET replica-staging-maxmemory 256mb").ok();
    ours.await_link(master.port);
    await_caught_up(&master, &ours);
    assert_same_data(&master, &ours);
}

#[test]
fn an_empty_master_is_refused_where_that_was_asked_for() {
    let master = Server::redis(&[]);
    let (ours, held) = holding(&["--replica-refuse-empty-master", "yes"]);
    follow(&ours, master.port);
    refused_for(&ours, "replica-refuse-empty-master", &held);
    // As soon as it holds something, it is followed; one key is enough.
    master.run("SET one 1").ok();
    ours.await_link(master.port);
    await_caught_up(&master, &ours);
    assert_same_data(&master, &ours);
    // And one that holds nothing itself follows an empty master.
    let empty = Server::redis(&[]);
    let fresh = Server::damselfly(&["--replica-refuse-empty-master", "yes"]);
    follow(&fresh, empty.port);
    fresh.await_link(empty.port);
    // Without the setting an empty master empties its replica, as in Redis.
    ours.run("CONFIG SET replica-refuse-empty-master no").ok();
    follow(&ours, empty.port);
    ours.await_link(empty.port);
    assert_eq!(ours.run("DBSIZE").int(), 0);
}

#[test]
fn what_another_history_costs_is_logged_and_counted() {
    let master = stocked(&[]);
    let (ours, held) = holding(&[]);
    let counted = |name: &str| ours.info("stats").num(name);
    assert!(held.len() > 10);
    follow(&ours, master.port);
    ours.await_link(master.port);
    let said = format!("our {} keys will be dropped for its own", held.len());
    assert!(ours.log().contains(&said), "{said}");
    assert_eq!(counted("sync_dropped_datasets"), 1);
    assert_eq!(counted("sync_dropped_keys"), held.len() as i64);
    // A full sync from the master whose data we hold, only older ones, drops nothing that it does not have.
    master.run("CONFIG SET repl-backlog-size 16384").ok();
    let proxy = Proxy::to(master.port);
    follow(&ours, proxy.port);
    ours.await_link(proxy.port);
    let before = granted(&master);
    proxy.set(Fault::Refuse);
    proxy.cut();
    await_down(&ours);
    for i in 0..200 {
        let value = "x".repeat(1000);
        master.run(&format!("SET later:{i} {value}")).ok();
    }
    proxy.set(Fault::None);
    ours.await_link(proxy.port);
    assert!(granted(&master).full > before.full);
    await_caught_up(&master, &ours);
    assert_same_data(&master, &ours);
    assert_eq!(counted("sync_dropped_datasets"), 1);
}

#[test]
fn a_command_that_fails_here_is_mended_by_a_full_sync() {
    let rdb = snapshot(&stocked(&[]));
    let ours = Server::damselfly(&[]);
    // Of a later master, which knows more options than we do.
    let stream = b"*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$4\r\nIFXX\r\n$1\r\nw\r\n\
        *3\r\n$3\r\nSET\r\n$5\r\nafter\r\n$1\r\nv\r\n";
    let (peer, tries) = sending(move |n| match n {
        0 => [sized(&rdb), stream.to_vec()].concat(),
        _ => sized(&rdb),
    });
    follow(&ours, peer.port);
    eventually("it asks again, and is whole", || {
        let up = ours.info("replication").get("master_link_status") == "up";
        let again = tries.load(Ordering::SeqCst) == 2;
        check(up && again, || ours.info("replication").short())
    });
    let asked = peer.received();
    let last = asked.iter().rfind(|words| words[0] == b"PSYNC");
    let asked: Vec<_> = last.into_iter().flatten().map(|w| w.as_slice()).collect();
    assert_eq!(asked, [b"PSYNC".as_slice(), b"?", b"-1"]);
    assert!(ours.log().contains("== CRITICAL =="));
}
