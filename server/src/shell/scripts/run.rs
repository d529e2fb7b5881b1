//! Running a script for a client.

mod called;

use super::super::admit;
use super::super::audience::MONITORS;
use super::super::call::{Call, World};
use super::super::client::Client;
use super::super::evict::{self, Room};
use super::super::execute::Flow;
use super::super::latency::Timer;
use super::super::multi::Transaction;
use super::super::runtime;
use super::super::server::Server;
use super::super::session::Session;
use super::declared::check;
use super::{Cache, Running, Scripts, Which};
use crate::acl::{Entry, Place};
use crate::command::table::flag;
use crate::command::{self, Command, Effects};
use crate::config::Settings;
use crate::gate::View;
use crate::resp::Reply;
use crate::resp::reply::Proto;
use crate::script::library::Functions;
use crate::script::{self, Digest, Ended, Flags, Host};
use crate::store::num::parse_i64;
use crate::store::{Limits, lazyfree};
use crate::sys::time::Instant;
use called::{Caches, declared, find, named};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

const KILLED: &str = "Script killed by user with SCRIPT KILL...";
/// What a script runs in: its commands come from a client of their own, in the world that its caller has made stand
/// still.
struct Context {
    server: Arc<Server>,
    client: Arc<Client>,
    session: Session,
    settings: Arc<Settings>,
    limits: Limits,
    /// The world; taken out while a command runs.
    view: Option<View>,
    transaction: Option<Transaction>,
    effects: Effects,
    now_ms: i64,
    slot: usize,
    last: Option<&'static Command>,
    timer: Timer,
    /// The client caches: it is told of the keys that it named once the script reads any, as in Redis.
    caches: Option<Caches>,
    /// The code of the last error that a command replied, which has been counted.
    told: Option<Box<[u8]>>,
    started: Instant,
    /// Nothing may be written.
    read_only: bool,
    /// Memory is short, and the script does not say that it may run then.
    short: bool,
    wrote: bool,
    busy: bool,
    /// Replicas are told of what it writes.
    replicates: bool,
    which: Which,
    /// The call of a function.
    command: Vec<Vec<u8>>,
}

type Args<'a, 'b> = &'b [&'a [u8]];

/// Splits the arguments behind the number of keys in `args[2]` into keys and others.
///
/// # Errors
/// The error reply.
pub(in crate::shell) fn split<'a, 'b>(
    args: Args<'a, 'b>,
) -> Result<(Args<'a, 'b>, Args<'a, 'b>), &'static str> {
    let Some(keys) = parse_i64(args[2]) else {
        return Err("ERR value is not an integer or out of range");
    };
    match usize::try_from(keys) {
        Ok(keys) if keys <= args.len() - 3 => Ok(args[3..].split_at(keys)),
        Ok(_) => Err("ERR Number of keys can't be greater than number of args"),
        Err(_) => Err("ERR Number of keys can't be negative"),
    }
}

/// EVAL and its kin.
pub(in crate::shell) fn eval(
    call: &mut Call<'_>,
    args: &[&[u8]],
    by_sha: bool,
    read_only: bool,
) -> Flow {
    const NO_SCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";
    if by_sha && args[1].len() != Digest::DIGITS {
        call.out.error(NO_SCRIPT);
        return Flow::Next;
    }
    let (keys, rest) = match split(args) {
        Ok(split) => split,
        Err(text) => {
            call.out.error(text);
            return Flow::Next;
        }
    };
    if let Some(first) = conditions(call) {
        return first;
    }
    show(call, args);
    let server = Arc::clone(call.server);
    let mut cache = server.scripts.cache();
    let sha = match by_sha {
        true => Digest::parse(args[1]).ok_or_else(|| NO_SCRIPT.as_bytes().to_vec()),
        false => made(&mut cache).and_then(|cache| cache.load(args[1], false)),
    };
    let sha = match sha {
        Ok(sha) => sha,
        Err(text) => {
            call.out.error_bytes(&text);
            return Flow::Next;
        }
    };
    let Some((engine, script)) = cache.as_mut().and_then(|cache| cache.get(sha)) else {
        call.out.error(NO_SCRIPT);
        return Flow::Next;
    };
    let which = Which::Script(sha);
    let context = match prepare(call, script.flags, read_only, which, args) {
        Ok(context) => context,
        Err(text) => {
            call.out.error(text);
            return Flow::Next;
        }
    };
    let (name, context) = (sha.as_str(), Box::new(context));
    let ended = engine.eval(&script.compiled, name, keys, rest, context);
    finish(call, ended);
    engine.tidy();
    if let Some(cache) = &*cache {
        cache.count(&server.scripts.figures);
    }
    Flow::Next
}

