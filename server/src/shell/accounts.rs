//! Who connections are: the users of this server, and what they may do.
//!
//! A connection holds the [`Account`] it is, and knows whether it may do everything ([`Access`]); it looks again when
//! the generation has moved on. Users change while all gates are held, so no command runs by rules that are no more.

use super::client::Client;
use super::pubsub::Kind;
use super::server::{Server, now_ms};
use super::start::in_dir;
use crate::acl::check::Lost;
use crate::acl::file::{self, Declared, Users};
use crate::acl::{AccessLog, DEFAULT, Denied, Entry, RulesError, User};
use crate::command::Command;
use crate::config::Settings;
use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use tokio::sync::Notify;

/// A user, as connections hold it: its rules change under them.
pub struct Account {
    /// Its name.
    pub name: Box<[u8]>,
    rules: ArcSwap<User>,
    /// It was deleted: its connections have to go.
    gone: AtomicBool,
    /// Told when it is.
    deleted: Notify,
}

impl Account {
    fn new(name: &[u8], user: User) -> Arc<Account> {
        Arc::new(Account {
            name: name.into(),
            rules: ArcSwap::from_pointee(user),
            gone: AtomicBool::new(false),
            deleted: Notify::new(),
        })
    }

    /// What it may do.
    pub fn rules(&self) -> Guard<Arc<User>> {
        self.rules.load()
    }

    /// True once it was deleted.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Acquire)
    }

    /// Ready once it was deleted.
    pub(super) async fn ended(&self) {
        // Enlisted before it is looked at, so that the deletion does not fall between.
        let mut deleted = std::pin::pin!(self.deleted.notified());
        deleted.as_mut().enable();
        if !self.is_gone() {
            deleted.await;
        }
    }

    fn end(&self) {
        self.gone.store(true, Release);
        self.deleted.notify_waiters();
    }
}

/// What a connection may do, as far as it was looked up.
#[derive(Clone)]
pub(super) struct Access {
    pub account: Arc<Account>,
    /// It may do everything.
    pub free: bool,
    /// When that was looked up.
    pub generation: u64,
}

impl Access {
    /// Whether it may run `command` with `args`.
    ///
    /// # Errors
    /// What it may not do.
    pub fn check(&self, command: &Command, args: &[&[u8]]) -> Result<(), Denied> {
        match self.free {
            true => Ok(()),
            false => self.account.rules().check(command, args),
        }
    }
}

/// All users.
pub struct Accounts {
    all: Mutex<BTreeMap<Box<[u8]>, Arc<Account>>>,
    default: Arc<Account>,
    /// Raised with every change.
    generation: AtomicU64,
    /// The default user is on and needs no password.
    open: AtomicBool,
    log: Mutex<AccessLog>,
}

impl Accounts {
    /// The users that a configuration has, whose rules were checked when it was read.
    pub(super) fn new(settings: &Settings, declared: &[Declared]) -> Accounts {
        let mut user = User::free();
        user.set_only_password(&settings.requirepass);
        let default = Account::new(DEFAULT, user);
        let accounts = Accounts {
            all: Mutex::new(BTreeMap::from([(DEFAULT.into(), Arc::clone(&default))])),
            default,
            generation: AtomicU64::new(0),
            open: AtomicBool::new(false),
            log: Mutex::default(),
        };
        for one in declared {
            match one.user(settings.acl_pubsub_default) {
                Ok(user) => accounts.put(&one.name, user),
                Err(why) => {
                    let name = String::from_utf8_lossy(&one.name);
                    tracing::warn!("user '{name}' of the configuration: {why}");
                }
            }
        }
        accounts.changed();
        accounts
    }

    /// Lets everybody know that something changed.
    fn changed(&self) {
        let default = self.default.rules();
        let open = default.is_on() && default.needs_no_password();
        self.open.store(open, Release);
        self.generation.fetch_add(1, AcqRel);
    }

    /// Raised with every change.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// True when connections need not log in.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.open.load(Acquire)
    }

    /// True when the default user needs a password, whether or not it may log in.
    pub fn has_password(&self) -> bool {
        !self.default.rules().needs_no_password()
    }

    /// The default user.
    pub fn default_account(&self) -> &Arc<Account> {
        &self.default
    }

    /// The user of this name.
    pub fn get(&self, name: &[u8]) -> Option<Arc<Account>> {
        self.all.lock().get(name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.all.lock().values().cloned().collect()
    }

    /// The lines of a file that has them all.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        let all = self.all();
        let line = |a: &Arc<Account>| file::line(&a.name, &a.rules());
        all.iter().map(line).collect()
    }

    /// What somebody may do who is this user.
    pub(super) fn access(&self, account: &Arc<Account>) -> Access {
        let generation = self.generation();
        Access {
            free: account.rules().is_free() && !account.is_gone(),
            account: Arc::clone(account),
            generation,
        }
    }

    fn put(&self, name: &[u8], user: User) {
        let mut all = self.all.lock();
        match all.get(name) {
            Some(account) => account.rules.store(Arc::new(user)),
            None => {
                all.insert(name.into(), Account::new(name, user));
            }
        }
    }

    /// `requirepass` was set.
    pub(super) fn set_default_password(&self, password: &[u8]) {
        let mut user = User::clone(&self.default.rules());
        user.set_only_password(password);
        self.default.rules.store(Arc::new(user));
        self.changed();
    }

    /// The log of what was refused.
    pub fn log(&self) -> parking_lot::MutexGuard<'_, AccessLog> {
        self.log.lock()
    }
}

