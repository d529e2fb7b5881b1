//! The checksum of a snapshot: CRC-64 with the polynomial of Jones, reflected, starting at zero.

use crc_fast::{CrcAlgorithm, Digest};

/// A checksum over bytes that come piece by piece.
#[derive(Debug)]
pub struct Crc64(Digest);

impl Crc64 {
    /// The checksum of nothing: zero.
    pub fn new() -> Self {
        Crc64(Digest::new(CrcAlgorithm::Crc64Redis))
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes so far.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }
}

impl Default for Crc64 {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bit by bit, as the definition says.
    fn slow(bytes: &[u8]) -> u64 {
        const POLYNOMIAL: u64 = 0xad93_d235_94c9_35a9_u64.reverse_bits();
        bytes.iter().fold(0, |crc, byte| {
            (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
                (crc >> 1) ^ ((crc & 1) * POLYNOMIAL)
            })
        })
    }

    fn fast(pieces: &[&[u8]]) -> u64 {
        let mut crc = Crc64::new();
        for piece in pieces {
            crc.update(piece);
        }
        crc.value()
    }

    #[test]
    fn known_values() {
        assert_eq!(slow(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(fast(&[b"123456789"]), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(fast(&[]), 0);
    }

    proptest! {
        #[test]
        fn pieces_make_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..1500), cut in 0usize..1500) {
            let cut = cut.min(bytes.len());
            prop_assert_eq!(fast(&[&bytes[..cut], &bytes[cut..]]), slow(&bytes));
        }
    }
}
