//! The algorithms that can be put into the world.

use std::fmt::Debug;
use std::hash::Hash;

use damselfly_core::rename::Rename;
use damselfly_core::{Boot, Link, Node, Protocol, Role, v1};

use crate::tiny::Tiny;

/// An algorithm, and what the world must know to drive it.
pub trait Algorithm:
    Protocol<Tiny> + Rename<Tiny> + Clone + PartialEq + Eq + Hash + Debug + Send + Sync + 'static
{
    /// As on the command line.
    const NAME: &'static str;

    /// How a core of it is made, for tests that are printed.
    const NEW: &'static str;

    /// One deadline covers the whole attempt. Without it a peer that is mute in the greeting holds
    /// the attempt for ever.
    const DEADLINE: bool;

    /// `NO ONE` ends the attempts before it.
    const CANCELS: bool;

    /// It compares tickets only with its fences and generations only with its one link, so those
    /// that are on the same side of all of these may get the same name.
    const FENCED: bool = false;

    /// It asks whether a command of its master's stream failed, and makes something of it.
    const NOTICES: bool = false;

    /// A node that is about to be told that its snapshot file is in.
    fn boot(boot: Boot<Tiny>) -> Self;

    /// Where it stands, if it is [`FENCED`](Self::FENCED).
    fn stands(&self) -> Option<Stands> {
        None
    }
}

/// Where an algorithm with fences stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stands {
    /// The last ticket given.
    pub issued: u8,
    /// The last that committed.
    pub committed: u8,
    /// That of the last `NO ONE`.
    pub cancelled: u8,
    /// The last generation given.
    pub last: u8,
    /// The connection its link is, or has lost and will dial again.
    pub current: Option<u8>,
}

impl Algorithm for Node<Tiny> {
    const NAME: &'static str = "v2";
    const NEW: &'static str = "Node::new";
    const DEADLINE: bool = true;
    const CANCELS: bool = true;
    const FENCED: bool = true;
    const NOTICES: bool = true;

    fn boot(boot: Boot<Tiny>) -> Self {
        Node::new(boot)
    }

    fn stands(&self) -> Option<Stands> {
        Some(Stands {
            issued: self.issued(),
            committed: self.committed(),
            cancelled: self.cancelled(),
            last: self.last_generation(),
            current: match self.role() {
                Role::Master { .. } => None,
                Role::Replica { link, .. } => match link {
                    Link::Waiting { generation } => Some(generation),
                    link => link.live(),
                },
            },
        })
    }
}

impl Algorithm for v1::Node<Tiny> {
    const NAME: &'static str = "v1";
    const NEW: &'static str = "v1::Node::new";
    const DEADLINE: bool = true;
    const CANCELS: bool = false;

    fn boot(boot: Boot<Tiny>) -> Self {
        v1::Node::new(boot)
    }
}
