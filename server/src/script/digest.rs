//! What scripts are called by.

use sha1::Digest as _;

/// The SHA-1 of a text in hexadecimal digits, the letters small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; Digest::DIGITS]);

impl Digest {
    /// How many there are.
    pub const DIGITS: usize = 40;

    /// That of `text`.
    pub fn of(text: &[u8]) -> Digest {
        let bytes = sha1::Sha1::digest(text);
        let mut digits = [0; Digest::DIGITS];
        for (two, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            let digit = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
            two.copy_from_slice(&[digit(byte >> 4), digit(byte)]);
        }
        Digest(digits)
    }

    /// The one written in `digits`, in letters of either size.
    pub fn parse(digits: &[u8]) -> Option<Digest> {
        let digits: [u8; Digest::DIGITS] = digits.try_into().ok()?;
        let is_one = digits.iter().all(u8::is_ascii_hexdigit);
        is_one.then(|| Digest(digits.map(|digit| digit.to_ascii_lowercase())))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_as_they_are_read() {
        let digest = Digest::of(b"return 1");
        assert_eq!(digest.as_str(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        let upper = digest.as_str().to_uppercase();
        assert_eq!(Digest::parse(upper.as_bytes()), Some(digest));
        assert_eq!(Digest::parse(&upper.as_bytes()[1..]), None);
        assert_eq!(Digest::parse(&[b'g'; Digest::DIGITS]), None);
    }

    #[test]
    fn names_are_the_digests_of_the_standard() {
        assert_eq!(
            Digest::of(b"").as_str(),
            "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        );
        assert_eq!(
            Digest::of(b"abc").as_str(),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        let long = vec![b'a'; 1_000_000];
        assert_eq!(
            Digest::of(&long).as_str(),
            "34aa973cd4c4daa4f61eeb2bdbad27316534016f"
        );
        for len in [55, 56, 63, 64, 65] {
            assert_eq!(Digest::of(&vec![0; len]).as_str().len(), 40);
        }
    }
}
