//! A story as a sequence diagram.

use std::fmt::Write;

use crate::story::{Column, Deed, Story};
use crate::tiny::host_name;

const LANE: usize = 230;
const ROW: usize = 26;
const TOP: usize = 60;

impl Story {
    /// The diagram: clients on the left, the node, masters on the right; time goes down.
    pub fn svg(&self) -> String {
        let mut columns = vec![Column::Node];
        for told in &self.steps {
            columns.push(told.who);
            columns.extend(told.deeds.iter().map(|d| d.who));
        }
        columns.sort_unstable();
        columns.dedup();
        let x = |who: Column| {
            let at = columns.iter().position(|c| *c == who).unwrap_or(0);
            LANE / 2 + at * LANE
        };
        let mut body = String::new();
        let mut y = TOP;
        if let Some(given) = self.given {
            y += ROW;
            note(
                &mut body,
                x(Column::Node),
                y,
                &format!("given {given}"),
                "#555",
            );
        }
        for (number, told) in (1..).zip(&self.steps) {
            y += ROW;
            let label = format!("{number}. {}", told.title);
            arrow(&mut body, x(told.who), x(Column::Node), y, &label);
            for Deed { who, text } in &told.deeds {
                y += ROW;
                arrow(&mut body, x(Column::Node), x(*who), y, text);
            }
            if let Some(status) = &told.status {
                y += ROW;
                note(
                    &mut body,
                    x(Column::Node),
                    y,
                    &format!("now: {status}"),
                    "#1f5f8b",
                );
            }
            for broken in told.broken.iter() {
                y += ROW;
                let text = format!("breaks {broken}");
                note(&mut body, x(Column::Node), y, &text, "#b00020");
            }
            y += ROW / 2;
        }
        let (width, height) = (columns.len() * LANE, y + ROW);
        let mut svg = String::new();
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" \
             markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        for column in &columns {
            let x = x(*column);
            let name = match column {
                Column::Client(client) => format!("c{}", client + 1),
                Column::Node => "node".to_string(),
                Column::Master(host) => host_name(*host).to_string(),
            };
            let _ = writeln!(
                svg,
                "<text x=\"{x}\" y=\"28\" text-anchor=\"middle\" font-weight=\"bold\" \
                 font-size=\"15\">{name}</text>\
                 <line x1=\"{x}\" y1=\"40\" x2=\"{x}\" y2=\"{height}\" stroke=\"#bbb\"/>"
            );
        }
        svg + &body + "</svg>\n"
    }
}

fn arrow(body: &mut String, from: usize, to: usize, y: usize, label: &str) {
    let label = escape(label);
    if from == to {
        let _ = writeln!(
            body,
            "<circle cx=\"{from}\" cy=\"{y}\" r=\"3\"/><text x=\"{}\" y=\"{}\">{label}</text>",
            from + 8,
            y + 4
        );
    } else {
        let _ = writeln!(
            body,
            "<line x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" stroke=\"black\" \
             marker-end=\"url(#tip)\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            (from + to) / 2,
            y - 5
        );
    }
}

fn note(body: &mut String, x: usize, y: usize, text: &str, colour: &str) {
    let text = escape(text);
    let _ = writeln!(
        body,
        "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"{colour}\" \
         font-weight=\"bold\">{text}</text>",
        y + 4
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
