use crate::command::Origin;
use crate::command::testing::Bench;

#[test]
fn set_and_its_options() {
    let mut bench = Bench::new();
    bench.check(&[
        ("set k v", "+OK"),
        ("get k", "$1 v"),
        ("set k w nx", "$-1"),
        ("set k w xx get", "$1 v"),
        ("set other w xx", "$-1"),
        ("set other w xx get", "$-1"),
        ("set k x ex 10", "+OK"),
        ("pttl k", ":10000"),
        ("set k y keepttl", "+OK"),
        ("pttl k", ":10000"),
        ("set k z", "+OK"),
        ("pttl k", ":-1"),
        ("set k z exat 2000", "+OK"),
        ("pttl k", ":1000000"),
        ("set k z ex 0", "-ERR invalid expire time in 'set' command"),
        (
            "set k z ex 9223372036854775807",
            "-ERR invalid expire time in 'set' command",
        ),
        (
            "set k z px 9223372036854775807",
            "-ERR invalid expire time in 'set' command",
        ),
        (
            "set k z ex a",
            "-ERR value is not an integer or out of range",
        ),
        ("set k z ex", "-ERR syntax error"),
        ("set k z nx xx", "-ERR syntax error"),
        ("set k z keepttl ex 1", "-ERR syntax error"),
        ("set k z ex 1 px 1", "-ERR syntax error"),
        ("set k z persist", "-ERR syntax error"),
    ]);
    bench.hash("h");
    bench.check(&[
        (
            "set h v get",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        (
            "get h",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("set h v", "+OK"),
        ("get h", "$1 v"),
    ]);
}

#[test]
fn replicas_are_told_moments_not_spans() {
    let mut bench = Bench::new();
    for (line, told) in [
        ("set k v ex 10", "0: SET k v PXAT 1010000"),
        ("set k v keepttl", "0: set k v keepttl"),
        ("set k v px 5 get", "0: SET k v PXAT 1000005"),
        ("set k v get xx", "0: set k v xx"),
        ("set get get get", "0: SET get get"),
        ("setex k 1 v", "0: SET k v PXAT 1001000"),
        ("psetex k 1 v", "0: SET k v PXAT 1000001"),
        ("getset k w", "0: SET k w"),
        ("getex k ex 5", "0: PEXPIREAT k 1005000"),
        ("getex k persist", "0: PERSIST k"),
        ("getex k exat 5", "0: DEL k"),
        ("incr n", "0: incr n"),
        ("incrbyfloat n 0.5", "0: SET n 1.5 KEEPTTL"),
        ("getdel n", "0: DEL n"),
    ] {
        bench.run(line);
        assert_eq!(bench.told(), [told], "{line}");
    }
}

#[test]
fn what_changes_nothing_is_told_nobody() {
    let mut bench = Bench::new();
    bench.run("set k v");
    bench.told();
    for line in [
        "get k",
        "set k v nx",
        "set other v xx get",
        "setnx k v",
        "getdel none",
        "getex k",
        "getex none ex 10",
        "msetnx k v l w",
        "incr k",
        "incrby k 1.5",
        "setrange none 5 ",
        "setrange k -1 x",
        "append",
        "bitop not none none2",
        "set k v ex -1",
    ] {
        bench.run(line);
        assert_eq!(bench.told(), [""; 0], "{line}");
    }
}

#[test]
fn several_keys_at_once() {
    let mut bench = Bench::new();
    bench.check(&[
        ("mset a 1 b 2 a 3", "+OK"),
        ("mget a b c", "*3 $1 3 $1 2 $-1"),
        (
            "mset a 1 b",
            "-ERR wrong number of arguments for 'mset' command",
        ),
        ("msetnx c 1 a 2", ":0"),
        ("mget c", "*1 $-1"),
        ("msetnx c 1 d 2", ":1"),
        (
            "msetnx c 1 d",
            "-ERR wrong number of arguments for 'msetnx' command",
        ),
    ]);
    bench.hash("h");
    bench.check(&[("mget h a", "*2 $-1 $1 3")]);
}

#[test]
fn integers() {
    let mut bench = Bench::new();
    bench.check(&[
        ("incr n", ":1"),
        ("incrby n 41", ":42"),
        ("decrby n -8", ":50"),
        ("decr n", ":49"),
        ("object encoding n", "$3 int"),
        ("set n 9223372036854775807", "+OK"),
        ("incr n", "-ERR increment or decrement would overflow"),
        (
            "decrby n -9223372036854775808",
            "-ERR decrement would overflow",
        ),
        ("get n", "$19 9223372036854775807"),
        ("set n 01", "+OK"),
        ("incr n", "-ERR value is not an integer or out of range"),
        ("set n 5 px 100", "+OK"),
        ("incr n", ":6"),
        ("pttl n", ":100"),
    ]);
}

#[test]
fn parts_of_strings() {
    let mut bench = Bench::new();
    bench.check(&[
        ("append k Hello", ":5"),
        ("append k World", ":10"),
        ("getrange k 0 -1", "$10 HelloWorld"),
        ("getrange k -5 -1", "$5 World"),
        ("getrange k -1 -5", "$0"),
        ("getrange k 5 3", "$0"),
        ("getrange k -100 2", "$3 Hel"),
        ("getrange k 8 100", "$2 ld"),
        ("getrange none 0 -1", "$0"),
        ("substr k 0 0", "$1 H"),
        ("setrange k 5 There", ":10"),
        ("get k", "$10 HelloThere"),
        ("setrange k 12 !", ":13"),
        ("strlen k", ":13"),
        ("setrange k -1 x", "-ERR offset is out of range"),
        (
            "setrange k 536870912 x",
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ),
        ("strlen none", ":0"),
    ]);
    assert_eq!(
        bench.run_args(&[b"getrange", b"k", b"10", b"12"]),
        b"$3\r\n\0\0!\r\n"
    );
    let long = "x".repeat(3000);
    assert_eq!(bench.run(&format!("append k {long}")), ":3013");
    assert_eq!(bench.run("getrange k 3012 -1"), "$1 x");
    assert_eq!(bench.run("object encoding k"), "$3 raw");
}

#[test]
fn bits() {
    let mut bench = Bench::new();
    bench.check(&[
        ("setbit b 7 1", ":0"),
        ("setbit b 7 0", ":1"),
        (
            "setbit b 4294967296 1",
            "-ERR bit offset is not an integer or out of range",
        ),
        (
            "setbit b -1 1",
            "-ERR bit offset is not an integer or out of range",
        ),
        ("setbit b 1 2", "-ERR bit is not an integer or out of range"),
        ("getbit b 7", ":0"),
        ("getbit b 1000", ":0"),
        ("set b foobar", "+OK"),
        ("bitcount b", ":26"),
        ("bitcount b 0 0", ":4"),
        ("bitcount b 1 1", ":6"),
        ("bitcount b 1 1 byte", ":6"),
        ("bitcount b 5 30 bit", ":17"),
        ("bitcount b 0", "-ERR syntax error"),
        ("bitcount none", ":0"),
        ("bitpos b 1", ":1"),
        ("bitpos b 0", ":0"),
        ("bitpos b 1 2", ":17"),
        ("bitpos b 1 7 15 bit", ":9"),
        ("bitpos b 2", "-ERR The bit argument must be 1 or 0."),
        ("bitpos none 0", ":0"),
        ("bitpos none 1", ":-1"),
        ("setbit full 7 1", ":0"),
        ("bitop not full full", ":1"),
        ("bitpos full 0", ":7"),
        ("bitop or full full x", ":1"),
        ("set x abc", "+OK"),
        ("bitop and dst b x", ":6"),
        (
            "bitop not dst b x",
            "-ERR BITOP NOT must be called with a single source key.",
        ),
        ("bitop nor dst b x", "-ERR syntax error"),
    ]);
    bench.run_args(&[b"set", b"ones", b"\xff\xff"]);
    bench.check(&[
        ("bitpos ones 0", ":16"),
        ("bitpos ones 0 0", ":16"),
        ("bitpos ones 0 0 -1", ":-1"),
        ("bitpos ones 0 5", ":-1"),
    ]);
}

#[test]
fn integers_of_any_width() {
    let mut bench = Bench::new();
    bench.check(&[
        ("BITFIELD k GET u8 0 GET i64 100", "*2 :0 :0"),
        ("EXISTS k", ":0"),
        ("BITFIELD k SET u8 0 200 GET i8 0 GET u4 #1", "*3 :0 :-56 :8"),
        ("BITFIELD k INCRBY u8 0 100", "*1 :44"),
        (
            "BITFIELD k OVERFLOW SAT INCRBY u8 0 300 OVERFLOW FAIL INCRBY u8 0 1 GET u8 0",
            "*3 :255 $-1 :255",
        ),
        ("BITFIELD k OVERFLOW sat SET i8 8 1000 INCRBY i8 8 -1000", "*2 :0 :-128"),
        ("BITFIELD k SET u8 0 -1 GET u8 0", "*2 :255 :255"),
        ("BITFIELD n SET i64 3 -9223372036854775808 GET i64 3", "*2 :0 :-9223372036854775808"),
        ("BITFIELD n INCRBY i64 3 -1 GET u63 4", "*2 :9223372036854775807 :9223372036854775807"),
        ("STRLEN n", ":9"),
        ("BITFIELD_RO k GET u8 0", "*1 :255"),
        ("BITFIELD k", "*0"),
        ("BITFIELD k GET u8", "-ERR syntax error"),
        ("BITFIELD k OVERFLOW x", "-ERR Invalid OVERFLOW type specified"),
        (
            "BITFIELD k GET u64 0",
            "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        ),
        (
            "BITFIELD k GET u8 4294967296",
            "-ERR bit offset is not an integer or out of range",
        ),
        (
            "BITFIELD k GET u8 #9223372036854775807",
            "-ERR bit offset is not an integer or out of range",
        ),
        ("BITFIELD k SET u8 0 x", "-ERR value is not an integer or out of range"),
        (
            "BITFIELD_RO k SET u8 0 1",
            "-ERR BITFIELD_RO only supports the GET subcommand",
        ),
    ]);
    bench.told();
    // A string that grew by a command that wrote nothing has grown elsewhere, too.
    bench.run("BITFIELD new OVERFLOW FAIL INCRBY u2 0 5");
    bench.run("BITFIELD new OVERFLOW FAIL INCRBY u2 0 5");
    bench.run("BITFIELD new GET u2 0");
    assert_eq!(
        bench.told(),
        ["0: BITFIELD new OVERFLOW FAIL INCRBY u2 0 5"]
    );
}

#[test]
fn what_two_strings_have_in_common() {
    let mut bench = Bench::new();
    bench.run("MSET a ohmytext b mynewtext");
    bench.hash("h");
    bench.check(&[
        ("LCS a b", "$6 mytext"),
        ("LCS a b LEN", ":6"),
        (
            "LCS a b IDX",
            "*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6",
        ),
        (
            "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
            "*4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6",
        ),
        ("LCS a none", "$0"),
        ("LCS a none IDX", "*4 $7 matches *0 $3 len :0"),
        (
            "LCS a b IDX LEN",
            "-ERR If you want both the length and indexes, please just use IDX.",
        ),
        ("LCS a b MINMATCHLEN", "-ERR syntax error"),
        (
            "LCS a h",
            "-ERR The specified keys must contain string values",
        ),
    ]);
    bench.run("SETRANGE x 20000 x");
    bench.run("SETRANGE y 20000 x");
    let too_much = "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    assert_eq!(bench.run("LCS x y LEN"), too_much);
}

/// A master has looked itself; what it has made is to be made here.
#[test]
fn clients_have_strings_grow_up_to_a_limit() {
    let mut bench = Bench::new();
    bench.limits.string_max = 10;
    let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    let no_offset = "-ERR bit offset is not an integer or out of range";
    bench.check(&[
        ("setrange k 10 x", too_long),
        ("setrange k 9 x", ":10"),
        ("append k x", too_long),
        ("setbit k 79 0", ":0"),
        ("setbit k 80 1", no_offset),
        ("bitfield k set u8 80 1", no_offset),
    ]);
    bench.origin = Origin::Master;
    bench.check(&[
        ("append k x", ":11"),
        ("setbit k 88 1", ":0"),
        ("bitfield k set u8 96 1", "*1 :0"),
        ("setrange k 13 x", ":14"),
        ("setrange k 99999999999 x", too_long),
    ]);
}

#[test]
fn several_are_set_with_a_time() {
    let mut bench = Bench::new();
    bench.check(&[
        ("MSETEX 2 a 1 b 2 EX 10", ":1"),
        ("PEXPIRETIME b", ":1010000"),
        ("MSETEX 1 a 3 KEEPTTL", ":1"),
        ("PEXPIRETIME a", ":1010000"),
        ("MSETEX 2 a 4 c 5 NX", ":0"),
        ("MSETEX 2 a 4 c 5 XX", ":0"),
        ("MSETEX 2 b 6 b 7 XX", ":1"),
        ("MGET a b c", "*3 $1 3 $1 7 $-1"),
        ("PTTL b", ":-1"),
        ("MSETEX 0 a 1", "-ERR invalid numkeys value"),
        ("MSETEX x a 1", "-ERR invalid numkeys value"),
        ("MSETEX 2 a 1 b", "-ERR wrong number of key-value pairs"),
        (
            "MSETEX 9223372036854775807 a 1",
            "-ERR invalid numkeys value",
        ),
        ("MSETEX 1 a 1 GET", "-ERR syntax error"),
        ("MSETEX 1 a 1 EX 1 KEEPTTL", "-ERR syntax error"),
        (
            "MSETEX 1 a 1 EX 0",
            "-ERR invalid expire time in 'msetex' command",
        ),
        ("SET a 1 IFEQ 3", "-ERR syntax error"),
        ("BITOP DIFF d a b", "-ERR syntax error"),
    ]);
    assert_eq!(
        bench.told(),
        [
            "0: MULTI",
            "0: SET a 1 PXAT 1010000",
            "0: SET b 2 PXAT 1010000",
            "0: EXEC",
            "0: SET a 3 KEEPTTL",
            "0: MSET b 6 b 7",
        ]
    );
}
