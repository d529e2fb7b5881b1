//! The nodes: whole servers, each on a host of its own.

use damselfly_server::config::startup::{Invocation, invocation};
use damselfly_server::repl::domain::{Id, Status};
use damselfly_server::shell::net;
use damselfly_server::shell::runtime::Places;
use damselfly_server::shell::start::Made;
use damselfly_server::store::Dataset;
use damselfly_server::sys::simulated::{HostId, Outage, World};
use damselfly_server::sys::{task, thread};
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;

/// Where every node listens.
pub const PORT: u16 = 6379;

/// I/O threads of a node: connections of one node run in different gates.
const THREADS: usize = 2;

pub struct Cluster {
    pub world: Arc<World>,
    nodes: Vec<Mutex<Node>>,
    /// Where every start of a node leaves its trace, if it does.
    traces: Option<PathBuf>,
}

struct Node {
    config: Vec<Vec<u8>>,
    staging: bool,
    starts: u32,
    made: Option<Arc<Made>>,
}

/// What a node is at a moment between two commands.
pub struct Glance {
    pub status: Arc<Status>,
    pub dataset: Arc<Dataset>,
    /// End of its log.
    pub offset: u64,
    /// Its log is in use, so the offset says where in its history it is.
    pub counts: bool,
}

/// What makes that a node may have other data than it had: starts, and datasets that replaced another.
pub type Epoch = (u32, u64);

impl Cluster {
    /// As many nodes as the dice say, none of which runs.
    pub fn new(world: &Arc<World>, traces: Option<PathBuf>) -> Arc<Cluster> {
        let count = 3 + world.below(3);
        let nodes = (1..=count).map(|host| Mutex::new(Node::new(world, host as u8)));
        Arc::new(Cluster {
            nodes: nodes.collect(),
            world: Arc::clone(world),
            traces,
        })
    }

    pub fn hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        1..=self.nodes.len() as HostId
    }

    /// Any node.
    pub fn any(&self) -> HostId {
        1 + self.world.below(self.nodes.len() as u64) as HostId
    }

    /// A node that is not `host`.
    pub fn other_than(&self, host: HostId) -> HostId {
        let step = 1 + self.world.below(self.nodes.len() as u64 - 1) as HostId;
        (host - 1 + step) % self.nodes.len() as HostId + 1
    }

    fn node(&self, host: HostId) -> &Mutex<Node> {
        &self.nodes[usize::from(host) - 1]
    }

    /// Starts a node that does not run.
    pub fn start(&self, host: HostId) {
        if self.world.runs(host) {
            return;
        }
        let context = self.world.start(host);
        let _here = context.enter();
        let mut node = self.node(host).lock();
        node.starts += 1;
        let mut words = node.config.clone();
        if let Some(dir) = &self.traces {
            let file = dir.join(format!("n{host}-{}", node.starts));
            words.extend([
                b"--trace".to_vec(),
                file.into_os_string().into_encoded_bytes(),
            ]);
        }
        let config = match invocation(&words) {
            Ok(Invocation::Run(config, _)) => *config,
            _ => panic!("the configuration of a node is good"),
        };
        let settings = Arc::clone(&config.settings());
        let handle = task::Handle::new(context.clone());
        let made = Made::new(Arc::new(config), THREADS, &handle).expect("a node can be made");
        let made = Arc::new(made);
        let listeners = net::listen(&settings.bind, settings.port, settings.tcp_backlog);
        let io = vec![handle.clone(); THREADS];
        Places::new(io, handle).serve(&made.server, listeners.expect("nobody else listens there"));
        let restored = Arc::clone(&made);
        let world = Arc::clone(&self.world);
        let restore = move || {
            if let Err(why) = restored.restore() {
                world.wrong(format!("a snapshot that was saved cannot be loaded: {why}"));
            }
        };
        match made.has_snapshot() {
            true => thread::spawn("restore", restore).expect("the host runs"),
            false => restore(),
        }
        node.made = Some(made);
    }

    /// Ends a node where it is.
    pub fn crash(&self, host: HostId, silent: bool, outage: Outage) {
        self.world.crash(host, silent, outage);
        // Its last tasks are dropped soon; what they share goes with them.
        self.node(host).lock().made = None;
    }

    /// The server of a node that runs.
    pub fn made(&self, host: HostId) -> Option<Arc<Made>> {
        self.node(host).lock().made.clone()
    }

    /// Whether a full sync keeps what the node has until it is in.
    pub fn stages(&self, host: HostId) -> bool {
        self.node(host).lock().staging
    }

    pub fn epoch(&self, host: HostId) -> Epoch {
        let node = self.node(host).lock();
        let facts = node
            .made
            .as_ref()
            .map(|made| made.door.driver().facts().full_syncs());
        (node.starts, facts.unwrap_or(u64::MAX))
    }

    pub fn glance(&self, host: HostId) -> Option<Glance> {
        let made = self.made(host)?;
        let view = made.server.gates.enter(0).clone();
        Some(Glance {
            status: view.status,
            dataset: view.dataset,
            offset: made.server.log.offset(),
            counts: made.server.log.active(),
        })
    }
}

impl Glance {
    pub fn replid(&self) -> Id {
        self.status.history.at.replid
    }

    /// It holds a whole dataset that is not empty.
    pub fn has_data(&self) -> bool {
        self.status.whole && !self.status.loading && !self.dataset.is_empty()
    }

    /// The node it follows.
    pub fn master(&self) -> Option<HostId> {
        let (host, _) = self.status.master?;
        host.name().rsplit('.').next()?.parse().ok()
    }
}

impl Node {
    fn new(world: &World, host: HostId) -> Node {
        let pick = |words: &[&'static str]| words[world.below(words.len() as u64) as usize];
        let full_sync = pick(&["staging", "staging", "staging", "flush"]);
        let save = pick(&["", "", "2 1"]);
        let words = [
            ("bind", format!("10.0.0.{host}")),
            ("port", PORT.to_string()),
            ("dir", "/".into()),
            ("databases", "1".into()),
            ("hz", "1".into()),
            ("protected-mode", "no".into()),
            ("save", save.into()),
            ("replica-full-sync", full_sync.into()),
            ("replicaof-timeout", pick(&["1", "2", "4"]).into()),
            ("repl-timeout", pick(&["3", "5", "10"]).into()),
            ("repl-ping-replica-period", pick(&["1", "2"]).into()),
            ("repl-diskless-sync", pick(&["yes", "yes", "no"]).into()),
            ("repl-diskless-sync-delay", pick(&["0", "0", "1"]).into()),
            ("repl-backlog-size", pick(&["16kb", "1mb", "1mb"]).into()),
            ("shutdown-timeout", "1".into()),
        ];
        let config = words
            .into_iter()
            .flat_map(|(name, value)| [format!("--{name}").into_bytes(), value.into_bytes()]);
        Node {
            config: config.collect(),
            staging: full_sync == "staging",
            starts: 0,
            made: None,
        }
    }
}
