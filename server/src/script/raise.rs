//! Errors on their way through Lua.
//!
//! A function of ours that fails hands Lua an error object, which no script may see. So everything that catches
//! errors (`pcall` and its kin, and the handler of last resort) turns it into what Redis would have raised.

use super::with_running;
use crate::resp::decimal::general;
use mlua::{Error, Lua, Value};
use std::fmt;

/// What a function of ours raises.
#[derive(Clone, Debug)]
pub enum Raised {
    /// A string.
    Text(Vec<u8>),
    /// A table whose field `err` is this.
    Reply(Vec<u8>),
    /// The script has to end, whatever it catches.
    Killed(String),
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raised::Text(text) | Raised::Reply(text) => f.write_str(&String::from_utf8_lossy(text)),
            Raised::Killed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Raised {}

impl Raised {
    /// As the error that a function returns.
    pub fn error(self) -> Error {
        Error::external(self)
    }
}

/// What was raised, if it comes from a function of ours.
pub(super) fn raised(error: &Error) -> Option<&Raised> {
    error.chain().find_map(|e| e.downcast_ref::<Raised>())
}

/// Where the function that called the running one is: `user_script:1: `, or nothing if it is no Lua.
fn place(lua: &Lua) -> String {
    let at = lua.inspect_stack(1, |frame| {
        let line = frame.current_line()?;
        let source = frame.source().short_src?.into_owned();
        Some(format!("{source}:{line}: "))
    });
    at.flatten().unwrap_or_default()
}

/// An error with the place in front, as `luaL_error` raises it.
pub(super) fn error(lua: &Lua, text: &str) -> Error {
    let mut whole = place(lua).into_bytes();
    whole.extend_from_slice(text.as_bytes());
    Raised::Text(whole).error()
}

/// `bad argument #n to 'function' (text)`, as `luaL_argerror` raises it.
pub(super) fn bad_argument(lua: &Lua, n: usize, text: &str) -> Error {
    let names = lua.inspect_stack(0, |frame| {
        let names = frame.names();
        let method = names.name_what == Some("method");
        (names.name.map(|name| name.into_owned()), method)
    });
    let (name, method) = names.unwrap_or_default();
    let name = name.unwrap_or_else(|| "?".to_owned());
    if method && n == 1 {
        return error(lua, &format!("calling '{name}' on bad self ({text})"));
    }
    let n = n - usize::from(method);
    error(lua, &format!("bad argument #{n} to '{name}' ({text})"))
}

/// `bad argument #n to 'function' (expected expected, got ...)`.
pub(super) fn bad_type(lua: &Lua, n: usize, expected: &str, got: Option<&Value>) -> Error {
    let got = match got {
        None => "no value",
        Some(value) => type_name(value),
    };
    bad_argument(lua, n, &format!("{expected} expected, got {got}"))
}

/// The name of a value's type in Lua's words.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) | Value::Number(_) => "number",
        Value::LightUserData(_) | Value::UserData(_) | Value::Error(_) => "userdata",
        other => other.type_name(),
    }
}

/// An error that comes from Lua itself, or from the crate between it and us, in a line.
pub(super) fn of_error(error: &Error) -> Vec<u8> {
    if let Some(raised) = raised(error) {
        return raised.to_string().into_bytes();
    }
    match error {
        Error::MemoryError(_) => b"not enough memory".to_vec(),
        Error::RuntimeError(text) => first_line(text),
        Error::SyntaxError { message, .. } => first_line(message),
        Error::CallbackError { cause, .. } => of_error(cause),
        other => first_line(&other.to_string()),
    }
}

/// Without the traceback that may follow.
fn first_line(text: &str) -> Vec<u8> {
    let end = text.find("\nstack traceback:").unwrap_or(text.len());
    text.as_bytes()[..end].to_vec()
}

