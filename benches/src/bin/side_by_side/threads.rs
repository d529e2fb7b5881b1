//! Two threads beside one.
//!
//! Two that are busy at once need two cores, and a machine of two has none left for the load. So it is counted what an
//! operation costs where both threads run whenever they can: what two cores would do follows from that, if the load
//! is not what holds them up. Locks that threads fight over show in it, and cache lines that wander between them.

use anyhow::Result;
use damselfly_benches::{Server, Spread, Which};

use super::job::{By, Job};
use super::{CLIENTS, KEYS, fill, get_and_set, plain};

pub(super) fn threads(rounds: usize) -> Result<()> {
    println!("## Two threads beside one (1 M keys of 16 + 64 bytes, {CLIENTS} clients)\n");
    println!(
        "| command | pipeline | CPU of one, µs | CPU of two, µs | ratio | two cores do, times one |"
    );
    println!("|---|---|---|---|---|---|");
    let start = |threads| Server::start(Which::Damselfly, None, &["--threads", threads]);
    let servers = [start("1")?, start("2")?];
    for server in &servers {
        fill(server, KEYS, plain(64))?;
    }
    for (name, command) in get_and_set() {
        for (pipeline, count) in [(16, 2_000_000u64), (64, 4_000_000)] {
            let mut cpu: [Vec<f64>; 2] = Default::default();
            let job = Job {
                clients: CLIENTS,
                command: &command,
                test: None,
                pipeline,
                count,
                range: KEYS,
            };
            for round in 0..rounds {
                for which in [round % 2, 1 - round % 2] {
                    cpu[which].push(job.cost(&servers[which], By::Benchmark, None)?);
                }
            }
            let ratio = super::ratios(&cpu);
            let [one, two] = cpu.map(Spread::of);
            let times = 2.0 / ratio.median;
            println!("| {name} | {pipeline} | {one} | {two} | {ratio} | {times:.2} |");
        }
    }
    println!();
    Ok(())
}
