//! The catalogue of faults, and the switch for one of them at a time.
//!
//! For those who check that the checks notice (feature `mutants`); see `build.rs`.

use core::sync::atomic::{AtomicUsize, Ordering};

/// A fault.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// What it is called.
    pub name: &'static str,
    /// The module it is in.
    pub module: &'static str,
    /// What is wrong, in a sentence.
    pub meaning: &'static str,
    /// The property that is to notice it.
    pub breaks: &'static str,
}

/// All of them.
pub const ALL: &[Mutant] = include!(concat!(env!("OUT_DIR"), "/all.rs"));

/// The number of the fault that is on, counted from 1.
static ON: AtomicUsize = AtomicUsize::new(0);

/// Whether the fault of this number is on.
pub fn on(number: usize) -> bool {
    ON.load(Ordering::Relaxed) == number
}

/// Switches the fault at this place of [`ALL`] on, in the whole process, and every other one off.
pub fn switch(at: Option<usize>) {
    ON.store(at.map_or(0, |at| at + 1), Ordering::Relaxed);
}
