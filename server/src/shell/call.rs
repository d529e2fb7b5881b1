//! One command: checked, then queued or run.

use super::admit::{self, Refusal};
use super::audience::{MONITORS, Telling};
use super::blocking::Waiter;
use super::client::{Client, memory::Held, trait_of};
use super::commands;
use super::conn::Parked;
use super::execute::Flow;
use super::expire::LocalTimes;
use super::latency::{self, Timer};
use super::monitor;
use super::multi;
use super::replication::Replication;
use super::scripts;
use super::server::{Server, now_ms};
use super::session::Session;
use super::stats::Stats;
use crate::command::shell::ShellCommand;
use crate::command::table::{Lock, flag};
use crate::command::{self, Audience, Command, Effects, Env, Expiry, Origin, Outcome, Run};
use crate::config::Settings;
use crate::gate::{AllGates, View};
use crate::resp::Reply;
use crate::store::{Dataset, KeyListener, Limits, lazyfree};
use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// All gates, held. As a trait object, so that a [`World`] may be lent for a shorter time than its gates.
pub(super) trait Still {
    /// Puts another view into all gates; the one that was there.
    fn replace(&mut self, view: View) -> View;
    /// REPLICAOF inside EXEC; the view that is in the gates then.
    fn replicaof(&mut self, by: &dyn Replication, args: &[&[u8]], out: &mut Reply) -> View;
    /// `PSYNC replid from FAILOVER`: takes over, or says why not; the view that is in the gates then.
    fn take_over(
        &mut self,
        by: &dyn Replication,
        replid: &[u8],
        from: Option<u64>,
    ) -> (View, Result<(), String>);
}

impl Still for AllGates<'_, View> {
    fn replace(&mut self, view: View) -> View {
        AllGates::replace(self, view)
    }

    fn replicaof(&mut self, by: &dyn Replication, args: &[&[u8]], out: &mut Reply) -> View {
        by.replicaof_in_exec(self, args, out);
        self.view().clone()
    }

    fn take_over(
        &mut self,
        by: &dyn Replication,
        replid: &[u8],
        from: Option<u64>,
    ) -> (View, Result<(), String>) {
        let taken = by.take_over(self, replid, from);
        (self.view().clone(), taken)
    }
}

/// What a command sees of the world.
pub(super) enum World<'a> {
    /// The thread's gate is held.
    Gate(&'a View),
    /// All gates are held; the view is the one that is in them.
    All(Box<dyn Still + 'a>, View),
    /// The same, for the commands of a script: whoever runs it puts what they leave into the gates.
    Script(View),
}

impl World<'_> {
    /// The dataset and the status that hold for this command.
    pub fn view(&self) -> &View {
        match self {
            World::Gate(view) => view,
            World::All(_, view) | World::Script(view) => view,
        }
    }

    /// True when all gates are held.
    pub fn is_still(&self) -> bool {
        !matches!(self, World::Gate(_))
    }
}

/// One command, about to be run for one client.
pub(super) struct Call<'a> {
    pub server: &'a Arc<Server>,
    pub client: &'a Arc<Client>,
    pub session: &'a mut Session,
    pub settings: &'a Settings,
    pub limits: &'a Limits,
    pub world: World<'a>,
    /// In EXEC: where the transaction's writes go.
    pub transaction: Option<multi::Transaction>,
    pub out: &'a mut Reply,
    pub effects: &'a mut Effects,
    pub now_ms: i64,
    pub slot: usize,
    /// The command that ran last, for CLIENT LIST.
    pub last: &'a mut Option<&'static Command>,
    /// How long commands take.
    pub timer: &'a mut Timer,
}

/// A threshold below which every command is timed by itself; above it, those of constant cost are not.
const EXACT_SLOWLOG_MICROS: i64 = 1000;

