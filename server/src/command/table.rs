//! THE command table: what exists, what it takes, how it is run.
//!
//! Each family of commands has a list of its own beside its handlers; [`FAMILIES`] names the lists. A command
//! is found by its name in any case through a perfect-enough hash table made at compile time.

use super::error::shown_up_to;
use super::shell::ShellCommand;
use super::uses::{self, Uses};
use super::{CmdError, Handler};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// All commands, family by family.
pub static FAMILIES: &[&[Command]] = &[
    super::keys::COMMANDS,
    super::dump::COMMANDS,
    super::functions::COMMANDS,
    super::strings::COMMANDS,
    super::lists::COMMANDS,
    super::sets::COMMANDS,
    super::hashes::COMMANDS,
    super::zsets::COMMANDS,
    super::streams::COMMANDS,
    super::hyperloglog::COMMANDS,
    super::geo::COMMANDS,
    super::sort::COMMANDS,
    super::introspect::COMMANDS,
    super::shell::COMMANDS,
    super::shell::containers::COMMANDS,
    super::shell::absent::COMMANDS,
    super::shell::scripts::COMMANDS,
];

/// A command, or a subcommand of one.
pub struct Command {
    /// Its name, in lower case; of a subcommand with the container's in front: `object|encoding`.
    pub name: &'static str,
    /// The number of arguments, the name included; at least so many if negative.
    pub arity: i32,
    /// What kind of command it is; see [`flag`].
    pub flags: u32,
    /// Categories beyond those that follow from the flags; see [`acl`].
    pub categories: u32,
    /// Where its keys are.
    pub keys: KeySpec,
    /// What becomes of them.
    pub uses: Uses,
    /// Its arguments in the notation of the documentation: `key [NX|XX] [EX seconds] [field value ...]`.
    pub syntax: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// The version of Redis that brought it.
    pub since: &'static str,
    /// Its group in the documentation.
    pub group: &'static str,
    /// What it costs.
    pub complexity: &'static str,
    /// How it is run.
    pub run: Run,
    /// Its subcommands, whose arities count the names of both.
    pub subcommands: &'static [Command],
}

/// Flags of commands, as `COMMAND INFO` names them.
pub mod flag {
    /// May change the dataset.
    pub const WRITE: u32 = 1 << 0;
    /// Reads keys.
    pub const READONLY: u32 = 1 << 1;
    /// May need memory.
    pub const DENYOOM: u32 = 1 << 2;
    /// Of constant or logarithmic cost.
    pub const FAST: u32 = 1 << 3;
    /// For operators.
    pub const ADMIN: u32 = 1 << 4;
    /// Publish and subscribe.
    pub const PUBSUB: u32 = 1 << 5;
    /// Not from scripts.
    pub const NOSCRIPT: u32 = 1 << 6;
    /// May block.
    pub const BLOCKING: u32 = 1 << 7;
    /// Allowed while a snapshot is loaded.
    pub const LOADING: u32 = 1 << 8;
    /// Allowed on a replica with stale data.
    pub const STALE: u32 = 1 << 9;
    /// Allowed before AUTH.
    pub const NO_AUTH: u32 = 1 << 10;
    /// Not inside MULTI.
    pub const NO_MULTI: u32 = 1 << 11;
    /// Not shown by MONITOR.
    pub const SKIP_MONITOR: u32 = 1 << 12;
    /// Not shown by SLOWLOG.
    pub const SKIP_SLOWLOG: u32 = 1 << 13;
    /// Keys are not where `first`, `last`, `step` say, or not only.
    pub const MOVABLEKEYS: u32 = 1 << 14;
    /// Answers may be lost when a script runs for long.
    pub const ALLOW_BUSY: u32 = 1 << 15;
    /// May be changed by its propagation on the master only.
    pub const MAY_REPLICATE: u32 = 1 << 16;
    /// May be called without keys although it takes some.
    pub const NO_MANDATORY_KEYS: u32 = 1 << 17;
    /// Clients ask for it in a cluster that moves keys.
    pub const ASKING: u32 = 1 << 19;
    /// Runs a script that may write. Redis has no name for it that it would tell.
    pub const SCRIPT: u32 = 1 << 18;

    /// Writes, and yet a key that is missing is missed as it is by who only reads: what is looked at is not what is
    /// changed, or is replied.
    pub const READS: u32 = 1 << 21;
    /// Not while a snapshot is loaded beside the served data.
    pub const NO_ASYNC_LOADING: u32 = 1 << 20;

