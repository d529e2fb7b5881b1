//! LZF, the compression of long strings in a snapshot.
//!
//! A control byte below 32 is followed by that many plus one bytes as they are. Any other begins a copy of
//! what came before: three bits of length (7 = one more byte of it), thirteen bits of distance.

use super::error::Fault;

/// The longest copy there is, from three bytes: no sound input grows by more.
const LONGEST_COPY: usize = 264;
const LONGEST_PLAIN: usize = 32;
const FARTHEST: usize = 1 << 13;
const SHORTEST_COPY: usize = 3;

/// Whether `compressed` bytes can possibly hold `plain` bytes.
pub fn plausible(compressed: u64, plain: u64) -> bool {
    plain <= (compressed / 3 + 1).saturating_mul(LONGEST_COPY as u64)
}

/// Appends to `out` what `input` holds, which must be exactly `plain` bytes.
pub fn decompress(input: &[u8], plain: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    const SHORT: Fault = Fault("a compressed string ends early");
    const LONG: Fault = Fault("a compressed string is longer than it says");
    if !plausible(input.len() as u64, plain as u64) {
        return Err(Fault(
            "a compressed string says it is longer than it can be",
        ));
    }
    let base = out.len();
    out.reserve(plain);
    let mut rest = input;
    while let Some((&control, after)) = rest.split_first() {
        let control = usize::from(control);
        if control < LONGEST_PLAIN {
            let (run, after) = after.split_at_checked(control + 1).ok_or(SHORT)?;
            if out.len() - base + run.len() > plain {
                return Err(LONG);
            }
            out.extend_from_slice(run);
            rest = after;
            continue;
        }
        let (more, after) = match control >> 5 {
            7 => after
                .split_first()
                .map(|(&more, after)| (usize::from(more), after)),
            _ => Some((0, after)),
        }
        .ok_or(SHORT)?;
        let (&low, after) = after.split_first().ok_or(SHORT)?;
        let len = (control >> 5) + more + 2;
        let back = (control & 0x1f) << 8 | usize::from(low);
        let made = out.len() - base;
        if back >= made {
            return Err(Fault("a compressed string copies from before its start"));
        }
        if made + len > plain {
            return Err(LONG);
        }
        copy_back(out, back + 1, len);
        rest = after;
    }
    if out.len() - base == plain {
        Ok(())
    } else {
        Err(Fault("a compressed string is shorter than it says"))
    }
}

/// Appends `len` bytes from `distance` back; they may overlap what is being appended.
fn copy_back(out: &mut Vec<u8>, distance: usize, len: usize) {
    let start = out.len() - distance;
    let mut left = len;
    while left > 0 {
        // All from `start` on repeats with one period, so it can be copied in steps that double.
        let step = left.min(out.len() - start);
        out.extend_from_within(start..start + step);
        left -= step;
    }
}

const HASH_BITS: u32 = 13;

/// A compressor that keeps its table from one string to the next, so that short strings cost no clearing.
#[derive(Debug)]
pub struct Compressor {
    /// Where three bytes of a hash were last seen: `base` plus their place. Below `base`: in an earlier string.
    table: Box<[u32]>,
    base: u32,
}

impl Compressor {
    /// A compressor with an empty table (32 KiB).
    pub fn new() -> Self {
        Compressor {
            table: vec![0; 1 << HASH_BITS].into_boxed_slice(),
            base: 1,
        }
    }

