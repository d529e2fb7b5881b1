//! MIGRATE: keys go to another server.

use super::{error, integer, is};
use crate::shell::call::Call;
use crate::shell::conn::Parked;
use crate::shell::execute::Flow;
use crate::shell::migrations::{Moving, Order};
use crate::sys::task;
use std::sync::Arc;
use std::time::Duration;

const SYNTAX: &str = "ERR syntax error";
/// Milliseconds, where none or less is asked for.
const TIMEOUT: i64 = 1000;

pub(super) fn run(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let (order, keys) = match parse(call, args) {
        Ok(parsed) => parsed,
        Err(text) => return error(call, text),
    };
    if call.transaction.is_some() {
        return error(call, "ERR Command not allowed inside a transaction");
    }
    let dataset = &call.world.view().dataset;
    let moving = |key: &&[u8]| Moving::of(dataset, order.from, key, order.dialect, call.now_ms);
    let order = Order {
        keys: keys.iter().filter_map(moving).collect(),
        ..order
    };
    if order.keys.is_empty() {
        call.out.simple("NOKEY");
        return Flow::Next;
    }
    let server = Arc::clone(call.server);
    // It goes on if the client leaves.
    let work = task::spawn(async move { order.carry_out(&server).await });
    Flow::Park(Parked::Later(Box::pin(async move {
        work.await.unwrap_or_default()
    })))
}

/// What is asked for, without its keys, and these.
fn parse<'a>(call: &Call<'_>, args: &[&'a [u8]]) -> Result<(Order, Vec<&'a [u8]>), &'static str> {
    let (mut copy, mut replace, mut auth, mut keys) = (false, false, None, vec![args[3]]);
    let mut rest = args[6..].iter();
    while let Some(option) = rest.next() {
        let mut value = || rest.next().map(|value| value.to_vec()).ok_or(SYNTAX);
        if is(option, "copy") {
            copy = true;
        } else if is(option, "replace") {
            replace = true;
        } else if is(option, "auth") {
            auth = Some((None, value()?));
        } else if is(option, "auth2") {
            auth = Some((Some(value()?), value()?));
        } else if is(option, "keys") {
            if !args[3].is_empty() {
                return Err(
                    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                );
            }
            keys = rest.as_slice().to_vec();
            break;
        } else {
            return Err(SYNTAX);
        }
    }
    let timeout = match integer(args[5])? {
        millis if millis <= 0 => TIMEOUT,
        millis => millis,
    };
    let host = String::from_utf8_lossy(args[1]).into_owned();
    // No such port is a target that cannot be reached.
    let port = std::str::from_utf8(args[2])
        .ok()
        .and_then(|p| p.parse().ok());
    let order = Order {
        target: (host, port.unwrap_or(0)),
        db: integer(args[4])?,
        timeout: Duration::from_millis(timeout.unsigned_abs()),
        copy,
        replace,
        auth,
        dialect: call.server.config.settings().rdb_field_times,
        from: call.session.db,
        keys: Vec::new(),
    };
    Ok((order, keys))
}
