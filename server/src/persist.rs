//! The snapshot file: loaded when the server starts, written when it is told to.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::time::Duration;

use crate::rdb::RdbError;
use crate::rdb::load::{Expired, Loader, Position};
use crate::rdb::read::{Options, Reader, Refusal, Summary};
use crate::store::Dataset;
use crate::sys::{fs::File, time::Instant};

/// What INFO says of the snapshot file. Times are Unix seconds.
#[derive(Debug)]
pub struct Saves {
    /// When the last save succeeded; when the server started, if none did.
    pub last: AtomicI64,
    /// The last save succeeded.
    pub ok: AtomicBool,
    /// Changes up to the last save that succeeded.
    pub changes: AtomicU64,
    /// Saves that succeeded.
    pub count: AtomicU64,
    /// All keys were removed at once, and no save has begun since.
    pub emptied: AtomicBool,
    /// When the save under way began; -1 without one.
    pub began: AtomicI64,
    /// Seconds that the last save took; -1 if there was none.
    pub took: AtomicI64,
    /// The load at start-up.
    pub load: Load,
    /// Whose turn it is to save.
    pub turn: tokio::sync::Mutex<()>,
}

/// Why a snapshot did not become a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSaved {
    /// All keys were removed meanwhile: the file would have brought them back.
    #[error("terminated: all keys were removed")]
    Outdated,
    /// It could not be written.
    #[error("{0}")]
    Failed(String),
}

/// How far the load at start-up is, and what came of it.
#[derive(Debug, Default)]
pub struct Load {
    /// When it began.
    pub began: AtomicI64,
    /// The file's size in bytes.
    pub total: AtomicU64,
    /// Bytes read so far.
    pub read: AtomicU64,
    /// Keys loaded.
    pub keys: AtomicU64,
    /// Keys left out because they had expired.
    pub expired: AtomicU64,
}

impl Saves {
    /// Those of a server that starts at `now`.
    pub fn new(now: i64) -> Saves {
        Saves {
            last: AtomicI64::new(now),
            ok: AtomicBool::new(true),
            changes: AtomicU64::new(0),
            count: AtomicU64::new(0),
            emptied: AtomicBool::new(false),
            began: AtomicI64::new(-1),
            took: AtomicI64::new(-1),
            load: Load {
                began: AtomicI64::new(now),
                ..Load::default()
            },
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// A save begins, which will have all of the first `changes` changes; says what it came to when it is over. Of the
    /// failure of one that is not in the background only who waits for it is told, as in Redis.
    pub fn begin(
        &self,
        changes: u64,
        now: i64,
        background: bool,
    ) -> impl FnOnce(&Result<(), NotSaved>, i64) {
        self.began.store(now, Relaxed);
        let emptied = self.emptied.swap(false, Relaxed);
        move |saved, then| {
            let ok = saved.is_ok();
            self.began.store(-1, Relaxed);
            self.took.store((then - now).max(0), Relaxed);
            // One that nobody wanted any more is no failure.
            if ok || (background && !matches!(saved, Err(NotSaved::Outdated))) {
                self.ok.store(ok, Relaxed);
            }
            self.emptied.fetch_or(emptied && !ok, Relaxed);
            if ok {
                self.last.store(then, Relaxed);
                self.changes.store(changes, Relaxed);
                self.count.fetch_add(1, Relaxed);
            }
        }
    }
}

/// A dataset that was loaded from a file.
pub struct Restored {
    /// Its keys.
    pub dataset: Dataset,
    /// Where in a replication history it stands, if the file says so: what a replica resumes from.
    pub position: Option<Position>,
    /// What was read.
    pub summary: Summary,
    /// Keys left out because they had expired.
    pub expired: u64,
    /// How long it took.
    pub took: Duration,
}

/// Why a snapshot file was not loaded. Its text is one line that names the file, the place and the reason.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file is there and cannot be opened.
    #[error("cannot open the snapshot file {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be read to its end.
    #[error("cannot load the snapshot file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RdbError,
    },
}

/// Loads the snapshot file `path` into a new dataset of `databases` databases; nothing if there is no such file.
/// The file is only read. `load` shows how far it is, and `going_on` is asked now and then whether to go on.
///
/// # Errors
/// The file cannot be opened, is damaged, or holds what is not served.
pub fn restore(
    path: &Path,
    databases: usize,
    options: Options,
    expired: Expired,
    load: &Load,
    mut going_on: impl FnMut() -> Result<(), Refusal>,
) -> Result<Option<Restored>, RestoreError> {
    let started = Instant::now();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.to_owned();
            return Err(RestoreError::Open { path, source });
        }
    };
    let dataset = Dataset::new(databases);
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    load.total.store(size, Relaxed);
    let loader = Loader::new(&dataset, expired)
        .accessed(options.limits.accesses)
        .resting(options.key_delay);
    let mut loader = loader.watched_by(|read| {
        load.read.store(read, Relaxed);
        going_on()
    });
    let summary = Reader::new(file, options)
        .read(&mut loader)
        .map_err(|source| RestoreError::Read {
            path: path.to_owned(),
            source,
        })?;
    let (position, expired) = (loader.position(), loader.dropped());
    drop(loader);
    load.read.store(summary.bytes, Relaxed);
    load.keys.store(summary.keys - expired, Relaxed);
    load.expired.store(expired, Relaxed);
    Ok(Some(Restored {
        dataset,
        position,
        summary,
        expired,
        took: started.elapsed(),
    }))
}

#[cfg(test)]
mod tests;
