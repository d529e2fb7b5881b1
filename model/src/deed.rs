//! What the node is told to do, done in the world.

use damselfly_core::properties::Property;
use damselfly_core::{Output, Position};

use crate::algorithm::Algorithm;
use crate::tiny::Tiny;
use crate::world::{Stage, Wire, World};

impl<A: Algorithm> World<A> {
    pub(crate) fn deed(&mut self, deed: Output<Tiny>) {
        match deed {
            Output::Stop(generation) => {
                if let Some(wire) = self.wire(generation) {
                    wire.stage = Stage::Stopped;
                }
            }
            Output::Adopt(generation) => {
                if let Some(wire) = self.wire(u8::MAX) {
                    wire.generation = generation;
                }
            }
            Output::Dial { generation, target } => self.wires.push(Wire {
                generation,
                host: target,
                stage: Stage::Dialing,
            }),
            Output::Psync {
                generation, resume, ..
            } => {
                if let Some(wire) = self.wire(generation) {
                    wire.stage = Stage::Asked(resume);
                }
            }
            Output::Arm(generation) => {
                self.wires.retain(|w| w.generation != generation);
                self.wires.push(Wire {
                    generation,
                    host: 0,
                    stage: Stage::Timer,
                });
            }
            Output::Stage(generation) => {
                self.unless(self.staging.is_none(), Property::AtomicSwap);
                self.staging = Some(generation);
            }
            Output::DropAndLoad(_) => {
                self.data.held = false;
                self.staging = None;
            }
            Output::Swap(generation, at) => {
                // In the place of what was dropped, or what was kept beside.
                let whole = self.staging == Some(generation) || !self.data.held;
                self.unless(whole, Property::AtomicSwap);
                self.replace(at);
            }
            Output::Discard(generation) => {
                if self.staging == Some(generation) {
                    self.staging = None;
                }
            }
            Output::Apply { to, .. } => {
                self.unless(self.data.held, Property::AtomicSwap);
                self.data.at.offset = to;
            }
            Output::DropReplicas => self.sub = None,
            Output::Empty(at) => self.replace(at),
            Output::CancelBefore(ticket) => {
                self.unless(
                    ticket == self.ghost.cancelled(),
                    Property::NoSpuriousRefusal,
                );
            }
            Output::Reply(_) | Output::Connect(_) | Output::Watch { .. } => {}
        }
    }

    /// The dataset becomes another; the replicas of the old one are dropped in the same step.
    fn replace(&mut self, at: Position<Tiny>) {
        self.data.held = true;
        self.data.at = at;
        self.data.shared = None;
        self.staging = None;
        self.sub = None;
    }
}
