//! CLIENT TRACKING and its kin: what a client caches.

use super::{error, integer, is, ok, refuse};
use crate::command::CmdError;
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::shell::tracking::Wish;

/// What CLIENT TRACKING asks for beside on or off.
fn parse<'a>(call: &Call<'_>, options: &[&'a [u8]]) -> Result<(Wish, Vec<&'a [u8]>), String> {
    let (mut wish, mut prefixes) = (Wish::default(), Vec::new());
    let mut rest = options;
    while let [word, more @ ..] = rest {
        rest = more;
        match more {
            [id, more @ ..] if is(word, "redirect") => {
                if wish.redirect != 0 {
                    let text = "ERR A client can only redirect to a single other client";
                    return Err(text.to_owned());
                }
                let id = integer(id).map_err(str::to_owned)?;
                let known = u64::try_from(id).ok();
                let known = known.filter(|id| call.server.clients.get(*id).is_some());
                wish.redirect =
                    known.ok_or("ERR The client ID you want redirect to does not exist")?;
                rest = more;
            }
            [prefix, more @ ..] if is(word, "prefix") => {
                prefixes.push(*prefix);
                rest = more;
            }
            _ if is(word, "bcast") => wish.broadcast = true,
            _ if is(word, "optin") => wish.opt_in = true,
            _ if is(word, "optout") => wish.opt_out = true,
            _ if is(word, "noloop") => wish.no_loop = true,
            _ => return Err("ERR syntax error".to_owned()),
        }
    }
    Ok((wish, prefixes))
}

/// What is wrong with `wish` by itself, or beside what the client has now.
fn check(call: &Call<'_>, wish: Wish, prefixes: &[&[u8]]) -> Result<(), CmdError> {
    let refuse = |text| Err(CmdError::text(text));
    if !wish.broadcast && !prefixes.is_empty() {
        return refuse("ERR PREFIX option requires BCAST mode to be enabled");
    }
    let old = call.session.cached.as_ref().map(|cached| cached.wish());
    if old.is_some_and(|old| old.broadcast != wish.broadcast) {
        return refuse(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        );
    }
    if wish.broadcast && (wish.opt_in || wish.opt_out) {
        return refuse("ERR OPTIN and OPTOUT are not compatible with BCAST");
    }
    if wish.opt_in && wish.opt_out {
        return refuse("ERR You can't specify both OPTIN mode and OPTOUT mode");
    }
    if old.is_some_and(|old| wish.opt_in && old.opt_out || wish.opt_out && old.opt_in) {
        return refuse(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        );
    }
    overlap(prefixes, &call.server.tracking.prefixes_of(call.client.id))
}

/// Prefixes of one client must not overlap: it would hear twice of one change.
fn overlap(new: &[&[u8]], old: &[Box<[u8]>]) -> Result<(), CmdError> {
    let overlaps = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let refuse = |a: &[u8], kind: &str, b: &[u8]| {
        let text = "ERR Prefix '{}' overlaps with {} prefix '{}'. Prefixes for a single client must not overlap.";
        Err(CmdError::repeating(text, &[a, kind.as_bytes(), b]))
    };
    for (i, prefix) in new.iter().enumerate() {
        if let Some(known) = old.iter().find(|known| overlaps(prefix, known)) {
            return refuse(prefix, "an existing", known);
        }
        if let Some(other) = new[i + 1..].iter().find(|other| overlaps(prefix, other)) {
            return refuse(prefix, "another provided", other);
        }
    }
    Ok(())
}

/// CLIENT TRACKING.
pub(super) fn tracking(call: &mut Call<'_>, on: &[u8], options: &[&[u8]]) -> Flow {
    let (wish, prefixes) = match parse(call, options) {
        Ok(parsed) => parsed,
        Err(text) => return error(call, &text),
    };
    let tracking = &call.server.tracking;
    if is(on, "on") {
        if let Err(error) = check(call, wish, &prefixes) {
            return refuse(call, &error);
        }
        let caching = call.session.cached.as_ref().is_some_and(|c| c.caching);
        let mut cached = tracking.enable(call.server, call.client, wish, &prefixes);
        cached.caching = caching;
        call.session.cached = Some(cached);
    } else if is(on, "off") {
        tracking.disable(call.server, call.client, &mut call.session.cached);
    } else {
        return error(call, "ERR syntax error");
    }
    ok(call)
}

/// CLIENT CACHING.
pub(super) fn caching(call: &mut Call<'_>, answer: &[u8]) -> Flow {
    let Some(cached) = &mut call.session.cached else {
        return error(
            call,
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        );
    };
    let wish = cached.wish();
    let (yes, no) = (is(answer, "yes"), is(answer, "no"));
    if yes && !wish.opt_in {
        return error(
            call,
            "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
        );
    }
    if no && !wish.opt_out {
        return error(
            call,
            "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
        );
    }
    if !yes && !no {
        return error(call, "ERR syntax error");
    }
    cached.caching = true;
    ok(call)
}

/// CLIENT GETREDIR: the client that is told instead; 0: none, -1: this one does not cache.
pub(super) fn redirection(call: &mut Call<'_>) -> i64 {
    let cached = call.session.cached.as_ref();
    cached.map_or(-1, |cached| cached.wish().redirect as i64)
}

/// CLIENT TRACKINGINFO.
pub(super) fn info(call: &mut Call<'_>) -> Flow {
    let mut flags = Vec::new();
    match &call.session.cached {
        None => flags.push("off"),
        Some(cached) => {
            let wish = cached.wish();
            flags.push("on");
            for (holds, flag) in [
                (wish.broadcast, "bcast"),
                (wish.opt_in, "optin"),
                (wish.opt_in && cached.caching, "caching-yes"),
                (wish.opt_out, "optout"),
                (wish.opt_out && cached.caching, "caching-no"),
                (wish.no_loop, "noloop"),
                (cached.is_broken(), "broken_redirect"),
            ] {
                if holds {
                    flags.push(flag);
                }
            }
        }
    }
    let redirection = redirection(call);
    let prefixes = match call.session.cached {
        Some(_) => call.server.tracking.prefixes_of(call.client.id),
        None => Vec::new(),
    };
    let out = &mut *call.out;
    out.map(3);
    out.bulk(b"flags");
    out.set(flags.len());
    flags.iter().for_each(|flag| out.bulk(flag.as_bytes()));
    out.bulk(b"redirect");
    out.int(redirection);
    out.bulk(b"prefixes");
    out.array(prefixes.len());
    prefixes.iter().for_each(|prefix| out.bulk(prefix));
    Flow::Next
}
