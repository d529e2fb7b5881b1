//! Commands about the connection they come on.

use super::{error, integer, is, ok, refuse};
use crate::acl::{DEFAULT, Entry, Place};
use crate::command::CmdError;
use crate::command::args::db_number;
use crate::resp::reply::Proto;
use crate::shell::accounts::Account;
use crate::shell::call::Call;
use crate::shell::client::trait_of;
use crate::shell::execute::Flow;
use crate::shell::multi;
use crate::shell::session::Replies;
use crate::sys::time::Instant;
use std::sync::Arc;

pub(super) fn ping(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    if args.len() > 2 {
        return error(call, "ERR wrong number of arguments for 'ping' command");
    }
    let message = args.get(1).copied();
    if call.session.is_subscribed() && !call.out.is_resp3() {
        call.out.array(2);
        call.out.bulk(b"pong");
        call.out.bulk(message.unwrap_or_default());
    } else {
        match message {
            None => call.out.simple("PONG"),
            Some(message) => call.out.bulk(message),
        }
    }
    Flow::Next
}

pub(super) fn echo(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    call.out.bulk(args[1]);
    Flow::Next
}

pub(super) fn quit(call: &mut Call<'_>) -> Flow {
    call.out.ok();
    Flow::Close
}

pub(super) fn select(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    match db_number(args[1], call.world.view().dataset.dbs().len()) {
        Ok(number) => {
            call.session.db = number as u32;
            call.client.set_db(number);
            ok(call)
        }
        Err(error) => refuse(call, &error),
    }
}

const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// Makes the connection `user`'s; the error reply if the password is wrong. `asked` is the command's name as it was sent.
fn authenticate(
    call: &mut Call<'_>,
    asked: &[u8],
    user: &[u8],
    password: &[u8],
) -> Result<(), &'static str> {
    let account = call.server.accounts.get(user);
    if let Some(account) = account.filter(|account| account.rules().lets_in(password)) {
        become_user(call, &account, true);
        return Ok(());
    }
    let place = match (call.session.queue.is_some(), &call.transaction) {
        (false, None) => Place::Toplevel,
        _ => Place::Multi,
    };
    let entry = Entry::not_let_in(place, asked, user);
    call.client.active(Instant::now(), *call.last);
    call.server.log_refusal(call.client, entry, call.settings);
    Err(WRONGPASS)
}

/// Makes the connection the one of `account`.
pub(super) fn become_user(call: &mut Call<'_>, account: &Arc<Account>, authenticated: bool) {
    call.session.access = call.server.accounts.access(account);
    call.session.authenticated = authenticated;
    call.client.set_user(account);
}

pub(super) fn auth(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let result = match *args {
        [_, _] if !call.server.accounts.has_password() => Err(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        ),
        [name, password] => authenticate(call, name, DEFAULT, password),
        [name, user, password] => authenticate(call, name, user, password),
        _ => Err("ERR syntax error"),
    };
    match result {
        Ok(()) => ok(call),
        Err(text) => error(call, text),
    }
}

pub(super) fn hello(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let proto = match args.get(1).map(|v| integer(v)) {
        None => None,
        Some(Err(_)) => {
            return error(
                call,
                "ERR Protocol version is not an integer or out of range",
            );
        }
        Some(Ok(2)) => Some(Proto::Resp2),
        Some(Ok(3)) => Some(Proto::Resp3),
        Some(Ok(_)) => return error(call, "NOPROTO unsupported protocol version"),
    };
    let (mut rest, mut name) = (args.get(2..).unwrap_or_default(), None);
    while let Some((option, values)) = rest.split_first() {
        match values {
            [user, password, more @ ..] if is(option, "auth") => {
                if let Err(text) = authenticate(call, args[0], user, password) {
                    return error(call, text);
                }
                rest = more;
            }
            [value, more @ ..] if is(option, "setname") => {
                if let Err(text) = super::client::check_name(value) {
                    return error(call, text);
                }
                name = Some(value.to_vec());
                rest = more;
            }
            _ => {
                let text = "ERR Syntax error in HELLO option '{}'";
                return refuse(call, &CmdError::repeating(text, &[option]));
            }
        }
    }
    if !call.session.authenticated {
        return error(
            call,
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
             same time",
        );
    }
    if let Some(name) = name {
        call.client.rename(|names| names.name = name);
    }
    if let Some(proto) = proto {
        speak(call, proto);
    }
    let role = if call.world.view().fence.replica {
        "replica"
    } else {
        "master"
    };
    let proto = if call.out.is_resp3() { 3 } else { 2 };
    call.out.map(7);
    for (field, value) in [("server", "redis"), ("version", crate::REDIS_VERSION)] {
        call.out.bulk(field.as_bytes());
        call.out.bulk(value.as_bytes());
    }
    for (field, value) in [("proto", proto), ("id", call.client.id as i64)] {
        call.out.bulk(field.as_bytes());
        call.out.int(value);
    }
    for (field, value) in [("mode", "standalone"), ("role", role)] {
        call.out.bulk(field.as_bytes());
        call.out.bulk(value.as_bytes());
    }
    call.out.bulk(b"modules");
    call.out.array(0);
    Flow::Next
}

fn speak(call: &mut Call<'_>, proto: Proto) {
    call.session.proto = proto;
    call.out.set_proto(proto);
    call.client.set(trait_of::RESP3, proto == Proto::Resp3);
}

pub(super) fn reset(call: &mut Call<'_>) -> Flow {
    multi::discard(call);
    call.server
        .pubsub
        .leave(call.client, &mut call.session.subscriptions);
    call.server.monitors.remove(call.server, call.client);
    let cached = &mut call.session.cached;
    call.server
        .tracking
        .disable(call.server, call.client, cached);
    // As in Redis, a RESET is a new beginning for everything but the connection itself.
    call.session.db = 0;
    call.client.set_db(0);
    let accounts = &call.server.accounts;
    let (default, open) = (Arc::clone(accounts.default_account()), accounts.is_open());
    become_user(call, &default, open);
    call.session.replies = Replies::On;
    call.session.hello = None;
    call.client.rename(|names| names.name.clear());
    call.client
        .set(trait_of::NO_EVICT | trait_of::NO_TOUCH, false);
    speak(call, Proto::Resp2);
    call.out.simple("RESET");
    Flow::Next
}
