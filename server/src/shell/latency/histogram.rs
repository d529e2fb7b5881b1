//! A histogram of times with two significant digits, as the stock server keeps them (HdrHistogram).

/// Values of one power of two that are told apart.
const PARTS: u64 = 256;
const HALF: usize = 128;
/// The longest time that is told apart from longer ones, nanoseconds.
const LONGEST: u64 = 1_000_000_000;
/// Counts for all times up to that.
const COUNTS: usize = 24 * HALF;

/// How often something took how long.
#[derive(Clone, Default)]
pub struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

/// The place of a time.
fn place(nanos: u64) -> usize {
    let bucket =
        (u64::BITS - (nanos | (PARTS - 1)).leading_zeros() - PARTS.trailing_zeros()) as usize;
    let part = (nanos >> bucket) as usize;
    bucket * HALF + part
}

/// The shortest and the longest time of a place.
fn times(place: usize) -> (u64, u64) {
    let (bucket, part) = match (place / HALF).checked_sub(1) {
        None => (0, place % HALF),
        Some(bucket) => (bucket, place % HALF + HALF),
    };
    let first = (part as u64) << bucket;
    (first, first + (1 << bucket) - 1)
}

impl Histogram {
    /// It took so long, `count` times.
    pub fn record(&mut self, nanos: u64, count: u32) {
        if self.counts.is_empty() {
            self.counts = vec![0; COUNTS];
        }
        let place = place(nanos.clamp(1, LONGEST));
        self.counts[place] = self.counts[place].saturating_add(count);
        self.total += u64::from(count);
    }

    /// Adds what `other` has.
    pub fn add(&mut self, other: &Histogram) {
        if self.counts.is_empty() {
            self.counts = vec![0; COUNTS];
        }
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own = own.saturating_add(*more);
        }
        self.total += other.total;
    }

    /// How often there was anything.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The time within which `percent` of all lie, in nanoseconds.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = (percent.min(100.0) / 100.0 * self.total as f64 + 0.5) as u64;
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted.max(1) {
                let (first, last) = times(place);
                return if percent == 0.0 { first } else { last };
            }
        }
        0
    }

    /// Microseconds, by powers of two, and how many took no longer; but those where nothing is added.
    pub fn cumulated(&self) -> Vec<(u64, u64)> {
        let (mut steps, mut seen, mut before, mut level) = (Vec::new(), 0, 0, 1024);
        let mut counts = self.counts.iter().enumerate().peekable();
        while seen < self.total && level <= LONGEST.next_power_of_two() {
            let end = place(level);
            while let Some((_, count)) = counts.next_if(|(place, _)| *place <= end) {
                seen += u64::from(*count);
            }
            if seen > before {
                steps.push((times(end).1 / 1000, seen));
            }
            (before, level) = (seen, level * 2);
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_stock_server() {
        let mut one = Histogram::default();
        one.record(4_000, 1);
        assert_eq!((one.percentile(50.0), one.percentile(0.0)), (4_015, 4_000));
        assert_eq!(one.cumulated(), [(4, 1)]);
        one.record(8_000, 1);
        assert_eq!(one.cumulated(), [(4, 1), (8, 2)]);
        assert_eq!(one.percentile(99.9), 8_031);
        let mut long = Histogram::default();
        long.record(10_090_000, 1);
        assert_eq!(long.percentile(50.0), 10_092_543);
        assert_eq!(long.cumulated(), [(16_908, 1)]);
        long.add(&one);
        long.record(u64::MAX, 3);
        assert_eq!(long.total(), 6);
        assert_eq!(long.cumulated().last().map(|step| step.1), Some(6));
    }

    #[test]
    fn every_time_has_one_place() {
        let mut next = 0;
        for place_ in 0..COUNTS {
            let (first, last) = times(place_);
            assert_eq!(first, next);
            assert_eq!(
                (place(first.max(1)), place(last)),
                (place_.max(usize::from(first == 0)), place_)
            );
            next = last + 1;
        }
        assert!(next > LONGEST);
    }
}
