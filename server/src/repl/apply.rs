//! Applying a master's stream, batch by batch, each at a boundary of commands and transactions.
//!
//! A batch is parsed to its end, and every command of it known to be one that is served, before anything of it is
//! applied. Then it asks the driver in the very gate it runs in; its bytes go to our own log as they are. So the
//! offset counts whole commands and transactions, and what a stopped link still has in its buffer stays there.

mod held;
mod what;

use super::driver::{Driver, Witness};
use super::peer::{Peer, shown};
use crate::command::{self, Command, Effects, Env, Expiry, Origin, Outcome};
use crate::config::{Latest, Settings};
use crate::gate::Gates;
use crate::resp::Reply;
use crate::resp::parse::{ArgList, ParseLimits, Parsed, Parser};
use crate::resp::reply::Proto;
use crate::shell::blocking;
use crate::sys::time::since_epoch;
use held::Held;
use smallvec::SmallVec;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use what::{Unfit, What, classify, is_exclusive, is_sound};

/// A batch that is no transaction has at most so many commands.
const COMMANDS_MAX: usize = 256;
/// And it ends with the command that reaches so many bytes.
const BYTES_MAX: usize = 64 << 10;
/// A transaction, or a command, that is longer is not held here: its effect comes with a snapshot.
const UNIT_MAX: usize = if cfg!(test) { 1 << 20 } else { 1 << 30 };

/// How far [`Applier::apply`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The link is no longer the live one; nothing was applied.
    Stopped,
    /// There is no whole command, or transaction, to apply.
    Idle,
    /// A batch was applied; there may be more.
    More,
    /// The same, and the master wants to know how far we are.
    AckAsked,
}

/// A command of the batch in the making.
struct Item {
    what: What,
    /// Where it begins among the unread bytes.
    start: usize,
    /// Its arguments: the first of them, and how many.
    first: usize,
    args: usize,
}

/// How a batch is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Command by command, under one gate.
    Plain,
    /// As one, under all gates.
    Alone,
}

/// Applies the stream of one link.
pub struct Applier {
    driver: Arc<Driver>,
    generation: u64,
    latest: Option<Latest>,
    databases: usize,
    /// The database that the stream has selected.
    db: usize,
    /// The last command.
    last: Option<&'static Command>,
    batch: Batch,
    effects: Effects,
    out: Reply,
    errors: u64,
    /// What failed last, and why.
    failed: Option<String>,
    #[cfg(feature = "simulation")]
    leave: planted::Leave,
}

/// A batch in the making: what has been parsed of the unread bytes.
#[derive(Default)]
struct Batch {
    parser: Parser,
    args: ArgList,
    items: Vec<Item>,
    /// Bytes of the items.
    len: usize,
    in_transaction: bool,
}

impl Applier {
    /// An applier of the connection of `generation`, at the place where our own log ends.
    pub fn new(driver: &Arc<Driver>, generation: u64, settings: &Settings) -> Self {
        Applier {
            driver: Arc::clone(driver),
            generation,
            latest: None,
            databases: settings.databases,
            db: driver.log().forget_selected() as usize,
            last: None,
            batch: Batch::default(),
            effects: Effects::default(),
            out: Reply::new(Proto::Resp2),
            errors: 0,
            failed: None,
            #[cfg(feature = "simulation")]
            leave: planted::Leave::default(),
        }
    }

