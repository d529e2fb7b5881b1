//! XADD, XDEL, XTRIM, XSETID: what entries there are.

use super::{strict_id, strict_ids};
use crate::command::args::{integer, is};
use crate::command::{CmdError, Cx, Origin, events};
use crate::store::stream::{Id, NewId, Refs, Stream, Trim, TrimTo, is_too_large};
use smallvec::SmallVec;

type Done = Result<(), CmdError>;

/// What XADD and XTRIM say before the fields.
struct Options {
    no_mkstream: bool,
    id: Option<NewId>,
    trim: Option<Trim>,
    /// Where the threshold stands that the stream is trimmed to.
    trim_at: usize,
    /// Where the ID stands.
    id_at: usize,
}

impl Options {
    fn parse(cx: &Cx<'_>, args: &[&[u8]], adds: bool) -> Result<Options, CmdError> {
        let mut options = Options {
            no_mkstream: false,
            id: None,
            trim: None,
            trim_at: 0,
            id_at: 0,
        };
        let (mut at, mut limit, mut refs) = (2, None, None);
        while let Some(&arg) = args.get(at) {
            let more = args.len() - 1 - at;
            if adds && arg == b"*" {
                options.id = Some(NewId::Now(u64::try_from(cx.env.now_ms).unwrap_or(0)));
                break;
            } else if (is(arg, "maxlen") || is(arg, "minid")) && more > 0 {
                at = options.threshold(args, at)?;
            } else if is(arg, "limit") && more > 0 {
                at += 1;
                let value = integer(args[at])?;
                if value < 0 {
                    return Err(CmdError::text("ERR The LIMIT argument must be >= 0."));
                }
                limit = Some(value);
            } else if adds && is(arg, "nomkstream") {
                options.no_mkstream = true;
            } else if cx.env.origin == Origin::Master
                && refs.is_none()
                && let Some(said) = super::refs::said(arg)
            {
                refs = Some(said);
            } else if adds {
                options.id = Some(match Id::parse_open(arg) {
                    Some(ms) => NewId::Of(ms),
                    None => NewId::Exactly(strict_id(arg)?),
                });
                break;
            } else {
                return Err(CmdError::Syntax);
            }
            at += 1;
        }
        options.id_at = at;
        if let Some(trim) = &mut options.trim {
            trim.refs = refs.unwrap_or_default();
        }
        options.limit(cx, limit, adds)?;
        Ok(options)
    }

    /// How to trim, if only whole nodes go.
    fn rough(&self) -> Option<&Trim> {
        self.trim.as_ref().filter(|trim| trim.roughly)
    }

