//! Whether a user may run a command.

use super::commands;
use super::selector::{KeyPattern, Selector, permission};
use crate::command::Command;
use crate::command::shell::ShellCommand as S;
use crate::command::table::{Positions, Run, flag};
use crate::command::uses::{self, Uses};
use crate::store::glob;
use std::cell::OnceCell;

/// What a user may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// Run the command.
    Command,
    /// Use the key in this argument.
    Key(usize),
    /// Use the channel in this argument.
    Channel(usize),
}

impl Denied {
    /// What is wrong, as Redis puts it, after `NOPERM`.
    pub fn text(self, command: &Command) -> String {
        match self {
            Denied::Command => format!(
                "this user has no permissions to run the '{}' command",
                command.name
            ),
            Denied::Key(_) => "this user has no permissions to access one of the keys used as \
                               arguments"
                .to_owned(),
            Denied::Channel(_) => "this user has no permissions to access one of the channels \
                                   used as arguments"
                .to_owned(),
        }
    }

    /// The reply of `ACL DRYRUN`, which may say more than the error of a command.
    pub fn in_full(self, command: &Command, args: &[&[u8]]) -> Vec<u8> {
        let (what, at) = match self {
            Denied::Command => {
                let text = format!(
                    "This user has no permissions to run the '{}' command",
                    command.name
                );
                return text.into();
            }
            Denied::Key(at) => ("key", at),
            Denied::Channel(at) => ("channel", at),
        };
        let named = args.get(at).copied().unwrap_or_default();
        let mut text = b"This user has no permissions to access the '".to_vec();
        text.extend_from_slice(named);
        text.extend(format!("' {what}").bytes());
        text
    }

    /// What a script is told of a command it may not run, as Redis puts it.
    pub fn in_script(self) -> &'static str {
        match self {
            Denied::Command => "The user executing the script can't run this command or subcommand",
            Denied::Key(_) => {
                "The user executing the script can't access at least one of the keys mentioned in the command arguments"
            }
            Denied::Channel(_) => {
                "The user executing the script can't publish to the channel mentioned in the command"
            }
        }
    }

    /// Why a command of a transaction does not run that was queued, as Redis puts it.
    pub fn in_exec(self) -> &'static str {
        match self {
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => "no permission to access one of the channels used as arguments",
        }
    }
}

/// Why SORT does not look at the keys that its patterns stand for, as Redis puts it: nobody knows which these are, so
/// its user has to be one who may read all.
pub(super) fn refuse_sort<'a>(
    selectors: impl Iterator<Item = &'a Selector>,
    command: &Command,
    args: &[&[u8]],
) -> Option<&'static str> {
    let denied = match pattern_of_sort(args.get(2..)?)? {
        "by" => "ERR BY option of SORT denied due to insufficient ACL permissions.",
        _ => "ERR GET option of SORT denied due to insufficient ACL permissions.",
    };
    let call = Call {
        command,
        args,
        keys: OnceCell::new(),
    };
    let reads_all = |selector: &Selector| {
        let everything =
            |known: &KeyPattern| known.pattern == b"*" && known.permissions & permission::READ != 0;
        selector.all_keys || selector.keys.iter().any(everything)
    };
    let mut selectors = selectors;
    match selectors.any(|selector| call.check(selector).is_ok() && reads_all(selector)) {
        true => None,
        false => Some(denied),
    }
}

/// The first option of SORT that looks at further keys.
fn pattern_of_sort(options: &[&[u8]]) -> Option<&'static str> {
    let mut rest = options;
    while let [option, after @ ..] = rest {
        let values = match (option.to_ascii_lowercase().as_slice(), after) {
            (b"asc" | b"desc" | b"alpha", _) => 0,
            (b"limit", [_, _, ..]) => 2,
            (b"store", [_, ..]) => 1,
            // Without a star it is a name of no key.
            (b"by", [pattern, ..]) if !pattern.contains(&b'*') => 1,
            (b"by", [_, ..]) => return Some("by"),
            (b"get", [_, ..]) => return Some("get"),
            _ => return None,
        };
        rest = &after[values..];
    }
    None
}

/// The keys of one call, looked for once however many selectors there are.
struct Call<'a> {
    command: &'a Command,
    args: &'a [&'a [u8]],
    keys: OnceCell<(Positions, Uses)>,
}

/// Whether one of `selectors` allows `command` with `args`; if none does, the error is the one furthest on.
pub(super) fn check<'a>(
    selectors: impl Iterator<Item = &'a Selector>,
    command: &Command,
    args: &[&[u8]],
) -> Result<(), Denied> {
    let call = Call {
        command,
        args,
        keys: OnceCell::new(),
    };
    let mut worst = Denied::Command;
    for selector in selectors {
        match call.check(selector) {
            Ok(()) => return Ok(()),
            Err(denied) => worst = worst.max(denied),
        }
    }
    Err(worst)
}

