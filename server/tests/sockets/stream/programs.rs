//! What is run on both masters, a command a line.

/// `DUMP` stands for the dump of a string.
pub const RESTORES: &[&str] = &[
    "RESTORE a 0 DUMP",
    "RESTORE a 0 DUMP",
    "RESTORE a 100000 DUMP REPLACE",
    "RESTORE b 100000 DUMP",
    "RESTORE c 4102444800000 DUMP ABSTTL",
    "RESTORE c 1 DUMP ABSTTL REPLACE",
    "RESTORE d 1 DUMP ABSTTL",
];

/// A command that waits, and what serves it.
pub const WAITS: &[(&str, &[&str])] = &[
    ("BLPOP l m 0", &["RPUSH l a b"]),
    ("BRPOP m l 0", &["MULTI", "LPUSH l a", "SET x 1", "EXEC"]),
    ("BLMPOP 0 2 l m RIGHT COUNT 2", &["RPUSH m a b c"]),
    ("BLMOVE l m LEFT RIGHT 0", &["LPUSH l a"]),
    ("BRPOPLPUSH l m 0", &["LPUSH l a"]),
    ("BZPOPMIN z 0", &["ZADD z 1 a 2 b"]),
    ("BZPOPMAX y z 0", &["ZADD z 1 a"]),
    ("BZMPOP 0 1 z MAX COUNT 5", &["ZADD z 1 a 2 b"]),
    ("BLPOP l 0", &["LPUSH other 1 2", "RENAME other l"]),
    (
        "BLPOP l 0",
        &["SELECT 3", "RPUSH l a", "SELECT 0", "RPUSH l b"],
    ),
    (
        "XREAD BLOCK 0 STREAMS x y $ $",
        &["SET z 1", "XADD y 5-5 f v"],
    ),
    (
        "XREAD BLOCK 0 STREAMS x 7-7",
        &["XADD x 6-6 f v", "XADD x 7-8 f v"],
    ),
    (
        "XREAD BLOCK 0 STREAMS x $",
        &[
            "SET x 1",
            "DEL x",
            "MULTI",
            "XADD x 1-1 f v",
            "XADD x 1-2 f v",
            "EXEC",
        ],
    ),
    (
        "XREAD BLOCK 0 STREAMS x $",
        &["MULTI", "XADD x 1-1 f v", "XDEL x 1-1", "EXEC"],
    ),
    (
        "XREAD BLOCK 0 STREAMS x y $ $",
        &["MULTI", "XADD y 1-1 f v", "XADD x 1-1 f v", "EXEC"],
    ),
    (
        "XREAD BLOCK 0 STREAMS x $",
        &["XADD other 3-3 f v", "RENAME other x"],
    ),
    (
        "XREADGROUP GROUP g c BLOCK 0 STREAMS x >",
        &["XADD x 1-1 f v"],
    ),
    (
        "XREADGROUP GROUP g c COUNT 1 BLOCK 0 NOACK STREAMS x >",
        &["MULTI", "XADD x 1-1 f v", "XADD x 1-2 f v", "EXEC"],
    ),
    (
        "XREADGROUP GROUP g c BLOCK 0 STREAMS x >",
        &["XGROUP DESTROY x g"],
    ),
    ("XREADGROUP GROUP g c BLOCK 0 STREAMS x >", &["DEL x"]),
    ("XREADGROUP GROUP g c BLOCK 0 STREAMS x >", &["SET x 1"]),
    (
        "XREADGROUP GROUP g c BLOCK 0 STREAMS x >",
        &["MULTI", "DEL x", "RPUSH x 1", "EXEC"],
    ),
    ("XREADGROUP GROUP g c BLOCK 0 STREAMS x >", &["RENAME x y"]),
    ("XREADGROUP GROUP g c BLOCK 0 STREAMS x >", &["FLUSHDB"]),
    (
        "XREADGROUP GROUP g c BLOCK 0 STREAMS x >",
        &["XGROUP SETID x g 0", "XSETID x 3-3", "XADD x 3-4 f v"],
    ),
];

/// What is there before each wait.
pub const BEFORE_WAITS: &[&str] = &["XGROUP CREATE x g $ MKSTREAM"];

