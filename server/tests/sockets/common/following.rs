//! A node that has something to lose while a REPLICAOF fails.

use super::data::seed;
use super::dump::assert_same_data;
use super::readers::{Readers, Writer, stamp};
use super::repl::{await_caught_up, granted};
use super::server::Server;
use super::wait::{check, eventually};
use std::time::{Duration, Instant};

/// What `replicaof-timeout` is here, in seconds.
pub const TIMEOUT: u64 = 1;

/// Fields of `INFO replication` that move while nothing happens: offsets, ages, and the one field that a
/// failed attempt is meant to change.
pub const MOVING: &[&str] = &[
    "master_repl_offset",
    "slave_repl_offset",
    "slave_read_repl_offset",
    "master_last_io_seconds_ago",
    "repl_backlog_histlen",
    "repl_backlog_first_byte_offset",
    "replicaof_last_error",
];

/// A Damselfly that follows a stock master which is being written to, with readers on it.
///
/// The fields stand in the order in which they have to end.
pub struct Following {
    /// Readers of the replica.
    pub readers: Option<Readers>,
    /// Writer of the master.
    pub writer: Writer,
    /// The replica.
    pub ours: Server,
    /// The stock master.
    pub old: Server,
}

impl Following {
    /// All of it, streaming.
    pub fn new() -> Following {
        let old = Server::redis(&[]);
        stamp(&mut old.client(), "old", 0);
        seed(&mut old.client());
        let ours = Server::damselfly(&["--replicaof-timeout", &TIMEOUT.to_string()]);
        ours.follow(old.port);
        let writer = Writer::start(old.port, "old");
        let readers = Some(Readers::start(ours.port, 2, &["old"]));
        Following {
            old,
            ours,
            writer,
            readers,
        }
    }

    /// Sends `REPLICAOF` to `port` and checks that it is answered by an error in time, that role, link,
    /// data and INFO are what they were, and that the old master's updates came and come. The error.
    pub fn refuses(&self, port: u16) -> String {
        self.refuses_at("127.0.0.1", port)
    }

    /// [`refuses`](Following::refuses) for a peer at another address, or at none.
    pub fn refuses_at(&self, host: &str, port: u16) -> String {
        let before = self.ours.info("replication");
        let role = self.ours.run("ROLE");
        let full = granted(&self.old);
        let seen = self.seen();
        let asked = Instant::now();
        let error = self
            .ours
            .run(&format!("REPLICAOF {host} {port}"))
            .error()
            .to_owned();
        assert!(
            asked.elapsed() < Duration::from_secs(TIMEOUT + 10),
            "{:?}",
            asked.elapsed()
        );

        let after = self.ours.info("replication");
        let differences = before.differences(&after, MOVING);
        assert!(differences.is_empty(), "{error}: {differences:#?}");
        assert!(after.num("master_repl_offset") >= before.num("master_repl_offset"));
        // All of ROLE but the offset, which moves.
        assert_eq!(role.list()[..4], self.ours.run("ROLE").list()[..4]);
        eventually("the old master's updates go on arriving", || {
            check(self.seen() > seen + 20, || {
                format!("{seen} -> {}", self.seen())
            })
        });
        assert_eq!(granted(&self.old), full, "the old link was made anew");
        error
    }

    /// The newest stamp that our node holds.
    pub fn seen(&self) -> u64 {
        let stamp = self.ours.run("GET g:0").text();
        stamp
            .rsplit(':')
            .next()
            .unwrap_or_default()
            .parse()
            .expect("a stamp")
    }

    /// Ends it: no read was refused or wrong, and the data are the old master's.
    pub fn finish(mut self) {
        if let Some(readers) = self.readers.take() {
            readers.stop().assert_clean(Duration::from_secs(5));
        }
        drop(self.writer);
        await_caught_up(&self.old, &self.ours);
        assert_same_data(&self.old, &self.ours);
    }
}
