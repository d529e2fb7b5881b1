//! Steps the algorithm through a trace that a server wrote, and objects to whatever does not follow.
//!
//! Four things are checked, line by line: the file is whole (every line ends in a sum over all before
//! it), the deeds are the ones the algorithm answers with, no step breaks a property, and the
//! environment could have told the node what it told it: an attempt ends once, and a connection lives
//! the one life that connections have ([`Life`]).

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use damselfly_core::properties::Ghost;
use damselfly_core::trace::{Entry, Fact, Reader, deed};
use damselfly_core::{Answer, Attempt, Boot, Domain, Input, Node, Output, Outputs, Protocol, v1};

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
        world: World::default(),
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

/// What there is outside the node: the environment of the model, driven by the trace.
#[derive(Default)]
struct World {
    started: bool,
    attempts: HashMap<u64, Attempt<Written>>,
    connections: HashMap<u64, Life>,
    /// Replication ids that were made here: each is made once.
    made: HashSet<Name>,
    /// Tickets of hand-overs.
    watched: HashSet<u64>,
}

/// How far a connection is; it goes through these in order, and may be lost at any moment, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Dialing,
    Greeted,
    Asked,
    Promised,
    Loading,
    Streaming,
    Lost,
    Armed,
}

impl World {
    fn end_attempt(&mut self, ticket: u64) -> Result<Attempt<Written>, String> {
        self.attempts
            .remove(&ticket)
            .ok_or(format!("no attempt has ticket {ticket} any more"))
    }

    /// Whether the environment can tell the node this now; notes that it has.
    fn could(
        &mut self,
        input: &Input<Written>,
        status: &damselfly_core::Status<Written>,
    ) -> Result<(), String> {
        let first = matches!(input, Input::Restored { .. });
        if first == self.started {
            return Err("the file of the start is restored first, and once".into());
        }
        self.started = true;
        let follows = status.master.is_some();
        let held = status.history.at.offset;
        match *input {
            Input::Commit { at, .. } | Input::NoOne { at, .. } | Input::TakeOver { at, .. }
                if follows && at != held =>
            {
                return Err(format!("the dataset is at {held}, not at {at}"));
            }
            Input::NoOne { fresh, .. }
            | Input::TakeOver { fresh, .. }
            | Input::HistoryBegan { fresh, .. } => {
                if !self.made.insert(fresh) {
                    return Err("a replication id was made twice".into());
                }
            }
            Input::CaughtUp { ticket, .. } | Input::Expired { ticket, .. } => {
                if !self.watched.contains(&ticket) {
                    return Err(format!("no hand-over has ticket {ticket}"));
                }
            }
            Input::Rejected { generation, .. } => {
                self.moves(generation, &[Life::Asked], Life::Greeted)?;
            }
            Input::Dialed { generation, .. } => {
                self.moves(generation, &[Life::Dialing], Life::Greeted)?;
            }
            Input::Answered { generation, answer } => {
                let next = match answer {
                    Answer::Continue { .. } => Life::Streaming,
                    Answer::FullResync(_) => Life::Promised,
                };
                self.moves(generation, &[Life::Asked], next)?;
            }
            Input::Began { generation, .. } => {
                self.moves(generation, &[Life::Promised], Life::Loading)?;
            }
            Input::Loaded { generation } => {
                self.moves(generation, &[Life::Loading], Life::Streaming)?;
            }
            Input::Batch { generation, to } => {
                self.moves(generation, &[Life::Streaming], Life::Streaming)?;
                if status.live == Some(generation) && to <= held {
                    return Err(format!("a batch up to {to}, where {held} are applied"));
                }
            }
            Input::Lost { generation } => {
                let alive = [
                    Life::Dialing,
                    Life::Greeted,
                    Life::Asked,
                    Life::Promised,
                    Life::Loading,
                    Life::Streaming,
                ];
                self.moves(generation, &alive, Life::Lost)?;
            }
            Input::Timer { generation } => {
                self.moves(generation, &[Life::Armed], Life::Lost)?;
            }
            Input::Commit { .. }
            | Input::Restored { .. }
            | Input::Requested { .. }
            | Input::FailOver { .. }
            | Input::Abort
            | Input::Configure { .. } => {}
        }
        Ok(())
    }

    fn moves(&mut self, generation: u64, from: &[Life], to: Life) -> Result<(), String> {
        let Some(life) = self.connections.get_mut(&generation) else {
            return Err(format!("no connection has generation {generation}"));
        };
        if !from.contains(life) {
            return Err(format!(
                "connection {generation} is {life:?}: this cannot come from it"
            ));
        }
        *life = to;
        Ok(())
    }

