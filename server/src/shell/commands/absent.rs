//! What is not here: the cluster bus, and modules.

use super::{error, help, subcommand, text};
use crate::shell::call::Call;
use crate::shell::execute::Flow;

pub(super) fn cluster(call: &mut Call<'_>) -> Flow {
    error(call, "ERR This instance has cluster support disabled")
}

pub(super) fn module(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let allowed = call.settings.module_command;
    match subcommand(args).as_str() {
        "list" => {
            call.out.array(0);
            Flow::Next
        }
        "help" => help(call, "MODULE", text::MODULE_HELP),
        _ if !call.server.allows(allowed, &call.client.addr) => error(
            call,
            "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it \
             from a local connection, otherwise you need to set this option in the configuration file, and then restart \
             the server.",
        ),
        "unload" => error(
            call,
            "ERR Error unloading module: no such module with that name",
        ),
        _ => error(
            call,
            "ERR Error loading the extension. Please check the server logs.",
        ),
    }
}
