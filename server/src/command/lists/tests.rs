use std::sync::Arc;

use crate::command::testing::Bench;
use crate::store::{Change, KeyListener};

struct Waiter;

impl KeyListener for Waiter {
    fn key_changed(&self, _: &[u8], _: Change) {}
}

fn waiting() -> Bench {
    let mut bench = Bench::new();
    bench.waiter = Some(Arc::new(Waiter));
    bench
}

#[test]
fn waits_only_if_there_is_nothing() {
    let mut bench = waiting();
    for command in [
        "BLPOP a b 1.5",
        "BRPOP a b 1.5",
        "BLMOVE a b LEFT RIGHT 1.5",
        "BRPOPLPUSH a b 1.5",
        "BLMPOP 1.5 2 a b LEFT",
    ] {
        assert_eq!(bench.run(command), "", "{command}");
        assert_eq!(bench.blocked, Some(Some(bench.now_ms + 1500)), "{command}");
    }
    assert_eq!(bench.run("BLPOP a 0"), "");
    assert_eq!(bench.blocked, Some(None));
    assert!(bench.told().is_empty());
    bench.check(&[
        ("RPUSH b 1 2 3 4 5 6", ":6"),
        ("BLPOP a b 1", "*2 $1 b $1 1"),
        ("BRPOP a b 1", "*2 $1 b $1 6"),
        ("BLMOVE b c LEFT RIGHT 1", "$1 2"),
        ("BRPOPLPUSH b c 1", "$1 5"),
        ("BLMPOP 1 2 a b RIGHT COUNT 9", "*2 $1 b *2 $1 4 $1 3"),
    ]);
    assert_eq!(bench.blocked, None);
}

#[test]
fn replicas_are_told_words_that_do_not_wait() {
    let mut bench = waiting();
    bench.run("RPUSH l 1 2 3 4 5 6 7 8");
    bench.told();
    for command in [
        "BLPOP no l 1",
        "BRPOP no l 1",
        "BLMOVE l m LEFT RIGHT 1",
        "BRPOPLPUSH l m 1",
        "BLMPOP 1 2 no l LEFT COUNT 2",
        "LMPOP 2 no l RIGHT COUNT 9",
    ] {
        bench.run(command);
    }
    let told = [
        "0: LPOP l",
        "0: RPOP l",
        "0: LMOVE l m LEFT RIGHT",
        "0: RPOPLPUSH l m",
        "0: LPOP l 2",
        "0: RPOP l 2",
    ];
    assert_eq!(bench.told(), told);
}

#[test]
fn where_nobody_can_wait_the_time_is_up_at_once() {
    let mut bench = Bench::new();
    bench.check(&[
        ("BLPOP a 0", "*-1"),
        ("BLMPOP 0 1 a LEFT", "*-1"),
        ("BLMOVE a b LEFT LEFT 0", "$-1"),
        ("BRPOPLPUSH a b 0", "$-1"),
        ("BLPOP a -1", "-ERR timeout is negative"),
        ("BLPOP a x", "-ERR timeout is not a float or out of range"),
    ]);
    assert_eq!(bench.blocked, None);
}

#[test]
fn no_change_is_told_to_nobody() {
    let mut bench = Bench::new();
    bench.run("RPUSH l a b c");
    bench.told();
    bench.check(&[
        ("LPUSHX no x", ":0"),
        ("LPOP no", "$-1"),
        ("LPOP l 0", "*0"),
        ("LREM l 0 x", ":0"),
        ("LTRIM l 0 -1", "+OK"),
        ("LINSERT l BEFORE x y", ":-1"),
        ("RPOPLPUSH no l", "$-1"),
        ("LSET l 9 x", "-ERR index out of range"),
        ("LSET no 0 x", "-ERR no such key"),
    ]);
    assert!(bench.told().is_empty());
}

#[test]
fn an_emptied_list_is_gone() {
    let mut bench = Bench::new();
    for command in [
        "LPOP l",
        "LTRIM l 5 9",
        "LREM l 0 a",
        "LMOVE l m LEFT LEFT",
        "LMPOP 1 l LEFT",
    ] {
        bench.run("RPUSH l a");
        bench.run(command);
        assert_eq!(bench.run("EXISTS l"), ":0", "{command}");
    }
}
