//! Hand-over, REPLICAOF.md: "Hand-over without loss", sentence by sentence, on both sides.
//!
//! An [`Ours`] watches all properties meanwhile.

mod common;

use common::*;
use damselfly_core::*;

use Failover::{InProgress, No, WaitingForSync};
use Output::*;

const OK: Output<Tiny> = Reply(damselfly_core::Reply::Ok);

fn refused(reply: damselfly_core::Reply) -> [Output<Tiny>; 1] {
    [Reply(reply)]
}

/// A master at offset 4 that hands over to `aim`, with ticket 1.
fn handing(aim: Aim<Tiny>) -> Ours {
    let mut node = Ours::master();
    assert_eq!(
        node.tell(Input::FailOver { aim }),
        [OK, Watch { ticket: 1, aim }]
    );
    assert_eq!(node.status().failover, WaitingForSync);
    assert!(!node.status().takes_writes());
    node
}

/// The same, when host 0 has confirmed everything up to 6.
fn ceding() -> Ours {
    let mut node = handing(Aim::Any);
    let input = Input::CaughtUp {
        ticket: 1,
        target: 0,
        at: 6,
    };
    assert_eq!(
        node.tell(input),
        [
            CancelBefore(1),
            Dial {
                generation: 1,
                target: 0
            }
        ]
    );
    assert_eq!(node.status().failover, InProgress);
    node
}

fn asks(generation: u8) -> Output<Tiny> {
    Psync {
        generation,
        resume: resume(0, 6),
        failover: Some(Promise::Kept),
    }
}

fn dialed(node: &mut Ours, generation: u8) -> Vec<Output<Tiny>> {
    let peer = Some(OTHER);
    node.tell(Input::Dialed { generation, peer });
    std::mem::take(&mut node.0.deeds)
}

/// The target was asked on connection 1.
fn asked() -> Ours {
    let mut node = ceding();
    assert_eq!(dialed(&mut node, 1), [asks(1)]);
    node
}

/// The target was asked on connection 1, whose loss was first to come, and again on connection 2.
fn unsure() -> Ours {
    let mut node = asked();
    assert_eq!(node.tell(Input::Lost { generation: 1 }), [Arm(1)]);
    node.tell(Input::Timer { generation: 1 });
    assert_eq!(dialed(&mut node, 2), [asks(2)]);
    node
}

fn is_master_again(node: &Ours) {
    let status = node.status();
    assert!(status.takes_writes());
    assert_eq!(status.live, None);
    // Nobody wrote, so the history is the one it was.
    assert_eq!((status.history.at.replid, status.history.second), (0, None));
}

#[test]
fn the_target_takes_over_and_is_followed() {
    let mut node = asked();
    assert_eq!(node.goes_on(1, Some(2)), [DropReplicas]);
    let status = node.status();
    assert_eq!(status.failover, No);
    assert_eq!(status.master, Some((0, LinkStatus::Streaming)));
    assert_eq!(status.history.at, at(2, 6));
    let to = 9;
    let generation = 1;
    assert_eq!(
        node.tell(Input::Batch { generation, to }),
        [Apply { generation, to }]
    );
}

#[test]
fn only_who_was_meant_and_for_this_hand_over() {
    let mut node = handing(Aim::One(1));
    for (ticket, target) in [(1, 0), (2, 1), (0, 1)] {
        let at = 6;
        assert_eq!(node.tell(Input::CaughtUp { ticket, target, at }), []);
    }
    for ticket in [0, 2] {
        assert_eq!(node.tell(Input::Expired { ticket, at: 6 }), []);
    }
    assert_eq!(node.status().failover, WaitingForSync);
}

#[test]
fn a_time_out_before_the_request_puts_everything_back() {
    let mut node = handing(Aim::One(0));
    assert_eq!(node.tell(Input::Expired { ticket: 1, at: 6 }), []);
    is_master_again(&node);
    let mut node = ceding();
    assert_eq!(node.tell(Input::Expired { ticket: 1, at: 6 }), [Stop(1)]);
    is_master_again(&node);
    // It cannot be reached, and the time-out comes between two tries.
    let mut node = ceding();
    assert_eq!(node.tell(Input::Lost { generation: 1 }), [Arm(1)]);
    assert_eq!(node.tell(Input::Expired { ticket: 1, at: 6 }), []);
    is_master_again(&node);
    assert_eq!(node.tell(Input::Timer { generation: 1 }), []);
}

