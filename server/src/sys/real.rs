//! The system as it is.

/// Time.
pub mod time {
    pub use std::time::Instant;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    /// Unix time. A clock set before 1970 shows 1970.
    #[inline]
    pub fn since_epoch() -> Duration {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap_or_default()
    }
}

/// Randomness.
pub mod random {
    use std::hash::{BuildHasher, RandomState};

    /// Fills `bytes` with noise that nobody can foretell.
    ///
    /// # Errors
    /// The system has none to give.
    pub fn fill(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        getrandom::fill(bytes)
    }

    /// A number to begin a generator with.
    pub fn seed() -> u64 {
        RandomState::new().hash_one(0)
    }
}

/// Hashers, of another order in every process.
pub mod hash {
    pub use foldhash::fast::RandomState as Fast;
    pub use foldhash::quality::RandomState as Quality;
}

/// This process.
pub mod process {
    pub use std::env::current_exe as executable;
    pub use std::process::id;
}

/// Tasks.
pub mod task {
    pub use tokio::runtime::Handle;
    pub use tokio::task::{JoinHandle, spawn, spawn_blocking};
}

/// Threads.
pub mod thread {
    use std::io;
    use std::sync::{LazyLock, Mutex, PoisonError, mpsc};
    pub use std::thread::sleep;
    use tokio::sync::mpsc::{Sender, error::SendError};

    /// Has a thread of its own do `work`.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(work).map(drop)
    }

    type Work = Box<dyn FnOnce() + Send>;

    static ASIDE: LazyLock<Option<Mutex<mpsc::Sender<Work>>>> = LazyLock::new(|| {
        let (sender, receiver) = mpsc::channel::<Work>();
        spawn("lazyfree", move || receiver.iter().for_each(|work| work())).ok()?;
        Some(Mutex::new(sender))
    });

    /// Has `work` done by a thread that does one such thing after the other; here and now if there is no thread for it.
    pub fn aside(work: impl FnOnce() + Send + 'static) {
        let Some(sender) = &*ASIDE else { return work() };
        let sent = sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(Box::new(work));
        if let Err(mpsc::SendError(work)) = sent {
            work();
        }
    }

    /// Sends from such a thread, which waits for room.
    ///
    /// # Errors
    /// Nobody receives any more.
    pub fn send<T>(to: &Sender<T>, value: T) -> Result<(), SendError<T>> {
        to.blocking_send(value)
    }
}

/// Files.
pub mod fs {
    pub use std::fs::{File, remove_file, rename};
    use std::io;
    pub use std::os::unix::fs::FileExt;
    use std::path::Path;

    /// A new file, for reading and writing.
    ///
    /// # Errors
    /// It exists, or cannot be made.
    pub fn create_new(path: &Path) -> io::Result<File> {
        File::create_new(path)
    }

    /// Makes sure that the names in a directory outlive a power failure.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync_dir(dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    /// Whether there is such a file.
    pub fn exists(path: &Path) -> bool {
        path.exists()
    }
}

/// Sockets.
pub mod net {
    pub use socket2::TcpKeepalive;
    use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
    use std::fs::{self, Permissions};
    use std::io;
    /// A connection that a thread reads, which waits for bytes.
    pub use std::net::TcpStream as Blocking;
    use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net;
    use std::path::Path;
    /// A connection. One over a Unix socket is used like any other, but that it has no addresses.
    pub use tokio::net::TcpStream;
    use tokio::net::{TcpListener, TcpSocket, UnixListener};
    use tokio::sync::{Semaphore, oneshot};

    /// A listener that no runtime knows of yet.
    pub enum Bound {
        /// At an address.
        Tcp(std::net::TcpListener),
        /// At a path.
        Unix(net::UnixListener),
    }

    impl Bound {
        /// True for one at a path.
        pub fn is_unix(&self) -> bool {
            matches!(self, Bound::Unix(_))
        }
    }

