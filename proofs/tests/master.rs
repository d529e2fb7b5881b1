//! The master's side of `no_false_continue` is proved, is not vacuous, and fails on a wrong version.

use damselfly_core::history::{Backlog, may_continue};
use damselfly_core::{Domain, History, Resume, Second};
use damselfly_proofs::master::{May, Side, run};
use damselfly_proofs::shapes::{Fresh, Symbols};
use damselfly_proofs::small::Wide;

const ANSWERS: [&str; 6] = [
    "CONTINUE: our former name",
    "CONTINUE: our name",
    "refused: another history",
    "refused: diverged",
    "refused: gone",
    "refused: no backlog",
];

#[test]
fn the_masters_side_is_proved() {
    let report = run::<Symbols>(Side::shipped());
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!(Vec::from_iter(report.seen), ANSWERS);
    // A change of these numbers is a change of the core or of the assumptions: look which.
    assert_eq!((report.shapes, report.paths), (12, 51_600));
}

#[test]
fn exhaustion_agrees() {
    let report = run::<Wide>(Side::shipped());
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!(Vec::from_iter(report.seen), ANSWERS);
    assert_eq!((report.shapes, report.paths), (12, 1_819_584));
}

/// `may_continue` put together from its three comparisons, any of which may be wrong.
fn may<D: Domain>(
    history: &History<D>,
    backlog: Option<Backlog<D>>,
    wanted: Resume<D>,
    former: fn(Second<D>, Resume<D>) -> bool,
    kept: fn(Backlog<D>, Resume<D>) -> bool,
) -> bool {
    (wanted.replid == history.at.replid || history.second.is_some_and(|s| former(s, wanted)))
        && backlog.is_some_and(|b| kept(b, wanted))
}

fn former<D: Domain>(s: Second<D>, w: Resume<D>) -> bool {
    s.replid == w.replid && w.from <= s.until
}

fn kept<D: Domain>(b: Backlog<D>, w: Resume<D>) -> bool {
    b.first <= w.from && w.from <= b.next
}

/// Wrong versions, each with a fault that the claim must name.
fn wrong<D: Fresh>() -> Vec<(&'static str, Side<D>, &'static str)> {
    const DIVERGED: &str = "CONTINUE for a replica that holds a byte which is not ours";
    const GONE: &str = "CONTINUE for a replica that lacks a byte which is gone";
    const NEEDLESS: &str = "a refusal without a reason";
    let side = |may: May<D>| Side {
        may,
        ..Side::shipped()
    };
    vec![
        (
            "the former name is good for one byte more",
            side(|h, b, w| {
                let former = |s: Second<D>, w: Resume<D>| {
                    s.replid == w.replid && w.from <= D::next_offset(s.until)
                };
                may(h, b, w, former, kept)
            }),
            DIVERGED,
        ),
        (
            "the former name is good for one byte less",
            side(|h, b, w| {
                let former = |s: Second<D>, w: Resume<D>| s.replid == w.replid && w.from < s.until;
                may(h, b, w, former, kept)
            }),
            NEEDLESS,
        ),
        (
            "the former name is good without limit",
            side(|h, b, w| may(h, b, w, |s, w| s.replid == w.replid, kept)),
            DIVERGED,
        ),
        (
            "the former name is not known",
            side(|h, b, w| may(h, b, w, |_, _| false, kept)),
            NEEDLESS,
        ),
        (
            "the limit is looked at, and the former name is not",
            side(|h, b, w| may(h, b, w, |s, w| w.from <= s.until, kept)),
            "CONTINUE for a history that is not ours",
        ),
        (
            "the start of the backlog is not looked at",
            side(|h, b, w| may(h, b, w, former, |b, w| w.from <= b.next)),
            GONE,
        ),
        (
            "the start of the backlog is off by one",
            side(|h, b, w| {
                may(h, b, w, former, |b, w| {
                    b.first <= D::next_offset(w.from) && w.from <= b.next
                })
            }),
            GONE,
        ),
        (
            "the end of the backlog is not looked at",
            side(|h, b, w| may(h, b, w, former, |b, w| b.first <= w.from)),
            DIVERGED,
        ),
        (
            "who has everything is refused",
            side(|h, b, w| may(h, b, w, former, |b, w| b.first <= w.from && w.from < b.next)),
            NEEDLESS,
        ),
        (
            "no backlog is as good as one",
            side(|h, b, w| b.is_none() || may_continue(h, b, w)),
            "CONTINUE without a backlog",
        ),
        (
            "a promotion keeps the offset held for the first that differs",
            Side {
                shift: |h, replid| {
                    let until = h.at.offset;
                    h.shift(replid);
                    h.second = h.second.map(|s| Second { until, ..s });
                },
                ..Side::shipped()
            },
            NEEDLESS,
        ),
        (
            "a replica asks for the last byte it holds",
            Side {
                resume: |h| Resume {
                    from: h.at.offset,
                    ..h.resume()
                },
                ..Side::shipped()
            },
            DIVERGED,
        ),
    ]
}

/// Symbols and small numbers find the same faults.
#[test]
fn a_wrong_master_is_caught() {
    fn caught<D: Fresh>(how: &str) {
        for (what, side, fault) in wrong::<D>() {
            let faults = run(side).faults;
            assert!(
                faults.iter().any(|f| f.starts_with(fault)),
                "{how}: {what}: {fault:?} should be found, but only {:?} is",
                faults.first()
            );
        }
    }
    caught::<Symbols>("symbols");
    caught::<Wide>("exhaustion");
}

/// The wrong versions are wrong by what they change, not by how they are put together here.
#[test]
fn the_parts_make_the_shipped_whole() {
    let parts = Side {
        may: |h, b, w| may(h, b, w, former, kept),
        ..Side::<Wide>::shipped()
    };
    assert_eq!(run(parts).faults, Vec::<String>::new());
}
