//! CLIENT: about connections, this one and others.

use super::{error, help, integer, is, ok, refuse, subcommand, text, tracking, unknown_subcommand};
use crate::command::CmdError;
use crate::shell::accounts::{Account, Accounts};
use crate::shell::address::Address;
use crate::shell::call::Call;
use crate::shell::client::{Client, trait_of};
use crate::shell::execute::Flow;
use crate::shell::pause::What;
use crate::shell::session::Replies;
use crate::sys::time::Instant;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn run(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    match (subcommand(args).as_str(), &args[2..]) {
        ("id", []) => {
            call.out.int(call.client.id as i64);
            Flow::Next
        }
        ("getname", []) => {
            let name = call.client.names().name;
            call.out
                .bulk_or_null(Some(&name[..]).filter(|n| !n.is_empty()));
            Flow::Next
        }
        ("setname", [name]) => match check_name(name) {
            Err(text) => error(call, text),
            Ok(()) => {
                call.client.rename(|names| names.name = name.to_vec());
                ok(call)
            }
        },
        ("setinfo", [what, value]) => set_info(call, what, value),
        ("list", rest) => list(call, rest),
        ("info", []) => {
            note_call(call);
            let mut line = call.client.describe();
            line.push(b'\n');
            call.out.verbatim("txt", &line);
            Flow::Next
        }
        ("kill", [addr]) => kill_addr(call, addr),
        ("kill", filters @ [_, _, ..]) => kill(call, filters),
        ("pause", [millis]) => pause(call, millis, What::All),
        ("pause", [millis, what]) if is(what, "all") => pause(call, millis, What::All),
        ("pause", [millis, what]) if is(what, "write") => pause(call, millis, What::Writes),
        ("pause", [_, _]) => error(call, "ERR CLIENT PAUSE mode must be WRITE or ALL"),
        ("unpause", []) => {
            call.server.pause.end();
            ok(call)
        }
        ("reply", [mode]) => reply(call, mode),
        ("no-evict", [on]) => flag(call, trait_of::NO_EVICT, on),
        ("no-touch", [on]) => flag(call, trait_of::NO_TOUCH, on),
        ("unblock", [id]) => unblock(call, id, false),
        ("unblock", [id, how]) if is(how, "timeout") => unblock(call, id, false),
        ("unblock", [id, how]) if is(how, "error") => unblock(call, id, true),
        ("unblock", [_, _]) => error(call, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        ("getredir", []) => {
            let redirection = tracking::redirection(call);
            call.out.int(redirection);
            Flow::Next
        }
        ("trackinginfo", []) => tracking::info(call),
        ("tracking", [on, options @ ..]) => tracking::tracking(call, on, options),
        ("caching", [answer]) => tracking::caching(call, answer),
        ("help", []) => help(call, "CLIENT", text::CLIENT_HELP),
        _ => unknown_subcommand(call, args),
    }
}

/// Names are shown in lines of words.
pub(super) fn check_name(name: &[u8]) -> Result<(), &'static str> {
    match name.iter().all(u8::is_ascii_graphic) {
        true => Ok(()),
        false => Err("ERR Client names cannot contain spaces, newlines or special characters."),
    }
}

fn set_info(call: &mut Call<'_>, what: &[u8], value: &[u8]) -> Flow {
    let (library, version) = (is(what, "lib-name"), is(what, "lib-ver"));
    if !library && !version {
        let what = String::from_utf8_lossy(what).into_owned();
        return error(call, &format!("ERR Unrecognized option '{what}'"));
    }
    if check_name(value).is_err() {
        let what = String::from_utf8_lossy(what).to_lowercase();
        let text = format!("ERR {what} cannot contain spaces, newlines or special characters.");
        return error(call, &text);
    }
    call.client.rename(|names| match library {
        true => names.library = value.to_vec(),
        false => names.version = value.to_vec(),
    });
    ok(call)
}

fn flag(call: &mut Call<'_>, flag: u32, on: &[u8]) -> Flow {
    if !is(on, "on") && !is(on, "off") {
        return error(call, "ERR syntax error");
    }
    call.client.set(flag, is(on, "on"));
    ok(call)
}

fn reply(call: &mut Call<'_>, mode: &[u8]) -> Flow {
    if is(mode, "on") {
        call.session.replies = Replies::On;
        return ok(call);
    }
    if is(mode, "off") {
        call.session.replies = Replies::Off;
    } else if !is(mode, "skip") {
        return error(call, "ERR syntax error");
    } else if call.session.replies != Replies::Off {
        call.session.replies = Replies::SkipNext;
    }
    Flow::Next
}

/// The classes that CLIENT LIST and CLIENT KILL tell apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Normal,
    Master,
    Replica,
    PubSub,
}

impl Class {
    fn parse(word: &[u8]) -> Result<Class, CmdError> {
        Ok(match word.to_ascii_lowercase().as_slice() {
            b"normal" => Class::Normal,
            b"master" => Class::Master,
            b"replica" | b"slave" => Class::Replica,
            b"pubsub" => Class::PubSub,
            _ => {
                let text = "ERR Unknown client type '{}'";
                return Err(CmdError::repeating(text, &[word]));
            }
        })
    }

    fn has(self, client: &Client) -> bool {
        let class = match () {
            () if client.is(trait_of::MASTER) => Class::Master,
            () if client.is(trait_of::REPLICA) => Class::Replica,
            () if client.is(trait_of::PUBSUB) => Class::PubSub,
            () => Class::Normal,
        };
        self == class
    }
}

/// Who lists clients is one of them, and this very command its last.
fn note_call(call: &Call<'_>) {
    call.client.active(Instant::now(), *call.last);
}

