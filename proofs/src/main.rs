//! Prints one line a property: `NAME proved` or `NAME violated`.

use std::process::ExitCode;
use std::time::Instant;

use damselfly_proofs::prove::{CLAIMED, initial, run};
use damselfly_proofs::shapes::{Fresh, Symbols};
use damselfly_proofs::small::Small;

fn main() -> ExitCode {
    let proved = print::<Symbols>("proved");
    println!("-- the same text by exhaustion of a small domain, to check the engine");
    let exhausted = print::<Small>("holds");
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
