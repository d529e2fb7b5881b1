//! Geospatial indices, which are sorted sets: their commands' entries in the table.

mod members;
mod search;
#[cfg(test)]
mod tests;

use super::CmdError;
use super::table::{Command, KeySpec, acl, flag::*};
use super::zsets::members::float;
use crate::command::uses::{OVERWRITE, SEE, UPDATE, both};
use crate::store::geohash::Place;

const GROUP: &str = "geo";
const KEY: KeySpec = KeySpec::FIRST;
const EDIT: u32 = WRITE | DENYOOM;
const LOGARITHMIC: &str = "O(log(N))";
const IN_CIRCLE: &str = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index.";
const IN_SHAPE: &str = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as the filter and M is the number of items inside the shape";

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::keyed("geoadd", -5, EDIT, KEY, members::geoadd).uses(both(UPDATE, UPDATE))
        .acl(acl::GEO)
        .doc(
            GROUP,
            "3.2.0",
            "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
            "key [NX|XX] [CH] longitude:double latitude:double member [longitude:double latitude:double member ...]",
            "Adds members with their places to a geospatial index.",
        ),
    Command::keyed("geodist", -4, READONLY, KEY, members::geodist)
        .acl(acl::GEO)
        .doc(
            GROUP,
            "3.2.0",
            LOGARITHMIC,
            "key member1 member2 [M|KM|FT|MI]",
            "Returns the distance between two members of a geospatial index.",
        ),
    Command::keyed("geohash", -2, READONLY, KEY, members::geohash)
        .acl(acl::GEO)
        .doc(
            GROUP,
            "3.2.0",
            "O(log(N)) for each member requested, where N is the number of elements in the sorted set.",
            "key member [member ...]",
            "Returns the geohashes of members of a geospatial index.",
        ),
    Command::keyed("geopos", -2, READONLY, KEY, members::geopos)
        .acl(acl::GEO)
        .doc(
            GROUP,
            "3.2.0",
            "O(N) where N is the number of members requested.",
            "key member [member ...]",
            "Returns longitude and latitude of members of a geospatial index.",
        ),
    Command::keyed("georadius", -6, EDIT | READS, search::RADIUS_KEYS, search::georadius).uses(both(SEE, OVERWRITE))
        .acl(acl::GEO)
        .doc(
            GROUP,
            "3.2.0",
            IN_CIRCLE,
            "key longitude:double latitude:double radius:double M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC] [STORE key] [STOREDIST key]",
            "Finds members of a geospatial index around a place.",
        ),
    Command::keyed("georadius_ro", -6, READONLY, KEY, search::georadius_ro)
        .acl(acl::GEO)
        .doc(
            GROUP,
            "3.2.10",
            IN_CIRCLE,
            "key longitude:double latitude:double radius:double M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC]",
            "Finds members of a geospatial index around a place without storing them.",
        ),
    Command::keyed("georadiusbymember", -5, EDIT | READS, search::RADIUS_KEYS, search::georadiusbymember).uses(both(SEE, OVERWRITE))
        .acl(acl::GEO)
        .doc(
            GROUP,
            "3.2.0",
            IN_CIRCLE,
            "key member radius:double M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC] [STORE key] [STOREDIST key]",
            "Finds members of a geospatial index around one of them.",
        ),
    Command::keyed("georadiusbymember_ro", -5, READONLY, KEY, search::georadiusbymember_ro)
        .acl(acl::GEO)
        .doc(
            GROUP,
            "3.2.10",
            IN_CIRCLE,
            "key member radius:double M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC]",
            "Finds members of a geospatial index around one of them without storing them.",
        ),
    Command::keyed("geosearch", -7, READONLY, KEY, search::geosearch)
        .acl(acl::GEO)
        .doc(
            GROUP,
            "6.2.0",
            IN_SHAPE,
            "key (FROMMEMBER member|FROMLONLAT longitude:double latitude:double) (BYRADIUS radius:double M|KM|FT|MI|BYBOX width:double height:double M|KM|FT|MI) [ASC|DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
            "Finds members of a geospatial index in a circle or a box.",
        ),
    Command::keyed("geosearchstore", -8, EDIT | READS, KeySpec::TWO, search::geosearchstore).uses(both(OVERWRITE, SEE))
        .acl(acl::GEO)
        .doc(
            GROUP,
            "6.2.0",
            IN_SHAPE,
            "destination source (FROMMEMBER member|FROMLONLAT longitude:double latitude:double) (BYRADIUS radius:double M|KM|FT|MI|BYBOX width:double height:double M|KM|FT|MI) [ASC|DESC] [COUNT count [ANY]] [STOREDIST]",
            "Stores the members of a geospatial index in a circle or a box.",
        ),
];

/// The place that two arguments say.
fn place(longitude: &[u8], latitude: &[u8]) -> Result<Place, CmdError> {
    let place = Place {
        longitude: float(longitude)?,
        latitude: float(latitude)?,
    };
    match place.is_sound() {
        true => Ok(place),
        false => Err(CmdError::formatted(format!(
            "ERR invalid longitude,latitude pair {:.6},{:.6}",
            place.longitude, place.latitude
        ))),
    }
}

/// The metres of a unit.
fn unit(arg: &[u8]) -> Result<f64, CmdError> {
    Ok(match arg.to_ascii_lowercase().as_slice() {
        b"m" => 1.0,
        b"km" => 1000.0,
        b"ft" => 0.3048,
        b"mi" => 1609.34,
        _ => {
            return Err(CmdError::text(
                "ERR unsupported unit provided. please use M, KM, FT, MI",
            ));
        }
    })
}
