//! Corners of REPLICAOF.md beside the scenarios: what two of its sentences together imply.
//!
//! An [`Ours`] watches all properties meanwhile. Hosts, replids, tickets and generations are small
//! numbers; tickets and generations are given from 1 on.

mod common;

use common::*;
use damselfly_core::history::{Backlog, may_continue};
use damselfly_core::*;

use LinkStatus::{Connecting, Syncing, Waiting};
use Output::*;

const OK: Output<Tiny> = Reply(damselfly_core::Reply::Ok);

fn reply(reply: damselfly_core::Reply) -> Output<Tiny> {
    Reply(reply)
}

#[test]
fn a_master_that_is_demoted_asks_to_continue_from_what_it_wrote() {
    let mut node = Ours::master();
    node.replicaof(0);
    let resume = resume(0, 6);
    assert_eq!(
        node.commit(1, 6),
        [
            Adopt(1),
            Psync {
                generation: 1,
                resume,
                failover: None
            },
            OK
        ]
    );
}

#[test]
fn a_fenced_attempt_to_the_committed_target_got_what_it_wanted() {
    let mut node = Ours::master();
    node.replicaof(0);
    node.replicaof(0);
    node.commit(2, 4);
    let before = node.status();
    assert_eq!(node.commit(1, 4), [OK]);
    assert_eq!(node.status(), before);
}

#[test]
fn the_order_is_that_of_arrival_not_of_connecting() {
    let mut node = Ours::master();
    node.replicaof(0);
    node.replicaof(1);
    node.commit(1, 4);
    node.commit(2, 4);
    assert_eq!(node.0.master(), Some((1, Syncing)));
}

#[test]
fn no_one_takes_a_ticket_on_a_master_too() {
    let mut node = Ours::master();
    node.replicaof(0);
    assert_eq!(node.no_one(2, 4), [CancelBefore(2), OK]);
    use damselfly_core::Reply::Cancelled;
    assert_eq!(node.commit(1, 4), [reply(Cancelled)]);
    // It keeps its history: it was promoted from nothing.
    assert_eq!(node.status().history, History::new(at(0, 4)));
}

#[test]
fn two_attempts_to_one_target_share_the_sync_of_the_first() {
    let mut node = Ours::master();
    node.replicaof(0);
    node.replicaof(0);
    node.commit(1, 4);
    assert_eq!(node.commit(2, 4), [OK]);
    // While a link is only dialling, a greeted connection is worth more.
    node.replicaof(1);
    node.replicaof(1);
    node.commit(3, 4);
    node.tell(Input::Lost { generation: 2 });
    node.tell(Input::Timer { generation: 2 });
    assert_eq!(node.0.master(), Some((1, Connecting)));
    let resume = resume(0, 4);
    assert_eq!(
        node.commit(4, 4),
        [
            Stop(3),
            Adopt(4),
            Psync {
                generation: 4,
                resume,
                failover: None
            },
            OK
        ]
    );
}

#[test]
fn continue_to_one_who_has_nothing_is_nonsense() {
    let mut node = Ours::replica(true);
    node.replicaof(1);
    node.commit(1, 7);
    node.full(2, at(2, 3));
    node.tell(Input::Began {
        generation: 2,
        empty: false,
    });
    node.tell(Input::Lost { generation: 2 });
    node.tell(Input::Timer { generation: 2 });
    let psync = Psync {
        generation: 3,
        resume: None,
        failover: None,
    };
    let dialed = Input::Dialed {
        generation: 3,
        peer: None,
    };
    assert_eq!(node.tell(dialed), [psync]);
    assert_eq!(node.goes_on(3, None), [Stop(3), Arm(3)]);
    assert_eq!(node.0.master(), Some((1, Waiting)));
}

