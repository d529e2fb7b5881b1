//! One representative of all states that differ in names only.
//!
//! The core compares hosts and replids for equality, and of tickets, generations and offsets it knows
//! the order and the successor (`Domain`). So names can be given anew in every state:
//! - clients and masters are interchangeable: masters are named by where they stand in the state,
//!   clients sorted;
//! - replids are named in the order in which the state mentions them;
//! - offsets keep their order and whether one is the next of another. A gap of more than one is kept as
//!   two: gaps between offsets of one state never shrink, since only the greatest grows;
//! - of a ticket it matters between which fences it lies; of those after the last commit, their order.
//!   The host of a cancelled attempt does not matter any more;
//! - of a generation it matters whether it is the link's. One connection that was told to stop stands
//!   for all of them, since what it tries is possible as long as it is there, again and again.
//!
//! The last two hold for an algorithm that compares with fences and with one link only
//! ([`Algorithm::FENCED`]), as long as its fences are where they should be; else tickets and generations
//! keep their order.

use std::cell::Cell;

use damselfly_core::properties::Ghost;
use damselfly_core::rename::{Names, Rename};
use damselfly_core::{Position, Resume};

use crate::algorithm::{Algorithm, Stands};
use crate::tiny::{FIRST_OFFSET, Tiny};
use crate::world::{Client, Phase, Setting, Stage, Truth, Wire, World};

const IDS: usize = 128;

/// Every id of a state.
#[derive(Default)]
struct Mentioned {
    replids: Cell<u128>,
    offsets: Cell<u128>,
    tickets: Cell<u128>,
    generations: Cell<u128>,
}

fn add(set: &Cell<u128>, id: u8) -> u8 {
    set.set(set.get() | 1 << (usize::from(id) % IDS));
    id
}

impl Names<Tiny> for Mentioned {
    fn host(&self, host: u8) -> u8 {
        host
    }
    fn replid(&self, replid: u8) -> u8 {
        add(&self.replids, replid)
    }
    fn offset(&self, offset: u8) -> u8 {
        add(&self.offsets, offset)
    }
    fn ticket(&self, ticket: u8) -> u8 {
        add(&self.tickets, ticket)
    }
    fn generation(&self, generation: u8) -> u8 {
        add(&self.generations, generation)
    }
}

/// The new names.
struct Canonical {
    hosts: [u8; 8],
    replids: Cell<[u8; IDS]>,
    next_replid: Cell<u8>,
    offsets: [u8; IDS],
    mentioned: Mentioned,
    /// With it, tickets and generations are named by class.
    fences: Option<Stands>,
}

const UNNAMED: u8 = u8::MAX;

/// The names of tickets by class: cancelled, the last NO ONE, fenced, the last commit, live ones.
const TICKET: [u8; 5] = [0, 1, 2, 3, 4];
/// Above every live ticket.
const ISSUED: u8 = 15;

impl Names<Tiny> for Canonical {
    fn host(&self, host: u8) -> u8 {
        self.hosts[usize::from(host)]
    }

    fn replid(&self, replid: u8) -> u8 {
        let mut names = self.replids.get();
        let name = &mut names[usize::from(replid) % IDS];
        if *name == UNNAMED {
            *name = self.next_replid.get();
            self.next_replid.set(*name + 1);
            self.replids.set(names);
        }
        self.replids.get()[usize::from(replid) % IDS]
    }

    fn offset(&self, offset: u8) -> u8 {
        self.offsets[usize::from(offset) % IDS]
    }

    fn ticket(&self, ticket: u8) -> u8 {
        match &self.fences {
            None => rank(self.mentioned.tickets.get(), ticket),
            Some(f) if ticket < f.cancelled => TICKET[0],
            Some(f) if ticket < f.committed => TICKET[2],
            Some(f) => {
                let above = self.mentioned.tickets.get() >> f.committed >> 1;
                TICKET[4] + rank(above, ticket.saturating_sub(f.committed + 1))
            }
        }
    }

    fn generation(&self, generation: u8) -> u8 {
        match &self.fences {
            None => rank(self.mentioned.generations.get(), generation),
            Some(f) => 1 + u8::from(f.current == Some(generation)),
        }
    }

    fn issued(&self, ticket: u8) -> u8 {
        match self.fences {
            None => self.ticket(ticket),
            Some(_) => ISSUED,
        }
    }

