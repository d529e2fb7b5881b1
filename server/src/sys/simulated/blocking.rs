//! Threads of a host. Each is a thread of the system, but one that runs only while a task of its host lends it the
//! world: whenever it would wait it gives the world back, and goes on when the task is polled again.

use super::scope::{self, said};
use super::world::Context;
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Sender, error::SendError};

/// The longest that work in the background waits for its turn.
const MOST_ASIDE: Duration = Duration::from_millis(20);

/// Whose turn it is.
enum Turn {
    /// The world's.
    World,
    /// The thread's, until it would wait; then this is to be woken.
    Thread(Waker),
    /// The thread's, and its last: its host is gone.
    Killed,
    /// The world's, for good.
    Ended,
}

struct Baton {
    turn: Mutex<Turn>,
    passed: Condvar,
}

/// What unwinds a thread whose host is gone.
struct Gone;

thread_local! {
    static BATON: RefCell<Option<Arc<Baton>>> = const { RefCell::new(None) };
}

impl Baton {
    fn pass(&self, turn: Turn) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
        self.passed.notify_all();
    }

    fn wait(&self, is_mine: impl Fn(&Turn) -> bool) -> MutexGuard<'_, Turn> {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.passed.wait_while(turn, |turn| !is_mine(turn));
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's side: waits for its turn.
    fn turn(&self) -> Waker {
        let turn = self.wait(|turn| matches!(turn, Turn::Thread(_) | Turn::Killed));
        match &*turn {
            Turn::Thread(waker) => waker.clone(),
            _ => {
                drop(turn);
                resume_unwind(Box::new(Gone))
            }
        }
    }

    /// The world's side: lends the world, and waits until it is back. True if the thread has ended.
    fn lend(&self, turn: Turn) -> bool {
        self.pass(turn);
        let turn = self.wait(|turn| matches!(turn, Turn::World | Turn::Ended));
        matches!(*turn, Turn::Ended)
    }
}

/// Has a thread of its own do `work`.
///
/// # Errors
/// The host is gone, or the system has no thread to give.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let here = Context::current().filter(Context::is_alive);
    let here = here.ok_or_else(|| io::Error::other("the host is gone"))?;
    let baton = Arc::new(Baton {
        turn: Mutex::new(Turn::World),
        passed: Condvar::new(),
    });
    let (own, runtime, context) = (Arc::clone(&baton), Handle::current(), here.clone());
    let log = tracing::dispatcher::get_default(Clone::clone);
    let body = move || {
        let _runtime = runtime.enter();
        let _here = context.enter();
        BATON.set(Some(Arc::clone(&own)));
        let ended = tracing::dispatcher::with_default(&log, || {
            catch_unwind(AssertUnwindSafe(|| {
                own.turn();
                work();
            }))
        });
        if let Err(why) = ended
            && !why.is::<Gone>()
        {
            let what = format!("a thread panicked: {}", said(&*why));
            context.world.wrong(what);
        }
        own.pass(Turn::Ended);
    };
    let thread = std::thread::Builder::new().name(name.to_owned());
    let thread = Some(thread.spawn(body)?);
    scope::spawn(Lending { baton, thread });
    Ok(())
}

/// Has `work` done a little later, as a thread in the background would; here and now by a host that is gone.
pub fn aside(work: impl FnOnce() + Send + 'static) {
    match Context::current().filter(Context::is_alive) {
        None => work(),
        Some(here) => {
            let delay = here.world.time_between(Duration::ZERO, MOST_ASIDE);
            scope::spawn(async move {
                tokio::time::sleep(delay).await;
                work();
            });
        }
    }
}

/// The task that lends the world to a thread.
struct Lending {
    baton: Arc<Baton>,
    /// None when it has ended.
    thread: Option<JoinHandle<()>>,
}

impl Future for Lending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        match self.baton.lend(Turn::Thread(cx.waker().clone())) {
            false => Poll::Pending,
            true => {
                if let Some(thread) = self.thread.take() {
                    let _ = thread.join();
                }
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Lending {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // It may wait once more while it unwinds.
            while !self.baton.lend(Turn::Killed) {}
            let _ = thread.join();
        }
    }
}

/// Whether this is a thread of a host, which may wait.
pub(super) fn may_wait() -> bool {
    BATON.with_borrow(Option::is_some)
}

/// The thread waits for `what`.
///
/// # Panics
/// In a task: nothing may wait there.
pub(super) fn wait_for<T>(what: impl Future<Output = T>) -> T {
    let baton = BATON.with_borrow(Clone::clone);
    let baton = baton.expect("only threads wait");
    let mut what = pin!(what);
    let mut waker = match &*baton.wait(|turn| !matches!(turn, Turn::World)) {
        Turn::Thread(waker) => waker.clone(),
        _ => Waker::noop().clone(),
    };
    loop {
        match what
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&waker))
        {
            Poll::Ready(value) => return value,
            Poll::Pending => {
                baton.pass(Turn::World);
                waker = baton.turn();
            }
        }
    }
}

/// The thread waits for its disk, or for no reason at all; a task does not.
pub fn nap(time: Duration) {
    if may_wait() && !time.is_zero() {
        wait_for(tokio::time::sleep(time));
    }
}

/// Sends from a thread, which waits for room.
///
/// # Errors
/// Nobody receives any more.
pub fn send<T>(to: &Sender<T>, value: T) -> Result<(), SendError<T>> {
    wait_for(to.send(value))
}
