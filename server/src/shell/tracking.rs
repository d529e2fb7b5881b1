//! Client-side caching: which clients have read which keys, and how they hear that these changed.
//!
//! A client's key is remembered under the lock of the key's shard, by the command that reads it, and forgotten under the
//! same lock by the command that changes it, which tells the client. So nobody keeps a value that was changed after it
//! was read and hears nothing of it.

mod broadcast;
mod table;

use super::client::{Client, memory::Held, trait_of};
use super::server::Server;
use crate::command::events::CACHES;
use crate::resp::Reply;
use broadcast::Prefixes;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use table::Table;

/// Where RESP2 clients hear of it.
const CHANNEL: &[u8] = b"__redis__:invalidate";
/// Keys that one command has forgotten for others at most, when too many are remembered.
const FORGOTTEN: usize = 100;

/// What a client that caches asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// The client that is told instead; 0: itself.
    pub redirect: u64,
    /// All changes under some prefixes, whether it has read the keys or not.
    pub broadcast: bool,
    /// Only keys read by the command after CLIENT CACHING YES.
    pub opt_in: bool,
    /// All but those read by the command after CLIENT CACHING NO.
    pub opt_out: bool,
    /// Not its own changes.
    pub no_loop: bool,
}

/// A client that caches.
struct Tracker {
    client: Arc<Client>,
    wish: Wish,
    /// The client it redirects to has gone.
    broken: AtomicBool,
}

/// The same, as the client's own connection knows it.
#[derive(Clone)]
pub(super) struct Cached {
    tracker: Arc<Tracker>,
    /// CLIENT CACHING came before the command that is being run.
    pub caching: bool,
}

impl Cached {
    /// What the client asked for.
    pub fn wish(&self) -> Wish {
        self.tracker.wish
    }

    /// The client it redirects to has gone, and it would have been told something.
    pub fn is_broken(&self) -> bool {
        self.tracker.broken.load(Relaxed)
    }

    /// Whether the keys of the command that is being run are to be remembered.
    pub fn remembers(&self) -> bool {
        let wish = self.wish();
        let skips = wish.opt_in && !self.caching || wish.opt_out && self.caching;
        !wish.broadcast && !skips
    }
}

/// Who caches what. Nothing of it is made before the first client asks.
#[derive(Default)]
pub struct Tracking {
    clients: RwLock<HashMap<u64, Arc<Tracker>>>,
    table: Table,
    prefixes: Prefixes,
    /// Held by whoever tells of changes under prefixes.
    turn: Mutex<()>,
}

impl Tracking {
    /// `client` caches from here on, or otherwise than before; `prefixes` are added to those it has.
    pub(super) fn enable(
        &self,
        server: &Server,
        client: &Arc<Client>,
        wish: Wish,
        prefixes: &[&[u8]],
    ) -> Box<Cached> {
        let tracker = Arc::new(Tracker {
            client: Arc::clone(client),
            wish,
            broken: AtomicBool::new(false),
        });
        let mut clients = self.clients.write();
        clients.insert(client.id, Arc::clone(&tracker));
        server.asked.set(CACHES, true);
        drop(clients);
        if wish.broadcast {
            let all: &[&[u8]] = &[b""];
            let prefixes = if prefixes.is_empty() { all } else { prefixes };
            self.prefixes.add(client.id, prefixes);
            let own = self.prefixes.of(client.id);
            let bytes = own.iter().map(|prefix| prefix.len()).sum();
            client.holds(Held::Prefixes, own.len(), bytes);
        }
        client.set(trait_of::BROKEN_REDIRECT, false);
        client.set(trait_of::BROADCAST, wish.broadcast);
        client.set(trait_of::TRACKING, true);
        client.redirect.store(wish.redirect, Relaxed);
        Box::new(Cached {
            tracker,
            caching: false,
        })
    }

    /// `client` caches no more. What is remembered of it is forgotten when its turn comes.
    pub(super) fn disable(
        &self,
        server: &Server,
        client: &Client,
        cached: &mut Option<Box<Cached>>,
    ) {
        let Some(was) = cached.take() else { return };
        let mut clients = self.clients.write();
        clients.remove(&client.id);
        if clients.is_empty() {
            server.asked.set(CACHES, false);
            self.table.clear();
        }
        drop(clients);
        if was.wish().broadcast {
            self.prefixes.remove(client.id);
            client.holds(Held::Prefixes, 0, 0);
        }
        let traits = trait_of::TRACKING | trait_of::BROADCAST | trait_of::BROKEN_REDIRECT;
        client.set(traits, false);
    }

    /// The client of `cached` has read `key`, whose shard is locked.
    pub(super) fn remember(&self, cached: &Cached, key: &[u8]) {
        self.table.remember(cached.tracker.client.id, key);
    }