#[test]
fn a_time_out_after_the_request_changes_nothing() {
    for mut node in [asked(), unsure()] {
        let before = node.status();
        assert_eq!(node.tell(Input::Expired { ticket: 1, at: 6 }), []);
        assert_eq!(
            node.tell(Input::Abort),
            refused(damselfly_core::Reply::PromotionAsked)
        );
        assert_eq!(node.status(), before);
    }
}

#[test]
fn abort_before_the_request_puts_everything_back() {
    let mut node = handing(Aim::Any);
    assert_eq!(node.tell(Input::Abort), [OK]);
    is_master_again(&node);
    let mut node = ceding();
    assert_eq!(node.tell(Input::Abort), [Stop(1), OK]);
    is_master_again(&node);
    assert_eq!(
        node.tell(Input::Abort),
        refused(damselfly_core::Reply::NoFailover)
    );
}

#[test]
fn force_goes_on_without_the_last_writes_when_the_time_is_over() {
    let mut node = handing(Aim::Force(1));
    let (generation, target) = (1, 1);
    assert_eq!(
        node.tell(Input::Expired { ticket: 1, at: 6 }),
        [CancelBefore(1), Dial { generation, target }]
    );
    assert_eq!(node.status().failover, InProgress);
    // And the heir is told so, as often as it is asked.
    let mut asks = |generation| {
        let asks = Psync {
            generation,
            resume: resume(0, 6),
            failover: Some(Promise::GivenUp),
        };
        assert_eq!(dialed(&mut node, generation), [asks]);
        node.tell(Input::Lost { generation });
        node.tell(Input::Timer { generation });
    };
    asks(1);
    asks(2);
}

#[test]
fn a_target_that_refuses_leaves_its_master_master() {
    let generation = 1;
    for said in [Refusal::Other, past(None), past(Some(7))] {
        let mut node = asked();
        let input = Input::Rejected { generation, said };
        assert_eq!(node.tell(input), [Stop(1)], "{said:?}");
        is_master_again(&node);
    }
}

/// It is a master, and says that it went on from our history before this byte.
fn past(until: Option<u8>) -> Refusal<Tiny> {
    let second = until.map(|until| Second { replid: 0, until });
    Refusal::Master { second }
}

/// Its answer was lost, and then it says that it is a master, and what it went on from.
fn master_after_all(said: Refusal<Tiny>) -> Ours {
    let mut node = unsure();
    let generation = 2;
    let plain = Psync {
        generation,
        resume: resume(0, 6),
        failover: None,
    };
    assert_eq!(node.tell(Input::Rejected { generation, said }), [plain]);
    assert_eq!(node.status().failover, No);
    assert!(!node.status().takes_writes());
    node
}

#[test]
fn when_an_answer_was_lost_a_master_is_followed() {
    for said in [past(None), past(Some(6)), past(Some(7))] {
        let mut node = master_after_all(said);
        assert_eq!(node.goes_on(2, Some(2)), [DropReplicas]);
        assert!(node.status().link_up() && !node.status().unproved);
    }
}

#[test]
fn a_snapshot_of_who_was_to_take_over_is_taken_if_it_went_on_from_all_of_ours() {
    let new = at(2, 40);
    let mut node = master_after_all(past(Some(7)));
    assert_eq!(node.full(2, new), []);
    assert_eq!(node.status().master, Some((0, LinkStatus::Syncing)));
    for said in [past(None), past(Some(6))] {
        let mut node = master_after_all(said);
        assert_eq!(node.full(2, new), [Stop(2), Arm(2)]);
        assert!(node.status().unproved);
        // Also when it is asked again, but not when an operator wants it followed.
        node.tell(Input::Timer { generation: 2 });
        dialed(&mut node, 3);
        assert_eq!(node.full(3, new), [Stop(3), Arm(3)]);
        node.replicaof(0);
        assert!(!node.status().unproved);
        dialed(&mut node, 4);
        assert_eq!(node.full(4, new), []);
    }
}

#[test]
fn when_an_answer_was_lost_no_other_refusal_makes_us_master() {
    let mut node = unsure();
    let (generation, said) = (2, Refusal::Other);
    assert_eq!(node.tell(Input::Rejected { generation, said }), [Arm(2)]);
    assert_eq!(node.status().failover, InProgress);
    node.tell(Input::Timer { generation });
    assert_eq!(dialed(&mut node, 3), [asks(3)]);
}

