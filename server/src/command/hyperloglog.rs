//! HyperLogLogs: PFADD and its kin.

use super::args::is;
use super::table::{Command, KeySpec, acl, flag::*};
use super::{CmdError, Cx, Expiry, events};
use crate::command::uses::{ADD, FILL, INSERT, SEE, both};
use crate::store::hll::{self, Corrupt, Encoding, REGISTERS};

const GROUP: &str = "hyperloglog";
const SECOND: KeySpec = KeySpec::Range {
    first: 2,
    last: 2,
    step: 1,
};

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::keyed("pfadd", -2, WRITE | DENYOOM | FAST, KeySpec::FIRST, pfadd).uses(both(INSERT, INSERT))
        .acl(acl::HYPERLOGLOG)
        .doc(
            GROUP,
            "2.8.9",
            "O(1) to add every element.",
            "key [element ...]",
            "Adds elements to a HyperLogLog.",
        ),
    Command::keyed("pfcount", -2, READONLY | MAY_REPLICATE | READS, KeySpec::ALL, pfcount).uses(both(FILL, FILL))
        .acl(acl::HYPERLOGLOG)
        .doc(
            GROUP,
            "2.8.9",
            "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.",
            "key [key ...]",
            "Estimates how many different elements were added to HyperLogLogs.",
        ),
    Command::keyed("pfmerge", -2, WRITE | DENYOOM | READS, KeySpec::ALL, pfmerge).uses(both(ADD, SEE))
        .acl(acl::HYPERLOGLOG)
        .doc(
            GROUP,
            "2.8.9",
            "O(N) to merge N HyperLogLogs, but with high constant times.",
            "destkey [sourcekey:key ...]",
            "Adds to a HyperLogLog what was added to others.",
        ),
    Command::keyed("pfdebug", 3, WRITE | DENYOOM | ADMIN, SECOND, pfdebug).uses(both(FILL, FILL))
        .acl(acl::HYPERLOGLOG)
        .doc(
            GROUP,
            "2.8.9",
            "N/A",
            "subcommand key",
            "Shows the inside of a HyperLogLog.",
        ),
    Command::free("pfselftest", 1, ADMIN, pfselftest)
        .acl(acl::HYPERLOGLOG)
        .doc(
            GROUP,
            "2.8.9",
            "N/A",
            "",
            "Tests the arithmetic of HyperLogLogs.",
        ),
];

type Done = Result<(), CmdError>;

impl From<Corrupt> for CmdError {
    fn from(Corrupt: Corrupt) -> CmdError {
        CmdError::text("INVALIDOBJ Corrupted HLL object detected")
    }
}

/// The HyperLogLog at `key`, and how it is kept.
fn read<'d>(cx: &'d Cx<'_>, key: &[u8]) -> Result<Option<(&'d [u8], Encoding)>, CmdError> {
    const INVALID: CmdError =
        CmdError::text("WRONGTYPE Key is not a valid HyperLogLog string value.");
    let Some(text) = cx.db.string(key)? else {
        return Ok(None);
    };
    let encoding = hll::encoding(text).ok_or(INVALID)?;
    Ok(Some((text, encoding)))
}

/// Makes `text` the HyperLogLog at `key`; its expiry stays.
fn write(cx: &mut Cx<'_>, key: &[u8], text: &[u8]) -> Done {
    let value = cx.db.resize_string(key, text.len())?;
    value.copy_from_slice(text);
    cx.dirty();
    Ok(())
}

fn pfadd(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (key, elements) = (args[1], &args[2..]);
    let places = elements.iter().map(|element| hll::place(element));
    let max_bytes = cx.env.limits.hll_sparse_max_bytes;
    let (mut text, mut updated) = match read(cx, key)? {
        None => (hll::empty(), true),
        // A dense one is changed where it is.
        Some((text, Encoding::Dense)) => {
            let mut raising = places.clone();
            let mut raised = false;
            if raising.any(|(index, value)| hll::dense_register(text, index) < value) {
                let len = text.len();
                let text = cx.db.resize_string(key, len)?;
                for (index, value) in places {
                    raised |= hll::raise_dense(text, index, value);
                }
                hll::invalidate(text);
                cx.dirty();
                cx.notify(events::STRING, "pfadd", key);
            }
            cx.out.int(i64::from(raised));
            return Ok(());
        }
        Some((text, Encoding::Sparse)) => (text.to_vec(), false),
    };
    for (index, value) in places {
        updated |= hll::raise(&mut text, index, value, max_bytes)?;
    }
    if updated {
        hll::invalidate(&mut text);
        write(cx, key, &text)?;
        cx.notify(events::STRING, "pfadd", key);
    }
    cx.out.int(i64::from(updated));
    Ok(())
}

