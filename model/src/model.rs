//! The world as stateright's `Model`: the checker, the Explorer and the linearizability tester run it.

use std::marker::PhantomData;

use damselfly_core::properties::Property as Name;
use stateright::{Model, Property};

use crate::action::{Action, Event, Peer};
use crate::algorithm::Algorithm;
use crate::story::Story;
use crate::world::{Setting, Start, World};

/// The properties that a state can break. `link_converges` is one of whole runs (`live`); what `prefix` and
/// `takeover_keeps_writes` say of several nodes is checked with several (`nodes`).
pub const CHECKED: [Name; 17] = [
    Name::LinearizableRole,
    Name::TicketOrder,
    Name::FailedAttemptIsNoop,
    Name::NoSpuriousRefusal,
    Name::SingleLiveLink,
    Name::NoPrematureLoading,
    Name::NoLeakedLoading,
    Name::ReadsStayAvailable,
    Name::OffsetDescribesDataset,
    Name::Prefix,
    Name::NoDoubleApply,
    Name::NoFalseContinue,
    Name::AtomicSwap,
    Name::NoSplitWrite,
    Name::NoPartialPromotion,
    Name::TakeoverKeepsWrites,
    Name::EveryCommandAnswered,
];

/// An algorithm in a world.
pub struct InWorld<A: Algorithm> {
    /// How large the world is, and what may happen.
    pub setting: Setting,
    /// What is checked.
    pub properties: Vec<Property<Self>>,
    algorithm: PhantomData<A>,
}

impl<A: Algorithm> Clone for InWorld<A> {
    fn clone(&self) -> Self {
        Self {
            setting: self.setting,
            properties: self.properties.clone(),
            algorithm: PhantomData,
        }
    }
}

impl<A: Algorithm> InWorld<A> {
    /// `setting` with all of [`CHECKED`].
    pub fn new(setting: Setting) -> Self {
        Self::checking(setting, every::<A>())
    }

    /// `setting` with properties of the caller's choice.
    pub fn checking(setting: Setting, properties: Vec<Property<Self>>) -> Self {
        Self {
            setting,
            properties,
            algorithm: PhantomData,
        }
    }

    /// The states that a search begins with, before they are renamed.
    pub fn starts(&self) -> Vec<World<A>> {
        let setting = &self.setting;
        match setting.start {
            Start::Streaming => vec![streaming(setting)],
            Start::Cold => {
                let flush = if setting.toggles {
                    &[false, true][..]
                } else {
                    &[false]
                };
                let boot =
                    |flush: &bool| [false, true].map(|follow| World::boot(setting, follow, *flush));
                flush.iter().flat_map(boot).collect()
            }
        }
    }
}

/// The way from a cold start to a replica that streams from A.
pub const PRELUDE: [Event; 4] = [
    Event::Dialed(Peer::Other),
    Event::Full { other: true, at: 3 },
    Event::Began { empty: true },
    Event::Loaded,
];

fn streaming<A: Algorithm>(setting: &Setting) -> World<A> {
    let mut world = World::boot(setting, true, false);
    world.act(setting, Action::Restore { known: false }, &mut ());
    for event in PRELUDE {
        let generation = world.wires.last().map_or(0, |w| w.generation);
        world.act(setting, Action::Link { generation, event }, &mut ());
    }
    world.broken = Default::default();
    world.marks = 0;
    world
}

/// A property by its place in [`CHECKED`], as stateright wants it: a function without a closure.
fn unbroken<A: Algorithm, const AT: usize>(_: &InWorld<A>, state: &World<A>) -> bool {
    !state.broken.has(CHECKED[AT])
}

/// All of [`CHECKED`].
pub fn every<A: Algorithm>() -> Vec<Property<InWorld<A>>> {
    macro_rules! all {
        ($($at:literal)*) => {
            vec![$(Property::always(CHECKED[$at].name(), unbroken::<A, $at>),)*]
        };
    }
    all!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}

impl<A: Algorithm> Model for InWorld<A> {
    type State = World<A>;
    type Action = Action;

    fn init_states(&self) -> Vec<World<A>> {
        let starts = self.starts().into_iter();
        starts.map(|w| w.canonical(&self.setting)).collect()
    }

    fn actions(&self, state: &World<A>, actions: &mut Vec<Action>) {
        state.actions(&self.setting, actions);
    }

    fn next_state(&self, last: &World<A>, action: Action) -> Option<World<A>> {
        let mut next = last.clone();
        next.act(&self.setting, action, &mut ());
        Some(next.canonical(&self.setting))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.properties.clone()
    }

    fn format_action(&self, action: &Action) -> String {
        action.to_string()
    }

    fn format_step(&self, last: &World<A>, action: Action) -> Option<String> {
        let mut next = last.clone();
        let mut story = Story::default();
        story.step(&self.setting, &mut next, action);
        Some(format!("{story}\n{}", next.canonical(&self.setting)))
    }

    fn as_svg(&self, path: stateright::Path<World<A>, Action>) -> Option<String> {
        let path = path.into_vec();
        let states: Vec<_> = path.iter().map(|(s, _)| s.clone()).collect();
        Some(Story::concrete(self, &states)?.svg())
    }
}
