//! One connection to a master: a socket, and the bytes that came and were not looked at yet.
//!
//! What a peer may make us hold is bounded here: lines, replies, and how much is read at once.

use crate::sys::net::TcpStream;
use std::fmt;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The longest line taken from a peer, in bytes.
pub const LINE_MAX: usize = 16 << 10;
/// The longest bulk reply taken while greeting, in bytes.
const BULK_MAX: usize = 1 << 20;
/// How much is read at once, in bytes.
const READ_SIZE: usize = 64 << 10;
/// So much of what a peer said is shown in errors and logs, in characters.
const SHOWN: usize = 160;

/// Why nothing can be had from a peer any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// It closed the connection.
    #[error("it closed the connection")]
    Closed,
    /// The connection failed.
    #[error("{0}")]
    Io(io::ErrorKind),
    /// It does not speak the protocol.
    #[error("it does not speak the protocol: {0}")]
    Garbage(String),
}

impl From<io::Error> for PeerError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => PeerError::Closed,
            kind => PeerError::Io(kind),
        }
    }
}

/// A reply to one command of the greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// `+text`, `:number`.
    Status(String),
    /// `-text`.
    Error(String),
    /// `$` and its bytes; a null is empty.
    Bulk(Vec<u8>),
}

/// A connection to a master.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    buf: Vec<u8>,
    /// Bytes of `buf` already taken.
    at: usize,
}

impl Peer {
    /// A peer of which nothing has been read.
    pub fn new(stream: TcpStream) -> Self {
        Peer {
            stream,
            buf: Vec::new(),
            at: 0,
        }
    }

    /// A peer that was taken apart by [`Peer::into_parts`].
    pub fn from_parts(stream: TcpStream, unread: Vec<u8>) -> Self {
        Peer {
            stream,
            buf: unread,
            at: 0,
        }
    }

    /// The socket and the bytes that came and were not taken.
    pub fn into_parts(mut self) -> (TcpStream, Vec<u8>) {
        self.buf.drain(..self.at);
        (self.stream, self.buf)
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What came and was not taken.
    pub fn unread(&self) -> &[u8] {
        &self.buf[self.at..]
    }

    /// Takes `n` bytes of [`Peer::unread`].
    pub fn take(&mut self, n: usize) {
        self.at = (self.at + n).min(self.buf.len());
        if self.at == self.buf.len() {
            self.buf.clear();
            self.at = 0;
            if self.buf.capacity() > 4 * READ_SIZE {
                self.buf = Vec::new();
            }
        }
    }

    /// Waits for more bytes. Can be cancelled without loss.
    ///
    /// # Errors
    /// The connection is at its end.
    pub async fn fill(&mut self) -> Result<usize, PeerError> {
        if self.at > 0 && self.at >= self.buf.len() / 2 {
            self.buf.drain(..self.at);
            self.at = 0;
        }
        self.buf.reserve(READ_SIZE);
        match self.stream.read_buf(&mut self.buf).await? {
            0 => Err(PeerError::Closed),
            n => Ok(n),
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection is at its end.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), PeerError> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Sends one command.
    ///
    /// # Errors
    /// The connection is at its end.
    pub async fn command(&mut self, args: &[&[u8]]) -> Result<(), PeerError> {
        self.send(&encode(args)).await
    }

    /// The next line, without its end. Can be cancelled without loss.
    ///
    /// # Errors
    /// The connection is at its end, or the line does not end.
    pub async fn line(&mut self) -> Result<Vec<u8>, PeerError> {
        let mut searched = 0;
        loop {
            let unread = self.unread();
            if let Some(i) = memchr::memchr(b'\n', &unread[searched..]) {
                let end = searched + i;
                let line = &unread[..end];
                let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
                self.take(end + 1);
                return Ok(line);
            }
            searched = unread.len();
            if searched > LINE_MAX {
                return Err(PeerError::Garbage("a line without an end".into()));
            }
            self.fill().await?;
        }
    }

    /// The next line that is not empty: a master that is busy sends empty ones to show it lives.
    ///
    /// # Errors
    /// As [`Peer::line`].
    pub async fn line_after_pings(&mut self) -> Result<Vec<u8>, PeerError> {
        loop {
            let line = self.line().await?;
            if !line.is_empty() {
                return Ok(line);
            }
        }
    }

    /// The reply to one command.
    ///
    /// # Errors
    /// The connection is at its end, or what came is no reply.
    pub async fn reply(&mut self) -> Result<Said, PeerError> {
        let line = self.line().await?;
        match line.split_first() {
            Some((b'+' | b':', text)) => Ok(Said::Status(shown(text))),
            Some((b'-', text)) => Ok(Said::Error(shown(text))),
            Some((b'$', len)) => {
                let len: Option<i64> = std::str::from_utf8(len).ok().and_then(|n| n.parse().ok());
                match len {
                    Some(-1) => Ok(Said::Bulk(Vec::new())),
                    Some(len) if (0..=BULK_MAX as i64).contains(&len) => {
                        self.bulk(len as usize).await.map(Said::Bulk)
                    }
                    _ => Err(garbage(&line)),
                }
            }
            _ => Err(garbage(&line)),
        }
    }

    async fn bulk(&mut self, len: usize) -> Result<Vec<u8>, PeerError> {
        while self.unread().len() < len + 2 {
            self.fill().await?;
        }
        let bulk = self.unread()[..len].to_vec();
        self.take(len + 2);
        Ok(bulk)
    }
}

/// `args` as a RESP request.
pub fn encode(args: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn garbage(line: &[u8]) -> PeerError {
    PeerError::Garbage(format!("it said \"{}\"", shown(line)))
}

/// What a peer said, in printable characters and not too many of them: it goes into replies, INFO and logs.
pub fn shown(said: &[u8]) -> String {
    struct Printable<'a>(&'a [u8]);
    impl fmt::Display for Printable<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for &byte in self.0.iter().take(SHOWN) {
                match byte {
                    b' '..=b'~' => write!(f, "{}", char::from(byte))?,
                    _ => write!(f, "{}", byte.escape_ascii())?,
                }
            }
            if self.0.len() > SHOWN {
                f.write_str("...")?;
            }
            Ok(())
        }
    }
    Printable(said).to_string()
}
