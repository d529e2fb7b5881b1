//! The commands of the server under test, run in this process.

use std::cell::RefCell;

use super::order::now_ms;
use damselfly_server::command::{Effects, Env, Expiry, Journal, Origin, Outcome, resolve, run};
use damselfly_server::resp::Reply;
use damselfly_server::resp::reply::Proto;
use damselfly_server::store::{Dataset, Limits};

/// Commands told to replicas.
#[derive(Default)]
struct Told(RefCell<Vec<Vec<Vec<u8>>>>);

impl Journal for Told {
    fn active(&self) -> bool {
        true
    }

    fn append(&self, _db: usize, commands: &[&[&[u8]]]) {
        let owned = commands
            .iter()
            .map(|c| c.iter().map(|arg| arg.to_vec()).collect());
        self.0.borrow_mut().extend(owned);
    }
}

/// A dataset and a client of it.
pub struct Local {
    dataset: Dataset,
    limits: Limits,
    proto: Proto,
    effects: Effects,
    told: Told,
    origin: Origin,
}

impl Local {
    pub fn new(limits: Limits, proto: Proto) -> Local {
        Local {
            dataset: Dataset::new(16),
            limits,
            proto,
            effects: Effects::default(),
            told: Told::default(),
            origin: Origin::Client,
        }
    }

    /// A dataset that does what a master tells it.
    pub fn replica(limits: Limits, proto: Proto) -> Local {
        Local {
            origin: Origin::Master,
            ..Local::new(limits, proto)
        }
    }

    /// Runs a command as a client would that cannot wait, and returns the bytes of the reply.
    pub fn run<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        let mut out = Reply::new(self.proto);
        let command = match resolve(&args) {
            Ok(command) => command,
            Err(error) => {
                out.error_bytes(&error.message());
                return out.take();
            }
        };
        let env = Env {
            dataset: &self.dataset,
            db: 0,
            now_ms: now_ms(),
            origin: self.origin,
            expiry: Expiry::Remove,
            limits: &self.limits,
            journal: Some(&self.told),
            in_transaction: false,
            in_script: false,
            no_touch: false,
            waiter: None,
            audience: None,
            hash: None,
        };
        let outcome = run(command, &args, &env, &mut self.effects, &mut out);
        if let Outcome::Replaced(dataset) = outcome {
            self.dataset = dataset;
        }
        out.take()
    }

    /// What replicas were told since the last call.
    pub fn told(&self) -> Vec<Vec<Vec<u8>>> {
        self.told.0.take()
    }
}
