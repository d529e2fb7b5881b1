//! Snapshots between Damselfly and the stock redis-server, both ways.

mod stock;

use damselfly_server::rdb::dump;
use damselfly_server::rdb::load::{Expired, Loader};
use damselfly_server::rdb::read::{Options, Reader, Summary};
use damselfly_server::rdb::write::{self, Facts, Writer};
use damselfly_server::rdb::{RdbError, error::Blame};
use damselfly_server::store::{Dataset, Limits, Snapshot, ValueRef};
use stock::{Content, Dir, Plain, Stock, check_rdb, content};

const FAR: i64 = 4_000_000_000_000;

/// Something of every type and encoding, in three databases, with and without expiry.
fn fill(connection: &mut redis::Connection) {
    fn run(connection: &mut redis::Connection, command: &[&[u8]]) {
        let mut cmd = redis::Cmd::new();
        command.iter().for_each(|arg| {
            cmd.arg(arg);
        });
        let _: redis::Value = cmd
            .query(connection)
            .unwrap_or_else(|error| panic!("{}: {error}", command[0].escape_ascii()));
    }
    /// Runs `name key elements...`, a hundred elements at a time.
    fn many(
        connection: &mut redis::Connection,
        name: &str,
        key: &str,
        width: usize,
        elements: &[Vec<u8>],
    ) {
        for some in elements.chunks(100 * width) {
            let mut command = vec![name.as_bytes(), key.as_bytes()];
            command.extend(some.iter().map(Vec::as_slice));
            run(connection, &command);
        }
    }
    let text = |n: usize| format!("element {n}").into_bytes();
    let noise = |len: usize, seed: u64| {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let byte = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..len).map(byte).collect::<Vec<u8>>()
    };
    let score = |n: usize| match n % 7 {
        0 => format!("{n}"),
        1 => format!("-{n}.25"),
        2 => "inf".to_owned(),
        3 => "-inf".to_owned(),
        4 => format!("0.{n}1"),
        5 => format!("{n}e290"),
        _ => "-0".to_owned(),
    };
    for db in [0, 3, 15] {
        run(connection, &[b"SELECT", format!("{db}").as_bytes()]);
        for (i, value) in [
            "",
            "a",
            "0",
            "-1",
            "127",
            "128",
            "-129",
            "32768",
            "-32769",
            "2147483647",
            "2147483648",
            "-2147483649",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "-0",
            "007",
            "3.0",
        ]
        .iter()
        .enumerate()
        {
            run(
                connection,
                &[b"SET", format!("small:{i}").as_bytes(), value.as_bytes()],
            );
        }
        let all_bytes: Vec<u8> = (0..=255).collect();
        run(connection, &[b"SET", &all_bytes, &all_bytes]);
        run(connection, &[b"SET", b"", b"the empty key"]);
        run(connection, &[b"SET", b"12345", b"a key of digits"]);
        run(
            connection,
            &[b"SET", b"squeezed", &b"damselfly ".repeat(5_000)],
        );
        run(connection, &[b"SET", b"noise", &noise(700_000, 1)]);
        run(
            connection,
            &[
                b"SET",
                b"expiring",
                b"x",
                b"PXAT",
                format!("{FAR}").as_bytes(),
            ],
        );
        for count in [1, 100, 700] {
            let texts: Vec<_> = (0..count).map(text).collect();
            let pairs: Vec<_> = (0..count)
                .flat_map(|n| [text(n), format!("{}", n * n * n * 1000).into_bytes()])
                .collect();
            let scores: Vec<_> = (0..count)
                .flat_map(|n| [score(n).into_bytes(), text(n)])
                .collect();
            many(connection, "RPUSH", &format!("list:{count}"), 1, &texts);
            many(connection, "SADD", &format!("set:{count}"), 1, &texts);
            many(connection, "HSET", &format!("hash:{count}"), 2, &pairs);
            many(connection, "ZADD", &format!("zset:{count}"), 2, &scores);
            let at = format!("{}", FAR + count as i64);
            run(
                connection,
                &[
                    b"PEXPIREAT",
                    format!("hash:{count}").as_bytes(),
                    at.as_bytes(),
                ],
            );
            for (width, step) in [(16, 10), (32, 1_000_000), (64, 1_000_000_000_000i64)] {
                let ints: Vec<_> = (0..count)
                    .map(|n| format!("{}", (n as i64 - 50) * step).into_bytes())
                    .collect();
                many(
                    connection,
                    "SADD",
                    &format!("ints:{width}:{count}"),
                    1,
                    &ints,
                );
                many(
                    connection,
                    "RPUSH",
                    &format!("list of ints:{width}:{count}"),
                    1,
                    &ints,
                );
            }
        }
        let long: Vec<_> = (1..9).map(|n| noise(n * n * 1_500, n as u64)).collect();
        many(connection, "RPUSH", "list of long ones", 1, &long);
        many(connection, "SADD", "set of long ones", 1, &long);
        many(connection, "HSET", "hash of long ones", 2, &long);
        // From here on an element of 1000 bytes is a node of its own, not in a listpack.
        run(
            connection,
            &[b"DEBUG", b"QUICKLIST-PACKED-THRESHOLD", b"1000"],
        );
        many(connection, "RPUSH", "list of plain nodes", 1, &long);
        run(connection, &[b"DEBUG", b"QUICKLIST-PACKED-THRESHOLD", b"0"]);
    }
}

