//! SORT: the elements of a list, a set or a sorted set in another order, and what belongs to them elsewhere.

use super::args::{integer, is};
use super::partial_sort::partial_sort;
use super::table::{Command, KeySpec, Lock, acl, flag::*};
use super::{CmdError, Cx, events};
use crate::command::uses::{OVERWRITE, SEE, both};
use crate::store::elem::Elem;
use crate::store::list::{End, List};
use crate::store::num::parse_f64;
use crate::store::{Object, ValueRef};
use std::cmp::Ordering;
use std::ops::Range;

const GROUP: &str = "generic";
const CATEGORIES: u32 = acl::SET | acl::SORTEDSET | acl::LIST | acl::DANGEROUS;
const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).";

/// The commands' entries. What a pattern means is known only when the elements are, so that the world stands still then.
pub const COMMANDS: &[Command] = &[
    Command::keyed("sort", -2, WRITE | DENYOOM | READS, KeySpec::FirstAnd(destination), sort).uses(both(SEE, OVERWRITE))
        .locks(Lock::ExclusiveIf(|args| has_patterns(args, true)))
        .acl(CATEGORIES)
        .doc(
            GROUP,
            "1.0.0",
            COMPLEXITY,
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC|DESC] [ALPHA] [STORE destination]",
            "Sorts a list, a set or a sorted set.",
        ),
    Command::keyed("sort_ro", -2, READONLY | MOVABLEKEYS, KeySpec::FIRST, sort_ro)
        .locks(Lock::ExclusiveIf(|args| has_patterns(args, false)))
        .acl(CATEGORIES)
        .doc(
            GROUP,
            "7.0.0",
            COMPLEXITY,
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC|DESC] [ALPHA]",
            "Sorts a list, a set or a sorted set without storing the result.",
        ),
];

fn destination(args: &[&[u8]]) -> Option<usize> {
    Query::parse(args, true).ok()?.store
}

/// It may look at other keys than it names.
fn has_patterns(args: &[&[u8]], may_store: bool) -> bool {
    let is_key = |text: &[u8]| matches!(Pattern::new(text), Pattern::Key { .. });
    Query::parse(args, may_store).is_ok_and(|query| {
        let by = query.by.filter(|_| !query.keeps_order);
        by.into_iter().chain(query.gets).any(is_key)
    })
}

/// What the options ask for.
struct Query<'a> {
    /// Where the keys are that the elements are ordered by.
    by: Option<&'a [u8]>,
    /// The order the elements have already will do.
    keeps_order: bool,
    gets: Vec<&'a [u8]>,
    alphabetical: bool,
    descending: bool,
    offset: i64,
    count: i64,
    /// The argument that is the destination.
    store: Option<usize>,
}

impl<'a> Query<'a> {
    fn parse(args: &[&'a [u8]], may_store: bool) -> Result<Query<'a>, CmdError> {
        let mut query = Query {
            by: None,
            keeps_order: false,
            gets: Vec::new(),
            alphabetical: false,
            descending: false,
            offset: 0,
            count: -1,
            store: None,
        };
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let rest = &args[at + 1..];
            at += match (*word, rest) {
                (w, _) if is(w, "asc") => {
                    query.descending = false;
                    1
                }
                (w, _) if is(w, "desc") => {
                    query.descending = true;
                    1
                }
                (w, _) if is(w, "alpha") => {
                    query.alphabetical = true;
                    1
                }
                (w, [offset, count, ..]) if is(w, "limit") => {
                    (query.offset, query.count) = (integer(offset)?, integer(count)?);
                    3
                }
                (w, [_, ..]) if may_store && is(w, "store") => {
                    query.store = Some(at + 1);
                    2
                }
                (w, [pattern, ..]) if is(w, "by") => {
                    query.by = Some(pattern);
                    query.keeps_order |= !pattern.contains(&b'*');
                    2
                }
                (w, [pattern, ..]) if is(w, "get") => {
                    query.gets.push(pattern);
                    2
                }
                _ => return Err(CmdError::Syntax),
            };
        }
        Ok(query)
    }

    /// Which of `len` elements in order are asked for.
    fn limited(&self, len: usize) -> Range<usize> {
        let clip = |n: i64| usize::try_from(n).ok().map(|n| n.min(len));
        let start = clip(self.offset).unwrap_or(0);
        let end = clip(self.count).map_or(len, |count| len.min(start + count));
        start..end
    }
}

/// An element, and what it is ordered by.
struct Element {
    bytes: Vec<u8>,
    score: f64,
    weight: Option<Vec<u8>>,
}

impl Element {
    fn new(bytes: &[u8]) -> Element {
        Element {
            bytes: bytes.to_vec(),
            score: 0.0,
            weight: None,
        }
    }
}

/// A pattern of BY or GET, taken apart.
enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// The element is put between two texts, which makes a key, of a hash if there is a field.
    Key {
        before: &'a [u8],
        after: &'a [u8],
        field: Option<&'a [u8]>,
    },
    /// Without a place for the element it means nothing.
    Nothing,
}

