//! Loading a snapshot into a dataset: what start-up and a full sync do with what the reader hands over.

use super::error::Fault;
use super::read::{Loaded, Refusal, Sink};
use crate::log::OFFSET_MAX;
use crate::script::library;
use crate::store::clock::{Accesses, Clock};
use crate::store::entry::KEY_MAX;
use crate::store::libraries::Libraries;
use crate::store::{Dataset, Db, Entry};
use crate::sys::delay;
use std::sync::Arc;

/// Where in a replication history a loaded snapshot stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Position {
    /// The history: 40 characters.
    pub id: String,
    /// Bytes of its stream that are in the dataset.
    pub offset: u64,
    /// The database that the stream has selected there.
    pub stream_db: u32,
}

/// What is done with keys whose expiry has passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expired {
    /// They are loaded: only a master may say that a key is gone.
    Keep,
    /// Those that expired by this time (milliseconds since 1970) are left out, unless the file stands in a
    /// history: replicas resume from there with these keys, and are told of their end when we remove them.
    DropBy(i64),
}

/// Looks at limits and cancellation while a load goes on; gets the bytes read so far.
pub type Watch<'a> = Box<dyn FnMut(u64) -> Result<(), Refusal> + 'a>;

/// Puts what is read into a dataset that nobody else uses yet.
pub struct Loader<'a> {
    dataset: &'a Dataset,
    expired: Expired,
    clock: Clock,
    watch: Option<Watch<'a>>,
    delay: i32,
    /// Keys since it last rested.
    since_rest: u64,
    /// Bytes read when the watch was last asked.
    read: u64,
    dropped: u64,
    id: Option<String>,
    offset: Option<u64>,
    stream_db: Option<u32>,
}

impl<'a> Loader<'a> {
    /// A loader into `dataset`, which has no keys.
    pub fn new(dataset: &'a Dataset, expired: Expired) -> Self {
        Loader {
            dataset,
            expired,
            clock: Clock::new(Accesses::Recency, 0),
            watch: None,
            delay: 0,
            since_rest: 0,
            read: 0,
            dropped: 0,
            id: None,
            offset: None,
            stream_db: None,
        }
    }

    /// Keys count as accessed now, as `accesses` has it.
    pub fn accessed(mut self, accesses: Accesses) -> Self {
        let now_ms = crate::sys::time::since_epoch().as_millis() as i64;
        self.clock = Clock::new(accesses, now_ms);
        self
    }

    /// Takes longer than it must: `key-load-delay`.
    pub fn resting(mut self, delay: i32) -> Self {
        self.delay = delay;
        self
    }

    /// Has `watch` called every [`super::read::TICK`] bytes.
    pub fn watched_by(mut self, watch: impl FnMut(u64) -> Result<(), Refusal> + 'a) -> Self {
        self.watch = Some(Box::new(watch));
        self
    }

    /// Between two keys, unless the load is given up.
    #[cold]
    fn rest(&mut self) {
        self.since_rest += 1;
        let time = delay::of(self.delay, self.since_rest);
        if !time.is_zero() {
            self.since_rest = 0;
            let (watch, read) = (&mut self.watch, self.read);
            let goes_on = || watch.as_mut().is_none_or(|watch| watch(read).is_ok());
            delay::rest(time, goes_on);
        }
    }

    /// Keys left out because their time had come.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Where the snapshot stands in a replication history, if it says so.
    pub fn position(&self) -> Option<Position> {
        Some(Position {
            id: self.id.clone()?,
            offset: self.offset?,
            stream_db: self.stream_db(),
        })
    }

    /// The database that the stream has selected behind the snapshot; 0 if it does not say.
    pub fn stream_db(&self) -> u32 {
        self.stream_db.unwrap_or(0)
    }

    fn db(&self, number: u32) -> Result<&'a Db, Refusal> {
        let dbs = self.dataset.dbs();
        dbs.get(number as usize).map(AsRef::as_ref).ok_or_else(|| {
            Refusal::Stopped(format!(
                "it has a database {number}, and this server is configured for {}",
                dbs.len()
            ))
        })
    }
}

impl Sink for Loader<'_> {
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let number = || std::str::from_utf8(value).ok()?.parse().ok();
        match name {
            b"repl-id" if value.len() == 40 => {
                self.id = std::str::from_utf8(value).ok().map(str::to_owned);
            }
            b"repl-offset" => self.offset = number().filter(|&offset| offset <= OFFSET_MAX),
            // A negative one means that none is selected: the stream will say.
            b"repl-stream-db" => self.stream_db = number().and_then(|db| u32::try_from(db).ok()),
            _ => {}
        }
        Ok(())
    }

    fn key_comes(&mut self, db: u32, key: &[u8]) {
        if let Ok(db) = self.db(db) {
            db.prefetch_bucket(db.hash(key));
        }
    }

    fn key(
        &mut self,
        db: u32,
        key: &[u8],
        value: Loaded<'_>,
        expire_ms: Option<i64>,
    ) -> Result<(), Refusal> {
        let db = self.db(db)?;
        if self.delay != 0 {
            self.rest();
        }
        if key.len() > KEY_MAX {
            let len = key.len();
            return Err(Refusal::Stopped(format!(
                "a key of {len} bytes is too long"
            )));
        }
        if let (Expired::DropBy(now), Some(at)) = (self.expired, expire_ms)
            && at <= now
            && (self.id.is_none() || self.offset.is_none())
        {
            self.dropped += 1;
            return Ok(());
        }
        let entry = match value {
            Loaded::Str(bytes) => Entry::string(key, bytes, expire_ms),
            Loaded::Object(object) => Entry::object(key, object, expire_ms),
        };
        self.clock.start(&entry);
        let (mut shard, hash) = db.lock_key(key);
        match shard.put(hash, entry) {
            None => Ok(()),
            Some(_) => Err(Refusal::Corrupt(Fault("the key was there before"))),
        }
    }

    fn library(&mut self, code: &[u8]) -> Result<(), Refusal> {
        let refused = |why: String| Refusal::Stopped(format!("a library of functions: {why}"));
        let library = library::load(code).map_err(refused)?;
        let mut libraries = Libraries::clone(&self.dataset.libraries());
        libraries.add(Arc::new(library), false).map_err(refused)?;
        self.dataset.set_libraries(libraries);
        Ok(())
    }

    fn tick(&mut self, read: u64) -> Result<(), Refusal> {
        self.read = read;
        self.watch.as_mut().map_or(Ok(()), |watch| watch(read))
    }
}
