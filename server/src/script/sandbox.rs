//! Making a state, and compiling into it.

use super::raise::{self, Caught};
use super::{TICK, api, bits, cjson, msgpack, structs, with_running};
use mlua::{
    ChunkMode, Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState,
};

/// The source of what is written in Lua; it is never shown as the place of an error.
pub(super) const NAME: &str = "=sandbox";

/// Longer patterns are refused: Lua's matcher uses the stack of C for every item of one.
const PATTERN_MAX: usize = 4096;

/// A new state.
pub(super) struct Made {
    pub lua: Lua,
    pub env: Table,
    pub start: Function,
    pub apply: Function,
    pub loading: Table,
    pub handler: Function,
}

/// Makes a state with everything in it.
pub(super) fn make() -> mlua::Result<Made> {
    let libs = StdLib::STRING | StdLib::TABLE | StdLib::MATH;
    let lua = Lua::new_with(libs, LuaOptions::new().catch_rust_panics(false))?;
    let inside = lua.create_table()?;
    inside.set("unwrap", lua.create_function(unwrap)?)?;
    inside.set("readonly", lua.create_function(readonly)?)?;
    inside.set("nonexistent", lua.create_function(nonexistent)?)?;
    inside.set("random", lua.create_function(api::random)?)?;
    inside.set("randomseed", lua.create_function(api::random_seed)?)?;
    inside.set("string", guarded_strings(&lua)?)?;
    let libraries = lua.create_table()?;
    libraries.set("redis", api::redis(&lua)?)?;
    libraries.set("cjson", cjson::library(&lua)?)?;
    libraries.set("cmsgpack", msgpack::library(&lua)?)?;
    libraries.set("struct", structs::library(&lua)?)?;
    libraries.set("bit", bits::library(&lua)?)?;
    inside.set("libraries", libraries)?;
    inside.set("loading", super::library::loading(&lua)?)?;
    // Chunks that scripts load see what the script sees, which is there only after the sandbox has been made.
    let slot = lua.create_table()?;
    let of_load = slot.clone();
    let load =
        move |lua: &Lua, (body, name): (Value, Value)| load_chunk(lua, &of_load, &body, &name);
    inside.set("loadstring", lua.create_function(load)?)?;
    let of_load = slot.clone();
    let load = move |lua: &Lua, (pieces, name): (Value, Value)| {
        load_chunk(lua, &of_load, &collect(lua, &pieces)?, &name)
    };
    inside.set("load", lua.create_function(load)?)?;
    let (env, start, apply, loading): (Table, Function, Function, Table) = lua
        .load(include_str!("sandbox.lua"))
        .set_name(NAME)
        .call(inside)?;
    slot.raw_set(1, &env)?;
    let handler = lua.create_function(|lua, value: Value| {
        let caught = Caught::look(lua, &value);
        with_running(|running| running.error = Some(caught));
        Ok(())
    })?;
    let triggers = HookTriggers::new().every_nth_instruction(TICK);
    lua.set_global_hook(triggers, |_, _| match with_running(tick) {
        Some(Err(why)) => Err(raise::Raised::Killed(why).error()),
        _ => Ok(VmState::Continue),
    })?;
    Ok(Made {
        lua,
        env,
        start,
        apply,
        loading,
        handler,
    })
}

fn tick(running: &mut super::Running) -> Result<(), String> {
    if let Some(why) = &running.killed {
        return Err(why.clone());
    }
    let told = running.host.tick();
    running.killed = told.as_ref().err().cloned();
    told
}

/// Compiles source text; never what was compiled before, which could hold anything.
pub(super) fn compile(lua: &Lua, env: &Table, name: &str, body: &[u8]) -> Result<Function, String> {
    let chunk = lua.load(body).set_mode(ChunkMode::Text).set_name(name);
    chunk
        .set_environment(env.clone())
        .into_function()
        .map_err(|error| String::from_utf8_lossy(&raise::of_error(&error)).into_owned())
}

fn unwrap(lua: &Lua, (value, flat): (Value, bool)) -> mlua::Result<Value> {
    raise::unwrap(lua, value, flat)
}

fn readonly(lua: &Lua, _: MultiValue) -> mlua::Result<()> {
    Err(raise::error(lua, "Attempt to modify a readonly table"))
}

