//! Fixed programs: one for each thing that was hard to get right.

/// All of them.
pub const ALL: &[&str] = &[
    // Forms and their limits.
    "HSET h1 a 1
    HSET h1 b 22222222222222222
    OBJECT ENCODING h1
    HDEL h1 b
    OBJECT ENCODING h1
    HSET h2 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8
    OBJECT ENCODING h2
    HSET h2 9 9
    OBJECT ENCODING h2
    SADD s1 1 2 3 4 5 6 7 8
    OBJECT ENCODING s1
    SADD s1 9
    OBJECT ENCODING s1
    SADD s2 1 x
    OBJECT ENCODING s2
    SADD s3 -32769 32767 2147483648
    SMEMBERS s3
    ZADD z1 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h
    OBJECT ENCODING z1
    ZADD z1 9 i
    OBJECT ENCODING z1
    RPUSH l1 a
    OBJECT ENCODING l1",
    // Zero of either sign, in both forms.
    "ZADD z1 -0 a
    ZSCORE z1 a
    ZADD z1 0 a
    ZADD z2 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9
    ZADD z2 -0 a
    ZSCORE z2 a
    ZRANGE z2 0 0 WITHSCORES
    ZINCRBY z2 0 a
    ZINCRBY z1 -0 a",
    // Infinities and what they add up to.
    "ZADD z1 inf a -inf b
    ZINCRBY z1 -inf a
    ZADD z1 INCR -inf a
    ZADD z1 NX INCR -inf a
    ZADD z2 -inf a inf b
    ZUNION 2 z1 z2 WITHSCORES
    ZINTER 2 z1 z2 WITHSCORES
    ZUNION 2 z1 z2 WEIGHTS 0 1 WITHSCORES
    ZUNION 1 z1 WEIGHTS -1 WITHSCORES",
    // Sums in long double.
    "HSET h1 f 3.0
    HINCRBYFLOAT h1 f 1.1
    HINCRBYFLOAT h1 f -4.1
    HSET h1 g 10.50
    HINCRBYFLOAT h1 g 0.1
    HINCRBYFLOAT h1 g -5
    HSET h1 k 5.0e3
    HINCRBYFLOAT h1 k 2.0e2
    HINCRBYFLOAT h1 new 1e17
    HINCRBYFLOAT h1 new 0.3
    HINCRBYFLOAT h1 x inf
    HINCRBYFLOAT h1 x nan
    HSET h1 x text
    HINCRBYFLOAT h1 x 1
    HINCRBY h1 x 1
    HSET h1 i 9223372036854775807
    HINCRBY h1 i 1
    HINCRBY h1 i -1
    HINCRBY h1 f x",
    // One list as source and destination.
    "RPUSH l1 a
    LMOVE l1 l1 LEFT RIGHT
    RPOPLPUSH l1 l1
    RPUSH l1 b c
    LMOVE l1 l1 LEFT RIGHT
    LMOVE l1 l1 RIGHT LEFT
    LMOVE l1 l1 LEFT LEFT
    LRANGE l1 0 -1
    SADD s1 a
    LMOVE l1 s1 LEFT RIGHT
    LMOVE nokey s1 LEFT RIGHT
    LLEN l1",
    // A missing set does not hide one that is none.
    "SADD s1 a
    RPUSH l1 a
    SINTER nokey l1
    SINTER s1 nokey l1
    SINTERSTORE s1 nokey s1
    EXISTS s1
    SUNION nokey l1
    SDIFF nokey l1
    SDIFFSTORE l1 nokey
    EXISTS l1",
    // Results that take the place of a source, or of another type.
    "ZADD z1 1 a 2 b
    ZADD z2 3 b 4 c
    ZUNIONSTORE z1 2 z1 z2
    ZRANGE z1 0 -1 WITHSCORES
    ZDIFFSTORE z1 2 z1 z1
    EXISTS z1
    RPUSH l1 a
    ZRANGESTORE l1 z2 0 -1
    TYPE l1
    SADD s1 x y
    SUNIONSTORE l1 s1
    TYPE l1
    ZINTERSTORE s1 2 z2 nokey
    EXISTS s1",
    // Pops of all there is.
    "ZADD z1 1 a 2 b 3 c
    ZPOPMIN z1 0
    ZPOPMAX z1 10
    ZPOPMIN z1
    ZPOPMIN z1 5
    EXISTS z1
    ZPOPMIN z1 1 2
    ZADD z1 1 a 2 b
    ZMPOP 2 nokey z1 MAX COUNT 10
    ZMPOP 2 nokey z1 MAX COUNT 10
    RPUSH l1 a b c
    LPOP l1 0
    LPOP l1 2
    LPOP l1 5
    LPOP l1 5
    LPOP l1
    LPOP l1 1 2
    RPUSH l1 a b
    LMPOP 2 nokey l1 RIGHT COUNT 10
    LMPOP 2 nokey l1 RIGHT COUNT 0
    LMPOP 2 nokey l1 RIGHT COUNT 1 COUNT 1
    SADD s1 a b c
    SPOP s1 3
    EXISTS s1
    SPOP s1 3
    SPOP s1
    SPOP s1 1 2",
    // Ranges of members that share a score, in the big form.
    "ZADD z1 0 a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 k
    ZRANGEBYLEX z1 - +
    ZRANGEBYLEX z1 [b (e
    ZREVRANGEBYLEX z1 (e [b
    ZRANGEBYLEX z1 + -
    ZLEXCOUNT z1 (a (k
    ZRANGEBYLEX z1 [c + LIMIT 2 3
    ZREVRANGEBYLEX z1 + [c LIMIT 2 3
    ZRANGEBYLEX z1 [c + LIMIT -1 3
    ZRANGEBYLEX z1 [c + LIMIT 1 -1
    ZREMRANGEBYLEX z1 (b [d
    ZRANGE z1 0 -1
    ZRANGE z1 0 -1 LIMIT 0 -1
    ZRANGE z1 0 -1 LIMIT 0 1
    ZRANGE z1 0 -1 REV REV
    ZREVRANGE z1 0 -1 REV
    ZREVRANGE z1 0 -1 BYLEX
    ZRANGESTORE z2 z1 0 -1 WITHSCORES",
];