    /// Reads `MAXLEN|MINID [=|~] threshold` at `at`; where the threshold is.
    fn threshold(&mut self, args: &[&[u8]], mut at: usize) -> Result<usize, CmdError> {
        if self.trim.is_some() {
            return Err(CmdError::text(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let by_len = is(args[at], "maxlen");
        let more = args.len() - 1 - at;
        at += 1;
        let mark = args[at];
        if more >= 2 && (mark == b"~" || mark == b"=") {
            at += 1;
        }
        let to = match by_len {
            true => TrimTo::Len(
                u64::try_from(integer(args[at])?)
                    .map_err(|_| CmdError::text("ERR The MAXLEN argument must be >= 0."))?,
            ),
            false => TrimTo::From(strict_id(args[at])?),
        };
        self.trim = Some(Trim {
            to,
            roughly: more >= 2 && mark == b"~",
            limit: 0,
            refs: Refs::Keep,
        });
        self.trim_at = at;
        Ok(at)
    }

    fn limit(&mut self, cx: &Cx<'_>, limit: Option<i64>, adds: bool) -> Done {
        if self.trim.is_none() {
            if limit.is_some_and(|limit| limit > 0) {
                return Err(CmdError::text(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                ));
            }
            if !adds {
                return Err(CmdError::text(
                    "ERR syntax error, XTRIM must be called with a trimming strategy",
                ));
            }
        }
        // What a master says is exact, whatever was said to the master.
        if cx.env.origin == Origin::Master {
            return Ok(());
        }
        let roughly = self.trim.is_some_and(|trim| trim.roughly);
        if limit.is_some() && !roughly {
            return Err(CmdError::text(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        let Some(trim) = self.trim.as_mut().filter(|_| roughly) else {
            return Ok(());
        };
        // Without a limit of its own: so many nodes, so that nobody waits long.
        let usual = match cx.env.limits.stream_node_max_entries.saturating_mul(100) {
            ..=0 => 10_000,
            entries => entries.min(1_000_000),
        };
        trim.limit = limit.unwrap_or(usual);
        Ok(())
    }
}

const TOO_LARGE: CmdError = CmdError::text("ERR Elements are too large to be stored");

pub(super) fn xadd(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let options = Options::parse(cx, args, true)?;
    let key = args[1];
    let parts = args.get(options.id_at + 1..).unwrap_or_default();
    let (pairs, rest) = parts.as_chunks::<2>();
    let (false, true, Some(new)) = (pairs.is_empty(), rest.is_empty(), options.id) else {
        return Err(CmdError::Arity("xadd"));
    };
    if new == NewId::Exactly(Id::MIN) {
        return Err(CmdError::text(
            "ERR The ID specified in XADD must be greater than 0-0",
        ));
    }
    let known = cx.db.stream(key)?;
    let last = known.map_or(Id::MIN, |stream| stream.marks().last);
    let id = match known {
        None if options.no_mkstream => {
            cx.out.null();
            return Ok(());
        }
        None => Stream::new().new_id(new),
        Some(_) if last == Id::MAX => {
            return Err(CmdError::text(
                "ERR The stream has exhausted the last possible ID, unable to add more items",
            ));
        }
        Some(stream) => stream.new_id(new),
    };
    let id = id.ok_or(match new {
        // Redis's own answer when a millisecond is used up.
        NewId::Of(ms) if last == (Id { ms, seq: u64::MAX }) => TOO_LARGE,
        _ => CmdError::text(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ),
    })?;
    if is_too_large(pairs) {
        return Err(TOO_LARGE);
    }
    let stream = cx.db.stream_or_new(key)?;
    stream.add(id, pairs, cx.env.limits);
    let trimmed = options.trim.as_ref().map_or(0, |trim| stream.trim(trim));
    let threshold = options.rough().map(|trim| exact(stream, trim));
    cx.notify(events::STREAM, "xadd", key);
    if trimmed > 0 {
        cx.notify(events::STREAM, "xtrim", key);
    }
    let id = id.text();
    cx.out.bulk(&id);
    if matches!(new, NewId::Exactly(_)) && threshold.is_none() {
        cx.dirty();
        return Ok(());
    }
    let mut told: SmallVec<[&[u8]; 16]> = SmallVec::from_slice(args);
    told[options.id_at] = &id;
    tell(cx, told, &options, threshold.as_deref());
    Ok(())
}

/// What replicas are told to trim to, so that they do exactly the same.
fn exact(stream: &Stream, trim: &Trim) -> String {
    match trim.to {
        TrimTo::Len(_) => stream.len().to_string(),
        TrimTo::From(_) => stream.first_even_deleted().to_string(),
    }
}

/// Tells replicas `args`, with what the stream was trimmed to in place of what was asked for.
fn tell<'a>(
    cx: &mut Cx<'_>,
    mut args: SmallVec<[&'a [u8]; 16]>,
    options: &Options,
    threshold: Option<&'a str>,
) {
    if let Some(threshold) = threshold {
        args[options.trim_at - 1] = b"=";
        args[options.trim_at] = threshold.as_bytes();
    }
    cx.rewrite(&args);
}

pub(super) fn xtrim(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let options = Options::parse(cx, args, false)?;
    let (key, Some(trim)) = (args[1], options.trim) else {
        return Err(CmdError::Syntax);
    };
    let mut gone = 0;
    if cx.db.stream(key)?.is_some()
        && let Some(stream) = cx.db.stream_mut(key)?
    {
        gone = stream.trim(&trim);
        if gone > 0 {
            let threshold = options.rough().map(|trim| exact(stream, trim));
            let args = SmallVec::from_slice(args);
            tell(cx, args, &options, threshold.as_deref());
            cx.notify(events::STREAM, "xtrim", key);
        }
    }
    cx.out.int(gone as i64);
    Ok(())
}

pub(super) fn xdel(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let Some(stream) = cx.db.stream(args[1])? else {
        cx.out.int(0);
        return Ok(());
    };
    let ids = strict_ids(&args[2..])?;
    let mut gone = 0;
    if ids.iter().any(|id| stream.get(*id).is_some())
        && let Some(stream) = cx.db.stream_mut(args[1])?
    {
        gone = ids.iter().filter(|id| stream.delete(**id)).count();
        cx.dirty();
        cx.notify(events::STREAM, "xdel", args[1]);
    }
    cx.out.int(gone as i64);
    Ok(())
}

pub(super) fn xsetid(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    let id = strict_id(args[2])?;
    let (mut added, mut max_deleted) = (None, Id::MIN);
    let mut rest = &args[3..];
    while let [word, more @ ..] = rest {
        match more {
            [value, more @ ..] if is(word, "entriesadded") => {
                added = Some(
                    u64::try_from(integer(value)?)
                        .map_err(|_| CmdError::text("ERR entries_added must be positive"))?,
                );
                rest = more;
            }
            [value, more @ ..] if is(word, "maxdeletedid") => {
                max_deleted = strict_id(value)?;
                if id < max_deleted {
                    return Err(CmdError::text(
                        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                    ));
                }
                rest = more;
            }
            _ => return Err(CmdError::Syntax),
        }
    }
    let stream = cx.db.stream(args[1])?.ok_or(CmdError::NoSuchKey)?;
    if let Some(top) = stream.last_entry() {
        if id < top {
            return Err(CmdError::text(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if added.is_some_and(|added| stream.len() > added) {
            return Err(CmdError::text(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
    }
    if let Some(stream) = cx.db.stream_mut(args[1])? {
        stream.set_marks(id, added, (!max_deleted.is_zero()).then_some(max_deleted));
    }
    cx.dirty();
    cx.db.hush();
    cx.notify(events::STREAM, "xsetid", args[1]);
    cx.out.ok();
    Ok(())
}
