//! Writing a snapshot, version 10 of the format: what Redis 7.0 reads; version 12, or Valkey's 80, if fields of hashes have
//! times.
//!
//! The writer only appends to a buffer of its own, so that it can be called with a shard locked; whoever
//! owns it takes the bytes away between keys and sends or stores them.

use std::io::{self, Write};

use super::crc64::Crc64;
use super::format::{self, Dialect, Kind, len, node, op};
use super::intset;
use super::listpack;
use super::lzf::Compressor;
use crate::store::ValueRef;
use crate::store::list::List;
use crate::store::num::parse_i64;
use crate::store::set::Set;
use crate::store::zset::Zset;

/// A string shorter than this is not worth compressing, as Redis sees it.
const SHORTEST_COMPRESSED: usize = 21;

/// A list's node is closed before it grows beyond this, as Redis does by default.
const NODE_BYTES: usize = 8 * 1024;

/// What an element adds to a listpack at most, beside its bytes.
const ELEMENT_OVERHEAD: usize = 10;

/// What a snapshot says of itself before its keys.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// When it was made, seconds since 1970.
    pub ctime: u64,
    /// Memory in use, bytes.
    pub used_memory: u64,
    /// Where in which replication history it was taken.
    pub replication: Option<Replication<'a>>,
    /// Fields of its hashes have times.
    pub field_times: bool,
}

/// The moment of a replication history that a snapshot is the dataset of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replication<'a> {
    /// The history: 40 hex digits.
    pub id: &'a str,
    /// Bytes of the history's stream that are in the dataset.
    pub offset: u64,
    /// The database that the stream has selected at this offset.
    pub stream_db: u32,
}

/// How a snapshot is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Compress long strings (`rdbcompression`).
    pub compress: bool,
    /// End with a checksum rather than with zeros (`rdbchecksum`).
    pub checksum: bool,
    /// Who reads it: what is of version 10 both do, and times of fields have another form for each.
    pub dialect: Dialect,
}

impl Default for Options {
    /// Both, as Redis by default.
    fn default() -> Self {
        Options {
            compress: true,
            checksum: true,
            dialect: Dialect::Redis,
        }
    }
}

/// Puts a snapshot together, key by key.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    /// `out[..summed]` is in the checksum.
    summed: usize,
    /// Bytes taken away.
    taken: u64,
    pub(super) dialect: Dialect,
    crc: Option<Crc64>,
    compressor: Option<Compressor>,
    /// Room for compressed bytes, and for the integers of a set.
    packed: Vec<u8>,
    ints: Vec<i64>,
    db: Option<u32>,
}

impl Writer {
    /// A writer of one snapshot; nothing is written yet.
    pub fn new(options: Options) -> Self {
        Writer {
            out: Vec::new(),
            summed: 0,
            taken: 0,
            dialect: options.dialect,
            crc: options.checksum.then(Crc64::new),
            compressor: options.compress.then(Compressor::new),
            packed: Vec::new(),
            ints: Vec::new(),
            db: None,
        }
    }

    /// The start: magic, version, facts.
    pub fn header(&mut self, facts: &Facts<'_>) {
        let head = match (facts.field_times, self.dialect) {
            (false, _) => format!("REDIS{:04}", format::WRITTEN),
            (true, Dialect::Redis) => format!("REDIS{:04}", format::WRITTEN_WITH_FIELD_TIMES),
            (true, Dialect::Valkey) => format!("VALKEY{:03}", format::VALKEY),
        };
        self.bytes(head.as_bytes());
        self.aux("redis-ver", crate::REDIS_VERSION);
        self.aux_int("redis-bits", usize::BITS.into());
        self.aux_int("ctime", facts.ctime);
        self.aux_int("used-mem", facts.used_memory);
        if let Some(replication) = &facts.replication {
            self.aux_int("repl-stream-db", replication.stream_db.into());
            self.aux("repl-id", replication.id);
            self.aux_int("repl-offset", replication.offset);
        }
        self.aux_int("aof-base", 0);
    }

    /// A library of functions, by its source. They come before the keys.
    pub fn library(&mut self, code: &[u8]) {
        self.out.push(op::FUNCTION2);
        self.string(code);
    }

    fn aux(&mut self, name: &str, value: &str) {
        self.out.push(op::AUX);
        self.string(name.as_bytes());
        self.string(value.as_bytes());
    }

    fn aux_int(&mut self, name: &str, value: u64) {
        self.aux(name, itoa::Buffer::new().format(value));
    }

    /// The keys that follow are of database `db`. Nothing is written if those before were too.
    pub fn select_db(&mut self, db: u32) {
        if self.db.replace(db) != Some(db) {
            self.out.push(op::SELECTDB);
            put_length(db.into(), &mut self.out);
        }
    }

