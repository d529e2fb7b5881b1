//! The commands that are not about data.

mod absent;
mod acl;
mod client;
mod config;
mod connection;
mod debug;
mod latency;
mod lolwut;
mod memory;
mod messages;
mod migrate;
mod operator;
mod roles;
mod scripting;
mod text;
mod tracking;

use super::call::Call;
use super::execute::Flow;
use super::multi;
use super::scripts;
use crate::command::CmdError;
use crate::command::shell::ShellCommand as S;
use crate::store::num::parse_i64;

/// Runs `which`.
pub(super) fn run(call: &mut Call<'_>, which: S, args: &[&[u8]]) -> Flow {
    match which {
        S::Auth => connection::auth(call, args),
        S::Echo => connection::echo(call, args),
        S::Hello => connection::hello(call, args),
        S::Ping => connection::ping(call, args),
        S::Quit => connection::quit(call),
        S::Reset => connection::reset(call),
        S::Select => connection::select(call, args),
        S::Acl => acl::run(call, args),
        S::Client => client::run(call, args),

        S::Multi => multi::multi(call),
        S::Exec => multi::exec(call),
        S::Watch => multi::watch(call, &args[1..]),
        S::Discard => {
            if call.session.queue.is_none() {
                call.out.error("ERR DISCARD without MULTI");
            } else {
                multi::discard(call);
                call.out.ok();
            }
            Flow::Next
        }
        S::Unwatch => {
            multi::unwatch(call);
            call.out.ok();
            Flow::Next
        }

        S::Subscribe | S::SSubscribe | S::PSubscribe => {
            messages::subscribe(call, which, &args[1..])
        }
        S::Unsubscribe | S::SUnsubscribe | S::PUnsubscribe => {
            messages::unsubscribe(call, which, &args[1..])
        }
        S::Publish | S::SPublish => messages::publish(call, which, args),
        S::PubSub => messages::pubsub(call, args),

        S::Config => config::run(call, args),
        S::Debug => debug::run(call, args),
        S::Info => operator::info(call, args),
        S::LastSave => operator::last_save(call),
        S::Lolwut => lolwut::run(call, args),
        S::Latency => latency::run(call, args),
        S::Memory => memory::run(call, args),
        S::Migrate => migrate::run(call, args),
        S::Save => operator::save(call),
        S::BgSave => operator::bgsave(call, args),
        S::BgRewriteAof => error(
            call,
            "ERR This server writes no append only file that could be rewritten",
        ),
        S::Shutdown => operator::shutdown(call, args),
        S::Slowlog => operator::slowlog(call, args),
        S::Time => operator::time(call),

        S::ReplicaOf => roles::replicaof(call, args),
        S::Failover | S::ReplTakeover => roles::hand_over(call, args),
        S::ReplConf => roles::replconf(call, args),
        S::PSync | S::Sync => roles::psync(call, args),
        S::Role => roles::role(call),
        S::Wait => roles::wait(call, args),
        S::WaitAof => roles::wait_aof(call, args),

        S::Eval { by_sha, read_only } => scripts::run::eval(call, args, by_sha, read_only),
        S::FCall { read_only } => scripts::run::fcall(call, args, read_only),
        S::Script => scripting::script(call, args),
        S::Function => scripting::function(call, args),

        S::Cluster => absent::cluster(call),
        S::Module => absent::module(call, args),
        S::Monitor => operator::monitor(call),
    }
}

/// Replies an error, and goes on.
fn error(call: &mut Call<'_>, text: &str) -> Flow {
    call.out.error(text);
    Flow::Next
}

/// Replies an error that may repeat what the client sent, and goes on.
fn refuse(call: &mut Call<'_>, error: &CmdError) -> Flow {
    call.out.error_bytes(&error.message());
    Flow::Next
}

/// Replies OK, and goes on.
fn ok(call: &mut Call<'_>) -> Flow {
    call.out.ok();
    Flow::Next
}

/// `word`, which a caller compares without regard to case.
fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

/// The subcommand in `args[1]`, in lower case.
fn subcommand(args: &[&[u8]]) -> String {
    let word = args.get(1).copied().unwrap_or_default();
    String::from_utf8_lossy(word).to_ascii_lowercase()
}

/// An integer argument.
///
/// # Errors
/// Redis's error reply.
fn integer(word: &[u8]) -> Result<i64, &'static str> {
    parse_i64(word).ok_or("ERR value is not an integer or out of range")
}

/// The error about a subcommand that does not exist, or takes other arguments.
fn unknown_subcommand(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    refuse(call, &CmdError::bad_subcommand(args))
}

/// The reply of a HELP subcommand.
fn help(call: &mut Call<'_>, name: &str, lines: &[&str]) -> Flow {
    let last = ["HELP", "    Prints this help."];
    call.out.array(lines.len() + 1 + last.len());
    call.out.simple(&format!(
        "{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    ));
    lines
        .iter()
        .chain(&last)
        .for_each(|line| call.out.simple(line));
    Flow::Next
}
