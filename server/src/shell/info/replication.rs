//! INFO replication.

use super::super::replication::{LinkInfo, ReplicationInfo};
use super::super::server::Server;
use super::Lines;
use crate::gate::View;
use damselfly_core::LinkStatus;

pub(super) fn section(server: &Server, view: &View, lines: &mut Lines<'_>) {
    let settings = server.config.settings();
    let info = match server.replication() {
        Some(replication) => replication.info(),
        None => ReplicationInfo::default(),
    };
    let status = &view.status;
    let offset = server.log.offset();
    lines.title("Replication");
    match &status.master {
        None => lines.add("role", "master"),
        Some((host, link)) => {
            let details = info.link.clone().unwrap_or(LinkInfo {
                last_io_seconds: -1,
                down_since_seconds: -1,
                ..LinkInfo::default()
            });
            let up = *link == LinkStatus::Streaming;
            lines.add("role", "slave");
            lines.add("master_host", host.name());
            lines.add("master_port", host.port());
            lines.add("master_link_status", if up { "up" } else { "down" });
            lines.add(
                "master_last_io_seconds_ago",
                if up { details.last_io_seconds } else { -1 },
            );
            lines.add(
                "master_sync_in_progress",
                u8::from(details.sync_in_progress),
            );
            // Nobody is to be chosen for a place that its data have diverged from.
            let held = if status.diverged { 0 } else { offset };
            let waiting = if up { details.waiting_bytes } else { 0 };
            lines.add("slave_read_repl_offset", held + waiting);
            lines.add("slave_repl_offset", held);
            if details.sync_in_progress {
                let (total, read) = (details.sync_total_bytes, details.sync_read_bytes);
                let percent = 100.0 * read as f64 / total.max(1) as f64;
                lines.add("master_sync_total_bytes", total);
                lines.add("master_sync_read_bytes", read);
                lines.add("master_sync_left_bytes", total.saturating_sub(read));
                lines.add("master_sync_perc", format!("{percent:.2}"));
                lines.add("master_sync_last_io_seconds_ago", details.last_io_seconds);
            }
            if !up {
                lines.add("master_link_down_since_seconds", details.down_since_seconds);
                if !details.last_error.is_empty() {
                    let error = details.last_error.replace(['\r', '\n'], " ");
                    lines.add("master_link_last_error", error);
                }
            }
            lines.add("slave_priority", settings.replica_priority);
            lines.add("slave_read_only", u8::from(settings.replica_read_only));
            lines.add("replica_announced", u8::from(settings.replica_announced));
        }
    }
    lines.add("connected_slaves", info.replicas.len());
    if settings.min_replicas_to_write > 0 && !settings.min_replicas_max_lag.is_zero() {
        let good = server.replication().map_or(0, |r| r.good_replicas());
        lines.add("min_slaves_good_slaves", good);
    }
    for (i, replica) in info.replicas.iter().enumerate() {
        let (ip, port, state) = (&replica.ip, replica.port, replica.state);
        let (offset, lag) = (replica.offset.unwrap_or(0), replica.lag);
        lines.add(
            &format!("slave{i}"),
            format!("ip={ip},port={port},state={state},offset={offset},lag={lag}"),
        );
    }
    let failover = match info.failover_state {
        "" => "no-failover",
        state => state,
    };
    lines.add("master_failover_state", failover);
    if let Some(pause) = info.last_pause {
        lines.add("master_failover_last_pause_ms", pause.as_millis());
    }
    lines.add("master_replid", status.history.at.replid);
    match &status.history.second {
        Some(second) => {
            lines.add("master_replid2", second.replid);
            lines.add("master_repl_offset", offset);
            lines.add("second_repl_offset", second.until);
        }
        None => {
            lines.add("master_replid2", "0".repeat(40));
            lines.add("master_repl_offset", offset);
            lines.add("second_repl_offset", -1);
        }
    }
    let backlog = server.log.backlog();
    lines.add("repl_backlog_active", u8::from(backlog.active));
    lines.add("repl_backlog_size", backlog.size);
    lines.add("repl_backlog_first_byte_offset", backlog.first_byte_offset);
    lines.add("repl_backlog_histlen", backlog.histlen);
    if !info.last_error.is_empty() {
        lines.add(
            "replicaof_last_error",
            info.last_error.replace(['\r', '\n'], " "),
        );
    }
}
