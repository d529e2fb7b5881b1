//! Values of Lua as replies, and replies as values of Lua.

use crate::resp::Reply;
use crate::resp::reply::Proto;
use mlua::{Lua, Table, Value};

/// How deep a table may be nested in what a script returns.
const DEPTH_MAX: usize = 1000;

/// Replies `value`, which a script returned that chose `proto` for itself.
pub fn to_reply(value: &Value, proto: Proto, out: &mut Reply) {
    write(value, proto, out, 0);
}

fn write(value: &Value, proto: Proto, out: &mut Reply, depth: usize) {
    if depth > DEPTH_MAX {
        return out.error("ERR reached lua stack limit");
    }
    match value {
        Value::String(s) => out.bulk(&s.as_bytes()),
        Value::Boolean(b) if proto == Proto::Resp3 => out.bool(*b),
        Value::Boolean(true) => out.int(1),
        Value::Integer(n) => out.int(*n),
        Value::Number(n) => out.int(to_int(*n)),
        Value::Table(table) => write_table(table, proto, out, depth),
        _ => out.null(),
    }
}

/// As a C compiler's cast does it: what does not fit becomes the least integer.
pub(super) fn to_int(n: f64) -> i64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    match (-END..END).contains(&n) {
        true => n as i64,
        false => i64::MIN,
    }
}

fn field(table: &Table, name: &str) -> Value {
    table.raw_get(name).unwrap_or(Value::Nil)
}

/// What C takes for the text: it ends before the first zero.
pub(super) fn c_text(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn write_table(table: &Table, proto: Proto, out: &mut Reply, depth: usize) {
    if let Value::String(text) = field(table, "err") {
        return out.error_formatted(c_text(&text.as_bytes()));
    }
    if let Value::String(text) = field(table, "ok") {
        return out.simple_bytes(c_text(&text.as_bytes()));
    }
    match field(table, "double") {
        Value::Number(n) => return out.double(n),
        Value::Integer(n) => return out.double(n as f64),
        _ => {}
    }
    if let Value::Table(map) = field(table, "map") {
        let (mark, mut n) = (out.defer(), 0);
        let _ = map.for_each(|key: Value, value: Value| {
            write(&key, proto, out, depth + 1);
            write(&value, proto, out, depth + 1);
            n += 1;
            Ok(())
        });
        return out.close_map(mark, n);
    }
    if let Value::Table(set) = field(table, "set") {
        let (mark, mut n) = (out.defer(), 0);
        let _ = set.for_each(|key: Value, _: Value| {
            write(&key, proto, out, depth + 1);
            n += 1;
            Ok(())
        });
        return out.close_set(mark, n);
    }
    if let Value::String(digits) = field(table, "big_number") {
        let digits = digits.as_bytes();
        let digits = digits.iter().map(|byte| match byte {
            b'\r' | b'\n' => b' ',
            other => *other,
        });
        return out.big_number(&digits.collect::<Vec<u8>>());
    }
    if let Value::Table(verbatim) = field(table, "verbatim_string")
        && let (Value::String(format), Value::String(text)) =
            (field(&verbatim, "format"), field(&verbatim, "string"))
        && let Ok(format) = format.to_str()
    {
        return out.verbatim(&format, &text.as_bytes());
    }
    let (mark, mut n) = (out.defer(), 0);
    loop {
        match table.raw_get::<Value>(n + 1) {
            Ok(Value::Nil) | Err(_) => break,
            Ok(value) => write(&value, proto, out, depth + 1),
        }
        n += 1;
    }
    out.close_array(mark, n);
}

/// The value of Lua for the reply at the start of `bytes`, and the bytes behind it. `None`: no whole reply.
pub(super) fn from_reply<'a>(
    lua: &Lua,
    bytes: &'a [u8],
) -> mlua::Result<Option<(Value, &'a [u8])>> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
        return Ok(None);
    };
    let Some((&kind, line)) = bytes[..end].split_first() else {
        return Ok(None);
    };
    let rest = &bytes[end + 2..];
    let number = || crate::store::num::parse_i64(line);
    let string = |text: &[u8]| lua.create_string(text).map(Value::String);
    let tagged = |name: &str, value: Value| {
        let table = lua.create_table()?;
        table.raw_set(name, value)?;
        Ok::<_, mlua::Error>(Value::Table(table))
    };
    let value = match kind {
        b'+' => tagged("ok", string(line)?)?,
        b'-' => tagged("err", string(line)?)?,
        b':' => Value::Number(number().unwrap_or_default() as f64),
        b',' => tagged("double", Value::Number(double(line)))?,
        b'#' => Value::Boolean(line == b"t"),
        b'_' => Value::Nil,
        b'(' => tagged("big_number", string(line)?)?,
        b'$' | b'=' => {
            let Some(len) = number().and_then(|n| usize::try_from(n).ok()) else {
                return Ok(Some((Value::Boolean(false), rest)));
            };
            let (Some(text), Some(rest)) = (rest.get(..len), rest.get(len + 2..)) else {
                return Ok(None);
            };
            let value = match kind {
                b'=' if len >= 4 => {
                    let verbatim = lua.create_table()?;
                    verbatim.raw_set("string", string(&text[4..])?)?;
                    verbatim.raw_set("format", string(&text[..3])?)?;
                    tagged("verbatim_string", Value::Table(verbatim))?
                }
                _ => string(text)?,
            };
            return Ok(Some((value, rest)));
        }
        b'*' | b'>' | b'~' | b'%' => {
            let Some(len) = number().and_then(|n| usize::try_from(n).ok()) else {
                return Ok(Some((Value::Boolean(false), rest)));
            };
            return from_aggregate(lua, kind, len, rest);
        }
        // Attributes are not shown to scripts.
        b'|' => {
            let pairs = number().and_then(|n| usize::try_from(n).ok());
            let behind = from_aggregate(lua, b'%', pairs.unwrap_or_default(), rest)?;
            return behind.map_or(Ok(None), |(_, rest)| from_reply(lua, rest));
        }
        _ => return Ok(None),
    };
    Ok(Some((value, rest)))
}

