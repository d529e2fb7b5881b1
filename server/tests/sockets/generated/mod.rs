//! Programs of random commands, made from a text for each family of commands, beside a stock server: the same replies,
//! byte for byte in both protocols; the same messages to those who listen; the same connections served after a wait; and
//! the same data in the end, on both servers and on their replicas of both kinds.
//!
//! `DAMSELFLY_SEED=N` begins with another seed and `DAMSELFLY_PROGRAMS=N` runs so many programs of each family:
//! `DAMSELFLY_PROGRAMS=1000 cargo test -p damselfly-server --test sockets generated::geo`. A program that finds a
//! difference is shortened until every command left in it is needed.

mod grammar;
mod normal;
mod side;
mod surface;

use crate::commands::programs::Rng;
use crate::commands::{COMPACT, setting};
use crate::common::resp::Client;
use crate::common::wait::check;
use crate::common::{Server, eventually};
use grammar::{Grammar, Step};
use side::Side;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Commands of a program.
const STEPS: usize = 200;

/// How long a program is shortened at most.
const SHORTENING: Duration = Duration::from_secs(30);

/// How long one server may be behind the other in serving who waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// A program's first difference: after how many steps, in what, and there and here.
struct Difference {
    step: usize,
    what: &'static str,
    stock: Vec<u8>,
    ours: Vec<u8>,
}

/// A master and a replica of it.
type Link = (usize, Server);

/// The stock server and ours, and replicas of both kinds if the family is about data.
struct Stage {
    grammar: Grammar,
    servers: [Server; 2],
    replicas: Vec<Link>,
}

impl Stage {
    fn new(text: &'static str) -> Stage {
        let texts = [
            ("numbers", include_str!("numbers.txt")),
            ("expiry", include_str!("expiry.txt")),
        ];
        let grammar = Grammar::new(text, &texts);
        let args = [COMPACT, &grammar.words("args")].concat();
        let servers = [Server::redis(&args), Server::damselfly(&args)];
        servers.iter().for_each(Side::prepare);
        let mut replicas = Vec::new();
        if grammar.is("replicas") {
            let as_root = ["--masteruser", "root", "--masterauth", "root"];
            let args = [&args[..], &as_root].concat();
            for (of, replica) in [
                (0, Server::damselfly(&args)),
                (1, Server::redis(&args)),
                (1, Server::damselfly(&args)),
            ] {
                replica.follow(servers[of].port);
                replicas.push((of, replica));
            }
        }
        Stage {
            grammar,
            servers,
            replicas,
        }
    }

    /// Runs programs, and shows the shortest one that differs.
    fn run(&self, programs: u64) {
        let first = setting("DAMSELFLY_SEED", 7);
        for seed in first..first + setting("DAMSELFLY_PROGRAMS", programs) {
            let mut rng = Rng(seed);
            let steps = (0..STEPS).map(|step| self.grammar.step(&mut rng, step));
            let begin = self.grammar.begin.iter().cloned();
            let program: Vec<Step> = begin.chain(steps).collect();
            let protos = self.protos(seed);
            if let Some(found) = self.differs(&program, &protos) {
                let (program, found) = self.shortened(program, &protos, found);
                panic!("{}", shown(seed, &protos, &program, &found));
            }
        }
    }

    /// The protocols of the connections: both, but where the family wants one.
    fn protos(&self, seed: u64) -> Vec<u8> {
        let of = |number: u64| 2 + ((seed + number) % 2) as u8;
        let one = self.grammar.number("proto", 0) as u8;
        let all = 0..self.grammar.number("connections", 1) as u64;
        all.map(|number| if one > 0 { one } else { of(number) })
            .collect()
    }

    /// The first difference of a program.
    fn differs(&self, program: &[Step], protos: &[u8]) -> Option<Difference> {
        let mut sides = self
            .servers
            .each_ref()
            .map(|server| Side::new(server, &self.grammar, protos));
        let listens = self.grammar.is("listen");
        for (step, command) in program.iter().enumerate() {
            let differ = |what, [stock, ours]: [Vec<u8>; 2]| {
                (stock != ours).then_some(Difference {
                    step,
                    what,
                    stock,
                    ours,
                })
            };
            if !sides[0].is_free(command.0) || !normal::is_comparable(&command.1, listens) {
                continue;
            }
            let answers = sides.each_mut().map(|side| side.run(command));
            let found = differ("reply", answers)
                .or_else(|| differ("served", self.served(&mut sides)))
                .or_else(|| differ("heard", self.heard(&mut sides, protos.len())));
            if found.is_some() {
                return found;
            }
        }
        self.data_differ(&mut sides)
            .map(|(what, [stock, ours])| Difference {
                step: program.len().saturating_sub(1),
                what,
                stock,
                ours,
            })
    }

