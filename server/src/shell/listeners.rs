//! The listeners, which `CONFIG SET port` and `bind` change while the server runs.

use super::net::{self, Crew};
use super::server::Server;
use crate::config::Settings;
use crate::sys::net::{Bound, Closer};
use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// What listens, and who serves whom it lets in.
pub(super) struct Listeners {
    server: Weak<Server>,
    crew: Arc<Crew>,
    open: Mutex<Vec<Arc<Open>>>,
}

/// One that listens until it is closed.
pub(super) struct Open {
    closer: Closer,
    closed: AtomicBool,
}

impl Open {
    /// True when an error of it means its end.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }
}

impl Listeners {
    /// None yet; `crew` will serve connections of `server`.
    pub fn new(server: &Arc<Server>, crew: Arc<Crew>) -> Listeners {
        Listeners {
            server: Arc::downgrade(server),
            crew,
            open: Mutex::default(),
        }
    }

    /// Accepts connections of `all` from here on; those at paths stay to the end.
    ///
    /// # Errors
    /// The system has no handle for one of them.
    pub fn open(&self, all: Vec<Bound>) -> io::Result<()> {
        let Some(server) = self.server.upgrade() else {
            return Ok(());
        };
        for listener in all {
            let open = Arc::new(Open {
                closer: Closer::of(&listener)?,
                closed: AtomicBool::new(false),
            });
            if !listener.is_unix() {
                self.open.lock().push(Arc::clone(&open));
            }
            let (server, crew) = (Arc::clone(&server), Arc::clone(&self.crew));
            self.crew.handles[0].spawn(net::accept(listener, open, server, crew));
        }
        Ok(())
    }

    /// Lets nobody in any more but by paths.
    pub fn close(&self) {
        for open in self.open.lock().drain(..) {
            open.closed.store(true, Relaxed);
            open.closer.close();
        }
    }

    /// Listens where `new` says if `old` says otherwise. Connections that there are stay.
    ///
    /// # Errors
    /// Which parameter cannot be had, and why in Redis's words; then everything is as it was.
    pub fn change(&self, old: &Settings, new: &Settings) -> Result<(), (&'static str, String)> {
        let bind = |to: &Settings| net::listen(&to.bind, to.port, to.tcp_backlog);
        let failed = |param, said: &str, why: &str| {
            tracing::warn!("{why}");
            Err((param, said.to_owned()))
        };
        if old.port != new.port {
            const SAID: &str = "Unable to listen on this port. Check server logs.";
            let all = match bind(new) {
                Ok(all) => all,
                Err(why) => return failed("port", SAID, &why),
            };
            self.close();
            return self
                .open(all)
                .or_else(|why| failed("port", SAID, &why.to_string()));
        }
        if old.bind != new.bind {
            const SAID: &str = "Failed to bind to specified addresses.";
            // An address may be part of another one, so the old ones go first.
            self.close();
            let (all, result) = match bind(new) {
                Ok(all) => (all, Ok(())),
                Err(why) => (bind(old).unwrap_or_default(), failed("bind", SAID, &why)),
            };
            return self
                .open(all)
                .or_else(|why| failed("bind", SAID, &why.to_string()))
                .and(result);
        }
        Ok(())
    }
}