    /// The last command that was applied.
    pub fn last(&self) -> Option<&'static Command> {
        self.last
    }

    /// The database that the stream has selected.
    pub fn db(&self) -> usize {
        self.db
    }

    /// A command has failed: the data have diverged, and the link is at its end.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Applies one batch of what `peer` has sent and was not taken yet.
    ///
    /// # Errors
    /// Why the stream cannot be followed. What came before was applied, nothing of the rest.
    pub fn apply(&mut self, peer: &mut Peer) -> Result<Applied, String> {
        let (applied, len) = self.apply_from(peer.unread())?;
        peer.take(len);
        self.failed.take().map_or(Ok(applied), Err)
    }

    /// [`Applier::apply`] from the bytes `unread`; how many of them were applied.
    ///
    /// # Errors
    /// As there.
    pub fn apply_from(&mut self, unread: &[u8]) -> Result<(Applied, usize), String> {
        #[cfg(feature = "simulation")]
        if let Some(kind) = self.leave.pending() {
            return Ok(self.apply_batch(kind, unread));
        }
        let kind = match self.batch.collect(unread, self.databases) {
            Ok(Some(kind)) => kind,
            Ok(None) => return Ok((Applied::Idle, 0)),
            Err(Unfit::Broken(why)) => return Err(why),
            Err(Unfit::Unserved(why)) => {
                self.diverge();
                return Err(why);
            }
        };
        #[cfg(feature = "simulation")]
        if self.takes_leave_early(kind) {
            return Ok((Applied::More, 0));
        }
        Ok(self.apply_batch(kind, unread))
    }

    /// The stream has what cannot be applied here. Who resumed would come to it again and again; its effect comes with a
    /// snapshot.
    #[cold]
    fn diverge(&self) {
        let gates = self.driver.gates();
        let gate = gates.enter(gates.len() - 1);
        self.driver.diverged(&gate, self.generation);
        Gates::leave(gate);
    }

    fn apply_batch(&mut self, kind: Kind, unread: &[u8]) -> (Applied, usize) {
        let len = self.batch.len;
        let applied = self.run(kind, &unread[..len]);
        if applied == Applied::Stopped {
            return (applied, 0);
        }
        self.batch.clear();
        (applied, len)
    }

    fn run(&mut self, kind: Kind, bytes: &[u8]) -> Applied {
        let driver = Arc::clone(&self.driver);
        let applied = match kind {
            Kind::Plain => {
                let gates = driver.gates();
                let gate = gates.enter(gates.len() - 1);
                let applied = self.run_in(&mut Held::One(&gate), bytes);
                Gates::leave(gate);
                applied
            }
            Kind::Alone => self.run_in(&mut Held::All(&mut driver.gates().all()), bytes),
        };
        driver.log().kick();
        applied
    }

    #[cfg(not(feature = "simulation"))]
    fn may_apply(&mut self, gate: &crate::gate::View, to: u64) -> bool {
        self.driver.batch(gate, self.generation, to)
    }

    /// Runs the batch under the gates held.
    fn run_in(&mut self, held: &mut Held<'_, '_>, bytes: &[u8]) -> Applied {
        let ran = catch_unwind(AssertUnwindSafe(|| self.run_batch(held, bytes)));
        ran.unwrap_or_else(|panic| {
            // It may be half done, and the core counts all of it: that is told before anybody else has the gates.
            self.driver.diverged(held.view(), self.generation);
            resume_unwind(panic)
        })
    }

    fn run_batch(&mut self, held: &mut Held<'_, '_>, bytes: &[u8]) -> Applied {
        let to = self.driver.log().offset() + bytes.len() as u64;
        if !self.may_apply(held.view(), to) {
            return Applied::Stopped;
        }
        let mut applied = Applied::More;
        let driver = Arc::clone(&self.driver);
        driver.hear(&mut |witness| applied = self.run_items(held, bytes, witness));
        driver.log().append_raw(bytes, self.db as u32);
        #[cfg(feature = "simulation")]
        planted::passes_over(&mut self.failed);
        if self.failed.is_some() {
            // Where clients may write, too, the data differ anyway, and the stream goes on behind it.
            match driver.config().settings().replica_read_only {
                true => driver.diverged(held.view(), self.generation),
                false => self.failed = None,
            }
        }
        if blocking::any_ready() {
            driver.serve_waiting(held.view());
        }
        applied
    }

    fn run_items(
        &mut self,
        held: &mut Held<'_, '_>,
        bytes: &[u8],
        witness: &mut dyn Witness,
    ) -> Applied {
        let now_ms = since_epoch().as_millis() as i64;
        let limits = &self.driver.config().latest(&mut self.latest).limits;
        let Batch {
            items,
            args,
            in_transaction,
            ..
        } = &self.batch;
        let mut applied = Applied::More;
        let (mut changes, mut emptied) = (0, false);
        for item in items {
            let range = item.first..item.first + item.args;
            let args = arguments(args, &bytes[item.start..], range);
            match item.what {
                What::Run(command) => {
                    #[cfg(feature = "simulation")]
                    if !*in_transaction && planted::fails_here(command) {
                        self.failed =
                            Some("a command of its stream failed here by the dice".into());
                        continue;
                    }
                    witness.sees(self.db, command, &args, &mut |audience| {
                        let env = Env {
                            dataset: &held.view().dataset,
                            db: self.db,
                            now_ms,
                            origin: Origin::Master,
                            expiry: Expiry::Ignore,
                            limits,
                            journal: None,
                            in_transaction: *in_transaction,
                            in_script: false,
                            no_touch: false,
                            waiter: None,
                            audience,
                            hash: None,
                        };
                        let outcome =
                            command::run(command, &args, &env, &mut self.effects, &mut self.out);
                        if let Outcome::Replaced(dataset) = outcome {
                            held.replace(Arc::new(dataset));
                        }
                        let failed = self.out.is_error_at(0);
                        if failed {
                            self.errors += 1;
                            self.failed = Some(report(command, &self.out, self.errors));
                        }
                        self.out.clear();
                        !failed
                    });
                    changes += u64::from(self.effects.is_dirty());
                    emptied |= self.effects.emptied;
                    if !in_transaction && blocking::any_ready() {
                        self.driver.serve_waiting(held.view());
                    }
                    continue;
                }
                What::Select(db) => self.db = db,
                What::Publish { sharded } => {
                    self.driver.publish_message(sharded, args[1], args[2]);
                }
                What::Ack => applied = Applied::AckAsked,
                What::Nothing | What::Multi | What::Exec => {}
            }
            if let Some(command) = args.first().and_then(|name| command::find(name)) {
                witness.sees(self.db, command, &args, &mut |_| true);
            }
        }
        if changes > 0 {
            self.driver.changed(changes, emptied);
        }
        if let Some(item) = items.last().filter(|item| item.args > 0) {
            self.last = command::find(args.get(&bytes[item.start..], item.first));
        }
        applied
    }
}

