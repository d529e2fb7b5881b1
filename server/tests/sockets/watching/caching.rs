//! Client-side caching beside the stock server: who is told what, in which protocol.

use super::*;
use std::time::Duration;

/// Each a story of its own, told to fresh clients.
const STORIES: &[&str] = &[
    // A client hears once of a key that it has read, whoever changes it.
    "0 HELLO 2
     1 HELLO 3
     1 CLIENT TRACKING on
     1 GET a
     1 MGET a b c
     0 SET a 1
     0 SET a 2
     0 MSET b 1 c 2
     1 GET a
     1 SET a 5
     1 SET a 5
     1 GET a
     0 DEL a nokey
     1 GET a
     0 DEL a
     1 LRANGE l 0 -1
     0 RPUSH l x
     1 HGETALL l
     0 RPUSH l x
     1 EXISTS l
     0 EXPIRE l 1000
     1 TTL l
     0 PERSIST l
     1 OBJECT ENCODING l
     0 RPUSH l y
     1 SUNION s t
     0 SADD t a
     0 GETEX a
     1 GET k
     0 FLUSHDB
     1 GET k
     0 SET k 1
     1 GET k
     0 FLUSHALL
     1 FLUSHALL
     1 CLIENT TRACKINGINFO
     1 CLIENT GETREDIR
     1 CLIENT TRACKING off
     1 CLIENT TRACKINGINFO
     1 CLIENT GETREDIR
     1 GET a
     0 SET a 1",
    // In a transaction.
    "0 HELLO 3
     1 HELLO 3
     1 CLIENT TRACKING ON
     1 MULTI
     1 GET a
     1 SET a 1
     1 GET b
     1 EXEC
     0 MULTI
     0 SET b 1
     0 SET a 2
     0 EXEC
     1 GET a
     1 MULTI
     1 SET a 4
     1 GET a
     1 FLUSHALL
     1 EXEC",
    // Somebody else is told.
    "1 CLIENT TRACKING ON REDIRECT #2
     1 GET a
     0 SET a 1
     2 SUBSCRIBE __redis__:invalidate
     1 GET a
     0 SET a 1
     1 CLIENT GETREDIR
     1 CLIENT TRACKINGINFO
     1 GET a
     0 FLUSHALL
     2 RESET
     1 GET a
     0 SET a 1
     2 HELLO 3
     1 GET a
     0 SET a 1
     1 GET a
     0 FLUSHALL
     1 CLIENT TRACKING ON REDIRECT 99999999
     1 CLIENT TRACKING ON REDIRECT x
     1 CLIENT TRACKING ON REDIRECT -1
     1 CLIENT TRACKING ON REDIRECT #2 REDIRECT #2
     1 CLIENT TRACKING ON REDIRECT 0
     1 CLIENT TRACKING ON
     1 GET a
     0 SET a 1",
    // To itself, in the older protocol.
    "1 SUBSCRIBE __redis__:invalidate
     1 UNSUBSCRIBE
     1 CLIENT TRACKING ON REDIRECT #1
     1 GET a
     0 SET a 1
     1 GET a
     1 SUBSCRIBE x
     0 SET a 1",
    // Not of its own changes.
    "0 HELLO 3
     1 HELLO 3
     1 CLIENT TRACKING ON NOLOOP
     1 GET a
     1 SET a 1
     0 SET a 1
     1 GET a
     0 SET a 2
     1 CLIENT TRACKINGINFO
     2 HELLO 3
     2 CLIENT TRACKING ON BCAST NOLOOP
     2 MSET x 1 y 2
     0 MSET x 1 y 2
     2 CLIENT TRACKINGINFO",
    // Only what it asks for.
    "1 HELLO 3
     1 CLIENT CACHING YES
     1 CLIENT TRACKING ON OPTIN
     1 GET a
     0 SET a 1
     1 CLIENT CACHING NO
     1 CLIENT CACHING maybe
     1 CLIENT CACHING YES
     1 CLIENT TRACKINGINFO
     1 GET a
     1 GET b
     0 MSET a 1 b 2
     1 CLIENT CACHING YES
     1 MULTI
     1 GET a
     1 GET b
     1 EXEC
     1 GET c
     0 MSET a 1 b 2 c 3
     1 CLIENT TRACKING ON OPTOUT
     1 CLIENT TRACKING ON BCAST
     1 CLIENT TRACKINGINFO",
    // All but what it asks for.
    "1 HELLO 3
     1 CLIENT TRACKING ON OPTOUT
     1 GET a
     0 SET a 1
     1 CLIENT CACHING YES
     1 CLIENT CACHING NO
     1 CLIENT TRACKINGINFO
     1 GET a
     0 SET a 1
     1 GET a
     0 SET a 1
     1 CLIENT TRACKING ON OPTIN",
    // Prefixes.
    "0 HELLO 3
     1 HELLO 3
     1 CLIENT TRACKING ON PREFIX a
     1 CLIENT TRACKING ON BCAST PREFIX user: PREFIX item:
     1 CLIENT TRACKINGINFO
     0 MSET user:2 a user:1 b other c item:1 d
     0 DEL user:2 nokey
     1 SET user:1 x
     1 CLIENT TRACKING ON BCAST PREFIX us
     1 CLIENT TRACKING ON BCAST PREFIX user:1
     1 CLIENT TRACKING ON BCAST PREFIX user:
     1 CLIENT TRACKING ON BCAST PREFIX x PREFIX xy
     1 CLIENT TRACKING ON BCAST PREFIX z PREFIX x
     1 CLIENT TRACKING ON BCAST
     1 CLIENT TRACKINGINFO
     0 MSET z 1 x 1
     1 CLIENT TRACKING ON
     1 CLIENT TRACKING ON BCAST OPTIN
     0 FLUSHALL
     2 CLIENT TRACKING ON BCAST OPTIN
     2 CLIENT TRACKING ON OPTIN OPTOUT
     2 CLIENT TRACKING ON BCAST REDIRECT #1
     0 MSET z 1 other 2
     1 CLIENT TRACKING OFF
     0 MSET z 1 other 2
     2 CLIENT TRACKING OFF
     0 MSET z 1 other 2",
    // Words that mean nothing.
    "1 CLIENT TRACKING
     1 CLIENT TRACKING maybe
     1 CLIENT TRACKING maybe BCAST
     1 CLIENT TRACKING ON REDIRECT
     1 CLIENT TRACKING ON PREFIX
     1 CLIENT TRACKING ON foo
     1 CLIENT CACHING
     1 CLIENT CACHING YES NO
     1 CLIENT GETREDIR x
     1 CLIENT TRACKINGINFO x
     1 CLIENT TRACKING OFF REDIRECT 99999999
     1 CLIENT TRACKING OFF PREFIX a
     1 CLIENT TRACKINGINFO",
    // A new beginning.
    "1 HELLO 3
     1 CLIENT TRACKING ON
     1 GET a
     1 RESET
     1 CLIENT TRACKINGINFO
     0 SET a 1
     1 HELLO 3
     1 CLIENT TRACKING ON
     0 SET a 1",
    // Who waits for a key, and who is served.
    "0 HELLO 3
     1 HELLO 3
     1 CLIENT TRACKING ON
     1 LLEN l
     0 RPUSH l a
     1 LLEN l
     0 BLPOP l 0
     1 XREAD STREAMS x 0
     0 XADD x 1-1 a b",
];

