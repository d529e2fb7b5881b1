//! One of the two servers that a program runs on, with the program's connections to it.

use super::grammar::{Grammar, Step};
use super::normal::{self, Heard};
use crate::commands::order;
use crate::commands::stock::Stock;
use crate::common::Server;
use std::io;
use std::time::Duration;

/// What a command answered: a reply, or what stands for one.
pub type Answer = Vec<u8>;

/// It waits.
const WAITS: &[u8] = b"(waits)";
/// The connection is closed.
const CLOSED: &[u8] = b"(closed)";

/// A connection of a program.
struct Connection {
    line: Stock,
    id: String,
    in_transaction: bool,
    /// The command that it waits in.
    waits: Option<Vec<Vec<u8>>>,
    closed: bool,
    /// What it was pushed and nobody has asked for yet.
    pushed: Vec<Vec<u8>>,
}

/// A server and its connections. The first one made is of a user that no program knows.
pub struct Side {
    control: Stock,
    connections: Vec<Connection>,
    blocks: bool,
    listens: bool,
}

impl Side {
    /// Makes the user that [`Side::new`] needs, once for each server.
    pub fn prepare(server: &Server) {
        server.run("ACL SETUSER root on >root ~* &* +@all").ok();
    }

    /// An emptied server, and new connections to it. `protos` are theirs.
    pub fn new(server: &Server, grammar: &Grammar, protos: &[u8]) -> Side {
        let mut control = Stock::plain(server.port);
        control.run(&["AUTH", "root", "root"]);
        let users = control.run(&["ACL", "USERS"]);
        for user in order::split(&users).1.into_iter().map(normal::bulk) {
            if ![&b"root"[..], b"default"].contains(&&user[..]) {
                control.run(&[b"ACL", &b"DELUSER"[..], &user]);
            }
        }
        for line in [
            "ACL SETUSER default reset on nopass ~* &* +@all",
            "FLUSHALL",
            "FUNCTION FLUSH",
            "SCRIPT FLUSH",
            // What expires goes when it is met: a sweep between two commands would show.
            "DEBUG SET-ACTIVE-EXPIRE 0",
        ] {
            let reply = control.run(&line.split(' ').collect::<Vec<_>>());
            assert_eq!(reply, b"+OK\r\n", "{line}");
        }
        for command in &grammar.setup {
            control.run(command);
        }
        let connect = |proto: &u8| {
            let mut line = Stock::plain(server.port);
            if *proto == 3 {
                line.run(&["HELLO", "3"]);
            }
            let id = String::from_utf8_lossy(&line.run(&["CLIENT", "ID"])).into_owned();
            Connection {
                line,
                id: id.trim_start_matches(':').trim_end().to_owned(),
                in_transaction: false,
                waits: None,
                closed: false,
                pushed: Vec::new(),
            }
        };
        Side {
            control,
            connections: protos.iter().map(connect).collect(),
            blocks: grammar.is("block"),
            listens: grammar.is("listen"),
        }
    }

    /// Runs a command of the connection that belongs to nobody.
    pub fn ask<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        self.control.run(args)
    }

    /// Whether a connection can run a command now.
    pub fn is_free(&self, connection: usize) -> bool {
        let connection = &self.connections[connection];
        connection.waits.is_none() && !connection.closed
    }

    /// Runs a step of a program.
    pub fn run(&mut self, (number, args): &Step) -> Answer {
        let answer = self.try_run(*number, args);
        answer.unwrap_or_else(|_| self.close(*number))
    }

    fn close(&mut self, number: usize) -> Answer {
        self.connections[number].closed = true;
        CLOSED.to_vec()
    }

    fn try_run(&mut self, number: usize, args: &[Vec<u8>]) -> io::Result<Answer> {
        self.connections[number].line.send(args)?;
        while self.blocks && !self.is_ready(number, Duration::from_millis(2)) {
            // Blocked, and not just served.
            if self.is_blocked(number) && !self.is_ready(number, Duration::from_micros(1)) {
                self.connections[number].waits = Some(args.to_vec());
                return Ok(WAITS.to_vec());
            }
        }
        self.finish(number, args)
    }

    fn is_ready(&mut self, number: usize, within: Duration) -> bool {
        self.connections[number].line.is_ready(within)
    }

    fn is_blocked(&mut self, number: usize) -> bool {
        let id = self.connections[number].id.clone();
        let line = self.ask(&["CLIENT", "LIST", "ID", &id]);
        let line = String::from_utf8_lossy(&line);
        let flags = line.split(' ').find_map(|word| word.strip_prefix("flags="));
        flags.is_some_and(|flags| flags.contains('b'))
    }

    /// Reads the reply to a command.
    fn finish(&mut self, number: usize, args: &[Vec<u8>]) -> io::Result<Answer> {
        let name = args[0].to_ascii_uppercase();
        if self.listens && name.ends_with(b"SUBSCRIBE") {
            let mut replies = vec![self.connections[number].line.reply()?];
            replies.extend(self.heard(number));
            return Ok(match args.len() {
                // The channels that are left come in any order.
                1 => normal::left(&replies),
                _ => replies.concat(),
            });
        }
        let connection = &mut self.connections[number];
        let reply = loop {
            let reply = connection.line.reply()?;
            match normal::is_pushed(&reply) {
                true => connection.pushed.push(reply),
                false => break reply,
            }
        };
        match &name[..] {
            b"MULTI" if reply.starts_with(b"+") => connection.in_transaction = true,
            b"EXEC" | b"DISCARD" | b"RESET" => connection.in_transaction = false,
            _ => {}
        }
        Ok(normal::reply(args, &reply))
    }

    /// What came to connections that waited.
    pub fn served(&mut self) -> Vec<(usize, Answer)> {
        let mut served = Vec::new();
        for number in 0..self.connections.len() {
            if self.connections[number].waits.is_none() || self.is_blocked(number) {
                continue;
            }
            if let Some(args) = self.connections[number].waits.take() {
                let answer = self.finish(number, &args);
                served.push((number, answer.unwrap_or_else(|_| self.close(number))));
            }
        }
        served
    }

    /// What a connection was pushed since it was asked last; nothing of one that cannot be asked now.
    pub fn heard(&mut self, number: usize) -> Heard {
        let connection = &mut self.connections[number];
        if connection.in_transaction || connection.waits.is_some() || connection.closed {
            return Heard::new();
        }
        let mut heard = std::mem::take(&mut connection.pushed);
        if connection.line.send(&["PING", "the end"]).is_err() {
            self.close(number);
            return heard;
        }
        loop {
            let Ok(reply) = self.connections[number].line.reply() else {
                heard.push(self.close(number));
                return heard;
            };
            let is_end = reply.ends_with(b"$7\r\nthe end\r\n") && !normal::is_pushed(&reply);
            if is_end {
                return heard;
            }
            let is_error = reply.starts_with(b"-");
            heard.push(reply);
            if is_error {
                return heard;
            }
        }
    }
}
