//! The protocol of REPLICAOF.md as scenarios: one for each thing it says, in its order.
//!
//! Hosts are letters, replids words, everything else small numbers. Every step is judged by the properties.

use damselfly_core::properties::Ghost;
use damselfly_core::{
    Answer, Attempt, Boot, Data, Domain, Greeted, Input, LinkStatus, Node, Output, Outputs,
    Position, Reply, Resume, Second, Status,
};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Words;

impl Domain for Words {
    type Host = char;
    type RunId = &'static str;
    type ReplId = &'static str;
    type Offset = u64;
    type Ticket = u64;
    type Generation = u64;

    fn next_ticket(ticket: u64) -> u64 {
        ticket + 1
    }

    fn next_generation(generation: u64) -> u64 {
        generation + 1
    }

    fn next_offset(offset: u64) -> u64 {
        offset + 1
    }
}

/// A node and the properties that watch it.
struct Watched {
    node: Node<Words>,
    ghost: Ghost<Words>,
}

impl Watched {
    fn boot(follow: Option<char>, flush: bool) -> Self {
        let boot = Boot {
            me: "myself",
            fresh: "born",
            offset: 0,
            ticket: 0,
            generation: 0,
            follow,
            flush,
        };
        Self {
            node: Node::new(boot),
            ghost: Ghost::new(&boot),
        }
    }

    /// A master with an empty dataset.
    fn master() -> Self {
        let mut this = Self::boot(None, false);
        assert_eq!(this.step(Input::Restored { position: None }), []);
        this
    }

    /// A replica that streams from `A`, history "a" at 100, by a full sync. Its link has generation 1.
    fn replica() -> Self {
        let mut this = Self::master();
        let greeted = this.greeted('A');
        this.commit(greeted, 0);
        this.load(1, at("a", 100));
        this
    }

    fn step(&mut self, input: Input<Words>) -> Vec<Output<Words>> {
        let mut out = Outputs::new();
        let broken = self.ghost.step(&mut self.node, input, &mut out);
        assert!(broken.is_empty(), "{:?}", broken.iter().collect::<Vec<_>>());
        assert_eq!(self.node.invariant(), Ok(()));
        assert_eq!(self.ghost, Ghost::about(&self.node));
        out.drain().collect()
    }

    fn request(&mut self, target: char) -> Attempt<Words> {
        match self.step(Input::Requested { target }).pop() {
            Some(Output::Connect(attempt)) => attempt,
            other => panic!("{other:?}"),
        }
    }

    fn greeted(&mut self, target: char) -> Greeted<Words> {
        greet(self.request(target))
    }

    fn commit(&mut self, greeted: Greeted<Words>, at: u64) -> Vec<Output<Words>> {
        self.step(Input::Commit { greeted, at })
    }

    fn no_one(&mut self, at: u64) -> Vec<Output<Words>> {
        self.step(Input::NoOne {
            force: false,
            fresh: "mine",
            at,
        })
    }

    fn answer(&mut self, generation: u64, answer: Answer<Words>) -> Vec<Output<Words>> {
        self.step(Input::Answered { generation, answer })
    }

    fn full_resync(&mut self, generation: u64, at: Position<Words>) {
        assert_eq!(self.answer(generation, Answer::FullResync(at)), []);
    }

    fn began(&mut self, generation: u64, empty: bool) -> Vec<Output<Words>> {
        self.step(Input::Began { generation, empty })
    }

    /// A whole full sync.
    fn load(&mut self, generation: u64, at: Position<Words>) {
        self.full_resync(generation, at);
        self.began(generation, false);
        assert_eq!(
            self.step(Input::Loaded { generation }),
            [Output::Swap(generation, at)]
        );
    }

    fn status(&self) -> Status<Words> {
        self.node.status()
    }
}

fn greet(attempt: Attempt<Words>) -> Greeted<Words> {
    attempt.greeted(Some("a peer")).expect("a peer is not us")
}

fn at(replid: &'static str, offset: u64) -> Position<Words> {
    Position { replid, offset }
}

fn from(replid: &'static str, from: u64) -> Option<Resume<Words>> {
    Some(Resume { replid, from })
}

const OK: Output<Words> = Output::Reply(Reply::Ok);

