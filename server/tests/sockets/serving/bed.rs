//! The master's side of the server without the rest of it: a test is the client that writes.

use crate::common::{Server, eventually, wait::check};
use damselfly_core::Position;
use damselfly_server::gate::{AllGates, Gates, View};
use damselfly_server::log::ReplLog;
use damselfly_server::repl::domain::{History, Id, Status};
use damselfly_server::repl::serve::{
    Answer, Hello, Master, MasterConfig, MasterHooks, ReplicaInfo, State,
};
use damselfly_server::resp::parse::{ArgList, ParseLimits, Parsed, Parser};
use damselfly_server::store::clock::{Accesses, Clock};
use damselfly_server::store::{Dataset, Snapshot, ValueRef};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

/// Nothing here depends on when keys are accessed.
const CLOCK: Clock = Clock::new(Accesses::Recency, 0);

/// All strings, by database and key.
pub type Strings = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

/// A master that serves replicas and nobody else; the test is the client that writes.
pub struct Bed {
    pub gates: Arc<Gates<View>>,
    pub log: Arc<ReplLog>,
    pub master: Arc<Master>,
    pub port: u16,
    stop: Arc<Notify>,
    thread: Option<thread::JoinHandle<()>>,
    pub dir: PathBuf,
}

struct Rename;

impl MasterHooks for Rename {
    fn begin_history(&self, all: &mut AllGates<'_, View>) -> Result<(), String> {
        let offset = all.view().status.history.at.offset;
        all.update(|view| view.set_status(Arc::new(status(Id::random().unwrap(), offset))));
        Ok(())
    }

    fn diverged(&self) -> bool {
        false
    }
}

fn status(replid: Id, offset: u64) -> Status {
    Status {
        master: None,
        loading: false,
        whole: true,
        diverged: false,
        history: History::new(Position { replid, offset }),
        live: None,
        failover: damselfly_core::Failover::No,
        unproved: false,
    }
}

/// Snapshots begin at once.
pub fn eager() -> MasterConfig {
    MasterConfig {
        diskless_sync_delay: Duration::ZERO,
        ..MasterConfig::default()
    }
}

impl Bed {
    /// Asks the replicas how far they are.
    pub fn ask_for_acks(&self) {
        self.master.ask_for_acks(&self.gates.enter(0));
    }

    /// Serves in a thread of its own.
    pub fn new(mut config: MasterConfig) -> Bed {
        let dir = scratch_dir();
        config.dir = dir.clone();
        let view = View::new(
            Arc::new(Dataset::new(16)),
            Arc::new(status(Id::random().unwrap(), 0)),
        );
        let gates = Arc::new(Gates::new(3, view));
        let log = Arc::new(ReplLog::new(config.limits));
        let master = Master::new(
            Arc::clone(&gates),
            Arc::clone(&log),
            Arc::new(Rename),
            config,
        );
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(Notify::new());
        let thread = thread::spawn({
            let (gates, master, stop) = (gates.clone(), master.clone(), stop.clone());
            move || serve(&gates, &master, listener, &stop)
        });
        Bed {
            gates,
            log,
            master,
            port,
            stop,
            thread: Some(thread),
            dir,
        }
    }

    /// SET as the engine does it: under the gate, under the shard's lock, and into the log while it holds.
    pub fn set(&self, slot: usize, db: usize, key: &str, value: &str) {
        let gate = self.gates.enter(slot);
        let (mut shard, hash) = gate.dataset.db(db).unwrap().lock_key(key.as_bytes());
        shard.set_string(hash, key.as_bytes(), value.as_bytes(), None, CLOCK);
        if self.log.active() {
            let args: [&[u8]; 3] = [b"SET", key.as_bytes(), value.as_bytes()];
            self.log.append(db as u32, &args);
        }
        drop(shard);
        Gates::leave(gate);
        self.log.kick();
    }

    /// Ends all links as a change of history does: with all gates held, so that nobody comes back in the middle of it.
    pub fn cut(&self) {
        let _all = self.gates.all();
        self.master.drop_all_replicas();
    }

    /// Sets many keys in three databases.
    pub fn fill(&self, keys: usize) {
        for i in 0..keys {
            self.set(0, i % 3, &format!("key:{i}"), &format!("value:{i}"));
        }
    }

    /// All strings, by database and key.
    fn strings(&self) -> Strings {
        let all = self.gates.all();
        let mut strings = Strings::new();
        let mut snapshot = Snapshot::begin(&all.view().dataset);
        while let Some(db) = snapshot.db() {
            snapshot.walk(&mut |key, value, _| {
                if let ValueRef::Str(value) = value {
                    strings.insert((db, key.to_vec()), value.to_vec());
                }
            });
        }
        strings
    }

    /// Waits until so many replicas stream.
    pub fn wait_online(&self, replicas: usize) {
        wait("replicas online", || {
            let online = |info: &ReplicaInfo| info.state == State::Online;
            self.master
                .replicas()
                .iter()
                .filter(|info| online(info))
                .count()
                == replicas
        });
    }

