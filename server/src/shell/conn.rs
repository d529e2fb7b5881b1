//! One connection's life, as a state machine that its task polls.
//!
//! Bytes are read into a buffer of the thread and executed from there; only what cannot be executed yet (a
//! request that is not whole, requests behind one that waits, or behind replies the client does not take) moves to a
//! buffer of the connection's own. So an idle connection holds neither input nor output.

mod bounds;

use super::blocking::Waiter;
use super::client::{Client, event, trait_of};
use super::execute::{Batch, Next, Worker};
use super::replication::{Later, Serve};
use super::server::Server;
use super::session::Session;
use crate::resp::{ArgList, Parser};
use crate::sys::{net::TcpStream, time::Instant};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::Sleep;

/// Bytes executed for one connection before others of its thread have a turn.
const TURN: usize = 256 << 10;
/// Bytes read ahead for a client whose command waits, beyond which it is left alone.
const READ_AHEAD: usize = 64 << 10;
/// Bytes of replies that wait until the other connections of the thread that are ready have been read, too.
const DEFERRED: usize = 16 << 10;
/// Bytes that there is room for from one reply to the next, at most: so much more a client takes that asks nothing.
const OUTPUT_KEPT: usize = 128;
/// Bytes of replies that are under every output limit: Redis has a buffer of so many that it does not count.
const UNCOUNTED: usize = 16 << 10;

/// How soon a wait that is over is looked at again if a script keeps it from ending.
const BUSY_AGAIN: Duration = Duration::from_millis(20);

/// A connection.
pub(super) struct Conn {
    stream: TcpStream,
    server: Arc<Server>,
    client: Arc<Client>,
    session: Session,
    /// Requests that arrived and could not be executed yet.
    input: Option<Box<Input>>,
    /// Replies that the socket did not take yet, from `sent` on.
    output: Vec<u8>,
    sent: usize,
    /// Ends when the client has taken nothing of the output for long.
    stall: Option<Pin<Box<Sleep>>>,
    parked: Option<Parked>,
    /// The output is sent when this connection has its next turn, which is at once.
    deferred: bool,
    /// The input is executed outside the runtime next.
    leaves: bool,
    /// Close once the output is sent.
    closing: bool,
}

/// Bytes of requests, from the first one that is not executed.
#[derive(Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    parser: Parser,
    args: ArgList,
    /// More has to arrive before anything can be executed.
    starved: bool,
}

