//! Asking the issuer about access tokens (RFC 7662): about those that are no JWT whose they are, about JWTs whether they still count.
//! What it said counts for a minute.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::claims::{ClaimNames, Claims, LEEWAY, seconds, texts};
use super::key_cache::KeyCache;
use crate::guard::read_trusted_text;
use crate::server::http::auth::asking::{Asking, Bounds, Counts, Shows, Unanswered};
use crate::server::http::auth::callers::IntrospectionSettings;
use crate::server::http::auth::challenge::Denial;

/// How many tokens are kept that count, for how long after the issuer was asked last, and how many it is asked about at once.
const BOUNDS: Bounds = Bounds {
    kept: 10_000,
    keeps: Duration::from_secs(3_600),
    places: 32,
    of_one: 4,
};

/// Whose a token is, the issuer says.
impl Counts for Claims {
    fn owner(&self) -> Option<&str> {
        Some(&self.subject)
    }
}

const INACTIVE: Denial = Denial::Invalid("the token does not count at its issuer");
const ONLY_JWTS: &str = "the token is no JWT, and its issuer can't be asked about others";
const NOWHERE: &str = "The issuer of tokens says nowhere whether they still count, and the operator wants it asked.";

/// What asks the issuer.
pub(super) struct Introspection {
    authorization: HeaderValue,
    /// New for each server: what is kept tells nothing of any token.
    key: hmac::Key,
    tokens: Asking<Claims>,
    looks_at_jwts: bool,
}

impl Introspection {
    /// As that client.
    ///
    /// # Errors
    /// Why its secret can't be used.
    pub(super) fn new(settings: &IntrospectionSettings) -> Result<Self, String> {
        let random: [u8; 32] = rand::random();
        let client = &settings.client;
        Ok(Self {
            authorization: basic(&client.id, &secret(&client.secret_file)?)?,
            key: hmac::Key::new(hmac::HMAC_SHA256, &random),
            tokens: Asking::new(BOUNDS),
            looks_at_jwts: settings.jwts,
        })
    }

    /// Whether the issuer is asked about JWTs, too.
    pub(super) fn looks_at_jwts(&self) -> bool {
        self.looks_at_jwts
    }

    /// What the issuer says of a token that a peer shows.
    ///
    /// # Errors
    /// The answer to a request with a token that doesn't count, or about which the issuer can't be asked.
    pub(super) async fn claims(
        &self,
        (token, peer): (&str, IpAddr),
        keys: &Arc<KeyCache>,
        audience: &str,
        names: &ClaimNames,
    ) -> Result<Claims, Denial> {
        let question = async |_: Option<Claims>| {
            let told = self.ask(token, keys, Denial::Invalid(ONLY_JWTS)).await?;
            Ok(check(&told, keys.issuer(), audience).and_then(|()| Claims::of(&told, names)))
        };
        let digest = self.digest(token);
        let claims = self.tokens.answer(&digest, Shows::Stranger(peer), question).await?;
        in_time(claims)
    }

    /// The claims of a JWT that was verified, where the issuer says that it still counts. No stranger gets
    /// here, since the issuer signed it, and one of its people with many of them takes no other's place.
    ///
    /// # Errors
    /// The answer to a request with a token that doesn't count any more, or about which the issuer can't be asked.
    pub(super) async fn still_counts(
        &self,
        token: &str,
        keys: &Arc<KeyCache>,
        claims: Claims,
    ) -> Result<Claims, Denial> {
        let question = async |_: Option<Claims>| {
            let told = self.ask(token, keys, Denial::Away(NOWHERE)).await?;
            Ok(is_active(&told, keys.issuer()).map(|()| claims.clone()))
        };
        let digest = self.digest(token);
        self.tokens
            .answer(&digest, Shows::Named(&claims.subject), question)
            .await?;
        Ok(claims)
    }

    fn digest(&self, token: &str) -> String {
        STANDARD.encode(hmac::sign(&self.key, token.as_bytes()))
    }

