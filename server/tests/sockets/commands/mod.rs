//! Hashes, lists, sets, sorted sets and streams, command by command beside a stock server: the same bytes must come back.
//!
//! `DAMSELFLY_SEED=N` runs the random programs from another seed, `DAMSELFLY_PROGRAMS=N` so many of them; a failure
//! names the seed of its program and its last `DAMSELFLY_HISTORY=N` commands.

mod data;
mod events;
mod local;
pub mod order;
pub mod programs;
mod scripts;
pub mod stock;
mod streams;
mod waiting;

use crate::common::Server;
use damselfly_server::command::table;
use damselfly_server::resp::reply::Proto;
use damselfly_server::store::Limits;
use local::Local;
use programs::{Rng, Size};
use stock::Stock;

/// Small, so that short programs see both forms of every type.
fn limits() -> Limits {
    Limits {
        hash_max_listpack_entries: 8,
        hash_max_listpack_value: 16,
        set_max_intset_entries: 8,
        zset_max_listpack_entries: 8,
        zset_max_listpack_value: 16,
        list_max_listpack_size: 4,
        stream_node_max_entries: 4,
        ..Limits::default()
    }
}

/// The same as arguments.
pub const COMPACT: &[&str] = &[
    "--hash-max-listpack-entries",
    "8",
    "--hash-max-listpack-value",
    "16",
    "--set-max-intset-entries",
    "8",
    "--zset-max-listpack-entries",
    "8",
    "--zset-max-listpack-value",
    "16",
    "--list-max-listpack-size",
    "4",
    "--stream-node-max-entries",
    "4",
];

fn stock_server() -> Server {
    Server::redis(COMPACT)
}

/// Both sides, and a dataset that does what replicas are told.
struct Pair {
    stock: Stock,
    local: Local,
    replica: Local,
    /// What was run, for the report of a failure.
    history: Vec<String>,
}

impl Pair {
    fn new(server: &Server, proto: Proto) -> Pair {
        Pair {
            stock: Stock::connect(server.port, proto == Proto::Resp3),
            local: Local::new(limits(), proto),
            replica: Local::replica(limits(), proto),
            history: Vec::new(),
        }
    }

    /// Runs a command on both sides and compares the replies.
    fn run<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        let args: Vec<Vec<u8>> = args.iter().map(|a| a.as_ref().to_vec()).collect();
        self.history.push(
            args.iter()
                .map(|a| format!("{} ", a.escape_ascii()))
                .collect(),
        );
        let waits =
            matches!(args[0].first(), Some(b'B' | b'b')) || args.contains(&b"BLOCK".to_vec());
        let theirs = match waits {
            true => self.stock.run_at_once(&args),
            false => self.stock.run(&args),
        };
        let ours = self.local.run(&args);
        let order = order::of(&args);
        let (ours, theirs) = (order::normal(&ours, order), order::normal(&theirs, order));
        if ours != theirs {
            self.fail(&ours, &theirs);
        }
        let told = self.local.told().into_iter();
        for command in told.filter(|c| !matches!(&c[0][..], b"MULTI" | b"EXEC")) {
            let reply = self.replica.run(&command);
            assert!(
                !reply.starts_with(b"-"),
                "a replica was told what it refuses: {command:?}"
            );
        }
    }

    fn run_line(&mut self, line: &str) {
        self.run(&line.split(' ').collect::<Vec<_>>());
    }

    fn fail(&self, ours: &[u8], theirs: &[u8]) -> ! {
        let shown = setting("DAMSELFLY_HISTORY", 60) as usize;
        let last = &self.history[self.history.len().saturating_sub(shown)..];
        panic!(
            "{}\n ours:   {}\n theirs: {}",
            last.join("\n"),
            ours.escape_ascii(),
            theirs.escape_ascii()
        );
    }

    /// Compares all keys: type, encoding, content; here, there and on the replica.
    fn compare_data(&mut self) {
        for family in ["h", "l", "s", "z", "x", "p", "b", "same", "nokey"] {
            for number in ["1", "2", "3", ""] {
                let key = format!("{family}{number}");
                self.run_line(&format!("TYPE {key}"));
                let kind = self.local.run(&["TYPE", &key]);
                let read: &[&str] = match &kind[..] {
                    b"+hash\r\n" => &["HGETALL", &key],
                    b"+list\r\n" => &["LRANGE", &key, "0", "-1"],
                    b"+set\r\n" => &["SMEMBERS", &key],
                    b"+zset\r\n" => &["ZRANGE", &key, "0", "-1", "WITHSCORES"],
                    b"+stream\r\n" => &["XRANGE", &key, "-", "+"],
                    b"+string\r\n" => &["GET", &key],
                    _ => &["EXISTS", &key],
                };
                self.run(read);
                self.run_line(&format!("OBJECT ENCODING {key}"));
                if kind == b"+stream\r\n" {
                    self.compare_groups(&key);
                }
                let read: Vec<Vec<u8>> = read.iter().map(|a| a.as_bytes().to_vec()).collect();
                let order = order::of(&read);
                let here = order::normal(&self.local.run(&read), order);
                let there = order::normal(&self.replica.run(&read), order);
                assert!(
                    here == there,
                    "{}\nreplicas were not told all of {key}",
                    self.history.join("\n")
                );
            }
        }
    }

    /// Compares all that stock replicas know of the groups of a stream, and the rest only with the stock server.
    fn compare_groups(&mut self, key: &str) {
        self.run_line(&format!("XINFO STREAM {key} FULL COUNT 0"));
        for group in ["g1", "g2", "g3"] {
            let pending = ["XPENDING", key, group];
            let (here, there) = (self.local.run(&pending), self.replica.run(&pending));
            assert_eq!(
                here.escape_ascii().to_string(),
                there.escape_ascii().to_string(),
                "{}\nreplicas were not told all of {key}, {group}",
                self.history.join("\n")
            );
        }
    }
}

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Runs programs of commands that `next` makes up, after what `begin` does.
fn run_programs(
    proto: Proto,
    programs: u64,
    begin: impl Fn(&mut Rng, &mut Pair),
    next: impl Fn(&mut Rng, usize) -> Vec<Vec<u8>>,
) {
    const COMMANDS: usize = 600;
    let server = stock_server();
    let first = setting("DAMSELFLY_SEED", 7);
    for seed in first..first + setting("DAMSELFLY_PROGRAMS", programs) {
        let mut rng = Rng(seed);
        let mut pair = Pair::new(&server, proto);
        pair.history.push(format!("seed {seed}"));
        begin(&mut rng, &mut pair);
        for step in 0..COMMANDS {
            let args = next(&mut rng, step);
            if !programs::is_random(&args) {
                pair.run(&args);
            }
        }
        pair.compare_data();
    }
}

