//! Many requests at once, among them such that decide what becomes of those behind them: the server parses ahead, and
//! nobody may notice.

use crate::common::data::Rng;
use crate::common::*;
use std::time::Duration;

/// Sends the pieces, some time apart; everything the server says until it closes or has been silent for a while,
/// and whether it closed.
fn said(server: &Server, pieces: &[&[u8]]) -> (String, bool) {
    let mut client = server.client();
    for (i, piece) in pieces.iter().enumerate() {
        if i > 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        // The server may have closed.
        let _ = client.send_raw(piece);
    }
    client.rest(Duration::from_secs(3))
}

/// Both servers say the same.
fn assert_same(redis: &Server, ours: &Server, pieces: &[&[u8]], case: &str) {
    std::thread::scope(|scope| {
        let theirs = scope.spawn(|| said(redis, pieces));
        assert_eq!(said(ours, pieces), theirs.join().unwrap(), "{case}");
    });
}

/// Commands as one pipeline.
fn line_of(commands: &str) -> Vec<u8> {
    let encoded = |c: &str| resp::encode(&c.split_whitespace().collect::<Vec<_>>());
    commands.split(';').flat_map(encoded).collect()
}

#[test]
fn what_a_command_does_to_those_behind_it() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let ping = line_of("PING");
    for commands in [
        "SET a 1; SELECT 3; GET a; SET a 3; SELECT 0; GET a; MGET a b; SELECT 3; GET a",
        "MULTI; SET a 5; GET a; NOSUCH; EXEC; GET a; MULTI; INCR a; EXEC; GET a",
        "GET a; QUIT; SET a 7; GET a",
        "GET a; CLIENT REPLY SKIP; GET a; GET b; CLIENT REPLY OFF; GET a; CLIENT REPLY ON; GET b",
        "SUBSCRIBE c; GET a; UNSUBSCRIBE c; GET a",
        "SELECT 3; MULTI; GET a; RESET; GET a; EXEC",
        "BLPOP none 0.1; SET a 8; GET a; BLPOP none 0.1; GET a",
        "CLIENT PAUSE 100 WRITE; GET a; SET a 9; GET a; INCR a",
        "RPUSH list x; BLPOP list 0; TYPE list; GET list",
    ] {
        let whole = line_of(commands);
        // Again, its last request cut in two; and in the end what is no request.
        let (most, last) = whole.split_at(whole.len() - 3);
        let pieces: [&[u8]; 4] = [&whole, most, &[last, &ping].concat(), b"*x\r\n"];
        assert_same(&redis, &ours, &pieces, commands);
    }
}

#[test]
fn a_password_widens_what_may_follow_it() {
    let args = ["--requirepass", "secret"];
    let (redis, ours) = (Server::redis(&args), Server::damselfly(&args));
    for server in [&redis, &ours] {
        let mut client = server.client();
        client.run("AUTH secret").ok();
        eventually("it serves", || {
            let reply = client.run("GET none");
            wait::check(!reply.is_error(), || format!("{reply:?}"))
        });
    }
    let large = resp::encode(&["SET", "a", &"x".repeat(20_000)]);
    for pieces in [
        vec![b"AUTH secret\r\n".as_slice(), &large, b"STRLEN a\r\n"],
        vec![
            b"PING\r\nAUTH wrong\r\n".as_slice(),
            &large,
            b"STRLEN a\r\n",
        ],
        vec![
            b"GET a\r\nAUTH secret\r\nRESET\r\nGET a\r\n".as_slice(),
            &large,
        ],
    ] {
        let whole = pieces.concat();
        let shown = whole[..30].escape_ascii().to_string();
        assert_same(&redis, &ours, &[&whole], &shown);
    }
}

