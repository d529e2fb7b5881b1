//! Those who use the nodes: clients that write and read, and operators that change roles.

use super::cluster::{Cluster, Epoch, PORT};
use super::oracle::{self, COUNTED, PLAIN};
use super::value::{Conn, Value};
use damselfly_server::sys::simulated::HostId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// No command takes longer than this, whatever happens on the network.
const PATIENCE: Duration = Duration::from_secs(40);

/// What all of them share.
pub struct Town {
    pub cluster: Arc<Cluster>,
    /// They are to go home.
    pub over: AtomicBool,
    tags: AtomicU64,
    pub writes: AtomicU64,
    pub reads: AtomicU64,
    pub waits: AtomicU64,
    last_read: Mutex<BTreeMap<(HostId, usize), Read>>,
}

/// What a read of a list of a node had last, and the epoch in which it had.
type Read = (Epoch, Vec<Value>);

impl Town {
    pub fn new(cluster: &Arc<Cluster>) -> Arc<Town> {
        Arc::new(Town {
            cluster: Arc::clone(cluster),
            over: AtomicBool::new(false),
            tags: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            last_read: Mutex::default(),
        })
    }

    fn below(&self, bound: u64) -> u64 {
        self.cluster.world.below(bound)
    }

    /// A little while, of up to `millis`.
    async fn rest(&self, millis: u64) {
        sleep(Duration::from_millis(1 + self.below(millis))).await;
    }

    fn wrong(&self, what: String) {
        self.cluster.world.wrong(what);
    }

