//! Clients over a Unix socket: what both servers do with them is the same.

use crate::common::server::{TempDir, free_port};
use crate::common::wait::check;
use crate::common::{Client, Kind, Server, eventually};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

const NAME: &str = "own.sock";

const ARGS: &[&str] = &["--unixsocket", NAME, "--unixsocketperm", "750"];

/// A client over the socket of `server`.
fn client(server: &Server) -> Client {
    Client::connect_unix(&server.dir().join(NAME)).expect("connect over the socket")
}

fn both() -> [Server; 2] {
    [Kind::Redis, Kind::Damselfly].map(|kind| Server::start(kind, ARGS))
}

fn mode(path: &Path) -> u32 {
    let found = std::fs::symlink_metadata(path).expect("the socket is there");
    assert!(found.file_type().is_socket());
    found.permissions().mode() & 0o777
}

#[test]
fn the_log_tells_where_clients_may_come() {
    for server in both() {
        let line = format!("The server is now ready to accept connections at {NAME}\n");
        eventually("it is told", || {
            check(server.log().contains(&line), || server.log())
        });
    }
}

#[test]
fn its_clients_are_like_any_and_shown_with_its_path() {
    for mut server in both() {
        // An empty file in its place is no hindrance.
        server.kill();
        std::fs::remove_file(server.dir().join(NAME)).expect("remove the socket");
        std::fs::write(server.dir().join(NAME), "").expect("write a file");
        server.restart();
        assert_eq!(mode(&server.dir().join(NAME)), 0o750);
        let mut own = client(&server);
        own.run("SET k v").ok();
        assert_eq!(own.run("GET k").text(), "v");
        let big = "x".repeat(3 << 20);
        own.cmd(&["SET", "big", &big]).ok();
        assert_eq!(own.run("GET big").text(), big);
        let line = own.run("CLIENT INFO").text();
        let shown = format!("addr={NAME}:0 laddr={NAME}:0 ");
        assert!(line.contains(&shown), "{line}");
        assert!(line.contains(" flags=U "), "{line}");
        own.run("CLIENT NO-EVICT ON").ok();
        let line = own.run("CLIENT INFO").text();
        assert!(line.contains(" flags=Ue "), "{line}");
        // Whom the address names.
        let mut other = client(&server);
        other.run("PING");
        let mut over_tcp = server.client();
        let killed = over_tcp.run(&format!("CLIENT KILL LADDR {NAME}:0"));
        assert_eq!(killed.int(), 2);
        for gone in [&mut own, &mut other] {
            assert!(gone.try_cmd(&["PING"]).is_err());
        }
        let none = over_tcp.run(&format!("CLIENT KILL {NAME}:0"));
        assert_eq!(none.error(), "ERR No such client");
    }
}

#[test]
fn logs_of_commands_name_it() {
    for server in both() {
        let mut own = client(&server);
        own.run("CONFIG SET slowlog-log-slower-than 0").ok();
        own.run("GET k");
        let slow = own.run("SLOWLOG GET 1");
        assert_eq!(slow.list()[0].list()[4].text(), format!("{NAME}:0"));
        let mut monitor = server.client();
        monitor.run("MONITOR").ok();
        own.run("GET k");
        let seen = monitor.read().expect("it sees the command").text();
        assert!(
            seen.ends_with(&format!(" [0 unix:{NAME}] \"GET\" \"k\"")),
            "{seen}"
        );
    }
}

#[test]
fn it_is_of_this_machine() {
    for kind in [Kind::Redis, Kind::Damselfly] {
        let local = [
            "--enable-debug-command",
            "local",
            "--enable-protected-configs",
            "local",
        ];
        let server = Server::start(kind, &[ARGS, &local].concat());
        let mut own = client(&server);
        own.run("DEBUG SLEEP 0").ok();
        own.run("CONFIG SET dbfilename other.rdb").ok();
        assert_eq!(own.run("CONFIG GET unixsocket").list()[1].text(), NAME);
        assert_eq!(own.run("CONFIG GET unixsocketperm").list()[1].text(), "750");
        for (name, value) in [("unixsocket", "x"), ("unixsocketperm", "700")] {
            let refused = own.cmd(&["CONFIG", "SET", name, value]);
            let why = "can't set immutable config";
            assert!(refused.error().ends_with(why), "{refused:?}");
        }
    }
}

