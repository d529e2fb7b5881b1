//! Sorted integers in the narrowest width that holds them all.

/// A sorted array of distinct integers, two, four or eight bytes each.
#[derive(Clone)]
pub(super) enum IntSet {
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
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
    pub const fn new() -> Self {
        IntSet::I16(Vec::new())
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
                        if $v.len() == $v.capacity() {
                            $v.reserve_exact(($v.len() / 8).max(4));
                        }
                        $v.insert(at, x);
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
                        $v.remove(at);
                        if $v.len() < $v.capacity() / 4 {
                            $v.shrink_to($v.len() * 2);
                        }
                        true
                    }
                    None => false,
                }
            };
        }
        each_width!(self, v => take!(v))
    }

    pub fn memory_usage(&self) -> usize {
        each_width!(self, v => v.capacity() * v.first().map_or(0, size_of_val))
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
