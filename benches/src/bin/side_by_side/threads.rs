//! Two threads beside one.
//!
//! Two that are busy at once need two cores, and a machine of two has none left for the load. So it is counted what an
//! operation costs where both threads run whenever they can: what two cores would do follows from that, if the load
//! is not what holds them up. Locks that threads fight over show in it, and cache lines that wander between them.

use anyhow::Result;
use damselfly_benches::{Server, Spread, Which};

use super::{CLIENTS, KEYS, fill, load_anywhere, plain};

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
    for command in ["get", "set"] {
        for (pipeline, n) in [("16", 2_000_000u64), ("64", 4_000_000)] {
            let mut cpu: [Vec<f64>; 2] = Default::default();
            for round in 0..rounds {
                for which in [round % 2, 1 - round % 2] {
                    let server = &servers[which];
                    let before = server.cpu()?;
                    let (n_text, keys) = (n.to_string(), KEYS.to_string());
                    let args = [
                        ["-t", command],
                        ["-n", &n_text],
                        ["-P", pipeline],
                        ["-c", CLIENTS],
                        ["-r", &keys],
                        ["-d", "64"],
                    ];
                    load_anywhere(server.port, args.as_flattened())?;
                    let used = (server.cpu()? - before).as_secs_f64();
                    cpu[which].push(used * 1e6 / n as f64);
                }
            }
            let ratio = super::ratios(&cpu);
            let [one, two] = cpu.map(Spread::of);
            println!(
                "| {} | {pipeline} | {one} | {two} | {ratio} | {:.2} |",
                command.to_uppercase(),
                2.0 / ratio.median
            );
        }
    }
    println!();
    Ok(())
}
