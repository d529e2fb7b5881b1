//! Hashes, lists, sets and sorted sets, command by command beside a stock server: the same bytes must come back.
//!
//! `DAMSELFLY_SEED=N` runs the random programs from another seed, `DAMSELFLY_PROGRAMS=N` so many of them; a failure
//! names the seed of its program and its last `DAMSELFLY_HISTORY=N` commands.

#[path = "../common/mod.rs"]
mod common;
mod local;
mod order;
mod programs;
mod scripts;
mod stock;

use common::Server;
use damselfly_server::resp::reply::Proto;
use damselfly_server::store::Limits;
use local::Local;
use programs::Rng;
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
    }
}

fn stock_server() -> Server {
    Server::redis(&[
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
    ])
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
            replica: Local::new(limits(), proto),
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
        let waits = matches!(args[0].first(), Some(b'B' | b'b'));
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
        for command in self.local.told() {
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
        for family in ["h", "l", "s", "z", "same", "nokey"] {
            for number in ["1", "2", "3", ""] {
                let key = format!("{family}{number}");
                self.run_line(&format!("TYPE {key}"));
                let kind = self.local.run(&["TYPE", &key]);
                let read: &[&str] = match &kind[..] {
                    b"+hash\r\n" => &["HGETALL", &key],
                    b"+list\r\n" => &["LRANGE", &key, "0", "-1"],
                    b"+set\r\n" => &["SMEMBERS", &key],
                    b"+zset\r\n" => &["ZRANGE", &key, "0", "-1", "WITHSCORES"],
                    _ => &["EXISTS", &key],
                };
                self.run(read);
                self.run_line(&format!("OBJECT ENCODING {key}"));
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
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn random_programs(proto: Proto) {
    const COMMANDS: usize = 600;
    let server = stock_server();
    let first = setting("DAMSELFLY_SEED", 7);
    for seed in first..first + setting("DAMSELFLY_PROGRAMS", 30) {
        let mut rng = Rng(seed);
        let mut pair = Pair::new(&server, proto);
        pair.history.push(format!("seed {seed}"));
        for _ in 0..COMMANDS {
            let args = programs::command(&mut rng);
            if !programs::is_random(&args) {
                pair.run(&args);
            }
        }
        pair.compare_data();
    }
}

#[test]
fn random_programs_in_resp2() {
    random_programs(Proto::Resp2);
}

#[test]
fn random_programs_in_resp3() {
    random_programs(Proto::Resp3);
}

#[test]
fn scripts_in_both_protocols() {
    let server = stock_server();
    for proto in [Proto::Resp2, Proto::Resp3] {
        for script in scripts::ALL {
            let mut pair = Pair::new(&server, proto);
            for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
                pair.run_line(line);
            }
            pair.compare_data();
        }
    }
}
