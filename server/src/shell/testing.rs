//! A server without sockets, for unit tests of the shell.

use super::server::Server;
use crate::config::Config;
use crate::gate::View;
use crate::log::{Limits, ReplLog};
use crate::repl::domain::{History, Id, Status};
use crate::store::Dataset;
use std::sync::Arc;

/// A master with an empty dataset and one thread.
pub(super) fn server() -> Arc<Server> {
    let id = |digit: u8| Id::parse(&[digit; 40]).unwrap();
    let at = damselfly_core::Position {
        replid: id(b'a'),
        offset: 0,
    };
    let status = Status {
        master: None,
        loading: false,
        whole: true,
        diverged: false,
        history: History::new(at),
        live: None,
        failover: damselfly_core::Failover::No,
        unproved: false,
    };
    let view = View::new(Arc::new(Dataset::new(16)), Arc::new(status));
    let log = Arc::new(ReplLog::new(Limits::default()));
    Arc::new(Server::new(Arc::new(Config::new()), view, log, id(b'b'), 1))
}
