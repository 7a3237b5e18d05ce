//! `neon-mcp approve`: a human's decision about a call that waits for approval.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use chrono::Utc;

use super::common::print;
use super::store::StoreArguments;
use super::terminal::{Terminal, Typed, shown};
use crate::guard::audit::{AuditLimits, AuditLog};
use crate::guard::{Approval, Approvals, DecideError, Decision, State, decision_entry, state_dir};
use crate::neon::text::{escaped, one_line};

/// The call was rejected.
const REJECTED: u8 = 1;

/// Nothing was decided.
const UNDECIDED: u8 = 2;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits with 0 when the call is approved, 1 when it is rejected, 2 when nothing was decided (no such code, or it has run out)."
)]
pub(super) struct Arguments {
    /// What the call waits under, as ABCD-EFGH; without one, what waits is listed
    code: Option<String>,
    /// Reject it
    #[arg(long, requires = "code", conflicts_with_all = ["yes", "name"])]
    reject: bool,
    /// Approve it without a terminal, which only a policy with approval.without_terminal allows
    #[arg(long, requires = "code")]
    yes: bool,
    /// The name of what is lost, where one must be typed; with --yes
    #[arg(long, requires = "yes")]
    name: Option<String>,
    /// The server's state directory; also NEON_MCP_STATE_DIR
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where the server keeps what waits [default: approvals in the state directory]
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "state_dir")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArguments,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let is_named = arguments.dir.is_some() || arguments.state_dir.is_some();
    let store = arguments.store.resolve(is_named)?;
    let approvals = if let Some((store, key)) = store {
        store.approvals(key.as_deref())?
    } else {
        let directory = arguments
            .dir
            .or_else(|| {
                let own = arguments.state_dir.or_else(|| state_dir(|name| std::env::var_os(name)));
                Some(own?.join("approvals"))
            })
            .context("there is no state directory, because HOME isn't set: name the server's with --state-dir")?;
        Approvals::new(directory)
    };
    let Some(code) = &arguments.code else {
        return list(&approvals);
    };
    let Some(approval) = approvals.get(code, Utc::now())? else {
        return Ok(undecided(&DecideError::Unknown));
    };
    if !approval.waits() {
        eprintln!("neon-mcp: it was decided before: {}", decided(&approval.state));
        return Ok(exit(&approval));
    }
    let decision = if arguments.reject {
        Decision::Reject
    } else if arguments.yes {
        if !approval.without_terminal {
            eprintln!(
                "neon-mcp: --yes counts only where the server's policy has approval.without_terminal = true; run this in a terminal without it"
            );
            return Ok(ExitCode::from(UNDECIDED));
        }
        eprintln!("{}\n", head(&approval));
        shown(&approval.text, None).iter().for_each(|line| eprintln!("{line}"));
        eprintln!();
        Decision::Approve { typed: arguments.name }
    } else if let Some(mut terminal) = Terminal::open() {
        terminal.say(&format!("{}\n", head(&approval)));
        terminal.show(&approval.text);
        terminal.say("");
        match terminal.ask(approval.type_name.as_ref()) {
            Typed::Approved => Decision::Approve { typed: None },
            Typed::Name(name) => Decision::Approve { typed: Some(name) },
            Typed::No => Decision::Reject,
            Typed::Nothing => {
                eprintln!("neon-mcp: nothing was decided: the call waits on");
                return Ok(ExitCode::from(UNDECIDED));
            }
        }
    } else {
        eprintln!("neon-mcp: approvals are typed in a terminal, and this isn't one: nothing was decided");
        return Ok(ExitCode::from(UNDECIDED));
    };
    let audit = audit_log(&approvals);
    if let Some(audit) = &audit {
        audit.check().context("a decision that can't be noted isn't taken")?;
    }
    match approvals.decide(code, &decision, Utc::now()) {
        Ok(approval) => {
            if let (Some(audit), Some(entry)) = (&audit, decision_entry(&approval, "")) {
                audit
                    .write(&entry)
                    .context("the decision was taken, and can't be noted")?;
            }
            print(&format!("{} {}", approval.code, decided(&approval.state)));
            if let State::Approved { .. } = approval.state {
                print("Tell the agent to repeat the call: this counts for that call, once.");
            }
            Ok(exit(&approval))
        }
        Err(DecideError::Decided(state)) => {
            eprintln!("neon-mcp: it was decided before: {}", decided(&state));
            Ok(match *state {
                State::Approved { .. } => ExitCode::SUCCESS,
                State::Rejected { .. } => ExitCode::from(REJECTED),
                State::Waiting => ExitCode::from(UNDECIDED),
            })
        }
        Err(error @ DecideError::WrongName { left: 0, .. }) => {
            eprintln!("neon-mcp: {error}");
            Ok(ExitCode::from(REJECTED))
        }
        Err(DecideError::Approvals(error)) => Err(error.into()),
        Err(error) => Ok(undecided(&error)),
    }
}

/// The audit log of the server whose calls these are: the one that the environment names, or the one beside them.
fn audit_log(approvals: &Approvals) -> Option<AuditLog> {
    let named = std::env::var_os("NEON_MCP_AUDIT_LOG").filter(|path| !path.is_empty());
    let beside = || {
        let directory = approvals.directory()?;
        let is_ours = directory.file_name().is_some_and(|name| name == "approvals");
        Some(directory.parent().filter(|_| is_ours)?.join("audit.jsonl"))
    };
    let path = named.map(PathBuf::from).or_else(beside)?;
    Some(AuditLog::new(path, AuditLimits::default()))
}

/// What waits, a line each, and below it what would happen.
fn list(approvals: &Approvals) -> anyhow::Result<ExitCode> {
    let now = Utc::now();
    let waiting: Vec<Approval> = approvals.list(now)?.into_iter().filter(Approval::waits).collect();
    if waiting.is_empty() {
        print("No call waits for approval.");
    }
    for approval in &waiting {
        let left = (approval.expires_at - now).num_seconds().max(0);
        print(&format!(
            "{}  {}  {}{}  for {}  {left} s left",
            approval.code,
            one_line(&approval.tool, 64),
            one_line(&approval.effect, 20),
            if approval.severe { ", severe" } else { "" },
            approval.asker(),
        ));
        print(&format!(
            "           {}",
            escaped(approval.text.lines().next().unwrap_or_default())
        ));
    }
    if !waiting.is_empty()
        && let Some(command) = approvals.command("CODE")
    {
        print(&format!("\n{command} shows the whole plan, and asks."));
    }
    Ok(ExitCode::SUCCESS)
}

/// Who asks for what.
fn head(approval: &Approval) -> String {
    format!(
        "It is {} that wants to call {}:",
        approval.asker(),
        one_line(&approval.tool, 64)
    )
}

fn undecided(error: &DecideError) -> ExitCode {
    eprintln!("neon-mcp: {error}");
    ExitCode::from(UNDECIDED)
}

fn exit(approval: &Approval) -> ExitCode {
    match approval.state {
        State::Approved { .. } => ExitCode::SUCCESS,
        State::Rejected { .. } => ExitCode::from(REJECTED),
        State::Waiting => ExitCode::from(UNDECIDED),
    }
}

fn decided(state: &State) -> String {
    match state {
        State::Waiting => "waits".to_owned(),
        State::Approved { until, .. } => format!("approved until {}", until.format("%H:%M:%S UTC")),
        State::Rejected { .. } => "rejected".to_owned(),
    }
}
