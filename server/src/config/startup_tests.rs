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

#[test]
fn names_that_are_not_served_are_warned_of() {
    let (_, warnings) = start(&["--appendonly", "yes", "--activedefrag", "yes"]).unwrap();
    assert_eq!(
        warnings,
        [
            "appendonly is not served yet: it has no effect",
            "activedefrag is not served yet: it has no effect"
        ]
    );
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    for (args, error) in [
        (
            &["--foo", "1"][..],
            "bad option --foo: unknown parameter, see --help",
        ),
        (&["--port"], "bad option --port: a value is missing"),
        (
            &["--port", "abc"],
            "bad option --port: argument couldn't be parsed into an integer",
        ),
        (
            &["--port", "1", "2"],
            "bad option --port: wrong number of arguments",
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
            "bad option --dir: No such file or directory",
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
    assert_eq!(config.get(|n| n == "save")[0].1, b"60 1 5 2");
    assert_eq!(config.file(), Some(path.as_path()));
    assert_eq!(settings.save, [(60, 1), (5, 2)]);
    assert_eq!(warnings, [""; 0]);
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
        let mut draft = Draft { values: defaults(), warnings: Vec::new() };
        if draft.set(param.name.as_bytes(), &words).is_ok() {
            super::super::Settings::new(&draft.values);
        }
    }

    #[test]
    fn any_command_line_is_read_or_refused(args in prop::collection::vec("(--)?[a-z -]{0,8}", 0..6)) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        if !args.iter().any(|a| ["--help", "--version", "-h", "-v"].contains(a)) {
            let _ = start(&args);
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
