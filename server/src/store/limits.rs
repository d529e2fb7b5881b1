//! What of the configuration decides how values are kept.

use super::clock::Accesses;

/// The sizes up to which collections stay in their compact forms, by Redis's configuration names, and what entries note
/// of accesses.
///
/// Passed by the caller at every growth, so that `CONFIG SET` acts on the next write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `hash-max-listpack-entries`: fields of a compact hash.
    pub hash_max_listpack_entries: usize,
    /// `hash-max-listpack-value`: bytes of a compact hash's field or value.
    pub hash_max_listpack_value: usize,
    /// `set-max-intset-entries`: members of a set of integers kept as a sorted array.
    pub set_max_intset_entries: usize,
    /// `zset-max-listpack-entries`: members of a compact sorted set.
    pub zset_max_listpack_entries: usize,
    /// `zset-max-listpack-value`: bytes of a compact sorted set's member.
    pub zset_max_listpack_value: usize,
    /// `list-max-listpack-size`: elements of a list's node when positive; -1 to -5 mean 4 to 64 KiB.
    pub list_max_listpack_size: i32,
    /// `stream-node-max-bytes`: bytes of a stream's node; 0: as many as may be.
    pub stream_node_max_bytes: usize,
    /// `stream-node-max-entries`: entries of a stream's node; 0: no limit.
    pub stream_node_max_entries: i64,
    /// `hll-sparse-max-bytes`: bytes of a sparse HyperLogLog.
    pub hll_sparse_max_bytes: usize,
    /// `proto-max-bulk-len`: bytes up to which clients may have a string grow.
    pub string_max: u64,
    /// `rdb-field-times`: dumps of hashes with times are for Valkey, not for Redis.
    pub valkey_dumps: bool,
    /// By `maxmemory-policy`.
    pub accesses: Accesses,
    /// Small integers count as shared, as Redis shares them unless it notes accesses of each to evict by.
    pub shares_integers: bool,
}

impl Default for Limits {
    /// The defaults of Redis 7.0.
    fn default() -> Self {
        Limits {
            hash_max_listpack_entries: 128,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            list_max_listpack_size: -2,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            hll_sparse_max_bytes: 3000,
            string_max: 512 << 20,
            valkey_dumps: false,
            accesses: Accesses::Recency,
            shares_integers: true,
        }
    }
}
