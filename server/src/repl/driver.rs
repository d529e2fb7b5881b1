//! The one place where the core is stepped: facts in, deeds done in their order, status published.
//!
//! Every fact that can change what is published is stepped with all gates held, but for what the applier says, and the
//! status that follows from it lies in every gate before they open and before any reply leaves. So commit and
//! publication are one step to every command, as the model has it, and an applier is at rest while its link is stopped.
//! A batch is stepped under the applier's own gate: whoever wants to stop it waits for that gate. So is that a command
//! of it failed; what follows from that is done, and published, with the next step that has all gates, and whoever must
//! know before asks the core ([`Driver::has_diverged`]).
//!
//! Locks, in order: gates, then the driver's own, then those of shards and log.

mod deeds;
mod handover;
mod inputs;
mod machine;
#[cfg(test)]
mod tests;

pub use handover::Watch;
pub use inputs::{Asked, Begun, Follow};
pub use machine::Start;

use super::attempt::Attempts;
use super::domain::{Host, Id, Status, Wire};
use super::facts::Facts;
use crate::command::{Audience, Command};
use crate::config::Config;
use crate::gate::{AllGates, Gates, Published, View};
use crate::log::ReplLog;
use crate::shell::master::MasterClient;
use crate::store::Dataset;
use crate::sys::net::TcpStream;
use crate::sys::time::Instant;
use damselfly_core::{Attempt, Input, Output};
use deeds::Left;
use handover::HandOvers;
use machine::Machine;
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Comes when a pause is over, or has changed.
pub type Over = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Ends a task.
pub type Stop = Box<dyn FnOnce() + Send>;

/// Starts what takes time. Each method returns at once; the task may call the driver as soon as it likes.
pub trait Tasks: Send + Sync {
    /// Phase one of a `REPLICAOF`: ends in [`Driver::commit`] or [`Driver::attempt_failed`].
    fn attempt(&self, driver: &Arc<Driver>, attempt: Attempt<Wire>) -> Stop;
    /// A redial: ends in [`Driver::dialed`] or [`Driver::lost`].
    fn dial(&self, driver: &Arc<Driver>, generation: u64, target: Host) -> Stop;
    /// Calls [`Driver::timer`] after `delay`.
    fn arm(&self, driver: &Arc<Driver>, generation: u64, delay: Duration);
}

/// What a change of role or dataset does to the rest of the server. Unless it says otherwise, a method is called with
/// all gates held, after the new status lies in them: it must not wait for a gate, nor for long.
pub trait Hooks: Send + Sync {
    /// A master became a replica: clients that wait for writes of theirs are to be sent away.
    fn demoted(&self, view: &View);
    /// A hand-over is under way from here on, or is over: writes of clients wait as long as one is.
    fn handing_over(&self, under_way: bool);
    /// Our history goes on under another name or is another one: our own replicas must come anew.
    fn drop_replicas(&self);
    /// The link streams on this socket: what CLIENT LIST shows of it, as long as it does.
    fn list_link(&self, stream: &TcpStream) -> Option<MasterClient>;
    /// How often a client had the configuration file written.
    fn rewrites(&self) -> u64;
    /// Writes the configuration file once more, since a client had it written when a `REPLICAOF` was accepted and not
    /// yet committed. Called without a gate.
    fn rewrite(&self);
    /// The master's stream carries a message for subscribers. Called with a gate held.
    fn publish(&self, sharded: bool, channel: &[u8], message: &[u8]);
    /// Gives whoever hears of what the master's stream does to `run`. Called with a gate held; what clients are to
    /// forget is told when `run` is done.
    fn hear(&self, run: &mut dyn FnMut(&mut dyn Witness)) {
        run(&mut Nobody);
    }
    /// The master's stream changed the dataset so often, or emptied it. Called with the applier's gate held.
    fn changed(&self, _changes: u64, _emptied: bool) {}
    /// Another dataset is served: clients that cache are to forget all. Called with all gates held.
    fn replaced(&self) {}
    /// When the pause is over during which the master's stream waits, if clients have made one. Called without a gate.
    fn paused(&self) -> Option<Over> {
        None
    }
    /// The master's stream, or its snapshot, changed keys that clients wait for. Called with a gate held whose view is `view`.
    fn serve_waiting(&self, view: &View);
}

/// Hears of what the master's stream does.
pub trait Witness {
    /// `command` of the stream is to run with `args`, for database `db`: that is what `run` does, which tells what
    /// happens to keys to whom it is given, and returns false if it fails.
    fn sees(
        &mut self,
        _db: usize,
        _command: &'static Command,
        _args: &[&[u8]],
        run: &mut dyn FnMut(Option<&dyn Audience>) -> bool,
    ) {
        run(None);
    }
}

/// Nobody hears of it.
pub(super) struct Nobody;

impl Witness for Nobody {}

/// The parts of the server that the driver works on.
pub struct World {
    /// The gates, the last of which is the applier's.
    pub gates: Arc<Gates<View>>,
    /// Our own log.
    pub log: Arc<ReplLog>,
    /// The configuration.
    pub config: Arc<Config>,
    /// Who starts attempts and links.
    pub tasks: Box<dyn Tasks>,
    /// Who must know of changes of role and dataset.
    pub hooks: Box<dyn Hooks>,
}

