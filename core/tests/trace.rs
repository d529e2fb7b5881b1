//! The trace: what is written is read back, and what was tampered with is found.

use damselfly_core::trace::{Entry, Fact, Reader, Recorder, deed};
use damselfly_core::*;
use std::{fmt, str::FromStr};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Small;

/// A name that is anything but a word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Odd(&'static str);

const ODD: &[&str] = &[
    "a",
    "",
    "-",
    "a b",
    "100%",
    "%",
    "%41",
    "x\n~y\r",
    "ü: \u{a0}",
    "~",
];

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Odd {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        ODD.iter().find(|o| **o == s).map(|o| Odd(o)).ok_or(())
    }
}

impl Domain for Small {
    type Host = Odd;
    type RunId = u8;
    type ReplId = Odd;
    type Offset = u64;
    type Ticket = u64;
    type Generation = u64;
    fn next_ticket(ticket: u64) -> u64 {
        ticket + 1
    }
    fn next_generation(generation: u64) -> u64 {
        generation + 1
    }
    fn next_offset(offset: u64) -> u64 {
        offset + 1
    }
}

fn boot() -> Boot<Small> {
    Boot {
        me: 7,
        fresh: Odd("a"),
        offset: 0,
        ticket: 0,
        generation: 0,
        follow: Some(Odd("-")),
        flush: true,
    }
}

/// Every shape of an input but `Commit`, with every odd name.
fn inputs() -> Vec<Input<Small>> {
    let mut all = vec![
        Input::Restored { position: None },
        Input::Began {
            generation: 3,
            empty: true,
        },
        Input::Began {
            generation: 3,
            empty: false,
        },
        Input::Loaded { generation: 3 },
        Input::Batch {
            generation: 3,
            to: u64::MAX,
        },
        Input::Diverged { generation: 3 },
        Input::Lost { generation: 3 },
        Input::FailOver { aim: Aim::Any },
        Input::Expired { ticket: 4, at: 5 },
        Input::Abort,
        Input::Rejected {
            generation: 3,
            said: Refusal::Master {
                second: Some(Second {
                    replid: Odd(ODD[0]),
                    until: u64::MAX,
                }),
            },
        },
        Input::Rejected {
            generation: 3,
            said: Refusal::Master { second: None },
        },
        Input::Rejected {
            generation: 3,
            said: Refusal::Other,
        },
        Input::Timer { generation: 3 },
        Input::Configure { flush: true },
        Input::Configure { flush: false },
        Input::Dialed {
            generation: 3,
            peer: None,
        },
        Input::Dialed {
            generation: 3,
            peer: Some(9),
        },
        Input::Answered {
            generation: 3,
            answer: Answer::Continue { replid: None },
        },
    ];
    for id in ODD.iter().map(|o| Odd(o)) {
        let at = Position {
            replid: id,
            offset: 5,
        };
        all.extend([
            Input::Restored { position: Some(at) },
            Input::Requested { target: id },
            Input::NoOne {
                force: true,
                fresh: id,
                at: 5,
            },
            Input::NoOne {
                force: false,
                fresh: id,
                at: 5,
            },
            Input::Answered {
                generation: 3,
                answer: Answer::Continue { replid: Some(id) },
            },
            Input::Answered {
                generation: 3,
                answer: Answer::FullResync(at),
            },
            Input::HistoryBegan { fresh: id, at: 5 },
            Input::FailOver { aim: Aim::One(id) },
            Input::FailOver {
                aim: Aim::Force(id),
            },
            Input::CaughtUp {
                ticket: 4,
                target: id,
                at: 5,
            },
            Input::TakeOver {
                replid: id,
                from: Some(6),
                fresh: id,
                at: 5,
            },
            Input::TakeOver {
                replid: id,
                from: None,
                fresh: id,
                at: 5,
            },
        ]);
    }
    all
}

fn facts(text: &str) -> Result<Vec<Fact<Small>>, trace::Damage> {
    let (_, _, mut reader) = Reader::open::<Small>(text)?;
    let mut facts = Vec::new();
    while let Some(entry) = reader.entry::<Small>()? {
        if let Entry::Fact(fact) = entry {
            facts.push(fact);
        }
    }
    Ok(facts)
}

