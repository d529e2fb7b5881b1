//! Log lines in the form redis-server gives them: `pid:role date level message`.

use crate::config::Settings;
use crate::sys::time::since_epoch;
use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// Whether we are a replica, as the last line said.
static REPLICA: AtomicBool = AtomicBool::new(false);

/// Lines are of a replica from here on (`S`), or of a master (`M`).
pub fn role_is(replica: bool) {
    REPLICA.store(replica, Relaxed);
}

/// What changes the level while the process runs.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Sends log lines to the file `path`, or to the standard output if it is empty, and to the system's log if `settings` say
/// so, from the level on that they name. Once per process; later calls change nothing.
///
/// # Errors
/// The file cannot be opened.
pub fn log_to(path: &Path, settings: &Settings) -> io::Result<()> {
    let writer = if path.as_os_str().is_empty() {
        BoxMakeWriter::new(io::stdout)
    } else {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        BoxMakeWriter::new(Mutex::new(file))
    };
    let (filter, handle) = reload::Layer::new(level_of(&settings.loglevel));
    let lines = tracing_subscriber::fmt::layer()
        // It would tell of a line it cannot write on stderr, and panic where that is closed as well.
        .log_internal_errors(false)
        .event_format(Line::Own)
        .with_writer(writer);
    let system = settings
        .syslog
        .then(|| system(settings, Path::new("/dev/log")));
    let subscriber = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(system);
    if subscriber.try_init().is_ok() {
        let _ = LEVEL.set(handle);
    }
    Ok(())
}

/// What sends lines to the system's log, which hears at `socket`.
fn system<S>(settings: &Settings, socket: &Path) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = Line::System {
        ident: settings.syslog_ident.clone(),
        facility: facility(&settings.syslog_facility),
    };
    let socket = socket.to_path_buf();
    tracing_subscriber::fmt::layer()
        .log_internal_errors(false)
        .event_format(lines)
        .with_writer(move || SystemLog(socket.clone()))
}

/// Log lines of `loglevel` and above are sent from here on (CONFIG SET).
pub fn set_level(loglevel: &str) {
    if let Some(handle) = LEVEL.get() {
        // It fails only where nothing is logged any more.
        let _ = handle.modify(|level| *level = level_of(loglevel));
    }
}

fn level_of(loglevel: &str) -> LevelFilter {
    match loglevel {
        "debug" => LevelFilter::TRACE,
        "verbose" => LevelFilter::DEBUG,
        "warning" => LevelFilter::WARN,
        _ => LevelFilter::INFO,
    }
}

/// The number of a facility.
fn facility(name: &str) -> u8 {
    const USER: u8 = 1;
    const LOCAL0: u8 = 16;
    let local = name
        .strip_prefix("local")
        .and_then(|n| n.parse::<u8>().ok());
    local.map_or(USER, |n| LOCAL0 + n)
}

/// The system's log, which gets each line at once. What it does not take is lost, as with syslog(3).
struct SystemLog(PathBuf);

impl io::Write for SystemLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to(line.trim_ascii_end(), &self.0)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a line begins with.
enum Line {
    /// `pid:role date level`.
    Own,
    /// For the system's log: `<priority>ident[pid]:`.
    System { ident: String, facility: u8 },
}

impl Line {
    fn head(&self, level: Level, out: &mut Writer<'_>) -> fmt::Result {
        let pid = std::process::id();
        // As Redis: its levels from debug to warning are debug, info, notice, warning to the system.
        let (mark, severity) = match level {
            Level::TRACE => ('.', 7),
            Level::DEBUG => ('-', 6),
            Level::INFO => ('*', 5),
            _ => ('#', 4),
        };
        match self {
            Line::Own => {
                let now = since_epoch();
                let role = if REPLICA.load(Relaxed) { 'S' } else { 'M' };
                let (date, millis) = (date(now.as_secs()), now.subsec_millis());
                write!(out, "{pid}:{role} {date}.{millis:03} {mark} ")
            }
            Line::System { ident, facility } => {
                let priority = u32::from(*facility) * 8 + severity;
                write!(out, "<{priority}>{ident}[{pid}]: ")
            }
        }
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        self.head(*event.metadata().level(), &mut out)?;
        ctx.format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// Unix seconds as `23 Nov 2026 22:00:00`, in UTC.
fn date(seconds: u64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    // Years that begin in March end with the leap day; 146097 days make 400 years.
    let days = seconds / 86400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (name, next_year) = (MONTHS[((month + 2) % 12) as usize], u64::from(month >= 10));
    let year = era * 400 + year_of_era + next_year;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{day:02} {name} {year} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// As the stock server's lines come to a syslog daemon, but for the time, which it puts there itself.
    #[test]
    fn the_systems_log_gets_each_line() {
        let dir = std::env::temp_dir().join(format!("damselfly-syslog-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let limit = std::time::Duration::from_secs(10);
        daemon.set_read_timeout(Some(limit)).unwrap();
        let config = Config::new();
        let mut settings = Settings::clone(&config.settings());
        settings.syslog_ident = "me".to_owned();
        settings.syslog_facility = "local3".to_owned();
        let subscriber = tracing_subscriber::registry().with(system(&settings, &path));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!("a warning of {}", 1);
            tracing::info!("a notice");
            tracing::debug!("verbose");
            tracing::trace!("debug");
        });
        let pid = std::process::id();
        for expected in [
            format!("<156>me[{pid}]: a warning of 1"),
            format!("<157>me[{pid}]: a notice"),
            format!("<158>me[{pid}]: verbose"),
            format!("<159>me[{pid}]: debug"),
        ] {
            let mut line = [0; 256];
            let len = daemon.recv(&mut line).unwrap();
            assert_eq!(String::from_utf8_lossy(&line[..len]), expected);
        }
        // Nobody need be there.
        drop(daemon);
        let subscriber = tracing_subscriber::registry().with(system(&settings, &path));
        tracing::subscriber::with_default(subscriber, || tracing::warn!("lost"));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, shown) in [
            (0, "01 Jan 1970 00:00:00"),
            (951_782_400, "29 Feb 2000 00:00:00"),
            (951_868_799, "29 Feb 2000 23:59:59"),
            (951_868_800, "01 Mar 2000 00:00:00"),
            (1_735_689_599, "31 Dec 2024 23:59:59"),
            (1_795_471_200, "23 Nov 2026 22:00:00"),
            (4_107_542_400, "01 Mar 2100 00:00:00"),
        ] {
            assert_eq!(date(seconds), shown);
        }
    }
}
