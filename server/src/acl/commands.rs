//! The commands as rules see them: numbered.

use crate::command::Command;
use crate::command::table::{self, acl};
use crate::command::uses::Uses;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Commands that rules can tell apart. The last number stands for commands that nobody knows yet.
pub(super) const MOST: usize = 1024;

/// A command, or a subcommand.
pub(super) struct Numbered {
    /// Its full name, in lower case.
    pub name: &'static str,
    /// Its number.
    pub id: usize,
    /// Those of its subcommands.
    pub subcommands: Vec<usize>,
    /// Redis 7.0 has it.
    pub of_redis: bool,
    categories: u32,
    /// What becomes of its keys; nothing if it is not served.
    pub uses: Option<Uses>,
}

impl Numbered {
    fn of(command: &'static Command) -> Numbered {
        Numbered {
            of_redis: command.is_of_redis_7_0(),
            uses: Some(command.uses),
            ..Numbered::new(command.name, command.all_categories())
        }
    }

    fn new(name: &'static str, categories: u32) -> Numbered {
        Numbered {
            name,
            id: 0,
            subcommands: Vec::new(),
            of_redis: true,
            categories,
            uses: None,
        }
    }

    /// True when it belongs to a category of this mask.
    pub fn is_in(&self, mask: u32) -> bool {
        self.categories & mask != 0
    }
}

/// All of them, and the numbers of those that are served by where they lie in the table.
struct Known {
    all: Vec<Numbered>,
    by_name: HashMap<&'static str, usize>,
    by_address: HashMap<usize, usize>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let with_subcommands = |c: &'static Command| std::iter::once(c).chain(c.subcommands);
    let served: Vec<&'static Command> = table::all().flat_map(with_subcommands).collect();
    let mut all: Vec<Numbered> = served.iter().map(|command| Numbered::of(command)).collect();
    let is_served = |name: &&str| served.iter().any(|command| command.name == *name);
    for (names, mask) in ELSEWHERE {
        let unserved = names.iter().filter(|name| !is_served(name));
        all.extend(unserved.map(|name| Numbered::new(name, *mask)));
    }
    let mut by_name = HashMap::new();
    for (id, numbered) in all.iter_mut().enumerate() {
        numbered.id = id;
        by_name.insert(numbered.name, id);
    }
    for id in 0..all.len() {
        let container = all[id].name.split_once('|').map(|(container, _)| container);
        if let Some(&container) = container.and_then(|name| by_name.get(name)) {
            all[container].subcommands.push(id);
        }
    }
    let addresses = served.iter().enumerate();
    Known {
        by_address: addresses
            .map(|(id, command)| (address(command), id))
            .collect(),
        by_name,
        all,
    }
});

fn address(command: &Command) -> usize {
    std::ptr::from_ref(command).addr()
}

/// Commands of Redis 7.0 and their categories that rules may name though they are not served; those that are served do
/// not count. A file of users that Redis wrote names them, and which categories come nearest to what a user may run
/// depends on all commands that there are.
const ELSEWHERE: &[(&[&str], u32)] = &[
    (
        &["asking", "readonly", "readwrite"],
        acl::FAST | acl::CONNECTION,
    ),
    (
        &[
            "cluster",
            "cluster|countkeysinslot",
            "cluster|getkeysinslot",
            "cluster|help",
            "cluster|info",
            "cluster|keyslot",
            "cluster|links",
            "cluster|myid",
            "cluster|nodes",
            "cluster|shards",
            "cluster|slots",
            "module",
            "module|help",
        ],
        acl::SLOW,
    ),
    (
        &[
            "bgrewriteaof",
            "cluster|addslots",
            "cluster|addslotsrange",
            "cluster|bumpepoch",
            "cluster|count-failure-reports",
            "cluster|delslots",
            "cluster|delslotsrange",
            "cluster|failover",
            "cluster|flushslots",
            "cluster|forget",
            "cluster|meet",
            "cluster|replicas",
            "cluster|replicate",
            "cluster|reset",
            "cluster|saveconfig",
            "cluster|set-config-epoch",
            "cluster|setslot",
            "cluster|slaves",
            "module|list",
            "module|load",
            "module|loadex",
            "module|unload",
        ],
        acl::ADMIN | acl::SLOW | acl::DANGEROUS,
    ),
    (
        &["migrate", "restore-asking"],
        acl::KEYSPACE | acl::WRITE | acl::SLOW | acl::DANGEROUS,
    ),
];

/// Every command and subcommand, by number.
pub(super) fn all() -> &'static [Numbered] {
    &KNOWN.all
}

/// `command`, which is in the table.
pub(super) fn numbered(command: &Command) -> Option<&'static Numbered> {
    KNOWN.all.get(*KNOWN.by_address.get(&address(command))?)
}

/// The command, or the subcommand of `container|subcommand`, of this name in any case.
pub(super) fn named(name: &[u8]) -> Option<&'static Numbered> {
    let name = String::from_utf8(name.to_ascii_lowercase()).ok()?;
    KNOWN.all.get(*KNOWN.by_name.get(&*name)?)
}

/// The mask of a category, by its name in any case.
pub fn category(name: &[u8]) -> Option<u32> {
    let same = |known: &&str| known.as_bytes().eq_ignore_ascii_case(name);
    let bit = acl::NAMES.iter().position(same)?;
    Some(1 << bit)
}

/// The names of the commands, subcommands too, that are served and in a category of this mask.
pub fn names_in(mask: u32) -> impl Iterator<Item = &'static str> {
    let served = all().iter().filter(|numbered| numbered.uses.is_some());
    served.filter(move |n| n.is_in(mask)).map(|n| n.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_number_of_its_own() {
        assert!(all().len() < MOST - 1);
        for (id, numbered) in all().iter().enumerate() {
            assert_eq!(numbered.id, id);
            let found = named(numbered.name.to_uppercase().as_bytes());
            assert_eq!(found.map(|n| n.id), Some(id), "{} twice", numbered.name);
            let inside = numbered.subcommands.iter().map(|&sub| all()[sub].name);
            let prefix = format!("{}|", numbered.name);
            assert!(
                inside.clone().all(|name| name.starts_with(&prefix)),
                "{prefix}"
            );
        }
        for command in table::all() {
            let found = numbered(command).expect(command.name);
            assert_eq!(found.name, command.name);
            assert!(found.subcommands.len() >= command.subcommands.len());
        }
        for name in ["", "|", "nosuch", "get|x", "client|", "client|id|x"] {
            assert!(named(name.as_bytes()).is_none(), "{name}");
        }
    }
}
