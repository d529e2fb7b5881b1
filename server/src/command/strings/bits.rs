//! Strings as arrays of bits; bit 0 is the highest of the first byte.

use super::{check_len, clamped};
use crate::command::args::{integer, is};
use crate::command::{CmdError, Cx, Origin, events};
use crate::store::{Entry, Object, entry};

fn bit_offset(cx: &Cx<'_>, arg: &[u8]) -> Result<usize, CmdError> {
    const WRONG: CmdError = CmdError::text("ERR bit offset is not an integer or out of range");
    let offset = integer(arg).map_err(|_| WRONG)?;
    let offset = usize::try_from(offset).map_err(|_| WRONG)?;
    check_len(cx, Some(offset / 8 + 1)).map_err(|_| WRONG)?;
    Ok(offset)
}

pub(super) fn getbit(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let offset = bit_offset(cx, args[2])?;
    let value = cx.db.string(args[1])?.unwrap_or_default();
    let byte = value.get(offset / 8).copied().unwrap_or(0);
    cx.out.int(i64::from(byte >> (7 - offset % 8) & 1));
    Ok(())
}

pub(super) fn setbit(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let offset = bit_offset(cx, args[2])?;
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

impl<'a> Bits<'a> {
    /// Its bytes, at least one, and masks of the bits of the first and of the last that are not of it.
    fn bytes(&self) -> (&'a [u8], u8, u8) {
        let head = !(0xff >> (self.first % 8));
        let tail = match self.end % 8 {
            0 => 0,
            bits => 0xff >> bits,
        };
        (
            &self.value[self.first / 8..self.end.div_ceil(8)],
            head,
            tail,
        )
    }

    /// How many bits are set.
    fn ones(&self) -> i64 {
        let (bytes, head, tail) = self.bytes();
        let (words, rest) = bytes.as_chunks();
        let words = words.iter().map(|word| u64::from_ne_bytes(*word));
        let inside: u64 = words.map(|word| u64::from(word.count_ones())).sum();
        let rest: u32 = rest.iter().map(|byte| byte.count_ones()).sum();
        let last = bytes[bytes.len() - 1];
        let outside = (bytes[0] & head).count_ones() + (last & tail).count_ones();
        inside as i64 + i64::from(rest) - i64::from(outside)
    }

    /// The first bit that is on, or off, counted from the beginning of the string.
    fn first(&self, on: bool) -> Option<usize> {
        let (bytes, head, tail) = self.bytes();
        let none = if on { 0 } else { 0xff };
        let last = bytes.len() - 1;
        let look = |at: usize| {
            let mask = if at == 0 { head } else { 0 } | if at == last { tail } else { 0 };
            let found = (bytes[at] ^ none) & !mask;
            (found != 0).then(|| self.first / 8 * 8 + at * 8 + found.leading_zeros() as usize)
        };
        // Most of what is looked through is passed a word at a time.
        let (words, _) = bytes[last.min(1)..].as_chunks::<8>();
        let passed = words.iter().take_while(|word| **word == [none; 8]).count();
        look(0).or_else(|| (last.min(1) + passed * 8..=last).find_map(look))
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
    cx.out.int(part.map_or(0, |part| part.ones()));
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
    let found = part(value, start, end, bits).and_then(|part| part.first(wanted));
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

/// Does `op` to the bytes of `to`, none fewer than `from` has, with those of `from` and zeros behind them.
#[inline]
fn each(to: &mut [u8], from: &[u8], op: impl Fn(&mut u8, u8)) {
    let (with, alone) = to.split_at_mut(from.len());
    // Two loops that the compiler makes of wide words.
    with.iter_mut().zip(from).for_each(|(a, b)| op(a, *b));
    alone.iter_mut().for_each(|a| op(a, 0));
}

/// What the bytes of one string do to those of another, which is as long or longer.
type Fold = fn(&mut [u8], &[u8]);

/// What BITOP makes of its sources.
enum Op {
    /// What each of them in turn does to the first.
    Each(Fold),
    /// The only one, inverted.
    Not,
    /// What the union of all others does to the first.
    Rest(Fold),
    /// The bits that are set in one of them and no more.
    One,
}

impl Op {
    /// Those of Redis 8.2 are for its masters' sake.
    fn named(name: &[u8], by_master: bool) -> Result<Op, CmdError> {
        Ok(match name {
            _ if is(name, "and") => Op::Each(|to, from| each(to, from, |a, b| *a &= b)),
            _ if is(name, "or") => Op::Each(unite),
            _ if is(name, "xor") => Op::Each(|to, from| each(to, from, |a, b| *a ^= b)),
            _ if is(name, "not") => Op::Not,
            _ if !by_master => return Err(CmdError::Syntax),
            _ if is(name, "diff") => Op::Rest(|to, from| each(to, from, |a, b| *a &= !b)),
            _ if is(name, "diff1") => Op::Rest(|to, from| each(to, from, |a, b| *a = !*a & b)),
            _ if is(name, "andor") => Op::Rest(|to, from| each(to, from, |a, b| *a &= b)),
            _ if is(name, "one") => Op::One,
            _ => return Err(CmdError::Syntax),
        })
    }

    /// The result, as long as the longest of `sources`.
    fn of(&self, sources: &[&[u8]]) -> Vec<u8> {
        let len = sources.iter().map(|source| source.len()).max();
        let len = len.unwrap_or_default();
        let folded = |sources: &[&[u8]], fold: Fold| {
            let mut sources = sources.iter();
            let mut result = sources.next().map_or_else(Vec::new, |first| first.to_vec());
            result.resize(len, 0);
            sources.for_each(|source| fold(&mut result, source));
            result
        };
        match self {
            Op::Each(fold) => folded(sources, *fold),
            Op::Not => folded(sources, unite).iter().map(|byte| !byte).collect(),
            Op::Rest(fold) => {
                let (first, rest) = sources.split_at(1.min(sources.len()));
                let mut result = folded(first, unite);
                fold(&mut result, &folded(rest, unite));
                result
            }
            Op::One => {
                let (mut any, mut more) = (vec![0; len], vec![0; len]);
                for source in sources {
                    for ((any, more), byte) in any.iter_mut().zip(&mut more).zip(*source) {
                        *more |= *any & byte;
                        *any |= byte;
                    }
                }
                each(&mut any, &more, |any, more| *any &= !more);
                any
            }
        }
    }
}

fn unite(to: &mut [u8], from: &[u8]) {
    each(to, from, |a, b| *a |= b);
}

pub(super) fn bitop(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (destination, sources) = (args[2], &args[3..]);
    let op = Op::named(args[1], cx.env.origin == Origin::Master)?;
    if matches!(op, Op::Not) && sources.len() != 1 {
        return Err(CmdError::text(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    let sources = sources
        .iter()
        .map(|source| Ok(cx.db.string(source)?.unwrap_or_default()))
        .collect::<Result<Vec<&[u8]>, CmdError>>()?;
    let result = op.of(&sources);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_say_what_bits_say(
            value in prop::collection::vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 1..40),
            at in any::<(usize, usize)>(),
        ) {
            let first = at.0 % (value.len() * 8);
            let end = first + 1 + at.1 % (value.len() * 8 - first);
            let part = Bits { value: &value, first, end };
            let bit = |at: usize| value[at / 8] >> (7 - at % 8) & 1 == 1;
            let ones = (first..end).filter(|at| bit(*at)).count();
            prop_assert_eq!(part.ones(), ones as i64);
            for on in [false, true] {
                prop_assert_eq!(part.first(on), (first..end).find(|at| bit(*at) == on));
            }
        }

        #[test]
        fn the_shorter_string_ends_in_zeros(
            from in prop::collection::vec(any::<u8>(), 0..40),
            more in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let to: Vec<u8> = from.iter().rev().copied().chain(more).collect();
            let mut done = to.clone();
            each(&mut done, &from, |a, b| *a ^= b);
            for (i, byte) in done.iter().enumerate() {
                prop_assert_eq!(*byte, to[i] ^ from.get(i).copied().unwrap_or(0));
            }
        }
    }
}
