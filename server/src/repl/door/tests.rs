use super::*;

fn parsed(line: &str) -> Result<Wanted, String> {
    let words: Vec<_> = line.split(' ').map(str::as_bytes).collect();
    parse(&words)
}

#[test]
fn what_replicaof_takes() {
    let host = |name, port| Ok(Wanted::Master(Host::new(name, port).unwrap()));
    assert_eq!(parsed("REPLICAOF 10.0.0.1 6379"), host("10.0.0.1", 6379));
    assert_eq!(parsed("SLAVEOF no 1"), host("no", 1));
    assert_eq!(
        parsed("REPLICAOF NO one"),
        Ok(Wanted::NoOne { force: false })
    );
    assert_eq!(
        parsed("REPLICAOF no ONE Force"),
        Ok(Wanted::NoOne { force: true })
    );
    for (line, error) in [
        ("REPLICAOF h 65536", "ERR Invalid master port"),
        ("REPLICAOF h 0", "ERR Invalid master port"),
        ("REPLICAOF h -1", "ERR Invalid master port"),
        ("REPLICAOF h port", "ERR Invalid master port"),
        ("REPLICAOF  6379", "ERR Invalid master host"),
        (
            "REPLICAOF h 6379 0 100",
            "ERR REPLICAOF of a range of slots is not supported",
        ),
        ("REPLICAOF h", "ERR syntax error"),
    ] {
        assert_eq!(parsed(line), Err(error.into()), "{line}");
    }
    assert!(parse(&[b"REPLICAOF", b"a\nb", b"1"]).is_err());
}
