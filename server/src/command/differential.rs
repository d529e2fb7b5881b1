//! Commands at random, run here and by the stock redis-server: the replies are the same, byte for byte.

use super::Run;
use super::storm::Dice;
use super::table::{Command, all, flag::BLOCKING};
use super::testing::Bench;
use crate::resp::Reply;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A process that ends with this value.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A stock server of its own, on a socket in a directory of its own.
struct Stock {
    _process: Ends,
    dir: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Stock {
    fn start() -> Stock {
        let name = format!("damselfly-differential-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let socket = dir.join("socket");
        let mut command = std::process::Command::new("redis-server");
        command
            .args(["--port", "0", "--save", "", "--enable-debug-command", "yes"])
            .arg("--unixsocket")
            .arg(&socket)
            .current_dir(&dir)
            .stdout(Stdio::null());
        let process = command.spawn().map(Ends);
        let _process = process.expect("redis-server, of the distribution's package of that name");
        let connect = || {
            std::thread::sleep(Duration::from_millis(20));
            UnixStream::connect(&socket).ok()
        };
        let stream = (0..500).find_map(|_| connect());
        let stream = BufReader::new(stream.expect("redis-server does not listen"));
        let mut stock = Stock {
            _process,
            dir,
            stream,
        };
        // As here, what expired goes when it is met: a sweep between two commands would show in DBSIZE.
        stock.run(&[b"debug", b"set-active-expire", b"0"]);
        stock
    }

    fn run(&mut self, args: &[&[u8]]) -> Vec<u8> {
        let mut request = Reply::default();
        request.array(args.len());
        args.iter().for_each(|arg| request.bulk(arg));
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut reply = Vec::new();
        self.read(&mut reply);
        reply
    }

    fn read(&mut self, reply: &mut Vec<u8>) {
        let start = reply.len();
        self.stream.read_until(b'\n', reply).unwrap();
        let kind = reply[start];
        let number: i64 = match kind {
            b'$' | b'*' => String::from_utf8_lossy(&reply[start + 1..])
                .trim()
                .parse()
                .unwrap(),
            _ => return,
        };
        if kind == b'*' {
            (0..number).for_each(|_| self.read(reply));
        } else if number >= 0 {
            let mut bulk = vec![0; number as usize + 2];
            self.stream.read_exact(&mut bulk).unwrap();
            reply.extend(bulk);
        }
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Commands whose replies differ by right: chance, clocks, addresses, other encodings, another table.
const INCOMPARABLE: &[&str] = &[
    "spop",
    "srandmember",
    "hrandfield",
    "zrandmember",
    "randomkey",
    "scan",
    "hscan",
    "sscan",
    "zscan",
    "command",
    "dump",
    "restore",
    "object",
    "ttl",
    "pttl",
    "expiretime",
    "pexpiretime",
    "flushall",
    "flushdb",
    "xpending",
    "xclaim",
    "xautoclaim",
    // Much shorter here.
    "pfselftest",
];

/// Commands whose elements come in no particular order.
const UNORDERED: &[&str] = &[
    "keys", "hgetall", "hkeys", "hvals", "smembers", "sinter", "sunion", "sdiff",
];

fn is_comparable(command: &Command, line: &[String]) -> bool {
    // The stock server cannot negate the lowest rank, and then finds anything.
    let lowest_rank = command.name == "lpos" && line.contains(&i64::MIN.to_string());
    // An option of 7.2.
    let newer = line.iter().any(|arg| arg == "WITHSCORE");
    // It would wait; we answer as in a transaction.
    let blocks = command.is(BLOCKING);
    // The time of the clock.
    let timed = command.name == "xadd" && line.iter().any(|arg| arg == "*");
    // Members of sets that no order is asked for, or that have equal weights, come as the tables have them.
    let by = line.iter().any(|arg| arg.eq_ignore_ascii_case("by"));
    let unordered = command.name.starts_with("sort") && by && !line[1].starts_with("list");
    matches!(command.run, Run::Data { .. })
        && command.is_of_redis_7_0()
        && !unordered
        && !INCOMPARABLE.contains(&command.name)
        && !blocks
        && !newer
        && !timed
        && !lowest_rank
}

/// Lines in some order are compared in alphabetical order.
fn comparable(command: &Command, mut reply: Vec<u8>) -> Vec<u8> {
    if UNORDERED.contains(&command.name) {
        let mut lines: Vec<&[u8]> = reply.split(|b| *b == b'\n').collect();
        lines.sort();
        reply = lines.join(&b'\n');
    }
    reply
}

fn compare(stock: &mut Stock, seed: u64, steps: usize) {
    let table: Vec<&Command> = all().collect();
    let (mut dice, mut bench) = (Dice::new(seed), Bench::new());
    dice.far_times = true;
    let mut different: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let empty = |stock: &mut Stock, bench: &mut Bench| {
        stock.run(&[b"flushall"]);
        bench.run("flushall");
    };
    for step in 0..steps {
        if step % 500 == 0 {
            empty(stock, &mut bench);
        }
        let command = table[dice.below(table.len())];
        let line = dice.command(command);
        if !is_comparable(command, &line) {
            continue;
        }
        let args: Vec<&[u8]> = line.iter().map(|arg| arg.as_bytes()).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        bench.now_ms = now.as_millis() as i64;
        let theirs = comparable(command, stock.run(&args));
        let ours = comparable(command, bench.run_args(&args));
        if ours != theirs {
            let show = |reply: &[u8]| String::from_utf8_lossy(reply).replace("\r\n", " ");
            let text = format!(
                "{line:?}\n  stock {}\n  ours  {}",
                show(&theirs),
                show(&ours)
            );
            different.entry(command.name).or_default().push(text);
            // What differs now would differ for ever.
            empty(stock, &mut bench);
        }
    }
    let lines = different.iter();
    let lines = lines.map(|(name, list)| format!("{name}, {} times: {}", list.len(), list[0]));
    let lines: Vec<String> = lines.collect();
    assert!(lines.is_empty(), "seed {seed}:\n{}", lines.join("\n"));
}

#[test]
fn replies_are_those_of_the_stock_server() {
    let mut stock = Stock::start();
    for seed in 0..4 {
        compare(&mut stock, seed, 20_000);
    }
}
