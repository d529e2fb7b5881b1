//! Reading and replacing whole strings.

use crate::command::args::{Unit, expire_time, integer, is};
use crate::command::table::Positions;
use crate::command::{CmdError, Cx, Origin, events};
use crate::store::{Entry, ValueRef};

pub(super) fn get(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let value = cx.db.string(args[1])?;
    cx.out.bulk_or_null(value);
    Ok(())
}

pub(super) fn mget(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    cx.out.array(args.len() - 1);
    for key in &args[1..] {
        match cx.db.lookup(key) {
            Some(ValueRef::Str(value)) => cx.out.bulk(value),
            _ => cx.out.null(),
        }
    }
    Ok(())
}

/// Whose options they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// SET.
    Set {
        /// A master has decided.
        by_master: bool,
    },
    /// MSETEX.
    SetMany,
    /// GETEX.
    Get,
}

/// Whether an option compares the old value with its argument, as SET of Valkey 8.1 and of Redis 8.4 do; their masters pass
/// it on where it was as it had to be.
fn is_comparison(arg: &[u8]) -> bool {
    let words = ["ifeq", "ifne", "ifdeq", "ifdne"];
    words.iter().any(|word| is(arg, word))
}

/// What the options of SET, MSETEX and GETEX ask for.
#[derive(Default)]
struct Options<'a> {
    if_absent: bool,
    if_present: bool,
    get: bool,
    keep_ttl: bool,
    persist: bool,
    expire: Option<(Unit, &'a [u8])>,
}

