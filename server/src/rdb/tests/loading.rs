//! Loading into a dataset.

use super::by_hand::{key, snapshot, string, strings};
use crate::rdb::error::{Blame, RdbError};
use crate::rdb::format::{Kind, op};
use crate::rdb::load::{Expired, Loader, Position};
use crate::rdb::read::{Options, Reader, Refusal};
use crate::store::Dataset;

/// Loads into a dataset of two databases.
fn load(body: &[u8], expired: Expired) -> Result<(Dataset, u64, Option<Position>), RdbError> {
    let dataset = Dataset::new(2);
    let mut loader = Loader::new(&dataset, expired);
    Reader::new(&snapshot(10, body)[..], Options::default()).read(&mut loader)?;
    let (dropped, position) = (loader.dropped(), loader.position());
    drop(loader);
    Ok((dataset, dropped, position))
}

#[test]
fn a_loader_fills_a_dataset() {
    let id = [b'a'; 40];
    let aux = |name: &str, value: &[u8]| {
        [&[op::AUX], &string(name.as_bytes())[..], &string(value)].concat()
    };
    let expiring = |at: i64, name: &str| {
        let at = [&[op::EXPIRETIME_MS], &at.to_le_bytes()[..]].concat();
        [at, key(Kind::String, name.as_bytes(), &string(b"v"))].concat()
    };
    let facts = [
        aux("repl-id", &id),
        aux("repl-offset", b"123"),
        aux("repl-stream-db", b"-1"),
    ]
    .concat();
    let keys = [
        vec![op::SELECTDB, 1],
        expiring(5000, "past"),
        expiring(5001, "future"),
        key(Kind::Set, b"set", &strings(1, &["m"])),
    ]
    .concat();
    let body = [facts, keys.clone()].concat();
    let (dataset, dropped, position) = load(&body, Expired::Keep).unwrap();
    assert_eq!((dataset.len(), dropped), (3, 0));
    let want = Position {
        id: String::from_utf8_lossy(&id).into_owned(),
        offset: 123,
        stream_db: 0,
    };
    assert_eq!(position, Some(want));
    // Where adding a byte would overflow, no stream stands.
    let far = aux("repl-offset", u64::MAX.to_string().as_bytes());
    let far = [aux("repl-id", &id), far].concat();
    assert_eq!(load(&far, Expired::Keep).unwrap().2, None);
    let (dataset, dropped, _) = load(&body, Expired::DropBy(5000)).unwrap();
    assert_eq!((dataset.len(), dropped), (3, 0), "it stands in a history");
    let (dataset, dropped, _) = load(&keys, Expired::DropBy(5000)).unwrap();
    assert_eq!((dataset.len(), dropped), (2, 1));
    let db = &dataset.dbs()[1];
    assert!(db.contains(b"future") && db.contains(b"set"));
    assert_eq!(db.expires(), 1);

    let error = load(
        &[op::SELECTDB, 2]
            .into_iter()
            .chain(body)
            .collect::<Vec<_>>(),
        Expired::Keep,
    );
    assert!(error.is_ok(), "a database may be selected and have no keys");
    let beyond = [
        vec![op::SELECTDB, 2],
        key(Kind::String, b"k", &string(b"v")),
    ]
    .concat();
    let error = load(&beyond, Expired::Keep)
        .err()
        .map(|error| error.to_string());
    assert!(error.is_some_and(|text| text.contains("database 2") && text.contains("for 2")));
}

#[test]
fn a_load_can_be_stopped() {
    let dataset = Dataset::new(1);
    let text = vec![b'x'; 200_000];
    let body: Vec<u8> = (0..10)
        .flat_map(|i| key(Kind::String, &[b'k', i], &string(&text)))
        .collect();
    let mut loader = Loader::new(&dataset, Expired::Keep).watched_by(|read| match read {
        1_000_000.. => Err(Refusal::Stopped("the load was cancelled".to_owned())),
        _ => Ok(()),
    });
    let error = Reader::new(&snapshot(10, &body)[..], Options::default())
        .read(&mut loader)
        .unwrap_err();
    assert_eq!(error.blame(), Blame::Here);
    assert!(
        error
            .to_string()
            .contains("the load was cancelled at byte 1"),
        "{error}"
    );
}
