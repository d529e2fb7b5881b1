//! Moving keys to other servers: MIGRATE.
//!
//! Nobody waits for the other server but who asked. What was sent is removed here only if it is still what was sent; a key
//! that has changed is sent once more.

use super::audience::Telling;
use super::blocking;
use super::call::{count, expiry};
use super::server::{Server, now_ms};
use crate::command::{self, Audience, Effects, Env, Origin, table};
use crate::gate::View;
use crate::rdb::dump::dump;
use crate::rdb::format::Dialect;
use crate::repl::peer::{Peer, encode};
use crate::resp::Reply;
use crate::store::Dataset;
use crate::sys::net::{TcpStream, lookup_host};
use crate::sys::time::Instant;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection is kept that nobody uses.
const KEPT: Duration = Duration::from_secs(10);
/// Connections kept.
const MOST: usize = 64;
/// How long to wait before looking again whether writes are allowed.
const PATIENCE: Duration = Duration::from_millis(10);

/// Host and port.
type Target = (String, u16);

/// Connections to targets that were used of late.
#[derive(Default)]
pub struct Migrations(Mutex<BTreeMap<Target, (Link, Instant)>>);

impl Migrations {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes those that have not been used for a while.
    pub fn tidy(&self) {
        self.0.lock().retain(|_, (_, used)| used.elapsed() < KEPT);
    }

    fn take(&self, target: &Target) -> Option<Link> {
        let (link, used) = self.0.lock().remove(target)?;
        (used.elapsed() < KEPT).then_some(link)
    }

    fn keep(&self, target: &Target, link: Link) {
        let mut links = self.0.lock();
        if links.len() < MOST || links.contains_key(target) {
            links.insert(target.clone(), (link, Instant::now()));
        }
    }
}

/// A key on its way.
pub struct Moving {
    key: Vec<u8>,
    dump: Vec<u8>,
    expire: Option<i64>,
}

impl Moving {
    /// `key` of database `db` as it is at `now_ms`, for a server of `dialect`; nothing if it is not there.
    pub fn of(
        dataset: &Dataset,
        db: u32,
        key: &[u8],
        dialect: Dialect,
        now_ms: i64,
    ) -> Option<Moving> {
        let (shard, hash) = dataset.db(db as usize)?.lock_key(key);
        let entry = shard.get(hash, key)?;
        (!entry.is_expired(now_ms)).then(|| Moving {
            key: key.to_vec(),
            dump: dump(entry.value(), dialect),
            expire: entry.expire(),
        })
    }
}

/// What MIGRATE was asked for.
pub struct Order {
    /// Where the keys go.
    pub target: Target,
    /// The database they go to.
    pub db: i64,
    /// The longest wait for any one answer.
    pub timeout: Duration,
    /// They stay here, too.
    pub copy: bool,
    /// They take the place of others of their name.
    pub replace: bool,
    /// User, if not the default one, and password.
    pub auth: Option<(Option<Vec<u8>>, Vec<u8>)>,
    /// Who reads them.
    pub dialect: Dialect,
    /// The database they come from.
    pub from: u32,
    /// The keys.
    pub keys: Vec<Moving>,
}

/// What goes wrong on the way.
#[derive(Debug)]
enum Fault {
    Connect,
    Write { late: bool },
    Read { late: bool },
}

impl Fault {
    fn is_late(&self) -> bool {
        matches!(
            self,
            Fault::Write { late: true } | Fault::Read { late: true }
        )
    }

    /// Redis's error reply, without the first `-`.
    fn reply(&self) -> &'static str {
        match self {
            Fault::Connect => "IOERR error or timeout connecting to the client",
            Fault::Write { .. } => "IOERR error or timeout writing to target instance",
            Fault::Read { .. } => "IOERR error or timeout reading from target instance",
        }
    }
}

/// A connection to a target.
struct Link {
    peer: Peer,
    /// The database selected there.
    db: Option<i64>,
}

