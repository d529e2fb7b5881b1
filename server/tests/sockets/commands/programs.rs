//! Random programs: commands from templates, their arguments from small pools, so that keys meet again.

/// A seeded generator (splitmix64).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// What stands for `$x` in templates.
fn pool(slot: u8, family: char) -> &'static [&'static str] {
    match (slot, family) {
        // Keys: mostly of the family, sometimes of another.
        (b'k', 'h') => &[
            "h1", "h2", "h3", "h1", "h2", "h3", "h1", "h2", "h3", "l1", "nokey",
        ],
        (b'k', 'l') => &[
            "l1", "l2", "l3", "l1", "l2", "l3", "l1", "l2", "l3", "s1", "nokey",
        ],
        (b'k', 's') => &[
            "s1", "s2", "s3", "s1", "s2", "s3", "s1", "s2", "s3", "z1", "nokey",
        ],
        (b'k', _) => &[
            "z1", "z2", "z3", "z1", "z2", "z3", "z1", "z2", "z3", "h1", "nokey",
        ],
        // Sorted sets whose members share one score: ranges of members mean nothing in others.
        (b'y', _) => &["same1", "same2", "same1", "same2", "l1", "missing"],
        // Keys for ZUNION and its kin, which take sets, too.
        (b'u', _) => &[
            "z1", "z2", "z3", "s1", "s2", "nokey", "z1", "z2", "z3", "l1",
        ],
        // Elements, fields, members.
        (b'e', _) => &[
            "a",
            "b",
            "c",
            "d",
            "e",
            "f",
            "g",
            "h",
            "i",
            "j",
            "k",
            "l",
            "1",
            "2",
            "3",
            "-7",
            "70000",
            "5000000000",
            "",
            "01",
            "a longer one, beyond the small forms",
            "\u{1}\u{2}\r\n",
            "12",
            "9223372036854775807",
        ],
        // Integers, most of them small, and what is none.
        (b'i', _) => &[
            "0",
            "1",
            "2",
            "3",
            "5",
            "-1",
            "-2",
            "-3",
            "-5",
            "100",
            "-100",
            "7",
            "x",
            "1.5",
            "",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
        ],
        // Counts that are mostly good.
        (b'c', _) => &["1", "2", "3", "1", "2", "3", "10", "0", "-1", "x"],
        // Counts beyond any collection: what is picked at random is then everything.
        (b'a', _) => &["10000", "100000"],
        // Numbers of keys for three keys.
        (b'n', _) => &["3", "3", "3", "3", "2", "4", "0", "-1", "x"],
        // Floats.
        (b'f', _) => &[
            "1",
            "2",
            "3",
            "0",
            "-1",
            "1.5",
            "-0.1",
            "0.1",
            "3.14159265358979",
            "1e10",
            "1e21",
            "inf",
            "-inf",
            "+inf",
            "-0",
            "0x10",
            "nan",
            "x",
            "",
            "1e400",
            " 1",
            "100",
            "2",
            "3",
            "1e-5",
            "123456789012345678",
        ],
        // Bounds of scores.
        (b'b', _) => &[
            "1", "(1", "2", "(2", "-inf", "+inf", "inf", "(inf", "(-inf", "0", "1.5", "(0.1",
            "1e9", "x", "(", "", "(x", " 1", "1e400", "-1e400", "nan", "3", "10",
        ],
        // Bounds of members.
        (b'm', _) => &[
            "-", "+", "[a", "(a", "[c", "(c", "[f", "(j", "[", "(", "a", "", "[zzz", "(1",
        ],
        (b'd', _) => &["LEFT", "RIGHT", "left", "Right", "UP"],
        (b'o', _) => &["MIN", "MAX", "min", "max", "MID"],
        (b'g', _) => &["SUM", "MIN", "MAX", "sum", "AVG"],
        // Timeouts.
        (b't', _) => &["0", "1", "0.5", "-1", "x", "1e300", ""],
        // Ranks. Not the least integer, which Redis negates and keeps negative.
        (b'r', _) => &[
            "0",
            "1",
            "2",
            "3",
            "-1",
            "-2",
            "-3",
            "10",
            "x",
            "-9223372036854775807",
        ],
        // Counts that show a whole collection, and bad ones.
        (b'q', _) => &["10000", "0", "-1", "x", ""],
        (b'p', _) => &["*", "a*", "?", "[a-c]", "*1*", "x"],
        _ => panic!("no pool for ${}", slot as char),
    }
}

