//! MONITOR: clients that see every command, after it has run.

use super::audience::MONITORS;
use super::call::is;
use super::client::{Client, trait_of};
use super::server::Server;
use crate::command::Command;
use crate::command::shell::ShellCommand;
use crate::sys::time::since_epoch;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::Arc;

/// What stands in place of a secret.
const REDACTED: &[u8] = b"(redacted)";
/// Parameters whose values are nobody's business.
const SECRETS: &[&str] = &[
    "masteruser",
    "masterauth",
    "requirepass",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
];

/// The clients that see all commands, under one lock: so all of them see one order.
#[derive(Default)]
pub struct Monitors(Mutex<Vec<Arc<Client>>>);

impl Monitors {
    /// `client` sees all commands from here on.
    pub(super) fn add(&self, server: &Server, client: &Arc<Client>) {
        self.0.lock().push(Arc::clone(client));
        client.set(trait_of::MONITOR, true);
        server.asked.set(MONITORS, true);
    }

    /// `client` leaves, or starts anew.
    pub(super) fn remove(&self, server: &Server, client: &Client) {
        if !client.is(trait_of::MONITOR) {
            return;
        }
        let mut all = self.0.lock();
        all.retain(|other| other.id != client.id);
        server.asked.set(MONITORS, !all.is_empty());
        client.set(trait_of::MONITOR, false);
    }

    /// A command has run in database `db`; `from` says whose it is.
    #[cold]
    pub(super) fn feed(&self, server: &Server, db: u32, from: &str, args: &[&[u8]]) {
        let limits = server.config.settings().buffer_limits;
        let all = self.0.lock();
        let now = since_epoch();
        let (seconds, micros) = (now.as_secs(), now.subsec_micros());
        let mut line = format!("+{seconds}.{micros:06} [{db} {from}]").into_bytes();
        for arg in args {
            line.push(b' ');
            quote(&mut line, arg);
        }
        line.extend(b"\r\n");
        for client in &*all {
            client.send(&line, &limits[client.class()]);
        }
    }
}

/// Adds `bytes` to `line` between quotation marks, as Redis shows bytes to people.
fn quote(line: &mut Vec<u8>, bytes: &[u8]) {
    line.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => line.extend([b'\\', byte]),
            b'\n' => line.extend(b"\\n"),
            b'\r' => line.extend(b"\\r"),
            b'\t' => line.extend(b"\\t"),
            0x07 => line.extend(b"\\a"),
            0x08 => line.extend(b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => line.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    line.push(b'"');
}

/// `args` without the secrets among them.
pub(super) fn redacted<'a>(command: &Command, args: &[&'a [u8]]) -> SmallVec<[&'a [u8]; 8]> {
    let mut shown = SmallVec::from_slice(args);
    if is(command, ShellCommand::Auth) && args.len() <= 3 {
        shown[1..].fill(REDACTED);
    } else if is(command, ShellCommand::Hello) {
        let mut at = 2;
        while let Some(option) = args.get(at) {
            if option.eq_ignore_ascii_case(b"auth") && at + 2 < args.len() {
                shown[at + 1..=at + 2].fill(REDACTED);
                at += 2;
            } else if option.eq_ignore_ascii_case(b"setname") {
                at += 1;
            }
            at += 1;
        }
    } else if command.name == "acl|setuser" {
        shown[2..].fill(REDACTED);
    } else if command.name == "config|set" {
        for at in (2..args.len().saturating_sub(1)).step_by(2) {
            let is_secret = |name: &&str| args[at].eq_ignore_ascii_case(name.as_bytes());
            if SECRETS.iter().any(is_secret) {
                shown[at + 1] = REDACTED;
            }
        }
    } else if is(command, ShellCommand::Migrate) {
        let secret = |arg: &&[u8]| match arg.to_ascii_lowercase().as_slice() {
            b"auth" => 1,
            b"auth2" => 2,
            _ => 0,
        };
        let mut at = 6;
        while let Some(words) = args.get(at).map(secret) {
            let end = (at + 1 + words).min(args.len());
            shown[at + 1..end].fill(REDACTED);
            at = end;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_quoted_as_redis_quotes_them() {
        let mut line = Vec::new();
        quote(&mut line, b"x\"\\\n\r\t\x07\x08\x00\xff e");
        assert_eq!(line, br#""x\"\\\n\r\t\a\b\x00\xff e""#);
    }
}
