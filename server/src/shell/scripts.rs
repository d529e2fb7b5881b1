//! Scripts: those that are known, and the one that runs.
//!
//! A script runs where its client's command runs, with all gates held (ADR 0009). If it takes longer than
//! `busy-reply-threshold`, its thread's connections go on without it, and whoever wants a gate is told BUSY.

mod cache;
pub(super) mod declared;
pub(super) mod run;

use super::server::Server;
use crate::gate::{AllGates, Entered, View};
use crate::script::Digest;
use crate::script::library::Functions;
use crate::sys::time::Instant;
use cache::Cache;
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

/// What clients are told while a script runs for long.
pub(super) const BUSY: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
/// The same of a function.
pub(super) const BUSY_FUNCTION: &str =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
const NOT_BUSY: &str = "NOTBUSY No scripts in execution right now.";
const UNKILLABLE: &str = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can \
     either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.";

/// How long one waits for a gate before it looks whether a script is why.
const PATIENCE: Duration = Duration::from_millis(10);

/// What all threads know of scripts.
#[derive(Default)]
pub struct Scripts {
    cache: Mutex<Option<Cache>>,
    /// The Lua state of functions: what libraries keep for themselves is in it.
    functions: Mutex<Option<Functions>>,
    /// A script has run for longer than the threshold.
    busy: AtomicBool,
    /// It is to end.
    kill: AtomicBool,
    /// It has written.
    wrote: AtomicBool,
    running: Mutex<Option<Running>>,
    /// They may call what is not for scripts (DEBUG SET-DISABLE-DENY-SCRIPTS).
    pub(super) unguarded: AtomicBool,
    /// What is to be done when it is over.
    later: Mutex<Vec<Work>>,
    /// Figures for INFO.
    pub(super) figures: Figures,
}

/// Figures for INFO, as they were after the last script.
#[derive(Default)]
pub(super) struct Figures {
    /// Scripts known.
    pub scripts: AtomicU64,
    /// Bytes of their texts.
    pub bytes: AtomicU64,
    /// Bytes of the Lua state.
    pub memory: AtomicU64,
    /// Bytes of the Lua state of functions.
    pub functions_memory: AtomicU64,
}

impl Figures {
    /// What INFO says, by name.
    pub fn lines(&self, view: &View) -> [(&'static str, u64); 10] {
        let libraries = view.dataset.libraries();
        let (vm, functions) = (
            self.memory.load(Relaxed),
            self.functions_memory.load(Relaxed),
        );
        let (texts, sources) = (self.bytes.load(Relaxed), libraries.bytes() as u64);
        [
            ("used_memory_lua", vm),
            ("used_memory_vm_eval", vm),
            ("used_memory_scripts_eval", texts),
            ("number_of_cached_scripts", self.scripts.load(Relaxed)),
            ("number_of_functions", libraries.functions() as u64),
            ("number_of_libraries", libraries.iter().len() as u64),
            ("used_memory_vm_functions", functions),
            ("used_memory_vm_total", vm + functions),
            ("used_memory_functions", sources),
            ("used_memory_scripts", texts + sources),
        ]
    }
}

/// A script that has run for longer than the threshold.
#[derive(Clone)]
pub(super) struct Running {
    /// The world it sees.
    pub view: View,
    /// What runs.
    pub which: Which,
    /// The command that called it, if it is a function.
    pub command: Vec<Vec<u8>>,
    /// When it began.
    pub started: Instant,
}

/// What needs a gate, and waits for the end of a script.
type Work = Box<dyn FnOnce(&Server, &View) + Send>;

impl Running {
    /// What others are told.
    pub fn refusal(&self) -> &'static str {
        match self.which {
            Which::Script(_) => BUSY,
            Which::Function(_) => BUSY_FUNCTION,
        }
    }
}

/// What runs: a script, by its digest, or a function, by its name.
#[derive(Clone)]
pub(super) enum Which {
    Script(Digest),
    Function(String),
}

impl Which {
    /// The digest or the name.
    pub fn name(&self) -> &str {
        match self {
            Which::Script(digest) => digest.as_str(),
            Which::Function(name) => name,
        }
    }

    /// The command that ends it.
    pub fn killer(&self) -> &'static str {
        match self {
            Which::Script(_) => "SCRIPT KILL",
            Which::Function(_) => "FUNCTION KILL",
        }
    }
}