#[test]
fn connect_first_changes_nothing() {
    let mut node = Watched::replica();
    let before = node.status();
    let attempt = node.request('B');
    assert_eq!((attempt.ticket(), attempt.target()), (2, 'B'));
    assert_eq!(node.status(), before);
    attempt.failed();
    assert_eq!(node.status(), before);
}

#[test]
fn the_commit_stops_the_old_link_and_resumes_from_what_it_had() {
    let mut node = Watched::replica();
    node.step(Input::Batch {
        generation: 1,
        to: 130,
    });
    let greeted = node.greeted('B');
    assert_eq!(
        node.commit(greeted, 130),
        [
            Output::Stop(1),
            Output::Adopt(2),
            Output::Psync {
                generation: 2,
                resume: from("a", 131),
                failover: None
            },
            OK,
        ]
    );
    assert_eq!(node.status().master, Some(('B', LinkStatus::Syncing)));
}

#[test]
fn a_partial_sync_is_never_loading() {
    let mut node = Watched::replica();
    let greeted = node.greeted('B');
    node.commit(greeted, 100);
    assert!(!node.status().refuses_reads());
    assert_eq!(node.answer(2, Answer::Continue { replid: None }), []);
    assert!(node.status().link_up() && !node.status().refuses_reads());
}

#[test]
fn a_new_id_with_continue_makes_the_old_one_the_second() {
    let mut node = Watched::replica();
    let greeted = node.greeted('B');
    node.commit(greeted, 100);
    let answer = Answer::Continue {
        replid: Some("promoted"),
    };
    // Our own replicas must learn the new id; they resume.
    assert_eq!(node.answer(2, answer), [Output::DropReplicas]);
    let history = node.status().history;
    assert_eq!(history.at, at("promoted", 100));
    assert_eq!(
        history.second,
        Some(Second {
            replid: "a",
            until: 101
        })
    );
}

#[test]
fn an_earlier_ticket_is_superseded_unless_it_wants_the_same() {
    let mut node = Watched::replica();
    let (b, c, c_too) = (node.greeted('B'), node.greeted('C'), node.greeted('C'));
    node.commit(c_too, 100);
    let committed = node.status();
    assert_eq!(node.commit(b, 100), [Output::Reply(Reply::Superseded)]);
    assert_eq!(node.commit(c, 100), [OK]);
    assert_eq!(node.status(), committed);
}

#[test]
fn a_later_ticket_for_a_syncing_target_keeps_its_connection() {
    let mut node = Watched::replica();
    let (first, second) = (node.greeted('B'), node.greeted('B'));
    node.commit(first, 100);
    node.full_resync(2, at("b", 5));
    assert_eq!(node.commit(second, 100), [OK]);
    assert_eq!(node.status().live, Some(2));
}

#[test]
fn no_one_cancels_what_is_connecting() {
    let mut node = Watched::master();
    let greeted = node.greeted('A');
    assert_eq!(node.no_one(0), [Output::CancelBefore(2), OK]);
    assert_eq!(node.commit(greeted, 0), [Output::Reply(Reply::Cancelled)]);
    // Also when a later REPLICAOF has committed the very target it wants.
    let late = node.greeted('A');
    node.no_one(0);
    let new = node.greeted('A');
    node.commit(new, 0);
    assert_eq!(node.commit(late, 0), [Output::Reply(Reply::Cancelled)]);
}

#[test]
fn the_same_target_again_fences_and_wakes_a_link_that_waits() {
    let mut node = Watched::replica();
    let earlier = node.greeted('B');
    let same = Input::Requested { target: 'A' };
    let connected = Output::Reply(Reply::AlreadyConnected);
    assert_eq!(node.step(same), [connected]);
    assert_eq!(
        node.commit(earlier, 100),
        [Output::Reply(Reply::Superseded)]
    );

    assert_eq!(node.step(Input::Lost { generation: 1 }), [Output::Arm(1)]);
    assert_eq!(
        node.step(Input::Requested { target: 'A' }),
        [
            Output::Dial {
                generation: 2,
                target: 'A'
            },
            Output::Reply(Reply::AlreadyConnected)
        ]
    );
    // The timer that was armed for the lost connection finds another one.
    assert_eq!(node.step(Input::Timer { generation: 1 }), []);
}

