//! What holds a secret by its name or its form: fields, columns, options, connection strings.
//!
//! ```
//! use sql_effect::secret::{is_secret_name, uri_passwords};
//!
//! assert!(is_secret_name("stripe_api_key"));
//! assert!(!is_secret_name("customer_id"));
//! assert_eq!(uri_passwords("postgresql://app:s3cret@db.example/shop").len(), 1);
//! ```

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Whether a field, column, option or setting of that name holds a secret, however the name is spelt.
pub fn is_secret_name(name: &str) -> bool {
    let last = name.rsplit(['.', '/', '{', ',']).next().unwrap_or(name);
    let folded: String = last
        .chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    const WHOLE: [&str; 13] = [
        "pwd",
        "pass",
        "pgpass",
        "psw",
        "jwt",
        "dsn",
        "authorization",
        "cookie",
        "cookies",
        "setcookie",
        "connectionuri",
        "connectionstring",
        "databaseurl",
    ];
    // What is said about a secret, and isn't one.
    const ABOUT: [&str; 35] = [
        "id",
        "ids",
        "name",
        "type",
        "at",
        "on",
        "in",
        "count",
        "attempts",
        "changed",
        "enabled",
        "disabled",
        "required",
        "policy",
        "length",
        "limit",
        "url",
        "uri",
        "path",
        "file",
        "hint",
        "age",
        "ttl",
        "expiry",
        "expires",
        "expiration",
        "version",
        "algorithm",
        "encryption",
        "status",
        "access",
        "lifetime",
        "number",
        "method",
        "less",
    ];
    const HOLDS: [&str; 5] = ["password", "passwd", "passphrase", "passcode", "secret"];
    const ENDS: [&str; 6] = ["token", "tokens", "tokenhash", "tokendigest", "jwt", "pwd"];
    if WHOLE.contains(&folded.as_str()) || ENDS.iter().any(|end| folded.ends_with(end)) || is_secret_key(&folded) {
        return true;
    }
    // `email_and_password` is a way to sign in, `passwordless` the lack of one.
    if folded.ends_with("andpassword") {
        return false;
    }
    HOLDS.iter().any(|word| {
        folded
            .rfind(word)
            .and_then(|at| folded.get(at + word.len()..))
            .is_some_and(|rest| {
                !ABOUT.contains(&rest) && !ABOUT.iter().any(|about| rest.ends_with(about) && rest != "s")
            })
    })
}

/// Whether a name that ends in `key` says a key that opens something, and not one that finds something.
fn is_secret_key(folded: &str) -> bool {
    const OPENS: [&str; 22] = [
        "api",
        "access",
        "secret",
        "private",
        "server",
        "service",
        "signing",
        "sign",
        "encryption",
        "decryption",
        "crypt",
        "master",
        "auth",
        "shared",
        "session",
        "hmac",
        "ssl",
        "role",
        "seal",
        "symmetric",
        "admin",
        "ssh",
    ];
    let stem = folded.strip_suffix("key").or_else(|| folded.strip_suffix("keys"));
    stem.is_some_and(|stem| OPENS.iter().any(|opens| stem.ends_with(opens)))
}

/// Whether an option of a server, user mapping or foreign table holds a secret. Of those every key is one.
pub(super) fn is_secret_option(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    is_secret_name(name)
        || ((lower.ends_with("key") || lower.contains("token") || lower.contains("credential"))
            && !["primary", "public", "foreign", "row"]
                .iter()
                .any(|kind| lower.contains(kind)))
}

/// The password in a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriPassword {
    /// Where it stands, in bytes.
    pub at: Range<usize>,
    /// Whether what stands there might be more than a password: where it ends isn't certain.
    pub uncertain: bool,
}

/// `scheme://user:`, after which a password may stand. `user` may be empty.
static USER_INFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r##"(?i)\b[a-z][a-z0-9+.-]*://[^\s:/?#@"'<>\\]*:"##).ok());

/// The passwords of URIs of any scheme.
pub fn uri_passwords(text: &str) -> Vec<UriPassword> {
    let mut found = Vec::new();
    if !text.contains("://") || !text.contains('@') {
        return found;
    }
    let Some(expression) = USER_INFO.as_ref() else {
        return vec![UriPassword {
            at: 0..text.len(),
            uncertain: true,
        }];
    };
    let mut from = 0;
    while let Some(start) = expression.find_at(text, from) {
        let begin = start.end();
        from = begin;
        let rest = text.get(begin..).unwrap_or_default();
        let word = rest
            .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
            .next()
            .unwrap_or_default();
        let authority = word.split(['/', '?', '#']).next().unwrap_or_default();
        let (end, uncertain) = match authority.rfind('@') {
            Some(end) => (end, authority.matches('@').count() > 1),
            // A port is no password; a password may hold what ends an authority, where a writer forgot to escape it.
            None if !authority.is_empty() && authority.bytes().all(|byte| byte.is_ascii_digit()) => continue,
            None => match word.rfind('@') {
                Some(end) => (end, true),
                None => continue,
            },
        };
        if end == 0 {
            continue;
        }
        let password = word.get(..end).unwrap_or_default();
        // What could end a comment or begin one might be code.
        let uncertain = uncertain || ["/*", "*/", "--", "$"].iter().any(|mark| password.contains(mark));
        found.push(UriPassword {
            at: begin..begin + end,
            uncertain,
        });
        from = begin + end;
    }
    found
}

