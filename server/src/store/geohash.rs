//! Places on the earth as numbers whose order keeps neighbours together, as Redis makes scores of them.
//!
//! Longitude and latitude are halved in turn, 26 times each: a cell of `step` halvings is `2 * step` bits, and the places
//! in it are a range of scores. All arithmetic is in Redis's order of operations, so that results agree to the last bit.

/// Halvings of a score.
pub const MAX_STEP: u32 = 26;
/// Longitudes and latitudes of a score.
const LONGITUDES: (f64, f64) = (-180.0, 180.0);
const LATITUDES: (f64, f64) = (-85.051_128_78, 85.051_128_78);
/// Latitudes of the text that other programs know as a geohash.
const ALL_LATITUDES: (f64, f64) = (-90.0, 90.0);
/// In metres.
const EARTH_RADIUS: f64 = 6_372_797.560_856;
const MERCATOR_MAX: f64 = 20_037_726.37;
const LONGITUDE_BITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const LATITUDE_BITS: u64 = 0x5555_5555_5555_5555;

/// Longitude and latitude in degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Place {
    /// East of Greenwich.
    pub longitude: f64,
    /// North of the equator.
    pub latitude: f64,
}

/// A rectangle between meridians and parallels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    bits: u64,
    step: u32,
}

/// The edges of a cell, or of an area.
#[derive(Clone, Copy, Debug)]
struct Edges {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

/// What is searched, around a place; lengths in metres.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// All places so near.
    Circle(f64),
    /// All places in a box of this width and height.
    Box(f64, f64),
}

fn radians(degrees: f64) -> f64 {
    degrees * (std::f64::consts::PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (std::f64::consts::PI / 180.0)
}

/// The bits of `x` at every other place, from the lowest on.
fn spread(x: u32) -> u64 {
    let mut x = u64::from(x);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, LATITUDE_BITS),
    ] {
        x = (x | x << shift) & mask;
    }
    x
}

/// What [`spread`] made `x` of.
fn gather(x: u64) -> u32 {
    let mut x = x & LATITUDE_BITS;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        x = (x | x >> shift) & mask;
    }
    x as u32
}

/// A score as C makes an unsigned integer of it, on the machines that Redis runs on.
fn unsigned(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    match score {
        s if s < HALF => (s as i64).cast_unsigned(),
        s if s < 2.0 * HALF => s as u64,
        _ => 0,
    }
}

impl Place {
    /// True if a score can say it.
    pub fn is_sound(self) -> bool {
        let within = |x: f64, range: (f64, f64)| x >= range.0 && x <= range.1;
        within(self.longitude, LONGITUDES) && within(self.latitude, LATITUDES)
    }

    /// The score of a place that [is sound](Place::is_sound).
    pub fn score(self) -> u64 {
        Cell::around(self, MAX_STEP, LATITUDES).bits
    }

    /// The place a score means; any number means one.
    pub fn of_score(score: f64) -> Place {
        let edges = Cell {
            bits: unsigned(score),
            step: MAX_STEP,
        }
        .edges();
        let middle = |low: f64, high: f64, range: (f64, f64)| {
            let middle = (low + high) / 2.0;
            middle.min(range.1).max(range.0)
        };
        Place {
            longitude: middle(edges.west, edges.east, LONGITUDES),
            latitude: middle(edges.south, edges.north, LATITUDES),
        }
    }

    /// The eleven letters that other programs know the place by; the last is always 0.
    pub fn text(self) -> [u8; 11] {
        const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::around(self, MAX_STEP, ALL_LATITUDES).bits;
        std::array::from_fn(|i| match i {
            10 => LETTERS[0],
            i => LETTERS[(bits >> (52 - (i + 1) * 5)) as usize & 0x1f],
        })
    }

    /// Metres to another place.
    pub fn distance(self, other: Place) -> f64 {
        let (from, to) = (radians(self.longitude), radians(other.longitude));
        let v = ((to - from) / 2.0).sin();
        if v == 0.0 {
            return north_south(self.latitude, other.latitude);
        }
        let (from, to) = (radians(self.latitude), radians(other.latitude));
        let u = ((to - from) / 2.0).sin();
        let a = u * u + from.cos() * to.cos() * v * v;
        2.0 * EARTH_RADIUS * a.sqrt().asin()
    }
}

