//! Running what a connection sent: a batch of requests under the thread's gate.

use super::blocking::{self, Waiter};
use super::call::{Call, World};
use super::client::Client;
use super::conn::Parked;
use super::replication::Answer;
use super::server::{Server, now_ms};
use super::session::Session;
use crate::command::{Command, Effects};
use crate::config::Settings;
use crate::gate::{Entered, Gates, View};
use crate::resp::{ArgList, ParseLimits, Parsed, Parser, Reply};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

/// Bytes read from a socket at once.
const READ_SIZE: usize = 64 << 10;
/// Bytes of replies after which a batch ends, to be sent before more is executed.
const REPLY_HIGH: usize = 256 << 10;
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
}

/// What a batch is run with.
pub(super) struct Bench<'a> {
    pub args: &'a mut ArgList,
    pub reply: &'a mut Reply,
    pub effects: &'a mut Effects,
}

thread_local! {
    static TOOLS: RefCell<Tools> = RefCell::new(Tools {
        read: vec![0; READ_SIZE],
        args: ArgList::default(),
        reply: Reply::default(),
        effects: Effects::default(),
    });
}

impl Worker {
    /// Lends the thread's buffers. Not to be called from within.
    pub fn with<T>(self, use_them: impl FnOnce(&mut Tools) -> T) -> T {
        TOOLS.with_borrow_mut(use_them)
    }

    /// The wait of a blocked client is over without what it waited for.
    pub fn time_out(self, server: &Arc<Server>, waiter: &Arc<Waiter>) {
        let gate = server.gates.enter(self.slot);
        server.blocking.time_out(server, &gate, waiter);
        Gates::leave(gate);
    }
}

impl Tools {
    /// The first `n` bytes read, and what they are executed with.
    pub fn split(&mut self, n: usize) -> (&[u8], Bench<'_>) {
        let bench = Bench {
            args: &mut self.args,
            reply: &mut self.reply,
            effects: &mut self.effects,
        };
        (&self.read[..n], bench)
    }

    /// What bytes are executed with whose arguments go to `args`.
    pub fn bench<'a>(&'a mut self, args: &'a mut ArgList) -> Bench<'a> {
        Bench {
            args,
            reply: &mut self.reply,
            effects: &mut self.effects,
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
}

/// The rest of a command that must not hold a gate.
pub(super) type Outside = Box<dyn FnOnce(&Arc<Server>) -> Answer + Send>;

impl Batch<'_> {
    /// Runs requests until there is no whole one left, or enough of them have run.
    pub fn run(self, worker: Worker, bench: Bench<'_>) -> Ran {
        let settings = self.server.config.settings();
        let started = Instant::now();
        let Bench {
            args,
            reply,
            effects,
        } = bench;
        reply.set_proto(self.session.proto);
        let mut line = Line {
            server: self.server,
            client: self.client,
            session: self.session,
            settings: &settings,
            reply,
            effects,
            now_ms: now_ms(),
            slot: worker.slot,
            last: None,
            timer: started,
        };
        let mut ran = Ran {
            consumed: 0,
            starved: false,
            next: Next::Again,
        };
        let mut commands = 0;
        let mut gate = None;
        while line.reply.len() < REPLY_HIGH && commands < BATCH {
            let request = &self.bytes[ran.consumed..];
            let limits = ParseLimits {
                max_bulk: settings.max_bulk,
                authenticated: line.session.authenticated || settings.requirepass.is_empty(),
            };
            let len = match self.parser.parse(request, &limits, args) {
                Ok(Parsed::Request { len }) => len,
                Ok(Parsed::Incomplete { .. }) => {
                    (ran.starved, ran.next) = (true, Next::Starved);
                    break;
                }
                Err(error) => {
                    tracing::info!("client {} at {}: {error}", self.client.id, self.client.addr);
                    line.reply.error(&format!("ERR {error}"));
                    ran.next = Next::Close;
                    break;
                }
            };
            if args.is_empty() {
                ran.consumed += len;
                continue;
            }
            let argv: SmallVec<[&[u8]; 8]> =
                (0..args.len()).map(|i| args.get(request, i)).collect();
            let start = line.reply.len();
            let flow = line.command(&argv, &mut gate);
            drop(argv);
            args.clear();
            commands += 1;
            if let Flow::Paused = flow {
                let server = Arc::clone(self.server);
                let over = Box::pin(async move { server.pause.over().await });
                ran.next = Next::Park(Parked::Paused(over));
                break;
            }
            ran.consumed += len;
            if line.reply.is_error_at(start) {
                self.server.stats[worker.slot].errors.add(1);
            }
            match flow {
                Flow::Close => {
                    line.session.mute(line.reply, start);
                    ran.next = Next::Close;
                    break;
                }
                Flow::Park(parked) => {
                    ran.next = Next::Park(parked);
                    break;
                }
                _ => line.session.mute(line.reply, start),
            }
        }
        if let Some(gate) = gate {
            Gates::leave(gate);
        }
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
struct Line<'a> {
    server: &'a Arc<Server>,
    client: &'a Arc<Client>,
    session: &'a mut Session,
    settings: &'a Settings,
    reply: &'a mut Reply,
    effects: &'a mut Effects,
    now_ms: i64,
    slot: usize,
    last: Option<&'static Command>,
    timer: Instant,
}

impl Line<'_> {
    /// Runs one command, in the gate if that is enough; enters it if need be, and may leave it.
    fn command<'g>(&mut self, args: &[&[u8]], gate: &mut Option<Entered<'g, View>>) -> Flow
    where
        Self: 'g,
    {
        let entered = gate.get_or_insert_with(|| self.server.gates.enter(self.slot));
        let mut flow = self.call(World::Gate(entered), args);
        if let Flow::NeedAll = flow {
            *gate = None;
            let all = self.server.gates.all();
            let view = all.view().clone();
            flow = self.call(World::All(Box::new(all), view), args);
        }
        if let Flow::Outside(rest) = flow {
            if let Some(gate) = gate.take() {
                Gates::leave(gate);
            }
            self.server.log.kick();
            flow = match rest(self.server) {
                Answer::Now(bytes) => {
                    self.reply.raw(&bytes);
                    Flow::Next
                }
                Answer::Later(later) => Flow::Park(Parked::Later(later)),
            };
        }
        flow
    }

    fn call(&mut self, world: World<'_>, args: &[&[u8]]) -> Flow {
        let mut call = Call {
            server: self.server,
            client: self.client,
            session: self.session,
            settings: self.settings,
            world,
            transaction: None,
            out: self.reply,
            effects: self.effects,
            now_ms: self.now_ms,
            slot: self.slot,
            last: &mut self.last,
            timer: &mut self.timer,
        };
        let flow = call.run(args);
        if blocking::any_ready() {
            blocking::serve_ready(self.server, call.world.view(), self.slot);
        }
        flow
    }
}
