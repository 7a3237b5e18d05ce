//! What the actions of an `ALTER` do.

use super::grade::Grade;
use super::{kind, lex, name};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use Grade::{Destructive, Leaves, Write};
use SyntaxKind as K;

/// What `SECURITY DEFINER` does.
pub(super) const SECURITY_DEFINER: &str = "gives everyone who may call it the rights of its owner";

/// What `LEAKPROOF` does.
pub(super) const LEAKPROOF: &str = "lets a routine see rows that a policy or view hides";

/// What a publication of all tables, or of a schema's, does.
pub(super) const PUBLISHES_ALL: &str = "publishes tables that aren't named, those made later among them";

/// Whether a publication's objects include tables that aren't named.
pub(super) fn publishes_all(node: &SyntaxNode) -> bool {
    let unnamed = |kind| {
        matches!(
            kind,
            K::PUBLICATION_OBJECT_TABLES_IN_SCHEMA
                | K::FOR_ALL_PUBLICATION_OBJECTS
                | K::ALL_PUBLICATION_TABLES
                | K::SET_ALL_PUBLICATION_OBJECT_LIST
        )
    };
    node.descendants().any(|inner| unnamed(inner.kind()))
}

/// Whether options that are set or reset leave a view without its protection.
fn protection_off(node: &SyntaxNode) -> bool {
    const PROTECTIONS: [&str; 3] = ["security_invoker", "security_barrier", "check_option"];
    node.descendants()
        .filter(|inner| inner.kind() == K::ATTRIBUTE_OPTION)
        .any(|option| {
            let text = option.text().to_string();
            let tokens = lex::lex(&text);
            let named = tokens
                .first()
                .and_then(|first| name::named(first, tokens.get(1..).unwrap_or_default()));
            // What can't be read may be any.
            let protects = named.is_none_or(|name| PROTECTIONS.contains(&name.to_ascii_lowercase().as_str()));
            let value = tokens.iter().position(|token| token.text == "=").map(|equals| {
                let value = tokens.get(equals + 1..).unwrap_or_default();
                let text: String = value.iter().map(|token| token.text.to_ascii_lowercase()).collect();
                text.trim_matches('\'').to_owned()
            });
            let on = match value.as_deref() {
                None => node.kind() == K::SET_OPTIONS,
                Some(value) => matches!(value, "on" | "true" | "yes" | "1" | "t" | "y" | "local" | "cascaded"),
            };
            protects && !on
        })
}

/// Whether a routine's `SET` fixes where it looks names up: to nothing, or to Postgres' own schemas.
fn pins_search_path(node: &SyntaxNode) -> bool {
    let text = node.text().to_string();
    let tokens = lex::lex(&text);
    let [set, path, assigned, values @ ..] = tokens.as_slice() else {
        return false;
    };
    let own = |token: &lex::Token<'_>| {
        let meaning = name::string(token, &[]).or_else(|| name::named(token, &[]));
        token.kind == lex::Kind::Comma
            || meaning.is_some_and(|schema| matches!(schema.as_str(), "" | "pg_catalog" | "pg_temp"))
    };
    set.is("set") && path.is("search_path") && (assigned.is("to") || assigned.text == "=") && values.iter().all(own)
}

/// One action of an `ALTER`.
pub(super) struct Action {
    pub name: String,
    pub effect: Grade,
    /// Why it is destructive; empty for the others.
    pub reason: String,
}

/// The actions of a node that is an `ALTER …`.
pub(super) fn actions(node: &SyntaxNode) -> Vec<Action> {
    let mut found = Vec::new();
    for child in node.children() {
        match child.kind() {
            K::ALTER_COLUMN | K::ALTER_VIEW_COLUMN | K::ALTER_TYPE_ATTRIBUTE_ACTION_LIST | K::FUNC_OPTION_LIST => {
                found.extend(child.children().filter_map(|inner| action(child.kind(), &inner)));
            }
            _ => found.extend(action(node.kind(), &child)),
        }
    }
    found
}

