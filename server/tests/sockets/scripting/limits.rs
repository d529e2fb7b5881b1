//! Scripts that take long.

use super::await_blocked;
use crate::common::*;
use std::time::Duration;

const LOOP: &str = "while true do end";
const WRITES: &str = "redis.call('SET', 'half', 1) while true do end";

fn busy_server(threads: &str) -> Server {
    Server::damselfly(&["--threads", threads, "--busy-reply-threshold", "100"])
}

/// Starts `script` and waits until others are told BUSY.
fn start(server: &Server, script: &str) -> Client {
    let mut client = server.client();
    client.send(&["EVAL", script, "0"]).expect("send");
    await_busy(server);
    client
}

fn await_busy(server: &Server) {
    eventually("others are told BUSY", || {
        match server.client().cmd(&["PING"]) {
            reply if reply.is_error() => {
                assert!(reply.error().starts_with("BUSY "), "{reply:?}");
                Ok(())
            }
            reply => Err(format!("{reply:?}")),
        }
    });
}

#[test]
fn a_script_that_loops_is_killed_on_whatever_thread_it_runs() {
    for threads in ["1", "2"] {
        let server = busy_server(threads);
        // Connections that were there before, on every thread.
        let mut old: Vec<Client> = (0..4).map(|_| server.client()).collect();
        old.iter_mut()
            .for_each(|c| assert_eq!(c.run("PING").text(), "PONG"));
        for _ in 0..2 {
            let mut runner = start(&server, LOOP);
            for client in &mut old {
                let text = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
                assert_eq!(client.run("GET a").error(), text);
                client.run("MULTI").ok();
                assert_eq!(client.run("SET a 1").error(), text);
                client.run("DISCARD").ok();
                assert_eq!(client.run("SHUTDOWN").error(), text);
                assert_eq!(client.run("FUNCTION KILL").error(), text);
            }
            old[3].run("SCRIPT KILL").ok();
            let said = runner.read().expect("a reply");
            let said = said.error();
            assert!(
                said.starts_with("ERR Script killed by user with SCRIPT KILL... script: "),
                "{said}"
            );
            eventually("the server serves again", || {
                match server.client().cmd(&["PING"]) {
                    reply if reply.is_error() => Err(format!("{reply:?}")),
                    _ => Ok(()),
                }
            });
            for client in &mut old {
                assert_eq!(client.run("PING").text(), "PONG");
            }
            assert_eq!(runner.run("PING").text(), "PONG");
            assert!(old[0].run("SCRIPT KILL").error().starts_with("NOTBUSY "));
        }
    }
}

#[test]
fn the_stock_server_says_the_same_of_a_script_that_loops() {
    let stock = Server::redis(&["--busy-reply-threshold", "100"]);
    let ours = busy_server("1");
    let said = [&stock, &ours].map(|server| {
        let mut runner = start(server, LOOP);
        let mut other = server.client();
        let mut all: Vec<Value> = [
            "GET a",
            "SHUTDOWN",
            "EVAL x 0",
            "MULTI",
            "GET a",
            "SHUTDOWN",
            "DISCARD",
            "MULTI",
            "FUNCTION KILL",
            "FUNCTION STATS",
            "EXEC",
            "DISCARD",
            "WATCH a",
            "UNWATCH",
            "AUTH x",
            "EVAL x",
            "FUNCTION KILL",
            "FUNCTION STATS",
            "FUNCTION LIST",
            "SCRIPT EXISTS x",
            "INFO",
            "nosuch",
            "BLPOP a 1",
            "SUBSCRIBE c",
            "CLIENT LIST",
            "REPLICAOF NO ONE",
            "CONFIG GET port",
            "RESET",
            "SCRIPT KILL",
        ]
        .iter()
        .map(|line| other.run(line))
        .collect();
        all.push(runner.read().expect("a reply"));
        all
    });
    assert_eq!(said[0], said[1]);
}

