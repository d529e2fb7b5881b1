use super::*;
use crate::command::table;
use proptest::prelude::*;

fn user(rules: &str) -> User {
    let mut user = User::new(false);
    let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    user.apply_all(&words, false).expect("the rules are right");
    user
}

fn shown(user: &User) -> String {
    String::from_utf8(user.describe()).unwrap()
}

fn check(user: &User, command: &str) -> Result<(), Denied> {
    let args: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
    user.check(table::resolve(&args).unwrap(), &args)
}

#[test]
fn rules_are_shown_as_redis_shows_them() {
    for (rules, line) in [
        ("", "off resetchannels -@all"),
        ("on nopass allkeys +@all &*", "on nopass ~* &* +@all"),
        (
            "~a %R~b %W~c %RW~d",
            "off ~a %R~b %W~c ~d resetchannels -@all",
        ),
        ("+@hash -hset &x", "off resetchannels &x -@all +@hash -hset"),
        ("+@all -@dangerous", "off resetchannels +@all -@dangerous"),
        (
            "+select|0 +SELECT|0 +select|1",
            "off resetchannels -@all +select|0 +select|1",
        ),
        (
            "+client -client|id",
            "off resetchannels -@all +client -client|id",
        ),
        (
            "(~x +get)",
            "off resetchannels -@all (~x resetchannels -@all +get)",
        ),
        ("reset", "off sanitize-payload resetchannels -@all"),
    ] {
        assert_eq!(shown(&user(rules)), line, "{rules}");
    }
    assert_eq!(shown(&User::free()), "on nopass ~* &* +@all");
}

#[test]
fn a_wrong_rule_leaves_a_user_as_it_was() {
    let mut changed = user("on +get ~k");
    let before = changed.clone();
    for (words, why) in [
        (
            "off foo",
            "Error in ACL SETUSER modifier 'foo': Syntax error",
        ),
        (
            "off +nocmd",
            "Error in ACL SETUSER modifier '+nocmd': Unknown command or category name in ACL",
        ),
        (
            "off (+get ~x",
            "Unmatched parenthesis in acl selector starting at '(+get'.",
        ),
    ] {
        let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        let error = changed.apply_all(&words, false).unwrap_err();
        assert_eq!(String::from_utf8(error.of_setuser()).unwrap(), why);
        assert_eq!(changed, before);
    }
}

#[test]
fn passwords_let_in_who_has_one() {
    let mut known = user("on >one >two");
    assert!(known.lets_in(b"one") && known.lets_in(b"two") && !known.lets_in(b"three"));
    known.apply(b"<one", false).unwrap();
    assert!(!known.lets_in(b"one") && known.lets_in(b"two"));
    known.apply(b"off", false).unwrap();
    assert!(!known.lets_in(b"two"));
    known.apply_all(&[b"on", b"nopass"], false).unwrap();
    assert!(known.lets_in(b"whatever") && known.lets_in(b""));
    // The hash of the empty string, as everybody computes it.
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Password::of(b"").hex(), hash);
    let mut hashed = user(&format!("on #{hash}"));
    assert!(hashed.lets_in(b"") && !hashed.lets_in(b"x"));
    hashed.apply(format!("!{hash}").as_bytes(), false).unwrap();
    assert!(!hashed.lets_in(b""));
}

#[test]
fn what_is_allowed_runs_and_what_is_not_is_named() {
    let reader = user("+@read +copy +set +publish %R~r* %W~w* &c*");
    for command in [
        "get r1",
        "exists r w",
        "copy r w",
        "set w 1",
        "publish c1 m",
        "auth p",
    ] {
        assert_eq!(check(&reader, command), Ok(()), "{command}");
    }
    for (command, denied) in [
        ("append w 1", Denied::Command),
        ("get w", Denied::Key(1)),
        ("mget r w", Denied::Key(2)),
        ("copy w r", Denied::Key(1)),
        ("set w 1 get", Denied::Key(1)),
        ("publish x m", Denied::Channel(1)),
    ] {
        assert_eq!(check(&reader, command), Err(denied), "{command}");
    }
    // One selector has to allow all of it; the error is the furthest one of any.
    let selective = user("(+mget ~x) (+mget ~y ~z)");
    assert_eq!(check(&selective, "mget x x"), Ok(()));
    assert_eq!(check(&selective, "mget x y"), Err(Denied::Key(2)));
    assert_eq!(check(&selective, "get x"), Err(Denied::Command));
}

#[test]
fn a_file_says_all_that_is_wrong_with_it() {
    let read = |text: &str| file::read(text.as_bytes(), "f", false);
    let users = read("user a on >p (~x +get) on\r\n\n  user b\n").unwrap();
    let names: Vec<_> = users
        .keys()
        .map(|name| String::from_utf8_lossy(name))
        .collect();
    assert_eq!(names, ["a", "b", "default"]);
    let wrong = read("# x\nuser a on\nuser a off\nuser b foo +nocmd bar\nuser c (+get\n");
    assert_eq!(
        String::from_utf8(wrong.unwrap_err()).unwrap(),
        "f:1 should start with user keyword followed by the username. WARNING: Duplicate user 'a' found on line 3. \
         f:4: Syntax error. f:4: Error in applying operation '+nocmd': Unknown command or category name in ACL. \
         f:5: Unmatched parenthesis in selector definition. WARNING: ACL errors detected, no change to the previously \
         active ACL rules was performed"
    );
}

