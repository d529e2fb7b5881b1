//! A link to a master: redial, PSYNC, snapshot, stream.
//!
//! A link is one task with one connection and one generation. It tells the driver what the master says and does what
//! it is told; a link that was stopped is dropped where it waits, and its socket with it.

use super::apply::{Applied, Applier};
use super::domain::{Host, Id, Wire};
use super::driver::{Driver, Follow, Over};
use super::facts::Facts;
use super::greet::{reach, reach_heir, went_on_from};
use super::load::{Extent, Loaded, Loading, Order, SMALL_SNAPSHOT, count_keys, room_on_machine};
use super::peer::{Peer, PeerError, shown};
use super::tasks::{BUG, caught};
use crate::config::Settings;
use crate::log::OFFSET_MAX;
use crate::memory;
use crate::shell::master::MasterClient;
use crate::sys::net::TcpStream;
use damselfly_core::{Answer, Failover, Position, Promise, Refusal};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// What `replica-refuse-empty-master` is for.
const EMPTY_MASTER: &str = "its dataset is empty and ours is not (replica-refuse-empty-master)";

/// Between two ACKs.
const ACK_PERIOD: Duration = Duration::from_secs(1);

/// Bytes of the stream that are read ahead while clients have made a pause.
const PAUSED_MAX: usize = 1 << 20;

/// Why a link ended.
enum End {
    /// The driver said so.
    Stopped,
    /// Anything else.
    Lost(String),
}

impl From<PeerError> for End {
    fn from(error: PeerError) -> Self {
        End::Lost(error.to_string())
    }
}

/// Connects anew to the master that is followed.
pub(super) async fn dial(driver: Arc<Driver>, generation: u64, target: Host) {
    let settings = Arc::clone(&driver.config().settings());
    tracing::info!("Connecting to MASTER {target}");
    let reached = match driver.status().failover {
        Failover::InProgress => caught(reach_heir(target, &settings)).await,
        Failover::No | Failover::WaitingForSync => caught(reach(target, &settings)).await,
    };
    match reached {
        None => driver.lost(generation, BUG),
        Some(Err(why)) => driver.lost(generation, &why.to_string()),
        Some(Ok(reached)) => {
            if let Some(link) = driver.dialed(generation, reached.run_id) {
                follow(driver, link, reached.peer).await;
            }
        }
    }
}

/// Asks a greeted master for its stream, and lives on it.
pub(super) async fn follow(driver: Arc<Driver>, link: Follow, peer: Peer) {
    let generation = link.generation;
    tracing::info!("MASTER <-> REPLICA sync started");
    let session = Session {
        settings: Arc::clone(&driver.config().settings()),
        driver: Arc::clone(&driver),
        generation,
    };
    match caught(session.run(peer, link)).await {
        Some(End::Stopped) => {}
        Some(End::Lost(why)) => driver.lost(generation, &why),
        None => {
            if driver.status().link_up() {
                // Of a batch it is told in its gate. Who resumed would come to what it panicked at again.
                let gates = driver.gates();
                driver.diverged(&gates.enter(gates.len() - 1), generation);
            }
            driver.lost(generation, BUG);
        }
    }
}

/// Says that no snapshot is under way any more.
struct SyncEnds<'a>(&'a Facts);

impl Drop for SyncEnds<'_> {
    fn drop(&mut self) {
        self.0.sync_ends();
    }
}

struct Session {
    driver: Arc<Driver>,
    settings: Arc<Settings>,
    generation: u64,
}

impl Session {
    async fn run(self, mut peer: Peer, link: Follow) -> End {
        let synced = match self.negotiate(&mut peer, link).await {
            Ok(Answer::Continue { .. }) => Ok(peer),
            Ok(Answer::FullResync(at)) => self.full_sync(peer, at).await,
            Err(end) => Err(end),
        };
        match synced {
            Ok(peer) => self.stream(peer).await,
            Err(end) => end,
        }
    }

    /// `repl-timeout` as it is now: CONFIG SET reaches a link that is up.
    fn patience(&self) -> Duration {
        self.driver.config().settings().repl_timeout
    }

