//! What the command line cannot do it says in a line.

use std::net::TcpListener;
use std::process::Command;

/// The one line that `damselfly-model` fails with.
fn complaint(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_damselfly-model"))
        .args(args)
        .output()
        .expect("run damselfly-model");
    assert!(!output.status.success(), "{args:?}: {output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    text
}

#[test]
fn the_explorer_needs_an_address_of_its_own() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let said = complaint(&["explore", "--address", &address]);
    assert!(
        said.contains(&format!("cannot listen on {address}")),
        "{said}"
    );
    assert!(complaint(&["explore", "--address", "nowhere"]).contains("nowhere is no address"));
}

#[test]
fn a_property_without_a_known_fault_is_named() {
    let said = complaint(&["check", "--algorithm", "v1", "--property", "ticket_order"]);
    assert!(said.contains("no known fault of v1"), "{said}");
    assert!(complaint(&["check", "--property", "bogus"]).contains("bogus"));
    assert!(complaint(&["replay", "/nonexistent"]).contains("/nonexistent"));
}
