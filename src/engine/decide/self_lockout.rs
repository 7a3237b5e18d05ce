//! The API key that this server uses: no call may revoke it.

use serde_json::{Map, Value};

use crate::catalog::Tool;
use crate::engine::error::{ArgumentProblem, Failure};
use crate::engine::snapshot::ReadSnapshot;

/// Refuses a call that would revoke the key that it is made with. Where Neon doesn't tell which key that is, nobody can
/// know: the human who is asked sees when the key was last used.
pub(in crate::engine) async fn check(
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    arguments: &Map<String, Value>,
) -> Result<(), Failure> {
    let Some(argument) = &tool.declaration.safety.spares_own_key else {
        return Ok(());
    };
    let authentication = look.authentication().await?;
    let told = |field: &str| authentication.get(field).and_then(Value::as_str).unwrap_or_default();
    let own = told("auth_method").starts_with("api_key").then(|| told("auth_data"));
    let named = arguments.get(argument).map(Value::to_string);
    if own.is_none() || own != named.as_deref() {
        return Ok(());
    }
    Err(Failure::Arguments(vec![ArgumentProblem {
        argument: argument.clone(),
        message: "is the key that this server itself uses: without it nothing works here any more. \
                  Whoever runs the server can revoke it at Neon."
            .to_owned(),
    }]))
}
