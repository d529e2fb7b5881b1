//! Damselfly and the stock redis-server, interleaved in one run (A B, B A), as ratios.
//!
//! `cargo build --release --workspace && target/release/side_by_side [throughput|threads|defaults|saturated|families|memory|elements|sync|switch|stalls|trace]... [ROUNDS]`
//!
//! For throughput and memory the servers are pinned to one core and the load to the other. The load is redis-benchmark, and
//! for `saturated` the program `load`, which a server never waits for. CPU per
//! operation is the user and system time of the server process over the operations of the load. Every
//! figure is a median of the rounds, with the least and the greatest in brackets; a ratio is the median
//! of the ratios of the rounds.

mod elements;
mod families;
mod job;
mod stalls;
mod switch;
mod threads;
mod trace;

use std::io::{Read, Write};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use damselfly_benches::{Server, Spread, Which};
use job::{By, Job};

/// Rounds, unless the command line says otherwise.
const ROUNDS: usize = 5;
const KEYS: u64 = 1_000_000;
const CLIENTS: u64 = 50;

/// A part of the comparison: runs that many rounds and prints a table.
type Part = fn(usize) -> Result<()>;

const PARTS: [(&str, Part); 11] = [
    ("throughput", |rounds| throughput(rounds, By::Benchmark)),
    ("threads", threads::threads),
    ("defaults", |rounds| {
        families::defaults(rounds, By::Benchmark)
    }),
    ("saturated", saturated),
    ("families", families::families),
    ("memory", memory),
    ("elements", elements::elements),
    ("sync", sync),
    ("switch", switch::switch),
    ("stalls", stalls::stalls),
    ("trace", trace::trace),
];

fn main() -> Result<()> {
    let mut rounds = ROUNDS;
    let mut asked = Vec::new();
    for arg in std::env::args().skip(1) {
        match (arg.parse(), PARTS.iter().find(|(name, _)| *name == arg)) {
            (Ok(n), _) if n > 0 => rounds = n,
            (_, Some((_, part))) => asked.push(part),
            _ => bail!(
                "what is {arg}? Usage: side_by_side [throughput|threads|defaults|saturated|families|memory|elements|sync|switch|stalls|trace]... [ROUNDS]"
            ),
        }
    }
    if asked.is_empty() {
        asked.extend(PARTS.iter().map(|(_, part)| part));
    }
    asked.iter().try_for_each(|part| part(rounds))
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

/// Where a server's figures stand in a pair of them.
fn slot(which: Which) -> usize {
    usize::from(which == Which::Damselfly)
}

/// Ours over theirs, round by round.
fn ratios([theirs, ours]: &[Vec<f64>; 2]) -> Spread {
    Spread::of(ours.iter().zip(theirs).map(|(b, a)| b / a).collect())
}

/// A value of `len` bytes, the same for every key, as redis-benchmark writes them.
fn plain(len: usize) -> impl Fn(u64) -> String {
    let value = "x".repeat(len);
    move |_| value.clone()
}

/// A value of 100 bytes that does not compress, another one for every key.
fn noise(n: u64) -> String {
    let mut state = n + 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state >> 33) as u8 % 90)
    };
    (0..100).map(|_| letter()).collect()
}

