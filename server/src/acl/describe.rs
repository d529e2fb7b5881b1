//! Rules that make a selector, or a user, again: as `ACL LIST`, `ACL GETUSER` and files have them.

use super::commands;
use super::selector::{KeyPattern, Selector, permission};
use super::user::User;
use crate::command::table::acl;
use crate::resp::parse::{is_plain, quoted};

impl Selector {
    /// Its key patterns as rules, separated by spaces.
    pub fn key_rules(&self) -> Vec<u8> {
        let rule = |known: &KeyPattern| {
            let prefix: &[u8] = match known.permissions {
                permission::READ => b"%R~",
                permission::WRITE => b"%W~",
                _ => b"~",
            };
            [prefix, &known.pattern].concat()
        };
        match self.all_keys {
            true => b"~*".to_vec(),
            false => self.keys.iter().map(rule).collect::<Vec<_>>().join(&b' '),
        }
    }

    /// Its channel patterns as rules, separated by spaces.
    pub fn channel_rules(&self) -> Vec<u8> {
        let rule = |pattern: &Vec<u8>| [b"&", &pattern[..]].concat();
        match self.all_channels {
            true => b"&*".to_vec(),
            false => self
                .channels
                .iter()
                .map(rule)
                .collect::<Vec<_>>()
                .join(&b' '),
        }
    }

    /// Rules that allow the commands it allows: all or none, then the categories that come nearest, then single
    /// commands. It is how Redis goes about it.
    pub fn command_rules(&self) -> Vec<u8> {
        // Where nothing is allowed that is not there yet, categories are added to nothing; otherwise taken from all.
        let add = !self.has_future_commands();
        // What the rules so far allow, and what is left to be said of what it allows.
        let (mut said, mut left) = (Selector::new(false), self.clone());
        said.set_all_commands(!add);
        let mut rules: Vec<Vec<u8>> = vec![signed(!add, "@all")];
        let mut used = 0;
        while let Some(bit) = nearest(&left, used, add) {
            let mask = 1 << bit;
            used |= mask;
            rules.push(signed(add, &format!("@{}", acl::NAMES[bit])));
            said.set_category(mask, add);
            left.set_category(mask, !add);
        }
        for numbered in commands::all() {
            let name = numbered.name;
            let allowed = self.commands.has(numbered.id);
            if allowed != said.commands.has(numbered.id) {
                rules.push(signed(allowed, name));
                said.set(numbered, allowed);
            }
            if let (false, Some(args)) = (allowed, self.first_args.get(&numbered.id)) {
                let rule = |arg: &Vec<u8>| [signed(true, name), arg.clone()].join(&b'|');
                rules.extend(args.iter().map(rule));
            }
        }
        rules.join(&b' ')
    }

    fn describe(&self) -> Vec<u8> {
        let mut parts = vec![self.key_rules()];
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        parts.push(self.channel_rules());
        parts.push(self.command_rules());
        parts.retain(|part| !part.is_empty());
        parts.join(&b' ')
    }
}

fn signed(plus: bool, name: &str) -> Vec<u8> {
    format!("{}{name}", if plus { '+' } else { '-' }).into()
}

/// The category, not among `used`, that says most about what is left and least that is wrong.
fn nearest(left: &Selector, used: u32, add: bool) -> Option<usize> {
    let mut best: Option<(usize, usize, usize)> = None;
    for bit in (0..acl::NAMES.len()).filter(|bit| used & 1 << bit == 0) {
        let (mut right, mut wrong) = (0, 0);
        let within = commands::all().iter().filter(|n| n.is_in(1 << bit));
        for numbered in within.filter(|n| n.of_redis) {
            match left.commands.has(numbered.id) == add {
                true => right += 1,
                false => wrong += 1,
            }
        }
        let better = |(_, r, w): (usize, usize, usize)| wrong < w || (wrong == w && right > r);
        if right > wrong && best.is_none_or(better) {
            best = Some((bit, right, wrong));
        }
    }
    best.map(|(bit, ..)| bit)
}

impl User {
    /// The rules that make it, separated by spaces: a line of `ACL LIST` behind the name.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = self.flags().into_iter().map(Vec::from).collect();
        parts.extend(self.hashes().map(|hash| format!("#{hash}").into()));
        parts.push(self.root.describe());
        for selector in &self.others {
            let rules = selector.describe();
            // What is in parentheses is read by the rules of quoting.
            let words = rules
                .split(|b| *b == b' ')
                .map(|word| match is_plain(word) {
                    true => word.to_vec(),
                    false => quoted(word),
                });
            let words: Vec<_> = words.collect();
            parts.push([b"(", &words.join(&b' ')[..], b")"].concat());
        }
        parts.join(&b' ')
    }

    /// The words for what it is apart from its passwords and permissions.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.on { "on" } else { "off" }];
        flags.extend(self.nopass.then_some("nopass"));
        flags.extend(self.sanitize.map(|sanitize| match sanitize {
            true => "sanitize-payload",
            false => "skip-sanitize-payload",
        }));
        flags
    }

    /// The hashes of its passwords, in hexadecimal digits.
    pub fn hashes(&self) -> impl ExactSizeIterator<Item = String> {
        self.passwords.iter().map(super::Password::hex)
    }

    /// The permissions of the rules outside parentheses.
    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// The permissions of each rule in parentheses.
    pub fn others(&self) -> &[Selector] {
        &self.others
    }
}
