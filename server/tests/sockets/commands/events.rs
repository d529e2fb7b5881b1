//! Keyspace events, and what clients that cache hear: the same as from the stock server, in the same order, for every
//! command that changes a key.

use super::programs::{self, Rng, Size};
use super::{setting, streams};
use crate::common::resp::encode;
use crate::common::{Client, Server, Value};

/// A server, who runs commands there, and who listens.
struct Side {
    runs: Client,
    hears: Client,
    caches: Client,
}

impl Side {
    fn new(server: &Server, classes: &str) -> Side {
        let mut runs = server.client();
        runs.run("FLUSHALL").ok();
        let set = format!("CONFIG SET notify-keyspace-events {classes}");
        runs.run(&set).ok();
        let (mut hears, mut caches) = (server.client(), server.client());
        for client in [&mut hears, &mut caches] {
            assert!(!client.run("HELLO 3").is_error());
        }
        assert!(matches!(hears.run("PSUBSCRIBE __key*"), Value::Push(_)));
        caches.run("CLIENT TRACKING ON BCAST").ok();
        Side {
            runs,
            hears,
            caches,
        }
    }

    /// Runs a command; one that may wait as a transaction, so that it does not.
    fn run(&mut self, args: &[Vec<u8>]) -> Value {
        let waits =
            matches!(args[0].first(), Some(b'B' | b'b')) || args.contains(&b"BLOCK".to_vec());
        if waits {
            self.runs.run("MULTI").ok();
            self.runs.cmd(args);
            return self.runs.run("EXEC");
        }
        self.runs.cmd(args)
    }

    /// What the two listeners have heard since the last call.
    fn heard(&mut self) -> [Vec<String>; 2] {
        [&mut self.hears, &mut self.caches].map(pushed)
    }
}

/// The pushes that a client has been sent: they come before the answer to what it asks now.
fn pushed(client: &mut Client) -> Vec<String> {
    client.send_raw(&encode(&["ECHO", "end"])).expect("send");
    let mut pushes = Vec::new();
    loop {
        match client.read().expect("read what was pushed") {
            Value::Push(parts) => pushes.push(format!("{parts:?}")),
            other => {
                assert_eq!(other, Value::Bulk(b"end".to_vec()));
                return pushes;
            }
        }
    }
}

/// Runs the same commands on both sides, and compares what is heard.
fn compare(both: &mut [Side; 2], commands: &[Vec<Vec<u8>>], history: &mut Vec<String>) {
    for args in commands {
        let shown = args.iter().map(|a| format!("{} ", a.escape_ascii()));
        history.push(shown.collect());
        both.iter_mut().for_each(|side| drop(side.run(args)));
    }
    let [ours, theirs] = both.each_mut().map(Side::heard);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        if same < ours.len().max(theirs.len()) {
            let last = &history[history.len().saturating_sub(2 * commands.len())..];
            let from = same.saturating_sub(3);
            panic!(
                "{}\n ours:   {:?}\n theirs: {:?}",
                last.join("\n"),
                &ours[from..],
                &theirs[from..]
            );
        }
    }
}

/// The words of a line.
fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(Into::into).collect()
}

/// `classes`: of events.
fn pair(classes: &str) -> ([Server; 2], [Side; 2]) {
    let args = ["--enable-debug-command", "yes"];
    let servers = [Server::damselfly(&args), Server::redis(&args)];
    let sides = servers.each_ref().map(|server| Side::new(server, classes));
    (servers, sides)
}

