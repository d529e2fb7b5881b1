//! Peers that are no good masters: what a REPLICAOF may meet on the other side.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A command as a peer received it.
pub type Received = Vec<Vec<u8>>;

/// A listener that treats each connection by a script. It ends with its owner.
pub struct Peer {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    received: Mutex<Vec<Received>>,
    live: Mutex<Vec<TcpStream>>,
}

/// One connection of a [`Peer`].
pub struct PeerConn {
    stream: BufReader<TcpStream>,
    shared: Arc<Shared>,
}

impl Peer {
    /// A peer that runs `script` on each connection, in a thread of its own; the connection is closed when
    /// the script returns.
    pub fn new(script: impl Fn(&mut PeerConn) + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind the peer");
        let port = listener.local_addr().expect("the peer's port").port();
        let shared = Arc::new(Shared::default());
        let peer = Peer {
            port,
            shared: Arc::clone(&shared),
        };
        let script = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                if let Ok(copy) = stream.try_clone() {
                    lock(&shared.live).push(copy);
                }
                let mut conn = PeerConn {
                    stream: BufReader::new(stream),
                    shared: Arc::clone(&shared),
                };
                let script = Arc::clone(&script);
                thread::spawn(move || {
                    script(&mut conn);
                    let _ = conn.stream.get_ref().shutdown(Shutdown::Both);
                });
            }
        });
        peer
    }

    /// Accepts, reads, never says a word.
    pub fn mute() -> Peer {
        Peer::new(|conn| while conn.next().is_some() {})
    }

    /// Accepts and closes.
    pub fn closing() -> Peer {
        Peer::new(|_| {})
    }

    /// Answers everything with bytes that are no reply.
    pub fn garbage() -> Peer {
        Peer::new(|conn| {
            while conn.next().is_some() {
                conn.send(b"\x00\xff\x16\x03nonsense\r\n\r\n!!");
            }
        })
    }

    /// Answers everything with this line.
    pub fn answering(line: &'static str) -> Peer {
        Peer::new(move |conn| {
            while conn.next().is_some() {
                conn.send(format!("{line}\r\n").as_bytes());
            }
        })
    }

    /// Greets well, waits for `PSYNC`, then runs `script`.
    pub fn master(script: impl Fn(&mut PeerConn, Received) + Send + Sync + 'static) -> Peer {
        Peer::new(move |conn| {
            if let Some(psync) = conn.greet() {
                script(conn, psync);
            }
        })
    }

    /// Everything it was sent so far, over all connections.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for stream in lock(&self.shared.live).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl PeerConn {
    /// The next command, or `None` when the other side has closed.
    pub fn next(&mut self) -> Option<Received> {
        let command = self.parse()?;
        lock(&self.shared.received).push(command.clone());
        Some(command)
    }

    /// Sends bytes; that the other side has gone is found by the next read.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Reads and forgets until the other side closes.
    pub fn drain(&mut self) {
        while self.next().is_some() {}
    }

    /// Answers a greeting as a master would, until `PSYNC` comes, which is returned.
    pub fn greet(&mut self) -> Option<Received> {
        loop {
            let command = self.next()?;
            let name = String::from_utf8_lossy(&command[0]).to_uppercase();
            match name.as_str() {
                "PING" => self.send(b"+PONG\r\n"),
                "INFO" => {
                    let text = format!(
                        "# Server\r\nredis_version:7.0.15\r\nrun_id:{}\r\n",
                        "d".repeat(40)
                    );
                    self.send(format!("${}\r\n{text}\r\n", text.len()).as_bytes());
                }
                "PSYNC" | "SYNC" => return Some(command),
                _ => self.send(b"+OK\r\n"),
            }
        }
    }

    fn parse(&mut self) -> Option<Received> {
        let line = self.line()?;
        if line.first() != Some(&b'*') {
            return Some(
                line.split(|b| *b == b' ')
                    .map(<[u8]>::to_vec)
                    .collect::<Vec<_>>(),
            );
        }
        let n = number(&line)?;
        let mut command = Vec::with_capacity(n);
        for _ in 0..n {
            let len = number(&self.line()?)?;
            let mut arg = vec![0; len + 2];
            self.stream.read_exact(&mut arg).ok()?;
            arg.truncate(len);
            command.push(arg);
        }
        Some(command)
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => {
                while line.last().is_some_and(|b| b"\r\n".contains(b)) {
                    line.pop();
                }
                Some(line)
            }
        }
    }
}

fn number(line: &[u8]) -> Option<usize> {
    std::str::from_utf8(line.get(1..)?).ok()?.parse().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
