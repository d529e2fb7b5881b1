//! HyperLogLogs: strings that estimate how many different elements were added to them, byte for byte as Redis keeps
//! them.
//!
//! A header of 16 bytes (`HYLL`, the encoding, three unused bytes, the cached estimate), then 16,384 registers: dense, six
//! bits each, or sparse, as runs: `00llllll` zeros, `01llllll llllllll` zeros, `1vvvvvll` equal values.

mod sparse;

pub use sparse::runs;

use sparse::Change;

/// Registers.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits of an element's hash that choose its register.
const INDEX_BITS: u32 = 14;
/// The other bits of the hash, of which the run of zeros is measured.
const RUN_BITS: usize = 64 - INDEX_BITS as usize;
/// Bits of a register in the dense form.
const BITS: usize = 6;
const HEADER: usize = 16;
const DENSE_LEN: usize = HEADER + (REGISTERS * BITS).div_ceil(8);
const MAGIC: &[u8] = b"HYLL";
/// Where the header has the encoding, and the cached estimate.
const ENCODING: usize = 4;
const CACHE: std::ops::Range<usize> = 8..16;
/// The bit of the cached estimate's last byte that says it is out of date.
const STALE: u8 = 1 << 7;

/// How the registers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Six bits each.
    Dense,
    /// As runs of equal values.
    Sparse,
}

/// The registers of a sparse HyperLogLog make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// The registers, a byte each.
pub type Registers = [u8; REGISTERS];

/// The encoding of `text`; `None` if it is no HyperLogLog.
pub fn encoding(text: &[u8]) -> Option<Encoding> {
    let header = text.get(..HEADER)?;
    match header[ENCODING] {
        _ if !header.starts_with(MAGIC) => None,
        0 if text.len() == DENSE_LEN => Some(Encoding::Dense),
        1 => Some(Encoding::Sparse),
        _ => None,
    }
}

/// A HyperLogLog that nothing was added to.
pub fn empty() -> Vec<u8> {
    let mut text = vec![0; HEADER];
    text[..MAGIC.len()].copy_from_slice(MAGIC);
    text[ENCODING] = 1;
    text.extend(sparse::zeros(REGISTERS));
    text
}

