//! Which commands may run at all, and what the others are told: Redis's checks, in Redis's order.

use super::call::{Call, is};
use super::client::trait_of;
use super::evict::{self, Room};
use super::multi::Queue;
use super::scripts::declared;
use super::server::Server;
use crate::acl::{Denied, Entry, Place};
use crate::command::shell::ShellCommand;
use crate::command::table::flag;
use crate::command::{self, CmdError, Command, Run};
use crate::config::Settings;
use crate::gate::Fence;
use crate::sys::time::Instant;
use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

/// What those are told who need the dataset that is not there yet.
pub(super) const LOADING: &str = "LOADING Redis is loading the dataset in memory";

/// What may change the dataset, or what replicas are told.
const MAY_CHANGE: u32 = flag::WRITE | flag::MAY_REPLICATE | flag::SCRIPT;

/// Why a command does not run.
pub(super) enum Refusal {
    /// The reply, without its `-`.
    Error(Cow<'static, str>),
    /// Clients are paused: later.
    Paused,
    /// Whoever it comes from is no user any more.
    Gone,
}

/// An error reply, without its `-`, and the command it is about, if there is one.
type Misfit = (Cow<'static, [u8]>, Option<&'static Command>);

/// The command, or subcommand, that `args` call, of which the first names `named`.
///
/// # Errors
/// There is no such command, or it takes another number of arguments.
#[inline]
pub(super) fn find(
    named: Option<&'static Command>,
    args: &[&[u8]],
) -> Result<&'static Command, Misfit> {
    let found = command::table::called(named, args).map_err(|error| (error.message(), None))?;
    match found.takes(args.len()) {
        true => Ok(found),
        false => Err((CmdError::Arity(found.name).message(), Some(found))),
    }
}

/// True for the commands that end or change a transaction being queued instead of joining it.
pub(super) fn runs_inside_multi(command: &Command) -> bool {
    use ShellCommand::*;
    match command.run {
        Run::Shell(which) => matches!(which, Exec | Discard | Multi | Watch | Quit | Reset),
        _ => false,
    }
}

/// True for the commands a RESP2 client may send while it listens to messages.
fn runs_while_subscribed(command: &Command) -> bool {
    use ShellCommand::*;
    match command.run {
        Run::Shell(which) => matches!(
            which,
            Ping | Subscribe
                | SSubscribe
                | PSubscribe
                | Unsubscribe
                | SUnsubscribe
                | PUnsubscribe
                | Quit
                | Reset
        ),
        _ => false,
    }
}

impl Call<'_> {
    /// Checks everything that can keep `command` from running.
    pub(super) fn admit(&mut self, command: &Command, args: &[&[u8]]) -> Result<(), Refusal> {
        let refuse = |text: &'static str| Err(Refusal::Error(Cow::Borrowed(text)));
        let settings = self.settings;
        if !self.is_authenticated() && !command.is(flag::NO_AUTH) {
            return refuse("NOAUTH Authentication required.");
        }
        if self.session.queue.is_some() && command.is(flag::NO_MULTI) && !runs_inside_multi(command)
        {
            return refuse("ERR Command not allowed inside a transaction");
        }
        self.look_up_access();
        if !self.session.access.free {
            self.check_access(command, args)?;
        }
        let view = self.world.view();
        let room = evict::make_room(self.server, view, self.slot, settings);
        let fence = &view.fence;
        // EXEC is what its transaction is: any of its commands' flags, and only those all of them have.
        let queue = self
            .session
            .queue
            .as_deref()
            .filter(|_| is(command, ShellCommand::Exec));
        let writes = command.is(flag::WRITE) || queue.is_some_and(|q| q.any & flag::WRITE != 0);
        let allowed = |f: u32| command.is(f) && queue.is_none_or(|q| q.all & f != 0);
        if room == Room::None && self.needs_memory(command, queue) {
            return refuse("OOM command not allowed when used memory > 'maxmemory'.");
        }
        if (writes || is(command, ShellCommand::Ping)) && cannot_save(self.server, fence, settings)
        {
            return refuse(MISCONF);
        }
        if writes {
            if self.lacks_replicas() {
                return refuse("NOREPLICAS Not enough good replicas to write.");
            }
            if fence.replica && settings.replica_read_only {
                return refuse("READONLY You can't write against a read only replica.");
            }
        }
        if self.session.is_subscribed() && !self.out.is_resp3() && !runs_while_subscribed(command) {
            return Err(Refusal::Error(Cow::Owned(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed \
                 in this context",
                command.name
            ))));
        }
        let stale = fence.replica && !fence.link_up && !settings.serve_stale_data;
        if stale && !allowed(flag::STALE) && !asks_to_take_over(command, args) {
            return refuse(MASTERDOWN);
        }
        if fence.loading && !allowed(flag::LOADING) {
            return refuse(LOADING);
        }
        if !fence.whole && !fence.loading && !allowed(flag::STALE) {
            return refuse(MASTERDOWN);
        }
        let touches = flag::WRITE | flag::READONLY | flag::MAY_REPLICATE;
        if self.client.is(trait_of::MONITOR)
            && (command.flags & touches != 0 || queue.is_some_and(|q| q.any & touches != 0))
        {
            // In Redis it counts as a replica.
            return refuse("ERR Replica can't interact with the keyspace");
        }
        if self.session.queue.is_none() || queue.is_some() {
            let pause = &self.server.pause;
            let flags = || match queue {
                Some(queue) => queue.any,
                None => declared::flags(self, command, args),
            };
            if (pause.holds(true) && !is_about_pause(command))
                && (pause.holds(false) || flags() & MAY_CHANGE != 0)
            {
                return Err(Refusal::Paused);
            }
        }
        Ok(())
    }

    /// The client logged in, or need not.
    fn is_authenticated(&self) -> bool {
        self.session.authenticated || self.server.accounts.is_open()
    }

    /// Looks again at what the client's user may do if users have changed.
    #[inline]
    pub(super) fn look_up_access(&mut self) {
        let accounts = &self.server.accounts;
        if self.session.access.generation != accounts.generation() {
            self.session.access = accounts.access(&self.session.access.account);
        }
    }

    /// Whether the client's user may run `command`, for one that may not do everything.
    #[cold]
    fn check_access(&self, command: &Command, args: &[&[u8]]) -> Result<(), Refusal> {
        let account = &self.session.access.account;
        if account.is_gone() {
            return Err(Refusal::Gone);
        }
        let place = match self.session.queue {
            Some(_) => Place::Multi,
            None => Place::Toplevel,
        };
        self.check_rules(command, args, place).map_err(|denied| {
            let text = format!("NOPERM {}", denied.text(command));
            Refusal::Error(Cow::Owned(text))
        })
    }

    /// Whether the rules of the client's user allow `command`; if they do not, the log has it.
    ///
    /// # Errors
    /// What the user may not do.
    pub(super) fn check_rules(
        &self,
        command: &Command,
        args: &[&[u8]],
        place: Place,
    ) -> Result<(), Denied> {
        let access = &self.session.access;
        let allowed = access.check(command, args);
        if let Err(denied) = allowed {
            self.client.active(Instant::now(), *self.last);
            let entry = Entry::denied(denied, place, (command, args), &access.account.name);
            self.server.log_refusal(self.client, entry, self.settings);
        }
        allowed
    }

    /// Whether `command` is refused while memory is short: what adds to the dataset, and what adds to a transaction.
    #[cold]
    fn needs_memory(&self, command: &Command, executed: Option<&Queue>) -> bool {
        use ShellCommand::*;
        let own = command.is(flag::DENYOOM) || executed.is_some_and(|q| q.any & flag::DENYOOM != 0);
        let queued = self.session.queue.is_some()
            && ![Exec, Discard, Quit, Reset]
                .iter()
                .any(|which| is(command, *which));
        own || queued
    }

    /// True on a master that is not to write before more replicas keep up.
    pub(super) fn lacks_replicas(&self) -> bool {
        lacks_replicas(self.server, &self.world.view().fence, self.settings)
    }
}

