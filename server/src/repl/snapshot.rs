//! Snapshots for replicas and for files, without fork.
//!
//! One thread at a time: it stops the world for some microseconds to note the offset and to begin the
//! snapshot, then walks the dataset segment by segment while commands go on, and hands the encoded pieces
//! to everybody who asked before it began. Replicas that ask within `repl-diskless-sync-delay` of each
//! other share one. A consumer that dies is left out; when none is left, the walk ends.

mod walk;

use super::domain::Wire;
use super::serve::{MasterConfig, MasterHooks};
use crate::gate::{Gates, View};
use crate::log::{Cursor, ReplLog};
use crate::rdb::format::Dialect;
use crate::sys::{fs::File, thread, time::Instant};
use arc_swap::ArcSwap;
use bytes::Bytes;
use damselfly_core::Position;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Pieces under way to one consumer; a piece is some 64 KiB, or one large value.
const PIECES_UNDER_WAY: usize = 16;

/// What a replica gets of a snapshot, in this order: `Begin`, then all `Piece`s and `End`, or one `File`.
/// The channel closes early when the snapshot fails; the reason is in our log.
pub enum Part {
    /// The snapshot was begun.
    Begin(Begin),
    /// The next bytes of it.
    Piece(Bytes),
    /// It is complete.
    End,
    /// It is complete, and is this file of that many bytes (which has no name any more).
    File(Arc<File>, u64),
}

/// Where in the history a snapshot is.
pub struct Begin {
    /// Our replid, and the offset of the snapshot.
    pub at: Position<Wire>,
    /// Holds the stream from that offset on.
    pub cursor: Cursor,
}

/// How a replica takes its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In pieces, as they are made.
    Pieces,
    /// Announced by its length, so by way of a file.
    File,
    /// In pieces, and without keys.
    Filtered {
        /// With the functions.
        functions: bool,
    },
}

/// Why a snapshot did not become a file.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The file could not be written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// All keys were removed before it was whole.
    #[error("all keys were removed")]
    Outdated,
    /// The thread that makes it is gone.
    #[error("the snapshot was given up")]
    GivenUp,
}

enum Consumer {
    Replica(Form, Dialect, mpsc::Sender<Part>),
    Save(PathBuf, Dialect, Saver),
}

/// Whoever wants a snapshot saved.
struct Saver {
    /// Told when the snapshot has begun: what is written from then on is not in it.
    begun: oneshot::Sender<()>,
    /// Told how many bytes it was.
    done: oneshot::Sender<Result<u64, SaveError>>,
}

impl Consumer {
    /// What it wants in its snapshot: who wants the same shares one.
    fn content(&self) -> Content {
        let (filter, dialect) = match self {
            Consumer::Replica(form @ Form::Filtered { .. }, dialect, _) => (Some(*form), *dialect),
            Consumer::Replica(_, dialect, _) => (None, *dialect),
            Consumer::Save(_, dialect, _) => (None, *dialect),
        };
        Content { filter, dialect }
    }

    fn is_gone(&self) -> bool {
        match self {
            Consumer::Replica(_, _, to) => to.is_closed(),
            Consumer::Save(..) => false,
        }
    }
}

/// What is written into a snapshot, and for whom.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Content {
    /// All of the dataset, or what this form leaves of it.
    filter: Option<Form>,
    dialect: Dialect,
}

struct Waiter {
    /// When a snapshot is to be begun for its sake.
    due: Instant,
    consumer: Consumer,
}

#[derive(Default)]
struct Queue {
    running: bool,
    saving: bool,
    waiting: Vec<Waiter>,
}

/// Those who want a snapshot, and the one that is being made.
pub struct Snapshots {
    gates: Arc<Gates<View>>,
    log: Arc<ReplLog>,
    hooks: Arc<dyn MasterHooks>,
    config: Arc<ArcSwap<MasterConfig>>,
    queue: Mutex<Queue>,
    /// Saves that are under way end.
    outdated: Arc<AtomicBool>,
}

impl Snapshots {
    /// Nobody wants any yet.
    pub fn new(
        gates: Arc<Gates<View>>,
        log: Arc<ReplLog>,
        hooks: Arc<dyn MasterHooks>,
        config: Arc<ArcSwap<MasterConfig>>,
    ) -> Self {
        Snapshots {
            gates,
            log,
            hooks,
            config,
            queue: Mutex::default(),
            outdated: Arc::default(),
        }
    }

    /// Asks for a snapshot for a replica that reads `dialect`. It begins when [`Snapshots::poke`] is called late enough.
    pub fn ask(self: &Arc<Self>, form: Form, dialect: Dialect) -> mpsc::Receiver<Part> {
        let (to, from) = mpsc::channel(PIECES_UNDER_WAY);
        let config = self.config.load();
        let delay = match form {
            Form::Filtered { .. } if !config.diskless_sync => Duration::ZERO,
            Form::Pieces | Form::Filtered { .. } => config.diskless_sync_delay,
            // A file is begun at once, as in Redis.
            Form::File => Duration::ZERO,
        };
        self.enter(Consumer::Replica(form, dialect, to), delay);
        from
    }

