//! GET and SET through the dispatcher, as a connection runs them: 1 M keys of 16 + 64 bytes, a reply buffer, no
//! journal. With two threads, the time is that of both running at once, per command of one.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use damselfly_server::command::{Effects, Env, Expiry, Origin, find, run};
use damselfly_server::resp::Reply;
use damselfly_server::store::{Dataset, Limits};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: u64 = 1_000_000;
/// Commands after which the reply buffer is sent away.
const BATCH: u64 = 16;

/// The key of a number, 16 bytes.
fn key(number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// What one thread needs to run commands.
struct Client<'a> {
    env: Env<'a>,
    effects: Effects,
    out: Reply,
    random: u64,
}

impl<'a> Client<'a> {
    fn new(dataset: &'a Dataset, limits: &'a Limits, seed: u64) -> Self {
        Client {
            env: Env {
                dataset,
                db: 0,
                now_ms: 1_000_000,
                origin: Origin::Client,
                expiry: Expiry::Remove,
                limits,
                journal: None,
                in_transaction: false,
                in_script: false,
                no_touch: false,
                waiter: None,
                audience: None,
                hash: None,
            },
            effects: Effects::default(),
            out: Reply::default(),
            random: seed,
        }
    }

    /// A key at random.
    fn next(&mut self) -> [u8; 16] {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        key((self.random >> 33) % KEYS)
    }

    fn run(&mut self, args: &[&[u8]]) {
        let command = find(args[0]).expect("a command");
        run(command, args, &self.env, &mut self.effects, &mut self.out);
    }

    fn batches(&mut self, commands: u64, value: Option<&[u8]>) {
        for i in 0..commands {
            let key = self.next();
            match value {
                Some(value) => self.run(&[b"SET", &key, value]),
                None => self.run(&[b"GET", &key]),
            }
            if i % BATCH == 0 {
                black_box(self.out.as_bytes());
                self.out.clear();
            }
        }
    }
}

/// How long `threads` threads take for `commands` each.
fn time(dataset: &Dataset, threads: u64, commands: u64, value: Option<&[u8]>) -> Duration {
    let (limits, start) = (Limits::default(), Barrier::new(threads as usize));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|seed| {
                let (limits, start) = (&limits, &start);
                scope.spawn(move || {
                    let mut client = Client::new(dataset, limits, seed + 1);
                    start.wait();
                    let begin = Instant::now();
                    client.batches(commands, value);
                    begin.elapsed()
                })
            })
            .collect();
        let times = workers.into_iter().map(|w| w.join().expect("a worker"));
        times.max().unwrap_or_default()
    })
}

fn store(c: &mut Criterion) {
    let (dataset, limits) = (Dataset::new(16), Limits::default());
    let mut client = Client::new(&dataset, &limits, 1);
    for number in 0..KEYS {
        client.run(&[b"SET", &key(number), &[b'v'; 64]]);
        client.out.clear();
    }
    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements(1));
    for threads in [1, 2] {
        group.bench_function(format!("get/threads={threads}"), |b| {
            b.iter_custom(|n| time(&dataset, threads, n, None));
        });
        group.bench_function(format!("set/threads={threads}"), |b| {
            b.iter_custom(|n| time(&dataset, threads, n, Some(&[b'w'; 64])));
        });
    }
    group.bench_function("lookup of a command", |b| {
        b.iter(|| find(black_box(b"GET")));
    });
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);
