//! Doing what the core said.

use super::super::attempt::Verdict;
use super::super::domain::Wire;
use super::super::load::Staged;
use super::inputs::{Begun, Follow};
use super::{Driver, Inner, Stop, Watch};
use crate::gate::{AllGates, View};
use crate::shell::logging;
use crate::store::{Dataset, lazyfree, random};
use crate::sys::time::Instant;
use damselfly_core::{Failover, Output, Reply};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What comes with a fact and is moved by its deeds.
#[derive(Default)]
pub(super) struct Cargo {
    /// The client that asked, unless it was told OK already.
    pub waiter: Option<oneshot::Sender<Verdict>>,
    /// What ends the task of the attempt whose fact it is.
    pub stop: Option<Stop>,
    /// The snapshot that was loaded.
    pub staged: Option<Staged>,
}

/// What the deeds leave to the caller.
#[derive(Default)]
pub(super) struct Left {
    /// The reply, where no attempt goes on to give it.
    pub reply: Option<Reply>,
    /// The caller's connection is to ask for the stream.
    pub follow: Option<Follow>,
    /// The caller is to read its snapshot.
    pub begun: Option<Begun>,
    /// The caller's snapshot is the dataset.
    pub swapped: bool,
    /// The caller is to watch over a hand-over.
    pub watch: Option<Watch>,
}

/// The shortest and the longest time between a loss and the redial, before jitter. Redis waits for a second at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Before who was to take over is asked again whose full sync was not taken: each time it may make a snapshot in vain.
const UNPROVED_AGAIN: Duration = Duration::from_secs(10);

impl Driver {
    /// Does `deeds` in their order, after those that are owed, and publishes the status that goes with them. The caller holds all gates and
    /// gives its reply afterwards.
    pub(super) fn carry_out(
        self: &Arc<Self>,
        inner: &mut Inner,
        all: &mut AllGates<'_, View>,
        mut cargo: Cargo,
        deeds: Vec<Output<Wire>>,
    ) -> Left {
        let mut left = Left::default();
        let mut cancelled = Vec::new();
        let mut drop_replicas = false;
        let owed = std::mem::take(&mut inner.owed);
        for deed in owed.into_iter().chain(deeds) {
            match deed {
                Output::Reply(reply) => left.reply = Some(reply),
                Output::Connect(attempt) => {
                    let (ticket, target) = (attempt.ticket(), attempt.target());
                    let stop = self.world.tasks.attempt(self, attempt);
                    let rewrites = self.world.hooks.rewrites();
                    let waiter = cargo.waiter.take();
                    inner.attempts.add(ticket, target, rewrites, waiter, stop);
                }
                Output::CancelBefore(ticket) => cancelled = inner.attempts.take_before(ticket),
                Output::Stop(generation) => {
                    if let Some(stop) = forget(inner, generation) {
                        stop();
                    }
                }
                // The attempt's task is the caller's, and goes on as the link.
                Output::Adopt(generation) => {
                    let stop = cargo.stop.take().unwrap_or_else(|| Box::new(|| ()));
                    inner.links.push((generation, stop));
                }
                Output::Dial { generation, target } => {
                    if !inner.closed {
                        let stop = self.world.tasks.dial(self, generation, target);
                        inner.links.push((generation, stop));
                    }
                }
                Output::Psync {
                    generation,
                    resume,
                    failover,
                } => {
                    left.follow = Some(Follow {
                        generation,
                        resume,
                        failover,
                    });
                }
                Output::Watch { ticket, aim } => {
                    inner.hand_overs.ticket = Some(ticket);
                    left.watch = Some(Watch { ticket, aim });
                }
                Output::Arm(generation) => {
                    forget(inner, generation);
                    // A link that breaks as soon as it streams, over and over, is no better than one that fails.
                    if inner.up_since.is_some_and(|at| at.elapsed() >= BACK_OFF.1) {
                        inner.losses = 0;
                    }
                    let delay = match inner.machine.status().unproved {
                        true => UNPROVED_AGAIN,
                        false => back_off(inner.losses),
                    };
                    inner.losses = inner.losses.saturating_add(1);
                    if !inner.closed {
                        self.world.tasks.arm(self, generation, delay);
                    }
                }
                Output::Stage(_) => left.begun = Some(Begun { dropped: None }),
                Output::DropAndLoad(_) => {
                    self.facts.replaces(&all.view().dataset);
                    let dropped = Some(self.serve(all, self.empty_dataset()));
                    left.begun = Some(Begun { dropped });
                }
                Output::Swap(_, at) => {
                    if let Some(staged) = cargo.staged.take() {
                        let Staged {
                            dataset,
                            stream_db,
                            room,
                        } = staged;
                        self.facts.replaces(&all.view().dataset);
                        let old = self.serve(all, dataset);
                        // The next snapshot waits for the room of this one until the old data is freed.
                        lazyfree::free((old, room));
                        self.world.log.reset(at.offset, stream_db);
                        left.swapped = true;
                    }
                    drop_replicas = true;
                }
                // What was read belongs to the link's task, which is at its end or was told to end.
                Output::Discard(_) => {}
                // Batches do not come this way; see `Driver::batch`.
                Output::Apply { .. } => {}
                Output::DropReplicas => drop_replicas = true,
                Output::Empty(at) => {
                    lazyfree::free(self.serve(all, self.empty_dataset()));
                    self.world.log.reset(at.offset, 0);
                    drop_replicas = true;
                }
            }
        }
        self.publish(inner, all);
        if drop_replicas {
            self.world.hooks.drop_replicas();
        }
        // A snapshot that came too late is freed where nobody waits for it.
        if let Some(staged) = cargo.staged {
            lazyfree::free(staged);
        }
        for entry in cancelled {
            tracing::info!(
                "REPLICAOF {} was cancelled by a later command",
                entry.target()
            );
            entry.answer(Verdict::Reply(Reply::Cancelled))();
        }
        left
    }

