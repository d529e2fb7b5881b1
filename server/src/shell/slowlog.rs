//! SLOWLOG: the commands that took long.

use crate::sys::time::since_epoch;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// Arguments of a slow command that are remembered, and the bytes of each.
const ARGS_KEPT: usize = 32;
const BYTES_KEPT: usize = 128;

/// One slow command.
#[derive(Clone, Debug)]
pub struct Slow {
    /// Its number; grows, and survives a reset.
    pub id: u64,
    /// Unix time in seconds.
    pub at: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// Its arguments, shortened.
    pub args: Vec<Vec<u8>>,
    /// The client's address.
    pub addr: String,
    /// The client's name.
    pub name: Vec<u8>,
}

/// The slow commands, the latest first.
#[derive(Default)]
pub struct SlowLog {
    inner: Mutex<(VecDeque<Slow>, u64)>,
}

impl SlowLog {
    /// Remembers a command, and at most `max` in all.
    pub fn add(&self, args: &[&[u8]], micros: u64, addr: String, name: Vec<u8>, max: usize) {
        let mut inner = self.inner.lock();
        let (log, next) = &mut *inner;
        log.push_front(Slow {
            id: *next,
            at: since_epoch().as_secs(),
            micros,
            args: shortened(args),
            addr,
            name,
        });
        *next += 1;
        log.truncate(max);
    }

    /// The latest `count`.
    pub fn latest(&self, count: usize) -> Vec<Slow> {
        self.inner.lock().0.iter().take(count).cloned().collect()
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.inner.lock().0.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets them all.
    pub fn reset(&self) {
        self.inner.lock().0.clear();
    }
}

fn shortened(args: &[&[u8]]) -> Vec<Vec<u8>> {
    let whole = args.len() <= ARGS_KEPT;
    let kept = if whole { args.len() } else { ARGS_KEPT - 1 };
    let mut short: Vec<Vec<u8>> = args[..kept]
        .iter()
        .map(|arg| match arg.len().checked_sub(BYTES_KEPT) {
            None | Some(0) => arg.to_vec(),
            Some(more) => {
                let mut text = arg[..BYTES_KEPT].to_vec();
                text.extend(format!("... ({more} more bytes)").bytes());
                text
            }
        })
        .collect();
    if !whole {
        let more = args.len() - kept;
        short.push(format!("... ({more} more arguments)").into());
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_are_kept_and_they_are_short() {
        let log = SlowLog::default();
        let long = vec![b'x'; 200];
        for i in 0..5u64 {
            log.add(&[b"set", &long], i, String::new(), Vec::new(), 3);
        }
        let ids: Vec<_> = log.latest(10).iter().map(|s| s.id).collect();
        assert_eq!(ids, [4, 3, 2]);
        assert!(log.latest(1)[0].args[1].ends_with(b"... (72 more bytes)"));
        log.add(&[&b"a"[..]; 40], 0, String::new(), Vec::new(), 3);
        let args = &log.latest(1)[0].args;
        assert_eq!(
            (args.len(), &args[31][..]),
            (32, &b"... (9 more arguments)"[..])
        );
        log.reset();
        assert!(log.is_empty());
    }
}
