//! Requests of another protocol: a page in a browser can make it send them to a server that only the browser reaches.

use super::address::Address;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Time between two lines of the log, so that an attacker cannot fill it.
const SILENCE_MS: i64 = 60_000;

/// What is known of them.
pub struct Attacks {
    /// When the last one was logged.
    logged_ms: AtomicI64,
}

impl Attacks {
    /// None yet.
    pub fn new() -> Attacks {
        Attacks {
            logged_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// One came from `addr`; false if the log says nothing of it, since it said so of another a short while ago.
    pub fn note(&self, now_ms: i64, addr: &Address) -> bool {
        let last = self.logged_ms.load(Relaxed);
        let is_due = now_ms.abs_diff(last) > SILENCE_MS as u64;
        let logs = is_due
            && self
                .logged_ms
                .compare_exchange(last, now_ms, Relaxed, Relaxed)
                .is_ok();
        if logs {
            tracing::warn!(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. \
                 This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis \
                 instance. Connection from {addr} aborted."
            );
        }
        logs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_so_once_a_minute() {
        let (attacks, addr) = (Attacks::new(), Address::Unix("/s".into()));
        let logs = [0, 1, 60_000, 60_001, 60_002, -1].map(|now| attacks.note(now, &addr));
        assert_eq!(logs, [true, false, false, true, false, true]);
    }
}
