//! Reading the snapshot of a full sync into a dataset that nobody sees yet.
//!
//! It is read by a thread of its own from a blocking socket, as fast as bytes come. Whoever wants to end that
//! shuts the socket down ([`Loading`] does when it is dropped), and the thread finds the end of its bytes.

use super::facts::Facts;
use crate::memory::ThreadMemory;
use crate::rdb::load::{Expired, Loader};
use crate::rdb::read::{Options, Reader, Refusal, Sink};
use crate::rdb::{self, RdbError};
use crate::store::{Dataset, lazyfree};
use crate::sys::net::Blocking;
use crate::sys::{thread, time::Instant};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// A snapshot without keys is no longer than this, in bytes, its end mark included: it has a head, some facts about the
/// server that made it, and an end.
pub const SMALL_SNAPSHOT: usize = 4096;

/// How a master marks the end of its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// `$<bytes>`.
    Bytes(u64),
    /// `$EOF:<mark>`: the mark follows the snapshot.
    Mark([u8; 40]),
}

impl Extent {
    /// What the line before a snapshot says; none if it is not such a line.
    pub fn parse(line: &[u8]) -> Option<Extent> {
        let rest = line.strip_prefix(b"$")?;
        if let Some(mark) = rest.strip_prefix(b"EOF:") {
            return mark.try_into().ok().map(Extent::Mark);
        }
        if rest.is_empty() || !rest.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(rest)
            .ok()?
            .parse()
            .ok()
            .map(Extent::Bytes)
    }

    /// The snapshot that `bytes` begin with, if all of it is there.
    pub fn whole(self, bytes: &[u8]) -> Option<&[u8]> {
        let end = match self {
            Extent::Bytes(len) => usize::try_from(len).ok()?,
            Extent::Mark(mark) => memchr::memmem::find(bytes, &mark)?,
        };
        bytes.get(..end)
    }

    fn bytes(self) -> Option<u64> {
        match self {
            Extent::Bytes(bytes) => Some(bytes),
            Extent::Mark(_) => None,
        }
    }
}

/// How many keys a snapshot has; none if it cannot be read.
pub fn count_keys(snapshot: &[u8]) -> Option<u64> {
    struct Nowhere;
    impl Sink for Nowhere {
        fn key(
            &mut self,
            _: u32,
            _: &[u8],
            _: rdb::read::Loaded<'_>,
            _: Option<i64>,
        ) -> Result<(), Refusal> {
            Ok(())
        }
    }
    let summary = Reader::new(snapshot, Options::default()).read(&mut Nowhere);
    summary.ok().map(|summary| summary.keys)
}

/// A snapshot that is whole, and the room it takes. Dropping it frees the dataset first.
pub struct Staged {
    /// What was in it.
    pub dataset: Arc<Dataset>,
    /// The database that the stream has selected where it stands.
    pub stream_db: u32,
    /// The right to hold it in memory beside the dataset served.
    pub room: OwnedSemaphorePermit,
}

/// Why a snapshot was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The socket cannot be read by a thread, or there is no thread.
    #[error("cannot begin to read the snapshot: {0}")]
    Begin(io::Error),
    /// What it is, or how it came.
    #[error("the snapshot cannot be loaded: {0}")]
    Snapshot(#[from] RdbError),
    /// It is shorter than the master said.
    #[error("the snapshot ends {0} bytes before the end that was announced")]
    Short(u64),
    /// It does not end with the mark that was announced.
    #[error("the snapshot is not followed by the end mark that was announced")]
    NoMark,
    /// The connection ended between snapshot and mark.
    #[error("the connection failed behind the snapshot: {0}")]
    Tail(io::Error),
    /// The thread is gone, with everything it had.
    #[error("the loading thread ended")]
    Gone,
}

