//! A stream in words: the same for streams whose users see the same, whatever their nodes.

use super::{Group, Id, Record, Stream};
use std::fmt;

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: Vec<_> = self.range(Id::MIN, Id::MAX).map(Entry).collect();
        let mut shown = f.debug_struct("Stream");
        shown
            .field("marks", self.marks())
            .field("entries", &entries);
        for (name, group) in self.groups() {
            shown.field(&name.escape_ascii().to_string(), group);
        }
        shown.finish()
    }
}

struct Entry<'a>(Record<'a>);

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = itoa::Buffer::new();
        write!(f, "{}", self.0.id)?;
        for (field, value) in self.0.fields() {
            write!(f, " {}=", field.bytes(&mut digits).escape_ascii())?;
            write!(f, "{}", value.bytes(&mut digits).escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} read {}:", self.last, self.read)?;
        for (id, pending) in self.pending_from(Id::MIN) {
            let owner = self.name_of(pending.owner).escape_ascii();
            write!(f, " {id} of {owner} at {} x{}", pending.time, pending.count)?;
        }
        for (name, number) in self.consumers() {
            let seen = self.consumer(number).map_or(0, |c| c.seen);
            write!(f, "; {} seen {seen}", name.escape_ascii())?;
        }
        Ok(())
    }
}