#[test]
fn a_mode_that_changes_counts_for_the_next_sync() {
    let mut node = Ours::replica(false);
    node.replicaof(1);
    node.commit(1, 7);
    node.full(2, at(2, 3));
    node.tell(Input::Configure { flush: true });
    let began = Input::Began {
        generation: 2,
        empty: false,
    };
    assert_eq!(node.tell(began), [DropAndLoad(2)]);
}

#[test]
fn a_promotion_keeps_the_old_id_so_that_siblings_resume() {
    let mut node = Ours::replica(false);
    node.no_one(2, 9);
    let history = node.status().history;
    let backlog = Some(Backlog { first: 1, next: 20 });
    let asks = |replid, from| may_continue(&history, backlog, Resume { replid, from });
    assert!(asks(1, 10), "a sibling that has just what we have");
    assert!(asks(1, 8), "or less");
    assert!(!asks(1, 11), "but none that has more of the old history");
    assert!(asks(2, 15), "nor one that follows us");
    assert!(!asks(3, 10));
}

#[test]
fn nothing_whole_is_promoted_by_force_only() {
    let mut node = Ours::replica(true);
    node.replicaof(1);
    node.commit(1, 7);
    node.full(2, at(2, 3));
    node.tell(Input::Began {
        generation: 2,
        empty: false,
    });
    node.replicaof(2);
    let before = node.status();
    use damselfly_core::Reply::NoDataset;
    assert_eq!(node.no_one(5, 7), [reply(NoDataset)]);
    assert_eq!(node.status(), before);
    // It cancelled nothing and took no ticket.
    assert_eq!(node.commit(2, 7).last(), Some(&OK));
    let force = Input::NoOne {
        force: true,
        fresh: 5,
        at: 7,
    };
    let begin = at(5, 7);
    assert_eq!(
        node.tell(force),
        [Stop(3), Empty(begin), CancelBefore(3), OK]
    );
    assert!(!node.status().refuses_reads());
}

#[test]
fn completions_of_a_link_that_was_told_to_stop_change_nothing() {
    let late = || {
        let generation = 1;
        let full = Answer::FullResync(at(3, 3));
        [
            Input::Dialed {
                generation,
                peer: None,
            },
            Input::Answered {
                generation,
                answer: Answer::Continue { replid: Some(4) },
            },
            Input::Answered {
                generation,
                answer: full,
            },
            Input::Began {
                generation,
                empty: true,
            },
            Input::Loaded { generation },
            Input::Batch { generation, to: 9 },
            Input::Diverged { generation },
            Input::Lost { generation },
            Input::Timer { generation },
        ]
    };
    let mut replica = Ours::replica(false);
    replica.replicaof(1);
    replica.commit(1, 7);
    let mut promoted = Ours::replica(false);
    promoted.no_one(2, 7);
    for mut node in [replica, promoted] {
        let before = node.status();
        for input in late() {
            assert_eq!(node.tell(input), []);
            assert_eq!(node.status(), before);
        }
    }
}

#[test]
fn restored_as_a_replica_it_resumes_from_the_file() {
    let mut node = Ours(Run::new(Node::new, boot(Some(0), false)));
    let dial = Dial {
        generation: 1,
        target: 0,
    };
    let position = Some(at(3, 8));
    assert_eq!(node.tell(Input::Restored { position }), [dial]);
    let psync = Psync {
        generation: 1,
        resume: resume(3, 8),
        failover: None,
    };
    let dialed = Input::Dialed {
        generation: 1,
        peer: None,
    };
    assert_eq!(node.tell(dialed), [psync]);
}

#[test]
fn a_history_that_was_not_counted_gets_a_new_name_on_a_master_only() {
    let began = || Input::HistoryBegan { fresh: 6, at: 5 };
    let mut node = Ours::master();
    assert_eq!(node.tell(began()), []);
    assert_eq!(node.status().history, History::new(at(6, 5)));
    let mut node = Ours::replica(false);
    let before = node.status();
    node.tell(began());
    assert_eq!(node.status(), before);
}
