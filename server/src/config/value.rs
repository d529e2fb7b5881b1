//! The types of configuration values: how they are read, and how CONFIG GET shows them.

use crate::command::events;

/// What a parameter may be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// `yes` or `no`, and yet not `yes`, for this reason.
    No(&'static str),
    /// A decimal integer between two bounds, both allowed.
    Int(i64, i64),
    /// A decimal integer that is brought between two bounds if it lies outside.
    Clamped(i64, i64),
    /// An octal integer of file permissions.
    Octal,
    /// A number of bytes between two bounds, with an optional unit: `k m g` (powers of 1000), `kb mb gb` (of 1024).
    Memory(u64, u64),
    /// Bytes as in [`Kind::Memory`], from 1 on; fewer than this count as this.
    MemoryFloor(u64),
    /// Bytes as in [`Kind::Memory`], or a percentage.
    MemoryOrPercent,
    /// One of these words, in any case.
    Enum(&'static [&'static str]),
    /// Several of these words.
    Flags(&'static [&'static str]),
    /// Any bytes.
    Text,
    /// A file name without a directory.
    FileName,
    /// Text in which words in braces stand for something.
    Title,
    /// A name of a host.
    HostName,
    /// A directory.
    Dir,
    /// Words, separated by spaces.
    Words,
    /// Three numbers from -2000 to 2000.
    Scores,
    /// Pairs of seconds and changes; one empty word for none.
    Save,
    /// Class, hard limit, soft limit, soft seconds; repeated. A class not named keeps what it has.
    BufferLimits,
    /// Numbers from 0 to 100.
    Percentiles,
    /// The classes of keyspace events.
    KeyspaceEvents,
    /// `host port`, or `no one`.
    HostPort,
}

/// The classes of `client-output-buffer-limit`, in the order CONFIG GET shows them.
pub const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

impl Kind {
    /// True when the value is made of several words.
    pub fn is_list(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Flags(_) | Words | Scores | Save | BufferLimits | HostPort | Percentiles
        )
    }

    /// The value that `words` denote, as CONFIG GET shows it but for what [`Kind::show`] leaves out; `old` is what the parameter is now.
    ///
    /// # Errors
    /// What is wrong with them, in Redis's words.
    pub fn read(self, words: &[&[u8]], old: &[u8]) -> Result<Vec<u8>, String> {
        match (self, words) {
            (Kind::BufferLimits, _) => buffer_limits(words, old),
            (Kind::Save, _) => save(words),
            (Kind::HostPort, _) => host_port(words),
            (Kind::Percentiles, _) => percentiles(words),
            (Kind::Scores, _) => scores(words),
            (Kind::Words, _) => Ok(words.join(&b' ')),
            (Kind::Flags(allowed), _) => flags(allowed, words),
            (_, [word]) => self.read_word(word),
            _ => Err("wrong number of arguments".to_owned()),
        }
    }

    /// What CONFIG GET shows of `value`, as [`Kind::read`] made it.
    pub fn show(self, value: &[u8]) -> Vec<u8> {
        match self {
            Kind::KeyspaceEvents => {
                let classes = events::parse(&String::from_utf8_lossy(value));
                events::show(classes.unwrap_or_default()).into()
            }
            _ => value.to_vec(),
        }
    }

    fn read_word(self, word: &[u8]) -> Result<Vec<u8>, String> {
        let text = String::from_utf8_lossy(word);
        match self {
            Kind::Bool => match text.to_ascii_lowercase().as_str() {
                yes_no @ ("yes" | "no") => Ok(yes_no.into()),
                _ => Err("argument must be 'yes' or 'no'".to_owned()),
            },
            Kind::No(why) => match Kind::Bool.read_word(word)? {
                yes if yes == b"yes" => Err(why.to_owned()),
                no => Ok(no),
            },
            Kind::Int(min, max) => match integer(&text) {
                Some(n) => in_range(n, min, max),
                None => Err("argument couldn't be parsed into an integer".to_owned()),
            },
            Kind::Clamped(min, max) => {
                let n = Kind::Int(0, i32::MAX.into()).read_word(word)?;
                let n = integer(&String::from_utf8_lossy(&n)).unwrap_or(min);
                Ok(n.clamp(min, max).to_string().into())
            }
            Kind::Octal => match i64::from_str_radix(&text, 8) {
                Ok(n) if (0..=0o777).contains(&n) => Ok(format!("{n:o}").into()),
                Ok(_) => Err("argument must be between 0 and 777 inclusive".to_owned()),
                Err(_) => Err("argument couldn't be parsed as an octal number".to_owned()),
            },
            Kind::Memory(min, max) => match bytes(&text) {
                Some(n) => in_range(n, min, max),
                None => Err("argument must be a memory value".to_owned()),
            },
            Kind::MemoryFloor(floor) => {
                Kind::Memory(1, i64::MAX as u64).read_word(word)?;
                let n = memory(&text).unwrap_or(floor);
                Ok(n.max(floor).to_string().into())
            }
            Kind::MemoryOrPercent => match text.strip_suffix('%').map(integer) {
                Some(Some(0)) => Ok(b"0".to_vec()),
                Some(Some(n @ 1..=100)) => Ok(format!("{n}%").into()),
                Some(Some(n)) if n > 100 => {
                    Err("percentage argument must be less or equal to 100".to_owned())
                }
                None => match bytes(&text) {
                    // Redis takes what an `i64` cannot hold for a percentage.
                    Some(n) => Ok(n.min(i64::MAX as u64).to_string().into()),
                    None => Err("argument must be a memory or percent value".to_owned()),
                },
                Some(_) => Err("argument must be a memory or percent value".to_owned()),
            },
            Kind::Enum(allowed) => one_of(allowed, word),
            Kind::HostName => host_name(word),
            Kind::FileName if text.contains('/') => {
                Err("can't be a path, just a filename".to_owned())
            }
            Kind::Title if !is_title(&text) => {
                Err("template format is invalid or contains unknown variables".to_owned())
            }
            Kind::KeyspaceEvents => {
                let classes = events::parse(&text)
                    .ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned())?;
                Ok(events::spell(classes).into())
            }
            _ => Ok(word.to_vec()),
        }
    }
}

