//! The tasks of attempts and links, on a runtime that others have built.

use super::domain::{Host, Wire};
use super::driver::{Driver, Stop, Tasks};
use super::{attempt, link};
use crate::sys::task::Handle;
use damselfly_core::Attempt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

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
