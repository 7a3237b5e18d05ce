//! Secrets are masked everywhere but in the tools that are there to hand one over.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use regex::{Captures, Regex};
use serde_json::Value;

use crate::sql::secret::{is_secret_name, query_secrets, uri_passwords};

/// What stands where a secret was.
pub const MASK: &str = "[masked]";

/// Masks the secrets of an answer.
///
/// `masked` are the places that the declaration names, `revealed` those that the tool hands over on
/// purpose; both are JSON pointers in which `*` stands for every item or value. Beside the named places,
/// whatever looks like a secret is masked too, unless it stands at a revealed place: all of a field that is
/// named like one, but for booleans, and the password in a URI of any scheme. An upstream that puts a secret
/// where the reference has none doesn't get it through.
pub fn mask(value: &mut Value, masked: &[String], revealed: &[String]) {
    let masked: Vec<Vec<&str>> = masked.iter().map(|pointer| segments(pointer)).collect();
    let revealed: Vec<Vec<&str>> = revealed.iter().map(|pointer| segments(pointer)).collect();
    walk(value, &mut Vec::new(), &masked, &revealed);
}

/// The server's own API key or tokens, in the forms in which they could come back: as they are, percent-encoded, in base64. Clones
/// hold the same ones.
///
/// Another place to which the key was sent by mistake, or an upstream that repeats it, doesn't get it through.
#[derive(Clone, Default)]
pub struct OwnKey {
    /// The forms of each, the newest last.
    keys: Arc<RwLock<VecDeque<Vec<String>>>>,
}

impl std::fmt::Debug for OwnKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[hidden]")
    }
}

/// The keys of this process, which no line of its log holds.
static OWN_KEYS: RwLock<Vec<OwnKey>> = RwLock::new(Vec::new());

/// A line of a log without the keys that this process uses.
#[must_use]
pub fn without_own_keys(line: &str) -> Cow<'_, str> {
    let keys = OWN_KEYS.read().unwrap_or_else(PoisonError::into_inner);
    let mut line = Cow::Borrowed(line);
    for key in keys.iter().filter(|key| key.is_in(&line)).collect::<Vec<_>>() {
        line = Cow::Owned(key.redacted(&line));
    }
    line
}

/// The shortest key that is looked for, in bytes: a shorter one is no key, and stands in many words.
const MIN_KEY: usize = 8;

/// How many tokens of one sign-in are looked for: each is renewed within the hour, and those before are worth nothing.
const MAX_KEYS: usize = 16;

impl OwnKey {
    /// The forms of a key.
    #[must_use]
    pub fn new(key: &str) -> Self {
        let own = Self::default();
        own.add(key);
        own
    }

    /// Looks for that one, too: a token that came in the place of another.
    pub fn add(&self, key: &str) {
        if key.len() < MIN_KEY {
            return;
        }
        let forms = forms(key);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.contains(&forms) {
            return;
        }
        keys.push_back(forms);
        if keys.len() > MAX_KEYS {
            keys.pop_front();
        }
    }

    /// Keeps it out of the log of this process from now on.
    pub fn keep_out_of_logs(&self) {
        let mut keys = OWN_KEYS.write().unwrap_or_else(PoisonError::into_inner);
        if !keys.iter().any(|key| Arc::ptr_eq(&key.keys, &self.keys)) {
            keys.push(self.clone());
        }
    }

    /// Ends what [`Self::keep_out_of_logs`] began: a caller's own key that nothing uses any more.
    pub fn forget(&self) {
        let mut keys = OWN_KEYS.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|key| !Arc::ptr_eq(&key.keys, &self.keys));
    }

    /// Whether a text holds it.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().flatten().any(|form| text.contains(form.as_str()))
    }

    /// A text without it.
    #[must_use]
    pub fn redacted(&self, text: &str) -> String {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut out = text.to_owned();
        for form in keys.iter().flatten() {
            if out.contains(form.as_str()) {
                out = out.replace(form.as_str(), MASK);
            }
        }
        out
    }

    /// Takes it out of every text and name of a value.
    pub fn redact(&self, value: &mut Value) {
        match value {
            Value::String(text) if self.is_in(text) => *text = self.redacted(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact(item)),
            Value::Object(object) => {
                if object.keys().any(|name| self.is_in(name)) {
                    let own = std::mem::take(object).into_iter();
                    *object = own.map(|(name, value)| (self.redacted(&name), value)).collect();
                }
                object.values_mut().for_each(|value| self.redact(value));
            }
            _ => {}
        }
    }
}