impl Link {
    async fn connect(target: &Target, timeout: Duration) -> Result<Link, Fault> {
        let dial = async {
            let address = lookup_host((&*target.0, target.1)).await;
            let address = address.ok().and_then(|mut all| all.next());
            let address = address.ok_or(Fault::Connect)?;
            // Redis learns only when it writes that nobody is there.
            let connected = TcpStream::connect(&address).await;
            connected.map_err(|_| Fault::Write { late: false })
        };
        match tokio::time::timeout(timeout, dial).await {
            Ok(Ok(socket)) => {
                // Without it answers come later, that is all.
                let _ = socket.set_nodelay(true);
                Ok(Link {
                    peer: Peer::new(socket),
                    db: None,
                })
            }
            Ok(Err(fault)) => Err(fault),
            Err(_) => Err(Fault::Connect),
        }
    }

    async fn send(&mut self, bytes: &[u8], timeout: Duration) -> Result<(), Fault> {
        match tokio::time::timeout(timeout, self.peer.send(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Fault::Write { late: false }),
            Err(_) => Err(Fault::Write { late: true }),
        }
    }

    /// The next answer, without its line's end.
    async fn answer(&mut self, timeout: Duration) -> Result<Vec<u8>, Fault> {
        match tokio::time::timeout(timeout, self.peer.line()).await {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(_)) => Err(Fault::Read { late: false }),
            Err(_) => Err(Fault::Read { late: true }),
        }
    }
}

/// What became of the keys of one round.
struct Round {
    /// The first error that the target answered.
    error: Option<Vec<u8>>,
    /// Which keys it has now.
    taken: Vec<bool>,
}

impl Order {
    /// Does it; the reply.
    pub async fn carry_out(mut self, server: &Arc<Server>) -> Vec<u8> {
        let mut reply = Reply::default();
        match self.rounds(server).await {
            Ok(None) => reply.ok(),
            Ok(Some(error)) => {
                let text = b"ERR Target instance replied with error: ";
                reply
                    .error_bytes(&[&text[..], error.strip_prefix(b"-").unwrap_or(&error)].concat());
            }
            Err(fault) => reply.error(fault.reply()),
        }
        reply.take()
    }

    /// Sends keys until none is left that changed meanwhile; the target's error, if it replied one.
    async fn rounds(&mut self, server: &Arc<Server>) -> Result<Option<Vec<u8>>, Fault> {
        let began = Instant::now();
        loop {
            let cached = server.migrations.take(&self.target);
            let may_retry = cached.is_some();
            let mut link = match cached {
                Some(link) => link,
                None => Link::connect(&self.target, self.timeout).await?,
            };
            let round = match self.send(&mut link).await {
                // The target may have closed what was kept.
                Err(fault) if may_retry && !fault.is_late() => continue,
                sent => sent?,
            };
            let mut gone = Vec::new();
            if !self.copy {
                gone = self.remove(server, &round.taken).await;
            }
            // Removed here while they were sent: they are to be nowhere.
            if !gone.is_empty() {
                let mut words: Vec<&[u8]> = vec![b"DEL"];
                words.extend(gone.iter().map(Vec::as_slice));
                link.send(&encode(&words), self.timeout).await?;
                link.answer(self.timeout).await?;
            }
            server.migrations.keep(&self.target, link);
            if round.error.is_some() {
                return Ok(round.error);
            }
            if self.keys.is_empty() || self.copy {
                return Ok(None);
            }
            if began.elapsed() >= self.timeout {
                return Err(Fault::Write { late: true });
            }
            // The target has an older value of each.
            self.replace = true;
        }
    }

