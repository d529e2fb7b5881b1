use std::sync::Arc;

use crate::command::testing::Bench;
use crate::store::{Change, KeyListener};

struct Waiter;

impl KeyListener for Waiter {
    fn key_changed(&self, _: &[u8], _: Change) {}
}

#[test]
fn waits_only_if_there_is_nothing() {
    let mut bench = Bench::new();
    bench.waiter = Some(Arc::new(Waiter));
    for command in ["BZPOPMIN a b 2", "BZPOPMAX a b 2", "BZMPOP 2 2 a b MIN"] {
        assert_eq!(bench.run(command), "", "{command}");
        assert_eq!(bench.blocked, Some(Some(bench.now_ms + 2000)), "{command}");
    }
    bench.run("ZADD b 1 x 2 y 3 z 4 w");
    bench.told();
    bench.check(&[
        ("BZPOPMIN a b 2", "*3 $1 b $1 x $1 1"),
        ("BZPOPMAX a b 2", "*3 $1 b $1 w $1 4"),
        (
            "BZMPOP 2 2 a b MAX COUNT 9",
            "*2 $1 b *2 *2 $1 z $1 3 *2 $1 y $1 2",
        ),
        ("EXISTS b", ":0"),
    ]);
    assert_eq!(
        bench.told(),
        ["0: ZPOPMIN b", "0: ZPOPMAX b", "0: ZPOPMAX b 2"]
    );
    bench.waiter = None;
    bench.check(&[("BZPOPMIN a 0", "*-1"), ("BZMPOP 0 1 a MIN", "*-1")]);
}

#[test]
fn no_change_is_told_to_nobody() {
    let mut bench = Bench::new();
    bench.run("ZADD z 1 a");
    bench.told();
    bench.check(&[
        ("ZADD z 1 a", ":0"),
        ("ZADD z XX 1 b", ":0"),
        ("ZADD no XX 1 b", ":0"),
        ("ZADD z NX 5 a", ":0"),
        ("ZADD z GT 0 a", ":0"),
        ("ZADD z NX INCR 5 a", "$-1"),
        ("ZADD z 2 b x c", "-ERR value is not a valid float"),
        ("ZINCRBY z 0 a", "$1 1"),
        ("ZREM z x", ":0"),
        ("ZREMRANGEBYSCORE z 5 9", ":0"),
        ("ZPOPMIN no", "*0"),
        ("ZRANGESTORE no z 5 9", ":0"),
        ("ZCARD z", ":1"),
        ("EXISTS no", ":0"),
    ]);
    assert!(bench.told().is_empty());
}

#[test]
fn a_large_sorted_set_answers_ranges_by_rank() {
    let mut bench = Bench::new();
    for i in 0..2000 {
        bench.run(&format!("ZADD z {} m{i:04}", i / 10));
    }
    bench.check(&[
        ("OBJECT ENCODING z", "$8 skiplist"),
        ("ZRANK z m1234", ":1234"),
        ("ZREVRANK z m1234", ":765"),
        ("ZCOUNT z (10 12", ":20"),
        ("ZRANGE z 1000 1001", "*2 $5 m1000 $5 m1001"),
        ("ZRANGE z 0 1 REV", "*2 $5 m1999 $5 m1998"),
        ("ZRANGE z (20 50 BYSCORE REV LIMIT 5 2", "*0"),
        ("ZRANGE z 50 (20 BYSCORE LIMIT 5 2", "*0"),
        (
            "ZREVRANGEBYSCORE z 50 (20 LIMIT 5 2",
            "*2 $5 m0504 $5 m0503",
        ),
        ("ZREMRANGEBYRANK z 10 -11", ":1980"),
        ("ZCARD z", ":20"),
        ("ZRANGE z 9 10", "*2 $5 m0009 $5 m1990"),
    ]);
}

/// Of Redis 7.2: redis-server 8.0.2 answers the same, but for what may not follow, where 7.0 has another error.
#[test]
fn a_rank_comes_with_its_score() {
    let mut bench = Bench::new();
    bench.run("ZADD z 1 a 2.5 b 3 c");
    bench.check(&[
        ("ZRANK z a WITHSCORE", "*2 :0 $1 1"),
        ("ZREVRANK z b withscore", "*2 :1 $3 2.5"),
        ("ZRANK z x WITHSCORE", "*-1"),
        ("ZREVRANK nokey x WITHSCORE", "*-1"),
        ("ZRANK z a", ":0"),
        ("ZRANK z x", "$-1"),
        (
            "ZRANK z a FOO",
            "-ERR wrong number of arguments for 'zrank' command",
        ),
    ]);
}