#[test]
fn what_is_written_is_read_back() {
    let mut text = String::new();
    let mut recorder = Recorder::begin("v2", &boot(), &mut text);
    for input in inputs() {
        recorder.fact(&input, &mut text);
    }
    recorder.failed::<Small>(4, &mut text);
    recorder.end(&mut text);
    let (algorithm, read, _) = Reader::open::<Small>(&text).unwrap();
    assert_eq!(algorithm, "v2");
    assert_eq!(format!("{read:?}"), format!("{:?}", boot()));
    let mut expected: Vec<_> = inputs().into_iter().map(Fact::Input).collect();
    expected.push(Fact::Failed(4));
    assert_eq!(facts(&text).unwrap(), expected);
}

/// A trace of a real node, which has commits and deeds in it.
fn session() -> String {
    let mut text = String::new();
    let mut recorder = Recorder::begin("v2", &boot(), &mut text);
    let mut node = Node::new(boot());
    let mut step = |input: Input<Small>| {
        let mut out = Outputs::new();
        recorder.fact(&input, &mut text);
        node.step(input, &mut out);
        recorder.deeds(&out, &mut text);
        out
    };
    step(Input::Restored { position: None });
    let mut out = step(Input::Requested { target: Odd("a b") });
    let greeted = match out.drain().next() {
        Some(Output::Connect(attempt)) => attempt.greeted(None).unwrap(),
        other => panic!("{other:?}"),
    };
    step(Input::Commit { greeted, at: 0 });
    step(Input::Answered {
        generation: 2,
        answer: Answer::FullResync(Position {
            replid: Odd("%"),
            offset: 8,
        }),
    });
    step(Input::Began {
        generation: 2,
        empty: false,
    });
    step(Input::Loaded { generation: 2 });
    step(Input::Lost { generation: 2 });
    step(Input::NoOne {
        force: false,
        fresh: Odd("~"),
        at: 8,
    });
    recorder.end(&mut text);
    text
}

#[test]
fn a_session_reads_as_it_happened() {
    let text = session();
    let (_, _, mut reader) = Reader::open::<Small>(&text).unwrap();
    let mut node = Node::new(boot());
    let mut out = Outputs::new();
    let mut expected: Vec<String> = Vec::new();
    let mut attempts = Vec::new();
    while let Some(entry) = reader.entry::<Small>().unwrap() {
        match entry {
            Entry::Deed(said) => assert_eq!(said, expected.remove(0)),
            Entry::End => break,
            Entry::Fact(fact) => {
                assert!(expected.is_empty());
                let input = match fact {
                    Fact::Input(input) => input,
                    Fact::Failed(_) => unreachable!(),
                    Fact::Commit { ticket, target, at } => {
                        let attempt: Attempt<Small> = attempts.remove(0);
                        assert_eq!((attempt.ticket(), attempt.target()), (ticket, target));
                        Input::Commit {
                            greeted: attempt.greeted(None).unwrap(),
                            at,
                        }
                    }
                };
                node.step(input, &mut out);
                expected = out.as_slice().iter().map(deed).collect();
                attempts.extend(out.drain().filter_map(|o| match o {
                    Output::Connect(attempt) => Some(attempt),
                    _ => None,
                }));
            }
        }
    }
    assert!(expected.is_empty());
}

#[test]
fn a_changed_line_is_named() {
    let text = session();
    let lines: Vec<&str> = text.lines().collect();
    for at in 0..lines.len() - 1 {
        let mut without = lines.clone();
        without.remove(at);
        let damage = facts(&(without.join("\n") + "\n")).unwrap_err();
        assert_eq!(damage.line, at + 1, "line {} deleted: {damage}", at + 1);

        let mut edited: Vec<String> = lines.iter().map(|l| l.to_string()).collect();
        edited[at] = edited[at].replacen(' ', "  ", 1);
        let damage = facts(&(edited.join("\n") + "\n")).unwrap_err();
        assert_eq!(damage.line, at + 1, "line {} edited: {damage}", at + 1);
    }
    assert_eq!(
        facts(&(text + "more")).unwrap_err().what,
        "a line after the end"
    );
}

#[test]
fn a_kill_may_cut_the_last_line() {
    let text = session();
    let head = text.match_indices('\n').nth(1).unwrap().0 + 1;
    let whole = facts(&text).unwrap();
    for cut in (head..text.len()).filter(|at| text.is_char_boundary(*at)) {
        let part = facts(&text[..cut]).unwrap();
        assert_eq!(part[..], whole[..part.len()]);
    }
}
