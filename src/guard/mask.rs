//! Secrets are masked everywhere but in the tools that are there to hand one over.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

/// What stands where a secret was.
pub const MASK: &str = "[masked]";

/// Masks the secrets of an answer.
///
/// `masked` are the places that the declaration names, `revealed` those that the tool hands over on
/// purpose; both are JSON pointers in which `*` stands for every item or value. Beside the named places,
/// whatever looks like a secret is masked too, unless it stands at a revealed place: fields that are
/// named like one, and the password in a Postgres connection string. An upstream that puts a secret
/// where the reference has none doesn't get it through.
pub fn mask(value: &mut Value, masked: &[String], revealed: &[String]) {
    let masked: Vec<Vec<&str>> = masked.iter().map(|pointer| segments(pointer)).collect();
    let revealed: Vec<Vec<&str>> = revealed.iter().map(|pointer| segments(pointer)).collect();
    walk(value, &mut Vec::new(), &masked, &revealed);
}

/// A text in which the passwords of connection strings and statements are masked.
#[must_use]
pub fn mask_text(text: &str) -> String {
    without_password(text).unwrap_or_else(|| text.to_owned())
}

fn segments(pointer: &str) -> Vec<&str> {
    pointer.split('/').skip(1).collect()
}

fn stands_at(path: &[String], pointers: &[Vec<&str>]) -> bool {
    pointers.iter().any(|pointer| {
        pointer.len() == path.len()
            && pointer
                .iter()
                .zip(path)
                .all(|(want, have)| *want == "*" || want == have)
    })
}

fn walk(value: &mut Value, path: &mut Vec<String>, masked: &[Vec<&str>], revealed: &[Vec<&str>]) {
    if stands_at(path, revealed) {
        return;
    }
    let named = path.last().is_some_and(|name| is_secret_name(name));
    if !value.is_null() && !value.is_boolean() && (stands_at(path, masked) || (named && !value.is_object())) {
        *value = Value::from(MASK);
        return;
    }
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                path.push(name.clone());
                walk(value, path, masked, revealed);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                path.push(index.to_string());
                walk(item, path, masked, revealed);
                path.pop();
            }
        }
        Value::String(text) => {
            if let Some(clean) = without_password(text) {
                *text = clean;
            }
        }
        _ => {}
    }
}

/// Whether a field of that name holds a secret, wherever it stands and however it is spelt.
fn is_secret_name(name: &str) -> bool {
    let name: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    const WHOLE: [&str; 7] = [
        "pwd",
        "token",
        "jwt",
        "dsn",
        "connectionuri",
        "connectionstring",
        "privatekey",
    ];
    const ENDINGS: [&str; 10] = [
        "password",
        "passwd",
        "apikey",
        "apitoken",
        "accesstoken",
        "refreshtoken",
        "secret",
        "secretkey",
        "secretaccesskey",
        "serverkey",
    ];
    WHOLE.contains(&name.as_str()) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// `scheme://user:PASSWORD@`, up to the last `@` before a blank or a quote: a password may hold `@`, `/` and `?`.
static USER_INFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)(postgres(?:ql)?://[^\s:/@"']*:)[^\s"']*@"#).ok());

/// `password=…`, `password '…'` and the like: in a URI's query, a `key=value` string, or a statement's options.
static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)(\bpassword["']?\s*(?:=|:|\s)\s*)('(?:[^']|'')*'|"(?:[^"]|"")*"|[^\s'"&,;)]+)"#).ok()
});

/// The text with the passwords in connection strings and statements masked, or nothing when there is none.
fn without_password(text: &str) -> Option<String> {
    // Most texts hold neither: no expression is compiled or run for them.
    let lower = text.to_ascii_lowercase();
    let (uri, assigned) = (lower.contains("postgres"), lower.contains("password"));
    if !uri && !assigned {
        return None;
    }
    let (Some(user_info), Some(assignment)) = (USER_INFO.as_ref(), ASSIGNED.as_ref()) else {
        return Some(MASK.to_owned());
    };
    let clean = user_info.replace_all(text, format!("${{1}}{MASK}@"));
    let clean = if assigned {
        assignment.replace_all(&clean, |found: &Captures<'_>| {
            let (before, value) = (&found[1], &found[2]);
            // "password authentication failed" is prose: only a quoted value follows a mere blank.
            let sign = before.contains(['=', ':']);
            if sign || value.starts_with(['\'', '"']) {
                format!("{before}{MASK}")
            } else {
                found[0].to_owned()
            }
        })
    } else {
        clean
    };
    (clean != text).then(|| clean.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::mask;

    fn masked(mut value: serde_json::Value, places: &[&str], revealed: &[&str]) -> serde_json::Value {
        let own = |places: &[&str]| places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>();
        mask(&mut value, &own(places), &own(revealed));
        value
    }

    #[test]
    fn named_places_are_masked_and_revealed_ones_are_not() {
        let value = json!({"id": "shown", "items": [{"link": "s1"}, {"link": "s2"}], "password": "p"});
        assert_eq!(
            masked(value, &["/items/*/link"], &["/password"]),
            json!({"id": "shown", "items": [{"link": "[masked]"}, {"link": "[masked]"}], "password": "p"})
        );
    }

    #[test]
    fn what_looks_like_a_secret_is_masked_where_no_place_names_it() {
        let value = json!({
            "deep": {"password": "p", "client_secret": ["a", "b"], "store_passwords": true},
            "text": "try postgresql://me:p@ss@ep-x.neon.tech/db?a=b and postgres://me@host/db, postgres is nice",
        });
        assert_eq!(
            masked(value, &[], &[]),
            json!({
                "deep": {"password": "[masked]", "client_secret": "[masked]", "store_passwords": true},
                "text": "try postgresql://me:[masked]@ep-x.neon.tech/db?a=b and postgres://me@host/db, postgres is nice",
            })
        );
    }

    #[test]
    fn a_password_is_masked_in_every_form_of_connection_string_and_statement() {
        for text in [
            "postgresql://h/db?user=u&password=S3cret&x=y",
            "jdbc:postgresql://h/db?password=S3cret",
            "postgres://u:S3/cr?et@host/db",
            "POSTGRES://u:S3cret@host/db",
            "CREATE SUBSCRIPTION s CONNECTION 'host=h user=u password=S3cret dbname=d'",
            "OPTIONS (\"user\" 'x', password 'S3cret')",
            "ALTER ROLE r PASSWORD 'S3''cret'",
        ] {
            let shown = masked(json!({"sql": text}), &[], &[]).to_string();
            assert!(!shown.contains("S3") && shown.contains("[masked]"), "{shown}");
        }
        let prose = json!({"text": "password authentication failed; column password text NOT NULL"});
        assert_eq!(masked(prose.clone(), &[], &[]), prose);
        let names = json!({"webhook_secret": "s", "secret_access_key": "s", "secret_key": "s", "accessToken": "s", "apiKey": "s", "token_id": "shown"});
        let expected = json!({"webhook_secret": "[masked]", "secret_access_key": "[masked]", "secret_key": "[masked]", "accessToken": "[masked]",
            "apiKey": "[masked]", "token_id": "shown"});
        assert_eq!(masked(names, &[], &[]), expected);
    }

    #[test]
    fn an_absent_secret_stays_absent() {
        assert_eq!(
            masked(json!({"password": null}), &["/password"], &[]),
            json!({"password": null})
        );
    }
}
