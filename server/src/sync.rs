//! What the threads of the shell share is made of. `server/loom` builds the users of this module on a double of it that
//! tries every interleaving.

pub use arc_swap::ArcSwap as Shared;
pub use parking_lot::{Mutex, MutexGuard};
pub use std::sync::atomic::{AtomicBool, AtomicU64};
