//! Servers of both kinds, each in a directory of its own, ended when dropped. What a Damselfly has recorded of itself is
//! replayed then: the core does again what it did, and no property is broken.
//!
//! `DAMSELFLY_BIN=PATH` runs the tests against another build than the one just made.

use super::resp::{Client, Value};
use super::trace;
use super::wait::{PATIENCE, check, eventually};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Which program a [`Server`] runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The stock server of the distribution.
    Redis,
    /// The binary under test.
    Damselfly,
}

/// What stands in the log of a Damselfly that found itself broken: a panic, or a property of core that a
/// step broke (the build under test watches them).
const FAULTS: &[&str] = &["panicked at", "bug: the replica protocol broke"];

/// The configuration file of a server that has one.
const FILE: &str = "redis.conf";

/// A running server.
pub struct Server {
    /// Which program it is.
    pub kind: Kind,
    /// Its port on 127.0.0.1.
    pub port: u16,
    child: Child,
    dir: TempDir,
    args: Vec<String>,
    /// What a Damselfly recorded in its earlier lives.
    traces: Vec<PathBuf>,
    replayed: bool,
}

impl Server {
    /// A stock server with these further arguments. It saves nothing and sends snapshots at once.
    pub fn redis(args: &[&str]) -> Server {
        Server::start(Kind::Redis, args)
    }

    /// A Damselfly with these further arguments, recording its trace.
    pub fn damselfly(args: &[&str]) -> Server {
        Server::start(Kind::Damselfly, args)
    }

    /// A server with a configuration file, which CONFIG REWRITE writes and [`Server::restart`] reads.
    pub fn with_file(kind: Kind, args: &[&str]) -> Server {
        let args: Vec<&str> = std::iter::once(FILE).chain(args.iter().copied()).collect();
        Server::start(kind, &args)
    }

