//! LCS: the longest common subsequence of two strings.

use crate::command::args::{integer, is};
use crate::command::{CmdError, Cx};
use crate::resp::Reply;

/// The largest table of lengths, in bytes.
const MEMORY_MAX: usize = 512 << 20;

/// What the options ask for.
#[derive(Default)]
struct Options {
    /// The length only.
    len: bool,
    /// Where the parts are in both strings.
    places: bool,
    with_lengths: bool,
    least: i64,
}

impl Options {
    fn parse(args: &[&[u8]]) -> Result<Options, CmdError> {
        let mut options = Options::default();
        let mut rest = args.iter();
        while let Some(word) = rest.next() {
            match *word {
                w if is(w, "idx") => options.places = true,
                w if is(w, "len") => options.len = true,
                w if is(w, "withmatchlen") => options.with_lengths = true,
                w if is(w, "minmatchlen") => {
                    options.least = integer(rest.next().ok_or(CmdError::Syntax)?)?.max(0);
                }
                _ => return Err(CmdError::Syntax),
            }
        }
        match options.len && options.places {
            true => Err(CmdError::text(
                "ERR If you want both the length and indexes, please just use IDX.",
            )),
            false => Ok(options),
        }
    }
}

/// The lengths of the longest common subsequences of all beginnings of two strings.
struct Table {
    lengths: Vec<u32>,
    width: usize,
}

impl Table {
    fn new(a: &[u8], b: &[u8]) -> Result<Table, CmdError> {
        const TOO_MUCH: CmdError = CmdError::text(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        );
        const NO_MEMORY: CmdError =
            CmdError::text("ERR Insufficient memory, failed allocating transient memory for LCS");
        let (height, width) = (a.len() + 1, b.len() + 1);
        let cells = height
            .checked_mul(width)
            .filter(|cells| *cells <= MEMORY_MAX / size_of::<u32>())
            .ok_or(TOO_MUCH)?;
        let mut lengths = Vec::new();
        lengths.try_reserve_exact(cells).map_err(|_| NO_MEMORY)?;
        lengths.resize(width, 0);
        for (i, x) in a.iter().enumerate() {
            let (mut left, above) = (0, i * width);
            lengths.push(0);
            for (j, y) in b.iter().enumerate() {
                let up = above + j;
                left = match x == y {
                    true => lengths[up] + 1,
                    false => lengths[up + 1].max(left),
                };
                lengths.push(left);
            }
        }
        Ok(Table { lengths, width })
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lengths[i * self.width + j]
    }
}

/// A part that both strings have: where it begins and ends in each, its last byte included.
struct Match {
    a: (usize, usize),
    b: (usize, usize),
}

pub(super) fn lcs(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    const NOT_STRINGS: CmdError =
        CmdError::text("ERR The specified keys must contain string values");
    let text = |key| match cx.db.string(key) {
        Ok(text) => Ok(text.unwrap_or_default()),
        Err(_) => Err(NOT_STRINGS),
    };
    let (a, b) = (text(args[1])?, text(args[2])?);
    let options = Options::parse(&args[3..])?;
    let table = Table::new(a, b)?;
    let len = table.at(a.len(), b.len());
    if options.len {
        cx.out.int(i64::from(len));
        return Ok(());
    }
    let (common, matches) = trace(a, b, &table);
    if !options.places {
        cx.out.bulk(&common);
        return Ok(());
    }
    cx.out.map(2);
    cx.out.bulk(b"matches");
    let long_enough = |m: &&Match| (m.a.1 - m.a.0 + 1) as i64 >= options.least;
    let matches: Vec<&Match> = matches.iter().filter(long_enough).collect();
    cx.out.array(matches.len());
    for found in matches {
        show(found, options.with_lengths, cx.out);
    }
    cx.out.bulk(b"len");
    cx.out.int(i64::from(len));
    Ok(())
}

/// The subsequence, and its parts from the last to the first.
fn trace(a: &[u8], b: &[u8], table: &Table) -> (Vec<u8>, Vec<Match>) {
    let (mut common, mut matches) = (Vec::new(), Vec::new());
    let mut open: Option<Match> = None;
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            (i, j) = (i - 1, j - 1);
            common.push(a[i]);
            let part = open.get_or_insert(Match {
                a: (i, i),
                b: (j, j),
            });
            (part.a.0, part.b.0) = (i, j);
        } else {
            matches.extend(open.take());
            match table.at(i - 1, j) > table.at(i, j - 1) {
                true => i -= 1,
                false => j -= 1,
            }
        }
    }
    matches.extend(open);
    common.reverse();
    (common, matches)
}

fn show(found: &Match, with_length: bool, out: &mut Reply) {
    out.array(2 + usize::from(with_length));
    for (first, last) in [found.a, found.b] {
        out.array(2);
        out.int(first as i64);
        out.int(last as i64);
    }
    if with_length {
        out.int((found.a.1 - found.a.0 + 1) as i64);
    }
}
