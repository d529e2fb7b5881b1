use proptest::prelude::*;

use super::Refs;
use super::*;

fn limits(entries: i64) -> Limits {
    Limits {
        stream_node_max_entries: entries,
        ..Limits::default()
    }
}

fn id(ms: u64, seq: u64) -> Id {
    Id { ms, seq }
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;
type Model = Vec<(Id, Fields)>;

fn owned(record: Record<'_>) -> (Id, Fields) {
    let mut digits = itoa::Buffer::new();
    let mut text = |item: crate::store::item::Item<'_>| item.bytes(&mut digits).to_vec();
    let fields = record.fields().map(|(f, v)| (text(f), text(v))).collect();
    (record.id, fields)
}

#[derive(Clone, Debug)]
enum Op {
    Add(u64, u64, Fields),
    Delete(usize),
    TrimTo(u64, bool),
    TrimFrom(usize, bool),
    Range(u64, u64),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-c]".prop_map(String::into_bytes),
        2 => any::<i32>().prop_map(|n| n.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let fields = prop::collection::vec((text(), text()), 1..4);
    prop_oneof![
        8 => (0u64..3, 0u64..4, fields).prop_map(|(ms, seq, fields)| Op::Add(ms, seq, fields)),
        2 => (0usize..60).prop_map(Op::Delete),
        1 => (0u64..60, any::<bool>()).prop_map(|(len, roughly)| Op::TrimTo(len, roughly)),
        1 => (0usize..60, any::<bool>()).prop_map(|(at, roughly)| Op::TrimFrom(at, roughly)),
        2 => (0u64..80, 0u64..80).prop_map(|(from, to)| Op::Range(from, to)),
    ]
}

fn apply(stream: &mut Stream, model: &mut Model, op: Op, limits: &Limits) {
    match op {
        Op::Add(ms, seq, fields) => {
            let last = stream.marks().last;
            let new = NewId::Exactly(id(last.ms + ms, seq));
            let Some(new) = stream.new_id(new) else {
                assert!(id(last.ms + ms, seq) <= last);
                return;
            };
            let pairs: Vec<[&[u8]; 2]> = fields.iter().map(|(f, v)| [&f[..], &v[..]]).collect();
            stream.add(new, &pairs, limits);
            model.push((new, fields));
        }
        Op::Delete(at) => {
            let gone = model.get(at).map_or(id(7777, 0), |entry| entry.0);
            assert_eq!(stream.delete(gone), at < model.len());
            model.retain(|entry| entry.0 != gone);
        }
        Op::TrimTo(len, roughly) => {
            let trim = Trim {
                to: TrimTo::Len(len),
                roughly,
                limit: 0,
                refs: Refs::Keep,
            };
            let gone = stream.trim(&trim) as usize;
            let most = model.len().saturating_sub(len as usize);
            assert!(if roughly { gone <= most } else { gone == most });
            model.drain(..gone);
        }
        Op::TrimFrom(at, roughly) => {
            let from = model.get(at).map_or(id(5, 0), |entry| entry.0);
            let trim = Trim {
                to: TrimTo::From(from),
                roughly,
                limit: 0,
                refs: Refs::Keep,
            };
            let gone = stream.trim(&trim) as usize;
            let most = model.iter().filter(|entry| entry.0 < from).count();
            assert!(if roughly { gone <= most } else { gone == most });
            model.drain(..gone);
        }
        Op::Range(from, to) => {
            let (from, to) = (id(from, 1), id(to, 2));
            if from <= to {
                let mut want: Model = model.clone();
                want.retain(|entry| (from..=to).contains(&entry.0));
                let got: Model = stream.range(from, to).map(owned).collect();
                assert_eq!(got, want);
                let mut back: Model = stream.range_back(from, to).map(owned).collect();
                back.reverse();
                assert_eq!(back, want);
            }
        }
    }
}

fn reloaded(stream: &Stream) -> Stream {
    let mut again = Stream::new();
    for (first, pack) in stream.packs() {
        again
            .load_pack(first, pack.to_vec())
            .expect("what was written is sound");
    }
    again
        .load_marks(stream.len(), *stream.marks(), true)
        .expect("the marks fit");
    again
}

proptest! {
    #[test]
    fn a_stream_is_a_sorted_sequence(ops in prop::collection::vec(op(), 1..120), size in 1i64..8) {
        let limits = limits(size);
        let (mut stream, mut model) = (Stream::new(), Model::new());
        let mut added = 0;
        for op in ops {
            let copy = stream.clone();
            let before = model.clone();
            apply(&mut stream, &mut model, op, &limits);
            // A snapshot's copy does not change with it.
            let kept: Model = copy.range(Id::MIN, Id::MAX).map(owned).collect();
            prop_assert_eq!(&kept, &before);
            prop_assert_eq!(stream.len() as usize, model.len());
            prop_assert_eq!(stream.marks().first, model.first().map_or(Id::MIN, |e| e.0));
            prop_assert_eq!(stream.last_entry(), model.last().map(|e| e.0));
            prop_assert!(stream.marks().added >= added);
            added = stream.marks().added;
        }
        let all: Model = stream.range(Id::MIN, Id::MAX).map(owned).collect();
        prop_assert_eq!(&all, &model);
        let again = reloaded(&stream);
        prop_assert_eq!(format!("{again:?}"), format!("{stream:?}"));
    }

    #[test]
    fn damaged_nodes_are_refused_or_make_sense(
        ops in prop::collection::vec(op(), 1..12), at in any::<prop::sample::Index>(), bit in 0u8..8, cut: bool,
    ) {
        let (mut stream, mut model) = (Stream::new(), Model::new());
        for op in ops {
            apply(&mut stream, &mut model, op, &limits(100));
        }
        if let Some((first, pack)) = stream.packs().next() {
            let mut bad = pack.to_vec();
            let at = at.index(bad.len());
            match cut {
                true => bad.truncate(at),
                false => bad[at] ^= 1 << bit,
            }
            let mut again = Stream::new();
            if again.load_pack(first, bad).is_ok() {
                let marks = Marks { last: Id::MAX, ..Marks::default() };
                let len = again.len();
                again.load_marks(len, marks, false).expect("they fit");
                let forth = again.range(Id::MIN, Id::MAX).map(owned).count();
                let back = again.range_back(Id::MIN, Id::MAX).map(owned).count();
                prop_assert_eq!((forth, back), (again.len() as usize, again.len() as usize));
            }
        }
    }
}

#[test]
fn ids_go_on_from_the_last_one() {
    let mut stream = Stream::new();
    let given = |stream: &Stream, new| stream.new_id(new);
    assert_eq!(given(&stream, NewId::Exactly(Id::MIN)), None);
    assert_eq!(given(&stream, NewId::Of(0)), Some(id(0, 1)));
    stream.set_marks(id(5, u64::MAX), None, None);
    assert_eq!(given(&stream, NewId::Of(5)), None);
    assert_eq!(given(&stream, NewId::Of(6)), Some(id(6, 0)));
    assert_eq!(given(&stream, NewId::Now(5)), Some(id(6, 0)));
    assert_eq!(given(&stream, NewId::Now(9)), Some(id(9, 0)));
    assert_eq!(given(&stream, NewId::Exactly(id(5, 7))), None);
}

#[test]
fn the_index_has_as_many_nodes_as_that_of_redis() {
    let mut stream = Stream::new();
    // What redis-server 7.0.15 tells after each of these, a node for each entry.
    for (new, nodes) in [
        (id(1, 1), 2),
        (id(1, 2), 4),
        (id(1, 300), 7),
        (id(1 << 60, 0), 10),
    ] {
        stream.add(new, &[[b"f", b"v"]], &limits(1));
        assert_eq!(stream.radix_nodes(), nodes, "{new}");
    }
    assert_eq!(Stream::new().radix_nodes(), 1);
}

#[test]
fn a_copy_shares_what_does_not_change() {
    let mut stream = Stream::new();
    for n in 1..=1000 {
        stream.add(id(n, 0), &[[b"f", b"v"]], &limits(100));
    }
    let copy = stream.clone();
    stream.add(id(2000, 0), &[[b"f", b"v"]], &limits(100));
    let shared = |(a, b): (&Arc<Node>, &Arc<Node>)| Arc::ptr_eq(a, b);
    let nodes = stream.nodes.values().zip(copy.nodes.values());
    assert_eq!(nodes.filter(|pair| shared(*pair)).count(), 10);
}

#[test]
fn an_entry_takes_no_more_than_its_bytes_and_some() {
    let mut stream = Stream::new();
    for n in 1..=100_000u64 {
        stream.add(
            id(1_700_000_000_000 + n, 0),
            &[[b"field", b"sixteen bytes ok"]],
            &limits(100),
        );
    }
    // Redis takes about 29 bytes for each: the value, its length twice, flags, ID, size.
    let each = stream.memory_usage() as f64 / 100_000.0;
    assert!(each < 29.0, "{each} bytes");
}

#[test]
fn consumers_come_and_go() {
    let mut group = Group::new(Id::MIN, 0);
    let (a, b) = (group.add_consumer(b"a", 1), group.add_consumer(b"b", 2));
    for n in 1..=6 {
        let owner = if n % 2 == 0 { a } else { b };
        group.set_pending(
            id(n, 0),
            Pending {
                owner,
                time: 5,
                count: 1,
            },
        );
    }
    group.set_pending(
        id(1, 0),
        Pending {
            owner: a,
            time: 6,
            count: 2,
        },
    );
    let count = |group: &Group, number| group.consumer(number).map(Consumer::pending_len);
    assert_eq!((count(&group, a), count(&group, b)), (Some(4), Some(2)));
    assert!(group.acknowledge(id(2, 0)) && !group.acknowledge(id(2, 0)));
    assert_eq!(group.remove_consumer(b"a"), Some(3));
    assert_eq!((group.pending_len(), count(&group, a)), (2, None));
    assert_eq!(group.add_consumer(b"c", 3), a);
    assert_eq!(group.name_of(a), b"c");
    assert_eq!(group.pending_ends(), Some((id(3, 0), id(5, 0))));
}
