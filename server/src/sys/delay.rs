//! `rdb-key-save-delay` and `key-load-delay`: snapshots that take longer than they must, for tests that watch them.

use super::thread::sleep;
use std::time::Duration;

/// Between two looks whether to go on.
const LOOK: Duration = Duration::from_millis(10);

/// How long work on `keys` keys rests: `delay` microseconds for each or, if it is negative, a microsecond for as many.
pub fn of(delay: i32, keys: u64) -> Duration {
    let per = u64::from(delay.unsigned_abs());
    Duration::from_micros(match delay {
        0 => 0,
        1.. => per.saturating_mul(keys),
        _ => keys / per,
    })
}

/// A thread rests for `left`, or until `goes_on` says no.
pub fn rest(mut left: Duration, mut goes_on: impl FnMut() -> bool) {
    while !left.is_zero() && goes_on() {
        let nap = left.min(LOOK);
        sleep(nap);
        left -= nap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_for_each_key_or_a_microsecond_for_many() {
        for (delay, keys, micros) in [(0, 9, 0), (5, 3, 15), (-4, 11, 2), (i32::MIN, 3, 0)] {
            assert_eq!(of(delay, keys), Duration::from_micros(micros));
        }
    }
}
