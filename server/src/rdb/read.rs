//! Reading a snapshot from a blocking stream: a pull parser that hands keys to a [`Sink`].

use std::io::Read;

use super::error::{Fault, Place, RdbError};
use super::format::{self, Dialect, Kind, op};
use super::source::{Source, Stop, Text};
use super::value;
use crate::resp::parse::REQUEST_MAX;
use crate::store::{Limits, Object};

/// What the reader hands over, in the order of the snapshot.
pub trait Sink {
    /// A named fact about the snapshot: `redis-ver`, `repl-id`, `repl-offset`...
    fn aux(&mut self, _name: &[u8], _value: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }

    /// Database `db` is said to hold so many keys, so many of them with an expiry. A hint: it may lie.
    fn resize_db(&mut self, _db: u32, _keys: u64, _expiring: u64) -> Result<(), Refusal> {
        Ok(())
    }

    /// The key whose value is read next: time to have memory fetched. It may still come to nothing.
    fn key_comes(&mut self, _db: u32, _key: &[u8]) {}

    /// A key with its value and expiry (milliseconds since 1970; it may have passed).
    fn key(
        &mut self,
        db: u32,
        key: &[u8],
        value: Loaded<'_>,
        expire_ms: Option<i64>,
    ) -> Result<(), Refusal>;

    /// The source of a function library.
    fn library(&mut self, code: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::NotServed(library_name(code)))
    }

    /// Called at least once in every [`TICK`] bytes, inside large values too: the place to look at a limit
    /// or at a cancellation. `read` counts the bytes of the snapshot so far.
    fn tick(&mut self, _read: u64) -> Result<(), Refusal> {
        Ok(())
    }
}

/// How often [`Sink::tick`] is called, in bytes of the snapshot. One string may be longer.
pub const TICK: u64 = 64 * 1024;

/// A value as it was read.
#[derive(Debug)]
pub enum Loaded<'a> {
    /// A string that is the reader's: copy it to where it is kept.
    Str(&'a [u8]),
    /// A long string, or anything else, to keep.
    Object(Object),
}

/// Why a sink does not go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// What was handed over makes no sense, such as a key that was there before.
    Corrupt(Fault),
    /// It is sound and not served yet: what it is, as in "a stream".
    NotServed(String),
    /// A limit, a cancellation: a whole sentence without a full stop.
    Stopped(String),
}

/// What a reader may take.
#[derive(Clone, Debug)]
pub struct Options {
    /// When collections leave their compact forms.
    pub limits: Limits,
    /// The longest string, in bytes, plain or compact collection.
    pub max_string: u64,
    /// Whether the checksum is computed and compared.
    pub checksum: bool,
    /// `key-load-delay`.
    pub key_delay: i32,
}

impl Default for Options {
    /// Redis's limits on collections, strings as long as a request may be, checksum on.
    fn default() -> Self {
        Options {
            limits: Limits::default(),
            max_string: REQUEST_MAX as u64,
            checksum: true,
            key_delay: 0,
        }
    }
}

/// What was read, when all of it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The version of the format.
    pub version: u32,
    /// The snapshot's size, checksum included.
    pub bytes: u64,
    /// Keys handed over.
    pub keys: u64,
    /// Collections without elements, which old servers could write: they are no keys.
    pub empty: u64,
    /// Whether a checksum was there and was right.
    pub verified: bool,
}

/// Reads one snapshot from a stream that may go on after it.
#[derive(Debug)]
pub struct Reader<R> {
    source: Source<R>,
    limits: Limits,
    checksum: bool,
    dialect: Dialect,
    at: At,
    scratch: Vec<u8>,
    next_tick: u64,
}

/// Where the reader is, for messages.
#[derive(Debug, Default)]
struct At {
    db: u32,
    kind: Option<Kind>,
    key: Vec<u8>,
    key_known: bool,
}

/// What stands before a key and belongs to it.
#[derive(Default)]
struct Prefix {
    expire_ms: Option<i64>,
}

impl<R: Read> Reader<R> {
    /// A reader of the snapshot that begins with the next byte of `inner`.
    pub fn new(inner: R, options: Options) -> Self {
        Reader {
            source: Source::new(inner, options.checksum, options.max_string),
            limits: options.limits,
            checksum: options.checksum,
            dialect: Dialect::Redis,
            at: At::default(),
            scratch: Vec::new(),
            next_tick: TICK,
        }
    }

