//! The algorithm of this server, and those who watch it: the properties (in debug builds) and the trace.

use super::super::domain::{Host, Id, Status, Wire};
use crate::config::Settings;
use damselfly_core::properties::{Broken, Ghost, Property};
use damselfly_core::trace::Recorder;
use damselfly_core::{Boot, Input, Node, Output, Outputs, Protocol, v1};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// How a node starts.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The run id of this process.
    pub run_id: Id,
    /// A new replication id.
    pub replid: Id,
    /// `--replicaof`.
    pub follow: Option<Host>,
}

/// Ours, or the one it is compared with.
enum Algorithm {
    V2(Node<Wire>),
    V1(v1::Node<Wire>),
}

impl Protocol<Wire> for Algorithm {
    fn step(&mut self, input: Input<Wire>, out: &mut Outputs<Wire>) {
        match self {
            Algorithm::V2(node) => Protocol::step(node, input, out),
            Algorithm::V1(node) => Protocol::step(node, input, out),
        }
    }

    fn attempt_failed(&mut self, ticket: u64, out: &mut Outputs<Wire>) {
        match self {
            Algorithm::V2(node) => node.attempt_failed(ticket, out),
            Algorithm::V1(node) => node.attempt_failed(ticket, out),
        }
    }

    fn status(&self) -> Status {
        match self {
            Algorithm::V2(node) => Protocol::status(node),
            Algorithm::V1(node) => Protocol::status(node),
        }
    }
}

/// What a node is told: an input, or that an attempt ended before it was greeted.
#[allow(clippy::large_enum_variant, reason = "it lives for one call")]
enum Told {
    Input(Input<Wire>),
    Failed(u64),
}

/// The algorithm and its watchers.
pub(super) struct Machine {
    algorithm: Algorithm,
    ghost: Option<Ghost<Wire>>,
    broken: Broken,
    trace: Option<Trace>,
    out: Outputs<Wire>,
    /// As told last.
    flush: bool,
}

impl Machine {
    pub(super) fn new(start: &Start, settings: &Settings) -> io::Result<Self> {
        let boot = Boot {
            me: start.run_id,
            fresh: start.replid,
            offset: 0,
            ticket: 0,
            generation: 0,
            follow: start.follow,
            flush: !settings.full_sync_staging,
        };
        let trace = match settings.trace.as_os_str().is_empty() {
            true => None,
            false => {
                let name = if settings.replicaof_v2 { "v2" } else { "v1" };
                Some(Trace::new(&settings.trace, name, &boot)?)
            }
        };
        Ok(Machine {
            algorithm: match settings.replicaof_v2 {
                true => Algorithm::V2(Node::new(boot)),
                false => Algorithm::V1(v1::Node::new(boot)),
            },
            ghost: cfg!(debug_assertions).then(|| Ghost::new(&boot)),
            broken: Broken::default(),
            trace,
            out: Outputs::new(),
            flush: boot.flush,
        })
    }

    pub(super) fn status(&self) -> Status {
        self.algorithm.status()
    }

    pub(super) fn broken(&self) -> Broken {
        self.broken
    }

    /// The deeds that follow from `input`.
    pub(super) fn step(&mut self, input: Input<Wire>) -> Vec<Output<Wire>> {
        self.tell(Told::Input(input));
        self.out.drain().collect()
    }

    /// The deeds that follow from the end of an attempt that was not greeted.
    pub(super) fn attempt_failed(&mut self, ticket: u64) -> Vec<Output<Wire>> {
        self.tell(Told::Failed(ticket));
        self.out.drain().collect()
    }

    /// The next full sync drops the old data first, or does not. No deed follows.
    pub(super) fn configure(&mut self, flush: bool) {
        if self.flush != flush {
            self.flush = flush;
            self.step(Input::Configure { flush });
        }
    }

