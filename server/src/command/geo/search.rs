//! Searches of a geospatial index: GEOSEARCH, GEORADIUS and their kin.

use super::members::coordinates;
use super::{place, unit};
use crate::command::args::{integer, is};
use crate::command::partial_sort::partial_sort;
use crate::command::table::{KeySpec, Positions};
use crate::command::zsets::range::store;
use crate::command::{CmdError, Cx};
use crate::store::elem::Elem;
use crate::store::geohash::{Place, Shape};
use crate::store::num::parse_f64;
use crate::store::zset::Zset;
use std::cmp::Ordering;

type Done = Result<(), CmdError>;

/// Where the keys of GEORADIUS and GEORADIUSBYMEMBER are.
pub(super) const RADIUS_KEYS: KeySpec = KeySpec::FirstAndSome(destinations);

/// What may be stored to, in the order of Redis's specification: what comes behind the first STORE and the first
/// STOREDIST, and what is in fact.
fn destinations(args: &[&[u8]]) -> Positions {
    let mut all = Positions::new();
    for word in ["store", "storedist"] {
        let at = (5..args.len().saturating_sub(1)).find(|at| is(args[*at], word));
        all.extend(at.map(|at| at + 1));
    }
    if let Some(last) = destination(args).filter(|last| !all.contains(last)) {
        all.push(last);
    }
    all
}

fn destination(args: &[&[u8]]) -> Option<usize> {
    let (mut at, mut stored) = (5, None);
    while at + 1 < args.len() {
        if is(args[at], "store") || is(args[at], "storedist") {
            at += 1;
            stored = Some(at);
        }
        at += 1;
    }
    stored
}

/// Which command it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// GEORADIUS: around a place.
    Place,
    /// GEORADIUSBYMEMBER.
    Member,
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }
}

/// What a command asks for.
struct Query<'a> {
    center: Option<Place>,
    /// The center is said, though perhaps not known where there is no index.
    around_member: bool,
    shape: Option<Shape>,
    /// The metres of the unit that distances are in.
    unit: f64,
    with_distance: bool,
    with_score: bool,
    with_place: bool,
    /// Nearest first, or farthest first.
    ascending: Option<bool>,
    /// At most so many.
    count: Option<usize>,
    /// Any will do, not only the nearest.
    any: bool,
    store: Option<&'a [u8]>,
    store_distances: bool,
}

/// A number that `error` is about.
fn number(arg: &[u8], error: &'static str) -> Result<f64, CmdError> {
    parse_f64(arg).ok_or(CmdError::text(error))
}

impl<'a> Query<'a> {
    fn around(&mut self, zset: Option<&Zset>, member: &[u8]) -> Done {
        self.around_member = true;
        if let Some(zset) = zset {
            let score = zset
                .score(member)
                .ok_or(CmdError::text("ERR could not decode requested zset member"))?;
            self.center = Some(Place::of_score(score));
        }
        Ok(())
    }

    fn circle(&mut self, radius: &[u8], unit_name: &[u8]) -> Done {
        let radius = number(radius, "ERR need numeric radius")?;
        if radius < 0.0 {
            return Err(CmdError::text("ERR radius cannot be negative"));
        }
        self.unit = unit(unit_name)?;
        self.shape = Some(Shape::Circle(radius * self.unit));
        Ok(())
    }

    fn rectangle(&mut self, width: &[u8], height: &[u8], unit_name: &[u8]) -> Done {
        let width = number(width, "ERR need numeric width")?;
        let height = number(height, "ERR need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err(CmdError::text("ERR height or width cannot be negative"));
        }
        self.unit = unit(unit_name)?;
        self.shape = Some(Shape::Box(width * self.unit, height * self.unit));
        Ok(())
    }