/// True for a title of known words that leaves more than spaces; `{{` stands for a brace.
fn is_title(text: &str) -> bool {
    let (mut rest, mut shown) = (text, String::new());
    while let Some((before, after)) = rest.split_once('{') {
        shown.push_str(before);
        rest = match (after.strip_prefix('{'), after.split_once('}')) {
            (Some(after), _) => {
                shown.push('{');
                after
            }
            (None, Some((word, after))) => {
                match word {
                    "listen-addr" | "port" | "tls-port" => shown.push_str(word),
                    // It depends on others whether there is anything to show.
                    "title" | "server-mode" | "config-file" | "unixsocket" => {}
                    _ => return false,
                }
                after
            }
            (None, None) => return false,
        };
    }
    shown.push_str(rest);
    !shown.trim().is_empty()
}

fn in_range<T: Ord + std::fmt::Display>(n: T, min: T, max: T) -> Result<Vec<u8>, String> {
    if (&min..=&max).contains(&&n) {
        Ok(n.to_string().into())
    } else {
        Err(format!(
            "argument must be between {min} and {max} inclusive"
        ))
    }
}

fn one_of(allowed: &[&str], word: &[u8]) -> Result<Vec<u8>, String> {
    let found = allowed
        .iter()
        .find(|a| a.as_bytes().eq_ignore_ascii_case(word));
    found.map(|a| a.as_bytes().to_vec()).ok_or_else(|| {
        let allowed = allowed.join(", ");
        format!("argument(s) must be one of the following: {allowed}")
    })
}

/// Each of the words of SHUTDOWN once, in the order of those that are allowed.
fn flags(allowed: &[&str], words: &[&[u8]]) -> Result<Vec<u8>, String> {
    if words.is_empty() {
        one_of(allowed, b"")?;
    }
    let words: Result<Vec<_>, _> = words.iter().map(|w| one_of(allowed, w)).collect();
    let words = words?;
    let given = |word: &&str| words.iter().any(|w| w == word.as_bytes());
    if given(&"save") && given(&"nosave") {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
    }
    let kept: Vec<&str> = allowed.iter().copied().filter(given).collect();
    Ok(kept.join(" ").into())
}