impl<'a> Pattern<'a> {
    fn new(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(star) = text.iter().position(|&b| b == b'*') else {
            return Pattern::Nothing;
        };
        let (before, rest) = (&text[..star], &text[star + 1..]);
        let arrow = rest.windows(2).position(|pair| pair == b"->");
        let arrow = arrow.filter(|at| at + 2 < rest.len());
        Pattern::Key {
            before,
            after: &rest[..arrow.unwrap_or(rest.len())],
            field: arrow.map(|at| &rest[at + 2..]),
        }
    }

    fn key(&self, element: &[u8]) -> Option<Vec<u8>> {
        match self {
            Pattern::Key { before, after, .. } => Some([before, element, after].concat()),
            Pattern::Element | Pattern::Nothing => None,
        }
    }

    /// What it means for an element; its key has been locked.
    fn value<'d>(&self, cx: &'d Cx<'_>, element: &'d [u8]) -> Option<Elem<'d>> {
        let field = match self {
            Pattern::Element => return Some(element.into()),
            Pattern::Nothing => return None,
            Pattern::Key { field, .. } => field,
        };
        let key = self.key(element)?;
        match (cx.db.lookup(&key)?, field) {
            (ValueRef::Str(value), None) => Some(value.into()),
            (ValueRef::Hash(hash), Some(field)) => {
                cx.db.read_field(&key, hash.at(cx.db.fields_until()), field)
            }
            _ => None,
        }
    }
}

/// A number as `strtod` reads it; the empty text is 0.
fn score(text: &[u8]) -> Result<f64, CmdError> {
    const NOT_NUMBERS: CmdError =
        CmdError::text("ERR One or more scores can't be converted into double");
    // C's strings end at a zero byte.
    let text = text.split(|&b| b == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Ok(0.0);
    }
    let is_space = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|b| !is_space(b)).unwrap_or(0);
    parse_f64(&text[start..]).ok_or(NOT_NUMBERS)
}

fn sort(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    run(cx, args, true)
}

fn sort_ro(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    run(cx, args, false)
}

fn run(cx: &mut Cx<'_>, args: &[&[u8]], may_store: bool) -> Result<(), CmdError> {
    let mut query = Query::parse(args, may_store)?;
    let store = query.store.map(|at| args[at]);
    let (mut elements, shape) = read(cx, &mut query, args[1])?;
    let by = query.by.filter(|_| !query.keeps_order).map(Pattern::new);
    let gets: Vec<Pattern<'_>> = query.gets.iter().map(|p| Pattern::new(p)).collect();
    lock_found(cx, args[1], store, by.as_slice(), &elements)?;
    let mut ambiguous = false;
    if !query.keeps_order {
        weigh(cx, &query, by.as_ref(), &mut elements)?;
        let stored = store.is_some();
        let order = |a: &Element, b: &Element| {
            let order = compare(&query, by.is_some(), stored, a, b);
            if query.descending {
                order.reverse()
            } else {
                order
            }
        };
        // Only where it orders by other keys does Redis sort no more than it has to.
        let all = 0..elements.len();
        let wanted = by
            .as_ref()
            .map_or(all.clone(), |_| query.limited(elements.len()));
        partial_sort(&mut elements, wanted.clone(), order);
        // Members with equal weights come as our tables have them.
        let ties = || {
            elements
                .windows(2)
                .any(|pair| order(&pair[0], &pair[1]).is_eq())
        };
        ambiguous = stored
            && shape != Shape::List
            && query.alphabetical
            && by.is_some()
            && (wanted != all || ties());
    }
    let asked = match query.keeps_order {
        true => &elements[..],
        false => &elements[query.limited(elements.len())],
    };
    lock_found(cx, args[1], store, &gets, asked)?;
    let Some(destination) = store else {
        cx.out.array(asked.len() * gets.len().max(1));
        for element in asked {
            if gets.is_empty() {
                cx.out.bulk(&element.bytes);
            }
            for get in &gets {
                let value = get.value(cx, &element.bytes).map(|value| value.to_vec());
                cx.out.bulk_or_null(value.as_deref());
            }
        }
        return Ok(());
    };
    let mut list = List::new();
    for element in asked {
        if gets.is_empty() {
            list.push(End::Right, &element.bytes, cx.env.limits);
        }
        for get in &gets {
            let value = get.value(cx, &element.bytes);
            list.push(
                End::Right,
                value.as_deref().unwrap_or_default(),
                cx.env.limits,
            );
        }
    }
    keep(cx, destination, list, ambiguous);
    Ok(())
}

/// What is sorted.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    List,
    Set,
    Zset,
    Nothing,
}

