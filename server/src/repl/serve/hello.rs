//! What a replica says of itself before it asks for the stream: `REPLCONF option value ...`.

use crate::rdb::format::Dialect;
use crate::resp::parse::words;

/// The longest `ip-address`, bytes.
const LONGEST_ADDRESS: usize = 255;

/// What a client told us by REPLCONF. Part of the state of every connection, so kept small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// `listening-port`; 0 if not said.
    pub port: u16,
    /// `ip-address`, where it differs from the peer's.
    pub ip: Option<Box<str>>,
    /// `capa eof`: takes a snapshot whose length is not known beforehand.
    pub eof: bool,
    /// `capa psync2`: takes `+CONTINUE <new replid>`.
    pub psync2: bool,
    /// `rdb-only 1`: wants a snapshot and no stream.
    pub rdb_only: bool,
    /// `rdb-filter-only`: wants a snapshot without keys; with the functions, if it names them.
    pub filter: Option<bool>,
    /// Whose snapshots it reads: replicas of Valkey tell their `version`, and of Redis none.
    pub dialect: Dialect,
}

/// How a REPLCONF is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `+OK`.
    Ok,
    /// Not at all, as ACK and GETACK are.
    Silence,
}

impl Hello {
    /// Takes in `REPLCONF option value ...`; `args[0]` is the command's name.
    ///
    /// # Errors
    /// The error reply, in Redis's words; options before the bad one stay taken, as in Redis.
    pub fn replconf(&mut self, args: &[&[u8]]) -> Result<Answer, String> {
        let options = args.get(1..).unwrap_or_default();
        if !options.len().is_multiple_of(2) {
            return Err("ERR syntax error".into());
        }
        for option in options.chunks_exact(2) {
            let (name, value) = (option[0].to_ascii_lowercase(), option[1]);
            match &name[..] {
                b"listening-port" => self.port = integer(value)?,
                b"ip-address" if value.len() > LONGEST_ADDRESS => {
                    return Err(format!(
                        "ERR REPLCONF ip-address provided by replica instance is too long: {} bytes",
                        value.len()
                    ));
                }
                b"ip-address" => self.ip = address(value),
                b"capa" if value.eq_ignore_ascii_case(b"eof") => self.eof = true,
                b"capa" if value.eq_ignore_ascii_case(b"psync2") => self.psync2 = true,
                // A capability we do not know is no matter.
                b"capa" => {}
                b"rdb-only" => match integer(value)? {
                    0u8 => self.rdb_only = false,
                    1 => self.rdb_only = true,
                    _ => return Err("ERR value is out of range, value must between 0 and 1".into()),
                },
                b"rdb-filter-only" => {
                    let Some(parts) = words(value) else {
                        return Err("ERR Missing rdb-filter-only values".into());
                    };
                    self.filter = Some(false);
                    for part in parts {
                        if !part.eq_ignore_ascii_case(b"functions") {
                            let part = String::from_utf8_lossy(&part);
                            return Err(format!("ERR Unsupported rdb-filter-only option: {part}"));
                        }
                        self.filter = Some(true);
                    }
                }
                b"version" => {
                    let Some(major) = major(value) else {
                        let value = String::from_utf8_lossy(value);
                        return Err(format!("ERR Unrecognized version format: {value}"));
                    };
                    self.dialect = match major {
                        FIRST_APART.. => Dialect::Valkey,
                        _ => Dialect::Redis,
                    };
                }
                b"ack" | b"getack" => return Ok(Answer::Silence),
                _ => {
                    let name = String::from_utf8_lossy(option[0]);
                    return Err(format!("ERR Unrecognized REPLCONF option: {name}"));
                }
            }
        }
        Ok(Answer::Ok)
    }
}

/// The first version of Valkey whose snapshots are its own.
const FIRST_APART: u8 = 9;

