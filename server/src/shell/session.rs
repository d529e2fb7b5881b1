//! What a connection remembers between commands that nobody else needs to know.

use super::accounts::Access;
use super::call;
use super::client::{Client, trait_of};
use super::multi::{Queue, Watching};
use super::pubsub::Subscriptions;
use super::tracking::Cached;
use crate::command::Command;
use crate::command::shell::ShellCommand;
use crate::repl::serve::Hello;
use crate::resp::Reply;
use crate::resp::reply::Proto;

/// The state of one connection. Kept small: what most connections never have is boxed.
pub(super) struct Session {
    /// Who it is, and what it may do.
    pub access: Access,
    /// The selected database.
    pub db: u32,
    /// The protocol it speaks.
    pub proto: Proto,
    /// It logged in, or did not have to when it came.
    pub authenticated: bool,
    /// Which replies it wants.
    pub replies: Replies,
    /// The transaction being queued.
    pub queue: Option<Box<Queue>>,
    /// The keys it watches.
    pub watching: Option<Box<Watching>>,
    /// Where the log was after its last write: what WAIT waits for.
    pub written: u64,
    /// The channels it listens to.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// What it caches.
    pub cached: Option<Box<Cached>>,
    /// Messages and confirmations among the replies it does not want: these it gets all the same.
    pub pushed: Vec<u8>,
    /// What it said of itself by REPLCONF.
    pub hello: Option<Box<Hello>>,
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Replies {
    /// All of them.
    #[default]
    On,
    /// None.
    Off,
    /// None for the command being run, but all for later ones.
    SkipThis,
    /// None for the command being run, and none for the next.
    SkipNext,
}

impl Session {
    /// The state of a connection that is who `access` says.
    pub fn new(access: Access, authenticated: bool) -> Session {
        Session {
            access,
            db: 0,
            proto: Proto::default(),
            authenticated,
            replies: Replies::On,
            queue: None,
            watching: None,
            written: 0,
            subscriptions: None,
            cached: None,
            pushed: Vec::new(),
            hello: None,
        }
    }

    /// Takes back the reply that begins at `start` if the client does not want it.
    #[inline]
    pub fn mute(&mut self, reply: &mut Reply, start: usize) {
        if !self.is_answered() && self.mutes() {
            reply.truncate(start);
            reply.raw(&std::mem::take(&mut self.pushed));
        }
    }

    /// What stands in `reply` from `start` on is no answer, and comes whatever replies the client wants.
    pub fn push(&mut self, reply: &Reply, start: usize) {
        if !self.is_answered() {
            self.pushed.extend_from_slice(&reply.as_bytes()[start..]);
        }
    }

    /// True when the client wants all replies.
    #[inline]
    pub fn is_answered(&self) -> bool {
        matches!(self.replies, Replies::On)
    }

    /// True when the client does not want the reply of the command that just ended.
    pub fn mutes(&mut self) -> bool {
        let (mutes, next) = match self.replies {
            Replies::On => return false,
            Replies::Off => (true, Replies::Off),
            Replies::SkipThis => (true, Replies::On),
            Replies::SkipNext => (true, Replies::SkipThis),
        };
        self.replies = next;
        mutes
    }

    /// A command has run, the last one of its client: what the client is to forget because of it follows its reply.
    #[inline]
    pub fn after_command(
        &mut self,
        client: &Client,
        reply: &mut Reply,
        last: Option<&'static Command>,
    ) {
        if let Some(cached) = &mut self.cached {
            // CLIENT CACHING is about the next command, or the next transaction.
            let about_clients = last.is_some_and(|c| call::is(c, ShellCommand::Client));
            if self.queue.is_none() && !about_clients {
                cached.caching = false;
            }
            client.take_mail(reply.buffer_mut());
        } else if client.is(trait_of::MONITOR) {
            // It sees its own commands, too.
            client.take_mail(reply.buffer_mut());
        }
    }

    /// True when the client listens to messages.
    pub fn is_subscribed(&self) -> bool {
        self.subscriptions.is_some()
    }
}
