//! What the token endpoint is asked for: tokens for a code, new tokens for a refresh token, and the end of one.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::error::SignInError;
use super::issuer::{Issuer, Metadata};
use super::wire::Wire;

/// The longest token that is taken, in bytes: no server takes a longer one in a header.
const MAX_TOKEN: usize = 8_192;

/// What is shown for tokens.
pub(super) struct Shown<'a> {
    pub(super) code: &'a SecretString,
    pub(super) verifier: &'a SecretString,
    pub(super) redirect: &'a str,
    /// That of the client, where it has one.
    pub(super) secret: Option<&'a SecretString>,
}

/// The longest list of scopes that is kept, in bytes.
const MAX_SCOPE: usize = 4_096;

/// Tokens, as they came: what is known of an answer, and nothing else of it.
pub(super) struct Tokens {
    pub(super) identity: Option<SecretString>,
    pub(super) access: SecretString,
    pub(super) refresh: Option<SecretString>,
    pub(super) scope: Option<String>,
    /// How long the access token is good, in seconds, where that is told.
    pub(super) expires_in: Option<u64>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hidden]")
    }
}

/// The answer, as far as it matters here (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    refresh_token: Option<String>,
    id_token: Option<String>,
    /// A number; as text or with a fraction from some servers.
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    scope: Value,
}

/// A number of seconds, however it is written. What is none says nothing: the token is used until it is refused.
fn seconds(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    // Beyond a century it is no time, and the conversion is exact below it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (number.is_finite() && (0.0..=3_155_760_000.0).contains(&number)).then_some(number as u64)
}

impl Tokens {
    fn read(issuer: &Issuer, answer: Answer) -> Result<Self, SignInError> {
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(issuer.answer("its token is no bearer token"));
        }
        let usable = |token: &String| {
            !token.is_empty() && token.len() <= MAX_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let tokens = [Some(&answer.access_token), answer.refresh_token.as_ref()];
        if !tokens.into_iter().flatten().all(usable) {
            return Err(issuer.answer("a token in it is none"));
        }
        let scope = answer.scope.as_str().filter(|scope| scope.len() <= MAX_SCOPE);
        Ok(Self {
            scope: scope.map(str::to_owned),
            expires_in: seconds(&answer.expires_in),
            identity: answer.id_token.map(SecretString::from),
            access: answer.access_token.into(),
            refresh: answer.refresh_token.map(SecretString::from),
        })
    }

    /// Those for a code that came to the browser.
    pub(super) async fn of_code(
        wire: &Wire,
        issuer: &Issuer,
        metadata: &Metadata,
        shown: Shown<'_>,
    ) -> Result<Self, SignInError> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("client_id", issuer.client_id.as_str()),
            ("code", shown.code.expose_secret()),
            ("code_verifier", shown.verifier.expose_secret()),
            ("redirect_uri", shown.redirect),
        ];
        let url = metadata.token.clone();
        let answer = match shown.secret {
            None => wire.post(url, &fields).await?,
            Some(secret) if metadata.takes_basic => wire.post_as((&issuer.client_id, secret), url, &fields).await?,
            Some(secret) => {
                fields.push(("client_secret", secret.expose_secret()));
                wire.post(url, &fields).await?
            }
        };
        Self::read(issuer, answer)
    }

    /// Those in the place of others. The refresh token is used up by it.
    pub(super) async fn of_refresh(
        wire: &Wire,
        issuer: &Issuer,
        metadata: &Metadata,
        refresh: &SecretString,
    ) -> Result<Self, SignInError> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", &issuer.client_id),
            ("refresh_token", refresh.expose_secret()),
        ];
        let tokens = match wire.post(metadata.token.clone(), &fields).await {
            Ok(answer) => Self::read(issuer, answer),
            Err(error) => Err(error),
        };
        tokens.map_err(|error| match error {
            SignInError::Answer { host, why } => SignInError::UsedUp { host, why },
            error => error,
        })
    }
}

/// Ends a token, and with a refresh token all that came of it (RFC 7009).
pub(super) async fn revoke(
    wire: &Wire,
    issuer: &Issuer,
    metadata: &Metadata,
    (token, hint): (&SecretString, &str),
) -> Result<(), SignInError> {
    let Some(endpoint) = &metadata.revocation else {
        return Err(issuer.answer("it has no endpoint that ends a token"));
    };
    let fields = [
        ("client_id", issuer.client_id.as_str()),
        ("token", token.expose_secret()),
        ("token_type_hint", hint),
    ];
    wire.tell(endpoint.clone(), &fields).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn time_is_read_however_it_is_written() {
        for (value, expected) in [
            (json!(3_600), Some(3_600)),
            (json!("3600"), Some(3_600)),
            (json!(3600.0), Some(3_600)),
            (json!(0), Some(0)),
            (json!(null), None),
            (json!(-1), None),
            (json!("soon"), None),
            (json!(1e300), None),
            (json!({}), None),
        ] {
            assert_eq!(seconds(&value), expected, "{value}");
        }
    }
}
