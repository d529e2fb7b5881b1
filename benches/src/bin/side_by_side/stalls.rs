//! For how long others wait while something large is freed, replaced, snapshotted or grown.
//!
//! Two clients, on two threads of Damselfly, ask for one small key after the other; a stall is the longest that an answer
//! took while the thing was done and until nothing of it was left to do. "nothing" is the same for two seconds in which
//! nothing is done: what the machine itself makes of it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use damselfly_benches::{Client, Server, Spread, Which};

use crate::{fill, order, plain, slot};

/// Elements of a large key, and small keys beside it.
const LARGE: u64 = 10_000_000;
const SMALL: u64 = 2_000_000;

/// Elements that one command adds.
const BATCH: u64 = 500;

const TYPES: [&str; 5] = ["hash", "set", "zset", "list", "stream"];

/// What is done to the large key `big`, by its name in the table: the commands, and what INFO says when it is over.
type Deed = (&'static str, &'static [&'static [&'static str]], Over);

/// When a deed is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    /// When nothing waits to be freed.
    Freed,
    /// When the key is gone, too.
    Expired,
    /// When the snapshot is written.
    Saved,
}

/// For every type. Those that leave the key where it is come first; before each of the others it is copied.
const OF_TYPES: [Deed; 5] = [
    ("BGSAVE", &[&["BGSAVE"]], Over::Saved),
    (
        "a write to it in BGSAVE",
        &[&["BGSAVE"], &["WRITE"]],
        Over::Saved,
    ),
    ("DEL", &[&["DEL", "other"]], Over::Freed),
    ("UNLINK", &[&["UNLINK", "other"]], Over::Freed),
    ("it expires", &[&["PEXPIRE", "other", "50"]], Over::Expired),
];

const OF_ONE: [Deed; 5] = [
    ("SET over it", &[&["SET", "other", "x"]], Over::Freed),
    (
        "RENAME over it",
        &[&["SET", "small", "x"], &["RENAME", "small", "other"]],
        Over::Freed,
    ),
    (
        "COPY REPLACE over it",
        &[
            &["SET", "small", "x"],
            &["COPY", "small", "other", "REPLACE"],
        ],
        Over::Freed,
    ),
    (
        "SORT STORE over it",
        &[
            &["RPUSH", "few", "3", "1", "2"],
            &["SORT", "few", "STORE", "other"],
        ],
        Over::Freed,
    ),
    (
        "it is evicted",
        &[
            &["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"],
            &["PEXPIRE", "other", "100000000"],
            &["CONFIG", "SET", "maxmemory", "100mb"],
            &["SET", "small", "x"],
            &["CONFIG", "SET", "maxmemory", "0"],
        ],
        Over::Freed,
    ),
];

const OF_ALL: [Deed; 2] = [
    ("FLUSHDB ASYNC", &[&["FLUSHDB", "ASYNC"]], Over::Freed),
    ("FLUSHALL ASYNC", &[&["FLUSHALL", "ASYNC"]], Over::Freed),
];

/// Prints the stalls of both servers.
pub fn stalls(rounds: usize) -> Result<()> {
    println!("## Longest stall, ms, by one deed with {LARGE} elements\n");
    println!("| deed | redis-server | damselfly |");
    println!("|---|---|---|");
    let mut rows: Vec<(String, [Vec<f64>; 2])> = Vec::new();
    for round in 0..rounds {
        for which in order(round) {
            let mut at = 0;
            let mut note = |what: String, stall: f64| {
                if rows.len() == at {
                    rows.push((what, Default::default()));
                }
                eprintln!("{} {}: {stall:.1}", which.name(), rows[at].0);
                rows[at].1[slot(which)].push(stall);
                at += 1;
            };
            all_of(which, &mut note)?;
        }
    }
    for (what, stalls) in rows {
        let [a, b] = stalls.map(Spread::of);
        println!("| {what} | {a} | {b} |");
    }
    println!();
    Ok(())
}

fn all_of(which: Which, note: &mut dyn FnMut(String, f64)) -> Result<()> {
    let only = std::env::var("STALLS").unwrap_or_default();
    for kind in TYPES
        .into_iter()
        .filter(|kind| only.is_empty() || only.contains(kind))
    {
        let server = Server::start(which, None, &[])?;
        fill(&server, 1_000, plain(16))?;
        let (stall, ()) = while_done(&server, || {
            thread::sleep(Duration::from_secs(2));
            Ok(())
        })?;
        note(format!("{kind}: nothing"), stall);
        let (stall, ()) = while_done(&server, || grow(&server, kind, LARGE))?;
        note(format!("{kind}: grown to {LARGE} elements"), stall);
        let deeds = OF_TYPES
            .iter()
            .chain(OF_ONE.iter().filter(|_| kind == "hash"));
        for (name, commands, over) in deeds {
            let mut client = server.client()?;
            if *over != Over::Saved {
                client.call(&["COPY", "big", "other"])?;
            }
            let (stall, ()) = while_done(&server, || {
                for command in *commands {
                    let command = match *command {
                        ["WRITE"] => write_to(kind),
                        command => command,
                    };
                    let reply = client.call(command)?;
                    let refused = reply.starts_with('-') && !reply.starts_with("-OOM");
                    ensure!(!refused, "{command:?}: {reply}");
                }
                until(&mut client, *over)
            })?;
            note(format!("{kind}: {name}"), stall);
        }
    }
    if !only.is_empty() && !only.contains("keys") {
        return Ok(());
    }
    for (name, commands, over) in OF_ALL {
        let server = Server::start(which, None, &[])?;
        let (stall, ()) = while_done(&server, || fill(&server, SMALL, plain(16)))?;
        if name == "FLUSHDB ASYNC" {
            note(format!("grown to {SMALL} keys"), stall);
        }
        let (stall, ()) = while_done(&server, || {
            let mut client = server.client()?;
            for command in commands {
                client.call(command)?;
            }
            until(&mut client, over)
        })?;
        note(format!("{SMALL} keys: {name}"), stall);
    }
    Ok(())
}

