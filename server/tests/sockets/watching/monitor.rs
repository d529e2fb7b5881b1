//! MONITOR beside the stock server: every line but for its time, ports and the order of threads.

use super::*;
use std::io::Read;
use std::time::Duration;

/// The lines a monitor has been sent, up to the one that `runs` has it see last.
fn lines(monitor: &mut Client, runs: &mut Client) -> Vec<String> {
    runs.run("RESET");
    runs.run("ECHO end-of-it");
    let mut lines = Vec::new();
    loop {
        let Value::Simple(line) = monitor.read().expect("a line") else {
            panic!("no line of a monitor");
        };
        if line.ends_with("\"end-of-it\"") {
            return lines;
        }
        lines.push(without_time_and_port(&line));
    }
}

/// `1795636975.045917 [0 127.0.0.1:36888] "GET"` without what differs.
fn without_time_and_port(line: &str) -> String {
    let (time, rest) = line.split_once(" [").expect("a time");
    let (seconds, micros) = time.split_once('.').expect("a point in the time");
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    assert!(
        digits(seconds) && digits(micros) && micros.len() == 6,
        "{line}"
    );
    let (from, command) = rest.split_once("] ").expect("where it comes from");
    let from = from.rsplit_once(':').map_or(from, |(address, _)| address);
    format!("[{from}] {command}")
}

const PROGRAM: &[&[&[u8]]] = &[
    &[b"SET", b"a", b"x\"\\\n\r\t\x07\x08\x00\xff e"],
    &[b"GeT", b"a", b""],
    &[b"get", b""],
    &[b"AUTH", b"foo"],
    &[b"AUTH", b"default", b"foo"],
    &[b"AUTH", b"a", b"b", b"c"],
    &[
        b"HELLO", b"2", b"AUTH", b"default", b"secret", b"SETNAME", b"n",
    ],
    &[b"HELLO", b"2", b"SETNAME", b"auth", b"AUTH", b"a", b"b"],
    &[b"MULTI"],
    &[b"SET", b"a", b"1"],
    &[b"INCR", b"a"],
    &[b"FOO"],
    &[b"EXEC"],
    &[b"MULTI"],
    &[b"SET", b"a", b"1"],
    &[b"SELECT", b"2"],
    &[b"INCR", b"a"],
    &[b"EXEC"],
    &[b"MULTI"],
    &[b"MONITOR"],
    &[b"EXEC"],
    &[b"MULTI"],
    &[b"GET", b"a"],
    &[b"DISCARD"],
    &[b"SELECT", b"1"],
    &[b"CONFIG", b"GET", b"port"],
    &[b"FOO", b"a"],
    &[b"GET"],
    &[b"LPUSH", b"l", b"a"],
    &[b"BLPOP", b"l", b"0"],
    &[b"BLPOP", b"l", b"0.01"],
    &[b"CLIENT", b"ID"],
    &[b"ACL", b"WHOAMI"],
    &[b"SLOWLOG", b"LEN"],
    &[b"PUBSUB", b"CHANNELS"],
    &[b"OBJECT", b"ENCODING", b"a"],
    &[
        b"EVAL",
        b"return redis.call('set', KEYS[1], 'v')",
        b"1",
        b"k",
    ],
    &[
        b"EVAL",
        b"redis.call('select', '3') return redis.call('get', 'k')",
        b"0",
    ],
    &[
        b"EVALSHA",
        b"ffffffffffffffffffffffffffffffffffffffff",
        b"0",
    ],
    &[b"WATCH", b"a"],
    &[b"FLUSHALL"],
    &[b"SUBSCRIBE", b"a"],
    &[b"UNSUBSCRIBE"],
    &[b"RESET"],
];

#[test]
fn every_command_is_shown_as_the_stock_server_shows_it() {
    let said = pair(&[]).map(|server| {
        let (mut monitor, mut runs) = (server.client(), server.client());
        monitor.run("MONITOR").ok();
        for args in PROGRAM {
            runs.cmd(args);
        }
        lines(&mut monitor, &mut runs)
    });
    assert_eq!(said[0], said[1]);
}

#[test]
fn what_a_monitor_may_do_itself() {
    let said = pair(&[]).map(|server| {
        let mut client = server.client();
        let lines = "MONITOR\r\nMONITOR\r\nGET a\r\nSET a 1\r\nMULTI\r\nPING\r\nEXEC\r\nCLIENT GETNAME\r\n\
            PUBLISH a b\r\nCLIENT NO-EVICT ON\r\nECHO x\r\nRESET\r\nGET a\r\nQUIT\r\n";
        client.send_raw(lines.as_bytes()).expect("send");
        let text = String::from_utf8(client.read_to_end().expect("all of it")).expect("text");
        let shown = text.lines().map(|line| match line.starts_with('+') && line.contains(" [") {
            true => without_time_and_port(&line[1..]),
            false => line.to_owned(),
        });
        shown.collect::<Vec<_>>()
    });
    assert_eq!(said[0], said[1]);
}

#[test]
fn it_is_listed_and_need_not_ask_anything() {
    let servers = pair(&["--timeout", "1"]);
    let _monitors = servers.each_ref().map(|server| {
        let mut monitor = server.client();
        monitor.run("MONITOR").ok();
        let list = server.client().run("CLIENT LIST").text();
        let line = list.lines().find(|l| l.contains("cmd=monitor"));
        assert!(line.is_some_and(|l| l.contains("flags=O ")), "{list}");
        monitor
    });
    std::thread::sleep(Duration::from_millis(2300));
    for server in servers {
        let info = server.client().run("CLIENT LIST").text();
        assert!(info.contains("flags=O "), "{:?}: {info}", server.kind);
    }
}

#[test]
fn one_that_does_not_read_is_closed_at_its_limit() {
    let args = ["--client-output-buffer-limit", "normal 1mb 0 0"];
    let server = Server::damselfly(&args);
    let (mut monitor, mut runs) = (server.client(), server.client());
    monitor.run("MONITOR").ok();
    let value = vec![b'x'; 100_000];
    eventually("the monitor is closed", || {
        for _ in 0..20 {
            runs.cmd(&[&b"SET"[..], b"k", &value]).ok();
        }
        let list = runs.run("CLIENT LIST").text();
        wait::check(!list.contains("flags=O "), || list)
    });
    let mut rest = Vec::new();
    let _ = monitor.socket().read_to_end(&mut rest);
    runs.run("SET k v").ok();
}
