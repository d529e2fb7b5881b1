//! How a word survives on a line, and the sum over lines.

use alloc::string::String;
use core::fmt::{self, Write};

/// Writes what would end a word or a line as `%` and two digits.
pub(super) struct Escape<'a>(pub(super) &'a mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Nearly every word: two a batch of a stream.
        if text.bytes().all(|b| b > b' ' && b != b'%' && b != 0x7f) {
            self.0.push_str(text);
            return Ok(());
        }
        for c in text.chars() {
            if c <= ' ' || c == '%' || c == '\x7f' {
                write!(self.0, "%{:02x}", u32::from(c))?;
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}

/// FNV-1a over everything so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum(pub(super) u32);

impl Sum {
    pub(super) fn new() -> Self {
        Self(0x811c_9dc5)
    }

    pub(super) fn add(&mut self, line: &str) {
        for byte in line.bytes().chain([b'\n']) {
            self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
}

/// The text that [`Escape`] wrote as `word`.
pub(super) fn unescape(word: &str) -> Option<String> {
    let mut text = String::new();
    let mut parts = word.split('%');
    text.push_str(parts.next()?);
    for part in parts {
        if part.is_empty() && word == "%" {
            break;
        }
        let code = u32::from_str_radix(part.get(..2)?, 16).ok()?;
        text.push(char::from_u32(code)?);
        text.push_str(part.get(2..)?);
    }
    Some(text)
}
