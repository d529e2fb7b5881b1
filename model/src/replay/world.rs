//! What there is outside the node: the environment of the model, driven by the trace.

use std::collections::{HashMap, HashSet};

use damselfly_core::{Aim, Answer, Attempt, Boot, Failover, Input, Output, Status};

use super::{Name, Written};

/// The environment, as far as the trace has come.
pub(super) struct World {
    restored: bool,
    attempts: HashMap<u64, Attempt<Written>>,
    connections: HashMap<u64, Life>,
    /// Replication ids that were made here: each is made once.
    made: HashSet<Name>,
    /// Hand-overs by ticket, with whom each may be to, until their time is over.
    watched: HashMap<u64, Aim<Written>>,
    /// The offset of the log when it was read last: it goes back only with another dataset.
    offset: u64,
    /// `replica-full-sync flush`.
    flush: bool,
}

/// How far a connection is; it goes through these in order, and may be lost at any moment, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Dialing,
    Greeted,
    Asked,
    /// Asked to take over first.
    AskedToTakeOver,
    Promised,
    Loading,
    Streaming,
    Lost,
    Armed,
}

impl World {
    /// The world of a process that has just started.
    pub(super) fn new(boot: &Boot<Written>) -> Self {
        World {
            restored: false,
            attempts: HashMap::new(),
            connections: HashMap::new(),
            made: HashSet::from([boot.fresh]),
            watched: HashMap::new(),
            offset: boot.offset,
            flush: boot.flush,
        }
    }

    /// The attempt with this ticket is at its end.
    pub(super) fn end_attempt(&mut self, ticket: u64) -> Result<Attempt<Written>, String> {
        self.attempts
            .remove(&ticket)
            .ok_or(format!("no attempt has ticket {ticket} any more"))
    }

    /// Whether the environment can tell the node this now; notes that it has.
    pub(super) fn could(
        &mut self,
        input: &Input<Written>,
        status: &Status<Written>,
    ) -> Result<(), String> {
        self.is_time_for(input)?;
        self.reads_offset(input, status)?;
        let made = match *input {
            Input::NoOne { fresh, .. }
            | Input::TakeOver { fresh, .. }
            | Input::HistoryBegan { fresh, .. } => self.made.insert(fresh),
            _ => true,
        };
        if !made {
            return Err("a replication id was made twice".into());
        }
        match *input {
            Input::Configure { flush } => {
                if flush == std::mem::replace(&mut self.flush, flush) {
                    return Err("replica-full-sync is set to what it is".into());
                }
            }
            Input::CaughtUp { ticket, target, .. } => {
                let aim = self.watched.get(&ticket);
                let aim = aim.ok_or(format!("no hand-over has ticket {ticket}"))?;
                if !aim.admits(target) {
                    return Err(format!("hand-over {ticket} cannot be to {target}"));
                }
                if status.failover != Failover::WaitingForSync {
                    return Err("no hand-over waits for a replica".into());
                }
            }
            Input::Expired { ticket, .. } => {
                let watched = self.watched.remove(&ticket);
                watched.ok_or(format!("no hand-over has ticket {ticket}"))?;
            }
            Input::Rejected { generation, .. } => {
                self.moves(generation, &[Life::AskedToTakeOver], Life::Greeted)?;
            }
            Input::Dialed { generation, .. } => {
                self.moves(generation, &[Life::Dialing], Life::Greeted)?;
            }
            Input::Answered { generation, answer } => {
                let next = match answer {
                    Answer::Continue { .. } => Life::Streaming,
                    Answer::FullResync(_) => Life::Promised,
                };
                self.moves(generation, &[Life::Asked, Life::AskedToTakeOver], next)?;
            }
            Input::Began { generation, .. } => {
                self.moves(generation, &[Life::Promised], Life::Loading)?;
            }
            Input::Loaded { generation } => {
                self.moves(generation, &[Life::Loading], Life::Streaming)?;
            }
            Input::Batch { generation, to } => {
                self.moves(generation, &[Life::Streaming], Life::Streaming)?;
                let held = status.history.at.offset;
                if status.live == Some(generation) && to <= held {
                    return Err(format!("a batch up to {to}, where {held} are applied"));
                }
            }
            Input::Diverged { generation } => {
                self.moves(generation, &[Life::Streaming], Life::Lost)?;
            }
            Input::Lost { generation } => {
                let alive = [
                    Life::Dialing,
                    Life::Greeted,
                    Life::Asked,
                    Life::AskedToTakeOver,
                    Life::Promised,
                    Life::Loading,
                    Life::Streaming,
                ];
                self.moves(generation, &alive, Life::Lost)?;
            }
            Input::Timer { generation } => {
                self.moves(generation, &[Life::Armed], Life::Lost)?;
            }
            Input::Commit { .. }
            | Input::NoOne { .. }
            | Input::TakeOver { .. }
            | Input::HistoryBegan { .. }
            | Input::Restored { .. }
            | Input::Requested { .. }
            | Input::FailOver { .. }
            | Input::Abort => {}
        }
        Ok(())
    }

