use crate::command::testing::Bench;
use crate::store::expiry::{ExpiryCycle, Gone, Progress};
use crate::store::hooks::{Change, KeyListener};
use parking_lot::Mutex;
use std::sync::Arc;

/// Notes the keys it hears of.
#[derive(Default)]
struct Ears(Mutex<Vec<String>>);

impl KeyListener for Ears {
    fn key_changed(&self, key: &[u8], _: Change) {
        self.0
            .lock()
            .push(String::from_utf8_lossy(key).into_owned());
    }
}

impl Ears {
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

/// A bench, and a listener to `keys` of its database 0.
fn listening(keys: &[&str]) -> (Bench, Arc<Ears>, Arc<dyn KeyListener>) {
    let bench = Bench::new();
    let ears = Arc::new(Ears::default());
    let listener: Arc<dyn KeyListener> = ears.clone();
    for key in keys {
        bench.dataset.dbs()[0].listen(key.as_bytes(), &listener);
    }
    (bench, ears, listener)
}

#[test]
fn listeners_hear_of_changes_and_of_nothing_else() {
    let (mut bench, ears, listener) = listening(&["k"]);
    for (line, heard) in [
        ("get k", &[][..]),
        ("set other v", &[]),
        ("set k v xx", &[]),
        ("set k v", &["k"]),
        ("set k v nx", &[]),
        ("incr k", &[]),
        ("expire k 100 xx", &[]),
        ("expire k 100", &["k"]),
        ("rename other k", &["k"]),
        ("mget k other", &[]),
        ("del k", &["k"]),
        ("del k", &[]),
    ] {
        bench.run(line);
        assert_eq!(ears.heard(), heard, "{line}");
    }
    bench.dataset.dbs()[0].unlisten(b"k", &listener);
    bench.run("set k v");
    assert!(ears.heard().is_empty());
}

#[test]
fn expiry_is_a_change() {
    let (mut bench, ears, _) = listening(&["k"]);
    bench.run("set k v px 10");
    bench.now_ms += 10;
    ears.heard();
    bench.run("get k");
    assert_eq!(ears.heard(), ["k"]);
}

#[test]
fn listeners_hear_of_the_end_of_their_database_if_it_matters_to_them() {
    let (mut bench, ears, _) = listening(&["there", "nowhere"]);
    bench.run("set there 1");
    ears.heard();
    bench.run("flushall");
    assert_eq!(ears.heard(), ["there"]);
    // They listen on in the database that took its place.
    bench.run("set nowhere 1");
    assert_eq!(ears.heard(), ["nowhere"]);
    bench.run("flushdb");
    ears.heard();
    bench.db = 1;
    bench.run("set there other");
    assert!(ears.heard().is_empty());
    bench.run("swapdb 0 1");
    assert_eq!(ears.heard(), ["there"]);
    bench.db = 0;
    bench.run("del there");
    assert_eq!(ears.heard(), ["there"]);
    bench.db = 1;
    bench.run("set there again");
    assert!(ears.heard().is_empty());
}

#[test]
fn the_expiry_cycle_removes_what_is_due_and_tells_so() {
    let mut bench = Bench::new();
    for i in 0..5_000 {
        bench.run(&format!("set {i} v px {}", 1_000 + i % 10));
        bench.run(&format!("set stays:{i} v"));
    }
    bench.db = 7;
    bench.run("set k v px 1");
    let mut cycle = ExpiryCycle::new();
    let mut round = |bench: &Bench, now: i64| {
        let (mut total, mut told) = (0, 0);
        loop {
            let mut hear = |db: usize, _: Gone<'_>| told += usize::from(db < 16);
            let progress = cycle.run(&bench.dataset, now, 500, &mut hear);
            total += progress.removed;
            if progress.round_done {
                assert_eq!(told, total);
                return total;
            }
        }
    };
    assert_eq!(round(&bench, bench.now_ms), 0);
    assert_eq!(round(&bench, bench.now_ms + 1), 1);
    assert_eq!(round(&bench, bench.now_ms + 1_004), 2_500);
    assert_eq!(round(&bench, bench.now_ms + 1_004), 0);
    assert_eq!(round(&bench, bench.now_ms + 2_000), 2_500);
    bench.db = 0;
    assert_eq!(bench.run("dbsize"), ":5000");
    assert_eq!(bench.dataset.dbs()[0].expires(), 0);
    // An expiry that is set behind the cycle's back is not forgotten.
    bench.run("pexpire stays:1 5000");
    assert_eq!(round(&bench, bench.now_ms + 4_999), 0);
    assert_eq!(round(&bench, bench.now_ms + 5_000), 1);
}

#[test]
fn the_expiry_cycle_stays_within_its_budget() {
    let mut bench = Bench::new();
    for i in 0..50_000 {
        bench.run(&format!("set {i} v px 1"));
    }
    let progress = ExpiryCycle::new().run(&bench.dataset, i64::MAX - 1, 1_000, &mut |_, _| {});
    assert!(
        matches!(
            progress,
            Progress {
                removed: 500..2_000,
                round_done: false,
                ..
            }
        ),
        "{progress:?}"
    );
}