    fn committed(&self, ticket: u8) -> u8 {
        match self.fences {
            None => self.ticket(ticket),
            Some(_) => TICKET[3],
        }
    }

    fn cancelled(&self, ticket: u8) -> u8 {
        match self.fences {
            None => self.ticket(ticket),
            Some(_) => TICKET[1],
        }
    }

    fn last(&self, generation: u8) -> u8 {
        match self.fences {
            None => self.generation(generation),
            Some(_) => 2,
        }
    }
}

/// How many ids of `set` are less than `id`.
fn rank(set: u128, id: u8) -> u8 {
    bits(set & ((1 << id) - 1))
}

fn bits(set: u128) -> u8 {
    // At most 128.
    set.count_ones() as u8
}

impl<A: Algorithm> World<A> {
    /// A replid that the state does not mention.
    pub fn fresh(&self) -> u8 {
        let mentioned = Mentioned::default();
        self.rename(&mentioned);
        // A set of 128 bits.
        (u128::BITS - mentioned.replids.get().leading_zeros()) as u8
    }

    /// The representative of this state.
    #[must_use]
    pub fn canonical(mut self, setting: &Setting) -> Self {
        if !setting.canonical {
            return self;
        }
        let fences = self.fences();
        if let Some(fences) = fences {
            self.forget_the_past(fences.current);
        }
        let mentioned = Mentioned::default();
        self.rename(&mentioned);
        let names = Canonical {
            hosts: self.name_hosts(fences.as_ref()),
            replids: Cell::new([UNNAMED; IDS]),
            next_replid: Cell::new(0),
            offsets: name_offsets(mentioned.offsets.get()),
            mentioned,
            fences,
        };
        let mut new = self.rename(&names);
        if fences.is_some() {
            for client in &mut new.clients {
                if let Client::Waiting { attempt, .. } = client
                    && attempt.ticket() == TICKET[0]
                {
                    *attempt = attempt.rename(&Nowhere);
                }
            }
        }
        new.clients.sort_unstable_by_key(key);
        new
    }

    /// The fences, if tickets and generations can be named by them: if the node and the account of it
    /// agree, and nothing that is under way is ahead of them. Names must not repair what is broken.
    fn fences(&self) -> Option<Stands> {
        let stands = self.node.stands().filter(|_| A::FENCED)?;
        let agree = stands.issued == self.ghost.issued()
            && stands.committed == self.ghost.committed()
            && stands.cancelled == self.ghost.cancelled()
            && stands.last == self.ghost.last_generation();
        let wires = self.wires.iter();
        let newest = wires.map(|w| w.generation).chain(stands.current).max();
        let behind = self.clients.iter().all(|client| match client {
            Client::Waiting { attempt, .. } => attempt.ticket() <= stands.issued,
            Client::Idle | Client::Sampled(_) => true,
        });
        let ordered = stands.cancelled <= stands.committed && stands.committed <= stands.issued;
        (agree && behind && ordered && newest.is_none_or(|g| g <= stands.last)).then_some(stands)
    }

    /// What is left of connections that are not the link: one that may still try anything.
    fn forget_the_past(&mut self, current: Option<u8>) {
        let before = self.wires.len();
        self.wires
            .retain(|w| Some(w.generation) == current && w.stage != Stage::Stopped);
        if self.wires.len() < before {
            self.wires.insert(
                0,
                Wire {
                    // Not the link's.
                    generation: current.map_or(0, |g| g.wrapping_sub(1)),
                    host: 0,
                    stage: Stage::Stopped,
                },
            );
        }
    }

