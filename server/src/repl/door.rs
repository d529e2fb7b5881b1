//! Replication as the rest of the server sees it: both sides behind the shell's one door.

use super::attempt::Verdict;
use super::domain::{Host, Id, Wire};
use super::driver::{Asked, Driver, Hooks, Nobody, Over, Start, Witness, World};
use super::failover;
use super::serve::{Hello, Master, MasterConfig, MasterHooks};
use super::snapshot::SaveError;
use super::tasks::OnRuntime;
use crate::command;
use crate::config::Settings;
use crate::gate::{AllGates, View};
use crate::persist::NotSaved;
use crate::rdb;
use crate::resp::Reply;
use crate::shell::blocking;
use crate::shell::master::MasterClient;
use crate::shell::replication::{
    Answer, LinkInfo, ReplicaLine, Replication, ReplicationInfo, Serve, Snapshots,
};
use crate::shell::server::Server;
use crate::shell::start;
use crate::store::num::parse_i64;
use crate::sys::net::TcpStream;
use crate::sys::task::Handle;
use crate::sys::time::Instant;
use damselfly_core::{Failover, LinkStatus, Position};
use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::oneshot;

/// See the module.
pub struct Door {
    driver: Arc<Driver>,
    master: Arc<Master>,
    runtime: Handle,
}

impl Door {
    /// Sets replication up for `server`, which is loading: a replica at once if it is configured as one. Links and
    /// attempts run on `runtime`. Tell it [`Door::restored`] when the snapshot file is in.
    ///
    /// # Errors
    /// The trace file cannot be made, or the master configured is none.
    pub fn open(server: &Arc<Server>, replid: Id, runtime: Handle) -> io::Result<Arc<Door>> {
        let settings = Arc::clone(&server.config.settings());
        let follow = match &settings.replicaof {
            None => None,
            Some((name, port)) => Some(Host::new(name, *port).ok_or_else(|| {
                let text = "replicaof: a host name has 1 to 255 bytes";
                io::Error::new(io::ErrorKind::InvalidInput, text)
            })?),
        };
        let neighbours = Arc::new(Neighbours {
            server: Arc::downgrade(server),
            master: OnceLock::new(),
        });
        let world = World {
            gates: Arc::clone(&server.gates),
            log: Arc::clone(&server.log),
            config: Arc::clone(&server.config),
            tasks: Box::new(OnRuntime(runtime.clone())),
            hooks: Box::new(Arc::clone(&neighbours)),
        };
        let start = Start {
            run_id: server.identity.run_id,
            replid,
            follow,
        };
        let driver = Driver::new(world, start)?;
        let master = Master::new(
            Arc::clone(&server.gates),
            Arc::clone(&server.log),
            Arc::new(Histories(Arc::clone(&driver))),
            MasterConfig::from(&*settings),
        );
        let _ = neighbours.master.set(Arc::downgrade(&master));
        runtime.spawn(Arc::clone(&master).housekeeping(server.aside()));
        Ok(Arc::new(Door {
            driver,
            master,
            runtime,
        }))
    }

    /// The snapshot file is in, if there was one, and its dataset in the gates; `position` is where it stands in a
    /// history.
    pub fn restored(&self, position: Option<rdb::load::Position>) {
        let position = position.and_then(|at| {
            let replid = Id::parse(at.id.as_bytes())?;
            let offset = at.offset;
            Some((Position::<Wire> { replid, offset }, at.stream_db))
        });
        self.driver.restored(position);
    }

    /// `FAILOVER`.
    fn fail_over(&self, args: &[&[u8]]) -> Result<(), &'static str> {
        let request = match failover::parse(args)? {
            failover::Order::Begin(request) => request,
            failover::Order::Abort => {
                return match self.driver.abort_hand_over() {
                    damselfly_core::Reply::Ok => Ok(()),
                    refused => Err(refused.text()),
                };
            }
        };
        let watch = failover::begin(&self.driver, &self.master, &request)?;
        let (driver, master) = (Arc::clone(&self.driver), Arc::clone(&self.master));
        self.runtime
            .spawn(failover::watch(driver, master, watch, request.time));
        Ok(())
    }

    /// The side that follows.
    pub fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }
}

