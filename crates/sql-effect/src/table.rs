//! What each kind of statement does by itself, apart from what stands inside it.

use super::grade::Grade;
use super::{alter, condition, kind, name, relations};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::collections::BTreeSet;

use Grade::{Destructive, Leaves, Read, Write};
use SyntaxKind as K;

/// The effect of a statement's node and why; reads need no reason. Names from outside of it are no columns.
pub(super) fn own(node: &SyntaxNode, outside: &BTreeSet<String>) -> (Grade, String) {
    let on = |verb: &str| {
        let names = relations::changed(node);
        if names.is_empty() {
            verb.to_owned()
        } else {
            format!("{verb} {}", relations::listed(&names))
        }
    };
    if matches!(node.kind(), K::INSERT | K::DELETE | K::UPDATE | K::MERGE | K::COPY)
        && let Some(catalog) = relations::changed(node).iter().find(|name| relations::is_catalog(name))
        && !node.children().any(|child| child.kind() == K::COPY_TO)
    {
        return (Destructive, format!("changes the system catalog {catalog}"));
    }
    let (effect, reason) = match node.kind() {
        K::SELECT | K::COMPOUND_SELECT | K::PAREN_SELECT | K::VALUES | K::TABLE | K::SHOW | K::EMPTY_STMT => (Read, ""),
        K::EXPLAIN => (Read, ""),
        K::INSERT if condition::upserts_all(node, outside) => return (Destructive, on("updates all rows of")),
        K::INSERT => return (Write, on("inserts rows into")),
        K::DELETE if condition::takes_all(node, outside) => return (Destructive, all(&on("deletes all rows of"))),
        K::DELETE => return (Write, on("deletes rows of")),
        K::UPDATE if condition::takes_all(node, outside) => return (Destructive, all(&on("updates all rows of"))),
        K::UPDATE => return (Write, on("updates rows of")),
        K::MERGE if node.descendants().any(|inner| inner.kind() == K::MERGE_DELETE) => {
            return (Destructive, on("merges into, and can delete rows of,"));
        }
        K::MERGE if condition::merges_all(node, outside) => {
            return (Destructive, on("merges into, and can update all rows of,"));
        }
        K::MERGE => return (Write, on("merges rows into")),
        K::TRUNCATE => return (Destructive, on("empties")),
        K::SELECT_INTO => (Write, "creates a table from what it reads"),
        K::COPY => return copy(node),
        K::LOCK => return (Write, on("locks")),
        K::REFRESH if node.descendants().any(|inner| inner.kind() == K::WITH_NO_DATA) => {
            return (Destructive, on("empties"));
        }
        K::REFRESH => return (Write, on("replaces the content of")),
        K::VACUUM | K::ANALYZE | K::CLUSTER | K::REINDEX | K::REPACK => return (Write, on("reorganizes or measures")),
        K::CHECKPOINT => (Write, "writes a checkpoint"),
        K::LOAD => (Leaves, "loads code into the server"),
        K::CALL => (Write, "calls a procedure, whose body isn't seen here"),
        K::DO => (Write, "runs a block of code"),
        K::PREPARE => (Write, "prepares a statement in the session"),
        K::EXECUTE => (Leaves, "runs a prepared statement, which isn't seen here"),
        K::DECLARE | K::FETCH | K::MOVE | K::CLOSE => (Write, "works with a cursor of the session"),
        K::DEALLOCATE | K::DISCARD => (Write, "discards state of the session"),
        K::LISTEN | K::UNLISTEN | K::NOTIFY => (Write, "talks to other sessions"),
        K::SET | K::RESET | K::SET_CONSTRAINTS => (Write, "changes a setting"),
        K::SET_ROLE | K::SET_SESSION_AUTH | K::RESET_ROLE | K::RESET_SESSION_AUTH => {
            (Write, "changes who the session acts for")
        }
        K::BEGIN
        | K::COMMIT_TRANSACTION
        | K::ROLLBACK_TRANSACTION
        | K::ROLLBACK_TO_SAVEPOINT
        | K::SAVEPOINT_CREATE
        | K::RELEASE_SAVEPOINT
        | K::PREPARE_TRANSACTION
        | K::COMMIT_PREPARED
        | K::ROLLBACK_PREPARED
        | K::SET_TRANSACTION => (Write, "controls transactions"),
        K::COMMENT_ON => (Write, "changes a comment"),
        K::GRANT => (Destructive, "gives rights"),
        K::REVOKE => (Destructive, "takes rights away"),
        K::REASSIGN => (Destructive, "changes who owns things"),
        K::SECURITY_LABEL => (Destructive, "changes a security label"),
        K::IMPORT_FOREIGN_SCHEMA => (Leaves, "makes tables of another server reachable"),
        kind => return definition(node, kind),
    };
    (effect, reason.to_owned())
}

fn all(reason: &str) -> String {
    format!("{reason} (there is no WHERE, or one that doesn't narrow)")
}

fn copy(node: &SyntaxNode) -> (Grade, String) {
    let has = |kind| node.descendants().any(|inner| inner.kind() == kind);
    let direction = node
        .children()
        .find(|child| matches!(child.kind(), K::COPY_FROM | K::COPY_TO));
    // The parser calls files programs, too: only the word tells.
    let says = |kind| node.descendants_with_tokens().any(|element| element.kind() == kind);
    let client = has(K::COPY_STDIN) || has(K::COPY_STDOUT);
    let (effect, reason) = if has(K::COPY_PROGRAM) && says(K::PROGRAM_KW) {
        (Leaves, "runs a program on the server")
    } else if has(K::COPY_PROGRAM) || !client {
        match direction {
            Some(direction) if direction.kind() == K::COPY_FROM => (Leaves, "reads a file on the server"),
            _ => (Leaves, "writes a file on the server"),
        }
    } else if has(K::COPY_FROM) {
        (Write, "copies rows into a table")
    } else {
        (Write, "copies rows to the client, which SQL over HTTP can't do")
    };
    (effect, reason.to_owned())
}