    /// The selected database has so many keys, so many of them with an expiry: a hint for the reader.
    pub fn resize_db(&mut self, keys: u64, expiring: u64) {
        self.out.push(op::RESIZEDB);
        put_length(keys, &mut self.out);
        put_length(expiring, &mut self.out);
    }

    /// A key of the selected database, with its expiry in milliseconds since 1970.
    pub fn key(&mut self, key: &[u8], value: ValueRef<'_>, expire_ms: Option<i64>) {
        if let Some(at) = expire_ms {
            self.out.push(op::EXPIRETIME_MS);
            self.out.extend_from_slice(&at.to_le_bytes());
        }
        let kind_at = self.out.len();
        self.out.push(0);
        self.string(key);
        self.out[kind_at] = self.value(value).byte();
    }

    /// A value without a key: its type, then itself.
    pub(super) fn bare(&mut self, value: ValueRef<'_>) {
        let kind_at = self.out.len();
        self.out.push(0);
        self.out[kind_at] = self.value(value).byte();
    }

    /// The end. Only [`Writer::take`] and its like may follow.
    pub fn finish(&mut self) {
        self.out.push(op::EOF);
        self.sum();
        let checksum = self.crc.as_ref().map_or(0, Crc64::value);
        self.out.extend_from_slice(&checksum.to_le_bytes());
        self.crc = None; // the checksum is not part of itself
    }

    /// Bytes written and not taken away.
    pub fn pending(&self) -> usize {
        self.out.len()
    }

