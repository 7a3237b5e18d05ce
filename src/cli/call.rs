//! `neon-mcp call`: one tool call, for people and scripts.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use serde_json::{Map, Value};

use stop_signal::{Hangup, stop_signal};

use super::common::{here, print, print_painted, resolve};
use super::fold::width;
use super::reach::Reach;
use super::readable::readable;
use super::serve::{Started, start};
use super::spinner::Spinner;
use super::spoken::to_a_human;
use super::style::Style;
use super::terminal::{AtTheTerminal, Terminal};
use crate::catalog::{Catalog, Selection};
use crate::engine::{ApprovalMode, CallResult, Caller, Outcome};
use crate::guard::{Identity, Principal, Session, kept_session};
use crate::neon::FairQueue;
use crate::settings::{Layer, Settings};

/// The log of a person's own call: nothing but what went wrong in a way that no result tells, and what is fetched.
pub(super) const LOG: &str = "error,local_postgres=warn";

/// Where who doesn't know the tools finds them.
const WHERE_TOOLS_ARE: &str = "`neon-mcp tools` lists them, and `neon-mcp tools NAME` shows one with an example";

/// Arguments as they are right.
const EXAMPLE: &str = r#"'{"project_id": "quiet-sun-12345678"}'"#;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  neon-mcp call list_projects\n  neon-mcp call run_sql '{\"project_id\": \"sandbox\", \"branch_id\": \
                  \"main\", \"sql\": \"SELECT 1\"}' --sandbox\n`neon-mcp tools` lists the tools, `neon-mcp tools NAME` shows one.\n\nIn a terminal, rows are drawn as tables. Elsewhere the result is the text that an agent gets; --json prints the raw \
                  value in both.\nExits with 1 when the call failed or was refused; the result says why."
)]
pub(super) struct Arguments {
    /// The tool: `neon-mcp tools` lists them
    tool: Option<String>,
    /// Its arguments, a JSON object
    #[arg(default_value = "{}")]
    arguments: String,
    /// Print the raw value of the result, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Layer,
}

/// Exits with 1 when the call failed or was refused; its result says why.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(tool) = arguments.tool else {
        bail!("name a tool, as in `neon-mcp call list_projects`. {WHERE_TOOLS_ARE}");
    };
    let reach = Reach::of(&arguments.settings);
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
    if settings.is_sandbox_short_lived() && settings.selection.linked.is_none() {
        check(&settings, &tool, &given)?;
    }
    let session = session(&settings);
    let goes = settings.is_sandbox_short_lived();
    let cancel = stop_signal(Hangup::Ends);
    let started = tokio::select! {
        started = start(settings) => started?,
        () = cancel.cancelled() => bail!("stopped before the call was made"),
    };
    let spinner = Spinner::start(&tool);
    let caller = Caller {
        principal: Principal::new(Identity::Cli),
        session,
        approval: None,
        client: None,
        // Who calls by hand is asked by hand.
        way: if Terminal::open().is_some() {
            ApprovalMode::InCall(Arc::new(AtTheTerminal(Arc::clone(&spinner))))
        } else if goes {
            // Its project goes with this process: no later call could be the approved one.
            ApprovalMode::Nobody {
                why: "there is no terminal to ask at, and the sandbox of this call is gone when it ends, so no approval could be taken",
                next: "Run it in a terminal, or keep the sandbox from call to call with --sandbox-dir FOLDER: then a code is given, under \
                       which it can be approved.",
            }
        } else {
            ApprovalMode::OutOfBand
        },
        lane: FairQueue::new(),
        bound: None,
        cancel,
        progress: Some(Arc::clone(&spinner) as _),
    };
    let called = call(started, &tool, given, caller).await;
    spinner.pause();
    let result = called?;
    show(&result, arguments.json, &reach)?;
    if goes {
        let text = "neon-mcp: the sandbox of this call is gone, with all that was in it. To keep one from call to call, name a folder \
                    for it: --sandbox-dir FOLDER";
        eprintln!("{text}");
    }
    Ok(if result.is_error {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What needs no sandbox to be told before one is started: that there is no such tool, or that arguments are missing. Where something
/// else was given that might be meant for one, the call itself says so.
fn check(settings: &Settings, tool: &str, given: &Map<String, Value>) -> anyhow::Result<()> {
    let catalog = Catalog::embedded()?;
    let policy = settings.policy(&catalog)?;
    let selection = Selection::new(catalog, &settings.selection, &policy)?;
    let Some(selected) = selection.tool(tool) else {
        return Ok(());
    };
    let properties = selected.input.get("properties").and_then(Value::as_object);
    if given
        .keys()
        .any(|name| properties.is_none_or(|known| !known.contains_key(name)))
    {
        return Ok(());
    }
    let required = selected
        .input
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let missing: Vec<&str> = required
        .filter_map(Value::as_str)
        .filter(|name| !given.contains_key(*name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "`{tool}` needs {}, too: `neon-mcp tools {tool}` shows it with an example",
        missing.join(" and ")
    )
}

/// Kept in the state directory: whoever called by hand and was told a code comes back as another process.
fn session(settings: &Settings) -> Session {
    match settings.approvals().as_deref().map(kept_session) {
        Some(Ok(session)) => session,
        Some(Err(error)) => {
            tracing::error!("calls by hand have no session that lasts: {error}");
            Session::of_process()
        }
        None => Session::of_process(),
    }
}

/// Makes the call. However it ends, a sandbox ends with it.
async fn call(started: Started, tool: &str, given: Map<String, Value>, caller: Caller) -> anyhow::Result<CallResult> {
    let outcome = started.engine.call(tool, given, caller).await;
    #[cfg(feature = "sandbox")]
    if let Some(sandbox) = started.sandbox {
        sandbox.shutdown().await;
    }
    match outcome.map_err(|unknown| {
        // What is told to an agent names a method of its protocol.
        let unknown = unknown
            .to_string()
            .replace(": tools/list names those that there are", "");
        anyhow::anyhow!("{unknown} {WHERE_TOOLS_ARE}")
    })? {
        Outcome::Done(result) | Outcome::SignIn(result, _) => Ok(result),
        Outcome::Ask(_) => bail!("the call asks for an answer that this command can't give"),
    }
}

/// Prints a result: drawn for a person, who reads without marks; the text that an agent gets where somebody else reads, which keeps
/// what others wrote delimited; or the value as it is.
fn show(result: &CallResult, json: bool, reach: &Reach) -> anyhow::Result<()> {
    let stdout = std::io::stdout();
    if json {
        print(&crate::cli::common::json_text(&result.value)?);
    } else if stdout.is_terminal() {
        let result = to_a_human(result.bare());
        print_painted(readable(&result, width(&stdout), Style::of(&stdout), reach).trim_end());
    } else {
        print(&result.text());
    }
    Ok(())
}
