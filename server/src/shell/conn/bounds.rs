//! What a connection may have waiting, on its way in and on its way out.

use super::Conn;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Context;
use std::time::Duration;

/// A client that takes none of its replies for so long may be one that sends all its requests first, more than fit on the
/// way, and waits for us.
const STALLED: Duration = Duration::from_millis(50);
/// Bytes of replies that may wait for such a client.
const STALLED_MOST: usize = 128 << 20;

impl Conn {
    /// Whether requests of a client whose replies wait are served: not as long as it takes replies, since then they need not
    /// pile up. If they are not, `cx` is woken when that changes.
    pub(super) fn is_served_on(&mut self, cx: &mut Context<'_>) -> bool {
        if self.output.len() - self.sent >= STALLED_MOST {
            return false;
        }
        let sleep = || Box::pin(tokio::time::sleep(STALLED));
        let stall = self.stall.get_or_insert_with(sleep);
        stall.is_elapsed() || stall.as_mut().poll(cx).is_ready()
    }

    /// The client took some of the output.
    pub(super) fn has_taken(&mut self) {
        self.stall = None;
        // More may be added before the client has taken all.
        if self.sent > self.output.len() / 2 {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Appends to the input that waits.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        let input = self.input.get_or_insert_default();
        let limit = self.server.config.settings().query_buffer_limit;
        if input.bytes.len() + bytes.len() > limit {
            tracing::warn!(
                "client {} at {} closed: its requests exceed client-query-buffer-limit",
                self.client.id,
                self.client.addr
            );
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        input.bytes.extend_from_slice(bytes);
        input.starved = false;
        self.client.input.store(input.bytes.len(), Relaxed);
        // Before what is too large is executed.
        self.server.clients.weigh(&self.client);
        Ok(())
    }

    /// Closes a client that takes its replies too slowly, or whose next ones, of `more` bytes, are over its hard limit
    /// together, however fast it may take them; and one that has not logged in and takes none. True if it did.
    pub(super) fn is_over_limit(&self, more: usize) -> bool {
        let limit = self.server.config.settings().buffer_limits[self.client.class()];
        let waiting = self.output.len() - self.sent + more;
        let too_much = more > 0 && (1..=waiting as u64).contains(&limit.hard);
        let known = self.session.authenticated || self.server.accounts.is_open();
        let takes_none = !known && more == 0 && waiting > 0;
        let over = too_much || takes_none || self.client.over_limit(&limit);
        over.then(|| self.client.close_over(waiting)).is_some()
    }
}
