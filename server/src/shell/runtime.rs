//! The threads, and the only place that builds runtimes.

use super::net::{self, Crew};
use super::server::Server;
use super::{cron, expire, shutdown};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle, Runtime};

/// The I/O threads: the calling one, and as many more as are asked for.
pub struct Threads {
    own: Runtime,
    crew: Arc<Crew>,
    replication: Handle,
    others: Vec<JoinHandle<()>>,
    stop: Arc<shutdown::Shutdown>,
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
        let stop = Arc::new(shutdown::Shutdown::default());
        let (mut handles, mut others) = (vec![own.handle().clone()], Vec::new());
        for slot in 1..count {
            let (runtime, stop) = (runtime()?, Arc::clone(&stop));
            handles.push(runtime.handle().clone());
            let thread = std::thread::Builder::new().name(format!("io-{slot}"));
            others.push(thread.spawn(move || runtime.block_on(stop.wait()))?);
        }
        let (runtime, until) = (runtime()?, Arc::clone(&stop));
        let replication = runtime.handle().clone();
        let thread = std::thread::Builder::new().name("replication".to_owned());
        others.push(thread.spawn(move || runtime.block_on(until.wait()))?);
        let counts = handles.iter().map(|_| AtomicUsize::new(0)).collect();
        Ok(Threads {
            own,
            crew: Arc::new(Crew { handles, counts }),
            replication,
            others,
            stop,
        })
    }

    /// The runtime of a thread of its own, for links to masters and for what is done again and again: what that does for
    /// long is at no client's cost.
    pub fn replication(&self) -> &Handle {
        &self.replication
    }

    /// Serves connections of `listeners` on all threads until `until` is over, and then closes them.
    pub fn run(
        self,
        server: &Arc<Server>,
        listeners: Vec<TcpListener>,
        until: impl Future<Output = ()>,
    ) {
        self.own.block_on(async {
            for listener in listeners {
                let (server, crew) = (Arc::clone(server), Arc::clone(&self.crew));
                tokio::spawn(net::accept(listener, server, crew));
            }
            self.replication.spawn(cron::run(Arc::clone(server)));
            self.replication.spawn(expire::run(Arc::clone(server)));
            until.await;
        });
        self.stop.begin("the server ends");
        for thread in self.others {
            let _ = thread.join();
        }
    }
}
