//! What passes between the world and the node, as Rust and as copies.

use damselfly_core::rename::Rename;
use damselfly_core::{Answer, Input, Output};

use crate::tiny::{Same, Tiny};

/// `input` as Rust, where core's names are in scope.
pub(crate) fn rust(input: &Input<Tiny>) -> String {
    // What `derive(Debug)` prints is Rust but for the name of the enum.
    let text = format!("{input:?}");
    let text = match input {
        Input::Answered { generation, answer } => match answer {
            Answer::Continue { replid } => format!(
                "Answered {{ generation: {generation}, answer: Answer::Continue {{ replid: {replid:?} }} }}"
            ),
            Answer::FullResync(at) => {
                format!(
                    "Answered {{ generation: {generation}, answer: Answer::FullResync({at:?}) }}"
                )
            }
        },
        _ => text,
    };
    format!("Input::{text}")
}

/// The same, also of what is not `Clone`.
pub(crate) fn copy(output: &Output<Tiny>) -> Output<Tiny> {
    match output {
        Output::Reply(reply) => Output::Reply(*reply),
        Output::Connect(attempt) => Output::Connect(attempt.rename(&Same)),
        Output::CancelBefore(ticket) => Output::CancelBefore(*ticket),
        Output::Stop(g) => Output::Stop(*g),
        Output::Adopt(g) => Output::Adopt(*g),
        Output::Dial { generation, target } => Output::Dial {
            generation: *generation,
            target: *target,
        },
        Output::Psync {
            generation,
            resume,
            failover,
        } => Output::Psync {
            generation: *generation,
            resume: *resume,
            failover: *failover,
        },
        Output::Arm(g) => Output::Arm(*g),
        Output::Stage(g) => Output::Stage(*g),
        Output::DropAndLoad(g) => Output::DropAndLoad(*g),
        Output::Swap(g, at) => Output::Swap(*g, *at),
        Output::Discard(g) => Output::Discard(*g),
        Output::Apply { generation, to } => Output::Apply {
            generation: *generation,
            to: *to,
        },
        Output::DropReplicas => Output::DropReplicas,
        Output::Empty(at) => Output::Empty(*at),
        Output::Watch { ticket, aim } => Output::Watch {
            ticket: *ticket,
            aim: *aim,
        },
    }
}