    /// `what` must come before the link's time-out.
    async fn in_time<T>(&self, what: impl Future<Output = Result<T, PeerError>>) -> Result<T, End> {
        match timeout(self.patience(), what).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(self.silence()),
        }
    }

    /// The master has said nothing for as long as we wait for it.
    fn silence(&self) -> End {
        let what = match self.driver.facts().progress() {
            _ if self.driver.status().link_up() => "MASTER timeout: no data nor PING received",
            Some(_) => "Timeout receiving bulk data from MASTER",
            None => "Timeout connecting to the MASTER",
        };
        End::Lost(format!("{what} (repl-timeout)"))
    }

    /// The next line that says something. A master that is busy sends empty ones, and each of them wins it time.
    async fn line(&self, peer: &mut Peer) -> Result<Vec<u8>, End> {
        loop {
            let line = self.in_time(peer.line()).await?;
            self.driver.facts().heard();
            if !line.is_empty() {
                return Ok(line);
            }
        }
    }

    async fn negotiate(&self, peer: &mut Peer, mut link: Follow) -> Result<Answer<Wire>, End> {
        let (line, replid) = loop {
            #[cfg(feature = "simulation")]
            planted_resume(&mut link);
            let (replid, from) = match link.resume {
                Some(resume) => (resume.replid.to_string(), resume.from.to_string()),
                None => ("?".into(), "-1".into()),
            };
            match link.resume {
                Some(_) => {
                    tracing::info!("Trying a partial resynchronization (request {replid}:{from}).")
                }
                None => tracing::info!("Partial resynchronization not possible (no cached master)"),
            }
            let mut ask: Vec<&[u8]> = vec![b"PSYNC", replid.as_bytes(), from.as_bytes()];
            if let Some(promise) = link.failover {
                ask.push(b"FAILOVER");
                if promise == Promise::GivenUp {
                    // A stock server takes over whatever it has, and does not read this word.
                    ask.push(b"FORCE");
                }
            }
            self.in_time(peer.command(&ask)).await?;
            let line = self.line(peer).await?;
            match line.strip_prefix(b"-") {
                Some(said) if link.failover.is_some() => {
                    tracing::warn!("Failover target rejected psync request: {}", shown(said));
                    // Redis has no code for this error, only words.
                    let said = match said.ends_with(b"can't be sent to a master.") {
                        true => Refusal::Master {
                            second: self.in_time(went_on_from(peer)).await?,
                        },
                        false => Refusal::Other,
                    };
                    let next = self.driver.rejected(self.generation, said);
                    link = next.ok_or(End::Stopped)?;
                }
                _ => break (line, replid),
            }
        };
        let answer = parse_answer(&line).map_err(End::Lost)?;
        match answer {
            Answer::Continue { replid: new } => {
                tracing::info!("Successful partial resynchronization with master.");
                if let Some(new) = new.map(|id| id.to_string()).filter(|id| *id != replid) {
                    tracing::info!("Master replication ID changed to {new}");
                }
                tracing::info!(
                    "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization."
                );
            }
            Answer::FullResync(at) => {
                tracing::info!("Full resync from master: {}:{}", at.replid, at.offset);
            }
        }
        match self.driver.answered(self.generation, answer) {
            true => Ok(answer),
            false => Err(End::Stopped),
        }
    }

    async fn full_sync(&self, mut peer: Peer, at: Position<Wire>) -> Result<Peer, End> {
        let facts = self.driver.facts();
        facts.sync_begins();
        // However it ends, and if the task is dropped where it waits.
        let _over = SyncEnds(facts);
        let line = self.line(&mut peer).await?;
        let Some(extent) = Extent::parse(&line) else {
            return Err(End::Lost(format!(
                "instead of a snapshot it sent \"{}\"",
                shown(&line)
            )));
        };
        match extent {
            Extent::Bytes(bytes) => tracing::info!(
                "MASTER <-> REPLICA sync: receiving {bytes} bytes from master to parser"
            ),
            Extent::Mark(_) => tracing::info!(
                "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to parser"
            ),
        }
        while peer.unread().is_empty() {
            self.in_time(peer.fill()).await?;
        }
        if self.settings.refuse_empty_master && self.is_empty(&mut peer, extent).await? {
            return Err(End::Lost(EMPTY_MASTER.into()));
        }
        let room = self.room(&mut peer).await?;
        let begun = self.driver.began(self.generation).ok_or(End::Stopped)?;
        if begun.dropped.is_some() {
            tracing::info!("MASTER <-> REPLICA sync: Flushing old data");
        }
        tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
        let began = Instant::now();
        let (stream, unread) = peer.into_parts();
        let stream = stream.into_std().map_err(|e| End::Lost(e.to_string()))?;
        let order = Order {
            stream,
            unread,
            extent,
            timeout: self.settings.repl_timeout,
            limit: match begun.dropped {
                None => staging_room(&self.settings),
                Some(_) => room_on_machine(),
            },
            databases: self.settings.databases,
            reading: self.settings.reading(),
            room,
            dropped: begun.dropped,
        };
        let loading = Loading::begin(order, Arc::clone(facts));
        let loaded = match loading {
            Ok(loading) => loading.done().await,
            Err(error) => Err(error),
        };
        let Loaded {
            staged,
            keys,
            bytes,
            stream,
            unread,
        } = loaded.map_err(|error| {
            tracing::warn!(
                "Failed trying to load the MASTER synchronization DB: Internal error in RDB: {error}"
            );
            End::Lost(error.to_string())
        })?;
        let stream = TcpStream::from_std(stream).map_err(|e| End::Lost(e.to_string()))?;
        if !self.driver.loaded(self.generation, staged) {
            return Err(End::Stopped);
        }
        let took = began.elapsed();
        tracing::info!("Done loading RDB, keys loaded: {keys}, keys expired: 0.");
        tracing::info!(
            "MASTER <-> REPLICA sync: Finished with success ({bytes} bytes in {took:.1?}, at {}:{})",
            at.replid,
            at.offset
        );
        Ok(Peer::from_parts(stream, unread))
    }

    /// Whether we hold keys and the snapshot that has begun to come has none. Known before anything is dropped, since
    /// a snapshot without keys is a small one.
    async fn is_empty(&self, peer: &mut Peer, extent: Extent) -> Result<bool, End> {
        loop {
            if let Some(snapshot) = extent.whole(peer.unread()) {
                return Ok(count_keys(snapshot) == Some(0) && !self.driver.dataset().is_empty());
            }
            if peer.unread().len() > SMALL_SNAPSHOT {
                return Ok(false);
            }
            self.in_time(peer.fill()).await?;
        }
    }

    /// The right to hold a snapshot in memory; whoever had it last may still be freeing his. Meanwhile the master is
    /// shown that we live.
    async fn room(&self, peer: &mut Peer) -> Result<OwnedSemaphorePermit, End> {
        loop {
            let room = Arc::clone(self.driver.room()).acquire_owned();
            match timeout(ACK_PERIOD, room).await {
                Ok(Ok(room)) => return Ok(room),
                // It is never closed.
                Ok(Err(_)) => return Err(End::Stopped),
                Err(_) => self.in_time(peer.send(b"\n")).await?,
            }
        }
    }

    async fn stream(&self, mut peer: Peer) -> End {
        match self.applied(&mut peer).await {
            Err(end) => end,
            Ok(never) => match never {},
        }
    }

    async fn applied(&self, peer: &mut Peer) -> Result<std::convert::Infallible, End> {
        let mut applier = Applier::new(&self.driver, self.generation, &self.settings);
        let mut ticks = interval(ACK_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_heard = Instant::now();
        let listed = self.driver.list_link(peer.stream());
        // Something may have come together with the answer or the snapshot.
        let mut came = !peer.unread().is_empty();
        let facts = self.driver.facts();
        facts.has_received(peer.unread().len() as u64);
        let mut pause = None;
        facts.waits(0);
        loop {
            if came {
                last_heard = Instant::now();
                facts.heard();
                loop {
                    pause = self.driver.paused();
                    if pause.is_some() {
                        facts.waits(peer.unread().len() as u64);
                        break;
                    }
                    facts.waits(0);
                    match applier.apply(peer).map_err(End::Lost)? {
                        Applied::Stopped => return Err(End::Stopped),
                        Applied::Idle => break,
                        Applied::AckAsked => self.ack(peer).await?,
                        // Others of this thread have their turn between two batches.
                        Applied::More => tokio::task::yield_now().await,
                    }
                }
                if let Some(listed) = &listed {
                    listed.heard(applier.last(), applier.db());
                }
            }
            // In a pause of clients the stream waits, and beyond this the master with it.
            let reads = pause.is_none() || peer.unread().len() < PAUSED_MAX;
            tokio::select! {
                // First, or a master that never pauses would not hear how far we are.
                biased;
                _ = ticks.tick() => {
                    came = false;
                    if reads && last_heard.elapsed() >= self.patience() {
                        return Err(self.silence());
                    }
                    self.ack(peer).await?;
                }
                () = killed(listed.as_ref()) => {
                    return Err(End::Lost("it was killed by a client".into()));
                }
                () = over(pause.as_mut()) => came = true,
                filled = peer.fill(), if reads => {
                    facts.has_received(filled? as u64);
                    came = true;
                }
            }
        }
    }

    async fn ack(&self, peer: &mut Peer) -> Result<(), End> {
        let offset = self.driver.log().offset().to_string();
        let ack: [&[u8]; 3] = [b"REPLCONF", b"ACK", offset.as_bytes()];
        self.in_time(peer.command(&ack)).await
    }
}

