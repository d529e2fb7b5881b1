use super::*;

fn filled(keys: usize) -> (Table, KeyHasher) {
    let hasher = KeyHasher::new();
    let mut table = Table::new(hasher.clone());
    for i in 0..keys {
        let key = i.to_string();
        let entry = Entry::string(key.as_bytes(), b"", None);
        table.insert(hasher.hash(key.as_bytes()), entry);
    }
    (table, hasher)
}

#[test]
fn everything_is_found_however_often_segments_split() {
    for keys in [0, 1, SEGMENT_MAX, SEGMENT_MAX + 1, 20_000] {
        let (mut table, hasher) = filled(keys);
        assert_eq!((table.len(), table.iter().count()), (keys, keys));
        for i in 0..keys {
            let key = i.to_string();
            let hash = hasher.hash(key.as_bytes());
            assert_eq!(
                table.get(hash, key.as_bytes()).unwrap().key(),
                key.as_bytes()
            );
        }
        let none = hasher.hash(b"none");
        assert!(table.get(none, b"none").is_none() && table.get_mut(none, b"none").is_none());
        let largest = table.segments.iter().map(|s| s.len()).max();
        assert!(largest.unwrap_or(0) <= SEGMENT_MAX);
        for i in 0..keys {
            let key = i.to_string();
            assert!(
                table
                    .remove(hasher.hash(key.as_bytes()), key.as_bytes())
                    .is_some()
            );
        }
        assert_eq!((table.len(), table.iter().count()), (0, 0));
    }
}

#[test]
fn segments_follow_one_another_in_the_order_of_places() {
    let (table, hasher) = filled(20_000);
    // All keys, whatever shard they belong to by rights, are in this one: only local places count.
    let end = places_of(0).end;
    let (mut place, mut seen, mut segments) = (0, 0, 0);
    while place < end {
        let (entries, next) = table.segment_at(place);
        for entry in entries {
            let local = hasher.hash(entry.key()) & (end - 1);
            assert!((place..next).contains(&local));
            seen += 1;
        }
        assert!(next > place);
        (place, segments) = (next, segments + 1);
    }
    assert_eq!((place, seen, segments), (end, 20_000, table.segments.len()));
}

#[test]
fn memory_goes_when_entries_go() {
    let (mut table, hasher) = filled(20_000);
    let full = table.heap_size();
    for i in 0..19_000 {
        let key = i.to_string();
        table.remove(hasher.hash(key.as_bytes()), key.as_bytes());
    }
    assert!(table.heap_size() * 3 < full, "{full} {}", table.heap_size());
}

#[test]
fn shards_are_ranges_of_places() {
    assert_eq!(places_of(0).start, 0);
    assert_eq!(places_of(SHARDS - 1).end, PLACE_MASK + 1);
    for hash in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
        assert!(places_of(shard_of(hash)).contains(&(hash & PLACE_MASK)));
    }
}

#[test]
fn homes_are_where_the_segments_are() {
    for keys in [1, 3_000, 50_000] {
        let (mut table, hasher) = filled(keys);
        let check = |table: &Table| {
            let homes = table.homes().all();
            let span = (1 << LOCAL_BITS) / homes.len() as u64;
            let (mut known, mut shared) = (0, 0);
            for (place, home) in (0..).step_by(span as usize).zip(homes) {
                let segment = table.segment(place).expect("there are entries");
                let alone = 1 << (LOCAL_BITS - segment.depth) >= span;
                assert_eq!(home, if alone { segment.home() } else { 0 }, "{keys}");
                (known, shared) = (known + u32::from(alone), shared + u32::from(!alone));
            }
            (known, shared)
        };
        let (known, shared) = check(&table);
        let large = keys == 50_000;
        assert_eq!((known > 0, shared > 0), (!large, large));
        for i in 0..keys - 1 {
            let key = i.to_string();
            table.remove(hasher.hash(key.as_bytes()), key.as_bytes());
        }
        check(&table);
    }
}
