//! Whole servers in a simulated world, by seed: see `docs/ARCHITECTURE.md`.
//!
//! ```text
//! SEEDS=2000 FIRST=1 cargo test --profile checked -p damselfly-server --features simulation --test simulation
//! ```
//!
//! `SEEDS` says how many (100 if nothing is said), `FIRST` which is the first (1). A seed that fails prints its story, and
//! the command that tells it again. Of the first seed and of one in [`REPLAYED`] the nodes keep traces, which the model
//! replays.

mod cluster;
mod oracle;
mod people;
mod story;
#[path = "../sockets/common/trace.rs"]
mod trace;
mod value;
mod weather;

use damselfly_server::sys::simulated::fault::Fault;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use story::{Tally, Told};

/// A seed takes some tenths of a second. One that takes this long hangs.
const HANGS: Duration = Duration::from_secs(240);

/// Of so many seeds, one is replayed.
const REPLAYED: u64 = 20;

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}

/// The world of `seed`, on a thread of its own: what a thread remembers of another world would change this one.
fn told(seed: u64, fault: Option<Fault>, traces: Option<PathBuf>) -> Told {
    let (sender, told) = mpsc::channel();
    let thread = std::thread::Builder::new().name(format!("seed {seed}"));
    let thread = thread.spawn(move || sender.send(story::tell(seed, fault, traces)));
    let thread = thread.expect("a thread");
    match told.recv_timeout(HANGS) {
        Ok(told) => {
            let _ = thread.join();
            told
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("seed {seed} hangs: {}", command(seed)),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            panic!("seed {seed} ended with a panic: {}", command(seed))
        }
    }
}

/// The same, in which every start of a node leaves a trace: each is replayed by the model.
fn replayed(seed: u64) -> Told {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("seed-{seed}"));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a directory for traces");
    let mut told = told(seed, None, Some(dir.clone()));
    for entry in fs::read_dir(&dir).expect("the traces") {
        let file = entry.expect("a trace").path();
        match trace::replay(&file) {
            Ok(inputs) => {
                told.tally.replayed += inputs as u64;
                trace::count(inputs);
            }
            Err(why) => told.wrongs.push(format!("{}: {why}", file.display())),
        }
    }
    if told.wrongs.is_empty() {
        let _ = fs::remove_dir_all(&dir);
    }
    told
}

fn command(seed: u64) -> String {
    format!(
        "FIRST={seed} SEEDS=1 cargo test --profile checked -p damselfly-server --features simulation --test simulation \
         seeds -- --nocapture"
    )
}

/// The first seed of these in whose world something is wrong, and what happened in all of them until then. All cores
/// work at it.
fn first_wrong(seeds: std::ops::Range<u64>, fault: Option<Fault>) -> (Option<(u64, Told)>, Tally) {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let found = Mutex::new((None::<(u64, Told)>, Tally::default()));
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let told = match fault {
                        None if seed == seeds.start || seed.is_multiple_of(REPLAYED) => {
                            replayed(seed)
                        }
                        _ => told(seed, fault, None),
                    };
                    let mut found = found.lock().expect("no panic");
                    found.1.add(told.tally);
                    if !told.wrongs.is_empty() {
                        stop.store(true, Relaxed);
                        if found.0.as_ref().is_none_or(|(other, _)| seed < *other) {
                            found.0 = Some((seed, told));
                        }
                    }
                }
            });
        }
    });
    found.into_inner().expect("no panic")
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.seconds += other.seconds;
        self.writes += other.writes;
        self.reads += other.reads;
        self.waits += other.waits;
        self.hand_overs += other.hand_overs;
        self.full_syncs += other.full_syncs;
        self.partial_syncs += other.partial_syncs;
        self.stumbles += other.stumbles;
        self.replayed += other.replayed;
    }
}

#[test]
fn seeds() {
    let (first, count) = (number("FIRST", 1), number("SEEDS", 100));
    let began = Instant::now();
    let (wrong, tally) = first_wrong(first..first + count, None);
    if let Some((seed, told)) = wrong {
        println!("{}", told.story);
        panic!(
            "seed {seed}: {}\n\nits story is above; to tell it again:\n{}",
            told.wrongs.join("\n"),
            command(seed)
        );
    }
    let Tally {
        seconds,
        writes,
        reads,
        waits,
        hand_overs,
        full_syncs,
        partial_syncs,
        stumbles,
        replayed,
    } = tally;
    println!(
        "{count} seeds from {first} in {:.1?}: {seconds} simulated seconds, {writes} writes, {waits} waits, {reads} reads, \
         {full_syncs} full and {partial_syncs} partial syncs, {stumbles} divergences, {hand_overs} hand-overs, {replayed} inputs replayed; nothing \
         wrong",
        began.elapsed()
    );
    if count >= 100 {
        // A simulation in which nothing happens finds nothing.
        assert!(writes > 0 && reads > 0 && waits > 0);
        assert!(full_syncs > 0 && partial_syncs > 0 && hand_overs > 0 && stumbles > 0);
    }
    assert!(replayed > 0);
    if std::env::var_os("STORY").is_some() {
        println!("{}", told(first, None, None).story);
    }
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in 1..=3 {
        // That a trace is kept makes no difference.
        let (one, other) = (told(seed, None, None).story, replayed(seed).story);
        if one != other {
            let same = one.lines().zip(other.lines()).take_while(|(a, b)| a == b);
            let from = same.count().saturating_sub(3);
            let tail = |story: &str| {
                story
                    .lines()
                    .skip(from)
                    .take(8)
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            panic!(
                "seed {seed} has two stories:\n{}\n\n{}",
                tail(&one),
                tail(&other)
            );
        }
        assert!(
            one.lines().count() > 100,
            "nothing happened in seed {seed}:\n{one}"
        );
    }
    assert_ne!(told(1, None, None).story, told(2, None, None).story);
}

/// The fault is found in one of so many seeds.
fn is_found(fault: Fault, seeds: u64) {
    let (wrong, _) = first_wrong(1..1 + seeds, Some(fault));
    match wrong {
        Some((seed, told)) => println!("{fault:?}: seed {seed}: {}", told.wrongs[0]),
        None => panic!("{fault:?} is not found in {seeds} seeds"),
    }
}

#[test]
fn a_batch_that_nobody_allowed_is_found() {
    is_found(Fault::UnaskedBatch, 1500);
}

#[test]
fn leave_from_another_gate_is_found() {
    is_found(Fault::StaleLeave, 1500);
}

#[test]
fn a_resume_that_is_off_by_one_is_found() {
    is_found(Fault::ResumeOffByOne, 100);
}

#[test]
fn a_failure_that_is_passed_over_is_found() {
    is_found(Fault::PassedOver, 100);
}
