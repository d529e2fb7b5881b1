//! XLEN, XRANGE, XREVRANGE: entries by their IDs.

use super::{end_id, put_records, start_id};
use crate::command::args::{integer, is};
use crate::command::{CmdError, Cx};

type Done = Result<(), CmdError>;

pub(super) fn xlen(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let len = cx.db.stream(args[1])?.map_or(0, |s| s.len());
    cx.out.int(len as i64);
    Ok(())
}

pub(super) fn xrange(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    range(cx, args, args[2], args[3], false)
}

pub(super) fn xrevrange(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    range(cx, args, args[3], args[2], true)
}

fn range(cx: &mut Cx<'_>, args: &[&[u8]], start: &[u8], end: &[u8], backwards: bool) -> Done {
    let (start, end) = (start_id(start)?, end_id(end)?);
    let mut count = usize::MAX;
    let (options, rest) = args[4..].as_chunks::<2>();
    for [word, value] in options {
        if !is(word, "count") {
            return Err(CmdError::Syntax);
        }
        count = usize::try_from(integer(value)?).unwrap_or(0);
    }
    if !rest.is_empty() {
        return Err(CmdError::Syntax);
    }
    match cx.db.stream(args[1])? {
        None => cx.out.array(0),
        Some(_) if count == 0 => cx.out.null_array(),
        Some(_) if start > end => cx.out.array(0),
        Some(stream) => match backwards {
            false => put_records(cx.out, stream.range(start, end).take(count)),
            true => put_records(cx.out, stream.range_back(start, end).take(count)),
        },
    }
    Ok(())
}
