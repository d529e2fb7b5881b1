//! Chaos: five nodes of both kinds, every fault at once, and an account of what must hold whatever happens.
//!
//! An operator switches masters, hands over, kills, restarts and sends storms of REPLICAOF; the network cuts,
//! delays and swallows; clients write, count and read all along. At the end: no read of a Damselfly with a dataset
//! was refused, nothing that WAIT promised is lost, no hand-over lost a write, nothing was applied twice, every node
//! holds the same, and what every Damselfly recorded of itself can be replayed.
//!
//! `DAMSELFLY_CHAOS_SECONDS=600 DAMSELFLY_CHAOS_SEED=7 cargo test --profile checked -p damselfly-server --test sockets chaos --
//! --nocapture` runs longer, or another seed.

mod clients;
mod cluster;

use crate::common::data::Rng;
use crate::common::server::free_port;
use crate::common::wait::{PATIENCE, check, eventually_within};
use crate::common::*;
use clients::Ledger;
use cluster::{Cluster, lock};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

/// Writers of the master.
const WRITERS: usize = 2;

/// How long a hand-over may be under way, whatever the network does meanwhile.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(20);

struct Operator<'a> {
    cluster: &'a Cluster,
    ledger: &'a Ledger,
    rng: Rng,
    done: BTreeMap<&'static str, usize>,
}