#[test]
fn the_log_counts_what_comes_again() {
    let mut log = AccessLog::default();
    let get = table::find(b"get").unwrap();
    let refused = |denied, at_ms| Entry {
        at_ms,
        ..Entry::denied(denied, Place::Toplevel, (get, &[b"get", b"k"]), b"u")
    };
    for at_ms in [0, 10, 60_010, 120_011] {
        log.add(refused(Denied::Key(1), at_ms), 128);
    }
    log.add(refused(Denied::Command, 120_012), 128);
    let counts: Vec<_> = log.latest(10).iter().map(|e| (e.reason, e.count)).collect();
    assert_eq!(counts, [("command", 1), ("key", 1), ("key", 3)]);
    log.add(refused(Denied::Key(1), 120_013), 2);
    let counts: Vec<_> = log.latest(10).iter().map(|e| (e.reason, e.count)).collect();
    assert_eq!(counts, [("key", 2), ("command", 1)]);
    log.clear();
    assert!(log.latest(10).is_empty());
}

/// A rule, mostly a right one.
fn rule() -> impl Strategy<Value = String> {
    let numbered = (0..commands::all().len()).prop_map(|i| commands::all()[i].name);
    let command = (prop::sample::select(vec!["+", "-"]), numbered)
        .prop_map(|(sign, name)| format!("{sign}{name}"));
    let category = (
        prop::sample::select(vec!["+@", "-@"]),
        prop::sample::select(table::acl::NAMES),
    )
        .prop_map(|(sign, name)| format!("{sign}{name}"));
    let pattern = prop::sample::select(vec![
        "~a*", "~b", "%R~a*", "%W~c", "%RW~d?", "&x*", "&y", "~q\"", "~'q\\", "&\u{e9}",
    ]);
    let word = prop::sample::select(vec![
        "allkeys",
        "resetkeys",
        "allchannels",
        "resetchannels",
        "+@all",
        "-@all",
        "+select|0",
        "+get|x",
        "+Get|y",
    ]);
    prop_oneof![
        4 => command,
        2 => category,
        2 => pattern.prop_map(str::to_owned),
        1 => word.prop_map(str::to_owned),
    ]
}

fn user_rule() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "on",
        "off",
        "nopass",
        "resetpass",
        ">p",
        ">q",
        "<p",
        "clearselectors",
        "reset",
        "sanitize-payload",
        "skip-sanitize-payload",
    ]);
    let selector = prop::collection::vec(rule(), 0..4).prop_map(|r| format!("({})", r.join(" ")));
    prop_oneof![6 => rule(), 1 => word.prop_map(str::to_owned), 1 => selector]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What ACL LIST shows of a user makes the same user: same permissions, shown the same way.
    #[test]
    fn what_is_shown_makes_the_same_user(
        rules in prop::collection::vec(user_rule(), 0..12),
        channels: bool,
    ) {
        let mut one = User::new(channels);
        for rule in &rules {
            // Some are wrong where they stand.
            let _ = one.apply(rule.as_bytes(), channels);
        }
        let text = one.describe();
        let words: Vec<&[u8]> = text.split(|b| *b == b' ').collect();
        let mut other = User::new(false);
        prop_assert_eq!(other.apply_all(&words, false), Ok(()));
        prop_assert_eq!(String::from_utf8(other.describe()), String::from_utf8(text));
        for (one, other) in one.selectors().zip(other.selectors()) {
            prop_assert_eq!(one.is_free(), other.is_free());
            for numbered in commands::all() {
                let (a, b) = (one.commands.has(numbered.id), other.commands.has(numbered.id));
                prop_assert_eq!(a, b, "{}", numbered.name);
            }
        }
    }

    #[test]
    fn nothing_that_is_said_is_a_panic(
        words: Vec<Vec<u8>>,
        text: Vec<u8>,
        prefix in prop::sample::select(vec!["~", "%", "%R", "&", "+", "-", "+@", ">", "#", "<", "!", "(", "+get|"]),
    ) {
        let refs: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut one = User::new(false);
        let _ = one.apply_all(&refs, false);
        for word in &words {
            let _ = one.apply(&[prefix.as_bytes(), word].concat(), true);
            let _ = one.apply(&[b"(", &word[..], b")"].concat(), true);
        }
        one.describe();
        let _ = file::read(&[b"user ", &text[..]].concat(), "f", true);
        if let Ok(command) = table::resolve(&[b"mget", b"a"]) {
            let _ = one.check(command, &[&[&b"mget"[..]], &refs[..]].concat());
        }
    }
}
