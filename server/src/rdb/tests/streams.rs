//! Streams in all three forms, put together by hand, and what is wrong with some.

use proptest::prelude::*;

use super::by_hand::{key, snapshot, string};
use super::{Plain, read};
use crate::rdb::dump;
use crate::rdb::error::RdbError;
use crate::rdb::format::{Dialect, Kind};
use crate::store::stream::{Group, Id, Pending, Stream};
use crate::store::{Limits, Object};

fn id(ms: u64, seq: u64) -> Id {
    Id { ms, seq }
}

/// Five entries in three nodes, one of them deleted, and two groups.
fn sample() -> Stream {
    let limits = Limits {
        stream_node_max_entries: 2,
        ..Limits::default()
    };
    let mut stream = Stream::new();
    for n in 1..=5u8 {
        let value = [b'v', b'0' + n];
        let entry: [[&[u8]; 2]; 2] = [[b"field", &value], [b"n", b"17"]];
        stream.add(id(n.into(), 1), &entry[usize::from(n % 2)..], &limits);
    }
    stream.delete(id(2, 1));
    let mut group = Group::new(id(4, 1), 4);
    for (name, time, ids) in [(b"ann", 5, [1, 3]), (b"bob", 6, [4, 5])] {
        let owner = group.add_consumer(name, time);
        for ms in ids {
            let count = ms * 100;
            group.set_pending(id(ms, 1), Pending { owner, time, count });
        }
    }
    stream.add_group(b"group", group);
    stream.add_group(b"12", Group::new(id(0, 0), Group::UNKNOWN));
    stream
}

fn length(value: u64) -> Vec<u8> {
    [&[0x81][..], &value.to_be_bytes()].concat()
}

fn lengths(ids: &[Id]) -> Vec<u8> {
    let both = ids.iter().flat_map(|id| [id.ms, id.seq]);
    both.flat_map(length).collect()
}

/// The parts of a value, as `kind` has them.
#[derive(Clone)]
struct Parts {
    nodes: Vec<(Vec<u8>, Vec<u8>)>,
    len: u64,
    /// The last ID; in later forms the first one and the last one deleted.
    marks: Vec<Id>,
    added: Option<u64>,
    groups: Vec<GroupParts>,
    /// Consumers have a second time.
    active: bool,
}

#[derive(Clone)]
struct GroupParts {
    name: Vec<u8>,
    last: Id,
    read: Option<u64>,
    pending: Vec<(Id, i64, u64)>,
    consumers: Vec<(Vec<u8>, i64, Vec<Id>)>,
}

