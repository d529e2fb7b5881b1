//! Requests of clients.

use crate::memory::bounded;
use crate::pieces;
use damselfly_server::repl::peer::encode;
use damselfly_server::resp::parse::{ArgList, INLINE_MAX, ParseLimits, Parsed, Parser};

/// The requests in some bytes, and how it ended: with an error, or with so many bytes left.
type Requests = (Vec<Vec<Vec<u8>>>, Result<usize, String>);

/// Whatever the pieces in which they come, requests are the same, and so is what is wrong with them; written as arrays
/// they are read again; and they take no more memory than their bytes.
pub fn body(data: &[u8]) {
    // An inline request that is longer is refused when it has not ended by then, so pieces make a difference.
    let data = &data[..data.len().min(INLINE_MAX)];
    for authenticated in [true, false] {
        let limits = ParseLimits {
            max_bulk: 1 << 20,
            authenticated,
        };
        // A list of arguments doubles, and they are copied out of it here: at most one for three bytes ("*1\n" is none).
        let whole = bounded((64 << 10) + 128 * data.len(), || {
            requests(data, &limits, data.len())
        });
        for step in [1, 7, 1 + data.len() / 3] {
            assert_eq!(requests(data, &limits, step), whole, "in pieces of {step}");
        }
        let (mut requests_of, _) = whole;
        requests_of.retain(|args| !args.is_empty());
        let again: Vec<u8> = requests_of
            .iter()
            .flat_map(|args| encode(&args.iter().map(Vec::as_slice).collect::<Vec<_>>()))
            .collect();
        let limits = ParseLimits {
            authenticated: true,
            ..limits
        };
        let read = requests(&again, &limits, again.len());
        assert_eq!(read, (requests_of, Ok(0)), "written and read again");
    }
}

fn requests(data: &[u8], limits: &ParseLimits, step: usize) -> Requests {
    let (mut parser, mut args) = (Parser::default(), ArgList::default());
    let (mut found, mut done, mut there) = (Vec::new(), 0, 0);
    let mut ends = pieces(data.len(), step);
    loop {
        match parser.parse(&data[done..there], limits, &mut args) {
            Ok(Parsed::Request { len }) => {
                assert!(len > 0 && done + len <= there, "{len} bytes of {there}");
                let request = &data[done..done + len];
                found.push(
                    (0..args.len())
                        .map(|i| args.get(request, i).to_vec())
                        .collect(),
                );
                args.clear();
                done += len;
            }
            Ok(Parsed::Incomplete { need }) => {
                assert!(need > 0);
                match ends.next() {
                    Some(end) => there = end,
                    None => return (found, Ok(data.len() - done)),
                }
            }
            Err(error) => return (found, Err(error.to_string())),
        }
        assert!(args.len() <= there - done + 1, "more arguments than bytes");
    }
}
