//! What a connection may have waiting, on its way in and on its way out.

use super::Conn;
use std::io;
use std::sync::atomic::Ordering::Relaxed;

impl Conn {
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
