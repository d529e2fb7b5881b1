//! Steps the algorithm through a trace that a server wrote, and objects to whatever does not follow.
//!
//! Four things are checked, line by line: the file is whole (every line ends in a sum over all before
//! it), the deeds are the ones the algorithm answers with, no step breaks a property, and the
//! environment could have told the node what it told it: an attempt ends once, a connection lives the one
//! life that connections have, an offset goes back only with another dataset (`World`).

mod world;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use damselfly_core::properties::Ghost;
use damselfly_core::trace::{Entry, Fact, Reader, deed};
use damselfly_core::{Boot, Domain, Input, Node, Outputs, Protocol, v1};
use world::World;

/// The ids of a trace: names as they were written, numbers as numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Written;

/// A name, held once however often it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Name(u32);

thread_local! {
    static NAMES: RefCell<(HashMap<String, u32>, Vec<String>)> = RefCell::default();
}

impl FromStr for Name {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(NAMES.with_borrow_mut(|(known, names)| {
            let next = names.len() as u32;
            Name(*known.entry(text.to_owned()).or_insert_with(|| {
                names.push(text.to_owned());
                next
            }))
        }))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NAMES.with_borrow(|(_, names)| f.write_str(&names[self.0 as usize]))
    }
}

impl Domain for Written {
    type Host = Name;
    type RunId = Name;
    type ReplId = Name;
    type Offset = u64;
    type Ticket = u64;
    type Generation = u64;

    fn next_ticket(ticket: u64) -> u64 {
        ticket.saturating_add(1)
    }

    fn next_generation(generation: u64) -> u64 {
        generation.saturating_add(1)
    }

    fn next_offset(offset: u64) -> u64 {
        offset.saturating_add(1)
    }
}

/// What a replay went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Facts stepped.
    pub inputs: usize,
    /// Deeds compared.
    pub outputs: usize,
    /// The server was shut down in order, so the trace is known to be whole.
    pub ended: bool,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.ended {
            "shut down in order"
        } else {
            "not shut down in order"
        };
        let (inputs, outputs) = (self.inputs, self.outputs);
        write!(f, "{inputs} inputs and {outputs} outputs replayed; {end}")
    }
}

/// What is wrong, and in which line of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Counted from 1.
    pub line: usize,
    /// What does not follow.
    pub what: String,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Objection {}

/// Replays a trace.
///
/// # Errors
/// The first thing that does not follow.
pub fn replay(text: &str) -> Result<Replayed, Objection> {
    let (algorithm, boot, reader) = Reader::open::<Written>(text).map_err(damage)?;
    match algorithm {
        "v2" => run(Node::new(boot), true, &boot, reader),
        // The old algorithm breaks properties: that is what it is kept for.
        "v1" => run(v1::Node::new(boot), false, &boot, reader),
        other => Err(Objection {
            line: 1,
            what: format!("the algorithm {other:?} is not known"),
        }),
    }
}

fn damage(damage: damselfly_core::trace::Damage) -> Objection {
    Objection {
        line: damage.line,
        what: damage.what.to_owned(),
    }
}

fn run<P: Protocol<Written>>(
    node: P,
    judged: bool,
    boot: &Boot<Written>,
    mut reader: Reader<'_>,
) -> Result<Replayed, Objection> {
    let mut stage = Stage {
        node,
        ghost: Ghost::new(boot),
        world: World::new(boot),
        judged,
    };
    let mut seen = Replayed::default();
    // Deeds that the last fact led to and that the trace has yet to say.
    let mut owed: std::collections::VecDeque<String> = Default::default();
    loop {
        let entry = reader.entry::<Written>().map_err(damage)?;
        let line = reader.line_number();
        let object = |what: String| Err(Objection { line, what });
        match entry {
            Some(Entry::Deed(said)) => match owed.pop_front() {
                Some(done) if done == said => seen.outputs += 1,
                Some(done) => return object(format!("the core would do `{done}`, not `{said}`")),
                None => return object(format!("the core would do nothing, not `{said}`")),
            },
            Some(Entry::Fact(fact)) => {
                if let Some(done) = owed.front() {
                    return object(format!("before this the core would do `{done}`"));
                }
                match stage.take(fact) {
                    Ok(deeds) => owed = deeds.into(),
                    Err(what) => return object(what),
                }
                seen.inputs += 1;
            }
            Some(Entry::End) => {
                if let Some(done) = owed.front() {
                    return object(format!("before the end the core would do `{done}`"));
                }
                seen.ended = true;
            }
            // A server that was killed may not have written the deeds of its last fact.
            None => return Ok(seen),
        }
    }
}

struct Stage<P> {
    node: P,
    ghost: Ghost<Written>,
    world: World,
    judged: bool,
}

impl<P: Protocol<Written>> Stage<P> {
    fn take(&mut self, fact: Fact<Written>) -> Result<Vec<String>, String> {
        let mut out = Outputs::new();
        let broken = match fact {
            Fact::Failed(ticket) => {
                self.world.end_attempt(ticket)?;
                self.ghost.attempt_failed(&mut self.node, ticket, &mut out)
            }
            Fact::Commit { ticket, target, at } => {
                let attempt = self.world.end_attempt(ticket)?;
                if attempt.target() != target {
                    return Err(format!("attempt {ticket} went to {}", attempt.target()));
                }
                let greeted = attempt
                    .greeted(None)
                    .map_err(|_| "an attempt that found itself cannot commit")?;
                self.input(Input::Commit { greeted, at }, &mut out)?
            }
            Fact::Input(input) => self.input(input, &mut out)?,
        };
        if self.judged
            && let Some(property) = broken.iter().next()
        {
            return Err(format!("{property} violated"));
        }
        let deeds = out.as_slice().iter().map(deed).collect();
        out.drain().for_each(|output| self.world.happened(output));
        Ok(deeds)
    }

    fn input(
        &mut self,
        input: Input<Written>,
        out: &mut Outputs<Written>,
    ) -> Result<damselfly_core::properties::Broken, String> {
        self.world.could(&input, &self.node.status())?;
        Ok(self.ghost.step(&mut self.node, input, out))
    }
}

#[cfg(test)]
mod tests;