impl Call<'_> {
    /// Runs `args`, whose first names `named`, or says why not.
    pub fn run(&mut self, named: Option<&'static Command>, args: &[&[u8]]) -> Flow {
        let command = match admit::find(named, args) {
            Ok(command) => command,
            Err((text, command)) => {
                if command.is_none() && self.comes_from_a_browser(args) {
                    return Flow::Close;
                }
                self.refuse_call(command, &text);
                return Flow::Next;
            }
        };
        *self.last = Some(command);
        if let Err(refusal) = self.admit(command, args) {
            match refusal {
                Refusal::Paused => return Flow::Paused,
                Refusal::Gone => return Flow::Close,
                Refusal::Error(text) => self.refuse_call(Some(command), text.as_bytes()),
            }
            return Flow::Next;
        }
        if self.session.cached.is_some() {
            let most = self.settings.tracking_max_keys;
            let told = self.server.tracking.limit(self.server, most);
            if told && self.session.is_answered() {
                // What the client itself is told of it comes before the reply.
                let mut mail = Vec::new();
                self.client.take_mail(&mut mail);
                self.out.raw(&mail);
            }
        }
        if self.session.queue.is_some() && !admit::runs_inside_multi(command) {
            self.queue(command, args);
            return Flow::Next;
        }
        self.time(command, args)
    }

    /// Runs a command that has been admitted, and notes how long it takes.
    pub fn time(&mut self, command: &'static Command, args: &[&[u8]]) -> Flow {
        let settings = self.settings;
        let (server, slot) = (self.server, self.slot);
        let began = match times_alone(settings, command) {
            true => Some(self.timer.begin(server, slot, command)),
            false => {
                self.timer.in_a_row(server, slot, command);
                None
            }
        };
        let flow = self.perform(command, args);
        self.note_failure(command);
        let ran = flow.is_a_run();
        let Some(began) = began else {
            if !ran {
                self.timer.uncount();
            }
            return flow;
        };
        let took = self.timer.end(server, slot, command, began, ran);
        if !ran {
            return flow;
        }
        let event = latency::event_of(command);
        server.latency.note(event, took, settings.latency_threshold);
        let micros = took.as_micros() as u64;
        if is_slow(settings, command, micros) || command.is(flag::ADMIN) {
            self.log_slow(command, args, micros);
        }
        flow
    }

    /// `command` has run: if it replied an error, that is counted.
    #[inline]
    pub fn note_failure(&mut self, command: &'static Command) {
        if self.out.has_failed() {
            self.server.latency.failed(self.slot, command);
        }
    }

    #[cold]
    fn log_slow(&self, command: &Command, args: &[&[u8]], micros: u64) {
        // The command may have been one that sets the threshold.
        let settings = self.server.config.settings();
        if !is_slow(&settings, command, micros) {
            return;
        }
        let (addr, name) = (self.client.addr.to_string(), self.client.names().name);
        let (args, max) = (monitor::redacted(command, args), settings.slowlog_max_len);
        self.server.slowlog.add(&args, micros, addr, name, max);
    }

    /// Whether this is the beginning of a request that somebody made a browser send us, which is noted then.
    #[cold]
    fn comes_from_a_browser(&self, args: &[&[u8]]) -> bool {
        let is = |name: &[u8]| args[0].eq_ignore_ascii_case(name);
        let found = is(b"post") || is(b"host:");
        if found {
            self.server.attacks.note(self.now_ms, &self.client.addr);
        }
        found
    }

    /// [`Call::refuse`] for one that calls `command`: an EXEC that is refused is the end of its transaction.
    pub fn refuse_call(&mut self, command: Option<&'static Command>, text: &[u8]) {
        self.refuse_uncounted(command, text);
        self.out.has_failed();
        if let Some(command) = command {
            self.server.latency.rejected(self.slot, command);
        }
    }

    fn refuse_uncounted(&mut self, command: Option<&Command>, text: &[u8]) {
        if !command.is_some_and(|command| is(command, ShellCommand::Exec)) {
            return self.refuse(text);
        }
        multi::discard(self);
        let why = text.strip_prefix(b"ERR ").unwrap_or(text);
        let abort = b"EXECABORT Transaction discarded because of: ";
        self.out.error_bytes(&[abort, why].concat());
    }

    /// Replies an error, and makes the transaction being queued fail.
    pub fn refuse(&mut self, text: &[u8]) {
        if let Some(queue) = &mut self.session.queue {
            queue.aborted = true;
        }
        self.out.error_bytes(text);
    }

    fn queue(&mut self, command: &'static Command, args: &[&[u8]]) {
        if admit::runs_script(command)
            && let Err(text) = scripts::declared::may_queue(self, command, args)
        {
            return self.refuse(text.as_bytes());
        }
        let flags = scripts::declared::flags(self, command, args);
        if let Some(queue) = &mut self.session.queue {
            queue.push(command, args, flags);
            self.client.queued.store(queue.len() as u32 + 1, Relaxed);
            let (count, bytes) = (queue.len(), queue.bytes());
            self.client.holds(Held::Queue, count, bytes);
            self.out.simple("QUEUED");
        }
    }

    /// Runs a command that has been admitted.
    #[inline]
    pub fn perform(&mut self, command: &'static Command, args: &[&[u8]]) -> Flow {
        let flow = self.carry_out(command, args);
        if self.server.asked.get() & MONITORS != 0
            && command.flags & (flag::SKIP_MONITOR | flag::ADMIN) == 0
            && !matches!(flow, Flow::NeedAll | Flow::MayTakeLong)
        {
            self.show(command, args);
        }
        if command.flags & (flag::WRITE | flag::MAY_REPLICATE) != 0
            || is(command, ShellCommand::Exec)
        {
            self.session.written = self.server.log.offset();
        }
        flow
    }

    /// Clients that see all commands see this one.
    #[cold]
    pub(super) fn show(&self, command: &Command, args: &[&[u8]]) {
        let from = match self.world {
            World::Script(_) => "lua".to_owned(),
            _ => self.client.addr.origin(),
        };
        let args = monitor::redacted(command, args);
        let monitors = &self.server.monitors;
        monitors.feed(self.server, self.session.db, &from, &args);
    }

    #[inline]
    fn carry_out(&mut self, command: &'static Command, args: &[&[u8]]) -> Flow {
        match command.run {
            Run::Shell(which) => commands::run(self, which, args),
            Run::Data { lock, .. } => match self.refusal_at_work(command, args) {
                Some(text) => {
                    self.out.error(text);
                    Flow::Next
                }
                None => self.data(command, lock, args),
            },
            Run::Container => {
                self.out
                    .error("ERR internal error: a command without a subcommand");
                Flow::Next
            }
        }
    }

    /// What keeps a command from its work whose user may run it, but not do everything.
    #[inline]
    fn refusal_at_work(&self, command: &Command, args: &[&[u8]]) -> Option<&'static str> {
        let access = &self.session.access;
        match access.free {
            true => None,
            false => access.account.rules().refuse_at_work(command, args),
        }
    }

    #[inline]
    fn data(&mut self, command: &'static Command, lock: Lock, args: &[&[u8]]) -> Flow {
        if !self.world.is_still() && lock.is_exclusive(args) {
            return Flow::NeedAll;
        }
        let may_block = command.is(flag::BLOCKING) && self.transaction.is_none();
        let (client, proto, db) = (self.client, self.session.proto, self.session.db);
        let waiter = OnceCell::new();
        let wait = || {
            let waiter = waiter.get_or_init(|| Waiter::new(client, proto, db, command, args));
            Arc::clone(waiter) as Arc<dyn KeyListener>
        };
        let cached = self.session.cached.as_deref();
        let in_script = matches!(self.world, World::Script(_));
        let telling = Telling::of(self.server, Some(self.client), cached)
            .map(|telling| telling.in_script(in_script));
        let view = self.world.view();
        let env = Env {
            dataset: &view.dataset,
            db: self.session.db as usize,
            now_ms: self.now_ms,
            origin: Origin::Client,
            expiry: expiry(self.server, view),
            limits: self.limits,
            journal: match &self.transaction {
                _ if view.fence.replica => None,
                Some(transaction) => Some(transaction),
                None => Some(&*self.server.log),
            },
            in_transaction: self.transaction.is_some(),
            in_script,
            no_touch: self.client.is(trait_of::NO_TOUCH),
            waiter: may_block.then_some(&wait),
            audience: telling.as_ref().map(|telling| telling as &dyn Audience),
            hash: None,
        };
        let writes_here = view.fence.replica && command.is(flag::WRITE);
        let before = writes_here.then(|| LocalTimes::before(view, env.db, command, args));
        let outcome = command::run(command, args, &env, self.effects, self.out);
        if let Some(before) = before
            && self.effects.is_dirty()
        {
            let times = &self.server.local_times;
            times.note(view, env.db, args, before);
        }
        count(&self.server.stats[self.slot], self.effects);
        if self.effects.emptied {
            self.server.emptied();
        }
        match outcome {
            Outcome::Done => Flow::Next,
            Outcome::Replaced(dataset) => {
                self.replace(dataset);
                Flow::Next
            }
            Outcome::Blocked { deadline } => match waiter.into_inner() {
                Some(waiter) => Flow::Park(self.block(waiter, deadline)),
                None => Flow::Next,
            },
        }
    }

    /// Puts another dataset in place, while the world stands still.
    pub fn replace(&mut self, dataset: Dataset) {
        match &mut self.world {
            World::All(all, view) => {
                view.dataset = Arc::new(dataset);
                lazyfree::free(all.replace(view.clone()));
            }
            World::Script(view) => view.dataset = Arc::new(dataset),
            World::Gate(_) => debug_assert!(false, "a dataset is replaced under one gate"),
        }
    }

    fn block(&self, waiter: Arc<Waiter>, deadline: Option<i64>) -> Parked {
        self.server.blocking.add(&waiter);
        let sleep = deadline.map(|at| {
            let wait = u64::try_from(at - now_ms()).unwrap_or(0);
            Box::pin(tokio::time::sleep(Duration::from_millis(wait)))
        });
        Parked::Blocked(waiter, sleep)
    }
}

