use crate::command::testing::Bench;
use crate::command::{Attempt, Effects, Env, Origin, Outcome, attempt, resolve};
use crate::resp::Reply;
use crate::store::{Change, KeyListener};
use parking_lot::Mutex;
use std::sync::Arc;

/// Keeps what it is to be run with again.
#[derive(Default)]
struct Waiter(Mutex<Option<Vec<Box<[u8]>>>>);

impl KeyListener for Waiter {
    fn key_changed(&self, _: &[u8], _: Change) {}

    fn rephrase(&self, args: Vec<Box<[u8]>>) {
        *self.0.lock() = Some(args);
    }
}

fn waiting() -> (Bench, Arc<Waiter>) {
    let (mut bench, waiter) = (Bench::new(), Arc::new(Waiter::default()));
    bench.waiter = Some(waiter.clone());
    (bench, waiter)
}

/// Runs a command that waits again, since `key` changed; nothing if it waits on.
fn again(bench: &mut Bench, line: &str, key: &str) -> Option<String> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let wait = bench.waiter.clone().map(|w| move || Arc::clone(&w));
    let env = Env {
        dataset: &bench.dataset,
        db: bench.db,
        now_ms: bench.now_ms,
        origin: bench.origin,
        expiry: bench.expiry,
        limits: &bench.limits,
        journal: Some(&bench.told),
        in_transaction: false,
        in_script: false,
        no_touch: false,
        waiter: wait.as_ref().map(|wait| wait as _),
        audience: None,
        hash: None,
    };
    let mut out = Reply::default();
    let command = resolve(&words).unwrap();
    let changed = Attempt::Changed(key.as_bytes());
    let outcome = attempt(
        command,
        &words,
        &env,
        changed,
        &mut Effects::default(),
        &mut out,
    );
    let text = String::from_utf8_lossy(out.as_bytes())
        .trim_end()
        .replace("\r\n", " ");
    match outcome {
        Outcome::Blocked { .. } => None,
        _ => Some(text),
    }
}

#[test]
fn a_reader_waits_for_what_comes_after_now() {
    let (mut bench, waiter) = waiting();
    bench.run("XADD s 5-1 f v");
    assert_eq!(bench.run("XREAD BLOCK 1500 STREAMS s t $ 7"), "");
    assert_eq!(bench.blocked, Some(Some(bench.now_ms + 1500)));
    let args = waiter.0.lock().take().unwrap();
    let line = args
        .iter()
        .map(|a| String::from_utf8_lossy(a))
        .collect::<Vec<_>>()
        .join(" ");
    assert_eq!(line, "XREAD BLOCK 1500 STREAMS s t 5-1 7-0");
    bench.run("XADD t 6-1 f v");
    assert_eq!(again(&mut bench, &line, "t"), None);
    bench.run("SET t a-string");
    assert_eq!(again(&mut bench, &line, "t"), None);
    bench.run("XADD s 5-2 f v");
    let reply = "*1 *2 $1 s *1 *2 $3 5-2 *2 $1 f $1 v";
    assert_eq!(again(&mut bench, &line, "s").as_deref(), Some(reply));
}

#[test]
fn a_consumer_that_waits_hears_that_its_group_has_gone() {
    let (mut bench, _) = waiting();
    let line = "XREADGROUP GROUP g c BLOCK 0 STREAMS s >";
    bench.run("XGROUP CREATE s g 0 MKSTREAM");
    assert_eq!(bench.run(line), "");
    assert_eq!(bench.blocked, Some(None));
    bench.run("XGROUP DESTROY s g");
    let gone = "-NOGROUP the consumer group this client was blocked on no longer exists";
    assert_eq!(again(&mut bench, line, "s").as_deref(), Some(gone));
    bench.run("DEL s");
    let gone = "-UNBLOCKED the stream key no longer exists";
    assert_eq!(again(&mut bench, line, "s").as_deref(), Some(gone));
    bench.run("SET s x");
    assert_eq!(again(&mut bench, line, "s").as_deref(), Some(gone));
}

