//! What a terminal and a service manager expect of a process: that it goes into the background, that it says when it is
//! ready.

use crate::config::Settings;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Set in the environment of a process that is in the background already.
const MARK: &str = "DAMSELFLY_IN_BACKGROUND";
/// Where a service manager listens; set by itself.
const NOTIFY: &str = "NOTIFY_SOCKET";

/// Whether this process is to be replaced by one in the background.
pub fn is_wanted(settings: &Settings) -> bool {
    settings.daemonize && std::env::var_os(MARK).is_none() && manager(settings).is_none()
}

/// Starts this program once more with the same arguments, away from the terminal. Who is called should end then.
///
/// # Errors
/// It cannot be started.
pub fn start() -> io::Result<()> {
    Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map(drop)
}

/// Where the service manager listens that supervises us.
fn manager(settings: &Settings) -> Option<SocketAddr> {
    if !matches!(settings.supervised.as_str(), "systemd" | "auto") {
        return None;
    }
    let path = std::env::var(NOTIFY).ok()?;
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    address.ok()
}

/// Tells the service manager, if there is one, what has become of us: `READY=1`, `STOPPING=1`.
pub fn tell(settings: &Settings, state: &str) {
    if let Some(address) = manager(settings) {
        let told = UnixDatagram::unbound().and_then(|s| s.send_to_addr(state.as_bytes(), &address));
        if let Err(why) = told {
            tracing::warn!("the service manager cannot be told {state}: {why}");
        }
    }
}