/// True on a master that is to write its dataset to a file and cannot.
#[inline]
pub(super) fn cannot_save(server: &Server, fence: &Fence, settings: &Settings) -> bool {
    !server.saves.ok.load(Relaxed)
        && settings.stop_writes
        && !settings.save.is_empty()
        && !fence.replica
}

/// True on a master that is not to write before more replicas keep up.
pub(super) fn lacks_replicas(server: &Server, fence: &Fence, settings: &Settings) -> bool {
    let good = || server.replication().map_or(0, |r| r.good_replicas());
    !fence.replica
        && settings.min_replicas_to_write > 0
        && !settings.min_replicas_max_lag.is_zero()
        && good() < settings.min_replicas_to_write
}

/// True for the commands that run scripts.
pub(super) fn runs_script(command: &Command) -> bool {
    use ShellCommand::{Eval, FCall};
    matches!(command.run, Run::Shell(Eval { .. } | FCall { .. }))
}

const MISCONF: &str = MISCONF_IN_SCRIPT.split_at(1).1;
/// The same for a command of a script.
pub(super) const MISCONF_IN_SCRIPT: &str = "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
     Commands that may modify the data set are disabled, because this instance is configured to report errors during writes \
     if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB \
     error.";

pub(super) const MASTERDOWN: &str =
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";

/// Our master asks us to take over. While it does it lets nobody in, so the link to it may well be down.
fn asks_to_take_over(command: &Command, args: &[&[u8]]) -> bool {
    is(command, ShellCommand::PSync)
        && (args.get(3)).is_some_and(|word| word.eq_ignore_ascii_case(b"failover"))
}

/// CLIENT has to run during a pause, or nobody could end it; so must replicas' own commands.
fn is_about_pause(command: &Command) -> bool {
    use ShellCommand::*;
    match command.run {
        Run::Shell(which) => matches!(
            which,
            Client | ReplConf | PSync | Sync | Failover | ReplTakeover
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(args: &[&str]) -> String {
        let args: Vec<&[u8]> = args.iter().map(|a| a.as_bytes()).collect();
        let error = find(command::find(args[0]), &args)
            .err()
            .expect("no such command");
        String::from_utf8(error.0.into_owned()).unwrap()
    }

    #[test]
    fn unknown_commands_are_named_with_their_arguments() {
        assert_eq!(
            error(&["foo", "a", "b c"]),
            "ERR unknown command 'foo', with args beginning with: 'a' 'b c' "
        );
        assert_eq!(
            error(&["foo"]),
            "ERR unknown command 'foo', with args beginning with: "
        );
        let long = "x".repeat(500);
        let text = error(&[&long, &long, "b"]);
        assert_eq!(text.matches('x').count(), 256);
        assert!(!text.contains("'b'"));
    }

    #[test]
    fn a_wrong_number_of_arguments_names_the_command() {
        assert_eq!(
            error(&["GET"]),
            "ERR wrong number of arguments for 'get' command"
        );
    }
}
