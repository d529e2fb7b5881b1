//! Starting as an operator does: what is wrong is said in one line, and ends the process with a failure.

use crate::common::server::{self, TempDir};
use crate::common::wait::check;
use crate::common::{Client, Server, Value, eventually};
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The program run with `args`, which must make it end by itself.
fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_damselfly"))
        .args(args)
        .output()
        .expect("run damselfly")
}

/// The one line it fails with.
fn complaint(args: &[&str]) -> String {
    let output = run(args);
    assert!(!output.status.success(), "{args:?}: {output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    text
}

/// Tools that start servers look for it there.
#[test]
fn the_version_is_that_of_redis_where_redis_has_it() {
    let said = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        let text = String::from_utf8(output.expect(program).stdout).expect("text");
        let version = text.split(' ').find_map(|word| word.strip_prefix("v="));
        version.expect("a version").to_owned()
    };
    for (program, server) in [
        ("redis-server", Server::redis(&[])),
        (env!("CARGO_BIN_EXE_damselfly"), Server::damselfly(&[])),
    ] {
        assert_eq!(said(program), server.info("server").get("redis_version"));
    }
}

#[test]
fn what_is_wrong_is_one_line_and_a_failure() {
    let server = Server::redis(&[]);
    let port = server.port.to_string();
    let dir = TempDir::new();
    let log = dir.0.join("log").display().to_string();
    let taken = complaint(&["--bind", "127.0.0.1", "--port", &port, "--logfile", &log]);
    assert!(taken.contains(&format!("127.0.0.1:{port}: Address already in use")));
    let logged = std::fs::read_to_string(&log).expect("a log");
    assert!(logged.contains(&format!("Failed listening on port {port}")));
    // An address of the range for documentation: no machine's own.
    let foreign = complaint(&["--bind", "192.0.2.1", "--port", "1"]);
    assert!(
        foreign.ends_with("192.0.2.1:1: Cannot assign requested address\n"),
        "{foreign}"
    );
    assert!(complaint(&["--nonsense", "1"]).contains("'nonsense \"1\"'"));
    assert!(complaint(&["/nonexistent.conf"]).contains("/nonexistent.conf"));
    let log = complaint(&["--logfile", "/nonexistent/log"]);
    assert!(log.contains("/nonexistent/log"), "{log}");
}

#[test]
fn help_names_every_flag_and_succeeds() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    for flag in [
        "port",
        "bind",
        "dir",
        "dbfilename",
        "requirepass",
        "masterauth",
        "replicaof",
        "save",
    ] {
        assert!(text.contains(&format!("\n  --{flag} ")), "{flag}");
    }
}

#[test]
fn a_pid_file_that_cannot_be_is_no_reason_to_fail() {
    let server = Server::damselfly(&["--pidfile", "/nonexistent/pid", "--appendonly", "yes"]);
    assert!(
        server
            .log()
            .contains("no pid file /nonexistent/pid: No such file or directory")
    );
    assert!(
        server
            .log()
            .contains("appendonly is not served yet: it has no effect")
    );
}

