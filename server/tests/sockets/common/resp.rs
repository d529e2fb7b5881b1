//! A small client: RESP2 and RESP3, blocking, with raw sends for what a well-kept client would not send.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a reply may take before the test fails.
const REPLY_LIMIT: Duration = Duration::from_secs(30);

/// A reply.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `+`
    Simple(String),
    /// `-`
    Error(String),
    /// `:`
    Int(i64),
    /// `$` and `=` (with its three letters and colon)
    Bulk(Vec<u8>),
    /// `$-1`, `*-1`, `_`
    Nil,
    /// `*`
    Array(Vec<Value>),
    /// `%`
    Map(Vec<(Value, Value)>),
    /// `~`
    Set(Vec<Value>),
    /// `>`
    Push(Vec<Value>),
    /// `,` as it was written
    Double(String),
    /// `#`
    Bool(bool),
    /// `(`
    Big(String),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Simple(s) => write!(f, "+{s}"),
            Value::Error(s) => write!(f, "-{s}"),
            Value::Int(i) => write!(f, ":{i}"),
            Value::Bulk(b) => write!(f, "\"{}\"", b.escape_ascii()),
            Value::Nil => f.write_str("nil"),
            Value::Array(v) => f.debug_list().entries(v).finish(),
            Value::Map(v) => f
                .debug_map()
                .entries(v.iter().map(|(k, v)| (k, v)))
                .finish(),
            Value::Set(v) => f.debug_set().entries(v).finish(),
            Value::Push(v) => f.debug_tuple("Push").field(v).finish(),
            Value::Double(s) => write!(f, ",{s}"),
            Value::Bool(b) => write!(f, "#{b}"),
            Value::Big(s) => write!(f, "({s}"),
        }
    }
}

impl Value {
    /// The text of a simple or bulk string.
    ///
    /// # Panics
    /// If it is neither.
    pub fn text(&self) -> String {
        match self {
            Value::Simple(s) => s.clone(),
            Value::Bulk(b) => String::from_utf8_lossy(b).into_owned(),
            other => panic!("expected a string, got {other:?}"),
        }
    }

