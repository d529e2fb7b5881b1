//! What `--trace FILE` costs a master, and a replica that applies its stream.
//!
//! Two pairs of a master and a replica, one of which records, take the same load in turn. The replica's part of a
//! round ends when it has everything.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use damselfly_benches::{Client, Server, Spread, Which};

use crate::job::{By, Job};
use crate::{KEYS, get_and_set};

/// Clients, commands that each of them sends at once, and commands in all.
const CASES: [(u64, u64, u64); 3] = [(1, 1, 150_000), (50, 1, 400_000), (50, 16, 4_000_000)];

/// A master and its replica.
struct Pair {
    master: Server,
    replica: Server,
}

/// CPU per operation of a master and of a replica in microseconds, and operations a second.
type Costs = [f64; 3];

/// Prints the ratios of recording over not recording, case by case.
pub fn trace(rounds: usize) -> Result<()> {
    println!(
        "## What --trace costs (SET of 64 bytes; a master and its replica, with over without)\n"
    );
    println!(
        "| clients | pipeline | CPU of the master, µs | ratio | CPU of the replica, µs | ratio | throughput ratio |"
    );
    println!("|---|---|---|---|---|---|---|");
    let dir = std::env::temp_dir().join(format!("damselfly-bench-trace-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let done = in_turn(rounds, &dir);
    std::fs::remove_dir_all(&dir)?;
    println!();
    done
}

fn in_turn(rounds: usize, dir: &std::path::Path) -> Result<()> {
    let file = |name: &str| dir.join(name).display().to_string();
    let (of_master, of_replica) = (file("master"), file("replica"));
    let pairs = [
        Pair::start(&[], &[])?,
        Pair::start(&["--trace", &of_master], &["--trace", &of_replica])?,
    ];
    for (clients, pipeline, n) in CASES {
        let mut costs: [Vec<Costs>; 2] = Default::default();
        for round in 0..rounds {
            for turn in 0..2 {
                let which = (round + turn) % 2;
                costs[which].push(pairs[which].take(clients, pipeline, n)?);
            }
        }
        let without = |i: usize| Spread::of(costs[0].iter().map(|cost| cost[i]).collect());
        let ratio = |i: usize| {
            let rounds = costs[1].iter().zip(&costs[0]);
            let Spread { median, min, max } =
                Spread::of(rounds.map(|(a, b)| a[i] / b[i]).collect());
            format!("{median:.3} ({min:.3}..{max:.3})")
        };
        println!(
            "| {clients} | {pipeline} | {} | {} | {} | {} | {} |",
            without(0),
            ratio(0),
            without(1),
            ratio(1),
            ratio(2)
        );
    }
    ensure!(
        std::fs::metadata(&of_replica)?.len() > 1 << 20,
        "nothing was recorded"
    );
    Ok(())
}

impl Pair {
    fn start(master: &[&str], replica: &[&str]) -> Result<Pair> {
        let eager = ["--repl-diskless-sync-delay", "0"];
        let master = Server::start(Which::Damselfly, Some(0), &[&eager, master].concat())?;
        let replica = Server::start(Which::Damselfly, Some(0), replica)?;
        let port = master.port.to_string();
        let mut client = replica.client()?;
        client.call(&["REPLICAOF", "127.0.0.1", &port])?;
        client.wait_info("replication", "master_link_status:up")?;
        Ok(Pair { master, replica })
    }

    fn take(&self, clients: u64, pipeline: u64, n: u64) -> Result<Costs> {
        let (master, replica) = (self.master.cpu()?, self.replica.cpu()?);
        let start = Instant::now();
        let [_, (_, command)] = get_and_set();
        let job = Job {
            clients,
            command: &command,
            test: None,
            pipeline,
            count: n,
            range: KEYS,
        };
        job.run(self.master.port, By::Benchmark, Some(1))?;
        let sent = offset(&mut self.master.client()?)?;
        let mut client = self.replica.client()?;
        while offset(&mut client)? < sent {
            ensure!(
                start.elapsed().as_secs() < 120,
                "the replica does not catch up"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        let per_operation = |used: Duration| used.as_secs_f64() * 1e6 / n as f64;
        Ok([
            per_operation(self.master.cpu()? - master),
            per_operation(self.replica.cpu()? - replica),
            n as f64 / start.elapsed().as_secs_f64(),
        ])
    }
}

/// How far a server is in its history; as a replica it says how far it has applied it.
fn offset(client: &mut Client) -> Result<u64> {
    let info = client.call(&["INFO", "replication"])?;
    let mut lines = info.lines();
    let offset = lines.find_map(|line| line.trim().strip_prefix("master_repl_offset:"));
    Ok(offset.unwrap_or_default().parse()?)
}
