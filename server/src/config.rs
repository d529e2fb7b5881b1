//! Configuration: every parameter, its value, and how it changes.
//!
//! [`table`] knows every name of Redis 7.0. A value is kept as CONFIG GET shows it; the parameters that are
//! served are also published as typed [`Settings`], which are read without a lock. Values come from the
//! command line and a configuration file ([`startup`]) and from CONFIG SET, and go back by [`rewrite`].

mod latest;
pub mod rewrite;
pub mod settings;
pub mod startup;
pub mod table;
pub mod value;

pub use latest::Latest;
pub use settings::{Allowed, BufferLimit, Settings};

use crate::acl::file::Declared;
use arc_swap::{ArcSwap, Guard};
use latest::Number;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use table::{Change, NEED_TLS, PARAMS, Param};
use value::Kind;

/// The configuration of a running server.
pub struct Config {
    /// One value per row of the table.
    values: Mutex<Vec<Vec<u8>>>,
    settings: ArcSwap<Settings>,
    number: Number,
    /// Held while the configuration file is written.
    writing: Mutex<()>,
    /// The configuration file the server was started with.
    file: Option<PathBuf>,
    /// The users that it defines.
    users: Vec<Declared>,
    /// Commands and what they are called instead.
    renames: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Why CONFIG SET changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// There is no such parameter.
    Unknown(Vec<u8>),
    /// The parameter of this name cannot become what was asked, for this reason.
    Refused(String, String),
}

/// The row of the parameter called `name`.
pub fn find(name: &str) -> Option<usize> {
    PARAMS.iter().position(|p| p.is_called(name))
}

/// The defaults, as CONFIG GET shows them.
fn defaults() -> Vec<Vec<u8>> {
    let default = |p: &Param| match p.kind {
        Kind::Dir => match std::env::current_dir() {
            Ok(dir) => dir.into_os_string().into_encoded_bytes(),
            Err(_) => b".".to_vec(),
        },
        _ => p.default.into(),
    };
    PARAMS.iter().map(default).collect()
}

/// The parameter in this row is set to what only TLS can do.
fn needs_tls(index: usize, values: &[Vec<u8>]) -> bool {
    let param = &PARAMS[index];
    NEED_TLS.contains(&param.name) && values[index] != param.default.as_bytes()
}

/// What `param` becomes when set to `words`.
fn read(param: &Param, words: &[&[u8]], old: &[u8]) -> Result<Vec<u8>, String> {
    let value = param
        .kind
        .read(words, old)
        .map_err(|why| match param.kind {
            Kind::FileName => format!("{} {why}", param.name),
            _ => why,
        })?;
    if param.kind != Kind::Dir {
        return Ok(value);
    }
    let path = std::path::absolute(String::from_utf8_lossy(&value).as_ref());
    let path = path.map_err(|e| startup::reason(&e))?;
    // Through the directory, so that one we may not enter is an error as well.
    match std::fs::metadata(path.join(".")) {
        Ok(_) => Ok(path.into_os_string().into_encoded_bytes()),
        Err(e) => Err(startup::reason(&e)),
    }
}

impl Config {
    /// Every parameter at its default.
    pub fn new() -> Config {
        Config::with(defaults(), None, Vec::new(), Vec::new())
    }