/// FCALL and FCALL_RO.
pub(in crate::shell) fn fcall(call: &mut Call<'_>, args: &[&[u8]], read_only: bool) -> Flow {
    let error = |call: &mut Call<'_>, text: &str| {
        call.out.error(text);
        Flow::Next
    };
    let name = String::from_utf8_lossy(args[1]).into_owned();
    let libraries = call.world.view().dataset.libraries();
    let Some(library) = libraries.of_function(&name) else {
        return error(call, "ERR Function not found");
    };
    let (keys, rest) = match split(args) {
        Ok(split) => split,
        Err(_) if parse_i64(args[2]).is_none() => {
            return error(call, "ERR Bad number of keys provided");
        }
        Err(text) => return error(call, text),
    };
    if let Some(first) = conditions(call) {
        return first;
    }
    show(call, args);
    let server = Arc::clone(call.server);
    let mut functions = server.scripts.functions();
    if functions.is_none() {
        *functions = Functions::new().ok();
    }
    let Some(functions) = functions.as_mut() else {
        return error(call, "ERR no Lua state to be had");
    };
    let found = match functions.find(library, &name) {
        Ok(found) => found,
        Err(text) => return error(call, &format!("ERR {text}")),
    };
    let which = Which::Function(found.name.clone());
    let context = match prepare(call, found.flags, read_only, which, args) {
        Ok(context) => context,
        Err(text) => return error(call, text),
    };
    let ended = functions.call(&found, keys, rest, Box::new(context));
    finish(call, ended);
    functions.tidy();
    let figures = &server.scripts.figures;
    let memory = functions.memory() as u64;
    figures.functions_memory.store(memory, Relaxed);
    Flow::Next
}

/// What has to be so before a script may run: the thread is outside its runtime, and the world stands still.
fn conditions(call: &Call<'_>) -> Option<Flow> {
    match (call.server.is_bound(call.slot), call.world.is_still()) {
        (true, _) => Some(Flow::MayTakeLong),
        (false, false) => Some(Flow::NeedAll),
        (false, true) => None,
    }
}

/// Clients that see all commands see the script before the commands it runs.
fn show(call: &Call<'_>, args: &[&[u8]]) {
    if call.server.asked.get() & MONITORS != 0
        && let Some(command) = command::find(args[0])
    {
        call.show(command, args);
    }
}

/// The Lua state, made if there is none yet.
fn made(cache: &mut Option<Cache>) -> Result<&mut Cache, Vec<u8>> {
    if cache.is_none() {
        *cache = Some(Cache::new()?);
    }
    cache.as_mut().ok_or_else(|| b"ERR no Lua state".to_vec())
}

/// What a script runs in, if it may run.
fn prepare(
    call: &mut Call<'_>,
    flags: Flags,
    read_only: bool,
    which: Which,
    args: &[&[u8]],
) -> Result<Context, &'static str> {
    let view = call.world.view().clone();
    let room = evict::make_room(call.server, &view, call.slot, call.settings);
    let short = room == Room::None;
    check(call, flags, read_only, short)?;
    call.server.scripts.begin();
    let started = Instant::now();
    Ok(Context {
        server: Arc::clone(call.server),
        client: Arc::clone(call.client),
        session: Session {
            db: call.session.db,
            ..Session::new(call.session.access.clone(), true)
        },
        settings: Arc::clone(&call.server.config.settings()),
        limits: call.limits.clone(),
        view: Some(view),
        transaction: Some(match call.transaction.take() {
            Some(own) => own,
            None => Transaction::of_script(&call.server.log),
        }),
        effects: Effects::default(),
        now_ms: call.now_ms,
        slot: call.slot,
        last: None,
        timer: Timer::new(started, call.settings.latency_tracking),
        told: None,
        caches: call
            .session
            .cached
            .clone()
            .filter(|cached| cached.remembers())
            .map(|cached| (cached, declared(args))),
        started,
        read_only: read_only || flags.no_writes,
        short: short && !flags.allow_oom,
        wrote: false,
        busy: false,
        replicates: true,
        command: match which {
            Which::Script(_) => Vec::new(),
            Which::Function(_) => args.iter().map(|arg| arg.to_vec()).collect(),
        },
        which,
    })
}

