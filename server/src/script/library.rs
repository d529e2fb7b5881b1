//! Libraries of functions: loading their code to see what it registers, and calling that.

use super::raise::{self, Raised};
use super::{Ended, Engine, Flags, Host, Proto, Reply};
use crate::resp::parse::words;
use crate::store::libraries::{FunctionInfo, Library};
use crate::sys::time::Instant;
use mlua::{Function, Lua, MultiValue, Table, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long the code of a library may run when it is loaded.
const LOAD_TIME: Duration = Duration::from_millis(500);

/// What the code being loaded has registered.
type Registered = Vec<(FunctionInfo, Function)>;

thread_local! {
    static LOADING: RefCell<Option<Registered>> = const { RefCell::new(None) };
}

/// Nothing of a state stays behind with a thread, not even by a panic: another thread may use it next.
struct Left;

impl Drop for Left {
    fn drop(&mut self) {
        LOADING.take();
    }
}

/// Only functions can be called while a library is loaded; commands cannot.
struct Loading(Instant);

impl Host for Loading {
    fn call(&mut self, _: &[&[u8]], _: Proto, _: &mut Reply) -> Result<(), String> {
        Err("redis.call can only be called inside a script invocation".to_owned())
    }
    fn set_repl(&mut self, _: bool) {}
    fn may_call(&self, _: &[&[u8]]) -> Option<bool> {
        None
    }
    fn log(&self, _: i64, text: &[u8]) {
        tracing::info!("function library: {}", String::from_utf8_lossy(text));
    }
    fn tick(&mut self) -> Result<(), String> {
        match self.0.elapsed() > LOAD_TIME {
            true => Err("FUNCTION LOAD timeout".to_owned()),
            false => Ok(()),
        }
    }
}

/// The name in the first line of `code`, and the rest of it.
fn metadata(code: &[u8]) -> Result<(String, &[u8]), String> {
    if !code.starts_with(b"#!") {
        return Err("Missing library metadata".to_owned());
    }
    let invalid = || "Invalid library metadata".to_owned();
    let end = memchr::memchr(b'\n', code).ok_or_else(invalid)?;
    let words = words(&code[..end]).ok_or_else(invalid)?;
    let words: Vec<_> = words.iter().map(|w| String::from_utf8_lossy(w)).collect();
    let mut words = words.iter();
    let engine = words.next().ok_or_else(invalid)?[2..].to_owned();
    let mut name = None;
    for word in words {
        let value = word
            .get(..5)
            .filter(|key| key.eq_ignore_ascii_case("name="))
            .map(|_| &word[5..]);
        match value {
            Some(_) if name.is_some() => {
                let text = "Invalid metadata value, name argument was given multiple times";
                return Err(text.to_owned());
            }
            Some(value) => name = Some(value.to_owned()),
            None => return Err(format!("Invalid metadata value given: {word}")),
        }
    }
    let name = name.ok_or("Library name was not given")?;
    if !is_name(&name) {
        return Err(format!("Library {NAMES}"));
    }
    if !engine.eq_ignore_ascii_case("lua") {
        return Err(format!("Engine '{engine}' not found"));
    }
    Ok((name, &code[end..]))
}

const NAMES: &str = "names can only contain letters, numbers, or underscores(_) and must be at least one character long";

fn is_name(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty() && name.bytes().all(known)
}

/// The name of the library that `code` is.
///
/// # Errors
/// What is wrong with its first line.
pub fn name(code: &[u8]) -> Result<String, String> {
    metadata(code).map(|(name, _)| name)
}

/// The library that `code` is, with what it registers.
///
/// # Errors
/// What is wrong with it, in Redis's words and without a code.
pub fn load(code: &[u8]) -> Result<Library, String> {
    let (name, body) = metadata(code)?;
    let engine = Engine::new().map_err(|error| error.to_string())?;
    let registered = run(&engine, body)?;
    if registered.is_empty() {
        return Err("No functions registered".to_owned());
    }
    let mut functions: Vec<FunctionInfo> = registered.into_iter().map(|(info, _)| info).collect();
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Library {
        name,
        code: code.to_vec(),
        functions,
    })
}

