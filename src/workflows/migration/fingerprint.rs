//! A database's schema in one value, computed by Postgres: the same for two branches with the same schema, another one as soon
//! as anything of it differs. Rows, sizes, statistics and a sequence's position don't count.

use std::time::Duration;

use serde_json::Value;

use crate::engine::{Failure, WorkflowContext};
use crate::neon::Changed;
use crate::neon::sql::{Connection, Reads};

/// How long it may take: it reads the catalogue whole.
const PATIENCE: Duration = Duration::from_secs(60);

/// A query of one row and one column, `fingerprint`.
const FINGERPRINT: &str = include_str!("fingerprint.sql");

/// A statement that fails with our own words where the schema isn't that of the first parameter any more; the second makes
/// the words such that no other statement could say them.
const UNMOVED: &str = concat!(
    "SELECT CASE WHEN f.fingerprint = $1 THEN 0 ELSE ('moved ' || $2 || f.fingerprint)::int4 END AS unmoved FROM (",
    include_str!("fingerprint.sql"),
    ") f"
);

/// A schema's fingerprint now.
pub(super) async fn of(flow: &WorkflowContext<'_, '_>, connection: &Connection) -> Result<String, Failure> {
    let reads = Reads::own(FINGERPRINT, Vec::new()).pinned();
    let results = flow.query(connection, reads, PATIENCE).await?;
    results
        .last()
        .and_then(|result| result.first("fingerprint"))
        .and_then(|fingerprint| fingerprint.as_str().map(str::to_owned))
        .ok_or_else(|| Failure::Answer {
            message: "Postgres' answer has no fingerprint of the schema.".to_owned(),
            changed: Changed::No,
        })
}

/// The first statement of a transaction that must find the schema as it was. Where it doesn't, Postgres ends the transaction
/// with an error that holds `mark`, and nothing after it runs. It runs where every name is Postgres' own.
pub(super) fn unmoved(fingerprint: &str, mark: &str) -> (&'static str, Vec<Value>) {
    (UNMOVED, vec![fingerprint.into(), mark.into()])
}