/// A command that succeeded on the master should not fail here; if it does, the data differ. Says so.
#[cold]
fn report(command: &Command, out: &Reply, errors: u64) -> String {
    let said = shown(out.as_bytes().trim_ascii());
    let name = command.name;
    if errors.is_power_of_two() {
        tracing::error!(
            "== CRITICAL == This replica is sending an error to its master: '{said}' after processing the command '{name}': the data differ ({errors} so far)"
        );
    }
    format!("a command of its stream failed here, so the data differ: {name}: {said}")
}

/// What a master must not make us hold. Who resumed would meet it again and again.
fn too_long(what: &str) -> Unfit {
    Unfit::Unserved(format!("it sent a {what} that is too long"))
}

/// The arguments `range` of `args`, which lie in `request`.
fn arguments<'a>(
    args: &'a ArgList,
    request: &'a [u8],
    range: std::ops::Range<usize>,
) -> SmallVec<[&'a [u8]; 8]> {
    range.map(|i| args.get(request, i)).collect()
}

impl Batch {
    /// Parses until a batch is whole. None: more bytes are needed.
    fn collect(&mut self, unread: &[u8], databases: usize) -> Result<Option<Kind>, Unfit> {
        let batch = self;
        let parse = ParseLimits {
            max_bulk: u64::MAX,
            authenticated: true,
        };
        while batch.in_transaction || (batch.items.len() < COMMANDS_MAX && batch.len < BYTES_MAX) {
            if batch.len > UNIT_MAX {
                return Err(too_long("transaction"));
            }
            let first = batch.items.last().map_or(0, |item| item.first + item.args);
            let parsed = batch
                .parser
                .parse(&unread[batch.len..], &parse, &mut batch.args);
            let len = match parsed {
                Ok(Parsed::Request { len }) => len,
                Ok(Parsed::Incomplete { need }) => match batch.plain() {
                    Some(kind) if !batch.in_transaction => return Ok(Some(kind)),
                    kind if unread.len() + need > UNIT_MAX => {
                        return Err(too_long(kind.map_or("command", |_| "transaction")));
                    }
                    _ => return Ok(None),
                },
                // What is whole goes first; then we come here again.
                Err(error) => match batch.plain() {
                    Some(kind) if !batch.in_transaction => return Ok(Some(kind)),
                    _ => return Err(format!("its stream breaks the protocol: {error}").into()),
                },
            };
            let request = &unread[batch.len..batch.len + len];
            let (what, args) = {
                let args = arguments(&batch.args, request, first..batch.args.len());
                let what = match is_sound(&args, request) {
                    true => classify(&args, databases).map_err(Unfit::Unserved),
                    false => {
                        let shown = shown(request);
                        Err(format!("its stream breaks the protocol: \"{shown}\"").into())
                    }
                };
                (what, args.len())
            };
            let what = match what {
                Ok(what) => what,
                Err(why) => match batch.plain() {
                    Some(kind) if !batch.in_transaction => return Ok(Some(kind)),
                    _ => return Err(why),
                },
            };
            let alone = match what {
                What::Multi if batch.in_transaction => {
                    return Err("it sent MULTI inside MULTI".into());
                }
                What::Multi => true,
                What::Exec if batch.in_transaction => {
                    batch.push(what, first, args, len);
                    return Ok(Some(Kind::Alone));
                }
                What::Exec if batch.items.is_empty() => {
                    return Err("it sent EXEC without MULTI".into());
                }
                What::Exec => true,
                What::Run(command) => is_exclusive(command) && !batch.in_transaction,
                _ => false,
            };
            // It begins a batch of its own, after this one.
            if alone && let Some(kind) = batch.plain() {
                return Ok(Some(kind));
            }
            batch.push(what, first, args, len);
            batch.in_transaction |= matches!(what, What::Multi);
            if alone && !batch.in_transaction {
                return Ok(Some(Kind::Alone));
            }
        }
        Ok(batch.plain())
    }

    /// What is whole so far, as a batch.
    fn plain(&self) -> Option<Kind> {
        (!self.items.is_empty()).then_some(Kind::Plain)
    }

    fn push(&mut self, what: What, first: usize, args: usize, len: usize) {
        let start = self.len;
        self.len += len;
        // Empty lines in a row are one item: each is a byte long, and an item is not.
        if args == 0 && self.items.last().is_some_and(|last| last.args == 0) {
            return;
        }
        self.items.push(Item {
            what,
            start,
            first,
            args,
        });
    }

    fn clear(&mut self) {
        self.parser = Parser::default();
        self.args.clear();
        self.items.clear();
        self.len = 0;
        self.in_transaction = false;
    }
}

#[cfg(feature = "simulation")]
mod planted;
#[cfg(test)]
mod tests;
