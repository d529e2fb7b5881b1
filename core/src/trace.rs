//! What a node was told and what it did, as text: written by the server (`--trace FILE`), read by
//! `damselfly-model replay`.
//!
//! ```text
//! damselfly-trace 1 v2 ~6f1b0d2e
//! boot 3f…c1 90…aa 0 0 0 - staging ~…          run id, replid, offset, ticket, generation, --replicaof, full sync
//! > restored - ~…
//! > requested 10.0.0.7:6379 ~…                  a fact
//! < connect 1 10.0.0.7:6379 ~…                  a deed that followed from it
//! > commit 1 10.0.0.7:6379 0 ~…
//! < adopt 1 ~…
//! < psync 1 90…aa 1 ~…
//! < reply ok ~…
//! end ~…                                        an orderly shutdown; missing after a kill
//! ```
//!
//! One line a fact, then its deeds. Words are separated by one space, `-` means none, and what would
//! not survive as a word is written `%20`. Every line ends in a sum over itself and all lines before
//! it, so a line that was edited, deleted or moved is found whatever it says; a last line that was
//! not written to its end is ignored. Deeds are not read back: who replays steps the algorithm and
//! compares what it [would write](deed) with what was written.

mod words;

use self::words::{Escape, Sum, unescape};
use alloc::string::String;
use core::fmt::{self, Display, Write};
use core::str::FromStr;

use crate::{
    Aim, Answer, Boot, Domain, Input, Output, Outputs, Position, Promise, Refusal, Reply, Second,
};

/// A domain whose ids can be written and read back.
pub trait Text:
    Domain<
        Host: Display + FromStr,
        RunId: Display + FromStr,
        ReplId: Display + FromStr,
        Offset: Display + FromStr,
        Ticket: Display + FromStr,
        Generation: Display + FromStr,
    >
{
}

impl<D> Text for D where
    D: Domain<
            Host: Display + FromStr,
            RunId: Display + FromStr,
            ReplId: Display + FromStr,
            Offset: Display + FromStr,
            Ticket: Display + FromStr,
            Generation: Display + FromStr,
        >
{
}

const MAGIC: &str = "damselfly-trace 1";

/// Writes a trace. Every method appends whole lines to `text`; the caller writes them to a file,
/// the lines of one step together.
#[derive(Clone, Debug)]
pub struct Recorder {
    sum: Sum,
}

impl Recorder {
    /// The head of a trace: which algorithm (`v2`, `v1`), and how its node was started.
    pub fn begin<D: Text>(algorithm: &str, boot: &Boot<D>, text: &mut String) -> Self {
        let mut recorder = Self { sum: Sum::new() };
        recorder.line(text, |l| {
            l.bare(MAGIC);
            l.word(&algorithm)
        });
        recorder.line(text, |l| {
            l.bare("boot");
            l.word(&boot.me).word(&boot.fresh).word(&boot.offset);
            l.word(&boot.ticket).word(&boot.generation);
            l.option(boot.follow.as_ref()).mode(boot.flush)
        });
        recorder
    }

    /// A fact, before the algorithm is stepped with it.
    pub fn fact<D: Text>(&mut self, input: &Input<D>, text: &mut String) {
        self.line(text, |l| {
            l.bare("> ");
            match input {
                Input::Restored { position: None } => l.bare("restored -"),
                Input::Restored { position: Some(p) } => l.bare("restored").position(p),
                Input::Requested { target } => l.bare("requested").word(target),
                Input::Commit { greeted, at } => l
                    .bare("commit")
                    .word(&greeted.ticket())
                    .word(&greeted.target())
                    .word(at),
                Input::NoOne { force, fresh, at } => l
                    .bare("no-one")
                    .bare(if *force { " force" } else { " plain" })
                    .word(fresh)
                    .word(at),
                Input::Dialed { generation, peer } => {
                    l.bare("dialed").word(generation).option(peer.as_ref())
                }
                Input::Answered { generation, answer } => {
                    l.bare("answered").word(generation);
                    match answer {
                        Answer::Continue { replid } => l.bare(" continue").option(replid.as_ref()),
                        Answer::FullResync(at) => l.bare(" full").position(at),
                    }
                }
                Input::Began { generation, empty } => l
                    .bare("began")
                    .word(generation)
                    .bare(if *empty { " empty" } else { " keys" }),
                Input::Loaded { generation } => l.bare("loaded").word(generation),
                Input::Batch { generation, to } => l.bare("batch").word(generation).word(to),
                Input::Diverged { generation } => l.bare("diverged").word(generation),
                Input::Lost { generation } => l.bare("lost").word(generation),
                Input::Timer { generation } => l.bare("timer").word(generation),
                Input::Configure { flush } => l.bare("configure").mode(*flush),
                Input::HistoryBegan { fresh, at } => l.bare("history-began").word(fresh).word(at),
                Input::FailOver { aim } => l.bare("fail-over").aim(aim),
                Input::CaughtUp { ticket, target, at } => {
                    l.bare("caught-up").word(ticket).word(target).word(at)
                }
                Input::Expired { ticket, at } => l.bare("expired").word(ticket).word(at),
                Input::Abort => l.bare("abort"),
                Input::Rejected { generation, said } => {
                    l.bare("rejected").word(generation);
                    match said {
                        Refusal::Other => l.bare(" other"),
                        Refusal::Master { second } => (l.bare(" master"))
                            .option(second.map(|second| second.replid).as_ref())
                            .option(second.map(|second| second.until).as_ref()),
                    }
                }
                Input::TakeOver {
                    replid,
                    from,
                    fresh,
                    at,
                } => (l.bare("take-over").word(replid))
                    .option(from.as_ref())
                    .word(fresh)
                    .word(at),
            }
        });
    }

