//! `damselfly-model nodes`: the command line of several nodes.

use std::io::Write;
use std::time::Duration;

use clap::{Args, ValueEnum};
use damselfly_model::search::peak_memory;
use damselfly_model::several::{Fault, May, Size, Until, checked, explore};

/// How large, and what may happen.
#[derive(Args)]
pub struct Several {
    /// How many nodes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=3))]
    nodes: u8,
    /// How many writes a node may have that not all of its history have. Writes themselves are unlimited.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=4))]
    writes: u8,
    /// What may happen, beside writes, streams, full syncs and lost connections.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = What::ALL)]
    may: Vec<What>,
    /// So many commands, crashes, saves and divergences in a run; else without limit.
    #[arg(long)]
    commands: Option<u8>,
    /// Put a fault in, and tell the shortest way to what it breaks.
    #[arg(long, value_enum)]
    fault: Option<Fault>,
    /// End at the first (shortest) way to break this property.
    #[arg(long, value_name = "NAME")]
    property: Option<String>,
    /// Give up after so many seconds. That is a failure.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// REPLICAOF to any node, NO ONE, and backlogs that are given up.
    Replicaof,
    /// FAILOVER.
    Failover,
    /// The time of a hand-over is over, and FAILOVER ABORT.
    Abort,
    /// FORCE, which gives the promise of a hand-over up.
    Force,
    /// Processes die and come back.
    Crash,
    /// Snapshot files are written, and are there when a process comes back.
    Save,
    /// A write of the stream has another effect on a replica than on its master, which the replica notices.
    Diverge,
}

impl What {
    const ALL: [Self; 7] = [
        Self::Replicaof,
        Self::Failover,
        Self::Abort,
        Self::Force,
        Self::Crash,
        Self::Save,
        Self::Diverge,
    ];
}

impl Several {
    /// Explores, and says what holds; false if something does not, or not all was seen.
    ///
    /// # Errors
    /// There is no such property.
    pub fn check(&self) -> anyhow::Result<bool> {
        let may = |what| self.may.contains(&what);
        let size = Size {
            nodes: self.nodes,
            writes: self.writes,
            may: May {
                replicaof: may(What::Replicaof),
                failover: may(What::Failover),
                abort: may(What::Abort),
                force: may(What::Force),
                crash: may(What::Crash),
                diverge: may(What::Diverge),
                save: may(What::Save),
            },
            commands: self.commands,
            fault: self.fault,
        };
        let named = |name: &String| {
            let found = checked().find(|p| p.name() == name);
            found.ok_or_else(|| anyhow::anyhow!("several nodes have no property {name}"))
        };
        let property = self.property.as_ref().map(named).transpose()?;
        let until = match (property, self.fault) {
            (Some(property), _) => Until::Broken(property),
            (None, Some(_)) => Until::Any,
            (None, None) => Until::All,
        };
        let found = explore(&size, until, self.timeout.map(Duration::from_secs));
        let seen = format!(
            "({} states, {:.1} s)",
            found.unique,
            found.took.as_secs_f64()
        );
        let broken = |name| found.found.iter().any(|found| found.property == name);
        for name in checked().filter(|name| property.is_none_or(|p| p == *name)) {
            match (broken(name), found.complete) {
                (true, _) => say!("{name} violated {seen}"),
                (false, true) => say!("{name} holds {seen}"),
                (false, false) => say!("{name} not violated in what was seen {seen}"),
            }
        }
        for found in &found.found {
            say!("{found}");
        }
        if found.stuck > 0 {
            say!("{} states with no way to a master", found.stuck);
        }
        say!(
            "{} states, {} transitions, depth {}, {:.1} s, {:.0} states/s, {} MB",
            found.unique,
            found.transitions,
            found.depth,
            found.took.as_secs_f64(),
            found.unique as f64 / found.took.as_secs_f64(),
            peak_memory() >> 20
        );
        Ok(found.complete && found.found.is_empty() && found.stuck == 0)
    }
}