#[test]
fn as_the_stock_server_does_it() {
    let [ours, theirs] = pair(&[]);
    for story in STORIES {
        let mut both = [&ours, &theirs].map(|server| {
            server.client().run("FLUSHALL").ok();
            Bench::new(server, 3)
        });
        let [ours, theirs] = &mut both;
        compare(ours, theirs, story);
    }
}

/// The client that is told in place of another one has gone.
#[test]
fn a_redirection_that_leads_nowhere() {
    for server in pair(&[]) {
        let [mut caches, mut hears, mut other] = [(); 3].map(|()| server.client());
        assert!(!caches.run("HELLO 3").is_error());
        let id = hears.run("CLIENT ID").int();
        caches
            .run(&format!("CLIENT TRACKING ON REDIRECT {id}"))
            .ok();
        caches.run("GET a");
        assert_eq!(hears.run("QUIT"), Value::Simple("OK".into()));
        eventually("the client has gone", || {
            let list = other.run(&format!("CLIENT LIST ID {id}")).text();
            wait::check(list.is_empty(), || list)
        });
        other.run("SET a 1").ok();
        let told = heard(&mut caches);
        assert_eq!(
            format!("{told:?}"),
            format!("[Push([\"tracking-redir-broken\", :{id}])]"),
            "{:?}",
            server.kind
        );
        let info = format!("{:?}", caches.run("CLIENT TRACKINGINFO"));
        assert!(info.contains("broken_redirect"), "{info}");
        let line = caches.run("CLIENT INFO").text();
        assert!(line.contains("flags=tR ") && line.contains(&format!("redir={id} ")));
    }
}

/// What is sent to a client whose request came with others, and to one that changes what it has read itself.
#[test]
fn in_a_pipeline_it_follows_the_reply() {
    let said = pair(&[]).map(|server| {
        let mut client = server.client();
        assert!(!client.run("HELLO 3").is_error());
        client.run("CLIENT TRACKING ON").ok();
        let lines = "GET a\r\nSET a 1\r\nGET a\r\nMULTI\r\nSET a 2\r\nGET a\r\nEXEC\r\nFLUSHALL\r\n\
            GET a\r\nCLIENT REPLY SKIP\r\nSET a 3\r\n";
        client.send_raw(lines.as_bytes()).expect("send");
        heard(&mut client)
    });
    assert_eq!(said[0], said[1]);
}

