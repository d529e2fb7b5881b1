//! The library `cjson`: values of Lua as JSON and back, as lua-cjson 2.1.0 has it.

mod decode;
mod encode;

use super::raise;
use mlua::{Lua, MultiValue, Table, Value};
use parking_lot::Mutex;
use std::sync::Arc;

/// What the functions of the library set.
#[derive(Clone, Copy)]
struct Config {
    sparse_convert: bool,
    sparse_ratio: i64,
    sparse_safe: i64,
    encode_depth: i64,
    decode_depth: i64,
    encode_invalid: Invalid,
    decode_invalid: bool,
    precision: i64,
    keep_buffer: bool,
}

/// What becomes of numbers that JSON does not know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Invalid {
    Error,
    Numbers,
    Null,
}

/// Deeper nesting is refused whatever a script sets: it costs stack.
const DEPTH_MAX: i64 = 1000;

const DEFAULT: Config = Config {
    sparse_convert: false,
    sparse_ratio: 2,
    sparse_safe: 10,
    encode_depth: DEPTH_MAX,
    decode_depth: DEPTH_MAX,
    encode_invalid: Invalid::Error,
    decode_invalid: true,
    precision: 14,
    keep_buffer: true,
};

/// The library.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let config = Arc::new(Mutex::new(DEFAULT));
    let table = lua.create_table()?;
    let shared = Arc::clone(&config);
    let encode = lua.create_function(move |lua, args: MultiValue| {
        let (1, Some(value)) = (args.len(), args.front()) else {
            return Err(raise::bad_argument(lua, 1, "expected 1 argument"));
        };
        let config = *shared.lock();
        let written = encode::encode(value, &config);
        let text = written.map_err(|text| raise::error(lua, &text))?;
        lua.create_string(text)
    })?;
    table.set("encode", encode)?;
    let shared = Arc::clone(&config);
    let decode = lua.create_function(move |lua, args: MultiValue| {
        let text = match (args.len(), args.front()) {
            (1, Some(Value::String(text))) => text.as_bytes().to_vec(),
            (1, Some(number @ (Value::Number(_) | Value::Integer(_)))) => raise::shown(number),
            (1, other) => return Err(raise::bad_type(lua, 1, "string", other)),
            _ => return Err(raise::bad_argument(lua, 1, "expected 1 argument")),
        };
        let config = *shared.lock();
        match decode::decode(lua, &text, &config)? {
            Ok(value) => Ok(value),
            Err(text) => Err(raise::error(lua, &text)),
        }
    })?;
    table.set("decode", decode)?;
    settings(lua, &table, &config)?;
    table.set("new", lua.create_function(|lua, ()| library(lua))?)?;
    table.set("null", Value::NULL)?;
    table.set("_NAME", "cjson")?;
    table.set("_VERSION", "2.1.0")?;
    Ok(table)
}

/// The functions that set something and return what is set.
fn settings(lua: &Lua, table: &Table, config: &Arc<Mutex<Config>>) -> mlua::Result<()> {
    let number = |name: &str, low: i64, high: i64, field: fn(&mut Config) -> &mut i64| {
        let shared = Arc::clone(config);
        let set = move |lua: &Lua, args: MultiValue| {
            let mut config = shared.lock();
            few(lua, &args, 1)?;
            if let Some(n) = optional(lua, &args, 1, low, high)? {
                *field(&mut config) = n;
            }
            Ok(*field(&mut config))
        };
        table.set(name, lua.create_function(set)?)
    };
    const INT_MAX: i64 = i32::MAX as i64;
    number("encode_max_depth", 1, INT_MAX, |c| &mut c.encode_depth)?;
    number("decode_max_depth", 1, INT_MAX, |c| &mut c.decode_depth)?;
    number("encode_number_precision", 1, 14, |c| &mut c.precision)?;
    let flag = |name: &str, field: fn(&mut Config) -> &mut bool| {
        let shared = Arc::clone(config);
        let set = move |lua: &Lua, args: MultiValue| {
            let mut config = shared.lock();
            few(lua, &args, 1)?;
            match args.front() {
                None | Some(Value::Nil) => {}
                Some(value) => *field(&mut config) = boolean(lua, value)?,
            }
            Ok(*field(&mut config))
        };
        table.set(name, lua.create_function(set)?)
    };
    flag("encode_keep_buffer", |c| &mut c.keep_buffer)?;
    flag("decode_invalid_numbers", |c| &mut c.decode_invalid)?;
    let shared = Arc::clone(config);
    let invalid = move |lua: &Lua, args: MultiValue| {
        let mut config = shared.lock();
        few(lua, &args, 1)?;
        match args.front() {
            None | Some(Value::Nil) => {}
            Some(Value::String(word)) if &*word.as_bytes() == b"null" => {
                config.encode_invalid = Invalid::Null;
            }
            Some(value) => {
                config.encode_invalid = match boolean(lua, value)? {
                    true => Invalid::Numbers,
                    false => Invalid::Error,
                }
            }
        }
        Ok(match config.encode_invalid {
            Invalid::Error => Value::Boolean(false),
            Invalid::Numbers => Value::Boolean(true),
            Invalid::Null => Value::String(lua.create_string("null")?),
        })
    };
    table.set("encode_invalid_numbers", lua.create_function(invalid)?)?;
    let shared = Arc::clone(config);
    let sparse = move |lua: &Lua, args: MultiValue| {
        let mut config = shared.lock();
        few(lua, &args, 3)?;
        if let Some(value) = args.front().filter(|v| !v.is_nil()) {
            config.sparse_convert = boolean(lua, value)?;
        }
        if let Some(n) = optional(lua, &args, 2, 0, INT_MAX)? {
            config.sparse_ratio = n;
        }
        if let Some(n) = optional(lua, &args, 3, 0, INT_MAX)? {
            config.sparse_safe = n;
        }
        Ok((
            config.sparse_convert,
            config.sparse_ratio,
            config.sparse_safe,
        ))
    };
    table.set("encode_sparse_array", lua.create_function(sparse)?)
}

fn few(lua: &Lua, args: &MultiValue, most: usize) -> mlua::Result<()> {
    match args.len() <= most {
        true => Ok(()),
        false => Err(raise::bad_argument(
            lua,
            most + 1,
            "found too many arguments",
        )),
    }
}

fn boolean(lua: &Lua, value: &Value) -> mlua::Result<bool> {
    match value {
        Value::Boolean(b) => Ok(*b),
        Value::String(s) if &*s.as_bytes() == b"on" => Ok(true),
        Value::String(s) if &*s.as_bytes() == b"off" => Ok(false),
        Value::String(s) => {
            let text = format!("invalid option '{}'", s.to_string_lossy());
            Err(raise::bad_argument(lua, 1, &text))
        }
        other => Err(raise::bad_type(lua, 1, "string", Some(other))),
    }
}

fn optional(
    lua: &Lua,
    args: &MultiValue,
    n: usize,
    low: i64,
    high: i64,
) -> mlua::Result<Option<i64>> {
    let Some(value) = args.get(n - 1).filter(|v| !v.is_nil()) else {
        return Ok(None);
    };
    let Some(number) = super::bits::number(Some(value)) else {
        return Err(raise::bad_type(lua, n, "number", Some(value)));
    };
    match number as i64 {
        number if (low..=high).contains(&number) => Ok(Some(number)),
        _ => {
            let text = format!("expected integer between {low} and {high}");
            Err(raise::bad_argument(lua, n, &text))
        }
    }
}
