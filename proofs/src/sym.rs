//! Symbols for the core's ids, and the engine that follows every path through a comparison.
//!
//! A symbol stands for any value of its sort. Comparing two symbols asks the engine: what follows
//! from the comparisons made so far is answered, what does not is a fork. The run is repeated until
//! every combination of answers has been taken. So one run of a shape covers every number of hosts,
//! ids, tickets, generations and offsets that has that shape.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A symbol: equality only.
#[derive(Clone, Copy, Debug)]
pub struct Name(u32);

/// A symbol: equality and order.
#[derive(Clone, Copy, Debug)]
pub struct Number(u32);

/// Symbols that a run may have.
const MOST: usize = 40;

/// The facts of one run.
struct Run {
    /// What is known of pairs of symbols, closed under consequence; `known[a][b]` is a's relation
    /// to b. For names only `Equal` and "not equal" (`Less`) are told apart.
    known: [[Option<Ordering>; MOST]; MOST],
    symbols: u32,
    /// The successors handed out.
    next: Vec<(Number, Number)>,
    /// The answers to take, and how many there were at each fork.
    tape: Vec<(u8, u8)>,
    at: usize,
}

thread_local! {
    static RUN: RefCell<Run> = RefCell::new(Run::new(Vec::new()));
}

/// Runs `body` once for every combination of answers to the comparisons it makes. Returns how often.
pub fn every_path(mut body: impl FnMut()) -> u64 {
    let mut tape = Vec::new();
    let mut paths = 0;
    loop {
        RUN.with_borrow_mut(|run| {
            *run = Run::new(std::mem::take(&mut tape));
        });
        body();
        paths += 1;
        tape = RUN.with_borrow_mut(|run| std::mem::take(&mut run.tape));
        while let Some((taken, of)) = tape.pop() {
            if taken + 1 < of {
                tape.push((taken + 1, of));
                break;
            }
        }
        if tape.is_empty() {
            return paths;
        }
    }
}

impl Run {
    fn new(tape: Vec<(u8, u8)>) -> Self {
        Self {
            known: [[None; MOST]; MOST],
            symbols: 0,
            next: Vec::new(),
            tape,
            at: 0,
        }
    }

    fn fresh(&mut self) -> u32 {
        self.symbols += 1;
        assert!(
            self.symbols as usize <= MOST,
            "more symbols than there is room for"
        );
        self.symbols - 1
    }

    fn known(&self, a: u32, b: u32) -> Option<Ordering> {
        self.known[a as usize][b as usize]
    }

    fn know(&mut self, a: u32, b: u32, relation: Ordering) {
        self.known[a as usize][b as usize] = Some(relation);
    }

    fn choose(&mut self, of: u8) -> u8 {
        if self.at == self.tape.len() {
            self.tape.push((0, of));
        }
        let (taken, expected) = self.tape[self.at];
        assert_eq!(expected, of, "a run must repeat itself up to its last fork");
        self.at += 1;
        taken
    }

    /// Adds a relation between numbers and all that follows from it.
    fn learn(&mut self, a: u32, b: u32, relation: Ordering) {
        let mut todo = vec![(a, b, relation)];
        while let Some((a, b, relation)) = todo.pop() {
            if a == b || self.known(a, b) == Some(relation) {
                assert!(a != b || relation == Ordering::Equal, "contradiction");
                continue;
            }
            assert!(
                self.known(a, b).is_none(),
                "the engine only asks what it does not know"
            );
            self.know(a, b, relation);
            self.know(b, a, relation.reverse());
            for c in 0..self.symbols {
                // a ? b and b ? c
                if let Some(next) = self.known(b, c)
                    && let Some(joined) = join(relation, next)
                {
                    todo.push((a, c, joined));
                }
                // c ? a and a ? b
                if let Some(before) = self.known(c, a)
                    && let Some(joined) = join(before, relation)
                {
                    todo.push((c, b, joined));
                }
            }
        }
    }

