//! Whether a statement may act for another role than that of its connection, or change roles.

use super::act::SessionAct;
use super::classify::OTHERWISE;
use super::lex::{self, Kind, Token};
use super::statement::Statement;
use super::{functions, name};

/// The settings that say for whom a session acts.
const WHO: [&str; 2] = ["role", "session_authorization"];

/// Kinds of statements that make code, or run code that is made at run time: it can take a role between two steps of its own, where
/// nothing looks.
const CODE: [&str; 6] = [
    "DO",
    "CREATE FUNCTION",
    "CREATE PROCEDURE",
    "CREATE RULE",
    "PREPARE",
    "EXECUTE",
];

/// How reasons say that a statement runs what its text doesn't show.
const UNSEEN: [&str; 4] = ["isn't seen here", "isn't looked into", "isn't known", "can't be parsed"];

/// The reason of `CALL`: its procedure was in the database before.
const CALLS: &str = "calls a procedure";

impl Statement {
    /// What it is called where it takes another role than that of the connection, could do so by code that isn't seen in its text, or
    /// changes roles or who is a member of one. Nothing for all else; what code of the database's own does isn't seen here.
    #[must_use]
    pub fn reaches_roles(&self) -> Option<String> {
        if !self.is_read() {
            return Some("a statement that isn't understood here".to_owned());
        }
        let tokens = lex::lex(&self.text);
        let reaches = self.takes_role()
            || self.runs_unseen(&tokens)
            || self.configures(&tokens)
            || defines_roles(&tokens)
            || gives_role(&tokens);
        reaches.then(|| self.kind.clone())
    }

    /// `SET ROLE` and its like, as far as the parser tells. Going back to the connection's own is none.
    fn takes_role(&self) -> bool {
        self.session.iter().any(|act| match act {
            SessionAct::TakesRole | SessionAct::TakesUser => true,
            // One whose name is made at run time, too.
            SessionAct::Sets { setting, .. } => setting.as_deref().is_none_or(|setting| WHO.contains(&setting)),
            SessionAct::SetsLocally(setting) => setting.is_empty() || WHO.contains(&setting.as_str()),
            _ => false,
        })
    }