fn list(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    note_call(call);
    let clients = match args {
        [] => call.server.clients.all(),
        [what, class] if is(what, "type") => match Class::parse(class) {
            Ok(class) => {
                let all = call.server.clients.all();
                all.into_iter().filter(|c| class.has(c)).collect()
            }
            Err(error) => return refuse(call, &error),
        },
        [what, ids @ ..] if is(what, "id") && !ids.is_empty() => {
            let mut found = Vec::new();
            for id in ids {
                match integer(id) {
                    Ok(id) => {
                        let client = call.server.clients.get(id as u64);
                        found.extend(client.filter(|c| !c.is_killed()));
                    }
                    Err(_) => return error(call, "ERR Invalid client ID"),
                }
            }
            found
        }
        _ => return error(call, "ERR syntax error"),
    };
    let mut lines = Vec::new();
    for client in clients.iter().filter(|c| !c.is(trait_of::KILLED)) {
        lines.extend(client.describe());
        lines.push(b'\n');
    }
    call.out.verbatim("txt", &lines);
    Flow::Next
}

fn kill_addr(call: &mut Call<'_>, addr: &[u8]) -> Flow {
    let all = call.server.clients.all();
    match all.iter().find(|c| c.addr.to_string().as_bytes() == addr) {
        None => error(call, "ERR No such client"),
        Some(client) if client.id == call.client.id => {
            call.out.ok();
            Flow::Close
        }
        Some(client) => {
            client.kill();
            ok(call)
        }
    }
}

#[derive(Default)]
struct Filter {
    id: Option<u64>,
    class: Option<Class>,
    addr: Option<String>,
    laddr: Option<String>,
    user: Option<Arc<Account>>,
    /// It has been connected for so long (7.4).
    max_age: Option<Duration>,
    skip_me: bool,
}

impl Filter {
    fn parse(args: &[&[u8]], accounts: &Accounts) -> Result<Filter, CmdError> {
        let mut filter = Filter {
            skip_me: true,
            ..Filter::default()
        };
        for pair in args.chunks(2) {
            let [what, value] = pair else {
                return Err(CmdError::text("ERR syntax error"));
            };
            let text = || Some(String::from_utf8_lossy(value).into_owned());
            match what.to_ascii_lowercase().as_slice() {
                b"id" => match integer(value) {
                    Ok(id) if id > 0 => filter.id = Some(id as u64),
                    _ => return Err(CmdError::text("ERR client-id should be greater than 0")),
                },
                b"type" => filter.class = Some(Class::parse(value)?),
                b"addr" => filter.addr = text(),
                b"laddr" => filter.laddr = text(),
                b"user" => match accounts.get(value) {
                    Some(account) => filter.user = Some(account),
                    None => {
                        return Err(CmdError::repeating("ERR No such user '{}'", &[value]));
                    }
                },
                b"maxage" => match integer(value) {
                    Ok(age) if age > 0 => filter.max_age = Some(Duration::from_secs(age as u64)),
                    Ok(_) => return Err(CmdError::text("ERR maxage should be greater than 0")),
                    Err(_) => {
                        return Err(CmdError::text(
                            "ERR maxage is not an integer or out of range",
                        ));
                    }
                },
                b"skipme" if is(value, "yes") => filter.skip_me = true,
                b"skipme" if is(value, "no") => filter.skip_me = false,
                _ => return Err(CmdError::text("ERR syntax error")),
            }
        }
        Ok(filter)
    }

    fn has(&self, client: &Client) -> bool {
        let named = |addr: &Option<String>, own: &Address| {
            addr.as_ref().is_none_or(|a| *a == own.to_string())
        };
        self.id.is_none_or(|id| id == client.id)
            && self.class.is_none_or(|class| class.has(client))
            && self.max_age.is_none_or(|age| client.since.elapsed() >= age)
            && self.user.as_ref().is_none_or(|user| client.is_user(user))
            && named(&self.addr, &client.addr)
            && named(&self.laddr, &client.laddr)
    }
}

fn kill(call: &mut Call<'_>, filters: &[&[u8]]) -> Flow {
    let filter = match Filter::parse(filters, &call.server.accounts) {
        Ok(filter) => filter,
        Err(error) => return refuse(call, &error),
    };
    let all = call.server.clients.all();
    let (mut killed, mut me) = (0, false);
    for client in all.iter().filter(|c| filter.has(c)) {
        if client.id != call.client.id {
            client.kill();
            killed += 1;
        } else if !filter.skip_me {
            me = true;
            killed += 1;
        }
    }
    call.out.int(killed);
    if me { Flow::Close } else { Flow::Next }
}

fn pause(call: &mut Call<'_>, millis: &[u8], what: What) -> Flow {
    let millis = match integer(millis) {
        Ok(millis) => millis,
        Err(_) => return error(call, "ERR timeout is not an integer or out of range"),
    };
    let Ok(millis) = u64::try_from(millis) else {
        return error(call, "ERR timeout is negative");
    };
    match Instant::now().checked_add(Duration::from_millis(millis)) {
        Some(until) => {
            call.server.pause.begin(what, until);
            ok(call)
        }
        None => error(call, "ERR timeout is out of range"),
    }
}

fn unblock(call: &mut Call<'_>, id: &[u8], with_error: bool) -> Flow {
    let id = match integer(id) {
        Ok(id) => id,
        Err(text) => return error(call, text),
    };
    let server = Arc::clone(call.server);
    let view = call.world.view();
    let found = server
        .blocking
        .unblock(&server, view, id as u64, with_error);
    call.out.int(i64::from(found));
    Flow::Next
}
