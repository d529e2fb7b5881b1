//! Tests of the command line and the configuration file.

use super::*;
use proptest::prelude::*;

fn start(args: &[&str]) -> Result<(Config, Vec<String>), String> {
    let args: Vec<_> = args.iter().map(|a| a.as_bytes().to_vec()).collect();
    match invocation(&args) {
        Ok(Invocation::Run(config, warnings)) => Ok((*config, warnings)),
        Ok(_) => panic!("neither help nor version was asked for"),
        Err(error) => Err(error.to_string()),
    }
}

fn file(name: &str, text: &[u8]) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("damselfly-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_command_line_of_redis_server_is_understood() {
    let (config, warnings) = start(&[
        "--port",
        "7000",
        "--bind",
        "127.0.0.1",
        "::1",
        "--save",
        "",
        "--replicaof",
        "10.0.0.1 6380",
        "--repl-backlog-size",
        "2mb",
        "--appendonly",
        "no",
    ])
    .unwrap();
    let settings = config.settings();
    assert_eq!(settings.port, 7000);
    assert_eq!(settings.bind, ["127.0.0.1", "::1"]);
    assert_eq!(settings.replicaof, Some(("10.0.0.1".to_owned(), 6380)));
    assert_eq!(settings.backlog_size, 2 << 20);
    assert_eq!(warnings, [""; 0]);
    let (config, _) = start(&["--slaveof", "host", "1"]).unwrap();
    assert_eq!(config.settings().replicaof, Some(("host".to_owned(), 1)));
}

/// As redis-server 7.0.15 takes them.
#[test]
fn names_and_values_are_told_apart_by_their_place() {
    let get = |args: &[&str], name: &str| -> String {
        let (config, _) = start(args).unwrap_or_else(|why| panic!("{args:?}: {why}"));
        let mut found = config.get(|n, _| n == name);
        String::from_utf8(found.remove(0).1).unwrap()
    };
    for (args, name, value) in [
        (&["--port 7000"][..], "port", "7000"),
        (&["--port\t7000", "--timeout", "3"], "timeout", "3"),
        (&["--port", "7000", "--save"], "save", ""),
        (&["--save", "--port", "7000"], "save", ""),
        (&["--save", "--port", "7000"], "port", "7000"),
        (&["--masterauth", "--x"], "masterauth", "--x"),
        (
            &["--shutdown-on-sigint", "force", "nosave"],
            "shutdown-on-sigint",
            "nosave force",
        ),
        (&["--masterauth", "-h", "--port", "1"], "masterauth", "-h"),
        (&["--masterauth", "--help"], "masterauth", "--help"),
        (&["--masterauth", "a b"], "masterauth", "a b"),
        (&["--masterauth", "\"a\""], "masterauth", "\"a\""),
        (
            &["--replicaof", "\"10.0.0.1\" 1"],
            "replicaof",
            "10.0.0.1 1",
        ),
        (
            &["--save", "3600 1 300 100 60 10000", "--save", "5 2"],
            "save",
            "3600 1 300 100 60 10000 5 2",
        ),
        (&["--save", "60 1", "--save", ""], "save", ""),
        (&["--hz", "1000"], "hz", "500"),
        (&["--hz", "0"], "hz", "1"),
        (
            &["--client-output-buffer-limit", ""],
            "client-output-buffer-limit",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        ),
    ] {
        assert_eq!(get(args, name), value, "{args:?}");
    }
    for args in [&["--port", "1", "--help"][..], &["-h"], &["--HELP"]] {
        let args: Vec<_> = args.iter().map(|a| a.as_bytes().to_vec()).collect();
        assert!(
            matches!(invocation(&args), Ok(Invocation::Help)),
            "{args:?}"
        );
    }
}

#[test]
fn names_that_are_not_served_are_warned_of() {
    let (_, warnings) = start(&["--appendonly", "yes", "--jemalloc-bg-thread", "no"]).unwrap();
    assert_eq!(
        warnings,
        [
            "appendonly is not served yet: it has no effect",
            "jemalloc-bg-thread is not served yet: it has no effect"
        ]
    );
}

/// As in Redis where it has no certificate.
#[test]
fn what_would_not_be_done_is_refused() {
    for (args, error) in [
        (
            ["--tls-port", "7000"],
            "Failed to configure TLS: tls-port is set, and TLS is not served",
        ),
        (
            ["--tls-replication", "yes"],
            "Failed to configure TLS: tls-replication is set, and TLS is not served",
        ),
        (
            ["--tls-cluster", "yes"],
            "Failed to configure TLS: tls-cluster is set, and TLS is not served",
        ),
    ] {
        assert_eq!(start(&args).err().as_deref(), Some(error));
    }
    let (_, warnings) = start(&["--activedefrag", "yes"]).expect("it is only said");
    assert!(
        warnings[0].starts_with("activedefrag has no effect: "),
        "{warnings:?}"
    );
    let no = [
        "--tls-port",
        "0",
        "--tls-cluster",
        "no",
        "--activedefrag",
        "no",
    ];
    assert_eq!(start(&no).expect("it is what is").1, [""; 0]);
}

