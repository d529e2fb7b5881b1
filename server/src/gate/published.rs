//! The status for those who must not wait for a gate.

use super::AllGates;
use crate::sync::Shared;
use std::sync::Arc;

/// The status as it was published last: what INFO and ROLE read.
///
/// It changes while all gates are held, after the views in them. So who read it here finds it, or a later one, in his
/// gate, and the other way round; and a reply that is given once the gates are open comes after both.
pub struct Published<S>(Shared<S>);

impl<S> Published<S> {
    /// Nothing but `status` was ever published.
    pub fn new(status: S) -> Self {
        Published(Shared::from_pointee(status))
    }

    /// What was published last, without waiting for anything.
    pub fn load(&self) -> Arc<S> {
        self.0.load_full()
    }

    /// Publishes `status`; `put` puts it into a view.
    pub fn publish<V: Clone>(
        &self,
        all: &mut AllGates<'_, V>,
        status: &Arc<S>,
        put: impl FnOnce(&mut V, Arc<S>),
    ) {
        all.update(|view| put(view, Arc::clone(status)));
        self.0.store(Arc::clone(status));
    }
}
