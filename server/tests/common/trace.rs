//! Replaying what a server recorded of itself, by the model's own program.
//!
//! The program is built and run rather than linked: the server knows nothing of the model.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Replays the trace: `Ok` with what was printed, or the same as an error.
pub fn replay(trace: &Path) -> Result<String, String> {
    let output = Command::new(program())
        .arg("replay")
        .arg(trace)
        .output()
        .expect("run damselfly-model");
    let text = both(&output);
    if output.status.success() {
        Ok(text)
    } else {
        Err(text)
    }
}

/// Builds `damselfly-model` with the profile that built the server under test, once a process.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
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