#[test]
fn replicas_are_told_what_was_done() {
    let mut bench = Bench::new();
    bench.limits.stream_node_max_entries = 2;
    let mut told = |line: &str, expected: &[&str]| {
        bench.run(line);
        assert_eq!(bench.told(), expected, "{line}");
    };
    told("XADD s * f v", &["0: XADD s 1000000-0 f v"]);
    told("XADD s 1000000-* f v", &["0: XADD s 1000000-1 f v"]);
    told("XADD s 2000000-0 f v", &["0: XADD s 2000000-0 f v"]);
    told(
        "XADD s MAXLEN ~ 2 LIMIT 100 * f v",
        &["0: XADD s MAXLEN = 2 LIMIT 100 2000000-1 f v"],
    );
    told("XTRIM s MAXLEN ~ 1", &[]);
    told(
        "XTRIM s MINID ~ 3000000",
        &["0: XTRIM s MINID = 18446744073709551615-18446744073709551615"],
    );
    told("XADD s 3000000-0 f v", &["0: XADD s 3000000-0 f v"]);
    told("XGROUP CREATE s g 0", &["0: XGROUP CREATE s g 0"]);
    told(
        "XREADGROUP GROUP g c STREAMS s >",
        &["0: XCLAIM s g c 0 3000000-0 TIME 1000000 RETRYCOUNT 1 FORCE JUSTID LASTID 3000000-0"],
    );
    told("XREADGROUP GROUP g c STREAMS s 0", &[]);
    told("XACK s g 3000000-0 7-7", &["0: XACK s g 3000000-0 7-7"]);
    told("XACK s g 3000000-0", &[]);
    told("XGROUP CREATECONSUMER s g c", &[]);
    told(
        "XGROUP CREATECONSUMER s g d",
        &["0: XGROUP CREATECONSUMER s g d"],
    );
}

#[test]
fn keys_of_readers_stand_behind_the_word() {
    let keys = |line: &str| {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        super::read_keys(&words).to_vec()
    };
    assert_eq!(keys("XREAD STREAMS a b 1 2"), [2, 3]);
    assert_eq!(keys("XREAD COUNT STREAMS STREAMS streams 1"), [4]);
    assert_eq!(
        keys("XREADGROUP GROUP streams c NOACK BLOCK 1 STREAMS k >"),
        [8]
    );
    assert_eq!(keys("XREAD STREAMS a b 1"), []);
    assert_eq!(keys("XREAD STREAMS"), []);
    assert_eq!(keys("XREAD x STREAMS a 1"), []);
    assert_eq!(keys("XREAD BLOCK"), []);
}

/// Of Redis 7.4, as redis-server 8.0.2 answers it.
#[test]
fn the_last_entry_can_be_asked_for() {
    let (mut bench, waiter) = waiting();
    bench.run("XADD s 1-1 a 1");
    bench.run("XADD s 2-0 b 2");
    let last = "*1 *2 $1 s *1 *2 $3 2-0 *2 $1 b $1 2";
    bench.check(&[
        ("XREAD STREAMS s +", last),
        ("XREAD COUNT 5 STREAMS s nokey + +", last),
        ("XREAD STREAMS nokey +", "*-1"),
    ]);
    bench.run("XDEL s 2-0");
    assert_eq!(
        bench.run("XREAD STREAMS s +"),
        "*1 *2 $1 s *1 *2 $3 1-1 *2 $1 a $1 1"
    );
    let refused = bench.run("XREADGROUP GROUP g c STREAMS s +");
    assert!(refused.starts_with("-NOGROUP "), "{refused}");
    bench.run("XGROUP CREATE s g 0");
    let refused = bench.run("XREADGROUP GROUP g c STREAMS s +");
    assert!(refused.contains("The + ID is meaningless"), "{refused}");
    // Without one it waits for what comes.
    bench.run("XDEL s 1-1");
    assert_eq!(bench.run("XREAD BLOCK 0 STREAMS s nokey + +"), "");
    let line = waiter.0.lock().take().expect("what it is run with again");
    let words: Vec<_> = line.iter().map(|w| String::from_utf8_lossy(w)).collect();
    assert_eq!(words.join(" "), "XREAD BLOCK 0 STREAMS s nokey 2-0 0-0");
}

