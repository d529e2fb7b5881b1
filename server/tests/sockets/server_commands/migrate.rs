//! MIGRATE: keys that move to another server and back, between servers of both kinds.

use crate::common::*;
use std::net::TcpListener;

/// What the source is told, `@` before what the target is; `P` is the target's port.
const STORY: &str = "
    SET a 1; PEXPIRE a 100000; HSET h f v g w; RPUSH l x y z; SELECT 3; SET far 9; SELECT 0
    MIGRATE 127.0.0.1 P a 0 5000; EXISTS a; @GET a; MIGRATE 127.0.0.1 P a 0 5000; MIGRATE 127.0.0.1 P nokey 0 5000
    SET a 2; MIGRATE 127.0.0.1 P a 0 5000; GET a; MIGRATE 127.0.0.1 P a 0 5000 REPLACE; EXISTS a; @GET a; @TTL a
    MIGRATE 127.0.0.1 P h 0 5000 COPY; HGETALL h; @HGETALL h; MIGRATE 127.0.0.1 P h 0 5000 COPY replace; @HLEN h
    SELECT 3; MIGRATE 127.0.0.1 P far 5 5000; EXISTS far; SELECT 0; @SELECT 5; @GET far; @SELECT 0; MIGRATE 127.0.0.1 P l 99 5000; EXISTS l
    MIGRATE 127.0.0.1 P l 0 5000; @LRANGE l 0 -1; MIGRATE 127.0.0.1 P x x 5000; MIGRATE 127.0.0.1 P x 0 x; MIGRATE 127.0.0.1 P x 0 5000 FOO
    MIGRATE 127.0.0.1 P x 0 5000 KEYS y; MIGRATE 127.0.0.1 P x 0; MIGRATE 127.0.0.1 1 h 0 100; EXISTS h; SET old 1; PEXPIREAT old 1; MIGRATE 127.0.0.1 P old 0 10
    MIGRATE 127.0.0.1 P h 0 5000 AUTH wrong; MIGRATE 127.0.0.1 P h 0 5000 AUTH2 nobody wrong; EXISTS h; MIGRATE 127.0.0.1 P h 0 5000 AUTH
    MIGRATE 127.0.0.1 P h 0 -1 REPLACE; @HGET h g; DBSIZE; @DBSIZE
";

fn told(from: &Server, to: &Server) -> Vec<String> {
    let (mut source, mut target) = (from.client(), to.client());
    let port = to.port.to_string();
    let mut replies = Vec::new();
    for line in STORY.split([';', '\n']).map(str::trim) {
        if let Some(line) = line.strip_prefix('@') {
            replies.push(format!("@{line}: {:?}", target.run(line)));
        } else if !line.is_empty() {
            let words: Vec<&str> = line.split(' ').collect();
            let words: Vec<&str> = words
                .iter()
                .map(|w| if *w == "P" { port.as_str() } else { *w })
                .collect();
            replies.push(format!("{line}: {:?}", source.cmd(&words)));
        }
    }
    // Several at once, of which one is not there and one is there already.
    for key in ["k1", "k2", "k3"] {
        source.run(&format!("SET {key} {key}")).ok();
    }
    target.run("SET k2 taken").ok();
    let many = [
        "MIGRATE",
        "127.0.0.1",
        &port,
        "",
        "0",
        "5000",
        "KEYS",
        "k1",
        "none",
        "k2",
        "k3",
    ];
    replies.push(format!("{:?}", source.cmd(&many)));
    for key in ["k1", "k2", "k3"] {
        let (here, there) = (
            source.run(&format!("GET {key}")),
            target.run(&format!("GET {key}")),
        );
        replies.push(format!("{key}: {here:?} {there:?}"));
    }
    replies
}

#[test]
fn keys_move_between_servers_of_both_kinds() {
    let redis = || Server::redis(&[]);
    let ours = || Server::damselfly(&[]);
    let want = told(&redis(), &redis());
    assert_eq!(told(&ours(), &redis()), want, "to the stock server");
    assert_eq!(told(&redis(), &ours()), want, "from the stock server");
    let (from, to) = (ours(), ours());
    assert_eq!(told(&from, &to), want, "between two of ours");
    assert_eq!(from.info("stats").get("migrate_cached_sockets"), "1");
}

#[test]
fn a_password_is_given_and_nobody_waits_for_who_does_not_answer() {
    let (source, target) = (
        Server::damselfly(&[]),
        Server::redis(&["--requirepass", "secret"]),
    );
    let mut client = source.client();
    client.run("SET a 1").ok();
    let port = target.port;
    let refused = client.run(&format!("MIGRATE 127.0.0.1 {port} a 0 5000"));
    assert_eq!(
        refused.error(),
        "ERR Target instance replied with error: NOAUTH Authentication required."
    );
    client
        .run(&format!("MIGRATE 127.0.0.1 {port} a 0 5000 AUTH secret"))
        .ok();
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port to be had");
    let port = mute.local_addr().expect("it is bound").port();
    client.run("SET a 2").ok();
    let words = format!("MIGRATE 127.0.0.1 {port} a 0 300");
    let waits = std::thread::spawn(move || client.run(&words));
    // Meanwhile the key is anybody's.
    source.run("APPEND a x");
    let reply = waits.join().expect("the client's thread");
    assert_eq!(
        reply.error(),
        "IOERR error or timeout reading from target instance"
    );
    assert_eq!(source.run("GET a").text(), "2x");
}
