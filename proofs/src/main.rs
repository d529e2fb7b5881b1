//! Prints one line a property: `NAME proved` or `NAME violated`.

use std::process::ExitCode;
use std::time::Instant;

use damselfly_proofs::master::{self, Side};
use damselfly_proofs::prove::{CLAIMED, initial, run};
use damselfly_proofs::shapes::{Fresh, Symbols};
use damselfly_proofs::small::{Small, Wide};

fn main() -> ExitCode {
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
    let time = start.elapsed();
    let first = initial::<D>();
    for property in CLAIMED {
        let broken = report.broken.has(*property);
        println!("{property} {}", if broken { "violated" } else { good });
    }
    for fault in report.faults.iter().take(20) {
        println!("fault: {fault}");
    }
    if let Err(clause) = first {
        println!("fault: the first state: {clause}");
    }
    println!(
        "{} shapes, {} paths, {} kinds of deed seen, {:.2} s",
        report.shapes,
        report.paths,
        report.fired.len(),
        time.as_secs_f64()
    );
    report.faults.is_empty() && first.is_ok()
}

/// The master's side of `no_false_continue`, which is a function of its own and no part of a step.
fn print_master<D: Fresh>(good: &str) -> bool {
    let start = Instant::now();
    let report = master::run::<D>(Side::shipped());
    let time = start.elapsed();
    let holds = report.faults.is_empty();
    let verdict = if holds { good } else { "violated" };
    println!("no_false_continue, the master's side {verdict}");
    for fault in report.faults.iter().take(20) {
        println!("fault: {fault}");
    }
    println!(
        "{} shapes, {} paths, {} kinds of answer seen, {:.2} s",
        report.shapes,
        report.paths,
        report.seen.len(),
        time.as_secs_f64()
    );
    holds
}