fn load(bytes: &[u8]) -> Result<(Dataset, Summary), RdbError> {
    let dataset = Dataset::new(16);
    let summary =
        Reader::new(bytes, Options::default()).read(&mut Loader::new(&dataset, Expired::Keep))?;
    Ok((dataset, summary))
}

fn plain(value: ValueRef<'_>) -> Plain {
    match value {
        ValueRef::Str(text) => Plain::Str(text.to_vec()),
        ValueRef::List(list) => Plain::List(list.iter().map(<[u8]>::to_vec).collect()),
        ValueRef::Set(set) => Plain::Set(set.iter().map(|member| member.to_vec()).collect()),
        ValueRef::Hash(hash) => Plain::Hash(
            hash.iter()
                .map(|(field, value)| (field.to_vec(), value.to_vec()))
                .collect(),
        ),
        ValueRef::Zset(zset) => Plain::Zset(
            zset.iter()
                .map(|(member, score)| (member.to_vec(), score.to_bits()))
                .collect(),
        ),
    }
}

fn content_of(dataset: &Dataset) -> Content {
    let mut content = Content::new();
    let mut snapshot = Snapshot::begin(dataset);
    loop {
        let mut some = Vec::new();
        let walked = snapshot.walk(&mut |key, value, expire_ms| {
            some.push((key.to_vec(), (plain(value), expire_ms)));
        });
        let Some(db) = walked else { return content };
        content.extend(
            some.into_iter()
                .map(|(key, value)| ((db as u32, key), value)),
        );
    }
}

fn write(dataset: &Dataset, options: write::Options) -> Vec<u8> {
    let mut writer = Writer::new(options);
    writer.header(&Facts::default());
    let mut snapshot = Snapshot::begin(dataset);
    let sizes: Vec<_> = snapshot
        .dbs()
        .map(|(db, keys)| (db, keys.len(), keys.expires()))
        .collect();
    let mut sizes = sizes.into_iter().peekable();
    let mut bytes = Vec::new();
    while let Some(db) = snapshot.db() {
        writer.select_db(db as u32);
        if let Some((_, keys, expiring)) = sizes.next_if(|(next, ..)| *next == db) {
            writer.resize_db(keys as u64, expiring as u64);
        }
        snapshot.walk(&mut |key, value, expire_ms| writer.key(key, value, expire_ms));
        writer.drain_to(&mut bytes).expect("a vector takes all");
    }
    writer.finish();
    bytes.extend(writer.take());
    bytes
}

#[track_caller]
fn assert_same(ours: &Content, stock: &Content) {
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        stock.keys().collect::<Vec<_>>()
    );
    for (key, value) in stock {
        assert!(
            ours[key] == *value,
            "db {}, key \"{}\" differs",
            key.0,
            key.1.escape_ascii()
        );
    }
}

#[test]
fn what_the_stock_server_saves_is_read() {
    for arguments in [
        &[][..],
        &[
            "--rdbcompression",
            "no",
            "--rdbchecksum",
            "no",
            "--list-max-listpack-size",
            "5",
        ],
        &[
            "--list-compress-depth",
            "1",
            "--hash-max-listpack-entries",
            "1000",
            "--zset-max-listpack-entries",
            "1000",
        ],
    ] {
        let stock = Stock::start(Dir::new(), arguments);
        let mut connection = stock.connect();
        fill(&mut connection);
        let bytes = stock.save();
        let (dataset, summary) =
            load(&bytes).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        assert_eq!(summary.bytes, bytes.len() as u64);
        assert_eq!(summary.version, 10);
        assert_eq!(summary.verified, !arguments.contains(&"--rdbchecksum"));
        assert_same(&content_of(&dataset), &content(&mut connection));
    }
}