/// As [`the_stock_server_says_the_same_of_a_script_that_loops`], for a function.
#[test]
fn the_stock_server_says_the_same_of_a_function_that_loops() {
    const CODE: &str =
        "#!lua name=lib\nredis.register_function('loop', function() while true do end end)";
    let stock = Server::redis(&["--busy-reply-threshold", "100"]);
    let ours = busy_server("1");
    let said = [&stock, &ours].map(|server| {
        let mut runner = server.client();
        runner.cmd(&["FUNCTION", "LOAD", CODE]);
        runner
            .send(&["FCALL", "LOOP", "1", "k", "a"])
            .expect("send");
        await_busy(server);
        let mut other = server.client();
        let mut all: Vec<Value> = ["GET a", "SCRIPT KILL", "FCALL loop 0", "SHUTDOWN"]
            .iter()
            .map(|line| other.run(line))
            .collect();
        let stats = other.run("FUNCTION STATS");
        // Everything but how long it has run.
        let running = stats.list()[1].list();
        all.extend(running[..running.len() - 1].to_vec());
        all.push(other.run("FUNCTION KILL"));
        all.push(runner.read().expect("a reply"));
        all.push(other.run("FUNCTION KILL"));
        all
    });
    assert_eq!(said[0], said[1]);
}

#[test]
fn what_is_sent_behind_a_slow_script_waits_for_it_and_a_transaction_with_one_is_whole() {
    let servers = [
        Server::redis(&["--busy-reply-threshold", "50"]),
        Server::damselfly(&["--threads", "1", "--busy-reply-threshold", "50"]),
    ];
    const SLOW: &str = "redis.call('INCR', 'n') local t = redis.call('TIME') \
        local till = t[1] * 1000 + t[2] / 1000 + 300 \
        repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > till return redis.call('GET', 'n')";
    const READS: &str = "local t = redis.call('TIME') local till = t[1] * 1000 + t[2] / 1000 + 300 \
        repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > till return 'read'";
    let said = servers.each_ref().map(|server| {
        let mut client = server.client();
        let mut sent = Vec::new();
        for line in [
            &["SET", "n", "1"][..],
            &["EVAL", SLOW, "0"],
            &["INCR", "n"],
            &["MULTI"],
            &["INCR", "n"],
            &["EVAL", SLOW, "0"],
            &["INCR", "n"],
            &["EVAL", READS, "0"],
            &["EXEC"],
            &["BLPOP", "none", "0.05"],
            &["EVAL", READS, "0"],
            &["SELECT", "1"],
            &["EVAL", "return redis.call('GET', 'n')", "0"],
            &["QUIT"],
        ] {
            sent.extend(resp::encode(line));
        }
        client.send_raw(&sent).expect("send");
        let mut all: Vec<Value> = (0..14).map(|_| client.read().expect("a reply")).collect();
        all.push(server.run("GET n"));
        all
    });
    assert_eq!(said[0], said[1]);
}

/// SIGTERM waits for the end of a script, and meanwhile others are served as before.
#[test]
fn a_signal_ends_the_server_when_the_script_is_over() {
    for threads in ["0", "1", "2"] {
        let mut server = match threads {
            "0" => Server::redis(&["--busy-reply-threshold", "100"]),
            threads => busy_server(threads),
        };
        let mut old: Vec<Client> = (0..4).map(|_| server.client()).collect();
        let mut runner = start(&server, LOOP);
        server.signal();
        for client in &mut old {
            assert!(client.run("GET a").error().starts_with("BUSY "));
        }
        // Time enough for one who would not wait for the script.
        std::thread::sleep(Duration::from_millis(300));
        for client in &mut old {
            assert!(client.run("GET a").error().starts_with("BUSY "));
        }
        // The end may come before the replies do.
        old[3].send_line("SCRIPT KILL").expect("send");
        let _ = runner.read();
        assert!(server.await_exit().success());
    }
}

#[test]
fn a_script_that_has_written_cannot_be_killed_but_the_server_can() {
    let mut server = busy_server("1");
    server.run("SET a 1").ok();
    let _runner = start(&server, WRITES);
    let mut client = server.client();
    assert!(client.run("SCRIPT KILL").error().starts_with("UNKILLABLE "));
    client.send_line("SHUTDOWN NOSAVE").expect("send");
    assert!(server.await_exit().success());
}

