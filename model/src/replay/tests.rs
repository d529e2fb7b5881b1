//! A trace as a server writes it, and what can be wrong with one.

use super::*;
use damselfly_core::trace::Recorder;
use damselfly_core::{Aim, Answer, Attempt, Output, Position, Refusal};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A node and the trace that its server writes.
struct Server {
    node: Node<Written>,
    recorder: Recorder,
    text: String,
}

impl Server {
    fn start() -> Server {
        let boot = Boot::<Written> {
            me: name("me"),
            fresh: name("born"),
            offset: 0,
            ticket: 0,
            generation: 0,
            follow: None,
            flush: false,
        };
        let mut text = String::new();
        Server {
            recorder: Recorder::begin("v2", &boot, &mut text),
            node: Node::new(boot),
            text,
        }
    }

    /// Tells the node, and writes down what it was told and did. The attempt that it begins.
    fn tell(&mut self, input: Input<Written>) -> Option<Attempt<Written>> {
        self.recorder.fact(&input, &mut self.text);
        let mut out = Outputs::new();
        self.node.step(input, &mut out);
        self.recorder.deeds(&out, &mut self.text);
        out.drain().find_map(|o| match o {
            Output::Connect(attempt) => Some(attempt),
            _ => None,
        })
    }

    fn request(&mut self, host: &str) -> Attempt<Written> {
        let target = name(host);
        self.tell(Input::Requested { target }).unwrap()
    }

    fn commit(&mut self, attempt: Attempt<Written>, at: u64) {
        let greeted = attempt.greeted(Some(name("it"))).unwrap();
        self.tell(Input::Commit { greeted, at });
    }

    fn no_one(&mut self, fresh: &str, at: u64) {
        self.tell(Input::NoOne {
            force: false,
            fresh: name(fresh),
            at,
        });
    }

    fn end(mut self) -> String {
        self.recorder.end(&mut self.text);
        self.text
    }
}

/// A server that is in: a master with nothing in its log.
fn master() -> Server {
    let mut server = Server::start();
    server.tell(Input::Restored { position: None });
    server
}

/// A trace of a full sync, a batch and a promotion.
fn trace() -> String {
    let mut server = master();
    let attempt = server.request("10.0.0.7 6379");
    server.commit(attempt, 0);
    let generation = 1;
    let answer = Answer::FullResync(Position {
        replid: name("theirs"),
        offset: 70,
    });
    server.tell(Input::Answered { generation, answer });
    let empty = true;
    server.tell(Input::Began { generation, empty });
    server.tell(Input::Loaded { generation });
    server.tell(Input::Batch { generation, to: 90 });
    server.no_one("mine", 90);
    server.end()
}

#[test]
fn an_honest_trace_replays() {
    let seen = replay(&trace()).unwrap();
    assert_eq!(seen.inputs, 8);
    assert!(seen.outputs >= 11 && seen.ended, "{seen:?}");
}

#[test]
fn a_trace_that_was_cut_by_a_kill_replays() {
    let whole = trace();
    let cut = &whole[..whole.len() - 20];
    assert!(!replay(cut).unwrap().ended);
}

#[test]
fn every_deleted_or_edited_line_is_found() {
    let whole = trace();
    let lines: Vec<&str> = whole.lines().collect();
    for gone in 0..lines.len() - 1 {
        let mut left = lines.clone();
        left.remove(gone);
        let text = left.join("\n") + "\n";
        assert!(replay(&text).is_err(), "line {} deleted", gone + 1);
    }
    for edited in 0..lines.len() {
        let mut text = String::new();
        for (i, line) in lines.iter().enumerate() {
            let line = if i == edited {
                line.replacen(|c: char| c.is_ascii_lowercase(), "q", 1)
            } else {
                (*line).to_owned()
            };
            text.push_str(&line);
            text.push('\n');
        }
        assert!(replay(&text).is_err(), "line {} edited", edited + 1);
    }
}

