//! The thread that makes one snapshot.

use super::{Begin, Consumer, Content, Form, Part, SaveError, Saver, Snapshots};
use crate::gate::View;
use crate::rdb::write::{Facts, Options, Replication, Writer};
use crate::repl::domain::Wire;
use crate::store::snapshot::Snapshot;
use crate::sys::fs::{self, File};
use crate::sys::time::{Instant, since_epoch};
use crate::sys::{delay, process, thread};
use bytes::Bytes;
use damselfly_core::Position;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use tokio::sync::{mpsc, oneshot};

/// Pieces are handed on when they have this size.
const PIECE: usize = 64 << 10;

/// Where the pieces go. Each loses its consumers, not the others', when it fails.
struct Sinks {
    replicas: Vec<mpsc::Sender<Part>>,
    /// For the replicas that must know the length beforehand: a file without a name.
    spool: Option<(File, Vec<mpsc::Sender<Part>>)>,
    saves: Vec<Save>,
    /// How the saves went that are over.
    saved: Vec<Saved>,
    /// The saves are to end.
    outdated: Arc<AtomicBool>,
    written: u64,
}

struct Save {
    file: File,
    temporary: Temporary,
    path: PathBuf,
    /// Until it has been told.
    begun: Option<oneshot::Sender<()>>,
    done: oneshot::Sender<Result<u64, SaveError>>,
}

/// How a save went, for the one who asked for it.
pub(super) struct Saved {
    done: oneshot::Sender<Result<u64, SaveError>>,
    result: Result<u64, SaveError>,
}

impl Saved {
    pub(super) fn tell(self) {
        // Nobody need wait for it.
        let _ = self.done.send(self.result);
    }
}

/// Makes one snapshot for `consumers`, who want `content` in it, and returns what is to be told to those who wanted it
/// saved.
pub(super) fn run(of: &Snapshots, content: Content, consumers: Vec<Consumer>) -> Vec<Saved> {
    let mut sinks = Sinks::open(&of.config.load().dir, consumers, &of.outdated);
    for (asked, target) in [
        (!sinks.replicas.is_empty(), "replicas sockets"),
        (sinks.spool.is_some(), "disk"),
    ] {
        if asked {
            tracing::info!("Starting BGSAVE for SYNC with target: {target}");
        }
    }
    if sinks.is_empty() {
        return sinks.saved;
    }
    let (snapshot, stands) = {
        let mut all = of.gates.all();
        if !all.view().status.whole {
            // It was dropped for a snapshot of our master, and its history and offset still speak of what is gone.
            tracing::warn!("no snapshot: there is no whole dataset");
            sinks.give_up_saves();
            return sinks.saved;
        }
        if sinks.has_replicas() && !of.log.active() {
            // The writes so far were not counted: whoever compares offsets must see another history.
            if !all.view().fence.replica
                && let Err(why) = of.hooks.begin_history(&mut all)
            {
                tracing::warn!("no snapshot: {why}");
                return sinks.saved;
            }
            of.log.activate();
        }
        if sinks.has_replicas() {
            of.log.forget_selected();
        }
        let stands = Stands::now(of, all.view());
        // What is at no place of a history is no replica's: those who wait for it ask again.
        sinks.begin(|| {
            let at = stands.at?;
            let cursor = of.log.cursor_at(at.offset)?;
            Some(Begin { at, cursor })
        });
        (Snapshot::begin(&all.view().dataset), stands)
    };
    for begun in sinks.saves.iter_mut().filter_map(|save| save.begun.take()) {
        // Nobody need wait for it.
        let _ = begun.send(());
    }
    make(of, snapshot, &stands, content, sinks)
}

/// Where in our history a snapshot stands.
struct Stands {
    /// None if nobody counted, or what we hold has diverged.
    at: Option<Position<Wire>>,
    /// Bytes that the log has counted.
    offset: u64,
    stream_db: u32,
}

impl Stands {
    /// Where our dataset stands; the caller holds all gates, with `view` in them.
    fn now(of: &Snapshots, view: &View) -> Stands {
        let offset = of.log.offset();
        let counted = of.log.active() && !of.hooks.diverged();
        Stands {
            at: counted.then(|| Position {
                replid: view.status.history.at.replid,
                offset,
            }),
            offset,
            stream_db: of.log.stream_db(),
        }
    }
}

/// Saves `view`, which is in all gates and held there, to the file `path`.
pub(super) fn save_now(of: &Snapshots, view: &View, path: PathBuf) -> Result<u64, SaveError> {
    if !view.status.whole {
        return Err(SaveError::GivenUp);
    }
    // The answer is taken from where it is kept for this receiver.
    let ((begun, _), (done, _nobody)) = (oneshot::channel(), oneshot::channel());
    let consumer = Consumer::Save(path, of.config.load().field_times, Saver { begun, done });
    let content = consumer.content();
    let sinks = Sinks::open(&of.config.load().dir, vec![consumer], &Arc::default());
    let saved = match sinks.is_empty() {
        true => sinks.saved,
        false => make(
            of,
            Snapshot::begin(&view.dataset),
            &Stands::now(of, view),
            content,
            sinks,
        ),
    };
    let result = saved.into_iter().next().map(|saved| saved.result);
    result.unwrap_or(Err(SaveError::GivenUp))
}