    fn compare(&mut self, a: u32, b: u32) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        if let Some(known) = self.known(a, b) {
            return known;
        }
        let answer = [Ordering::Less, Ordering::Equal, Ordering::Greater][self.choose(3) as usize];
        self.learn(a, b, answer);
        answer
    }

    fn same(&mut self, a: u32, b: u32) -> bool {
        if a == b {
            return true;
        }
        if let Some(known) = self.known(a, b) {
            return known == Ordering::Equal;
        }
        let equal = self.choose(2) == 1;
        self.learn_name(a, b, equal);
        equal
    }

    /// Names: `Equal` joins classes, `Less` (either way round) keeps them apart.
    fn learn_name(&mut self, a: u32, b: u32, equal: bool) {
        let class = |run: &Self, of: u32| -> Vec<u32> {
            (0..run.symbols)
                .filter(|&c| c == of || run.known(of, c) == Some(Ordering::Equal))
                .collect()
        };
        let (left, right) = (class(self, a), class(self, b));
        let relation = if equal {
            Ordering::Equal
        } else {
            Ordering::Less
        };
        let mut apart = Vec::new();
        for &x in &left {
            for &y in &right {
                self.know(x, y, relation);
                self.know(y, x, relation);
            }
        }
        if equal {
            for c in 0..self.symbols {
                let differs = left
                    .iter()
                    .chain(&right)
                    .any(|x| self.known(*x, c) == Some(Ordering::Less));
                if differs {
                    apart.push(c);
                }
            }
            for &x in left.iter().chain(&right) {
                for &c in &apart {
                    self.know(x, c, Ordering::Less);
                    self.know(c, x, Ordering::Less);
                }
            }
        }
    }
}

fn join(first: Ordering, second: Ordering) -> Option<Ordering> {
    match (first, second) {
        (Ordering::Equal, other) | (other, Ordering::Equal) => Some(other),
        (a, b) if a == b => Some(a),
        _ => None,
    }
}

/// One of `0..of`; every one in some run.
pub fn any(of: u8) -> u8 {
    RUN.with_borrow_mut(|run| run.choose(of))
}

impl Name {
    /// A symbol of which nothing is known.
    pub fn fresh() -> Self {
        RUN.with_borrow_mut(|run| Self(run.fresh()))
    }
}

impl Number {
    /// A symbol of which nothing is known.
    pub fn fresh() -> Self {
        RUN.with_borrow_mut(|run| Self(run.fresh()))
    }

    /// The successor: a number of which only `self < next` is known, the same one for equal numbers.
    pub fn next(self) -> Self {
        let made = RUN.with_borrow(|run| run.next.clone());
        for (of, next) in made {
            if of == self {
                return next;
            }
        }
        RUN.with_borrow_mut(|run| {
            let next = Self(run.fresh());
            run.learn(self.0, next.0, Ordering::Less);
            run.next.push((self, next));
            next
        })
    }
}

// Nothing known tells two symbols apart, so they all hash alike. The core hashes nothing.
impl Hash for Name {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Hash for Number {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        RUN.with_borrow_mut(|run| run.same(self.0, other.0))
    }
}

impl Eq for Name {}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        RUN.with_borrow_mut(|run| run.compare(self.0, other.0))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_have_thirteen_orders() {
        let mut seen = std::collections::BTreeSet::new();
        let paths = every_path(|| {
            let (a, b, c) = (Number::fresh(), Number::fresh(), Number::fresh());
            seen.insert((a.cmp(&b), b.cmp(&c), a.cmp(&c)));
        });
        assert_eq!((paths, seen.len()), (13, 13));
    }

    #[test]
    fn four_names_have_fifteen_partitions() {
        let mut seen = std::collections::BTreeSet::new();
        let paths = every_path(|| {
            let names = [(); 4].map(|()| Name::fresh());
            let mut row = Vec::new();
            for i in 0..4 {
                for j in i + 1..4 {
                    row.push(names[i] == names[j]);
                }
            }
            seen.insert(row);
        });
        assert_eq!((paths, seen.len()), (15, 15));
    }

    #[test]
    fn a_successor_is_greater_and_the_same_for_equals() {
        every_path(|| {
            let (a, b) = (Number::fresh(), Number::fresh());
            assert!(a < a.next());
            if a == b {
                assert!(a.next() == b.next());
            }
        });
    }
}
