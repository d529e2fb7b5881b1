//! What happens when it happens: inputs to the nodes, and their deeds in the world.

use damselfly_core::properties::{Broken, Property};
use damselfly_core::{
    Aim, Answer, Data, Failover, Heir, History, Input, Node, Output, Position, Promise, Refusal,
    Reply, Resume, Role,
};

use super::action::{Ask, What};
use super::{Action, Fault, Member, Nodes, Said, Size, Snapshot, Stage, Wire};
use crate::tiny::{FIRST_OFFSET, OTHER, Tiny};

/// The one connection of a node, in every representative.
pub(super) const LIVE: u8 = 1;

/// A write of the stream at the gate.
struct Waiting {
    at: u8,
    generation: u8,
    id: u8,
}

impl Nodes {
    /// Lets `action` happen; what that broke.
    pub fn act(&mut self, size: &Size, action: Action) -> Broken {
        let Action { at, what } = action;
        let mut broken = Broken::default();
        if size.commands.is_some() && action.is_command() {
            self.spent += 1;
        }
        let before = (size.fault == Some(Fault::NobodyDropped)).then(|| self.clone());
        match what {
            What::Write => {
                let id = self.fresh_write();
                let member = self.member_mut(at);
                member.data.push(id);
                member.offset += u8::from(member.active);
            }
            What::Follow(to, ask) => self.replicaof(size, at, to, ask, &mut broken),
            What::NoOne => self.no_one(size, at, false, &mut broken),
            What::GiveUp => self.no_one(size, at, true, &mut broken),
            What::Dials(ask) => {
                let generation = self.generation(at);
                let peer = Some(OTHER);
                self.tell(at, Input::Dialed { generation, peer }, &mut broken);
                self.heard(size, at, ask, &mut broken);
            }
            What::Hears(ask) => self.hears(size, at, ask, &mut broken),
            What::Begins { flush } => self.begins(size, at, flush, &mut broken),
            What::Loaded => {
                let generation = self.generation(at);
                self.tell(at, Input::Loaded { generation }, &mut broken);
                self.member_mut(at).torn |= size.fault == Some(Fault::SwapEarly);
            }
            What::Batch => self.batch(at, &mut broken),
            What::Diverges => self.diverges(size, at, &mut broken),
            What::Half => {
                self.member_mut(at).torn = true;
                self.lost(at, &mut broken);
            }
            What::Cut => self.cut(size, at, &mut broken),
            What::Dies { follow, file } => self.dies(size, at, follow, file, &mut broken),
            What::Saves => {
                let member = self.member_mut(at);
                let claims = size.fault == Some(Fault::FileClaims);
                member.file = member.saved(claims);
            }
            What::Forgets => {
                let input = Input::HistoryBegan {
                    fresh: self.fresh_replid(),
                    at: self.member(at).offset,
                };
                if size.fault != Some(Fault::Uncounted) {
                    self.tell(at, input, &mut broken);
                }
                self.member_mut(at).active = false;
            }
            What::FailOver(_) | What::CaughtUp(_) | What::Expired | What::Abort => {
                self.hands_over(size, at, what, &mut broken);
            }
        }
        if let Some(before) = before
            && !matches!(what, What::Dies { .. } | What::Loaded)
        {
            self.reopen(&before);
        }
        self.look(size, &mut broken);
        broken
    }

    /// Those who were sent away since `before` are still there ([`Fault::NobodyDropped`]).
    fn reopen(&mut self, before: &Self) {
        for (member, before) in self.all.iter_mut().zip(&before.all) {
            if let (Some(wire), Some(before)) = (&mut member.wire, &before.wire)
                && (wire.to, wire.stage) == (before.to, before.stage)
            {
                wire.closed = before.closed;
            }
        }
    }

    /// The generation of the connection of `at`.
    fn generation(&self, at: u8) -> u8 {
        self.member(at).status().live.unwrap_or(LIVE)
    }

    fn lost(&mut self, at: u8, broken: &mut Broken) {
        let generation = self.generation(at);
        self.tell(at, Input::Lost { generation }, broken);
    }

    fn cut(&mut self, size: &Size, at: u8, broken: &mut Broken) {
        let asked = self.member(at).heir() == Some(Heir::Asked);
        if asked && size.fault == Some(Fault::LossIsRefusal) {
            let generation = self.generation(at);
            let said = Refusal::Other;
            self.tell(at, Input::Rejected { generation, said }, broken);
        } else {
            self.lost(at, broken);
        }
    }