/// A command that changes the large key a little.
fn write_to(kind: &str) -> &'static [&'static str] {
    match kind {
        "hash" => &["HSET", "big", "f:000005000000", "new"],
        "set" => &["SREM", "big", "m:000005000000"],
        "zset" => &["ZADD", "big", "17", "m:000005000000"],
        "list" => &["LSET", "big", "5000", "new"],
        _ => &["XADD", "big", "*", "f", "new"],
    }
}

fn until(client: &mut Client, over: Over) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let done = match over {
            Over::Saved => client
                .call(&["INFO", "persistence"])?
                .contains("rdb_bgsave_in_progress:0"),
            Over::Freed | Over::Expired => {
                let freed = client
                    .call(&["INFO", "memory"])?
                    .contains("lazyfree_pending_objects:0");
                freed && (over == Over::Freed || client.call(&["DBSIZE"])? == ":1001")
            }
        };
        if done {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "it is never over");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Does `deed`; how long the longest answer to somebody else took meanwhile, in milliseconds.
fn while_done<T>(server: &Server, deed: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let stop = Arc::new(AtomicBool::new(false));
    let askers: Vec<_> = (0..2)
        .map(|_| {
            let (stop, client) = (Arc::clone(&stop), server.client());
            thread::spawn(move || ask(client?, &stop))
        })
        .collect();
    thread::sleep(Duration::from_millis(20));
    let done = deed();
    thread::sleep(Duration::from_millis(20));
    stop.store(true, Relaxed);
    let mut longest = 0.0;
    for asker in askers {
        let stall = asker.join().expect("an asker does not panic")?;
        longest = f64::max(longest, stall);
    }
    Ok((longest, done?))
}

fn ask(mut client: Client, stop: &AtomicBool) -> Result<f64> {
    let mut longest = Duration::ZERO;
    let mut key = 0;
    while !stop.load(Relaxed) {
        let name = format!("key:{key:012}");
        let asked = Instant::now();
        client.call(&["GET", &name])?;
        longest = longest.max(asked.elapsed());
        key = (key + 1) % 1000;
        thread::sleep(Duration::from_micros(200));
    }
    Ok(longest.as_secs_f64() * 1e3)
}

/// Adds `count` elements to `big`, in commands of [`BATCH`] (but one by one to a stream).
pub(crate) fn grow(server: &Server, kind: &str, count: u64) -> Result<()> {
    let (verb, parts, batch) = match kind {
        "hash" => ("HSET", 2, BATCH),
        "set" => ("SADD", 1, BATCH),
        "zset" => ("ZADD", 2, BATCH),
        "list" => ("RPUSH", 1, BATCH),
        _ => ("XADD", 3, 1),
    };
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    let (lines, commands) = (if kind == "stream" { 2 } else { 1 }, count / batch);
    let reader = thread::spawn(move || -> Result<()> {
        let mut line = Vec::new();
        for _ in 0..commands * lines {
            line.clear();
            replies.read_until(b'\n', &mut line)?;
            ensure!(
                !line.starts_with(b"-"),
                "{}",
                String::from_utf8_lossy(&line)
            );
        }
        Ok(())
    });
    let mut request = String::new();
    let bulk = |request: &mut String, text: &str| {
        let _ = write!(request, "${}\r\n{text}\r\n", text.len());
    };
    for command in 0..commands {
        let _ = write!(request, "*{}\r\n", 2 + parts * batch);
        bulk(&mut request, verb);
        bulk(&mut request, "big");
        for i in command * batch..(command + 1) * batch {
            match kind {
                "hash" => {
                    bulk(&mut request, &format!("f:{i:012}"));
                    bulk(&mut request, &format!("v:{i}"));
                }
                "set" => bulk(&mut request, &format!("m:{i:012}")),
                "zset" => {
                    bulk(&mut request, &(i * 7919 % 1_000_003).to_string());
                    bulk(&mut request, &format!("m:{i:012}"));
                }
                "list" => bulk(&mut request, &format!("e:{i:012}")),
                _ => {
                    bulk(&mut request, &format!("{}-1", i + 1));
                    bulk(&mut request, "f");
                    bulk(&mut request, &format!("v:{i}"));
                }
            }
        }
        if request.len() > 64 << 10 || command + 1 == commands {
            stream.write_all(request.as_bytes())?;
            request.clear();
        }
    }
    let read = reader.join().expect("the reader does not panic");
    read.context("while the large key grew")
}
