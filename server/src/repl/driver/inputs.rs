//! The facts, one method each.

use super::super::attempt::{ATTEMPTS_MAX, Verdict};
use super::super::domain::{Host, Id, Wire};
use super::super::load::Staged;
use super::Driver;
use super::deeds::{Cargo, Left, forget};
use crate::gate::{AllGates, View};
use crate::store::Dataset;
use damselfly_core::{Answer, Greeted, Input, Position, Promise, Reply, Resume};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Why a full sync of who was to take over is not taken.
const UNPROVED: &str = "it was to take over, and wants to send a snapshot that may lack what is here; REPLICAOF to it, said again, \
     follows it all the same, and NO ONE makes us master";

/// How a `REPLICAOF host port` goes on.
#[derive(Debug)]
pub enum Asked {
    /// It is decided.
    Now(Verdict),
    /// It is connecting; the verdict will come, whether somebody waits for it or not.
    Later(oneshot::Receiver<Verdict>),
}

/// A connection is the link: it is to ask for the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// The connection.
    pub generation: u64,
    /// What the dataset held resumes from; none if there is none.
    pub resume: Option<Resume<Wire>>,
    /// It is asked to take over first.
    pub failover: Option<Promise>,
}

/// A snapshot is to be read.
pub struct Begun {
    /// The dataset that was dropped for it, to be freed before the snapshot is read.
    pub dropped: Option<Arc<Dataset>>,
}

impl Driver {
    /// The load of the snapshot file at start-up ended well, or there was none. `position` is where the file stands
    /// in a history, with the database its stream has selected. The dataset is in the gates already.
    pub fn restored(self: &Arc<Self>, position: Option<(Position<Wire>, u32)>) {
        let mut all = self.world.gates.all();
        if let Some((at, stream_db)) = position {
            self.world.log.reset(at.offset, stream_db);
        }
        if position.is_some() {
            // Those who were on the file's history can resume from where it ends.
            self.world.log.activate();
        }
        let position = position.map(|(at, _)| at);
        self.step(&mut all, Cargo::default(), Input::Restored { position });
    }

    /// `REPLICAOF host port`. The caller is in no gate.
    pub fn request(self: &Arc<Self>, target: Host) -> Asked {
        let (waiter, verdict) = oneshot::channel();
        let mut all = self.world.gates.all();
        match self.ask(&mut all, target, Some(waiter)) {
            Some(verdict) => Asked::Now(verdict),
            None => Asked::Later(verdict),
        }
    }

    /// `REPLICAOF host port` inside EXEC, which holds all gates: `OK` means accepted, the outcome is for INFO and log.
    pub fn request_detached(
        self: &Arc<Self>,
        all: &mut AllGates<'_, View>,
        target: Host,
    ) -> Verdict {
        let verdict = self.ask(all, target, None);
        verdict.unwrap_or(Verdict::Reply(Reply::Ok))
    }

    fn ask(
        self: &Arc<Self>,
        all: &mut AllGates<'_, View>,
        target: Host,
        waiter: Option<oneshot::Sender<Verdict>>,
    ) -> Option<Verdict> {
        let followed = all.view().status.master.map(|(host, _)| host);
        if followed != Some(target) {
            let inner = self.inner.lock();
            if inner.attempts.is_full() || inner.closed {
                let why = match inner.closed {
                    true => "the server is shutting down".into(),
                    false => format!("{ATTEMPTS_MAX} REPLICAOF are connecting already"),
                };
                drop(inner);
                self.facts.failed(Some(&why));
                return Some(Verdict::Failed(why));
            }
        }
        let cargo = Cargo {
            waiter,
            ..Cargo::default()
        };
        let left = self.step(all, cargo, Input::Requested { target });
        let verdict = Verdict::Reply(left.reply?);
        self.settle(&format!("REPLICAOF {target}"), &verdict);
        Some(verdict)
    }

    /// `REPLICAOF NO ONE [FORCE]`. The caller is in no gate.
    pub fn no_one(self: &Arc<Self>, force: bool) -> Verdict {
        self.no_one_in(&mut self.world.gates.all(), force)
    }

    /// [`Driver::no_one`] inside EXEC, which holds all gates.
    pub fn no_one_in(self: &Arc<Self>, all: &mut AllGates<'_, View>, force: bool) -> Verdict {
        let verdict = match self.fresh() {
            Err(why) => Verdict::Failed(why),
            Ok(fresh) => {
                let at = self.world.log.offset();
                let input = Input::NoOne { force, fresh, at };
                let left = self.step(all, Cargo::default(), input);
                match left.reply {
                    Some(reply) => Verdict::Reply(reply),
                    None => Verdict::Failed("the protocol gave no answer".into()),
                }
            }
        };
        self.settle("REPLICAOF NO ONE", &verdict);
        verdict
    }

