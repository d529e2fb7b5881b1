//! The same commands, run by a server: connections whose replies are kept as the bytes they are.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::resp::encode;

/// A connection whose replies are read as the bytes they are.
pub struct Stock(BufReader<TcpStream>);

impl Stock {
    /// A connection to an emptied server.
    pub fn connect(port: u16, resp3: bool) -> Stock {
        let mut stock = Stock::plain(port);
        stock.run(&["FLUSHALL"]);
        stock.run(&["HELLO", if resp3 { "3" } else { "2" }]);
        stock
    }

    /// A connection to a server, of either kind.
    pub fn plain(port: u16) -> Stock {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect to the stock server");
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).expect("set the time-out");
        stream.set_nodelay(true).expect("set no delay");
        Stock(BufReader::new(stream))
    }

    /// Runs a command.
    pub fn run<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        self.send(args).expect("send");
        self.reply().expect("a reply")
    }

    /// Sends a command.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<()> {
        self.0.get_mut().write_all(&encode(args))
    }

    /// Whether there is something to read, now or within so long.
    pub fn is_ready(&mut self, within: Duration) -> bool {
        if !self.0.buffer().is_empty() {
            return true;
        }
        let stream = self.0.get_ref();
        let limit = stream.read_timeout().expect("the time-out");
        stream.set_read_timeout(Some(within)).expect("a time-out");
        let peeked = stream.peek(&mut [0]);
        stream.set_read_timeout(limit).expect("set the time-out");
        !matches!(peeked, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Runs a command so that it does not wait.
    pub fn run_at_once<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        self.run(&["MULTI"]);
        let queued = self.run(args);
        if !queued.starts_with(b"+QUEUED") {
            self.run(&["DISCARD"]);
            return queued;
        }
        let reply = self.run(&["EXEC"]);
        reply
            .strip_prefix(b"*1\r\n")
            .expect("one reply in a transaction of one")
            .to_vec()
    }

    /// The bytes of one reply.
    pub fn reply(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_into(&mut bytes)?;
        Ok(bytes)
    }

    fn read_into(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let start = bytes.len();
        self.0.read_until(b'\n', bytes)?;
        let line = String::from_utf8_lossy(&bytes[start..]).into_owned();
        let number = || line[1..].trim_end().parse::<i64>().unwrap_or(0).max(-1);
        match line.as_bytes().first() {
            Some(b'$' | b'=') if number() >= 0 => {
                let at = bytes.len();
                bytes.resize(at + number() as usize + 2, 0);
                self.0.read_exact(&mut bytes[at..])?;
            }
            Some(b'*' | b'~' | b'>') => (0..number()).try_for_each(|_| self.read_into(bytes))?,
            Some(b'%') => (0..2 * number()).try_for_each(|_| self.read_into(bytes))?,
            Some(_) => {}
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }
}