    /// A server of the given kind with these further arguments.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start(kind: Kind, args: &[&str]) -> Server {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let mut last = String::new();
        // Somebody else may have taken the port between our asking and the server's binding.
        for _ in 0..5 {
            let dir = TempDir::new();
            let port = free_port();
            let child = spawn(kind, port, &dir.0, &args);
            let mut server = Server {
                kind,
                port,
                child,
                dir,
                args: args.clone(),
                traces: Vec::new(),
                replayed: false,
            };
            match server.await_ready() {
                Ok(()) => return server,
                Err(reason) => {
                    last = format!("{reason}\n{}", server.log());
                    server.kill();
                    let _ = fs::remove_file(server.trace());
                }
            }
        }
        panic!("{kind:?} {args:?} did not start: {last}");
    }

    /// Starts the program again on the same port and directory, as an operator would.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn restart(&mut self) {
        let args = self.args.clone();
        self.restart_with(&args);
    }

    /// [`restart`](Server::restart) with other arguments.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn restart_with<S: AsRef<str>>(&mut self, args: &[S]) {
        self.args = args.iter().map(|a| a.as_ref().to_owned()).collect();
        self.kill();
        let kept = self.dir.0.join(format!("trace.{}", self.traces.len()));
        if fs::rename(self.trace(), &kept).is_ok() {
            self.traces.push(kept);
        }
        self.child = spawn(self.kind, self.port, &self.dir.0, &self.args);
        if let Err(reason) = self.await_ready() {
            panic!(
                "{:?} did not start again: {reason}\n{}",
                self.kind,
                self.log()
            );
        }
    }

    /// Ends the process at once, without a word to its peers.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the process to end (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal();
        self.await_exit()
    }

    /// Asks the process to end (SIGTERM).
    pub fn signal(&self) {
        let sent = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(
            sent.expect("run kill").success(),
            "the server had ended already"
        );
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn await_exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the server ends", || {
            child
                .try_wait()
                .map_err(|e| e.to_string())?
                .ok_or("it runs".into())
        })
    }

    /// Stops the process as a frozen machine would be (SIGSTOP), or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(sent.expect("run kill").success(), "cannot send {signal}");
        if frozen {
            // Each thread stops when the signal gets to it, and may still do something before.
            eventually("all threads stop", || {
                let running = self.running_threads();
                check(running == 0, || format!("{running} run"))
            });
        }
    }

    /// How many of its threads are not stopped.
    fn running_threads(&self) -> usize {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let tasks = tasks.expect("its threads").filter_map(Result::ok);
        let runs = |task: &fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let state = stat
                .rsplit(") ")
                .next()
                .and_then(|rest| rest.chars().next());
            state.is_some_and(|state| !"TtXZ".contains(state))
        };
        tasks.filter(runs).count()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The directory it runs in.
    pub fn dir(&self) -> &Path {
        &self.dir.0
    }

    /// Where a Damselfly records its trace.
    pub fn trace(&self) -> PathBuf {
        self.dir.0.join("trace")
    }

    /// Replays what it has recorded of itself, this life and the earlier ones, after its end. How many facts were
    /// replayed.
    ///
    /// # Panics
    /// If the core does otherwise than it did, or a property was broken.
    pub fn replay(&mut self) -> usize {
        self.replayed = true;
        let last = Some(self.trace()).filter(|trace| trace.exists());
        let traces = self.traces.iter().chain(&last);
        let inputs = traces
            .map(|trace| {
                let inputs = trace::replay(trace);
                inputs.unwrap_or_else(|e| panic!("{}: {e}", trace.display()))
            })
            .sum();
        if self.kind == Kind::Damselfly {
            trace::count(inputs);
        }
        inputs
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.0.join("log")).unwrap_or_default()).into_owned()
    }

    /// A new connection.
    ///
    /// # Panics
    /// If there is none to be had.
    pub fn client(&self) -> Client {
        Client::connect(self.port).unwrap_or_else(|e| panic!("connect to {:?}: {e}", self.kind))
    }

    /// Runs one command on a connection of its own.
    pub fn run(&self, line: &str) -> Value {
        self.client().run(line)
    }

    /// A section of INFO. Asked again on a fresh connection if the first is closed under it: a Sentinel that
    /// reconfigures a node kills the node's clients.
    pub fn info(&self, section: &str) -> Info {
        match self.client().try_cmd(&["INFO", section]) {
            Ok(text) => Info::parse(text.bytes()),
            Err(_) => Info::of(&mut self.client(), section),
        }
    }

    /// Tells this server to follow `port`, and waits until the link streams.
    ///
    /// # Panics
    /// If it does not come to that.
    pub fn follow(&self, port: u16) {
        self.run(&format!("REPLICAOF 127.0.0.1 {port}")).ok();
        self.await_link(port);
    }

    /// Waits until the link to `port` streams.
    ///
    /// # Panics
    /// If it does not come to that.
    pub fn await_link(&self, port: u16) {
        eventually("the link comes up", || {
            let info = self.info("replication");
            let up = info.get("role") == "slave"
                && info.get("master_port") == port.to_string()
                && info.get("master_link_status") == "up";
            check(up, || info.short())
        });
    }

    /// What a broken invariant left in the log, if anything.
    pub fn faults(&self) -> Vec<String> {
        if self.kind == Kind::Redis {
            return Vec::new();
        }
        self.log()
            .lines()
            .filter(|line| FAULTS.iter().any(|f| line.to_lowercase().contains(f)))
            .map(str::to_owned)
            .collect()
    }

    fn await_ready(&mut self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended: {status}"));
            }
            // Another process may sit on the port: only our own is taken for up.
            if let Ok(mut client) = Client::connect(self.port)
                && let Ok(reply) = client.try_cmd(&["INFO"])
            {
                match reply {
                    Value::Bulk(text) => {
                        let info = Info::parse(&text);
                        let pid = info.get("process_id");
                        if pid != self.child.id().to_string() {
                            return Err(format!("process {pid} has the port"));
                        }
                        if info.get("loading") == "0" {
                            return Ok(());
                        }
                    }
                    Value::Error(e) if e.starts_with("NOAUTH") => return Ok(()),
                    Value::Error(e) if e.starts_with("LOADING") => {}
                    other => return Err(format!("INFO answered {other:?}")),
                }
            }
            if began.elapsed() > PATIENCE {
                return Err("it does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let faults = self.faults();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("-- log of {:?} on port {}:", self.kind, self.port);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        } else {
            assert!(
                faults.is_empty(),
                "the server found itself broken: {faults:#?}"
            );
            if !self.replayed {
                self.replay();
            }
        }
    }
}

