//! Who hears of what commands do to keys, beside those who watch a key or wait for it: subscribers to keyspace events,
//! and clients that cache what they have read.

use super::left::Expired;
use super::{Attempt, Command, Cx, Env, Keys};

/// A message about a key is published on the key's channel.
pub const KEYSPACE: u32 = 1 << 0;
/// A message about a key is published on the event's channel.
pub const KEYEVENT: u32 = 1 << 1;
/// Of commands on keys of any type.
pub const GENERIC: u32 = 1 << 2;
/// Of strings.
pub const STRING: u32 = 1 << 3;
/// Of lists.
pub const LIST: u32 = 1 << 4;
/// Of sets.
pub const SET: u32 = 1 << 5;
/// Of hashes.
pub const HASH: u32 = 1 << 6;
/// Of sorted sets.
pub const ZSET: u32 = 1 << 7;
/// A key's time had come.
pub const EXPIRED: u32 = 1 << 8;
/// A key went since memory was short.
pub const EVICTED: u32 = 1 << 9;
/// Of streams.
pub const STREAM: u32 = 1 << 10;
/// A reader found no key.
pub const MISS: u32 = 1 << 11;
/// Of modules, of which there are none.
pub const MODULE: u32 = 1 << 13;
/// There is a key where none was.
pub const NEW: u32 = 1 << 14;
/// Clients cache keys: they hear of changes.
pub const CACHES: u32 = 1 << 16;

/// What `A` stands for.
const ALL: u32 = GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;

/// The letters of `notify-keyspace-events`, those of [`ALL`] first, in the order CONFIG GET shows them.
const LETTERS: [(char, u32); 14] = [
    ('g', GENERIC),
    ('$', STRING),
    ('l', LIST),
    ('s', SET),
    ('h', HASH),
    ('z', ZSET),
    ('x', EXPIRED),
    ('e', EVICTED),
    ('t', STREAM),
    ('d', MODULE),
    ('n', NEW),
    ('K', KEYSPACE),
    ('E', KEYEVENT),
    ('m', MISS),
];

/// The classes that `text` names; none if a letter of it names nothing.
pub fn parse(text: &str) -> Option<u32> {
    let mut classes = 0;
    for letter in text.chars() {
        classes |= match letter {
            'A' => ALL,
            _ => LETTERS.iter().find(|(l, _)| *l == letter)?.1,
        };
    }
    Some(classes)
}

/// The letters of all of `classes`.
pub fn spell(classes: u32) -> String {
    let letters = LETTERS.iter().filter(|(_, class)| classes & class != 0);
    letters.map(|(letter, _)| *letter).collect()
}

/// The classes as CONFIG GET shows them. As in Redis, nothing of a single class but those of channels and misses is shown
/// beside `A`.
pub fn show(classes: u32) -> String {
    let all = classes & ALL == ALL;
    let beside = KEYSPACE | KEYEVENT | MISS;
    let shown = |class: u32| classes & class != 0 && (!all || beside & class != 0);
    let letters = LETTERS.iter().filter(|(_, class)| shown(*class));
    let first = all.then_some('A').into_iter();
    first.chain(letters.map(|(letter, _)| *letter)).collect()
}