/// Streams, to be run after [`PROGRAM`].
pub const STREAMS: &str = "
    FLUSHALL
    SELECT 0
    XADD x 1-1 f v
    XADD x 1-* f v
    XADD x NOMKSTREAM 2-0 f v
    XADD nostream NOMKSTREAM 2-0 f v
    XADD x 1-1 f v
    XADD x MAXLEN 2 3-1 f v
    XADD x MAXLEN = 5 4-* f v
    XADD x MAXLEN ~ 1 5-* f v
    XADD x MAXLEN ~ 1 LIMIT 5 6-1 f v g w
    XADD x MINID ~ 3 7-1 f v g w
    XDEL x 3-1
    XDEL x 3-1 nonsense
    XADD x MINID ~ 3 8-1 f v g w
    XADD x MINID 4 9-1 f v
    XTRIM x MAXLEN ~ 1
    XTRIM x MAXLEN 100
    XTRIM x MAXLEN = 3
    XTRIM x MINID ~ 1 LIMIT 10
    XTRIM x MINID 8
    XADD a 1-1 f 1
    XADD a 2-1 f 2
    XADD a 3-1 f 3
    XADD a 4-1 f 4
    XADD a 5-1 f 5
    XSETID a 9-9
    XSETID a 9-9 ENTRIESADDED 20 MAXDELETEDID 1-0
    XGROUP CREATE a g 0
    XGROUP CREATE a h $ ENTRIESREAD 3
    XGROUP CREATE a g 0
    XGROUP CREATE new g $ MKSTREAM
    XGROUP CREATECONSUMER a g c0
    XGROUP CREATECONSUMER a g c0
    XREADGROUP GROUP g c1 COUNT 2 STREAMS a >
    XREADGROUP GROUP g c1 COUNT 1 STREAMS a new > >
    XREADGROUP GROUP g c1 STREAMS a 0
    XREADGROUP GROUP g c2 STREAMS a 0
    XREADGROUP GROUP g c3 NOACK STREAMS a 0
    XREADGROUP GROUP g c4 COUNT 1 NOACK STREAMS a >
    XREADGROUP GROUP h c1 STREAMS a >
    XACK a g 1-1 9-9
    XACK a g 1-1
    XCLAIM a g c2 0 2-1
    XCLAIM a g c2 0 2-1 9-9 JUSTID
    XCLAIM a g c2 1000000 2-1
    XCLAIM a g c5 1000000 2-1
    XCLAIM a g c2 0 1-1 FORCE RETRYCOUNT 5
    XCLAIM a g c2 0 8-8 LASTID 7-7
    XCLAIM a g c2 0 1-1 LASTID 7-8
    XDEL a 2-1
    XCLAIM a g c3 0 2-1
    XAUTOCLAIM a g c3 0 0
    XDEL a 3-1
    XAUTOCLAIM a g c6 0 0
    XAUTOCLAIM a g c7 0 0 JUSTID
    XAUTOCLAIM a g c8 1000000 0
    XGROUP SETID a g 0
    XGROUP SETID a g $ ENTRIESREAD 4
    XGROUP DELCONSUMER a g c1
    XGROUP DELCONSUMER a g nobody
    XGROUP DESTROY a h
    XGROUP DESTROY a h
    XADD a 10-1 f v
    MULTI
    XREADGROUP GROUP g c1 STREAMS a >
    XADD a 11-1 f v
    XREADGROUP GROUP g c1 BLOCK 0 STREAMS a >
    EXEC
    XREAD STREAMS a 0
    XPENDING a g
    COPY a b
    RENAME b c
    FLUSHALL
";

/// Keys whose time comes while it `sleep`s.
pub const EXPIRING: &str = "
    SET a 1 PX 1
    SET b 1 PX 1
    SET c 1 PX 1
    SET d 1 PX 1
    SET e 1 PX 1
    SET f 1 PX 1
    RPUSH l a
    PEXPIRE l 1
    SADD s a b
    PEXPIRE s 1
    sleep
    GET a
    INCR b
    EXISTS c nokey c
    DEL d
    SETNX e 2
    EXPIRE f 100
    LPUSHX l b
    SADD s c
    TTL a
    MSET m1 a m2 b
    PEXPIRE m1 1
    PEXPIRE m2 1
    sleep
    MGET m1 m2
    SET x 1 PX 1
    SET y 1 PX 1
    sleep
    MULTI
    GET x
    SET z 1
    INCR y
    EXEC
    SET k 1 PX 1
    SET k2 1
    sleep
    RENAME k2 k
    SET k3 1 PX 1
    sleep
    GETEX k3 EX 100
    SINTERSTORE dst s nokey
    FLUSHALL
    FLUSHALL
    SET q 1 PX 1
    sleep
    KEYS *
    SCAN 0 MATCH z*
    DBSIZE
    SCAN 0
    DBSIZE
    RPUSH q a
    PEXPIRE q 1
    sleep
    SCAN 0 TYPE string MATCH q
    DBSIZE
    SET q 1 PX 1
    sleep
    RANDOMKEY
    RANDOMKEY
    SADD q m
    PEXPIRE q 1
    sleep
    MULTI
    SCAN 0
    RANDOMKEY
    EXEC
    SET any1 1 PX 1
    SET any2 1 PX 1
    sleep
    SCAN 0 COUNT 1000
    SET any1 1 PX 1
    SET any2 1 PX 1
    sleep
    MGET any1 any2
