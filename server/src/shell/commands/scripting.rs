//! Commands about scripts.

use super::{error, help, ok, subcommand, unknown_subcommand};
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::shell::scripts::{Which, run};

const HELP: &[&str] = &[
    "DEBUG (YES|SYNC|NO)",
    "    Set the debug mode for subsequent scripts executed.",
    "EXISTS <sha1> [<sha1> ...]",
    "    Return information about the existence of the scripts in the script cache.",
    "FLUSH [ASYNC|SYNC]",
    "    Flush the Lua scripts cache. Very dangerous on replicas.",
    "    When called without the optional mode argument, the behavior is determined by the",
    "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the scripts cache.",
    "    * SYNC: Synchronously flush the scripts cache.",
    "KILL",
    "    Kill the currently executing Lua script.",
    "LOAD <script>",
    "    Load a script into the scripts cache without executing it.",
];

pub(super) fn script(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    match (subcommand(args).as_str(), &args[2..]) {
        ("load", [text]) => match run::load(call.server, text) {
            Ok(sha) => call.out.bulk(sha.as_str().as_bytes()),
            Err(text) => call.out.error_bytes(&text),
        },
        ("exists", shas) => {
            call.out.array(shas.len());
            for sha in shas {
                call.out.int(i64::from(run::knows(call.server, sha)));
            }
        }
        ("flush", mode) => {
            let known = |mode: &[u8]| {
                mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async")
            };
            if mode.len() > 1 || !mode.iter().all(|mode| known(mode)) {
                return error(call, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
            }
            run::flush(call.server);
            return ok(call);
        }
        ("kill", []) => match call.server.scripts.kill(false) {
            Ok(()) => return ok(call),
            Err(text) => return error(call, text),
        },
        ("debug", [mode]) => {
            return match mode.to_ascii_lowercase().as_slice() {
                b"no" => ok(call),
                b"yes" | b"sync" => error(call, "ERR the debugger of scripts is not served"),
                _ => error(call, "ERR Use SCRIPT DEBUG YES/SYNC/NO"),
            };
        }
        ("help", []) => return help(call, "SCRIPT", HELP),
        _ => return unknown_subcommand(call, args),
    }
    Flow::Next
}

const FUNCTION_HELP: &[&str] = &[
    "LOAD [REPLACE] <FUNCTION CODE>",
    "    Create a new library with the given library name and code.",
    "DELETE <LIBRARY NAME>",
    "    Delete the given library.",
    "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
    "    Return general information on all the libraries:",
    "    * Library name",
    "    * The engine used to run the Library",
    "    * Library description",
    "    * Functions list",
    "    * Library code (if WITHCODE is given)",
    "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
    "STATS",
    "    Return information about the current function running:",
    "    * Function name",
    "    * Command used to run the function",
    "    * Duration in MS that the function is running",
    "    If no function is running, return nil",
    "    In addition, returns a list of available engines.",
    "KILL",
    "    Kill the current running function.",
    "FLUSH [ASYNC|SYNC]",
    "    Delete all the libraries.",
    "    When called without the optional mode argument, the behavior is determined by the",
    "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the libraries.",
    "    * SYNC: Synchronously flush the libraries.",
    "DUMP",
    "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
    "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
    "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
    "    control how to handle existing libraries (default APPEND):",
    "    * FLUSH: delete all existing libraries.",
    "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
    "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
    "      libraries with the new libraries (notice that even on this option there is a chance of failure",
    "      in case of functions name collision with another library).",
];

pub(super) fn function(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    match subcommand(args).as_str() {
        "stats" => stats(call),
        "kill" => match call.server.scripts.kill(true) {
            Ok(()) => ok(call),
            Err(text) => error(call, text),
        },
        "help" => help(call, "FUNCTION", FUNCTION_HELP),
        _ => unknown_subcommand(call, args),
    }
}

fn stats(call: &mut Call<'_>) -> Flow {
    let libraries = call.world.view().dataset.libraries();
    let running = call.server.scripts.running();
    if let Some(script) = &running
        && matches!(script.which, Which::Script(_))
    {
        return error(call, script.refusal());
    }
    let out = &mut *call.out;
    out.map(2);
    out.bulk(b"running_script");
    match running {
        None => out.null(),
        Some(running) => {
            out.map(3);
            out.bulk(b"name");
            out.bulk(running.which.name().as_bytes());
            out.bulk(b"command");
            out.array(running.command.len());
            running.command.iter().for_each(|arg| out.bulk(arg));
            out.bulk(b"duration_ms");
            out.int(running.started.elapsed().as_millis() as i64);
        }
    }
    out.bulk(b"engines");
    out.map(1);
    out.bulk(b"LUA");
    out.map(2);
    out.bulk(b"libraries_count");
    out.int(libraries.iter().len() as i64);
    out.bulk(b"functions_count");
    out.int(libraries.functions() as i64);
    Flow::Next
}