/// Who must know of changes of role and dataset.
struct Neighbours {
    server: Weak<Server>,
    master: OnceLock<Weak<Master>>,
}

impl Hooks for Arc<Neighbours> {
    fn demoted(&self, view: &View) {
        if let Some(server) = self.server.upgrade() {
            server.blocking.demoted(&server, view);
        }
    }

    fn handing_over(&self, under_way: bool) {
        if let Some(server) = self.server.upgrade() {
            server.pause.hand_over(under_way);
        }
    }

    fn drop_replicas(&self) {
        if let Some(master) = self.master.get().and_then(Weak::upgrade) {
            master.drop_all_replicas();
        }
    }

    fn list_link(&self, stream: &TcpStream) -> Option<MasterClient> {
        let (addr, laddr) = (stream.peer_addr().ok()?, stream.local_addr().ok()?);
        let server = self.server.upgrade()?;
        Some(MasterClient::new(server, addr, laddr, stream.as_raw_fd()))
    }

    fn rewrites(&self) -> u64 {
        (self.server.upgrade()).map_or(0, |server| server.rewrites.load(Relaxed))
    }

    fn rewrite(&self) {
        if let Some(server) = self.server.upgrade()
            && let Err(why) = server.rewrite_config(false)
        {
            tracing::warn!("the master is not written to the configuration file: {why}");
        }
    }

    fn publish(&self, sharded: bool, channel: &[u8], message: &[u8]) {
        if let Some(server) = self.server.upgrade() {
            match sharded {
                true => server.publish_sharded(channel, message),
                false => server.publish(channel, message),
            };
        }
    }

    fn hear(&self, run: &mut dyn FnMut(&mut dyn Witness)) {
        match self.server.upgrade() {
            Some(server) => server.hear(run),
            None => run(&mut Nobody),
        }
    }

    fn changed(&self, changes: u64, emptied: bool) {
        if let Some(server) = self.server.upgrade() {
            server.stats[server.aside()].changes.add(changes);
            if emptied {
                server.emptied();
            }
        }
    }

    fn replaced(&self) {
        if let Some(server) = self.server.upgrade() {
            server.tracking.flush(&server);
        }
    }

    fn paused(&self) -> Option<Over> {
        let server = self.server.upgrade()?;
        server.pause.current()?;
        Some(Box::pin(async move { server.pause.over().await }))
    }

    fn serve_waiting(&self, view: &View) {
        if let Some(server) = self.server.upgrade() {
            blocking::serve_ready(&server, view, server.aside());
        }
    }
}

/// New names for the history of a master, as its own side asks for them.
struct Histories(Arc<Driver>);

impl MasterHooks for Histories {
    fn begin_history(&self, all: &mut AllGates<'_, View>) -> Result<(), String> {
        self.0.begin_history(all)
    }

    fn diverged(&self) -> bool {
        self.0.has_diverged()
    }
}

/// What a `REPLICAOF` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "it lives for one command")]
enum Wanted {
    NoOne { force: bool },
    Master(Host),
}

/// What `REPLICAOF` with `args` asks for; else the error, with its code.
fn parse(args: &[&[u8]]) -> Result<Wanted, String> {
    let is = |arg: &[u8], word: &str| arg.eq_ignore_ascii_case(word.as_bytes());
    match args {
        [_, no, one] if is(no, "no") && is(one, "one") => Ok(Wanted::NoOne { force: false }),
        [_, no, one, force] if is(no, "no") && is(one, "one") && is(force, "force") => {
            Ok(Wanted::NoOne { force: true })
        }
        [_, host, port] => {
            let port = parse_i64(port).and_then(|n| u16::try_from(n).ok());
            // Nothing can listen at port 0.
            let port = port.filter(|&port| port != 0);
            let port = port.ok_or("ERR Invalid master port")?;
            let name = std::str::from_utf8(host).ok();
            // A name with a blank or a line end in it could not be shown, nor written to a file.
            let name = name.filter(|n| !n.contains(|c: char| c.is_whitespace() || c.is_control()));
            let host = name.and_then(|name| Host::new(name, port));
            host.map(Wanted::Master)
                .ok_or("ERR Invalid master host".into())
        }
        [_, _, _, _, ..] => Err("ERR REPLICAOF of a range of slots is not supported".into()),
        _ => Err("ERR syntax error".into()),
    }
}

