use crate::command::table::{Run, find};
use crate::command::testing::Bench;

#[test]
fn elements_are_sorted_as_numbers_or_as_texts() {
    let mut bench = Bench::new();
    bench.run("RPUSH l 3 1 2 10");
    bench.run("SADD s b a c");
    bench.run("ZADD z 3 x 2 y 1 z");
    bench.check(&[
        ("SORT l", "*4 $1 1 $1 2 $1 3 $2 10"),
        ("SORT l DESC", "*4 $2 10 $1 3 $1 2 $1 1"),
        ("SORT l ALPHA", "*4 $1 1 $2 10 $1 2 $1 3"),
        ("SORT l LIMIT 1 2", "*2 $1 2 $1 3"),
        ("SORT l LIMIT -5 2", "*2 $1 1 $1 2"),
        ("SORT l LIMIT 2 -5", "*2 $1 3 $2 10"),
        ("SORT l LIMIT 9 1", "*0"),
        ("SORT l BY nosort", "*4 $1 3 $1 1 $1 2 $2 10"),
        ("SORT l BY nosort DESC LIMIT 1 2", "*2 $1 2 $1 1"),
        ("SORT_RO s ALPHA DESC", "*3 $1 c $1 b $1 a"),
        (
            "SORT s",
            "-ERR One or more scores can't be converted into double",
        ),
        ("SORT z BY nosort", "*3 $1 z $1 y $1 x"),
        ("SORT z BY nosort DESC LIMIT 0 1", "*1 $1 x"),
        ("SORT none", "*0"),
        ("SORT l LIMIT 1", "-ERR syntax error"),
        (
            "SORT l LIMIT a 1",
            "-ERR value is not an integer or out of range",
        ),
        ("SORT l WHAT", "-ERR syntax error"),
        ("SORT_RO l STORE d", "-ERR syntax error"),
    ]);
    bench.run("SET text a");
    assert!(bench.run("SORT text").starts_with("-WRONGTYPE"));
}

#[test]
fn other_keys_say_the_order_and_the_reply() {
    let mut bench = Bench::new();
    bench.run("RPUSH l 1 2 3");
    for line in [
        "SET w1 30",
        "SET w2 10",
        "SET w3 20",
        "SET name1 one",
        "HSET h2 f two",
    ] {
        bench.run(line);
    }
    bench.check(&[
        ("SORT l BY w*", "*3 $1 2 $1 3 $1 1"),
        ("SORT l BY w* LIMIT 0 1 GET # GET w*", "*2 $1 2 $2 10"),
        (
            "SORT l GET name* GET h*->f GET h*->none",
            "*9 $3 one $-1 $-1 $-1 $3 two $-1 $-1 $-1 $-1",
        ),
        ("SORT l GET constant", "*3 $-1 $-1 $-1"),
        ("SORT l BY h*->f ALPHA DESC LIMIT 0 1", "*1 $1 2"),
        ("SORT l BY w* STORE d", ":3"),
        ("LRANGE d 0 -1", "*3 $1 2 $1 3 $1 1"),
        ("SORT l GET name* STORE l", ":3"),
        ("LRANGE l 0 -1", "*3 $3 one $0  $0"),
        ("SORT none STORE d", ":0"),
        ("EXISTS d", ":0"),
        ("COMMAND GETKEYS SORT a BY b GET c STORE d", "*2 $1 a $1 d"),
    ]);
}

#[test]
fn replicas_do_the_same_or_are_told_the_result() {
    let mut bench = Bench::new();
    bench.run("SADD s a b c");
    bench.run("SET w_a 1");
    bench.told();
    bench.check(&[
        ("SORT s BY nosort STORE d", ":3"),
        ("SORT s BY w_* STORE d", ":3"),
        ("SORT none STORE d", ":0"),
        ("SORT none STORE d", ":0"),
    ]);
    assert_eq!(
        bench.told(),
        [
            "0: SORT s BY nosort STORE d",
            "0: SORT s BY w_* STORE d",
            "0: SORT none STORE d"
        ]
    );
    // Two members have no weight: which one is first depends on the server's table.
    bench.run("SORT s BY w_* ALPHA STORE d");
    let told = bench.told();
    assert_eq!((told.len(), &*told[1]), (4, "0: DEL d"), "{told:?}");
    assert!(
        told[2].starts_with("0: RPUSH d ") && told[2].ends_with(" a"),
        "{told:?}"
    );
    // A weight that has expired is none, here and there.
    bench.run("SET w_b -5 PX 10");
    bench.told();
    bench.now_ms += 20;
    assert_eq!(bench.run("SORT s BY w_* LIMIT 0 1 STORE d"), ":1");
    let told = [
        "0: MULTI",
        "0: DEL w_b",
        "0: SORT s BY w_* LIMIT 0 1 STORE d",
        "0: EXEC",
    ];
    assert_eq!(bench.told(), told);
}

/// Whether nobody else may run while this does.
fn stops_all(line: &str) -> bool {
    let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let command = find(args[0]).expect("a command");
    let Run::Data { lock, .. } = command.run else {
        panic!("{line}");
    };
    lock.is_exclusive(&args)
}

#[test]
fn only_patterns_of_keys_stop_everybody_else() {
    for line in [
        "SORT l BY w*",
        "SORT l GET w*",
        "SORT l BY nosort GET # GET h*->f",
        "SORT_RO l BY w*",
    ] {
        assert!(stops_all(line), "{line}");
    }
    for line in [
        "SORT l",
        "SORT l BY nosort LIMIT 0 10 STORE d",
        "SORT_RO l BY nosort GET #",
        "SORT l GET constant",
        "SORT l BY w* BY nosort",
        "SORT l BY nosort BY w*",
    ] {
        assert!(!stops_all(line), "{line}");
    }
}

#[test]
fn what_keeps_its_order_is_read_as_far_as_it_is_asked_for() {
    let mut bench = Bench::new();
    bench.limits.list_max_listpack_size = 2;
    for n in 0..9 {
        bench.run(&format!("RPUSH l {n}"));
        bench.run(&format!("ZADD z {n} {n}"));
        bench.run(&format!("SADD s {n}"));
    }
    for key in ["l", "z", "s"] {
        for direction in ["ASC", "DESC"] {
            let all = bench.run(&format!("SORT {key} BY nosort {direction}"));
            let all: Vec<&str> = all.split(' ').skip(1).collect();
            for (offset, count) in [
                (0, 2),
                (3, 4),
                (7, 9),
                (8, 1),
                (9, 1),
                (-3, 2),
                (5, -1),
                (2, 0),
            ] {
                let start = 2 * usize::try_from(offset).unwrap_or(0);
                let end =
                    usize::try_from(count).map_or(all.len(), |n| all.len().min(start + 2 * n));
                let some = all[start.min(end)..end].join(" ");
                let number = (end - start.min(end)) / 2;
                let expected = format!("*{number} {some}");
                let line = format!("SORT {key} BY nosort {direction} LIMIT {offset} {count}");
                assert_eq!(bench.run(&line), expected.trim_end(), "{line}");
            }
        }
    }
    // Nobody looks at what belongs to the others.
    bench.run("SET w_1 x PX 10");
    bench.run("SET w_2 x PX 10");
    bench.now_ms += 20;
    bench.told();
    for line in [
        "SORT l BY nosort LIMIT 1 1 GET w_* STORE d",
        "SORT l LIMIT 1 1 GET w_* STORE d",
    ] {
        assert_eq!(bench.run(line), ":1");
        let told = bench.told().join(", ");
        assert!(!told.contains("w_2"), "{told}");
    }
}
