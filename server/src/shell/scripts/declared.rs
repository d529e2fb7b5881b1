//! What scripts declare of themselves, and what that keeps them from.

use super::super::admit;
use super::super::call::Call;
use super::super::evict::{self, Room};
use crate::command::shell::ShellCommand as S;
use crate::command::{Command, Run, table::flag};
use crate::script::{Digest, Flags, Shebang};

const MASTERDOWN: &str = "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and \
     'allow-stale' flag is not set for the script.";

/// What a script that `args` of `command` would run declares, if it does.
fn declared(call: &Call<'_>, command: &Command, args: &[&[u8]]) -> Option<Flags> {
    let Run::Shell(command) = command.run else {
        return None;
    };
    let flags = match command {
        S::Eval { by_sha: true, .. } => {
            let sha = Digest::parse(args[1])?;
            call.server.scripts.cache().as_ref()?.flags(sha)?
        }
        S::Eval { by_sha: false, .. } => Shebang::of(args[1]).ok()?.flags,
        S::FCall { .. } => {
            let name = String::from_utf8_lossy(args[1]);
            let libraries = call.world.view().dataset.libraries();
            Flags::of(libraries.of_function(&name)?.function(&name)?)
        }
        _ => return None,
    };
    Some(flags).filter(|flags| !flags.compat)
}

/// The flags of `command`, or, if it runs a script that declares something, those that this comes to.
pub(in crate::shell) fn flags(call: &Call<'_>, command: &Command, args: &[&[u8]]) -> u32 {
    let Some(script) = declared(call, command, args) else {
        return command.flags;
    };
    let when = |is: bool, flags: u32| if is { flags } else { 0 };
    let writes = !script.no_writes;
    command.flags & !(flag::STALE | flag::DENYOOM | flag::WRITE | flag::SCRIPT)
        | when(script.allow_stale, flag::STALE)
        | when(writes, flag::WRITE | flag::SCRIPT)
        | when(writes && !script.allow_oom, flag::DENYOOM)
}

/// Whether what a script declares keeps it out of a transaction, as it would keep it from running now.
///
/// # Errors
/// The error reply.
pub(in crate::shell) fn may_queue(
    call: &Call<'_>,
    command: &Command,
    args: &[&[u8]],
) -> Result<(), &'static str> {
    let Some(flags) = declared(call, command, args) else {
        return Ok(());
    };
    let room = evict::make_room(call.server, call.world.view(), call.slot, call.settings);
    admit(call, flags, room == Room::None)
}

/// The checks of a script that declares something, as they are made of any command.
fn admit(call: &Call<'_>, flags: Flags, short: bool) -> Result<(), &'static str> {
    let (fence, settings) = (&call.world.view().fence, call.settings);
    if short && !flags.allow_oom && !flags.no_writes {
        return Err("OOM command not allowed when used memory > 'maxmemory'.");
    }
    if !flags.no_writes {
        if call.lacks_replicas() {
            return Err("NOREPLICAS Not enough good replicas to write.");
        }
        if fence.replica && settings.replica_read_only {
            return Err("READONLY You can't write against a read only replica.");
        }
    }
    match is_stale(call) && !flags.allow_stale {
        true if call.transaction.is_some() => Err(MASTERDOWN),
        true => Err(admit::MASTERDOWN),
        false => Ok(()),
    }
}

fn is_stale(call: &Call<'_>) -> bool {
    let fence = &call.world.view().fence;
    fence.replica && !fence.link_up && !call.settings.serve_stale_data
}

/// The checks that come before a script.
pub(super) fn check(
    call: &Call<'_>,
    flags: Flags,
    read_only: bool,
    short: bool,
) -> Result<(), &'static str> {
    if flags.compat {
        return match is_stale(call) {
            true => Err(admit::MASTERDOWN),
            false => Ok(()),
        };
    }
    admit(call, flags, short)?;
    if !flags.no_writes && read_only {
        return Err("ERR Can not execute a script with write flag using *_ro command.");
    }
    Ok(())
}
