//! ACL: users and what they may do.

use super::connection::become_user;
use super::{error, help, integer, is, ok, refuse, subcommand, text, unknown_subcommand};
use crate::acl::{self, DEFAULT, Entry, Selector, User, commands};
use crate::command::error::shown;
use crate::command::table::{self, acl as category};
use crate::resp::Reply;
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::shell::replication::Answer;
use crate::shell::server::{Server, now_ms};
use crate::shell::start::in_dir;
use crate::sys::random;
use std::sync::Arc;

pub(super) fn run(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    match (subcommand(args).as_str(), &args[2..]) {
        ("whoami", []) => {
            let account = Arc::clone(&call.session.access.account);
            call.out.bulk(&account.name);
            Flow::Next
        }
        ("users", []) => {
            let all = call.server.accounts.all();
            call.out.array(all.len());
            all.iter().for_each(|account| call.out.bulk(&account.name));
            Flow::Next
        }
        ("list", []) => {
            let lines = call.server.accounts.lines();
            call.out.array(lines.len());
            lines.iter().for_each(|line| call.out.bulk(line));
            Flow::Next
        }
        ("getuser", [name]) => {
            match call.server.accounts.get(name) {
                Some(account) => getuser(&account.rules(), call.out),
                None => call.out.null(),
            }
            Flow::Next
        }
        ("setuser", [name, rules @ ..]) => setuser(call, name, rules),
        ("deluser", names @ [_, ..]) => deluser(call, names),
        ("cat", []) => {
            call.out.array(category::NAMES.len());
            let names = category::NAMES.iter();
            names.for_each(|name| call.out.bulk(name.as_bytes()));
            Flow::Next
        }
        ("cat", [name]) => cat(call, name),
        ("genpass", []) => genpass(call, b"256"),
        ("genpass", [bits]) => genpass(call, bits),
        ("dryrun", [user, command @ ..]) => dryrun(call, user, command),
        ("log", []) => log(call, b"10"),
        ("log", [word]) if is(word, "reset") => {
            call.server.accounts.log().clear();
            ok(call)
        }
        ("log", [count]) => log(call, count),
        ("load" | "save", []) if !call.server.has_user_file() => error(call, NO_FILE),
        ("load", []) => {
            let client = Arc::clone(call.client);
            Flow::Outside(Box::new(move |server| {
                let mut reply = Reply::default();
                match server.read_users() {
                    Ok(users) => {
                        let _all = server.gates.all();
                        server.replace_users(users, Some(&client));
                        reply.ok();
                    }
                    Err(why) => reply.error_bytes(&[b"ERR ", &why[..]].concat()),
                }
                Answer::Now(reply.take())
            }))
        }
        ("save", []) => Flow::Outside(Box::new(|server| Answer::Now(save(server)))),
        ("help", []) => help(call, "ACL", text::ACL_HELP),
        _ => unknown_subcommand(call, args),
    }
}

const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users \
    via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
    order to store users in the Redis configuration.";

fn getuser(user: &User, out: &mut Reply) {
    out.map(6);
    out.bulk(b"flags");
    let flags = user.flags();
    out.set(flags.len());
    flags.iter().for_each(|flag| out.bulk(flag.as_bytes()));
    out.bulk(b"passwords");
    let hashes = user.hashes();
    out.array(hashes.len());
    hashes.for_each(|hash| out.bulk(hash.as_bytes()));
    permissions(user.root(), out);
    out.bulk(b"selectors");
    out.array(user.others().len());
    for selector in user.others() {
        out.map(3);
        permissions(selector, out);
    }
}

fn permissions(selector: &Selector, out: &mut Reply) {
    for (field, rules) in [
        ("commands", selector.command_rules()),
        ("keys", selector.key_rules()),
        ("channels", selector.channel_rules()),
    ] {
        out.bulk(field.as_bytes());
        out.bulk(&rules);
    }
}

fn setuser(call: &mut Call<'_>, name: &[u8], rules: &[&[u8]]) -> Flow {
    if acl::has_spaces(name) {
        return error(
            call,
            "ERR Usernames can't contain spaces or null characters",
        );
    }
    if !call.world.is_still() {
        return Flow::NeedAll;
    }
    match call.server.set_user(name, rules) {
        Ok(()) => call.out.ok(),
        Err(why) => {
            let text = [b"ERR ", &why.of_setuser()[..]].concat();
            call.out.error_bytes(&text);
        }
    }
    Flow::Next
}