/// The elements to be sorted; if they keep their order, only those that are asked for.
fn read(cx: &Cx<'_>, query: &mut Query<'_>, key: &[u8]) -> Result<(Vec<Element>, Shape), CmdError> {
    let Some(value) = cx.db.lookup(key) else {
        return Ok((Vec::new(), Shape::Nothing));
    };
    let (len, shape) = match value {
        ValueRef::List(list) => (list.len(), Shape::List),
        ValueRef::Zset(zset) => (zset.len(), Shape::Zset),
        ValueRef::Set(set) => (set.len(), Shape::Set),
        _ => return Err(CmdError::WrongType),
    };
    let stored = query.store.is_some();
    if query.keeps_order && shape == Shape::Set && (stored || cx.env.in_script) {
        // A set has no order that replicas have, too; and what scripts see is what Redis shows them.
        (query.keeps_order, query.alphabetical, query.by) = (false, true, None);
    }
    let mut part = match query.keeps_order {
        true => query.limited(len),
        false => 0..len,
    };
    let backwards = query.keeps_order && query.descending && shape != Shape::Set;
    if backwards {
        part = len - part.end..len - part.start;
    }
    let (start, count) = (part.start, part.len());
    let mut elements: Vec<Element> = match value {
        ValueRef::List(list) => {
            let some = list.iter_from(start).take(count);
            some.map(|e| Element::new(&Elem::from(e))).collect()
        }
        ValueRef::Zset(zset) => {
            let some = zset.range(start, part.end);
            some.map(|(member, _)| Element::new(&member)).collect()
        }
        ValueRef::Set(set) => {
            let some = set.iter().skip(start).take(count);
            some.map(|member| Element::new(&member)).collect()
        }
        _ => Vec::new(),
    };
    if backwards {
        elements.reverse();
    }
    Ok((elements, shape))
}

/// Locks the keys that patterns make of elements, and again those that the command names.
fn lock_found(
    cx: &mut Cx<'_>,
    source: &[u8],
    store: Option<&[u8]>,
    patterns: &[Pattern<'_>],
    elements: &[Element],
) -> Result<(), CmdError> {
    let each = patterns.iter().flat_map(|pattern| {
        let keys = elements.iter();
        keys.filter_map(move |element| pattern.key(&element.bytes))
    });
    let keys: Vec<Vec<u8>> = each.collect();
    if keys.is_empty() {
        return Ok(());
    }
    // Nobody else runs: unlocking the source and locking it again changes nothing.
    let named = std::iter::once(source).chain(store);
    cx.db.lock(named.chain(keys.iter().map(Vec::as_slice)))
}

/// Finds what the elements are ordered by.
fn weigh(
    cx: &Cx<'_>,
    query: &Query<'_>,
    by: Option<&Pattern<'_>>,
    elements: &mut [Element],
) -> Result<(), CmdError> {
    for element in elements {
        let weight = match by {
            None if query.alphabetical => continue,
            None => Some(element.bytes.as_slice().into()),
            Some(by) => by.value(cx, &element.bytes),
        };
        match weight {
            Some(weight) if query.alphabetical => element.weight = Some(weight.to_vec()),
            Some(weight) => element.score = score(&weight)?,
            None => {}
        }
    }
    Ok(())
}

/// The order of two elements, before DESC turns it around.
fn compare(query: &Query<'_>, by: bool, stored: bool, a: &Element, b: &Element) -> Ordering {
    // Redis compares what it only replies as C's strings, which end at a zero byte.
    let text = |bytes: &[u8]| match stored {
        true => bytes.len(),
        false => bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len()),
    };
    let texts = |a: &[u8], b: &[u8]| a[..text(a)].cmp(&b[..text(b)]);
    match (query.alphabetical, by) {
        (false, _) => {
            let scores = a.score.partial_cmp(&b.score).unwrap_or(Ordering::Equal);
            scores.then_with(|| a.bytes.cmp(&b.bytes))
        }
        (true, false) => texts(&a.bytes, &b.bytes),
        (true, true) => match (&a.weight, &b.weight) {
            (Some(a), Some(b)) => texts(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        },
    }
}

/// Makes `list` the value of `key`, or removes that if the list is empty; replies with its length. `ambiguous`: the order
/// of equal elements is ours, and no other server's.
fn keep(cx: &mut Cx<'_>, key: &[u8], list: List, ambiguous: bool) {
    /// Elements told to replicas at once.
    const AT_ONCE: usize = 1000;
    let len = list.len();
    if len == 0 {
        if cx.db.remove(key) {
            cx.dirty();
            cx.notify(events::GENERIC, "del", key);
        }
    } else {
        if ambiguous {
            cx.rewrite(&[b"DEL", key]);
            let elements: Vec<Elem<'_>> = list.iter().map(Elem::from).collect();
            let elements: Vec<&[u8]> = elements.iter().map(|elem| &**elem).collect();
            for some in elements.chunks(AT_ONCE) {
                cx.rewrite(&[&[b"RPUSH", key], some].concat());
            }
        }
        cx.db.put(key, Object::List(list), None);
        cx.dirty();
        cx.notify(events::LIST, "sortstore", key);
    }
    cx.out.int(len as i64);
}

#[cfg(test)]
mod tests;
