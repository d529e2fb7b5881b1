//! The library `cmsgpack`: values of Lua as MessagePack and back, as lua-cmsgpack 0.4.0 has it.

use super::{convert, raise};
use mlua::{Lua, MultiValue, Table, Value};

/// Tables nested deeper become nil.
const NESTING: usize = 16;
/// Deeper input is refused: it costs stack.
const DEPTH_MAX: usize = 1000;

/// The library.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("pack", lua.create_function(pack)?)?;
    table.set(
        "unpack",
        lua.create_function(|lua, args: MultiValue| unpack(lua, &args, None, 0))?,
    )?;
    let one = |lua: &Lua, args: MultiValue| {
        let offset = optional(lua, &args, 2, 0)?;
        unpack(lua, &args, Some(1), offset)
    };
    table.set("unpack_one", lua.create_function(one)?)?;
    let limited = |lua: &Lua, args: MultiValue| {
        let limit = match super::bits::number(args.get(1)) {
            Some(n) => convert::to_int(n),
            None => return Err(raise::bad_type(lua, 2, "number", args.get(1))),
        };
        let offset = optional(lua, &args, 3, 0)?;
        unpack(lua, &args, Some(limit), offset)
    };
    table.set("unpack_limit", lua.create_function(limited)?)?;
    table.set("_NAME", "cmsgpack")?;
    table.set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    table.set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(table)
}

fn optional(lua: &Lua, args: &MultiValue, n: usize, default: i64) -> mlua::Result<i64> {
    match args.get(n - 1) {
        None | Some(Value::Nil) => Ok(default),
        value => match super::bits::number(value) {
            Some(n) => Ok(convert::to_int(n)),
            None => Err(raise::bad_type(lua, n, "number", value)),
        },
    }
}

