//! Random programs of SORT, HyperLogLogs, geospatial indices, BITFIELD and LCS.

use super::programs::Rng;

/// What stands for `$x` in templates.
fn pool(slot: u8) -> &'static [&'static str] {
    match slot {
        // Keys: lists, sets, sorted sets with places, HyperLogLogs, bits.
        b'l' => &["l1", "l2", "l3"],
        b's' => &["s1", "s2", "l1", "l2", "scores", "missing", "p1"],
        b'z' => &[
            "z1", "z2", "z3", "z1", "z2", "z3", "z1", "z2", "nokey", "w1",
        ],
        b'p' => &[
            "p1", "p2", "p3", "p1", "p2", "p3", "p1", "p2", "nokey", "b1", "l1",
        ],
        b'b' => &[
            "b1", "b2", "b3", "b1", "b2", "b3", "b1", "b2", "nokey", "l1",
        ],
        // Elements, also the ends of keys that patterns mean.
        b'e' => &["1", "2", "3", "10", "-7", "2.5", "1e2", "03", "7", "8"],
        b't' => &[
            "a", "b", "c", "", "ab", "1", "inf", "x\u{0}y", "x\u{0}a", " 4", "nan",
        ],
        b'w' => &["5", "-1", "2.5", "2.5", "0", "", "a"],
        b'i' => &[
            "0",
            "1",
            "2",
            "3",
            "5",
            "-1",
            "-5",
            "100",
            "x",
            "9223372036854775807",
        ],
        b'y' => &[
            "w*", "h*->f", "w*", "h*->f", "nosort", "#", "h*->", "*", "missing*",
        ],
        b'd' => &["ASC", "DESC", "desc", "ALPHA", "DESC ALPHA"],
        // Places: some the same, some near, some at the edges.
        b'o' => &[
            "13.361389 38.115556",
            "15.087269 37.502669",
            "15.087269 37.502669",
            "15 37",
            "15.1 37.4",
            "14.5 37.9",
            "-179.99 10",
            "179.99 10.1",
            "0 0",
            "0.001 0.001",
            "-0.001 -0.001",
            "20 85.05",
            "-100 85",
            "30 -85.05",
            "-122.41 37.77",
            "x 1",
            "1 90",
        ],
        b'r' => &[
            "0", "1", "50", "200", "500.5", "3000", "12000", "25000", "1e9", "-1", "x",
        ],
        b'u' => &["m", "km", "ft", "mi", "KM", "km", "km", "yd"],
        b'c' => &["1", "2", "3", "5", "10", "0", "-1", "x"],
        b'g' => &[
            "WITHDIST",
            "WITHHASH",
            "WITHCOORD",
            "WITHDIST WITHHASH WITHCOORD",
            "ASC",
            "DESC",
        ],
        // Types of integers, and where they are.
        b'n' => &[
            "u8", "i8", "u1", "i1", "u63", "i64", "i5", "u13", "u64", "i0", "x8", "u",
        ],
        b'a' => &[
            "0",
            "1",
            "7",
            "63",
            "100",
            "#0",
            "#1",
            "#7",
            "-1",
            "#-1",
            "x",
            "4294967296",
        ],
        b'v' => &[
            "0",
            "1",
            "-1",
            "255",
            "-128",
            "1000",
            "-9223372036854775808",
            "9223372036854775807",
            "x",
        ],
        b'f' => &["WRAP", "SAT", "FAIL", "fail", "x"],
        b'm' => &[
            "IDX",
            "LEN",
            "IDX WITHMATCHLEN",
            "IDX MINMATCHLEN 2",
            "MINMATCHLEN -1",
            "IDX LEN",
        ],
        b'x' => &["ohmytext", "mynewtext", "", "abcabcabba", "aaaa", "banana"],
        _ => panic!("no pool for ${}", slot as char),
    }
}

