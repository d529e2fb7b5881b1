//! How long things take: the latency monitor, whose events are rare and slow, and a histogram for each command.

mod graph;
mod histogram;
mod report;

use super::server::{Server, now_ms};
use crate::command::Command;
use crate::command::table::flag;
use crate::sys::time::Instant;
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

/// The latencies of commands that one thread has run, by the commands' addresses.
type Commands = HashMap<usize, (&'static Command, Histogram)>;

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

    /// Runs of `command`: so many nanoseconds each, so many times.
    fn record(
        &self,
        slot: usize,
        command: &'static Command,
        runs: impl IntoIterator<Item = (u64, u32)>,
    ) {
        let Some(commands) = self.commands.get(slot) else {
            return;
        };
        let key = std::ptr::from_ref(command) as usize;
        let mut commands = commands.lock();
        let (_, histogram) = commands
            .entry(key)
            .or_insert_with(|| (command, Histogram::default()));
        for (nanos, count) in runs {
            histogram.record(nanos, count);
        }
    }

    /// The latencies of every command that was run, by name.
    pub fn commands(&self) -> BTreeMap<&'static str, Histogram> {
        let mut all: BTreeMap<&'static str, Histogram> = BTreeMap::new();
        for commands in &self.commands {
            for (command, histogram) in commands.lock().values() {
                all.entry(command.name).or_default().add(histogram);
            }
        }
        all
    }

    /// Forgets the latencies of commands (CONFIG RESETSTAT).
    pub fn reset_commands(&self) {
        self.commands.iter().for_each(|c| c.lock().clear());
    }
}

/// Times the commands of a batch. Those of constant cost that come in a row are timed together, and each counts with the
/// mean: to look at the clock costs as much as they do. Where one ends that is timed by itself the next one begins.
pub(super) struct Timer {
    at: Instant,
    /// `at` is not where the next command begins.
    stale: bool,
    row: Option<(&'static Command, u32)>,
    /// What runs of one command took, in nanoseconds, that are not recorded yet.
    took: Option<(&'static Command, SmallVec<[u64; 16]>)>,
}

impl Timer {
    pub fn new(at: Instant) -> Timer {
        Timer {
            at,
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
            server.latency.record(slot, command, runs);
        }
    }

    fn record(&mut self, server: &Server, slot: usize) {
        if let Some((command, took)) = self.took.take() {
            let runs = took.into_iter().map(|nanos| (nanos, 1));
            server.latency.record(slot, command, runs);
        }
    }

    /// All that was timed is recorded.
    pub fn finish(&mut self, server: &Server, slot: usize) {
        self.end_row(server, slot);
        self.record(server, slot);
    }

    /// `command`, which comes now, is timed by itself.
    pub fn begin(&mut self, server: &Server, slot: usize, command: &'static Command) {
        self.end_row(server, slot);
        // Whoever asks for latencies is told of all that went before.
        if !matches!(&self.took, Some((same, _)) if std::ptr::eq(*same, command)) {
            self.record(server, slot);
        }
        if self.stale {
            (self.at, self.stale) = (Instant::now(), false);
        }
    }

    /// The end of what began: how long it took. `command` is counted if latencies are tracked.
    pub fn end(
        &mut self,
        server: &Server,
        slot: usize,
        command: &'static Command,
        tracks: bool,
    ) -> Duration {
        let now = Instant::now();
        let took = now.duration_since(self.at);
        self.at = now;
        if tracks {
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
