//! The claim, run over every shape and every path.

use std::collections::BTreeSet;

use damselfly_core::properties::{Broken, Ghost, Property};
use damselfly_core::{Boot, Data, Domain, Input, Node, Output, Outputs, Protocol, Role, Status};

use crate::shapes::{Fresh, InputShape, NodeShape, inputs, nodes};
use crate::sym::every_path;

/// The properties that speak of one node and one step at a time; the others need a world or a second
/// node, and are the model's.
pub const CLAIMED: &[Property] = &[
    Property::LinearizableRole,
    Property::TicketOrder,
    Property::FailedAttemptIsNoop,
    Property::NoSpuriousRefusal,
    Property::SingleLiveLink,
    Property::NoPrematureLoading,
    Property::NoLeakedLoading,
    Property::ReadsStayAvailable,
    Property::OffsetDescribesDataset,
    Property::NoDoubleApply,
    Property::NoFalseContinue,
    Property::AtomicSwap,
    Property::NoSplitWrite,
    Property::NoPartialPromotion,
    Property::TakeoverKeepsWrites,
    Property::EveryCommandAnswered,
];

/// What a run over every shape found.
#[derive(Default)]
pub struct Report {
    /// Shapes of (node, input) that the invariant and the environment allow.
    pub shapes: u64,
    /// Paths through them.
    pub paths: u64,
    /// The properties broken, and where.
    pub broken: Broken,
    /// A line for each shape in which something was not as claimed.
    pub faults: Vec<String>,
    /// What was seen to happen at least once: pairs of input and deed.
    pub fired: BTreeSet<String>,
}

/// A `step` to be proved; the shipped one, or a mutant of it.
pub type Step<D> = fn(&mut Node<D>, Input<D>, &mut Outputs<D>);

/// For every node that satisfies the invariant and every input that the environment can give it:
///
/// 1. the step breaks no claimed property, judged by the account ([`Ghost::about`]) the node implies;
/// 2. the node after it satisfies the invariant;
/// 3. the account after it is the one that the node after it implies.
///
/// By induction over the inputs, from a first state that satisfies the invariant (`initial`), no run of
/// any length breaks a claimed property.
///
/// Over [`crate::shapes::Symbols`] the ids are symbols and this is the proof; over [`crate::small::Small`]
/// they are a few small numbers, every combination of them is tried, and this is the check of the engine.
pub fn run<D: Fresh>(step: Step<D>) -> Report {
    let mut report = Report::default();
    for node in nodes() {
        for input in inputs() {
            one(step, node, input, &mut report);
        }
    }
    report
}

fn one<D: Fresh>(step: Step<D>, shape: NodeShape, input: InputShape, report: &mut Report) {
    let mut counted = 0;
    every_path(|| {
        let parts = shape.fill::<D>();
        let mut node = Node::from_parts(parts);
        if node.invariant().is_err() {
            return;
        }
        let input_value = input.fill::<D>(parts.me);
        if !allowed(&node, &input_value) {
            return;
        }
        counted += 1;
        let mut ghost = Ghost::about(&node);
        let mut out = Outputs::new();
        let restoring = node.data() == Data::Restoring;
        let broken = ghost.step(&mut Stepped(&mut node, step), input_value, &mut out);
        for deed in out.as_slice() {
            report
                .fired
                .insert(format!("{} -> {}", name(&input), name(deed)));
        }
        let mut fault = |what: &str| {
            report.faults.push(format!(
                "{what}: {shape:?}, {input:?}, {:?}",
                out.as_slice()
            ));
        };
        report.broken = report.broken.and(broken);
        for property in broken.iter() {
            fault(property.name());
        }
        if let Err(clause) = node.invariant() {
            fault(clause);
        }
        if ghost != Ghost::about(&node) {
            fault("the account is no longer the one that the node implies");
        }
        let attempts = out
            .as_slice()
            .iter()
            .any(|o| matches!(o, Output::Connect(_)));
        if node.data() == Data::Restoring && (!restoring || attempts) {
            fault("no attempt exists while the file is read");
        }
    });
    if counted > 0 {
        report.shapes += 1;
        report.paths += counted;
    }
}

/// The assumptions about the environment: what the shell guarantees of an input. README.md lists them.
fn allowed<D: Domain>(node: &Node<D>, input: &Input<D>) -> bool {
    let history = node.history();
    let replica = matches!(node.role(), Role::Replica { .. });
    match *input {
        Input::Restored { .. } => node.data() == Data::Restoring,
        Input::Commit { ref greeted, at } => {
            node.data() != Data::Restoring
                && greeted.ticket() <= node.issued()
                && (!replica || at == history.at.offset)
        }
        Input::NoOne { fresh, at, .. } | Input::TakeOver { fresh, at, .. } => {
            fresh != history.at.replid && (!replica || at == history.at.offset)
        }
        Input::Batch { to, .. } => to > history.at.offset,
        Input::Requested { .. }
        | Input::Dialed { .. }
        | Input::Answered { .. }
        | Input::Began { .. }
        | Input::Loaded { .. }
        | Input::Lost { .. }
        | Input::Timer { .. }
        | Input::Configure { .. }
        | Input::HistoryBegan { .. }
        | Input::FailOver { .. }
        | Input::CaughtUp { .. }
        | Input::Expired { .. }
        | Input::Abort
        | Input::Rejected { .. } => true,
    }
}

/// The first state of a node: satisfies the invariant, and its account is the one it implies.
pub fn initial<D: Fresh>() -> Result<(), &'static str> {
    let mut result = Ok(());
    for follows in [false, true] {
        for flush in [false, true] {
            every_path(|| {
                let boot = Boot::<D> {
                    me: D::run_id(),
                    fresh: D::replid(),
                    offset: D::offset(),
                    ticket: D::ticket(),
                    generation: D::generation(),
                    follow: follows.then(D::host),
                    flush,
                };
                let node = Node::new(boot);
                if let Err(clause) = node.invariant() {
                    result = Err(clause);
                }
                if Ghost::new(&boot) != Ghost::about(&node) {
                    result = Err("the first account is the one that the first state implies");
                }
            });
        }
    }
    result
}

/// A node whose step is the one under proof.
struct Stepped<'a, D: Domain>(&'a mut Node<D>, Step<D>);

impl<D: Domain> Protocol<D> for Stepped<'_, D> {
    fn step(&mut self, input: Input<D>, out: &mut Outputs<D>) {
        self.1(self.0, input, out);
    }

    fn attempt_failed(&mut self, ticket: D::Ticket, out: &mut Outputs<D>) {
        Protocol::attempt_failed(self.0, ticket, out);
    }

    fn status(&self) -> Status<D> {
        self.0.status()
    }
}

fn name(of: &impl std::fmt::Debug) -> String {
    let text = format!("{of:?}");
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '('))
        .unwrap_or(text.len());
    let text = text[..end].to_owned();
    if text.starts_with("Reply") {
        text
    } else {
        text.split('(').next().unwrap_or_default().to_owned()
    }
}
