//! Requests parsed before the first of them runs, so that what they will look at can be fetched for all of them at once:
//! those of a pipeline, and those that came alone from several connections.

use crate::command::table::KeySpec;
use crate::command::{self, Command};
use crate::gate::View;
use crate::resp::{ArgList, ParseLimits, Parsed, Parser, ProtocolError};
use crate::store::Db;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::ops::Range;

/// The most requests that are parsed ahead.
pub(super) const AHEAD: usize = 32;

/// The longest request that waits for those of other connections, in bytes.
pub(super) const LONE_MAX: usize = 1024;
/// So many buckets are on their way before the entry in the first of them is fetched.
const ON_THEIR_WAY: usize = 4;

/// True if the first argument of `command` is a key: what will be looked at can be fetched before it runs.
#[inline]
pub(super) fn is_keyed(command: Option<&Command>) -> bool {
    command.is_some_and(|c| matches!(c.keys, KeySpec::Range { first: 1, .. }))
}

/// A request parsed ahead.
pub(super) struct Request {
    /// Where it lies in the bytes that were parsed.
    pub bytes: Range<usize>,
    /// Its arguments in the list.
    pub args: Range<usize>,
    /// The command that the first of them names, if there is one of that name.
    pub command: Option<&'static Command>,
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
    /// Parses up to `most` requests from the start of `bytes`, and has the memory fetched that they will look at first.
    pub fn parse(
        bytes: &[u8],
        parser: &mut Parser,
        limits: &ParseLimits,
        args: &mut ArgList,
        most: usize,
        fetch: &mut Fetch<'_>,
    ) -> Ahead {
        let mut ahead = Ahead {
            requests: SmallVec::new(),
            then: Then::More,
        };
        // The last request as far as its name, and its command: most pipelines repeat one.
        let mut last: Option<(&[u8], Option<&'static Command>)> = None;
        while ahead.requests.len() < most {
            let (start, first) = (ahead.end(), ahead.args());
            match parser.parse(&bytes[start..], limits, args) {
                Ok(Parsed::Request { len }) => {
                    let request = &bytes[start..start + len];
                    let command = match last {
                        Some((head, command)) if request.starts_with(head) => command,
                        _ => {
                            let command = command::find(args.get(request, first));
                            last = args.head(request, first).map(|head| (head, command));
                            command
                        }
                    };
                    if is_keyed(command) && args.len() > first + 1 {
                        fetch.comes(args.get(request, first + 1));
                    }
                    ahead.requests.push(Request {
                        bytes: start..start + len,
                        args: first..args.len(),
                        command,
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

    /// The arguments of all requests, where `bytes` is what was parsed and `args` the list they were noted in.
    pub fn slices<'a>(&self, bytes: &'a [u8], args: &'a ArgList) -> Vec<&'a [u8]> {
        let mut slices = Vec::with_capacity(self.args());
        for request in &self.requests {
            let bytes = &bytes[request.bytes.clone()];
            slices.extend(request.args.clone().map(|i| args.get(bytes, i)));
        }
        slices
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

/// Memory being fetched for the requests of a pipeline, in the database that is selected when the first of them runs.
pub(super) struct Fetch<'a> {
    db: Option<&'a Db>,
    /// The hashes of keys whose buckets are on their way.
    buckets: SmallVec<[u64; AHEAD]>,
}

impl<'a> Fetch<'a> {
    /// For those on keys of database `db`; for none if no view is to be had.
    pub fn of(view: Option<&'a View>, db: u32) -> Fetch<'a> {
        Fetch {
            db: view
                .and_then(|view| view.dataset.db(db as usize))
                .map(|db| &**db),
            buckets: SmallVec::new(),
        }
    }

    /// Has the bucket of a key fetched.
    #[inline]
    fn comes(&mut self, key: &[u8]) {
        if let Some(db) = self.db {
            let hash = db.hash(key);
            if self.buckets.last() != Some(&hash) {
                db.prefetch_bucket(hash);
                self.buckets.push(hash);
            }
        }
    }

    /// Has the entries fetched, if there are several.
    pub fn entries(self) {
        if let (Some(db), [_, _, ..]) = (self.db, &*self.buckets) {
            for &hash in &self.buckets {
                db.prefetch_entry(hash);
            }
        }
    }
}

/// Memory being fetched for requests that came alone. Each of them runs when all of the thread's connections that are ready
/// have been read.
#[derive(Default)]
pub(super) struct Lone {
    /// Databases and hashes of keys whose buckets are on their way.
    buckets: VecDeque<(u32, u64)>,
}

impl Lone {
    /// A request on `key` of database `db` is going to run: has its bucket fetched, and the entry of one that came earlier.
    pub fn comes(&mut self, view: &View, db: u32, key: &[u8]) {
        let Some(database) = view.dataset.db(db as usize) else {
            return;
        };
        let hash = database.hash(key);
        database.prefetch_bucket(hash);
        self.buckets.push_back((db, hash));
        if self.buckets.len() > ON_THEIR_WAY {
            self.fetch_entry(view);
        }
    }

    /// True when no memory is on its way.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The first of them runs now: has the entries of the last ones fetched.
    pub fn run(&mut self, view: &View) {
        while !self.buckets.is_empty() {
            self.fetch_entry(view);
        }
    }

    fn fetch_entry(&mut self, view: &View) {
        if let Some((db, hash)) = self.buckets.pop_front()
            && let Some(database) = view.dataset.db(db as usize)
        {
            database.prefetch_entry(hash);
        }
    }
}