    /// Bytes of the snapshot read so far.
    pub fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// The stream, and what was taken from it beyond the snapshot's end. These bytes come first.
    pub fn into_parts(self) -> (R, Vec<u8>) {
        self.source.into_parts()
    }

    /// Reads the snapshot to its end. What was handed over before an error is to be thrown away.
    pub fn read(&mut self, sink: &mut impl Sink) -> Result<Summary, RdbError> {
        self.run(sink).map_err(|stop| self.explain(stop))
    }

    fn run(&mut self, sink: &mut impl Sink) -> Result<Summary, Stop> {
        let version = self.header()?;
        let mut summary = Summary {
            version,
            bytes: 0,
            keys: 0,
            empty: 0,
            verified: false,
        };
        let mut prefix = Prefix::default();
        loop {
            if self.source.offset() >= self.next_tick {
                tick(&self.source, &mut self.next_tick, sink)?;
            }
            let byte = self.source.byte()?;
            match byte {
                op::EOF => break,
                op::SELECTDB => {
                    let db = self.source.count()?;
                    self.at.db = u32::try_from(db)
                        .map_err(|_| Fault("a database number is out of range"))?;
                }
                op::RESIZEDB => {
                    let (keys, expiring) = (self.source.count()?, self.source.count()?);
                    sink.resize_db(self.at.db, keys, expiring)?;
                }
                op::EXPIRETIME_MS => {
                    prefix.expire_ms = Some(i64::from_le_bytes(self.source.array()?));
                }
                op::EXPIRETIME => {
                    let seconds = i32::from_le_bytes(self.source.array()?);
                    prefix.expire_ms = Some(i64::from(seconds) * 1000);
                }
                op::FREQ => {
                    self.source.byte()?;
                }
                op::IDLE => {
                    self.source.count()?;
                }
                op::SLOT_INFO => {
                    for _ in 0..3 {
                        self.source.count()?;
                    }
                }
                op::AUX => self.aux(sink)?,
                op::FUNCTION2 => {
                    let text = self.source.string(&mut self.scratch)?;
                    sink.library(text.as_slice())?;
                }
                op::FUNCTION_PRE_GA => {
                    let what = "a function library of a pre-release of 7.0".to_owned();
                    return Err(Refusal::NotServed(what).into());
                }
                op::FOREIGN => {
                    let what = match self.dialect {
                        Dialect::Redis => "metadata of modules",
                        Dialect::Valkey => "the import of a cluster's slot",
                    };
                    return Err(Refusal::NotServed(what.to_owned()).into());
                }
                op::MODULE_AUX => {
                    let name = format::module_name(self.source.count()?);
                    return Err(Refusal::NotServed(format!("data of module \"{name}\"")).into());
                }
                _ => {
                    let kind = Kind::from_byte(byte, self.dialect)
                        .ok_or(Fault("a type or opcode is unknown"))?;
                    let handed_over = self.key(kind, &std::mem::take(&mut prefix), sink)?;
                    // A few of them, or they would fill the log.
                    if !handed_over && summary.empty < 10 {
                        let key = self.shown_key().escape_ascii();
                        tracing::warn!("skipping empty key: {key}");
                    }
                    *(match handed_over {
                        true => &mut summary.keys,
                        false => &mut summary.empty,
                    }) += 1;
                }
            }
        }
        if version >= format::FIRST_WITH_CHECKSUM {
            summary.verified = self.verify()?;
        }
        summary.bytes = self.source.offset();
        Ok(summary)
    }

