//! The command line.

use std::io::Write;
use std::net::{TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use damselfly_core::properties::Property as Name;
use damselfly_core::{Node, v1};
use damselfly_model::algorithm::Algorithm;
use damselfly_model::faults::Faulty;
use damselfly_model::model::{CHECKED, InWorld, every};
use damselfly_model::pr5774::Pr5774;
use damselfly_model::search::{Limits, Outcome, peak_memory, search};
use damselfly_model::story::Story;
use damselfly_model::tiny::Tiny;
use damselfly_model::world::{Setting, Start};
use damselfly_model::{linear, live, replay};
use stateright::Model;

use crate::command::Several;

/// Model checking of Damselfly's replica protocol.
#[derive(Parser)]
#[command(name = "damselfly-model", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Visit every state and say which properties hold. Ends non-zero if one does not, or if not all was seen.
    Check(Check),
    /// Open stateright's Explorer on the model, in a browser.
    Explore {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:3000")]
        address: String,
        #[command(flatten)]
        size: Size,
        /// Whose states.
        #[arg(long, value_enum, default_value_t = Which::V2)]
        algorithm: Which,
    },
    /// Visit every state of two or three full nodes together, with their clients, operators, crashes and files.
    Nodes(Several),
    /// Let every fault of the catalogue (`core/mutants/`) be found, and compare what finds it with the table in
    /// `MUTANTS.md`. Reads what the proofs say of them (`damselfly-proofs mutants`).
    #[cfg(feature = "mutants")]
    Mutants {
        /// Write the table anew.
        #[arg(long)]
        write: bool,
    },
    /// Step the core through what a server did (`damselfly --trace FILE`), and check all of it.
    Replay {
        /// The trace.
        file: PathBuf,
    },
}

#[derive(Args, Clone, Copy)]
struct Size {
    /// Clients that issue commands, without limit.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=6))]
    clients: u8,
    /// Masters that they name.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=6))]
    masters: u8,
    /// FAILOVER, and being asked to take over, may happen too.
    #[arg(long)]
    hand_over: bool,
}

#[derive(Args)]
struct Check {
    /// Which algorithm.
    #[arg(long, value_enum, default_value_t = Which::V2)]
    algorithm: Which,
    #[command(flatten)]
    size: Size,
    /// Check this property only, and end at its first (shortest) counterexample.
    #[arg(long, value_name = "NAME")]
    property: Option<String>,
    /// Write each counterexample as a sequence diagram, too.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Give up after so many seconds. That is a failure.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// Damselfly's.
    V2,
    /// The one it replaces.
    V1,
    /// The pull request's own second version.
    Pr5774,
}

/// Does what was asked; false if a check failed.
///
/// # Errors
/// What was asked cannot be done.
pub fn run(arguments: Arguments) -> Result<bool> {
    match arguments.command {
        Command::Check(check) => match check.algorithm {
            Which::V2 => check.ours(),
            Which::V1 => check.faulty::<v1::Node<Tiny>>(),
            Which::Pr5774 => check.faulty::<Pr5774>(),
        },
        Command::Explore {
            address,
            size,
            algorithm,
        } => match algorithm {
            Which::V2 => explore::<Node<Tiny>>(&address, size),
            Which::V1 => explore::<v1::Node<Tiny>>(&address, size),
            Which::Pr5774 => explore::<Pr5774>(&address, size),
        },
        Command::Nodes(several) => several.check(),
        #[cfg(feature = "mutants")]
        Command::Mutants { write } => damselfly_model::mutants::run(write),
        Command::Replay { file } => {
            let text = std::fs::read(&file).with_context(|| format!("{}", file.display()))?;
            let text = String::from_utf8_lossy(&text);
            match replay::replay(&text) {
                Ok(report) => {
                    say!("{report}");
                    Ok(true)
                }
                Err(fault) => {
                    say!("{}: {fault}", file.display());
                    Ok(false)
                }
            }
        }
    }
}

