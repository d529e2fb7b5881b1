//! What befalls nodes and network.

use super::cluster::Cluster;
use super::people::Town;
use damselfly_server::sys::simulated::{HostId, Outage, Path};
use damselfly_server::sys::task;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::sleep;

/// Goes on until the town goes home; what it did is undone by [`clear`].
pub async fn storm(town: Arc<Town>) {
    let cluster = Arc::clone(&town.cluster);
    let world = Arc::clone(&cluster.world);
    let millis =
        |least, most| world.time_between(Duration::from_millis(least), Duration::from_millis(most));
    // Some worlds are calmer than others.
    let pace = 400 + world.below(4000);
    while !town.over.load(Relaxed) {
        sleep(millis(50, pace)).await;
        let (a, b) = {
            let a = cluster.any();
            (a, cluster.other_than(a))
        };
        match world.below(20) {
            0..=3 => {
                let time = millis(50, 9000);
                world.tell(&format!(
                    "nothing passes between n{a} and n{b} for {time:?}"
                ));
                befall(&cluster, &[(a, b), (b, a)], time, |path| path.held = true);
            }
            4..=6 => {
                let time = millis(50, 9000);
                world.tell(&format!("nothing passes from n{a} to n{b} for {time:?}"));
                befall(&cluster, &[(a, b)], time, |path| path.held = true);
            }
            7..=9 => {
                world.tell(&format!("the connections between n{a} and n{b} break"));
                world.reset(a, b);
            }
            10 => {
                let time = millis(50, 3000);
                world.tell(&format!(
                    "no connection can be made from n{a} to n{b} for {time:?}"
                ));
                befall(&cluster, &[(a, b)], time, |path| path.refused = true);
            }
            11..=13 => {
                let (slow, time) = (millis(20, 800), millis(500, 5000));
                world.tell(&format!(
                    "what goes from n{a} to n{b} takes up to {slow:?} for {time:?}"
                ));
                befall(&cluster, &[(a, b)], time, |path| path.slow = slow);
            }
            14..=15 => {
                let delay = millis(0, 300);
                world.tell(&format!(
                    "an access to the disk of n{a} takes up to {delay:?}"
                ));
                world.slow_disk(a, delay);
            }
            _ => crash(&cluster, a).await,
        }
    }
}

/// Changes some paths, and puts them back after `time`.
fn befall(
    cluster: &Arc<Cluster>,
    paths: &[(HostId, HostId)],
    time: Duration,
    change: impl Fn(&mut Path),
) {
    let world = Arc::clone(&cluster.world);
    for &(from, to) in paths {
        let mut path = world.path(from, to);
        change(&mut path);
        world.set_path(from, to, path);
        let world = Arc::clone(&world);
        task::spawn(async move {
            sleep(time).await;
            world.set_path(from, to, Path::default());
        });
    }
}

async fn crash(cluster: &Arc<Cluster>, host: HostId) {
    let world = &cluster.world;
    let silent = world.once_in(3);
    let outage = match world.below(5) {
        0..=1 => Outage::Nothing,
        2..=3 => Outage::Unsynced,
        _ => Outage::Everything,
    };
    world.tell(&format!(
        "n{host} crashes (silent: {silent}, its disk loses: {outage:?})"
    ));
    cluster.crash(host, silent, outage);
    let time = world.time_between(Duration::from_millis(50), Duration::from_secs(4));
    sleep(time).await;
    world.tell(&format!("n{host} starts"));
    cluster.start(host);
}

/// The end of all trouble.
pub fn clear(cluster: &Cluster) {
    let world = &cluster.world;
    for from in cluster.hosts() {
        world.slow_disk(from, Duration::ZERO);
        for to in cluster.hosts() {
            world.set_path(from, to, Path::default());
        }
        cluster.start(from);
    }
}