    /// Puts the status that the core has now into every gate, and does what goes with its changes.
    fn publish(&self, inner: &mut Inner, all: &mut AllGates<'_, View>) {
        let before = Arc::clone(&all.view().status);
        let status = inner.machine.status();
        if *before == status {
            return;
        }
        let after = Arc::new(status);
        self.published.publish(all, &after, View::set_status);
        let (was_up, is_up) = (before.link_up(), after.link_up());
        if is_up && !self.world.log.active() {
            // What our master sends is kept, for replicas of ours and for a promotion.
            self.world.log.activate();
        }
        if was_up != is_up {
            inner.up_since = is_up.then(Instant::now);
        }
        if was_up != is_up {
            self.facts.link_is_up(is_up);
        }
        if after.master.is_none() {
            self.facts.no_link();
        }
        if before.master.is_none() && after.master.is_some() {
            self.world.hooks.demoted(all.view());
        }
        let handing = after.failover != Failover::No;
        if inner.hand_overs.set(handing) {
            self.world.hooks.handing_over(handing);
        }
        logging::role_is(after.master.is_some());
        tell(&before, &after);
    }

    /// Serves `dataset` from now on, and returns the one that was served.
    fn serve(&self, all: &mut AllGates<'_, View>, dataset: Arc<Dataset>) -> Arc<Dataset> {
        let old = Arc::clone(&all.view().dataset);
        old.hand_listeners_to(&dataset);
        all.update(|view| view.dataset = dataset);
        self.world.hooks.replaced();
        old
    }

    fn empty_dataset(&self) -> Arc<Dataset> {
        Arc::new(Dataset::new(self.world.config.settings().databases))
    }
}

/// Forgets the connection of `generation`, and returns what would have stopped it.
pub(super) fn forget(inner: &mut Inner, generation: u64) -> Option<Stop> {
    let at = inner.links.iter().position(|(g, _)| *g == generation)?;
    Some(inner.links.swap_remove(at).1)
}

/// How long to wait after `losses` in a row: doubling, and spread, so that a master that comes back is not met by
/// all its replicas at once.
fn back_off(losses: u32) -> Duration {
    let (least, most) = BACK_OFF;
    let whole = least.saturating_mul(1 << losses.min(10)).min(most);
    let spread = random::below(1024);
    whole / 2 + whole * spread as u32 / 2048
}

/// A line in the log for every change that an operator wants to know of.
fn tell(before: &super::Status, after: &super::Status) {
    match (before.master, after.master) {
        (None, Some((target, _))) => {
            tracing::info!("REPLICAOF {target} enabled: now a replica, no longer a master");
        }
        (Some((old, _)), Some((new, _))) if old != new => {
            tracing::info!("REPLICAOF {new} enabled: no longer a replica of {old}");
        }
        (Some((old, _)), None) => {
            if let Some(second) = &after.history.second {
                tracing::info!(
                    "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
                    second.replid,
                    second.until,
                    after.history.at.replid
                );
            }
            tracing::info!("MASTER MODE enabled: no longer a replica of {old}");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_up_to_its_limit() {
        for losses in [0, 1, 2, 3, 6, 40, u32::MAX] {
            let whole = BACK_OFF
                .0
                .saturating_mul(1 << losses.min(10))
                .min(BACK_OFF.1);
            for _ in 0..50 {
                let delay = back_off(losses);
                assert!(delay >= whole / 2 && delay <= whole, "{delay:?}");
            }
        }
        assert_eq!(
            BACK_OFF.0.saturating_mul(1 << 10).min(BACK_OFF.1),
            BACK_OFF.1
        );
    }
}
