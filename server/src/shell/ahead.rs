//! Requests of a pipeline parsed before the first of them runs, so that what they will look at can be fetched for all of
//! them at once.

use crate::command::table::KeySpec;
use crate::command::{self, Command};
use crate::resp::{ArgList, ParseLimits, Parsed, Parser, ProtocolError, plain};
use crate::store::Db;
use crate::store::held::{Held, MOST};

/// The most requests that are parsed ahead.
pub(super) const AHEAD: usize = 32;

/// Arguments that there is room for from batch to batch, at most.
const ARGS_KEPT: usize = 32 * AHEAD;

/// True if the first argument of `command` is a key: what will be looked at can be fetched before it runs.
#[inline]
fn is_keyed(command: Option<&Command>) -> bool {
    command.is_some_and(|c| matches!(c.keys, KeySpec::Range { first: 1, .. }))
}

/// A request parsed ahead.
pub(super) struct Request {
    /// Where it ends in the bytes that were parsed.
    pub end: usize,
    /// Where its arguments end among those of all.
    args_end: usize,
    /// The command that the first of them names, if there is one of that name.
    pub command: Option<&'static Command>,
    /// The hash of its key, whose bucket is on its way.
    pub hash: Option<u64>,
}

/// What comes after the requests parsed ahead.
pub(super) enum Then {
    /// More of them, perhaps.
    More,
    /// No whole request.
    Starved,
    /// What is no request.
    Broken(ProtocolError),
}

/// Requests parsed ahead.
pub(super) struct Ahead<'a> {
    requests: Vec<Request>,
    /// The arguments of all requests.
    args: Vec<&'a [u8]>,
    then: Then,
    /// The entries that so many of them will look at were fetched.
    fetched: usize,
    /// The last of them was noted in the list of the parser.
    is_noted: bool,
}

/// The start of a request as far as its first argument ends: most pipelines repeat one.
struct Head<'a> {
    bytes: &'a [u8],
    /// Arguments that follow it.
    rest: usize,
    name: &'a [u8],
    command: Option<&'static Command>,
}

/// Where requests parsed ahead are noted, when there are none.
#[derive(Default)]
pub(super) struct Pages {
    requests: Vec<Request>,
    args: Vec<&'static [u8]>,
}

/// The memory of `args`, for those of other requests.
fn emptied<'a>(mut args: Vec<&[u8]>) -> Vec<&'a [u8]> {
    args.clear();
    let none = args.into_iter().map(|_| -> &[u8] { &[] });
    none.collect()
}

