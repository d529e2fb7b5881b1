//! What is done again and again, whether a client asks or not.

use super::client::Client;
use super::server::{Server, now_ms};
use crate::sys::{task, time::Instant};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How long a save that failed is not tried again.
const RETRY_SAVE: Duration = Duration::from_secs(5);

/// Runs for ever.
pub(super) async fn run(server: Arc<Server>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut before, mut traffic) = (server.totals(), [0; 2]);
    let mut save = Save::default();
    loop {
        tick.tick().await;
        if server.cron_paused.load(Relaxed) {
            continue;
        }
        let now = server.totals();
        let rates = &server.rates;
        rates
            .commands
            .store(now.commands.saturating_sub(before.commands), Relaxed);
        rates
            .bytes_in
            .store(now.bytes_in.saturating_sub(before.bytes_in), Relaxed);
        rates
            .bytes_out
            .store(now.bytes_out.saturating_sub(before.bytes_out), Relaxed);
        before = now;
        let replication = server.replication().map(|r| r.info());
        let moved = replication.map_or(traffic, |info| info.traffic);
        for ((rate, now), before) in rates.replication.iter().zip(moved).zip(traffic) {
            rate.store(now.saturating_sub(before), Relaxed);
        }
        traffic = moved;
        rates
            .peak_memory
            .fetch_max(super::info::Memory::now().used, Relaxed);
        see_to_clients(&server);
        server.migrations.tidy();
        let seen = server.in_gate(|view| (view.fence.replica, view.fence.whole));
        let (replica, whole) = seen.await;
        server.oom.follow(&server.config.settings(), replica);
        save.see_to(&server, whole).await;
    }
}

/// Closes clients that have been idle, or over their soft output limit, for too long.
fn see_to_clients(server: &Server) {
    let settings = server.config.settings();
    let timeout = settings.timeout;
    server.clients.weigh_all();
    server.tracking.limit(server, settings.tracking_max_keys);
    let mut largest = [0; 2];
    for client in server.clients.all() {
        let output = client.mail_len() + client.output.load(Relaxed);
        largest = [
            largest[0].max(client.input.load(Relaxed)),
            largest[1].max(output),
        ];
        let limit = &settings.buffer_limits[client.class()];
        if client.over_limit(limit) {
            client.close_over(output);
        }
        if !timeout.is_zero() && client.may_time_out() && client.idle() > timeout {
            tracing::debug!("client {} at {} closed: idle", client.id, client.addr);
            client.kill();
        }
    }
    let mut seconds = server.rates.largest_buffers.lock();
    seconds.rotate_right(1);
    seconds[0] = largest;
}

impl Client {
    /// Closes it, for which `waiting` bytes wait, more than may.
    #[cold]
    pub(super) fn close_over(&self, waiting: usize) {
        let (id, addr) = (self.id, &self.addr);
        tracing::warn!(
            "client {id} at {addr} closed: {waiting} bytes wait for it, over its output limit"
        );
        self.kill();
    }
}

/// Saves that save points ask for.
#[derive(Default)]
struct Save {
    running: Option<task::JoinHandle<bool>>,
    failed: Option<Instant>,
}

impl Save {
    /// Begins a save if one is due, none is running, the last one did not just fail, and the dataset is `whole`: what a load
    /// has dropped, and not brought yet, is nothing to save, and no failure.
    async fn see_to(&mut self, server: &Arc<Server>, whole: bool) {
        if self
            .running
            .as_ref()
            .is_some_and(|save| !save.is_finished())
        {
            return;
        }
        if let Some(save) = self.running.take() {
            let saved = save.await.unwrap_or(false);
            let failed = !saved && !server.saves.ok.load(Relaxed);
            self.failed = failed.then(Instant::now);
        }
        if whole && is_save_due(server) && self.failed.is_none_or(|at| at.elapsed() > RETRY_SAVE) {
            let server = Arc::clone(server);
            let save = async move { server.save(true).await.is_ok() };
            self.running = Some(task::spawn(save));
        }
    }
}

/// True when a save point is reached: so many changes, so long ago; or when all keys were removed, which as in Redis the
/// snapshot file is not to bring back.
fn is_save_due(server: &Server) -> bool {
    let settings = server.config.settings();
    if settings.save.is_empty() || server.snapshots().is_none_or(|s| s.saving()) {
        return false;
    }
    if server.saves.emptied.load(Relaxed) {
        return true;
    }
    let changes = server.unsaved_changes();
    let since = u64::try_from(now_ms() / 1000 - server.saves.last.load(Relaxed)).unwrap_or(0);
    let mut points = settings.save.iter();
    points.any(|(seconds, least)| changes > 0 && changes >= *least && since >= *seconds)
}
