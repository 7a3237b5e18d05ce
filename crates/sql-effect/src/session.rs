//! What a statement leaves in its session: settings, the role, temporary tables, prepared statements, cursors, locks.
//!
//! A session of SQL over HTTP ends with the request. So whatever later statements need of it in another request must be done
//! again there, or they do something else: a table lands in another schema, a lock is waited for without end.

use super::act::SessionAct;
use super::lex::{self, Kind, Token};
use super::statement::Statement;
use super::unguarded::Unguarded;
use super::{body, name, settings};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use SyntaxKind as K;

/// Something that is left in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Which statement left it.
    pub by: usize,
    /// What it is.
    pub what: KeptKind,
}

/// What is left in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptKind {
    /// A setting, with its value where that is known, and whether its statement can simply be run again.
    Setting(Option<String>, Option<String>, bool),
    /// The role that the session acts for.
    Role(bool),
    /// The user whose session it is.
    User(bool),
    /// A temporary object.
    Temporary(Option<String>),
    /// A prepared statement.
    Prepared(String),
    /// A cursor.
    Cursor(String),
    /// A channel that is listened to.
    Channel,
    /// An advisory lock.
    Lock,
    /// The seed of `random()`.
    Seed,
    /// A library.
    Library,
}

impl Kept {
    /// What it is, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.what {
            KeptKind::Setting(Some(setting), ..) => format!("the setting {}", name::excerpt(setting)),
            KeptKind::Setting(None, ..) => "a setting whose name is made at run time".to_owned(),
            KeptKind::Role(_) => "the role of SET ROLE".to_owned(),
            KeptKind::User(_) => "the user of SET SESSION AUTHORIZATION".to_owned(),
            KeptKind::Temporary(Some(known)) => format!("the temporary {}", name::quoted(known)),
            KeptKind::Temporary(None) => "something temporary".to_owned(),
            KeptKind::Prepared(known) => format!("the prepared statement {}", name::quoted(known)),
            KeptKind::Cursor(known) => format!("the cursor {}", name::quoted(known)),
            KeptKind::Channel => "what it listens to".to_owned(),
            KeptKind::Lock => "an advisory lock of the session".to_owned(),
            KeptKind::Seed => "the seed of random()".to_owned(),
            KeptKind::Library => "a library that was loaded".to_owned(),
        }
    }

    /// Whether it is a setting or who the session acts for, and so what any later statement runs under.
    #[must_use]
    pub fn is_around(&self) -> bool {
        matches!(self.what, KeptKind::Setting(..) | KeptKind::Role(_) | KeptKind::User(_))
    }

    /// Whether running its statement again brings it about, and nothing else.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        matches!(
            self.what,
            KeptKind::Setting(_, _, true) | KeptKind::Role(true) | KeptKind::User(true)
        )
    }

    /// Whether this statement, run without it, does the same or fails aloud: it is a setting that decides over speed or over what is
    /// logged, one that takes a time limit away, one that has the value that every statement here is read under, or one that nothing
    /// in such a statement looks at.
    #[must_use]
    pub fn is_dispensable_for(&self, statement: &Statement) -> bool {
        const DISPENSABLE: [&str; 16] = [
            "application_name",
            "check_function_bodies",
            "client_min_messages",
            "effective_io_concurrency",
            "idle_in_transaction_session_timeout",
            "idle_session_timeout",
            "maintenance_io_concurrency",
            "maintenance_work_mem",
            "max_parallel_maintenance_workers",
            "max_parallel_workers",
            "max_parallel_workers_per_gather",
            "synchronize_seqscans",
            "vacuum_buffer_usage_limit",
            "vacuum_cost_delay",
            "vacuum_cost_limit",
            "work_mem",
        ];
        const LIMITS: [&str; 3] = ["lock_timeout", "statement_timeout", "transaction_timeout"];
        // What decides over rows that are read, over XML and over where new tables lie: building and mending indexes does none of it.
        // `default_tablespace` counts for indexes, too, and says with '' what holds anyway, if nothing else was set.
        const NOT_OF_INDEXES: [&str; 3] = ["row_security", "xmloption", "default_table_access_method"];
        let KeptKind::Setting(Some(setting), value, _) = &self.what else {
            return false;
        };
        let (setting, value) = (setting.as_str(), value.as_deref());
        let of_indexes = statement.kind.starts_with("DROP INDEX")
            || matches!(statement.kind.as_str(), "VACUUM" | "REINDEX")
            || statement.kind.starts_with("CREATE INDEX") && statement.unguarded == Unguarded::Harmless;
        // A search path of nothing is that of dumps, which write every name with its schema.
        let qualified = !statement.tables.is_empty() && statement.tables.iter().all(|table| table.schema.is_some());
        DISPENSABLE.contains(&setting)
            || (LIMITS.contains(&setting) && value == Some("0"))
            || value.is_some_and(|value| settings::is_in_force(setting, value))
            || (of_indexes
                && (NOT_OF_INDEXES.contains(&setting)
                    || (setting == "default_tablespace" && value == Some(""))
                    || (setting == "search_path" && value == Some("") && qualified)))
    }

    /// Whether a statement uses it, as far as its text tells. What is around statements all of them use.
    #[must_use]
    pub fn is_used_by(&self, statement: &Statement) -> bool {
        let mentions = || statement.mentions().identifiers;
        let with = |known: &str, words: &[&str]| {
            let mentioned = mentions();
            mentioned.contains(known) && words.iter().any(|word| mentioned.contains(*word))
        };
        match &self.what {
            KeptKind::Setting(..) | KeptKind::Role(_) | KeptKind::User(_) | KeptKind::Lock => true,
            KeptKind::Temporary(Some(known)) => mentions().contains(known),
            KeptKind::Temporary(None) | KeptKind::Library => true,
            KeptKind::Prepared(known) => with(known, &["execute", "deallocate"]),
            KeptKind::Cursor(known) => with(known, &["fetch", "move", "close", "current"]),
            KeptKind::Channel => false,
            KeptKind::Seed => mentions().iter().any(|name| name.starts_with("random")),
        }
    }
}

