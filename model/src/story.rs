//! How a path is told: a few lines to read, and a `#[test]` to paste.

use std::fmt::{self, Display};

use damselfly_core::properties::{Broken, Property};
use damselfly_core::{Input, LinkStatus, Output, Outputs, Position, Promise, Reply, Status};

use crate::action::{Action, Failure};
use crate::algorithm::Algorithm;
use crate::code::{copy, rust};
use crate::model::{InWorld, PRELUDE};
use crate::step::Witness;
use crate::tiny::{Tiny, host_name};
use crate::world::{Client, Setting, Start, World};

/// A path of one world, told.
#[derive(Default, Debug)]
pub struct Story {
    /// The steps before it begins, which are not told one by one.
    pub given: Option<&'static str>,
    /// What happened, one after the other.
    pub steps: Vec<Told>,
    /// The inputs of the given steps and of these, as Rust.
    code: Vec<(String, Broken)>,
    follow: bool,
    flush: bool,
}

/// One step, told.
#[derive(Clone, Debug)]
pub struct Told {
    /// What happened.
    pub action: Action,
    /// Said in words.
    pub title: String,
    /// Whom it concerns besides the node.
    pub who: Column,
    /// What the node did, in order.
    pub deeds: Vec<Deed>,
    /// What it publishes afterwards, if that has changed.
    pub status: Option<String>,
    /// What the step broke.
    pub broken: Broken,
}

/// Something the node did, and whom it concerns.
#[derive(Clone, Debug)]
pub struct Deed {
    /// Whom.
    pub who: Column,
    /// Said in words.
    pub text: String,
}

/// Who stands in a story.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Column {
    /// A client.
    Client(u8),
    /// The node.
    Node,
    /// A master.
    Master(u8),
}

/// Writes down what passes, as Rust and as outputs.
#[derive(Default)]
struct Notes {
    code: Vec<(String, Broken)>,
    outputs: Outputs<Tiny>,
}

impl Witness for Notes {
    fn input(&mut self, input: &Input<Tiny>) {
        let code = match input {
            Input::Commit { greeted, at } => format!("run.commit({}, {at})", greeted.ticket()),
            input => format!("run.tell({})", rust(input)),
        };
        self.code.push((code, Broken::default()));
    }

    fn failed(&mut self, ticket: u8) {
        let code = format!("run.fail({ticket})");
        self.code.push((code, Broken::default()));
    }

    fn outputs(&mut self, outputs: &Outputs<Tiny>, broken: Broken) {
        if let Some(code) = self.code.last_mut() {
            code.1 = broken;
        }
        for output in outputs.as_slice() {
            self.outputs.push(copy(output));
        }
    }
}

impl Story {
    /// A path of representatives as one world would really walk it. None if it is not a path.
    pub fn concrete<A: Algorithm>(model: &InWorld<A>, states: &[World<A>]) -> Option<Self> {
        let setting = &model.setting;
        let real = Setting {
            canonical: false,
            ..*setting
        };
        let (first, rest) = states.split_first()?;
        let mut starts = model.starts().into_iter();
        let mut world = starts.find(|w| w.clone().canonical(setting) == *first)?;
        let mut story = Self {
            follow: world.ghost.register().is_some(),
            flush: world.ghost.flush(),
            ..Self::default()
        };
        if setting.start == Start::Streaming {
            story.given = Some("a healthy replica that streams from A");
            let mut before = World::<A>::boot(&real, true, false);
            story.step(&real, &mut before, Action::Restore { known: false });
            for event in PRELUDE {
                let generation = before.wires.last()?.generation;
                story.step(&real, &mut before, Action::Link { generation, event });
            }
            story.steps.clear();
        }
        for state in rest {
            let mut actions = Vec::new();
            world.actions(&real, &mut actions);
            let action = actions.into_iter().find(|action| {
                let mut next = world.clone();
                next.act(&real, *action, &mut ());
                next.canonical(setting) == *state
            })?;
            story.step(&real, &mut world, action);
        }
        Some(story)
    }

    /// Lets `action` happen in `world`, and tells it.
    pub fn step<A: Algorithm>(&mut self, setting: &Setting, world: &mut World<A>, action: Action) {
        let mut notes = Notes::default();
        let before = published(&world.node.status());
        let who = concerns(world, action);
        let (client, title) = title(world, action);
        world.act(setting, action, &mut notes);
        let mut deeds: Vec<Deed> = notes
            .outputs
            .drain()
            .map(|o| self.deed(world, &o, client))
            .collect();
        match action {
            Action::Fails { client, why } => deeds.push(Deed {
                who: Column::Client(client),
                text: format!("c{} is answered: {}", client + 1, failure(why)),
            }),
            Action::Sample { client } => {
                if let Some(Client::Sampled(master)) = world.clients.get(usize::from(client)) {
                    deeds.push(Deed {
                        who: Column::Client(client),
                        text: format!("c{} sees: {}", client + 1, role(*master)),
                    });
                }
            }
            _ => {}
        }
        let after = published(&world.node.status());
        self.code.extend(notes.code);
        self.steps.push(Told {
            action,
            title,
            who,
            deeds,
            status: (before != after).then_some(after),
            broken: world.broken,
        });
    }

