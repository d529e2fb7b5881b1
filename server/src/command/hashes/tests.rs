use crate::command::testing::Bench;
use crate::command::{Expiry, Origin};

#[test]
fn what_replicas_are_told() {
    let mut bench = Bench::new();
    bench.check(&[
        ("HSET h f 1 g 2", ":2"),
        ("HSETNX h f 9", ":0"),
        ("HINCRBY h f 5", ":6"),
        ("HINCRBYFLOAT h g 0.5", "$3 2.5"),
        ("HDEL h nofield", ":0"),
        ("HDEL h f g", ":2"),
        ("EXISTS h", ":0"),
    ]);
    let told = [
        "0: HSET h f 1 g 2",
        "0: HINCRBY h f 5",
        "0: HSET h g 2.5",
        "0: HDEL h f g",
    ];
    assert_eq!(bench.told(), told);
}

#[test]
fn a_refused_command_makes_no_key() {
    let mut bench = Bench::new();
    bench.check(&[
        (
            "HSET h f 1 g",
            "-ERR wrong number of arguments for 'hset' command",
        ),
        (
            "HINCRBY h f x",
            "-ERR value is not an integer or out of range",
        ),
        ("HINCRBYFLOAT h f x", "-ERR value is not a valid float"),
        ("HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity"),
        ("EXISTS h", ":0"),
        ("SET s x", "+OK"),
        (
            "HSET s f 1",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ]);
    assert_eq!(bench.told(), ["0: SET s x"]);
}

#[test]
fn random_fields_are_fields() {
    let mut bench = Bench::new();
    bench.run("HSET h a 1 b 2 c 3");
    for _ in 0..20 {
        let field = bench.run("HRANDFIELD h");
        assert!(["$1 a", "$1 b", "$1 c"].contains(&&*field), "{field}");
        let two = bench.run("HRANDFIELD h 2");
        let [a, b] = two
            .strip_prefix("*2 $1 ")
            .unwrap()
            .split(" $1 ")
            .collect::<Vec<_>>()[..]
        else {
            panic!("{two}");
        };
        assert_ne!(a, b);
    }
    assert!(bench.run("HRANDFIELD h -7 WITHVALUES").starts_with("*14 "));
    assert_eq!(bench.run("HRANDFIELD h 0"), "*0");
    assert_eq!(bench.run("HRANDFIELD nokey"), "$-1");
    assert_eq!(bench.run("HRANDFIELD nokey -3"), "*0");
}

#[test]
fn a_request_cannot_ask_for_endless_replies() {
    let mut bench = Bench::new();
    bench.run("HSET h a 1");
    bench.run("SADD s a");
    bench.run("ZADD z 1 a");
    let refused = "-ERR value is out of range";
    for command in ["HRANDFIELD h", "SRANDMEMBER s", "ZRANDMEMBER z"] {
        assert_eq!(
            bench.run(&format!("{command} -9223372036854775807")),
            refused
        );
        assert_eq!(bench.run(&format!("{command} -16777217")), refused);
    }
}

/// What redis-server 8.0.2 answers, which says of field times what 7.4 says.
#[test]
fn fields_have_times() {
    let mut bench = Bench::new();
    let mismatch = "-ERR The `numfields` parameter must match the number of arguments";
    let no_fields = "-ERR Mandatory argument FIELDS is missing or not at the right position";
    let too_few = "-ERR Parameter `numFields` should be greater than 0";
    let too_few_read = "-ERR Number of fields must be a positive integer";
    let not_integer = "-ERR value is not an integer or out of range";
    let wrong_type = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    bench.check(&[
        ("HEXPIRE nokey 10 FIELDS 1 a", "*1 :-2"),
        ("HTTL nokey FIELDS 2 a b", "*2 :-2 :-2"),
        ("HPERSIST nokey FIELDS 1 a", "*1 :-2"),
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HEXPIRE h 10 FIELDS 2 a x", "*2 :1 :-2"),
        ("OBJECT ENCODING h", "$10 listpackex"),
        ("HEXPIRE h 10 NX FIELDS 1 a", "*1 :0"),
        ("HEXPIRE h 10 XX FIELDS 2 a b", "*2 :1 :0"),
        ("HEXPIRE h 5 GT FIELDS 2 a b", "*2 :0 :0"),
        ("HEXPIRE h 5 LT FIELDS 2 a b", "*2 :1 :1"),
        ("HEXPIRE h 5 FOO FIELDS 2 a b", no_fields),
        ("HEXPIRE h 5 NX XX FIELDS 2 a b", no_fields),
        ("HEXPIRE h 10 NX FIELDS 1", mismatch),
        ("HEXPIRE nokey 10 FOO 2 a", no_fields),
        ("HEXPIRE h 5 FIELDS 2 a", mismatch),
        ("HEXPIRE nokey 5 FIELDS 2 a", mismatch),
        ("HEXPIRE h 5 FIELDS 2 a b c", mismatch),
        ("HEXPIRE h 5 FIELDS 0 a", too_few),
        ("HEXPIRE h 5 FIELDS x a", too_few),
        ("HEXPIRE h 5 FIELDS 99999999999 a", mismatch),
        ("HEXPIRE h 5 fields 1 a NX", mismatch),
        ("HEXPIRE h x FOO 1 a", not_integer),
        (
            "HEXPIRE h -1 FIELDS 1 a",
            "-ERR invalid expire time, must be >= 0",
        ),
        (
            "HEXPIRE h 9223372036854775807 FIELDS 0 a",
            "-ERR invalid expire time in 'hexpire' command",
        ),
        (
            "HPEXPIREAT h 70368744177664 FIELDS 1 a",
            "-ERR invalid expire time in 'hpexpireat' command",
        ),
        ("HPEXPIREAT h 70368744177663 FIELDS 1 a", "*1 :1"),
        ("HEXPIREAT h 1005 FIELDS 2 b x", "*2 :1 :-2"),
        ("HEXPIRETIME h FIELDS 3 a b x", "*3 :70368744178 :1005 :-2"),
        (
            "HPEXPIRETIME h FIELDS 3 a b c",
            "*3 :70368744177663 :1005000 :-1",
        ),
        ("HPTTL h FIELDS 1 b", "*1 :5000"),
        ("HPEXPIRE h 4001 FIELDS 1 b", "*1 :1"),
        ("HTTL h FIELDS 1 b", "*1 :5"),
        ("HTTL h FIELDS 2 a", mismatch),
        ("HTTL h FIELDS 0 a", too_few_read),
        ("HTTL h FOO 1 a", no_fields),
        ("HPERSIST h FIELDS 0 a", too_few_read),
        ("HPERSIST h FIELDS 4 a b c x", "*4 :1 :1 :-1 :-2"),
        ("OBJECT ENCODING h", "$10 listpackex"),
        ("SET s 1", "+OK"),
        ("HEXPIRE s x FIELDS 0 a", wrong_type),
        ("HTTL s FIELDS 0 a", wrong_type),
        ("HPERSIST s FIELDS 0 a", wrong_type),
        ("HSCAN h 0 NOVALUES", "*2 $1 0 *3 $1 a $1 b $1 c"),
        ("SCAN 0 NOVALUES", "-ERR syntax error"),
    ]);
}

/// Replicas are told the moment, for the fields it was set for; and of those that go, that they go.
#[test]
fn what_replicas_are_told_of_times() {
    let mut bench = Bench::new();
    bench.check(&[
        ("HSET h a 1 b 2 c 3 d 4", ":4"),
        ("HEXPIRE h 10 FIELDS 2 a x", "*2 :1 :-2"),
        ("HEXPIRE h 10 NX FIELDS 2 a b", "*2 :0 :1"),
        ("HEXPIRE h 10 NX FIELDS 1 a", "*1 :0"),
        ("HPERSIST h FIELDS 3 a c x", "*3 :1 :-1 :-2"),
        ("HINCRBY h b 1", ":3"),
        ("HINCRBYFLOAT h b 0.5", "$3 3.5"),
        ("HTTL h FIELDS 1 b", "*1 :10"),
        ("HSET h b 1", ":0"),
        ("HTTL h FIELDS 1 b", "*1 :-1"),
        ("HPEXPIREAT h 1 FIELDS 3 a a x", "*3 :2 :-2 :-2"),
        ("HEXPIRE h 0 FIELDS 3 b c d", "*3 :2 :2 :2"),
        ("EXISTS h", ":0"),
    ]);
    let told = [
        "0: HSET h a 1 b 2 c 3 d 4",
        "0: HPEXPIREAT h 1010000 FIELDS 1 a",
        "0: HPEXPIREAT h 1010000 FIELDS 1 b",
        "0: HPERSIST h FIELDS 1 a",
        "0: HINCRBY h b 1",
        "0: MULTI",
        "0: HSET h b 3.5",
        "0: HPEXPIREAT h 1010000 FIELDS 1 b",
        "0: EXEC",
        "0: HSET h b 1",
        "0: HDEL h a",
        "0: HDEL h b c d",
    ];
    assert_eq!(bench.told(), told);
}

fn three_expired(bench: &mut Bench) {
    bench.run("DEL h");
    bench.run("HSET h a 1 b 2 c 3 d 4");
    bench.run("HPEXPIRE h 20 FIELDS 3 a b c");
    bench.now_ms += 20;
    bench.told();
}

/// As redis-server 8.0.2 does it while its active expiry is off.
#[test]
fn who_asks_for_a_field_whose_time_has_come_finds_none() {
    let mut bench = Bench::new();
    three_expired(&mut bench);
    bench.check(&[
        ("HGETALL h", "*2 $1 d $1 4"),
        ("HKEYS h", "*1 $1 d"),
        ("HVALS h", "*1 $1 4"),
        ("HSCAN h 0", "*2 $1 0 *2 $1 d $1 4"),
        ("HRANDFIELD h", "$1 d"),
        ("HRANDFIELD h 10", "*1 $1 d"),
        ("HRANDFIELD h -3", "*3 $1 d $1 d $1 d"),
        ("HTTL h FIELDS 2 a d", "*2 :-2 :-1"),
        ("HPERSIST h FIELDS 1 a", "*1 :-2"),
        ("HEXPIRE h 9 FIELDS 1 a", "*1 :-2"),
        ("HLEN h", ":4"),
    ]);
    assert!(bench.told().is_empty(), "nobody asked for one by its name");
    bench.check(&[
        ("HMGET h a d b", "*3 $-1 $1 4 $-1"),
        ("HLEN h", ":2"),
        ("HEXISTS h c", ":0"),
        ("HLEN h", ":1"),
        ("HSTRLEN h c", ":0"),
    ]);
    assert_eq!(bench.told(), ["0: HDEL h a b", "0: HDEL h c"]);

    bench.run("HPEXPIRE h 5 FIELDS 1 d");
    bench.now_ms += 5;
    bench.told();
    bench.check(&[("HGET h d", "$-1"), ("EXISTS h", ":0")]);
    assert_eq!(bench.told(), ["0: HDEL h d"]);
}

#[test]
fn what_is_written_to_a_field_whose_time_has_come() {
    let mut bench = Bench::new();
    three_expired(&mut bench);
    bench.check(&[
        ("HSETNX h a 7", ":1"),
        ("HINCRBY h b 5", ":5"),
        ("HINCRBYFLOAT h c 1.5", "$3 1.5"),
        ("HTTL h FIELDS 3 a b c", "*3 :-1 :-1 :-1"),
    ]);
    let told = [
        "0: MULTI",
        "0: HDEL h a",
        "0: HSETNX h a 7",
        "0: EXEC",
        "0: MULTI",
        "0: HDEL h b",
        "0: HINCRBY h b 5",
        "0: EXEC",
        "0: MULTI",
        "0: HDEL h c",
        "0: HSET h c 1.5",
        "0: EXEC",
    ];
    assert_eq!(bench.told(), told);
    three_expired(&mut bench);
    bench.check(&[("HSET h a 7", ":0"), ("HDEL h b c", ":2"), ("HLEN h", ":2")]);
    assert_eq!(bench.told(), ["0: HSET h a 7", "0: HDEL h b c"]);
    three_expired(&mut bench);
    bench.check(&[
        ("COPY h copy", ":1"),
        ("HLEN copy", ":4"),
        ("HGETALL copy", "*2 $1 d $1 4"),
        ("RPUSH list h", ":1"),
        ("SORT list BY *->a GET *->b GET *->d", "*2 $-1 $1 4"),
        ("HLEN h", ":2"),
    ]);
}

/// A replica hides them and waits for its master, whose commands mean the fields that are there.
#[test]
fn a_replica_leaves_fields_to_its_master() {
    let mut bench = Bench::new();
    three_expired(&mut bench);
    bench.expiry = Expiry::Hide;
    bench.check(&[("HMGET h a b", "*2 $-1 $-1"), ("HLEN h", ":4")]);
    bench.expiry = Expiry::Ignore;
    bench.origin = Origin::Master;
    bench.check(&[
        ("HGET h a", "$1 1"),
        ("HINCRBY h a 1", ":2"),
        ("HPEXPIREAT h 5 FIELDS 1 d", "*1 :1"),
        ("HLEN h", ":4"),
    ]);
}

#[test]
fn every_visible_field_is_as_likely() {
    let mut bench = Bench::new();
    for (limit, fields) in [(128, 20), (4, 20)] {
        bench.limits.hash_max_listpack_entries = limit;
        bench.run("DEL h");
        for field in 0..fields {
            bench.run(&format!("HSET h f{field} v"));
            if field % 4 > 0 {
                bench.run(&format!("HPEXPIRE h 10 FIELDS 1 f{field}"));
            }
        }
        bench.now_ms += 10;
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..400 {
            for command in ["HRANDFIELD h 2", "HRANDFIELD h -2", "HRANDFIELD h"] {
                let reply = bench.run(command);
                for word in reply.split(' ').filter(|word| word.starts_with('f')) {
                    *seen.entry(word.to_owned()).or_insert(0) += 1;
                }
            }
        }
        let fields: Vec<&str> = seen.keys().map(String::as_str).collect();
        assert_eq!(fields, ["f0", "f12", "f16", "f4", "f8"]);
        // 400 each; six deviations and more.
        assert!(seen.values().all(|n| (270..530).contains(n)), "{seen:?}");
    }
}

#[test]
fn values_and_times_are_set_and_read_together() {
    let arity = "-ERR wrong number of arguments for 'hsetex' command";
    let once = "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
    let negative = "-ERR invalid expire time, must be >= 0";
    let no_fields = "-ERR Mandatory argument FIELDS is missing or not at the right position";
    let mut bench = Bench::new();
    bench.check(&[
        ("HSETEX h EX 10 FIELDS 2 a 1 b 2", ":1"),
        ("HPEXPIRETIME h FIELDS 2 a b", "*2 :1010000 :1010000"),
        ("HSETEX h FNX FIELDS 2 c 3 a 9", ":0"),
        ("HSETEX h fxx fields 2 c 3 a 9", ":0"),
        ("HSETEX nokey FXX FIELDS 1 a 1", ":0"),
        ("EXISTS nokey", ":0"),
        ("HSETEX h FNX PXAT 2000000 FIELDS 1 c 3", ":1"),
        ("HSETEX h KEEPTTL FXX FIELDS 1 a 9", ":1"),
        ("HSETEX h FIELDS 1 b 8", ":1"),
        ("HPEXPIRETIME h FIELDS 3 a b c", "*3 :1010000 :-1 :2000000"),
        ("HMGET h a b c", "*3 $1 9 $1 8 $1 3"),
        ("HGETEX h FIELDS 3 a x b", "*3 $1 9 $-1 $1 8"),
        ("HGETEX h PX 5 FIELDS 2 a x", "*2 $1 9 $-1"),
        ("HGETEX h EXAT 3000 FIELDS 1 b", "*1 $1 8"),
        ("HPEXPIRETIME h FIELDS 2 a b", "*2 :1000005 :3000000"),
        ("HGETEX h PERSIST FIELDS 3 a b x", "*3 $1 9 $1 8 $-1"),
        ("HTTL h FIELDS 2 a b", "*2 :-1 :-1"),
        ("HGETEX nokey EX 10 FIELDS 2 a b", "*2 $-1 $-1"),
        ("HGETDEL h FIELDS 2 a x", "*2 $1 9 $-1"),
        ("HSETEX h PXAT 1 FIELDS 1 b 9", ":1"),
        ("HGETEX h EX 0 FIELDS 1 c", "*1 $1 3"),
        ("EXISTS h", ":0"),
        ("HSETEX h EXAT 1 FIELDS 1 b 9", ":1"),
        ("EXISTS h", ":0"),
        ("HGETDEL h FIELDS 1 b", "*1 $-1"),
    ]);
    let told = [
        "0: MULTI",
        "0: HSET h a 1 b 2",
        "0: HPEXPIREAT h 1010000 FIELDS 2 a b",
        "0: EXEC",
        "0: MULTI",
        "0: HSET h c 3",
        "0: HPEXPIREAT h 2000000 FIELDS 1 c",
        "0: EXEC",
        "0: MULTI",
        "0: HSET h a 9",
        "0: HPEXPIREAT h 1010000 FIELDS 1 a",
        "0: EXEC",
        "0: HSET h b 8",
        "0: HPEXPIREAT h 1000005 FIELDS 1 a",
        "0: HPEXPIREAT h 3000000 FIELDS 1 b",
        "0: HPERSIST h FIELDS 2 a b",
        "0: HDEL h a",
        "0: HDEL h b",
        "0: HDEL h c",
        "0: HDEL h b",
    ];
    assert_eq!(bench.told(), told);
    bench.check(&[
        ("SET s 1", "+OK"),
        (
            "HSETEX s FIELDS 1 a 1",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        (
            "HGETEX s FIELDS 1 a",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        (
            "HGETDEL s FIELDS 1 a",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("HSETEX h FIELDS 2 a 1", arity),
        ("HSETEX h FIELDS 1 a 1 b", arity),
        ("HSETEX h EX 1 FIELDS 1 a", arity),
        ("HSETEX h FIELDS 0 a 1", "-ERR invalid number of fields"),
        ("HSETEX h FIELDS x a 1", "-ERR invalid number of fields"),
        ("HSETEX h EX 1 PX 1 FIELDS 1 a 1", once),
        ("HSETEX h KEEPTTL EX 1 FIELDS 1 a 1", once),
        (
            "HSETEX h FNX FXX FIELDS 1 a 1",
            "-ERR Only one of FXX or FNX arguments can be specified",
        ),
        ("HSETEX h FOO 1 FIELDS 1 a 1", "-ERR unknown argument: FOO"),
        ("HSETEX h FNX EX 1 EX", once),
        (
            "HSETEX h FNX KEEPTTL fxx x",
            "-ERR Only one of FXX or FNX arguments can be specified",
        ),
        (
            "HSETEX h EX x FIELDS 1 a 1",
            "-ERR value is not an integer or out of range",
        ),
        ("HSETEX h EX -1 FIELDS 1 a 1", negative),
        (
            "HSETEX h PXAT 70368744177664 FIELDS 1 a 1",
            "-ERR invalid expire time in 'hsetex' command",
        ),
        (
            "HGETEX h EX 9223372036854775807 FIELDS 1 a",
            "-ERR invalid expire time in 'hgetex' command",
        ),
        ("HGETEX h EX -1 FIELDS 1 a", negative),
        (
            "HGETEX h EX 100 FIELDS",
            "-ERR wrong number of arguments for 'hgetex' command",
        ),
        ("HGETEX h KEEPTTL FIELDS 1 a", no_fields),
        ("HGETEX h EX 1 FOO 1 a", no_fields),
        (
            "HGETEX h FIELDS 0 a",
            "-ERR Number of fields must be a positive integer",
        ),
        (
            "HGETDEL h FIELDS 2 a",
            "-ERR The `numfields` parameter must match the number of arguments",
        ),
        ("HGETDEL h FOO 1 a", no_fields),
    ]);
    assert_eq!(bench.told(), ["0: SET s 1"]);
}

/// Fields whose time has come are none, and go when they are asked for by name.
#[test]
fn who_sets_or_takes_a_field_whose_time_has_come() {
    let mut bench = Bench::new();
    three_expired(&mut bench);
    bench.check(&[
        ("HSETEX h FXX FIELDS 1 a 7", ":0"),
        ("HGETEX h PERSIST FIELDS 1 b", "*1 $-1"),
        ("HGETDEL h FIELDS 2 c d", "*2 $-1 $1 4"),
        ("EXISTS h", ":0"),
    ]);
    let told = [
        "0: HDEL h a",
        "0: HDEL h b",
        "0: MULTI",
        "0: HDEL h c",
        "0: HDEL h d",
        "0: EXEC",
    ];
    assert_eq!(bench.told(), told);
    three_expired(&mut bench);
    bench.check(&[
        ("HSETEX h FNX EX 10 FIELDS 1 a 7", ":1"),
        ("HSETEX h KEEPTTL FIELDS 2 b 8 d 9", ":1"),
        ("HPTTL h FIELDS 3 a b d", "*3 :10000 :-1 :-1"),
        ("HMGET h a b c d", "*4 $1 7 $1 8 $-1 $1 9"),
    ]);
}

/// What a master of Redis 8 says is done as it says it: times that are past here are so there, too.
#[test]
fn what_a_newer_master_says_is_done() {
    let mut bench = Bench::new();
    bench.expiry = Expiry::Ignore;
    bench.origin = Origin::Master;
    bench.check(&[
        ("HSETEX h PXAT 5 FIELDS 2 a 1 b 2", ":1"),
        ("HSETEX h KEEPTTL FIELDS 1 a 3", ":1"),
        ("HSETEX h FIELDS 1 b 4", ":1"),
        ("HPEXPIRETIME h FIELDS 2 a b", "*2 :5 :-1"),
        ("HLEN h", ":2"),
    ]);
}
