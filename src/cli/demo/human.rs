//! The human behind the demo's client: answers the server's questions as the story wants it, and remembers them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability,
    FormElicitationCapability, Implementation, ProgressNotificationParam,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ClientHandler, RoleClient};
use serde_json::json;

use super::layout::{self, INDENT};

/// What the human does with a question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Answer {
    /// Says no.
    #[default]
    Declines,
    /// Types a name into the form and accepts it.
    Types(&'static str),
}

/// The human, played by the demo.
#[derive(Debug, Clone)]
pub(super) struct Human {
    full: bool,
    mind: Arc<Mutex<Mind>>,
}

#[derive(Debug, Default)]
struct Mind {
    answer: Answer,
    /// The questions since the last look.
    asked: Vec<String>,
}

impl Human {
    pub(super) fn new(full: bool) -> Self {
        Self {
            full,
            mind: Arc::default(),
        }
    }

    /// How the next question will be answered. All after it are declined.
    pub(super) fn will(&self, answer: Answer) {
        self.mind().answer = answer;
    }

    /// What was asked since this was called last.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.mind().asked)
    }

    fn mind(&self) -> MutexGuard<'_, Mind> {
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hears(&self, question: &str) -> Answer {
        let mut mind = self.mind();
        mind.asked.push(question.to_owned());
        print_question(question, self.full);
        std::mem::take(&mut mind.answer)
    }
}

/// What a line of a question begins with that is shown beside its head: what it does, loses, and how it is undone.
const SHOWN: [&str; 4] = ["Effect:", "What is lost", "Way back", "Undo"];

/// The longest such line, in characters: two rows.
const MAX_SHOWN: usize = 132;

/// From which length on a word is cut in it.
const LONG_WORD: usize = 30;

/// Prints a question: whole, or in short, as a client's dialog would begin it.
fn print_question(question: &str, whole: bool) {
    let bar = format!("{INDENT}  | ");
    let hanging = format!("{INDENT}  |   ");
    layout::say(&format!("{INDENT}The server asks the human:"));
    let mut left_out = 0;
    let mut in_head = true;
    for line in question.lines().filter(|line| !line.is_empty()) {
        in_head = in_head && !line.starts_with("Effect:");
        if whole {
            layout::say_with(&bar, &hanging, line);
        } else if in_head || SHOWN.iter().any(|begins| line.starts_with(begins)) {
            layout::say_with(&bar, &hanging, &shortened(line));
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        layout::say_with(&bar, &hanging, &format!("({left_out} more lines: --full)"));
    }
}

/// A line that fits into two rows: cut behind a word.
fn shortened(line: &str) -> String {
    if line.chars().count() <= MAX_SHOWN {
        return line.to_owned();
    }
    let cut: String = line.chars().take(MAX_SHOWN - 1).collect();
    // Not in a word, unless it is a long one, such as JSON.
    let (before, rest) = cut.rsplit_once(' ').unwrap_or((&cut, ""));
    let short = if rest.chars().count() < LONG_WORD { before } else { &cut };
    format!("{}…", short.trim_end())
}

impl ClientHandler for Human {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(ElicitationCapability::new().with_form(FormElicitationCapability::new()));
        ClientConfig::new(
            capabilities,
            Implementation::new("neon-mcp-demo", env!("CARGO_PKG_VERSION")),
        )
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, rmcp::ErrorData> {
        let answer = match &request {
            ElicitRequestParams::FormElicitationParams { message, .. } => self.hears(message),
            _ => Answer::Declines,
        };
        Ok(match answer {
            Answer::Types(name) => {
                layout::say(&format!("{INDENT}The human (played by this demo) types {name:?}."));
                let mut result = ElicitResult::new(ElicitationAction::Accept);
                result.content = Some(json!({"name": name}));
                result
            }
            Answer::Declines => {
                layout::say(&format!("{INDENT}The human (played by this demo) says no."));
                ElicitResult::new(ElicitationAction::Decline)
            }
        })
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        if self.full {
            let total = params.total.unwrap_or_default();
            layout::say(&format!(
                "{INDENT}… {:.0} of {total:.0}: {}",
                params.progress.floor(),
                params.message.unwrap_or_default()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_line_of_a_question_is_cut_behind_a_word() {
        assert_eq!(shortened("short"), "short");
        let short = shortened(&"word ".repeat(100));
        assert!(
            short.chars().count() <= MAX_SHOWN && short.ends_with("word…"),
            "{short}"
        );
    }
}
