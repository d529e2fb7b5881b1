//! Where a command runs: in place under a shard lock, or on the thread that owns its shard (ADR 0001).
//!
//! `cargo run --release -p damselfly-benches --bin placement`
//!
//! Two threads with a runtime each serve 25 connections each; a connection is a task that takes batches
//! of GETs (no sockets: what is compared is the way to the data, which a socket's cost would only hide).
//! In place, every GET locks the shard of its key. With owners, a batch is split by owner: a thread's own
//! share is executed at once without a lock, the other share is one message there and one back. Figures
//! are CPU time of the process over operations, interleaved A B, B A.

use std::cell::RefCell;
use std::hash::BuildHasher;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Result, ensure};
use damselfly_benches::{Spread, own_cpu};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

const KEYS: u64 = 1_000_000;
const SHARDS: usize = 256;
const THREADS: usize = 2;
const CONNECTIONS: usize = 25;
const ROUNDS: usize = 7;

type Entry = (Box<[u8]>, Box<[u8]>);
type Table = HashTable<Entry>;

#[repr(align(128))]
struct Shard(Mutex<Table>);

/// A batch of keys for another thread, and where its values are to go.
type Message = (Vec<Vec<u8>>, oneshot::Sender<Vec<u8>>);

fn key(n: u64) -> Vec<u8> {
    format!("key:{n:012}").into_bytes()
}

fn hash_of(key: &[u8]) -> u64 {
    FixedState::with_seed(7).hash_one(key)
}

fn get(table: &Table, hash: u64, key: &[u8], out: &mut Vec<u8>) {
    if let Some((_, value)) = table.find(hash, |(k, _)| **k == *key) {
        out.extend_from_slice(value);
    }
}

fn insert(table: &mut Table, n: u64) {
    let key = key(n);
    let hash = hash_of(&key);
    let entry = (key.into_boxed_slice(), vec![b'x'; 64].into_boxed_slice());
    table.insert_unique(hash, entry, |(k, _)| hash_of(k));
}

/// The keys of a batch: pseudo-random, the same in both ways.
fn batch(seed: &mut u64, size: usize) -> Vec<Vec<u8>> {
    (0..size)
        .map(|_| {
            *seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            key((*seed >> 33) % KEYS)
        })
        .collect()
}

fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize % SHARDS
}

fn in_place(shards: &Arc<Vec<Shard>>, batches: usize, size: usize) {
    let threads = (0..THREADS).map(|t| {
        let shards = shards.clone();
        std::thread::spawn(move || {
            local(async move {
                let tasks = (0..CONNECTIONS).map(|c| {
                    let shards = shards.clone();
                    tokio::task::spawn_local(async move {
                        let mut seed = (t * CONNECTIONS + c) as u64;
                        let mut out = Vec::new();
                        for _ in 0..batches {
                            out.clear();
                            for key in batch(&mut seed, size) {
                                let hash = hash_of(&key);
                                get(&shards[shard_of(hash)].0.lock(), hash, &key, &mut out);
                            }
                            assert_eq!(out.len(), 64 * size);
                            tokio::task::yield_now().await;
                        }
                    })
                });
                join(tasks.collect()).await;
            });
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(finish);
}

fn owners(tables: &Arc<Mutex<Vec<Option<Table>>>>, batches: usize, size: usize) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS)
        .map(|_| mpsc::unbounded_channel::<Message>())
        .unzip();
    let threads = receivers.into_iter().enumerate().map(|(t, mut inbox)| {
        let (senders, tables) = (senders.clone(), tables.clone());
        std::thread::spawn(move || {
            let taken = tables.lock()[t].take();
            let table = Rc::new(RefCell::new(taken.unwrap_or_default()));
            let served = table.clone();
            local(async move {
                let service = tokio::task::spawn_local({
                    let table = table.clone();
                    async move {
                        while let Some((keys, back)) = inbox.recv().await {
                            let mut out = Vec::with_capacity(64 * keys.len());
                            for key in keys {
                                get(&table.borrow(), hash_of(&key), &key, &mut out);
                            }
                            let _ = back.send(out);
                        }
                    }
                });
                let tasks = (0..CONNECTIONS).map(|c| {
                    let (senders, table) = (senders.clone(), table.clone());
                    tokio::task::spawn_local(async move {
                        let mut seed = (t * CONNECTIONS + c) as u64;
                        let mut out = Vec::new();
                        for _ in 0..batches {
                            out.clear();
                            let mut others = Vec::new();
                            for key in batch(&mut seed, size) {
                                let hash = hash_of(&key);
                                if shard_of(hash) % THREADS == t {
                                    get(&table.borrow(), hash, &key, &mut out);
                                } else {
                                    others.push(key);
                                }
                            }
                            if !others.is_empty() {
                                let (back, reply) = oneshot::channel();
                                let sent = senders[1 - t].send((others, back));
                                assert!(sent.is_ok(), "the other thread serves to the end");
                                out.extend(reply.await.unwrap_or_default());
                            }
                            assert_eq!(out.len(), 64 * size);
                            tokio::task::yield_now().await;
                        }
                    })
                });
                join(tasks.collect()).await;
                drop(senders);
                // The other thread may still ask: the service ends when nobody can.
                let _ = service.await;
            });
            let back = Rc::try_unwrap(served).map(RefCell::into_inner);
            tables.lock()[t] = back.ok();
        })
    });
    let threads: Vec<_> = threads.collect();
    drop(senders);
    threads.into_iter().for_each(finish);
}

fn local(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without drivers needs nothing");
    tokio::task::LocalSet::new().block_on(&runtime, work);
}

async fn join(tasks: Vec<tokio::task::JoinHandle<()>>) {
    for task in tasks {
        task.await.expect("a connection does not panic");
    }
}

fn finish(thread: std::thread::JoinHandle<()>) {
    thread.join().expect("a thread does not panic");
}

fn main() -> Result<()> {
    let mut tables: Vec<Table> = (0..SHARDS).map(|_| Table::new()).collect();
    let mut owned: Vec<Table> = (0..THREADS).map(|_| Table::new()).collect();
    for n in 0..KEYS {
        let shard = shard_of(hash_of(&key(n)));
        insert(&mut tables[shard], n);
        insert(&mut owned[shard % THREADS], n);
    }
    let shards = Arc::new(tables.into_iter().map(|t| Shard(Mutex::new(t))).collect());
    let owned = Arc::new(Mutex::new(owned.into_iter().map(Some).collect()));
    println!("| pipeline | in place, µs | owner thread, µs | owner / in place |");
    println!("|---|---|---|---|");
    for size in [1usize, 16, 64] {
        let batches = 40_000 / size.min(16);
        let ops = (THREADS * CONNECTIONS * batches * size) as f64;
        let (mut a, mut b, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let mut cost = [0.0; 2];
            for way in [round % 2, 1 - round % 2] {
                let before = own_cpu()?;
                if way == 0 {
                    in_place(&shards, batches, size);
                } else {
                    owners(&owned, batches, size);
                }
                cost[way] = (own_cpu()? - before).as_secs_f64() * 1e6 / ops;
            }
            ensure!(cost[0] > 0.0, "too short to be measured");
            a.push(cost[0]);
            b.push(cost[1]);
            ratio.push(cost[1] / cost[0]);
        }
        let [a, b, ratio] = [a, b, ratio].map(Spread::of);
        println!("| {size} | {a} | {b} | {ratio} |");
    }
    Ok(())
}
