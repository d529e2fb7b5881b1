//! The threads, and the only place that builds runtimes.

use super::listeners::Listeners;
use super::net::Crew;
use super::server::Server;
use super::{cron, expire};
use crate::sys::net::Bound;
use crate::sys::task::Handle;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Where the work of a server is done.
pub struct Places {
    crew: Arc<Crew>,
    replication: Handle,
}

impl Places {
    /// Connections are served by `io`, of which the first accepts them; links to masters, and what is done again and
    /// again, by `replication`: what that does for long is at no client's cost.
    pub fn new(io: Vec<Handle>, replication: Handle) -> Places {
        let counts = io.iter().map(|_| AtomicUsize::new(0)).collect();
        let handles = io;
        Places {
            crew: Arc::new(Crew { handles, counts }),
            replication,
        }
    }

    /// Begins to serve connections of `listeners`.
    pub fn serve(&self, server: &Arc<Server>, listeners: Vec<Bound>) {
        let doors = Listeners::new(server, Arc::clone(&self.crew));
        if let Err(why) = doors.open(listeners) {
            tracing::error!("cannot accept connections: {why}");
        }
        server.set_listeners(doors);
        self.replication.spawn(cron::run(Arc::clone(server)));
        self.replication.spawn(expire::run(Arc::clone(server)));
    }

    /// Where links to masters are.
    pub fn replication(&self) -> &Handle {
        &self.replication
    }
}

#[cfg(not(feature = "simulation"))]
pub use threads::{Threads, on_errand, stand_in};

/// A simulated world has one thread, and no script that takes long.
#[cfg(feature = "simulation")]
pub fn on_errand() -> bool {
    false
}

/// A simulated world has one thread, and no script that takes long.
#[cfg(feature = "simulation")]
pub fn stand_in() {}

#[cfg(not(feature = "simulation"))]
mod threads {
    use super::super::errands::{Errand, Errands};
    use super::super::shutdown::Shutdown;
    use super::*;
    use std::cell::RefCell;
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::thread::JoinHandle;
    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::Notify;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    /// The I/O threads: the calling one, and as many more as are asked for.
    pub struct Threads {
        own: Arc<Runtime>,
        /// What the calling one is asked to do outside its runtime.
        errands: UnboundedReceiver<Errand>,
        /// How each of them is asked.
        asks: Errands,
        /// Their runtimes.
        pub places: Places,
        others: Vec<JoinHandle<()>>,
        stop: Arc<Shutdown>,
    }

    /// Bytes of stack of an I/O thread: scripts nest deeper than anything else does.
    const STACK: usize = 8 << 20;

    fn runtime() -> io::Result<Arc<Runtime>> {
        let built = Builder::new_current_thread().enable_all().build();
        built.map(Arc::new)
    }

    thread_local! {
        /// The errand that this thread is on.
        static ERRAND: RefCell<Option<OnErrand>> = const { RefCell::new(None) };
    }

    struct OnErrand {
        /// What the thread has left for it.
        runtime: Arc<Runtime>,
        stand_in: Option<StandIn>,
    }

    /// Who drives a runtime while its thread is on an errand.
    struct StandIn {
        over: Arc<Notify>,
        thread: JoinHandle<()>,
    }

    /// True when the calling thread is on an errand.
    pub fn on_errand() -> bool {
        ERRAND.with_borrow(Option::is_some)
    }

    /// From here to the end of the errand that the calling thread is on, another thread serves its connections.
    pub fn stand_in() {
        ERRAND.with_borrow_mut(|errand| {
            let Some(errand) = errand.as_mut().filter(|errand| errand.stand_in.is_none()) else {
                return;
            };
            let over = Arc::new(Notify::new());
            let (runtime, until) = (Arc::clone(&errand.runtime), Arc::clone(&over));
            let thread = std::thread::Builder::new().name("stand-in".to_owned());
            match thread.spawn(move || runtime.block_on(until.notified())) {
                Ok(thread) => errand.stand_in = Some(StandIn { over, thread }),
                Err(why) => {
                    tracing::warn!("clients wait for the end of a script: no thread: {why}");
                }
            }
        });
    }

    /// Has the calling thread, which has left `runtime`, do what it is asked.
    fn go(runtime: &Arc<Runtime>, errand: Errand) {
        ERRAND.set(Some(OnErrand {
            runtime: Arc::clone(runtime),
            stand_in: None,
        }));
        // A task that panics ends with its connection, and no more does here.
        let went = catch_unwind(AssertUnwindSafe(errand));
        if let Some(StandIn { over, thread }) = ERRAND.take().and_then(|on| on.stand_in) {
            over.notify_one();
            let _ = thread.join();
        }
        if went.is_err() {
            tracing::error!("a command panicked");
        }
    }

    /// Drives `runtime` until `until` is over, and does in between what its connections ask for outside of it.
    fn drive(
        runtime: &Arc<Runtime>,
        mut errands: UnboundedReceiver<Errand>,
        until: impl Future<Output = ()>,
    ) {
        let mut until = pin!(until);
        let mut next = || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = &mut until => None,
                    errand = errands.recv() => errand,
                }
            })
        };
        while let Some(errand) = next() {
            let _within = runtime.enter();
            go(runtime, errand);
        }
    }

    impl Threads {
        /// Starts all threads but the calling one, which joins them in [`Threads::run`].
        ///
        /// # Errors
        /// The system gives us no thread, or no runtime for it.
        pub fn start(count: usize) -> io::Result<Threads> {
            let own = runtime()?;
            let stop = Arc::new(Shutdown::default());
            let (mut handles, mut others) = (vec![own.handle().clone()], Vec::new());
            let (ask, errands) = unbounded_channel();
            let mut asks = vec![ask];
            let named = |name: String| std::thread::Builder::new().name(name);
            for slot in 1..count {
                let (runtime, stop) = (runtime()?, Arc::clone(&stop));
                handles.push(runtime.handle().clone());
                let (ask, errands) = unbounded_channel();
                asks.push(ask);
                let thread = named(format!("io-{slot}")).stack_size(STACK);
                others.push(thread.spawn(move || drive(&runtime, errands, stop.wait()))?);
            }
            let (beside, until) = (runtime()?, Arc::clone(&stop));
            let replication = beside.handle().clone();
            let thread = named("replication".to_owned());
            others.push(thread.spawn(move || beside.block_on(until.wait()))?);
            Ok(Threads {
                own,
                errands,
                asks: Errands::new(asks),
                places: Places::new(handles, replication),
                others,
                stop,
            })
        }

        /// Serves connections of `listeners` on all threads until `until` is over, and then closes them.
        pub fn run(
            self,
            server: &Arc<Server>,
            listeners: Vec<Bound>,
            until: impl Future<Output = ()>,
        ) {
            server.take_errands(self.asks);
            drive(&self.own, self.errands, async {
                self.places.serve(server, listeners);
                until.await;
            });
            self.stop.begin("the server ends");
            for thread in self.others {
                let _ = thread.join();
            }
        }
    }
}