impl Server {
    /// Remembers that `client` was refused something.
    #[cold]
    pub(super) fn log_refusal(&self, client: &Client, mut entry: Entry, settings: &Settings) {
        entry.at_ms = now_ms();
        entry.client = client.describe();
        self.accounts.log().add(entry, settings.acllog_max_len);
    }

    /// Makes a user, or changes it, by the words of `ACL SETUSER`. To be called with all gates held.
    ///
    /// # Errors
    /// The rule that is wrong; nothing has changed then.
    pub(super) fn set_user(&self, name: &[u8], words: &[&[u8]]) -> Result<(), RulesError> {
        let channels = self.config.settings().acl_pubsub_default;
        let account = self.accounts.get(name);
        let mut user = match &account {
            Some(account) => User::clone(&account.rules()),
            None => User::new(channels),
        };
        user.apply_all(words, channels)?;
        if let Some(account) = &account {
            self.close_listeners(account, &Lost::between(&account.rules(), &user));
        }
        self.accounts.put(name, user);
        self.accounts.changed();
        Ok(())
    }

    /// Closes the connections of `account` that listen to what was lost.
    fn close_listeners(&self, account: &Arc<Account>, lost: &Lost) {
        if lost.is_nothing() {
            return;
        }
        self.pubsub.each_listener(|kind, name, client| {
            if client.is_user(account) && lost.has(name, kind == Kind::Pattern) {
                client.kill();
            }
        });
    }

    /// Deletes a user, whose connections are closed; false when there is none. `own` is the connection that asks for
    /// it: it is to get its reply. To be called with all gates held.
    pub(super) fn delete_user(&self, name: &[u8], own: &Client) -> bool {
        let removed = self.accounts.all.lock().remove(name);
        if let Some(account) = &removed {
            self.close_all_of(account, own);
            self.accounts.changed();
        }
        removed.is_some()
    }

    fn close_all_of(&self, account: &Arc<Account>, own: &Client) {
        account.end();
        for client in self.clients.all() {
            if client.is_user(account) {
                match client.id == own.id {
                    true => client.close(),
                    false => client.kill(),
                }
            }
        }
    }

    /// True when users are in a file of their own.
    pub(super) fn has_user_file(&self) -> bool {
        !self.config.settings().aclfile.as_os_str().is_empty()
    }

    /// Reads the users from `aclfile`.
    ///
    /// # Errors
    /// All that is wrong with it, for people.
    pub(super) fn read_users(&self) -> Result<Users, Vec<u8>> {
        let settings = self.config.settings();
        let path = settings.aclfile.display().to_string();
        match std::fs::read(in_dir(&settings, &settings.aclfile)) {
            Ok(text) => file::read(&text, &path, settings.acl_pubsub_default),
            Err(e) => {
                let why = crate::config::startup::reason(&e);
                Err(format!("Error loading ACLs, opening file '{path}': {why}").into())
            }
        }
    }

    /// Puts `users` in place of those there are; who is one of these is sent away, unless it is the default user. To be
    /// called with all gates held, once there are connections.
    pub(super) fn replace_users(&self, mut users: Users, own: Option<&Client>) {
        if let Some(user) = users.remove(DEFAULT) {
            self.accounts.default.rules.store(Arc::new(user));
        }
        let mut all: BTreeMap<_, _> = users
            .into_iter()
            .map(|(name, user)| (name.clone(), Account::new(&name, user)))
            .collect();
        let default = Arc::clone(&self.accounts.default);
        all.insert(DEFAULT.into(), default);
        let old = std::mem::replace(&mut *self.accounts.all.lock(), all);
        for account in old.values().filter(|a| *a.name != *DEFAULT) {
            if let Some(own) = own {
                self.close_all_of(account, own);
            }
        }
        self.accounts.changed();
    }

    /// Writes the users to `aclfile`.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn write_users(&self, path: &Path) -> std::io::Result<()> {
        let mut text = self.accounts.lines().join(&b'\n');
        text.push(b'\n');
        crate::config::rewrite::replace(path, &text)
    }
}
