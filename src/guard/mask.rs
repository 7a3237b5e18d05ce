//! Secrets are masked everywhere but in the tools that are there to hand one over.

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

/// Whether a field of that name holds a secret, wherever it stands.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(
        name.as_str(),
        "password"
            | "pwd"
            | "passwd"
            | "secret"
            | "api_key"
            | "api_token"
            | "access_token"
            | "refresh_token"
            | "connection_uri"
            | "private_key"
    ) || name.ends_with("_password")
        || name.ends_with("_secret")
        || name.ends_with("_secret_key")
        || name.ends_with("_secret_access_key")
        || name.ends_with("_server_key")
}

/// The text with every `postgres://user:PASSWORD@` masked, or nothing when there is none.
fn without_password(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut found = false;
    while let Some(start) = rest.find("postgres") {
        let (before, uri) = rest.split_at(start);
        out.push_str(before);
        let scheme = ["postgresql://", "postgres://"]
            .into_iter()
            .find(|scheme| uri.starts_with(scheme));
        let Some(scheme) = scheme else {
            let (word, after) = uri.split_at("postgres".len());
            out.push_str(word);
            rest = after;
            continue;
        };
        let authority = uri.get(scheme.len()..).unwrap_or_default();
        let end = authority
            .find(|char: char| char.is_whitespace() || matches!(char, '/' | '"' | '\'' | '?'))
            .unwrap_or(authority.len());
        // A password may hold an unencoded `@`: the last one ends it.
        let user_info = authority
            .get(..end)
            .and_then(|authority| authority.rsplit_once('@'))
            .map(|(user_info, _)| user_info);
        out.push_str(scheme);
        rest = authority;
        if let Some((user, password)) = user_info.and_then(|user_info| user_info.split_once(':')) {
            out.push_str(user);
            out.push(':');
            out.push_str(MASK);
            rest = authority.get(user.len() + 1 + password.len()..).unwrap_or_default();
            found = true;
        }
    }
    out.push_str(rest);
    found.then_some(out)
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
    fn an_absent_secret_stays_absent() {
        assert_eq!(
            masked(json!({"password": null}), &["/password"], &[]),
            json!({"password": null})
        );
    }
}
