//! Parsing requests from bytes that belong to somebody else.
//!
//! A request is an array of bulk strings, or one line of words (an "inline" request). The parser
//! copies no argument: it notes where each one lies. What it has understood of a request that has
//! not fully arrived stays in the [`Parser`], so that a request trickling in byte by byte costs no
//! more than one that comes at once, and nothing is allocated on the word of an announced length.

use super::plain::plain;
use thiserror::Error;

/// The longest inline request, and the longest line that announces a length, in bytes.
pub const INLINE_MAX: usize = 64 * 1024;
/// The most arguments a client may send before it has authenticated.
pub(super) const UNAUTHENTICATED_ARGS: i64 = 10;
/// The longest argument a client may send before it has authenticated, in bytes.
const UNAUTHENTICATED_BULK: i64 = 16 * 1024;
/// Spans hold their position in 32 bits, so no request may reach this size, in bytes.
pub const REQUEST_MAX: usize = u32::MAX as usize;

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub struct ParseLimits {
    /// The longest argument, in bytes (`proto-max-bulk-len`).
    pub max_bulk: u64,
    /// False for a client that has yet to give a password: it may send small requests only.
    pub authenticated: bool,
}

/// A request that breaks the protocol; the text is Redis's own, to be sent after `-ERR `. The
/// connection cannot go on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("Protocol error: {0}")]
pub struct ProtocolError(pub String);

impl ProtocolError {
    fn new<T>(text: impl Into<String>) -> Result<T, Self> {
        Err(ProtocolError(text.into()))
    }
}

/// How far a call of [`Parser::parse`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The request has not fully arrived: at least `need` more bytes (never 0) are to come.
    Incomplete {
        /// A lower bound; it may be as large as the client announced, so allocate by steps.
        need: usize,
    },
    /// One request, `len` bytes long. It may have no argument at all (an empty line, `*0`), and is
    /// then to be ignored.
    Request {
        /// The bytes it took, from the start of the buffer.
        len: usize,
    },
}

/// Where an argument lies.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u32,
    /// The argument had escapes in it, and lies in [`ArgList::unescaped`].
    unescaped: bool,
}

/// The arguments of one request or of several in a row, as positions in the bytes parsed.
#[derive(Debug, Default)]
pub struct ArgList {
    spans: Vec<Span>,
    unescaped: Vec<u8>,
}

impl ArgList {
    /// How many arguments are noted.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `index`, where `request` is the bytes (beginning with its request) it was parsed
    /// from. Empty when either does not fit the other.
    pub fn get<'a>(&'a self, request: &'a [u8], index: usize) -> &'a [u8] {
        let Some(span) = self.spans.get(index) else {
            return &[];
        };
        let from = if span.unescaped {
            &self.unescaped
        } else {
            request
        };
        let start = span.start as usize;
        from.get(start..start + span.len as usize).unwrap_or(&[])
    }

    /// Forgets every argument; a list grown large gives its memory back.
    pub fn clear(&mut self) {
        const KEEP: usize = 4096;
        self.spans.clear();
        self.spans.shrink_to(KEEP);
        self.unescaped.clear();
        self.unescaped.shrink_to(KEEP);
    }

    fn note(&mut self, start: usize, len: usize) {
        self.spans.push(Span {
            start: start as u32,
            len: len as u32,
            unescaped: false,
        });
    }
}

/// What is known of the request being parsed; [`Default`] is the state between two requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parser {
    /// Bytes of the request already understood.
    at: usize,
    /// Bytes already searched for the end of the line that begins at `at`.
    searched: usize,
    /// Arguments still to come, once the header has been read.
    args_left: u32,
    /// The length of the argument that begins at `at`, once its own header has been read.
    bulk: Option<u32>,
}

impl Parser {
    /// True between two requests.
    #[inline]
    pub fn is_fresh(&self) -> bool {
        self.args_left == 0 && self.searched == 0
    }

