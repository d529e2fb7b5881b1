use std::collections::BTreeSet;

use crate::command::testing::Bench;

fn members(reply: &str) -> BTreeSet<&str> {
    reply
        .split(' ')
        .filter(|w| !w.starts_with(['*', '$']))
        .collect()
}

#[test]
fn pops_are_told_as_what_they_removed() {
    let mut bench = Bench::new();
    bench.run("SADD s a b c d e");
    bench.told();
    let one = bench.run("SPOP s");
    let one = one.strip_prefix("$1 ").unwrap();
    let two = bench.run("SPOP s 2");
    assert!(two.starts_with("*2 "), "{two}");
    let told = bench.told();
    assert_eq!(told[0], format!("0: SREM s {one}"));
    let removed: BTreeSet<&str> = told[1]
        .strip_prefix("0: SREM s ")
        .unwrap()
        .split(' ')
        .collect();
    assert_eq!(removed, members(&two));
    assert!(!removed.contains(one));
    assert_eq!(bench.run("SCARD s"), ":2");

    assert!(bench.run("SPOP s 5").starts_with("*2 "));
    assert_eq!(bench.told(), ["0: DEL s"]);
    assert_eq!(bench.run("EXISTS s"), ":0");
    bench.run("SADD s a");
    bench.told();
    assert_eq!(bench.run("SPOP s"), "$1 a");
    assert_eq!(bench.told(), ["0: SREM s a"]);
    assert_eq!(bench.run("EXISTS s"), ":0");
}

#[test]
fn random_members_are_members() {
    let mut bench = Bench::new();
    bench.run("SADD s a b c d");
    for _ in 0..20 {
        let three = bench.run("SRANDMEMBER s 3");
        let three = members(&three);
        assert_eq!(three.len(), 3);
        assert!(three.iter().all(|m| ["a", "b", "c", "d"].contains(m)));
    }
    assert!(bench.run("SRANDMEMBER s -9").starts_with("*9 "));
    assert_eq!(bench.run("SCARD s"), ":4");
    assert_eq!(bench.told().len(), 1);
}

#[test]
fn no_change_is_told_to_nobody() {
    let mut bench = Bench::new();
    bench.run("SADD s a");
    bench.told();
    bench.check(&[
        ("SADD s a", ":0"),
        ("SREM s x", ":0"),
        ("SPOP s 0", "*0"),
        ("SPOP no", "$-1"),
        ("SMOVE s s a", ":1"),
        ("SMOVE s t x", ":0"),
        ("SINTERSTORE no s no", ":0"),
        ("SCARD s", ":1"),
    ]);
    assert!(bench.told().is_empty());
}

#[test]
fn a_result_that_is_empty_removes_its_destination() {
    let mut bench = Bench::new();
    bench.run("SADD s a");
    bench.run("SADD dst x");
    bench.told();
    assert_eq!(bench.run("SDIFFSTORE dst s s"), ":0");
    assert_eq!(bench.run("EXISTS dst"), ":0");
    assert_eq!(bench.told(), ["0: SDIFFSTORE dst s s"]);
}
