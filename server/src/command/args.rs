//! Reading arguments: options, numbers, times.

use super::CmdError;
use crate::store::num;

/// True when `arg` is `word` (in lower case) in any case.
#[inline]
pub fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// An integer argument.
pub fn integer(arg: &[u8]) -> Result<i64, CmdError> {
    num::parse_i64(arg).ok_or(CmdError::NotInteger)
}

/// The number of a database, which must exist among `count`.
pub fn db_number(arg: &[u8], count: usize) -> Result<usize, CmdError> {
    const NOT_AN_INT: CmdError =
        CmdError::text("ERR value is out of range, value must between -2147483648 and 2147483647");
    // Redis reads it as an `int` first.
    let number = i32::try_from(integer(arg)?).map_err(|_| NOT_AN_INT)?;
    usize::try_from(number)
        .ok()
        .filter(|&n| n < count)
        .ok_or(CmdError::text("ERR DB index is out of range"))
}

/// What the time in an expiry option counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `EX`: seconds from now.
    Seconds,
    /// `PX`: milliseconds from now.
    Milliseconds,
    /// `EXAT`: seconds since 1970.
    UnixSeconds,
    /// `PXAT`: milliseconds since 1970.
    UnixMilliseconds,
}

impl Unit {
    /// The unit an option of SET or GETEX stands for.
    pub fn of_option(arg: &[u8]) -> Option<Unit> {
        Some(match arg.len() {
            2 if is(arg, "ex") => Unit::Seconds,
            2 if is(arg, "px") => Unit::Milliseconds,
            4 if is(arg, "exat") => Unit::UnixSeconds,
            4 if is(arg, "pxat") => Unit::UnixMilliseconds,
            _ => return None,
        })
    }

    /// The moment `time` means, Unix milliseconds; `None` if that is out of range.
    pub fn moment(self, time: i64, now_ms: i64) -> Option<i64> {
        let millis = match self {
            Unit::Seconds | Unit::UnixSeconds => time.checked_mul(1000)?,
            Unit::Milliseconds | Unit::UnixMilliseconds => time,
        };
        match self {
            Unit::Seconds | Unit::Milliseconds => millis.checked_add(now_ms),
            Unit::UnixSeconds | Unit::UnixMilliseconds => Some(millis),
        }
    }
}

/// On what a new time to expire depends: all that are said have to hold.
#[derive(Clone, Copy, Default)]
pub struct Conditions {
    /// There is none yet.
    pub nx: bool,
    /// There is one.
    pub xx: bool,
    /// The new one is later; none is the latest of all.
    pub gt: bool,
    /// The new one is earlier.
    pub lt: bool,
}

impl Conditions {
    /// Notes the one that `arg` says; false if it says none.
    pub fn take(&mut self, arg: &[u8]) -> bool {
        match arg {
            _ if is(arg, "nx") => self.nx = true,
            _ if is(arg, "xx") => self.xx = true,
            _ if is(arg, "gt") => self.gt = true,
            _ if is(arg, "lt") => self.lt = true,
            _ => return false,
        }
        true
    }

    /// Whether the time may become `new` where it was `old`.
    pub fn hold(&self, old: Option<i64>, new: i64) -> bool {
        !(self.nx && old.is_some()
            || self.xx && old.is_none()
            || self.gt && old.is_none_or(|old| new <= old)
            || self.lt && old.is_some_and(|old| new >= old))
    }
}

/// The moment that `arg` of an expiry option means; times up to zero are refused.
pub fn expire_time(
    arg: &[u8],
    unit: Unit,
    now_ms: i64,
    command: &'static str,
) -> Result<i64, CmdError> {
    let time = integer(arg)?;
    unit.moment(time, now_ms)
        .filter(|_| time > 0)
        .ok_or_else(|| invalid_expire(command))
}

/// The error for a time that cannot be.
pub fn invalid_expire(command: &'static str) -> CmdError {
    CmdError::formatted(format!("ERR invalid expire time in '{command}' command"))
}