    fn happened(&mut self, output: Output<Written>) {
        match output {
            Output::Connect(attempt) => {
                self.attempts.insert(attempt.ticket(), attempt);
            }
            Output::Dial { generation, .. } => {
                self.connections.insert(generation, Life::Dialing);
            }
            Output::Adopt(generation) => {
                self.connections.insert(generation, Life::Greeted);
            }
            Output::Psync { generation, .. } => {
                self.connections.insert(generation, Life::Asked);
            }
            Output::Arm(generation) => {
                self.connections.insert(generation, Life::Armed);
            }
            Output::Watch { ticket, .. } => {
                self.watched.insert(ticket);
            }
            Output::Reply(_)
            | Output::CancelBefore(_)
            | Output::Stop(_)
            | Output::Stage(_)
            | Output::DropAndLoad(_)
            | Output::Swap(..)
            | Output::Discard(_)
            | Output::Apply { .. }
            | Output::DropReplicas
            | Output::Empty(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damselfly_core::trace::Recorder;

    /// A trace of a full sync, a batch and a promotion, written as a server writes it.
    fn trace() -> String {
        let name = |text: &str| -> Name { text.parse().unwrap() };
        let boot = Boot::<Written> {
            me: name("me"),
            fresh: name("born"),
            offset: 0,
            ticket: 0,
            generation: 0,
            follow: None,
            flush: false,
        };
        let mut text = String::new();
        let mut recorder = Recorder::begin("v2", &boot, &mut text);
        let mut node = Node::new(boot);
        let mut tell = |input: Input<Written>| {
            recorder.fact(&input, &mut text);
            let mut out = Outputs::new();
            node.step(input, &mut out);
            recorder.deeds(&out, &mut text);
            out.drain().find_map(|o| match o {
                Output::Connect(attempt) => Some(attempt),
                _ => None,
            })
        };
        let generation = 1;
        tell(Input::Restored { position: None });
        let target = name("10.0.0.7 6379");
        let attempt = tell(Input::Requested { target }).unwrap();
        let greeted = attempt.greeted(Some(name("peer"))).unwrap();
        tell(Input::Commit { greeted, at: 0 });
        let answer = Answer::FullResync(damselfly_core::Position {
            replid: name("theirs"),
            offset: 70,
        });
        tell(Input::Answered { generation, answer });
        let empty = true;
        tell(Input::Began { generation, empty });
        tell(Input::Loaded { generation });
        tell(Input::Batch { generation, to: 90 });
        tell(Input::NoOne {
            force: false,
            fresh: name("mine"),
            at: 90,
        });
        recorder.end(&mut text);
        text
    }

    #[test]
    fn an_honest_trace_replays() {
        let seen = replay(&trace()).unwrap();
        assert_eq!(seen.inputs, 8);
        assert!(seen.outputs >= 11 && seen.ended, "{seen:?}");
    }

    #[test]
    fn a_trace_that_was_cut_by_a_kill_replays() {
        let whole = trace();
        let cut = &whole[..whole.len() - 20];
        assert!(!replay(cut).unwrap().ended);
    }

    #[test]
    fn every_deleted_or_edited_line_is_found() {
        let whole = trace();
        let lines: Vec<&str> = whole.lines().collect();
        for gone in 0..lines.len() - 1 {
            let mut left = lines.clone();
            left.remove(gone);
            let text = left.join("\n") + "\n";
            assert!(replay(&text).is_err(), "line {} deleted", gone + 1);
        }
        for edited in 0..lines.len() {
            let mut text = String::new();
            for (i, line) in lines.iter().enumerate() {
                let line = if i == edited {
                    line.replacen(|c: char| c.is_ascii_lowercase(), "q", 1)
                } else {
                    (*line).to_owned()
                };
                text.push_str(&line);
                text.push('\n');
            }
            assert!(replay(&text).is_err(), "line {} edited", edited + 1);
        }
    }

    /// Writes the lines anew with right sums, so that only their meaning can be objected to.
    fn resummed(edit: impl Fn(&str) -> Option<String>) -> String {
        let mut sum: u32 = 0x811c_9dc5;
        let mut text = String::new();
        for line in trace().lines() {
            let said = line.rsplit_once(" ~").unwrap().0;
            let Some(said) = edit(said) else { continue };
            for byte in said.bytes().chain([b'\n']) {
                sum = (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
            }
            text.push_str(&format!("{said} ~{sum:08x}\n"));
        }
        text
    }

    fn objection(edit: impl Fn(&str) -> Option<String>) -> String {
        replay(&resummed(edit)).unwrap_err().what
    }

    #[test]
    fn a_forger_who_knows_the_sums_is_found_by_the_core() {
        assert!(replay(&resummed(|l| Some(l.into()))).is_ok());
        let what = objection(|l| (!l.starts_with("< swap")).then(|| l.into()));
        assert!(what.contains("the core would do `swap"), "{what}");
        let what = objection(|l| Some(l.replace("< apply 1 90", "< apply 1 91")));
        assert!(what.contains("the core would do `apply 1 90`"), "{what}");
    }

    #[test]
    fn what_the_environment_cannot_do_is_found() {
        let what = objection(|l| (!l.starts_with("> began")).then(|| l.into()));
        assert!(
            what.contains("the core would do nothing") || what.contains("cannot come"),
            "{what}"
        );
        let what = objection(|l| Some(l.replace("> batch 1", "> batch 4")));
        assert!(what.contains("no connection has generation 4"), "{what}");
        let what = objection(|l| Some(l.replace("mine 90", "mine 80")));
        assert!(what.contains("the dataset is at 90, not at 80"), "{what}");
    }
}
