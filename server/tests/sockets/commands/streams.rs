//! Random programs of streams: IDs grow with the program, so that entries are added, read, claimed and trimmed all over.

use super::programs::Rng;

/// What stands for `$x` in templates. `step` is how far the program is.
fn argument(rng: &mut Rng, slot: u8, step: usize) -> String {
    let pool: &[&str] = match slot {
        b'k' => &[
            "x1", "x2", "x3", "x1", "x2", "x3", "x1", "x2", "x3", "x1", "x2", "l1", "nokey",
        ],
        // Fields and values.
        b'e' => &[
            "a",
            "b",
            "c",
            "a",
            "b",
            "c",
            "1",
            "-7",
            "70000",
            "",
            "01",
            "a longer one, beyond any small form",
        ],
        b'g' => &["g1", "g2", "g1", "g2", "g1", "g2", "g1", "nogroup"],
        b'c' => &["alice", "bob", "al", "12"],
        b'n' => &["1", "2", "3", "5", "10", "0", "100", "-1", "x"],
        // Lengths to trim to.
        b'l' => &["0", "1", "3", "5", "8", "10", "20", "x", "-1"],
        // Idle times are whole numbers of this, so that a slow test changes nothing.
        b't' => &["0", "0", "0", "5000000", "20000000", "-1", "x"],
        b'i' | b'b' | b'a' => return id(rng, slot, step),
        _ => panic!("no pool for ${}", slot as char),
    };
    rng.pick(pool).to_string()
}

/// An ID: a new one (`a`), an old one (`i`), or the end of an interval (`b`).
fn id(rng: &mut Rng, slot: u8, step: usize) -> String {
    let (now, seq) = (step / 6, rng.below(3));
    if rng.below(25) == 0 {
        let odd = [
            "0",
            "0-0",
            "-",
            // Not `+` alone, which XREAD takes since 7.4.
            "++",
            "x",
            "",
            "(5",
            "3-",
            "007-1",
            "18446744073709551615",
            "5-*",
            "$",
            ">",
        ];
        return rng.pick(&odd).to_string();
    }
    let ms = match slot {
        b'a' => now + rng.below(3),
        _ => now.saturating_sub(rng.below(1 + now.min(12))),
    };
    match (slot, rng.below(8)) {
        (b'a', 0) => format!("{ms}-*"),
        (b'b', 0) => "-".into(),
        (b'b', 1) => "+".into(),
        (b'b', 2) => format!("({ms}-{seq}"),
        (b'b' | b'a', 3) => ms.to_string(),
        _ => format!("{ms}-{seq}"),
    }
}

