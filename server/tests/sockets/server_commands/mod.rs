//! Commands about connections, configuration, replication and the server itself, with arguments right and wrong: what
//! is said is what the stock server says, byte for byte. And what the kinds of values show that one program tells.

mod figures;
mod migrate;
mod table;

use crate::common::*;
use std::io::{ErrorKind, Read};

/// What the last command of every program is answered.
const END: &[u8] = b"$14\r\nend-of-program\r\n";

/// Everything a server says to the commands of `program`, on a connection of its own.
fn said(server: &Server, program: &str) -> String {
    let mut client = server.client();
    // RESET ends whatever the program began.
    let commands = program.split(';').chain(["RESET", "ECHO end-of-program"]);
    let lines: String = commands.map(|c| format!("{}\r\n", c.trim())).collect();
    // The server may close before it has read all.
    let _ = client.send_raw(lines.as_bytes());
    let (mut text, mut portion) = (Vec::new(), [0; 4096]);
    let mut socket = client.socket();
    while !text.ends_with(END) {
        match socket.read(&mut portion) {
            Ok(0) => break,
            Ok(n) => text.extend_from_slice(&portion[..n]),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => break,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => panic!("{program}: {e}, after {}", text.escape_ascii()),
        }
    }
    without_id(&String::from_utf8_lossy(&text))
}

/// The reply of HELLO has the number of the client in it.
fn without_id(text: &str) -> String {
    match text.split_once("$2\r\nid\r\n:") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}$2\r\nid\r\n:N{}", without_id(after))
        }
        None => text.to_owned(),
    }
}

/// The stock server's are its allocator's own words; ours has the same name, and its figures.
#[test]
fn the_allocator_says_how_much_it_holds() {
    for server in [Server::redis(&[]), Server::damselfly(&[])] {
        let text = server.run("MEMORY MALLOC-STATS").text().to_lowercase();
        for word in ["allocated: ", "active: ", "resident: "] {
            assert!(text.contains(word), "{:?} {word}: {text}", server.kind);
        }
    }
}