    /// Appends `input` compressed to `out`, if that saves more than a few bytes; else `out` is as it was.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let Ok(len) = u32::try_from(input.len()) else {
            return false;
        };
        if len <= 4 {
            return false;
        }
        let base = match self.base.checked_add(len) {
            Some(next) => std::mem::replace(&mut self.base, next),
            None => {
                self.table.fill(0);
                self.base = 1 + (len & (u32::MAX >> 1));
                if len > u32::MAX >> 1 {
                    return false;
                }
                1
            }
        };
        let limit = start + input.len() - 4;
        let mut at = 0;
        let mut plain_from = 0;
        while at + SHORTEST_COPY <= input.len() {
            let hash = (u32::from_be_bytes([0, input[at], input[at + 1], input[at + 2]])
                .wrapping_mul(0x9e37_79b1)
                >> (32 - HASH_BITS)) as usize;
            let seen = std::mem::replace(&mut self.table[hash], base + at as u32);
            let found = seen
                .checked_sub(base)
                .map(|seen| seen as usize)
                .filter(|&seen| {
                    at - seen <= FARTHEST && input[seen..seen + 3] == input[at..at + 3]
                });
            let Some(seen) = found else {
                at += 1;
                continue;
            };
            let most = (input.len() - at).min(LONGEST_COPY);
            let mut len = SHORTEST_COPY;
            while len < most && input[seen + len] == input[at + len] {
                len += 1;
            }
            put_plain(&input[plain_from..at], out);
            put_copy(at - seen, len, out);
            at += len;
            plain_from = at;
            if out.len() >= limit {
                out.truncate(start);
                return false;
            }
        }
        put_plain(&input[plain_from..], out);
        if out.len() >= limit {
            out.truncate(start);
            return false;
        }
        true
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

fn put_plain(bytes: &[u8], out: &mut Vec<u8>) {
    for run in bytes.chunks(LONGEST_PLAIN) {
        out.push((run.len() - 1) as u8);
        out.extend_from_slice(run);
    }
}

fn put_copy(distance: usize, len: usize, out: &mut Vec<u8>) {
    let back = distance - 1;
    let len = len - 2;
    let high = (back >> 8) as u8;
    if len < 7 {
        out.push((len as u8) << 5 | high);
    } else {
        out.extend_from_slice(&[7 << 5 | high, (len - 7) as u8]);
    }
    out.push(back as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(0u8..3, 0..3000),
            ("[ab]{1,5}", 1usize..6000).prop_map(|(word, times)| word.repeat(times).into_bytes()),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(texts in prop::collection::vec(text(), 1..4)) {
            let mut compressor = Compressor::new();
            for text in texts {
                let mut packed = b"kept".to_vec();
                if compressor.compress(&text, &mut packed) {
                    prop_assert!(packed.len() < text.len());
                    let mut plain = b"kept too".to_vec();
                    decompress(&packed[4..], text.len(), &mut plain).unwrap();
                    prop_assert_eq!(&plain[8..], &text);
                    prop_assert!(decompress(&packed[4..], text.len() + 1, &mut plain).is_err());
                    prop_assert!(decompress(&packed[4..], text.len() - 1, &mut plain).is_err());
                } else {
                    prop_assert_eq!(&packed[..], b"kept");
                }
            }
        }

        #[test]
        fn noise_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), plain in 0usize..1000) {
            let mut out = Vec::new();
            let _ = decompress(&bytes, plain, &mut out);
            prop_assert!(out.len() <= plain);
        }
    }

    #[test]
    fn repetition_is_squeezed() {
        let text = vec![b'x'; 100_000];
        let mut packed = Vec::new();
        assert!(Compressor::new().compress(&text, &mut packed));
        assert!(packed.len() < 1300, "{}", packed.len());
        assert!(plausible(packed.len() as u64, text.len() as u64));
    }

    #[test]
    fn a_table_that_wraps_is_cleared() {
        let mut compressor = Compressor::new();
        compressor.base = u32::MAX - 5;
        let text = b"abcabcabcabcabcabcabcabcabc";
        let mut packed = Vec::new();
        assert!(compressor.compress(text, &mut packed));
        let mut plain = Vec::new();
        decompress(&packed, text.len(), &mut plain).unwrap();
        assert_eq!(plain, text);
    }

    #[test]
    fn what_cannot_be_is_refused_before_memory_is_taken() {
        let mut out = Vec::new();
        assert!(decompress(&[0, b'a'], usize::MAX / 2, &mut out).is_err());
        assert_eq!(out.capacity(), 0);
    }

    #[test]
    fn noise_does_not_compress() {
        // A sequence without repeats of three bytes.
        let noise: Vec<u8> = (0..200u32).map(|i| (i * 167 % 251) as u8).collect();
        let mut packed = Vec::new();
        assert!(!Compressor::new().compress(&noise, &mut packed));
        assert!(packed.is_empty());
    }
}