fn nonexistent(lua: &Lua, (_, name): (Value, Value)) -> mlua::Result<()> {
    let name = raise::shown(&name);
    let name = String::from_utf8_lossy(&name);
    let text = format!("Script attempted to access nonexistent global variable '{name}'");
    Err(raise::error(lua, &text))
}

/// `loadstring`: a function, or nil and what is wrong.
fn load_chunk(lua: &Lua, slot: &Table, body: &Value, name: &Value) -> mlua::Result<MultiValue> {
    let Value::String(body) = body else {
        return Err(raise::bad_type(lua, 1, "string", Some(body)));
    };
    let body = body.as_bytes();
    let name = match name {
        Value::String(name) => name.as_bytes().to_vec(),
        _ => body.to_vec(),
    };
    let name: Vec<u8> = name.into_iter().take_while(|b| *b != 0).collect();
    let env: Table = slot.raw_get(1)?;
    let loaded = compile(lua, &env, &String::from_utf8_lossy(&name), &body);
    Ok(match loaded {
        Ok(function) => MultiValue::from_vec(vec![Value::Function(function)]),
        Err(why) => MultiValue::from_vec(vec![Value::Nil, Value::String(lua.create_string(why)?)]),
    })
}

/// The pieces that the function given to `load` returns, together.
fn collect(lua: &Lua, pieces: &Value) -> mlua::Result<Value> {
    let Value::Function(next) = pieces else {
        return Err(raise::bad_type(lua, 1, "function", Some(pieces)));
    };
    let mut whole = Vec::new();
    loop {
        match next.call::<Value>(())? {
            Value::String(piece) if !piece.as_bytes().is_empty() => {
                whole.extend_from_slice(&piece.as_bytes());
                if whole.len() > super::MEMORY_MAX {
                    return Err(mlua::Error::MemoryError("chunk".to_owned()));
                }
            }
            Value::Nil | Value::String(_) => break,
            _ => return Err(raise::error(lua, "reader function must return a string")),
        }
    }
    Ok(Value::String(lua.create_string(whole)?))
}

/// `string.find` and its kin, with a limit to their patterns.
fn guarded_strings(lua: &Lua) -> mlua::Result<Table> {
    let (guarded, strings) = (lua.create_table()?, lua.globals().get::<Table>("string")?);
    for name in ["find", "match", "gmatch", "gsub", "gfind"] {
        let inner: Function = strings.get(name)?;
        let call = move |lua: &Lua, args: MultiValue| {
            if let Some(Value::String(pattern)) = args.get(1)
                && pattern.as_bytes().len() > PATTERN_MAX
                && !is_plain(&args)
            {
                return Err(raise::error(lua, "pattern too complex"));
            }
            inner
                .call::<MultiValue>(args)
                .map_err(|error| located(lua, name, error))
        };
        guarded.set(name, lua.create_function(call)?)?;
    }
    Ok(guarded)
}

/// `string.find(s, what, init, true)` looks for a string, not for a pattern.
fn is_plain(args: &MultiValue) -> bool {
    args.get(3)
        .is_some_and(|plain| !matches!(plain, Value::Nil | Value::Boolean(false)))
}

/// What Lua's function raised: it does not know its name and its caller, since we called it.
fn located(lua: &Lua, name: &str, error: mlua::Error) -> mlua::Error {
    const OWN: &[&str] = &[
        "bad argument",
        "malformed pattern",
        "unfinished capture",
        "invalid capture",
        "invalid pattern",
        "missing '['",
        "too many captures",
        "invalid replacement",
    ];
    if raise::raised(&error).is_some() {
        return error;
    }
    let text = raise::of_error(&error);
    let text = String::from_utf8_lossy(&text);
    if !OWN.iter().any(|own| text.starts_with(own)) {
        return raise::Raised::Text(text.into_owned().into_bytes()).error();
    }
    let named = text.replacen("to '?'", &format!("to '{name}'"), 1);
    let argument = named
        .strip_prefix("bad argument #")
        .and_then(|rest| rest.split_once(" to '"))
        .and_then(|(n, rest)| Some((n.parse().ok()?, rest.split_once("' (")?.1)));
    match argument {
        Some((n, why)) => raise::bad_argument(lua, n, why.strip_suffix(')').unwrap_or(why)),
        None => raise::error(lua, &named),
    }
}
