//! The tasks of attempts and links, on a runtime that others have built.

use super::domain::{Host, Wire};
use super::driver::{Driver, Stop, Tasks};
use super::{attempt, link};
use crate::sys::task::Handle;
use damselfly_core::Attempt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Why a task of ours ended that panicked.
pub(super) const BUG: &str = "a bug ended the task that spoke to it";

/// What `work` comes to; none if it panics, of which whoever waits for it would otherwise never hear.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        match polled {
            Ok(polled) => polled.map(Some),
            Err(_) => {
                tracing::error!("BUG: a task of replication panicked");
                Poll::Ready(None)
            }
        }
    })
    .await
}

/// Starts tasks on the runtime it is a handle of.
#[derive(Clone, Debug)]
pub struct OnRuntime(pub Handle);

impl OnRuntime {
    fn start(&self, task: impl Future<Output = ()> + Send + 'static) -> Stop {
        let task = self.0.spawn(task).abort_handle();
        Box::new(move || task.abort())
    }
}

impl Tasks for OnRuntime {
    fn attempt(&self, driver: &Arc<Driver>, attempt: Attempt<Wire>) -> Stop {
        self.start(attempt::run(Arc::clone(driver), attempt))
    }

    fn dial(&self, driver: &Arc<Driver>, generation: u64, target: Host) -> Stop {
        self.start(link::dial(Arc::clone(driver), generation, target))
    }

    fn arm(&self, driver: &Arc<Driver>, generation: u64, delay: Duration) {
        let driver = Arc::clone(driver);
        self.0.spawn(async move {
            tokio::time::sleep(delay).await;
            driver.timer(generation);
        });
    }
}