fn random_programs(proto: Proto, size: Size, programs: u64) {
    let fill = |rng: &mut Rng, pair: &mut Pair| {
        if size == Size::Large {
            programs::fill(rng).iter().for_each(|args| pair.run(args));
            // Their names tell no more than the seed does.
            pair.history.truncate(1);
        }
    };
    let next = |rng: &mut Rng, _| programs::command(rng, size);
    run_programs(proto, programs, fill, next);
}

#[test]
fn random_programs_in_resp2() {
    random_programs(Proto::Resp2, Size::Small, 30);
}

#[test]
fn random_programs_in_resp3() {
    random_programs(Proto::Resp3, Size::Small, 30);
}

#[test]
fn random_programs_on_large_collections() {
    random_programs(Proto::Resp2, Size::Large, 6);
}

#[test]
fn random_programs_of_streams_in_resp2() {
    run_programs(Proto::Resp2, 30, |_, _| (), streams::command);
}

#[test]
fn random_programs_of_streams_in_resp3() {
    run_programs(Proto::Resp3, 30, |_, _| (), streams::command);
}

#[test]
fn random_programs_of_other_data_in_resp2() {
    run_programs(Proto::Resp2, 20, |_, _| (), data::command);
}

#[test]
fn random_programs_of_other_data_in_resp3() {
    run_programs(Proto::Resp3, 20, |_, _| (), data::command);
}

#[test]
fn scripts_in_both_protocols() {
    let server = stock_server();
    for proto in [Proto::Resp2, Proto::Resp3] {
        for script in scripts::ALL
            .iter()
            .chain(streams::SCRIPTS)
            .chain(data::SCRIPTS)
        {
            let mut pair = Pair::new(&server, proto);
            for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
                pair.run_line(line);
            }
            pair.compare_data();
        }
    }
}

/// Name, arity, flags, key positions and ACL categories of a command, the unordered ones sorted.
fn entry(reply: &[u8]) -> Vec<Vec<u8>> {
    let (_, entries) = order::split(reply);
    let (_, fields) = order::split(entries[0]);
    fields[..7]
        .iter()
        .map(|field| order::normal(field, order::Order::Any))
        .collect()
}

#[test]
fn the_table_says_what_the_stock_server_says() {
    let server = stock_server();
    let mut pair = Pair::new(&server, Proto::Resp2);
    let groups = [
        "hash",
        "list",
        "set",
        "sorted-set",
        "stream",
        "geo",
        "hyperloglog",
        "bitmap",
        "string",
    ];
    let commands: Vec<&str> = table::all()
        .filter(|c| groups.contains(&c.group) && c.is_of_redis_7_0())
        .map(|c| c.name)
        .collect();
    assert_eq!(commands.len(), 16 + 22 + 17 + 35 + 15 + 10 + 5 + 7 + 22);
    // WITHSCORE (7.2) may follow.
    let longer = ["zrank", "zrevrank"];
    for name in commands.into_iter().filter(|name| !longer.contains(name)) {
        let info = ["COMMAND", "INFO", name];
        let (ours, theirs) = (pair.local.run(&info), pair.stock.run(&info));
        let (ours, theirs) = (entry(&ours), entry(&theirs));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(
                ours.escape_ascii().to_string(),
                theirs.escape_ascii().to_string(),
                "{name}"
            );
        }
    }
}
