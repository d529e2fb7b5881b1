//! From a configuration to a server that can be served.

use super::background;
use super::logging;
use super::server::{Server, now_ms};
use crate::config::{Config, Settings};
use crate::gate::View;
use crate::log::{Limits, ReplLog};
use crate::persist;
use crate::rdb::load::Expired;
use crate::rdb::read::Refusal;
use crate::repl::domain::{History, Id, Status};
use crate::repl::door::Door;
use crate::store::Dataset;
use crate::sys::task::Handle;
use crate::sys::{fs, process};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Sends log lines where `settings` say.
///
/// # Errors
/// The log file cannot be opened.
pub fn log_to(settings: &Settings) -> io::Result<()> {
    logging::log_to(&in_dir(settings, &settings.logfile), settings)
}

/// `path` in `dir`, which is where redis-server is when it looks for a file; no path stays none.
pub(super) fn in_dir(settings: &Settings, path: &Path) -> PathBuf {
    match path.as_os_str().is_empty() {
        true => PathBuf::new(),
        false => settings.dir.join(path),
    }
}

/// A server that is made and not yet served: its snapshot file is to be loaded ([`Made::restore`]).
pub struct Made {
    /// The server.
    pub server: Arc<Server>,
    /// Its replication.
    pub door: Arc<Door>,
}

impl Made {
    /// A server of `config` on `threads` I/O threads, whose links to masters live at `replication`.
    ///
    /// # Errors
    /// One line for people: why it cannot start.
    pub fn new(config: Arc<Config>, threads: usize, replication: &Handle) -> Result<Made, String> {
        let settings = Arc::clone(&config.settings());
        let id = || Id::random().map_err(|e| format!("no randomness to be had: {e}"));
        let (run_id, replid) = (id()?, id()?);
        let log = Arc::new(ReplLog::new(Limits {
            backlog: settings.backlog_size,
            hard: settings.buffer_limits[1].hard,
        }));
        let status = Status {
            master: None,
            loading: true,
            whole: false,
            diverged: false,
            history: History::new(damselfly_core::Position { replid, offset: 0 }),
            live: None,
            failover: damselfly_core::Failover::No,
            unproved: false,
        };
        let view = View::new(Arc::new(Dataset::new(settings.databases)), Arc::new(status));
        let server = Arc::new(Server::new(config, view, log, run_id, threads));
        if settings.logo {
            tracing::info!("{}", logo(settings.port));
        }
        tracing::info!(
            "Damselfly {} starts: port {}, {threads} threads, pid {}, run id {run_id}",
            env!("CARGO_PKG_VERSION"),
            settings.port,
            process::id()
        );
        load_users(&server)?;
        let door = Door::open(&server, replid, replication.clone()).map_err(|e| e.to_string())?;
        server.set_replication(Arc::clone(&door) as _);
        server.set_snapshots(Arc::clone(&door) as _);
        Ok(Made { server, door })
    }

    /// Whether there is a snapshot file.
    pub fn has_snapshot(&self) -> bool {
        fs::exists(&snapshot_file(&self.server.config.settings()))
    }

    /// Loads the snapshot file. Until that is done, clients are told so; a file that cannot be loaded ends the server.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    pub fn restore(&self) -> Result<(), String> {
        restore(&self.server, &self.door)
    }
}

/// What `always-show-logo` shows.
fn logo(port: u16) -> String {
    let (version, pid) = (env!("CARGO_PKG_VERSION"), process::id());
    format!(
        r"
      \\    o    //
    ===\\===|===//===    Damselfly {version}
    ===//===|===\\===    Port: {port}
      //    |    \\      PID: {pid}
            |
            '
"
    )
}

/// Reads the users from their file, if there is one.
fn load_users(server: &Server) -> Result<(), String> {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !server.has_user_file() {
        return Ok(());
    }
    if !server.config.users().is_empty() {
        return Err(
            "users are defined both by `user` lines of the configuration and by aclfile: only one of them may be there"
                .to_owned(),
        );
    }
    let users = server.read_users().map_err(|why| lossy(&why))?;
    server.replace_users(users, None);
    Ok(())
}

/// The snapshot file that `settings` name.
pub(crate) fn snapshot_file(settings: &Settings) -> PathBuf {
    settings.dir.join(&settings.dbfilename)
}

fn restore(server: &Server, door: &Door) -> Result<(), String> {
    let settings = server.config.settings();
    let path = snapshot_file(&settings);
    let going_on = || match server.shutdown.begun() {
        false => Ok(()),
        true => Err(Refusal::Stopped("the server ends".to_owned())),
    };
    let restored = persist::restore(
        &path,
        settings.databases,
        settings.reading(),
        match settings.replicaof {
            Some(_) => Expired::Keep,
            None => Expired::DropBy(now_ms()),
        },
        &server.saves.load,
        going_on,
    );
    let (dataset, position) = match restored {
        Ok(Some(restored)) => {
            tracing::info!(
                "Done loading RDB, keys loaded: {}, keys expired: {}, empty keys skipped: {} ({} in {:?})",
                restored.summary.keys - restored.expired,
                restored.expired,
                restored.summary.empty,
                path.display(),
                restored.took,
            );
            // Without the keys that had expired it is no longer what the history says of that place.
            let position = restored.position.filter(|_| restored.expired == 0);
            (restored.dataset, position)
        }
        Ok(None) => (Dataset::new(settings.databases), None),
        Err(error) => {
            server.shutdown.begin("its snapshot file cannot be loaded");
            return Err(error.to_string());
        }
    };
    let dataset = Arc::new(dataset);
    server.gates.all().update(|view| view.dataset = dataset);
    door.restored(position);
    tracing::info!("Ready to accept connections");
    // Who starts a server for a socket alone may wait for this line.
    if !settings.unixsocket.as_os_str().is_empty() {
        let socket = settings.unixsocket.display();
        tracing::info!("The server is now ready to accept connections at {socket}");
    }
    background::tell(&settings, "READY=1\nSTATUS=Ready to accept connections\n");
    Ok(())
}