    /// The names, by bit; none of those that COMMAND INFO does not show.
    pub(in crate::command) const NAMES: &[&str] = &[
        "write",
        "readonly",
        "denyoom",
        "fast",
        "admin",
        "pubsub",
        "noscript",
        "blocking",
        "loading",
        "stale",
        "no_auth",
        "no_multi",
        "skip_monitor",
        "skip_slowlog",
        "movablekeys",
        "allow_busy",
        "",
        "no_mandatory_keys",
        "",
        "asking",
        "no_async_loading",
    ];
}

/// ACL categories; `read`, `write`, `admin`, `dangerous`, `fast`, `slow`, `pubsub`, `blocking` follow from flags.
pub mod acl {
    /// Keys of any type.
    pub const KEYSPACE: u32 = 1 << 0;
    /// Reads.
    pub const READ: u32 = 1 << 1;
    /// Writes.
    pub const WRITE: u32 = 1 << 2;
    /// Sets.
    pub const SET: u32 = 1 << 3;
    /// Sorted sets.
    pub const SORTEDSET: u32 = 1 << 4;
    /// Lists.
    pub const LIST: u32 = 1 << 5;
    /// Hashes.
    pub const HASH: u32 = 1 << 6;
    /// Strings.
    pub const STRING: u32 = 1 << 7;
    /// Bitmaps.
    pub const BITMAP: u32 = 1 << 8;
    /// HyperLogLogs.
    pub const HYPERLOGLOG: u32 = 1 << 9;
    /// Geospatial indices.
    pub const GEO: u32 = 1 << 10;
    /// Streams.
    pub const STREAM: u32 = 1 << 11;
    /// Publish and subscribe.
    pub const PUBSUB: u32 = 1 << 12;
    /// For operators.
    pub const ADMIN: u32 = 1 << 13;
    /// Of constant or logarithmic cost.
    pub const FAST: u32 = 1 << 14;
    /// All others.
    pub const SLOW: u32 = 1 << 15;
    /// May block.
    pub const BLOCKING: u32 = 1 << 16;
    /// To be used with care.
    pub const DANGEROUS: u32 = 1 << 17;
    /// About connections.
    pub const CONNECTION: u32 = 1 << 18;
    /// MULTI and its kin.
    pub const TRANSACTION: u32 = 1 << 19;
    /// Scripts.
    pub const SCRIPTING: u32 = 1 << 20;

    /// The names, by bit.
    pub const NAMES: &[&str] = &[
        "keyspace",
        "read",
        "write",
        "set",
        "sortedset",
        "list",
        "hash",
        "string",
        "bitmap",
        "hyperloglog",
        "geo",
        "stream",
        "pubsub",
        "admin",
        "fast",
        "slow",
        "blocking",
        "dangerous",
        "connection",
        "transaction",
        "scripting",
    ];
}

/// Where a command's keys are among its arguments.
#[derive(Clone, Copy, Debug)]
pub enum KeySpec {
    /// It has none.
    None,
    /// From `first` to `last` (counted from the end if negative), every `step`th.
    Range {
        /// Index of the first key.
        first: usize,
        /// Index of the last key; -1 is the last argument.
        last: i32,
        /// Distance between keys.
        step: usize,
    },
    /// Argument `at` says how many keys follow it.
    Counted {
        /// Index of the number.
        at: usize,
        /// Index of one more key in front, or 0.
        also: usize,
    },
    /// Right behind the name, and perhaps where a function says.
    FirstAnd(fn(&[&[u8]]) -> Option<usize>),
    /// Right behind the name, and where a function says.
    FirstAndSome(fn(&[&[u8]]) -> Positions),
    /// Found by a function.
    Found(fn(&[&[u8]]) -> Positions),
}

/// Indices of arguments that are keys.
pub type Positions = SmallVec<[usize; 8]>;

impl KeySpec {
    /// One key, right behind the name.
    pub const FIRST: KeySpec = KeySpec::Range {
        first: 1,
        last: 1,
        step: 1,
    };
    /// Two keys, right behind the name.
    pub const TWO: KeySpec = KeySpec::Range {
        first: 1,
        last: 2,
        step: 1,
    };
    /// All arguments are keys.
    pub const ALL: KeySpec = KeySpec::Range {
        first: 1,
        last: -1,
        step: 1,
    };
    /// All arguments but the last are keys.
    pub const ALL_BUT_LAST: KeySpec = KeySpec::Range {
        first: 1,
        last: -2,
        step: 1,
    };

