//! What scripts find under `redis`, and random numbers that are the same in every run.

use super::{Digest, Proto, Running, convert, raise, with_running};
use crate::REDIS_VERSION;
use crate::resp::Reply;
use crate::resp::decimal::double_text;
use mlua::{Lua, MultiValue, Table, Value};
use raise::Raised;
use smallvec::SmallVec;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// [`REDIS_VERSION`], a byte for each part.
const VERSION_NUM: u32 = 0x0007_000f;

/// The library `redis`.
pub(super) fn redis(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set(
        "call",
        lua.create_function(|lua, args| call(lua, &args, true))?,
    )?;
    table.set(
        "pcall",
        lua.create_function(|lua, args| call(lua, &args, false))?,
    )?;
    table.set("acl_check_cmd", lua.create_function(acl_check_cmd)?)?;
    table.set("setresp", lua.create_function(set_resp)?)?;
    table.set("set_repl", lua.create_function(set_repl)?)?;
    table.set("replicate_commands", lua.create_function(|_, ()| Ok(true))?)?;
    table.set(
        "breakpoint",
        lua.create_function(|_, _: MultiValue| Ok(false))?,
    )?;
    table.set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    table.set("error_reply", lua.create_function(error_reply)?)?;
    table.set("status_reply", lua.create_function(status_reply)?)?;
    for (name, value) in [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_ALL", 3)] {
        table.set(name, value)?;
    }
    table.set("REPL_SLAVE", REPLICAS)?;
    table.set("REPL_REPLICA", REPLICAS)?;
    table.set("sha1hex", lua.create_function(sha1hex)?)?;
    common(lua, &table)?;
    Ok(table)
}

/// The bit of `redis.set_repl` that is about replicas.
const REPLICAS: i64 = 2;

/// What there is while a library is loaded, too.
pub(super) fn common(lua: &Lua, table: &Table) -> mlua::Result<()> {
    table.set("log", lua.create_function(log)?)?;
    let levels = ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"];
    for (level, name) in levels.into_iter().enumerate() {
        table.set(name, level)?;
    }
    table.set("REDIS_VERSION", REDIS_VERSION)?;
    table.set("REDIS_VERSION_NUM", VERSION_NUM)
}

/// `ERR` and what `redis.call` and its kin raise.
fn failed(text: &str) -> mlua::Error {
    Raised::Reply([b"ERR ", text.as_bytes()].concat()).error()
}

/// The arguments of a command, one behind the other.
#[derive(Default)]
pub(super) struct Words {
    bytes: Vec<u8>,
    ends: SmallVec<[usize; 8]>,
}

impl Words {
    /// Those that `args` are.
    fn set(&mut self, args: &MultiValue) -> Result<(), &'static str> {
        if args.is_empty() {
            return Err("Please specify at least one argument for this redis lib call");
        }
        self.bytes.clear();
        self.ends.clear();
        for value in args {
            let bytes = &mut self.bytes;
            match value {
                Value::String(s) => bytes.extend_from_slice(&s.as_bytes()),
                Value::Integer(n) => bytes.extend_from_slice(double_text(*n as f64).as_bytes()),
                Value::Number(n) => bytes.extend_from_slice(double_text(*n).as_bytes()),
                _ => return Err("Lua redis lib command arguments must be strings or integers"),
            }
            self.ends.push(self.bytes.len());
        }
        Ok(())
    }

    fn slices(&self) -> SmallVec<[&[u8]; 8]> {
        let mut start = 0;
        let one = |end: &usize| &self.bytes[std::mem::replace(&mut start, *end)..*end];
        self.ends.iter().map(one).collect()
    }
}

/// `redis.call`, which raises errors, and `redis.pcall`, which returns them.
fn call(lua: &Lua, args: &MultiValue, raises: bool) -> mlua::Result<Value> {
    let refuse = |error: Vec<u8>| match raises {
        true => Err(Raised::Reply(error).error()),
        false => error_table(lua, &error),
    };
    let coded = |text: &str| {
        let code = if text.starts_with('-') { "" } else { "ERR " };
        [code.as_bytes(), text.trim_start_matches('-').as_bytes()].concat()
    };
    let ran = with_running(|running| {
        let Running { words, proto, .. } = running;
        words.set(args)?;
        let mut out = std::mem::take(&mut running.out);
        out.clear();
        out.set_proto(*proto);
        let called = running.host.call(&words.slices(), *proto, &mut out);
        called.map(|()| out)
    });
    let out = match ran {
        Some(Ok(out)) => out,
        Some(Err(text)) => return refuse(coded(&text)).and_then(noted),
        None => return refuse(coded("no script is running")),
    };
    let reply = reply_value(lua, &out, raises);
    with_running(|running| running.out = out);
    reply
}

fn reply_value(lua: &Lua, out: &Reply, raises: bool) -> mlua::Result<Value> {
    let bytes = out.as_bytes();
    if raises && out.is_error_at(0) {
        let end = bytes.len().saturating_sub(2);
        return Err(Raised::Reply(bytes[1..end].to_vec()).error());
    }
    let value = convert::from_reply(lua, bytes)?;
    let value = value.map_or(Value::Nil, |(value, _)| value);
    match out.is_error_at(0) {
        true => noted(value),
        false => Ok(value),
    }
}

/// An error of a command, with Redis's own note that it was counted, which scripts can see.
fn noted(error: Value) -> mlua::Result<Value> {
    if let Value::Table(table) = &error {
        table.raw_set("ignore_error_stats_update", true)?;
    }
    Ok(error)
}