/// Writes each of `keys` keys (16 bytes) once: a random load would miss some.
fn fill(server: &Server, keys: u64, value: impl Fn(u64) -> String) -> Result<()> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port))?;
    let mut sink = vec![0; 5 * 10_000];
    for chunk in 0..keys.div_ceil(10_000) {
        let mut request = String::new();
        let mut sent = 0;
        for i in chunk * 10_000..((chunk + 1) * 10_000).min(keys) {
            let value = value(i);
            let len = value.len();
            request.push_str(&format!(
                "*3\r\n$3\r\nSET\r\n$16\r\nkey:{i:012}\r\n${len}\r\n{value}\r\n"
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

fn throughput(rounds: usize, by: By) -> Result<()> {
    println!(
        "## CPU per operation and throughput (1 M keys of 16 + 64 bytes, {CLIENTS} clients, pinned, load: {by})\n"
    );
    println!(
        "| command | pipeline | CPU redis-server, µs | CPU damselfly, µs | CPU ratio | throughput ratio |"
    );
    println!("|---|---|---|---|---|---|");
    let servers = Which::BOTH.map(|which| Server::start(which, Some(0), &[]));
    let [redis, ours] = servers;
    let (redis, ours) = (redis?, ours?);
    fill(&redis, KEYS, plain(64))?;
    fill(&ours, KEYS, plain(64))?;
    for (name, command) in get_and_set() {
        for (pipeline, count) in [(1u64, 300_000u64), (16, 2_000_000), (64, 4_000_000)] {
            let (mut cpu, mut speed): ([Vec<f64>; 2], [Vec<f64>; 2]) = Default::default();
            let job = Job {
                clients: CLIENTS,
                command: &command,
                test: None,
                pipeline,
                count,
                range: KEYS,
            };
            for round in 0..rounds {
                for which in order(round) {
                    let server = [&redis, &ours][slot(which)];
                    let start = Instant::now();
                    cpu[slot(which)].push(job.cost(server, by, Some(1))?);
                    speed[slot(which)].push(count as f64 / start.elapsed().as_secs_f64());
                }
            }
            let (cost, speed) = (ratios(&cpu), ratios(&speed));
            let [a, b] = cpu.map(Spread::of);
            println!("| {name} | {pipeline} | {a} | {b} | {cost} | {speed} |");
        }
    }
    println!();
    Ok(())
}

/// Of keys of 16 and values of 64 bytes.
fn get_and_set() -> [(&'static str, String); 2] {
    let set = format!("SET key:__rand_int__ {}", "x".repeat(64));
    [("GET", "GET key:__rand_int__".to_owned()), ("SET", set)]
}

/// What the others measure with redis-benchmark, with a load that no server has to wait for.
fn saturated(rounds: usize) -> Result<()> {
    throughput(rounds, By::Load)?;
    families::defaults(rounds, By::Load)
}

fn memory(rounds: usize) -> Result<()> {
    println!("## Memory (resident, bytes; each is the growth over what it was before)\n");
    println!("| what | redis-server | damselfly | ratio |");
    println!("|---|---|---|---|");
    let keys = |server: &Server| fill(server, KEYS, plain(64)).map(|()| KEYS);
    grown("per key, 1 M keys of 16 + 64 bytes", rounds, keys)?;
    let mut held = Vec::new();
    grown("per idle connection, 5,000 of them", rounds, |server| {
        held.clear();
        for _ in 0..5_000 {
            let mut client = server.client()?;
            client.call(&["PING"])?;
            held.push(client);
        }
        Ok(held.len() as u64)
    })?;
    println!();
    Ok(())
}

/// A line of the table of memory: by how much a new server grows through each of the things that `load` makes.
fn grown(what: &str, rounds: usize, mut load: impl FnMut(&Server) -> Result<u64>) -> Result<()> {
    let mut sizes: [Vec<f64>; 2] = Default::default();
    for round in 0..rounds {
        for which in order(round) {
            let server = Server::start(which, Some(0), &["--maxclients", "6000"])?;
            let before = server.resident()?;
            let things = load(&server)?;
            sizes[slot(which)].push((server.resident()? - before) as f64 / things as f64);
        }
    }
    let ratios = ratios(&sizes);
    let [a, b] = sizes.map(Spread::of);
    println!("| {what} | {a} | {b} | {ratios} |");
    Ok(())
}

/// How long a full sync of 1 M keys x 100 bytes from a stock master takes, from REPLICAOF to link up.
fn sync(rounds: usize) -> Result<()> {
    println!("## Full sync of 1 M keys x 100 bytes from a stock master, seconds\n");
    println!("| values | the stock replica loads | redis-server | damselfly | ratio |");
    println!("|---|---|---|---|---|");
    let diskless = [
        "--repl-diskless-sync",
        "yes",
        "--repl-diskless-sync-delay",
        "0",
    ];
    for compress in [true, false] {
        let master = Server::start(Which::Redis, None, &diskless)?;
        let values = match compress {
            true => fill(&master, KEYS, plain(100)).map(|()| "all the same"),
            false => fill(&master, KEYS, noise).map(|()| "noise"),
        }?;
        for (case, flags) in [
            ("through a file, its default", &[][..]),
            ("from the socket", &["--repl-diskless-load", "swapdb"][..]),
        ] {
            let mut times: [Vec<f64>; 2] = Default::default();
            for round in 0..rounds {
                for which in order(round) {
                    let flags = match which {
                        Which::Redis => flags,
                        Which::Damselfly => &[],
                    };
                    times[slot(which)].push(sync_once(which, flags, master.port)?);
                }
            }
            let ratios = ratios(&times);
            let [a, b] = times.map(Spread::of);
            println!("| {values} | {case} | {a} | {b} | {ratios} |");
        }
    }
    println!();
    Ok(())
}

fn sync_once(which: Which, flags: &[&str], master: u16) -> Result<f64> {
    let replica = Server::start(which, None, flags)?;
    let mut client = replica.client()?;
    let start = Instant::now();
    client.call(&["REPLICAOF", "127.0.0.1", &master.to_string()])?;
    client.wait_info("replication", "master_link_status:up")?;
    let took = start.elapsed().as_secs_f64();
    let size = client.call(&["DBSIZE"])?;
    ensure!(size == format!(":{KEYS}"), "{}: {size} keys", replica.name);
    Ok(took)
}
