//! The transitions: one handler an input, in the order of REPLICAOF.md.

use crate::{
    Answer, Attempt, Data, Domain, Greeted, Heir, History, Input, Link, Node, Output, Outputs,
    Place, Position, Reply, Role,
};

impl<D: Domain> Node<D> {
    /// Takes one fact and appends the deeds that follow from it. Total: it never fails, whatever the
    /// input; a completion of a connection that is no longer the live one changes nothing.
    pub fn step(&mut self, input: Input<D>, out: &mut Outputs<D>) {
        match input {
            Input::Restored { position } => self.restored(position, out),
            Input::Requested { target } => self.requested(target, out),
            Input::Commit { greeted, at } => self.commit(greeted, at, out),
            Input::NoOne { force, fresh, at } => self.no_one(force, fresh, at, out),
            Input::Dialed { generation, peer } => self.dialed(generation, peer, out),
            Input::Answered { generation, answer } => self.answered(generation, answer, out),
            Input::Began { generation, empty } => self.began(generation, empty, out),
            Input::Loaded { generation } => self.loaded(generation, out),
            Input::Batch { generation, to } => self.batch(generation, to, out),
            Input::Diverged { generation } => self.diverged(generation, out),
            Input::Lost { generation } => self.lost(generation, out),
            Input::Timer { generation } => self.timer(generation, out),
            Input::Configure { flush } => self.flush = flush,
            Input::HistoryBegan { fresh, at } => self.history_began(fresh, at),
            Input::FailOver { aim } => self.fail_over(aim, out),
            Input::CaughtUp { ticket, target, at } => self.caught_up(ticket, target, at, out),
            Input::Expired { ticket, at } => self.expired(ticket, at, out),
            Input::Abort => self.abort(out),
            Input::Rejected { generation, said } => self.rejected(generation, said, out),
            Input::TakeOver {
                replid,
                from,
                fresh,
                at,
            } => self.take_over(replid, from, fresh, at, out),
        }
    }

    fn restored(&mut self, position: Option<Position<D>>, out: &mut Outputs<D>) {
        if self.data != Data::Restoring {
            return;
        }
        self.data = Data::Whole;
        let fresh = self.history.at.replid;
        if let Some(position) = position {
            self.history = History::new(position);
        }
        match self.role {
            Role::Replica { target, .. } => self.dial(target, out),
            // The file may be older than what our replicas hold: they may resume from where it
            // ends, and what we write from here on must not be taken for what we wrote before.
            Role::Master { .. } if position.is_some() => self.history.shift(fresh),
            Role::Master { .. } => {}
        }
    }

    /// "A REPLICAOF host port command is an attempt. It takes a ticket when it arrives."
    fn requested(&mut self, target: D::Host, out: &mut Outputs<D>) {
        if self.data == Data::Restoring {
            return out.push(Output::Reply(Reply::Loading));
        }
        if self.fails_over() {
            return out.push(Output::Reply(Reply::FailingOver));
        }
        let ticket = self.take_ticket();
        match self.role {
            // "The same target again": commits and fences, and wakes a link that waits.
            Role::Replica {
                target: held, link, ..
            } if held == target => {
                self.committed = ticket;
                // Whatever it holds, it is wanted.
                self.cede_no_more();
                if let Link::Waiting { .. } = link {
                    self.dial(target, out);
                }
                out.push(Output::Reply(Reply::AlreadyConnected));
            }
            _ => out.push(Output::Connect(Attempt::new(ticket, target, self.me))),
        }
    }

    /// The one step in which a `REPLICAOF` takes effect.
    fn commit(&mut self, greeted: Greeted<D>, at: D::Offset, out: &mut Outputs<D>) {
        let Greeted { ticket, target } = greeted;
        if ticket < self.cancelled {
            return out.push(Output::Reply(Reply::Cancelled));
        }
        if self.fails_over() {
            return out.push(Output::Reply(Reply::FailingOver));
        }
        let held = match self.role {
            Role::Replica {
                target: held, link, ..
            } if held == target => Some(link),
            _ => None,
        };
        if ticket < self.committed {
            // A later command has won; this one did what it should only if that one did the same.
            let reply = if held.is_some() {
                Reply::Ok
            } else {
                Reply::Superseded
            };
            return out.push(Output::Reply(reply));
        }
        self.committed = ticket;
        self.cede_no_more();
        match held {
            // A sync with this very master is under way: a second connection would only restart it.
            Some(
                Link::Asked { .. }
                | Link::Promised { .. }
                | Link::Loading { .. }
                | Link::Streaming { .. },
            ) => {}
            Some(Link::Held | Link::Waiting { .. } | Link::Dialing { .. }) | None => {
                self.stop_link(out);
                self.history.at.offset = at;
                let generation = self.take_generation();
                out.push(Output::Adopt(generation));
                let link = self.ask(generation, out);
                self.role = Role::Replica {
                    target,
                    link,
                    ceding: None,
                };
            }
        }
        out.push(Output::Reply(Reply::Ok));
    }

