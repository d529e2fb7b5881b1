//! The story of one seed: nodes, those who use them, bad weather; then calm, in which all must come to agree.

use super::cluster::{Cluster, PORT};
use super::oracle::Oracle;
use super::people::Town;
use super::value::{Conn, Value};
use super::weather;
use damselfly_core::{Failover, LinkStatus};
use damselfly_server::sys::simulated::fault::Fault;
use damselfly_server::sys::simulated::{HostId, Outage, World};
use damselfly_server::sys::task;
use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::sleep;

/// How often it is looked at the nodes.
const GLANCE: Duration = Duration::from_millis(15);

/// Time that a calm world may take to agree, before which nothing is wrong.
const CALM: Duration = Duration::from_secs(90);

/// What came of a seed.
pub struct Told {
    pub story: String,
    pub wrongs: Vec<String>,
    pub tally: Tally,
}

/// What happened, in figures.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    pub seconds: u64,
    pub writes: u64,
    pub reads: u64,
    pub waits: u64,
    pub hand_overs: u64,
    pub full_syncs: u64,
    pub partial_syncs: u64,
    /// Commands of a stream that failed at a replica.
    pub stumbles: u64,
    /// Inputs of nodes that the model has replayed.
    pub replayed: u64,
}

/// Log lines of the servers go into the story; none of them logs an error unless something is wrong.
struct Log(Arc<World>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        match text.starts_with("ERROR") {
            true => self.0.wrong(text.to_owned()),
            false => self.0.tell(text),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs the world of `seed`, on this thread, which must never have run another one. In `traces`, if that is a directory,
/// every start of a node leaves its trace.
pub fn tell(seed: u64, fault: Option<Fault>, traces: Option<PathBuf>) -> Told {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let told = runtime.block_on(async {
        let world = World::new(seed);
        world.plant(fault);
        let writer = Arc::clone(&world);
        let log = tracing_subscriber::fmt()
            .with_writer(move || Log(Arc::clone(&writer)))
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .finish();
        let _log = tracing::subscriber::set_default(log);
        let _here = world.outside().enter();
        let tally = live(&world, traces).await;
        Told {
            story: world.story(),
            wrongs: world.wrongs(),
            tally,
        }
    });
    drop(runtime);
    told
}

async fn live(world: &Arc<World>, traces: Option<PathBuf>) -> Tally {
    let cluster = Cluster::new(world, traces);
    cluster.hosts().for_each(|host| cluster.start(host));
    let oracle = Arc::new(Mutex::new(Oracle::default()));
    let looking = {
        let (oracle, cluster) = (Arc::clone(&oracle), Arc::clone(&cluster));
        task::spawn(async move {
            loop {
                let thoroughly = cluster.world.once_in(20);
                oracle.lock().look(&cluster, thoroughly);
                sleep(GLANCE).await;
            }
        })
    };
    let town = Town::new(&cluster);
    let mut people = vec![
        task::spawn(Arc::clone(&town).operator()),
        task::spawn(weather::storm(Arc::clone(&town))),
        task::spawn(Arc::clone(&town).reader()),
    ];
    for _ in 0..3 {
        people.push(task::spawn(Arc::clone(&town).writer()));
    }
    let time = world.time_between(Duration::from_secs(8), Duration::from_secs(30));
    sleep(time).await;
    town.over.store(true, Relaxed);
    for person in people {
        // What went wrong with one of them is in the story.
        let _ = person.await;
    }
    world.tell("calm");
    weather::clear(&cluster);
    agree(&cluster, &town, &oracle).await;
    looking.abort_handle().abort();
    let mut tally = Tally {
        seconds: world.elapsed().as_secs(),
        writes: town.writes.load(Relaxed),
        reads: town.reads.load(Relaxed),
        waits: town.waits.load(Relaxed),
        hand_overs: oracle.lock().hand_overs,
        stumbles: world.stumbled(),
        ..Tally::default()
    };
    for made in cluster.hosts().filter_map(|host| cluster.made(host)) {
        tally.full_syncs += made.door.driver().facts().full_syncs();
        tally.partial_syncs += made.door.driver().facts().partial_syncs();
    }
    cluster
        .hosts()
        .for_each(|host| cluster.crash(host, false, Outage::Nothing));
    // What they leave is dropped by their tasks.
    sleep(Duration::from_millis(50)).await;
    tally
}

/// In calm all must come to have the same data.
async fn agree(cluster: &Arc<Cluster>, town: &Town, oracle: &Mutex<Oracle>) {
    let world = &cluster.world;
    if world.wrongs().is_empty() {
        links_converge(cluster).await;
    }
    let master = cluster.any();
    let follow = format!("10.0.0.{master}");
    if !town
        .insist(master, &["REPLICAOF", "NO", "ONE", "FORCE"])
        .await
    {
        return world.wrong(format!("n{master} is not promoted"));
    }
    for host in cluster.hosts().filter(|&host| host != master) {
        // It may wait for an heir that is no longer there.
        let _ = town
            .insist(host, &["REPLICAOF", "NO", "ONE", "FORCE"])
            .await;
        if !town
            .insist(host, &["REPLICAOF", &follow, &PORT.to_string()])
            .await
        {
            return world.wrong(format!("n{host} does not follow n{master}"));
        }
    }
    let others = cluster.hosts().count() as i64 - 1;
    let all_have = async || {
        let mut conn = Conn::open(master).await?;
        conn.call(&["RPUSH", "last", "word"]).await?;
        conn.call(&["WAIT", &others.to_string(), "1000"]).await
    };
    let mut acked = 0;
    for _ in 0..CALM.as_secs() {
        if let Ok(Value::Int(n)) = all_have().await {
            acked = n;
        }
        if acked == others {
            break;
        }
    }
    if acked != others {
        return world.wrong(format!(
            "link_converges: {acked} of {others} follow n{master}"
        ));
    }
    // A ping may be under way.
    let mut last = String::new();
    for _ in 0..5 {
        match same_place(cluster, oracle) {
            Ok(()) => return,
            Err(places) => last = places,
        }
        sleep(Duration::from_millis(100)).await;
    }
    world.wrong(format!(
        "link_converges: all is calm, and yet they are at {last}"
    ));
}

/// Whether all are at one place of one history; that they have the same data then, the oracle sees to.
fn same_place(cluster: &Cluster, oracle: &Mutex<Oracle>) -> Result<(), String> {
    oracle.lock().look(cluster, true);
    let place = |host| {
        let glance = cluster.glance(host)?;
        Some((glance.replid().to_string(), glance.offset))
    };
    let places: Vec<_> = cluster.hosts().map(place).collect();
    match places
        .iter()
        .all(|place| place.is_some() && *place == places[0])
    {
        true => Ok(()),
        false => Err(format!("{places:?}")),
    }
}

/// Whoever follows a master that is up, at any distance, ends streaming, without an operator.
async fn links_converge(cluster: &Cluster) {
    let world = &cluster.world;
    let mut left = Vec::new();
    for _ in 0..CALM.as_secs() {
        sleep(Duration::from_secs(1)).await;
        left = cluster
            .hosts()
            .filter(|&host| is_to_stream(cluster, host))
            .collect();
        left.retain(|&host| {
            let glance = cluster.glance(host);
            !glance.is_some_and(|glance| glance.status.link_up())
        });
        if left.is_empty() {
            return;
        }
    }
    for host in left {
        let link: Option<LinkStatus> = cluster
            .glance(host)
            .and_then(|glance| Some(glance.status.master?.1));
        world.wrong(format!(
            "link_converges: n{host} has a master that is up, and its link is {link:?}"
        ));
    }
}

/// Whether there is a real master at the end of the chain of masters of `host`, and nobody on the way hands over.
fn is_to_stream(cluster: &Cluster, host: HostId) -> bool {
    let mut at = host;
    for _ in cluster.hosts() {
        let Some(glance) = cluster
            .glance(at)
            .filter(|g| g.status.failover == Failover::No)
        else {
            return false;
        };
        match glance.master() {
            None => return at != host,
            // Nobody is there.
            Some(next) if usize::from(next) > cluster.hosts().count() => return false,
            Some(next) => at = next,
        }
    }
    false
}
