//! Five nodes, of both kinds, that reach each other only through proxies.

use crate::common::data::Rng;
use crate::common::server::free_port;
use crate::common::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// One server, and the proxy by which the others know it.
pub struct Node {
    pub kind: Kind,
    /// Where clients reach it.
    pub port: u16,
    /// Where other nodes reach it.
    pub proxy: Proxy,
    /// It may have lost its dataset: it was killed, and its link has not been up since.
    pub bare: AtomicBool,
    server: Mutex<Server>,
    args: Vec<String>,
}

/// What a node says of itself.
#[derive(Clone, Debug)]
pub struct View {
    /// The node it follows.
    pub parent: Option<usize>,
    /// It is a master, or its link streams.
    pub up: bool,
    pub offset: i64,
    pub failing_over: bool,
    pub info: Info,
}

/// All of them.
pub struct Cluster {
    pub nodes: Vec<Node>,
    /// The node that clients write to.
    master: AtomicUsize,
}

impl Node {
    fn start(kind: Kind) -> Node {
        let public = free_port();
        let mut args: Vec<String> = ["--replica-announce-ip", "127.0.0.1"]
            .into_iter()
            .chain(["--replica-announce-port", &public.to_string()])
            .map(str::to_owned)
            .collect();
        if kind == Kind::Damselfly {
            args.extend(["--replicaof-timeout", "1"].map(str::to_owned));
        }
        let server = Server::start(kind, &args.iter().map(String::as_str).collect::<Vec<_>>());
        Node {
            kind,
            port: server.port,
            proxy: Proxy::on(public, server.port),
            bare: AtomicBool::new(false),
            server: Mutex::new(server),
            args,
        }
    }

    /// Whether no read of it may be refused, and none may find nothing.
    pub fn must_serve(&self) -> bool {
        self.kind == Kind::Damselfly && !self.bare.load(SeqCst)
    }

    /// Kills it without a word to anybody.
    pub fn kill(&self) {
        self.bare.store(true, SeqCst);
        self.with(Server::kill);
    }

    /// Starts it again with what it has on disk, as a replica of `master` from its first moment: an empty master would
    /// be taken for the truth by those who follow it.
    pub fn restart(&self, master: &Node) {
        let of = format!("127.0.0.1 {}", master.proxy.port);
        let mut args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        args.extend(["--replicaof", &of]);
        self.with(|server| server.restart_with(&args));
    }

    pub fn freeze(&self, frozen: bool) {
        self.with(|server| server.freeze(frozen));
    }

    pub fn with<T>(&self, what: impl FnOnce(&mut Server) -> T) -> T {
        what(&mut lock(&self.server))
    }

    /// One command, on a connection of its own; `None` if it is not there.
    pub fn ask(&self, line: &str) -> Option<Value> {
        let words: Vec<&str> = line.split(' ').collect();
        Client::connect(self.port).ok()?.try_cmd(&words).ok()
    }

    /// Ends it in order and replays what it recorded, this life and the earlier ones. How many facts were replayed.
    pub fn replay(&self) -> usize {
        if self.kind == Kind::Redis {
            return 0;
        }
        self.with(|server| {
            assert!(server.terminate().success());
            server.replay()
        })
    }
}

impl Cluster {
    /// The first of `kinds` is the master of the others.
    pub fn start(kinds: &[Kind]) -> Cluster {
        let nodes: Vec<Node> = kinds.iter().map(|kind| Node::start(*kind)).collect();
        for node in &nodes[1..] {
            node.with(|server| server.follow(nodes[0].proxy.port));
        }
        Cluster {
            nodes,
            master: AtomicUsize::new(0),
        }
    }

    pub fn master(&self) -> usize {
        self.master.load(SeqCst)
    }

    pub fn set_master(&self, node: usize) {
        self.master.store(node, SeqCst);
    }

    /// What `node` says of itself; `None` if it cannot be asked.
    pub fn view(&self, node: usize) -> Option<View> {
        let reply = self.nodes[node].ask("INFO replication")?;
        let Value::Bulk(text) = reply else {
            return None;
        };
        let info = Info::parse(&text);
        let slave = info.get("role") == "slave";
        let parent = self
            .nodes
            .iter()
            .position(|n| slave && n.proxy.port.to_string() == info.get("master_port"));
        let syncing = info.get("master_sync_in_progress") == "1";
        Some(View {
            parent,
            up: !slave || (info.get("master_link_status") == "up" && !syncing),
            offset: info.num("master_repl_offset"),
            failing_over: !["", "no-failover"].contains(&&info.get("master_failover_state")[..]),
            info,
        })
    }

    /// Whether `node` follows `other`, at whatever distance, or might: a node that cannot be asked counts.
    pub fn follows(&self, node: usize, other: usize) -> bool {
        let mut at = node;
        for _ in 0..self.nodes.len() {
            if at == other {
                return true;
            }
            match self.view(at) {
                Some(View {
                    parent: Some(parent),
                    ..
                }) => at = parent,
                Some(_) => return false,
                None => return true,
            }
        }
        true
    }

    /// Tells `node` to follow `other`, with one more try for an attempt that a fault has spoiled.
    pub fn follow(&self, node: usize, other: usize) -> bool {
        let line = format!("REPLICAOF 127.0.0.1 {}", self.nodes[other].proxy.port);
        (0..2).any(|_| matches!(self.nodes[node].ask(&line), Some(Value::Simple(_))))
    }
}

/// What the network does to one node after another, until the time is over.
pub fn weather(cluster: &Cluster, mut rng: Rng, end: Instant) {
    while Instant::now() < end {
        let proxy = &rng.pick(&cluster.nodes).proxy;
        match rng.below(6) {
            0 => proxy.set(Fault::Mute),
            1 => proxy.set(Fault::Delay(Duration::from_millis(1 + rng.below(20)))),
            2 => proxy.set(Fault::TruncateAfter(rng.below(50_000))),
            3 => proxy.set(Fault::Refuse),
            _ => proxy.cut(),
        }
        std::thread::sleep(Duration::from_millis(20 + rng.below(300)));
        proxy.set(Fault::None);
        std::thread::sleep(Duration::from_millis(rng.below(500)));
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
