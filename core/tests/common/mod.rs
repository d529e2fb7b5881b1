//! A node, told facts one by one, with every property watched.
#![allow(dead_code, missing_docs)]

use damselfly_core::properties::{Broken, Ghost, Property};
use damselfly_core::*;

/// Ids as tiny integers. Hosts are 0, 1, 2; replids too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tiny;

impl Domain for Tiny {
    type Host = u8;
    type RunId = u8;
    type ReplId = u8;
    type Offset = u8;
    type Ticket = u8;
    type Generation = u8;
    fn next_ticket(ticket: u8) -> u8 {
        ticket + 1
    }
    fn next_generation(generation: u8) -> u8 {
        generation + 1
    }
    fn next_offset(offset: u8) -> u8 {
        offset + 1
    }
}

/// Our run id.
pub const ME: u8 = 0;
/// The run id of any other process.
pub const OTHER: u8 = 1;

/// A process that starts, with `--replicaof` or not, with history 0 at offset 4.
pub fn boot(follow: Option<u8>, flush: bool) -> Boot<Tiny> {
    Boot {
        me: ME,
        fresh: 0,
        offset: 4,
        ticket: 0,
        generation: 0,
        follow,
        flush,
    }
}

/// A node and the account of what it does.
pub struct Run<P> {
    pub node: P,
    ghost: Ghost<Tiny>,
    attempts: Vec<Attempt<Tiny>>,
    /// What it did in the last step, but for connecting.
    pub deeds: Vec<Output<Tiny>>,
}

impl<P: Protocol<Tiny>> Run<P> {
    pub fn new(node: impl Fn(Boot<Tiny>) -> P, boot: Boot<Tiny>) -> Self {
        Self {
            node: node(boot),
            ghost: Ghost::new(&boot),
            attempts: Vec::new(),
            deeds: Vec::new(),
        }
    }

    fn keep(&mut self, mut out: Outputs<Tiny>) {
        self.deeds.clear();
        for deed in out.drain() {
            match deed {
                Output::Connect(attempt) => self.attempts.push(attempt),
                deed => self.deeds.push(deed),
            }
        }
    }

    /// Steps the node; says what that broke.
    pub fn tell(&mut self, input: Input<Tiny>) -> Broken {
        let mut out = Outputs::new();
        let broken = self.ghost.step(&mut self.node, input, &mut out);
        self.keep(out);
        broken
    }

    fn take(&mut self, ticket: u8) -> Attempt<Tiny> {
        let at = self.attempts.iter().position(|a| a.ticket() == ticket);
        self.attempts
            .remove(at.expect("an attempt with this ticket is under way"))
    }

    /// The attempt with this ticket is greeted, and asks to commit with every gate held.
    pub fn commit(&mut self, ticket: u8, at: u8) -> Broken {
        let greeted = self.take(ticket).greeted(Some(OTHER));
        let greeted = greeted.expect("the peer is not this process");
        self.tell(Input::Commit { greeted, at })
    }

    /// The attempt with this ticket ends in an error.
    pub fn fail(&mut self, ticket: u8) -> Broken {
        self.take(ticket).failed();
        let mut out = Outputs::new();
        let broken = self.ghost.attempt_failed(&mut self.node, ticket, &mut out);
        self.keep(out);
        broken
    }

    /// The tickets of the attempts that are under way.
    pub fn under_way(&self) -> Vec<u8> {
        self.attempts.iter().map(Attempt::ticket).collect()
    }

    /// Whom the node follows, as ROLE and INFO say, and how the link is.
    pub fn master(&self) -> Option<(u8, LinkStatus)> {
        self.node.status().master
    }
}

/// What happens to ours; a step that breaks a property fails the test, and the deeds are given.
pub struct Ours(pub Run<Node<Tiny>>);

impl Ours {
    /// A master that started without a snapshot file.
    pub fn master() -> Self {
        Self::started(boot(None, false), None)
    }

    pub fn started(boot: Boot<Tiny>, position: Option<Position<Tiny>>) -> Self {
        let mut ours = Self(Run::new(Node::new, boot));
        ours.tell(Input::Restored { position });
        ours
    }

    /// A replica of host 0 that streams history 1 at offset 7 over link 1.
    pub fn replica(flush: bool) -> Self {
        let mut ours = Self::started(boot(Some(0), flush), None);
        ours.tell(Input::Dialed {
            generation: 1,
            peer: Some(OTHER),
        });
        ours.full(1, at(1, 7));
        ours.tell(Input::Began {
            generation: 1,
            empty: true,
        });
        ours.tell(Input::Loaded { generation: 1 });
        assert_eq!(ours.0.master(), Some((0, LinkStatus::Streaming)));
        ours
    }

    fn sound(&self, broken: Broken) -> &[Output<Tiny>] {
        let names: Vec<&str> = broken.iter().map(Property::name).collect();
        assert!(names.is_empty(), "breaks {names:?}");
        &self.0.deeds
    }

    pub fn tell(&mut self, input: Input<Tiny>) -> &[Output<Tiny>] {
        let broken = self.0.tell(input);
        self.sound(broken)
    }

    /// `REPLICAOF target`.
    pub fn replicaof(&mut self, target: u8) -> &[Output<Tiny>] {
        self.tell(Input::Requested { target })
    }

    /// `REPLICAOF NO ONE`, with history `fresh` at hand.
    pub fn no_one(&mut self, fresh: u8, at: u8) -> &[Output<Tiny>] {
        self.tell(Input::NoOne {
            force: false,
            fresh,
            at,
        })
    }

    pub fn commit(&mut self, ticket: u8, at: u8) -> &[Output<Tiny>] {
        let broken = self.0.commit(ticket, at);
        self.sound(broken)
    }

    pub fn fail(&mut self, ticket: u8) -> &[Output<Tiny>] {
        let broken = self.0.fail(ticket);
        self.sound(broken)
    }

    /// `+CONTINUE [replid]` on link `generation`.
    pub fn goes_on(&mut self, generation: u8, replid: Option<u8>) -> &[Output<Tiny>] {
        self.tell(Input::Answered {
            generation,
            answer: Answer::Continue { replid },
        })
    }

    /// `+FULLRESYNC`.
    pub fn full(&mut self, generation: u8, at: Position<Tiny>) -> &[Output<Tiny>] {
        self.tell(Input::Answered {
            generation,
            answer: Answer::FullResync(at),
        })
    }

    pub fn status(&self) -> Status<Tiny> {
        self.0.node.status()
    }
}

pub fn at(replid: u8, offset: u8) -> Position<Tiny> {
    Position { replid, offset }
}

/// The `PSYNC replid from` of a dataset at `replid`, `offset`.
pub fn resume(replid: u8, offset: u8) -> Option<Resume<Tiny>> {
    Some(Resume {
        replid,
        from: offset + 1,
    })
}
