//! Users in a file: a line `user name rule...` for each.

use super::user::User;
use super::{DEFAULT, RuleError, has_spaces, merge};
use std::collections::BTreeMap;

/// Users by name.
pub type Users = BTreeMap<Box<[u8]>, User>;

/// A user that a configuration file defines: its name and its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The name.
    pub name: Vec<u8>,
    /// The rules, those in parentheses as one.
    pub rules: Vec<Vec<u8>>,
}

impl Declared {
    /// The user of the line `user words...` of a configuration file, `known` being those before it.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(words: &[&[u8]], known: &[Declared]) -> Result<Declared, String> {
        let Some((name, rules)) = words.split_first() else {
            return Err("wrong number of arguments".to_owned());
        };
        let wrong = |why: &dyn std::fmt::Display| {
            let name = String::from_utf8_lossy(name);
            format!("Error in user declaration '{name}': {why}")
        };
        if has_spaces(name) {
            return Err(wrong(&"Spaces not allowed in ACL usernames"));
        }
        if known.iter().any(|user| user.name == *name) {
            return Err(wrong(&RuleError::Duplicate));
        }
        let rules = merge(rules).map_err(|_| wrong(&UNMATCHED))?;
        let declared = Declared {
            name: name.to_vec(),
            rules,
        };
        match declared.user(false) {
            Ok(_) => Ok(declared),
            Err(why) => Err(wrong(&why)),
        }
    }

    /// The user; `channels` as for [`User::new`].
    ///
    /// # Errors
    /// What is wrong with its rules.
    pub fn user(&self, channels: bool) -> Result<User, RuleError> {
        let mut user = User::new(channels);
        if self.name == DEFAULT {
            // Redis begins with the default user as it is, and resets it.
            user.apply(b"reset", channels)?;
        }
        for rule in &self.rules {
            user.apply(rule, channels)?;
        }
        Ok(user)
    }
}

const UNMATCHED: &str = "Unmatched parenthesis in selector definition";

/// What `users` are as the text of a file.
pub fn write<'a>(users: impl Iterator<Item = (&'a [u8], &'a User)>) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, user) in users {
        text.extend(line(name, user));
        text.push(b'\n');
    }
    text
}

/// The line of one user, without its end.
pub fn line(name: &[u8], user: &User) -> Vec<u8> {
    [b"user ", name, b" ", &user.describe()].concat()
}

/// The users that `text` defines, with a default user whatever it says. `path` is what errors call it; `channels` as
/// for [`User::new`].
///
/// # Errors
/// Everything that is wrong with it, as Redis puts it.
pub fn read(text: &[u8], path: &str, channels: bool) -> Result<Users, Vec<u8>> {
    let mut users = Users::new();
    let mut errors = Vec::new();
    for (i, line) in text.split(|&b| b == b'\n').enumerate() {
        let number = i + 1;
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let words: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
        let (name, rules) = match words[..] {
            [b"user", name, ref rules @ ..] => (name, rules),
            _ => {
                let text = format!(
                    "{path}:{number} should start with user keyword followed by the username. "
                );
                errors.extend(text.bytes());
                continue;
            }
        };
        if has_spaces(name) {
            errors.extend(format!("'{path}:{number}: username '").bytes());
            errors.extend_from_slice(name);
            errors.extend_from_slice(b"' contains invalid characters. ");
            continue;
        }
        if users.contains_key(name) {
            errors.extend_from_slice(b"WARNING: Duplicate user '");
            errors.extend_from_slice(name);
            errors.extend(format!("' found on line {number}. ").bytes());
            continue;
        }
        let user = read_rules(rules, &format!("{path}:{number}: "), channels, &mut errors);
        users.insert(name.into(), user);
    }
    if !errors.is_empty() {
        errors.extend_from_slice(
            b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
        );
        return Err(errors);
    }
    users.entry(DEFAULT.into()).or_insert_with(User::free);
    Ok(users)
}

/// The user that `words` make, as far as they are right; what is wrong goes to `errors`.
fn read_rules(words: &[&[u8]], place: &str, channels: bool, errors: &mut Vec<u8>) -> User {
    let mut user = User::new(channels);
    let Ok(rules) = merge(words) else {
        errors.extend(format!("{place}{UNMATCHED}. ").bytes());
        return user;
    };
    let mut told = false;
    for rule in rules {
        match user.apply(rule.trim_ascii(), channels) {
            Ok(()) => {}
            // A name tells no secret.
            Err(why @ RuleError::Unknown) => {
                errors.extend(format!("{place}Error in applying operation '").bytes());
                errors.extend_from_slice(&rule);
                errors.extend(format!("': {why}. ").bytes());
            }
            // What comes after another mistake may be wrong on its account.
            Err(why) if !told => {
                told = true;
                errors.extend(format!("{place}{why}. ").bytes());
            }
            Err(_) => {}
        }
    }
    user
}
