//! The numbers of the format: opcodes, types and length codes.

use std::fmt;

/// The newest version of Redis that is read. 7.0 writes 10, 7.2 writes 11, 7.4 to 8.4 write 12, 8.6 writes 13.
pub const NEWEST_READ: u32 = 13;

/// The version of Valkey that is read, and written for its replicas: that of 9.0 and 9.1. Before, Valkey wrote 11, as Redis.
pub const VALKEY: u32 = 80;

/// The version that is written: what Redis 7.0 reads and writes.
pub const WRITTEN: u32 = 10;

/// The version that is written where fields of hashes have times, which Redis before 7.4 does not know (ADR 0010).
pub const WRITTEN_WITH_FIELD_TIMES: u32 = 12;

/// From this version on a checksum follows the end of the file.
pub const FIRST_WITH_CHECKSUM: u32 = 5;

/// Whose numbers they are. From version 12 on Redis and Valkey count apart, and mean different things by the same types.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dialect {
    /// Redis's, and what both have in common.
    #[default]
    Redis,
    /// Valkey's, from 9.0 on.
    Valkey,
}

impl Dialect {
    /// The dialect of a version, if it is one that is read.
    pub fn of(version: u32) -> Option<Dialect> {
        match version {
            1..=NEWEST_READ => Some(Dialect::Redis),
            VALKEY => Some(Dialect::Valkey),
            _ => None,
        }
    }

    /// How a file of this dialect begins: four digits of version follow, or three.
    pub fn magic(self) -> &'static [u8] {
        match self {
            Dialect::Redis => b"REDIS",
            Dialect::Valkey => b"VALKEY",
        }
    }
}

/// Bytes that stand where a type could stand, and say something else.
pub mod op {
    /// Metadata that modules keep with the next key (Redis 8.6), or the state of a slot's import (Valkey 9.0).
    pub const FOREIGN: u8 = 243;
    /// Three lengths about a cluster slot (7.4 and later): a hint, skipped.
    pub const SLOT_INFO: u8 = 244;
    /// The source of a function library.
    pub const FUNCTION2: u8 = 245;
    /// A function library as release candidates of 7.0 wrote it.
    pub const FUNCTION_PRE_GA: u8 = 246;
    /// Data of a module that belongs to no key.
    pub const MODULE_AUX: u8 = 247;
    /// The idle time of the next key, a length in seconds.
    pub const IDLE: u8 = 248;
    /// The access frequency of the next key, one byte.
    pub const FREQ: u8 = 249;
    /// A named fact about the file: two strings.
    pub const AUX: u8 = 250;
    /// How many keys, and how many keys that expire, the database has: two lengths.
    pub const RESIZEDB: u8 = 251;
    /// When the next key expires: 8 bytes, milliseconds since 1970.
    pub const EXPIRETIME_MS: u8 = 252;
    /// When the next key expires: 4 bytes, seconds since 1970.
    pub const EXPIRETIME: u8 = 253;
    /// The database of the keys that follow, a length.
    pub const SELECTDB: u8 = 254;
    /// The end; a checksum of 8 bytes follows.
    pub const EOF: u8 = 255;
}

