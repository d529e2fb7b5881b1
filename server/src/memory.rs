//! How much memory the process has from its allocator.

/// Bytes in use, as `used_memory` of INFO; 0 if the allocator does not say.
pub fn used() -> u64 {
    // The figures are those of the last epoch.
    let read = tikv_jemalloc_ctl::epoch::advance()
        .and_then(|_| tikv_jemalloc_ctl::stats::allocated::read());
    read.map_or(0, |bytes| bytes as u64)
}
