//! The facts of a hand-over, one method each.

use super::super::domain::{Host, Id, Wire};
use super::Driver;
use super::deeds::Cargo;
use super::inputs::Follow;
use crate::gate::{AllGates, View};
use crate::sys::time::Instant;
use damselfly_core::{Aim, Failover, Input, Refusal, Reply};
use std::sync::Arc;
use std::time::Duration;

/// The hand-over under way, and how long the last one made writes wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HandOvers {
    /// The ticket of the one under way.
    pub ticket: Option<u64>,
    since: Option<Instant>,
    last: Option<Duration>,
}

/// A hand-over to be watched: [`Driver::caught_up`] and [`Driver::expired`] name it by its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Its name.
    pub ticket: u64,
    /// Whom it is to.
    pub aim: Aim<Wire>,
}

impl Driver {
    /// `FAILOVER`, from a caller that holds all gates and knows that there is a replica it can mean.
    ///
    /// # Errors
    /// The reply, when it is refused.
    pub fn fail_over(
        self: &Arc<Self>,
        all: &mut AllGates<'_, View>,
        aim: Aim<Wire>,
    ) -> Result<Watch, Reply> {
        let left = self.step(all, Cargo::default(), Input::FailOver { aim });
        left.watch.ok_or(left.reply.unwrap_or(Reply::NoHandOver))
    }

    /// `target` has confirmed every byte of the log; the caller holds all gates.
    pub fn caught_up(self: &Arc<Self>, all: &mut AllGates<'_, View>, ticket: u64, target: Host) {
        let at = self.world.log.offset();
        tracing::info!(
            "Failover target {target} is synced, failing over. It has everything up to {at}"
        );
        let input = Input::CaughtUp { ticket, target, at };
        self.step(all, Cargo::default(), input);
    }

    /// The time given to a hand-over is over.
    pub fn expired(self: &Arc<Self>, ticket: u64) {
        let mut all = self.world.gates.all();
        let before = all.view().status.failover;
        let at = self.world.log.offset();
        self.step(&mut all, Cargo::default(), Input::Expired { ticket, at });
        match (before, all.view().status.failover) {
            (Failover::No, _) => {}
            (_, Failover::No) => {
                tracing::warn!(
                    "Failover attempt timed out, aborting. Everything is as it was before"
                );
            }
            (Failover::WaitingForSync, Failover::InProgress) => {
                tracing::warn!(
                    "Failover to the target by force, time out exceeded, failing over. It takes over without the last writes"
                );
            }
            _ => tracing::warn!(
                "FAILOVER: the time is over, but the target was asked to take over: its answer is waited for"
            ),
        }
    }

    /// `FAILOVER ABORT`. The caller is in no gate.
    pub fn abort_hand_over(self: &Arc<Self>) -> Reply {
        let mut all = self.world.gates.all();
        let left = self.step(&mut all, Cargo::default(), Input::Abort);
        left.reply.unwrap_or(Reply::NoFailover)
    }

    /// The peer answered the request to take over with an error. What it returns is to be asked next, on the same
    /// connection; with nothing, the link is at its end.
    pub fn rejected(self: &Arc<Self>, generation: u64, said: Refusal<Wire>) -> Option<Follow> {
        let mut all = self.world.gates.all();
        let input = Input::Rejected { generation, said };
        let follow = self.step(&mut all, Cargo::default(), input).follow;
        let unproved = all.view().status.unproved;
        drop(all);
        match &follow {
            Some(_) if unproved => tracing::warn!(
                "FAILOVER: it was asked before, and is master, and does not say that it went on from all that is here"
            ),
            Some(_) => tracing::info!("FAILOVER: it was asked before, and is master: we follow it"),
            None => {}
        }
        follow
    }

    /// `PSYNC replid from FAILOVER`, from a caller that holds all gates; with `FORCE`, `from` is none.
    ///
    /// # Errors
    /// The error reply, without its `-`.
    pub fn take_over(
        self: &Arc<Self>,
        all: &mut AllGates<'_, View>,
        replid: &[u8],
        from: Option<u64>,
    ) -> Result<(), String> {
        let fresh = self.fresh()?;
        // What is no id is nobody's, as one that was never used.
        let replid = match Id::parse(replid) {
            Some(replid) => replid,
            None => self.fresh()?,
        };
        let at = self.world.log.offset();
        let input = Input::TakeOver {
            replid,
            from,
            fresh,
            at,
        };
        let reply = self.step(all, Cargo::default(), input).reply;
        match reply.unwrap_or(Reply::NoHandOver) {
            Reply::Ok => {
                tracing::info!("Failover request received: our master hands over to us");
                Ok(())
            }
            refused => {
                tracing::warn!("a request to take over is refused: {}", refused.text());
                Err(refused.text().into())
            }
        }
    }

    /// The ticket of the hand-over under way.
    pub fn hand_over(&self) -> Option<u64> {
        self.inner.lock().hand_overs.ticket
    }

    /// How long the last hand-over made writes wait.
    pub fn last_pause(&self) -> Option<Duration> {
        self.inner.lock().hand_overs.last
    }
}

impl HandOvers {
    /// A status is published in which a hand-over is, or is not, under way. True if that is news.
    pub fn set(&mut self, under_way: bool) -> bool {
        match (self.since, under_way) {
            (None, true) => {
                self.since = Some(Instant::now());
                true
            }
            (Some(since), false) => {
                let took = since.elapsed();
                tracing::info!("FAILOVER: over; writes have waited for {took:.1?}");
                *self = HandOvers {
                    last: Some(took),
                    ..HandOvers::default()
                };
                true
            }
            _ => false,
        }
    }
}
