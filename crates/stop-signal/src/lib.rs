//! How a process is asked to end.
//!
//! ```
//! use stop_signal::{Hangup, stop_signal};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let stop = stop_signal(Hangup::Ends);
//! assert!(!stop.is_cancelled(), "nobody asked yet");
//! tokio::select! {
//!     () = stop.cancelled() => println!("end orderly"),
//!     () = async { /* the work */ } => println!("done"),
//! }
//! # });
//! ```

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What a hangup (SIGHUP) means: that the terminal is gone, or, by a custom of servers, that settings are to be read again.
#[derive(Debug, Clone)]
pub enum Hangup {
    /// It ends the process, in order as Ctrl-C does: a terminal that is closed leaves nothing behind. Where whoever started the
    /// process has hangups ignored (`nohup`), they stay so.
    Ends,
    /// It tells who waits here that settings are to be read again. Several that come before anybody waits are told as one.
    Tells(Arc<Notify>),
}

/// Whether hangups are ignored, or the system doesn't say: then they do what they would without us.
#[cfg(unix)]
fn is_hangup_left_alone() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // A mask in hexadecimal digits, whose lowest bit is the first signal, which is the hangup.
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|mask| mask & 1 != 0)
}

/// A token that is cancelled when the process is asked to end: Ctrl-C, or SIGTERM. Who asks a second time is served at once: the process ends
/// with the status that the signal would have given it.
#[must_use]
pub fn stop_signal(hangup: Hangup) -> CancellationToken {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = || -> std::io::Result<_> {
            let hangups = match &hangup {
                Hangup::Ends if is_hangup_left_alone() => None,
                Hangup::Ends | Hangup::Tells(_) => Some(signal(SignalKind::hangup())?),
            };
            Ok((
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                hangups,
            ))
        };
        // At once, not when the task first runs: a signal in between would end the process by default.
        match listen() {
            Ok((mut interrupts, mut terminations, mut hangups)) => {
                tokio::spawn(async move {
                    loop {
                        let status = tokio::select! {
                            Some(()) = interrupts.recv() => 130,
                            Some(()) = terminations.recv() => 143,
                            Some(()) = async { hangups.as_mut()?.recv().await } => {
                                if let Hangup::Tells(waiting) = &hangup {
                                    waiting.notify_one();
                                    continue;
                                }
                                129
                            }
                            else => return,
                        };
                        if stopped.is_cancelled() {
                            std::process::exit(status);
                        }
                        stopped.cancel();
                    }
                });
            }
            Err(error) => tracing::warn!("signals end this process without ceremony: {error}"),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = hangup;
        tokio::spawn(async move {
            let _ = tokio::signal::ctrl_c().await;
            stopped.cancel();
        });
    }
    stop
}