#[test]
fn long_pipelines_come_out_in_order_however_they_are_cut() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let mut bytes = Vec::new();
    for i in 0..500 {
        let key = format!("key:{}", i * 7 % 100);
        bytes.extend(match i % 5 {
            0 => resp::encode(&["SET", &key, &"v".repeat(i)]),
            1 => format!("APPEND {key} \"\\x41 {i}\"\r\n").into_bytes(),
            2 => resp::encode(&["DEL", &key, "key:1"]),
            3 => b"\r\n".to_vec(),
            _ => resp::encode(&["GET", &key]),
        });
    }
    for size in [bytes.len(), 5_000, 977] {
        let mut replies = Vec::new();
        for server in [&redis, &ours] {
            server.run("FLUSHALL").ok();
            let mut client = server.client();
            for piece in bytes.chunks(size) {
                client.send_raw(piece).unwrap();
            }
            let read = (0..400).map(|_| client.read().unwrap());
            replies.push(read.collect::<Vec<_>>());
        }
        assert_eq!(replies[1], replies[0], "pieces of {size} bytes");
    }
}

/// What INFO counted of commands, errors and lookups: no times.
fn counted(server: &Server) -> Vec<String> {
    let text = |section: &str| server.run(&format!("INFO {section}")).text();
    let all = [text("commandstats"), text("errorstats"), text("stats")].concat();
    let counts = |line: &str| {
        let fields = line.split(',').filter(|field| !field.contains("usec"));
        fields.collect::<Vec<_>>().join(",")
    };
    let is_count = |line: &&str| {
        let others = ["info", "config", "client"].map(|name| format!("cmdstat_{name}"));
        (line.starts_with("cmdstat_") && !others.iter().any(|name| line.starts_with(name)))
            || line.starts_with("errorstat_")
            || line.starts_with("keyspace_")
    };
    let mut lines: Vec<_> = all.lines().filter(is_count).map(counts).collect();
    lines.sort();
    lines
}

#[test]
fn rows_of_simple_commands_reply_and_count_as_one_by_one() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let mut rng = Rng::new(11);
    let simple = [
        "GET k",
        "SET k 1",
        "SET k x EX 100",
        "INCR k",
        "LPUSH k a",
        "LPUSH l a",
        "LPOP l",
        "SADD s a",
        "HSET h f v",
        "HGET h f",
        "ZADD z 1 m",
        "ZADD z x m",
        "GET",
        "SET k",
        "GETSET k 2",
        "SETEX k 0 v",
        "TTL k",
        "TYPE h",
        "nosuch k",
        "GET none",
        "HGET k f",
        "APPEND k y",
        "DEL k l",
        "PFADD k a",
        "SPOP s",
        "EXPIRE k 100",
        "PING",
        "PING x",
        "PING x y",
    ];
    let states = [
        "PING",
        "CONFIG SET maxmemory 100mb",
        "CONFIG SET slowlog-log-slower-than 0",
        "CONFIG SET latency-monitor-threshold 1",
        "CONFIG SET notify-keyspace-events KEA",
        "CONFIG SET maxmemory 1 maxmemory-policy noeviction",
        "CONFIG SET maxmemory 0 min-replicas-to-write 1",
        "CONFIG SET min-replicas-to-write 0",
    ];
    for state in states {
        let mut bytes = resp::encode(&state.split(' ').collect::<Vec<_>>());
        for _ in 0..200 {
            let command: &&str = rng.pick(&simple);
            bytes.extend(line_of(command));
        }
        bytes.extend(line_of("QUIT"));
        for server in [&redis, &ours] {
            // A master that lacks replicas refuses it, on both.
            server.run("FLUSHALL");
            server.run("CONFIG RESETSTAT").ok();
        }
        assert_same(&redis, &ours, &[&bytes], state);
        assert_eq!(counted(&ours), counted(&redis), "{state}");
    }
}

