//! Traces.

use crate::memory::bounded;
use damselfly_model::replay::replay;

/// A trace is replayed or objected to, whatever stands in it; and one that replays does so up to any of its lines.
///
/// The sums at the ends of the lines find nearly every change, so the lines are also given the right ones.
pub fn body(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = replay(&text);
    let text = sealed(&text);
    // Names, lines, and what the properties remember.
    let whole = bounded((1 << 20) + 1024 * text.len(), || replay(&text));
    let Ok(seen) = whole else { return };
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let head = 2.min(ends.len());
    for end in ends[head..].iter().step_by(1 + ends.len() / 8) {
        match replay(&text[..*end]) {
            Ok(part) => assert!(part.inputs <= seen.inputs && part.outputs <= seen.outputs),
            Err(why) => panic!("all of it replays, and not the first {end} bytes: {why}"),
        }
    }
}

/// The lines with the sums that belong to them.
fn sealed(text: &str) -> String {
    let mut sum = 0x811c_9dc5_u32;
    let mut sealed = String::new();
    for line in text.lines() {
        let said = line.rsplit_once(" ~").map_or(line, |(said, _)| said);
        for byte in said.bytes().chain([b'\n']) {
            sum = (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        sealed.push_str(&format!("{said} ~{sum:08x}\n"));
    }
    sealed
}