impl Scripts {
    /// The scripts that are known. The caller is in a gate: who runs a script has all of them.
    fn cache(&self) -> MutexGuard<'_, Option<Cache>> {
        self.cache.lock()
    }

    /// The libraries that are loaded. The caller holds all gates.
    fn functions(&self) -> MutexGuard<'_, Option<Functions>> {
        self.functions.lock()
    }

    /// True while a script has run for longer than the threshold.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy.load(Acquire)
    }

    /// The script that has run for longer than the threshold.
    pub(super) fn running(&self) -> Option<Running> {
        self.running.lock().clone()
    }

    fn begin(&self) {
        self.kill.store(false, Relaxed);
        self.wrote.store(false, Relaxed);
    }

    fn set_busy(&self, running: Running) {
        *self.running.lock() = Some(running);
        self.busy.store(true, Release);
    }

    /// The script is over; what is to be done now, before its gates are left.
    fn end(&self) -> Vec<Work> {
        if !self.is_busy() {
            return Vec::new();
        }
        let mut running = self.running.lock();
        self.busy.store(false, Release);
        *running = None;
        std::mem::take(&mut self.later.lock())
    }

    /// Has `work` done when the script is over that runs for so long.
    ///
    /// # Errors
    /// It is over: `work`.
    fn put_off(&self, work: Work) -> Result<(), Work> {
        match &*self.running.lock() {
            None => Err(work),
            Some(_) => {
                self.later.lock().push(work);
                Ok(())
            }
        }
    }

    /// SCRIPT KILL or, for `functions`, FUNCTION KILL.
    ///
    /// # Errors
    /// The error reply: nothing runs, or it cannot be ended any more.
    pub(super) fn kill(&self, functions: bool) -> Result<(), &'static str> {
        let running = self.running.lock();
        match &*running {
            None => Err(NOT_BUSY),
            Some(running) if matches!(running.which, Which::Function(_)) != functions => {
                Err(running.refusal())
            }
            Some(_) if self.wrote.load(SeqCst) => Err(UNKILLABLE),
            Some(_) => {
                self.kill.store(true, SeqCst);
                Ok(())
            }
        }
    }
}

impl Server {
    /// Enters the gate of an I/O thread; `None`: a script runs for too long, see [`Scripts::running`].
    #[inline]
    pub(super) fn enter(&self, slot: usize) -> Option<Entered<'_, View>> {
        match self.gates.try_enter(slot) {
            Some(gate) => Some(gate),
            None => self.enter_patiently(slot),
        }
    }

    /// Takes all gates; `None`: a script runs for too long.
    pub(super) fn enter_all(&self) -> Option<AllGates<'_, View>> {
        self.gates.all_unless(|| self.scripts.is_busy())
    }

    #[cold]
    fn enter_patiently(&self, slot: usize) -> Option<Entered<'_, View>> {
        loop {
            if self.scripts.is_busy() {
                return None;
            }
            if let Some(gate) = self.gates.enter_for(slot, PATIENCE) {
                return Some(gate);
            }
        }
    }

    /// Does `work` in a gate that belongs to no connection: at once or, if a script keeps it for long, when that is over.
    pub(super) fn see_to(&self, work: impl FnOnce(&Server, &View) + Send + 'static) {
        let mut work: Work = Box::new(work);
        loop {
            if let Some(gate) = self.enter(self.aside()) {
                return work(self, &gate);
            }
            match self.scripts.put_off(work) {
                Ok(()) => return,
                Err(back) => work = back,
            }
        }
    }

    /// Has `look` look at the view in a gate that belongs to no connection. The thread is free for others while a
    /// script keeps it for long.
    pub(super) async fn in_gate<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        loop {
            if let Some(gate) = self.enter(self.aside()) {
                return look(&gate);
            }
            tokio::time::sleep(PATIENCE).await;
        }
    }

    /// Does `work` while the world stands still. The thread is free for others while a script keeps it still for long.
    pub(super) async fn in_all_gates<T>(&self, work: impl FnOnce() -> T) -> T {
        loop {
            if let Some(_all) = self.enter_all() {
                return work();
            }
            tokio::time::sleep(PATIENCE).await;
        }
    }
}
