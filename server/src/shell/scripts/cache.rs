//! The scripts that are known, compiled.

use super::Figures;
use crate::script::{Compiled, Digest, Engine, Flags, Shebang};
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering::Relaxed;

/// Scripts known only since they were run by EVAL; of more, those that were not used for longest are forgotten, as in
/// Redis 7.4.
const EVALS_MAX: usize = 500;

/// A script that is known.
pub(super) struct Script {
    pub compiled: Compiled,
    pub flags: Flags,
    bytes: usize,
    /// SCRIPT LOAD made it known.
    kept: bool,
    used: u64,
    /// Where it is among those of EVAL.
    place: u64,
}

/// The Lua state and the scripts compiled in it.
pub(super) struct Cache {
    pub engine: Engine,
    scripts: HashMap<Digest, Script, FixedState>,
    /// Scripts of EVAL, by a use that was their last when it was noted.
    evals: BTreeMap<u64, Digest>,
    uses: u64,
    bytes: usize,
}

// SAFETY: the handles of a Lua state count without atomics. All of them are in here, and what a script returns is dropped before
// its thread lets go of the lock around this; nothing of a state stays behind with a thread. Handles that any thread may
// hold, as mlua has them, too, cost a script up to a seventh of its time more (`benches/RESULTS.md`).
unsafe impl Send for Cache {}

impl Cache {
    /// A state without scripts.
    ///
    /// # Errors
    /// The error reply.
    pub fn new() -> Result<Cache, Vec<u8>> {
        let engine = Engine::new()
            .map_err(|error| format!("ERR no Lua state to be had: {error}").into_bytes())?;
        Ok(Cache {
            engine,
            scripts: HashMap::default(),
            evals: BTreeMap::new(),
            uses: 0,
            bytes: 0,
        })
    }

    /// True when the script of this digest is known.
    pub fn knows(&self, sha: Digest) -> bool {
        self.scripts.contains_key(&sha)
    }

    /// What the script of this digest declares.
    pub fn flags(&self, sha: Digest) -> Option<Flags> {
        self.scripts.get(&sha).map(|script| script.flags)
    }

    /// The script of this digest, for running it.
    pub fn get(&mut self, sha: Digest) -> Option<(&Engine, &Script)> {
        self.uses += 1;
        let script = self.scripts.get_mut(&sha)?;
        script.used = self.uses;
        Some((&self.engine, script))
    }

    /// Makes a script known; its digest. `keep`: until SCRIPT FLUSH.
    ///
    /// # Errors
    /// The error reply.
    pub fn load(&mut self, text: &[u8], keep: bool) -> Result<Digest, Vec<u8>> {
        let sha = Digest::of(text);
        if let Some(script) = self.scripts.get_mut(&sha) {
            if keep && !script.kept {
                script.kept = true;
                self.evals.remove(&script.place);
            }
            return Ok(sha);
        }
        let error = |text: &[u8]| [b"ERR ", text].concat();
        let Shebang { flags, body } = Shebang::of(text).map_err(|text| error(&text))?;
        let compiled = self.engine.compile("@user_script", body).map_err(|why| {
            error(format!("Error compiling script (new function): {why}").as_bytes())
        })?;
        self.uses += 1;
        let script = Script {
            compiled,
            flags,
            bytes: text.len(),
            kept: keep,
            used: self.uses,
            place: self.uses,
        };
        self.bytes += script.bytes;
        self.scripts.insert(sha, script);
        if !keep {
            self.evals.insert(self.uses, sha);
            self.forget_some();
        }
        Ok(sha)
    }

    /// Those used since they were noted are noted anew, so that the first that was not is the one unused for longest.
    fn forget_some(&mut self) {
        while self.evals.len() > EVALS_MAX
            && let Some((place, sha)) = self.evals.pop_first()
            && let Some(script) = self.scripts.get_mut(&sha)
        {
            if script.used > place {
                script.place = script.used;
                self.evals.insert(script.used, sha);
            } else {
                self.bytes -= script.bytes;
                self.scripts.remove(&sha);
            }
        }
    }

    /// Notes the figures for INFO.
    pub fn count(&self, figures: &Figures) {
        figures.scripts.store(self.scripts.len() as u64, Relaxed);
        figures.bytes.store(self.bytes as u64, Relaxed);
        figures.memory.store(self.engine.memory() as u64, Relaxed);
    }
}
