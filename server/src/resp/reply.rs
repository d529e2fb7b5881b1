//! Writing replies in RESP2 or RESP3.

use super::decimal::double_text;

/// The version of the protocol a client speaks, as `HELLO` chose it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proto {
    /// RESP2, which every connection starts with.
    #[default]
    Resp2,
    /// RESP3: typed nulls, maps, sets, doubles, pushes.
    Resp3,
}

/// A buffer of replies: one per batch of commands, in the protocol of the client they go to.
///
/// Every method appends one complete reply, or (`array`, `map`, ...) the header of an aggregate
/// whose elements the caller appends next. Types that RESP2 lacks are written as Redis maps them.
#[derive(Debug, Default)]
pub struct Reply {
    buf: Vec<u8>,
    proto: Proto,
    /// The codes of the errors written since they were taken last.
    errors: Vec<Box<[u8]>>,
    /// An error was written since somebody asked.
    failed: bool,
}

/// The longest code of an error that is counted for itself, bytes.
const LONGEST_CODE: usize = 64;

/// The place of an aggregate's header whose length is not yet known; see [`Reply::defer`].
#[derive(Debug)]
#[must_use = "a deferred header has to be closed"]
pub struct Deferred(usize);

impl Reply {
    /// An empty buffer for a client that speaks `proto`.
    pub fn new(proto: Proto) -> Self {
        Reply {
            proto,
            ..Reply::default()
        }
    }

    /// The protocol replies are written in from here on.
    pub fn proto(&self) -> Proto {
        self.proto
    }

    /// True when the client speaks RESP3.
    pub fn is_resp3(&self) -> bool {
        self.proto == Proto::Resp3
    }

    /// Writes what follows in `proto`; what is already in the buffer stays as it is.
    pub fn set_proto(&mut self, proto: Proto) {
        self.proto = proto;
    }