    /// Who was served on each side. One may be later than the other.
    fn served(&self, sides: &mut [Side; 2]) -> [Vec<u8>; 2] {
        if !self.grammar.is("block") {
            return [Vec::new(), Vec::new()];
        }
        let mut served: [BTreeMap<usize, Vec<u8>>; 2] = Default::default();
        let began = Instant::now();
        loop {
            for (served, side) in served.iter_mut().zip(&mut *sides) {
                served.extend(side.served());
            }
            if served[0].keys().eq(served[1].keys()) || began.elapsed() > PATIENCE {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        served.map(|served| {
            let served = served.into_iter();
            let each = served.map(|(n, answer)| [format!("{n}: ").as_bytes(), &answer].concat());
            each.collect::<Vec<_>>().concat()
        })
    }

    /// What each connection has heard on each side.
    fn heard(&self, sides: &mut [Side; 2], connections: usize) -> [Vec<u8>; 2] {
        sides.each_mut().map(|side| {
            let mut all = Vec::new();
            for number in (0..connections).filter(|_| self.grammar.is("listen")) {
                let mut heard = side.heard(number);
                if self.grammar.is("anyorder") {
                    heard.sort();
                }
                all.extend(format!("{number}: ").into_bytes());
                all.extend(heard.concat());
            }
            all
        })
    }

    /// A difference in the data: there and here, of a dump from there loaded here and the reverse, and of the replicas.
    fn data_differ(&self, sides: &mut [Side; 2]) -> Option<(&'static str, [Vec<u8>; 2])> {
        let both = |sides: &mut [Side; 2], args: &[&[u8]]| sides.each_mut().map(|s| s.ask(args));
        let digest: &[&[u8]] = &[b"DEBUG", b"DIGEST"];
        let differ = |what, both: [Vec<u8>; 2]| (both[0] != both[1]).then_some((what, both));
        let found = differ("digest", both(sides, digest));
        if found.is_some() || self.grammar.is("nodata") {
            return found.filter(|_| !self.grammar.is("nodata"));
        }
        let keys = sides[0].ask(&["KEYS", "*"]);
        for key in crate::commands::order::split(&keys)
            .1
            .into_iter()
            .map(normal::bulk)
        {
            let encoding: &[&[u8]] = &[b"OBJECT", b"ENCODING", &key];
            let alike = !self.grammar.is("noencoding");
            if let found @ Some(_) = differ("encoding", both(sides, encoding)).filter(|_| alike) {
                return found;
            }
            let dumps = both(sides, &[b"DUMP", &key]).map(|reply| payload(&reply));
            let [stock, ours] = sides;
            for (side, dump) in [(stock, &dumps[1]), (ours, &dumps[0])] {
                let reply = side.ask(&[b"RESTORE", &key[..], b"0", dump, b"REPLACE"]);
                if reply != b"+OK\r\n" {
                    return Some(("restored", [key, reply]));
                }
            }
            let value: &[&[u8]] = &[b"DEBUG", b"DIGEST-VALUE", &key];
            let found = differ("exchanged value", both(sides, value))
                .or_else(|| differ("exchanged encoding", both(sides, encoding)).filter(|_| alike));
            if found.is_some() {
                return found;
            }
        }
        for (of, replica) in &self.replicas {
            let mut replica = replica.client();
            await_mark(&mut sides[*of], &mut replica);
            let there = sides[*of].ask(digest);
            let here = replica.run("DEBUG DIGEST").text();
            let here = format!("+{here}\r\n").into_bytes();
            if let found @ Some(_) = differ("digest of a replica", [there, here]) {
                return found;
            }
        }
        None
    }

    /// The program without the commands that the difference does not need.
    fn shortened(
        &self,
        mut program: Vec<Step>,
        protos: &[u8],
        mut found: Difference,
    ) -> (Vec<Step>, Difference) {
        program.truncate(found.step + 1);
        let (began, mut portion) = (Instant::now(), program.len().div_ceil(2));
        while portion > 0 && began.elapsed() < SHORTENING {
            let (mut at, before) = (0, program.len());
            while at < program.len() {
                let end = program.len().min(at + portion);
                let mut shorter = program.clone();
                shorter.drain(at..end);
                let other = self.differs(&shorter, protos);
                match other.filter(|other| other.what == found.what) {
                    Some(other) => {
                        shorter.truncate(other.step + 1);
                        (program, found) = (shorter, other);
                    }
                    None => at = end,
                }
            }
            let again = portion == 1 && program.len() < before;
            portion = if again { 1 } else { portion / 2 };
        }
        (program, found)
    }
}

/// The payload that DUMP answers.
fn payload(reply: &[u8]) -> Vec<u8> {
    let start = reply
        .iter()
        .position(|&b| b == b'\n')
        .map_or(0, |at| at + 1);
    reply[start..]
        .strip_suffix(b"\r\n")
        .unwrap_or_default()
        .to_vec()
}

/// Waits until the replica has all that its master has.
fn await_mark(master: &mut Side, replica: &mut Client) {
    let time = format!("{:?}", Instant::now());
    master.ask(&["SELECT", "0"]);
    master.ask(&["SET", "mark", &time]);
    eventually("the replica has it all", || {
        let mark = replica.run("GET mark");
        check(
            format!("{mark:?}").contains(&time.replace('"', "\\\"")),
            || format!("{mark:?}"),
        )
    });
}

fn shown(seed: u64, protos: &[u8], program: &[Step], found: &Difference) -> String {
    let mut text = format!("seed {seed}, protocols {protos:?}\n");
    for (connection, args) in program {
        let args: Vec<String> = args
            .iter()
            .map(|a| format!("'{}'", a.escape_ascii()))
            .collect();
        text += &format!("  {connection}> {}\n", args.join(" "));
    }
    let (stock, ours) = (found.stock.escape_ascii(), found.ours.escape_ascii());
    text + &format!(" {}\n stock: {stock}\n ours:  {ours}", found.what)
}

/// Runs so many programs of a family.
fn family(text: &'static str, programs: u64) {
    Stage::new(text).run(programs);
}

#[test]
fn geo() {
    family(include_str!("geo.txt"), 8);
}

#[test]
fn hyperloglogs() {
    family(include_str!("hyperloglogs.txt"), 6);
}

#[test]
fn bits() {
    family(include_str!("bits.txt"), 8);
}

#[test]
fn strings() {
    family(include_str!("strings.txt"), 8);
}

#[test]
fn sorted_sets() {
    family(include_str!("sorted_sets.txt"), 8);
}

#[test]
fn sort() {
    family(include_str!("sort.txt"), 8);
}

#[test]
fn streams() {
    family(include_str!("streams.txt"), 8);
}

#[test]
fn scripts() {
    family(include_str!("scripts.txt"), 8);
}

#[test]
fn functions() {
    family(include_str!("functions.txt"), 6);
}

#[test]
fn transactions() {
    family(include_str!("transactions.txt"), 8);
}

#[test]
fn waiting() {
    family(include_str!("waiting.txt"), 5);
}

#[test]
fn messages() {
    family(include_str!("messages.txt"), 4);
}

#[test]
fn caching() {
    family(include_str!("caching.txt"), 4);
}

#[test]
fn events() {
    family(include_str!("events.txt"), 3);
}

#[test]
fn users() {
    family(include_str!("users.txt"), 6);
}

#[test]
fn encodings() {
    family(include_str!("encodings.txt"), 6);
}

#[test]
fn expiry_of_keys() {
    family(include_str!("expiry_of_keys.txt"), 6);
}

#[test]
fn what_was_found_once() {
    const CONNECTIONS: usize = 2;
    let stage = Stage::new("!listen\n!block\n!replicas\nPING");
    for block in include_str!("found.txt").split("\n\n") {
        let program = Grammar::new(block, &[]).begin;
        for proto in [2, 3] {
            let protos = [proto; CONNECTIONS];
            if let Some(found) = stage.differs(&program, &protos) {
                panic!("{}", shown(0, &protos, &program[..=found.step], &found));
            }
        }
    }
}