    /// `key`, whose shard is locked, was changed by client `by`, or by its script: what a script does under a prefix is
    /// nobody's own doing, as in Redis, for its caller may not know which keys that were.
    pub(super) fn changed(&self, server: &Server, key: &[u8], by: Option<u64>, in_script: bool) {
        self.prefixes.changed(key, by.filter(|_| !in_script));
        if let Some(ids) = self.table.forget(key) {
            self.tell(server, ids, key, by);
        }
    }

    fn tell(
        &self,
        server: &Server,
        ids: impl IntoIterator<Item = u64>,
        key: &[u8],
        by: Option<u64>,
    ) {
        for id in ids {
            let tracker = self.clients.read().get(&id).cloned();
            let Some(tracker) = tracker.filter(|t| !t.wish.broadcast) else {
                continue;
            };
            if !(tracker.wish.no_loop && by == Some(id)) {
                tracker.send(server, |out| {
                    out.array(1);
                    out.bulk(key);
                });
            }
        }
    }

    /// Forgets keys while there are more than `most`, unless that is 0, telling those who have read them. True if
    /// there were any.
    pub(super) fn limit(&self, server: &Server, most: usize) -> bool {
        let mut told = false;
        for _ in 0..FORGOTTEN {
            if most == 0 || self.table.keys() <= most {
                break;
            }
            let Some((key, ids)) = self.table.forget_any() else {
                break;
            };
            self.tell(server, ids, &key, None);
            told = true;
        }
        told
    }

    /// Another dataset is served, or part of one is gone: every client that caches is told to forget all.
    pub fn flush(&self, server: &Server) {
        let clients: Vec<_> = self.clients.read().values().cloned().collect();
        self.table.clear();
        for tracker in clients {
            let null = {
                // As in Redis, the null of the one who caches, not of the one who is told.
                let mut null = Reply::new(tracker.client.proto());
                null.null();
                null.take()
            };
            tracker.send(server, |out| out.raw(&null));
        }
    }

    /// Tells what [`Tracking::changed`] has collected for those who asked for prefixes. Whoever changed keys calls it before
    /// the replies leave.
    #[inline]
    pub(super) fn broadcast(&self, server: &Server) {
        if self.prefixes.is_waiting() {
            self.broadcast_all(server);
        }
    }

    #[cold]
    fn broadcast_all(&self, server: &Server) {
        let _turn = self.turn.lock();
        for (keys, ids) in self.prefixes.take() {
            for id in ids {
                let Some(tracker) = self.clients.read().get(&id).cloned() else {
                    continue;
                };
                let own = tracker.wish.no_loop.then_some(id);
                let told = || keys.iter().filter(|(_, by)| by.is_none() || **by != own);
                let count = told().count();
                if count > 0 {
                    tracker.send(server, |out| {
                        out.array(count);
                        told().for_each(|(key, _)| out.bulk(key));
                    });
                }
            }
        }
        self.prefixes.told();
    }

    /// The prefixes of a client, in order.
    pub(super) fn prefixes_of(&self, client: u64) -> Vec<Box<[u8]>> {
        self.prefixes.of(client)
    }

    /// How many clients cache.
    pub fn clients(&self) -> usize {
        self.clients.read().len()
    }

    /// How many keys are remembered, for how many clients each, added up, and how many prefixes are asked for.
    pub fn sizes(&self) -> [usize; 3] {
        [self.table.keys(), self.table.items(), self.prefixes.len()]
    }
}

impl Tracker {
    /// Sends an invalidation whose value `value` writes, if there is a way to send one.
    fn send(&self, server: &Server, value: impl FnOnce(&mut Reply)) {
        let settings = server.config.settings();
        let redirected = match self.wish.redirect {
            0 => None,
            id => match server.clients.get(id) {
                Some(client) => Some(client),
                None => return self.broken(id, &settings.buffer_limits),
            },
        };
        let target = redirected.as_ref().unwrap_or(&self.client);
        let mut out = Reply::new(target.proto());
        if out.is_resp3() {
            out.push(2);
            out.bulk(b"invalidate");
        } else if redirected.is_some() && target.is(trait_of::PUBSUB) {
            out.array(3);
            out.bulk(b"message");
            out.bulk(CHANNEL);
        } else {
            return;
        }
        value(&mut out);
        target.send_behind(out.as_bytes(), &settings.buffer_limits[target.class()]);
    }

    /// The client of number `id`, which is told instead, has gone.
    fn broken(&self, id: u64, limits: &[crate::config::BufferLimit; 3]) {
        self.broken.store(true, Relaxed);
        self.client.set(trait_of::BROKEN_REDIRECT, true);
        let mut out = Reply::new(self.client.proto());
        if out.is_resp3() {
            out.push(2);
            out.bulk(b"tracking-redir-broken");
            out.int(id as i64);
            let limit = &limits[self.client.class()];
            self.client.send(out.as_bytes(), limit);
        }
    }
}
