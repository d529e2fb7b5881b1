//! The bytes of a snapshot, in order, counted and summed, with no more memory than has arrived.

use std::io::{self, Read};

use super::crc64::Crc64;
use super::error::Fault;
use super::format::{Dialect, len};
use super::lzf;

/// Bytes kept between the stream and its reader.
const BUFFER: usize = 256 * 1024;

/// A long string grows by at most this much at a time, so that an announced length costs nothing.
const STEP: usize = 1024 * 1024;

/// Why no more could be read, without the place, which the reader adds.
#[derive(Debug)]
pub(super) enum Stop {
    /// The stream ended.
    Early,
    /// The stream failed.
    Transport(io::Error),
    /// The bytes make no sense.
    Fault(Fault),
    /// A string is longer than allowed.
    TooLong(u64),
    /// The sink, or a type that is not served.
    Refused(super::read::Refusal),
    /// The checksum at the end.
    Checksum { written: u64, computed: u64 },
    /// The version at the start.
    Version(Dialect, u32),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl From<super::read::Refusal> for Stop {
    fn from(refusal: super::read::Refusal) -> Self {
        Stop::Refused(refusal)
    }
}

/// What a length says.
pub(super) enum Length {
    /// So many.
    Plain(u64),
    /// What follows is a string in the encoding of this code.
    Encoded(u8),
}

/// A string of the snapshot: in the buffer, or put together in a vector.
pub(super) enum Text<'a> {
    Buffered(&'a [u8]),
    Built(&'a mut Vec<u8>),
}

impl Text<'_> {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Text::Buffered(bytes) => bytes,
            Text::Built(bytes) => bytes,
        }
    }
}

