//! Sockets, with the face of tokio's and of the system's.

use super::blocking;
use super::wire::{Arrival, Listening, Wire, host_of};
use super::world::{Context, World};
use parking_lot::Mutex;
use socket2::TcpKeepalive;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, timeout};

/// One end of a connection, which is closed when nobody holds it.
struct End {
    world: Arc<World>,
    wire: Arc<Wire>,
    end: usize,
}

impl Drop for End {
    fn drop(&mut self) {
        self.wire.close(&self.world, self.end, true);
    }
}

/// A connection.
pub struct TcpStream {
    end: Arc<End>,
    /// Ends when more arrives.
    due: Option<Pin<Box<Sleep>>>,
}

impl std::fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TcpStream({})", self.end.wire.number)
    }
}

impl TcpStream {
    fn new(world: Arc<World>, wire: Arc<Wire>, end: usize) -> TcpStream {
        let end = Arc::new(End { world, wire, end });
        TcpStream { end, due: None }
    }

    /// Connects to `addr`.
    ///
    /// # Errors
    /// Nobody listens there, or the network does not let us.
    pub async fn connect(addr: &SocketAddr) -> io::Result<TcpStream> {
        let here = Context::current().ok_or(ErrorKind::NotConnected)?;
        let (world, from) = (here.world, here.host);
        let to = host_of(addr.ip()).ok_or(ErrorKind::HostUnreachable)?;
        world.travel(from, to).await;
        if world.path(from, to).refused {
            world.travel(to, from).await;
            return Err(ErrorKind::ConnectionReset.into());
        }
        if !world.runs(to) && world.once_in(2) {
            // Nobody is there to say that nobody is there.
            std::future::pending::<()>().await;
        }
        let wire = world.connect(from, *addr);
        let stream = wire.map(|wire| TcpStream::new(Arc::clone(&world), wire, 0));
        world.travel(to, from).await;
        stream.ok_or(ErrorKind::ConnectionRefused.into())
    }

    /// Our address.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.end.wire.addrs[self.end.end])
    }

    /// The address at the other end.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.end.wire.addrs[1 - self.end.end])
    }

    /// Nothing here waits for more to send.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn set_nodelay(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// There is none, or the connection is broken.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.poll_send(bytes, Waker::noop()) {
            Poll::Ready(sent) => sent,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_send(&self, bytes: &[u8], waker: &Waker) -> Poll<io::Result<usize>> {
        let End { world, wire, end } = &*self.end;
        match wire.write(world, *end, bytes, waker) {
            None => Poll::Pending,
            Some(Ok(n)) => Poll::Ready(Ok(n)),
            Some(Err(())) => Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
        }
    }

    /// The same for a thread.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn into_std(self) -> io::Result<Blocking> {
        Ok(Blocking {
            stream: self,
            patience: Mutex::default(),
        })
    }

    /// The same for a task.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn from_std(blocking: Blocking) -> io::Result<TcpStream> {
        Ok(blocking.stream)
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.end.wire.number
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let end = Arc::clone(&self.end);
        let End { world, wire, end } = &*end;
        loop {
            let to = buf.initialize_unfilled();
            let due = match wire.read(world, *end, to) {
                Arrival::Some(n) => {
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Arrival::End => return Poll::Ready(Ok(())),
                Arrival::Broken => return Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
                Arrival::Later(due) => due,
            };
            wire.await_bytes(*end, cx.waker());
            match due {
                None => {
                    self.due = None;
                    return Poll::Pending;
                }
                Some(due) => {
                    let sleep = self.due.insert(Box::pin(tokio::time::sleep_until(due)));
                    ready!(sleep.as_mut().poll(cx));
                }
            }
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(bytes, cx.waker())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        let End { world, wire, end } = &*self.end;
        wire.close(world, *end, false);
        Poll::Ready(Ok(()))
    }
}

/// A connection that a thread reads, which waits for bytes.
pub struct Blocking {
    stream: TcpStream,
    /// How long it waits to read and to write.
    patience: Mutex<[Option<Duration>; 2]>,
}

