//! Connections between hosts, and what the network does to them.
//!
//! A connection is two pipes. What is written into a pipe can be read at the other end some time later, in order; how
//! much later is a throw of the dice and what is held on that [`Path`]. So bytes are late, or in pieces, or lost with
//! the connection, but never exchanged, as with TCP.

use super::world::{HostId, World};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How packets fare from one host to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// They wait until this ends.
    pub held: bool,
    /// They take up to so much longer than they must.
    pub slow: Duration,
    /// Connecting fails, once the other side has heard of it.
    pub refused: bool,
}

/// The least and the most time that a packet takes.
const LATENCY: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(3));

/// The network: its paths, who listens, and the connections.
#[derive(Default)]
pub(super) struct Network {
    paths: BTreeMap<(HostId, HostId), Path>,
    pub listeners: BTreeMap<SocketAddr, Arc<Listening>>,
    wires: Vec<Weak<Wire>>,
    last_port: u16,
    last_wire: i32,
    /// Some path has changed.
    pub changed: Arc<Notify>,
}

/// Connections to be accepted.
#[derive(Default)]
pub(super) struct Listening {
    pub queue: Mutex<VecDeque<Arc<Wire>>>,
    pub came: Notify,
}

/// A connection.
pub(super) struct Wire {
    pub number: i32,
    pub hosts: [HostId; 2],
    pub addrs: [SocketAddr; 2],
    pub state: Mutex<Pipes>,
}

/// The two directions of a connection: pipe `i` leads from end `i` to the other one.
pub(super) struct Pipes {
    pub pipes: [Pipe; 2],
    /// Of this end nothing is heard any more: its host is gone.
    mute: [bool; 2],
}

#[derive(Default)]
pub(super) struct Pipe {
    under_way: VecDeque<(Instant, Packet)>,
    arrived: VecDeque<u8>,
    /// Bytes under way and arrived, which are bounded.
    waiting: usize,
    window: usize,
    last_due: Option<Instant>,
    /// Nothing follows what has arrived.
    ended: bool,
    /// The reader was told that the connection is broken.
    broken: bool,
    /// Whoever writes here writes to nobody, and does not know it yet.
    deserted: bool,
    pub reader: Option<Waker>,
    pub writer: Option<Waker>,
}

enum Packet {
    Data(Vec<u8>),
    End,
    Reset,
}

/// What there is to read.
pub(super) enum Arrival {
    Some(usize),
    End,
    Broken,
    /// Nothing now; something at this moment, if it is known.
    Later(Option<Instant>),
}

/// The address of a host.
pub(super) fn ip_of(host: HostId) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, host).into()
}

/// The host of an address.
pub(super) fn host_of(ip: IpAddr) -> Option<HostId> {
    match ip {
        IpAddr::V4(ip) => match ip.octets() {
            [10, 0, 0, host] => Some(host),
            _ => None,
        },
        IpAddr::V6(_) => None,
    }
}

