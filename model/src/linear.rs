//! `linearizable_role` as clients see it: stateright's own tester judges every history.
//!
//! The main check is a refinement: a register that OKs write is compared with what is published in
//! every state (`properties`), without bound. This is its evidence from outside, at small bounds, since
//! histories only grow: every client issues one command and one read, in either order, overlapping in
//! all ways. An OK is a write, an error a no-op, and a read is two steps apart from its answer.

use std::time::{Duration, Instant};

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use stateright::{Checker, Model, Property};

use crate::action::Action;
use crate::algorithm::Algorithm;
use crate::world::{Client, Setting, Start, World};

/// The sequential specification of the role: a register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Role(Option<u8>);

/// What a client asks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Asks {
    /// `REPLICAOF`, to a master or to no one.
    Become(Option<u8>),
    /// `ROLE`.
    Read,
}

/// What it is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Told {
    /// OK.
    Done,
    /// An error.
    Refused,
    /// The role.
    Is(Option<u8>),
}

impl SequentialSpec for Role {
    type Op = Asks;
    type Ret = Told;

    fn invoke(&mut self, op: &Asks) -> Told {
        match *op {
            Asks::Become(master) => {
                self.0 = master;
                Told::Done
            }
            Asks::Read => Told::Is(self.0),
        }
    }

    fn is_valid_step(&mut self, op: &Asks, ret: &Told) -> bool {
        match (op, ret) {
            // An error may stand anywhere: it is a no-op.
            (Asks::Become(_), Told::Refused) => true,
            (op, ret) => self.invoke(op) == *ret,
        }
    }
}

type Tester = LinearizabilityTester<u8, Role>;

/// A world whose clients issue what they have left to issue, and the history so far.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Watched<A: Algorithm> {
    world: World<A>,
    tester: Tester,
    /// By client: a command, and a read.
    left: Vec<(bool, bool)>,
}

/// The model with histories in its states.
#[derive(Clone, Copy)]
pub struct Histories<A> {
    setting: Setting,
    algorithm: std::marker::PhantomData<A>,
}

impl<A: Algorithm> Histories<A> {
    fn new(clients: u8) -> Self {
        Self {
            setting: Setting {
                clients,
                masters: 2,
                start: Start::Streaming,
                reads: true,
                toggles: false,
                marks: false,
                // Clients are told apart by their histories, masters by their names.
                canonical: false,
                links: false,
                hand_over: false,
            },
            algorithm: std::marker::PhantomData,
        }
    }
}

impl<A: Algorithm> Model for Histories<A> {
    type State = Watched<A>;
    type Action = Action;

    fn init_states(&self) -> Vec<Watched<A>> {
        let model = crate::model::InWorld::<A>::checking(self.setting, vec![]);
        let start = |world: World<A>| Watched {
            tester: Tester::new(Role(world.ghost.register())),
            left: vec![(true, true); world.clients.len()],
            world,
        };
        model.starts().into_iter().map(start).collect()
    }

    fn actions(&self, state: &Watched<A>, actions: &mut Vec<Action>) {
        state.world.actions(&self.setting, actions);
        actions.retain(|action| match *action {
            Action::Request { client, .. } => state.left[usize::from(client)].0,
            Action::NoOne { client, force } => !force && state.left[usize::from(client)].0,
            Action::Sample { client } => state.left[usize::from(client)].1,
            _ => true,
        });
    }

    fn next_state(&self, last: &Watched<A>, action: Action) -> Option<Watched<A>> {
        let mut next = last.clone();
        let mut heard = Heard(None);
        match action {
            Action::Request { client, host } => {
                next.invoke(client, Asks::Become(Some(host)));
            }
            Action::NoOne { client, .. } => next.invoke(client, Asks::Become(None)),
            Action::Sample { client } => next.invoke(client, Asks::Read),
            _ => {}
        }
        next.world.act(&self.setting, action, &mut heard);
        match action {
            Action::Request { client, .. }
            | Action::NoOne { client, .. }
            | Action::Greets { client } => {
                if let Some(reply) = heard.0 {
                    let told = if reply.is_ok() {
                        Told::Done
                    } else {
                        Told::Refused
                    };
                    next.returns(client, told);
                }
            }
            Action::Fails { client, .. } => next.returns(client, Told::Refused),
            Action::Answer { client } => {
                if let Client::Sampled(master) = last.world.clients[usize::from(client)] {
                    next.returns(client, Told::Is(master));
                }
            }
            _ => {}
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(
            "linearizable_role",
            |_, state: &Watched<A>| state.tester.is_consistent(),
        )]
    }
}

impl<A: Algorithm> Watched<A> {
    fn invoke(&mut self, client: u8, asks: Asks) {
        let left = &mut self.left[usize::from(client)];
        match asks {
            Asks::Become(_) => left.0 = false,
            Asks::Read => left.1 = false,
        }
        // A client has one command under way at a time; the tester would say so if not.
        let invoked = self.tester.on_invoke(client, asks).is_ok();
        debug_assert!(invoked);
    }

    fn returns(&mut self, client: u8, told: Told) {
        let returned = self.tester.on_return(client, told).is_ok();
        debug_assert!(returned);
    }
}

/// Remembers the reply.
struct Heard(Option<damselfly_core::Reply>);

impl crate::step::Witness for Heard {
    fn input(&mut self, _: &damselfly_core::Input<crate::tiny::Tiny>) {}
    fn failed(&mut self, _: u8) {}
    fn outputs(
        &mut self,
        outputs: &damselfly_core::Outputs<crate::tiny::Tiny>,
        _: damselfly_core::properties::Broken,
    ) {
        self.0 = self.0.or(outputs.reply());
    }
}

/// What the tester found.
pub struct Verdict {
    /// All histories were seen.
    pub complete: bool,
    /// One is not linearizable.
    pub broken: bool,
    /// States, each with a history.
    pub unique: usize,
    /// How long it took.
    pub took: Duration,
}

/// Judges every history of so many clients.
pub fn check<A: Algorithm>(clients: u8) -> (Verdict, Setting) {
    let model = Histories::<A>::new(clients);
    let setting = model.setting;
    let began = Instant::now();
    let checker = model.checker().threads(1).spawn_bfs().join();
    let broken = !checker.discoveries().is_empty();
    let verdict = Verdict {
        complete: checker.is_done() && !broken,
        broken,
        unique: checker.unique_state_count(),
        took: began.elapsed(),
    };
    (verdict, setting)
}
