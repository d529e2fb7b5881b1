//! Every shape of node and input: which variants, with symbols in every place an id can stand.
//!
//! The enumerations end in exhaustive matches without a wildcard, so a variant that is added to the
//! core does not compile here until it is covered.

use damselfly_core::shape::Parts;
use damselfly_core::{
    Aim, Answer, Ceding, Data, Domain, Greeted, Heir, History, Input, Link, Place, Position,
    Promise, Refusal, Role, Second,
};

use crate::sym::{Name, Number};

/// A domain whose ids can be made out of nothing.
pub trait Fresh: Domain {
    /// Any host.
    fn host() -> Self::Host;
    /// Any run id.
    fn run_id() -> Self::RunId;
    /// Any replication id.
    fn replid() -> Self::ReplId;
    /// Any offset.
    fn offset() -> Self::Offset;
    /// Any ticket.
    fn ticket() -> Self::Ticket;
    /// Any generation.
    fn generation() -> Self::Generation;
}

/// The symbolic domain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Symbols;

impl Fresh for Symbols {
    fn host() -> Name {
        Name::fresh()
    }

    fn run_id() -> Name {
        Name::fresh()
    }

    fn replid() -> Name {
        Name::fresh()
    }

    fn offset() -> Number {
        Number::fresh()
    }

    fn ticket() -> Number {
        Number::fresh()
    }

    fn generation() -> Number {
        Number::fresh()
    }
}

impl Domain for Symbols {
    type Host = Name;
    type RunId = Name;
    type ReplId = Name;
    type Offset = Number;
    type Ticket = Number;
    type Generation = Number;

    fn next_ticket(ticket: Number) -> Number {
        ticket.next()
    }

    fn next_generation(generation: Number) -> Number {
        generation.next()
    }

    fn next_offset(offset: Number) -> Number {
        offset.next()
    }
}

/// Which link, without its ids; the variants are those of `Link`.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkShape {
    Held,
    Waiting,
    Dialing,
    Asked(bool),
    Promised,
    Loading(Place),
    Streaming,
}

/// Whom a hand-over is to, without its name; the variants are those of `Aim`.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AimShape {
    Any,
    One,
    Force,
}

/// Which role, without its ids; the variants are those of `Role`.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleShape {
    Master(Option<AimShape>),
    Replica(LinkShape, Option<Ceding>),
}

/// A node without its ids.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug)]
pub struct NodeShape {
    pub role: RoleShape,
    pub data: Data,
    pub flush: bool,
    pub second: bool,
}

/// An input without its ids; the variants are those of `Input` and `Answer`.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug)]
pub enum InputShape {
    Restored(bool),
    Requested,
    Commit,
    NoOne(bool),
    Dialed(bool),
    Continue(bool),
    FullResync,
    Began(bool),
    Loaded,
    Batch,
    Diverged,
    Lost,
    Timer,
    Configure(bool),
    HistoryBegan,
    FailOver(AimShape),
    CaughtUp,
    Expired,
    Abort,
    Rejected(RefusalShape),
    TakeOver(bool),
}

/// Which refusal, without its ids; the variants are those of `Refusal`.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug)]
pub enum RefusalShape {
    Other,
    Master(bool),
}

const AIMS: [AimShape; 3] = [AimShape::Any, AimShape::One, AimShape::Force];

const BOTH: [bool; 2] = [false, true];

/// Every shape of node.
pub fn nodes() -> Vec<NodeShape> {
    use LinkShape::*;
    let links = [
        Held,
        Waiting,
        Dialing,
        Asked(false),
        Asked(true),
        Promised,
        Loading(Place::Staging),
        Loading(Place::Instead),
        Streaming,
    ];
    let mut ceding = vec![None];
    for heir in [Heir::Unasked, Heir::Asked, Heir::Unsure, Heir::Unproved] {
        let with = |promise| Some(Ceding { heir, promise });
        ceding.extend([Promise::Kept, Promise::GivenUp].map(with));
    }
    let mut roles = vec![RoleShape::Master(None)];
    roles.extend(AIMS.map(|aim| RoleShape::Master(Some(aim))));
    for link in links {
        let replica = |ceding: &_| RoleShape::Replica(link, *ceding);
        roles.extend(ceding.iter().map(replica));
    }
    let mut all = Vec::new();
    for role in roles {
        for data in [Data::Restoring, Data::Whole, Data::Diverged, Data::Missing] {
            for flush in BOTH {
                for second in BOTH {
                    all.push(NodeShape {
                        role,
                        data,
                        flush,
                        second,
                    });
                }
            }
        }
    }
    all
}