impl<'a> Ahead<'a> {
    /// None yet, to be noted on `pages`.
    pub fn new(pages: &mut Pages) -> Ahead<'a> {
        Ahead {
            requests: std::mem::take(&mut pages.requests),
            args: emptied(std::mem::take(&mut pages.args)),
            then: Then::More,
            fetched: 0,
            is_noted: false,
        }
    }

    /// Parses up to `most` requests from the start of `bytes`, and has the memory fetched that they will look at first if
    /// they find `db` selected. One that is not plainly written, or that came in pieces, is the last: its arguments are
    /// noted in `list`.
    pub fn parse(
        &mut self,
        bytes: &'a [u8],
        parser: &mut Parser,
        limits: &ParseLimits,
        list: &'a mut ArgList,
        most: usize,
        db: Option<&Db>,
    ) {
        let mut head = None;
        while self.requests.len() < most && !self.is_noted {
            let start = self.end();
            let rest = &bytes[start..];
            if rest.is_empty() && parser.is_fresh() {
                self.then = Then::Starved;
                break;
            }
            let plain = match parser.is_fresh() {
                true => self.plain(rest, limits, &mut head),
                false => None,
            };
            let (len, command) = match plain {
                Some(found) => found,
                None => match parser.parse(rest, limits, list) {
                    Ok(Parsed::Request { len }) => {
                        self.is_noted = true;
                        (len, command::find(list.get(rest, 0)))
                    }
                    Ok(Parsed::Incomplete { .. }) => {
                        self.then = Then::Starved;
                        break;
                    }
                    Err(error) => {
                        self.then = Then::Broken(error);
                        break;
                    }
                },
            };
            let key = match self.is_noted {
                false => self.args.get(self.args_end() + 1).copied(),
                true => (list.len() > 1).then(|| list.get(rest, 1)),
            };
            let hash = match (db, key) {
                (Some(db), Some(key)) if is_keyed(command) => Some(db.hash(key)),
                _ => None,
            };
            self.requests.push(Request {
                end: start + len,
                args_end: self.args.len() + if self.is_noted { list.len() } else { 0 },
                command,
                hash,
            });
        }
        if let Some(db) = db {
            let mut last = None;
            for hash in self.requests.iter().filter_map(|request| request.hash) {
                if last != Some(hash) {
                    db.prefetch_bucket(hash);
                    last = Some(hash);
                }
            }
        }
        if self.is_noted {
            let start = match &self.requests[..] {
                [.., before, _] => before.end,
                _ => 0,
            };
            let list: &'a ArgList = list;
            let noted = (0..list.len()).map(|i| list.get(&bytes[start..], i));
            self.args.extend(noted);
        }
    }

    /// Has the entries fetched that the requests from `first` on will look at, unless there is just one.
    pub fn fetch_entries(&mut self, db: &Db, first: usize) {
        if self.requests.len() > 1 {
            let later = &self.requests[first.max(self.fetched)..];
            let hashes = later.iter().filter_map(|request| request.hash);
            hashes.for_each(|hash| db.prefetch_entry(hash));
        }
        self.fetched = self.requests.len();
    }

    /// Holds shards of `db` for the next requests from `first` on if there are several, and has the entries fetched that these
    /// will look at. Where the others begin.
    pub fn hold<'d>(&mut self, held: &mut Held<'d>, db: &'d Db, first: usize) -> usize {
        let end = self.requests.len().min(first + MOST);
        match &self.requests[first..end] {
            [] | [_] => held.release(),
            several => held.hold(db, several.iter().map(|request| request.hash)),
        }
        self.fetched = self.fetched.max(end);
        end
    }

    /// The length and the command of the request at the start of `bytes` if it is plainly written; notes its arguments.
    #[inline]
    fn plain(
        &mut self,
        bytes: &'a [u8],
        limits: &ParseLimits,
        head: &mut Option<Head<'a>>,
    ) -> Option<(usize, Option<&'static Command>)> {
        let before = self.args.len();
        let args = &mut self.args;
        let mut note = |start: usize, len: usize| args.push(&bytes[start..start + len]);
        let found = match head {
            Some(head) if bytes.starts_with(head.bytes) => {
                self.args.push(head.name);
                let args = &mut self.args;
                let note = |start: usize, len: usize| args.push(&bytes[start..start + len]);
                let (at, count) = (head.bytes.len(), head.rest);
                let len = plain::plain_rest(bytes, at, count, limits, note);
                len.map(|len| (len, head.command))
            }
            _ => {
                let len = match bytes.first() {
                    Some(b'*') => plain::plain(bytes, limits, &mut note),
                    _ => plain::plain_line(bytes, &mut note),
                };
                len.map(|len| {
                    let args = &self.args[before..];
                    let command = args.first().and_then(|name| command::find(name));
                    *head = Head::of(bytes, len, args, command);
                    (len, command)
                })
            }
        };
        if found.is_none() {
            self.args.truncate(before);
        }
        found
    }

    /// What comes after them, and whether the last of them was noted in the list of the parser. Gives `pages` back.
    pub fn into_end(mut self, pages: &mut Pages) -> (Then, bool) {
        self.requests.clear();
        // It is as long as its longest request until it is cleared.
        self.args.clear();
        self.args.shrink_to(ARGS_KEPT);
        *pages = Pages {
            requests: self.requests,
            args: emptied(self.args),
        };
        (self.then, self.is_noted)
    }

    /// Request `index`, unless it is the last and was noted in the list of the parser.
    #[inline]
    pub fn get_plain(&self, index: usize) -> Option<&Request> {
        let is_last = index + 1 == self.requests.len();
        self.requests
            .get(index)
            .filter(|_| !(is_last && self.is_noted))
    }

    /// The requests, in order.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The arguments of request `index`.
    #[inline]
    pub fn args(&self, index: usize) -> &[&'a [u8]] {
        let start = match index {
            0 => 0,
            _ => self.requests[index - 1].args_end,
        };
        &self.args[start..self.requests[index].args_end]
    }

    /// Where the last request ends.
    pub fn end(&self) -> usize {
        self.requests.last().map_or(0, |r| r.end)
    }

    fn args_end(&self) -> usize {
        self.requests.last().map_or(0, |r| r.args_end)
    }
}

