//! The sparse form: runs of registers.

use super::Corrupt;

/// The longest runs that one byte can say, and the largest value.
const ZEROS: usize = 64;
const VALUES: usize = 4;
const MAX_VALUE: u8 = 32;

/// Registers of the same value, as one opcode says them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The value.
    pub value: u8,
    /// How many.
    pub len: usize,
    /// Bytes of the opcode.
    pub bytes: usize,
}

/// What [`raise`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: the register is as high already.
    None,
    /// It raised the register.
    Done,
    /// Nothing: the sparse form cannot hold it.
    TooMuch,
}

/// The run that `opcodes` begin with; `None` at their end or if the last one is cut off.
fn first_run(opcodes: &[u8]) -> Option<Run> {
    let byte = *opcodes.first()?;
    let low = usize::from(byte & 0x3f);
    Some(match byte >> 6 {
        0 => Run {
            value: 0,
            len: low + 1,
            bytes: 1,
        },
        1 => Run {
            value: 0,
            len: (low << 8 | usize::from(*opcodes.get(1)?)) + 1,
            bytes: 2,
        },
        _ => Run {
            value: (byte >> 2 & 0x1f) + 1,
            len: usize::from(byte & 3) + 1,
            bytes: 1,
        },
    })
}

/// The runs that `opcodes` say, up to an error if they are cut off.
pub fn runs(mut opcodes: &[u8]) -> impl Iterator<Item = Result<Run, Corrupt>> {
    std::iter::from_fn(move || {
        if opcodes.is_empty() {
            return None;
        }
        let run = first_run(opcodes).ok_or(Corrupt);
        opcodes = run.map_or(&[][..], |run| &opcodes[run.bytes..]);
        Some(run)
    })
}

/// The opcode of a run of zeros, at least one and at most all registers.
pub fn zeros(len: usize) -> impl Iterator<Item = u8> {
    let long = len - 1;
    let (first, second) = match len > ZEROS {
        true => (0x40 | (long >> 8) as u8, Some(long as u8)),
        false => (long as u8, None),
    };
    std::iter::once(first).chain(second)
}

/// The opcode of a run of `value`.
fn values(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// Raises register `index` to `value` in the opcodes from byte `start` of `text` on, which grow to `max_bytes` bytes, the
/// start counted, at most. Splits and joins runs as Redis does.
///
/// # Errors
/// The opcodes say nothing about the register; nothing was changed.
pub fn raise(
    text: &mut Vec<u8>,
    start: usize,
    index: usize,
    value: u8,
    max_bytes: usize,
) -> Result<Change, Corrupt> {
    if value > MAX_VALUE {
        return Ok(Change::TooMuch);
    }
    let (mut at, mut previous, mut first) = (start, start, 0);
    let run = loop {
        let run = first_run(&text[at..]).ok_or(Corrupt)?;
        if index < first + run.len {
            break run;
        }
        previous = at;
        at += run.bytes;
        first += run.len;
    };
    if run.value >= value {
        return Ok(Change::None);
    }
    let (before, after) = (index - first, first + run.len - 1 - index);
    let mut sequence: Vec<u8> = Vec::with_capacity(5);
    let side = |len: usize, sequence: &mut Vec<u8>| match (len, run.value) {
        (0, _) => {}
        (_, 0) => sequence.extend(zeros(len)),
        (_, old) => sequence.push(values(old, len)),
    };
    side(before, &mut sequence);
    sequence.push(values(value, 1));
    side(after, &mut sequence);
    let grows = sequence.len() > run.bytes;
    if grows && text.len() + sequence.len() - run.bytes > max_bytes {
        return Ok(Change::TooMuch);
    }
    text.splice(at..at + run.bytes, sequence);
    join(text, previous);
    Ok(Change::Done)
}

/// Joins runs of equal values among the five opcodes from byte `at` on.
fn join(text: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = first_run(&text[at..]) else {
            return;
        };
        let next = first_run(&text[at + run.bytes..]);
        match next {
            Some(next)
                if run.value != 0 && next.value == run.value && run.len + next.len <= VALUES =>
            {
                text[at] = values(run.value, run.len + next.len);
                text.remove(at + 1);
            }
            _ => at += run.bytes,
        }
    }
}