/// What a session holds after these statements, in the order in which it came about.
#[must_use]
pub fn kept<'s>(statements: impl IntoIterator<Item = &'s Statement>) -> Vec<Kept> {
    let mut kept: Vec<Kept> = Vec::new();
    for (by, statement) in statements.into_iter().enumerate() {
        let alone = statement.session.len() == 1;
        if statement.kind.starts_with("DROP") {
            let dropped = |known: &str| statement.tables.iter().any(|table| table.name == known);
            kept.retain(|one| !matches!(&one.what, KeptKind::Temporary(Some(known)) if dropped(known)));
        }
        for act in &statement.session {
            apply(&mut kept, by, act, alone);
        }
    }
    kept
}

fn apply(kept: &mut Vec<Kept>, by: usize, act: &SessionAct, alone: bool) {
    use KeptKind as Is;
    let mut add = None;
    match act {
        SessionAct::Sets {
            setting,
            value,
            repeatable,
        } => {
            if setting.is_some() {
                kept.retain(|one| !matches!(&one.what, Is::Setting(known, ..) if known == setting));
            }
            add = Some(Is::Setting(setting.clone(), value.clone(), *repeatable));
        }
        SessionAct::Resets(setting) => {
            let is = |one: &Kept| matches!(&one.what, Is::Setting(known, ..) if known.as_ref() == Some(setting));
            taken_back(kept, is);
        }
        SessionAct::ResetsAll => kept.retain(|one| !matches!(one.what, Is::Setting(..))),
        SessionAct::TakesRole => {
            kept.retain(|one| !matches!(one.what, Is::Role(_)));
            add = Some(Is::Role(alone));
        }
        SessionAct::LeavesRole => kept.retain(|one| !matches!(one.what, Is::Role(_))),
        SessionAct::TakesUser => {
            kept.retain(|one| !matches!(one.what, Is::Role(_) | Is::User(_)));
            add = Some(Is::User(alone));
        }
        SessionAct::LeavesUser => kept.retain(|one| !matches!(one.what, Is::Role(_) | Is::User(_))),
        SessionAct::MakesTemporary(known) => add = Some(Is::Temporary(known.clone())),
        SessionAct::Prepares(known) => add = Some(Is::Prepared(known.clone())),
        SessionAct::Forgets(known) => kept.retain(|one| match &one.what {
            Is::Prepared(own) => known.as_ref().is_some_and(|known| known != own),
            _ => true,
        }),
        SessionAct::Opens(known) => add = Some(Is::Cursor(known.clone())),
        SessionAct::Closes(known) => kept.retain(|one| match &one.what {
            Is::Cursor(own) => known.as_ref().is_some_and(|known| known != own),
            _ => true,
        }),
        SessionAct::Listens => add = Some(Is::Channel),
        SessionAct::Unlistens => kept.retain(|one| one.what != Is::Channel),
        SessionAct::Locks => add = Some(Is::Lock),
        SessionAct::Unlocks => {
            if let Some(last) = kept.iter().rposition(|one| one.what == Is::Lock) {
                kept.remove(last);
            }
        }
        SessionAct::UnlocksAll => kept.retain(|one| one.what != Is::Lock),
        SessionAct::Seeds => add = Some(Is::Seed),
        SessionAct::Loads => add = Some(Is::Library),
        SessionAct::DiscardsTemporary => kept.retain(|one| !matches!(one.what, Is::Temporary(_))),
        SessionAct::DiscardsAll => kept.retain(|one| one.what == Is::Library),
        SessionAct::SetsLocally(_) => {}
    }
    if let Some(what) = add {
        kept.push(Kept { by, what });
    }
}

