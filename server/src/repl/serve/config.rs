//! The parameters of the master's side.

use crate::config::Settings;
use crate::log::Limits;
use crate::rdb::format::Dialect;
use std::path::PathBuf;
use std::time::Duration;

/// The parameters of the master's side.
#[derive(Clone, Debug)]
pub struct MasterConfig {
    /// `repl-diskless-sync`: without it snapshots go by way of a file.
    pub diskless_sync: bool,
    /// `repl-diskless-sync-delay`: how long a snapshot waits for more replicas.
    pub diskless_sync_delay: Duration,
    /// `repl-diskless-sync-max-replicas`: with so many waiting it begins at once; 0 is no number.
    pub diskless_sync_max_replicas: usize,
    /// `repl-ping-replica-period`.
    pub ping_period: Duration,
    /// `repl-timeout`: a replica silent for so long is dropped.
    pub timeout: Duration,
    /// `repl-backlog-ttl`: the backlog is freed after so long without replicas; zero means never.
    pub backlog_ttl: Duration,
    /// `repl-backlog-size` and the hard limit of `client-output-buffer-limit replica`.
    pub limits: Limits,
    /// The soft limit: bytes (0: none), and for how long they may be exceeded.
    pub soft_limit: (u64, Duration),
    /// `rdbcompression`.
    pub rdb_compression: bool,
    /// `rdbchecksum`.
    pub rdb_checksum: bool,
    /// `rdb-field-times`.
    pub field_times: Dialect,
    /// `rdb-key-save-delay`.
    pub key_save_delay: i32,
    /// `dir`: where temporary files are made.
    pub dir: PathBuf,
}

impl Default for MasterConfig {
    fn default() -> Self {
        MasterConfig {
            diskless_sync: true,
            diskless_sync_delay: Duration::from_secs(5),
            diskless_sync_max_replicas: 0,
            ping_period: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            backlog_ttl: Duration::from_secs(3600),
            limits: Limits::default(),
            soft_limit: (64 << 20, Duration::from_secs(60)),
            rdb_compression: true,
            rdb_checksum: true,
            field_times: Dialect::Redis,
            key_save_delay: 0,
            dir: PathBuf::from("."),
        }
    }
}

impl From<&Settings> for MasterConfig {
    fn from(settings: &Settings) -> Self {
        let [_, replica, _] = settings.buffer_limits;
        MasterConfig {
            diskless_sync: settings.diskless_sync,
            diskless_sync_delay: settings.diskless_sync_delay,
            diskless_sync_max_replicas: settings.diskless_sync_max_replicas,
            ping_period: settings.repl_ping_period,
            timeout: settings.repl_timeout,
            backlog_ttl: settings.backlog_ttl,
            limits: Limits {
                backlog: settings.backlog_size,
                hard: replica.hard,
            },
            soft_limit: (replica.soft, replica.soft_for),
            rdb_compression: settings.rdb_compression,
            rdb_checksum: settings.rdb_checksum,
            field_times: settings.rdb_field_times,
            key_save_delay: settings.key_save_delay,
            dir: settings.dir.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_defaults_are_those_of_the_configuration() {
        let configured = MasterConfig::from(&**Config::default().settings());
        let ours = MasterConfig {
            dir: configured.dir.clone(),
            ..MasterConfig::default()
        };
        assert_eq!(format!("{configured:?}"), format!("{ours:?}"));
    }
}