/// Metres between two latitudes.
fn north_south(a: f64, b: f64) -> f64 {
    EARTH_RADIUS * (radians(b) - radians(a)).abs()
}

impl Cell {
    fn around(place: Place, step: u32, latitudes: (f64, f64)) -> Cell {
        let part = |x: f64, range: (f64, f64)| {
            let part = (x - range.0) / (range.1 - range.0);
            (part * (1u64 << step) as f64) as u32
        };
        let latitude = spread(part(place.latitude, latitudes));
        let longitude = spread(part(place.longitude, LONGITUDES));
        Cell {
            bits: latitude | longitude << 1,
            step,
        }
    }

    fn edges(self) -> Edges {
        let edge = |number: u32, range: (f64, f64)| {
            range.0 + (f64::from(number) / (1u64 << self.step) as f64) * (range.1 - range.0)
        };
        let (latitude, longitude) = (gather(self.bits), gather(self.bits >> 1));
        Edges {
            west: edge(longitude, LONGITUDES),
            east: edge(longitude.wrapping_add(1), LONGITUDES),
            south: edge(latitude, LATITUDES),
            north: edge(latitude.wrapping_add(1), LATITUDES),
        }
    }

    /// The cell so many cells to the east and to the north, at most one; around the earth if need be.
    fn moved(self, east: i32, north: i32) -> Cell {
        let unused = 64 - 2 * self.step;
        let moved = |own: u64, other: u64, by: i32| {
            let (bits, filler) = (self.bits & own, other >> unused);
            let bits = match by {
                0 => return bits,
                1.. => bits.wrapping_add(filler + 1),
                _ => (bits | filler).wrapping_sub(filler + 1),
            };
            bits & own >> unused
        };
        let longitude = moved(LONGITUDE_BITS, LATITUDE_BITS, east);
        Cell {
            bits: longitude | moved(LATITUDE_BITS, LONGITUDE_BITS, north),
            ..self
        }
    }

    /// The scores of the places in it: from the first up to but not including the second.
    pub fn scores(self) -> (f64, f64) {
        let shift = 2 * (MAX_STEP - self.step);
        let score = |bits: u64| (bits << shift) as f64;
        (score(self.bits), score(self.bits.wrapping_add(1)))
    }
}

impl Shape {
    /// The metres from `center` to `place`, if that is within the shape around `center`.
    pub fn distance(self, center: Place, place: Place) -> Option<f64> {
        match self {
            Shape::Circle(radius) => {
                let distance = center.distance(place);
                // Antipodes may be at no distance at all, by rounding, and are then found, as in Redis.
                if distance > radius {
                    return None;
                }
                Some(distance)
            }
            Shape::Box(width, height) => {
                if north_south(place.latitude, center.latitude) > height / 2.0 {
                    return None;
                }
                let beside = Place {
                    latitude: place.latitude,
                    ..center
                };
                if place.distance(beside) > width / 2.0 {
                    return None;
                }
                Some(center.distance(place))
            }
        }
    }

    /// The edges of an area that the shape around `center` is in.
    fn edges(self, center: Place) -> Edges {
        let (width, height) = match self {
            Shape::Circle(radius) => (radius, radius),
            Shape::Box(width, height) => (width / 2.0, height / 2.0),
        };
        let latitudes = degrees(height / EARTH_RADIUS);
        // The parallel that is nearer to a pole is the shorter one.
        let parallel = match center.latitude < 0.0 {
            true => center.latitude - latitudes,
            false => center.latitude + latitudes,
        };
        let longitudes = degrees(width / EARTH_RADIUS / radians(parallel).cos());
        Edges {
            west: center.longitude - longitudes,
            east: center.longitude + longitudes,
            south: center.latitude - latitudes,
            north: center.latitude + latitudes,
        }
    }

    /// Metres from the center to the farthest place.
    fn reach(self) -> f64 {
        match self {
            Shape::Circle(radius) => radius,
            Shape::Box(width, height) => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        }
    }

