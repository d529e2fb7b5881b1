//! Sorted sets: their entries in the table. The handlers are in the modules below: of members, of ranges, of
//! taking from an end, and of several sorted sets combined.

mod combine;
pub(super) mod members;
mod pop;
pub(super) mod range;
#[cfg(test)]
mod tests;

use super::table::{Command, KeySpec, acl, flag::*};
use crate::command::uses::{CUT, LOOK, OVERWRITE, SEE, TAKE, UPDATE, both};

const GROUP: &str = "sorted-set";
const KEY: KeySpec = KeySpec::FIRST;
const TWO: KeySpec = KeySpec::Range {
    first: 1,
    last: 2,
    step: 1,
};
const COUNTED: KeySpec = KeySpec::Counted { at: 1, also: 0 };
const STORED: KeySpec = KeySpec::Counted { at: 2, also: 1 };
const READ: u32 = READONLY | FAST;
const EDIT: u32 = WRITE | DENYOOM | FAST;
const STORE: u32 = WRITE | DENYOOM;

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::keyed("zadd", -4, EDIT, KEY, members::zadd).uses(both(UPDATE, UPDATE)).acl(acl::SORTEDSET).doc(GROUP, "1.2.0", "O(log(N)) for each item added, where N is the number of elements in the sorted set.", "key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]", "Adds members, or changes their scores."),
    Command::keyed("zincrby", 4, EDIT, KEY, members::zincrby).acl(acl::SORTEDSET).doc(GROUP, "1.2.0", "O(log(N)) where N is the number of elements in the sorted set.", "key increment:double member", "Adds to a member's score."),
    Command::keyed("zrem", -3, WRITE | FAST, KEY, members::zrem).uses(both(CUT, CUT)).acl(acl::SORTEDSET).doc(GROUP, "1.2.0", "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.", "key member [member ...]", "Removes members, and the sorted set when none is left."),
    Command::keyed("zscore", 3, READ, KEY, members::zscore).acl(acl::SORTEDSET).doc(GROUP, "1.2.0", "O(1)", "key member", "Returns a member's score."),
    Command::keyed("zmscore", -3, READ, KEY, members::zmscore).acl(acl::SORTEDSET).doc(GROUP, "6.2.0", "O(N) where N is the number of members being requested.", "key member [member ...]", "Returns the scores of several members."),
    Command::keyed("zcard", 2, READ, KEY, members::zcard).uses(both(LOOK, LOOK)).acl(acl::SORTEDSET).doc(GROUP, "1.2.0", "O(1)", "key", "Returns the number of members."),
    Command::keyed("zrank", -3, READ, KEY, members::zrank).acl(acl::SORTEDSET).doc(GROUP, "2.0.0", "O(log(N))", "key member [WITHSCORE]", "Returns a member's place from the lowest score."),
    Command::keyed("zrevrank", -3, READ, KEY, members::zrevrank).acl(acl::SORTEDSET).doc(GROUP, "2.0.0", "O(log(N))", "key member [WITHSCORE]", "Returns a member's place from the highest score."),
    Command::keyed("zscan", -3, READONLY, KEY, members::zscan).acl(acl::SORTEDSET).doc(GROUP, "2.8.0", "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.", "key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]", "Walks through members and scores step by step."),
    Command::keyed("zrandmember", -2, READONLY, KEY, members::zrandmember).acl(acl::SORTEDSET).doc(GROUP, "6.2.0", "O(N) where N is the number of elements returned", "key [count:integer [WITHSCORES]]", "Returns members picked at random."),
    Command::keyed("zcount", 4, READ, KEY, range::zcount).acl(acl::SORTEDSET).doc(GROUP, "2.0.0", COUNT_COST, "key min:double max:double", "Returns how many members have scores in a range."),
    Command::keyed("zlexcount", 4, READ, KEY, range::zlexcount).acl(acl::SORTEDSET).doc(GROUP, "2.8.9", COUNT_COST, "key min max", "Returns how many members are in a range of byte strings."),
    Command::keyed("zrange", -4, READONLY, KEY, range::zrange).acl(acl::SORTEDSET).doc(GROUP, "1.2.0", RANK_COST, "key start stop [BYSCORE|BYLEX] [REV] [LIMIT offset:integer count:integer] [WITHSCORES]", "Returns a range of members by place, score or bytes."),
    Command::keyed("zrevrange", -4, READONLY, KEY, range::zrevrange).acl(acl::SORTEDSET).doc(GROUP, "1.2.0", RANK_COST, "key start:integer stop:integer [WITHSCORES]", "Returns a range of members by place from the highest score."),
    Command::keyed("zrangebyscore", -4, READONLY, KEY, range::zrangebyscore).acl(acl::SORTEDSET).doc(GROUP, "1.0.5", RANGE_COST, "key min:double max:double [WITHSCORES] [LIMIT offset:integer count:integer]", "Returns the members with scores in a range."),
    Command::keyed("zrevrangebyscore", -4, READONLY, KEY, range::zrevrangebyscore).acl(acl::SORTEDSET).doc(GROUP, "2.2.0", RANGE_COST, "key max:double min:double [WITHSCORES] [LIMIT offset:integer count:integer]", "Returns the members with scores in a range, the highest first."),
    Command::keyed("zrangebylex", -4, READONLY, KEY, range::zrangebylex).acl(acl::SORTEDSET).doc(GROUP, "2.8.9", RANGE_COST, "key min max [LIMIT offset:integer count:integer]", "Returns the members in a range of byte strings."),
    Command::keyed("zrevrangebylex", -4, READONLY, KEY, range::zrevrangebylex).acl(acl::SORTEDSET).doc(GROUP, "2.8.9", RANGE_COST, "key max min [LIMIT offset:integer count:integer]", "Returns the members in a range of byte strings, the last first."),
    Command::keyed("zrangestore", -5, STORE | READS, TWO, range::zrangestore).uses(both(OVERWRITE, SEE)).acl(acl::SORTEDSET).doc(GROUP, "6.2.0", "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.", "destination:key source:key min max [BYSCORE|BYLEX] [REV] [LIMIT offset:integer count:integer]", "Stores a range of members."),
    Command::keyed("zremrangebyrank", 4, WRITE, KEY, range::zremrangebyrank).uses(both(CUT, CUT)).acl(acl::SORTEDSET).doc(GROUP, "2.0.0", REMOVE_COST, "key start:integer stop:integer", "Removes a range of members by place."),
    Command::keyed("zremrangebyscore", 4, WRITE, KEY, range::zremrangebyscore).uses(both(CUT, CUT)).acl(acl::SORTEDSET).doc(GROUP, "1.2.0", REMOVE_COST, "key min:double max:double", "Removes the members with scores in a range."),
    Command::keyed("zremrangebylex", 4, WRITE, KEY, range::zremrangebylex).uses(both(CUT, CUT)).acl(acl::SORTEDSET).doc(GROUP, "2.8.9", REMOVE_COST, "key min max", "Removes the members in a range of byte strings."),
    Command::keyed("zpopmin", -2, WRITE | FAST, KEY, pop::zpopmin).uses(both(TAKE, TAKE)).acl(acl::SORTEDSET).doc(GROUP, "5.0.0", "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.", "key [count:integer]", "Takes the members with the lowest scores."),
    Command::keyed("zpopmax", -2, WRITE | FAST, KEY, pop::zpopmax).uses(both(TAKE, TAKE)).acl(acl::SORTEDSET).doc(GROUP, "5.0.0", "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.", "key [count:integer]", "Takes the members with the highest scores."),
    Command::keyed("bzpopmin", -3, WRITE | NOSCRIPT | BLOCKING | FAST, KeySpec::ALL_BUT_LAST, pop::bzpopmin).uses(both(TAKE, TAKE)).acl(acl::SORTEDSET).doc(GROUP, "5.0.0", COUNT_COST, "key [key ...] timeout:double", "Takes the member with the lowest score from the first sorted set that has one, or waits for one."),
    Command::keyed("bzpopmax", -3, WRITE | NOSCRIPT | BLOCKING | FAST, KeySpec::ALL_BUT_LAST, pop::bzpopmax).uses(both(TAKE, TAKE)).acl(acl::SORTEDSET).doc(GROUP, "5.0.0", COUNT_COST, "key [key ...] timeout:double", "Takes the member with the highest score from the first sorted set that has one, or waits for one."),
    Command::keyed("zmpop", -4, WRITE | MOVABLEKEYS, COUNTED, pop::zmpop).uses(both(TAKE, TAKE)).acl(acl::SORTEDSET).doc(GROUP, "7.0.0", MPOP_COST, "numkeys:integer key [key ...] MIN|MAX [COUNT count:integer]", "Takes members from the first sorted set that has some."),
    Command::keyed("bzmpop", -5, WRITE | BLOCKING | MOVABLEKEYS, KeySpec::Counted { at: 2, also: 0 }, pop::bzmpop).uses(both(TAKE, TAKE)).acl(acl::SORTEDSET).doc(GROUP, "7.0.0", MPOP_COST, "timeout:double numkeys:integer key [key ...] MIN|MAX [COUNT count:integer]", "Takes members from the first sorted set that has some, or waits for some."),
    Command::keyed("zunion", -3, READONLY | MOVABLEKEYS, COUNTED, combine::zunion).acl(acl::SORTEDSET).doc(GROUP, "6.2.0", UNION_COST, "numkeys:integer key [key ...] [WEIGHTS weight:integer [weight ...]] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]", "Returns the members that any of the sorted sets has."),
    Command::keyed("zunionstore", -4, STORE | MOVABLEKEYS | READS, STORED, combine::zunionstore).uses(both(OVERWRITE, SEE)).acl(acl::SORTEDSET).doc(GROUP, "2.0.0", UNION_COST, "destination:key numkeys:integer key [key ...] [WEIGHTS weight:integer [weight ...]] [AGGREGATE (SUM|MIN|MAX)]", "Stores the members that any of the sorted sets has."),
    Command::keyed("zinter", -3, READONLY | MOVABLEKEYS, COUNTED, combine::zinter).acl(acl::SORTEDSET).doc(GROUP, "6.2.0", INTER_COST, "numkeys:integer key [key ...] [WEIGHTS weight:integer [weight ...]] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]", "Returns the members that all sorted sets have."),
    Command::keyed("zinterstore", -4, STORE | MOVABLEKEYS | READS, STORED, combine::zinterstore).uses(both(OVERWRITE, SEE)).acl(acl::SORTEDSET).doc(GROUP, "2.0.0", INTER_COST, "destination:key numkeys:integer key [key ...] [WEIGHTS weight:integer [weight ...]] [AGGREGATE (SUM|MIN|MAX)]", "Stores the members that all sorted sets have."),
    Command::keyed("zintercard", -3, READONLY | MOVABLEKEYS, COUNTED, combine::zintercard).acl(acl::SORTEDSET).doc(GROUP, "7.0.0", "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.", "numkeys:integer key [key ...] [LIMIT limit:integer]", "Returns how many members all sorted sets have."),
    Command::keyed("zdiff", -3, READONLY | MOVABLEKEYS, COUNTED, combine::zdiff).acl(acl::SORTEDSET).doc(GROUP, "6.2.0", DIFF_COST, "numkeys:integer key [key ...] [WITHSCORES]", "Returns the members that only the first sorted set has."),
    Command::keyed("zdiffstore", -4, STORE | MOVABLEKEYS | READS, STORED, combine::zdiffstore).uses(both(OVERWRITE, SEE)).acl(acl::SORTEDSET).doc(GROUP, "6.2.0", DIFF_COST, "destination:key numkeys:integer key [key ...]", "Stores the members that only the first sorted set has."),
];

const COUNT_COST: &str = "O(log(N)) with N being the number of elements in the sorted set.";
const RANK_COST: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.";
const RANGE_COST: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).";
const REMOVE_COST: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.";
const MPOP_COST: &str = "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.";
const UNION_COST: &str = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.";
const INTER_COST: &str = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.";
const DIFF_COST: &str = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.";
