//! A client as CLIENT LIST shows it.

use super::{Client, trait_of};
use std::sync::atomic::Ordering::Relaxed;

impl Client {
    /// Its line in CLIENT LIST, without the line break.
    pub fn describe(&self) -> Vec<u8> {
        let names = self.names();
        let user = self.user.lock().name.clone();
        let count = |i: usize| self.subscriptions[i].load(Relaxed);
        let input = self.input.load(Relaxed);
        let owed = self.owed.get().map_or(0, |owed| owed() as usize);
        let output = self.output.load(Relaxed) + self.mail_len() + owed;
        let mut flags = String::new();
        for (bit, flag) in [
            (trait_of::MONITOR, 'O'),
            (trait_of::REPLICA, 'S'),
            (trait_of::MASTER, 'M'),
            (trait_of::PUBSUB, 'P'),
            (trait_of::MULTI, 'x'),
            (trait_of::BLOCKED, 'b'),
            (trait_of::TRACKING, 't'),
            (trait_of::BROKEN_REDIRECT, 'R'),
            (trait_of::BROADCAST, 'B'),
            (trait_of::DIRTY, 'd'),
            (trait_of::CLOSING, 'c'),
            (trait_of::UNIX, 'U'),
            (trait_of::NO_EVICT, 'e'),
            (trait_of::NO_TOUCH, 'T'),
        ] {
            if self.is(bit) {
                flags.push(flag);
            }
        }
        if flags.is_empty() {
            flags.push('N');
        }
        let mut line = format!(
            "id={} addr={} laddr={} fd={} name=",
            self.id, self.addr, self.laddr, self.fd
        )
        .into_bytes();
        line.extend(&names.name);
        line.extend(
            format!(
                " age={} idle={} flags={flags} db={} sub={} psub={} ssub={} multi={} qbuf={input} qbuf-free=0 \
                 argv-mem=0 multi-mem={} rbs=0 rbp=0 obl={output} oll=0 omem={output} tot-mem={} events={} \
                 cmd={} user={} redir={} resp={}",
                self.since.elapsed().as_secs(),
                self.idle().as_secs(),
                self.db(),
                count(0),
                count(1),
                count(2),
                i64::from(self.queued.load(Relaxed)) - 1,
                self.queued_bytes(),
                self.memory(),
                if output > 0 { "rw" } else { "r" },
                self.last_command(),
                match self.is(trait_of::MASTER) {
                    true => "(superuser)".into(),
                    false => String::from_utf8_lossy(&user),
                },
                self.redirection(),
                if self.is(trait_of::RESP3) { 3 } else { 2 },
            )
            .bytes(),
        );
        if !names.library.is_empty() || !names.version.is_empty() {
            line.extend(b" lib-name=");
            line.extend(&names.library);
            line.extend(b" lib-ver=");
            line.extend(&names.version);
        }
        line
    }
}
