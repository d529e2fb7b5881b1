//! What must be true of all nodes, looked at between any two commands.
//!
//! Clients append tags to lists; a tag names the node it was sent to and is never used twice. So the data of a node is
//! its history, and histories can be compared:
//!
//! * (`prefix`, `offset_describes_dataset`, `no_double_apply`, `no_false_continue`) of two glances at one history the
//!   data at the lower offset is a prefix of the data at the higher one, whichever nodes were looked at; a history that
//!   goes on under a new name begins with what the old one had up to there.
//! * (`no_split_write`) all tags that a history's own part of the log has were sent to one and the same node.
//! * (`atomic_swap`) a list that is only written in transactions is as long as its counter says.
//! * (`takeover_keeps_writes`) an heir has everything up to the last byte of the log of the one who handed over.

use super::cluster::{Cluster, Epoch, Glance};
use super::value::Value;
use damselfly_core::Failover;
use damselfly_server::command::{self, Effects, Env, Expiry, Origin};
use damselfly_server::repl::domain::Id;
use damselfly_server::resp::Reply;
use damselfly_server::store::{Dataset, Limits};
use damselfly_server::sys::simulated::HostId;
use std::collections::{BTreeMap, BTreeSet};

/// Lists that are written command by command, and lists that are written in transactions, with a counter each.
pub const PLAIN: [&str; 2] = ["p0", "p1"];
pub const COUNTED: [(&str, &str); 2] = [("t0", "c0"), ("t1", "c1")];

/// The data of a node: each list as one text.
#[derive(Clone, PartialEq, Eq)]
struct Data([Vec<u8>; 4]);

impl Data {
    fn begins(&self, other: &Data) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| b.starts_with(a))
    }

    fn shown(&self) -> String {
        let tail = |list: &Vec<u8>| {
            let from = list.len().saturating_sub(60);
            format!("..{} ({})", list[from..].escape_ascii(), list.len())
        };
        self.0.iter().map(tail).collect::<Vec<_>>().join(" | ")
    }
}

#[derive(Default)]
pub struct Oracle {
    /// By history and offset.
    seen: BTreeMap<String, BTreeMap<u64, (HostId, Data)>>,
    /// Who wrote into which history.
    writers: BTreeMap<String, BTreeSet<HostId>>,
    nodes: BTreeMap<HostId, Watched>,
    pub hand_overs: u64,
}

#[derive(Default)]
struct Watched {
    /// The history and offset of the last glance.
    last: Option<(Id, u64)>,
    /// Its log was read up to here, as that of this history's master.
    read: Option<(Id, u64)>,
    /// It hands over, and its log ends there.
    ceding: Option<Ceding>,
}

struct Ceding {
    replid: Id,
    end: u64,
    /// An heir that has lost its memory since is not to blame.
    epochs: Vec<Epoch>,
}

/// What `command` answers of `dataset`.
pub fn peek(dataset: &Dataset, words: &[&[u8]]) -> Value {
    let command = command::find(words[0]).expect("a command");
    let env = Env {
        dataset,
        db: 0,
        now_ms: 0,
        origin: Origin::Master,
        expiry: Expiry::Ignore,
        limits: &Limits::default(),
        journal: None,
        in_transaction: false,
        in_script: false,
        no_touch: false,
        waiter: None,
        audience: None,
        hash: None,
    };
    let mut out = Reply::default();
    command::run(command, words, &env, &mut Effects::default(), &mut out);
    let reply = Value::parse(out.as_bytes()).ok().flatten();
    reply.expect("a reply").0
}

fn list(dataset: &Dataset, key: &str) -> (usize, Vec<u8>) {
    let reply = peek(dataset, &[b"LRANGE", key.as_bytes(), b"0", b"-1"]);
    let mut text = Vec::new();
    for item in reply.items() {
        if let Value::Bulk(tag) = item {
            text.extend_from_slice(tag);
            text.push(b' ');
        }
    }
    (reply.items().len(), text)
}

/// Whether `tag` is in the list `key`.
pub fn has(dataset: &Dataset, key: &str, tag: &str) -> bool {
    let (_, text) = list(dataset, key);
    text.split(|&b| b == b' ').any(|t| t == tag.as_bytes())
}

/// The node that a tag was sent to.
fn addressee(tag: &[u8]) -> Option<HostId> {
    let tag = std::str::from_utf8(tag).ok()?;
    tag.strip_prefix('n')?.split_once('.')?.0.parse().ok()
}

impl Oracle {
    /// Looks at all nodes; `thoroughly`, whether anything seems to have changed or not.
    pub fn look(&mut self, cluster: &Cluster, thoroughly: bool) {
        for host in cluster.hosts() {
            let Some(glance) = cluster.glance(host) else {
                self.nodes.remove(&host);
                continue;
            };
            self.judge_hand_over(cluster, host, &glance);
            let at = (glance.replid(), glance.offset);
            let watched = self.nodes.entry(host).or_default();
            if watched.last.replace(at) != Some(at) || thoroughly {
                self.judge_data(cluster, host, &glance);
                self.read_log(cluster, host, &glance);
            }
            if let Some(made) = cluster.made(host) {
                for property in made.door.driver().broken().iter() {
                    let what = format!("n{host} broke {}", property.name());
                    if !cluster.world.wrongs().contains(&what) {
                        cluster.world.wrong(what);
                    }
                }
            }
        }
    }

