//! Messages: who listens to which channel, and how a message reaches them.

use super::client::{Client, Clients, memory::Held, trait_of};
use crate::config::{BufferLimit, Settings};
use crate::resp::Reply;
use crate::resp::reply::Proto;
use crate::store::glob;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What can be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SUBSCRIBE.
    Channel,
    /// PSUBSCRIBE.
    Pattern,
    /// SSUBSCRIBE.
    Shard,
}

impl Kind {
    /// The first words of the messages about it: subscribed, unsubscribed, message.
    fn words(self) -> [&'static str; 3] {
        match self {
            Kind::Channel => ["subscribe", "unsubscribe", "message"],
            Kind::Pattern => ["psubscribe", "punsubscribe", "pmessage"],
            Kind::Shard => ["ssubscribe", "sunsubscribe", "smessage"],
        }
    }
}

/// What one client listens to: channels, patterns, shard channels, in the order of [`Kind`].
#[derive(Default)]
pub(super) struct Subscriptions {
    names: [BTreeSet<Box<[u8]>>; 3],
    /// Bytes of the names.
    bytes: usize,
}

impl Subscriptions {
    fn is_empty(&self) -> bool {
        self.names.iter().all(BTreeSet::is_empty)
    }

    /// The number in (un)subscribe confirmations: shard channels count apart.
    fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Shard => self.names[2].len(),
            _ => self.names[0].len() + self.names[1].len(),
        }
    }
}

type Listeners = HashMap<Box<[u8]>, Vec<Arc<Client>>>;

/// Who listens to what. One lock: so all who listen to a channel get its messages in one order.
pub struct PubSub {
    listeners: Mutex<[Listeners; 3]>,
    /// The output limits of clients, as set last: normal, replica, pubsub.
    limits: ArcSwap<[BufferLimit; 3]>,
}

impl PubSub {
    pub(super) fn new(settings: &Settings) -> PubSub {
        PubSub {
            listeners: Mutex::default(),
            limits: ArcSwap::from_pointee(settings.buffer_limits),
        }
    }

    pub(super) fn configure(&self, settings: &Settings) {
        self.limits.store(Arc::new(settings.buffer_limits));
    }

    /// Sends `message` to those who listen to `channel`; how many they are. Of those `among` all clients who take most, some
    /// go if that is too much. `log` is called at the message's place in the order of all messages.
    pub(super) fn publish(
        &self,
        among: &Clients,
        kind: Kind,
        channel: &[u8],
        message: &[u8],
        log: impl FnOnce(),
    ) -> usize {
        let limit = self.limits.load()[2];
        let listeners = self.listeners.lock();
        log();
        let mut receivers = 0;
        if let Some(clients) = listeners[kind as usize].get(channel) {
            let mut bytes = Encoded::default();
            for client in clients {
                let [_, _, word] = kind.words();
                client.send(bytes.get(client.proto(), word, &[channel, message]), &limit);
                among.weigh(client);
            }
            receivers += clients.len();
        }
        if kind == Kind::Channel {
            for (pattern, clients) in &listeners[Kind::Pattern as usize] {
                if !glob::matches(pattern, channel) {
                    continue;
                }
                let mut bytes = Encoded::default();
                for client in clients {
                    let parts = [&**pattern, channel, message];
                    client.send(bytes.get(client.proto(), "pmessage", &parts), &limit);
                    among.weigh(client);
                }
                receivers += clients.len();
            }
        }
        receivers
    }

    /// `client` listens to `names` from here on; confirmations go to `out`.
    pub(super) fn subscribe(
        &self,
        kind: Kind,
        client: &Arc<Client>,
        own: &mut Option<Box<Subscriptions>>,
        names: &[&[u8]],
        out: &mut Reply,
    ) {
        let own = own.get_or_insert_default();
        client.set(trait_of::PUBSUB, true);
        for name in names {
            if own.names[kind as usize].insert((*name).into()) {
                own.bytes += name.len();
                let mut listeners = self.listeners.lock();
                let list = listeners[kind as usize].entry((*name).into()).or_default();
                list.push(Arc::clone(client));
            }
            let [word, _, _] = kind.words();
            confirm(out, word, Some(name), own.count(kind));
        }
        publish_counts(client, own);
    }