/// Replies what a script ended with, and puts the world back that it has left.
fn finish(call: &mut Call<'_>, ended: Ended) {
    let host: Box<dyn Any> = ended.host;
    let Ok(context) = host.downcast::<Context>() else {
        return;
    };
    let Context {
        view,
        transaction,
        mut timer,
        told,
        ..
    } = *context;
    timer.finish(call.server, call.slot);
    let start = call.out.len();
    match &ended.result {
        Ok(value) => script::to_reply(value, ended.proto, call.out),
        Err(error) => call.out.error_formatted(error),
    }
    // The error of a command, which the script passed on.
    if let Some(code) = told.filter(|_| call.out.is_error_at(start)) {
        call.out.is_counted(&code);
    }
    call.transaction = transaction.and_then(Transaction::after_script);
    if let (World::All(all, old), Some(view)) = (&mut call.world, view)
        && !Arc::ptr_eq(&old.dataset, &view.dataset)
    {
        *old = view.clone();
        lazyfree::free(all.replace(view));
    }
    for work in call.server.scripts.end() {
        work(call.server, call.world.view());
    }
    call.session.written = call.server.log.offset();
}

impl Context {
    /// Everything that keeps `command` from running, in Redis's words.
    fn refusal(&self, command: &Command, args: &[&[u8]]) -> Result<(), &'static str> {
        let Some(view) = &self.view else {
            return Err("internal error: a command within a command");
        };
        let (fence, settings) = (&view.fence, &*self.settings);
        if command.is(flag::NOSCRIPT) && !self.server.scripts.unguarded.load(Relaxed) {
            return Err("This Redis command is not allowed from script");
        }
        let stale = fence.replica && !fence.link_up && !settings.serve_stale_data;
        if (stale || !fence.whole) && !command.is(flag::STALE) {
            return Err("Can not execute the command on a stale replica");
        }
        let access = &self.session.access;
        if let Err(denied) = access.check(command, args) {
            let called = (command, args);
            let entry = Entry::denied(denied, Place::Lua, called, &access.account.name);
            self.server.log_refusal(&self.client, entry, settings);
            return Err(denied.in_script());
        }
        if self.read_only && command.flags & (flag::WRITE | flag::MAY_REPLICATE) != 0 {
            return Err("Write commands are not allowed from read-only scripts.");
        }
        if !command.is(flag::WRITE) || self.wrote {
            return Ok(());
        }
        if fence.replica && settings.replica_read_only {
            return Err("-READONLY You can't write against a read only replica.");
        }
        if admit::cannot_save(&self.server, fence, settings) {
            return Err(admit::MISCONF_IN_SCRIPT);
        }
        if admit::lacks_replicas(&self.server, fence, settings) {
            return Err("-NOREPLICAS Not enough good replicas to write.");
        }
        if self.short && command.is(flag::DENYOOM) {
            return Err("-OOM command not allowed when used memory > 'maxmemory'.");
        }
        Ok(())
    }
}