/// The shell around the core; see the module.
pub struct Driver {
    world: World,
    run_id: Id,
    inner: Mutex<Inner>,
    published: Published<Status>,
    facts: Arc<Facts>,
    /// One snapshot at a time takes memory: from its first key to the last key of the dataset it replaced.
    room: Arc<Semaphore>,
}

struct Inner {
    machine: Machine,
    attempts: Attempts,
    /// The tasks that have a connection to a master, by generation. One, but for the old algorithm.
    links: Vec<(u64, Stop)>,
    /// Connections lost in a row.
    losses: u32,
    /// Since when the link streams, if it does.
    up_since: Option<Instant>,
    hand_overs: HandOvers,
    /// Deeds that followed from a fact of the applier in its own gate, and wait for all gates.
    owed: Vec<Output<Wire>>,
    /// Nothing is started any more.
    closed: bool,
}

impl Driver {
    /// A node that reads its snapshot file; its status is in every gate when this returns. Tell it
    /// [`Driver::restored`] next.
    ///
    /// # Errors
    /// The trace file cannot be made.
    pub fn new(world: World, start: Start) -> io::Result<Arc<Driver>> {
        let settings = Arc::clone(&world.config.settings());
        let machine = Machine::new(&start, &settings)?;
        let status = machine.status();
        let driver = Arc::new(Driver {
            run_id: start.run_id,
            inner: Mutex::new(Inner {
                machine,
                attempts: Attempts::default(),
                links: Vec::new(),
                losses: 0,
                up_since: None,
                hand_overs: HandOvers::default(),
                owed: Vec::new(),
                closed: false,
            }),
            published: Published::new(status),
            facts: Arc::new(Facts::new()),
            room: Arc::new(Semaphore::new(1)),
            world,
        });
        let (gates, status) = (&driver.world.gates, driver.status());
        gates.all().update(|view| view.set_status(status));
        Ok(driver)
    }

    /// What INFO and ROLE say, without waiting for anything.
    pub fn status(&self) -> Arc<Status> {
        self.published.load()
    }

    /// What INFO says beyond the status.
    pub fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// The run id of this process.
    pub fn run_id(&self) -> Id {
        self.run_id
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.world.config
    }

    /// The gates.
    pub fn gates(&self) -> &Gates<View> {
        &self.world.gates
    }

    /// The dataset that is served.
    pub fn dataset(&self) -> Arc<Dataset> {
        let gates = &self.world.gates;
        Arc::clone(&gates.enter(gates.len() - 1).dataset)
    }

    /// Our own log.
    pub fn log(&self) -> &Arc<ReplLog> {
        &self.world.log
    }

    /// What CLIENT LIST shows of the link that streams on this socket.
    pub fn list_link(&self, stream: &TcpStream) -> Option<MasterClient> {
        self.world.hooks.list_link(stream)
    }

    /// Hands a message of the stream to our subscribers.
    pub(super) fn publish_message(&self, sharded: bool, channel: &[u8], message: &[u8]) {
        self.world.hooks.publish(sharded, channel, message);
    }

    /// When the pause is over during which the master's stream waits, if there is one.
    pub(super) fn paused(&self) -> Option<Over> {
        self.world.hooks.paused()
    }

    /// A batch of the master's stream changed the dataset so often, or emptied it.
    pub(super) fn changed(&self, changes: u64, emptied: bool) {
        self.world.hooks.changed(changes, emptied);
    }

    /// Gives whoever hears of what the stream does to `run`.
    pub(super) fn hear(&self, run: &mut dyn FnMut(&mut dyn Witness)) {
        self.world.hooks.hear(run);
    }

    /// Serves the clients that wait for what this thread changed.
    pub(super) fn serve_waiting(&self, view: &View) {
        self.world.hooks.serve_waiting(view);
    }

    /// The room that one snapshot at a time may take.
    pub(super) fn room(&self) -> &Arc<Semaphore> {
        &self.room
    }

    /// Properties of the protocol that steps have broken so far: empty, or there is a bug. Watched in debug
    /// builds only.
    pub fn broken(&self) -> damselfly_core::properties::Broken {
        self.inner.lock().machine.broken()
    }

    /// Steps the core with the facts that `input` makes of the state of affairs, carries out what follows, and
    /// publishes.
    fn step(
        self: &Arc<Self>,
        all: &mut AllGates<'_, View>,
        cargo: deeds::Cargo,
        input: Input<Wire>,
    ) -> Left {
        let mut inner = self.inner.lock();
        let deeds = inner.machine.step(input);
        self.carry_out(&mut inner, all, cargo, deeds)
    }

    /// Ends every attempt and link, and closes the trace. What comes later is not heard.
    pub fn shut_down(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        inner.attempts.cancel_all();
        for (_, stop) in inner.links.drain(..) {
            stop();
        }
        inner.machine.end_trace();
    }
}
