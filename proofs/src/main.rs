//! Prints one line a property: `NAME proved` or `NAME violated`.

use std::process::ExitCode;
use std::time::Instant;

use damselfly_core::properties::Property;
use damselfly_proofs::master::{self, Side};
use damselfly_proofs::prove::{CLAIMED, elsewhere, initial, run};
use damselfly_proofs::shapes::{Fresh, Symbols};
use damselfly_proofs::small::{Small, Wide};

fn main() -> ExitCode {
    #[cfg(feature = "mutants")]
    if std::env::args().nth(1).as_deref() == Some("mutants") {
        // For the table that `damselfly-model mutants` makes.
        damselfly_proofs::mutants::print();
        return ExitCode::SUCCESS;
    }
    let proved = print::<Symbols>("proved") & print_master::<Symbols>("proved");
    println!("-- the same text by exhaustion of a small domain, to check the engine");
    let exhausted = print::<Small>("holds") & print_master::<Wide>("holds");
    if proved && exhausted {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print<D: Fresh>(good: &str) -> bool {
    let start = Instant::now();
    let report = run::<D>(|node, input, out| node.step(input, out));
    let first = initial::<D>();
    let behind = format!(
        "{} shapes, {} paths, {:.2} s",
        report.shapes,
        report.paths,
        start.elapsed().as_secs_f64()
    );
    // What is shown of each step is shown of every run only if each step leads to a state of which it is shown.
    let inductive = first.is_ok() && !report.not_inductive;
    for property in Property::ALL {
        let note = elsewhere(*property);
        if !CLAIMED.contains(property) {
            println!("{property} {}", note.unwrap_or("not claimed"));
            continue;
        }
        let verdict = if report.broken.has(*property) {
            "violated"
        } else if inductive {
            good
        } else {
            "violated by nothing seen, and not proved: the invariant is not inductive"
        };
        let note = note.map_or(String::new(), |note| format!(": {note}"));
        println!("{property} {verdict} ({behind}){note}");
    }
    for fault in report.faults.iter().take(20) {
        println!("fault: {fault}");
    }
    if let Err(clause) = first {
        println!("fault: the first state: {clause}");
    }
    println!("{} kinds of deed seen", report.fired.len());
    report.faults.is_empty() && first.is_ok()
}

/// The master's side of `no_false_continue`, which is a function of its own and no part of a step.
fn print_master<D: Fresh>(good: &str) -> bool {
    let start = Instant::now();
    let report = master::run::<D>(Side::shipped());
    let time = start.elapsed();
    let holds = report.faults.is_empty();
    let verdict = if holds { good } else { "violated" };
    println!(
        "no_false_continue, the master's side, {verdict} ({} shapes, {} paths, {:.2} s)",
        report.shapes,
        report.paths,
        time.as_secs_f64()
    );
    for fault in report.faults.iter().take(20) {
        println!("fault: {fault}");
    }
    println!("{} kinds of answer seen", report.seen.len());
    holds
}
