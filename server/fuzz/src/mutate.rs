//! Small changes to saved inputs, the same ones for the same seed.

/// Longer inputs say nothing new.
const LONGEST: usize = 32 << 10;

/// What is often at the border of something.
const WORDS: &[&[u8]] = &[
    b"-1",
    b"0",
    b"1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"4294967295",
    b"2147483648",
    b"536870912",
    b"1e400",
    b"nan",
    b"\r\n",
    b"\n",
    b"\"",
    b"*1\r\n",
    b"$-1\r\n",
    b"$5\r\n",
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x81\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xc3",
    b" ",
    b"%",
];

/// Makes inputs out of others.
pub struct Mutator(u64);

impl Mutator {
    /// One whose inputs are those of `seed`.
    pub fn new(seed: u64) -> Self {
        Mutator(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// Less than `n`, or 0.
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as usize) % n.max(1)
    }

    /// One of `seeds`, with a few changes.
    pub fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut data, seeds);
        }
        data.truncate(LONGEST);
        data
    }

    fn change(&mut self, data: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(data.len());
        let upto = |this: &mut Self, most: usize| at + this.below(most.min(data.len() - at) + 1);
        match self.below(9) {
            0 if at < data.len() => data[at] ^= 1 << self.below(8),
            1 if at < data.len() => data[at] = self.below(256) as u8,
            2 if at < data.len() => {
                data[at] = data[at].wrapping_add(if self.below(2) == 0 { 1 } else { 255 })
            }
            3 => {
                let end = upto(self, 16);
                data.drain(at..end);
            }
            4 => {
                let end = upto(self, 64);
                let copy = data[at..end].to_vec();
                let to = self.below(data.len());
                data.splice(to..to, copy);
            }
            5 => {
                let word = WORDS[self.below(WORDS.len())];
                data.splice(at..at, word.iter().copied());
            }
            6 => {
                let word = WORDS[self.below(WORDS.len())];
                let end = (at + word.len()).min(data.len());
                data.splice(at..end, word.iter().copied());
            }
            7 => {
                // The beginning of this one, and the end of another.
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
            _ => data.truncate(at),
        }
    }
}
