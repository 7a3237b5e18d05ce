//! Whether building indexes would run code of the database's own.

use std::time::Duration;

use serde_json::Value;

use super::statements::{Target, building};
use crate::engine::{Failure, WorkflowContext};
use crate::neon::sql::{Builds, Connection, INDEX_CODE, Reads};
use crate::sql::{Mentions, Script, Statement};

/// How long looking at the indexes may take.
const LOOKING: Duration = Duration::from_secs(15);

/// Whether indexes call code of the database's own once the statements ran where they were tried. What can't be looked at counts as
/// that. Completing asks by it; whatever a block does on the target, each statement that builds an index looks there for itself.
pub(in crate::workflows) async fn index_code_after(
    flow: &WorkflowContext<'_, '_>,
    tried_on: &Connection,
    statements: &[Statement],
) -> bool {
    let all: Vec<&Statement> = statements.iter().collect();
    if !all.iter().any(|statement| statement.builds_indexes()) {
        return false;
    }
    all.iter().any(|statement| makes_code(statement)) || call_code(flow, tried_on, &all).await.unwrap_or(true)
}

/// Whether building indexes would run code of the database's own: what the statements mention, or what indexes, operator classes,
/// range types, casts and statistics are made of, or what the statements make themselves. Code in C or of Postgres itself isn't
/// meant. What a block or a procedure makes isn't told by its text: where it was tried, what was found there counts.
pub(in crate::workflows) async fn indexes_call_code(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    scripts: &[Script],
) -> Result<bool, Failure> {
    let statements: Vec<&Statement> = scripts.iter().flat_map(|script| &script.statements).collect();
    let found_when_tried = flow
        .prepared()
        .ok()
        .and_then(|prepared| prepared.get("index_code")?.as_bool());
    let unknown = statements.iter().any(|statement| runs_any(statement)) && found_when_tried.is_none();
    if unknown || found_when_tried == Some(true) || statements.iter().any(|statement| makes_code(statement)) {
        return Ok(true);
    }
    let connection = target.connect(flow).await?;
    call_code(flow, &connection, &statements).await
}

/// Whether a statement may make what an index calls later.
fn makes_code(statement: &Statement) -> bool {
    const CODE: [&str; 9] = [
        "FUNCTION",
        "PROCEDURE",
        "ROUTINE",
        "AGGREGATE",
        "OPERATOR",
        "CAST",
        "EXTENSION",
        "LANGUAGE",
        "STATISTICS",
    ];
    let makes = statement.kind.starts_with("CREATE")
        || statement.kind.starts_with("ALTER")
        || statement.kind.starts_with("IMPORT");
    // What a column's own type is changed to is no new type.
    let object = statement.kind.split(" … ").next().unwrap_or_default();
    makes && CODE.iter().any(|word| object.contains(word))
}

/// Whether a statement may make or run anything, whatever its text says.
fn runs_any(statement: &Statement) -> bool {
    matches!(statement.kind.as_str(), "DO" | "CALL" | "EXECUTE")
}

/// Whether a statement makes or changes a type or a domain. Neither is code: what a range type or a check calls is a function that is
/// there already and stands in the text, or a cast, which needn't.
fn makes_type(statement: &Statement) -> bool {
    let object = statement.kind.split(" … ").next().unwrap_or_default();
    (object.starts_with("CREATE") || object.starts_with("ALTER"))
        && ["TYPE", "DOMAIN"].iter().any(|word| object.contains(word))
}

/// Whether building indexes would run code of the database's own, as it is at this moment.
async fn call_code(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    statements: &[&Statement],
) -> Result<bool, Failure> {
    let mentions = Mentions::all(statements.iter().map(|statement| statement.mentions()));
    let brings = statements
        .iter()
        .any(|statement| building(statement) == Some(Builds::Expressions) || makes_type(statement));
    let mentioned = mentions.to_json();
    let parameters = vec![mentioned.to_string().into(), brings.to_string().into(), "".into()];
    let reads = Reads::own(INDEX_CODE, parameters).pinned();
    let results = flow.query(connection, reads, LOOKING).await?;
    Ok(results.first().and_then(|result| result.first("calls")) != Some(Value::Bool(false)))
}
