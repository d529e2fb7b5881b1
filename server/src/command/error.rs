//! Errors that commands answer, in Redis's words.

use crate::resp::reply::without_breaks;
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
    /// Another text, with its code in front: `ERR ...`. It may hold what a client sent.
    Text(Cow<'static, [u8]>),
}

impl CmdError {
    /// An error with a text of its own, which begins with a code.
    pub const fn text(text: &'static str) -> CmdError {
        CmdError::Text(Cow::Borrowed(text.as_bytes()))
    }

    /// An error whose text is made up at run time, code included.
    pub fn formatted(text: String) -> CmdError {
        CmdError::Text(Cow::Owned(text.into_bytes()))
    }

    /// An error whose text repeats what a client sent: each `{}` in it is one of the words. As where
    /// Redis makes it by a format, line breaks at its end go.
    pub fn repeating(text: &str, words: &[&[u8]]) -> CmdError {
        let (mut parts, mut words) = (text.split("{}"), words.iter());
        let mut message = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            message.extend_from_slice(shown(words.next().copied().unwrap_or_default()));
            message.extend_from_slice(part.as_bytes());
        }
        message.truncate(without_breaks(&message).len());
        CmdError::Text(Cow::Owned(message))
    }

    /// The error about the arguments of a container's subcommand, which `args[1]` names.
    pub fn bad_subcommand(args: &[&[u8]]) -> CmdError {
        let name = args.get(1).copied().unwrap_or_default();
        let (container, name) = (args[0].to_ascii_uppercase(), shown_up_to(name, 128));
        let text = "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.";
        CmdError::repeating(text, &[name, &container])
    }

    /// The reply, without the leading `-`.
    pub fn message(&self) -> Cow<'static, [u8]> {
        let text = match self {
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
                return Cow::Owned(text.into_bytes());
            }
            CmdError::Text(text) => return text.clone(),
        };
        Cow::Borrowed(text.as_bytes())
    }
}

/// What a client sent, as an error repeats it: C ends text at a zero.
pub(crate) fn shown(arg: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, arg).unwrap_or(arg.len());
    &arg[..end]
}

/// [`shown`], and no more than so many bytes.
pub(crate) fn shown_up_to(arg: &[u8], max: usize) -> &[u8] {
    let arg = shown(arg);
    &arg[..arg.len().min(max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_sent_is_repeated_as_c_repeats_it() {
        let text = |words: &[&[u8]]| CmdError::repeating("ERR '{}' and {}", words).message();
        assert_eq!(*text(&[b"a\xff", b"b"]), *b"ERR 'a\xff' and b");
        assert_eq!(*text(&[b"a\0b", b"\0"]), *b"ERR 'a' and ");
        assert_eq!(*text(&[b"\r\na\n", b"b\r\n\n"]), *b"ERR '\r\na\n' and b");
        assert_eq!(shown_up_to(b"abc\0d", 2), b"ab");
    }
}
