//! Values of Lua as JSON.

use super::super::raise::type_name;
use super::{Config, DEPTH_MAX, Invalid};
use crate::resp::decimal::general;
use mlua::{Table, Value};

/// The text of `value`; an error in the library's words.
pub(super) fn encode(value: &Value, config: &Config) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    write(value, config, &mut out, 0)?;
    Ok(out)
}

fn cannot(value: &Value, why: &str) -> String {
    format!("Cannot serialise {}: {why}", type_name(value))
}

fn write(value: &Value, config: &Config, out: &mut Vec<u8>, depth: i64) -> Result<(), String> {
    match value {
        Value::String(s) => string(&s.as_bytes(), out),
        Value::Integer(n) => number(*n as f64, value, config, out)?,
        Value::Number(n) => number(*n, value, config, out)?,
        Value::Boolean(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Nil => out.extend_from_slice(b"null"),
        Value::LightUserData(p) if p.0.is_null() => out.extend_from_slice(b"null"),
        Value::Table(table) => {
            let depth = depth + 1;
            if depth > config.encode_depth.min(DEPTH_MAX) {
                return Err(format!("Cannot serialise, excessive nesting ({depth})"));
            }
            match array_len(table, value, config)? {
                Some(len) => array(table, len, config, out, depth)?,
                None => object(table, config, out, depth)?,
            }
        }
        _ => return Err(cannot(value, "type not supported")),
    }
    Ok(())
}

/// How many elements `table` has if all its keys are positive integers; `None`: it is an object.
fn array_len(table: &Table, value: &Value, config: &Config) -> Result<Option<usize>, String> {
    let (mut max, mut items, mut array) = (0i64, 0i64, true);
    let _ = table.for_each(|key: Value, _: Value| {
        match key {
            Value::Integer(n) if n > 0 && array => {
                max = max.max(n);
                items += 1;
            }
            _ => array = false,
        }
        Ok(())
    });
    if !array || max == 0 {
        return Ok(None);
    }
    let sparse = config.sparse_ratio > 0
        && max > items.saturating_mul(config.sparse_ratio)
        && max > config.sparse_safe;
    match (sparse, config.sparse_convert) {
        (true, false) => Err(cannot(value, "excessively sparse array")),
        (true, true) => Ok(None),
        (false, _) => Ok(Some(max as usize)),
    }
}

fn array(
    table: &Table,
    len: usize,
    config: &Config,
    out: &mut Vec<u8>,
    depth: i64,
) -> Result<(), String> {
    out.push(b'[');
    for i in 1..=len {
        if i > 1 {
            out.push(b',');
        }
        let element: Value = table.raw_get(i).map_err(|e| e.to_string())?;
        write(&element, config, out, depth)?;
    }
    out.push(b']');
    Ok(())
}

fn object(table: &Table, config: &Config, out: &mut Vec<u8>, depth: i64) -> Result<(), String> {
    out.push(b'{');
    let (mut first, mut failed) = (true, None);
    let _ = table.for_each(|key: Value, value: Value| {
        if failed.is_some() {
            return Ok(());
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        let named = match &key {
            Value::String(s) => {
                string(&s.as_bytes(), out);
                Ok(())
            }
            Value::Integer(_) | Value::Number(_) => {
                out.push(b'"');
                let n = super::super::bits::number(Some(&key)).unwrap_or_default();
                let written = number(n, &key, config, out);
                out.push(b'"');
                written
            }
            other => Err(cannot(other, "table key must be a number or string")),
        };
        out.push(b':');
        failed = named.and_then(|()| write(&value, config, out, depth)).err();
        Ok(())
    });
    out.push(b'}');
    failed.map_or(Ok(()), Err)
}

fn number(n: f64, value: &Value, config: &Config, out: &mut Vec<u8>) -> Result<(), String> {
    if !n.is_finite() {
        match config.encode_invalid {
            Invalid::Error => return Err(cannot(value, "must not be NaN or Inf")),
            Invalid::Null => {
                out.extend_from_slice(b"null");
                return Ok(());
            }
            Invalid::Numbers if n.is_nan() => {
                out.extend_from_slice(b"nan");
                return Ok(());
            }
            Invalid::Numbers => {}
        }
    }
    out.extend_from_slice(general(n, config.precision as usize).as_bytes());
    Ok(())
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'/' => "\\/",
            8 => "\\b",
            b'\t' => "\\t",
            b'\n' => "\\n",
            12 => "\\f",
            b'\r' => "\\r",
            0..32 | 127 => {
                out.extend(format!("\\u{byte:04x}").bytes());
                continue;
            }
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(escaped.as_bytes());
    }
    out.push(b'"');
}
