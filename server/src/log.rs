//! The replication log: one total order of writes, as the bytes a replica reads.
//!
//! The bytes are kept once. The backlog (what a replica that was away can resume from) and the cursor of
//! every attached replica are positions in the same shared chunks. A replica that lags by more than its
//! limit is let go, never waited for, so memory is bounded by the larger of backlog and limit.
//!
//! Offsets count as Redis counts them: [`ReplLog::offset`] is `master_repl_offset`, the number of bytes of
//! history up to the last one; a replica that has that many asks `PSYNC <replid> <offset + 1>`.
//!
//! While nobody ever attached a replica the log is not [`active`](ReplLog::active), and a write costs one
//! load of a flag. Appending happens under shard locks and takes one short lock more; whoever appended calls
//! [`ReplLog::kick`] once at the end of its batch, which wakes the senders that sleep.

mod chunks;
mod cursor;

pub use cursor::{Cursor, Dropped};

use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard};
use chunks::{Chunks, Freed};
use cursor::State;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// The largest offset taken from a master or a file. No stream gets there in a hundred years, and nothing that is added
/// to it overflows.
pub const OFFSET_MAX: u64 = 1 << 62;

/// What bounds the memory of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `repl-backlog-size`: bytes kept for replicas that are away.
    pub backlog: u64,
    /// Hard limit of `client-output-buffer-limit replica`: a cursor that lags more is let go. 0: no limit.
    /// One below `backlog` counts as `backlog`, as in Redis.
    pub hard: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            backlog: 1 << 20,
            hard: 256 << 20,
        }
    }
}

impl Limits {
    fn chunk_size(&self) -> usize {
        (self.backlog / 16).clamp(16 << 10, 256 << 10) as usize
    }
}

/// What INFO says of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The log is in use.
    pub active: bool,
    /// Configured size, bytes.
    pub size: u64,
    /// Offset of the first byte held (1 is the first byte of a history).
    pub first_byte_offset: u64,
    /// Bytes held.
    pub histlen: u64,
    /// Bytes that are no longer held, and still being freed.
    pub leaving: u64,
}

impl Backlog {
    /// Bytes beyond the configured size: held for replicas that lag, or being freed. No dataset is to shrink for them.
    pub fn beyond(&self) -> u64 {
        self.histlen.saturating_sub(self.size) + self.leaving
    }
}

/// The replication log.
pub struct ReplLog {
    active: AtomicBool,
    /// Copy of the end of the chunks that is read without the lock.
    end: AtomicU64,
    /// Some cursor's reader sleeps, or is to be told that it was let go.
    sleepers: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    chunks: Chunks,
    limits: Limits,
    /// The database that needs no SELECT before its next command, if there is one.
    selected: Option<u32>,
    /// The database the stream has selected at its end.
    stream_db: u32,
    cursors: Vec<Option<State>>,
    /// A cursor was let go by a limit and its reader must be woken.
    let_go: bool,
}