/// Writes the lines anew with right sums, so that only their meaning can be objected to.
fn resummed(edit: impl Fn(&str) -> Option<String>) -> String {
    let mut sum: u32 = 0x811c_9dc5;
    let mut text = String::new();
    for line in trace().lines() {
        let said = line.rsplit_once(" ~").unwrap().0;
        let Some(said) = edit(said) else { continue };
        for byte in said.bytes().chain([b'\n']) {
            sum = (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        text.push_str(&format!("{said} ~{sum:08x}\n"));
    }
    text
}

fn objection(edit: impl Fn(&str) -> Option<String>) -> String {
    replay(&resummed(edit)).unwrap_err().what
}

#[test]
fn a_forger_who_knows_the_sums_is_found_by_the_core() {
    assert!(replay(&resummed(|l| Some(l.into()))).is_ok());
    let what = objection(|l| (!l.starts_with("< swap")).then(|| l.into()));
    assert!(what.contains("the core would do `swap"), "{what}");
    let what = objection(|l| Some(l.replace("< apply 1 90", "< apply 1 91")));
    assert!(what.contains("the core would do `apply 1 90`"), "{what}");
}

#[test]
fn what_the_environment_cannot_do_is_found() {
    let what = objection(|l| (!l.starts_with("> began")).then(|| l.into()));
    assert!(
        what.contains("the core would do nothing") || what.contains("cannot come"),
        "{what}"
    );
    let what = objection(|l| Some(l.replace("> batch 1", "> batch 4")));
    assert!(what.contains("no connection has generation 4"), "{what}");
    let what = objection(|l| Some(l.replace("mine 90", "mine 80")));
    assert!(what.contains("the dataset is at 90, not at 80"), "{what}");
}

/// What is objected to in the trace of a server that was told all this.
fn objection_to(server: Server) -> String {
    replay(&server.end()).unwrap_err().what
}

#[test]
fn an_offset_goes_back_only_with_another_dataset() {
    let mut server = master();
    server.no_one("mine", 50);
    server.no_one("another", 50);
    let text = std::mem::take(&mut server.text);
    assert_eq!(replay(&text).unwrap().inputs, 3);
    server.text = text;
    server.no_one("yet another", 49);
    let what = objection_to(server);
    assert!(what.contains("at 50 already, not at 49"), "{what}");
}

#[test]
fn a_cancelled_attempt_is_not_heard_of_again() {
    let mut server = master();
    let attempt = server.request("10.0.0.7 6379");
    server.no_one("mine", 0);
    server.commit(attempt, 0);
    let what = objection_to(server);
    assert!(what.contains("no attempt has ticket 1 any more"), "{what}");
}

#[test]
fn a_setting_is_told_when_it_changes() {
    let mut server = master();
    server.tell(Input::Configure { flush: true });
    server.tell(Input::Configure { flush: true });
    let what = objection_to(server);
    assert!(what.contains("set to what it is"), "{what}");
}

#[test]
fn before_the_file_is_in_only_people_speak() {
    let mut server = Server::start();
    let target = name("10.0.0.7 6379");
    server.tell(Input::Requested { target });
    server.tell(Input::Restored { position: None });
    assert_eq!(replay(&server.end()).unwrap().inputs, 2);

    let mut server = Server::start();
    let fresh = name("mine");
    server.tell(Input::HistoryBegan { fresh, at: 0 });
    let what = objection_to(server);
    assert!(what.contains("is restored before this"), "{what}");

    let mut server = master();
    server.tell(Input::Restored { position: None });
    let what = objection_to(server);
    assert!(what.contains("restored twice"), "{what}");
}

/// A master that hands over to the replica `10.0.0.7 6379`.
fn handing() -> Server {
    let mut server = master();
    let aim = Aim::One(name("10.0.0.7 6379"));
    server.tell(Input::FailOver { aim });
    server
}

#[test]
fn a_hand_over_goes_to_whom_it_is_meant_for_and_ends_once() {
    let caught_up = |ticket, host| Input::CaughtUp {
        ticket,
        target: name(host),
        at: 10,
    };
    let ticket = 1;

    let mut server = handing();
    server.tell(caught_up(ticket, "10.0.0.7 6379"));
    assert!(replay(&server.text).is_ok());
    server.tell(caught_up(ticket, "10.0.0.7 6379"));
    let what = objection_to(server);
    assert!(what.contains("no hand-over waits"), "{what}");

    let mut server = handing();
    server.tell(caught_up(ticket, "10.0.0.8 6379"));
    let what = objection_to(server);
    assert!(what.contains("cannot be to 10.0.0.8 6379"), "{what}");

    let mut server = handing();
    server.tell(Input::Expired { ticket, at: 10 });
    server.tell(Input::Expired { ticket, at: 10 });
    let what = objection_to(server);
    assert!(what.contains("no hand-over has ticket 1"), "{what}");
}

#[test]
fn who_was_not_asked_to_take_over_cannot_refuse() {
    let mut server = master();
    let attempt = server.request("10.0.0.7 6379");
    server.commit(attempt, 0);
    server.tell(Input::Rejected {
        generation: 1,
        said: Refusal::Master { second: None },
    });
    let what = objection_to(server);
    assert!(what.contains("connection 1 is Asked"), "{what}");
}