    /// Whether it makes code, or runs a text that is made at run time.
    fn runs_unseen(&self, tokens: &[Token<'_>]) -> bool {
        let of_kind = CODE.contains(&self.kind.as_str()) || self.kind.ends_with(" EXECUTE");
        let unseen = |reason: &str| UNSEEN.iter().any(|phrase| reason.contains(phrase));
        let reasons = self.reasons.iter().map(String::as_str);
        of_kind
            || reasons
                // How a string is read is pinned.
                .filter(|reason| !reason.starts_with(CALLS) && !reason.starts_with(OTHERWISE))
                .any(unseen)
            // An explained statement's own reasons aren't told.
            || functions::called(tokens).iter().any(|(_, reason)| unseen(reason))
    }

    /// Whether it can set who the session acts for by a function or a view: `set_config` of anything but a name that is written out and
    /// is another setting's; its use in a definition, which is called later under another name; an update of `pg_settings`.
    fn configures(&self, tokens: &[Token<'_>]) -> bool {
        let mentioned = self.mentions().identifiers;
        let defines = tokens.first().is_some_and(|word| word.is_any(&["create", "alter"]));
        if defines && (mentioned.contains("set_config") || mentioned.contains("pg_settings")) {
            return true;
        }
        let updates = tokens.iter().any(|word| word.is_any(&["update", "merge"]));
        if updates && mentioned.contains("pg_settings") {
            return true;
        }
        (0..tokens.len()).any(|at| {
            let (Some(token), after) = (tokens.get(at), tokens.get(at + 1..).unwrap_or_default()) else {
                return false;
            };
            let is_it = name::named(token, after).is_some_and(|name| name == "set_config");
            is_it && !configures_another(after)
        })
    }
}

/// Whether a call of `set_config` with these tokens behind its name sets what is written out and says nothing of who the session acts
/// for.
fn configures_another(after: &[Token<'_>]) -> bool {
    match after {
        [open, setting, comma, ..] if open.kind == Kind::Open && comma.kind == Kind::Comma => {
            name::string(setting, &[]).is_some_and(|setting| !WHO.iter().any(|who| setting.eq_ignore_ascii_case(who)))
        }
        _ => false,
    }
}

/// Whether it makes, changes or drops a role, or who is a member of one.
fn defines_roles(tokens: &[Token<'_>]) -> bool {
    let [first, second, rest @ ..] = tokens else {
        return false;
    };
    let is_role = second.is_any(&["role", "user", "group"]);
    let is_mapping = second.is("user") && rest.first().is_some_and(|token| token.is("mapping"));
    let defines = first.is_any(&["create", "alter", "drop"]) && is_role && !is_mapping;
    // A grant of what isn't on something is one of a role.
    let grants = first.is_any(&["grant", "revoke"]) && !tokens.iter().any(|token| token.is("on"));
    defines || grants
}

/// Whether an `ALTER` makes a routine or the sessions of a database act for a role.
fn gives_role(tokens: &[Token<'_>]) -> bool {
    let [first, second, rest @ ..] = tokens else {
        return false;
    };
    first.is("alter")
        && second.is_any(&["function", "procedure", "routine", "database", "system"])
        && rest.iter().enumerate().any(|(at, word)| {
            let after = rest.get(at + 1..).unwrap_or_default();
            let [setting, more @ ..] = after else { return false };
            let session = setting.is("session") && more.first().is_some_and(|word| word.is("authorization"));
            word.is("set") && (session || name::named(setting, more).is_some_and(|name| is_who(&name)))
        })
}

fn is_who(name: &str) -> bool {
    WHO.iter().any(|who| name.eq_ignore_ascii_case(who))
}

#[cfg(test)]
mod tests {
    use crate::parse;

    fn reaches(text: &str) -> bool {
        parse(text)
            .statements
            .iter()
            .any(|statement| statement.reaches_roles().is_some())
    }

    #[test]
    fn role_is_taken_under_no_spelling() {
        for text in [
            "SET ROLE low",
            "SET role = low",
            "SET role='low'",
            "SET LOCAL role = low",
            "SET SESSION role = low",
            "SET/**/role/**/=/**/low",
            "SET \"role\" TO low",
            "SET U&\"\\0072ole\" TO low",
            "SET SESSION AUTHORIZATION low",
            "SET LOCAL SESSION AUTHORIZATION low",
            "SET session_authorization TO low",
            "SET session_authorization = 'low'",
            "SELECT set_config('role', 'low', false)",
            "SELECT set_config('ROLE', 'low', true)",
            "SELECT set_config('ro' || 'le', 'low', true)",
            "SELECT set_config($1, 'low', true)",
            "SELECT set_config(name, 'low', true) FROM pg_settings",
            "SELECT pg_catalog.set_config(setting_name => 'role', new_value => 'low', is_local => true)",
            "SELECT \"set_config\"($$role$$, 'low', false)",
            "SELECT set_config(E'r\\x6fle', 'low', false)",
            "SELECT set_config('ro'\n'le', 'low', false)",
            "EXPLAIN ANALYZE SELECT set_config('role', 'low', false)",
            "DECLARE c CURSOR FOR SELECT set_config('role', 'low', false)",
            "UPDATE pg_settings SET setting = 'low' WHERE name = 'role'",
            "CREATE VIEW v AS SELECT * FROM pg_settings",
            "CREATE VIEW v AS SELECT set_config('a.b', 'low', false)",
            "CREATE TABLE t (x text DEFAULT set_config(current_setting('a.b'), 'low', false))",
            "CREATE OPERATOR === (FUNCTION = set_config, LEFTARG = text, RIGHTARG = text)",
            "CREATE OPERATOR === (FUNCTION = 'set_config', LEFTARG = text, RIGHTARG = text)",
            "CREATE AGGREGATE a (text, bool) (SFUNC = pg_catalog.set_config, STYPE = text)",
            "ALTER FUNCTION f() SET role = low",
            "ALTER FUNCTION f() SET role TO low",
            "ALTER ROUTINE f() SET SESSION AUTHORIZATION low",
            "ALTER DATABASE d SET role = low",
        ] {
            assert!(reaches(text), "{text}");
        }
    }

    #[test]
    fn code_that_could_take_one_is_neither_made_nor_run() {
        for text in [
            "DO $$ BEGIN PERFORM 1; END $$",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE OR REPLACE FUNCTION pg_temp.f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET ROLE low; RETURN 1; END $$",
            "CREATE FUNCTION f() RETURNS int RETURN 1",
            "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'",
            "CREATE RULE r AS ON INSERT TO t DO ALSO SELECT 1",
            "PREPARE p AS SELECT 1",
            "EXECUTE p",
            "EXPLAIN ANALYZE EXECUTE p",
            "CREATE TABLE t AS EXECUTE p",
            "SELECT query_to_xml('SELECT 1', true, true, '')",
            "SELECT dblink('dbname=x', 'SELECT 1')",
            "FROBNICATE t",
        ] {
            assert!(reaches(text), "{text}");
        }
    }

    #[test]
    fn roles_are_neither_made_nor_given() {
        for text in [
            "CREATE ROLE a",
            "CREATE USER a",
            "ALTER GROUP a ADD USER b",
            "DROP ROLE a",
            "GRANT a TO b",
            "REVOKE a FROM b",
        ] {
            assert!(reaches(text), "{text}");
        }
    }

    #[test]
    fn everyday_statements_reach_no_role() {
        for text in [
            "SELECT 1",
            "SELECT role FROM members WHERE role = 'low'",
            "UPDATE members SET role = 'low' WHERE id = 1",
            "SELECT 'set_config(1)'",
            "SELECT set_config('app.user', '7', true)",
            "SELECT set_config('search_path', '', false)",
            "SELECT * FROM pg_settings WHERE name = 'role'",
            "SELECT 'C:\\'",
            "SET search_path = app",
            "SET LOCAL lock_timeout = '1s'",
            "RESET ROLE",
            "SET ROLE NONE",
            "CALL p()",
            "CREATE TABLE roles (role text)",
            "ALTER TABLE members ALTER COLUMN role SET NOT NULL",
            "ALTER FUNCTION f() SET search_path = app",
            "CREATE VIEW v AS SELECT role FROM members",
            "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()",
            "GRANT SELECT ON t TO low",
            "CREATE USER MAPPING FOR a SERVER s",
            "EXPLAIN SELECT 1",
            "DELETE FROM t",
        ] {
            assert!(!reaches(text), "{text}");
        }
    }
}