    fn deed<A: Algorithm>(
        &self,
        world: &World<A>,
        output: &Output<Tiny>,
        client: Option<u8>,
    ) -> Deed {
        let peer = |generation: u8| {
            let wire = world.wires.iter().find(|w| w.generation == generation);
            wire.map_or(Column::Node, |w| Column::Master(w.host))
        };
        let me = client.map_or(Column::Node, Column::Client);
        let name = client.map_or(String::new(), |c| format!("c{}", c + 1));
        let (who, text) = match output {
            Output::Reply(reply) => (me, format!("{name} is answered: {}", spoken(*reply))),
            Output::Connect(attempt) => {
                let target = attempt.target();
                let text = format!("connects to {} for {name}", host_name(target));
                (Column::Master(target), text)
            }
            Output::CancelBefore(_) => (
                Column::Node,
                "tells all earlier attempts to end".to_string(),
            ),
            Output::Stop(g) => (peer(*g), format!("tells link #{g} to stop")),
            Output::Adopt(g) => (peer(*g), format!("takes the connection over as link #{g}")),
            Output::Dial { generation, target } => (
                Column::Master(*target),
                format!("dials {} as link #{generation}", host_name(*target)),
            ),
            Output::Psync {
                generation: g,
                resume,
                failover,
            } => {
                let asks = match failover {
                    None => "",
                    Some(Promise::Kept) => " FAILOVER",
                    Some(Promise::GivenUp) => " FAILOVER FORCE",
                };
                let text = match resume {
                    Some(r) => format!("PSYNC h{} {}{asks} on link #{g}", r.replid, r.from),
                    None => format!("PSYNC ? -1{asks} on link #{g}"),
                };
                (peer(*g), text)
            }
            Output::Arm(g) => (Column::Node, format!("will dial again after link #{g}")),
            Output::Stage(g) => (
                Column::Node,
                format!("reads the snapshot of link #{g} beside the data"),
            ),
            Output::DropAndLoad(g) => (
                Column::Node,
                format!("drops its data to read the snapshot of link #{g}"),
            ),
            Output::Swap(g, at) => (
                Column::Node,
                format!("swaps in the snapshot of link #{g}: {}", place(at)),
            ),
            Output::Discard(g) => (
                Column::Node,
                format!("throws away the snapshot of link #{g}"),
            ),
            Output::Apply { generation, to } => (
                Column::Node,
                format!("applies what link #{generation} sent, up to {to}"),
            ),
            Output::DropReplicas => (Column::Node, "drops its own replicas".to_string()),
            Output::Empty(at) => (
                Column::Node,
                format!("begins with an empty dataset: {}", place(at)),
            ),
            Output::Watch { aim, .. } => (Column::Node, format!("waits for its heir: {aim:?}")),
        };
        Deed { who, text }
    }

    /// The story as a test on the core, in terms of `core/tests/common`: every step that breaks
    /// `property` is seen to.
    pub fn test<A: Algorithm>(&self, name: &str, property: Property) -> String {
        let follow = if self.follow { "Some(0)" } else { "None" };
        let mut lines = vec![
            "#[test]".to_string(),
            format!("fn {name}() {{"),
            format!(
                "    let mut run = Run::new({}, boot({follow}, {}));",
                A::NEW,
                self.flush
            ),
        ];
        for (code, broken) in &self.code {
            if broken.has(property) {
                lines.push(format!("    let broken = {code};"));
                lines.push(format!("    assert!(broken.has(Property::{property:?}));"));
            } else {
                lines.push(format!("    {code};"));
            }
        }
        if !self.code.iter().any(|(_, broken)| broken.has(property)) {
            lines.push(format!(
                "    // Seen from the world around: {property} is broken."
            ));
        }
        lines.push("}\n".to_string());
        lines.join("\n")
    }
}

impl Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(given) = self.given {
            writeln!(f, "   given {given}")?;
        }
        for (number, told) in (1..).zip(&self.steps) {
            writeln!(f, "  {number:>2}. {}", told.title)?;
            for deed in &told.deeds {
                writeln!(f, "        {}", deed.text)?;
            }
            if let Some(status) = &told.status {
                writeln!(f, "        now: {status}")?;
            }
            for broken in told.broken.iter() {
                writeln!(f, "        breaks {broken}")?;
            }
        }
        Ok(())
    }
}

