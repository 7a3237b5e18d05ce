//! `neon-mcp call`: one tool call, for people and scripts.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use serde_json::Value;

use stop_signal::{Hangup, stop_signal};

use super::common::{here, print, resolve};
use super::serve::start;
use super::terminal::{self, AtTheTerminal};
use crate::engine::{ApprovalMode, Caller, Outcome};
use crate::guard::{Session, kept_session};
use crate::neon::FairQueue;
use crate::settings::Layer;

/// Arguments as they are right.
const EXAMPLE: &str = r#"'{"project_id": "quiet-sun-12345678"}'"#;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The tool
    tool: String,
    /// Its arguments, a JSON object
    #[arg(default_value = "{}")]
    arguments: String,
    #[command(flatten)]
    settings: Layer,
}

/// Exits with 1 when the call failed or was refused; its result says why.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let given = match crate::json::read(&arguments.arguments).map(|read| read.value) {
        Ok(Value::Object(given)) => given,
        Ok(_) => bail!("the arguments are no JSON object; they look like {EXAMPLE}"),
        Err(error) => bail!("the arguments are no JSON object that can be taken: {error}; they look like {EXAMPLE}"),
    };
    // Whoever was told a code comes back as another process, which takes the approval of this one.
    let mut settings = here(resolve(arguments.settings)?)?.with_kept_seal_key();
    // Whoever names a tool wants that one, whatever is listed by default.
    if settings.selection.toolsets.is_none() && settings.selection.tools.is_empty() {
        settings.selection.toolsets = Some(vec!["all".to_owned()]);
    }
    // Kept in the state directory: whoever called by hand and was told a code comes back as another process.
    let session = match settings.approvals().as_deref().map(kept_session) {
        Some(Ok(session)) => session,
        Some(Err(error)) => {
            tracing::warn!("calls by hand have no session that lasts: {error}");
            Session::of_process()
        }
        None => Session::of_process(),
    };
    let cancel = stop_signal(Hangup::Ends);
    let started = tokio::select! {
        started = start(settings) => started?,
        () = cancel.cancelled() => bail!("stopped before the call was made"),
    };
    let caller = Caller {
        principal: "cli".to_owned(),
        credential: None,
        session,
        approval: None,
        client: None,
        // Who calls by hand is asked by hand.
        way: if terminal::is_there() {
            ApprovalMode::InCall(Arc::new(AtTheTerminal))
        } else {
            ApprovalMode::OutOfBand
        },
        lane: FairQueue::new(),
        bound: None,
        cancel,
        progress: None,
    };
    let outcome = started.engine.call(&arguments.tool, given, caller).await?;
    let Outcome::Done(result) = outcome else {
        bail!("the call asks for an answer that this command can't give");
    };
    print(&serde_json::to_string_pretty(&result.value)?);
    #[cfg(feature = "sandbox")]
    if let Some(sandbox) = started.sandbox {
        sandbox.shutdown().await;
    }
    Ok(if result.is_error {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
