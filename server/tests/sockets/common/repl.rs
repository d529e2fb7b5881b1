//! What a master's and a replica's INFO say about a pair of them.

use super::data::{Rng, churn};
use super::dump::assert_same_data;
use super::proxy::{Fault, Proxy};
use super::server::Server;
use super::wait::{check, eventually};

/// How many syncs a master granted so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Granted {
    /// Full ones.
    pub full: i64,
    /// Partial ones.
    pub partial: i64,
}

/// What `master` granted so far.
pub fn granted(master: &Server) -> Granted {
    let stats = master.info("stats");
    Granted {
        full: stats.num("sync_full"),
        partial: stats.num("sync_partial_ok"),
    }
}

/// Waits until `replica` streams and is exactly where `master` is.
///
/// # Panics
/// If it does not get there.
pub fn await_caught_up(master: &Server, replica: &Server) {
    eventually("the replica catches up", || {
        let (m, r) = (master.info("replication"), replica.info("replication"));
        let same = r.get("master_link_status") == "up"
            && m.get("master_replid") == r.get("master_replid")
            && m.get("master_repl_offset") == r.get("slave_repl_offset");
        check(same, || format!("{} / {}", m.short(), r.short()))
    });
}

/// Waits until `master` has so many replicas on line.
///
/// # Panics
/// If that does not happen.
pub fn await_replicas(master: &Server, n: i64) {
    eventually("the replicas are on line", || {
        let info = master.info("replication");
        let on_line = (0..n).all(|i| info.get(&format!("slave{i}")).contains("state=online"));
        check(info.num("connected_slaves") == n && on_line, || {
            format!(
                "connected_slaves={} {}",
                info.get("connected_slaves"),
                info.get("slave0")
            )
        })
    });
}

/// Has `replica` follow `master` over a link that is cut again and again while data change.
///
/// # Panics
/// If a cut is not followed by a partial sync, and by the same data.
pub fn cut_and_resume(master: &Server, replica: &Server, seed: u64) {
    let proxy = Proxy::to(master.port);
    replica.follow(proxy.port);
    await_caught_up(master, replica);
    let before = granted(master);
    let (mut rng, mut client) = (Rng::new(seed), master.client());
    for round in 1..=3 {
        proxy.set(Fault::Refuse);
        proxy.cut();
        churn(&mut client, &mut rng, 300);
        eventually("the cut is noticed", || {
            let info = replica.info("replication");
            check(info.get("master_link_status") == "down", || info.short())
        });
        proxy.set(Fault::None);
        await_caught_up(master, replica);
        assert_same_data(master, replica);
        let now = granted(master);
        assert_eq!(
            (now.full, now.partial),
            (before.full, before.partial + round)
        );
    }
}
