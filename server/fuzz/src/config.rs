//! The configuration file.

use crate::memory::bounded;
use damselfly_server::acl::file;
use damselfly_server::config::Config;
use damselfly_server::config::startup::from_text;

/// What is taken from a file is said when it is rewritten, and taken from there again; rewriting that changes nothing.
pub fn body(data: &[u8]) {
    // What a file includes is looked for on the disk.
    let lines = data.split_inclusive(|byte| *byte == b'\n');
    let here = |line: &&[u8]| {
        !line
            .to_ascii_lowercase()
            .windows(7)
            .any(|word| word == b"include")
    };
    let data = &lines.filter(here).collect::<Vec<_>>().concat()[..];
    // Defaults, lines, and messages that quote them; each `save` line is put behind those before it.
    let bytes = (1 << 20) + data.len() * (64 + data.len() / 8);
    let taken = bounded(bytes, || from_text(data));
    let Ok(config) = taken else { return };
    let said = config.get(|_, _| true);
    let followed = said.iter().find(|(name, _)| *name == "replicaof");
    let followed = followed.and_then(|(_, value)| {
        let text = String::from_utf8_lossy(value).into_owned();
        let (host, port) = text.rsplit_once(' ')?;
        Some((host.to_owned(), port.parse().ok()?))
    });
    let text = config.rewritten(data, false, &users(&config), followed.clone());
    let again = match from_text(&text) {
        Ok(again) => again,
        Err(why) => panic!("what was rewritten is refused: {why}"),
    };
    for (before, after) in said.iter().zip(again.get(|_, _| true)) {
        assert_eq!(*before, after, "rewritten and read again");
    }
    assert_eq!(
        users(&config),
        users(&again),
        "users rewritten and read again"
    );
    let twice = again.rewritten(&text, false, &users(&again), followed);
    assert_eq!(
        String::from_utf8_lossy(&twice),
        String::from_utf8_lossy(&text),
        "rewritten twice"
    );
}

/// The lines that define the users of `config`.
fn users(config: &Config) -> Vec<Vec<u8>> {
    let channels = config.settings().acl_pubsub_default;
    let declared = config.users().iter();
    declared
        .map(|one| match one.user(channels) {
            Ok(user) => file::line(&one.name, &user),
            Err(why) => panic!("a user that was read is refused: {why}"),
        })
        .collect()
}