/// What a connection waits for before it goes on with its requests.
pub(super) enum Parked {
    /// A reply.
    Later(Later),
    /// One of the keys of its blocking command.
    Blocked(Arc<Waiter>, Option<Pin<Box<Sleep>>>),
    /// The end of a pause; the command that found it is still in the input.
    Paused(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// Nothing: its socket goes to replication.
    Serve(Serve),
}

/// How a connection ended.
enum End {
    /// It is to be closed.
    Closed,
    /// It is a replica from here on.
    Replica(Serve),
    /// It does not end: its input is to be executed outside the runtime.
    Leaves,
}

/// Serves one connection until it ends.
pub(super) async fn serve(
    stream: TcpStream,
    server: Arc<Server>,
    client: Arc<Client>,
    worker: Worker,
) {
    let mut conn = Conn::new(stream, server, client);
    let end = loop {
        let end = std::future::poll_fn(|cx| {
            let polled = conn.poll(cx, worker);
            conn.server.clients.weigh(&conn.client);
            polled
        });
        let end = end.await;
        if !matches!(end, End::Leaves) {
            break end;
        }
        let (back, is_back) = oneshot::channel();
        let (server, mut leaving) = (Arc::clone(&conn.server), Box::new(conn));
        let errand = Box::new(move || {
            leaving.execute_input(&mut Context::from_waker(Waker::noop()), worker);
            // Nobody waits for it if the server ends.
            let _ = back.send(leaving);
        });
        server.ask(worker.slot, errand);
        drop(server);
        match is_back.await {
            Ok(returned) => conn = *returned,
            Err(_) => return,
        }
    };
    conn.leave();
    match end {
        End::Replica(serve) => {
            let client = Arc::clone(&conn.client);
            client.set(trait_of::REPLICA, true);
            conn.server.clients.weigh(&client);
            let account = Arc::clone(&conn.session.access.account);
            let unread = conn.input.take().map(|input| input.bytes);
            let served = serve(conn.stream, unread.unwrap_or_default(), Arc::clone(&client));
            drop((conn.server, conn.client, conn.session));
            tokio::select! {
                biased;
                () = client.killed() => {
                    tracing::info!("replica at {}: closed by a client", client.addr);
                }
                // A replica is whom it logged in as, and goes with that user.
                () = account.ended() => tracing::info!("a replica goes: its user was deleted"),
                () = served => {}
            }
        }
        End::Closed | End::Leaves => conn.server.clients.remove(conn.client.id),
    }
}

impl Conn {
    fn new(stream: TcpStream, server: Arc<Server>, client: Arc<Client>) -> Conn {
        let accounts = &server.accounts;
        let session = Session::new(
            accounts.access(accounts.default_account()),
            accounts.is_open(),
        );
        Conn {
            stream,
            server,
            client,
            session,
            input: None,
            output: Vec::new(),
            sent: 0,
            stall: None,
            parked: None,
            deferred: false,
            leaves: false,
            closing: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, worker: Worker) -> Poll<End> {
        self.client.register(cx.waker());
        let mut turn = 0;
        loop {
            if let Poll::Ready(end) = self.see_to_events() {
                return Poll::Ready(end);
            }
            let flushed = match self.flush(cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(End::Closed),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            if self.closing {
                return if flushed {
                    Poll::Ready(End::Closed)
                } else {
                    Poll::Pending
                };
            }
            if std::mem::take(&mut self.leaves) {
                return Poll::Ready(End::Leaves);
            }
            if self.parked.is_some() {
                match self.poll_parked(cx, worker, flushed) {
                    Poll::Ready(Some(end)) => return Poll::Ready(end),
                    Poll::Ready(None) => continue,
                    // We only read on to see whether the client leaves.
                    Poll::Pending if self.waiting_input() >= READ_AHEAD => return Poll::Pending,
                    Poll::Pending => {}
                }
            } else if !flushed && !self.is_served_on(cx) {
                return Poll::Pending;
            } else if self.input.as_ref().is_some_and(|input| !input.starved) {
                if turn >= TURN {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                turn += self.execute_input(cx, worker);
                continue;
            } else if turn >= TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match ready!(self.read(cx, worker)) {
                Ok(0) | Err(_) => return Poll::Ready(End::Closed),
                Ok(n) => turn += n,
            }
            if std::mem::take(&mut self.deferred) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Looks at what other threads did to this client.
    fn see_to_events(&mut self) -> Poll<End> {
        let events = self.client.take_events();
        if events & event::KILL != 0 {
            return Poll::Ready(End::Closed);
        }
        if events & event::CLOSE != 0 {
            self.close_after_replies();
        }
        if events & event::MAIL != 0 {
            self.client.take_mail(&mut self.output);
            self.output_changed();
        }
        Poll::Pending
    }

    fn close_after_replies(&mut self) {
        self.closing = true;
        self.client.set(trait_of::CLOSING, true);
    }

    fn output_changed(&self) {
        let waits = self.output.len() - self.sent;
        self.client.output.store(waits, Relaxed);
        let spare = self.output.capacity() - waits;
        self.client.spare.store(spare, Relaxed);
    }

    /// Sends what waits to be sent.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.output.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let before = self.sent;
        while self.sent < self.output.len() {
            let sent = Pin::new(&mut self.stream).poll_write(cx, &self.output[self.sent..]);
            self.sent += match sent? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(n) => n,
                Poll::Pending => {
                    if self.sent > before {
                        self.has_taken();
                    }
                    self.output_changed();
                    self.is_over_limit(0);
                    return Poll::Pending;
                }
            };
        }
        self.stall = None;
        self.sent = 0;
        match self.output.capacity() {
            0..=OUTPUT_KEPT => self.output.clear(),
            _ => self.output = Vec::new(),
        }
        self.output_changed();
        Poll::Ready(Ok(()))
    }

    /// `None`: the connection goes on.
    fn poll_parked(
        &mut self,
        cx: &mut Context<'_>,
        worker: Worker,
        flushed: bool,
    ) -> Poll<Option<End>> {
        match &mut self.parked {
            None => return Poll::Ready(None),
            Some(Parked::Later(later)) => {
                let reply = ready!(later.as_mut().poll(cx));
                if !self.session.mutes() {
                    self.output.extend_from_slice(&reply);
                }
            }
            Some(Parked::Paused(over)) => ready!(over.as_mut().poll(cx)),
            Some(Parked::Blocked(waiter, deadline)) => {
                if !waiter.is_done() {
                    if let Some(deadline) = deadline {
                        ready!(deadline.as_mut().poll(cx));
                    } else {
                        return Poll::Pending;
                    }
                    let waiter = Arc::clone(waiter);
                    if !worker.time_out(&self.server, &waiter) {
                        let again = tokio::time::sleep(BUSY_AGAIN);
                        self.parked = Some(Parked::Blocked(waiter, Some(Box::pin(again))));
                        return Poll::Ready(None);
                    }
                }
                // What it waited for may have been written by another client.
                self.session.written = self.server.log.offset();
                // Whoever ended the wait has put the reply into the mailbox.
                self.client.take_mail(&mut self.output);
            }
            Some(Parked::Serve(_)) => {
                // A replica gets the replies it is owed before the stream.
                if !flushed {
                    return Poll::Pending;
                }
                if let Some(Parked::Serve(serve)) = self.parked.take() {
                    return Poll::Ready(Some(End::Replica(serve)));
                }
            }
        }
        self.client.set(trait_of::BLOCKED, false);
        self.parked = None;
        self.output_changed();
        Poll::Ready(None)
    }

    fn waiting_input(&self) -> usize {
        self.input.as_ref().map_or(0, |input| input.bytes.len())
    }

    /// Reads once, and executes what came if nothing came before it that waits.
    fn read(&mut self, cx: &mut Context<'_>, worker: Worker) -> Poll<io::Result<usize>> {
        worker.with(|tools| {
            let mut buf = ReadBuf::new(&mut tools.read);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
            let n = buf.filled().len();
            let stats = &self.server.stats[worker.slot];
            stats.reads.add(1);
            stats.bytes_in.add(n as u64);
            // Nothing runs that was sent after the client was killed.
            if n == 0 || self.client.is_killed() {
                return Poll::Ready(Ok(0));
            }
            if self.input.is_some() || self.parked.is_some() {
                self.client.active(Instant::now(), None);
                return Poll::Ready(self.keep(&tools.read[..n]).map(|()| n));
            }
            let (mut parser, mut consumed) = (Parser::default(), 0);
            let starved = loop {
                let (bytes, bench) = tools.split(n);
                let batch = Batch {
                    server: &self.server,
                    client: &self.client,
                    session: &mut self.session,
                    bytes: &bytes[consumed..],
                    parser: &mut parser,
                };
                let ran = batch.run(worker, bench);
                consumed += ran.consumed;
                // Whoever is written to may run at once and ask again; when all of a thread's ready connections are read
                // before any is answered, more of them are ready together the next time.
                self.deferred = matches!(ran.next, Next::Starved) && tools.reply.len() <= DEFERRED;
                let go_on = self.after(ran.next, cx, tools.reply.buffer_mut());
                if !go_on {
                    break ran.starved;
                }
            };
            if consumed < n && !self.closing {
                let args = std::mem::take(&mut tools.args);
                self.input = Some(Box::new(Input {
                    bytes: tools.read[consumed..n].to_vec(),
                    parser,
                    args,
                    starved,
                }));
                self.client.input.store(n - consumed, Relaxed);
            }
            tools.args.clear();
            Poll::Ready(Ok(n))
        })
    }

    /// Executes a batch of the input that waited; how many bytes it was.
    fn execute_input(&mut self, cx: &mut Context<'_>, worker: Worker) -> usize {
        let Some(mut input) = self.input.take() else {
            return 0;
        };
        let consumed = worker.with(|tools| {
            let batch = Batch {
                server: &self.server,
                client: &self.client,
                session: &mut self.session,
                bytes: &input.bytes,
                parser: &mut input.parser,
            };
            let ran = batch.run(worker, tools.bench(&mut input.args));
            input.starved = ran.starved;
            self.after(ran.next, cx, tools.reply.buffer_mut());
            ran.consumed
        });
        if consumed == input.bytes.len() || self.closing {
            self.client.input.store(0, Relaxed);
            return consumed;
        }
        if consumed > 0 {
            input.bytes.drain(..consumed);
            // A buffer grown for one large request is not kept for small ones.
            if input.bytes.capacity() > 4 * input.bytes.len().max(READ_AHEAD) {
                input.bytes.shrink_to(2 * input.bytes.len());
            }
        }
        self.client.input.store(input.bytes.len(), Relaxed);
        self.input = Some(input);
        consumed
    }

    /// Sends the replies of a batch, as far as the socket takes them; true if the next batch may run at once.
    fn after(&mut self, next: Next, cx: &mut Context<'_>, replies: &mut Vec<u8>) -> bool {
        let mut sent = 0;
        if replies.len() > UNCOUNTED && self.is_over_limit(replies.len()) {
            replies.clear();
        }
        // Bytes that wait, or mail that came first, go first.
        if self.output.is_empty() && !self.deferred {
            while sent < replies.len() {
                match Pin::new(&mut self.stream).poll_write(cx, &replies[sent..]) {
                    Poll::Ready(Ok(n)) if n > 0 => sent += n,
                    // An error shows again at the next flush.
                    _ => break,
                }
            }
        }
        let all_sent = sent == replies.len();
        if !all_sent {
            self.output.extend_from_slice(&replies[sent..]);
            self.output_changed();
            if !self.deferred {
                self.is_over_limit(0);
            }
        }
        replies.clear();
        replies.shrink_to(super::execute::REPLY_KEPT);
        match next {
            Next::Again => all_sent,
            Next::Starved => false,
            Next::Close => {
                self.close_after_replies();
                false
            }
            Next::Park(parked) => {
                let blocked = matches!(
                    parked,
                    Parked::Blocked(..) | Parked::Later(_) | Parked::Paused(_)
                );
                self.client.set(trait_of::BLOCKED, blocked);
                self.parked = Some(parked);
                false
            }
            Next::Leave => {
                self.leaves = true;
                false
            }
        }
    }

    /// The connection is no client any more.
    fn leave(&mut self) {
        if let Some(Parked::Blocked(waiter, _)) = self.parked.take() {
            self.server
                .see_to(move |server, view| server.blocking.cancel(view, &waiter));
        }
        if let Some(watching) = self.session.watching.take() {
            self.server
                .see_to(move |_, view| watching.end_in(&view.dataset));
        }
        let subscriptions = &mut self.session.subscriptions;
        self.server.pubsub.leave(&self.client, subscriptions);
        self.server.monitors.remove(&self.server, &self.client);
        let cached = &mut self.session.cached;
        self.server
            .tracking
            .disable(&self.server, &self.client, cached);
    }
}
