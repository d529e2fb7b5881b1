//! Commands at random, run here and by the stock redis-server: the replies are the same, byte for byte.

use super::storm::Dice;
use super::table::{Command, all};
use super::testing::Bench;
use super::{Run, syntax};
use crate::resp::Reply;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A stock server of its own, on a socket in a directory of its own.
struct Stock {
    child: Child,
    dir: std::path::PathBuf,
    stream: BufReader<UnixStream>,
}

impl Stock {
    fn start() -> Stock {
        let dir =
            std::env::temp_dir().join(format!("damselfly-differential-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let socket = dir.join("socket");
        let child = std::process::Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .current_dir(&dir)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server, of the distribution's package of that name");
        for _ in 0..500 {
            if let Ok(stream) = UnixStream::connect(&socket) {
                let stream = BufReader::new(stream);
                return Stock { child, dir, stream };
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server does not listen");
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
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Commands whose replies differ by right: chance, clocks, addresses, other encodings, other tables.
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
    "flushall",
    "flushdb",
];

/// Commands whose elements come in no particular order.
const UNORDERED: &[&str] = &[
    "keys", "hgetall", "hkeys", "hvals", "smembers", "sinter", "sunion", "sdiff",
];

fn comparable(command: &Command, mut reply: Vec<u8>) -> Vec<u8> {
    if UNORDERED.contains(&command.name) {
        let mut lines: Vec<&[u8]> = reply.split(|b| *b == b'\n').collect();
        lines.sort();
        reply = lines.join(&b'\n');
    }
    reply
}

#[test]
fn replies_are_those_of_the_stock_server() {
    let table: Vec<&Command> = all()
        .filter(|c| matches!(c.run, Run::Data { .. }) && !INCOMPARABLE.contains(&c.name))
        .collect();
    let (mut stock, mut bench) = (Stock::start(), Bench::new());
    let mut dice = Dice::new(std::env::var("SEED").map_or(1, |s| s.parse().unwrap()));
    dice.far_times = true;
    let mut different: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for step in 0..30_000 {
        let command = table[dice.below(table.len())];
        if step % 500 == 0 {
            stock.run(&[b"flushall"]);
            bench.run("flushall");
        }
        let line = dice.command(command);
        if command.name.starts_with('b')
            && line.last().is_some_and(|t| t.parse() != Ok(0.01))
            && syntax::parse(command.syntax)
                .iter()
                .any(|a| a.name == "timeout")
        {
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
            stock.run(&[b"flushall"]);
            bench.run("flushall");
        }
    }
    let some: Vec<String> = different
        .iter()
        .map(|(name, list)| format!("{name}: {} times, as {}", list.len(), list[0]))
        .collect();
    assert!(different.is_empty(), "{}", some.join("\n"));
}