const TEMPLATES: &[&str] = &[
    "XADD $k $a $e $e",
    "XADD $k $a $e $e",
    "XADD $k $a a $e b $e",
    "XADD $k $a a $e b $e",
    "XADD $k $a $e $e $e $e $e $e",
    "XADD $k NOMKSTREAM $a $e $e",
    "XADD $k MAXLEN $l $a $e $e",
    "XADD $k MAXLEN ~ $l $a $e $e",
    "XADD $k MAXLEN = $l $a $e $e",
    "XADD $k MINID $i $a $e $e",
    "XADD $k MINID ~ $i LIMIT $n $a $e $e",
    "XADD $k MAXLEN ~ $l LIMIT $n $a $e $e",
    "XADD $k MAXLEN $l LIMIT $n $a $e $e",
    "XADD $k LIMIT $n $a $e $e",
    "XADD $k MAXLEN $l MINID $i $a $e $e",
    "XADD $k $a $e",
    "XLEN $k",
    "XRANGE $k - +",
    "XRANGE $k $b $b",
    "XRANGE $k $b $b COUNT $n",
    "XREVRANGE $k + -",
    "XREVRANGE $k $b $b",
    "XREVRANGE $k $b $b count $n",
    "XRANGE $k $b $b COUNT $n $e",
    "XDEL $k $i",
    "XDEL $k $i $i $i",
    "XTRIM $k MAXLEN $l",
    "XTRIM $k MAXLEN ~ $l",
    "XTRIM $k MINID $i",
    "XTRIM $k MINID ~ $i LIMIT $n",
    "XTRIM $k NOTHING $n",
    "XTRIM $k LIMIT $n",
    "XSETID $k $a",
    "XSETID $k $a ENTRIESADDED $n",
    "XSETID $k $a ENTRIESADDED 1000 MAXDELETEDID $i",
    "XREAD STREAMS $k $i",
    "XREAD COUNT $n STREAMS $k $k $i $i",
    "XREAD COUNT $n BLOCK 10 STREAMS $k $k $i $",
    "XREAD BLOCK $n STREAMS $k $",
    "XREAD STREAMS $k $k $i",
    "XREAD GROUP $g $c STREAMS $k >",
    "XREADGROUP GROUP $g $c STREAMS $k >",
    "XREADGROUP GROUP $g $c COUNT $n STREAMS $k >",
    "XREADGROUP GROUP $g $c COUNT $n STREAMS $k >",
    "XREADGROUP GROUP $g $c COUNT $n NOACK STREAMS $k >",
    "XREADGROUP GROUP $g $c COUNT $n STREAMS $k $k > >",
    "XREADGROUP GROUP $g $c COUNT $n STREAMS $k 0",
    "XREADGROUP GROUP $g $c NOACK STREAMS $k $i",
    "XREADGROUP GROUP $g $c BLOCK 10 STREAMS $k >",
    "XREADGROUP GROUP $g $c STREAMS $k $i",
    "XREADGROUP NOACK COUNT $n STREAMS $k $i",
    "XACK $k $g $i",
    "XACK $k $g $i $i $i",
    "XCLAIM $k $g $c $t $i",
    "XCLAIM $k $g $c $t $i $i $i JUSTID",
    "XCLAIM $k $g $c $t $i $i IDLE $t",
    "XCLAIM $k $g $c 0 $i $i TIME 1000 RETRYCOUNT $n FORCE",
    "XCLAIM $k $g $c 0 $i LASTID $i FORCE JUSTID",
    "XCLAIM $k $g $c 0 $i LASTID $i",
    "XCLAIM $k $g $c 0 $i $e",
    "XAUTOCLAIM $k $g $c $t $b",
    "XAUTOCLAIM $k $g $c $t $b COUNT $n",
    "XAUTOCLAIM $k $g $c 0 0 COUNT $n JUSTID",
    "XPENDING $k $g",
    "XPENDING $k $g $b $b $n",
    "XPENDING $k $g - + 100 $c",
    "XPENDING $k $g IDLE $t $b $b $n",
    "XPENDING $k $g IDLE $t - + 10 $c",
    "XPENDING $k $g $b $b",
    "XGROUP CREATE $k $g $i",
    "XGROUP CREATE $k $g $",
    "XGROUP CREATE $k $g 0 MKSTREAM",
    "XGROUP CREATE $k $g $i ENTRIESREAD $n",
    "XGROUP CREATE $k $g $i MKSTREAM ENTRIESREAD $n",
    "XGROUP SETID $k $g $i",
    "XGROUP SETID $k $g $",
    "XGROUP SETID $k $g $i ENTRIESREAD $n",
    "XGROUP CREATECONSUMER $k $g $c",
    "XGROUP DELCONSUMER $k $g $c",
    "XGROUP DESTROY $k $g",
    "XINFO STREAM $k",
    "XINFO STREAM $k FULL",
    "XINFO STREAM $k FULL COUNT $n",
    "XINFO STREAM $k $e",
    "XINFO GROUPS $k",
    "XINFO CONSUMERS $k $g",
    "COPY $k x2",
    "RENAME $k x3",
];

/// What is done now and then: most programs keep their streams.
const RARE: &[&str] = &["DEL $k", "RPUSH l1 a", "XGROUP DESTROY $k $g", "SET $k a"];

