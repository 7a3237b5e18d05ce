//! What Neon says of a refusal: mostly a code and a message, and of some refusals a list of what is in the way.

use serde::Deserialize;
use serde_json::Value;

/// Neon's error body; every field may be missing.
#[derive(Deserialize)]
pub(super) struct ErrorBody {
    #[serde(default)]
    pub(super) request_id: Option<String>,
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    /// Sent for features that are off.
    #[serde(default)]
    pub(super) reason: Option<String>,
    /// Limits that aren't met, in place of a message: `name`, `expected`, `actual`.
    #[serde(default)]
    limits: Value,
    /// Reasons in place of a message: `message`, `code`.
    #[serde(default)]
    reasons: Value,
    /// Projects that are in the way, in place of a message: `id`, `integration`.
    #[serde(default)]
    projects: Value,
}

impl ErrorBody {
    /// The message, or what stands in its place.
    pub(super) fn words(&self) -> Option<String> {
        let text = |item: &Value, field: &str| item.get(field).and_then(Value::as_str).unwrap_or("?").to_owned();
        let limit = |item: &Value| {
            let (name, actual, expected) = (text(item, "name"), text(item, "actual"), text(item, "expected"));
            format!("{name} is {actual}, and must be {expected}")
        };
        let reason = |item: &Value| text(item, "message");
        let project = |item: &Value| {
            format!(
                "project {} has the integration {}",
                text(item, "id"),
                text(item, "integration")
            )
        };
        let listed = |list: &Value, say: &dyn Fn(&Value) -> String| {
            let items = list.as_array().filter(|items| !items.is_empty())?;
            Some(items.iter().map(say).collect::<Vec<_>>().join("; "))
        };
        self.message
            .clone()
            .filter(|message| !message.is_empty())
            .or_else(|| listed(&self.limits, &limit))
            .or_else(|| listed(&self.reasons, &reason))
            .or_else(|| listed(&self.projects, &project))
    }
}
