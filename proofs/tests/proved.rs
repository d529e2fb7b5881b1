//! The proof goes through, is not vacuous, and fails on a core that is wrong.

use damselfly_core::properties::Property;
use damselfly_core::shape::Parts;
use damselfly_core::{Data, Heir, Input, Node, Output, Outputs, Promise, Reply, Role};
use damselfly_proofs::prove::{CLAIMED, Step, initial, run};
use damselfly_proofs::shapes::Symbols;
use damselfly_proofs::small::Small;

fn shipped(node: &mut Node<Symbols>, input: Input<Symbols>, out: &mut Outputs<Symbols>) {
    node.step(input, out);
}

#[test]
fn every_claimed_property_is_proved() {
    let report = run::<Symbols>(shipped);
    assert_eq!(report.faults, Vec::<String>::new());
    assert!(report.broken.is_empty());
    assert_eq!(initial::<Symbols>(), Ok(()));
    // A change of these numbers is a change of the core or of the assumptions: look which.
    assert_eq!((report.shapes, report.paths), (4450, 85_011));
}

/// The engine forks where it must: enumeration of small ids reaches the same shapes and the same deeds, and
/// finds as little to object to.
#[test]
fn exhaustion_agrees() {
    let small = run::<Small>(|node, input, out| node.step(input, out));
    let proof = run::<Symbols>(shipped);
    assert_eq!(small.faults, Vec::<String>::new());
    assert_eq!(initial::<Small>(), Ok(()));
    assert_eq!((small.shapes, &small.fired), (proof.shapes, &proof.fired));
    assert_eq!(small.paths, 34_403_236);
}

