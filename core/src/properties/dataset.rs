//! The part of the account that is about the dataset held, and what is resumed from it.

use super::{Broken, Ghost, Property};
use crate::{Domain, Resume};

impl<D: Domain> Ghost<D> {
    /// The dataset is another one, whole or not.
    pub(super) fn holds(&mut self, whole: bool) {
        self.whole = whole;
        self.diverged = false;
    }

    /// Whatever has failed before: the data held are what a sync resumes from, unless they are at no point of their
    /// history.
    pub(super) fn resuming(&self, resume: Option<Resume<D>>, broken: &mut Broken) {
        let held = (self.whole && !self.diverged).then(|| self.history.resume());
        broken.unless(resume == held, Property::OffsetDescribesDataset);
        let false_continue = self.diverged && resume.is_some();
        broken.unless(!false_continue, Property::NoFalseContinue);
    }
}
