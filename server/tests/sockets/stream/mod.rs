//! What replicas are sent: command by command the same as a stock master sends them.
//!
//! A replica of the tests' own hangs on each master, and the same program of commands runs on both. What it hears is
//! compared in meaning: each command with its database; times of expiry by some seconds; what was chosen at random by
//! its shape.

mod programs;

use crate::common::*;
use programs::{BEFORE_WAITS, EXPIRING, OTHERS, PROGRAM, RESTORES, STREAMS, WAITS};
use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A command as a replica hears it, and the database it is for (none for what belongs to no database).
#[derive(Clone, PartialEq)]
struct Heard {
    db: Option<u32>,
    args: Vec<String>,
}

impl Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let db = self.db.map(|db| format!("{db}: ")).unwrap_or_default();
        write!(f, "{db}{}", self.args.join(" "))
    }
}

/// A replica that only listens.
struct Ear {
    stream: BufReader<TcpStream>,
    db: u32,
}

impl Ear {
    /// Hears all that `master` writes from here on.
    fn of(master: &Server) -> Ear {
        let mut stream = TcpStream::connect(("127.0.0.1", master.port)).expect("connect");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("set a time-out");
        stream.write_all(b"PSYNC ? -1\r\n").expect("ask");
        let mut ear = Ear {
            stream: BufReader::new(stream),
            db: 0,
        };
        assert!(ear.line().starts_with("+FULLRESYNC "));
        let len = ear.line()[1..].parse().expect("the snapshot's length");
        std::io::copy(&mut ear.stream.by_ref().take(len), &mut std::io::sink())
            .expect("a snapshot");
        ear
    }

    /// The next line that is not empty.
    fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line).expect("hear the master");
            assert!(read > 0, "the master hung up");
            let line = line.trim_end();
            if !line.is_empty() {
                return line.to_owned();
            }
        }
    }

    fn command(&mut self) -> Vec<String> {
        let count: usize = self.line()[1..].parse().expect("a number of arguments");
        let mut args = Vec::new();
        for _ in 0..count {
            let len: usize = self.line()[1..].parse().expect("a length");
            let mut arg = vec![0; len + 2];
            self.stream.read_exact(&mut arg).expect("an argument");
            args.push(arg[..len].escape_ascii().to_string());
        }
        args
    }

    /// What it hears up to `PUBLISH until`.
    fn until(&mut self, mark: &str) -> Vec<Heard> {
        let mut all = Vec::new();
        loop {
            let mut args = self.command();
            args[0] = args[0].to_uppercase();
            let db = match args[0].as_str() {
                "PING" | "REPLCONF" => continue,
                "SELECT" => {
                    self.db = args[1].parse().expect("a database");
                    continue;
                }
                "PUBLISH" if args[1] == "mark" && args[2] == mark => return all,
                "MULTI" | "EXEC" | "PUBLISH" | "SPUBLISH" | "FLUSHALL" | "SWAPDB" => None,
                _ => Some(self.db),
            };
            all.push(Heard { db, args });
        }
    }
}

/// `heard` without what makes no difference: one SREM may be several, a command alone needs no MULTI, and what became
/// absolute needs no condition.
fn plain(heard: &[Heard]) -> Vec<Heard> {
    let mut all: Vec<Heard> = Vec::new();
    for one in heard {
        let is_member = |h: &&mut Heard| {
            one.args[0] == "SREM" && h.args.get(..2) == one.args.get(..2) && h.db == one.db
        };
        let mut one = one.clone();
        if let Some(last) = all.last_mut().filter(is_member) {
            last.args.extend(one.args.drain(2..));
            continue;
        }
        if one.args[0] == "PEXPIREAT" {
            one.args.truncate(3);
        }
        all.push(one);
        if let [.., multi, _, exec] = &all[..]
            && multi.args == ["MULTI"]
            && exec.args == ["EXEC"]
        {
            all.pop();
            all.remove(all.len() - 2);
        }
    }
    all
}

/// Whether `a` and `b` mean the same: numbers that are times in milliseconds may be some seconds apart, names of words
/// are the same in any case, and members `any1`, `any2`, ... stand for one another.
fn same(a: &[Heard], b: &[Heard]) -> bool {
    let arg = |(a, b): (&String, &String)| {
        let time = |s: &str| s.parse::<i64>().ok().filter(|_| s.len() == 13);
        match (time(a), time(b)) {
            (Some(a), Some(b)) => (a - b).abs() < 20_000,
            _ => a.eq_ignore_ascii_case(b) || (a.starts_with("any") && b.starts_with("any")),
        }
    };
    let (a, b) = (plain(a), plain(b));
    let one = |(a, b): (&Heard, &Heard)| {
        a.db == b.db && a.args.len() == b.args.len() && a.args.iter().zip(&b.args).all(arg)
    };
    a.len() == b.len() && a.iter().zip(&b).all(one)
}

/// The two masters, their ears, and a client of each.
struct Pair {
    servers: [Server; 2],
    ears: [Ear; 2],
    clients: [Client; 2],
    marks: u32,
    differences: Vec<String>,
}