fn pfcount(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let [_, key] = args else {
        let mut union = Box::new([0; REGISTERS]);
        for key in &args[1..] {
            if let Some((text, _)) = read(cx, key)? {
                hll::merge(&mut union, text)?;
            }
        }
        cx.out.int(hll::estimate(&union) as i64);
        return Ok(());
    };
    let Some((text, _)) = read(cx, key)? else {
        cx.out.int(0);
        return Ok(());
    };
    let count = match hll::cached(text) {
        Some(count) => count,
        None => {
            let (count, len) = (hll::estimate(&*hll::registers(text)?), text.len());
            // A replica's data are its master's: it does not keep what it found out by itself.
            if cx.env.expiry != Expiry::Hide {
                hll::cache(cx.db.resize_string(key, len)?, count);
                cx.dirty();
            }
            count
        }
    };
    cx.out.int(count as i64);
    Ok(())
}

fn pfmerge(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let mut union = Box::new([0; REGISTERS]);
    let mut dense = false;
    for key in &args[1..] {
        if let Some((text, encoding)) = read(cx, key)? {
            dense |= encoding == Encoding::Dense;
            hll::merge(&mut union, text)?;
        }
    }
    let mut text = match read(cx, args[1])? {
        Some((text, Encoding::Sparse)) if dense => hll::to_dense(text)?,
        Some((text, _)) => text.to_vec(),
        None if dense => hll::to_dense(&hll::empty())?,
        None => hll::empty(),
    };
    let before = hll::registers(&text)?;
    for (index, (&value, &before)) in union.iter().zip(before.iter()).enumerate() {
        if value > before {
            hll::raise(&mut text, index, value, cx.env.limits.hll_sparse_max_bytes)?;
        }
    }
    hll::invalidate(&mut text);
    write(cx, args[1], &text)?;
    cx.notify(events::STRING, "pfadd", args[1]);
    cx.out.ok();
    Ok(())
}

fn pfdebug(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let (what, key) = (args[1], args[2]);
    let Some((text, encoding)) = read(cx, key)? else {
        return Err(CmdError::text("ERR The specified key does not exist"));
    };
    let sparse = encoding == Encoding::Sparse;
    if is(what, "encoding") {
        cx.out.simple(if sparse { "sparse" } else { "dense" });
    } else if is(what, "decode") {
        if !sparse {
            return Err(CmdError::text("ERR HLL encoding is not sparse"));
        }
        let shown = hll::shown(text);
        cx.out.bulk(shown.as_bytes());
    } else if is(what, "todense") || is(what, "getreg") {
        let registers = hll::registers(text)?;
        if sparse {
            let dense = hll::to_dense(text)?;
            write(cx, key, &dense)?;
        }
        if is(what, "todense") {
            cx.out.int(i64::from(sparse));
        } else {
            cx.out.array(REGISTERS);
            registers.iter().for_each(|&r| cx.out.int(i64::from(r)));
        }
    } else {
        let text = "ERR Unknown PFDEBUG subcommand '{}'";
        return Err(CmdError::repeating(text, &[what]));
    }
    Ok(())
}

/// Adds numbers to a HyperLogLog in both forms: these have to agree, and the estimates to be near the truth.
fn pfselftest(cx: &mut Cx<'_>, _: &[&[u8]]) -> Done {
    const ELEMENTS: u64 = 100_000;
    /// Four times the standard error, which is 1.04 over the root of the number of registers.
    const ERROR: f64 = 4.0 * 1.04 / 128.0;
    let (mut sparse, mut dense) = (hll::empty(), hll::to_dense(&hll::empty())?);
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let (index, value) = hll::place(&number.to_le_bytes());
        let raised = hll::raise_dense(&mut dense, index, value);
        let also = hll::raise(
            &mut sparse,
            index,
            value,
            cx.env.limits.hll_sparse_max_bytes,
        )?;
        if raised != also {
            return Err(CmdError::formatted(format!(
                "ERR TESTFAILED the dense and the sparse form disagree about element {number}"
            )));
        }
        if number == checkpoint {
            checkpoint *= 10;
            let registers = hll::registers(&dense)?;
            let estimate = hll::estimate(&registers);
            let off = (estimate as f64 - number as f64).abs();
            if registers != hll::registers(&sparse)? || off > (number as f64 * ERROR).max(1.0) {
                return Err(CmdError::formatted(format!(
                    "ERR TESTFAILED Too big error. card:{number} estimate:{estimate}"
                )));
            }
        }
    }
    cx.out.ok();
    Ok(())
}

#[cfg(test)]
mod tests;