/// Writes what `content` wants of `snapshot` into `sinks`, and returns what is to be told to those who wanted it saved.
fn make(
    of: &Snapshots,
    snapshot: Snapshot,
    stands: &Stands,
    content: Content,
    mut sinks: Sinks,
) -> Vec<Saved> {
    let started = Instant::now();
    let config = of.config.load_full();
    let replid = stands.at.map(|at| at.replid.to_string());
    let offset = stands.offset;
    let facts = Facts {
        ctime: since_epoch().as_secs(),
        used_memory: crate::memory::used(),
        replication: replid.as_deref().map(|id| Replication {
            id,
            offset,
            stream_db: stands.stream_db,
        }),
        field_times: snapshot.has_field_times(),
    };
    let options = Options {
        compress: config.rdb_compression,
        checksum: config.rdb_checksum,
        dialect: content.dialect,
    };
    let key_delay = config.key_save_delay;
    let filter = content.filter;
    match write(snapshot, &facts, options, key_delay, filter, &mut sinks) {
        Ok(()) => {
            let (bytes, seconds) = (sinks.written, started.elapsed().as_secs_f64());
            tracing::info!("snapshot at offset {offset}: {bytes} bytes in {seconds:.3} s");
            let by_socket = !sinks.replicas.is_empty();
            sinks.finish();
            match by_socket {
                true => tracing::info!("Background RDB transfer terminated with success"),
                false if sinks.saved.iter().any(|saved| saved.result.is_err()) => {}
                false => tracing::info!("Background saving terminated with success"),
            }
        }
        Err(Deserted) => tracing::warn!("snapshot given up: nobody is left who wants it"),
    }
    sinks.saved
}

/// Nobody is left who wants the snapshot.
struct Deserted;

/// Walks `snapshot`, encodes what `filter` leaves of it and hands the pieces to `sinks`.
fn write(
    mut snapshot: Snapshot,
    facts: &Facts<'_>,
    options: Options,
    key_delay: i32,
    filter: Option<Form>,
    sinks: &mut Sinks,
) -> Result<(), Deserted> {
    let mut writer = Writer::new(options);
    writer.header(facts);
    if filter != Some(Form::Filtered { functions: false }) {
        for library in snapshot.libraries().iter() {
            writer.library(&library.code);
        }
    }
    if filter.is_some() {
        writer.finish();
        return sinks.push(writer.take());
    }
    // How many keys there are is a hint, as in Redis: they come and go while the snapshot is walked.
    let sizes: Vec<_> = snapshot
        .dbs()
        .map(|(db, keys)| (db, keys.len(), keys.expires()))
        .collect();
    let mut sizes = sizes.into_iter();
    let mut selected = None;
    // Since it last rested.
    let mut keys = 0;
    while let Some(db) = snapshot.db() {
        if selected != Some(db) {
            selected = Some(db);
            writer.select_db(db as u32);
            if let Some((_, keys, expires)) = sizes.find(|size| size.0 == db) {
                writer.resize_db(keys as u64, expires as u64);
            }
        }
        // Under the lock of a shard, unless the value is large: encode, and nothing else.
        snapshot.walk(&mut |key, value, expire| {
            keys += 1;
            writer.key(key, value, expire);
        });
        if writer.pending() >= PIECE {
            sinks.push(writer.take())?;
        }
        let time = delay::of(key_delay, keys);
        if !time.is_zero() {
            keys = 0;
            delay::rest(time, || sinks.are_wanted());
        }
    }
    writer.finish();
    sinks.push(writer.take())
}

impl Sinks {
    fn open(dir: &Path, consumers: Vec<Consumer>, outdated: &Arc<AtomicBool>) -> Sinks {
        let mut sinks = Sinks {
            replicas: Vec::new(),
            spool: None,
            saves: Vec::new(),
            saved: Vec::new(),
            outdated: Arc::clone(outdated),
            written: 0,
        };
        let mut spooled = Vec::new();
        for consumer in consumers {
            match consumer {
                Consumer::Replica(Form::Pieces | Form::Filtered { .. }, _, to) => {
                    sinks.replicas.push(to);
                }
                Consumer::Replica(Form::File, _, to) => spooled.push(to),
                Consumer::Save(path, _, Saver { begun, done }) => match create_temporary(dir) {
                    Ok((file, temporary)) => sinks.saves.push(Save {
                        file,
                        temporary,
                        path,
                        begun: Some(begun),
                        done,
                    }),
                    Err(error) => sinks.saved.push(Saved {
                        done,
                        result: Err(error.into()),
                    }),
                },
            }
        }
        if !spooled.is_empty() {
            let nameless = create_temporary(dir).and_then(|(file, path)| {
                fs::remove_file(&path.0)?;
                Ok(file)
            });
            match nameless {
                Ok(file) => sinks.spool = Some((file, spooled)),
                Err(error) => cannot_spool(&error),
            }
        }
        sinks
    }