#[test]
fn every_transition_fires() {
    let fired = run::<Symbols>(shipped).fired;
    let expected = [
        "Abort -> Reply(NoFailover",
        "Abort -> Reply(Ok",
        "Abort -> Reply(PromotionAsked",
        "Abort -> Stop",
        "Batch -> Apply",
        "Began -> DropAndLoad",
        "Began -> Stage",
        "CaughtUp -> CancelBefore",
        "CaughtUp -> Dial",
        "Commit -> Adopt",
        "Commit -> Discard",
        "Commit -> Psync",
        "Commit -> Reply(Cancelled",
        "Commit -> Reply(FailingOver",
        "Commit -> Reply(Ok",
        "Commit -> Reply(Superseded",
        "Commit -> Stop",
        "Continue -> Arm",
        "Continue -> DropReplicas",
        "Continue -> Stop",
        "Dialed -> Arm",
        "Dialed -> Psync",
        "Dialed -> Stop",
        "Diverged -> Arm",
        "Diverged -> Stop",
        "Expired -> CancelBefore",
        "Expired -> Dial",
        "Expired -> Stop",
        "FailOver -> Reply(AlreadyFailingOver",
        "FailOver -> Reply(Loading",
        "FailOver -> Reply(NotMaster",
        "FailOver -> Reply(Ok",
        "FailOver -> Watch",
        "FullResync -> Arm",
        "FullResync -> Stop",
        "Loaded -> Swap",
        "Lost -> Arm",
        "Lost -> Discard",
        "NoOne -> CancelBefore",
        "NoOne -> Discard",
        "NoOne -> DropReplicas",
        "NoOne -> Empty",
        "NoOne -> Reply(FailingOver",
        "NoOne -> Reply(Loading",
        "NoOne -> Reply(NoDataset",
        "NoOne -> Reply(Ok",
        "NoOne -> Stop",
        "Rejected -> Arm",
        "Rejected -> Discard",
        "Rejected -> Psync",
        "Rejected -> Stop",
        "Requested -> Connect",
        "Requested -> Dial",
        "Requested -> Reply(AlreadyConnected",
        "Requested -> Reply(FailingOver",
        "Requested -> Reply(Loading",
        "Restored -> Dial",
        "TakeOver -> CancelBefore",
        "TakeOver -> Discard",
        "TakeOver -> DropReplicas",
        "TakeOver -> Reply(Behind",
        "TakeOver -> Reply(CannotSync",
        "TakeOver -> Reply(Loading",
        "TakeOver -> Reply(NoDataset",
        "TakeOver -> Reply(NotReplica",
        "TakeOver -> Reply(Ok",
        "TakeOver -> Reply(OtherHistory",
        "TakeOver -> Stop",
        "Timer -> Dial",
    ];
    assert_eq!(
        fired.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
}

/// Steps the shipped core, then lets `edit` spoil the deeds.
fn spoil(
    node: &mut Node<Symbols>,
    input: Input<Symbols>,
    out: &mut Outputs<Symbols>,
    edit: impl Fn(Output<Symbols>) -> Option<Output<Symbols>>,
) {
    let mut honest = Outputs::new();
    node.step(input, &mut honest);
    honest.drain().filter_map(edit).for_each(|o| out.push(o));
}

fn reshape(node: &mut Node<Symbols>, edit: impl Fn(&mut Parts<Symbols>)) {
    let mut parts = node.parts();
    edit(&mut parts);
    *node = Node::from_parts(parts);
}

#[test]
fn a_wrong_core_is_caught() {
    use Property::*;
    let wrong: &[(&str, Step<Symbols>, Property)] = &[
        (
            "the stop is lost",
            |n, i, o| spoil(n, i, o, |d| (!matches!(d, Output::Stop(_))).then_some(d)),
            SingleLiveLink,
        ),
        (
            "the loss of the link is not noticed",
            |n, i, o| {
                if !matches!(i, Input::Lost { .. }) {
                    n.step(i, o)
                }
            },
            SingleLiveLink,
        ),
        (
            "a stale batch is applied",
            |n, i, o| {
                if let Input::Batch { generation, to } = i {
                    o.push(Output::Apply { generation, to });
                } else {
                    n.step(i, o)
                }
            },
            SingleLiveLink,
        ),
        (
            "the resume credentials are spent",
            |n, i, o| {
                spoil(n, i, o, |d| {
                    Some(match d {
                        Output::Psync {
                            generation,
                            failover,
                            ..
                        } => Output::Psync {
                            generation,
                            resume: None,
                            failover,
                        },
                        other => other,
                    })
                })
            },
            OffsetDescribesDataset,
        ),
        (
            "LOADING at the commit",
            |n, i, o| {
                let commit = matches!(i, Input::Commit { .. });
                n.step(i, o);
                if commit {
                    reshape(n, |p| p.data = Data::Restoring);
                }
            },
            NoPrematureLoading,
        ),
        (
            "the fence is dropped",
            |n, i, o| {
                if matches!(i, Input::Commit { .. }) {
                    reshape(n, |p| p.committed = p.cancelled);
                }
                n.step(i, o);
            },
            TicketOrder,
        ),
        (
            "NO ONE cancels nothing",
            |n, i, o| {
                if matches!(i, Input::Commit { .. }) {
                    let parts = n.parts();
                    if let Input::Commit { ref greeted, .. } = i
                        && greeted.ticket() < parts.cancelled
                    {
                        o.push(Output::Reply(Reply::Superseded));
                        return;
                    }
                }
                n.step(i, o);
            },
            NoSpuriousRefusal,
        ),
        (
            "promotion with no whole dataset",
            |n, i, o| match i {
                Input::NoOne { fresh, at, .. } if n.data() == Data::Missing => {
                    reshape(n, |p| p.role = Role::Master { handing: None });
                    n.step(
                        Input::NoOne {
                            force: false,
                            fresh,
                            at,
                        },
                        o,
                    );
                }
                other => n.step(other, o),
            },
            NoPartialPromotion,
        ),
        (
            "the swap keeps the old position",
            |n, i, o| {
                let at = n.history();
                let swap = matches!(i, Input::Loaded { .. });
                n.step(i, o);
                if swap {
                    reshape(n, |p| p.history = at);
                }
            },
            OffsetDescribesDataset,
        ),
        (
            "writes go on while a hand-over waits",
            |n, i, o| {
                let asked = matches!(i, Input::FailOver { .. });
                n.step(i, o);
                if asked && matches!(n.parts().role, Role::Master { .. }) {
                    reshape(n, |p| p.role = Role::Master { handing: None });
                }
            },
            TakeoverKeepsWrites,
        ),
        (
            "a replica that has not caught up is handed over to",
            |n, i, o| match i {
                Input::Expired { ticket, at } => {
                    reshape(n, |p| {
                        if let Role::Master { handing: Some(aim) } = &mut p.role
                            && let damselfly_core::Aim::One(host) = *aim
                        {
                            *aim = damselfly_core::Aim::Force(host);
                        }
                    });
                    n.step(Input::Expired { ticket, at }, o);
                }
                other => n.step(other, o),
            },
            TakeoverKeepsWrites,
        ),
        (
            "master again though the heir was asked",
            |n, i, o| {
                let lost = matches!(i, Input::Lost { .. });
                let heir = |n: &Node<Symbols>| match n.parts().role {
                    Role::Replica { ceding, .. } => ceding.map(|ceding| ceding.heir),
                    Role::Master { .. } => None,
                };
                n.step(i, o);
                if lost && heir(n) == Some(Heir::Unsure) {
                    reshape(n, |p| p.role = Role::Master { handing: None });
                }
            },
            NoSplitWrite,
        ),
        (
            "a stranger is asked to take over",
            |n, i, o| {
                spoil(n, i, o, |d| {
                    Some(match d {
                        Output::Psync {
                            generation, resume, ..
                        } => Output::Psync {
                            generation,
                            resume,
                            failover: Some(Promise::Kept),
                        },
                        other => other,
                    })
                })
            },
            NoSplitWrite,
        ),
        (
            "takes over a history it does not hold",
            |n, i, o| match i {
                Input::TakeOver {
                    from, fresh, at, ..
                } => {
                    let replid = n.history().at.replid;
                    let take = Input::TakeOver {
                        replid,
                        from,
                        fresh,
                        at,
                    };
                    n.step(take, o);
                }
                other => n.step(other, o),
            },
            TakeoverKeepsWrites,
        ),
        (
            "takes over without looking at what it has of it",
            |n, i, o| match i {
                Input::TakeOver {
                    replid, fresh, at, ..
                } => {
                    let take = Input::TakeOver {
                        replid,
                        from: None,
                        fresh,
                        at,
                    };
                    n.step(take, o);
                }
                other => n.step(other, o),
            },
            TakeoverKeepsWrites,
        ),
        (
            "a command of the stream that fails is passed over",
            |n, i, o| {
                if !matches!(i, Input::Diverged { .. }) {
                    n.step(i, o)
                }
            },
            OffsetDescribesDataset,
        ),
        (
            "what has diverged is asked to be continued",
            |n, i, o| {
                let resume = (n.data() == Data::Diverged).then(|| n.history().resume());
                spoil(n, i, o, |d| {
                    Some(match d {
                        Output::Psync {
                            generation,
                            resume: None,
                            failover,
                        } => Output::Psync {
                            generation,
                            resume,
                            failover,
                        },
                        other => other,
                    })
                })
            },
            NoFalseContinue,
        ),
        (
            "an answer is sent twice",
            |n, i, o| {
                n.step(i, o);
                if let Some(reply) = o.reply() {
                    o.push(Output::Reply(reply));
                }
            },
            EveryCommandAnswered,
        ),
    ];
    for (what, step, property) in wrong {
        let report = run(*step);
        assert!(
            report.broken.has(*property),
            "{what}: {property} should be violated, but only {:?} are",
            report.broken.iter().collect::<Vec<_>>()
        );
        assert!(CLAIMED.contains(property));
    }
}