    fn judge_data(&mut self, cluster: &Cluster, host: HostId, glance: &Glance) {
        if glance.status.refuses_reads() {
            return;
        }
        let wrong = |what: String| cluster.world.wrong(what);
        for (key, counter) in COUNTED {
            let (len, _) = list(&glance.dataset, key);
            let count = match peek(&glance.dataset, &[b"GET", counter.as_bytes()]) {
                Value::Bulk(n) => String::from_utf8_lossy(&n).parse().unwrap_or(usize::MAX),
                _ => 0,
            };
            if len != count {
                wrong(format!(
                    "atomic_swap: n{host} has {len} tags in {key} and says {count}"
                ));
            }
        }
        if !glance.counts || glance.status.diverged {
            return;
        }
        let keys = [PLAIN[0], PLAIN[1], COUNTED[0].0, COUNTED[1].0];
        let data = Data(keys.map(|key| list(&glance.dataset, key).1));
        let (replid, offset) = (glance.replid().to_string(), glance.offset);
        let seen = self.seen.entry(replid.clone()).or_default();
        let before = seen.range(..=offset).next_back();
        let after = seen.range(offset..).next();
        let fault = |at: u64, other: HostId, theirs: &Data| {
            wrong(format!(
                "prefix: n{host} at {replid}:{offset} and n{other} at :{at} differ:\n{}\n{}",
                data.shown(),
                theirs.shown()
            ));
        };
        if let Some((at, (other, theirs))) = before
            && !theirs.begins(&data)
        {
            fault(*at, *other, theirs);
        }
        if let Some((at, (other, theirs))) = after
            && !data.begins(theirs)
        {
            fault(*at, *other, theirs);
        }
        if let Some(second) = glance.status.history.second
            && let Some(old) = self.seen.get(&second.replid.to_string())
            && let Some((at, (other, theirs))) = old.range(..second.until).next_back()
            && !theirs.begins(&data)
        {
            fault(*at, *other, theirs);
        }
        self.seen
            .entry(replid)
            .or_default()
            .insert(offset, (host, data));
    }

    /// Reads what a master has added to its log.
    fn read_log(&mut self, cluster: &Cluster, host: HostId, glance: &Glance) {
        let Some(made) = cluster.made(host).filter(|_| glance.counts) else {
            return;
        };
        let watched = self.nodes.entry(host).or_default();
        let replid = glance.replid();
        if glance.status.master.is_some() {
            watched.read = None;
            return;
        }
        let log = &made.server.log;
        let backlog = log.backlog();
        let begin = match (watched.read, glance.status.history.second) {
            (Some((of, at)), _) if of == replid => at,
            (_, Some(second)) => second.until - 1,
            // While nothing was dropped, the log begins with a whole command; but what lies before the place where the
            // history began is of the one that a promoted node had diverged from.
            _ if backlog.histlen < backlog.size => {
                (backlog.first_byte_offset - 1).max(glance.status.history.at.offset)
            }
            _ => glance.offset,
        };
        let mut bytes = Vec::new();
        match log.cursor_at(begin) {
            Some(mut cursor) => {
                let mut pieces = Vec::new();
                while cursor.read(1 << 20, &mut pieces).unwrap_or(0) > 0 {}
                pieces
                    .iter()
                    .for_each(|piece| bytes.extend_from_slice(piece));
            }
            // It has gone on by more than it keeps.
            None => {
                watched.read = Some((replid, glance.offset));
                return;
            }
        }
        let mut at = 0;
        while let Ok(Some((command, len))) = Value::parse(&bytes[at..]) {
            at += len;
            if let [Value::Bulk(name), _, Value::Bulk(tag)] = command.items()
                && name.eq_ignore_ascii_case(b"rpush")
                && let Some(to) = addressee(tag)
            {
                let writers = self.writers.entry(replid.to_string()).or_default();
                writers.insert(to);
                if writers.len() > 1 {
                    let tag = String::from_utf8_lossy(tag).into_owned();
                    cluster.world.wrong(format!(
                        "no_split_write: the history {replid} of n{host} has writes sent to {writers:?} ({tag})"
                    ));
                    writers.remove(&to);
                }
            }
        }
        watched.read = Some((replid, begin + at as u64));
    }

    fn judge_hand_over(&mut self, cluster: &Cluster, host: HostId, glance: &Glance) {
        let watched = self.nodes.entry(host).or_default();
        let under_way = glance.status.failover == Failover::InProgress;
        match (watched.ceding.take(), under_way) {
            (None, true) => {
                watched.ceding = Some(Ceding {
                    replid: glance.replid(),
                    end: glance.offset,
                    epochs: cluster.hosts().map(|host| cluster.epoch(host)).collect(),
                });
            }
            (
                Some(Ceding {
                    replid,
                    end,
                    epochs,
                }),
                false,
            ) => {
                let Some(heir) = glance.master().filter(|&heir| cluster.world.runs(heir)) else {
                    return;
                };
                if epochs[usize::from(heir) - 1] != cluster.epoch(heir) {
                    return;
                }
                let second = cluster
                    .glance(heir)
                    .and_then(|heir| heir.status.history.second);
                let Some(second) = second.filter(|second| second.replid == replid) else {
                    return;
                };
                self.hand_overs += 1;
                if second.until != end + 1 {
                    cluster.world.wrong(format!(
                        "takeover_keeps_writes: n{host} handed over at {end}, n{heir} begins at {}",
                        second.until
                    ));
                }
            }
            (ceding, _) => watched.ceding = ceding,
        }
    }
}
