//! `link_converges`: when failures and commands stop and one master stays up, the link ends streaming
//! from the last committed target.
//!
//! This is about whole runs, so it is decided on the graph of all reachable states. Of that graph the
//! calm part is kept: clients issue nothing, no connection to the committed master fails or turns out
//! to be ourselves, and no entry of the stream comes (that is progress, not convergence). Attempts
//! that are under way still end: those to the committed master either way, the others in an error,
//! since only one master stays up.
//!
//! Fairness: if something can happen in the calm part, something of it does in the end; nothing is
//! said of which. With that, a replica converges from every reachable state if, and only if, no calm
//! state that does not stream is a dead end, and none lies on a cycle. Tarjan's algorithm finds the
//! cycles. That a reply comes in the end needs no graph: the deadline of an attempt is always enabled
//! and always ends it, which is checked in every state on the way.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use damselfly_core::properties::Broken;
use foldhash::quality::FixedState;
use stateright::Model;

use crate::action::{Action, Event, Failure, Peer};
use crate::algorithm::Algorithm;
use crate::model::InWorld;
use crate::search::Progress;
use crate::world::{Client, Stage, World};

/// Why a state does not converge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stuck {
    /// Nothing can happen, and the link does not stream.
    DeadEnd,
    /// The calm part goes round in circles here.
    Cycle,
    /// A client waits, and no deadline ends it.
    Unanswered,
}

/// What was found.
pub struct Convergence<A> {
    /// States of the whole graph.
    pub states: usize,
    /// Of these, those that have yet to converge.
    pub calm: usize,
    /// Transitions between these.
    pub edges: usize,
    /// The properties broken on the way: nothing that follows from that was looked at.
    pub broken: Broken,
    /// The first state that does not converge, and the way to it.
    pub stuck: Option<(Stuck, Vec<World<A>>)>,
}

struct Seen {
    parent: u32,
    print: u64,
}

/// Explores `model` and decides `link_converges`. None if that takes longer than `time`.
pub fn converges<A: Algorithm>(
    model: &InWorld<A>,
    time: Option<Duration>,
) -> Option<Convergence<A>> {
    within(model, time, usize::MAX)
}

/// The same; None, too, if there are more than `most` states.
pub fn within<A: Algorithm>(
    model: &InWorld<A>,
    time: Option<Duration>,
    most: usize,
) -> Option<Convergence<A>> {
    let began = Instant::now();
    let mut search = Search {
        model,
        hasher: FixedState::with_seed(0),
        numbers: HashMap::default(),
        seen: Vec::new(),
        frontier: Vec::new(),
    };
    for start in model.init_states() {
        search.number(start, u32::MAX);
    }
    // Calm successors of the states that have yet to converge, one after the other.
    let mut edges: Vec<u32> = Vec::new();
    let mut first: Vec<u32> = Vec::new();
    let mut unsettled: Vec<bool> = Vec::new();
    let mut stuck = None;
    let mut broken = Broken::default();
    let mut progress = Progress::new();
    let (mut transitions, mut depth) = (0, 0);
    let mut actions = Vec::new();
    while !search.frontier.is_empty() {
        depth += 1;
        for (from, state) in std::mem::take(&mut search.frontier) {
            let target = state.ghost.register();
            let yet = target.is_some() && !state.node.status().link_up();
            first.push(index(edges.len()));
            unsettled.push(yet);
            let mut cut = false;
            model.actions(&state, &mut actions);
            for action in actions.drain(..) {
                let next = model.next_state(&state, action)?;
                transitions += 1;
                if let Action::Fails {
                    why: Failure::Deadline,
                    ..
                } = action
                    && waiting_clients(&next) + 1 != waiting_clients(&state)
                {
                    stuck.get_or_insert((Stuck::Unanswered, from));
                }
                let calm = yet && target.is_some_and(|t| calm(&state, action, t));
                // What follows from a broken property is not looked at.
                if !next.broken.is_empty() {
                    broken = broken.and(next.broken);
                    cut |= calm;
                    continue;
                }
                let number = search.number(next, from);
                if calm {
                    edges.push(number);
                }
            }
            if yet && !cut && edges.len() == first[first.len() - 1] as usize {
                stuck.get_or_insert((Stuck::DeadEnd, from));
            }
            if search.seen.len() > most {
                progress.clear();
                return None;
            }
            if from % 1024 == 0 && time.is_some_and(|time| began.elapsed() > time) {
                progress.clear();
                return None;
            }
            progress.show(search.seen.len(), transitions, depth);
        }
    }
    progress.clear();
    first.push(index(edges.len()));
    if stuck.is_none() {
        let inside = |at: u32| unsettled[at as usize];
        let next = |at: u32| {
            let (from, to) = (first[at as usize], first[at as usize + 1]);
            &edges[from as usize..to as usize]
        };
        stuck = cycle(unsettled.len(), inside, next).map(|at| (Stuck::Cycle, at));
    }
    Some(Convergence {
        states: search.seen.len(),
        calm: unsettled.iter().filter(|w| **w).count(),
        edges: edges.len(),
        broken,
        stuck: stuck.map(|(why, at)| (why, search.way_to(at))),
    })
}

fn waiting_clients<A>(world: &World<A>) -> usize {
    let all = world.clients.iter();
    all.filter(|c| matches!(c, Client::Waiting { .. })).count()
}

