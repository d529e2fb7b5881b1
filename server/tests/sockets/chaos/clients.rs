//! Clients that write and read while the nodes change under them, and keep account of what they were promised.

use super::cluster::{Cluster, lock};
use crate::common::readers::GROUP;
use crate::common::*;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// What the clients saw, all together.
#[derive(Default)]
pub struct Ledger {
    pub stop: AtomicBool,
    /// The node that is handing over by FAILOVER, plus one: a write it refuses now is refused for that.
    pub ceding: AtomicUsize,
    /// Writers that look whether a hand-over kept what they wrote.
    pub checking: AtomicUsize,
    pub acknowledged: AtomicU64,
    /// Keys written, confirmed by WAIT to be at every node.
    pub promised: Mutex<HashSet<String>>,
    /// Writes that were acknowledged before a hand-over and found after it.
    pub handed_over: AtomicU64,
    pub reads: AtomicU64,
    /// Reads refused by a stock server.
    pub refused_by_stock: AtomicU64,
    /// How often each writer counted, at most.
    pub counted: Mutex<Vec<u64>>,
    /// What must not be.
    pub complaints: Mutex<Vec<String>>,
}

impl Ledger {
    pub fn complain(&self, what: String) {
        lock(&self.complaints).push(what);
    }
}

/// Writes to whoever is master until told to stop: a key of its own each time, a counter, and the group that
/// readers read; now and then it asks how many replicas have it all.
pub fn write(cluster: &Cluster, ledger: &Ledger, writer: usize) {
    let mut serial = 0u64;
    while !ledger.stop.load(SeqCst) {
        let master = cluster.master();
        let Ok(mut client) = Client::connect(cluster.nodes[master].port) else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        // Acknowledged on this connection, and so by one history of one node.
        let mut pending: Vec<String> = Vec::new();
        loop {
            if ledger.stop.load(SeqCst) || cluster.master() != master {
                break;
            }
            serial += 1;
            lock(&ledger.counted)[writer] += 1;
            let key = format!("w{writer}:{serial}");
            let mut group = vec!["MSET".to_owned()];
            group.extend((0..GROUP).flat_map(|i| [format!("g:{i}"), format!("{writer}:{serial}")]));
            let outcome = client
                .try_cmd(&["SET", &key, "1"])
                .and_then(|set| Ok((set, client.try_cmd(&["INCR", &format!("count:{writer}")])?)))
                .and_then(|(set, _)| Ok((set, client.try_cmd(&group)?)));
            match outcome {
                Ok((Value::Simple(_), _)) => {
                    ledger.acknowledged.fetch_add(1, SeqCst);
                    pending.push(key);
                }
                Ok((Value::Error(error), _)) => {
                    if error.starts_with("READONLY") && ledger.ceding.load(SeqCst) == master + 1 {
                        ledger.checking.fetch_add(1, SeqCst);
                        kept(cluster, ledger, master, &pending);
                        ledger.checking.fetch_sub(1, SeqCst);
                    }
                    break;
                }
                Ok((other, _)) => return ledger.complain(format!("SET answered {other:?}")),
                Err(_) => break,
            }
            if serial.is_multiple_of(16) {
                let everybody = cluster.nodes.len() as i64 - 1;
                let line = ["WAIT", &everybody.to_string(), "60"];
                match client.try_cmd(&line) {
                    Ok(Value::Int(n)) if n >= everybody => {
                        lock(&ledger.promised).extend(pending.drain(..));
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// After a hand-over the heir has all that the old master acknowledged.
fn kept(cluster: &Cluster, ledger: &Ledger, old: usize, keys: &[String]) {
    while ledger.ceding.load(SeqCst) == old + 1 && cluster.master() == old {
        if ledger.stop.load(SeqCst) {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let heir = cluster.master();
    if heir == old || keys.is_empty() {
        return;
    }
    let mut command = vec!["EXISTS"];
    command.extend(keys.iter().map(String::as_str));
    let Ok(mut client) = Client::connect(cluster.nodes[heir].port) else {
        return;
    };
    match client.try_cmd(&command) {
        Ok(Value::Int(n)) if n == keys.len() as i64 => {
            ledger.handed_over.fetch_add(keys.len() as u64, SeqCst);
        }
        Ok(Value::Int(n)) => ledger.complain(format!(
            "takeover_keeps_writes: of {} writes that {old} had acknowledged {heir} has {n}",
            keys.len()
        )),
        Ok(other) => ledger.complain(format!("EXISTS answered {other:?}")),
        Err(_) => {}
    }
}

/// Reads one node every millisecond until told to stop.
pub fn read(cluster: &Cluster, ledger: &Ledger, node: usize) {
    let node_of = &cluster.nodes[node];
    let keys: Vec<String> = (0..GROUP).map(|i| format!("g:{i}")).collect();
    let mut command = vec!["MGET".to_owned()];
    command.extend(keys);
    let mut client: Option<Client> = None;
    while !ledger.stop.load(SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
        // Asked before and after: a node that was killed meanwhile owes nothing.
        let owed = node_of.must_serve();
        let Some(conn) = client.as_mut() else {
            client = Client::connect(node_of.port).ok();
            continue;
        };
        let Ok(reply) = conn.try_cmd(&command) else {
            client = None;
            if owed && node_of.must_serve() {
                ledger.complain(format!("node {node} closed the connection of a reader"));
            }
            continue;
        };
        ledger.reads.fetch_add(1, SeqCst);
        let wrong = match &reply {
            Value::Error(_) if node_of.kind == Kind::Redis => {
                ledger.refused_by_stock.fetch_add(1, SeqCst);
                false
            }
            Value::Error(_) => true,
            Value::Array(items) => {
                items.windows(2).any(|pair| pair[0] != pair[1])
                    || (items[0] == Value::Nil && node_of.kind == Kind::Damselfly)
            }
            _ => true,
        };
        if wrong && owed && node_of.must_serve() {
            ledger.complain(format!(
                "reads_stay_available: node {node} answered {reply:?}"
            ));
        }
    }
}
