//! What an agent is told whose call a human must approve elsewhere: the plan, by which channel, and who.

use serde_json::{Map, Value};

use crate::engine::error::{InsteadOfClient, RequiresApproval, ToolError};
use crate::engine::kind::Kind;
use crate::engine::present::untrusted::Fence;
use crate::guard::{InTerminal, PageAsks};
use crate::neon::Changed;
use crate::neon::text::one_line;

/// The largest refusal with a plan, in bytes. Other errors are built from texts that are bounded to less than half of it.
const MAX_PLAN_BYTES: usize = 3_800;

/// What is said at the end of every refusal for want of an approval.
const NOT_SENT: &str = "so it was not sent. Nothing was changed at Neon.";

/// The channels, as what a human is to do: the page first, which is everybody's.
fn channels(needs: &RequiresApproval) -> Vec<String> {
    let mut channels = Vec::new();
    if let Some((page, asks)) = &needs.page {
        channels.push(match asks {
            None => format!("open {page}"),
            Some(PageAsks::SignIn) => format!("open {page} and sign in there"),
            Some(PageAsks::OperatorsSecret) => {
                format!("open {page} (it asks for the operator's secret, which whoever runs the server can tell)")
            }
            Some(PageAsks::SecretOfLog { is_anothers: true }) => {
                format!("open {page} (it asks for a secret, which whoever runs the server finds in its log)")
            }
            Some(PageAsks::SecretOfLog { is_anothers: false }) => {
                format!("open {page} (it asks for a secret, which stands in the log of `neon-mcp http`)")
            }
        });
    }
    match &needs.terminal {
        None => {}
        Some(InTerminal::Own(command)) => channels.push(format!("run `{command}` in a terminal")),
        Some(InTerminal::Operators) => channels.push(format!(
            "have whoever runs the server decide {} in a terminal there",
            needs.code.as_deref().unwrap_or("it")
        )),
    }
    channels
}

/// Why the client didn't ask, and what to do.
fn asked_elsewhere(needs: &RequiresApproval, channels: &[String]) -> (String, String) {
    let either = channels.join(", or ");
    let channels = channels.join(", or to ");
    let repeat = format!(
        "it waits {} s. After their approval, make exactly the same call again, with `approval` from here as one more argument. Don't approve it yourself, and don't try another way around.",
        needs.waits
    );
    match &needs.instead_of_client {
        None => (
            format!("This call needs a human's approval, and this client can't ask for one, {NOT_SENT}"),
            format!("Show the user the plan and ask them to {channels}; {repeat}"),
        ),
        Some(InsteadOfClient::NoClient) => (
            format!(
                "This call needs a human's approval, and the operator's policy takes none from a client, {NOT_SENT}"
            ),
            format!("Show the user the plan and ask them to {channels}; {repeat}"),
        ),
        Some(InsteadOfClient::Approvers(who)) => (
            format!(
                "This call needs a human's approval, and the operator's policy has it approved by {}, not through this client, {NOT_SENT}",
                one_line(who, 300)
            ),
            format!(
                "Show the user the plan; they can have one who may approve it ({}) {either}; {repeat}",
                one_line(who, 300)
            ),
        ),
    }
}

/// What an agent is told whose client doesn't ask: the plan, and how it is approved.
pub(super) fn requires_approval(needs: RequiresApproval, fence: &Fence) -> ToolError {
    let channels = channels(&needs);
    let (message, next) = match (&needs.nobody, channels.is_empty()) {
        (None, false) => asked_elsewhere(&needs, &channels),
        (nobody, _) => (
            format!(
                "This call needs a human's approval, and nobody can be asked: {}. It was not sent. Nothing was changed at Neon.",
                nobody.as_deref().unwrap_or("there is no way to")
            ),
            needs
                .instead
                .unwrap_or("Tell the user what the plan says; they can do it in the Neon Console. Don't try another way around.")
                .to_owned(),
        ),
    };
    let mut more = Map::new();
    if let Some(code) = needs.code {
        more.insert("code".into(), code.into());
    }
    if let Some((page, _)) = needs.page {
        more.insert("approval_page".into(), page.into());
    }
    if let Some(approval) = needs.approval {
        more.insert("approval".into(), approval.into());
    }
    // A path may be long, and the command is good only whole; so is an address.
    let channels: usize = channels.iter().map(String::len).sum();
    more.insert("next".into(), fence.line(&next, 800 + channels).into());
    more.insert("plan".into(), bounded(needs.plan));
    ToolError::new(
        Kind::RequiresApproval,
        Changed::No,
        &message,
        &next,
        Value::Object(more),
    )
}

/// A plan that fits into a result. What is about the target goes first: what would be sent and undone is what the agent has to
/// tell.
fn bounded(mut plan: Value) -> Value {
    for part in ["/target", "/would_send/body", "/undo", "/reasons"] {
        let size = serde_json::to_string(&plan).map_or(0, |text| text.len());
        if size + 1_000 <= MAX_PLAN_BYTES {
            break;
        }
        if let Some(place) = plan.pointer_mut(part) {
            *place = "(too long to show)".into();
        }
    }
    plan
}