    fn has_replicas(&self) -> bool {
        !self.replicas.is_empty() || self.spool.is_some()
    }

    /// Whether somebody still waits for the end.
    fn are_wanted(&self) -> bool {
        let spooled = self.spool.iter().flat_map(|(_, replicas)| replicas);
        let saves = !self.saves.is_empty() && !self.outdated.load(Relaxed);
        saves
            || self
                .replicas
                .iter()
                .chain(spooled)
                .any(|to| !to.is_closed())
    }

    fn is_empty(&self) -> bool {
        !self.has_replicas() && self.saves.is_empty()
    }

    /// Gives every replica its beginning. Does not wait: the channels are empty.
    fn begin(&mut self, begin: impl Fn() -> Option<Begin>) {
        let begun = |to: &mpsc::Sender<Part>| {
            begin().is_some_and(|begin| to.try_send(Part::Begin(begin)).is_ok())
        };
        self.replicas.retain(begun);
        if let Some((_, replicas)) = &mut self.spool {
            replicas.retain(begun);
        }
    }

    /// Ends the saves that are to end.
    fn end_saves(&mut self) {
        if self.saves.is_empty() || !self.outdated.load(Relaxed) {
            return;
        }
        tracing::warn!("Background saving terminated: all keys were removed");
        self.give_up_saves();
    }

    /// Ends all saves, of what is no more.
    fn give_up_saves(&mut self) {
        let ended = self.saves.drain(..).map(|Save { done, .. }| Saved {
            done,
            result: Err(SaveError::Outdated),
        });
        self.saved.extend(ended);
    }

    /// Hands a piece to everybody, waiting for those whose channel is full.
    fn push(&mut self, piece: Vec<u8>) -> Result<(), Deserted> {
        let piece = Bytes::from(piece);
        self.written += piece.len() as u64;
        self.replicas
            .retain(|to| thread::send(to, Part::Piece(piece.clone())).is_ok());
        if let Some((file, replicas)) = &mut self.spool {
            replicas.retain(|to| !to.is_closed());
            if let Err(error) = file.write_all(&piece) {
                cannot_spool(&error);
                replicas.clear();
            }
            if replicas.is_empty() {
                self.spool = None;
            }
        }
        self.end_saves();
        for mut save in std::mem::take(&mut self.saves) {
            match save.file.write_all(&piece) {
                Ok(()) => self.saves.push(save),
                Err(error) => self.saved.push(save.failed(error)),
            }
        }
        if self.is_empty() {
            Err(Deserted)
        } else {
            Ok(())
        }
    }

    fn finish(&mut self) {
        self.end_saves();
        for to in self.replicas.drain(..) {
            // A receiver that is gone needs no end.
            let _ = thread::send(&to, Part::End);
        }
        if let Some((file, replicas)) = self.spool.take() {
            let file = Arc::new(file);
            for to in replicas {
                let _ = thread::send(&to, Part::File(Arc::clone(&file), self.written));
            }
        }
        for save in self.saves.drain(..) {
            self.saved.push(save.finish(self.written));
        }
    }
}

impl Save {
    /// Puts the file in its place, so that it is there after a power failure too.
    fn finish(self, written: u64) -> Saved {
        let in_place = self
            .file
            .sync_all()
            .and_then(|()| fs::rename(&self.temporary.0, &self.path))
            .and_then(|()| match self.path.parent() {
                Some(dir) => fs::sync_dir(dir),
                None => Ok(()),
            });
        match in_place {
            Ok(()) => Saved {
                done: self.done,
                result: Ok(written),
            },
            Err(error) => self.failed(error),
        }
    }

    fn failed(self, error: io::Error) -> Saved {
        Saved {
            done: self.done,
            result: Err(error.into()),
        }
    }
}

/// A file's name for as long as it is not whole. Dropping it removes the file, unless it was renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn cannot_spool(error: &io::Error) {
    tracing::warn!("cannot write the file for replicas that take no diskless snapshot: {error}");
}

/// A new file in `dir`, for reading and writing, and its name.
fn create_temporary(dir: &Path) -> io::Result<(File, Temporary)> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Relaxed);
    let path = dir.join(format!("temp-{}-{number}.rdb", process::id()));
    let file = fs::create_new(&path)?;
    Ok((file, Temporary(path)))
}