fn write(verdict: &Verdict, out: &mut Reply) {
    match verdict.is_ok() {
        true => out.simple(&verdict.text()),
        false => out.error(&verdict.text()),
    }
}

fn ok() -> Answer {
    let mut out = Reply::default();
    out.ok();
    Answer::Now(out.take())
}

fn error(text: &str) -> Answer {
    let mut out = Reply::default();
    out.error(text);
    Answer::Now(out.take())
}

fn bytes(verdict: &Verdict) -> Vec<u8> {
    let mut out = Reply::default();
    write(verdict, &mut out);
    out.take()
}

async fn verdict(later: oneshot::Receiver<Verdict>) -> Vec<u8> {
    // An attempt that ends without a verdict was ended by the end of the server.
    let gone = Verdict::Reply(damselfly_core::Reply::Cancelled);
    bytes(&later.await.unwrap_or(gone))
}

impl Replication for Door {
    fn replicaof(&self, args: &[&[u8]]) -> Answer {
        match parse(args) {
            Err(text) => error(&text),
            Ok(Wanted::NoOne { force }) => Answer::Now(bytes(&self.driver.no_one(force))),
            Ok(Wanted::Master(host)) => match self.driver.request(host) {
                Asked::Now(verdict) => Answer::Now(bytes(&verdict)),
                Asked::Later(later) => Answer::Later(Box::pin(verdict(later))),
            },
        }
    }

    fn replicaof_in_exec(&self, all: &mut AllGates<'_, View>, args: &[&[u8]], out: &mut Reply) {
        match parse(args) {
            Err(text) => out.error(&text),
            Ok(Wanted::NoOne { force }) => write(&self.driver.no_one_in(all, force), out),
            Ok(Wanted::Master(host)) => write(&self.driver.request_detached(all, host), out),
        }
    }

    fn hand_over(&self, args: &[&[u8]]) -> Answer {
        let failover = args
            .first()
            .is_some_and(|name| name.eq_ignore_ascii_case(b"failover"));
        if failover {
            return match self.fail_over(args) {
                Ok(()) => ok(),
                Err(text) => error(text),
            };
        }
        match failover::time_of(args) {
            Err(text) => error(text),
            Ok(time) => {
                // It ends with its client; what the master was asked by then goes on.
                let asked = failover::take_over(Arc::clone(&self.driver), time);
                Answer::Later(Box::pin(async move {
                    let mut out = Reply::default();
                    match asked.await {
                        Ok(()) => out.ok(),
                        Err(why) => out.error(&why),
                    }
                    out.take()
                }))
            }
        }
    }

    fn take_over(
        &self,
        all: &mut AllGates<'_, View>,
        replid: &[u8],
        from: Option<u64>,
    ) -> Result<(), String> {
        self.driver.take_over(all, replid, from)
    }

    fn psync(&self, view: &View, hello: &Hello, ip: &str, args: &[&[u8]]) -> Result<Serve, String> {
        let admission = self.master.admit(view, hello, ip, args)?;
        let gather = self.driver.config().settings().disable_nodelay;
        Ok(Box::new(move |stream, unread, client| {
            if gather && let Err(why) = stream.set_nodelay(false) {
                tracing::debug!("the system cannot gather packets: {why}");
            }
            client.owes(Box::new(admission.owed()));
            let replconf = command::find(b"REPLCONF");
            let heard = move || client.active(Instant::now(), replconf);
            Box::pin(admission.run(stream, unread, heard))
        }))
    }

    fn staging_bytes(&self) -> u64 {
        self.driver.facts().staging_memory()
    }

    fn reset_counts(&self) {
        self.master.reset_counts();
        self.driver.facts().reset_counts();
    }

