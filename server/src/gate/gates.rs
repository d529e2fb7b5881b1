//! The gates themselves, whatever lies in them. Every interleaving of a few threads is tried in `server/loom`.

use crate::sync::{Mutex, MutexGuard};
use smallvec::SmallVec;
use std::time::Duration;

/// One mutex per cache line, two lines apart for the prefetcher's sake.
#[repr(align(128))]
struct Slot<V>(Mutex<V>);

/// All gates; `V` is what lies inside each of them.
pub struct Gates<V> {
    slots: Box<[Slot<V>]>,
    /// Those who want all gates queue here, so that they do not spoil each other's tries.
    taker: Mutex<()>,
}

/// A gate held by the thread that executes a batch.
pub type Entered<'a, V> = MutexGuard<'a, V>;

impl<V: Clone> Gates<V> {
    /// `slots` gates (at least one), each with its clone of `view`.
    pub fn new(slots: usize, view: V) -> Self {
        Gates {
            slots: (0..slots.max(1))
                .map(|_| Slot(Mutex::new(view.clone())))
                .collect(),
            taker: Mutex::new(()),
        }
    }

    /// Number of gates.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Never: there is at least one gate.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Enters gate `slot` (taken modulo their number). Waits only while someone holds all gates, or while
    /// another thread shares the slot.
    #[inline]
    pub fn enter(&self, slot: usize) -> Entered<'_, V> {
        match self.slots.get(slot) {
            Some(s) => s.0.lock(),
            None => self.slots[slot % self.slots.len()].0.lock(),
        }
    }

    /// Enters gate `slot` if nobody holds it.
    #[inline]
    pub fn try_enter(&self, slot: usize) -> Option<Entered<'_, V>> {
        self.slots[slot % self.slots.len()].0.try_lock()
    }

    /// Enters gate `slot`, or gives up when it has been held for `most`.
    pub fn enter_for(&self, slot: usize, most: Duration) -> Option<Entered<'_, V>> {
        self.slots[slot % self.slots.len()].0.try_lock_for(most)
    }

    /// Leaves a gate and hands it to whoever waits for it. Dropping the guard also leaves, but lets a busy
    /// thread enter again and again before a waiter wakes.
    #[inline]
    pub fn leave(gate: Entered<'_, V>) {
        MutexGuard::unlock_fair(gate);
    }

    /// Takes every gate. The caller must hold none.
    ///
    /// While one gate is busy, the others stay open: this waits for the busy gate with no other held, then
    /// tries the rest. If they are never free together for some rounds, it takes them in order, which ends
    /// since every holder leaves its gate without waiting for another one.
    pub fn all(&self) -> AllGates<'_, V> {
        self.all_after(self.tries())
    }

    /// [`Gates::all`], with so many tries before the gates are taken in order.
    pub fn all_after(&self, tries: usize) -> AllGates<'_, V> {
        self.all_in_turn(self.taker.lock(), tries)
    }

    /// [`Gates::all`], unless somebody who holds all gates keeps them until `hopeless` says that he will for long.
    pub fn all_unless(&self, hopeless: impl Fn() -> bool) -> Option<AllGates<'_, V>> {
        const LOOK: Duration = Duration::from_millis(10);
        loop {
            if hopeless() {
                return None;
            }
            if let Some(turn) = self.taker.try_lock_for(LOOK) {
                return Some(self.all_in_turn(turn, self.tries()));
            }
        }
    }

    fn tries(&self) -> usize {
        2 * self.slots.len() + 8
    }

    fn all_in_turn<'a>(&'a self, turn: MutexGuard<'a, ()>, tries: usize) -> AllGates<'a, V> {
        let mut busy = 0;
        for _ in 0..tries {
            match self.try_all(busy) {
                Ok(guards) => {
                    return AllGates {
                        guards,
                        _turn: turn,
                    };
                }
                Err(next) => busy = next,
            }
        }
        let guards = self.slots.iter().map(|s| s.0.lock()).collect();
        AllGates {
            guards,
            _turn: turn,
        }
    }

    /// Waits for gate `first` alone, then tries the others; gives up naming one that was busy.
    fn try_all(&self, first: usize) -> Result<Guards<'_, V>, usize> {
        let mut first_guard = Some(self.slots[first].0.lock());
        let mut guards = Guards::new();
        for (i, slot) in self.slots.iter().enumerate() {
            if i == first {
                guards.extend(first_guard.take());
            } else if let Some(guard) = slot.0.try_lock() {
                guards.push(guard);
            } else {
                return Err(i);
            }
        }
        Ok(guards)
    }
}