impl Parts {
    fn of(stream: &Stream, kind: Kind) -> Parts {
        let marks = stream.marks();
        let old = kind == Kind::Stream;
        let group = |(name, group): (&[u8], &Group)| GroupParts {
            name: name.to_vec(),
            last: group.last,
            read: (!old).then_some(group.read as u64),
            pending: group
                .pending_from(Id::MIN)
                .map(|(id, p)| (id, p.time, p.count))
                .collect(),
            consumers: group
                .consumers()
                .filter_map(|(name, number)| Some((name, group.consumer(number)?)))
                .map(|(name, c)| (name.to_vec(), c.seen, c.pending_from(Id::MIN).collect()))
                .collect(),
        };
        Parts {
            nodes: stream
                .packs()
                .map(|(id, pack)| (id.to_bytes().to_vec(), pack.to_vec()))
                .collect(),
            len: stream.len(),
            marks: match old {
                true => vec![marks.last],
                false => vec![marks.last, marks.first, marks.max_deleted],
            },
            added: (!old).then_some(marks.added),
            groups: stream.groups().map(group).collect(),
            active: kind == Kind::Stream3,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = length(self.nodes.len() as u64);
        for (first, pack) in &self.nodes {
            out.extend([string(first), string(pack)].concat());
        }
        out.extend(length(self.len));
        out.extend(lengths(&self.marks));
        out.extend(self.added.map(length).unwrap_or_default());
        out.extend(length(self.groups.len() as u64));
        for group in &self.groups {
            out.extend(string(&group.name));
            out.extend(lengths(&[group.last]));
            out.extend(group.read.map(length).unwrap_or_default());
            out.extend(length(group.pending.len() as u64));
            for (id, time, count) in &group.pending {
                out.extend([&id.to_bytes()[..], &time.to_le_bytes(), &length(*count)].concat());
            }
            out.extend(length(group.consumers.len() as u64));
            for (name, seen, ids) in &group.consumers {
                out.extend([string(name), seen.to_le_bytes().to_vec()].concat());
                if self.active {
                    out.extend((-1i64).to_le_bytes());
                }
                out.extend(length(ids.len() as u64));
                ids.iter().for_each(|id| out.extend(id.to_bytes()));
            }
        }
        out
    }
}

const FORMS: [Kind; 3] = [Kind::Stream, Kind::Stream2, Kind::Stream3];

fn read_value(kind: Kind, value: &[u8]) -> Result<Plain, RdbError> {
    let (gather, _) = read(&snapshot(11, &key(kind, b"k", value)))?;
    let mut values = gather.keys.into_values();
    Ok(values.next().expect("one key").0)
}

#[test]
fn all_three_forms_are_read() {
    let stream = sample();
    for kind in FORMS {
        let mut want = stream.clone();
        if kind == Kind::Stream {
            // What it does not say is what can be known: as if nothing had been deleted.
            want = Stream::new();
            for (first, pack) in stream.packs() {
                want.load_pack(first, pack.to_vec()).unwrap();
            }
            let marks = crate::store::stream::Marks {
                last: stream.marks().last,
                added: stream.len(),
                ..Default::default()
            };
            want.load_marks(stream.len(), marks, false).unwrap();
            for (name, group) in stream.groups() {
                let mut group = group.clone();
                group.read = want.distance(group.last);
                want.add_group(name, group);
            }
        }
        let value = read_value(kind, &Parts::of(&stream, kind).bytes()).unwrap();
        assert_eq!(value, Plain::Stream(format!("{want:?}")), "{kind}");
    }
}

#[test]
fn an_empty_stream_is_a_key() {
    let value = read_value(
        Kind::Stream2,
        &Parts::of(&Stream::new(), Kind::Stream2).bytes(),
    );
    assert_eq!(
        value.unwrap(),
        Plain::Stream(format!("{:?}", Stream::new()))
    );
}

#[test]
fn what_contradicts_itself_is_refused() {
    type Spoil = fn(&mut Parts);
    let spoils: [(&str, Spoil); 12] = [
        ("a node's ID is short", |p| p.nodes[0].0.truncate(15)),
        ("a node's ID is not its first entry's", |p| {
            p.nodes[0].0[7] = 9
        }),
        ("nodes change places", |p| p.nodes.swap(0, 1)),
        ("a node is there twice", |p| {
            p.nodes.insert(0, p.nodes[0].clone())
        }),
        ("a node is empty", |p| {
            p.nodes[0].1 = vec![7, 0, 0, 0, 0, 0, 0xff]
        }),
        ("the length is another", |p| p.len += 1),
        ("the last ID is too low", |p| p.marks[0] = id(5, 0)),
        ("a group is there twice", |p| {
            p.groups.push(p.groups[0].clone())
        }),
        ("an entry is pending twice", |p| {
            let pending = &mut p.groups[1].pending;
            pending.push(pending[0]);
        }),
        ("a consumer is there twice", |p| {
            let consumers = &mut p.groups[1].consumers;
            consumers.push((consumers[0].0.clone(), 0, Vec::new()));
        }),
        ("a consumer has what is not pending", |p| {
            p.groups[1].consumers[0].2.push(id(77, 1));
        }),
        ("nobody has what is pending", |p| {
            p.groups[1].consumers[0].2.truncate(1)
        }),
    ];
    for kind in FORMS {
        let parts = Parts::of(&sample(), kind);
        assert!(read_value(kind, &parts.bytes()).is_ok());
        for (what, spoil) in spoils {
            let mut bad = parts.clone();
            spoil(&mut bad);
            let result = read_value(kind, &bad.bytes());
            assert!(
                matches!(result, Err(RdbError::Corrupt { .. })),
                "{kind}, {what}: {result:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn a_changed_byte_is_survived(at in any::<prop::sample::Index>(), to: u8, form in 0usize..3) {
        let mut value = Parts::of(&sample(), FORMS[form]).bytes();
        let at = at.index(value.len());
        value[at] = to;
        if let Ok(Plain::Stream(shown)) = read_value(FORMS[form], &value) {
            prop_assert!(!shown.is_empty());
        }
    }
}

#[test]
fn a_dump_is_restored() {
    let stream = sample();
    let bytes = dump::dump(
        Object::Stream(Box::new(stream.clone())).as_ref(),
        Dialect::Redis,
    );
    match dump::restore(&bytes, &Limits::default()) {
        Ok(Object::Stream(again)) => {
            assert_eq!(format!("{again:?}"), format!("{stream:?}"));
            assert_eq!(
                dump::dump(Object::Stream(again).as_ref(), Dialect::Redis),
                bytes
            );
        }
        other => panic!("{other:?}"),
    }
}