#[test]
fn our_own_run_id_is_no_master() {
    let mut node = Watched::master();
    let attempt = node.request('A');
    assert!(attempt.greeted(Some("myself")).is_err());
    // Nor is it when a name that was somebody else's leads here on a redial.
    let mut node = Watched::replica();
    node.step(Input::Lost { generation: 1 });
    node.step(Input::Timer { generation: 1 });
    let peer = Some("myself");
    assert_eq!(
        node.step(Input::Dialed {
            generation: 2,
            peer
        }),
        [Output::Stop(2), Output::Arm(2)]
    );
}

#[test]
fn a_staged_full_sync_serves_the_old_data_until_the_swap() {
    let mut node = Watched::replica();
    let greeted = node.greeted('B');
    node.commit(greeted, 100);
    node.full_resync(2, at("b", 7));
    assert_eq!(node.status().history.at, at("a", 100));
    assert_eq!(node.began(2, false), [Output::Stage(2)]);
    assert!(!node.status().refuses_reads());
    assert_eq!(
        node.step(Input::Loaded { generation: 2 }),
        [Output::Swap(2, at("b", 7))]
    );
    assert_eq!(
        (node.status().history.at, node.status().history.second),
        (at("b", 7), None)
    );
}

#[test]
fn a_full_sync_that_dies_leaves_data_and_credentials() {
    let mut node = Watched::replica();
    let greeted = node.greeted('B');
    node.commit(greeted, 100);
    for generation in 2..5 {
        node.full_resync(generation, at("b", 7));
        node.began(generation, false);
        assert_eq!(
            node.step(Input::Lost { generation }),
            [Output::Discard(generation), Output::Arm(generation)]
        );
        assert!(!node.status().refuses_reads());
        node.step(Input::Timer { generation });
        let generation = generation + 1;
        let peer = Some("a peer");
        assert_eq!(
            node.step(Input::Dialed { generation, peer }),
            [Output::Psync {
                generation,
                resume: from("a", 101),
                failover: None
            }]
        );
    }
}

#[test]
fn flush_mode_loads_from_the_first_byte_and_fails_to_no_dataset() {
    let mut node = Watched::replica();
    node.step(Input::Configure { flush: true });
    let greeted = node.greeted('B');
    node.commit(greeted, 100);
    node.full_resync(2, at("b", 7));
    assert!(!node.status().loading);
    assert_eq!(node.began(2, false), [Output::DropAndLoad(2)]);
    assert!(node.status().loading);
    node.step(Input::Lost { generation: 2 });
    assert!(!node.status().loading && node.status().refuses_reads());

    // What is not there is neither resumed from nor promoted.
    assert_eq!(node.no_one(100), [Output::Reply(Reply::NoDataset)]);
    node.step(Input::Timer { generation: 2 });
    let peer = None;
    assert_eq!(
        node.step(Input::Dialed {
            generation: 3,
            peer
        }),
        [Output::Psync {
            generation: 3,
            resume: None,
            failover: None
        }]
    );
    // And one who was asked for everything cannot continue.
    assert_eq!(
        node.answer(3, Answer::Continue { replid: None }),
        [Output::Stop(3), Output::Arm(3)]
    );
    let forced = node.step(Input::NoOne {
        force: true,
        fresh: "anew",
        at: 100,
    });
    assert_eq!(
        forced,
        [Output::Empty(at("anew", 100)), Output::CancelBefore(3), OK]
    );
    assert_eq!(node.node.data(), Data::Whole);
}

#[test]
fn an_empty_node_has_nothing_to_serve_meanwhile() {
    let mut node = Watched::master();
    let greeted = node.greeted('A');
    node.commit(greeted, 0);
    node.full_resync(1, at("a", 9));
    assert!(!node.status().refuses_reads());
    assert_eq!(node.began(1, true), [Output::DropAndLoad(1)]);
    assert!(node.status().loading);
    node.step(Input::Loaded { generation: 1 });
    assert!(!node.status().refuses_reads());
}

