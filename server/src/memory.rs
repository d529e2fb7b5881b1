//! How much memory the process has from its allocator.

/// The tests of the library allocate as the server does, or nothing here would count what they take.
#[cfg(test)]
#[global_allocator]
static ALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bytes in use, as `used_memory` of INFO; 0 if the allocator does not say.
#[cfg(not(feature = "simulation"))]
pub fn used() -> u64 {
    // The figures are those of the last epoch.
    let read = tikv_jemalloc_ctl::epoch::advance()
        .and_then(|_| tikv_jemalloc_ctl::stats::allocated::read());
    read.map_or(0, |bytes| bytes as u64)
}

/// What a simulated process uses: its figures may not depend on what else the tests' process does.
#[cfg(feature = "simulation")]
pub fn used() -> u64 {
    1 << 20
}

/// What this thread has allocated and not freed since a moment, by the allocator's own account. Costs next to nothing.
pub struct ThreadMemory {
    counters: Option<Counters>,
    before: i64,
}

type Counter = tikv_jemalloc_ctl::thread::ThreadLocal<u64>;

struct Counters {
    allocated: Counter,
    freed: Counter,
}

impl Counters {
    fn held(&self) -> i64 {
        self.allocated.get() as i64 - self.freed.get() as i64
    }
}

impl ThreadMemory {
    /// From now on.
    pub fn now() -> Self {
        use tikv_jemalloc_ctl::thread::{allocatedp, deallocatedp};
        let counters = match (allocatedp::read(), deallocatedp::read()) {
            (Ok(allocated), Ok(freed)) => Some(Counters { allocated, freed }),
            _ => None,
        };
        let before = counters.as_ref().map_or(0, Counters::held);
        ThreadMemory { counters, before }
    }

    /// Bytes allocated since, less those freed; 0 if the allocator does not say.
    pub fn change(&self) -> i64 {
        self.counters.as_ref().map_or(0, Counters::held) - self.before
    }
}
