//! The nodes of a list: one in place while there is only one, a queue of shared ones after.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::store::pack::Pack;

/// What a list is made of: elements, each a record of its own.
pub(super) type Node = Pack<1>;

/// Nodes in order, none of them empty, and how many elements are in them.
#[derive(Clone)]
pub(super) enum Nodes {
    /// None, if that one is empty. Most lists are short.
    One(Node),
    Many(Box<Many>),
}

#[derive(Clone, Default)]
pub(super) struct Many {
    nodes: VecDeque<Arc<Node>>,
    elements: usize,
}

impl Nodes {
    pub const fn new() -> Self {
        Nodes::One(Node::new())
    }

    /// How many elements there are.
    pub fn elements(&self) -> usize {
        match self {
            Nodes::One(node) => node.len(),
            Nodes::Many(many) => many.elements,
        }
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        match self {
            Nodes::One(node) => usize::from(!node.is_empty()),
            Nodes::Many(many) => many.nodes.len(),
        }
    }

    pub fn get(&self, k: usize) -> Option<&Node> {
        match self {
            Nodes::One(node) => (k == 0 && !node.is_empty()).then_some(node),
            Nodes::Many(many) => many.nodes.get(k).map(|node| &**node),
        }
    }

    /// Changes node `k`, if there is one, and drops it if that left it empty.
    pub fn edit<T>(&mut self, k: usize, change: impl FnOnce(&mut Node) -> T) -> Option<T> {
        match self {
            Nodes::One(node) if k == 0 && !node.is_empty() => Some(change(node)),
            Nodes::One(_) => None,
            Nodes::Many(many) => {
                let node = Arc::make_mut(many.nodes.get_mut(k)?);
                let before = node.len();
                let result = change(node);
                let after = node.len();
                many.elements = many.elements - before + after;
                if after == 0 {
                    many.nodes.remove(k);
                }
                Some(result)
            }
        }
    }

    /// Puts a node before node `k`, or at the end.
    pub fn insert(&mut self, k: usize, new: Node) {
        match self {
            Nodes::One(node) if node.is_empty() => *node = new,
            Nodes::One(_) => {
                self.many().insert(k, new);
            }
            Nodes::Many(many) => many.insert(k, new),
        }
    }

    /// Takes out the nodes of a range.
    pub fn remove(&mut self, range: Range<usize>) {
        match self {
            _ if range.is_empty() => {}
            Nodes::One(node) => *node = Node::new(),
            Nodes::Many(many) => {
                let gone = many.nodes.drain(range).map(|node| node.len());
                many.elements -= gone.sum::<usize>();
            }
        }
    }

    /// Appends node `left + 1` to node `left`.
    pub fn join(&mut self, left: usize) {
        if let Nodes::Many(many) = self
            && let Some(right) = many.nodes.remove(left + 1)
            && let Some(left) = many.nodes.get_mut(left)
        {
            Arc::make_mut(left).append(&right);
        }
    }

    /// Puts others in place of the nodes that `change` gives others for, one after the other from an end; then drops the
    /// empty ones and joins neighbours that are `joinable`, if any was changed.
    pub fn rewrite(
        &mut self,
        from_last: bool,
        mut change: impl FnMut(&Node) -> Option<Node>,
        joinable: impl Fn(&Node, &Node) -> bool,
    ) {
        let many = match self {
            Nodes::One(node) => {
                if let Some(new) = change(node) {
                    *node = new;
                }
                return;
            }
            Nodes::Many(many) => many,
        };
        let before = many.elements;
        let mut rewrite = |node: &mut Arc<Node>| {
            if let Some(new) = change(node) {
                many.elements = many.elements + new.len() - node.len();
                *node = Arc::new(new);
            }
        };
        match from_last {
            false => many.nodes.iter_mut().for_each(&mut rewrite),
            true => many.nodes.iter_mut().rev().for_each(&mut rewrite),
        }
        if many.elements == before {
            return;
        }
        for node in std::mem::take(&mut many.nodes) {
            match many.nodes.back_mut() {
                _ if node.is_empty() => {}
                Some(last) if joinable(last, &node) => Arc::make_mut(last).append(&node),
                _ => many.nodes.push_back(node),
            }
        }
    }

    /// From either end.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Node> + Clone {
        self.range(0)
    }

    /// Those from `k` on.
    pub fn range(&self, k: usize) -> impl DoubleEndedIterator<Item = &Node> + Clone {
        let (one, many) = match self {
            Nodes::One(_) => (self.get(k), None),
            Nodes::Many(many) => (None, Some(many.nodes.range(k.min(many.nodes.len())..))),
        };
        let many = many.into_iter().flatten().map(|node| &**node);
        one.into_iter().chain(many)
    }

    /// Bytes allocated, by estimate.
    pub fn memory_usage(&self) -> usize {
        /// A pack, and two counts before it.
        const OF_NODE: usize = size_of::<Node>() + 2 * size_of::<usize>();
        match self {
            Nodes::One(node) => node.capacity(),
            Nodes::Many(many) => {
                let nodes = many.nodes.iter().map(|node| OF_NODE + node.capacity());
                let places = many.nodes.capacity() * size_of::<usize>();
                size_of::<Many>() + places + nodes.sum::<usize>()
            }
        }
    }

    fn many(&mut self) -> &mut Many {
        if let Nodes::One(node) = self {
            let node = std::mem::take(node);
            let elements = node.len();
            let nodes = VecDeque::from([Arc::new(node)]);
            *self = Nodes::Many(Box::new(Many { nodes, elements }));
        }
        match self {
            Nodes::Many(many) => many,
            Nodes::One(_) => unreachable!("just converted"),
        }
    }
}

impl Many {
    fn insert(&mut self, k: usize, node: Node) {
        self.elements += node.len();
        self.nodes.insert(k.min(self.nodes.len()), Arc::new(node));
    }
}
