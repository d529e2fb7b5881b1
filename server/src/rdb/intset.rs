//! A set of integers in a string: width (2, 4 or 8), count, then the sorted integers; all little endian.

use super::error::Fault;

/// A set of integers, checked on creation.
#[derive(Clone, Copy, Debug)]
pub struct Intset<'a> {
    width: usize,
    body: &'a [u8],
}

const HEADER: usize = 8;

impl<'a> Intset<'a> {
    /// Checks `bytes`: sizes agree, integers ascend strictly.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(Fault("an intset is shorter than its header"));
        };
        let [w0, w1, w2, w3, c0, c1, c2, c3] = *header;
        let width = match u32::from_le_bytes([w0, w1, w2, w3]) {
            2 => 2,
            4 => 4,
            8 => 8,
            _ => return Err(Fault("an intset has an unknown width")),
        };
        let count = u64::from(u32::from_le_bytes([c0, c1, c2, c3]));
        if count * width as u64 != body.len() as u64 {
            return Err(Fault("an intset's size does not match its count"));
        }
        let set = Intset { width, body };
        if !set.iter().is_sorted_by(|a, b| a < b) {
            return Err(Fault("an intset is not sorted, or has duplicates"));
        }
        Ok(set)
    }

    /// How many integers there are.
    pub fn len(&self) -> usize {
        self.body.len() / self.width
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The integers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = i64> + use<'a> {
        self.body.chunks_exact(self.width).map(|int| match *int {
            [a, b] => i64::from(i16::from_le_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => 0, // no other width is made
        })
    }
}

/// Appends the intset of `ints` to `out`. They must ascend strictly, and be fewer than 2^32.
pub fn encode(ints: &[i64], out: &mut Vec<u8>) {
    debug_assert!(ints.is_sorted_by(|a, b| a < b));
    let fits = |low: i64, high: i64| ints.iter().all(|int| (low..=high).contains(int));
    let width: u32 = if fits(i16::MIN.into(), i16::MAX.into()) {
        2
    } else if fits(i32::MIN.into(), i32::MAX.into()) {
        4
    } else {
        8
    };
    out.extend_from_slice(&width.to_le_bytes());
    out.extend_from_slice(&(ints.len() as u32).to_le_bytes());
    for int in ints {
        // The low bytes of a little-endian two's complement are the narrow form.
        out.extend_from_slice(&int.to_le_bytes()[..width as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(ints in prop::collection::btree_set(
            prop_oneof![any::<i16>().prop_map(i64::from), any::<i32>().prop_map(i64::from), any::<i64>()], 0..40)
        ) {
            let ints: Vec<i64> = ints.into_iter().collect();
            let mut bytes = Vec::new();
            encode(&ints, &mut bytes);
            prop_assert_eq!(Intset::parse(&bytes).unwrap().iter().collect::<Vec<_>>(), ints);
            for cut in 0..bytes.len() {
                prop_assert!(Intset::parse(&bytes[..cut]).is_err());
            }
        }

        #[test]
        fn noise_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Intset::parse(&bytes);
        }
    }

    #[test]
    fn widths_are_the_narrowest() {
        for (ints, width) in [
            (vec![-32768, 32767], 2),
            (vec![-32769], 4),
            (vec![2_147_483_647], 4),
            (vec![2_147_483_648], 8),
        ] {
            let mut bytes = Vec::new();
            encode(&ints, &mut bytes);
            assert_eq!(bytes[0], width, "{ints:?}");
        }
    }

    #[test]
    fn disorder_is_refused() {
        let bytes = |ints: [i16; 2]| {
            let mut bytes = vec![2, 0, 0, 0, 2, 0, 0, 0];
            bytes.extend(ints.iter().flat_map(|int| int.to_le_bytes()));
            bytes
        };
        assert!(Intset::parse(&bytes([1, 2])).is_ok());
        assert!(Intset::parse(&bytes([2, 1])).is_err());
        assert!(Intset::parse(&bytes([2, 2])).is_err());
        assert!(Intset::parse(&[3, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
