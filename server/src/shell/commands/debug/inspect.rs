//! How keys are kept.

use super::{error, integer};
use crate::rdb::dump::serialized_len;
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::store::clock::Clock;
use crate::store::digest::Digest;
use crate::store::elem::Elem;
use crate::store::{Db, Entry, Object, ValueRef};
use std::fmt::Write as _;
use std::sync::Arc;

const NO_KEY: &str = "ERR no such key";
/// Elements that are printed of a value.
const PRINTED: usize = 1000;

fn db(call: &Call<'_>) -> Option<Arc<Db>> {
    let dataset = &call.world.view().dataset;
    dataset.db(call.session.db as usize).map(Arc::clone)
}

/// Gives the entry of `key`, expired or not, to `look`; an error for the client if there is none.
fn with_entry<T>(
    call: &mut Call<'_>,
    key: &[u8],
    look: impl FnOnce(&Call<'_>, &Entry) -> Result<T, String>,
) -> Result<T, String> {
    let Some(db) = db(call) else {
        return Err(NO_KEY.to_owned());
    };
    let (shard, hash) = db.lock_key(key);
    let entry = shard.get(hash, key).ok_or(NO_KEY)?;
    look(call, entry)
}

/// Replies `text` as a status, or what is wrong.
fn status(call: &mut Call<'_>, text: Result<String, String>) -> Flow {
    match text {
        Ok(text) => {
            call.out.simple(&text);
            Flow::Next
        }
        Err(why) => error(call, &why),
    }
}

pub(super) fn digests(call: &mut Call<'_>, keys: &[&[u8]]) -> Flow {
    call.out.array(keys.len());
    for key in keys {
        let digest = with_entry(call, key, |_, entry| Ok(Digest::of_value(entry)));
        call.out.simple(&digest.unwrap_or_default().to_string());
    }
    Flow::Next
}

pub(super) fn object(call: &mut Call<'_>, key: &[u8]) -> Flow {
    let text = with_entry(call, key, |call, entry| Ok(described(call, entry)));
    status(call, text)
}

fn described(call: &Call<'_>, entry: &Entry) -> String {
    let (settings, value) = (call.settings, entry.value());
    let clock = Clock::new(settings.limits().accesses, call.now_ms);
    let mut text = format!(
        "Value at:{entry:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        entry.encoding(),
        serialized_len(value, settings.rdb_compression),
        entry.clock(),
        clock.idle_seconds(entry),
    );
    if let ValueRef::List(list) = value {
        let (nodes, bytes) = list.shape();
        let average = list.len() as f64 / nodes.max(1) as f64;
        let _ = write!(
            text,
            " ql_nodes:{nodes} ql_avg_node:{average:.2} ql_listpack_max:{} ql_compressed:0 ql_uncompressed_size:{bytes}",
            settings.list_max_size
        );
    }
    text
}

pub(super) fn string(call: &mut Call<'_>, key: &[u8]) -> Flow {
    let text = with_entry(call, key, |_, entry| match entry.value() {
        ValueRef::Str(value) if entry.encoding() != "int" => Ok(format!(
            "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {}, val_sds_len:{}, val_sds_avail:{}, val_zmalloc: {}",
            key.len(),
            entry.block_size(),
            value.len(),
            entry.spare(),
            entry.spare() + value.len(),
        )),
        _ => Err("ERR Not an sds encoded string.".to_owned()),
    });
    status(call, text)
}

/// Prints the elements of a value of this encoding to the log.
pub(super) fn print(call: &mut Call<'_>, key: &[u8], encoding: &str) -> Flow {
    let text = with_entry(call, key, |_, entry| {
        let value = entry.value();
        if entry.encoding() != encoding {
            return Err(format!("ERR Not a {encoding} encoded object."));
        }
        let bytes = serialized_len(value, false);
        let elements = elements(value);
        tracing::info!("{encoding}: {bytes} bytes: {}", elements.join(" "));
        let mut name = encoding.to_owned();
        name[..1].make_ascii_uppercase();
        Ok(format!("{name} structure printed on stdout"))
    });
    status(call, text)
}

/// The first elements of a value in their order, as printable text.
fn elements(value: ValueRef<'_>) -> Vec<String> {
    let shown = |bytes: &[u8]| format!("\"{}\"", bytes.escape_ascii());
    match value {
        ValueRef::List(list) => {
            let elements = list.iter().take(PRINTED).map(Elem::from);
            elements.map(|element| shown(&element)).collect()
        }
        ValueRef::Hash(hash) => {
            let pairs = hash.iter().take(PRINTED);
            pairs.flat_map(|(f, v)| [shown(&f), shown(&v)]).collect()
        }
        ValueRef::Zset(zset) => {
            let pairs = zset.iter().take(PRINTED);
            pairs
                .flat_map(|(member, score)| [shown(&member), score.to_string()])
                .collect()
        }
        ValueRef::Str(_) | ValueRef::Set(_) | ValueRef::Stream(_) => Vec::new(),
    }
}

/// What Redis says of a hash table. Here no place has a chain: it holds one element or none.
fn of_table(slots: usize, elements: usize) -> String {
    if elements == 0 {
        return "Hash table 0 stats (main hash table):\nNo stats available for empty dictionaries\n"
            .to_owned();
    }
    let percent = |n: usize| n as f64 * 100.0 / slots.max(1) as f64;
    let free = slots.saturating_sub(elements);
    format!(
        "Hash table 0 stats (main hash table):\n table size: {slots}\n number of elements: {elements}\n \
         different slots: {elements}\n max chain length: 1\n avg chain length (counted): 1.00\n \
         avg chain length (computed): 1.00\n Chain length distribution:\n   0: {free} ({:.2}%)\n   1: {elements} ({:.2}%)\n",
        percent(free),
        percent(elements)
    )
}

pub(super) fn tables(call: &mut Call<'_>, number: &[u8]) -> Flow {
    let number = match integer(number) {
        Ok(number) => usize::try_from(number).ok(),
        Err(text) => return error(call, text),
    };
    let db = number.and_then(|number| call.world.view().dataset.db(number));
    let Some(db) = db else {
        return error(call, "ERR Out of range database");
    };
    // An expiry is kept with its key.
    let (keys, expires) = (of_table(db.slots(), db.len()), db.expires());
    let text = format!(
        "[Dictionary HT]\n{keys}[Expires HT]\n{}",
        of_table(expires, expires)
    );
    call.out.verbatim("txt", text.as_bytes());
    Flow::Next
}

pub(super) fn table(call: &mut Call<'_>, key: &[u8]) -> Flow {
    let text = with_entry(call, key, |_, entry| {
        let (slots, elements) = match entry.value() {
            ValueRef::Hash(hash) => (hash.slots(), hash.len()),
            ValueRef::Set(set) => (set.slots(), set.len()),
            ValueRef::Zset(zset) => (zset.slots(), zset.len()),
            _ => (None, 0),
        };
        let slots = slots.ok_or(
            "ERR The value stored at the specified key is not represented using an hash table",
        )?;
        Ok(of_table(slots, elements))
    });
    match text {
        Ok(text) => {
            call.out.verbatim("txt", text.as_bytes());
            Flow::Next
        }
        Err(why) => error(call, &why),
    }
}

/// The sizes of what a key is made of here, bytes.
pub(super) fn sizes(call: &mut Call<'_>) -> Flow {
    let text = format!(
        "bits:{} robj:{} dictentry:{} dict:{} client:{}",
        usize::BITS,
        size_of::<Object>(),
        size_of::<Entry>(),
        size_of::<Db>(),
        size_of::<crate::shell::client::Client>(),
    );
    call.out.bulk(text.as_bytes());
    Flow::Next
}