    fn with(
        values: Vec<Vec<u8>>,
        file: Option<PathBuf>,
        users: Vec<Declared>,
        renames: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Config {
        Config {
            settings: ArcSwap::from_pointee(Settings::new(&values)),
            number: Number::new(),
            values: Mutex::new(values),
            writing: Mutex::new(()),
            file,
            users,
            renames,
        }
    }

    /// The settings of this moment, without a lock.
    pub fn settings(&self) -> Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// The users that lines of the configuration file define, in their order.
    pub fn users(&self) -> &[Declared] {
        &self.users
    }

    /// Commands and what they are called instead (`rename-command`), nothing for those that are not to be called.
    pub fn renames(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.renames
    }

    /// The configuration file the server was started with, if it was.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Names and values of the parameters (older names included) that `matches` picks by their name, and by whether they
    /// are hidden.
    pub fn get(&self, matches: impl Fn(&str, bool) -> bool) -> Vec<(&'static str, Vec<u8>)> {
        let values = self.values.lock();
        let mut found = Vec::new();
        for (param, value) in PARAMS.iter().zip(values.iter()) {
            for name in [Some(param.name), param.alias].into_iter().flatten() {
                if matches(name, param.hidden) {
                    found.push((name, param.kind.show(value)));
                }
            }
        }
        found
    }

    /// Sets all of `pairs`, or none. `local` tells whether the client is on this machine. `prepare` is shown the old and
    /// the new settings before anybody else sees the new ones. Returns the names of those that have no effect here.
    ///
    /// # Errors
    /// The first thing that is wrong with them, or the parameter that `prepare` refuses, and why.
    pub fn set(
        &self,
        pairs: &[(&[u8], &[u8])],
        local: bool,
        prepare: impl FnOnce(&Settings, &Settings) -> Result<(), (&'static str, String)>,
    ) -> Result<Vec<&'static str>, SetError> {
        let mut values = self.values.lock();
        let mut new = values.clone();
        let mut seen = Vec::new();
        let protected_open = match self.settings().protected_configs {
            Allowed::Yes => true,
            Allowed::Local => local,
            Allowed::No => false,
        };
        for (name, value) in pairs {
            let text = std::str::from_utf8(name).ok();
            let Some(index) = text.and_then(find) else {
                return Err(SetError::Unknown(name.to_vec()));
            };
            let param = &PARAMS[index];
            let refused = |why: &str| {
                let name = text.unwrap_or(param.name).to_owned();
                Err(SetError::Refused(name, why.to_owned()))
            };
            match param.change {
                Change::Startup => return refused("can't set immutable config"),
                Change::Protected if !protected_open => {
                    return refused("can't set protected config");
                }
                _ => {}
            }
            if seen.contains(&index) {
                return refused("duplicate parameter");
            }
            seen.push(index);
            let words: Vec<&[u8]> = match param.kind.is_list() {
                true => value.split(|b| *b == b' ').collect(),
                false => vec![value],
            };
            match read(param, &words, &values[index]) {
                Ok(value) => new[index] = value,
                Err(why) => return refused(&why),
            }
        }
        if let Some(index) = seen.iter().find(|index| needs_tls(**index, &new)) {
            tracing::warn!("{} is refused: TLS is not served", PARAMS[*index].name);
            let why = "Unable to update TLS configuration. Check server logs.";
            return Err(SetError::Refused(
                PARAMS[*index].name.to_owned(),
                why.to_owned(),
            ));
        }
        let settings = Settings::new(&new);
        prepare(&self.settings(), &settings)
            .map_err(|(name, why)| SetError::Refused(name.to_owned(), why))?;
        self.settings.store(Arc::new(settings));
        self.number.changes();
        *values = new;
        let ignored = seen.iter().filter(|i| !PARAMS[**i].served);
        Ok(ignored.map(|i| PARAMS[*i].name).collect())
    }

    /// The names that have no effect here and yet differ from their default.
    pub fn ignored(&self) -> Vec<&'static str> {
        let values = self.values.lock();
        let set = PARAMS.iter().zip(values.iter());
        set.filter(|(p, v)| !p.served && p.default.as_bytes() != v.as_slice())
            .map(|(p, _)| p.name)
            .collect()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, SetError> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
            .collect();
        config.set(&pairs, true, |_, _| Ok(()))
    }

    #[test]
    fn every_default_is_a_value() {
        for param in PARAMS {
            let words: Vec<&[u8]> = match param.kind.is_list() {
                true => param.default.as_bytes().split(|b| *b == b' ').collect(),
                false => vec![param.default.as_bytes()],
            };
            if param.kind != Kind::Dir {
                let old = param.default.as_bytes();
                assert_eq!(
                    read(param, &words, old).as_deref(),
                    Ok(old),
                    "{}",
                    param.name
                );
            }
            assert_eq!(param.served, !param.help.is_empty(), "{}", param.name);
        }
    }

    #[test]
    fn a_name_stands_for_one_parameter() {
        for (i, param) in PARAMS.iter().enumerate() {
            for name in [Some(param.name), param.alias].into_iter().flatten() {
                assert_eq!(find(&name.to_uppercase()), Some(i));
            }
        }
    }

    #[test]
    fn every_served_parameter_has_a_setting() {
        // Syncs are diskless whatever it says.
        let exempt = ["repl-diskless-sync"];
        for param in PARAMS.iter().filter(|p| p.served) {
            let read = settings::READ.contains(&param.name);
            assert!(read || exempt.contains(&param.name), "{}", param.name);
        }
    }

    #[test]
    fn set_changes_all_or_nothing() {
        let config = Config::new();
        let wrong = set(&config, &[("maxclients", "7"), ("timeout", "x")]);
        assert_eq!(
            wrong,
            Err(SetError::Refused(
                "timeout".to_owned(),
                "argument couldn't be parsed into an integer".to_owned()
            ))
        );
        assert_eq!(config.settings().maxclients, 10000);
        assert_eq!(
            set(&config, &[("maxclients", "7"), ("slave-priority", "3")]),
            Ok(vec![])
        );
        assert_eq!(config.settings().maxclients, 7);
        assert_eq!(config.settings().replica_priority, 3);
        let shown = config.get(|name, _| name.ends_with("-priority"));
        let three = b"3".to_vec();
        assert_eq!(
            shown,
            [
                ("replica-priority", three.clone()),
                ("slave-priority", three)
            ]
        );
    }

    #[test]
    fn set_refuses_what_redis_refuses() {
        let config = Config::new();
        let why = |pairs: &[(&str, &str)]| match set(&config, pairs) {
            Err(SetError::Refused(_, why)) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            why(&[("timeout", "1"), ("timeout", "1")]),
            "duplicate parameter"
        );
        assert_eq!(why(&[("databases", "1")]), "can't set immutable config");
        assert_eq!(why(&[("dir", "/")]), "can't set protected config");
        let unknown = set(&config, &[("foo", "1")]);
        assert_eq!(unknown, Err(SetError::Unknown(b"foo".to_vec())));
        assert_eq!(
            set(&config, &[("jemalloc-bg-thread", "no")]),
            Ok(vec!["jemalloc-bg-thread"])
        );
        assert_eq!(config.ignored(), ["jemalloc-bg-thread"]);
    }
}