fn random(count: u64, next: impl Fn(&mut Rng, usize) -> Vec<Vec<u8>>) {
    const COMMANDS: usize = 400;
    const AT_ONCE: usize = 20;
    // What is missed by a command that fails is another matter.
    let (_servers, mut both) = pair("KEAn");
    let first = setting("DAMSELFLY_SEED", 7);
    for seed in first..first + setting("DAMSELFLY_PROGRAMS", count) {
        let (mut rng, mut history) = (Rng(seed), vec![format!("seed {seed}")]);
        compare(&mut both, &[words("FLUSHALL")], &mut history);
        for step in (0..COMMANDS).step_by(AT_ONCE) {
            let commands = (step..step + AT_ONCE).map(|step| next(&mut rng, step));
            let commands: Vec<_> = commands.filter(|c| !programs::is_random(c)).collect();
            compare(&mut both, &commands, &mut history);
        }
    }
}

#[test]
fn of_collections() {
    random(4, |rng, _| programs::command(rng, Size::Small));
}

#[test]
fn of_streams() {
    random(3, streams::command);
}

/// Commands one after the other, each of which says by itself what it makes heard.
const SCRIPT: &str = "
    SET s 1
    SET s 1 EX 100
    SET s 2 XX GET KEEPTTL
    SET nokey 2 XX
    SET nokey 2 XX GET
    SETNX s 1
    SETNX s1 1
    SETEX s 100 v
    PSETEX s2 100000 v
    GETSET s w
    GETSET s3 w
    GETEX s
    GETEX s EX 100
    GETEX s PERSIST
    GETEX s PERSIST
    GETEX s PXAT 1
    GETEX s EX 100
    GETDEL s3
    GETDEL s3
    MSET a 1 b 2 a 3
    MSETNX a 1 c 2
    MSETNX c 1 d 2
    APPEND a x
    APPEND a1 x
    SETRANGE a 2 y
    SETRANGE a 2 
    SETRANGE a2 2 y
    INCR n
    DECR n
    INCRBY n 5
    DECRBY n 5
    INCRBYFLOAT n 1.5
    INCR a
    SETBIT bits 7 1
    SETBIT bits 7 1
    SETBIT bits 100 0
    BITOP OR dest bits a
    BITOP AND dest nokey
    BITOP AND dest nokey
    BITCOUNT nokey
    GET nokey
    MGET a nokey b
    STRLEN nokey
    GETRANGE nokey 0 -1
    EXISTS a nokey
    TYPE nokey
    TTL nokey
    PEXPIRETIME nokey
    TOUCH a nokey
    OBJECT ENCODING nokey
    DUMP nokey
    DEL a nokey b
    UNLINK c nokey
    EXPIRE d 100
    EXPIRE d 100 NX
    PERSIST d
    PERSIST d
    EXPIRE nokey 100
    EXPIRE d -1
    PEXPIREAT a1 1
    RENAME a2 r
    RENAME n r
    RENAME r r
    RENAME nokey r
    RENAMENX r r
    RENAMENX bits r
    RENAMENX bits r2
    COPY r r3
    COPY r r3
    COPY r r3 REPLACE
    COPY nokey r3
    COPY r r3 DB 1
    MOVE r 1
    MOVE r3 1
    MOVE nokey 1
    SELECT 1
    GET r
    DEL r
    SELECT 0
    LPUSH l a b
    RPUSHX l c
    LPUSHX nokey c
    LINSERT l BEFORE a x
    LINSERT l BEFORE z x
    LSET l 0 y
    LTRIM l 0 -1
    LTRIM l 1 -1
    LTRIM nokey 1 -1
    LREM l 0 a
    LREM l 0 a
    LMOVE l l LEFT RIGHT
    LMOVE l l2 LEFT RIGHT
    RPOPLPUSH l2 l3
    LPOP l 0
    LPOP l 10
    LPOP l
    LMPOP 2 l l3 LEFT COUNT 5
    RPUSH l a b c
    LTRIM l 5 1
    SADD set a b
    SADD set a
    SREM set a
    SREM set z
    SMOVE set set2 b
    SMOVE set set2 b
    SMOVE set2 set2 b
    SMOVE set2 set2 z
    SADD set b c
    SMOVE set set2 b
    SINTERSTORE dest set set2
    SUNIONSTORE dest set set2
    SUNIONSTORE dest nokey
    SDIFFSTORE dest nokey
    SDIFFSTORE dest2 set nokey
    SPOP set 0
    SPOP set 10
    SPOP set
    SADD one x
    SPOP one
    HSET h a 1 b 2
    HSETNX h a 1
    HSETNX h c 1
    HINCRBY h a 1
    HINCRBYFLOAT h a 1.5
    HDEL h a z
    HDEL h b c
    HGET h a
    ZADD z 1 a 2 b
    ZADD z XX 1 c
    ZADD z 1 a
    ZADD z INCR 1 a
    ZADD z2 XX 1 a
    ZINCRBY z 1 a
    ZREM z a z
    ZUNIONSTORE z3 2 z nokey
    ZINTERSTORE z3 2 z nokey
    ZINTERSTORE z3 2 z nokey
    ZDIFFSTORE z4 2 z nokey
    ZRANGESTORE z5 z4 0 -1
    ZRANGESTORE z5 nokey 0 -1
    ZPOPMIN z
    ZPOPMAX z 5
    ZADD z 1 a 2 b 3 c 4 d
    ZREMRANGEBYRANK z 0 0
    ZREMRANGEBYSCORE z 2 2
    ZREMRANGEBYLEX z - +
    ZMPOP 2 z z4 MIN
    XADD x 1-1 a b
    XADD x 1-2 a b
    XADD x MAXLEN 1 1-3 a b
    XADD x NOMKSTREAM 1-4 a b
    XADD nokey NOMKSTREAM 1-4 a b
    XADD x MAXLEN 100 1-5 a b
    XTRIM x MAXLEN 2
    XTRIM x MAXLEN 2
    XDEL x 1-4
    XDEL x 1-4
    XSETID x 5-1
    XGROUP CREATE x g 0
    XGROUP CREATE x2 g 0 MKSTREAM
    XGROUP SETID x g 0
    XGROUP CREATECONSUMER x g c
    XGROUP CREATECONSUMER x g c
    XREADGROUP GROUP g c STREAMS x >
    XREADGROUP GROUP g new STREAMS x >
    XREADGROUP GROUP g nokey STREAMS nokey >
    XACK x g 1-5
    XCLAIM x g c3 0 1-3
    XAUTOCLAIM x g c4 0 0
    XGROUP DELCONSUMER x g c
    XGROUP DESTROY x g
    XGROUP DESTROY x g
    XREAD STREAMS nokey 0
    FLUSHDB
    MULTI
    SET a 1
    LPUSH l 1
    DEL a l
    EXEC
    SWAPDB 0 1
    FLUSHALL";