    /// The indices of the keys in `args`, which fit the command's arity. Where the arguments give a number of
    /// keys that cannot be, these are as many as there may be: the handler says what is wrong.
    pub fn positions(&self, args: &[&[u8]]) -> Positions {
        match *self {
            KeySpec::None => Positions::new(),
            KeySpec::Range { first, last, step } => {
                let end = match usize::try_from(last) {
                    Ok(last) => last + 1,
                    Err(_) => (args.len() + 1).saturating_sub(last.unsigned_abs() as usize),
                };
                (first..end.min(args.len())).step_by(step).collect()
            }
            KeySpec::Counted { at, also } => {
                let count = args.get(at).and_then(|n| crate::store::num::parse_i64(n));
                let keys = at + 1..args.len();
                let count = count.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                let keys = keys.start..keys.end.min(keys.start.saturating_add(count));
                (also > 0).then_some(also).into_iter().chain(keys).collect()
            }
            KeySpec::FirstAnd(find) => std::iter::once(1).chain(find(args)).collect(),
            KeySpec::FirstAndSome(find) => std::iter::once(1).chain(find(args)).collect(),
            KeySpec::Found(find) => find(args),
        }
    }

    /// [`KeySpec::positions`]; nothing if `args` give another number of keys than there are.
    pub fn right_positions(&self, args: &[&[u8]]) -> Option<Positions> {
        let positions = self.positions(args);
        let KeySpec::Counted { at, also } = *self else {
            return Some(positions);
        };
        let found = positions.len() - usize::from(also > 0);
        let told = args.get(at).and_then(|n| crate::store::num::parse_i64(n));
        (told == Some(found as i64)).then_some(positions)
    }
}

/// What the dispatcher locks for a command.
#[derive(Clone, Copy, Debug)]
pub enum Lock {
    /// The shards of its keys.
    Keys,
    /// The shards of its keys, and the caller holds all gates.
    Exclusive,
    /// [`Lock::Exclusive`] with such arguments, else [`Lock::Keys`].
    ExclusiveIf(fn(&[&[u8]]) -> bool),
    /// Nothing: the handler locks shard by shard.
    Free,
}

impl Lock {
    /// True if the caller has to hold all gates.
    #[inline]
    pub fn is_exclusive(self, args: &[&[u8]]) -> bool {
        match self {
            Lock::Exclusive => true,
            Lock::ExclusiveIf(is) => is(args),
            Lock::Keys | Lock::Free => false,
        }
    }
}

/// How a command is run.
#[derive(Clone, Copy)]
pub enum Run {
    /// By [`super::run`].
    Data {
        /// What is locked.
        lock: Lock,
        /// The handler.
        handler: Handler,
    },
    /// By the connection layer.
    Shell(ShellCommand),
    /// Not by itself: only its subcommands are.
    Container,
}

/// Commands by names that are not the table's own, and names of the table that mean nothing any more; in lower case.
static RENAMED: OnceLock<BTreeMap<Vec<u8>, Option<&'static Command>>> = OnceLock::new();

/// Gives commands other names, or none, for the rest of the process (`rename-command`): pairs of old and new, the new one
/// empty for none. They were checked by [`may_rename`].
pub fn rename(pairs: &[(Vec<u8>, Vec<u8>)]) {
    let mut renamed = BTreeMap::new();
    for (old, new) in pairs {
        let (old, new) = (old.to_ascii_lowercase(), new.to_ascii_lowercase());
        let command = renamed.insert(old.clone(), None).flatten();
        let command = command.or_else(|| original(&old));
        if !new.is_empty() {
            renamed.insert(new, command);
        }
    }
    if !renamed.is_empty() {
        // Who renames twice is a test.
        let _ = RENAMED.set(renamed);
    }
}

/// Whether `old` can become `new` after all of `before`.
///
/// # Errors
/// Redis's words about it.
pub fn may_rename(before: &[(Vec<u8>, Vec<u8>)], old: &[u8], new: &[u8]) -> Result<(), String> {
    let is_command = |name: &[u8]| {
        let is = |other: &Vec<u8>| other.eq_ignore_ascii_case(name);
        let came = before.iter().rposition(|(_, new)| is(new));
        let went = before.iter().rposition(|(old, _)| is(old));
        match (came, went) {
            (None, None) => original(name).is_some(),
            (came, went) => came > went,
        }
    };
    if !is_command(old) {
        return Err("No such command in rename-command".to_owned());
    }
    match !new.is_empty() && is_command(new) {
        true => Err("Target command name already exists".to_owned()),
        false => Ok(()),
    }
}

