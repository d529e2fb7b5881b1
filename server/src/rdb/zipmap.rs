//! The zipmap: small hashes of Redis before 2.6.
//!
//! A count (one byte, 254 = count them); field and value alternating, each a length (one byte, or 254 and
//! four bytes little endian) and its bytes; between the value's length and its bytes stands the number of
//! unused bytes that follow them; 0xff.

use super::error::Fault;

const END: u8 = 0xff;
const LONG: u8 = 0xfe;
const SHORT: Fault = Fault("a zipmap entry reaches past the end");

/// A field and its value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// The fields and values of a zipmap, checked one by one as they are taken.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: &'a [u8],
    promised: Option<u8>,
    failed: bool,
}

/// Begins to read the zipmap that fills all of `bytes`.
pub fn pairs(bytes: &[u8]) -> Result<Pairs<'_>, Fault> {
    let Some((&count, rest)) = bytes.split_first() else {
        return Err(Fault("a zipmap is empty"));
    };
    Ok(Pairs {
        rest,
        promised: (count < LONG).then_some(count),
        failed: false,
    })
}

impl<'a> Pairs<'a> {
    fn split(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(SHORT)?;
        self.rest = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let (&byte, rest) = self.rest.split_first().ok_or(SHORT)?;
        self.rest = rest;
        Ok(byte)
    }

    fn long(&mut self) -> Result<usize, Fault> {
        let (len, rest) = self.rest.split_first_chunk().ok_or(SHORT)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*len) as usize)
    }

    fn take(&mut self) -> Result<Option<Pair<'a>>, Fault> {
        let len = match self.byte()? {
            END if !self.rest.is_empty() => {
                return Err(Fault("a zipmap has bytes after its end"));
            }
            END if self.promised.is_some_and(|left| left != 0) => {
                return Err(Fault("a zipmap has fewer fields than it says"));
            }
            END => return Ok(None),
            LONG => self.long()?,
            short => usize::from(short),
        };
        let field = self.split(len)?;
        let len = match self.byte()? {
            END => return Err(Fault("a zipmap ends between a field and its value")),
            LONG => self.long()?,
            short => usize::from(short),
        };
        let unused = usize::from(self.byte()?);
        let value = self.split(len)?;
        self.split(unused)?;
        if let Some(promised) = &mut self.promised {
            *promised = promised
                .checked_sub(1)
                .ok_or(Fault("a zipmap has more fields than it says"))?;
        }
        Ok(Some((field, value)))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<Pair<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let taken = self.take();
        self.failed = taken.is_err();
        taken.transpose()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Old servers wrote these; we do not, so the writer is the tests' own.
    pub(in crate::rdb) fn encode(pairs: &[(Vec<u8>, Vec<u8>)], unused: u8) -> Vec<u8> {
        fn length(len: usize, out: &mut Vec<u8>) {
            match u8::try_from(len) {
                Ok(short) if short < LONG => out.push(short),
                _ => {
                    out.push(LONG);
                    out.extend((len as u32).to_le_bytes());
                }
            }
        }
        let mut out = vec![pairs.len().min(254) as u8];
        for (field, value) in pairs {
            length(field.len(), &mut out);
            out.extend(field);
            length(value.len(), &mut out);
            out.push(unused);
            out.extend(value);
            out.extend(vec![0xaa; usize::from(unused)]);
        }
        out.push(END);
        out
    }

    type Owned = (Vec<u8>, Vec<u8>);

    fn read(bytes: &[u8]) -> Result<Vec<Owned>, Fault> {
        pairs(bytes)?
            .map(|pair| pair.map(|(field, value)| (field.to_vec(), value.to_vec())))
            .collect()
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::collection::vec(any::<u8>(), 250..260),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(pairs in prop::collection::vec((text(), text()), 0..8), unused in 0u8..4) {
            let bytes = encode(&pairs, unused);
            prop_assert_eq!(read(&bytes).unwrap(), pairs);
            for cut in 0..bytes.len() {
                prop_assert!(read(&bytes[..cut]).is_err());
            }
        }

        #[test]
        fn noise_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes);
        }
    }
}
