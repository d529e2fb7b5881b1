//! Several clients in turn, some of which wait: everybody is answered what the stock server answers.

use crate::common::wait::check;
use crate::common::*;
use std::collections::BTreeMap;

/// Runs the steps of `script` on a server that holds nothing. A step is a client and its command; after `*` the client
/// is expected to wait, and is heard at the end. `$` and a client's name stand for its id.
fn told(server: &Server, script: &str) -> Vec<(String, Value)> {
    server.run("FLUSHALL").ok();
    let mut clients: BTreeMap<&str, Client> = BTreeMap::new();
    let mut ids = BTreeMap::new();
    let (mut told, mut waiting) = (Vec::new(), Vec::new());
    for step in script.split(';') {
        let (who, command) = step.trim().split_once(' ').expect("a client and a command");
        let name = who.trim_end_matches('*');
        let client = clients.entry(name).or_insert_with(|| server.client());
        if !ids.contains_key(name) {
            ids.insert(name, client.run("CLIENT ID").int());
        }
        let named = |text: String, (name, id): (&&str, &i64)| {
            text.replace(&format!("${name}"), &id.to_string())
        };
        let command = ids.iter().fold(command.to_owned(), named);
        if !who.ends_with('*') {
            told.push((step.trim().to_owned(), client.run(&command)));
            continue;
        }
        client.send_line(&command).expect("send");
        waiting.push((name, step.trim()));
        eventually("it waits", || {
            let blocked = server.info("clients").num("blocked_clients");
            check(blocked == waiting.len() as i64, || blocked.to_string())
        });
    }
    for (who, step) in waiting {
        let reply = clients.get_mut(who).expect("it waits").read();
        told.push((step.to_owned(), reply.expect("the end of the wait")));
    }
    told
}

#[test]
fn as_with_the_stock_server() {
    let (redis, ours) = (Server::redis(&[]), Server::damselfly(&[]));
    for script in [
        "a* BLPOP q 0; b* BLPOP q 0; c RPUSH q x y z; c LRANGE q 0 -1",
        "a* BLPOP q 0; b MULTI; b RPUSH q x; b DEL q; b EXEC; b RPUSH q y",
        "a* BLPOP q 0; b RPUSH p x; b RENAME p q; b EXISTS q",
        "a* BLPOP q 0; b SELECT 1; b RPUSH q x; b SWAPDB 0 1; b DBSIZE",
        "a* BLMOVE q p LEFT LEFT 0; b* BLMOVE p o LEFT LEFT 0; c* BLPOP o 0; d RPUSH q x",
        "a* BRPOPLPUSH q p 0; b SET p x; b RPUSH q 1; b LRANGE q 0 -1",
        "a* BZPOPMIN z 0; b ZADD z 2 two 1 one; b ZCARD z",
        "a* BZMPOP 0 2 y z MAX COUNT 2; b ZADD z 1 a 2 b 3 c; b ZCARD z",
        "a* BLMPOP 0 2 p q LEFT COUNT 2; b RPUSH q 1 2 3; b LLEN q",
        "a* BLPOP q q 0; b RPUSH q 1 2; b LLEN q",
        // What is of another type is waited for; of several keys the one that changed first is served.
        "a* BLPOP q 0; b SET q x; b DEL q; b RPUSH q y",
        "a* BLPOP q 0; b ZADD q 1 a; b DEL q; b LPUSH q y",
        "a* BZPOPMIN z 0; b LPUSH z x; b DEL z; b ZADD z 1 a",
        "a* BLPOP x y 0; b SET x 1; b RPUSH y 1; b EXISTS y",
        "a* BLPOP x y 0; b MULTI; b RPUSH y 1; b RPUSH x 2; b EXEC; b EXISTS x y",
        "a* BZPOPMIN x y 0; b MULTI; b ZADD y 1 a; b ZADD x 2 b; b EXEC; b EXISTS x y",
        "a* BLMPOP 0 2 x y LEFT; b MULTI; b RPUSH y 1; b RPUSH x 2; b EXEC; b EXISTS x y",
        "a* BLPOP x y 0; b* BLPOP y x 0; c MULTI; c RPUSH y 1; c RPUSH x 2; c EXEC",
        "a* BLMOVE x y LEFT LEFT 0; b SET x 1; b DEL x; b RPUSH x 1",
        "a* BLMOVE x y LEFT LEFT 0; b SET y 1; b RPUSH x 1; b LLEN x",
        "a* BLPOP x 0; b SET x 1; b CLIENT UNBLOCK $a",
        "a* BLMOVE x y LEFT LEFT 0; b SET x 1; b CLIENT UNBLOCK $a",
        "a CLIENT NO-EVICT on; a* BLPOP q 0; b CLIENT UNBLOCK 0; b RPUSH q 1",
        "a SET k 1; a WATCH k; b SET k 1; a MULTI; a GET k; a EXEC",
        "a WATCH k; b DEL k; a MULTI; a EXEC",
        "a SET k 1; a WATCH k; b FLUSHALL; a MULTI; a EXEC",
        "a WATCH k; b SELECT 1; b SET k 1; b SWAPDB 0 1; a MULTI; a EXEC",
        "a SET k 1; a WATCH k; b RENAME k k; a MULTI; a EXEC",
        "a RPUSH l 1; a WATCH l; b LMOVE l l LEFT LEFT; a MULTI; a EXEC",
        "a SET k 1; a WATCH k; b SET k 2; a MULTI; a NOSUCH; a EXEC; a MULTI; a GET k; a EXEC",
        "a SET k 1; a WATCH k; b SET k 2; a MULTI; a EXEC k; a EXEC; a MULTI; a GET k; a EXEC",
    ] {
        assert_eq!(told(&ours, script), told(&redis, script), "{script}");
    }
}

/// A command that waits is run again whenever one of its keys changes, and may find nothing each time.
#[test]
fn to_be_woken_in_vain_costs_no_more_each_time() {
    let ours = Server::damselfly(&[]);
    let mut waiting = ours.client();
    waiting.send_line("BLPOP queue 0").expect("send");
    eventually("it waits", || {
        let blocked = ours.info("clients").num("blocked_clients");
        check(blocked == 1, || blocked.to_string())
    });
    let mut other = ours.client();
    for _ in 0..100 {
        other.run("MULTI").ok();
        other.run("RPUSH queue x");
        other.run("LPOP queue");
        assert_eq!(other.run("EXEC").list().len(), 2);
    }
    other.run("RPUSH queue last");
    assert_eq!(
        waiting.read().expect("what it waited for").list()[1].text(),
        "last"
    );
}