#[test]
fn nothing_else_changes_the_role_meanwhile() {
    use damselfly_core::Reply::{AlreadyFailingOver, CannotSync, FailingOver};
    for mut node in [handing(Aim::Any), ceding(), asked(), unsure()] {
        let before = node.status();
        let aim = Aim::Any;
        assert_eq!(node.replicaof(1), refused(FailingOver));
        assert_eq!(node.no_one(2, 6), refused(FailingOver));
        assert_eq!(
            node.tell(Input::FailOver { aim }),
            refused(AlreadyFailingOver)
        );
        let take = Input::TakeOver {
            replid: 0,
            from: None,
            fresh: 2,
            at: 6,
        };
        assert_eq!(node.tell(take), refused(CannotSync));
        assert_eq!(node.status(), before);
    }
}

/// The one that is waited for may have lost its link; who has an heir has no link to let anybody in by.
#[test]
fn replicas_may_come_back_while_it_waits_for_them() {
    use damselfly_core::Reply::CannotSync;
    assert_eq!(handing(Aim::Any).status().lets_in(), Ok(()));
    for node in [ceding(), asked(), unsure()] {
        assert_eq!(node.status().lets_in(), Err(CannotSync));
    }
}

#[test]
fn attempts_greeted_later_fail_and_what_is_put_back_takes_them_again() {
    let mut node = Ours::master();
    node.replicaof(1);
    node.tell(Input::FailOver { aim: Aim::Any });
    node.replicaof(1);
    assert_eq!(node.0.under_way(), [1]);
    node.tell(Input::Expired { ticket: 2, at: 4 });
    assert_eq!(node.commit(1, 4).last(), Some(&OK));

    let mut node = Ours::master();
    node.replicaof(1);
    node.tell(Input::FailOver { aim: Aim::Any });
    assert_eq!(
        node.commit(1, 4),
        refused(damselfly_core::Reply::FailingOver)
    );
    // Those that did not greet before the hand-over committed are cancelled by it.
    let mut node = Ours::master();
    node.replicaof(1);
    node.tell(Input::FailOver { aim: Aim::Any });
    node.tell(Input::CaughtUp {
        ticket: 2,
        target: 0,
        at: 4,
    });
    assert_eq!(node.commit(1, 4), refused(damselfly_core::Reply::Cancelled));
}

#[test]
fn an_operator_who_forces_it_ends_it() {
    let force = Input::NoOne {
        force: true,
        fresh: 2,
        at: 6,
    };
    let mut node = unsure();
    assert_eq!(
        node.tell(force),
        [Stop(2), DropReplicas, CancelBefore(2), OK]
    );
    // The target may be master too: what is written from here on is another history.
    assert_eq!(node.status().history.at.replid, 2);
    assert!(node.status().takes_writes());
}

#[test]
fn who_is_asked_takes_over_the_history_it_holds() {
    let mut node = Ours::replica(false);
    let take = |replid| Input::TakeOver {
        replid,
        from: Some(8),
        fresh: 2,
        at: 7,
    };
    assert_eq!(
        node.tell(take(0)),
        refused(damselfly_core::Reply::OtherHistory)
    );
    assert_eq!(
        node.tell(take(1)),
        [Stop(1), DropReplicas, CancelBefore(1), OK]
    );
    let status = node.status();
    assert!(status.takes_writes());
    assert_eq!(status.history.at, at(2, 7));
    let until = 8;
    assert_eq!(status.history.second, Some(Second { replid: 1, until }));
    assert_eq!(
        node.tell(take(2)),
        refused(damselfly_core::Reply::NotReplica)
    );
}

/// It may have come back from an older file since it confirmed the last byte.
#[test]
fn who_lacks_a_byte_does_not_take_over_unless_forced() {
    let take = |from| Input::TakeOver {
        replid: 1,
        from,
        fresh: 2,
        at: 7,
    };
    for (from, held) in [
        (Some(9), false),
        (Some(8), true),
        (Some(3), true),
        (None, true),
    ] {
        let mut node = Ours::replica(false);
        let before = node.status();
        let done = node.tell(take(from));
        if held {
            assert_eq!(
                done,
                [Stop(1), DropReplicas, CancelBefore(1), OK],
                "{from:?}"
            );
        } else {
            assert_eq!(done, refused(damselfly_core::Reply::Behind));
            assert_eq!(node.status(), before);
        }
    }
}

#[test]
fn who_is_no_master_hands_nothing_over() {
    let aim = Aim::Any;
    let mut node = Ours::replica(false);
    assert_eq!(
        node.tell(Input::FailOver { aim }),
        refused(damselfly_core::Reply::NotMaster)
    );
    assert_eq!(
        node.tell(Input::Abort),
        refused(damselfly_core::Reply::NoFailover)
    );
}
