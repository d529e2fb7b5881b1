//! How long things take: the latency monitor, whose events are rare and slow, and a histogram for each command.

mod graph;
mod histogram;
mod report;

use super::server::{Server, now_ms};
use crate::command::Command;
use crate::command::table::flag;
use crate::sys::time::Instant;
use foldhash::fast::FixedState;
pub use histogram::Histogram;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

/// Samples kept of each event.
const KEPT: usize = 160;

/// One slow moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Unix time in seconds.
    pub at: i64,
    /// How long it took, milliseconds.
    pub millis: u64,
}

/// The slow moments of one kind, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// At most one a second, the slowest of it.
    pub samples: VecDeque<Sample>,
    /// The slowest ever.
    pub worst: u64,
}

impl Series {
    fn add(&mut self, sample: Sample) {
        self.worst = self.worst.max(sample.millis);
        match self.samples.back_mut() {
            Some(last) if last.at == sample.at => last.millis = last.millis.max(sample.millis),
            _ => {
                if self.samples.len() == KEPT {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample);
            }
        }
    }
}

/// What is counted of a command.
#[derive(Clone, Default)]
pub struct Figures {
    /// Runs of it.
    pub calls: u64,
    /// What all of them took, nanoseconds.
    pub nanos: u64,
    /// Calls that were refused.
    pub rejected: u64,
    /// Runs that ended in an error.
    pub failed: u64,
    /// How long runs took while that was tracked.
    pub histogram: Histogram,
}

impl Figures {
    fn add(&mut self, other: &Figures) {
        self.calls += other.calls;
        self.nanos += other.nanos;
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.histogram.add(&other.histogram);
    }
}

/// What is counted of the commands that one thread has run, by the commands' addresses.
type Commands = HashMap<usize, (&'static Command, Figures), FixedState>;

/// What is known of latencies.
pub struct Latency {
    events: Mutex<BTreeMap<&'static str, Series>>,
    /// By thread, so that nobody waits.
    commands: Box<[Mutex<Commands>]>,
}

impl Latency {
    pub(super) fn new(slots: usize) -> Latency {
        Latency {
            events: Mutex::default(),
            commands: (0..slots).map(|_| Mutex::default()).collect(),
        }
    }

    /// `event` took `time`. It is noted if that is the threshold, in milliseconds, or more.
    pub(super) fn note(&self, event: &'static str, time: Duration, threshold: u64) {
        let millis = time.as_millis() as u64;
        if threshold > 0 && millis >= threshold {
            let at = now_ms() / 1000;
            let mut events = self.events.lock();
            events.entry(event).or_default().add(Sample { at, millis });
        }
    }

    /// All events.
    pub fn events(&self) -> BTreeMap<&'static str, Series> {
        self.events.lock().clone()
    }

    /// One kind of event, if there were any.
    pub fn event(&self, name: &[u8]) -> Option<(&'static str, Series)> {
        let events = self.events.lock();
        let found = events.iter().find(|(event, _)| event.as_bytes() == name);
        found.map(|(event, series)| (*event, series.clone()))
    }

    /// Forgets the events `names`, or all if there are none; how many kinds there were.
    pub fn reset(&self, names: &[&[u8]]) -> usize {
        let mut events = self.events.lock();
        let before = events.len();
        events.retain(|event, _| !names.is_empty() && !names.contains(&event.as_bytes()));
        before - events.len()
    }

    /// The graph of an event.
    pub fn graph(event: &str, series: &Series) -> String {
        graph::draw(event, series, now_ms() / 1000)
    }

    /// What there is to say of all events.
    pub fn report(&self, server: &Server) -> String {
        report::of(&self.events(), &server.config.settings(), now_ms() / 1000)
    }

    /// Changes what thread `slot` has counted of `command`.
    fn figures(&self, slot: usize, command: &'static Command, change: impl FnOnce(&mut Figures)) {
        let Some(commands) = self.commands.get(slot) else {
            return;
        };
        let key = std::ptr::from_ref(command) as usize;
        let mut commands = commands.lock();
        let (_, figures) = commands
            .entry(key)
            .or_insert_with(|| (command, Figures::default()));
        change(figures);
    }

    /// Runs of `command`: so many nanoseconds each, so many times. `tracks` puts them into the histogram.
    fn record(
        &self,
        slot: usize,
        command: &'static Command,
        tracks: bool,
        runs: impl IntoIterator<Item = (u64, u32)>,
    ) {
        self.figures(slot, command, |figures| {
            for (nanos, count) in runs {
                figures.calls += u64::from(count);
                figures.nanos += nanos * u64::from(count);
                if tracks {
                    figures.histogram.record(nanos, count);
                }
            }
        });
    }

    /// A run of `command` that is over after its client had waited.
    pub(super) fn waited(
        &self,
        slot: usize,
        command: &'static Command,
        took: Duration,
        tracks: bool,
    ) {
        self.record(slot, command, tracks, [(took.as_nanos() as u64, 1)]);
    }

    /// A run of `command` ended in an error.
    #[cold]
    pub(super) fn failed(&self, slot: usize, command: &'static Command) {
        self.figures(slot, command, |figures| figures.failed += 1);
    }

    /// A call of `command` was refused.
    #[cold]
    pub(super) fn rejected(&self, slot: usize, command: &'static Command) {
        self.figures(slot, command, |figures| figures.rejected += 1);
    }

    /// What was counted of every command that was called, by name.
    pub fn commands(&self) -> BTreeMap<&'static str, Figures> {
        let mut all: BTreeMap<&'static str, Figures> = BTreeMap::new();
        for commands in &self.commands {
            for (command, figures) in commands.lock().values() {
                all.entry(command.name).or_default().add(figures);
            }
        }
        all
    }

    /// Forgets what was counted of commands (CONFIG RESETSTAT).
    pub fn reset_commands(&self) {
        self.commands.iter().for_each(|c| c.lock().clear());
    }
}

