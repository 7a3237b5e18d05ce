//! What is noted about a call.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::tidy::tidy;
use crate::catalog::{Tool, declared};
use crate::guard::arguments::without_secrets;
use crate::guard::{Effect, MASK};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// Neon did it.
    Done,
    /// It was tried and failed.
    Failed,
    /// Whether anything changed isn't known: the answer was lost, or this server stopped before it came.
    Unknown,
    /// Policy refused it; nothing was sent.
    Refused,
    /// It waits for a human; nothing was sent.
    Asked,
    /// A human approved it outside the client: the call itself has a line of its own.
    Approved,
    /// A human said no, or too many wrong secrets or names were given.
    Rejected,
    /// The question was cancelled, or the call was before anything was sent.
    Cancelled,
    /// Nobody answered in time.
    TimedOut,
    /// The name that had to be typed wasn't the one.
    WrongName,
    /// The client's answer to the question wasn't one.
    Malformed,
    /// The approval had expired.
    Expired,
    /// The target had changed since the plan was shown.
    Changed,
    /// The approval had been used before.
    Used,
    /// A dry run: nothing was sent, on purpose.
    DryRun,
}

impl AuditOutcome {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Done,
        Self::Failed,
        Self::Unknown,
        Self::Refused,
        Self::Asked,
        Self::Approved,
        Self::Rejected,
        Self::Cancelled,
        Self::TimedOut,
        Self::WrongName,
        Self::Malformed,
        Self::Expired,
        Self::Changed,
        Self::Used,
        Self::DryRun,
    ];

    /// The name used in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::Asked => "asked",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::WrongName => "wrong_name",
            Self::Malformed => "malformed",
            Self::Expired => "expired",
            Self::Changed => "changed",
            Self::Used => "used",
            Self::DryRun => "dry_run",
        }
    }
}

/// One line of the log. What is absent is left out of it.
///
/// Texts need no cleaning beforehand: when the line is made they are put on one line, without characters that
/// can't be seen, masked and cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When the call came in.
    pub time: DateTime<Utc>,
    /// The tool.
    pub tool: String,
    /// What the call does, escalations included.
    pub effect: Effect,
    /// Where it went: `neon` or `sandbox`.
    pub service: String,
    /// Who called.
    pub caller: String,
    /// What person the operator says that the caller's token is of: their subject at the issuer of the approvers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The account that it went to, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The client's name and version, as it gave them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The project that the call is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The branch that the call is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_id: Option<String>,
    /// The arguments, from [`Self::arguments`].
    #[serde(default)]
    pub arguments: Value,
    /// The digest of the plan that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Through what it was approved or rejected: `client`, `terminal`, `page` or `policy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The human who approved or rejected it, by the name of the principal, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
    /// The rule of the policy that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Why it ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Neon's ids of the requests that were sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_ids: Vec<String>,
    /// How long the call took, in milliseconds.
    #[serde(default)]
    pub duration_ms: u64,
}

impl Entry {
    /// An entry of now, about Neon, with nothing optional. The rest is set through the fields.
    #[must_use]
    pub fn new(tool: impl Into<String>, effect: Effect, outcome: AuditOutcome) -> Self {
        Self {
            time: Utc::now(),
            tool: tool.into(),
            effect,
            service: "neon".to_owned(),
            caller: String::new(),
            person: None,
            account: None,
            client: None,
            project_id: None,
            branch_id: None,
            arguments: Value::Object(Map::new()),
            plan: None,
            channel: None,
            approver: None,
            rule: None,
            outcome,
            reason: None,
            request_ids: Vec::new(),
            duration_ms: 0,
        }
    }

    /// The arguments of a call as the log may hold them: what the tool's schema declares `writeOnly` and what
    /// looks like a secret is masked, SQL is redacted by its tokens, texts are cleaned and cut.
    #[must_use]
    pub fn arguments(tool: &Tool, arguments: &Map<String, Value>) -> Value {
        let mut arguments = arguments.clone();
        // A refusal comes before anybody has taken them back to what the schema says.
        declared(&tool.input, &mut arguments);
        let mut value: Value = arguments
            .iter()
            .map(|(name, value)| (name.clone(), without_secrets(tool, name, value, &arguments)))
            .collect::<Map<_, _>>()
            .into();
        mask_write_only(&mut value, &tool.input);
        tidy(value)
    }
}

/// Masks whatever the schema declares `writeOnly`, at any depth.
fn mask_write_only(value: &mut Value, schema: &Map<String, Value>) {
    if schema.get("writeOnly") == Some(&Value::Bool(true)) && !value.is_null() {
        *value = MASK.into();
        return;
    }
    match value {
        Value::Object(object) => {
            let below = |name: &str| {
                let declared = schema
                    .get("properties")
                    .and_then(|properties| properties.get(name))
                    .or_else(|| schema.get("additionalProperties"));
                declared.and_then(Value::as_object)
            };
            for (name, value) in object.iter_mut() {
                if let Some(schema) = below(name) {
                    mask_write_only(value, schema);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items").and_then(Value::as_object) {
                items.iter_mut().for_each(|item| mask_write_only(item, schema));
            }
        }
        _ => {}
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        for schema in schema.get(choice).and_then(Value::as_array).into_iter().flatten() {
            if let Some(schema) = schema.as_object() {
                mask_write_only(value, schema);
            }
        }
    }
}
