//! Reaching a master: resolve, connect, and the greeting, as an ordered table of named steps.
//!
//! Nothing here knows of the node. What a peer can do is fail, and every failure says which step it was and
//! why. The caller puts one deadline over all of it ([`reach`]).

use super::domain::{Host, Id, Wire};
use super::peer::{Peer, PeerError, Said, shown};
use crate::config::Settings;
use crate::sys::net::{self, TcpKeepalive, TcpStream};
use damselfly_core::Second;
use parking_lot::Mutex;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// A master that was greeted.
#[derive(Debug)]
pub struct Reached {
    /// The connection.
    pub peer: Peer,
    /// Its run id, where it could be learned.
    pub run_id: Option<Id>,
}

/// Why a master was not reached. The text ends replies, INFO and log lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// Its name has no address.
    #[error("could not resolve master {host}: {why}")]
    Resolve {
        /// The master.
        host: Host,
        /// What the resolver said.
        why: String,
    },
    /// No address of it takes connections.
    #[error("could not connect to master {host}: {why}")]
    Connect {
        /// The master.
        host: Host,
        /// What the system said of the last address.
        why: String,
    },
    /// The deadline came first.
    #[error("master {host} did not answer in time ({step})")]
    TimedOut {
        /// The master.
        host: Host,
        /// What it was asked.
        step: &'static str,
    },
    /// The connection ended, or the peer is no Redis.
    #[error("greeting master {host} failed at {step}: {why}")]
    Broken {
        /// The master.
        host: Host,
        /// What it was asked.
        step: &'static str,
        /// What happened.
        why: PeerError,
    },
    /// It answered with an error.
    #[error("master {host} refused {step}: {said}")]
    Refused {
        /// The master.
        host: Host,
        /// What it was asked.
        step: &'static str,
        /// What it said.
        said: String,
    },
}

/// Resolves `host`, connects to it and greets it, all before `settings.replicaof_timeout` is over.
///
/// # Errors
/// Which step failed, and why.
pub async fn reach(host: Host, settings: &Settings) -> Result<Reached, Unreached> {
    reach_as(host, settings, false).await
}

/// [`reach`] for who is to take over from us: it says `-MASTERDOWN` when its link to us is down, and we let it in no more.
///
/// # Errors
/// As there.
pub async fn reach_heir(host: Host, settings: &Settings) -> Result<Reached, Unreached> {
    reach_as(host, settings, true).await
}

async fn reach_as(host: Host, settings: &Settings, is_heir: bool) -> Result<Reached, Unreached> {
    let step = Mutex::new("resolving its name");
    let busy = Mutex::new(None);
    let deadline = Instant::now() + settings.replicaof_timeout;
    let all = async {
        let addresses = resolve(host).await?;
        *step.lock() = "connecting";
        let source = source(&settings.bind_source).await;
        let stream = connect(host, &addresses, &source, deadline).await?;
        let mut peer = Peer::new(stream);
        let run_id = greet(host, &mut peer, settings, is_heir, &step, &busy).await?;
        Ok(Reached { peer, run_id })
    };
    match timeout(settings.replicaof_timeout, all).await {
        Ok(done) => done,
        Err(_) if *step.lock() == "connecting" => Err(Unreached::Connect {
            host,
            why: "timed out".into(),
        }),
        Err(_) => Err(busy.into_inner().unwrap_or(Unreached::TimedOut {
            host,
            step: step.into_inner(),
        })),
    }
}

async fn resolve(host: Host) -> Result<Vec<SocketAddr>, Unreached> {
    let fail = |why: String| Unreached::Resolve { host, why };
    let found = net::lookup_host((host.name(), host.port())).await;
    let mut addresses: Vec<_> = found
        .map_err(|e| fail(shown(e.to_string().as_bytes())))?
        .collect();
    addresses.dedup();
    match addresses.is_empty() {
        true => Err(fail("it has no address".into())),
        false => Ok(addresses),
    }
}