";

/// Every command that writes, in the forms that are told otherwise than they were given.
pub const PROGRAM: &str = "
    SET k v
    SET k v EX 100
    SET k v PX 100000
    SET k v EXAT 4102444800
    SET k v PXAT 4102444800000
    SET k v KEEPTTL
    SET k v NX
    SET k v XX GET
    SET new v NX EX 100
    SET k w GET EX 50
    SETEX k 100 v
    PSETEX k 100000 v
    SETNX k v
    SETNX k2 v
    GETSET k w
    GETEX k
    GETEX k EX 100
    GETEX k PX 100000
    GETEX k EXAT 4102444800
    GETEX k PERSIST
    GETEX k PERSIST
    GETEX k EXAT 1
    GETDEL k
    GETDEL k
    INCR n
    INCRBY n 5
    DECRBY n 2
    INCRBYFLOAT n 0.5
    INCRBYFLOAT n 1e5
    APPEND k a
    APPEND k \\x00\\xff
    SETRANGE k 3 abc
    SETRANGE nokey 0 
    SETBIT bits 7 1
    SETBIT bits 7 1
    BITOP NOT dst bits
    BITOP AND gone nokey nokey2
    MSET a 1 b 2
    MSETNX a 1 c 2
    MSETNX c 1 d 2
    DEL nokey
    DEL a nokey b
    UNLINK c d
    SET k v
    EXPIRE k 100
    PEXPIRE k 100000
    EXPIREAT k 4102444800
    PEXPIREAT k 4102444800000
    EXPIRE k 100 NX
    EXPIRE k 5 GT
    EXPIRE k 5 LT
    PERSIST k
    PERSIST k
    EXPIRE nokey 100
    EXPIRE k -1
    SET k v
    EXPIREAT k 1
    SET k v
    SET k v EXAT 1
    HSET h f v g w
    HSET h f v
    HSETNX h f v
    HMSET h a 1 b 2
    HINCRBY h a 5
    HINCRBYFLOAT h a 0.1
    HINCRBYFLOAT h new 1.5
    HDEL h f nofield
    HDEL h nofield
    EXPIRE h 100
    SADD s a b c
    SADD s a
    SREM s a x
    SREM s x
    SMOVE s t b
    SMOVE s t nomember
    SPOP t
    SPOP t
    SADD p any1 any2 any3 any4 any5 any6
    SPOP p
    SPOP p 2
    SPOP p 0
    SPOP p 10
    SPOP p 10
    SADD p 1 2 3
    SPOP p 3
    SADD s1 a b c
    SADD s2 b c d
    SINTERSTORE d s1 s2
    SUNIONSTORE d s1 s2
    SDIFFSTORE d s1 s1
    SDIFFSTORE d s1 s1
    RPUSH l a b c d e
    LPUSH l x
    LPUSHX l y
    LPUSHX nolist y
    LPOP l
    RPOP l 2
    LPOP nolist
    LPOP l 0
    LSET l 0 z
    LINSERT l BEFORE z q
    LINSERT l BEFORE nope q
    LREM l 0 nope
    LREM l 0 z
    LTRIM l 0 1
    LTRIM l 5 6
    RPUSH l a b c d e f
    BLPOP l 0
    BRPOP nolist l 0
    LMOVE l m LEFT RIGHT
    BLMOVE l m LEFT RIGHT 0
    RPOPLPUSH l m
    BRPOPLPUSH l m 0
    LMPOP 2 l m LEFT
    BLMPOP 0 2 l m RIGHT COUNT 2
    BLPOP nolist 0.01
    ZADD z 1 a 2 b 3 c
    ZADD z 1 a
    ZADD z XX 1 nomember
    ZADD z NX 5 a 6 new
    ZADD z GT CH 5 a
    ZADD z INCR 1.5 a
    ZADD z NX INCR 1.5 a
    ZINCRBY z 0.1 a
    ZREM z nomember
    ZREM z new
    ZPOPMIN z
    ZPOPMAX z 2
    ZPOPMIN nozset
    ZADD z 1 a 2 b 3 c 4 d 5 e
    BZPOPMIN z 0
    BZPOPMAX nozset z 0
    ZMPOP 1 z MIN COUNT 1
    BZMPOP 0 1 z MAX
    ZADD z 1 a 2 b 3 c
    ZRANGESTORE d z 0 1
    ZRANGESTORE d nozset 0 1
    ZUNIONSTORE d 1 z WEIGHTS 2
    ZINTERSTORE d 2 z z
    ZDIFFSTORE d 2 z z
    ZREMRANGEBYRANK z 0 0
    ZREMRANGEBYSCORE z 100 200
    ZREMRANGEBYSCORE z 0 2
    ZREMRANGEBYLEX z [x [y
    SET k v EX 100
    COPY k copy
    COPY k copy
    COPY k copy REPLACE
    COPY k copy DB 4
    RENAME k k3
    RENAMENX k3 copy
    RENAMENX k3 k4
    MOVE k4 5
    MOVE nokey 5
    TOUCH copy
    SELECT 5
    SET in5 1
    SELECT 0
    SET in0 1
    MULTI
    EXEC
    MULTI
    GET k
    EXEC
    MULTI
    SET a 1
    EXEC
    MULTI
    SET a 1
    INCR n
    GET a
    SELECT 2
    SET b 2
    DEL nokey
    EXPIRE a 100
    EXEC
    SELECT 0
    MULTI
    SET a 1
    LPUSH a wrong-type
    SET b 1
    EXEC
    MULTI
    PUBLISH c m
    SADD p any1 any2 any3
    SPOP p
    EXEC
    WATCH a
    SET a 2
    MULTI
    SET a 3
    EXEC
    PUBLISH channel message
    SPUBLISH channel message
    SWAPDB 0 3
    SET after-swap 1
    SELECT 7
    SET x 1
    FLUSHDB
    FLUSHDB
    FLUSHALL ASYNC
    SET x 1
    FLUSHALL SYNC
";

/// HyperLogLogs, places, SORT and BITFIELD, to be run after [`STREAMS`].
pub const OTHERS: &str = "
    FLUSHALL
    PFADD p
    PFADD p
    PFADD p a b c
    PFADD p a
    PFCOUNT p
    PFCOUNT p
    PFADD q a d
    PFCOUNT p q
    PFMERGE r p q
    PFMERGE r
    PFDEBUG TODENSE r
    PFDEBUG TODENSE r
    PFDEBUG GETREG q
    PFADD r z
    PFCOUNT r
    GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
    GEOADD g NX CH 1 1 Palermo
    GEOADD g XX 14 38 Palermo
    GEOADD g 181 1 a
    GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC
    GEOSEARCHSTORE h g FROMLONLAT 15 37 BYRADIUS 200 km
    GEOSEARCHSTORE h g FROMLONLAT 100 37 BYRADIUS 200 km
    GEOSEARCHSTORE h g FROMLONLAT 100 37 BYRADIUS 200 km
    GEORADIUS g 15 37 200 km STORE h
    GEORADIUS g 15 37 200 km STOREDIST h COUNT 1
    GEORADIUSBYMEMBER g Catania 1 m STORE h
    RPUSH l 3 1 2
    SET w1 30
    SORT l STORE d
    SORT l BY w* DESC STORE d
    SORT l GET w* STORE d
    SORT nokey STORE d
    SORT nokey STORE d
    SADD s c a b
    SORT s BY nosort STORE d
    SORT s ALPHA DESC LIMIT 0 2 STORE d
    SORT l
    BITFIELD b SET u8 0 200 GET u8 0
    BITFIELD b SET u8 0 200
    BITFIELD b INCRBY u8 0 100 OVERFLOW SAT INCRBY i8 8 1000
    BITFIELD b OVERFLOW FAIL INCRBY u8 0 255
    BITFIELD b GET u8 0
    BITFIELD_RO b GET u8 0
    LCS b b LEN
";
