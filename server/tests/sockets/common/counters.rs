//! Clients that write all the time and know what was acknowledged: what a hand-over must not lose.

use super::resp::Value;
use super::server::Server;
use super::wait::{check, eventually};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Clients that count up keys of their own at a master, noting what was acknowledged, until a write is refused.
pub struct Writers {
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Ended>>,
}

/// How a writer ended.
pub struct Ended {
    /// Its key.
    pub key: String,
    /// How far it has counted: every step was acknowledged.
    pub acked: i64,
    /// The error that ended it.
    pub refusal: Option<String>,
    /// The longest that a write took which was executed.
    pub longest: Duration,
}

impl Writers {
    /// Four of them.
    pub fn at(server: &Server) -> Writers {
        let (stop, acked) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let threads = (0..4).map(|i| {
            let (stop, acked) = (Arc::clone(&stop), Arc::clone(&acked));
            let mut client = server.client();
            let key = format!("count:{i}");
            let mut n = client.run(&format!("INCR {key}")).int();
            thread::spawn(move || {
                let (mut longest, mut refusal) = (Duration::ZERO, None);
                while !stop.load(SeqCst) {
                    let asked = Instant::now();
                    match client.run(&format!("INCR {key}")) {
                        Value::Int(count) => {
                            assert_eq!(count, n + 1, "{key} went back");
                            n = count;
                            longest = longest.max(asked.elapsed());
                            acked.fetch_add(1, SeqCst);
                        }
                        other => {
                            refusal = Some(other.error().to_owned());
                            break;
                        }
                    }
                }
                Ended {
                    key,
                    acked: n,
                    refusal,
                    longest,
                }
            })
        });
        let threads = threads.collect();
        Writers {
            stop,
            acked,
            threads,
        }
    }

    /// Waits until some more writes are acknowledged.
    pub fn go_on(&self) {
        let before = self.acked.load(SeqCst);
        eventually("writes are acknowledged", || {
            let now = self.acked.load(SeqCst);
            check(now > before + 50, || format!("{before} -> {now}"))
        });
    }

    /// Ends them, whatever became of them.
    pub fn join_all(self) -> Vec<Ended> {
        self.stop.store(true, SeqCst);
        self.join()
    }

    fn join(self) -> Vec<Ended> {
        let threads = self.threads.into_iter();
        threads.map(|t| t.join().expect("a writer")).collect()
    }

    /// All were refused as by a replica, and `heir` has every write that was acknowledged.
    pub fn assert_kept(self, heir: &Server) {
        for ended in self.join() {
            assert_eq!(
                ended.refusal.as_deref(),
                Some("READONLY You can't write against a read only replica.")
            );
            let held = heir.run(&format!("GET {}", ended.key)).text();
            assert_eq!(held, ended.acked.to_string(), "{}", ended.key);
        }
    }

    /// None was refused; the longest that a write took.
    pub fn assert_unhurt(self, server: &Server) -> Duration {
        self.stop.store(true, SeqCst);
        let mut longest = Duration::ZERO;
        for ended in self.join() {
            assert_eq!(ended.refusal, None, "{}", ended.key);
            let held = server.run(&format!("GET {}", ended.key)).text();
            assert_eq!(held, ended.acked.to_string(), "{}", ended.key);
            longest = longest.max(ended.longest);
        }
        longest
    }
}
