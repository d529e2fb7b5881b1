//! The threads, and the only place that builds runtimes.

use super::net::{self, Crew};
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
        for listener in listeners {
            let (server, crew) = (Arc::clone(server), Arc::clone(&self.crew));
            self.crew.handles[0].spawn(net::accept(listener, server, crew));
        }
        self.replication.spawn(cron::run(Arc::clone(server)));
        self.replication.spawn(expire::run(Arc::clone(server)));
    }

    /// Where links to masters are.
    pub fn replication(&self) -> &Handle {
        &self.replication
    }
}

#[cfg(not(feature = "simulation"))]
pub use threads::{Threads, leave_connections_to_another_thread};

/// A simulated world has one thread, and no script that takes long.
#[cfg(feature = "simulation")]
pub fn leave_connections_to_another_thread() {}

#[cfg(not(feature = "simulation"))]
mod threads {
    use super::super::shutdown::Shutdown;
    use super::*;
    use std::io;
    use std::sync::mpsc;
    use std::thread::JoinHandle;
    use std::time::Duration;
    use tokio::runtime::{Builder, Runtime, RuntimeFlavor};

    /// The I/O threads: the calling one, and as many more as are asked for.
    pub struct Threads {
        own: Runtime,
        /// Their runtimes.
        pub places: Places,
        others: Vec<JoinHandle<()>>,
        stop: Arc<Shutdown>,
    }

    /// Bytes of stack of an I/O thread: scripts nest deeper than anything else does.
    const STACK: usize = 8 << 20;

    /// The runtime of one I/O thread. That it could have more workers is what lets another thread take over its
    /// connections when a script does not come back.
    fn io_runtime(slot: usize) -> io::Result<Runtime> {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(format!("io-{slot}"))
            .thread_stack_size(STACK)
            .enable_all()
            .build()
    }

    /// From here on another thread serves the connections that the calling I/O thread has served; the caller goes on
    /// with what it does, and ends with that.
    pub fn leave_connections_to_another_thread() {
        const MOST: Duration = Duration::from_secs(1);
        let Ok(handle) = Handle::try_current() else {
            return;
        };
        if handle.runtime_flavor() != RuntimeFlavor::MultiThread {
            return;
        }
        tokio::task::block_in_place(|| {
            // Back from here too early, we would take the connections back.
            let (taken, is_taken) = mpsc::channel();
            handle.spawn(async move { taken.send(()) });
            let _ = is_taken.recv_timeout(MOST);
        });
    }

    impl Threads {
        /// Starts all threads but the calling one, which joins them in [`Threads::run`].
        ///
        /// # Errors
        /// The system gives us no thread, or no runtime for it.
        pub fn start(count: usize) -> io::Result<Threads> {
            let own = io_runtime(0)?;
            let stop = Arc::new(Shutdown::default());
            let (mut handles, mut others) = (vec![own.handle().clone()], Vec::new());
            let another = |name, runtime: Runtime, others: &mut Vec<_>| -> io::Result<Handle> {
                let stop = Arc::clone(&stop);
                let handle = runtime.handle().clone();
                let thread = std::thread::Builder::new().name(name);
                others.push(thread.spawn(move || runtime.block_on(stop.wait()))?);
                Ok(handle)
            };
            for slot in 1..count {
                handles.push(another(
                    format!("main-{slot}"),
                    io_runtime(slot)?,
                    &mut others,
                )?);
            }
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let replication = another("replication".to_owned(), runtime, &mut others)?;
            Ok(Threads {
                own,
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
            self.own.block_on(async {
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
