//! One value as a string: what DUMP gives and RESTORE takes.
//!
//! The type byte and the value as in a snapshot, the version (2 bytes), the checksum of all before (8 bytes), both
//! little endian.

use super::crc64::Crc64;
use super::format::{self, Dialect, Kind};
use super::read::{Loaded, Refusal, Sink};
use super::source::{Source, Stop};
use super::value::Builder;
use super::write::{Options, Writer};
use crate::store::{Limits, Object, ValueRef};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

const TYPE: usize = 1;
const CHECKSUM: usize = 8;
const VERSION: usize = 2;

/// Checksums are not looked at, here and in snapshots (DEBUG SET-SKIP-CHECKSUM-VALIDATION).
pub static UNCHECKED: AtomicBool = AtomicBool::new(false);

/// Why a string is not a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DumpError {
    /// It was cut or changed, or a newer server wrote it.
    Envelope,
    /// What is inside makes no sense, or is of a type that is not served.
    Content,
}

/// The string that `value` is restored from by servers of `dialect`; those of both know values without times of fields.
pub fn dump(value: ValueRef<'_>, dialect: Dialect) -> Vec<u8> {
    let mut writer = Writer::new(Options {
        checksum: false,
        dialect,
        ..Options::default()
    });
    writer.bare(value);
    let timed = matches!(value, ValueRef::Hash(hash) if hash.first_time().is_some());
    let version = match dialect {
        _ if !timed => format::WRITTEN,
        Dialect::Redis => format::WRITTEN_WITH_FIELD_TIMES,
        Dialect::Valkey => format::VALKEY,
    };
    sealed(writer.take(), version)
}

/// Bytes that `value` takes in a snapshot, without its type; `compress` as in [`Options`].
pub fn serialized_len(value: ValueRef<'_>, compress: bool) -> usize {
    let mut writer = Writer::new(Options {
        compress,
        checksum: false,
        ..Options::default()
    });
    writer.bare(value);
    writer.pending() - TYPE
}

/// `bytes` with version and checksum.
pub(super) fn sealed(mut bytes: Vec<u8>, version: u32) -> Vec<u8> {
    bytes.extend_from_slice(&(version as u16).to_le_bytes());
    let mut crc = Crc64::new();
    crc.update(&bytes);
    bytes.extend_from_slice(&crc.value().to_le_bytes());
    bytes
}

/// The value that `bytes` are the dump of.
///
/// # Errors
/// See [`DumpError`].
pub fn restore(bytes: &[u8], limits: &Limits) -> Result<Object, DumpError> {
    let (dialect, body) = open(bytes).ok_or(DumpError::Envelope)?;
    let (&kind, body) = body.split_first().ok_or(DumpError::Content)?;
    let kind = Kind::from_byte(kind, dialect).ok_or(DumpError::Content)?;
    // No string in it is longer than it could be when compressed; it has arrived already.
    let mut source = Source::new(body, false, u64::MAX);
    let object = object(kind, &mut source, limits).map_err(|stop| {
        let why = match stop {
            Stop::Fault(fault) => fault.to_string(),
            _ => "it ends early, or is not served".to_owned(),
        };
        tracing::warn!("a payload for RESTORE is refused, its integrity check failed: {why}");
        DumpError::Content
    })?;
    match source.offset() == body.len() as u64 {
        true => object.ok_or(DumpError::Content),
        false => Err(DumpError::Content),
    }
}

/// Whether a sound dump is of a version that every server since Redis 7.0 reads.
pub fn is_common(bytes: &[u8]) -> bool {
    let version = bytes
        .split_last_chunk::<CHECKSUM>()
        .and_then(|(summed, _)| summed.last_chunk::<VERSION>());
    version.is_some_and(|version| u32::from(u16::from_le_bytes(*version)) <= format::WRITTEN)
}

/// What is between the start and the version, if version and checksum are right, and whose version it is.
pub(super) fn open(bytes: &[u8]) -> Option<(Dialect, &[u8])> {
    let (summed, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    let (body, version) = summed.split_last_chunk::<VERSION>()?;
    let dialect = Dialect::of(u16::from_le_bytes(*version).into())?;
    let mut crc = Crc64::new();
    crc.update(summed);
    let sound = UNCHECKED.load(Relaxed) || crc.value() == u64::from_le_bytes(*checksum);
    sound.then_some((dialect, body))
}

fn object(kind: Kind, source: &mut Source<&[u8]>, limits: &Limits) -> Result<Option<Object>, Stop> {
    let (mut scratch, mut never) = (Vec::new(), u64::MAX);
    if kind == Kind::String {
        let text = source.string(&mut scratch)?.as_slice().to_vec();
        return Ok(Some(Object::Str(text)));
    }
    let mut builder = Builder {
        source,
        scratch: &mut scratch,
        limits,
        next_tick: &mut never,
        sink: &mut Nobody,
    };
    builder.build(kind)
}

/// Nobody is told of the progress of one value.
struct Nobody;

impl Sink for Nobody {
    fn key(&mut self, _: u32, _: &[u8], _: Loaded<'_>, _: Option<i64>) -> Result<(), Refusal> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::list::{End, List};

    #[test]
    fn there_and_back() {
        let limits = Limits::default();
        let mut list = List::new();
        for element in [&b"a"[..], b"12", &b"long ".repeat(10_000)] {
            list.push(End::Right, element, &limits);
        }
        let bytes = dump(ValueRef::List(&list), Dialect::Redis);
        match restore(&bytes, &limits) {
            Ok(Object::List(restored)) => assert!(restored.iter().eq(list.iter())),
            other => panic!("{other:?}"),
        }
        for len in 0..bytes.len() {
            assert_eq!(
                restore(&bytes[..len], &limits).err(),
                Some(DumpError::Envelope)
            );
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            assert_eq!(restore(&bad, &limits).err(), Some(DumpError::Envelope));
        }
    }

    #[test]
    fn as_the_stock_server_does_it() {
        // DUMP of 1000 by redis-server 7.0.15.
        let stock = b"\x00\xc1\xe8\x03\x0a\x00";
        let bytes = dump(ValueRef::Str(b"1000"), Dialect::Redis);
        assert_eq!(&bytes[..6], stock);
    }

    #[test]
    fn a_sound_envelope_does_not_help_bad_content() {
        let wrap = |body: &[u8]| {
            let mut bytes = body.to_vec();
            bytes.extend([10, 0]);
            let mut crc = Crc64::new();
            crc.update(&bytes);
            bytes.extend(crc.value().to_le_bytes());
            bytes
        };
        let limits = Limits::default();
        assert!(restore(&wrap(b"\x00\x01a"), &limits).is_ok());
        for body in [
            &b""[..],
            b"\x00",
            b"\x00\x01ab",
            b"\x00\x05a",
            b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xffa",
            b"\x00\xc3\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00a",
            b"\x01\x00",
            b"\x0f\x00",
            b"\xf0\x00",
        ] {
            assert_eq!(
                restore(&wrap(body), &limits).err(),
                Some(DumpError::Content),
                "{body:?}"
            );
        }
    }
}