    /// The file of the start is restored once, and before that only clients and operators can have their say.
    fn is_time_for(&mut self, input: &Input<Written>) -> Result<(), String> {
        match input {
            Input::Restored { position } => {
                if std::mem::replace(&mut self.restored, true) {
                    return Err("the file of the start is restored twice".into());
                }
                if let Some(at) = position {
                    self.offset = at.offset;
                }
                Ok(())
            }
            Input::Requested { .. }
            | Input::NoOne { .. }
            | Input::TakeOver { .. }
            | Input::FailOver { .. }
            | Input::Abort
            | Input::Configure { .. } => Ok(()),
            _ if self.restored => Ok(()),
            _ => Err("the file of the start is restored before this".into()),
        }
    }

    /// The offset that comes with an input is that of the log, which only grows; a replica's is where the stream is.
    fn reads_offset(
        &mut self,
        input: &Input<Written>,
        status: &Status<Written>,
    ) -> Result<(), String> {
        let at = match *input {
            Input::Commit { at, .. }
            | Input::NoOne { at, .. }
            | Input::TakeOver { at, .. }
            | Input::HistoryBegan { at, .. }
            | Input::CaughtUp { at, .. }
            | Input::Expired { at, .. } => at,
            _ => return Ok(()),
        };
        let held = status.history.at.offset;
        if status.master.is_some() && at != held {
            return Err(format!("the dataset is at {held}, not at {at}"));
        }
        let before = std::mem::replace(&mut self.offset, at);
        if at < before {
            return Err(format!("the log is at {before} already, not at {at}"));
        }
        Ok(())
    }

    fn moves(&mut self, generation: u64, from: &[Life], to: Life) -> Result<(), String> {
        let Some(life) = self.connections.get_mut(&generation) else {
            return Err(format!("no connection has generation {generation}"));
        };
        if !from.contains(life) {
            return Err(format!(
                "connection {generation} is {life:?}: this cannot come from it"
            ));
        }
        *life = to;
        Ok(())
    }

    /// The node did this.
    pub(super) fn happened(&mut self, output: Output<Written>) {
        match output {
            Output::Connect(attempt) => {
                self.attempts.insert(attempt.ticket(), attempt);
            }
            // They are answered with this, and never heard of again.
            Output::CancelBefore(before) => self.attempts.retain(|ticket, _| *ticket >= before),
            Output::Dial { generation, .. } => {
                self.connections.insert(generation, Life::Dialing);
            }
            Output::Adopt(generation) => {
                self.connections.insert(generation, Life::Greeted);
            }
            Output::Psync {
                generation,
                failover,
                ..
            } => {
                let asked = match failover {
                    Some(_) => Life::AskedToTakeOver,
                    None => Life::Asked,
                };
                self.connections.insert(generation, asked);
            }
            Output::Arm(generation) => {
                self.connections.insert(generation, Life::Armed);
            }
            Output::Watch { ticket, aim } => {
                self.watched.insert(ticket, aim);
            }
            Output::Swap(_, at) | Output::Empty(at) => self.offset = at.offset,
            Output::Apply { to, .. } => self.offset = to,
            Output::Reply(_)
            | Output::Stop(_)
            | Output::Stage(_)
            | Output::DropAndLoad(_)
            | Output::Discard(_)
            | Output::DropReplicas => {}
        }
    }
}
