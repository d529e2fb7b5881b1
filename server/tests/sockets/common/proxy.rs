//! A proxy between a replica and its master that can do what networks do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// What the proxy does, from now on, to connections old and new. "Down" is from the server to whoever
/// connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// New connections are closed at once; old ones go on.
    Refuse,
    /// Nothing is forwarded in either direction, and nothing is closed.
    Mute,
    /// Every portion is held back for so long.
    Delay(Duration),
    /// Each connection is closed after so many bytes down it.
    TruncateAfter(u64),
    /// Each connection carries nonsense after so many bytes down it.
    GarbageAfter(u64),
    /// What comes down a connection is lost from the moment this word went up it: what it asked for is done, and
    /// nobody hears of it.
    LoseAnswersTo(&'static str),
}

struct Shared {
    target: u16,
    fault: Mutex<Fault>,
    live: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
    down: AtomicU64,
    newest: Mutex<Arc<AtomicU64>>,
    stop: AtomicBool,
}

/// The proxy. It ends with its owner.
pub struct Proxy {
    /// Where to connect to.
    pub port: u16,
    shared: Arc<Shared>,
}

/// How often a pump looks whether the fault has changed.
const TICK: Duration = Duration::from_millis(5);

impl Proxy {
    /// A proxy to a port on this machine.
    pub fn to(target: u16) -> Proxy {
        Proxy::on(0, target)
    }

    /// A proxy that listens on a port of one's choice.
    pub fn on(port: u16, target: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("bind the proxy");
        let port = listener.local_addr().expect("the proxy's port").port();
        let shared = Arc::new(Shared {
            target,
            fault: Mutex::new(Fault::None),
            live: Mutex::new(Vec::new()),
            accepted: AtomicUsize::new(0),
            down: AtomicU64::new(0),
            newest: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let proxy = Proxy {
            port,
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || accept(&listener, &shared));
        proxy
    }

    /// From now on.
    pub fn set(&self, fault: Fault) {
        *lock(&self.shared.fault) = fault;
    }

    /// Closes every connection there is.
    pub fn cut(&self) {
        for stream in lock(&self.shared.live).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many bytes went down the newest connection: what the limits of [`Fault`] count.
    pub fn bytes_down_of_newest(&self) -> u64 {
        lock(&self.shared.newest).load(Ordering::SeqCst)
    }

    /// How many bytes went down so far, over all connections.
    pub fn bytes_down(&self) -> u64 {
        self.shared.down.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the accepting thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        if *lock(&shared.fault) == Fault::Refuse {
            continue;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", shared.target)) else {
            continue;
        };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let copies = (client.try_clone(), server.try_clone());
        let (Ok(client2), Ok(server2)) = copies else {
            continue;
        };
        if let (Ok(c), Ok(s)) = (client.try_clone(), server.try_clone()) {
            lock(&shared.live).extend([c, s]);
        }
        let (up, down) = (Arc::clone(shared), Arc::clone(shared));
        let passed = Arc::<AtomicU64>::default();
        let asks = Arc::<AtomicBool>::default();
        let asked = Arc::clone(&asks);
        *lock(&shared.newest) = Arc::clone(&passed);
        thread::spawn(move || pump(client, server, &up, None, &asks));
        thread::spawn(move || pump(server2, client2, &down, Some(&passed), &asked));
    }
}

/// Copies until either side is closed, doing what the fault of the moment asks. `counter` is given to the
/// pump that copies down, and counts what it has copied. `asked` is set when the word of
/// [`Fault::LoseAnswersTo`] goes up.
fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    shared: &Shared,
    counter: Option<&AtomicU64>,
    asked: &AtomicBool,
) {
    let down = counter.is_some();
    let _ = from.set_read_timeout(Some(TICK));
    let mut buf = vec![0; 16 << 10];
    let mut passed = 0u64;
    while !shared.stop.load(Ordering::SeqCst) {
        let fault = *lock(&shared.fault);
        if fault == Fault::Mute {
            thread::sleep(TICK);
            continue;
        }
        let n = match from.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                continue;
            }
            Err(_) => break,
        };
        // The fault may have been set while we waited for the bytes.
        let fault = *lock(&shared.fault);
        let mut portion = &mut buf[..n];
        let mut last = false;
        match fault {
            Fault::Delay(pause) => thread::sleep(pause),
            Fault::Mute => {
                // What was read is forwarded when the fault is over, unless we are cut.
                while *lock(&shared.fault) == Fault::Mute && !shared.stop.load(Ordering::SeqCst) {
                    thread::sleep(TICK);
                }
            }
            Fault::TruncateAfter(limit) if down && passed + n as u64 >= limit => {
                portion = &mut portion[..limit.saturating_sub(passed) as usize];
                last = true;
            }
            Fault::GarbageAfter(limit) if down && passed + n as u64 > limit => {
                let clean = limit.saturating_sub(passed) as usize;
                for (i, byte) in portion[clean..].iter_mut().enumerate() {
                    *byte = (i as u8).wrapping_mul(37) ^ 0x5a;
                }
            }
            Fault::LoseAnswersTo(_) if down && asked.load(Ordering::SeqCst) => continue,
            Fault::LoseAnswersTo(word) if !down => {
                let mut windows = portion.windows(word.len());
                if windows.any(|bytes| bytes == word.as_bytes()) {
                    asked.store(true, Ordering::SeqCst);
                }
            }
            _ => {}
        }
        passed += portion.len() as u64;
        if let Some(counter) = counter {
            counter.store(passed, Ordering::SeqCst);
            shared
                .down
                .fetch_add(portion.len() as u64, Ordering::SeqCst);
        }
        if to.write_all(portion).is_err() || last {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