const HASHES: &[&str] = &[
    "HSET $k $e $e",
    "HSET $k $e $e $e $e $e $e",
    "HSET $k $e $e $e",
    "HMSET $k $e $e $e $e",
    "HSETNX $k $e $e",
    "HGET $k $e",
    "HMGET $k $e $e $e",
    "HGETALL $k",
    "HDEL $k $e",
    "HDEL $k $e $e $e",
    "HEXISTS $k $e",
    "HLEN $k",
    "HKEYS $k",
    "HVALS $k",
    "HINCRBY $k $e $i",
    "HINCRBYFLOAT $k $e $f",
    "HSTRLEN $k $e",
    "HSCAN $k 0 COUNT 10000",
    "HSCAN $k 0 MATCH $p COUNT 10000",
    "HSCAN missing $i",
    "HSCAN $k $p",
    "HSCAN $k 0 COUNT $q",
    "HRANDFIELD $k $a",
    "HRANDFIELD $k $a WITHVALUES",
    "HRANDFIELD $k 0",
    "HRANDFIELD $k $a $e",
];

const LISTS: &[&str] = &[
    "LPUSH $k $e",
    "RPUSH $k $e",
    "LPUSH $k $e $e $e",
    "RPUSH $k $e $e $e $e",
    "LPUSHX $k $e",
    "RPUSHX $k $e $e",
    "LPOP $k",
    "RPOP $k",
    "LPOP $k $i",
    "RPOP $k $i",
    "LLEN $k",
    "LRANGE $k $i $i",
    "LRANGE $k 0 -1",
    "LINDEX $k $i",
    "LSET $k $i $e",
    "LINSERT $k BEFORE $e $e",
    "LINSERT $k after $e $e",
    "LINSERT $k $e $e $e",
    "LREM $k $i $e",
    "LTRIM $k $i $i",
    "LTRIM $k 0 12",
    "LPOS $k $e",
    "LPOS $k $e RANK $r",
    "LPOS $k $e COUNT $i",
    "LPOS $k $e COUNT 0 MAXLEN $i",
    "LPOS $k $e RANK $r COUNT $c MAXLEN $c",
    "LPOS $k $e RANK",
    "RPOPLPUSH $k $k",
    "LMOVE $k $k $d $d",
    "LMPOP $n $k $k $k $d",
    "LMPOP $n $k $k $k $d COUNT $c",
    "BLPOP $k $k $t",
    "BRPOP $k $t",
    "BRPOPLPUSH $k $k $t",
    "BLMOVE $k $k $d $d $t",
    "BLMPOP $t $n $k $k $k $d",
    "BLMPOP $t $n $k $k $k $d COUNT $c",
];

const SETS: &[&str] = &[
    "SADD $k $e",
    "SADD $k $e $e $e",
    "SADD $k 1 2 3",
    "SADD $k 4 5 6 7 8 9",
    "SREM $k $e",
    "SREM $k $e $e $e",
    "SISMEMBER $k $e",
    "SMISMEMBER $k $e $e $e",
    "SMEMBERS $k",
    "SCARD $k",
    "SPOP $k $a",
    "SPOP $k 0",
    "SPOP $k x",
    "SRANDMEMBER $k $a",
    "SRANDMEMBER $k 0",
    "SRANDMEMBER $k $e $e",
    "SMOVE $k $k $e",
    "SINTER $k $k",
    "SINTER $k",
    "SINTERCARD $n $k $k $k",
    "SINTERCARD $n $k $k $k LIMIT $c",
    "SINTERSTORE $k $k $k",
    "SUNION $k $k $k",
    "SUNIONSTORE $k $k $k",
    "SDIFF $k $k $k",
    "SDIFFSTORE $k $k $k",
    "SSCAN $k 0 COUNT 10000",
    "SSCAN $k 0 MATCH $p COUNT 10000",
    "SSCAN $k 0 COUNT 10000 $e",
    "SSCAN $k 0 COUNT $q",
];