    /// An attempt ended before it was greeted ([`Protocol::attempt_failed`](crate::Protocol)).
    pub fn failed<D: Text>(&mut self, ticket: D::Ticket, text: &mut String) {
        self.line(text, |l| l.bare("> failed").word(&ticket));
    }

    /// The deeds that followed from the last fact, if any.
    pub fn deeds<D: Text>(&mut self, outputs: &Outputs<D>, text: &mut String) {
        for output in outputs.as_slice() {
            self.line(text, |l| l.bare("< ").deed(output));
        }
    }

    /// The node was shut down in order; nothing follows.
    pub fn end(mut self, text: &mut String) {
        self.line(text, |l| l.bare("end"));
    }

    /// A line is written for every batch of a stream, so it is made where it stays, and the sum by hand.
    fn line(
        &mut self,
        text: &mut String,
        write: impl for<'l, 't> FnOnce(&'l mut Line<'t>) -> &'l mut Line<'t>,
    ) {
        let begin = text.len();
        write(&mut Line(text));
        self.sum.add(&text[begin..]);
        text.push_str(" ~");
        for digit in (0..8).rev() {
            let digit = self.sum.0 >> (4 * digit) & 0xf;
            text.push(char::from_digit(digit, 16).unwrap_or('0'));
        }
        text.push('\n');
    }
}

/// A deed as the trace says it, without the `<` and the sum.
pub fn deed<D: Text>(output: &Output<D>) -> String {
    let mut text = String::new();
    Line(&mut text).deed(output);
    text
}

/// A line in the making, at the end of a text.
struct Line<'t>(&'t mut String);

impl Line<'_> {
    fn bare(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    fn word(&mut self, value: &dyn Display) -> &mut Self {
        self.0.push(' ');
        let begin = self.0.len();
        // Writing to a String cannot fail.
        let _ = write!(Escape(self.0), "{value}");
        if self.0.len() == begin {
            self.0.push('%');
        } else if &self.0[begin..] == "-" {
            self.0.replace_range(begin.., "%2d");
        }
        self
    }

    fn option<T: Display>(&mut self, value: Option<&T>) -> &mut Self {
        match value {
            Some(value) => self.word(value),
            None => self.bare(" -"),
        }
    }

    fn position<D: Text>(&mut self, at: &Position<D>) -> &mut Self {
        self.word(&at.replid).word(&at.offset)
    }

    fn mode(&mut self, flush: bool) -> &mut Self {
        self.bare(if flush { " flush" } else { " staging" })
    }

    fn aim<D: Text>(&mut self, aim: &Aim<D>) -> &mut Self {
        match aim {
            Aim::Any => self.bare(" any"),
            Aim::One(host) => self.bare(" one").word(host),
            Aim::Force(host) => self.bare(" force").word(host),
        }
    }

    fn deed<D: Text>(&mut self, output: &Output<D>) -> &mut Self {
        match output {
            Output::Reply(reply) => self.bare("reply ").bare(match reply {
                Reply::Ok => "ok",
                Reply::AlreadyConnected => "already-connected",
                Reply::Superseded => "superseded",
                Reply::Cancelled => "cancelled",
                Reply::Loading => "loading",
                Reply::NoDataset => "no-dataset",
                Reply::FailingOver => "failing-over",
                Reply::AlreadyFailingOver => "already-failing-over",
                Reply::NotMaster => "not-master",
                Reply::NoFailover => "no-failover",
                Reply::PromotionAsked => "promotion-asked",
                Reply::CannotSync => "cannot-sync",
                Reply::NoMasterLink => "no-master-link",
                Reply::NotReplica => "not-replica",
                Reply::OtherHistory => "other-history",
                Reply::Behind => "behind",
                Reply::NoHandOver => "no-hand-over",
            }),
            Output::Connect(attempt) => self
                .bare("connect")
                .word(&attempt.ticket())
                .word(&attempt.target()),
            Output::CancelBefore(ticket) => self.bare("cancel-before").word(ticket),
            Output::Stop(generation) => self.bare("stop").word(generation),
            Output::Adopt(generation) => self.bare("adopt").word(generation),
            Output::Dial { generation, target } => self.bare("dial").word(generation).word(target),
            Output::Psync {
                generation,
                resume,
                failover,
            } => {
                self.bare("psync").word(generation);
                match resume {
                    Some(resume) => self.word(&resume.replid).word(&resume.from),
                    None => self.bare(" -"),
                };
                self.bare(match failover {
                    None => "",
                    Some(Promise::Kept) => " failover",
                    Some(Promise::GivenUp) => " failover force",
                })
            }
            Output::Arm(generation) => self.bare("arm").word(generation),
            Output::Stage(generation) => self.bare("stage").word(generation),
            Output::DropAndLoad(generation) => self.bare("drop-and-load").word(generation),
            Output::Swap(generation, at) => self.bare("swap").word(generation).position(at),
            Output::Discard(generation) => self.bare("discard").word(generation),
            Output::Apply { generation, to } => self.bare("apply").word(generation).word(to),
            Output::DropReplicas => self.bare("drop-replicas"),
            Output::Empty(at) => self.bare("empty").position(at),
            Output::Watch { ticket, aim } => self.bare("watch").word(ticket).aim(aim),
        }
    }
}

