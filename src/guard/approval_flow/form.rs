//! The form that a client puts to its human, when it comes back.

use serde_json::Value;

use super::not_approved::NotApproved;
use super::question::Reply;
use crate::guard::plan::Plan;
use crate::text::one_line;

/// The field of the form that a severe plan asks for.
pub const NAME_FIELD: &str = "name";

/// The field of the form that any other plan asks for: it must be true.
pub const APPROVE_FIELD: &str = "approve";

/// The form, when a human accepted it.
pub(super) fn accepted(reply: &Reply) -> Result<&Value, NotApproved> {
    match reply {
        Reply::Accepted(content) => Ok(content),
        Reply::Rejected => Err(NotApproved::Rejected),
        Reply::Cancelled => Err(NotApproved::Cancelled),
        Reply::Silence => Err(NotApproved::TimedOut),
        Reply::Malformed(what) => Err(NotApproved::Malformed(one_line(what, 200))),
    }
}

/// Checks that the form approves the plan.
pub(super) fn read_form(plan: &Plan, content: &Value) -> Result<(), NotApproved> {
    let Some(form) = content.as_object() else {
        return Err(NotApproved::Malformed("the form is missing".to_owned()));
    };
    match plan.type_name() {
        Some(expected) => match form.get(NAME_FIELD) {
            Some(Value::String(typed)) if expected.matches(typed) => Ok(()),
            Some(Value::String(_)) => Err(NotApproved::WrongName(expected.clone())),
            Some(_) => Err(NotApproved::Malformed(format!("`{NAME_FIELD}` is no text"))),
            None => Err(NotApproved::Malformed(format!("`{NAME_FIELD}` is missing"))),
        },
        // Whoever must type a name and has none to type can't approve.
        None if plan.assessment().severe() => Err(NotApproved::Malformed("there is no name to type".to_owned())),
        None => match form.get(APPROVE_FIELD) {
            Some(Value::Bool(true)) => Ok(()),
            Some(Value::Bool(false)) | None => Err(NotApproved::NotTicked),
            Some(_) => Err(NotApproved::Malformed(format!(
                "`{APPROVE_FIELD}` is neither true nor false"
            ))),
        },
    }
}