    impl AsFd for Bound {
        fn as_fd(&self) -> BorrowedFd<'_> {
            match self {
                Bound::Tcp(listener) => listener.as_fd(),
                Bound::Unix(listener) => listener.as_fd(),
            }
        }
    }

    /// Listens on `addr`.
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn bind(addr: &SocketAddr, backlog: i32) -> io::Result<Bound> {
        let (domain, protocol) = (Domain::for_address(*addr), Some(Protocol::TCP));
        let socket = Socket::new(domain, Type::STREAM, protocol)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&(*addr).into())?;
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
        Ok(Bound::Tcp(socket.into()))
    }

    /// Listens at `path`, in the place of a socket or an empty file that lies there. Who may connect is said by `mode`, or 0.
    ///
    /// # Errors
    /// The path cannot be had.
    pub fn bind_unix(path: &Path, mode: u32, backlog: i32) -> io::Result<Bound> {
        // Redis removes whatever is there, which may have been something that mattered.
        let is_nothing = |found: &fs::Metadata| found.is_file() && found.len() == 0;
        if fs::symlink_metadata(path)
            .is_ok_and(|found| found.file_type().is_socket() || is_nothing(&found))
        {
            fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        socket.listen(backlog)?;
        if mode != 0 {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        socket.set_nonblocking(true)?;
        Ok(Bound::Unix(OwnedFd::from(socket).into()))
    }

    /// Takes connections.
    pub enum Listener {
        /// At an address.
        Tcp(TcpListener),
        /// At a path.
        Unix(UnixListener),
    }

    impl Listener {
        /// Has the runtime that this is called in take the connections of `bound`.
        ///
        /// # Errors
        /// It cannot.
        pub fn from_std(bound: Bound) -> io::Result<Listener> {
            match bound {
                Bound::Tcp(listener) => TcpListener::from_std(listener).map(Listener::Tcp),
                Bound::Unix(listener) => UnixListener::from_std(listener).map(Listener::Unix),
            }
        }

        /// The next connection, and its peer's address if it has one.
        ///
        /// # Errors
        /// What the system says.
        pub async fn accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
            match self {
                Listener::Tcp(listener) => {
                    let (stream, addr) = listener.accept().await?;
                    Ok((stream, Some(addr)))
                }
                Listener::Unix(listener) => {
                    let (stream, _) = listener.accept().await?;
                    // The calls that read and write are the same for both kinds of socket.
                    let stream = Blocking::from(OwnedFd::from(stream.into_std()?));
                    Ok((TcpStream::from_std(stream)?, None))
                }
            }
        }
    }

    /// Ends a listener that a runtime has taken.
    pub struct Closer(OwnedFd);

    impl Closer {
        /// For `listener`.
        ///
        /// # Errors
        /// There is no handle left.
        pub fn of(listener: &Bound) -> io::Result<Closer> {
            listener.as_fd().try_clone_to_owned().map(Closer)
        }

        /// It takes no connection any more, and its address is free.
        pub fn close(&self) {
            // It fails where it has been closed.
            let _ = SockRef::from(&self.0).shutdown(std::net::Shutdown::Both);
        }
    }

    /// Connects to `addr`, from the address `from`, of the same family, if that can be.
    ///
    /// # Errors
    /// Nobody listens there, or cannot be reached.
    pub async fn connect(addr: &SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
        if let Some(from) = from {
            let socket = match addr {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            if socket.bind((from, 0).into()).is_ok()
                && let Ok(stream) = socket.connect(*addr).await
            {
                return Ok(stream);
            }
        }
        TcpStream::connect(addr).await
    }

    /// Names that are looked up at once. Each takes a thread, and where name servers do not answer it takes it for longer
    /// than anybody waits.
    static LOOKUPS: Semaphore = Semaphore::const_new(64);

    /// The addresses of a host.
    ///
    /// # Errors
    /// It has none.
    pub async fn lookup_host(
        (name, port): (&str, u16),
    ) -> io::Result<std::vec::IntoIter<SocketAddr>> {
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)].into_iter());
        }
        let place = LOOKUPS.acquire().await.map_err(io::Error::other)?;
        let (name, (done, found)) = (name.to_owned(), oneshot::channel());
        // It cannot be told to stop: its place is taken until it has, whoever has left by then. No runtime waits for it.
        super::thread::spawn("lookup", move || {
            let _place = place;
            let _ = done.send((&*name, port).to_socket_addrs());
        })?;
        found.await.map_err(io::Error::other)?
    }

    /// Has the system look whether a silent peer is still there.
    ///
    /// # Errors
    /// It does not.
    pub fn keep_alive(stream: &TcpStream, probes: &TcpKeepalive) -> io::Result<()> {
        SockRef::from(stream).set_tcp_keepalive(probes)
    }
}