/// How a length begins: the two highest bits of its first byte.
pub mod len {
    /// Six bits of length, in this byte.
    pub const BITS6: u8 = 0;
    /// Fourteen bits: six in this byte, eight in the next.
    pub const BITS14: u8 = 1;
    /// Not a length: a string in one of the encodings below.
    pub const ENCODED: u8 = 3;
    /// The whole first byte of a length of four bytes, big endian.
    pub const BITS32: u8 = 0x80;
    /// The whole first byte of a length of eight bytes, big endian.
    pub const BITS64: u8 = 0x81;
    /// A string: one byte, a signed integer.
    pub const INT8: u8 = 0;
    /// A string: two bytes, little endian, a signed integer.
    pub const INT16: u8 = 1;
    /// A string: four bytes, little endian, a signed integer.
    pub const INT32: u8 = 2;
    /// A string compressed by LZF: two lengths (compressed, plain), then the compressed bytes.
    pub const LZF: u8 = 3;
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $byte:literal, $text:literal;)*) => {
        /// The type byte of a key: what it holds and how that is laid out.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u16)]
        pub enum Kind { $($(#[doc = $doc])* $name = $byte,)* }

        impl Kind {
            fn from_number(number: u16) -> Option<Kind> {
                match number { $($byte => Some(Kind::$name),)* _ => None }
            }

            /// The type in words, for messages.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$name => $text,)* }
            }
        }
    };
}

impl Kind {
    /// The type that a byte stands for in a dialect, if any does.
    pub fn from_byte(byte: u8, dialect: Dialect) -> Option<Kind> {
        let number = u16::from(byte);
        Kind::from_number(match dialect {
            Dialect::Valkey if byte >= FIRST_APART => VALKEYS | number,
            _ => number,
        })
    }

    /// The byte that stands for the type.
    pub fn byte(self) -> u8 {
        self as u16 as u8
    }
}

/// From here on types are Redis's or Valkey's.
const FIRST_APART: u8 = 22;

/// Beside their byte, the number of those that are Valkey's.
const VALKEYS: u16 = 0x100;

kinds! {
    /// A string.
    String = 0, "string";
    /// A count, then that many strings.
    List = 1, "list";
    /// A count, then that many strings.
    Set = 2, "set";
    /// A count, then members with scores in ASCII.
    Zset = 3, "sorted set";
    /// A count, then fields and values.
    Hash = 4, "hash";
    /// A count, then members with scores as eight bytes, little endian.
    Zset2 = 5, "sorted set (binary scores)";
    /// A module's value as release candidates of 4.0 wrote it.
    ModulePreGa = 6, "module value (pre-release)";
    /// A module's value.
    Module2 = 7, "module value";
    /// A hash in a string: a zipmap.
    HashZipmap = 9, "hash (zipmap)";
    /// A list in a string: a ziplist.
    ListZiplist = 10, "list (ziplist)";
    /// A set in a string: an intset.
    SetIntset = 11, "set (intset)";
    /// A sorted set in a string: a ziplist.
    ZsetZiplist = 12, "sorted set (ziplist)";
    /// A hash in a string: a ziplist.
    HashZiplist = 13, "hash (ziplist)";
    /// A count, then that many ziplists, each in a string.
    ListQuicklist = 14, "list (quicklist)";
    /// A stream (5.0).
    Stream = 15, "stream";
    /// A hash in a string: a listpack.
    HashListpack = 16, "hash (listpack)";
    /// A sorted set in a string: a listpack.
    ZsetListpack = 17, "sorted set (listpack)";
    /// A count, then that many nodes: a container code, and a string that is an element or a listpack.
    ListQuicklist2 = 18, "list (quicklist 2)";
    /// A stream (7.0).
    Stream2 = 19, "stream (version 2)";
    /// A set in a string: a listpack.
    SetListpack = 20, "set (listpack)";
    /// A stream (7.2).
    Stream3 = 21, "stream (version 3)";
    /// A hash whose fields expire, as release candidates of 7.4 wrote it.
    HashMetadataPreGa = 22, "hash with field expiry (pre-release)";
    /// A compact hash whose fields expire, as release candidates of 7.4 wrote it.
    HashListpackExPreGa = 23, "hash with field expiry (listpack, pre-release)";
    /// A hash whose fields expire.
    HashMetadata = 24, "hash with field expiry";
    /// A compact hash whose fields expire.
    HashListpackEx = 25, "hash with field expiry (listpack)";
    /// A stream (Redis 8.6).
    Stream4 = 26, "stream (version 4)";
    /// A hash whose fields expire: a count, then fields, values and times of eight bytes, little endian (Valkey 9.0).
    HashValkey = 0x116, "hash with field expiry (Valkey)";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The container codes of a [`Kind::ListQuicklist2`] node.
pub mod node {
    /// The string is one element.
    pub const PLAIN: u64 = 1;
    /// The string is a listpack of elements.
    pub const PACKED: u64 = 2;
}

/// The name hidden in a module's id: nine characters of six bits, above ten bits of version.
pub fn module_name(id: u64) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9)
        .map(|place| ALPHABET[(id >> (10 + 6 * (8 - place)) & 63) as usize] as char)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_bytes_agree() {
        for dialect in [Dialect::Redis, Dialect::Valkey] {
            for byte in 0..=255 {
                if let Some(kind) = Kind::from_byte(byte, dialect) {
                    assert_eq!(kind.byte(), byte);
                    assert!(byte < op::FOREIGN, "{kind} stands where an opcode stands");
                }
            }
            assert_eq!(Kind::from_byte(8, dialect), None);
        }
        let of = |byte, dialect| Kind::from_byte(byte, dialect);
        assert_eq!(of(22, Dialect::Redis), Some(Kind::HashMetadataPreGa));
        assert_eq!(of(22, Dialect::Valkey), Some(Kind::HashValkey));
        assert_eq!(of(25, Dialect::Valkey), None);
    }

    #[test]
    fn a_module_id_tells_its_name() {
        // The id is the name's nine characters, six bits each, and ten bits of version.
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let id = b"ReJSON-RL".iter().fold(0u64, |id, c| {
            id << 6 | alphabet.iter().position(|a| a == c).unwrap_or(0) as u64
        });
        assert_eq!(module_name(id << 10 | 3), "ReJSON-RL");
    }
}
