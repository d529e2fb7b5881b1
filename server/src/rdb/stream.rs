//! Streams in snapshots: nodes as they are in memory, then what the stream knows of its past, then its groups.

use std::io::Read;

use super::error::Fault;
use super::format::Kind;
use super::read::{Refusal, Sink};
use super::source::Stop;
use super::value::Builder;
use super::write::Writer;
use crate::store::stream::{Group, Id, Marks, Number, Pending, Stream};

const NO_ID: Fault = Fault("the ID of a stream's node is not 16 bytes long");
const GROUP_TWICE: Fault = Fault("a stream has the same group twice");
const CONSUMER_TWICE: Fault = Fault("a group has the same consumer twice");
const PENDING_TWICE: Fault = Fault("a group waits for the same entry twice");
const NOT_PENDING: Fault = Fault("a consumer waits for what its group does not wait for");
const NOBODYS: Fault = Fault("a group waits for what no consumer waits for");

/// Who has an entry while its consumer is not read yet.
const NOBODY: Number = Number::MAX;

impl<R: Read, S: Sink> Builder<'_, R, S> {
    pub(super) fn stream(&mut self, kind: Kind) -> Result<Stream, Stop> {
        let mut stream = Stream::new();
        for _ in 0..self.source.count()? {
            self.breathe()?;
            let first = <[u8; 16]>::try_from(self.blob()?).map_err(|_| NO_ID)?;
            let pack = self.blob()?.to_vec();
            stream.load_pack(Id::from_bytes(first), pack)?;
        }
        let len = self.source.count()?;
        let last = self.id()?;
        let marks = match kind {
            Kind::Stream => Marks {
                last,
                added: len,
                ..Marks::default()
            },
            _ => Marks {
                last,
                first: self.id()?,
                max_deleted: self.id()?,
                added: self.source.count()?,
            },
        };
        stream.load_marks(len, marks, kind != Kind::Stream)?;
        for _ in 0..self.source.count()? {
            self.breathe()?;
            let name = self.blob()?.to_vec();
            let last = self.id()?;
            let read = match kind {
                Kind::Stream => stream.distance(last),
                _ => self.source.count()? as i64, // written from one
            };
            let group = self.group(Group::new(last, read), kind)?;
            if !stream.add_group(&name, group) {
                return Err(GROUP_TWICE.into());
            }
        }
        if kind == Kind::Stream4 {
            self.producers()?;
        }
        Ok(stream)
    }

    /// What Redis 8.6 remembers of producers, so that nothing is added twice (XADD with IDMP). One without them loses nothing;
    /// that of others is not to be forgotten silently.
    fn producers(&mut self) -> Result<(), Stop> {
        let (_seconds, _entries) = (self.source.count()?, self.source.count()?);
        if self.source.count()? > 0 {
            let what = "a stream with idempotent producers (XADD with IDMP)".to_owned();
            return Err(Refusal::NotServed(what).into());
        }
        let (_added, _twice) = (self.source.count()?, self.source.count()?);
        Ok(())
    }

    /// Two lengths.
    fn id(&mut self) -> Result<Id, Stop> {
        Ok(Id {
            ms: self.source.count()?,
            seq: self.source.count()?,
        })
    }

    fn group(&mut self, mut group: Group, kind: Kind) -> Result<Group, Stop> {
        for _ in 0..self.source.count()? {
            self.breathe()?;
            let id = Id::from_bytes(self.source.array()?);
            let pending = Pending {
                owner: NOBODY,
                time: i64::from_le_bytes(self.source.array()?),
                count: self.source.count()?,
            };
            if group.pending(id).is_some() {
                return Err(PENDING_TWICE.into());
            }
            group.set_pending(id, pending);
        }
        let mut owned = 0;
        for _ in 0..self.source.count()? {
            self.breathe()?;
            let name = self.blob()?.to_vec();
            let seen = i64::from_le_bytes(self.source.array()?);
            if matches!(kind, Kind::Stream3 | Kind::Stream4) {
                // When it last got something.
                self.source.array::<8>()?;
            }
            if group.find(&name).is_some() {
                return Err(CONSUMER_TWICE.into());
            }
            let owner = group.add_consumer(&name, seen);
            for _ in 0..self.source.count()? {
                self.breathe()?;
                let id = Id::from_bytes(self.source.array()?);
                let pending = *group.pending(id).ok_or(NOT_PENDING)?;
                if pending.owner != NOBODY {
                    return Err(PENDING_TWICE.into());
                }
                group.set_pending(id, Pending { owner, ..pending });
                owned += 1;
            }
        }
        match owned == group.pending_len() {
            true => Ok(group),
            false => Err(NOBODYS.into()),
        }
    }
}

impl Writer {
    /// The second form, which Redis 7.0 writes.
    pub(super) fn stream(&mut self, stream: &Stream) -> Kind {
        self.length(stream.node_count() as u64);
        for (first, pack) in stream.packs() {
            self.string(&first.to_bytes());
            self.string(pack);
        }
        let marks = stream.marks();
        self.length(stream.len());
        for id in [marks.last, marks.first, marks.max_deleted] {
            self.stream_id(id);
        }
        self.length(marks.added);
        let groups = stream.groups();
        self.length(groups.len() as u64);
        for (name, group) in groups {
            self.string(name);
            self.group(group);
        }
        Kind::Stream2
    }

    fn stream_id(&mut self, id: Id) {
        self.length(id.ms);
        self.length(id.seq);
    }

    fn group(&mut self, group: &Group) {
        self.stream_id(group.last);
        self.length(group.read as u64);
        self.length(group.pending_len() as u64);
        for (id, pending) in group.pending_from(Id::MIN) {
            self.bytes(&id.to_bytes());
            self.bytes(&pending.time.to_le_bytes());
            self.length(pending.count);
        }
        let consumers = group.consumers();
        self.length(consumers.len() as u64);
        for (name, number) in consumers {
            self.string(name);
            let consumer = group.consumer(number);
            let (seen, pending) = consumer.map_or((0, 0), |c| (c.seen, c.pending_len()));
            self.bytes(&seen.to_le_bytes());
            self.length(pending as u64);
            for id in consumer.into_iter().flat_map(|c| c.pending_from(Id::MIN)) {
                self.bytes(&id.to_bytes());
            }
        }
    }
}
