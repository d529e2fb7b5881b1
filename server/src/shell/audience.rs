//! Telling the outside what happens to keys: subscribers to keyspace events, and clients that cache.

use super::client::Client;
use super::pubsub::Kind;
use super::server::Server;
use super::tracking::Cached;
use crate::command::Audience;
use crate::command::events::{CACHES, KEYEVENT, KEYSPACE};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// Somebody sees all commands: MONITOR.
pub(super) const MONITORS: u32 = 1 << 17;
/// What `notify-keyspace-events` sets.
const EVENTS: u32 = CACHES - 1;

/// What anybody asks for, in one word that commands look at: the classes of keyspace events, and whether there are
/// clients that cache, or that see all commands.
#[derive(Default)]
pub struct Asked(AtomicU32);

impl Asked {
    /// The word.
    #[inline]
    pub(super) fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// `notify-keyspace-events` is `classes`. Without a channel to publish to, no event is worth making.
    pub(super) fn set_events(&self, classes: u32) {
        let told = classes & (KEYSPACE | KEYEVENT) != 0;
        let classes = if told { classes & EVENTS } else { 0 };
        let _ = self
            .0
            .fetch_update(Relaxed, Relaxed, |word| Some(word & !EVENTS | classes));
    }

    /// Whether anybody asks for `what`.
    pub(super) fn set(&self, what: u32, on: bool) {
        match on {
            true => self.0.fetch_or(what, Relaxed),
            false => self.0.fetch_and(!what, Relaxed),
        };
    }
}

/// Tells what one command, or nobody's, does to keys.
pub(super) struct Telling<'a> {
    server: &'a Server,
    asks: u32,
    client: Option<&'a Arc<Client>>,
    cached: Option<&'a Cached>,
    in_script: bool,
}

impl<'a> Telling<'a> {
    /// For a command of `client`; none if nobody asks for anything.
    #[inline]
    pub fn of(
        server: &'a Server,
        client: Option<&'a Arc<Client>>,
        cached: Option<&'a Cached>,
    ) -> Option<Telling<'a>> {
        let asks = server.asked.get() & (EVENTS | CACHES);
        (asks != 0).then_some(Telling {
            server,
            asks,
            client,
            cached,
            in_script: false,
        })
    }

    /// The same for a command that a script of the client calls.
    #[inline]
    pub fn in_script(mut self, yes: bool) -> Telling<'a> {
        self.in_script = yes;
        self
    }

    /// A key is gone by itself, which is event `name` of `class`.
    pub fn gone(&self, db: usize, class: u32, name: &'static str, key: &[u8]) {
        if self.asks & class != 0 {
            self.event(db, name, key);
        }
        if self.asks & CACHES != 0 {
            self.changed(key);
        }
    }
}

impl Audience for Telling<'_> {
    fn asks(&self) -> u32 {
        self.asks
    }

    fn event(&self, db: usize, name: &'static str, key: &[u8]) {
        let pubsub = &self.server.pubsub;
        let publish = |prefix: String, last: &[u8], message: &[u8]| {
            let channel = [prefix.as_bytes(), last].concat();
            pubsub.publish(
                &self.server.clients,
                Kind::Channel,
                &channel,
                message,
                || {},
            );
        };
        if self.asks & KEYSPACE != 0 {
            publish(format!("__keyspace@{db}__:"), key, name.as_bytes());
        }
        if self.asks & KEYEVENT != 0 {
            publish(format!("__keyevent@{db}__:"), name.as_bytes(), key);
        }
    }

    fn changed(&self, key: &[u8]) {
        let by = self.client.map(|client| client.id);
        let tracking = &self.server.tracking;
        tracking.changed(self.server, key, by, self.in_script);
    }

    fn read(&self, key: &[u8]) {
        if let Some(cached) = self.cached
            && cached.remembers()
        {
            self.server.tracking.remember(cached, key);
        }
    }

    fn flushed(&self) {
        self.server.tracking.flush(self.server);
    }
}
