//! Where a statement stands to transactions.

use super::effect::Transaction;
use super::{lex, name};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use SyntaxKind as K;

/// Settings that are a transaction's mode under another name.
const MODES: [&str; 6] = [
    "transaction_read_only",
    "transaction_isolation",
    "transaction_deferrable",
    "default_transaction_read_only",
    "default_transaction_isolation",
    "default_transaction_deferrable",
];

/// Where a statement's node stands to transactions.
pub(super) fn of(node: &SyntaxNode) -> Transaction {
    let says = |kind| node.children_with_tokens().any(|element| element.kind() == kind);
    let holds = |kind| node.descendants_with_tokens().any(|element| element.kind() == kind);
    let outside = match node.kind() {
        K::BEGIN
        | K::COMMIT_TRANSACTION
        | K::ROLLBACK_TRANSACTION
        | K::ROLLBACK_TO_SAVEPOINT
        | K::SAVEPOINT_CREATE
        | K::RELEASE_SAVEPOINT
        | K::PREPARE_TRANSACTION
        | K::COMMIT_PREPARED
        | K::ROLLBACK_PREPARED
        | K::SET_TRANSACTION => return Transaction::Control,
        K::SET | K::RESET if sets_mode(node) => return Transaction::Control,
        K::CREATE_DATABASE
        | K::DROP_DATABASE
        | K::CREATE_TABLESPACE
        | K::DROP_TABLESPACE
        | K::ALTER_SYSTEM
        | K::VACUUM
        | K::CREATE_SUBSCRIPTION
        | K::DROP_SUBSCRIPTION => true,
        K::CREATE_INDEX | K::DROP_INDEX => says(K::CONCURRENTLY_KW),
        K::REINDEX => {
            holds(K::CONCURRENTLY_KW)
                || holds(K::REINDEX_TARGET_DATABASE)
                || holds(K::REINDEX_TARGET_SCHEMA)
                || holds(K::REINDEX_TARGET_SYSTEM)
        }
        K::CLUSTER | K::REPACK => !holds(K::TABLE_NAME_REF) || says(K::CONCURRENTLY_KW),
        K::ALTER_TABLE => holds(K::DETACH_CONCURRENTLY),
        K::ALTER_DATABASE => holds(K::SET_TABLESPACE),
        K::ALTER_SUBSCRIPTION => {
            holds(K::REFRESH_PUBLICATION)
                || holds(K::SET_PUBLICATION)
                || holds(K::ADD_PUBLICATION)
                || holds(K::DROP_SUBSCRIPTION_PUBLICATION)
        }
        K::DISCARD => says(K::DISCARD_ALL),
        _ => false,
    };
    if outside {
        Transaction::Outside
    } else {
        Transaction::Inside
    }
}

fn sets_mode(node: &SyntaxNode) -> bool {
    let Some(parameter) = node.descendants().find(|inner| inner.kind() == K::CONFIG_PARAMETER_REF) else {
        // `RESET ALL` sets the defaults of these, too.
        return node.kind() == K::RESET;
    };
    let text = parameter.text().to_string();
    let tokens = lex::lex(&text);
    let named = tokens
        .first()
        .and_then(|first| name::named(first, tokens.get(1..).unwrap_or_default()));
    // A name that can't be read may be any.
    named.is_none_or(|name| MODES.contains(&name.to_ascii_lowercase().as_str()))
}
