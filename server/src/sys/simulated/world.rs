//! The world: its dice, its hosts, and what happened.

use super::disk::{Disk, Outage};
use super::wire::Network;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// A host by its number; 0 is the world outside, where clients and operators are.
pub type HostId = u8;

/// A world; see the module above.
pub struct World {
    state: Mutex<State>,
    pub(super) network: Mutex<Network>,
    began: Instant,
}

struct State {
    dice: u64,
    hosts: BTreeMap<HostId, Host>,
    story: String,
    /// What must not happen and did.
    wrong: Vec<String>,
    faults: super::fault::Faults,
    /// Whether a command of a stream may fail at a replica, and how many have.
    stumbles: Option<u64>,
}

#[derive(Default)]
struct Host {
    /// Counts its starts; odd while it runs.
    life: u32,
    disk: Arc<Mutex<Disk>>,
    /// One disk access takes up to so long.
    disk_delay: Duration,
    tasks: Vec<AbortHandle>,
}

/// In one world of so many, commands of streams fail at replicas.
const STUMBLING: u64 = 4;

/// Whose code runs.
#[derive(Clone)]
pub struct Context {
    /// The world it is in.
    pub world: Arc<World>,
    /// The host.
    pub host: HostId,
    life: u32,
}

thread_local! {
    static HERE: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// Puts the context back that was there before.
pub struct Entered(Option<Context>);

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take();
        // A thread that is at its end has no context to go back to.
        let _ = HERE.try_with(|here| *here.borrow_mut() = before);
    }
}

impl Context {
    /// The context of the code that asks; none outside every world.
    pub fn current() -> Option<Context> {
        HERE.try_with(|here| here.borrow().clone()).ok().flatten()
    }

    /// Code of this thread runs here until the guard is dropped.
    pub fn enter(&self) -> Entered {
        Entered(HERE.with(|here| here.borrow_mut().replace(self.clone())))
    }

    /// False when the host has crashed since.
    pub fn is_alive(&self) -> bool {
        self.host == 0 || self.world.life(self.host) == self.life
    }

    /// The disk of the host; none when it has crashed.
    pub(super) fn disk(&self) -> Option<Arc<Mutex<Disk>>> {
        let state = self.world.state.lock();
        let host = state.hosts.get(&self.host)?;
        (host.life == self.life).then(|| Arc::clone(&host.disk))
    }

    pub(super) fn adopt(&self, task: AbortHandle) {
        if let Some(host) = self.world.state.lock().hosts.get_mut(&self.host) {
            if host.tasks.len() >= 256 {
                host.tasks.retain(|task| !task.is_finished());
            }
            host.tasks.push(task);
        }
    }
}

impl World {
    /// The world of `seed`, with no host but the world outside. To be made within the runtime it lives in.
    pub fn new(seed: u64) -> Arc<World> {
        Arc::new(World {
            state: Mutex::new(State {
                // Seeds that differ by one bit are to have nothing in common.
                dice: seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1),
                hosts: BTreeMap::new(),
                story: String::new(),
                wrong: Vec::new(),
                faults: super::fault::Faults::default(),
                stumbles: seed.is_multiple_of(STUMBLING).then_some(0),
            }),
            network: Mutex::default(),
            began: Instant::now(),
        })
    }

    /// The context of the world outside.
    pub fn outside(self: &Arc<Self>) -> Context {
        let world = Arc::clone(self);
        let (host, life) = (0, 0);
        Context { world, host, life }
    }

    /// A throw of the dice (splitmix64).
    pub fn dice(&self) -> u64 {
        let mut state = self.state.lock();
        state.dice = state.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = state.dice;
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.dice()) * u128::from(bound)) >> 64) as u64
    }

    /// True once in `n` times.
    pub fn once_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A time from `least` to `most`.
    pub fn time_between(&self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_micros() as u64;
        least + Duration::from_micros(self.below(span + 1))
    }

    /// The age of the world.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Writes a line into the story.
    pub fn tell(&self, line: &str) {
        let at = self.elapsed().as_secs_f64();
        let here = Context::current().map_or(0, |here| here.host);
        let mut state = self.state.lock();
        let _ = match here {
            0 => writeln!(state.story, "{at:9.3}    {line}"),
            host => writeln!(state.story, "{at:9.3} n{host} {line}"),
        };
    }

    /// Something happened that must not.
    pub fn wrong(&self, what: String) {
        self.tell(&format!("WRONG: {what}"));
        self.state.lock().wrong.push(what);
    }

    /// What happened that must not.
    pub fn wrongs(&self) -> Vec<String> {
        self.state.lock().wrong.clone()
    }

    /// What happened.
    pub fn story(&self) -> String {
        self.state.lock().story.clone()
    }

    /// The faults that are planted.
    pub fn faults(&self) -> super::fault::Faults {
        self.state.lock().faults
    }

    /// Plants faults.
    pub fn plant(&self, faults: super::fault::Faults) {
        self.state.lock().faults = faults;
    }

    /// Whether the next command of a stream fails at the replica.
    pub fn stumbles(&self) -> bool {
        let may = self.state.lock().stumbles.is_some();
        let fails = may && self.once_in(150);
        if let Some(count) = self.state.lock().stumbles.as_mut().filter(|_| fails) {
            *count += 1;
        }
        fails
    }

    /// So many commands of a stream have failed at a replica.
    pub fn stumbled(&self) -> u64 {
        self.state.lock().stumbles.unwrap_or(0)
    }

    fn life(&self, host: HostId) -> u32 {
        self.state.lock().hosts.get(&host).map_or(0, |h| h.life)
    }

    /// Whether `host` runs.
    pub fn runs(&self, host: HostId) -> bool {
        host == 0 || self.life(host) % 2 == 1
    }

    /// Starts `host`, which does not run; it finds its disk as it left it.
    pub fn start(self: &Arc<Self>, host: HostId) -> Context {
        let mut state = self.state.lock();
        let it = state.hosts.entry(host).or_default();
        it.life += 1;
        let life = it.life;
        drop(state);
        // Who thought it was still there learns that it is not the one it was.
        self.cut_off(host, false);
        let world = Arc::clone(self);
        Context { world, host, life }
    }

    /// Ends `host` where it is. Its peers hear of it, unless it is `silent`, as when its power fails; `outage` says what
    /// becomes of its disk.
    pub fn crash(self: &Arc<Self>, host: HostId, silent: bool, outage: Outage) {
        let (tasks, disk) = {
            let mut state = self.state.lock();
            let Some(it) = state.hosts.get_mut(&host).filter(|it| it.life % 2 == 1) else {
                return;
            };
            it.life += 1;
            (std::mem::take(&mut it.tasks), Arc::clone(&it.disk))
        };
        self.cut_off(host, silent);
        tasks.iter().for_each(AbortHandle::abort);
        disk.lock().suffer(outage, self);
    }

    /// From here on a disk access of `host` takes up to `delay`.
    pub fn slow_disk(&self, host: HostId, delay: Duration) {
        if let Some(host) = self.state.lock().hosts.get_mut(&host) {
            host.disk_delay = delay;
        }
    }

    pub(super) fn disk_delay(&self, host: HostId) -> Duration {
        let most = self.state.lock().hosts.get(&host).map(|h| h.disk_delay);
        self.time_between(Duration::ZERO, most.unwrap_or_default())
    }
}
