//! How commands reach the fields of hashes, which may have times of their own.
//!
//! As in Redis, a reader does not see a field whose time has come; on a master it goes, after the command, if it was
//! asked for by name. Writers that look at the old value see to that before they change it.

use super::left::Expired;
use super::{CmdError, Expiry, Keys, events};
use crate::store::elem::Elem;
use crate::store::hash::View;
use crate::store::{Object, ValueRef};

impl Keys<'_> {
    /// The moment up to which the times of fields have come; `None` if they mean nothing to this command.
    pub fn fields_until(&self) -> Option<i64> {
        (self.expiry != Expiry::Ignore).then_some(self.clock.now_ms)
    }

    /// What this command sees of the hash at `key`.
    #[inline]
    pub fn fields(&self, key: &[u8]) -> Result<Option<View<'_>>, CmdError> {
        let hash = self.hash(key)?;
        Ok(hash.map(|hash| hash.at(self.fields_until())))
    }

    /// The value of a field in `view`, which is of the hash at `key`.
    #[inline]
    pub fn read_field<'d>(&self, key: &[u8], view: View<'d>, field: &[u8]) -> Option<Elem<'d>> {
        let value = view.get(field);
        if value.is_none() && self.expiry == Expiry::Remove && view.hides(field) {
            self.found_stale_field(key, field);
        }
        value
    }

    /// The value of a field of the hash at `key`.
    #[inline]
    pub fn field(&self, key: &[u8], field: &[u8]) -> Result<Option<Elem<'_>>, CmdError> {
        let view = self.fields(key)?;
        Ok(view.and_then(|view| self.read_field(key, view, field)))
    }

    #[cold]
    fn found_stale_field(&self, key: &[u8], field: &[u8]) {
        let mut found = self.found.borrow_mut();
        let stale = &mut found.make().stale;
        let of_key = |gone: &&mut Expired| *gone.key == *key && gone.fields.is_some();
        match stale.iter_mut().find(of_key) {
            Some(Expired { fields, .. }) => fields.get_or_insert_default().push(field.into()),
            None => stale.push(Expired {
                key: key.into(),
                fields: Some(vec![field.into()]),
            }),
        }
    }

    /// Before a command makes something new of `field`: removes it if its time has come. The hash stays, empty perhaps.
    pub fn renew_field(&mut self, key: &[u8], field: &[u8]) {
        self.renew_fields(key, std::iter::once(field));
    }

    /// [`Keys::renew_field`] for several.
    pub fn renew_fields<'k>(&mut self, key: &[u8], fields: impl Iterator<Item = &'k [u8]>) {
        if let Some(now) = self.fields_until()
            && let Some(ValueRef::Hash(hash)) = self.peek(key).map(|entry| entry.value())
        {
            let view = hash.at(Some(now));
            let gone: Vec<_> = fields
                .filter(|field| view.hides(field))
                .map(Box::from)
                .collect();
            if !gone.is_empty() {
                self.remove_fields(key, gone);
            }
        }
    }

    /// After the command: removes fields that it found expired and has not given new values since; the hash, too, if
    /// none is left.
    pub(super) fn remove_stale_fields(&mut self, key: &[u8], mut fields: Vec<Box<[u8]>>) {
        match self.peek(key).map(|entry| entry.value()) {
            Some(ValueRef::Hash(hash)) => {
                let view = hash.at(self.fields_until());
                fields.retain(|field| view.hides(field));
            }
            _ => return,
        }
        if !fields.is_empty() {
            self.remove_fields(key, fields);
            self.remove_if_empty(key);
        }
    }

    /// Removes fields whose time has come. Replicas are told, unless this is one: its master knows nothing of it.
    #[cold]
    fn remove_fields(&mut self, key: &[u8], mut fields: Vec<Box<[u8]>>) {
        let Some((hash, shard)) = self.shard_mut(key) else {
            return;
        };
        if let Some(Object::Hash(value)) = shard.get_mut(hash, key).and_then(|e| e.object_mut()) {
            fields.retain(|field| value.remove(field));
        }
        shard.field_times_changed(hash, key);
        shard.settle(key);
        self.notify(events::HASH, "hexpired", key);
        if self.expiry == Expiry::Remove {
            let left = self.left.make();
            left.expired.push(Expired {
                key: key.into(),
                fields: Some(fields),
            });
        }
    }

    /// After times of fields of the hash at `key` came, changed or went.
    #[inline]
    pub fn field_times_changed(&mut self, key: &[u8]) {
        let hash = self.hash_of(key);
        if let Some(shard) = self.shard_at(hash) {
            shard.field_times_changed(hash, key);
        }
    }
}
