//! Damselfly and the stock redis-server, interleaved in one run (A B, B A), as ratios.
//!
//! `cargo build --release --workspace && target/release/side_by_side [throughput|memory|sync|switch]...`
//!
//! The servers are pinned to one core and the load to the other. CPU per operation is the user and
//! system time of the server process over the operations of the load. Every figure is a median of the
//! rounds, with the least and the greatest in brackets.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use damselfly_benches::{Client, Server, Spread, Which};

const ROUNDS: usize = 5;
const KEYS: u64 = 1_000_000;
const CLIENTS: &str = "50";

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    if wants("throughput") {
        throughput()?;
    }
    if wants("memory") {
        memory()?;
    }
    if wants("sync") {
        sync()?;
    }
    if wants("switch") {
        switch()?;
    }
    Ok(())
}

/// A B, B A, A B, ...
fn order(round: usize) -> [Which; 2] {
    let [a, b] = Which::BOTH;
    if round.is_multiple_of(2) {
        [a, b]
    } else {
        [b, a]
    }
}

fn load(port: u16, cpu: usize, args: &[&str]) -> Result<()> {
    let status = Command::new("taskset")
        .args(["-c", &cpu.to_string(), "redis-benchmark", "-q", "-p"])
        .arg(port.to_string())
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("redis-benchmark: install redis-tools")?;
    ensure!(status.success(), "redis-benchmark failed");
    Ok(())
}

/// Writes each of `keys` keys (16 bytes) once: a random load would miss some.
fn fill(server: &Server, keys: u64, value: usize) -> Result<()> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port))?;
    let body = "x".repeat(value);
    let mut sink = vec![0; 5 * 10_000];
    for chunk in 0..keys.div_ceil(10_000) {
        let mut request = String::new();
        let mut sent = 0;
        for i in chunk * 10_000..((chunk + 1) * 10_000).min(keys) {
            request.push_str(&format!(
                "*3\r\n$3\r\nSET\r\n$16\r\nkey:{i:012}\r\n${value}\r\n{body}\r\n"
            ));
            sent += 1;
        }
        // Replies are read while writing, so that neither side fills up.
        let mut writer = stream.try_clone()?;
        let thread = std::thread::spawn(move || writer.write_all(request.as_bytes()));
        stream.read_exact(&mut sink[..5 * sent])?;
        thread.join().expect("the writer does not panic")?;
    }
    Ok(())
}

fn throughput() -> Result<()> {
    println!(
        "## CPU per operation and throughput (1 M keys of 16 + 64 bytes, {CLIENTS} clients, pinned)\n"
    );
    println!(
        "| command | pipeline | CPU redis-server, µs | CPU damselfly, µs | CPU ratio | throughput ratio |"
    );
    println!("|---|---|---|---|---|---|");
    let servers = Which::BOTH.map(|which| Server::start(which, Some(0), &[]));
    let [redis, ours] = servers;
    let (redis, ours) = (redis?, ours?);
    fill(&redis, KEYS, 64)?;
    fill(&ours, KEYS, 64)?;
    for command in ["get", "set"] {
        for (pipeline, n) in [(1u64, 300_000u64), (16, 2_000_000), (64, 4_000_000)] {
            let mut cpu: [Vec<f64>; 2] = Default::default();
            let mut ratios = Vec::new();
            let mut speed = Vec::new();
            for round in 0..ROUNDS {
                let mut this = [(0.0, 0.0); 2];
                for which in order(round) {
                    let (slot, server) = match which {
                        Which::Redis => (0, &redis),
                        Which::Damselfly => (1, &ours),
                    };
                    let (before, start) = (server.cpu()?, Instant::now());
                    load(
                        server.port,
                        1,
                        &[
                            "-t",
                            command,
                            "-n",
                            &n.to_string(),
                            "-P",
                            &pipeline.to_string(),
                            "-c",
                            CLIENTS,
                            "-r",
                            &KEYS.to_string(),
                            "-d",
                            "64",
                        ],
                    )?;
                    let took = start.elapsed().as_secs_f64();
                    let used = (server.cpu()? - before).as_secs_f64() * 1e6 / n as f64;
                    cpu[slot].push(used);
                    this[slot] = (used, n as f64 / took);
                }
                ratios.push(this[1].0 / this[0].0);
                speed.push(this[1].1 / this[0].1);
            }
            let [a, b] = cpu.map(Spread::of);
            println!(
                "| {} | {pipeline} | {a} | {b} | {} | {} |",
                command.to_uppercase(),
                Spread::of(ratios),
                Spread::of(speed)
            );
        }
    }
    println!();
    Ok(())
}

