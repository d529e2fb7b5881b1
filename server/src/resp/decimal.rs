//! Floating-point numbers as C prints them, which Redis has its replies from.

/// `d` as C's `%.17g` prints it.
pub fn double_text(d: f64) -> String {
    general(d, 17)
}

/// `n` as C's `%.{digits}g` prints it.
pub fn general(n: f64, digits: usize) -> String {
    if n.is_nan() {
        return if n.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if n == 0.0 {
        return if n.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let digits = digits.max(1);
    // Most scores are whole numbers, which the printer of integers writes many times as fast.
    if n.fract() == 0.0 && n.abs() < 10f64.powi(digits.min(15) as i32) {
        return itoa::Buffer::new().format(n as i64).to_owned();
    }
    let scientific = format!("{:.*e}", digits - 1, n);
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |s: &mut String| {
        if s.contains('.') {
            s.truncate(s.trim_end_matches('0').trim_end_matches('.').len());
        }
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        let mut text = mantissa.to_owned();
        trim(&mut text);
        return format!("{text}e{sign}{:02}", exponent.unsigned_abs());
    }
    // The same digits, with the point where it belongs.
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let mut text = sign.to_owned();
    let whole = exponent + 1;
    if whole <= 0 {
        text.push_str("0.");
        text.extend((whole..0).map(|_| '0'));
    }
    for (i, digit) in mantissa.bytes().filter(|b| *b != b'.').enumerate() {
        if whole > 0 && i == whole as usize {
            text.push('.');
        }
        text.push(digit.into());
    }
    trim(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_printed_with_seventeen_digits() {
        for (d, text) in [
            (3.17, "3.1699999999999999"),
            (0.1, "0.10000000000000001"),
            (1e17, "1e+17"),
            (1e16, "10000000000000000"),
            (123456.0, "123456"),
            (1e-5, "1.0000000000000001e-05"),
            (0.0001, "0.0001"),
            (-2.5e300, "-2.5000000000000001e+300"),
            (5e-324, "4.9406564584124654e-324"),
            (-0.0, "-0"),
        ] {
            assert_eq!(double_text(d), text);
        }
    }

    proptest::proptest! {
        /// The printer of fixed notation, asked for as many decimals, says the same.
        #[test]
        fn digits_stay_what_they_are(n in -1e17..1e17f64, small in -1.0..1.0f64, digits in 1usize..18) {
            for n in [n, small, n.trunc(), (n * 1e-10).trunc(), small * 1e-3] {
                let text = general(n, digits);
                if text.contains('e') || n == 0.0 {
                    continue;
                }
                let exponent = format!("{:.*e}", digits - 1, n);
                let exponent: i32 = exponent.split_once('e').unwrap().1.parse().unwrap();
                let decimals = (digits as i32 - 1 - exponent) as usize;
                let mut fixed = format!("{n:.decimals$}");
                if fixed.contains('.') {
                    fixed = fixed.trim_end_matches('0').trim_end_matches('.').to_owned();
                }
                proptest::prop_assert_eq!(text, fixed);
            }
        }
    }
}