/// The register an element belongs to, and the value it asks for.
pub fn place(element: &[u8]) -> (usize, u8) {
    const SEED: u64 = 0xadc8_3b19;
    let hash = murmur(element, SEED);
    let index = hash as usize & (REGISTERS - 1);
    let rest = hash >> INDEX_BITS | 1 << RUN_BITS;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// Register `index` of a dense HyperLogLog.
pub fn dense_register(text: &[u8], index: usize) -> u8 {
    let (at, shift) = (HEADER + index * BITS / 8, index * BITS % 8);
    let low = u16::from(text[at]);
    let high = u16::from(text.get(at + 1).copied().unwrap_or(0));
    ((low | high << 8) >> shift) as u8 & 0x3f
}

/// Raises register `index` of a dense HyperLogLog to `value`; false if it is as high already.
pub fn raise_dense(text: &mut [u8], index: usize, value: u8) -> bool {
    if dense_register(text, index) >= value {
        return false;
    }
    let (at, shift) = (HEADER + index * BITS / 8, index * BITS % 8);
    let (mask, value) = (0x3fu16 << shift, u16::from(value) << shift);
    text[at] = text[at] & !mask as u8 | value as u8;
    if let Some(high) = text.get_mut(at + 1) {
        *high = *high & !(mask >> 8) as u8 | (value >> 8) as u8;
    }
    true
}

/// Raises register `index` of a HyperLogLog to `value`; false if it is as high already. A sparse one becomes dense
/// when it would grow over `max_bytes`, its header counted, or holds what only a dense one can.
///
/// # Errors
/// The registers make no sense; nothing was changed.
pub fn raise(
    text: &mut Vec<u8>,
    index: usize,
    value: u8,
    max_bytes: usize,
) -> Result<bool, Corrupt> {
    if encoding(text) == Some(Encoding::Dense) {
        return Ok(raise_dense(text, index, value));
    }
    match sparse::raise(text, HEADER, index, value, max_bytes)? {
        Change::None => Ok(false),
        Change::Done => {
            invalidate(text);
            Ok(true)
        }
        Change::TooMuch => {
            *text = to_dense(text)?;
            Ok(raise_dense(text, index, value))
        }
    }
}

/// The same HyperLogLog in its dense form.
///
/// # Errors
/// The registers make no sense.
pub fn to_dense(text: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let registers = registers(text)?;
    let mut dense = vec![0; DENSE_LEN];
    dense[..HEADER].copy_from_slice(&text[..HEADER]);
    dense[ENCODING] = 0;
    for (index, &value) in registers.iter().enumerate() {
        raise_dense(&mut dense, index, value);
    }
    Ok(dense)
}

/// All registers of a HyperLogLog.
///
/// # Errors
/// They make no sense.
pub fn registers(text: &[u8]) -> Result<Box<Registers>, Corrupt> {
    let mut registers = Box::new([0; REGISTERS]);
    merge(&mut registers, text)?;
    Ok(registers)
}

/// Raises each of `registers` to what it is in the HyperLogLog `text`.
///
/// # Errors
/// The registers of `text` make no sense.
pub fn merge(registers: &mut Registers, text: &[u8]) -> Result<(), Corrupt> {
    if encoding(text) == Some(Encoding::Dense) {
        for (index, register) in registers.iter_mut().enumerate() {
            *register = (*register).max(dense_register(text, index));
        }
        return Ok(());
    }
    let mut first = 0;
    for run in runs(&text[HEADER..]) {
        let run = run?;
        let covered = registers.get_mut(first..first + run.len).ok_or(Corrupt)?;
        covered.iter_mut().for_each(|r| *r = (*r).max(run.value));
        first += run.len;
    }
    match first {
        REGISTERS => Ok(()),
        _ => Err(Corrupt),
    }
}

/// The registers' runs of a sparse HyperLogLog, as PFDEBUG DECODE shows them.
pub fn shown(text: &[u8]) -> String {
    let runs = runs(&text[HEADER..]).flatten();
    let shown = runs.map(|run| match (run.value, run.bytes) {
        (0, 1) => format!("z:{}", run.len),
        (0, _) => format!("Z:{}", run.len),
        (value, _) => format!("v:{value},{}", run.len),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// The estimate in the header, if it is up to date.
pub fn cached(text: &[u8]) -> Option<u64> {
    let cache: [u8; 8] = text.get(CACHE)?.try_into().ok()?;
    (cache[7] & STALE == 0).then(|| u64::from_le_bytes(cache))
}

/// Puts an estimate into the header.
pub fn cache(text: &mut [u8], estimate: u64) {
    text[CACHE].copy_from_slice(&estimate.to_le_bytes());
}

/// The estimate in the header is out of date.
pub fn invalidate(text: &mut [u8]) {
    text[CACHE.end - 1] |= STALE;
}

/// How many different elements the registers have seen: Ertl's estimator ("New cardinality estimation algorithms for
/// HyperLogLog sketches", arXiv 1702.01284), in Redis's order of operations, so that the estimates agree to the last bit.
pub fn estimate(registers: &Registers) -> u64 {
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let mut counts = [0u32; 64];
    registers
        .iter()
        .for_each(|&r| counts[usize::from(r & 0x3f)] += 1);
    let m = REGISTERS as f64;
    let mut z = m * tau((m - f64::from(counts[RUN_BITS + 1])) / m);
    for count in counts[1..=RUN_BITS].iter().rev() {
        z = (z + f64::from(*count)) * 0.5;
    }
    z += m * sigma(f64::from(counts[0]) / m);
    (ALPHA * m * m / z).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

/// MurmurHash64A.
fn murmur(text: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut hash = seed ^ (text.len() as u64).wrapping_mul(M);
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = (hash ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(M);
    }
    hash = (hash ^ hash >> R).wrapping_mul(M);
    hash ^ hash >> R
}

#[cfg(test)]
mod tests;