/// What is to be loaded, and under which conditions.
pub struct Order {
    /// The connection.
    pub stream: Blocking,
    /// What came already, beginning with the snapshot.
    pub unread: Vec<u8>,
    /// Where it ends.
    pub extent: Extent,
    /// Silence for longer ends the load.
    pub timeout: Duration,
    /// Bytes of memory it may take.
    pub limit: u64,
    /// Number of databases.
    pub databases: usize,
    /// How it is read.
    pub reading: Options,
    /// The right to hold it in memory.
    pub room: OwnedSemaphorePermit,
    /// A dataset to be freed first.
    pub dropped: Option<Arc<Dataset>>,
}

/// What is left when a snapshot is loaded.
pub struct Loaded {
    /// The snapshot.
    pub staged: Staged,
    /// Number of its keys.
    pub keys: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The connection, non-blocking again.
    pub stream: Blocking,
    /// What came behind the snapshot: the beginning of the stream.
    pub unread: Vec<u8>,
}

/// A load under way. Dropping it ends it.
pub struct Loading {
    socket: Blocking,
    done: oneshot::Receiver<Result<Loaded, LoadError>>,
    finished: bool,
}

impl Loading {
    /// Begins to load, in a thread of its own. Progress goes to `facts`.
    ///
    /// # Errors
    /// There is no thread, or no second handle of the socket.
    pub fn begin(order: Order, facts: Arc<Facts>) -> Result<Self, LoadError> {
        let socket = order.stream.try_clone().map_err(LoadError::Begin)?;
        let (sender, done) = oneshot::channel();
        let work = move || {
            let result = load(order, &facts, || !sender.is_closed());
            facts.staging_is(0);
            // If nobody waits any more, what was loaded is freed here.
            let _ = sender.send(result);
        };
        thread::spawn("full-sync", work).map_err(LoadError::Begin)?;
        Ok(Loading {
            socket,
            done,
            finished: false,
        })
    }

    /// Waits for the end of it.
    ///
    /// # Errors
    /// Why there is no snapshot.
    pub async fn done(mut self) -> Result<Loaded, LoadError> {
        let result = (&mut self.done).await;
        self.finished = true;
        result.unwrap_or(Err(LoadError::Gone))
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // Fails only if the peer closed it before us.
        let _ = self.socket.shutdown(Shutdown::Both);
        self.done.close();
        if let Ok(Ok(loaded)) = self.done.try_recv() {
            lazyfree::free(loaded.staged);
        }
    }
}

fn load(order: Order, facts: &Facts, wanted: impl Fn() -> bool) -> Result<Loaded, LoadError> {
    let Order {
        stream,
        unread,
        extent,
        timeout,
        limit,
        databases,
        mut reading,
        room,
        dropped,
    } = order;
    // Between two keys it would be noticed too late.
    reading.max_string = reading.max_string.min(limit);
    drop(dropped);
    facts.sync_is(extent.bytes());
    let mut incoming = Incoming::new(stream, unread, extent, timeout).map_err(LoadError::Begin)?;
    let memory = ThreadMemory::now();
    let staged = Staged {
        dataset: Arc::new(Dataset::new(databases)),
        stream_db: 0,
        room,
    };
    let loader = Loader::new(&staged.dataset, Expired::Keep)
        .accessed(reading.limits.accesses)
        .resting(reading.key_delay);
    let mut loader = loader.watched_by(|read| {
        let taken = memory.change().max(0) as u64;
        facts.sync_at(read);
        facts.staging_is(taken);
        if taken > limit {
            return Err(Refusal::Stopped(format!(
                "it takes more memory than there is for a full sync, {limit} bytes (replica-staging-maxmemory)"
            )));
        }
        match wanted() {
            true => Ok(()),
            false => Err(Refusal::Stopped("nobody waits for it any more".into())),
        }
    });
    let mut reader = Reader::new(&mut incoming, reading);
    let summary = reader.read(&mut loader)?;
    facts.sync_at(summary.bytes);
    let stream_db = loader.stream_db();
    drop(loader);
    let (_, beyond) = reader.into_parts();
    let (stream, unread) = incoming.finish(beyond)?;
    Ok(Loaded {
        staged: Staged {
            stream_db,
            ..staged
        },
        keys: summary.keys,
        bytes: summary.bytes,
        stream,
        unread,
    })
}

