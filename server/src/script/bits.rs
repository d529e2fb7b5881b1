//! The library `bit`: operations on integers of 32 bits, as BitOp has them.

use super::raise;
use mlua::{Lua, MultiValue, Table, Value};

/// Argument `n` (from 1) as an integer of 32 bits: numbers are rounded, and wrap around.
fn bits(lua: &Lua, args: &MultiValue, n: usize) -> mlua::Result<i32> {
    let value = args.get(n - 1);
    // Adding this leaves the integer in the low bits of the mantissa.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    match number(value) {
        Some(number) => Ok((number + ROUND).to_bits() as u32 as i32),
        None => Err(raise::bad_type(lua, n, "number", value)),
    }
}

/// A number, or a string that is one.
pub(super) fn number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Number(n) => Some(*n),
        Value::Integer(n) => Some(*n as f64),
        Value::String(s) => {
            let text = s.to_str().ok()?;
            let text = text.trim();
            match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                Some(hex) => u64::from_str_radix(hex, 16).ok().map(|n| n as f64),
                None => text.parse().ok(),
            }
        }
        _ => None,
    }
}

/// The library.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let one = |name: &str, f: fn(i32) -> i32| {
        let call = move |lua: &Lua, args: MultiValue| Ok(f64::from(f(bits(lua, &args, 1)?)));
        table.set(name, lua.create_function(call)?)
    };
    one("tobit", |a| a)?;
    one("bnot", |a| !a)?;
    one("bswap", i32::swap_bytes)?;
    let fold = |name: &str, f: fn(i32, i32) -> i32| {
        let call = move |lua: &Lua, args: MultiValue| {
            let mut all = bits(lua, &args, 1)?;
            for n in 2..=args.len() {
                all = f(all, bits(lua, &args, n)?);
            }
            Ok(f64::from(all))
        };
        table.set(name, lua.create_function(call)?)
    };
    fold("band", |a, b| a & b)?;
    fold("bor", |a, b| a | b)?;
    fold("bxor", |a, b| a ^ b)?;
    let shift = |name: &str, f: fn(i32, u32) -> i32| {
        let call = move |lua: &Lua, args: MultiValue| {
            let (a, by) = (bits(lua, &args, 1)?, bits(lua, &args, 2)?);
            Ok(f64::from(f(a, by as u32 & 31)))
        };
        table.set(name, lua.create_function(call)?)
    };
    shift("lshift", |a, by| a << by)?;
    shift("rshift", |a, by| (a as u32 >> by) as i32)?;
    shift("arshift", |a, by| a >> by)?;
    shift("rol", i32::rotate_left)?;
    shift("ror", i32::rotate_right)?;
    table.set("tohex", lua.create_function(to_hex)?)?;
    Ok(table)
}

fn to_hex(lua: &Lua, args: MultiValue) -> mlua::Result<String> {
    let value = bits(lua, &args, 1)?;
    let digits = match args.get(1) {
        None | Some(Value::Nil) => 8,
        Some(_) => bits(lua, &args, 2)?,
    };
    let shown = digits.unsigned_abs().min(8) as usize;
    let all = match digits < 0 {
        true => format!("{value:08X}"),
        false => format!("{value:08x}"),
    };
    Ok(all[8 - shown..].to_owned())
}
