//! Every body over its saved inputs and over changes to them, as many as there is time for in a test.
//!
//! `DAMSELFLY_FUZZ_RUNS=N` makes N changes for each body instead. An input that is a fault is left in cargo's directory
//! for the temporary files of tests, and named; mended, it belongs in `corpus/`.

use damselfly_fuzz::mutate::Mutator;
use damselfly_fuzz::{answers, config, rdb, replay, resp, stream};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// A body, and the name of the directory with its inputs.
type Target = (&'static str, fn(&[u8]));

fn saved(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("the saved inputs")
        .map(|entry| entry.expect("a saved input").path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| fs::read(file).expect("a saved input"))
        .collect()
}

/// Runs the body over `input`, which is kept if it is a fault.
fn run((name, body): Target, input: &[u8]) {
    let ran = catch_unwind(AssertUnwindSafe(|| body(input)));
    if let Err(fault) = ran {
        let sum = input.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{sum:016x}"));
        fs::write(&file, input).expect("keep the input");
        eprintln!("the input is {}", file.display());
        resume_unwind(fault);
    }
}

fn runs(target: Target, least: usize) {
    let (name, _) = target;
    let seeds = saved(name);
    assert!(!seeds.is_empty(), "nothing is saved for {name}");
    for seed in &seeds {
        run(target, seed);
    }
    let asked = std::env::var("DAMSELFLY_FUZZ_RUNS");
    let runs = asked.map_or(least, |n| {
        n.parse().expect("DAMSELFLY_FUZZ_RUNS is a number")
    });
    let mut mutator = Mutator::new(runs as u64);
    for _ in 0..runs {
        run(target, &mutator.input(&seeds));
    }
}

#[test]
fn requests() {
    runs(("resp", resp::body), 4000);
}

#[test]
fn snapshots() {
    runs(("rdb", rdb::body), 1500);
}

#[test]
fn streams() {
    runs(("stream", stream::body), 1000);
}

#[test]
fn answers_of_masters() {
    runs(("answers", answers::body), 1500);
}

#[test]
fn configuration_files() {
    runs(("config", config::body), 1000);
}

#[test]
fn traces() {
    runs(("replay", replay::body), 1000);
}

/// That a change to a saved input breaks what is wrong: here, that every stream of requests ends with one.
#[test]
#[should_panic(expected = "a request that is not whole")]
fn a_fault_is_found() {
    runs(
        ("resp", |data| {
            assert!(
                data.is_empty() || data.ends_with(b"\n"),
                "a request that is not whole"
            );
        }),
        1000,
    );
}
