//! What a person at a terminal sees while a call runs: that it does, for how long, and which operation of Neon's is under way.

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::Progress;
use crate::text::escaped;

/// What ends sooner is shown nothing for.
const DELAY: Duration = Duration::from_millis(300);

/// How often it turns.
const TURN: Duration = Duration::from_millis(100);

/// A line on standard error that turns, where that is a terminal.
#[derive(Debug)]
pub(super) struct Spinner {
    about: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bar: Option<ProgressBar>,
    /// What was reported last.
    message: String,
    /// Nothing may be drawn any more, or just now.
    paused: bool,
}

impl Spinner {
    /// One for a call of that tool, which shows itself after a moment. Nothing is shown where standard error is no terminal.
    pub(super) fn start(tool: &str) -> Arc<Self> {
        let spinner = Arc::new(Self {
            about: escaped(tool),
            state: Mutex::default(),
        });
        if std::io::stderr().is_terminal() {
            let later = Arc::clone(&spinner);
            tokio::spawn(async move {
                tokio::time::sleep(DELAY).await;
                later.show();
            });
        }
        spinner
    }

    /// Takes it off the screen: somebody is asked there, or the call has ended.
    pub(super) fn pause(&self) {
        let mut state = self.state();
        state.paused = true;
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Shows it again.
    pub(super) fn resume(&self) {
        self.state().paused = false;
        if std::io::stderr().is_terminal() {
            self.show();
        }
    }

    fn show(&self) {
        let mut state = self.state();
        if state.paused || state.bar.is_some() {
            return;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The template is ours and parses; were it not, the usual one would do.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(self.line(&state.message));
        bar.enable_steady_tick(TURN);
        state.bar = Some(bar);
    }

    fn line(&self, message: &str) -> String {
        if message.is_empty() {
            self.about.clone()
        } else {
            format!("{}: {message}", self.about)
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Spinner {
    fn report(&self, done: usize, total: usize, message: String) {
        let mut state = self.state();
        // What is told may have come from Neon: nothing of it steers the terminal.
        let message = escaped(&message);
        state.message = match total {
            0 | 1 => message,
            _ => format!("{message} ({done} of {total} done)"),
        };
        if let Some(bar) = &state.bar {
            bar.set_message(self.line(&state.message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_names_the_operation_under_way() {
        let spinner = Spinner {
            about: "create_branch".to_owned(),
            state: Mutex::default(),
        };
        assert_eq!(spinner.line(&spinner.state().message), "create_branch");
        spinner.report(1, 3, "start_compute running\u{1b}[2J".to_owned());
        harness::assert_worded!("cli", "operation under way", spinner.line(&spinner.state().message));
        spinner.report(0, 1, "waiting".to_owned());
        assert_eq!(spinner.line(&spinner.state().message), "create_branch: waiting");
    }
}