impl<'a> Head<'a> {
    /// Of the request at the start of `bytes`, `len` long, that has these arguments: of an array, or of a line of one word.
    fn of(
        bytes: &'a [u8],
        len: usize,
        args: &[&'a [u8]],
        command: Option<&'static Command>,
    ) -> Option<Self> {
        let (name, rest) = args.split_first()?;
        let end = match (bytes.first(), rest) {
            (Some(b'*'), _) => {
                let start = name.as_ptr().addr() - bytes.as_ptr().addr();
                start + name.len() + b"\r\n".len()
            }
            (_, []) => len,
            _ => return None,
        };
        Some(Head {
            bytes: bytes.get(..end)?,
            rest: rest.len(),
            name,
            command,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: ParseLimits = ParseLimits {
        max_bulk: 1 << 20,
        authenticated: true,
    };

    type Requests = (Vec<Vec<Vec<u8>>>, Option<String>);

    /// What a parser alone finds in `bytes`.
    fn one_by_one(bytes: &[u8]) -> Requests {
        let (mut found, mut start) = (Vec::new(), 0);
        loop {
            // Piece by piece, so that nothing is taken for plain.
            let (mut parser, mut list) = (Parser::default(), ArgList::default());
            let mut ends = start..=bytes.len();
            let parsed =
                ends.find_map(
                    |end| match parser.parse(&bytes[start..end], &LIMITS, &mut list) {
                        Ok(Parsed::Incomplete { .. }) => None,
                        whole => Some(whole),
                    },
                );
            match parsed {
                Some(Ok(Parsed::Request { len })) => {
                    let request = &bytes[start..start + len];
                    let args = (0..list.len()).map(|i| list.get(request, i).to_vec());
                    found.push(args.collect());
                    start += len;
                }
                Some(Err(error)) => return (found, Some(error.to_string())),
                _ => return (found, None),
            }
        }
    }

    /// What is found in bytes that come in two pieces if up to `most` requests are parsed ahead.
    fn ahead(all: &[u8], cut: usize, most: usize) -> Requests {
        let (mut parser, mut list) = (Parser::default(), ArgList::default());
        let (mut found, mut start) = (Vec::new(), 0);
        let mut pages = Pages::default();
        for there in [cut, all.len()] {
            loop {
                let bytes = &all[start..there];
                let mut ahead = Ahead::new(&mut pages);
                ahead.parse(bytes, &mut parser, &LIMITS, &mut list, most, None);
                for (i, request) in ahead.requests().iter().enumerate() {
                    let args = ahead.args(i);
                    let named = args.first().and_then(|name| command::find(name));
                    assert_eq!(request.command.map(|c| c.name), named.map(|c| c.name));
                    found.push(args.iter().map(|arg| arg.to_vec()).collect());
                }
                start += ahead.end();
                let (then, is_noted) = ahead.into_end(&mut pages);
                if is_noted {
                    list.clear();
                }
                match then {
                    Then::More => {}
                    Then::Broken(error) => return (found, Some(error.to_string())),
                    Then::Starved => break,
                }
            }
        }
        (found, None)
    }

    /// Bytes that look enough like requests to reach the corners of what is plain.
    fn requests() -> impl Strategy<Value = Vec<u8>> {
        let arg = prop_oneof![Just("GET".to_owned()), "[a-z]{0,12}", "[a\\r\\n*$\"']{0,3}",];
        let array = prop::collection::vec(arg, 0..5).prop_map(|args| {
            let mut out = format!("*{}\r\n", args.len());
            args.iter()
                .for_each(|arg| out += &format!("${}\r\n{arg}\r\n", arg.len()));
            out
        });
        let piece = prop_oneof![
            4 => array,
            1 => "(get|ping|set)( {1,2}[a-z\"']{0,4}){0,3}\r?\n",
            1 => "[*$0-9\r\na]{0,6}",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
    }

    #[test]
    fn a_long_request_leaves_no_room_behind() {
        let args = 100 * ARGS_KEPT;
        let long = format!("*{args}\r\n{}", "$1\r\na\r\n".repeat(args));
        let (mut parser, mut list) = (Parser::default(), ArgList::default());
        let mut pages = Pages::default();
        let mut ahead = Ahead::new(&mut pages);
        ahead.parse(long.as_bytes(), &mut parser, &LIMITS, &mut list, 1, None);
        assert_eq!(ahead.args(0).len(), args);
        ahead.into_end(&mut pages);
        assert!(pages.args.capacity() <= 2 * ARGS_KEPT);
    }

    proptest! {
        #[test]
        fn what_is_parsed_ahead_is_what_a_parser_finds(
            bytes in requests(), cut: usize, most in 1..AHEAD,
        ) {
            prop_assert_eq!(ahead(&bytes, cut % (bytes.len() + 1), most), one_by_one(&bytes));
        }
    }
}