impl Operator<'_> {
    fn did(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// Until `end`, and on a slow machine until there is something to judge by.
    fn run_until(&mut self, end: Instant) {
        let overtime = end + PATIENCE;
        while Instant::now() < end
            || (lock(&self.ledger.promised).is_empty() && Instant::now() < overtime)
        {
            match self.rng.below(20) {
                0..3 => self.hand_over(),
                3..5 => self.promote(),
                5..7 => self.kill_a_replica(),
                7 => self.kill_the_master(),
                8..11 => self.reparent(),
                11..13 => self.storm(),
                13..15 => self.mislead(),
                15 => self.freeze(),
                _ => self.gather(),
            }
            self.note_the_whole();
            thread::sleep(Duration::from_millis(20 + self.rng.below(200)));
        }
    }

    /// A node that was started again has a dataset once its link was up.
    fn note_the_whole(&self) {
        for (i, node) in self.cluster.nodes.iter().enumerate() {
            if node.bare.load(SeqCst)
                && self
                    .cluster
                    .view(i)
                    .is_some_and(|view| view.parent.is_some() && view.up)
            {
                node.bare.store(false, SeqCst);
            }
        }
    }

    fn others(&self, than: usize) -> Vec<usize> {
        (0..self.cluster.nodes.len())
            .filter(|i| *i != than)
            .collect()
    }

    /// The replica that is furthest: the one to promote. None while no link is up.
    fn best(&self) -> Option<usize> {
        let master = self.cluster.master();
        self.others(master)
            .into_iter()
            .filter(|i| !self.cluster.nodes[*i].bare.load(SeqCst))
            .filter(|i| self.cluster.follows(*i, master))
            .filter_map(|i| Some((self.cluster.view(i)?, i)))
            .filter(|(view, _)| view.parent.is_some() && view.up)
            .max_by_key(|(view, _)| view.offset)
            .map(|(_, i)| i)
    }

    fn all_follow(&self, master: usize) {
        for i in self.others(master) {
            self.cluster.follow(i, master);
        }
    }

    /// Everybody under the master: only then WAIT can promise something.
    fn gather(&mut self) {
        let master = self.cluster.master();
        for i in self.others(master) {
            if self
                .cluster
                .view(i)
                .is_some_and(|view| view.parent != Some(master))
            {
                self.cluster.follow(i, master);
            }
        }
        thread::sleep(Duration::from_millis(200));
        self.did("gatherings");
    }

    fn promote(&mut self) {
        let Some(heir) = self.best() else { return };
        if matches!(
            self.cluster.nodes[heir].ask("REPLICAOF NO ONE"),
            Some(Value::Simple(_))
        ) {
            self.cluster.set_master(heir);
            self.all_follow(heir);
            self.did("promotions");
        }
    }

    fn hand_over(&mut self) {
        let old = self.cluster.master();
        let replicas = self.others(old);
        let heir = *self.rng.pick(&replicas);
        let (from, to) = (&self.cluster.nodes[old], &self.cluster.nodes[heir]);
        self.ledger.ceding.store(old + 1, SeqCst);
        let line = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 1500", to.proxy.port);
        if matches!(from.ask(&line), Some(Value::Simple(_))) {
            if self.rng.below(2) == 0 && from.kind == Kind::Damselfly {
                let reply = from.ask(&format!("REPLICAOF 127.0.0.1 {}", free_port()));
                if !matches!(reply, Some(Value::Error(_))) {
                    self.ledger
                        .complain(format!("REPLICAOF in a hand-over: {reply:?}"));
                }
            }
            let began = Instant::now();
            while self.cluster.view(old).is_some_and(|view| view.failing_over) {
                if began.elapsed() > HAND_OVER_LIMIT {
                    self.ledger.complain(format!(
                        "every_command_answered: {line} at {old} does not end"
                    ));
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
            let heir_view = eventually("the heir says what it is", || {
                self.cluster.view(heir).ok_or("it does not answer".into())
            });
            if heir_view.parent.is_none() {
                // Those whose writes waited are told now.
                thread::sleep(Duration::from_millis(50));
                self.cluster.set_master(heir);
                self.await_writers();
                if self
                    .cluster
                    .view(old)
                    .is_none_or(|view| view.parent != Some(heir))
                {
                    // A stock master whose answer was lost thinks that it was refused, and takes writes again: what
                    // it refuses from here on says nothing of the hand-over.
                    self.ledger.ceding.store(0, SeqCst);
                    self.await_writers();
                    self.cluster.follow(old, heir);
                }
                self.did("hand-overs");
            } else {
                self.did("hand-overs put back");
            }
        } else {
            self.did("hand-overs refused");
        }
        self.ledger.ceding.store(0, SeqCst);
    }

    /// Writers have looked whether a hand-over kept what they wrote.
    fn await_writers(&self) {
        eventually("writers look at the heir", || {
            let n = self.ledger.checking.load(SeqCst);
            check(n == 0, || n.to_string())
        });
    }

    /// What is started again begins with the file it saved last, if it ever did, and may resume from there.
    fn save_or_not(&mut self, node: usize) {
        if self.rng.below(2) == 0
            && matches!(self.cluster.nodes[node].ask("SAVE"), Some(Value::Simple(_)))
        {
            self.did("nodes saved, then killed");
        }
    }

    fn kill_a_replica(&mut self) {
        let master = self.cluster.master();
        let replicas = self.others(master);
        let node = *self.rng.pick(&replicas);
        self.save_or_not(node);
        let node = &self.cluster.nodes[node];
        node.kill();
        thread::sleep(Duration::from_millis(self.rng.below(300)));
        node.restart(&self.cluster.nodes[master]);
        self.did("replicas killed");
    }

    fn kill_the_master(&mut self) {
        let Some(heir) = self.best() else { return };
        let old = self.cluster.master();
        self.save_or_not(old);
        self.cluster.nodes[old].kill();
        let promoted = eventually("the heir is promoted", || {
            match self.cluster.nodes[heir].ask("REPLICAOF NO ONE") {
                Some(Value::Simple(_)) => Ok(heir),
                other => Err(format!("{other:?}")),
            }
        });
        self.cluster.set_master(promoted);
        self.cluster.nodes[old].restart(&self.cluster.nodes[promoted]);
        self.all_follow(promoted);
        self.did("masters killed");
    }

    fn reparent(&mut self) {
        let replicas = self.others(self.cluster.master());
        let node = *self.rng.pick(&replicas);
        let parent = *self.rng.pick(&self.others(node));
        if !self.cluster.follows(parent, node) && self.cluster.follow(node, parent) {
            self.did("replicas moved");
        }
    }

    /// A Damselfly, which is not the master.
    fn ours(&mut self) -> Option<usize> {
        let mut replicas = self.others(self.cluster.master());
        replicas.retain(|i| self.cluster.nodes[*i].kind == Kind::Damselfly);
        (!replicas.is_empty()).then(|| *self.rng.pick(&replicas))
    }

    /// Several clients at once tell a replica whom to follow; it must end with what one of them was told OK.
    fn storm(&mut self) {
        let Some(node) = self.ours() else { return };
        let before = self.cluster.view(node).map(|view| view.parent);
        let mut targets: Vec<Option<usize>> = self.others(node).into_iter().map(Some).collect();
        targets.retain(|t| t.is_some_and(|t| !self.cluster.follows(t, node)));
        targets.push(None);
        let cluster = self.cluster;
        let written: Mutex<Vec<Option<usize>>> = Mutex::default();
        thread::scope(|s| {
            for target in &targets {
                let written = &written;
                s.spawn(move || {
                    let line = match target {
                        Some(other) => {
                            format!("REPLICAOF 127.0.0.1 {}", cluster.nodes[*other].proxy.port)
                        }
                        None => "REPLICAOF NO ONE".into(),
                    };
                    if let Some(Value::Simple(_)) = cluster.nodes[node].ask(&line) {
                        lock(written).push(*target);
                    }
                });
            }
        });
        let written = lock(&written).clone();
        let after = self.cluster.view(node).map(|view| view.parent);
        let follows = match (&written[..], before, after) {
            (_, _, None) => true,
            ([], Some(before), Some(after)) => before == after,
            (_, _, Some(after)) => written.contains(&after),
        };
        if !follows {
            self.ledger.complain(format!(
                "linearizable_role: node {node} was {before:?}, OK was said to {written:?}, and it is {after:?}"
            ));
        }
        self.did("storms");
    }

    /// A replica is sent to where nobody answers, and must stay with whom it has.
    fn mislead(&mut self) {
        let Some(node) = self.ours() else { return };
        let before = self.cluster.view(node);
        let mute = Peer::mute();
        let port = if self.rng.below(2) == 0 {
            mute.port
        } else {
            free_port()
        };
        let reply = self.cluster.nodes[node].ask(&format!("REPLICAOF 127.0.0.1 {port}"));
        let after = self.cluster.view(node);
        let parents = (before.map(|v| v.parent), after.map(|v| v.parent));
        if !matches!(reply, Some(Value::Error(_))) || parents.0 != parents.1 {
            self.ledger.complain(format!(
                "failed_attempt_is_noop: node {node} answered {reply:?}, parents {parents:?}"
            ));
        }
        self.did("attempts that had to fail");
    }

    fn freeze(&mut self) {
        let replicas = self.others(self.cluster.master());
        let node = &self.cluster.nodes[*self.rng.pick(&replicas)];
        node.freeze(true);
        thread::sleep(Duration::from_millis(100 + self.rng.below(400)));
        node.freeze(false);
        self.did("replicas frozen");
    }
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text}: not a number")),
        Err(_) => default,
    }
}