/// A fact as it stands in a trace.
#[derive(PartialEq, Eq, Debug)]
pub enum Fact<D: Domain> {
    /// An input, ready to be stepped.
    Input(Input<D>),
    /// [`Input::Commit`], whose attempt only the algorithm that asked to connect can give.
    Commit {
        /// The attempt's ticket.
        ticket: D::Ticket,
        /// The master that was greeted.
        target: D::Host,
        /// The offset of the dataset held.
        at: D::Offset,
    },
    /// An attempt ended before it was greeted.
    Failed(D::Ticket),
}

/// A line after the head.
#[derive(PartialEq, Eq, Debug)]
pub enum Entry<'a, D: Domain> {
    /// The node was told this.
    Fact(Fact<D>),
    /// It did this; in the words of [`deed`].
    Deed(&'a str),
    /// The orderly end.
    End,
}

/// What is wrong with a trace, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl core::error::Error for Damage {}

/// Reads a trace.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a str,
    line: usize,
    sum: Sum,
}

impl<'a> Reader<'a> {
    /// Reads the head of `text`: the name of the algorithm, and how its node was started.
    ///
    /// # Errors
    /// The head is not whole, or not one this program writes.
    pub fn open<D: Text>(text: &'a str) -> Result<(&'a str, Boot<D>, Self), Damage> {
        let mut reader = Self {
            rest: text,
            line: 0,
            sum: Sum::new(),
        };
        let magic = reader.line()?.ok_or(reader.damage("no head"))?;
        let algorithm = magic
            .strip_prefix(MAGIC)
            .ok_or(reader.damage("not a trace, or of another version"))?;
        let boot = reader.line()?.ok_or(reader.damage("no boot line"))?;
        let boot = read_boot(boot).ok_or(reader.damage("not a boot line"))?;
        Ok((algorithm.trim_start(), boot, reader))
    }

    /// The number of the line read last, counted from 1.
    pub fn line_number(&self) -> usize {
        self.line
    }

    /// The next line; none at the end, or where the last line is not whole.
    ///
    /// # Errors
    /// The line is not what was written there.
    pub fn entry<D: Text>(&mut self) -> Result<Option<Entry<'a, D>>, Damage> {
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        if line == "end" {
            if !self.rest.is_empty() {
                self.line += 1;
                return Err(self.damage("a line after the end"));
            }
            return Ok(Some(Entry::End));
        }
        if let Some(deed) = line.strip_prefix("< ") {
            return Ok(Some(Entry::Deed(deed)));
        }
        let fact = line.strip_prefix("> ").and_then(read_fact);
        fact.map(|fact| Some(Entry::Fact(fact)))
            .ok_or(self.damage("not a line of a trace"))
    }

    fn damage(&self, what: &'static str) -> Damage {
        Damage {
            line: self.line,
            what,
        }
    }

    /// The next whole line, without its sum.
    fn line(&mut self) -> Result<Option<&'a str>, Damage> {
        let Some((line, rest)) = self.rest.split_once('\n') else {
            return Ok(None);
        };
        self.rest = rest;
        self.line += 1;
        let (said, sum) = line
            .rsplit_once(" ~")
            .ok_or(self.damage("no sum at its end"))?;
        self.sum.add(said);
        let mut right = String::new();
        let _ = write!(right, "{:08x}", self.sum.0);
        if sum != right {
            return Err(self.damage("its sum is wrong: it or a line before it was changed"));
        }
        Ok(Some(said))
    }
}

