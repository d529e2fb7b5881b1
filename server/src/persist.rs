//! The snapshot file: loaded when the server starts, written when it is told to.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::rdb::RdbError;
use crate::rdb::load::{Expired, Loader, Position};
use crate::rdb::read::{Options, Reader, Refusal, Summary};
use crate::store::Dataset;

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
/// The file is only read. `progress` is told the bytes read so far, and may stop the load.
///
/// # Errors
/// The file cannot be opened, is damaged, or holds what is not served.
pub fn restore(
    path: &Path,
    databases: usize,
    options: Options,
    expired: Expired,
    progress: impl FnMut(u64) -> Result<(), Refusal>,
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
    let mut loader = Loader::new(&dataset, expired).watched_by(progress);
    let summary = Reader::new(file, options)
        .read(&mut loader)
        .map_err(|source| RestoreError::Read {
            path: path.to_owned(),
            source,
        })?;
    let (position, expired) = (loader.position(), loader.dropped());
    drop(loader);
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
