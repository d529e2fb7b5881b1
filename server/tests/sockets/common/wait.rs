//! Waiting for something to become true, with a deadline and a reason when it does not.

use std::time::{Duration, Instant};

/// How long a thing may take that normally takes some milliseconds: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks `look` until it answers `Ok`, for at most [`PATIENCE`].
///
/// # Panics
/// With `what` and the last reason, when the time is over.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    eventually_within(PATIENCE, what, look)
}

/// [`eventually`] with a deadline of one's own.
pub fn eventually_within<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let began = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        match look() {
            Ok(seen) => return seen,
            Err(reason) if began.elapsed() > limit => {
                panic!("{what}: not within {limit:?}; last: {reason}")
            }
            Err(_) => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// `Ok` if `holds`, else the reason.
pub fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}