/// Takes settings out. Where their statement set others, too, running it again would set all of them: those can't be repeated.
fn taken_back(kept: &mut Vec<Kept>, is: impl Fn(&Kept) -> bool) {
    let statements: Vec<usize> = kept.iter().filter(|one| is(one)).map(|one| one.by).collect();
    kept.retain(|one| !is(one));
    for one in kept.iter_mut().filter(|one| statements.contains(&one.by)) {
        if let KeptKind::Setting(_, _, repeatable) = &mut one.what {
            *repeatable = false;
        }
    }
}

/// What a statement's node does to its session, and the code of a block in it.
pub(super) fn of(node: &SyntaxNode, tokens: &[Token<'_>]) -> Vec<SessionAct> {
    let mut acts = Vec::new();
    own(node, &mut acts);
    match node.kind() {
        // It is stored or planned, not run.
        K::CREATE_FUNCTION | K::CREATE_PROCEDURE | K::CREATE_VIEW | K::CREATE_RULE | K::PREPARE => {}
        K::DO => {
            if let Some(body::Body::Parsed(tree, text, _)) = body::of(node) {
                let mut inner = Vec::new();
                for node in tree.descendants() {
                    own(&node, &mut inner);
                }
                called(&lex::lex(&text), None, &mut inner);
                acts.extend(inner.into_iter().map(once));
            }
        }
        _ => called(tokens, Some(node), &mut acts),
    }
    acts
}

/// What code does can't be done once more by running all of it again.
fn once(act: SessionAct) -> SessionAct {
    match act {
        SessionAct::Sets { setting, value, .. } => SessionAct::Sets {
            setting,
            value,
            repeatable: false,
        },
        SessionAct::TakesRole => SessionAct::Sets {
            setting: Some("role".to_owned()),
            value: None,
            repeatable: false,
        },
        SessionAct::TakesUser => SessionAct::Sets {
            setting: Some("session_authorization".to_owned()),
            value: None,
            repeatable: false,
        },
        act => act,
    }
}

/// What a node of this kind does by itself.
fn own(node: &SyntaxNode, acts: &mut Vec<SessionAct>) {
    let has = |kind| node.descendants().any(|inner| inner.kind() == kind);
    let says = |kind| node.children_with_tokens().any(|element| element.kind() == kind);
    let child = |kind| node.children().find(|child| child.kind() == kind);
    let called = |kind| child(kind).and_then(|child| last_name(&child.text().to_string()));
    let local = child(K::LOCAL_SCOPE).is_some();
    let act = match node.kind() {
        K::SET => set(node, local),
        K::RESET if has(K::ALL) => SessionAct::ResetsAll,
        K::RESET => setting(node).map_or(SessionAct::ResetsAll, SessionAct::Resets),
        K::SET_ROLE if local => SessionAct::SetsLocally("role".to_owned()),
        K::SET_ROLE if has(K::SET_ROLE_NONE) => SessionAct::LeavesRole,
        K::SET_ROLE => SessionAct::TakesRole,
        K::RESET_ROLE => SessionAct::LeavesRole,
        K::SET_SESSION_AUTH if local => SessionAct::SetsLocally("session_authorization".to_owned()),
        K::SET_SESSION_AUTH if has(K::SET_SESSION_AUTH_DEFAULT) => SessionAct::LeavesUser,
        K::SET_SESSION_AUTH => SessionAct::TakesUser,
        K::RESET_SESSION_AUTH => SessionAct::LeavesUser,
        K::DISCARD if has(K::DISCARD_ALL) => SessionAct::DiscardsAll,
        K::DISCARD if has(K::DISCARD_TEMP) => SessionAct::DiscardsTemporary,
        K::PREPARE => match called(K::PREPARED_STATEMENT) {
            Some(known) => SessionAct::Prepares(known),
            None => return,
        },
        K::DEALLOCATE => SessionAct::Forgets(called(K::PREPARED_STATEMENT_REF)),
        K::DECLARE => match called(K::CURSOR) {
            Some(known) => SessionAct::Opens(known),
            None => return,
        },
        K::CLOSE => SessionAct::Closes(called(K::CURSOR_REF)),
        K::LISTEN => SessionAct::Listens,
        K::UNLISTEN if says(K::STAR) => SessionAct::Unlistens,
        K::LOAD => SessionAct::Loads,
        kind if kind == K::SELECT_INTO || format!("{kind:?}").starts_with("CREATE_") => {
            let into = child(K::INTO_CLAUSE);
            let marked = child(K::TEMP).is_some()
                || into.is_some_and(|into| into.children().any(|inner| inner.kind() == K::TEMP));
            let path = node.descendants().find(|inner| inner.kind() == K::PATH);
            let parts = path.map(|path| parts(&path.text().to_string())).unwrap_or_default();
            let inside = parts.len() > 1
                && parts
                    .first()
                    .is_some_and(|schema| schema == "pg_temp" || schema.starts_with("pg_temp_"));
            if !marked && !inside {
                return;
            }
            SessionAct::MakesTemporary(parts.last().cloned())
        }
        _ => return,
    };
    acts.push(act);
}

fn set(node: &SyntaxNode, local: bool) -> SessionAct {
    let setting = setting(node);
    if local {
        return SessionAct::SetsLocally(setting.unwrap_or_default());
    }
    let value = node.descendants().find(|inner| inner.kind() == K::TO_CONFIG_VALUE);
    let by_default = value.as_ref().is_some_and(|value| {
        value
            .children_with_tokens()
            .any(|element| element.kind() == K::DEFAULT_KW)
    });
    match setting {
        Some(setting) if by_default => SessionAct::Resets(setting),
        setting => {
            let repeatable = setting.is_some();
            // `SET ROLE` and its like by their names as settings.
            let value = value.and_then(|value| {
                let text = value.text().to_string();
                let tokens = lex::lex(&text);
                let last = tokens.last()?;
                (tokens.len() == 2).then(|| name::string(last, &[]).unwrap_or_else(|| last.text.to_owned()))
            });
            SessionAct::Sets {
                setting,
                value,
                repeatable,
            }
        }
    }
}

/// The setting that a `SET` or `RESET` names.
fn setting(node: &SyntaxNode) -> Option<String> {
    node.descendants().find_map(|inner| match inner.kind() {
        K::CONFIG_PARAMETER_REF => {
            let parts = parts(&inner.text().to_string());
            (!parts.is_empty()).then(|| parts.join(".").to_ascii_lowercase())
        }
        K::SET_TIME_ZONE | K::RESET_TIME_ZONE => Some("timezone".to_owned()),
        K::SET_SCHEMA_VALUE => Some("search_path".to_owned()),
        K::SET_XML_OPTION => Some("xmloption".to_owned()),
        _ => None,
    })
}

/// What the functions do that are called.
fn called(tokens: &[Token<'_>], node: Option<&SyntaxNode>, acts: &mut Vec<SessionAct>) {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let after = tokens.get(at + 1..).unwrap_or_default();
        let Some(function) = name::named(token, after) else {
            continue;
        };
        let [open, arguments @ ..] = after else { continue };
        if open.text != "(" {
            continue;
        }
        match function.as_str() {
            "set_config" => found.push(configured(arguments)),
            "pg_advisory_lock" | "pg_advisory_lock_shared" | "pg_try_advisory_lock" | "pg_try_advisory_lock_shared" => {
                found.push(SessionAct::Locks);
            }
            "pg_advisory_unlock" | "pg_advisory_unlock_shared" => found.push(SessionAct::Unlocks),
            "pg_advisory_unlock_all" => found.push(SessionAct::UnlocksAll),
            "setseed" => found.push(SessionAct::Seeds),
            _ => {}
        }
    }
    let plain = node.is_some_and(|node| configures_alone(node, found.len()));
    acts.extend(found.into_iter().map(|act| if plain { act } else { once(act) }));
}

/// Whether a statement is a `SELECT` of nothing but so many calls.
fn configures_alone(node: &SyntaxNode, calls: usize) -> bool {
    if node.kind() != K::SELECT || node.children().count() != 1 {
        return false;
    }
    let of = |kind| node.descendants().filter(move |inner| inner.kind() == kind);
    let clause = node.children().next();
    let lists = clause.is_some_and(|clause| clause.children().all(|child| child.kind() == K::TARGET_LIST));
    lists
        && of(K::TARGET).count() == calls
        && of(K::CALL_EXPR).count() == calls
        && of(K::TARGET).all(|target| {
            target
                .children()
                .all(|child| matches!(child.kind(), K::CALL_EXPR | K::AS_NAME))
        })
}

/// What a call of `set_config` with these arguments does. The tokens are those after its opening bracket.
fn configured(arguments: &[Token<'_>]) -> SessionAct {
    let mut depth = 0_usize;
    let mut given: Vec<Vec<&Token<'_>>> = vec![Vec::new()];
    for token in arguments {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close if depth == 0 => break,
            Kind::Close => depth -= 1,
            Kind::Comma if depth == 0 => {
                given.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = given.last_mut() {
            last.push(token);
        }
    }
    let text = |at: usize| match given.get(at).map(Vec::as_slice) {
        Some([only]) => name::string(only, &[]),
        _ => None,
    };
    let setting = text(0).map(|setting| setting.to_ascii_lowercase());
    let third = match given.get(2).map(Vec::as_slice) {
        Some([only]) if only.is("true") => Some(true),
        Some([only]) if only.is("false") => Some(false),
        _ => None,
    };
    if third == Some(true) {
        return SessionAct::SetsLocally(setting.unwrap_or_default());
    }
    let value = text(1);
    SessionAct::Sets {
        repeatable: third == Some(false) && setting.is_some() && value.is_some() && given.len() == 3,
        setting,
        value,
    }
}

/// The parts of a name that a text begins with.
fn parts(text: &str) -> Vec<String> {
    let tokens = lex::lex(text);
    let named = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.kind != Kind::Dot)
        .map(|(at, token)| name::named(token, tokens.get(at + 1..).unwrap_or_default()));
    named.collect::<Option<Vec<_>>>().unwrap_or_default()
}

fn last_name(text: &str) -> Option<String> {
    parts(text).pop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn left(text: &str) -> Vec<String> {
        kept(&parse(text).statements).iter().map(Kept::in_words).collect()
    }

    #[test]
    fn what_stays_in_a_session_is_told_by_kind() {
        for (text, stays) in [
            ("SET search_path = app, public", "the setting search_path"),
            ("SET SCHEMA 'app'", "the setting search_path"),
            ("SET SESSION \"Lock_Timeout\" = '1s'", "the setting lock_timeout"),
            ("SET TIME ZONE 'UTC'", "the setting timezone"),
            (
                "SELECT pg_catalog.set_config('search_path', '', false)",
                "the setting search_path",
            ),
            (
                "SELECT set_config('a.' || 'b', '', false)",
                "a setting whose name is made at run time",
            ),
            ("SET ROLE app", "the role of SET ROLE"),
            ("SET SESSION AUTHORIZATION app", "the user of SET SESSION AUTHORIZATION"),
            ("CREATE TEMP TABLE a (x int)", "the temporary a"),
            ("CREATE TABLE pg_temp.a (x int)", "the temporary a"),
            ("CREATE TEMPORARY TABLE a AS SELECT 1", "the temporary a"),
            ("SELECT 1 AS x INTO TEMP a", "the temporary a"),
            ("CREATE TEMP SEQUENCE s", "the temporary s"),
            ("CREATE TEMP VIEW v AS SELECT 1", "the temporary v"),
            ("PREPARE p AS SELECT 1", "the prepared statement p"),
            ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "the cursor c"),
            ("LISTEN news", "what it listens to"),
            ("SELECT pg_advisory_lock(1)", "an advisory lock of the session"),
            (
                "SELECT pg_catalog.pg_try_advisory_lock(1, 2)",
                "an advisory lock of the session",
            ),
            ("SELECT setseed(0.5)", "the seed of random()"),
            ("LOAD 'auto_explain'", "a library that was loaded"),
            ("DO $$ BEGIN SET search_path = app; END $$", "the setting search_path"),
            (
                "DO $$ BEGIN PERFORM set_config('search_path', 'app', false); END $$",
                "the setting search_path",
            ),
            ("DO $$ BEGIN CREATE TEMP TABLE a (x int); END $$", "the temporary a"),
        ] {
            assert_eq!(left(text), [stays], "{text}");
        }
    }

    #[test]
    fn what_ends_by_itself_or_is_taken_back_stays_in_no_session() {
        for text in [
            "SET LOCAL search_path = app",
            "SET LOCAL ROLE app",
            "SELECT set_config('search_path', '', true)",
            "SELECT pg_advisory_xact_lock(1)",
            "SET search_path = app; RESET search_path",
            "SET search_path = app; SET search_path TO DEFAULT",
            "SET search_path = app; SET lock_timeout = '1s'; RESET ALL",
            "SET ROLE app; RESET ROLE",
            "SET ROLE app; SET ROLE NONE",
            "SET SESSION AUTHORIZATION a; SET ROLE b; RESET SESSION AUTHORIZATION",
            "CREATE TEMP TABLE a (x int); DROP TABLE a",
            "CREATE TEMP TABLE a (x int); DISCARD TEMP",
            "PREPARE p AS SELECT 1; DEALLOCATE p",
            "DECLARE c CURSOR FOR SELECT 1; CLOSE ALL",
            "LISTEN news; UNLISTEN *",
            "SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1)",
            "SET search_path = app; CREATE TEMP TABLE a (x int); DISCARD ALL",
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT set_config(''a.b'', '''', false)'",
            "SELECT 'set_config(1)'",
            "CREATE TABLE temp (temp int)",
        ] {
            assert_eq!(left(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn only_what_does_nothing_else_is_repeated() {
        let repeatable =
            |text: &str| -> Vec<bool> { kept(&parse(text).statements).iter().map(Kept::is_repeatable).collect() };
        assert_eq!(repeatable("SET search_path = app"), [true]);
        assert_eq!(repeatable("SET ROLE app"), [true]);
        assert_eq!(
            repeatable("SELECT set_config('a.b', '1', false), pg_catalog.set_config('a.c', '2', false) AS x"),
            [true, true]
        );
        for text in [
            "SELECT set_config('a.b', now()::text, false)",
            "SELECT set_config('a.b', '1', (SELECT false))",
            "SELECT set_config('a.b', '1', false) FROM t",
            "SELECT set_config('a.b', '1', false), f()",
            "SELECT set_config('a.b', '1', false) WHERE f()",
            "INSERT INTO t SELECT set_config('a.b', '1', false)",
            "SELECT set_config('a.b', '1', false), set_config('a.c', '2', false); RESET a.c",
            "DO $$ BEGIN SET ROLE app; END $$",
            "DO $$ BEGIN SET search_path = app; END $$",
        ] {
            assert_eq!(repeatable(text), [false], "{text}");
        }
    }
}
