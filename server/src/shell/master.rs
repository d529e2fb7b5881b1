//! The link to our master, as clients see it.

use super::address::Address;
use super::client::{Client, trait_of};
use super::server::Server;
use crate::command::Command;
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
