//! What the access clock of an entry means: when it was used last (LRU), or how often of late (LFU).

use super::entry::{CLOCK_MASK, Entry};
use super::random::random;

/// What entries note of accesses; which of them depends on `maxmemory-policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accesses {
    /// The second of the last one.
    Recency,
    /// The minute in which they were last counted (16 bits), and a count that grows by its logarithm and decays
    /// (8 bits), as in Redis.
    Frequency {
        /// `lfu-log-factor`: the greater, the more accesses a count stands for.
        log_factor: u32,
        /// `lfu-decay-time`: minutes in which a count falls by one; 0: it never falls.
        decay_minutes: u32,
    },
}

/// The count of a new key, which is not the first to go merely for being new.
const NEW: u32 = 5;
const COUNT_MAX: u32 = 255;

/// Notes accesses at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// What is noted.
    pub accesses: Accesses,
    /// Unix time in milliseconds.
    pub now_ms: i64,
    /// Who looks or writes wants it to be no access (CLIENT NO-TOUCH).
    pub quiet: bool,
}

impl Clock {
    /// One that notes accesses.
    pub const fn new(accesses: Accesses, now_ms: i64) -> Clock {
        Clock {
            accesses,
            now_ms,
            quiet: false,
        }
    }

    /// The entry is new.
    #[inline]
    pub fn start(&self, entry: &Entry) {
        entry.set_clock(match self.accesses {
            Accesses::Recency => self.seconds(),
            Accesses::Frequency { .. } => self.minutes() << 8 | NEW,
        });
    }

    /// The entry is accessed.
    #[inline]
    pub fn touch(&self, entry: &Entry) {
        match self.accesses {
            _ if self.quiet => {}
            Accesses::Recency => entry.set_clock(self.seconds()),
            Accesses::Frequency { .. } => self.count(entry),
        }
    }

    /// The entry has another value: an access, and by recency no older than its value, whoever wrote it.
    #[inline]
    pub fn renew(&self, entry: &Entry) {
        match self.accesses {
            Accesses::Recency => entry.set_clock(self.seconds()),
            Accesses::Frequency { .. } => self.touch(entry),
        }
    }

    #[cold]
    fn count(&self, entry: &Entry) {
        let Accesses::Frequency { log_factor, .. } = self.accesses else {
            return;
        };
        let mut count = self.frequency(entry);
        let odds = u64::from(count.saturating_sub(NEW)) * u64::from(log_factor) + 1;
        if count < COUNT_MAX && random().is_multiple_of(odds) {
            count += 1;
        }
        entry.set_clock(self.minutes() << 8 | count);
    }

    /// The last access was `seconds` ago; nothing under [`Accesses::Frequency`].
    pub fn set_idle(&self, entry: &Entry, seconds: u64) {
        if self.accesses == Accesses::Recency {
            entry.set_clock(
                self.seconds()
                    .wrapping_sub(seconds.min(CLOCK_MASK.into()) as u32),
            );
        }
    }

    /// The count of accesses is `count`; nothing under [`Accesses::Recency`].
    pub fn set_frequency(&self, entry: &Entry, count: u8) {
        if self.accesses != Accesses::Recency {
            entry.set_clock(self.minutes() << 8 | u32::from(count));
        }
    }

    /// Seconds since the last access; of no meaning under [`Accesses::Frequency`].
    pub fn idle_seconds(&self, entry: &Entry) -> u32 {
        self.seconds().wrapping_sub(entry.clock()) & CLOCK_MASK
    }

    /// The count of accesses as it has decayed by now; of no meaning under [`Accesses::Recency`].
    pub fn frequency(&self, entry: &Entry) -> u32 {
        let decay = match self.accesses {
            Accesses::Frequency { decay_minutes, .. } => decay_minutes,
            Accesses::Recency => 0,
        };
        let (then, count) = (entry.clock() >> 8, entry.clock() & COUNT_MAX);
        let elapsed = self.minutes().wrapping_sub(then) & 0xffff;
        count.saturating_sub(elapsed.checked_div(decay).unwrap_or(0))
    }

    fn seconds(&self) -> u32 {
        (self.now_ms / 1000) as u32
    }

    fn minutes(&self) -> u32 {
        (self.now_ms / 60_000) as u32 & 0xffff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now_ms: i64) -> Clock {
        let accesses = Accesses::Frequency {
            log_factor: 10,
            decay_minutes: 1,
        };
        Clock::new(accesses, now_ms)
    }

    #[test]
    fn a_count_grows_by_its_logarithm_and_decays() {
        let entry = Entry::string(b"k", b"v", None);
        at(0).start(&entry);
        assert_eq!(at(0).frequency(&entry), NEW);
        (0..1000).for_each(|_| at(0).touch(&entry));
        let thousand = at(0).frequency(&entry);
        // About 18 for a thousand accesses at this factor.
        assert!((10..32).contains(&thousand), "{thousand}");
        let hour = at(3_600_000);
        assert_eq!(hour.frequency(&entry), thousand.saturating_sub(60));
        assert_eq!(at(120_000).frequency(&entry), thousand - 2);
    }

    #[test]
    fn idle_time_is_since_the_last_access() {
        let entry = Entry::string(b"k", b"v", None);
        let clock = |now_ms| Clock::new(Accesses::Recency, now_ms);
        clock(5_000).start(&entry);
        assert_eq!(clock(65_000).idle_seconds(&entry), 60);
        clock(65_000).touch(&entry);
        assert_eq!(clock(65_900).idle_seconds(&entry), 0);
    }

    #[test]
    fn who_wants_to_be_no_access_is_none() {
        let entry = Entry::string(b"k", b"v", None);
        let quiet = |clock: Clock| Clock {
            quiet: true,
            ..clock
        };
        at(0).start(&entry);
        quiet(at(0)).touch(&entry);
        quiet(at(0)).renew(&entry);
        assert_eq!(at(0).frequency(&entry), NEW);
        let clock = |now_ms| Clock::new(Accesses::Recency, now_ms);
        clock(5_000).start(&entry);
        quiet(clock(65_000)).touch(&entry);
        assert_eq!(clock(65_000).idle_seconds(&entry), 60);
        quiet(clock(65_000)).renew(&entry);
        assert_eq!(clock(65_000).idle_seconds(&entry), 0);
    }
}
