//! What a file with a login holds: a key, or the tokens of a sign-in, in the form that the neon command line has.

use std::fmt;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::error::SignInError;
use super::id_token::Person;
use super::issuer::Issuer;
use super::tokens::Tokens;
use crate::guard::OwnKey;
use crate::neon::Credential;
use crate::text::one_line;

/// How long before its end a token isn't used any more: it has to arrive.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// What a file holds.
#[derive(Debug)]
pub(super) enum Held {
    /// A key, which stays.
    ApiKey(Credential),
    /// The tokens of a sign-in.
    Session(Session),
}

/// The tokens of a sign-in, with all that stands beside them: whoever wrote that wants it back.
#[derive(Clone)]
pub(super) struct Session {
    fields: Map<String, Value>,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Session([hidden])")
    }
}

/// Reads what a file holds.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Held, SignInError> {
    let unusable = |why: &str| SignInError::Unusable {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    // Without the parser's own words: they may quote a token.
    let fields: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| unusable("it is no JSON object"))?;
    match fields.get("type") {
        None => {}
        Some(Value::String(kind)) if kind == "oauth" => {}
        Some(Value::String(kind)) if kind == "api_key" => {
            let key = fields.get("api_key").and_then(Value::as_str).unwrap_or_default();
            return Credential::new(key.to_owned())
                .map(Held::ApiKey)
                .map_err(|error| unusable(&error.to_string()));
        }
        // As the command line does it: what isn't understood isn't taken for a sign-in, which would be renewed and written over.
        Some(_) => return Err(unusable("its `type` is neither `oauth` nor `api_key`")),
    }
    let session = Session { fields };
    if session.access().is_none() && session.refresh().is_none() {
        return Err(unusable("it has no token"));
    }
    Ok(Held::Session(session))
}

impl Session {
    /// A new sign-in of ours, for that API.
    pub(super) fn begun(tokens: &Tokens, person: &Person, issuer: &Issuer, api: &str) -> Self {
        let mut fields = Map::new();
        fields.insert("type".to_owned(), "oauth".into());
        fields.insert("issuer".to_owned(), issuer.address().into());
        fields.insert("client_id".to_owned(), issuer.client_id.as_str().into());
        fields.insert("subject".to_owned(), person.subject.as_str().into());
        fields.insert("api".to_owned(), api.into());
        let label = person.email.as_ref().or(person.name.as_ref());
        fields.extend(label.map(|label| ("label".to_owned(), one_line(label, 200).into())));
        Self { fields }.renewed(tokens, Utc::now())
    }

