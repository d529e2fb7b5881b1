//! Random numbers for picking elements: fast, of one thread, and nothing to keep a secret with.

use std::cell::Cell;

thread_local! {
    static STATE: Cell<u64> = Cell::new(crate::sys::random::seed());
}

/// The next number of this thread (splitmix64).
pub fn random() -> u64 {
    STATE.with(|state| {
        let s = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(s);
        let z = (s ^ s >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    })
}

/// A number below `bound`, or 0 if that is 0. The bias, of `bound / 2^64`, cannot be noticed.
pub fn below(bound: usize) -> usize {
    ((u128::from(random()) * bound as u128) >> 64) as usize // below bound
}

/// `count` distinct numbers below `bound` in ascending order, each choice as likely as any other; all of them
/// if there are no more.
pub fn distinct(count: usize, bound: usize) -> Vec<usize> {
    if count >= bound {
        return (0..bound).collect();
    }
    let mut chosen = Vec::with_capacity(count);
    if count > bound / 8 {
        // Each number in turn, with the chance that is left to it.
        let mut left = count;
        for number in 0..bound {
            if below(bound - number) < left {
                chosen.push(number);
                left -= 1;
            }
        }
    } else {
        // Floyd's algorithm: a number drawn twice stands for the largest of its round.
        let mut seen =
            hashbrown::HashSet::with_capacity_and_hasher(count, crate::sys::hash::Fast::default());
        for largest in bound - count..bound {
            let number = below(largest + 1);
            let number = if seen.insert(number) { number } else { largest };
            seen.insert(number);
            chosen.push(number);
        }
        chosen.sort_unstable();
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_numbers_are_distinct_and_below_the_bound() {
        for (count, bound) in [
            (0, 0),
            (0, 5),
            (5, 5),
            (9, 5),
            (3, 1000),
            (900, 1000),
            (1, 1),
        ] {
            let chosen = distinct(count, bound);
            assert_eq!(chosen.len(), count.min(bound));
            assert!(chosen.is_sorted_by(|a, b| a < b));
            assert!(chosen.iter().all(|&n| n < bound));
        }
    }

    #[test]
    fn every_number_is_as_likely() {
        for (count, bound) in [(2, 40), (20, 40)] {
            let mut times = vec![0u32; bound];
            let rounds = 20_000;
            for _ in 0..rounds {
                distinct(count, bound)
                    .into_iter()
                    .for_each(|n| times[n] += 1);
            }
            let expected = (rounds * count / bound) as f64;
            // Seven deviations: a false alarm in a billion runs.
            let tolerance = 7.0 * expected.sqrt();
            for n in times {
                assert!(
                    (f64::from(n) - expected).abs() < tolerance,
                    "{n} of {expected}"
                );
            }
        }
    }
}