/// Whether `action` still happens when commands and failures have stopped and `target` stays up.
fn calm<A: Algorithm>(state: &World<A>, action: Action, target: u8) -> bool {
    match action {
        Action::Restore { .. } | Action::Fails { .. } => true,
        Action::Greets { client } => match &state.clients[usize::from(client)] {
            Client::Waiting { attempt, .. } => attempt.target() == target,
            Client::Idle | Client::Sampled(_) => false,
        },
        Action::Link { generation, event } => {
            let wire = state.wires.iter().find(|w| w.generation == generation);
            let stage = wire.map_or(Stage::Stopped, |w| w.stage);
            let nonsense = matches!(
                (stage, event),
                (Stage::Asked(None), Event::Continue(_)) | (Stage::Stopped, _)
            );
            // Whoever took over goes on with what we have; who cannot waits for an operator.
            let refused = state.node.status().unproved && matches!(event, Event::Full { .. });
            !nonsense
                && !refused
                && !matches!(
                    event,
                    Event::Lost
                        | Event::Rejected(_)
                        | Event::Batch(_)
                        | Event::Diverged
                        | Event::Dialed(Peer::Myself)
                )
        }
        Action::Request { .. }
        | Action::NoOne { .. }
        | Action::Sample { .. }
        | Action::Answer { .. }
        | Action::Connected { .. }
        | Action::FallsMute { .. }
        | Action::Write
        | Action::Configure { .. }
        | Action::NewHistory
        | Action::Attach
        | Action::Detach
        | Action::FailOver { .. }
        | Action::Abort { .. }
        | Action::CaughtUp { .. }
        | Action::Expired
        | Action::TakeOver(_) => false,
    }
}

struct Search<'a, A: Algorithm> {
    model: &'a InWorld<A>,
    hasher: FixedState,
    numbers: HashMap<u64, u32>,
    seen: Vec<Seen>,
    frontier: Vec<(u32, World<A>)>,
}

fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl<A: Algorithm> Search<'_, A> {
    /// The number of `state`; a new one is to be looked at.
    fn number(&mut self, state: World<A>, parent: u32) -> u32 {
        let print = self.hasher.hash_one(&state);
        let new = index(self.seen.len());
        let number = *self.numbers.entry(print).or_insert(new);
        if number == new {
            self.seen.push(Seen { parent, print });
            self.frontier.push((new, state));
        }
        number
    }

    /// The states on the way to `at`, by walking it again.
    fn way_to(&self, at: u32) -> Vec<World<A>> {
        let mut prints = vec![];
        let mut at = Some(at);
        while let Some(seen) = at.and_then(|at| self.seen.get(at as usize)) {
            prints.push(seen.print);
            at = Some(seen.parent);
        }
        prints.reverse();
        let mut way: Vec<World<A>> = Vec::new();
        for print in prints {
            let next = match way.last() {
                None => self.model.init_states(),
                Some(state) => self.model.next_states(state),
            };
            let found = next.into_iter().find(|s| self.hasher.hash_one(s) == print);
            way.extend(found);
        }
        way
    }
}

/// A state on a cycle of those `inside`, by Tarjan's algorithm without recursion.
fn cycle<'a>(
    states: usize,
    inside: impl Fn(u32) -> bool,
    next: impl Fn(u32) -> &'a [u32],
) -> Option<u32> {
    const NEW: u32 = u32::MAX;
    let mut order = vec![NEW; states];
    let mut low = vec![NEW; states];
    let mut on_stack = vec![false; states];
    let (mut stack, mut calls) = (Vec::new(), Vec::new());
    let mut count = 0;
    for root in (0..index(states)).filter(|s| inside(*s)) {
        if order[root as usize] != NEW {
            continue;
        }
        calls.push((root, 0));
        while let Some((at, edge)) = calls.pop() {
            let here = at as usize;
            if edge == 0 {
                order[here] = count;
                low[here] = count;
                count += 1;
                stack.push(at);
                on_stack[here] = true;
            }
            match next(at).get(edge) {
                Some(&to) => {
                    if to == at {
                        return Some(at);
                    }
                    calls.push((at, edge + 1));
                    if !inside(to) {
                        continue;
                    }
                    let there = to as usize;
                    if order[there] == NEW {
                        calls.push((to, 0));
                    } else if on_stack[there] {
                        low[here] = low[here].min(order[there]);
                    }
                }
                None => {
                    if let Some((caller, _)) = calls.last() {
                        let caller = *caller as usize;
                        low[caller] = low[caller].min(low[here]);
                    }
                    if low[here] == order[here] {
                        let mut members = 0;
                        while let Some(member) = stack.pop() {
                            on_stack[member as usize] = false;
                            members += 1;
                            if member == at {
                                break;
                            }
                        }
                        if members > 1 {
                            return Some(at);
                        }
                    }
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::cycle;

    fn find(graph: &[&[u32]], outside: &[u32]) -> Option<u32> {
        cycle(
            graph.len(),
            |s| !outside.contains(&s),
            |s| graph[s as usize],
        )
    }

    #[test]
    fn cycles_are_found_and_nothing_else() {
        assert_eq!(find(&[&[1, 2], &[3], &[3], &[]], &[]), None);
        assert_eq!(find(&[&[0]], &[]), Some(0));
        assert!(find(&[&[1], &[2], &[3, 0], &[]], &[]).is_some());
        // A cycle that leaves the part in question is none.
        assert_eq!(find(&[&[1], &[2], &[3, 0], &[]], &[1]), None);
        // Two ways to one state are no cycle, even from another root.
        assert_eq!(find(&[&[2], &[2], &[3], &[]], &[]), None);
        assert!(find(&[&[], &[2], &[3], &[1]], &[]).is_some());
    }
}