#[test]
fn more_configuration_comes_from_the_standard_input() {
    let (dir, port) = (TempDir::new(), server::free_port());
    let mut child = Command::new(env!("CARGO_BIN_EXE_damselfly"))
        .args([
            "-",
            "--bind",
            "127.0.0.1",
            "--save",
            "--port",
            &port.to_string(),
        ])
        .current_dir(&dir.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("run damselfly");
    let mut stdin = child.stdin.take().expect("its standard input");
    let text = b"port 1\ntimeout 77\nlogfile in.log\npidfile in.pid\n";
    stdin.write_all(text).expect("write to it");
    drop(stdin);
    let mut client = eventually("it accepts", || {
        Client::connect(port).map_err(|e| e.to_string())
    });
    let timeout = client.run("CONFIG GET timeout");
    // Files are looked for where the data are.
    let (log, pid) = (dir.0.join("in.log"), dir.0.join("in.pid"));
    let files = (log.exists(), pid.exists());
    child.kill().expect("end it");
    child.wait().expect("wait for its end");
    assert_eq!(timeout.list()[1].text(), "77");
    assert_eq!(files, (true, true));
}

#[test]
fn how_much_is_logged_can_be_changed() {
    let server = Server::damselfly(&["--loglevel", "warning"]);
    assert!(!server.log().contains("Ready to accept connections"));
    server.run("REPLICAOF NO ONE").ok();
    assert!(!server.log().contains("REPLICAOF NO ONE: OK"));
    server.run("CONFIG SET loglevel verbose").ok();
    server.run("REPLICAOF NO ONE").ok();
    assert!(server.log().contains("REPLICAOF NO ONE: OK"));
}

#[test]
fn nobody_need_read_what_it_says() {
    let dir = TempDir::new();
    let port = server::free_port();
    let mut child = Command::new(env!("CARGO_BIN_EXE_damselfly"))
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"])
        .arg(&dir.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run damselfly");
    // From here on no line of its log can be written.
    drop((child.stdout.take(), child.stderr.take()));
    let mut client = eventually("it accepts", || {
        Client::connect(port).map_err(|e| e.to_string())
    });
    client.run("SET a 1").ok();
    client.run("REPLICAOF NO ONE").ok();
    let sent = Command::new("kill").arg(child.id().to_string()).status();
    assert!(sent.expect("run kill").success());
    let status = eventually("it ends", || {
        let ended = child.try_wait().map_err(|e| e.to_string())?;
        ended.ok_or("it runs".into())
    });
    assert!(status.success(), "{status}");
    assert!(dir.0.join("dump.rdb").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn huge_pages_can_be_refused() {
    for (word, enabled) in [("no", "THP_enabled:\t1"), ("yes", "THP_enabled:\t0")] {
        let server = Server::damselfly(&["--disable-thp", word]);
        let pid = server.info("server").num("process_id");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("read status");
        assert!(status.contains(enabled), "{word}: {status}");
    }
}

#[test]
fn what_listens_can_be_changed() {
    for server in [Server::redis(&[]), Server::damselfly(&[])] {
        let taken = Server::redis(&[]);
        let mut client = server.client();
        let free = server::free_port();
        let refused = client.run(&format!("CONFIG SET port {}", taken.port));
        let said = "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.";
        assert_eq!(refused, Value::Error(said.into()));
        client.run(&format!("CONFIG SET port {free}")).ok();
        assert_eq!(client.run("PING"), Value::Simple("PONG".into()), "it stays");
        let mut moved = Client::connect(free).expect("connect to the new port");
        eventually("the old port is closed", || {
            let old = Client::connect(server.port);
            check(old.is_err(), || server.port.to_string())
        });
        moved.cmd(&["CONFIG", "SET", "bind", "127.0.0.1 -::1"]).ok();
        let mut again = Client::connect(free).expect("connect to one address");
        // An address of the range for documentation: no machine's own.
        let refused = again.run("CONFIG SET bind 192.0.2.1");
        let said = "ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses.";
        assert_eq!(refused, Value::Error(said.into()));
        Client::connect(free).expect("it listens where it did");
        let bind = again.run("CONFIG GET bind");
        assert!(format!("{bind:?}").contains("127.0.0.1 -::1"), "{bind:?}");
    }
}

#[test]
fn commands_go_by_other_names() {
    let server = Server::damselfly(&[
        "--rename-command",
        "config",
        "hidden",
        "--rename-command",
        "FLUSHALL",
        "",
    ]);
    let mut client = server.client();
    assert!(
        client
            .run("CONFIG GET port")
            .error()
            .starts_with("ERR unknown command 'CONFIG'")
    );
    assert_eq!(client.run("Hidden GET port").list().len(), 2);
    assert_eq!(
        client.run("Hidden nope").error(),
        "ERR unknown subcommand 'nope'. Try HIDDEN HELP."
    );
    assert!(client.run("FLUSHALL").is_error());
    client.run("FLUSHDB").ok();
    for (old, new, why) in [
        ("nosuch", "x", "No such command in rename-command"),
        ("get", "set", "Target command name already exists"),
    ] {
        assert!(complaint(&["--rename-command", old, new]).contains(why));
    }
}

#[test]
fn a_server_in_the_background_tells_whoever_supervises_it() {
    let dir = TempDir::new();
    let socket = dir.0.join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&socket).expect("a socket of our own");
    let port = server::free_port().to_string();
    let start = |more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_damselfly"))
            .args(["--port", &port, "--save", "", "--pidfile", "pid", "--dir"])
            .arg(&dir.0)
            .args(more)
            .env("NOTIFY_SOCKET", &socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("run damselfly")
    };
    let reached = || Client::connect(port.parse().expect("a number")).ok();
    let mut supervised = start(&["--supervised", "systemd", "--daemonize", "yes"]);
    let mut said = [0; 256];
    manager
        .set_read_timeout(Some(std::time::Duration::from_secs(30)))
        .expect("a limit");
    let len = manager.recv(&mut said).expect("it says when it is ready");
    assert!(said[..len].starts_with(b"READY=1\n"));
    let _ = reached()
        .expect("it serves")
        .try_cmd(&["SHUTDOWN", "NOSAVE"]);
    assert!(supervised.wait().expect("it ends").success());

    let mut parent = start(&["--daemonize", "yes"]);
    assert!(parent.wait().expect("it ends").success());
    eventually("the server serves", || {
        check(reached().is_some(), || "refused".to_owned())
    });
    let pid = eventually("its process id is written", || {
        let read = std::fs::read_to_string(dir.0.join("pid"));
        read.map_err(|e| e.to_string())
    });
    assert_ne!(pid.trim(), parent.id().to_string());
    let _ = reached()
        .expect("it serves")
        .try_cmd(&["SHUTDOWN", "NOSAVE"]);
    eventually("the server has ended", || {
        check(reached().is_none(), || "it serves".to_owned())
    });
}

#[test]
fn the_log_begins_with_a_picture_where_one_is_wanted() {
    for (wanted, shown) in [("no", false), ("yes", true)] {
        let server = Server::damselfly(&["--always-show-logo", wanted]);
        let port = format!("Port: {}\n", server.port);
        assert_eq!(server.log().contains(&port), shown, "{}", server.log());
    }
}