/// The forms of a key in which it could come back.
fn forms(key: &str) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let mut forms = vec![key.to_owned()];
    // RFC 3986, 2.3: what is unreserved needn't be encoded, and may be.
    const RESERVED: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    for set in [&RESERVED, percent_encoding::NON_ALPHANUMERIC] {
        forms.push(percent_encoding::utf8_percent_encode(key, set).to_string());
    }
    // Inside of a longer text in base64 it begins at any of three places; what its neighbours change is left out.
    for offset in 0..3_usize {
        let mut bytes = vec![0; offset];
        bytes.extend_from_slice(key.as_bytes());
        let (from, to) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            forms.extend(text.get(from..to).map(str::to_owned));
        }
    }
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// A text in which the passwords of connection strings and statements are masked, and keys of Neon's and bearer tokens.
#[must_use]
pub fn mask_text(text: &str) -> String {
    let clean = without_password(text).unwrap_or_else(|| text.to_owned());
    // Most texts hold neither: no expression is compiled or run for them.
    if !clean.contains("napi_") && !clean.to_ascii_lowercase().contains("bearer") {
        return clean;
    }
    match KEYS.as_ref() {
        Some(keys) => keys.replace_all(&clean, format!("${{1}}{MASK}")).into_owned(),
        None => MASK.to_owned(),
    }
}

/// A key of Neon's, and what follows `Bearer` and is as long as a token. References (`$NAME`, `<token>`) are none.
static KEYS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)(\bbearer\s+)[a-z0-9_.~+/-]{16,}=*|\bnapi_[a-z0-9]{24,}").ok());

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

/// Whether a place lies above one of these.
fn leads_to(path: &[String], pointers: &[Vec<&str>]) -> bool {
    pointers.iter().any(|pointer| {
        pointer.len() > path.len()
            && path
                .iter()
                .zip(pointer)
                .all(|(have, want)| *want == "*" || want == have)
    })
}