const ZSETS: &[&str] = &[
    "ZADD $k $f $e",
    "ZADD $k $f $e $f $e $f $e",
    "ZADD $k 1 $e 2 $e 3 $e",
    "ZADD $k 0 a 0 b 0 c 0 d 0 e",
    "ZADD $y 0 $e 0 $e 0 $e",
    "ZADD $y 0 $e 0 $e",
    "ZADD $k NX $f $e",
    "ZADD $k XX CH $f $e $f $e",
    "ZADD $k GT CH $f $e",
    "ZADD $k LT $f $e",
    "ZADD $k GT LT $f $e",
    "ZADD $k NX XX $f $e",
    "ZADD $k INCR $f $e",
    "ZADD $k XX INCR $f $e",
    "ZADD $k NX INCR $f $e",
    "ZADD $k GT INCR $f $e",
    "ZADD $k INCR $f $e $f $e",
    "ZADD $k $f",
    "ZINCRBY $k $f $e",
    "ZREM $k $e",
    "ZREM $k $e $e $e",
    "ZSCORE $k $e",
    "ZMSCORE $k $e $e",
    "ZCARD $k",
    "ZCOUNT $k $b $b",
    "ZLEXCOUNT $y $m $m",
    "ZRANK $k $e",
    "ZREVRANK $k $e",
    "ZRANGE $k $i $i",
    "ZRANGE $k 0 -1 WITHSCORES",
    "ZRANGE $k $i $i REV WITHSCORES",
    "ZRANGE $k $b $b BYSCORE",
    "ZRANGE $k $b $b BYSCORE REV WITHSCORES",
    "ZRANGE $k $b $b BYSCORE LIMIT $i $i",
    "ZRANGE $k $b $b BYSCORE REV LIMIT $i $i WITHSCORES",
    "ZRANGE $y $m $m BYLEX",
    "ZRANGE $y $m $m BYLEX REV LIMIT $i $i",
    "ZRANGE $y $m $m BYLEX WITHSCORES",
    "ZRANGE $k $i $i LIMIT $i $i",
    "ZREVRANGE $k $i $i",
    "ZREVRANGE $k 0 -1 WITHSCORES",
    "ZRANGEBYSCORE $k $b $b",
    "ZRANGEBYSCORE $k $b $b WITHSCORES LIMIT $i $i",
    "ZREVRANGEBYSCORE $k $b $b LIMIT $i $i",
    "ZRANGEBYLEX $y $m $m",
    "ZREVRANGEBYLEX $y $m $m LIMIT $i $i",
    "ZRANGESTORE $k $k $i $i",
    "ZRANGESTORE $k $k $b $b BYSCORE LIMIT $i $i",
    "ZRANGESTORE $k $y $m $m BYLEX REV",
    "ZRANGESTORE $k $k $i $i WITHSCORES",
    "ZREMRANGEBYRANK $k $i $i",
    "ZREMRANGEBYSCORE $k $b $b",
    "ZREMRANGEBYLEX $y $m $m",
    "ZPOPMIN $k",
    "ZPOPMAX $k",
    "ZPOPMIN $k $c",
    "ZPOPMAX $k $i",
    "BZPOPMIN $k $k $t",
    "BZPOPMAX $k $t",
    "ZMPOP $n $k $k $k $o",
    "ZMPOP $n $k $k $k $o COUNT $c",
    "BZMPOP $t $n $k $k $k $o COUNT $c",
    "ZUNION $n $u $u $u",
    "ZUNION 2 $u $u WITHSCORES",
    "ZUNION 2 $u $u WEIGHTS $f $f AGGREGATE $g WITHSCORES",
    "ZINTER 2 $u $u WITHSCORES",
    "ZINTER $n $u $u $u AGGREGATE $g",
    "ZINTER 2 $u $u WEIGHTS $f $f WITHSCORES",
    "ZDIFF 2 $u $u WITHSCORES",
    "ZDIFF $n $u $u $u",
    "ZUNIONSTORE $k $n $u $u $u",
    "ZUNIONSTORE $k 2 $u $u WEIGHTS $f $f AGGREGATE $g",
    "ZINTERSTORE $k 2 $u $u",
    "ZINTERSTORE $k 2 $u $u WEIGHTS $f $f",
    "ZDIFFSTORE $k 2 $u $u",
    "ZDIFFSTORE $k 2 $u $u WEIGHTS $f $f",
    "ZINTERCARD $n $u $u $u",
    "ZINTERCARD 2 $u $u LIMIT $c",
    "ZSCAN $k 0 COUNT 10000",
    "ZSCAN $k 0 MATCH $p COUNT 10000",
    "ZRANDMEMBER $k $a",
    "ZRANDMEMBER $k $a WITHSCORES",
    "ZRANDMEMBER $k 0",
    "SADD s1 $e $e",
    "SADD s2 $e",
];

