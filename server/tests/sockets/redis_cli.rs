//! What redis-cli does beyond asking: it loads, walks and measures.

use crate::common::Server;
use std::io::Write;
use std::process::{Command, Stdio};

/// What redis-cli prints when it is started with `args` and reads `input`.
fn cli(server: &Server, args: &[&str], input: &str) -> String {
    let mut child = Command::new("redis-cli")
        .args(["-p", &server.port.to_string()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run redis-cli");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("write");
    drop(stdin);
    let output = child.wait_with_output().expect("its end");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn it_loads_walks_and_measures() {
    for start in [Server::redis, Server::damselfly] {
        let server = start(&["--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0"]);
        let says = |args: &[&str], input: &str, all: &[&str]| {
            let text = cli(&server, args, input);
            for part in all {
                assert!(
                    text.contains(part),
                    "{:?} {args:?} {part}: {text}",
                    server.kind
                );
            }
            text
        };
        let mut load: String = (0..1000).map(|n| format!("SET k:{n} v\r\n")).collect();
        load += "RPUSH list 1 2 3 4 5 6 7\r\nSADD set a b\r\nLPUSH k:1 x\r\n";
        load += &format!("HSET hash f {}\r\n", "x".repeat(5000));
        says(
            &["--pipe"],
            &load,
            &["errors: 1, replies: 1004", "WRONGTYPE"],
        );
        says(
            &["--bigkeys"],
            "",
            &[
                "Sampled 1003 keys in the keyspace!",
                "Biggest   list found '\"list\"' has 7 items",
                "Biggest    set found '\"set\"' has 2 members",
                "Biggest   hash found '\"hash\"' has 1 fields",
                "1000 strings with 1000 bytes (99.70% of keys, avg size 1.00)",
            ],
        );
        says(
            &["--memkeys"],
            "",
            &[
                "Sampled 1003 keys in the keyspace!",
                "Biggest   hash found '\"hash\"' has ",
            ],
        );
        for _ in 0..200 {
            server.run("GET k:7");
        }
        let hot = says(&["--hotkeys"], "", &["Sampled 1003 keys in the keyspace!"]);
        let hottest = hot.lines().find(|line| line.starts_with("hot key found"));
        assert!(
            hottest.is_some_and(|line| line.ends_with("keyname: \"k:7\"")),
            "{hot}"
        );
        let walked = says(&["--scan", "--pattern", "k:99*"], "", &[]);
        let mut walked: Vec<&str> = walked.lines().collect();
        walked.sort_unstable();
        let mut expected: Vec<String> = (0..1000).map(|n| format!("k:{n}")).collect();
        expected.retain(|key| key.starts_with("k:99"));
        expected.sort_unstable();
        assert_eq!(walked, expected);
    }
}
