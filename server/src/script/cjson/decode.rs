//! JSON as values of Lua.

use super::{Config, DEPTH_MAX};
use mlua::{Lua, Value};

/// The value of `text`; the inner error is in the library's words.
pub(super) fn decode(
    lua: &Lua,
    text: &[u8],
    config: &Config,
) -> mlua::Result<Result<Value, String>> {
    // Text of two or four bytes a character begins with a zero in one of the first two.
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        let why = "JSON parser does not support UTF-16 or UTF-32";
        return Ok(Err(why.to_owned()));
    }
    let mut parser = Parser {
        lua,
        text,
        at: 0,
        config,
        depth: 0,
    };
    let whole = |parser: &mut Parser<'_>| {
        let token = parser.next();
        let value = parser.value(token)?;
        match parser.next() {
            (Token::End, _) => Ok(value),
            (token, at) => Err(Fault::Text(expected("the end", &token, at))),
        }
    };
    match whole(&mut parser) {
        Ok(value) => Ok(Ok(value)),
        Err(Fault::Text(text)) => Ok(Err(text)),
        Err(Fault::Lua(error)) => Err(error),
    }
}

enum Fault {
    Text(String),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Fault {
        Fault::Lua(error)
    }
}

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(why) => why,
        }
    }
}

/// `Expected what but found token at character at`.
fn expected(what: &str, token: &Token, at: usize) -> String {
    format!(
        "Expected {what} but found {} at character {}",
        token.name(),
        at + 1
    )
}

struct Parser<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    config: &'a Config,
    depth: i64,
}