    fn hands_over(&mut self, size: &Size, at: u8, what: What, broken: &mut Broken) {
        let member = self.member_mut(at);
        let (ticket, offset) = (member.node.issued(), member.offset);
        let input = match what {
            What::FailOver(aim) => Input::FailOver { aim },
            What::CaughtUp(target) => Input::CaughtUp {
                ticket,
                target,
                at: offset,
            },
            What::Expired => {
                let aim = member.node.role();
                member.forced |= matches!(
                    aim,
                    Role::Master {
                        handing: Some(Aim::Force(_))
                    }
                );
                Input::Expired { ticket, at: offset }
            }
            _ => {
                if size.fault == Some(Fault::AbortAlways) {
                    member.believes(Heir::Unasked);
                }
                Input::Abort
            }
        };
        self.tell(at, input, broken);
    }

    fn replicaof(&mut self, size: &Size, at: u8, to: u8, ask: Ask, broken: &mut Broken) {
        let stale = self.at_the_gate(at);
        let offset = self.member(at).offset;
        let target = to;
        let attempt = {
            // It arrives, connects and greets; nothing comes between.
            let member = self.member_mut(at);
            let mut out = damselfly_core::Outputs::new();
            let mut ghost = damselfly_core::properties::Ghost::about(&member.node);
            let input = Input::Requested { target };
            *broken = broken.and(ghost.step(&mut member.node, input, &mut out));
            out.drain().find_map(|deed| match deed {
                Output::Connect(attempt) => Some(attempt),
                _ => None,
            })
        };
        let Some(Ok(greeted)) = attempt.map(|attempt| attempt.greeted(Some(OTHER))) else {
            return broken.add(Property::NoSpuriousRefusal);
        };
        let input = Input::Commit {
            greeted,
            at: offset,
        };
        self.tell(at, input, broken);
        self.stopped(stale, broken);
        self.heard(size, at, ask, broken);
    }

    fn no_one(&mut self, size: &Size, at: u8, force: bool, broken: &mut Broken) {
        let stale = self.at_the_gate(at);
        let member = self.member(at);
        let input = Input::NoOne {
            force,
            fresh: self.fresh_replid(),
            // Where nothing is left, a new count begins.
            at: if member.torn {
                FIRST_OFFSET
            } else {
                member.offset
            },
        };
        let reply = self.tell(at, input, broken);
        if reply == Some(Reply::Ok) {
            self.promoted(size, at);
        }
        if let (Some(waiting), Some(Fault::NotAtRest)) = (&stale, size.fault) {
            self.member_mut(at).data.push(waiting.id);
            self.member_mut(at).offset += 1;
            broken.add(Property::NoSplitWrite);
        } else {
            self.stopped(stale, broken);
        }
    }

    /// It is a master by a command, whoever was to be one in its place.
    fn promoted(&mut self, size: &Size, at: u8) {
        let member = self.member_mut(at);
        (member.passed, member.forced) = (false, false);
        if size.fault == Some(Fault::SecondTooFar) {
            let mut parts = member.node.parts();
            if let Some(second) = &mut parts.history.second {
                second.until += 1;
            }
            member.node = Node::from_parts(parts);
        }
    }

    /// The next write of the stream of `at`, which may lie at the gate when its link is stopped.
    fn at_the_gate(&self, at: u8) -> Option<Waiting> {
        let wire = self.member(at).wire.as_ref()?;
        let Stage::Streaming(come) = wire.stage else {
            return None;
        };
        let id = self.source(wire).get(come)?;
        let generation = self.generation(at);
        Some(Waiting { at, generation, id })
    }

    /// The link was stopped; what lay at the gate asks now.
    fn stopped(&mut self, stale: Option<Waiting>, broken: &mut Broken) {
        if let Some(Waiting { at, generation, .. }) = stale {
            let to = self.member(at).offset + 1;
            // Should it be let through, that is found where it is done.
            self.tell(at, Input::Batch { generation, to }, broken);
        }
    }

