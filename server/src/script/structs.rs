//! The library `struct`: values of Lua in the layouts of C and back, as struct 0.2 has it.

use super::{convert, raise};
use mlua::{Lua, MultiValue, Table, Value};

/// The largest integer, in bytes.
const INT_MAX: usize = 32;
/// The alignment of `!` without a number.
const ALIGN: usize = 8;

/// The library.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("pack", lua.create_function(pack)?)?;
    table.set("unpack", lua.create_function(unpack)?)?;
    table.set("size", lua.create_function(size)?)?;
    Ok(table)
}

/// A format being read.
struct Format<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    big: bool,
    align: usize,
}

impl Format<'_> {
    /// The next option and the size it gives.
    fn next(&mut self) -> mlua::Result<Option<(u8, usize)>> {
        let Some((&option, rest)) = self.text.split_first() else {
            return Ok(None);
        };
        // As in C, the format ends with a zero.
        if option == 0 {
            return Ok(None);
        }
        self.text = rest;
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => match self.number(4)? {
                size if size > INT_MAX => {
                    let text = format!("integral size {size} is larger than limit of {INT_MAX}");
                    return Err(raise::error(self.lua, &text));
                }
                size => size,
            },
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    /// The number at this place of the format.
    fn number(&mut self, default: usize) -> mlua::Result<usize> {
        if !self.text.first().is_some_and(u8::is_ascii_digit) {
            return Ok(default);
        }
        let mut n = 0usize;
        while let Some((&digit @ b'0'..=b'9', rest)) = self.text.split_first() {
            let digit = usize::from(digit - b'0');
            if n > (i32::MAX as usize) / 10 || n * 10 > i32::MAX as usize - digit {
                return Err(raise::error(self.lua, "integral size overflow"));
            }
            n = n * 10 + digit;
            self.text = rest;
        }
        Ok(n)
    }

    /// An option that has no value.
    fn control(&mut self, option: u8) -> mlua::Result<()> {
        match option {
            b' ' => {}
            b'>' => self.big = true,
            b'<' => self.big = false,
            b'!' => match self.number(ALIGN)? {
                n if !n.is_power_of_two() => {
                    let text = format!("alignment {n} is not a power of 2");
                    return Err(raise::error(self.lua, &text));
                }
                n => self.align = n,
            },
            _ => {
                let text = format!("invalid format option '{}'", char::from(option));
                return Err(raise::bad_argument(self.lua, 1, &text));
            }
        }
        Ok(())
    }

    /// Bytes to skip at `at` before a value of this option.
    fn padding(&self, at: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        match size.is_power_of_two() {
            true => size.wrapping_sub(at & (size - 1)) & (size - 1),
            false => 0,
        }
    }
}

fn format<'a>(lua: &'a Lua, text: &'a [u8]) -> Format<'a> {
    Format {
        lua,
        text,
        big: cfg!(target_endian = "big"),
        align: 1,
    }
}

/// Argument `n` as a string.
fn string(lua: &Lua, args: &MultiValue, n: usize) -> mlua::Result<Vec<u8>> {
    match args.get(n - 1) {
        Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
        Some(number @ (Value::Number(_) | Value::Integer(_))) => Ok(raise::shown(number)),
        other => Err(raise::bad_type(lua, n, "string", other)),
    }
}

fn number(lua: &Lua, args: &MultiValue, n: usize) -> mlua::Result<f64> {
    let value = args.get(n - 1);
    super::bits::number(value).ok_or_else(|| raise::bad_type(lua, n, "number", value))
}

/// What C makes of a number that it stores as an unsigned integer, on x86 also of those that do not fit.
fn to_uint(n: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    match n >= HALF {
        true => convert::to_int(n - HALF) as u64 ^ 1 << 63,
        false => convert::to_int(n) as u64,
    }
}

