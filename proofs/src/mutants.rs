//! What the proofs make of every fault of the catalogue.
//!
//! One line a fault, for `damselfly-model mutants`, which makes the table of it: its name, and after a tab what
//! notices it, with commas in between: properties that a step breaks, and `invariant` when the induction does not
//! go through. Exhaustion says the same as the proof, and takes too long to say it here.

use damselfly_core::mutant::{self, ALL};
use damselfly_core::properties::Property;

use crate::master::{self, Side};
use crate::prove::{initial, run};
use crate::shapes::Symbols;

/// Prints it; first of the core without a fault.
pub fn print() {
    line("shipped", None);
    for (at, fault) in ALL.iter().enumerate() {
        line(fault.name, Some(at));
    }
}

fn line(name: &str, at: Option<usize>) {
    mutant::switch(at);
    let report = run::<Symbols>(|node, input, out| node.step(input, out));
    let mut broken = report.broken;
    // The master's side runs nothing of the other modules.
    if at.is_none_or(|at| ALL[at].module == "history")
        && !master::run::<Symbols>(Side::shipped()).faults.is_empty()
    {
        broken.add(Property::NoFalseContinue);
    }
    let mut noticed: Vec<_> = broken.iter().map(Property::name).collect();
    if report.not_inductive || initial::<Symbols>().is_err() {
        noticed.push("invariant");
    }
    println!("{name}\t{}", noticed.join(","));
}
