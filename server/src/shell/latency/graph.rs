//! The graph of LATENCY GRAPH, drawn in letters as the stock server draws it.

use super::Series;
use std::fmt::Write;

/// Samples side by side.
const COLUMNS: usize = 80;
/// Lines of letters above the labels.
const ROWS: usize = 4;
/// What fills a place, from low to high.
const FILL: &[u8] = b"_o#";

/// How long ago, in the largest unit that leaves something.
fn ago(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// The graph of `series`; `now` in Unix seconds.
pub(super) fn draw(event: &str, series: &Series, now: i64) -> String {
    let millis = series.samples.iter().map(|s| s.millis);
    let (low, high) = (millis.clone().min().unwrap_or(0), millis.max().unwrap_or(0));
    let mut text = String::new();
    let worst = series.worst;
    let _ = writeln!(
        text,
        "{event} - high {high} ms, low {low} ms (all time high {worst} ms)"
    );
    text.push_str(&"-".repeat(COLUMNS));
    text.push('\n');
    let range = (high - low).max(1) as f64;
    let steps = FILL.len() * ROWS;
    let samples: Vec<(usize, String)> = series
        .samples
        .iter()
        .map(|s| {
            let step = ((s.millis - low) as f64 * steps as f64 / range) as usize;
            (step.min(steps - 1), ago(now - s.at))
        })
        .collect();
    for (i, part) in samples.chunks(COLUMNS).enumerate() {
        if i > 0 {
            text.push('\n');
        }
        draw_part(&mut text, part);
    }
    text
}

fn draw_part(text: &mut String, part: &[(usize, String)]) {
    for row in (0..ROWS).rev() {
        let base = row * FILL.len();
        text.extend(part.iter().map(|(step, _)| match step.checked_sub(base) {
            None => ' ',
            Some(over) => FILL.get(over).map_or('|', |letter| *letter as char),
        }));
        text.push('\n');
    }
    text.push_str(&" ".repeat(part.len()));
    text.push('\n');
    let longest = part.iter().map(|(_, label)| label.len()).max().unwrap_or(0);
    for at in 0..longest {
        let letters = part.iter().map(|(_, label)| label.as_bytes().get(at));
        text.extend(letters.map(|letter| letter.map_or(' ', |l| *l as char)));
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sample;
    use super::*;

    #[test]
    fn one_sample_and_several() {
        let mut series = Series::default();
        series.add(Sample {
            at: 100,
            millis: 10,
        });
        let dashes = "-".repeat(COLUMNS);
        assert_eq!(
            draw("command", &series, 100),
            format!(
                "command - high 10 ms, low 10 ms (all time high 10 ms)\n{dashes}\n \n \n \n_\n \n0\ns\n"
            )
        );
        series.add(Sample {
            at: 160,
            millis: 22,
        });
        series.add(Sample {
            at: 161,
            millis: 16,
        });
        assert_eq!(
            draw("x", &series, 4000),
            format!(
                "x - high 22 ms, low 10 ms (all time high 22 ms)\n{dashes}\n # \n |_\n ||\n_||\n   \n111\nhhh\n"
            )
        );
    }
}
