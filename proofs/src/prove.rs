//! The claim, run over every shape and every path.

use std::collections::BTreeSet;
use std::mem::discriminant;

use damselfly_core::properties::{Broken, Ghost, Property};
use damselfly_core::{
    Attempt, Boot, Data, Domain, Input, Node, Output, Outputs, Protocol, Role, Status,
};

use crate::shapes::{Fresh, InputShape, NodeShape, inputs, nodes};
use crate::sym::every_path;

/// The properties that speak of one node and one step at a time, or have a part that does ([`elsewhere`]).
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
    Property::Prefix,
    Property::NoDoubleApply,
    Property::NoFalseContinue,
    Property::AtomicSwap,
    Property::NoSplitWrite,
    Property::NoPartialPromotion,
    Property::TakeoverKeepsWrites,
    Property::EveryCommandAnswered,
];

/// What a property says beyond one node and one step, and what checks that; None if it is all claimed here.
pub fn elsewhere(property: Property) -> Option<&'static str> {
    match property {
        Property::Prefix => Some(
            "of one node, a link that is said to be up streams; that what it holds is a prefix of what its master \
             holds is checked by `damselfly-model nodes`",
        ),
        Property::TakeoverKeepsWrites => Some(
            "of one node; that the heir holds what it has confirmed is checked by `damselfly-model nodes`",
        ),
        Property::EveryCommandAnswered => Some(
            "of one step; that a deadline ends every attempt is checked by `damselfly-model check`",
        ),
        Property::LinkConverges => Some(
            "not claimed: it speaks of whole runs, and is checked on the graph of all states by `damselfly-model \
             check --property link_converges`",
        ),
        _ => None,
    }
}

/// What a run over every shape found.
#[derive(Default)]
pub struct Report {
    /// Shapes of (node, input) that the invariant and the environment allow.
    pub shapes: u64,
    /// Paths through them.
    pub paths: u64,
    /// The properties broken, and where.
    pub broken: Broken,
    /// The invariant, or the account, did not survive a step: then nothing is proved.
    pub not_inductive: bool,
    /// A line for each path on which something was not as claimed: the first [`FAULTS`] of them.
    pub faults: Vec<String>,
    /// What was seen to happen at least once: pairs of input and deed.
    pub fired: BTreeSet<String>,
}

/// So many faults are told; there may be more.
pub const FAULTS: usize = 1000;

/// A `step` to be proved; the shipped one, or a mutant of it.
pub type Step<D> = fn(&mut Node<D>, Input<D>, &mut Outputs<D>);

/// For every node that satisfies the invariant and every input that the environment can give it:
///
/// 1. the step breaks no claimed property, judged by the account ([`Ghost::about`]) the node implies;
/// 2. the node after it satisfies the invariant;
/// 3. the account after it is the one that the node after it implies.
///
/// And for every attempt and every peer that greets it: it becomes a commit, of the same command, unless the peer is
/// this very process.
///
/// By induction over the inputs, from a first state that satisfies the invariant (`initial`), no run of
/// any length breaks a claimed property.
///
/// Over [`crate::shapes::Symbols`] the ids are symbols and this is the proof; over [`crate::small::Small`]
/// they are a few small numbers, every combination of them is tried, and this is the check of the engine.
pub fn run<D: Fresh>(step: Step<D>) -> Report {
    let mut report = Report::default();
    for node in nodes() {
        // Most shapes satisfy the invariant whatever their ids, or never.
        let mut reachable = false;
        every_path(|| reachable |= Node::from_parts(node.fill::<D>()).invariant().is_ok());
        let inputs = if reachable { inputs() } else { Vec::new() };
        for input in inputs {
            one(step, node, input, &mut report);
        }
    }
    for known in [false, true] {
        phase_one::<D>(known, &mut report);
    }
    report
}

fn phase_one<D: Fresh>(known: bool, report: &mut Report) {
    report.shapes += 1;
    every_path(|| {
        report.paths += 1;
        let (ticket, target, me) = (D::ticket(), D::host(), D::run_id());
        let peer = known.then(D::run_id);
        let greeted = Attempt::<D>::from_parts(ticket, target, me).greeted(peer);
        let broken = match &greeted {
            Ok(_) if peer == Some(me) => Property::FailedAttemptIsNoop,
            Err(_) if peer != Some(me) => Property::NoSpuriousRefusal,
            Ok(g) if g.ticket() != ticket => Property::TicketOrder,
            Ok(g) if g.target() != target => Property::LinearizableRole,
            Ok(_) | Err(_) => return,
        };
        report.broken.add(broken);
        report
            .faults
            .push(format!("{broken}: an attempt, greeted by {peer:?}"));
    });
}

fn one<D: Fresh>(step: Step<D>, shape: NodeShape, input: InputShape, report: &mut Report) {
    let mut counted = 0;
    let mut fired = Vec::new();
    every_path(|| {
        let parts = shape.fill::<D>();
        let mut node = Node::from_parts(parts);
        if node.invariant().is_err() {
            return;
        }
        let input_value = input.fill::<D>();
        if !allowed(&node, &input_value) {
            return;
        }
        counted += 1;
        let mut ghost = Ghost::about(&node);
        let mut out = Outputs::new();
        let restoring = node.data() == Data::Restoring;
        let broken = ghost.step(&mut Stepped(&mut node, step), input_value, &mut out);
        for deed in out.as_slice() {
            let reply = match deed {
                Output::Reply(reply) => Some(*reply),
                _ => None,
            };
            // To be named once a shape is enough.
            let seen = (discriminant(deed), reply);
            if !fired.contains(&seen) {
                fired.push(seen);
                let pair = format!("{} -> {}", name(&input), name(deed));
                report.fired.insert(pair);
            }
        }
        let mut fault = |what: &str| {
            if report.faults.len() < FAULTS {
                let fault = format!("{what}: {shape:?}, {input:?}, {:?}", out.as_slice());
                report.faults.push(fault);
            }
        };
        report.broken = report.broken.and(broken);
        for property in broken.iter() {
            fault(property.name());
        }
        let mut inductive = Ok(());
        if let Err(clause) = node.invariant() {
            inductive = Err(clause);
        } else if ghost != Ghost::about(&node) {
            inductive = Err("the account is no longer the one that the node implies");
        }
        let attempts = out
            .as_slice()
            .iter()
            .any(|o| matches!(o, Output::Connect(_)));
        if node.data() == Data::Restoring && (!restoring || attempts) {
            inductive = Err("no attempt exists while the file is read");
        }
        if let Err(clause) = inductive {
            fault(clause);
            report.not_inductive = true;
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
        | Input::Diverged { .. }
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
