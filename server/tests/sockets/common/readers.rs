//! Clients that read all the time and write down every answer they should not have had.
//!
//! A master stamps all keys of a group in one command: `MSET g:0 NAME:SEQ g:1 NAME:SEQ ..`. Whoever reads
//! the group in one command must see one stamp, of a known master, and, of each master, never an older one
//! than it saw before: a refused read, a torn one, an empty one and one that goes back are all recorded.

use super::resp::{Client, Value};
use super::wait::{check, eventually};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Keys in the group.
pub const GROUP: usize = 8;

/// Writes the group: every key gets the stamp `NAME:SEQ`, in one command.
///
/// # Panics
/// If the server refuses.
pub fn stamp(client: &mut Client, name: &str, seq: u64) {
    let mut command = vec!["MSET".to_owned()];
    for i in 0..GROUP {
        command.push(format!("g:{i}"));
        command.push(format!("{name}:{seq}"));
    }
    client.cmd(&command).ok();
}

/// A thread that stamps the group of a master all the time, until it is dropped.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Stamps `port`'s group as `name`, some hundred times a second.
    pub fn start(port: u16, name: &str) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let mut client = Client::connect(port).expect("connect the writer");
        stamp(&mut client, name, 0);
        let (name, theirs) = (name.to_owned(), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut seq = 0;
            while !theirs.load(Ordering::Relaxed) {
                seq += 1;
                stamp(&mut client, &name, seq);
                thread::sleep(Duration::from_millis(4));
            }
        });
        Writer {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("a writer was refused");
        }
    }
}

/// What the readers saw.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Reads answered.
    pub reads: u64,
    /// Reads that were refused with an error, or not answered at all.
    pub refused: u64,
    /// From the first refused read of a reader to its next good one, summed over its gaps, for the reader
    /// that was worst off.
    pub refused_for: Duration,
    /// Reads answered with what no master ever held at that point.
    pub wrong: u64,
    /// The longest time a reader waited for an answer.
    pub longest: Duration,
    /// The first complaints, in words.
    pub complaints: Vec<String>,
    /// How often each master's stamp was read.
    pub seen: HashMap<String, u64>,
}

impl Report {
    /// Fails unless every read was answered, rightly, and in less than `limit`.
    pub fn assert_clean(&self, limit: Duration) {
        assert!(self.reads > 0, "the readers did not read");
        assert!(
            self.refused == 0 && self.wrong == 0,
            "of {} reads {} were refused and {} wrong:\n{}",
            self.reads,
            self.refused,
            self.wrong,
            self.complaints.join("\n")
        );
        assert!(self.longest < limit, "a read took {:?}", self.longest);
    }
}

/// Threads that read a server until they are told to stop.
pub struct Readers {
    stop: Arc<AtomicBool>,
    report: Arc<Mutex<Report>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// `n` readers of `port`, which knows the stamps of the masters named.
    pub fn start(port: u16, n: usize, masters: &[&str]) -> Readers {
        let stop = Arc::new(AtomicBool::new(false));
        let report = Arc::new(Mutex::new(Report::default()));
        let threads = (0..n)
            .map(|i| {
                let mut reader = Reader {
                    port,
                    client: None,
                    // One reads by MGET, the next by a transaction, and so on.
                    transaction: i % 2 == 1,
                    masters: masters.iter().map(|m| (*m).to_owned()).collect(),
                    newest: HashMap::new(),
                };
                let (stop, report) = (Arc::clone(&stop), Arc::clone(&report));
                thread::spawn(move || reader.read_until(&stop, &report))
            })
            .collect();
        Readers {
            stop,
            report,
            threads,
        }
    }

    /// What they saw so far.
    pub fn so_far(&self) -> Report {
        lock(&self.report).clone()
    }

    /// Waits until the stamp of `master` was read more than `times`.
    pub fn await_stamp(&self, master: &str, times: u64) {
        eventually("the readers read", || {
            let seen = self.so_far().seen;
            let enough = seen.get(master).is_some_and(|seen| *seen > times);
            check(enough, || format!("{seen:?}"))
        });
    }

    /// Ends them and hands over what they saw.
    pub fn stop(mut self) -> Report {
        self.end();
        self.so_far()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() && !thread::panicking() {
                panic!("a reader panicked");
            }
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.end();
    }
}

