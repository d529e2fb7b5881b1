//! `maxmemory-clients`: the clients that take most go when all take too much together, on both servers.

use crate::common::wait::check;
use crate::common::*;

/// Both kinds of server, whose clients may take so much.
fn both(limit: &str) -> [Server; 2] {
    let args = ["--maxmemory-clients", limit];
    [Kind::Redis, Kind::Damselfly].map(|kind| Server::start(kind, &args))
}

/// A client that is spared.
fn spared(server: &Server) -> Client {
    let mut client = server.client();
    client.run("CLIENT NO-EVICT on").ok();
    client
}

fn evicted(control: &mut Client) -> i64 {
    Info::of(control, "stats").num("evicted_clients")
}

fn await_evicted(control: &mut Client, count: i64, what: &str) {
    eventually(what, || {
        let now = evicted(control);
        check(now == count, || format!("{what}: {now} evicted"))
    });
}

fn memory_of(control: &mut Client, name: &str) -> Option<i64> {
    let list = control.run("CLIENT LIST").text();
    let line = list
        .lines()
        .find(|line| line.contains(&format!(" name={name} ")))?;
    let field = line
        .split(' ')
        .find_map(|word| word.strip_prefix("tot-mem="));
    field.expect("a client has a memory").parse().ok()
}

/// Names fifty things of 100 kB, with no more than one of them in any buffer.
fn one_by_one(client: &mut Client, command: &str) -> std::io::Result<()> {
    for i in 0..50 {
        let name = format!("{i:02}{}", "x".repeat(100_000));
        let words: Vec<&str> = command.split(' ').chain([&*name]).collect();
        client.try_cmd(&words)?;
    }
    Ok(())
}

/// Takes memory.
type Way = fn(&mut Client) -> std::io::Result<()>;

/// What clients do to take 5 MB or more.
const WAYS: &[(&str, Way)] = &[
    ("a request that is not whole", |client| {
        client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000000\r\n")?;
        client.send_raw(&vec![b'x'; 5 << 20])
    }),
    ("replies it does not take", |client| {
        // More than sockets hold.
        (0..2).try_for_each(|_| client.send_line("GETRANGE big 0 -1"))
    }),
    ("messages it does not take", |client| {
        client.send_line("SUBSCRIBE news")
    }),
    ("a transaction", |client| {
        client.send_line("MULTI")?;
        let value = "x".repeat(1 << 20);
        (0..5).try_for_each(|_| client.send(&["SET", "k", &value]))
    }),
    ("keys it watches", |client| one_by_one(client, "WATCH")),
    ("patterns it listens to", |client| {
        one_by_one(client, "PSUBSCRIBE")
    }),
    ("prefixes it caches", |client| {
        client.try_cmd(&["HELLO", "3"])?;
        one_by_one(client, "CLIENT TRACKING on BCAST PREFIX")
    }),
];

#[test]
fn whatever_a_client_holds_counts() {
    for server in both("2mb") {
        let mut control = spared(&server);
        control.run("SETRANGE big 20000000 x");
        // Of names the stock server counts only how many there are.
        let ways = if server.kind == Kind::Redis {
            &WAYS[..4]
        } else {
            WAYS
        };
        for (i, (way, take)) in ways.iter().enumerate() {
            let (mut small, mut large) = (server.client(), server.client());
            small.run("PING");
            // It may be gone before all is sent.
            let _ = take(&mut large);
            if way.starts_with("messages") {
                let message = "x".repeat(1 << 20);
                let before = i as i64;
                eventually("the listener is there", || {
                    check(
                        control.run("PUBSUB NUMSUB news").list()[1].int() == 1,
                        || "no".into(),
                    )
                });
                for _ in 0..20 {
                    control.cmd(&["PUBLISH", "news", &message]);
                    if evicted(&mut control) > before {
                        break;
                    }
                }
            }
            await_evicted(&mut control, i as i64 + 1, way);
            let rest = large.read_to_end();
            assert!(rest.is_ok() || rest.is_err(), "it is closed");
            assert_eq!(small.run("PING"), Value::Simple("PONG".into()), "{way}");
        }
        let log = server.log();
        let lines = log
            .lines()
            .filter(|line| line.contains("Evicting client: id="));
        assert_eq!(lines.count(), ways.len(), "{log}");
        control.run("CONFIG RESETSTAT").ok();
        assert_eq!(evicted(&mut control), 0);
    }
}

