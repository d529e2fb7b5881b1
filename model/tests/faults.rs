//! The known faults of the other algorithms: all of them are found, by the shortest ways there are.

use damselfly_core::v1;
use damselfly_model::algorithm::Algorithm;
use damselfly_model::faults::Faulty;
use damselfly_model::pr5774::Pr5774;
use damselfly_model::story::Story;
use damselfly_model::tiny::Tiny;

struct Found {
    name: &'static str,
    property: &'static str,
    story: Story,
    test: String,
}

fn find<A: Faulty>() -> Vec<Found> {
    let faults = A::faults().into_iter();
    let all = faults.map(|fault| {
        let path = fault
            .find(10)
            .unwrap_or_else(|| panic!("{} not found", fault.name));
        let story = Story::concrete(&fault.model(), &path.into_states()).expect("a path");
        let test = story.test::<A>(&format!("{}_{}", A::NAME, fault.name), fault.property);
        Found {
            name: fault.name,
            property: fault.property.name(),
            story,
            test,
        }
    });
    all.collect()
}

fn lengths(found: &[Found]) -> Vec<(&str, &str, usize)> {
    let all = found.iter();
    all.map(|f| (f.name, f.property, f.story.steps.len()))
        .collect()
}

fn told(found: &[Found], name: &str) -> String {
    let one = found.iter().find(|f| f.name == name);
    one.map(|f| f.story.to_string()).unwrap_or_default()
}

/// That `parts` stand in `text` one after the other.
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("no {part:?} in order in\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn v1() {
    let found = find::<v1::Node<Tiny>>();
    assert_eq!(
        lengths(&found),
        [
            ("not_serialized", "linearizable_role", 4),
            ("premature_loading", "no_premature_loading", 1),
            ("premature_stop", "failed_attempt_is_noop", 2),
            ("needless_loading", "reads_stay_available", 3),
        ]
    );
    let given = "given a healthy replica that streams from A";
    in_order(
        &told(&found, "not_serialized"),
        &[
            given,
            "c1: REPLICAOF B",
            "c2: REPLICAOF A",
            "B answers the greeting (for c1)",
            "c1 is answered: +OK",
            "A cannot be reached (for c2)",
            "now: a writable master",
            "breaks linearizable_role",
        ],
    );
    in_order(
        &told(&found, "premature_stop"),
        &[
            given,
            "tells link #1 to stop",
            "B cannot be reached",
            "-ERR, cannot connect",
            "now: a writable master",
        ],
    );
    in_order(
        &told(&found, "needless_loading"),
        &[
            given,
            "LOADING",
            "breaks reads_stay_available",
            "+CONTINUE",
            "link up",
        ],
    );
}

#[test]
fn pr5774() {
    let found = find::<Pr5774>();
    assert_eq!(
        lengths(&found),
        [
            ("demoted_after_no_one", "ticket_order", 4),
            ("mute_greeting", "every_command_answered", 3),
            ("full_sync_dies", "offset_describes_dataset", 6),
            ("stream_after_no_one", "no_split_write", 2),
        ]
    );
    in_order(
        &told(&found, "demoted_after_no_one"),
        &[
            "REPLICAOF B",
            "REPLICAOF NO ONE",
            "+OK",
            "a writable master",
            "replica of B",
        ],
    );
    in_order(
        &told(&found, "full_sync_dies"),
        &[
            "drops its data",
            "breaks reads_stay_available",
            "lost",
            "link down",
        ],
    );
}

/// What is printed to be pasted was pasted, and is run there.
#[test]
fn printed_tests_are_tests_of_the_core() {
    let bare = |text: &str| text.replace([' ', '\n', ','], "");
    let pasted = bare(include_str!("../../core/tests/v1.rs"));
    for found in find::<v1::Node<Tiny>>() {
        assert!(
            pasted.contains(&bare(&found.test)),
            "paste this:\n{}",
            found.test
        );
    }
}

#[test]
fn stories_are_drawn() {
    for found in find::<v1::Node<Tiny>>() {
        let svg = found.story.svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        for told in &found.story.steps {
            assert!(svg.contains(&told.title), "{} in {svg}", told.title);
        }
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    }
}

/// The tester, which knows nothing of these properties, agrees on the role.
#[test]
fn clients_see_that_v1_is_not_linearizable() {
    let (verdict, _) = damselfly_model::linear::check::<v1::Node<Tiny>>(2);
    assert!(verdict.broken);
    assert_eq!(<v1::Node<Tiny> as Algorithm>::NAME, "v1");
}