#[test]
fn a_file_that_came_with_a_newer_redis_is_read() {
    let text = b"locale-collate \"\"\nset-max-listpack-entries 128\nset-max-listpack-value 64\n";
    let path = file("newer.conf", text);
    let (_, warnings) = start(&[path.to_str().unwrap()]).unwrap();
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    for (args, error) in [
        (
            &["--foo", "1"][..],
            "bad option 'foo \"1\"': unknown parameter, see --help",
        ),
        (&["--port"], "bad option 'port': wrong number of arguments"),
        (
            &["--port", "abc"],
            "bad option 'port \"abc\"': argument couldn't be parsed into an integer",
        ),
        (
            &["--port", "1", "2"],
            "bad option 'port \"1\" \"2\"': wrong number of arguments",
        ),
        (
            &["-x"],
            "unexpected argument '-x': expected [FILE] [--name value ...], see --help",
        ),
        (
            &["/nonexistent.conf"],
            "can't open config file '/nonexistent.conf': No such file or directory",
        ),
        (
            &["--dir", "/nonexistent"],
            "bad option 'dir \"/nonexistent\"': No such file or directory",
        ),
        (
            &["--dir", "/etc/passwd"],
            "bad option 'dir \"/etc/passwd\"': Not a directory",
        ),
        (
            &["--requirepass \"x"],
            "bad option 'requirepass \"x': unbalanced quotes",
        ),
        (
            &["--", "1"],
            "bad option ' \"1\"': unknown parameter, see --help",
        ),
        (
            &["--port", "--help"],
            "bad option 'port \"--help\"': argument couldn't be parsed into an integer",
        ),
        (
            &["--include", "/nonexistent.conf"],
            "can't open config file '/nonexistent.conf': No such file or directory",
        ),
    ] {
        assert_eq!(start(args).err().as_deref(), Some(error));
    }
}

#[test]
fn a_file_is_read_and_the_command_line_overrides_it() {
    let included = file("included.conf", b"timeout 7\n");
    let text = format!(
        "# a comment\n\nport 7001\r\n  requirepass \"a b\\x21\"\nsave 60 1\nsave 5 2\ninclude {}\n",
        included.display()
    );
    let path = file("main.conf", text.as_bytes());
    let (config, warnings) = start(&[&path.display().to_string(), "--port", "7002"]).unwrap();
    let settings = config.settings();
    assert_eq!(settings.port, 7002);
    assert_eq!(settings.requirepass, b"a b!");
    assert_eq!(settings.timeout.as_secs(), 7);
    assert_eq!(config.get(|n, _| n == "save")[0].1, b"60 1 5 2");
    assert_eq!(config.file(), Some(path.as_path()));
    assert_eq!(settings.save, [(60, 1), (5, 2)]);
    assert_eq!(warnings, [""; 0]);
    let undashed = [&path.display().to_string(), "port", "7003", "--timeout 8"];
    let (config, _) = start(&undashed).unwrap();
    assert_eq!(config.settings().port, 7003);
    assert_eq!(config.settings().timeout.as_secs(), 8);
}

#[test]
fn includes_may_have_wildcards() {
    file("wild-1.inc", b"timeout 7\nport 1\n");
    let second = file("wild-2.inc", b"port 2\n");
    let pattern = second.with_file_name("wild-*.inc");
    let path = file(
        "wild.conf",
        format!("include {}\n", pattern.display()).as_bytes(),
    );
    let (config, _) = start(&[&path.display().to_string()]).unwrap();
    assert_eq!(config.settings().port, 2);
    assert_eq!(config.settings().timeout.as_secs(), 7);
    let none = second.with_file_name("none-*.inc");
    assert!(start(&["--include", &none.display().to_string()]).is_ok());
}

#[test]
fn a_bad_line_is_named() {
    let path = file("bad.conf", b"port 1\nbogus 2\n");
    let shown = path.display().to_string();
    assert_eq!(
        start(&[&shown]).err(),
        Some(format!(
            "{shown}, line 2: bogus: unknown parameter, see --help"
        ))
    );
    let path = file("quotes.conf", b"requirepass \"a\n");
    let shown = path.display().to_string();
    assert_eq!(
        start(&[&shown]).err(),
        Some(format!("{shown}, line 1: unbalanced quotes"))
    );
    let path = file("loop.conf", b"");
    std::fs::write(&path, format!("include {}\n", path.display())).unwrap();
    let error = start(&[&path.display().to_string()]).err().unwrap();
    assert!(
        error.ends_with("files include each other too deeply"),
        "{error}"
    );
}

#[test]
fn the_help_names_what_is_served() {
    let help = help();
    assert!(help.contains("--replica-full-sync staging|flush\n"));
    assert!(!help.contains("--appendonly"));
}

proptest! {
    #[test]
    fn any_value_of_any_name_is_read_or_refused(row in 0..PARAMS.len(), words: Vec<Vec<u8>>) {
        let param = &PARAMS[row];
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut draft = Draft { values: defaults(), warnings: Vec::new(), saves: false, users: Vec::new(), renames: Vec::new() };
        if draft.set(param.name.as_bytes(), &words).is_ok() {
            super::super::Settings::new(&draft.values);
        }
    }

    #[test]
    fn any_command_line_is_read_or_refused(args in prop::collection::vec("(--)?[a-z -]{0,8}", 0..6)) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let args: Vec<_> = args.iter().map(|a| a.as_bytes().to_vec()).collect();
        // One that reads the standard input would wait for it.
        if !args.iter().any(|a| a == b"-") {
            let _ = invocation(&args);
        }
    }

    #[test]
    fn a_shown_value_is_read_back_as_itself(n in 1u64..=i64::MAX as u64, unit in "(kb?|mb?|gb?|b)?") {
        let kind = Kind::Memory(0, u64::MAX);
        if let Ok(shown) = kind.read(&[format!("{n}{unit}").as_bytes()], b"") {
            prop_assert_eq!(kind.read(&[&shown], b""), Ok(shown));
        }
    }
}
