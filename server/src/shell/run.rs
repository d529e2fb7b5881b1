//! A process that is a server, from its configuration to its end.

use super::background;
use super::net;
use super::runtime::Threads;
use super::server::Server;
use super::shutdown::Order;
use super::start::{Made, in_dir};
use crate::command::table;
use crate::config::Config;
use crate::config::startup::reason;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Where the process id goes in the background, if nobody says where, as in Redis.
const BACKGROUND_PIDFILE: &str = "/var/run/redis.pid";

/// Runs a server until a signal or a client ends it.
///
/// # Errors
/// One line for people: why it cannot start. The log has it, too.
pub fn run(config: Config) -> Result<(), String> {
    serve(config).inspect_err(|why| tracing::error!("Fatal error, exiting: {why}"))
}

fn serve(config: Config) -> Result<(), String> {
    let config = Arc::new(config);
    let settings = Arc::clone(&config.settings());
    table::rename(config.renames());
    let port = settings.port;
    let mut listeners = net::listen(&settings.bind, port, settings.tcp_backlog)
        .map_err(|why| format!("Failed listening on port {port}: {why}"))?;
    let socket = in_dir(&settings, &settings.unixsocket);
    if !socket.as_os_str().is_empty() {
        listeners.push(net::listen_unix(&socket, &settings)?);
    }
    // It goes when the server ends, and when it cannot start.
    let socket = Own(socket);
    if listeners.is_empty() {
        return Err("Configured to not listen anywhere, exiting.".to_owned());
    }
    let count = match settings.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let threads =
        Threads::start(count).map_err(|e| format!("cannot start {count} threads: {e}"))?;
    let made = Made::new(config, count, threads.places.replication())?;
    let server = Arc::clone(&made.server);
    let pidfile = match settings.pidfile.as_os_str().is_empty() && settings.daemonize {
        true => PathBuf::from(BACKGROUND_PIDFILE),
        false => in_dir(&settings, &settings.pidfile),
    };
    let pidfile = write_pid(pidfile);
    let loading = if made.has_snapshot() {
        let thread = std::thread::Builder::new().name("restore".to_owned());
        let spawned = thread.spawn(move || made.restore());
        Some(spawned.map_err(|e| format!("cannot start a thread: {e}"))?)
    } else {
        // Nothing to load: the first client is served, never told to wait.
        made.restore()?;
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
    background::tell(&settings, "STOPPING=1\n");
    let why = server.shutdown.why();
    tracing::warn!("Damselfly is now ready to exit, bye bye... ({why})");
    drop((pidfile, socket));
    match loading.map(|thread| thread.join()) {
        Some(Ok(Err(why))) => Err(why),
        _ => Ok(()),
    }
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
        tracing::warn!("Received {name} scheduling shutdown...");
        let server = Arc::clone(server);
        let settings = server.config.settings();
        let words = match name {
            "SIGINT" => &settings.shutdown_on_sigint,
            _ => &settings.shutdown_on_sigterm,
        };
        let says = |word| words.split(' ').any(|said| said == word);
        let order = Order {
            save: (says("save") || says("nosave")).then(|| says("save")),
            // Who asks a second time does not want to wait for replicas.
            now: says("now") || server.pause.is_ending(),
            force: says("force"),
        };
        drop(settings);
        tokio::spawn(async move {
            if let Err(why) = server.end(order, &format!("{name} received")).await {
                tracing::warn!("the server does not end: {why}");
            }
        });
    }
}

/// Writes our process id to `path`, if there is one. As in Redis, a server does without if it must: a stock
/// configuration file names a place that only a service manager makes.
fn write_pid(path: PathBuf) -> Option<Own> {
    if path.as_os_str().is_empty() {
        return None;
    }
    match std::fs::write(&path, format!("{}\n", std::process::id())) {
        Ok(()) => Some(Own(path)),
        Err(why) => {
            tracing::warn!("no pid file {}: {}", path.display(), reason(&why));
            None
        }
    }
}

/// A file that is there for as long as this lives; an empty path for none.
struct Own(PathBuf);

impl Drop for Own {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