fn setting(size: Size) -> Setting {
    Setting {
        clients: size.clients,
        masters: size.masters,
        start: Start::Cold,
        reads: true,
        toggles: true,
        marks: false,
        canonical: true,
        links: true,
        hand_over: size.hand_over,
    }
}

fn explore<A: Algorithm>(address: &str, size: Size) -> Result<bool> {
    let sockets = address
        .to_socket_addrs()
        .with_context(|| format!("{address} is no address"))?;
    // The Explorer panics where it cannot listen.
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    say!("open http://{address} in a browser");
    InWorld::<A>::new(setting(size))
        .checker()
        .serve(&*sockets.collect::<Vec<_>>());
    Ok(true)
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

impl Check {
    /// All properties to completion, or one.
    fn ours(&self) -> Result<bool> {
        let setting = setting(self.size);
        let names = match &self.property {
            None => CHECKED.iter().map(|p| p.name()).collect(),
            Some(name) if name == Name::LinkConverges.name() => vec![],
            Some(name) => vec![one(name)?.name()],
        };
        let mut good = true;
        if !names.is_empty() {
            good &= self.safety(setting, &names);
        }
        if names.is_empty() || self.property.is_none() {
            good &= self.liveness(setting);
        }
        if self.property.is_none() || names.contains(&Name::LinearizableRole.name()) {
            good &= histories();
        }
        Ok(good)
    }

    fn limits(&self, first: bool) -> Limits {
        Limits {
            time: self.timeout.map(Duration::from_secs),
            first,
            depth: None,
        }
    }

    fn safety(&self, setting: Setting, names: &[&'static str]) -> bool {
        let mut properties = every::<Node<Tiny>>();
        properties.retain(|p| names.contains(&p.name));
        let model = InWorld::checking(setting, properties);
        let outcome = search(model.clone(), self.limits(names.len() == 1));
        let behind = behind(&outcome, setting);
        for name in names {
            match outcome.violations.iter().find(|(broken, _)| broken == name) {
                Some((_, path)) => {
                    say!("{name} violated");
                    // The shortest way to it is found when nothing else is looked for.
                    let mut alone = model.clone();
                    alone.properties.retain(|p| p.name == *name);
                    let shortest = search(alone.clone(), self.limits(true)).violations.pop();
                    let path = shortest.map_or(path.clone(), |(_, path)| path);
                    if let Ok(property) = one(name) {
                        self.tell(&alone, (name, property), &path.into_states());
                    }
                }
                None if outcome.complete => say!("{name} holds ({behind})"),
                None => say!("{name} not violated in what was seen ({behind})"),
            }
        }
        if !outcome.complete && outcome.violations.is_empty() {
            say!("not complete: nothing is shown ({behind})");
        }
        outcome.complete && outcome.violations.is_empty()
    }

    fn liveness(&self, setting: Setting) -> bool {
        let name = Name::LinkConverges.name();
        let model = InWorld::<Node<Tiny>>::new(setting);
        let began = Instant::now();
        let Some(found) = live::converges(&model, self.timeout.map(Duration::from_secs)) else {
            say!("{name} not complete");
            return false;
        };
        match found.stuck {
            None => {
                say!(
                    "{name} holds ({} states, of which {} had yet to converge over {} calm steps: \
                     no dead end, no cycle; {})",
                    found.states,
                    found.calm,
                    found.edges,
                    seconds(began.elapsed())
                );
                true
            }
            Some((why, way)) => {
                say!(
                    "{name} violated: {}",
                    match why {
                        live::Stuck::DeadEnd => "after this, nothing happens any more",
                        live::Stuck::Cycle => "after this, the link may go round in circles",
                        live::Stuck::Unanswered => "after this, the deadline passes unanswered",
                    }
                );
                self.tell(&model, (name, Name::LinkConverges), &way);
                false
            }
        }
    }

    /// The known faults, each by its shortest story; and what else is broken.
    fn faulty<A: Faulty>(&self) -> Result<bool> {
        const DEPTH: usize = 12;
        let wanted = self.property.as_deref().map(one).transpose()?;
        if let Some(wanted) = wanted
            && !A::faults().iter().any(|fault| fault.property == wanted)
        {
            bail!(
                "no known fault of {} is one of {wanted}; without --property its table shows what else it breaks",
                A::NAME
            );
        }
        let mut missing = 0;
        for fault in A::faults() {
            if wanted.is_some_and(|w| w != fault.property) {
                continue;
            }
            let model = fault.model();
            match fault.find(DEPTH) {
                Some(path) => {
                    say!("{} violated: {}", fault.property, fault.meaning);
                    self.tell(&model, (fault.name, fault.property), &path.into_states());
                }
                None => {
                    missing += 1;
                    say!(
                        "{} not violated in {DEPTH} steps, yet it is known to be: {}",
                        fault.property,
                        fault.meaning
                    );
                }
            }
        }
        if missing > 0 {
            bail!(
                "{missing} known faults of {} were not found: the model is wrong",
                A::NAME
            );
        }
        if self.property.is_none() {
            self.table::<A>();
        }
        Ok(false)
    }

    /// Every property in a small world, to a depth: these algorithms have no end to their states.
    fn table<A: Algorithm>(&self) {
        const DEPTH: usize = 7;
        let setting = damselfly_model::faults::SETTING;
        let limits = Limits {
            time: self.timeout.map(Duration::from_secs),
            depth: Some(DEPTH),
            first: false,
        };
        let outcome = search(InWorld::<A>::new(setting), limits);
        say!("every property, in {DEPTH} steps from a healthy replica:");
        for property in CHECKED {
            let broken = outcome
                .violations
                .iter()
                .any(|(n, _)| *n == property.name());
            let verdict = if broken { "violated" } else { "not violated" };
            say!("{property} {verdict}");
        }
        say!("({})", behind(&outcome, setting));
    }

    fn tell<A: Algorithm>(
        &self,
        model: &InWorld<A>,
        (name, property): (&str, Name),
        states: &[damselfly_model::world::World<A>],
    ) {
        let Some(story) = Story::concrete(model, states) else {
            say!("(the path cannot be told: a state and its representative differ)");
            return;
        };
        say!("{story}");
        say!(
            "{}",
            story.test::<A>(&format!("{}_{name}", A::NAME), property)
        );
        if let Some(dir) = &self.svg
            && let Err(error) = write_svg(dir, &format!("{}-{name}", A::NAME), &story)
        {
            eprintln!("damselfly-model: {error:#}");
        }
    }
}

/// Histories as clients see them, at small bounds, judged by stateright's tester.
fn histories() -> bool {
    let (outcome, setting) = linear::check::<Node<Tiny>>(3);
    let verdict = match outcome.broken {
        false if outcome.complete => "holds",
        false => "not complete",
        true => "violated",
    };
    say!(
        "{} {verdict} (every history of {} clients with one command and one read each is \
         linearizable; {} states, {})",
        Name::LinearizableRole,
        setting.clients,
        outcome.unique,
        seconds(outcome.took)
    );
    outcome.complete && !outcome.broken
}

fn behind<A: Algorithm>(outcome: &Outcome<A>, setting: Setting) -> String {
    format!(
        "{} clients x {} masters: {} states, {} transitions, {} steps deep, {}, {:.0} states/s, {} MB",
        setting.clients,
        setting.masters,
        outcome.unique,
        outcome.transitions,
        outcome.depth,
        seconds(outcome.took),
        outcome.unique as f64 / outcome.took.as_secs_f64(),
        peak_memory() >> 20
    )
}

fn write_svg(dir: &Path, name: &str, story: &Story) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("{}", dir.display()))?;
    let file = dir.join(name).with_extension("svg");
    std::fs::write(&file, story.svg()).with_context(|| format!("{}", file.display()))?;
    say!("{}", file.display());
    Ok(())
}

fn one(name: &str) -> Result<Name> {
    match CHECKED.iter().find(|p| p.name() == name) {
        Some(property) => Ok(*property),
        None => bail!("there is no property {name} to check here"),
    }
}