/// Shards are held for several commands of a row; of what others hold nothing is lost, and nobody waits for ever.
#[test]
fn rows_of_many_clients_meet_on_the_same_keys() {
    const CLIENTS: u64 = 6;
    const ROUNDS: u64 = 60;
    const KEYS: u64 = 40;
    let (ours, replica) = (
        Server::damselfly(&["--threads", "4"]),
        Server::damselfly(&[]),
    );
    replica.follow(ours.port);
    ours.run("SET sum 0").ok();
    let pusher = |seed: u64| {
        let (mut client, mut rng) = (ours.client(), Rng::new(seed));
        let mut added = 0;
        for round in 0..ROUNDS {
            let mut commands = Vec::new();
            for _ in 0..100 {
                let key = rng.below(KEYS);
                commands.push(match rng.below(8) {
                    0..3 => format!("INCR n{key}"),
                    3 => format!("RPUSH l{key} {round}"),
                    4 => format!("GET n{key}"),
                    5 => format!("HINCRBY h n{key} 1"),
                    6 => format!("MSET a{key} {seed} b{key} {seed}"),
                    _ => format!("SET a{key} {seed} EX 1000"),
                });
            }
            commands.push("INCRBY sum 100".into());
            let commands: Vec<Vec<&str>> =
                commands.iter().map(|c| c.split(' ').collect()).collect();
            for (command, reply) in commands.iter().zip(client.pipeline(&commands)) {
                assert!(!matches!(reply, Value::Error(_)), "{command:?}: {reply:?}");
                added += u64::from(command[0] == "INCR" || command[0] == "HINCRBY");
            }
        }
        added
    };
    let popper = |key: u64| {
        let mut client = ours.client();
        while client.run(&format!("BLPOP l{key} 0")).list()[1].bytes() != b"end" {}
    };
    let added: u64 = std::thread::scope(|scope| {
        let poppers: Vec<_> = (0..3).map(|key| scope.spawn(move || popper(key))).collect();
        let pushers: Vec<_> = (1..=CLIENTS)
            .map(|n| scope.spawn(move || pusher(n)))
            .collect();
        while !pushers.iter().all(|p| p.is_finished()) {
            ours.run("BGSAVE SCHEDULE");
            ours.run("SWAPDB 1 2").ok();
            ours.run("DBSIZE").int();
        }
        let added = pushers.into_iter().map(|p| p.join().unwrap()).sum();
        for (key, popper) in poppers.into_iter().enumerate() {
            ours.run(&format!("RPUSH l{key} end")).int();
            popper.join().unwrap();
        }
        added
    });
    let mut client = ours.client();
    let mut counted = 0;
    for key in 0..KEYS {
        for command in [format!("INCRBY n{key} 0"), format!("HINCRBY h n{key} 0")] {
            counted += client.run(&command).int();
        }
    }
    assert_eq!(counted as u64, added);
    assert_eq!(
        client.run("GET sum").text(),
        (CLIENTS * ROUNDS * 100).to_string()
    );
    assert_same_data(&ours, &replica);
}

/// Many clients write all of a pipeline before they read the first reply, of whatever size both are.
#[test]
fn one_who_sends_everything_first_is_served() {
    /// Bytes of a request, and their number: more together than any socket holds.
    const SIZE: usize = 16 << 10;
    const COUNT: usize = 4 << 10;
    let server = Server::damselfly(&[]);
    let mut client = server.client();
    let echo = resp::encode(&["ECHO", &"x".repeat(SIZE)]);
    for _ in 0..COUNT {
        client.send_raw(&echo).expect("it is read");
    }
    eventually("its replies wait", || {
        let field = "client_recent_max_output_buffer";
        let most = server.info("clients").num(field);
        wait::check(most > SIZE as i64, || most.to_string())
    });
    for _ in 0..COUNT {
        assert_eq!(client.read().expect("a reply").bytes().len(), SIZE);
    }
    // A limit, if there is one, is for such a client, too.
    let limit = "client-output-buffer-limit";
    let set = ["CONFIG", "SET", limit, "normal 1mb 0 0"];
    server.client().cmd(&set).ok();
    let all = (0..COUNT).all(|_| client.send_raw(&echo).is_ok());
    assert!(!all, "it was served beyond its limit");
}
