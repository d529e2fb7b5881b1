//! The driver over real gates, log and datasets, with tasks that only note what they were to do.

mod diverged;

use super::super::attempt::{ATTEMPTS_MAX, Verdict};
use super::super::load::Staged;
use super::*;
use crate::config::startup::{Invocation, invocation};
use crate::gate::Fence;
use crate::log::Limits;
use crate::store::{Dataset, Object};
use damselfly_core::trace::Reader;
use damselfly_core::{Answer, Position, Reply};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

/// What was started and stopped, and attempts to go on with.
#[derive(Default)]
struct Book {
    attempts: Mutex<Vec<Attempt<Wire>>>,
    deeds: Mutex<Vec<String>>,
    demotions: AtomicU32,
    dropped: AtomicU32,
    rewrites: AtomicU64,
}

struct Noting(Arc<Book>);

impl Noting {
    fn note(&self, deed: String) {
        self.0.deeds.lock().push(deed);
    }

    fn stop(&self, what: String) -> Stop {
        let book = Arc::clone(&self.0);
        Box::new(move || book.deeds.lock().push(format!("stop {what}")))
    }
}

impl Tasks for Noting {
    fn attempt(&self, _: &Arc<Driver>, attempt: Attempt<Wire>) -> Stop {
        let stop = self.stop(format!("attempt {}", attempt.ticket()));
        self.0.attempts.lock().push(attempt);
        stop
    }

    fn dial(&self, _: &Arc<Driver>, generation: u64, target: Host) -> Stop {
        self.note(format!("dial {generation} {target}"));
        self.stop(format!("dial {generation}"))
    }

    fn arm(&self, _: &Arc<Driver>, generation: u64, _: Duration) {
        self.note(format!("arm {generation}"));
    }
}

impl Hooks for Noting {
    fn demoted(&self, _: &View) {
        self.0.demotions.fetch_add(1, SeqCst);
    }

    fn handing_over(&self, under_way: bool) {
        self.note(format!("handing over: {under_way}"));
    }

    fn drop_replicas(&self) {
        self.0.dropped.fetch_add(1, SeqCst);
    }

    fn list_link(
        &self,
        _: &crate::sys::net::TcpStream,
    ) -> Option<crate::shell::master::MasterClient> {
        None
    }

    fn rewrites(&self) -> u64 {
        self.0.rewrites.load(SeqCst)
    }

    fn rewrite(&self) {
        self.note("rewrite".into());
    }

    fn publish(&self, _: bool, channel: &[u8], _: &[u8]) {
        assert_ne!(channel, b"panic");
    }

    fn serve_waiting(&self, _: &View) {}
}

struct Rig {
    driver: Arc<Driver>,
    book: Arc<Book>,
    gates: Arc<Gates<View>>,
    log: Arc<ReplLog>,
}

fn id(digit: u8) -> Id {
    Id::parse(&[digit; 40]).unwrap()
}

fn host(name: &str) -> Host {
    Host::new(name, 6379).unwrap()
}

fn rig(settings: &[(&str, &str)], follow: Option<Host>) -> Rig {
    let start = Start {
        run_id: id(b'a'),
        replid: id(b'b'),
        follow,
    };
    let words = settings
        .iter()
        .flat_map(|(name, value)| [format!("--{name}").into_bytes(), value.as_bytes().into()]);
    let config = match invocation(&words.collect::<Vec<_>>()) {
        Ok(Invocation::Run(config, _)) => *config,
        _ => panic!("bad settings"),
    };
    let log = Arc::new(ReplLog::new(Limits::default()));
    let status = Machine::new(&start, &Config::new().settings())
        .unwrap()
        .status();
    let view = View::new(Arc::new(Dataset::new(16)), Arc::new(status));
    let gates = Arc::new(Gates::new(3, view));
    let book = Arc::<Book>::default();
    let world = World {
        gates: Arc::clone(&gates),
        log: Arc::clone(&log),
        config: Arc::new(config),
        tasks: Box::new(Noting(Arc::clone(&book))),
        hooks: Box::new(Noting(Arc::clone(&book))),
    };
    Rig {
        driver: Driver::new(world, start).unwrap(),
        book,
        gates,
        log,
    }
}

impl Rig {
    /// A master that has read its (missing) file.
    fn master() -> Rig {
        let rig = rig(&[], None);
        rig.driver.restored(None);
        rig
    }

    fn fence(&self) -> Fence {
        let fences: Vec<_> = (0..self.gates.len())
            .map(|slot| self.gates.enter(slot).fence)
            .collect();
        assert!(
            fences.iter().all(|f| *f == fences[0]),
            "gates differ: {fences:?}"
        );
        assert_eq!(Fence::from(&*self.driver.status()), fences[0]);
        fences[0]
    }

