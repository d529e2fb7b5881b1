//! Storms: many clients, several masters, every order. Then the record of what the server did is replayed.

use crate::common::data::{Rng, churn, seed};
use crate::common::readers::{Writer, stamp};
use crate::common::wait::check;
use crate::common::*;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// A command of the storm that was answered OK: what it wrote to the role, and when.
#[derive(Clone, Debug)]
struct Written {
    /// `None`: NO ONE.
    target: Option<u16>,
    asked: Instant,
    answered: Instant,
}

/// The stock masters: name, server, and the proxy some of the clients go through.
struct Masters(Vec<(&'static str, Server, Proxy)>);

impl Masters {
    fn start() -> Masters {
        Masters(
            ["a", "b", "c"]
                .into_iter()
                .enumerate()
                .map(|(i, name)| {
                    let server = Server::redis(&[]);
                    let mut client = server.client();
                    stamp(&mut client, name, 0);
                    seed(&mut client);
                    churn(&mut client, &mut Rng::new(60 + i as u64), 500);
                    let proxy = Proxy::to(server.port);
                    (name, server, proxy)
                })
                .collect(),
        )
    }

    /// Whoever is reached by `port`.
    fn at(&self, port: u16) -> Option<&Server> {
        self.0
            .iter()
            .find(|(_, server, proxy)| server.port == port || proxy.port == port)
            .map(|(_, server, _)| server)
    }
}

/// 8 clients with `rounds` commands each. What was answered OK.
fn storm(ours: &Server, masters: &Masters, rounds: usize, seed: u64) -> Vec<Written> {
    let dead = server::free_port();
    let mute = Peer::mute();
    let mut written = Vec::new();
    thread::scope(|s| {
        let clients: Vec<_> = (0..8)
            .map(|i| {
                let mut client = ours.client();
                let (masters, mute) = (&masters.0, mute.port);
                s.spawn(move || {
                    let mut rng = Rng::new(seed * 100 + i);
                    let mut written = Vec::new();
                    for _ in 0..rounds {
                        let (_, server, proxy) = rng.pick(masters);
                        let target = match rng.below(12) {
                            0 => None,
                            1 => Some(dead),
                            2 if i == 0 => Some(mute),
                            3 | 4 => {
                                proxy.set(*rng.pick(&[
                                    Fault::None,
                                    Fault::Delay(Duration::from_millis(3)),
                                    Fault::TruncateAfter(20_000),
                                    Fault::Refuse,
                                ]));
                                Some(proxy.port)
                            }
                            _ => Some(server.port),
                        };
                        let line = match target {
                            Some(port) => format!("REPLICAOF 127.0.0.1 {port}"),
                            None => "REPLICAOF NO ONE".into(),
                        };
                        let asked = Instant::now();
                        let reply = client.run(&line);
                        match reply {
                            Value::Simple(text) => {
                                assert!(text.starts_with("OK"), "{line}: {text}");
                                written.push(Written {
                                    target,
                                    asked,
                                    answered: Instant::now(),
                                });
                            }
                            Value::Error(text) => {
                                assert!(text.starts_with("ERR "), "{line}: {text}");
                                // A first sync loads in place: there is nothing to promote until it is in.
                                let refused =
                                    target.is_none() && !text.contains("no whole dataset");
                                assert!(!refused, "NO ONE was refused: {text}");
                            }
                            other => panic!("{line}: {other:?}"),
                        }
                        thread::sleep(Duration::from_millis(rng.below(30)));
                    }
                    written
                })
            })
            .collect();
        for client in clients {
            written.extend(client.join().expect("a client of the storm"));
        }
    });
    for (_, _, proxy) in &masters.0 {
        proxy.set(Fault::None);
    }
    written
}

/// The role is a register: it ends with a write that no other one wholly followed.
fn assert_last_wins(ours: &Server, written: &[Written]) -> Option<u16> {
    let info = ours.info("replication");
    let now = match info.get("role").as_str() {
        "master" => None,
        _ => Some(info.get("master_port").parse().expect("a port")),
    };
    let last = written
        .iter()
        .map(|w| w.asked)
        .max()
        .expect("somebody was answered OK");
    let candidates: Vec<_> = written.iter().filter(|w| w.answered >= last).collect();
    assert!(
        candidates.iter().any(|w| w.target == now),
        "it ends at {now:?}, which is none of {candidates:?}"
    );
    now
}

/// One storm with readers on; afterwards the data are those of the last committed master.
fn weather(seed: u64, rounds: usize, args: &[&str]) -> Server {
    let masters = Masters::start();
    let mut args = args.to_vec();
    args.extend(["--replicaof-timeout", "1"]);
    let ours = Server::damselfly(&args);
    stamp(&mut ours.client(), "a", 0);
    ours.follow(masters.0[0].1.port);
    let readers = Readers::start(ours.port, 4, &["a", "b", "c"]);
    let writers: Vec<_> = masters
        .0
        .iter()
        .map(|(name, server, _)| Writer::start(server.port, name))
        .collect();

    let written = storm(&ours, &masters, rounds, seed);
    let now = assert_last_wins(&ours, &written);
    if let Some(port) = now {
        ours.await_link(port);
    }
    drop(writers);
    if let Some(port) = now {
        let master = masters.at(port).expect("one of ours");
        await_caught_up(master, &ours);
        assert_same_data(master, &ours);
    }
    readers.stop().assert_clean(Duration::from_secs(5));
    ours
}

#[test]
fn no_read_is_refused_or_wrong_and_the_last_ticket_wins() {
    for seed in 1..=3 {
        weather(seed, 15, &[]);
    }
}

#[test]
fn a_storm_on_one_io_thread() {
    weather(9, 15, &["--threads", "1"]);
}

/// Ends the server: its trace. A storm may end before anything of a stream was applied; here something is.
fn record(ours: &mut Server) -> String {
    let master = Server::redis(&[]);
    ours.follow(master.port);
    master.client().run("SET k v").ok();
    await_caught_up(&master, ours);
    assert!(ours.terminate().success());
    fs::read_to_string(ours.trace()).expect("read the trace")
}

#[test]
fn the_record_of_a_storm_can_be_replayed() {
    let mut ours = weather(4, 15, &[]);
    let text = record(&mut ours);
    for word in ["> requested", "> commit", "< swap", "< apply", "end"] {
        assert!(
            text.contains(&format!("\n{word}")),
            "no {word} in the trace"
        );
    }
    assert!(ours.replay() > 0);
}

#[test]
fn a_record_that_was_tampered_with_is_found_out() {
    let mut ours = weather(5, 4, &[]);
    let text = record(&mut ours);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let file = ours.dir().join("tampered");
    replays(&file, &lines).unwrap_or_else(|e| panic!("the record itself: {e}"));
    replays(&file, &resealed(&lines)).unwrap_or_else(|e| panic!("sealed again: {e}"));

    let find = |word: &str| {
        lines
            .iter()
            .position(|l| l.starts_with(word))
            .unwrap_or_else(|| panic!("no {word} in the trace"))
    };
    let mut faults: Vec<(String, Vec<String>)> = Vec::new();
    for word in [
        "< adopt",
        "< psync",
        "< reply",
        "< swap",
        "< apply",
        "> requested",
        "> answered",
    ] {
        let mut without = lines.clone();
        without.remove(find(word));
        faults.push((format!("without {word}"), without));
    }
    for (word, from, to) in [
        // The target that was asked for, and the one that committed.
        ("> requested", "127.0.0.1:", "127.0.0.2:"),
        ("> commit", "127.0.0.1:", "127.0.0.2:"),
        // An error turned into an OK, and the reverse.
        ("< reply ok", "ok", "superseded"),
    ] {
        let mut edited = lines.clone();
        let at = find(word);
        edited[at] = edited[at].replace(from, to);
        assert_ne!(edited[at], lines[at]);
        faults.push((format!("{word} with {to}"), edited));
    }
    let mut swapped = lines.clone();
    let at = find("> answered");
    swapped.swap(at, at - 1);
    faults.push(("two lines the other way round".into(), swapped));

    for (what, lines) in faults {
        // The sum at the end of each line finds any of these. Sealed again, the core itself must.
        for (how, lines) in [
            ("as it is", lines.clone()),
            ("sealed again", resealed(&lines)),
        ] {
            let outcome = replays(&file, &lines);
            assert!(
                outcome.is_err(),
                "{what}, {how}: replayed without a complaint"
            );
        }
    }
}

fn replays(file: &Path, lines: &[String]) -> Result<usize, String> {
    fs::write(file, lines.join("\n") + "\n").expect("write a trace");
    trace::replay(file)
}

/// The lines with their sums computed anew, as a forger would.
fn resealed(lines: &[String]) -> Vec<String> {
    let mut sum = 0x811c_9dc5u32;
    lines
        .iter()
        .map(|line| {
            let bare = line
                .rsplit_once(" ~")
                .map_or(line.as_str(), |(bare, _)| bare);
            for byte in bare.bytes().chain([b'\n']) {
                sum = (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
            }
            format!("{bare} ~{sum:08x}")
        })
        .collect()
}

#[test]
fn restarted_in_a_storm_it_comes_up_whole() {
    let masters = Masters::start();
    let mut ours = Server::damselfly(&["--replicaof-timeout", "1"]);
    for round in 0..3 {
        storm(&ours, &masters, 3, 70 + round);
        ours.restart();
        let last = &masters.0[2].1;
        ours.follow(last.port);
        await_caught_up(last, &ours);
        assert_same_data(last, &ours);
    }
    eventually("nobody else holds on to us", || {
        let n: i64 = masters.0[..2]
            .iter()
            .map(|(_, s, _)| s.info("replication").num("connected_slaves"))
            .sum();
        check(n == 0, || n.to_string())
    });
}
