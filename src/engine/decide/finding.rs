//! What is found at Neon about the target of a call, where a declaration asks for it.

use serde_json::{Map, Value};

use crate::catalog::{Finding, Tool};
use crate::engine::decide::target::branch_of;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::values::{id, items};
use crate::neon::ProjectId;

/// The answer, and what was found in it.
pub(in crate::engine) struct Found {
    /// The items that fit, or the answer itself; none where the finding is that there is none.
    pub(in crate::engine) items: Vec<Value>,
}

/// What the declaration asks for, where it is there. What can't be read isn't.
pub(in crate::engine) async fn find(
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    finding: &Finding,
    arguments: &Map<String, Value>,
) -> Option<Found> {
    let answer = read(look, tool, finding, arguments).await.ok()??;
    if let Some(whole) = &finding.answer
        && (!is_whole(&answer) || whole.fits_value(&answer) != Some(true))
    {
        return None;
    }
    let fits = |item: &Value| {
        let is = finding.is.as_ref();
        let equal = match (&finding.field, &finding.argument) {
            (Some(field), Some(argument)) => arguments
                .get(argument)
                .is_some_and(|wanted| item.pointer(field) == Some(wanted)),
            _ => true,
        };
        equal && is.is_none_or(|is| is.fits_value(item) == Some(true))
    };
    let items: Vec<Value> = match &finding.list {
        Some(list) => {
            let list = answer.pointer(list).filter(|list| list.is_array())?;
            items(list).filter(|item| fits(item)).cloned().collect()
        }
        None if fits(&answer) => vec![answer.clone()],
        None => Vec::new(),
    };
    if finding.absent {
        let given = finding
            .argument
            .as_ref()
            .is_none_or(|name| arguments.contains_key(name));
        let none = items.is_empty() && is_whole(&answer) && given;
        return none.then(|| Found { items: Vec::new() });
    }
    (!items.is_empty()).then_some(Found { items })
}

async fn read(
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    finding: &Finding,
    arguments: &Map<String, Value>,
) -> Result<Option<Value>, Failure> {
    if let Some(reader) = &finding.read {
        return look
            .tool(reader, &finding.with, arguments)
            .await
            .map(|answer| Some((*answer).clone()));
    }
    let (Some(project), Some(branch)) = (
        id::<ProjectId>(arguments, "project_id")?,
        branch_of(look, tool, arguments).await?,
    ) else {
        return Ok(None);
    };
    look.branch(&project, &branch)
        .await
        .map(|answer| Some((*answer).clone()))
}

/// What people call an item, where it has such a name.
pub(in crate::engine) fn name_of(item: &Value) -> Option<&str> {
    let pointers = [
        "/name",
        "/domain",
        "/email",
        "/user/email",
        "/granted_to_email",
        "/jwks_url",
    ];
    let mut found = pointers.iter().filter_map(|pointer| item.pointer(pointer)?.as_str());
    found.find(|name| !name.is_empty())
}

/// Whether an answer with a list holds all of it.
pub(in crate::engine) fn is_whole(answer: &Value) -> bool {
    let more = ["/pagination/next", "/pagination/cursor", "/next_cursor"];
    let has_more = more.iter().any(|pointer| {
        answer
            .pointer(pointer)
            .and_then(Value::as_str)
            .is_some_and(|next| !next.is_empty())
    });
    !has_more && answer.pointer("/is_truncated") != Some(&Value::Bool(true))
}
