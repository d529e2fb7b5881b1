//! The disk of a host: files in memory, and what of them would outlive a power failure.

use super::blocking;
use super::world::{Context, World};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What becomes of the disk of a host that crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Everything written is there: only the process ended.
    Nothing,
    /// What was not synced may be lost: the power failed.
    Unsynced,
    /// Everything is lost.
    Everything,
}

/// See the module.
#[derive(Default)]
pub(super) struct Disk {
    files: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
    /// The names that outlive a power failure.
    kept: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
}

#[derive(Default)]
struct Inode {
    bytes: Vec<u8>,
    /// So many of them outlive a power failure.
    synced: usize,
}

impl Disk {
    pub(super) fn suffer(&mut self, outage: Outage, world: &World) {
        match outage {
            Outage::Nothing => return,
            Outage::Unsynced => {
                // A directory that was not synced may have reached the disk all the same.
                if world.once_in(2) {
                    self.files = self.kept.clone();
                }
                for file in self.files.values() {
                    let mut file = file.lock();
                    let unsynced = (file.bytes.len() - file.synced) as u64;
                    let left = file.synced + world.below(unsynced + 1) as usize;
                    file.bytes.truncate(left);
                }
            }
            Outage::Everything => self.files.clear(),
        }
        self.kept = self.files.clone();
    }
}

fn gone() -> io::Error {
    io::Error::other("the host is gone")
}

/// The disk of the host whose code runs, after the time that an access takes.
fn access<T>(of: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
    let here = Context::current().filter(Context::is_alive);
    let here = here.ok_or_else(gone)?;
    blocking::nap(here.world.disk_delay(here.host));
    let disk = here.disk().ok_or_else(gone)?;
    let mut disk = disk.lock();
    of(&mut disk)
}

/// A file that is open.
pub struct File {
    inode: Arc<Mutex<Inode>>,
    at: usize,
}

/// What is known of a file.
pub struct Metadata(u64);

impl Metadata {
    /// Its size in bytes.
    #[allow(clippy::len_without_is_empty, reason = "as the system's")]
    pub fn len(&self) -> u64 {
        self.0
    }
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// There is no such file.
    pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
        access(|disk| match disk.files.get(path.as_ref()) {
            Some(inode) => Ok(File {
                inode: Arc::clone(inode),
                at: 0,
            }),
            None => Err(io::ErrorKind::NotFound.into()),
        })
    }

    /// What is known of it.
    ///
    /// # Errors
    /// Never; the system's may.
    pub fn metadata(&self) -> io::Result<Metadata> {
        Ok(Metadata(self.inode.lock().bytes.len() as u64))
    }

    /// From here on its bytes outlive a power failure.
    ///
    /// # Errors
    /// The host is gone.
    pub fn sync_all(&self) -> io::Result<()> {
        access(|_| {
            let mut inode = self.inode.lock();
            inode.synced = inode.bytes.len();
            Ok(())
        })
    }
}

impl Read for File {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        access(|_| {
            let inode = self.inode.lock();
            let mut left = inode.bytes.get(self.at..).unwrap_or_default();
            let n = left.read(to)?;
            self.at += n;
            Ok(n)
        })
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        access(|_| {
            self.inode.lock().bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reading at a place.
pub trait FileExt {
    /// Fills `to` with what stands at `offset`.
    ///
    /// # Errors
    /// There are fewer bytes.
    fn read_exact_at(&self, to: &mut [u8], offset: u64) -> io::Result<()>;
}

impl FileExt for File {
    fn read_exact_at(&self, to: &mut [u8], offset: u64) -> io::Result<()> {
        let inode = self.inode.lock();
        let from = inode.bytes.get(offset as usize..).unwrap_or_default();
        let from = from.get(..to.len());
        to.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A new file, for writing.
///
/// # Errors
/// It exists, or the host is gone.
pub fn create_new(path: &Path) -> io::Result<File> {
    access(|disk| {
        if disk.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = Arc::default();
        disk.files.insert(path.to_owned(), Arc::clone(&inode));
        Ok(File { inode, at: 0 })
    })
}

/// Whether there is such a file.
pub fn exists(path: &Path) -> bool {
    access(|disk| Ok(disk.files.contains_key(path))).unwrap_or(false)
}

/// Removes the name of a file.
///
/// # Errors
/// There is none, or the host is gone.
pub fn remove_file(path: &Path) -> io::Result<()> {
    access(|disk| match disk.files.remove(path) {
        Some(_) => Ok(()),
        None => Err(io::ErrorKind::NotFound.into()),
    })
}

/// Gives a file another name, which it may take from another file.
///
/// # Errors
/// There is no such file, or the host is gone.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    access(|disk| {
        let inode = disk.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.files.insert(to.to_owned(), inode);
        Ok(())
    })
}

/// From here on the names outlive a power failure. (All of a host's files are in one directory.)
///
/// # Errors
/// The host is gone.
pub fn sync_dir(_: &Path) -> io::Result<()> {
    access(|disk| {
        disk.kept = disk.files.clone();
        Ok(())
    })
}
