//! The arithmetic of INCRBYFLOAT and HINCRBYFLOAT: numbers of 64 significant bits.
//!
//! Redis adds in C's `long double`, which on x86 has 64 bits of significand, and prints 17 decimals, so that
//! 0.1 + 0.2 is 0.3. Rust has no such type; addition, reading and printing are all that is needed of it.

use std::ops::Add;

/// A number as x86's extended format holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `significand * 2^exponent`; the significand's highest bit is set unless the number is zero.
    Finite {
        significand: u64,
        exponent: i32,
    },
    Infinite,
    NotANumber,
}

/// The largest exponent of a finite number.
const MAX_EXPONENT: i32 = 16383 - 63;
/// Below this, nothing is left of a number but zero.
const MIN_EXPONENT: i32 = -16445 - 63;
/// Redis refuses longer texts.
const MAX_TEXT: usize = 5 * 1024;
/// Decimals printed, before zeros are cut off.
const DECIMALS: usize = 17;

impl LongDouble {
    /// Zero.
    pub const ZERO: LongDouble = LongDouble::finite(false, 0, 0);

    const fn finite(negative: bool, significand: u64, exponent: i32) -> LongDouble {
        LongDouble {
            negative,
            kind: Kind::Finite {
                significand,
                exponent,
            },
        }
    }

    /// Reads what `strtold` reads, but for NaN, numbers out of range, and spaces around them.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() >= MAX_TEXT {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let value = match unsigned {
            [b'0', b'x' | b'X', hex @ ..] => {
                match super::num::hexadecimal(std::str::from_utf8(hex).ok()?)? {
                    (0, _) => Some((0, 0)),
                    (significand, exponent) => normal(significand, exponent)
                        .filter(|(_, exponent)| *exponent >= MIN_EXPONENT),
                }
            }
            [b'0'..=b'9' | b'.', ..] => match decimal(unsigned)? {
                (digits, _) if digits.is_zero() => Some((0, 0)),
                (digits, exponent) => scale(digits, exponent),
            },
            // Infinities.
            _ => return super::num::parse_f64(text).map(LongDouble::from),
        };
        value.map(|(significand, exponent)| LongDouble::finite(negative, significand, exponent))
    }

    /// The number with up to 17 decimals and no zeros at its end; `None` for what is not finite.
    pub fn to_text(self) -> Option<String> {
        let Kind::Finite {
            significand,
            exponent,
        } = self.kind
        else {
            return None;
        };
        let scaled = u128::from(significand) * 10u128.pow(DECIMALS as u32);
        let digits = if exponent >= 0 {
            let mut whole = Big::from(significand);
            whole.shift_left(exponent as usize);
            whole.to_decimal() + &"0".repeat(DECIMALS)
        } else {
            round_shift(scaled, exponent.unsigned_abs()).to_string()
        };
        let digits = format!("{digits:0>width$}", width = DECIMALS + 1);
        let (whole, decimals) = digits.split_at(digits.len() - DECIMALS);
        let decimals = decimals.trim_end_matches('0');
        let is_zero = whole == "0" && decimals.is_empty();
        let sign = if self.negative && !is_zero { "-" } else { "" };
        let point = if decimals.is_empty() { "" } else { "." };
        Some(format!("{sign}{whole}{point}{decimals}"))
    }
}

impl From<f64> for LongDouble {
    fn from(value: f64) -> LongDouble {
        let negative = value.is_sign_negative();
        let kind = match (value.is_nan(), value.is_infinite()) {
            (true, _) => Kind::NotANumber,
            (_, true) => Kind::Infinite,
            _ => {
                let bits = value.to_bits();
                let (stored, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
                let (whole, exponent) = match stored {
                    0 => (fraction, -1074),
                    _ => (fraction | 1 << 52, stored - 1075),
                };
                let shift = whole.leading_zeros() % 64;
                Kind::Finite {
                    significand: whole << shift,
                    exponent: exponent - shift as i32,
                }
            }
        };
        LongDouble { negative, kind }
    }
}

impl Add for LongDouble {
    type Output = LongDouble;

