//! `FAILOVER` and `REPLTAKEOVER`: what they take, and what goes on while a hand-over is under way.
//!
//! What happens is decided by the core; here it is found out whether a replica has everything, and the time is
//! kept.

use super::domain::{Host, Wire};
use super::driver::{Driver, Watch};
use super::greet::reach;
use super::peer::Said;
use super::serve::{Master, ReplicaInfo};
use damselfly_core::{Aim, Failover, Reply};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How often it is looked whether a hand-over still goes on.
const TICK: Duration = Duration::from_millis(20);

/// What `FAILOVER` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Abort,
    Begin(Request),
}

/// `FAILOVER` without `ABORT`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    to: Option<(String, i64)>,
    force: bool,
    /// How long it may take.
    pub time: Option<Duration>,
}

/// What `FAILOVER` with `args` asks for.
///
/// # Errors
/// The error reply, in Redis's words.
pub(super) fn parse(args: &[&[u8]]) -> Result<Order, &'static str> {
    let is = |arg: &[u8], word: &str| arg.eq_ignore_ascii_case(word.as_bytes());
    let mut rest = args.get(1..).unwrap_or_default();
    if let [abort] = rest
        && is(abort, "abort")
    {
        return Ok(Order::Abort);
    }
    let mut request = Request::default();
    loop {
        rest = match rest {
            [] => return Ok(Order::Begin(request)),
            [word, millis, rest @ ..] if is(word, "timeout") && request.time.is_none() => {
                let millis = integer(millis)?;
                let millis = u64::try_from(millis).ok().filter(|&n| n > 0);
                let millis = millis.ok_or("ERR FAILOVER timeout must be greater than 0")?;
                request.time = Some(Duration::from_millis(millis));
                rest
            }
            [word, host, port, rest @ ..] if is(word, "to") && request.to.is_none() => {
                let port = integer(port)?;
                request.to = Some((String::from_utf8_lossy(host).into_owned(), port));
                rest
            }
            [word, rest @ ..] if is(word, "force") && !request.force => {
                request.force = true;
                rest
            }
            _ => return Err("ERR syntax error"),
        }
    }
}

fn integer(text: &[u8]) -> Result<i64, &'static str> {
    let parsed = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok());
    parsed.ok_or("ERR value is not an integer or out of range")
}

impl Request {
    /// Whom it means, of these replicas.
    ///
    /// # Errors
    /// The error reply, in Redis's words.
    pub fn aim(&self, replicas: &[ReplicaInfo]) -> Result<Aim<Wire>, &'static str> {
        if replicas.is_empty() {
            return Err("ERR FAILOVER requires connected replicas.");
        }
        if self.force && (self.time.is_none() || self.to.is_none()) {
            return Err(
                "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
            );
        }
        let Some((name, port)) = &self.to else {
            return Ok(Aim::Any);
        };
        let meant = |r: &&ReplicaInfo| {
            r.ip.eq_ignore_ascii_case(name) && i64::from(r.port) == *port && r.port != 0
        };
        let replica = replicas.iter().find(meant);
        let target = replica.and_then(|r| Some((r, Host::new(&r.ip, r.port)?)));
        match target {
            None => Err("ERR FAILOVER target HOST and PORT is not a replica."),
            Some((replica, _)) if !replica.is_copy() => {
                Err("ERR FAILOVER target replica is not online.")
            }
            Some((_, host)) if self.force => Ok(Aim::Force(host)),
            Some((_, host)) => Ok(Aim::One(host)),
        }
    }
}

/// `FAILOVER` on a master: the reply. The caller is in no gate; what it returns with it is to be watched.
pub(super) fn begin(
    driver: &Arc<Driver>,
    master: &Master,
    request: &Request,
) -> Result<Watch, &'static str> {
    let mut all = driver.gates().all();
    let status = Arc::clone(&all.view().status);
    // In Redis's order: what only the core refuses comes first.
    let aim = match request.aim(&master.replicas()) {
        Err(why) if status.takes_writes() && !status.loading => return Err(why),
        Err(_) => Aim::Any,
        Ok(aim) => aim,
    };
    let watch = driver.fail_over(&mut all, aim).map_err(Reply::text)?;
    // From here on nothing is written but this question, so that only who is there now can have confirmed everything. A
    // replica of ours does so at once, others within their second.
    master.ask_anew(all.view());
    drop(all);
    driver.log().kick();
    match aim {
        Aim::Any => tracing::info!("FAILOVER requested to any replica."),
        Aim::One(host) => tracing::info!("FAILOVER requested to {host}."),
        Aim::Force(host) => tracing::info!("FAILOVER requested to {host}. By force if need be"),
    }
    Ok(watch)
}

