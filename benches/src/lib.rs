//! What the benches share: processes under measurement, and medians.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// A server under measurement, killed when dropped.
pub struct Server {
    /// Its name in the tables.
    pub name: &'static str,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    child: Child,
    dir: PathBuf,
}

/// Which server to start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The stock redis-server on the path.
    Redis,
    /// `damselfly` beside this program: build it with the same profile.
    Damselfly,
}

impl Which {
    /// Both, in the order of the tables.
    pub const BOTH: [Which; 2] = [Which::Redis, Which::Damselfly];

    /// Its name in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Which::Redis => "redis-server",
            Which::Damselfly => "damselfly",
        }
    }
}

impl Server {
    /// Starts a server on a free port with no persistence; `cpu` pins it to one core.
    ///
    /// # Errors
    /// When it cannot be started or does not answer within ten seconds.
    pub fn start(which: Which, cpu: Option<usize>, more: &[&str]) -> Result<Self> {
        let port = free_port()?;
        let dir = std::env::temp_dir().join(format!("damselfly-bench-{port}"));
        std::fs::create_dir_all(&dir)?;
        let binary = match which {
            Which::Redis => PathBuf::from("redis-server"),
            Which::Damselfly => std::env::current_exe()?.with_file_name("damselfly"),
        };
        let mut command = match cpu {
            Some(cpu) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &cpu.to_string()]).arg(&binary);
                command
            }
            None => Command::new(&binary),
        };
        command.args(["--port", &port.to_string(), "--save", ""]);
        command.args(["--bind", "127.0.0.1", "--dir"]).arg(&dir);
        if which == Which::Damselfly && cpu.is_some() {
            command.args(["--threads", "1"]);
        }
        command.args(more);
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let server = Self {
            name: which.name(),
            port,
            child,
            dir,
        };
        await_pong(port).with_context(|| format!("{} does not start", server.name))?;
        Ok(server)
    }

    /// A connection of its own.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self.port)
    }

    /// CPU time of all its threads so far, user and system.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu(&self) -> Result<Duration> {
        cpu_of(self.child.id())
    }

    /// Resident memory, bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident(&self) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find(|l| l.starts_with("VmRSS:"));
        let kib = line.and_then(|l| l.split_whitespace().nth(1));
        Ok(kib.context("no VmRSS")?.parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// CPU time of this process so far.
///
/// # Errors
/// When `/proc` is not there.
pub fn own_cpu() -> Result<Duration> {
    cpu_of(std::process::id())
}

/// For how long the threads of process `pid` that are there have run, user and system time.
fn cpu_of(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // One that ended meanwhile did next to nothing.
        let text = std::fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        let ran = text.split_whitespace().next();
        nanos += ran.map_or(Ok(0), str::parse::<u64>)?;
    }
    ensure!(nanos > 0, "the kernel does not count what {pid} takes");
    Ok(Duration::from_nanos(nanos))
}

/// A port of 127.0.0.1 where nobody listens at the moment.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until a server answers PING on `port`.
///
/// # Errors
/// After ten seconds.
pub fn await_pong(port: u16) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let pong = Client::connect(port).and_then(|mut client| client.call(&["PING"]));
        if pong.is_ok_and(|reply| reply == "+PONG") {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no answer on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One command as it is sent.
pub fn request(args: &[&str]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", args.len());
    for arg in args {
        request.push_str(&format!("${}\r\n{arg}\r\n", arg.len()));
    }
    request.into_bytes()
}

/// A client that knows as much RESP as the benches need.
pub struct Client {
    stream: BufReader<TcpStream>,
    replies: Vec<u8>,
}

impl Client {
    /// Connects to 127.0.0.1.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Self {
            stream: BufReader::new(stream),
            replies: Vec::new(),
        })
    }

    /// Sends one command and returns the first line of the reply, or the bulk it announces.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn call(&mut self, args: &[&str]) -> Result<String> {
        self.stream.get_mut().write_all(&request(args))?;
        self.reply()
    }

    /// Sends whole requests at once, small enough for the sockets' buffers, and returns the `len` bytes of their replies.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn exchange(&mut self, requests: &[u8], len: usize) -> Result<&[u8]> {
        self.replies.resize(len, 0);
        self.stream.get_mut().write_all(requests)?;
        self.stream.read_exact(&mut self.replies)?;
        Ok(&self.replies)
    }

    fn reply(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "connection closed");
        let line = line.trim_end().to_owned();
        let Some(len) = line.strip_prefix('$') else {
            return Ok(line);
        };
        let len: i64 = len.parse()?;
        if len < 0 {
            return Ok(line);
        }
        let mut bulk = vec![0; len as usize + 2];
        self.stream.read_exact(&mut bulk)?;
        bulk.truncate(len as usize);
        Ok(String::from_utf8_lossy(&bulk).into_owned())
    }

    /// Waits until INFO has `line`.
    ///
    /// # Errors
    /// After two minutes, or when the connection breaks.
    pub fn wait_info(&mut self, section: &str, line: &str) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let info = self.call(&["INFO", section])?;
            if info.lines().any(|l| l.trim() == line) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("INFO {section} never said {line}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Median, least and greatest of some measurements.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of at least one measurement.
    pub fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Self {
            median: all[all.len() / 2],
            min: all[0],
            max: all[all.len() - 1],
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2}..{:.2})", self.median, self.min, self.max)
    }
}
