//! The master's side of `no_false_continue`: which `PSYNC` gets `+CONTINUE`, and which must get it.
//!
//! The claim speaks of bytes, not of the comparisons that the code makes. A byte of a history is *ours*
//! when the history bears our present name and we have written that far, or when it bears our former name
//! and the byte came before the names parted. Then:
//!
//! * CONTINUE is granted only if every byte the replica holds is ours, and every byte of ours that it
//!   lacks is in the backlog;
//! * it is refused only for a reason: there is no backlog, the history it names is neither of ours, it
//!   holds a byte that is not ours, or it lacks one that is no longer kept. (A refusal without a reason
//!   loses nothing, but it is a full sync that nobody needed.)

use std::collections::BTreeSet;

use damselfly_core::history::{Backlog, may_continue};
use damselfly_core::{Domain, History, Position, Resume, Second};

use crate::shapes::Fresh;
use crate::sym::every_path;

/// The signature of [`may_continue`].
pub type May<D> = fn(&History<D>, Option<Backlog<D>>, Resume<D>) -> bool;

/// The code under proof; the shipped one, or a wrong version of a part of it.
#[derive(Clone, Copy)]
pub struct Side<D: Domain> {
    /// [`may_continue`].
    pub may: May<D>,
    /// [`History::shift`].
    pub shift: fn(&mut History<D>, D::ReplId),
    /// [`History::resume`].
    pub resume: fn(&History<D>) -> Resume<D>,
}

impl<D: Domain> Side<D> {
    /// What the server runs.
    pub fn shipped() -> Self {
        Self {
            may: may_continue,
            shift: History::shift,
            resume: History::resume,
        }
    }
}

/// Where our second id comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// There is none.
    Nothing,
    /// Any id and any limit, whoever wrote them there.
    Any,
    /// A promotion at some offset: `shift` wrote it.
    Shifted,
}

/// Where the position that is asked for comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// The wire: any id and any offset.
    Any,
    /// A replica of ours that holds a dataset at some offset: `resume` made it.
    Resumes,
}

/// A master and a question, without their ids.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The history before ours.
    pub before: Before,
    /// Who asks.
    pub asks: Asks,
    /// Whether bytes are kept at all.
    pub backlog: bool,
}

/// What a run over every shape found.
#[derive(Default)]
pub struct Report {
    /// Shapes of master and question.
    pub shapes: u64,
    /// Paths through them that the assumptions allow.
    pub paths: u64,
    /// A line for each path on which the claim does not hold.
    pub faults: Vec<String>,
    /// The answers seen, with their reasons.
    pub seen: BTreeSet<&'static str>,
}

/// Every shape.
pub fn shapes() -> Vec<Shape> {
    let mut all = Vec::new();
    for before in [Before::Nothing, Before::Any, Before::Shifted] {
        for asks in [Asks::Any, Asks::Resumes] {
            for backlog in [false, true] {
                all.push(Shape {
                    before,
                    asks,
                    backlog,
                });
            }
        }
    }
    all
}

/// The claim for every shape, every path, and every byte.
pub fn run<D: Fresh>(side: Side<D>) -> Report {
    let mut report = Report::default();
    for shape in shapes() {
        report.shapes += 1;
        every_path(|| {
            if let Some((seen, verdict)) = one(side, shape) {
                report.paths += 1;
                report.seen.insert(seen);
                if let Err(fault) = verdict {
                    report.faults.push(format!("{fault}: {shape:?}"));
                }
            }
        });
    }
    report
}

/// What was answered and why, and whether the claim holds of it. None: the assumptions do not allow this.
fn one<D: Fresh>(side: Side<D>, shape: Shape) -> Option<(&'static str, Result<(), &'static str>)> {
    // The last byte we have, the last byte the replica has, the last byte that both histories share.
    let (ours_to, theirs_to, shared_to) = (D::offset(), D::offset(), D::offset());
    let first = D::offset();
    // Any byte: what is shown of it is shown of every one.
    let byte = D::offset();
    let lasts = [ours_to, theirs_to, shared_to];
    assume(counted::<D>(&lasts, &[first, byte]))?;
    let end = D::next_offset(ours_to);
    // The backlog may be empty, and then its first byte is the next to come.
    assume(first <= end)?;

    let (ours, former, theirs) = (D::replid(), D::replid(), D::replid());
    let at = Position {
        replid: ours,
        offset: ours_to,
    };
    let history = match shape.before {
        Before::Nothing => History::new(at),
        Before::Any => History {
            at,
            second: Some(Second {
                replid: former,
                until: D::next_offset(shared_to),
            }),
        },
        // Promoted at `shared_to`; the log has gone on to `ours_to` since.
        Before::Shifted => {
            let mut history = History::new(Position {
                replid: former,
                offset: shared_to,
            });
            (side.shift)(&mut history, ours);
            history
        }
    };
    let wanted = match shape.asks {
        Asks::Any => Resume {
            replid: theirs,
            from: D::next_offset(theirs_to),
        },
        Asks::Resumes => (side.resume)(&History::new(Position {
            replid: theirs,
            offset: theirs_to,
        })),
    };
    let backlog = shape.backlog.then_some(Backlog { first, next: end });
    let granted = (side.may)(&history, backlog, wanted);

    let present = theirs == ours;
    let past = shape.before != Before::Nothing && theirs == former;
    let is_ours = |x| x <= ours_to && (present || (past && x <= shared_to));
    let holds = |x| x <= theirs_to;
    let diverges = |x| holds(x) && !is_ours(x);
    let is_gone = |x| !holds(x) && x <= ours_to && x < first;

    Some(if granted {
        let verdict = if !shape.backlog {
            Err("CONTINUE without a backlog")
        } else if !present && !past {
            Err("CONTINUE for a history that is not ours")
        } else if diverges(byte) {
            Err("CONTINUE for a replica that holds a byte which is not ours")
        } else if is_gone(byte) {
            Err("CONTINUE for a replica that lacks a byte which is gone")
        } else {
            Ok(())
        };
        let seen = if present {
            "CONTINUE: our name"
        } else {
            "CONTINUE: our former name"
        };
        (seen, verdict)
    } else if !shape.backlog {
        ("refused: no backlog", Ok(()))
    } else if !present && !past {
        ("refused: another history", Ok(()))
    } else if [end, D::next_offset(shared_to), theirs_to]
        .into_iter()
        .any(diverges)
    {
        ("refused: diverged", Ok(()))
    } else if is_gone(D::next_offset(theirs_to)) {
        ("refused: gone", Ok(()))
    } else {
        ("refused: no reason", Err("a refusal without a reason"))
    })
}

/// Offsets count bytes: one is less than another exactly when its successor is at most the other. Asked of
/// those whose successors are looked at.
fn counted<D: Domain>(lasts: &[D::Offset], others: &[D::Offset]) -> bool {
    let all = || lasts.iter().chain(others);
    lasts
        .iter()
        .all(|&a| all().all(|&b| (a < b) == (D::next_offset(a) <= b)))
}

fn assume(holds: bool) -> Option<()> {
    holds.then_some(())
}
