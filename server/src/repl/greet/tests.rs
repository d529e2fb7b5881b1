//! Greeting peers made by hand, over real sockets.

use super::*;
use crate::config::Config;
use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

const RUN_ID: &str = "0123456789abcdef0123456789abcdef01234567";

fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::clone(&Config::new().settings());
    settings.replicaof_timeout = Duration::from_secs(5);
    change(&mut settings);
    settings
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let done = runtime.block_on(future);
    runtime.shutdown_background();
    done
}

/// A peer that answers each request in turn by `answers`; then it closes. Returns what it was told.
fn peer(answers: Vec<String>) -> (Host, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = Host::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = String::new();
        let mut buf = [0; 4096];
        for answer in answers {
            match stream.read(&mut buf) {
                Ok(0) | Err(_) => break,
                Ok(n) => heard.push_str(std::str::from_utf8(&buf[..n]).unwrap()),
            }
            let _ = stream.write_all(answer.as_bytes());
        }
        // Closed in order, not reset.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        while matches!(stream.read(&mut buf), Ok(1..)) {}
        heard
    });
    (host, thread)
}

fn answers(answers: &[&str]) -> Vec<String> {
    answers.iter().map(|a| format!("{a}\r\n")).collect()
}

fn info() -> String {
    let body = format!("# Server\r\nredis_version:7.0.15\r\nrun_id:{RUN_ID}\r\n");
    format!("${}\r\n{body}", body.len())
}

#[test]
fn a_whole_greeting_in_order() {
    let (host, heard) = peer(answers(&[
        "-NOAUTH Authentication required.",
        "+OK",
        "+OK",
        "+OK",
        "-ERR Unrecognized REPLCONF option: capa",
        &info(),
    ]));
    let settings = settings(|s| {
        s.masteruser = b"replica".to_vec();
        s.masterauth = b"secret".to_vec();
        s.announce_ip = "10.1.2.3".into();
        s.port = 7200;
    });
    let reached = run(reach(host, &settings)).unwrap();
    assert_eq!(reached.run_id, Id::parse(RUN_ID.as_bytes()));
    drop(reached);
    let want = [
        &b"PING"[..],
        b"AUTH replica secret",
        b"REPLCONF listening-port 7200",
        b"REPLCONF ip-address 10.1.2.3",
        b"REPLCONF capa eof capa psync2",
        b"INFO server",
    ]
    .map(|line| {
        let words: Vec<_> = line.split(|b| *b == b' ').collect();
        String::from_utf8(super::super::peer::encode(&words)).unwrap()
    })
    .concat();
    assert_eq!(heard.join().unwrap(), want);
}

#[test]
fn a_run_id_that_is_not_told_is_no_obstacle() {
    for info in ["-NOPERM this user has no permissions", "$2\r\n\r\n", "$-1"] {
        let (host, _heard) = peer(answers(&["+PONG", "+OK", "+OK", info, "+OK"]));
        assert_eq!(run(reach(host, &settings(|_| ()))).unwrap().run_id, None);
    }
}

#[test]
fn a_valkey_and_who_does_not_say_is_told_which_snapshots_are_read() {
    let valkey =
        format!("# Server\r\nredis_version:7.2.4\r\nvalkey_version:9.1.2\r\nrun_id:{RUN_ID}\r\n");
    let valkey = format!("${}\r\n{valkey}", valkey.len());
    for (said, told) in [
        (&valkey[..], true),
        ("-NOPERM this user has no permissions", true),
        (&info(), false),
    ] {
        let unknown = "-ERR Unrecognized REPLCONF option: version";
        let (host, heard) = peer(answers(&["+PONG", "+OK", "+OK", said, unknown]));
        drop(run(reach(host, &settings(|_| ()))).unwrap());
        let heard = heard.join().unwrap();
        assert_eq!(
            heard.contains("version\r\n$5\r\n9.0.0\r\n"),
            told,
            "{heard}"
        );
    }
}

