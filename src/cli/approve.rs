//! `neon-mcp approve`: a human's decision about a call that waits for approval.

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::Utc;

use super::common::print;
use super::store::{KeptApprovals, StoreArguments};
use super::terminal::{Terminal, Typed, shown};
use crate::guard::audit::{AuditLimits, AuditLog};
use crate::guard::{Approval, DecideError, Decision, State, decision_entry};
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
    #[command(flatten)]
    store: StoreArguments,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let kept = arguments.store.find()?;
    let approvals = &kept.approvals;
    let Some(code) = &arguments.code else {
        return list(&kept);
    };
    let Some(approval) = approvals.get(code, Utc::now())? else {
        eprintln!("neon-mcp: {} ({})", DecideError::Unknown, kept.looked());
        return Ok(ExitCode::from(UNDECIDED));
    };
    if !approval.waits() {
        eprintln!("neon-mcp: it was decided before: {}", decided(&approval.state));
        return Ok(exit(&approval));
    }
    let decision = if arguments.reject {
        Decision::Reject
    } else if !approval.terminal {
        // Nobody is asked for what wouldn't count.
        eprintln!("{}\n", head(&approval));
        shown(&approval.text, None).iter().for_each(|line| eprintln!("{line}"));
        eprintln!(
            "\nneon-mcp: nothing was decided: {}. Rejected it can be here: add --reject",
            elsewhere(&approval, &kept)
        );
        return Ok(ExitCode::from(UNDECIDED));
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
    let audit = kept
        .audit_log
        .clone()
        .map(|path| AuditLog::new(path, AuditLimits::default()));
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
            if let (Some(audit), Some(entry)) =
                (&audit, error.refused().and_then(|refused| decision_entry(refused, "")))
            {
                audit
                    .write(&entry)
                    .context("the call is refused, and that can't be noted")?;
            }
            eprintln!("neon-mcp: {error}");
            Ok(ExitCode::from(REJECTED))
        }
        Err(DecideError::Approvals(error)) => Err(error.into()),
        Err(error) => Ok(undecided(&error)),
    }
}

/// What waits, a line each, and below it what would happen.
fn list(kept: &KeptApprovals) -> anyhow::Result<ExitCode> {
    let approvals = &kept.approvals;
    let now = Utc::now();
    let waiting: Vec<Approval> = approvals.list(now)?.into_iter().filter(Approval::waits).collect();
    if waiting.is_empty() {
        print(&format!("No call waits for approval ({}).", kept.looked()));
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
        if !approval.terminal {
            print(&format!("           {}", elsewhere(approval, kept)));
        }
    }
    if !waiting.is_empty()
        && let Some(command) = kept.command("CODE")
    {
        print(&format!("\n{command} shows the whole plan, and asks."));
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a call is decided that no terminal approves, and by whom.
fn elsewhere(approval: &Approval, kept: &KeptApprovals) -> String {
    let mut text = "no terminal approves this call: by the operator's policy it is approved ".to_owned();
    text.push_str(&match (approval.has_page(), &kept.public_url) {
        (false, _) => "nowhere".to_owned(),
        (true, None) => format!("on the approval page of its server, /approve/{}", approval.code),
        (true, Some(url)) => format!(
            "on the approval page, {}/approve/{}",
            one_line(url.trim_end_matches('/'), 200),
            approval.code
        ),
    });
    let who = approval.may.in_words();
    if !who.is_empty() {
        text.push_str(&format!(", by {}", one_line(&who.join(", and by "), 300)));
    }
    text
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
