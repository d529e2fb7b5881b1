use crate::command::testing::Bench;

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