/// The addresses of `name`, which our end of the connection is to have. As in Redis it has another one where that is in
/// vain.
async fn source(name: &str) -> Vec<SocketAddr> {
    if name.is_empty() {
        return Vec::new();
    }
    match net::lookup_host((name, 0)).await {
        Ok(found) => found.collect(),
        Err(why) => {
            tracing::warn!("bind-source-addr {name}: {why}");
            Vec::new()
        }
    }
}

/// Tries one address after the other; none may use up the time of those behind it.
async fn connect(
    host: Host,
    addresses: &[SocketAddr],
    source: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, Unreached> {
    let mut why = String::new();
    for (i, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - i) as u32;
        let mut own = source.iter().filter(|s| s.is_ipv4() == address.is_ipv4());
        let own = own.next().map(SocketAddr::ip);
        match timeout(share, net::connect(address, own)).await {
            Ok(Ok(stream)) => {
                tune(&stream);
                return Ok(stream);
            }
            Ok(Err(error)) => why = reason(&error),
            Err(_) => why = "timed out".into(),
        }
    }
    Err(Unreached::Connect { host, why })
}

/// The system's words, without its number for them.
fn reason(error: &io::Error) -> String {
    let text = error.to_string().to_lowercase();
    let words = text.split(" (os error").next();
    words.unwrap_or_default().to_owned()
}

/// Small writes (ACKs) go out at once, and a master that vanished is noticed while nothing is sent.
fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    if let Err(error) = stream
        .set_nodelay(true)
        .and_then(|()| net::keep_alive(stream, &keepalive))
    {
        tracing::debug!("cannot tune the socket to the master: {error}");
    }
}

/// What makes of a refusal the end of the greeting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// Any error.
    Strict,
    /// Not the errors by which a server says that it wants a password first (`PING`).
    BeforeAuth,
    /// Not the `-ERR Unrecognized REPLCONF option` of an old server: it can do without.
    Optional,
    /// None: we only want to know.
    Curious,
}

struct Step {
    name: &'static str,
    /// The command, from what the master has said of itself so far; none if this step is not needed.
    request: fn(&Settings, &Known) -> Option<Vec<Vec<u8>>>,
    strictness: Strictness,
}

/// The greeting, in its order.
const STEPS: &[Step] = &[
    Step {
        name: PING,
        request: |_, _| words(&[b"PING"]),
        strictness: Strictness::BeforeAuth,
    },
    Step {
        name: "AUTH",
        request: |settings, _| match (&settings.masteruser[..], &settings.masterauth[..]) {
            (_, []) => None,
            ([], password) => words(&[b"AUTH", password]),
            (user, password) => words(&[b"AUTH", user, password]),
        },
        strictness: Strictness::Strict,
    },
    Step {
        name: "REPLCONF listening-port",
        request: |settings, _| {
            let port = match settings.announce_port {
                0 => settings.port,
                port => port,
            };
            words(&[b"REPLCONF", b"listening-port", port.to_string().as_bytes()])
        },
        strictness: Strictness::Optional,
    },
    Step {
        name: "REPLCONF ip-address",
        request: |settings, _| match settings.announce_ip.as_bytes() {
            [] => None,
            ip => words(&[b"REPLCONF", b"ip-address", ip]),
        },
        strictness: Strictness::Optional,
    },
    Step {
        name: "REPLCONF capa",
        request: |_, _| words(&[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]),
        strictness: Strictness::Optional,
    },
    Step {
        name: INFO,
        request: |_, _| words(&[b"INFO", b"server"]),
        strictness: Strictness::Curious,
    },
    Step {
        name: "REPLCONF version",
        // Without it a Valkey makes no snapshot of hashes whose fields have times. Redis does not know the option.
        request: |_, known| {
            let ask = known.may_be_valkey.then_some(VALKEY_VERSION)?;
            words(&[b"REPLCONF", b"version", ask])
        },
        strictness: Strictness::Curious,
    },
];

/// The version of Valkey whose snapshots are read.
const VALKEY_VERSION: &[u8] = b"9.0.0";

/// What a master says of itself.
struct Known {
    run_id: Option<Id>,
    /// It is a Valkey, or does not say.
    may_be_valkey: bool,
}

