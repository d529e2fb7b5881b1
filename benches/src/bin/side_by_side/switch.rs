//! What readers notice while their replica changes its master.
//!
//! Two readers ask for a key each millisecond. Refused is the time from the last good answer to the next one, for the
//! reader that was worst off; wrong are answers without the value that every master has there; a stall is the
//! longest that an answer took; detached is for how long the node did not stream from its old master although
//! the new one could not be had.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use damselfly_benches::{Client, Server, Spread, Which, free_port};

use crate::{fill, order, plain, slot};

const KEYS: u64 = 500_000;
const VALUE: usize = 64;

/// How long the readers go on after the change.
const AFTER: Duration = Duration::from_millis(1500);

/// The stock masters that stay for all rounds.
struct Masters {
    old: Server,
    /// A replica of `old`: a partial sync will do.
    sibling: Server,
    /// Another history.
    other: Server,
}

/// How a change is meant to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Streaming from the target.
    There,
    /// The target cannot be had: streaming from the old master is the best there is.
    Unreachable,
    /// The target's snapshots always break off: serving is the best there is.
    Serving,
}

const CASES: [(&str, End); 7] = [
    ("nobody listens at the target", End::Unreachable),
    ("the target accepts and stays mute", End::Unreachable),
    ("partial sync from a sibling", End::There),
    ("full sync from another history", End::There),
    ("back, both having moved on", End::There),
    ("full sync that dies half way", End::Serving),
    ("upstream of a chain changes", End::There),
];

/// Prints what the readers noticed, case by case.
pub fn switch(rounds: usize) -> Result<()> {
    println!(
        "## A replica of 500,000 keys changes its master, under two readers each millisecond\n"
    );
    println!(
        "| case | server | refused, ms | wrong | longest stall, ms | detached, ms | ended well |"
    );
    println!("|---|---|---|---|---|---|---|");
    let eager = ["--repl-diskless-sync-delay", "0"];
    let start = || Server::start(Which::Redis, None, &eager);
    let masters = Masters {
        old: start()?,
        sibling: start()?,
        other: start()?,
    };
    fill(&masters.old, KEYS, plain(VALUE))?;
    fill(&masters.other, KEYS, plain(VALUE))?;
    follow(&masters.sibling, masters.old.port)?;
    for (case, end) in CASES {
        let mut seen: [Vec<Seen>; 2] = Default::default();
        for round in 0..rounds {
            for which in order(round) {
                seen[slot(which)].push(once(which, &masters, case, end)?);
            }
        }
        for which in Which::BOTH {
            let seen = &seen[slot(which)];
            let spread = |of: fn(&Seen) -> f64| Spread::of(seen.iter().map(of).collect());
            let (refused, stall) = (spread(|s| s.refused), spread(|s| s.stall));
            let wrong: u64 = seen.iter().map(|s| s.wrong).sum();
            let detached = match end {
                End::Unreachable => spread(|s| s.detached).to_string(),
                End::There | End::Serving => "-".into(),
            };
            let well = seen.iter().filter(|s| s.well).count();
            let name = which.name();
            println!(
                "| {case} | {name} | {refused} | {wrong} | {stall} | {detached} | {well} of {rounds} |"
            );
        }
    }
    println!();
    Ok(())
}

/// What was noticed of one change, times in milliseconds.
struct Seen {
    refused: f64,
    wrong: u64,
    stall: f64,
    detached: f64,
    well: bool,
}

fn once(which: Which, masters: &Masters, case: &str, end: End) -> Result<Seen> {
    let more: &[&str] = match which {
        Which::Redis => &[],
        Which::Damselfly => &["--replicaof-timeout", "2"],
    };
    let node = Server::start(which, None, more)?;
    follow(&node, masters.old.port)?;
    // The readers of the chain read below the node that changes.
    let below = match case {
        "upstream of a chain changes" => {
            let below = Server::start(which, None, more)?;
            follow(&below, node.port)?;
            Some(below)
        }
        _ => None,
    };
    if case == "back, both having moved on" {
        node.client()?.call(&["REPLICAOF", "NO", "ONE"])?;
        node.client()?.call(&["SET", "mine", "1"])?;
        masters.old.client()?.call(&["SET", "theirs", "1"])?;
    }
    let mute = TcpListener::bind("127.0.0.1:0")?;
    let dying = dying(masters.other.port)?;
    let target = match case {
        "nobody listens at the target" => free_port()?,
        "the target accepts and stays mute" => mute.local_addr()?.port(),
        "partial sync from a sibling" => masters.sibling.port,
        "full sync that dies half way" => dying,
        "back, both having moved on" => masters.old.port,
        _ => masters.other.port,
    };

    let stop = Arc::new(AtomicBool::new(false));
    let read_at = below.as_ref().unwrap_or(&node).port;
    let readers = [(); 2].map(|()| {
        let stop = stop.clone();
        thread::spawn(move || read(read_at, &stop))
    });
    let detached = Arc::<AtomicU64>::default();
    let watcher = {
        let (stop, detached) = (stop.clone(), detached.clone());
        let (port, old) = (node.port, masters.old.port);
        thread::spawn(move || watch(port, old, &stop, &detached))
    };
    thread::sleep(Duration::from_millis(200));
    let mut client = node.client()?;
    client.call(&["REPLICAOF", "127.0.0.1", &target.to_string()])?;
    if end == End::There {
        client.wait_info("replication", &format!("master_port:{target}"))?;
        client.wait_info("replication", "master_link_status:up")?;
        if let Some(below) = &below {
            same_offsets(&node, below)?;
        }
    }
    thread::sleep(AFTER);
    stop.store(true, Relaxed);
    let mut seen = Seen {
        refused: 0.0,
        wrong: 0,
        stall: 0.0,
        detached: 0.0,
        well: true,
    };
    for reader in readers {
        let one = reader.join().expect("a reader does not panic")?;
        seen.refused = seen.refused.max(one.refused);
        seen.stall = seen.stall.max(one.stall);
        seen.wrong += one.wrong;
    }
    watcher.join().expect("the watcher does not panic")?;
    seen.detached = detached.load(Relaxed) as f64 / 1e3;
    let info = client.call(&["INFO", "replication"])?;
    let master = match end {
        End::There => Some(target),
        End::Unreachable => Some(masters.old.port),
        End::Serving => None,
    };
    seen.well = match master {
        Some(port) => {
            info.contains("master_link_status:up")
                && info.contains(&format!("master_port:{port}\r"))
        }
        None => node.client()?.call(&["GET", KEY])?.len() == VALUE,
    };
    Ok(seen)
}

