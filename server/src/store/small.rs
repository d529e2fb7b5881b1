//! Short byte strings held in place.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// How many bytes fit without an allocation.
const INLINE: usize = 22;

/// An element's bytes: up to 22 in place, more on the heap; 24 bytes either way.
///
/// Fields and members are mostly short, so a table of these costs neither an allocation nor a cache
/// miss per element.
#[derive(Clone)]
pub(super) struct SmallBytes(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Box<[u8]>),
}

impl SmallBytes {
    /// A copy of `src`.
    pub fn new(src: &[u8]) -> Self {
        match u8::try_from(src.len()) {
            Ok(len) if src.len() <= INLINE => {
                let mut bytes = [0; INLINE];
                bytes[..src.len()].copy_from_slice(src);
                SmallBytes(Repr::Inline { len, bytes })
            }
            _ => SmallBytes(Repr::Heap(src.into())),
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }

    /// Bytes owned on the heap.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Inline { .. } => 0,
            Repr::Heap(bytes) => bytes.len(),
        }
    }
}

impl Borrow<[u8]> for SmallBytes {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for SmallBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for SmallBytes {}

impl PartialOrd for SmallBytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SmallBytes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_around_the_limit_survives() {
        for len in 0..64 {
            let src: Vec<u8> = (0..len).collect();
            let small = SmallBytes::new(&src);
            assert_eq!(small.as_slice(), src);
            assert_eq!(small.heap_bytes() == 0, src.len() <= INLINE);
        }
    }

    #[test]
    fn takes_three_words() {
        assert_eq!(size_of::<SmallBytes>(), 24);
    }
}