fn spawn(kind: Kind, port: u16, dir: &Path, args: &[String]) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(dir.join("log"))
        .expect("open the log");
    let program = match kind {
        Kind::Redis => "redis-server".into(),
        Kind::Damselfly => std::env::var("DAMSELFLY_BIN")
            .unwrap_or_else(|_| env!("CARGO_BIN_EXE_damselfly").into()),
    };
    let mut command = Command::new(&program);
    let args = match args.split_first() {
        Some((file, args)) if file == FILE => {
            let made = File::options()
                .create(true)
                .append(true)
                .open(dir.join(FILE));
            made.expect("make the configuration file");
            command.arg(dir.join(FILE));
            args
        }
        _ => args,
    };
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--dir"])
        .arg(dir)
        .args(["--repl-diskless-sync-delay", "0"])
        .args(["--enable-debug-command", "yes"]);
    if kind == Kind::Damselfly {
        command.arg("--trace").arg(dir.join("trace"));
    }
    command
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("share the log"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|e| panic!("cannot run {program}: {e}"))
}

/// A port that the system says is free, and that nobody in this process was given before.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    for _ in 0..100 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind to a free port");
        let port = listener.local_addr().expect("the port").port();
        let mut given = GIVEN.lock().unwrap_or_else(|e| e.into_inner());
        if given.get_or_insert_default().insert(port) {
            return port;
        }
    }
    panic!("the system has no free port");
}

/// A directory that goes with its owner. `DAMSELFLY_KEEP=1` keeps them all.
pub struct TempDir(pub PathBuf);

impl TempDir {
    #[allow(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> TempDir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "damselfly-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("make a directory");
        TempDir(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::env::var_os("DAMSELFLY_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// The fields of INFO.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Info(HashMap<String, String>);

impl Info {
    /// Asks for a section.
    pub fn of(client: &mut Client, section: &str) -> Info {
        Info::parse(client.cmd(&["INFO", section]).bytes())
    }

    /// Reads what INFO answered.
    pub fn parse(text: &[u8]) -> Info {
        Info(
            String::from_utf8_lossy(text)
                .lines()
                .filter_map(|line| line.split_once(':'))
                .map(|(k, v)| (k.to_owned(), v.trim_end().to_owned()))
                .collect(),
        )
    }

    /// A field; empty when it is not there.
    pub fn get(&self, field: &str) -> String {
        self.0.get(field).cloned().unwrap_or_default()
    }

    /// A field that must be there and be a number.
    ///
    /// # Panics
    /// If it is not.
    pub fn num(&self, field: &str) -> i64 {
        self.get(field)
            .parse()
            .unwrap_or_else(|_| panic!("{field} is no number in {self:?}"))
    }

    /// Role and link in a line.
    pub fn short(&self) -> String {
        [
            "role",
            "master_port",
            "master_link_status",
            "master_sync_in_progress",
            "master_replid",
            "master_repl_offset",
        ]
        .iter()
        .filter(|f| self.0.contains_key(**f))
        .map(|f| format!("{f}={}", self.get(f)))
        .collect::<Vec<_>>()
        .join(" ")
    }

    /// The fields that `other` has otherwise, apart from those in `except`.
    pub fn differences(&self, other: &Info, except: &[&str]) -> Vec<String> {
        let names: std::collections::BTreeSet<&String> =
            self.0.keys().chain(other.0.keys()).collect();
        names
            .into_iter()
            .filter(|n| !except.contains(&n.as_str()) && self.0.get(*n) != other.0.get(*n))
            .map(|n| format!("{n}: {:?} -> {:?}", self.0.get(n), other.0.get(n)))
            .collect()
    }
}
