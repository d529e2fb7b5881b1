//! Everything a server holds, in a form that two servers can be compared by.

use super::resp::{Client, Value};
use super::server::{Info, Server};
use super::wait::{check, eventually};
use std::collections::BTreeMap;

/// A key of a database.
type Key = (u32, Vec<u8>);

/// What is stored under a key: unordered values sorted, scores as the server writes them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    kind: String,
    parts: Vec<Vec<u8>>,
    /// Unix time in milliseconds; -1 without an expiry.
    expires: i64,
}

/// Every key of every database.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dump(BTreeMap<Key, Stored>);

impl Dump {
    /// Reads a server. It should be at rest: keys are read one after another.
    ///
    /// # Panics
    /// If the server refuses a read or holds a type that this does not know.
    pub fn of(server: &Server) -> Dump {
        let mut client = server.client();
        let keyspace = Info::of(&mut client, "keyspace");
        let mut dump = BTreeMap::new();
        for db in 0..16u32 {
            if keyspace.get(&format!("db{db}")).is_empty() {
                continue;
            }
            client.run(&format!("SELECT {db}")).ok();
            let keys = scan(&mut client);
            for portion in keys.chunks(1000) {
                for (key, stored) in read(&mut client, portion) {
                    dump.insert((db, key), stored);
                }
            }
        }
        Dump(dump)
    }

    /// Number of keys, over all databases.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Number of keys of a type.
    pub fn count(&self, kind: &str) -> usize {
        self.0.values().filter(|s| s.kind == kind).count()
    }

    /// What differs, a line each, at most ten.
    pub fn differences(&self, other: &Dump) -> Vec<String> {
        let here = self
            .0
            .iter()
            .map(|(key, stored)| (key, Some(stored), other.0.get(key)));
        let there = other.0.iter().filter(|(key, _)| !self.0.contains_key(*key));
        here.chain(there.map(|(key, stored)| (key, None, Some(stored))))
            .filter(|(_, left, right)| left != right)
            .map(|(key, left, right)| format!("{}: {} / {}", name(key), short(left), short(right)))
            .take(10)
            .collect()
    }
}

/// Waits until both servers hold the same, and returns it.
///
/// # Panics
/// With the differences, if that does not happen.
pub fn assert_same_data(a: &Server, b: &Server) -> Dump {
    eventually("both servers hold the same", || {
        let (left, right) = (Dump::of(a), Dump::of(b));
        let differences = left.differences(&right);
        check(differences.is_empty(), || differences.join("\n"))?;
        Ok(left)
    })
}

fn scan(client: &mut Client) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.run(&format!("SCAN {cursor} COUNT 1000"));
        let [next, page] = reply.list() else {
            panic!("SCAN answered {reply:?}")
        };
        keys.extend(page.list().iter().map(|k| k.bytes().to_vec()));
        cursor = next.text();
        if cursor == "0" {
            keys.sort();
            keys.dedup();
            return keys;
        }
    }
}

fn read(client: &mut Client, keys: &[Vec<u8>]) -> Vec<(Vec<u8>, Stored)> {
    let ask = |name: &str, key: &[u8]| vec![name.as_bytes().to_vec(), key.to_vec()];
    let kinds = client.pipeline(&keys.iter().map(|k| ask("TYPE", k)).collect::<Vec<_>>());
    let mut commands = Vec::with_capacity(2 * keys.len());
    for (key, kind) in keys.iter().zip(&kinds) {
        let mut command = match kind.text().as_str() {
            "string" => ask("GET", key),
            "list" => ask("LRANGE", key),
            "hash" => ask("HGETALL", key),
            "set" => ask("SMEMBERS", key),
            "zset" => ask("ZRANGE", key),
            "stream" => vec![b"XINFO".to_vec(), b"STREAM".to_vec(), key.clone()],
            // Gone since the scan: the value reads as nothing.
            "none" => ask("GET", key),
            other => panic!("a key of type {other}"),
        };
        match kind.text().as_str() {
            "list" => command.extend([b"0".to_vec(), b"-1".to_vec()]),
            "zset" => command.extend([b"0".to_vec(), b"-1".to_vec(), b"WITHSCORES".to_vec()]),
            "stream" => command.extend([b"FULL".to_vec(), b"COUNT".to_vec(), b"0".to_vec()]),
            _ => {}
        }
        commands.push(command);
        commands.push(ask("PEXPIRETIME", key));
    }
    let replies = client.pipeline(&commands);
    keys.iter()
        .zip(kinds)
        .zip(replies.chunks(2))
        .map(|((key, kind), pair)| {
            let stored = Stored {
                kind: kind.text(),
                parts: parts(&kind.text(), &pair[0]),
                expires: pair[1].int(),
            };
            (key.clone(), stored)
        })
        .collect()
}

fn parts(kind: &str, value: &Value) -> Vec<Vec<u8>> {
    match value {
        Value::Nil => Vec::new(),
        Value::Bulk(b) => vec![b.clone()],
        Value::Array(items) if kind == "stream" => {
            let mut parts = Vec::new();
            streamed(items, &mut parts);
            parts
        }
        Value::Array(items) => {
            let items = items.iter().map(|v| v.bytes().to_vec());
            match kind {
                "set" => sorted(items.collect()),
                "hash" => {
                    let flat: Vec<_> = items.collect();
                    let pairs = flat.chunks(2).map(|p| p.join(&b" => "[..])).collect();
                    sorted(pairs)
                }
                _ => items.collect(),
            }
        }
        other => panic!("a {kind} was answered {other:?}"),
    }
}

/// Fields of `XINFO STREAM FULL` that stock masters do not tell their replicas, or that are not about the content.
const UNTOLD: &[&[u8]] = &[
    b"radix-tree-keys",
    b"radix-tree-nodes",
    b"entries-read",
    b"lag",
    b"consumers",
];

/// What is told of a stream, without times and counts of deliveries.
fn streamed(items: &[Value], parts: &mut Vec<Vec<u8>>) {
    // An entry that is pending: ID, consumer, time, count.
    if let [
        Value::Bulk(id),
        Value::Bulk(consumer),
        Value::Int(_),
        Value::Int(_),
    ] = items
    {
        parts.push([id, &b" of "[..], consumer].concat());
        return;
    }
    let mut items = items.iter();
    while let Some(item) = items.next() {
        match item {
            Value::Bulk(name) if UNTOLD.contains(&&name[..]) => drop(items.next()),
            Value::Bulk(text) => parts.push(text.clone()),
            Value::Int(int) => parts.push(int.to_string().into_bytes()),
            Value::Array(items) => streamed(items, parts),
            _ => parts.push(b"nil".to_vec()),
        }
    }
}

fn sorted(mut items: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    items.sort();
    items
}

fn name((db, key): &Key) -> String {
    format!("db{db} {}", key.escape_ascii())
}

fn short(stored: Option<&Stored>) -> String {
    let Some(stored) = stored else {
        return "none".into();
    };
    let first = stored.parts.first().map_or(String::new(), |p| {
        p[..p.len().min(40)].escape_ascii().to_string()
    });
    format!(
        "{} of {} {first:?} expires {}",
        stored.kind,
        stored.parts.len(),
        stored.expires
    )
}