    /// Masters by where they stand: the committed one, those of attempts in the order of tickets, and
    /// then by how often those are named whose order is not known.
    fn name_hosts(&self, fences: Option<&Stands>) -> [u8; 8] {
        let mut names = [UNNAMED; 8];
        let mut next = 0;
        let mut name = |host: u8| {
            let name = &mut names[usize::from(host)];
            if *name == UNNAMED {
                *name = next;
                next += 1;
            }
        };
        if let Some((host, _)) = self.node.status().master {
            name(host);
        }
        self.ghost.register().map(&mut name);
        self.ghost.heir().map(&mut name);
        for wire in &self.wires {
            if !matches!(wire.stage, Stage::Stopped | Stage::Timer) {
                name(wire.host);
            }
        }
        let mut waiting: Vec<(u8, u8)> = Vec::new();
        let mut weight = [(0u8, 0u8); 8];
        for client in &self.clients {
            match client {
                Client::Waiting { attempt, .. }
                    if fences.is_some_and(|f| attempt.ticket() < f.cancelled) => {}
                Client::Waiting { attempt, .. }
                    if fences.is_some_and(|f| attempt.ticket() < f.committed) =>
                {
                    weight[usize::from(attempt.target())].0 += 1;
                }
                Client::Waiting { attempt, .. } => {
                    waiting.push((attempt.ticket(), attempt.target()));
                }
                Client::Sampled(Some(host)) => weight[usize::from(*host)].1 += 1,
                Client::Sampled(None) | Client::Idle => {}
            }
        }
        waiting.sort_unstable();
        waiting.iter().for_each(|(_, host)| name(*host));
        let mut rest: Vec<u8> = (0..8).collect();
        rest.sort_by_key(|host| std::cmp::Reverse(weight[usize::from(*host)]));
        rest.into_iter().for_each(name);
        names
    }

    fn rename(&self, names: &impl Names<Tiny>) -> Self {
        // First the data, so that its history is the first one.
        let data = Truth {
            held: self.data.held,
            at: self.data.at.rename(names),
            shared: self.data.shared.map(|p| p.rename(names)),
        };
        Self {
            data,
            node: self.node.rename(names),
            ghost: Ghost::rename(&self.ghost, names),
            clients: self.clients.iter().map(|c| client(c, names)).collect(),
            wires: self.wires.iter().map(|w| wire(w, names)).collect(),
            staging: self.staging.map(|g| names.generation(g)),
            sub: self.sub.map(|r| names.replid(r)),
            broken: self.broken,
            marks: self.marks,
        }
    }
}

fn client(client: &Client, names: &impl Names<Tiny>) -> Client {
    match client {
        Client::Idle => Client::Idle,
        Client::Waiting {
            attempt,
            phase,
            overtaken,
        } => Client::Waiting {
            attempt: attempt.rename(names),
            phase: *phase,
            overtaken: *overtaken,
        },
        Client::Sampled(host) => Client::Sampled(host.map(|h| names.host(h))),
    }
}

fn wire(wire: &Wire, names: &impl Names<Tiny>) -> Wire {
    let stage = match wire.stage {
        Stage::Asked(resume) => Stage::Asked(resume.map(|r: Resume<Tiny>| r.rename(names))),
        Stage::Promised(at) => Stage::Promised(at.rename(names)),
        Stage::Loading(at) => Stage::Loading(at.rename(names)),
        Stage::Streaming(at) => Stage::Streaming(Position::rename(&at, names)),
        stage @ (Stage::Timer | Stage::Dialing | Stage::Greeted | Stage::Stopped) => stage,
    };
    let nowhere = matches!(stage, Stage::Timer | Stage::Stopped);
    Wire {
        generation: names.generation(wire.generation),
        host: if nowhere { 0 } else { names.host(wire.host) },
        stage,
    }
}

/// The order in which clients stand.
fn key(client: &Client) -> (u8, u8, u8, Phase, bool) {
    match client {
        Client::Waiting {
            attempt,
            phase,
            overtaken,
        } => (0, attempt.ticket(), attempt.target(), *phase, *overtaken),
        Client::Sampled(host) => (1, host.map_or(0, |h| h + 1), 0, Phase::Connecting, false),
        Client::Idle => (2, 0, 0, Phase::Connecting, false),
    }
}

/// Keeps order and adjacency, and leaves room for a lesser one.
fn name_offsets(mentioned: u128) -> [u8; IDS] {
    let mut names = [0; IDS];
    let (mut name, mut last) = (FIRST_OFFSET, None);
    for offset in (0..IDS).filter(|o| mentioned & (1 << o) != 0) {
        if let Some(last) = last {
            name += if offset - last == 1 { 1 } else { 2 };
        }
        names[offset] = name;
        last = Some(offset);
    }
    names
}

/// Names nothing anew but the host, which does not matter.
struct Nowhere;

impl Names<Tiny> for Nowhere {
    fn host(&self, _: u8) -> u8 {
        0
    }
    fn replid(&self, replid: u8) -> u8 {
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
