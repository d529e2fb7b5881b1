//! What a replica says while it is served: newlines while it loads, `REPLCONF ACK offset` afterwards.

use super::Master;
use super::replica::{End, Replica};
use crate::command;
use crate::resp::parse::{ArgList, ParseLimits, Parsed, Parser};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A replica sends small commands only; more than this without the end of one is nonsense.
const LONGEST: usize = 64 << 10;

/// Takes in what the replica says until it hangs up, and calls `heard` for each command. `buffer` is what was read
/// already.
pub(super) async fn listen(
    master: &Master,
    replica: &Replica,
    mut reader: impl AsyncRead + Unpin,
    mut buffer: Vec<u8>,
    heard: impl Fn(),
) -> End {
    let limits = ParseLimits {
        max_bulk: LONGEST as u64,
        authenticated: true,
    };
    let (mut parser, mut args) = (Parser::default(), ArgList::default());
    loop {
        let mut at = 0;
        loop {
            match parser.parse(&buffer[at..], &limits, &mut args) {
                Ok(Parsed::Request { len }) => {
                    if !heed(master, replica, &args, &buffer[at..]) {
                        return End::Asked;
                    }
                    if !args.is_empty() {
                        heard();
                    }
                    args.clear();
                    at += len;
                }
                Ok(Parsed::Incomplete { .. }) => break,
                Err(_) => return End::Nonsense,
            }
        }
        buffer.drain(..at);
        if buffer.len() > LONGEST {
            return End::Nonsense;
        }
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return End::Closed,
            Ok(_) => {}
            Err(error) => return error.into(),
        }
    }
}

/// False if it sent what clients send.
fn heed(master: &Master, replica: &Replica, args: &ArgList, request: &[u8]) -> bool {
    let is = |index, word: &[u8]| args.get(request, index).eq_ignore_ascii_case(word);
    if args.is_empty() {
        // A newline: it is busy loading, and alive.
        replica.heard();
    } else if is(0, b"REPLCONF") && is(1, b"ACK") {
        let offset = std::str::from_utf8(args.get(request, 2))
            .ok()
            .and_then(|text| text.parse().ok());
        if let Some(offset) = offset {
            replica.acks(offset);
            master.acked.notify_waiters();
        }
    } else if !is(0, b"REPLCONF") {
        // A reply would be taken for part of the stream, and none would be waited for.
        let words: Vec<_> = (0..args.len()).map(|i| args.get(request, i)).collect();
        let named = command::find(words[0]);
        let sub = words
            .get(1)
            .and_then(|word| named.and_then(|command| command.subcommand(word)));
        let name = sub.or(named).map_or("of its own", |command| command.name);
        tracing::warn!(
            "Replica generated a reply to command '{name}', disconnecting it: {replica}"
        );
        return false;
    }
    true
}
