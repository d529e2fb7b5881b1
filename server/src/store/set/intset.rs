//! Sorted integers in the narrowest width that holds them all.
//!
//! The arrays are as long as what is in them: the allocator grows them in place up to its next size.

/// A sorted array of distinct integers, two, four or eight bytes each.
#[derive(Clone)]
pub(super) enum IntSet {
    I16(Box<[i16]>),
    I32(Box<[i32]>),
    I64(Box<[i64]>),
}

/// Runs `$body` with `$v` bound to the array, whatever its width.
macro_rules! each_width {
    ($set:expr, $v:ident => $body:expr) => {
        match $set {
            IntSet::I16($v) => $body,
            IntSet::I32($v) => $body,
            IntSet::I64($v) => $body,
        }
    };
}

/// Searches for `value` in an array whose width it may not fit: then it is absent.
macro_rules! search {
    ($v:expr, $value:expr) => {
        match $value.try_into() {
            Ok(narrow) => $v.binary_search(&narrow).ok(),
            Err(_) => None,
        }
    };
}

impl IntSet {
    pub fn new() -> Self {
        IntSet::I16(Box::default())
    }

    pub fn len(&self) -> usize {
        each_width!(self, v => v.len())
    }

    #[expect(clippy::useless_conversion, reason = "of one width only")]
    pub fn get(&self, at: usize) -> Option<i64> {
        each_width!(self, v => v.get(at).map(|&x| i64::from(x)))
    }

    pub fn contains(&self, value: i64) -> bool {
        each_width!(self, v => search!(v, value)).is_some()
    }

    /// Adds a value; false if it is there.
    pub fn insert(&mut self, value: i64) -> bool {
        self.widen_for(value);
        macro_rules! put {
            ($v:expr) => {
                match value.try_into().map(|x| ($v.binary_search(&x), x)) {
                    Ok((Err(at), x)) => {
                        let mut longer = std::mem::take($v).into_vec();
                        longer.reserve_exact(1);
                        longer.insert(at, x);
                        *$v = longer.into_boxed_slice();
                        true
                    }
                    _ => false,
                }
            };
        }
        each_width!(self, v => put!(v))
    }

    /// Removes a value; false if it is not there.
    pub fn remove(&mut self, value: i64) -> bool {
        macro_rules! take {
            ($v:expr) => {
                match search!($v, value) {
                    Some(at) => {
                        let mut shorter = std::mem::take($v).into_vec();
                        shorter.remove(at);
                        *$v = shorter.into_boxed_slice();
                        true
                    }
                    None => false,
                }
            };
        }
        each_width!(self, v => take!(v))
    }

    pub fn memory_usage(&self) -> usize {
        each_width!(self, v => size_of_val(&**v))
    }

    /// Makes every element as wide as `value` needs. Never narrowed again, as in Redis.
    fn widen_for(&mut self, value: i64) {
        let bits = if i16::try_from(value).is_ok() {
            16
        } else if i32::try_from(value).is_ok() {
            32
        } else {
            64
        };
        match self {
            IntSet::I16(v) if bits == 32 => {
                *self = IntSet::I32(v.iter().map(|&x| x.into()).collect());
            }
            IntSet::I16(v) if bits == 64 => {
                *self = IntSet::I64(v.iter().map(|&x| x.into()).collect());
            }
            IntSet::I32(v) if bits == 64 => {
                *self = IntSet::I64(v.iter().map(|&x| x.into()).collect());
            }
            _ => {}
        }
    }
}
