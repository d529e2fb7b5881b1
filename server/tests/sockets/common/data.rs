//! Data to replicate: every served type in its small and its big form, and writes that change them.

use super::resp::Client;

/// A small generator of numbers, so that a failure can be repeated from the seed it prints.
pub struct Rng(u64);

impl Rng {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Rng {
        eprintln!("seed {seed}");
        Rng(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    /// One of `items`.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

/// Far enough in the future that nothing seeded expires in a test, in milliseconds since 1970.
const LATER: u64 = 4_000_000_000_000;

/// Fills a server: each type compact and not, several databases, expiry times, binary keys and values.
///
/// # Panics
/// If the server refuses.
pub fn seed(client: &mut Client) {
    let big = |n: usize| -> Vec<String> { (0..n).map(|i| format!("member-{i:05}")).collect() };
    let with = |name: &str, key: &str, items: Vec<String>| -> Vec<Vec<u8>> {
        let mut command = vec![name.into(), key.into()];
        command.extend(items.into_iter().map(String::into_bytes));
        command
    };
    let pairs = |n: usize, tag: &str| -> Vec<String> {
        (0..n)
            .flat_map(|i| [format!("field-{i}"), format!("{tag}{i}")])
            .collect()
    };
    let scores = |n: usize| -> Vec<String> {
        (0..n)
            .flat_map(|i| [format!("{}", i as f64 * 0.25 - 10.0), format!("m{i}")])
            .collect()
    };
    let ints = |n: i64| -> Vec<String> { (0..n).map(|i| (i * i - 5).to_string()).collect() };

    let mut commands: Vec<Vec<Vec<u8>>> = Vec::new();
    for db in [0, 3, 15] {
        commands.push(vec![b"SELECT".to_vec(), db.to_string().into_bytes()]);
        for (key, value) in [
            ("str:empty", Vec::new()),
            ("str:int", b"-12345".to_vec()),
            ("str:min", i64::MIN.to_string().into_bytes()),
            ("str:embstr", b"short".to_vec()),
            ("str:raw", vec![b'x'; 200]),
            ("str:binary", (0..=255).collect()),
            ("str:64k", (0..70_000u32).map(|i| (i * 7) as u8).collect()),
        ] {
            commands.push(vec![b"SET".to_vec(), key.into(), value]);
        }
        commands.push(vec![
            b"SET".to_vec(),
            vec![0, 255, b'\r', b'\n'],
            b"binary key".to_vec(),
        ]);
        commands.push(with("RPUSH", "list:small", big(5)));
        commands.push(with("RPUSH", "list:ints", ints(20)));
        commands.push(with("RPUSH", "list:big", big(3000)));
        commands.push(vec![
            b"RPUSH".to_vec(),
            b"list:huge-item".to_vec(),
            vec![b'h'; 20_000],
        ]);
        commands.push(with("HSET", "hash:small", pairs(5, "v")));
        commands.push(with("HSET", "hash:big", pairs(600, "value-")));
        commands.push(with("HSET", "hash:long", pairs(2, &"l".repeat(100))));
        commands.push(with("SADD", "set:ints", ints(100)));
        commands.push(with(
            "SADD",
            "set:wide-ints",
            vec![i64::MAX.to_string(), i64::MIN.to_string()],
        ));
        commands.push(with("SADD", "set:many-ints", ints(1000)));
        commands.push(with("SADD", "set:small", big(5)));
        commands.push(with("SADD", "set:big", big(700)));
        commands.push(with("ZADD", "zset:small", scores(10)));
        commands.push(with("ZADD", "zset:big", scores(500)));
        commands.push(with(
            "ZADD",
            "zset:edges",
            ["-inf", "a", "inf", "b", "1e300", "c", "0.1", "d", "-0", "e"]
                .map(str::to_owned)
                .to_vec(),
        ));
        for n in 1..=250 {
            let (id, value) = (format!("{n}-1"), format!("value {n}"));
            let mut add = with("XADD", "stream:big", vec![id, "n".into(), n.to_string()]);
            add.extend([b"text".to_vec(), value.into_bytes()]);
            commands.push(add);
        }
        for line in [
            "XADD stream:small 5-5 field value",
            "XDEL stream:big 17-1 250-1",
            "XGROUP CREATE stream:big group 0",
            "XGROUP CREATE stream:big new $",
            "XREADGROUP GROUP group ann COUNT 120 STREAMS stream:big >",
            "XREADGROUP GROUP group bob COUNT 20 STREAMS stream:big >",
            "XACK stream:big group 3-1 4-1 121-1",
            "XCLAIM stream:big group cyd 0 6-1 7-1",
            "XGROUP CREATE stream:empty g 0 MKSTREAM",
        ] {
            commands.push(line.split(' ').map(|w| w.as_bytes().to_vec()).collect());
        }
        for (i, key) in ["str:int", "list:big", "hash:small", "set:ints", "zset:big"]
            .iter()
            .enumerate()
        {
            let at = (LATER + 1000 * i as u64 + db).to_string();
            commands.push(vec![
                b"PEXPIREAT".to_vec(),
                key.as_bytes().to_vec(),
                at.into_bytes(),
            ]);
        }
    }
    commands.push(vec![b"SELECT".to_vec(), b"0".to_vec()]);
    run_all(client, &commands);
}

/// Adds `n` strings of `size` bytes, `filler:0` and so on.
///
/// # Panics
/// If the server refuses.
pub fn populate(client: &mut Client, n: usize, size: usize) {
    let value = vec![b'v'; size];
    let commands: Vec<Vec<Vec<u8>>> = (0..n)
        .map(|i| {
            let key = format!("filler:{i}").into_bytes();
            vec![b"SET".to_vec(), key, value.clone()]
        })
        .collect();
    run_all(client, &commands);
}

/// `n` writes chosen at random: new values, changes of every type, removals, expiry times, renames,
/// other databases, transactions. Errors (a wrong type, a missing key) are part of it.
///
/// # Panics
/// If the connection fails.
pub fn churn(client: &mut Client, rng: &mut Rng, n: usize) {
    let mut commands: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut within = 0;
    for _ in 0..n {
        if within > 0 {
            within -= 1;
            if within == 0 {
                commands.push(vec![b"EXEC".to_vec()]);
            }
        } else if rng.below(40) == 0 {
            within = 1 + rng.below(5);
            commands.push(vec![b"MULTI".to_vec()]);
        }
        let line = write(rng);
        commands.push(line.split(' ').map(|w| w.as_bytes().to_vec()).collect());
    }
    if within > 0 {
        commands.push(vec![b"EXEC".to_vec()]);
    }
    commands.push(vec![b"SELECT".to_vec(), b"0".to_vec()]);
    client.pipeline(&commands);
}

/// One write.
fn write(rng: &mut Rng) -> String {
    let k = rng.below(40);
    let (i, v) = (rng.below(60), rng.below(1_000_000));
    let long = "L".repeat(1 + (v % 90) as usize);
    match rng.below(56) {
        0 | 1 => format!("SET s{k} {v}"),
        2 => format!("SET s{k} {long} PX {}", 3_600_000 + v),
        3 => format!("APPEND s{k} {long}"),
        4 => format!("INCRBY n{k} {v}"),
        5 => format!("INCRBYFLOAT f{k} 0.25"),
        6 => format!("SETRANGE s{k} {i} {long}"),
        7 => format!("GETDEL s{k}"),
        8 => format!("MSET s{k} {v} s{i} {long}"),
        9 => format!("SETNX s{k} {v}"),
        10 => format!("GETEX s{k} PX 7200000"),
        11 => format!("RPUSH l{k} {v} {long} {i}"),
        12 => format!("LPUSH l{k} {v} {long}"),
        13 => format!("LPOP l{k}"),
        14 => format!("RPOP l{k} 2"),
        15 => format!("LSET l{k} 0 {long}"),
        16 => format!("LTRIM l{k} 0 {i}"),
        17 => format!("LINSERT l{k} BEFORE {i} {v}"),
        18 => format!("LMOVE l{k} l{} LEFT RIGHT", i % 40),
        19 => format!("LREM l{k} 1 {i}"),
        20 | 21 => format!("HSET h{k} f{i} {v} g{i} {long}"),
        22 => format!("HDEL h{k} f{i} g{}", v % 60),
        23 => format!("HINCRBY h{k} n{i} {v}"),
        24 => format!("HINCRBYFLOAT h{k} x{i} 1.5"),
        25 | 26 => format!("SADD t{k} {i} {v}"),
        27 => format!("SADD t{k} m{i} {long}"),
        28 => format!("SREM t{k} {i} m{i}"),
        29 => format!("SPOP t{k}"),
        30 => format!("SMOVE t{k} t{} {i}", i % 40),
        31 => format!("SUNIONSTORE t{k} t{} t{}", i % 40, v % 40),
        32 | 33 => format!("ZADD z{k} {}.5 m{i} {i} {long}", v % 1000),
        34 => format!("ZINCRBY z{k} 2.25 m{i}"),
        35 => format!("ZREM z{k} m{i}"),
        36 => format!("ZPOPMIN z{k}"),
        37 => format!("ZREMRANGEBYRANK z{k} 0 0"),
        38 => format!("DEL s{k} l{i} h{}", v % 40),
        39 => format!(
            "PEXPIRE {}{k} {}",
            rng.pick(&["s", "l", "h", "t", "z", "x"]),
            3_600_000 + v
        ),
        40 => format!("PERSIST {}{k}", rng.pick(&["s", "l", "h", "t", "z", "x"])),
        41 => format!(
            "RENAME {0}{k} {0}{1}",
            rng.pick(&["s", "l", "h", "t", "z", "x"]),
            i % 40
        ),
        42 => format!(
            "COPY {0}{k} {0}{1} REPLACE",
            rng.pick(&["s", "l", "h", "t", "z", "x"]),
            i % 40
        ),
        44 | 45 => format!("XADD x{k} * f{i} {v}"),
        46 => format!("XADD x{k} * a {v} b {long}"),
        47 => format!("XADD x{k} MAXLEN ~ {i} {v}-* a {i}"),
        48 => format!("XTRIM x{k} MAXLEN {i}"),
        49 => format!("XGROUP CREATE x{k} g 0 MKSTREAM"),
        50 => format!("XREADGROUP GROUP g c{} COUNT 5 STREAMS x{k} >", i % 3),
        51 => format!("XREADGROUP GROUP g n{} COUNT 2 NOACK STREAMS x{k} >", i % 3),
        52 => format!("XAUTOCLAIM x{k} g c{} 0 0 COUNT 3", i % 3),
        53 => format!("XGROUP SETID x{k} g {}", rng.pick(&["0", "$"])),
        54 => format!("XGROUP DELCONSUMER x{k} g c{}", i % 3),
        _ => format!("SELECT {}", rng.pick(&[0, 0, 0, 1, 9])),
    }
}

fn run_all(client: &mut Client, commands: &[Vec<Vec<u8>>]) {
    for (command, reply) in commands.iter().zip(client.pipeline(commands)) {
        assert!(
            !reply.is_error(),
            "{:?}: {reply:?}",
            command[0].escape_ascii().to_string()
        );
    }
}

/// The snapshot with a module's auxiliary field, which no server without that module takes, in front of everything else:
/// type 247, then the module's id.
pub fn with_module(rdb: &[u8]) -> Vec<u8> {
    const HEADER: usize = "REDIS0010".len();
    let (header, rest) = rdb.split_at(HEADER);
    [header, &[247, 0x81], &1u64.to_be_bytes(), rest].concat()
}