fn memory() -> Result<()> {
    println!("## Memory (resident, bytes; each is the growth over what it was before)\n");
    println!("| what | redis-server | damselfly | ratio |");
    println!("|---|---|---|---|");
    let mut per_key = Vec::new();
    let mut per_connection = Vec::new();
    for which in Which::BOTH {
        let server = Server::start(which, Some(0), &["--maxclients", "6000"])?;
        let before = server.resident()?;
        let mut held = Vec::new();
        for _ in 0..5_000 {
            let mut client = server.client()?;
            client.call(&["PING"])?;
            held.push(client);
        }
        per_connection.push((server.resident()? - before) as f64 / 5_000.0);
        drop(held);
        drop(server);
        let server = Server::start(which, Some(0), &[])?;
        let before = server.resident()?;
        fill(&server, KEYS, 64)?;
        per_key.push((server.resident()? - before) as f64 / KEYS as f64);
    }
    for (what, of) in [
        ("per key, 1 M keys of 16 + 64 bytes", per_key),
        ("per idle connection, 5,000 of them", per_connection),
    ] {
        println!(
            "| {what} | {:.0} | {:.0} | {:.2} |",
            of[0],
            of[1],
            of[1] / of[0]
        );
    }
    println!();
    Ok(())
}

/// How long a full sync of 1 M keys x 100 bytes from a stock master takes, from REPLICAOF to link up.
fn sync() -> Result<()> {
    println!("## Full sync of 1 M keys x 100 bytes from a stock master, seconds\n");
    println!("| redis-server | damselfly | ratio |");
    println!("|---|---|---|");
    let master = Server::start(
        Which::Redis,
        None,
        &[
            "--repl-diskless-sync",
            "yes",
            "--repl-diskless-sync-delay",
            "0",
        ],
    )?;
    fill(&master, KEYS, 100)?;
    let mut times: [Vec<f64>; 2] = Default::default();
    let mut ratios = Vec::new();
    for round in 0..3 {
        let mut this = [0.0; 2];
        for which in order(round) {
            let slot = usize::from(which == Which::Damselfly);
            let replica = Server::start(which, None, &[])?;
            let mut client = replica.client()?;
            let start = Instant::now();
            client.call(&["REPLICAOF", "127.0.0.1", &master.port.to_string()])?;
            client.wait_info("replication", "master_link_status:up")?;
            this[slot] = start.elapsed().as_secs_f64();
            times[slot].push(this[slot]);
            let size = client.call(&["DBSIZE"])?;
            ensure!(size == format!(":{KEYS}"), "{}: {size} keys", replica.name);
        }
        ratios.push(this[1] / this[0]);
    }
    let [a, b] = times.map(Spread::of);
    println!("| {a} | {b} | {} |\n", Spread::of(ratios));
    Ok(())
}

/// Milliseconds in which a reader was refused while its replica changed to another master.
fn switch() -> Result<()> {
    println!("## A replica of 500,000 keys changes its master, under a reader a millisecond\n");
    println!("| server | case | refused, ms | longest stall, ms | still connected after |");
    println!("|---|---|---|---|---|");
    let masters =
        [(); 2].map(|()| Server::start(Which::Redis, None, &["--repl-diskless-sync-delay", "0"]));
    let [first, second] = masters;
    let (first, second) = (first?, second?);
    fill(&first, 500_000, 64)?;
    fill(&second, 500_000, 64)?;
    for which in Which::BOTH {
        for (case, port) in [
            ("full sync from another history", second.port),
            ("unreachable target", 1),
        ] {
            let replica = Server::start(which, None, &[])?;
            let mut client = replica.client()?;
            client.call(&["REPLICAOF", "127.0.0.1", &first.port.to_string()])?;
            client.wait_info("replication", "master_link_status:up")?;
            let stop = Arc::new(AtomicBool::new(false));
            let reader = {
                let (stop, port) = (stop.clone(), replica.port);
                std::thread::spawn(move || read(port, &stop))
            };
            std::thread::sleep(Duration::from_millis(200));
            client.call(&["REPLICAOF", "127.0.0.1", &port.to_string()])?;
            if port != 1 {
                client.wait_info("replication", &format!("master_port:{port}"))?;
                client.wait_info("replication", "master_link_status:up")?;
            }
            std::thread::sleep(Duration::from_millis(1500));
            stop.store(true, Ordering::Relaxed);
            let (refused, stall) = reader.join().expect("the reader does not panic")?;
            let info = client.call(&["INFO", "replication"])?;
            let up = info.contains("master_link_status:up");
            println!(
                "| {} | {case} | {refused:.0} | {stall:.1} | {} |",
                which.name(),
                if up { "yes" } else { "no" }
            );
        }
    }
    println!();
    Ok(())
}

/// Reads one key a millisecond; returns the time spent refused (or told the key is gone) and the
/// longest time one read took, both in milliseconds.
fn read(port: u16, stop: &AtomicBool) -> Result<(f64, f64)> {
    let mut client = Client::connect(port)?;
    let (mut refused, mut stall) = (0.0f64, 0.0f64);
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        let reply = client.call(&["GET", "key:000000000001"])?;
        stall = stall.max(start.elapsed().as_secs_f64() * 1e3);
        if reply.len() != 64 {
            refused += last.elapsed().as_secs_f64() * 1e3;
        }
        last = Instant::now();
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok((refused, stall))
}