/// `name=value` in a URI's query.
static QUERY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r##"[?&;]([A-Za-z_][A-Za-z0-9_.-]*)=([^&;\s'"#]*)"##).ok());

/// The values of secret parameters in a URI's query.
pub fn query_secrets(text: &str) -> Vec<Range<usize>> {
    let Some(expression) = QUERY.as_ref().filter(|_| text.contains("://") && text.contains('=')) else {
        return Vec::new();
    };
    expression
        .captures_iter(text)
        .filter_map(|found| {
            let (name, value) = (found.get(1)?, found.get(2)?);
            (is_secret_name(name.as_str()) && !value.is_empty()).then(|| value.range())
        })
        .collect()
}

/// The secret values of a connection string of the `key=value` form; nothing where the text as a whole is none.
pub(super) fn key_value_secrets(text: &str) -> Option<Vec<Range<usize>>> {
    let mut secrets = Vec::new();
    let mut at = 0;
    let skip = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        at + rest.len() - rest.trim_start().len()
    };
    loop {
        at = skip(at);
        let rest = text.get(at..).filter(|rest| !rest.is_empty());
        let Some(rest) = rest else { break };
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let key = rest.get(..length).filter(|key| !key.is_empty())?;
        at = skip(at + length);
        if !text.get(at..)?.starts_with('=') {
            return None;
        }
        at = skip(at + 1);
        let rest = text.get(at..)?;
        let quoted = rest.starts_with('\'');
        let mut end = rest.len();
        let mut closed = !quoted;
        let mut escaped = false;
        for (index, character) in rest.char_indices().skip(usize::from(quoted)) {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '\'' if quoted => {
                    (end, closed) = (index, true);
                    break;
                }
                c if !quoted && c.is_whitespace() => {
                    end = index;
                    break;
                }
                _ => {}
            }
        }
        if !closed {
            return None;
        }
        let value = at + usize::from(quoted)..at + end;
        if is_secret_option(key) && !value.is_empty() {
            secrets.push(value);
        }
        at += end + usize::from(quoted);
    }
    Some(secrets)
}

/// `password=…`, `"token": …`, `password '…'`: a name with a value.
static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)([a-z][a-z0-9_.-]*)["']?(?:\s*(?::=|=>|=|:)\s*["']?([^\s"',;)]+)|\s+('[^']|"[^"]))"#).ok()
});

/// Whether a text gives a value to something whose name says secret.
pub(super) fn assigns_secret(text: &str) -> bool {
    let Some(expression) = ASSIGNED.as_ref() else {
        return true;
    };
    expression.captures_iter(text).any(|found| {
        let name = found.get(1).is_some_and(|name| is_secret_name(name.as_str()));
        // A comparison with another column, a placeholder or a mask gives nothing away.
        let value = found.get(2).map_or("x", |value| value.as_str());
        name && !value.starts_with(['$', '%', '{', '[', '*', '/', '<'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_secret_is_told_from_one_about_a_secret() {
        for name in [
            "password",
            "PASSWORD",
            "db_password",
            "passwd",
            "sslpassword",
            "client_secret",
            "webhookSecret",
            "api_key",
            "apiKey",
            "access_token",
            "refresh-token",
            "Authorization",
            "cookie",
            "secret_server_key",
            "private_key",
            "password_hash",
            "app.jwt_secret",
            "service_role_key",
            "passwords",
            "connection_uri",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "key",
            "key_name",
            "key_id",
            "public_key",
            "primary_key",
            "token_id",
            "password_changed_at",
            "secret_name",
            "password_attempts",
            "object_key",
            "passwordless_access",
            "passwordless",
            "email_and_password",
            "compass",
            "tokenizer",
            "publishable_client_key",
            "password_encryption",
            "passenger",
            "cron",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn password_of_a_uri_ends_where_its_authority_does() {
        let of = |text: &str| -> Vec<(String, bool)> {
            uri_passwords(text)
                .into_iter()
                .map(|found| (text[found.at].to_owned(), found.uncertain))
                .collect()
        };
        assert_eq!(
            of("see mongodb+srv://u:p@h/x and redis://:q@h"),
            [("p".to_owned(), false), ("q".to_owned(), false)]
        );
        assert_eq!(of("https://h:8080/p?mail=a@b"), []);
        assert_eq!(of("https://a:b@evil/@good"), [("b".to_owned(), false)]);
        assert_eq!(of("postgres://u:S3/cr?et@h/db"), [("S3/cr?et".to_owned(), true)]);
        assert_eq!(
            of("postgres://a:*/OR/**/id>0/*@"),
            [("*/OR/**/id>0/*".to_owned(), true)]
        );
        assert_eq!(of("postgres://u:p@ss@h"), [("p@ss".to_owned(), true)]);
        assert_eq!(of("postgres://u@h/x:y@z"), []);
    }

    #[test]
    fn text_is_a_connection_string_as_a_whole_or_not_at_all() {
        let of = |text: &'static str| {
            key_value_secrets(text).map(|all| all.into_iter().map(|at| &text[at]).collect::<Vec<_>>())
        };
        assert_eq!(
            of("host=h user = u password='a \\' b' sslpassword=c"),
            Some(vec!["a \\' b", "c"])
        );
        assert_eq!(of("DELETE FROM t WHERE password=x"), None);
        assert_eq!(of("password=x OR 1=1"), None);
        assert_eq!(of("password='open"), None);
    }
}
