//! `damselfly-model`: check the protocol, look around in it, replay what a server did.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("damselfly-model: {error:#}");
            ExitCode::from(2)
        }
    }
}
