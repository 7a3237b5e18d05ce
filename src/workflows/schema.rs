//! How two schemas differ, for an agent: a unified diff, the objects, and what is lost where one becomes the other.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use similar::TextDiff;

use crate::engine::{Failure, Fence, WorkflowContext};
use crate::neon::views::Branch;
use crate::neon::{BranchId, ProjectId};
use crate::sql::{Difference, Dump, without_comments, without_noise};
use crate::workflows::branch_name::branch_in_words;

/// The most lines of a summary.
const MAX_LINES: usize = 120;

/// The longest line of a summary, in characters.
const MAX_LINE: usize = 300;

/// A database's schema, as Neon dumps it.
pub(super) async fn dump(
    flow: &WorkflowContext<'_, '_>,
    project: &ProjectId,
    branch: &BranchId,
    database: &str,
    at: &[(&str, &str)],
) -> Result<String, Failure> {
    let mut query = vec![("db_name", database)];
    query.extend(at);
    let answer = flow
        .get(
            "/projects/{project_id}/branches/{branch_id}/schema",
            &[("project_id", project.into()), ("branch_id", branch.into())],
            &query,
        )
        .await?;
    match answer.get("sql").and_then(Value::as_str) {
        Some(text) => Ok(without_noise(text)),
        None => Err(Failure::Answer {
            message: "Neon's answer has no schema.".to_owned(),
            changed: crate::neon::Changed::No,
        }),
    }
}

/// How long two schemas are compared: the time grows with the square of what differs. What is found by then is a coarser diff.
const DIFF: Duration = Duration::from_millis(500);

/// A unified diff of statements, with a line of context. It takes long, and is made beside what answers others.
///
/// # Errors
/// When it broke off.
pub(super) async fn unified(before: &str, after: &str) -> Result<String, Failure> {
    let (before, after) = (before.to_owned(), after.to_owned());
    let made = tokio::task::spawn_blocking(move || diff(&before, &after)).await;
    made.map_err(|error| Failure::Internal(format!("the schemas couldn't be compared: {error}")))
}

fn diff(before: &str, after: &str) -> String {
    TextDiff::configure()
        .timeout(DIFF)
        .diff_lines(&without_comments(before), &without_comments(after))
        .unified_diff()
        .context_radius(1)
        .to_string()
}

/// A difference, a line for each object.
pub(super) fn lines(difference: &Difference) -> Vec<String> {
    let added = difference.added.iter().map(|name| format!("+ {name}"));
    let dropped = difference.dropped.iter().map(|name| format!("- {name}"));
    let changed = difference.changed.iter().map(|change| {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(change.added_columns.iter().map(|column| format!("+ {column}")));
        parts.extend(change.dropped_columns.iter().map(|column| format!("- {column}")));
        parts.extend(
            change
                .changed_columns
                .iter()
                .map(|(_, from, to)| format!("{from} -> {to}")),
        );
        if parts.is_empty() {
            format!("~ {}", change.object)
        } else {
            format!("~ {}: {}", change.object, parts.join("; "))
        }
    });
    let losses = difference.losses.iter().map(|loss| format!("! loses {loss}"));
    losses
        .chain(dropped)
        .chain(changed)
        .chain(added)
        .map(|line| shortened(&line))
        .collect()
}

fn shortened(line: &str) -> String {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_LINE {
        return line;
    }
    line.chars().take(MAX_LINE - 1).chain(['…']).collect()
}

/// A difference as part of a result.
pub(super) fn summary(difference: &Difference, fence: &Fence) -> Value {
    let lines = lines(difference);
    let mut text = lines.iter().take(MAX_LINES).cloned().collect::<Vec<_>>().join("\n");
    if lines.len() > MAX_LINES {
        text.push_str(&format!("\n… and {} more", lines.len() - MAX_LINES));
    }
    let mut shown = json!({
        "added": difference.added.len(),
        "changed": difference.changed.len(),
        "dropped": difference.dropped.len(),
        "losses": difference.losses.len(),
    });
    if let (false, Some(object)) = (text.is_empty(), shown.as_object_mut()) {
        object.insert("objects".into(), fence.around(&format!("\n{text}\n")).into());
    }
    shown
}

