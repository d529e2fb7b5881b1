//! ACL, as far as it goes with one user who may do everything.

use super::{error, help, subcommand, text, unknown_subcommand};
use crate::command::Command;
use crate::command::table::{self, acl};
use crate::shell::call::Call;
use crate::shell::execute::Flow;

/// Stands where Redis shows the hash of a password.
const HIDDEN: &str = "#<hidden>";

pub(super) fn run(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    match (subcommand(args).as_str(), &args[2..]) {
        ("whoami", []) => call.out.bulk(b"default"),
        ("users", []) => {
            call.out.array(1);
            call.out.bulk(b"default");
        }
        ("list", []) => {
            let nopass = call.settings.requirepass.is_empty();
            let password = if nopass { "nopass" } else { HIDDEN };
            call.out.array(1);
            let line = format!("user default on {password} ~* &* +@all");
            call.out.bulk(line.as_bytes());
        }
        ("getuser", [b"default"]) => getuser(call),
        ("getuser", [_]) => call.out.null(),
        ("cat", []) => {
            call.out.array(acl::NAMES.len());
            let names = acl::NAMES.iter();
            names.for_each(|name| call.out.bulk(name.as_bytes()));
        }
        ("cat", [category]) => return cat(call, category),
        ("help", []) => return help(call, "ACL", text::ACL_HELP),
        _ => return unknown_subcommand(call, args),
    }
    Flow::Next
}

fn getuser(call: &mut Call<'_>) {
    let nopass = call.settings.requirepass.is_empty();
    let flags: &[&str] = if nopass { &["on", "nopass"] } else { &["on"] };
    call.out.map(6);
    call.out.bulk(b"flags");
    call.out.set(flags.len());
    flags.iter().for_each(|flag| call.out.bulk(flag.as_bytes()));
    call.out.bulk(b"passwords");
    call.out.array(usize::from(!nopass));
    if !nopass {
        call.out.bulk(HIDDEN.as_bytes());
    }
    for (field, value) in [("commands", "+@all"), ("keys", "~*"), ("channels", "&*")] {
        call.out.bulk(field.as_bytes());
        call.out.bulk(value.as_bytes());
    }
    call.out.bulk(b"selectors");
    call.out.array(0);
}

fn cat(call: &mut Call<'_>, category: &[u8]) -> Flow {
    let same = |name: &&str| name.as_bytes().eq_ignore_ascii_case(category);
    let Some(bit) = acl::NAMES.iter().position(same) else {
        let category = String::from_utf8_lossy(category);
        return error(call, &format!("ERR Unknown category '{category}'"));
    };
    let with_subcommands = |c: &'static Command| std::iter::once(c).chain(c.subcommands);
    let within = |c: &&Command| c.subcommands.is_empty() && c.all_categories() & (1 << bit) != 0;
    let all = table::all().flat_map(with_subcommands);
    let names: Vec<_> = all.filter(within).map(|c| c.name).collect();
    call.out.array(names.len());
    names.iter().for_each(|name| call.out.bulk(name.as_bytes()));
    Flow::Next
}
