//! End to end over loopback: PING, GET and SET from one connection, 1, 16 and 64 of them at once.
//!
//! The server runs in this process, on one thread and a port of its own, and is the one that the binary runs: what is
//! timed is a batch written, executed, and its replies read, both sides' system calls included.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use damselfly_benches::{Client, free_port, request};
use damselfly_server::config::startup::{Invocation, invocation};
use damselfly_server::shell::run;
use std::thread::JoinHandle;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: usize = 100_000;
/// Batches that are sent in turn, so that keys differ from one to the next.
const BATCHES: usize = 64;

/// A Damselfly in this process.
struct Server {
    port: u16,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Server {
    fn start() -> Server {
        let port = free_port().expect("a free port");
        let port_text = port.to_string();
        let args = [
            ["--port", &port_text],
            ["--bind", "127.0.0.1"],
            ["--threads", "1"],
            ["--save", ""],
            // No such file: nothing is loaded from where the bench happens to run.
            ["--dbfilename", "damselfly-loopback-bench.rdb"],
        ];
        let args: Vec<Vec<u8>> = args
            .iter()
            .flatten()
            .map(|a| a.as_bytes().to_vec())
            .collect();
        let Ok(Invocation::Run(config, _)) = invocation(&args) else {
            panic!("the flags are those of the binary");
        };
        let thread = std::thread::spawn(move || run::run(*config));
        let server = Server {
            port,
            thread: Some(thread),
        };
        damselfly_benches::await_pong(port).expect("it answers");
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut client) = Client::connect(self.port) {
            // No reply comes: the server is gone.
            let _ = client.call(&["SHUTDOWN", "NOSAVE"]);
        }
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(Ok(())))), "it ends as it should");
    }
}

fn key(n: usize) -> String {
    format!("key:{:012}", n % KEYS)
}

/// The commands to time: what number `n` sends, and how long its reply is.
type Command = (&'static str, fn(usize) -> Vec<u8>, usize);

const COMMANDS: [Command; 3] = [
    ("ping", |_| request(&["PING"]), "+PONG\r\n".len()),
    (
        "get",
        |n| request(&["GET", &key(n)]),
        "$64\r\n\r\n".len() + 64,
    ),
    (
        "set",
        |n| request(&["SET", &key(n), &"w".repeat(64)]),
        "+OK\r\n".len(),
    ),
];

fn loopback(c: &mut Criterion) {
    let server = Server::start();
    let mut client = Client::connect(server.port).expect("it listens");
    for n in 0..KEYS / 100 {
        let some =
            (n * 100..(n + 1) * 100).flat_map(|n| request(&["SET", &key(n), &"v".repeat(64)]));
        let replies = client.exchange(&some.collect::<Vec<u8>>(), 100 * 5);
        assert_eq!(replies.expect("it answers"), b"+OK\r\n".repeat(100));
    }
    let mut group = c.benchmark_group("loopback");
    for (name, of, reply) in COMMANDS {
        for pipeline in [1, 16, 64] {
            // A stride that is prime to the number of keys visits all of them.
            let mut numbers = (0..).step_by(7919);
            let batches: Vec<Vec<u8>> = (0..BATCHES)
                .map(|_| numbers.by_ref().take(pipeline).flat_map(of).collect())
                .collect();
            let mut turn = batches.iter().cycle();
            group.throughput(Throughput::Elements(pipeline as u64));
            group.bench_function(format!("{name}/pipeline={pipeline}"), |b| {
                b.iter(|| {
                    let batch = turn.next().expect("it cycles");
                    let replies = client.exchange(batch, pipeline * reply);
                    assert_ne!(replies.expect("it answers")[0], b'-');
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, loopback);
criterion_main!(benches);
