//! Looking at how much a key takes.

use super::{CmdError, Cx};
use crate::store::ValueRef;
use crate::store::num::parse_i64;

/// Bytes of an entry beyond its key and value: its header, and its slot in the table with what is free around it.
const OVERHEAD: usize = 32;

/// MEMORY USAGE. Collections know what they take, so nothing is sampled.
pub(super) fn memory_usage(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    match args[3..] {
        [] => {}
        [option, count] if option.eq_ignore_ascii_case(b"samples") => match parse_i64(count) {
            None => return Err(CmdError::NotInteger),
            Some(..0) => return Err(CmdError::Syntax),
            Some(_) => {}
        },
        _ => return Err(CmdError::Syntax),
    }
    let Some(entry) = cx.db.peek(args[2]) else {
        cx.out.null();
        return Ok(());
    };
    let value = match entry.value() {
        ValueRef::Str(value) => value.len(),
        ValueRef::List(list) => list.memory_usage(),
        ValueRef::Hash(hash) => hash.memory_usage(),
        ValueRef::Set(set) => set.memory_usage(),
        ValueRef::Zset(zset) => zset.memory_usage(),
        ValueRef::Stream(stream) => stream.memory_usage(),
    };
    cx.out.int((OVERHEAD + entry.key().len() + value) as i64);
    Ok(())
}