/// How large the collections of a program are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Around the limits of the small forms.
    Small,
    /// Of thousands of elements.
    Large,
}

/// Elements a large program knows.
const NAMES: usize = 3000;

impl Size {
    /// An argument for `$slot`.
    fn argument(self, rng: &mut Rng, slot: u8, family: char) -> Vec<u8> {
        let large = self == Size::Large && rng.below(8) != 0;
        let number = rng.below(NAMES) as i64;
        match slot {
            b'e' if large => format!("m{number}").into_bytes(),
            b'i' if large => (number - NAMES as i64 / 2).to_string().into_bytes(),
            b'c' if large => (number % 40).to_string().into_bytes(),
            b'f' if large => (number % 50).to_string().into_bytes(),
            b'b' if large => format!("{}{}", rng.pick(&["", "("]), number % 50).into_bytes(),
            b'm' if large => format!("{}m{number}", rng.pick(&["[", "("])).into_bytes(),
            slot => rng.pick(pool(slot, family)).as_bytes().to_vec(),
        }
    }
}

/// Commands that fill some keys with thousands of elements.
pub fn fill(rng: &mut Rng) -> Vec<Vec<Vec<u8>>> {
    let mut commands = Vec::new();
    for (head, template) in [
        ("HSET h1", "$e $f"),
        ("HSET h2", "$e $e"),
        ("RPUSH l1", "$e"),
        ("LPUSH l2", "$e"),
        ("SADD s1", "$e"),
        ("SADD s2", "$e"),
        ("ZADD z1", "$f $e"),
        ("ZADD z2", "$f $e"),
        ("ZADD same1", "0 $e"),
    ] {
        for _ in 0..8 {
            let mut args: Vec<Vec<u8>> = head.split(' ').map(|w| w.as_bytes().to_vec()).collect();
            for _ in 0..500 {
                args.extend(template.split(' ').map(|word| match word {
                    "$e" => format!("m{}", rng.below(NAMES)).into_bytes(),
                    "$f" => rng.below(50).to_string().into_bytes(),
                    word => word.as_bytes().to_vec(),
                }));
            }
            commands.push(args);
        }
    }
    commands
}

/// The next command of a program.
pub fn command(rng: &mut Rng, size: Size) -> Vec<Vec<u8>> {
    if size == Size::Small && rng.below(40) == 0 {
        let key = *rng.pick(&["h1", "h2", "l1", "l2", "s1", "s2", "z1", "z2", "z3"]);
        return vec![b"DEL".to_vec(), key.into()];
    }
    let (family, templates) = *rng.pick(&[
        ('h', HASHES),
        ('l', LISTS),
        ('s', SETS),
        ('z', ZSETS),
        ('z', ZSETS),
    ]);
    let template = *rng.pick(templates);
    let mut args: Vec<Vec<u8>> = template
        .split(' ')
        .map(|word| match word.as_bytes() {
            [b'$', slot] => size.argument(rng, *slot, family),
            word => word.to_vec(),
        })
        .collect();
    // Sometimes an argument too few or too many.
    match rng.below(60) {
        0 if args.len() > 1 => {
            args.pop();
        }
        1 => args.push(rng.pick(pool(b'e', family)).as_bytes().to_vec()),
        _ => {}
    }
    args
}

/// True for a command whose reply or effect is a matter of chance: one that picks some elements, but not all.
pub fn is_random(args: &[Vec<u8>]) -> bool {
    let name = String::from_utf8_lossy(&args[0]).to_ascii_uppercase();
    let picks = ["SPOP", "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER"].contains(&&*name);
    let count = args
        .get(2)
        .map(|arg| String::from_utf8_lossy(arg).parse::<i64>());
    picks && !matches!(count, Some(Err(_) | Ok(0 | 10_000..)))
}