/// Every shape of input.
pub fn inputs() -> Vec<InputShape> {
    use InputShape::*;
    let mut all = vec![
        Requested,
        Commit,
        FullResync,
        Loaded,
        Batch,
        Diverged,
        Lost,
        Timer,
        HistoryBegan,
        CaughtUp,
        Expired,
        Abort,
        Rejected(RefusalShape::Other),
    ];
    all.extend(AIMS.map(FailOver));
    for yes in BOTH {
        all.extend([
            Restored(yes),
            NoOne(yes),
            Dialed(yes),
            Continue(yes),
            Began(yes),
            Configure(yes),
            Rejected(RefusalShape::Master(yes)),
            TakeOver(yes),
        ]);
    }
    all
}

/// The shape of a concrete thing; fails to compile when a variant is missing above.
pub fn link_shape<D: Domain>(link: &Link<D>) -> LinkShape {
    match link {
        Link::Held => LinkShape::Held,
        Link::Waiting { .. } => LinkShape::Waiting,
        Link::Dialing { .. } => LinkShape::Dialing,
        Link::Asked { resumes, .. } => LinkShape::Asked(*resumes),
        Link::Promised { .. } => LinkShape::Promised,
        Link::Loading { place, .. } => LinkShape::Loading(*place),
        Link::Streaming { .. } => LinkShape::Streaming,
    }
}

/// The shape of a concrete thing; fails to compile when a variant is missing above.
pub fn aim_shape<D: Domain>(aim: &Aim<D>) -> AimShape {
    match aim {
        Aim::Any => AimShape::Any,
        Aim::One(_) => AimShape::One,
        Aim::Force(_) => AimShape::Force,
    }
}

/// The shape of a concrete thing; fails to compile when a variant is missing above.
pub fn role_shape<D: Domain>(role: &Role<D>) -> RoleShape {
    match role {
        Role::Master { handing } => RoleShape::Master(handing.as_ref().map(aim_shape)),
        Role::Replica { link, ceding, .. } => {
            let all = |ceding: Ceding| match (ceding.heir, ceding.promise) {
                (
                    Heir::Unasked | Heir::Asked | Heir::Unsure | Heir::Unproved,
                    Promise::Kept | Promise::GivenUp,
                ) => ceding,
            };
            RoleShape::Replica(link_shape(link), ceding.map(all))
        }
    }
}

/// The shape of a concrete thing; fails to compile when a variant is missing above.
pub fn data_shape(data: Data) -> Data {
    match data {
        Data::Restoring | Data::Whole | Data::Diverged | Data::Missing => data,
    }
}

/// The shape of a concrete input; fails to compile when a variant is missing above.
pub fn input_shape<D: Domain>(input: &Input<D>) -> InputShape {
    match input {
        Input::Restored { position } => InputShape::Restored(position.is_some()),
        Input::Requested { .. } => InputShape::Requested,
        Input::Commit { .. } => InputShape::Commit,
        Input::NoOne { force, .. } => InputShape::NoOne(*force),
        Input::Dialed { peer, .. } => InputShape::Dialed(peer.is_some()),
        Input::Answered { answer, .. } => match answer {
            Answer::Continue { replid } => InputShape::Continue(replid.is_some()),
            Answer::FullResync(_) => InputShape::FullResync,
        },
        Input::Began { empty, .. } => InputShape::Began(*empty),
        Input::Loaded { .. } => InputShape::Loaded,
        Input::Batch { .. } => InputShape::Batch,
        Input::Diverged { .. } => InputShape::Diverged,
        Input::Lost { .. } => InputShape::Lost,
        Input::Timer { .. } => InputShape::Timer,
        Input::Configure { flush } => InputShape::Configure(*flush),
        Input::HistoryBegan { .. } => InputShape::HistoryBegan,
        Input::FailOver { aim } => InputShape::FailOver(aim_shape(aim)),
        Input::CaughtUp { .. } => InputShape::CaughtUp,
        Input::Expired { .. } => InputShape::Expired,
        Input::Abort => InputShape::Abort,
        Input::Rejected { said, .. } => InputShape::Rejected(match said {
            Refusal::Other => RefusalShape::Other,
            Refusal::Master { second } => RefusalShape::Master(second.is_some()),
        }),
        Input::TakeOver { from, .. } => InputShape::TakeOver(from.is_some()),
    }
}