    /// Sends all keys, and reads what becomes of them.
    async fn send(&self, link: &mut Link) -> Result<Round, Fault> {
        let (mut out, mut before) = (Vec::new(), 0);
        if let Some((user, password)) = &self.auth {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(user.as_deref());
            words.push(password);
            out.extend(encode(&words));
            before += 1;
        }
        if link.db != Some(self.db) {
            out.extend(encode(&[b"SELECT", self.db.to_string().as_bytes()]));
            before += 1;
        }
        for moving in &self.keys {
            let ttl = match moving.expire {
                Some(at) => (at - now_ms()).max(1),
                None => 0,
            };
            let ttl = ttl.to_string();
            let words: [&[u8]; 5] = [
                b"RESTORE",
                &moving.key,
                ttl.as_bytes(),
                &moving.dump,
                b"REPLACE",
            ];
            out.extend(encode(&words[..4 + usize::from(self.replace)]));
        }
        link.send(&out, self.timeout).await?;
        let (mut error, mut ready) = (None, true);
        for _ in 0..before {
            let line = link.answer(self.timeout).await?;
            if line.starts_with(b"-") {
                ready = false;
                error.get_or_insert(line);
            }
        }
        link.db = ready.then_some(self.db);
        let mut taken = Vec::with_capacity(self.keys.len());
        for _ in &self.keys {
            let line = link.answer(self.timeout).await?;
            let refused = line.starts_with(b"-");
            taken.push(ready && !refused);
            if refused {
                error.get_or_insert(line);
            }
        }
        Ok(Round { error, taken })
    }

    /// Removes what the target has `taken` and is still what was sent. What has changed is to be sent again, and is all
    /// that is left in `keys`; returned is what has gone.
    async fn remove(&mut self, server: &Arc<Server>, taken: &[bool]) -> Vec<Vec<u8>> {
        let sent = std::mem::take(&mut self.keys);
        let sent = sent.into_iter().zip(taken);
        let sent: Vec<Moving> = sent.filter(|(_, taken)| **taken).map(|(m, _)| m).collect();
        let (changed, gone) = loop {
            if let Some(all) = server.enter_all()
                && !all.view().fence.handing
                && !server.pause.holds(true)
            {
                break self.settle(server, all.view(), &sent);
            }
            tokio::time::sleep(PATIENCE).await;
        };
        server.tracking.broadcast(server);
        server.log.kick();
        self.keys = changed;
        gone
    }

    /// [`Order::remove`] while the world stands still: what has changed, and what has gone.
    fn settle(
        &self,
        server: &Arc<Server>,
        view: &View,
        sent: &[Moving],
    ) -> (Vec<Moving>, Vec<Vec<u8>>) {
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        // A replica's data are its master's.
        if view.fence.replica {
            return (changed, gone);
        }
        let mut words: Vec<&[u8]> = vec![b"DEL"];
        for moving in sent {
            match Moving::of(
                &view.dataset,
                self.from,
                &moving.key,
                self.dialect,
                now_ms(),
            ) {
                None => gone.push(moving.key.clone()),
                Some(now) if now.dump == moving.dump && now.expire == moving.expire => {
                    words.push(&moving.key);
                }
                Some(now) => changed.push(now),
            }
        }
        if words.len() > 1 {
            delete(server, view, self.from, &words);
        }
        (changed, gone)
    }
}

/// Runs the DEL that `words` are, in database `db`.
fn delete(server: &Arc<Server>, view: &View, db: u32, words: &[&[u8]]) {
    let Some(del) = table::original(b"del") else {
        return;
    };
    let telling = Telling::of(server, None, None);
    let env = Env {
        dataset: &view.dataset,
        db: db as usize,
        now_ms: now_ms(),
        origin: Origin::Client,
        expiry: expiry(server, view),
        limits: &server.config.settings().limits(),
        journal: Some(&*server.log),
        in_transaction: false,
        in_script: false,
        no_touch: false,
        waiter: None,
        audience: telling.as_ref().map(|telling| telling as &dyn Audience),
        hash: None,
    };
    let mut effects = Effects::default();
    command::run(del, words, &env, &mut effects, &mut Reply::default());
    count(&server.stats[server.aside()], &effects);
    if blocking::any_ready() {
        blocking::serve_ready(server, view, server.aside());
    }
}