impl Pipe {
    fn push(&mut self, due: Instant, packet: Packet) {
        let due = self.last_due.map_or(due, |last| last.max(due));
        self.last_due = Some(due);
        self.under_way.push_back((due, packet));
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    fn wake(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
        self.writer.take().into_iter().for_each(Waker::wake);
    }

    /// Lets arrive what is due.
    fn settle(&mut self, held: bool) {
        while !held
            && self
                .under_way
                .front()
                .is_some_and(|(due, _)| *due <= Instant::now())
        {
            match self.under_way.pop_front() {
                Some((_, Packet::Data(bytes))) => self.arrived.extend(bytes),
                Some((_, Packet::End)) => self.ended = true,
                Some((_, Packet::Reset)) => self.broken = true,
                None => {}
            }
        }
    }

    fn lose_what_is_under_way(&mut self) {
        let lost = self.under_way.drain(..).map(|(_, packet)| match packet {
            Packet::Data(bytes) => bytes.len(),
            _ => 0,
        });
        self.waiting -= lost.sum::<usize>();
    }
}

impl Wire {
    /// Reads at `end`.
    pub fn read(&self, world: &World, end: usize, to: &mut [u8]) -> Arrival {
        let held = world.path(self.hosts[1 - end], self.hosts[end]).held;
        let mut state = self.state.lock();
        let pipe = &mut state.pipes[1 - end];
        pipe.settle(held);
        let there = pipe.arrived.len().min(to.len());
        if there > 0 {
            // Now and then less than there is, as systems do.
            let n = match world.once_in(4) {
                true => 1 + world.below(there as u64) as usize,
                false => there,
            };
            for (to, from) in to.iter_mut().zip(pipe.arrived.drain(..n)) {
                *to = from;
            }
            pipe.waiting -= n;
            pipe.writer.take().into_iter().for_each(Waker::wake);
            return Arrival::Some(n);
        }
        if pipe.broken {
            return Arrival::Broken;
        }
        if pipe.ended {
            return Arrival::End;
        }
        let due = pipe.under_way.front().map(|(due, _)| *due);
        Arrival::Later(due.filter(|_| !held))
    }

    /// Registers who reads at `end`.
    pub fn await_bytes(&self, end: usize, waker: &Waker) {
        self.state.lock().pipes[1 - end].reader = Some(waker.clone());
    }

    /// Writes at `end`; none when there is no room, and then `waker` hears of some.
    pub fn write(
        &self,
        world: &World,
        end: usize,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<Result<usize, ()>> {
        let (from, to) = (self.hosts[end], self.hosts[1 - end]);
        let held = world.path(to, from).held;
        let delay = world.latency(from, to);
        let mut state = self.state.lock();
        state.pipes[1 - end].settle(held);
        if state.pipes[1 - end].broken {
            return Some(Err(()));
        }
        let pipe = &mut state.pipes[end];
        if pipe.deserted {
            // The other side answers with a reset.
            state.pipes[1 - end].push(Instant::now() + delay, Packet::Reset);
            return Some(Ok(bytes.len()));
        }
        let room = pipe.window.saturating_sub(pipe.waiting);
        if room == 0 {
            pipe.writer = Some(waker.clone());
            return None;
        }
        let mut n = room.min(bytes.len());
        if n > 1 && world.once_in(8) {
            n = 1 + world.below(n as u64 - 1) as usize;
        }
        pipe.waiting += n;
        pipe.push(Instant::now() + delay, Packet::Data(bytes[..n].to_vec()));
        Some(Ok(n))
    }

    /// `end` is closed for writing, or altogether.
    pub fn close(&self, world: &World, end: usize, altogether: bool) {
        let delay = world.latency(self.hosts[end], self.hosts[1 - end]);
        let mut state = self.state.lock();
        if state.mute[end] {
            return;
        }
        state.pipes[end].push(Instant::now() + delay, Packet::End);
        if altogether {
            let pipe = &mut state.pipes[1 - end];
            pipe.deserted = true;
            pipe.lose_what_is_under_way();
            pipe.wake();
        }
    }

    /// `end` neither reads nor writes any more.
    pub fn hang_up(&self, world: &World, end: usize) {
        self.close(world, end, true);
        let mut state = self.state.lock();
        let pipe = &mut state.pipes[1 - end];
        pipe.arrived.clear();
        pipe.waiting = 0;
        pipe.ended = true;
    }

    /// The connection breaks: what is under way is lost, on one of the ways only some of it.
    fn reset(&self, world: &World, ends: &[usize]) {
        let mut state = self.state.lock();
        for &end in ends {
            let pipe = &mut state.pipes[1 - end];
            if world.once_in(2) {
                pipe.lose_what_is_under_way();
            }
            pipe.last_due = None;
            let delay = world.time_between(LATENCY.0, LATENCY.1);
            pipe.push(Instant::now() + delay, Packet::Reset);
            let pipe = &mut state.pipes[end];
            pipe.deserted = true;
            pipe.wake();
        }
    }
}

impl World {
    /// How packets fare from `from` to `to`.
    pub fn path(&self, from: HostId, to: HostId) -> Path {
        let network = self.network.lock();
        network.paths.get(&(from, to)).copied().unwrap_or_default()
    }

