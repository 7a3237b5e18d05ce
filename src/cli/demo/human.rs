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
    /// One was printed whole.
    shown: bool,
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
        let whole = self.full || !mind.shown;
        mind.shown = true;
        mind.asked.push(question.to_owned());
        print_question(question, whole);
        std::mem::take(&mut mind.answer)
    }
}

/// Prints a question: whole, or what the call does and the way back.
fn print_question(question: &str, whole: bool) {
    let bar = format!("{INDENT}  | ");
    let hanging = format!("{INDENT}  |   ");
    layout::say(&format!("{INDENT}The server asks the human:"));
    let mut left_out = 0;
    let mut in_head = true;
    for line in question.lines().filter(|line| !line.is_empty()) {
        if whole || in_head || line.starts_with("Way back") {
            layout::say_with(&bar, &hanging, line);
        } else {
            left_out += 1;
        }
        in_head = in_head && !line.starts_with("Effect:");
    }
    if left_out > 0 {
        layout::say_with(
            &bar,
            &hanging,
            &format!("(and {left_out} more lines, which --full shows)"),
        );
    }
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