    /// `client` stops listening to `names`, or to all of the kind if there are none; confirmations go to `out`.
    pub(super) fn unsubscribe(
        &self,
        kind: Kind,
        client: &Arc<Client>,
        own: &mut Option<Box<Subscriptions>>,
        names: &[&[u8]],
        out: &mut Reply,
    ) {
        let mut none = Box::default();
        let mine = own.as_mut().unwrap_or(&mut none);
        let [_, word, _] = kind.words();
        let all: Vec<Box<[u8]>>;
        let names: Vec<&[u8]> = if names.is_empty() {
            all = mine.names[kind as usize].iter().cloned().collect();
            all.iter().map(|name| &**name).collect()
        } else {
            names.to_vec()
        };
        if names.is_empty() {
            confirm(out, word, None, mine.count(kind));
        }
        // What was said before comes before the confirmation.
        client.take_mail(out.buffer_mut());
        for name in names {
            if mine.names[kind as usize].remove(name) {
                mine.bytes -= name.len();
                self.forget(kind, client, name);
                client.take_mail(out.buffer_mut());
            }
            confirm(out, word, Some(name), mine.count(kind));
        }
        publish_counts(client, mine);
        if mine.is_empty() {
            *own = None;
            client.set(trait_of::PUBSUB, false);
        }
    }

    fn forget(&self, kind: Kind, client: &Arc<Client>, name: &[u8]) {
        let mut listeners = self.listeners.lock();
        let listeners = &mut listeners[kind as usize];
        if let Some(list) = listeners.get_mut(name) {
            list.retain(|other| !Arc::ptr_eq(other, client));
            if list.is_empty() {
                listeners.remove(name);
            }
        }
    }

    /// `client` leaves, or starts anew.
    pub(super) fn leave(&self, client: &Arc<Client>, own: &mut Option<Box<Subscriptions>>) {
        let Some(mine) = own.take() else { return };
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            for name in &mine.names[kind as usize] {
                self.forget(kind, client, name);
            }
        }
        publish_counts(client, &Subscriptions::default());
        client.set(trait_of::PUBSUB, false);
    }

    /// The channels of `kind` somebody listens to, of those that match `pattern`.
    pub fn channels(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let listeners = self.listeners.lock();
        let names = listeners[kind as usize].keys();
        names
            .filter(|name| pattern.is_none_or(|p| glob::matches(p, name)))
            .cloned()
            .collect()
    }

    /// How many listen to this channel.
    pub fn listeners(&self, kind: Kind, name: &[u8]) -> usize {
        let listeners = self.listeners.lock();
        listeners[kind as usize].get(name).map_or(0, Vec::len)
    }

    /// Calls `look` with everything that is listened to and everybody who does.
    pub(super) fn each_listener(&self, look: impl Fn(Kind, &[u8], &Arc<Client>)) {
        let listeners = self.listeners.lock();
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            for (name, clients) in &listeners[kind as usize] {
                clients.iter().for_each(|client| look(kind, name, client));
            }
        }
    }

    /// How many channels, patterns or shard channels are listened to.
    pub fn len(&self, kind: Kind) -> usize {
        self.listeners.lock()[kind as usize].len()
    }

    /// How many clients listen to anything.
    pub fn clients(&self) -> usize {
        let listeners = self.listeners.lock();
        let all = listeners.iter().flat_map(|l| l.values().flatten());
        all.map(|client| client.id).collect::<HashSet<_>>().len()
    }
}

fn publish_counts(client: &Client, own: &Subscriptions) {
    for (shown, set) in client.subscriptions.iter().zip(&own.names) {
        shown.store(set.len() as u32, Relaxed);
    }
    let count = own.names.iter().map(BTreeSet::len).sum();
    client.holds(Held::Subscriptions, count, own.bytes);
}

fn confirm(out: &mut Reply, word: &str, name: Option<&[u8]>, count: usize) {
    out.push(3);
    out.bulk(word.as_bytes());
    out.bulk_or_null(name);
    out.int(count as i64);
}

/// A message, encoded once for each protocol that is spoken by its receivers.
#[derive(Default)]
struct Encoded([Option<Vec<u8>>; 2]);

impl Encoded {
    fn get(&mut self, proto: Proto, word: &str, parts: &[&[u8]]) -> &[u8] {
        self.0[usize::from(proto == Proto::Resp3)].get_or_insert_with(|| {
            let mut out = Reply::new(proto);
            out.push(parts.len() + 1);
            out.bulk(word.as_bytes());
            parts.iter().for_each(|part| out.bulk(part));
            out.take()
        })
    }
}
