//! Scripts beside a stock server: the same replies, byte for byte in meaning, and the limits that keep a script from
//! taking the server with it.

mod cases;
mod effects;
mod functions;
mod limits;

use crate::common::data::Rng;
use crate::common::*;

/// Waits until so many clients wait for keys.
fn await_blocked(server: &Server, n: i64) {
    eventually("clients wait", || {
        match server.info("clients").num("blocked_clients") {
            seen if seen == n => Ok(()),
            seen => Err(format!("{seen} wait")),
        }
    });
}

/// A stock server and ours, with a client of each.
struct Pair {
    servers: [Server; 2],
    clients: [Client; 2],
    differences: Vec<String>,
}

impl Pair {
    fn new() -> Pair {
        let servers = [Server::redis(&[]), Server::damselfly(&[])];
        let clients = [servers[0].client(), servers[1].client()];
        Pair {
            servers,
            clients,
            differences: Vec::new(),
        }
    }

    fn run<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        self.compare(args, |reply| reply);
    }

    /// Runs it on both, and compares what `seen` sees of the replies.
    fn compare<A: AsRef<[u8]>>(&mut self, args: &[A], seen: impl Fn(Value) -> Value) {
        let replies = self.clients.each_mut().map(|client| client.cmd(args));
        let [stock, ours] = replies.map(seen);
        if stock != ours {
            let shown: Vec<String> = args
                .iter()
                .map(|arg| arg.as_ref().escape_ascii().to_string())
                .collect();
            let shown = shown.join(" ");
            self.differences
                .push(format!("{shown}\n  stock {stock:?}\n  ours  {ours:?}"));
        }
    }

    fn eval(&mut self, script: &str) {
        self.run(&["EVAL", script, "2", "key1", "key2", "arg1", "arg2"]);
    }

    fn finish(self) {
        let differences = self.differences.join("\n");
        assert!(differences.is_empty(), "{differences}");
    }
}

#[test]
fn scripts_answer_as_the_stock_server_does() {
    let mut pair = Pair::new();
    for hello in ["2", "3"] {
        pair.clients.iter_mut().for_each(|c| {
            c.cmd(&["HELLO", hello]);
        });
        for script in cases::SCRIPTS {
            pair.eval(script);
        }
    }
    pair.finish();
}

#[test]
fn commands_about_scripts_answer_as_the_stock_server_does() {
    let mut pair = Pair::new();
    for line in cases::COMMANDS {
        let args: Vec<&str> = line.split(' ').collect();
        pair.run(&args);
    }
    pair.finish();
}

/// Random values through the libraries and back, and through a reply.
#[test]
fn random_values_survive_the_libraries_as_they_do_in_the_stock_server() {
    let mut pair = Pair::new();
    let mut rng = Rng::new(11);
    for _ in 0..300 {
        let value = cases::value(&mut rng, 3);
        for use_it in [
            "return {VALUE}",
            "return cjson.encode({VALUE})",
            "return cjson.decode(cjson.encode({VALUE}))",
            "return cmsgpack.pack(VALUE)",
            "return {cmsgpack.unpack(cmsgpack.pack(VALUE, VALUE))}",
            "redis.setresp(3) return {VALUE}",
        ] {
            pair.eval(&use_it.replace("VALUE", &value));
        }
        let bytes = cases::bytes(&mut rng);
        for use_it in [
            "local ok, v = pcall(cjson.decode, BYTES) return {ok, v}",
            "local ok, v = pcall(cmsgpack.unpack, BYTES) return {ok, type(v) == 'table' and cjson.encode(v) or v}",
            "local ok, v = pcall(struct.unpack, '>i3Bhs', BYTES) return {ok, v}",
        ] {
            pair.eval(&use_it.replace("BYTES", &bytes));
        }
    }
    pair.finish();
}

#[test]
fn a_script_is_known_by_its_digest_until_it_is_flushed() {
    let server = Server::damselfly(&["--threads", "2"]);
    let mut client = server.client();
    let sha = client.cmd(&["SCRIPT", "LOAD", "return ARGV[1]"]);
    let sha = sha.text();
    let reply = server
        .client()
        .cmd(&["EVALSHA", &sha.to_uppercase(), "0", "x"]);
    assert_eq!(reply.text(), "x");
    assert_eq!(server.info("memory").num("number_of_cached_scripts"), 1);
    for i in 0..600 {
        client.cmd(&["EVAL", &format!("return {i}"), "0"]);
    }
    let known = server.info("memory").num("number_of_cached_scripts");
    assert!((400..=501).contains(&known), "{known} scripts are kept");
    assert_eq!(client.cmd(&["EVALSHA", &sha, "0", "y"]).text(), "y");
    client.cmd(&["SCRIPT", "FLUSH"]).ok();
    assert!(
        client
            .cmd(&["EVALSHA", &sha, "0", "y"])
            .error()
            .starts_with("NOSCRIPT")
    );
}

