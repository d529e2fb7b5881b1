//! A command of the stream fails, or a bug ends the task that applies it.

use super::*;
use crate::repl::apply::Applier;
use crate::repl::peer::{Peer, encode};
use crate::repl::{link, tasks};
use std::io::Write;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A replica at 110 of its master's stream, of which the last command failed.
fn diverging() -> (Rig, u64) {
    let rig = Rig::master();
    let link = rig.synced("m1");
    rig.deeds();
    let slot = rig.gates.enter(2);
    assert!(rig.driver.batch(&slot, link, 110));
    rig.log.append_raw(b"0123456789", 3);
    rig.driver.diverged(&slot, link);
    assert!(rig.driver.has_diverged(), "the gate opens too early");
    drop(slot);
    (rig, link)
}

#[test]
fn data_that_have_diverged_are_asked_for_anew() {
    let (rig, link) = diverging();
    assert_eq!(rig.deeds(), [""; 0]);
    rig.driver.lost(link, "it failed");
    assert_eq!(rig.deeds(), [format!("arm {link}")]);
    assert_eq!(*rig.driver.facts().link_error().unwrap(), "it failed");
    let fence = rig.fence();
    assert!(fence.whole && !fence.loading && !fence.link_up);
    assert!(rig.driver.status().diverged && rig.holds("m1"));
    rig.driver.timer(link);
    let again = rig.driver.dialed(link + 1, None).unwrap();
    assert_eq!(again.resume, None);
}

/// Whatever comes between the batch and the end of its link finds the core informed.
#[test]
fn what_comes_before_the_link_ends_knows_that_the_data_have_diverged() {
    let (rig, link) = diverging();
    let next = rig.follow("m2");
    assert_eq!(next.resume, None, "another master is asked to continue");
    assert!(rig.driver.status().diverged);
    rig.driver.lost(link, "too late");
    assert_eq!(rig.driver.facts().link_error(), None);
    assert_eq!(rig.driver.status().live, Some(next.generation));

    let (rig, link) = diverging();
    assert!(rig.driver.no_one(false).is_ok());
    let history = rig.driver.status().history;
    assert_eq!((history.at.offset, history.second), (110, None));
    assert_ne!(history.at.replid, id(b'c'));
    rig.driver.lost(link, "too late");
    assert_eq!(rig.fence(), Fence::MASTER);
}

/// A bug in what the stream does ends the link, and not for ever; what it was at is not resumed from.
#[tokio::test]
async fn a_link_whose_task_panics_is_lost() {
    let rig = Rig::master();
    let link = rig.follow("m1");
    rig.deeds();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap());
    let stream = stream.await.unwrap();
    let (mut master, _) = listener.accept().unwrap();
    let said = b"+CONTINUE\r\n*3\r\n$7\r\nPUBLISH\r\n$5\r\npanic\r\n$1\r\nx\r\n";
    master.write_all(said).unwrap();
    link::follow(Arc::clone(&rig.driver), link, Peer::new(stream)).await;
    let status = rig.driver.status();
    assert!(status.diverged && status.whole && status.live.is_none());
    assert_eq!(rig.deeds(), [format!("arm {}", link.generation)]);
    assert_eq!(*rig.driver.facts().link_error().unwrap(), tasks::BUG);
    rig.fence();
}

/// When the gate of a batch opens, the core knows what has become of it, however the batch ended: no promotion, commit or
/// snapshot that waits for the gate may take what it left for a place in the history.
#[test]
fn of_a_batch_that_panics_the_core_knows_before_its_gate_opens() {
    let panics = encode(&[b"PUBLISH", b"panic", b"x"]);
    let written = encode(&[b"SET", b"k", b"v"]);
    let (multi, exec) = (encode(&[b"MULTI"]), encode(&[b"EXEC"]));
    for batch in [
        [&written[..], &panics].concat(),
        [&multi[..], &written, &panics, &exec].concat(),
    ] {
        let rig = Rig::master();
        let link = rig.synced("m1");
        let settings = rig.driver.config().settings();
        let mut applier = Applier::new(&rig.driver, link, &settings);
        let ended = catch_unwind(AssertUnwindSafe(|| applier.apply_from(&batch)));
        assert!(ended.is_err(), "it did not panic");
        assert!(rig.driver.has_diverged(), "the gate opens too early");
        assert!(rig.driver.no_one(false).is_ok());
        let history = rig.driver.status().history;
        assert_eq!(history.second, None, "siblings may resume from it");
        assert_ne!(history.at.replid, id(b'c'));
    }
}
