//! What is in a dataset, to be compared.

use damselfly_server::rdb::dump::dump;
use damselfly_server::rdb::format::Dialect;
use damselfly_server::store::{Dataset, Snapshot, ValueRef};
use std::collections::BTreeMap;

/// A value as DUMP shows it, and its expiry, by database and key.
pub type Content = BTreeMap<(usize, Vec<u8>), (Vec<u8>, Option<i64>)>;

/// Everything in `dataset`.
pub fn of(dataset: &Dataset) -> Content {
    let mut content = Content::new();
    let mut snapshot = Snapshot::begin(dataset);
    while let Some(db) = snapshot.db() {
        snapshot.walk(&mut |key, value, expire_ms| {
            content.insert((db, key.to_vec()), (plain(value), expire_ms));
        });
    }
    content
}

/// The order in a hash table is nobody's business, so of one only the bytes count.
fn plain(value: ValueRef<'_>) -> Vec<u8> {
    let unordered = value.encoding() == "hashtable";
    let mut bytes = dump(value, Dialect::Redis);
    if unordered {
        // Without the sum, which knows the order.
        bytes.truncate(bytes.len().saturating_sub(8));
        bytes.sort_unstable();
    }
    bytes
}
