//! What a statement that runs in no transaction can do, where nothing can measure it and take it back.

use super::effect::Transaction;
use super::{lex, name};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use SyntaxKind as K;

/// What running a statement outside of a transaction risks. Later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unguarded {
    /// It runs inside one, or ends one.
    No,
    /// It can lose nothing, and runs no code of the database's own: `CREATE INDEX CONCURRENTLY` over plain columns,
    /// `CREATE DATABASE`.
    Harmless,
    /// It evaluates expressions of indexes, which can call functions of the database's own: `REINDEX`, `VACUUM`,
    /// `CLUSTER` of everything, `CREATE INDEX CONCURRENTLY` with an expression or a predicate.
    RebuildsIndexes,
    /// It may lose something: whatever isn't known to be one of the others.
    MayLose,
}

/// What a statement of this node risks.
pub(super) fn of(node: &SyntaxNode, transaction: Transaction) -> Unguarded {
    if transaction != Transaction::Outside {
        return Unguarded::No;
    }
    match node.kind() {
        K::CREATE_DATABASE => Unguarded::Harmless,
        K::CREATE_INDEX if is_plain(node) => Unguarded::Harmless,
        K::CREATE_INDEX | K::REINDEX | K::CLUSTER | K::REPACK => Unguarded::RebuildsIndexes,
        K::VACUUM => vacuum(node),
        _ => Unguarded::MayLose,
    }
}

/// Whether an index is one of Postgres' own kinds over columns alone, so that building it evaluates nothing else.
fn is_plain(node: &SyntaxNode) -> bool {
    const METHODS: [&str; 6] = ["btree", "hash", "gin", "gist", "spgist", "brin"];
    let child = |kind| node.children().filter(move |child| child.kind() == kind);
    let columns = child(K::PARTITION_ITEM_LIST)
        .flat_map(|list| list.children().collect::<Vec<_>>())
        .all(|item| {
            item.children().all(|part| {
                matches!(
                    part.kind(),
                    K::NAME_REF | K::SORT_ASC | K::SORT_DESC | K::NULLS_FIRST | K::NULLS_LAST
                )
            })
        });
    let methods = child(K::USING_METHOD).all(|method| {
        let text = method.text().to_string();
        let tokens = lex::lex(&text);
        tokens
            .get(1)
            .and_then(|named| name::named(named, tokens.get(2..).unwrap_or_default()))
            .is_some_and(|named| METHODS.contains(&named.as_str()))
    });
    let known = node.children().all(|part| {
        matches!(
            part.kind(),
            K::IF_NOT_EXISTS
                | K::INDEX
                | K::TABLE_RELATION_NAME
                | K::USING_METHOD
                | K::PARTITION_ITEM_LIST
                | K::INDEX_INCLUDE_CLAUSE
                | K::NULLS_DISTINCT
                | K::NULLS_NOT_DISTINCT
                | K::TABLESPACE_CLAUSE
        )
    });
    let calls = node.descendants().any(|inner| inner.kind() == K::CALL_EXPR);
    columns && methods && known && !calls
}

fn vacuum(node: &SyntaxNode) -> Unguarded {
    const HARMLESS: [&str; 11] = [
        "freeze",
        "verbose",
        "disable_page_skipping",
        "skip_locked",
        "index_cleanup",
        "process_main",
        "process_toast",
        "truncate",
        "parallel",
        "skip_database_stats",
        "buffer_usage_limit",
    ];
    let says = |kind| node.children_with_tokens().any(|element| element.kind() == kind);
    // Cleaning a BRIN index summarizes it, which evaluates its expressions.
    let mut worst = Unguarded::RebuildsIndexes;
    if says(K::FULL_KW) || says(K::ANALYZE_KW) || says(K::ANALYSE_KW) {
        worst = Unguarded::RebuildsIndexes;
    }
    for option in node.descendants().filter(|inner| inner.kind() == K::VACUUM_OPTION) {
        let text = option.text().to_string();
        let tokens = lex::lex(&text);
        let named = tokens
            .first()
            .and_then(|first| name::named(first, tokens.get(1..).unwrap_or_default()));
        let found = match named.as_deref() {
            Some("full" | "analyze" | "analyse") if is_off(&tokens) => Unguarded::Harmless,
            Some("full" | "analyze" | "analyse") => Unguarded::RebuildsIndexes,
            Some(option) if HARMLESS.contains(&option) => Unguarded::Harmless,
            // Postgres may have more of them some day.
            _ => Unguarded::MayLose,
        };
        worst = worst.max(found);
    }
    worst
}

/// Whether an option's value says no, in one of the forms that Postgres takes. What can't be read doesn't.
fn is_off(option: &[lex::Token<'_>]) -> bool {
    let [_, value] = option else { return false };
    let meaning = name::string(value, &[]).unwrap_or_else(|| value.text.to_owned());
    matches!(meaning.to_ascii_lowercase().as_str(), "off" | "false" | "0")
}
