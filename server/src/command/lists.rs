//! Lists: their entries in the table. The handlers are in the modules below: of one list, and of those
//! that move elements between lists or wait for some.

mod edit;
mod moves;
#[cfg(test)]
mod tests;

use super::args::is;
use super::table::{Command, KeySpec, acl, flag::*};
use crate::command::uses::{CUT, INSERT, LOOK, TAKE, UPDATE, both};
use crate::store::list::End;

const GROUP: &str = "list";
const KEY: KeySpec = KeySpec::FIRST;
const TWO: KeySpec = KeySpec::Range {
    first: 1,
    last: 2,
    step: 1,
};
const READ: u32 = READONLY | FAST;
const EDIT: u32 = WRITE | DENYOOM;
const WAIT: u32 = WRITE | NOSCRIPT | BLOCKING;

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::keyed("lpush", -3, EDIT | FAST, KEY, edit::lpush).uses(both(INSERT, INSERT)).acl(acl::LIST).doc(
        GROUP,
        "1.0.0",
        PUSH_COST,
        "key element [element ...]",
        "Puts elements at a list's head, one after the other.",
    ),
    Command::keyed("rpush", -3, EDIT | FAST, KEY, edit::rpush).uses(both(INSERT, INSERT)).acl(acl::LIST).doc(
        GROUP,
        "1.0.0",
        PUSH_COST,
        "key element [element ...]",
        "Puts elements at a list's tail, one after the other.",
    ),
    Command::keyed("lpushx", -3, EDIT | FAST, KEY, edit::lpushx).uses(both(INSERT, INSERT)).acl(acl::LIST).doc(
        GROUP,
        "2.2.0",
        PUSH_COST,
        "key element [element ...]",
        "Puts elements at a list's head, only if the list is there.",
    ),
    Command::keyed("rpushx", -3, EDIT | FAST, KEY, edit::rpushx).uses(both(INSERT, INSERT)).acl(acl::LIST).doc(
        GROUP,
        "2.2.0",
        PUSH_COST,
        "key element [element ...]",
        "Puts elements at a list's tail, only if the list is there.",
    ),
    Command::keyed("lpop", -2, WRITE | FAST, KEY, edit::lpop).uses(both(TAKE, TAKE)).acl(acl::LIST).doc(
        GROUP,
        "1.0.0",
        "O(N) where N is the number of elements returned",
        "key [count:integer]",
        "Takes elements from a list's head.",
    ),
    Command::keyed("rpop", -2, WRITE | FAST, KEY, edit::rpop).uses(both(TAKE, TAKE)).acl(acl::LIST).doc(
        GROUP,
        "1.0.0",
        "O(N) where N is the number of elements returned",
        "key [count:integer]",
        "Takes elements from a list's tail.",
    ),
    Command::keyed("llen", 2, READ, KEY, edit::llen).uses(both(LOOK, LOOK)).acl(acl::LIST).doc(
        GROUP,
        "1.0.0",
        "O(1)",
        "key",
        "Returns the length of a list.",
    ),
    Command::keyed("lrange", 4, READONLY, KEY, edit::lrange).acl(acl::LIST).doc(
        GROUP,
        "1.0.0",
        "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or TAIL) for large lists; and N is the number of elements in the specified range.",
        "key start:integer stop:integer",
        "Returns a range of elements.",
    ),
    Command::keyed("lindex", 3, READONLY, KEY, edit::lindex).acl(acl::LIST).doc(
        GROUP,
        "1.0.0",
        "O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for the first or the last element of the list O(1).",
        "key index:integer",
        "Returns the element at an index.",
    ),
    Command::keyed("lset", 4, EDIT, KEY, edit::lset).uses(both(UPDATE, UPDATE)).acl(acl::LIST).doc(
        GROUP,
        "1.0.0",
        "O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1).",
        "key index:integer element",
        "Replaces the element at an index.",
    ),
    Command::keyed("linsert", 5, EDIT, KEY, edit::linsert).uses(both(INSERT, INSERT)).acl(acl::LIST).doc(
        GROUP,
        "2.2.0",
        "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the right end (tail) is O(N).",
        "key BEFORE|AFTER pivot element",
        "Puts an element before or after the first one that equals the pivot.",
    ),
    Command::keyed("lrem", 4, WRITE, KEY, edit::lrem).uses(both(CUT, CUT)).acl(acl::LIST).doc(
        GROUP,
        "1.0.0",
        "O(N+M) where N is the length of the list and M is the number of elements removed.",
        "key count:integer element",
        "Removes elements that equal one.",
    ),
    Command::keyed("ltrim", 4, WRITE, KEY, edit::ltrim).uses(both(CUT, CUT)).acl(acl::LIST).doc(
        GROUP,
        "1.0.0",
        "O(N) where N is the number of elements to be removed by the operation.",
        "key start:integer stop:integer",
        "Removes all elements but a range.",
    ),
    Command::keyed("lpos", -3, READONLY, KEY, edit::lpos).acl(acl::LIST).doc(
        GROUP,
        "6.0.6",
        "O(N) where N is the number of elements in the list, for the average case. When searching for elements near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant time.",
        "key element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]",
        "Returns the indices of elements that equal one.",
    ),
    Command::keyed("rpoplpush", 3, EDIT, TWO, moves::rpoplpush).uses(both(TAKE, INSERT)).acl(acl::LIST).doc(
        GROUP,
        "1.2.0",
        "O(1)",
        "source:key destination:key",
        "Moves an element from a list's tail to a list's head.",
    ),
    Command::keyed("lmove", 5, EDIT, TWO, moves::lmove).uses(both(TAKE, INSERT)).acl(acl::LIST).doc(
        GROUP,
        "6.2.0",
        "O(1)",
        "source:key destination:key LEFT|RIGHT LEFT|RIGHT",
        "Moves an element from an end of a list to an end of a list.",
    ),
    Command::keyed("lmpop", -4, WRITE | MOVABLEKEYS, KeySpec::Counted { at: 1, also: 0 }, moves::lmpop).uses(both(TAKE, TAKE))
        .acl(acl::LIST)
        .doc(
            GROUP,
            "7.0.0",
            MPOP_COST,
            "numkeys:integer key [key ...] LEFT|RIGHT [COUNT count:integer]",
            "Takes elements from the first list that has some.",
        ),
    Command::keyed("blpop", -3, WAIT, KeySpec::ALL_BUT_LAST, moves::blpop).uses(both(TAKE, TAKE)).acl(acl::LIST).doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the number of provided keys.",
        "key [key ...] timeout:double",
        "Takes an element from the head of the first list that has one, or waits for one.",
    ),
    Command::keyed("brpop", -3, WAIT, KeySpec::ALL_BUT_LAST, moves::brpop).uses(both(TAKE, TAKE)).acl(acl::LIST).doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the number of provided keys.",
        "key [key ...] timeout:double",
        "Takes an element from the tail of the first list that has one, or waits for one.",
    ),
    Command::keyed("brpoplpush", 4, WAIT | DENYOOM, TWO, moves::brpoplpush).uses(both(TAKE, INSERT)).acl(acl::LIST).doc(
        GROUP,
        "2.2.0",
        "O(1)",
        "source:key destination:key timeout:double",
        "Moves an element from a list's tail to a list's head, or waits for one.",
    ),
    Command::keyed("blmove", 6, WAIT | DENYOOM, TWO, moves::blmove).uses(both(TAKE, INSERT)).acl(acl::LIST).doc(
        GROUP,
        "6.2.0",
        "O(1)",
        "source:key destination:key LEFT|RIGHT LEFT|RIGHT timeout:double",
        "Moves an element from an end of a list to an end of a list, or waits for one.",
    ),
    Command::keyed(
        "blmpop",
        -5,
        WRITE | BLOCKING | MOVABLEKEYS,
        KeySpec::Counted { at: 2, also: 0 },
        moves::blmpop,
    ).uses(both(TAKE, TAKE))
    .acl(acl::LIST)
    .doc(
        GROUP,
        "7.0.0",
        MPOP_COST,
        "timeout:double numkeys:integer key [key ...] LEFT|RIGHT [COUNT count:integer]",
        "Takes elements from the first list that has some, or waits for some.",
    ),
];

const PUSH_COST: &str = "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.";
const MPOP_COST: &str =
    "O(N+M) where N is the number of provided keys and M is the number of elements returned.";

/// An end of a list by its word.
fn end(arg: &[u8]) -> Option<End> {
    if is(arg, "left") {
        Some(End::Left)
    } else if is(arg, "right") {
        Some(End::Right)
    } else {
        None
    }
}