#[test]
fn whatever_happens_the_promises_are_kept() {
    let seed = setting("DAMSELFLY_CHAOS_SEED", 1);
    let seconds = setting("DAMSELFLY_CHAOS_SECONDS", 15);
    use Kind::{Damselfly, Redis};
    let cluster = Cluster::start(&[Damselfly, Damselfly, Redis, Damselfly, Redis]);
    let ledger = Ledger::default();
    *lock(&ledger.counted) = vec![0; WRITERS];
    cluster.nodes[0].with(|server| {
        readers::stamp(&mut server.client(), "first", 0);
        // So much that a snapshot takes its time, and a fault can meet it half way.
        server.run("DEBUG POPULATE 30000 fill 100").ok();
    });
    for node in &cluster.nodes[1..] {
        cluster.nodes[0].with(|master| node.with(|replica| await_caught_up(master, replica)));
    }

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut operator = Operator {
        cluster: &cluster,
        ledger: &ledger,
        rng: Rng::new(seed),
        done: BTreeMap::new(),
    };
    thread::scope(|s| {
        for writer in 0..WRITERS {
            let (cluster, ledger) = (&cluster, &ledger);
            s.spawn(move || clients::write(cluster, ledger, writer));
        }
        for node in 0..cluster.nodes.len() {
            let (cluster, ledger) = (&cluster, &ledger);
            s.spawn(move || clients::read(cluster, ledger, node));
        }
        s.spawn(|| cluster::weather(&cluster, Rng::new(seed + 1000), end));
        // Whatever fails in the operator, the clients are told to stop.
        let ran =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| operator.run_until(end)));
        ledger.stop.store(true, SeqCst);
        if let Err(panic) = ran {
            std::panic::resume_unwind(panic);
        }
    });
    for node in &cluster.nodes {
        node.proxy.set(Fault::None);
    }
    let done = operator.done;
    settle(&cluster);
    summary(seed, seconds, &cluster, &ledger, &done);
    judge(&cluster, &ledger);
    let facts: usize = cluster.nodes.iter().map(|node| node.replay()).sum();
    eprintln!("{facts} inputs of the replication core replayed");
}

