//! The `damselfly` binary.

#[cfg(not(feature = "simulation"))]
use anyhow::Context;
use anyhow::{Result, anyhow};
use damselfly_server::REDIS_VERSION;
use damselfly_server::config::Config;
use damselfly_server::config::startup::{self, Invocation};
#[cfg(not(feature = "simulation"))]
use damselfly_server::shell::{background, run, start};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

#[global_allocator]
static ALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The allocator asks for huge pages, for those who want them (ADR 0008). It reads this before `main`; `disable-thp`,
/// which is the default, keeps the kernel from following.
// SAFETY: jemalloc declares the symbol as a pointer to a C string, which a reference to these bytes is.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: &[u8; 11] = b"thp:always\0";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os()
        .skip(1)
        .map(OsStringExt::into_vec)
        .collect();
    let result = match startup::invocation(&args) {
        Ok(Invocation::Help) => print(&startup::help()),
        Ok(Invocation::Version) => print(&version()),
        Ok(Invocation::Run(config, warnings)) => run(*config, &warnings),
        Err(error) => Err(anyhow!(error)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("damselfly: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// As redis-server has it, for those who take what follows `v=` for what they may expect.
fn version() -> String {
    let own = env!("CARGO_PKG_VERSION");
    format!("Damselfly server v={REDIS_VERSION} damselfly={own} malloc=jemalloc bits=64\n")
}

fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()) {
        // Whoever read only the beginning has what it wanted.
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

#[cfg(feature = "simulation")]
fn run(_: Config, _: &[String]) -> Result<()> {
    Err(anyhow!("this is a build for simulation: it has no sockets"))
}

#[cfg(not(feature = "simulation"))]
fn run(config: Config, warnings: &[String]) -> Result<()> {
    let settings = std::sync::Arc::clone(&config.settings());
    if background::is_wanted(&settings) {
        return background::start().context("cannot go into the background");
    }
    start::log_to(&settings)
        .with_context(|| format!("cannot open the log file {}", settings.logfile.display()))?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    #[cfg(target_os = "linux")]
    if settings.disable_thp {
        rustix::thread::disable_transparent_huge_pages(true)
            .context("cannot keep to small pages")?;
    }
    run::run(config).map_err(|why| anyhow!(why))
}
