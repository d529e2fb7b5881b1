//! The first few elements of a sorted order, chosen as Redis chooses them.
//!
//! Where elements are equal, which of them come first shows in replies and in what is stored. Redis uses the quicksort of
//! Bentley and McIlroy ("Engineering a sort function", 1993), and leaves alone the parts that nobody asked for.

use std::cmp::Ordering;
use std::ops::Range;

/// Brings those elements of `items` into place that are in `wanted` when all are sorted. All of them: a stable sort.
pub(super) fn partial_sort<T>(
    items: &mut [T],
    wanted: Range<usize>,
    order: impl Fn(&T, &T) -> Ordering,
) {
    if wanted == (0..items.len()) {
        return items.sort_by(order);
    }
    // Parts that are still to be sorted; a stack of their own, since a bad order of elements makes it deep.
    let mut parts: Vec<Range<usize>> = std::iter::once(0..items.len()).collect();
    while let Some(part) = parts.pop() {
        let start = part.start;
        let (low, high) = divide(&mut items[part.clone()], &order);
        let rest = [start + high..part.end, start..start + low];
        parts.extend(
            rest.into_iter()
                .filter(|r| r.len() > 1 && r.start < wanted.end && wanted.start < r.end),
        );
    }
}

/// Splits `items` into what is before `.0`, and so before the pivot, what is from `.1` on, and so behind it, and what is
/// equal to it. A few items are sorted.
fn divide<T>(items: &mut [T], order: &impl Fn(&T, &T) -> Ordering) -> (usize, usize) {
    let n = items.len();
    if n < 7 {
        for i in 1..n {
            for j in (1..=i).rev() {
                if order(&items[j - 1], &items[j]).is_le() {
                    break;
                }
                items.swap(j - 1, j);
            }
        }
        return (0, n);
    }
    let pivot = pivot(items, order);
    items.swap(0, pivot);
    // Equal ones gather at both ends: before `a`, and behind `d`.
    let (mut a, mut b, mut c, mut d) = (1, 1, n - 1, n - 1);
    loop {
        while b <= c {
            match order(&items[b], &items[0]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    items.swap(a, b);
                    a += 1;
                }
                Ordering::Less => {}
            }
            b += 1;
        }
        while b <= c {
            match order(&items[c], &items[0]) {
                Ordering::Less => break,
                Ordering::Equal => {
                    items.swap(c, d);
                    d -= 1;
                }
                Ordering::Greater => {}
            }
            c -= 1;
        }
        if b > c {
            break;
        }
        items.swap(b, c);
        b += 1;
        c -= 1;
    }
    let left = a.min(b - a);
    (0..left).for_each(|i| items.swap(i, b - left + i));
    let right = (d - c).min(n - d - 1);
    (0..right).for_each(|i| items.swap(b + i, n - right + i));
    (b - a, n - (d - c))
}

/// The middle of some items, of which there are seven or more.
fn pivot<T>(items: &[T], order: &impl Fn(&T, &T) -> Ordering) -> usize {
    let median = |a: usize, b: usize, c: usize| {
        let less = |x: usize, y: usize| order(&items[x], &items[y]).is_lt();
        match less(a, b) {
            true if less(b, c) => b,
            true => {
                if less(a, c) {
                    c
                } else {
                    a
                }
            }
            false if less(c, b) => b,
            false => {
                if less(a, c) {
                    a
                } else {
                    c
                }
            }
        }
    };
    let n = items.len();
    let (mut low, mut middle, mut high) = (0, n / 2, n - 1);
    if n == 7 {
        return middle;
    }
    if n > 40 {
        let d = n / 8;
        low = median(low, low + d, low + 2 * d);
        middle = median(middle - d, middle, middle + d);
        high = median(high - 2 * d, high - d, high);
    }
    median(low, middle, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_wanted_is_in_place(
            items in prop::collection::vec(0u8..20, 0..300),
            from in 0usize..300,
            len in 0usize..300,
        ) {
            let mut sorted = items.clone();
            sorted.sort_unstable();
            let from = from.min(items.len());
            let wanted = from..(from + len).min(items.len());
            let mut partly = items;
            partial_sort(&mut partly, wanted.clone(), u8::cmp);
            prop_assert_eq!(&partly[wanted.clone()], &sorted[wanted]);
            partly.sort_unstable();
            prop_assert_eq!(partly, sorted);
        }
    }
}