/// Those who hear. Called while the keys' shards are locked, in the order of what happened to each key: must not touch the
/// keyspace, block, or take long.
pub trait Audience {
    /// What is asked for: the classes of events, and [`CACHES`].
    fn asks(&self) -> u32;
    /// `name` happened to `key` of database `db`. Only what is asked for is told.
    fn event(&self, db: usize, name: &'static str, key: &[u8]);
    /// The value of `key` is another one, or gone.
    fn changed(&self, key: &[u8]);
    /// The client whose command runs has read `key`.
    fn read(&self, key: &[u8]);
    /// All keys of one database or of all are gone.
    fn flushed(&self);
}

/// What happened to a key.
pub(super) struct Event {
    pub db: usize,
    pub name: &'static str,
    pub key: Box<[u8]>,
}

/// What is asked about the keys of this run of `command`.
pub(super) fn asked(command: &Command, env: &Env<'_>, attempt: Attempt<'_>) -> u32 {
    let asks = env.audience.map_or(0, Audience::asks);
    let misses = asks & MISS != 0 && attempt == Attempt::First && command.reads();
    if misses { asks } else { asks & !MISS }
}

/// Tells `audience` what happened to `keys`.
#[cold]
pub(super) fn tell(audience: &dyn Audience, keys: &mut Keys<'_>, changes: bool) {
    for Event { db, name, key } in keys.take_events() {
        audience.event(db, name, &key);
    }
    if keys.tells_caches() {
        let gone = keys.expired().iter();
        gone.for_each(|gone| audience.changed(&gone.key));
        keys.each_changed(changes, |key| audience.changed(key));
    }
}

impl Keys<'_> {
    /// `name`, an event of this class, happened to `key`.
    #[inline]
    pub fn notify(&self, class: u32, name: &'static str, key: &[u8]) {
        if self.asks & class != 0 {
            self.note(self.number, name, key);
        }
    }

    /// [`Keys::notify`] for a key of another database, `db`.
    pub fn notify_of(&self, db: usize, class: u32, name: &'static str, key: &[u8]) {
        if self.asks & class != 0 {
            self.note(db, name, key);
        }
    }

    #[cold]
    fn note(&self, db: usize, name: &'static str, key: &[u8]) {
        let key = key.into();
        let mut found = self.found.borrow_mut();
        let events = &mut found.make().events;
        events.push(Event { db, name, key });
    }

    /// What happened since the last call.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        let found = self.found.get_mut().get_mut();
        let events = found.map(|found| &mut found.events);
        events.map(std::mem::take).unwrap_or_default()
    }

    /// Gives the keys that were changed to `each`, if the command was `dirty`.
    pub(super) fn each_changed(&self, dirty: bool, each: impl FnMut(&[u8])) {
        if let Some(left) = self.left.get().filter(|_| dirty) {
            left.touched.iter().map(|key| &**key).for_each(each);
        }
    }

    #[cold]
    pub(super) fn found_stale(&self, key: &[u8]) {
        let mut found = self.found.borrow_mut();
        let stale = &mut found.make().stale;
        if !stale
            .iter()
            .any(|known| *known.key == *key && known.fields.is_none())
        {
            stale.push(Expired::key(key));
            drop(found);
            self.notify(EXPIRED, "expired", key);
        }
    }

    /// What the command changes is nothing to those who cache keys.
    pub(super) fn spare_caches(&mut self) {
        self.asks &= !CACHES;
    }

    /// True if those who cache keys are to hear what the command changes.
    pub(super) fn tells_caches(&self) -> bool {
        self.asks & CACHES != 0
    }
}

impl Cx<'_> {
    /// `name`, an event of this class, happened to `key` of the selected database.
    #[inline]
    pub fn notify(&self, class: u32, name: &'static str, key: &[u8]) {
        self.db.notify(class, name, key);
    }

    /// Those who watch `key` or cache it hear of a change, though there is none that replicas would have to be told.
    pub fn signal(&mut self, key: &[u8]) {
        self.db.touch(key);
        self.signals = true;
    }

    /// All keys of one database, or of all of them, are gone.
    pub fn flushed(&mut self) {
        self.flushes = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_shown_as_redis_shows_them() {
        for (given, shown) in [
            ("", ""),
            ("A", "A"),
            ("KA", "AK"),
            ("KEA", "AKE"),
            ("AKEmn", "AKEm"),
            ("KEg", "gKE"),
            ("KEgn", "gnKE"),
            ("nK", "nK"),
            ("KEg$lshzxetd", "AKE"),
            ("Km", "Km"),
        ] {
            let classes = parse(given).unwrap();
            assert_eq!(show(classes), shown, "{given}");
            assert_eq!(parse(&spell(classes)), Some(classes));
        }
        assert_eq!(parse("KQ"), None);
    }
}
