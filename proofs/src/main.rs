//! Prints one line a property: `NAME proved` or `NAME violated`.

use std::process::ExitCode;
use std::time::Instant;

use damselfly_proofs::prove::{CLAIMED, initial, run};

fn main() -> ExitCode {
    let start = Instant::now();
    let report = run(|node, input, out| node.step(input, out));
    let time = start.elapsed();
    let first = initial();
    for property in CLAIMED {
        let verdict = if report.broken.has(*property) {
            "violated"
        } else {
            "proved"
        };
        println!("{property} {verdict}");
    }
    for fault in &report.faults {
        println!("fault: {fault}");
    }
    if let Err(clause) = first {
        println!("fault: the first state: {clause}");
    }
    println!(
        "{} shapes, {} paths, {} kinds of deed seen, {:.1} ms",
        report.shapes,
        report.paths,
        report.fired.len(),
        time.as_secs_f64() * 1e3
    );
    if report.faults.is_empty() && first.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
