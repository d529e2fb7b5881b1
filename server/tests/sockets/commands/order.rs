//! Replies whose elements come in no meaningful order: brought into one before they are compared.

/// How the elements of a command's reply may be rearranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Not at all.
    Kept,
    /// One by one.
    Any,
    /// Pair by pair.
    Pairs,
    /// Those of the second element, after a cursor.
    Scanned(usize),
    /// Not at all, but times are only told as long ago, roughly.
    Timed,
}

/// The order of a command's reply.
pub fn of(args: &[Vec<u8>]) -> Order {
    let name = String::from_utf8_lossy(&args[0]).to_ascii_uppercase();
    let has = |word: &str| args.iter().any(|a| a.eq_ignore_ascii_case(word.as_bytes()));
    match &*name {
        "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" | "SPOP" | "SRANDMEMBER" | "HKEYS" | "HVALS"
        | "KEYS" => Order::Any,
        "HGETALL" => Order::Pairs,
        "HRANDFIELD" if has("WITHVALUES") => Order::Pairs,
        "ZRANDMEMBER" if has("WITHSCORES") => Order::Pairs,
        "HRANDFIELD" | "ZRANDMEMBER" => Order::Any,
        "XPENDING" | "XINFO" => Order::Timed,
        "SSCAN" => Order::Scanned(1),
        "HSCAN" | "ZSCAN" => Order::Scanned(2),
        _ => Order::Kept,
    }
}

/// `reply` with its elements sorted as far as `order` allows.
pub fn normal(reply: &[u8], order: Order) -> Vec<u8> {
    match order {
        Order::Kept => reply.to_vec(),
        Order::Any => sorted(reply, 1),
        Order::Pairs => sorted(reply, 2),
        Order::Timed => timed(reply),
        Order::Scanned(group) => {
            let (head, parts) = split(reply);
            let [cursor, elems] = &parts[..] else {
                return reply.to_vec();
            };
            [head, cursor.to_vec(), sorted(elems, group)].concat()
        }
    }
}

/// Sorts the elements of an aggregate in groups; where elements are pairs themselves (RESP3), one by one.
fn sorted(reply: &[u8], group: usize) -> Vec<u8> {
    let (head, parts) = split(reply);
    let nested = parts.first().is_some_and(|p| p.starts_with(b"*"));
    let group = if nested { 1 } else { group };
    let mut groups: Vec<Vec<u8>> = parts.chunks(group).map(<[&[u8]]>::concat).collect();
    groups.sort();
    [head, groups.concat()].concat()
}

/// `reply` with idle times and times of day rounded: both servers were asked, but not in the same millisecond.
fn timed(reply: &[u8]) -> Vec<u8> {
    let (head, parts) = split(reply);
    // An entry of XPENDING: ID, consumer, idle time, deliveries.
    if let [id, name, idle, count] = &parts[..]
        && id.starts_with(b"$")
        && name.starts_with(b"$")
        && idle.starts_with(b":")
    {
        return [&head, *id, *name, &ago(number(idle)), *count].concat();
    }
    let mut out = head;
    for (i, part) in parts.iter().enumerate() {
        let name = i.checked_sub(1).map_or(&b""[..], |before| parts[before]);
        let is_int = part.starts_with(b":");
        out.extend(match name {
            b"$4\r\nidle\r\n" if is_int => ago(number(part)),
            b"$9\r\nseen-time\r\n" if is_int => ago(now_ms() - number(part)),
            // When an entry was delivered.
            _ if is_int && number(part) >= 1000 => ago(now_ms() - number(part)),
            _ => timed(part),
        });
    }
    out
}

/// A time so long ago, in steps that no test takes long enough to cross.
fn ago(millis: i64) -> Vec<u8> {
    const STEP: i64 = 5_000_000;
    format!(":{}\r\n", (millis + STEP / 5).div_euclid(STEP)).into_bytes()
}

/// Unix time in milliseconds.
pub fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("after 1970").as_millis() as i64
}

/// The header of a reply and its elements; none if it is not an aggregate.
pub fn split(reply: &[u8]) -> (Vec<u8>, Vec<&[u8]>) {
    let line = line_len(reply);
    let elements = match reply.first() {
        Some(b'*' | b'~' | b'>') => number(reply).max(0),
        Some(b'%') => 2 * number(reply),
        _ => return (reply.to_vec(), Vec::new()),
    };
    let (mut at, mut parts) = (line, Vec::new());
    for _ in 0..elements {
        let len = len(&reply[at..]);
        parts.push(&reply[at..at + len]);
        at += len;
    }
    (reply[..line].to_vec(), parts)
}

fn line_len(reply: &[u8]) -> usize {
    reply.iter().position(|&b| b == b'\n').expect("a line") + 1
}

fn number(reply: &[u8]) -> i64 {
    let text = std::str::from_utf8(&reply[1..line_len(reply) - 2]).expect("a number");
    text.parse().expect("a number")
}

/// The length in bytes of the reply at the start of `bytes`.
fn len(bytes: &[u8]) -> usize {
    let line = line_len(bytes);
    let elements = match bytes[0] {
        b'$' | b'=' => return line + usize::try_from(number(bytes)).map_or(0, |n| n + 2),
        b'*' | b'~' | b'>' => number(bytes).max(0),
        b'%' => 2 * number(bytes),
        _ => 0,
    };
    (0..elements).fold(line, |at, _| at + len(&bytes[at..]))
}