    fn header(&mut self) -> Result<u32, Stop> {
        let head = self.source.array::<9>()?;
        let Some((dialect, digits)) = [Dialect::Redis, Dialect::Valkey]
            .into_iter()
            .find_map(|dialect| Some((dialect, head.strip_prefix(dialect.magic())?)))
        else {
            return Err(Fault("it begins neither with REDIS nor with VALKEY").into());
        };
        let mut version = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return Err(Fault("its version is not a number").into());
            }
            version = version * 10 + u32::from(digit - b'0');
        }
        self.dialect = dialect;
        match Dialect::of(version) {
            Some(of) if of == dialect => Ok(version),
            _ => Err(Stop::Version(dialect, version)),
        }
    }

    fn aux(&mut self, sink: &mut impl Sink) -> Result<(), Stop> {
        let name = self.source.string(&mut self.scratch)?.as_slice().to_vec();
        let value = self.source.string(&mut self.scratch)?;
        sink.aux(&name, value.as_slice())?;
        Ok(())
    }

    /// Reads one key and hands it over; false for an empty collection, which is dropped.
    fn key(&mut self, kind: Kind, prefix: &Prefix, sink: &mut impl Sink) -> Result<bool, Stop> {
        self.at.kind = Some(kind);
        let key = self.source.string(&mut self.scratch)?;
        self.at.key.clear();
        self.at.key.extend_from_slice(key.as_slice());
        self.at.key_known = true;
        sink.key_comes(self.at.db, &self.at.key);
        let value = if kind == Kind::String {
            match self.source.string(&mut self.scratch)? {
                Text::Built(long) if long.len() > value::SCRATCH_KEPT => {
                    Loaded::Object(Object::Str(std::mem::take(long)))
                }
                Text::Built(text) => Loaded::Str(text),
                Text::Buffered(text) => Loaded::Str(text),
            }
        } else {
            let mut builder = value::Builder {
                source: &mut self.source,
                scratch: &mut self.scratch,
                limits: &self.limits,
                next_tick: &mut self.next_tick,
                sink,
            };
            match builder.build(kind)? {
                Some(object) => Loaded::Object(object),
                None => {
                    self.at.forget();
                    return Ok(false);
                }
            }
        };
        sink.key(self.at.db, &self.at.key, value, prefix.expire_ms)?;
        self.at.forget();
        if self.scratch.capacity() > value::SCRATCH_KEPT {
            self.scratch = Vec::new();
        }
        Ok(true)
    }

    /// The checksum at the end: true if it is there and right, false if it is switched off on either side.
    fn verify(&mut self) -> Result<bool, Stop> {
        let computed = self.source.checksum();
        let written = u64::from_le_bytes(self.source.array()?);
        match computed {
            Some(computed) if self.checksum && written != 0 => {
                if computed != written {
                    return Err(Stop::Checksum { written, computed });
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// As much of the key being read as is told of.
    fn shown_key(&self) -> &[u8] {
        &self.at.key[..self.at.key.len().min(Place::KEY_SHOWN)]
    }

    fn explain(&self, stop: Stop) -> RdbError {
        let place = Box::new(Place {
            offset: self.source.offset(),
            db: self.at.db,
            kind: self.at.kind,
            key: self.at.key_known.then(|| self.shown_key().to_vec()),
        });
        match stop {
            Stop::Early => RdbError::Truncated { place },
            Stop::Transport(source) => RdbError::Transport { place, source },
            Stop::Fault(fault) | Stop::Refused(Refusal::Corrupt(fault)) => {
                RdbError::Corrupt { place, fault }
            }
            Stop::TooLong(len) => RdbError::Refused {
                place,
                reason: format!("a string of {len} bytes is longer than allowed"),
            },
            Stop::Refused(Refusal::NotServed(what)) => RdbError::NotServed { place, what },
            Stop::Refused(Refusal::Stopped(reason)) => RdbError::Refused { place, reason },
            Stop::Checksum { written, computed } => RdbError::Checksum { written, computed },
            Stop::Version(dialect, version) => RdbError::Version(dialect, version),
        }
    }
}

impl At {
    fn forget(&mut self) {
        self.kind = None;
        self.key_known = false;
    }
}

/// Tells the sink how far the reader is.
pub(super) fn tick<R: Read>(
    source: &Source<R>,
    next_tick: &mut u64,
    sink: &mut impl Sink,
) -> Result<(), Refusal> {
    *next_tick = source.offset() + TICK;
    sink.tick(source.offset())
}

/// A library's name for messages, from its first line: `#!lua name=mylib`.
fn library_name(code: &[u8]) -> String {
    let line = code.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let name = line
        .split(|byte| byte.is_ascii_whitespace())
        .find_map(|word| word.strip_prefix(b"name="))
        .unwrap_or(b"?");
    let shown = &name[..name.len().min(Place::KEY_SHOWN)];
    format!("the function library \"{}\"", shown.escape_ascii())
}