    /// A greeted attempt commits, by the very task that greeted. What it returns is for that task to go on with;
    /// the client has its answer when this returns.
    pub fn commit(self: &Arc<Self>, greeted: Greeted<Wire>) -> Option<Follow> {
        let mut all = self.world.gates.all();
        let entry = self.inner.lock().attempts.take(greeted.ticket());
        // Without an entry it was cancelled, and answered, before we had the gates.
        let entry = entry?;
        let written = entry.was_written_down(self.world.hooks.rewrites());
        let (waiter, stop) = entry.into_parts();
        let what = format!(
            "REPLICAOF {} (ticket {})",
            greeted.target(),
            greeted.ticket()
        );
        let at = self.world.log.offset();
        let cargo = Cargo {
            stop: Some(stop),
            ..Cargo::default()
        };
        let left = self.step(&mut all, cargo, Input::Commit { greeted, at });
        let verdict = match left.reply {
            Some(reply) => Verdict::Reply(reply),
            None => Verdict::Failed("the protocol gave no answer".into()),
        };
        drop(all);
        self.settle(&what, &verdict);
        if written && verdict.is_ok() {
            self.world.hooks.rewrite();
        }
        answer(waiter, verdict);
        left.follow
    }

    /// An attempt ended before it was greeted; `why` is for the client.
    pub fn attempt_failed(self: &Arc<Self>, ticket: u64, why: String) {
        let mut all = self.world.gates.all();
        let mut inner = self.inner.lock();
        let Some(entry) = inner.attempts.take(ticket) else {
            return;
        };
        let what = format!("REPLICAOF {} (ticket {ticket})", entry.target());
        let (waiter, _stop) = entry.into_parts();
        let deeds = inner.machine.attempt_failed(ticket);
        self.carry_out(&mut inner, &mut all, Cargo::default(), deeds);
        drop(inner);
        drop(all);
        let verdict = Verdict::Failed(why);
        self.settle(&what, &verdict);
        answer(waiter, verdict);
    }

    /// A redial reached and greeted its master.
    pub fn dialed(self: &Arc<Self>, generation: u64, peer: Option<Id>) -> Option<Follow> {
        if peer == Some(self.run_id) {
            self.report_loss(generation, "can't replicate from myself");
        }
        self.link(Cargo::default(), Input::Dialed { generation, peer })
            .follow
    }

    /// The master answered PSYNC. False if that ended the link.
    pub fn answered(self: &Arc<Self>, generation: u64, answer: Answer<Wire>) -> bool {
        let resumed = matches!(answer, Answer::Continue { .. });
        if let Answer::FullResync(at) = &answer {
            self.announce(at);
        }
        self.link(Cargo::default(), Input::Answered { generation, answer });
        let status = self.status();
        let live = status.live == Some(generation);
        if status.unproved {
            tracing::warn!("MASTER <-> REPLICA link is down: {UNPROVED}");
            self.facts.link_failed(UNPROVED);
        }
        if live && resumed {
            self.facts.synced(false);
        }
        live
    }

    /// Says what a snapshot at `at` will cost: keys that its history knows nothing of.
    fn announce(&self, at: &Position<Wire>) {
        let view = self.world.gates.all().view().clone();
        let (held, offset) = (view.status.history.at.replid, self.world.log.offset());
        let foreign = held != at.replid || offset > at.offset;
        self.facts.is_foreign(foreign);
        if foreign && !view.dataset.is_empty() {
            tracing::warn!(
                "the master's {}:{} does not follow from our {held}:{offset}: our {} keys will be dropped for its own",
                at.replid,
                at.offset,
                view.dataset.len()
            );
        }
    }

    /// The first byte of the snapshot came. None if the link was stopped.
    pub fn began(self: &Arc<Self>, generation: u64) -> Option<Begun> {
        let mut all = self.world.gates.all();
        let empty = self.has_nothing_to_lose(&all.view().dataset);
        let input = Input::Began { generation, empty };
        self.step(&mut all, Cargo::default(), input).begun
    }