    /// The same sign-in with new tokens. A server that sends no new refresh token lets the one before count.
    pub(super) fn renewed(&self, tokens: &Tokens, now: DateTime<Utc>) -> Self {
        let mut fields = self.fields.clone();
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        // By name: whose it is and where it may be sent isn't the token endpoint's to say.
        set("type", "oauth".into());
        set("token_type", "bearer".into());
        set("access_token", tokens.access.expose_secret().into());
        if let Some(refresh) = &tokens.refresh {
            set("refresh_token", refresh.expose_secret().into());
        }
        if let Some(scope) = &tokens.scope {
            set("scope", scope.as_str().into());
        }
        // Said once, to whoever signed in: it has no use later, and tells who that is.
        fields.shift_remove("id_token");
        match tokens.expires_in {
            Some(seconds) => {
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX / 2_000);
                let end = now.timestamp_millis().saturating_add(seconds.saturating_mul(1_000));
                fields.insert("expires_in".to_owned(), seconds.into());
                fields.insert("expires_at".to_owned(), end.into());
            }
            None => {
                fields.shift_remove("expires_in");
                fields.shift_remove("expires_at");
            }
        }
        Self { fields }
    }

    fn text(&self, name: &str) -> Option<&str> {
        let text = self.fields.get(name)?.as_str()?;
        Some(text).filter(|text| !text.is_empty() && text.len() <= 8_192)
    }

    /// The access token.
    pub(super) fn access(&self) -> Option<Credential> {
        Credential::new(self.text("access_token")?.to_owned()).ok()
    }

    /// The refresh token.
    pub(super) fn refresh(&self) -> Option<SecretString> {
        self.text("refresh_token").map(SecretString::from)
    }

    /// Until when the access token is good, where that is told.
    pub(super) fn expires_at(&self) -> Option<DateTime<Utc>> {
        let milliseconds = self.fields.get("expires_at")?;
        let milliseconds = milliseconds.as_i64().or_else(|| {
            // Another program may write it as a number with a fraction.
            #[allow(clippy::cast_possible_truncation)]
            milliseconds.as_f64().map(|number| number as i64)
        });
        DateTime::from_timestamp_millis(milliseconds?)
    }

    /// Whether the access token can be used now. Where nobody says when it ends, it can until it is refused.
    pub(super) fn is_good(&self, now: DateTime<Utc>) -> bool {
        match self.expires_at() {
            Some(end) => self.access().is_some() && end > now + LEEWAY,
            None => self.access().is_some(),
        }
    }

    /// Has its tokens kept out of results and logs.
    pub(super) fn keep_out(&self, key: &OwnKey) {
        for name in ["access_token", "refresh_token"] {
            if let Some(token) = self.text(name) {
                key.add(token);
            }
        }
    }

    /// Which account it is of, where that is told.
    pub(super) fn account(&self) -> Option<String> {
        match (self.text("issuer"), self.text("subject"), self.text("user_id")) {
            (Some(issuer), Some(subject), _) => Some(format!("{issuer} {subject}")),
            (.., Some(user)) => Some(format!("user {user}")),
            _ => None,
        }
    }

    /// Which issuer it is of, where it is one of ours.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.text("issuer")
    }

    /// Which API it is for, where it is one of ours.
    pub(super) fn api(&self) -> Option<&str> {
        self.text("api")
    }

    /// What people call the account.
    pub(super) fn label(&self) -> Option<String> {
        self.text("label").map(|label| one_line(label, 200))
    }

    /// The file's text, which is a secret.
    pub(super) fn written(&self) -> SecretString {
        SecretString::from(Value::Object(self.fields.clone()).to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn held(value: &Value) -> Result<Held, SignInError> {
        read(Path::new("credentials.json"), value.to_string().as_bytes())
    }

    fn session(value: &Value) -> Session {
        match held(value).unwrap() {
            Held::Session(session) => session,
            Held::ApiKey(_) => panic!("a key"),
        }
    }

    #[test]
    fn file_of_an_unknown_kind_is_no_login() {
        for wrong in [
            json!([]),
            json!("x"),
            json!({}),
            json!({"type": "later", "access_token": "a"}),
            json!({"type": null, "access_token": "a"}),
            json!({"type": "api_key", "access_token": "a"}),
            json!({"type": "api_key", "api_key": "a b"}),
            json!({"access_token": 1}),
        ] {
            assert!(matches!(held(&wrong), Err(SignInError::Unusable { .. })), "{wrong}");
        }
        assert!(read(Path::new("x"), b"\xff{").is_err());
        assert!(matches!(
            held(&json!({"type": "api_key", "api_key": "napi_x\n"})),
            Ok(Held::ApiKey(_))
        ));
    }

    #[test]
    fn token_is_good_until_shortly_before_its_end() {
        let now = Utc::now();
        let ends = |seconds: i64| {
            let end = (now + TimeDelta::seconds(seconds)).timestamp_millis();
            session(&json!({"access_token": "a", "refresh_token": "r", "expires_at": end})).is_good(now)
        };
        assert!(ends(60) && !ends(20) && !ends(-1));
        assert!(session(&json!({"access_token": "a", "refresh_token": "r"})).is_good(now));
        assert!(session(&json!({"access_token": "a"})).is_good(now));
        assert!(!session(&json!({"refresh_token": "r"})).is_good(now));
        for odd in [json!("soon"), json!(1e300), json!(i64::MIN), json!({})] {
            let _ = session(&json!({"access_token": "a", "expires_at": odd})).is_good(now);
        }
    }

    #[test]
    fn renewal_keeps_what_others_wrote() {
        let before = session(&json!({"access_token": "a", "refresh_token": "r", "user_id": "u", "later": {"x": 1}}));
        let tokens = Tokens {
            identity: None,
            access: "b".into(),
            refresh: None,
            scope: Some("openid".to_owned()),
            expires_in: Some(60),
        };
        let after = before.renewed(&tokens, Utc::now());
        assert_eq!(after.fields["later"], json!({"x": 1}));
        assert_eq!(after.fields["refresh_token"], "r");
        assert_eq!(after.fields["access_token"], "b");
        assert_eq!(after.account(), before.account());
        assert!(after.is_good(Utc::now()));
        assert!(!format!("{after:?}").contains('b'.to_string().repeat(2).as_str()));
    }
}