#[test]
fn clients_that_leave_or_wait_meanwhile_are_seen_to() {
    let server = busy_server("1");
    let mut watching = server.client();
    watching.run("WATCH a").ok();
    let mut waits = server.client();
    waits.send_line("BLPOP list 2").expect("send");
    let mut leaves = server.client();
    leaves.send_line("BLPOP list 0").expect("send");
    await_blocked(&server, 2);
    let mut runner = start(&server, LOOP);
    drop(watching);
    drop(leaves);
    // The wait is over before the script is.
    std::thread::sleep(Duration::from_millis(2200));
    server.client().run("SCRIPT KILL").ok();
    assert!(runner.read().expect("a reply").is_error());
    assert_eq!(waits.read().expect("the end of the wait"), Value::Nil);
    await_blocked(&server, 0);
}

#[test]
fn a_replica_follows_again_when_its_script_is_over() {
    let master = Server::damselfly(&[]);
    let replica = busy_server("2");
    replica.follow(master.port);
    replica.await_link(master.port);
    let mut runner = start(&replica, LOOP);
    master.run("SET a 1").ok();
    replica.client().run("SCRIPT KILL").ok();
    assert!(runner.read().expect("a reply").is_error());
    await_caught_up(&master, &replica);
    assert_same_data(&master, &replica);
    let refused = replica
        .client()
        .cmd(&["EVAL", "return redis.call('SET', 'a', 2)", "0"]);
    assert!(refused.error().starts_with("READONLY "), "{refused:?}");
}

/// Scripts, and whether a pause of writes holds them up.
const PAUSED: &[(&[&str], bool)] = &[
    (&["EVAL", "return 1", "0"], true),
    (&["EVAL", "#!lua flags=no-writes\nreturn 1", "0"], false),
    (&["EVAL", "#!lua flags=allow-stale\nreturn 1", "0"], true),
    (&["EVALSHA", "SHA", "0"], false),
    (&["EVAL_RO", "return 1", "0"], false),
    (&["FCALL", "reads", "0"], false),
    (&["FCALL", "writes", "0"], true),
    (&["FCALL", "nosuch", "0"], true),
    (&["FCALL_RO", "reads", "0"], false),
    (&["PFCOUNT", "k"], true),
    (&["GET", "k"], false),
];

const LIBRARY: &str = "#!lua name=lib\n\
    redis.register_function{function_name='reads', callback=function() return 1 end, flags={'no-writes'}}\n\
    redis.register_function('writes', function() return 2 end)";

#[test]
fn a_script_that_declares_that_it_writes_nothing_need_not_wait_for_writes() {
    for server in [Server::redis(&[]), Server::damselfly(&[])] {
        let mut operator = server.client();
        operator.cmd(&["FUNCTION", "LOAD", LIBRARY]);
        let sha = operator.cmd(&["SCRIPT", "LOAD", "#!lua flags=no-writes\nreturn 7"]);
        let sha = sha.text();
        for ((args, waits), queued) in PAUSED.iter().flat_map(|p| [(p, false), (p, true)]) {
            let mut args: Vec<&str> = args
                .iter()
                .map(|a| if *a == "SHA" { &*sha } else { a })
                .collect();
            let mut client = server.client();
            if queued {
                client.run("MULTI").ok();
                assert_eq!(client.cmd(&args).text(), "QUEUED");
                args = vec!["EXEC"];
            }
            operator.run("CLIENT PAUSE 100000 WRITE").ok();
            client.send(&args).expect("send");
            if *waits {
                await_blocked(&server, 1);
                operator.run("CLIENT UNPAUSE").ok();
            }
            client
                .read()
                .expect("a reply, before the pause is over or after it");
        }
        operator.run("CLIENT UNPAUSE").ok();
    }
}

#[test]
fn a_transaction_is_what_its_scripts_declare() {
    let master = Server::redis(&[]);
    for server in [Server::redis(&[]), Server::damselfly(&[])] {
        let scripts = ["#!lua\nreturn 1", "#!lua flags=no-writes\nreturn 1"];
        let mut clients = scripts.map(|script| {
            let mut client = server.client();
            client.run("MULTI").ok();
            assert_eq!(client.cmd(&["EVAL", script, "0"]).text(), "QUEUED");
            client
        });
        server.follow(master.port);
        let refused = clients[0].run("EXEC");
        assert!(
            refused
                .error()
                .starts_with("EXECABORT Transaction discarded because of: READONLY"),
            "{refused:?}"
        );
        assert_eq!(clients[1].run("EXEC").list()[0].int(), 1);
    }
}
