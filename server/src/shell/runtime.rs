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
pub use threads::Threads;

#[cfg(not(feature = "simulation"))]
mod threads {
    use super::super::shutdown::Shutdown;
    use super::*;
    use std::io;
    use std::thread::JoinHandle;
    use tokio::runtime::{Builder, Runtime};

    /// The I/O threads: the calling one, and as many more as are asked for.
    pub struct Threads {
        own: Runtime,
        /// Their runtimes.
        pub places: Places,
        others: Vec<JoinHandle<()>>,
        stop: Arc<Shutdown>,
    }

    fn runtime() -> io::Result<Runtime> {
        Builder::new_current_thread().enable_all().build()
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
            let another = |name: String, others: &mut Vec<_>| -> io::Result<Handle> {
                let (runtime, stop) = (runtime()?, Arc::clone(&stop));
                let handle = runtime.handle().clone();
                let thread = std::thread::Builder::new().name(name);
                others.push(thread.spawn(move || runtime.block_on(stop.wait()))?);
                Ok(handle)
            };
            for slot in 1..count {
                handles.push(another(format!("io-{slot}"), &mut others)?);
            }
            let replication = another("replication".to_owned(), &mut others)?;
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