    fn add(self, other: LongDouble) -> LongDouble {
        use Kind::{Finite, Infinite, NotANumber};
        let (a, b) = match (self.kind, other.kind) {
            (Finite { significand: 0, .. }, _) => return other,
            (_, Finite { significand: 0, .. }) => return self,
            (
                Finite {
                    significand: s,
                    exponent: e,
                },
                Finite {
                    significand: t,
                    exponent: f,
                },
            ) => ((self.negative, s, e), (other.negative, t, f)),
            (Infinite, Infinite) if self.negative != other.negative => {
                return LongDouble {
                    negative: false,
                    kind: NotANumber,
                };
            }
            (Infinite | NotANumber, _) => return self,
            (_, Infinite | NotANumber) => return other,
        };
        let (large, small) = if (a.2, a.1) >= (b.2, b.1) {
            (a, b)
        } else {
            (b, a)
        };
        // 62 bits of room below the larger one's last bit: enough that of what lies further down only its
        // presence matters.
        let x = u128::from(large.1) << 62;
        let distance = large.2.abs_diff(small.2);
        let y = u128::from(small.1) << 62;
        let y = match distance {
            0..=126 => y >> distance | u128::from(y & ((1 << distance) - 1) != 0),
            _ => 1,
        };
        let sum = if large.0 == small.0 { x + y } else { x - y };
        if sum == 0 {
            return LongDouble::ZERO;
        }
        match normal(sum, large.2 - 62) {
            Some((significand, exponent)) => LongDouble::finite(large.0, significand, exponent),
            None => LongDouble {
                negative: large.0,
                kind: Infinite,
            },
        }
    }
}

/// `value / 2^shift`, rounded to nearest, ties to even.
fn round_shift(value: u128, shift: u32) -> u128 {
    match shift {
        0 => value,
        1..=127 => {
            let (whole, rest, half) =
                (value >> shift, value & ((1 << shift) - 1), 1 << (shift - 1));
            whole + u128::from(rest > half || rest == half && whole & 1 == 1)
        }
        _ => 0,
    }
}

/// `value * 2^exponent` with a significand of 64 bits; `None` if it is too large.
fn normal(value: u128, exponent: i32) -> Option<(u64, i32)> {
    let excess = 64 - value.leading_zeros() as i32;
    let (significand, exponent) = match u32::try_from(excess) {
        Ok(excess) => (round_shift(value, excess), exponent + excess as i32),
        Err(_) => (value << -excess, exponent + excess),
    };
    // Rounding up may have carried into a 65th bit.
    let (significand, exponent) = match u64::try_from(significand) {
        Ok(significand) => (significand, exponent),
        Err(_) => (1 << 63, exponent + 1),
    };
    (exponent <= MAX_EXPONENT).then_some((significand, exponent))
}

/// Splits `12.5e3` into its digits as one integer and the power of ten that goes with them.
fn decimal(text: &[u8]) -> Option<(Big, i32)> {
    let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (mut digits, mut any, mut point, mut decimals) = (Big::from(0), false, false, 0i32);
    for byte in mantissa {
        match byte {
            b'0'..=b'9' => {
                digits.multiply_add(10, u32::from(byte - b'0'));
                any = true;
                decimals += i32::from(point);
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    let exponent = match exponent {
        None => 0,
        Some(text) => {
            let text = std::str::from_utf8(text).ok()?;
            let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
            if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            // What does not fit is out of range either way.
            let size: i32 = unsigned.parse().unwrap_or(i32::MAX / 2).min(i32::MAX / 2);
            if text.starts_with('-') { -size } else { size }
        }
    };
    any.then_some((digits, exponent - decimals))
}

/// `digits * 10^power`, not zero, with a significand of 64 bits; `None` if that is out of range.
fn scale(mut digits: Big, power: i32) -> Option<(u64, i32)> {
    // Beyond these powers the result is out of range whatever the digits, of which there are few.
    if !(-12_000..=5_000).contains(&power) {
        return None;
    }
    let mut exponent = 0;
    let mut rest = false;
    if power >= 0 {
        (0..power).for_each(|_| digits.multiply_add(10, 0));
    } else {
        let mut divisor = Big::from(1);
        (0..-power).for_each(|_| divisor.multiply_add(10, 0));
        // A quotient of 66 bits or more: the last ones and the remainder tell how to round.
        let shift = (divisor.bits() + 66).saturating_sub(digits.bits());
        digits.shift_left(shift);
        exponent = -(shift as i32);
        (digits, rest) = digits.divide(divisor);
    }
    let bits = digits.bits();
    let cut = bits.saturating_sub(126);
    let top = digits.top(cut) << 1 | u128::from(rest || digits.any_below(cut));
    let (significand, exponent) = normal(top, exponent + cut as i32 - 1)?;
    (exponent >= MIN_EXPONENT).then_some((significand, exponent))
}

/// A natural number of any size; limbs of 32 bits, the lowest first, the highest not zero.
struct Big(Vec<u32>);

impl From<u64> for Big {
    fn from(value: u64) -> Big {
        let mut big = Big(vec![value as u32, (value >> 32) as u32]);
        big.trim();
        big
    }
}

impl Big {
    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn bits(&self) -> usize {
        match self.0.last() {
            None => 0,
            Some(last) => self.0.len() * 32 - last.leading_zeros() as usize,
        }
    }

    fn bit(&self, index: usize) -> bool {
        self.0
            .get(index / 32)
            .is_some_and(|limb| limb >> (index % 32) & 1 == 1)
    }

    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.0 {
            carry += u64::from(*limb) * u64::from(factor);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn shift_left(&mut self, shift: usize) {
        if self.is_zero() {
            return;
        }
        self.multiply_add(1 << (shift % 32), 0);
        self.0.splice(0..0, std::iter::repeat_n(0, shift / 32));
    }

    /// The bits from `from` upwards, of which there are at most 126.
    fn top(&self, from: usize) -> u128 {
        (from..self.bits())
            .rev()
            .fold(0, |top, i| top << 1 | u128::from(self.bit(i)))
    }

    fn any_below(&self, end: usize) -> bool {
        (0..end).any(|i| self.bit(i))
    }

    /// Quotient, and whether there is a remainder.
    fn divide(&self, divisor: Big) -> (Big, bool) {
        let mut quotient = Big(vec![0; self.0.len()]);
        let mut rest = Big(Vec::new());
        // Schoolbook, bit by bit, but for the leading ones, which are smaller than the divisor anyway.
        let lead = divisor.bits().saturating_sub(1).min(self.bits());
        for i in (self.bits() - lead..self.bits()).rev() {
            rest.multiply_add(2, u32::from(self.bit(i)));
            rest.trim();
        }
        for i in (0..self.bits() - lead).rev() {
            rest.multiply_add(2, u32::from(self.bit(i)));
            if rest.subtract(&divisor) {
                quotient.0[i / 32] |= 1 << (i % 32);
            }
        }
        quotient.trim();
        (quotient, !rest.is_zero())
    }

    /// Subtracts `other` if it is not larger, and says so.
    fn subtract(&mut self, other: &Big) -> bool {
        let order = self.0.len().cmp(&other.0.len());
        if order
            .then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
            .is_lt()
        {
            return false;
        }
        let mut borrow = 0;
        for (i, limb) in self.0.iter_mut().enumerate() {
            let taken = i64::from(other.0.get(i).copied().unwrap_or(0)) + borrow;
            let difference = i64::from(*limb) - taken;
            borrow = i64::from(difference < 0);
            *limb = difference as u32;
        }
        self.trim();
        true
    }

    fn to_decimal(&self) -> String {
        const CHUNK: u64 = 1_000_000_000;
        let (mut limbs, mut chunks) = (self.0.clone(), Vec::new());
        while !limbs.is_empty() {
            let mut rest = 0u64;
            for limb in limbs.iter_mut().rev() {
                rest = rest << 32 | u64::from(*limb);
                *limb = (rest / CHUNK) as u32;
                rest %= CHUNK;
            }
            chunks.push(rest);
            while limbs.last() == Some(&0) {
                limbs.pop();
            }
        }
        let mut text = chunks.pop().unwrap_or(0).to_string();
        for chunk in chunks.iter().rev() {
            text += &format!("{chunk:09}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        (LongDouble::parse(a.as_bytes())? + LongDouble::parse(b.as_bytes())?).to_text()
    }

    #[test]
    fn sums_are_those_of_redis() {
        for (a, b, expected) in [
            ("0.1", "0.2", "0.3"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("1", "-1", "0"),
            ("-0", "0", "0"),
            ("3.0", "1.1", "4.1"),
            ("1e-17", "0", "0.00000000000000001"),
            ("1e-18", "0", "0"),
            ("-1e-18", "0", "0"),
            (
                "123456789012345678901234567890",
                "0",
                "123456789012345678899921813504",
            ),
            ("17179869184", "1.5", "17179869185.5"),
            ("9223372036854775807", "1", "9223372036854775808"),
            ("0x10", "0x.8", "16.5"),
            ("1e-4940", "0", "0"),
            ("-1e-17", "1e-17", "0"),
            ("0.3", "-0.1", "0.2"),
            ("1", "1e-30", "1"),
            ("1e30", "-1e30", "0"),
            ("3.14159265358979323846", "0", "3.14159265358979324"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(expected), "{a} + {b}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in [
            "", "-", ".", "e5", "1e", "1e+", "1 ", " 1", "1.2.3", "nan", "1e5000", "1e-5000", "0x",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(LongDouble::parse(&[b'1'; MAX_TEXT]), None);
        assert_eq!(sum("inf", "1"), None);
        assert_eq!(sum("inf", "-inf"), None);
        assert_eq!(sum("1e4932", "1e4932"), None);
    }

    proptest! {
        #[test]
        fn doubles_are_read_and_printed_exactly(value in -1e15f64..1e15) {
            // 64 bits hold any double; 17 decimals of one this large are all there are, or rounded as `format!` does.
            let read = LongDouble::parse(format!("{value:?}").as_bytes()).unwrap();
            if value.abs() > 1e-3 {
                let close: f64 = read.to_text().unwrap().parse().unwrap();
                prop_assert!((close - value).abs() <= 1e-17 + value.abs() * f64::EPSILON);
            }
            prop_assert_eq!(LongDouble::from(value).to_text().unwrap().parse::<f64>().unwrap(), format!("{value:.17}").parse::<f64>().unwrap());
        }

        #[test]
        fn integers_add_exactly(a in -(1i64 << 62)..1 << 62, b in -(1i64 << 62)..1 << 62) {
            prop_assert_eq!(sum(&a.to_string(), &b.to_string()), Some((a + b).to_string()));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[-+0-9.eExXinfa]{0,40}") {
            let _ = LongDouble::parse(text.as_bytes()).map(|value| value.to_text());
        }
    }
}