/// The bytes of a snapshot, up to its announced end where one was announced.
struct Incoming {
    stream: Blocking,
    unread: Vec<u8>,
    /// Bytes of `unread` given out.
    at: usize,
    extent: Extent,
    /// Bytes of the announced size still to come.
    left: u64,
    timeout: Duration,
    last_heard: Instant,
    last_said: Instant,
}

/// How often a load shows its master that it lives, and looks whether the master does.
const PULSE: Duration = Duration::from_secs(1);

impl Incoming {
    fn new(
        stream: Blocking,
        unread: Vec<u8>,
        extent: Extent,
        timeout: Duration,
    ) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PULSE))?;
        stream.set_write_timeout(Some(PULSE))?;
        let now = Instant::now();
        Ok(Incoming {
            stream,
            unread,
            at: 0,
            extent,
            left: extent.bytes().unwrap_or(u64::MAX),
            timeout,
            last_heard: now,
            last_said: now,
        })
    }

    /// A master takes an empty line for a sign of life.
    fn pulse(&mut self) {
        if self.last_said.elapsed() >= PULSE {
            self.last_said = Instant::now();
            // If the master is gone, reading says so better.
            let _ = self.stream.write(b"\n");
        }
    }

    fn receive(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            self.pulse();
            match self.stream.read(to) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    if self.last_heard.elapsed() >= self.timeout {
                        let why = "Timeout receiving bulk data from MASTER (repl-timeout)";
                        return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                    }
                }
                done => {
                    self.last_heard = Instant::now();
                    return done;
                }
            }
        }
    }

    /// After the snapshot, of which `beyond` was taken too much: checks how it ends, and returns the socket with what
    /// came behind.
    fn finish(mut self, mut beyond: Vec<u8>) -> Result<(Blocking, Vec<u8>), LoadError> {
        match self.extent {
            Extent::Bytes(_) => match self.left + beyond.len() as u64 {
                0 => {}
                short => return Err(LoadError::Short(short)),
            },
            Extent::Mark(mark) => {
                beyond.extend_from_slice(&self.unread[self.at..]);
                self.at = self.unread.len();
                while beyond.len() < mark.len() {
                    let mut more = [0; 64];
                    match self.receive(&mut more).map_err(LoadError::Tail)? {
                        0 => return Err(LoadError::Tail(io::ErrorKind::UnexpectedEof.into())),
                        n => beyond.extend_from_slice(&more[..n]),
                    }
                }
                if !beyond.starts_with(&mark) {
                    return Err(LoadError::NoMark);
                }
                beyond.drain(..mark.len());
            }
        }
        beyond.extend_from_slice(&self.unread[self.at..]);
        self.stream
            .set_read_timeout(None)
            .map_err(LoadError::Begin)?;
        self.stream
            .set_write_timeout(None)
            .map_err(LoadError::Begin)?;
        self.stream
            .set_nonblocking(true)
            .map_err(LoadError::Begin)?;
        Ok((self.stream, beyond))
    }
}

impl Read for &mut Incoming {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let want = to
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let to = &mut to[..want];
        if to.is_empty() {
            return Ok(0);
        }
        let ready = &self.unread[self.at..];
        let n = match ready.len() {
            0 => self.receive(to)?,
            len => {
                let n = len.min(want);
                to[..n].copy_from_slice(&ready[..n]);
                self.at += n;
                n
            }
        };
        if let Extent::Bytes(_) = self.extent {
            self.left -= n as u64;
        }
        Ok(n)
    }
}

/// Bytes that a snapshot may take if nothing else is configured: nine tenths of what the machine, or the control
/// group we are in, has left.
pub fn room_on_machine() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("MemAvailable:"))?;
            let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kib << 10)
        });
    let number = |name: &str| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok()?;
        text.trim().parse().ok()
    };
    let group = match (number("max"), number("current")) {
        (Some(max), Some(current)) => Some(max.saturating_sub(current)),
        _ => None,
    };
    let left = machine.into_iter().chain(group).min().unwrap_or(u64::MAX);
    left / 10 * 9
}

#[cfg(test)]
mod tests;