impl ReplLog {
    /// An inactive log at offset 0.
    pub fn new(limits: Limits) -> Self {
        ReplLog {
            active: AtomicBool::new(false),
            end: AtomicU64::new(0),
            sleepers: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                chunks: Chunks::new(0, limits.chunk_size()),
                limits,
                selected: None,
                stream_db: 0,
                cursors: Vec::new(),
                let_go: false,
            }),
        }
    }

    /// Whether writes are to be appended. Changes only while all gates are held.
    #[inline]
    pub fn active(&self) -> bool {
        self.active.load(Relaxed)
    }

    /// Puts the log in use, with nothing in it, at the offset it has. The caller holds all gates.
    pub fn activate(&self) {
        self.active.store(true, Release);
    }

    /// Frees the log, lets every cursor go and stops recording; the offset stays. The caller holds all gates.
    pub fn deactivate(&self) {
        self.active.store(false, Release);
        self.reset(self.offset(), 0);
    }

    /// Goes on at `offset`, in a history where nothing before it is held: after a dataset swap or a new
    /// replid. `stream_db` is the database that the stream has selected there (0 if nobody says). Every cursor
    /// is let go. The caller holds all gates.
    pub fn reset(&self, offset: u64, stream_db: u32) {
        let mut inner = self.inner.lock();
        let freed = inner.chunks.reset(offset);
        inner.selected = None;
        inner.stream_db = stream_db;
        self.end.store(offset, Release);
        inner.let_go_where(|_| true);
        drop(inner);
        freed.free();
        self.wake_all();
    }

    /// Lets every cursor go, and keeps what is held: what is appended from here on belongs to a history that
    /// their readers do not know of, and under the name they know it must not reach them. Those who read up to
    /// here come back and learn the new name; who changes it holds all gates.
    pub fn let_all_go(&self) {
        self.inner.lock().let_go_where(|_| true);
        self.wake_all();
    }

    /// `master_repl_offset`.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.end.load(Acquire)
    }

    /// Appends one command that was executed in database `db`, preceded by a SELECT if the reader of the
    /// stream has another one selected. Returns the offset after it.
    pub fn append(&self, db: u32, args: &[&[u8]]) -> u64 {
        let mut writer = self.writer();
        writer.command(db, args);
        writer.offset()
    }

    /// Several appends that nothing interleaves with (a MULTI block): holds the lock for as long as it lives.
    pub fn writer(&self) -> Writer<'_> {
        Writer {
            inner: self.inner.lock(),
            end: &self.end,
            sleepers: &self.sleepers,
            sealed: false,
        }
    }

    /// Appends bytes of our own master's stream as they are: whole commands, after which the stream has
    /// `stream_db` selected. A command of our own after them selects its database anew. Returns the offset
    /// after them.
    pub fn append_raw(&self, bytes: &[u8], stream_db: u32) -> u64 {
        let mut writer = self.writer();
        writer.raw(bytes);
        writer.inner.selected = None;
        writer.inner.stream_db = stream_db;
        writer.offset()
    }

    /// Makes the next command select its database, for a new reader who may not know what is selected, and
    /// returns what that is.
    pub fn forget_selected(&self) -> u32 {
        let mut inner = self.inner.lock();
        inner.selected = None;
        inner.stream_db
    }

    /// The database that the stream has selected where it ends.
    pub fn stream_db(&self) -> u32 {
        self.inner.lock().stream_db
    }

    /// Wakes the senders that wait for bytes. Call it once per batch, after the locks of the batch are free.
    #[inline]
    pub fn kick(&self) {
        if self.sleepers.load(Relaxed) {
            self.wake_sleepers();
        }
    }

    #[cold]
    fn wake_sleepers(&self) {
        let mut inner = self.inner.lock();
        self.sleepers.store(false, Relaxed);
        let end = inner.chunks.end();
        let mut still_asleep = false;
        let mut wakers = SmallVec::<[_; 8]>::new();
        for state in inner.cursors.iter_mut().flatten() {
            if state.dropped || (state.wants_bytes && state.position < end) {
                wakers.extend(state.waker.take());
            } else {
                still_asleep |= state.wants_bytes && state.waker.is_some();
            }
        }
        inner.let_go = false;
        if still_asleep {
            self.sleepers.store(true, Relaxed);
        }
        drop(inner);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    fn wake_all(&self) {
        self.sleepers.store(true, Relaxed);
        self.kick();
    }

    /// A cursor at `offset`. None if the byte after it is no longer held, or does not exist yet.
    pub fn cursor_at(self: &Arc<Self>, offset: u64) -> Option<Cursor> {
        let mut inner = self.inner.lock();
        if !self.active() || offset < inner.chunks.start() || offset > inner.chunks.end() {
            return None;
        }
        let state = State {
            position: offset,
            dropped: false,
            wants_bytes: false,
            waker: None,
        };
        let free = inner.cursors.iter().position(Option::is_none);
        let slot = free.unwrap_or(inner.cursors.len());
        match free {
            Some(_) => inner.cursors[slot] = Some(state),
            None => inner.cursors.push(Some(state)),
        }
        drop(inner);
        Some(Cursor {
            log: Arc::clone(self),
            slot,
        })
    }

    /// The offsets a replica may resume from: those after which every byte is held, first and last.
    /// None while the log is not active.
    pub fn resumable(&self) -> Option<(u64, u64)> {
        let inner = self.inner.lock();
        self.active()
            .then(|| (inner.chunks.start(), inner.chunks.end()))
    }

    /// What INFO says of the log.
    pub fn backlog(&self) -> Backlog {
        let inner = self.inner.lock();
        let (start, end) = (inner.chunks.start(), inner.chunks.end());
        let active = self.active();
        Backlog {
            active,
            size: inner.limits.backlog,
            first_byte_offset: if active { start + 1 } else { 0 },
            histlen: if active { end - start } else { 0 },
            leaving: inner.chunks.leaving(),
        }
    }

    /// Changes the limits; they are enforced at once.
    pub fn set_limits(&self, limits: Limits) {
        {
            let mut inner = self.inner.lock();
            inner.limits = limits;
            inner.chunks.set_chunk_size(limits.chunk_size());
        }
        self.tidy();
    }

    /// Enforces the limits to the last chunk; appending does so a little at a time. To be called now and then.
    pub fn tidy(&self) {
        let mut inner = self.inner.lock();
        let freed = inner.enforce(usize::MAX);
        let let_go = inner.let_go;
        drop(inner);
        freed.free();
        if let_go {
            self.wake_all();
        }
    }
}

