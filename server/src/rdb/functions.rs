//! Libraries of functions as a string: what FUNCTION DUMP gives and FUNCTION RESTORE takes.

use super::dump::{open, sealed};
use super::format::{WRITTEN, op};
use super::source::Source;
use super::write::{Options, Writer};
use crate::store::libraries::Libraries;

/// The string that `libraries` are restored from.
pub fn dump(libraries: &Libraries) -> Vec<u8> {
    let mut writer = Writer::new(Options {
        checksum: false,
        ..Options::default()
    });
    for library in libraries.iter() {
        writer.library(&library.code);
    }
    sealed(writer.take(), WRITTEN)
}

/// The sources in `bytes`.
///
/// # Errors
/// The error reply.
pub fn restore(bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let (_, body) = open(bytes).ok_or("ERR DUMP payload version or checksum are wrong")?;
    // No string in it is longer than it could be when compressed; it has arrived already.
    let mut source = Source::new(body, false, u64::MAX);
    let (mut all, mut scratch) = (Vec::new(), Vec::new());
    const FAILED: &str = "ERR failed loading functions payload";
    while source.offset() < body.len() as u64 {
        if source.byte().map_err(|_| FAILED)? != op::FUNCTION2 {
            return Err("ERR given type is not a function");
        }
        let text = source.string(&mut scratch).map_err(|_| FAILED)?;
        all.push(text.as_slice().to_vec());
    }
    Ok(all)
}