    fn batch(&mut self, at: u8, broken: &mut Broken) {
        let before = self.member(at).data.len();
        let come = match self.member(at).wire.as_ref().map(|wire| wire.stage) {
            Some(Stage::Streaming(come)) => come,
            _ => before,
        };
        let to = self.member(at).offset + 1;
        let generation = self.generation(at);
        self.tell(at, Input::Batch { generation, to }, broken);
        // Nothing had stopped it: skipped is lost, and what it has already is not to come again.
        if come != before || self.member(at).data.len() != before + 1 {
            broken.add(Property::NoDoubleApply);
        }
    }

    /// A write of the stream is applied, and the dataset is not what the log says of it.
    fn diverges(&mut self, size: &Size, at: u8, broken: &mut Broken) {
        let generation = self.generation(at);
        self.batch(at, broken);
        // Those who follow get what the master has sent, and nothing after it: as good as if they were sent away.
        self.close(at);
        let id = self.fresh_write();
        self.member_mut(at).data.replace_last(id);
        if size.fault != Some(Fault::PassedOver) {
            self.tell(at, Input::Diverged { generation }, broken);
        }
    }

    /// Whether `member` may continue with the stream of `to`.
    pub(super) fn continues(&self, member: &Member, to: u8) -> bool {
        let mut history = member.node.history();
        // What a master has written since it is one counts from the commit on.
        history.at.offset = member.offset;
        let resumes = member.node.data() == Data::Whole;
        resumes && self.member(to).says_continue(history.resume(), None)
    }

    /// The `PSYNC` that `at` has just sent is heard, or not.
    fn heard(&mut self, size: &Size, at: u8, ask: Ask, broken: &mut Broken) {
        let Some(Wire {
            to,
            stage: Stage::Asked(resume, failover),
            ..
        }) = self.member(at).wire
        else {
            return;
        };
        if ask == Ask::Lost {
            return self.lost(at, broken);
        }
        let mut refusal = None;
        if let (Some(promise), Some(resume)) = (failover, resume) {
            let reply = self.take_over(size, at, to, resume, promise, broken);
            refusal = (reply != Some(Reply::Ok)).then_some(reply == Some(Reply::NotReplica));
        }
        let peer = self.member(to);
        let said = match (refusal, resume) {
            (Some(master), _) => Some(Said::Refused { master }),
            _ if !peer.serves(size.fault) => Some(Said::Refused { master: false }),
            (None, Some(resume)) if ask == Ask::Heard && peer.says_continue(resume, size.fault) => {
                let member = self.member(at);
                let come = (resume.from - 1).saturating_sub(FIRST_OFFSET);
                if come != member.data.len() || !peer.data.begins_with(&member.data) {
                    broken.add(Property::NoFalseContinue);
                }
                let twice = u8::from(size.fault == Some(Fault::AppliedTwice));
                let replid = peer.node.history().at.replid;
                Some(Said::Continue(replid, come.saturating_sub(twice)))
            }
            _ => None,
        };
        let stage = match said {
            None => Stage::Queued,
            Some(said) => Stage::Answered(said),
        };
        if let Some(wire) = &mut self.member_mut(at).wire {
            wire.stage = stage;
        }
        if failover.is_none() && said.is_some() {
            self.hears(size, at, Ask::Lost, broken);
        }
    }

    /// `at` asks `to` to take over.
    fn take_over(
        &mut self,
        size: &Size,
        at: u8,
        to: u8,
        resume: Resume<Tiny>,
        promise: Promise,
        broken: &mut Broken,
    ) -> Option<Reply> {
        let has_all = self.member(to).data.begins_with(&self.member(at).data);
        let blind = matches!(size.fault, Some(Fault::TakesBlindly | Fault::NobodyAsks));
        // Whoever gave the promise up says so.
        let forced = blind || promise == Promise::GivenUp;
        let input = Input::TakeOver {
            replid: resume.replid,
            from: (!forced).then_some(resume.from),
            fresh: self.fresh_replid(),
            at: self.member(to).offset,
        };
        let stale = self.at_the_gate(to);
        let reply = self.tell(to, input, broken);
        if reply == Some(Reply::Ok) {
            self.stopped(stale, broken);
            if !has_all && !self.member(at).forced {
                broken.add(Property::TakeoverKeepsWrites);
            }
            self.promoted(size, to);
            self.member_mut(at).passed = true;
        }
        reply
    }

