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
    use socket2::{Domain, Protocol, SockRef, Socket, Type};
    use std::io;
    use std::net::SocketAddr;
    /// A connection that a thread reads, which waits for bytes.
    pub use std::net::TcpStream as Blocking;
    pub use tokio::net::{TcpListener, TcpStream, lookup_host};

    /// A listener that no runtime knows of yet.
    pub type Bound = std::net::TcpListener;

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
        Ok(socket.into())
    }

    /// Ends a listener that a runtime has taken.
    pub struct Closer(Bound);

    impl Closer {
        /// For `listener`.
        ///
        /// # Errors
        /// There is no handle left.
        pub fn of(listener: &Bound) -> io::Result<Closer> {
            listener.try_clone().map(Closer)
        }

        /// It takes no connection any more, and its address is free.
        pub fn close(&self) {
            // It fails where it has been closed.
            let _ = SockRef::from(&self.0).shutdown(std::net::Shutdown::Both);
        }
    }

    /// Has the system look whether a silent peer is still there.
    ///
    /// # Errors
    /// It does not.
    pub fn keep_alive(stream: &TcpStream, probes: &TcpKeepalive) -> io::Result<()> {
        SockRef::from(stream).set_tcp_keepalive(probes)
    }
}
