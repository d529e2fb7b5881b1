//! Patterns as KEYS, SCAN and PSUBSCRIBE take them.

/// True when `text` as a whole matches `pattern`: `*` any bytes (but, as in Redis, an empty text only an empty pattern), `?` one byte, `[a-z]` and `[^a-z]` one byte
/// of a set, `\` the next byte as it is.
///
/// On a mismatch only the last `*` is tried again one byte further on, since whatever an earlier one could
/// take instead the last one can: the time is at most the product of the lengths.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    // Behind the last `*`, and where its share of the text ends.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() || p < pattern.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            if p == pattern.len() {
                return true;
            }
            star = Some((p, t));
            continue;
        }
        if let (true, Some(&byte)) = (p < pattern.len(), text.get(t))
            && let Some(len) = one(&pattern[p..], byte)
        {
            p += len;
            t += 1;
            continue;
        }
        match star {
            Some((behind, end)) if end < text.len() => {
                (p, t) = (behind, end + 1);
                star = Some((p, t));
            }
            _ => return false,
        }
    }
    true
}

/// If what `pattern` begins with, which is not `*`, matches `byte`: how long that is.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', rest @ ..] => {
            let (matched, len) = class(rest, byte);
            matched.then_some(len + 1)
        }
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// Whether the set that begins behind a `[` contains `byte`, and how long it is up to its `]` or, without one,
/// to the pattern's end.
fn class(pattern: &[u8], byte: u8) -> (bool, usize) {
    let negated = pattern.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match pattern[at..] {
            [b'\\', literal, ..] => {
                found |= literal == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [] => break,
            [from, b'-', to, ..] => {
                found |= (from.min(to)..=from.max(to)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= literal == byte;
                at += 1;
            }
        }
    }
    (found != negated, at)
}

/// The text that `pattern` matches, if it is only one and is spelt without escapes.
pub fn literal(pattern: &[u8]) -> Option<&[u8]> {
    let special = |b: &u8| matches!(b, b'*' | b'?' | b'[' | b'\\');
    (!pattern.iter().any(special)).then_some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn yes(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes())
    }

    #[test]
    fn patterns_match_what_they_say() {
        for (pattern, text) in [
            ("*", "anything"),
            ("a*", "a"),
            ("h?llo", "hello"),
            ("h*llo", "heeeello"),
            ("h*llo*", "hllo"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-b]llo", "hbllo"),
            ("h[b-a]llo", "hallo"),
            ("h\\*llo", "h*llo"),
            ("[\\]]", "]"),
            ("[abc", "b"),
            ("*a*b*c", "xxaxxbxxc"),
            ("\\", "\\"),
            ("[-]", "-"),
            ("", ""),
        ] {
            assert!(yes(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("*", ""),
            ("**", ""),
            ("h[^e]llo", "hello"),
            ("h[ae]llo", "hillo"),
            ("*a*b*c", "xxaxxcxxb"),
            ("h\\*llo", "hello"),
            ("[", ""),
            ("a", "ab"),
            ("*b", "a"),
        ] {
            assert!(!yes(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn stars_do_not_multiply() {
        let pattern = "a*".repeat(5_000) + "b";
        assert!(!yes(&pattern, &"a".repeat(20_000)));
    }

    /// Tries everything, as slow as it is obvious.
    fn reference(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|i| reference(rest, &text[i..])),
            _ => match text {
                [] => false,
                [byte, text @ ..] => {
                    one(pattern, *byte).is_some_and(|len| reference(&pattern[len..], text))
                }
            },
        }
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(pattern in "[ab*?\\[\\]^\\\\-]{0,10}", text in "[ab\\]-]{0,10}") {
            let expected = match text.is_empty() {
                true => pattern.is_empty(),
                false => reference(pattern.as_bytes(), text.as_bytes()),
            };
            prop_assert_eq!(yes(&pattern, &text), expected);
        }
    }
}
