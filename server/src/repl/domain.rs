//! What the core's opaque things are in the server.

use damselfly_core::Domain;
use std::fmt;
use std::str::FromStr;

/// The server's [`Domain`]: names and 64-bit numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wire;

impl Domain for Wire {
    type Host = Host;
    type RunId = Id;
    type ReplId = Id;
    type Offset = u64;
    type Ticket = u64;
    type Generation = u64;

    fn next_ticket(ticket: u64) -> u64 {
        ticket + 1
    }

    fn next_generation(generation: u64) -> u64 {
        generation + 1
    }

    fn next_offset(offset: u64) -> u64 {
        offset.saturating_add(1)
    }
}

/// What the core publishes, in the server's terms.
pub type Status = damselfly_core::Status<Wire>;

/// Which history a dataset is at, in the server's terms.
pub type History = damselfly_core::History<Wire>;

/// Text that spells no host or id; only traces are read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host or an id")]
pub struct Unreadable;

/// A replication id or a run id: 40 hexadecimal digits on the wire, kept in small letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id([u8; 40]);

impl Id {
    /// A random one.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut noise = [0; 20];
        crate::sys::random::fill(&mut noise)?;
        let mut digits = [0; 40];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(noise) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        Ok(Id(digits))
    }

    /// The id that `text` spells: exactly 40 hexadecimal digits, of which Redis does not look at the case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut digits: [u8; 40] = text.try_into().ok()?;
        digits.make_ascii_lowercase();
        digits
            .iter()
            .all(u8::is_ascii_hexdigit)
            .then_some(Id(digits))
    }

    /// The 40 digits.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Id {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        Id::parse(text.as_bytes()).ok_or(Unreadable)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A master as the operator typed it: a name or an address, and a port.
///
/// Held in place, so that it can be copied; the longest DNS name has 253 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Host {
    len: u8,
    port: u16,
    name: [u8; 255],
}

impl Host {
    /// The host `name:port`. None if the name is empty or longer than 255 bytes.
    pub fn new(name: &str, port: u16) -> Option<Self> {
        let len = u8::try_from(name.len()).ok().filter(|&len| len > 0)?;
        let mut bytes = [0; 255];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Some(Host {
            len,
            port,
            name: bytes,
        })
    }

    /// The name or address as typed.
    pub fn name(&self) -> &str {
        // It was made of a str.
        std::str::from_utf8(&self.name[..usize::from(self.len)]).unwrap_or_default()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name(), self.port)
    }
}

impl FromStr for Host {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let (name, port) = text.rsplit_once(':').ok_or(Unreadable)?;
        Host::new(name, port.parse().map_err(|_| Unreadable)?).ok_or(Unreadable)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_forty_digits() {
        let (a, b) = (Id::random().unwrap(), Id::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(Id::parse(a.as_str().as_bytes()), Some(a));
        assert_eq!(a.to_string().parse(), Ok(a));
        for bad in ["", "?", "0123", &"g".repeat(40), &"a".repeat(41)] {
            assert_eq!(Id::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn hosts_keep_what_was_typed() {
        let host = Host::new("redis.example", 6379).unwrap();
        assert_eq!((host.name(), host.port()), ("redis.example", 6379));
        assert_eq!(host.to_string(), "redis.example:6379");
        for name in ["redis.example", "::1"] {
            let host = Host::new(name, 6379).unwrap();
            assert_eq!(host.to_string().parse(), Ok(host));
        }
        assert_ne!(host, Host::new("redis.example.", 6379).unwrap());
        assert_eq!(Host::new("", 1), None);
        assert!(Host::new(&"x".repeat(255), 1).is_some());
        assert_eq!(Host::new(&"x".repeat(256), 1), None);
    }
}
