//! What the actions of an `ALTER` do.

use super::grade::Grade;
use super::{kind, name};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use Grade::{Destructive, Write};
use SyntaxKind as K;

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
            K::ALTER_COLUMN | K::ALTER_TYPE_ATTRIBUTE_ACTION_LIST | K::ALTER_ATTRIBUTE => {
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
    if !VERBS.iter().any(|verb| name.starts_with(verb)) && !name.ends_with("_RENAME_TO") {
        return None;
    }
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
        K::OWNER_TO => Some("changes who owns it"),
        K::SET_UNLOGGED => Some("makes a table unlogged, which is empty after the compute restarts"),
        K::SET_WITHOUT_OIDS => Some("drops the table's object ids"),
        _ if name.starts_with("DROP_") => Some("drops a part of it"),
        _ => None,
    };
    let called = kind::action(Some(outer), kind);
    let subject = matches!(
        kind,
        K::DROP_COLUMN | K::DROP_CONSTRAINT | K::DROP_ATTRIBUTE | K::DETACH_PARTITION | K::OWNER_TO
    )
    .then(|| format!(" ({})", name::excerpt(&node.text().to_string())));
    Some(Action {
        name: called,
        effect: if reason.is_some() { Destructive } else { Write },
        reason: reason
            .map(|reason| format!("{reason}{}", subject.unwrap_or_default()))
            .unwrap_or_default(),
    })
}
