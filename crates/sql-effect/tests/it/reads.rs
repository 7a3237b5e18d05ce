//! Ordinary queries, written by hand and put together from parts: none is refused.

use super::only;
use harness::sql::{made, written};
use sql_effect::{Reading, StatementEffect, Transaction};

#[test]
fn ordinary_queries_are_reads() {
    let queries = [written(), made()].concat();
    for query in &queries {
        let statement = only(query);
        assert_eq!(
            statement.effect,
            StatementEffect::Read,
            "{query}: {:?}",
            statement.reasons
        );
        assert_eq!(statement.transaction, Transaction::Inside, "{query}");
        assert!(statement.tables.is_empty(), "{query}");
        assert!(Reading::prove(query).is_some(), "{query}");
    }
    assert!(queries.len() >= 600, "only {} queries", queries.len());
}