#[test]
fn a_replica_may_come_over_it() {
    for server in both() {
        server.run("SET k v").ok();
        let mut replica = client(&server);
        replica.run("REPLCONF listening-port 7 capa eof").ok();
        replica.send_line("PSYNC ? -1").expect("ask for the stream");
        let said = replica.read().expect("it is let in").text();
        assert!(said.starts_with("FULLRESYNC "), "{said}");
        let line = server.info("replication").get("slave0");
        assert!(line.starts_with("ip=/unixsocket,port=7,"), "{line}");
        // The snapshot, or a newline for patience.
        assert!(!replica.peek().expect("it is served").is_empty());
    }
}

#[test]
fn it_stays_when_addresses_change_and_goes_with_the_server() {
    for mut server in both() {
        let path = server.dir().join(NAME);
        let mut own = client(&server);
        // Nothing listens at addresses any more.
        own.run("CONFIG SET port 0").ok();
        eventually("the port is closed", || {
            check(Client::connect(server.port).is_err(), || {
                "it takes clients".into()
            })
        });
        let mut other = client(&server);
        assert_eq!(other.run("CONFIG GET port").list()[1].text(), "0");
        assert_eq!(
            other
                .run("INFO server")
                .text()
                .matches("tcp_port:0\r\n")
                .count(),
            1
        );
        let port = free_port();
        other.run(&format!("CONFIG SET port {port}")).ok();
        Client::connect(port).expect("it listens again");
        other.run("PING");
        // One that is left over is replaced, one that is in order is removed.
        other.run(&format!("CONFIG SET port {}", server.port)).ok();
        server.kill();
        assert_eq!(mode(&path), 0o750);
        server.restart();
        client(&server).run("PING");
        assert!(server.terminate().success());
        assert!(!path.exists());
    }
}

#[test]
fn a_server_may_have_nothing_else() {
    for program in ["redis-server", env!("CARGO_BIN_EXE_damselfly")] {
        let dir = TempDir::new();
        let path = dir.0.join(NAME);
        let mut child = Command::new(program)
            .args([
                "--port",
                "0",
                "--unixsocket",
                NAME,
                "--save",
                "",
                "--logfile",
                "log",
            ])
            .args(["--dir"])
            .arg(&dir.0)
            .spawn()
            .expect("run the server");
        let mut own = eventually("it accepts", || {
            Client::connect_unix(&path).map_err(|e| e.to_string())
        });
        own.run("SET k v").ok();
        let cli = Command::new("redis-cli")
            .arg("-s")
            .arg(&path)
            .args(["GET", "k"])
            .output();
        assert_eq!(cli.expect("run redis-cli").stdout, b"v\n");
        let _ = own.try_cmd(&["SHUTDOWN"]);
        assert!(child.wait().expect("it ends").success());
        assert!(!path.exists());
    }
}

#[test]
fn one_that_cannot_be_had_is_said_at_the_start() {
    let dir = TempDir::new();
    let file = dir.0.join("file");
    std::fs::write(&file, "precious").expect("write a file");
    let (file, long) = (
        file.to_string_lossy().into_owned(),
        format!("/{}", "x".repeat(119)),
    );
    for (path, why) in [
        (
            "/nonexistent/s",
            "Failed opening Unix socket: bind: No such file or directory",
        ),
        (
            "/proc",
            "Failed opening Unix socket: bind: Address already in use",
        ),
        (
            &long,
            "Failed opening Unix socket: unix socket path too long (120), must be under 108",
        ),
        ("", "Configured to not listen anywhere, exiting."),
        // The stock server takes whatever lies there out of its way.
        (
            &file,
            "Failed opening Unix socket: bind: Address already in use",
        ),
    ] {
        for program in ["redis-server", env!("CARGO_BIN_EXE_damselfly")] {
            if path == file && program == "redis-server" {
                continue;
            }
            let output = Command::new(program)
                .args(["--port", "0", "--save", "", "--unixsocket", path])
                .current_dir(&dir.0)
                .output()
                .expect("run the server");
            assert!(!output.status.success(), "{program} {path}");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(said.contains(why), "{program} {path}: {said}");
        }
    }
    assert_eq!(
        std::fs::read_to_string(&file).expect("it is there"),
        "precious"
    );
}