    /// Reads the arguments behind the index's key.
    fn parse(
        args: &'a [&'a [u8]],
        form: Form,
        may_store: bool,
        zset: Option<&Zset>,
    ) -> Result<Query<'a>, CmdError> {
        let mut query = Query {
            center: None,
            around_member: false,
            shape: None,
            unit: 1.0,
            with_distance: false,
            with_score: false,
            with_place: false,
            ascending: None,
            count: None,
            any: false,
            store: (form == Form::SearchStore).then_some(args[1]),
            store_distances: false,
        };
        let mut rest = match form {
            Form::Place => {
                query.center = Some(place(args[2], args[3])?);
                query.circle(args[4], args[5])?;
                &args[6..]
            }
            Form::Member => {
                query.around(zset, args[2])?;
                // Without an index Redis does not look at them.
                if zset.is_some() {
                    query.circle(args[3], args[4])?;
                }
                &args[5..]
            }
            Form::Search => &args[2..],
            Form::SearchStore => &args[3..],
        };
        while !rest.is_empty() {
            rest = query.option(rest, form, may_store, zset)?;
        }
        query.check(args[0], form)?;
        Ok(query)
    }

    /// Reads one option and returns what is behind it.
    fn option(
        &mut self,
        args: &'a [&'a [u8]],
        form: Form,
        may_store: bool,
        zset: Option<&Zset>,
    ) -> Result<&'a [&'a [u8]], CmdError> {
        let (word, rest) = args.split_first().ok_or(CmdError::Syntax)?;
        let said = |name| is(word, name);
        let (search, radius) = (form.is_search(), !form.is_search() && may_store);
        match rest {
            _ if said("withdist") => self.with_distance = true,
            _ if said("withhash") => self.with_score = true,
            _ if said("withcoord") => self.with_place = true,
            _ if said("any") => self.any = true,
            _ if said("asc") => self.ascending = Some(true),
            _ if said("desc") => self.ascending = Some(false),
            [count, rest @ ..] if said("count") => {
                let count = usize::try_from(integer(count)?).ok().filter(|&n| n > 0);
                self.count = Some(count.ok_or(CmdError::text("ERR COUNT must be > 0"))?);
                return Ok(rest);
            }
            [key, rest @ ..] if radius && (said("store") || said("storedist")) => {
                (self.store, self.store_distances) = (Some(*key), said("storedist"));
                return Ok(rest);
            }
            [member, rest @ ..]
                if search
                    && said("frommember")
                    && (self.around_member || self.center.is_none()) =>
            {
                self.around(zset, member)?;
                return Ok(rest);
            }
            [longitude, latitude, rest @ ..]
                if search && said("fromlonlat") && !self.around_member =>
            {
                self.center = Some(place(longitude, latitude)?);
                return Ok(rest);
            }
            [radius, name, rest @ ..]
                if search && said("byradius") && !matches!(self.shape, Some(Shape::Box(..))) =>
            {
                self.circle(radius, name)?;
                return Ok(rest);
            }
            [width, height, name, rest @ ..]
                if search && said("bybox") && !matches!(self.shape, Some(Shape::Circle(_))) =>
            {
                self.rectangle(width, height, name)?;
                return Ok(rest);
            }
            _ if form == Form::SearchStore && said("storedist") => self.store_distances = true,
            _ => return Err(CmdError::Syntax),
        }
        Ok(rest)
    }

    fn check(&self, name: &[u8], form: Form) -> Done {
        let shows = self.with_distance || self.with_score || self.with_place;
        let name = String::from_utf8_lossy(name);
        let wrong = if self.store.is_some() && shows {
            let what = match form {
                Form::SearchStore => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            format!("{what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
        } else if form.is_search() && !self.around_member && self.center.is_none() {
            format!("exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}")
        } else if form.is_search() && self.shape.is_none() {
            format!("exactly one of BYRADIUS and BYBOX can be specified for {name}")
        } else if self.any && self.count.is_none() {
            "the ANY argument requires COUNT argument".to_owned()
        } else {
            return Ok(());
        };
        Err(CmdError::formatted(format!("ERR {wrong}")))
    }

    /// The members that are asked for, in their order.
    fn run<'z>(&self, zset: &'z Zset) -> Vec<Found<'z>> {
        let mut found = Vec::new();
        let (Some(center), Some(shape)) = (self.center, self.shape) else {
            return found;
        };
        let most = self.count.unwrap_or(usize::MAX);
        let enough = if self.any { most } else { usize::MAX };
        for cell in shape.cells(center) {
            let (low, high) = cell.scores();
            let from = zset.partition_scores(|score| score < low);
            let to = zset.partition_scores(|score| score < high);
            for (member, score) in zset.range(from, to.max(from)) {
                if found.len() >= enough {
                    break;
                }
                let place = Place::of_score(score);
                if let Some(distance) = shape.distance(center, place) {
                    found.push(Found {
                        member,
                        score,
                        place,
                        distance,
                    });
                }
            }
        }
        // The first few are the nearest unless any will do.
        let ascending = match self.ascending {
            None if self.count.is_some() && !self.any => Some(true),
            order => order,
        };
        let returned = found.len().min(most);
        if let Some(ascending) = ascending {
            partial_sort(&mut found, 0..returned, |a, b| {
                let order = a.distance.partial_cmp(&b.distance);
                let order = order.unwrap_or(Ordering::Equal);
                if ascending { order } else { order.reverse() }
            });
        }
        found.truncate(returned);
        for found in &mut found {
            found.distance /= self.unit;
        }
        found
    }
}

/// A member that was found.
struct Found<'z> {
    member: Elem<'z>,
    score: f64,
    place: Place,
    distance: f64,
}

fn run(cx: &mut Cx<'_>, args: &[&[u8]], form: Form, may_store: bool) -> Done {
    let source = if form == Form::SearchStore { 2 } else { 1 };
    let zset = cx.db.zset(args[source])?;
    let query = Query::parse(args, form, may_store, zset)?;
    let found = zset.map_or_else(Vec::new, |zset| query.run(zset));
    if let Some(destination) = query.store {
        let mut result = Zset::new_big();
        for found in &found {
            let score = match query.store_distances {
                true => found.distance,
                false => found.score,
            };
            result.insert(&found.member, score, cx.env.limits);
        }
        let event = match form.is_search() {
            true => "geosearchstore",
            false => "georadiusstore",
        };
        store(cx, destination, result.compact(cx.env.limits), event);
        return Ok(());
    }
    let shown = [query.with_distance, query.with_score, query.with_place];
    let shown = shown.iter().filter(|on| **on).count();
    cx.out.array(found.len());
    for found in &found {
        if shown > 0 {
            cx.out.array(shown + 1);
        }
        cx.out.bulk(&found.member);
        if query.with_distance {
            cx.out.bulk(format!("{:.4}", found.distance).as_bytes());
        }
        if query.with_score {
            cx.out.int(found.score as i64);
        }
        if query.with_place {
            coordinates(cx.out, found.place);
        }
    }
    Ok(())
}

pub(super) fn georadius(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    run(cx, args, Form::Place, true)
}

pub(super) fn georadius_ro(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    run(cx, args, Form::Place, false)
}

pub(super) fn georadiusbymember(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    run(cx, args, Form::Member, true)
}

pub(super) fn georadiusbymember_ro(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    run(cx, args, Form::Member, false)
}

pub(super) fn geosearch(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    run(cx, args, Form::Search, false)
}

pub(super) fn geosearchstore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Done {
    run(cx, args, Form::SearchStore, false)
}