    /// What the issuer says of a token. `nowhere` is the answer where it names no place to ask at.
    async fn ask(&self, token: &str, keys: &Arc<KeyCache>, nowhere: Denial) -> Result<Map<String, Value>, Unanswered> {
        let endpoint = keys.introspection().await.map_err(Unanswered::not_asked)?;
        let endpoint = endpoint.ok_or(Unanswered::not_asked(nowhere))?;
        let fields = [("token", token), ("token_type_hint", "access_token")];
        let answer = keys.wire().post(endpoint, self.authorization.clone(), &fields).await;
        answer.map_err(|error| {
            tracing::warn!("the issuer {} can't be asked about a token: {error}", keys.issuer());
            let away = Denial::Away("The issuer of tokens can't be asked now: try again.");
            Unanswered::asked(away, error.retry_after())
        })
    }

    /// Lets go of what no longer counts.
    pub(super) fn tidy(&self) {
        self.tokens.tidy();
    }
}

/// The same claims, where their token hasn't ended since the issuer was asked.
fn in_time(claims: Claims) -> Result<Claims, Denial> {
    match claims.expires.is_some_and(|end| end.saturating_add(LEEWAY) < now()) {
        true => Err(Denial::Invalid("the token expired")),
        false => Ok(claims),
    }
}

/// Whether the issuer says that a token of its own counts.
fn is_active(told: &Map<String, Value>, issuer: &str) -> Result<(), Denial> {
    if told.get("active") != Some(&Value::Bool(true)) {
        return Err(INACTIVE);
    }
    match told.get("iss").is_some_and(|named| named.as_str() != Some(issuer)) {
        true => Err(Denial::Invalid("the token is of another issuer")),
        false => Ok(()),
    }
}

/// Whether what the issuer says of a token lets it in.
fn check(told: &Map<String, Value>, issuer: &str, audience: &str) -> Result<(), Denial> {
    is_active(told, issuer)?;
    if !texts(told.get("aud")).any(|named| named == audience) {
        return Err(Denial::Invalid("the token is for another audience"));
    }
    let time = |name: &str| told.get(name).map(|value| seconds(value).ok_or(INACTIVE)).transpose();
    if time("exp")?
        .ok_or(Denial::Invalid("the token has no end (exp)"))?
        .saturating_add(LEEWAY)
        < now()
    {
        return Err(Denial::Invalid("the token expired"));
    }
    if time("nbf")?.is_some_and(|begin| begin > now().saturating_add(LEEWAY)) {
        return Err(Denial::Invalid("the token is not valid yet"));
    }
    Ok(())
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(u64::MAX, |since| since.as_secs())
}

/// The secret in a file, without blanks at its ends.
fn secret(path: &Path) -> Result<SecretString, String> {
    let text = SecretString::from(read_trusted_text(path).map_err(|error| error.to_string())?);
    let secret = text.expose_secret().trim();
    match secret.is_empty() {
        true => Err(format!(
            "{}: the secret of the client at the issuer is empty",
            path.display()
        )),
        false => Ok(secret.into()),
    }
}

/// The header that says which client asks (RFC 6749, 2.3.1).
fn basic(id: &str, secret: &SecretString) -> Result<HeaderValue, String> {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let both = SecretString::from(format!("{}:{}", encoded(id), encoded(secret.expose_secret())));
    let text = SecretString::from(format!("Basic {}", STANDARD.encode(both.expose_secret())));
    let mut value = HeaderValue::from_str(text.expose_secret())
        .map_err(|_| "the client at the issuer has an id or a secret that no header holds".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn token_counts_only_where_it_is_active_for_this_server_and_in_time() {
        let right = json!({"active": true, "iss": "i", "aud": ["x", "a"], "exp": now() + 60, "sub": "s"});
        let check = |name: &str, value: Value| {
            let mut told = right.as_object().unwrap().clone();
            told.insert(name.to_owned(), value);
            check(&told, "i", "a")
        };
        assert_eq!(check("aud", json!("a")), Ok(()));
        assert_eq!(check("exp", json!(now() - 20)), Ok(()), "clocks may be apart");
        for (name, value) in [
            ("active", json!(false)),
            ("active", json!("true")),
            ("iss", json!("other")),
            ("aud", json!("b")),
            ("aud", json!(null)),
            ("exp", json!(now() - 60)),
            ("exp", json!("soon")),
            ("nbf", json!(now() + 60)),
        ] {
            assert!(check(name, value.clone()).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn client_says_who_it_is_in_the_way_that_forms_are_written() {
        let value = basic("a:b", &"p ü%".to_owned().into()).unwrap();
        assert_eq!(
            value.to_str().unwrap(),
            format!("Basic {}", STANDARD.encode("a%3Ab:p+%C3%BC%25"))
        );
    }
}
