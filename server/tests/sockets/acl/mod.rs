//! Users and what they may do: programs of commands over several connections, each reply compared with the stock
//! server's; files; replication between servers that ask who one is.

mod files;
mod replication;
mod table;

use crate::common::*;
use damselfly_server::command;
use std::collections::BTreeMap;
use std::io::ErrorKind;

/// The words of a command; `""` is an empty one.
fn words(command: &str) -> Vec<&str> {
    let words = command.split_whitespace();
    words
        .map(|word| if word == "\"\"" { "" } else { word })
        .collect()
}

/// What comes back for `command`, or that the connection was closed.
fn answer(client: &mut Client, command: &str) -> String {
    let sent = client.send(&words(command));
    let reply = match sent.and_then(|()| client.read()) {
        Ok(reply) => reply,
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("no answer to {command}")
        }
        Err(_) => return "closed".to_owned(),
    };
    format!("{:?}", comparable(reply))
}

/// `reply` without what differs from server to server and from run to run: the server's number of a connection, and
/// all of its description but the user and the command.
fn comparable(reply: Value) -> Value {
    match reply {
        Value::Array(values) => Value::Array(without_ages(values)),
        Value::Bulk(text) => Value::Bulk(in_order(&text)),
        Value::Map(pairs) => {
            let flat = pairs.into_iter().flat_map(|(name, value)| [name, value]);
            Value::Array(without_ages(flat.collect()))
        }
        other => other,
    }
}

/// `text` with the single commands of its rules in order, which the stock server has in that of a hash table.
fn in_order(text: &[u8]) -> Vec<u8> {
    let is_single = |word: &&[u8]| matches!(word, [b'+' | b'-', second, ..] if *second != b'@');
    // What closes a selector is no part of its last rule.
    let text = String::from_utf8_lossy(text).replace(')', " )");
    let mut words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
    for single in words.chunk_by_mut(|a, b| is_single(a) && is_single(b)) {
        if is_single(&single[0]) {
            single.sort_by_key(|word| word[1..].to_vec());
        }
    }
    words.join(&b' ')
}

fn without_ages(values: Vec<Value>) -> Vec<Value> {
    let mut last = Vec::new();
    let mut shown = Vec::new();
    for value in values {
        let name = std::mem::take(&mut last);
        if let Value::Bulk(word) = &value {
            last.clone_from(word);
        }
        shown.push(match (&name[..], value) {
            (b"id", _) => Value::Nil,
            (b"age-seconds", value) => {
                assert!(value.text().parse::<f64>().is_ok(), "{value:?}");
                Value::Nil
            }
            (b"client-info", value) => {
                let text = value.text();
                let told = |w: &&str| ["cmd=", "user=", "db="].iter().any(|p| w.starts_with(p));
                let told: Vec<&str> = text.split(' ').filter(told).collect();
                Value::Simple(told.join(" "))
            }
            (_, value) => comparable(value),
        });
    }
    shown
}

/// Runs `program` and says what was answered, command by command.
fn said(server: &Server, program: &str) -> Vec<String> {
    let mut clients: BTreeMap<&str, Client> = BTreeMap::new();
    let mut run = |command: &str, name: &'static str| {
        let client = clients.entry(name).or_insert_with(|| server.client());
        answer(client, command)
    };
    let mut answers = Vec::new();
    for command in program.split(';') {
        let command = command.trim();
        let (name, command) = match command.split_once("> ") {
            Some(("a", rest)) => ("a", rest),
            Some(("b", rest)) => ("b", rest),
            Some(("c", rest)) => ("c", rest),
            _ => ("", command),
        };
        answers.push(run(command, name));
    }
    for command in [
        "ACL SETUSER default reset on nopass allkeys allchannels +@all",
        "ACL DELUSER u v w",
        "ACL LOG RESET",
        "FLUSHALL",
    ] {
        run(command, "");
    }
    answers
}

