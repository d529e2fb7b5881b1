//! Hashes as they are written: compact or not, with the times of their fields as Redis or Valkey keeps them.

use super::format::{Dialect, Kind};
use super::listpack;
use super::write::Writer;
use crate::store::elem::Elem;
use crate::store::hash::Hash;

impl Writer {
    pub(super) fn hash(&mut self, hash: &Hash) -> Kind {
        if let Some(first) = hash.first_time() {
            return self.timed_hash(hash, first);
        }
        if hash.is_compact() {
            self.blob(|out| {
                let mut pack = listpack::Builder::new(out);
                hash.items().flatten().for_each(|item| pack.push_item(item));
                pack.finish();
            });
            return Kind::HashListpack;
        }
        self.length(hash.len() as u64);
        for (field, value) in hash.iter() {
            self.string(&field);
            self.string(&value);
        }
        Kind::Hash
    }

    /// A hash whose fields have times, `first` before all others.
    fn timed_hash(&mut self, hash: &Hash, first: i64) -> Kind {
        if self.dialect == Dialect::Valkey {
            return self.valkey_hash(hash);
        }
        self.bytes(&first.to_le_bytes());
        if hash.is_compact() {
            self.blob(|out| {
                let mut pack = listpack::Builder::new(out);
                // Redis looks for what has expired from the start on, as far as times reach.
                let lasting = hash
                    .iter()
                    .filter(|(field, _)| hash.time_of(field).is_none());
                let lasting = lasting.map(|(field, _)| (field, 0));
                let timed = hash.times().map(|(field, at)| (field.into(), at));
                for (field, at) in timed.chain(lasting) {
                    let field: Elem<'_> = field;
                    pack.push(&field);
                    pack.push(hash.get(&field).as_deref().unwrap_or_default());
                    pack.push_int(at);
                }
                pack.finish();
            });
            return Kind::HashListpackEx;
        }
        self.length(hash.len() as u64);
        for (field, value) in hash.iter() {
            // Counted from the first time, which is 1: 0 is none.
            let time = hash.time_of(&field).map_or(0, |at| at.abs_diff(first) + 1);
            self.length(time);
            self.string(&field);
            self.string(&value);
        }
        Kind::HashMetadata
    }

    /// A hash whose fields have times, in Valkey's one form.
    fn valkey_hash(&mut self, hash: &Hash) -> Kind {
        self.length(hash.len() as u64);
        for (field, value) in hash.iter() {
            self.string(&field);
            self.string(&value);
            self.bytes(&hash.time_of(&field).unwrap_or(-1).to_le_bytes());
        }
        Kind::HashValkey
    }
}