fn host_name(word: &[u8]) -> Result<Vec<u8>, String> {
    const MOST: usize = 255;
    if word.len() > MOST {
        return Err(format!(
            "Hostnames must be less than {} characters",
            MOST + 1
        ));
    }
    let fits = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    match word.iter().all(fits) {
        true => Ok(word.to_vec()),
        false => {
            Err("Hostnames may only contain alphanumeric characters, hyphens or dots".to_owned())
        }
    }
}

fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A number of bytes with an optional unit, which an `i64` can hold.
pub fn memory(text: &str) -> Option<u64> {
    bytes(text).filter(|n| *n <= i64::MAX as u64)
}

/// [`memory`] of any size.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    // As in Redis, where it is not said how many there are none.
    let number = if number.is_empty() { "0" } else { number };
    // Too many digits are the largest number, as `strtoull` has it; C's product would begin anew.
    let n = number.parse::<u64>().unwrap_or(u64::MAX);
    Some(n.saturating_mul(scale))
}

fn save(words: &[&[u8]]) -> Result<Vec<u8>, String> {
    if words.iter().all(|w| w.is_empty()) {
        return Ok(Vec::new());
    }
    let text: Vec<_> = words.iter().map(|w| String::from_utf8_lossy(w)).collect();
    let valid = text.len().is_multiple_of(2)
        && text.chunks(2).all(|pair| {
            integer(&pair[0]).is_some_and(|seconds| seconds >= 1)
                && integer(&pair[1]).is_some_and(|changes| changes >= 0)
        });
    match valid {
        true => Ok(text.join(" ").into()),
        false => Err("Invalid save parameters".to_owned()),
    }
}

fn scores(words: &[&[u8]]) -> Result<Vec<u8>, String> {
    const WRONG: &str = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
    if words.len() != 3 {
        return Err("wrong number of arguments".to_owned());
    }
    let score = |word: &&[u8]| {
        let n = integer(&String::from_utf8_lossy(word))?;
        (-2000..=2000).contains(&n).then(|| n.to_string())
    };
    let scores: Option<Vec<_>> = words.iter().map(score).collect();
    scores
        .map(|s| s.join(" ").into())
        .ok_or_else(|| WRONG.to_owned())
}

fn host_port(words: &[&[u8]]) -> Result<Vec<u8>, String> {
    match words {
        [] => Ok(Vec::new()),
        [[]] => Ok(Vec::new()),
        [a, b] if a.eq_ignore_ascii_case(b"no") && b.eq_ignore_ascii_case(b"one") => Ok(Vec::new()),
        [_, port] => match integer(&String::from_utf8_lossy(port)) {
            Some(0..=65535) => Ok(words.join(&b' ')),
            _ => Err("Invalid master port".to_owned()),
        },
        _ => Err("wrong number of arguments".to_owned()),
    }
}

fn percentiles(words: &[&[u8]]) -> Result<Vec<u8>, String> {
    let mut shown = Vec::new();
    for word in words.iter().filter(|word| !word.is_empty()) {
        let number = std::str::from_utf8(word)
            .ok()
            .and_then(|w| w.parse::<f64>().ok());
        let Some(number) = number else {
            return Err("Invalid latency-tracking-info-percentiles parameters".to_owned());
        };
        if !(0.0..=100.0).contains(&number) {
            return Err(
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                    .to_owned(),
            );
        }
        shown.push(number.to_string());
    }
    Ok(shown.join(" ").into())
}

fn buffer_limits(words: &[&[u8]], old: &[u8]) -> Result<Vec<u8>, String> {
    if words == [b""] {
        return Ok(old.to_vec());
    }
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    }
    let mut limits = read_buffer_limits(old);
    for four in words.chunks(4) {
        let text: Vec<_> = four.iter().map(|w| String::from_utf8_lossy(w)).collect();
        let class = match text[0].to_ascii_lowercase().as_str() {
            "normal" => 0,
            "slave" | "replica" => 1,
            "pubsub" => 2,
            _ => {
                return Err(
                    "Invalid client class specified in buffer limit configuration.".to_owned(),
                );
            }
        };
        let seconds = integer(&text[3]).and_then(|n| u64::try_from(n).ok());
        let (Some(hard), Some(soft), Some(seconds)) = (memory(&text[1]), memory(&text[2]), seconds)
        else {
            return Err(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration."
                    .to_owned(),
            );
        };
        limits[class] = [hard, soft, seconds];
    }
    let shown = |(class, [hard, soft, seconds]): (&str, [u64; 3])| {
        format!("{class} {hard} {soft} {seconds}")
    };
    let shown: Vec<_> = CLASSES.into_iter().zip(limits).map(shown).collect();
    Ok(shown.join(" ").into())
}