fn action(outer: SyntaxKind, node: &SyntaxNode) -> Option<Action> {
    let kind = node.kind();
    let name = format!("{kind:?}");
    const VERBS: [&str; 19] = [
        "ADD_",
        "ALTER_",
        "ATTACH_",
        "CLUSTER_",
        "DETACH_",
        "DISABLE",
        "DROP_",
        "ENABLE",
        "FORCE_",
        "INHERIT",
        "MERGE_",
        "NO_",
        "OWNER_",
        "RENAME_",
        "REPLICA_",
        "RESET_",
        "SET_",
        "SPLIT_",
        "VALIDATE_",
    ];
    let option = outer == K::FUNC_OPTION_LIST;
    if !option && !VERBS.iter().any(|verb| name.starts_with(verb)) && !name.ends_with("_RENAME_TO") {
        return None;
    }
    let holds = |kind| node.descendants().any(|inner| inner.kind() == kind);
    let reason = match kind {
        // Nothing of these is lost with them: what a column holds and who may see it stays.
        K::DROP_DEFAULT | K::DROP_NOT_NULL | K::DROP_EXPRESSION | K::DROP_IDENTITY | K::NO_DEPENDS_ON_EXTENSION => None,
        K::DROP_COLUMN => Some("drops a column and what it holds"),
        K::DROP_ATTRIBUTE => Some("drops an attribute and what it holds"),
        K::DROP_CONSTRAINT => Some("drops a constraint"),
        K::ALTER_EXTENSION_DROP => Some("takes something out of an extension"),
        K::SET_TYPE => Some("changes a column's type, which can lose what doesn't fit"),
        K::DETACH_PARTITION => Some("takes a partition's rows out of the table"),
        K::NO_INHERIT_TABLE => Some("takes the table's rows out of its parent"),
        K::MERGE_PARTITIONS | K::SPLIT_PARTITION => Some("replaces partitions"),
        K::DISABLE_RLS | K::NO_FORCE_RLS => Some("turns row level security off"),
        K::DISABLE_TRIGGER => Some("turns triggers off, and foreign keys can be among them"),
        K::DISABLE_RULE => Some("turns a rule off"),
        K::ENABLE_REPLICA_TRIGGER => Some("turns a trigger off but for replication"),
        K::ENABLE_REPLICA_RULE => Some("turns a rule off but for replication"),
        K::REPLICA_IDENTITY if holds(K::REPLICA_IDENTITY_NOTHING) => {
            Some("leaves changes of its rows without what replication finds them by")
        }
        K::ALTER_CONSTRAINT if holds(K::NOT_ENFORCED) => Some("turns a constraint off"),
        K::ALTER_CONSTRAINT if holds(K::NO_INHERIT) => Some("turns a constraint off for the tables that inherit it"),
        K::SET_OPTIONS | K::RESET_OPTIONS if protection_off(node) => {
            Some("turns off what keeps a view from showing rows to those who may not see them")
        }
        K::ALTER_ATTRIBUTE => Some("changes an attribute's type, which can lose what doesn't fit"),
        K::SET_EXPRESSION => Some("replaces what a column holds"),
        K::ALTER_EXTENSION_UPDATE => Some("runs an extension's scripts, which can't be taken back"),
        K::SET_PUBLICATION_OBJECTS => Some("replaces what is published"),
        K::SECURITY_DEFINER_FUNC_OPTION => Some(SECURITY_DEFINER),
        K::LEAKPROOF_FUNC_OPTION => Some(LEAKPROOF),
        K::RESET_FUNC_OPTION => Some("takes back the settings that a routine runs with"),
        K::SET_FUNC_OPTION if !pins_search_path(node) => Some("changes the settings that a routine runs with"),
        K::OWNER_TO => Some("changes who owns it"),
        K::SET_UNLOGGED => Some("makes a table unlogged, which is empty after the compute restarts"),
        K::SET_WITHOUT_OIDS => Some("drops the table's object ids"),
        _ if name.starts_with("DROP_") => Some("drops a part of it"),
        _ => None,
    };
    if option && reason.is_none() && kind != K::SET_FUNC_OPTION {
        return None;
    }
    // What is published goes to whoever subscribes.
    let leaves = matches!(
        kind,
        K::ADD_PUBLICATION_OBJECTS | K::SET_PUBLICATION_OBJECTS | K::SET_ALL_PUBLICATION_OBJECT_LIST
    ) && publishes_all(node);
    let reason = if leaves { Some(PUBLISHES_ALL) } else { reason };
    let called = kind::action(Some(outer), kind);
    let subject = matches!(
        kind,
        K::DROP_COLUMN | K::DROP_CONSTRAINT | K::DROP_ATTRIBUTE | K::DETACH_PARTITION | K::OWNER_TO
    )
    .then(|| format!(" ({})", name::excerpt(&node.text().to_string())));
    Some(Action {
        name: called,
        effect: match reason {
            _ if leaves => Leaves,
            Some(_) => Destructive,
            None => Write,
        },
        reason: reason
            .map(|reason| format!("{reason}{}", subject.unwrap_or_default()))
            .unwrap_or_default(),
    })
}