    /// Parses the request that begins at the start of `buf`, and appends its arguments to `args`.
    ///
    /// After [`Parsed::Incomplete`], call again with the same bytes and more behind them, and with
    /// the same list: what had been understood is not looked at again.
    ///
    /// # Errors
    /// A [`ProtocolError`] when the bytes cannot be the beginning of a request.
    pub fn parse(
        &mut self,
        buf: &[u8],
        limits: &ParseLimits,
        args: &mut ArgList,
    ) -> Result<Parsed, ProtocolError> {
        if buf.len() > REQUEST_MAX {
            return ProtocolError::new("too big request");
        }
        if self.args_left == 0 {
            match buf.first() {
                None => return Ok(Parsed::Incomplete { need: 1 }),
                Some(b'*') => {}
                Some(_) => return self.inline(buf, args),
            }
            if self.searched == 0 {
                let noted = args.spans.len();
                if let Some(len) = plain(buf, limits, |start, len| args.note(start, len)) {
                    return Ok(Parsed::Request { len });
                }
                args.spans.truncate(noted);
            }
            let Some(line) = self.line(buf, "too big mbulk count string")? else {
                return Ok(Parsed::Incomplete { need: 1 });
            };
            let count = match parse_i64(&line[1..]) {
                Some(n) if n <= i64::from(i32::MAX) => n,
                _ => return ProtocolError::new("invalid multibulk length"),
            };
            if count > UNAUTHENTICATED_ARGS && !limits.authenticated {
                return ProtocolError::new("unauthenticated multibulk length");
            }
            if count <= 0 {
                return Ok(self.done());
            }
            self.args_left = count as u32;
        }
        self.arguments(buf, limits, args)
    }

    /// The arguments of an array whose header has been read.
    fn arguments(
        &mut self,
        buf: &[u8],
        limits: &ParseLimits,
        args: &mut ArgList,
    ) -> Result<Parsed, ProtocolError> {
        while self.args_left > 0 {
            let len = match self.bulk {
                Some(len) => len as usize,
                None => {
                    let Some(line) = self.line(buf, "too big bulk count string")? else {
                        return Ok(Parsed::Incomplete { need: 1 });
                    };
                    let len = bulk_len(line, limits)?;
                    self.bulk = Some(len);
                    len as usize
                }
            };
            let end = self.at + len + 2;
            if buf.len() < end {
                return Ok(Parsed::Incomplete {
                    need: end - buf.len(),
                });
            }
            args.note(self.at, len);
            self.at = end;
            self.bulk = None;
            self.args_left -= 1;
        }
        Ok(self.done())
    }

    fn done(&mut self) -> Parsed {
        let len = self.at;
        *self = Parser::default();
        Parsed::Request { len }
    }

    /// The line at `at` without its CR LF, stepping over it; `None` while its end is missing.
    fn line<'a>(
        &mut self,
        buf: &'a [u8],
        too_big: &str,
    ) -> Result<Option<&'a [u8]>, ProtocolError> {
        let rest = buf.get(self.at..).unwrap_or(&[]);
        let cr = memchr::memchr(b'\r', rest.get(self.searched..).unwrap_or(&[]));
        match cr.map(|cr| cr + self.searched) {
            // As Redis, we take any byte after the CR for the LF.
            Some(cr) if cr + 1 < rest.len() => {
                self.at += cr + 2;
                self.searched = 0;
                Ok(Some(&rest[..cr]))
            }
            Some(cr) => {
                self.searched = cr;
                Ok(None)
            }
            None if rest.len() > INLINE_MAX => ProtocolError::new(too_big),
            None => {
                self.searched = rest.len();
                Ok(None)
            }
        }
    }

    fn inline(&mut self, buf: &[u8], args: &mut ArgList) -> Result<Parsed, ProtocolError> {
        let searched = self.searched;
        let Some(lf) = memchr::memchr(b'\n', buf.get(searched..).unwrap_or(&[])) else {
            if buf.len() > INLINE_MAX {
                return ProtocolError::new("too big inline request");
            }
            self.searched = buf.len();
            return Ok(Parsed::Incomplete { need: 1 });
        };
        let lf = searched + lf;
        let line = &buf[..lf];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if split_words(line, args).is_none() {
            return ProtocolError::new("unbalanced quotes in request");
        }
        self.at = lf + 1;
        Ok(self.done())
    }
}

