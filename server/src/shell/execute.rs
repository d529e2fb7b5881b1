//! Running what a connection sent: a batch of requests under the thread's gate.

use super::admit;
use super::ahead::{AHEAD, Ahead, Pages, Then};
use super::blocking::{self, Waiter};
use super::call::{Call, World, is};
use super::client::Client;
use super::conn::Parked;
use super::latency::Timer;
use super::replication::Answer;
use super::server::{Server, now_ms};
use super::session::Session;
use crate::command::shell::ShellCommand;
use crate::command::table::flag;
use crate::command::{Command, Effects, Run};
use crate::config::{Latest, Settings};
use crate::gate::{Entered, Gates, View};
use crate::resp::{ArgList, ParseLimits, Parser, Reply};
use crate::store::Limits;
use crate::sys::time::Instant;
use std::cell::RefCell;
use std::sync::Arc;

/// Bytes read from a socket at once.
const READ_SIZE: usize = 64 << 10;
/// Bytes of replies after which a batch ends, to be sent before more is executed.
pub(super) const REPLY_HIGH: usize = 256 << 10;
/// Bytes of a reply buffer that are kept for the next batch.
pub(super) const REPLY_KEPT: usize = 2 * REPLY_HIGH;
/// Commands after which a batch ends, so that whoever waits for all gates gets them.
const BATCH: usize = 512;

/// Which thread of the server this is: its gate and its counters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worker {
    pub slot: usize,
}

/// The buffers of a thread, used by its connections in turn.
pub(super) struct Tools {
    pub read: Vec<u8>,
    pub args: ArgList,
    pub reply: Reply,
    pub effects: Effects,
    pub pages: Pages,
    pub latest: Option<Latest>,
}

/// What a batch is run with.
pub(super) struct Bench<'a> {
    pub args: &'a mut ArgList,
    pub reply: &'a mut Reply,
    pub effects: &'a mut Effects,
    pub pages: &'a mut Pages,
    pub latest: &'a mut Option<Latest>,
}

thread_local! {
    static TOOLS: RefCell<Tools> = RefCell::new(Tools {
        read: vec![0; READ_SIZE],
        args: ArgList::default(),
        reply: Reply::default(),
        effects: Effects::default(),
        pages: Pages::default(),
        latest: None,
    });
}

impl Worker {
    /// Lends the thread's buffers. Not to be called from within.
    pub fn with<T>(self, use_them: impl FnOnce(&mut Tools) -> T) -> T {
        TOOLS.with_borrow_mut(use_them)
    }

    /// The wait of a blocked client is over without what it waited for. False while a script runs for too long: then it
    /// has to wait on.
    pub fn time_out(self, server: &Arc<Server>, waiter: &Arc<Waiter>) -> bool {
        let Some(gate) = server.enter(self.slot) else {
            return false;
        };
        server.blocking.time_out(server, &gate, waiter);
        Gates::leave(gate);
        true
    }
}

impl Tools {
    /// The first `n` bytes read, and what they are executed with.
    pub fn split(&mut self, n: usize) -> (&[u8], Bench<'_>) {
        let bench = Bench {
            args: &mut self.args,
            reply: &mut self.reply,
            effects: &mut self.effects,
            pages: &mut self.pages,
            latest: &mut self.latest,
        };
        (&self.read[..n], bench)
    }

    /// What bytes are executed with whose arguments go to `args`.
    pub fn bench<'a>(&'a mut self, args: &'a mut ArgList) -> Bench<'a> {
        Bench {
            args,
            reply: &mut self.reply,
            effects: &mut self.effects,
            pages: &mut self.pages,
            latest: &mut self.latest,
        }
    }
}

/// Requests to run, from the start of `bytes`.
pub(super) struct Batch<'a> {
    pub server: &'a Arc<Server>,
    pub client: &'a Arc<Client>,
    pub session: &'a mut Session,
    pub bytes: &'a [u8],
    pub parser: &'a mut Parser,
}

/// How far a batch got.
pub(super) struct Ran {
    pub consumed: usize,
    /// The rest is no whole request.
    pub starved: bool,
    pub next: Next,
}

/// What a connection does after a batch.
pub(super) enum Next {
    /// Send the replies, then go on with the rest.
    Again,
    /// Send the replies, then read more.
    Starved,
    /// Send the replies, then close.
    Close,
    /// Send the replies, then wait.
    Park(Parked),
    /// Send the replies, then go on with the rest outside the runtime.
    Leave,
}

/// What follows from one command.
pub(super) enum Flow {
    /// The next command.
    Next,
    /// The connection ends when its replies are sent.
    Close,
    /// The command is to be called again with all gates held.
    NeedAll,
    /// The rest of the command runs when no gate is held, and gives the reply.
    Outside(Outside),
    /// The connection waits.
    Park(Parked),
    /// The command is to be called again after the pause.
    Paused,
    /// The command may take long, and is to be called again outside the runtime.
    MayTakeLong,
}

