//! What comes from outside takes no more memory than it is worth.

use tikv_jemalloc_ctl::thread::allocatedp;

/// Runs `what`, which may allocate so many bytes on this thread, freed ones included.
///
/// # Panics
/// It allocates more.
#[track_caller]
pub fn bounded<T>(bytes: usize, what: impl FnOnce() -> T) -> T {
    let allocated = || allocatedp::read().map_or(0, |counter| counter.get());
    let before = allocated();
    let done = what();
    let took = allocated() - before;
    assert!(
        took <= bytes as u64,
        "{took} bytes allocated where {bytes} are allowed"
    );
    done
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    #[should_panic(expected = "bytes allocated where 1000 are allowed")]
    fn more_than_is_allowed_is_found() {
        bounded(1000, || Vec::<u8>::with_capacity(2000));
    }
}
