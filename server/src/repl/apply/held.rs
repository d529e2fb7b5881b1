//! The gates under which a batch of the stream runs.

use crate::gate::{AllGates, Entered, View};
use crate::store::{Dataset, lazyfree};
use std::sync::Arc;

/// The gates under which a batch runs.
pub(super) enum Held<'a, 'g> {
    One(&'a Entered<'g, View>),
    All(&'a mut AllGates<'g, View>),
}

impl Held<'_, '_> {
    pub(super) fn view(&self) -> &View {
        match self {
            Held::One(gate) => gate,
            Held::All(all) => all.view(),
        }
    }

    /// Serves another dataset: only commands that run alone make one.
    pub(super) fn replace(&mut self, dataset: Arc<Dataset>) {
        match self {
            Held::One(_) => debug_assert!(false, "a dataset is replaced under one gate"),
            Held::All(all) => {
                let mut view = all.view().clone();
                view.dataset = dataset;
                lazyfree::free(all.replace(view).dataset);
            }
        }
    }
}
