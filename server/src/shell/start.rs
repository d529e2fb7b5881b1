//! From a configuration to a running server, and to its end.

use super::logging;
use super::net;
use super::runtime::Threads;
use super::server::{Server, now_ms};
use super::shutdown::Order;
use crate::config::startup::reason;
use crate::config::{Config, Settings};
use crate::gate::View;
use crate::log::{Limits, ReplLog};
use crate::persist;
use crate::rdb::load::Expired;
use crate::rdb::read::Refusal;
use crate::repl::domain::{History, Id, Status};
use crate::repl::door::Door;
use crate::store::Dataset;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Sends log lines where `settings` say.
///
/// # Errors
/// The log file cannot be opened.
pub fn log_to(settings: &Settings) -> io::Result<()> {
    logging::log_to(&in_dir(settings, &settings.logfile), &settings.loglevel)
}

/// `path` in `dir`, which is where redis-server is when it looks for a file; no path stays none.
fn in_dir(settings: &Settings, path: &Path) -> PathBuf {
    match path.as_os_str().is_empty() {
        true => PathBuf::new(),
        false => settings.dir.join(path),
    }
}

/// Runs a server until a signal or a client ends it.
///
/// # Errors
/// One line for people: why it cannot start.
pub fn run(config: Config) -> Result<(), String> {
    let config = Arc::new(config);
    let settings = Arc::clone(&config.settings());
    let listeners = net::listen(&settings.bind, settings.port, settings.tcp_backlog)?;
    let count = match settings.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
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
        history: History::new(damselfly_core::Position { replid, offset: 0 }),
        live: None,
        failover: damselfly_core::Failover::No,
    };
    let view = View::new(Arc::new(Dataset::new(settings.databases)), Arc::new(status));
    let server = Arc::new(Server::new(config, view, log, run_id, count));
    let threads =
        Threads::start(count).map_err(|e| format!("cannot start {count} threads: {e}"))?;
    tracing::info!(
        "Damselfly {} starts: port {}, {count} threads, pid {}, run id {run_id}",
        env!("CARGO_PKG_VERSION"),
        settings.port,
        std::process::id()
    );
    let door = Door::open(&server, replid, threads.replication().clone())
        .map_err(|why| why.to_string())?;
    server.set_replication(Arc::clone(&door) as _);
    server.set_snapshots(Arc::clone(&door) as _);
    let pidfile = Pidfile::write(in_dir(&settings, &settings.pidfile));
    let restoring = {
        let server = Arc::clone(&server);
        move || restore(&server, &door)
    };
    let loading = if settings.dir.join(&settings.dbfilename).exists() {
        let thread = std::thread::Builder::new().name("restore".to_owned());
        let spawned = thread.spawn(restoring);
        Some(spawned.map_err(|e| format!("cannot start a thread: {e}"))?)
    } else {
        // Nothing to load: the first client is served, never told to wait.
        restoring()?;
        None
    };
    let ended = Arc::clone(&server);
    let until = async move {
        tokio::spawn(signals(Arc::clone(&ended)));
        ended.shutdown.wait().await;
        if let Some(replication) = ended.replication() {
            replication.shut_down();
        }
    };
    threads.run(&server, listeners, until);
    tracing::warn!("Damselfly ends: {}", server.shutdown.why());
    drop(pidfile);
    match loading.map(|thread| thread.join()) {
        Some(Ok(Err(why))) => Err(why),
        _ => Ok(()),
    }
}

/// Loads the snapshot file. Until that is done, clients are told so; a file that cannot be loaded ends the server.
fn restore(server: &Server, door: &Door) -> Result<(), String> {
    let settings = server.config.settings();
    let path = settings.dir.join(&settings.dbfilename);
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
                "{}: {} keys loaded in {:?}, {} expired, {} empty",
                path.display(),
                restored.summary.keys - restored.expired,
                restored.took,
                restored.expired,
                restored.summary.empty
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
    Ok(())
}

/// Ends the server on SIGINT and SIGTERM.
async fn signals(server: Arc<Server>) {
    let (Ok(interrupt), Ok(terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return tracing::warn!("signals cannot be heard");
    };
    tokio::join!(
        end_on(interrupt, "SIGINT", &server),
        end_on(terminate, "SIGTERM", &server)
    );
}

async fn end_on(mut signal: Signal, name: &'static str, server: &Arc<Server>) {
    while signal.recv().await.is_some() {
        tracing::warn!("Received {name}");
        let server = Arc::clone(server);
        let order = Order {
            // Who asks a second time does not want to wait for replicas.
            now: server.pause.is_ending(),
            ..Order::default()
        };
        tokio::spawn(async move {
            if let Err(why) = server.end(order, &format!("{name} received")).await {
                tracing::warn!("the server does not end: {why}");
            }
        });
    }
}

/// The file that holds our process id, for as long as this lives.
struct Pidfile(PathBuf);

impl Pidfile {
    /// As in Redis, a server does without if it must: a stock configuration file names a place that only a service
    /// manager makes.
    fn write(path: PathBuf) -> Option<Pidfile> {
        if path.as_os_str().is_empty() {
            return None;
        }
        match std::fs::write(&path, format!("{}\n", std::process::id())) {
            Ok(()) => Some(Pidfile(path)),
            Err(why) => {
                tracing::warn!("no pid file {}: {}", path.display(), reason(&why));
                None
            }
        }
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