/// A client that waits and is served in a way that changes what it has read.
#[test]
fn of_what_serves_it_a_client_hears_behind_the_reply() {
    let said = pair(&[]).map(|server| {
        let (mut client, mut other) = (server.client(), server.client());
        other.run("RPUSH to a");
        assert!(!client.run("HELLO 3").is_error());
        client.run("CLIENT TRACKING ON").ok();
        client.run("LRANGE to 0 -1");
        client
            .send_line("BLMOVE from to LEFT LEFT 0")
            .expect("send");
        eventually("it waits", || {
            let waiting = server.info("clients").num("blocked_clients");
            wait::check(waiting == 1, || format!("{waiting} do"))
        });
        other.run("RPUSH from b");
        heard(&mut client)
    });
    assert_eq!(said[0].len(), 2, "{:?}", said[0]);
    assert_eq!(said[0], said[1]);
}

#[test]
fn too_many_keys_are_not_remembered() {
    for server in pair(&["--tracking-table-max-keys", "10"]) {
        let (mut caches, mut other) = (server.client(), server.client());
        assert!(!caches.run("HELLO 3").is_error());
        caches.run("CLIENT TRACKING ON").ok();
        for i in 0..50 {
            caches.send_line(&format!("GET k:{i}")).expect("send");
        }
        let told = heard(&mut caches);
        let told = told.iter().filter(|v| matches!(v, Value::Push(_))).count();
        let info = other.run("INFO stats").text();
        let figure = |name: &str| -> usize {
            let line = info.lines().find_map(|l| l.strip_prefix(name));
            line.and_then(|n| n.parse().ok()).expect("a figure of INFO")
        };
        let kept = figure("tracking_total_keys:");
        assert!((10..=11).contains(&kept), "{:?}: {info}", server.kind);
        assert_eq!(figure("tracking_total_items:"), kept);
        assert_eq!(told + kept, 50, "{:?}", server.kind);
        let clients = other.run("INFO clients").text();
        assert!(clients.contains("tracking_clients:1\r\n"), "{clients}");
        // By any command of one who caches, though it is only queued; and by itself.
        other.run("DEBUG PAUSE-CRON 1").ok();
        for (line, most, reply) in [
            ("MULTI", 11, "OK"),
            ("PING", 9, "QUEUED"),
            ("DISCARD", 9, "OK"),
        ] {
            let set = format!("CONFIG SET tracking-table-max-keys {most}");
            other.run(&set).ok();
            let mut said = vec![caches.run(line)];
            while let Some(Value::Push(_)) = said.last() {
                said.push(caches.read().expect("a reply"));
            }
            let told = if line == "PING" { kept - most } else { 0 };
            assert_eq!(
                (said.len() - 1, said[told].text()),
                (told, reply.to_owned())
            );
        }
        other.run("DEBUG PAUSE-CRON 0").ok();
        other.run("CONFIG SET tracking-table-max-keys 1").ok();
        let left = || server.info("stats").num("tracking_total_keys");
        eventually("one is left", || {
            wait::check(left() == 1, || left().to_string())
        });
    }
}

/// A key that goes by itself, or since memory is short, is forgotten, too.
#[test]
fn keys_that_go_are_forgotten() {
    for server in pair(&[]) {
        let (mut caches, mut other) = (server.client(), server.client());
        assert!(!caches.run("HELLO 3").is_error());
        caches.run("CLIENT TRACKING ON").ok();
        other.run("PSETEX gone 500 v").ok();
        caches.run("GET gone");
        caches.set_timeout(Duration::from_secs(20));
        let told = caches.read().expect("what is to be forgotten");
        assert_eq!(format!("{told:?}"), r#"Push(["invalidate", ["gone"]])"#);
        other.run("SET full v").ok();
        caches.run("GET full");
        other.run("CONFIG SET maxmemory-policy allkeys-lru").ok();
        other.run("CONFIG SET maxmemory 1").ok();
        other.run("GET full");
        let told = caches.read().expect("what is to be forgotten");
        assert_eq!(format!("{told:?}"), r#"Push(["invalidate", ["full"]])"#);
    }
}

/// A replica tells its own clients what its master's stream changes, and all of them to forget everything when it takes
/// over another dataset.
#[test]
fn on_a_replica() {
    let (master, other) = (Server::redis(&[]), Server::redis(&[]));
    let replica = Server::damselfly(&[]);
    let mut bench = Bench::new(&replica, 2);
    let mut tell = |line: &str| bench.run(line);
    tell("0 HELLO 3");
    tell("0 CLIENT TRACKING ON");
    tell("1 HELLO 3");
    tell("1 CLIENT TRACKING ON BCAST PREFIX k");
    let null =
        |said: &[String], who: usize| said.contains(&format!("{who}: Push([\"invalidate\", nil])"));
    let follow = |bench: &mut Bench, master: &Server| {
        replica.follow(master.port);
        let said = bench.run("0 PING");
        assert!(null(&said, 0) && null(&said, 1), "{said:?}");
    };
    follow(&mut bench, &master);
    bench.run("0 GET k");
    master.client().run("SET k 1").ok();
    let mut said = Vec::new();
    eventually("what the master changes is forgotten", || {
        said.extend(bench.run("0 PING"));
        let told = |who: usize| said.contains(&format!("{who}: Push([\"invalidate\", [\"k\"]])"));
        wait::check(told(0) && told(1), || format!("{said:?}"))
    });
    bench.run("0 GET k");
    follow(&mut bench, &other);
}