/// The command at `step` of a program.
pub fn command(rng: &mut Rng, step: usize) -> Vec<Vec<u8>> {
    let template = match rng.below(80) {
        0 => *rng.pick(RARE),
        _ => *rng.pick(TEMPLATES),
    };
    let word = |word: &str| match word.as_bytes() {
        [b'$', slot] => argument(rng, *slot, step).into_bytes(),
        word => word.to_vec(),
    };
    let mut args: Vec<Vec<u8>> = template.split(' ').map(word).collect();
    match rng.below(60) {
        0 if args.len() > 3 => drop(args.pop()),
        1 => args.push(b"a".to_vec()),
        _ => {}
    }
    args
}

/// Fixed programs: one for each thing that was hard to get right.
pub const SCRIPTS: &[&str] = &[
    // IDs made up by the server.
    "XADD x1 0-0 a b
    XADD x1 0-* a b
    XADD x1 0-* a b
    XADD x1 5-18446744073709551615 a b
    XADD x1 5-* a b
    XADD x1 99999999999999-5 a b
    XADD x1 * a b
    XADD x1 * a b
    XADD x1 18446744073709551615-18446744073709551614 a b
    XADD x1 * a b
    XADD x1 * a b
    XADD x1 18446744073709551615-* a b
    XINFO STREAM x1
    XRANGE x1 (18446744073709551615-18446744073709551615 +
    XRANGE x1 - (0-0
    XREAD STREAMS x1 18446744073709551615-18446744073709551615
    OBJECT ENCODING x1
    XLEN x1",
    // Nodes of one stream, what is deleted in them, and whole nodes.
    "XADD x1 1-1 a 1
    XADD x1 1-2 a 2
    XADD x1 1-3 a 3 b 3
    XADD x1 1-4 b 4
    XADD x1 1-5 a 5
    XADD x1 1-6 a 6
    XINFO STREAM x1 FULL
    XDEL x1 1-6
    XINFO STREAM x1
    XDEL x1 1-1 1-2 1-3 1-4
    XINFO STREAM x1
    XADD x1 1-7 a 7
    XTRIM x1 MINID 1-6
    XINFO STREAM x1
    XTRIM x1 MINID 1-8
    XINFO STREAM x1
    XADD x1 2-1 a 1
    XADD x1 2-2 a 1
    XADD x1 2-3 a 1
    XDEL x1 2-3
    XTRIM x1 MINID 2-3
    XINFO STREAM x1
    XADD x1 2-4 a 1
    XDEL x1 2-4
    XINFO STREAM x1",
    // How far groups are.
    "XADD x1 1-1 a 1
    XADD x1 2-1 a 1
    XADD x1 3-1 a 1
    XADD x1 4-1 a 1
    XADD x1 5-1 a 1
    XGROUP CREATE x1 g1 0
    XGROUP CREATE x1 g2 $
    XGROUP CREATE x1 g3 2-1
    XGROUP CREATE x1 g4 1-1
    XGROUP CREATE x1 g5 9-9
    XINFO GROUPS x1
    XREADGROUP GROUP g1 c1 COUNT 2 STREAMS x1 >
    XREADGROUP GROUP g3 c1 COUNT 2 STREAMS x1 >
    XREADGROUP GROUP g4 c1 COUNT 1 NOACK STREAMS x1 >
    XINFO GROUPS x1
    XDEL x1 3-1
    XINFO GROUPS x1
    XREADGROUP GROUP g1 c1 COUNT 1 STREAMS x1 >
    XINFO GROUPS x1
    XREADGROUP GROUP g1 c1 STREAMS x1 >
    XINFO GROUPS x1
    XTRIM x1 MAXLEN 1
    XINFO GROUPS x1
    XDEL x1 5-1
    XINFO GROUPS x1
    XREADGROUP GROUP g1 c1 STREAMS x1 0
    XAUTOCLAIM x1 g1 c2 0 0
    XINFO STREAM x1 FULL
    XGROUP SETID x1 g1 0 ENTRIESREAD 3
    XSETID x1 6-0 ENTRIESADDED 10 MAXDELETEDID 5-5
    XINFO GROUPS x1",
    // Errors, and what stands in them.
    "SET l1 x
    XADD l1 * a b
    XLEN l1
    XREAD STREAMS l1 0
    XREADGROUP GROUP g c STREAMS l1 >
    XREADGROUP GROUP g c STREAMS nokey >
    XGROUP CREATE nokey g 0
    XGROUP SETID nokey g 0
    XGROUP DESTROY nokey g
    XGROUP CREATECONSUMER nokey g c
    XGROUP CREATE x1 g $ MKSTREAM
    XGROUP CREATE x1 g 0
    XGROUP SETID x1 h 0
    XGROUP SETID x1 g + ENTRIESREAD -2
    XGROUP SETID x1 g +
    XGROUP SETID x1 g -
    XGROUP DELCONSUMER x1 h c
    XGROUP DELCONSUMER x1 g c
    XGROUP CREATE x1 g 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM
    XGROUP CREATE x1 i 0 NOTHING
    XGROUP HELP
    XGROUP CREATE
    XGROUP NOTHING x1 g
    XINFO NOTHING
    XINFO HELP
    XINFO STREAM nokey
    XINFO STREAM x1 FULL COUNT
    XINFO STREAM x1 FULL 5
    XINFO GROUPS nokey
    XINFO CONSUMERS nokey g
    XINFO CONSUMERS x1 h
    XREAD STREAMS x1 >
    XREAD STREAMS x1
    XREAD COUNT 1
    XREAD BLOCK x STREAMS x1 0
    XREAD BLOCK -1 STREAMS x1 0
    XREAD BLOCK 9223372036854775807 STREAMS x1 0
    XREAD NOACK STREAMS x1 0
    XREADGROUP GROUP g c STREAMS x1 $
    XREADGROUP GROUP g c COUNT 1 STREAMS x1 > 1
    XREADGROUP GROUP g c BLOCK 1 COUNT 1 NOACK NOACK
    XREADGROUP NOACK NOACK NOACK NOACK STREAMS x1 >
    XPENDING x1 h
    XPENDING nokey g
    XPENDING x1 g - +
    XPENDING x1 g IDLE 5 - +
    XPENDING x1 g - + 10 nobody
    XCLAIM x1 h c 0 1-1
    XCLAIM x1 g c x 1-1
    XCLAIM x1 g c 0 1-1 IDLE x
    XCLAIM x1 g c 0 1-1 TIME
    XCLAIM x1 g c 0 1-1 RETRYCOUNT x
    XCLAIM x1 g c 0 1-1 LASTID x
    XAUTOCLAIM x1 g c x 0
    XAUTOCLAIM x1 g c 0 (18446744073709551615-18446744073709551615
    XAUTOCLAIM x1 g c 0 0 COUNT 0
    XAUTOCLAIM x1 g c 0 0 NOTHING
    XAUTOCLAIM x1 h c 0 0
    XACK x1 g x
    XACK x1 h x
    XACK l1 g 1-1
    XSETID nokey 1-1
    XSETID x1 1-1 ENTRIESADDED -1
    XSETID x1 1-1 MAXDELETEDID 2-2
    XSETID x1 1-1 ENTRIESADDED
    XADD x1 1-1 a b
    XADD x1 1-2 a b
    XDEL x1 1-2
    XSETID x1 1-0
    XSETID x1 1-1
    XSETID x1 1-2 ENTRIESADDED 0
    XTRIM x1 MAXLEN
    XTRIM x1 LIMIT 5 LIMIT 6
    XTRIM x1 MAXLEN 5 LIMIT 5
    XTRIM nokey MINID x
    XADD x1 MAXLEN 5
    XADD x1 MAXLEN 5 LIMIT 0 5-5 a b
    XADD x1 MAXLEN ~ 5 LIMIT 0 5-6 a b
    XADD nokey NOMKSTREAM 1-1 a b
    TYPE x1",
];
