//! What a server holds, and what a dataset of ours does, to be compared.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{Client, Value};
use damselfly_server::command::{Effects, Env, Expiry, Origin, resolve, run};
use damselfly_server::resp::Reply;
use damselfly_server::resp::reply::Proto;
use damselfly_server::store::elem::Elem;
use damselfly_server::store::stream::Stream;
use damselfly_server::store::{Dataset, Limits, Object, Snapshot, ValueRef};

/// A value as its users see it, whatever its encoding.
#[derive(Clone, PartialEq, Debug)]
pub enum Plain {
    Str(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    /// Members in order with their scores' bits.
    Zset(Vec<(Vec<u8>, u64)>),
    /// As `XINFO STREAM FULL` tells it, in words.
    Stream(Vec<String>),
}

/// Value and expiry (milliseconds since 1970) by database and key.
pub type Content = BTreeMap<(u32, Vec<u8>), (Plain, Option<i64>)>;

/// Everything that a server holds, asked for key by key.
pub fn of_server(client: &mut Client) -> Content {
    let mut content = Content::new();
    for db in 0..16u32 {
        client.run(&format!("SELECT {db}")).ok();
        let mut keys = strings(&client.run("KEYS *"));
        keys.sort();
        for key in keys {
            let value = value(client, &key);
            let at = client.cmd(&[b"PEXPIRETIME", &key[..]]).int();
            content.insert((db, key), (value, (at >= 0).then_some(at)));
        }
    }
    content
}

/// The value of a key of the selected database.
pub fn value(client: &mut Client, key: &[u8]) -> Plain {
    let kind = client.cmd(&[b"TYPE", key]).text();
    let mut ask = |command: &[u8], rest: &[&[u8]]| client.cmd(&[&[command, key], rest].concat());
    let pairs = |flat: Vec<Vec<u8>>| -> Vec<(Vec<u8>, Vec<u8>)> {
        let pairs = flat.chunks_exact(2);
        pairs
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect()
    };
    match kind.as_str() {
        "string" => Plain::Str(ask(b"GET", &[]).bytes().to_vec()),
        "list" => Plain::List(strings(&ask(b"LRANGE", &[b"0", b"-1"]))),
        "set" => Plain::Set(strings(&ask(b"SMEMBERS", &[])).into_iter().collect()),
        "hash" => Plain::Hash(pairs(strings(&ask(b"HGETALL", &[]))).into_iter().collect()),
        "zset" => {
            let members = pairs(strings(&ask(b"ZRANGE", &[b"0", b"-1", b"WITHSCORES"])));
            let score = |text: Vec<u8>| -> u64 {
                let text = String::from_utf8(text).expect("a score is text");
                text.parse::<f64>().expect("a score is a number").to_bits()
            };
            Plain::Zset(
                members
                    .into_iter()
                    .map(|(member, text)| (member, score(text)))
                    .collect(),
            )
        }
        "stream" => {
            let info = client.cmd(&[b"XINFO", &b"STREAM"[..], key, b"FULL", b"COUNT", b"0"]);
            let mut words = Vec::new();
            flatten(&info, &mut words);
            Plain::Stream(words)
        }
        other => panic!("a key of type {other}"),
    }
}

fn flatten(reply: &Value, words: &mut Vec<String>) {
    match reply {
        Value::Array(items) => items.iter().for_each(|item| flatten(item, words)),
        Value::Nil => words.push("nil".into()),
        Value::Int(int) => words.push(int.to_string()),
        other => words.push(other.bytes().escape_ascii().to_string()),
    }
}

/// What `XINFO STREAM FULL` answers of a stream of ours, as [`flatten`] writes it.
fn told(stream: &Stream) -> Vec<String> {
    let mut out = Reply::new(Proto::Resp2);
    let dataset = Dataset::new(1);
    dataset.dbs()[0].insert_loaded(b"k", Object::Stream(Box::new(stream.clone())), None);
    let args: [&[u8]; 6] = [b"XINFO", b"STREAM", b"k", b"FULL", b"COUNT", b"0"];
    let env = Env {
        dataset: &dataset,
        db: 0,
        now_ms: 0,
        origin: Origin::Client,
        expiry: Expiry::Ignore,
        limits: &Limits::default(),
        journal: None,
        in_transaction: false,
        in_script: false,
        no_touch: false,
        waiter: None,
        audience: None,
        hash: None,
    };
    let command = resolve(&args).expect("a command");
    run(command, &args, &env, &mut Effects::default(), &mut out);
    words_of(out.as_bytes())
}

/// The same of a reply in RESP2.
fn words_of(mut reply: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    while !reply.is_empty() {
        let end = reply.iter().position(|&b| b == b'\r').expect("a line");
        let (kind, line) = (
            reply[0],
            String::from_utf8_lossy(&reply[1..end]).into_owned(),
        );
        reply = &reply[end + 2..];
        match (kind, line.as_str()) {
            (b'*' | b'$', "-1") => words.push("nil".into()),
            (b'*', _) => {}
            (b'$', len) => {
                let len: usize = len.parse().expect("a length");
                words.push(reply[..len].escape_ascii().to_string());
                reply = &reply[len + 2..];
            }
            _ => words.push(line),
        }
    }
    words
}

fn strings(reply: &Value) -> Vec<Vec<u8>> {
    reply
        .list()
        .iter()
        .map(|item| item.bytes().to_vec())
        .collect()
}

/// Everything in a dataset.
pub fn of_dataset(dataset: &Dataset) -> Content {
    let mut content = Content::new();
    let mut snapshot = Snapshot::begin(dataset);
    while let Some(db) = snapshot.db() {
        snapshot.walk(&mut |key, value, expire_ms| {
            content.insert((db as u32, key.to_vec()), (plain(value), expire_ms));
        });
    }
    content
}

/// A value of ours.
pub fn plain(value: ValueRef<'_>) -> Plain {
    match value {
        ValueRef::Str(text) => Plain::Str(text.to_vec()),
        ValueRef::List(list) => Plain::List(list.iter().map(|e| Elem::from(e).to_vec()).collect()),
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
        ValueRef::Stream(stream) => Plain::Stream(told(stream)),
    }
}

/// Compares key by key, so that a failure names one.
#[track_caller]
pub fn assert_same(ours: &Content, stock: &Content) {
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