/// The rest of a command that must not hold a gate.
pub(super) type Outside = Box<dyn FnOnce(&Arc<Server>) -> Answer + Send>;

impl Batch<'_> {
    /// Runs requests until there is no whole one left, or enough of them have run.
    pub fn run(self, worker: Worker, bench: Bench<'_>) -> Ran {
        let started = Instant::now();
        let Bench {
            args,
            reply,
            effects,
            pages,
            latest,
        } = bench;
        let Latest {
            settings, limits, ..
        } = self.server.config.latest(latest);
        reply.set_proto(self.session.proto);
        let mut line = Line {
            server: self.server,
            client: self.client,
            session: self.session,
            settings,
            limits,
            reply,
            effects,
            now_ms: now_ms(),
            slot: worker.slot,
            last: None,
            timer: Timer::new(started, settings.latency_tracking),
        };
        let mut ran = Ran {
            consumed: 0,
            starved: false,
            next: Next::Again,
        };
        let (mut commands, mut reconfigured) = (0, false);
        let mut gate = None;
        while let Next::Again = ran.next
            && line.reply.len() < REPLY_HIGH
            && commands < BATCH
            && !reconfigured
        {
            let bytes = &self.bytes[ran.consumed..];
            let authenticated = line.is_authenticated();
            let parse_limits = ParseLimits {
                max_bulk: settings.max_bulk,
                authenticated,
            };
            // What comes after AUTH is read under other limits, and so is what comes after RESET.
            let most = if authenticated { AHEAD } else { 1 };
            line.enter(&mut gate);
            let view: Option<&View> = gate.as_deref();
            let db = view.and_then(|view| view.dataset.db(line.session.db as usize));
            let mut ahead = Ahead::new(pages);
            let db = db.map(|db| &**db);
            ahead.parse(bytes, self.parser, &parse_limits, args, most, db);
            let (mut done, mut at) = (0, 0);
            while at < ahead.requests().len() {
                if let Some(view) = &gate {
                    let ran = line.row(view, &mut ahead, at);
                    if ran > 0 {
                        at += ran;
                        commands += ran;
                        done = ahead.requests()[at - 1].end;
                        if line.reply.len() >= REPLY_HIGH {
                            break;
                        }
                        continue;
                    }
                    if let Some(db) = view.dataset.db(line.session.db as usize) {
                        ahead.fetch_entries(db, at);
                    }
                }
                let (request, argv) = (&ahead.requests()[at], ahead.args(at));
                at += 1;
                if argv.is_empty() {
                    done = request.end;
                    continue;
                }
                let start = line.reply.len();
                let flow = line.command(request.command, argv, &mut gate);
                match flow {
                    Flow::Paused => {
                        let server = Arc::clone(self.server);
                        let over = Box::pin(async move { server.pause.over().await });
                        ran.next = Next::Park(Parked::Paused(over));
                        break;
                    }
                    Flow::MayTakeLong => {
                        ran.next = Next::Leave;
                        break;
                    }
                    _ => commands += 1,
                }
                done = request.end;
                line.note_errors();
                match flow {
                    Flow::Close => ran.next = Next::Close,
                    Flow::Park(parked) => {
                        ran.next = Next::Park(parked);
                        break;
                    }
                    _ => {}
                }
                line.session.mute(line.reply, start);
                line.session
                    .after_command(line.client, line.reply, line.last);
                // What comes after CONFIG SET runs with what was set.
                reconfigured = line.last.is_some_and(|c| is(c, ShellCommand::Config));
                if matches!(ran.next, Next::Close)
                    || reconfigured
                    || line.reply.len() >= REPLY_HIGH
                    || line.is_authenticated() != authenticated
                {
                    break;
                }
            }
            ran.consumed += done;
            let is_whole = done == ahead.end();
            let (then, is_noted) = ahead.into_end(pages);
            if is_noted {
                args.clear();
            }
            if !is_whole || line.is_authenticated() != authenticated {
                // What follows is parsed again when its time comes.
                *self.parser = Parser::default();
                args.clear();
                continue;
            }
            match then {
                Then::More => {}
                _ if !matches!(ran.next, Next::Again) => {}
                Then::Starved => (ran.starved, ran.next) = (true, Next::Starved),
                Then::Broken(error) => {
                    tracing::info!("client {} at {}: {error}", self.client.id, self.client.addr);
                    line.reply.error(&format!("ERR {error}"));
                    ran.next = Next::Close;
                }
            }
        }
        line.timer.finish(self.server, worker.slot);
        if let Some(gate) = gate {
            Gates::leave(gate);
        }
        self.server.tracking.broadcast(self.server);
        self.server.log.kick();
        let stats = &self.server.stats[worker.slot];
        stats.commands.add(commands as u64);
        stats.bytes_out.add(line.reply.len() as u64);
        let last = line.last;
        self.client.active(started, last);
        ran
    }
}

