//! Requests as nearly all are, found without a [`Parser`](super::Parser): arrived whole, short, and simply written.

use super::ParseLimits;
use super::parse::{INLINE_MAX, UNAUTHENTICATED_ARGS, is_space};

/// The length of the request at the start of `buf` if it has arrived whole and is as nearly all are: an array, no length of
/// more than four digits. `note` is told where each argument begins, and how long it is. `None`: any other, of which only a
/// [`Parser`](super::Parser) can say what it is.
#[inline]
pub fn plain(buf: &[u8], limits: &ParseLimits, note: impl FnMut(usize, usize)) -> Option<usize> {
    let (count, at) = short_header(b'*', buf, 0)?;
    if count == 0 || (count > UNAUTHENTICATED_ARGS as usize && !limits.authenticated) {
        return None;
    }
    plain_rest(buf, at, count, limits, note)
}

/// [`plain`] from `at` on, where the first of `count` arguments begins.
#[inline]
pub fn plain_rest(
    buf: &[u8],
    mut at: usize,
    count: usize,
    limits: &ParseLimits,
    mut note: impl FnMut(usize, usize),
) -> Option<usize> {
    for _ in 0..count {
        let (len, start) = short_header(b'$', buf, at)?;
        at = start + len + 2;
        if at > buf.len() || len as u64 > limits.max_bulk {
            return None;
        }
        note(start, len);
    }
    Some(at)
}

/// [`plain`] for one line of words, none of them in quotes.
pub fn plain_line(buf: &[u8], mut note: impl FnMut(usize, usize)) -> Option<usize> {
    let lf = memchr::memchr(b'\n', &buf[..buf.len().min(INLINE_MAX)])?;
    let line = &buf[..lf];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if memchr::memchr2(b'"', b'\'', line).is_some() {
        return None;
    }
    let mut at = 0;
    while at < line.len() {
        let len = line[at..].iter().take_while(|b| !is_space(**b)).count();
        if len > 0 {
            note(at, len);
        }
        at += len + 1;
    }
    Some(lf + 1)
}

/// The number in the header of this kind at `at`, and where the header ends, if it has up to four digits.
#[inline(always)]
fn short_header(kind: u8, buf: &[u8], at: usize) -> Option<(usize, usize)> {
    let (first, rest) = buf.get(at..)?.split_first()?;
    if *first != kind {
        return None;
    }
    let mut number = 0;
    for (i, &b) in rest.iter().take(5).enumerate() {
        match b.wrapping_sub(b'0') {
            digit @ 0..=9 => number = number * 10 + usize::from(digit),
            _ if b == b'\r' && i > 0 && (i == 1 || rest[0] != b'0') => {
                return Some((number, at + i + 3));
            }
            _ => return None,
        }
    }
    None
}
