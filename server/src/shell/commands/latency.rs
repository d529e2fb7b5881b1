//! LATENCY: how long things take.

use super::{error, help, subcommand, text, unknown_subcommand};
use crate::command;
use crate::shell::call::Call;
use crate::shell::execute::Flow;
use crate::shell::latency::{Figures, Latency};

pub(super) fn run(call: &mut Call<'_>, args: &[&[u8]]) -> Flow {
    let latency = &call.server.latency;
    match (subcommand(args).as_str(), &args[2..]) {
        ("latest", []) => {
            let events = latency.events();
            call.out.array(events.len());
            for (event, series) in events {
                let last = series.samples.back();
                call.out.array(4);
                call.out.bulk(event.as_bytes());
                call.out.int(last.map_or(0, |s| s.at));
                call.out.int(last.map_or(0, |s| s.millis as i64));
                call.out.int(series.worst as i64);
            }
        }
        ("history", [event]) => {
            let samples = latency.event(event).map(|(_, series)| series.samples);
            let samples = samples.unwrap_or_default();
            call.out.array(samples.len());
            for sample in samples {
                call.out.array(2);
                call.out.int(sample.at);
                call.out.int(sample.millis as i64);
            }
        }
        ("reset", events) => call.out.int(latency.reset(events) as i64),
        ("doctor", []) => {
            let report = latency.report(call.server);
            call.out.verbatim("txt", report.as_bytes());
        }
        ("graph", [event]) => match latency.event(event) {
            Some((event, series)) => {
                let graph = Latency::graph(event, &series);
                call.out.verbatim("txt", graph.as_bytes());
            }
            None => {
                let event = String::from_utf8_lossy(event);
                let text = format!("ERR No samples available for event '{event}'");
                return error(call, &text);
            }
        },
        ("histogram", names) => histogram(call, names),
        ("help", []) => return help(call, "LATENCY", text::LATENCY_HELP),
        _ => return unknown_subcommand(call, args),
    }
    Flow::Next
}

/// The commands that `name` means: one, or the subcommands of one.
fn meant(name: &[u8]) -> Vec<&'static str> {
    let mut parts = name.splitn(2, |b| *b == b'|');
    let Some(command) = parts.next().and_then(command::find) else {
        return Vec::new();
    };
    match parts.next() {
        Some(sub) => command
            .subcommand(sub)
            .map(|c| c.name)
            .into_iter()
            .collect(),
        None => std::iter::once(command)
            .chain(command.subcommands)
            .map(|c| c.name)
            .collect(),
    }
}

fn histogram(call: &mut Call<'_>, names: &[&[u8]]) {
    let mut all = call.server.latency.commands();
    all.retain(|_, figures| figures.histogram.total() > 0);
    let shown: Vec<(&str, &Figures)> = match names {
        [] => all.iter().map(|(name, figures)| (*name, figures)).collect(),
        names => names
            .iter()
            .flat_map(|name| meant(name))
            .filter_map(|name| Some((name, all.get(name)?)))
            .collect(),
    };
    call.out.map(shown.len());
    for (name, Figures { histogram, .. }) in shown {
        call.out.bulk(name.as_bytes());
        call.out.map(2);
        call.out.bulk(b"calls");
        call.out.int(histogram.total() as i64);
        call.out.bulk(b"histogram_usec");
        let steps = histogram.cumulated();
        call.out.map(steps.len());
        for (micros, count) in steps {
            call.out.int(micros as i64);
            call.out.int(count as i64);
        }
    }
}
