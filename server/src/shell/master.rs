//! The link to our master, as clients see it.

use super::address::Address;
use super::audience::{MONITORS, Telling};
use super::call::{is_slow, times_alone};
use super::client::{Client, trait_of};
use super::latency::{Timer, event_of};
use super::monitor::redacted;
use super::server::Server;
use crate::command::table::flag;
use crate::command::{Audience, Command};
use crate::config::Settings;
use crate::repl::driver::Witness;
use crate::sys::time::Instant;
use std::net::SocketAddr;
use std::sync::Arc;

/// The link to our master among the clients, for as long as this lives.
pub struct MasterClient {
    server: Arc<Server>,
    client: Arc<Client>,
}

impl MasterClient {
    /// The link from `laddr` to `addr`.
    pub fn new(server: Arc<Server>, addr: SocketAddr, laddr: SocketAddr, fd: i32) -> MasterClient {
        let id = server.clients.next_id();
        let user = server.accounts.default_account();
        let client = Arc::new(Client::new(
            id,
            (Address::Ip(addr), Address::Ip(laddr)),
            fd,
            user,
        ));
        client.set(trait_of::MASTER, true);
        // It is there whatever `maxclients` says.
        server.clients.add(&client, usize::MAX);
        MasterClient { server, client }
    }

    /// `command` came, the last of some, for the database `db`.
    pub fn heard(&self, command: Option<&'static Command>, db: usize) {
        self.client.active(Instant::now(), command);
        self.client.set_db(db);
    }

    /// Ready when a client wants the link closed.
    pub async fn killed(&self) {
        self.client.killed().await;
    }
}

impl Drop for MasterClient {
    fn drop(&mut self) {
        self.server.clients.remove(self.client.id);
    }
}

/// Those at this server who see what the master's stream does, as they see what clients do: subscribers to events,
/// caching clients, monitors, and the statistics of commands.
pub(super) struct Bystanders<'a> {
    server: &'a Server,
    settings: Arc<Settings>,
    telling: Option<Telling<'a>>,
    timer: Timer,
}

impl Bystanders<'_> {
    /// Has those of `server` see what `run` does.
    pub fn with(server: &Server, run: &mut dyn FnMut(&mut dyn Witness)) {
        let settings = server.config.settings();
        let mut all = Bystanders {
            server,
            telling: Telling::of(server, None, None),
            timer: Timer::new(Instant::now(), settings.latency_tracking),
            settings: Arc::clone(&settings),
        };
        run(&mut all);
        all.timer.finish(server, server.aside());
    }

    /// The address of the master, as MONITOR and SLOWLOG show it.
    fn origin(&self) -> String {
        let clients = self.server.clients.all();
        let link = clients.iter().find(|client| client.is(trait_of::MASTER));
        link.map(|link| link.addr.origin()).unwrap_or_default()
    }

    #[cold]
    fn log_slow(&self, command: &Command, args: &[&[u8]], micros: u64) {
        let most = self.settings.slowlog_max_len;
        let args = redacted(command, args);
        let log = &self.server.slowlog;
        log.add(&args, micros, self.origin(), Vec::new(), most);
    }

    #[cold]
    fn show(&self, db: usize, command: &Command, args: &[&[u8]]) {
        let (server, args) = (self.server, redacted(command, args));
        server
            .monitors
            .feed(server, db as u32, &self.origin(), &args);
    }
}

impl Witness for Bystanders<'_> {
    fn sees(
        &mut self,
        db: usize,
        command: &'static Command,
        args: &[&[u8]],
        run: &mut dyn FnMut(Option<&dyn Audience>) -> bool,
    ) {
        let (server, slot) = (self.server, self.server.aside());
        let audience = self.telling.as_ref().map(|t| t as &dyn Audience);
        let succeeds = if times_alone(&self.settings, command) {
            let began = self.timer.begin(server, slot, command);
            let succeeds = run(audience);
            let took = self.timer.end(server, slot, command, began, true);
            let threshold = self.settings.latency_threshold;
            server.latency.note(event_of(command), took, threshold);
            let micros = took.as_micros() as u64;
            if is_slow(&self.settings, command, micros) {
                self.log_slow(command, args, micros);
            }
            succeeds
        } else {
            self.timer.in_a_row(server, slot, command);
            run(audience)
        };
        server.stats[slot].commands.add(1);
        if !succeeds {
            server.latency.failed(slot, command);
        }
        if server.asked.get() & MONITORS != 0
            && command.flags & (flag::SKIP_MONITOR | flag::ADMIN) == 0
        {
            self.show(db, command, args);
        }
    }
}
