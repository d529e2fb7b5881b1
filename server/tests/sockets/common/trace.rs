//! Replaying what a server recorded of itself, by the model's own program.
//!
//! The program is built and run rather than linked: the server knows nothing of the model. What was validated is
//! counted: where `DAMSELFLY_REPLAYED` names a file, each replay adds a line to it, the number of its inputs.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Replays the trace: how many inputs of the core it has, or what is wrong with it.
pub fn replay(trace: &Path) -> Result<usize, String> {
    let output = Command::new(program())
        .arg("replay")
        .arg(trace)
        .output()
        .expect("run damselfly-model");
    let text = both(&output);
    if !output.status.success() {
        return Err(text);
    }
    let inputs = text.split(' ').find_map(|word| word.parse().ok());
    inputs.ok_or(format!("no number of inputs in: {text}"))
}

/// Counts inputs of a real run that were validated. One write to the end of the file, so that nobody's line is lost
/// or torn.
pub fn count(inputs: usize) {
    if let Some(file) = std::env::var_os("DAMSELFLY_REPLAYED") {
        let file = File::options().create(true).append(true).open(file);
        let written = file.and_then(|mut file| file.write_all(format!("{inputs}\n").as_bytes()));
        written.expect("count what was replayed");
    }
}

/// The program that `DAMSELFLY_MODEL_BIN` names, or `damselfly-model` built with the profile that built the server under
/// test, once a process.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(built) = std::env::var_os("DAMSELFLY_MODEL_BIN") {
            return built.into();
        }
        let server = Path::new(env!("CARGO_BIN_EXE_damselfly"));
        let dir = server.parent().expect("the binary lies in a directory");
        let target = dir.parent().expect("the profile lies in a directory");
        let profile = match dir.file_name().and_then(|n| n.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "damselfly-model", "--bin"])
            .args(["damselfly-model", "--profile", profile, "--target-dir"])
            .arg(target)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output()
            .expect("run cargo");
        assert!(output.status.success(), "{}", both(&output));
        dir.join("damselfly-model")
    })
}

fn both(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