/// Times the commands of a batch. Those of constant cost that come in a row are timed together, and each counts with the
/// mean: to look at the clock costs as much as they do. Where one ends that is timed by itself the next one begins.
pub(super) struct Timer {
    at: Instant,
    /// Times go into histograms.
    tracks: bool,
    /// `at` is not where the next command begins.
    stale: bool,
    row: Option<(&'static Command, u32)>,
    /// What runs of one command took, in nanoseconds, that are not recorded yet.
    took: Option<(&'static Command, SmallVec<[u64; 16]>)>,
}

impl Timer {
    pub fn new(at: Instant, tracks: bool) -> Timer {
        Timer {
            at,
            tracks,
            stale: false,
            row: None,
            took: None,
        }
    }

    /// What went before was no command's time.
    pub fn skip(&mut self) {
        self.stale = true;
    }

    /// `command` has run, and is timed with its like.
    #[inline]
    pub fn in_a_row(&mut self, server: &Server, slot: usize, command: &'static Command) {
        match &mut self.row {
            Some((same, count)) if std::ptr::eq(*same, command) => *count += 1,
            _ => {
                self.end_row(server, slot);
                self.row = Some((command, 1));
            }
        }
    }

    /// What was counted last has not run, or not to its end.
    pub fn uncount(&mut self) {
        self.row = match self.row.take() {
            Some((command, count)) if count > 1 => Some((command, count - 1)),
            _ => None,
        };
    }

    /// The row, if there is one, ends here.
    fn end_row(&mut self, server: &Server, slot: usize) {
        if let Some((command, count)) = self.row.take() {
            let now = Instant::now();
            let each = now.duration_since(self.at) / count;
            (self.at, self.stale) = (now, false);
            let runs = [(each.as_nanos() as u64, count)];
            server.latency.record(slot, command, self.tracks, runs);
        }
    }

    fn record(&mut self, server: &Server, slot: usize) {
        if let Some((command, took)) = self.took.take() {
            let runs = took.into_iter().map(|nanos| (nanos, 1));
            server.latency.record(slot, command, self.tracks, runs);
        }
    }

    /// All that was timed is recorded.
    pub fn finish(&mut self, server: &Server, slot: usize) {
        self.end_row(server, slot);
        self.record(server, slot);
    }

    /// `command`, which comes now, is timed by itself, from the moment that is returned on.
    pub fn begin(&mut self, server: &Server, slot: usize, command: &'static Command) -> Instant {
        self.end_row(server, slot);
        // Whoever asks for latencies is told of all that went before.
        if !matches!(&self.took, Some((same, _)) if std::ptr::eq(*same, command)) {
            self.record(server, slot);
        }
        if self.stale {
            (self.at, self.stale) = (Instant::now(), false);
        }
        self.at
    }

    /// The end of what `began`: how long it took. A run that is over `counts`.
    pub fn end(
        &mut self,
        server: &Server,
        slot: usize,
        command: &'static Command,
        began: Instant,
        counts: bool,
    ) -> Duration {
        // A row within it ends before it does.
        self.end_row(server, slot);
        let now = Instant::now();
        let took = now.duration_since(began);
        self.at = now;
        if counts {
            // What ran within this one may have been another.
            if !matches!(&self.took, Some((same, _)) if std::ptr::eq(*same, command)) {
                self.record(server, slot);
            }
            let (_, all) = self.took.get_or_insert_with(|| (command, SmallVec::new()));
            all.push(took.as_nanos() as u64);
            if all.len() == all.inline_size() {
                self.record(server, slot);
            }
        }
        took
    }
}

/// The event of a slow command.
pub(super) fn event_of(command: &Command) -> &'static str {
    match command.is(flag::FAST) {
        true => "fast-command",
        false => "command",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_sample_and_a_series_its_length() {
        let mut series = Series::default();
        for (at, millis) in [(1, 5), (1, 9), (1, 7), (2, 3)] {
            series.add(Sample { at, millis });
        }
        let all: Vec<_> = series.samples.iter().map(|s| (s.at, s.millis)).collect();
        assert_eq!((all, series.worst), (vec![(1, 9), (2, 3)], 9));
        for at in 0..500 {
            series.add(Sample { at, millis: 1 });
        }
        assert_eq!((series.samples.len(), series.worst), (KEPT, 9));
    }
}