/// The first number of a version such as 9.1.0.
fn major(version: &[u8]) -> Option<u8> {
    let mut numbers = version.split(|&b| b == b'.').map(integer::<u8>);
    let major = numbers.next()?.ok();
    let rest = [numbers.next()?, numbers.next()?];
    major.filter(|_| rest.iter().all(Result::is_ok) && numbers.next().is_none())
}

fn integer<T: std::str::FromStr>(text: &[u8]) -> Result<T, String> {
    let parsed = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| "ERR value is not an integer or out of range".into())
}

/// An announced address goes into INFO and ROLE as it is: a line break in it would forge fields.
fn address(value: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(value).ok()?;
    let plain = !text.is_empty() && !text.contains(|c: char| c.is_control() || c == ',');
    plain.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(hello: &mut Hello, line: &str) -> Result<Answer, String> {
        let args: Vec<_> = line.split(' ').map(str::as_bytes).collect();
        hello.replconf(&args)
    }

    #[test]
    fn a_replica_introduces_itself() {
        let mut hello = Hello::default();
        assert_eq!(
            hear(&mut hello, "REPLCONF listening-port 6380"),
            Ok(Answer::Ok)
        );
        assert_eq!(
            hear(&mut hello, "replconf IP-address 10.0.0.1"),
            Ok(Answer::Ok)
        );
        assert_eq!(
            hear(&mut hello, "REPLCONF capa eof capa psync2 capa tea"),
            Ok(Answer::Ok)
        );
        assert_eq!(hear(&mut hello, "REPLCONF rdb-only 1"), Ok(Answer::Ok));
        let said = Hello {
            port: 6380,
            ip: Some("10.0.0.1".into()),
            eof: true,
            psync2: true,
            rdb_only: true,
            filter: None,
            dialect: Dialect::Redis,
        };
        assert_eq!(hello, said);
        assert_eq!(hear(&mut hello, "REPLCONF ACK 7"), Ok(Answer::Silence));
        assert_eq!(hello, said);
    }

    #[test]
    fn replicas_of_valkey_read_its_snapshots_from_version_9_on() {
        let mut hello = Hello::default();
        for (version, dialect) in [
            ("8.1.1", Dialect::Redis),
            ("9.0.0", Dialect::Valkey),
            ("10.255.3", Dialect::Valkey),
            ("7.2.4", Dialect::Redis),
        ] {
            let line = format!("REPLCONF version {version}");
            assert_eq!(hear(&mut hello, &line), Ok(Answer::Ok));
            assert_eq!(hello.dialect, dialect, "{version}");
        }
        for version in ["", "9", "9.1", "9.1.2.3", "9.1.x", "256.0.0", "-9.0.0"] {
            let line = format!("REPLCONF version {version}");
            let error = format!("ERR Unrecognized version format: {version}");
            assert_eq!(hear(&mut hello, &line), Err(error));
            assert_eq!(hello.dialect, Dialect::Redis);
        }
    }

    #[test]
    fn nonsense_is_refused_in_rediss_words() {
        let mut hello = Hello::default();
        let long = format!("REPLCONF ip-address {}", "x".repeat(300));
        for (line, error) in [
            ("REPLCONF capa", "ERR syntax error"),
            (
                "REPLCONF listening-port x",
                "ERR value is not an integer or out of range",
            ),
            (
                "REPLCONF listening-port 70000",
                "ERR value is not an integer or out of range",
            ),
            (
                "REPLCONF rdb-only 2",
                "ERR value is out of range, value must between 0 and 1",
            ),
            ("REPLCONF tea now", "ERR Unrecognized REPLCONF option: tea"),
            (
                &long,
                "ERR REPLCONF ip-address provided by replica instance is too long: 300 bytes",
            ),
        ] {
            assert_eq!(hear(&mut hello, line), Err(error.into()), "{line}");
        }
        let forged: [&[u8]; 3] = [b"REPLCONF", b"ip-address", b"1.1.1.1\r\nrole:master"];
        assert_eq!(hello.replconf(&forged), Ok(Answer::Ok));
        assert_eq!(hello, Hello::default());
    }
}
