//! The stream as it is parsed: whole, in pieces, and damaged.

use super::super::peer::encode;
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const DATABASES: usize = 16;

/// What a master sends, a unit at a time: a command, a transaction, or an empty line.
fn unit() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || vec(any::<u8>(), 0..300);
    let set = (bytes(), bytes()).prop_map(|(key, value)| encode(&[b"SET", &key, &value]));
    let plain = prop_oneof![
        4 => set,
        1 => Just(encode(&[b"PING"])),
        1 => (0..DATABASES).prop_map(|db| encode(&[b"SELECT", db.to_string().as_bytes()])),
        1 => Just(encode(&[b"REPLCONF", b"GETACK", b"*"])),
        1 => Just(encode(&[b"FLUSHALL"])),
        1 => Just(b"\n".to_vec()),
    ];
    let plain = plain.boxed();
    let block = vec(plain.clone(), 0..6).prop_map(|commands| {
        let body: Vec<u8> = commands.concat();
        [encode(&[b"MULTI"]), body, encode(&[b"EXEC"])].concat()
    });
    prop_oneof![4 => plain, 1 => block]
}

/// Gives `stream` to a parser in pieces. Where each batch ended, and why it went no further.
fn batches(stream: &[u8], pieces: &[usize]) -> (Vec<usize>, Option<String>) {
    let mut batch = Batch::default();
    let (mut ends, mut done, mut there) = (Vec::new(), 0, 0);
    let mut pieces = pieces.iter().cycle();
    loop {
        match batch.collect(&stream[done..there], DATABASES) {
            Ok(Some(_)) => {
                assert!(batch.len > 0 && done + batch.len <= there);
                done += batch.len;
                ends.push(done);
                batch.clear();
            }
            Ok(None) if there == stream.len() => return (ends, None),
            Ok(None) => there = (there + pieces.next().unwrap_or(&1)).min(stream.len()),
            Err(why) => return (ends, Some(why.to_string())),
        }
        // An argument takes at least one byte, so the list cannot outgrow what came.
        assert!(batch.args.len() <= there - done + 1);
    }
}

/// What is parsed of `stream`, which is damaged: how far it got.
fn applied(stream: &[u8]) -> (usize, Option<String>) {
    let (ends, why) = batches(stream, &[stream.len().max(1)]);
    (ends.last().copied().unwrap_or(0), why)
}

proptest! {
    /// Whatever the pieces: all is taken, and every batch ends between two units.
    #[test]
    fn a_batch_ends_between_commands_and_never_inside_a_transaction(
        units in vec(unit(), 1..30),
        pieces in vec(1..200usize, 1..20),
    ) {
        let stream = units.concat();
        let mut boundaries = vec![];
        units.iter().fold(0, |at, unit| { boundaries.push(at + unit.len()); at + unit.len() });
        let (ends, why) = batches(&stream, &pieces);
        prop_assert_eq!(why, None);
        prop_assert_eq!(ends.last(), Some(&stream.len()));
        prop_assert!(ends.iter().all(|end| boundaries.contains(end)), "{:?} / {:?}", ends, boundaries);
    }

    /// What is cut off waits; what is whole before it is taken.
    #[test]
    fn of_a_cut_stream_the_whole_units_are_taken(units in vec(unit(), 1..10), cut in any::<prop::sample::Index>()) {
        let stream = units.concat();
        let cut = cut.index(stream.len());
        let mut whole = 0;
        for unit in &units {
            if whole + unit.len() > cut {
                break;
            }
            whole += unit.len();
        }
        prop_assert_eq!(applied(&stream[..cut]), (whole, None));
    }

    /// Noise neither panics nor takes memory, and nothing is taken that lies behind what was refused.
    #[test]
    fn noise_is_survived(units in vec(unit(), 0..5), noise in vec(any::<u8>(), 1..400)) {
        let sound = units.concat();
        let (end, _) = applied(&[sound.clone(), noise.clone()].concat());
        prop_assert!(end >= sound.len());
        batches(&noise, &[1, 7, 30]);
    }

    /// A byte that flips inside the framing breaks the link or changes a length; it never takes less than what
    /// came before it.
    #[test]
    fn what_came_before_a_flipped_byte_is_taken(
        units in vec(unit(), 1..8),
        at in any::<prop::sample::Index>(),
        mask in 1..=255u8,
    ) {
        let mut stream = units.concat();
        let at = at.index(stream.len());
        stream[at] ^= mask;
        let mut before = 0;
        for unit in &units {
            if before + unit.len() > at {
                break;
            }
            before += unit.len();
        }
        let (end, _) = applied(&stream);
        prop_assert!(end >= before, "{end} of {before}");
    }
}

