//! The four faults of the old algorithm, by the shortest ways to them: the model found these, and
//! `damselfly-model check --algorithm v1` prints them as they stand here.

mod common;

use common::*;
use damselfly_core::properties::Property;
use damselfly_core::*;

#[test]
fn v1_not_serialized() {
    let mut run = Run::new(v1::Node::new, boot(Some(0), false));
    run.tell(Input::Restored { position: None });
    run.tell(Input::Dialed {
        generation: 1,
        peer: Some(1),
    });
    run.tell(Input::Answered {
        generation: 1,
        answer: Answer::FullResync(Position {
            replid: 1,
            offset: 7,
        }),
    });
    run.tell(Input::Began {
        generation: 1,
        empty: true,
    });
    run.tell(Input::Loaded { generation: 1 });
    run.tell(Input::Requested { target: 1 });
    run.tell(Input::Requested { target: 0 });
    run.commit(1, 7);
    let broken = run.fail(2);
    assert!(broken.has(Property::LinearizableRole));
}

#[test]
fn v1_premature_loading() {
    let mut run = Run::new(v1::Node::new, boot(Some(0), false));
    run.tell(Input::Restored { position: None });
    run.tell(Input::Dialed {
        generation: 1,
        peer: Some(1),
    });
    run.tell(Input::Answered {
        generation: 1,
        answer: Answer::FullResync(Position {
            replid: 1,
            offset: 7,
        }),
    });
    run.tell(Input::Began {
        generation: 1,
        empty: true,
    });
    run.tell(Input::Loaded { generation: 1 });
    let broken = run.tell(Input::Requested { target: 1 });
    assert!(broken.has(Property::NoPrematureLoading));
}

#[test]
fn v1_premature_stop() {
    let mut run = Run::new(v1::Node::new, boot(Some(0), false));
    run.tell(Input::Restored { position: None });
    run.tell(Input::Dialed {
        generation: 1,
        peer: Some(1),
    });
    run.tell(Input::Answered {
        generation: 1,
        answer: Answer::FullResync(Position {
            replid: 1,
            offset: 7,
        }),
    });
    run.tell(Input::Began {
        generation: 1,
        empty: true,
    });
    run.tell(Input::Loaded { generation: 1 });
    run.tell(Input::Requested { target: 1 });
    let broken = run.fail(1);
    assert!(broken.has(Property::FailedAttemptIsNoop));
}

#[test]
fn v1_needless_loading() {
    let mut run = Run::new(v1::Node::new, boot(Some(0), false));
    run.tell(Input::Restored { position: None });
    run.tell(Input::Dialed {
        generation: 1,
        peer: Some(1),
    });
    run.tell(Input::Answered {
        generation: 1,
        answer: Answer::FullResync(Position {
            replid: 1,
            offset: 7,
        }),
    });
    run.tell(Input::Began {
        generation: 1,
        empty: true,
    });
    run.tell(Input::Loaded { generation: 1 });
    let broken = run.tell(Input::Requested { target: 1 });
    assert!(broken.has(Property::ReadsStayAvailable));
    let broken = run.commit(1, 7);
    assert!(broken.has(Property::ReadsStayAvailable));
    run.tell(Input::Answered {
        generation: 2,
        answer: Answer::Continue { replid: None },
    });
}
