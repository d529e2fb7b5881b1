//! Scripts: those that are known, and the one that runs.
//!
//! A script runs where its client's command runs, with all gates held (ADR 0008). If it takes longer than
//! `busy-reply-threshold`, its thread's connections go on without it, and whoever wants a gate is told BUSY.

mod cache;
pub(super) mod run;

use super::server::Server;
use crate::gate::{AllGates, Entered, View};
use crate::script::library::Functions;
use crate::sys::{thread, time::Instant};
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
    /// The function's name; `None`: a script of EVAL.
    pub function: Option<String>,
    /// The command that called it.
    pub command: Vec<Vec<u8>>,
    /// When it began.
    pub started: Instant,
}

impl Running {
    /// What others are told.
    pub fn refusal(&self) -> &'static str {
        match self.function {
            None => BUSY,
            Some(_) => BUSY_FUNCTION,
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

    fn end(&self) {
        if self.is_busy() {
            self.busy.store(false, Release);
            *self.running.lock() = None;
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
            Some(running) if running.function.is_some() != functions => Err(running.refusal()),
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

    /// Does `work`, which needs a gate that belongs to no connection: at once or, while a script runs for long, on a
    /// thread of its own as soon as it can.
    pub(super) fn see_to(self: &std::sync::Arc<Self>, work: impl FnOnce(&Server) + Send + 'static) {
        if !self.scripts.is_busy() {
            return work(self);
        }
        let server = std::sync::Arc::clone(self);
        if let Err(why) = thread::spawn("aside", move || work(&server)) {
            tracing::warn!("a client's leave-taking is lost: no thread: {why}");
        }
    }
}