impl Pair {
    fn new() -> Pair {
        let servers = [Server::redis(&[]), Server::damselfly(&[])];
        for server in &servers {
            server.run("DEBUG SET-ACTIVE-EXPIRE 0").ok();
        }
        let ears = [Ear::of(&servers[0]), Ear::of(&servers[1])];
        let clients = [servers[0].client(), servers[1].client()];
        Pair {
            servers,
            ears,
            clients,
            marks: 0,
            differences: Vec::new(),
        }
    }

    /// Runs `line` on both; the replicas must hear the same of it.
    fn run(&mut self, line: &str) {
        let args: Vec<Vec<u8>> = line.split(' ').map(unescape).collect();
        self.call(line, &args);
    }

    /// [`Pair::run`] of a command whose arguments cannot be written in a line.
    fn call(&mut self, line: &str, args: &[Vec<u8>]) {
        let replies = self.clients.each_mut().map(|c| c.cmd(args));
        if replies.iter().any(Value::is_error) && replies[0] != replies[1] {
            self.differences.push(format!(
                "{line}\n  stock {:?}\n  ours  {:?}",
                replies[0], replies[1]
            ));
        }
        self.compare(line);
    }

    /// Compares what was heard since the last time, which came of `what`.
    fn compare(&mut self, what: &str) {
        self.marks += 1;
        let mark = self.marks.to_string();
        for server in &self.servers {
            server.client().cmd(&["PUBLISH", "mark", &mark]);
        }
        let [stock, ours] = self.ears.each_mut().map(|ear| ear.until(&mark));
        if !same(&stock, &ours) {
            self.differences
                .push(format!("{what}\n  stock {stock:?}\n  ours  {ours:?}"));
        }
    }

    fn finish(self) {
        assert!(
            self.differences.is_empty(),
            "{}",
            self.differences.join("\n")
        );
    }
}

/// A word of a program: `\xNN` is a byte.
fn unescape(word: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if let [b'\\', b'x', hex @ ..] = rest {
            let digits = std::str::from_utf8(&hex[..2]).expect("two digits");
            out.push(u8::from_str_radix(digits, 16).expect("two digits"));
            rest = &hex[2..];
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

#[test]
fn every_write_is_told_as_a_stock_master_tells_it() {
    let mut pair = Pair::new();
    let lines = PROGRAM.lines().chain(STREAMS.lines()).chain(OTHERS.lines());
    for line in lines.map(str::trim).filter(|l| !l.is_empty()) {
        pair.run(line);
    }
    pair.run("SET dumped 1");
    let dump = pair.clients[0].cmd(&["DUMP", "dumped"]).bytes().to_vec();
    for line in RESTORES {
        let words = line.split(' ').map(|word| match word {
            "DUMP" => dump.clone(),
            word => word.into(),
        });
        let args: Vec<Vec<u8>> = words.collect();
        pair.call(line, &args);
    }
    pair.finish();
}

#[test]
fn expired_keys_are_removed_by_the_master_and_told() {
    let mut pair = Pair::new();
    for line in EXPIRING.lines().map(str::trim).filter(|l| !l.is_empty()) {
        match line {
            "sleep" => std::thread::sleep(Duration::from_millis(20)),
            line => pair.run(line),
        }
    }
    // By itself, too.
    pair.run("SET by-itself 1 PX 1");
    for server in &pair.servers {
        server.run("DEBUG SET-ACTIVE-EXPIRE 1").ok();
        eventually("it goes by itself", || {
            let left = server.run("DBSIZE").int();
            crate::common::wait::check(left == 0, || format!("{left} keys"))
        });
    }
    pair.compare("the end of by-itself");
    pair.finish();
}

#[test]
fn who_is_served_after_a_wait_is_told_as_what_it_did() {
    let mut pair = Pair::new();
    for (waits, serves) in WAITS {
        BEFORE_WAITS.iter().for_each(|line| pair.run(line));
        let mut waiting = Vec::new();
        for server in &pair.servers {
            let mut client = server.client();
            client.send_line(waits).expect("send");
            eventually("it waits", || {
                let blocked = server.info("clients").num("blocked_clients");
                crate::common::wait::check(blocked == 1, || format!("{blocked} wait"))
            });
            waiting.push(client);
        }
        for line in *serves {
            pair.run(line);
        }
        let replies: Vec<_> = waiting
            .iter_mut()
            .map(|c| c.read().expect("its reply"))
            .collect();
        assert_eq!(replies[0], replies[1], "{waits}");
        pair.run("FLUSHALL");
    }
    pair.finish();
}

/// A file of the dataset is no new reader of the stream.
#[test]
fn a_save_selects_no_database_anew() {
    let master = Server::damselfly(&[]);
    let mut ear = Ear::of(&master);
    for line in ["SET a 1", "SAVE", "SET b 2"] {
        master.run(line);
    }
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "SET b 2") {
        heard.push(ear.command().join(" ").replace("\\r\\n", ""));
    }
    heard.retain(|line| line.starts_with("S"));
    assert_eq!(heard, ["SELECT 0", "SET a 1", "SET b 2"]);
}