#[test]
fn a_transaction_without_an_end_is_not_taken_for_ever() {
    let begin = encode(&[b"MULTI"]);
    for filler in [&b"\n"[..], b"*0\r\n", &encode(&[b"PING"])] {
        let mut batch = Batch::default();
        let mut stream = begin.clone();
        let why = loop {
            match batch.collect(&stream, DATABASES) {
                Ok(None) => stream.extend(filler.repeat(1000)),
                Ok(Some(_)) => panic!("half a transaction is applied"),
                Err(why) => break why.to_string(),
            }
            assert!(stream.len() < 2 * UNIT_MAX, "it is taken for ever");
        };
        assert!(why.contains("a transaction that is too long"), "{why}");
        // What it makes us hold is of the order of what it sends.
        let held = batch.items.len() * size_of::<Item>();
        assert!(held < 8 * UNIT_MAX, "{held}");
    }
}

/// Who resumed would meet it again and again.
#[test]
fn of_what_is_too_long_the_effect_comes_with_a_snapshot() {
    let begun = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${UNIT_MAX}\r\n").into_bytes();
    let sound = encode(&[b"SET", b"k", b"v"]);
    let before = [
        (vec![], "command"),
        (encode(&[b"MULTI"]), "transaction"),
        ([encode(&[b"MULTI"]), sound].concat(), "transaction"),
    ];
    for (before, what) in before {
        let stream = [&before[..], &begun].concat();
        match Batch::default().collect(&stream, DATABASES) {
            Err(Unfit::Unserved(why)) => {
                assert_eq!(why, format!("it sent a {what} that is too long"))
            }
            Err(why) => panic!("{why}"),
            Ok(_) => panic!("it is waited for"),
        }
    }
}

#[test]
fn what_a_master_must_not_send_ends_the_link_with_a_reason() {
    let whole = |args: &[&[u8]]| encode(args);
    for (stream, reason) in [
        (whole(&[b"EXEC"]), "EXEC without MULTI"),
        (
            [whole(&[b"MULTI"]), whole(&[b"MULTI"])].concat(),
            "MULTI inside MULTI",
        ),
        (whole(&[b"SELECT", b"16"]), "database 16"),
        (whole(&[b"SELECT", b"-1"]), "database -1"),
        (whole(&[b"NOSUCH", b"x"]), "not served: NOSUCH"),
        (whole(&[b"SET", b"k"]), "set with 1 arguments"),
        (
            whole(&[b"SUBSCRIBE", b"c"]),
            "no place in a stream: subscribe",
        ),
        (b"PING\r\n".to_vec(), "breaks the protocol"),
        (b"SET k v\r\n".to_vec(), "breaks the protocol"),
        (b"*1\r\n$4\r\nPINGxx".to_vec(), "breaks the protocol"),
        (b"*-7x\r\n".to_vec(), "breaks the protocol"),
        (b"*1\r\n$99999999999\r\n".to_vec(), "breaks the protocol"),
        (b"*2147483648\r\n".to_vec(), "breaks the protocol"),
    ] {
        let shown = shown(&stream);
        let (end, why) = applied(&stream);
        assert_eq!(end, 0, "{shown}: something was taken");
        let why = why.unwrap_or_else(|| panic!("{shown}: it was borne"));
        assert!(why.contains(reason), "{shown}: {why}");
        // What is sound before it is applied first.
        let (end, why) = applied(&[whole(&[b"SET", b"k", b"v"]), stream].concat());
        assert!(end > 0 && why.is_some(), "{shown}: {end} {why:?}");
    }
}
