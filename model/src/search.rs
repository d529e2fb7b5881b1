//! Runs a search, shows how far it is, and says what it found.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::action::Action;
use crate::algorithm::Algorithm;
use crate::model::InWorld;
use crate::world::World;

/// A path of representatives.
pub type Found<A> = Path<World<A>, Action>;

/// What a search found.
pub struct Outcome<A: Algorithm> {
    /// Every state there is was seen. If not, what was not found may still be there.
    pub complete: bool,
    /// States seen.
    pub unique: usize,
    /// Transitions made.
    pub transitions: usize,
    /// The steps to the farthest state.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Counterexamples by property; minimal ones if one property was searched for.
    pub violations: Vec<(&'static str, Found<A>)>,
}

/// When to end a search early.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// After this long.
    pub time: Option<Duration>,
    /// After paths of this many steps.
    pub depth: Option<usize>,
    /// At the first violation.
    pub first: bool,
}

/// Searches breadth first, on one thread: what it finds first is minimal, and counts are exact.
pub fn search<A: Algorithm>(model: InWorld<A>, limits: Limits) -> Outcome<A> {
    let began = Instant::now();
    let mut builder = model.clone().checker().threads(1);
    builder = builder.finish_when(match limits.first {
        true => HasDiscoveries::AnyFailures,
        // Nothing that is found ends the search before all of it is seen.
        false => HasDiscoveries::AllOf(["nothing is called this"].into_iter().collect()),
    });
    // Stateright counts states, the first one too, and leaves those at the limit unlooked at.
    let most = limits.depth.map(|steps| steps + 2);
    if let Some(most) = most {
        builder = builder.target_max_depth(most);
    }
    if let Some(time) = limits.time {
        builder = builder.timeout(time);
    }
    let checker = builder.spawn_bfs();
    let mut progress = Progress::new();
    while !checker.is_done() {
        std::thread::sleep(Duration::from_millis(20));
        progress.show(
            checker.unique_state_count(),
            checker.state_count(),
            checker.max_depth().saturating_sub(1),
        );
    }
    progress.clear();
    let took = began.elapsed();
    let out_of_time = limits.time.is_some_and(|time| took >= time);
    let discoveries = checker.discoveries();
    // A search that was ended by its time or depth says that it is done, too.
    let cut_short = out_of_time || most.is_some_and(|most| checker.max_depth() >= most);
    let complete = !cut_short && (!limits.first || discoveries.is_empty());
    let unique = checker.unique_state_count();
    let transitions = checker.state_count();
    let depth = checker.max_depth().saturating_sub(1);
    let depth = limits.depth.map_or(depth, |most| depth.min(most));
    let mut violations: Vec<_> = discoveries.into_iter().collect();
    let order: Vec<_> = model.properties().iter().map(|p| p.name).collect();
    violations.sort_by_key(|(name, _)| order.iter().position(|n| n == name));
    Outcome {
        complete,
        unique,
        transitions,
        depth,
        took,
        violations,
    }
}

/// A line on the terminal that says how far a search is.
pub struct Progress {
    began: Instant,
    shown: Instant,
    on: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Shows nothing unless standard error is a terminal.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            shown: Instant::now(),
            on: std::io::stderr().is_terminal(),
        }
    }

    /// Says how far the search is, at most five times a second.
    pub fn show(&mut self, unique: usize, transitions: usize, depth: usize) {
        if !self.on || self.shown.elapsed() < Duration::from_millis(200) {
            return;
        }
        self.shown = Instant::now();
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = unique as f64 / seconds;
        eprint!(
            "\r\x1b[K{unique} states, {rate:.0}/s, {transitions} transitions, depth {depth}, {} MB, {seconds:.0} s",
            memory() >> 20
        );
        let _ = std::io::stderr().flush();
    }

    /// Removes the line.
    pub fn clear(&self) {
        if self.on {
            eprint!("\r\x1b[K");
        }
    }
}

/// The bytes of memory this process has in use, or 0 where that cannot be learned.
pub fn memory() -> usize {
    figure("VmRSS:")
}

/// The most it had so far.
pub fn peak_memory() -> usize {
    figure("VmHWM:")
}

fn figure(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(name));
    let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<usize>().ok());
    kilobytes.unwrap_or(0) * 1024
}