    /// The attempt that was started last.
    fn attempt(&self) -> Attempt<Wire> {
        self.book.attempts.lock().pop().expect("no attempt")
    }

    fn deeds(&self) -> Vec<String> {
        std::mem::take(&mut self.book.deeds.lock())
    }

    /// Asks for `name`, greets, commits; the reply must be `OK`.
    fn follow(&self, name: &str) -> Follow {
        let Asked::Later(mut verdict) = self.driver.request(host(name)) else {
            panic!("it did not connect");
        };
        let link = self.driver.commit(self.attempt().greeted(None).unwrap());
        assert_eq!(verdict.try_recv(), Ok(Verdict::Reply(Reply::Ok)));
        link.expect("no link")
    }

    /// Goes through a full sync at offset 100 with one key in it, and streams.
    fn synced(&self, name: &str) -> u64 {
        let generation = self.follow(name).generation;
        let at = Position {
            replid: id(b'c'),
            offset: 100,
        };
        assert!(self.driver.answered(generation, Answer::FullResync(at)));
        self.driver.began(generation).expect("no snapshot wanted");
        assert!(self.driver.loaded(generation, self.staged(name)));
        generation
    }

    /// A snapshot whose one key is `key`.
    fn staged(&self, key: &str) -> Staged {
        let dataset = Arc::new(Dataset::new(16));
        let value = Object::Str(key.as_bytes().to_vec());
        dataset.dbs()[0].insert_loaded(key.as_bytes(), value, None);
        // The room of the one before is freed in the background.
        let room = loop {
            match Arc::clone(self.driver.room()).try_acquire_owned() {
                Ok(room) => break room,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        Staged {
            dataset,
            stream_db: 3,
            room,
        }
    }

    fn holds(&self, key: &str) -> bool {
        (0..self.gates.len()).all(|slot| {
            let view = self.gates.enter(slot);
            view.dataset.dbs()[0].contains(key.as_bytes())
        })
    }
}

#[test]
fn a_commit_is_in_every_gate_before_its_reply() {
    let rig = Rig::master();
    assert_eq!(rig.fence(), Fence::MASTER);
    let Asked::Later(mut verdict) = rig.driver.request(host("m1")) else {
        panic!("it did not connect");
    };
    assert_eq!(rig.fence(), Fence::MASTER, "connecting changes nothing");
    assert!(verdict.try_recv().is_err());
    let link = rig
        .driver
        .commit(rig.attempt().greeted(None).unwrap())
        .unwrap();
    assert_eq!(verdict.try_recv(), Ok(Verdict::Reply(Reply::Ok)));
    let fence = rig.fence();
    assert!(fence.replica && !fence.link_up && fence.whole && !fence.loading);
    assert_eq!(rig.driver.status().live, Some(link.generation));
    assert_eq!(rig.book.demotions.load(SeqCst), 1);
    assert_eq!(
        link.resume.map(|r| (r.replid, r.from)),
        Some((id(b'b'), 1)),
        "it resumes from what it has"
    );
}

#[test]
fn an_attempt_that_fails_tells_why_and_changes_nothing() {
    let rig = Rig::master();
    let before = rig.driver.status();
    let Asked::Later(mut verdict) = rig.driver.request(host("m1")) else {
        panic!("it did not connect");
    };
    let ticket = rig.attempt().ticket();
    let why = "could not connect to master m1:6379: connection refused";
    rig.driver.attempt_failed(ticket, why.into());
    let verdict = verdict.try_recv().unwrap();
    assert_eq!(verdict.text(), format!("ERR {why}"));
    assert_eq!(*rig.driver.status(), *before);
    let said = rig.driver.facts().last_error().unwrap();
    assert!(said.contains("m1:6379") && said.contains(why), "{said}");
    assert!(rig.deeds().is_empty());
    rig.synced("m2");
    assert_eq!(rig.driver.facts().last_error(), None);
}

#[test]
fn no_one_cancels_those_who_connect_and_ends_their_tasks() {
    let rig = Rig::master();
    let Asked::Later(mut first) = rig.driver.request(host("m1")) else {
        panic!("it did not connect");
    };
    let greeted = rig.attempt().greeted(None).unwrap();
    assert!(rig.driver.no_one(false).is_ok());
    assert_eq!(first.try_recv(), Ok(Verdict::Reply(Reply::Cancelled)));
    assert_eq!(rig.deeds(), ["stop attempt 1"]);
    // It got through nevertheless: it is not heard, and has no second answer.
    assert_eq!(rig.driver.commit(greeted), None);
    assert_eq!(rig.fence(), Fence::MASTER);
}

#[test]
fn the_old_link_is_stopped_by_the_commit_of_the_new_one() {
    let rig = Rig::master();
    let old = rig.synced("m1");
    let (fence, log) = (rig.fence(), rig.log.offset());
    assert!(fence.link_up && rig.log.active() && log == 100);
    let slot = rig.gates.enter(2);
    assert!(rig.driver.batch(&slot, old, 110));
    rig.log.append_raw(b"0123456789", 3);
    drop(slot);
    let new = rig.follow("m2");
    assert_eq!(rig.deeds(), ["stop attempt 1"]);
    assert_eq!(
        new.resume.map(|r| (r.replid, r.from)),
        Some((id(b'c'), 111)),
        "with the last offset of the old stream"
    );
    let slot = rig.gates.enter(2);
    assert!(!rig.driver.batch(&slot, old, 120), "a stopped link applies");
    drop(slot);
    assert!(!rig.driver.answered(old, Answer::Continue { replid: None }));
    assert!(
        rig.driver
            .answered(new.generation, Answer::Continue { replid: None })
    );
    assert!(rig.fence().link_up && rig.holds("m1"));
    assert_eq!(rig.log.forget_selected(), 3, "what is selected survives");
}

#[test]
fn a_staged_snapshot_is_swapped_in_and_one_that_fails_is_not_seen() {
    let rig = Rig::master();
    rig.synced("m1");
    let link = rig.follow("m2").generation;
    let at = Position {
        replid: id(b'd'),
        offset: 7,
    };
    assert!(rig.driver.answered(link, Answer::FullResync(at)));
    let begun = rig.driver.began(link).unwrap();
    assert!(begun.dropped.is_none(), "old data is dropped");
    let fence = rig.fence();
    assert!(fence.whole && !fence.loading && rig.holds("m1"));
    rig.driver.lost(link, "a test");
    assert!(rig.holds("m1"));
    assert_eq!(rig.driver.status().history.at.offset, 100);
    assert_eq!(rig.deeds(), ["stop attempt 1", "arm 2"]);

    rig.driver.timer(link);
    assert_eq!(rig.deeds(), ["dial 3 m2:6379"]);
    let again = rig.driver.dialed(3, None).unwrap();
    assert_eq!(again.resume.map(|r| r.from), Some(101));
    assert!(rig.driver.answered(3, Answer::FullResync(at)));
    rig.driver.began(3).unwrap();
    let dropped = rig.book.dropped.load(SeqCst);
    assert!(!rig.driver.loaded(link, rig.staged("late")), "too late");
    assert!(rig.driver.loaded(3, rig.staged("m2")));
    assert!(rig.holds("m2") && !rig.holds("m1") && !rig.holds("late"));
    assert_eq!((rig.log.offset(), rig.driver.status().history.at), (7, at));
    assert_eq!(rig.book.dropped.load(SeqCst), dropped + 1);
    assert_eq!(rig.driver.facts().full_syncs(), 2);
}

#[test]
fn in_flush_mode_the_old_data_goes_with_the_first_byte() {
    let rig = rig(&[("replica-full-sync", "flush")], None);
    rig.driver.restored(None);
    let first = rig.synced("m1");
    rig.driver.lost(first, "a test");
    rig.driver.timer(first);
    rig.driver.dialed(2, None).unwrap();
    let at = Position {
        replid: id(b'd'),
        offset: 7,
    };
    assert!(rig.driver.answered(2, Answer::FullResync(at)));
    assert!(rig.holds("m1") && !rig.fence().loading, "dropped too early");
    let begun = rig.driver.began(2).unwrap();
    assert!(begun.dropped.is_some() && !rig.holds("m1"));
    let fence = rig.fence();
    assert!(fence.loading && !fence.whole);
    rig.driver.lost(2, "a test");
    let fence = rig.fence();
    assert!(!fence.loading && !fence.whole, "half a dataset is served");
    assert_eq!(
        rig.driver.no_one(false),
        Verdict::Reply(Reply::NoDataset),
        "half a dataset is promoted"
    );
    assert!(rig.driver.no_one(true).is_ok());
    assert_eq!(rig.fence(), Fence::MASTER);
}

#[test]
fn a_promotion_keeps_the_old_history_as_the_second() {
    let rig = Rig::master();
    rig.synced("m1");
    assert!(rig.driver.no_one(false).is_ok());
    let status = rig.driver.status();
    let second = status.history.second.unwrap();
    assert_eq!((second.replid, second.until), (id(b'c'), 101));
    assert_eq!(status.history.at.offset, 100);
    assert!(rig.log.active() && rig.holds("m1"));
    assert_eq!(rig.fence(), Fence::MASTER);
    // The next one, inside EXEC, changes nothing more.
    let mut all = rig.gates.all();
    assert!(rig.driver.no_one_in(&mut all, false).is_ok());
    drop(all);
    assert_eq!(rig.driver.status().history, status.history);
}

#[test]
fn at_most_so_many_attempts() {
    let rig = Rig::master();
    let waiting: Vec<_> = (0..ATTEMPTS_MAX)
        .map(|i| rig.driver.request(host(&format!("m{i}"))))
        .collect();
    assert!(waiting.iter().all(|asked| matches!(asked, Asked::Later(_))));
    let Asked::Now(Verdict::Failed(why)) = rig.driver.request(host("one-more")) else {
        panic!("one too many");
    };
    assert!(why.contains("64"), "{why}");
    rig.driver.shut_down();
    for asked in waiting {
        let Asked::Later(mut verdict) = asked else {
            continue;
        };
        assert_eq!(verdict.try_recv(), Ok(Verdict::Reply(Reply::Cancelled)));
    }
    assert_eq!(rig.deeds().len(), ATTEMPTS_MAX);
}

#[test]
fn a_replica_from_the_start_dials_when_its_file_is_read() {
    let rig = rig(&[], Some(host("m1")));
    assert!(rig.fence().loading && rig.fence().replica);
    let Asked::Now(verdict) = rig.driver.request(host("m2")) else {
        panic!("it connects while it loads");
    };
    assert_eq!(verdict, Verdict::Reply(Reply::Loading));
    let at = Position {
        replid: id(b'c'),
        offset: 55,
    };
    rig.driver.restored(Some((at, 2)));
    assert_eq!(rig.deeds(), ["dial 1 m1:6379"]);
    assert_eq!(rig.log.offset(), 55);
    let link = rig.driver.dialed(1, None).unwrap();
    assert_eq!(link.resume.map(|r| r.from), Some(56));
    // The same target again wakes a link that waits.
    rig.driver.lost(1, "a test");
    assert_eq!(rig.deeds(), ["arm 1"]);
    let Asked::Now(verdict) = rig.driver.request(host("m1")) else {
        panic!("it connects");
    };
    assert_eq!(verdict, Verdict::Reply(Reply::AlreadyConnected));
    assert_eq!(rig.deeds(), ["dial 2 m1:6379"]);
}

#[test]
fn inside_exec_a_request_is_accepted_at_once() {
    let rig = Rig::master();
    let mut all = rig.gates.all();
    let verdict = rig.driver.request_detached(&mut all, host("m1"));
    assert_eq!(verdict, Verdict::Reply(Reply::Ok));
    drop(all);
    assert_eq!(rig.fence(), Fence::MASTER);
    let ticket = rig.attempt().ticket();
    rig.driver.attempt_failed(ticket, "a test".into());
    assert!(rig.driver.facts().last_error().unwrap().contains("a test"));
}

#[test]
fn a_rewrite_in_the_same_exec_takes_effect_at_the_commit() {
    let rig = Rig::master();
    for asked in [false, true] {
        let verdict = rig
            .driver
            .request_detached(&mut rig.gates.all(), host(&format!("m-{asked}")));
        assert!(verdict.is_ok());
        rig.book.rewrites.fetch_add(u64::from(asked), SeqCst);
        rig.deeds();
        rig.driver.commit(rig.attempt().greeted(None).unwrap());
        let rewritten = rig.deeds().contains(&"rewrite".to_owned());
        assert_eq!(rewritten, asked);
    }
}

#[test]
fn the_trace_can_be_read_back() {
    let path = std::env::temp_dir().join(format!("damselfly-driver-{}.trace", std::process::id()));
    let rig = rig(&[("trace", path.to_str().unwrap())], None);
    rig.driver.restored(None);
    let link = rig.synced("m1");
    let slot = rig.gates.enter(2);
    assert!(rig.driver.batch(&slot, link, 110));
    drop(slot);
    rig.driver.shut_down();
    let text = std::fs::read_to_string(&path).unwrap();
    let (algorithm, _, mut reader) = Reader::open::<Wire>(&text).unwrap();
    assert_eq!(algorithm, "v2");
    let mut entries = Vec::new();
    while let Some(entry) = reader.entry::<Wire>().unwrap() {
        entries.push(format!("{entry:?}"));
    }
    assert!(entries.iter().any(|e| e.contains("Batch")), "{entries:?}");
    assert!(entries.last().unwrap().contains("End"), "{entries:?}");
    std::fs::remove_file(&path).unwrap();
}