#[test]
fn they_are_answered_as_the_stock_server_answers_them() {
    let args = ["--enable-debug-command", "yes"];
    let (redis, ours) = (Server::redis(&args), Server::damselfly(&args));
    let programs = include_str!("programs.txt").lines();
    let programs = programs.chain(include_str!("values.txt").lines());
    let mut different = Vec::new();
    for program in programs.filter(|line| !line.starts_with('#')) {
        let (theirs, own) = (said(&redis, program), said(&ours, program));
        if own != theirs {
            different.push(format!("{program}\n  redis: {theirs:?}\n  ours:  {own:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Who comes across a key whose time has come removes it, and those who listen hear of it.
#[test]
fn a_key_that_a_walk_finds_expired_is_an_event() {
    for server in [Server::redis(&[]), Server::damselfly(&[])] {
        let (mut client, mut hears) = (server.client(), server.client());
        client.run("DEBUG SET-ACTIVE-EXPIRE 0").ok();
        client.run("CONFIG SET notify-keyspace-events Ex").ok();
        hears.run("SUBSCRIBE __keyevent@0__:expired");
        for (walk, removes) in [("SCAN 0", true), ("RANDOMKEY", true), ("KEYS *", false)] {
            let key = walk.split(' ').next().expect("a name");
            client.run(&format!("SET {key} 1 PX 1")).ok();
            client.run("DEBUG SLEEP 0.01").ok();
            client.run(walk);
            assert_eq!(client.run("EXISTS nokey").int(), 0);
            assert_eq!(client.run("DBSIZE").int(), i64::from(!removes), "{walk}");
            if removes {
                let message = hears.read().expect("an event");
                assert_eq!(message.list()[2].text(), key);
            }
        }
        client.run("GET KEYS");
        let message = hears.read().expect("an event, and none before it");
        assert_eq!(message.list()[2].text(), "KEYS");
    }
}

/// As from Redis 7.2: what a client says of its library is shown to who looks.
#[test]
fn a_client_says_which_library_it_is() {
    let server = Server::damselfly(&[]);
    let mut client = server.client();
    let libraries = |client: &mut Client| {
        let line = client.run("CLIENT INFO").text();
        let words = line.split_whitespace();
        let words: Vec<&str> = words.filter(|word| word.starts_with("lib-")).collect();
        words.join(" ")
    };
    client.run("CLIENT SETINFO lib-name redis-rs").ok();
    client.run("CLIENT SETINFO LIB-VER 1.2.3").ok();
    assert_eq!(libraries(&mut client), "lib-name=redis-rs lib-ver=1.2.3");
    let refused = [
        (
            "lib-name",
            "a b",
            "ERR lib-name cannot contain spaces, newlines or special characters.",
        ),
        (
            "LIB-VER",
            "a\nb",
            "ERR lib-ver cannot contain spaces, newlines or special characters.",
        ),
        ("lib-what", "a", "ERR Unrecognized option 'lib-what'"),
    ];
    for (what, value, error) in refused {
        let said = client.cmd(&["CLIENT", "SETINFO", what, value]);
        assert_eq!(said.error(), error);
    }
    assert_eq!(libraries(&mut client), "lib-name=redis-rs lib-ver=1.2.3");
    client.run("CLIENT SETINFO lib-name \"\"").ok();
    assert!(!libraries(&mut client).contains("redis-rs"));
}

/// As in Redis 7.2: of what a client does that is not to touch, only TOUCH is an access.
#[test]
fn a_client_may_ask_that_its_commands_be_no_accesses() {
    // Each access counts for one.
    let policy = ["--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0"];
    let server = Server::damselfly(&policy);
    let mut client = server.client();
    client.run("SET k v").ok();
    let before = client.run("OBJECT FREQ k").int();
    client.run("CLIENT NO-TOUCH ON").ok();
    let get = ["GET", "k"].to_vec();
    client.pipeline(&[get.clone(), get.clone(), ["STRLEN", "k"].to_vec(), get]);
    client.run("APPEND k w");
    client.run("SET k 7").ok();
    client.run("INCR k");
    client.cmd(&["EVAL", "return redis.call('GET', KEYS[1])", "1", "k"]);
    client.run("MULTI").ok();
    client.run("GETRANGE k 0 1");
    client.run("EXEC");
    assert_eq!(client.run("OBJECT FREQ k").int(), before);
    client.run("TOUCH k");
    assert_eq!(client.run("OBJECT FREQ k").int(), before + 1);
    client.run("CLIENT NO-TOUCH OFF").ok();
    client.run("GET k");
    assert_eq!(client.run("OBJECT FREQ k").int(), before + 2);
}

/// As from Redis 7.2: inside it, it would be taken for a part of the reply.
#[test]
fn a_message_to_oneself_comes_behind_the_reply_of_exec() {
    let server = Server::damselfly(&[]);
    let mut client = server.client();
    for line in ["HELLO 3", "SUBSCRIBE c", "MULTI", "PUBLISH c 1", "PING"] {
        client.run(line);
    }
    client.send_line("EXEC").expect("send");
    let (text, _) = client.rest(std::time::Duration::from_millis(500));
    let message = r">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n1\r\n";
    assert_eq!(text, format!(r"*2\r\n:1\r\n+PONG\r\n{message}"));
}

/// How wide each line of the picture of `LOLWUT` is, whatever its shades, and what is written at its end.
fn frame(server: &Server, args: &str) -> (Vec<usize>, String) {
    let text = server.run(&format!("LOLWUT VERSION {args}")).text();
    let mut visible = String::new();
    for part in text.split('\x1b') {
        // What follows an escape ends with an `m`.
        let shown = part.strip_prefix('[').and_then(|code| code.split_once('m'));
        visible.push_str(shown.map_or(part, |(_, shown)| shown));
    }
    let lines = visible.lines().take_while(|line| !line.contains("e"));
    let widths = lines.map(|line| line.chars().count()).collect();
    let end = visible.rfind("Redis ver.").map_or("", |at| &visible[at..]);
    (widths, end.to_owned())
}

#[test]
fn art_has_the_frame_of_the_stock_servers() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    for args in [
        "5",
        "5 20",
        "5 20 3",
        "5 20 3 4",
        "5 20 8 2",
        "5 10 1 1",
        "5 1 1 1",
        "5 0 -1 -1",
        "5 33 7 5 9",
        "5 2",
        "6",
        "6 10 4",
        "6 0 0",
        "6 7 1 3",
    ] {
        assert_eq!(frame(&redis, args), frame(&ours, args), "{args}");
    }
    let pictures: Vec<_> = (0..2)
        .map(|_| ours.run("LOLWUT VERSION 5").text())
        .collect();
    assert_ne!(pictures[0], pictures[1], "each is another one");
}