fn deluser(call: &mut Call<'_>, names: &[&[u8]]) -> Flow {
    if names.contains(&DEFAULT) {
        return error(call, "ERR The 'default' user cannot be removed");
    }
    if !call.world.is_still() {
        return Flow::NeedAll;
    }
    let delete = |name: &&&[u8]| call.server.delete_user(name, call.client);
    let deleted = names.iter().filter(delete).count();
    call.out.int(deleted as i64);
    if !call.session.access.account.is_gone() {
        return Flow::Next;
    }
    let default = Arc::clone(call.server.accounts.default_account());
    become_user(call, &default, false);
    Flow::Close
}

fn cat(call: &mut Call<'_>, name: &[u8]) -> Flow {
    let Some(mask) = commands::category(name) else {
        let name = String::from_utf8_lossy(name);
        return error(call, &format!("ERR Unknown category '{name}'"));
    };
    let names: Vec<_> = commands::names_in(mask).collect();
    call.out.array(names.len());
    names.iter().for_each(|name| call.out.bulk(name.as_bytes()));
    Flow::Next
}

/// Most bits of a made-up password.
const BITS_MAX: i64 = 4096;

fn genpass(call: &mut Call<'_>, bits: &[u8]) -> Flow {
    let bits = match integer(bits) {
        Ok(bits @ 1..=BITS_MAX) => bits as usize,
        Ok(_) => {
            let what = "ACL GENPASS argument must be the number of bits for the output password";
            let text = format!("ERR {what}, a positive number up to {BITS_MAX}");
            return error(call, &text);
        }
        Err(text) => return error(call, text),
    };
    let digits = bits.div_ceil(4);
    let mut noise = vec![0; digits.div_ceil(2)];
    if random::fill(&mut noise).is_err() {
        return error(call, "ERR the system has no randomness to give");
    }
    let mut hex: String = noise.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(digits);
    call.out.bulk(hex.as_bytes());
    Flow::Next
}

fn dryrun(call: &mut Call<'_>, user: &[u8], args: &[&[u8]]) -> Flow {
    let quoted = |name: &[u8], what: &str| {
        let parts: [&[u8]; 4] = [what.as_bytes(), b" '", shown(name), b"' not found"];
        [b"ERR ", &parts.concat()[..]].concat()
    };
    let Some(account) = call.server.accounts.get(user) else {
        call.out.error_bytes(&quoted(user, "User"));
        return Flow::Next;
    };
    let command = match table::resolve(args) {
        Ok(command) => command,
        Err(wrong @ crate::command::CmdError::Arity(_)) => return refuse(call, &wrong),
        Err(_) => {
            call.out.error_bytes(&quoted(args[0], "Command"));
            return Flow::Next;
        }
    };
    match account.rules().check(command, args) {
        Ok(()) => call.out.ok(),
        Err(denied) => call.out.bulk(&denied.in_full(command, args)),
    }
    Flow::Next
}

fn log(call: &mut Call<'_>, count: &[u8]) -> Flow {
    let count = match integer(count) {
        Ok(count) => usize::try_from(count).unwrap_or(0),
        Err(text) => return error(call, text),
    };
    let entries = call.server.accounts.log().latest(count);
    let now = now_ms();
    call.out.array(entries.len());
    entries.iter().for_each(|entry| show(entry, now, call.out));
    Flow::Next
}

fn show(entry: &Entry, now_ms: i64, out: &mut Reply) {
    out.map(7);
    out.bulk(b"count");
    out.int(entry.count as i64);
    let word = |name: &str, value: &[u8], out: &mut Reply| {
        out.bulk(name.as_bytes());
        out.bulk(value);
    };
    word("reason", entry.reason.as_bytes(), out);
    word("context", entry.place.name().as_bytes(), out);
    word("object", &entry.object, out);
    word("username", &entry.user, out);
    out.bulk(b"age-seconds");
    out.double((now_ms - entry.at_ms) as f64 / 1000.0);
    word("client-info", &entry.client, out);
}

fn save(server: &Server) -> Vec<u8> {
    let mut reply = Reply::default();
    let settings = server.config.settings();
    match server.write_users(&in_dir(&settings, &settings.aclfile)) {
        Ok(()) => reply.ok(),
        Err(e) => {
            tracing::warn!("cannot write {}: {e}", settings.aclfile.display());
            reply.error(
                "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
            );
        }
    }
    reply.take()
}
