//! Numbers as Redis reads them from strings and writes them into strings.

/// An integer in its one canonical decimal form: what Redis stores as `int` and accepts as an argument. No
/// sign but `-`, no leading zeros or spaces, no `-0`.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // At most 19 digits: no overflow.
        value = value * 10 + u64::from(digit);
    }
    match negative {
        false => i64::try_from(value).ok(),
        true => 0i64.checked_sub_unsigned(value),
    }
}

/// A floating-point number as `strtod` reads it, whole: decimal or hexadecimal, `inf` and `infinity` in any case. No
/// spaces and no NaN, as Redis wants it.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    // Most are whole, and exact up to this length.
    if text.len() <= 15
        && let Some(whole) = parse_i64(text)
    {
        return Some(whole as f64);
    }
    let text = std::str::from_utf8(text).ok()?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some(hex) = unsigned.strip_prefix("0x").or(unsigned.strip_prefix("0X")) {
        let value = parse_hex(hex)?;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    let value: f64 = text.parse().ok()?;
    // `strtod` answers out of range where Rust answers infinity, or zero for what is none.
    let spelt_out = unsigned.as_bytes().first()?.is_ascii_alphabetic();
    let digits = || unsigned.split(['e', 'E']).next().unwrap_or_default();
    let vanished = value == 0.0 && digits().contains(|digit| matches!(digit, '1'..='9'));
    (!value.is_nan() && !vanished && (value.is_finite() || spelt_out)).then_some(value)
}

/// `1.8p3` behind its `0x`.
fn parse_hex(text: &str) -> Option<f64> {
    let (significand, exponent) = hexadecimal(text)?;
    // The conversion rounds as `strtod` does.
    let value = significand as f64 * 2f64.powi(exponent);
    value.is_finite().then_some(value)
}

/// `1.8p3` behind its `0x` as `significand * 2^exponent`. Of what goes beyond 124 bits only the presence is kept, in the
/// last bit: enough to round by.
pub(super) fn hexadecimal(text: &str) -> Option<(u128, i32)> {
    let (mantissa, exponent) = match text.split_once(['p', 'P']) {
        Some((m, e)) => (m, e.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (mut value, mut scale) = (0u128, 0i32);
    for (digits, is_fraction) in [(whole, false), (fraction, true)] {
        for digit in digits.chars() {
            let digit = digit.to_digit(16)?;
            if value < 1 << 120 {
                value = value << 4 | u128::from(digit);
                scale -= if is_fraction { 4 } else { 0 };
            } else {
                value |= u128::from(digit != 0);
                scale = scale.checked_add(if is_fraction { 0 } else { 4 })?;
            }
        }
    }
    Some((value, exponent.checked_add(scale)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_canonical_integers_are_integers() {
        for text in [
            "", "-", "+1", "01", "-0", "00", " 1", "1 ", "1.0", "a", "1a",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn integers_survive(n: i64) {
            prop_assert_eq!(parse_i64(n.to_string().as_bytes()), Some(n));
        }

        #[test]
        fn any_bytes_are_an_integer_only_in_its_own_form(text in "[-+0-9a ]{0,21}") {
            if let Some(n) = parse_i64(text.as_bytes()) {
                prop_assert_eq!(n.to_string(), text);
            }
        }
    }

    #[test]
    fn floats_are_read_as_strtod_reads_them() {
        for (text, value) in [
            ("1.5", 1.5),
            ("+1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("-inf", f64::NEG_INFINITY),
            ("+Infinity", f64::INFINITY),
            ("0x10", 16.0),
            ("-0x1.8p1", -3.0),
            ("0x.8", 0.5),
            ("0.0e-400", 0.0),
            ("5e-324", 5e-324),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "",
            "nan",
            "-nan",
            " 1",
            "1 ",
            "1e400",
            "1e-400",
            "-0.01e-322",
            "0x",
            "0xg",
            "1e",
            "in",
            "0x1p",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
    }
}