/// With the faults over, all follow the master and are where it is: `link_converges`.
fn settle(cluster: &Cluster) {
    let master = cluster.master();
    for i in (0..cluster.nodes.len()).filter(|i| *i != master) {
        eventually("it can be told whom to follow", || {
            check(cluster.follow(i, master), || format!("node {i}"))
        });
    }
    eventually_within(3 * PATIENCE, "all are where the master is", || {
        let at = |i: usize| cluster.view(i).ok_or(format!("node {i} does not answer"));
        let wanted = at(master)?;
        for i in (0..cluster.nodes.len()).filter(|i| *i != master) {
            let view = at(i)?;
            let same = view.up
                && view.parent == Some(master)
                && view.info.get("master_replid") == wanted.info.get("master_replid")
                && view.offset == wanted.offset;
            check(same, || {
                format!("node {i}: {} / {}", view.info.short(), wanted.info.short())
            })?;
        }
        Ok(())
    });
}

fn judge(cluster: &Cluster, ledger: &Ledger) {
    let complaints = lock(&ledger.complaints);
    assert!(
        complaints.is_empty(),
        "{} complaints: {:#?}",
        complaints.len(),
        &complaints[..complaints.len().min(10)]
    );
    let master = &cluster.nodes[cluster.master()];
    let held = master.with(|server| Dump::of(server));
    for (i, node) in cluster.nodes.iter().enumerate() {
        let differences = held.differences(&node.with(|server| Dump::of(server)));
        assert!(differences.is_empty(), "node {i} differs: {differences:#?}");
    }
    let promised = lock(&ledger.promised);
    let lost: Vec<_> = promised
        .iter()
        .filter(|key| master.ask(&format!("EXISTS {key}")) != Some(Value::Int(1)))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} promised writes are lost: {lost:?}",
        lost.len(),
        promised.len()
    );
    for (writer, counted) in lock(&ledger.counted).iter().enumerate() {
        let Some(Value::Bulk(held)) = master.ask(&format!("GET count:{writer}")) else {
            panic!("the counter of writer {writer} is gone");
        };
        let held: u64 = String::from_utf8_lossy(&held).parse().expect("a number");
        assert!(
            held <= *counted,
            "no_double_apply: {held} of {counted} increments"
        );
    }
    assert!(
        !promised.is_empty() && ledger.reads.load(SeqCst) > 0,
        "nothing was shown"
    );
}

fn summary(
    seed: u64,
    seconds: u64,
    cluster: &Cluster,
    ledger: &Ledger,
    done: &BTreeMap<&str, usize>,
) {
    eprintln!("chaos: seed {seed}, {seconds} s");
    for (what, n) in done {
        eprintln!("  {n:>7} {what}");
    }
    for (n, what) in [
        (ledger.acknowledged.load(SeqCst), "writes acknowledged"),
        (
            lock(&ledger.promised).len() as u64,
            "of them at every node, says WAIT",
        ),
        (
            ledger.handed_over.load(SeqCst),
            "of them looked for, and found, after a hand-over",
        ),
        (ledger.reads.load(SeqCst), "reads answered"),
        (
            ledger.refused_by_stock.load(SeqCst),
            "of them refused, by a stock server",
        ),
        (lock(&ledger.complaints).len() as u64, "complaints"),
    ] {
        eprintln!("  {n:>7} {what}");
    }
    for (i, node) in cluster.nodes.iter().enumerate() {
        let granted = node.with(|server| granted(server));
        eprintln!(
            "  node {i} {:?}: granted {} full and {} partial syncs",
            node.kind, granted.full, granted.partial
        );
    }
}
