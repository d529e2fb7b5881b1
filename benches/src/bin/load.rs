//! A load that costs less than the server under it, so that the server always has something to do.
//!
//! `target/release/load PORT PIPELINE COUNT RANGE COMMAND [ARG]...`
//!
//! redis-benchmark takes longer for a command than Damselfly does where much is pipelined. What waits for its load sleeps
//! and is woken between its reads, and that is counted as what its commands cost. Here the requests are made before, and of
//! the replies only their ends are looked for. 50 connections send `PIPELINE` requests each and wait for the replies, until
//! there were `COUNT` of them. In each request `__rand_int__` is a number below `RANGE`, as redis-benchmark has it. A command
//! in lower case letters is sent as a line, without an array around it.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use damselfly_benches::request;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const CLIENTS: usize = 50;
/// What is replaced by a number.
const RANDOM: &str = "__rand_int__";
/// Bytes of requests that are made before, at most, and at least one for each client.
const MADE: usize = 64 << 20;
/// Nobody answers for so long: the server is gone.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, pipeline, count, range, command @ ..] = &args[..] else {
        bail!("usage: load PORT PIPELINE COUNT RANGE COMMAND [ARG]...");
    };
    let batches = Batches::new(command, pipeline.parse()?, range.parse()?)?;
    run(port.parse()?, &batches, count.parse()?)
}

/// Pipelines of requests, to be sent one after the other and then again.
struct Batches {
    bytes: Vec<Vec<u8>>,
    pipeline: usize,
}

impl Batches {
    fn new(command: &[String], pipeline: usize, range: u64) -> Result<Batches> {
        ensure!(pipeline > 0 && range > 0, "not one request, or no number");
        let name = command.first().context("no command")?;
        let is_line = name.chars().all(|c| c.is_ascii_lowercase());
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            format!("{:012}", (state >> 11) % range)
        };
        let mut make = || match is_line {
            true => format!("{}\r\n", command.join(" ")).into_bytes(),
            false => {
                let parts = command.iter().map(|arg| match arg.contains(RANDOM) {
                    true => arg.replace(RANDOM, &random()),
                    false => arg.clone(),
                });
                let parts: Vec<String> = parts.collect();
                request(&parts.iter().map(String::as_str).collect::<Vec<_>>())
            }
        };
        let one = make().len() * pipeline;
        let all_differ = command.iter().any(|arg| arg.contains(RANDOM));
        let wanted = (MADE / one).max(CLIENTS).min(range as usize);
        let wanted = if all_differ { wanted } else { 1 };
        let bytes = (0..wanted).map(|_| (0..pipeline).flat_map(|_| make()).collect());
        Ok(Batches {
            bytes: bytes.collect(),
            pipeline,
        })
    }
}

/// A connection and what it waits for.
struct Client<'a> {
    stream: TcpStream,
    /// What the socket did not take yet.
    unsent: &'a [u8],
    /// Replies, or elements of one, that are still to come.
    awaited: usize,
    /// What came of one that has not ended.
    buf: Vec<u8>,
}

impl<'a> Client<'a> {
    fn ask(&mut self, batch: &'a [u8], pipeline: usize) -> Result<()> {
        self.awaited = pipeline;
        self.unsent = batch;
        self.send()
    }

    /// Sends as much as the socket takes.
    fn send(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(self.unsent) {
                Ok(sent) => self.unsent = &self.unsent[sent..],
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) => return Err(why.into()),
            }
        }
        Ok(())
    }

    /// Reads what is there; true when all replies are.
    fn hear(&mut self, room: &mut [u8]) -> Result<bool> {
        loop {
            let n = match self.stream.read(room) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(n) => n,
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(why) => return Err(why.into()),
            };
            if self.buf.is_empty() {
                let ends = replies(&room[..n], &mut self.awaited)?;
                self.buf.extend_from_slice(&room[ends..n]);
            } else {
                self.buf.extend_from_slice(&room[..n]);
                let ends = replies(&self.buf, &mut self.awaited)?;
                self.buf.drain(..ends);
            }
            // Nothing more is there, and nothing more is to come: no second look is needed.
            if self.awaited == 0 || n < room.len() {
                return Ok(self.awaited == 0);
            }
        }
    }
}

/// Takes the whole replies at the start of `bytes` from what is awaited; where they end.
fn replies(bytes: &[u8], awaited: &mut usize) -> Result<usize> {
    let mut at = 0;
    while let Some(len) = bytes[at..].iter().position(|b| *b == b'\n') {
        let line = &bytes[at..at + len];
        let mut end = at + len + 1;
        let number = || -> Result<i64> {
            let digits = line[1..].strip_suffix(b"\r").context("no line")?;
            Ok(std::str::from_utf8(digits)?.parse()?)
        };
        match line.first() {
            Some(b'+' | b':') => {}
            Some(b'$') => end += usize::try_from(number()?).map_or(0, |len| len + 2),
            Some(b'*') => *awaited += usize::try_from(number()?).unwrap_or(0),
            _ => bail!("{}", String::from_utf8_lossy(line)),
        }
        if end > bytes.len() {
            break;
        }
        at = end;
        *awaited = awaited.checked_sub(1).context("more than was asked for")?;
    }
    Ok(at)
}

fn run(port: u16, batches: &Batches, count: usize) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut next = batches.bytes.iter().cycle();
    let mut next = || next.next().expect("there is one");
    let mut clients: Vec<Client> = Vec::new();
    for i in 0..CLIENTS {
        let stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let either = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(i), either)?;
        clients.push(Client {
            stream,
            unsent: &[],
            awaited: 0,
            buf: Vec::new(),
        });
    }
    for client in &mut clients {
        client.ask(next(), batches.pipeline)?;
    }
    let mut events = Events::with_capacity(CLIENTS);
    let mut room = vec![0; 256 << 10];
    let mut done = 0;
    loop {
        poll.poll(&mut events, Some(PATIENCE))?;
        ensure!(!events.is_empty(), "no answer for {PATIENCE:?}");
        for event in &events {
            let client = &mut clients[event.token().0];
            client.send()?;
            if event.is_readable() && client.hear(&mut room)? {
                done += batches.pipeline;
                if done >= count {
                    return Ok(());
                }
                client.ask(next(), batches.pipeline)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_where_they_end() {
        let all = b"+OK\r\n:1\r\n$3\r\na\nb\r\n$-1\r\n*2\r\n$1\r\na\r\n*0\r\n*-1\r\n";
        for cut in 0..=all.len() {
            let mut awaited = 6;
            let ends = replies(&all[..cut], &mut awaited).unwrap();
            let rest = [&all[ends..cut], &all[cut..]].concat();
            assert_eq!(replies(&rest, &mut awaited).unwrap(), rest.len());
            assert_eq!(awaited, 0, "cut at {cut}");
        }
        assert!(replies(b"-ERR no\r\n", &mut 1).is_err());
        assert!(replies(b"+OK\r\n+OK\r\n", &mut 1).is_err());
    }
}
