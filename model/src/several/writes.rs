//! The writes in a dataset, in their order.

/// The most there can be. Tests look at states from which nothing was taken.
pub(crate) const WRITES_MAX: usize = if cfg!(test) { 16 } else { 6 };

/// The writes in a dataset beyond what its whole family has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct Writes {
    len: u8,
    // Zero beyond the end, so that equal ones are equal.
    ids: [u8; WRITES_MAX],
}

impl Writes {
    /// How many.
    pub fn len(&self) -> u8 {
        self.len
    }

    /// The one after the first `at`.
    pub fn get(&self, at: u8) -> Option<u8> {
        self.as_slice().get(usize::from(at)).copied()
    }

    /// All of them.
    pub fn as_slice(&self) -> &[u8] {
        &self.ids[..usize::from(self.len)]
    }

    /// Adds `id`. Without room it is lost; only what comes after a fault that was found gets there.
    pub fn push(&mut self, id: u8) {
        if let Some(free) = self.ids.get_mut(usize::from(self.len)) {
            *free = id;
            self.len += 1;
        }
    }

    /// Another one in the place of the last.
    pub fn replace_last(&mut self, id: u8) {
        if let Some(last) = self.ids[..usize::from(self.len)].last_mut() {
            *last = id;
        }
    }

    /// Whether it begins with all of `other`.
    pub fn begins_with(&self, other: &Writes) -> bool {
        self.as_slice().starts_with(other.as_slice())
    }

    /// The first of them, at most `len`.
    pub fn first(&self, len: u8) -> Writes {
        self.as_slice().iter().take(usize::from(len)).collect()
    }

    /// Without the first `count`.
    pub fn without(&self, count: u8) -> Writes {
        self.as_slice().iter().skip(usize::from(count)).collect()
    }

    /// How many both begin with.
    pub fn common(&self, other: &Writes) -> u8 {
        let both = self.as_slice().iter().zip(other.as_slice());
        both.take_while(|(a, b)| a == b).count() as u8
    }

    /// Each under another name.
    pub fn rename(&self, name: impl FnMut(u8) -> u8) -> Writes {
        self.as_slice().iter().copied().map(name).collect()
    }
}

impl FromIterator<u8> for Writes {
    fn from_iter<T: IntoIterator<Item = u8>>(ids: T) -> Self {
        let mut writes = Writes::default();
        ids.into_iter().for_each(|id| writes.push(id));
        writes
    }
}

impl<'a> FromIterator<&'a u8> for Writes {
    fn from_iter<T: IntoIterator<Item = &'a u8>>(ids: T) -> Self {
        ids.into_iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings() {
        let (a, b): (Writes, Writes) = ([1, 2, 3].iter().collect(), [1, 2, 4].iter().collect());
        assert_eq!(a.common(&b), 2);
        assert!(a.begins_with(&b.first(2)) && !a.begins_with(&b));
        assert_eq!(a.without(2), [3].iter().collect());
        assert_eq!(a.first(9), a);
        assert_eq!(a.rename(|id| id + 1), [2, 3, 4].iter().collect());
    }
}
