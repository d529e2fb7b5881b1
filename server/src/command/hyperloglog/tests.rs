use crate::command::Expiry;
use crate::command::testing::Bench;

const CORRUPT: &str = "-INVALIDOBJ Corrupted HLL object detected";

#[test]
fn elements_are_counted_once() {
    let mut bench = Bench::new();
    bench.check(&[
        ("PFCOUNT a", ":0"),
        ("PFADD a", ":1"),
        ("PFADD a", ":0"),
        ("PFCOUNT a", ":0"),
        ("PFADD a x y z", ":1"),
        ("PFADD a x y", ":0"),
        ("PFCOUNT a", ":3"),
        ("PFADD b z w", ":1"),
        ("PFCOUNT a b none", ":4"),
        ("PFMERGE c a b", "+OK"),
        ("PFCOUNT c", ":4"),
        ("PFMERGE new", "+OK"),
        ("PFDEBUG ENCODING c", "+sparse"),
        ("PFDEBUG DECODE new", "$7 Z:16384"),
        ("PFDEBUG TODENSE c", ":1"),
        ("PFDEBUG TODENSE c", ":0"),
        ("PFDEBUG ENCODING c", "+dense"),
        ("PFDEBUG DECODE c", "-ERR HLL encoding is not sparse"),
        ("PFCOUNT c", ":4"),
        ("PFADD c x", ":0"),
        ("PFADD c v", ":1"),
        ("PFCOUNT c", ":5"),
        ("PFMERGE b c", "+OK"),
        ("PFDEBUG ENCODING b", "+dense"),
        ("PFDEBUG WHAT b", "-ERR Unknown PFDEBUG subcommand 'WHAT'"),
        (
            "PFDEBUG ENCODING none",
            "-ERR The specified key does not exist",
        ),
        ("PFSELFTEST", "+OK"),
    ]);
}

#[test]
fn other_strings_are_refused() {
    let mut bench = Bench::new();
    bench.hash("h");
    bench.run("SET s text");
    bench.run("SET n 12");
    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    const INVALID: &str = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
    for (key, error) in [("h", WRONG), ("s", INVALID), ("n", INVALID)] {
        for command in [
            "PFADD K a",
            "PFCOUNT K",
            "PFCOUNT x K",
            "PFMERGE x K",
            "PFDEBUG GETREG K",
        ] {
            assert_eq!(bench.run(&command.replace('K', key)), error, "{command}");
        }
    }
    assert_eq!(bench.run("EXISTS x"), ":0");
}

#[test]
fn a_corrupt_one_is_refused_and_stays() {
    let mut bench = Bench::new();
    let header = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80";
    for opcodes in [&b""[..], b"\x7f\xfe", b"\x7f\xff\x80", b"\x7f", b"\xff\xff"] {
        let text = [&header[..], opcodes].concat();
        bench.run_args(&[b"SET", b"bad", &text]);
        bench.run("PFADD good a");
        for command in [
            "PFCOUNT bad",
            "PFCOUNT good bad",
            "PFMERGE good bad",
            "PFMERGE bad good",
            "PFMERGE new bad",
            "PFDEBUG TODENSE bad",
            "PFDEBUG GETREG bad",
        ] {
            assert_eq!(bench.run(command), CORRUPT, "{command} {opcodes:x?}");
        }
        let reply = bench.run("PFADD bad a b c d e f g h i j k l m n o p q r s t");
        assert!(reply == CORRUPT || reply.starts_with(':'), "{reply}");
        assert!(bench.run("PFDEBUG DECODE bad").starts_with('$'));
        assert_eq!(bench.run("EXISTS new"), ":0");
    }
}

#[test]
fn an_estimate_that_is_kept_is_told() {
    let mut bench = Bench::new();
    bench.run("PFADD a x y z");
    bench.run("EXPIRE a 100");
    bench.told();
    bench.check(&[("PFCOUNT a", ":3"), ("PFCOUNT a", ":3")]);
    assert_eq!(bench.told(), ["0: PFCOUNT a"]);
    bench.run("PFADD a x");
    assert!(bench.told().is_empty());
    bench.run("PFMERGE a");
    assert_eq!(bench.told(), ["0: PFMERGE a"]);
    assert_eq!(bench.run("TTL a"), ":100");
    // A replica keeps its master's bytes.
    bench.expiry = Expiry::Hide;
    let before = bench.run("GET a");
    assert_eq!(bench.run("PFCOUNT a"), ":3");
    assert_eq!(bench.run("GET a"), before);
    assert!(bench.told().is_empty());
}
