//! Settings that change what a text means, or turn a protection off.
//!
//! Whatever names one of them asks: what is judged here is read under the usual ones.

use super::lex::{Kind, Token};
use super::name;
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// A name, or its beginning where it ends in `*`; what changing it does, the end of "because it …".
const LISTED: &[(&str, &str)] = &[
    ("standard_conforming_strings", "changes where strings end"),
    ("backslash_quote", "changes where strings end"),
    ("client_encoding", "changes where strings end"),
    ("names", "changes where strings end"),
    ("transform_null_equals", "changes what conditions mean"),
    ("array_nulls", "changes what arrays mean"),
    ("plpgsql.variable_conflict", "changes what names in routines mean"),
    ("session_replication_role", "turns triggers and foreign keys off"),
    ("event_triggers", "turns event triggers off"),
    ("track_counts", "turns the counting of changed rows off"),
    ("zero_damaged_pages", "lets damaged rows be dropped"),
    ("ignore_checksum_failure", "lets damaged rows be read"),
    ("ignore_system_indexes", "lets indexes be passed over"),
    ("ignore_invalid_pages", "lets damaged rows be dropped"),
    ("allow_system_table_mods", "lets system tables be changed"),
    ("allow_in_place_tablespaces", "lets system files be changed"),
    ("restrict_nonsystem_relation_kind", "turns a protection off"),
    ("lo_compat_privileges", "turns the rights on large objects off"),
    ("local_preload_libraries", "loads code into the server"),
    ("session_preload_libraries", "loads code into the server"),
    ("shared_preload_libraries", "loads code into the server"),
    ("dynamic_library_path", "changes which code is loaded"),
    ("jit_provider", "loads code into the server"),
    ("postgis.*", "lets functions reach files and other servers"),
    ("pgaudit.*", "changes what is recorded"),
    ("anon.*", "changes what is masked"),
    ("neon.*", "changes how Neon keeps the branch"),
    ("neon_mcp.*", "changes what this server measures"),
];

/// Settings under which every statement here is read, with the values that say so: [`pin.sql`](../neon/sql/measure/pin.sql) sets them
/// before each statement in a transaction, and one outside of transactions isn't run where the session has others. To set one to
/// that value changes nothing, and every dump begins with it.
///
/// What dumps set beside these is on no list: time limits (the measured commit sets its own before each statement), what is logged
/// (`client_min_messages`), whether bodies are checked when functions are made (`check_function_bodies`), where new tables lie
/// (`default_tablespace`, `default_table_access_method`), how XML is read (`xmloption`). `row_security = off` shows no hidden row:
/// where a policy would filter, the statement fails. A search path of nothing finds less than any other.
const IN_FORCE: &[(&str, &[&str])] = &[
    ("standard_conforming_strings", &["on", "true", "yes", "1"]),
    ("backslash_quote", &["safe_encoding"]),
    ("client_encoding", &["utf8", "utf-8", "unicode"]),
    ("transform_null_equals", &["off", "false", "no", "0"]),
    ("array_nulls", &["on", "true", "yes", "1"]),
];

/// Whether a setting has this value anyway, wherever statements are run here.
pub(super) fn is_in_force(setting: &str, value: &str) -> bool {
    let (setting, value) = (setting.to_ascii_lowercase(), value.to_ascii_lowercase());
    IN_FORCE
        .iter()
        .any(|(known, values)| *known == setting && values.contains(&value.as_str()))
}

/// Whether a node is the name in a `SET` by itself that gives the setting the value which is in force anyway. A role's setting, a
/// database's or a routine's lasts, and counts.
fn sets_what_is_in_force(node: &SyntaxNode, setting: &str) -> bool {
    let is_whole = |set: &SyntaxNode| set.parent().is_none_or(|above| above.kind() == SyntaxKind::SOURCE_FILE);
    let set = node.ancestors().find(|above| above.kind() == SyntaxKind::SET);
    let Some(set) = set.filter(is_whole) else {
        return false;
    };
    let text = set.text().to_string();
    let tokens = super::lex::lex(&text);
    let [first, .., assigned, value] = tokens.as_slice() else {
        return false;
    };
    let meaning = match value.kind {
        Kind::String => name::string(value, &[]),
        _ => Some(value.text.to_owned()),
    };
    first.is("set")
        && (assigned.is("to") || assigned.text == "=")
        && meaning.is_some_and(|meaning| is_in_force(setting, &meaning))
}