/// A client called `name` with a transaction of so many MB.
fn holder(server: &Server, name: &str, megabytes: usize) -> Client {
    let mut client = server.client();
    client.run(&format!("CLIENT SETNAME {name}")).ok();
    client.run("MULTI").ok();
    for _ in 0..megabytes {
        client.cmd(&["SET", "k", &"x".repeat(1 << 20)]);
    }
    client
}

#[test]
fn the_largest_go_first_and_no_more_than_must() {
    for server in both("0") {
        let mut control = spared(&server);
        let _held: Vec<Client> = [("four", 4), ("sixteen", 16), ("one", 1), ("eight", 8)]
            .map(|(name, size)| holder(&server, name, size))
            .into();
        assert!(memory_of(&mut control, "sixteen").expect("it is there") > 16 << 20);
        assert_eq!(evicted(&mut control), 0, "without a limit nobody goes");
        for (limit, left) in [
            ("60mb", &["four", "sixteen", "one", "eight"][..]),
            ("24mb", &["four", "one", "eight"]),
            ("12mb", &["four", "one"]),
            ("4500kb", &["one"]),
        ] {
            control
                .run(&format!("CONFIG SET maxmemory-clients {limit}"))
                .ok();
            await_evicted(&mut control, 4 - left.len() as i64, limit);
            for name in left {
                assert!(memory_of(&mut control, name).is_some(), "{limit}: {name}");
            }
        }
    }
}

#[test]
fn a_share_of_maxmemory_is_a_limit() {
    for server in both("50%") {
        let mut control = spared(&server);
        let _held = holder(&server, "four", 4);
        assert_eq!(evicted(&mut control), 0);
        assert_eq!(
            control.run("CONFIG GET maxmemory-clients").list()[1].text(),
            "50%"
        );
        control
            .run("CONFIG SET maxmemory-policy allkeys-lru maxmemory 1gb")
            .ok();
        assert_eq!(evicted(&mut control), 0);
        control
            .run("CONFIG SET maxmemory-clients 0% maxmemory 1gb")
            .ok();
        control
            .run("CONFIG SET maxmemory-clients 1% maxmemory 200mb")
            .ok();
        await_evicted(&mut control, 1, "one percent is less than it holds");
    }
}

#[test]
fn who_asked_to_be_spared_and_replicas_stay() {
    for server in both("3mb") {
        let mut control = spared(&server);
        let replica = Server::damselfly(&[]);
        replica.follow(server.port);
        let mut large = server.client();
        large.run("CLIENT NO-EVICT on").ok();
        large.run("MULTI").ok();
        for _ in 0..5 {
            large.cmd(&["SET", "k", &"x".repeat(1 << 20)]);
        }
        eventually("nobody is left that may go", || {
            let log = server.log();
            let said = log.contains("Over client maxmemory after evicting all evictable clients");
            check(said, || log.clone())
        });
        assert_eq!(server.info("replication").num("connected_slaves"), 1);
        large.run("CLIENT NO-EVICT off");
        assert_eq!(large.run("EXEC").list().len(), 6, "it was not closed");
        let _ = &mut control;
    }
}

#[test]
fn what_is_wrong_with_a_limit_is_said_as_the_stock_server_does() {
    let [stock, ours] = both("0");
    for value in [
        "1mb", "10%", "100%", "101%", "-1", "x", "10 %", "1mb%", "0%", "%", "-5%",
    ] {
        let said = [&stock, &ours].map(|server| {
            let mut client = server.client();
            let set = client.cmd(&["CONFIG", "SET", "maxmemory-clients", value]);
            (set, client.run("CONFIG GET maxmemory-clients"))
        });
        assert_eq!(said[0], said[1], "{value}");
    }
}

/// What is too large is not executed because its last piece made it whole.
#[test]
fn a_request_that_is_too_large_is_not_executed() {
    for server in both("3000000") {
        for _ in 0..5 {
            let mut client = server.client();
            let value = "v".repeat(3_000_000);
            assert!(client.try_cmd(&["SET", "k", &value]).is_err());
            assert_eq!(
                server.client().run("EXISTS k").int(),
                0,
                "{:?}",
                server.kind
            );
        }
    }
}
