//! SQL without its secrets, as it can be shown and kept.
//!
//! A secret is masked inside the string that holds it, found by the tokens around it: after `PASSWORD`, as an option, behind a
//! column, in a connection string. Nothing outside a string is ever masked or left out, so what is shown is what runs. Where a
//! secret stands elsewhere, where characters that can't be seen stand outside of strings and comments, or where what is masked
//! might be run as SQL itself, the text can't be shown as it is, and says so.

mod columns;
mod found;
mod item;
mod marks;
mod named;
mod scan;

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::lex::{Kind, Token, lex};

use found::Place;
pub use found::Unshowable;
use scan::scan;

/// The longest text that is looked through, in bytes. A longer one is more than anyone could be shown.
const LONGEST: usize = 50_000;

/// SQL without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    text: String,
    unshowable: Option<Unshowable>,
    parameters: BTreeSet<usize>,
    hides: bool,
    runs_text: bool,
}

impl Redacted {
    /// The text with its secrets masked; where that isn't possible, its length and digest. It holds no secret either way.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why the text can't be shown as it is, if so.
    #[must_use]
    pub fn unshowable(&self) -> Option<Unshowable> {
        self.unshowable
    }

    /// The numbers of the parameters that are secrets: of `$1` it is 1.
    #[must_use]
    pub fn parameters(&self) -> &BTreeSet<usize> {
        &self.parameters
    }

    /// Whether a masked string could be run as SQL by a statement that runs text.
    #[must_use]
    pub fn hides(&self) -> bool {
        self.hides
    }

    /// Whether it runs text as SQL that is made while it runs.
    #[must_use]
    pub fn runs_text(&self) -> bool {
        self.runs_text
    }

    fn replaced(sql: &str, why: Unshowable, runs_text: bool) -> Self {
        Self {
            text: in_short(sql),
            unshowable: Some(why),
            parameters: BTreeSet::new(),
            hides: true,
            runs_text,
        }
    }
}

/// A text as its length and digest.
fn in_short(sql: &str) -> String {
    let digest = Sha256::digest(sql.as_bytes());
    let digest = base16ct::lower::encode_string(digest.get(..8).unwrap_or_default());
    format!("({} characters of SQL, sha256 {digest}…)", sql.chars().count())
}

/// A text of SQL without its secrets.
#[must_use]
pub fn redact(sql: &str) -> Redacted {
    if sql.len() > LONGEST {
        return Redacted::replaced(sql, Unshowable::NotRead, true);
    }
    let found = scan(sql, Place::Top, 0);
    if let Some(why) = found.unshowable {
        return Redacted::replaced(sql, why, found.runs_text);
    }
    if found.hides && found.runs_text {
        return Redacted::replaced(sql, Unshowable::Secret, true);
    }
    let text = found.applied(sql);
    if !is_same_but_for_strings(sql, &text) {
        return Redacted::replaced(sql, Unshowable::NotRead, found.runs_text);
    }
    Redacted {
        text,
        unshowable: None,
        parameters: found.parameters,
        hides: found.hides,
        runs_text: found.runs_text,
    }
}

