//! What no good client sends: a protocol error and a closed connection, and nothing for anybody else.

use crate::common::data::Rng;
use crate::common::*;
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// Sends bytes to a server; everything it says until it closes, or until it has been silent for a while.
fn said(server: &Server, bytes: &[u8]) -> (String, bool) {
    let mut client = server.client();
    // The server may close before it has read all.
    let _ = client.send_raw(bytes);
    client.rest(Duration::from_secs(2))
}

/// Both servers say the same to all of `requests`; they are sent at once, since who has nothing to say takes his time.
fn assert_same(redis: &Server, ours: &Server, requests: &[&[u8]]) {
    std::thread::scope(|scope| {
        for request in requests {
            scope.spawn(move || {
                let shown = request[..request.len().min(40)].escape_ascii();
                assert_eq!(said(ours, request), said(redis, request), "{shown}");
            });
        }
    });
}

#[test]
fn protocol_errors_are_those_of_the_stock_server() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    let long = vec![b'a'; 70_000];
    let requests: Vec<&[u8]> = vec![
        b"*1\r\n:5\r\n",
        b"*1\r\nPING\r\n",
        b"*x\r\n",
        b"*2147483648\r\n",
        b"*1048577\r\n",
        b"*-1\r\n*1\r\n$4\r\nPING\r\n",
        b"*0\r\n*1\r\n$4\r\nPING\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$x\r\n",
        b"*1\r\n$536870913\r\n",
        b"*1\r\n$99999999999999999999\r\n",
        b"*1\r\n$4\r\nPING",
        b"*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\nPING\r\n",
        b"PING\r\n",
        b"PING\n",
        b"\r\n\r\nPING\r\n",
        b"ECHO \"a\\x41\\n\"\r\n",
        b"ECHO 'it\\'s'\r\n",
        b"ECHO \"unbalanced\r\n",
        b"ECHO \"a\"b\r\n",
        b"  ECHO   spaced  \r\n",
        b"NOSUCHCOMMAND a b\r\n",
        b"*1\r\n$0\r\n\r\n",
        &long,
    ];
    assert_same(&redis, &ours, &requests);
    assert_eq!(ours.run("PING").text(), "PONG");
}

/// What a page can make a browser send to a server that only its machine reaches.
#[test]
fn who_speaks_http_gets_no_word_and_no_command() {
    let args = ["--requirepass", "secret"];
    for args in [&[][..], &args] {
        let (redis, ours) = (Server::redis(args), Server::damselfly(args));
        let requests: [&[u8]; 5] = [
            b"POST / HTTP/1.1\r\nHost: x\r\n\r\nPING\r\n",
            b"Host: x\r\nPING\r\n",
            b"host:\r\n",
            b"*1\r\n$4\r\npOsT\r\n*1\r\n$4\r\nPING\r\n",
            b"EVAL \"return redis.pcall('post').err\" 0\r\nPING\r\n",
        ];
        assert_same(&redis, &ours, &requests);
        assert_eq!(ours.log().matches("SECURITY ATTACK").count(), 1);
    }
    let ours = Server::damselfly(&[]);
    let (text, closed) = said(&ours, b"MULTI\r\nPOST\r\nSET k v\r\nEXEC\r\nSET k v\r\n");
    assert!(closed && !text.contains("ERR"), "{text}");
    assert_eq!(ours.run("EXISTS k").int(), 0);
}

#[test]
fn before_a_password_little_is_taken() {
    let args = ["--requirepass", "secret"];
    let (redis, ours) = (Server::redis(&args), Server::damselfly(&args));
    let requests: [&[u8]; 9] = [
        b"*11\r\n",
        b"*1\r\n$16385\r\n",
        b"GET a\r\n",
        b"AUTH wrong\r\n",
        b"AUTH secret\r\nGET a\r\n",
        b"AUTH default secret\r\nGET a\r\n",
        b"HELLO 3\r\n",
        b"QUIT\r\n",
        b"REPLICAOF NO ONE\r\n",
    ];
    assert_same(&redis, &ours, &requests);
}

#[test]
fn before_a_password_who_takes_no_replies_is_let_go() {
    let args = ["--requirepass", "secret"];
    for server in [Server::redis(&args), Server::damselfly(&args)] {
        let mut client = server.client();
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            while client.send_line("SET x 5").is_ok() {}
            let _ = ended.send(());
        });
        let end = end.recv_timeout(Duration::from_secs(60));
        assert!(end.is_ok(), "{:?}", server.kind);
    }
}