impl Blocking {
    /// Another handle of the same connection.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn try_clone(&self) -> io::Result<Blocking> {
        let end = Arc::clone(&self.stream.end);
        Ok(Blocking {
            stream: TcpStream { end, due: None },
            patience: Mutex::new(*self.patience.lock()),
        })
    }

    /// Whether it waits depends on who calls.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn set_nonblocking(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// How long it waits for bytes.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn set_read_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.patience.lock()[0] = time;
        Ok(())
    }

    /// How long it waits for room.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn set_write_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.patience.lock()[1] = time;
        Ok(())
    }

    /// Ends the connection, for all its handles.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        let End { world, wire, end } = &*self.stream.end;
        wire.hang_up(world, *end);
        Ok(())
    }
}

/// Waits for `what`, for so long at most.
fn in_time<T>(
    patience: Option<Duration>,
    what: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    blocking::wait_for(async {
        match patience {
            None => what.await,
            Some(time) => timeout(time, what)
                .await
                .unwrap_or_else(|_| Err(ErrorKind::WouldBlock.into())),
        }
    })
}

impl Read for Blocking {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let patience = self.patience.lock()[0];
        in_time(patience, self.stream.read(to))
    }
}

impl Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let patience = self.patience.lock()[1];
        in_time(patience, self.stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A listener that no runtime knows of yet; here there is no difference.
pub type Bound = Listener;

/// Takes connections.
pub struct Listener {
    world: Arc<World>,
    listening: Arc<Listening>,
}

/// Listens on `addr`.
///
/// # Errors
/// Somebody does already.
pub fn bind(addr: &SocketAddr, _: i32) -> io::Result<Bound> {
    let here = Context::current().ok_or(ErrorKind::NotConnected)?;
    let listening = Arc::new(Listening::default());
    let mut network = here.world.network.lock();
    if network.listeners.contains_key(addr) {
        return Err(ErrorKind::AddrInUse.into());
    }
    network.listeners.insert(*addr, Arc::clone(&listening));
    drop(network);
    let world = here.world;
    Ok(Listener { world, listening })
}

/// There are no Unix sockets here.
///
/// # Errors
/// Always.
pub fn bind_unix(_: &Path, _: u32, _: i32) -> io::Result<Bound> {
    Err(ErrorKind::Unsupported.into())
}

/// Ends a listener; here they are as the host's configuration says from its start to its end.
pub struct Closer;

impl Closer {
    /// For any.
    ///
    /// # Errors
    /// Never; the system may have no handle left.
    pub fn of(_: &Bound) -> io::Result<Closer> {
        Ok(Closer)
    }

    /// Does nothing.
    pub fn close(&self) {}
}

impl Listener {
    /// The same; here there is no difference.
    ///
    /// # Errors
    /// Never; tokio's may.
    pub fn from_std(bound: Bound) -> io::Result<Listener> {
        Ok(bound)
    }

    /// All are at addresses.
    pub fn is_unix(&self) -> bool {
        false
    }

    /// The next connection.
    ///
    /// # Errors
    /// Never; tokio's may.
    pub async fn accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        loop {
            let next = self.listening.queue.lock().pop_front();
            if let Some(wire) = next {
                let peer = wire.addrs[0];
                let stream = TcpStream::new(Arc::clone(&self.world), wire, 1);
                return Ok((stream, Some(peer)));
            }
            self.listening.came.notified().await;
        }
    }
}

/// Connects to `addr`; a host has one address here.
///
/// # Errors
/// As [`TcpStream::connect`].
pub async fn connect(addr: &SocketAddr, _: Option<IpAddr>) -> io::Result<TcpStream> {
    TcpStream::connect(addr).await
}

/// The addresses of a host; here a name is its own address.
///
/// # Errors
/// It is no address.
pub async fn lookup_host((name, port): (&str, u16)) -> io::Result<std::iter::Once<SocketAddr>> {
    let ip: Option<IpAddr> = name.parse().ok();
    let ip = ip.ok_or_else(|| io::Error::new(ErrorKind::NotFound, "there is no such name"))?;
    Ok(std::iter::once((ip, port).into()))
}

/// Nobody looks whether a silent peer is still there.
///
/// # Errors
/// Never; the system's may.
pub fn keep_alive(_: &TcpStream, _: &TcpKeepalive) -> io::Result<()> {
    Ok(())
}