impl Call<'_> {
    fn check(&self, selector: &Selector) -> Result<(), Denied> {
        if !selector.all_commands && !self.command.is(flag::NO_AUTH) && !self.may_run(selector) {
            return Err(Denied::Command);
        }
        if !selector.all_keys {
            let (positions, uses) = self.keys.get_or_init(|| self.keys());
            for (nth, &at) in positions.iter().enumerate() {
                if !may_use(selector, self.args[at], uses.permissions(nth)) {
                    return Err(Denied::Key(at));
                }
            }
        }
        if !selector.all_channels {
            for (at, is_pattern) in channels(self.command, self.args.len()) {
                let channels = selector.channels.iter().map(Vec::as_slice);
                if !allows_channel(channels, self.args[at], is_pattern) {
                    return Err(Denied::Channel(at));
                }
            }
        }
        Ok(())
    }

    fn may_run(&self, selector: &Selector) -> bool {
        let Some(id) = commands::numbered(self.command).map(|n| n.id) else {
            return false;
        };
        let first = self.args.get(1);
        selector.commands.has(id)
            || selector.first_args.get(&id).is_some_and(|allowed| {
                first.is_some_and(|first| allowed.iter().any(|a| a.eq_ignore_ascii_case(first)))
            })
    }

    fn keys(&self) -> (Positions, Uses) {
        let general = commands::numbered(self.command)
            .and_then(|n| n.uses)
            .unwrap_or(self.command.uses);
        let uses = uses::of(self.command, general, self.args);
        match uses {
            // Shard channels are found as keys are.
            Uses::NOT_KEYS => (Positions::new(), uses),
            // With another number of keys than it says the command is refused, whoever calls it.
            _ => {
                let keys = self.command.keys.right_positions(self.args);
                (keys.unwrap_or_default(), uses)
            }
        }
    }
}

/// Whether `key` may be used in the ways of `permissions`.
fn may_use(selector: &Selector, key: &[u8], permissions: u8) -> bool {
    selector.keys.iter().any(|known| {
        known.permissions & permissions == permissions && glob::matches(&known.pattern, key)
    })
}

impl Uses {
    /// The permissions that the `nth` key needs.
    fn permissions(&self, nth: usize) -> u8 {
        let mut needed = 0;
        for flag in self.flags(nth) {
            needed |= match *flag {
                "access" => permission::READ,
                "insert" | "update" | "delete" => permission::WRITE,
                _ => 0,
            };
        }
        needed
    }
}

/// The arguments that are channels to be published to or listened to, and whether they are patterns. Nobody needs a
/// permission to stop listening.
fn channels(command: &Command, args: usize) -> impl Iterator<Item = (usize, bool)> {
    let (range, is_pattern) = match command.run {
        Run::Shell(S::Publish | S::SPublish) => (1..args.min(2), false),
        Run::Shell(S::Subscribe | S::SSubscribe) => (1..args, false),
        Run::Shell(S::PSubscribe) => (1..args, true),
        _ => (0..0, false),
    };
    range.map(move |at| (at, is_pattern))
}

/// Whether one of `patterns` allows `channel`. A pattern to listen to has to be one of them, letter by letter.
pub(super) fn allows_channel<'a>(
    mut patterns: impl Iterator<Item = &'a [u8]>,
    channel: &[u8],
    is_pattern: bool,
) -> bool {
    patterns.any(|pattern| match is_pattern {
        true => pattern == channel,
        false => glob::matches(pattern, channel),
    })
}

/// What a change of a user's rules took from those who listen as this user: a channel they listen to, or nothing.
pub struct Lost(Option<Vec<Vec<u8>>>);

impl Lost {
    /// What was lost when `old` became `new`.
    pub fn between(old: &super::User, new: &super::User) -> Lost {
        if new.selectors().any(|s| s.all_channels) {
            return Lost(None);
        }
        let left: Vec<Vec<u8>> = new.selectors().flat_map(|s| s.channels.clone()).collect();
        let same = |s: &Selector| !s.all_channels && s.channels.iter().all(|c| left.contains(c));
        match old.selectors().all(same) {
            true => Lost(None),
            false => Lost(Some(left)),
        }
    }

    /// True when nobody can have lost anything.
    pub fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    /// True when this channel, or pattern, may not be listened to any more.
    pub fn has(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.0.as_ref().is_some_and(|left| {
            !allows_channel(left.iter().map(Vec::as_slice), channel, is_pattern)
        })
    }
}