fn pack(lua: &Lua, args: MultiValue) -> mlua::Result<mlua::String> {
    if args.is_empty() {
        return Err(raise::bad_argument(lua, 0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for value in &args {
        write(value, 0, &mut out)?;
    }
    lua.create_string(out)
}

/// A length with the codes for less than 256 (0: there is none), 65536, and more.
fn length(len: usize, codes: [u8; 3], out: &mut Vec<u8>) {
    match len {
        0..=0xff if codes[0] != 0 => out.extend([codes[0], len as u8]),
        0..=0xffff => {
            out.push(codes[1]);
            out.extend((len as u16).to_be_bytes());
        }
        _ => {
            out.push(codes[2]);
            out.extend((len as u32).to_be_bytes());
        }
    }
}

fn write(value: &Value, nesting: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    match value {
        Value::String(s) => {
            let bytes = s.as_bytes();
            match bytes.len() {
                len @ 0..32 => out.push(0xa0 | len as u8),
                len => length(len, [0xd9, 0xda, 0xdb], out),
            }
            out.extend_from_slice(&bytes);
        }
        Value::Boolean(b) => out.push(0xc2 | u8::from(*b)),
        Value::Integer(n) => integer(*n, out),
        Value::Number(n) => match n.fract() == 0.0 && convert::to_int(*n) as f64 == *n {
            true => integer(convert::to_int(*n), out),
            false => double(*n, out),
        },
        Value::Table(table) if nesting < NESTING => write_table(table, nesting + 1, out)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn integer(n: i64, out: &mut Vec<u8>) {
    let mut coded = |code: u8, bytes: &[u8]| {
        out.push(code);
        out.extend_from_slice(bytes);
    };
    match n {
        0..=127 => coded(n as u8, &[]),
        128..=0xff => coded(0xcc, &[n as u8]),
        0x100..=0xffff => coded(0xcd, &(n as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => coded(0xce, &(n as u32).to_be_bytes()),
        0x1_0000_0000.. => coded(0xcf, &(n as u64).to_be_bytes()),
        -32..=-1 => coded(n as i8 as u8, &[]),
        -128..=-33 => coded(0xd0, &[n as i8 as u8]),
        -0x8000..=-129 => coded(0xd1, &(n as i16).to_be_bytes()),
        -0x8000_0000..=-0x8001 => coded(0xd2, &(n as i32).to_be_bytes()),
        _ => coded(0xd3, &n.to_be_bytes()),
    }
}

fn double(n: f64, out: &mut Vec<u8>) {
    if f64::from(n as f32) == n {
        out.push(0xca);
        out.extend((n as f32).to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend(n.to_be_bytes());
    }
}

fn write_table(table: &Table, nesting: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    let (mut max, mut count, mut array) = (0, 0usize, true);
    table.for_each(|key: Value, _: Value| {
        count += 1;
        match key {
            Value::Integer(n) if n > 0 => max = max.max(n as usize),
            _ => array = false,
        }
        Ok(())
    })?;
    if array && max == count {
        match count {
            0..16 => out.push(0x90 | count as u8),
            _ => length(count, [0, 0xdc, 0xdd], out),
        }
        for i in 1..=count {
            write(&table.raw_get(i)?, nesting, out)?;
        }
        return Ok(());
    }
    match count {
        0..16 => out.push(0x80 | count as u8),
        _ => length(count, [0, 0xde, 0xdf], out),
    }
    table.for_each(|key: Value, value: Value| {
        write(&key, nesting, out)?;
        write(&value, nesting, out)
    })
}

/// Decodes up to `limit` values (`None`: all) from byte `offset` on. With a limit, the first result is where to go on.
fn unpack(
    lua: &Lua,
    args: &MultiValue,
    limit: Option<i64>,
    offset: i64,
) -> mlua::Result<MultiValue> {
    let text = match args.front() {
        Some(Value::String(text)) => text.as_bytes().to_vec(),
        Some(number @ (Value::Number(_) | Value::Integer(_))) => raise::shown(number),
        other => return Err(raise::bad_type(lua, 1, "string", other)),
    };
    let len = text.len();
    // As Redis prints it.
    let shown = offset as i32;
    if offset < 0 || limit.is_some_and(|limit| limit < 0) {
        let text = format!("Invalid request to unpack with offset of {shown} and limit of {len}.");
        return Err(raise::error(lua, &text));
    }
    let Some(rest) = usize::try_from(offset)
        .ok()
        .and_then(|offset| text.get(offset..))
    else {
        let text = format!("Start offset {shown} greater than input length {len}.");
        return Err(raise::error(lua, &text));
    };
    let mut reader = Reader { lua, rest };
    let most = limit.map_or(usize::MAX, |limit| limit as usize);
    let mut values = Vec::new();
    while !reader.rest.is_empty() && values.len() < most {
        // More results than this Lua takes from no function.
        if values.len() > 7000 {
            return Err(raise::error(
                lua,
                "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
            ));
        }
        match reader.value(0) {
            Ok(value) => values.push(value),
            Err(Fault::Missing) => return Err(raise::error(lua, "Missing bytes in input.")),
            Err(Fault::Bad) => return Err(raise::error(lua, "Bad data format in input.")),
            Err(Fault::Lua(error)) => return Err(error),
        }
    }
    if limit.is_some() {
        let next = match reader.rest.len() {
            0 => -1.0,
            left => (len - left) as f64,
        };
        values.insert(0, Value::Number(next));
    }
    Ok(MultiValue::from_vec(values))
}

enum Fault {
    Missing,
    Bad,
    Lua(mlua::Error),
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Fault {
        Fault::Lua(error)
    }
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl Reader<'_> {
    fn bytes(&mut self, n: usize) -> Result<&[u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Fault::Missing)?;
        self.rest = rest;
        Ok(taken)
    }

    /// An unsigned integer of `n` bytes.
    fn uint(&mut self, n: usize) -> Result<u64, Fault> {
        let bytes = self.bytes(n)?;
        Ok(bytes
            .iter()
            .fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::Bad);
        }
        let code = self.bytes(1)?[0];
        let number = |n: f64| Ok(Value::Number(n));
        match code {
            0x00..=0x7f => number(f64::from(code)),
            0xe0..=0xff => number(f64::from(code as i8)),
            0xcc..=0xcf => {
                // Those that no integer of C can be come out negative, as in Redis.
                let n = self.uint(1 << (code - 0xcc))?;
                number(n as i64 as f64)
            }
            0xd0..=0xd3 => {
                let size = 1 << (code - 0xd0);
                let unused = 64 - 8 * size as u32;
                let n = self.uint(size)?;
                number(((n << unused) as i64 >> unused) as f64)
            }
            0xc0 => Ok(Value::Nil),
            0xc2 | 0xc3 => Ok(Value::Boolean(code == 0xc3)),
            0xca => number(f64::from(f32::from_bits(self.uint(4)? as u32))),
            0xcb => number(f64::from_bits(self.uint(8)?)),
            0xa0..=0xbf => self.string(usize::from(code & 31)),
            0xd9..=0xdb => {
                let len = self.uint(1 << (code - 0xd9))?;
                self.string(len as usize)
            }
            0x90..=0x9f => self.array(u64::from(code & 15), depth),
            0xdc | 0xdd => {
                let len = self.uint(2 << (code - 0xdc))?;
                self.array(len, depth)
            }
            0x80..=0x8f => self.map(u64::from(code & 15), depth),
            0xde | 0xdf => {
                let len = self.uint(2 << (code - 0xde))?;
                self.map(len, depth)
            }
            _ => Err(Fault::Bad),
        }
    }

    fn string(&mut self, len: usize) -> Result<Value, Fault> {
        let lua = self.lua;
        let text = lua.create_string(self.bytes(len)?)?;
        Ok(Value::String(text))
    }

    fn array(&mut self, len: u64, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        for i in 1..=len {
            let value = self.value(depth + 1)?;
            table.raw_set(i as f64, value)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: u64, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let key = self.value(depth + 1)?;
            let value = self.value(depth + 1)?;
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }
}
