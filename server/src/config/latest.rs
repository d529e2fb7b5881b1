//! The settings as a thread that reads them often last saw them.

use super::{Config, Settings};
use crate::store::Limits;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// How often the settings of any configuration of this process were published: no two times have the same number.
static PUBLISHED: AtomicU64 = AtomicU64::new(0);

/// The number of the settings that a configuration published last.
pub(super) struct Number(AtomicU64);

impl Number {
    pub fn new() -> Number {
        Number(AtomicU64::new(Number::next()))
    }

    fn next() -> u64 {
        PUBLISHED.fetch_add(1, Relaxed)
    }

    /// Others have been published.
    pub fn changes(&self) {
        self.0.store(Number::next(), Release);
    }
}

/// Settings, and what follows from them. Kept from one time to the next they cost a look at a number, where
/// [`Config::settings`] writes to memory, and waits for it.
pub struct Latest {
    number: u64,
    /// The settings.
    pub settings: Arc<Settings>,
    /// When collections leave their compact forms.
    pub limits: Limits,
}

impl Config {
    /// The settings of this moment: those `kept`, unless others were published.
    pub fn latest<'a>(&self, kept: &'a mut Option<Latest>) -> &'a Latest {
        let number = self.number.0.load(Acquire);
        if kept.as_ref().is_some_and(|kept| kept.number != number) {
            *kept = None;
        }
        kept.get_or_insert_with(|| {
            let settings = self.settings.load_full();
            Latest {
                number,
                limits: settings.limits(),
                settings,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_of_this_configuration_and_of_now() {
        let (one, other) = (Config::new(), Config::new());
        let set = |config: &Config, n: &[u8]| {
            let pairs: [(&[u8], &[u8]); 1] = [(b"hash-max-listpack-entries", n)];
            config.set(&pairs, true, |_, _| Ok(())).expect("it is set");
        };
        let mut kept = None;
        let seen = |config: &Config, kept: &mut Option<Latest>| {
            let latest = config.latest(kept);
            let of_settings = latest.settings.limits().hash_max_listpack_entries;
            assert_eq!(latest.limits.hash_max_listpack_entries, of_settings);
            of_settings
        };
        set(&one, b"7");
        assert_eq!(seen(&one, &mut kept), 7);
        set(&other, b"8");
        assert_eq!(seen(&other, &mut kept), 8);
        assert_eq!(seen(&one, &mut kept), 7);
        set(&one, b"9");
        assert_eq!(seen(&one, &mut kept), 9);
    }
}
