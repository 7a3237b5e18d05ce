//! Names of relations in a parsed statement.

use super::lex;
use super::name::{self, TableName};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// The relations that a statement of this node changes or drops: those it names outside of its clauses.
pub(super) fn changed(node: &SyntaxNode) -> Vec<TableName> {
    use SyntaxKind as K;
    let mut names = Vec::new();
    for child in node.children() {
        let names_relation = matches!(
            child.kind(),
            K::RELATION_NAME
                | K::RELATION_NAME_REF
                | K::TABLE_NAME_REF
                | K::TABLE_RELATION_NAME
                | K::TABLE_LIST
                | K::RELATION_LIST
                | K::TABLE_AND_COLUMNS_LIST
                | K::COPY_TABLE
                | K::VIEW_REF
                | K::REINDEX_TARGET_TABLE
        );
        if names_relation {
            names.extend(
                child
                    .descendants()
                    .filter(is_whole_path)
                    .filter_map(|path| table(&path)),
            );
        }
    }
    names
}

/// Whether a name is one of Postgres' own catalogs or views of them, in which a change of rows is a change of anything:
/// `UPDATE pg_settings` changes a setting.
pub(super) fn is_catalog(table: &TableName) -> bool {
    match table.schema.as_deref() {
        Some(schema) => matches!(schema, "pg_catalog" | "information_schema" | "pg_toast"),
        None => table.name.starts_with("pg_"),
    }
}

/// Whether a path isn't the qualifying part of a longer one.
fn is_whole_path(node: &SyntaxNode) -> bool {
    node.kind() == SyntaxKind::PATH_REF && node.parent().is_none_or(|parent| parent.kind() != SyntaxKind::PATH_REF)
}

/// The name that a path spells.
fn table(path: &SyntaxNode) -> Option<TableName> {
    let text = path.text().to_string();
    name::path(&lex::lex(&text))
}

/// The names in a list, for a sentence.
pub(super) fn listed(names: &[TableName]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<_> = names.iter().take(SHOWN).map(ToString::to_string).collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    shown.join(", ")
}