impl<'a> Options<'a> {
    fn parse(args: &[&'a [u8]], form: Form) -> Result<Options<'a>, CmdError> {
        let mut options = Options::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let sets = form != Form::Get;
            if sets && is(arg, "nx") && !options.if_present {
                options.if_absent = true;
            } else if sets && is(arg, "xx") && !options.if_absent {
                options.if_present = true;
            } else if matches!(form, Form::Set { .. }) && is(arg, "get") {
                options.get = true;
            } else if sets && is(arg, "keepttl") && options.expire.is_none() {
                options.keep_ttl = true;
            } else if form == (Form::Set { by_master: true }) && is_comparison(arg) {
                rest.next().ok_or(CmdError::Syntax)?;
            } else if !sets && is(arg, "persist") && options.expire.is_none() {
                options.persist = true;
            } else if let Some(unit) = Unit::of_option(arg)
                && !options.keep_ttl
                && !options.persist
                && options.expire.is_none_or(|(said, _)| said == unit)
            {
                // Said again, as in Redis, it counts again.
                let time = rest.next().ok_or(CmdError::Syntax)?;
                options.expire = Some((unit, time));
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }

    /// When the key is to expire, Unix milliseconds.
    fn expire(&self, now_ms: i64, command: &'static str) -> Result<Option<i64>, CmdError> {
        self.expire
            .map(|(unit, text)| expire_time(text, unit, now_ms, command))
            .transpose()
    }
}

pub(super) fn set(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let (key, value) = (args[1], args[2]);
    if args.len() == 3 {
        cx.db.set_string(key, value, None);
        cx.dirty();
        cx.notify(events::STRING, "set", key);
        cx.out.ok();
        return Ok(());
    }
    let by_master = cx.env.origin == Origin::Master;
    let options = Options::parse(&args[3..], Form::Set { by_master })?;
    let expire = options.expire(cx.env.now_ms, "set")?;
    let start = cx.out.len();
    let old_expire = if options.get {
        let old = cx.db.entry(key);
        match old.map(Entry::value) {
            None => cx.out.null(),
            Some(ValueRef::Str(value)) => cx.out.bulk(value),
            Some(_) => return Err(CmdError::WrongType),
        }
        old.map(Entry::expire)
    } else {
        cx.db.peek(key).map(Entry::expire)
    };
    if options.if_absent && old_expire.is_some() || options.if_present && old_expire.is_none() {
        if !options.get {
            cx.out.null();
        }
        return Ok(());
    }
    let new_expire = match options.keep_ttl {
        true => old_expire.flatten(),
        false => expire,
    };
    cx.db.set_string(key, value, new_expire);
    cx.notify(events::STRING, "set", key);
    if expire.is_some() {
        cx.notify(events::GENERIC, "expire", key);
    }
    match expire {
        Some(at) => rewrite_set(cx, key, value, at),
        None if options.get => {
            let kept: Vec<&[u8]> = args.iter().copied().filter(|a| !is(a, "get")).collect();
            let same_key_or_value = is(key, "get") || is(value, "get");
            match (same_key_or_value, options.keep_ttl) {
                // NX and XX have been decided: replicas need not ask again.
                (true, false) => cx.rewrite(&[b"SET", key, value]),
                (true, true) => cx.rewrite(&[b"SET", key, value, b"KEEPTTL"]),
                (false, _) => cx.rewrite(&kept),
            }
        }
        None => cx.dirty(),
    }
    if cx.out.len() == start {
        cx.out.ok();
    }
    Ok(())
}

/// Time goes on while a command travels: replicas are told the moment, not the span.
fn rewrite_set(cx: &mut Cx<'_>, key: &[u8], value: &[u8], at: i64) {
    let mut buffer = itoa::Buffer::new();
    cx.rewrite(&[b"SET", key, value, b"PXAT", buffer.format(at).as_bytes()]);
}

pub(super) fn setnx(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let absent = !cx.db.exists(args[1]);
    if absent {
        cx.db.set_string(args[1], args[2], None);
        cx.dirty();
        cx.notify(events::STRING, "set", args[1]);
    }
    cx.out.int(i64::from(absent));
    Ok(())
}

pub(super) fn setex(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let at = expire_time(args[2], Unit::Seconds, cx.env.now_ms, "setex")?;
    set_until(cx, args, at)
}

pub(super) fn psetex(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let at = expire_time(args[2], Unit::Milliseconds, cx.env.now_ms, "psetex")?;
    set_until(cx, args, at)
}

fn set_until(cx: &mut Cx<'_>, args: &[&[u8]], at: i64) -> Result<(), CmdError> {
    cx.db.set_string(args[1], args[3], Some(at));
    rewrite_set(cx, args[1], args[3], at);
    cx.notify(events::STRING, "set", args[1]);
    cx.notify(events::GENERIC, "expire", args[1]);
    cx.out.ok();
    Ok(())
}

pub(super) fn getset(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    get(cx, args)?;
    cx.db.set_string(args[1], args[2], None);
    cx.rewrite(&[b"SET", args[1], args[2]]);
    cx.notify(events::STRING, "set", args[1]);
    Ok(())
}

pub(super) fn getdel(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    get(cx, args)?;
    if cx.db.remove(args[1]) {
        cx.rewrite(&[b"DEL", args[1]]);
        cx.notify(events::GENERIC, "del", args[1]);
    }
    Ok(())
}

pub(super) fn getex(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let key = args[1];
    let options = Options::parse(&args[2..], Form::Get)?;
    let Some(entry) = cx.db.entry(key) else {
        cx.out.null();
        return Ok(());
    };
    let ValueRef::Str(value) = entry.value() else {
        return Err(CmdError::WrongType);
    };
    let had_expire = entry.expires();
    let expire = options.expire(cx.env.now_ms, "getex")?;
    cx.out.bulk(value);
    match expire {
        Some(at) if cx.is_past(at) => {
            cx.db.remove(key);
            cx.rewrite(&[b"DEL", key]);
            cx.notify(events::GENERIC, "del", key);
        }
        Some(at) => {
            cx.db.expire_at(key, Some(at));
            cx.rewrite(&[b"PEXPIREAT", key, itoa::Buffer::new().format(at).as_bytes()]);
            cx.notify(events::GENERIC, "expire", key);
        }
        None if options.persist && had_expire => {
            cx.db.expire_at(key, None);
            cx.rewrite(&[b"PERSIST", key]);
            cx.notify(events::GENERIC, "persist", key);
        }
        None => {}
    }
    Ok(())
}

/// The arguments in pairs, or an error if one is left over.
fn pairs<'s, 'a>(
    args: &'s [&'a [u8]],
    command: &'static str,
) -> Result<impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'s, 'a>, CmdError> {
    match args.len() % 2 {
        0 => Ok(args.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
        _ => Err(CmdError::Arity(command)),
    }
}

pub(super) fn mset(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    for (key, value) in pairs(&args[1..], "mset")? {
        cx.db.set_string(key, value, None);
        cx.notify(events::STRING, "set", key);
    }
    cx.dirty();
    cx.out.ok();
    Ok(())
}

pub(super) fn msetnx(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    if pairs(&args[1..], "msetnx")?.any(|(key, _)| cx.db.exists(key)) {
        cx.out.int(0);
        return Ok(());
    }
    for (key, value) in pairs(&args[1..], "msetnx")? {
        cx.db.set_string(key, value, None);
        cx.notify(events::STRING, "set", key);
    }
    cx.dirty();
    cx.out.int(1);
    Ok(())
}

/// The keys of MSETEX: the first of each pair, of which the first argument says how many there are.
pub(super) fn msetex_keys(args: &[&[u8]]) -> Positions {
    let count = args.get(1).and_then(|count| integer(count).ok());
    let count = count.and_then(|count| usize::try_from(count).ok());
    let keys = (2..args.len()).step_by(2);
    keys.take(count.unwrap_or(0)).collect()
}

/// As of Redis 8.4. Replicas are told what servers of older versions know, too.
pub(super) fn msetex(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let count = integer(args[1]).ok().and_then(|n| i32::try_from(n).ok());
    let count = count.filter(|count| *count > 0);
    let count = count.ok_or(CmdError::text("ERR invalid numkeys value"))? as usize;
    let (pairs, rest) = args[2..]
        .split_at_checked(2 * count)
        .ok_or(CmdError::text("ERR wrong number of key-value pairs"))?;
    let options = Options::parse(rest, Form::SetMany)?;
    let expire = options.expire(cx.env.now_ms, "msetex")?;
    let (pairs, _) = pairs.as_chunks::<2>();
    if options.if_absent && pairs.iter().any(|[key, _]| cx.db.exists(key))
        || options.if_present && !pairs.iter().all(|[key, _]| cx.db.exists(key))
    {
        cx.out.int(0);
        return Ok(());
    }
    for [key, value] in pairs {
        let new = match options.keep_ttl {
            true => cx.db.peek(key).and_then(Entry::expire),
            false => expire,
        };
        cx.db.set_string(key, value, new);
        match expire {
            Some(at) => {
                rewrite_set(cx, key, value, at);
                cx.notify(events::GENERIC, "expire", key);
            }
            None if options.keep_ttl => cx.rewrite(&[b"SET", key, value, b"KEEPTTL"]),
            None => {}
        }
        cx.notify(events::STRING, "set", key);
    }
    if expire.is_none() && !options.keep_ttl {
        let words = pairs.iter().flatten().copied();
        let command: Vec<&[u8]> = std::iter::once(&b"MSET"[..]).chain(words).collect();
        cx.rewrite(&command);
    }
    cx.out.int(1);
    Ok(())
}