    /// The replies of `host` to some commands. None if the connection failed: nobody knows what became of them.
    async fn ask(
        &self,
        conn: &mut Option<Conn>,
        host: HostId,
        commands: &[&[&str]],
    ) -> Option<Vec<Value>> {
        let asked = async {
            if conn.is_none() {
                *conn = Some(Conn::open(host).await?);
            }
            match conn {
                Some(open) => open.ask(commands).await,
                None => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        let epoch = self.cluster.epoch(host).0;
        match timeout(PATIENCE, asked).await {
            Ok(Ok(replies)) => Some(replies),
            Ok(Err(_)) => {
                *conn = None;
                None
            }
            Err(_) => {
                *conn = None;
                // Writes wait as long as a hand-over does.
                let writes = commands.iter().any(|words| words[0] == "RPUSH");
                if !writes && self.cluster.world.runs(host) && self.cluster.epoch(host).0 == epoch {
                    self.wrong(format!(
                        "every_command_answered: n{host} did not answer {commands:?}"
                    ));
                }
                None
            }
        }
    }

    /// A client that writes, and now and then waits for replicas.
    pub async fn writer(self: Arc<Self>) {
        let (mut host, mut conn) = (self.cluster.any(), None);
        while !self.over.load(Relaxed) {
            self.rest(200).await;
            let number = self.tags.fetch_add(1, Relaxed);
            let tag = format!("n{host}.{number}");
            let which = self.below(2) as usize;
            let before: Vec<_> = self
                .cluster
                .hosts()
                .map(|h| self.cluster.epoch(h))
                .collect();
            let (key, replies) = match self.below(2) {
                0 => {
                    let key = PLAIN[which];
                    let replies = self.ask(&mut conn, host, &[&["RPUSH", key, &tag]]).await;
                    (key, replies)
                }
                _ => {
                    let (key, counter) = COUNTED[which];
                    let commands: [&[&str]; 4] = [
                        &["MULTI"],
                        &["RPUSH", key, &tag],
                        &["INCR", counter],
                        &["EXEC"],
                    ];
                    (key, self.ask(&mut conn, host, &commands).await)
                }
            };
            let said = replies.as_ref().and_then(|replies| replies.last());
            let done = matches!(said, Some(Value::Int(_) | Value::Array(_)));
            if !done {
                // Somebody else may be master.
                if self.below(2) == 0 {
                    (host, conn) = (self.cluster.any(), None);
                }
                continue;
            }
            self.writes.fetch_add(1, Relaxed);
            self.cluster
                .world
                .tell(&format!("{tag} written to {key} of n{host}"));
            if self.below(6) == 0 {
                self.wait(&mut conn, host, key, &tag, &before).await;
            }
        }
    }

    /// Whoever a WAIT counts has what was written before.
    async fn wait(
        &self,
        conn: &mut Option<Conn>,
        host: HostId,
        key: &str,
        tag: &str,
        before: &[Epoch],
    ) {
        let replies = self.ask(conn, host, &[&["WAIT", "2", "500"]]).await;
        let Some([Value::Int(acked)]) = replies.as_deref() else {
            return;
        };
        self.waits.fetch_add(1, Relaxed);
        let others = self.cluster.hosts().filter(|&other| other != host);
        let holding = others.filter(|&other| {
            // One that has other data than it had may have had it.
            if before[usize::from(other) - 1] != self.cluster.epoch(other) {
                return true;
            }
            match self.cluster.glance(other) {
                Some(glance) if !glance.status.refuses_reads() => {
                    oracle::has(&glance.dataset, key, tag)
                }
                _ => true,
            }
        });
        let holding = holding.count() as i64;
        if holding < *acked {
            self.wrong(format!(
                "acknowledged: WAIT said that {acked} have {tag}, and {holding} do"
            ));
        }
    }

    /// A client that reads, each time at another node.
    pub async fn reader(self: Arc<Self>) {
        let mut conns: BTreeMap<HostId, Option<Conn>> = BTreeMap::new();
        while !self.over.load(Relaxed) {
            self.rest(150).await;
            let host = self.cluster.any();
            let which = self.below(2) as usize;
            let (key, counter) = COUNTED[which];
            let commands: [&[&str]; 4] = [
                &["MULTI"],
                &["LRANGE", key, "0", "-1"],
                &["GET", counter],
                &["EXEC"],
            ];
            let epoch = self.cluster.epoch(host);
            let had_data = self
                .cluster
                .glance(host)
                .is_some_and(|glance| glance.has_data());
            let conn = conns.entry(host).or_default();
            let Some(replies) = self.ask(conn, host, &commands).await else {
                continue;
            };
            let refused = replies.iter().find_map(Value::error);
            if let Some(why) = refused {
                let stages = self.cluster.stages(host);
                if had_data && stages && epoch == self.cluster.epoch(host) {
                    self.wrong(format!(
                        "reads_stay_available: n{host} has data and says {why}"
                    ));
                }
                continue;
            }
            self.reads.fetch_add(1, Relaxed);
            let Some([list, count]) = replies.last().map(Value::items) else {
                self.wrong(format!("n{host} answered a transaction with {replies:?}"));
                continue;
            };
            let count = match count {
                Value::Bulk(n) => String::from_utf8_lossy(n).parse().unwrap_or(usize::MAX),
                _ => 0,
            };
            let list = list.items().to_vec();
            if list.len() != count {
                let len = list.len();
                self.wrong(format!(
                    "atomic_swap: n{host} read {len} tags in {key}, counted {count}"
                ));
            }
            if epoch == self.cluster.epoch(host) {
                let mut last = self.last_read.lock();
                if let Some((then, tags)) = last.get(&(host, which))
                    && *then == epoch
                    && !list.starts_with(tags)
                {
                    self.wrong(format!(
                        "prefix: {key} of n{host} went back from {tags:?} to {list:?}"
                    ));
                }
                last.insert((host, which), (epoch, list));
            }
        }
    }

    /// One who changes roles.
    pub async fn operator(self: Arc<Self>) {
        self.begin().await;
        while !self.over.load(Relaxed) {
            self.rest(3000).await;
            let host = self.cluster.any();
            let command = self.whim(host);
            // Several may be under way.
            damselfly_server::sys::task::spawn(Arc::clone(&self).command(host, command));
            if self.below(4) == 0 {
                let other = self.cluster.any();
                let command = self.whim(other);
                damselfly_server::sys::task::spawn(Arc::clone(&self).command(other, command));
            }
        }
    }

    /// One master, whom the others follow.
    async fn begin(self: &Arc<Self>) {
        let master = self.cluster.any();
        self.fill(master).await;
        for host in self.cluster.hosts().filter(|&host| host != master) {
            let command = follow(master);
            damselfly_server::sys::task::spawn(Arc::clone(self).command(host, command));
        }
        sleep(Duration::from_millis(500)).await;
    }

    /// Some worlds have data that takes its time.
    async fn fill(&self, host: HostId) {
        let mut conn = None;
        for i in 0..self.below(24).saturating_sub(8) {
            let noise = (0..400).map(|_| format!("{:016x}", self.cluster.world.dice()));
            let (key, noise) = (format!("pad:{i}"), noise.collect::<String>());
            self.ask(&mut conn, host, &[&["SET", &key, &noise]]).await;
        }
    }

    async fn command(self: Arc<Self>, host: HostId, words: String) {
        let words: Vec<&str> = words.split(' ').collect();
        let in_exec = words[0] == "REPLICAOF" && self.below(6) == 0;
        let world = &self.cluster.world;
        world.tell(&format!(
            "to n{host}: {}{}",
            words.join(" "),
            if in_exec { " in EXEC" } else { "" }
        ));
        let replies = match in_exec {
            true => {
                self.ask(&mut None, host, &[&["MULTI"], &words, &["EXEC"]])
                    .await
            }
            false => self.ask(&mut None, host, &[&words]).await,
        };
        let said = match replies.as_ref().and_then(|replies| replies.last()) {
            Some(reply) => reply.shown(),
            None => "nothing, the connection is lost".into(),
        };
        world.tell(&format!("n{host} to {}: {said}", words.join(" ")));
    }

    fn whim(&self, host: HostId) -> String {
        let other = self.cluster.other_than(host);
        match self.below(24) {
            0..=7 => follow(other),
            // Somebody who is not there, and oneself.
            8 => format!("REPLICAOF 10.0.0.99 {PORT}"),
            9 => follow(host),
            10..=12 => "REPLICAOF NO ONE".into(),
            13 => "REPLICAOF NO ONE FORCE".into(),
            14..=15 => "FAILOVER TIMEOUT 1500".into(),
            16 => format!("FAILOVER TO 10.0.0.{other} {PORT} TIMEOUT 2000"),
            17 => "FAILOVER ABORT".into(),
            18..=19 => "REPLTAKEOVER 2".into(),
            20 => "BGSAVE".into(),
            21 => "SAVE".into(),
            22 => "CLIENT KILL TYPE master".into(),
            _ => "CLIENT KILL TYPE replica".into(),
        }
    }

    /// Asks until the answer is OK; false if it never is.
    pub async fn insist(&self, host: HostId, command: &[&str]) -> bool {
        for _ in 0..60 {
            let replies = self.ask(&mut None, host, &[command]).await;
            let said = replies.as_ref().and_then(|replies| replies.first());
            if matches!(said, Some(Value::Text(text)) if text.starts_with("OK")) {
                return true;
            }
            sleep(Duration::from_secs(1)).await;
        }
        false
    }
}

/// The command that makes a node follow `host`.
fn follow(host: HostId) -> String {
    format!("REPLICAOF 10.0.0.{host} {PORT}")
}
