//! CPU per operation of the default tests of redis-benchmark, and of a command or two of every other family.

use std::time::Instant;

use anyhow::{Result, ensure};
use damselfly_benches::{Client, Server, Spread, Which};

use crate::{CLIENTS, load, order, ratios, slot};

/// A test: its name, what makes the data it works on, and the command; `-t` of redis-benchmark if that is empty. `%` in the
/// setup stands for the numbers 0 to 999.
type Test = (&'static str, &'static [&'static str], &'static str);

/// By their names in `redis-benchmark -t`, each with the data that it leaves for itself, but for those that pop.
const DEFAULTS: [Test; 19] = [
    ("ping_inline", &[], ""),
    ("ping_mbulk", &[], ""),
    ("set", &[], ""),
    ("get", &[], ""),
    ("incr", &[], ""),
    ("lpush", &["DEL mylist"], ""),
    ("rpush", &["DEL mylist"], ""),
    ("lpop", &[], ""),
    ("rpop", &[], ""),
    ("sadd", &[], ""),
    ("hset", &[], ""),
    ("spop", &[], ""),
    ("zadd", &[], ""),
    ("zpopmin", &[], ""),
    (
        "lrange_100",
        &["DEL mylist", "RPUSH mylist %"],
        "LRANGE mylist 0 99",
    ),
    ("lrange_300", &[], "LRANGE mylist 0 299"),
    ("lrange_500", &[], "LRANGE mylist 0 499"),
    ("lrange_600", &[], "LRANGE mylist 0 599"),
    ("mset", &[], ""),
];

const FAMILIES: [Test; 14] = [
    ("SCAN", &["SET k:% v"], "SCAN 0"),
    ("ZRANGE", &["ZADD z % m:%"], "ZRANGE z 500 509"),
    ("ZRANGEBYSCORE", &[], "ZRANGEBYSCORE z 500 509"),
    ("HGETALL", &["HSET h a 1 b 2 c 3 d 4"], "HGETALL h"),
    ("XADD", &["DEL x"], "XADD x MAXLEN ~ 1000 * f v"),
    ("XRANGE", &[], "XRANGE x - + COUNT 10"),
    (
        "XREADGROUP",
        &["XGROUP CREATE x g $"],
        "XREADGROUP GROUP g c STREAMS x >",
    ),
    (
        "GEOSEARCH",
        &["GEOADD geo 13.% 38.% p:%"],
        "GEOSEARCH geo FROMLONLAT 13.5 38.5 BYRADIUS 5 km",
    ),
    ("PFADD", &[], "PFADD hll e:__rand_int__"),
    ("BITCOUNT", &["SETBIT bits 8000 1"], "BITCOUNT bits"),
    ("EVAL", &[], "EVAL return 0"),
    ("PUBLISH", &[], "PUBLISH c m"),
    ("SORT", &["SADD few 3 1 2"], "SORT few"),
    ("OBJECT", &[], "OBJECT ENCODING z"),
];

/// The tests of redis-benchmark.
pub fn defaults(rounds: usize) -> Result<()> {
    println!(
        "## The default tests of redis-benchmark, CPU per operation ({CLIENTS} clients, pinned)\n"
    );
    table(&DEFAULTS, &[1, 16, 64], rounds)
}

/// The other families.
pub fn families(rounds: usize) -> Result<()> {
    println!("## Other families, CPU per operation ({CLIENTS} clients, pinned)\n");
    table(&FAMILIES, &[16], rounds)
}

fn table(tests: &[Test], pipelines: &[u64], rounds: usize) -> Result<()> {
    println!("| test | pipeline | redis-server, µs | damselfly, µs | ratio |");
    println!("|---|---|---|---|---|");
    let [redis, ours] = Which::BOTH.map(|which| Server::start(which, Some(0), &[]));
    let servers = [redis?, ours?];
    for (name, setup, command) in tests {
        for &pipeline in pipelines {
            let mut cpu: [Vec<f64>; 2] = Default::default();
            for round in 0..rounds {
                for which in order(round) {
                    let server = &servers[slot(which)];
                    prepare(&mut server.client()?, setup)?;
                    cpu[slot(which)].push(once(server, name, command, pipeline)?);
                }
            }
            let ratio = ratios(&cpu);
            let [a, b] = cpu.map(Spread::of);
            println!(
                "| {} | {pipeline} | {a} | {b} | {ratio} |",
                name.to_uppercase()
            );
        }
    }
    println!();
    Ok(())
}

fn prepare(client: &mut Client, setup: &[&str]) -> Result<()> {
    for line in setup {
        let many = if line.contains('%') { 1000 } else { 1 };
        for i in 0..many {
            let line = line.replace('%', &i.to_string());
            let args: Vec<&str> = line.split(' ').collect();
            let reply = client.call(&args)?;
            let there = reply.starts_with("-BUSYGROUP");
            ensure!(there || !reply.starts_with('-'), "{line}: {reply}");
        }
    }
    Ok(())
}

/// Microseconds of the server's CPU per operation. As many operations as take a while.
fn once(server: &Server, name: &str, command: &str, pipeline: u64) -> Result<f64> {
    let mut n = match pipeline {
        1 => 40_000,
        16 => 200_000,
        _ => 400_000,
    };
    if name == "mset" || !command.is_empty() {
        n = n.min(100_000);
    }
    let (n_text, pipeline) = (n.to_string(), pipeline.to_string());
    let mut args = vec![
        "-n", &n_text, "-P", &pipeline, "-c", CLIENTS, "-r", "100000",
    ];
    match command {
        "" => args.extend(["-t", name]),
        // Split as the shell would.
        "EVAL return 0" => args.extend(["EVAL", "return 0", "0"]),
        command => args.extend(command.split(' ')),
    }
    let (before, start) = (server.cpu()?, Instant::now());
    load(server.port, 1, &args)?;
    let used = (server.cpu()? - before).as_secs_f64();
    ensure!(
        used > 0.0,
        "{name}: {n} operations in {:?} cost nothing",
        start.elapsed()
    );
    Ok(used * 1e6 / n as f64)
}