type Guards<'a, V> = SmallVec<[MutexGuard<'a, V>; 16]>;

/// Every gate, held: no command is being executed anywhere.
pub struct AllGates<'a, V> {
    guards: Guards<'a, V>,
    _turn: MutexGuard<'a, ()>,
}

impl<V: Clone> AllGates<'_, V> {
    /// The view, the same in every gate.
    pub fn view(&self) -> &V {
        &self.guards[0]
    }

    /// Puts `view` into every gate and returns the one that was there. To commands this is one step.
    pub fn replace(&mut self, view: V) -> V {
        for guard in &mut self.guards[1..] {
            **guard = view.clone();
        }
        std::mem::replace(&mut self.guards[0], view)
    }

    /// Changes the view by `change`, in every gate.
    pub fn update(&mut self, change: impl FnOnce(&mut V)) {
        let mut view = self.view().clone();
        change(&mut view);
        self.replace(view);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::mpsc;
    use std::thread;

    /// Ends the workers however the test ends: a failed assertion must not leave them turning for ever.
    struct StopOnDrop<'a>(&'a AtomicBool);

    impl Drop for StopOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_replaced_view_is_in_every_gate() {
        let gates = Gates::new(5, 1);
        assert_eq!(gates.all().replace(2), 1);
        gates.all().update(|v| *v += 5);
        for slot in 0..gates.len() {
            assert_eq!(*gates.enter(slot), 7);
        }
        assert_eq!(*gates.enter(99), 7);
    }

    #[test]
    fn all_gates_exclude_every_batch() {
        let gates = Gates::new(4, 0u64);
        let inside = AtomicU64::new(0);
        let stop = AtomicBool::new(false);
        thread::scope(|s| {
            let workers: Vec<_> = (0..4)
                .map(|slot| {
                    let (gates, inside, stop) = (&gates, &inside, &stop);
                    s.spawn(move || {
                        let (mut batches, mut last) = (0u64, 0);
                        while !stop.load(Ordering::Relaxed) {
                            let gate = gates.enter(slot);
                            inside.fetch_add(1, Ordering::SeqCst);
                            assert!(*gate >= last, "a view went back");
                            last = *gate;
                            std::hint::spin_loop();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            Gates::leave(gate);
                            batches += 1;
                        }
                        batches
                    })
                })
                .collect();
            let over = StopOnDrop(&stop);
            let takers: Vec<_> = (0..3)
                .map(|_| {
                    s.spawn(|| {
                        for _ in 0..50 {
                            let mut all = gates.all();
                            assert_eq!(inside.load(Ordering::SeqCst), 0, "a batch ran meanwhile");
                            all.update(|v| *v += 1);
                        }
                    })
                })
                .collect();
            for taker in takers {
                taker.join().unwrap();
            }
            drop(over);
            for worker in workers {
                assert!(worker.join().unwrap() > 0, "a thread was starved");
            }
        });
        assert_eq!(*gates.all().view(), 150);
    }

    #[test]
    fn a_thread_stuck_in_its_gate_leaves_the_others_open() {
        let gates = Gates::new(3, ());
        let (entered, took) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|s| {
            let stuck = gates.enter(2);
            s.spawn(|| {
                drop(gates.all());
                took.store(true, Ordering::SeqCst);
            });
            let (tx, rx) = mpsc::channel();
            for slot in 0..2 {
                let (gates, entered, tx) = (&gates, &entered, tx.clone());
                s.spawn(move || {
                    for _ in 0..50 {
                        Gates::leave(gates.enter(slot));
                        entered.fetch_add(1, Ordering::SeqCst);
                        thread::sleep(Duration::from_millis(1));
                    }
                    tx.send(()).unwrap();
                });
            }
            for _ in 0..2 {
                rx.recv_timeout(Duration::from_secs(10))
                    .expect("the others cannot enter");
            }
            assert_eq!(entered.load(Ordering::SeqCst), 100);
            assert!(
                !took.load(Ordering::SeqCst),
                "all gates taken while one is held"
            );
            drop(stuck);
        });
        assert!(took.load(Ordering::SeqCst));
    }
}