    /// Whether nothing would be missed if `dataset`, which is held, were dropped: no key, no function, and no place in a
    /// history. A log that is not in use has counted nothing, and nobody else knows the name of its history.
    fn has_nothing_to_lose(&self, dataset: &Dataset) -> bool {
        dataset.is_empty() && dataset.libraries().iter().len() == 0 && !self.world.log.active()
    }

    /// The snapshot is whole. False if it came too late: the link was stopped.
    pub fn loaded(self: &Arc<Self>, generation: u64, staged: Staged) -> bool {
        let cargo = Cargo {
            staged: Some(staged),
            ..Cargo::default()
        };
        let mut all = self.world.gates.all();
        let input = Input::Loaded { generation };
        let swapped = self.step(&mut all, cargo, input).swapped;
        if swapped {
            // What clients wait for may be in it, and the stream may bring nothing for a while.
            self.world.hooks.serve_waiting(all.view());
            self.facts.synced(true);
        }
        swapped
    }

    /// Whether a batch that ends at `to` may be applied, now, in the gate whose view the caller shows.
    #[must_use]
    pub fn batch(&self, _gate: &View, generation: u64, to: u64) -> bool {
        let from = self.world.log.offset();
        self.inner.lock().machine.batch(generation, from, to)
    }

    /// A command of the batch that was applied last failed, in the gate whose view the caller shows. The core knows it
    /// before that gate opens; what follows is done with all gates held, before anything else, and at the latest when
    /// the caller says that the connection is lost.
    pub fn diverged(&self, _gate: &View, generation: u64) {
        let mut inner = self.inner.lock();
        let deeds = inner.machine.step(Input::Diverged { generation });
        inner.owed.extend(deeds);
    }

    /// Whether the dataset has diverged from its history, be it published by now or not.
    pub fn has_diverged(&self) -> bool {
        self.inner.lock().machine.status().diverged
    }

    /// Says why the live link ends; of one that is not it any more, nobody wants to know.
    fn report_loss(&self, generation: u64, why: &str) {
        if self.status().live == Some(generation) {
            if self.status().link_up() {
                tracing::warn!("Connection with master lost.");
            }
            tracing::warn!("MASTER <-> REPLICA link is down: {why}");
            self.facts.link_failed(why);
        }
    }

    /// The connection is at its end, once: of one that was told to stop nothing is heard.
    pub fn lost(self: &Arc<Self>, generation: u64, why: &str) {
        let mut all = self.world.gates.all();
        let mut inner = self.inner.lock();
        if forget(&mut inner, generation).is_none() {
            return;
        }
        self.report_loss(generation, why);
        let deeds = match inner.owed.is_empty() {
            true => inner.machine.step(Input::Lost { generation }),
            // The core has ended it already.
            false => Vec::new(),
        };
        self.carry_out(&mut inner, &mut all, Cargo::default(), deeds);
    }

    /// The time to redial after the loss of `generation` came.
    pub fn timer(self: &Arc<Self>, generation: u64) {
        self.link(Cargo::default(), Input::Timer { generation });
    }

    /// `CONFIG SET replica-full-sync`. It changes nothing that is published, so the caller may be in a gate or not.
    pub fn configure(&self, flush: bool) {
        self.inner.lock().machine.configure(flush);
    }

    /// The log of a master begins to keep writes: the history gets a new name. The caller holds all gates.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn begin_history(self: &Arc<Self>, all: &mut AllGates<'_, View>) -> Result<(), String> {
        let fresh = self.fresh()?;
        let at = self.world.log.offset();
        self.step(all, Cargo::default(), Input::HistoryBegan { fresh, at });
        Ok(())
    }

    fn link(self: &Arc<Self>, cargo: Cargo, input: Input<Wire>) -> Left {
        self.step(&mut self.world.gates.all(), cargo, input)
    }

    /// A replication id that was never used.
    pub(super) fn fresh(&self) -> Result<Id, String> {
        Id::random().map_err(|error| format!("no randomness for a replication id: {error}"))
    }

    /// The outcome of a command goes to the log, and to INFO.
    fn settle(&self, what: &str, verdict: &Verdict) {
        let text = verdict.text();
        if verdict.is_ok() {
            tracing::info!("{what}: {text}");
            self.facts.failed(None);
        } else {
            tracing::warn!("{what} failed: {text}");
            self.facts.failed(Some(&format!("{what}: {text}")));
        }
    }
}

/// A client that left wants no answer.
fn answer(waiter: Option<oneshot::Sender<Verdict>>, verdict: Verdict) {
    if let Some(waiter) = waiter {
        let _ = waiter.send(verdict);
    }
}