fn run(engine: &Engine, body: &[u8]) -> Result<Registered, String> {
    let compiled = engine
        .compile("@user_function", body)
        .map_err(|why| format!("Error compiling function: {why}"))?;
    let _left = Left;
    LOADING.set(Some(Vec::new()));
    let host = Box::new(Loading(Instant::now()));
    let mut failed = None;
    engine.run("", host, || {
        let call = || engine.limited(|| compiled.call::<()>(()));
        failed = engine.while_loading(call).err();
        Ok((true, Value::Nil))
    });
    let registered = LOADING.take().unwrap_or_default();
    let Some(error) = failed else {
        return Ok(registered);
    };
    let text = String::from_utf8_lossy(&raise::of_error(&error)).into_owned();
    let text = text.strip_prefix("ERR ").unwrap_or(&text);
    Err(format!("Error registering functions: ERR {text}"))
}

/// A function to be called.
pub struct Found {
    /// Itself.
    pub function: Function,
    /// Its name as it was registered.
    pub name: String,
    /// What it declares.
    pub flags: Flags,
}

/// The engine of functions, and what it has loaded.
pub struct Functions {
    engine: Engine,
    loaded: HashMap<String, (Arc<Library>, HashMap<String, Function>)>,
}

// SAFETY: as for the cache of scripts: all handles of the state are in here, and what is taken out is dropped under the lock.
unsafe impl Send for Functions {}

impl Functions {
    /// An engine without libraries.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new() -> mlua::Result<Functions> {
        Ok(Functions {
            engine: Engine::new()?,
            loaded: HashMap::new(),
        })
    }

    /// Bytes the state takes.
    pub fn memory(&self) -> usize {
        self.engine.memory()
    }

    /// Function `name` of `library`, and its flags; loads the library if it is not, or another of its name is.
    ///
    /// # Errors
    /// The error reply: it can no longer be loaded.
    pub fn find(&mut self, library: &Arc<Library>, name: &str) -> Result<Found, String> {
        let known = self.loaded.get(&library.name);
        if !known.is_some_and(|(loaded, _)| Arc::ptr_eq(loaded, library)) {
            let (_, body) = metadata(&library.code)?;
            let all = run(&self.engine, body)?;
            let all = all.into_iter().map(|(info, f)| (info.name, f)).collect();
            self.loaded
                .insert(library.name.clone(), (Arc::clone(library), all));
        }
        let (_, functions) = &self.loaded[&library.name];
        let found = library
            .function(name)
            .and_then(|info| Some((info, functions.get(&info.name)?)));
        let Some((info, function)) = found else {
            return Err("Function not found".to_owned());
        };
        Ok(Found {
            function: function.clone(),
            name: info.name.clone(),
            flags: Flags::of(info),
        })
    }

    /// Calls a function with its keys and arguments.
    pub fn call(
        &self,
        found: &Found,
        keys: &[&[u8]],
        args: &[&[u8]],
        host: Box<dyn Host>,
    ) -> Ended {
        let engine = &self.engine;
        engine.run(&found.name, host, || {
            engine.call(&engine.apply, &found.function, keys, args)
        })
    }

    /// Lets go of what a big function has left behind.
    pub fn tidy(&self) {
        self.engine.tidy();
    }
}

/// The name of a flag, as the list of a function's flags has it.
fn known_flag(name: &[u8]) -> Option<&'static str> {
    super::shebang::names().find(|known| known.as_bytes() == name)
}

/// `redis.register_function`.
pub(super) fn register(lua: &Lua, args: MultiValue) -> mlua::Result<()> {
    let failed = |text: &str| Err(Raised::Reply([b"ERR ", text.as_bytes()].concat()).error());
    let loading = LOADING.with_borrow(Option::is_some);
    if !loading {
        return failed("redis.register_function can only be called on FUNCTION LOAD command");
    }
    let (info, function) = match parse(lua, &args) {
        Ok(parsed) => parsed,
        Err(text) => return failed(&text),
    };
    LOADING.with_borrow_mut(|all| {
        let all = all.get_or_insert_default();
        if all.iter().any(|(other, _)| other.name == info.name) {
            return failed("Function already exists in the library");
        }
        all.push((info, function));
        Ok(())
    })
}