#[test]
fn every_refusal_names_its_step() {
    let (pong, ok) = ("+PONG", "+OK");
    for (said, want) in [
        (
            vec!["-LOADING Redis is loading the dataset in memory"],
            "refused PING: LOADING Redis is loading the dataset in memory",
        ),
        (
            vec![pong, "-WRONGPASS invalid username-password pair"],
            "refused AUTH: WRONGPASS invalid username-password pair",
        ),
        (
            vec![pong, ok, "-NOAUTH Authentication required."],
            "refused REPLCONF listening-port: NOAUTH Authentication required.",
        ),
        (
            vec![pong, ok, ok],
            "failed at REPLCONF capa: it closed the connection",
        ),
        (vec![], "failed at PING: it closed the connection"),
        (
            vec!["HTTP/1.1 400 Bad Request"],
            "failed at PING: it does not speak the protocol: it said \"HTTP/1.1 400 Bad Request\"",
        ),
        (
            vec!["+PONG\r\n$99999999999"],
            "it does not speak the protocol: it said \"$99999999999\"",
        ),
        (
            vec![pong, ok, ok, ok, "+OK"],
            "failed at INFO server: it does not speak the protocol",
        ),
        (
            vec![pong, ok, "-ERR operation not permitted"],
            "refused REPLCONF listening-port: ERR operation not permitted",
        ),
        (vec!["\x01\x02"], "it said \"\\x01\\x02\""),
    ] {
        let (host, _heard) = peer(answers(&said));
        let settings = settings(|s| s.masterauth = b"secret".to_vec());
        let error = run(reach(host, &settings)).unwrap_err().to_string();
        assert!(error.contains(want), "{error:?} for {said:?}");
        assert!(error.contains(&host.to_string()), "{error}");
        assert!(!error.contains(['\r', '\n']), "{error:?}");
    }
}

#[test]
fn a_master_that_is_not_ready_yet_is_asked_again() {
    let not_yet = [
        "-LOADING Redis is loading the dataset in memory",
        "-BUSY Redis is busy running a script.",
        "-MASTERDOWN Link with MASTER is down",
    ];
    let info = info();
    let said = [&not_yet[..], &["+PONG", "+OK", "+OK", &info]].concat();
    let (host, heard) = peer(answers(&said));
    drop(run(reach(host, &settings(|_| ()))).unwrap());
    assert_eq!(heard.join().unwrap().matches("PING").count(), 4);
    // One that is not ready in time is no mute one: what it said is the reason.
    let (host, _heard) = peer(answers(&not_yet[..1].repeat(100)));
    let short = settings(|s| s.replicaof_timeout = Duration::from_millis(350));
    let error = run(reach(host, &short)).unwrap_err().to_string();
    assert!(error.contains("refused PING: LOADING"), "{error}");
}

#[test]
fn nothing_listens() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let host = Host::new("127.0.0.1", port).unwrap();
    let error = run(reach(host, &settings(|_| ()))).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("could not connect to master 127.0.0.1:{port}: connection refused")
    );
    let no_descriptor = io::Error::from_raw_os_error(24);
    assert_eq!(reason(&no_descriptor), "too many open files");
    let host = Host::new("no such host", 1).unwrap();
    let error = run(reach(host, &settings(|_| ()))).unwrap_err();
    assert!(matches!(error, Unreached::Resolve { .. }), "{error}");
}

/// A peer that says `bytes` again and again, one write each `pause`, and never what is asked for.
fn babbler(bytes: &'static [u8], pause: Duration) -> Host {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = Host::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        loop {
            std::thread::sleep(pause);
            if stream.write_all(bytes).is_err() {
                return;
            }
        }
    });
    host
}

#[test]
fn the_deadline_holds_against_silence_and_dribble() {
    let short = settings(|s| s.replicaof_timeout = Duration::from_millis(300));
    for host in [
        babbler(b"", Duration::from_millis(50)),
        babbler(b"+", Duration::from_millis(50)),
    ] {
        let begun = std::time::Instant::now();
        let error = run(reach(host, &short)).unwrap_err();
        assert!(
            matches!(error, Unreached::TimedOut { step: "PING", .. }),
            "{error}"
        );
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}

#[test]
fn a_line_without_end_is_cut_short() {
    let host = babbler(&[b'+'; 4096], Duration::ZERO);
    let error = run(reach(host, &settings(|_| ()))).unwrap_err();
    assert!(
        error.to_string().ends_with("a line without an end"),
        "{error}"
    );
}