/// Hard limit, soft limit (bytes) and soft seconds of each of [`CLASSES`], from the form CONFIG GET shows.
pub fn read_buffer_limits(value: &[u8]) -> [[u64; 3]; 3] {
    let text = String::from_utf8_lossy(value);
    let mut numbers = text.split(' ').filter_map(|word| word.parse().ok());
    std::array::from_fn(|_| std::array::from_fn(|_| numbers.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, value: &str) -> Result<String, String> {
        let words: Vec<&[u8]> = value.split(' ').map(str::as_bytes).collect();
        let old = b"normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        let read = kind.read(&words, old);
        read.map(|v| String::from_utf8(v).unwrap())
    }

    #[test]
    fn memory_has_units() {
        for (text, bytes) in [
            ("100", Some(100)),
            ("1k", Some(1000)),
            ("1KB", Some(1024)),
            ("2mb", Some(2 << 20)),
            ("3Gb", Some(3 << 30)),
            ("", Some(0)),
            ("mb", Some(0)),
            ("-1", None),
            ("1tb", None),
            ("1.5mb", None),
            ("99999999999gb", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(memory(text), bytes, "{text}");
        }
    }

    #[test]
    fn values_are_shown_as_redis_shows_them() {
        let levels = Kind::Enum(&["debug", "notice"]);
        for (kind, given, shown) in [
            (Kind::Bool, "YES", "yes"),
            (levels, "Notice", "notice"),
            (Kind::Memory(0, u64::MAX), "1mb", "1048576"),
            (Kind::MemoryFloor(16384), "1", "16384"),
            (Kind::MemoryFloor(16384), "1mb", "1048576"),
            (Kind::MemoryOrPercent, "50%", "50%"),
            (Kind::MemoryOrPercent, "1kb", "1024"),
            (Kind::Save, "60 10 1 2", "60 10 1 2"),
            (Kind::Save, "", ""),
            (Kind::HostPort, "no one", ""),
            (Kind::Octal, "0700", "700"),
            (Kind::Percentiles, "0.0 100 50.55", "0 100 50.55"),
            (Kind::Percentiles, "", ""),
            (Kind::KeyspaceEvents, "KAn", "g$lshzxetdnK"),
            (
                Kind::BufferLimits,
                "replica 1mb 0 5",
                "normal 0 0 0 slave 1048576 0 5 pubsub 33554432 8388608 60",
            ),
        ] {
            assert_eq!(read(kind, given).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn what_is_refused_is_refused_in_the_words_of_redis() {
        for (kind, given, error) in [
            (Kind::Bool, "1", "argument must be 'yes' or 'no'"),
            (
                Kind::Int(0, 5),
                "6",
                "argument must be between 0 and 5 inclusive",
            ),
            (
                Kind::Int(0, 5),
                "+1",
                "argument couldn't be parsed into an integer",
            ),
            (Kind::Memory(1, 9), "x", "argument must be a memory value"),
            (
                Kind::MemoryFloor(16384),
                "0",
                "argument must be between 1 and 9223372036854775807 inclusive",
            ),
            (
                Kind::MemoryOrPercent,
                "101%",
                "percentage argument must be less or equal to 100",
            ),
            (Kind::Save, "1", "Invalid save parameters"),
            (
                Kind::BufferLimits,
                "x 1 2 3",
                "Invalid client class specified in buffer limit configuration.",
            ),
            (
                Kind::Title,
                "{title}{x}",
                "template format is invalid or contains unknown variables",
            ),
            (
                Kind::KeyspaceEvents,
                "Q",
                "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
            ),
        ] {
            assert_eq!(read(kind, given), Err(error.to_owned()));
        }
    }
}