    fn info(&self) -> ReplicationInfo {
        let (status, facts) = (self.driver.status(), self.driver.facts());
        let seconds = |n: Option<u64>| n.map_or(-1, |n| n as i64);
        let progress = facts.progress();
        let link = status.master.map(|(_, link)| LinkInfo {
            last_io_seconds: seconds(match link {
                LinkStatus::Streaming => facts.last_io_seconds(),
                _ => progress.map(|progress| progress.idle_seconds),
            }),
            sync_in_progress: progress.is_some(),
            sync_total_bytes: progress.and_then(|p| p.total).unwrap_or(0),
            sync_read_bytes: progress.map_or(0, |p| p.read),
            down_since_seconds: seconds(facts.down_seconds()),
            staging_bytes: facts.staging_memory(),
            waiting_bytes: facts.waiting(),
            last_error: facts
                .link_error()
                .map_or_else(String::new, |e| e.to_string()),
        });
        let lines = self
            .master
            .replicas()
            .into_iter()
            .map(|replica| ReplicaLine {
                ip: replica.ip,
                port: replica.port,
                state: replica.state.name(),
                offset: replica.offset,
                lag: replica.lag,
            });
        let stats = self.master.stats();
        ReplicationInfo {
            link,
            replicas: lines.collect(),
            failover_state: match status.failover {
                Failover::No => "no-failover",
                Failover::WaitingForSync => "waiting-for-sync",
                Failover::InProgress => "failover-in-progress",
            },
            last_pause: self.driver.last_pause(),
            last_error: facts
                .last_error()
                .map(|e| e.to_string())
                .unwrap_or_default(),
            dropped: facts.dropped(),
            traffic: [facts.received(), self.master.sent()],
            syncs: [stats.full, stats.partial_ok, stats.partial_err],
        }
    }

    fn good_replicas(&self) -> usize {
        let settings = self.driver.config().settings();
        self.master.good_replicas(settings.min_replicas_max_lag)
    }

    fn acked_by(&self, offset: u64) -> usize {
        self.master.acked_by(offset)
    }

    fn wait_for_acks(
        &self,
        view: &View,
        count: usize,
        offset: u64,
    ) -> Pin<Box<dyn Future<Output = usize> + Send>> {
        // While a hand-over waits, nothing is added to the log.
        if view.status.failover == Failover::No {
            self.master.ask_for_acks(view);
        }
        let master = Arc::clone(&self.master);
        Box::pin(async move { master.wait_for_acks(count, offset).await })
    }

    fn configure(&self, settings: &Settings) {
        self.master.configure(MasterConfig::from(settings));
        self.driver.configure(!settings.full_sync_staging);
    }

    fn change_repl_id(&self) {
        let mut all = self.driver.gates().all();
        if let Err(why) = self.driver.begin_history(&mut all) {
            tracing::error!("the history keeps its name: {why}");
        }
    }

    fn shut_down(&self) {
        self.driver.shut_down();
    }
}

impl Snapshots for Door {
    fn save(
        &self,
        server: &Arc<Server>,
        begun: oneshot::Sender<()>,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotSaved>> + Send>> {
        let path = start::snapshot_file(&server.config.settings());
        let saved = self.master.snapshots().save(path, begun);
        Box::pin(async move {
            let failed = |why: &str| NotSaved::Failed(why.to_owned());
            let saved = saved.ok_or_else(|| failed("a save is under way"))?;
            match saved.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(SaveError::Outdated)) => Err(NotSaved::Outdated),
                Ok(Err(error)) => Err(failed(&error.to_string())),
                Err(_) => Err(failed("the save was abandoned")),
            }
        })
    }

    fn save_now(&self, server: &Arc<Server>, view: &View) -> Result<(), NotSaved> {
        let path = start::snapshot_file(&server.config.settings());
        let saved = self.master.snapshots().save_now(view, path);
        saved
            .map(|_| ())
            .map_err(|error| NotSaved::Failed(error.to_string()))
    }

    fn end_saves(&self) {
        self.master.snapshots().end_saves();
    }

    fn saving(&self) -> bool {
        self.master.snapshots().saving()
    }

    fn making(&self) -> bool {
        self.master.snapshots().running() || self.saving()
    }
}

#[cfg(test)]
mod tests;