    /// Waits until every replica has confirmed what was written so far.
    pub fn settle(&self) {
        // At offset 0 everything is confirmed before it came.
        self.set(0, 0, "settled", "");
        let offset = self.log.offset();
        self.ask_for_acks();
        self.log.kick();
        wait("acknowledgements", || {
            self.master.acked_by(offset) == self.master.replicas().len()
        });
    }

    /// Compares every string.
    pub fn assert_equal(&self, replica: &Server) {
        let (ours, theirs) = (self.strings(), strings_of(replica));
        assert_eq!(ours.len(), theirs.len(), "numbers of keys differ");
        for (key, value) in &ours {
            assert_eq!(theirs.get(key), Some(value), "{key:?} differs");
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.unwrap();
            }
        }
        let left: Vec<_> = std::fs::read_dir(&self.dir).unwrap().flatten().collect();
        let leftover = left
            .iter()
            .any(|file| file.file_name().to_string_lossy().starts_with("temp"));
        let _ = std::fs::remove_dir_all(&self.dir);
        assert!(
            thread::panicking() || !leftover,
            "temporary files stay behind"
        );
    }
}

fn scratch_dir() -> PathBuf {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Relaxed);
    let dir = std::env::temp_dir().join(format!("damselfly-serve-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn serve(
    gates: &Arc<Gates<View>>,
    master: &Arc<Master>,
    listener: std::net::TcpListener,
    stop: &Notify,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        tokio::task::spawn_local(Arc::clone(master).housekeeping(2));
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (gates, master) = (Arc::clone(gates), Arc::clone(master));
                    tokio::task::spawn_local(connection(gates, master, accepted.unwrap().0));
                }
                () = stop.notified() => break,
            }
        }
    });
}

async fn connection(
    gates: Arc<Gates<View>>,
    master: Arc<Master>,
    mut stream: tokio::net::TcpStream,
) {
    let limits = ParseLimits {
        max_bulk: 1 << 20,
        authenticated: true,
    };
    let (mut buffer, mut hello) = (Vec::new(), Hello::default());
    let (mut parser, mut args) = (Parser::default(), ArgList::default());
    loop {
        let Ok(Parsed::Request { len }) = parser.parse(&buffer, &limits, &mut args) else {
            match stream.read_buf(&mut buffer).await {
                Ok(n) if n > 0 => continue,
                _ => return,
            }
        };
        let request: Vec<_> = (0..args.len()).map(|i| args.get(&buffer, i)).collect();
        let reply = match request[0].to_ascii_uppercase().as_slice() {
            b"PING" => "+PONG\r\n".to_owned(),
            b"REPLCONF" => match hello.replconf(&request) {
                Ok(Answer::Ok) => "+OK\r\n".into(),
                Ok(Answer::Silence) => String::new(),
                Err(error) => format!("-{error}\r\n"),
            },
            b"PSYNC" | b"SYNC" => {
                let admitted = {
                    let gate = gates.enter(2);
                    master.admit(&gate, &hello, "127.0.0.1", &request)
                };
                match admitted {
                    Ok(admission) => {
                        admission.run(stream, buffer.split_off(len), || ()).await;
                        return;
                    }
                    Err(error) => format!("-{error}\r\n"),
                }
            }
            _ => "-ERR unknown command\r\n".into(),
        };
        buffer.drain(..len);
        args.clear();
        stream.write_all(reply.as_bytes()).await.unwrap();
    }
}

/// Waits until `done`.
pub fn wait(what: &str, done: impl Fn() -> bool) {
    eventually(what, || check(done(), || "not yet".into()));
}

/// A stock server that follows the bed.
pub fn stock(bed: &Bed) -> Server {
    Server::redis(&[
        "--replicaof",
        "127.0.0.1",
        &bed.port.to_string(),
        "--repl-timeout",
        "10",
        // Through a file it would take as long as the disk, which other tests use.
        "--repl-diskless-load",
        "swapdb",
    ])
}

/// All strings of a stock server that has loaded its data.
pub fn strings_of(server: &Server) -> Strings {
    let mut client = server.client();
    let mut strings = Strings::new();
    for db in 0..16usize {
        client.run(&format!("SELECT {db}")).ok();
        let keys: Vec<_> = client
            .run("KEYS *")
            .list()
            .iter()
            .map(|key| key.bytes().to_vec())
            .collect();
        for some in keys.chunks(1000) {
            let mut command = vec![b"MGET".to_vec()];
            command.extend_from_slice(some);
            let values = client.cmd(&command);
            let values = values.list().iter().map(|value| value.bytes().to_vec());
            strings.extend(some.iter().map(|key| (db, key.clone())).zip(values));
        }
    }
    strings
}

/// A client that speaks to the bed by hand.
pub fn raw(bed: &Bed, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", bed.port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// The next line that is not empty, without its end.
pub fn read_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    // Newlines that keep the connection alive.
    String::from_utf8(line)
        .unwrap()
        .trim_matches(['\r', '\n'])
        .to_owned()
}
