//! Tasks of a host.

use super::world::{Context, World};
use parking_lot::Mutex;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker, ready};
use std::time::Duration;

/// A task is passed over once in so many times that it could go on: who is ready first is not who goes first.
const PASSED_OVER: u64 = 6;

/// Why there is no result of a task.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the task ended")]
pub struct Ended;

/// Starts tasks on a host.
#[derive(Clone)]
pub struct Handle {
    runtime: tokio::runtime::Handle,
    context: Context,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle(n{})", self.context.host)
    }
}

impl Handle {
    /// For tasks in `context`.
    pub fn new(context: Context) -> Handle {
        let runtime = tokio::runtime::Handle::current();
        Handle { runtime, context }
    }

    /// Starts a task.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let stopping = Arc::new(Mutex::new(Stopping::default()));
        let scoped = Scoped {
            work: Some(Box::pin(work)),
            context: self.context.clone(),
            stopping: Arc::clone(&stopping),
        };
        let task = self.runtime.spawn(scoped);
        self.context.adopt(task.abort_handle());
        let world = Arc::clone(&self.context.world);
        let abort = AbortHandle {
            task: task.abort_handle(),
            stopping,
            world,
        };
        JoinHandle { task, abort }
    }
}

/// Starts a task on the host whose code asks.
///
/// # Panics
/// Outside every world.
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let here = Context::current().expect("a task begins on a host");
    Handle::new(here).spawn(work)
}

/// Has something done that waits for a disk.
pub fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    spawn(async move {
        let here = Context::current();
        let delay = here.map_or(Duration::ZERO, |here| here.world.disk_delay(here.host));
        tokio::time::sleep(delay).await;
        work()
    })
}

/// The result of a task.
pub struct JoinHandle<T> {
    task: tokio::task::JoinHandle<Option<T>>,
    abort: AbortHandle,
}

impl<T> JoinHandle<T> {
    /// Whether the task is over.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// What ends it.
    pub fn abort_handle(&self) -> AbortHandle {
        self.abort.clone()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let done = ready!(Pin::new(&mut self.task).poll(cx));
        Poll::Ready(done.ok().flatten().ok_or(Ended))
    }
}

/// That a task is to end, and how it is polled once more.
#[derive(Default)]
struct Stopping {
    now: bool,
    waker: Option<Waker>,
}

/// Ends a task.
#[derive(Clone)]
pub struct AbortHandle {
    task: tokio::task::AbortHandle,
    stopping: Arc<Mutex<Stopping>>,
    world: Arc<World>,
}

impl AbortHandle {
    /// Ends the task, now or when it waits next. On a runtime of another thread a task that is being polled goes on to its
    /// next wait, so now and then it is here.
    pub fn abort(&self) {
        if self.world.once_in(2) {
            self.task.abort();
        } else {
            let waker = {
                let mut stopping = self.stopping.lock();
                stopping.now = true;
                stopping.waker.take()
            };
            waker.into_iter().for_each(Waker::wake);
            let (task, world) = (self.task.clone(), Arc::clone(&self.world));
            // Should nothing wake it, it ends all the same.
            let _outside = world.outside().enter();
            spawn(async move {
                tokio::task::yield_now().await;
                task.abort();
            });
        }
    }
}

struct Scoped<F> {
    work: Option<Pin<Box<F>>>,
    context: Context,
    /// It is to end with this poll.
    stopping: Arc<Mutex<Stopping>>,
}

impl<F: Future> Future for Scoped<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _here = this.context.enter();
        let Some(work) = this.work.as_mut().filter(|_| this.context.is_alive()) else {
            this.work = None;
            return Poll::Ready(None);
        };
        let last = {
            let mut stopping = this.stopping.lock();
            stopping.waker = Some(cx.waker().clone());
            stopping.now
        };
        if !last && this.context.world.once_in(PASSED_OVER) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Ready(value)) => {
                this.work = None;
                Poll::Ready(Some(value))
            }
            Ok(Poll::Pending) if last => {
                this.work = None;
                Poll::Ready(None)
            }
            Ok(Poll::Pending) => Poll::Pending,
            Err(why) => {
                this.work = None;
                this.context
                    .world
                    .wrong(format!("a task panicked: {}", said(&*why)));
                Poll::Ready(None)
            }
        }
    }
}

impl<F> Drop for Scoped<F> {
    fn drop(&mut self) {
        let _here = self.context.enter();
        self.work = None;
    }
}

/// What a panic said.
pub(super) fn said(why: &(dyn std::any::Any + Send)) -> &str {
    let text = why.downcast_ref::<String>().map(String::as_str);
    text.or(why.downcast_ref::<&str>().copied())
        .unwrap_or("something that is no text")
}