/// Sees a hand-over through, until it is over or can take any time.
pub(super) async fn watch(
    driver: Arc<Driver>,
    master: Arc<Master>,
    watch: Watch,
    time: Option<Duration>,
) {
    let deadline = time.map(|time| Instant::now() + time);
    let mut waits = true;
    loop {
        if waits {
            waits = !hand_over(&driver, &master, watch);
        }
        // The next one has another watcher.
        if driver.hand_over() != Some(watch.ticket) {
            return;
        }
        if deadline.is_some_and(|at| at <= Instant::now()) {
            return driver.expired(watch.ticket);
        }
        let tick = Instant::now() + TICK;
        let until = deadline.map_or(tick, |at| at.min(tick));
        match waits {
            true => {
                // Either way it is looked again.
                let _ = timeout_at(until, master.acked()).await;
            }
            false => sleep(TICK).await,
        }
    }
}

/// Commits the hand-over if a replica it can mean has everything; true if it waits no more.
fn hand_over(driver: &Arc<Driver>, master: &Master, watch: Watch) -> bool {
    if heir(master, &watch.aim, driver.log().offset()).is_none() {
        return false;
    }
    let mut all = driver.gates().all();
    if all.view().status.failover != Failover::WaitingForSync {
        return true;
    }
    match heir(master, &watch.aim, driver.log().offset()) {
        None => false,
        Some(target) => {
            driver.caught_up(&mut all, watch.ticket, target);
            true
        }
    }
}

/// A replica that `aim` admits and that has confirmed everything up to `offset`.
fn heir(master: &Master, aim: &Aim<Wire>, offset: u64) -> Option<Host> {
    let replicas = master.replicas().into_iter();
    let mut whole = replicas.filter(|r| r.is_copy() && r.offset == Some(offset));
    whole
        .find_map(|r| Host::new(&r.ip, r.port).filter(|host| host.port() != 0 && aim.admits(*host)))
}

/// `REPLTAKEOVER seconds` on a replica: asks its master, over a connection of its own, to hand over to us, and waits
/// until it has. The reply, as text with its code.
///
/// # Errors
/// The error reply.
pub(super) async fn take_over(driver: Arc<Driver>, time: Duration) -> Result<(), String> {
    let Some((master, _)) = driver.status().master else {
        return Ok(());
    };
    let settings = Arc::clone(&driver.config().settings());
    let deadline = Instant::now() + time;
    let late = || format!("ERR master {master} did not hand over in time");
    let asked = async {
        let mut peer = reach(master, &settings)
            .await
            .map_err(|e| e.to_string())?
            .peer;
        // As our master knows us.
        let name = match &settings.announce_ip[..] {
            "" => {
                let local = peer.stream().local_addr().map_err(|e| e.to_string())?;
                local.ip().to_canonical().to_string()
            }
            name => name.into(),
        };
        let port = match settings.announce_port {
            0 => settings.port,
            port => port,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let millis = left.as_millis().max(1).to_string();
        let port = port.to_string();
        let words: [&[u8]; 6] = [
            b"FAILOVER",
            b"TO",
            name.as_bytes(),
            port.as_bytes(),
            b"TIMEOUT",
            millis.as_bytes(),
        ];
        peer.command(&words).await.map_err(|e| e.to_string())?;
        match peer.reply().await.map_err(|e| e.to_string())? {
            Said::Status(_) => Ok(()),
            Said::Error(said) => Err(format!("it answered {said}")),
            Said::Bulk(_) => Err("its answer is of the wrong kind".into()),
        }
    };
    match timeout_at(deadline, asked).await {
        Err(_) => return Err(late()),
        Ok(Err(why)) => return Err(format!("ERR master {master} does not hand over: {why}")),
        Ok(Ok(())) => {}
    }
    // The master's clock began after ours: what it still does in its time is to be seen.
    let deadline = deadline + Duration::from_secs(1);
    while Instant::now() < deadline {
        if driver.status().master.is_none() {
            return Ok(());
        }
        sleep(TICK / 4).await;
    }
    Err(late())
}

/// The time that `REPLTAKEOVER seconds` gives.
///
/// # Errors
/// The error reply.
pub(super) fn time_of(args: &[&[u8]]) -> Result<Duration, &'static str> {
    let [_, seconds] = args else {
        return Err("ERR syntax error");
    };
    let seconds = u64::try_from(integer(seconds)?).ok().filter(|&n| n > 0);
    // More than a year is no time to wait.
    let seconds = seconds.filter(|&n| n <= 366 * 86400);
    seconds
        .map(Duration::from_secs)
        .ok_or("ERR timeout is out of range")
}