/// As in Redis 7.4.
#[test]
fn of_scripts_that_were_only_run_the_one_unused_for_longest_is_forgotten() {
    let server = Server::damselfly(&[]);
    let mut client = server.client();
    let sha_of = |client: &mut Client, text| client.cmd(&["SCRIPT", "LOAD", text]).text();
    // Known by their digests alone: the scripts are forgotten with the flush.
    let shas =
        ["return 0", "return 1", "return 2", "return 3"].map(|text| sha_of(&mut client, text));
    client.cmd(&["SCRIPT", "FLUSH"]).ok();
    for i in 0..500 {
        client.cmd(&["EVAL", &format!("return {i}"), "0"]);
    }
    client.cmd(&["EVAL", "return 0", "0"]);
    client.cmd(&["EVALSHA", &shas[1], "0"]);
    // Kept from now on, it takes no place.
    client.cmd(&["SCRIPT", "LOAD", "return 3"]);
    for text in ["return 500", "return 501"] {
        client.cmd(&["EVAL", text, "0"]);
    }
    let known = client.cmd(
        &[
            &["SCRIPT", "EXISTS"],
            &shas.each_ref().map(String::as_str)[..],
        ]
        .concat(),
    );
    let known: Vec<i64> = known.list().iter().map(Value::int).collect();
    assert_eq!(known, [1, 1, 0, 1]);
    assert_eq!(server.info("memory").num("number_of_cached_scripts"), 501);
}

#[test]
fn a_script_in_a_transaction_is_a_part_of_it() {
    let mut pair = Pair::new();
    for args in [
        &["MULTI"][..],
        &["SET", "a", "1"],
        &[
            "EVAL",
            "redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[1])",
            "1",
            "a",
        ],
        &["EVAL", "return redis.call('nope')", "0"],
        &["SCRIPT", "LOAD", "return 1"],
        &["GET", "a"],
        &["EXEC"],
        &[
            "EVAL",
            "redis.call('SELECT', 3) redis.call('SET', 'b', 1) return redis.call('DBSIZE')",
            "0",
        ],
        &["DBSIZE"],
        &[
            "EVAL",
            "redis.call('FLUSHALL') return redis.call('DBSIZE')",
            "0",
        ],
        &["GET", "a"],
        &[
            "EVAL",
            "redis.call('SET', 'x', 1) redis.call('EXPIRE', 'x', 100) return redis.call('TTL', 'x')",
            "0",
        ],
        &["EVAL", "return redis.call('BLPOP', 'nolist', 0)", "0"],
    ] {
        pair.run(args);
    }
    pair.finish();
}

/// Many clients on several threads count through scripts; nothing is lost, and a blocked client is served.
#[test]
fn scripts_of_many_clients_are_one_after_the_other() {
    let server = Server::damselfly(&["--threads", "2"]);
    const SCRIPT: &str =
        "local n = redis.call('GET', KEYS[1]) or 0 redis.call('SET', KEYS[1], n + 1) return n";
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = server.client();
                for _ in 0..250 {
                    let reply = client.cmd(&["EVAL", SCRIPT, "1", "n"]);
                    assert!(!reply.is_error(), "{reply:?}");
                }
            });
        }
    });
    assert_eq!(server.run("GET n").text(), "1000");
    let mut blocked = server.client();
    blocked.send_line("BLPOP list 0").expect("send");
    await_blocked(&server, 1);
    server
        .client()
        .cmd(&["EVAL", "return redis.call('RPUSH', 'list', 'x')", "0"]);
    let served = blocked.read().expect("a reply");
    assert_eq!(served.list()[1].text(), "x");
}

/// The Lua states go from thread to thread with all that is compiled in them, whoever makes, calls and forgets it.
#[test]
fn states_go_from_thread_to_thread() {
    let server = Server::damselfly(&["--threads", "4"]);
    const ROUNDS: usize = 150;
    let library = |i: usize| {
        format!(
            "#!lua name=l{i}\nlocal calls = 0\nredis.register_function('count{i}', function(keys, args) \
             calls = calls + 1 redis.call('INCR', keys[1]) return {{calls, args[1]}} end)"
        )
    };
    std::thread::scope(|scope| {
        for i in 0..4 {
            let (server, library) = (&server, &library);
            scope.spawn(move || {
                let mut client = server.client();
                for round in 0..ROUNDS {
                    let load = client.cmd(&["FUNCTION", "LOAD", "REPLACE", &library(i)]);
                    assert_eq!(load.text(), format!("l{i}"));
                    let reply = client.cmd(&["FCALL", &format!("count{i}"), "1", "calls", "x"]);
                    assert_eq!(reply.list()[1].text(), "x", "{reply:?}");
                    let bad = client.cmd(&["FUNCTION", "LOAD", "#!lua name=bad\nerror('no')"]);
                    assert!(bad.is_error(), "{bad:?}");
                    let own = format!(
                        "local t = {{}} for i = 1, 100 do t[i] = 'x' .. i end return #t + {round}"
                    );
                    assert_eq!(client.cmd(&["EVAL", &own, "0"]).int(), 100 + round as i64);
                    let fails = format!("return redis.call('LPUSH', KEYS[1], {round})");
                    assert!(client.cmd(&["EVAL", &fails, "1", "calls"]).is_error());
                    if round % 10 == 9 {
                        let flushed = client.cmd(&["SCRIPT", "FLUSH", "ASYNC"]);
                        assert_eq!(flushed.text(), "OK");
                    }
                }
            });
        }
    });
    assert_eq!(server.run("GET calls").text(), (4 * ROUNDS).to_string());
}