fn follow(node: &Server, port: u16) -> Result<()> {
    let mut client = node.client()?;
    client.call(&["REPLICAOF", "127.0.0.1", &port.to_string()])?;
    client.wait_info("replication", "master_link_status:up")?;
    ensure!(
        client.call(&["GET", KEY])?.len() == VALUE,
        "{}: no data after the sync",
        node.name
    );
    Ok(())
}

/// Waits until `below` has what `node` has.
fn same_offsets(node: &Server, below: &Server) -> Result<()> {
    let id = |server: &Server| -> Result<String> {
        let info = server.client()?.call(&["INFO", "replication"])?;
        let line = info.lines().find(|line| line.starts_with("master_replid:"));
        Ok(line.unwrap_or_default().to_owned())
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while id(node)? != id(below)? {
        ensure!(
            Instant::now() < deadline,
            "{}: the chain does not settle",
            node.name
        );
        thread::sleep(Duration::from_millis(10));
    }
    below
        .client()?
        .wait_info("replication", "master_link_status:up")
}

const KEY: &str = "key:000000000001";

fn read(port: u16, stop: &AtomicBool) -> Result<Seen> {
    let mut client = Client::connect(port)?;
    let mut seen = Seen {
        refused: 0.0,
        wrong: 0,
        stall: 0.0,
        detached: 0.0,
        well: true,
    };
    let mut last_good = Instant::now();
    let mut refused_since_then = false;
    while !stop.load(Relaxed) {
        let asked = Instant::now();
        let reply = client.call(&["GET", KEY])?;
        seen.stall = seen.stall.max(asked.elapsed().as_secs_f64() * 1e3);
        if reply.len() == VALUE {
            if std::mem::take(&mut refused_since_then) {
                seen.refused += last_good.elapsed().as_secs_f64() * 1e3;
            }
            last_good = Instant::now();
        } else {
            refused_since_then = true;
            seen.wrong += u64::from(!reply.starts_with('-'));
        }
        thread::sleep(Duration::from_millis(1));
    }
    if refused_since_then {
        seen.refused += last_good.elapsed().as_secs_f64() * 1e3;
    }
    Ok(seen)
}

/// Adds up, in microseconds, for how long the node does not stream from `old`.
fn watch(port: u16, old: u16, stop: &AtomicBool, detached: &AtomicU64) -> Result<()> {
    let mut client = Client::connect(port)?;
    let mut last = Instant::now();
    while !stop.load(Relaxed) {
        let info = client.call(&["INFO", "replication"])?;
        let attached = info.contains("master_link_status:up")
            && info.contains(&format!("master_port:{old}\r"));
        let now = Instant::now();
        if !attached {
            detached.fetch_add((now - last).as_micros() as u64, Relaxed);
        }
        last = now;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// A way to `port` on which every connection ends after so many bytes that a snapshot is half way.
fn dying(port: u16) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let here = listener.local_addr()?.port();
    let half = KEYS * VALUE as u64 / 2;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                return;
            };
            let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else {
                return;
            };
            thread::spawn(move || pass(from, to, u64::MAX));
            thread::spawn(move || pass(server, client, half));
        }
    });
    Ok(here)
}

/// Copies at most `limit` bytes, then closes both sides.
fn pass(mut from: TcpStream, mut to: TcpStream, limit: u64) {
    let mut left = limit;
    let mut buf = vec![0; 64 << 10];
    while left > 0 {
        let most = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match from.read(&mut buf[..most]) {
            Ok(n) if n > 0 && to.write_all(&buf[..n]).is_ok() => left -= n as u64,
            _ => break,
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}