/// Whom `action` concerns besides the node.
fn concerns<A: Algorithm>(world: &World<A>, action: Action) -> Column {
    match action {
        Action::Request { client, .. }
        | Action::NoOne { client, .. }
        | Action::FailOver { client, .. }
        | Action::Abort { client }
        | Action::Sample { client }
        | Action::Answer { client } => Column::Client(client),
        Action::CaughtUp { host } => Column::Master(host),
        Action::Connected { client }
        | Action::FallsMute { client }
        | Action::Greets { client }
        | Action::Fails { client, .. } => match world.clients.get(usize::from(client)) {
            Some(Client::Waiting { attempt, .. }) => Column::Master(attempt.target()),
            _ => Column::Client(client),
        },
        Action::Link { generation, .. } => {
            let wire = world.wires.iter().find(|w| w.generation == generation);
            wire.map_or(Column::Node, |w| Column::Master(w.host))
        }
        Action::Restore { .. }
        | Action::Write
        | Action::Configure { .. }
        | Action::NewHistory
        | Action::Attach
        | Action::Detach
        | Action::Expired
        | Action::TakeOver(_) => Column::Node,
    }
}

/// Whose command it is, and what happens in words: with the name of the master where there is one.
fn title<A: Algorithm>(world: &World<A>, action: Action) -> (Option<u8>, String) {
    let named = |client: u8, tail: &str| {
        let host = match concerns(world, action) {
            Column::Master(host) => host_name(host).to_string(),
            _ => "the peer".to_string(),
        };
        (Some(client), format!("{host} {tail} (for c{})", client + 1))
    };
    match action {
        Action::Request { client, .. }
        | Action::NoOne { client, .. }
        | Action::FailOver { client, .. }
        | Action::Abort { client }
        | Action::Sample { client }
        | Action::Answer { client } => (Some(client), action.to_string()),
        Action::Connected { client } => named(client, "accepts the connection"),
        Action::FallsMute { client } => {
            named(client, "falls mute, and no deadline covers the greeting")
        }
        Action::Greets { client } => named(client, "answers the greeting"),
        Action::Fails { client, why } => match why {
            Failure::Unreachable => named(client, "cannot be reached"),
            Failure::Deadline => named(client, "says nothing until the deadline"),
            Failure::Garbage => named(client, "answers garbage"),
            Failure::Myself => named(client, "is this very process"),
            Failure::Cancelled => (None, action.to_string()),
        },
        Action::Link { generation, event } => match concerns(world, action) {
            Column::Master(host) if event != crate::action::Event::Timer => (
                None,
                format!("{} on link #{generation}: {event}", host_name(host)),
            ),
            _ => (None, action.to_string()),
        },
        other => (None, other.to_string()),
    }
}

fn failure(why: Failure) -> &'static str {
    match why {
        Failure::Unreachable => "-ERR, cannot connect",
        Failure::Deadline => "-ERR, timed out",
        Failure::Garbage => "-ERR, bad greeting",
        Failure::Myself => "-ERR can't replicate from myself",
        Failure::Cancelled => "-ERR replication cancelled",
    }
}

fn spoken(reply: Reply) -> String {
    let sign = if reply.is_ok() { '+' } else { '-' };
    format!("{sign}{}", reply.text())
}

fn place(at: &Position<Tiny>) -> String {
    format!("h{} at {}", at.replid, at.offset)
}

fn role(master: Option<u8>) -> String {
    match master {
        Some(host) => format!("replica of {}", host_name(host)),
        None => "master".to_string(),
    }
}

/// The status in a few words.
pub fn published(status: &Status<Tiny>) -> String {
    let mut text = match status.master {
        None => "a writable master".to_string(),
        Some((host, link)) => format!(
            "replica of {}, {}",
            host_name(host),
            match link {
                LinkStatus::Waiting => "link down",
                LinkStatus::Connecting => "connecting",
                LinkStatus::Syncing => "syncing",
                LinkStatus::Streaming => "link up",
            }
        ),
    };
    if status.loading {
        text += ", LOADING";
    } else if !status.whole {
        text += ", MASTERDOWN";
    }
    if status.diverged {
        text += ", diverged";
    }
    text
}

/// As it is displayed: the Explorer shows states by `Debug`.
impl<A: Algorithm> fmt::Debug for World<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl<A: Algorithm> Display for World<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", published(&self.node.status()))?;
        for (number, client) in (1..).zip(&self.clients) {
            match client {
                Client::Idle => writeln!(f, "  c{number}: idle")?,
                Client::Waiting { attempt, phase, .. } => writeln!(
                    f,
                    "  c{number}: REPLICAOF {} under way, ticket {}, {phase:?}",
                    host_name(attempt.target()),
                    attempt.ticket(),
                )?,
                Client::Sampled(master) => {
                    writeln!(f, "  c{number}: ROLE will answer {}", role(*master))?;
                }
            }
        }
        for wire in &self.wires {
            writeln!(
                f,
                "  link #{} to {}: {:?}",
                wire.generation,
                host_name(wire.host),
                wire.stage
            )?;
        }
        writeln!(f, "  data: {:?}", self.data)?;
        writeln!(
            f,
            "  staging: {:?}, our replica: {:?}",
            self.staging, self.sub
        )?;
        writeln!(f, "  {:?}", self.node)
    }
}