/// What changing a setting of this name does, if it is one that asks. Postgres compares them without regard to case,
/// in quotes, too.
fn listed(setting: &str) -> Option<&'static str> {
    let setting = setting.to_ascii_lowercase();
    let fits = |pattern: &str| {
        pattern
            .strip_suffix('*')
            .map_or(setting == pattern, |start| setting.starts_with(start))
    };
    LISTED
        .iter()
        .find(|(pattern, _)| fits(pattern))
        .map(|(_, reason)| *reason)
}

/// What changing a setting does, in words: the end of "because it …".
fn reason(setting: &str) -> Option<String> {
    Some(format!(
        "changes {}, which {}",
        name::excerpt(setting),
        listed(setting)?
    ))
}

/// Why a node that names a setting, or all of them, asks.
pub(super) fn named(node: &SyntaxNode) -> Option<String> {
    use SyntaxKind as K;
    match node.kind() {
        // `SHOW` only reads one.
        K::CONFIG_PARAMETER_REF if node.parent().is_none_or(|parent| parent.kind() != K::SHOW) => {
            let text = node.text().to_string();
            match path(&text) {
                Some(setting) if sets_what_is_in_force(node, &setting) => None,
                Some(setting) => reason(&setting),
                None => Some("changes a setting whose name can't be read".to_owned()),
            }
        }
        K::RESET if node.descendants().any(|inner| inner.kind() == K::ALL) => {
            Some("takes every setting back, those among them that change what a text means".to_owned())
        }
        _ => None,
    }
}

/// The name that a path spells, its parts joined by dots.
fn path(text: &str) -> Option<String> {
    let tokens = super::lex::lex(text);
    let mut parts = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Word | Kind::Quoted | Kind::Unicode => {
                parts.push(name::named(token, tokens.get(at + 1..).unwrap_or_default())?);
            }
            _ => {}
        }
    }
    (!parts.is_empty()).then(|| parts.join("."))
}

/// Why a call of `set_config` with these arguments asks: it names such a setting, or one that isn't known before it
/// runs. The tokens are those after its opening bracket.
pub(super) fn configured(arguments: &[Token<'_>]) -> Option<String> {
    let unknown = || Some("changes a setting whose name is made at run time".to_owned());
    let mut meanings: Vec<String> = vec![String::new()];
    let mut rest = arguments;
    let mut pieces = 0;
    while let Some((piece, after)) = rest.split_first()
        && matches!(piece.kind, Kind::String | Kind::Dollar)
    {
        // Pieces of a continued string follow the rules of the first.
        let found = name::meanings(piece, after);
        if found.is_empty() {
            return unknown();
        }
        meanings = found
            .iter()
            .flat_map(|end| meanings.iter().map(move |start| format!("{start}{end}")))
            .take(16)
            .collect();
        pieces += 1;
        rest = after;
    }
    let ends = match rest {
        [colon, other, kind, comma, ..] if colon.text == ":" && other.text == ":" => {
            kind.kind == Kind::Word && comma.kind == Kind::Comma
        }
        [comma, ..] => comma.kind == Kind::Comma,
        [] => false,
    };
    if pieces == 0 || pieces > 4 || !ends {
        return unknown();
    }
    meanings.iter().find_map(|setting| reason(setting))
}

#[cfg(test)]
mod tests {
    use crate::{StatementEffect, parse};

    #[test]
    fn setting_what_is_in_force_anyway_is_no_loss() {
        for text in [
            "SET client_encoding = 'UTF8'",
            "SET SESSION client_encoding TO 'utf-8'",
            "SET LOCAL standard_conforming_strings = on",
            "set STANDARD_CONFORMING_STRINGS to 'on'",
            "SET backslash_quote = safe_encoding",
            "SET array_nulls = on",
            "SET statement_timeout = 0",
            "SET row_security = off",
            "SELECT pg_catalog.set_config('search_path', '', false)",
        ] {
            assert_eq!(parse(text).effect(), StatementEffect::Write, "{text}");
        }
        for text in [
            "SET client_encoding = 'SJIS'",
            "SET client_encoding = DEFAULT",
            "SET client_encoding TO 'UTF8', 'SJIS'",
            "SET standard_conforming_strings = off",
            "RESET standard_conforming_strings",
            "ALTER ROLE r SET client_encoding = 'UTF8'",
            "ALTER DATABASE d SET standard_conforming_strings = on",
            "DO $$ BEGIN SET standard_conforming_strings = off; END $$",
            "SET session_replication_role = replica",
            "SET neon_mcp.before = 'on'",
        ] {
            assert_eq!(parse(text).effect(), StatementEffect::Destructive, "{text}");
        }
    }
}
