//! Those who watch: clients that cache, keyspace events that no client caused, MONITOR.

mod caching;
mod gone;
mod latency;
mod monitor;

use crate::common::resp::encode;
use crate::common::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of the client in the reply of HELLO.
fn without_id(text: &str) -> String {
    match text.split_once("\"id\"") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit() || " ,:".contains(c));
            format!("{before}\"id\" {after}")
        }
        None => text.to_owned(),
    }
}

/// Some clients of one server, which run commands by turns.
pub struct Bench {
    clients: Vec<Client>,
    /// Their ids.
    ids: Vec<i64>,
    /// Which of them are in MULTI.
    queues: Vec<bool>,
}

impl Bench {
    /// `count` clients of `server`.
    pub fn new(server: &Server, count: usize) -> Bench {
        let mut clients: Vec<Client> = (0..count).map(|_| server.client()).collect();
        let ids = clients.iter_mut().map(|c| c.run("CLIENT ID").int());
        Bench {
            ids: ids.collect(),
            clients,
            queues: vec![false; count],
        }
    }

    /// Runs `line`, a number of a client and its command, in which `#2` stands for the id of client 2. What is answered,
    /// and what every client is sent beside: all of it numbers of clients in place of their ids.
    pub fn run(&mut self, line: &str) -> Vec<String> {
        let (who, command) = line.split_once(' ').expect("a client and its command");
        let who: usize = who.parse().expect("the number of a client");
        let mut command = command.to_owned();
        for (i, id) in self.ids.iter().enumerate() {
            command = command.replace(&format!("#{i}"), &id.to_string());
        }
        let tells_ids = command.contains("REDIR") || command.contains("INFO");
        let mut said = Vec::new();
        self.clients[who].send_line(&command).expect("send");
        // What a batch of requests changes is told when all of it is answered: no other request may come with this one.
        let answer = self.clients[who].read().expect("read the answer");
        match command.as_str() {
            "MULTI" => self.queues[who] = true,
            "EXEC" => self.queues[who] = false,
            _ => {}
        }
        for (i, client) in self.clients.iter_mut().enumerate() {
            let own = (i == who).then(|| answer.clone());
            let queued = usize::from(self.queues[i]);
            for value in own.into_iter().chain(heard_with(client, queued)) {
                let mut text = without_id(&without_tokens(&format!("{i}: {value:?}")));
                for (i, id) in self.ids.iter().enumerate().filter(|_| tells_ids) {
                    text = text.replace(&format!(":{id}"), &format!("#{i}"));
                }
                said.push(text);
            }
        }
        said
    }
}

/// All that a client is sent up to the answer to what it asks now.
pub fn heard(client: &mut Client) -> Vec<Value> {
    heard_with(client, 0)
}

/// [`heard`] by a client that may be in a transaction, where what it asks now is the `queued`th thing to be queued.
fn heard_with(client: &mut Client, queued: usize) -> Vec<Value> {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    // Of the commands that a RESP2 client may run while it listens, this one says what it was asked.
    let token = format!("end-of-{}-", ASKED.fetch_add(1, Ordering::Relaxed));
    let end = encode(&["PING", &token]);
    client.send_raw(&end).expect("send");
    let (mut heard, mut seen) = (Vec::new(), 0);
    loop {
        let value = client.read().expect("read what was sent");
        seen += usize::from(value == Value::Simple("QUEUED".into()));
        if format!("{value:?}").contains(&token) || queued > 0 && seen == queued {
            return heard;
        }
        heard.push(value);
    }
}

/// `text` without the numbers of tokens: those that were queued are answered as part of a transaction.
fn without_tokens(text: &str) -> String {
    let mut parts = text.split("end-of-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "end-of-" + part.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}

/// Runs the same lines against `ours` and `theirs`, and compares all that is said.
pub fn compare(ours: &mut Bench, theirs: &mut Bench, lines: &str) {
    let mut history = Vec::new();
    for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
        history.push(line);
        let (own, stock) = (ours.run(line), theirs.run(line));
        assert_eq!(own, stock, "ours, theirs; after\n{}", history.join("\n"));
    }
}

/// A server of each kind, ours first.
pub fn pair(args: &[&str]) -> [Server; 2] {
    [Server::damselfly(args), Server::redis(args)]
}