fn walk(value: &mut Value, path: &mut Vec<String>, masked: &[Vec<&str>], revealed: &[Vec<&str>]) {
    if stands_at(path, revealed) {
        return;
    }
    let named = path.last().is_some_and(|name| is_secret_name(name)) && !is_list_of_things(value);
    let holds = named && !leads_to(path, revealed);
    if !value.is_null() && !value.is_boolean() && (stands_at(path, masked) || holds) {
        *value = Value::from(MASK);
        return;
    }
    match value {
        Value::Object(object) => {
            if object.keys().any(|name| without_password(name).is_some()) {
                let own = std::mem::take(object).into_iter();
                *object = own.map(|(name, value)| (mask_text(&name), value)).collect();
            }
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

/// Whether a value lists things that have fields of their own, as a list of API keys does: those are looked at one by one.
fn is_list_of_things(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_object))
}

/// Whether masking a value would hide more than passwords: where one ends isn't certain.
pub(super) fn hides_more_than_a_password(value: &Value) -> bool {
    match value {
        Value::String(text) => uri_passwords(text).iter().any(|found| found.uncertain),
        Value::Array(items) => items.iter().any(hides_more_than_a_password),
        Value::Object(object) => object
            .iter()
            .any(|(name, value)| !is_secret_name(name) && hides_more_than_a_password(value)),
        _ => false,
    }
}

/// `password=…`, `password '…'` and the like: in a URI's query, a `key=value` string, or a statement's options.
static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)(\bpassword["']?\s*(?:=|:|\s)\s*)('(?:[^']|'')*'|"(?:[^"]|"")*"|[^\s'"&,;)]+)"#).ok()
});

/// The text with the passwords in connection strings and statements masked, or nothing when there is none.
fn without_password(text: &str) -> Option<String> {
    // Most texts hold neither: no expression is compiled or run for them.
    let encoded = text.contains("%3A%2F%2F") || text.contains("%3a%2f%2f");
    let uri = encoded || text.contains("://");
    let assigned = text.to_ascii_lowercase().contains("password");
    if !uri && !assigned {
        return None;
    }
    let mut secrets: Vec<Range<usize>> = uri_passwords(text).into_iter().map(|found| found.at).collect();
    for value in query_secrets(text) {
        if !secrets
            .iter()
            .any(|other| other.start < value.end && value.start < other.end)
        {
            secrets.push(value);
        }
    }
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.start));
    let mut clean = text.to_owned();
    if encoded {
        // In a path, a segment at a time.
        for segment in text.split(['/', ' ', '?', '&']).filter(|segment| segment.contains('%')) {
            let says = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
            if !says.contains("%3A%2F%2F")
                && let Some(masked) = without_password(&says)
            {
                clean = clean.replace(segment, &masked);
            }
        }
        return (clean != text).then_some(clean);
    }
    for secret in secrets {
        clean.replace_range(secret, MASK);
    }
    if assigned {
        let Some(assignment) = ASSIGNED.as_ref() else {
            return Some(MASK.to_owned());
        };
        let replaced = assignment.replace_all(&clean, |found: &Captures<'_>| {
            let (before, value) = (&found[1], &found[2]);
            // "password authentication failed" is prose: only a quoted value follows a mere blank.
            let sign = before.contains(['=', ':']);
            if (sign || value.starts_with(['\'', '"'])) && !value.starts_with(MASK) {
                format!("{before}{MASK}")
            } else {
                found[0].to_owned()
            }
        });
        clean = replaced.into_owned();
    }
    (clean != text).then_some(clean)
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
    fn keys_and_bearer_tokens_in_a_text_are_masked() {
        let key = format!("napi_{}", "0a".repeat(32));
        assert_eq!(super::mask_text(&format!("x --key {key} y")), "x --key [masked] y");
        assert_eq!(
            super::mask_text("Authorization: Bearer abcdef0123456789abcdef"),
            "Authorization: Bearer [masked]"
        );
        for text in [
            "Bearer ${NEON_HTTP_TOKEN}",
            "Authorization: Bearer $NEON_API_KEY",
            "napi_x",
            "a bearer token of it",
        ] {
            assert_eq!(super::mask_text(text), text);
        }
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
    fn everything_under_a_secret_name_is_masked_but_booleans() {
        assert_eq!(
            masked(
                json!({"client_secret": {"value": "s", "n": [1]}, "pin_token": 1234, "store_passwords": true, "api_keys": [{"id": 1, "name": "a", "token": "s"}],
                    "headers": {"Authorization": "Bearer s", "Set-Cookie": ["s"]}, "signing_key": "s", "key_name": "a", "key_id": 5, "public_key": "a",
                    "object_key": "a"}),
                &[],
                &[]
            ),
            json!({"client_secret": "[masked]", "pin_token": "[masked]", "store_passwords": true, "api_keys": [{"id": 1, "name": "a", "token": "[masked]"}],
                "headers": {"Authorization": "[masked]", "Set-Cookie": "[masked]"}, "signing_key": "[masked]", "key_name": "a", "key_id": 5, "public_key": "a",
                "object_key": "a"})
        );
        let credentials = json!({"client_secret": {"value": "shown", "other": "a"}});
        assert_eq!(masked(credentials.clone(), &[], &["/client_secret/value"]), credentials);
    }

    #[test]
    fn own_key_is_redacted_in_every_form() {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let key = "napi_s3cr3t+key/value";
        let own = super::OwnKey::new(key);
        let mut value = json!({"a": [format!("x{key}y")], "b": "napi_s3cr3t%2Bkey%2Fvalue", key: 1,
            "c": [STANDARD.encode(key), STANDARD.encode(format!("u:{key}")), STANDARD.encode(format!("us:{key} and more"))], "d": "napi_other"});
        own.redact(&mut value);
        let text = value.to_string();
        assert_eq!(text.matches("[masked]").count(), 6, "{text}");
        assert!(!text.contains("s3cr3t") && text.contains("napi_other"), "{text}");
        assert!(!super::OwnKey::new("x").is_in("xyz"), "a word is no key");
    }

    #[test]
    fn password_in_a_uri_of_any_scheme_is_masked() {
        let text = json!([
            "redis://:s@h",
            "https://u:s@h/p",
            "amqps://u:s@h",
            "mongodb+srv://u:s@h/?authSource=a",
            "x://h?access_token=s&a=b",
            "https://h:8080/p?mail=a@b"
        ]);
        assert_eq!(
            masked(text, &[], &[]),
            json!([
                "redis://:[masked]@h",
                "https://u:[masked]@h/p",
                "amqps://u:[masked]@h",
                "mongodb+srv://u:[masked]@h/?authSource=a",
                "x://h?access_token=[masked]&a=b",
                "https://h:8080/p?mail=a@b"
            ])
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
