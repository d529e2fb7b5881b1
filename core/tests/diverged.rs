//! A command of the master's stream failed here: the data are at no point of its history any more.
//!
//! They are served, and nobody resumes from them: neither we as a replica, nor a replica of ours, nor an heir. An
//! [`Ours`] watches all properties meanwhile.

mod common;

use common::*;
use damselfly_core::*;

use Output::*;

/// A replica of host 0, of whose history 1 the write up to 8 failed here.
fn diverged() -> Ours {
    let mut node = Ours::replica(false);
    node.tell(Input::Batch {
        generation: 1,
        to: 8,
    });
    let ended = node.tell(Input::Diverged { generation: 1 });
    assert_eq!(ended, [Stop(1), Arm(1)]);
    let status = node.status();
    assert!(status.diverged && status.whole && !status.refuses_reads());
    assert_eq!(
        status.lets_in(),
        Err(damselfly_core::Reply::NoMasterLink),
        "a replica of ours gets nothing of it"
    );
    node
}

/// The link is dialled again.
fn again(node: &mut Ours) -> &[Output<Tiny>] {
    node.tell(Input::Timer { generation: 1 });
    node.tell(Input::Dialed {
        generation: 2,
        peer: Some(OTHER),
    })
}

#[test]
fn everything_is_asked_for_and_served_data_stay_until_it_is_there() {
    let mut node = diverged();
    let psync = Psync {
        generation: 2,
        resume: None,
        failover: None,
    };
    assert_eq!(again(&mut node), [psync]);
    node.full(2, at(1, 9));
    let begun = node.tell(Input::Began {
        generation: 2,
        empty: false,
    });
    assert_eq!(begun, [Stage(2)]);
    assert!(node.status().diverged && !node.status().refuses_reads());
    assert_eq!(
        node.tell(Input::Loaded { generation: 2 }),
        [Swap(2, at(1, 9))]
    );
    assert!(!node.status().diverged && node.status().lets_in().is_ok());
}

#[test]
fn a_full_sync_that_fails_mends_nothing() {
    let mut node = diverged();
    again(&mut node);
    node.full(2, at(1, 9));
    node.tell(Input::Began {
        generation: 2,
        empty: false,
    });
    assert_eq!(
        node.tell(Input::Lost { generation: 2 }),
        [Discard(2), Arm(2)]
    );
    assert!(node.status().diverged);
}

#[test]
fn a_continue_is_not_believed() {
    let mut node = diverged();
    again(&mut node);
    assert_eq!(node.goes_on(2, Some(1)), [Stop(2), Arm(2)]);
    assert!(node.status().diverged);
}

#[test]
fn nor_is_another_master_asked_to_continue() {
    let mut node = diverged();
    node.replicaof(1);
    let psync = Psync {
        generation: 2,
        resume: None,
        failover: None,
    };
    let done = [Adopt(2), psync, Reply(damselfly_core::Reply::Ok)];
    assert_eq!(node.commit(1, 8), done);
}

#[test]
fn promoted_it_begins_a_history_that_nobody_resumes_from() {
    let mut node = diverged();
    let done = [
        DropReplicas,
        CancelBefore(1),
        Reply(damselfly_core::Reply::Ok),
    ];
    assert_eq!(node.no_one(2, 8), done);
    let status = node.status();
    assert_eq!(status.history, History::new(at(2, 8)));
    assert!(!status.diverged && status.takes_writes());
}

#[test]
fn it_takes_over_from_nobody() {
    for from in [Some(9), None] {
        let mut node = diverged();
        let asked = Input::TakeOver {
            replid: 1,
            from,
            fresh: 2,
            at: 8,
        };
        let refused = Reply(damselfly_core::Reply::OtherHistory);
        assert_eq!(node.tell(asked), [refused]);
    }
}