struct Reader {
    port: u16,
    client: Option<Client>,
    transaction: bool,
    masters: Vec<String>,
    newest: HashMap<String, u64>,
}

/// Why a read was not what it should be.
enum Complaint {
    Refused(String),
    Wrong(String),
}

impl Reader {
    fn read_until(&mut self, stop: &AtomicBool, report: &Mutex<Report>) {
        let (mut gap, mut gaps): (Option<Instant>, Duration) = (None, Duration::ZERO);
        // Each reads once at least, however soon it is told to stop.
        loop {
            let asked = Instant::now();
            let outcome = self.read();
            let mut report = lock(report);
            report.longest = report.longest.max(asked.elapsed());
            match outcome {
                Ok(master) => {
                    report.reads += 1;
                    *report.seen.entry(master).or_default() += 1;
                    if let Some(since) = gap.take() {
                        gaps += since.elapsed();
                        report.refused_for = report.refused_for.max(gaps);
                    }
                }
                Err(complaint) => {
                    let text = match complaint {
                        Complaint::Refused(text) => {
                            report.refused += 1;
                            gap.get_or_insert(asked);
                            text
                        }
                        Complaint::Wrong(text) => {
                            report.wrong += 1;
                            text
                        }
                    };
                    if report.complaints.len() < 10 {
                        report.complaints.push(text);
                    }
                }
            }
            drop(report);
            if stop.load(Ordering::Relaxed) {
                break;
            }
            thread::sleep(Duration::from_micros(500));
        }
        if let Some(since) = gap {
            let mut report = lock(report);
            report.refused_for = report.refused_for.max(gaps + since.elapsed());
        }
    }

    /// One read of the whole group: the master whose stamp it bears.
    fn read(&mut self) -> Result<String, Complaint> {
        let values = self.ask()?;
        let stamps: Vec<String> = match &values {
            Value::Array(items) if items.len() == GROUP => items
                .iter()
                .map(|v| match v {
                    Value::Bulk(b) => Ok(String::from_utf8_lossy(b).into_owned()),
                    Value::Error(e) => Err(Complaint::Refused(e.clone())),
                    other => Err(Complaint::Wrong(format!("{other:?} in {values:?}"))),
                })
                .collect::<Result<_, _>>()?,
            Value::Error(e) => return Err(Complaint::Refused(e.clone())),
            other => return Err(Complaint::Wrong(format!("{other:?}"))),
        };
        if stamps.iter().any(|s| *s != stamps[0]) {
            return Err(Complaint::Wrong(format!("torn: {stamps:?}")));
        }
        let known = stamps[0]
            .split_once(':')
            .and_then(|(name, seq)| Some((name.to_owned(), seq.parse::<u64>().ok()?)))
            .filter(|(name, _)| self.masters.contains(name));
        let Some((name, seq)) = known else {
            return Err(Complaint::Wrong(format!("no stamp: {:?}", stamps[0])));
        };
        let newest = self.newest.entry(name.clone()).or_default();
        if seq < *newest {
            return Err(Complaint::Wrong(format!(
                "{name} went back from {newest} to {seq}"
            )));
        }
        *newest = seq;
        Ok(name)
    }

    fn ask(&mut self) -> Result<Value, Complaint> {
        let lost = |e: std::io::Error| Complaint::Refused(format!("connection: {e}"));
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(self.port).map_err(lost)?,
        };
        let keys: Vec<String> = (0..GROUP).map(|i| format!("g:{i}")).collect();
        let values = if self.transaction {
            let mut bytes = super::resp::encode(&["MULTI"]);
            for key in &keys {
                bytes.extend(super::resp::encode(&["GET", key]));
            }
            bytes.extend(super::resp::encode(&["EXEC"]));
            client.send_raw(&bytes).map_err(lost)?;
            let mut last = client.read().map_err(lost)?;
            for _ in 0..=GROUP {
                // An error on the way (a queued GET refused) is the cause of EXEC's.
                let cause = last.is_error().then(|| last.clone());
                last = client.read().map_err(lost)?;
                if let (Some(cause), true) = (cause, last.is_error()) {
                    last = cause;
                }
            }
            last
        } else {
            let mut command = vec!["MGET".to_owned()];
            command.extend(keys);
            client.try_cmd(&command).map_err(lost)?
        };
        self.client = Some(client);
        Ok(values)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