fn bulk_len(line: &[u8], limits: &ParseLimits) -> Result<u32, ProtocolError> {
    let (kind, digits) = match line.split_first() {
        Some((kind, digits)) => (*kind, digits),
        None => (b'\r', line),
    };
    if kind != b'$' {
        let got = if matches!(kind, b'\r' | b'\n') {
            ' '
        } else {
            char::from(kind)
        };
        return ProtocolError::new(format!("expected '$', got '{got}'"));
    }
    let max = limits.max_bulk.min(REQUEST_MAX as u64);
    match parse_i64(digits) {
        Some(n) if n >= 0 && n as u64 <= max => {
            if n > UNAUTHENTICATED_BULK && !limits.authenticated {
                return ProtocolError::new("unauthenticated bulk length");
            }
            Ok(n as u32)
        }
        _ => ProtocolError::new("invalid bulk length"),
    }
}

/// A number as the protocol writes it: an optional minus and digits, no plus, space or leading zero.
fn parse_i64(digits: &[u8]) -> Option<i64> {
    let (negative, digits) = match digits.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, digits),
    };
    match digits {
        [] => return None,
        [b'0'] => return (!negative).then_some(0),
        [b'0', ..] => return None,
        _ if digits.len() > 19 => return None,
        _ => {}
    }
    let mut n: i64 = 0;
    for d in digits {
        if !d.is_ascii_digit() {
            return None;
        }
        n = n.checked_mul(10)?.checked_sub(i64::from(d - b'0'))?;
    }
    if negative { Some(n) } else { n.checked_neg() }
}

/// Splits a line into words as the Redis shell does: double quotes with escapes, single quotes
/// where only `\'` is one. `None` when a quote is not closed, or is closed in the middle of a word.
fn split_words(line: &[u8], args: &mut ArgList) -> Option<()> {
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(|b| is_space(*b)) {
            at += 1;
        }
        if at >= line.len() {
            return Some(());
        }
        let plain = line[at..]
            .iter()
            .take_while(|b| !is_space(**b) && !matches!(b, b'"' | b'\''))
            .count();
        if line.get(at + plain).is_none_or(|b| is_space(*b)) {
            args.note(at, plain);
            at += plain;
        } else {
            let start = args.unescaped.len();
            at += unescape_word(&line[at..], &mut args.unescaped)?;
            args.spans.push(Span {
                start: start as u32,
                len: (args.unescaped.len() - start) as u32,
                unescaped: true,
            });
        }
    }
}

/// True when [`words`] takes `word` for what it is.
pub fn is_plain(word: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\');
    !word.is_empty() && word.iter().all(plain)
}

/// `word` in quotes, as [`words`] reads it.
pub fn quoted(word: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for &b in word {
        match b {
            b'"' | b'\\' => out.extend([b'\\', b]),
            b' '..=b'~' => out.push(b),
            b => out.extend(format!("\\x{b:02x}").bytes()),
        }
    }
    out.push(b'"');
    out
}

/// Splits a line of a configuration file into words, by the quoting rules of inline requests.
/// `None` when a quote is not closed, or is closed in the middle of a word.
pub fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut args = ArgList::default();
    split_words(line, &mut args)?;
    let word = |i| args.get(line, i).to_vec();
    Some((0..args.len()).map(word).collect())
}

/// Appends the word at the start of `text` to `out`, its quotes and escapes resolved; the number
/// of bytes it took.
fn unescape_word(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        at += 1;
        match b {
            b'"' | b'\'' => {
                at += unescape_quoted(b, &text[at..], out)?;
                // A closing quote ends its word.
                return text.get(at).is_none_or(|b| is_space(*b)).then_some(at);
            }
            b if is_space(b) => return Some(at - 1),
            b => out.push(b),
        }
    }
    Some(at)
}

/// [`unescape_word`] for what follows an opening `quote`; counts the closing one.
fn unescape_quoted(quote: u8, text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        match (quote, text.get(at..)?) {
            (_, [b, ..]) if *b == quote => return Some(at + 1),
            (b'"', [b'\\', b'x', hi, lo, ..])
                if hi.is_ascii_hexdigit() && lo.is_ascii_hexdigit() =>
            {
                out.push(hex(*hi) << 4 | hex(*lo));
                at += 4;
            }
            (b'"', [b'\\', c, ..]) => {
                out.push(match c {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    c => *c,
                });
                at += 2;
            }
            (b'\'', [b'\\', b'\'', ..]) => {
                out.push(b'\'');
                at += 2;
            }
            (_, [b, ..]) => {
                out.push(*b);
                at += 1;
            }
            (_, []) => return None,
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

pub(super) fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