#[test]
fn commands_are_answered_as_the_stock_server_answers_them() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let programs = include_str!("programs.txt").lines();
    let mut different = Vec::new();
    for program in programs.filter(|line| !line.starts_with('#')) {
        let (theirs, own) = (said(&redis, program), said(&ours, program));
        for ((command, theirs), own) in program.split(';').zip(theirs).zip(own) {
            if own != theirs {
                different.push(format!(
                    "{program}\n {command}\n  redis: {theirs}\n  ours:  {own}"
                ));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Rules at random: what a user may do then is said in the words of the stock server.
#[test]
fn rules_come_to_the_same_as_at_the_stock_server() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let (mut redis, mut ours) = (redis.client(), ours.client());
    let mut names = vec!["get|x".to_owned(), "select|0".to_owned()];
    let listed = redis.run("COMMAND LIST FILTERBY PATTERN *");
    names.extend(listed.list().iter().map(Value::text));
    // They come in the order of a hash table whose seed is random.
    names.sort();
    let categories: Vec<String> = redis
        .run("ACL CAT")
        .list()
        .iter()
        .map(Value::text)
        .collect();
    assert!(names.len() > 300 && categories.len() > 20);
    let others = [
        "+@all",
        "-@all",
        "~a",
        "%R~a",
        "%W~b*",
        "~*",
        "resetkeys",
        "&c",
        "&*",
        "resetchannels",
        "on",
        ">p",
        "nopass",
        "reset",
        "(+@read",
        "~x)",
        "(%R~y)",
        "clearselectors",
    ];
    let with_subcommands =
        command::table::all().flat_map(|c| std::iter::once(c).chain(c.subcommands));
    let unknown = with_subcommands.filter(|c| !c.is_of_redis_7_0());
    let mut unknown: Vec<&str> = unknown.map(|c| c.name).collect();
    // One name may begin another.
    unknown.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for seed in 0..150 {
        let mut rng = data::Rng::new(seed);
        let mut command = "ACL SETUSER u".to_owned();
        for _ in 0..1 + rng.below(8) {
            let sign = *rng.pick(&["+", "-"]);
            command += &match rng.below(4) {
                0 | 1 => format!(" {sign}{}", rng.pick(&names)),
                2 => format!(" {sign}@{}", rng.pick(&categories)),
                _ => format!(" {}", rng.pick(&others)),
            };
        }
        for command in [&*command, "ACL GETUSER u", "ACL LIST"] {
            let theirs = answer(&mut redis, command);
            let mut own = answer(&mut ours, command);
            for later in &unknown {
                own = own.replace(&format!(" -{later}"), "");
                own = own.replace(&format!(" +{later}"), "");
            }
            assert_eq!(own, theirs, "seed {seed}: {command}");
        }
        if rng.below(3) == 0 {
            answer(&mut redis, "ACL DELUSER u");
            answer(&mut ours, "ACL DELUSER u");
        }
    }
}

#[test]
fn who_is_refused_is_refused_in_a_pipeline_too() {
    let server = Server::damselfly(&["--threads", "2"]);
    server
        .run("ACL SETUSER u on nopass ~k* +get +set +acl|setuser")
        .ok();
    let mut client = server.client();
    client
        .send_raw(
            b"AUTH u p\r\nSET k 1\r\nSET z 1\r\nACL SETUSER u -set\r\nSET k 2\r\nGET k\r\n\
              ACL SETUSER u +set\r\nSET k 3\r\n",
        )
        .unwrap();
    let replies: Vec<_> = (0..8)
        .map(|_| format!("{:?}", client.read().unwrap()))
        .collect();
    let no_key = "-NOPERM this user has no permissions to access one of the keys used as arguments";
    let no_set = "-NOPERM this user has no permissions to run the 'set' command";
    assert_eq!(
        replies,
        ["+OK", "+OK", no_key, "+OK", no_set, "\"1\"", "+OK", "+OK"]
    );
}

/// Whoever was told OK for a change of rules finds that nobody runs by the old ones any more, on whatever thread.
#[test]
fn a_change_holds_for_all_threads_once_it_is_acknowledged() {
    let server = Server::damselfly(&["--threads", "2"]);
    server.run("ACL SETUSER u on nopass ~* +@all").ok();
    let mut clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    let mut operator = server.client();
    for client in &mut clients {
        client.send_line("AUTH u p").unwrap();
        client.read().unwrap().ok();
    }
    for round in 0..20 {
        for client in &mut clients {
            client.send_line(&format!("SET k {round}")).unwrap();
            client.read().unwrap().ok();
        }
        operator.send_line("ACL SETUSER u -set").unwrap();
        operator.read().unwrap().ok();
        for client in &mut clients {
            client.send_line("SET k late").unwrap();
            assert!(client.read().unwrap().is_error(), "round {round}");
        }
        operator.send_line("ACL SETUSER u +set").unwrap();
        operator.read().unwrap().ok();
    }
    assert_eq!(server.run("GET k").text(), "19");
    operator.send_line("ACL DELUSER u").unwrap();
    assert_eq!(operator.read().unwrap().int(), 1);
    for client in &mut clients {
        let ended = client.send_line("GET k").and_then(|()| client.read());
        assert!(ended.is_err(), "{ended:?}");
    }
}

#[test]
fn passwords_are_made_up_as_long_as_was_asked_for() {
    let server = Server::damselfly(&[]);
    for (command, digits) in [
        ("ACL GENPASS", 64),
        ("ACL GENPASS 1", 1),
        ("ACL GENPASS 5", 2),
        ("ACL GENPASS 4096", 1024),
    ] {
        let made = server.run(command).text();
        assert_eq!(made.len(), digits, "{command}: {made}");
        assert!(
            made.bytes().all(|b| b"0123456789abcdef".contains(&b)),
            "{made}"
        );
    }
    assert_ne!(
        server.run("ACL GENPASS").text(),
        server.run("ACL GENPASS").text()
    );
}
