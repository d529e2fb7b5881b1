use crate::command::testing::Bench;

fn sicily() -> Bench {
    let mut bench = Bench::new();
    let line = "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania";
    assert_eq!(bench.run(line), ":2");
    bench
}

#[test]
fn members_have_places() {
    let mut bench = sicily();
    assert_eq!(
        bench.told(),
        ["0: zadd Sicily 3479099956230698 Palermo 3479447370796909 Catania"]
    );
    bench.check(&[
        ("GEODIST Sicily Palermo Catania", "$11 166274.1516"),
        ("GEODIST Sicily Palermo Catania km", "$8 166.2742"),
        ("GEODIST Sicily Palermo None", "$-1"),
        ("GEODIST none a b", "$-1"),
        (
            "GEODIST Sicily a b foot",
            "-ERR unsupported unit provided. please use M, KM, FT, MI",
        ),
        ("GEODIST Sicily a b m x", "-ERR syntax error"),
        (
            "GEOHASH Sicily Palermo none Catania",
            "*3 $11 sqc8b49rny0 $-1 $11 sqdtr74hyu0",
        ),
        (
            "GEOPOS Sicily Palermo none",
            "*2 *2 $20 13.36138933897018433 $20 38.11555639549629859 *-1",
        ),
        ("GEOADD Sicily NX CH 1 1 Palermo", ":0"),
        ("GEOADD Sicily XX CH 1 1 Palermo", ":1"),
        ("GEOADD Sicily NX XX 1 1 a", "-ERR syntax error"),
        ("GEOADD Sicily 1 1 a 2", "-ERR syntax error"),
        (
            "GEOADD Sicily 181 1 a",
            "-ERR invalid longitude,latitude pair 181.000000,1.000000",
        ),
        ("GEOADD Sicily x 1 a", "-ERR value is not a valid float"),
    ]);
    assert_eq!(bench.told().len(), 1);
}

#[test]
fn members_are_found_in_circles_and_boxes() {
    let mut bench = sicily();
    bench.told();
    bench.check(&[
        (
            "GEORADIUS Sicily 15 37 200 km WITHDIST ASC",
            "*2 *2 $7 Catania $7 56.4413 *2 $7 Palermo $8 190.4424",
        ),
        ("GEORADIUS Sicily 15 37 200 km DESC COUNT 1", "*1 $7 Palermo"),
        ("GEORADIUS Sicily 15 37 200 km COUNT 1", "*1 $7 Catania"),
        (
            "GEORADIUS Sicily 15 37 100 km WITHHASH WITHCOORD",
            "*1 *3 $7 Catania :3479447370796909 *2 $20 15.08726745843887329 $20 37.50266842333162032",
        ),
        ("GEORADIUSBYMEMBER Sicily Palermo 1 m", "*1 $7 Palermo"),
        (
            "GEORADIUSBYMEMBER Sicily none 1 m",
            "-ERR could not decode requested zset member",
        ),
        ("GEORADIUSBYMEMBER none none 1 m", "*0"),
        ("GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC", "*2 $7 Catania $7 Palermo"),
        ("GEOSEARCH Sicily FROMMEMBER Catania BYRADIUS 1 km", "*1 $7 Catania"),
        (
            "GEOSEARCH Sicily FROMLONLAT 15 37 ASC ASC ASC",
            "-ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH",
        ),
        (
            "GEOSEARCH Sicily BYRADIUS 1 km ASC ASC",
            "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
        ),
        (
            "GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 km ANY",
            "-ERR the ANY argument requires COUNT argument",
        ),
        ("GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 km COUNT 0", "-ERR COUNT must be > 0"),
        ("GEORADIUS Sicily 15 37 -1 km", "-ERR radius cannot be negative"),
        ("GEORADIUS Sicily 15 37 x km", "-ERR need numeric radius"),
        ("GEORADIUS_RO Sicily 15 37 1 km STORE d", "-ERR syntax error"),
        (
            "GEORADIUS Sicily 15 37 1 km STORE d WITHDIST",
            "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
    ]);
    assert!(bench.told().is_empty());
}

#[test]
fn what_is_found_is_stored() {
    let mut bench = sicily();
    bench.told();
    bench.check(&[
        (
            "GEOSEARCHSTORE d Sicily FROMLONLAT 15 37 BYRADIUS 200 km",
            ":2",
        ),
        ("GEODIST d Palermo Catania", "$11 166274.1516"),
        ("GEORADIUS Sicily 15 37 200 km STOREDIST e", ":2"),
        ("ZSCORE e Catania", "$18 56.441257870158204"),
        (
            "GEOSEARCHSTORE d none FROMLONLAT 15 37 BYRADIUS 200 km",
            ":0",
        ),
        ("EXISTS d", ":0"),
        (
            "GEOSEARCHSTORE d none FROMLONLAT 15 37 BYRADIUS 200 km",
            ":0",
        ),
        (
            "COMMAND GETKEYS GEORADIUS a 1 1 1 km STORE b STOREDIST c",
            "*3 $1 a $1 b $1 c",
        ),
        (
            "COMMAND GETKEYS GEORADIUSBYMEMBER a m 1 km STOREDIST b STORE c STORE d",
            "*4 $1 a $1 c $1 b $1 d",
        ),
    ]);
    assert_eq!(
        bench.told(),
        [
            "0: GEOSEARCHSTORE d Sicily FROMLONLAT 15 37 BYRADIUS 200 km",
            "0: GEORADIUS Sicily 15 37 200 km STOREDIST e",
            "0: GEOSEARCHSTORE d none FROMLONLAT 15 37 BYRADIUS 200 km",
        ]
    );
}