/// The words of a line, each read as what is expected.
struct Words<'a>(core::str::Split<'a, char>);

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        Self(line.split(' '))
    }

    fn raw(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn value<T: FromStr>(&mut self) -> Option<T> {
        unescape(self.raw()?)?.parse().ok()
    }

    /// `-`, or a value.
    fn option<T: FromStr>(&mut self) -> Option<Option<T>> {
        match self.raw()? {
            "-" => Some(None),
            word => Some(Some(unescape(word)?.parse().ok()?)),
        }
    }

    fn position<D: Text>(&mut self) -> Option<Position<D>> {
        Some(Position {
            replid: self.value()?,
            offset: self.value()?,
        })
    }

    /// One of two words: the first is true.
    fn either(&mut self, yes: &str, no: &str) -> Option<bool> {
        match self.raw()? {
            word if word == yes => Some(true),
            word if word == no => Some(false),
            _ => None,
        }
    }

    fn end(mut self) -> Option<()> {
        self.raw().is_none().then_some(())
    }
}

fn read_boot<D: Text>(line: &str) -> Option<Boot<D>> {
    let mut words = Words::of(line.strip_prefix("boot ")?);
    let boot = Boot {
        me: words.value()?,
        fresh: words.value()?,
        offset: words.value()?,
        ticket: words.value()?,
        generation: words.value()?,
        follow: words.option()?,
        flush: words.either("flush", "staging")?,
    };
    words.end()?;
    Some(boot)
}

fn read_fact<D: Text>(line: &str) -> Option<Fact<D>> {
    let mut words = Words::of(line);
    let input = match words.raw()? {
        "restored" if line == "restored -" => {
            return Some(Fact::Input(Input::Restored { position: None }));
        }
        "restored" => Input::Restored {
            position: Some(words.position()?),
        },
        "requested" => Input::Requested {
            target: words.value()?,
        },
        "commit" => {
            let fact = Fact::Commit {
                ticket: words.value()?,
                target: words.value()?,
                at: words.value()?,
            };
            words.end()?;
            return Some(fact);
        }
        "failed" => {
            let ticket = words.value()?;
            words.end()?;
            return Some(Fact::Failed(ticket));
        }
        "no-one" => Input::NoOne {
            force: words.either("force", "plain")?,
            fresh: words.value()?,
            at: words.value()?,
        },
        "dialed" => Input::Dialed {
            generation: words.value()?,
            peer: words.option()?,
        },
        "answered" => Input::Answered {
            generation: words.value()?,
            answer: if words.either("continue", "full")? {
                Answer::Continue {
                    replid: words.option()?,
                }
            } else {
                Answer::FullResync(words.position()?)
            },
        },
        "began" => Input::Began {
            generation: words.value()?,
            empty: words.either("empty", "keys")?,
        },
        "loaded" => Input::Loaded {
            generation: words.value()?,
        },
        "batch" => Input::Batch {
            generation: words.value()?,
            to: words.value()?,
        },
        "diverged" => Input::Diverged {
            generation: words.value()?,
        },
        "lost" => Input::Lost {
            generation: words.value()?,
        },
        "timer" => Input::Timer {
            generation: words.value()?,
        },
        "configure" => Input::Configure {
            flush: words.either("flush", "staging")?,
        },
        "history-began" => Input::HistoryBegan {
            fresh: words.value()?,
            at: words.value()?,
        },
        "fail-over" => Input::FailOver {
            aim: match words.raw()? {
                "any" => Aim::Any,
                "one" => Aim::One(words.value()?),
                "force" => Aim::Force(words.value()?),
                _ => return None,
            },
        },
        "caught-up" => Input::CaughtUp {
            ticket: words.value()?,
            target: words.value()?,
            at: words.value()?,
        },
        "expired" => Input::Expired {
            ticket: words.value()?,
            at: words.value()?,
        },
        "abort" => Input::Abort,
        "rejected" => Input::Rejected {
            generation: words.value()?,
            said: match words.raw()? {
                "other" => Refusal::Other,
                "master" => Refusal::Master {
                    second: (words.option()?.zip(words.option()?))
                        .map(|(replid, until)| Second { replid, until }),
                },
                _ => return None,
            },
        },
        "take-over" => Input::TakeOver {
            replid: words.value()?,
            from: words.option()?,
            fresh: words.value()?,
            at: words.value()?,
        },
        _ => return None,
    };
    words.end()?;
    Some(Fact::Input(input))
}
