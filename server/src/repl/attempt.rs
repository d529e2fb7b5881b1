//! Phase one of every `REPLICAOF` under way: who waits for it, and how it is ended.

use super::domain::{Host, Wire};
use super::driver::{Driver, Stop};
use super::greet::reach;
use super::link;
use super::tasks::{BUG, caught};
use damselfly_core::{Attempt, Reply, attempt::Unfit};
use std::sync::Arc;
use tokio::sync::oneshot;

/// So many attempts are under way at once; one more is refused.
pub const ATTEMPTS_MAX: usize = 64;

/// How a `REPLICAOF` ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// By the core.
    Reply(Reply),
    /// Before it was greeted: why, without `ERR`.
    Failed(String),
}

impl Verdict {
    /// Whether the command took effect.
    pub fn is_ok(&self) -> bool {
        matches!(self, Verdict::Reply(reply) if reply.is_ok())
    }

    /// The reply without its type byte and line end.
    pub fn text(&self) -> String {
        match self {
            Verdict::Reply(reply) => reply.text().into(),
            Verdict::Failed(why) => format!("ERR {why}"),
        }
    }
}

/// An attempt under way.
pub(super) struct Entry {
    ticket: u64,
    target: Host,
    /// How often the configuration file had been written when it was asked for.
    rewrites: u64,
    /// The client that waits for it; none if it was told OK already.
    waiter: Option<oneshot::Sender<Verdict>>,
    stop: Stop,
}

impl Entry {
    /// Tells the client that waits, if one does and is still there.
    pub(super) fn answer(self, verdict: Verdict) -> Stop {
        if let Some(waiter) = self.waiter {
            // A client that left wants no answer.
            let _ = waiter.send(verdict);
        }
        self.stop
    }

    /// Whether its client was told OK already, and then, `rewrites` by now, had the configuration file written.
    pub(super) fn was_written_down(&self, rewrites: u64) -> bool {
        self.waiter.is_none() && self.rewrites != rewrites
    }

    /// The client that waits, and what ends the task.
    pub(super) fn into_parts(self) -> (Option<oneshot::Sender<Verdict>>, Stop) {
        (self.waiter, self.stop)
    }

    /// The master asked for.
    pub(super) fn target(&self) -> Host {
        self.target
    }
}

/// The attempts under way.
#[derive(Default)]
pub(super) struct Attempts(Vec<Entry>);

impl Attempts {
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= ATTEMPTS_MAX
    }

    pub(super) fn add(
        &mut self,
        ticket: u64,
        target: Host,
        rewrites: u64,
        waiter: Option<oneshot::Sender<Verdict>>,
        stop: Stop,
    ) {
        self.0.push(Entry {
            ticket,
            target,
            rewrites,
            waiter,
            stop,
        });
    }

    /// Takes the attempt of `ticket`, if it was not cancelled.
    pub(super) fn take(&mut self, ticket: u64) -> Option<Entry> {
        let at = self.0.iter().position(|entry| entry.ticket == ticket)?;
        Some(self.0.swap_remove(at))
    }

    /// Takes every attempt with a ticket before `ticket`.
    pub(super) fn take_before(&mut self, ticket: u64) -> Vec<Entry> {
        self.0
            .extract_if(.., |entry| entry.ticket < ticket)
            .collect()
    }

    /// Answers and ends them all.
    pub(super) fn cancel_all(&mut self) {
        for entry in self.0.drain(..) {
            entry.answer(Verdict::Reply(Reply::Cancelled))();
        }
    }
}

/// One attempt, and the link that it becomes if it commits.
pub(super) async fn run(driver: Arc<Driver>, attempt: Attempt<Wire>) {
    let (ticket, target) = (attempt.ticket(), attempt.target());
    let settings = Arc::clone(&driver.config().settings());
    tracing::info!("Connecting to MASTER {target} (REPLICAOF, ticket {ticket})");
    let failure = match caught(reach(target, &settings)).await {
        None => BUG.into(),
        Some(Err(why)) => {
            attempt.failed();
            why.to_string()
        }
        Some(Ok(reached)) => match attempt.greeted(reached.run_id) {
            Err(Unfit::Myself) => "can't replicate from myself".into(),
            Ok(greeted) => {
                if let Some(follow) = driver.commit(greeted) {
                    link::follow(driver, follow, reached.peer).await;
                }
                return;
            }
        },
    };
    driver.attempt_failed(ticket, failure);
}
