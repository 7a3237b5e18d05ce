//! Results for whoever typed the call: what is said to an agent about its user is said to the user.

use serde_json::Value;

/// Kinds of errors by which the human at this terminal didn't approve a call.
const NOT_APPROVED: [&str; 4] = ["rejected", "cancelled_by_user", "approval_timed_out", "wrong_name"];

/// How a text begins that an agent is to hand on.
const TO_AN_AGENT: [&str; 5] = [
    "Tell the user to ",
    "Tell the user: ",
    "Ask the user to ",
    "ask the user to ",
    "Tell the user that ",
];

/// The same result, spoken to the human.
pub(super) fn to_a_human(mut result: Value) -> Value {
    let Some(error) = result.get_mut("error").and_then(Value::as_object_mut) else {
        return result;
    };
    let kind = error.get("kind").and_then(Value::as_str).unwrap_or_default();
    if NOT_APPROVED.contains(&kind) {
        let why = match kind {
            "approval_timed_out" => "Nobody answered in time: not approved; nothing was changed.",
            "wrong_name" => "What was typed isn't the name: not approved; nothing was changed.",
            _ => "Not approved; nothing was changed.",
        };
        error.insert("message".to_owned(), why.into());
        error.shift_remove("next");
        return result;
    }
    if let Some(Value::String(next)) = error.get_mut("next") {
        *next = spoken(next);
    }
    result
}

/// A sentence for an agent about its user, as it is said to that user.
pub(super) fn spoken(text: &str) -> String {
    let text = TO_AN_AGENT
        .iter()
        .find_map(|begin| text.strip_prefix(begin))
        .unwrap_or(text);
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_of_a_terminal_speaks_to_who_sits_there() {
        let said = |kind: &str, next: &str| to_a_human(json!({"error": {"kind": kind, "message": "m", "next": next}}));
        let rejected = said("rejected", "Take it as the user's decision.");
        assert_eq!(rejected["error"]["message"], "Not approved; nothing was changed.");
        assert_eq!(rejected["error"].get("next"), None);
        let signed_out = said("not_signed_in", "Tell the user to sign in: `neon-mcp login`.");
        assert_eq!(signed_out["error"]["next"], "Sign in: `neon-mcp login`.");
        assert_eq!(to_a_human(json!({"result": 1})), json!({"result": 1}));
    }
}