const TEMPLATES: &[&str] = &[
    "RPUSH $l $e $e $e $e",
    "RPUSH $l $t $e",
    "SADD s2 $e $e $e",
    "SADD s1 1 2 3 10 -7",
    "ZADD scores 1 $e 2 $e",
    "SET w$e $w",
    "HSET h$e f $w",
    "DEL $l",
    "SORT $s",
    "SORT $s $d",
    "SORT $s ALPHA $d LIMIT $i $i",
    "SORT $s LIMIT $i $i $d",
    "SORT_RO $s ALPHA GET # GET $y GET $y",
    "SORT $l BY $y $d",
    "SORT $l BY $y LIMIT $i $i",
    "SORT $l BY $y LIMIT $i $i $d GET # GET $y",
    "SORT $l BY $y $d STORE $l",
    "SORT $s ALPHA GET $y STORE $l",
    "SORT $s STORE $s",
    "SORT $l $d BY $y GET $y LIMIT $i",
    "PFADD $p",
    "PFADD $p $q $q $q $q $q",
    "PFADD $p $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q $q",
    "PFCOUNT $p",
    "PFCOUNT $p $p $p",
    "PFMERGE $p $p",
    "PFMERGE $p $p $p $p",
    "PFDEBUG ENCODING $p",
    "PFDEBUG DECODE $p",
    "PFDEBUG TODENSE $p",
    "GET $p",
    // One whose registers make no sense; of several elements Redis adds some, and we none.
    "SETRANGE bad 16 $e",
    "SETRANGE bad 2000 $e",
    "PFADD bad $q",
    "PFCOUNT bad",
    "PFCOUNT bad $p",
    "PFMERGE bad $p",
    "PFMERGE $p bad",
    "PFDEBUG TODENSE bad",
    "PFDEBUG DECODE bad",
    "DEL bad",
    "DEL $p",
    "GEOADD $z $o $q",
    "GEOADD $z $o a $o b $o c $o d",
    "GEOADD $z NX CH $o a $o b",
    "GEOADD $z XX $o $q",
    "GEOADD $z CH $o",
    "ZADD $z -5 odd 1e300 far",
    "GEODIST $z a b",
    "GEODIST $z a b $u",
    "GEOHASH $z a b c none",
    "GEOPOS $z a odd far none",
    "GEORADIUS $z $o $r $u",
    "GEORADIUS $z $o $r $u $g COUNT $c",
    "GEORADIUS $z $o $r $u $g $g COUNT $c ANY",
    "GEORADIUS $z $o $r $u COUNT $c STORE $z",
    "GEORADIUS $z $o $r $u STOREDIST $z $g",
    "GEORADIUS_RO $z $o $r $u $g",
    "GEORADIUSBYMEMBER $z a $r $u $g",
    "GEORADIUSBYMEMBER $z $q $r $u STORE $z DESC",
    "GEORADIUSBYMEMBER_RO $z b $r $u $g $g",
    "GEOSEARCH $z FROMLONLAT $o BYRADIUS $r $u $g $g",
    "GEOSEARCH $z FROMLONLAT $o BYBOX $r $r $u $g $g",
    "GEOSEARCH $z FROMMEMBER a BYBOX $r $r $u $g COUNT $c",
    "GEOSEARCH $z FROMMEMBER b BYRADIUS $r $u $g COUNT $c ANY",
    "GEOSEARCH $z FROMMEMBER a FROMLONLAT $o BYRADIUS $r $u",
    "GEOSEARCH $z BYBOX $r $r $u BYRADIUS $r $u FROMMEMBER a",
    "GEOSEARCHSTORE $z $z FROMLONLAT $o BYRADIUS $r $u COUNT $c",
    "GEOSEARCHSTORE $z $z FROMMEMBER a BYBOX $r $r $u STOREDIST",
    "GEOSEARCHSTORE $z $z FROMMEMBER a BYBOX $r $r $u $g",
    "BITFIELD $b GET $n $a GET $n $a",
    "BITFIELD $b SET $n $a $v",
    "BITFIELD $b INCRBY $n $a $v INCRBY $n $a $v",
    "BITFIELD $b OVERFLOW $f INCRBY $n $a $v SET $n $a $v",
    "BITFIELD $b OVERFLOW SAT INCRBY $n $a $v OVERFLOW WRAP SET $n $a $v GET $n $a",
    "BITFIELD $b GET $n",
    "BITFIELD_RO $b GET $n $a",
    "BITFIELD_RO $b SET $n $a $v",
    "GET $b",
    "SET $b $x",
    "LCS $b $b",
    "LCS $b $b $m",
    "LCS $b $b $m WITHMATCHLEN",
];

/// The next command of a program.
pub fn command(rng: &mut Rng, _: usize) -> Vec<Vec<u8>> {
    let mut args = Vec::new();
    for word in rng.pick(TEMPLATES).split(' ') {
        let (start, slot) = word.split_once('$').unwrap_or((word, ""));
        let value = match slot.as_bytes().first() {
            None => String::new(),
            // Many different elements and members.
            Some(b'q') => rng.below(4000).to_string(),
            Some(slot) => (*rng.pick(pool(*slot))).to_owned(),
        };
        let text = format!("{start}{value}");
        // What a pool says may be several arguments, or an empty one.
        args.extend(text.split(' ').map(|part| part.as_bytes().to_vec()));
    }
    args
}

/// Dense HyperLogLogs, and what would not come up by chance.
pub const SCRIPTS: &[&str] = &["PFADD p1
    GET p1
    PFADD p1 a b c
    GET p1
    PFCOUNT p1
    GET p1
    PFADD p1 a
    GET p1
    PFMERGE p2 p1 nokey
    GET p2
    PFDEBUG TODENSE p2
    GET p2
    PFMERGE p3 p1 p2
    GET p3
    PFCOUNT p1 p2 p3
    PFDEBUG GETREG p1
    GET p1
    PFDEBUG
    PFDEBUG x p1
    PFDEBUG GETREG nokey
    SET p1 HYLL
    PFADD p1 a
    PFCOUNT p1
    EXPIRE p2 1000
    PFADD p2 x y
    PFCOUNT p2"];
