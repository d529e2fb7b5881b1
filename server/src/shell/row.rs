//! Rows of simple commands on one key each, as pipelines are made of: what may keep such commands from running is looked
//! at once for a whole row, not before each of them.

use super::admit;
use super::ahead::{Ahead, Request};
use super::blocking;
use super::call::{self, World, expiry, is, times_all_alone};
use super::client::trait_of;
use super::commands;
use super::evict::{self, Room};
use super::execute::{Line, REPLY_HIGH};
use crate::command::shell::ShellCommand;
use crate::command::table::{KeySpec, Lock, flag};
use crate::command::{self, Command, Env, Journal, Origin, Run};
use crate::gate::View;
use crate::store::held::Held;

/// What [`Line::row`] may run now.
#[derive(Clone, Copy)]
struct Calm {
    /// Commands that write, and PING, which tells of what keeps a master from writing.
    writes: bool,
}

/// True for commands of constant or logarithmic cost on one key, and for PING. With short arguments SET is one; that Redis
/// does not call it `fast` has to do with memory.
#[inline]
fn is_simple(command: &Command) -> bool {
    use flag::{ADMIN, BLOCKING, MAY_REPLICATE};
    let has_one_key = matches!(
        command.run,
        Run::Data {
            lock: Lock::Keys,
            ..
        }
    ) && matches!(
        command.keys,
        KeySpec::Range {
            first: 1,
            last: 1,
            ..
        }
    );
    (has_one_key || is(command, ShellCommand::Ping))
        && command.flags & (BLOCKING | ADMIN | MAY_REPLICATE) == 0
        && (command.is(flag::FAST) || matches!(command.name, "set" | "setex" | "psetex"))
}

impl Line<'_> {
    /// Runs the requests of `ahead` from `first` on as far as nothing has to be asked about them; how many.
    ///
    /// The last one is left out if it is no plain one: it may be long, and take its time.
    ///
    /// All that [`Call::run`](super::call::Call::run) looks at for a command is either looked at here for all, or ends the row.
    pub fn row(&mut self, view: &View, ahead: &mut Ahead<'_>, first: usize) -> usize {
        let begins = ahead.get_plain(first).and_then(|request| request.command);
        if !begins.is_some_and(is_simple) {
            return 0;
        }
        let Some(calm) = self.calm(view) else {
            return 0;
        };
        let server = self.server;
        let journal: &dyn Journal = &*server.log;
        let db = view.dataset.db(self.session.db as usize);
        let mut env = Env {
            dataset: &view.dataset,
            db: self.session.db as usize,
            now_ms: self.now_ms,
            origin: Origin::Client,
            expiry: expiry(server, view),
            limits: self.limits,
            journal: (!view.fence.replica).then_some(journal),
            in_transaction: false,
            in_script: false,
            no_touch: self.client.is(trait_of::NO_TOUCH),
            waiter: None,
            audience: None,
            hash: None,
        };
        let (mut at, mut wrote) = (first, false);
        let mut tally = call::Tally::default();
        let mut simple = begins;
        // For the requests from the first of these places to the other.
        let (mut held, mut held_from, mut held_until) = (Held::default(), first, first);
        while let Some(&Request { command, hash, .. }) = ahead.get_plain(at) {
            let Some(command) = command else {
                break;
            };
            if !simple.is_some_and(|simple| std::ptr::eq(simple, command)) {
                if !is_simple(command) {
                    break;
                }
                simple = Some(command);
            }
            if at == held_until
                && let Some(db) = db
            {
                held_from = at;
                held_until = ahead.hold(&mut held, db, at);
            }
            let args = ahead.args(at);
            let writes = command.flags & flag::WRITE != 0;
            let is_ping = is(command, ShellCommand::Ping);
            if !command.takes(args.len())
                || ((writes || is_ping) && !calm.writes)
                || self.is_disturbed(view, &mut held)
            {
                break;
            }
            #[cfg(debug_assertions)]
            assert!(self.would_be_admitted(view, command, args, &mut held));
            self.timer.in_a_row(server, self.slot, command);
            env.hash = hash;
            if is_ping {
                commands::run(&mut self.made(World::Gate(view)), ShellCommand::Ping, args);
            } else {
                match held.shard(at - held_from) {
                    Some(shard) => {
                        command::run_held(command, args, &env, shard, self.effects, self.reply);
                    }
                    None => {
                        // Somebody else holds it, and nobody waits who holds others.
                        held.release();
                        held_until = at + 1;
                        command::run(command, args, &env, self.effects, self.reply);
                    }
                }
                tally.add(self.effects);
            }
            self.last = Some(command);
            at += 1;
            wrote |= writes;
            if writes && blocking::any_ready() {
                held.release();
                blocking::serve_ready(server, view, self.slot);
            }
            if self.reply.has_errors() {
                self.reply.has_failed();
                server.latency.failed(self.slot, command);
                self.note_errors();
            }
            if self.reply.len() >= REPLY_HIGH {
                break;
            }
        }
        if wrote {
            self.session.written = server.log.offset();
        }
        tally.count(&server.stats[self.slot]);
        at - first
    }

    /// What others can change while a row runs has changed. What is held may be let go of.
    #[inline]
    fn is_disturbed(&self, view: &View, held: &mut Held<'_>) -> bool {
        let (server, settings) = (self.server, self.settings);
        let has_room = evict::has_room(server, settings) || {
            held.release();
            evict::make_room(server, view, self.slot, settings) == Room::Some
        };
        server.asked.get() != 0
            || server.pause.is_on()
            || server.accounts.generation() != self.session.access.generation
            || !has_room
    }

    /// The long way lets `command` run, too, unless what it looks at has changed only now.
    #[cfg(debug_assertions)]
    fn would_be_admitted(
        &mut self,
        view: &View,
        command: &Command,
        args: &[&[u8]],
        held: &mut Held<'_>,
    ) -> bool {
        if self.settings.maxmemory != 0 {
            // It makes room, too.
            held.release();
        }
        let admitted = self.made(World::Gate(view)).admit(command, args).is_ok();
        let writes = command.is(flag::WRITE);
        let changed = |calm: Calm| (writes || is(command, ShellCommand::Ping)) && !calm.writes;
        admitted || self.is_disturbed(view, held) || self.calm(view).is_none_or(changed)
    }

    /// What simple commands of this client may do now; `None`: each has to be asked about.
    fn calm(&mut self, view: &View) -> Option<Calm> {
        let (server, settings, fence) = (self.server, self.settings, &view.fence);
        let whole = fence.whole && !fence.loading;
        let fresh = !fence.replica || fence.link_up || settings.serve_stale_data;
        let free = self.is_authenticated() && {
            self.made(World::Gate(view)).look_up_access();
            self.session.access.free
        };
        let session = &self.session;
        let usual = session.queue.is_none()
            && session.cached.is_none()
            && !session.is_subscribed()
            && session.is_answered()
            && !self.client.is(trait_of::MONITOR);
        let calm = whole && fresh && free && usual && !times_all_alone(settings);
        calm.then(|| Calm {
            writes: !fence.replica
                && !admit::cannot_save(server, fence, settings)
                && !admit::lacks_replicas(server, fence, settings),
        })
    }
}