fn error_table(lua: &Lua, text: &[u8]) -> mlua::Result<Value> {
    field(lua, "err", text)
}

fn field(lua: &Lua, name: &str, text: &[u8]) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set(name, lua.create_string(text)?)?;
    Ok(Value::Table(table))
}

fn acl_check_cmd(_: &Lua, args: MultiValue) -> mlua::Result<bool> {
    let mut words = Words::default();
    words.set(&args).map_err(failed)?;
    let may = with_running(|running| running.host.may_call(&words.slices())).flatten();
    may.ok_or_else(|| failed("Invalid command passed to redis.acl_check_cmd()"))
}

fn set_resp(_: &Lua, args: MultiValue) -> mlua::Result<()> {
    if args.len() != 1 {
        return Err(failed("redis.setresp() requires one argument."));
    }
    let proto = match super::bits::number(args.front()).map(|n| n as i64) {
        Some(2) => Proto::Resp2,
        Some(3) => Proto::Resp3,
        _ => return Err(failed("RESP version must be 2 or 3.")),
    };
    with_running(|running| running.proto = proto);
    Ok(())
}

fn set_repl(_: &Lua, args: MultiValue) -> mlua::Result<()> {
    if args.len() != 1 {
        return Err(failed("redis.set_repl() requires two arguments."));
    }
    let flags = super::bits::number(args.front()).unwrap_or_default() as i64;
    if flags & !3 != 0 {
        const TEXT: &str =
            "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(failed(TEXT));
    }
    with_running(|running| running.host.set_repl(flags & REPLICAS != 0));
    Ok(())
}

const WRONG_ARGUMENTS: &[u8] = b"ERR wrong number or type of arguments";

fn error_reply(lua: &Lua, args: MultiValue) -> mlua::Result<Value> {
    let (1, Some(Value::String(text))) = (args.len(), args.front()) else {
        return error_table(lua, WRONG_ARGUMENTS);
    };
    let text = text.as_bytes();
    let bare = text.strip_prefix(b"-").unwrap_or(&text);
    let bare = bare.trim_ascii_end();
    match bare.contains(&b' ') {
        true => error_table(lua, bare),
        false => error_table(lua, &[b"ERR ", bare].concat()),
    }
}

fn status_reply(lua: &Lua, args: MultiValue) -> mlua::Result<Value> {
    match (args.len(), args.front()) {
        (1, Some(Value::String(text))) => field(lua, "ok", &text.as_bytes()),
        _ => error_table(lua, WRONG_ARGUMENTS),
    }
}

fn log(_: &Lua, args: MultiValue) -> mlua::Result<()> {
    if args.len() < 2 {
        return Err(failed("redis.log() requires two arguments or more."));
    }
    let level = match args.front() {
        Some(Value::Integer(n)) => *n,
        Some(Value::Number(n)) => *n as i64,
        _ => return Err(failed("First argument must be a number (log level).")),
    };
    if !(0..=3).contains(&level) {
        return Err(failed("Invalid debug level."));
    }
    let words: Vec<Vec<u8>> = args.iter().skip(1).map(raise::shown).collect();
    with_running(|running| running.host.log(level, &words.join(&b' ')));
    Ok(())
}

fn sha1hex(_: &Lua, args: MultiValue) -> mlua::Result<String> {
    match (args.len(), args.front()) {
        (1, Some(text @ (Value::String(_) | Value::Number(_) | Value::Integer(_)))) => {
            Ok(Digest::of(&raise::shown(text)).as_str().to_owned())
        }
        // Other values are no text, as for C.
        (1, Some(_)) => Ok(Digest::of(b"").as_str().to_owned()),
        _ => Err(failed("wrong number of arguments")),
    }
}

/// The state of the generator: that of `drand48`, begun as it begins. One for all scripts, as in Redis.
static RANDOM: AtomicU64 = AtomicU64::new(0x1234_abcd << 16 | LOW);
const LOW: u64 = 0x330e;

/// Starts the random numbers from `seed`.
fn seed_random(seed: i32) {
    RANDOM.store(u64::from(seed as u32) << 16 | LOW, Relaxed);
}

/// The next 31 bits.
fn next_random() -> u32 {
    let state = RANDOM.load(Relaxed);
    let next = state.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & ((1 << 48) - 1);
    RANDOM.store(next, Relaxed);
    (next >> 17) as u32
}

/// `math.randomseed`.
pub(super) fn random_seed(lua: &Lua, args: MultiValue) -> mlua::Result<()> {
    match super::bits::number(args.front()) {
        Some(seed) => seed_random(seed as i64 as i32),
        None => return Err(raise::bad_type(lua, 1, "number", args.front())),
    }
    Ok(())
}

/// `math.random`.
pub(super) fn random(lua: &Lua, args: MultiValue) -> mlua::Result<f64> {
    const MAX: u32 = i32::MAX as u32;
    let r = f64::from(next_random() % MAX) / f64::from(MAX);
    let integer = |n: usize| match super::bits::number(args.get(n - 1)) {
        Some(number) => Ok((number as i64 as i32).into()),
        None => Err(raise::bad_type(lua, n, "number", args.get(n - 1))),
    };
    let (low, high): (f64, f64) = match args.len() {
        0 => return Ok(r),
        1 => (1.0, integer(1)?),
        2 => (integer(1)?, integer(2)?),
        _ => return Err(raise::error(lua, "wrong number of arguments")),
    };
    if low > high {
        return Err(raise::bad_argument(lua, args.len(), "interval is empty"));
    }
    Ok((r * (high - low + 1.0)).floor() + low)
}