impl Inner {
    /// Lets go of the cursors that `what` picks.
    fn let_go_where(&mut self, what: impl Fn(&State) -> bool) {
        for state in self.cursors.iter_mut().flatten() {
            if !state.dropped && what(state) {
                state.dropped = true;
                self.let_go = true;
            }
        }
    }

    /// Applies the limits; of what may be freed, hands out `most` chunks.
    fn enforce(&mut self, most: usize) -> Freed {
        let end = self.chunks.end();
        let Limits { backlog, hard } = self.limits;
        if hard > 0 {
            self.let_go_where(|state| end - state.position > hard.max(backlog));
        }
        self.trim(most)
    }

    /// Takes out what neither the backlog nor a cursor needs, at most `most` chunks of it.
    fn trim(&mut self, most: usize) -> Freed {
        let backlog_from = self.chunks.end().saturating_sub(self.limits.backlog);
        let held = self.cursors.iter().flatten().filter(|state| !state.dropped);
        let keep_from = held
            .map(|state| state.position)
            .fold(backlog_from, u64::min);
        self.chunks.trim(keep_from, most)
    }
}

/// Appends to the log under its lock; see [`ReplLog::writer`].
pub struct Writer<'a> {
    inner: MutexGuard<'a, Inner>,
    end: &'a AtomicU64,
    sleepers: &'a AtomicBool,
    sealed: bool,
}

impl Writer<'_> {
    /// Appends one command executed in `db`, preceded by a SELECT if need be.
    pub fn command(&mut self, db: u32, args: &[&[u8]]) {
        if self.inner.selected != Some(db) {
            self.plain(&[b"SELECT", itoa::Buffer::new().format(db).as_bytes()]);
            self.inner.selected = Some(db);
            self.inner.stream_db = db;
        }
        self.plain(args);
    }

    /// Appends one command that belongs to no database (PING, REPLCONF GETACK).
    pub fn plain(&mut self, args: &[&[u8]]) {
        self.header(b'*', args.len());
        for arg in args {
            self.header(b'$', arg.len());
            self.raw(arg);
            self.raw(b"\r\n");
        }
    }

    /// The offset after what was appended so far.
    pub fn offset(&self) -> u64 {
        self.inner.chunks.end()
    }

    fn header(&mut self, kind: u8, n: usize) {
        let mut line = SmallVec::<[u8; 24]>::new();
        line.push(kind);
        line.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
        line.extend_from_slice(b"\r\n");
        self.raw(&line);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.sealed |= self.inner.chunks.push(bytes);
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        // Limits are looked at once per chunk, not once per command.
        if self.sealed {
            // Under the caller's locks: a little at a time, though more than is sealed.
            self.inner.enforce(4).free();
            if self.inner.let_go {
                self.sleepers.store(true, Relaxed);
            }
        }
        self.end.store(self.inner.chunks.end(), Release);
    }
}

#[cfg(test)]
mod tests;