    /// The answer to its `PSYNC` arrives at `at`.
    fn hears(&mut self, size: &Size, at: u8, ask: Ask, broken: &mut Broken) {
        let generation = self.generation(at);
        let peer = self.member(at).wire.map(|wire| self.member(wire.to));
        let second = peer.and_then(|peer| peer.node.history().second);
        let has_all = peer.is_some_and(|peer| peer.data.begins_with(&self.member(at).data));
        let member = self.member_mut(at);
        let ceding = member.status().failover != Failover::No;
        let Some(wire) = &mut member.wire else { return };
        let Stage::Answered(said) = wire.stage else {
            return;
        };
        let gone = wire.closed.is_some();
        let input = match said {
            Said::Continue(replid, come) => {
                wire.stage = Stage::Streaming(come);
                let replid = Some(replid);
                let answer = Answer::Continue { replid };
                Input::Answered { generation, answer }
            }
            Said::Refused { master } if ceding => {
                if size.fault == Some(Fault::AnyRefusal) {
                    member.believes(Heir::Asked);
                }
                if master && gone {
                    // What it went on from is asked for next.
                    return self.lost(at, broken);
                }
                let said = match master {
                    true => Refusal::Master { second },
                    false => Refusal::Other,
                };
                Input::Rejected { generation, said }
            }
            Said::Refused { .. } => Input::Lost { generation },
        };
        let proves = matches!(&input, Input::Rejected { said, .. } if *said != Refusal::Other);
        self.tell(at, input, broken);
        if size.fault == Some(Fault::AnyMaster) {
            self.member_mut(at).trusts();
        }
        let member = self.member(at);
        let follows = matches!(member.node.role(), Role::Replica { ceding: None, .. });
        if proves && follows && !has_all && !member.forced {
            broken.add(Property::TakeoverKeepsWrites);
        }
        // Whoever is master already is asked for its stream.
        self.heard(size, at, ask, broken);
    }

    /// The snapshot that `at` waits for begins at its master, and arrives.
    fn begins(&mut self, size: &Size, at: u8, flush: bool, broken: &mut Broken) {
        let Some(Wire { to, .. }) = self.member(at).wire else {
            return;
        };
        if !self.member(to).active {
            self.recount(to);
            // Writes so far were not counted: whoever compares offsets must see another history.
            if size.fault != Some(Fault::Uncounted) {
                let input = Input::HistoryBegan {
                    fresh: self.fresh_replid(),
                    at: self.member(to).offset,
                };
                self.tell(to, input, broken);
            }
            self.member_mut(to).active = true;
        }
        let peer = self.member(to);
        let snapshot = Snapshot {
            at: Position {
                replid: peer.node.history().at.replid,
                offset: peer.offset,
            },
            data: peer.data,
            torn: peer.torn,
        };
        let generation = self.generation(at);
        let answer = Answer::FullResync(snapshot.at);
        self.tell(at, Input::Answered { generation, answer }, broken);
        if self.member(at).status().live.is_none() {
            // It is not taken.
            return;
        }
        self.tell(at, Input::Configure { flush }, broken);
        if let Some(wire) = &mut self.member_mut(at).wire {
            wire.stage = Stage::Loading(snapshot);
        }
        // Whether it holds a key makes no other difference than to be told to flush.
        let empty = false;
        self.tell(at, Input::Began { generation, empty }, broken);
        self.tell(at, Input::Configure { flush: false }, broken);
    }

    /// The process of `at` dies, and another comes in its place.
    fn dies(
        &mut self,
        size: &Size,
        at: u8,
        follow: Option<u8>,
        with_file: bool,
        broken: &mut Broken,
    ) {
        self.close(at);
        let old = self.member(at).clone();
        let mut file = old.file.filter(|_| with_file);
        if let (Some(Fault::StaleIsCurrent), Some(file)) = (size.fault, &mut file)
            && let Some(position) = &mut file.position
        {
            position.offset = old.offset;
        }
        let keeps = size.fault == Some(Fault::KeepsName) && file.is_none();
        let fresh = match keeps {
            true => old.node.history().at.replid,
            false => self.fresh_replid(),
        };
        let mut member = Member::start(follow, fresh, file);
        member.file = old.file.filter(|_| with_file);
        member.active |= keeps;
        *self.member_mut(at) = member;
        let position = file.and_then(|file| file.position);
        self.tell(at, Input::Restored { position }, broken);
        if let (Some(Fault::FileIsHistory), Some(position)) = (size.fault, position) {
            let member = self.member_mut(at);
            let mut parts = member.node.parts();
            parts.history = History::new(position);
            member.node = Node::from_parts(parts);
        }
    }
}