/// What the commands of a batch share.
pub(super) struct Line<'a> {
    pub server: &'a Arc<Server>,
    pub client: &'a Arc<Client>,
    pub session: &'a mut Session,
    pub settings: &'a Settings,
    pub limits: &'a Limits,
    pub reply: &'a mut Reply,
    pub effects: &'a mut Effects,
    pub now_ms: i64,
    pub slot: usize,
    pub last: Option<&'static Command>,
    pub timer: Timer,
}

/// It is known beforehand that it needs all gates, and that its thread has to be outside its runtime.
#[inline]
fn runs_script(command: &Command) -> bool {
    let Run::Shell(command) = command.run else {
        return false;
    };
    matches!(
        command,
        ShellCommand::Eval { .. } | ShellCommand::FCall { .. }
    )
}

impl Line<'_> {
    /// The client logged in, or need not.
    pub fn is_authenticated(&self) -> bool {
        self.session.authenticated || self.server.accounts.is_open()
    }

    /// Errors that were replied are counted.
    #[inline]
    pub fn note_errors(&mut self) {
        if self.reply.has_errors() {
            let codes = self.reply.take_errors();
            self.server.note_errors(self.slot, codes);
        }
    }

    /// Enters the gate, unless it is held already, or a script has been running for too long.
    fn enter<'g>(&mut self, gate: &mut Option<Entered<'g, View>>)
    where
        Self: 'g,
    {
        if gate.is_none() {
            self.timer.skip();
            *gate = self.server.enter(self.slot);
        }
    }

    /// Runs one command, in the gate if that is enough; enters it if need be, and may leave it.
    fn command<'g>(
        &mut self,
        named: Option<&'static Command>,
        args: &[&[u8]],
        gate: &mut Option<Entered<'g, View>>,
    ) -> Flow
    where
        Self: 'g,
    {
        let runs_script = named.is_some_and(runs_script)
            && self.session.queue.is_none()
            && self.is_authenticated()
            && !self.server.scripts.is_busy();
        let mut flow = Flow::NeedAll;
        if !runs_script {
            self.enter(gate);
            let Some(entered) = gate else {
                return self.busy(named, args);
            };
            flow = self.call(World::Gate(entered), named, args);
        } else if self.server.is_bound(self.slot) {
            // While it runs it is what its client is seen to do.
            self.last = named;
            return Flow::MayTakeLong;
        }
        if let Flow::NeedAll = flow {
            *gate = None;
            let Some(all) = self.server.enter_all() else {
                return self.busy(named, args);
            };
            let view = all.view().clone();
            self.timer.skip();
            flow = self.call(World::All(Box::new(all), view), named, args);
            // What makes everybody wait may take its time.
            self.now_ms = now_ms();
        }
        if let Flow::Outside(rest) = flow {
            if let Some(gate) = gate.take() {
                Gates::leave(gate);
            }
            self.server.log.kick();
            flow = match rest(self.server) {
                Answer::Now(bytes) => {
                    self.reply.made(&bytes);
                    Flow::Next
                }
                Answer::Later(later) => Flow::Park(Parked::Later(later)),
            };
        }
        flow
    }

    /// Runs one command while a script has been running for too long: most are refused.
    #[cold]
    fn busy(&mut self, named: Option<&'static Command>, args: &[&[u8]]) -> Flow {
        let Some(running) = self.server.scripts.running() else {
            // It has just ended.
            let gate = self.server.gates.enter(self.slot);
            return self.call(World::Gate(&gate), named, args);
        };
        let world = World::Gate(&running.view);
        match admit::find(named, args) {
            Ok(command) if !command.is(flag::ALLOW_BUSY) && self.is_authenticated() => {
                let refusal = running.refusal().as_bytes();
                self.made(world).refuse_call(Some(command), refusal);
                Flow::Next
            }
            // An error about it comes first.
            _ => self.call(world, named, args),
        }
    }

    pub fn made<'b>(&'b mut self, world: World<'b>) -> Call<'b> {
        Call {
            server: self.server,
            client: self.client,
            session: self.session,
            settings: self.settings,
            limits: self.limits,
            world,
            transaction: None,
            out: self.reply,
            effects: self.effects,
            now_ms: self.now_ms,
            slot: self.slot,
            last: &mut self.last,
            timer: &mut self.timer,
        }
    }

    fn call(&mut self, world: World<'_>, named: Option<&'static Command>, args: &[&[u8]]) -> Flow {
        let mut call = self.made(world);
        let flow = call.run(named, args);
        if blocking::any_ready() {
            blocking::serve_ready(call.server, call.world.view(), call.slot);
        }
        flow
    }
}