fn position<D: Fresh>() -> Position<D> {
    Position {
        replid: D::replid(),
        offset: D::offset(),
    }
}

impl NodeShape {
    /// A node of this shape with an id of its own in every place.
    pub fn fill<D: Fresh>(self) -> Parts<D> {
        Parts {
            me: D::run_id(),
            flush: self.flush,
            issued: D::ticket(),
            committed: D::ticket(),
            cancelled: D::ticket(),
            last: D::generation(),
            role: match self.role {
                RoleShape::Master(aim) => Role::Master {
                    handing: aim.map(AimShape::fill),
                },
                RoleShape::Replica(link, ceding) => Role::Replica {
                    target: D::host(),
                    link: link.fill(),
                    ceding,
                },
            },
            data: self.data,
            history: History {
                at: position(),
                second: self.second.then(|| Second {
                    replid: D::replid(),
                    until: D::offset(),
                }),
            },
        }
    }
}

impl AimShape {
    fn fill<D: Fresh>(self) -> Aim<D> {
        match self {
            Self::Any => Aim::Any,
            Self::One => Aim::One(D::host()),
            Self::Force => Aim::Force(D::host()),
        }
    }
}

impl LinkShape {
    fn fill<D: Fresh>(self) -> Link<D> {
        let generation = D::generation();
        match self {
            Self::Held => Link::Held,
            Self::Waiting => Link::Waiting { generation },
            Self::Dialing => Link::Dialing { generation },
            Self::Asked(resumes) => Link::Asked {
                generation,
                resumes,
            },
            Self::Promised => Link::Promised {
                generation,
                snapshot: position(),
            },
            Self::Loading(place) => Link::Loading {
                generation,
                snapshot: position(),
                place,
            },
            Self::Streaming => Link::Streaming { generation },
        }
    }
}

impl InputShape {
    /// An input of this shape with an id of its own in every place.
    pub fn fill<D: Fresh>(self) -> Input<D> {
        let generation = D::generation();
        match self {
            Self::Restored(file) => Input::Restored {
                position: file.then(position),
            },
            Self::Requested => Input::Requested { target: D::host() },
            Self::Commit => Input::Commit {
                greeted: Greeted::from_parts(D::ticket(), D::host()),
                at: D::offset(),
            },
            Self::NoOne(force) => Input::NoOne {
                force,
                fresh: D::replid(),
                at: D::offset(),
            },
            Self::Dialed(known) => Input::Dialed {
                generation,
                peer: known.then(D::run_id),
            },
            Self::Continue(named) => Input::Answered {
                generation,
                answer: Answer::Continue {
                    replid: named.then(D::replid),
                },
            },
            Self::FullResync => Input::Answered {
                generation,
                answer: Answer::FullResync(position()),
            },
            Self::Began(empty) => Input::Began { generation, empty },
            Self::Loaded => Input::Loaded { generation },
            Self::Batch => Input::Batch {
                generation,
                to: D::offset(),
            },
            Self::Diverged => Input::Diverged { generation },
            Self::Lost => Input::Lost { generation },
            Self::Timer => Input::Timer { generation },
            Self::Configure(flush) => Input::Configure { flush },
            Self::HistoryBegan => Input::HistoryBegan {
                fresh: D::replid(),
                at: D::offset(),
            },
            Self::FailOver(aim) => Input::FailOver { aim: aim.fill() },
            Self::CaughtUp => Input::CaughtUp {
                ticket: D::ticket(),
                target: D::host(),
                at: D::offset(),
            },
            Self::Expired => Input::Expired {
                ticket: D::ticket(),
                at: D::offset(),
            },
            Self::Abort => Input::Abort,
            Self::Rejected(said) => Input::Rejected {
                generation,
                said: match said {
                    RefusalShape::Other => Refusal::Other,
                    RefusalShape::Master(told) => Refusal::Master {
                        second: told.then(|| Second {
                            replid: D::replid(),
                            until: D::offset(),
                        }),
                    },
                },
            },
            Self::TakeOver(promised) => Input::TakeOver {
                replid: D::replid(),
                // A first byte, so one behind another.
                from: promised.then(|| D::next_offset(D::offset())),
                fresh: D::replid(),
                at: D::offset(),
            },
        }
    }
}