impl Flow {
    /// The command has run, or is about to end without being called again; not so if its client waits for a key.
    pub fn is_a_run(&self) -> bool {
        match self {
            Flow::Next | Flow::Close | Flow::Outside(_) => true,
            Flow::Park(parked) => !matches!(parked, Parked::Blocked(..)),
            Flow::NeedAll | Flow::Paused | Flow::MayTakeLong => false,
        }
    }
}

/// Whether the slow log has `command` if it is slow.
fn notes_slow(settings: &Settings, command: &Command) -> bool {
    settings.slowlog_slower_than >= 0 && !command.is(flag::SKIP_SLOWLOG)
}

/// Whether the slow log takes `command`, which took so many microseconds.
pub(super) fn is_slow(settings: &Settings, command: &Command, micros: u64) -> bool {
    notes_slow(settings, command) && micros >= settings.slowlog_slower_than as u64
}

/// Whether every command is timed by itself.
pub(super) fn times_all_alone(settings: &Settings) -> bool {
    let exact = (0..EXACT_SLOWLOG_MICROS).contains(&settings.slowlog_slower_than);
    exact || settings.latency_threshold > 0
}

/// Whether `command` is timed by itself: also one that may set the threshold, whatever it was.
pub(super) fn times_alone(settings: &Settings, command: &Command) -> bool {
    times_all_alone(settings)
        || command.is(flag::ADMIN)
        || (!command.is(flag::FAST) && notes_slow(settings, command))
}