/// Whether two texts have the same tokens and the same text between them, whatever their strings hold.
fn is_same_but_for_strings(one: &str, other: &str) -> bool {
    let (before, after) = (lex(one), lex(other));
    let gaps = |text: &str, tokens: &[Token<'_>]| -> Vec<String> {
        let mut from = 0;
        let mut gaps = Vec::new();
        for (start, end) in tokens
            .iter()
            .map(|token| (token.start, token.end()))
            .chain([(text.len(), text.len())])
        {
            gaps.push(text.get(from..start).unwrap_or_default().to_owned());
            from = end;
        }
        gaps
    };
    let is_string = |kind: Kind| matches!(kind, Kind::String | Kind::Dollar);
    before.len() == after.len()
        && before
            .iter()
            .zip(&after)
            .all(|(before, after)| before.kind == after.kind && (is_string(before.kind) || before.text == after.text))
        && gaps(one, &before) == gaps(other, &after)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(sql: &str) -> String {
        let redacted = redact(sql);
        assert_eq!(redacted.unshowable(), None, "{sql}");
        assert!(
            is_same_but_for_strings(sql, redacted.text()),
            "{sql}: {}",
            redacted.text()
        );
        redacted.text().to_owned()
    }

    #[test]
    fn secret_in_a_known_place_is_masked_inside_its_string() {
        for sql in [
            "ALTER ROLE r PASSWORD 'S3cret'",
            "CREATE USER u WITH LOGIN ENCRYPTED PASSWORD /* a */ -- b\n 'S3cret' VALID UNTIL '2030-01-01'",
            r"ALTER ROLE r PASSWORD E'S3\x41cret'",
            "ALTER ROLE r PASSWORD $x$S3cret$x$",
            "ALTER ROLE r PASSWORD U&'S3!0041cret' UESCAPE '!'",
            "ALTER ROLE r PASSWORD 'S3'\n  'cret'",
            "ALTER ROLE r PASSWORD N'S3cret'",
            "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password 'S3cret')",
            "ALTER SERVER s OPTIONS (SET \"sslpassword\" 'S3cret', ADD api_token 'S3cret', aws_key 'S3cret')",
            "CREATE SUBSCRIPTION s CONNECTION 'host=h user=u password=S3cret dbname=d' PUBLICATION p",
            "CREATE SUBSCRIPTION s CONNECTION 'postgresql://u:S3cret@h/d' PUBLICATION p",
            "SELECT dblink_connect('c', 'host=h password=''S3 cret''')",
            "SELECT dblink('host=h password=S3cret', 'DELETE FROM t')",
            "INSERT INTO t VALUES ('mongodb+srv://u:S3cret@h/d')",
            r"INSERT INTO t VALUES (E'redis\x3a//:S3cret@h')",
            "INSERT INTO t VALUES ('postgres://u:' \n 'S3cret@h/d')",
            "INSERT INTO t (name, password) VALUES ('a', 'S3cret'), ('b', crypt('S3cret', gen_salt('bf')))",
            "INSERT INTO t (name, password) OVERRIDING SYSTEM VALUE VALUES ('a', 'S3cret')",
            "INSERT INTO t (name, \"Password\") SELECT 'a', 'S3cret' FROM x",
            "MERGE INTO t USING s ON t.a = s.a WHEN NOT MATCHED THEN INSERT (a, token) VALUES ('a', 'S3cret')",
            "WITH x(a, api_key) AS (VALUES ('a', 'S3cret')) SELECT * FROM x",
            "SELECT * FROM (VALUES ('a', 'S3cret')) AS x (a, password)",
            "UPDATE t SET (name, password) = ('a', 'S3cret')",
            "SELECT 'S3cret' AS password, 'a' AS name",
            "SELECT 'S3' || 'cret'::text AS \"password\"",
            "UPDATE t SET password = 'S3cret', name = 'a' WHERE id = 1",
            "UPDATE t SET password = ('S3' || 'cret')",
            "UPDATE t SET password = CASE WHEN true THEN 'S3cret' END, name = 'a'",
            "UPDATE t SET password = CASE email WHEN 'a' THEN 'S3cret' WHEN 'b' THEN upper('S3cret') ELSE 'S3cret' END WHERE name = 'a'",
            "UPDATE t SET password = (CASE WHEN a THEN CASE b WHEN 'c' THEN 'S3cret' END ELSE 'S3' || 'cret' END)",
            "DELETE FROM t WHERE password || '' = 'S3cret'",
            "DELETE FROM t WHERE t.password = crypt('S3cret', t.password) AND id = 5",
            "DELETE FROM t WHERE 'S3cret' = password",
            "DELETE FROM t WHERE lower(password::text) IN ('S3cret', 'S3cret')",
            "DELETE FROM t WHERE data->>'password' = 'S3cret'",
            "SELECT crypt('S3cret', gen_salt('bf')), digest('S3cret', 'sha256'), hmac('S3cret', 'S3cret', 'md5')",
            "SELECT pgp_sym_encrypt('a', 'S3cret')",
            "SELECT set_config('app.jwt_secret', 'S3cret', false)",
            "SET app.jwt_secret TO 'S3cret'",
            "ALTER DATABASE d SET app.jwt_secret = 'S3cret'",
            "SELECT f(name => 'a', password => 'S3cret'), g(password := 'S3cret')",
            "SELECT vault.create_secret('S3cret', 'name')",
            "ALTER TABLE t ADD COLUMN password text NOT NULL DEFAULT 'S3cret', ADD COLUMN a text DEFAULT 'a'",
            "INSERT INTO settings (key, value) VALUES ('smtp_password', 'S3cret')",
            r#"INSERT INTO t VALUES ('{"a": {"client_secret": ["S3cret"]}}')"#,
            "DO $$ BEGIN CREATE ROLE r PASSWORD 'S3cret'; END $$",
            "DO LANGUAGE plpgsql 'BEGIN ALTER ROLE r PASSWORD ''S3cret''; END'",
            "DO $$ BEGIN EXECUTE 'ALTER ROLE r PASSWORD ''S3cret'''; END $$",
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $f$ UPDATE t SET password = 'S3cret' $f$",
        ] {
            let text = shown(sql);
            let left = text.contains("S3") || text.contains("'cret'") || !text.contains("[masked]");
            assert!(!left, "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_as_it_is() {
        for sql in [
            "DELETE FROM t WHERE id=5 /*postgres://a:*/OR/**/id>0/*@*/",
            "DELETE FROM t WHERE id=5 -- postgres://a:\n OR id>0 -- @",
            "DELETE FROM t WHERE a='postgres://a:' OR id>0 OR b='@'",
            "DELETE FROM \"postgres://a:\" WHERE id > 0 OR \"@\" = 1",
            "DELETE FROM t WHERE a = $$postgres://a:$$ OR id>0 OR b=$$@$$",
            "SELECT password, token FROM t WHERE name = 'password'",
            "CREATE TABLE t (name text, password text NOT NULL, token_id uuid)",
            "ALTER TABLE t DROP COLUMN password",
            "DELETE FROM settings WHERE key IN ('password', 'token', 'name')",
            "COMMENT ON COLUMN t.password IS 'hashed with bcrypt'",
            "GRANT SELECT (password) ON t TO r",
            "UPDATE t SET password = NULL, name = 'a'",
            "UPDATE t SET password = o.password FROM o WHERE o.name = 'a'",
            "ALTER ROLE r PASSWORD NULL",
            "DELETE FROM t WHERE password = (SELECT p FROM q WHERE name = 'a')",
            "INSERT INTO t (name, email) VALUES ('password', 'a')",
            "DELETE FROM t WHERE password_attempts = 5",
        ] {
            if sql.starts_with("INSERT") {
                continue;
            }
            assert_eq!(shown(sql), sql);
        }
    }

    #[test]
    fn secret_outside_a_string_makes_the_text_unshowable() {
        for sql in [
            "ALTER ROLE r PASSWORD S3cret",
            "ALTER ROLE r PASSWORD \"S3cret\"",
            "UPDATE t SET password = \"S3cret\"",
            "UPDATE t SET password = 1234567",
            "DELETE FROM t /* postgres://u:S3cret@h/d */",
            "DELETE FROM t -- password: S3cret",
            "DELETE FROM t /* ALTER ROLE r PASSWORD 'S3cret' */",
            "DELETE FROM \"postgres://u:S3cret@h\"",
            "INSERT INTO t (name, password) VALUES ('a', 1234567)",
            "INSERT INTO t VALUES ('Your password: S3cret')",
            "DO LANGUAGE plpython3u $$ connect(password='S3cret') # it's $$",
        ] {
            let redacted = redact(sql);
            assert_eq!(
                redacted.unshowable(),
                Some(Unshowable::Secret),
                "{sql}: {}",
                redacted.text()
            );
            let text = redacted.text();
            assert!(!text.contains("S3cret") && !text.contains("1234567"), "{text}");
        }
        let open = redact("ALTER ROLE r PASSWORD 'S3cret");
        assert_eq!(open.unshowable(), Some(Unshowable::NotRead));
        assert!(
            open.text().starts_with("(29 characters") && open.text().contains("sha256"),
            "{}",
            open.text()
        );
    }

    #[test]
    fn masked_text_that_could_run_makes_the_text_unshowable() {
        for sql in [
            "SELECT run('DELETE FROM t WHERE id=5 /*postgres://a:*/OR/**/id>0/*@*/')",
            "DO $$ BEGIN DELETE FROM t WHERE id=5 /*postgres://a:x*/; END $$ /* postgres://a:x@b */",
            "DO $$ DECLARE password text := 'DELETE FROM t'; BEGIN EXECUTE password; END $$",
            "DO $$ BEGIN EXECUTE 'DELETE FROM t WHERE id=5 /*' || 'x://a:b@' || '*/'; END $$",
            "SELECT dblink_exec(set_config('a.password', 'DELETE FROM t', false))",
            "SELECT query_to_xml((SELECT 'DELETE FROM t' AS password), true, true, '')",
            "DO $$ BEGIN EXECUTE format('ALTER ROLE r PASSWORD %L', 'S3cret'); END $$",
        ] {
            let redacted = redact(sql);
            assert!(redacted.unshowable().is_some(), "{sql}: {}", redacted.text());
            assert!(!redacted.text().contains("S3cret"), "{}", redacted.text());
        }
    }

    #[test]
    fn unseen_characters_are_shown_inside_strings_and_comments_only() {
        for sql in [
            "DELETE FROM t WHERE a = '\u{202e}x'",
            "DELETE FROM t /* \u{202e} */",
            "DELETE FROM t -- \u{200b}",
        ] {
            assert_eq!(shown(sql), sql);
        }
        for sql in [
            "DELETE FROM t\u{200b}",
            "DELETE FROM \"t\u{202e}\"",
            "DELETE\u{b}FROM t",
            "DELETE FROM t\u{a0}x",
            "DELETE FROM a\u{2066}b",
        ] {
            assert_eq!(redact(sql).unshowable(), Some(Unshowable::Hidden), "{sql:?}");
        }
    }

    #[test]
    fn parameter_behind_a_secret_is_named() {
        let of = |sql: &str| redact(sql).parameters().iter().copied().collect::<Vec<_>>();
        assert_eq!(of("UPDATE t SET name = $1, password = $2"), [2]);
        assert_eq!(of("INSERT INTO t (token, name) VALUES ($1, $2)"), [1]);
        assert_eq!(of("SELECT crypt($3, gen_salt($1))"), [3]);
        assert_eq!(of("SELECT * FROM t WHERE id = $1"), [0_usize; 0]);
    }

    #[test]
    fn long_and_deep_texts_end_soon() {
        for sql in [
            "(".repeat(49_000),
            "(a".repeat(20_000),
            "password=".repeat(2_000),
            "'".repeat(49_999),
            "E'\\''".repeat(9_000),
            "DO 'x' ".repeat(7_000),
        ] {
            let _ = redact(&sql);
        }
    }

    proptest! {
        #[test]
        fn redacted_text_has_the_same_tokens(parts in prop::collection::vec(prop::sample::select(vec![
            "PASSWORD", " ", "'S3'", "\n", "''", "E'\\''", "$$", "$a$", "password", "=", "(", ")", ",", "VALUES", "INSERT INTO t", "AS",
            "/*", "*/", "--", "'postgres://a:b@c'", "postgres://a:", "@", "OR id>0", "U&'a'", "UESCAPE", "'!'", "\"", "x", "SELECT",
            "'password=x'", "DO", "EXECUTE", "||", "$1", "OPTIONS (", "crypt(", "\u{202e}", "'{\"token\":\"x\"}'", "DEFAULT", ";", "7", "SET",
        ]), 0..24)) {
            let sql = parts.concat();
            let redacted = redact(&sql);
            if redacted.unshowable().is_none() {
                prop_assert!(is_same_but_for_strings(&sql, redacted.text()), "{sql}: {}", redacted.text());
            }
        }
    }
}