/// Looks a command up by the name that clients know it by, in any case.
#[inline]
pub fn find(name: &[u8]) -> Option<&'static Command> {
    match RENAMED.get() {
        None => original(name),
        Some(renamed) => match renamed.get(&name.to_ascii_lowercase()) {
            Some(command) => *command,
            None => original(name),
        },
    }
}

/// Looks a command up by its name in the table, in any case.
#[inline]
pub fn original(name: &[u8]) -> Option<&'static Command> {
    let mut slot = hash(name) & SLOT_MASK;
    loop {
        let command = INDEX[slot]?;
        // Shorter than the library's comparison, which is made for longer texts.
        let same = |(own, typed): (&u8, &u8)| *own == typed.to_ascii_lowercase();
        if command.name.len() == name.len() && command.name.as_bytes().iter().zip(name).all(same) {
            return Some(command);
        }
        slot = (slot + 1) & SLOT_MASK;
    }
}

/// The command, or subcommand, that `args` call, of which the first names `named`; an error in Redis's words if there is
/// none.
#[inline]
pub(crate) fn called(
    named: Option<&'static Command>,
    args: &[&[u8]],
) -> Result<&'static Command, CmdError> {
    let Some(command) = named else {
        return Err(unknown(args));
    };
    match (command.subcommands, args) {
        ([], _) | (_, [] | [_]) => Ok(command),
        (_, [typed, name, ..]) => command.subcommand(name).ok_or_else(|| {
            let text = "ERR unknown subcommand '{}'. Try {} HELP.";
            CmdError::repeating(
                text,
                &[shown_up_to(name, SHOWN), &typed.to_ascii_uppercase()],
            )
        }),
    }
}

/// [`called`]; also an error if it takes another number of arguments.
pub fn resolve(args: &[&[u8]]) -> Result<&'static Command, CmdError> {
    let command = called(find(args[0]), args)?;
    match command.takes(args.len()) {
        true => Ok(command),
        false => Err(CmdError::Arity(command.name)),
    }
}

/// How much of what a client sent an error repeats, in bytes.
const SHOWN: usize = 128;

#[cold]
fn unknown(args: &[&[u8]]) -> CmdError {
    let mut list = Vec::new();
    for arg in &args[1..] {
        if list.len() >= SHOWN {
            break;
        }
        let arg = shown_up_to(arg, SHOWN - list.len());
        list.extend([b"'", arg, b"' "].concat());
    }
    let text = "ERR unknown command '{}', with args beginning with: {}";
    CmdError::repeating(text, &[shown_up_to(args[0], SHOWN), &list])
}

/// Every command, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Command> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

impl Command {
    /// The subcommand of this name, in any case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static Command> {
        self.subcommands
            .iter()
            .find(|c| c.last_name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The name without a container's.
    pub fn last_name(&self) -> &'static str {
        self.name.rsplit('|').next().unwrap_or(self.name)
    }

    /// True when the command can take `args` arguments, its name included.
    #[inline]
    pub fn takes(&self, args: usize) -> bool {
        match usize::try_from(self.arity) {
            Ok(exactly) => args == exactly,
            Err(_) => args >= self.arity.unsigned_abs() as usize,
        }
    }

