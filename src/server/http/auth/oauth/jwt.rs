//! Access tokens that are JWTs (RFC 7519, RFC 9068): signed by a key of the issuer's, for this server, at this time.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::claims::LEEWAY;
use super::key::algorithm;
use super::key_cache::KeyCache;
use crate::server::http::auth::challenge::Denial;

/// The head of a token. Whatever else it names (`jwk`, `jku`, `x5u`) is passed over.
#[derive(Deserialize)]
pub(super) struct Head {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// Whether it is there, as whatever (RFC 7515, 4.1.11).
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

fn is_there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// The head of a token, if it is a JWT at all.
pub(super) fn head(token: &str) -> Option<Head> {
    let mut parts = token.split('.');
    let head = parts.next()?;
    if parts.count() != 2 {
        return None;
    }
    let head = URL_SAFE_NO_PAD.decode(head).ok()?;
    serde_json::from_slice(&head).ok()
}

/// The claims of a token that counts.
///
/// # Errors
/// The answer to a request with a token that doesn't.
pub(super) async fn verify(
    token: &str,
    head: &Head,
    keys: &Arc<KeyCache>,
    audience: &str,
) -> Result<Map<String, Value>, Denial> {
    let algorithm = algorithm(&head.alg).ok_or(Denial::Invalid("the token is signed in a way that is not taken"))?;
    if head.crit {
        return Err(Denial::Invalid("the token wants what is not understood (crit)"));
    }
    if head.typ.as_deref().is_some_and(|kind| !is_access_token(kind)) {
        return Err(Denial::Invalid("the token is no access token"));
    }
    let key = keys.key(head.kid.as_deref(), algorithm).await?;
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_audience(&[audience]);
    validation.set_issuer(&[keys.issuer()]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let told = decode::<Map<String, Value>>(token, &key, &validation).map_err(|error| {
        Denial::Invalid(match error.kind() {
            ErrorKind::ExpiredSignature => "the token expired",
            ErrorKind::ImmatureSignature => "the token is not valid yet",
            ErrorKind::InvalidIssuer => "the token is of another issuer",
            ErrorKind::InvalidAudience => "the token is for another audience",
            ErrorKind::InvalidSignature => "the signature of the token is wrong",
            ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
                "exp" => "the token has no end (exp)",
                "aud" => "the token is for another audience",
                "iss" => "the token is of another issuer",
                _ => "the token has no subject that can be used",
            },
            _ => "the token can't be read",
        })
    })?;
    // One issuer, not a list of them.
    if told.claims.get("iss").and_then(Value::as_str) != Some(keys.issuer()) {
        return Err(Denial::Invalid("the token is of another issuer"));
    }
    Ok(told.claims)
}

/// Whether a token of that type may be an access token: an id token of some issuers says `JWT` too, and is for another audience.
fn is_access_token(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    matches!(kind, "jwt" | "at+jwt")
}
