//! CPU per operation of the default tests of redis-benchmark, and of a command or two of every other family.

use anyhow::{Result, ensure};
use damselfly_benches::{Client, Server, Spread, Which};

use crate::job::{By, Job};
use crate::{CLIENTS, order, ratios, slot};

/// A test: its name, what makes the data it works on, and the command. In small letters it is the name of a test of
/// redis-benchmark, too. `%` in the setup stands for the numbers 0 to 999.
type Test = (&'static str, &'static [&'static str], &'static str);

/// Each with the data that it leaves for itself, but for those that pop.
const DEFAULTS: [Test; 19] = [
    ("ping_inline", &[], "ping"),
    ("ping_mbulk", &[], "PING"),
    ("set", &[], "SET key:__rand_int__ xxx"),
    ("get", &[], "GET key:__rand_int__"),
    ("incr", &[], "INCR counter:__rand_int__"),
    ("lpush", &["DEL mylist"], "LPUSH mylist xxx"),
    ("rpush", &["DEL mylist"], "RPUSH mylist xxx"),
    ("lpop", &[], "LPOP mylist"),
    ("rpop", &[], "RPOP mylist"),
    ("sadd", &[], "SADD myset element:__rand_int__"),
    ("hset", &[], "HSET myhash element:__rand_int__ xxx"),
    ("spop", &[], "SPOP myset"),
    ("zadd", &[], "ZADD myzset 0 element:__rand_int__"),
    ("zpopmin", &[], "ZPOPMIN myzset"),
    // Its own tests of these names fill the list each time.
    (
        "LRANGE_100",
        &["DEL mylist", "RPUSH mylist %"],
        "LRANGE mylist 0 99",
    ),
    ("LRANGE_300", &[], "LRANGE mylist 0 299"),
    ("LRANGE_500", &[], "LRANGE mylist 0 499"),
    ("LRANGE_600", &[], "LRANGE mylist 0 599"),
    (
        "mset",
        &[],
        "MSET key:__rand_int__ xxx key:__rand_int__ xxx key:__rand_int__ xxx key:__rand_int__ xxx key:__rand_int__ xxx \
         key:__rand_int__ xxx key:__rand_int__ xxx key:__rand_int__ xxx key:__rand_int__ xxx key:__rand_int__ xxx",
    ),
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
    ("EVAL", &[], "EVAL return(0) 0"),
    ("PUBLISH", &[], "PUBLISH c m"),
    ("SORT", &["SADD few 3 1 2"], "SORT few"),
    ("OBJECT", &[], "OBJECT ENCODING z"),
];

/// The tests of redis-benchmark.
pub fn defaults(rounds: usize, by: By) -> Result<()> {
    println!(
        "## The default tests of redis-benchmark, CPU per operation ({CLIENTS} clients, pinned, load: {by})\n"
    );
    table(&DEFAULTS, &[1, 16, 64], rounds, by)
}

/// The other families.
pub fn families(rounds: usize) -> Result<()> {
    println!("## Other families, CPU per operation ({CLIENTS} clients, pinned)\n");
    table(&FAMILIES, &[16], rounds, By::Benchmark)
}

fn table(tests: &[Test], pipelines: &[u64], rounds: usize, by: By) -> Result<()> {
    println!("| test | pipeline | redis-server, µs | damselfly, µs | ratio |");
    println!("|---|---|---|---|---|");
    let [redis, ours] = Which::BOTH.map(|which| Server::start(which, Some(0), &[]));
    let servers = [redis?, ours?];
    for (name, setup, command) in tests {
        let is_its_own = name.starts_with(|c: char| c.is_ascii_lowercase());
        for &pipeline in pipelines {
            // As many operations as take a while; more where nothing else takes time.
            let mut count = match pipeline {
                1 => 40_000,
                16 => 200_000,
                _ => 400_000,
            };
            if *name == "mset" || !is_its_own {
                count = count.min(100_000);
            } else if by == By::Load {
                count *= 4;
            }
            let job = Job {
                clients: CLIENTS,
                command,
                test: is_its_own.then_some(name),
                pipeline,
                count,
                range: 100_000,
            };
            let mut cpu: [Vec<f64>; 2] = Default::default();
            for round in 0..rounds {
                for which in order(round) {
                    let server = &servers[slot(which)];
                    prepare(&mut server.client()?, setup)?;
                    cpu[slot(which)].push(job.cost(server, by, Some(1))?);
                }
            }
            let ratio = ratios(&cpu);
            let [a, b] = cpu.map(Spread::of);
            let name = name.to_uppercase();
            println!("| {name} | {pipeline} | {a} | {b} | {ratio} |");
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