    /// Whether the batch of `generation` that ends at `to` may be applied, where the log ends at `from`. Allocates
    /// nothing.
    pub(super) fn batch(&mut self, generation: u64, from: u64, to: u64) -> bool {
        // What the proofs assume of a replica's log: its master's stream is all that is in it.
        if self.ghost.is_some() {
            let status = self.algorithm.status();
            if status.live == Some(generation) && status.history.at.offset != from {
                let mut broken = Broken::default();
                broken.add(Property::OffsetDescribesDataset);
                self.report(broken, &format!("a batch: the log ends at {from}"));
            }
        }
        self.tell(Told::Input(Input::Batch { generation, to }));
        let apply = Output::Apply { generation, to };
        self.out.drain().any(|deed| deed == apply)
    }

    fn tell(&mut self, told: Told) {
        let Machine {
            algorithm,
            ghost,
            trace,
            out,
            ..
        } = self;
        let urgent = !matches!(told, Told::Input(Input::Batch { .. }));
        let what = match (&told, &ghost) {
            (Told::Input(input), Some(_)) => format!("{input:?}"),
            _ => String::new(),
        };
        if let Some(trace) = trace {
            match &told {
                Told::Input(input) => trace.recorder.fact(input, &mut trace.text),
                Told::Failed(ticket) => trace.recorder.failed::<Wire>(*ticket, &mut trace.text),
            }
        }
        let broken = match (told, ghost) {
            (Told::Input(input), Some(ghost)) => ghost.step(algorithm, input, out),
            (Told::Input(input), None) => {
                algorithm.step(input, out);
                Broken::default()
            }
            (Told::Failed(ticket), Some(ghost)) => ghost.attempt_failed(algorithm, ticket, out),
            (Told::Failed(ticket), None) => {
                algorithm.attempt_failed(ticket, out);
                Broken::default()
            }
        };
        if let Some(trace) = trace {
            trace.recorder.deeds(out, &mut trace.text);
            trace.keep(urgent);
        }
        if !broken.is_empty() {
            self.report(broken, &what);
        }
    }

    /// A broken property is a bug of ours, unless the algorithm is the one whose faults are known.
    #[cold]
    fn report(&mut self, broken: Broken, what: &str) {
        self.broken = self.broken.and(broken);
        let names: Vec<_> = broken.iter().map(|property| property.name()).collect();
        let names = names.join(", ");
        match self.algorithm {
            Algorithm::V1(_) => tracing::info!("the old algorithm broke {names} at {what}"),
            Algorithm::V2(_) => {
                tracing::error!("BUG: the replica protocol broke {names} at {what}");
                #[cfg(test)]
                panic!("{names} broken at {what}");
            }
        }
    }

    pub(super) fn end_trace(&mut self) {
        if let Some(mut trace) = self.trace.take() {
            trace.recorder.end(&mut trace.text);
            if let Err(error) = trace.file.write_all(trace.text.as_bytes()) {
                tracing::error!("cannot write the trace: {error}");
            }
        }
    }
}

/// `--trace FILE`.
struct Trace {
    recorder: Recorder,
    /// Lines not written yet: batches of the stream may wait, everything else goes out at once.
    text: String,
    file: File,
    failed: bool,
}

impl Trace {
    const KEPT: usize = 64 << 10;

    fn new(path: &Path, algorithm: &str, boot: &Boot<Wire>) -> io::Result<Self> {
        let file = File::create(path).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot make the trace file {}: {error}", path.display()),
            )
        })?;
        let mut text = String::new();
        let recorder = Recorder::begin(algorithm, boot, &mut text);
        let mut trace = Trace {
            recorder,
            text,
            file,
            failed: false,
        };
        trace.keep(true);
        Ok(trace)
    }

    fn keep(&mut self, urgent: bool) {
        if !urgent && self.text.len() < Self::KEPT {
            return;
        }
        // A trace with a gap in it is worth nothing: after a failure nothing more is written.
        if !self.failed
            && let Err(error) = self.file.write_all(self.text.as_bytes())
        {
            tracing::error!("cannot write the trace, which ends here: {error}");
            self.failed = true;
        }
        self.text.clear();
    }
}
