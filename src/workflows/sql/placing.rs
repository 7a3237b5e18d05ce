//! Where statements stand to transactions, where only the database can tell: looked up before they are judged, and never found out
//! by running them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::statements::Target;
use crate::engine::{Failure, WorkflowContext};
use crate::neon::sql::{Reads, ResultSet};
use crate::sql::{Placement, Routine, Script, Statement, TableName};

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(10);

/// The procedures that may end transactions. A body that is longer than a page of them isn't read, and counts as one that does.
const PROCEDURES: &str = "SELECT p.proname::pg_catalog.text AS name, l.lanname::pg_catalog.text AS language, \
    CASE WHEN pg_catalog.length(p.prosrc) <= 50000 THEN p.prosrc END AS body \
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE p.prokind = 'p' AND l.lanname <> 'sql' \
    AND (l.lanname <> 'plpgsql' OR p.prosrc ~* 'commit|rollback|call')";

/// Which of these tables and indexes are partitioned, by the role's own search path where no schema is named.
const PARTITIONED: &str = "SELECT coalesce(c.relkind IN ('p', 'I'), false) AS partitioned \
    FROM pg_catalog.json_to_recordset($1::json) AS asked(at int, schema text, name text) \
    LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(CASE WHEN asked.schema IS NULL THEN pg_catalog.quote_ident(asked.name) \
    ELSE pg_catalog.concat(pg_catalog.quote_ident(asked.schema), '.', pg_catalog.quote_ident(asked.name)) END)::pg_catalog.oid \
    ORDER BY asked.at";

/// Finds the statements that can run outside of transactions only, though their text doesn't tell: those that call a procedure which
/// commits, and those that rebuild what is partitioned. Tells whether there are any.
///
/// # Errors
/// When the database can't be asked. Nothing is asked where no statement depends on it.
pub(in crate::workflows) async fn place(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    scripts: &mut [Script],
) -> Result<bool, Failure> {
    let statements = || scripts.iter().flat_map(|script| &script.statements);
    let placements: Vec<Option<Placement>> = statements().map(Statement::placement).collect();
    if placements.iter().all(Option::is_none) {
        return Ok(false);
    }
    let made_partitioned: BTreeSet<TableName> = statements().filter_map(Statement::makes_partitioned).collect();
    let mut procedures: Vec<(String, Routine)> = statements().filter_map(Statement::makes_procedure).collect();
    let mut relations: Vec<&TableName> = Vec::new();
    let mut calls = false;
    for placement in placements.iter().flatten() {
        match placement {
            Placement::Relation(relation) => relations.push(relation),
            Placement::Calls(_) => calls = true,
        }
    }
    let connection = target.connect(flow).await?;
    if calls {
        let reads = Reads::own(PROCEDURES, Vec::new()).pinned();
        let results = flow.query(&connection, reads, LOOK).await?;
        let rows = results.first().map(ResultSet::objects).unwrap_or_default();
        procedures.extend(rows.iter().map(|row| {
            let text = |field: &str| row.get(field).and_then(Value::as_str);
            let name = text("name").unwrap_or_default().to_owned();
            (name, Routine::read(text("language").unwrap_or_default(), text("body")))
        }));
    }
    let ending = Routine::ending(&procedures);
    let mut partitioned = Vec::new();
    if !relations.is_empty() {
        let asked = relations.iter().enumerate();
        let asked = asked.map(|(at, name)| json!({"at": at, "schema": name.schema, "name": name.name}));
        let asked = Value::from_iter(asked).to_string();
        let reads = Reads::own(PARTITIONED, vec![asked.into()]);
        let results = flow.query(&connection, reads, LOOK).await?;
        let found = results.first().map(ResultSet::objects).unwrap_or_default();
        partitioned = found
            .iter()
            .map(|row| row.get("partitioned") == Some(&Value::Bool(true)))
            .collect();
    }
    let mut partitioned = partitioned.into_iter();
    let mut any = false;
    let all = scripts.iter_mut().flat_map(|script| &mut script.statements);
    for (statement, placement) in all.zip(&placements) {
        let outside = match placement {
            Some(Placement::Calls(mentioned)) => ending.iter().any(|name| mentioned.contains(*name)),
            Some(Placement::Relation(relation)) => {
                let is = partitioned.next().unwrap_or_default();
                is || made_partitioned.contains(relation)
            }
            None => false,
        };
        if outside {
            *statement = statement.clone().placed_outside();
            any = true;
        }
    }
    Ok(any)
}
