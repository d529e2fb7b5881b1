//! Listening, accepting, and who is let in.

use super::address::Address;
use super::client::{Client, trait_of};
use super::conn;
use super::execute::Worker;
use super::listeners::Open;
use super::server::Server;
use crate::config::Settings;
use crate::config::startup::reason;
use crate::sys::net::{self, Bound, Listener, TcpKeepalive, TcpStream};
use crate::sys::task::{self, Handle};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long accepting rests when the system has no room for another connection.
const REST: Duration = Duration::from_millis(100);

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

const DENIED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is \
set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect \
from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the \
command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is \
running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this \
change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and \
setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for \
testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password for the default user. \
NOTE: You only need to do one of the above things in order for the server to start accepting connections from the \
outside.\r\n";

/// Listens on all addresses of `bind`, and on none if `port` is 0. One after `-` may be missing on this machine.
///
/// # Errors
/// One line for people: which address cannot be had, and why.
pub fn listen(bind: &[String], port: u16, backlog: i32) -> Result<Vec<Bound>, String> {
    let mut listeners = Vec::new();
    if port == 0 {
        return Ok(listeners);
    }
    for name in bind {
        let (name, optional) = match name.strip_prefix('-') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        match addresses(name, port)
            .and_then(|all| all.iter().map(|a| net::bind(a, backlog)).collect())
        {
            Ok(found) => listeners.extend::<Vec<_>>(found),
            Err(e) if optional && e.kind() != ErrorKind::AddrInUse => {}
            Err(e) => {
                let why = match e.kind() {
                    ErrorKind::AddrInUse => "Address already in use".to_owned(),
                    _ => reason(&e),
                };
                return Err(format!(
                    "Could not create server TCP listening socket {name}:{port}: {why}"
                ));
            }
        }
    }
    Ok(listeners)
}

/// The longest path of a Unix socket, in bytes.
const LONGEST_PATH: usize = 107;

/// Listens at `path`, to whom `settings` say.
///
/// # Errors
/// One line for people: why that cannot be.
pub fn listen_unix(path: &Path, settings: &Settings) -> Result<Bound, String> {
    let len = path.as_os_str().len();
    let bound = match len > LONGEST_PATH {
        true => Err(format!(
            "unix socket path too long ({len}), must be under {}",
            LONGEST_PATH + 1
        )),
        false => net::bind_unix(path, settings.unixsocketperm, settings.tcp_backlog)
            .map_err(|e| format!("bind: {}", reason(&e))),
    };
    bound.map_err(|why| format!("Failed opening Unix socket: {why}"))
}

fn addresses(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let ip: IpAddr = match name {
        "*" => Ipv4Addr::UNSPECIFIED.into(),
        "::*" => Ipv6Addr::UNSPECIFIED.into(),
        _ => return Ok((name, port).to_socket_addrs()?.take(1).collect()),
    };
    Ok(vec![(ip, port).into()])
}

/// The threads that serve connections, and how many each of them has.
pub(super) struct Crew {
    pub handles: Vec<Handle>,
    pub counts: Vec<AtomicUsize>,
}

impl Crew {
    /// The thread with the fewest connections. One listener and this choice, rather than a listener for each
    /// thread: the system would balance by hash, so two busy clients could share a thread beside an idle one.
    fn least_busy(&self) -> usize {
        let counts = self.counts.iter().map(|c| c.load(Relaxed)).enumerate();
        counts
            .min_by_key(|(_, count)| *count)
            .map_or(0, |(slot, _)| slot)
    }
}

/// Accepts connections until the listener is closed, or the runtime ends, which is that of the first thread of the crew.
pub(super) async fn accept(listener: Bound, open: Arc<Open>, server: Arc<Server>, crew: Arc<Crew>) {
    let listener = match Listener::from_std(listener) {
        Ok(listener) => listener,
        Err(e) => return tracing::error!("cannot accept connections: {e}"),
    };
    loop {
        match listener.accept().await {
            Ok((stream, addr)) => admit(stream, addr, &server, &crew),
            Err(_) if open.is_closed() => return,
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::Interrupted
                ) => {}
            Err(e) => {
                tracing::warn!("Accepting client connection: {e}");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Lets a connection in, or tells it why not.
fn admit(stream: TcpStream, addr: Option<SocketAddr>, server: &Arc<Server>, crew: &Arc<Crew>) {
    // Accepting is done by one thread, whose counters these are.
    let stats = &server.stats[server.aside()];
    stats.connections.add(1);
    let settings = server.config.settings();
    let refuse = |stream: TcpStream, text| {
        stats.rejected.add(1);
        // The peer may be gone; there is nobody else to tell.
        let _ = stream.try_write(text);
    };
    let (addr, laddr) = match addr {
        None => {
            let both = Address::unix(&settings.unixsocket);
            (both.clone(), both)
        }
        Some(addr) => match stream.local_addr() {
            Ok(laddr) => (Address::Ip(addr), Address::Ip(laddr)),
            Err(_) => return,
        },
    };
    if !addr.is_local() && settings.protected_mode && !server.accounts.has_password() {
        return refuse(stream, DENIED);
    }
    let id = server.clients.next_id();
    let client = Arc::new(Client::new(
        id,
        (addr, laddr),
        stream.as_raw_fd(),
        server.accounts.default_account(),
    ));
    if !server.clients.add(&client, settings.maxclients) {
        return refuse(stream, TOO_MANY);
    }
    if !client.is(trait_of::UNIX) {
        prepare(&stream, settings.tcp_keepalive);
    }
    let slot = crew.least_busy();
    crew.counts[slot].fetch_add(1, Relaxed);
    let seat = Seat {
        server: Arc::clone(server),
        crew: Arc::clone(crew),
        slot,
        id,
    };
    if slot == 0 {
        task::spawn(seat.serve(stream, client));
        return;
    }
    // The socket moves to the reactor of the other thread.
    if let Ok(stream) = stream.into_std() {
        crew.handles[slot].spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => seat.serve(stream, client).await,
                Err(e) => tracing::warn!("client {id} at {}: {e}", client.addr),
            }
        });
    }
}

/// A connection's place on a thread and among the clients, given up when it is dropped.
struct Seat {
    server: Arc<Server>,
    crew: Arc<Crew>,
    slot: usize,
    id: u64,
}

impl Seat {
    async fn serve(self, stream: TcpStream, client: Arc<Client>) {
        let (server, worker) = (Arc::clone(&self.server), Worker { slot: self.slot });
        conn::serve(stream, server, client, worker).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.server.clients.remove(self.id);
        self.crew.counts[self.slot].fetch_sub(1, Relaxed);
    }
}

/// Options of a client's socket; one that cannot be set is done without.
fn prepare(stream: &TcpStream, keepalive: Duration) {
    let _ = stream.set_nodelay(true);
    if !keepalive.is_zero() {
        let probes = TcpKeepalive::new()
            .with_time(keepalive)
            .with_interval((keepalive / 3).max(Duration::from_secs(1)))
            .with_retries(3);
        let _ = net::keep_alive(stream, &probes);
    }
}