#[cfg(test)]
mod tests {
    use super::super::serve::State;
    use super::*;

    fn parsed(line: &str) -> Result<Order, &'static str> {
        let words: Vec<_> = line.split(' ').map(str::as_bytes).collect();
        parse(&words)
    }

    fn request(to: Option<(&str, i64)>, force: bool, millis: u64) -> Result<Order, &'static str> {
        Ok(Order::Begin(Request {
            to: to.map(|(name, port)| (name.into(), port)),
            force,
            time: (millis > 0).then(|| Duration::from_millis(millis)),
        }))
    }

    #[test]
    fn what_failover_takes() {
        assert_eq!(parsed("FAILOVER abort"), Ok(Order::Abort));
        assert_eq!(parsed("FAILOVER"), request(None, false, 0));
        assert_eq!(
            parsed("FAILOVER timeout 5 TO h 7 force"),
            request(Some(("h", 7)), true, 5)
        );
        assert_eq!(parsed("FAILOVER force"), request(None, true, 0));
        for (line, error) in [
            ("FAILOVER abort force", "ERR syntax error"),
            ("FAILOVER to h", "ERR syntax error"),
            ("FAILOVER force force", "ERR syntax error"),
            ("FAILOVER timeout 1 timeout 2", "ERR syntax error"),
            (
                "FAILOVER timeout 0",
                "ERR FAILOVER timeout must be greater than 0",
            ),
            (
                "FAILOVER timeout -1",
                "ERR FAILOVER timeout must be greater than 0",
            ),
            (
                "FAILOVER timeout x",
                "ERR value is not an integer or out of range",
            ),
            (
                "FAILOVER to h x",
                "ERR value is not an integer or out of range",
            ),
        ] {
            assert_eq!(parsed(line), Err(error), "{line}");
        }
    }

    fn replica(ip: &str, port: u16, state: State) -> ReplicaInfo {
        ReplicaInfo {
            ip: ip.into(),
            port,
            state,
            is_partial: false,
            offset: Some(0),
            lag: 0,
        }
    }

    #[test]
    fn whom_failover_means() {
        let replicas = [
            replica("10.0.0.1", 1, State::Online),
            replica("10.0.0.1", 2, State::SendBulk),
            replica("10.0.0.2", 0, State::Online),
            ReplicaInfo {
                is_partial: true,
                ..replica("10.0.0.1", 3, State::Online)
            },
        ];
        let aim = |line: &str| match parsed(line) {
            Ok(Order::Begin(request)) => request.aim(&replicas),
            other => panic!("{other:?}"),
        };
        let host = Host::new("10.0.0.1", 1).unwrap();
        assert_eq!(aim("FAILOVER"), Ok(Aim::Any));
        assert_eq!(aim("FAILOVER TO 10.0.0.1 1"), Ok(Aim::One(host)));
        assert_eq!(
            aim("FAILOVER TO 10.0.0.1 1 FORCE TIMEOUT 9"),
            Ok(Aim::Force(host))
        );
        let stranger = "ERR FAILOVER target HOST and PORT is not a replica.";
        for line in [
            "FAILOVER TO 10.0.0.9 1",
            "FAILOVER TO 10.0.0.2 0",
            "FAILOVER TO 10.0.0.1 65537",
        ] {
            assert_eq!(aim(line), Err(stranger), "{line}");
        }
        for line in ["FAILOVER TO 10.0.0.1 2", "FAILOVER TO 10.0.0.1 3"] {
            let not_online = "ERR FAILOVER target replica is not online.";
            assert_eq!(aim(line), Err(not_online), "{line}");
        }
        let force =
            "ERR FAILOVER with force option requires both a timeout and target HOST and IP.";
        assert_eq!(aim("FAILOVER FORCE"), Err(force));
        assert_eq!(aim("FAILOVER FORCE TO 10.0.0.1 1"), Err(force));
        assert_eq!(aim("FAILOVER FORCE TIMEOUT 1"), Err(force));
        assert_eq!(
            Request::default().aim(&[]),
            Err("ERR FAILOVER requires connected replicas.")
        );
    }

    #[test]
    fn what_repltakeover_takes() {
        let time = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::as_bytes).collect();
            time_of(&words)
        };
        assert_eq!(time("REPLTAKEOVER 3"), Ok(Duration::from_secs(3)));
        for bad in ["0", "-1", "x", "99999999999", "1 SAVE"] {
            assert!(time(&format!("REPLTAKEOVER {bad}")).is_err(), "{bad}");
        }
    }
}