    /// Promotion. Needs no connection, so it commits at once and cancels whatever is connecting.
    pub(crate) fn no_one(
        &mut self,
        force: bool,
        fresh: D::ReplId,
        at: D::Offset,
        out: &mut Outputs<D>,
    ) {
        match self.data {
            Data::Restoring => return out.push(Output::Reply(Reply::Loading)),
            Data::Missing if !force => return out.push(Output::Reply(Reply::NoDataset)),
            // An operator who forces it knows what has become of the other side.
            Data::Whole | Data::Diverged if self.fails_over() && !force => {
                return out.push(Output::Reply(Reply::FailingOver));
            }
            Data::Missing | Data::Whole | Data::Diverged => {}
        }
        let ticket = self.take_ticket();
        self.committed = ticket;
        self.cancelled = ticket;
        let replica = matches!(self.role, Role::Replica { .. });
        if replica {
            self.stop_link(out);
        }
        self.role = Role::Master { handing: None };
        if replica {
            let begin = Position {
                replid: fresh,
                offset: at,
            };
            match self.data {
                Data::Missing => out.push(Output::Empty(begin)),
                Data::Restoring | Data::Whole | Data::Diverged => out.push(Output::DropReplicas),
            }
            if self.data == Data::Whole {
                self.history.at.offset = at;
                self.history.shift(fresh);
            } else {
                // Nobody holds what we hold: nobody resumes from the history before.
                self.history = History::new(begin);
                self.data = Data::Whole;
            }
        }
        out.push(Output::CancelBefore(ticket));
        out.push(Output::Reply(Reply::Ok));
    }

    fn dialed(&mut self, generation: D::Generation, peer: Option<D::RunId>, out: &mut Outputs<D>) {
        if let Some(link @ Link::Dialing { .. }) = self.live_link(generation) {
            if peer == Some(self.me) {
                return self.break_link(link, out);
            }
            let link = self.ask(generation, out);
            self.set_link(link);
        }
    }

    fn answered(&mut self, generation: D::Generation, answer: Answer<D>, out: &mut Outputs<D>) {
        let Some(link @ Link::Asked { resumes, .. }) = self.live_link(generation) else {
            return;
        };
        match answer {
            // Who took over goes on with what we have: this one has not, or not with everything.
            Answer::FullResync(_) if self.must_prove() => {
                self.is_unproved();
                return self.break_link(link, out);
            }
            _ => self.cede_no_more(),
        }
        match answer {
            // Nothing to continue from: the peer does not speak the protocol. `no_false_continue`.
            Answer::Continue { .. } if !resumes => self.break_link(link, out),
            Answer::Continue { replid } => {
                if let Some(replid) = replid.filter(|id| *id != self.history.at.replid) {
                    self.history.shift(replid);
                    out.push(Output::DropReplicas);
                }
                self.set_link(Link::Streaming { generation });
            }
            Answer::FullResync(snapshot) => self.set_link(Link::Promised {
                generation,
                snapshot,
            }),
        }
    }

    /// Only now, with the first byte of the snapshot, may old data be dropped and LOADING begin.
    fn began(&mut self, generation: D::Generation, empty: bool, out: &mut Outputs<D>) {
        let Some(Link::Promised { snapshot, .. }) = self.live_link(generation) else {
            return;
        };
        let place = if self.flush || empty || self.data == Data::Missing {
            self.data = Data::Missing;
            out.push(Output::DropAndLoad(generation));
            Place::Instead
        } else {
            out.push(Output::Stage(generation));
            Place::Staging
        };
        self.set_link(Link::Loading {
            generation,
            snapshot,
            place,
        });
    }

