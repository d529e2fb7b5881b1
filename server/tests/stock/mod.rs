//! A stock redis-server for tests, on a socket file in a directory of its own, and what is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A directory that goes when it is dropped.
#[derive(Debug)]
pub struct Dir(PathBuf);

impl Dir {
    /// A new, empty one. Its path is short, because a socket's path must be.
    pub fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "df-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary directory can be made");
        Dir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running redis-server. Its snapshot file is `dump.rdb` in `dir`.
#[derive(Debug)]
pub struct Stock {
    child: Child,
    pub dir: Dir,
}

impl Stock {
    /// Starts one in `dir`, with the snapshot that is there, and waits until it serves.
    pub fn start(dir: Dir, arguments: &[&str]) -> Stock {
        let log = std::fs::File::create(dir.path().join("log")).expect("a log file can be made");
        let child = Command::new("redis-server")
            .args([
                "--port",
                "0",
                "--unixsocket",
                "s",
                "--save",
                "",
                "--enable-debug-command",
                "yes",
            ])
            .args(arguments)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .expect("redis-server must be installed");
        let mut stock = Stock { child, dir };
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(mut connection) = stock.client().get_connection()
                && redis::cmd("PING").query::<String>(&mut connection).is_ok()
            {
                return stock;
            }
            let ended = stock.child.try_wait().expect("the child can be waited for");
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(stock.dir.path().join("log"));
                panic!("redis-server did not start: {}", log.unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn client(&self) -> redis::Client {
        let path = self.dir.path().join("s");
        redis::Client::open(format!("redis+unix://{}", path.display())).expect("the path is sound")
    }

    pub fn connect(&self) -> redis::Connection {
        self.client()
            .get_connection()
            .expect("the stock server serves")
    }

    /// Its snapshot, made now.
    pub fn save(&self) -> Vec<u8> {
        let saved: String = redis::cmd("SAVE")
            .query(&mut self.connect())
            .expect("SAVE works");
        assert_eq!(saved, "OK");
        std::fs::read(self.dir.path().join("dump.rdb")).expect("SAVE wrote a file")
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What redis-check-rdb says of a file, and whether it is content.
pub fn check_rdb(file: &Path) -> (bool, String) {
    let output = Command::new("redis-check-rdb")
        .arg(file)
        .output()
        .expect("redis-check-rdb must be installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text)
}

/// A value as its users see it, whatever its encoding.
#[derive(Clone, PartialEq, Debug)]
pub enum Plain {
    Str(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    /// Members in order with their scores' bits.
    Zset(Vec<(Vec<u8>, u64)>),
}

/// Everything in a server: value and expiry (milliseconds since 1970) by database and key.
pub type Content = BTreeMap<(u32, Vec<u8>), (Plain, Option<i64>)>;

/// Everything that a server holds, asked for key by key.
pub fn content(connection: &mut redis::Connection) -> Content {
    let mut content = Content::new();
    for db in 0..16u32 {
        () = redis::cmd("SELECT")
            .arg(db)
            .query(connection)
            .expect("there are 16 databases");
        let mut keys: Vec<Vec<u8>> = redis::cmd("KEYS")
            .arg("*")
            .query(connection)
            .expect("KEYS works");
        keys.sort();
        for key in keys {
            let value = value(connection, &key);
            let at: i64 = ask(connection, &["PEXPIRETIME"], &key, &[]);
            content.insert((db, key), (value, (at >= 0).then_some(at)));
        }
    }
    content
}

fn ask<T: redis::FromRedisValue>(
    connection: &mut redis::Connection,
    command: &[&str],
    key: &[u8],
    rest: &[&str],
) -> T {
    redis::cmd(command[0])
        .arg(key)
        .arg(rest)
        .query(connection)
        .unwrap_or_else(|error| panic!("{command:?} of \"{}\": {error}", key.escape_ascii()))
}

/// The value of a key of the selected database.
pub fn value(connection: &mut redis::Connection, key: &[u8]) -> Plain {
    let kind: String = ask(connection, &["TYPE"], key, &[]);
    match kind.as_str() {
        "string" => Plain::Str(ask(connection, &["GET"], key, &[])),
        "list" => Plain::List(ask(connection, &["LRANGE"], key, &["0", "-1"])),
        "set" => Plain::Set(ask(connection, &["SMEMBERS"], key, &[])),
        "hash" => Plain::Hash(ask(connection, &["HGETALL"], key, &[])),
        "zset" => {
            let pairs: Vec<(Vec<u8>, f64)> =
                ask(connection, &["ZRANGE"], key, &["0", "-1", "WITHSCORES"]);
            Plain::Zset(
                pairs
                    .into_iter()
                    .map(|(member, score)| (member, score.to_bits()))
                    .collect(),
            )
        }
        other => panic!("a key of type {other}"),
    }
}