fn parse(lua: &Lua, args: &MultiValue) -> Result<(FunctionInfo, Function), String> {
    let (name, function, description, flags) = match (args.len(), args.front(), args.get(1)) {
        (2, Some(name), Some(function)) => {
            let Some(name) = string(lua, name)? else {
                return Err("first argument to redis.register_function must be a string".to_owned());
            };
            let Value::Function(function) = function else {
                let text = "second argument to redis.register_function must be a function";
                return Err(text.to_owned());
            };
            (name, function.clone(), None, Vec::new())
        }
        (1, Some(Value::Table(table)), _) => named(lua, table)?,
        (1, ..) => {
            return Err("calling redis.register_function with a single argument is only applicable to Lua table \
                 (representing named arguments)."
                .to_owned());
        }
        _ => return Err("wrong number of arguments to redis.register_function".to_owned()),
    };
    let name = name.to_string_lossy();
    if !is_name(&name) {
        // As in Redis.
        return Err(format!("Library {NAMES}"));
    }
    let info = FunctionInfo {
        name,
        description,
        flags,
    };
    Ok((info, function))
}

/// What counts as a string in Lua: a number, too.
fn string(lua: &Lua, value: &Value) -> Result<Option<mlua::String>, String> {
    match value {
        Value::String(_) | Value::Number(_) | Value::Integer(_) => lua
            .coerce_string(value.clone())
            .map_err(|error| error.to_string()),
        _ => Ok(None),
    }
}

type Named = (mlua::String, Function, Option<Vec<u8>>, Vec<&'static str>);

/// The arguments in a table.
fn named(lua: &Lua, table: &Table) -> Result<Named, String> {
    let (mut name, mut function, mut description, mut flags) = (None, None, None, Vec::new());
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|e| e.to_string())?;
        let Some(key) = string(lua, &key)? else {
            let text = "named argument key given to redis.register_function is not a string";
            return Err(text.to_owned());
        };
        let must = |what: &str, be: &str| {
            Err(format!(
                "{what} argument given to redis.register_function must be {be}"
            ))
        };
        match (&*key.as_bytes(), value) {
            (b"function_name", value) => match string(lua, &value)? {
                Some(text) => name = Some(text),
                None => return must("function_name", "a string"),
            },
            (b"description", value) => match string(lua, &value)? {
                Some(text) => description = Some(text.as_bytes().to_vec()),
                None => return must("description", "a string"),
            },
            (b"callback", Value::Function(f)) => function = Some(f),
            (b"callback", _) => return must("callback", "a function"),
            (b"flags", Value::Table(all)) => {
                for flag in all.sequence_values::<Value>() {
                    let flag = flag.map_err(|e| e.to_string())?;
                    let known = match &flag {
                        Value::String(flag) => known_flag(&flag.as_bytes()),
                        _ => None,
                    };
                    flags.push(known.ok_or("unknown flag given")?);
                }
            }
            (b"flags", _) => {
                let text = "flags argument to redis.register_function must be a table representing function flags";
                return Err(text.to_owned());
            }
            _ => return Err("unknown argument given to redis.register_function".to_owned()),
        }
    }
    let name = name.ok_or("redis.register_function must get a function name argument")?;
    let function = function.ok_or("redis.register_function must get a callback argument")?;
    flags.sort_by_key(|flag| super::shebang::names().position(|known| known == *flag));
    flags.dedup();
    Ok((name, function, description, flags))
}

/// What the code of a library finds under `redis`.
pub(super) fn loading(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("register_function", lua.create_function(register)?)?;
    super::api::common(lua, &table)?;
    Ok(table)
}
