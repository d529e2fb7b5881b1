//! One representative of all states of several nodes that differ in names only.
//!
//! Replids are named in the order in which the state mentions them. A node's generations are compared
//! with that of its one connection, and its tickets, since there are no attempts here, with the last one
//! issued: so one name for each of these will do.

use std::cell::RefCell;

use damselfly_core::properties::Ghost;
use damselfly_core::rename::{Names, Rename};

use super::{Member, Nodes, Said, Stage, Wire};
use crate::tiny::Tiny;

/// The names given so far: at its place the old one.
#[derive(Default)]
struct Given(RefCell<Vec<u8>>);

impl Names<Tiny> for Given {
    fn host(&self, host: u8) -> u8 {
        host
    }

    fn replid(&self, replid: u8) -> u8 {
        let mut given = self.0.borrow_mut();
        let at = given.iter().position(|old| *old == replid);
        let at = at.unwrap_or_else(|| {
            given.push(replid);
            given.len() - 1
        });
        at as u8
    }

    fn offset(&self, offset: u8) -> u8 {
        offset
    }

    fn ticket(&self, _: u8) -> u8 {
        1
    }

    fn generation(&self, _: u8) -> u8 {
        1
    }
}

/// Every replid there is.
#[derive(Default)]
struct Highest(RefCell<u8>);

impl Names<Tiny> for Highest {
    fn host(&self, host: u8) -> u8 {
        host
    }

    fn replid(&self, replid: u8) -> u8 {
        let mut highest = self.0.borrow_mut();
        *highest = (*highest).max(replid);
        replid
    }

    fn offset(&self, offset: u8) -> u8 {
        offset
    }

    fn ticket(&self, ticket: u8) -> u8 {
        ticket
    }

    fn generation(&self, generation: u8) -> u8 {
        generation
    }
}

impl Nodes {
    /// A replid that nobody knows.
    pub(super) fn fresh(&self) -> u8 {
        let highest = Highest::default();
        self.rename(&highest);
        highest.0.into_inner() + 1
    }

    /// The representative of this state.
    #[must_use]
    pub fn canonical(&self) -> Self {
        self.rename(&Given::default())
    }

    fn rename(&self, names: &impl Names<Tiny>) -> Self {
        let member = |m: &Member| Member {
            node: m.node.rename(names),
            ghost: Ghost::rename(&m.ghost, names),
            data: m.data.clone(),
            wire: m.wire.as_ref().map(|w| wire(w, names)),
        };
        Self {
            all: self.all.iter().map(member).collect(),
            ..self.clone()
        }
    }
}

fn wire(wire: &Wire, names: &impl Names<Tiny>) -> Wire {
    Wire {
        generation: names.generation(wire.generation),
        to: wire.to,
        closed: wire.closed,
        stage: match &wire.stage {
            Stage::Asked(resume, failover) => Stage::Asked(resume.rename(names), *failover),
            Stage::Answered(said, failover) => {
                let said = match said {
                    Said::Continue(replid) => Said::Continue(names.replid(*replid)),
                    Said::Full(at, data) => Said::Full(at.rename(names), data.clone()),
                    Said::Refused { master } => Said::Refused { master: *master },
                };
                Stage::Answered(said, *failover)
            }
            stage => stage.clone(),
        },
    }
}
