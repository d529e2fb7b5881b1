//! BITFIELD: integers of any width at any bit of a string.

use super::max_len;
use crate::command::args::{integer, is};
use crate::command::{CmdError, Cx, events};
use crate::store::num::parse_i64;

/// What becomes of a result that is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    /// Its lowest bits stay.
    Wrap,
    /// The nearest integer in range takes its place.
    Saturate,
    /// Nothing is written.
    Fail,
}

/// The type of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Width {
    signed: bool,
    bits: u32,
}

impl Width {
    fn parse(arg: &[u8]) -> Result<Width, CmdError> {
        const WRONG: CmdError = CmdError::text(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (signed, bits) = match arg {
            [b'i', bits @ ..] => (true, bits),
            [b'u', bits @ ..] => (false, bits),
            _ => return Err(WRONG),
        };
        let most = if signed { 64 } else { 63 };
        let bits = parse_i64(bits).filter(|bits| (1..=most).contains(bits));
        let bits = bits.ok_or(WRONG)? as u32;
        Ok(Width { signed, bits })
    }

    /// The least and the greatest integer.
    fn range(self) -> (i128, i128) {
        match self.signed {
            true => (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1),
            false => (0, (1 << self.bits) - 1),
        }
    }

    /// The integer that the lowest bits of `value` are.
    fn truncate(self, value: u64) -> i128 {
        let unused = 64 - self.bits;
        match self.signed {
            true => i128::from((value << unused).cast_signed() >> unused),
            false => i128::from(value << unused >> unused),
        }
    }

    /// `value`, or what takes its place; `None`: nothing does.
    fn fit(self, value: i128, overflow: Overflow) -> Option<i128> {
        let (min, max) = self.range();
        match overflow {
            _ if (min..=max).contains(&value) => Some(value),
            Overflow::Wrap => Some(self.truncate(value as u64)),
            Overflow::Saturate => Some(value.clamp(min, max)),
            Overflow::Fail => None,
        }
    }

    /// Where `arg` says the integer begins: a bit, or behind so many integers of this type. It is in the first `max` bytes.
    fn offset(self, arg: &[u8], max: usize) -> Result<usize, CmdError> {
        const WRONG: CmdError = CmdError::text("ERR bit offset is not an integer or out of range");
        let (number, unit) = match arg {
            [b'#', number @ ..] => (number, i64::from(self.bits)),
            number => (number, 1),
        };
        parse_i64(number)
            .and_then(|n| n.checked_mul(unit))
            .and_then(|offset| usize::try_from(offset).ok())
            .filter(|offset| offset / 8 < max)
            .ok_or(WRONG)
    }

    /// The integer at bit `offset`; beyond the end there are zeros.
    fn read(self, text: &[u8], offset: usize) -> i128 {
        let mut value = 0;
        for bit in offset..offset + self.bits as usize {
            let byte = text.get(bit / 8).copied().unwrap_or(0);
            value = value << 1 | u64::from(byte >> (7 - bit % 8) & 1);
        }
        self.truncate(value)
    }

    /// Writes an integer at bit `offset`.
    fn write(self, text: &mut [u8], offset: usize, value: i128) {
        for (i, bit) in (offset..offset + self.bits as usize).enumerate() {
            let on = (value >> (self.bits as usize - 1 - i) & 1) as u8;
            if let Some(byte) = text.get_mut(bit / 8) {
                let shift = 7 - bit % 8;
                *byte = *byte & !(1 << shift) | on << shift;
            }
        }
    }
}

/// What is done with one integer.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Get,
    Set(i64),
    Add(i64),
}

struct Step {
    operation: Operation,
    width: Width,
    offset: usize,
    overflow: Overflow,
}

fn parse(args: &[&[u8]], max: usize) -> Result<Vec<Step>, CmdError> {
    let (mut steps, mut overflow) = (Vec::new(), Overflow::Wrap);
    let mut rest = args;
    while let [word, tail @ ..] = rest {
        let (parts, value) = match tail {
            [how, tail @ ..] if is(word, "overflow") => {
                overflow = match *how {
                    w if is(w, "wrap") => Overflow::Wrap,
                    w if is(w, "sat") => Overflow::Saturate,
                    w if is(w, "fail") => Overflow::Fail,
                    _ => return Err(CmdError::text("ERR Invalid OVERFLOW type specified")),
                };
                rest = tail;
                continue;
            }
            [_, _, ..] if is(word, "get") => (2, None),
            [_, _, value, ..] if is(word, "set") || is(word, "incrby") => (3, Some(value)),
            _ => return Err(CmdError::Syntax),
        };
        let width = Width::parse(tail[0])?;
        let offset = width.offset(tail[1], max)?;
        let operation = match value {
            None => Operation::Get,
            Some(value) if is(word, "set") => Operation::Set(integer(value)?),
            Some(value) => Operation::Add(integer(value)?),
        };
        steps.push(Step {
            operation,
            width,
            offset,
            overflow,
        });
        rest = &tail[parts..];
    }
    Ok(steps)
}

pub(super) fn bitfield(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let steps = parse(&args[2..], max_len(cx))?;
    run(cx, args, &steps)
}

pub(super) fn bitfield_ro(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let steps = parse(&args[2..], max_len(cx))?;
    match steps.iter().all(|s| matches!(s.operation, Operation::Get)) {
        true => run(cx, args, &steps),
        false => Err(CmdError::text(
            "ERR BITFIELD_RO only supports the GET subcommand",
        )),
    }
}

fn run(cx: &mut Cx<'_>, args: &[&[u8]], steps: &[Step]) -> Result<(), CmdError> {
    let old = cx.db.string(args[1])?;
    let writes = steps
        .iter()
        .filter(|s| !matches!(s.operation, Operation::Get));
    let needed = writes
        .map(|s| (s.offset + s.width.bits as usize - 1) / 8 + 1)
        .max();
    let Some(needed) = needed else {
        let text = old.unwrap_or_default();
        cx.out.array(steps.len());
        for step in steps {
            cx.out.int(step.width.read(text, step.offset) as i64);
        }
        return Ok(());
    };
    let old_len = old.map_or(0, <[u8]>::len);
    let text = cx.db.resize_string(args[1], old_len.max(needed))?;
    // A string that has grown has changed, whatever was written.
    let mut changed = needed > old_len;
    cx.out.array(steps.len());
    for step in steps {
        let (width, offset) = (step.width, step.offset);
        let before = width.read(text, offset);
        let wanted = match step.operation {
            Operation::Get => {
                cx.out.int(before as i64);
                continue;
            }
            // An unsigned integer's new value is read as an unsigned one.
            Operation::Set(value) if !width.signed => i128::from(value.cast_unsigned()),
            Operation::Set(value) => i128::from(value),
            Operation::Add(value) => before + i128::from(value),
        };
        let Some(after) = width.fit(wanted, step.overflow) else {
            cx.out.null();
            continue;
        };
        width.write(text, offset, after);
        changed |= after != before;
        cx.out.int(match step.operation {
            Operation::Add(_) => after as i64,
            _ => before as i64,
        });
    }
    if changed {
        cx.dirty();
        cx.notify(events::STRING, "setbit", args[1]);
    }
    Ok(())
}