    /// True when all of `flags` are set.
    #[inline]
    pub fn is(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    /// Whether the keys it looks up are hits and misses.
    #[inline]
    pub fn reads(&self) -> bool {
        self.flags & (flag::WRITE | flag::READS) != flag::WRITE
    }

    /// All ACL categories, see [`acl`].
    pub fn all_categories(&self) -> u32 {
        let follows = [
            (flag::WRITE, acl::WRITE),
            (flag::READONLY, acl::READ),
            (flag::ADMIN, acl::ADMIN | acl::DANGEROUS),
            (flag::PUBSUB, acl::PUBSUB),
            (flag::BLOCKING, acl::BLOCKING),
        ];
        let mut categories = self.categories;
        for (flag, category) in follows {
            // As in Redis, what runs scripts is no reader itself.
            if self.is(flag) && !(categories & acl::SCRIPTING != 0 && category == acl::READ) {
                categories |= category;
            }
        }
        categories
            | if self.is(flag::FAST) {
                acl::FAST
            } else {
                acl::SLOW
            }
    }

    const fn new(name: &'static str, arity: i32, flags: u32, keys: KeySpec, run: Run) -> Command {
        Command {
            name,
            arity,
            flags,
            categories: 0,
            keys,
            uses: uses::by_flags(flags),
            syntax: "",
            summary: "",
            since: "",
            group: "",
            complexity: "",
            run,
            subcommands: &[],
        }
    }

    /// A command that works on the shards of its keys.
    pub const fn keyed(
        name: &'static str,
        arity: i32,
        flags: u32,
        keys: KeySpec,
        handler: Handler,
    ) -> Command {
        let lock = Lock::Keys;
        Command::new(name, arity, flags, keys, Run::Data { lock, handler })
    }

    /// A command for which the world stands still.
    pub const fn exclusive(
        name: &'static str,
        arity: i32,
        flags: u32,
        keys: KeySpec,
        handler: Handler,
    ) -> Command {
        let lock = Lock::Exclusive;
        Command::new(name, arity, flags, keys, Run::Data { lock, handler })
    }

    /// This command with another lock.
    pub const fn locks(mut self, lock: Lock) -> Command {
        if let Run::Data { handler, .. } = self.run {
            self.run = Run::Data { lock, handler };
        }
        self
    }

    /// A command whose handler locks shards one at a time.
    pub const fn free(name: &'static str, arity: i32, flags: u32, handler: Handler) -> Command {
        let lock = Lock::Free;
        Command::new(
            name,
            arity,
            flags,
            KeySpec::None,
            Run::Data { lock, handler },
        )
    }

    /// A command of the connection layer.
    pub const fn shell(name: &'static str, arity: i32, flags: u32, run: ShellCommand) -> Command {
        Command::new(name, arity, flags, KeySpec::None, Run::Shell(run))
    }

    /// A command that is only the sum of its subcommands.
    pub const fn container(name: &'static str, subcommands: &'static [Command]) -> Command {
        let mut command = Command::new(name, -2, 0, KeySpec::None, Run::Container);
        command.subcommands = subcommands;
        command
    }

    /// Says what becomes of its keys.
    pub const fn uses(mut self, uses: Uses) -> Command {
        self.uses = uses;
        self
    }

    /// Adds categories, see [`acl`].
    pub const fn acl(mut self, categories: u32) -> Command {
        self.categories = categories;
        self
    }

    /// Sets the keys of a command that has none otherwise.
    pub const fn keys(mut self, keys: KeySpec) -> Command {
        self.keys = keys;
        self
    }

    /// True if Redis 7.0 has it: it is neither younger nor one of our own.
    pub fn is_of_redis_7_0(&self) -> bool {
        const OWN_OR_LATER: [&str; 4] = ["0.", "7.2", "7.4", "8."];
        !OWN_OR_LATER.iter().any(|v| self.since.starts_with(v))
    }

    /// Adds what the documentation says: group, first version, complexity, arguments, summary.
    pub const fn doc(
        mut self,
        group: &'static str,
        since: &'static str,
        complexity: &'static str,
        syntax: &'static str,
        summary: &'static str,
    ) -> Command {
        self.group = group;
        self.since = since;
        self.complexity = complexity;
        self.syntax = syntax;
        self.summary = summary;
        self
    }
}

/// Slots of the index; at most half of them are taken.
const SLOTS: usize = 1024;
const SLOT_MASK: usize = SLOTS - 1;

/// The commands by the hashes of their names.
static INDEX: [Option<&Command>; SLOTS] = index();

/// FNV over the letters in lower case.
const fn hash(name: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    let mut i = 0;
    while i < name.len() {
        hash = (hash ^ (name[i] | 0x20) as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    (hash ^ hash >> 15) as usize
}

const fn index() -> [Option<&'static Command>; SLOTS] {
    let mut slots: [Option<&'static Command>; SLOTS] = [None; SLOTS];
    let (mut family, mut count) = (0, 0);
    while family < FAMILIES.len() {
        let mut index = 0;
        while index < FAMILIES[family].len() {
            let command = &FAMILIES[family][index];
            let mut slot = hash(command.name.as_bytes()) & SLOT_MASK;
            while slots[slot].is_some() {
                slot = (slot + 1) & SLOT_MASK;
            }
            slots[slot] = Some(command);
            index += 1;
            count += 1;
        }
        family += 1;
    }
    assert!(count * 2 <= SLOTS, "the index is too full");
    slots
}