#[test]
fn of_each_command() {
    let (_servers, mut both) = pair("KEAmn");
    let mut history = Vec::new();
    for line in SCRIPT.lines().skip(1) {
        let line = line.strip_prefix("    ").unwrap_or(line);
        compare(&mut both, &[words(line)], &mut history);
    }
}

/// A value in a key that has expired: gone by the first who looks.
#[test]
fn of_keys_whose_time_has_come() {
    let (_servers, mut both) = pair("KEAmn");
    let mut history = Vec::new();
    let mut run = |line: &str| compare(&mut both, &[words(line)], &mut history);
    run("DEBUG SET-ACTIVE-EXPIRE 0");
    for look in [
        "GET k",
        "SET k 2",
        "DEL k other",
        "MSET a 1 k 2 b 3",
        "INCR k",
        "EXISTS k k",
        "TTL k",
        "RENAME k z",
        "RENAME a k",
        "COPY a k",
        "LPUSH k x",
        "SUNIONSTORE a k",
        "SUNIONSTORE k a",
        "HGET a f",
        "LLEN k",
    ] {
        run("SET a 1");
        run("PSETEX k 1 v");
        std::thread::sleep(std::time::Duration::from_millis(5));
        run(look);
    }
    run("DEBUG SET-ACTIVE-EXPIRE 1");
}
