//! Where clients come from.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// One end of a client's connection. It is shown as in Redis: `ip:port`, or `path:0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Ip(SocketAddr),
    /// The path of our Unix socket, which stands for both ends.
    Unix(Arc<str>),
}

impl Address {
    /// Of the Unix socket at `path`.
    pub fn unix(path: &Path) -> Address {
        Address::Unix(path.to_string_lossy().into())
    }

    /// True for what comes over a Unix socket.
    pub fn is_unix(&self) -> bool {
        matches!(self, Address::Unix(_))
    }

    /// True for what can only come from this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Ip(addr) => addr.ip().to_canonical().is_loopback(),
            Address::Unix(_) => true,
        }
    }

    /// What INFO and ROLE call the host of a replica that comes from here and has not said otherwise.
    pub fn host(&self) -> String {
        match self {
            Address::Ip(addr) => addr.ip().to_canonical().to_string(),
            Address::Unix(_) => "/unixsocket".to_owned(),
        }
    }

    /// What MONITOR shows.
    pub fn origin(&self) -> String {
        match self {
            Address::Ip(addr) => addr.to_string(),
            Address::Unix(path) => format!("unix:{path}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(addr) => addr.fmt(f),
            Address::Unix(path) => write!(f, "{path}:0"),
        }
    }
}