/// Ready when the pause is over.
async fn over(pause: Option<&mut Over>) {
    match pause {
        Some(pause) => pause.await,
        None => std::future::pending().await,
    }
}

/// Ready when a client wants the link closed.
async fn killed(listed: Option<&MasterClient>) {
    match listed {
        Some(listed) => listed.killed().await,
        None => std::future::pending().await,
    }
}

/// Bytes that a snapshot may take beside the dataset served.
fn staging_room(settings: &Settings) -> u64 {
    match (settings.staging_maxmemory, settings.maxmemory) {
        (0, 0) => room_on_machine(),
        // A replica that ignores `maxmemory` has none.
        (0, _) if settings.replica_ignore_maxmemory => room_on_machine(),
        (0, most) => most.saturating_sub(memory::used()).min(room_on_machine()),
        (bytes, _) => bytes,
    }
}

/// The fault that the simulation is to find.
#[cfg(feature = "simulation")]
fn planted_resume(link: &mut Follow) {
    use crate::sys::simulated::fault::{Fault, is_planted};
    if let Some(resume) = &mut link.resume
        && is_planted(Fault::ResumeOffByOne)
    {
        resume.from = resume.from.saturating_sub(1);
    }
}

/// What the master's answer to PSYNC means.
///
/// # Errors
/// It refuses, or means nothing: for people.
pub fn parse_answer(line: &[u8]) -> Result<Answer<Wire>, String> {
    let nonsense = || format!("it answered PSYNC with \"{}\"", shown(line));
    let mut words = line.split(|&b| b == b' ').filter(|word| !word.is_empty());
    match words.next() {
        Some(b"+CONTINUE") => match words.next() {
            None => Ok(Answer::Continue { replid: None }),
            Some(id) => {
                let replid = Some(Id::parse(id).ok_or_else(nonsense)?);
                Ok(Answer::Continue { replid })
            }
        },
        Some(b"+FULLRESYNC") => {
            let replid = words.next().and_then(Id::parse).ok_or_else(nonsense)?;
            let offset = words
                .next()
                .and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
            let offset = offset.filter(|&n| n <= OFFSET_MAX).ok_or_else(nonsense)?;
            Ok(Answer::FullResync(Position { replid, offset }))
        }
        _ if line.starts_with(b"-") => Err(format!("it refused PSYNC: {}", shown(&line[1..]))),
        _ => Err(nonsense()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn answers_to_psync() {
        let id = Id::parse(ID.as_bytes());
        let parse = |text: &str| parse_answer(text.as_bytes());
        assert_eq!(parse("+CONTINUE"), Ok(Answer::Continue { replid: None }));
        assert_eq!(
            parse(&format!("+CONTINUE {ID}")),
            Ok(Answer::Continue { replid: id })
        );
        assert_eq!(
            parse(&format!("+FULLRESYNC {ID} 42")),
            Ok(Answer::FullResync(Position {
                replid: id.unwrap(),
                offset: 42
            }))
        );
        for bad in [
            "+CONTINUE nonsense",
            "+FULLRESYNC",
            "+FULLRESYNC ? 1",
            &format!("+FULLRESYNC {ID} -1"),
            &format!("+FULLRESYNC {ID} 99999999999999999999"),
            &format!("+FULLRESYNC {ID} {}", u64::MAX),
            &format!("+FULLRESYNC {ID} {}", OFFSET_MAX + 1),
            "+OK",
            "-NOMASTERLINK Can't SYNC while not connected with my master",
            "$EOF:",
            "",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
