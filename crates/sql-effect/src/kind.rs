//! What kinds of statements are called.

use squawk_syntax::SyntaxKind;

/// The name of a statement's kind, as SQL writes it.
pub(super) fn of(kind: SyntaxKind) -> String {
    use SyntaxKind as K;
    let known = match kind {
        K::COMPOUND_SELECT | K::PAREN_SELECT => "SELECT",
        K::COMMIT_TRANSACTION => "COMMIT",
        K::ROLLBACK_TRANSACTION => "ROLLBACK",
        K::ROLLBACK_TO_SAVEPOINT => "ROLLBACK TO SAVEPOINT",
        K::SAVEPOINT_CREATE => "SAVEPOINT",
        K::COMMENT_ON => "COMMENT",
        K::REASSIGN => "REASSIGN OWNED",
        K::REFRESH => "REFRESH MATERIALIZED VIEW",
        K::DECLARE => "DECLARE CURSOR",
        K::SET_SESSION_AUTH => "SET SESSION AUTHORIZATION",
        K::RESET_SESSION_AUTH => "RESET SESSION AUTHORIZATION",
        K::DROP_TEXT_SEARCH_CONFIG => "DROP TEXT SEARCH CONFIGURATION",
        K::DROP_TEXT_SEARCH_DICT => "DROP TEXT SEARCH DICTIONARY",
        _ => return words(kind),
    };
    known.to_owned()
}

/// The words of a kind's name.
pub(super) fn words(kind: SyntaxKind) -> String {
    format!("{kind:?}").replace('_', " ")
}

/// What an action of an `ALTER` is called: `DROP COLUMN`, `ALTER COLUMN TYPE`.
pub(super) fn action(outer: Option<SyntaxKind>, kind: SyntaxKind) -> String {
    use SyntaxKind as K;
    let own = match kind {
        K::SET_TYPE => "TYPE".to_owned(),
        K::DISABLE_RLS => "DISABLE ROW LEVEL SECURITY".to_owned(),
        K::ENABLE_RLS => "ENABLE ROW LEVEL SECURITY".to_owned(),
        K::FORCE_RLS => "FORCE ROW LEVEL SECURITY".to_owned(),
        K::NO_FORCE_RLS => "NO FORCE ROW LEVEL SECURITY".to_owned(),
        K::NO_INHERIT_TABLE => "NO INHERIT".to_owned(),
        K::INHERIT_TABLE => "INHERIT".to_owned(),
        K::SET_CONFIG_PARAM => "SET".to_owned(),
        K::RESET_CONFIG_PARAM => "RESET".to_owned(),
        K::ALTER_OPTION_LIST => "OPTIONS".to_owned(),
        K::ALTER_POLICY_TO => "TO".to_owned(),
        K::ADD_OP_CLASS_OPTIONS => "ADD".to_owned(),
        K::DROP_OP_CLASS_OPTIONS => "DROP".to_owned(),
        K::ALTER_EXTENSION_ADD => "ADD".to_owned(),
        K::ALTER_EXTENSION_DROP => "DROP".to_owned(),
        K::ALTER_EXTENSION_UPDATE => "UPDATE".to_owned(),
        K::SET_FUNC_OPTION => "SET".to_owned(),
        K::RESET_FUNC_OPTION => "RESET".to_owned(),
        kind => {
            let words = words(kind);
            // `TABLE_RENAME_TO`, `TYPE_RENAME_TO` and their like.
            if words.ends_with(" RENAME TO") {
                "RENAME TO".to_owned()
            } else if let Some(option) = words.strip_suffix(" FUNC OPTION") {
                option.to_owned()
            } else {
                words
            }
        }
    };
    match outer {
        Some(K::ALTER_COLUMN | K::ALTER_VIEW_COLUMN) => format!("ALTER COLUMN {own}"),
        _ => own,
    }
}