    /// From here on they fare so.
    pub fn set_path(&self, from: HostId, to: HostId, path: Path) {
        let (wires, changed) = {
            let mut network = self.network.lock();
            network.paths.insert((from, to), path);
            (network.between(&[from, to]), Arc::clone(&network.changed))
        };
        for wire in wires {
            wire.state.lock().pipes.iter_mut().for_each(Pipe::wake);
        }
        changed.notify_waiters();
    }

    /// How long a packet takes from `from` to `to` that is sent now.
    fn latency(&self, from: HostId, to: HostId) -> Duration {
        let slow = self.path(from, to).slow;
        self.time_between(LATENCY.0, LATENCY.1 + slow)
    }

    /// Waits until a packet has gone from `from` to `to`.
    pub(super) async fn travel(&self, from: HostId, to: HostId) {
        tokio::time::sleep(self.latency(from, to)).await;
        let changed = Arc::clone(&self.network.lock().changed);
        loop {
            let mut heard = std::pin::pin!(changed.notified());
            heard.as_mut().enable();
            if !self.path(from, to).held {
                return;
            }
            heard.await;
        }
    }

    /// Breaks the connections between two hosts.
    pub fn reset(&self, a: HostId, b: HostId) {
        let wires = self.network.lock().between(&[a, b]);
        for wire in wires {
            wire.reset(self, &[0, 1]);
        }
    }

    /// `host` is gone, or is another than it was: the other ends of its connections hear of it, or do not.
    pub(super) fn cut_off(&self, host: HostId, silent: bool) {
        let wires = {
            let mut network = self.network.lock();
            network
                .listeners
                .retain(|addr, _| host_of(addr.ip()) != Some(host));
            network.of(host)
        };
        for wire in wires {
            let end = usize::from(wire.hosts[0] == host);
            wire.state.lock().mute[1 - end] = true;
            match silent {
                true => wire.state.lock().pipes[1 - end].lose_what_is_under_way(),
                false => wire.reset(self, &[end]),
            }
        }
    }

    /// A new connection from `from` to a listener.
    pub(super) fn connect(&self, from: HostId, to: SocketAddr) -> Option<Arc<Wire>> {
        let window = 2048 << self.below(6);
        let mut network = self.network.lock();
        let listening = Arc::clone(network.listeners.get(&to)?);
        network.last_port = network.last_port.wrapping_add(1);
        network.last_wire += 1;
        let port = 10_000 + network.last_port % 50_000;
        let pipe = || Pipe {
            window,
            ..Pipe::default()
        };
        let wire = Arc::new(Wire {
            number: network.last_wire,
            hosts: [from, host_of(to.ip())?],
            addrs: [(ip_of(from), port).into(), to],
            state: Mutex::new(Pipes {
                pipes: [pipe(), pipe()],
                mute: [false; 2],
            }),
        });
        network.wires.retain(|wire| wire.strong_count() > 0);
        network.wires.push(Arc::downgrade(&wire));
        listening.queue.lock().push_back(Arc::clone(&wire));
        listening.came.notify_one();
        Some(wire)
    }
}

impl Network {
    fn of(&self, host: HostId) -> Vec<Arc<Wire>> {
        let wires = self.wires.iter().filter_map(Weak::upgrade);
        wires.filter(|wire| wire.hosts.contains(&host)).collect()
    }

    fn between(&self, hosts: &[HostId; 2]) -> Vec<Arc<Wire>> {
        let wires = self.of(hosts[0]).into_iter();
        wires
            .filter(|wire| wire.hosts.contains(&hosts[1]))
            .collect()
    }
}
