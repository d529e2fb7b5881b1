//! Users in files: of their own, and in the configuration file.

use super::answer;
use crate::common::server::{TempDir, free_port};
use crate::common::*;
use std::fs;

const FILE: &str = "users.acl";

/// A stock server and ours, each with a file of users that says `text`.
fn with_users(text: &str) -> [(Server, std::path::PathBuf); 2] {
    [Kind::Redis, Kind::Damselfly].map(|kind| {
        // Where the server runs is known once it does.
        let path = std::env::temp_dir().join(format!(
            "damselfly-users-{}-{kind:?}-{}",
            std::process::id(),
            free_port()
        ));
        fs::write(&path, text).unwrap();
        let server = Server::start(kind, &["--aclfile", &path.display().to_string()]);
        (server, path)
    })
}

#[test]
fn a_file_is_loaded_and_saved_as_the_stock_server_does() {
    let servers = with_users("user a on nopass ~k* resetchannels +@all\n");
    let programs = [
        "ACL LIST",
        "ACL SETUSER b on >p %R~x (+get ~y) +@hash -hset",
        "ACL SAVE",
        "ACL LOAD",
        "ACL LIST",
        "CONFIG SET requirepass foo",
        "ACL SAVE",
        "ACL SETUSER b reset",
        "ACL LOAD",
        "ACL LIST",
    ];
    let texts = [
        "user b on >p\n",
        "# comment\nuser a on\n",
        "user\n",
        "usr a on\n",
        "user a on foo\n",
        "user a on +nocmd +nocmd2 foo bar\n",
        "user a on\nuser a off\n",
        "user a on\tnopass\n",
        "user \"a b\" on\n",
        "user a on (~x +get) on\r\n",
        "user a on (%R~x +nocmd) on\n",
        "user a on ~x ~* ~y foo bar +x\n",
        "user a on ~\n\t\nuser c\t on",
        "user a on #zz\nuser b +foo bar",
        "user a   on    >x   \n\n  user b on\n",
        "user default on >pw ~* +@all\nuser z off",
        "",
    ];
    let mut said = Vec::new();
    for (server, path) in &servers {
        let mut client = server.client();
        let mut answers = Vec::new();
        for command in programs {
            answers.push((command.to_owned(), answer(&mut client, command)));
        }
        answers.push(("the file".to_owned(), fs::read_to_string(path).unwrap()));
        for text in texts {
            fs::write(path, text).unwrap();
            for command in ["ACL LOAD", "ACL LIST"] {
                let answer = answer(&mut client, command);
                let answer = answer.replace(&path.display().to_string(), "FILE");
                answers.push((format!("{command} {text:?}"), answer));
            }
        }
        fs::remove_file(path).unwrap();
        let gone = answer(&mut client, "ACL LOAD").replace(&path.display().to_string(), "FILE");
        answers.push(("no file".to_owned(), gone));
        said.push(answers);
    }
    for (theirs, own) in said[0].iter().zip(&said[1]) {
        assert_eq!(theirs, own);
    }
}

/// Those who are not the default user have to come again after ACL LOAD; he who asked for it gets his answer.
#[test]
fn loading_sends_users_away() {
    let text =
        "user default on nopass ~* &* +@all\nuser b on >p ~* &* +@all\nuser d on nopass +@all\n";
    for (server, path) in with_users(text) {
        let mut clients = [(); 3].map(|()| server.client());
        assert_eq!(answer(&mut clients[0], "AUTH b p"), "+OK");
        assert_eq!(answer(&mut clients[1], "AUTH d x"), "+OK");
        answer(&mut clients[2], "SUBSCRIBE x");
        fs::write(
            &path,
            "user default on nopass ~* resetchannels +@all\nuser b on >p +@all\n",
        )
        .unwrap();
        assert_eq!(server.run("ACL LOAD"), Value::Simple("OK".into()));
        let answers = clients.each_mut().map(|client| answer(client, "PING"));
        let pong = r#"["pong", ""]"#;
        assert_eq!(answers, ["closed", "closed", pong], "{:?}", server.kind);
        let mut own = server.client();
        assert_eq!(answer(&mut own, "AUTH b p"), "+OK");
        assert_eq!(answer(&mut own, "ACL LOAD"), "+OK");
        assert_eq!(answer(&mut own, "PING"), "closed");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn what_the_file_says_holds_from_the_start_and_what_is_wrong_ends_the_server() {
    let dir = TempDir::new();
    let path = dir.0.join(FILE);
    let args = ["--aclfile", &path.display().to_string()];
    let port = free_port().to_string();
    let refused = |args: &[&str]| {
        let mut server = std::process::Command::new(env!("CARGO_BIN_EXE_damselfly"));
        let run = server
            .args(args)
            .args(["--port", &port])
            .current_dir(&dir.0);
        let out = run.output().unwrap();
        assert!(!out.status.success());
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    let none = refused(&args);
    assert!(none.contains("Error loading ACLs, opening file"), "{none}");
    fs::write(&path, "user a on\nuser a on\n").unwrap();
    let twice = refused(&args);
    assert!(
        twice.contains("Duplicate user 'a' found on line 2"),
        "{twice}"
    );
    for (line, why) in [
        (
            "user a on foo",
            "Error in user declaration 'a': Syntax error",
        ),
        (
            "user a (+get",
            "Error in user declaration 'a': Unmatched parenthesis",
        ),
        ("user a +nocmd", "Unknown command or category name in ACL"),
        ("user a on\nuser a off", "Duplicate user found."),
        ("user \"a b\" on", "Spaces not allowed in ACL usernames"),
        ("user", "wrong number of arguments"),
    ] {
        let conf = dir.0.join("wrong.conf");
        fs::write(&conf, line).unwrap();
        let said = refused(&[&conf.display().to_string()]);
        assert!(said.contains(why), "{line}: {said}");
    }
    fs::write(&path, "").unwrap();
    let both = refused(&[args[0], args[1], "--user", "a", "on"]);
    assert!(both.contains("only one of them"), "{both}");
}

/// `user` lines of the configuration file, and what CONFIG REWRITE makes of them.
#[test]
fn a_configuration_file_has_the_users() {
    let lists = [Kind::Redis, Kind::Damselfly].map(|kind| {
        let mut server = Server::with_file(kind, &[]);
        let conf = server.dir().join("redis.conf");
        let users = "user a on >p ~* (+get ~x) +@all\n# between\nuser default on >pw ~* +@all\nrequirepass z\nuser q off\n";
        fs::write(&conf, users).unwrap();
        server.restart();
        let mut seen = vec![said_by(&server, &["AUTH pw", "ACL LIST", "CONFIG GET requirepass"])];
        seen.push(said_by(&server, &["AUTH pw", "ACL DELUSER q", "ACL SETUSER r on ~k", "CONFIG REWRITE"]));
        let lines = |text: String| -> Vec<String> {
            let told = |line: &&str| line.starts_with("user ") || line.starts_with('#');
            text.lines().filter(told).map(str::to_owned).collect()
        };
        seen.push(lines(fs::read_to_string(&conf).unwrap()));
        server.restart();
        seen.push(said_by(&server, &["AUTH a p", "ACL LIST"]));
        seen
    });
    let [theirs, own] = lists;
    assert_eq!(theirs, own);
    assert!(
        own[2].iter().any(|line| line.starts_with("user r on")),
        "{own:?}"
    );
}

fn said_by(server: &Server, commands: &[&str]) -> Vec<String> {
    let mut client = server.client();
    commands.iter().map(|c| answer(&mut client, c)).collect()
}
