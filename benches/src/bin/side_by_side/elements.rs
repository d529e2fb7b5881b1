//! Resident bytes per element of collections.

use anyhow::{Result, ensure};
use damselfly_benches::Client;

use crate::grown;

/// Elements in all, whatever they are spread over.
const ELEMENTS: u64 = 1_000_000;
/// Elements of a command that makes a large collection.
const BATCH: u64 = 100;

/// A collection: its name, the command, and what makes the arguments that are element number `i` of one.
type Kind = (&'static str, &'static str, fn(u64) -> Vec<String>);

const KINDS: [Kind; 9] = [
    ("list", "RPUSH", |i| vec![format!("e:{i:012}")]),
    ("list of integers", "RPUSH", |i| vec![spread(i)]),
    ("set", "SADD", |i| vec![format!("m:{i:012}")]),
    ("set of integers", "SADD", |i| vec![spread(i)]),
    ("hash", "HSET", |i| {
        vec![format!("f:{i:012}"), format!("v:{i}")]
    }),
    ("hash of integers", "HSET", |i| {
        vec![format!("f:{i}"), spread(i)]
    }),
    ("sorted set", "ZADD", |i| {
        vec![spread(i), format!("m:{i:012}")]
    }),
    ("sorted set of integers", "ZADD", |i| {
        vec![i.to_string(), spread(i)]
    }),
    ("sorted set, scores of seconds and ms", "ZADD", |i| {
        vec![
            format!("17000{i:05}.{:03}", i * 7919 % 1000),
            format!("m:{i}"),
        ]
    }),
];

/// Integers of up to six digits.
fn spread(i: u64) -> String {
    (i * 7919 % 1_000_003).to_string()
}

/// A table: a line for each kind and size.
pub fn elements(rounds: usize) -> Result<()> {
    println!("## Bytes per element (resident; {ELEMENTS} of them in collections of a size)\n");
    println!("| what | redis-server | damselfly | ratio |");
    println!("|---|---|---|---|");
    for size in [10, 100, ELEMENTS] {
        for kind in &KINDS {
            let what = format!("{} of {size}", kind.0);
            grown(&what, rounds, |server| {
                let mut client = server.client()?;
                (0..ELEMENTS / size).try_for_each(|n| fill(&mut client, kind, n, size))?;
                Ok(ELEMENTS)
            })?;
        }
    }
    println!();
    Ok(())
}

/// Makes collection number `n`.
fn fill(client: &mut Client, kind: &Kind, n: u64, size: u64) -> Result<()> {
    let (_, verb, element) = kind;
    let key = format!("key:{n:012}");
    for first in (0..size).step_by(BATCH as usize) {
        let mut args = vec![(*verb).to_owned(), key.clone()];
        for i in first..size.min(first + BATCH) {
            args.extend(element(i));
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let reply = client.call(&args)?;
        ensure!(reply.starts_with(':'), "{verb}: {reply}");
    }
    Ok(())
}