impl Known {
    fn from(info: &[u8]) -> Known {
        Known {
            run_id: field(info, b"run_id:").and_then(Id::parse),
            may_be_valkey: field(info, b"valkey_version:").is_some()
                || field(info, b"redis_version:").is_none(),
        }
    }
}

/// What an INFO says behind `name` at the start of a line.
fn field<'a>(info: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut lines = info.split(|&b| b == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(name))?;
    Some(value.strip_suffix(b"\r").unwrap_or(value))
}

/// Asks a master which history it went on from, and from where; none if it does not say.
///
/// # Errors
/// The connection ended.
pub async fn went_on_from(peer: &mut Peer) -> Result<Option<Second<Wire>>, PeerError> {
    peer.command(&[b"INFO", b"replication"]).await?;
    let Said::Bulk(info) = peer.reply().await? else {
        return Ok(None);
    };
    let replid = field(&info, b"master_replid2:").and_then(Id::parse);
    let until = field(&info, b"second_repl_offset:")
        .and_then(|until| std::str::from_utf8(until).ok()?.parse().ok());
    Ok(replid
        .zip(until)
        .map(|(replid, until)| Second { replid, until }))
}

const PING: &str = "PING";
const INFO: &str = "INFO server";

/// Before a master that is not ready yet is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

fn words(words: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    Some(words.iter().map(|word| word.to_vec()).collect())
}

impl Strictness {
    fn tolerates(self, error: &str) -> bool {
        let code = error.split(' ').next().unwrap_or_default();
        match self {
            Strictness::Strict => false,
            Strictness::BeforeAuth => {
                matches!(code, "NOAUTH" | "NOPERM")
                    || error.starts_with("ERR operation not permitted")
            }
            Strictness::Optional => error.starts_with("ERR Unrecognized REPLCONF option"),
            Strictness::Curious => true,
        }
    }
}

/// Whether a master that says so will soon say something else.
fn passes(error: &str) -> bool {
    matches!(
        error.split(' ').next(),
        Some("LOADING" | "BUSY" | "MASTERDOWN")
    )
}

/// Goes through [`STEPS`] and returns the peer's run id if it told it. A master that is about to be ready is asked
/// again; `busy` has meanwhile what it said.
async fn greet(
    host: Host,
    peer: &mut Peer,
    settings: &Settings,
    is_heir: bool,
    now_at: &Mutex<&'static str>,
    busy: &Mutex<Option<Unreached>>,
) -> Result<Option<Id>, Unreached> {
    let mut known = Known::from(b"");
    for step in STEPS {
        let Some(request) = (step.request)(settings, &known) else {
            continue;
        };
        *now_at.lock() = step.name;
        let request: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        let broken = |why| {
            let said = busy.lock().take();
            said.unwrap_or(Unreached::Broken {
                host,
                step: step.name,
                why,
            })
        };
        let refused = |said| Unreached::Refused {
            host,
            step: step.name,
            said,
        };
        let is_no_matter =
            |said: &str| is_heir && step.name == PING && said.starts_with("MASTERDOWN");
        let said = loop {
            peer.command(&request).await.map_err(broken)?;
            match peer.reply().await.map_err(broken)? {
                Said::Error(said) if step.name == PING && passes(&said) && !is_no_matter(&said) => {
                    *busy.lock() = Some(refused(said));
                    sleep(ASK_AGAIN).await;
                }
                said => break said,
            }
        };
        *busy.lock() = None;
        match said {
            Said::Error(said) if !step.strictness.tolerates(&said) && !is_no_matter(&said) => {
                return Err(refused(said));
            }
            Said::Bulk(info) if step.name == INFO => known = Known::from(&info),
            Said::Error(said) => tracing::debug!("master {host} said to {}: {said}", step.name),
            Said::Status(_) if step.name != INFO => {}
            Said::Status(_) | Said::Bulk(_) => {
                let what = "its answer is of the wrong kind".into();
                return Err(broken(PeerError::Garbage(what)));
            }
        }
    }
    Ok(known.run_id)
}

#[cfg(test)]
mod tests;