impl Parser<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// The next token, and where it begins.
    fn next(&mut self) -> (Token, usize) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let at = self.at;
        if at >= self.text.len() {
            return (Token::End, at);
        }
        let single = match self.text[at] {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' | b'+' | b'i' | b'I' | b'N' => return (self.number(), at),
            b'n' if !self.text[at..].starts_with(b"null") => return (self.number(), at),
            _ => {
                let words: [(&[u8], Token); 3] = [
                    (b"true", Token::Boolean(true)),
                    (b"false", Token::Boolean(false)),
                    (b"null", Token::Null),
                ];
                for (word, token) in words {
                    if self.text[at..].starts_with(word) {
                        self.at += word.len();
                        return (token, at);
                    }
                }
                return (Token::Error("invalid token"), at);
            }
        };
        self.at += 1;
        (single, at)
    }

    fn number(&mut self) -> Token {
        let rest = &self.text[self.at..];
        let invalid = is_invalid_number(rest);
        if invalid && !self.config.decode_invalid {
            return Token::Error("invalid number");
        }
        match strtod(rest) {
            Some((n, len)) => {
                self.at += len;
                Token::Number(n)
            }
            None if matches!(rest[0], b'-' | b'+' | b'0'..=b'9') => Token::Error("invalid number"),
            None => Token::Error("invalid token"),
        }
    }

    fn string(&mut self) -> (Token, usize) {
        let start = self.at;
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let byte = self.peek();
            match byte {
                _ if self.at >= self.text.len() => {
                    return (Token::Error("unexpected end of string"), self.at);
                }
                b'"' => break,
                b'\\' => {
                    let escaped = self.text.get(self.at + 1).copied().unwrap_or(0);
                    let plain = match escaped {
                        b'"' | b'\\' | b'/' => escaped,
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        b'u' => {
                            let Some(len) = unicode(&self.text[self.at..], &mut out) else {
                                return (Token::Error("invalid unicode escape code"), self.at);
                            };
                            self.at += len;
                            continue;
                        }
                        _ => return (Token::Error("invalid escape code"), self.at),
                    };
                    out.push(plain);
                    self.at += 2;
                }
                _ => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        (Token::String(out), start)
    }

    fn value(&mut self, (token, at): (Token, usize)) -> Result<Value, Fault> {
        Ok(match token {
            Token::String(text) => Value::String(self.lua.create_string(text)?),
            Token::Number(n) => Value::Number(n),
            Token::Boolean(b) => Value::Boolean(b),
            Token::Null => Value::NULL,
            Token::ObjectBegin => self.object(at)?,
            Token::ArrayBegin => self.array(at)?,
            other => return Err(Fault::Text(expected("value", &other, at))),
        })
    }

    fn descend(&mut self, at: usize) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth <= self.config.decode_depth.min(DEPTH_MAX) {
            return Ok(());
        }
        Err(Fault::Text(format!(
            "Found too many nested data structures ({}) at character {}",
            self.depth,
            at + 1
        )))
    }

    fn object(&mut self, at: usize) -> Result<Value, Fault> {
        self.descend(at)?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if !matches!(token.0, Token::ObjectEnd) {
            loop {
                let (Token::String(key), _) = token else {
                    let text = expected("object key string", &token.0, token.1);
                    return Err(Fault::Text(text));
                };
                match self.next() {
                    (Token::Colon, _) => {}
                    (other, at) => return Err(Fault::Text(expected("colon", &other, at))),
                }
                let next = self.next();
                let value = self.value(next)?;
                table.raw_set(self.lua.create_string(key)?, value)?;
                match self.next() {
                    (Token::ObjectEnd, _) => break,
                    (Token::Comma, _) => token = self.next(),
                    (other, at) => {
                        return Err(Fault::Text(expected("comma or object end", &other, at)));
                    }
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn array(&mut self, at: usize) -> Result<Value, Fault> {
        self.descend(at)?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if !matches!(token.0, Token::ArrayEnd) {
            for i in 1.. {
                let value = self.value(token)?;
                table.raw_set(i, value)?;
                match self.next() {
                    (Token::ArrayEnd, _) => break,
                    (Token::Comma, _) => token = self.next(),
                    (other, at) => {
                        return Err(Fault::Text(expected("comma or array end", &other, at)));
                    }
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }
}

/// Numbers that C reads and JSON does not have: infinities, hexadecimal, leading zeros and signs.
fn is_invalid_number(text: &[u8]) -> bool {
    if text[0] == b'+' {
        return true;
    }
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0', b'x' | b'X', ..] | [b'0', b'0'..=b'9', ..] => true,
        [b'0'..=b'9', ..] => false,
        _ => {
            let word = digits.get(..3).unwrap_or_default();
            word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
        }
    }
}

/// The number at the start of `text` as C's `strtod` reads it, and its length.
fn strtod(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let negative = text.first() == Some(&b'-');
    let signed = |n: f64| if negative { -n } else { n };
    let rest = &text[sign..];
    let begins = |word: &[u8]| {
        let start = rest.get(..word.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    if begins(b"infinity") {
        return Some((signed(f64::INFINITY), sign + 8));
    }
    if begins(b"inf") {
        return Some((signed(f64::INFINITY), sign + 3));
    }
    if begins(b"nan") {
        return Some((signed(f64::NAN), sign + 3));
    }
    if begins(b"0x") {
        let digits = rest[2..]
            .iter()
            .take_while(|b| b.is_ascii_hexdigit())
            .count();
        if digits > 0 {
            let value = rest[2..2 + digits].iter().fold(0.0, |n, b| {
                n * 16.0 + f64::from(char::from(*b).to_digit(16).unwrap_or_default())
            });
            return Some((signed(value), sign + 2 + digits));
        }
    }
    let count = |from: usize| {
        rest[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let whole = count(0);
    let mut len = whole;
    if rest.get(len) == Some(&b'.') {
        let decimals = count(len + 1);
        if whole + decimals == 0 {
            return None;
        }
        len += 1 + decimals;
    }
    if len == 0 {
        return None;
    }
    if matches!(rest.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
        let digits = count((len + 1 + sign).min(rest.len()));
        if digits > 0 {
            len += 1 + sign + digits;
        }
    }
    let value: f64 = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
    Some((signed(value), sign + len))
}

/// Adds the character of the escape at the start of `text` in UTF-8; the escape's length.
fn unicode(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let unit = |at: usize| {
        let digits = std::str::from_utf8(text.get(at..at + 4)?).ok()?;
        let all = digits.bytes().all(|b| b.is_ascii_hexdigit());
        all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    };
    let first = unit(2)?;
    let (code, len) = match first {
        0xdc00..=0xdfff => return None,
        0xd800..=0xdbff => {
            if text.get(6..8) != Some(b"\\u") {
                return None;
            }
            let second = unit(8).filter(|unit| (0xdc00..=0xdfff).contains(unit))?;
            (0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff), 12)
        }
        _ => (first, 6),
    };
    let text = char::from_u32(code)?;
    out.extend_from_slice(text.encode_utf8(&mut [0; 4]).as_bytes());
    Some(len)
}
