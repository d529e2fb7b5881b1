//! What is known to be wrong with the algorithms ours is compared with. The search finds each by
//! itself; only what counts as an instance of it is said here.

use damselfly_core::properties::Property as Name;
use damselfly_core::v1;
use stateright::Property;

use crate::action::{Action, Event};
use crate::algorithm::Algorithm;
use crate::model::InWorld;
use crate::pr5774::Pr5774;
use crate::search::{Found, Limits, search};
use crate::tiny::Tiny;
use crate::world::{Mark, Setting, Start, World};

/// A known fault.
pub struct Fault<A: Algorithm> {
    /// What it is called, also as a file and as a test.
    pub name: &'static str,
    /// The property it breaks (REPLICAOF.md).
    pub property: Name,
    /// What happens, in a sentence.
    pub meaning: &'static str,
    /// That it has not happened in the step that led to this state.
    absent: fn(&InWorld<A>, &World<A>) -> bool,
}

/// An algorithm some of whose faults are known.
pub trait Faulty: Algorithm {
    /// They.
    fn faults() -> Vec<Fault<Self>>;
}

impl Faulty for v1::Node<Tiny> {
    fn faults() -> Vec<Fault<Self>> {
        vec![
            Fault {
                name: "not_serialized",
                property: Name::LinearizableRole,
                meaning: "two REPLICAOF interleave; the one that was answered OK is lost, and a \
                          healthy replica ends as a writable master",
                absent: |_, w| {
                    !w.broken.has(Name::LinearizableRole) || !w.marked(Mark::Interleaved)
                },
            },
            Fault {
                name: "premature_loading",
                property: Name::NoPrematureLoading,
                meaning: "reads are refused before the new master is known to exist",
                absent: |_, w| !w.broken.has(Name::NoPrematureLoading),
            },
            Fault {
                name: "premature_stop",
                property: Name::FailedAttemptIsNoop,
                meaning: "the connect fails, and the old, healthy link is gone for good",
                absent: |_, w| !w.broken.has(Name::FailedAttemptIsNoop),
            },
            Fault {
                name: "needless_loading",
                property: Name::ReadsStayAvailable,
                meaning: "reads were refused, although the new master then answers CONTINUE",
                absent: |_, w| !w.marked(Mark::Needless),
            },
        ]
    }
}

impl Faulty for Pr5774 {
    fn faults() -> Vec<Fault<Self>> {
        vec![
            Fault {
                name: "demoted_after_no_one",
                property: Name::TicketOrder,
                meaning: "a REPLICAOF that was still connecting demotes a node after NO ONE was \
                          answered OK",
                absent: |_, w| !w.broken.has(Name::TicketOrder),
            },
            Fault {
                name: "mute_greeting",
                property: Name::EveryCommandAnswered,
                meaning: "a peer that is mute in the greeting holds a REPLICAOF for ever",
                absent: |_, w| !w.broken.has(Name::EveryCommandAnswered),
            },
            Fault {
                name: "full_sync_dies",
                property: Name::OffsetDescribesDataset,
                meaning: "a full sync that dies leaves an empty dataset that is served under the \
                          old position",
                absent: |_, w| {
                    !w.broken.has(Name::OffsetDescribesDataset) || !w.marked(Mark::SyncDied)
                },
            },
            Fault {
                name: "stream_after_no_one",
                property: Name::NoSplitWrite,
                meaning: "the role flips before the stream has stopped: a master applies what its \
                          old master sent",
                absent: |_, w| !w.broken.has(Name::NoSplitWrite),
            },
        ]
    }
}

/// Where faults are looked for: two clients and two masters are enough, and a healthy replica shows
/// best what is lost.
pub const SETTING: Setting = Setting {
    clients: 2,
    masters: 2,
    start: Start::Streaming,
    reads: false,
    toggles: false,
    marks: true,
    canonical: true,
    links: true,
    hand_over: false,
};

impl<A: Algorithm> Fault<A> {
    /// The world it is looked for in.
    pub fn model(&self) -> InWorld<A> {
        let property = Property::always(self.name, self.absent);
        InWorld::checking(SETTING, vec![property])
    }

    /// The shortest way to it, if there is one of at most `steps` steps.
    pub fn find(&self, steps: usize) -> Option<Found<A>> {
        let limits = Limits {
            first: true,
            depth: Some(steps),
            time: None,
        };
        search(self.model(), limits).violations.pop().map(|v| v.1)
    }
}

impl<A: Algorithm> World<A> {
    /// Notes what the stories of known faults ask for.
    pub(crate) fn remember(&mut self, action: Action) {
        if self.node.status().refuses_reads() && self.data.held {
            self.mark(Mark::Refused);
        }
        // These speak of the step that was just made.
        let died = matches!(
            action,
            Action::Link {
                event: Event::Lost,
                ..
            }
        );
        if !died {
            self.marks &= !(Mark::SyncDied as u8);
        }
        if !matches!(action, Action::Fails { .. }) {
            self.marks &= !(Mark::Interleaved as u8);
        }
        if !matches!(
            action,
            Action::Link {
                event: Event::Continue(_),
                ..
            }
        ) {
            self.marks &= !(Mark::Needless as u8);
        }
    }
}
