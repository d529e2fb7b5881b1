//! What is there for few commands only, and costs the others a comparison.

use std::mem::ManuallyDrop;

/// A value that most never have.
pub(super) struct Seldom<T>(ManuallyDrop<Option<Box<T>>>);

impl<T> Seldom<T> {
    /// None.
    #[inline]
    pub const fn none() -> Seldom<T> {
        Seldom(ManuallyDrop::new(None))
    }

    /// The value, if there is one.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }

    /// The value, if there is one, for changing it.
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// The value, made if there is none.
    pub fn make(&mut self) -> &mut T
    where
        T: Default,
    {
        self.0.get_or_insert_default()
    }
}

// The compiler's own way of dropping a box is a call, whether there is one or not.
impl<T> Drop for Seldom<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.is_some() {
            free(self.0.take());
        }
    }
}

#[cold]
fn free<T>(value: Option<Box<T>>) {
    drop(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn what_was_made_is_dropped() {
        let counted = Rc::new(());
        let mut seldom: Seldom<Vec<Rc<()>>> = Seldom::none();
        assert!(seldom.get().is_none());
        seldom.make().push(Rc::clone(&counted));
        assert_eq!(seldom.get().map(Vec::len), Some(1));
        drop(seldom);
        assert_eq!(Rc::strong_count(&counted), 1);
    }
}