impl Host for Context {
    fn call(&mut self, args: &[&[u8]], proto: Proto, out: &mut Reply) -> Result<(), String> {
        let command = find(args).map_err(|text| self.refused(None, text))?;
        if let Err(text) = self.refusal(command, args) {
            return Err(self.refused(Some(command), text));
        }
        let Some(view) = self.view.take() else {
            return Err("internal error: a command within a command".to_owned());
        };
        if command.is(flag::WRITE) && !self.wrote {
            self.wrote = true;
            self.server.scripts.wrote.store(true, SeqCst);
        }
        self.session.proto = proto;
        let silent = !self.replicates;
        if let Some(transaction) = &self.transaction {
            transaction.mute(silent);
        }
        let mut call = Call {
            server: &self.server,
            client: &self.client,
            session: &mut self.session,
            settings: &self.settings,
            limits: &self.limits,
            world: World::Script(view),
            transaction: self.transaction.take(),
            out,
            effects: &mut self.effects,
            now_ms: self.now_ms,
            slot: self.slot,
            last: &mut self.last,
            timer: &mut self.timer,
        };
        // What Lua did before is no command's time.
        call.timer.skip();
        let began = call.timer.begin(call.server, call.slot, command);
        let flow = call.perform(command, args);
        call.timer
            .end(call.server, call.slot, command, began, flow.is_a_run());
        call.note_failure(command);
        if let Some((cached, keys)) = &self.caches
            && command.is(flag::READONLY)
        {
            let tracking = &self.server.tracking;
            keys.iter().for_each(|key| tracking.remember(cached, key));
        }
        let errors = call.out.take_errors();
        let (world, transaction) = (call.world, call.transaction);
        self.transaction = transaction;
        if let World::Script(view) = world {
            self.view = Some(view);
        }
        self.server.stats[self.slot].commands.add(1);
        if let Some(code) = errors.last() {
            self.told = Some(code.clone());
            self.server.note_errors(self.slot, errors);
        }
        match flow {
            Flow::Next => Ok(()),
            _ => Err("This Redis command is not allowed from script".to_owned()),
        }
    }

    fn set_repl(&mut self, replicas: bool) {
        self.replicates = replicas;
    }

    fn may_call(&self, args: &[&[u8]]) -> Option<bool> {
        let command = named(args)?;
        let access = &self.session.access;
        Some(command.takes(args.len()) && access.check(command, args).is_ok())
    }

    fn log(&self, level: i64, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        match level {
            0 => tracing::debug!("script: {text}"),
            1 => tracing::debug!("script: {text}"),
            2 => tracing::info!("script: {text}"),
            _ => tracing::warn!("script: {text}"),
        }
    }

    fn tick(&mut self) -> Result<(), String> {
        let scripts: &Scripts = &self.server.scripts;
        if scripts.kill.load(Relaxed) && !self.wrote {
            tracing::info!("Lua script killed by user with SCRIPT KILL.");
            return Err(KILLED.to_owned());
        }
        let threshold = self.settings.busy_reply_threshold;
        if self.busy || threshold.is_zero() || self.started.elapsed() < threshold {
            return Ok(());
        }
        let Some(view) = self.view.clone() else {
            return Ok(());
        };
        self.busy = true;
        tracing::warn!(
            "Slow script detected: still in execution after {} milliseconds. You can try killing the script using \
             the {} command. Script name is: {}.",
            self.started.elapsed().as_millis(),
            self.which.killer(),
            self.which.name()
        );
        scripts.set_busy(Running {
            view,
            which: self.which.clone(),
            command: self.command.clone(),
            started: self.started,
        });
        runtime::stand_in();
        Ok(())
    }
}

/// SCRIPT LOAD: the digest.
///
/// # Errors
/// The error reply.
pub(in crate::shell) fn load(server: &Server, text: &[u8]) -> Result<Digest, Vec<u8>> {
    let mut cache = server.scripts.cache();
    let cache = made(&mut cache)?;
    let sha = cache.load(text, true)?;
    cache.count(&server.scripts.figures);
    Ok(sha)
}

/// SCRIPT EXISTS.
pub(in crate::shell) fn knows(server: &Server, sha: &[u8]) -> bool {
    let cache = server.scripts.cache();
    let known = |sha| cache.as_ref().is_some_and(|cache| cache.knows(sha));
    Digest::parse(sha).is_some_and(known)
}

/// SCRIPT FLUSH.
pub(in crate::shell) fn flush(server: &Server) {
    let old = server.scripts.cache().take();
    let figures = &server.scripts.figures;
    for figure in [&figures.scripts, &figures.bytes, &figures.memory] {
        figure.store(0, Relaxed);
    }
    // A state full of garbage takes its time.
    lazyfree::free(old);
}