/// `CREATE`, `ALTER` and `DROP`.
fn definition(node: &SyntaxNode, kind: SyntaxKind) -> (Grade, String) {
    let called = kind::of(kind);
    let what = |verb: &str| {
        let object = called.split_once(' ').map_or("", |(_, object)| object).to_lowercase();
        match subject(node) {
            Some(name) => format!("{verb} the {object} {name}"),
            None => format!("{verb} the {object}"),
        }
    };
    match kind {
        K::DROP_OWNED => (Destructive, "drops everything that a role owns".to_owned()),
        K::ALTER_DEFAULT_PRIVILEGES => (Destructive, "changes rights on what is made later".to_owned()),
        K::ALTER_SYSTEM => (Leaves, "changes the server's configuration".to_owned()),
        K::CREATE_ROLE | K::CREATE_USER | K::CREATE_GROUP | K::CREATE_POLICY => {
            (Destructive, format!("{}, which decides over access", what("creates")))
        }
        K::ALTER_ROLE | K::ALTER_USER | K::ALTER_GROUP | K::ALTER_POLICY => {
            (Destructive, format!("{}, which decides over access", what("changes")))
        }
        K::CREATE_SERVER
        | K::CREATE_USER_MAPPING
        | K::CREATE_FOREIGN_TABLE
        | K::CREATE_FOREIGN_DATA_WRAPPER
        | K::CREATE_SUBSCRIPTION => (
            Leaves,
            format!("{}, which connects to another server", what("creates")),
        ),
        K::ALTER_SERVER
        | K::ALTER_USER_MAPPING
        | K::ALTER_FOREIGN_TABLE
        | K::ALTER_FOREIGN_DATA_WRAPPER
        | K::ALTER_SUBSCRIPTION => (
            Leaves,
            format!("{}, which connects to another server", what("changes")),
        ),
        K::DROP_SUBSCRIPTION => (Leaves, format!("{}, and its slot on another server", what("drops"))),
        K::CREATE_LANGUAGE => (
            Leaves,
            format!("{}, whose code isn't bounded by the database", what("creates")),
        ),
        K::CREATE_TABLESPACE => (
            Leaves,
            format!("{}, which writes to a directory of the server", what("creates")),
        ),
        K::CREATE_EVENT_TRIGGER | K::CREATE_ACCESS_METHOD | K::CREATE_TRANSFORM => (
            Destructive,
            format!("{}, which changes what other statements do", what("creates")),
        ),
        K::ALTER_EVENT_TRIGGER
        | K::ALTER_LANGUAGE
        | K::ALTER_DATABASE
        | K::ALTER_TABLESPACE
        // All that can be altered of one is its owner.
        | K::ALTER_LARGE_OBJECT => {
            (Destructive, what("changes"))
        }
        K::CREATE_PUBLICATION if alter::publishes_all(node) => (Leaves, alter::PUBLISHES_ALL.to_owned()),
        K::CREATE_RULE if does_instead(node) => (
            Destructive,
            format!("{}, which does something else in place of what is asked for", what("creates")),
        ),
        K::CREATE_TABLE_AS => (Write, "creates a table from what it reads".to_owned()),
        kind => {
            let name = format!("{kind:?}");
            if name.starts_with("DROP_") {
                (Destructive, what("drops"))
            } else if name.starts_with("CREATE_") {
                (Write, what("creates"))
            } else if name.starts_with("ALTER_") {
                (Write, what("changes"))
            } else {
                (
                    Leaves,
                    format!("is {}, of which nothing is known here", name::excerpt(&called)),
                )
            }
        }
    }
}

/// Whether a rule replaces what changes rows, with something else or with nothing. One for `SELECT` makes a view.
fn does_instead(node: &SyntaxNode) -> bool {
    let holds = |outer, token| {
        node.descendants()
            .filter(|inner| inner.kind() == outer)
            .any(|inner| inner.children_with_tokens().any(|element| element.kind() == token))
    };
    holds(K::RULE_DO, K::INSTEAD_KW) && !holds(K::RULE_EVENT, K::SELECT_KW)
}

/// How many things that are dropped are told by name.
const MAX_NAMED: usize = 1_000;

/// What a definition is about, as it was written.
fn subject(node: &SyntaxNode) -> Option<String> {
    let dropping = format!("{:?}", node.kind()).starts_with("DROP_");
    let names = |child: &SyntaxNode| {
        !matches!(
            child.kind(),
            K::IF_EXISTS | K::IF_NOT_EXISTS | K::CASCADE | K::RESTRICT | K::OR_REPLACE | K::TEMP | K::UNLOGGED
        )
    };
    let mut parts: Vec<String> = Vec::new();
    let relations = relations::changed(node);
    if !relations.is_empty() {
        return Some(relations::listed(&relations));
    }
    // One more than is told, so that it shows that there are more.
    for child in node.children().filter(names).take(MAX_NAMED + 1) {
        if parts.len() == MAX_NAMED {
            parts.push("more".to_owned());
            break;
        }
        parts.push(name::excerpt(&child.text().to_string()));
        if !dropping {
            break;
        }
    }
    (!parts.is_empty()).then(|| {
        parts.join(if parts.len() > 1 && dropping && plain(node) {
            ", "
        } else {
            " "
        })
    })
}

/// Whether a `DROP` lists its names side by side rather than saying `ON` or `USING`.
fn plain(node: &SyntaxNode) -> bool {
    node.children_with_tokens().any(|element| element.kind() == K::COMMA)
}