    /// Bytes written in all.
    pub fn written(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    /// Takes the pending bytes away.
    pub fn take(&mut self) -> Vec<u8> {
        self.sum();
        self.taken += self.out.len() as u64;
        self.summed = 0;
        std::mem::take(&mut self.out)
    }

    /// Writes the pending bytes to `to`, keeping their room for those to come.
    pub fn drain_to(&mut self, to: &mut impl Write) -> io::Result<()> {
        const ROOM_KEPT: usize = 1024 * 1024;
        let mut pending = self.take();
        to.write_all(&pending)?;
        if pending.capacity() <= ROOM_KEPT {
            pending.clear();
            self.out = pending;
        }
        Ok(())
    }

    fn sum(&mut self) {
        if let Some(crc) = &mut self.crc {
            crc.update(&self.out[self.summed..]);
        }
        self.summed = self.out.len();
    }

    /// A length.
    pub(super) fn length(&mut self, value: u64) {
        put_length(value, &mut self.out);
    }

    /// Bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A string in its shortest form.
    pub(super) fn string(&mut self, bytes: &[u8]) {
        if let Some(int) = canonical_i32(bytes) {
            return put_int(int, &mut self.out);
        }
        if bytes.len() >= SHORTEST_COMPRESSED && self.compressed(bytes) {
            return;
        }
        put_length(bytes.len() as u64, &mut self.out);
        self.out.extend_from_slice(bytes);
    }

    /// Writes `bytes` compressed, if compression is on and saves anything.
    fn compressed(&mut self, bytes: &[u8]) -> bool {
        let Some(compressor) = &mut self.compressor else {
            return false;
        };
        self.packed.clear();
        if !compressor.compress(bytes, &mut self.packed) {
            return false;
        }
        self.out.push(len::ENCODED << 6 | len::LZF);
        put_length(self.packed.len() as u64, &mut self.out);
        put_length(bytes.len() as u64, &mut self.out);
        self.out.extend_from_slice(&self.packed);
        true
    }

    /// A string that `fill` appends to the buffer: its length is put before it when it is known.
    pub(super) fn blob(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        let prefix_at = self.out.len();
        self.out.extend_from_slice(&[0; LENGTH_MAX]);
        let body_at = self.out.len();
        fill(&mut self.out);
        let size = self.out.len() - body_at;
        if size >= SHORTEST_COMPRESSED
            && let Some(compressor) = &mut self.compressor
        {
            self.packed.clear();
            if compressor.compress(&self.out[body_at..], &mut self.packed) {
                self.out.truncate(prefix_at);
                self.out.push(len::ENCODED << 6 | len::LZF);
                put_length(self.packed.len() as u64, &mut self.out);
                put_length(size as u64, &mut self.out);
                self.out.extend_from_slice(&self.packed);
                return;
            }
        }
        let mut prefix = [0; LENGTH_MAX];
        let prefix = length(size as u64, &mut prefix);
        self.out[prefix_at..prefix_at + prefix.len()].copy_from_slice(prefix);
        let gap = prefix_at + prefix.len();
        self.out.copy_within(body_at.., gap);
        self.out.truncate(gap + size);
    }

    fn value(&mut self, value: ValueRef<'_>) -> Kind {
        match value {
            ValueRef::Str(bytes) => {
                self.string(bytes);
                Kind::String
            }
            ValueRef::List(list) => self.list(list),
            ValueRef::Hash(hash) => self.hash(hash),
            ValueRef::Set(set) => self.set(set),
            ValueRef::Zset(zset) => self.zset(zset),
            ValueRef::Stream(stream) => self.stream(stream),
        }
    }

    fn list(&mut self, list: &List) -> Kind {
        let count = Nodes::new(list.iter().map(|element| element.len())).count();
        put_length(count as u64, &mut self.out);
        let mut elements = list.iter();
        for size in Nodes::new(list.iter().map(|element| element.len())) {
            put_length(node::PACKED, &mut self.out);
            self.blob(|out| {
                let mut pack = listpack::Builder::new(out);
                elements
                    .by_ref()
                    .take(size)
                    .for_each(|element| pack.push_item(element));
                pack.finish();
            });
        }
        Kind::ListQuicklist2
    }

    fn set(&mut self, set: &Set) -> Kind {
        if set.encoding() == "intset" {
            let mut ints = std::mem::take(&mut self.ints);
            ints.clear();
            ints.extend(set.iter().filter_map(|member| parse_i64(&member)));
            ints.sort_unstable();
            self.blob(|out| intset::encode(&ints, out));
            self.ints = ints;
            return Kind::SetIntset;
        }
        put_length(set.len() as u64, &mut self.out);
        for member in set.iter() {
            self.string(&member);
        }
        Kind::Set
    }

    fn zset(&mut self, zset: &Zset) -> Kind {
        if zset.encoding() == "listpack" {
            let mut digits = Vec::new();
            self.blob(|out| {
                let mut pack = listpack::Builder::new(out);
                for (member, score) in zset.iter() {
                    pack.push(&member);
                    let int = score as i64;
                    // Bits, because minus zero is no integer.
                    if (int as f64).to_bits() == score.to_bits() {
                        pack.push_int(int);
                    } else {
                        // The shortest digits that read back the same.
                        digits.clear();
                        let _ = write!(digits, "{score:?}"); // a vector takes all
                        pack.push(&digits);
                    }
                }
                pack.finish();
            });
            return Kind::ZsetListpack;
        }
        put_length(zset.len() as u64, &mut self.out);
        for (member, score) in zset.iter() {
            self.string(&member);
            self.out.extend_from_slice(&score.to_le_bytes());
        }
        Kind::Zset2
    }
}

/// How many elements go into each node of a list, from the elements' lengths.
struct Nodes<I: Iterator<Item = usize>>(std::iter::Peekable<I>);

impl<I: Iterator<Item = usize>> Nodes<I> {
    fn new(lengths: I) -> Self {
        Nodes(lengths.peekable())
    }
}

impl<I: Iterator<Item = usize>> Iterator for Nodes<I> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let mut bytes = self.0.next()? + ELEMENT_OVERHEAD;
        let mut count = 1;
        while let Some(len) = self
            .0
            .next_if(|len| bytes + len + ELEMENT_OVERHEAD <= NODE_BYTES)
        {
            bytes += len + ELEMENT_OVERHEAD;
            count += 1;
        }
        Some(count)
    }
}

/// The integer that `bytes` are the digits of, if it has one of the short forms.
fn canonical_i32(bytes: &[u8]) -> Option<i32> {
    if bytes.len() > 11 {
        return None;
    }
    parse_i64(bytes).and_then(|int| i32::try_from(int).ok())
}

fn put_int(int: i32, out: &mut Vec<u8>) {
    let (code, width) = match int {
        -0x80..=0x7f => (len::INT8, 1),
        -0x8000..=0x7fff => (len::INT16, 2),
        _ => (len::INT32, 4),
    };
    out.push(len::ENCODED << 6 | code);
    out.extend_from_slice(&int.to_le_bytes()[..width]);
}

/// The longest length, in bytes.
const LENGTH_MAX: usize = 9;

fn length(value: u64, out: &mut [u8; LENGTH_MAX]) -> &[u8] {
    let be = value.to_be_bytes();
    match value {
        0..0x40 => {
            out[0] = be[7];
            &out[..1]
        }
        0x40..0x4000 => {
            out[0] = len::BITS14 << 6 | be[6];
            out[1] = be[7];
            &out[..2]
        }
        0x4000..=0xffff_ffff => {
            out[0] = len::BITS32;
            out[1..5].copy_from_slice(&be[4..]);
            &out[..5]
        }
        _ => {
            out[0] = len::BITS64;
            out[1..].copy_from_slice(&be);
            &out[..]
        }
    }
}

fn put_length(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(length(value, &mut [0; LENGTH_MAX]));
}
