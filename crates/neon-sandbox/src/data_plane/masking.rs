//! Masking: the rules of an anonymized branch, applied to its rows.
//!
//! Neon masks with the extension `anon` (PostgreSQL Anonymizer), which few machines have. The functions of it that Neon's
//! guides name are made here in SQL, in a schema `anon` that is there while the rules run. A function beyond them is an
//! error, as one that doesn't exist is at Neon.

use std::collections::BTreeMap;

use super::{
    DataPlaneError,
    contents::{identifier, literal},
    server::Server,
};
use crate::state::anonymization::MaskingRule;

/// The functions.
const FUNCTIONS: &str = include_str!("anon.sql");

/// Applies rules, each database's in one transaction.
pub(crate) async fn apply(server: &Server, rules: &[MaskingRule]) -> Result<(), DataPlaneError> {
    let mut databases: BTreeMap<&str, BTreeMap<(&str, &str), Vec<&MaskingRule>>> = BTreeMap::new();
    for rule in rules {
        databases
            .entry(&rule.database_name)
            .or_default()
            .entry((&rule.schema_name, &rule.table_name))
            .or_default()
            .push(rule);
    }
    for (database, tables) in databases {
        let client = server.connect(database).await?;
        let run = |error: tokio_postgres::Error| DataPlaneError::sql("mask rows", &error);
        client.batch_execute(FUNCTIONS).await.map_err(run)?;
        let masked = mask(&client, database, &tables).await;
        // The connection is the superuser's again when its session's user is reset.
        let cleared = client
            .batch_execute("ROLLBACK; RESET SESSION AUTHORIZATION; DROP SCHEMA IF EXISTS anon CASCADE")
            .await
            .map_err(run);
        masked?;
        cleared?;
    }
    Ok(())
}

async fn mask(
    client: &tokio_postgres::Client,
    database: &str,
    tables: &BTreeMap<(&str, &str), Vec<&MaskingRule>>,
) -> Result<(), DataPlaneError> {
    let run = |error: tokio_postgres::Error| DataPlaneError::sql("mask rows", &error);
    // Rules hold expressions of whoever made them: they run as the database's owner, and never as the superuser.
    let row = client
        .query_one(
            "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1",
            &[&database],
        )
        .await
        .map_err(run)?;
    let owner: String = row.try_get(0).map_err(run)?;
    client
        .batch_execute(&format!("SET SESSION AUTHORIZATION {}; BEGIN", identifier(&owner)))
        .await
        .map_err(run)?;
    for ((schema, table), rules) in tables {
        let mut changes = Vec::new();
        for rule in rules {
            let column = identifier(&rule.column_name);
            match (&rule.masking_function, &rule.masking_value) {
                (Some(function), _) => changes.push(format!("{column} = {function}")),
                (None, Some(value)) => changes.push(format!("{column} = {}", constant(value))),
                (None, None) => {}
            }
        }
        if changes.is_empty() {
            continue;
        }
        let statement = format!(
            "UPDATE {}.{} SET {}",
            identifier(schema),
            identifier(table),
            changes.join(", ")
        );
        // Prepared, so that it can be one statement only.
        client.execute(&statement, &[]).await.map_err(run)?;
    }
    client.batch_execute("COMMIT").await.map_err(run)
}

/// A value as SQL takes it: what is a constant already stays one, the rest is text.
fn constant(value: &str) -> String {
    let text = value.trim();
    let quoted = text.len() >= 2
        && text.starts_with('\'')
        && text.ends_with('\'')
        && !text
            .get(1..text.len() - 1)
            .unwrap_or_default()
            .replace("''", "")
            .contains('\'');
    let word = matches!(text.to_ascii_lowercase().as_str(), "null" | "true" | "false");
    if quoted || word || text.parse::<f64>().is_ok_and(f64::is_finite) {
        text.to_owned()
    } else {
        literal(value)
    }
}
