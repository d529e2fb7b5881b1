//! A replica's place in the log.

use super::ReplLog;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

/// The cursor fell behind its limit, or the log was reset or put out of use: the replica must be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the replication log let go of this cursor")]
pub struct Dropped;

/// What the log knows about one cursor.
pub(super) struct State {
    /// Position of the next byte to hand out; bytes from here on are kept for it.
    pub position: u64,
    pub dropped: bool,
    /// Its reader sleeps until there are bytes, not only until it is dropped.
    pub wants_bytes: bool,
    pub waker: Option<Waker>,
}

/// A place in the log that holds on to the bytes behind it. Dropping it lets them go.
pub struct Cursor {
    pub(super) log: Arc<ReplLog>,
    pub(super) slot: usize,
}

impl Cursor {
    /// Offset up to which bytes were handed out.
    pub fn position(&self) -> u64 {
        self.with(|state, _| state.position)
    }

    /// Bytes of the log not handed out yet.
    pub fn lag(&self) -> u64 {
        self.with(|state, end| end.saturating_sub(state.position))
    }

    /// Appends up to `max` bytes to `out`, as pieces shared with the log, and moves on past them. Returns
    /// how many; 0 means the end of the log is reached.
    ///
    /// # Errors
    /// [`Dropped`], from then on for ever.
    pub fn read(&mut self, max: usize, out: &mut Vec<Bytes>) -> Result<usize, Dropped> {
        let mut inner = self.log.inner.lock();
        let inner = &mut *inner;
        let state = inner.cursors[self.slot].as_mut().ok_or(Dropped)?;
        if state.dropped {
            return Err(Dropped);
        }
        let n = inner.chunks.read(state.position, max, out).ok_or(Dropped)?;
        state.position += n as u64;
        Ok(n)
    }

    /// Ready when there are bytes to read. The task is woken by [`ReplLog::kick`].
    ///
    /// # Errors
    /// [`Dropped`].
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Dropped>> {
        self.poll(cx, true)
    }

    /// Ready, with an error, when the cursor was dropped: what a sender whose socket is stuck waits for.
    pub fn poll_dropped(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Dropped>> {
        self.poll(cx, false)
    }

    fn poll(&mut self, cx: &mut Context<'_>, wants_bytes: bool) -> Poll<Result<(), Dropped>> {
        let mut inner = self.log.inner.lock();
        let end = inner.chunks.end();
        let Some(state) = inner.cursors[self.slot].as_mut() else {
            return Poll::Ready(Err(Dropped));
        };
        if state.dropped {
            return Poll::Ready(Err(Dropped));
        }
        if wants_bytes && state.position < end {
            return Poll::Ready(Ok(()));
        }
        state.wants_bytes = wants_bytes;
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        if wants_bytes {
            self.log.sleepers.store(true, Relaxed);
        }
        Poll::Pending
    }

    /// Drops the cursor by force: its reader is woken and gets [`Dropped`].
    pub fn let_go(&self) {
        let waker = self.with(|state, _| {
            state.dropped = true;
            state.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn with<R>(&self, f: impl FnOnce(&mut State, u64) -> R) -> R {
        let mut inner = self.log.inner.lock();
        let end = inner.chunks.end();
        // The slot is filled for as long as the cursor lives; an empty one reads as a dropped cursor.
        f(
            inner.cursors[self.slot].get_or_insert(State {
                position: end,
                dropped: true,
                wants_bytes: false,
                waker: None,
            }),
            end,
        )
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let mut inner = self.log.inner.lock();
        inner.cursors[self.slot] = None;
        let freed = inner.trim(usize::MAX);
        drop(inner);
        freed.free();
    }
}