/// Adds to a comparison of two branches what the base is, and which objects differ: from the base to the branch that was asked for.
pub(super) async fn add_summary(flow: &WorkflowContext<'_, '_>, value: &mut Value) {
    let fence = flow.fence();
    let diff = value.pointer("/result/diff").and_then(Value::as_str);
    let differs = diff.is_some_and(|diff| !diff.is_empty());
    let (shown, note) = match compared(flow, differs).await {
        Ok((base, None)) => (Value::Null, format!("Nothing differs from the base branch, {base}.")),
        Ok((base, Some(difference))) => (
            summary(&difference, fence),
            format!(
                "The summary goes from the base branch, {base}, to this one, and marks with ! what the base would lose; a rename shows \
                 as a drop and an addition."
            ),
        ),
        Err(failure) => (
            Value::Null,
            format!("There is no summary: {}", failure.into_message(fence)),
        ),
    };
    let Some(object) = value.as_object_mut() else { return };
    if !shown.is_null() {
        object.insert("summary".into(), shown);
    }
    if let Some(notes) = object.entry("notes").or_insert_with(|| json!([])).as_array_mut() {
        notes.push(note.into());
    }
}

/// What `compare_database_schema` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompareDatabaseSchema {
    project_id: ProjectId,
    branch_id: BranchId,
    database_name: String,
    base_branch_id: Option<BranchId>,
    lsn: Option<String>,
    timestamp: Option<String>,
    base_lsn: Option<String>,
    base_timestamp: Option<String>,
    /// Of the list that the comparison is: the summary stands beside its first page.
    #[expect(dead_code, reason = "the engine reads the list")]
    cursor: Option<String>,
    #[expect(dead_code, reason = "the engine reads the list")]
    limit: Option<u64>,
}

/// The moment of a branch's past that is looked at, as a query of Neon's API.
fn moment<'m>(lsn: &'m Option<String>, timestamp: &'m Option<String>) -> Vec<(&'static str, &'m str)> {
    [("lsn", lsn), ("timestamp", timestamp)]
        .into_iter()
        .filter_map(|(name, given)| Some((name, given.as_deref()?)))
        .collect()
}

/// The base branch in words, and how the branch differs from it where it does.
async fn compared(flow: &WorkflowContext<'_, '_>, differs: bool) -> Result<(String, Option<Difference>), Failure> {
    let input: CompareDatabaseSchema = flow.input()?;
    let (project, branch) = (&input.project_id, &input.branch_id);
    let database = input.database_name.as_str();
    let base = match &input.base_branch_id {
        Some(base) => base.clone(),
        None => {
            let about = flow.branch(project, branch).await?;
            let parent = Branch::in_answer(&about).parent().known();
            parent.ok_or_else(|| Failure::Answer {
                message: "Neon doesn't say what the branch's parent is.".to_owned(),
                changed: crate::neon::Changed::No,
            })?
        }
    };
    let base_in_words = branch_in_words(flow, project, &base).await;
    if !differs {
        return Ok((base_in_words, None));
    }
    let own = moment(&input.lsn, &input.timestamp);
    let bases = moment(&input.base_lsn, &input.base_timestamp);
    let (after, before) = futures::future::try_join(
        dump(flow, project, branch, database, &own),
        dump(flow, project, &base, database, &bases),
    )
    .await?;
    Ok((base_in_words, Some(Dump::read(&before).to(&Dump::read(&after)))))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::diff;

    #[test]
    fn schemas_that_have_nothing_in_common_are_compared_in_time() {
        let schema = |name: &str| {
            let lines = (0..60_000).map(|number| format!("CREATE TABLE {name}_{number} (id int);\n"));
            lines.collect::<String>()
        };
        let begun = Instant::now();
        let diff = diff(&schema("a"), &schema("b"));
        // It took minutes, and a busy machine is slow.
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert!(diff.contains("a_0 (") && diff.contains("b_59999 ("));
    }
}
