//! Replies without what differs by right: times, numbers of clients, orders that mean nothing, commands that came after
//! Redis 7.0.

use crate::commands::order::{self, split};
use damselfly_server::command::table;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Messages, as they came.
pub type Heard = Vec<Vec<u8>>;

/// Whether both servers can be expected to answer the same. Of a connection that does not listen, only what has one reply.
pub fn is_comparable(args: &[Vec<u8>], listens: bool) -> bool {
    let name = args[0].to_ascii_uppercase();
    let has = |word: &[u8]| args.iter().any(|arg| arg == word);
    match &name[..] {
        name if name.ends_with(b"SUBSCRIBE") => listens || args.len() == 2,
        // Chance.
        b"SRANDMEMBER" | b"SPOP" | b"HRANDFIELD" | b"ZRANDMEMBER" => args.len() > 2,
        // An ID of 7.4, and IDs made of the clock.
        b"XREAD" | b"XREADGROUP" => !has(b"+"),
        b"XADD" => !has(b"*"),
        // What happened to the stock server's other numbers tells in what SORT makes of its own.
        b"SORT" | b"SORT_RO" => !has(b"1e400"),
        // Half of the memory.
        b"SETBIT" | b"BITFIELD" => !has(b"2147483648"),
        b"ACL" => !has(b"GENPASS"),
        // Cursors are as the tables are.
        b"SCAN" => args.get(1).is_some_and(|cursor| cursor == b"0"),
        // Other tables, and values that C ends at a zero.
        b"CONFIG" => {
            let values = args.get(3..).unwrap_or_default();
            !has(b"*") && !values.iter().any(|arg| arg.contains(&0))
        }
        // It may meet another one.
        b"SAVE" => false,
        b"CLIENT" => !has(b"id") && !has(b"ID"),
        _ => true,
    }
}

/// Whether a reply was pushed, and is none to what the client asked.
pub fn is_pushed(reply: &[u8]) -> bool {
    let (_, parts) = split(reply);
    let kind = parts.first().copied().map(bulk).unwrap_or_default();
    reply.starts_with(b">") && !kind.ends_with(b"subscribe")
}

/// What UNSUBSCRIBE and its kin answer without a channel: names and numbers, both in order.
pub fn left(replies: &[Vec<u8>]) -> Vec<u8> {
    let parts: Vec<_> = replies.iter().map(|reply| split(reply).1).collect();
    let nth = |n: usize| {
        parts
            .iter()
            .filter_map(move |p| p.get(n).map(|part| part.to_vec()))
    };
    let names: BTreeSet<Vec<u8>> = nth(1).collect();
    names.into_iter().chain(nth(2)).collect::<Vec<_>>().concat()
}

/// The bytes of a bulk string; nothing if it is none.
pub fn bulk(reply: &[u8]) -> Vec<u8> {
    let text = reply.strip_suffix(b"\r\n").unwrap_or_default();
    let start = text
        .iter()
        .position(|&b| b == b'\n')
        .map_or(text.len(), |at| at + 1);
    text[start..].to_vec()
}

/// The reply to a command, without what differs by right.
pub fn reply(args: &[Vec<u8>], reply: &[u8]) -> Vec<u8> {
    let reply = order::normal(reply, order::of(args));
    match &args[0].to_ascii_uppercase()[..] {
        b"TTL" | b"PTTL" => time(&reply, 49_500),
        b"EXPIRETIME" | b"PEXPIRETIME" => time(&reply, 0),
        b"HELLO" => without_id(&reply),
        b"EXEC" => each(&reply, |part| words(&without_id(part))),
        b"ACL" => users(&reply),
        // Functions of a library come in any order.
        b"FUNCTION" => sorted(&reply),
        b"SCAN" => order::normal(&reply, order::Order::Scanned(1)),
        _ => reply,
    }
}

/// A time in steps that no program takes long enough to cross.
fn time(reply: &[u8], more: i64) -> Vec<u8> {
    let text = std::str::from_utf8(reply).unwrap_or_default();
    match text.trim_start_matches(':').trim_end().parse::<i64>() {
        Ok(time @ 1..) => format!(":{}\r\n", time.saturating_add(more) / 100_000).into_bytes(),
        _ => reply.to_vec(),
    }
}

/// Changes every element of an array.
fn each(reply: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let (head, parts) = split(reply);
    let parts: Vec<Vec<u8>> = parts.into_iter().map(change).collect();
    [head, parts.concat()].concat()
}

/// All lists in one order.
fn sorted(reply: &[u8]) -> Vec<u8> {
    let (head, parts) = split(reply);
    let mut parts: Vec<Vec<u8>> = parts.into_iter().map(sorted).collect();
    parts.sort();
    [head, parts.concat()].concat()
}

/// What HELLO answers, without the number of the client.
fn without_id(reply: &[u8]) -> Vec<u8> {
    let (head, mut parts) = split(reply);
    if parts.first() == Some(&&b"$6\r\nserver\r\n"[..]) && parts.len() > 7 {
        parts[7] = b":0\r\n";
    }
    [head, parts.concat()].concat()
}

/// What ACL says of users, and of categories.
fn users(reply: &[u8]) -> Vec<u8> {
    // The log has ages and addresses.
    if reply.windows(11).any(|part| part == b"client-info") {
        return Vec::new();
    }
    let (_, parts) = split(reply);
    if !parts.iter().all(|part| part.starts_with(b"$")) || parts.is_empty() {
        return words(reply);
    }
    let mut parts: Vec<Vec<u8>> = parts.into_iter().map(words).collect();
    parts.retain(|part| !newer().contains(&bulk(part)));
    parts.sort();
    let head = format!("*{}\r\n", parts.len()).into_bytes();
    [head, parts.concat()].concat()
}

/// Every string of several words with the words in order, and without newer commands.
fn words(reply: &[u8]) -> Vec<u8> {
    let (head, parts) = split(reply);
    if !parts.is_empty() {
        return [
            head,
            parts.into_iter().map(words).collect::<Vec<_>>().concat(),
        ]
        .concat();
    }
    if !reply.starts_with(b"$") || !reply.contains(&b' ') {
        return reply.to_vec();
    }
    let text = bulk(reply);
    let mut words: Vec<&[u8]> = text.split(|&b| b == b' ').collect();
    words.retain(|word| word.is_empty() || !newer().contains(&word[1..]));
    words.sort();
    let text = words.join(&b' ');
    [format!("${}\r\n", text.len()).as_bytes(), &text, b"\r\n"].concat()
}

/// The names of commands and subcommands that Redis 7.0 does not have.
pub fn newer() -> &'static BTreeSet<Vec<u8>> {
    static NEWER: OnceLock<BTreeSet<Vec<u8>>> = OnceLock::new();
    NEWER.get_or_init(|| {
        let all = table::all().flat_map(|c| std::iter::once(c).chain(c.subcommands));
        all.filter(|command| !command.is_of_redis_7_0())
            .map(|command| command.name.as_bytes().to_vec())
            .collect()
    })
}
