//! The end of the process, and its next beginning.

use super::{error, integer};
use crate::resp::Reply;
use crate::shell::call::Call;
use crate::shell::conn::Parked;
use crate::shell::execute::Flow;
use crate::shell::server::Server;
use crate::sys::task;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Ends the process as a fault would.
pub(super) fn crash(why: &str) -> ! {
    tracing::error!("Damselfly crashes: {why}");
    std::process::abort()
}

/// Starts the server again in this process, with the arguments it has, after `delay` milliseconds; `gracefully` writes
/// parameters and data before.
pub(super) fn restart(call: &mut Call<'_>, delay: Option<&&[u8]>, gracefully: bool) -> Flow {
    let delay = match delay.map(|delay| integer(delay)) {
        None => 0,
        Some(Ok(millis)) => u64::try_from(millis).unwrap_or(0),
        Some(Err(text)) => return error(call, text),
    };
    let server = Arc::clone(call.server);
    let work = task::spawn(async move {
        let why = again(&server, Duration::from_millis(delay), gracefully).await;
        tracing::warn!("the server does not start again: {why}");
        let mut reply = Reply::default();
        reply.error("ERR failed to restart the server. Check server logs.");
        reply.take()
    });
    Flow::Park(Parked::Later(Box::pin(async move {
        work.await.unwrap_or_default()
    })))
}

/// Returns only if it fails, and then why.
async fn again(server: &Arc<Server>, delay: Duration, gracefully: bool) -> String {
    if gracefully {
        if server.config.file().is_some()
            && let Err(why) = server.rewrite_config(false)
        {
            return why;
        }
        if let Err(why) = server.save_at_end(None).await {
            return why;
        }
    }
    tokio::time::sleep(delay).await;
    let mut args = std::env::args_os();
    let (name, program) = (args.next(), std::env::current_exe());
    match (name, program) {
        (Some(name), Ok(program)) => {
            let failed = Command::new(program).arg0(name).args(args).exec();
            failed.to_string()
        }
        (_, program) => format!("which program this is cannot be told: {program:?}"),
    }
}