    /// The bytes of a bulk string.
    ///
    /// # Panics
    /// If it is not one.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Value::Bulk(b) => b,
            other => panic!("expected a bulk string, got {other:?}"),
        }
    }

    /// The number.
    ///
    /// # Panics
    /// If it is not one.
    pub fn int(&self) -> i64 {
        match self {
            Value::Int(i) => *i,
            other => panic!("expected an integer, got {other:?}"),
        }
    }

    /// The elements of an array, set or push.
    ///
    /// # Panics
    /// If it is neither.
    pub fn list(&self) -> &[Value] {
        match self {
            Value::Array(v) | Value::Set(v) | Value::Push(v) => v,
            other => panic!("expected an array, got {other:?}"),
        }
    }

    /// The text of an error.
    ///
    /// # Panics
    /// If it is none.
    pub fn error(&self) -> &str {
        match self {
            Value::Error(e) => e,
            other => panic!("expected an error, got {other:?}"),
        }
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    /// Checks that the reply is `+OK`.
    ///
    /// # Panics
    /// If it is not.
    pub fn ok(&self) {
        assert_eq!(*self, Value::Simple("OK".into()));
    }
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a server on this machine.
    pub fn connect(port: u16) -> io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Client::over(stream)
    }

    /// Connects to the Unix socket at `path`.
    pub fn connect_unix(path: &Path) -> io::Result<Client> {
        // The calls that read and write are the same for both kinds of socket.
        Client::over(TcpStream::from(OwnedFd::from(UnixStream::connect(path)?)))
    }

    fn over(stream: TcpStream) -> io::Result<Client> {
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        stream.set_write_timeout(Some(REPLY_LIMIT))?;
        Ok(Client {
            stream: BufReader::new(stream),
        })
    }

    /// How long [`read`](Self::read) waits before it answers with a time-out error.
    pub fn set_timeout(&mut self, limit: Duration) {
        self.stream
            .get_ref()
            .set_read_timeout(Some(limit))
            .expect("set the read time-out");
    }

    /// The socket, to shut it down or to stop reading from it.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Everything the server says until it closes, or until it has been silent for so long; and whether it closed. What
    /// was read ahead is not in it.
    pub fn rest(&mut self, silence: Duration) -> (String, bool) {
        self.set_timeout(silence);
        let (mut text, mut portion) = (Vec::new(), [0; 4096]);
        let mut socket = self.socket();
        let closed = loop {
            match socket.read(&mut portion) {
                Ok(0) => break true,
                Ok(n) => text.extend_from_slice(&portion[..n]),
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => break true,
                // The whole machine may be stopped for a while.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        (text.escape_ascii().to_string(), closed)
    }

    /// What has come and was not read, or comes next; nothing if the server closes.
    pub fn peek(&mut self) -> io::Result<&[u8]> {
        self.stream.fill_buf()
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a command without waiting for the reply.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<()> {
        self.send_raw(&encode(args))
    }

    /// Sends the words of `line` as a command, without waiting for the reply.
    pub fn send_line(&mut self, line: &str) -> io::Result<()> {
        self.send(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Reads one reply.
    pub fn read(&mut self) -> io::Result<Value> {
        let line = self.line()?;
        let (kind, rest) = line
            .split_first()
            .ok_or_else(|| malformed("an empty line"))?;
        let rest = std::str::from_utf8(rest).map_err(|_| malformed("not text"))?;
        Ok(match kind {
            b'+' => Value::Simple(rest.into()),
            b'-' => Value::Error(rest.into()),
            b':' => Value::Int(number(rest)?),
            b'$' | b'=' => match number(rest)? {
                -1 => Value::Nil,
                n => Value::Bulk(self.body(n)?),
            },
            b'*' => match number(rest)? {
                -1 => Value::Nil,
                n => Value::Array(self.many(n)?),
            },
            b'~' => Value::Set(self.many(number(rest)?)?),
            b'>' => Value::Push(self.many(number(rest)?)?),
            b'%' => {
                let flat = self.many(number(rest)? * 2)?;
                let mut pairs = Vec::with_capacity(flat.len() / 2);
                let mut flat = flat.into_iter();
                while let (Some(k), Some(v)) = (flat.next(), flat.next()) {
                    pairs.push((k, v));
                }
                Value::Map(pairs)
            }
            b'_' => Value::Nil,
            b',' => Value::Double(rest.into()),
            b'#' => Value::Bool(rest == "t"),
            b'(' => Value::Big(rest.into()),
            other => return Err(malformed(&format!("type byte {:?}", *other as char))),
        })
    }

    /// Sends a command and reads its reply.
    pub fn try_cmd<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Value> {
        self.send(args)?;
        self.read()
    }

    /// Sends a command and reads its reply.
    ///
    /// # Panics
    /// If the connection fails. Error replies are values.
    pub fn cmd<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        self.try_cmd(args).unwrap_or_else(|e| {
            let name = args.first().map(|a| a.as_ref().escape_ascii().to_string());
            panic!("{name:?}: {e}")
        })
    }

    /// Sends the words of `line` as a command and reads its reply.
    ///
    /// # Panics
    /// If the connection fails. Error replies are values.
    pub fn run(&mut self, line: &str) -> Value {
        self.cmd(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Sends all commands in one write and reads their replies.
    ///
    /// # Panics
    /// If the connection fails. Error replies are values.
    pub fn pipeline<A: AsRef<[u8]>>(&mut self, commands: &[Vec<A>]) -> Vec<Value> {
        let mut replies = Vec::with_capacity(commands.len());
        // In portions, so that neither side fills its socket while the other does not read.
        for portion in commands.chunks(500) {
            let bytes: Vec<u8> = portion.iter().flat_map(|c| encode(c)).collect();
            self.send_raw(&bytes).expect("send a pipeline");
            replies.extend(
                portion
                    .iter()
                    .map(|_| self.read().expect("read the reply of a pipeline")),
            );
        }
        replies
    }

    /// Reads until the peer closes; everything that still came.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\r\n") {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("closed after {:?}", line.escape_ascii().to_string()),
            ));
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }

    fn body(&mut self, len: i64) -> io::Result<Vec<u8>> {
        let len = usize::try_from(len).map_err(|_| malformed("a negative length"))?;
        let mut body = vec![0; len + 2];
        self.stream.read_exact(&mut body)?;
        if !body.ends_with(b"\r\n") {
            return Err(malformed("a bulk string without its end"));
        }
        body.truncate(len);
        Ok(body)
    }

    fn many(&mut self, n: i64) -> io::Result<Vec<Value>> {
        (0..n).map(|_| self.read()).collect()
    }
}

/// A command as an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("reply: {what}"))
}

fn number(text: &str) -> io::Result<i64> {
    text.parse().map_err(|_| malformed("a bad number"))
}
