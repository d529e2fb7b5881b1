//! `oom-score-adj`: how readily the system ends this process when memory is short.

use crate::config::Settings;
use parking_lot::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

const FILE: &str = "/proc/self/oom_score_adj";

/// What the system lets a score be.
const MOST: i32 = 1000;

/// The score of this process.
#[derive(Default)]
pub(super) struct OomScore {
    /// What it was before it was ours to set; `None`: it is not.
    base: Mutex<Option<i32>>,
    /// This is a replica, which has a score of its own.
    replica: AtomicBool,
}

impl OomScore {
    /// Sets what `settings` ask for, if they do, or what was there before.
    ///
    /// # Errors
    /// The parameter that is to blame, and why.
    pub fn apply(&self, settings: &Settings) -> Result<(), (&'static str, String)> {
        let mut base = self.base.lock();
        if settings.oom_score_adj == "no" {
            // What is in the system's hands again may also stay as it is.
            if let Some(old) = base.take() {
                let _ = write(old);
            }
            return Ok(());
        }
        let failed = |why| ("oom-score-adj", why);
        let old = match *base {
            Some(old) => old,
            None => *base.insert(read().map_err(failed)?),
        };
        let mut values = settings.oom_score_adj_values.split(' ');
        let value = values.nth(usize::from(self.replica.load(Relaxed)));
        let value = value.and_then(|value| value.parse().ok()).unwrap_or(0);
        let score = match &*settings.oom_score_adj {
            "absolute" => value,
            _ => old + value,
        };
        write(score.clamp(-MOST, MOST)).map_err(failed)
    }

    /// The same after the role may have changed.
    pub fn follow(&self, settings: &Settings, replica: bool) {
        let changed = self.replica.swap(replica, Relaxed) != replica;
        if (changed || self.base.lock().is_none())
            && let Err((name, why)) = self.apply(settings)
        {
            tracing::warn!("{name}: {why}");
        }
    }
}

fn read() -> Result<i32, String> {
    let text = std::fs::read_to_string(FILE).map_err(|e| format!("cannot read {FILE}: {e}"))?;
    let score = text.trim().parse();
    score.map_err(|_| format!("{FILE} has no number in it"))
}

fn write(score: i32) -> Result<(), String> {
    std::fs::write(FILE, score.to_string())
        .map_err(|e| format!("Failed to apply new oom_score_adj configuration: {e}"))
}