#[test]
fn what_we_write_the_stock_server_loads() {
    let first = Stock::start(Dir::new(), &[]);
    fill(&mut first.connect());
    let (dataset, summary) = load(&first.save()).expect("the stock server's snapshot is sound");
    let want = content(&mut first.connect());
    for (compress, checksum) in [(true, true), (false, false)] {
        let bytes = write(&dataset, write::Options { compress, checksum });
        let (again, read) = load(&bytes).expect("what we write we read");
        assert_eq!((read.keys, read.verified), (summary.keys, checksum));
        assert_same(&content_of(&again), &want);

        let dir = Dir::new();
        let file = dir.path().join("dump.rdb");
        std::fs::write(&file, &bytes).expect("a file can be written");
        let (content_with_it, said) = check_rdb(&file);
        assert!(content_with_it, "{said}");
        let stock = Stock::start(dir, &["--sanitize-dump-payload", "yes"]);
        assert_same(&content(&mut stock.connect()), &want);
    }
}

#[test]
fn what_is_not_served_is_named() {
    let stock = Stock::start(Dir::new(), &[]);
    let mut connection = stock.connect();
    () = redis::cmd("SET")
        .arg("a")
        .arg("1")
        .query(&mut connection)
        .expect("SET works");
    let _: String = redis::cmd("XADD")
        .arg(&["events", "*", "field", "value"])
        .query(&mut connection)
        .expect("XADD works");
    let error = load(&stock.save())
        .err()
        .expect("streams are not served yet");
    assert_eq!(error.blame(), Blame::Versions);
    let text = error.to_string();
    assert!(
        text.contains("stream") && text.contains("\"events\""),
        "{text}"
    );

    () = redis::cmd("DEL")
        .arg("events")
        .query(&mut connection)
        .expect("DEL works");
    let _: String = redis::cmd("FUNCTION")
        .arg("LOAD")
        .arg("#!lua name=mylib\nredis.register_function('f', function() return 1 end)")
        .query(&mut connection)
        .expect("FUNCTION LOAD works");
    let text = load(&stock.save())
        .err()
        .expect("functions are not served yet")
        .to_string();
    assert!(text.contains("function library \"mylib\""), "{text}");
}

#[test]
fn old_encodings_are_read_as_the_stock_server_reads_them() {
    let bytes = include_bytes!("data/old-encodings.rdb");
    let dir = Dir::new();
    std::fs::write(dir.path().join("dump.rdb"), bytes).expect("a file can be written");
    let stock = Stock::start(dir, &["--sanitize-dump-payload", "yes"]);
    let (dataset, summary) = load(bytes).expect("the file is sound");
    assert_eq!(summary.keys, 7);
    assert_same(&content_of(&dataset), &content(&mut stock.connect()));
}

#[test]
fn single_values_go_both_ways() {
    let stock = Stock::start(Dir::new(), &[]);
    let mut connection = stock.connect();
    fill(&mut connection);
    () = redis::cmd("SELECT")
        .arg(0)
        .query(&mut connection)
        .expect("there is one");
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS")
        .arg("*")
        .query(&mut connection)
        .expect("KEYS works");
    for key in &keys {
        let payload: Vec<u8> = redis::cmd("DUMP")
            .arg(key)
            .query(&mut connection)
            .expect("DUMP works");
        let object = dump::restore(&payload, &Limits::default())
            .unwrap_or_else(|error| panic!("\"{}\": {error:?}", key.escape_ascii()));
        let ours = dump::dump(object.as_ref());
        let restored: String = redis::cmd("RESTORE")
            .arg(&[b"restored", &b"0"[..], &ours, b"REPLACE"])
            .query(&mut connection)
            .unwrap_or_else(|error| panic!("\"{}\": {error}", key.escape_ascii()));
        assert_eq!(restored, "OK");
        let here = stock::value(&mut connection, key);
        assert!(
            here == plain(object.as_ref()),
            "\"{}\" differs here",
            key.escape_ascii()
        );
        let there = stock::value(&mut connection, b"restored");
        assert!(here == there, "\"{}\" differs there", key.escape_ascii());
    }
    assert!(keys.len() > 40);
}