#[test]
fn requests_in_pieces_are_requests() {
    let ours = Server::damselfly(&[]);
    let whole: Vec<u8> = [
        resp::encode(&["SET", "pieces", "value"]),
        b"GET pieces\r\n".to_vec(),
        resp::encode(&["STRLEN", "pieces"]),
    ]
    .concat();
    for size in [1, 2, 3, 7, 19] {
        let mut client = ours.client();
        for piece in whole.chunks(size) {
            client.send_raw(piece).unwrap();
            std::thread::sleep(Duration::from_micros(300));
        }
        client.read().unwrap().ok();
        assert_eq!(client.read().unwrap().text(), "value");
        assert_eq!(client.read().unwrap().int(), 5);
    }
}

#[test]
fn half_requests_and_abrupt_ends_cost_nothing() {
    let ours = Server::damselfly(&[]);
    let before = ours.info("clients").num("connected_clients");
    for i in 0..200 {
        let mut client = ours.client();
        client
            .send_raw(b"*2\r\n$4\r\nECHO\r\n$100000\r\nabc")
            .unwrap();
        if i % 2 == 0 {
            let _ = client.socket().shutdown(Shutdown::Both);
        }
    }
    eventually("they are gone", || {
        let now = ours.info("clients").num("connected_clients");
        wait::check(now <= before, || now.to_string())
    });
}

#[test]
fn promised_bytes_take_no_memory_before_they_come() {
    let ours = Server::damselfly(&[]);
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", ours.pid())).unwrap();
        let line = status
            .lines()
            .find(|l| l.starts_with("VmRSS:"))
            .unwrap()
            .to_owned();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let before = resident();
    let clients: Vec<Client> = (0..50)
        .map(|_| {
            let mut client = ours.client();
            client
                .send_raw(b"*2\r\n$4\r\nECHO\r\n$500000000\r\nab")
                .unwrap();
            client
        })
        .collect();
    let many: Vec<Client> = (0..50)
        .map(|_| {
            let mut client = ours.client();
            client.send_raw(b"*1000000\r\n$1\r\na\r\n").unwrap();
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    let grown = resident().saturating_sub(before);
    assert!(grown < 200_000, "{grown} kB for promises");
    drop((clients, many));
    assert_eq!(ours.run("PING").text(), "PONG");
}

#[test]
fn one_who_does_not_read_is_not_waited_for() {
    let ours = Server::damselfly(&[]);
    ours.client()
        .cmd(&[b"SET".as_slice(), b"big", &vec![b'x'; 1 << 20]])
        .ok();
    let mut greedy = ours.client();
    // Asks for 2 GB and reads none of it.
    let requests = resp::encode(&["GET", "big"]).repeat(2000);
    let _ = greedy
        .socket()
        .set_write_timeout(Some(Duration::from_millis(500)));
    let _ = greedy.send_raw(&requests);
    let mut other = ours.client();
    for _ in 0..50 {
        let asked = Instant::now();
        assert_eq!(other.run("PING").text(), "PONG");
        assert!(asked.elapsed() < Duration::from_secs(10));
    }
    let used = ours.info("memory").num("used_memory");
    assert!(used < 300 << 20, "{used} bytes are held for one client");
}

#[test]
fn noise_ends_the_connection_and_nothing_else() {
    let ours = Server::damselfly(&[]);
    let mut steady = ours.client();
    let mut rng = Rng::new(71);
    let seeds: [&[u8]; 6] = [
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"*2\r\n$4\r\nMGET\r\n$1\r\nk\r\n",
        b"*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n",
        b"SET inline value\r\n",
        b"*4\r\n$4\r\nZADD\r\n$1\r\nz\r\n$3\r\n1.5\r\n$1\r\nm\r\n",
        b"*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n",
    ];
    for _ in 0..400 {
        let mut bytes: Vec<u8> = (0..3).flat_map(|_| rng.pick(&seeds).to_vec()).collect();
        for _ in 0..1 + rng.below(6) {
            let at = rng.below(bytes.len() as u64) as usize;
            match rng.below(3) {
                0 => bytes[at] = rng.below(256) as u8,
                1 => {
                    bytes.remove(at);
                }
                _ => bytes.insert(at, *rng.pick(b"*$\r\n-09:+\x00\xff")),
            }
        }
        let mut client = ours.client();
        let _ = client.send_raw(&bytes);
        if rng.below(4) == 0 {
            client.set_timeout(Duration::from_millis(5));
            let _ = client.read();
        }
        assert_eq!(steady.run("PING").text(), "PONG");
    }
}