    /// The bytes written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buf
    }

    /// How many bytes have been written so far.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// True when nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Forgets every byte and keeps the allocation.
    pub fn clear(&mut self) {
        self.buf.clear();
    }

    /// Takes back what was written after the buffer was `len` bytes long.
    pub fn truncate(&mut self, len: usize) {
        self.buf.truncate(len);
    }

    /// The buffer itself, for the code that sends it.
    pub fn buffer_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// The bytes written, by value; the reply is empty afterwards.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buf)
    }

    /// True when the reply that begins at byte `at` is an error.
    pub fn is_error_at(&self, at: usize) -> bool {
        self.buf.get(at) == Some(&b'-')
    }

    /// `+text`: a status. `text` has no line break in it.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// [`Reply::simple`] for any bytes; line breaks in them become spaces.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.cleaned(b'+', text);
    }

    /// An integer of any size, in its decimal digits: a bulk string in RESP2.
    pub fn big_number(&mut self, digits: &[u8]) {
        match self.proto {
            Proto::Resp2 => self.bulk(digits),
            Proto::Resp3 => self.cleaned(b'(', digits),
        }
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.buf.extend_from_slice(b"+OK\r\n");
    }

    /// `-text`: an error. `text` begins with its code (`ERR ...`); line breaks in it become spaces.
    pub fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }

    /// [`Reply::error`] for a text with a client's own bytes in it.
    pub fn error_bytes(&mut self, text: &[u8]) {
        self.note_error(text);
        self.cleaned(b'-', text);
    }

    /// [`Reply::error_bytes`] for a text that Redis makes by a format: line breaks at its end go.
    pub fn error_formatted(&mut self, text: &[u8]) {
        self.error_bytes(without_breaks(text));
    }

    #[cold]
    fn note_error(&mut self, text: &[u8]) {
        let code = text.split(|b| *b == b' ').next().unwrap_or_default();
        self.errors
            .push(code[..code.len().min(LONGEST_CODE)].into());
        self.failed = true;
    }

    /// The last error, if it is of this `code`, was counted where it came from.
    pub fn is_counted(&mut self, code: &[u8]) {
        if self.errors.last().is_some_and(|last| **last == *code) {
            self.errors.pop();
        }
    }

    /// Errors were written that have not been taken.
    #[inline]
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// True if errors were written since this was asked last.
    #[inline]
    pub fn has_failed(&mut self) -> bool {
        std::mem::take(&mut self.failed)
    }

    /// Takes the codes of the errors that were written.
    pub fn take_errors(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.errors)
    }

    /// `:n`.
    pub fn int(&mut self, n: i64) {
        match n {
            0 => self.buf.extend_from_slice(b":0\r\n"),
            1 => self.buf.extend_from_slice(b":1\r\n"),
            _ => self.number(b':', n),
        }
    }

    /// A bulk string: any bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.number(b'$', bytes.len() as i64);
        self.buf.extend_from_slice(bytes);
        self.crlf();
    }

    /// A bulk string holding `n` in decimal.
    pub fn bulk_int(&mut self, n: i64) {
        self.bulk(itoa::Buffer::new().format(n).as_bytes());
    }

    /// A bulk string, or null.
    pub fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// The null reply of a command that answers a string.
    pub fn null(&mut self) {
        self.buf.extend_from_slice(match self.proto {
            Proto::Resp2 => b"$-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// The null reply of a command that answers an array.
    pub fn null_array(&mut self) {
        self.buf.extend_from_slice(match self.proto {
            Proto::Resp2 => b"*-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// The header of an array of `n` elements.
    pub fn array(&mut self, n: usize) {
        self.number(b'*', n as i64);
    }

    /// The header of a map of `n` pairs: a flat array of `2 n` in RESP2.
    pub fn map(&mut self, n: usize) {
        match self.proto {
            Proto::Resp2 => self.number(b'*', 2 * n as i64),
            Proto::Resp3 => self.number(b'%', n as i64),
        }
    }

    /// The header of a set of `n` members: an array in RESP2.
    pub fn set(&mut self, n: usize) {
        self.number(if self.is_resp3() { b'~' } else { b'*' }, n as i64);
    }

    /// The header of an out-of-band message of `n` elements: an array in RESP2.
    pub fn push(&mut self, n: usize) {
        self.number(if self.is_resp3() { b'>' } else { b'*' }, n as i64);
    }

    /// A double: 17 significant digits, as Redis 7.0 prints it; a bulk string in RESP2.
    pub fn double(&mut self, d: f64) {
        self.double_as(&double_text(d));
    }

    /// A double that is printed already; a bulk string in RESP2.
    pub fn double_as(&mut self, text: &str) {
        match self.proto {
            Proto::Resp2 => self.bulk(text.as_bytes()),
            Proto::Resp3 => self.line(b',', text.as_bytes()),
        }
    }

    /// A boolean: 1 or 0 in RESP2.
    pub fn bool(&mut self, b: bool) {
        match self.proto {
            Proto::Resp2 => self.int(i64::from(b)),
            Proto::Resp3 => self
                .buf
                .extend_from_slice(if b { b"#t\r\n" } else { b"#f\r\n" }),
        }
    }

    /// Text for people to read, of the format `ext` (three letters, `txt` or `mkd`); a bulk
    /// string in RESP2.
    pub fn verbatim(&mut self, ext: &str, text: &[u8]) {
        if !self.is_resp3() {
            return self.bulk(text);
        }
        self.number(b'=', (text.len() + ext.len() + 1) as i64);
        self.buf.extend_from_slice(ext.as_bytes());
        self.buf.push(b':');
        self.buf.extend_from_slice(text);
        self.crlf();
    }

    /// A reply that is there already, as bytes.
    pub fn made(&mut self, bytes: &[u8]) {
        if let Some(error) = bytes.strip_prefix(b"-") {
            self.note_error(error);
        }
        self.raw(bytes);
    }

    /// Bytes that are a reply (or several) already.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Marks where the header of an aggregate goes whose length is known only after its elements
    /// were written; a `close_*` method puts it there.
    pub fn defer(&self) -> Deferred {
        Deferred(self.buf.len())
    }

    /// Makes what was written since `mark` an array of `n` elements.
    pub fn close_array(&mut self, mark: Deferred, n: usize) {
        self.close(mark, |reply| reply.array(n));
    }

    /// Makes what was written since `mark` a map of `n` pairs.
    pub fn close_map(&mut self, mark: Deferred, n: usize) {
        self.close(mark, |reply| reply.map(n));
    }

    /// Makes what was written since `mark` a set of `n` members.
    pub fn close_set(&mut self, mark: Deferred, n: usize) {
        self.close(mark, |reply| reply.set(n));
    }

    /// Writes the header at the end, then rotates it to its place.
    fn close(&mut self, mark: Deferred, header: impl FnOnce(&mut Self)) {
        let end = self.buf.len();
        header(self);
        let header_len = self.buf.len() - end;
        self.buf[mark.0..].rotate_right(header_len);
    }

    /// A line of bytes whose line breaks become spaces.
    fn cleaned(&mut self, kind: u8, text: &[u8]) {
        self.buf.push(kind);
        let clean = |b: &u8| if matches!(b, b'\r' | b'\n') { b' ' } else { *b };
        self.buf.extend(text.iter().map(clean));
        self.crlf();
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.buf.push(kind);
        self.buf.extend_from_slice(text);
        self.crlf();
    }

    #[inline]
    fn number(&mut self, kind: u8, n: i64) {
        let digit = |n: i64| b'0' + (n % 10) as u8;
        // Most lengths are short.
        match n {
            0..10 => self.buf.extend([kind, digit(n), b'\r', b'\n']),
            10..100 => self
                .buf
                .extend([kind, digit(n / 10), digit(n), b'\r', b'\n']),
            _ => self.line(kind, itoa::Buffer::new().format(n).as_bytes()),
        }
    }

    fn crlf(&mut self) {
        self.buf.extend_from_slice(b"\r\n");
    }
}

/// `text` without the line breaks at its end.
pub fn without_breaks(text: &[u8]) -> &[u8] {
    let is_break = |b: &u8| matches!(b, b'\r' | b'\n');
    let end = text.iter().rposition(|b| !is_break(b));
    &text[..end.map_or(0, |at| at + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(proto: Proto, write: impl FnOnce(&mut Reply)) -> String {
        let mut reply = Reply::new(proto);
        write(&mut reply);
        String::from_utf8(reply.take()).unwrap()
    }

    #[test]
    fn types_that_resp2_lacks_are_mapped_as_redis_maps_them() {
        type Case = (fn(&mut Reply), &'static str, &'static str);
        let cases: &[Case] = &[
            (|r| r.null(), "$-1\r\n", "_\r\n"),
            (|r| r.null_array(), "*-1\r\n", "_\r\n"),
            (|r| r.map(2), "*4\r\n", "%2\r\n"),
            (|r| r.set(3), "*3\r\n", "~3\r\n"),
            (|r| r.push(2), "*2\r\n", ">2\r\n"),
            (|r| r.bool(true), ":1\r\n", "#t\r\n"),
            (|r| r.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (|r| r.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n"),
            (
                |r| r.verbatim("txt", b"ab"),
                "$2\r\nab\r\n",
                "=6\r\ntxt:ab\r\n",
            ),
            (|r| r.int(-7), ":-7\r\n", ":-7\r\n"),
            (|r| r.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n"),
        ];
        for (write, two, three) in cases {
            assert_eq!(written(Proto::Resp2, write), *two);
            assert_eq!(written(Proto::Resp3, write), *three);
        }
    }

    #[test]
    fn an_error_never_spans_lines() {
        let text = written(Proto::Resp2, |r| r.error("ERR a\r\nb"));
        assert_eq!(text, "-ERR a  b\r\n");
    }

    #[test]
    fn a_deferred_header_lands_before_its_elements() {
        let text = written(Proto::Resp2, |r| {
            r.ok();
            let mark = r.defer();
            (0..12).for_each(|i| r.int(i));
            r.close_array(mark, 12);
        });
        assert!(text.starts_with("+OK\r\n*12\r\n:0\r\n:1\r\n:2\r\n"));
        assert!(text.ends_with(":11\r\n"));
    }
}
