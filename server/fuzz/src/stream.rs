//! The stream of a master, applied by a replica that is one in all but its socket.

use crate::content::{Content, of};
use crate::pieces;
use damselfly_core::{Answer, Attempt, Boot, Node};
use damselfly_server::config::Config;
use damselfly_server::gate::{Gates, View};
use damselfly_server::log::{Limits, ReplLog};
use damselfly_server::repl::apply::{Applied, Applier};
use damselfly_server::repl::domain::{Host, Id, Wire};
use damselfly_server::repl::driver::{Driver, Hooks, Start, Stop, Tasks, World};
use damselfly_server::store::Dataset;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Commands that do not do the same thing twice: by chance, or by the clock.
const NOT_TWICE: &[&str] = &[
    "SPOP",
    "XADD",
    "XCLAIM",
    "XAUTOCLAIM",
    "XREADGROUP",
    "EVAL",
    "FCALL",
    "GEOADD",
    "RESTORE",
];

/// In whatever pieces it comes, as much of it is applied, and leaves the same data; the log has it byte for byte, and
/// no property of the protocol is broken. If a command fails, its batch is the last one; how much that is, the pieces decide.
pub fn body(data: &[u8]) {
    let whole = applied(data, data.len());
    let capitals = data.to_ascii_uppercase();
    let capitals = String::from_utf8_lossy(&capitals);
    let twice = !NOT_TWICE.iter().any(|word| capitals.contains(word));
    for step in [1 + data.len() / 2, 1 + data.len() / 19] {
        let came = applied(data, step);
        assert_eq!(came.diverged, whole.diverged, "in pieces of {step}");
        if whole.diverged {
            continue;
        }
        assert_eq!(
            (came.bytes, &came.why),
            (whole.bytes, &whole.why),
            "in pieces of {step}"
        );
        if twice {
            assert!(
                came.content == whole.content,
                "other data in pieces of {step}"
            );
        }
    }
}

/// What came of a stream.
struct Outcome {
    /// So much of it was applied.
    bytes: usize,
    /// A command of it failed.
    diverged: bool,
    /// Why no more, if it is to blame.
    why: Option<String>,
    /// Without the times at which keys expire, which may count from now.
    content: Content,
}

fn applied(data: &[u8], step: usize) -> Outcome {
    let (driver, generation) = streaming();
    let settings = Arc::clone(&driver.config().settings());
    let mut applier = Applier::new(&driver, generation, &settings);
    let (mut done, mut there, mut why) = (0, 0, None);
    let mut ends = pieces(data.len(), step);
    loop {
        match applier.apply_from(&data[done..there]) {
            Ok((Applied::Stopped, _)) => panic!("nobody stopped it"),
            Ok((Applied::Idle, _)) => match ends.next() {
                Some(end) => there = end,
                None => break,
            },
            Ok((Applied::More | Applied::AckAsked, len)) => {
                assert!(len > 0 && done + len <= there, "{len} bytes of {there}");
                done += len;
                assert_eq!(driver.log().offset(), done as u64);
                if applier.has_failed() {
                    let more = applier.apply_from(&data[done..]);
                    assert!(!matches!(more, Ok((Applied::More | Applied::AckAsked, _))));
                    break;
                }
            }
            Err(error) => {
                why = Some(error);
                break;
            }
        }
    }
    assert!(driver.broken().is_empty(), "{:?}", driver.broken());
    assert_eq!(driver.log().offset(), done as u64);
    let mut cursor = driver.log().cursor_at(0).expect("the log keeps what came");
    let mut log = Vec::new();
    while cursor
        .read(usize::MAX, &mut log)
        .expect("and lets nobody go")
        > 0
    {}
    assert!(log.concat() == data[..done], "the log has other bytes");

    let mut content = of(&driver.dataset());
    content.values_mut().for_each(|(_, expiry)| *expiry = None);
    Outcome {
        bytes: done,
        diverged: applier.has_failed(),
        why,
        content,
    }
}

/// Keeps the attempt it is given.
#[derive(Clone, Default)]
struct Shell(Arc<Mutex<Option<Attempt<Wire>>>>);

impl Shell {
    fn attempt(&self) -> Option<Attempt<Wire>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Tasks for Shell {
    fn attempt(&self, _: &Arc<Driver>, attempt: Attempt<Wire>) -> Stop {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(attempt);
        Box::new(|| ())
    }

    fn dial(&self, _: &Arc<Driver>, _: u64, _: Host) -> Stop {
        Box::new(|| ())
    }

    fn arm(&self, _: &Arc<Driver>, _: u64, _: Duration) {}
}

impl Hooks for Shell {
    fn demoted(&self, _: &View) {}

    fn handing_over(&self, _: bool) {}

    fn drop_replicas(&self) {}

    fn list_link(
        &self,
        _: &damselfly_server::sys::net::TcpStream,
    ) -> Option<damselfly_server::shell::master::MasterClient> {
        None
    }

    fn rewrites(&self) -> u64 {
        0
    }

    fn rewrite(&self) {}

    fn publish(&self, _: bool, _: &[u8], _: &[u8]) {}

    fn serve_waiting(&self, _: &View) {}
}

/// A replica with nothing in it whose link streams, and the link's generation.
fn streaming() -> (Arc<Driver>, u64) {
    let id = |digit: u8| Id::parse(&[digit; 40]).expect("an id");
    let start = Start {
        run_id: id(b'a'),
        replid: id(b'b'),
        follow: None,
    };
    let status = Node::<Wire>::new(Boot {
        me: start.run_id,
        fresh: start.replid,
        offset: 0,
        ticket: 0,
        generation: 0,
        follow: None,
        flush: false,
    })
    .status();
    let shell = Shell::default();
    let view = View::new(Arc::new(Dataset::new(16)), Arc::new(status));
    let world = World {
        gates: Arc::new(Gates::new(2, view)),
        log: Arc::new(ReplLog::new(Limits::default())),
        config: Arc::new(Config::new()),
        tasks: Box::new(shell.clone()),
        hooks: Box::new(shell.clone()),
    };
    let driver = Driver::new(world, start).expect("there is no trace to be made");
    driver.restored(None);
    let _verdict = driver.request(Host::new("master", 6379).expect("a host"));
    let attempt = shell.attempt().expect("it connects");
    let greeted = attempt.greeted(None).expect("it is another server");
    let link = driver.commit(greeted).expect("it commits");
    let answer = Answer::Continue { replid: None };
    assert!(driver.answered(link.generation, answer));
    (driver, link.generation)
}
