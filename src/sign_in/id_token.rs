//! The identity that comes with the tokens: whose they are, and that they are the answer to what was asked.
//!
//! It comes from the token endpoint itself, over TLS (or from this machine): OpenID Connect Core 1.0, 3.1.3.7, lets that stand for a
//! check of its signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::SignInError;
use crate::text::one_line;

/// How far the clocks of two machines may be apart, in seconds.
const SKEW: i64 = 300;

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// The issuer's name for them, which never changes.
    pub(super) subject: String,
    /// Their address, where it is told.
    pub(super) email: Option<String>,
    /// Their name, where it is told.
    pub(super) name: Option<String>,
    /// All that it says.
    pub(super) claims: Map<String, Value>,
}

impl Person {
    /// Who it is, for that person to read.
    pub(super) fn shown(&self) -> String {
        let who = match (&self.email, &self.name) {
            (Some(email), Some(name)) => format!("{email} ({name})"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => self.subject.clone(),
        };
        one_line(&who, 200)
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    nonce: Option<String>,
    email: Option<String>,
    name: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// For whom it is: one, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Who signed in, where the identity is from that issuer, for that client, and about that question.
pub(super) fn check(
    token: Option<&SecretString>,
    (issuer, client): (&str, &str),
    nonce: &str,
) -> Result<Person, SignInError> {
    let wrong = SignInError::Identity;
    let token = token.ok_or(wrong("there is none"))?;
    let mut parts = token.expose_secret().split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(wrong("it is no signed token"));
    };
    let payload = URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .map_err(|_| wrong("it can't be decoded"))?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|_| wrong("it lacks what every identity has"))?;
    if claims.iss != issuer {
        return Err(wrong("it is from another issuer"));
    }
    let (is_for_us, is_alone) = match &claims.aud {
        Audience::One(audience) => (audience == client, true),
        Audience::Several(audiences) => (
            audiences.iter().any(|audience| audience == client),
            audiences.len() == 1,
        ),
    };
    if !is_for_us || claims.azp.as_ref().map_or(!is_alone, |party| party != client) {
        return Err(wrong("it is for another program"));
    }
    if claims.exp < Utc::now().timestamp() - SKEW {
        return Err(wrong("it has expired, by this machine's clock, which may be wrong"));
    }
    if claims.nonce.as_deref() != Some(nonce) {
        return Err(wrong("it answers another question"));
    }
    if claims.sub.is_empty() || claims.sub.len() > 255 {
        return Err(wrong("it names nobody"));
    }
    Ok(Person {
        subject: claims.sub,
        email: claims.email,
        name: claims.name,
        claims: claims.rest,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(claims: &Value) -> SecretString {
        SecretString::from(format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string())))
    }

    fn right() -> Value {
        json!({"iss": "https://i", "sub": "u", "aud": "c", "exp": Utc::now().timestamp() + 60, "nonce": "n", "email": "a@b"})
    }

    fn checked(claims: &Value) -> Result<Person, SignInError> {
        check(Some(&token(claims)), ("https://i", "c"), "n")
    }

    #[test]
    fn identity_for_this_client_says_who_signed_in() {
        let person = checked(&right()).unwrap();
        assert_eq!((person.subject.as_str(), person.email.as_deref()), ("u", Some("a@b")));
        let mut several = right();
        several["aud"] = json!(["c", "d"]);
        assert!(checked(&several).is_err(), "who is meant of two must be said");
        several["azp"] = json!("c");
        assert!(checked(&several).is_ok());
    }

    #[test]
    fn identity_with_anything_else_in_it_is_refused() {
        for (name, value) in [
            ("iss", json!("https://i/")),
            ("iss", json!("https://evil")),
            ("aud", json!("d")),
            ("aud", json!([])),
            ("azp", json!("d")),
            ("exp", json!(1)),
            ("nonce", json!("m")),
            ("nonce", Value::Null),
            ("sub", json!("")),
            ("sub", json!("x".repeat(256))),
        ] {
            let mut claims = right();
            claims[name] = value.clone();
            assert!(
                matches!(checked(&claims), Err(SignInError::Identity(_))),
                "{name} {value}"
            );
        }
        for text in ["", "a.b", "a.b.c", "a.!.c", "a.e30.c", "a.b.c.d"] {
            let token = SecretString::from(text);
            assert!(check(Some(&token), ("https://i", "c"), "n").is_err(), "{text}");
        }
        assert!(check(None, ("https://i", "c"), "n").is_err());
    }
}
