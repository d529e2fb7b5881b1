//! Strings as arrays of bits; bit 0 is the highest of the first byte.

use super::{check_len, clamped};
use crate::command::args::{integer, is};
use crate::command::{CmdError, Cx, events};
use crate::store::{Entry, Object, entry};

fn bit_offset(arg: &[u8]) -> Result<usize, CmdError> {
    const WRONG: CmdError = CmdError::text("ERR bit offset is not an integer or out of range");
    let offset = integer(arg).map_err(|_| WRONG)?;
    let offset = usize::try_from(offset).map_err(|_| WRONG)?;
    check_len(Some(offset / 8 + 1)).map_err(|_| WRONG)?;
    Ok(offset)
}

pub(super) fn getbit(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let offset = bit_offset(args[2])?;
    let value = cx.db.string(args[1])?.unwrap_or_default();
    let byte = value.get(offset / 8).copied().unwrap_or(0);
    cx.out.int(i64::from(byte >> (7 - offset % 8) & 1));
    Ok(())
}

pub(super) fn setbit(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let offset = bit_offset(args[2])?;
    let on = match integer(args[3]) {
        Ok(bit @ 0..=1) => bit as u8,
        _ => {
            return Err(CmdError::text("ERR bit is not an integer or out of range"));
        }
    };
    let old_value = cx.db.string(args[1])?;
    let old_len = old_value.map_or(0, <[u8]>::len);
    let (index, shift) = (offset / 8, 7 - offset % 8);
    let value = cx.db.resize_string(args[1], old_len.max(index + 1))?;
    let (grown, byte) = (value.len() > old_len, &mut value[index]);
    let old = *byte >> shift & 1;
    *byte = *byte & !(1 << shift) | on << shift;
    // Replicas need not hear of what changed nothing.
    if grown || old != on {
        cx.dirty();
        cx.notify(events::STRING, "setbit", args[1]);
    }
    cx.out.int(i64::from(old));
    Ok(())
}

/// Part of a string in bits: those from `first` up to but not including `end`.
struct Bits<'a> {
    value: &'a [u8],
    first: usize,
    end: usize,
}

impl Bits<'_> {
    /// Its bytes, with the bits outside of it as `outside` says, and the index of the first bit of them.
    fn bytes(&self, outside: bool) -> (impl Iterator<Item = u8>, usize) {
        let (from, to) = (self.first / 8, self.end.div_ceil(8));
        let head = !(0xffu8 >> (self.first % 8));
        let tail = match self.end % 8 {
            0 => 0,
            bits => 0xff >> bits,
        };
        let last = (to - from).saturating_sub(1);
        let bytes = self.value[from..to]
            .iter()
            .enumerate()
            .map(move |(i, &byte)| {
                let mask = if i == 0 { head } else { 0 } | if i == last { tail } else { 0 };
                if outside { byte | mask } else { byte & !mask }
            });
        (bytes, from * 8)
    }
}

/// The part that `start end [BYTE|BIT]` mean; `None` if there is nothing in it.
fn part<'a>(value: &'a [u8], start: i64, end: i64, bits: bool) -> Option<Bits<'a>> {
    let len = if bits { value.len() * 8 } else { value.len() };
    let unit = if bits { 1 } else { 8 };
    let part = clamped(start, end, len)?;
    Some(Bits {
        value,
        first: part.start * unit,
        end: part.end * unit,
    })
}

/// Whether a trailing `BYTE` or `BIT` says bits.
fn in_bits(arg: Option<&&[u8]>) -> Result<bool, CmdError> {
    match arg {
        None => Ok(false),
        Some(arg) if is(arg, "bit") => Ok(true),
        Some(arg) if is(arg, "byte") => Ok(false),
        Some(_) => Err(CmdError::Syntax),
    }
}

pub(super) fn bitcount(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let Some(value) = cx.db.string(args[1])? else {
        cx.out.int(0);
        return Ok(());
    };
    let (start, end) = match args.len() {
        2 => (0, -1),
        4 | 5 => (integer(args[2])?, integer(args[3])?),
        _ => return Err(CmdError::Syntax),
    };
    if end < start && start < 0 {
        // Redis does not look at the unit then.
        cx.out.int(0);
        return Ok(());
    }
    let bits = in_bits(args.get(4))?;
    let part = part(value, start, end, bits);
    let count = part.map_or(0, |part| {
        part.bytes(false).0.map(|b| i64::from(b.count_ones())).sum()
    });
    cx.out.int(count);
    Ok(())
}

pub(super) fn bitpos(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let wanted = match integer(args[2])? {
        0 => false,
        1 => true,
        _ => return Err(CmdError::text("ERR The bit argument must be 1 or 0.")),
    };
    let Some(value) = cx.db.string(args[1])? else {
        cx.out.int(if wanted { -1 } else { 0 });
        return Ok(());
    };
    if args.len() > 6 {
        return Err(CmdError::Syntax);
    }
    let start = args.get(3).map_or(Ok(0), |arg| integer(arg))?;
    let bits = in_bits(args.get(5))?;
    let end = args.get(4).map_or(Ok(-1), |arg| integer(arg))?;
    let found = part(value, start, end, bits).and_then(|part| {
        let (bytes, first) = part.bytes(!wanted);
        let none = if wanted { 0 } else { 0xff };
        let (index, byte) = bytes.enumerate().find(|(_, b)| *b != none)?;
        let bit = if wanted { byte } else { !byte }.leading_zeros();
        Some(first + index * 8 + bit as usize)
    });
    let answer = match found {
        Some(at) => at as i64,
        // Beyond the end there are zeros, unless the client said where to stop.
        None if !wanted && args.len() <= 4 && part(value, start, end, bits).is_some() => {
            value.len() as i64 * 8
        }
        None => -1,
    };
    cx.out.int(answer);
    Ok(())
}

pub(super) fn bitop(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    type Op = fn(u8, u8) -> u8;
    let (destination, sources) = (args[2], &args[3..]);
    let op: Option<Op> = match args[1] {
        op if is(op, "and") => Some(|a, b| a & b),
        op if is(op, "or") => Some(|a, b| a | b),
        op if is(op, "xor") => Some(|a, b| a ^ b),
        op if is(op, "not") => None,
        _ => return Err(CmdError::Syntax),
    };
    if op.is_none() && sources.len() != 1 {
        return Err(CmdError::text(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    let mut result: Option<Vec<u8>> = None;
    for source in sources {
        let value = cx.db.string(source)?.unwrap_or_default();
        let Some(result) = &mut result else {
            result = Some(value.to_vec());
            continue;
        };
        let len = result.len().max(value.len());
        result.resize(len, 0);
        if let Some(op) = op {
            for (i, byte) in result.iter_mut().enumerate() {
                *byte = op(*byte, value.get(i).copied().unwrap_or(0));
            }
        }
    }
    let mut result = result.unwrap_or_default();
    if op.is_none() {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let len = result.len();
    if len > 0 {
        let mut new = Entry::object(destination, Object::Str(result), None);
        new.mark(entry::EDITED);
        cx.db.put_entry(new);
        cx.dirty();
        cx.notify(events::STRING, "set", destination);
    } else if cx.db.remove(destination) {
        cx.dirty();
        cx.notify(events::GENERIC, "del", destination);
    }
    cx.out.int(len as i64);
    Ok(())
}
