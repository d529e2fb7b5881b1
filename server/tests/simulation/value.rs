//! What a server says to a client, and the connection it says it on.

use damselfly_server::sys::net::TcpStream;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Value>),
}

impl Value {
    /// The first value of `bytes` and its length; none if there is more to come.
    ///
    /// # Errors
    /// It is no reply.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Value, usize)>, String> {
        let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let line = String::from_utf8_lossy(&bytes[1..end]).into_owned();
        let after = end + 2;
        let number = || {
            line.parse::<i64>()
                .map_err(|_| format!("no number: {line}"))
        };
        Ok(Some(match bytes[0] {
            b'+' => (Value::Text(line), after),
            b'-' => (Value::Error(line), after),
            b':' => (Value::Int(number()?), after),
            b'$' | b'*' if number()? < 0 => (Value::Nil, after),
            b'$' => {
                let len = number()? as usize;
                match bytes.get(after..after + len + 2) {
                    None => return Ok(None),
                    Some(bulk) => (Value::Bulk(bulk[..len].to_vec()), after + len + 2),
                }
            }
            b'*' => {
                let (mut items, mut at) = (Vec::new(), after);
                for _ in 0..number()? {
                    match Value::parse(&bytes[at..])? {
                        None => return Ok(None),
                        Some((item, len)) => {
                            items.push(item);
                            at += len;
                        }
                    }
                }
                (Value::Array(items), at)
            }
            other => return Err(format!("no reply begins with {other}")),
        }))
    }

    /// The error, if it is one.
    pub fn error(&self) -> Option<&str> {
        match self {
            Value::Error(text) => Some(text),
            _ => None,
        }
    }

    /// The items of an array.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// In short, for a story.
    pub fn shown(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Error(text) => format!("-{text}"),
            other => format!("{other:?}"),
        }
    }
}

/// A client's connection.
pub struct Conn {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Conn {
    /// Connects to a host.
    pub async fn open(host: u8) -> io::Result<Conn> {
        let stream = TcpStream::connect(&([10, 0, 0, host], super::cluster::PORT).into()).await?;
        let unread = Vec::new();
        Ok(Conn { stream, unread })
    }

    /// The replies to some commands, sent at once.
    pub async fn ask(&mut self, commands: &[&[&str]]) -> io::Result<Vec<Value>> {
        let mut bytes = Vec::new();
        for command in commands {
            bytes.extend(format!("*{}\r\n", command.len()).bytes());
            for word in *command {
                bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
            }
        }
        self.stream.write_all(&bytes).await?;
        let mut replies = Vec::new();
        while replies.len() < commands.len() {
            match Value::parse(&self.unread).map_err(io::Error::other)? {
                Some((reply, len)) => {
                    self.unread.drain(..len);
                    replies.push(reply);
                }
                None if self.stream.read_buf(&mut self.unread).await? == 0 => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                None => {}
            }
        }
        Ok(replies)
    }

    /// The reply to one command.
    pub async fn call(&mut self, command: &[&str]) -> io::Result<Value> {
        let replies = self.ask(&[command]).await?;
        replies
            .into_iter()
            .next()
            .ok_or_else(|| io::Error::other("no reply"))
    }
}