/// What `tostring` makes of a value that has no say in it.
pub(super) fn shown(value: &Value) -> Vec<u8> {
    match value {
        Value::String(s) => s.as_bytes().to_vec(),
        Value::Error(error) => of_error(error),
        Value::Number(n) => number_text(*n),
        Value::Integer(n) => number_text(*n as f64),
        Value::Nil => b"nil".to_vec(),
        Value::Boolean(b) => b.to_string().into_bytes(),
        other => format!("{}: {:p}", type_name(other), other.to_pointer()).into_bytes(),
    }
}

/// A number as Lua prints it.
pub(super) fn number_text(n: f64) -> Vec<u8> {
    general(n, 14).into_bytes()
}

/// The error a script ended with.
pub(super) struct Caught {
    text: Vec<u8>,
    /// Source and line.
    place: Option<(String, usize)>,
}

impl Caught {
    /// Looks at what was raised, from within the handler of errors.
    pub fn look(lua: &Lua, value: &Value) -> Caught {
        let prefixed = |mut text: Vec<u8>| {
            text.splice(0..0, *b"ERR ");
            text
        };
        let text = match value {
            Value::Table(table) => match table.raw_get::<Value>("err") {
                Ok(Value::String(text)) => text.as_bytes().to_vec(),
                _ => b"ERR unknown error".to_vec(),
            },
            Value::Error(error) => match raised(error) {
                Some(Raised::Reply(text)) => text.clone(),
                Some(Raised::Text(text)) => prefixed(text.clone()),
                Some(Raised::Killed(why)) => prefixed(why.clone().into_bytes()),
                None => prefixed(of_error(error)),
            },
            other => prefixed(shown(other)),
        };
        Caught {
            text,
            place: Caught::place(lua),
        }
    }

    /// The place in the script where it was raised: above functions of C, and of our own.
    fn place(lua: &Lua) -> Option<(String, usize)> {
        const DEEP: usize = 10;
        (1..DEEP).find_map(|level| {
            let at = lua.inspect_stack(level, |frame| {
                let (source, line) = (frame.source(), frame.current_line()?);
                let name = source.source?.into_owned();
                (source.what != "C" && name != super::sandbox::NAME).then_some((name, line))
            });
            at.flatten()
        })
    }

    /// The error reply, where the script is called `name`.
    pub fn reply(self, name: &str) -> Vec<u8> {
        let mut reply = super::convert::c_text(&self.text).to_vec();
        if let Some((source, line)) = self.place {
            reply.extend(format!(" script: {name}, on {source}:{line}.").bytes());
        }
        reply
    }
}

/// The error reply of a script whose error could not be looked at.
pub(super) fn failure(name: &str, text: &[u8]) -> Vec<u8> {
    const SHOWN: usize = 100;
    let mut reply = format!("ERR Error running script {name}, ").into_bytes();
    reply.extend_from_slice(&text[..text.len().min(SHOWN)]);
    reply
}

/// The value that a script sees of an error it caught; an error again if it must not catch it.
pub(super) fn unwrap(lua: &Lua, value: Value, flat: bool) -> mlua::Result<Value> {
    if let Some(why) = with_running(|running| running.killed.clone()).flatten() {
        return Err(Raised::Killed(why).error());
    }
    let text = match &value {
        Value::Error(error) => match raised(error) {
            Some(Raised::Reply(text)) if !flat => {
                let table = lua.create_table()?;
                table.raw_set("err", lua.create_string(text)?)?;
                return Ok(Value::Table(table));
            }
            Some(Raised::Reply(text) | Raised::Text(text)) => text.clone(),
            Some(Raised::Killed(why)) => return Err(Raised::Killed(why.clone()).error()),
            None => of_error(error),
        },
        // As in Redis, `pcall` shows the text of an error reply instead of the table.
        Value::Table(table) if flat => match table.raw_get::<Value>("err")? {
            text @ (Value::String(_) | Value::Number(_) | Value::Integer(_)) => return Ok(text),
            _ => return Ok(value),
        },
        _ => return Ok(value),
    };
    Ok(Value::String(lua.create_string(text)?))
}
