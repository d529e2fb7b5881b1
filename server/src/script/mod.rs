//! Scripts: the Lua state they run in, and what they find there.
//!
//! There is one state for the whole server, since a script runs while the world stands still. Everything a script
//! may call is given to it here; what its commands do is up to the [`Host`] that runs it. The state has Lua's own
//! libraries without those that reach outside, and `cjson`, `cmsgpack`, `struct` and `bit` as Redis has them.

mod api;
mod bits;
mod cjson;
mod convert;
mod digest;
pub mod library;
mod msgpack;
mod raise;
mod sandbox;
mod shebang;
mod structs;

pub use convert::to_reply;
pub use digest::Digest;
pub use raise::Raised;
pub use shebang::{Flags, Shebang};

use crate::resp::Reply;
use crate::resp::reply::Proto;
use api::Words;
use mlua::{Function, Lua, Table, Value};
use raise::Caught;
use std::any::Any;
use std::cell::RefCell;

/// Bytes that a script may allocate in its state beyond what is there before it.
const MEMORY_MAX: usize = if cfg!(test) { 48 << 20 } else { 512 << 20 };
/// Instructions between two looks at the clock.
const TICK: u32 = 100_000;

/// What a script may ask of the server.
pub trait Host: Any + Send {
    /// Runs a command, and replies in `proto`; an error in Redis's words, its code in front or (with no `-`) none.
    fn call(&mut self, args: &[&[u8]], proto: Proto, out: &mut Reply) -> Result<(), String>;
    /// `redis.set_repl`: whether replicas are told of what follows.
    fn set_repl(&mut self, replicas: bool);
    /// `redis.acl_check_cmd`; `None`: there is no such command.
    fn may_call(&self, args: &[&[u8]]) -> Option<bool>;
    /// `redis.log`.
    fn log(&self, level: i64, text: &[u8]);
    /// Some time has passed.
    ///
    /// # Errors
    /// Why the script must end here.
    fn tick(&mut self) -> Result<(), String>;
}

/// What belongs to the script being run by a thread.
struct Running {
    host: Box<dyn Host>,
    /// The protocol of the replies that its commands get.
    proto: Proto,
    /// Why it has to end, once it has to.
    killed: Option<String>,
    /// The error it ended with.
    error: Option<Caught>,
    /// For the arguments of its commands, and for the replies to them.
    words: Words,
    out: Reply,
}

thread_local! {
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// Has `use_it` work on the script that runs; `None` if none does.
fn with_running<T>(use_it: impl FnOnce(&mut Running) -> T) -> Option<T> {
    RUNNING.with_borrow_mut(|running| running.as_mut().map(use_it))
}

/// How a script ended.
pub struct Ended {
    /// Who ran it.
    pub host: Box<dyn Host>,
    /// What it returned, or the error reply (without its `-`).
    pub result: Result<Value, Vec<u8>>,
    /// The protocol it chose for itself.
    pub proto: Proto,
}

/// A Lua state with everything that scripts may use.
pub struct Engine {
    lua: Lua,
    /// The table of globals, as scripts see it: nothing can be set in it.
    env: Table,
    /// Calls a script that finds its two arguments in `KEYS` and `ARGV`, errors going to a handler.
    start: Function,
    /// The same of a function with two arguments.
    apply: Function,
    /// What stands in the place of the globals while a library is loaded.
    loading: Table,
    handler: Function,
}

/// A compiled script.
pub type Compiled = Function;

impl Engine {
    /// A fresh state.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new() -> mlua::Result<Engine> {
        let made = sandbox::make()?;
        Ok(Engine {
            lua: made.lua,
            env: made.env,
            start: made.start,
            apply: made.apply,
            loading: made.loading,
            handler: made.handler,
        })
    }

    /// Bytes the state takes.
    pub fn memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// Compiles a script whose lines errors call `name`.
    ///
    /// # Errors
    /// What is wrong with it, in Lua's words.
    pub fn compile(&self, name: &str, body: &[u8]) -> Result<Compiled, String> {
        self.limited(|| sandbox::compile(&self.lua, &self.env, name, body))
    }

    /// Runs a script with its keys and arguments in `KEYS` and `ARGV`.
    pub fn eval(
        &self,
        script: &Compiled,
        name: &str,
        keys: &[&[u8]],
        args: &[&[u8]],
        host: Box<dyn Host>,
    ) -> Ended {
        self.run(name, host, || self.call(&self.start, script, keys, args))
    }

    /// Has `how` call `what` with tables of `keys` and `args`.
    fn call(
        &self,
        how: &Function,
        what: &Function,
        keys: &[&[u8]],
        args: &[&[u8]],
    ) -> mlua::Result<(bool, Value)> {
        let (keys, args) = (self.strings(keys)?, self.strings(args)?);
        self.limited(|| how.call((what, &self.handler, keys, args)))
    }

    /// Runs what may allocate without end. Not all the time, since every step towards a limited state is taken with care
    /// for errors, which costs more than the step.
    fn limited<T>(&self, run: impl FnOnce() -> T) -> T {
        let limit = self.lua.used_memory().saturating_add(MEMORY_MAX);
        let _ = self.lua.set_memory_limit(limit);
        let ran = run();
        let _ = self.lua.set_memory_limit(0);
        ran
    }

    /// Has `load` run while scripts see nothing but what the code of a library may use.
    fn while_loading<T>(&self, load: impl FnOnce() -> mlua::Result<T>) -> mlua::Result<T> {
        const INDEX: &str = "__index";
        let meta = self.env.metatable();
        let meta = meta.ok_or_else(|| mlua::Error::runtime("no metatable"))?;
        let globals: Value = meta.raw_get(INDEX)?;
        meta.raw_set(INDEX, &self.loading)?;
        let loaded = load();
        meta.raw_set(INDEX, globals)?;
        loaded
    }

    fn strings(&self, all: &[&[u8]]) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(all.len(), 0)?;
        for (i, one) in all.iter().enumerate() {
            table.raw_set(i + 1, self.lua.create_string(one)?)?;
        }
        Ok(table)
    }

    fn run(
        &self,
        name: &str,
        host: Box<dyn Host>,
        start: impl FnOnce() -> mlua::Result<(bool, Value)>,
    ) -> Ended {
        let running = Running {
            host,
            proto: Proto::Resp2,
            killed: None,
            error: None,
            words: Words::default(),
            out: Reply::default(),
        };
        RUNNING.set(Some(running));
        let returned = start();
        let Some(running) = RUNNING.take() else {
            unreachable!("only this function ends a script");
        };
        let result = match (returned, running.error) {
            (Ok((true, value)), _) => Ok(value),
            (_, Some(caught)) => Err(caught.reply(name)),
            (Ok((false, value)), None) => Err(raise::failure(name, &raise::shown(&value))),
            (Err(error), None) => Err(raise::failure(name, &raise::of_error(&error))),
        };
        Ended {
            host: running.host,
            result,
            proto: running.proto,
        }
    }

    /// Lets go of what a big script has left behind.
    pub fn tidy(&self) {
        const MUCH: usize = 64 << 20;
        if self.lua.used_memory() > MUCH {
            let _ = self.lua.gc_collect();
        }
    }
}

#[cfg(test)]
mod tests;