#[test]
fn entries_go_with_or_without_what_groups_wait_for() {
    let mut bench = Bench::new();
    for id in 1..=6 {
        bench.run(&format!("XADD s {id}-0 f v"));
    }
    for group in ["g", "h"] {
        bench.run(&format!("XGROUP CREATE s {group} 0"));
        bench.run(&format!("XREADGROUP GROUP {group} c COUNT 5 STREAMS s >"));
    }
    bench.run("XACK s h 1-0");
    bench.told();
    let no_array = "-ERR The `numids` parameter must match the number of arguments";
    bench.check(&[
        ("XDELEX s ACKED IDS 3 1-0 6-0 9-0", "*3 :2 :2 :2"),
        ("XDELEX s DELREF IDS 2 1-0 9-0", "*2 :1 :-1"),
        ("XDELEX s IDS 1 2-0 keepref", "*1 :1"),
        ("XDELEX nokey IDS 1 1-0", "*1 :-1"),
        ("XACKDEL s g ACKED IDS 2 3-0 1-0", "*2 :2 :-1"),
        ("XACKDEL s h ACKED IDS 1 3-0", "*1 :1"),
        ("XACKDEL s g IDS 1 2-0", "*1 :1"),
        ("XACKDEL s g DELREF IDS 1 4-0", "*1 :1"),
        ("XACKDEL s nogroup IDS 1 5-0", "*1 :-1"),
        ("XPENDING s g", "*4 :1 $3 5-0 $3 5-0 *1 *2 $1 c $1 1"),
        ("XPENDING s h", "*4 :2 $3 2-0 $3 5-0 *1 *2 $1 c $1 2"),
        ("XLEN s", ":2"),
        (
            "XDELEX s IDS 0 1-0",
            "-ERR Number of IDs must be a positive integer",
        ),
        ("XDELEX s IDS 2 1-0", no_array),
        ("XDELEX s ACKED DELREF IDS 1 1-0", "-ERR syntax error"),
        ("XDELEX s IDS 1 1-0 0-0", "-ERR syntax error"),
        ("XDELEX s KEEPREF ACKED 1", "-ERR syntax error"),
        (
            "XADD s ACKED * f v",
            "-ERR Invalid stream ID specified as stream command argument",
        ),
        ("XTRIM s MAXLEN 1 DELREF", "-ERR syntax error"),
    ]);
    assert_eq!(
        bench.told(),
        [
            "0: MULTI",
            "0: XACK s g 1-0",
            "0: XDEL s 1-0",
            "0: EXEC",
            "0: XDEL s 2-0",
            "0: XACK s g 3-0",
            "0: MULTI",
            "0: XACK s h 3-0",
            "0: XDEL s 3-0",
            "0: EXEC",
            "0: XACK s g 2-0",
            "0: MULTI",
            "0: XACK s g 4-0",
            "0: XACK s h 4-0",
            "0: XDEL s 4-0",
            "0: EXEC",
        ]
    );
}

/// As a stock replica of 8.6 does it.
#[test]
fn a_master_trims_with_or_without_what_groups_wait_for() {
    let mut bench = Bench::new();
    bench.limits.stream_node_max_entries = 2;
    for id in 1..=6 {
        bench.run(&format!("XADD s {id}-0 f v"));
    }
    bench.run("XGROUP CREATE s g 0");
    bench.run("XREADGROUP GROUP g c COUNT 4 STREAMS s >");
    bench.run("XACK s g 1-0 3-0");
    bench.origin = Origin::Master;
    bench.check(&[
        // Behind 4 the group has read nothing.
        ("XTRIM s MAXLEN = 2 ACKED", ":2"),
        ("XLEN s", ":4"),
        (
            "XADD s ACKED DELREF 7-0 f v",
            "-ERR Invalid stream ID specified as stream command argument",
        ),
        ("XTRIM s DELREF MINID 5-0", ":2"),
        ("XPENDING s g - + 9", "*0"),
        ("XADD s MAXLEN = 1 KEEPREF 7-0 f v", "$3 7-0"),
        ("XRANGE s - +", "*1 *2 $3 7-0 *2 $1 f $1 v"),
    ]);
}