/// What becomes of expired keys under this view.
pub(super) fn expiry(server: &Server, view: &View) -> Expiry {
    match view.fence.replica || view.fence.handing || server.pause.keeps_all() {
        true => Expiry::Hide,
        false => Expiry::Remove,
    }
}

/// What commands did that is counted, added up.
#[derive(Default)]
pub(super) struct Tally {
    hits: u64,
    misses: u64,
    expired: u64,
    expired_fields: u64,
    changes: u64,
}

impl Tally {
    /// Adds what a command did.
    #[inline]
    pub fn add(&mut self, effects: &Effects) {
        self.hits += u64::from(effects.hits);
        self.misses += u64::from(effects.misses);
        self.expired += u64::from(effects.expired);
        self.expired_fields += u64::from(effects.expired_fields);
        self.changes += u64::from(effects.is_dirty());
    }

    /// Adds it to the counters.
    pub fn count(&self, stats: &Stats) {
        stats.hits.add(self.hits);
        stats.misses.add(self.misses);
        stats.expired.add(self.expired);
        stats.expired_fields.add(self.expired_fields);
        stats.changes.add(self.changes);
    }
}

/// Adds what a command did to the counters.
pub(super) fn count(stats: &Stats, effects: &Effects) {
    let mut tally = Tally::default();
    tally.add(effects);
    tally.count(stats);
}

/// True when `command` is this one of the shell's.
pub(super) fn is(command: &Command, which: ShellCommand) -> bool {
    matches!(command.run, Run::Shell(own) if own == which)
}