fn double(text: &[u8]) -> f64 {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.parse().unwrap_or(f64::NAN)
}

fn from_aggregate<'a>(
    lua: &Lua,
    kind: u8,
    len: usize,
    mut rest: &'a [u8],
) -> mlua::Result<Option<(Value, &'a [u8])>> {
    let table = lua.create_table()?;
    let mut take = || {
        let taken = from_reply(lua, rest)?;
        Ok::<_, mlua::Error>(taken.map(|(value, behind)| {
            rest = behind;
            value
        }))
    };
    for i in 0..len {
        let Some(value) = take()? else {
            return Ok(None);
        };
        match kind {
            b'~' => table.raw_set(value, true)?,
            b'%' => match take()? {
                Some(of_key) => table.raw_set(value, of_key)?,
                None => return Ok(None),
            },
            _ => table.raw_set(i + 1, value)?,
        }
    }
    let name = match kind {
        b'~' => "set",
        b'%' => "map",
        _ => return Ok(Some((Value::Table(table), rest))),
    };
    let outer = lua.create_table()?;
    outer.raw_set(name, table)?;
    Ok(Some((Value::Table(outer), rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_passed_over() {
        let lua = Lua::new();
        let bytes = b"|1\r\n$1\r\na\r\n*1\r\n:1\r\n$2\r\nok\r\nmore";
        let (value, rest) = from_reply(&lua, bytes).unwrap().expect("a reply");
        assert_eq!(value.to_string().unwrap(), "ok");
        assert_eq!(rest, b"more");
        assert!(from_reply(&lua, b"|1\r\n$1\r\na\r\n").unwrap().is_none());
    }
}
