//! What a command did: what replicas are told, and what its caller has to know.

use smallvec::SmallVec;

/// The outcome of one command beyond its reply. Belongs to the thread that executes commands and is used again
/// for the next one, so that commands allocate nothing for it.
#[derive(Debug, Default)]
pub struct Effects {
    dirty: bool,
    rewritten: bool,
    /// Arguments of the commands to propagate instead, one after the other.
    bytes: Vec<u8>,
    /// Where each argument ends in `bytes`, and whether its command ends there, too.
    ends: Vec<(usize, bool)>,
    /// Keys looked up and found, for INFO.
    pub hits: u32,
    /// Keys looked up in vain, for INFO.
    pub misses: u32,
    /// Keys that this command found expired and removed.
    pub expired: u32,
    /// Fields of hashes that it found expired and removed.
    pub expired_fields: u32,
    /// It emptied all databases.
    pub emptied: bool,
}

/// A command to propagate.
pub(super) type Propagated<'a> = SmallVec<[&'a [u8]; 8]>;

impl Effects {
    /// Forgets the last command.
    pub(super) fn clear(&mut self) {
        // A command with huge arguments should not hold memory for ever.
        const KEPT: usize = 64 << 10;
        if self.rewritten {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.ends.clear();
            self.ends.shrink_to(KEPT);
        }
        (self.dirty, self.rewritten) = (false, false);
        (self.hits, self.misses) = (0, 0);
        (self.expired, self.expired_fields) = (0, 0);
        self.emptied = false;
    }

    /// True when the command changed the dataset.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The command changed the dataset.
    #[inline]
    pub fn dirty(&mut self) {
        self.dirty = true;
    }

    /// The command changed the dataset, and replicas are told `command` (and what further calls add) instead of
    /// its own arguments.
    pub fn rewrite(&mut self, command: &[&[u8]]) {
        (self.dirty, self.rewritten) = (true, true);
        for (i, arg) in command.iter().enumerate() {
            self.bytes.extend_from_slice(arg);
            self.ends.push((self.bytes.len(), i + 1 == command.len()));
        }
    }

    /// The command changed the dataset by nothing that replicas should do again; they are told nothing.
    pub fn dirty_unpropagated(&mut self) {
        (self.dirty, self.rewritten) = (true, true);
    }

    /// The commands to tell replicas instead of the original; `None` when that one goes as it is.
    pub(super) fn rewrites(&self) -> Option<SmallVec<[Propagated<'_>; 1]>> {
        if !self.rewritten {
            return None;
        }
        let mut commands = SmallVec::new();
        let (mut command, mut start) = (Propagated::new(), 0);
        for &(end, last) in &self.ends {
            command.push(&self.bytes[start..end]);
            start = end;
            if last {
                commands.push(std::mem::take(&mut command));
            }
        }
        Some(commands)
    }
}
