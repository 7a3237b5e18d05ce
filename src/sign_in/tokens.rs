//! What the token endpoint is asked for: tokens for a code, new tokens for a refresh token, and the end of one.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

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

/// Tokens, as they came.
pub(super) struct Tokens {
    pub(super) identity: Option<SecretString>,
    /// How long the access token is good, in seconds.
    pub(super) expires_in: Option<u64>,
    /// The whole answer, for whoever keeps it. It holds the tokens.
    pub(super) whole: Map<String, Value>,
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
    expires_in: Option<u64>,
    #[serde(flatten)]
    rest: Map<String, Value>,
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
        let mut whole = answer.rest;
        for (name, value) in [
            ("access_token", Some(answer.access_token.clone())),
            ("token_type", Some(answer.token_type)),
            ("refresh_token", answer.refresh_token.clone()),
            ("id_token", answer.id_token.clone()),
        ] {
            whole.extend(value.map(|value| (name.to_owned(), Value::from(value))));
        }
        whole.extend(
            answer
                .expires_in
                .map(|seconds| ("expires_in".to_owned(), seconds.into())),
        );
        Ok(Self {
            identity: answer.id_token.map(SecretString::from),
            expires_in: answer.expires_in,
            whole,
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
        let answer = wire.post(metadata.token.clone(), &fields).await?;
        Self::read(issuer, answer)
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