#[derive(Debug)]
pub(super) struct Source<R> {
    inner: R,
    buffer: Box<[u8]>,
    /// `buffer[at..end]` has arrived and is not read yet.
    at: usize,
    end: usize,
    /// `buffer[summed..at]` is read and not in the checksum yet.
    summed: usize,
    /// Bytes of the snapshot before the buffer's first.
    before: u64,
    crc: Option<Crc64>,
    max_string: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R, checksum: bool, max_string: u64) -> Self {
        Source {
            inner,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            at: 0,
            end: 0,
            summed: 0,
            before: 0,
            crc: checksum.then(Crc64::new),
            max_string,
        }
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> u64 {
        self.before + self.at as u64
    }

    /// What the stream is, and what has been taken from it beyond what was read.
    pub(super) fn into_parts(self) -> (R, Vec<u8>) {
        let rest = self.buffer[self.at..self.end].to_vec();
        (self.inner, rest)
    }

    /// The checksum of all bytes read so far, if it is kept.
    pub(super) fn checksum(&mut self) -> Option<u64> {
        self.sum();
        self.crc.as_ref().map(Crc64::value)
    }

    fn sum(&mut self) {
        if let Some(crc) = &mut self.crc {
            crc.update(&self.buffer[self.summed..self.at]);
        }
        self.summed = self.at;
    }

    /// Waits until `want` bytes, which must fit the buffer, are there.
    #[cold]
    #[inline(never)]
    fn fill(&mut self, want: usize) -> Result<(), Stop> {
        self.sum();
        self.buffer.copy_within(self.at..self.end, 0);
        self.before += self.at as u64;
        self.end -= self.at;
        self.at = 0;
        self.summed = 0;
        while self.end < want {
            self.end += read_some(&mut self.inner, &mut self.buffer[self.end..])?;
        }
        Ok(())
    }

    #[inline]
    fn need(&mut self, want: usize) -> Result<(), Stop> {
        if self.end - self.at < want {
            self.fill(want)?;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        self.need(1)?;
        let byte = self.buffer[self.at];
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        self.need(N)?;
        let mut array = [0; N];
        array.copy_from_slice(&self.buffer[self.at..self.at + N]);
        self.at += N;
        Ok(array)
    }

    /// `len` bytes, no more than [`BUFFER`].
    #[inline]
    pub(super) fn slice(&mut self, len: usize) -> Result<&[u8], Stop> {
        self.need(len)?;
        self.at += len;
        Ok(&self.buffer[self.at - len..self.at])
    }

    /// Appends `len` bytes to `out`, which grows as they arrive.
    fn append(&mut self, len: u64, out: &mut Vec<u8>) -> Result<(), Stop> {
        let mut left = len;
        let buffered = left.min((self.end - self.at) as u64) as usize;
        out.extend_from_slice(&self.buffer[self.at..self.at + buffered]);
        self.at += buffered;
        left -= buffered as u64;
        if left == 0 {
            return Ok(());
        }
        // The buffer is used up: the rest goes straight to where it belongs.
        self.sum();
        while left > 0 {
            let from = out.len();
            let step = left.min(STEP as u64) as usize;
            out.resize(from + step, 0);
            let mut to = from;
            while to < from + step {
                match read_some(&mut self.inner, &mut out[to..from + step]) {
                    Ok(read) => to += read,
                    Err(stop) => {
                        out.truncate(to);
                        self.before += (to - from) as u64;
                        return Err(stop);
                    }
                }
            }
            if let Some(crc) = &mut self.crc {
                crc.update(&out[from..]);
            }
            self.before += step as u64;
            left -= step as u64;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn length(&mut self) -> Result<Length, Stop> {
        let first = self.byte()?;
        Ok(Length::Plain(match first >> 6 {
            len::BITS6 => u64::from(first & 0x3f),
            len::BITS14 => u64::from(first & 0x3f) << 8 | u64::from(self.byte()?),
            len::ENCODED => return Ok(Length::Encoded(first & 0x3f)),
            _ => match first {
                len::BITS32 => u64::from(u32::from_be_bytes(self.array()?)),
                len::BITS64 => u64::from_be_bytes(self.array()?),
                _ => return Err(Fault("a length has an unknown form").into()),
            },
        }))
    }

    /// A length that must be one.
    pub(super) fn count(&mut self) -> Result<u64, Stop> {
        match self.length()? {
            Length::Plain(count) => Ok(count),
            Length::Encoded(_) => Err(Fault("an encoded string stands where a length must").into()),
        }
    }

    /// A string; `scratch` is overwritten if it has to be put together.
    pub(super) fn string<'a>(&'a mut self, scratch: &'a mut Vec<u8>) -> Result<Text<'a>, Stop> {
        let len = match self.length()? {
            Length::Plain(len) => len,
            Length::Encoded(code) => {
                scratch.clear();
                self.encoded(code, scratch)?;
                return Ok(Text::Built(scratch));
            }
        };
        if len <= BUFFER as u64 {
            return Ok(Text::Buffered(self.slice(len as usize)?));
        }
        if len > self.max_string {
            return Err(Stop::TooLong(len));
        }
        scratch.clear();
        self.append(len, scratch)?;
        Ok(Text::Built(scratch))
    }

    fn encoded(&mut self, code: u8, out: &mut Vec<u8>) -> Result<(), Stop> {
        let int = match code {
            len::INT8 => i32::from(self.byte()? as i8),
            len::INT16 => i32::from(i16::from_le_bytes(self.array()?)),
            len::INT32 => i32::from_le_bytes(self.array()?),
            len::LZF => return self.compressed(out),
            _ => return Err(Fault("a string has an unknown encoding").into()),
        };
        out.extend_from_slice(itoa::Buffer::new().format(int).as_bytes());
        Ok(())
    }

    fn compressed(&mut self, out: &mut Vec<u8>) -> Result<(), Stop> {
        let packed = self.count()?;
        let plain = self.count()?;
        if packed > self.max_string || plain > self.max_string {
            return Err(Stop::TooLong(packed.max(plain)));
        }
        if !lzf::plausible(packed, plain) {
            return Err(Fault("a compressed string says it is longer than it can be").into());
        }
        let plain = plain as usize;
        if packed <= BUFFER as u64 {
            let packed = self.slice(packed as usize)?;
            lzf::decompress(packed, plain, out)?;
        } else {
            let mut bytes = Vec::new();
            self.append(packed, &mut bytes)?;
            lzf::decompress(&bytes, plain, out)?;
        }
        Ok(())
    }
}

/// At least one byte into `to`, which is not empty.
fn read_some(from: &mut impl Read, to: &mut [u8]) -> Result<usize, Stop> {
    loop {
        match from.read(to) {
            Ok(0) => return Err(Stop::Early),
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Stop::Transport(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in portions of a few.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(to.len()).min(self.0.len());
            self.1 = self.1 % 7 + 1;
            let (head, rest) = self.0.split_at(len);
            to[..len].copy_from_slice(head);
            self.0 = rest;
            Ok(len)
        }
    }

    #[test]
    fn long_strings_are_counted_summed_and_leave_the_rest() {
        let body: Vec<u8> = (0..BUFFER + 3 * STEP / 2)
            .map(|i| (i % 251) as u8)
            .collect();
        let mut bytes = vec![len::BITS32];
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(&body);
        let whole = bytes.len();
        bytes.extend(b"\x03abc+rest");
        let mut sum = Crc64::new();
        sum.update(&bytes[..whole + 4]);
        for inner in [&mut &bytes[..] as &mut dyn Read, &mut Trickle(&bytes, 1)] {
            let mut source = Source::new(inner, true, u64::MAX);
            let mut scratch = Vec::new();
            let text = source.string(&mut scratch).unwrap();
            assert!(text.as_slice() == body);
            assert_eq!(source.offset(), whole as u64);
            let text = source.string(&mut scratch).unwrap();
            assert_eq!(text.as_slice(), b"abc");
            assert_eq!(source.offset(), whole as u64 + 4);
            assert_eq!(source.checksum(), Some(sum.value()));
            let (inner, mut rest) = source.into_parts();
            inner.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"+rest");
        }
    }

    #[test]
    fn an_announced_length_takes_no_memory() {
        let mut bytes = vec![len::BITS64];
        bytes.extend((1u64 << 40).to_be_bytes());
        bytes.extend([b'x'; 1000]);
        let mut source = Source::new(&bytes[..], true, u64::MAX);
        let mut scratch = Vec::new();
        assert!(matches!(source.string(&mut scratch), Err(Stop::Early)));
        assert!(scratch.capacity() <= 2 * STEP, "{}", scratch.capacity());
        assert_eq!(source.offset(), bytes.len() as u64);

        let mut source = Source::new(&bytes[..], true, 1 << 30);
        assert!(matches!(source.string(&mut scratch), Err(Stop::TooLong(_))));
    }

    #[test]
    fn lengths_in_all_forms() {
        for (bytes, want) in [
            (&[0x3f][..], 63),
            (&[0x7f, 0xff], 16383),
            (&[0x80, 1, 2, 3, 4], 0x0102_0304),
            (&[0x81, 1, 2, 3, 4, 5, 6, 7, 8], 0x0102_0304_0506_0708),
        ] {
            let mut source = Source::new(bytes, false, u64::MAX);
            assert_eq!(source.count().unwrap(), want);
        }
        assert!(
            Source::new(&[0x82, 0, 0, 0, 0][..], false, u64::MAX)
                .count()
                .is_err()
        );
        assert!(
            Source::new(&[0xc0, 0][..], false, u64::MAX)
                .count()
                .is_err()
        );
    }

    #[test]
    fn integers_become_digits() {
        for (bytes, want) in [
            (&[0xc0, 0xff][..], "-1"),
            (&[0xc1, 0, 0x80], "-32768"),
            (&[0xc2, 0xff, 0xff, 0xff, 0x7f], "2147483647"),
        ] {
            let mut scratch = Vec::new();
            let mut source = Source::new(bytes, false, u64::MAX);
            assert_eq!(
                source.string(&mut scratch).unwrap().as_slice(),
                want.as_bytes()
            );
        }
    }
}
