//! The reference pages of `docs/` are made from the tables that the server itself uses.
//!
//! `DAMSELFLY_BLESS=1 cargo test -p damselfly-server --test reference` writes them anew.

use damselfly_server::command::differs::DIFFERS;
use damselfly_server::command::table::{Command, FAMILIES};
use damselfly_server::config::table::{Change, PARAMS, Param};
use damselfly_server::config::value::Kind;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Compares a page with what it should say, or writes it.
fn is_current(page: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(page);
    if std::env::var_os("DAMSELFLY_BLESS").is_some() {
        std::fs::write(&path, expected).expect("write the page");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/{page} is not what the tables say; DAMSELFLY_BLESS=1 writes it anew"
    );
}

#[test]
fn the_configuration_page_is_current() {
    let mut page = String::from(
        "# Configuration\n\n\
         Made from the table in `server/src/config/table.rs`; `server/tests/reference.rs` keeps it current.\n\n\
         Every parameter may be given on the command line (`--NAME VALUE`) or in a configuration file \
         (`damselfly FILE`), and read with `CONFIG GET`. Names and values are those of redis-server 7.0, so that its \
         command lines and files start Damselfly too. Those that may change while the server runs take \
         `CONFIG SET`; `CONFIG REWRITE` writes them back to the file.\n\n\
         | name | values | default | changes | what |\n|---|---|---|---|---|\n",
    );
    for param in PARAMS.iter().filter(|p| p.served) {
        let changes = match param.change {
            Change::Live => "live",
            Change::Startup => "start-up",
            Change::Protected => "start-up (protected)",
        };
        let name = match param.alias {
            Some(alias) => format!("`{}`, `{alias}`", param.name),
            None => format!("`{}`", param.name),
        };
        row(
            &mut page,
            &[
                &name,
                &values(param.kind),
                &default(param),
                changes,
                param.help,
            ],
        );
    }
    page.push_str(
        "\n## Accepted without effect\n\n\
         Names of redis-server 7.0 that are not served yet. Setting one to something else than its default is \
         answered by a warning in the log at start-up; \
         `tls-port`, `tls-cluster` and `tls-replication` are refused, since nobody is to take the connections for safe.\n\n\
         | name | values | default |\n|---|---|---|\n",
    );
    for param in PARAMS.iter().filter(|p| !p.served) {
        let name = format!("`{}`", param.name);
        row(&mut page, &[&name, &values(param.kind), &default(param)]);
    }
    is_current("CONFIGURATION.md", &page);
}

#[test]
fn the_page_of_commands_is_current() {
    let mut groups: BTreeMap<&str, Vec<&Command>> = BTreeMap::new();
    for command in FAMILIES.iter().copied().flatten() {
        groups.entry(command.group).or_default().push(command);
    }
    let count: usize = groups.values().map(Vec::len).sum();
    let mut page = format!(
        "# Commands\n\n\
         Made from the tables in `server/src/command`; `server/tests/reference.rs` keeps it current. {count} commands, with \
         the arguments, replies and errors of Redis 7.0 but for [what differs](#what-differs).\n"
    );
    for (group, commands) in &mut groups {
        commands.sort_by_key(|command| command.name);
        let _ = write!(
            page,
            "\n## {group}\n\n| command | since | cost | what |\n|---|---|---|---|\n"
        );
        for command in commands {
            one(&mut page, command);
            command
                .subcommands
                .iter()
                .for_each(|sub| one(&mut page, sub));
        }
    }
    page.push_str("\n## What differs\n\n");
    for (name, what) in DIFFERS {
        let _ = writeln!(page, "- `{}`: {what}", name.to_uppercase());
    }
    is_current("COMMANDS.md", &page);
}

/// The row of a command. The notation's types of arguments (`value:integer`) are for `COMMAND DOCS`.
fn one(page: &mut String, command: &Command) {
    let words = command.syntax.split(':');
    let is_type = |c: char| c.is_ascii_lowercase() || c == '-';
    let syntax: String = words
        .enumerate()
        .map(|(i, part)| match i {
            0 => part,
            _ => part.trim_start_matches(is_type),
        })
        .collect();
    let name = command.name.replace('|', " ").to_uppercase();
    let call = format!("{name} {syntax}").trim_end().replace('|', "\\|");
    let cost = command.complexity.replace('|', "\\|");
    let cells = [&format!("`{call}`"), command.since, &cost, command.summary];
    row(page, &cells);
}

#[test]
fn every_served_parameter_says_what_it_does() {
    for param in PARAMS {
        assert_eq!(param.served, !param.help.is_empty(), "{}", param.name);
    }
}

fn row(page: &mut String, cells: &[&str]) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn default(param: &Param) -> String {
    match param.default {
        "" => String::new(),
        value => format!("`{value}`"),
    }
}

fn values(kind: Kind) -> String {
    let bounds = |low: String, high: String, unbounded: bool| match unbounded {
        true => format!("at least {low}"),
        false => format!("{low} to {high}"),
    };
    match kind {
        Kind::Bool => "`yes`, `no`".into(),
        Kind::No(_) => "`no`; `yes` is refused".into(),
        Kind::Int(low, high) => bounds(
            low.to_string(),
            high.to_string(),
            high == i64::MAX || high == i64::from(i32::MAX),
        ),
        Kind::Clamped(low, high) => format!("{low} to {high}; what lies outside is brought there"),
        Kind::Octal => "permissions, octal".into(),
        Kind::Memory(low, high) => format!(
            "bytes, {}",
            bounds(low.to_string(), high.to_string(), high >= i64::MAX as u64)
        ),
        Kind::MemoryFloor(floor) => format!("bytes; fewer than {floor} count as {floor}"),
        Kind::MemoryOrPercent => "bytes, or a percentage".into(),
        Kind::Enum(words) => one_of(words),
        Kind::Flags(words) => format!("some of {}", one_of(words)),
        Kind::Text | Kind::Title => "any".into(),
        Kind::HostName => "letters, digits, `-` and `.`, fewer than 256".into(),
        Kind::FileName => "file name".into(),
        Kind::Dir => "directory".into(),
        Kind::Words => "words".into(),
        Kind::Scores => "three numbers from -2000 to 2000".into(),
        Kind::Save => "pairs of seconds and changes, or `\"\"`".into(),
        Kind::BufferLimits => "class, hard limit, soft limit, soft seconds; repeated".into(),
        Kind::Percentiles => "numbers from 0 to 100".to_owned(),
        Kind::KeyspaceEvents => "classes of events".into(),
        Kind::HostPort => "host port".into(),
    }
}

fn one_of(words: &[&str]) -> String {
    words
        .iter()
        .map(|w| format!("`{w}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