    /// The swap: dataset, replid and offset become the snapshot's in one step.
    fn loaded(&mut self, generation: D::Generation, out: &mut Outputs<D>) {
        let Some(Link::Loading { snapshot, .. }) = self.live_link(generation) else {
            return;
        };
        out.push(Output::Swap(generation, snapshot));
        self.data = Data::Whole;
        self.history = History::new(snapshot);
        self.set_link(Link::Streaming { generation });
    }

    /// "Told to stop" is not "stopped": an applier asks under its gate, batch by batch.
    fn batch(&mut self, generation: D::Generation, to: D::Offset, out: &mut Outputs<D>) {
        if let Some(Link::Streaming { .. }) = self.live_link(generation) {
            self.history.at.offset = to;
            out.push(Output::Apply { generation, to });
        }
    }

    /// The link ends before anything more is applied, and what it resumed from is none any more: replicas that ask us
    /// are refused as long as we have no link, and get the dataset of a full sync after it.
    fn diverged(&mut self, generation: D::Generation, out: &mut Outputs<D>) {
        if let Some(link @ Link::Streaming { .. }) = self.live_link(generation) {
            self.data = Data::Diverged;
            self.break_link(link, out);
        }
    }

    pub(crate) fn lost(&mut self, generation: D::Generation, out: &mut Outputs<D>) {
        if let Some(link) = self.live_link(generation) {
            self.heir_is(Heir::Unsure, Heir::Asked);
            self.forget_snapshot(link, out);
            self.wait(generation, out);
        }
    }

    fn timer(&mut self, generation: D::Generation, out: &mut Outputs<D>) {
        if let Role::Replica { target, link, .. } = self.role
            && link == (Link::Waiting { generation })
        {
            self.dial(target, out);
        }
    }

    fn history_began(&mut self, fresh: D::ReplId, at: D::Offset) {
        if matches!(self.role, Role::Master { .. }) && self.data == Data::Whole {
            self.history = History::new(Position {
                replid: fresh,
                offset: at,
            });
        }
    }

    pub(crate) fn take_ticket(&mut self) -> D::Ticket {
        self.issued = D::next_ticket(self.issued);
        self.issued
    }

    pub(crate) fn take_generation(&mut self) -> D::Generation {
        self.last = D::next_generation(self.last);
        self.last
    }

    /// The link, if `generation` is its live connection; what comes from any other is stale.
    pub(crate) fn live_link(&self, generation: D::Generation) -> Option<Link<D>> {
        match self.role {
            Role::Replica { link, .. } if link.live() == Some(generation) => Some(link),
            _ => None,
        }
    }

    pub(crate) fn set_link(&mut self, new: Link<D>) {
        if let Role::Replica { link, .. } = &mut self.role {
            *link = new;
        }
    }

    fn dial(&mut self, target: D::Host, out: &mut Outputs<D>) {
        let generation = self.take_generation();
        out.push(Output::Dial { generation, target });
        self.set_link(Link::Dialing { generation });
    }

    pub(crate) fn ask(&mut self, generation: D::Generation, out: &mut Outputs<D>) -> Link<D> {
        let resume = (self.data == Data::Whole).then(|| self.history.resume());
        let failover = self.promise();
        out.push(Output::Psync {
            generation,
            resume,
            failover,
        });
        self.heir_is(Heir::Asked, Heir::Unasked);
        Link::Asked {
            generation,
            resumes: resume.is_some(),
        }
    }

    /// Ends the live connection, keeping what the dataset resumes from.
    pub(crate) fn stop_link(&mut self, out: &mut Outputs<D>) {
        if let Role::Replica { link, .. } = self.role
            && let Some(generation) = link.live()
        {
            out.push(Output::Stop(generation));
            self.forget_snapshot(link, out);
        }
    }

    /// The live connection said what it must not, or what cannot be followed: end it, and try again later.
    fn break_link(&mut self, link: Link<D>, out: &mut Outputs<D>) {
        if let Some(generation) = link.live() {
            out.push(Output::Stop(generation));
            self.wait(generation, out);
        }
    }

    fn wait(&mut self, generation: D::Generation, out: &mut Outputs<D>) {
        out.push(Output::Arm(generation));
        self.set_link(Link::Waiting { generation });
    }

    fn forget_snapshot(&self, link: Link<D>, out: &mut Outputs<D>) {
        if let Link::Loading { generation, .. } = link {
            out.push(Output::Discard(generation));
        }
    }
}