fn pack(lua: &Lua, mut args: MultiValue) -> mlua::Result<mlua::String> {
    let text = string(lua, &args, 1)?;
    // An argument too few is reported as a nil, as by the C library, which marks the end of the arguments with one.
    args.push_back(Value::Nil);
    let (mut format, mut arg, mut out) = (format(lua, &text), 2, Vec::new());
    while let Some((option, mut size)) = format.next()? {
        out.resize(out.len() + format.padding(out.len(), option, size), 0);
        let big = format.big;
        let ordered = |mut bytes: Vec<u8>| {
            if big {
                bytes.reverse();
            }
            bytes
        };
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let n = number(lua, &args, arg)?;
                arg += 1;
                let value = to_uint(n);
                let mut bytes = value.to_le_bytes().to_vec();
                bytes.resize(size, 0);
                out.extend(ordered(bytes));
            }
            b'x' => out.push(0),
            b'f' => {
                let n = number(lua, &args, arg)? as f32;
                arg += 1;
                out.extend(ordered(n.to_le_bytes().to_vec()));
            }
            b'd' => {
                let n = number(lua, &args, arg)?;
                arg += 1;
                out.extend(ordered(n.to_le_bytes().to_vec()));
            }
            b'c' | b's' => {
                let data = string(lua, &args, arg)?;
                arg += 1;
                if size == 0 {
                    size = data.len();
                }
                let Some(data) = data.get(..size) else {
                    return Err(raise::bad_argument(lua, arg, "string too short"));
                };
                out.extend_from_slice(data);
                if option == b's' {
                    out.push(0);
                }
            }
            _ => format.control(option)?,
        }
    }
    lua.create_string(out)
}

fn unpack(lua: &Lua, args: MultiValue) -> mlua::Result<MultiValue> {
    let (text, data) = (string(lua, &args, 1)?, string(lua, &args, 2)?);
    let start = match args.get(2) {
        None | Some(Value::Nil) => 1.0,
        _ => number(lua, &args, 3)?,
    };
    let start = start as i64;
    if start == 0 {
        return Err(raise::bad_argument(lua, 3, "offset must be 1 or greater"));
    }
    // A negative one is far beyond any data, as in C.
    let mut at = (start as usize).wrapping_sub(1);
    let mut format = format(lua, &text);
    let mut values: Vec<Value> = Vec::new();
    let short = || raise::bad_argument(lua, 2, "data string too short");
    while let Some((option, mut size)) = format.next()? {
        at = at.saturating_add(format.padding(at, option, size));
        let Some(bytes) = at.checked_add(size).and_then(|end| data.get(at..end)) else {
            return Err(short());
        };
        if values.len() > 7000 {
            return Err(raise::error(lua, "stack overflow (too many results)"));
        }
        let mut bytes = bytes.to_vec();
        if format.big && option != b'c' && option != b's' {
            bytes.reverse();
        }
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                values.push(Value::Number(integer(&bytes, option.is_ascii_lowercase())));
            }
            b'x' => {}
            b'f' => {
                let bytes = bytes.try_into().unwrap_or_default();
                values.push(Value::Number(f32::from_le_bytes(bytes).into()));
            }
            b'd' => {
                let bytes = bytes.try_into().unwrap_or_default();
                values.push(Value::Number(f64::from_le_bytes(bytes)));
            }
            b'c' => {
                if size == 0 {
                    let said = super::bits::number(values.last());
                    let Some(said) = said else {
                        let text = "format 'c0' needs a previous size";
                        return Err(raise::error(lua, text));
                    };
                    values.pop();
                    size = said as usize;
                    let Some(more) = at.checked_add(size).and_then(|end| data.get(at..end)) else {
                        return Err(short());
                    };
                    bytes = more.to_vec();
                }
                values.push(Value::String(lua.create_string(bytes)?));
            }
            b's' => {
                let Some(len) = data[at..].iter().position(|b| *b == 0) else {
                    return Err(raise::error(lua, "unfinished string in data"));
                };
                values.push(Value::String(lua.create_string(&data[at..at + len])?));
                size = len + 1;
            }
            _ => format.control(option)?,
        }
        at += size;
    }
    values.push(Value::Number(at as i64 as f64 + 1.0));
    Ok(MultiValue::from_vec(values))
}

/// The integer in `bytes`, the lowest first.
fn integer(bytes: &[u8], signed: bool) -> f64 {
    let mut value = 0u64;
    for (i, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(*byte) << (8 * i);
    }
    if !signed {
        return value as f64;
    }
    let unused = 64 - 8 * bytes.len().clamp(1, 8) as u32;
    ((value << unused) as i64 >> unused) as f64
}

fn size(lua: &Lua, args: MultiValue) -> mlua::Result<f64> {
    let text = string(lua, &args, 1)?;
    let (mut format, mut at) = (format(lua, &text), 0usize);
    while let Some((option, size)) = format.next()? {
        at = at.saturating_add(format.padding(at, option, size));
        match (option, size) {
            (b's', _) => {
                return Err(raise::bad_argument(lua, 1, "option 's' has no fixed size"));
            }
            (b'c', 0) => {
                return Err(raise::bad_argument(lua, 1, "option 'c0' has no fixed size"));
            }
            _ if !option.is_ascii_alphanumeric() => format.control(option)?,
            _ => {}
        }
        at = at.saturating_add(size);
    }
    Ok(at as f64)
}
