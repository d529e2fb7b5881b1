use proptest::prelude::*;

use super::*;

/// Panics unless what inner nodes say of their children is true and no child is empty.
fn check_node(node: &Node, depth: usize) -> (usize, usize) {
    match node {
        Node::Leaf(items) => {
            assert!(items.len() <= LEAF);
            (items.len(), depth)
        }
        Node::Inner(children) => {
            assert!(!children.is_empty() && children.len() <= FANOUT);
            let mut count = 0;
            let mut depths = Vec::new();
            for child in children {
                let (below, depth) = check_node(&child.node, depth + 1);
                assert_eq!(below, child.count as usize);
                assert_ne!(below, 0);
                let first = Child::of((*child.node).clone()).map(|c| c.first);
                assert_eq!(first, Some(child.first));
                count += below;
                depths.push(depth);
            }
            assert!(depths.windows(2).all(|d| d[0] == d[1]));
            (count, depths[0])
        }
    }
}

fn check(tree: &Ranked, model: &[Item]) {
    let (count, _) = check_node(&tree.root, 0);
    assert_eq!((tree.len(), count), (model.len(), model.len()));
    assert!(tree.range(0, usize::MAX).eq(model.iter().copied()));
    assert!(
        tree.range(0, model.len())
            .rev()
            .eq(model.iter().rev().copied())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn behaves_like_a_vector(ops in proptest::collection::vec((0u8..10, any::<usize>()), 0..3000), bias in 2u8..9) {
        let (mut tree, mut model) = (Ranked::new(), Vec::new());
        for (id, (op, at)) in ops.into_iter().enumerate() {
            let item = Item::new(id as f64, id);
            if op < bias {
                let at = at % (model.len() + 1);
                tree.insert(at, item);
                model.insert(at, item);
            } else if !model.is_empty() {
                let at = at % model.len();
                if op == 9 {
                    tree.set(at, item);
                    model[at] = item;
                } else {
                    tree.remove(at);
                    model.remove(at);
                }
                prop_assert_eq!(tree.get(at), model.get(at).copied());
            }
        }
        check(&tree, &model);
        let (from, to) = (model.len() / 3, model.len() * 2 / 3);
        let mut range = tree.range(from, to);
        prop_assert_eq!(range.len(), to - from);
        // From both ends at once.
        let (mut low, mut high) = (from, to);
        while let Some(item) = range.next() {
            prop_assert_eq!(item, model[low]);
            low += 1;
            if let Some(item) = range.next_back() {
                high -= 1;
                prop_assert_eq!(item, model[high]);
            }
        }
        prop_assert_eq!(low, high);
    }
}

#[test]
fn finds_the_boundary_of_any_prefix() {
    let mut tree = Ranked::new();
    let n = 10_000;
    for i in 0..n {
        tree.insert(i, Item::new(i as f64, i));
    }
    for i in 0..=n {
        assert_eq!(tree.partition(|item| item.id() < i), i);
    }
    assert_eq!(Ranked::new().partition(|_| true), 0);
}

#[test]
fn growing_at_the_end_fills_the_leaves() {
    let mut tree = Ranked::new();
    for i in 0..64 * LEAF {
        tree.insert(i, Item::new(i as f64, i));
    }
    let Node::Inner(children) = &tree.root else {
        panic!("it has grown");
    };
    assert!(children.len() <= 3, "{}", children.len());
}

#[test]
fn emptied_from_the_front_it_stays_whole() {
    let mut tree = Ranked::new();
    for i in 0..5000 {
        tree.insert(i, Item::new(i as f64, i));
    }
    for i in 0..5000 {
        assert_eq!(tree.get(0).map(Item::id), Some(i));
        tree.remove(0);
        if i % 100 == 0 {
            check_node(&tree.root, 0);
        }
    }
    assert_eq!(tree.len(), 0);
    assert_eq!(tree.range(0, 10).count(), 0);
}
