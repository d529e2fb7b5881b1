//! Requests parsed before the first of them runs, so that what they will look at can be fetched for all of them at once.

use crate::command::{self, Command};
use crate::resp::{ArgList, ParseLimits, Parsed, Parser, ProtocolError};
use smallvec::SmallVec;
use std::ops::Range;

/// The most requests that are parsed ahead.
pub(super) const AHEAD: usize = 32;

/// A request parsed ahead.
pub(super) struct Request {
    /// Where it lies in the bytes that were parsed.
    pub bytes: Range<usize>,
    /// Its arguments in the list.
    pub args: Range<usize>,
    /// The command that the first of them names, if there is one of that name.
    pub command: Option<&'static Command>,
}

impl Request {
    /// Its arguments, where `bytes` is what was parsed and `args` the list they were noted in.
    pub fn args<'a>(
        &self,
        bytes: &'a [u8],
        args: &'a ArgList,
    ) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let request = &bytes[self.bytes.start..];
        self.args.clone().map(|i| args.get(request, i))
    }
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
pub(super) struct Ahead {
    pub requests: SmallVec<[Request; AHEAD]>,
    pub then: Then,
}

impl Ahead {
    /// Parses up to `most` requests from the start of `bytes`.
    pub fn parse(
        bytes: &[u8],
        parser: &mut Parser,
        limits: &ParseLimits,
        args: &mut ArgList,
        most: usize,
    ) -> Ahead {
        let mut ahead = Ahead {
            requests: SmallVec::new(),
            then: Then::More,
        };
        while ahead.requests.len() < most {
            let (start, first) = (ahead.end(), ahead.args());
            match parser.parse(&bytes[start..], limits, args) {
                Ok(Parsed::Request { len }) => {
                    let name = args.get(&bytes[start..], first);
                    ahead.requests.push(Request {
                        bytes: start..start + len,
                        args: first..args.len(),
                        command: command::find(name),
                    });
                }
                Ok(Parsed::Incomplete { .. }) => {
                    ahead.then = Then::Starved;
                    break;
                }
                Err(error) => {
                    ahead.then = Then::Broken(error);
                    break;
                }
            }
        }
        ahead
    }

    /// Where the last request ends.
    pub fn end(&self) -> usize {
        self.requests.last().map_or(0, |r| r.bytes.end)
    }

    /// How many arguments they have.
    pub fn args(&self) -> usize {
        self.requests.last().map_or(0, |r| r.args.end)
    }
}