#[test]
fn promotion_keeps_the_old_history_as_the_second() {
    let mut node = Watched::replica();
    assert_eq!(
        node.no_one(100),
        [
            Output::Stop(1),
            Output::DropReplicas,
            Output::CancelBefore(2),
            OK
        ]
    );
    let history = node.status().history;
    assert_eq!(history.at, at("mine", 100));
    assert_eq!(
        history.second,
        Some(Second {
            replid: "a",
            until: 101
        })
    );
    // What the old applier still holds is not applied.
    let late = Input::Batch {
        generation: 1,
        to: 120,
    };
    assert_eq!(node.step(late), []);
}

#[test]
fn half_a_snapshot_is_thrown_away_by_a_promotion() {
    let mut node = Watched::replica();
    let greeted = node.greeted('B');
    node.commit(greeted, 100);
    node.full_resync(2, at("b", 7));
    node.began(2, false);
    assert_eq!(
        node.no_one(100),
        [
            Output::Stop(2),
            Output::Discard(2),
            Output::DropReplicas,
            Output::CancelBefore(3),
            OK
        ]
    );
    assert_eq!(node.status().history.at, at("mine", 100));
}

#[test]
fn what_a_dead_connection_still_says_is_not_heard() {
    let mut node = Watched::replica();
    let greeted = node.greeted('B');
    node.commit(greeted, 100);
    let before = node.status();
    for input in [
        Input::Answered {
            generation: 1,
            answer: Answer::FullResync(at("x", 1)),
        },
        Input::Began {
            generation: 1,
            empty: true,
        },
        Input::Loaded { generation: 1 },
        Input::Batch {
            generation: 1,
            to: 101,
        },
        Input::Lost { generation: 1 },
        Input::Timer { generation: 1 },
    ] {
        assert_eq!(node.step(input), []);
    }
    assert_eq!(node.status(), before);
}

#[test]
fn commands_wait_for_the_snapshot_file_of_the_start() {
    let mut node = Watched::boot(Some('A'), false);
    assert!(node.status().loading);
    let loading = Output::Reply(Reply::Loading);
    assert_eq!(node.step(Input::Requested { target: 'B' }), [loading]);
    assert_eq!(node.no_one(0), [Output::Reply(Reply::Loading)]);
    // A replica resumes from what the file says.
    let position = Some(at("a", 40));
    assert_eq!(
        node.step(Input::Restored { position }),
        [Output::Dial {
            generation: 1,
            target: 'A'
        }]
    );
    let peer = Some("a peer");
    assert_eq!(
        node.step(Input::Dialed {
            generation: 1,
            peer
        }),
        [Output::Psync {
            generation: 1,
            resume: from("a", 41),
            failover: None
        }]
    );
}

#[test]
fn a_restarted_master_takes_a_new_id() {
    // Its file may be older than what its replicas hold: under the old id they would be told to
    // continue from bytes that it will write anew.
    let mut node = Watched::boot(None, false);
    let position = Some(at("a", 40));
    node.step(Input::Restored { position });
    let history = node.status().history;
    assert_eq!(history.at, at("born", 40));
    assert_eq!(
        history.second,
        Some(Second {
            replid: "a",
            until: 41
        })
    );
}

mod negotiation {
    use super::{Resume, Words, at};
    use damselfly_core::History;
    use damselfly_core::history::{Backlog, may_continue};

    fn asked(replid: &'static str, from: u64) -> bool {
        // Promoted at 100 from "old" to "new", now at 150, with the bytes from 61 on in the backlog.
        let mut history = History::<Words>::new(at("old", 100));
        history.shift("new");
        let backlog = Some(Backlog {
            first: 61,
            next: 151,
        });
        may_continue(&history, backlog, Resume { replid, from })
    }

    #[test]
    fn the_present_history_within_the_backlog() {
        assert!(asked("new", 61) && asked("new", 151));
        assert!(!asked("new", 60), "the byte is gone");
        assert!(!asked("new", 152), "the byte does not exist yet");
    }

    #[test]
    fn the_former_history_up_to_where_they_part() {
        assert!(asked("old", 101), "has all that was shared");
        assert!(!asked("old", 102), "has a byte that is not ours");
        assert!(!asked("other", 101));
    }

    #[test]
    fn nothing_without_a_backlog() {
        let history = History::<Words>::new(at("a", 5));
        let wanted = history.resume();
        assert!(!may_continue(&history, None, wanted));
    }
}