    /// Saves the dataset to the file `path`, which is replaced when the snapshot is whole and on disk; `begun` is told when
    /// the moment has come that the snapshot is of, the receiver gets the number of bytes. None if such a save is already
    /// under way or waits for its turn.
    pub fn save(
        self: &Arc<Self>,
        path: PathBuf,
        begun: oneshot::Sender<()>,
    ) -> Option<oneshot::Receiver<Result<u64, SaveError>>> {
        let (done, from) = oneshot::channel();
        {
            let mut queue = self.queue.lock();
            if queue.saving {
                return None;
            }
            queue.saving = true;
        }
        let saver = Saver { begun, done };
        let dialect = self.config.load().field_times;
        self.enter(Consumer::Save(path, dialect, saver), Duration::ZERO);
        Some(from)
    }

    /// [`Snapshots::save`] by this thread, which holds all gates with `view` in them. Returns the number of bytes.
    ///
    /// # Errors
    /// Why there is no such file.
    pub fn save_now(&self, view: &View, path: PathBuf) -> Result<u64, SaveError> {
        walk::save_now(self, view, path)
    }

    /// Ends all saves that were asked for so far: all keys have been removed. Replicas get theirs, and learn of it by the
    /// stream.
    pub fn end_saves(&self) {
        let mut queue = self.queue.lock();
        let waiting = std::mem::take(&mut queue.waiting);
        for waiter in waiting {
            match waiter.consumer {
                // Nobody need wait for it.
                Consumer::Save(_, _, saver) => drop(saver.done.send(Err(SaveError::Outdated))),
                Consumer::Replica(..) => queue.waiting.push(waiter),
            }
        }
        queue.saving &= queue.running;
        self.outdated.store(queue.running, Relaxed);
    }

    /// A snapshot is being made.
    pub fn running(&self) -> bool {
        self.queue.lock().running
    }

    /// A save to a file is under way or waits for its turn.
    pub fn saving(&self) -> bool {
        self.queue.lock().saving
    }

    fn enter(self: &Arc<Self>, consumer: Consumer, delay: Duration) {
        let due = Instant::now() + delay;
        self.queue.lock().waiting.push(Waiter { due, consumer });
        self.poke();
    }

    /// Begins a snapshot if none is being made and somebody has waited long enough for one.
    pub fn poke(self: &Arc<Self>) {
        let mut queue = self.queue.lock();
        queue.waiting.retain(|waiter| !waiter.consumer.is_gone());
        if queue.running || !self.is_due(&queue.waiting) {
            return;
        }
        // Whoever has waited longest, and all who get the same bytes.
        let first = queue.waiting.iter().min_by_key(|waiter| waiter.due);
        let Some(content) = first.map(|waiter| waiter.consumer.content()) else {
            return;
        };
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut queue.waiting)
            .into_iter()
            .partition(|waiter| waiter.consumer.content() == content);
        queue.waiting = later;
        let consumers = now.into_iter().map(|waiter| waiter.consumer).collect();
        queue.running = true;
        self.outdated.store(false, Relaxed);
        let this = Arc::clone(self);
        if let Err(error) = thread::spawn("snapshot", move || this.run(content, consumers)) {
            // The consumers went with the closure: their channels are closed, their tasks retry or give up.
            tracing::warn!("cannot start a thread for a snapshot: {error}");
            queue.running = false;
            queue.saving = false;
        }
    }

    fn is_due(&self, waiting: &[Waiter]) -> bool {
        let now = Instant::now();
        let most = self.config.load().diskless_sync_max_replicas;
        waiting.iter().any(|waiter| waiter.due <= now) || (most > 0 && waiting.len() >= most)
    }

    fn run(self: Arc<Self>, content: Content, consumers: Vec<Consumer>) {
        // Also when the walk panics: nobody would get a snapshot ever after.
        struct Done(Arc<Snapshots>);
        impl Drop for Done {
            fn drop(&mut self) {
                {
                    let mut queue = self.0.queue.lock();
                    queue.running = false;
                    let waits = |w: &Waiter| matches!(w.consumer, Consumer::Save(..));
                    queue.saving = queue.waiting.iter().any(waits);
                }
                self.0.poke();
            }
        }
        let done = Done(self);
        let saved = walk::run(&done.0, content, consumers);
        // Whoever hears that a save is over may begin another at once.
        drop(done);
        saved.into_iter().for_each(walk::Saved::tell);
    }
}
