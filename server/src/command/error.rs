//! Errors that commands answer, in Redis's words.

use std::borrow::Cow;

/// Why a command was refused. Nothing was changed when a handler returns one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CmdError {
    /// The key holds another type.
    WrongType,
    /// Options that do not fit together, or are unknown.
    Syntax,
    /// Not an integer of 64 bits.
    NotInteger,
    /// Not a float.
    NotFloat,
    /// The key the command needs is not there.
    NoSuchKey,
    /// An index beyond the value's end.
    IndexOutOfRange,
    /// Too few or too many arguments for what their values ask for; holds the command's name.
    Arity(&'static str),
    /// Another text, with its code in front: `ERR ...`.
    Text(Cow<'static, str>),
}

impl CmdError {
    /// An error with a text of its own, which begins with a code.
    pub const fn text(text: &'static str) -> CmdError {
        CmdError::Text(Cow::Borrowed(text))
    }

    /// An error whose text is made up at run time, code included.
    pub fn formatted(text: String) -> CmdError {
        CmdError::Text(Cow::Owned(text))
    }

    /// The reply, without the leading `-`.
    pub fn message(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            CmdError::WrongType => {
                "WRONGTYPE Operation against a key holding the wrong kind of value"
            }
            CmdError::Syntax => "ERR syntax error",
            CmdError::NotInteger => "ERR value is not an integer or out of range",
            CmdError::NotFloat => "ERR value is not a valid float",
            CmdError::NoSuchKey => "ERR no such key",
            CmdError::IndexOutOfRange => "ERR index out of range",
            CmdError::Arity(name) => {
                let text = format!("ERR wrong number of arguments for '{name}' command");
                return Cow::Owned(text);
            }
            CmdError::Text(text) => return text.clone(),
        })
    }
}