    /// The cells that the shape around `center` lies in: the one in the middle and those of its neighbours that are
    /// needed, in the order in which Redis looks at them.
    pub fn cells(self, center: Place) -> Vec<Cell> {
        let area = self.edges(center);
        let mut step = step_for(self.reach(), center.latitude);
        let mut middle = Cell::around(center, step, LATITUDES);
        let too_small = middle.moved(0, 1).edges().north < area.north
            || middle.moved(0, -1).edges().south > area.south
            || middle.moved(1, 0).edges().east < area.east
            || middle.moved(-1, 0).edges().west > area.west;
        if step > 1 && too_small {
            step -= 1;
            middle = Cell::around(center, step, LATITUDES);
        }
        let own = middle.edges();
        // Small cells whose neighbours the shape does not reach.
        let spared = |east: i32, north: i32| {
            step >= 2
                && (north < 0 && own.south < area.south
                    || north > 0 && own.north > area.north
                    || east < 0 && own.west < area.west
                    || east > 0 && own.east > area.east)
        };
        let around = [
            (0, 0),
            (0, 1),
            (0, -1),
            (1, 0),
            (-1, 0),
            (1, 1),
            (-1, 1),
            (1, -1),
            (-1, -1),
        ];
        let mut cells: Vec<Cell> = Vec::new();
        for (i, (east, north)) in around.into_iter().enumerate() {
            let cell = middle.moved(east, north);
            // Around a small earth, neighbours are the same.
            let again = i > 1 && cells.len() > 1 && cells.last() == Some(&cell);
            if !spared(east, north) && !again {
                cells.push(cell);
            }
        }
        cells
    }
}

/// Halvings after which a cell and its neighbours have room for what is within `reach` metres.
fn step_for(mut reach: f64, latitude: f64) -> u32 {
    if reach == 0.0 {
        return MAX_STEP;
    }
    let mut step = -1;
    while reach < MERCATOR_MAX {
        reach *= 2.0;
        step += 1;
    }
    // Towards the poles cells are narrow.
    step -= i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
    step.clamp(1, MAX_STEP as i32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(longitude: f64, latitude: f64) -> Place {
        Place {
            longitude,
            latitude,
        }
    }

    const PALERMO: Place = at(13.361_389, 38.115_556);
    const CATANIA: Place = at(15.087_269, 37.502_669);

    #[test]
    fn scores_are_those_of_redis() {
        assert_eq!(PALERMO.score(), 3_479_099_956_230_698);
        assert_eq!(CATANIA.score(), 3_479_447_370_796_909);
        let place = Place::of_score(3_479_099_956_230_698.0);
        assert_eq!(place, at(13.361_389_338_970_184, 38.115_556_395_496_3));
        assert_eq!(&place.text(), b"sqc8b49rny0");
        let distance = place.distance(Place::of_score(3_479_447_370_796_909.0));
        assert_eq!(format!("{distance:.4}"), "166274.1516");
    }

    #[test]
    fn any_number_is_a_place() {
        for score in [-1.0, 1e300, f64::INFINITY, f64::NEG_INFINITY, 0.5, 1e19] {
            assert!(Place::of_score(score).is_sound(), "{score}");
        }
    }

    #[test]
    fn bits_are_spread_and_gathered() {
        for x in [0, 1, 0x8000_0001, 0x03ff_ffff, u32::MAX, 0x1234_5678] {
            assert_eq!(gather(spread(x)), x);
            assert_eq!(spread(x) & LONGITUDE_BITS, 0);
        }
    }

    #[test]
    fn what_is_in_a_shape_is_in_its_cells() {
        let mut state = 7u64;
        let mut random = |low: f64, high: f64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            low + (state >> 11) as f64 / (1u64 << 53) as f64 * (high - low)
        };
        for _ in 0..20_000 {
            let center = at(random(-170.0, 170.0), random(-75.0, 75.0));
            let reach = 10f64.powf(random(0.0, 5.5));
            let shape = match random(0.0, 1.0) < 0.5 {
                true => Shape::Circle(reach),
                false => Shape::Box(reach, reach * random(0.1, 2.0)),
            };
            let near = reach / 111_000.0;
            let place = at(
                center.longitude + random(-near, near),
                center.latitude + random(-near, near),
            );
            let place = Place::of_score(place.score() as f64);
            let within = |cell: &Cell| {
                let (low, high) = cell.scores();
                (low..high).contains(&(place.score() as f64))
            };
            if shape.distance(center, place).is_some() {
                let cells = shape.cells(center);
                assert!(cells.iter().any(within), "{shape:?} {center:?} {place:?}");
            }
        }
    }
}
